/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front that somebody else took over asks the engine for sessions: it gets one for whom the auth
 * helper vouched, once, and for nobody else; and the log says what was tried.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "engine_front.h"
#include "engine_world.h"
#include "failover/vpn/hub.h"
#include "listening.h"

#define HASH "$y$j9T$abcdefghijklmnopqrstuv$0123456789"
#define LINES                                                                                      \
	"webvpn\n anyconnect enable\n"                                                             \
	"ip local pool P 10.9.0.1-10.9.0.9 mask 255.255.255.0\n"                                   \
	"group-policy GP internal\n"                                                               \
	"tunnel-group staff type remote-access\ntunnel-group staff general-attributes\n"           \
	" address-pool P\n"                                                                        \
	"tunnel-group board type remote-access\ntunnel-group board general-attributes\n"           \
	" address-pool P\n"                                                                        \
	"username ada password " HASH "\nusername bob password " HASH "\n"

static const struct asked ada = {1, "ada", "staff", "", 77};

static int set_up(void **state)
{
	int r = world_setup(state);

	if (r == 0) {
		world_be_active(LINES);
		played_front_attach();
	}
	return r;
}

static int tear_down(void **state)
{
	played_front_detach();
	return world_teardown(state);
}

static uint64_t unproved(void)
{
	return vpnhub_figures(world.engine->vpnhub)->unproved;
}

static void a_front_that_has_no_proof_gets_no_session_and_is_named(void **state)
{
	struct loginproof none = {.is_there = false}, made_up = {.is_there = true, .number = 1};
	struct listening listening = listen_begin();
	char text[4096];

	(void)state;
	made_up.made_at = monotime_now();
	assert_int_equal(played_front_asked_code(&ada, &none), ERR_DENIED);
	assert_int_equal(played_front_asked_code(&ada, &made_up), ERR_DENIED);
	listen_end(&listening, text, sizeof(text));
	assert_null(session_find(1));
	assert_int_equal(unproved(), 2);
	assert_non_null(strstr(text, "front 0 asked for a VPN session of ada, tunnel-group staff, "
				     "without a proof of asafo-auth's that holds: it did not come. "
				     "There is no session"));
	/* Within a second it is said once. */
	assert_null(strstr(strstr(text, "front 0 asked") + 1, "front 0 asked"));
}

static void a_proof_vouches_for_nothing_but_what_it_was_made_for(void **state)
{
	const struct asked others[] = {
		{1, "bob", "staff", "", 77},   {1, "ada", "board", "", 77},
		{1, "ada", "staff", "GP", 77}, {2, "ada", "staff", "", 77},
		{1, "ada", "staff", "", 78},
	};
	struct loginproof proof = played_helper_vouch(&ada, monotime_now());
	struct loginproof later = proof, numbered = proof, cut = proof;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(played_front_asked_code(&others[i], &proof), ERR_DENIED);
	later.made_at.ns++;
	numbered.number++;
	cut.mac[LOGINPROOF_MAC_SIZE - 1] ^= 1;
	assert_int_equal(played_front_asked_code(&ada, &later), ERR_DENIED);
	assert_int_equal(played_front_asked_code(&ada, &numbered), ERR_DENIED);
	assert_int_equal(played_front_asked_code(&ada, &cut), ERR_DENIED);
	assert_int_equal(unproved(), 8);
	/* None of that used it up. */
	assert_int_equal(played_front_asked_code(&ada, &proof), 0);
	assert_string_equal(session_find(1)->session.user, "ada");
	assert_int_equal(unproved(), 8);
}

static void a_proof_is_good_once_even_when_its_session_is_over(void **state)
{
	struct loginproof proof = played_helper_vouch(&ada, monotime_now());

	(void)state;
	assert_int_equal(played_front_asked_code(&ada, &proof), 0);
	assert_int_equal(played_front_asked_code(&ada, &proof), ERR_DENIED);
	played_front_log_out(1);
	WAIT_FOR(front.replies == 3);
	assert_int_equal(session_find(1)->end, VPN_END_LOGOUT);
	assert_int_equal(played_front_asked_code(&ada, &proof), ERR_DENIED);
	assert_int_equal(session_find(1)->end, VPN_END_LOGOUT);
}

static void a_proof_that_was_kept_for_later_is_none(void **state)
{
	struct monotime now = monotime_now(), long_ago = {now.ns - 31 * MONOTIME_NS_PER_SEC};
	struct loginproof proof = played_helper_vouch(&ada, long_ago);
	struct listening listening = listen_begin();
	char text[4096];

	(void)state;
	assert_int_equal(played_front_asked_code(&ada, &proof), ERR_DENIED);
	listen_end(&listening, text, sizeof(text));
	assert_non_null(strstr(text, "holds: it is older than 30 s. There is no session"));
}

static void another_helper_has_another_key_and_its_word_counts(void **state)
{
	struct loginproof old = played_helper_vouch(&ada, monotime_now()), fresh;
	struct asked again = ada;

	(void)state;
	/* What the one that died had said a moment before. */
	played_helper_detach();
	assert_int_equal(played_front_asked_code(&ada, &old), 0);
	played_helper_attach();
	again.number = 2;
	old = played_helper_vouch(&again, monotime_now());
	played_helper_attach();
	assert_int_equal(played_front_asked_code(&again, &old), ERR_DENIED);
	/* It counts from one again. */
	fresh = played_helper_vouch(&again, monotime_now());
	assert_int_equal(played_front_asked_code(&again, &fresh), 0);
}

static void nobody_is_vouched_for_to_a_unit_that_has_no_helper(void **state)
{
	struct loginproof proof = {.is_there = true, .number = 1};

	(void)tear_down(state);
	(void)world_setup(state);
	world_be_active(LINES);
	front.channel = played_front_attach_as(0);
	proof.made_at = monotime_now();
	assert_int_equal(played_front_asked_code(&ada, &proof), ERR_DENIED);
	assert_null(session_find(1));
}

static void a_user_that_is_no_more_is_not_vouched_for(void **state)
{
	struct asked eve = ada;
	struct loginproof proof;

	(void)state;
	eve.user = "eve";
	proof = played_helper_vouch(&eve, monotime_now());
	assert_int_equal(played_front_asked_code(&eve, &proof), ERR_DENIED);
	assert_null(session_find(1));
	assert_int_equal(unproved(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_front_that_has_no_proof_gets_no_session_and_is_named),
		TEST(a_proof_vouches_for_nothing_but_what_it_was_made_for),
		TEST(a_proof_is_good_once_even_when_its_session_is_over),
		TEST(a_proof_that_was_kept_for_later_is_none),
		TEST(another_helper_has_another_key_and_its_word_counts),
		TEST(nobody_is_vouched_for_to_a_unit_that_has_no_helper),
		TEST(a_user_that_is_no_more_is_not_vouched_for),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
