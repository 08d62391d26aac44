/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening: what may be wrong with a disk or with files is found here, and said in the words of the
 * person who has to mend it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/err.h"
#include "base/io.h"
#include "certstore/store/store_private.h"

#define MAP_SIZE ((size_t)16 * 1024 * 1024 * 1024)
#define DATABASES_MAX 8

static int make_directory(const char *directory, int *ret_fd, struct why *ret_why)
{
	_cleanup_close_ int fd = -1;

	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return why_set(ret_why, -errno, "cannot make the store's folder %s: %s", directory,
			       strerror(errno));
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return why_set(ret_why, -errno, "cannot open the store's folder %s: %s", directory,
			       strerror(errno));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/*
 * Pages behind the end of a file that was cut off would kill us with SIGBUS; as zeros they are an
 * error of LMDB's.
 */
static int cover_last_page(MDB_env *env)
{
	MDB_envinfo info;
	MDB_stat stat;
	struct stat file;
	off_t wanted;
	int fd, r;

	r = store_code(mdb_env_info(env, &info));
	if (r == 0)
		r = store_code(mdb_env_stat(env, &stat));
	if (r == 0)
		r = store_code(mdb_env_get_fd(env, &fd));
	if (r < 0)
		return r;
	wanted = (off_t)((info.me_last_pgno + 1) * stat.ms_psize);
	if (wanted > (off_t)MAP_SIZE)
		return ERR_STORE;
	if (fstat(fd, &file) < 0 || (file.st_size < wanted && ftruncate(fd, wanted) < 0))
		return -errno;
	return 0;
}

/* LMDB takes the size of its mapping from the file's header: one that was damaged asks for more
 * than there is. */
static bool is_mappable(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at != MAP_FAILED && munmap(at, size) == 0;
}

static int open_environment(const char *directory, struct store *store)
{
	MDB_env *env = NULL;
	int dead = 0;
	int r = store_code(mdb_env_create(&env));

	if (r < 0)
		return r;
	store->replica.env = env;
	r = store_code(mdb_env_set_mapsize(env, MAP_SIZE));
	if (r == 0)
		r = store_code(mdb_env_set_maxdbs(env, DATABASES_MAX));
	if (r == 0)
		r = store_code(mdb_env_open(env, directory, MDB_NOTLS, 0600));
	if (r == -ENOMEM && is_mappable(MAP_SIZE))
		r = ERR_STORE;
	if (r == 0)
		r = store_code(mdb_reader_check(env, &dead));
	return r == 0 ? cover_last_page(env) : r;
}

static const char *const file_names[] = {"data.mdb", "lock.mdb"};

/* A store that is made where there is no room would be half a store, which reads as a damaged one.
 */
static int check_room(int directory_fd, bool *ret_is_new, struct why *ret_why)
{
	struct stat data;
	struct statvfs disk;

	*ret_is_new = fstatat(directory_fd, file_names[0], &data, 0) < 0 || data.st_size == 0;
	if (!*ret_is_new)
		return 0;
	/* There was one: a new one would be taken for that of a replaced unit. */
	if (store_stamp_is_there(directory_fd)) {
		*ret_is_new = false;
		return why_set(ret_why, ERR_STORE, "%s is gone or empty", file_names[0]);
	}
	if (fstatvfs(directory_fd, &disk) < 0)
		return -errno;
	if ((disk.f_flag & ST_RDONLY) != 0)
		return -EROFS;
	return disk.f_bavail < STORE_ROOM_FOR_NEW / disk.f_frsize ? -ENOSPC : 0;
}

/*
 * A new store, or one of a version that did not know of it: there the id of the encryption key is
 * taken, which a standby adopted from its active just so, and which both units of a pair know.
 */
static int make_lineage(const struct store_replica *replica, MDB_txn *txn, bool *ret_is_changed)
{
	struct store_position position;
	MDB_val key = store_val("kek", 3), value;
	int r = store_meta_read(replica, txn, &position);

	if (r < 0 || position.lineage != 0)
		return r;
	r = store_code(mdb_get(txn, replica->meta, &key, &value));
	if (r == 0 && value.mv_size == sizeof(position.lineage))
		memcpy(&position.lineage, value.mv_data, sizeof(position.lineage));
	else if (r != ERR_NOT_FOUND)
		return r < 0 ? r : ERR_STORE;
	while (position.lineage == 0) {
		if (getrandom(&position.lineage, sizeof(position.lineage), 0) < 0 && errno != EINTR)
			return -errno;
	}
	*ret_is_changed = true;
	return store_meta_write(replica, txn, &position);
}

static int open_databases(struct store *store)
{
	_cleanup_txn_ MDB_txn *txn = NULL;
	struct store_replica *replica = &store->replica;
	const struct {
		const char *name;
		MDB_dbi *dbi;
	} databases[] = {
		{"replicated/items", &replica->items},
		{"replicated/digests", &replica->digests},
		{"replicated/journal", &replica->journal},
		{"replicated/meta", &replica->meta},
		{"unit/items", &store->unit},
		{"unit/digests", &store->unit_digests},
	};
	bool is_changed = false;
	int r = store_code(mdb_txn_begin(replica->env, NULL, 0, &txn));

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(databases); i++)
		r = store_code(mdb_dbi_open(txn, databases[i].name, MDB_CREATE, databases[i].dbi));
	if (r == 0)
		r = store_check_adopt(store, txn, &is_changed);
	if (r == 0)
		r = make_lineage(replica, txn, &is_changed);
	if (r < 0)
		return r;
	return is_changed ? store_write_commit(replica, TAKE_PTR(txn))
			  : store_write_code(replica, mdb_txn_commit(TAKE_PTR(txn)));
}

/* Counts of three places must agree; the root of nothing is zero. */
static int check_counts(struct store *store, struct why *ret_why)
{
	static const uint8_t zero[STORE_DIGEST_SIZE];
	struct store_replica *replica = &store->replica;
	_cleanup_txn_ MDB_txn *txn = NULL;
	MDB_stat items, digests, unit, unit_digests;
	int r = store_code(mdb_txn_begin(replica->env, NULL, MDB_RDONLY, &txn));

	if (r == 0)
		r = store_stamp_check(replica, txn, ret_why);
	if (r == 0)
		r = store_meta_read(replica, txn, &replica->position);
	if (r == 0)
		r = store_incomplete_read(replica, txn, replica->incomplete);
	if (r == 0)
		r = store_code(mdb_stat(txn, replica->items, &items));
	if (r == 0)
		r = store_code(mdb_stat(txn, replica->digests, &digests));
	if (r == 0)
		r = store_code(mdb_stat(txn, store->unit, &unit));
	if (r == 0)
		r = store_code(mdb_stat(txn, store->unit_digests, &unit_digests));
	if (r < 0)
		return r;
	if (items.ms_entries != replica->position.count ||
	    digests.ms_entries != replica->position.count ||
	    unit.ms_entries != unit_digests.ms_entries)
		return ERR_STORE;
	if (replica->position.count == 0 &&
	    memcmp(replica->position.digest, zero, STORE_DIGEST_SIZE) != 0)
		return ERR_STORE;
	return 0;
}

static int explain_open(int code, const char *directory, const char *what, struct why *ret_why)
{
	if (code == -ENOSPC)
		return why_set(ret_why, code,
			       "no space left for the certificate store in %s: free some; this "
			       "unit goes on by itself then",
			       directory);
	if (code == -EROFS || code == -EACCES)
		return why_set(ret_why, code,
			       "the certificate store in %s cannot be written to (%s): make it "
			       "writable; this unit goes on by itself then",
			       directory, err_text(code));
	if (code == ERR_STORE)
		return why_set(
			ret_why, code,
			"the certificate store in %s is damaged%s%s: move the folder away, restart "
			"and pair this unit again (`asafo pair`), then the mate fills it; without "
			"a mate import the trustpoints again",
			directory, what[0] ? ": " : "", what);
	return why_set(ret_why, code, "cannot open the certificate store in %s: %s", directory,
		       err_text(code));
}

static inline void store_close_p(struct store **store)
{
	store_close(*store);
}

#define NEW_FOLDER "new"

static void remove_new(int directory_fd)
{
	int fd = openat(directory_fd, NEW_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(file_names); i++)
		(void)unlinkat(fd, file_names[i], 0);
	(void)close(fd);
	(void)unlinkat(directory_fd, NEW_FOLDER, AT_REMOVEDIR);
}

/* Half a store would read as a damaged one: it is made beside, and appears whole. */
static int make_new(const char *directory, struct store *store)
{
	int directory_fd = store->replica.directory_fd, r;
	char path[PATH_MAX];

	remove_new(directory_fd);
	if (snprintf(path, sizeof(path), "%s/" NEW_FOLDER, directory) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = mkdir(path, 0700) < 0 ? -errno : open_environment(path, store);
	if (r == 0)
		r = open_databases(store);
	if (store->replica.env)
		mdb_env_close(TAKE_PTR(store->replica.env));
	if (r == 0 && renameat(directory_fd, NEW_FOLDER "/data.mdb", directory_fd, "data.mdb") < 0)
		r = -errno;
	remove_new(directory_fd);
	return r == 0 && fsync(directory_fd) < 0 ? -errno : r;
}

int store_open_raw(const char *directory, struct store **ret_store, struct why *ret_what,
		   struct why *ret_why)
{
	_cleanup_(store_close_p) struct store *store = calloc(1, sizeof(*store));
	bool is_new;
	int r;

	ret_what->text[0] = 0;
	if (!store)
		return why_set(ret_why, -ENOMEM, "out of memory");
	store->replica.directory_fd = store->replica.stamp_fd = -1;
	store->unit_changes = 1;
	r = make_directory(directory, &store->replica.directory_fd, ret_why);
	if (r < 0)
		return r;
	r = check_room(store->replica.directory_fd, &is_new, ret_what);
	if (r == 0 && is_new)
		r = make_new(directory, store);
	if (r == 0)
		r = open_environment(directory, store);
	if (r == 0)
		r = open_databases(store);
	if (r == 0)
		r = store_stamp_open(&store->replica);
	if (r == 0)
		r = check_counts(store, ret_what);
	if (r == 0)
		r = store_count(store, "trustpoint/", &store->replica.trustpoints);
	/* The files' names are durable, too, and that of their folder. */
	if (r == 0 && fsync(store->replica.directory_fd) < 0)
		r = -errno;
	if (r == 0)
		r = io_sync_parent(directory);
	/* What must be there and is not is damage. */
	if (r == ERR_NOT_FOUND)
		r = ERR_STORE;
	if (r < 0)
		return explain_open(r, directory, ret_what->text, ret_why);
	*ret_store = TAKE_PTR(store);
	return 0;
}

int store_trim(struct store *store, struct why *ret_why)
{
	_cleanup_free_ char *directory = NULL;
	const char *path = NULL;
	int r;

	if (store->replica.holder)
		return 0;
	r = store_code(mdb_env_get_path(store->replica.env, &path));
	if (r == 0)
		directory = strdup(path);
	if (r == 0 && !directory)
		r = -ENOMEM;
	if (r < 0)
		return why_set(ret_why, r, "%s", err_text(r));
	mdb_env_close(TAKE_PTR(store->replica.env));
	store->replica.slack = 0;
	r = open_environment(directory, store);
	if (r == 0)
		r = open_databases(store);
	/* Pages of a few KiB each, which the allocator would keep as well. */
	(void)malloc_trim(0);
	return r < 0 ? explain_open(r, directory, "", ret_why) : 0;
}

int store_open(const char *directory, struct store **ret_store, struct why *ret_why)
{
	struct why what;

	return store_open_raw(directory, ret_store, &what, ret_why);
}
