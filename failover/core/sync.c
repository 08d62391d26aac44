/* SPDX-License-Identifier: Apache-2.0 */
/* What both ends of a replication session share: places, and their words. */
#include "core/sync.h"

#include <string.h>

void sync_sender_init(struct sync_sender *ret_sender)
{
	*ret_sender = (struct sync_sender){.deadline = MONOTIME_NEVER};
}

void sync_receiver_init(struct sync_receiver *ret_receiver)
{
	*ret_receiver = (struct sync_receiver){.deadline = MONOTIME_NEVER};
}

bool sync_place_equal(const struct sync_place *a, const struct sync_place *b)
{
	return a->term == b->term && a->seq == b->seq &&
	       (a->lineage == b->lineage || a->lineage == 0 || b->lineage == 0) &&
	       memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

bool sync_receiver_expects_ack(const struct sync_receiver *receiver, uint32_t id)
{
	return receiver->state == SYNC_RECEIVE_ACKNOWLEDGE && receiver->id == id;
}

const char *sync_send_state_text(enum sync_send_state state)
{
	static const char *const texts[SYNC_SEND__MAX] = {
		[SYNC_SEND_IDLE] = "idle",	 [SYNC_SEND_ASKED] = "asked",
		[SYNC_SEND_OPENING] = "opening", [SYNC_SEND_MANIFEST] = "manifest",
		[SYNC_SEND_ITEMS] = "items",	 [SYNC_SEND_COMMIT] = "commit",
		[SYNC_SEND_PAUSED] = "paused",	 [SYNC_SEND_RESUMING] = "resuming",
	};

	return (unsigned)state < SYNC_SEND__MAX ? texts[state] : "?";
}

const char *sync_receive_state_text(enum sync_receive_state state)
{
	static const char *const texts[SYNC_RECEIVE__MAX] = {
		[SYNC_RECEIVE_IDLE] = "idle",
		[SYNC_RECEIVE_WANTED] = "wanted",
		[SYNC_RECEIVE_ASKING] = "asking",
		[SYNC_RECEIVE_ASKED] = "asked",
		[SYNC_RECEIVE_STAGING] = "staging",
		[SYNC_RECEIVE_COMMIT] = "commit",
		[SYNC_RECEIVE_ACKNOWLEDGE] = "acknowledge",
		[SYNC_RECEIVE_PAUSED] = "paused",
	};

	return (unsigned)state < SYNC_RECEIVE__MAX ? texts[state] : "?";
}

const char *sync_cause_text(enum sync_cause cause)
{
	static const char *const texts[SYNC_CAUSE__MAX] = {
		[SYNC_CAUSE_NOT_RESUMED] =
			"the failover link went down in the middle and was not back in time",
		[SYNC_CAUSE_TIMEOUT] = "the mate made no progress for 30 s: see its log, then "
				       "`asafo write-standby` on the active",
		[SYNC_CAUSE_NOT_STANDBY] =
			"it has not joined this active yet, or is putting aside what only it "
			"accepted while it was active: try again",
		[SYNC_CAUSE_NOT_ACTIVE] = "the unit that was asked is not active",
		[SYNC_CAUSE_ROLE] = "stopped: this unit's role changed",
		[SYNC_CAUSE_STOPPED] = "stopped: this unit's role changed",
		[SYNC_CAUSE_DIFFERS] =
			"the standby's digest is not ours: its store is not what was sent",
		[SYNC_CAUSE_CONFIG] = "the standby's running-config is not ours after it was sent: "
				      "compare `asafo show running-config` on both units",
		[SYNC_CAUSE_HISTORY] = "the active's certificate store has another history, and "
				       "what is here is not put aside yet: nothing was taken",
		[SYNC_CAUSE_MALFORMED] = "the active's session is not the one that was begun",
	};

	return (unsigned)cause < SYNC_CAUSE__MAX && texts[cause] ? texts[cause] : "";
}
