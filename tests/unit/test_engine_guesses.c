/* SPDX-License-Identifier: Apache-2.0 */
/* Who guessed passwords, and which one-time codes were used, between the auth helper and the mate.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "engine_world.h"
#include "failover/vpn/hub.h"
#include "ipc/channel.h"

/* The auth helper, played by the test. */
static struct helper {
	struct ipc_channel *channel;
	unsigned messages, guesses, steps, wanted;
	bool is_steps_only; /* the latest that is not a question */
} helper;

static void on_notice(struct ipc_channel *channel, struct ipc_frame *frame,
		      const ProtobufCMessage *body, void *userdata)
{
	const Asafo__Ipc__AuthGuesses *guesses = (const Asafo__Ipc__AuthGuesses *)body;

	(void)channel;
	(void)userdata;
	if (frame->type != IPC_AUTH_GUESSES)
		return;
	helper.wanted += guesses->is_wanted ? 1 : 0;
	if (guesses->is_wanted)
		return;
	helper.messages++;
	helper.guesses += (unsigned)guesses->n_guesses;
	helper.steps += (unsigned)guesses->n_steps;
	helper.is_steps_only = guesses->is_steps_only;
	if (guesses->n_steps > 0)
		assert_int_equal(guesses->steps[0]->age_ms, 9000);
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	(void)code;
	(void)userdata;
	ipc_channel_free(channel);
	helper.channel = NULL;
}

static void helper_attach(void)
{
	static const bool takes[IPC_TYPE__MAX] = {[IPC_AUTH_USERS] = true,
						  [IPC_VPN_TRUST] = true,
						  [IPC_AUTH_GUESSES] = true,
						  [IPC_LOGIN_PROOF_KEY] = true};
	static const struct ipc_channel_ops ops = {takes, on_notice, on_closed};
	int fds[2];

	helper = (struct helper){.channel = NULL};
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	assert_int_equal(ipc_channel_new(world.event, fds[0], &ops, NULL, &helper.channel), 0);
	vpnhub_auth_attach(world.engine->vpnhub, fds[1]);
}

static int tear_down(void **state)
{
	ipc_channel_free(TAKE_PTR(helper.channel));
	return world_teardown(state);
}

static void helper_tells(void)
{
	Asafo__Ipc__AuthGuesses body = ASAFO__IPC__AUTH_GUESSES__INIT;
	Asafo__Ipc__AuthGuess guess = ASAFO__IPC__AUTH_GUESS__INIT, *guesses[1] = {&guess};
	Asafo__Ipc__AuthStep step = ASAFO__IPC__AUTH_STEP__INIT, *steps[1] = {&step};
	uint8_t key[64] = "anna";

	guess.key = step.user = (ProtobufCBinaryData){sizeof(key), key};
	step.step = 7;
	step.age_ms = 9000;
	body.guesses = guesses;
	body.steps = steps;
	body.n_guesses = body.n_steps = 1;
	assert_int_equal(ipc_channel_send(helper.channel, IPC_AUTH_GUESSES, &body.base, NULL, 0),
			 0);
}

static void mate_tells_codes(bool has_step, bool is_steps_only)
{
	Asafo__Wire__LoginGuesses body = ASAFO__WIRE__LOGIN_GUESSES__INIT;
	Asafo__Wire__LoginGuess guess = ASAFO__WIRE__LOGIN_GUESS__INIT, *guesses[1] = {&guess};
	Asafo__Wire__LoginStep step = ASAFO__WIRE__LOGIN_STEP__INIT, *steps[1] = {&step};
	uint8_t key[64] = "anna";

	guess.key = step.user = (ProtobufCBinaryData){sizeof(key), key};
	step.step = 7;
	step.age_ms = 9000;
	body.guesses = guesses;
	body.steps = steps;
	body.n_guesses = is_steps_only ? 0 : 1;
	body.n_steps = has_step ? 1 : 0;
	body.is_steps_only = is_steps_only;
	world_mate_send(ASAFO__WIRE__LINK__BODY_LOGIN_GUESSES, &body);
}

/* ---- tests ---- */

static void an_active_unit_tells_both_and_takes_the_codes_that_its_mate_used(void **state)
{
	(void)state;
	world_be_active("");
	helper_attach();
	WAIT_FOR(helper.wanted == 1);
	helper_tells();
	WAIT_FOR(world.mate.guesses == 1 && world.mate.steps == 1);
	assert_false(world.mate.is_steps_only);
	/* Of two units that were both active the mate was one: its guesses do not count here. */
	mate_tells_codes(false, false);
	mate_tells_codes(true, false);
	WAIT_FOR(helper.steps == 1);
	assert_int_equal(helper.messages, 1);
	assert_int_equal(helper.guesses, 0);
	assert_true(helper.is_steps_only);
}

static void a_standby_tells_the_codes_that_it_knows_and_takes_both(void **state)
{
	(void)state;
	world_be_staging("");
	helper_attach();
	WAIT_FOR(helper.wanted == 1);
	helper_tells();
	WAIT_FOR(world.mate.steps == 1);
	assert_int_equal(world.mate.guesses, 0);
	assert_true(world.mate.is_steps_only);
	mate_tells_codes(true, false);
	WAIT_FOR(helper.steps == 1 && helper.guesses == 1);
	assert_false(helper.is_steps_only);
	mate_tells_codes(true, true);
	WAIT_FOR(helper.steps == 2);
	assert_true(helper.is_steps_only);
	assert_int_equal(helper.guesses, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_active_unit_tells_both_and_takes_the_codes_that_its_mate_used),
		TEST(a_standby_tells_the_codes_that_it_knows_and_takes_both),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
