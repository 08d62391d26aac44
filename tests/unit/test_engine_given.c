/* SPDX-License-Identifier: Apache-2.0 */
/* The lines that only this unit had, when those of an active mate come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine_world.h"
#include "failover/methods/handlers.h"
#include "failover/replication/replication.h"

#define OURS "track 7 ping 192.0.2.9\n"
#define THEIRS "hostname theirs\n"
#define LATER "track 8 ping 192.0.2.8\n"

static void mate_commands(const char *text)
{
	world_mate_commands(text);
	assert_string_equal(world.engine->config->hostname, "theirs");
}

static void operator_types(const char *text)
{
	struct why why = {0};

	assert_int_equal(configure_text(world.engine, text, NULL, &why), 0);
}

static void mate_serves_in(uint64_t term)
{
	world.mate.says.view.state = FO_STATE_ACTIVE;
	world.mate.says.view.wants_active = false;
	world.mate.says.view.is_serving = true;
	world.mate.says.view.term = term;
}

static bool was_given(const char *line)
{
	struct monotime at;
	const char *lines = replication_given_lines(world.engine->replication, &at);

	return lines && strstr(lines, line);
}

/* The keeper is slow with what only this unit accepted: the bulk has not begun. */
static void what_a_unit_typed_alone_stays_listed_when_lines_come_before_its_bulk(void **state)
{
	(void)state;
	world_be_active("");
	world.keeper.holds[IPC_ORPHAN_KEEP] = true;
	operator_types(OURS);
	mate_serves_in(101);
	WAIT_FOR(world.engine->fsm.state == FO_STATE_COLD_STANDBY);
	mate_commands(THEIRS LATER);
	assert_true(was_given("track 7"));
	mate_commands(THEIRS);
	assert_true(was_given("track 7"));
	assert_false(was_given("track 8"));
}

static void a_unit_whose_failover_is_off_gives_nothing_up_silently(void **state)
{
	(void)state;
	world_be_active("");
	operator_types("no failover\n");
	operator_types(OURS);
	assert_int_equal(world.engine->fsm.state, FO_STATE_DISABLED);
	mate_serves_in(101);
	WAIT_FOR(!engine_is_active(world.engine));
	assert_int_equal(world.engine->fsm.state, FO_STATE_DISABLED);
	mate_commands(THEIRS LATER);
	assert_true(was_given("track 7"));
	mate_commands(THEIRS);
	assert_true(was_given("track 7"));
	assert_false(was_given("track 8"));
}

/* Those of its startup-config are listed, what the mate takes back during the bulk is not. */
static void an_edit_during_the_bulk_of_a_unit_that_starts_is_not_its_own(void **state)
{
	(void)state;
	world_be_staging(OURS);
	mate_commands(THEIRS LATER);
	assert_int_equal(world.engine->fsm.state, FO_STATE_BULK_SYNC);
	assert_true(was_given("track 7"));
	mate_commands(THEIRS);
	assert_true(was_given("track 7"));
	assert_false(was_given("track 8"));
}

static void hand_over(void)
{
	struct fo_mate_view *view = &world.mate.says.view;

	view->position = world.engine->fsm.position;
	view->term = world.engine->fsm.term;
	view->wants_active = true;
	WAIT_FOR(world.engine->fsm.state == FO_STATE_STANDBY_READY);
	mate_serves_in(world.engine->fsm.term + 101);
	WAIT_FOR(world.engine->fsm.term == view->term);
}

static void what_was_handed_over_with_the_role_is_not_this_unit_s_alone(void **state)
{
	(void)state;
	world_be_active(OURS);
	hand_over();
	assert_int_equal(world.engine->fsm.state, FO_STATE_STANDBY_READY);
	mate_commands(THEIRS);
	assert_false(was_given("track 7"));
}

/* With the lines that it had saved once. */
static void what_an_active_mate_lost_by_its_restart_is_listed(void **state)
{
	uint64_t boot;

	(void)state;
	world_be_active(OURS);
	hand_over();
	boot = world.engine->mate.boot;
	world.engine->mate.boot++; /* it was another one */
	WAIT_FOR(world.engine->mate.boot == boot);
	mate_commands(THEIRS);
	assert_true(was_given("track 7"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_a_unit_typed_alone_stays_listed_when_lines_come_before_its_bulk),
		TEST(a_unit_whose_failover_is_off_gives_nothing_up_silently),
		TEST(an_edit_during_the_bulk_of_a_unit_that_starts_is_not_its_own),
		TEST(what_was_handed_over_with_the_role_is_not_this_unit_s_alone),
		TEST(what_an_active_mate_lost_by_its_restart_is_listed),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
