/* SPDX-License-Identifier: Apache-2.0 */
/* What a unit answers a set of OCSP staples. The world's keeper has none, whatever it is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_world.h"

#define ID_OF_NONE UINT64_C(0x9e3779b97f4a7c15)
#define ANOTHER_ID 7u

static void mate_tells_its_set(void)
{
	Asafo__Wire__StapleSet set = ASAFO__WIRE__STAPLE_SET__INIT;

	set.id = ANOTHER_ID;
	world.mate.staple_states = 0;
	world_mate_send(ASAFO__WIRE__LINK__BODY_STAPLE_SET, &set);
	WAIT_FOR(world.mate.staple_states > 0);
}

static void an_active_unit_says_that_it_did_not_take_a_set(void **state)
{
	(void)state;
	world_be_active("");
	world.mate.staple_id = ANOTHER_ID;
	mate_tells_its_set();
	assert_int_equal(world.mate.staple_id, 0);
}

static void a_standby_says_which_set_its_keeper_has_and_not_which_it_was_told(void **state)
{
	(void)state;
	world_be_staging("");
	WAIT_FOR(world.engine->staples.id == ID_OF_NONE);
	mate_tells_its_set();
	assert_int_equal(world.mate.staple_id, ID_OF_NONE);
}

static void what_was_known_of_the_mate_is_forgotten_with_the_role(void **state)
{
	(void)state;
	world_be_active("");
	WAIT_FOR(world.engine->staples.id == ID_OF_NONE && world.engine->staples.is_told);
	world.engine->staples.mate_id = ID_OF_NONE;
	engine_staples_role(world.engine);
	assert_int_equal(world.engine->staples.mate_id, 0);
	assert_false(world.engine->staples.is_told);
	WAIT_FOR(world.engine->staples.is_told);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_active_unit_says_that_it_did_not_take_a_set),
		TEST(a_standby_says_which_set_its_keeper_has_and_not_which_it_was_told),
		TEST(what_was_known_of_the_mate_is_forgotten_with_the_role),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
