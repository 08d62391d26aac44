/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever is decided is decided in the caller's thread; this one only makes the system calls. One
 * thing at a time, and in the order in which they were given: who changes addresses has waited for
 * the renewal before it, so that a lease that was given back is never renewed behind that.
 */
#include "failover/rtnl.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <syslog.h>
#include <unistd.h>

#include "base/baton.h"
#include "base/err.h"
#include "base/log.h"
#include "base/monotime.h"

#define BREATH_MS 1 /* half of the shortest polltime */
/* Locked in memory, as all of this process is: no more than the buffers of answers need. */
#define STACK_SIZE (256u * 1024)

/* One side gives, the other takes: WORK and what belongs to it is the thread's in between. */
struct rtnl {
	pthread_t thread;
	struct sched_param parameter;
	int policy;
	int go_fd, done_fd;
	rtnl_work_fn work; /* NULL: end */
	void *work_userdata;
	int result;
	bool has_thread, is_busy, is_waiting; /* the caller's */
	struct monotime begun;		      /* ... what it is busy with */
	uint64_t waited_ns;
	_Atomic uint64_t alive_ns; /* both sides': the caller ran then, of the monotonic clock */
	void (*on_breath)(void *userdata);
	void *userdata;
};

/* A thread begins without the urgency of its maker (SCHED_RESET_ON_FORK). A little less than that
 * has a hello go first where both want the same processor. Best effort, as there. */
static void become_urgent(const struct rtnl *rtnl)
{
	struct sched_param parameter = rtnl->parameter;

	if (parameter.sched_priority > 1)
		parameter.sched_priority--;
	if (rtnl->policy >= 0)
		(void)sched_setscheduler(0, rtnl->policy, &parameter);
}

/* Of the baton: who waits would wait for ever. */
static void must_wake(int code)
{
	if (code == 0)
		return;
	log_line(LOG_CRIT,
		 "the engine's threads cannot wake each other: %s; this process ends, and is "
		 "started anew",
		 err_text(code));
	abort();
}

static void *run(void *userdata)
{
	struct rtnl *rtnl = userdata;

	become_urgent(rtnl);
	for (;;) {
		must_wake(baton_take(rtnl->go_fd));
		if (!rtnl->work)
			return NULL;
		rtnl->result = rtnl->work(rtnl->work_userdata);
		must_wake(baton_give(rtnl->done_fd));
	}
}

int rtnl_new(void (*on_breath)(void *userdata), void *userdata, struct rtnl **ret_rtnl)
{
	struct rtnl *rtnl = calloc(1, sizeof(*rtnl));

	if (!rtnl)
		return -ENOMEM;
	rtnl->go_fd = rtnl->done_fd = -1;
	rtnl->on_breath = on_breath;
	rtnl->userdata = userdata;
	*ret_rtnl = rtnl;
	return 0;
}

int rtnl_start(struct rtnl *rtnl)
{
	pthread_attr_t attributes;
	int r;

	rtnl->go_fd = eventfd(0, EFD_CLOEXEC);
	rtnl->done_fd = eventfd(0, EFD_CLOEXEC);
	if (rtnl->go_fd < 0 || rtnl->done_fd < 0)
		return -errno;
	rtnl->policy = sched_getscheduler(0);
	(void)sched_getparam(0, &rtnl->parameter);
	r = -pthread_attr_init(&attributes);
	if (r < 0)
		return r;
	r = -pthread_attr_setstacksize(&attributes, STACK_SIZE);
	if (r == 0)
		r = -pthread_create(&rtnl->thread, &attributes, run, rtnl);
	(void)pthread_attr_destroy(&attributes);
	rtnl->has_thread = r == 0;
	return r;
}

/* False: not done within MS. */
static bool is_done(struct rtnl *rtnl, int ms)
{
	struct pollfd done = {.fd = rtnl->done_fd, .events = POLLIN};

	if (poll(&done, 1, ms) <= 0)
		return false;
	must_wake(baton_take(rtnl->done_fd));
	rtnl->is_busy = false;
	return true;
}

bool rtnl_is_busy(struct rtnl *rtnl)
{
	/* Who waits is told that it is done, and not whoever asks in a breath. */
	return rtnl && rtnl->is_busy && (rtnl->is_waiting || !is_done(rtnl, 0));
}

/* ---- whether it was stopped ---- */

static bool was_stopped(struct monotime now, struct monotime before)
{
	return monotime_since(now, before) > RTNL_STOP_MS * MONOTIME_NS_PER_MS;
}

static struct monotime alive_at(const struct rtnl *rtnl)
{
	return (struct monotime){atomic_load(&rtnl->alive_ns)};
}

void rtnl_say_alive(struct rtnl *rtnl)
{
	struct monotime now = monotime_now();

	if (rtnl && !was_stopped(now, alive_at(rtnl)))
		atomic_store(&rtnl->alive_ns, now.ns);
}

bool rtnl_is_wanted(const struct rtnl *rtnl)
{
	return !rtnl || !rtnl->has_thread || !was_stopped(monotime_now(), alive_at(rtnl));
}

/* The time from BEFORE on was waited for. Returns when that is. */
static struct monotime count_wait(struct rtnl *rtnl, struct monotime before)
{
	struct monotime now = monotime_now();

	if (!was_stopped(now, before))
		rtnl->waited_ns += monotime_since(now, before);
	rtnl_say_alive(rtnl);
	return now;
}

uint64_t rtnl_waited_ns(const struct rtnl *rtnl)
{
	return rtnl ? rtnl->waited_ns : 0;
}

uint64_t rtnl_busy_ns(struct rtnl *rtnl)
{
	return rtnl && rtnl->is_busy ? monotime_since(monotime_now(), rtnl->begun) : 0;
}

/* ---- waiting ---- */

void rtnl_wait(struct rtnl *rtnl)
{
	struct monotime before;

	if (!rtnl || !rtnl->is_busy)
		return;
	assert(!rtnl->is_waiting);
	rtnl->is_waiting = true;
	before = monotime_now();
	rtnl_say_alive(rtnl);
	while (!is_done(rtnl, BREATH_MS)) {
		rtnl->on_breath(rtnl->userdata);
		before = count_wait(rtnl, before);
	}
	(void)count_wait(rtnl, before);
	rtnl->is_waiting = false;
}

int rtnl_fd(const struct rtnl *rtnl)
{
	return rtnl->done_fd;
}

bool rtnl_begin(struct rtnl *rtnl, rtnl_work_fn work, void *userdata)
{
	if (!rtnl || !rtnl->has_thread) {
		(void)work(userdata);
		return true;
	}
	rtnl_wait(rtnl);
	rtnl->work = work;
	rtnl->work_userdata = userdata;
	rtnl->is_busy = true;
	rtnl->begun = monotime_now();
	atomic_store(&rtnl->alive_ns, rtnl->begun.ns);
	must_wake(baton_give(rtnl->go_fd));
	return false;
}

int rtnl_do(struct rtnl *rtnl, rtnl_work_fn work, void *userdata)
{
	if (!rtnl || !rtnl->has_thread)
		return work(userdata);
	(void)rtnl_begin(rtnl, work, userdata);
	rtnl_wait(rtnl);
	return rtnl->result;
}

void rtnl_free(struct rtnl *rtnl)
{
	if (!rtnl)
		return;
	if (rtnl->has_thread) {
		rtnl_wait(rtnl);
		rtnl->work = NULL;
		must_wake(baton_give(rtnl->go_fd));
		(void)pthread_join(rtnl->thread, NULL);
	}
	if (rtnl->go_fd >= 0)
		(void)close(rtnl->go_fd);
	if (rtnl->done_fd >= 0)
		(void)close(rtnl->done_fd);
	free(rtnl);
}
