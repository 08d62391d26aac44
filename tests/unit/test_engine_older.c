/* SPDX-License-Identifier: Apache-2.0 */
/* The engine beside a mate of an older version, as while a pair is upgraded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "engine_world.h"
#include "failover/replication/replication.h"

#define LINES "hostname pair\nfailover preempt delay 30\ntrack 7 script probe\n"

static int set_up(void **state)
{
	int r = world_setup(state);

	world.mate.version = 1;
	return r;
}

/* What the operator is shown. */
static const char *ask(const char *request)
{
	int fd = world_ask(request, -1);
	const char *text = world_answer(fd);

	(void)close(fd);
	return text;
}

static void the_lines_that_an_older_standby_does_not_know_stay_here(void **state)
{
	const char *text;

	(void)state;
	world_be_active(LINES);
	WAIT_FOR(WORLD_GOT(COMMAND) > 0);
	assert_non_null(strstr(world.mate.last_text, "hostname pair\n"));
	assert_null(strstr(world.mate.last_text, "preempt"));
	assert_null(strstr(world.mate.last_text, "track"));
	text = ask("{\"method\":\"asafo.ShowFailover\"}");
	assert_non_null(strstr(text, "asafo 0.0.9"));
	assert_non_null(strstr(text, "failover preempt delay 30"));
	assert_non_null(strstr(text, "track 7 script probe"));
}

static void a_line_that_is_taken_away_is_no_trouble_any_more(void **state)
{
	struct why why;
	unsigned n;

	(void)state;
	world_be_active("failover preempt\n");
	assert_true(replication_version_trouble(world.engine->replication, &why));
	n = WORLD_GOT(COMMAND);
	(void)ask("{\"method\":\"asafo.Configure\",\"parameters\":{\"text\":\"no failover "
		  "preempt\\n\"}}");
	WAIT_FOR(WORLD_GOT(COMMAND) > n);
	assert_false(replication_version_trouble(world.engine->replication, &why));
}

static void an_upgraded_mate_gets_them(void **state)
{
	struct why why;

	(void)state;
	world_be_active(LINES);
	WAIT_FOR(WORLD_GOT(COMMAND) > 0);
	world_older_go();
	WAIT_FOR(!link_is_up(world.engine->pair.link));
	assert_false(replication_version_trouble(world.engine->replication, &why));
	world.mate.version = LINK_VERSION;
	world.mate.n_messages[ASAFO__WIRE__LINK__BODY_COMMAND] = 0;
	world_older_connect();
	WAIT_FOR(WORLD_GOT(COMMAND) > 0);
	assert_non_null(strstr(world.mate.last_text, "failover preempt delay 30\n"));
	assert_non_null(strstr(world.mate.last_text, "track 7 script probe\n"));
	assert_false(replication_version_trouble(world.engine->replication, &why));
}

static void an_older_active_does_not_undo_them(void **state)
{
	static char text[] = "hostname older\n";
	Asafo__Wire__Command command = ASAFO__WIRE__COMMAND__INIT;
	char kind[] = "config";
	const struct config *config;

	(void)state;
	world_be_staging(LINES);
	command.id = 4711;
	command.kind = kind;
	command.text = (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
	world_mate_send(ASAFO__WIRE__LINK__BODY_COMMAND, &command);
	WAIT_FOR(WORLD_GOT(COMMAND_RESULT) > 0);
	assert_int_equal(world.mate.last_code, 0);
	config = world.engine->config;
	assert_string_equal(config->hostname, "older");
	assert_true(config->failover.is_preempt);
	assert_int_equal(config->failover.preempt_delay_s, 30);
	assert_int_equal(config->n_tracks, 1);
}

/* Version 1 is silent to both questions: nobody is to wait for it. */
static void what_an_older_mate_cannot_answer_is_not_asked(void **state)
{
	const char *text;

	(void)state;
	world_be_active("");
	text = ask("{\"method\":\"asafo.FailoverExec\",\"parameters\":{\"unit\":\"mate\","
		   "\"method\":\"asafo.ShowVersion\",\"parameters\":{}}}");
	assert_non_null(strstr(text, "older than failover exec"));
	assert_non_null(strstr(text, "0.0.9"));
	text = ask("{\"method\":\"asafo.ShowHistory\",\"parameters\":{\"details\":true}}");
	assert_non_null(strstr(text, "does not tell its history"));
	assert_int_equal(world.mate.history_requests, 0);
	assert_true(link_is_up(world.engine->pair.link));
}

/* The release is said, and nothing advised that cannot be typed there. */
static void what_an_older_mate_cannot_do_changes_nothing(void **state)
{
	const char *text;

	(void)state;
	world_be_active("");
	text = ask("{\"method\":\"asafo.ReloadStandby\"}");
	assert_non_null(strstr(text, "older than failover exec, and cannot be asked from here"));
	assert_null(strstr(text, "run the command"));
	assert_true(link_is_up(world.engine->pair.link));
}

/* A kind that only a later version has, as its bytes would come. */
static void a_message_of_a_later_version_is_passed_over(void **state)
{
	ProtobufCMessageUnknownField field = {.tag = 1000,
					      .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
					      .len = 4,
					      .data = (uint8_t[]){3, 'n', 'e', 'w'}};
	Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;
	Asafo__Wire__Command command = ASAFO__WIRE__COMMAND__INIT;
	unsigned n;

	(void)state;
	world.mate.version = LINK_VERSION + 1;
	world_be_active("");
	message.base.n_unknown_fields = 1;
	message.base.unknown_fields = &field;
	assert_int_equal(link_conn_send(world.mate.older, &message), 0);
	/* The link goes on: a command that makes no sense is answered. */
	n = WORLD_GOT(COMMAND_RESULT);
	command.id = 4712;
	world_mate_send(ASAFO__WIRE__LINK__BODY_COMMAND, &command);
	WAIT_FOR(WORLD_GOT(COMMAND_RESULT) > n);
	assert_int_equal(WORLD_LAST_ID(COMMAND_RESULT), 4712);
	assert_int_equal(world.mate.n_downs, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_lines_that_an_older_standby_does_not_know_stay_here, set_up,
			world_teardown),
		cmocka_unit_test_setup_teardown(a_line_that_is_taken_away_is_no_trouble_any_more,
						set_up, world_teardown),
		cmocka_unit_test_setup_teardown(an_upgraded_mate_gets_them, set_up, world_teardown),
		cmocka_unit_test_setup_teardown(an_older_active_does_not_undo_them, set_up,
						world_teardown),
		cmocka_unit_test_setup_teardown(what_an_older_mate_cannot_answer_is_not_asked,
						set_up, world_teardown),
		cmocka_unit_test_setup_teardown(what_an_older_mate_cannot_do_changes_nothing,
						set_up, world_teardown),
		cmocka_unit_test_setup_teardown(a_message_of_a_later_version_is_passed_over, set_up,
						world_teardown),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
