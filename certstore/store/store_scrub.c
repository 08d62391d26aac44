/* SPDX-License-Identifier: Apache-2.0 */
/* Items that nobody reads are looked at, too: some at a time, in the order of their keys. */
#include <string.h>

#include "base/err.h"
#include "certstore/store/digest.h"
#include "certstore/store/store_private.h"

static int check_item(MDB_txn *txn, MDB_dbi digests, MDB_val *key, const MDB_val *value)
{
	uint8_t digest[STORE_DIGEST_SIZE];
	MDB_val known;
	int r = digest_item(key->mv_data, key->mv_size, value->mv_data, value->mv_size, digest);

	if (r == 0)
		r = store_code(mdb_get(txn, digests, key, &known));
	if (r < 0)
		return r == ERR_NOT_FOUND || r == ERR_TOO_LARGE ? ERR_STORE : r;
	return known.mv_size == sizeof(digest) && memcmp(known.mv_data, digest, sizeof(digest)) == 0
		       ? 0
		       : ERR_STORE;
}

/* The first item behind AFTER; empty: the first of all. */
static int find_next(MDB_cursor *cursor, const char *after, MDB_val *key, MDB_val *value)
{
	size_t size = strlen(after);
	int r;

	if (size == 0)
		return store_code(mdb_cursor_get(cursor, key, value, MDB_FIRST));
	*key = store_val(after, size);
	r = store_code(mdb_cursor_get(cursor, key, value, MDB_SET_RANGE));
	if (r == 0 && key->mv_size == size && memcmp(key->mv_data, after, size) == 0)
		r = store_code(mdb_cursor_get(cursor, key, value, MDB_NEXT));
	return r;
}

int store_scrub(struct store *store, bool is_unit, unsigned max_items,
		char after[static STORE_KEY_MAX + 1])
{
	_cleanup_txn_ MDB_txn *txn = NULL;
	_cleanup_cursor_ MDB_cursor *cursor = NULL;
	MDB_dbi items = is_unit ? store->unit : store->replica.items;
	MDB_dbi digests = is_unit ? store->unit_digests : store->replica.digests;
	MDB_val key, value;
	int r = store_code(mdb_txn_begin(store->replica.env, NULL, MDB_RDONLY, &txn));

	if (r == 0)
		r = store_code(mdb_cursor_open(txn, items, &cursor));
	if (r == 0)
		r = find_next(cursor, after, &key, &value);
	for (unsigned n = 0; r == 0 && n < max_items; n++) {
		r = key.mv_size > STORE_KEY_MAX ? ERR_STORE
						: check_item(txn, digests, &key, &value);
		if (r < 0)
			break;
		memcpy(after, key.mv_data, key.mv_size);
		after[key.mv_size] = 0;
		r = store_code(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
	}
	if (r == ERR_NOT_FOUND)
		after[0] = 0;
	if (r == ERR_STORE)
		store->is_damage_seen = true;
	return r == ERR_NOT_FOUND ? 0 : r;
}
