/* SPDX-License-Identifier: Apache-2.0 */
/* The engine and what only its unit accepted, while the keeper has no room to put it aside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "engine_world.h"

static void mate_serves_in(uint64_t term)
{
	world.mate.says.view.state = FO_STATE_ACTIVE;
	world.mate.says.view.wants_active = false;
	world.mate.says.view.is_serving = true;
	world.mate.says.view.term = term;
}

static void mate_starts(uint32_t id)
{
	Asafo__Wire__SyncStart start = ASAFO__WIRE__SYNC_START__INIT;
	char reason[] = "write standby";

	start.id = id;
	start.reason = reason;
	world_mate_send(ASAFO__WIRE__LINK__BODY_SYNC_START, &start);
}

/* The older term gives way; its disk is full. */
static void give_way_on_a_full_disk(void)
{
	world_be_active("");
	world.keeper.codes[IPC_ORPHAN_KEEP] = ERR_STORE;
	mate_serves_in(101);
	WAIT_FOR(world.keeper.asked[IPC_ORPHAN_KEEP] > 0);
	WAIT_FOR(world.engine->fsm.state == FO_STATE_COLD_STANDBY &&
		 !world.engine->store.orphans.is_keeping);
	assert_int_equal(WORLD_GOT(SYNC_REQUEST), 0);
}

/* Active once more, then Standby Ready by handing over to a mate that is level. */
static void take_over_and_hand_over(void)
{
	struct fo_mate_view *view = &world.mate.says.view;

	world.mate.is_silent = true;
	WAIT_FOR(world.engine->fsm.state == FO_STATE_ACTIVE);
	view->state = FO_STATE_STANDBY_READY;
	view->is_serving = false;
	view->position = world.engine->fsm.position;
	view->term = world.engine->fsm.term;
	view->wants_active = true;
	world.mate.is_silent = false;
	WAIT_FOR(world.engine->fsm.state == FO_STATE_STANDBY_READY);
	mate_serves_in(world.engine->fsm.term + 100);
	WAIT_FOR(world.engine->fsm.term == view->term);
	assert_int_equal(world.engine->fsm.state, FO_STATE_STANDBY_READY);
}

static void what_is_owed_a_place_aside_gets_it_when_the_mate_sends_two_roles_later(void **state)
{
	unsigned asked;

	(void)state;
	give_way_on_a_full_disk();
	take_over_and_hand_over();
	assert_int_not_equal(world.engine->store.orphans.term, 0);
	asked = world.keeper.asked[IPC_ORPHAN_KEEP];
	world.keeper.codes[IPC_ORPHAN_KEEP] = 0;
	mate_starts(4711);
	WAIT_FOR(WORLD_GOT(SYNC_REQUEST) == 1);
	assert_int_equal(WORLD_LAST_ID(SYNC_REQUEST), 4711);
	assert_int_equal(world.keeper.asked[IPC_ORPHAN_KEEP], asked + 1);
	assert_int_equal(world.engine->store.orphans.term, 0);
}

static void the_mate_is_told_what_the_keeper_says_and_the_next_start_tries_again(void **state)
{
	(void)state;
	give_way_on_a_full_disk();
	take_over_and_hand_over();
	mate_starts(4711);
	WAIT_FOR(WORLD_GOT(SYNC_RESULT) > 0 && WORLD_LAST_ID(SYNC_RESULT) == 4711);
	assert_int_equal(world.mate.last_code, ERR_STORE);
	world.keeper.codes[IPC_ORPHAN_KEEP] = 0;
	mate_starts(4712);
	WAIT_FOR(WORLD_GOT(SYNC_REQUEST) == 1);
	assert_int_equal(WORLD_LAST_ID(SYNC_REQUEST), 4712);
}

/* Nothing is asked of the mate until there is room, and then without anybody's word. */
static void a_joining_unit_goes_on_as_soon_as_there_is_room(void **state)
{
	unsigned asked;

	(void)state;
	give_way_on_a_full_disk();
	asked = world.keeper.asked[IPC_ORPHAN_KEEP];
	WAIT_FOR(world.keeper.asked[IPC_ORPHAN_KEEP] > asked);
	assert_int_equal(WORLD_GOT(SYNC_REQUEST), 0);
	world.keeper.codes[IPC_ORPHAN_KEEP] = 0;
	WAIT_FOR(WORLD_GOT(SYNC_REQUEST) == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_owed_a_place_aside_gets_it_when_the_mate_sends_two_roles_later),
		TEST(the_mate_is_told_what_the_keeper_says_and_the_next_start_tries_again),
		TEST(a_joining_unit_goes_on_as_soon_as_there_is_room),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
