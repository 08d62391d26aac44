/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk may need seconds, and a slow one minutes, until what was written is durable. So what waits
 * for one, for the other end of a pipe, or for a key that is expensive on purpose is done by a
 * thread of its own, and the caller is answered when it is done, as if it had done it itself.
 * Meanwhile this thread serves what only reads: handshakes go on. Everybody else
 * waits, so that no handler meets a store that is being changed.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/monotime.h"
#include "certstore/keeper/keeper_state.h"

#define TICK_MS 250
/* A disk that has not written so many bytes by then is slow. */
#define LATE_MS 2000u
#define BYTES_PER_MS_EXPECTED 16384u
/* A disk that takes less than this is no slow one but one that hangs: who waits for it says no more
 * that he lives, and the supervisor ends him. */
#define PATIENCE_MS 30000u
#define BYTES_PER_MS_MIN 64u
#define PEERS_MAX 128
#define BREATHS 32u

/* One side gives, the other takes: WORK and what belongs to it is the thread's in between. */
struct keeper_thread {
	pthread_t thread;
	int go_fd, done_fd;
	store_work_fn work; /* NULL: end */
	void *userdata;
	int result;
};

static void give(int fd)
{
	static const uint64_t one = 1;

	/* What was given before was taken: an eventfd has room, and whatever went wrong with it
	 * goes well again. Nobody else would wake who waits. */
	while (write(fd, &one, sizeof(one)) < 0) {
	}
}

static void take(int fd)
{
	uint64_t n;

	while (read(fd, &n, sizeof(n)) < 0) {
	}
}

static void *run_thread(void *userdata)
{
	struct keeper_thread *thread = userdata;

	for (;;) {
		take(thread->go_fd);
		if (!thread->work)
			return NULL;
		thread->result = thread->work(thread->userdata);
		secret_registers_wipe();
		give(thread->done_fd);
	}
}

static void thread_free(struct keeper_thread *thread)
{
	if (thread->go_fd >= 0)
		(void)close(thread->go_fd);
	if (thread->done_fd >= 0)
		(void)close(thread->done_fd);
	free(thread);
}

/* When it is first needed: behind the walls, which a thread has from who makes it. */
static struct keeper_thread *thread_get(struct keeper *keeper)
{
	struct keeper_thread *thread = keeper->wait.thread;

	if (thread)
		return thread;
	thread = calloc(1, sizeof(*thread));
	if (!thread)
		return NULL;
	thread->go_fd = eventfd(0, EFD_CLOEXEC);
	thread->done_fd = eventfd(0, EFD_CLOEXEC);
	if (thread->go_fd < 0 || thread->done_fd < 0 ||
	    pthread_create(&thread->thread, NULL, run_thread, thread) != 0) {
		thread_free(thread);
		return NULL;
	}
	keeper->wait.thread = thread;
	return thread;
}

void keeper_wait_drop(struct keeper *keeper)
{
	struct keeper_thread *thread = TAKE_PTR(keeper->wait.thread);

	if (!thread)
		return;
	thread->work = NULL;
	give(thread->go_fd);
	(void)pthread_join(thread->thread, NULL);
	thread_free(thread);
}

static void serve_fronts(struct keeper *keeper)
{
	static const bool meanwhile[IPC_TYPE__MAX] = {[IPC_SIGN] = true, [IPC_CERTIFICATE] = true};
	struct keeper_peer *peer = keeper->peers;

	while (peer) {
		struct keeper_peer *next = peer->next;

		/* It may be gone behind this. */
		if (peer->kind == IPC_PEER_FRONT)
			ipc_channel_serve(peer->channel, meanwhile);
		peer = next;
	}
	secret_registers_wipe();
}

/* True: the work is done. */
static bool wait_a_tick(const struct keeper *keeper)
{
	struct pollfd sources[1 + PEERS_MAX] = {
		{.fd = keeper->wait.thread->done_fd, .events = POLLIN}};
	nfds_t n = 1;

	for (const struct keeper_peer *peer = keeper->peers; peer && n <= PEERS_MAX;
	     peer = peer->next) {
		if (peer->kind == IPC_PEER_FRONT)
			sources[n++] = (struct pollfd){.fd = ipc_channel_fd(peer->channel),
						       .events = POLLIN};
	}
	return poll(sources, n, TICK_MS) > 0 && sources[0].revents != 0;
}

static void say_alive(const struct keeper *keeper)
{
	if (keeper->wait.on_alive)
		keeper->wait.on_alive(keeper->wait.userdata);
}

/* WHAT empty: it waits no more. */
static void tell_engine(struct keeper *keeper, const char *what, uint64_t ms)
{
	Asafo__Ipc__Disk notice = ASAFO__IPC__DISK__INIT;

	notice.waits_for = (char *)(uintptr_t)what;
	notice.waited_ms = ms;
	for (struct keeper_peer *peer = keeper->peers; peer; peer = peer->next) {
		if (peer->kind == IPC_PEER_ENGINE)
			(void)ipc_channel_send(peer->channel, IPC_DISK, &notice.base, NULL, 0);
	}
}

static void be_late(struct keeper *keeper, const char *what, uint64_t ms)
{
	log_line(LOG_WARNING,
		 "the disk is slow: %s is waited for since %" PRIu64 " s; signatures go on, "
		 "everything else waits for it",
		 what, ms / 1000);
	tell_engine(keeper, what, ms);
}

static void wait_for_it(struct keeper *keeper, const char *what, uint64_t bytes)
{
	struct monotime now = monotime_now(), begun = now, beat = now;
	uint64_t patience_ms = PATIENCE_MS + bytes / BYTES_PER_MS_MIN, ms = 0;
	uint64_t late_ms = LATE_MS + bytes / BYTES_PER_MS_EXPECTED;
	bool is_late = false, is_given_up = false;

	while (!wait_a_tick(keeper)) {
		serve_fronts(keeper);
		now = monotime_now();
		ms = monotime_since(now, begun) / MONOTIME_NS_PER_MS;
		if (ms >= late_ms && !is_late) {
			be_late(keeper, what, ms);
			is_late = true;
		}
		if (ms >= patience_ms && !is_given_up) {
			log_line(LOG_CRIT,
				 "the disk hangs: %s (%" PRIu64 " bytes) is not durable after "
				 "%" PRIu64 " s; this process is given up: look at the disk, the "
				 "kernel's log may tell more",
				 what, bytes, ms / 1000);
			is_given_up = true;
		}
		if (!is_given_up && monotime_reached(now, monotime_add_ms(beat, TICK_MS))) {
			say_alive(keeper);
			beat = now;
		}
	}
	if (!is_late)
		return;
	log_line(LOG_NOTICE, "%s is durable, after %" PRIu64 " s", what, ms / 1000);
	tell_engine(keeper, "", ms);
}

int keeper_wait(struct keeper *keeper, const char *what, uint64_t bytes, store_work_fn work,
		void *work_userdata)
{
	struct keeper_thread *thread;

	if (keeper->wait.is_under_way)
		return ERR_BUSY;
	thread = thread_get(keeper);
	/* Without a thread it is done all the same; it is those who want a signature who wait. */
	if (!thread)
		return work(work_userdata);
	keeper->wait.is_under_way = true;
	/* So that whoever is served meanwhile is not kept by the same disk. */
	if (keeper->store)
		store_hold(keeper->store);
	thread->work = work;
	thread->userdata = work_userdata;
	give(thread->go_fd);
	wait_for_it(keeper, what, bytes);
	take(thread->done_fd);
	if (keeper->store)
		store_release(keeper->store);
	keeper->wait.is_under_way = false;
	return thread->result;
}

int keeper_store_run(store_work_fn work, void *work_userdata, uint64_t bytes, void *userdata)
{
	return keeper_wait(userdata, "a change of the certificate store", bytes, work,
			   work_userdata);
}

void keeper_breathe(struct keeper *keeper)
{
	if (++keeper->wait.n_steps % BREATHS != 0)
		return;
	serve_fronts(keeper);
	say_alive(keeper);
}
