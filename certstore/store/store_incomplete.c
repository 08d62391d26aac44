/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store that was damaged and lost records (rescue.c) says so in its meta database, in the words
 * of the person who reads it, until a mate filled it or the operator goes on without them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/err.h"
#include "certstore/store/store_private.h"

#define INCOMPLETE_KEY "incomplete"

int store_incomplete_write(const struct store_replica *replica, MDB_txn *txn, const char *text)
{
	MDB_val key = store_val(INCOMPLETE_KEY, strlen(INCOMPLETE_KEY));
	MDB_val value = store_val(text, strlen(text));
	int r;

	if (value.mv_size == 0) {
		r = store_code(mdb_del(txn, replica->meta, &key, NULL));
		return r == ERR_NOT_FOUND ? 0 : r;
	}
	return store_code(mdb_put(txn, replica->meta, &key, &value, 0));
}

int store_incomplete_read(const struct store_replica *replica, MDB_txn *txn,
			  char ret_text[static STORE_INCOMPLETE_MAX])
{
	MDB_val key = store_val(INCOMPLETE_KEY, strlen(INCOMPLETE_KEY)), value;
	int r = store_code(mdb_get(txn, replica->meta, &key, &value));

	ret_text[0] = 0;
	if (r == 0)
		(void)snprintf(ret_text, STORE_INCOMPLETE_MAX, "%.*s", (int)value.mv_size,
			       (const char *)value.mv_data);
	return r == ERR_NOT_FOUND ? 0 : r;
}

const char *store_incomplete(const struct store *store)
{
	return store->replica.incomplete[0] ? store->replica.incomplete : NULL;
}

struct accept_work {
	struct store_replica *replica;
	uint64_t term, lineage;
};

static int run_accept(void *userdata)
{
	const struct accept_work *work = userdata;
	_cleanup_(apply_done) struct apply apply = {0};
	uint64_t term = work->term;
	int r = apply_begin(work->replica, &apply);

	if (r == 0 && term < apply.position.term)
		term = apply.position.term;
	if (r == 0)
		r = store_incomplete_write(work->replica, apply.txn, "");
	return r < 0 ? r : apply_commit(&apply, term, apply.position.seq + 1, work->lineage);
}

int store_accept(struct store *store, uint64_t term, struct why *ret_why)
{
	struct store_replica *replica = &store->replica;
	struct accept_work work = {replica, term, 0};
	int r;

	if (!replica->incomplete[0])
		return 0;
	while (work.lineage == 0) {
		if (getrandom(&work.lineage, sizeof(work.lineage), 0) < 0 && errno != EINTR)
			return -errno;
	}
	r = store_run(replica, run_accept, &work, 0);
	if (r < 0)
		return why_set(ret_why, r, "the certificate store could not be written (%s)",
			       err_text(r));
	replica->incomplete[0] = 0;
	return 0;
}
