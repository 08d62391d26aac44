/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever reads a damaged file may die of it, so children do: one copies what is this unit's own,
 * all of it or nothing; another one the records, some at a time, each lot durable, so that what was
 * copied before a page that kills it is there. A third one sums up what came of it.
 */
#include "certstore/store/rescue.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "certstore/store/digest.h"
#include "certstore/store/store_private.h"

#define LOT 500
#define MAP_SIZE ((size_t)16 * 1024 * 1024 * 1024)

/* What the children tell: they share this page. */
struct tally {
	uint64_t kept, lost, unit;
	bool is_old; /* of a version without digests of unit/ */
	bool has_position, is_whole;
	struct store_position position;
	bool has_kek;
	uint8_t kek[STORE_KEK_ID_SIZE];
};

struct rescue {
	char from[PATH_MAX], to[PATH_MAX], aside[PATH_MAX];
	struct tally *tally;
	/* of a child */
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi items, digests, meta, unit, unit_digests;
	struct store *store;
};

/* ---- the damaged file, in a child ---- */

static int source_open(struct rescue *rescue)
{
	int r = store_code(mdb_env_create(&rescue->env));

	if (r == 0)
		r = store_code(mdb_env_set_mapsize(rescue->env, MAP_SIZE));
	if (r == 0)
		r = store_code(mdb_env_set_maxdbs(rescue->env, 8));
	if (r == 0)
		r = store_code(
			mdb_env_open(rescue->env, rescue->from, MDB_RDONLY | MDB_NOLOCK, 0600));
	if (r == 0)
		r = store_code(mdb_txn_begin(rescue->env, NULL, MDB_RDONLY, &rescue->txn));
	return r;
}

static int database(struct rescue *rescue, const char *name, MDB_dbi *ret_dbi)
{
	return store_code(mdb_dbi_open(rescue->txn, name, 0, ret_dbi));
}

static bool is_well(struct rescue *rescue, MDB_dbi digests, MDB_val *key, const MDB_val *value)
{
	uint8_t digest[STORE_DIGEST_SIZE];
	MDB_val known;

	return key->mv_size > 0 && key->mv_size <= STORE_KEY_MAX &&
	       value->mv_size <= STORE_VALUE_MAX &&
	       store_code(mdb_get(rescue->txn, digests, key, &known)) == 0 &&
	       known.mv_size == sizeof(digest) &&
	       digest_item(key->mv_data, key->mv_size, value->mv_data, value->mv_size, digest) ==
		       0 &&
	       memcmp(known.mv_data, digest, sizeof(digest)) == 0;
}

/* ---- what is this unit's own ---- */

static int copy_unit_item(struct rescue *rescue, MDB_val *key, MDB_val *value)
{
	char name[STORE_KEY_MAX + 1];
	struct store_change change = {name, value->mv_data, value->mv_size};

	if (!rescue->tally->is_old && !is_well(rescue, rescue->unit_digests, key, value))
		return ERR_STORE;
	if (key->mv_size > STORE_KEY_MAX)
		return ERR_STORE;
	memcpy(name, key->mv_data, key->mv_size);
	name[key->mv_size] = 0;
	rescue->tally->unit++;
	return store_unit_change(rescue->store, &change, 1, NULL);
}

static int copy_unit(struct rescue *rescue)
{
	_cleanup_cursor_ MDB_cursor *cursor = NULL;
	MDB_val key, value;
	MDB_stat stat;
	int r = database(rescue, "unit/items", &rescue->unit);

	rescue->tally->unit = 0;
	if (r == 0)
		r = database(rescue, "unit/digests", &rescue->unit_digests);
	rescue->tally->is_old = r == ERR_NOT_FOUND;
	if (rescue->tally->is_old)
		r = 0;
	else if (r == 0)
		r = store_code(mdb_stat(rescue->txn, rescue->unit_digests, &stat));
	if (r == 0)
		r = store_code(mdb_cursor_open(rescue->txn, rescue->unit, &cursor));
	while (r == 0) {
		r = store_code(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
		if (r == 0)
			r = copy_unit_item(rescue, &key, &value);
	}
	if (r != ERR_NOT_FOUND)
		return r;
	return rescue->tally->is_old || stat.ms_entries == rescue->tally->unit ? 0 : ERR_STORE;
}

/* ---- records ---- */

/* The position and the name of the key-encryption key, if they are what they were. */
static void copy_meta(struct rescue *rescue)
{
	struct store_replica source = {
		.env = rescue->env, .meta = rescue->meta, .items = rescue->items};
	MDB_val key = store_val("kek", 3), value;
	struct tally *tally = rescue->tally;
	struct store_check check;
	int r = store_check_read(&source, rescue->txn, &check);

	if (r == 0 && store_check_verify_meta(&source, rescue->txn, &check) < 0)
		return;
	if (r < 0 && !tally->is_old)
		return;
	tally->has_position = store_meta_read(&source, rescue->txn, &tally->position) == 0;
	if (store_code(mdb_get(rescue->txn, rescue->meta, &key, &value)) == 0 &&
	    value.mv_size == STORE_KEK_ID_SIZE) {
		memcpy(tally->kek, value.mv_data, STORE_KEK_ID_SIZE);
		tally->has_kek = true;
	}
}

static int put_record(struct apply *apply, const MDB_val *key, const MDB_val *value)
{
	char name[STORE_KEY_MAX + 1];
	uint8_t digest[STORE_DIGEST_SIZE];
	int r;

	memcpy(name, key->mv_data, key->mv_size);
	name[key->mv_size] = 0;
	if (!store_key_is_replicated(name))
		return ERR_STORE;
	r = digest_item(name, key->mv_size, value->mv_data, value->mv_size, digest);
	return r < 0 ? r
		     : apply_item(apply, name, key->mv_size, value->mv_data, value->mv_size,
				  digest);
}

/* Returns ERR_NOT_FOUND at the end. */
static int copy_lot(struct rescue *rescue, MDB_cursor *cursor)
{
	_cleanup_(apply_done) struct apply apply = {0};
	uint64_t kept = 0, lost = 0;
	MDB_val key, value;
	int r = apply_begin(&rescue->store->replica, &apply), next = 0;

	while (r == 0 && next == 0 && kept < LOT) {
		next = store_code(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
		if (next < 0)
			break;
		if (!is_well(rescue, rescue->digests, &key, &value)) {
			lost++;
			continue;
		}
		r = put_record(&apply, &key, &value);
		kept++;
	}
	if (r == 0)
		r = apply_commit(&apply, 0, apply.position.seq + 1, 0);
	if (r < 0)
		return r;
	rescue->tally->kept += kept;
	rescue->tally->lost += lost;
	return next;
}

static int copy_records(struct rescue *rescue)
{
	_cleanup_cursor_ MDB_cursor *cursor = NULL;
	int r = database(rescue, "replicated/items", &rescue->items);

	if (r == 0)
		r = database(rescue, "replicated/digests", &rescue->digests);
	if (r == 0 && database(rescue, "replicated/meta", &rescue->meta) == 0)
		copy_meta(rescue);
	if (r == 0)
		r = store_code(mdb_cursor_open(rescue->txn, rescue->items, &cursor));
	while (r == 0)
		r = copy_lot(rescue, cursor);
	rescue->tally->is_whole = r == ERR_NOT_FOUND;
	return 0;
}

/* ---- the sum of it ---- */

static void describe(const struct tally *tally, char ret_text[static STORE_INCOMPLETE_MAX])
{
	uint64_t was = tally->has_position ? tally->position.count : tally->kept + tally->lost;

	if (was > tally->kept)
		(void)snprintf(ret_text, STORE_INCOMPLETE_MAX,
			       "%llu of %llu records were damaged and are missing",
			       (unsigned long long)(was - tally->kept), (unsigned long long)was);
	else
		(void)snprintf(ret_text, STORE_INCOMPLETE_MAX,
			       "its last changes, or its position, were damaged and are missing");
}

/* At the place where the damaged store was: nothing is missing if that has the same contents. */
static int finish(struct rescue *rescue)
{
	_cleanup_(apply_done) struct apply apply = {0};
	struct store_replica *replica = &rescue->store->replica;
	const struct tally *tally = rescue->tally;
	const struct store_position *was = &tally->position;
	char text[STORE_INCOMPLETE_MAX] = "";
	int r = apply_begin(replica, &apply);

	if (r < 0)
		return r;
	if (!tally->has_position || was->count != apply.position.count ||
	    memcmp(was->digest, apply.position.digest, STORE_DIGEST_SIZE) != 0)
		describe(tally, text);
	r = store_incomplete_write(replica, apply.txn, text);
	if (r == 0 && tally->has_kek)
		r = store_meta_kek_write(replica, apply.txn, tally->kek);
	if (r == 0)
		r = apply_commit(&apply, was->term, was->seq, was->lineage);
	return r;
}

/* ---- children ---- */

static _Noreturn void child_main(struct rescue *rescue, int (*step)(struct rescue *rescue),
				 bool needs_source)
{
	int r;

	store_child_begin();
	r = store_open(rescue->to, &rescue->store, NULL);
	if (r == 0 && needs_source)
		r = source_open(rescue);
	if (r == 0)
		r = step(rescue);
	store_close(rescue->store);
	_exit(r == 0 ? 0 : r == -ENOSPC ? 2 : 1);
}

static int in_child(struct rescue *rescue, int (*step)(struct rescue *rescue), bool needs_source)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		child_main(rescue, step, needs_source);
	if (child < 0)
		return -errno;
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 1)
		return ERR_STORE;
	return WEXITSTATUS(status) == 2 ? -ENOSPC : 0;
}

/* ---- files ---- */

static void remove_store(const char *directory)
{
	static const char *const names[] = {"data.mdb", "lock.mdb", "stamp", "stage.tmp"};
	char path[PATH_MAX + 16];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(directory);
}

/* The new store belongs to whom the old one did. */
static int swap(const struct rescue *rescue)
{
	if (renameat2(AT_FDCWD, rescue->to, AT_FDCWD, rescue->from, RENAME_EXCHANGE) < 0)
		return -errno;
	remove_store(rescue->aside);
	if (rename(rescue->to, rescue->aside) < 0)
		remove_store(rescue->to);
	return 0;
}

static int copy(struct rescue *rescue)
{
	int r = in_child(rescue, copy_unit, true);

	/* Keys that it would be without cannot be had again. */
	if (r < 0)
		return r;
	r = in_child(rescue, copy_records, true);
	if (r < 0 && r != ERR_STORE)
		return r;
	r = in_child(rescue, finish, false);
	if (r == 0)
		r = store_probe(rescue->to, NULL);
	return r < 0 ? r : swap(rescue);
}

static int explain(const struct rescue *rescue, int code, struct why *ret_why)
{
	const struct tally *tally = rescue->tally;
	uint64_t was = tally->has_position && tally->position.count > tally->kept
			       ? tally->position.count
			       : tally->kept + tally->lost;

	if (code == -ENOSPC)
		return why_set(ret_why, code,
			       "there is no room beside %s to save what is well of it: free as "
			       "much as it takes",
			       rescue->from);
	if (code < 0)
		return why_set(ret_why, code,
			       "what is this unit's own, such as its keys, is damaged, too, or "
			       "cannot be read (%s)",
			       err_text(code));
	return why_set(ret_why, 0,
		       "%llu of its %llu records were saved; the damaged files are in %s",
		       (unsigned long long)tally->kept, (unsigned long long)was, rescue->aside);
}

int store_rescue(const char *directory, struct why *ret_why)
{
	struct rescue rescue = {0};
	int r;

	if (snprintf(rescue.from, sizeof(rescue.from), "%s", directory) >= PATH_MAX - 16)
		return why_set(ret_why, -ENAMETOOLONG, "the store's name is too long");
	(void)snprintf(rescue.to, sizeof(rescue.to), "%.*s.rescue", PATH_MAX - 16, directory);
	(void)snprintf(rescue.aside, sizeof(rescue.aside), "%.*s.damaged", PATH_MAX - 16,
		       directory);
	rescue.tally = mmap(NULL, sizeof(*rescue.tally), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (rescue.tally == MAP_FAILED)
		return why_set(ret_why, -errno, "out of memory");
	remove_store(rescue.to);
	r = copy(&rescue);
	if (r < 0)
		remove_store(rescue.to);
	r = explain(&rescue, r, ret_why);
	(void)munmap(rescue.tally, sizeof(*rescue.tally));
	return r;
}
