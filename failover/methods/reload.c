/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mate is asked over the failover link to begin anew, which it does only where it is not
 * active. That it did is seen from its hellos: another boot, then Standby Ready with what this unit
 * has. Before that it is asked what it would lose: lines of its own that are in no file, since all
 * others it gets from this unit. An older release does not know that question, and goes at once.
 */
#include "failover/methods/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "control/message.h"
#include "failover/methods/exec.h"
#include "failover/methods/handlers.h"

#define UNSAVED_NAMED 3 /* lines; the rest is counted */

struct reload {
	struct engine *engine;
	struct control_call *call; /* one at a time */
	uint64_t boot;		   /* of the mate, before */
	struct monotime since;
	sd_event_source *timeout;
	bool is_checking;   /* asked what it would lose */
	struct why unsaved; /* a sentence; empty: nothing */
};

static void fail(struct reload *reload, int code, const char *why)
{
	(void)sd_event_source_set_enabled(reload->timeout, SD_EVENT_OFF);
	if (reload->call)
		control_call_fail(TAKE_PTR(reload->call), code, why);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct reload *reload = userdata;
	struct why why;

	(void)source;
	(void)usec;
	(void)why_set(
		&why, ERR_TIMEOUT, "the standby %s, but is not Standby Ready after %d s (%s): %s",
		reload->engine->mate.boot != reload->boot ? "began anew" : "was told to begin anew",
		RELOAD_TIMEOUT_MS / 1000,
		engine_hears_mate(reload->engine) ? fo_state_text(reload->engine->mate.view.state)
						  : "not heard",
		reload->unsaved.text[0] ? reload->unsaved.text : "see `asafo show failover` there");
	fail(reload, ERR_TIMEOUT, why.text);
	return 0;
}

void reload_on_hello(struct reload *reload)
{
	const struct engine_mate *mate = &reload->engine->mate;
	struct json_object *result, *warnings;
	uint64_t ns;

	if (!reload->call || mate->boot == reload->boot ||
	    mate->view.state != FO_STATE_STANDBY_READY ||
	    !engine_position_equal(&mate->position, &reload->engine->store.position))
		return;
	(void)sd_event_source_set_enabled(reload->timeout, SD_EVENT_OFF);
	ns = monotime_since(monotime_now(), reload->since);
	result = json_object_new_object();
	json_add_text(result, "state", fo_state_text(mate->view.state));
	json_add_text(result, "software", mate->software);
	json_add_number(result, "ms", (int64_t)(ns / MONOTIME_NS_PER_MS));
	warnings = json_object_new_array();
	if (reload->unsaved.text[0])
		(void)json_object_array_add(warnings, json_object_new_string(reload->unsaved.text));
	(void)json_object_object_add(result, "warnings", warnings);
	control_call_reply(TAKE_PTR(reload->call), result);
}

static void on_answer(const char *text, size_t size, void *userdata);

/* Asks the mate to go, or what it would lose. */
static int ask(struct engine *engine, bool is_checking, struct why *ret_why)
{
	struct json_object *parameters = json_object_new_object();
	int r;

	json_add_flag(parameters, "check", is_checking);
	engine->reload->is_checking = is_checking;
	r = exec_ask_with(engine->exec, "asafo.Reload", parameters,
			  control_call_peer(engine->reload->call), on_answer, engine, ret_why);
	json_object_put(parameters);
	return r;
}

/* What is said now may be of use before it is lost. */
static void tell_unsaved(struct reload *reload, struct json_object *lines)
{
	struct json_object *progress;
	struct why why;
	size_t n = json_object_array_length(lines);

	if (n == 0)
		return;
	(void)why_set(&why, 0, "\"%.90s\"",
		      json_object_get_string(json_object_array_get_idx(lines, 0)));
	for (size_t i = 1; i < n && i < UNSAVED_NAMED; i++) {
		struct why before = why;

		(void)why_set(&why, 0, "%s, \"%.90s\"", before.text,
			      json_object_get_string(json_object_array_get_idx(lines, i)));
	}
	(void)why_set(&reload->unsaved, 0,
		      "the standby comes back without %zu line%s of its own that %s not saved "
		      "(`asafo write memory` there): %.330s",
		      n, n == 1 ? "" : "s", n == 1 ? "was" : "were", why.text);
	log_line(LOG_WARNING, "%s", reload->unsaved.text);
	progress = json_object_new_object();
	json_add_text(progress, "warning", reload->unsaved.text);
	control_call_progress(reload->call, progress);
}

/* The answer to the question: goes on with the order. */
static void take_check(struct engine *engine, const char *text, size_t size)
{
	struct control_reply reply = {0};
	struct json_object *lines;
	struct why why = {0};
	int r = control_reply_parse(text, size, &reply, &why);

	if (r == 0 && json_object_object_get_ex(reply.parameters, "unsaved", &lines) &&
	    json_object_is_type(lines, json_type_array)) {
		tell_unsaved(engine->reload, lines);
		r = ask(engine, false, &why);
	}
	control_reply_done(&reply);
	if (r < 0)
		fail(engine->reload, r, why.text[0] ? why.text : err_text(r));
}

/* The mate's answer to Reload: it goes, or says why not. */
static void on_answer(const char *text, size_t size, void *userdata)
{
	struct engine *engine = userdata;
	struct why why = {0};
	int r = exec_answer_error(text, size, &why);

	/* Its link may end before its answer is through. */
	if (engine->reload && r < 0 && r != ERR_NO_MATE)
		fail(engine->reload, r, why.text);
	else if (r == 0 && engine->reload && engine->reload->call && engine->reload->is_checking)
		take_check(engine, text, size);
}

void method_reload_standby(struct control_call *call, struct json_object *parameters,
			   void *userdata)
{
	struct engine *engine = userdata;
	struct reload *reload = engine->reload;
	struct why why = {0};
	int r = 0;

	(void)parameters;
	if (!require_active(engine, call))
		return;
	if (reload->call)
		r = why_set(&why, ERR_BUSY, "the standby is being reloaded already");
	else if (!engine_hears_mate(engine))
		r = why_set(&why, ERR_NO_MATE, "the mate is not heard: see `asafo show failover`");
	if (r == 0) {
		reload->boot = engine->mate.boot;
		reload->since = monotime_now();
		reload->unsaved.text[0] = '\0';
		reload->call = call;
		r = ask(engine, true, &why);
		reload->call = r < 0 ? NULL : call;
	}
	if (r < 0) {
		control_call_fail(call, r, why.text[0] ? why.text : err_text(r));
		return;
	}
	log_line(LOG_NOTICE, "failover reload-standby by %s", control_call_peer(call));
	(void)sd_event_source_set_time(reload->timeout,
				       monotime_add_ms(reload->since, RELOAD_TIMEOUT_MS).ns / 1000);
	(void)sd_event_source_set_enabled(reload->timeout, SD_EVENT_ONESHOT);
}

static bool has_line(struct buf *text, const char *line, size_t length)
{
	const char *at = buf_text(text);

	while (at && *at) {
		size_t n = strcspn(at, "\n");

		if (n == length && memcmp(at, line, n) == 0)
			return true;
		at += n + (at[n] == '\n');
	}
	return false;
}

/* Lines of this unit alone that are not in its startup-config; each stands for itself. */
static struct json_object *unsaved_lines(struct engine *engine)
{
	_cleanup_(buf_done) struct buf all = {0}, shared = {0};
	struct json_object *lines = json_object_new_array();
	const char *at;

	if (config_render(engine->config, CONFIG_PART_ALL, &all) < 0 ||
	    config_render(engine->config, CONFIG_PART_REPLICATED, &shared) < 0)
		return lines;
	for (at = buf_text(&all); at && *at;) {
		size_t n = strcspn(at, "\n");

		if (!has_line(&shared, at, n) && !has_line(&engine->startup_text, at, n))
			(void)json_object_array_add(lines, json_object_new_string_len(at, (int)n));
		at += n + (at[n] == '\n');
	}
	return lines;
}

void method_reload(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	struct json_object *result;

	if (engine_is_active(engine)) {
		control_call_fail(
			call, ERR_DENIED,
			"this unit is active: hand over first (`asafo failover standby`)");
		return;
	}
	if (parameter_flag(parameters, "check")) {
		result = json_object_new_object();
		(void)json_object_object_add(result, "unsaved", unsaved_lines(engine));
		control_call_reply(call, result);
		return;
	}
	log_line(LOG_NOTICE, "begins anew: failover reload-standby by %s", control_call_peer(call));
	control_call_reply(call, NULL);
	child_reload_service(engine->rooms.child);
}

int reload_new(struct engine *engine, struct reload **ret_reload)
{
	struct reload *reload = calloc(1, sizeof(*reload));
	int r;

	if (!reload)
		return -ENOMEM;
	reload->engine = engine;
	r = sd_event_add_time(engine->event, &reload->timeout, CLOCK_MONOTONIC, 0, 0, on_timeout,
			      reload);
	if (r < 0) {
		free(reload);
		return r;
	}
	(void)sd_event_source_set_enabled(reload->timeout, SD_EVENT_OFF);
	*ret_reload = reload;
	return 0;
}

void reload_free(struct reload *reload)
{
	if (!reload)
		return;
	fail(reload, ERR_CLOSED, "this unit stops");
	reload->timeout = sd_event_source_disable_unref(reload->timeout);
	free(reload);
}
