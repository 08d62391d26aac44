/* SPDX-License-Identifier: Apache-2.0 */
/* The front's copy of the VPN sessions: what the engine's messages make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/tunnel/vpn.h"
#include "vpn_copy.h"

struct heard {
	unsigned changed, gone, configs, tuns;
	enum vpn_end reason;
	char gone_user[VPN_NAME_MAX];
};

static void on_changed(struct vpn_entry *entry, void *userdata)
{
	(void)entry;
	((struct heard *)userdata)->changed++;
}

static void on_gone(struct vpn_entry *entry, enum vpn_end reason, void *userdata)
{
	struct heard *heard = userdata;

	heard->gone++;
	heard->reason = reason;
	memcpy(heard->gone_user, entry->session.user, sizeof(heard->gone_user));
}

static void on_config(const struct vpn_config *config, void *userdata)
{
	(void)config;
	((struct heard *)userdata)->configs++;
}

static void on_tun(int fd, const char *device, unsigned mtu, void *userdata)
{
	assert_true(fcntl(fd, F_GETFD) >= 0);
	assert_string_equal(device, "asafo0");
	assert_int_equal(mtu, VPN_TUN_MTU);
	((struct heard *)userdata)->tuns++;
}

static const struct vpn_listener listener = {on_changed, on_gone, on_config, on_tun, NULL};

struct world {
	struct vpn *vpn;
	struct heard heard;
	sd_event *event;
	struct ipc_channel *front, *engine;
	/* What the engine's end does with a VPN_SESSION_NEW. */
	int code;
	bool is_put;
	unsigned ended;
	struct vpn_session session;
	unsigned resyncs;
};

/* ---- the engine's end of a real channel ---- */

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	struct world *world = userdata;
	Asafo__Ipc__VpnSessionNewReply reply = ASAFO__IPC__VPN_SESSION_NEW_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	char why[] = "no address is free";

	world->resyncs += frame->type == IPC_VPN_RESYNC ? 1 : 0;
	if (frame->type == IPC_VPN_SESSION_END)
		world->ended++;

	if (frame->type != IPC_VPN_SESSION_NEW)
		return;
	assert_string_equal(((const Asafo__Ipc__VpnSessionNew *)body)->user, world->session.user);
	if (world->is_put)
		assert_int_equal(put(world->vpn, &world->session, false, true), 0);
	status.code = world->code;
	status.why = world->code ? why : status.why;
	reply.status = &status;
	assert_int_equal(
		ipc_channel_reply(channel, IPC_VPN_SESSION_NEW, frame->id, false, &reply.base), 0);
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	(void)channel;
	(void)code;
	(void)userdata;
}

static const bool engine_takes[IPC_TYPE__MAX] = {[IPC_VPN_SESSION_NEW] = true,
						 [IPC_VPN_SESSION_TOUCH] = true,
						 [IPC_VPN_SESSION_END] = true,
						 [IPC_VPN_RESYNC] = true};
static const struct ipc_channel_ops engine_ops = {engine_takes, on_request, on_closed};
static const bool front_takes[IPC_TYPE__MAX] = {0};
static const struct ipc_channel_ops front_ops = {front_takes, on_request, on_closed};

static void connect_engine(struct world *world)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	assert_int_equal(ipc_channel_new(world->event, fds[0], &front_ops, world, &world->front),
			 0);
	assert_int_equal(ipc_channel_new(world->event, fds[1], &engine_ops, world, &world->engine),
			 0);
	vpn_attach(world->vpn, world->front);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->session = session_of(7);
	assert_int_equal(vpn_new(&world->vpn), 0);
	assert_int_equal(vpn_listen(world->vpn, &listener, &world->heard), 0);
	assert_true(sd_event_new(&world->event) >= 0);
	connect_engine(world);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	ipc_channel_free(world->front);
	ipc_channel_free(world->engine);
	vpn_free(world->vpn);
	(void)sd_event_unref(world->event);
	free(world);
	return 0;
}

/* ---- tests ---- */

static void a_session_is_found_by_its_cookie_and_by_both_addresses(void **state)
{
	struct world *world = *state;
	enum { N = 1500 };

	for (unsigned i = 0; i < N; i++) {
		struct vpn_session session = session_of(i);

		assert_int_equal(put(world->vpn, &session, i == 0, i == N - 1), 0);
	}
	assert_int_equal(vpn_count(world->vpn), N);
	assert_true(vpn_is_complete(world->vpn));
	for (unsigned i = 0; i < N; i++) {
		struct vpn_session session = session_of(i);
		struct vpn_entry *entry = vpn_find(world->vpn, session.hash);

		assert_non_null(entry);
		assert_string_equal(entry->session.user, session.user);
		assert_ptr_equal(vpn_find_address(world->vpn, session.v4.bytes, 4), entry);
		assert_ptr_equal(vpn_find_address(world->vpn, session.v6.bytes, 16), entry);
	}
}

static void what_the_table_calls_a_session_is_not_what_the_engine_believes(void **state)
{
	struct world *world = *state;
	struct vpn_session session = session_of(3);
	const struct vpn_entry *entry;

	assert_int_equal(put(world->vpn, &session, true, true), 0);
	entry = vpn_find(world->vpn, session.hash);
	assert_non_null(entry);
	assert_memory_not_equal(entry->session.hash, session.hash, VPN_HASH_SIZE);
	assert_null(vpn_find(world->vpn, entry->session.hash));
}

static void an_ended_session_is_gone_and_its_reason_is_told(void **state)
{
	struct world *world = *state;
	struct vpn_session session = session_of(3);

	assert_int_equal(put(world->vpn, &session, true, true), 0);
	assert_int_equal(drop(world->vpn, &session, VPN_END_ADMIN), 0);
	assert_int_equal(world->heard.gone, 1);
	assert_int_equal(world->heard.reason, VPN_END_ADMIN);
	assert_string_equal(world->heard.gone_user, "user3");
	assert_null(vpn_find(world->vpn, session.hash));
	assert_null(vpn_find_address(world->vpn, session.v4.bytes, 4));
	/* A reason of a newer version is the operator's will, too. */
	assert_int_equal(put(world->vpn, &session, false, true), 0);
	assert_int_equal(drop(world->vpn, &session, 4711), 0);
	assert_int_equal(world->heard.reason, VPN_END_ADMIN);
}

static void tunnels_outlive_an_engine_until_a_whole_table_does_not_name_them(void **state)
{
	struct world *world = *state;
	struct vpn_session kept = session_of(1), lost = session_of(2);

	assert_int_equal(put(world->vpn, &kept, true, false), 0);
	assert_int_equal(put(world->vpn, &lost, false, true), 0);
	vpn_attach(world->vpn, NULL);
	assert_false(vpn_is_complete(world->vpn));
	vpn_attach(world->vpn, world->front);
	/* The next engine has no sessions yet, and says so. */
	assert_int_equal(put(world->vpn, NULL, true, false), 0);
	assert_false(vpn_is_complete(world->vpn));
	assert_int_equal(vpn_count(world->vpn), 2);
	assert_int_equal(put(world->vpn, &kept, false, true), 0);
	assert_int_equal(vpn_count(world->vpn), 1);
	assert_non_null(vpn_find(world->vpn, kept.hash));
	assert_int_equal(world->heard.gone, 1);
	assert_int_equal(world->heard.reason, VPN_END_DROPPED);
}

static void who_had_an_address_that_another_has_now_is_gone(void **state)
{
	struct world *world = *state;
	struct vpn_session olds[2] = {session_of(1), session_of(2)}, fresh = session_of(3);
	struct vpn_entry *entry;

	assert_int_equal(put(world->vpn, &olds[0], true, false), 0);
	assert_int_equal(put(world->vpn, &olds[1], false, true), 0);
	/* An engine that begins with nothing gives it the address of the one and of the other. */
	vpn_attach(world->vpn, NULL);
	vpn_attach(world->vpn, world->front);
	fresh.v4 = olds[0].v4;
	fresh.v6 = olds[1].v6;
	assert_int_equal(put(world->vpn, &fresh, true, false), 0);
	assert_int_equal(world->heard.gone, 2);
	assert_int_equal(world->heard.reason, VPN_END_DROPPED);
	assert_null(vpn_find(world->vpn, olds[0].hash));
	assert_null(vpn_find(world->vpn, olds[1].hash));
	assert_null(vpn_find_address(world->vpn, olds[0].v6.bytes, 16));
	entry = vpn_find(world->vpn, fresh.hash);
	assert_ptr_equal(vpn_find_address(world->vpn, fresh.v4.bytes, 4), entry);
	assert_ptr_equal(vpn_find_address(world->vpn, fresh.v6.bytes, 16), entry);
	/* What changes nothing of its addresses drops nobody. */
	fresh.is_connected = true;
	assert_int_equal(put(world->vpn, &fresh, false, true), 0);
	assert_int_equal(world->heard.gone, 2);
	assert_ptr_equal(vpn_find(world->vpn, fresh.hash), entry);
}

static void a_session_that_cannot_be_understood_makes_the_copy_incomplete(void **state)
{
	struct world *world = *state;
	struct vpn_session session = session_of(1);
	Asafo__Ipc__VpnTable table = ASAFO__IPC__VPN_TABLE__INIT;
	struct vpn_session_message message;
	Asafo__Ipc__VpnSession *pointers[1] = {&message.message};

	table.put = pointers;
	table.n_put = 1;
	table.is_complete = true;
	vpn_session_fill(&session, monotime_now(), &message);
	message.message.cookie_hash.len = 31;
	assert_int_equal(take(world->vpn, IPC_VPN_TABLE, &table.base), ERR_MALFORMED);
	assert_false(vpn_is_complete(world->vpn));
	vpn_session_fill(&session, monotime_now(), &message);
	message.v4.address.len = 16;
	assert_int_equal(take(world->vpn, IPC_VPN_TABLE, &table.base), ERR_MALFORMED);
	vpn_session_fill(&session, monotime_now(), &message);
	message.v4.prefix = 33;
	assert_int_equal(take(world->vpn, IPC_VPN_TABLE, &table.base), ERR_MALFORMED);
	vpn_session_fill(&session, monotime_now(), &message);
	message.message.id = 0;
	assert_int_equal(take(world->vpn, IPC_VPN_TABLE, &table.base), ERR_MALFORMED);
	assert_int_equal(vpn_count(world->vpn), 0);
}

static void what_was_not_taken_is_missing_until_the_whole_table_comes_again(void **state)
{
	struct world *world = *state;
	struct vpn_session sessions[3] = {session_of(1), session_of(2), session_of(3)};
	struct vpn_session_message messages[3];
	Asafo__Ipc__VpnSession *pointers[3];
	Asafo__Ipc__VpnTable table = ASAFO__IPC__VPN_TABLE__INIT;

	assert_int_equal(put(world->vpn, &sessions[1], true, true), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(
			vpn_session_fill_tagged(&sessions[i], monotime_now(), &messages[i]), 0);
		pointers[i] = &messages[i].message;
	}
	messages[1].message.id = 0;
	table.put = pointers;
	table.n_put = 3;
	table.is_reset = true;
	assert_int_equal(take(world->vpn, IPC_VPN_TABLE, &table.base), ERR_MALFORMED);
	/* The others are served, and who is named in the hole loses no tunnel. */
	assert_non_null(vpn_find(world->vpn, sessions[0].hash));
	assert_non_null(vpn_find(world->vpn, sessions[2].hash));
	assert_int_equal(put(world->vpn, NULL, false, true), 0);
	assert_false(vpn_is_complete(world->vpn));
	assert_int_equal(vpn_count(world->vpn), 3);
	assert_int_equal(world->heard.gone, 0);
	assert_int_equal(put(world->vpn, &sessions[1], true, true), 0);
	assert_true(vpn_is_complete(world->vpn));
	assert_int_equal(vpn_count(world->vpn), 1);
}

static void lifetimes_are_spans_that_each_clock_counts_for_itself(void **state)
{
	struct world *world = *state;
	struct vpn_session session = session_of(1);
	struct monotime now = monotime_now();
	const struct vpn_entry *entry;

	session.ends_at = MONOTIME_NEVER;
	session.idle_ends_at = (struct monotime){now.ns - 1};
	assert_int_equal(put(world->vpn, &session, true, true), 0);
	entry = vpn_find(world->vpn, session.hash);
	assert_true(entry->session.ends_at.ns == MONOTIME_NEVER.ns);
	/* What is over is over, and not without an end. */
	assert_true(entry->session.idle_ends_at.ns <= monotime_now().ns + MONOTIME_NS_PER_MS);
}

static void a_configuration_replaces_the_one_before(void **state)
{
	struct world *world = *state;
	Asafo__Ipc__VpnConfig config = ASAFO__IPC__VPN_CONFIG__INIT;
	Asafo__Ipc__VpnGroup group = ASAFO__IPC__VPN_GROUP__INIT, *groups[1] = {&group};
	Asafo__Ipc__VpnPolicy policy = ASAFO__IPC__VPN_POLICY__INIT, *policies[1] = {&policy};
	char name[] = "staff", alias[] = "Our Staff", policy_name[] = "P", local[] = "LOCAL";
	char *aliases[1] = {alias};

	assert_false(vpn_config(world->vpn)->is_enabled);
	group.name = name;
	group.aliases = aliases;
	group.n_aliases = 1;
	group.policy = policy_name;
	group.authentication = local;
	policy.name = policy_name;
	policy.simultaneous_logins = 3;
	config.is_enabled = true;
	config.groups = groups;
	config.n_groups = 1;
	config.policies = policies;
	config.n_policies = 1;
	assert_int_equal(take(world->vpn, IPC_VPN_CONFIG, &config.base), 0);
	assert_int_equal(world->heard.configs, 1);
	assert_true(vpn_config(world->vpn)->is_enabled);
	assert_non_null(vpn_group_find(vpn_config(world->vpn), "our staff"));
	assert_non_null(vpn_group_find(vpn_config(world->vpn), "STAFF"));
	assert_null(vpn_group_find(vpn_config(world->vpn), "Our"));
	assert_int_equal(vpn_policy_find(vpn_config(world->vpn), "P")->simultaneous_logins, 3);
	/* One that is wrong changes nothing. */
	policy.split = VPN_SPLIT__MAX;
	assert_int_equal(take(world->vpn, IPC_VPN_CONFIG, &config.base), ERR_MALFORMED);
	assert_int_equal(vpn_policy_find(vpn_config(world->vpn), "P")->simultaneous_logins, 3);
	assert_int_equal(world->heard.configs, 1);
}

static void a_tun_device_is_the_copys_until_the_next_one(void **state)
{
	struct world *world = *state;
	Asafo__Ipc__VpnTun tun = ASAFO__IPC__VPN_TUN__INIT;
	char device[] = "asafo0";
	int first = -1;

	tun.device = device;
	tun.mtu = VPN_TUN_MTU;
	tun.owner = 2;
	assert_int_equal(take(world->vpn, IPC_VPN_TUN, &tun.base), ERR_MALFORMED);
	assert_int_equal(vpn_tun(world->vpn), -1);
	for (unsigned i = 0; i < 2; i++) {
		struct ipc_frame frame = {.type = IPC_VPN_TUN,
					  .fds = {open("/dev/null", O_RDONLY | O_CLOEXEC)},
					  .n_fds = 1};
		struct why why;

		first = i == 0 ? frame.fds[0] : first;
		assert_int_equal(vpn_message(world->vpn, &frame, &tun.base, &why), 0);
		ipc_frame_done(&frame);
	}
	assert_int_equal(world->heard.tuns, 2);
	assert_int_equal(vpn_own_number(world->vpn), 2);
	assert_int_equal(fcntl(first, F_GETFD), -1);
}

/* ---- logins ---- */

struct outcome {
	unsigned calls;
	int code;
	bool has_entry;
};

static void on_done(int code, const char *why, struct vpn_entry *entry, void *userdata)
{
	struct outcome *outcome = userdata;

	assert_true(code == 0 || why[0]);
	outcome->calls++;
	outcome->code = code;
	outcome->has_entry = entry != NULL;
}

static struct vpn_call *log_in(struct world *world, struct outcome *outcome)
{
	struct vpn_login login = {.user = world->session.user, .group = "staff"};
	struct vpn_call *call = NULL;

	memcpy(login.hash, world->session.hash, sizeof(login.hash));
	assert_int_equal(vpn_login(world->vpn, &login, on_done, outcome, &call), 0);
	return call;
}

static void run_to(struct world *world, const unsigned *counter, unsigned n)
{
	struct monotime deadline = monotime_add_ms(monotime_now(), 20000);

	while (*counter < n && !monotime_reached(monotime_now(), deadline))
		assert_true(sd_event_run(world->event, 100000) >= 0);
	assert_int_equal(*counter, n);
}

static void run(struct world *world, const unsigned *counter)
{
	run_to(world, counter, 1);
}

static void a_login_ends_with_a_session_of_the_copy(void **state)
{
	struct world *world = *state;
	struct outcome outcome = {0};

	world->is_put = true;
	(void)log_in(world, &outcome);
	run(world, &outcome.calls);
	assert_int_equal(outcome.code, 0);
	assert_true(outcome.has_entry);
}

static void a_login_that_the_engine_refuses_says_why(void **state)
{
	struct world *world = *state;
	struct outcome outcome = {0};

	world->code = ERR_TOO_LARGE;
	(void)log_in(world, &outcome);
	run(world, &outcome.calls);
	assert_int_equal(outcome.code, ERR_TOO_LARGE);
	assert_false(outcome.has_entry);
}

static void a_login_that_nobody_waits_for_is_ended(void **state)
{
	struct world *world = *state;
	struct outcome outcome = {0};

	world->is_put = true;
	vpn_call_cancel(log_in(world, &outcome));
	run(world, &world->ended);
	assert_int_equal(outcome.calls, 0);
}

static void a_login_that_the_copy_lacks_fails_and_its_session_is_ended(void **state)
{
	struct world *world = *state;
	struct outcome outcome = {0};

	(void)log_in(world, &outcome);
	run(world, &outcome.calls);
	assert_int_equal(outcome.code, ERR_NOT_READY);
	assert_false(outcome.has_entry);
	run(world, &world->ended);
}

static void a_login_fails_when_the_engine_goes_away(void **state)
{
	struct world *world = *state;
	struct outcome outcome = {0};

	(void)log_in(world, &outcome);
	ipc_channel_free(TAKE_PTR(world->front));
	vpn_attach(world->vpn, NULL);
	assert_int_equal(outcome.calls, 1);
	assert_int_equal(outcome.code, ERR_CLOSED);
	assert_int_equal(vpn_touch(world->vpn, &(struct vpn_touch){.hash = world->session.hash}),
			 ERR_CLOSED);
}

static void a_hole_is_asked_to_be_filled_once_for_each_whole_table(void **state)
{
	struct world *world = *state;
	Asafo__Ipc__VpnTable table = ASAFO__IPC__VPN_TABLE__INIT;
	Asafo__Ipc__VpnSession bad = ASAFO__IPC__VPN_SESSION__INIT, *pointers[1] = {&bad};

	table.put = pointers;
	table.n_put = 1;
	table.is_complete = true;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(take(world->vpn, IPC_VPN_TABLE, &table.base), ERR_MALFORMED);
	run(world, &world->resyncs);
	table.is_reset = true;
	assert_int_equal(take(world->vpn, IPC_VPN_TABLE, &table.base), ERR_MALFORMED);
	run_to(world, &world->resyncs, 2);
	assert_false(vpn_is_complete(world->vpn));
	assert_int_equal(put(world->vpn, NULL, true, true), 0);
	assert_true(vpn_is_complete(world->vpn));
}

static void a_hole_that_could_not_be_told_of_is_told_of_with_the_next_table(void **state)
{
	struct world *world = *state;
	Asafo__Ipc__VpnTable table = ASAFO__IPC__VPN_TABLE__INIT;
	Asafo__Ipc__VpnSession bad = ASAFO__IPC__VPN_SESSION__INIT, *pointers[1] = {&bad};

	table.put = pointers;
	table.n_put = 1;
	table.is_complete = true;
	ipc_channel_free(TAKE_PTR(world->engine));
	assert_int_equal(take(world->vpn, IPC_VPN_TABLE, &table.base), ERR_MALFORMED);
	ipc_channel_free(TAKE_PTR(world->front));
	connect_engine(world);
	assert_int_equal(put(world->vpn, NULL, false, true), 0);
	run(world, &world->resyncs);
	assert_false(vpn_is_complete(world->vpn));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_had_an_address_that_another_has_now_is_gone),
		TEST(a_session_is_found_by_its_cookie_and_by_both_addresses),
		TEST(what_the_table_calls_a_session_is_not_what_the_engine_believes),
		TEST(an_ended_session_is_gone_and_its_reason_is_told),
		TEST(tunnels_outlive_an_engine_until_a_whole_table_does_not_name_them),
		TEST(a_session_that_cannot_be_understood_makes_the_copy_incomplete),
		TEST(what_was_not_taken_is_missing_until_the_whole_table_comes_again),
		TEST(lifetimes_are_spans_that_each_clock_counts_for_itself),
		TEST(a_configuration_replaces_the_one_before),
		TEST(a_tun_device_is_the_copys_until_the_next_one),
		TEST(a_login_ends_with_a_session_of_the_copy),
		TEST(a_login_that_the_engine_refuses_says_why),
		TEST(a_login_that_nobody_waits_for_is_ended),
		TEST(a_login_that_the_copy_lacks_fails_and_its_session_is_ended),
		TEST(a_login_fails_when_the_engine_goes_away),
		TEST(a_hole_is_asked_to_be_filled_once_for_each_whole_table),
		TEST(a_hole_that_could_not_be_told_of_is_told_of_with_the_next_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
