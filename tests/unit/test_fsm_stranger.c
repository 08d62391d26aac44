/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody on the failover link who cannot be understood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/fsm.h"
#include "fsm_world.h"

static void hear_stranger(struct unit *unit, bool is_serving)
{
	feed(unit, (struct fo_event){.type = FO_EVENT_STRANGER, .is_stranger_serving = is_serving});
}

static struct fo_params secondary(void)
{
	struct fo_params params = PRIMARY;

	params.unit = FO_UNIT_SECONDARY;
	return params;
}

/* For MS, hearing one each polltime. */
static void pass_beside(struct unit *unit, bool is_serving, unsigned ms)
{
	for (unsigned passed = 0; passed < ms; passed += POLL_MS) {
		hear_stranger(unit, is_serving);
		pass_ms(unit, POLL_MS);
	}
}

static void who_starts_beside_a_stranger_that_serves_waits_until_it_falls_silent(void **state)
{
	struct unit unit = started(PRIMARY);

	(void)state;
	pass_beside(&unit, true, 10 * HOLD_MS);
	assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_NONE);
	pass_ms(&unit, HOLD_MS);
	pass_ms(&unit, POLL_MS);
	assert_in(&unit, FO_STATE_JUST_ACTIVE, FO_REASON_NO_ACTIVE_FOUND);
}

static void of_two_strangers_that_start_the_primary_goes_first(void **state)
{
	struct unit first = started(PRIMARY), second = started(secondary());

	(void)state;
	pass_beside(&first, false, HOLD_MS);
	assert_in(&first, FO_STATE_JUST_ACTIVE, FO_REASON_NO_ACTIVE_FOUND);
	pass_beside(&second, false, 2 * HOLD_MS);
	assert_in(&second, FO_STATE_NEGOTIATION, FO_REASON_NONE);
	/* But not for ever. */
	pass_beside(&second, false, 2 * HOLD_MS);
	assert_in(&second, FO_STATE_JUST_ACTIVE, FO_REASON_NO_ACTIVE_FOUND);
}

static void a_standby_whose_mate_got_another_key_does_not_serve_beside_it(void **state)
{
	struct unit unit = ready();

	(void)state;
	pass_beside(&unit, true, 2 * HOLD_MS);
	assert_in(&unit, FO_STATE_NEGOTIATION, FO_REASON_COMMUNICATION_FAILURE);
	feed_type(&unit, FO_EVENT_OPERATOR_ACTIVE);
	assert_true(fo_state_is_active(unit.fsm.state));
}

static void an_active_unit_is_not_moved_by_what_proves_nothing(void **state)
{
	struct unit unit = active();

	(void)state;
	pass_beside(&unit, true, 10 * HOLD_MS);
	assert_int_equal(unit.fsm.state, FO_STATE_ACTIVE);
	assert_null(find(&unit, FO_ACTION_RELEASE));
}

static void an_authentic_hello_ends_the_doubt(void **state)
{
	struct unit unit = started(PRIMARY);

	(void)state;
	hear_stranger(&unit, true);
	hear(&unit, ACTIVE_MATE);
	assert_in(&unit, FO_STATE_COLD_STANDBY, FO_REASON_ACTIVE_MATE);
	pass_ms(&unit, HOLD_MS);
	assert_true(fo_state_is_active(unit.fsm.state));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			who_starts_beside_a_stranger_that_serves_waits_until_it_falls_silent),
		cmocka_unit_test(of_two_strangers_that_start_the_primary_goes_first),
		cmocka_unit_test(a_standby_whose_mate_got_another_key_does_not_serve_beside_it),
		cmocka_unit_test(an_active_unit_is_not_moved_by_what_proves_nothing),
		cmocka_unit_test(an_authentic_hello_ends_the_doubt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
