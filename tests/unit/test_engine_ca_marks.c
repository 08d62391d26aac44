/* SPDX-License-Identifier: Apache-2.0 */
/* By what the local CAs are known: told, and kept, or told again until it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "engine_world.h"

static void mate_tells_issued(bool is_all)
{
	Asafo__Wire__LocalCaMarks marks = ASAFO__WIRE__LOCAL_CA_MARKS__INIT;
	uint8_t id[32] = {7};
	ProtobufCBinaryData issued = {sizeof(id), id};
	unsigned before = world.keeper.asked[IPC_LOCALCA_MARKS];

	marks.issued = &issued;
	marks.n_issued = 1;
	marks.all = is_all;
	world_mate_send(ASAFO__WIRE__LINK__BODY_LOCAL_CA_MARKS, &marks);
	WAIT_FOR(world.keeper.asked[IPC_LOCALCA_MARKS] > before);
}

static void mate_tells(void)
{
	mate_tells_issued(false);
}

static void mate_tells_all(void)
{
	mate_tells_issued(true);
}

/* The time until the next try goes by. */
static void next_try(void)
{
	assert_true(sd_event_source_set_time_relative(world.engine->ca_marks.timer, 0) >= 0);
}

static unsigned pace_ms(void)
{
	uint64_t at = 0, now = 0;
	int enabled = SD_EVENT_OFF;

	assert_true(sd_event_source_get_enabled(world.engine->ca_marks.timer, &enabled) >= 0);
	if (enabled == SD_EVENT_OFF)
		return 0;
	assert_true(sd_event_source_get_time(world.engine->ca_marks.timer, &at) >= 0);
	assert_true(sd_event_now(world.event, CLOCK_MONOTONIC, &now) >= 0);
	return at > now ? (unsigned)((at - now) / 1000) : 1;
}

static void what_is_refused_is_asked_for_again_until_it_is_kept(void **state)
{
	struct why why = {0};

	(void)state;
	world_be_active("");
	world.keeper.codes[IPC_LOCALCA_MARKS] = -ENOSPC;
	mate_tells();
	WAIT_FOR(world.engine->ca_marks.is_refused);
	assert_false(ca_marks_trouble(world.engine, &why));
	assert_in_range(pace_ms(), 5000, 10000);
	for (unsigned i = 1; i <= 8; i++) {
		next_try();
		WAIT_FOR(world.mate.ca_marks_wanted == i);
		mate_tells();
		WAIT_FOR(!world.engine->ca_marks.has_asked);
	}
	assert_in_range(pace_ms(), 300000, 640000);
	assert_true(ca_marks_trouble(world.engine, &why));
	assert_non_null(strstr(why.text, "the mate's local CA"));
	world.keeper.codes[IPC_LOCALCA_MARKS] = 0;
	/* Asked for, and nothing comes: that is no reason to believe anything. */
	next_try();
	WAIT_FOR(world.mate.ca_marks_wanted == 9);
	next_try();
	WAIT_FOR(world.mate.ca_marks_wanted == 10);
	assert_true(ca_marks_trouble(world.engine, &why));
	mate_tells_all();
	WAIT_FOR(world.engine->ca_marks.was_kept);
	next_try();
	WAIT_FOR(!world.engine->ca_marks.is_refused);
	assert_false(ca_marks_trouble(world.engine, &why));
	assert_int_equal(pace_ms(), 0);
	assert_int_equal(world.mate.ca_marks_wanted, 10);
}

/* A mate of an older version does not tell all of it again; what it issues meanwhile is not all. */
static void one_that_is_kept_is_not_all_of_them(void **state)
{
	Asafo__Wire__LocalCaMarks marks = ASAFO__WIRE__LOCAL_CA_MARKS__INIT;
	uint8_t mark[] = {1};
	ProtobufCBinaryData own = {sizeof(mark), mark};
	unsigned before;

	(void)state;
	world_be_active("");
	world.keeper.codes[IPC_LOCALCA_MARKS] = -ENOSPC;
	mate_tells();
	WAIT_FOR(world.engine->ca_marks.is_refused);
	world.keeper.codes[IPC_LOCALCA_MARKS] = 0;
	next_try();
	WAIT_FOR(world.mate.ca_marks_wanted == 1);
	mate_tells();
	next_try();
	WAIT_FOR(world.mate.ca_marks_wanted == 2);
	assert_true(world.engine->ca_marks.is_refused);
	/* Its link comes up anew: it tells everything, its CA's identifiers first. */
	before = world.keeper.asked[IPC_LOCALCA_MARKS];
	marks.marks = &own;
	marks.n_marks = 1;
	world_mate_send(ASAFO__WIRE__LINK__BODY_LOCAL_CA_MARKS, &marks);
	WAIT_FOR(world.keeper.asked[IPC_LOCALCA_MARKS] > before && world.engine->ca_marks.was_kept);
	next_try();
	WAIT_FOR(!world.engine->ca_marks.is_refused);
}

static void mate_asks(void)
{
	Asafo__Wire__LocalCaMarks wanted = ASAFO__WIRE__LOCAL_CA_MARKS__INIT;
	char why[] = "no room";

	wanted.again = true;
	wanted.why = why;
	world_mate_send(ASAFO__WIRE__LINK__BODY_LOCAL_CA_MARKS, &wanted);
}

static void what_could_not_be_told_is_told_again(void **state)
{
	unsigned before;

	(void)state;
	world_be_active("");
	world.keeper.codes[IPC_LOCALCA_MARKS] = ERR_STORE;
	mate_asks();
	WAIT_FOR(world.engine->ca_marks.is_tell_due);
	assert_in_range(pace_ms(), 5000, 10000);
	for (unsigned i = 0; i < 8; i++) {
		before = world.keeper.asked[IPC_LOCALCA_MARKS];
		next_try();
		WAIT_FOR(world.keeper.asked[IPC_LOCALCA_MARKS] > before &&
			 world.engine->ca_marks.is_tell_due);
	}
	assert_in_range(pace_ms(), 300000, 640000);
	world.keeper.codes[IPC_LOCALCA_MARKS] = 0;
	before = world.keeper.asked[IPC_LOCALCA_MARKS];
	next_try();
	WAIT_FOR(world.keeper.asked[IPC_LOCALCA_MARKS] > before);
	assert_false(world.engine->ca_marks.is_tell_due);
	WAIT_FOR(world.mate.ca_marks_empty == 1);
	assert_int_equal(pace_ms(), 0);
	/* The next failure is a new one. */
	world.keeper.codes[IPC_LOCALCA_MARKS] = ERR_STORE;
	mate_asks();
	WAIT_FOR(world.engine->ca_marks.is_tell_due);
	assert_in_range(pace_ms(), 5000, 10000);
}

/* Its mate kept nothing of what was before it, and waits to hear of something that it can keep. */
static void a_unit_without_a_local_ca_answers_where_it_is_asked(void **state)
{
	unsigned before;

	(void)state;
	world_be_active("");
	before = world.keeper.asked[IPC_LOCALCA_MARKS];
	ca_marks_tell(world.engine);
	WAIT_FOR(world.keeper.asked[IPC_LOCALCA_MARKS] == before + 1);
	mate_asks();
	WAIT_FOR(world.mate.ca_marks_empty > 0);
	assert_int_equal(world.mate.ca_marks_told, 1);
}

static void a_mate_that_has_nothing_any_more_ends_the_trouble(void **state)
{
	Asafo__Wire__LocalCaMarks nothing = ASAFO__WIRE__LOCAL_CA_MARKS__INIT;

	(void)state;
	world_be_active("");
	world.keeper.codes[IPC_LOCALCA_MARKS] = -ENOSPC;
	mate_tells();
	WAIT_FOR(world.engine->ca_marks.is_refused);
	world.keeper.codes[IPC_LOCALCA_MARKS] = 0;
	next_try();
	WAIT_FOR(world.mate.ca_marks_wanted == 1);
	world_mate_send(ASAFO__WIRE__LINK__BODY_LOCAL_CA_MARKS, &nothing);
	WAIT_FOR(world.engine->ca_marks.was_kept);
	next_try();
	WAIT_FOR(!world.engine->ca_marks.is_refused);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_refused_is_asked_for_again_until_it_is_kept,
						world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(one_that_is_kept_is_not_all_of_them, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(what_could_not_be_told_is_told_again, world_setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(a_unit_without_a_local_ca_answers_where_it_is_asked,
						world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(a_mate_that_has_nothing_any_more_ends_the_trouble,
						world_setup, world_teardown),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
