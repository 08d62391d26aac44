/* SPDX-License-Identifier: Apache-2.0 */
/* The table of control methods, and what their handlers share. */
#include "failover/methods/methods.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/hex.h"
#include "failover/methods/methods_internal.h"

static const struct control_method methods_table[] = {
	{"asafo.ShowFailover", CONTROL_ACCESS_LOOK, method_show_failover},
	{"asafo.ShowState", CONTROL_ACCESS_LOOK, method_show_state},
	{"asafo.ShowMonitorInterface", CONTROL_ACCESS_LOOK, method_show_monitor_interface},
	{"asafo.ShowTrack", CONTROL_ACCESS_LOOK, method_show_track},
	{"asafo.ShowHistory", CONTROL_ACCESS_LOOK, method_show_history},
	{"asafo.ShowFailoverInterface", CONTROL_ACCESS_LOOK, method_show_failover_interface},
	{"asafo.ShowFailoverStatistics", CONTROL_ACCESS_LOOK, method_show_failover_statistics},
	{"asafo.ShowRedundancy", CONTROL_ACCESS_LOOK, method_show_redundancy},
	{"asafo.ShowTrustpoints", CONTROL_ACCESS_LOOK, method_show_trustpoints},
	{"asafo.ShowCertificates", CONTROL_ACCESS_LOOK, method_show_certificates},
	{"asafo.OrphansRestore", CONTROL_ACCESS_CHANGE, method_orphans_restore},
	{"asafo.OrphansDrop", CONTROL_ACCESS_CHANGE, method_orphans_drop},
	{"asafo.TrustpointHistory", CONTROL_ACCESS_LOOK, method_trustpoint_history},
	{"asafo.ShowOrphans", CONTROL_ACCESS_LOOK, method_show_orphans},
	{"asafo.ShowSsl", CONTROL_ACCESS_LOOK, method_show_ssl},
	{"asafo.ShowRunningConfig", CONTROL_ACCESS_LOOK, method_show_running_config},
	{"asafo.ShowStartupConfig", CONTROL_ACCESS_LOOK, method_show_startup_config},
	{"asafo.ShowVpnSessions", CONTROL_ACCESS_LOOK, method_show_vpn_sessions},
	{"asafo.VpnLogoff", CONTROL_ACCESS_CHANGE, method_vpn_logoff},
	{"asafo.Verify", CONTROL_ACCESS_LOOK, method_verify},
	{"asafo.Why", CONTROL_ACCESS_LOOK, method_why},
	{"asafo.Prove", CONTROL_ACCESS_LOOK, method_prove},
	{"asafo.ShowVersion", CONTROL_ACCESS_LOOK, method_show_version},
	{"asafo.Healthz", CONTROL_ACCESS_LOOK, method_healthz},
	{"asafo.Configure", CONTROL_ACCESS_CHANGE, method_configure},
	{"asafo.Bind", CONTROL_ACCESS_CHANGE, method_bind},
	{"asafo.Unbind", CONTROL_ACCESS_CHANGE, method_unbind},
	{"asafo.Import", CONTROL_ACCESS_CHANGE, method_import},
	{"asafo.Export", CONTROL_ACCESS_CHANGE, method_export},
	{"asafo.Remove", CONTROL_ACCESS_CHANGE, method_remove},
	{"asafo.Rollback", CONTROL_ACCESS_CHANGE, method_rollback},
	{"asafo.WriteStandby", CONTROL_ACCESS_CHANGE, method_write_standby},
	{"asafo.WriteMemory", CONTROL_ACCESS_CHANGE, method_write_memory},
	{"asafo.FailoverActive", CONTROL_ACCESS_CHANGE, method_failover_active},
	{"asafo.FailoverStandby", CONTROL_ACCESS_CHANGE, method_failover_standby},
	{"asafo.FailoverCheck", CONTROL_ACCESS_LOOK, method_failover_check},
	{"asafo.FailoverExec", CONTROL_ACCESS_LOOK, method_failover_exec},
	{"asafo.Maintenance", CONTROL_ACCESS_CHANGE, method_maintenance},
	{"asafo.ReloadStandby", CONTROL_ACCESS_CHANGE, method_reload_standby},
	{"asafo.Reload", CONTROL_ACCESS_CHANGE, method_reload},
	{"asafo.ClearStatistics", CONTROL_ACCESS_CHANGE, method_clear_statistics},
	{"asafo.FailoverReset", CONTROL_ACCESS_CHANGE, method_failover_reset},
	{"asafo.PairOffer", CONTROL_ACCESS_CHANGE, method_pair_offer},
	{"asafo.PairJoin", CONTROL_ACCESS_CHANGE, method_pair_join},
	{"asafo.ShowSecurity", CONTROL_ACCESS_LOOK, method_show_security},
	{"asafo.MasterKey", CONTROL_ACCESS_CHANGE, method_master_key},
	{"asafo.SessionTicketsRotate", CONTROL_ACCESS_CHANGE, method_session_tickets_rotate},
	{"asafo.Rekey", CONTROL_ACCESS_CHANGE, method_rekey},
	{"asafo.Backup", CONTROL_ACCESS_CHANGE, method_backup},
	{"asafo.Restore", CONTROL_ACCESS_CHANGE, method_restore},
	{"asafo.LocalCaCreate", CONTROL_ACCESS_CHANGE, method_localca_create},
	{"asafo.LocalCaIssue", CONTROL_ACCESS_CHANGE, method_localca_issue},
	{"asafo.LocalCaList", CONTROL_ACCESS_LOOK, method_localca_list},
	{NULL, CONTROL_ACCESS_LOOK, NULL},
};

static gid_t look_gid = (gid_t)-1, change_gid = (gid_t)-1;

void methods_resolve_groups(void)
{
	const struct group *group = getgrnam("asafo");

	look_gid = group ? group->gr_gid : (gid_t)-1;
	group = getgrnam("asafo-admin");
	change_gid = group ? group->gr_gid : (gid_t)-1;
}

const struct control_method *methods_find(const char *name)
{
	for (const struct control_method *method = methods_table; method->name; method++) {
		if (strcmp(method->name, name) == 0)
			return method;
	}
	return NULL;
}

int methods_serve(struct engine *engine, int listen_fd)
{
	control_server_free(TAKE_PTR(engine->rooms.control));
	return control_server_new(engine->event, listen_fd, methods_table, look_gid, change_gid,
				  engine, &engine->rooms.control);
}

int methods_new(struct engine *engine, struct methods **ret_methods)
{
	return role_waits_new(engine, ret_methods);
}

struct waiting *waiting_new(struct engine *engine, struct control_call *call)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));

	if (waiting)
		waiting->result = json_object_new_object();
	if (!waiting || !waiting->result) {
		free(waiting);
		control_call_fail(call, -ENOMEM, "out of memory");
		return NULL;
	}
	waiting->engine = engine;
	waiting->call = call;
	return waiting;
}

void waiting_free(struct waiting *waiting)
{
	if (!waiting)
		return;
	json_object_put(waiting->result);
	free(waiting);
}

void waiting_fail(struct waiting *waiting, int code, const char *why)
{
	control_call_fail(waiting->call, code, why);
	waiting_free(waiting);
}

void waiting_reply(struct waiting *waiting)
{
	control_call_reply(waiting->call, TAKE_PTR(waiting->result));
	waiting_free(waiting);
}

bool waiting_goes_on(struct waiting *waiting, int code, const Asafo__Ipc__Status *status)
{
	if (waiting->engine->is_exiting) {
		waiting_fail(waiting, ERR_CLOSED,
			     "this unit stops: whether it was done is seen when it runs again");
		return false;
	}
	if (code < 0) {
		waiting_fail(waiting, code,
			     "the keeper went away while it worked on this; what it had not "
			     "finished was "
			     "not done: try again");
		return false;
	}
	if (status && status->code < 0) {
		waiting_fail(waiting, status->code,
			     status->why && status->why[0] ? status->why : err_text(status->code));
		return false;
	}
	return true;
}

const char *parameter_text(struct json_object *parameters, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(parameters, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

bool parameter_flag(struct json_object *parameters, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(parameters, key, &value) &&
	       json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

int64_t parameter_number(struct json_object *parameters, const char *key, int64_t fallback)
{
	struct json_object *value;

	if (!json_object_object_get_ex(parameters, key, &value) ||
	    !json_object_is_type(value, json_type_int))
		return fallback;
	return json_object_get_int64(value);
}

bool require_active(struct engine *engine, struct control_call *call)
{
	struct why why = {0};

	if (engine_is_active(engine))
		return true;
	control_call_fail(call, engine_refuse_standby(engine, &why), why.text);
	return false;
}

void json_add_text(struct json_object *object, const char *key, const char *value)
{
	(void)json_object_object_add(object, key, json_object_new_string(value ? value : ""));
}

void json_add_number(struct json_object *object, const char *key, int64_t value)
{
	(void)json_object_object_add(object, key, json_object_new_int64(value));
}

void json_add_flag(struct json_object *object, const char *key, bool value)
{
	(void)json_object_object_add(object, key, json_object_new_boolean(value));
}

void json_add_thousandths(struct json_object *object, const char *key, uint64_t thousandths)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRIu64 ".%03u", thousandths / 1000,
		       (unsigned)(thousandths % 1000));
	(void)json_object_object_add(object, key,
				     json_object_new_double_s((double)thousandths / 1000, text));
}

void json_add_hex(struct json_object *object, const char *key, const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = malloc(2 * size + 1);

	if (!text)
		return;
	hex_encode(data, size, text);
	json_add_text(object, key, text);
}

struct json_object *json_position(const struct engine_position *position)
{
	struct json_object *object = json_object_new_object();

	if (!object)
		return NULL;
	json_add_number(object, "term", (int64_t)position->term);
	json_add_number(object, "seq", (int64_t)position->seq);
	json_add_hex(object, "digest", position->digest, sizeof(position->digest));
	json_add_number(object, "count", (int64_t)position->count);
	return object;
}
