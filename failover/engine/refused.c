/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of this unit that the kernel does not take, and what the log says of them: each time
 * that they are others, and as soon as its pace allows. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "failover/engine/engine.h"

bool engine_address_trouble(const struct engine *engine, struct why *ret_why)
{
	struct why why = {0};
	size_t n = engine->addresses.vip ? vip_refused(engine->addresses.vip, &why) : 0;

	if (n == 0)
		return false;
	if (n == 1)
		(void)why_set(ret_why, 0,
			      "%s; nobody reaches this unit by it, and it is tried again until it "
			      "can be",
			      why.text);
	else
		(void)why_set(
			ret_why, 0,
			"%s, nor can %zu more addresses be; nobody reaches this unit by them, "
			"and they are tried again until they can be",
			why.text, n - 1);
	return true;
}

/* One whose device went, or that this unit gave up, is not set again because it is not asked for.
 */
static void say_end(struct engine_refusals *refusals, const struct vip *vip)
{
	if (vip_holds(vip, &refusals->first))
		log_line(LOG_NOTICE, "addresses: all of this unit's are set again");
}

void engine_addresses_tick(struct engine *engine)
{
	struct engine_refusals *refusals = &engine->addresses.refusals;
	struct vip *vip = engine->addresses.vip;
	struct monotime now = monotime_now();
	struct why why = {0};
	bool is_refused = engine_address_trouble(engine, &why);
	char more[PACE_TEXT_MAX];

	if (strcmp(why.text, refusals->logged) == 0 || !pace_has_room(&refusals->pace, now))
		return;
	(void)pace_take(&refusals->pace, now, more);
	(void)snprintf(refusals->logged, sizeof(refusals->logged), "%s", why.text);
	if (!is_refused) {
		say_end(refusals, vip);
		return;
	}
	log_line(LOG_ERR, "addresses: %s", why.text);
	(void)vip_first_refused(vip, &refusals->first);
}
