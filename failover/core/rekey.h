/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * How the pair comes to another failover key while it serves. Each unit speaks with its current key
 * and accepts a second one as well while there is one:
 *
 *   phase     | current | other    | speaks | accepts
 *   settled   | old     |          | old    | old
 *   prepared  | old     | new      | old    | old, new
 *   switched  | new     | old      | new    | old, new
 *   settled   | new     |          | new    | new
 *
 * The unit that was asked leads. It prepares and offers the new key to the mate; it switches when
 * the mate has prepared the same one; the mate follows when it is told that; each settles when the
 * other speaks with the new key. Every phase is durable before it is told, so whatever the other
 * unit was told last is still true, and after each step, with either unit killed at any place,
 * each accepts what the other speaks. No socket, no clock: what is told and what is known of the
 * mate comes in.
 */
enum rekey_phase {
	REKEY_PHASE_SETTLED,
	REKEY_PHASE_PREPARED,
	REKEY_PHASE_SWITCHED,
	REKEY_PHASE__MAX,
};
const char *rekey_phase_text(enum rekey_phase phase); /* "settled", "prepared", "switched" */

/* What a unit says of itself. Key ids are not 0. */
struct rekey_view {
	enum rekey_phase phase;
	uint64_t current, other; /* OTHER: 0 where it is settled */
	bool is_leading;	 /* prepared: this unit made the new key */
};

enum rekey_action {
	REKEY_ACTION_NONE,
	REKEY_ACTION_OFFER,  /* tell the mate, with the key that it lacks */
	REKEY_ACTION_ACCEPT, /* prepare the key that the mate offered */
	REKEY_ACTION_SWITCH,
	REKEY_ACTION_SETTLE, /* forget the old key, once what is still under way has arrived */
	REKEY_ACTION_CANCEL, /* forget the new key: the mate gave it up */
	REKEY_ACTION__MAX,
};

/*
 * What this unit does, given what it is and what the mate said last on this connection. Total: any
 * two views have an answer. HAS_OFFER: the mate's latest word came with a key. IS_PRIMARY: whose
 * key it will be, where both lead.
 */
enum rekey_action rekey_decide(const struct rekey_view *own, const struct rekey_view *mate,
			       bool has_offer, bool is_primary);
/* Neither of the two units could do without a third thing being said: the views are of one key. */
bool rekey_is_over(const struct rekey_view *own, const struct rekey_view *mate);
