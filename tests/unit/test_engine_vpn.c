/* SPDX-License-Identifier: Apache-2.0 */
/* VPN sessions in a whole engine: what fronts ask, what the mate is told, what survives a change of
 * roles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "engine_world.h"
#include "failover/vpn/hub.h"
#include "failover/vpn/sessiondb.h"

#define HASH "$y$j9T$abcdefghijklmnopqrstuv$0123456789"
#define LINES                                                                                      \
	"webvpn\n anyconnect enable\n"                                                             \
	"ip local pool P 10.9.0.1-10.9.0.2 mask 255.255.255.0\n"                                   \
	"ipv6 local pool P6 fd00:9::10/64 8\n"                                                     \
	"group-policy GP internal\ngroup-policy GP attributes\n vpn-idle-timeout 1\n"              \
	" vpn-simultaneous-logins 2\n"                                                             \
	"tunnel-group staff type remote-access\ntunnel-group staff general-attributes\n"           \
	" address-pool P\n ipv6-address-pool P6\n default-group-policy GP\n"                       \
	"username ada password " HASH "\nusername bob password " HASH "\n"

/* A front, played by the test. */
static struct front {
	struct ipc_channel *channel;
	unsigned configs, resets, puts, gone, replies;
	uint32_t gone_reason;
	bool is_complete;
	int code; /* of the latest reply */
	uint8_t v4[4];
	uint32_t id, prefix;
	bool has_v6;
} front;

static void on_notice(struct ipc_channel *channel, struct ipc_frame *frame,
		      const ProtobufCMessage *body, void *userdata)
{
	const Asafo__Ipc__VpnTable *table = (const Asafo__Ipc__VpnTable *)body;

	(void)channel;
	(void)userdata;
	front.configs += frame->type == IPC_VPN_CONFIG ? 1 : 0;
	if (frame->type != IPC_VPN_TABLE)
		return;
	front.resets += table->is_reset ? 1 : 0;
	front.puts += (unsigned)table->n_put;
	front.gone += (unsigned)table->n_gone;
	if (table->n_gone)
		front.gone_reason = table->gone[0]->reason;
	front.is_complete = table->is_complete;
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	(void)code;
	(void)userdata;
	ipc_channel_free(channel);
	front.channel = NULL;
}

static struct ipc_channel *attach(unsigned instance)
{
	static const bool takes[IPC_TYPE__MAX] = {
		[IPC_FRONT_CONFIG] = true, [IPC_FRONT_ROLE] = true, [IPC_FRONT_TEST] = true,
		[IPC_VPN_CONFIG] = true,   [IPC_VPN_TABLE] = true,  [IPC_VPN_TUN] = true};
	static const struct ipc_channel_ops ops = {takes, on_notice, on_closed};
	struct ipc_channel *channel;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	assert_int_equal(ipc_channel_new(world.event, fds[0], &ops, NULL, &channel), 0);
	engine_front_attach(world.engine, instance, fds[1]);
	return channel;
}

static void attach_front(void)
{
	front = (struct front){.code = 1};
	front.channel = attach(0);
	WAIT_FOR(front.resets > 0);
}

static int tear_down(void **state)
{
	ipc_channel_free(TAKE_PTR(front.channel));
	return world_teardown(state);
}

static void on_made(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__VpnSessionNewReply *reply = (const Asafo__Ipc__VpnSessionNewReply *)body;

	(void)has_more;
	(void)userdata;
	if (code < 0)
		return;
	front.replies++;
	front.code = reply->status->code;
	if (front.code < 0)
		return;
	assert_int_equal(reply->session->v4->address.len, 4);
	memcpy(front.v4, reply->session->v4->address.data, 4);
	front.prefix = reply->session->v4->prefix;
	front.has_v6 = reply->session->v6 != NULL;
	front.id = reply->session->id;
}

static void hash_of(unsigned number, uint8_t hash[static 32])
{
	memset(hash, 0, 32);
	hash[0] = (uint8_t)number;
}

static void log_in(unsigned number, const char *user)
{
	Asafo__Ipc__VpnSessionNew message = ASAFO__IPC__VPN_SESSION_NEW__INIT;
	uint8_t hash[32], client[4] = {203, 0, 113, 77};
	char group[] = "staff";

	hash_of(number, hash);
	message.cookie_hash = (ProtobufCBinaryData){sizeof(hash), hash};
	message.client = (ProtobufCBinaryData){sizeof(client), client};
	message.user = (char *)(uintptr_t)user;
	message.group = group;
	assert_int_equal(ipc_channel_call(front.channel, IPC_VPN_SESSION_NEW, &message.base, NULL,
					  0, on_made, NULL),
			 0);
}

/* ... and hears the answer. */
static int login_code(unsigned number, const char *user)
{
	unsigned n = front.replies;

	log_in(number, user);
	WAIT_FOR(front.replies > n);
	return front.code;
}

/* Of a tunnel whose CONNECT was taken AGE_MS ago. */
static void touch_by(struct ipc_channel *channel, unsigned number, bool is_connected,
		     uint64_t received, uint64_t idle_ms, uint64_t age_ms)
{
	Asafo__Ipc__VpnSessionTouch message = ASAFO__IPC__VPN_SESSION_TOUCH__INIT;
	Asafo__Ipc__VpnTouched touched = ASAFO__IPC__VPN_TOUCHED__INIT, *pointers[1] = {&touched};
	uint8_t hash[32];

	hash_of(number, hash);
	touched.cookie_hash = (ProtobufCBinaryData){sizeof(hash), hash};
	touched.is_connected = is_connected;
	touched.received = received;
	touched.idle_ms = idle_ms;
	touched.tunnel_at_ns = monotime_now().ns - age_ms * MONOTIME_NS_PER_MS;
	message.touched = pointers;
	message.n_touched = 1;
	assert_int_equal(ipc_channel_send(channel, IPC_VPN_SESSION_TOUCH, &message.base, NULL, 0),
			 0);
}

static void touch(unsigned number, bool is_connected, uint64_t received, uint64_t idle_ms)
{
	touch_by(front.channel, number, is_connected, received, idle_ms, 0);
}

static const struct session_record *find(unsigned number)
{
	uint8_t hash[32];

	hash_of(number, hash);
	return sessiondb_find(vpnhub_sessions(world.engine->vpnhub), hash);
}

/* What the mate tells of a session of its own making. */
struct told {
	uint32_t end, client_port;
	uint64_t left_ms;
	bool is_whole;
	uint8_t v4, v6; /* the last byte; 0: none */
};

static void mate_says(unsigned number, const struct told *told)
{
	static uint64_t seq;
	Asafo__Wire__SessionUpdate update = ASAFO__WIRE__SESSION_UPDATE__INIT;
	Asafo__Wire__SessionRecord record = ASAFO__WIRE__SESSION_RECORD__INIT;
	Asafo__Wire__SessionRecord *pointers[1] = {&record};
	Asafo__Wire__SessionLease v4 = ASAFO__WIRE__SESSION_LEASE__INIT;
	Asafo__Wire__SessionLease v6 = ASAFO__WIRE__SESSION_LEASE__INIT;
	uint8_t hash[32], address4[4] = {10, 9, 0, told->v4};
	uint8_t address6[16] = {0xfd, 0, 0, 9, [15] = told->v6};
	char user[] = "ada", group[] = "staff", policy[] = "GP";

	hash_of(number, hash);
	record.cookie_hash = (ProtobufCBinaryData){sizeof(hash), hash};
	record.id = 2;
	record.user = user;
	record.group = group;
	record.policy = policy;
	v4.address = (ProtobufCBinaryData){sizeof(address4), address4};
	v4.prefix = 24;
	record.v4 = told->v4 ? &v4 : NULL;
	v6.address = (ProtobufCBinaryData){sizeof(address6), address6};
	v6.prefix = 64;
	record.v6 = told->v6 ? &v6 : NULL;
	record.left_ms = told->left_ms;
	record.client_port = told->client_port;
	record.idle_left_ms = 50000;
	record.born_term = record.term = world.engine->fsm.term;
	record.revision = 7;
	record.end = told->end;
	update.seq = ++seq;
	update.records = pointers;
	update.n_records = number ? 1 : 0;
	update.is_whole = told->is_whole;
	world_mate_send(ASAFO__WIRE__LINK__BODY_SESSION_UPDATE, &update);
}

static void mate_tells(unsigned number, uint32_t end, uint64_t left_ms, bool is_whole)
{
	mate_says(number,
		  &(struct told){.end = end, .left_ms = left_ms, .is_whole = is_whole, .v4 = 2});
}

static const char *ask(const char *request)
{
	int fd = world_ask(request, -1);
	const char *text = world_answer(fd);

	(void)close(fd);
	return text;
}

static void become_active(void)
{
	world_be_active(LINES);
	attach_front();
	WAIT_FOR(world.mate.session_wholes > 0);
}

/* ---- tests ---- */

static void a_login_is_answered_when_the_mate_has_the_session(void **state)
{
	(void)state;
	become_active();
	world.mate.holds_sessions = true;
	log_in(1, "ada");
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

static void a_mate_that_does_not_answer_delays_one_login_only(void **state)
{
	struct monotime before = monotime_now();

	(void)state;
	become_active();
	world.mate.holds_sessions = true;
	assert_int_equal(login_code(1, "ada"), 0);
	assert_true(monotime_since(monotime_now(), before) >= 2000 * MONOTIME_NS_PER_MS);
	assert_int_equal(vpnhub_figures(world.engine->vpnhub)->alone, 1);
	/* The answer comes although the mate has said nothing. */
	assert_int_equal(login_code(2, "bob"), 0);
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
	assert_int_equal(login_code(1, "ada"), 0);
	/* Said so, and neither waited for nor told again and again. */
	assert_int_equal(vpnhub_figures(hub)->alone, 1);
	assert_true(find(1)->is_refused);
	assert_false(vpnhub_is_level(hub));
	assert_false(find(1)->is_dirty);
	/* What the mate says of one update says nothing of the next. */
	world.mate.refuses_sessions = false;
	assert_int_equal(login_code(2, "bob"), 0);
	assert_int_equal(vpnhub_figures(hub)->alone, 1);
	assert_false(find(2)->is_refused);
	assert_true(find(1)->is_refused);
	/* The next news of it is taken. */
	touch(1, true, 1, 0);
	WAIT_FOR(!find(1)->is_refused);
}

static void what_cannot_be_had_is_refused_for_its_reason(void **state)
{
	(void)state;
	become_active();
	assert_int_equal(login_code(1, "ada"), 0);
	assert_int_equal(login_code(1, "bob"), ERR_EXISTS);
	assert_int_equal(login_code(2, "ada"), 0);
	assert_int_equal(login_code(3, "ada"), ERR_BUSY);
	/* The pool has two addresses. */
	assert_int_equal(login_code(3, "bob"), ERR_TOO_LARGE);
	assert_int_equal(login_code(3, ""), ERR_MALFORMED);
	assert_int_equal(vpnhub_figures(world.engine->vpnhub)->refused, 4);
	(void)ask("{\"method\":\"asafo.VpnLogoff\",\"parameters\":{\"index\":1}}");
	assert_int_equal(login_code(4, "bob"), 0);
}

static void a_logoff_reaches_front_and_mate(void **state)
{
	const char *text;

	(void)state;
	become_active();
	assert_int_equal(login_code(1, "ada"), 0);
	text = ask("{\"method\":\"asafo.ShowVpnSessions\"}");
	assert_non_null(strstr(text, "\"username\":\"ada\""));
	assert_non_null(strstr(text, "\"on_mate\":true"));
	text = ask("{\"method\":\"asafo.VpnLogoff\",\"parameters\":{\"user\":\"bob\"}}");
	assert_non_null(strstr(text, "asafo.NotFound"));
	text = ask("{\"method\":\"asafo.VpnLogoff\",\"parameters\":{\"user\":\"ada\"}}");
	assert_non_null(strstr(text, "\"ended\":1"));
	WAIT_FOR(front.gone == 1 && world.mate.sessions_ended == 1);
	assert_int_equal(front.gone_reason, VPN_END_ADMIN);
	assert_int_equal(find(1)->end, VPN_END_ADMIN);
}

static void a_user_that_is_no_more_has_no_session(void **state)
{
	(void)state;
	become_active();
	assert_int_equal(login_code(1, "ada"), 0);
	(void)ask("{\"method\":\"asafo.Configure\",\"parameters\":{\"text\":\"no username "
		  "ada\\n\"}}");
	WAIT_FOR(front.gone == 1);
	assert_int_equal(front.gone_reason, VPN_END_CONFIG);
}

static void a_touch_counts_and_an_idle_session_ends(void **state)
{
	(void)state;
	become_active();
	assert_int_equal(login_code(1, "ada"), 0);
	touch(1, true, 500, 0);
	WAIT_FOR(find(1)->figures.received == 500);
	assert_true(find(1)->session.is_connected);
	assert_int_equal(find(1)->session.owner, 1);
	touch(1, true, 0, 60001);
	WAIT_FOR(front.gone == 1);
	assert_int_equal(front.gone_reason, VPN_END_IDLE);
}

static void a_front_that_was_overtaken_does_not_take_the_session_back(void **state)
{
	struct ipc_channel *other;

	(void)state;
	become_active();
	other = attach(1);
	assert_int_equal(login_code(1, "ada"), 0);
	touch_by(front.channel, 1, true, 10, 0, 9000);
	WAIT_FOR(find(1)->session.owner == 1);
	touch_by(other, 1, true, 10, 0, 1000);
	WAIT_FOR(find(1)->session.owner == 2);
	/* What it says late counts as figures, and as nothing else. */
	touch_by(front.channel, 1, true, 100, 59000, 9000);
	WAIT_FOR(find(1)->figures.received == 120);
	assert_int_equal(find(1)->session.owner, 2);
	assert_true(find(1)->session.idle_ends_at.ns > monotime_add_ms(monotime_now(), 20000).ns);
	touch_by(front.channel, 1, false, 1000, 0, 9000);
	WAIT_FOR(find(1)->figures.received == 1120);
	assert_int_equal(find(1)->session.owner, 2);
	/* Also where the later tunnel is gone again. */
	touch_by(other, 1, false, 0, 0, 1000);
	WAIT_FOR(find(1)->session.owner == 0);
	touch_by(front.channel, 1, true, 10000, 0, 9000);
	WAIT_FOR(find(1)->figures.received == 11120);
	assert_false(find(1)->session.is_connected);
	/* A client that comes back to it is another matter. */
	touch(1, true, 0, 0);
	WAIT_FOR(find(1)->session.owner == 1);
	ipc_channel_free(other);
}

static void a_session_of_a_front_that_dies_goes_on_without_it(void **state)
{
	(void)state;
	become_active();
	assert_int_equal(login_code(1, "ada"), 0);
	touch(1, true, 1, 0);
	WAIT_FOR(find(1)->session.is_connected);
	ipc_channel_free(TAKE_PTR(front.channel));
	WAIT_FOR(!find(1)->session.is_connected);
	assert_int_equal(find(1)->end, VPN_END_NONE);
	attach_front();
	assert_int_equal(front.puts, 1);
}

static void a_login_whose_front_died_leaves_no_session(void **state)
{
	(void)state;
	become_active();
	world.mate.holds_sessions = true;
	log_in(1, "ada");
	WAIT_FOR(world.mate.sessions_live == 1);
	ipc_channel_free(TAKE_PTR(front.channel));
	WAIT_FOR(find(1)->end == VPN_END_LOGOUT);
}

static void an_older_mate_is_never_told_and_that_is_said(void **state)
{
	(void)state;
	world.mate.version = 1;
	world_be_active(LINES);
	attach_front();
	WAIT_FOR(vpnhub_is_mate_older(world.engine->vpnhub));
	assert_int_equal(login_code(1, "ada"), 0);
	assert_int_equal(vpnhub_figures(world.engine->vpnhub)->alone, 1);
	assert_int_equal(world.mate.session_updates, 0);
	assert_non_null(
		strstr(ask("{\"method\":\"asafo.ShowFailover\"}"), "knows no VPN sessions"));
}

static void a_standby_takes_sessions_and_gives_none(void **state)
{
	(void)state;
	world_be_staging(LINES);
	attach_front();
	assert_false(front.is_complete);
	mate_tells(9, 0, 100000, false);
	WAIT_FOR(front.puts == 1);
	assert_false(front.is_complete);
	mate_tells(0, 0, 0, true);
	WAIT_FOR(front.is_complete);
	assert_true(world.mate.session_acks >= 1);
	/* What is left is counted from here on, by this unit's clock. */
	assert_true(find(9)->session.ends_at.ns <= monotime_add_ms(monotime_now(), 100000).ns);
	assert_int_equal(login_code(1, "ada"), ERR_NOT_ACTIVE);
	mate_tells(9, VPN_END_LOGOUT, 100000, false);
	WAIT_FOR(front.gone == 1);
	assert_int_equal(front.gone_reason, VPN_END_LOGOUT);
	/* Late words do not bring it back. */
	mate_tells(9, 0, 100000, true);
	mate_tells(8, 0, 100000, true);
	WAIT_FOR(find(8));
	assert_int_equal(find(9)->end, VPN_END_LOGOUT);
}

static void a_session_that_is_not_taken_is_not_acknowledged(void **state)
{
	(void)state;
	world_be_staging(LINES);
	attach_front();
	mate_says(9, &(struct told){.left_ms = 100000, .v4 = 2, .client_port = 65536});
	WAIT_FOR(world.mate.sessions_refused == 1);
	assert_null(find(9));
	assert_int_equal(vpnhub_figures(world.engine->vpnhub)->not_taken, 1);
	mate_says(9, &(struct told){.left_ms = 100000, .v4 = 2, .client_port = 65535});
	WAIT_FOR(find(9));
	WAIT_FOR(world.mate.session_acks >= 2);
	assert_int_equal(world.mate.sessions_refused, 1);
}

static void fronts_hear_of_both_sessions_that_lose_to_one(void **state)
{
	(void)state;
	world_be_staging(LINES);
	attach_front();
	mate_says(1, &(struct told){.left_ms = 100000, .v4 = 1});
	mate_says(2, &(struct told){.left_ms = 100000, .v6 = 16});
	WAIT_FOR(front.puts == 2);
	/* Of one term: the greater hash keeps the addresses. */
	mate_says(3, &(struct told){.left_ms = 100000, .v4 = 1, .v6 = 16});
	WAIT_FOR(front.puts == 3);
	assert_int_equal(front.gone, 2);
	assert_int_equal(front.gone_reason, VPN_END_CLASH);
	assert_int_equal(find(1)->end, VPN_END_CLASH);
	assert_int_equal(find(2)->end, VPN_END_CLASH);
	assert_int_equal(vpnhub_figures(world.engine->vpnhub)->ended[VPN_END_CLASH], 2);
}

static void a_takeover_keeps_the_sessions_and_their_addresses(void **state)
{
	int fd;

	(void)state;
	world_be_staging(LINES);
	attach_front();
	mate_tells(9, 0, 100000, true);
	WAIT_FOR(find(9));
	fd = world_ask("{\"method\":\"asafo.FailoverActive\",\"parameters\":{\"force\":true}}", -1);
	world.mate.is_silent = true;
	WAIT_FOR(engine_is_active(world.engine));
	(void)close(fd);
	assert_int_equal(find(9)->end, VPN_END_NONE);
	assert_int_equal(find(9)->session.v4.bytes[3], 2);
	assert_false(find(9)->session.is_connected);
	/* Its address is taken, the other one is free. */
	assert_int_equal(login_code(1, "bob"), 0);
	assert_int_equal(front.v4[3], 1);
	assert_int_equal(login_code(2, "bob"), ERR_TOO_LARGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_login_is_answered_when_the_mate_has_the_session),
		TEST(a_mate_that_does_not_answer_delays_one_login_only),
		TEST(a_login_that_the_mate_does_not_take_is_answered_as_made_alone),
		TEST(what_cannot_be_had_is_refused_for_its_reason),
		TEST(a_logoff_reaches_front_and_mate),
		TEST(a_user_that_is_no_more_has_no_session),
		TEST(a_touch_counts_and_an_idle_session_ends),
		TEST(a_front_that_was_overtaken_does_not_take_the_session_back),
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
