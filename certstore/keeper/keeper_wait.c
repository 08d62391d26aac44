/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk may need seconds, and a slow one minutes, until what was written is durable. So what waits
 * for one, for the other end of a pipe, or for a key that is expensive on purpose is done by a
 * thread of its own, and the caller is answered when it is done, as if it had done it itself.
 * Meanwhile this thread serves what only reads: handshakes go on. Everybody else
 * waits, so that no handler meets a store that is being changed.
 */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/baton.h"
#include "base/err.h"
#include "base/log.h"
#include "base/monotime.h"
#include "certstore/keeper/keeper_state.h"
#include "certstore/keeper/patience.h"

#define TICK_MS 250
/* A disk that has not written so many bytes by then is slow. */
#define LATE_MS 2000u
#define BYTES_PER_MS_EXPECTED 16384u
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

/* Of the baton: who waits would wait for ever. */
static void must_wake(int code)
{
	if (code == 0)
		return;
	log_line(LOG_CRIT, "the keeper's threads cannot wake each other: %s; this process ends",
		 err_text(code));
	abort();
}

static void *run_thread(void *userdata)
{
	struct keeper_thread *thread = userdata;

	for (;;) {
		must_wake(baton_take(thread->go_fd));
		if (!thread->work)
			return NULL;
		thread->result = thread->work(thread->userdata);
		secret_registers_wipe();
		must_wake(baton_give(thread->done_fd));
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

	if (thread || keeper->wait.has_no_thread)
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
	must_wake(baton_give(thread->go_fd));
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

/* WHAT empty: it waits no more. False: an engine that is there could not be told. */
static bool tell_engine(struct keeper *keeper, const char *what, uint64_t ms)
{
	Asafo__Ipc__Disk notice = ASAFO__IPC__DISK__INIT;
	bool is_told = true;

	notice.waits_for = (char *)(uintptr_t)what;
	notice.waited_ms = ms;
	for (struct keeper_peer *peer = keeper->peers; peer; peer = peer->next) {
		if (peer->kind == IPC_PEER_ENGINE &&
		    ipc_channel_send(peer->channel, IPC_DISK, &notice.base, NULL, 0) < 0)
			is_told = false;
	}
	return is_told;
}

void keeper_wait_settle(struct keeper *keeper)
{
	if (keeper->wait.is_told && !keeper->wait.is_under_way && tell_engine(keeper, "", 0))
		keeper->wait.is_told = false;
}

struct waiting {
	enum keeper_wait_kind kind;
	const char *what;
	uint64_t bytes; /* of it */
	struct patience patience;
	bool is_late, is_given_up;
};

static void be_late(struct keeper *keeper, struct waiting *waiting)
{
	waiting->is_late = true;
	if (waiting->kind == KEEPER_WAIT_OTHER)
		return;
	log_line(LOG_WARNING,
		 "the disk is slow: %s is waited for since %" PRIu64 " s; signatures go on, "
		 "everything else waits for it",
		 waiting->what, waiting->patience.ms / 1000);
	keeper->wait.is_told = true;
	(void)tell_engine(keeper, waiting->what, waiting->patience.ms);
}

/* From here on it is not said that this process lives, and the supervisor ends it. */
static void give_up(struct waiting *waiting)
{
	waiting->is_given_up = true;
	if (waiting->kind == KEEPER_WAIT_OTHER)
		log_line(LOG_CRIT,
			 "%s is waited for since %" PRIu64
			 " s, and everything but signatures with it; this process is given up",
			 waiting->what, waiting->patience.ms / 1000);
	else
		log_line(LOG_CRIT,
			 "the disk hangs: %s (%" PRIu64 " bytes) is not durable after "
			 "%" PRIu64 " s; this process is given up: look at the disk, the "
			 "kernel's log may tell more",
			 waiting->what, waiting->bytes, waiting->patience.ms / 1000);
}

static void wait_for_it(struct keeper *keeper, struct waiting *waiting)
{
	struct monotime now = monotime_now(), beat = now;
	uint64_t late_ms = LATE_MS + waiting->bytes / BYTES_PER_MS_EXPECTED;
	bool is_over;

	patience_begin(&waiting->patience, now,
		       waiting->kind == KEEPER_WAIT_CHECK ? PATIENCE_ENDLESS
							  : patience_for(waiting->bytes));
	while (!wait_a_tick(keeper)) {
		serve_fronts(keeper);
		now = monotime_now();
		is_over = patience_turn(&waiting->patience, now, keeper_scrub_look_begun(keeper));
		if (waiting->patience.ms >= late_ms && !waiting->is_late)
			be_late(keeper, waiting);
		if (is_over && !waiting->is_given_up)
			give_up(waiting);
		if (!waiting->is_given_up &&
		    monotime_reached(now, monotime_add_ms(beat, TICK_MS))) {
			say_alive(keeper);
			beat = now;
		}
	}
	if (waiting->is_late && waiting->kind == KEEPER_WAIT_DISK)
		log_line(LOG_NOTICE, "%s is durable, after %" PRIu64 " s", waiting->what,
			 waiting->patience.ms / 1000);
}

int keeper_wait(struct keeper *keeper, enum keeper_wait_kind kind, const char *what, uint64_t bytes,
		store_work_fn work, void *work_userdata)
{
	struct waiting waiting = {.kind = kind, .what = what, .bytes = bytes};
	struct keeper_thread *thread;

	if (keeper->wait.is_under_way)
		return ERR_BUSY;
	thread = thread_get(keeper);
	/* Without a thread it is done all the same; it is those who want a signature who wait. From
	 * then on for good: a change that goes on (a stage) belongs to the thread that began it. */
	if (!thread) {
		keeper->wait.has_no_thread = true;
		return work(work_userdata);
	}
	keeper->wait.is_under_way = true;
	/* So that whoever is served meanwhile is not kept by the same disk. */
	if (keeper->store)
		store_hold(keeper->store);
	thread->work = work;
	thread->userdata = work_userdata;
	must_wake(baton_give(thread->go_fd));
	wait_for_it(keeper, &waiting);
	must_wake(baton_take(thread->done_fd));
	if (keeper->store)
		store_release(keeper->store);
	keeper->wait.is_under_way = false;
	keeper_wait_settle(keeper);
	return thread->result;
}

int keeper_store_run(store_work_fn work, void *work_userdata, uint64_t bytes, void *userdata)
{
	return keeper_wait(userdata, KEEPER_WAIT_DISK, "a change of the certificate store", bytes,
			   work, work_userdata);
}

void keeper_breathe(struct keeper *keeper)
{
	if (++keeper->wait.n_steps % BREATHS != 0)
		return;
	serve_fronts(keeper);
	say_alive(keeper);
}
