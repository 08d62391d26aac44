/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/why.h"
#include "certstore/store/store.h"

/*
 * Both ends of the replication of replicated/. They are given struct store_replica, which knows no
 * other database. The same values are in ipc.ReplicaOpenReply.Mode.
 */
enum replica_mode {
	REPLICA_EQUAL,		/* nothing to send; the commit may adopt the lineage */
	REPLICA_DELTA,		/* replica_sender_next right away */
	REPLICA_NEEDS_MANIFEST, /* replica_sender_manifest first, until its end */
};

/*
 * The unit that has the newer state. A sender is a snapshot: position and items belong together
 * whatever is imported meanwhile. It keeps LMDB from reusing pages, so free it soon.
 */
struct replica_sender;

/*
 * MATE is what the mate says about itself: it need not be true, since the mate's commit compares
 * digests. A mate with nothing gets everything as a DELTA, one with something of another lineage
 * only after its manifest. Errors: -ENOMEM, ERR_STORE.
 */
int replica_sender_new(struct store_replica *replica, const struct store_position *mate,
		       struct replica_sender **ret_sender, enum replica_mode *ret_mode,
		       struct store_position *ret_position);
void replica_sender_free(struct replica_sender *sender);
/*
 * The mate's manifest (packed record.Manifest) in pieces, in the order of the keys. Errors:
 * ERR_MALFORMED (schema, order), ERR_NOT_READY (not wanted), ERR_TOO_LARGE, -ENOMEM, ERR_STORE.
 */
int replica_sender_manifest(struct replica_sender *sender, const uint8_t *data, size_t size,
			    bool is_last);
/*
 * Appends a packed record.ItemBatch of at most MAX_BYTES to RET_BATCH (one item, if that alone is
 * larger; a value never exceeds STORE_VALUE_MAX). *RET_IS_LAST: all was sent. Errors:
 * ERR_NOT_READY, -ENOMEM, ERR_STORE.
 */
int replica_sender_next(struct replica_sender *sender, size_t max_bytes, struct buf *ret_batch,
			bool *ret_is_last, size_t *ret_n_items);

/*
 * replica_sender_next goes on behind the first N_ITEMS of what it sends, backwards or forwards: the
 * same items in the same order, since the snapshot is the same. Errors: ERR_NOT_READY (the manifest
 * is not complete), ERR_NOT_FOUND (there are not so many).
 */
int replica_sender_seek(struct replica_sender *sender, uint64_t n_items);

/*
 * The unit that receives: what arrives is committed at once or not at all. It may have the store's
 * write transaction meanwhile, from a call of the store's runner to the next: other changes of the
 * store go on all the same, at the price that the stage puts aside what it has.
 */
struct replica_stage;

int replica_stage_new(struct store_replica *replica, struct replica_stage **ret_stage);
void replica_stage_free(struct replica_stage *stage);
/* FN is given each record that arrives, checked, before anything is committed; what it returns that
 * is negative is the stage's failure. */
typedef int (*replica_record_fn)(const char *key,
				 const Asafo__Record__TrustpointPublic *public_part,
				 void *userdata);
void replica_stage_watch(struct replica_stage *stage, replica_record_fn fn, void *userdata);
/* For tests: how much waits in memory before the transaction is taken. */
void replica_stage_gather(struct replica_stage *stage, size_t bytes);
/*
 * A packed record.ItemBatch. Everything about each item is checked: key, schema of the record,
 * name, origin. Errors: ERR_MALFORMED, -ENOSPC, -ENOMEM, -errno.
 */
int replica_stage_items(struct replica_stage *stage, const uint8_t *batch, size_t size,
			struct why *ret_why);
/*
 * One transaction: all items, POSITION with its lineage, and (unless NULL) the id of the
 * key-encryption key that the items are sealed under. Durable on return. ERR_DIFFERS: the contents
 * would not have POSITION's digest and count. Nothing has changed on failure, and the stage can
 * only be freed.
 */
int replica_stage_commit(struct replica_stage *stage, const struct store_position *position,
			 const uint8_t *kek_id, struct why *ret_why);
/* After the commit, all that was staged; VALUE NULL: deleted. A negative return of FN ends it. */
int replica_stage_each(struct replica_stage *stage,
		       int (*fn)(const char *key, const uint8_t *value, size_t size,
				 void *userdata),
		       void *userdata);

/*
 * A piece of this unit's manifest of at most MAX_BYTES, from the first key > AFTER (empty: from the
 * start), appended to RET_MANIFEST packed. AFTER is moved on. Errors: -ENOMEM, ERR_STORE.
 */
int replica_manifest_next(struct store_replica *replica, size_t max_bytes,
			  char after[static STORE_KEY_MAX + 1], struct buf *ret_manifest,
			  bool *ret_is_last);
