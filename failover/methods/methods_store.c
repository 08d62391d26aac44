/* SPDX-License-Identifier: Apache-2.0 */
/* Methods that the keeper carries out: trustpoints in and out, and the local CA. */
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

#define CALL_FDS_MAX 2

int waiting_forward(struct waiting *waiting, enum ipc_type type, const ProtobufCMessage *message,
		    size_t n_fds_min, ipc_reply_fn on_reply)
{
	return waiting_forward_for(waiting, type, message, n_fds_min, on_reply, waiting);
}

int waiting_forward_for(struct waiting *waiting, enum ipc_type type,
			const ProtobufCMessage *message, size_t n_fds_min, ipc_reply_fn on_reply,
			void *userdata)
{
	int fds[CALL_FDS_MAX];
	size_t n = 0;
	int r;

	while (n < CALL_FDS_MAX && (fds[n] = control_call_take_fd(waiting->call, n)) >= 0)
		n++;
	if (n < n_fds_min) {
		r = ERR_MALFORMED;
		waiting_fail(waiting, r, "the request came without its file descriptors");
	} else {
		r = engine_keeper_call(waiting->engine, type, message, fds, n, on_reply, userdata);
		if (r < 0)
			waiting_fail(waiting, r,
				     "the keeper is not there just now: try again, or see the log");
	}
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
	return r;
}

/* ---- import ---- */

void waiting_describe_replication(struct waiting *waiting, const char *state, const char *standby)
{
	json_add_text(waiting->result, "replication", state);
	json_add_text(waiting->result, "standby", standby);
}

/* What the standby has of an import, or of a removal. */
static const struct {
	const char *done, *lacking, *not_yet;
} words[] = {
	{"the standby has it, durably", "the standby does not have it",
	 "the standby does not have it yet"},
	/* What was imported since the last replication it never had. */
	{"the standby has removed it, too, durably", "the standby may still have it",
	 "the standby may still have it"},
};

static void on_change_replicated(const struct replication_result *progress, bool is_done,
				 void *userdata)
{
	struct waiting *waiting = userdata;
	struct json_object *trustpoint;
	char text[WHY_TEXT_MAX + 128];

	if (!is_done)
		return;
	if (progress->code == 0) {
		if (json_object_object_get_ex(waiting->result, "trustpoint", &trustpoint))
			json_add_text(trustpoint, "on_mate", "yes");
		waiting_describe_replication(waiting, "done", words[waiting->is_removal].done);
	} else {
		(void)snprintf(text, sizeof(text), "degraded, queued: %s (%s)",
			       words[waiting->is_removal].not_yet, progress->why.text);
		waiting_describe_replication(waiting, "queued", text);
	}
	json_add_flag(waiting->result, "degraded", progress->code < 0);
	waiting_reply(waiting);
}

static bool mate_is_reachable(const struct engine *engine)
{
	return engine->pair.link && link_is_up(engine->pair.link) && engine_hears_mate(engine);
}

void waiting_replicate(struct waiting *waiting, const struct engine_position *position)
{
	struct engine *engine = waiting->engine;
	enum config_replication mode = engine->config->failover.replication;
	char text[192];

	if (!engine->config->failover.is_enabled) {
		waiting_describe_replication(waiting, "off",
					     "failover is off: there is no standby");
		waiting_reply(waiting);
	} else if (waiting->is_waited) {
		replication_wait(engine->replication, position, on_change_replicated, waiting);
	} else if (mode == CONFIG_REPLICATION_OFF) {
		(void)snprintf(
			text, sizeof(text),
			"%s: import-time replication is off; run `asafo write-standby`%s",
			words[waiting->is_removal].lacking,
			mate_is_reachable(engine) ? "" : " when the standby can be reached again");
		waiting_describe_replication(waiting, "off", text);
		waiting_reply(waiting);
	} else if (mode == CONFIG_REPLICATION_ASYNC) {
		bool is_reachable = mate_is_reachable(engine);

		waiting_describe_replication(waiting, "queued",
					     is_reachable
						     ? "on its way to the standby"
						     : "queued: the standby cannot be reached now");
		json_add_flag(waiting->result, "degraded", !is_reachable);
		waiting_reply(waiting);
	} else {
		replication_wait(engine->replication, position, on_change_replicated, waiting);
	}
}

static void add_warnings(struct json_object *result, char *const *warnings, size_t n)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		(void)json_object_array_add(array, json_object_new_string(warnings[i]));
	(void)json_object_object_add(result, "warnings", array);
}

/* It is named now, and not when a failover needs it. */
static void add_clock_warning(struct waiting *waiting, const ProtobufCBinaryData *public_part)
{
	struct json_object *warnings;
	struct why why;

	if (clockwatch_misfits(waiting->engine, public_part, &why) &&
	    json_object_object_get_ex(waiting->result, "warnings", &warnings))
		(void)json_object_array_add(warnings, json_object_new_string(why.text));
}

static void add_use_warnings(struct waiting *waiting, const ProtobufCBinaryData *public_part)
{
	struct json_object *warnings;

	if (json_object_object_get_ex(waiting->result, "warnings", &warnings))
		json_add_use(waiting->engine, public_part, warnings);
}

static void on_import(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__ImportReply *reply = (const Asafo__Ipc__ImportReply *)body;
	struct json_object *trustpoint, *kept_home;
	struct engine_position position;

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	trustpoint = json_trustpoint(waiting->engine, &reply->public_part, true);
	position = engine_position_from(reply->position);
	/* Before the notice that follows: what the mate says must not be compared with the past. */
	engine_store_moved(waiting->engine, reply->position);
	(void)json_object_object_add(waiting->result, "trustpoint", trustpoint);
	json_add_flag(waiting->result, "unchanged", reply->unchanged);
	add_warnings(waiting->result, reply->warnings, reply->n_warnings);
	add_clock_warning(waiting, &reply->public_part);
	add_use_warnings(waiting, &reply->public_part);
	(void)json_object_object_add(waiting->result, "position", json_position(&position));
	if (trustpoint && json_object_object_get_ex(trustpoint, "kept_home", &kept_home) &&
	    json_object_get_string_len(kept_home) > 0) {
		waiting_describe_replication(waiting, "kept-home",
					     json_object_get_string(kept_home));
		waiting_reply(waiting);
	} else if (waiting->is_changing && !reply->unchanged) {
		engine_mate_lacks(waiting->engine, waiting->name);
		if (trustpoint)
			json_add_text(trustpoint, "on_mate", "no");
		log_line(LOG_INFO, "trustpoint %s %s by %s", waiting->name,
			 waiting->is_rollback ? "rolled back" : "imported",
			 control_call_peer(waiting->call));
		waiting_replicate(waiting, &position);
	} else {
		waiting_describe_replication(waiting, "off",
					     waiting->is_changing ? "nothing changed" : "dry run");
		waiting_reply(waiting);
	}
}

/* It lies on this unit: the active one is asked for nothing that it does not have. */
static bool require_active_here(struct engine *engine, struct control_call *call)
{
	if (engine_is_active(engine))
		return true;
	control_call_fail(call, ERR_NOT_ACTIVE,
			  "this unit is not the active one, and what it put aside lies here: make "
			  "it active (asafo failover active), then restore");
	return false;
}

void method_orphans_restore(struct control_call *call, struct json_object *parameters,
			    void *userdata)
{
	struct engine *engine = userdata;
	Asafo__Ipc__OrphanRestore message = ASAFO__IPC__ORPHAN_RESTORE__INIT;
	struct waiting *waiting;

	if (!require_active_here(engine, call))
		return;
	waiting = waiting_new(engine, call);
	if (!waiting)
		return;
	message.name = (char *)(uintptr_t)parameter_text(parameters, "name");
	message.replace = parameter_flag(parameters, "replace");
	message.term = engine->fsm.term;
	waiting->is_changing = true;
	(void)snprintf(waiting->name, sizeof(waiting->name), "%s", message.name);
	(void)waiting_forward(waiting, IPC_ORPHAN_RESTORE, &message.base, 0, on_import);
}

static void on_dropped(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	log_line(LOG_NOTICE, "the orphan %s was dropped by %s", waiting->name,
		 control_call_peer(waiting->call));
	waiting_reply(waiting);
}

void method_orphans_drop(struct control_call *call, struct json_object *parameters, void *userdata)
{
	Asafo__Ipc__OrphanDrop message = ASAFO__IPC__ORPHAN_DROP__INIT;
	struct waiting *waiting = waiting_new(userdata, call);

	if (!waiting)
		return;
	message.name = (char *)(uintptr_t)parameter_text(parameters, "name");
	(void)snprintf(waiting->name, sizeof(waiting->name), "%s", message.name);
	(void)waiting_forward(waiting, IPC_ORPHAN_DROP, &message.base, 0, on_dropped);
}

bool trustpoint_is_of_unit(const struct engine *engine, const char *name)
{
	const struct config_trustpoint *lines = config_trustpoint_find(engine->config, name);

	return lines && lines->is_of_unit;
}

/* Why what is imported under NAME stays on this unit; "": it is shared. */
static const char *keep_home(const struct engine *engine, const char *name)
{
	const struct config_trustpoint *lines = config_trustpoint_find(engine->config, name);

	if (lines && lines->is_of_unit)
		return "scope unit: each unit has its own under this name, and it is never "
		       "replicated";
	return lines && lines->is_home ? "redundancy no: it stays on the unit that imported it"
				       : "";
}

void method_import(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	Asafo__Ipc__Import message = ASAFO__IPC__IMPORT__INIT;
	struct waiting *waiting;

	message.name = (char *)(uintptr_t)parameter_text(parameters, "name");
	message.keep_home = (char *)(uintptr_t)keep_home(engine, message.name);
	/* What each unit has of its own is imported on each of them. */
	if (!trustpoint_is_of_unit(engine, message.name) && !require_active(engine, call))
		return;
	waiting = waiting_new(engine, call);
	if (!waiting)
		return;
	message.replace = parameter_flag(parameters, "replace");
	message.dry_run = parameter_flag(parameters, "dry_run");
	message.allow_no_mac = parameter_flag(parameters, "allow_no_mac");
	message.non_exportable = parameter_flag(parameters, "non_exportable");
	waiting->is_waited = parameter_flag(parameters, "wait_standby");
	message.friendly_name = (char *)(uintptr_t)parameter_text(parameters, "friendly_name");
	message.is_ca = parameter_flag(parameters, "ca");
	message.mate_now = clockwatch_mate_now(engine);
	message.allow_weak = engine->config->is_weak_permitted;
	message.term = engine->fsm.term;
	waiting->is_changing = !message.dry_run;
	(void)snprintf(waiting->name, sizeof(waiting->name), "%s", message.name);
	(void)waiting_forward(waiting, IPC_IMPORT, &message.base, 1, on_import);
}

void method_rollback(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	Asafo__Ipc__Rollback message = ASAFO__IPC__ROLLBACK__INIT;
	int64_t generation = parameter_number(parameters, "generation", 0);
	struct waiting *waiting;

	if (!require_active(engine, call))
		return;
	waiting = waiting_new(engine, call);
	if (!waiting)
		return;
	message.name = (char *)(uintptr_t)parameter_text(parameters, "name");
	message.generation = generation > 0 ? (uint64_t)generation : 0;
	message.dry_run = parameter_flag(parameters, "dry_run");
	message.term = engine->fsm.term;
	waiting->is_changing = !message.dry_run;
	waiting->is_rollback = true;
	(void)snprintf(waiting->name, sizeof(waiting->name), "%s", message.name);
	(void)waiting_forward(waiting, IPC_ROLLBACK, &message.base, 0, on_import);
}

/* ---- what ends with a bare status ---- */

static void on_status_reply(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	waiting_reply(waiting);
}

void method_export(struct control_call *call, struct json_object *parameters, void *userdata)
{
	Asafo__Ipc__Export message = ASAFO__IPC__EXPORT__INIT;
	const char *format = parameter_text(parameters, "format");
	struct waiting *waiting = waiting_new(userdata, call);

	if (!waiting)
		return;
	message.name = (char *)(uintptr_t)parameter_text(parameters, "name");
	message.format = (char *)(uintptr_t)(format[0] ? format : "pkcs12");
	(void)waiting_forward(waiting, IPC_EXPORT, &message.base, 2, on_status_reply);
}

/* ---- local CA ---- */

/* The keeper says what is too many or too few. */
static uint32_t parameter_days(struct json_object *parameters, int64_t fallback)
{
	int64_t days = parameter_number(parameters, "lifetime_days", fallback);

	return days < 0 || days > INT32_MAX ? INT32_MAX : (uint32_t)days;
}

static void on_issue(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__LocalCaIssueReply *reply = (const Asafo__Ipc__LocalCaIssueReply *)body;

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	json_add_hex(waiting->result, "fingerprint", reply->fingerprint.data,
		     reply->fingerprint.len);
	ca_marks_tell_issued(waiting->engine, &reply->key_id);
	json_add_hex(waiting->result, "serial", reply->serial.data, reply->serial.len);
	waiting_reply(waiting);
}

#define ISSUE_NAMES_MAX 64

void method_localca_issue(struct control_call *call, struct json_object *parameters, void *userdata)
{
	Asafo__Ipc__LocalCaIssue message = ASAFO__IPC__LOCAL_CA_ISSUE__INIT;
	struct waiting *waiting = waiting_new(userdata, call);
	char *names[ISSUE_NAMES_MAX];
	struct json_object *array;

	if (!waiting)
		return;
	message.names = names;
	if (json_object_object_get_ex(parameters, "names", &array) &&
	    json_object_is_type(array, json_type_array)) {
		size_t n = json_object_array_length(array);

		for (size_t i = 0; i < n && i < ISSUE_NAMES_MAX; i++)
			names[message.n_names++] = (char *)(uintptr_t)json_object_get_string(
				json_object_array_get_idx(array, i));
	}
	message.subject = (char *)(uintptr_t)parameter_text(parameters, "subject");
	message.lifetime_days = parameter_days(parameters, 365);
	(void)waiting_forward(waiting, IPC_LOCALCA_ISSUE, &message.base, 2, on_issue);
}

static void on_ca_list(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__LocalCaListReply *reply = (const Asafo__Ipc__LocalCaListReply *)body;
	struct json_object *issued;

	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	if (!json_object_object_get_ex(waiting->result, "issued", &issued)) {
		issued = json_object_new_array();
		(void)json_object_object_add(waiting->result, "issued", issued);
		(void)json_object_object_add(
			waiting->result, "ca",
			reply->exists ? json_trustpoint(waiting->engine, &reply->ca_public, false)
				      : NULL);
	}
	for (size_t i = 0; i < reply->n_issued; i++)
		(void)json_object_array_add(
			issued, json_trustpoint(waiting->engine, &reply->issued[i], false));
	if (has_more)
		return;
	(void)json_object_object_add(waiting->result, "clock", json_clock(waiting->engine));
	waiting_reply(waiting);
}

/* What was made is in the list. */
static void on_ca_created(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;

	(void)has_more;
	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	ca_marks_tell(waiting->engine);
	(void)waiting_forward(waiting, IPC_LOCALCA_LIST, NULL, 0, on_ca_list);
}

void method_localca_create(struct control_call *call, struct json_object *parameters,
			   void *userdata)
{
	Asafo__Ipc__LocalCaCreate message = ASAFO__IPC__LOCAL_CA_CREATE__INIT;
	struct waiting *waiting = waiting_new(userdata, call);

	if (!waiting)
		return;
	message.name = (char *)(uintptr_t)parameter_text(parameters, "name");
	message.subject = (char *)(uintptr_t)parameter_text(parameters, "subject");
	message.lifetime_days = parameter_days(parameters, 1095);
	(void)waiting_forward(waiting, IPC_LOCALCA_CREATE, &message.base, 0, on_ca_created);
}

void method_localca_list(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct waiting *waiting = waiting_new(userdata, call);

	(void)parameters;
	if (waiting)
		(void)waiting_forward(waiting, IPC_LOCALCA_LIST, NULL, 0, on_ca_list);
}
