/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for the standby: an import in mode sync, a command, a flush before a planned
 * switchover. Each is answered once, by a replication that brought what it waits for, by the reason
 * why there will be none, or by its time limit. Whom to answer is settled before anybody is
 * answered: an answer may wait again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/err.h"
#include "failover/replication/replication_internal.h"

static void arm(struct replication *replication)
{
	struct monotime first = MONOTIME_NEVER;

	for (struct replication_waiter *waiter = replication->waiters; waiter;
	     waiter = waiter->next)
		first = monotime_min(first, waiter->deadline);
	(void)sd_event_source_set_time(replication->wait_timeout, first.ns / 1000);
	(void)sd_event_source_set_enabled(replication->wait_timeout,
					  replication->waiters ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

typedef bool (*is_due_fn)(const struct replication_waiter *waiter,
			  const struct replication_result *result);

/* Those that are due, in a list of their own. */
static struct replication_waiter *take(struct replication *replication,
				       const struct replication_result *result, is_due_fn is_due)
{
	struct replication_waiter **at = &replication->waiters, *due = NULL;

	while (*at) {
		struct replication_waiter *waiter = *at;

		if (!is_due(waiter, result)) {
			at = &waiter->next;
			continue;
		}
		*at = waiter->next;
		waiter->next = due;
		due = waiter;
	}
	arm(replication);
	return due;
}

static void answer_if(struct replication *replication, const struct replication_result *result,
		      is_due_fn is_due)
{
	struct replication_waiter *due = take(replication, result, is_due);

	while (due) {
		struct replication_waiter *waiter = due;

		due = waiter->next;
		waiter->on_done(result, true, waiter->userdata);
		free(waiter);
	}
}

static bool is_served(const struct replication_waiter *waiter,
		      const struct replication_result *result)
{
	return waiter->command == 0 &&
	       (result->code < 0 || result->term > waiter->term ||
		(result->term == waiter->term && result->seq >= waiter->seq));
}

static bool is_answered(const struct replication_waiter *waiter,
			const struct replication_result *result)
{
	return waiter->command != 0 && (result->command == 0 || waiter->command == result->command);
}

static bool is_overdue(const struct replication_waiter *waiter,
		       const struct replication_result *result)
{
	(void)result;
	return monotime_reached(monotime_now(), waiter->deadline);
}

void replication_answer_waiters(struct replication *replication,
				const struct replication_result *result)
{
	answer_if(replication, result, is_served);
}

void replication_answer_command(struct replication *replication, uint32_t id, int code,
				const char *why)
{
	struct replication_result result = {.code = code, .command = id};

	(void)why_set(&result.why, code, "%s", why);
	answer_if(replication, &result, is_answered);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct replication_waiter *due = take(userdata, NULL, is_overdue);

	(void)source;
	(void)usec;
	while (due) {
		struct replication_waiter *waiter = due;
		struct replication_result result = {.code = ERR_TIMEOUT};

		due = waiter->next;
		(void)why_set(&result.why, ERR_TIMEOUT,
			      "the standby did not answer within %" PRIu32 " ms", waiter->wait_ms);
		waiter->on_done(&result, true, waiter->userdata);
		free(waiter);
	}
	return 0;
}

int replication_waiters_new(struct replication *replication)
{
	int r = sd_event_add_time(replication->engine->event, &replication->wait_timeout,
				  CLOCK_MONOTONIC, 0, 0, on_timeout, replication);

	return r < 0 ? r : sd_event_source_set_enabled(replication->wait_timeout, SD_EVENT_OFF);
}

int replication_add_waiter(struct replication *replication, const struct replication_waiter *waiter)
{
	struct replication_waiter *copy = malloc(sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	*copy = *waiter;
	copy->next = replication->waiters;
	copy->deadline = monotime_add_ms(monotime_now(), waiter->wait_ms);
	replication->waiters = copy;
	arm(replication);
	return 0;
}

/* Starts a replication, or has one follow that which is under way. */
static int start(struct replication *replication, const char *reason, struct why *ret_why)
{
	struct sync_event again = replication_event(replication, SYNC_EVENT_PUSH);

	/* One that is under way without a link brings nothing soon. */
	if (replication->send.machine.state == SYNC_SEND_IDLE || !again.is_link_up)
		return replication_push(replication, reason, true, NULL, NULL, ret_why);
	replication_send_feed(replication, &again, NULL);
	return 0;
}

static void wait_for(struct replication *replication, const char *reason,
		     const struct replication_waiter *waiter)
{
	struct replication_result result = {0};

	result.code = start(replication, reason, &result.why);
	if (result.code == 0)
		result.code = replication_add_waiter(replication, waiter);
	if (result.code < 0)
		waiter->on_done(&result, true, waiter->userdata);
}

void replication_wait(struct replication *replication, const struct engine_position *position,
		      replication_progress_fn on_done, void *userdata)
{
	wait_for(replication, "import",
		 &(struct replication_waiter){.term = position->term,
					      .seq = position->seq,
					      .wait_ms = REPLICATION_WAIT_MS,
					      .on_done = on_done,
					      .userdata = userdata});
}

void replication_flush(struct engine *engine, uint32_t timeout_ms, replication_progress_fn on_done,
		       void *userdata)
{
	const struct engine_position *position = &engine->store.position;

	wait_for(engine->replication, "switchover",
		 &(struct replication_waiter){.term = position->term,
					      .seq = position->seq,
					      .wait_ms = timeout_ms,
					      .on_done = on_done,
					      .userdata = userdata});
}

bool replication_is_waited_for(const struct replication *replication)
{
	for (struct replication_waiter *waiter = replication->waiters; waiter;
	     waiter = waiter->next) {
		if (waiter->command == 0)
			return true;
	}
	return false;
}
