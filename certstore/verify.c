/* SPDX-License-Identifier: Apache-2.0 */
/* Is the store what it says it is? In a child for what may kill its reader, or in full with every
 * digest. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/io.h"
#include "certstore/digest.h"
#include "certstore/store_private.h"

#define CHILD_CPU_SECONDS 120

static int walk(const char *directory, struct why *why)
{
	struct store *store = NULL;
	const struct store_replica *replica;
	int r = store_open_raw(directory, &store, why, NULL);

	if (r < 0)
		return r;
	replica = store_replica(store);
	r = store_pages_verify(replica->env, why);
	/* A bit that turned over is found before anybody is told that the units hold the same. */
	if (r == 0)
		r = store_verify(store, why);
	store_close(store);
	return r;
}

/* Whatever reads a damaged file may die of it, or go round in circles; nobody catches that here. */
void store_child_begin(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	struct rlimit cpu = {CHILD_CPU_SECONDS, CHILD_CPU_SECONDS}, core = {0, 0};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)signal(signals[i], SIG_DFL);
	(void)setrlimit(RLIMIT_CPU, &cpu);
	(void)setrlimit(RLIMIT_CORE, &core);
}

/* In the child. Only damage is told here; other errors are store_open's, with their own sentence.
 */
static _Noreturn void probe(const char *directory, int fd)
{
	struct why why = {""};
	bool is_damaged;

	store_child_begin();
	is_damaged = walk(directory, &why) == ERR_STORE;

	if (is_damaged)
		(void)io_write_full(fd, why.text, strlen(why.text));
	_exit(is_damaged ? 1 : 0);
}

static int explain_probe(const char *directory, const char *what, struct why *ret_why)
{
	return why_set(ret_why, ERR_STORE,
		       "the certificate store in %s is damaged%s%s: move the folder away and "
		       "pair this unit again (`asafo pair`), then the mate fills it; without a "
		       "mate import the trustpoints again",
		       directory, what[0] ? ": " : "", what);
}

static int wait_for(pid_t child, int *ret_status)
{
	while (waitpid(child, ret_status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int store_probe(const char *directory, struct why *ret_why)
{
	_cleanup_close_ int reader = -1;
	struct why what = {""};
	int status = 0, fds[2], r = 0;
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return why_set(ret_why, -errno, "cannot check the certificate store: %s",
			       strerror(errno));
	reader = fds[0];
	child = fork();
	if (child == 0)
		probe(directory, fds[1]);
	if (child < 0)
		r = -errno;
	(void)close(fds[1]);
	if (r == 0)
		r = wait_for(child, &status);
	if (r < 0)
		return why_set(ret_why, r, "cannot check the certificate store: %s", err_text(r));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	/* Less than a pipe holds, and the writer is gone. */
	if (read(reader, what.text, sizeof(what.text) - 1) < 0)
		what.text[0] = '\0';
	return explain_probe(directory, what.text, ret_why);
}

static int verify_item(const MDB_val *key, const MDB_val *value, MDB_cursor *digests,
		       struct store_position *sum, struct why *ret_why)
{
	uint8_t digest[STORE_DIGEST_SIZE];
	MDB_val known_key, known;
	int r = store_code(mdb_cursor_get(digests, &known_key, &known, MDB_NEXT));

	if (r < 0)
		return r;
	r = digest_item(key->mv_data, key->mv_size, value->mv_data, value->mv_size, digest);
	if (r < 0)
		return r;
	if (known_key.mv_size != key->mv_size ||
	    memcmp(known_key.mv_data, key->mv_data, key->mv_size) != 0 ||
	    known.mv_size != sizeof(digest) || memcmp(known.mv_data, digest, sizeof(digest)) != 0)
		return why_set(ret_why, ERR_STORE, "the record %.*s is damaged", (int)key->mv_size,
			       (const char *)key->mv_data);
	digest_add(sum->digest, digest);
	sum->count++;
	return 0;
}

/* Both in the order of their keys; that there are as many of each was seen at opening. */
static int verify_unit(const struct store *store, MDB_txn *txn, struct why *ret_why)
{
	_cleanup_cursor_ MDB_cursor *items = NULL, *digests = NULL;
	struct store_position sum = {0};
	MDB_val key, value;
	int r = store_code(mdb_cursor_open(txn, store->unit, &items));

	if (r == 0)
		r = store_code(mdb_cursor_open(txn, store->unit_digests, &digests));
	while (r == 0) {
		r = store_code(mdb_cursor_get(items, &key, &value, MDB_NEXT));
		if (r == ERR_NOT_FOUND)
			return 0;
		if (r == 0)
			r = verify_item(&key, &value, digests, &sum, ret_why);
	}
	return r == ERR_NOT_FOUND ? ERR_STORE : r;
}

int store_verify(struct store *store, struct why *ret_why)
{
	_cleanup_txn_ MDB_txn *txn = NULL;
	_cleanup_cursor_ MDB_cursor *items = NULL, *digests = NULL;
	const struct store_replica *replica = store_replica(store);
	struct store_position sum = {0}, meta;
	MDB_val key, value;
	int r = store_code(mdb_txn_begin(replica->env, NULL, MDB_RDONLY, &txn));

	if (r == 0)
		r = store_meta_read(replica, txn, &meta);
	if (r == 0)
		r = store_code(mdb_cursor_open(txn, replica->items, &items));
	if (r == 0)
		r = store_code(mdb_cursor_open(txn, replica->digests, &digests));
	if (r < 0)
		return why_set(ret_why, r, "the certificate store cannot be read: %s", err_text(r));
	for (;;) {
		r = store_code(mdb_cursor_get(items, &key, &value, MDB_NEXT));
		if (r == ERR_NOT_FOUND)
			break;
		if (r == 0)
			r = verify_item(&key, &value, digests, &sum, ret_why);
		if (r < 0)
			return r == ERR_NOT_FOUND ? ERR_STORE : r;
	}
	if (sum.count != meta.count || memcmp(sum.digest, meta.digest, STORE_DIGEST_SIZE) != 0)
		return why_set(ret_why, ERR_STORE, "the root digest is not that of the records");
	r = store_check_verify(replica, txn, ret_why);
	return r < 0 ? r : verify_unit(store, txn, ret_why);
}
