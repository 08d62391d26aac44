/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mate is asked over the failover link to begin anew, which it does only where it is not
 * active. That it did is seen from its hellos: another boot, then Standby Ready with what this unit
 * has.
 */
#include "failover/methods/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/methods/exec.h"
#include "failover/methods/handlers.h"

struct reload {
	struct engine *engine;
	struct control_call *call; /* one at a time */
	uint64_t boot;		   /* of the mate, before */
	struct monotime since;
	sd_event_source *timeout;
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
		"see `asafo show failover` there");
	fail(reload, ERR_TIMEOUT, why.text);
	return 0;
}

void reload_on_hello(struct reload *reload)
{
	const struct engine_mate *mate = &reload->engine->mate;
	struct json_object *result;
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
	control_call_reply(TAKE_PTR(reload->call), result);
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
		r = exec_ask(engine->exec, "asafo.Reload", control_call_peer(call), on_answer,
			     engine, &why);
	}
	if (r < 0) {
		control_call_fail(call, r, why.text[0] ? why.text : err_text(r));
		return;
	}
	reload->call = call;
	log_line(LOG_NOTICE, "failover reload-standby by %s", control_call_peer(call));
	(void)sd_event_source_set_time(reload->timeout,
				       monotime_add_ms(reload->since, RELOAD_TIMEOUT_MS).ns / 1000);
	(void)sd_event_source_set_enabled(reload->timeout, SD_EVENT_ONESHOT);
}

void method_reload(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;

	(void)parameters;
	if (engine_is_active(engine)) {
		control_call_fail(
			call, ERR_DENIED,
			"this unit is active: hand over first (`asafo failover standby`)");
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
