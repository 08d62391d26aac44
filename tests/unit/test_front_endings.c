/* SPDX-License-Identifier: Apache-2.0 */
/* A session that was told to end ends, whatever becomes of the engine meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vpn_copy.h"

struct world {
	struct vpn *vpn;
	sd_event *event;
	struct ipc_channel *front, *engine;
	/* What the engine's end does with a VPN_SESSION_END. */
	int code;
	bool is_mute;
	unsigned ended;
	struct vpn_session session;
};

struct outcome {
	unsigned calls;
	int code;
};

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	struct world *world = userdata;
	Asafo__Ipc__StatusReply reply = ASAFO__IPC__STATUS_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	const Asafo__Ipc__VpnSessionEnd *message = (const Asafo__Ipc__VpnSessionEnd *)body;

	world->ended++;
	assert_memory_equal(message->cookie_hash.data, world->session.hash, VPN_HASH_SIZE);
	status.code = world->code;
	reply.status = &status;
	if (!world->is_mute)
		assert_int_equal(
			ipc_channel_reply(channel, frame->type, frame->id, false, &reply.base), 0);
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	(void)channel;
	(void)code;
	(void)userdata;
}

static void connect_engine(struct world *world)
{
	static const bool engine_takes[IPC_TYPE__MAX] = {[IPC_VPN_SESSION_END] = true};
	static const bool front_takes[IPC_TYPE__MAX] = {0};
	static const struct ipc_channel_ops engine_ops = {engine_takes, on_request, on_closed};
	static const struct ipc_channel_ops front_ops = {front_takes, on_request, on_closed};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	assert_int_equal(ipc_channel_new(world->event, fds[0], &front_ops, world, &world->front),
			 0);
	assert_int_equal(ipc_channel_new(world->event, fds[1], &engine_ops, world, &world->engine),
			 0);
	vpn_attach(world->vpn, world->front);
}

static void leave_engine(struct world *world)
{
	ipc_channel_free(TAKE_PTR(world->front));
	ipc_channel_free(TAKE_PTR(world->engine));
	vpn_attach(world->vpn, NULL);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->session = (struct vpn_session){.hash = {7},
					      .id = 7,
					      .user = "ada",
					      .v4 = {{10, 9, 0, 7}, 4, 24},
					      .created_at = monotime_now(),
					      .ends_at = MONOTIME_NEVER,
					      .idle_ends_at = MONOTIME_NEVER};
	assert_int_equal(vpn_new(&world->vpn), 0);
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

static void run_to(struct world *world, const unsigned *counter, unsigned n)
{
	struct monotime deadline = monotime_add_ms(monotime_now(), 20000);

	while (*counter < n && !monotime_reached(monotime_now(), deadline))
		assert_true(sd_event_run(world->event, 100000) >= 0);
	assert_int_equal(*counter, n);
}

static void run_to_one(struct world *world, const unsigned *counter)
{
	run_to(world, counter, 1);
}

static void drain(struct world *world)
{
	while (sd_event_run(world->event, 0) > 0)
		continue;
}

static void on_ended(int code, void *userdata)
{
	struct outcome *outcome = userdata;

	outcome->calls++;
	outcome->code = code;
}

static int end(struct world *world, struct outcome *outcome)
{
	assert_non_null(vpn_find(world->vpn, world->session.hash));
	return vpn_end(world->vpn, world->session.hash, VPN_END_LOGOUT, outcome ? on_ended : NULL,
		       outcome, NULL);
}

static void an_end_is_done_when_the_engine_says_so(void **state)
{
	struct world *world = *state;
	struct outcome outcome = {.code = 1};

	assert_int_equal(put(world->vpn, &world->session, true, true), 0);
	assert_int_equal(end(world, &outcome), 0);
	assert_int_equal(outcome.calls, 0);
	run_to_one(world, &outcome.calls);
	assert_int_equal(outcome.code, 0);
	/* It is over, and nobody asks again. */
	assert_int_equal(put(world->vpn, NULL, false, true), 0);
	leave_engine(world);
	connect_engine(world);
	assert_int_equal(put(world->vpn, &world->session, true, true), 0);
	world->code = ERR_BUSY;
	outcome = (struct outcome){0};
	assert_int_equal(end(world, &outcome), 0);
	run_to_one(world, &outcome.calls);
	assert_int_equal(world->ended, 2);
}

static void an_end_that_was_not_confirmed_is_asked_of_the_next_engine(void **state)
{
	struct world *world = *state;
	struct outcome outcome = {0};

	assert_int_equal(put(world->vpn, &world->session, true, true), 0);
	world->is_mute = true;
	assert_int_equal(end(world, &outcome), 0);
	run_to_one(world, &world->ended);
	leave_engine(world);
	assert_int_equal(outcome.calls, 1);
	assert_int_equal(outcome.code, ERR_CLOSED);
	/* Nobody to ask: it is remembered, once. */
	assert_int_equal(end(world, &outcome), ERR_CLOSED);
	assert_int_equal(end(world, NULL), ERR_CLOSED);
	connect_engine(world);
	world->code = ERR_NOT_FOUND; /* the next engine has heard of nothing yet */
	world->is_mute = false;
	assert_int_equal(put(world->vpn, NULL, true, false), 0);
	run_to(world, &world->ended, 2);
	drain(world);
	world->code = 0;
	assert_int_equal(put(world->vpn, &world->session, false, true), 0);
	run_to(world, &world->ended, 3);
	assert_int_equal(outcome.calls, 1);
	drain(world);
	assert_int_equal(put(world->vpn, NULL, false, true), 0);
	drain(world);
	assert_int_equal(world->ended, 3);
}

static void an_engine_that_has_all_sessions_is_believed_that_one_is_over(void **state)
{
	struct world *world = *state;
	struct outcome outcome = {.code = 1};

	assert_int_equal(put(world->vpn, &world->session, true, true), 0);
	world->code = ERR_NOT_FOUND;
	assert_int_equal(end(world, &outcome), 0);
	run_to_one(world, &outcome.calls);
	assert_int_equal(outcome.code, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_end_is_done_when_the_engine_says_so),
		TEST(an_end_that_was_not_confirmed_is_asked_of_the_next_engine),
		TEST(an_engine_that_has_all_sessions_is_believed_that_one_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
