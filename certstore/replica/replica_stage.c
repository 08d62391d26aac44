/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items are checked and their digests computed as they arrive. From the first 768 KiB on they go
 * straight into the write transaction that will commit them, so that the commit has little more to
 * do than to write. LMDB has one such transaction: whoever else changes the store meanwhile makes
 * the stage give it up (store_private.h), and what was in it goes to the spool, from where the next
 * transaction takes it. A stage that is disturbed again and again stays with the spool.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/heap.h"
#include "certstore/store/digest.h"
#include "certstore/replica/replica.h"
#include "certstore/replica/spool.h"
#include "certstore/store/store_private.h"

/* So often a stage takes the transaction anew, which costs what it has so far. */
#define DISTURBED_MAX 4u
/* Keys in memory; what sends more than that is staged in the spool. */
#define HELD_KEYS_MAX (64u * 1024 * 1024)

/* Each item is in one of three places: the spool, then the transaction, then what waits. */
struct replica_stage {
	struct store_replica *replica;
	int spool_fd; /* -1: there is none */
	struct apply apply;
	bool is_holding; /* APPLY is a transaction: of what is spooled, and of what HELD names */
	struct buf held; /* NUL-terminated keys */
	struct buf waiting;
	size_t gathered_max; /* more than that does not wait */
	unsigned n_disturbed;
	int failure;		    /* while the transaction was given up */
	uint64_t bytes;		    /* of all that was staged */
	struct arena batch, record; /* what is being looked at */
	replica_record_fn on_record;
	void *userdata; /* its */
};

/* A record is some twenty pieces, and there are 10,000 of them: nothing is freed by itself. */
static void *piece_alloc(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void piece_free(void *arena, void *piece)
{
	(void)arena;
	(void)piece;
}

static ProtobufCAllocator allocator_of(struct arena *arena)
{
	arena_clear(arena);
	return (ProtobufCAllocator){piece_alloc, piece_free, arena};
}

int replica_stage_new(struct store_replica *replica, struct replica_stage **ret_stage)
{
	struct replica_stage *stage = calloc(1, sizeof(*stage));

	if (!stage)
		return -ENOMEM;
	*stage = (struct replica_stage){
		.replica = replica, .spool_fd = -1, .gathered_max = SPOOL_CHUNK};
	*ret_stage = stage;
	return 0;
}

void replica_stage_watch(struct replica_stage *stage, replica_record_fn fn, void *userdata)
{
	stage->on_record = fn;
	stage->userdata = userdata;
}

void replica_stage_gather(struct replica_stage *stage, size_t bytes)
{
	stage->gathered_max = bytes;
}

/* ---- the transaction ---- */

static void drop_hold(struct replica_stage *stage)
{
	apply_done(&stage->apply);
	stage->is_holding = false;
	stage->replica->holder = NULL;
	stage->replica->held_bytes = 0;
}

/* As the transaction has it, which is how it would be committed. */
static int pack_held(const struct replica_stage *stage, const char *key, struct buf *ret_packed)
{
	MDB_val k = store_val(key, strlen(key)), value, digest;
	struct spool_item item = {.key = key, .key_size = k.mv_size};
	int r = store_code(mdb_get(stage->apply.txn, stage->replica->items, &k, &value));

	if (r == 0) {
		r = store_code(mdb_get(stage->apply.txn, stage->replica->digests, &k, &digest));
		if (r == 0 && digest.mv_size != STORE_DIGEST_SIZE)
			r = ERR_STORE;
		if (r < 0)
			return r;
		item.value = value.mv_data;
		item.value_size = value.mv_size;
		item.digest = digest.mv_data;
	}
	return r < 0 && r != ERR_NOT_FOUND ? r : spool_pack(ret_packed, &item);
}

static int spool_held(struct replica_stage *stage)
{
	_cleanup_(buf_done) struct buf packed = {0};
	int r = 0;

	if (stage->spool_fd < 0) {
		r = spool_open(stage->replica->directory_fd);
		if (r < 0)
			return r;
		stage->spool_fd = r;
		r = 0;
	}
	for (size_t at = 0; r == 0 && at < stage->held.size;) {
		const char *key = (const char *)stage->held.data + at;

		r = pack_held(stage, key, &packed);
		if (r == 0 && packed.size >= SPOOL_CHUNK)
			r = spool_write(stage->spool_fd, &packed);
		at += strlen(key) + 1;
	}
	if (r == 0)
		r = spool_write(stage->spool_fd, &packed);
	buf_done(&stage->held);
	return r;
}

/* Somebody else is to change the store, in the thread whose transaction this is. */
static void let_go(void *userdata)
{
	struct replica_stage *stage = userdata;

	stage->failure = spool_held(stage);
	stage->n_disturbed++;
	drop_hold(stage);
}

static int apply_one(const struct spool_item *item, void *userdata)
{
	return apply_item(userdata, item->key, item->key_size, item->value, item->value_size,
			  item->digest);
}

static int take_hold(struct replica_stage *stage)
{
	struct store_replica *replica = stage->replica;
	int r = apply_begin(replica, &stage->apply);

	if (r == 0 && stage->spool_fd >= 0)
		r = spool_read(stage->spool_fd, apply_one, &stage->apply);
	if (r < 0) {
		apply_done(&stage->apply);
		return r;
	}
	stage->is_holding = true;
	replica->holder = stage;
	replica->let_go = let_go;
	replica->held_bytes = stage->bytes;
	return 0;
}

static int apply_and_note(const struct spool_item *item, void *userdata)
{
	struct replica_stage *stage = userdata;
	int r = apply_one(item, &stage->apply);

	if (r == 0)
		r = buf_append(&stage->held, item->key, item->key_size);
	return r < 0 ? r : buf_append(&stage->held, "", 1);
}

static int run_drop(void *userdata)
{
	drop_hold(userdata);
	return 0;
}

void replica_stage_free(struct replica_stage *stage)
{
	if (!stage)
		return;
	if (stage->is_holding)
		(void)store_run_held(stage->replica, run_drop, stage, 0);
	if (stage->spool_fd >= 0)
		(void)close(stage->spool_fd);
	buf_done(&stage->held);
	buf_done(&stage->waiting);
	arena_done(&stage->batch);
	arena_done(&stage->record);
	free(stage);
}

static bool may_hold(const struct replica_stage *stage)
{
	return stage->n_disturbed <= DISTURBED_MAX && stage->held.size <= HELD_KEYS_MAX;
}

static int run_flush(void *userdata)
{
	struct replica_stage *stage = userdata;
	int r = 0;

	if (stage->is_holding && !may_hold(stage))
		let_go(stage);
	if (stage->failure < 0)
		return stage->failure;
	if (!stage->is_holding && may_hold(stage))
		r = take_hold(stage);
	if (r == 0 && !stage->is_holding)
		return spool_write(stage->spool_fd, &stage->waiting);
	if (r < 0)
		return r;
	/* LMDB asks for it page by page, a little more than there is. */
	heap_expect(stage->waiting.size + stage->waiting.size / 5);
	stage->replica->held_bytes = stage->bytes;
	r = spool_unpack(stage->waiting.data, stage->waiting.size, apply_and_note, stage);
	if (r == 0)
		buf_clear(&stage->waiting);
	return r;
}

/* To take the transaction, or to give it up, costs what there is so far. */
static int flush(struct replica_stage *stage)
{
	if (stage->is_holding == may_hold(stage))
		return store_run_held(stage->replica, run_flush, stage, stage->waiting.size);
	return store_run(stage->replica, run_flush, stage,
			 stage->is_holding ? stage->waiting.size : stage->bytes);
}

/* ---- what arrives ---- */

/* Does the key name what the record says? "trustpoint/NAME", "generation/NAME/0000000001",
 * "fallback/". */
static bool key_fits(const char *key, const Asafo__Record__TrustpointPublic *public_part)
{
	char expected[STORE_KEY_MAX + 1];

	if (strcmp(key, "fallback/") == 0)
		return public_part->origin == ASAFO__RECORD__ORIGIN__ORIGIN_FALLBACK;
	if (public_part->origin != ASAFO__RECORD__ORIGIN__ORIGIN_IMPORTED || !*public_part->name ||
	    strchr(public_part->name, '/') || !store_generation_is_valid(public_part->generation))
		return false;
	if (key[0] == 't')
		(void)snprintf(expected, sizeof(expected), "trustpoint/%s", public_part->name);
	else
		(void)snprintf(expected, sizeof(expected), "generation/%s/%010llu",
			       public_part->name, (unsigned long long)public_part->generation);
	return strcmp(key, expected) == 0;
}

static int check_record(struct replica_stage *stage, const char *key,
			const ProtobufCBinaryData *value)
{
	ProtobufCAllocator allocator = allocator_of(&stage->record);
	Asafo__Record__Record *record =
		asafo__record__record__unpack(&allocator, value->len, value->data);
	Asafo__Record__TrustpointPublic *public_part = NULL;

	if (record && record->key)
		public_part = asafo__record__trustpoint_public__unpack(
			&allocator, record->public_part.len, record->public_part.data);
	/* What a local CA issued stays home: a mate that sends such a thing is refused here, too.
	 */
	if (!public_part || *public_part->kept_home || !key_fits(key, public_part))
		return ERR_MALFORMED;
	return stage->on_record ? stage->on_record(key, public_part, stage->userdata) : 0;
}

static int check_item(struct replica_stage *stage, const Asafo__Record__Item *item)
{
	if (!store_key_is_replicated(item->key))
		return ERR_MALFORMED;
	if (item->deleted)
		return item->value.len == 0 ? 0 : ERR_MALFORMED;
	if (item->value.len == 0 || item->value.len > STORE_VALUE_MAX)
		return ERR_MALFORMED;
	return check_record(stage, item->key, &item->value);
}

static int stage_item(struct replica_stage *stage, const Asafo__Record__Item *item)
{
	uint8_t digest[STORE_DIGEST_SIZE];
	struct spool_item packed = {
		.key = item->key,
		.key_size = strlen(item->key),
		.value = item->deleted ? NULL : item->value.data,
		.value_size = item->value.len,
		.digest = digest,
	};
	int r = 0;

	if (packed.value)
		r = digest_item(packed.key, packed.key_size, packed.value, packed.value_size,
				digest);
	if (r == 0)
		r = spool_pack(&stage->waiting, &packed);
	if (r < 0)
		return r;
	stage->bytes += packed.key_size + packed.value_size;
	if (stage->waiting.size < stage->gathered_max)
		return 0;
	return flush(stage);
}

int replica_stage_items(struct replica_stage *stage, const uint8_t *batch, size_t size,
			struct why *ret_why)
{
	ProtobufCAllocator allocator = allocator_of(&stage->batch);
	Asafo__Record__ItemBatch *message =
		asafo__record__item_batch__unpack(&allocator, size, batch);
	int r = 0;

	if (!message)
		return why_set(ret_why, ERR_MALFORMED,
			       "the mate sent a batch that does not follow its schema");
	for (size_t i = 0; r == 0 && i < message->n_items; i++) {
		r = check_item(stage, message->items[i]);
		if (r == ERR_MALFORMED)
			(void)why_set(ret_why, r, "the mate sent a record that is not one: %s",
				      message->items[i]->key);
		else if (r == 0)
			r = stage_item(stage, message->items[i]);
	}
	if (r < 0 && r != ERR_MALFORMED)
		(void)why_set(ret_why, r, "what the mate sent cannot be staged: %s", err_text(r));
	return r;
}

/* ---- the commit ---- */

static bool is_same_contents(const struct store_position *a, const struct store_position *b)
{
	return a->count == b->count && memcmp(a->digest, b->digest, STORE_DIGEST_SIZE) == 0;
}

/* B may be that of a mate which does not know of lineages. */
static bool is_same_place(const struct store_position *a, const struct store_position *b)
{
	return a->term == b->term && a->seq == b->seq && is_same_contents(a, b) &&
	       (b->lineage == 0 || a->lineage == b->lineage);
}

/* A unit that is there already has no new entry in its journal, which would only make a barrier. */
static int commit_at(struct replica_stage *stage, struct apply *apply,
		     const struct store_position *position, bool is_kek_new)
{
	struct store_replica *replica = stage->replica;
	/* Whoever has what the active has lacks nothing any more. */
	int r = replica->incomplete[0] ? store_incomplete_write(replica, apply->txn, "") : 0;

	if (r < 0)
		return r;
	if (is_same_place(&replica->position, position)) {
		/* Nothing changed: the disk need not hear of it. */
		if (!is_kek_new && !replica->incomplete[0])
			return 0;
		apply->items = NULL;
		apply->digests = NULL;
		r = store_write_commit(replica, TAKE_PTR(apply->txn));
	} else {
		r = apply_commit(apply, position->term, position->seq, position->lineage);
	}
	if (r == 0)
		replica->incomplete[0] = 0;
	return r;
}

struct commit_work {
	struct replica_stage *stage;
	const struct store_position *position;
	const uint8_t *kek_id;
	struct why *why;
};

static int commit_held(const struct commit_work *work)
{
	const struct store_position *position = work->position;
	struct replica_stage *stage = work->stage;
	struct apply *apply = &stage->apply;
	bool is_kek_new = false;
	int r = stage->failure;

	if (r == 0 && !stage->is_holding)
		r = take_hold(stage);
	/* Not noted: it stays where it is. */
	if (r == 0)
		r = spool_unpack(stage->waiting.data, stage->waiting.size, apply_one, apply);
	if (r == 0 && !is_same_contents(&apply->position, position))
		return why_set(work->why, ERR_DIFFERS,
			       "what the mate sent does not add up to its own digest (%llu records "
			       "instead of "
			       "%llu): nothing was changed",
			       (unsigned long long)apply->position.count,
			       (unsigned long long)position->count);
	if (r == 0 && work->kek_id &&
	    !store_meta_kek_is(stage->replica, apply->txn, work->kek_id)) {
		is_kek_new = true;
		r = store_meta_kek_write(stage->replica, apply->txn, work->kek_id);
	}
	return r < 0 ? r : commit_at(stage, apply, position, is_kek_new);
}

/* Whatever comes of it, the transaction is over. */
static int run_commit(void *userdata)
{
	const struct commit_work *work = userdata;
	struct replica_stage *stage = work->stage;
	int r = commit_held(work);

	if (stage->is_holding)
		drop_hold(stage);
	if (r < 0)
		stage->failure = r;
	return r;
}

int replica_stage_commit(struct replica_stage *stage, const struct store_position *position,
			 const uint8_t *kek_id, struct why *ret_why)
{
	struct why why = {0};
	struct commit_work work = {stage, position, kek_id, &why};
	int r = stage->is_holding ? store_run_held(stage->replica, run_commit, &work, stage->bytes)
				  : store_run(stage->replica, run_commit, &work, stage->bytes);

	if (r == 0 || why.text[0])
		return r == 0 ? 0 : why_set(ret_why, r, "%s", why.text);
	return why_set(ret_why, r,
		       "what the mate sent could not be stored: %s; nothing was changed",
		       r == -ENOSPC ? "no space left" : err_text(r));
}

/* ---- what was staged ---- */

struct visitor {
	int (*fn)(const char *key, const uint8_t *value, size_t size, void *userdata);
	void *userdata;
};

static int visit(const struct spool_item *item, void *userdata)
{
	const struct visitor *visitor = userdata;
	char name[STORE_KEY_MAX + 1];

	memcpy(name, item->key, item->key_size);
	name[item->key_size] = 0;
	return visitor->fn(name, item->value, item->value_size, visitor->userdata);
}

/* They are in the store now. */
static int visit_held(const struct replica_stage *stage, const struct visitor *visitor)
{
	_cleanup_txn_ MDB_txn *txn = NULL;
	int r = store_code(mdb_txn_begin(stage->replica->env, NULL, MDB_RDONLY, &txn));

	for (size_t at = 0; r >= 0 && at < stage->held.size;) {
		const char *key = (const char *)stage->held.data + at;
		MDB_val k = store_val(key, strlen(key)), value = {0};

		r = store_code(mdb_get(txn, stage->replica->items, &k, &value));
		if (r == 0 || r == ERR_NOT_FOUND)
			r = visitor->fn(key, r == 0 ? value.mv_data : NULL, value.mv_size,
					visitor->userdata);
		at += strlen(key) + 1;
	}
	return r < 0 ? r : 0;
}

int replica_stage_each(struct replica_stage *stage,
		       int (*fn)(const char *key, const uint8_t *value, size_t size,
				 void *userdata),
		       void *userdata)
{
	struct visitor visitor = {fn, userdata};
	int r = stage->spool_fd < 0 ? 0 : spool_read(stage->spool_fd, visit, &visitor);

	if (r == 0)
		r = visit_held(stage, &visitor);
	return r < 0 ? r : spool_unpack(stage->waiting.data, stage->waiting.size, visit, &visitor);
}

/* ---- the manifest ---- */

static int manifest_pack(MDB_cursor *cursor, MDB_val *key, MDB_val *digest, size_t max_bytes,
			 char *after, struct buf *ret_manifest, bool *ret_is_last)
{
	size_t bytes = 0;
	int r = 0;

	while (r == 0) {
		Asafo__Record__ManifestEntry entry = ASAFO__RECORD__MANIFEST_ENTRY__INIT;
		Asafo__Record__ManifestEntry *entries[] = {&entry};
		Asafo__Record__Manifest one = ASAFO__RECORD__MANIFEST__INIT;
		char name[STORE_KEY_MAX + 1];
		size_t size;

		if (key->mv_size > STORE_KEY_MAX)
			return ERR_STORE;
		memcpy(name, key->mv_data, key->mv_size);
		name[key->mv_size] = 0;
		entry.key = name;
		entry.digest = (ProtobufCBinaryData){digest->mv_size, digest->mv_data};
		one.entries = entries;
		one.n_entries = 1;
		size = asafo__record__manifest__get_packed_size(&one);
		if (bytes > 0 && bytes + size > max_bytes)
			return 0;
		r = buf_reserve(ret_manifest, size);
		if (r < 0)
			return r;
		/* The concatenation of two messages is a message with both their repeated fields.
		 */
		ret_manifest->size += asafo__record__manifest__pack(
			&one, ret_manifest->data + ret_manifest->size);
		bytes += size;
		memcpy(after, name, key->mv_size + 1);
		r = store_code(mdb_cursor_get(cursor, key, digest, MDB_NEXT));
	}
	*ret_is_last = r == ERR_NOT_FOUND;
	return r == ERR_NOT_FOUND ? 0 : r;
}

int replica_manifest_next(struct store_replica *replica, size_t max_bytes,
			  char after[static STORE_KEY_MAX + 1], struct buf *ret_manifest,
			  bool *ret_is_last)
{
	_cleanup_txn_ MDB_txn *txn = NULL;
	_cleanup_cursor_ MDB_cursor *cursor = NULL;
	size_t after_size = strlen(after);
	MDB_val key = store_val(after, after_size), digest;
	int r = store_code(mdb_txn_begin(replica->env, NULL, MDB_RDONLY, &txn));

	*ret_is_last = false;
	if (r == 0)
		r = store_code(mdb_cursor_open(txn, replica->digests, &cursor));
	if (r < 0)
		return r;
	r = store_code(
		mdb_cursor_get(cursor, &key, &digest, after_size ? MDB_SET_RANGE : MDB_FIRST));
	if (r == 0 && after_size && key.mv_size == after_size &&
	    memcmp(key.mv_data, after, after_size) == 0)
		r = store_code(mdb_cursor_get(cursor, &key, &digest, MDB_NEXT));
	if (r == ERR_NOT_FOUND)
		*ret_is_last = true;
	if (r < 0)
		return r == ERR_NOT_FOUND ? 0 : r;
	return manifest_pack(cursor, &key, &digest, max_bytes, after, ret_manifest, ret_is_last);
}
