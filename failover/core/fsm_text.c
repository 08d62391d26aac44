/* SPDX-License-Identifier: Apache-2.0 */
/* The ASA's words for states and reasons (reference: `show failover history`, `show failover
 * state`). */
#include "core/fsm.h"

static const char *const STATE_TEXTS[FO_STATE__MAX] = {
	[FO_STATE_DISABLED] = "Disabled",
	[FO_STATE_NEGOTIATION] = "Negotiation",
	[FO_STATE_COLD_STANDBY] = "Cold Standby",
	[FO_STATE_SYNC_CONFIG] = "Sync Config",
	[FO_STATE_SYNC_FILE_SYSTEM] = "Sync File System",
	[FO_STATE_BULK_SYNC] = "Bulk Sync",
	[FO_STATE_STANDBY_READY] = "Standby Ready",
	[FO_STATE_JUST_ACTIVE] = "Just Active",
	[FO_STATE_ACTIVE_DRAIN] = "Active Drain",
	[FO_STATE_ACTIVE_APPLYING_CONFIG] = "Active Applying Config",
	[FO_STATE_ACTIVE_CONFIG_APPLIED] = "Active Config Applied",
	[FO_STATE_ACTIVE] = "Active",
	[FO_STATE_FAILED] = "Failed",
	[FO_STATE_NOT_DETECTED] = "Not Detected",
};

static const char *const REASON_TEXTS[FO_REASON__MAX] = {
	[FO_REASON_NONE] = "No Error",
	[FO_REASON_HELLO_NOT_HEARD] = "HELLO not heard from mate",
	[FO_REASON_NO_ACTIVE_FOUND] = "No Active unit found",
	[FO_REASON_ACTIVE_MATE] = "Detected an Active mate",
	[FO_REASON_WANTS_ME_STANDBY] = "Other unit wants me Standby",
	[FO_REASON_WANTS_ME_ACTIVE] = "Other unit wants me Active",
	[FO_REASON_CONFIG_COMMAND] = "Set by the config command",
	[FO_REASON_STATE_CHECK] = "Failover state check",
	[FO_REASON_INTERFACE_CHECK] = "Interface check",
	[FO_REASON_INTERFACE_OK] = "Failover interface become OK",
	[FO_REASON_SYNC_DONE] = "Configuration synchronization done",
	[FO_REASON_SYNC_FAILED] = "Configuration synchronization failed",
	[FO_REASON_WRITE_STANDBY] = "Configuration mismatch due to wr standby in active",
	[FO_REASON_CONFIG_MISMATCH] = "Configuration mismatch",
	[FO_REASON_COMMUNICATION_FAILURE] = "My communication failed",
	[FO_REASON_RECOVERED] = "Recovered from communication failure",
	[FO_REASON_NOT_SCHEDULED] = "Unit was not scheduled for longer than its holdtime",
	[FO_REASON_OLDER_TERM] = "Mate was activated later (newer term)",
	[FO_REASON_PROGRESSION_FAILED] = "HA state progression failed",
	[FO_REASON_STORE_FAILED] = "Certificate store not usable",
	[FO_REASON_LEAVING] = "Mate left in an orderly way",
	[FO_REASON_MATE_EMPTY] = "Active mate was replaced and holds no trustpoint",
	[FO_REASON_OTHER_HISTORY] = "Certificate stores have different histories",
	[FO_REASON_PREEMPT] = "Preempt",
	[FO_REASON_TRACK_DOWN] = "Tracked object is down",
	[FO_REASON_SERVICE_FAILED] = "Listener cannot serve clients",
	[FO_REASON_HEALTH_OK] = "Health is restored",
	[FO_REASON_REKEY] = "Failover key changed (rekey)",
};

const char *fo_state_text(enum fo_state state)
{
	return (unsigned)state < FO_STATE__MAX ? STATE_TEXTS[state] : "Unknown";
}

const char *fo_reason_text(enum fo_reason reason)
{
	return (unsigned)reason < FO_REASON__MAX ? REASON_TEXTS[reason] : "Unknown reason";
}

const char *fo_unit_text(enum fo_unit unit)
{
	return unit == FO_UNIT_PRIMARY ? "Primary" : "Secondary";
}

bool fo_state_is_active(enum fo_state state)
{
	return state >= FO_STATE_JUST_ACTIVE && state <= FO_STATE_ACTIVE;
}
