/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backup and restore: the keeper seals and opens, the engine passes descriptors and lines on. A
 * restore has two steps: the keeper plans it and tells the lines; where they can be applied, it is
 * told to store everything, and then they are applied. So what cannot be done as a whole is not
 * begun.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/engine/ca_marks.h"
#include "failover/methods/handlers.h"
#include "failover/replication/replication.h"

static const char *unit_name(const struct engine *engine)
{
	return engine->config->failover.unit == FO_UNIT_PRIMARY ? "primary" : "secondary";
}

static void on_backup(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__BackupReply *reply = (const Asafo__Ipc__BackupReply *)body;
	struct json_object *left_out;
	struct engine_position position;

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	position = engine_position_from(reply->position);
	left_out = json_object_new_array();
	for (size_t i = 0; i < reply->n_left_out; i++)
		(void)json_object_array_add(left_out, json_object_new_string(reply->left_out[i]));
	json_add_number(waiting->result, "trustpoints", (int64_t)reply->trustpoints);
	json_add_number(waiting->result, "generations", (int64_t)reply->generations);
	json_add_number(waiting->result, "bytes", (int64_t)reply->bytes);
	(void)json_object_object_add(waiting->result, "left_out", left_out);
	json_add_number(waiting->result, "left_out_count", (int64_t)reply->left_out_count);
	json_add_number(waiting->result, "stays_home", (int64_t)reply->stays_home);
	json_add_number(waiting->result, "unit_items", (int64_t)reply->unit_items);
	json_add_number(waiting->result, "orphans", (int64_t)reply->orphans);
	(void)json_object_object_add(waiting->result, "position", json_position(&position));
	log_line(LOG_NOTICE, "a backup of %" PRIu64 " trustpoints was made by %s",
		 reply->trustpoints, control_call_peer(waiting->call));
	waiting_reply(waiting);
}

void method_backup(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	Asafo__Ipc__Backup message = ASAFO__IPC__BACKUP__INIT;
	_cleanup_(buf_done) struct buf lines = {0};
	struct waiting *waiting = waiting_new(engine, call);
	int r;

	if (!waiting)
		return;
	message.with_unit = parameter_flag(parameters, "unit");
	r = config_render(engine->config,
			  message.with_unit ? CONFIG_PART_ALL : CONFIG_PART_REPLICATED, &lines);
	if (r < 0) {
		waiting_fail(waiting, r, err_text(r));
		return;
	}
	message.hostname = engine->config->hostname;
	message.unit = (char *)(uintptr_t)unit_name(engine);
	message.config = (ProtobufCBinaryData){lines.size, lines.data};
	message.with_non_exportable = parameter_flag(parameters, "non_exportable");
	(void)waiting_forward(waiting, IPC_BACKUP, &message.base, 2, on_backup);
}

/* ---- restore ---- */

#define NAMES_MAX 64

struct restoring {
	struct waiting *waiting;
	struct buf lines; /* of the backup; none are applied where it is empty */
	uint64_t n_changed;
	bool is_unit, keeps_config;
	char names[NAMES_MAX][CONFIG_NAME_MAX]; /* of what changes, as many as there is room for */
	size_t n_names;
};

static void restoring_free(struct restoring *restoring)
{
	buf_done(&restoring->lines);
	free(restoring);
}

static struct json_object *json_change(const Asafo__Ipc__RestoreChange *change)
{
	static const char *const words[] = {"add", "replace", "newer", "kept"};
	struct json_object *object = json_object_new_object();

	if (!object)
		return NULL;
	json_add_text(object, "name", change->name);
	json_add_text(object, "change",
		      (size_t)change->what < ARRAY_SIZE(words) ? words[change->what] : "");
	json_add_number(object, "generation", (int64_t)change->generation);
	json_add_hex(object, "fingerprint", change->fingerprint.data, change->fingerprint.len);
	if (change->present_fingerprint.len > 0) {
		json_add_number(object, "present_generation", (int64_t)change->present_generation);
		json_add_hex(object, "present_fingerprint", change->present_fingerprint.data,
			     change->present_fingerprint.len);
	}
	if (*change->why)
		json_add_text(object, "why", change->why);
	return object;
}

static void add_origin(struct json_object *result, const Asafo__Ipc__RestoreReply *reply)
{
	struct engine_position position = engine_position_from(reply->backup);
	struct json_object *origin = json_object_new_object();

	json_add_text(origin, "hostname", reply->hostname);
	json_add_text(origin, "unit", reply->unit);
	json_add_number(origin, "made_at", reply->made_at);
	json_add_flag(origin, "has_unit", reply->has_unit);
	(void)json_object_object_add(origin, "position", json_position(&position));
	(void)json_object_object_add(origin, "lines",
				     json_object_new_string_len((const char *)reply->config.data,
								(int)reply->config.len));
	(void)json_object_object_add(result, "backup", origin);
}

static void add_plan(struct json_object *result, const Asafo__Ipc__RestoreReply *reply)
{
	struct json_object *changes = json_object_new_array();

	for (size_t i = 0; i < reply->n_changes; i++)
		(void)json_object_array_add(changes, json_change(reply->changes[i]));
	json_add_number(result, "added", (int64_t)reply->added);
	json_add_number(result, "replaced", (int64_t)reply->replaced);
	json_add_number(result, "same", (int64_t)reply->same);
	json_add_number(result, "newer", (int64_t)reply->newer);
	json_add_number(result, "kept", (int64_t)reply->kept);
	json_add_number(result, "issued", (int64_t)reply->issued);
	(void)json_object_object_add(result, "changes", changes);
	json_add_text(result, "refusal", reply->refusal);
}

/* ---- its lines ---- */

/* What the pair shares of LINES, with this unit's own lines. */
static int merge_lines(const struct engine *engine, const struct buf *lines,
		       struct config **ret_config, struct why *ret_why)
{
	struct config_error error = {0};
	struct config *merged = NULL;
	int r = config_merge_replicated(engine->config, (const char *)lines->data, lines->size,
					&merged, &error);

	if (r < 0)
		(void)why_set(ret_why, r,
			      "line %u of the backup's configuration cannot be applied here: %s "
			      "(--keep-config restores the trustpoints alone, --lines prints them)",
			      error.line, error.why.text[0] ? error.why.text : err_text(r));
	else
		r = config_check(merged, &error.why);
	if (r < 0 && merged)
		(void)why_set(
			ret_why, r,
			"the backup's configuration does not fit this unit: %s (--keep-config "
			"restores the trustpoints alone, --lines prints it)",
			error.why.text);
	if (r < 0) {
		config_free(merged);
		return r;
	}
	*ret_config = merged;
	return 0;
}

static int add_lines(struct json_object *array, const struct config *from,
		     const struct config *against)
{
	_cleanup_(buf_done) struct buf lines = {0};
	int r = config_more_lines(from, against, &lines);

	for (const char *at = r == 0 ? buf_text(&lines) : NULL; at && *at;) {
		size_t length = strcspn(at, "\n");

		(void)json_object_array_add(array, json_object_new_string_len(at, (int)length));
		at += length + (at[length] != '\0');
	}
	return r;
}

/* Whether they can be applied, and what they would change. */
static int plan_lines(struct restoring *restoring, struct why *why)
{
	struct waiting *waiting = restoring->waiting;
	struct json_object *added = json_object_new_array(), *removed = json_object_new_array();
	struct config *merged = NULL;
	int r = 0;

	(void)json_object_object_add(waiting->result, "lines_added", added);
	(void)json_object_object_add(waiting->result, "lines_removed", removed);
	if (restoring->lines.size == 0)
		return 0;
	r = merge_lines(waiting->engine, &restoring->lines, &merged, why);
	if (r == 0)
		r = add_lines(added, merged, waiting->engine->config);
	if (r == 0)
		r = add_lines(removed, waiting->engine->config, merged);
	if (json_object_array_length(added) + json_object_array_length(removed) == 0)
		buf_clear(&restoring->lines);
	config_free(merged);
	return r;
}

/* The trustpoints are stored. Nobody has changed a line since the plan; but this unit may have lost
 * its role, and the mate's store and lines are the pair's then. */
static void apply_lines(struct restoring *restoring)
{
	struct waiting *waiting = restoring->waiting;
	struct engine *engine = waiting->engine;
	struct config *merged = NULL;
	struct why why = {0};
	int r;

	if (restoring->lines.size == 0)
		return;
	r = engine_is_active(engine) ? merge_lines(engine, &restoring->lines, &merged, &why)
				     : engine_refuse_standby(engine, &why);
	if (r < 0) {
		json_add_text(waiting->result, "lines_failed", why.text);
		return;
	}
	engine_apply_config(engine, merged);
	replication_send_config(engine->replication);
}

/* ---- its two steps ---- */

/* The names that do not fit in are told by the digests. */
static void note_lacking(struct restoring *restoring)
{
	struct engine *engine = restoring->waiting->engine;

	for (size_t i = 0; i < restoring->n_names; i++)
		engine_mate_lacks(engine, restoring->names[i]);
	if (restoring->n_names < restoring->n_changed)
		engine->lacking.is_complete = false;
}

/* It died with the word to store all, so that the plan alone is no longer what is known. */
static void fail_unknown(struct restoring *restoring, int code)
{
	log_line(LOG_WARNING,
		 "the keeper went away while it stored a backup for %s: all of its trustpoints are "
		 "there, or none",
		 control_call_peer(restoring->waiting->call));
	waiting_fail(
		restoring->waiting, code,
		"the keeper went away while it stored the backup: all of its trustpoints are "
		"stored, or none, and no line of its configuration is applied. Which of the two "
		"`asafo restore --dry-run` of this backup says; the same restore given again "
		"does what is missing");
	restoring_free(restoring);
}

static void on_committed(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct restoring *restoring = userdata;
	struct waiting *waiting = restoring->waiting;
	const Asafo__Ipc__RestoreCommitReply *reply = (const Asafo__Ipc__RestoreCommitReply *)body;
	struct engine *engine = waiting->engine;
	struct engine_position position;

	(void)has_more;
	engine->is_restoring = false;
	if (code < 0 && !engine->is_exiting) {
		fail_unknown(restoring, code);
		return;
	}
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL)) {
		restoring_free(restoring);
		return;
	}
	log_line(LOG_NOTICE, "a backup was restored by %s: %" PRIu64 " trustpoints%s",
		 control_call_peer(waiting->call), restoring->n_changed,
		 restoring->lines.size > 0 ? " and the configuration" : "");
	position = engine_position_from(reply->position);
	/* Before the notice that follows: what the mate says must not be compared with the past. */
	engine_store_moved(engine, reply->position);
	(void)json_object_object_add(waiting->result, "position", json_position(&position));
	apply_lines(restoring);
	if (restoring->is_unit)
		ca_marks_tell(engine);
	if (restoring->is_unit || restoring->n_changed == 0) {
		waiting_reply(waiting);
	} else {
		note_lacking(restoring);
		waiting_replicate(waiting, &position);
	}
	restoring_free(restoring);
}

static void on_plan_closed(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	(void)code;
	(void)body;
	(void)has_more;
	(void)userdata;
}

/* Until it hears more of it, the keeper has all of the plan ready to be stored. A keeper that is
 * gone has none. */
static void close_plan(const struct restoring *restoring, const Asafo__Ipc__RestoreReply *reply)
{
	Asafo__Ipc__RestoreClose message = ASAFO__IPC__RESTORE_CLOSE__INIT;

	if (!reply->is_planned)
		return;
	message.plan = reply->plan;
	(void)engine_keeper_call(restoring->waiting->engine, IPC_RESTORE_CLOSE, &message.base, NULL,
				 0, on_plan_closed, NULL);
}

static void fail(struct restoring *restoring, int code, const struct why *why)
{
	waiting_fail(restoring->waiting, code, why->text[0] ? why->text : err_text(code));
	restoring_free(restoring);
}

static void go_on(struct restoring *restoring, const Asafo__Ipc__RestoreReply *reply)
{
	struct waiting *waiting = restoring->waiting;
	Asafo__Ipc__RestoreCommit message = ASAFO__IPC__RESTORE_COMMIT__INIT;
	bool is_unchanged = restoring->n_changed + reply->issued == 0 && restoring->lines.size == 0;
	int r;

	json_add_flag(waiting->result, "unchanged", is_unchanged);
	if (!reply->is_planned || is_unchanged) {
		close_plan(restoring, reply);
		waiting_reply(waiting);
		restoring_free(restoring);
		return;
	}
	message.plan = reply->plan;
	r = engine_keeper_call(waiting->engine, IPC_RESTORE_COMMIT, &message.base, NULL, 0,
			       on_committed, restoring);
	/* Trustpoints and lines, or neither. */
	waiting->engine->is_restoring = r == 0 && restoring->lines.size > 0;
	if (r < 0) {
		waiting_fail(waiting, r,
			     "the keeper is not there just now: try again, or see the log");
		restoring_free(restoring);
	}
}

static void note_names(struct restoring *restoring, const Asafo__Ipc__RestoreReply *reply)
{
	for (size_t i = 0; i < reply->n_changes && restoring->n_names < NAMES_MAX; i++) {
		if (reply->changes[i]->what != ASAFO__IPC__RESTORE_CHANGE__WHAT__KEPT)
			(void)snprintf(restoring->names[restoring->n_names++], CONFIG_NAME_MAX,
				       "%s", reply->changes[i]->name);
	}
}

static void on_planned(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct restoring *restoring = userdata;
	struct waiting *waiting = restoring->waiting;
	const Asafo__Ipc__RestoreReply *reply = (const Asafo__Ipc__RestoreReply *)body;
	struct why why = {0};
	int r = 0;

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL)) {
		restoring_free(restoring);
		return;
	}
	restoring->n_changed = reply->added + reply->replaced + reply->newer;
	note_names(restoring, reply);
	add_origin(waiting->result, reply);
	add_plan(waiting->result, reply);
	if (!restoring->is_unit && !restoring->keeps_config)
		r = buf_append(&restoring->lines, reply->config.data, reply->config.len);
	if (r == 0)
		r = plan_lines(restoring, &why);
	if (r < 0 && waiting->is_changing) {
		close_plan(restoring, reply);
		fail(restoring, r, &why);
	} else if (r < 0) {
		json_add_text(waiting->result, "lines_failed", why.text);
		go_on(restoring, reply);
	} else {
		go_on(restoring, reply);
	}
}

void method_restore(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	Asafo__Ipc__Restore message = ASAFO__IPC__RESTORE__INIT;
	struct restoring *restoring;

	message.is_unit = parameter_flag(parameters, "unit");
	message.dry_run = parameter_flag(parameters, "dry_run");
	/* What is a unit's own is the unit's own business; to look harms nobody. */
	if (!message.is_unit && !message.dry_run && !require_active(engine, call))
		return;
	restoring = calloc(1, sizeof(*restoring));
	if (!restoring) {
		control_call_fail(call, -ENOMEM, "out of memory");
		return;
	}
	restoring->waiting = waiting_new(engine, call);
	if (!restoring->waiting) {
		free(restoring);
		return;
	}
	message.term = engine->fsm.term;
	message.force = parameter_flag(parameters, "force");
	message.hostname = engine->config->hostname;
	message.unit = (char *)(uintptr_t)unit_name(engine);
	restoring->is_unit = message.is_unit;
	restoring->keeps_config = parameter_flag(parameters, "keep_config");
	restoring->waiting->is_changing = !message.dry_run;
	if (waiting_forward_for(restoring->waiting, IPC_RESTORE, &message.base, 2, on_planned,
				restoring) < 0)
		restoring_free(restoring);
}
