/* SPDX-License-Identifier: Apache-2.0 */
/* What the mate may have done here, and what it may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "engine_world.h"

static void mate_asks(const char *method, const char *parameters, size_t size)
{
	Asafo__Wire__Exec message = ASAFO__WIRE__EXEC__INIT;
	char peer[] = "uid 0\n%s";

	message.id = 7;
	message.method = (char *)(uintptr_t)method;
	message.peer = peer;
	message.parameters = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)parameters};
	world_mate_send(ASAFO__WIRE__LINK__BODY_EXEC, &message);
}

static void refused(const char *method, const char *parameters, const char *why)
{
	unsigned refusals = world.mate.refusals;

	mate_asks(method, parameters, strlen(parameters));
	WAIT_FOR(world.mate.refusals == refusals + 1);
	if (!strstr(world.mate.answer, why))
		fail_msg("%s is refused otherwise: %s", method, world.mate.answer);
}

static void what_needs_this_units_files_or_asks_back_is_refused_to_the_mate(void **state)
{
	(void)state;
	world_be_active("");
	refused("asafo.Import", "{}", "run it on that unit itself");
	refused("asafo.Export", "{}", "run it on that unit itself");
	refused("asafo.PairOffer", "{}", "run it on that unit itself");
	refused("asafo.LocalCaCreate", "{}", "run it on that unit itself");
	refused("asafo.FailoverExec", "{\"unit\":\"mate\",\"method\":\"asafo.ShowVersion\"}",
		"within failover exec");
	refused("asafo.Nothing", "{}", "no method");
	refused("", "{}", "no method");
}

static void parameters_that_are_none_are_refused(void **state)
{
	char nested[512];

	(void)state;
	world_be_active("");
	refused("asafo.ShowVersion", "", "");
	refused("asafo.ShowVersion", "{", "");
	refused("asafo.ShowVersion", "[]", "");
	refused("asafo.ShowVersion", "7", "");
	memset(nested, '[', sizeof(nested));
	memcpy(nested, "{\"a\":", 5);
	nested[sizeof(nested) - 1] = '\0';
	refused("asafo.ShowVersion", nested, "");
	mate_asks("asafo.ShowVersion", "{}", 2);
	WAIT_FOR(world.mate.answers == 6);
	assert_int_equal(world.mate.refusals, 5);
}

static void a_standby_does_not_change_its_configuration_for_the_mate(void **state)
{
	(void)state;
	world_be_staging("");
	refused("asafo.Configure", "{\"text\":\"hostname taken\\n\"}", "do it on the active unit");
	refused("asafo.Remove", "{\"name\":\"vpn\"}", "do it on the active unit");
}

/* As many secondary addresses as make the running-config long. */
static void append_interface(struct buf *lines)
{
	assert_true(buf_append_format(lines, "interface va\n nameif outside\n"
					     " ip address 10.1.0.1 255.255.0.0\n") >= 0);
	for (unsigned i = 0; i < 900; i++)
		assert_true(buf_append_format(lines,
					      " ip address 10.1.%u.%u 255.255.0.0 secondary\n",
					      1 + i / 250, 1 + i % 250) >= 0);
}

static unsigned ask_for_more(unsigned n)
{
	const uint64_t *received = &world.engine->traffic.counts[TRAFFIC_SYSTEM].received;
	uint64_t before = *received;

	mate_asks("asafo.ShowRunningConfig", "{}", 2);
	WAIT_FOR(*received > before);
	assert_true(n < 4096);
	return n + 1;
}

/* The mate does not read: what is more than the link takes is answered all the same, by a refusal.
 */
static void an_answer_that_the_link_cannot_take_is_refused_whole(void **state)
{
	_cleanup_(buf_done) struct buf lines = {0};
	unsigned n = 0;

	(void)state;
	/* The mate is of this process: while so many addresses are set it cannot say a hello. */
	assert_true(buf_append_format(&lines, "failover polltime unit msec 200 holdtime 2\n") >= 0);
	append_interface(&lines);
	world_be_active(buf_text(&lines));
	link_pause(world.mate.link, true);
	while (link_queued(world.engine->pair.link) < LINK_QUEUE_MAX / 2 - 65536)
		n = ask_for_more(n);
	for (unsigned i = 0; i < 256; i++) /* more than the queue is long */
		n = ask_for_more(n);
	link_pause(world.mate.link, false);
	WAIT_FOR(world.mate.answers == n);
	assert_true(world.mate.refusals > 0);
	assert_true(world.mate.refusals < n);
}

static void a_mates_user_who_may_only_look_sees_no_hashes(void **state)
{
	static const char lines[] = "username ada password $y$j9T$abcdefghijklmnopqrstuv$0123\n";
	Asafo__Wire__Exec message = ASAFO__WIRE__EXEC__INIT;
	char method[] = "asafo.ShowRunningConfig", peer[] = "uid 1",
	     parameters[] = "{\"section\":\"username\"}";

	(void)state;
	world_be_active(lines);
	message.id = 7;
	message.method = method;
	message.peer = peer;
	message.parameters =
		(ProtobufCBinaryData){strlen(parameters), (uint8_t *)(uintptr_t)parameters};
	world_mate_send(ASAFO__WIRE__LINK__BODY_EXEC, &message);
	WAIT_FOR(world.mate.answers == 1);
	assert_non_null(strstr(world.mate.answer, "username ada password $y$"));
	message.may_only_look = true;
	world_mate_send(ASAFO__WIRE__LINK__BODY_EXEC, &message);
	WAIT_FOR(world.mate.answers == 2);
	assert_non_null(strstr(world.mate.answer, "username ada password *****"));
}

static void verified(const char *reply, const char *words)
{
	_cleanup_close_ int fd = -1;
	const char *answer;

	world.mate.reply = reply;
	fd = world_ask("{\"method\":\"asafo.Verify\",\"parameters\":{\"names\":[\"vpn\"]}}", -1);
	answer = world_answer(fd);
	if (!strstr(answer, words))
		fail_msg("after %s: %s", reply, answer);
}

static void a_proof_of_the_mates_that_is_none_is_said_to_be_none(void **state)
{
#define PROOF(entry, more) "{\"parameters\":{\"trustpoints\":[" entry "]" more "}}"
#define ENTRY(usable) "{\"name\":\"vpn\",\"digest\":\"00\",\"usable\":" usable "}"
	static const char *const bad[] = {
		"{}",
		"{\"parameters\":{\"trustpoints\":{}}}",
		PROOF("7", ""),
		PROOF("null", ""),
		PROOF(ENTRY("\"yes\""), ""),
		PROOF(ENTRY("[]"), ""),
		PROOF(ENTRY("null"), ""),
		PROOF(ENTRY("{\"at\":9223372036854775807}"), ""),
		PROOF(ENTRY("{\"at\":-1}"), ""),
		PROOF(ENTRY("{}"), ",\"now\":-9223372036854775807"),
		PROOF(ENTRY("{}"), ",\"places\":[null]"),
		PROOF(ENTRY("{}"), ",\"places\":[[]]"),
		PROOF(ENTRY("{}"), ",\"places\":[{\"tested_at\":9223372036854775807}]"),
	};

	(void)state;
	world.keeper.proven = "vpn";
	world_be_active("");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		verified(bad[i], "the other unit's answer is not understood");
	verified(PROOF(ENTRY("{\"state\":\"yes\",\"at\":1}"), ",\"now\":1,\"places\":[{}]"),
		 "another certificate, key or generation");
#undef PROOF
#undef ENTRY
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_needs_this_units_files_or_asks_back_is_refused_to_the_mate),
		TEST(parameters_that_are_none_are_refused),
		TEST(a_proof_of_the_mates_that_is_none_is_said_to_be_none),
		TEST(a_mates_user_who_may_only_look_sees_no_hashes),
		TEST(a_standby_does_not_change_its_configuration_for_the_mate),
		TEST(an_answer_that_the_link_cannot_take_is_refused_whole),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
