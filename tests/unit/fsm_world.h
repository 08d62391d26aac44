/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/fsm.h"

/* One unit's state machine with its clock, and the words in which its tests speak. All of it
 * asserts. */
#define POLL_MS 200
#define HOLD_MS 600

struct unit {
	struct fo_fsm fsm;
	struct fo_update update;
	struct monotime now;
};

extern const struct fo_params PRIMARY;
/* Of a mate that is active in term 3. */
extern const struct fo_mate_view ACTIVE_MATE;

/* The event happens now; what it leads to is in unit->update. */
void feed(struct unit *unit, struct fo_event event);
void feed_type(struct unit *unit, enum fo_event_type type);
/* A mate without a score is healthy. */
void hear(struct unit *unit, struct fo_mate_view mate);
/* ... and again when an election may be held. */
void stand_beside(struct unit *unit, struct fo_mate_view mate);
/* So many of this unit's interfaces fail, of which one is enough. */
void fail_interfaces(struct unit *unit, uint32_t failed);
/* The clock moves on, then ticks. */
void pass_ms(struct unit *unit, uint64_t ms);
/* The first action of that type in the last update; NULL: there is none. */
const struct fo_action *find(const struct unit *unit, enum fo_action_type type);
size_t index_of(const struct unit *unit, enum fo_action_type type);
/* The term that the last update wanted persisted is. */
void durable(struct unit *unit);
struct unit started(struct fo_params params);
struct unit active(void);
/* The standby of a mate that is active in term 3. */
struct unit ready(void);
void assert_in(const struct unit *unit, enum fo_state state, enum fo_reason reason);
