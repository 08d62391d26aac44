/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRLs as items of the unit's own. A list is larger than a value may be, so that its marks lie in
 * parts beside its head; a transaction changes all of it. Where the pair's list of a CA was removed
 * stays known: by that the other unit drops its own, and a list that one of them never had is
 * told from one that was removed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/log.h"
#include "certstore/keeper/keeper_crl.h"

#define HEADS_SHARED "crl/"
#define HEADS_HOME "home-crl/" /* those of trustpoints that stay on this unit */
#define PARTS_SHARED "crl-part/"
#define PARTS_HOME "home-crl-part/"
#define GONE "crl-gone/"

void keeper_crl_free(Asafo__Record__Crl *crl)
{
	asafo__record__crl__free_unpacked(crl, NULL);
}

Asafo__Record__Crl *keeper_crl_copy(const Asafo__Record__Crl *crl)
{
	_cleanup_(buf_done) struct buf packed = {0};

	if (buf_reserve(&packed, asafo__record__crl__get_packed_size(crl)) < 0)
		return NULL;
	packed.size = asafo__record__crl__pack(crl, packed.data);
	return asafo__record__crl__unpack(NULL, packed.size, packed.data);
}

uint32_t keeper_crl_parts(uint64_t revoked)
{
	uint64_t size = revoked * CRLMARK_SIZE;

	return size == 0 ? 1 : (uint32_t)((size + CRL_PART_SIZE - 1) / CRL_PART_SIZE);
}

static void make_key(const char *prefix, const uint8_t key_id[static KEEPER_CRL_KEY_ID_SIZE],
		     char ret_key[static KEEPER_CRL_KEY_SIZE])
{
	char hex[2 * KEEPER_CRL_KEY_ID_SIZE + 1];

	hex_encode(key_id, KEEPER_CRL_KEY_ID_SIZE, hex);
	(void)snprintf(ret_key, KEEPER_CRL_KEY_SIZE, "%s%s", prefix, hex);
}

static void head_key(bool is_home, const uint8_t key_id[static KEEPER_CRL_KEY_ID_SIZE],
		     char ret_key[static KEEPER_CRL_KEY_SIZE])
{
	make_key(is_home ? HEADS_HOME : HEADS_SHARED, key_id, ret_key);
}

static void part_key(bool is_home, const uint8_t key_id[static KEEPER_CRL_KEY_ID_SIZE],
		     uint32_t part, char ret_key[static KEEPER_CRL_KEY_SIZE])
{
	size_t length;

	make_key(is_home ? PARTS_HOME : PARTS_SHARED, key_id, ret_key);
	length = strlen(ret_key);
	(void)snprintf(ret_key + length, KEEPER_CRL_KEY_SIZE - length, "/%05" PRIu32, part);
}

static Asafo__Record__Crl *unpack(const uint8_t *value, size_t size)
{
	Asafo__Record__Crl *crl = asafo__record__crl__unpack(NULL, size, value);

	if (crl && (crl->key_id.len != KEEPER_CRL_KEY_ID_SIZE || crl->digest.len != 32 ||
		    crl->revoked > CRL_ENTRIES_MAX)) {
		keeper_crl_free(crl);
		return NULL;
	}
	return crl;
}

static Asafo__Record__Crl *find(struct keeper *keeper, const char *prefix,
				const ProtobufCBinaryData *key_id)
{
	_cleanup_(buf_done) struct buf value = {0};
	char key[KEEPER_CRL_KEY_SIZE];

	if (key_id->len != KEEPER_CRL_KEY_ID_SIZE)
		return NULL;
	make_key(prefix, key_id->data, key);
	return store_unit_get(keeper->store, key, &value) == 0 ? unpack(value.data, value.size)
							       : NULL;
}

Asafo__Record__Crl *keeper_crl_find(struct keeper *keeper, bool is_home,
				    const ProtobufCBinaryData *key_id)
{
	return find(keeper, is_home ? HEADS_HOME : HEADS_SHARED, key_id);
}

Asafo__Record__Crl *keeper_crl_find_gone(struct keeper *keeper, const ProtobufCBinaryData *key_id)
{
	return find(keeper, GONE, key_id);
}

bool keeper_crl_exists(struct keeper *keeper, bool is_home,
		       const uint8_t key_id[static KEEPER_CRL_KEY_ID_SIZE])
{
	_cleanup_(buf_done) struct buf value = {0};
	char key[KEEPER_CRL_KEY_SIZE];

	head_key(is_home, key_id, key);
	return store_unit_get(keeper->store, key, &value) == 0;
}

int keeper_crl_part_get(struct keeper *keeper, bool is_home, const ProtobufCBinaryData *key_id,
			uint32_t part, struct buf *ret_marks)
{
	char key[KEEPER_CRL_KEY_SIZE];

	if (key_id->len != KEEPER_CRL_KEY_ID_SIZE)
		return ERR_NOT_FOUND;
	part_key(is_home, key_id->data, part, key);
	return store_unit_get(keeper->store, key, ret_marks);
}

int keeper_crl_marks(struct keeper *keeper, bool is_home, const Asafo__Record__Crl *crl,
		     struct buf *ret_marks)
{
	uint8_t digest[32];
	int r = 0;

	for (uint32_t i = 0; i < keeper_crl_parts(crl->revoked) && crl->revoked > 0 && r == 0; i++)
		r = keeper_crl_part_get(keeper, is_home, &crl->key_id, i, ret_marks);
	if (r == -ENOMEM)
		return r;
	if (r == 0)
		r = crl_digest(crl, ret_marks->data, ret_marks->size, digest);
	return r == 0 && ret_marks->size == crl->revoked * CRLMARK_SIZE &&
			       memcmp(digest, crl->digest.data, sizeof(digest)) == 0
		       ? 0
		       : ERR_STORE;
}

/* By the digest: what it is of was looked through, and nothing of the unit's own has changed since.
 * A bit that turns over meanwhile is the scrub's to find. */
static bool is_known_whole(struct keeper *keeper, bool is_home, const Asafo__Record__Crl *crl)
{
	struct keeper_crls_whole *whole = &keeper->crls.whole[is_home];
	uint64_t unit_changes = store_unit_changes(keeper->store);

	if (whole->unit_changes != unit_changes)
		*whole = (struct keeper_crls_whole){.unit_changes = unit_changes};
	for (size_t i = 0; i < whole->n; i++) {
		if (memcmp(whole->key_ids[i], crl->key_id.data, KEEPER_CRL_KEY_ID_SIZE) == 0 &&
		    memcmp(whole->digests[i], crl->digest.data, 32) == 0)
			return true;
	}
	return false;
}

bool keeper_crl_is_whole(struct keeper *keeper, bool is_home, const Asafo__Record__Crl *crl)
{
	struct keeper_crls_whole *whole = &keeper->crls.whole[is_home];
	_cleanup_(buf_done) struct buf marks = {0};

	if (is_known_whole(keeper, is_home, crl))
		return true;
	if (keeper_crl_marks(keeper, is_home, crl, &marks) < 0)
		return false;
	if (whole->n < KEEPER_CRLS_MAX) {
		memcpy(whole->key_ids[whole->n], crl->key_id.data, KEEPER_CRL_KEY_ID_SIZE);
		memcpy(whole->digests[whole->n++], crl->digest.data, 32);
	}
	return true;
}

struct each {
	int (*fn)(const Asafo__Record__Crl *crl, void *userdata);
	void *userdata;
	bool skips_damaged;
};

static int each_one(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	const struct each *each = userdata;
	_cleanup_(keeper_crl_free_p) Asafo__Record__Crl *crl = unpack(value, size);

	if (crl)
		return each->fn(crl, each->userdata);
	if (each->skips_damaged)
		return 0;
	/* Whose it is stood in it. */
	log_line(LOG_ERR,
		 "the CRL of the CA with key %s is damaged in the store: import it again, or "
		 "remove it (asafo crl remove %s)",
		 strchr(key, '/') + 1, strchr(key, '/') + 1);
	return ERR_STORE;
}

int keeper_crl_each(struct keeper *keeper, bool is_home,
		    int (*fn)(const Asafo__Record__Crl *crl, void *userdata), void *userdata)
{
	struct each each = {fn, userdata, false};

	return store_unit_each(keeper->store, is_home ? HEADS_HOME : HEADS_SHARED, each_one, &each);
}

int keeper_crl_each_readable(struct keeper *keeper, bool is_home,
			     int (*fn)(const Asafo__Record__Crl *crl, void *userdata),
			     void *userdata)
{
	struct each each = {fn, userdata, true};

	return store_unit_each(keeper->store, is_home ? HEADS_HOME : HEADS_SHARED, each_one, &each);
}

int keeper_crl_each_gone(struct keeper *keeper,
			 int (*fn)(const Asafo__Record__Crl *crl, void *userdata), void *userdata)
{
	struct each each = {fn, userdata, true};

	return store_unit_each(keeper->store, GONE, each_one, &each);
}

struct sum {
	size_t n;
	uint64_t revoked;
};

static int add(const Asafo__Record__Crl *crl, void *userdata)
{
	struct sum *sum = userdata;

	sum->n++;
	sum->revoked += crl->revoked;
	return 0;
}

int keeper_crl_check_room(struct keeper *keeper, bool is_home, const Asafo__Record__Crl *crl,
			  struct why *why)
{
	_cleanup_(keeper_crl_free_p) Asafo__Record__Crl *present =
		keeper_crl_find(keeper, is_home, &crl->key_id);
	struct sum sum = {0};
	/* One that cannot be read is no reason to refuse what may be instead of it. */
	int r = keeper_crl_each_readable(keeper, is_home, add, &sum);

	if (r < 0)
		return r;
	if (!present && sum.n >= KEEPER_CRLS_MAX)
		return why_set(why, ERR_TOO_LARGE,
			       "there are %u CRLs already: remove some (asafo crl remove)",
			       KEEPER_CRLS_MAX);
	if (sum.revoked - (present ? present->revoked : 0) + crl->revoked > KEEPER_CRL_ENTRIES_MAX)
		return why_set(why, ERR_TOO_LARGE,
			       "with this CRL there would be more than %u revoked certificates: "
			       "remove another CRL (asafo crl remove)",
			       KEEPER_CRL_ENTRIES_MAX);
	return 0;
}

/* ---- changes ---- */

/* A head, what is known of one that was removed (twice: another one of them is forgotten), and all
 * parts that there are or are to be. */
enum { CHANGE_HEAD, CHANGE_GONE, CHANGE_FORGET, CHANGE_PARTS };

struct change {
	struct store_change *changes;
	char (*keys)[KEEPER_CRL_KEY_SIZE];
	size_t n;
};

static void change_done(struct change *change)
{
	free(change->changes);
	free(change->keys);
}

/* Of a list whose head cannot be read nobody knows how many parts it had. */
static int count_parts(struct keeper *keeper, bool is_home, const ProtobufCBinaryData *key_id,
		       uint32_t *ret_n)
{
	_cleanup_(keeper_crl_free_p) Asafo__Record__Crl *present =
		keeper_crl_find(keeper, is_home, key_id);
	char prefix[KEEPER_CRL_KEY_SIZE];
	uint64_t count = 0;
	int r;

	make_key(is_home ? PARTS_HOME : PARTS_SHARED, key_id->data, prefix);
	r = store_unit_count(keeper->store, prefix, &count);
	*ret_n = present ? keeper_crl_parts(present->revoked) : 0;
	if (count > *ret_n)
		*ret_n = (uint32_t)count;
	return r;
}

/* Everything of that key goes, as long as nobody gives it a value. */
static int change_init(struct keeper *keeper, struct change *change, bool is_home,
		       const ProtobufCBinaryData *key_id, uint32_t n_parts)
{
	uint32_t n_before;
	int r = count_parts(keeper, is_home, key_id, &n_before);

	if (r < 0)
		return r;
	change->n = CHANGE_PARTS + (n_parts > n_before ? n_parts : n_before);
	change->changes = calloc(change->n, sizeof(*change->changes));
	change->keys = calloc(change->n, sizeof(*change->keys));
	if (!change->changes || !change->keys)
		return -ENOMEM;
	head_key(is_home, key_id->data, change->keys[CHANGE_HEAD]);
	make_key(GONE, key_id->data, change->keys[CHANGE_GONE]);
	make_key(GONE, key_id->data, change->keys[CHANGE_FORGET]);
	for (uint32_t i = 0; i < change->n - CHANGE_PARTS; i++)
		part_key(is_home, key_id->data, i, change->keys[CHANGE_PARTS + i]);
	for (size_t i = 0; i < change->n; i++)
		change->changes[i].key = change->keys[i];
	return 0;
}

static int pack(const Asafo__Record__Crl *crl, struct buf *ret_packed)
{
	Asafo__Record__Crl head = *crl;
	int r;

	head.marks = (ProtobufCBinaryData){0, NULL};
	head.n_trustpoints = 0;
	head.is_home = false;
	r = buf_reserve(ret_packed, asafo__record__crl__get_packed_size(&head));
	if (r == 0)
		ret_packed->size = asafo__record__crl__pack(&head, ret_packed->data);
	return r;
}

static int commit(struct keeper *keeper, struct change *change, bool is_home, struct why *why)
{
	/* That one was removed is not known of what stays home. */
	if (is_home) {
		change->changes[CHANGE_GONE] = change->changes[CHANGE_HEAD];
		change->changes[CHANGE_FORGET] = change->changes[CHANGE_HEAD];
	}
	return store_unit_change(keeper->store, change->changes, change->n, why);
}

int keeper_crl_keep(struct keeper *keeper, bool is_home, const Asafo__Record__Crl *crl,
		    const uint8_t *marks, size_t size, struct why *why)
{
	_cleanup_(change_done) struct change change = {0};
	_cleanup_(buf_done) struct buf packed = {0};
	int r = pack(crl, &packed);

	if (r == 0)
		r = change_init(keeper, &change, is_home, &crl->key_id,
				keeper_crl_parts(crl->revoked));
	if (r < 0)
		return r;
	change.changes[CHANGE_HEAD].value = packed.data;
	change.changes[CHANGE_HEAD].value_size = packed.size;
	for (size_t at = 0, i = CHANGE_PARTS; at < size; at += CRL_PART_SIZE, i++) {
		change.changes[i].value = marks + at;
		change.changes[i].value_size =
			size - at < CRL_PART_SIZE ? size - at : CRL_PART_SIZE;
	}
	return commit(keeper, &change, is_home, why);
}

/* ---- what was removed ---- */

struct eldest {
	const ProtobufCBinaryData *key_id; /* that is there in any case */
	size_t n;
	int64_t removed_at;
	uint8_t eldest[KEEPER_CRL_KEY_ID_SIZE];
};

static int look_eldest(const Asafo__Record__Crl *gone, void *userdata)
{
	struct eldest *eldest = userdata;

	if (memcmp(gone->key_id.data, eldest->key_id->data, KEEPER_CRL_KEY_ID_SIZE) == 0)
		return 0;
	if (eldest->n++ == 0 || gone->removed_at < eldest->removed_at) {
		eldest->removed_at = gone->removed_at;
		memcpy(eldest->eldest, gone->key_id.data, KEEPER_CRL_KEY_ID_SIZE);
	}
	return 0;
}

int keeper_crl_delete(struct keeper *keeper, bool is_home, const Asafo__Record__Crl *gone,
		      struct why *why)
{
	_cleanup_(change_done) struct change change = {0};
	_cleanup_(buf_done) struct buf packed = {0};
	struct eldest eldest = {.key_id = &gone->key_id};
	int r = change_init(keeper, &change, is_home, &gone->key_id, 0);

	if (r == 0)
		r = pack(gone, &packed);
	if (r == 0)
		r = keeper_crl_each_gone(keeper, look_eldest, &eldest);
	if (r < 0)
		return r;
	if (eldest.n >= KEEPER_CRLS_MAX)
		make_key(GONE, eldest.eldest, change.keys[CHANGE_FORGET]);
	else
		change.changes[CHANGE_FORGET] = change.changes[CHANGE_HEAD];
	change.changes[CHANGE_GONE].value = packed.data;
	change.changes[CHANGE_GONE].value_size = packed.size;
	return commit(keeper, &change, is_home, why);
}

int keeper_crl_forget(struct keeper *keeper, const ProtobufCBinaryData *key_id, struct why *why)
{
	struct store_change change = {0};
	char key[KEEPER_CRL_KEY_SIZE];

	make_key(GONE, key_id->data, key);
	change.key = key;
	return store_unit_change(keeper->store, &change, 1, why);
}
