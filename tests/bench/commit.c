/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commit --store DIR --to DIR: the yardstick of a bulk: the records of a store into an empty LMDB
 * environment, one transaction, durable. Prints the milliseconds. Beside it how long the store
 * takes to be looked through, and to be opened.
 */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/monotime.h"
#include "certstore/store/store.h"

struct target {
	MDB_txn *txn;
	MDB_dbi dbi;
	uint64_t bytes;
};

static void check(int r, const char *what)
{
	if (r == 0)
		return;
	(void)fprintf(stderr, "commit: %s: %s\n", what, mdb_strerror(r));
	exit(EXIT_FAILURE);
}

static double since_ms(struct monotime start)
{
	return (double)monotime_since(monotime_now(), start) / (double)MONOTIME_NS_PER_MS;
}

static int put(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct target *target = userdata;
	MDB_val k = {strlen(key), (void *)(uintptr_t)key}, v = {size, (void *)(uintptr_t)value};

	check(mdb_put(target->txn, target->dbi, &k, &v, MDB_APPEND), "put");
	target->bytes += size;
	return 0;
}

int main(int argc, char **argv)
{
	const char *from = NULL, *to = NULL;
	struct target target = {0};
	struct store *store = NULL;
	struct why why = {""};
	struct monotime start;
	double probe_ms, open_ms, commit_ms;
	MDB_env *env;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--store") == 0)
			from = argv[i + 1];
		else if (strcmp(argv[i], "--to") == 0)
			to = argv[i + 1];
	}
	if (!from || !to) {
		(void)fprintf(stderr, "usage: commit --store DIR --to DIR\n");
		return 2;
	}
	start = monotime_now();
	check(store_probe(from, &why) < 0 ? MDB_CORRUPTED : 0, why.text);
	probe_ms = since_ms(start);
	start = monotime_now();
	check(store_open(from, &store, &why) < 0 ? MDB_CORRUPTED : 0, why.text);
	open_ms = since_ms(start);
	(void)mkdir(to, 0700);
	check(mdb_env_create(&env), "environment");
	check(mdb_env_set_mapsize(env, (size_t)4 << 30), "map");
	check(mdb_env_open(env, to, 0, 0600), to);
	start = monotime_now();
	check(mdb_txn_begin(env, NULL, 0, &target.txn), "begin");
	check(mdb_dbi_open(target.txn, NULL, 0, &target.dbi), "database");
	check(store_each(store, "", put, &target) < 0 ? MDB_CORRUPTED : 0, "records");
	check(mdb_txn_commit(target.txn), "commit");
	commit_ms = since_ms(start);
	(void)printf("{\"bytes\": %llu, \"lmdb_commit_ms\": %.1f, \"store_look_ms\": %.1f, "
		     "\"store_open_ms\": %.1f}\n",
		     (unsigned long long)target.bytes, commit_ms, probe_ms, open_ms);
	mdb_env_close(env);
	store_close(store);
	return 0;
}
