/* SPDX-License-Identifier: Apache-2.0 */
/* Methods that change the running-config, and `write standby` / `write memory`. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/methods/handlers.h"
#include "failover/methods/kinds.h"
#include "failover/replication/replication.h"

static int replicated_text(const struct config *config, struct buf *text)
{
	return config_render(config, CONFIG_PART_REPLICATED, text);
}

static bool same_bytes(const struct buf *a, const struct buf *b)
{
	return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

static bool is_one_line(const char *text)
{
	size_t length = strcspn(text, "\n");

	return text[length] == '\0' || text[length + 1] == '\0';
}

/* Applies TEXT to a copy. *RET_IS_SHARED: what the pair shares would change. */
static int edit(const struct engine *engine, const char *text, struct config **ret_config,
		bool *ret_is_shared, struct why *ret_why)
{
	struct config *copy = NULL;
	struct config_error error = {0};
	_cleanup_(buf_done) struct buf before = {0}, after = {0};
	int r = config_copy(engine->config, &copy);

	if (r == 0)
		r = config_apply_typed(copy, "configure", text, strlen(text), &error);
	/* Of a line alone the quote says where, and who typed `bind` knows of no line. */
	if (r < 0 && is_one_line(text))
		(void)why_set(ret_why, r, "%s", error.why.text[0] ? error.why.text : err_text(r));
	else if (r < 0)
		(void)why_set(ret_why, r, "line %u, column %u: %s", error.line, error.column,
			      error.why.text[0] ? error.why.text : err_text(r));
	else
		r = config_check(copy, ret_why);
	if (r == 0)
		r = replicated_text(engine->config, &before);
	if (r == 0)
		r = replicated_text(copy, &after);
	if (r < 0) {
		config_free(copy);
		return r;
	}
	*ret_is_shared = !same_bytes(&before, &after);
	*ret_config = copy;
	return 0;
}

/* A unit's addresses on its links, its terms and its keys follow from which one it is. */
static int check_unit(const struct engine *engine, const struct config *edited, struct why *ret_why)
{
	const struct config_failover *now = &engine->config->failover;

	if (edited->failover.unit == now->unit || !now->is_enabled || !engine->is_started)
		return 0;
	return why_set(
		ret_why, ERR_BUSY,
		"failover is on, and this unit is the %s: its addresses on the failover link "
		"and the order of its terms follow from that. Give \"no failover\" first, "
		"then this line, in a command of its own, then \"failover\"; and the other "
		"way round on the other unit",
		now->unit == FO_UNIT_PRIMARY ? "primary" : "secondary");
}

static int check_restoring(const struct engine *engine, struct why *ret_why)
{
	return engine->is_restoring
		       ? why_set(ret_why, ERR_BUSY,
				 "a backup is being restored, and its lines go first: try again")
		       : 0;
}

/* A standby's shared lines are taken where *RET_IS_LOST can be told; NULL: refused. */
static int edit_checked(const struct engine *engine, const char *text, struct config **ret_edited,
			bool *ret_is_shared, bool *ret_is_lost, struct why *ret_why)
{
	struct config *edited = NULL;
	bool is_lost = false;
	int r = edit(engine, text, &edited, ret_is_shared, ret_why);

	if (r == 0)
		r = check_unit(engine, edited, ret_why);
	if (r == 0)
		is_lost = *ret_is_shared && engine->is_started && !engine_is_active(engine);
	if (is_lost && !(ret_is_lost && engine->config->failover.is_config_open))
		r = engine_refuse_standby(engine, ret_why);
	if (r < 0) {
		config_free(edited);
		return r;
	}
	if (ret_is_lost)
		*ret_is_lost = is_lost;
	*ret_edited = edited;
	return 0;
}

static int configure_now(struct engine *engine, const char *text, bool *ret_is_lost,
			 struct why *ret_why)
{
	struct config *edited = NULL;
	bool is_shared = false;
	int r = edit_checked(engine, text, &edited, &is_shared, ret_is_lost, ret_why);

	if (r < 0)
		return r;
	if (is_shared)
		replication_lines_own(engine->replication);
	engine_apply_config(engine, edited);
	if (is_shared && !(ret_is_lost && *ret_is_lost))
		replication_send_config(engine->replication);
	return 0;
}

int configure_text(struct engine *engine, const char *text, bool *ret_is_lost, struct why *ret_why)
{
	int r = check_restoring(engine, ret_why);

	return r < 0 ? r : configure_now(engine, text, ret_is_lost, ret_why);
}

int configure_follow(struct engine *engine, const char *text, struct why *ret_why)
{
	return configure_now(engine, text, NULL, ret_why);
}

int configure_check(const struct engine *engine, const char *text, struct why *ret_why)
{
	struct config *edited = NULL;
	bool is_shared = false;
	int r = check_restoring(engine, ret_why);

	if (r == 0)
		r = edit_checked(engine, text, &edited, &is_shared, NULL, ret_why);
	config_free(edited);
	return r;
}

static void add_unit_warning(enum fo_unit unit, struct json_object *warnings)
{
	bool is_primary = unit == FO_UNIT_PRIMARY;
	struct why why;

	(void)why_set(&why, 0,
		      "this unit is the %s now: the other one has to be the %s before failover is "
		      "turned on, or neither understands the other",
		      is_primary ? "primary" : "secondary", is_primary ? "secondary" : "primary");
	(void)json_object_array_add(warnings, json_object_new_string(why.text));
}

/* What the answer to a change speaks of, as it was before. */
struct before {
	enum fo_unit unit;
	uint32_t counted[CONFIG_TRACKS_MAX], decrements[CONFIG_TRACKS_MAX]; /* track objects */
	size_t n_counted;
};

static void note_before(const struct config *config, struct before *ret_before)
{
	ret_before->unit = config->failover.unit;
	ret_before->n_counted = 0;
	for (size_t i = 0; i < config->n_tracks; i++) {
		if (config->tracks[i].decrement == 0)
			continue;
		ret_before->counted[ret_before->n_counted] = config->tracks[i].number;
		ret_before->decrements[ret_before->n_counted++] = config->tracks[i].decrement;
	}
}

static bool has_track(const struct config *config, uint32_t number)
{
	for (size_t i = 0; i < config->n_tracks; i++) {
		if (config->tracks[i].number == number)
			return true;
	}
	return false;
}

/* A track object goes with the line that made it count. */
static void add_track_warnings(const struct config *config, const struct before *before,
			       struct json_object *warnings)
{
	struct why why;

	for (size_t i = 0; i < before->n_counted; i++) {
		uint32_t number = before->counted[i];

		if (has_track(config, number))
			continue;
		(void)why_set(
			&why, 0,
			"failover counted track %u: with it \"failover track %u decrement %u\" "
			"is gone, and has to be given again with another track %u",
			number, number, before->decrements[i], number);
		(void)json_object_array_add(warnings, json_object_new_string(why.text));
	}
}

static void configured(struct waiting *waiting, struct kinds *kinds, const struct before *before,
		       bool is_lost)
{
	const struct config *config = waiting->engine->config;
	struct json_object *warnings = json_object_new_array();

	log_line(LOG_INFO, "configured by %s", control_call_peer(waiting->call));
	(void)json_object_object_add(waiting->result, "warnings", warnings);
	if (config->failover.unit != before->unit)
		add_unit_warning(config->failover.unit, warnings);
	add_track_warnings(config, before, warnings);
	if (!is_lost) {
		kinds_settle(kinds, waiting);
		return;
	}
	log_line(LOG_WARNING, "configured on the standby: it holds until the active unit's "
			      "lines come");
	(void)json_object_array_add(
		warnings,
		json_object_new_string("this unit is the standby: what was changed here is "
				       "replaced by the active unit's lines at the next "
				       "replication of the configuration"));
	kinds_free(kinds);
	waiting_reply(waiting);
}

void method_configure(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct why why = {0};
	struct engine *engine = userdata;
	struct before before;
	struct waiting *waiting = waiting_new(engine, call);
	struct kinds *kinds;
	bool is_lost = false;
	int r;

	if (!waiting)
		return;
	note_before(engine->config, &before);
	kinds = kinds_before(engine);
	r = kinds ? configure_text(engine, parameter_text(parameters, "text"), &is_lost, &why)
		  : -ENOMEM;
	if (r == 0) {
		configured(waiting, kinds, &before, is_lost);
		return;
	}
	kinds_free(kinds);
	waiting_fail(waiting, r, why.text[0] ? why.text : err_text(r));
}

/* ---- write standby, write memory ---- */

static void add_result(struct json_object *object, const struct replication_result *result)
{
	json_add_number(object, "items", (int64_t)result->items);
	json_add_number(object, "items_total", (int64_t)result->items_total);
	json_add_number(object, "bytes", (int64_t)result->bytes);
	json_add_number(object, "ms", (int64_t)result->ms);
}

static void on_write_standby(const struct replication_result *progress, bool is_done,
			     void *userdata)
{
	struct waiting *waiting = userdata;
	struct engine_position position = {0};
	struct json_object *object;

	if (!is_done) {
		object = json_object_new_object();
		json_add_text(object, "phase", progress->phase);
		add_result(object, progress);
		json_add_number(object, "items_expected", (int64_t)progress->items_expected);
		control_call_progress(waiting->call, object);
		return;
	}
	if (progress->code < 0) {
		waiting_fail(waiting, progress->code, progress->why.text);
		return;
	}
	add_result(waiting->result, progress);
	json_add_text(waiting->result, "mode", progress->mode);
	json_add_hex(waiting->result, "digest", progress->digest, sizeof(progress->digest));
	position.term = progress->term;
	position.seq = progress->seq;
	position.count = progress->items_total;
	memcpy(position.digest, progress->digest, sizeof(position.digest));
	(void)json_object_object_add(waiting->result, "position", json_position(&position));
	waiting_reply(waiting);
}

void method_write_standby(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	struct why why = {0};
	struct waiting *waiting;
	int r;

	(void)parameters;
	if (!require_active(engine, call))
		return;
	if (!engine->config->failover.is_enabled) {
		control_call_fail(call, ERR_NO_MATE,
				  "failover is off: there is no standby to write to until the "
				  "line \"failover\" turns it on");
		return;
	}
	waiting = waiting_new(engine, call);
	if (!waiting)
		return;
	r = replication_push(engine->replication, "write standby", false, on_write_standby, waiting,
			     &why);
	if (r == ERR_NO_MATE) {
		struct why more;

		waiting_fail(waiting,
			     why_set(&more, r, "%s; see asafo show failover, then run it again",
				     why.text),
			     more.text);
	} else if (r < 0) {
		waiting_fail(waiting, r, why.text);
	}
}

static void on_mate_written(const struct replication_result *result, bool is_done, void *userdata)
{
	struct waiting *waiting = userdata;

	(void)is_done;
	json_add_text(waiting->result, "mate", result->code == 0 ? "saved" : "not reachable");
	if (result->code < 0)
		json_add_text(waiting->result, "why", result->why.text);
	waiting_reply(waiting);
}

static void on_written(int code, const char *why, void *userdata)
{
	struct waiting *waiting = userdata;

	if (code < 0) {
		waiting_fail(waiting, code, why);
		return;
	}
	json_add_text(waiting->result, "path", waiting->engine->options.config);
	/* A standby saves its own; where failover is off there is nobody else. */
	if (engine_is_active(waiting->engine) && waiting->engine->config->failover.is_enabled) {
		replication_send_write_memory(waiting->engine->replication, on_mate_written,
					      waiting);
		return;
	}
	if (waiting->engine->config->failover.is_enabled)
		json_add_text(waiting->result, "mate", "not asked");
	waiting_reply(waiting);
}

void method_write_memory(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	struct waiting *waiting = waiting_new(engine, call);
	int r;

	(void)parameters;
	if (!waiting)
		return;
	r = replication_write_memory(engine->replication, on_written, waiting);
	if (r < 0)
		waiting_fail(waiting, r,
			     "the keeper is not there just now: try again, or see the log");
}
