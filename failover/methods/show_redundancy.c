/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `show redundancy state`, for people and scripts that come from IOS: our states under the numbers
 * and names of its redundancy facility (CISCO-RF-MIB, RFState less one), as JSON (doc/control.md).
 */
#include "base/cleanup.h"
#include "failover/methods/handlers.h"
#include "failover/replication/replication_internal.h"

struct facility_state {
	int number;
	const char *name;
};

static const struct facility_state facility_states[FO_STATE__MAX] = {
	[FO_STATE_DISABLED] = {1, "DISABLED"},
	[FO_STATE_NEGOTIATION] = {3, "NEGOTIATION"},
	[FO_STATE_COLD_STANDBY] = {4, "STANDBY COLD"},
	[FO_STATE_SYNC_CONFIG] = {5, "STANDBY COLD-CONFIG"},
	[FO_STATE_SYNC_FILE_SYSTEM] = {6, "STANDBY COLD-FILESYS"},
	[FO_STATE_BULK_SYNC] = {7, "STANDBY COLD-BULK"},
	[FO_STATE_STANDBY_READY] = {8, "STANDBY HOT"},
	[FO_STATE_JUST_ACTIVE] = {9, "ACTIVE-FAST"},
	[FO_STATE_ACTIVE_DRAIN] = {10, "ACTIVE-DRAIN"},
	[FO_STATE_ACTIVE_APPLYING_CONFIG] = {11, "ACTIVE_PRECONFIG"},
	[FO_STATE_ACTIVE_CONFIG_APPLIED] = {12, "ACTIVE_POSTCONFIG"},
	[FO_STATE_ACTIVE] = {13, "ACTIVE"},
	[FO_STATE_FAILED] = {1, "DISABLED"},
	[FO_STATE_NOT_DETECTED] = {1, "DISABLED"},
};

static void add_state(struct json_object *result, const char *key, enum fo_state state)
{
	const struct facility_state *known = &facility_states[state];
	struct json_object *object = json_object_new_object();

	json_add_number(object, "number", known->number);
	json_add_text(object, "name", known->name);
	(void)json_object_object_add(result, key, object);
}

/* Whether a switchover may be asked for here, in the facility's words. */
static const char *manual_switchover(const struct engine *engine, bool is_duplex)
{
	if (!is_duplex)
		return "disabled (system is simplex (no peer unit))";
	if (engine->fsm.state == FO_STATE_DISABLED || engine->mate.view.state == FO_STATE_DISABLED)
		return "disabled (failover is off)";
	if (!engine_is_active(engine))
		return "cannot be initiated from this the standby unit";
	if (engine->mate.view.is_maintenance)
		return "disabled (peer unit is in maintenance mode)";
	if (engine->mate.view.state != FO_STATE_STANDBY_READY)
		return "disabled (peer unit not yet in terminal standby state)";
	return "enabled";
}

/* The processes of this unit that follow its role. */
static size_t count_clients(const struct engine *engine)
{
	size_t n = engine->rooms.keeper != NULL;

	for (size_t i = 0; i < ENGINE_FRONTS_MAX; i++)
		n += engine->rooms.fronts[i] != NULL;
	return n;
}

void method_show_redundancy(struct control_call *call, struct json_object *parameters,
			    void *userdata)
{
	const struct engine *engine = userdata;
	struct json_object *result = json_object_new_object();
	bool is_duplex = engine_hears_mate(engine);

	(void)parameters;
	add_state(result, "my_state", engine->fsm.state);
	add_state(result, "peer_state",
		  is_duplex ? engine->mate.view.state : FO_STATE_NOT_DETECTED);
	json_add_text(result, "mode", is_duplex ? "Duplex" : "Simplex");
	json_add_number(result, "unit_id", engine->config->failover.unit);
	json_add_flag(result, "maintenance", engine->fsm.flags.is_maintenance);
	json_add_text(result, "manual_switchover", manual_switchover(engine, is_duplex));
	json_add_flag(result, "communications", is_duplex);
	json_add_text(result, "communications_reason", is_duplex ? "" : "Simplex mode");
	json_add_number(result, "clients", (int64_t)count_clients(engine));
	json_add_number(result, "notification_timer_ms", SYNC_TIMEOUT_MS);
	(void)json_object_object_add(result, "clock", json_clock(engine));
	control_call_reply(call, result);
}
