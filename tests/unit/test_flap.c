/* SPDX-License-Identifier: Apache-2.0 */
/* Links that go and come again and again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failover/engine/flap.h"

static struct monotime at(uint64_t ms)
{
	return (struct monotime){(1000000 + ms) * MONOTIME_NS_PER_MS};
}

static bool go(struct flap *flap, uint64_t ms)
{
	assert_false(flap_step(flap, false, at(ms)));
	return flap_step(flap, true, at(ms + 1));
}

static void a_link_that_goes_now_and_then_counts_as_soon_as_it_comes(void **state)
{
	struct flap flap = {0};

	(void)state;
	assert_true(flap_step(&flap, true, at(0)));
	for (uint64_t i = 1; i < 100; i++)
		assert_true(go(&flap, i * (FLAP_WITHIN_MS / FLAP_DOWNS + 1)));
	assert_int_equal(flap_deadline(&flap).ns, MONOTIME_NEVER.ns);
}

static void one_that_goes_again_and_again_is_down_until_it_has_stayed_up(void **state)
{
	struct flap flap = {0};

	(void)state;
	assert_true(flap_step(&flap, true, at(0)));
	for (uint64_t i = 1; i <= FLAP_DOWNS; i++)
		assert_true(go(&flap, i * 10));
	for (uint64_t i = FLAP_DOWNS + 1; i < 100; i++)
		assert_false(go(&flap, i * 10));
	assert_int_equal(flap_deadline(&flap).ns, at(99 * 10 + 1 + FLAP_CALM_MS).ns);
	assert_false(flap_step(&flap, true, at(99 * 10 + FLAP_CALM_MS)));
	assert_true(flap_step(&flap, true, at(99 * 10 + 1 + FLAP_CALM_MS)));
	assert_false(flap.is_flapping);
	/* It has not become a better one by that. */
	assert_false(go(&flap, 99 * 10 + 2 + FLAP_CALM_MS));
}

static void one_that_goes_slowly_but_always_counts_as_up_when_it_stays_up(void **state)
{
	const uint64_t period = FLAP_WITHIN_MS / FLAP_DOWNS - 100;
	struct flap flap = {0};

	(void)state;
	assert_true(flap_step(&flap, true, at(0)));
	for (uint64_t i = 1; i <= FLAP_DOWNS; i++)
		assert_true(go(&flap, i * period));
	for (uint64_t i = FLAP_DOWNS + 1; i < 20; i++) {
		assert_false(go(&flap, i * period));
		assert_true(flap_step(&flap, true, at(i * period + 1 + FLAP_CALM_MS)));
	}
	assert_true(go(&flap, 20 * period + FLAP_WITHIN_MS));
}

static void one_that_stays_away_is_asked_for_by_nobody(void **state)
{
	struct flap flap = {0};

	(void)state;
	assert_true(flap_step(&flap, true, at(0)));
	for (uint64_t i = 1; i < 10; i++)
		(void)go(&flap, i * 10);
	assert_true(flap.is_flapping);
	assert_false(flap_step(&flap, false, at(200)));
	assert_int_equal(flap_deadline(&flap).ns, MONOTIME_NEVER.ns);
	assert_false(flap_step(&flap, false, at(100000)));
	assert_false(flap_step(&flap, true, at(200000)));
	assert_true(flap_step(&flap, true, at(200000 + FLAP_CALM_MS)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_that_goes_now_and_then_counts_as_soon_as_it_comes),
		cmocka_unit_test(one_that_goes_again_and_again_is_down_until_it_has_stayed_up),
		cmocka_unit_test(one_that_goes_slowly_but_always_counts_as_up_when_it_stays_up),
		cmocka_unit_test(one_that_stays_away_is_asked_for_by_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
