/* SPDX-License-Identifier: Apache-2.0 */
/* VPN sessions in a whole engine: what fronts ask, what the mate is told, what survives a change of
 * roles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "engine_front.h"
#include "engine_world.h"
#include "failover/vpn/hub.h"

#define HASH "$y$j9T$abcdefghijklmnopqrstuv$0123456789"
#define LINES                                                                                      \
	"webvpn\n anyconnect enable\n"                                                             \
	"ip local pool P 10.9.0.1-10.9.0.2 mask 255.255.255.0\n"                                   \
	"ipv6 local pool P6 fd00:9::10/64 8\n"                                                     \
	"group-policy GP internal\ngroup-policy GP attributes\n vpn-idle-timeout 10\n"             \
	" vpn-simultaneous-logins 2\n"                                                             \
	"tunnel-group staff type remote-access\ntunnel-group staff general-attributes\n"           \
	" address-pool P\n ipv6-address-pool P6\n default-group-policy GP\n"                       \
	"username ada password " HASH "\nusername bob password " HASH "\n"

static int tear_down(void **state)
{
	played_front_detach();
	return world_teardown(state);
}

static void become_active(void)
{
	world_be_active(LINES);
	played_front_attach();
	WAIT_FOR(world.mate.session_wholes > 0);
}

static void take_over(void)
{
	int fd = world_ask("{\"method\":\"asafo.FailoverActive\",\"parameters\":{\"force\":true}}",
			   -1);

	world.mate.is_silent = true;
	WAIT_FOR(engine_is_active(world.engine));
	(void)close(fd);
}

/* ---- tests ---- */

static void a_login_is_answered_when_the_mate_has_the_session(void **state)
{
	(void)state;
	become_active();
	world.mate.holds_sessions = true;
	played_front_log_in(1, "ada");
	WAIT_FOR(world.mate.sessions_live == 1);
	assert_int_equal(front.replies, 0);
	world_mate_acknowledge(world.mate.session_seq);
	WAIT_FOR(front.replies == 1);
	assert_int_equal(front.code, 0);
	assert_int_equal(front.puts, 1); /* it was in the copy before the answer came */
	assert_int_equal(front.v4[0], 10);
	assert_int_equal(front.prefix, 24);
	assert_true(front.has_v6);
	assert_int_equal(front.id % 2, 1);
	assert_int_equal(vpnhub_figures(world.engine->vpnhub)->alone, 0);
}

static void a_logout_is_answered_when_the_mate_knows_of_it(void **state)
{
	(void)state;
	become_active();
	assert_int_equal(played_front_login_code(1, "ada"), 0);
	world.mate.holds_sessions = true;
	played_front_log_out(1);
	WAIT_FOR(world.mate.sessions_ended == 1 && front.gone == 1);
	assert_int_equal(front.replies, 1);
	world_mate_acknowledge(world.mate.session_seq);
	WAIT_FOR(front.replies == 2);
	assert_int_equal(front.code, 0);
	assert_int_equal(session_find(1)->end, VPN_END_LOGOUT);
	played_front_log_out(2);
	WAIT_FOR(front.replies == 3);
	assert_int_equal(front.code, ERR_NOT_FOUND);
	/* A mate that says nothing delays it, and no more. */
	world.mate.holds_sessions = false;
	assert_int_equal(played_front_login_code(3, "ada"), 0);
	world.mate.holds_sessions = true;
	played_front_log_out(3);
	WAIT_FOR(front.replies == 5);
	assert_int_equal(front.code, 0);
	assert_int_equal(vpnhub_figures(world.engine->vpnhub)->alone, 0);
}

static void a_standby_takes_a_logout_and_tells_the_active_unit(void **state)
{
	(void)state;
	world_be_staging(LINES);
	played_front_attach();
	mate_tells(9, 0, 100000, true);
	WAIT_FOR(front.puts == 1);
	played_front_log_out(9);
	WAIT_FOR(front.replies == 1 && front.gone == 1);
	assert_int_equal(front.code, 0);
	assert_int_equal(world.mate.sessions_ended, 1);
}

static void an_end_that_the_mate_told_is_not_waited_for(void **state)
{
	(void)state;
	world_be_staging(LINES);
	played_front_attach();
	mate_tells(8, 0, 100000, true);
	mate_tells(9, VPN_END_LOGOUT, 100000, false);
	WAIT_FOR(session_find(8) && session_find(9));
	played_front_log_out(9);
	WAIT_FOR(front.replies == 1);
	assert_int_equal(front.code, 0);
	/* The mate was not found to be slow by it: the next one waits for its word. */
	world.mate.holds_sessions = true;
	played_front_log_out(8);
	WAIT_FOR(world.mate.sessions_ended == 1 && front.gone == 2);
	assert_int_equal(front.replies, 1);
	world_mate_acknowledge(world.mate.session_seq);
	WAIT_FOR(front.replies == 2);
}

static void a_front_that_missed_something_gets_the_whole_table_again(void **state)
{
	Asafo__Ipc__VpnResync message = ASAFO__IPC__VPN_RESYNC__INIT;

	(void)state;
	become_active();
	mate_tells(0, 0, 0, true);
	WAIT_FOR(front.is_complete);
	assert_int_equal(played_front_login_code(1, "ada"), 0);
	assert_int_equal(front.puts, 1);
	/* Asked again and again within half a minute it comes once. */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(
			ipc_channel_send(front.channel, IPC_VPN_RESYNC, &message.base, NULL, 0), 0);
	WAIT_FOR(front.resets == 2 && front.puts == 2);
	assert_true(front.is_complete);
	/* Until the next one comes it does not have everything, whatever else it is told. */
	assert_int_equal(ipc_channel_send(front.channel, IPC_VPN_RESYNC, &message.base, NULL, 0),
			 0);
	assert_int_equal(played_front_login_code(2, "ada"), 0);
	assert_int_equal(front.puts, 3);
	assert_false(front.is_complete);
}

static void a_mate_that_does_not_answer_delays_one_login_only(void **state)
{
	struct monotime before = monotime_now();

	(void)state;
	become_active();
	world.mate.holds_sessions = true;
	assert_int_equal(played_front_login_code(1, "ada"), 0);
	assert_true(monotime_since(monotime_now(), before) >= 2000 * MONOTIME_NS_PER_MS);
	assert_int_equal(vpnhub_figures(world.engine->vpnhub)->alone, 1);
	/* The answer comes although the mate has said nothing. */
	assert_int_equal(played_front_login_code(2, "bob"), 0);
	assert_int_equal(vpnhub_figures(world.engine->vpnhub)->alone, 2);
	assert_false(vpnhub_is_level(world.engine->vpnhub));
	WAIT_FOR(world.mate.sessions_live == 2);
	world_mate_acknowledge(world.mate.session_seq);
	WAIT_FOR(vpnhub_is_level(world.engine->vpnhub));
}

static void a_login_that_the_mate_does_not_take_is_answered_as_made_alone(void **state)
{
	const struct vpnhub *hub;

	(void)state;
	become_active();
	hub = world.engine->vpnhub;
	world.mate.refuses_sessions = true;
	assert_int_equal(played_front_login_code(1, "ada"), 0);
	/* Said so, and neither waited for nor told again and again. */
	assert_int_equal(vpnhub_figures(hub)->alone, 1);
	assert_true(session_find(1)->is_refused);
	assert_false(vpnhub_is_level(hub));
	assert_false(session_find(1)->is_dirty);
	/* What the mate says of one update says nothing of the next. */
	world.mate.refuses_sessions = false;
	assert_int_equal(played_front_login_code(2, "bob"), 0);
	assert_int_equal(vpnhub_figures(hub)->alone, 1);
	assert_false(session_find(2)->is_refused);
	assert_true(session_find(1)->is_refused);
	/* The next news of it is taken. */
	played_front_touch(1, true, 1, 0);
	WAIT_FOR(!session_find(1)->is_refused);
}

static void what_cannot_be_had_is_refused_for_its_reason(void **state)
{
	(void)state;
	become_active();
	assert_int_equal(played_front_login_code(1, "ada"), 0);
	assert_int_equal(played_front_login_code(1, "bob"), ERR_EXISTS);
	assert_int_equal(played_front_login_code(2, "ada"), 0);
	/* The pool has two addresses. */
	assert_int_equal(played_front_login_code(3, "bob"), ERR_TOO_LARGE);
	assert_int_equal(played_front_login_code(3, ""), ERR_MALFORMED);
	assert_int_equal(vpnhub_figures(world.engine->vpnhub)->refused, 3);
	(void)operator_asks("{\"method\":\"asafo.VpnLogoff\",\"parameters\":{\"index\":1}}");
	assert_int_equal(played_front_login_code(4, "bob"), 0);
}

static void one_login_too_many_ends_the_session_with_the_longest_idle_time(void **state)
{
	(void)state;
	become_active();
	assert_int_equal(played_front_login_code(1, "ada"), 0);
	assert_int_equal(played_front_login_code(2, "ada"), 0);
	/* The pool has two addresses: the third login gets the one that comes free. */
	assert_int_equal(played_front_login_code(3, "ada"), 0);
	WAIT_FOR(front.gone == 1 && world.mate.sessions_ended == 1);
	assert_int_equal(front.gone_reason, VPN_END_REPLACED);
	assert_int_equal(session_find(1)->end, VPN_END_REPLACED);
	assert_memory_equal(session_find(3)->session.v4.bytes, session_find(1)->session.v4.bytes,
			    4);
	/* Not the oldest where another one is idle for longer. */
	played_front_touch(2, true, 0, 0);
	played_front_touch(3, true, 0, 120000);
	assert_int_equal(played_front_login_code(4, "ada"), 0);
	WAIT_FOR(front.gone == 2);
	assert_int_equal(session_find(3)->end, VPN_END_REPLACED);
	assert_int_equal(session_find(2)->end, VPN_END_NONE);
	/* Nobody else's, and a login that fails ends none. */
	assert_int_equal(played_front_login_code(4, "ada"), ERR_EXISTS);
	assert_int_equal(played_front_login_code(5, "bob"), ERR_TOO_LARGE);
	assert_int_equal(vpnhub_figures(world.engine->vpnhub)->ended[VPN_END_REPLACED], 2);
}

static void configure(const char *lines)
{
	char request[512];

	(void)snprintf(request, sizeof(request),
		       "{\"method\":\"asafo.Configure\",\"parameters\":{\"text\":\"%s\"}}", lines);
	assert_null(strstr(operator_asks(request), "\"error\""));
}

static void a_login_that_gets_no_address_ends_no_session_for_it(void **state)
{
	(void)state;
	become_active();
	assert_int_equal(played_front_login_code(1, "ada"), 0);
	assert_int_equal(played_front_login_code(2, "ada"), 0);
	configure("ip local pool Q 10.8.0.1-10.8.0.1 mask 255.255.255.0\\n"
		  "ipv6 local pool Q6 fd00:8::10/64 1\\n"
		  "tunnel-group staff general-attributes\\n address-pool Q\\n"
		  " ipv6-address-pool Q6\\n");
	assert_int_equal(played_front_login_code(3, "bob"), 0);
	/* What would end has its addresses from elsewhere. */
	assert_int_equal(played_front_login_code(4, "ada"), ERR_TOO_LARGE);
	/* Only one of the two that are wanted would come free. */
	configure("tunnel-group staff general-attributes\\n address-pool P\\n");
	assert_int_equal(played_front_login_code(4, "ada"), ERR_TOO_LARGE);
	assert_int_equal(session_find(1)->end, VPN_END_NONE);
	assert_int_equal(session_find(2)->end, VPN_END_NONE);
	assert_int_equal(front.gone, 0);
	/* Both do. */
	configure("tunnel-group staff general-attributes\\n ipv6-address-pool P6\\n");
	assert_int_equal(played_front_login_code(4, "ada"), 0);
	assert_int_equal(session_find(1)->end, VPN_END_REPLACED);
	assert_int_equal(session_find(2)->end, VPN_END_NONE);
}

static void who_was_idle_is_logged_off_all_the_same(void **state)
{
	(void)state;
	become_active();
	assert_int_equal(played_front_login_code(1, "ada"), 0);
	assert_int_equal(played_front_login_code(2, "bob"), 0);
	played_front_touch(1, true, 0, 600001);
	WAIT_FOR(front.gone == 1 && world.mate.sessions_ended == 1);
	played_front_touch(2, true, 0, 600001);
	WAIT_FOR(front.gone == 2 && world.mate.sessions_ended == 2);
	assert_int_equal(session_find(1)->end, VPN_END_IDLE);
	/* The mate may have heard the client since, and could bring it back: a will is final. */
	(void)operator_asks("{\"method\":\"asafo.VpnLogoff\",\"parameters\":{\"user\":\"ada\"}}");
	WAIT_FOR(world.mate.sessions_ended == 3);
	assert_int_equal(session_find(1)->end, VPN_END_ADMIN);
	played_front_log_out(2);
	WAIT_FOR(world.mate.sessions_ended == 4);
	assert_int_equal(session_find(2)->end, VPN_END_LOGOUT);
	assert_int_equal(front.gone, 2);
	assert_int_equal(vpnhub_figures(world.engine->vpnhub)->ended[VPN_END_ADMIN], 0);
}

static void a_logoff_reaches_front_and_mate(void **state)
{
	const char *text;

	(void)state;
	become_active();
	assert_int_equal(played_front_login_code(1, "ada"), 0);
	text = operator_asks("{\"method\":\"asafo.ShowVpnSessions\"}");
	assert_non_null(strstr(text, "\"username\":\"ada\""));
	assert_non_null(strstr(text, "\"on_mate\":true"));
	text = operator_asks("{\"method\":\"asafo.VpnLogoff\",\"parameters\":{\"user\":\"bob\"}}");
	assert_non_null(strstr(text, "asafo.NotFound"));
	text = operator_asks("{\"method\":\"asafo.VpnLogoff\",\"parameters\":{\"user\":\"ada\"}}");
	assert_non_null(strstr(text, "\"ended\":1"));
	WAIT_FOR(front.gone == 1 && world.mate.sessions_ended == 1);
	assert_int_equal(front.gone_reason, VPN_END_ADMIN);
	assert_int_equal(session_find(1)->end, VPN_END_ADMIN);
}

static void a_user_that_is_no_more_has_no_session(void **state)
{
	(void)state;
	become_active();
	assert_int_equal(played_front_login_code(1, "ada"), 0);
	(void)operator_asks(
		"{\"method\":\"asafo.Configure\",\"parameters\":{\"text\":\"no username "
		"ada\\n\"}}");
	WAIT_FOR(front.gone == 1);
	assert_int_equal(front.gone_reason, VPN_END_CONFIG);
}

static void a_touch_counts_and_an_idle_session_ends(void **state)
{
	(void)state;
	become_active();
	assert_int_equal(played_front_login_code(1, "ada"), 0);
	played_front_touch(1, true, 500, 0);
	WAIT_FOR(session_find(1)->figures.received == 500);
	assert_true(session_find(1)->session.is_connected);
	assert_int_equal(session_find(1)->session.owner, 1);
	played_front_touch(1, true, 0, 600001);
	WAIT_FOR(front.gone == 1);
	assert_int_equal(front.gone_reason, VPN_END_IDLE);
}

static void a_front_that_was_overtaken_does_not_take_the_session_back(void **state)
{
	struct ipc_channel *other;

	(void)state;
	become_active();
	other = played_front_attach_as(1);
	assert_int_equal(played_front_login_code(1, "ada"), 0);
	played_front_touch_by(front.channel, 1, true, 10, 0, 9000);
	WAIT_FOR(session_find(1)->session.owner == 1);
	played_front_touch_by(other, 1, true, 10, 0, 1000);
	WAIT_FOR(session_find(1)->session.owner == 2);
	/* What it says late counts as figures, and as nothing else. */
	played_front_touch_by(front.channel, 1, true, 100, 590000, 9000);
	WAIT_FOR(session_find(1)->figures.received == 120);
	assert_int_equal(session_find(1)->session.owner, 2);
	assert_true(session_find(1)->session.idle_ends_at.ns >
		    monotime_add_ms(monotime_now(), 20000).ns);
	played_front_touch_by(front.channel, 1, false, 1000, 0, 9000);
	WAIT_FOR(session_find(1)->figures.received == 1120);
	assert_int_equal(session_find(1)->session.owner, 2);
	/* Also where the later tunnel is gone again. */
	played_front_touch_by(other, 1, false, 0, 0, 1000);
	WAIT_FOR(session_find(1)->session.owner == 0);
	played_front_touch_by(front.channel, 1, true, 10000, 0, 9000);
	WAIT_FOR(session_find(1)->figures.received == 11120);
	assert_false(session_find(1)->session.is_connected);
	/* A client that comes back to it is another matter. */
	played_front_touch(1, true, 0, 0);
	WAIT_FOR(session_find(1)->session.owner == 1);
	ipc_channel_free(other);
}

static void a_front_that_was_not_shown_the_cookie_can_neither_claim_nor_end_a_session(void **state)
{
	uint8_t hash[32] = {9};

	(void)state;
	world_be_staging(LINES);
	played_front_attach();
	/* All that it has of somebody else's session is what the table says. */
	mate_tells(9, 0, 100000, true);
	WAIT_FOR(front.puts == 1);
	assert_memory_not_equal(front.tag, hash, sizeof(hash));
	take_over();
	played_front_claim(front.tag);
	WAIT_FOR(front.replies == 1);
	assert_int_equal(front.code, ERR_NOT_FOUND);
	assert_int_equal(session_find(9)->end, VPN_END_NONE);
	assert_int_equal(session_find(9)->session.owner, 0);
	assert_int_equal(session_find(9)->figures.received, 0);
	/* Who was shown it can. */
	played_front_claim(hash);
	WAIT_FOR(front.replies == 2);
	assert_int_equal(front.code, 0);
	assert_int_equal(session_find(9)->figures.received, 1000);
	assert_int_equal(session_find(9)->end, VPN_END_LOGOUT);
}

static void a_session_of_a_front_that_dies_goes_on_without_it(void **state)
{
	(void)state;
	become_active();
	assert_int_equal(played_front_login_code(1, "ada"), 0);
	played_front_touch(1, true, 1, 0);
	WAIT_FOR(session_find(1)->session.is_connected);
	ipc_channel_free(TAKE_PTR(front.channel));
	WAIT_FOR(!session_find(1)->session.is_connected);
	assert_int_equal(session_find(1)->end, VPN_END_NONE);
	played_front_attach();
	assert_int_equal(front.puts, 1);
}

static void a_login_whose_front_died_leaves_no_session(void **state)
{
	(void)state;
	become_active();
	world.mate.holds_sessions = true;
	played_front_log_in(1, "ada");
	WAIT_FOR(world.mate.sessions_live == 1);
	ipc_channel_free(TAKE_PTR(front.channel));
	WAIT_FOR(session_find(1)->end == VPN_END_LOGOUT);
}

static void an_older_mate_is_never_told_and_that_is_said(void **state)
{
	(void)state;
	world.mate.version = 1;
	world_be_active(LINES);
	played_front_attach();
	WAIT_FOR(vpnhub_is_mate_older(world.engine->vpnhub));
	assert_int_equal(played_front_login_code(1, "ada"), 0);
	assert_int_equal(vpnhub_figures(world.engine->vpnhub)->alone, 1);
	assert_int_equal(world.mate.session_updates, 0);
	assert_non_null(strstr(operator_asks("{\"method\":\"asafo.ShowFailover\"}"),
			       "knows no VPN sessions"));
}

static void a_standby_takes_sessions_and_gives_none(void **state)
{
	(void)state;
	world_be_staging(LINES);
	played_front_attach();
	assert_false(front.is_complete);
	mate_tells(9, 0, 100000, false);
	WAIT_FOR(front.puts == 1);
	assert_false(front.is_complete);
	mate_tells(0, 0, 0, true);
	WAIT_FOR(front.is_complete);
	assert_true(world.mate.session_acks >= 1);
	/* What is left is counted from here on, by this unit's clock. */
	assert_true(session_find(9)->session.ends_at.ns <=
		    monotime_add_ms(monotime_now(), 100000).ns);
	assert_int_equal(played_front_login_code(1, "ada"), ERR_NOT_ACTIVE);
	mate_tells(9, VPN_END_LOGOUT, 100000, false);
	WAIT_FOR(front.gone == 1);
	assert_int_equal(front.gone_reason, VPN_END_LOGOUT);
	/* Late words do not bring it back. */
	mate_tells(9, 0, 100000, true);
	mate_tells(8, 0, 100000, true);
	WAIT_FOR(session_find(8));
	assert_int_equal(session_find(9)->end, VPN_END_LOGOUT);
}

static void a_session_that_is_not_taken_is_not_acknowledged(void **state)
{
	(void)state;
	world_be_staging(LINES);
	played_front_attach();
	mate_says(9, &(struct told){.left_ms = 100000, .v4 = 2, .client_port = 65536});
	WAIT_FOR(world.mate.sessions_refused == 1);
	assert_null(session_find(9));
	assert_int_equal(vpnhub_figures(world.engine->vpnhub)->not_taken, 1);
	mate_says(9, &(struct told){.left_ms = 100000, .v4 = 2, .client_port = 65535});
	WAIT_FOR(session_find(9));
	WAIT_FOR(world.mate.session_acks >= 2);
	assert_int_equal(world.mate.sessions_refused, 1);
}

static void fronts_hear_of_both_sessions_that_lose_to_one(void **state)
{
	(void)state;
	world_be_staging(LINES);
	played_front_attach();
	mate_says(1, &(struct told){.left_ms = 100000, .v4 = 1});
	mate_says(2, &(struct told){.left_ms = 100000, .v6 = 16});
	WAIT_FOR(front.puts == 2);
	/* Of one term: the greater hash keeps the addresses. */
	mate_says(3, &(struct told){.left_ms = 100000, .v4 = 1, .v6 = 16});
	WAIT_FOR(front.puts == 3);
	assert_int_equal(front.gone, 2);
	assert_int_equal(front.gone_reason, VPN_END_CLASH);
	assert_int_equal(session_find(1)->end, VPN_END_CLASH);
	assert_int_equal(session_find(2)->end, VPN_END_CLASH);
	assert_int_equal(vpnhub_figures(world.engine->vpnhub)->ended[VPN_END_CLASH], 2);
}

static void a_takeover_keeps_the_sessions_and_their_addresses(void **state)
{
	(void)state;
	world_be_staging(LINES);
	played_front_attach();
	mate_tells(9, 0, 100000, true);
	WAIT_FOR(session_find(9));
	take_over();
	assert_int_equal(session_find(9)->end, VPN_END_NONE);
	assert_int_equal(session_find(9)->session.v4.bytes[3], 2);
	assert_false(session_find(9)->session.is_connected);
	/* Its address is taken, the other one is free. */
	assert_int_equal(played_front_login_code(1, "bob"), 0);
	assert_int_equal(front.v4[3], 1);
	assert_int_equal(played_front_login_code(2, "bob"), ERR_TOO_LARGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_login_is_answered_when_the_mate_has_the_session),
		TEST(a_logout_is_answered_when_the_mate_knows_of_it),
		TEST(a_standby_takes_a_logout_and_tells_the_active_unit),
		TEST(an_end_that_the_mate_told_is_not_waited_for),
		TEST(a_front_that_missed_something_gets_the_whole_table_again),
		TEST(a_mate_that_does_not_answer_delays_one_login_only),
		TEST(a_login_that_the_mate_does_not_take_is_answered_as_made_alone),
		TEST(what_cannot_be_had_is_refused_for_its_reason),
		TEST(one_login_too_many_ends_the_session_with_the_longest_idle_time),
		TEST(a_login_that_gets_no_address_ends_no_session_for_it),
		TEST(who_was_idle_is_logged_off_all_the_same),
		TEST(a_logoff_reaches_front_and_mate),
		TEST(a_user_that_is_no_more_has_no_session),
		TEST(a_touch_counts_and_an_idle_session_ends),
		TEST(a_front_that_was_overtaken_does_not_take_the_session_back),
		TEST(a_front_that_was_not_shown_the_cookie_can_neither_claim_nor_end_a_session),
		TEST(a_session_of_a_front_that_dies_goes_on_without_it),
		TEST(a_login_whose_front_died_leaves_no_session),
		TEST(an_older_mate_is_never_told_and_that_is_said),
		TEST(a_standby_takes_sessions_and_gives_none),
		TEST(a_session_that_is_not_taken_is_not_acknowledged),
		TEST(fronts_hear_of_both_sessions_that_lose_to_one),
		TEST(a_takeover_keeps_the_sessions_and_their_addresses),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
