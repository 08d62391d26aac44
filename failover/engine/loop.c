/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop: puts the engine together and works its queue off. Before any event is believed it
 * checks that it was scheduled: a unit that slept longer than its holdtime steps down first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/conflict.h"
#include "failover/engine/engine.h"
#include "failover/engine/health.h"
#include "failover/engine/hooks.h"
#include "failover/engine/pairing.h"
#include "failover/engine/report.h"
#include "failover/engine/schedule.h"
#include "failover/engine/switchover.h"
#include "failover/replication/replication.h"
#include "failover/vpn/hub.h"

/* Before every other source of the loop: see engine.h of path_set_drain and the lease's own timer.
 */
#define TIMER_PRIORITY (SD_EVENT_PRIORITY_IMPORTANT - 10)

/* What the mate's link loses, and another path brings, waits for this unit's poll where the link
 * wakes the loop up alone: so long at most. Above it little is saved by that. */
#define GATHER_MAX_MS 250u
#define HEAR_MAX 4u /* hellos may bring about what waits in its turn */

static void step(struct engine *engine, const struct fo_event *event)
{
	bool was_heard = engine->fsm.flags.is_mate_heard;
	struct fo_update update;

	fo_fsm_step(&engine->fsm, event, &update);
	report_mate(engine, was_heard);
	for (size_t i = 0; i < update.n_actions; i++)
		engine_act(engine, &update.actions[i]);
}

static void arm_timer(struct engine *engine)
{
	struct monotime deadline = fo_fsm_deadline(&engine->fsm);
	/* At least so often, so that a gap in alive_at means that we were not scheduled. */
	struct monotime alive = monotime_add_ms(engine->alive_at, schedule_turn_ms(engine));

	deadline = monotime_min(deadline, alive);
	(void)sd_event_source_set_time(engine->timer, deadline.ns / 1000 + 1);
	(void)sd_event_source_set_enabled(engine->timer, SD_EVENT_ONESHOT);
}

/* Feeds NOT_SCHEDULED where the loop did not turn for longer than this unit may be silent. */
static void check_schedule(struct engine *engine, struct monotime now)
{
	uint32_t fence_ms = fo_fsm_fence_ms(&engine->fsm);
	uint64_t gap_ns = monotime_since(now, engine->alive_at);

	engine->alive_at = now;
	if (!engine->is_started)
		return;
	schedule_missed(engine, gap_ns);
	if (gap_ns <= fence_ms * MONOTIME_NS_PER_MS) {
		/* Asleep for longer than a lease, but not for a holdtime: still ours, says the
		 * machine. */
		if (engine->addresses.is_claimed && vip_has_lapsed(engine->addresses.vip)) {
			log_line(LOG_WARNING,
				 "this unit did not run for longer than a lease, and its active "
				 "addresses ran out: they are set and announced again");
			engine_reclaim(engine);
		}
		return;
	}
	log_line(LOG_WARNING, "not scheduled for %llu ms (holdtime %u ms)",
		 (unsigned long long)(gap_ns / MONOTIME_NS_PER_MS), fence_ms);
	step(engine, &(struct fo_event){.type = FO_EVENT_NOT_SCHEDULED, .at = now});
}

/* Only when all actions of a step are done does the next one begin. */
static void run_queue(struct engine *engine)
{
	struct engine_queue *queue = &engine->queue;

	queue->is_running = true;
	check_schedule(engine, monotime_now());
	do {
		while (queue->n > 0) {
			struct fo_event next = queue->events[queue->head];

			queue->head = (queue->head + 1) % ENGINE_EVENTS_MAX;
			queue->n--;
			next.at = monotime_now();
			step(engine, &next);
		}
		engine_settle(engine);
	} while (queue->n > 0);
	queue->is_running = false;
	switchover_look(engine);
	arm_timer(engine);
}

/* What waits in the sockets was said before the timer ran out; and what was said while the kernel
 * kept this unit waiting, too, so that no silence is believed that is one's own. */
static void hear(struct engine *engine)
{
	for (unsigned n = 0; n < HEAR_MAX && engine->pair.paths; n++) {
		engine->heard_ns = rtnl_waited_ns(engine->addresses.rtnl);
		path_set_drain(engine->pair.paths);
		if (rtnl_waited_ns(engine->addresses.rtnl) == engine->heard_ns)
			return;
	}
}

static void poll(struct engine *engine)
{
	run_queue(engine);
	engine_store_retry(engine);
	if (!engine->is_started)
		return;
	hear(engine);
	if (engine->pair.paths) {
		path_set_check(engine->pair.paths, engine_hold_ms(engine));
		path_set_gather(engine->pair.paths,
				engine->fsm.params.poll_ms >= FO_TOGETHER_MIN_MS &&
					engine->fsm.params.poll_ms <= GATHER_MAX_MS);
	}
	engine_check_ways(engine);
	report_ways_tick(engine);
	engine_monitor_tick(engine);
	engine_addresses_tick(engine);
	lockwatch_tick(engine);
	if (rtnl_waited_ns(engine->addresses.rtnl) != engine->heard_ns)
		hear(engine);
	engine_feed_type(engine, FO_EVENT_TICK);
	certwatch_tick(engine);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	poll(userdata);
	return 0;
}

/* The mate's hello may have made this unit's own due at once (fo_fsm): the timer would only take
 * another turn of the loop for it. */
static void poll_if_due(struct engine *engine)
{
	if (engine->is_started && monotime_reached(monotime_now(), fo_fsm_deadline(&engine->fsm)))
		poll(engine);
}

int engine_new(sd_event *event, const struct child_options *options,
	       const struct engine_upper *upper, struct engine **ret_engine)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	int r;

	if (!engine)
		return -ENOMEM;
	engine->event = event;
	engine->options = *options;
	engine->upper = upper;
	engine->queue.work_off = run_queue;
	engine->queue.poll = poll_if_due;
	engine->rooms.control_fd = -1;
	engine->alive_at = engine->started_at = monotime_now();
	engine->active_since = MONOTIME_NEVER;
	fo_fsm_init(&engine->fsm);
	r = getrandom(&engine->pair.boot, sizeof(engine->pair.boot), 0) < 0 ? -errno : 0;
	if (r == 0)
		r = config_new(&engine->config);
	if (r == 0)
		r = replication_new(engine, &engine->replication);
	if (r == 0)
		r = vpnhub_new(engine, &engine->vpnhub);
	if (r == 0)
		r = pairing_new(engine, &engine->pairing);
	if (r == 0)
		r = hooks_new(engine, &engine->hooks);
	if (r == 0)
		r = engine_rekey_init(engine);
	if (r == 0)
		r = engine_resumption_start(engine);
	if (r == 0)
		r = engine_staples_start(engine);
	if (r == 0)
		r = engine_crls_start(engine);
	if (r == 0)
		r = ca_marks_start(engine);
	if (r == 0)
		r = engine_fetch_start(engine);
	if (r == 0)
		r = upper->start(engine);
	if (r == 0)
		r = engine_health_new(engine, &engine->health);
	if (r == 0)
		r = sd_event_add_time(event, &engine->timer, CLOCK_MONOTONIC, 0, 1, on_timer,
				      engine);
	if (r >= 0)
		r = engine_release_timer(engine);
	if (r >= 0)
		r = switchover_start(engine);
	if (r >= 0)
		r = sd_event_source_set_priority(engine->timer, TIMER_PRIORITY);
	if (r < 0) {
		engine_free(engine);
		return r;
	}
	arm_timer(engine);
	*ret_engine = engine;
	return 0;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	engine->is_exiting = true;
	engine->timer = sd_event_source_disable_unref(engine->timer);
	/* Calls to the keeper that wait are answered now, while whom they answer is there. */
	ipc_channel_free(TAKE_PTR(engine->rooms.keeper));
	engine->upper->stop(engine);
	hooks_free(engine->hooks);
	pairing_free(engine->pairing);
	replication_free(engine->replication);
	engine_rekey_done(engine);
	engine_resumption_stop(engine);
	engine_staples_stop(engine);
	engine_crls_stop(engine);
	ca_marks_stop(engine);
	engine_fetch_stop(engine);
	engine->upper->done(engine);
	history_keep_done(&engine->history_keep);
	usewatch_done(&engine->usewatch);
	engine_health_free(TAKE_PTR(engine->health)); /* a breath may come yet */
	control_server_free(engine->rooms.control);
	if (engine->rooms.control_fd >= 0)
		(void)close(engine->rooms.control_fd);
	link_free(TAKE_PTR(engine->pair.link)); /* whoever is freed below asks for it */
	/* Nor does a breath find them. */
	path_set_free(TAKE_PTR(engine->pair.paths));
	hello_codec_free(TAKE_PTR(engine->pair.codec));
	engine->addresses.released_late =
		sd_event_source_disable_unref(engine->addresses.released_late);
	engine->addresses.lower = sd_event_source_disable_unref(engine->addresses.lower);
	switchover_stop(engine);
	collision_stop(engine);
	vip_free(engine->addresses.vip);
	announcer_free(engine->addresses.announcer);
	linkmon_free(engine->addresses.linkmon);
	rtnl_free(engine->addresses.rtnl);
	for (size_t i = 0; i < ENGINE_FRONTS_MAX; i++)
		engine_front_drop(engine, i);
	vpnhub_free(engine->vpnhub);
	child_free(engine->rooms.child);
	config_free(engine->config);
	buf_done(&engine->startup_text);
	explicit_bzero(&engine->pair, sizeof(engine->pair));
	free(engine);
}
