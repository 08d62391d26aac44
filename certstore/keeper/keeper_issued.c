/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of what local CAs issued. A certificate that a local CA issued is known by its
 * signature; its key, put into another certificate (self-signed, or another CA's), by nothing but
 * itself. This unit's are those of the CA's list, which is read once, for it is long; the mate's
 * are kept as the mate tells them, each under its own name: digests, from which no byte of a key
 * comes back. They are never forgotten, as the CAs' marks are not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "certstore/keeper/keeper_verbs.h"

#define OWN_PREFIX "localca/issued/"
#define MATE_PREFIX "mate-issued/"
#define MATE_MAX 100000u /* 3 MB; what a mate may make this unit keep has an end */

void keeper_issued_forget(struct keeper *keeper)
{
	buf_done(&keeper->issued.own);
	keeper->issued = (struct keeper_issued){0};
}

static int add_own(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct buf *own = userdata;
	Asafo__Record__TrustpointPublic *part =
		asafo__record__trustpoint_public__unpack(NULL, size, value);
	int r = ERR_STORE;

	(void)key;
	if (part && part->key_id.len == IDENTITY_KEY_ID_SIZE)
		r = buf_append(own, part->key_id.data, part->key_id.len);
	if (part)
		asafo__record__trustpoint_public__free_unpacked(part, NULL);
	return r;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, IDENTITY_KEY_ID_SIZE);
}

int keeper_issued_own(struct keeper *keeper, const struct buf **ret_ids)
{
	struct keeper_issued *issued = &keeper->issued;
	int r;

	*ret_ids = &issued->own;
	if (issued->is_read)
		return 0;
	r = store_unit_each(keeper->store, OWN_PREFIX, add_own, &issued->own);
	if (r < 0) {
		keeper_issued_forget(keeper);
		return r;
	}
	if (issued->own.size > 0)
		qsort(issued->own.data, issued->own.size / IDENTITY_KEY_ID_SIZE,
		      IDENTITY_KEY_ID_SIZE, compare);
	issued->is_read = true;
	return 0;
}

void keeper_issued_add(struct keeper *keeper, const ProtobufCBinaryData *id)
{
	struct buf *own = &keeper->issued.own;
	size_t at = own->size;

	if (!keeper->issued.is_read)
		return;
	if (id->len != IDENTITY_KEY_ID_SIZE || buf_append(own, id->data, id->len) < 0) {
		keeper_issued_forget(keeper);
		return;
	}
	while (at > 0 && memcmp(own->data + at - IDENTITY_KEY_ID_SIZE, id->data, id->len) > 0)
		at -= IDENTITY_KEY_ID_SIZE;
	memmove(own->data + at + IDENTITY_KEY_ID_SIZE, own->data + at,
		own->size - IDENTITY_KEY_ID_SIZE - at);
	memcpy(own->data + at, id->data, id->len);
}

int keeper_issued_count(struct keeper *keeper, uint64_t *ret_count)
{
	const struct buf *own;
	int r = keeper_issued_own(keeper, &own);

	if (r == 0)
		r = store_unit_count(keeper->store, MATE_PREFIX, ret_count);
	if (r == 0)
		*ret_count += own->size / IDENTITY_KEY_ID_SIZE;
	return r;
}

static void mate_key(const uint8_t *id, char ret_key[static KEEPER_NAME_KEY_SIZE])
{
	char hex[2 * IDENTITY_KEY_ID_SIZE + 1];

	hex_encode(id, IDENTITY_KEY_ID_SIZE, hex);
	(void)snprintf(ret_key, KEEPER_NAME_KEY_SIZE, MATE_PREFIX "%s", hex);
}

int keeper_issued_by(struct keeper *keeper, const uint8_t id[static IDENTITY_KEY_ID_SIZE],
		     enum keeper_issuer *ret_issuer)
{
	_cleanup_(buf_done) struct buf there = {0};
	char key[KEEPER_NAME_KEY_SIZE];
	const struct buf *own;
	int r = keeper_issued_own(keeper, &own);

	*ret_issuer = KEEPER_ISSUER_OWN;
	if (r < 0 || (own->size > 0 && bsearch(id, own->data, own->size / IDENTITY_KEY_ID_SIZE,
					       IDENTITY_KEY_ID_SIZE, compare)))
		return r;
	mate_key(id, key);
	r = store_unit_get(keeper->store, key, &there);
	*ret_issuer = r == 0 ? KEEPER_ISSUER_MATE : KEEPER_ISSUER_NONE;
	return r == ERR_NOT_FOUND ? 0 : r;
}

/* Into CHANGES and KEYS; those that are there already are not written again. */
static int collect(struct keeper *keeper, const ProtobufCBinaryData *ids, size_t n,
		   struct store_change *changes, char (*keys)[KEEPER_NAME_KEY_SIZE], size_t *ret_n)
{
	*ret_n = 0;
	for (size_t i = 0; i < n; i++) {
		_cleanup_(buf_done) struct buf there = {0};
		int r;

		if (ids[i].len != IDENTITY_KEY_ID_SIZE)
			return ERR_MALFORMED;
		mate_key(ids[i].data, keys[*ret_n]);
		r = store_unit_get(keeper->store, keys[*ret_n], &there);
		if (r < 0 && r != ERR_NOT_FOUND)
			return r;
		if (r == ERR_NOT_FOUND) {
			changes[*ret_n] =
				(struct store_change){keys[*ret_n], ids[i].data, ids[i].len};
			*ret_n += 1;
		}
	}
	return 0;
}

int keeper_issued_keep(struct keeper *keeper, const ProtobufCBinaryData *ids, size_t n,
		       struct why *ret_why)
{
	struct store_change changes[KEEPER_ISSUED_BATCH];
	char keys[KEEPER_ISSUED_BATCH][KEEPER_NAME_KEY_SIZE];
	uint64_t n_there = 0;
	size_t n_new;
	int r = n > KEEPER_ISSUED_BATCH ? ERR_MALFORMED
					: collect(keeper, ids, n, changes, keys, &n_new);

	if (r == ERR_MALFORMED)
		return why_set(ret_why, r,
			       "what the mate says of the keys that its local CA issued is no such "
			       "thing");
	if (r < 0 || n_new == 0)
		return r;
	r = store_unit_count(keeper->store, MATE_PREFIX, &n_there);
	if (r == 0 && n_there + n_new > MATE_MAX)
		return why_set(ret_why, ERR_TOO_LARGE,
			       "the mate says that its local CA issued more than %u certificates",
			       MATE_MAX);
	return r < 0 ? r : store_unit_change(keeper->store, changes, n_new, ret_why);
}
