/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last transitions, as JSON (doc/control.md). With details the mate is asked for its own, and
 * both are put in one order by our clock: the mate's times less the difference of the clocks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/handlers.h"
#include "failover/methods/history_wait.h"
#include "failover/replication/replication.h"

#define ASK_TIMEOUT_MS 2000
#define TEXT_MAX 80

/* Who waits for the mate's rows. */
struct history_asked {
	struct history_asked *next;
	struct engine *engine;
	struct waiting *waiting;
	sd_event_source *timer;
	uint32_t id;
};

static const char *own_unit(const struct engine *engine)
{
	return engine->config->failover.unit == FO_UNIT_PRIMARY ? "primary" : "secondary";
}

static const char *mate_unit(const struct engine *engine)
{
	return engine->config->failover.unit == FO_UNIT_PRIMARY ? "secondary" : "primary";
}

static struct json_object *json_row(const char *unit, int64_t realtime_ns, uint64_t term)
{
	struct json_object *object = json_object_new_object();
	uint64_t ns = realtime_ns > 0 ? (uint64_t)realtime_ns : 0;

	json_add_thousandths(object, "at", ns / MONOTIME_NS_PER_MS);
	json_add_text(object, "unit", unit);
	json_add_number(object, "term", (int64_t)term);
	return object;
}

static void add_own(const struct engine *engine, struct json_object *rows)
{
	for (size_t i = 0; i < engine->history.n_rows; i++) {
		const struct history_row *row = history_get(&engine->history, i);
		struct json_object *object =
			json_row(own_unit(engine), (int64_t)row->realtime_ns, row->term);

		json_add_text(object, "from", fo_state_text(row->from));
		json_add_text(object, "to", fo_state_text(row->to));
		json_add_text(object, "reason", fo_reason_text(row->reason));
		(void)json_object_array_add(rows, object);
	}
}

/* The mate's words end up on terminals. */
static void add_words(struct json_object *object, const char *key, const char *words)
{
	char text[TEXT_MAX];
	size_t n = 0;

	for (; words[n] && n < sizeof(text) - 1; n++)
		text[n] = words[n] >= 0x20 && words[n] < 0x7f ? words[n] : '?';
	text[n] = '\0';
	json_add_text(object, key, text);
}

static void add_mates(const struct engine *engine, const Asafo__Wire__History *history,
		      struct json_object *rows)
{
	size_t first = history->n_rows > HISTORY_ROWS ? history->n_rows - HISTORY_ROWS : 0;

	for (size_t i = first; i < history->n_rows; i++) {
		const Asafo__Wire__HistoryRow *row = history->rows[i];
		uint64_t at = row->realtime_ns > INT64_MAX / 2 ? INT64_MAX / 2 : row->realtime_ns;
		struct json_object *object =
			json_row(mate_unit(engine), (int64_t)at - engine->clockwatch.clock.skew_ns,
				 row->term);

		add_words(object, "from", row->from);
		add_words(object, "to", row->to);
		add_words(object, "reason", row->reason);
		(void)json_object_array_add(rows, object);
	}
}

static double row_at(struct json_object *rows, size_t index)
{
	return json_object_get_double(
		json_object_object_get(json_object_array_get_idx(rows, index), "at"));
}

/* By time, and each unit's rows in the order in which they happened: its clock may have been set
 * between two of them. */
static struct json_object *merge(struct json_object *own, struct json_object *mates)
{
	struct json_object *all = json_object_new_array();
	size_t n_own = json_object_array_length(own), n_mates = json_object_array_length(mates);
	size_t i = 0, j = 0;

	while (i < n_own || j < n_mates) {
		bool is_own = j == n_mates || (i < n_own && row_at(own, i) <= row_at(mates, j));
		struct json_object *row = is_own ? json_object_array_get_idx(own, i++)
						 : json_object_array_get_idx(mates, j++);

		(void)json_object_array_add(all, json_object_get(row));
	}
	json_object_put(own);
	json_object_put(mates);
	return all;
}

static void asked_free(struct history_asked *asked)
{
	struct history_asked **at = &asked->engine->history_asked;

	while (*at != asked)
		at = &(*at)->next;
	*at = asked->next;
	sd_event_source_disable_unref(asked->timer);
	free(asked);
}

/* HISTORY is NULL where the mate's did not come; then WHY. */
static void answer(struct waiting *waiting, const Asafo__Wire__History *history, const char *why)
{
	struct engine *engine = waiting->engine;
	struct json_object *own = json_object_new_array(), *mates = json_object_new_array();
	struct json_object *mate = json_object_new_object();

	add_own(engine, own);
	if (history)
		add_mates(engine, history, mates);
	json_add_flag(mate, "answered", history != NULL);
	json_add_text(mate, "why", why);
	(void)json_object_object_add(mate, "clock", json_clock(engine));
	(void)json_object_object_add(waiting->result, "rows", merge(own, mates));
	(void)json_object_object_add(waiting->result, "mate", mate);
	(void)json_object_object_add(waiting->result, "clock", json_clock(engine));
	waiting_reply(waiting);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct history_asked *asked = userdata;
	struct waiting *waiting = asked->waiting;

	(void)source;
	(void)usec;
	asked_free(asked);
	answer(waiting, NULL, "the mate did not tell its history in time");
	return 0;
}

/* Why the mate is not asked at all; NULL: it is. */
static const char *refusal(const struct engine *engine)
{
	const struct link *link = engine->pair.link;

	if (!link || !link_is_up(link))
		return "the failover link is down";
	if (link_mate_version(link) < LINK_VERSION_HISTORY)
		return "the mate's release is older and does not tell its history";
	return NULL;
}

static int ask(struct waiting *waiting)
{
	struct engine *engine = waiting->engine;
	struct history_asked *asked = calloc(1, sizeof(*asked));
	Asafo__Wire__HistoryRequest request = ASAFO__WIRE__HISTORY_REQUEST__INIT;
	int r;

	if (!asked)
		return -ENOMEM;
	asked->engine = engine;
	asked->waiting = waiting;
	asked->id = request.id = ++engine->history_id;
	asked->next = engine->history_asked;
	engine->history_asked = asked;
	r = sd_event_add_time_relative(engine->event, &asked->timer, CLOCK_MONOTONIC,
				       ASK_TIMEOUT_MS * 1000, 0, on_timeout, asked);
	if (r >= 0)
		r = replication_post(engine->replication, ASAFO__WIRE__LINK__BODY_HISTORY_REQUEST,
				     &request);
	if (r < 0)
		asked_free(asked);
	return r < 0 ? r : 0;
}

void history_drop(struct engine *engine)
{
	while (engine->history_asked) {
		waiting_free(engine->history_asked->waiting);
		asked_free(engine->history_asked);
	}
}

static void take_history(struct engine *engine, const Asafo__Wire__History *history)
{
	struct history_asked *asked = engine->history_asked;
	struct waiting *waiting;

	while (asked && asked->id != history->id)
		asked = asked->next;
	if (!asked)
		return;
	waiting = asked->waiting;
	asked_free(asked);
	answer(waiting, history, "");
}

static void tell(struct engine *engine, uint32_t id)
{
	_cleanup_(buf_done) struct buf bytes = {0};
	Asafo__Wire__History *message;

	if (history_pack(&engine->history, id, &bytes) < 0)
		return;
	message = asafo__wire__history__unpack(NULL, bytes.size, bytes.data);
	if (!message)
		return;
	(void)replication_post(engine->replication, ASAFO__WIRE__LINK__BODY_HISTORY, message);
	asafo__wire__history__free_unpacked(message, NULL);
}

bool history_message(struct engine *engine, const Asafo__Wire__Link *message)
{
	if (message->body_case == ASAFO__WIRE__LINK__BODY_HISTORY_REQUEST)
		tell(engine, message->history_request->id);
	else if (message->body_case == ASAFO__WIRE__LINK__BODY_HISTORY)
		take_history(engine, message->history);
	else
		return false;
	return true;
}

void method_show_history(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	struct waiting *waiting = waiting_new(engine, call);
	struct json_object *rows;
	const char *why;
	int r;

	if (!waiting)
		return;
	if (parameter_flag(parameters, "details")) {
		why = refusal(engine);
		r = why ? 0 : ask(waiting);
		if (r < 0)
			why = err_text(r);
		if (why)
			answer(waiting, NULL, why);
		return;
	}
	rows = json_object_new_array();
	add_own(engine, rows);
	(void)json_object_object_add(waiting->result, "rows", rows);
	(void)json_object_object_add(waiting->result, "clock", json_clock(engine));
	waiting_reply(waiting);
}
