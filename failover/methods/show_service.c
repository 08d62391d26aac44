/* SPDX-License-Identifier: Apache-2.0 */
/* The configurations, the version and whether it serves, as JSON (doc/control.md). */
#include <config.h>

#include <errno.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/methods/handlers.h"

static int render_running(const struct config *config, struct json_object *parameters,
			  struct buf *text, struct why *ret_why)
{
	bool is_all = parameter_flag(parameters, "all");
	enum config_part part = is_all ? CONFIG_PART_DEFAULTS : CONFIG_PART_ALL;
	const char *section = parameter_text(parameters, "section");
	const char *device = parameter_text(parameters, "device");
	int r = *section ? config_render_section(config, part, section, *device ? device : NULL,
						 text)
			 : config_render(config, part, text);

	if (r == ERR_NOT_FOUND && !config_section_exists(section))
		return why_set(ret_why, r, "the configuration has no section \"%.64s\"", section);
	if (r == ERR_NOT_FOUND)
		return why_set(ret_why, r,
			       "the configuration has no interface \"%.64s\": give its device or "
			       "its name",
			       device);
	return r < 0 ? why_set(ret_why, r, "%s", err_text(r)) : 0;
}

/* Hashes and sealed secrets are for who may change them. TEXT is borrowed. */
static void reply_lines(struct control_call *call, const struct engine *engine, const char *text)
{
	_cleanup_(buf_done) struct buf masked = {0};
	struct json_object *result;

	if (!control_call_may_change(call)) {
		if (config_mask(text, &masked) < 0) {
			control_call_fail(call, -ENOMEM, NULL);
			return;
		}
		text = buf_text(&masked);
	}
	result = json_object_new_object();
	json_add_text(result, "text", text);
	(void)json_object_object_add(result, "clock", json_clock(engine));
	control_call_reply(call, result);
}

void method_show_running_config(struct control_call *call, struct json_object *parameters,
				void *userdata)
{
	const struct engine *engine = userdata;
	_cleanup_(buf_done) struct buf text = {0};
	struct why why;
	int r = render_running(engine->config, parameters, &text, &why);

	if (r < 0) {
		control_call_fail(call, r, why.text);
		return;
	}
	reply_lines(call, engine, buf_text(&text));
}

void method_show_startup_config(struct control_call *call, struct json_object *parameters,
				void *userdata)
{
	struct engine *engine = userdata;

	(void)parameters;
	reply_lines(call, engine, buf_text(&engine->startup_text));
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
	(void)json_object_object_add(result, "clock", json_clock(engine));
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
