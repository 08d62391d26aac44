/* SPDX-License-Identifier: Apache-2.0 */
/* What only this unit accepted, and gave up for a mate that was active in a newer term: nothing of
 * it is dropped silently. */
#include "base/cleanup.h"
#include "failover/methods/handlers.h"
#include "failover/replication/replication.h"

#define ORPHANS_SHOWN 250 /* the oldest first; the rest is counted */

static void take_orphan(struct waiting *waiting, struct json_object *array,
			const ProtobufCBinaryData *public_part, uint64_t term)
{
	struct json_object *entry;

	if (json_object_array_length(array) == ORPHANS_SHOWN) {
		json_add_number(waiting->result, "more",
				parameter_number(waiting->result, "more", 0) + 1);
		return;
	}
	entry = json_trustpoint(waiting->engine, public_part, false);
	if (!entry)
		return;
	json_object_object_del(entry, "pem");
	json_object_object_del(entry, "on_mate");
	json_object_object_del(entry, "bound");
	json_add_number(entry, "term", (int64_t)term);
	(void)json_object_array_add(array, entry);
}

static void on_orphans(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct waiting *waiting = userdata;
	const Asafo__Ipc__ListReply *reply = (const Asafo__Ipc__ListReply *)body;
	struct json_object *array;

	if (!waiting_goes_on(waiting, code, reply ? reply->status : NULL))
		return;
	if (!json_object_object_get_ex(waiting->result, "orphans", &array)) {
		array = json_object_new_array();
		(void)json_object_object_add(waiting->result, "orphans", array);
	}
	for (size_t i = 0; i < reply->n_public_parts && i < reply->n_terms; i++)
		take_orphan(waiting, array, &reply->public_parts[i], reply->terms[i]);
	if (has_more)
		return;
	(void)json_object_object_add(waiting->result, "clock", json_clock(waiting->engine));
	waiting_reply(waiting);
}

static void add_lines(struct waiting *waiting)
{
	_cleanup_(buf_done) struct buf masked = {0};
	struct monotime at;
	const char *lines = replication_given_lines(waiting->engine->replication, &at);

	if (lines && !control_call_may_change(waiting->call))
		lines = config_mask(lines, &masked) == 0 ? buf_text(&masked) : NULL;
	if (!lines)
		return;
	json_add_text(waiting->result, "lines", lines);
	json_add_number(waiting->result, "lines_age",
			(int64_t)(monotime_since(monotime_now(), at) / MONOTIME_NS_PER_SEC));
}

void method_show_orphans(struct control_call *call, struct json_object *parameters, void *userdata)
{
	Asafo__Ipc__List message = ASAFO__IPC__LIST__INIT;
	struct waiting *waiting = waiting_new(userdata, call);
	int r;

	(void)parameters;
	if (!waiting)
		return;
	json_add_number(waiting->result, "more", 0);
	add_lines(waiting);
	message.orphans = true;
	r = engine_keeper_call(waiting->engine, IPC_LIST, &message.base, NULL, 0, on_orphans,
			       waiting);
	if (r < 0)
		waiting_fail(waiting, r,
			     "the keeper is not there just now: try again, or see the log");
}
