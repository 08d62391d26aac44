/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LMDB hands all pages of a transaction to the system when it commits, and asks for them to be
 * durable behind the last one. Of a large one the disk is to have the first while the last are
 * still being handed over, so a thread beside asks for that meanwhile. What it asks for waits for
 * no disk, promises nothing, and takes no error away (sync_file_range(2), WRITE alone): that
 * everything is durable, or what failed, LMDB hears as ever.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "certstore/store/store_private.h"

#define EACH_MS 2

struct ahead {
	pthread_t thread;
	int fd, stop_fd;
};

static void *run(void *userdata)
{
	const struct ahead *ahead = userdata;
	struct pollfd stop = {.fd = ahead->stop_fd, .events = POLLIN};

	while (poll(&stop, 1, EACH_MS) == 0)
		(void)sync_file_range(ahead->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return NULL;
}

static bool begin(struct ahead *ahead, MDB_env *env)
{
	if (mdb_env_get_fd(env, &ahead->fd) != 0)
		return false;
	ahead->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (ahead->stop_fd < 0)
		return false;
	if (pthread_create(&ahead->thread, NULL, run, ahead) == 0)
		return true;
	(void)close(ahead->stop_fd);
	return false;
}

static void end(const struct ahead *ahead)
{
	(void)eventfd_write(ahead->stop_fd, 1);
	(void)pthread_join(ahead->thread, NULL);
	(void)close(ahead->stop_fd);
}

int store_commit_ahead(const struct store_replica *replica, MDB_txn *txn)
{
	struct ahead ahead;
	/* Without it the commit only takes longer. */
	bool is_ahead = begin(&ahead, replica->env);
	int r = mdb_txn_commit(txn);

	if (is_ahead)
		end(&ahead);
	return r;
}
