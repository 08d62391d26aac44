/* SPDX-License-Identifier: Apache-2.0 */
/* Is the store what it says it is? In a child for what may kill its reader, or in full with every
 * digest. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/io.h"
#include "certstore/store/digest.h"
#include "certstore/store/store_private.h"

#define CHILD_CPU_SECONDS 120
#define SHARES_MAX 4
#define RUN_ITEMS 64
/* Fewer are done before a thread is. */
#define SHARED_ITEMS_MIN 1024

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

/*
 * Nearly all of the time goes into the digests: several threads take turns at runs of items. Each
 * has its own view of the same state, which is begun before any of them is.
 */
struct share {
	const struct store_replica *replica;
	MDB_txn *txn;
	unsigned index, n;
	bool has_thread;
	pthread_t thread;
	uint64_t at; /* the number of the item it is at */
	struct store_position sum;
	struct why why;
	int result;
};

static int next_of_others(MDB_cursor *digests)
{
	MDB_val key, value;

	return store_code(mdb_cursor_get(digests, &key, &value, MDB_NEXT));
}

static int verify_share(struct share *share)
{
	_cleanup_cursor_ MDB_cursor *items = NULL, *digests = NULL;
	MDB_val key, value;
	int r = store_code(mdb_cursor_open(share->txn, share->replica->items, &items));

	if (r == 0)
		r = store_code(mdb_cursor_open(share->txn, share->replica->digests, &digests));
	if (r < 0)
		return why_set(&share->why, r, "the certificate store cannot be read: %s",
			       err_text(r));
	for (; r == 0; share->at++) {
		r = store_code(mdb_cursor_get(items, &key, &value, MDB_NEXT));
		if (r == ERR_NOT_FOUND)
			return 0;
		if (r == 0 && share->at / RUN_ITEMS % share->n != share->index)
			r = next_of_others(digests);
		else if (r == 0)
			r = verify_item(&key, &value, digests, &share->sum, &share->why);
	}
	return r == ERR_NOT_FOUND ? ERR_STORE : r;
}

static void *run_share(void *userdata)
{
	struct share *share = userdata;

	share->result = verify_share(share);
	return NULL;
}

static unsigned count_shares(uint64_t n_items)
{
	cpu_set_t cpus;
	int n = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;

	if (n_items < SHARED_ITEMS_MIN || n < 1)
		return 1;
	return n < SHARES_MAX ? (unsigned)n : SHARES_MAX;
}

/* What is wrong with the first item that is. */
static int sum_up(const struct share *shares, unsigned n, struct store_position *sum,
		  struct why *ret_why)
{
	const struct share *first = NULL;

	for (unsigned i = 0; i < n; i++) {
		digest_add(sum->digest, shares[i].sum.digest);
		sum->count += shares[i].sum.count;
		if (shares[i].result < 0 && (!first || shares[i].at < first->at))
			first = &shares[i];
	}
	if (!first)
		return 0;
	return first->why.text[0] ? why_set(ret_why, first->result, "%s", first->why.text)
				  : first->result;
}

static int verify_items(const struct store_replica *replica, uint64_t n_items,
			struct store_position *sum, struct why *ret_why)
{
	struct share shares[SHARES_MAX] = {0};
	unsigned n = count_shares(n_items), n_begun = 0;
	int r = 0;

	for (; r == 0 && n_begun < n; n_begun++) {
		shares[n_begun] = (struct share){.replica = replica, .index = n_begun, .n = n};
		r = store_code(mdb_txn_begin(replica->env, NULL, MDB_RDONLY, &shares[n_begun].txn));
	}
	/* The caller's own thread has the first share, and that of any that cannot be. */
	for (unsigned i = 1; r == 0 && i < n; i++)
		shares[i].has_thread =
			pthread_create(&shares[i].thread, NULL, run_share, &shares[i]) == 0;
	for (unsigned i = 0; r == 0 && i < n; i++) {
		if (!shares[i].has_thread)
			(void)run_share(&shares[i]);
	}
	for (unsigned i = 1; i < n; i++) {
		if (shares[i].has_thread)
			(void)pthread_join(shares[i].thread, NULL);
	}
	for (unsigned i = 0; i < n_begun; i++)
		store_txn_abort_p(&shares[i].txn);
	if (r < 0)
		return why_set(ret_why, r, "the certificate store cannot be read: %s", err_text(r));
	return sum_up(shares, n, sum, ret_why);
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
	const struct store_replica *replica = store_replica(store);
	struct store_position sum = {0}, meta;
	int r = store_code(mdb_txn_begin(replica->env, NULL, MDB_RDONLY, &txn));

	if (r == 0)
		r = store_meta_read(replica, txn, &meta);
	if (r < 0)
		return why_set(ret_why, r, "the certificate store cannot be read: %s", err_text(r));
	r = verify_items(replica, meta.count, &sum, ret_why);
	if (r < 0)
		return r;
	if (sum.count != meta.count || memcmp(sum.digest, meta.digest, STORE_DIGEST_SIZE) != 0)
		return why_set(ret_why, ERR_STORE, "the root digest is not that of the records");
	r = store_check_verify(replica, txn, ret_why);
	return r < 0 ? r : verify_unit(store, txn, ret_why);
}
