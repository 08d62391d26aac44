/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading, and unit/; opening is store_open.c's, changes of replicated/ are apply.c's. LMDB writes
 * new pages beside the old ones and one meta page at the end, so that a full disk, a kill or a
 * power cut leaves the state of the last commit.
 */
#include "certstore/store/store.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/err.h"
#include "certstore/store/digest.h"
#include "certstore/store/store_private.h"

#define FALLBACK_KEY "fallback/"

int store_code(int lmdb_code)
{
	switch (lmdb_code) {
	case MDB_SUCCESS:
		return 0;
	case MDB_NOTFOUND:
		return ERR_NOT_FOUND;
	case MDB_MAP_FULL:
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return -ENOSPC;
	case ENOMEM:
	case EACCES:
	case EROFS:
	case EIO:
	case ENOENT:
	case EAGAIN:
		return -lmdb_code;
	/* After a write that failed half-way, until it is opened anew: what is on the disk is well.
	 */
	case MDB_PANIC:
		return -EIO;
	case MDB_READERS_FULL:
		return ERR_BUSY;
	case MDB_BAD_VALSIZE:
		return ERR_TOO_LARGE;
	default:
		return ERR_STORE;
	}
}

/* LMDB says EIO where a write was cut short, which is what a full disk does. */
int store_write_code(const struct store_replica *replica, int lmdb_code)
{
	int r = store_code(lmdb_code);
	struct statvfs disk;

	if (r == -EIO && fstatvfs(replica->directory_fd, &disk) == 0 &&
	    disk.f_bavail < STORE_ROOM_FOR_NEW / disk.f_frsize)
		return -ENOSPC;
	return r;
}

void store_position_pack(const struct store_position *position,
			 Asafo__Record__Position *ret_message)
{
	*ret_message = (Asafo__Record__Position)ASAFO__RECORD__POSITION__INIT;
	ret_message->term = position->term;
	ret_message->seq = position->seq;
	ret_message->count = position->count;
	ret_message->digest.len = STORE_DIGEST_SIZE;
	ret_message->digest.data = (uint8_t *)(uintptr_t)position->digest;
	ret_message->lineage = position->lineage;
	ret_message->has_data = position->has_data;
}

/* The fallback's key sorts before all others. */
int store_data_check(const struct store_replica *replica, MDB_txn *txn, bool *ret_has_data)
{
	_cleanup_cursor_ MDB_cursor *cursor = NULL;
	MDB_val key, value;
	int r = store_code(mdb_cursor_open(txn, replica->items, &cursor));

	if (r == 0)
		r = store_code(mdb_cursor_get(cursor, &key, &value, MDB_LAST));
	*ret_has_data = r == 0 && (key.mv_size != strlen(FALLBACK_KEY) ||
				   memcmp(key.mv_data, FALLBACK_KEY, key.mv_size) != 0);
	return r == ERR_NOT_FOUND ? 0 : r;
}

int store_meta_read(const struct store_replica *replica, MDB_txn *txn,
		    struct store_position *ret_position)
{
	MDB_val key = store_val("position", 8), value;
	Asafo__Record__Position *message;
	int r = store_code(mdb_get(txn, replica->meta, &key, &value));

	if (r == ERR_NOT_FOUND) {
		*ret_position = (struct store_position){0};
		return 0;
	}
	if (r < 0)
		return r;
	message = asafo__record__position__unpack(NULL, value.mv_size, value.mv_data);
	if (!message)
		return ERR_STORE;
	r = message->digest.len == STORE_DIGEST_SIZE ? 0 : ERR_STORE;
	if (r == 0) {
		*ret_position = (struct store_position){.term = message->term,
							.seq = message->seq,
							.count = message->count,
							.lineage = message->lineage};
		memcpy(ret_position->digest, message->digest.data, STORE_DIGEST_SIZE);
	}
	asafo__record__position__free_unpacked(message, NULL);
	return r < 0 ? r : store_data_check(replica, txn, &ret_position->has_data);
}

int store_meta_write(const struct store_replica *replica, MDB_txn *txn,
		     const struct store_position *position)
{
	Asafo__Record__Position message;
	MDB_val key = store_val("position", 8), value = {0};
	int r;

	store_position_pack(position, &message);
	value.mv_size = asafo__record__position__get_packed_size(&message);
	r = store_code(mdb_put(txn, replica->meta, &key, &value, MDB_RESERVE));
	if (r == 0)
		(void)asafo__record__position__pack(&message, value.mv_data);
	return r;
}

int store_meta_kek_write(const struct store_replica *replica, MDB_txn *txn,
			 const uint8_t id[static STORE_KEK_ID_SIZE])
{
	MDB_val key = store_val("kek", 3), value = store_val(id, STORE_KEK_ID_SIZE);

	return store_code(mdb_put(txn, replica->meta, &key, &value, 0));
}

bool store_meta_kek_is(const struct store_replica *replica, MDB_txn *txn,
		       const uint8_t id[static STORE_KEK_ID_SIZE])
{
	MDB_val key = store_val("kek", 3), value;

	return mdb_get(txn, replica->meta, &key, &value) == 0 &&
	       value.mv_size == STORE_KEK_ID_SIZE &&
	       memcmp(value.mv_data, id, STORE_KEK_ID_SIZE) == 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	store_release(store);
	if (store->replica.env)
		mdb_env_close(store->replica.env);
	if (store->replica.stamp_fd >= 0)
		(void)close(store->replica.stamp_fd);
	if (store->replica.directory_fd >= 0)
		(void)close(store->replica.directory_fd);
	free(store);
}

uint64_t store_slack(const struct store *store)
{
	return store->replica.slack;
}

void store_set_runner(struct store *store, store_runner_fn runner, void *userdata)
{
	store->replica.runner = runner;
	store->replica.runner_userdata = userdata;
}

int store_run_beside(struct store *store, store_work_fn work, void *work_userdata)
{
	return store_run_held(&store->replica, work, work_userdata, 0);
}

void store_hold(struct store *store)
{
	if (!store->held && mdb_txn_begin(store->replica.env, NULL, MDB_RDONLY, &store->held) != 0)
		store->held = NULL;
}

void store_release(struct store *store)
{
	if (store->held)
		mdb_txn_abort(TAKE_PTR(store->held));
}

/* OWN is to be ended by the caller; RET_TXN is that, or the one that is held. */
static int begin_reading(struct store *store, MDB_txn **own, MDB_txn **ret_txn)
{
	int r = store->held ? 0
			    : store_code(mdb_txn_begin(store->replica.env, NULL, MDB_RDONLY, own));

	*ret_txn = store->held ? store->held : *own;
	return r;
}

bool store_is_stuck(struct store *store)
{
	_cleanup_txn_ MDB_txn *txn = NULL;

	return mdb_txn_begin(store->replica.env, NULL, MDB_RDONLY, &txn) == MDB_PANIC;
}

struct store_replica *store_replica(struct store *store)
{
	return &store->replica;
}

void store_position(const struct store *store, struct store_position *ret_position)
{
	*ret_position = store->replica.position;
}

bool store_key_is_replicated(const char *key)
{
	size_t length = strnlen(key, STORE_KEY_MAX + 1);

	if (length == 0 || length > STORE_KEY_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)key[i] <= 0x20 || (unsigned char)key[i] >= 0x7f)
			return false;
	}
	return (strncmp(key, "trustpoint/", 11) == 0 && length > 11) ||
	       (strncmp(key, "generation/", 11) == 0 && length > 11) ||
	       strcmp(key, FALLBACK_KEY) == 0;
}

static int explain_write(int code, struct why *ret_why)
{
	if (code == 0)
		return 0;
	if (code == -ENOSPC)
		return why_set(ret_why, code,
			       "no space left for the certificate store: nothing was "
			       "changed; free some space and try again");
	return why_set(ret_why, code,
		       "the certificate store could not be written (%s): nothing was changed",
		       err_text(code));
}

static int change_all(struct apply *apply, const struct store_change *changes, size_t n_changes)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n_changes; i++) {
		const struct store_change *change = &changes[i];
		uint8_t digest[STORE_DIGEST_SIZE] = {0};
		size_t key_size = strnlen(change->key, STORE_KEY_MAX + 1);

		if (!store_key_is_replicated(change->key))
			return ERR_MALFORMED;
		if (change->value)
			r = digest_item(change->key, key_size, change->value, change->value_size,
					digest);
		if (r == 0)
			r = apply_item(apply, change->key, key_size, change->value,
				       change->value_size, digest);
	}
	return r;
}

static int check_sizes(const struct store_change *changes, size_t n_changes, uint64_t *ret_bytes,
		       struct why *ret_why)
{
	*ret_bytes = 0;
	for (size_t i = 0; i < n_changes; i++) {
		*ret_bytes += changes[i].value ? changes[i].value_size : 0;
		if (changes[i].value &&
		    (changes[i].value_size == 0 || changes[i].value_size > STORE_VALUE_MAX))
			return why_set(ret_why, ERR_TOO_LARGE,
				       "a record of %zu bytes: at most %u are stored",
				       changes[i].value_size, STORE_VALUE_MAX);
	}
	return 0;
}

struct change_work {
	struct store *store;
	uint64_t term;
	const struct store_change *changes;
	size_t n_changes;
	struct why *why;
};

static int run_change(void *userdata)
{
	const struct change_work *work = userdata;
	_cleanup_(apply_done) struct apply apply = {0};
	int r = apply_begin(&work->store->replica, &apply);

	if (r == 0 && work->term < apply.position.term)
		return why_set(
			work->why, ERR_NOT_ACTIVE,
			"the store was changed in term %llu already, this unit is active in term "
			"%llu only: do it on the other unit",
			(unsigned long long)apply.position.term, (unsigned long long)work->term);
	if (r == 0)
		r = change_all(&apply, work->changes, work->n_changes);
	return r < 0 ? r : apply_commit(&apply, work->term, apply.position.seq + 1, 0);
}

int store_change(struct store *store, uint64_t term, const struct store_change *changes,
		 size_t n_changes, struct why *ret_why)
{
	struct why why = {0};
	struct change_work work = {store, term, changes, n_changes, &why};
	uint64_t bytes;
	int r = check_sizes(changes, n_changes, &bytes, ret_why);

	if (r < 0)
		return r;
	r = store_run(&store->replica, run_change, &work, bytes);
	return why.text[0] ? why_set(ret_why, r, "%s", why.text) : explain_write(r, ret_why);
}

static int get(struct store *store, MDB_txn *txn, bool is_unit, const char *name,
	       struct buf *ret_value)
{
	MDB_dbi items = is_unit ? store->unit : store->replica.items;
	MDB_dbi digests = is_unit ? store->unit_digests : store->replica.digests;
	MDB_val key = store_val(name, strlen(name)), value, known;
	uint8_t digest[STORE_DIGEST_SIZE];
	int r;

	if (key.mv_size == 0 || key.mv_size > STORE_KEY_MAX)
		return ERR_NOT_FOUND;
	r = store_code(mdb_get(txn, items, &key, &value));
	if (r < 0)
		return r;
	r = digest_item(name, key.mv_size, value.mv_data, value.mv_size, digest);
	if (r == 0)
		r = store_code(mdb_get(txn, digests, &key, &known));
	if (r == ERR_NOT_FOUND || (r == 0 && (known.mv_size != sizeof(digest) ||
					      memcmp(known.mv_data, digest, sizeof(digest)) != 0)))
		r = ERR_STORE;
	if (r == ERR_STORE)
		store->is_damage_seen = true;
	return r < 0 ? r : buf_append(ret_value, value.mv_data, value.mv_size);
}

bool store_is_damage_seen(const struct store *store)
{
	return store->is_damage_seen;
}

int store_get(struct store *store, const char *key, struct buf *ret_value)
{
	_cleanup_txn_ MDB_txn *own = NULL;
	MDB_txn *txn;
	int r = begin_reading(store, &own, &txn);

	return r < 0 ? r : get(store, txn, false, key, ret_value);
}

int store_unit_get(struct store *store, const char *key, struct buf *ret_value)
{
	_cleanup_txn_ MDB_txn *own = NULL;
	MDB_txn *txn;
	int r = begin_reading(store, &own, &txn);

	return r < 0 ? r : get(store, txn, true, key, ret_value);
}

typedef int (*each_fn)(const char *key, const uint8_t *value, size_t size, void *userdata);

/* From the first key > AFTER (NULL: >= PREFIX). */
static int first_key(MDB_cursor *cursor, const char *prefix, const char *after, MDB_val *key,
		     MDB_val *value)
{
	const char *from = after && strcmp(after, prefix) > 0 ? after : prefix;
	int r;

	*key = store_val(from, strlen(from));
	if (key->mv_size == 0)
		return store_code(mdb_cursor_get(cursor, key, value, MDB_FIRST));
	r = store_code(mdb_cursor_get(cursor, key, value, MDB_SET_RANGE));
	if (r == 0 && after && key->mv_size == strlen(after) &&
	    memcmp(key->mv_data, after, key->mv_size) == 0)
		r = store_code(mdb_cursor_get(cursor, key, value, MDB_NEXT));
	return r;
}

static int each(struct store *store, MDB_dbi dbi, const char *prefix, const char *after, each_fn fn,
		void *userdata)
{
	_cleanup_txn_ MDB_txn *own = NULL;
	_cleanup_cursor_ MDB_cursor *cursor = NULL;
	size_t prefix_size = strlen(prefix);
	MDB_val key, value;
	MDB_txn *txn;
	int r = begin_reading(store, &own, &txn);

	if (r == 0)
		r = store_code(mdb_cursor_open(txn, dbi, &cursor));
	if (r < 0)
		return r;
	r = first_key(cursor, prefix, after, &key, &value);
	while (r == 0) {
		char name[STORE_KEY_MAX + 1];

		if (key.mv_size > STORE_KEY_MAX)
			return ERR_STORE;
		memcpy(name, key.mv_data, key.mv_size);
		name[key.mv_size] = 0;
		if (strncmp(name, prefix, prefix_size) != 0)
			return 0;
		r = fn(name, value.mv_data, value.mv_size, userdata);
		if (r < 0)
			return r;
		r = store_code(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
	}
	return r == ERR_NOT_FOUND ? 0 : r;
}

int store_each(struct store *store, const char *prefix, each_fn fn, void *userdata)
{
	return each(store, store->replica.items, prefix, NULL, fn, userdata);
}

int store_each_after(struct store *store, const char *prefix, const char *after, each_fn fn,
		     void *userdata)
{
	return each(store, store->replica.items, prefix, after, fn, userdata);
}

int store_unit_each(struct store *store, const char *prefix, each_fn fn, void *userdata)
{
	return each(store, store->unit, prefix, NULL, fn, userdata);
}

int store_unit_each_after(struct store *store, const char *prefix, const char *after, each_fn fn,
			  void *userdata)
{
	return each(store, store->unit, prefix, after, fn, userdata);
}

static int count_one(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	uint64_t *count = userdata;

	(void)key;
	(void)value;
	(void)size;
	(*count)++;
	return 0;
}

int store_count(struct store *store, const char *prefix, uint64_t *ret_count)
{
	*ret_count = 0;
	return store_each(store, prefix, count_one, ret_count);
}

uint64_t store_trustpoints(const struct store *store)
{
	return store->replica.trustpoints;
}

uint64_t store_unit_changes(const struct store *store)
{
	return store->unit_changes;
}

int store_unit_count(struct store *store, const char *prefix, uint64_t *ret_count)
{
	*ret_count = 0;
	return store_unit_each(store, prefix, count_one, ret_count);
}

static int unit_change_one(struct store *store, MDB_txn *txn, const struct store_change *change)
{
	MDB_val key = store_val(change->key, strlen(change->key));
	MDB_val value = store_val(change->value, change->value_size);

	if (key.mv_size > STORE_KEY_MAX)
		return ERR_TOO_LARGE;
	return change->value ? store_unit_put(store, txn, &key, &value)
			     : store_unit_delete(store, txn, &key);
}

static int run_unit_change(void *userdata)
{
	const struct change_work *work = userdata;
	_cleanup_txn_ MDB_txn *txn = NULL;
	int r = store_write_begin(&work->store->replica, &txn);

	for (size_t i = 0; r == 0 && i < work->n_changes; i++)
		r = unit_change_one(work->store, txn, &work->changes[i]);
	return r < 0 ? r : store_write_commit(&work->store->replica, TAKE_PTR(txn));
}

int store_unit_change(struct store *store, const struct store_change *changes, size_t n_changes,
		      struct why *ret_why)
{
	struct change_work work = {.store = store, .changes = changes, .n_changes = n_changes};
	uint64_t bytes;
	int r = check_sizes(changes, n_changes, &bytes, ret_why);

	if (r < 0)
		return r;
	r = store_run(&store->replica, run_unit_change, &work, bytes);
	store->unit_changes++;
	return explain_write(r, ret_why);
}

int store_kek_id(struct store *store, uint8_t ret_id[static STORE_KEK_ID_SIZE])
{
	_cleanup_txn_ MDB_txn *txn = NULL;
	MDB_val key = store_val("kek", 3), value;
	int r = store_code(mdb_txn_begin(store->replica.env, NULL, MDB_RDONLY, &txn));

	if (r == 0)
		r = store_code(mdb_get(txn, store->replica.meta, &key, &value));
	if (r == 0 && value.mv_size != STORE_KEK_ID_SIZE)
		r = ERR_STORE;
	if (r == 0)
		memcpy(ret_id, value.mv_data, STORE_KEK_ID_SIZE);
	return r;
}

struct kek_work {
	struct store_replica *replica;
	const uint8_t *id;
};

static int run_kek_id_set(void *userdata)
{
	const struct kek_work *work = userdata;
	_cleanup_txn_ MDB_txn *txn = NULL;
	int r = store_write_begin(work->replica, &txn);

	if (r == 0)
		r = store_meta_kek_write(work->replica, txn, work->id);
	return r < 0 ? r : store_write_commit(work->replica, TAKE_PTR(txn));
}

int store_kek_id_set(struct store *store, const uint8_t id[static STORE_KEK_ID_SIZE])
{
	struct kek_work work = {&store->replica, id};

	return store_run(&store->replica, run_kek_id_set, &work, STORE_KEK_ID_SIZE);
}

int store_journal_each(struct store *store, uint64_t term,
		       int (*fn)(const char *key, void *userdata), void *userdata,
		       bool *ret_is_whole)
{
	_cleanup_txn_ MDB_txn *txn = NULL;
	int r = store_code(mdb_txn_begin(store->replica.env, NULL, MDB_RDONLY, &txn));

	return r < 0 ? r
		     : journal_each_of_term(&store->replica, txn, term, fn, userdata, ret_is_whole);
}
