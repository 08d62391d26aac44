/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRLs as items of the unit's own. A list is larger than a value may be, so that its marks lie in
 * parts beside its head; a transaction changes all of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "certstore/keeper/keeper_crl.h"

#define HEADS_SHARED "crl/"
#define HEADS_HOME "home-crl/" /* those of trustpoints that stay on this unit */
#define PARTS_SHARED "crl-part/"
#define PARTS_HOME "home-crl-part/"

void keeper_crl_free(Asafo__Record__Crl *crl)
{
	asafo__record__crl__free_unpacked(crl, NULL);
}

uint32_t keeper_crl_parts(uint64_t revoked)
{
	uint64_t size = revoked * CRLMARK_SIZE;

	return size == 0 ? 1 : (uint32_t)((size + CRL_PART_SIZE - 1) / CRL_PART_SIZE);
}

static void head_key(bool is_home, const uint8_t key_id[static KEEPER_CRL_KEY_ID_SIZE],
		     char ret_key[static KEEPER_CRL_KEY_SIZE])
{
	char hex[2 * KEEPER_CRL_KEY_ID_SIZE + 1];

	hex_encode(key_id, KEEPER_CRL_KEY_ID_SIZE, hex);
	(void)snprintf(ret_key, KEEPER_CRL_KEY_SIZE, "%s%s", is_home ? HEADS_HOME : HEADS_SHARED,
		       hex);
}

static void part_key(bool is_home, const uint8_t key_id[static KEEPER_CRL_KEY_ID_SIZE],
		     uint32_t part, char ret_key[static KEEPER_CRL_KEY_SIZE])
{
	char hex[2 * KEEPER_CRL_KEY_ID_SIZE + 1];

	hex_encode(key_id, KEEPER_CRL_KEY_ID_SIZE, hex);
	(void)snprintf(ret_key, KEEPER_CRL_KEY_SIZE, "%s%s/%05u",
		       is_home ? PARTS_HOME : PARTS_SHARED, hex, (unsigned)part);
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

Asafo__Record__Crl *keeper_crl_find(struct keeper *keeper, bool is_home,
				    const ProtobufCBinaryData *key_id)
{
	_cleanup_(buf_done) struct buf value = {0};
	char key[KEEPER_CRL_KEY_SIZE];

	if (key_id->len != KEEPER_CRL_KEY_ID_SIZE)
		return NULL;
	head_key(is_home, key_id->data, key);
	return store_unit_get(keeper->store, key, &value) == 0 ? unpack(value.data, value.size)
							       : NULL;
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

struct each {
	int (*fn)(const Asafo__Record__Crl *crl, void *userdata);
	void *userdata;
};

static int each_one(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	const struct each *each = userdata;
	_cleanup_(keeper_crl_free_p) Asafo__Record__Crl *crl = unpack(value, size);

	(void)key;
	return crl ? each->fn(crl, each->userdata) : 0;
}

int keeper_crl_each(struct keeper *keeper, bool is_home,
		    int (*fn)(const Asafo__Record__Crl *crl, void *userdata), void *userdata)
{
	struct each each = {fn, userdata};

	return store_unit_each(keeper->store, is_home ? HEADS_HOME : HEADS_SHARED, each_one, &each);
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
	int r = keeper_crl_each(keeper, false, add, &sum);

	if (r == 0)
		r = keeper_crl_each(keeper, true, add, &sum);
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

/* A head, and the parts of it or of the one before, whichever has more. */
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

static int change_init(struct change *change, bool is_home, const ProtobufCBinaryData *key_id,
		       uint32_t n_parts)
{
	change->n = n_parts + 1u;
	change->changes = calloc(change->n, sizeof(*change->changes));
	change->keys = calloc(change->n, sizeof(*change->keys));
	if (!change->changes || !change->keys)
		return -ENOMEM;
	head_key(is_home, key_id->data, change->keys[0]);
	for (uint32_t i = 0; i < n_parts; i++)
		part_key(is_home, key_id->data, i, change->keys[i + 1]);
	for (size_t i = 0; i < change->n; i++)
		change->changes[i].key = change->keys[i];
	return 0;
}

int keeper_crl_keep(struct keeper *keeper, bool is_home, const Asafo__Record__Crl *crl,
		    const uint8_t *marks, size_t size, struct why *why)
{
	_cleanup_(keeper_crl_free_p) Asafo__Record__Crl *present =
		keeper_crl_find(keeper, is_home, &crl->key_id);
	uint32_t n_parts = keeper_crl_parts(crl->revoked);
	uint32_t n_before = present ? keeper_crl_parts(present->revoked) : 0;
	_cleanup_(change_done) struct change change = {0};
	_cleanup_(buf_done) struct buf packed = {0};
	Asafo__Record__Crl head = *crl;
	int r;

	head.marks = (ProtobufCBinaryData){0, NULL};
	head.is_home = false;
	r = buf_reserve(&packed, asafo__record__crl__get_packed_size(&head));
	if (r == 0)
		r = change_init(&change, is_home, &crl->key_id,
				n_parts > n_before ? n_parts : n_before);
	if (r < 0)
		return r;
	packed.size = asafo__record__crl__pack(&head, packed.data);
	change.changes[0].value = packed.data;
	change.changes[0].value_size = packed.size;
	for (size_t at = 0, i = 1; at < size; at += CRL_PART_SIZE, i++) {
		change.changes[i].value = marks + at;
		change.changes[i].value_size =
			size - at < CRL_PART_SIZE ? size - at : CRL_PART_SIZE;
	}
	return store_unit_change(keeper->store, change.changes, change.n, why);
}

int keeper_crl_delete(struct keeper *keeper, bool is_home, const Asafo__Record__Crl *crl,
		      struct why *why)
{
	_cleanup_(change_done) struct change change = {0};
	int r = change_init(&change, is_home, &crl->key_id, keeper_crl_parts(crl->revoked));

	return r < 0 ? r : store_unit_change(keeper->store, change.changes, change.n, why);
}
