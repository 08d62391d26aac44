/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The auth helper on a loop of the test's, which is its engine and its front: whose password is
 * right, who has to wait, and what it refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "auth/auth.h"
#include "auth/lockout.h"
#include "auth/users.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "ipc/channel.h"
#include "ipc/vpn.h"

#define PATIENCE_US (20u * 1000000)
#define OFFICE 64 /* people who may log in from one address at a time */

static char *made(const char *password)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *data = calloc(1, sizeof(*data));
	char *copy;

	assert_non_null(data);
	/* The cheapest: what is tested is not how long it takes. */
	assert_non_null(crypt_gensalt_rn("$y$", 1, NULL, 0, setting, (int)sizeof(setting)));
	copy = strdup(crypt_r(password, setting, data));
	free(data);
	assert_non_null(copy);
	assert_int_equal(copy[0], '$');
	return copy;
}

static int stage(struct users *users, const char *name, const char *hash, const char *policy)
{
	struct user user = {.name = ""};

	memcpy(user.name, name, strlen(name));
	memcpy(user.hash, hash, strlen(hash));
	memcpy(user.policy, policy, strlen(policy));
	return users_stage_add(users, &user);
}

static void user_add(struct users *users, const char *name, const char *password,
		     const char *policy)
{
	_cleanup_free_ char *hash = made(password);

	assert_int_equal(stage(users, name, hash, policy), 0);
}

static void a_user_is_known_by_his_password_only(void **state)
{
	struct users *users;
	const struct user *user = NULL;

	(void)state;
	assert_int_equal(users_new(&users), 0);
	assert_false(users_check(users, "anna", "", &user));
	user_add(users, "bert", "two", "");
	user_add(users, "anna", "one", "Staff");
	assert_false(users_check(users, "anna", "one", &user));
	users_stage_commit(users);
	assert_int_equal(users_count(users), 2);
	assert_true(users_check(users, "anna", "one", &user));
	assert_string_equal(user->policy, "Staff");
	assert_false(users_check(users, "anna", "two", &user));
	assert_false(users_check(users, "anna", "", &user));
	assert_false(users_check(users, "ann", "one", &user));
	assert_false(users_check(users, "Anna", "one", &user));
	/* The stand-in's password is not a way in. */
	assert_false(users_check(users, "nobody", "one", &user));
	assert_false(users_check(users, "nobody", "two", &user));
	users_stage_reset(users);
	users_stage_commit(users);
	assert_false(users_check(users, "anna", "one", &user));
	users_free(users);
}

static void a_user_without_a_usable_hash_cannot_log_in(void **state)
{
	struct users *users;
	const struct user *user = NULL;

	(void)state;
	assert_int_equal(users_new(&users), 0);
	assert_int_equal(stage(users, "a", "", ""), 0);
	assert_int_equal(stage(users, "b", "*", ""), 0);
	assert_int_equal(stage(users, "c", "*0", ""), 0);
	assert_int_equal(stage(users, "d", "$y$", ""), 0);
	assert_int_equal(stage(users, "", "x", ""), ERR_MALFORMED);
	users_stage_commit(users);
	assert_false(users_check(users, "a", "", &user));
	assert_false(users_check(users, "b", "*", &user));
	assert_false(users_check(users, "b", "", &user));
	assert_false(users_check(users, "c", "*0", &user));
	assert_false(users_check(users, "d", "$y$", &user));
	users_free(users);
}

/* Of the processor: how busy the machine is does not show in it. */
static uint64_t check_ns(struct users *users, const char *name)
{
	const struct user *user = NULL;
	struct timespec from, to;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from), 0);
	assert_false(users_check(users, name, "*", &user));
	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to), 0);
	return (uint64_t)((to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec);
}

static void a_user_without_a_usable_hash_takes_as_long_as_nobody(void **state)
{
	static const char *const hashes[] = {"*", "!", "x"};
	struct users *users;
	uint64_t nobody;

	(void)state;
	assert_int_equal(users_new(&users), 0);
	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++)
		assert_int_equal(stage(users, hashes[i], hashes[i], ""), 0);
	users_stage_commit(users);
	nobody = check_ns(users, "nobody");
	/* A thousandth, if it were refused at once. */
	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++)
		assert_true(check_ns(users, hashes[i]) > nobody / 10);
	users_free(users);
}

/* ---- the room ---- */

static const uint8_t there[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1, 1};
static const uint8_t elsewhere[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 2, 1};

struct world {
	sd_event *event;
	struct auth *auth;
	struct ipc_channel *engine, *front;
	char notes[4096];
	char answers[4096]; /* "code/verdict/policy; " */
	unsigned n_told;    /* locks in what the helper told its engine last */
	unsigned n_answers;
	bool is_refused;
};

static void on_note(int priority, const char *text, void *userdata)
{
	struct world *world = userdata;
	size_t used = strlen(world->notes);

	(void)priority;
	(void)snprintf(world->notes + used, sizeof(world->notes) - used, "%s\n", text);
}

static void on_event(int severity, unsigned number, const char *text, void *userdata)
{
	struct world *world = userdata;
	size_t used = strlen(world->notes);

	(void)severity;
	(void)snprintf(world->notes + used, sizeof(world->notes) - used, "%u %s\n", number, text);
}

static void on_answer(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__AuthCheckReply *reply = (const Asafo__Ipc__AuthCheckReply *)body;
	struct world *world = userdata;
	size_t used = strlen(world->answers);

	(void)has_more;
	if (reply)
		(void)snprintf(world->answers + used, sizeof(world->answers) - used, "%d/%u/%s%s; ",
			       reply->status->code, reply->verdict, reply->policy,
			       reply->wait_ms ? "+" : "");
	else
		(void)snprintf(world->answers + used, sizeof(world->answers) - used, "gone %d; ",
			       code);
	world->n_answers++;
}

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	const Asafo__Ipc__AuthGuesses *guesses = (const Asafo__Ipc__AuthGuesses *)body;
	struct world *world = userdata;

	(void)channel;
	assert_int_equal(frame->type, IPC_AUTH_GUESSES);
	world->n_told = 0;
	for (size_t i = 0; i < guesses->n_guesses; i++)
		world->n_told += guesses->guesses[i]->locked_ms > 0;
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct world *world = userdata;

	(void)channel;
	(void)code;
	world->is_refused = true;
}

static struct ipc_channel *attach(struct world *world, enum ipc_peer peer)
{
	static const bool permitted[IPC_TYPE__MAX] = {[IPC_AUTH_GUESSES] = true};
	static const struct ipc_channel_ops ops = {permitted, on_request, on_closed};
	struct ipc_channel *channel = NULL;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(auth_peer_set(world->auth, peer, 0, fds[0]), 0);
	assert_int_equal(ipc_channel_new(world->event, fds[1], &ops, world, &channel), 0);
	return channel;
}

/* A front may say what it likes: what a group wants comes from the engine. "" is whose logins do
 * not say a group. */
static void trust_send(struct world *world)
{
	Asafo__Ipc__VpnTrust body = ASAFO__IPC__VPN_TRUST__INIT;
	Asafo__Ipc__VpnGroup groups[3], *list[] = {&groups[0], &groups[1], &groups[2]};
	char cards[] = "Cards", words[] = "Words", none[] = "", both[] = "LOCAL";

	for (size_t i = 0; i < 3; i++) {
		asafo__ipc__vpn_group__init(&groups[i]);
		groups[i].name = i == 0 ? cards : i == 1 ? words : none;
		groups[i].authentication = both;
		groups[i].is_by_certificate = groups[i].is_without_password = i == 0;
	}
	body.is_known = true;
	body.groups = list;
	body.n_groups = 3;
	assert_int_equal(ipc_channel_send(world->engine, IPC_VPN_TRUST, &body.base, NULL, 0), 0);
}

static int world_start_untold(void **state)
{
	static const struct auth_ops ops = {on_note, on_event};
	struct world *world = test_calloc(1, sizeof(*world));

	assert_int_equal(sd_event_new(&world->event), 0);
	assert_int_equal(auth_new(world->event, &ops, world, &world->auth), 0);
	world->engine = attach(world, IPC_PEER_ENGINE);
	world->front = attach(world, IPC_PEER_FRONT);
	*state = world;
	return 0;
}

static int world_start(void **state)
{
	(void)world_start_untold(state);
	trust_send(*state);
	return 0;
}

static int world_stop(void **state)
{
	struct world *world = *state;

	ipc_channel_free(world->front);
	ipc_channel_free(world->engine);
	auth_free(world->auth);
	(void)sd_event_unref(world->event);
	test_free(world);
	return 0;
}

static void users_send(struct world *world, bool is_reset, bool is_last, const char *name,
		       const char *password)
{
	_cleanup_free_ char *hash = made(password);
	Asafo__Ipc__AuthUsers body = ASAFO__IPC__AUTH_USERS__INIT;
	Asafo__Ipc__AuthUser user = ASAFO__IPC__AUTH_USER__INIT, *list[] = {&user};
	char copy[32], policy[] = "Staff";

	(void)snprintf(copy, sizeof(copy), "%s", name);
	user.name = copy;
	user.hash = hash;
	user.policy = policy;
	body.is_reset = is_reset;
	body.is_last = is_last;
	body.users = list;
	body.n_users = 1;
	assert_int_equal(ipc_channel_send(world->engine, IPC_AUTH_USERS, &body.base, NULL, 0), 0);
}

static void ask_from(struct world *world, const uint8_t *client, size_t size, const char *name,
		     const char *password, const char *method)
{
	Asafo__Ipc__AuthCheck body = ASAFO__IPC__AUTH_CHECK__INIT;
	char user[256], how[16];
	uint8_t secret[600], address[16];

	(void)snprintf(user, sizeof(user), "%s", name);
	(void)snprintf(how, sizeof(how), "%s", method);
	memcpy(secret, password, strlen(password));
	body.user = user;
	body.method = how;
	body.password.data = secret;
	body.password.len = strlen(password);
	memcpy(address, client, size);
	body.client.data = address;
	body.client.len = size;
	assert_int_equal(ipc_channel_call(world->front, IPC_AUTH_CHECK, &body.base, NULL, 0,
					  on_answer, world),
			 0);
}

static void ask(struct world *world, const char *name, const char *password, const char *method)
{
	static const uint8_t client[4] = {192, 0, 2, 9};

	ask_from(world, client, sizeof(client), name, password, method);
}

static void wait_answers(struct world *world, unsigned n)
{
	while (world->n_answers < n)
		assert_true(sd_event_run(world->event, PATIENCE_US) > 0);
}

static void ask_group(struct world *world, const uint8_t *client, const char *group,
		      const char *name, const char *certificate)
{
	Asafo__Ipc__AuthCheck body = ASAFO__IPC__AUTH_CHECK__INIT;
	ProtobufCBinaryData chain;
	char user[32], wanted[32], how[] = "LOCAL";
	uint8_t secret[] = {'o', 'n', 'e'}, der[32], address[4];

	(void)snprintf(user, sizeof(user), "%s", name);
	(void)snprintf(wanted, sizeof(wanted), "%s", group);
	memcpy(der, certificate, strlen(certificate));
	chain = (ProtobufCBinaryData){strlen(certificate), der};
	body.user = user;
	body.group = wanted;
	if (client) {
		memcpy(address, client, sizeof(address));
		body.client = (ProtobufCBinaryData){sizeof(address), address};
	}
	body.method = how;
	body.password = (ProtobufCBinaryData){sizeof(secret), secret};
	body.certificates = &chain;
	body.n_certificates = chain.len > 0;
	assert_int_equal(ipc_channel_call(world->front, IPC_AUTH_CHECK, &body.base, NULL, 0,
					  on_answer, world),
			 0);
	wait_answers(world, world->n_answers + 1);
}

static void a_front_cannot_do_without_what_a_group_wants(void **state)
{
	struct world *world = *state;

	users_send(world, true, true, "anna", "one");
	ask_group(world, NULL, "Words", "anna", "");
	ask_group(world, NULL, "Cards", "anna", "");
	ask_group(world, NULL, "Cards", "anna", "no certificate");
	ask_group(world, NULL, "Nobody's", "anna", "");
	assert_string_equal(world->answers, "0/1/Staff; 0/4/; 0/4/; -1006/0/; ");
	assert_non_null(strstr(world->notes, "717009 Certificate validation failed. Reason: the "
					     "certificate did not come, from unknown, group "
					     "Cards\n"));
}

/* Who logs in by certificate alone says no name: nobody locks all of them out by none, or by
 * guessing from their address. */
static void a_certificate_is_judged_whoever_is_locked_out(void **state)
{
	struct world *world = *state;
	Asafo__Ipc__AuthGuesses body = ASAFO__IPC__AUTH_GUESSES__INIT;
	Asafo__Ipc__AuthGuess guess = ASAFO__IPC__AUTH_GUESS__INIT, *list[] = {&guess};
	uint8_t key[LOCKOUT_KEY_SIZE] = {4, 192, 0, 2, 9};

	users_send(world, true, true, "anna", "one");
	for (unsigned i = 1; i <= LOCKOUT_TRIES + 1; i++) {
		ask(world, "", "wrong", "LOCAL");
		wait_answers(world, i);
	}
	assert_string_equal(world->answers, "0/0/; 0/0/; 0/0/; 0/0/; 0/0/; 0/0/; ");
	assert_null(strstr(world->notes, "113015"));
	guess.is_source = true;
	guess.key = (ProtobufCBinaryData){sizeof(key), key};
	guess.failures = LOCKOUT_SOURCE_TRIES;
	guess.locked_ms = 20000;
	body.guesses = list;
	body.n_guesses = 1;
	assert_int_equal(ipc_channel_send(world->engine, IPC_AUTH_GUESSES, &body.base, NULL, 0), 0);
	while (!strstr(world->notes, "locked out: 1"))
		assert_true(sd_event_run(world->event, PATIENCE_US) > 0);
	world->answers[0] = '\0';
	ask(world, "anna", "one", "LOCAL");
	wait_answers(world, world->n_answers + 1);
	ask_group(world, key + 1, "Cards", "", "no certificate");
	assert_string_equal(world->answers, "0/2/+; 0/4/; ");
}

/* Users alone do not say that a password is enough. */
static void nobody_gets_in_before_it_is_told_what_groups_want(void **state)
{
	struct world *world = *state;

	users_send(world, true, true, "anna", "one");
	ask_group(world, NULL, "Words", "anna", "");
	ask_group(world, NULL, "", "anna", "");
	trust_send(world);
	ask_group(world, NULL, "Words", "anna", "");
	assert_string_equal(world->answers, "-1006/0/; -1006/0/; 0/1/Staff; ");
}

static void users_hold_when_the_last_of_them_is_there(void **state)
{
	struct world *world = *state;

	users_send(world, true, false, "anna", "one");
	users_send(world, false, true, "bert", "two");
	ask(world, "anna", "one", "LOCAL");
	wait_answers(world, 1);
	ask(world, "bert", "one", "LOCAL");
	wait_answers(world, 2);
	users_send(world, true, false, "carl", "three");
	ask(world, "bert", "two", "LOCAL");
	wait_answers(world, 3);
	ask(world, "hunter2", "oops", "LOCAL");
	wait_answers(world, 4);
	assert_string_equal(world->answers, "0/1/Staff; 0/0/; 0/1/Staff; 0/0/; ");
	assert_non_null(strstr(world->notes, "113012 AAA user authentication Successful : "
					     "local database : user = anna\n"));
	assert_non_null(strstr(world->notes, "113015 AAA user authentication Rejected : "));
	assert_non_null(strstr(world->notes, "user = bert : user IP = 192.0.2.9\n"));
	assert_non_null(strstr(world->notes, "user = ***** : user IP = 192.0.2.9\n"));
	assert_null(strstr(world->notes, "hunter2"));
}

static void guesses_are_stopped_even_where_they_waited_side_by_side(void **state)
{
	struct world *world = *state;

	users_send(world, true, true, "anna", "right");
	for (int i = 0; i < LOCKOUT_TRIES; i++)
		ask(world, "anna", "wrong", "LOCAL");
	ask(world, "anna", "right", "LOCAL");
	wait_answers(world, 6);
	ask(world, "anna", "right", "LOCAL");
	wait_answers(world, 7);
	assert_string_equal(world->answers, "0/0/; 0/0/; 0/0/; 0/0/; 0/0/; 0/2/+; 0/2/+; ");
	assert_non_null(strstr(world->notes, "113006 User anna locked out"));
	while (world->n_told == 0)
		assert_true(sd_event_run(world->event, PATIENCE_US) > 0);
}

static void who_is_locked_at_the_active_unit_is_locked_here(void **state)
{
	struct world *world = *state;
	Asafo__Ipc__AuthGuesses body = ASAFO__IPC__AUTH_GUESSES__INIT;
	Asafo__Ipc__AuthGuess guess = ASAFO__IPC__AUTH_GUESS__INIT, *list[] = {&guess, &guess};
	uint8_t key[LOCKOUT_KEY_SIZE] = "anna";

	users_send(world, true, true, "anna", "right");
	guess.key = (ProtobufCBinaryData){sizeof(key), key};
	guess.failures = LOCKOUT_TRIES;
	guess.locked_ms = 20000;
	body.guesses = list;
	body.n_guesses = 2;
	assert_int_equal(ipc_channel_send(world->engine, IPC_AUTH_GUESSES, &body.base, NULL, 0), 0);
	while (!strstr(world->notes, "locked out: 2"))
		assert_true(sd_event_run(world->event, PATIENCE_US) > 0);
	ask(world, "anna", "right", "LOCAL");
	wait_answers(world, 1);
	assert_string_equal(world->answers, "0/2/+; ");
	guess.key.len = 3;
	assert_int_equal(ipc_channel_send(world->engine, IPC_AUTH_GUESSES, &body.base, NULL, 0), 0);
	body.n_guesses = 0;
	assert_int_equal(ipc_channel_send(world->engine, IPC_AUTH_GUESSES, &body.base, NULL, 0), 0);
	while (!strstr(world->notes, "locked out: 0"))
		assert_true(sd_event_run(world->event, PATIENCE_US) > 0);
	ask(world, "anna", "right", "LOCAL");
	wait_answers(world, 2);
	assert_string_equal(world->answers, "0/2/+; 0/1/Staff; ");
}

static void a_crowd_from_one_address_is_told_so_at_once(void **state)
{
	struct world *world = *state;
	char expected[64];

	users_send(world, true, true, "anna", "right");
	for (int i = 0; i < OFFICE + 1; i++)
		ask(world, "anna", "right", "LOCAL");
	wait_answers(world, 1);
	(void)snprintf(expected, sizeof(expected), "%d/0/; ", ERR_BUSY);
	assert_string_equal(world->answers, expected);
	wait_answers(world, OFFICE + 1);
	assert_int_equal(strlen(world->answers), strlen(expected) + OFFICE * strlen("0/1/Staff; "));
}

static void a_crowd_from_one_ipv6_network_is_one_address_too(void **state)
{
	struct world *world = *state;
	char expected[64];
	uint8_t client[16];

	users_send(world, true, true, "anna", "right");
	memcpy(client, there, sizeof(client));
	for (int i = 0; i < AUTH_QUEUE_SOURCE_MAX + 1; i++) {
		client[15] = (uint8_t)i;
		ask_from(world, client, sizeof(client), "anna", "right", "LOCAL");
	}
	ask_from(world, elsewhere, sizeof(elsewhere), "anna", "right", "LOCAL");
	wait_answers(world, 1);
	(void)snprintf(expected, sizeof(expected), "%d/0/; ", ERR_BUSY);
	assert_string_equal(world->answers, expected);
	wait_answers(world, AUTH_QUEUE_SOURCE_MAX + 2);
	assert_null(strstr(world->answers + strlen(expected), expected));
	assert_non_null(strstr(world->answers, "0/1/Staff; "));
}

static void what_cannot_be_a_password_is_none(void **state)
{
	struct world *world = *state;
	char longer[600], expected[64];

	users_send(world, true, true, "anna", "right");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ask(world, "anna", longer, "LOCAL");
	longer[100] = '\0';
	ask(world, longer, "right", "LOCAL");
	ask(world, "anna", "right", "PAM");
	wait_answers(world, 3);
	(void)snprintf(expected, sizeof(expected), "0/0/; 0/0/; %d/0/; ", ERR_UNSUPPORTED);
	assert_string_equal(world->answers, expected);
}

static void a_front_that_goes_away_takes_its_questions_along(void **state)
{
	struct world *world = *state;

	users_send(world, true, true, "anna", "right");
	for (int i = 0; i < 4; i++)
		ask(world, "anna", "wrong", "LOCAL");
	while (world->notes[0] == '\0')
		assert_true(sd_event_run(world->event, PATIENCE_US) > 0);
	ipc_channel_free(TAKE_PTR(world->front));
	world->front = attach(world, IPC_PEER_FRONT);
	world->answers[0] = '\0';
	world->n_answers = 0;
	ask(world, "anna", "right", "LOCAL");
	wait_answers(world, 1);
	assert_string_equal(world->answers, "0/1/Staff; ");
}

static void a_front_cannot_send_users(void **state)
{
	struct world *world = *state;
	struct ipc_channel *engine = world->engine;

	world->engine = world->front;
	users_send(world, true, true, "anna", "mine");
	world->engine = engine;
	while (!world->is_refused)
		assert_true(sd_event_run(world->event, PATIENCE_US) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_is_known_by_his_password_only),
		cmocka_unit_test(a_user_without_a_usable_hash_cannot_log_in),
		cmocka_unit_test(a_user_without_a_usable_hash_takes_as_long_as_nobody),
		cmocka_unit_test_setup_teardown(nobody_gets_in_before_it_is_told_what_groups_want,
						world_start_untold, world_stop),
#define WORLD(test) cmocka_unit_test_setup_teardown(test, world_start, world_stop)
		WORLD(a_front_cannot_do_without_what_a_group_wants),
		WORLD(users_hold_when_the_last_of_them_is_there),
		WORLD(guesses_are_stopped_even_where_they_waited_side_by_side),
		WORLD(who_is_locked_at_the_active_unit_is_locked_here),
		WORLD(a_crowd_from_one_address_is_told_so_at_once),
		WORLD(a_crowd_from_one_ipv6_network_is_one_address_too),
		WORLD(what_cannot_be_a_password_is_none),
		WORLD(a_front_that_goes_away_takes_its_questions_along),
		WORLD(a_front_cannot_send_users),
		WORLD(a_certificate_is_judged_whoever_is_locked_out),
#undef WORLD
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
