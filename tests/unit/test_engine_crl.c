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

#include "certstore/x509/crl.h"
#include "engine_world.h"
#include "listening.h"

#define ID_OF_NONE UINT64_C(0x9e3779b97f4a7c15)
#define ANOTHER_ID 7u
#define DAY 86400
#define HOUR 3600
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
	/* Further in the same role: what is sent goes on. */
	world.engine->crls.is_wanting = true;
	engine_crls_role(world.engine);
	assert_int_equal(world.engine->crls.mate_id, ID_OF_NONE);
	assert_true(world.engine->crls.is_wanting);
	world.engine->crls.was_active = false;
	engine_crls_role(world.engine);
	assert_false(world.engine->crls.is_wanting);
	assert_int_equal(world.engine->crls.mate_id, 0);
	assert_false(world.engine->crls.is_told);
	WAIT_FOR(world.engine->crls.is_told);
}

/* ---- what the keeper has ---- */

struct listed {
	Asafo__Record__Crl crls[2];
	uint8_t keys[2][32], digests[2][32];
	char *names[2];
};

/* Two lists, of CAs whose keys are 1 and 2. */
static void be_listed(struct listed *listed, int64_t first, int64_t second)
{
	static char people[] = "people", number[] = "0a";
	int64_t times[] = {first, second};

	for (uint8_t i = 0; i < 2; i++) {
		Asafo__Record__Crl *crl = &listed->crls[i];

		asafo__record__crl__init(crl);
		memset(listed->keys[i], i + 1, 32);
		memset(listed->digests[i], 0x70 + i, 32);
		crl->key_id = (ProtobufCBinaryData){32, listed->keys[i]};
		crl->digest = (ProtobufCBinaryData){32, listed->digests[i]};
		crl->this_update = times[i];
		crl->next_update = times[i] + 10 * DAY;
		crl->number = number;
		listed->names[i] = people;
	}
}

static void tell_listed(struct listed *listed, size_t n)
{
	Asafo__Ipc__CrlListReply reply = ASAFO__IPC__CRL_LIST_REPLY__INIT;
	Asafo__Record__Crl *crls[] = {&listed->crls[0], &listed->crls[1]};

	reply.crls = crls;
	reply.n_crls = n;
	engine_crls_listed(world.engine, &reply);
}

static void two_cas_whose_lists_changed_places_are_another_set(void **state)
{
	struct listed listed;
	uint64_t id;

	(void)state;
	world_be_active("");
	WAIT_FOR(world.engine->crls.id == ID_OF_NONE);
	be_listed(&listed, 100, 200);
	tell_listed(&listed, 2);
	id = world.engine->crls.id;
	assert_int_not_equal(id, ID_OF_NONE);
	memset(listed.digests[0], 0x71, 32);
	memset(listed.digests[1], 0x70, 32);
	tell_listed(&listed, 2);
	assert_int_not_equal(world.engine->crls.id, id);
}

static void that_a_list_was_removed_is_another_set_than_none(void **state)
{
	Asafo__Ipc__CrlListReply reply = ASAFO__IPC__CRL_LIST_REPLY__INIT;
	struct listed listed;
	Asafo__Record__Crl *gone[] = {&listed.crls[0]};

	(void)state;
	world_be_active("");
	WAIT_FOR(world.engine->crls.id == ID_OF_NONE);
	be_listed(&listed, 100, 200);
	listed.crls[0].removed_at = 300;
	reply.gone = gone;
	reply.n_gone = 1;
	engine_crls_listed(world.engine, &reply);
	assert_int_not_equal(world.engine->crls.id, ID_OF_NONE);
	assert_int_equal(world.engine->crls.n, 0);
}

static void the_mate_is_told_how_old_a_list_is(void **state)
{
	struct listed listed;

	(void)state;
	world_be_active("");
	WAIT_FOR(world.engine->crls.id == ID_OF_NONE && world.engine->crls.is_told);
	be_listed(&listed, 12345, 0);
	tell_listed(&listed, 1);
	WAIT_FOR(world.mate.crl_sets > 0);
	assert_int_equal(world.mate.crl_this_update, 12345);
	assert_string_equal(world.mate.crl_number, "0a");
}

static void what_the_standby_has_newer_is_asked_for_and_said(void **state)
{
	Asafo__Wire__CrlState message = ASAFO__WIRE__CRL_STATE__INIT;
	uint8_t key[32] = {0xab};
	ProtobufCBinaryData newer[] = {{sizeof(key), key}};
	struct why why;

	(void)state;
	world_be_active("");
	WAIT_FOR(world.engine->crls.id == ID_OF_NONE);
	message.id = ANOTHER_ID;
	message.newer = newer;
	message.n_newer = 1;
	world_mate_send(ASAFO__WIRE__LINK__BODY_CRL_STATE, &message);
	WAIT_FOR(world.mate.crl_asks > 0);
	assert_int_equal(world.mate.crl_wanted, 0xab);
	assert_true(world.engine->crls.is_wanting);
	assert_true(engine_crls_trouble(world.engine, &why));
	assert_non_null(strstr(why.text, "this unit has not, or older ones"));
	/* It has them all, and the keeper says so last. */
	world.engine->crls.mate_id = ID_OF_NONE;
	assert_false(engine_crls_trouble(world.engine, &why));
	engine_crls_kick(world.engine);
	WAIT_FOR(world.engine->crls.n_newer == 0);
	world.engine->crls.n_newer = 1;
	message.id = ID_OF_NONE;
	message.n_newer = 0;
	world_mate_send(ASAFO__WIRE__LINK__BODY_CRL_STATE, &message);
	WAIT_FOR(world.engine->crls.n_newer == 0);
	assert_false(engine_crls_trouble(world.engine, &why));
}

/* Each has the same list, and the standby took it later: in the set it is the same one. */
static void a_list_that_the_standby_only_took_later_is_asked_for_and_not_said(void **state)
{
	static const char lacked[] = "the standby has 1 CRLs";
	Asafo__Wire__CrlState message = ASAFO__WIRE__CRL_STATE__INIT;
	uint8_t key[32] = {0xab};
	ProtobufCBinaryData newer[] = {{sizeof(key), key}};
	struct listening listening;
	char text[4096];
	struct why why;

	(void)state;
	world_be_active("");
	WAIT_FOR(world.engine->crls.id == ID_OF_NONE);
	message.id = ID_OF_NONE;
	message.newer = newer;
	message.n_newer = 1;
	listening = listen_begin();
	world_mate_send(ASAFO__WIRE__LINK__BODY_CRL_STATE, &message);
	WAIT_FOR(world.mate.crl_asks == 1);
	listen_end(&listening, text, sizeof(text));
	assert_int_equal(world.mate.crl_wanted, 0xab);
	assert_null(strstr(text, lacked));
	assert_false(engine_crls_trouble(world.engine, &why));
	/* One that this unit has not is said then, too. */
	message.id = ANOTHER_ID;
	listening = listen_begin();
	world_mate_send(ASAFO__WIRE__LINK__BODY_CRL_STATE, &message);
	WAIT_FOR(world.mate.crl_asks == 2);
	listen_end(&listening, text, sizeof(text));
	assert_non_null(strstr(text, lacked));
	assert_true(engine_crls_trouble(world.engine, &why));
}

/* ---- what the standby lacks ---- */

#define LONG_PARTS 30u
#define LONG_LISTS 30u /* more than the link's queue and the system's buffers take */

static void keeper_gives_part(uint8_t which, uint32_t n)
{
	static uint8_t marks[CRL_PART_SIZE];
	Asafo__Ipc__CrlGetReply reply = ASAFO__IPC__CRL_GET_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	Asafo__Record__CrlPart part = ASAFO__RECORD__CRL_PART__INIT;
	Asafo__Record__Crl crl = ASAFO__RECORD__CRL__INIT;
	uint8_t key[32], digest[32] = {1};

	memset(key, which, sizeof(key));
	crl.key_id = (ProtobufCBinaryData){sizeof(key), key};
	crl.digest = (ProtobufCBinaryData){sizeof(digest), digest};
	crl.revoked = LONG_PARTS * (CRL_PART_SIZE / CRLMARK_SIZE);
	part.crl = &crl;
	part.part = n;
	part.marks = (ProtobufCBinaryData){sizeof(marks), marks};
	reply.status = &status;
	reply.part = &part;
	assert_int_equal(world.keeper.n_held, 1);
	assert_int_equal(world.keeper.held[0].type, IPC_CRL_GET);
	world.keeper.n_held = 0;
	assert_int_equal(ipc_channel_reply(world.keeper.channel, IPC_CRL_GET,
					   world.keeper.held[0].id, false, &reply.base),
			 0);
}

static void standby_lacks_lists(void)
{
	static uint8_t keys[LONG_LISTS][32];
	Asafo__Wire__CrlState message = ASAFO__WIRE__CRL_STATE__INIT;
	ProtobufCBinaryData lacking[LONG_LISTS];

	for (uint8_t i = 0; i < LONG_LISTS; i++) {
		memset(keys[i], i + 1, sizeof(keys[i]));
		lacking[i] = (ProtobufCBinaryData){sizeof(keys[i]), keys[i]};
	}
	message.id = ANOTHER_ID;
	message.lacking = lacking;
	message.n_lacking = LONG_LISTS;
	world_mate_send(ASAFO__WIRE__LINK__BODY_CRL_STATE, &message);
}

static bool is_queue_long(void)
{
	return link_queued(world.engine->pair.link) >= LINK_QUEUE_LONG;
}

/* Whoever is on the other end reads slowly: nothing is lost, and nothing begins again. */
static void parts_wait_for_a_link_whose_queue_is_long(void **state)
{
	unsigned n = 0, n_waits = 0;

	(void)state;
	world_be_active("");
	WAIT_FOR(world.engine->crls.id == ID_OF_NONE);
	world.keeper.holds[IPC_CRL_GET] = true;
	link_pause(world.mate.link, true);
	standby_lacks_lists();
	while (n < LONG_LISTS * LONG_PARTS) {
		WAIT_FOR(world_keeper_has(IPC_CRL_GET) || is_queue_long());
		if (is_queue_long() && !world_keeper_has(IPC_CRL_GET)) {
			/* That it lacks them is said again meanwhile. */
			standby_lacks_lists();
			link_pause(world.mate.link, false);
			n_waits++;
			WAIT_FOR(world_keeper_has(IPC_CRL_GET));
		}
		keeper_gives_part((uint8_t)(n / LONG_PARTS + 1), n % LONG_PARTS);
		n++;
		WAIT_FOR(!world.engine->crls.is_sending || world_keeper_has(IPC_CRL_GET));
		assert_true(link_queued(world.engine->pair.link) <
			    LINK_QUEUE_LONG + 2 * CRL_PART_SIZE);
	}
	assert_true(n_waits > 0);
	WAIT_FOR(world.mate.crl_parts == LONG_LISTS * LONG_PARTS);
	assert_false(world_keeper_has(IPC_CRL_GET));
}

/* ---- what is judged ---- */

static void world_has_crl(const char *trustpoint, int64_t this_update, int64_t next_update)
{
	struct engine_crls *crls = &world.engine->crls;
	struct engine_crl *list = calloc(1, sizeof(*list));

	assert_non_null(list);
	(void)snprintf(list->names[0], sizeof(list->names[0]), "%s", trustpoint);
	list->n_names = *trustpoint ? 1 : 0;
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

static void a_list_is_found_under_each_name_that_has_its_ca(void **state)
{
	int64_t now = (int64_t)time(NULL);
	struct listed listed;
	char other[] = "other", *names[] = {other, NULL};

	(void)state;
	world_be_active(STRICT);
	WAIT_FOR(world.engine->crls.id == ID_OF_NONE);
	be_listed(&listed, now - DAY, 0);
	names[1] = listed.names[0];
	listed.crls[0].trustpoints = names;
	listed.crls[0].n_trustpoints = 2;
	tell_listed(&listed, 1);
	is_judged(NULL);
	listed.crls[0].next_update = now - 2 * HOUR;
	tell_listed(&listed, 1);
	is_judged("the CRL of trustpoint people ended");
	/* Of two of one CA the later one holds. */
	memset(listed.keys[1], 1, 32);
	listed.crls[1].this_update = now - HOUR;
	listed.crls[1].next_update = now + 10 * DAY;
	listed.crls[1].is_home = true;
	listed.crls[1].trustpoints = names;
	listed.crls[1].n_trustpoints = 2;
	tell_listed(&listed, 2);
	is_judged(NULL);
	listed.crls[0].next_update = now + 9 * DAY;
	listed.crls[0].n_trustpoints = 1;
	tell_listed(&listed, 1);
	is_judged("its CA no CRL");
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
		TEST(two_cas_whose_lists_changed_places_are_another_set),
		TEST(that_a_list_was_removed_is_another_set_than_none),
		TEST(the_mate_is_told_how_old_a_list_is),
		TEST(what_the_standby_has_newer_is_asked_for_and_said),
		TEST(a_list_that_the_standby_only_took_later_is_asked_for_and_not_said),
		TEST(parts_wait_for_a_link_whose_queue_is_long),
		TEST(a_list_is_found_under_each_name_that_has_its_ca),
		TEST(a_list_is_wanted_where_revocation_check_stands),
		TEST(one_that_ends_or_has_not_begun_is_said),
		TEST(without_revocation_check_nothing_is_wrong),
		TEST(who_is_let_in_all_the_same_is_said),
		TEST(a_mate_that_lacks_lists_for_long_is_a_trouble),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
