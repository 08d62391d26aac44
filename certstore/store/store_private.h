/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <lmdb.h>
#include <string.h>

#include "base/cleanup.h"
#include "certstore/store/record.pb-c.h"
#include "certstore/store/store.h"

/* What store.c, apply.c, journal.c and replica_*.c share. Nobody else includes it. */

#define JOURNAL_KEY_SIZE 16
#define JOURNAL_ENTRY_KEYS_MAX 4096

/* Sums over what has no digest of its own, as of the change with the number TXN. */
struct store_check {
	uint64_t txn;
	uint8_t meta[STORE_DIGEST_SIZE], journal[STORE_DIGEST_SIZE];
};

#define STORE_INCOMPLETE_MAX 160

/* Knows the databases of replicated/ and no other. */
struct store_replica {
	MDB_env *env;
	MDB_dbi items, digests, journal, meta;
	int directory_fd, stamp_fd;
	struct store_position position;	       /* of the last commit */
	struct store_check check;	       /* of the last commit, or of the change under way */
	char incomplete[STORE_INCOMPLETE_MAX]; /* what is missing; empty: nothing */
	uint64_t trustpoints;
	store_runner_fn runner; /* NULL: changes are made where they are asked for */
	void *runner_userdata;
	uint64_t slack; /* bytes of the largest change in this environment */
	/* Whoever has the write transaction for longer than a change, in the runner's thread, and
	 * gives it up there when it is asked to; NULL: nobody. */
	void *holder;
	void (*let_go)(void *holder);
	uint64_t held_bytes; /* of the holder's, which whoever makes it let go waits for, too */
};

struct store {
	struct store_replica replica;
	MDB_dbi unit, unit_digests;
	uint64_t unit_changes;
	MDB_txn *held; /* what is read is of this snapshot (store_hold); NULL: of the present */
	bool is_damage_seen;
};

/* Less room than this, in bytes, is a full disk. */
#define STORE_ROOM_FOR_NEW (256u * 1024)

/* What makes nobody let go of the transaction: a part of the holder's change, or no change at all.
 */
static inline int store_run_held(const struct store_replica *replica, store_work_fn work,
				 void *work_userdata, uint64_t bytes)
{
	return replica->runner
		       ? replica->runner(work, work_userdata, bytes, replica->runner_userdata)
		       : work(work_userdata);
}

/* A whole change, from its transaction's begin to its end: LMDB's lock belongs to a thread. */
static inline int store_run(const struct store_replica *replica, store_work_fn work,
			    void *work_userdata, uint64_t bytes)
{
	return store_run_held(replica, work, work_userdata, bytes + replica->held_bytes);
}

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
bool store_meta_kek_is(const struct store_replica *replica, MDB_txn *txn,
		       const uint8_t id[static STORE_KEK_ID_SIZE]);
/* Is there more than the fallback among the items? */
int store_data_check(const struct store_replica *replica, MDB_txn *txn, bool *ret_has_data);

/* A store that lost records says so until it has them again. TEXT empty: it has. */
int store_incomplete_write(const struct store_replica *replica, MDB_txn *txn, const char *text);
int store_incomplete_read(const struct store_replica *replica, MDB_txn *txn,
			  char ret_text[static STORE_INCOMPLETE_MAX]);

/*
 * store_check.c. Every change of the store begins and ends with these two; the second one commits
 * TXN or aborts it.
 */
int store_write_begin(struct store_replica *replica, MDB_txn **ret_txn);
int store_write_commit(struct store_replica *replica, MDB_txn *txn);
/* store_ahead.c: mdb_txn_commit for a large transaction. LMDB's codes. */
int store_commit_ahead(const struct store_replica *replica, MDB_txn *txn);
/* Takes an item into, or out of, a sum. */
int store_sum_add(uint8_t sum[static STORE_DIGEST_SIZE], const MDB_val *key, const MDB_val *value,
		  bool is_gone);
/* ERR_NOT_FOUND: a store of a version that did not know of it. */
int store_check_read(const struct store_replica *replica, MDB_txn *txn,
		     struct store_check *ret_check);
/* Do the sums fit what is there? ERR_STORE. */
int store_check_verify(const struct store_replica *replica, MDB_txn *txn, struct why *ret_why);
int store_check_verify_meta(const struct store_replica *replica, MDB_txn *txn,
			    const struct store_check *check);
/* In the first write transaction: makes the sums and digests of a store that an older version wrote
 * last, or that is new. */
int store_check_adopt(struct store *store, MDB_txn *txn, bool *ret_is_changed);
int store_unit_put(struct store *store, MDB_txn *txn, MDB_val *key, MDB_val *value);
/* What is not there is gone, too. */
int store_unit_delete(struct store *store, MDB_txn *txn, MDB_val *key);
bool store_stamp_is_there(int directory_fd);
int store_stamp_open(struct store_replica *replica);
/* ERR_STORE: the store is older than the stamp. */
int store_stamp_check(struct store_replica *replica, MDB_txn *txn, struct why *ret_why);

/*
 * apply.c: the one place that changes replicated/. Items, digests and root together in a write
 * transaction; the journal and meta at its end.
 */
struct apply {
	struct store_replica *replica;
	MDB_txn *txn;
	MDB_cursor *items, *digests;
	struct store_position position;
	uint64_t trustpoints, bytes;
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
int journal_drop(struct store_replica *replica, MDB_txn *txn);
int journal_append(struct store_replica *replica, MDB_txn *txn,
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

/* store_open; RET_WHAT is what is damaged, for another sentence. */
int store_open_raw(const char *directory, struct store **ret_store, struct why *ret_what,
		   struct why *ret_why);

/* In a child that reads what may be damaged: it dies of it, soon and silently. */
void store_child_begin(void);

/* store_pages.c: is every page where it belongs? Errors: ERR_STORE, -errno. */
int store_pages_verify(MDB_env *env, struct why *ret_why);

/* Does the key begin with "trustpoint/"? */
static inline bool store_key_is_trustpoint(const char *key, size_t size)
{
	return size > 11 && memcmp(key, "trustpoint/", 11) == 0;
}

/* Is this a key that replicated/ takes? */
bool store_key_is_replicated(const char *key);
