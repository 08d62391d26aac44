/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry says which keys differ between the contents before it and after it, whoever made the
 * change; a delta is the union of such sets. That holds only while the entries lie in the order in
 * which they were applied: when a commit's position is not behind the last entry (a mate with an
 * older history took over) or is of another lineage, the journal begins anew with a barrier.
 */
#include <endian.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "certstore/store/store_private.h"

static void key_encode(uint64_t term, uint64_t seq, uint8_t ret_key[static JOURNAL_KEY_SIZE])
{
	term = htobe64(term);
	seq = htobe64(seq);
	memcpy(ret_key, &term, 8);
	memcpy(ret_key + 8, &seq, 8);
}

static int key_decode(const MDB_val *key, uint64_t *ret_term, uint64_t *ret_seq)
{
	uint64_t term, seq;

	if (key->mv_size != JOURNAL_KEY_SIZE)
		return ERR_STORE;
	memcpy(&term, key->mv_data, 8);
	memcpy(&seq, (const uint8_t *)key->mv_data + 8, 8);
	*ret_term = be64toh(term);
	*ret_seq = be64toh(seq);
	return 0;
}

int journal_drop(struct store_replica *replica, MDB_txn *txn)
{
	memset(replica->check.journal, 0, sizeof(replica->check.journal));
	return store_code(mdb_drop(txn, replica->journal, 0));
}

/* Drops everything if the history does not go on from its last entry. */
static int make_order(struct store_replica *replica, MDB_txn *txn, const uint8_t *new_key,
		      bool *ret_is_broken)
{
	_cleanup_cursor_ MDB_cursor *cursor = NULL;
	MDB_val key, value;
	int r = store_code(mdb_cursor_open(txn, replica->journal, &cursor));

	*ret_is_broken = false;
	if (r < 0)
		return r;
	r = store_code(mdb_cursor_get(cursor, &key, &value, MDB_LAST));
	if (r < 0)
		return r == ERR_NOT_FOUND ? 0 : r;
	if (key.mv_size == JOURNAL_KEY_SIZE && memcmp(key.mv_data, new_key, JOURNAL_KEY_SIZE) < 0)
		return 0;
	*ret_is_broken = true;
	return journal_drop(replica, txn);
}

static int trim(struct store_replica *replica, MDB_txn *txn)
{
	_cleanup_cursor_ MDB_cursor *cursor = NULL;
	MDB_val key, value;
	MDB_stat stat;
	int r = store_code(mdb_stat(txn, replica->journal, &stat));

	if (r < 0 || stat.ms_entries <= STORE_JOURNAL_KEPT)
		return r;
	r = store_code(mdb_cursor_open(txn, replica->journal, &cursor));
	for (size_t n = stat.ms_entries; r == 0 && n > STORE_JOURNAL_KEPT; n--) {
		r = store_code(mdb_cursor_get(cursor, &key, &value, MDB_FIRST));
		if (r == 0)
			r = store_sum_add(replica->check.journal, &key, &value, true);
		if (r == 0)
			r = store_code(mdb_cursor_del(cursor, 0));
	}
	return r;
}

static int put_entry(struct store_replica *replica, MDB_txn *txn, MDB_val *key,
		     const Asafo__Record__JournalEntry *entry)
{
	MDB_val value = {.mv_size = asafo__record__journal_entry__get_packed_size(entry)};
	int r = store_code(mdb_put(txn, replica->journal, key, &value, MDB_RESERVE | MDB_APPEND));

	if (r < 0)
		return r;
	(void)asafo__record__journal_entry__pack(entry, value.mv_data);
	return store_sum_add(replica->check.journal, key, &value, false);
}

int journal_append(struct store_replica *replica, MDB_txn *txn,
		   const struct store_position *position, char **keys, size_t n_keys,
		   bool is_barrier)
{
	Asafo__Record__JournalEntry entry = ASAFO__RECORD__JOURNAL_ENTRY__INIT;
	uint8_t digest[STORE_DIGEST_SIZE], key_bytes[JOURNAL_KEY_SIZE];
	MDB_val key = store_val(key_bytes, sizeof(key_bytes));
	bool is_broken;
	int r;

	key_encode(position->term, position->seq, key_bytes);
	r = make_order(replica, txn, key_bytes, &is_broken);
	if (r < 0)
		return r;
	memcpy(digest, position->digest, sizeof(digest));
	entry.digest_after = (ProtobufCBinaryData){sizeof(digest), digest};
	entry.count_after = position->count;
	entry.at = (int64_t)time(NULL);
	entry.is_barrier = is_barrier || is_broken;
	if (!entry.is_barrier) {
		entry.keys = keys;
		entry.n_keys = n_keys;
	}
	r = put_entry(replica, txn, &key, &entry);
	return r < 0 ? r : trim(replica, txn);
}

static void entry_free_p(Asafo__Record__JournalEntry **entry)
{
	if (*entry)
		asafo__record__journal_entry__free_unpacked(*entry, NULL);
}
#define _cleanup_entry_ _cleanup_(entry_free_p)

static Asafo__Record__JournalEntry *unpack(const MDB_val *value)
{
	return asafo__record__journal_entry__unpack(NULL, value->mv_size, value->mv_data);
}

int journal_find(const struct store_replica *replica, MDB_txn *txn,
		 const struct store_position *position, bool *ret_is_found)
{
	_cleanup_entry_ Asafo__Record__JournalEntry *entry = NULL;
	uint8_t key_bytes[JOURNAL_KEY_SIZE];
	MDB_val key = store_val(key_bytes, sizeof(key_bytes)), value;
	int r;

	*ret_is_found = false;
	key_encode(position->term, position->seq, key_bytes);
	r = store_code(mdb_get(txn, replica->journal, &key, &value));
	if (r < 0)
		return r == ERR_NOT_FOUND ? 0 : r;
	entry = unpack(&value);
	if (!entry)
		return ERR_STORE;
	*ret_is_found =
		entry->digest_after.len == STORE_DIGEST_SIZE &&
		memcmp(entry->digest_after.data, position->digest, STORE_DIGEST_SIZE) == 0 &&
		entry->count_after == position->count;
	return 0;
}

static int entry_each(const MDB_val *value, int (*fn)(const char *key, void *userdata),
		      void *userdata)
{
	_cleanup_entry_ Asafo__Record__JournalEntry *entry = unpack(value);
	int r = 0;

	if (!entry)
		return ERR_STORE;
	if (entry->is_barrier)
		return ERR_NOT_FOUND;
	for (size_t i = 0; r >= 0 && i < entry->n_keys; i++)
		r = fn(entry->keys[i], userdata);
	return r < 0 ? r : 0;
}

int journal_each_after(const struct store_replica *replica, MDB_txn *txn,
		       const struct store_position *position,
		       int (*fn)(const char *key, void *userdata), void *userdata)
{
	_cleanup_cursor_ MDB_cursor *cursor = NULL;
	uint8_t key_bytes[JOURNAL_KEY_SIZE];
	MDB_val key = store_val(key_bytes, sizeof(key_bytes)), value;
	int r = store_code(mdb_cursor_open(txn, replica->journal, &cursor));

	if (r < 0)
		return r;
	key_encode(position->term, position->seq, key_bytes);
	r = store_code(mdb_cursor_get(cursor, &key, &value, MDB_SET));
	if (r < 0)
		return r;
	for (;;) {
		r = store_code(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
		if (r == ERR_NOT_FOUND)
			return 0;
		if (r == 0)
			r = entry_each(&value, fn, userdata);
		if (r < 0)
			return r;
	}
}

/* Were entries of TERM perhaps trimmed? Only then does the journal begin in TERM or later, and not
 * with the first change. */
static int begins_before(MDB_cursor *cursor, uint64_t term, bool *ret_is_whole)
{
	uint64_t first_term, first_seq;
	MDB_val key, value;
	int r = store_code(mdb_cursor_get(cursor, &key, &value, MDB_FIRST));

	*ret_is_whole = true;
	if (r < 0)
		return r == ERR_NOT_FOUND ? 0 : r;
	r = key_decode(&key, &first_term, &first_seq);
	if (r == 0)
		*ret_is_whole = first_term < term || first_seq == 1;
	return r;
}

int journal_each_of_term(const struct store_replica *replica, MDB_txn *txn, uint64_t term,
			 int (*fn)(const char *key, void *userdata), void *userdata,
			 bool *ret_is_whole)
{
	_cleanup_cursor_ MDB_cursor *cursor = NULL;
	uint8_t key_bytes[JOURNAL_KEY_SIZE];
	MDB_val key = store_val(key_bytes, sizeof(key_bytes)), value;
	int r = store_code(mdb_cursor_open(txn, replica->journal, &cursor));

	if (r == 0)
		r = begins_before(cursor, term, ret_is_whole);
	if (r < 0)
		return r;
	key_encode(term, 0, key_bytes);
	r = store_code(mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE));
	while (r == 0) {
		uint64_t entry_term, seq;

		r = key_decode(&key, &entry_term, &seq);
		if (r < 0 || entry_term != term)
			return r;
		r = entry_each(&value, fn, userdata);
		if (r == ERR_NOT_FOUND)
			*ret_is_whole = false;
		else if (r < 0)
			return r;
		r = store_code(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
	}
	return r == ERR_NOT_FOUND ? 0 : r;
}
