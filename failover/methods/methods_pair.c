/* SPDX-License-Identifier: Apache-2.0 */
/* `asafo pair`, both ends. */
#include "base/cleanup.h"
#include "base/err.h"
#include "failover/engine/pairing.h"
#include "failover/methods/handlers.h"

static void on_paired(const struct pairing_progress *progress, void *userdata)
{
	struct waiting *waiting = userdata;
	struct json_object *object;

	if (!progress->is_done) {
		object = json_object_new_object();
		json_add_text(object, "code", progress->one_time_code);
		json_add_number(object, "expires_s", PAIRING_SECONDS);
		control_call_progress(waiting->call, object);
	} else if (progress->code < 0) {
		waiting_fail(waiting, progress->code, progress->why);
	} else {
		json_add_flag(waiting->result, "paired", true);
		waiting_reply(waiting);
	}
}

static void on_offer_caller_gone(struct control_call *call, void *userdata)
{
	struct waiting *waiting = userdata;

	(void)call;
	pairing_cancel(waiting->engine->pairing);
}

void method_pair_offer(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	struct waiting *waiting = waiting_new(engine, call);
	struct why why = {0};
	int r;

	(void)parameters;
	if (!waiting)
		return;
	r = pairing_offer(engine->pairing, on_paired, waiting, &why);
	if (r < 0)
		waiting_fail(waiting, r, why.text);
	else
		control_call_set_on_gone(call, on_offer_caller_gone, waiting);
}

void method_pair_join(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct engine *engine = userdata;
	struct waiting *waiting = waiting_new(engine, call);
	struct why why = {0};
	int r;

	if (!waiting)
		return;
	r = pairing_join(engine->pairing, parameter_text(parameters, "code"), on_paired, waiting,
			 &why);
	if (r < 0)
		waiting_fail(waiting, r, why.text);
}
