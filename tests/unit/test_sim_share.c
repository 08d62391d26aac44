/* SPDX-License-Identifier: Apache-2.0 */
/* How much of the simulations is run where ASAFO_SIM_SHARE says it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "tests/sim/share.h"

static uint64_t share_of(uint64_t whole, const char *share)
{
	assert_int_equal(setenv("ASAFO_SIM_SHARE", share, 1), 0);
	return sim_share_of(whole);
}

static void all_is_run_where_nothing_is_said(void **state)
{
	(void)state;
	assert_int_equal(unsetenv("ASAFO_SIM_SHARE"), 0);
	assert_int_equal(sim_share_of(10000), 10000);
	assert_int_equal(share_of(10000, ""), 10000);
	assert_int_equal(share_of(10000, "0"), 10000);
	assert_int_equal(share_of(10000, "1"), 10000);
}

static void one_in_n_is_run_and_one_at_least(void **state)
{
	(void)state;
	assert_int_equal(share_of(10000, "20"), 500);
	assert_int_equal(share_of(10000, "9999"), 1);
	assert_int_equal(share_of(10000, "10000"), 1);
	assert_int_equal(share_of(10000, "20000"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_run_where_nothing_is_said),
		cmocka_unit_test(one_in_n_is_run_and_one_at_least),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
