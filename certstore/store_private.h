/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <lmdb.h>

#include "base/cleanup.h"
#include "certstore/record.pb-c.h"
#include "certstore/store.h"

/* What store.c, apply.c, journal.c and replica_*.c share. Nobody else includes it. */

#define JOURNAL_KEY_SIZE 16
#define JOURNAL_ENTRY_KEYS_MAX 4096

/* Knows the databases of replicated/ and no other. */
struct store_replica {
	MDB_env *env;
	MDB_dbi items, digests, journal, meta;
	int directory_fd;
	struct store_position position; /* of the last commit */
};

struct store {
	struct store_replica replica;
	MDB_dbi unit;
};

/* Less room than this, in bytes, is a full disk. */
#define STORE_ROOM_FOR_NEW (256u * 1024)

/* LMDB's codes in ours. */
int store_code(int lmdb_code);
/* The same of what was written. */
int store_write_code(const struct store_replica *replica, int lmdb_code);

static inline void store_txn_abort_p(MDB_txn **txn)
{
	if (*txn)
		mdb_txn_abort(*txn);
}

static inline void store_cursor_close_p(MDB_cursor **cursor)
{
	if (*cursor)
		mdb_cursor_close(*cursor);
}

/* Aborts unless it was committed (TAKE_PTR). Cursors of a transaction are declared after it, so
 * that they go first. */
#define _cleanup_txn_ _cleanup_(store_txn_abort_p)
#define _cleanup_cursor_ _cleanup_(store_cursor_close_p)

static inline MDB_val store_val(const void *data, size_t size)
{
	return (MDB_val){.mv_size = size, .mv_data = (void *)(uintptr_t)data};
}

/* meta */
int store_meta_read(const struct store_replica *replica, MDB_txn *txn,
		    struct store_position *ret_position);
int store_meta_write(const struct store_replica *replica, MDB_txn *txn,
		     const struct store_position *position);
int store_meta_kek_write(const struct store_replica *replica, MDB_txn *txn,
			 const uint8_t id[static STORE_KEK_ID_SIZE]);
/* Is there more than the fallback among the items? */
int store_data_check(const struct store_replica *replica, MDB_txn *txn, bool *ret_has_data);

/*
 * apply.c: the one place that changes replicated/. Items, digests and root together in a write
 * transaction; the journal and meta at its end.
 */
struct apply {
	struct store_replica *replica;
	MDB_txn *txn;
	MDB_cursor *items, *digests;
	struct store_position position;
	char last_key[STORE_KEY_MAX]; /* the highest there is: what comes after it is appended */
	size_t last_key_size;
	char **keys; /* what changed */
	size_t n_keys, n_keys_allocated;
	bool has_too_many_keys;
};

int apply_begin(struct store_replica *replica, struct apply *ret_apply);
/* VALUE NULL: delete. DIGEST is that of the item. */
int apply_item(struct apply *apply, const char *key, size_t key_size, const uint8_t *value,
	       size_t value_size, const uint8_t digest[static STORE_DIGEST_SIZE]);
/* Journal entry and meta, then commits. LINEAGE 0: that of the store stays; another one begins a
 * new history. APPLY is to be ended with apply_done either way. */
int apply_commit(struct apply *apply, uint64_t term, uint64_t seq, uint64_t lineage);
/* Aborts what was not committed. */
void apply_done(struct apply *apply);

/* journal.c */
int journal_drop(const struct store_replica *replica, MDB_txn *txn);
int journal_append(const struct store_replica *replica, MDB_txn *txn,
		   const struct store_position *position, char **keys, size_t n_keys,
		   bool is_barrier);
/* Is there an entry for exactly this position? */
int journal_find(const struct store_replica *replica, MDB_txn *txn,
		 const struct store_position *position, bool *ret_is_found);
/*
 * Calls FN for each key that changed after POSITION, which has an entry. ERR_NOT_FOUND: a barrier
 * lies between.
 */
int journal_each_after(const struct store_replica *replica, MDB_txn *txn,
		       const struct store_position *position,
		       int (*fn)(const char *key, void *userdata), void *userdata);
int journal_each_of_term(const struct store_replica *replica, MDB_txn *txn, uint64_t term,
			 int (*fn)(const char *key, void *userdata), void *userdata,
			 bool *ret_is_whole);

/* Is this a key that replicated/ takes? */
bool store_key_is_replicated(const char *key);
