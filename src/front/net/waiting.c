/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue for each address, in a plain list: only addresses whose handshakes are as many as they
 * may be have one, and of these there are no more than the front's connections divided by that.
 */
#include "front/net/waiting.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/monotime.h"

#define BEGINS_PER_TURN 32
#define TURN_MS 5 /* as of the listener: each may wait for a signature */
#define TICKS 4	  /* looks in the time that one may wait */

struct waiter {
	struct waiter *next, *previous;
	int fd;
	struct monotime until;
	char interface[SNAPSHOT_NAME_MAX];
};

struct queue {
	struct queue *next;
	struct source_key key;
	struct waiter *first, *last;
	unsigned count;
};

struct waiting {
	const struct waiting_limits *limits;
	struct sources *sources;
	waiting_begin_fn begin;
	void *userdata;
	struct queue *queues, **end; /* who began last is the last one */
	unsigned count;
	bool is_paused;
	sd_event_source *work, *tick;
};

static struct queue *queue_of(const struct waiting *waiting, const struct source_key *key)
{
	struct queue *queue = waiting->queues;

	while (queue && memcmp(&queue->key, key, sizeof(*key)) != 0)
		queue = queue->next;
	return queue;
}

static void queue_append(struct waiting *waiting, struct queue *queue)
{
	queue->next = NULL;
	*waiting->end = queue;
	waiting->end = &queue->next;
}

static void queue_cut(struct waiting *waiting, struct queue *queue)
{
	struct queue **at = &waiting->queues;

	while (*at != queue)
		at = &(*at)->next;
	*at = queue->next;
	if (!queue->next)
		waiting->end = at;
}

/* Its descriptor is the caller's. A queue that is empty stays. */
static struct waiter *waiter_cut(struct waiting *waiting, struct queue *queue,
				 struct waiter *waiter)
{
	if (waiter->previous)
		waiter->previous->next = waiter->next;
	else
		queue->first = waiter->next;
	if (waiter->next)
		waiter->next->previous = waiter->previous;
	else
		queue->last = waiter->previous;
	queue->count--;
	waiting->count--;
	return waiter;
}

static void waiter_refuse(struct waiting *waiting, struct queue *queue, struct waiter *waiter)
{
	(void)close(waiter_cut(waiting, queue, waiter)->fd);
	free(waiter);
	if (queue->count == 0) {
		queue_cut(waiting, queue);
		free(queue);
	}
}

static struct queue *longest(const struct waiting *waiting)
{
	struct queue *most = waiting->queues;

	for (struct queue *queue = most; queue; queue = queue->next) {
		if (queue->count > most->count)
			most = queue;
	}
	return most;
}

bool waiting_shed(struct waiting *waiting)
{
	struct queue *queue = longest(waiting);

	if (queue)
		waiter_refuse(waiting, queue, queue->last);
	return queue != NULL;
}

void waiting_clear(struct waiting *waiting)
{
	while (waiting_shed(waiting))
		;
}

bool waiting_has(const struct waiting *waiting, const struct source_key *source)
{
	return waiting->count > 0 && queue_of(waiting, source) != NULL;
}

/* There is a place for one more of this address, who may be its first (QUEUE is NULL then). */
static bool place_make(struct waiting *waiting, const struct queue *queue)
{
	const struct queue *most;

	if (waiting->count < waiting->limits->places)
		return true;
	most = longest(waiting);
	return most && most != queue && most->count > (queue ? queue->count : 0) + 1 &&
	       waiting_shed(waiting);
}

void waiting_add(struct waiting *waiting, const char *interface, int fd,
		 const struct source_key *source)
{
	struct queue *queue = queue_of(waiting, source);
	_cleanup_close_ int owned = fd;
	struct waiter *waiter;

	if (!place_make(waiting, queue))
		return;
	waiter = calloc(1, sizeof(*waiter));
	if (waiter && !queue) {
		queue = calloc(1, sizeof(*queue));
		if (queue) {
			queue->key = *source;
			queue_append(waiting, queue);
		}
	}
	if (!waiter || !queue) {
		free(waiter);
		return;
	}
	memcpy(waiter->interface, interface, strnlen(interface, sizeof(waiter->interface) - 1));
	waiter->fd = TAKE_FD(owned);
	waiter->until = monotime_add_ms(monotime_now(), waiting->limits->wait_ms);
	waiter->previous = queue->last;
	if (queue->last)
		queue->last->next = waiter;
	else
		queue->first = waiter;
	queue->last = waiter;
	queue->count++;
	if (waiting->count++ == 0) {
		(void)sd_event_source_set_time_relative(
			waiting->tick, (uint64_t)waiting->limits->wait_ms * 1000 / TICKS);
		(void)sd_event_source_set_enabled(waiting->tick, SD_EVENT_ONESHOT);
	}
}

void waiting_wake(struct waiting *waiting)
{
	if (waiting->count > 0)
		(void)sd_event_source_set_enabled(waiting->work, SD_EVENT_ONESHOT);
}

void waiting_pause(struct waiting *waiting, bool is_paused)
{
	waiting->is_paused = is_paused;
	if (!is_paused)
		waiting_wake(waiting);
}

/* The first of its queue begins, unless it has hung up meanwhile; its address is counted. */
static void begin(struct waiting *waiting, struct queue *queue)
{
	struct waiter *waiter = waiter_cut(waiting, queue, queue->first);
	struct source_key key = queue->key;
	/* Behind what it said: a hello is there, which a look for bytes would find. */
	struct pollfd pfd = {.fd = waiter->fd, .events = POLLRDHUP};
	bool is_gone = poll(&pfd, 1, 0) > 0;

	queue_cut(waiting, queue);
	if (queue->count > 0)
		queue_append(waiting, queue);
	else
		free(queue);
	if (is_gone) {
		(void)close(waiter->fd);
		sources_remove(waiting->sources, &key);
	} else {
		waiting->begin(waiter->interface, waiter->fd, &key, waiting->userdata);
	}
	free(waiter);
}

static bool begin_next(struct waiting *waiting)
{
	for (struct queue *queue = waiting->queues; queue; queue = queue->next) {
		if (sources_add(waiting->sources, &queue->key) == 0) {
			begin(waiting, queue);
			return true;
		}
	}
	return false;
}

static int on_work(sd_event_source *source, void *userdata)
{
	struct waiting *waiting = userdata;
	struct monotime end = monotime_add_ms(monotime_now(), TURN_MS);

	(void)source;
	for (unsigned i = 0; i < BEGINS_PER_TURN && !monotime_reached(monotime_now(), end); i++) {
		/* One that begins may have taken the last place. */
		if (waiting->is_paused || !begin_next(waiting))
			return 0;
	}
	waiting_wake(waiting);
	return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct waiting *waiting = userdata;
	struct monotime now = monotime_now();
	struct queue *next;

	(void)usec;
	for (struct queue *queue = waiting->queues; queue; queue = next) {
		next = queue->next;
		for (unsigned left = queue->count;
		     left > 0 && monotime_reached(now, queue->first->until); left--)
			waiter_refuse(waiting, queue, queue->first);
	}
	if (waiting->count == 0)
		return 0;
	(void)sd_event_source_set_time_relative(source,
						(uint64_t)waiting->limits->wait_ms * 1000 / TICKS);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int waiting_new(sd_event *event, const struct waiting_limits *limits, struct sources *sources,
		waiting_begin_fn begin_fn, void *userdata, struct waiting **ret_waiting)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));
	int r;

	if (!waiting)
		return -ENOMEM;
	*waiting = (struct waiting){
		.limits = limits, .sources = sources, .begin = begin_fn, .userdata = userdata};
	waiting->end = &waiting->queues;
	r = sd_event_add_defer(event, &waiting->work, on_work, waiting);
	if (r >= 0)
		r = sd_event_source_set_enabled(waiting->work, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &waiting->tick, CLOCK_MONOTONIC, 0, 0,
					       on_tick, waiting);
	if (r >= 0)
		r = sd_event_source_set_enabled(waiting->tick, SD_EVENT_OFF);
	if (r < 0) {
		waiting_free(waiting);
		return r;
	}
	*ret_waiting = waiting;
	return 0;
}

void waiting_free(struct waiting *waiting)
{
	if (!waiting)
		return;
	waiting_clear(waiting);
	waiting->work = sd_event_source_disable_unref(waiting->work);
	waiting->tick = sd_event_source_disable_unref(waiting->tick);
	free(waiting);
}
