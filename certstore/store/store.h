/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/why.h"
#include "certstore/store/record.pb-c.h"

/*
 * The store: one LMDB environment with two families of databases.
 *   replicated/items    key -> Record            replicated/digests  key -> SHA-256
 *   replicated/journal  (term, seq) -> JournalEntry   replicated/meta
 *   unit/items          what is this unit's own: local CA, what it issued, trustpoints kept home,
 * orphans, terms, keys struct store_replica is the replicator's handle: it can open replicated/
 * only. That, not an `if`, is how a local-CA certificate stays home.
 *
 * The digest of an item is SHA-256(len32(key) | key | value); the root digest is the sum of all of
 * them modulo 2^256, so that it does not depend on order and a change costs O(1). Every change is
 * one LMDB transaction: items, digests, journal and meta together, durable on return.
 */
#define STORE_DIGEST_SIZE 32
#define STORE_KEK_ID_SIZE 8
#define STORE_KEY_MAX 480
#define STORE_VALUE_MAX (128u * 1024)
#define STORE_GENERATIONS_KEPT 5
/* Generations count from 1. Up to here their keys sort by age, and there is one after each. */
#define STORE_GENERATION_MAX 999999999u
#define STORE_JOURNAL_KEPT 100000

static inline bool store_generation_is_valid(uint64_t generation)
{
	return generation > 0 && generation <= STORE_GENERATION_MAX;
}

/* Terms and sequence numbers of two stores compare only where LINEAGE, which is made at random with
 * each store and adopted from the active, is the same: that of a replaced unit is another. */
struct store_position {
	uint64_t term, seq, count;
	uint8_t digest[STORE_DIGEST_SIZE];
	uint64_t lineage; /* never 0 in a store; 0: a mate's that does not know of it */
	bool has_data;	  /* holds more than the fallback */
};

struct store_change {
	const char *key;
	const uint8_t *value; /* NULL: delete */
	size_t value_size;
};

struct store;
struct store_replica;

/*
 * Opens or makes the environment in DIRECTORY (0700). Compares what the meta database says with
 * what the others hold, which costs the same for every size. Errors: ERR_STORE (damaged), -errno;
 * RET_WHY says what to do.
 */
int store_open(const char *directory, struct store **ret_store, struct why *ret_why);
void store_close(struct store *store);
/* True once an item was read that is not what its digest says: store_probe finds out what else. */
bool store_is_damage_seen(const struct store *store);
/*
 * What this store lost, in a sentence, and has not got back from a mate; NULL: nothing. Such a
 * store has fewer records than its position says.
 */
const char *store_incomplete(const struct store *store);
/* The operator goes on without what was lost: from here on this is a history of its own (LINEAGE),
 * so that no mate that has more loses it to this store. */
int store_accept(struct store *store, uint64_t term, struct why *ret_why);
/*
 * How many bytes the largest change of replicated/ had since the store was opened or trimmed: LMDB
 * keeps memory for a change's pages until its environment is closed, which STORE_TRIM does, and
 * opens it anew; unless a stage (replica_stage) has a change under way: then nothing is done. No
 * snapshot (replica_sender) may be open. After an error the store can only be closed.
 */
uint64_t store_slack(const struct store *store);
int store_trim(struct store *store, struct why *ret_why);
/*
 * A store that has a RUNNER hands it each of its changes, whole: a runner may do the WORK in
 * another thread, one at a time, while this one reads the store (and does nothing else with it).
 * BYTES: how much it writes, about. It returns what WORK returned, or an error of its own if it did
 * not call it. NULL: changes are made where they are asked for.
 */
typedef int (*store_work_fn)(void *userdata);
typedef int (*store_runner_fn)(store_work_fn work, void *work_userdata, uint64_t bytes,
			       void *userdata);
void store_set_runner(struct store *store, store_runner_fn runner, void *userdata);
/* WORK, which is no change of the store but waits for its disk as one does, the same way. */
int store_run_beside(struct store *store, store_work_fn work, void *work_userdata);
/*
 * Until STORE_RELEASE store_get, store_each and their like read the store as it is now, whatever
 * changes it meanwhile, and wait for no disk: to begin to read writes to LMDB's file of readers,
 * whose page the kernel may be writing back. Where it does not succeed they read as ever.
 */
void store_hold(struct store *store);
void store_release(struct store *store);
/*
 * The store's file by two ways: from the disk itself, and as the system has it in memory. What is
 * found is of one block, the one at FAULT_OFFSET.
 */
#define STORE_DISK_BLOCK 4096u	    /* what a read past the memory is aligned to, on any disk */
#define STORE_DISK_LOOK_BLOCKS 256u /* at a time */
enum store_disk_state {
	STORE_DISK_WELL,
	STORE_DISK_DIFFERS,
	STORE_DISK_UNREADABLE, /* from the disk; memory has it */
	STORE_DISK_LOST,       /* by either way */
};
struct store_disk {
	int direct_fd, cached_fd;
	uint64_t offset; /* of the next block; 0: from the first */
	enum store_disk_state state;
	uint64_t fault_offset;
	size_t fault_size;
	uint8_t *of_disk, *of_memory; /* the block */
};
/* Errors: -EINVAL (this filesystem has no way past the memory), -errno. */
int store_disk_open(struct store *store, struct store_disk **ret_disk);
/* The same of any two descriptors, which are taken on success. Errors: -ENOMEM. */
int store_disk_new(int direct_fd, int cached_fd, struct store_disk **ret_disk);
void store_disk_free(struct store_disk *disk);
/*
 * Looks at the next blocks, until one is not well (the next look begins behind it) or until
 * *IS_STOPPED, and comes round. It uses nothing of the store, so that any thread may do it, and
 * what changes the store meanwhile may look like a difference. Blocks for as long as the disk
 * needs. Errors: -errno, nothing can be read by one of the ways; the next look begins anew.
 */
int store_disk_look(struct store_disk *disk, const atomic_bool *is_stopped);
/*
 * Writes the block that a look found to differ or to be unreadable anew, as it was in memory then.
 * Nothing may change the store meanwhile. Errors: -EAGAIN (memory has other bytes than at the look,
 * or the disk has the same ones: nothing was written), ERR_STORE (what is in memory is damaged),
 * ERR_INTEGRITY (the disk does not keep what is written), -errno.
 */
int store_disk_mend(struct store *store, struct store_disk *disk);
/* True after a write that failed half-way: nothing works until the store is opened anew. */
bool store_is_stuck(struct store *store);
/*
 * Opens the store in a child process, walks through every key and computes every digest anew. A
 * file that was damaged so badly that LMDB dies of it is an error here and a crash nowhere. Call it
 * before store_open, in a process without threads. Errors: ERR_STORE, -errno.
 */
int store_probe(const char *directory, struct why *ret_why);
/* Computes every digest and the root anew, which is O(size of the store), with a thread a processor
 * where there are many. Errors: ERR_STORE with what differs. */
int store_verify(struct store *store, struct why *ret_why);
/*
 * Compares as many items behind AFTER (empty: from the first) with their digests, of this unit's
 * own or of replicated/. AFTER moves on, and is empty when there are no more. Errors: ERR_STORE,
 * which store_is_damage_seen tells from then on; the item is the one behind AFTER.
 */
int store_scrub(struct store *store, bool is_unit, unsigned max_items,
		char after[static STORE_KEY_MAX + 1]);
/* The replicator's handle; lives as long as the store. */
struct store_replica *store_replica(struct store *store);

/* ---- replicated/, by the keeper's own commands ---- */
void store_position(const struct store *store, struct store_position *ret_position);
/* The message borrows POSITION's digest. */
void store_position_pack(const struct store_position *position,
			 Asafo__Record__Position *ret_message);
/*
 * One transaction under TERM; seq is the next. Errors, all of which leave everything as it was:
 * -ENOSPC, ERR_NOT_ACTIVE (TERM is older than the store's), ERR_MALFORMED (a key that replicated/
 * does not take), ERR_TOO_LARGE, ERR_STORE.
 */
int store_change(struct store *store, uint64_t term, const struct store_change *changes,
		 size_t n_changes, struct why *ret_why);
/* Appends the value to RET_VALUE, checked against its digest. Errors: ERR_NOT_FOUND, ERR_STORE. */
int store_get(struct store *store, const char *key, struct buf *ret_value);
/* In key order from the first key >= PREFIX, while the prefix matches; a negative return of FN ends
 * it and is returned. */
int store_each(struct store *store, const char *prefix,
	       int (*fn)(const char *key, const uint8_t *value, size_t size, void *userdata),
	       void *userdata);

/* As store_each, from the first key > AFTER. */
int store_each_after(struct store *store, const char *prefix, const char *after,
		     int (*fn)(const char *key, const uint8_t *value, size_t size, void *userdata),
		     void *userdata);
/* How many keys begin with PREFIX: O(that many). */
int store_count(struct store *store, const char *prefix, uint64_t *ret_count);
/* How many keys begin with "trustpoint/": O(1). */
uint64_t store_trustpoints(const struct store *store);
/*
 * Which key-encryption key the items are sealed under. Kept with them, so that a stage's commit
 * changes both in one transaction. ERR_NOT_FOUND: none yet.
 */
int store_kek_id(struct store *store, uint8_t ret_id[static STORE_KEK_ID_SIZE]);
int store_kek_id_set(struct store *store, const uint8_t id[static STORE_KEK_ID_SIZE]);

/*
 * Each key that a journal entry of TERM changed, perhaps more than once. *RET_IS_WHOLE is false
 * when the journal cannot tell everything that changed in that term: a barrier, or entries that
 * were trimmed.
 */
int store_journal_each(struct store *store, uint64_t term,
		       int (*fn)(const char *key, void *userdata), void *userdata,
		       bool *ret_is_whole);

/* ---- unit/ ---- */
int store_unit_change(struct store *store, const struct store_change *changes, size_t n_changes,
		      struct why *ret_why);
int store_unit_get(struct store *store, const char *key, struct buf *ret_value);
int store_unit_each(struct store *store, const char *prefix,
		    int (*fn)(const char *key, const uint8_t *value, size_t size, void *userdata),
		    void *userdata);
int store_unit_each_after(struct store *store, const char *prefix, const char *after,
			  int (*fn)(const char *key, const uint8_t *value, size_t size,
				    void *userdata),
			  void *userdata);
int store_unit_count(struct store *store, const char *prefix, uint64_t *ret_count);
/* Another number after each change of unit/. */
uint64_t store_unit_changes(const struct store *store);
