/* SPDX-License-Identifier: Apache-2.0 */
/* What crossed between the units, and the difference of their clocks, as JSON (doc/control.md). */
#include <config.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/handlers.h"
#include "failover/replication/replication.h"

struct json_object *json_clock(const struct engine *engine)
{
	const struct fo_clock *clock = &engine->clockwatch.clock;
	const struct clockwatch *watch = &engine->clockwatch;
	struct json_object *object = json_object_new_object(), *names = json_object_new_array();

	json_add_text(object, "class", fo_clock_text(clock->class));
	json_add_number(object, "skew_ms", clock->skew_ns / (int64_t)MONOTIME_NS_PER_MS);
	json_add_thousandths(object, "uncertainty_ms", (uint64_t)clock->uncertainty_ns / 1000);
	/* Of a mate that is off nobody knows what became of its clock. */
	json_add_flag(object, "stale", !engine_hears_mate(engine));
	for (size_t i = 0; i < watch->n_misfits; i++)
		(void)json_object_array_add(names, json_object_new_string(watch->misfits[i].name));
	(void)json_object_object_add(object, "not_valid_on_both", names);
	return object;
}

static struct json_object *show_count(const char *name, const struct traffic_count *count)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "name", name);
	json_add_number(object, "xmit", (int64_t)count->sent);
	json_add_number(object, "xerr", (int64_t)count->send_errors);
	json_add_number(object, "rcv", (int64_t)count->received);
	json_add_number(object, "rerr", (int64_t)count->receive_errors);
	return object;
}

static struct json_object *show_queue(uint64_t current, uint64_t max, uint64_t total)
{
	struct json_object *object = json_object_new_object();

	json_add_number(object, "current", (int64_t)current);
	json_add_number(object, "max", (int64_t)max);
	json_add_number(object, "total", (int64_t)total);
	return object;
}

/* A link that was made anew counts from 0. */
static uint64_t bytes_sent(const struct engine *engine)
{
	uint64_t sent = engine->pair.link ? link_bytes_sent(engine->pair.link) : 0;
	uint64_t before = engine->traffic.bytes_uncounted;

	return sent > before ? sent - before : 0;
}

struct json_object *json_logical_update(const struct engine *engine)
{
	const struct traffic *traffic = &engine->traffic;
	struct json_object *object = json_object_new_object(), *rows = json_object_new_array();
	struct traffic_count all = {0};
	struct link *link = engine->pair.link;

	for (enum traffic_kind kind = 0; kind < TRAFFIC__MAX; kind++) {
		const struct traffic_count *count = &traffic->counts[kind];

		all.sent += count->sent;
		all.send_errors += count->send_errors;
		all.received += count->received;
		all.receive_errors += count->receive_errors;
	}
	(void)json_object_array_add(rows, show_count("General", &all));
	for (enum traffic_kind kind = 0; kind < TRAFFIC__MAX; kind++)
		(void)json_object_array_add(rows,
					    show_count(traffic_text(kind), &traffic->counts[kind]));
	(void)json_object_object_add(object, "objects", rows);
	/* A message is worked off when it comes. */
	(void)json_object_object_add(object, "receive_queue", show_queue(0, 0, all.received));
	(void)json_object_object_add(
		object, "transmit_queue_bytes",
		show_queue(link ? link_queued(link) : 0, traffic->queued_max, bytes_sent(engine)));
	return object;
}

void method_show_failover_statistics(struct control_call *call, struct json_object *parameters,
				     void *userdata)
{
	const struct engine *engine = userdata;
	struct json_object *result = json_object_new_object();
	size_t n = engine->pair.paths ? path_set_count(engine->pair.paths) : 0;
	uint64_t sent = 0, received = 0, errors = 0;

	(void)parameters;
	for (size_t i = 0; i < n; i++) {
		struct path_statistics statistics;

		path_set_statistics(engine->pair.paths, i, &statistics);
		sent += statistics.sent;
		received += statistics.received;
		errors += statistics.send_errors;
	}
	json_add_number(result, "tx", (int64_t)sent);
	json_add_number(result, "rx", (int64_t)received);
	json_add_number(result, "tx_errors", (int64_t)errors);
	(void)json_object_object_add(result, "paths", json_paths(engine));
	(void)json_object_object_add(result, "clock", json_clock(engine));
	(void)json_object_object_add(result, "logical_update", json_logical_update(engine));
	control_call_reply(call, result);
}
