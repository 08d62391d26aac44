/* SPDX-License-Identifier: Apache-2.0 */
/* What a unit answers a set of OCSP staples. The world's keeper has none, whatever it is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* ---- what is judged ---- */

static uint8_t leaf[STAPLES_FINGERPRINT_SIZE] = {1, 2, 3};

static Asafo__Record__TrustpointPublic part_of(const char *name, const char *kept_home)
{
	Asafo__Record__TrustpointPublic part = ASAFO__RECORD__TRUSTPOINT_PUBLIC__INIT;

	part.name = (char *)(uintptr_t)name;
	part.kept_home = (char *)(uintptr_t)kept_home;
	part.fingerprint = (ProtobufCBinaryData){sizeof(leaf), leaf};
	return part;
}

static void world_has_staple(bool is_home, int64_t this_update, int64_t next_update)
{
	struct engine_staples *staples = &world.engine->staples;
	struct engine_staple *list = calloc(staples->n + 1, sizeof(*list));

	assert_non_null(list);
	if (staples->n > 0)
		memcpy(list, staples->list, staples->n * sizeof(*list));
	memcpy(list[staples->n].fingerprint, leaf, sizeof(leaf));
	list[staples->n].is_home = is_home;
	list[staples->n].this_update = this_update;
	list[staples->n].next_update = next_update;
	free(staples->list);
	staples->list = list;
	staples->n++;
}

static void what_stays_home_has_its_own_of_the_same_leaf(void **state)
{
	Asafo__Record__TrustpointPublic shared = part_of("vpn", "");
	Asafo__Record__TrustpointPublic home = part_of("vpn", "issued by the local CA");

	(void)state;
	world_be_active("");
	WAIT_FOR(world.engine->staples.id == ID_OF_NONE);
	world_has_staple(true, 0, 100);
	assert_null(engine_staple_find(world.engine, &shared));
	assert_int_equal(engine_staple_find(world.engine, &home)->next_update, 100);
	world_has_staple(false, 0, 200);
	assert_int_equal(engine_staple_find(world.engine, &shared)->next_update, 200);
	assert_int_equal(engine_staple_find(world.engine, &home)->next_update, 100);
}

static void one_that_begins_later_is_as_bad_as_one_that_ended(void **state)
{
	Asafo__Record__TrustpointPublic part = part_of("vpn", "");
	struct usecheck_findings findings = {.n = 0};
	int64_t now = (int64_t)time(NULL);

	(void)state;
	world_be_active("ssl trust-point vpn\n");
	WAIT_FOR(world.engine->staples.id == ID_OF_NONE);
	engine_staples_judge(world.engine, &part, &findings);
	assert_int_equal(findings.n, 0);
	part.must_staple = true;
	engine_staples_judge(world.engine, &part, &findings);
	assert_int_equal(findings.n, 1);
	assert_non_null(strstr(findings.sentences[0].text, "must-staple), which is not there"));
	part.must_staple = false;
	world_has_staple(false, now + 3600, now + 7200);
	engine_staples_judge(world.engine, &part, &findings);
	assert_int_equal(findings.n, 2);
	assert_non_null(strstr(findings.sentences[1].text, "set the clock"));
	/* As far ahead as a responder's clock may be. */
	world.engine->staples.list[0].this_update = now + 200;
	engine_staples_judge(world.engine, &part, &findings);
	assert_int_equal(findings.n, 2);
	assert_true(engine_staple_is_good(&world.engine->staples.list[0], now));
	world.engine->staples.list[0].this_update = now - 7200;
	world.engine->staples.list[0].next_update = now;
	engine_staples_judge(world.engine, &part, &findings);
	assert_int_equal(findings.n, 3);
	assert_non_null(strstr(findings.sentences[2].text, "ended at"));
}

static void what_is_revoked_is_no_staple_and_a_trouble(void **state)
{
	Asafo__Record__TrustpointPublic part = part_of("vpn", "");
	struct usecheck_findings findings = {.n = 0};

	(void)state;
	world_be_active("ssl trust-point vpn\n");
	WAIT_FOR(world.engine->staples.id == ID_OF_NONE);
	world_has_staple(false, 100, 100);
	world.engine->staples.list[0].is_revoked = true;
	assert_null(engine_staple_find(world.engine, &part));
	assert_non_null(engine_staple_find_revoked(world.engine, &part));
	engine_staples_judge(world.engine, &part, &findings);
	assert_int_equal(findings.n, 1);
	assert_non_null(strstr(findings.sentences[0].text, "is bound, and revoked"));
	assert_non_null(strstr(findings.sentences[0].text, "at an unknown time"));
}

static void a_mate_that_lacks_staples_for_long_is_a_trouble(void **state)
{
	struct why why;

	(void)state;
	world_be_active("");
	WAIT_FOR(world.engine->staples.id == ID_OF_NONE);
	engine_staples_look_apart(world.engine);
	assert_false(world.engine->staples.is_apart);
	world_has_staple(false, 0, 200);
	world.engine->staples.id = ANOTHER_ID;
	world.engine->staples.mate_id = ID_OF_NONE;
	engine_staples_look_apart(world.engine);
	assert_true(world.engine->staples.is_apart);
	assert_false(engine_staples_trouble(world.engine, &why));
	world.engine->staples.apart_since.ns -= 120 * MONOTIME_NS_PER_SEC;
	assert_true(engine_staples_trouble(world.engine, &why));
	world.engine->staples.mate_id = ANOTHER_ID;
	assert_false(engine_staples_trouble(world.engine, &why));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_active_unit_says_that_it_did_not_take_a_set),
		TEST(a_standby_says_which_set_its_keeper_has_and_not_which_it_was_told),
		TEST(what_was_known_of_the_mate_is_forgotten_with_the_role),
		TEST(what_stays_home_has_its_own_of_the_same_leaf),
		TEST(one_that_begins_later_is_as_bad_as_one_that_ended),
		TEST(what_is_revoked_is_no_staple_and_a_trouble),
		TEST(a_mate_that_lacks_staples_for_long_is_a_trouble),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
