/* SPDX-License-Identifier: Apache-2.0 */
/* The terms that this unit promised and was active in. */
#include <inttypes.h>

#include "certstore/keeper/keeper_state.h"

#define TERMS_KEY "terms"

int keeper_terms_get(struct keeper *keeper, uint64_t *ret_promised, uint64_t *ret_activated)
{
	_cleanup_(buf_done) struct buf bytes = {0};
	Asafo__Record__UnitTerms *terms;
	int r = store_unit_get(keeper->store, TERMS_KEY, &bytes);

	*ret_promised = *ret_activated = 0;
	if (r < 0)
		return r == ERR_NOT_FOUND ? 0 : r;
	terms = asafo__record__unit_terms__unpack(NULL, bytes.size, bytes.data);
	if (!terms)
		return ERR_STORE;
	*ret_promised = terms->promised;
	*ret_activated = terms->activated;
	asafo__record__unit_terms__free_unpacked(terms, NULL);
	return 0;
}

int keeper_raise_terms(struct keeper *keeper, uint64_t promised, uint64_t activated,
		       struct why *ret_why)
{
	Asafo__Record__UnitTerms terms = ASAFO__RECORD__UNIT_TERMS__INIT;
	uint8_t packed[64];
	struct store_change change = {TERMS_KEY, packed, 0};
	uint64_t old_promised, old_activated;
	int r = keeper_terms_get(keeper, &old_promised, &old_activated);

	if (r < 0)
		return why_set(ret_why, r, "the unit's terms cannot be read: %s", err_text(r));
	if (promised < activated)
		promised = activated;
	if (promised <= old_promised && activated <= old_activated)
		return 0;
	terms.promised = promised > old_promised ? promised : old_promised;
	terms.activated = activated > old_activated ? activated : old_activated;
	change.value_size = asafo__record__unit_terms__pack(&terms, packed);
	return store_unit_change(keeper->store, &change, 1, ret_why);
}

int keeper_check_term(struct keeper *keeper, uint64_t term, struct why *ret_why)
{
	uint64_t promised, activated;
	int r = keeper_terms_get(keeper, &promised, &activated);

	if (r < 0)
		return why_set(ret_why, r, "the unit's terms cannot be read: %s", err_text(r));
	if (term < activated)
		return why_set(ret_why, ERR_NOT_ACTIVE,
			       "this unit gave way (term %" PRIu64 ") before this was done (term "
			       "%" PRIu64 "): do it on the active unit; nothing was changed",
			       activated, term);
	return 0;
}
