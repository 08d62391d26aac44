/* SPDX-License-Identifier: Apache-2.0 */
/* The configurations, the version and whether it serves, as JSON (doc/control.md). */
#include <config.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/methods_internal.h"

void method_show_running_config(struct control_call *call, struct json_object *parameters,
				void *userdata)
{
	const struct engine *engine = userdata;
	_cleanup_(buf_done) struct buf text = {0};
	struct json_object *result;
	int r = config_render(engine->config, CONFIG_PART_ALL, &text);

	(void)parameters;
	if (r < 0) {
		control_call_fail(call, r, err_text(r));
		return;
	}
	result = json_object_new_object();
	json_add_text(result, "text", buf_text(&text));
	control_call_reply(call, result);
}

void method_show_startup_config(struct control_call *call, struct json_object *parameters,
				void *userdata)
{
	struct engine *engine = userdata;
	struct json_object *result = json_object_new_object();

	(void)parameters;
	json_add_text(result, "text", buf_text(&engine->startup_text));
	control_call_reply(call, result);
}

void method_show_version(struct control_call *call, struct json_object *parameters, void *userdata)
{
	const struct engine *engine = userdata;
	struct json_object *result = json_object_new_object();
	uint64_t up_ns = monotime_since(monotime_now(), engine->started_at);

	(void)parameters;
	json_add_text(result, "version", PACKAGE_VERSION);
	json_add_text(result, "unit",
		      engine->config->failover.unit == FO_UNIT_PRIMARY ? "primary" : "secondary");
	json_add_text(result, "hostname", engine->config->hostname);
	json_add_number(result, "uptime_seconds", (int64_t)(up_ns / MONOTIME_NS_PER_SEC));
	json_add_text(result, "mate_version", engine->mate.software);
	control_call_reply(call, result);
}

void method_healthz(struct control_call *call, struct json_object *parameters, void *userdata)
{
	const struct engine *engine = userdata;
	struct json_object *result = json_object_new_object();

	(void)parameters;
	json_add_flag(result, "ok", engine->is_started && !engine->store.why[0]);
	control_call_reply(call, result);
}
