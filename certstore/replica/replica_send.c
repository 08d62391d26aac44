/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First the list of what differs is made: from the journal, or by merging the mate's manifest with
 * this unit's digests, both in the order of the keys. Then the items are read from the same
 * snapshot, in that order, straight out of the map.
 */
#include <string.h>

#include "base/err.h"
#include "certstore/replica/replica.h"
#include "certstore/store/store_private.h"

#define PLAN_BYTES_MAX (256u * 1024 * 1024)
#define BATCH_ITEMS_MAX 4096

/* Field numbers and lengths around a key and a value, generously. */
#define ITEM_OVERHEAD 24
#define BATCH_OVERHEAD 16

struct replica_sender {
	struct store_replica *replica;
	MDB_txn *txn;
	MDB_cursor *own; /* on digests, while a manifest is merged */
	MDB_val own_key, own_digest;
	bool has_own;
	bool wants_manifest;
	char last_key[STORE_KEY_MAX + 1]; /* of the manifest */
	struct buf plan;		  /* NUL-terminated keys */
	size_t plan_at;
};

void replica_sender_free(struct replica_sender *sender)
{
	if (!sender)
		return;
	if (sender->own)
		mdb_cursor_close(sender->own);
	if (sender->txn)
		mdb_txn_abort(sender->txn);
	buf_done(&sender->plan);
	free(sender);
}
CLEANUP_DEFINE(struct replica_sender *, replica_sender_free)

static int plan_add(struct replica_sender *sender, const char *key, size_t size)
{
	int r;

	if (sender->plan.size + size + 1 > PLAN_BYTES_MAX)
		return ERR_TOO_LARGE;
	r = buf_append(&sender->plan, key, size);
	return r < 0 ? r : buf_append(&sender->plan, "", 1);
}

static int plan_add_text(const char *key, void *userdata)
{
	return plan_add(userdata, key, strlen(key));
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In order, each once. */
static int plan_sort(struct replica_sender *sender)
{
	_cleanup_(buf_done) struct buf sorted = {0};
	_cleanup_free_ const char **keys = NULL;
	size_t n = 0, i = 0;
	int r = 0;

	for (size_t at = 0; at < sender->plan.size; at++)
		n += sender->plan.data[at] == 0;
	keys = calloc(n ? n : 1, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	for (size_t at = 0; at < sender->plan.size; i++) {
		keys[i] = (const char *)sender->plan.data + at;
		at += strlen(keys[i]) + 1;
	}
	qsort(keys, n, sizeof(*keys), compare_text);
	for (i = 0; r == 0 && i < n; i++) {
		if (i == 0 || strcmp(keys[i], keys[i - 1]) != 0)
			r = buf_append(&sorted, keys[i], strlen(keys[i]) + 1);
	}
	if (r < 0)
		return r;
	buf_done(&sender->plan);
	sender->plan = sorted;
	sorted = (struct buf){0};
	return 0;
}

static int own_next(struct replica_sender *sender)
{
	int r = store_code(
		mdb_cursor_get(sender->own, &sender->own_key, &sender->own_digest, MDB_NEXT));

	sender->has_own = r == 0;
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int manifest_begin(struct replica_sender *sender)
{
	int r = store_code(mdb_cursor_open(sender->txn, sender->replica->digests, &sender->own));

	sender->wants_manifest = true;
	return r < 0 ? r : own_next(sender);
}

/* Everything of ours that is left is missing over there. */
static int manifest_end(struct replica_sender *sender)
{
	int r = 0;

	while (r == 0 && sender->has_own) {
		r = plan_add(sender, sender->own_key.mv_data, sender->own_key.mv_size);
		if (r == 0)
			r = own_next(sender);
	}
	sender->wants_manifest = false;
	return r;
}

static int delta_or_manifest(struct replica_sender *sender, const struct store_position *mate,
			     const struct store_position *own, enum replica_mode *ret_mode)
{
	bool is_found = false;
	bool is_ours = mate->lineage == 0 || mate->lineage == own->lineage;
	int r = is_ours ? journal_find(sender->replica, sender->txn, mate, &is_found) : 0;

	if (r < 0)
		return r;
	if (is_found) {
		r = journal_each_after(sender->replica, sender->txn, mate, plan_add_text, sender);
		if (r == 0)
			return plan_sort(sender);
		if (r != ERR_NOT_FOUND && r != ERR_TOO_LARGE)
			return r;
		buf_clear(&sender->plan);
	}
	*ret_mode = REPLICA_NEEDS_MANIFEST;
	return manifest_begin(sender);
}

static int make_plan(struct replica_sender *sender, const struct store_position *mate,
		     const struct store_position *own, enum replica_mode *ret_mode)
{
	static const uint8_t zero[STORE_DIGEST_SIZE];
	int r;

	*ret_mode = REPLICA_DELTA;
	if (mate->count == own->count &&
	    memcmp(mate->digest, own->digest, STORE_DIGEST_SIZE) == 0) {
		/* The same contents under another position or lineage: the mate commits nothing
		 * but that. */
		if (mate->term == own->term && mate->seq == own->seq)
			*ret_mode = REPLICA_EQUAL;
		return 0;
	}
	if (mate->count == 0 && memcmp(mate->digest, zero, sizeof(zero)) == 0) {
		r = manifest_begin(sender);
		return r < 0 ? r : manifest_end(sender);
	}
	return delta_or_manifest(sender, mate, own, ret_mode);
}

int replica_sender_new(struct store_replica *replica, const struct store_position *mate,
		       struct replica_sender **ret_sender, enum replica_mode *ret_mode,
		       struct store_position *ret_position)
{
	_cleanup_(replica_sender_free_p) struct replica_sender *sender = calloc(1, sizeof(*sender));
	struct store_position own;
	enum replica_mode mode = REPLICA_EQUAL;
	int r;

	if (!sender)
		return -ENOMEM;
	sender->replica = replica;
	r = store_code(mdb_txn_begin(replica->env, NULL, MDB_RDONLY, &sender->txn));
	if (r == 0)
		r = store_meta_read(replica, sender->txn, &own);
	if (r == 0)
		r = make_plan(sender, mate, &own, &mode);
	if (r < 0)
		return r;
	*ret_mode = mode;
	*ret_position = own;
	*ret_sender = TAKE_PTR(sender);
	return 0;
}

static int order(const MDB_val *own, const char *mate, size_t mate_size)
{
	size_t common = own->mv_size < mate_size ? own->mv_size : mate_size;
	int r = memcmp(own->mv_data, mate, common);

	return r ? r : (own->mv_size > mate_size) - (own->mv_size < mate_size);
}

static int merge_entry(struct replica_sender *sender, const Asafo__Record__ManifestEntry *entry)
{
	size_t size = strlen(entry->key);
	int r = 0, relation = 1;

	if (!store_key_is_replicated(entry->key) || entry->digest.len != STORE_DIGEST_SIZE ||
	    strcmp(entry->key, sender->last_key) <= 0)
		return ERR_MALFORMED;
	memcpy(sender->last_key, entry->key, size + 1);
	while (r == 0 && sender->has_own &&
	       (relation = order(&sender->own_key, entry->key, size)) < 0) {
		r = plan_add(sender, sender->own_key.mv_data, sender->own_key.mv_size);
		if (r == 0)
			r = own_next(sender);
	}
	if (r < 0)
		return r;
	/* We do not have it: a key in the plan that is not in the snapshot is sent as a deletion.
	 */
	if (!sender->has_own || relation > 0)
		return plan_add(sender, entry->key, size);
	if (sender->own_digest.mv_size != STORE_DIGEST_SIZE ||
	    memcmp(sender->own_digest.mv_data, entry->digest.data, STORE_DIGEST_SIZE) != 0)
		r = plan_add(sender, entry->key, size);
	return r < 0 ? r : own_next(sender);
}

int replica_sender_manifest(struct replica_sender *sender, const uint8_t *data, size_t size,
			    bool is_last)
{
	Asafo__Record__Manifest *manifest;
	int r = 0;

	if (!sender->wants_manifest)
		return ERR_NOT_READY;
	manifest = asafo__record__manifest__unpack(NULL, size, data);
	if (!manifest)
		return ERR_MALFORMED;
	for (size_t i = 0; r == 0 && i < manifest->n_entries; i++)
		r = merge_entry(sender, manifest->entries[i]);
	asafo__record__manifest__free_unpacked(manifest, NULL);
	return r == 0 && is_last ? manifest_end(sender) : r;
}

struct batch {
	Asafo__Record__Item items[BATCH_ITEMS_MAX];
	Asafo__Record__Item *pointers[BATCH_ITEMS_MAX];
	size_t n, bytes;
};

/* Adds the next item of the plan, or leaves it when it does not fit. The bytes stay in the map. */
static int batch_add(struct replica_sender *sender, struct batch *batch, size_t max_bytes,
		     bool *ret_is_full)
{
	char *key = (char *)sender->plan.data + sender->plan_at;
	size_t key_size = strlen(key), bytes;
	MDB_val k = store_val(key, key_size), value = {0};
	int r = store_code(mdb_get(sender->txn, sender->replica->items, &k, &value));
	Asafo__Record__Item *item = &batch->items[batch->n];

	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	bytes = key_size + value.mv_size + ITEM_OVERHEAD;
	if (batch->n == BATCH_ITEMS_MAX || (batch->n > 0 && batch->bytes + bytes > max_bytes)) {
		*ret_is_full = true;
		return 0;
	}
	*item = (Asafo__Record__Item)ASAFO__RECORD__ITEM__INIT;
	item->key = key;
	item->deleted = r == ERR_NOT_FOUND;
	item->value = (ProtobufCBinaryData){value.mv_size, value.mv_data};
	batch->pointers[batch->n++] = item;
	batch->bytes += bytes;
	sender->plan_at += key_size + 1;
	return 0;
}

int replica_sender_next(struct replica_sender *sender, size_t max_bytes, struct buf *ret_batch,
			bool *ret_is_last, size_t *ret_n_items)
{
	_cleanup_free_ struct batch *batch = malloc(sizeof(*batch));
	Asafo__Record__ItemBatch message = ASAFO__RECORD__ITEM_BATCH__INIT;
	bool is_full = false;
	size_t size;
	int r = 0;

	if (sender->wants_manifest)
		return ERR_NOT_READY;
	if (!batch)
		return -ENOMEM;
	batch->n = 0;
	batch->bytes = BATCH_OVERHEAD;
	while (r == 0 && !is_full && sender->plan_at < sender->plan.size)
		r = batch_add(sender, batch, max_bytes, &is_full);
	if (r < 0)
		return r;
	message.items = batch->pointers;
	message.n_items = batch->n;
	size = asafo__record__item_batch__get_packed_size(&message);
	r = buf_reserve(ret_batch, size);
	if (r < 0)
		return r;
	ret_batch->size +=
		asafo__record__item_batch__pack(&message, ret_batch->data + ret_batch->size);
	*ret_is_last = sender->plan_at >= sender->plan.size;
	*ret_n_items = batch->n;
	return 0;
}

int replica_sender_seek(struct replica_sender *sender, uint64_t n_items)
{
	size_t at = 0;

	if (sender->wants_manifest)
		return ERR_NOT_READY;
	for (uint64_t i = 0; i < n_items; i++) {
		if (at >= sender->plan.size)
			return ERR_NOT_FOUND;
		at += strlen((const char *)sender->plan.data + at) + 1;
	}
	sender->plan_at = at;
	return 0;
}
