/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items come mostly in the order of their keys: what lies behind the last key is appended to the
 * tree without a search, which makes a bulk into an empty store a sequential write.
 */
#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "certstore/store/digest.h"
#include "certstore/store/store_private.h"

static int find_last_key(struct apply *apply)
{
	MDB_val key, value;
	int r = store_code(mdb_cursor_get(apply->items, &key, &value, MDB_LAST));

	if (r == ERR_NOT_FOUND)
		return 0;
	if (r < 0)
		return r;
	if (key.mv_size > sizeof(apply->last_key))
		return ERR_STORE;
	memcpy(apply->last_key, key.mv_data, key.mv_size);
	apply->last_key_size = key.mv_size;
	return 0;
}

int apply_begin(struct store_replica *replica, struct apply *ret_apply)
{
	struct apply *apply = ret_apply;
	int r;

	*apply = (struct apply){.replica = replica,
				.position = replica->position,
				.trustpoints = replica->trustpoints};
	r = store_write_begin(replica, &apply->txn);
	if (r < 0) {
		apply->txn = NULL;
		return r;
	}
	/* What is on disk counts, not what was remembered. */
	r = store_meta_read(replica, apply->txn, &apply->position);
	if (r == 0)
		r = store_code(mdb_cursor_open(apply->txn, replica->items, &apply->items));
	if (r == 0)
		r = store_code(mdb_cursor_open(apply->txn, replica->digests, &apply->digests));
	return r == 0 ? find_last_key(apply) : r;
}

static int remember_key(struct apply *apply, const char *key, size_t key_size)
{
	if (apply->has_too_many_keys)
		return 0;
	if (apply->n_keys == JOURNAL_ENTRY_KEYS_MAX) {
		apply->has_too_many_keys = true;
		return 0;
	}
	if (apply->n_keys == apply->n_keys_allocated) {
		size_t wanted = apply->n_keys_allocated ? 2 * apply->n_keys_allocated : 16;
		char **keys = reallocarray(apply->keys, wanted, sizeof(*keys));

		if (!keys)
			return -ENOMEM;
		apply->keys = keys;
		apply->n_keys_allocated = wanted;
	}
	apply->keys[apply->n_keys] = strndup(key, key_size);
	if (!apply->keys[apply->n_keys])
		return -ENOMEM;
	apply->n_keys++;
	return 0;
}

static bool is_behind_last(const struct apply *apply, const char *key, size_t key_size)
{
	size_t common = key_size < apply->last_key_size ? key_size : apply->last_key_size;
	int order = memcmp(key, apply->last_key, common);

	return order > 0 || (order == 0 && key_size > apply->last_key_size);
}

static int append_item(struct apply *apply, MDB_val *key, MDB_val *value, MDB_val *digest)
{
	int r = store_code(mdb_cursor_put(apply->items, key, value, MDB_APPEND));

	if (r == 0)
		r = store_code(mdb_cursor_put(apply->digests, key, digest, MDB_APPEND));
	if (r < 0)
		return r;
	memcpy(apply->last_key, key->mv_data, key->mv_size);
	apply->last_key_size = key->mv_size;
	return 0;
}

/* Takes the old item's digest, if there is one, out of the root. */
static int forget_old(struct apply *apply, MDB_val *key, bool *ret_is_present)
{
	MDB_val old;
	int r = store_code(mdb_cursor_get(apply->digests, key, &old, MDB_SET));

	*ret_is_present = r == 0;
	if (r == ERR_NOT_FOUND)
		return 0;
	if (r < 0)
		return r;
	if (old.mv_size != STORE_DIGEST_SIZE || apply->position.count == 0)
		return ERR_STORE;
	digest_subtract(apply->position.digest, old.mv_data);
	apply->position.count--;
	apply->trustpoints -= store_key_is_trustpoint(key->mv_data, key->mv_size);
	return 0;
}

static int delete_item(struct apply *apply, MDB_val *key)
{
	int r = store_code(mdb_del(apply->txn, apply->replica->items, key, NULL));

	if (r == 0)
		r = store_code(mdb_del(apply->txn, apply->replica->digests, key, NULL));
	/* The last key stays a bound that is safe: what is behind it is behind every key there is.
	 */
	return r == ERR_NOT_FOUND ? ERR_STORE : r;
}

static int put_item(struct apply *apply, MDB_val *key, MDB_val *value, MDB_val *digest)
{
	int r = store_code(mdb_cursor_put(apply->items, key, value, 0));

	return r < 0 ? r : store_code(mdb_cursor_put(apply->digests, key, digest, 0));
}

int apply_item(struct apply *apply, const char *key, size_t key_size, const uint8_t *value,
	       size_t value_size, const uint8_t digest[static STORE_DIGEST_SIZE])
{
	MDB_val k = store_val(key, key_size), v = store_val(value, value_size);
	MDB_val d = store_val(digest, STORE_DIGEST_SIZE);
	bool is_present = false, is_last;
	int r;

	assert(key_size > 0 && key_size <= STORE_KEY_MAX);
	is_last = is_behind_last(apply, key, key_size);
	r = is_last ? 0 : forget_old(apply, &k, &is_present);
	if (r < 0 || (!value && !is_present))
		return r;
	/* The cursor's answer pointed into the page. */
	k = store_val(key, key_size);
	apply->bytes += key_size + value_size;
	if (!value)
		r = delete_item(apply, &k);
	else if (is_last)
		r = append_item(apply, &k, &v, &d);
	else
		r = put_item(apply, &k, &v, &d);
	if (r < 0)
		return r;
	if (value) {
		digest_add(apply->position.digest, digest);
		apply->position.count++;
		apply->trustpoints += store_key_is_trustpoint(key, key_size);
	}
	return remember_key(apply, key, key_size);
}

int apply_commit(struct apply *apply, uint64_t term, uint64_t seq, uint64_t lineage)
{
	bool is_adopted = lineage != 0 && lineage != apply->position.lineage;
	int r = is_adopted ? journal_drop(apply->replica, apply->txn) : 0;

	apply->position.term = term;
	apply->position.seq = seq;
	if (is_adopted)
		apply->position.lineage = lineage;
	if (r == 0)
		r = journal_append(apply->replica, apply->txn, &apply->position, apply->keys,
				   apply->n_keys, is_adopted || apply->has_too_many_keys);
	if (r == 0)
		r = store_data_check(apply->replica, apply->txn, &apply->position.has_data);
	if (r == 0)
		r = store_meta_write(apply->replica, apply->txn, &apply->position);
	if (r < 0)
		return r;
	/* Cursors of a write transaction end with it. */
	apply->items = NULL;
	apply->digests = NULL;
	r = store_write_commit(apply->replica, TAKE_PTR(apply->txn));
	if (r < 0)
		return r;
	apply->replica->position = apply->position;
	apply->replica->trustpoints = apply->trustpoints;
	return 0;
}

void apply_done(struct apply *apply)
{
	if (apply->txn)
		mdb_txn_abort(apply->txn);
	for (size_t i = 0; i < apply->n_keys; i++)
		free(apply->keys[i]);
	free(apply->keys);
	/* Committed or not. */
	if (apply->replica && apply->bytes > apply->replica->slack)
		apply->replica->slack = apply->bytes;
	*apply = (struct apply){0};
}
