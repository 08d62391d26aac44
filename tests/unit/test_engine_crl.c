/* SPDX-License-Identifier: Apache-2.0 */
/* What a unit answers a set of CRLs, and what it says of its own. The world's keeper has none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine_world.h"

#define ID_OF_NONE UINT64_C(0x9e3779b97f4a7c15)
#define ANOTHER_ID 7u
#define DAY 86400
#define STRICT "crypto ca trustpoint people\n validation-usage ssl-client\n revocation-check crl\n"

static void mate_tells_its_set(void)
{
	Asafo__Wire__CrlSet set = ASAFO__WIRE__CRL_SET__INIT;

	set.id = ANOTHER_ID;
	world.mate.crl_states = 0;
	world_mate_send(ASAFO__WIRE__LINK__BODY_CRL_SET, &set);
	WAIT_FOR(world.mate.crl_states > 0);
}

static void an_active_unit_says_that_it_did_not_take_a_set(void **state)
{
	(void)state;
	world_be_active("");
	world.mate.crl_id = ANOTHER_ID;
	mate_tells_its_set();
	assert_int_equal(world.mate.crl_id, 0);
}

static void a_standby_says_which_set_its_keeper_has_and_not_which_it_was_told(void **state)
{
	(void)state;
	world_be_staging("");
	WAIT_FOR(world.engine->crls.id == ID_OF_NONE);
	mate_tells_its_set();
	assert_int_equal(world.mate.crl_id, ID_OF_NONE);
}

static void what_was_known_of_the_mate_is_forgotten_with_the_role(void **state)
{
	(void)state;
	world_be_active("");
	WAIT_FOR(world.engine->crls.id == ID_OF_NONE && world.engine->crls.is_told);
	world.engine->crls.mate_id = ID_OF_NONE;
	engine_crls_role(world.engine);
	assert_int_equal(world.engine->crls.mate_id, 0);
	assert_false(world.engine->crls.is_told);
	WAIT_FOR(world.engine->crls.is_told);
}

/* ---- what is judged ---- */

static void world_has_crl(const char *trustpoint, int64_t this_update, int64_t next_update)
{
	struct engine_crls *crls = &world.engine->crls;
	struct engine_crl *list = calloc(1, sizeof(*list));

	assert_non_null(list);
	(void)snprintf(list->trustpoint, sizeof(list->trustpoint), "%s", trustpoint);
	list->this_update = this_update;
	list->next_update = next_update;
	free(crls->list);
	crls->list = list;
	crls->n = 1;
}

/* NULL: nothing is wrong. */
static void is_judged(const char *words)
{
	struct usecheck_findings findings = {.n = 0};

	engine_crls_judge(world.engine, &findings);
	if (!words) {
		assert_int_equal(findings.n, 0);
		return;
	}
	assert_int_equal(findings.n, 1);
	if (!strstr(findings.sentences[0].text, words))
		fail_msg("%s", findings.sentences[0].text);
}

static void a_list_is_wanted_where_revocation_check_stands(void **state)
{
	int64_t now = (int64_t)time(NULL);

	(void)state;
	world_be_active(STRICT);
	WAIT_FOR(world.engine->crls.id == ID_OF_NONE);
	is_judged("trustpoint people has revocation-check, and its CA no CRL: who has its "
		  "certificates is not let in");
	world_has_crl("", now - DAY, now + DAY);
	is_judged("its CA no CRL");
	world_has_crl("people", now - DAY, now + DAY);
	is_judged(NULL);
}

static void one_that_ends_or_has_not_begun_is_said(void **state)
{
	int64_t now = (int64_t)time(NULL);

	(void)state;
	world_be_active(STRICT);
	WAIT_FOR(world.engine->crls.id == ID_OF_NONE);
	world_has_crl("people", now - 7 * DAY, now + DAY);
	is_judged("the CRL of trustpoint people ends at");
	world_has_crl("people", now - 7 * DAY, now - DAY);
	is_judged("ended at");
	assert_false(world.engine->crls.list[0].is_end_said);
	engine_crls_say(world.engine);
	assert_true(world.engine->crls.list[0].is_end_said);
	world_has_crl("people", now + DAY, now + 7 * DAY);
	is_judged("set the clock");
	engine_crls_say(world.engine);
	assert_false(world.engine->crls.list[0].is_end_said);
}

static void without_revocation_check_nothing_is_wrong(void **state)
{
	int64_t now = (int64_t)time(NULL);

	(void)state;
	world_be_active("crypto ca trustpoint people\n validation-usage ssl-client\n");
	WAIT_FOR(world.engine->crls.id == ID_OF_NONE);
	is_judged(NULL);
	world_has_crl("people", now - 7 * DAY, now - DAY);
	is_judged(NULL);
}

static void who_is_let_in_all_the_same_is_said(void **state)
{
	(void)state;
	world_be_active("crypto ca trustpoint people\n validation-usage ssl-client\n"
			" revocation-check crl none\n");
	WAIT_FOR(world.engine->crls.id == ID_OF_NONE);
	is_judged("is let in unchecked");
}

static void a_mate_that_lacks_lists_for_long_is_a_trouble(void **state)
{
	struct why why;

	(void)state;
	world_be_active("");
	WAIT_FOR(world.engine->crls.id == ID_OF_NONE);
	engine_crls_look_apart(world.engine);
	assert_false(world.engine->crls.is_apart);
	world_has_crl("people", 0, 200);
	world.engine->crls.id = ANOTHER_ID;
	world.engine->crls.mate_id = ID_OF_NONE;
	engine_crls_look_apart(world.engine);
	assert_true(world.engine->crls.is_apart);
	assert_false(engine_crls_trouble(world.engine, &why));
	world.engine->crls.apart_since.ns -= 120 * MONOTIME_NS_PER_SEC;
	assert_true(engine_crls_trouble(world.engine, &why));
	world.engine->crls.mate_id = ANOTHER_ID;
	assert_false(engine_crls_trouble(world.engine, &why));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_active_unit_says_that_it_did_not_take_a_set),
		TEST(a_standby_says_which_set_its_keeper_has_and_not_which_it_was_told),
		TEST(what_was_known_of_the_mate_is_forgotten_with_the_role),
		TEST(a_list_is_wanted_where_revocation_check_stands),
		TEST(one_that_ends_or_has_not_begun_is_said),
		TEST(without_revocation_check_nothing_is_wrong),
		TEST(who_is_let_in_all_the_same_is_said),
		TEST(a_mate_that_lacks_lists_for_long_is_a_trouble),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
