/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_rekey walks every state that two units can come into. */
#include "core/rekey.h"

const char *rekey_phase_text(enum rekey_phase phase)
{
	static const char *const texts[REKEY_PHASE__MAX] = {
		[REKEY_PHASE_SETTLED] = "settled",
		[REKEY_PHASE_PREPARED] = "prepared",
		[REKEY_PHASE_SWITCHED] = "switched",
	};

	return (unsigned)phase < REKEY_PHASE__MAX ? texts[phase] : "unknown";
}

/* It has made a key for the pair that this unit does not have. */
static bool offers_another(const struct rekey_view *own, const struct rekey_view *mate)
{
	return mate->phase == REKEY_PHASE_PREPARED && mate->is_leading && mate->other != own->other;
}

static enum rekey_action lead(const struct rekey_view *own, const struct rekey_view *mate,
			      bool has_offer, bool is_primary)
{
	if (mate->phase == REKEY_PHASE_PREPARED && mate->other == own->other)
		return REKEY_ACTION_SWITCH;
	if (!is_primary && offers_another(own, mate))
		return has_offer ? REKEY_ACTION_ACCEPT : REKEY_ACTION_NONE;
	return REKEY_ACTION_OFFER;
}

static enum rekey_action follow(const struct rekey_view *own, const struct rekey_view *mate,
				bool has_offer)
{
	if (offers_another(own, mate))
		return has_offer ? REKEY_ACTION_ACCEPT : REKEY_ACTION_NONE;
	if (mate->phase == REKEY_PHASE_PREPARED && mate->other == own->other)
		return REKEY_ACTION_NONE;
	/* Who leads says so as long as it does; it has not switched, or its current key were
	 * another. */
	return REKEY_ACTION_CANCEL;
}

static enum rekey_action decide_same(const struct rekey_view *own, const struct rekey_view *mate,
				     bool has_offer, bool is_primary)
{
	switch (own->phase) {
	case REKEY_PHASE_SWITCHED:
		return REKEY_ACTION_SETTLE;
	case REKEY_PHASE_PREPARED:
		return own->is_leading ? lead(own, mate, has_offer, is_primary)
				       : follow(own, mate, has_offer);
	case REKEY_PHASE_SETTLED:
		return offers_another(own, mate) && has_offer ? REKEY_ACTION_ACCEPT
							      : REKEY_ACTION_NONE;
	case REKEY_PHASE__MAX:
		break;
	}
	return REKEY_ACTION_NONE;
}

enum rekey_action rekey_decide(const struct rekey_view *own, const struct rekey_view *mate,
			       bool has_offer, bool is_primary)
{
	if (own->current == mate->current)
		return decide_same(own, mate, has_offer, is_primary);
	/* The mate has switched, so it knows that this unit can. */
	if (own->phase == REKEY_PHASE_PREPARED && own->other == mate->current)
		return REKEY_ACTION_SWITCH;
	/* This unit has; where the mate lost the key that it had prepared (its disk came from a
	 * backup), it is given it again. */
	if (own->phase == REKEY_PHASE_SWITCHED && own->other == mate->current)
		return mate->phase == REKEY_PHASE_PREPARED && mate->other == own->current
			       ? REKEY_ACTION_NONE
			       : REKEY_ACTION_OFFER;
	if (mate->phase == REKEY_PHASE_SWITCHED && mate->other == own->current &&
	    own->phase != REKEY_PHASE_SWITCHED && has_offer)
		return REKEY_ACTION_ACCEPT;
	return REKEY_ACTION_NONE;
}

bool rekey_is_over(const struct rekey_view *own, const struct rekey_view *mate)
{
	return own->phase == REKEY_PHASE_SETTLED && mate->current == own->current;
}
