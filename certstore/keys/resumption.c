/* SPDX-License-Identifier: Apache-2.0 */
/* Each change is made on a copy, written, and only then what is used. */
#include "certstore/keys/resumption.h"

#include <gnutls/crypto.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "certstore/store/store.h"

#define ITEM "resumption"
#define PURPOSE "asafo session tickets"

void resumption_done(struct resumption *resumption)
{
	for (size_t i = 0; i < RESUMPTION_KEYS_MAX; i++)
		secret_done(&resumption->keys[i].key);
	*resumption = (struct resumption){0};
}

#define _cleanup_resumption_ _cleanup_(resumption_done)

static void move(struct resumption *to, struct resumption *from)
{
	resumption_done(to);
	*to = *from;
	*from = (struct resumption){0};
}

static int add(struct resumption *resumption, const uint8_t *id, const uint8_t *key,
	       int64_t made_at, int64_t retired_at)
{
	struct resumption_key *to = &resumption->keys[resumption->n];
	int r = secret_init_copy(&to->key, key, RESUMPTION_KEY_SIZE);

	if (r < 0)
		return r;
	memcpy(to->id, id, RESUMPTION_ID_SIZE);
	to->made_at = made_at;
	to->retired_at = retired_at;
	resumption->n++;
	return 0;
}

/* ---- as bytes ---- */

int resumption_seal(const struct resumption *resumption, struct keyring *ring,
		    struct buf *ret_sealed)
{
	Asafo__Record__ResumptionKey keys[RESUMPTION_KEYS_MAX];
	Asafo__Record__ResumptionKey *pointers[RESUMPTION_KEYS_MAX];
	Asafo__Record__ResumptionKeys message = ASAFO__RECORD__RESUMPTION_KEYS__INIT;
	_cleanup_(secret_done) struct secret packed = {0};
	int r;

	for (size_t i = 0; i < resumption->n; i++) {
		const struct resumption_key *from = &resumption->keys[i];

		asafo__record__resumption_key__init(&keys[i]);
		keys[i].id =
			(ProtobufCBinaryData){sizeof(from->id), (uint8_t *)(uintptr_t)from->id};
		keys[i].key = (ProtobufCBinaryData){from->key.size, from->key.data};
		keys[i].made_at = from->made_at;
		keys[i].retired_at = from->retired_at;
		pointers[i] = &keys[i];
	}
	message.keys = pointers;
	message.n_keys = resumption->n;
	r = secret_init(&packed, asafo__record__resumption_keys__get_packed_size(&message));
	if (r < 0)
		return r;
	(void)asafo__record__resumption_keys__pack(&message, packed.data);
	return keyring_wrap(ring, PURPOSE, &packed, ret_sealed);
}

static int take_message(const Asafo__Record__ResumptionKeys *message, struct resumption *resumption)
{
	int r = message->n_keys > 0 && message->n_keys <= RESUMPTION_KEYS_MAX ? 0 : ERR_MALFORMED;

	for (size_t i = 0; i < message->n_keys && r == 0; i++) {
		const Asafo__Record__ResumptionKey *from = message->keys[i];
		bool is_retired = from->retired_at != 0;

		/* The newest is in use, those behind it are not. */
		if (from->id.len != RESUMPTION_ID_SIZE || from->key.len != RESUMPTION_KEY_SIZE ||
		    is_retired != (i > 0))
			return ERR_MALFORMED;
		r = add(resumption, from->id.data, from->key.data, from->made_at, from->retired_at);
	}
	return r;
}

static void *allocate(void *unused, size_t size)
{
	(void)unused;
	return malloc(size);
}

static void release(void *unused, void *bytes)
{
	(void)unused;
	if (bytes)
		explicit_bzero(bytes, malloc_usable_size(bytes));
	free(bytes);
}

static int open_sealed(struct keyring *ring, const uint8_t *sealed, size_t size,
		       struct resumption *ret_resumption)
{
	ProtobufCAllocator wiping = {allocate, release, NULL};
	_cleanup_(secret_done) struct secret packed = {0};
	Asafo__Record__ResumptionKeys *message;
	int r = keyring_unwrap(ring, PURPOSE, sealed, size, &packed);

	if (r < 0)
		return r;
	message = asafo__record__resumption_keys__unpack(&wiping, packed.size, packed.data);
	if (!message)
		return ERR_MALFORMED;
	r = take_message(message, ret_resumption);
	asafo__record__resumption_keys__free_unpacked(message, &wiping);
	if (r < 0)
		resumption_done(ret_resumption);
	return r;
}

static int keep(const struct resumption *resumption, struct keyring *ring, struct store *store,
		struct why *ret_why)
{
	_cleanup_(buf_done) struct buf sealed = {0};
	struct store_change change = {.key = ITEM};
	int r = resumption_seal(resumption, ring, &sealed);

	if (r < 0)
		return why_set(ret_why, r, "the key of session tickets cannot be sealed: %s",
			       err_text(r));
	change.value = sealed.data;
	change.value_size = sealed.size;
	return store_unit_change(store, &change, 1, ret_why);
}

/* ---- what is done ---- */

int resumption_load(struct resumption *resumption, struct keyring *ring, struct store *store)
{
	_cleanup_(buf_done) struct buf sealed = {0};
	_cleanup_resumption_ struct resumption loaded = {0};
	int r = store_unit_get(store, ITEM, &sealed);

	if (r == 0)
		r = open_sealed(ring, sealed.data, sealed.size, &loaded);
	if (r < 0 && r != -ENOMEM && r != ERR_STORE)
		r = 0;
	if (r == 0)
		move(resumption, &loaded);
	return r;
}

int resumption_rotate(struct resumption *resumption, struct keyring *ring, struct store *store,
		      bool is_forgetting, int64_t now, struct why *ret_why)
{
	_cleanup_resumption_ struct resumption next = {0};
	_cleanup_(secret_done) struct secret key = {0};
	const struct resumption_key *before = &resumption->keys[0];
	uint8_t id[RESUMPTION_ID_SIZE];
	int r = secret_init(&key, RESUMPTION_KEY_SIZE);

	if (r == 0 && (gnutls_rnd(GNUTLS_RND_KEY, key.data, key.size) < 0 ||
		       gnutls_rnd(GNUTLS_RND_NONCE, id, sizeof(id)) < 0))
		r = ERR_CRYPTO;
	if (r == 0)
		r = add(&next, id, key.data, now, 0);
	if (r == 0 && resumption->n > 0 && !is_forgetting)
		r = add(&next, before->id, before->key.data, before->made_at, now);
	if (r < 0)
		return why_set(ret_why, r, "a key of session tickets cannot be made: %s",
			       err_text(r));
	r = keep(&next, ring, store, ret_why);
	if (r == 0)
		move(resumption, &next);
	return r;
}

int resumption_take(struct resumption *resumption, struct keyring *ring, struct store *store,
		    const uint8_t *sealed, size_t size, struct why *ret_why)
{
	_cleanup_resumption_ struct resumption theirs = {0};
	int r = open_sealed(ring, sealed, size, &theirs);

	if (r < 0)
		return why_set(ret_why, r, "the mate's key of session tickets cannot be opened: %s",
			       r == ERR_NOT_READY ? "the pair's key that seals it is not here yet"
						  : err_text(r));
	r = keep(&theirs, ring, store, ret_why);
	if (r == 0)
		move(resumption, &theirs);
	return r;
}

int64_t resumption_left_s(const struct resumption_key *key, int64_t now)
{
	int64_t since = now - key->retired_at;

	/* A clock that was set back makes it no longer than it would have been. */
	if (since < 0)
		since = 0;
	return since < RESUMPTION_OVERLAP_S ? RESUMPTION_OVERLAP_S - since : 0;
}

bool resumption_prune(struct resumption *resumption, struct keyring *ring, struct store *store,
		      int64_t now)
{
	bool is_any = false;

	while (resumption->n > 1 &&
	       resumption_left_s(&resumption->keys[resumption->n - 1], now) == 0) {
		struct resumption_key *last = &resumption->keys[--resumption->n];

		secret_done(&last->key);
		*last = (struct resumption_key){0};
		is_any = true;
	}
	/* Where it cannot be written, the next change does it. */
	if (is_any)
		(void)keep(resumption, ring, store, NULL);
	return is_any;
}
