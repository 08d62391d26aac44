/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of what local CAs issued. A certificate that a local CA issued is known by its
 * signature; its key, put into another certificate (self-signed, or another CA's), by nothing but
 * itself. This unit's are those of the CA's list, the mate's are kept as the mate tells them, each
 * under its own name: digests, from which no byte of a key comes back. They are never forgotten, as
 * the CAs' marks are not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "certstore/keeper/keeper_verbs.h"

#define OWN_PREFIX "localca/issued/"
#define MATE_PREFIX "mate-issued/"
#define MATE_MAX 100000u /* 3 MB; what a mate may make this unit keep has an end */

void keeper_issued_done(struct keeper_issued *issued)
{
	buf_done(&issued->own);
}

static int add_own(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct keeper_issued *issued = userdata;
	Asafo__Record__TrustpointPublic *part =
		asafo__record__trustpoint_public__unpack(NULL, size, value);
	int r = ERR_STORE;

	(void)key;
	if (part && part->key_id.len == IDENTITY_KEY_ID_SIZE)
		r = buf_append(&issued->own, part->key_id.data, part->key_id.len);
	if (part)
		asafo__record__trustpoint_public__free_unpacked(part, NULL);
	return r;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, IDENTITY_KEY_ID_SIZE);
}

int keeper_issued_get(struct keeper *keeper, struct keeper_issued *ret_issued)
{
	_cleanup_(keeper_issued_done) struct keeper_issued issued = {.keeper = keeper};
	int r = store_unit_each(keeper->store, OWN_PREFIX, add_own, &issued);

	if (r < 0)
		return r;
	if (issued.own.size > 0)
		qsort(issued.own.data, issued.own.size / IDENTITY_KEY_ID_SIZE, IDENTITY_KEY_ID_SIZE,
		      compare);
	*ret_issued = issued;
	issued = (struct keeper_issued){0};
	return 0;
}

int keeper_issued_count(const struct keeper_issued *issued, uint64_t *ret_count)
{
	int r = store_unit_count(issued->keeper->store, MATE_PREFIX, ret_count);

	*ret_count += issued->own.size / IDENTITY_KEY_ID_SIZE;
	return r;
}

static void mate_key(const uint8_t *id, char ret_key[static KEEPER_NAME_KEY_SIZE])
{
	char hex[2 * IDENTITY_KEY_ID_SIZE + 1];

	hex_encode(id, IDENTITY_KEY_ID_SIZE, hex);
	(void)snprintf(ret_key, KEEPER_NAME_KEY_SIZE, MATE_PREFIX "%s", hex);
}

int keeper_issued_by(const struct keeper_issued *issued,
		     const uint8_t id[static IDENTITY_KEY_ID_SIZE], enum keeper_issuer *ret_issuer)
{
	_cleanup_(buf_done) struct buf there = {0};
	char key[KEEPER_NAME_KEY_SIZE];
	int r;

	*ret_issuer = KEEPER_ISSUER_OWN;
	if (issued->own.size > 0 &&
	    bsearch(id, issued->own.data, issued->own.size / IDENTITY_KEY_ID_SIZE,
		    IDENTITY_KEY_ID_SIZE, compare))
		return 0;
	mate_key(id, key);
	r = store_unit_get(issued->keeper->store, key, &there);
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
