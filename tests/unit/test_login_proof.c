/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the auth helper vouches for: for a login that is right in all, with the key of the engine
 * that is there; and that a user who may only use one group gets into no other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <crypt.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "auth/auth.h"
#include "auth/lockout.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "ipc/channel.h"
#include "ipc/loginproof.h"
#include "ipc/vpn.h"
#include "wait.h"

static uint8_t hash[VPN_HASH_SIZE] = {1, 2, 3}, client[4] = {192, 0, 2, 9};
static const struct loginproof_claim anna = {"anna", "Words", "Staff", hash, client, 4};

/* ---- the gate ---- */

static int take(struct loginproof_gate *gate, uint64_t number)
{
	struct loginproof proof;
	struct why why = {""};

	assert_int_equal(loginproof_make(&gate->key, &anna, number, monotime_now(), &proof), 0);
	return loginproof_gate_take(gate, &anna, &proof, monotime_now(), &why);
}

static void a_number_is_good_once_in_whatever_order(void **state)
{
	struct loginproof_gate gate = {.newest = 0};

	(void)state;
	assert_int_equal(loginproof_gate_open(&gate), 0);
	assert_int_equal(take(&gate, 0), ERR_EXISTS);
	for (uint64_t n = 3; n < 200; n += 2)
		assert_int_equal(take(&gate, n), 0);
	for (uint64_t n = 198; n > 1; n -= 2)
		assert_int_equal(take(&gate, n), 0);
	for (uint64_t n = 2; n < 200; n++)
		assert_int_equal(take(&gate, n), ERR_EXISTS);
	/* What is too far behind to tell is taken for used. */
	assert_int_equal(take(&gate, LOGINPROOF_WINDOW), 0);
	assert_int_equal(take(&gate, 1), 0);
	assert_int_equal(take(&gate, LOGINPROOF_WINDOW + 200), 0);
	assert_int_equal(take(&gate, 200), ERR_EXISTS);
	assert_int_equal(take(&gate, 201), 0);
	assert_int_equal(take(&gate, LOGINPROOF_WINDOW), ERR_EXISTS);
	assert_int_equal(take(&gate, UINT64_MAX), 0);
	assert_int_equal(take(&gate, UINT64_MAX - 1), 0);
	assert_int_equal(take(&gate, UINT64_MAX - LOGINPROOF_WINDOW), ERR_EXISTS);
	assert_int_equal(take(&gate, UINT64_MAX), ERR_EXISTS);
	loginproof_gate_done(&gate);
}

/* What ends one text does not begin the next one. */
static void texts_that_are_cut_elsewhere_are_another_claim(void **state)
{
	struct loginproof_claim cut = anna;
	struct loginproof_gate gate = {.newest = 0};
	struct loginproof proof;
	struct why why = {""};

	(void)state;
	assert_int_equal(loginproof_gate_open(&gate), 0);
	assert_int_equal(loginproof_make(&gate.key, &anna, 1, monotime_now(), &proof), 0);
	cut.user = "annaW";
	cut.group = "ords";
	assert_int_equal(loginproof_gate_take(&gate, &cut, &proof, monotime_now(), &why),
			 ERR_INTEGRITY);
	assert_int_equal(loginproof_gate_take(&gate, &anna, &proof, monotime_now(), &why), 0);
	loginproof_gate_done(&gate);
	assert_int_equal(loginproof_gate_take(&gate, &anna, &proof, monotime_now(), &why),
			 ERR_INTEGRITY);
	assert_string_equal(why.text, "is of an auth helper that this engine never had");
}

/* ---- the room ---- */

struct world {
	sd_event *event;
	struct auth *auth;
	struct ipc_channel *engine, *front;
	struct loginproof_gate gate;
	char notes[4096];
	unsigned n_answers;
	int code;
	uint32_t verdict;
	struct loginproof proof; /* of the latest answer */
};

static void note(struct world *world, unsigned number, const char *text)
{
	size_t used = strlen(world->notes);

	(void)snprintf(world->notes + used, sizeof(world->notes) - used, "%u %s\n", number, text);
}

static void on_note(int priority, const char *text, void *userdata)
{
	(void)priority;
	note(userdata, 0, text);
}

static void on_event(int severity, unsigned number, const char *text, void *userdata)
{
	(void)severity;
	note(userdata, number, text);
}

static void on_answer(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__AuthCheckReply *reply = (const Asafo__Ipc__AuthCheckReply *)body;
	struct world *world = userdata;

	(void)has_more;
	if (code < 0)
		return;
	world->n_answers++;
	world->code = reply->status->code;
	world->verdict = reply->verdict;
	loginproof_from(reply->proof, &world->proof);
}

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	(void)channel;
	(void)frame;
	(void)body;
	(void)userdata;
}

static struct ipc_channel *attach(struct world *world, enum ipc_peer peer)
{
	static const bool permitted[IPC_TYPE__MAX] = {[IPC_AUTH_GUESSES] = true};
	static const struct ipc_channel_ops ops = {permitted, on_request, NULL};
	struct ipc_channel *channel = NULL;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(auth_peer_set(world->auth, peer, 0, fds[0]), 0);
	assert_int_equal(ipc_channel_new(world->event, fds[1], &ops, world, &channel), 0);
	return channel;
}

static void tell(struct ipc_channel *channel, enum ipc_type type, const ProtobufCMessage *body)
{
	assert_int_equal(ipc_channel_send(channel, type, body, NULL, 0), 0);
}

static void key_send(struct world *world, struct ipc_channel *channel)
{
	Asafo__Ipc__LoginProofKey body = ASAFO__IPC__LOGIN_PROOF_KEY__INIT;

	assert_int_equal(loginproof_gate_open(&world->gate), 0);
	body.key = (ProtobufCBinaryData){world->gate.key.size, world->gate.key.data};
	tell(channel, IPC_LOGIN_PROOF_KEY, &body.base);
}

/* Cards is by certificate; Clean's policy locks its users to Words. */
static void groups_send(struct world *world)
{
	static const char *const names[] = {"Words", "Cards", "Clean"};
	Asafo__Ipc__VpnTrust body = ASAFO__IPC__VPN_TRUST__INIT;
	Asafo__Ipc__VpnGroup groups[3], *list[3];

	for (size_t i = 0; i < 3; i++) {
		asafo__ipc__vpn_group__init(&groups[i]);
		groups[i].name = (char *)(uintptr_t)names[i];
		groups[i].is_by_certificate = groups[i].is_without_password = i == 1;
		groups[i].group_lock = (char *)(uintptr_t)(i == 2 ? names[0] : "");
		list[i] = &groups[i];
	}
	body.is_known = true;
	body.groups = list;
	body.n_groups = 3;
	tell(world->engine, IPC_VPN_TRUST, &body.base);
}

/* anna may use any group that does not say otherwise, bert Cards only, carl any whatsoever; all
 * have the password "right". */
static void users_send(struct world *world)
{
	static const char *const names[] = {"anna", "bert", "carl"};
	Asafo__Ipc__AuthUsers body = ASAFO__IPC__AUTH_USERS__INIT;
	Asafo__Ipc__AuthUser users[3], *list[3];
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data data = {.initialized = 0};

	/* The cheapest: what is tested is not how long it takes. */
	assert_non_null(crypt_gensalt_rn("$y$", 1, NULL, 0, setting, (int)sizeof(setting)));
	assert_non_null(crypt_r("right", setting, &data));
	for (size_t i = 0; i < 3; i++) {
		asafo__ipc__auth_user__init(&users[i]);
		users[i].name = (char *)(uintptr_t)names[i];
		users[i].hash = data.output;
		users[i].policy = (char *)(uintptr_t) "Staff";
		users[i].has_group_lock = i > 0;
		users[i].group_lock = (char *)(uintptr_t)(i == 1 ? "Cards" : "");
		list[i] = &users[i];
	}
	body.is_reset = body.is_last = true;
	body.users = list;
	body.n_users = 3;
	tell(world->engine, IPC_AUTH_USERS, &body.base);
}

static int set_up(void **state)
{
	static const struct auth_ops ops = {on_note, on_event};
	struct world *world = test_calloc(1, sizeof(*world));

	assert_int_equal(sd_event_new(&world->event), 0);
	assert_int_equal(auth_new(world->event, &ops, world, &world->auth), 0);
	world->engine = attach(world, IPC_PEER_ENGINE);
	world->front = attach(world, IPC_PEER_FRONT);
	groups_send(world);
	users_send(world);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	ipc_channel_free(world->front);
	ipc_channel_free(world->engine);
	auth_free(world->auth);
	loginproof_gate_done(&world->gate);
	(void)sd_event_unref(world->event);
	test_free(world);
	return 0;
}

static uint32_t log_in(struct world *world, const char *user, const char *group,
		       const char *password)
{
	Asafo__Ipc__AuthCheck body = ASAFO__IPC__AUTH_CHECK__INIT;
	unsigned n = world->n_answers;
	char method[] = "LOCAL";

	body.user = (char *)(uintptr_t)user;
	body.group = (char *)(uintptr_t)group;
	body.method = method;
	body.password = (ProtobufCBinaryData){strlen(password), (uint8_t *)(uintptr_t)password};
	body.client = (ProtobufCBinaryData){sizeof(client), client};
	body.cookie_hash = (ProtobufCBinaryData){sizeof(hash), hash};
	assert_int_equal(ipc_channel_call(world->front, IPC_AUTH_CHECK, &body.base, NULL, 0,
					  on_answer, world),
			 0);
	WAIT_ON(world->event, world->n_answers > n);
	return world->verdict;
}

static int gate_takes(struct world *world, const struct loginproof_claim *claim)
{
	struct why why = {""};

	return loginproof_gate_take(&world->gate, claim, &world->proof, monotime_now(), &why);
}

static void a_right_login_is_vouched_for_and_a_wrong_one_is_not(void **state)
{
	struct world *world = *state;

	key_send(world, world->engine);
	assert_int_equal(log_in(world, "anna", "Words", "wrong"), AUTH_VERDICT_NO);
	assert_int_equal(gate_takes(world, &anna), ERR_NOT_FOUND);
	assert_int_equal(log_in(world, "anna", "Words", "right"), AUTH_VERDICT_YES);
	assert_int_equal(gate_takes(world, &anna), 0);
	assert_int_equal(log_in(world, "anna", "Words", "right"), AUTH_VERDICT_YES);
	assert_int_equal(world->proof.number, 2);
	assert_int_equal(gate_takes(world, &anna), 0);
}

static void without_an_engine_nobody_is_let_in(void **state)
{
	struct world *world = *state;
	struct loginproof_claim again = anna;

	assert_int_equal(log_in(world, "anna", "Words", "right"), AUTH_VERDICT_NO);
	assert_int_equal(world->code, ERR_NOT_READY);
	key_send(world, world->engine);
	assert_int_equal(log_in(world, "anna", "Words", "right"), AUTH_VERDICT_YES);
	/* Another engine, another key; until it tells, the one before holds no more. */
	ipc_channel_free(world->engine);
	world->engine = attach(world, IPC_PEER_ENGINE);
	assert_int_equal(log_in(world, "anna", "Words", "right"), AUTH_VERDICT_NO);
	assert_int_equal(world->code, ERR_NOT_READY);
	key_send(world, world->engine);
	assert_int_equal(log_in(world, "anna", "Words", "right"), AUTH_VERDICT_YES);
	assert_int_equal(world->proof.number, 1);
	assert_int_equal(gate_takes(world, &again), 0);
}

static void a_front_cannot_give_the_helper_a_key(void **state)
{
	struct world *world = *state;
	struct ipc_channel *front = world->front;

	key_send(world, front);
	/* It is hung up on. */
	world->front = attach(world, IPC_PEER_FRONT);
	assert_int_equal(log_in(world, "anna", "Words", "right"), AUTH_VERDICT_NO);
	assert_int_equal(world->code, ERR_NOT_READY);
	ipc_channel_free(front);
}

static void a_user_gets_into_no_group_but_the_one_that_is_his(void **state)
{
	struct world *world = *state;

	key_send(world, world->engine);
	assert_int_equal(log_in(world, "bert", "Words", "right"), AUTH_VERDICT_NO);
	assert_int_equal(world->code, 0);
	assert_false(world->proof.is_there);
	assert_non_null(
		strstr(world->notes,
		       "113015 AAA user authentication Rejected : reason = Group-lock check "
		       "failed (came to Words, may only use Cards) : local database : user = "
		       "bert : user IP = 192.0.2.9\n"));
	/* Who has none of his own has that of the group's policy. */
	assert_int_equal(log_in(world, "anna", "Clean", "right"), AUTH_VERDICT_NO);
	assert_int_equal(log_in(world, "anna", "Words", "right"), AUTH_VERDICT_YES);
	assert_int_equal(log_in(world, "carl", "Clean", "right"), AUTH_VERDICT_YES);
}

/* Neither by the answers nor by when the lock-out comes. */
static void who_tries_passwords_at_the_wrong_group_does_not_learn_which_is_right(void **state)
{
	struct world *world = *state;

	key_send(world, world->engine);
	for (unsigned i = 0; i < LOCKOUT_TRIES; i++)
		assert_int_equal(log_in(world, "bert", "Words", i == 1 ? "right" : "wrong"),
				 AUTH_VERDICT_NO);
	assert_int_equal(log_in(world, "bert", "Words", "wrong"), AUTH_VERDICT_LOCKED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_is_good_once_in_whatever_order),
		cmocka_unit_test(texts_that_are_cut_elsewhere_are_another_claim),
#define WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
		WORLD(a_right_login_is_vouched_for_and_a_wrong_one_is_not),
		WORLD(without_an_engine_nobody_is_let_in),
		WORLD(a_front_cannot_give_the_helper_a_key),
		WORLD(a_user_gets_into_no_group_but_the_one_that_is_his),
		WORLD(who_tries_passwords_at_the_wrong_group_does_not_learn_which_is_right),
#undef WORLD
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
