/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second factor: codes as authenticators make them, secrets and logins under way that only the
 * pair can open, and the helper that asks for a code after the password.
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
#include "auth/factor.h"
#include "auth/lockout.h"
#include "auth/steps.h"
#include "auth/totp.h"
#include "base/base32.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "ipc/channel.h"
#include "ipc/loginbox.h"
#include "ipc/vpn.h"

#define PATIENCE_US (20u * 1000000)
#define SECRET "12345678901234567890" /* of RFC 6238's examples */

static const uint8_t key_bytes[LOGINBOX_KEY_SIZE] = "a key of thirty-two bytes in all";
static const uint8_t other_bytes[LOGINBOX_KEY_SIZE] = "another one that opens nothing ";

static void base32_is_read_as_people_type_it(void **state)
{
	uint8_t bytes[8];
	char text[BASE32_TEXT_MAX(8)];
	size_t size = 0;

	(void)state;
	base32_encode((const uint8_t *)"foobar", 6, text);
	assert_string_equal(text, "MZXW6YTBOI");
	assert_int_equal(base32_decode("mzxw 6ytb-OI======", 18, bytes, sizeof(bytes), &size), 0);
	assert_int_equal(size, 6);
	assert_memory_equal(bytes, "foobar", 6);
	assert_int_equal(base32_decode("MZXW6YTBOI", 10, bytes, 5, &size), ERR_TOO_LARGE);
	assert_int_equal(base32_decode("MZXW1", 5, bytes, sizeof(bytes), &size), ERR_MALFORMED);
	assert_int_equal(base32_decode("A", 1, bytes, sizeof(bytes), &size), ERR_MALFORMED);
	assert_int_equal(base32_decode("MB", 2, bytes, sizeof(bytes), &size), ERR_MALFORMED);
	assert_int_equal(base32_decode("", 0, bytes, sizeof(bytes), &size), 0);
	assert_int_equal(size, 0);
}

/* RFC 6238, Appendix B: the last six digits. */
static void codes_are_those_of_the_standard(void **state)
{
	static const struct {
		uint64_t second;
		uint32_t code;
	} examples[] = {
		{59, 287082},	    {1111111109, 81804},  {1111111111, 50471},
		{1234567890, 5924}, {2000000000, 279037}, {20000000000, 353130},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
		uint32_t code = 0;

		assert_int_equal(totp_code((const uint8_t *)SECRET, 20,
					   examples[i].second / TOTP_STEP_S, &code),
				 0);
		assert_int_equal(code, examples[i].code);
	}
}

static int check(const char *code, int64_t now, uint64_t after, uint64_t *step)
{
	return totp_check((const uint8_t *)SECRET, 20, code, now, after, step);
}

static void a_code_is_good_for_three_steps_and_once(void **state)
{
	uint64_t step = 0;

	(void)state;
	assert_int_equal(check("081804", 1111111109, 0, &step), 0);
	assert_int_equal(step, 1111111109 / 30);
	assert_int_equal(check("081 804", 1111111109 + 30, 0, &step), 0);
	assert_int_equal(check("081804", 1111111109 - 30, 0, &step), 0);
	assert_int_equal(check("081804", 1111111109 + 60, 0, &step), ERR_DENIED);
	assert_int_equal(check("081804", 1111111109 - 60, 0, &step), ERR_DENIED);
	assert_int_equal(check("081804", 1111111109, step, &step), ERR_DENIED);
	assert_int_equal(check("081804", 1111111109, step - 1, &step), 0);
	/* An earlier one than was used is no better. */
	assert_int_equal(check("081804", 1111111109, step + 1, &step), ERR_DENIED);
	assert_int_equal(check("81804", 1111111109, 0, &step), ERR_DENIED);
	assert_int_equal(check("0081804", 1111111109, 0, &step), ERR_DENIED);
	assert_int_equal(check("08180x", 1111111109, 0, &step), ERR_DENIED);
	assert_int_equal(check("", 1111111109, 0, &step), ERR_DENIED);
	assert_int_equal(check("287082", 0, 0, &step), 0);
	assert_int_equal(check("287082", -5, 0, &step), 0);
}

static void used_steps_only_rise_and_are_forgotten_late(void **state)
{
	struct steps *steps;
	struct monotime now = {1000};
	uint8_t anna[STEPS_KEY_SIZE], name[STEPS_KEY_SIZE];
	char text[32];
	size_t at = 0;
	unsigned n = 0;

	(void)state;
	assert_int_equal(steps_new(&steps), 0);
	steps_key("anna", anna);
	assert_int_equal(steps_last(steps, anna), 0);
	assert_int_equal(steps_use(steps, anna, 7, now), 0);
	assert_int_equal(steps_use(steps, anna, 6, now), 0);
	assert_int_equal(steps_last(steps, anna), 7);
	now = monotime_add_ms(now, STEPS_KEEP_MS);
	assert_null(steps_next(steps, &at, now));
	for (int i = 0; i < STEPS_MAX + 1; i++) {
		(void)snprintf(text, sizeof(text), "user%d", i);
		steps_key(text, name);
		now.ns++;
		assert_int_equal(steps_use(steps, name, 9, now), 0);
	}
	for (at = 0; steps_next(steps, &at, now);)
		n++;
	assert_int_equal(n, STEPS_MAX);
	assert_int_equal(steps_last(steps, name), 9);
	assert_int_equal(steps_last(steps, anna), 0);
	steps_free(steps);
}

static void a_box_is_opened_by_its_key_and_for_its_context_only(void **state)
{
	struct secret key, other, opened = {0};
	char text[LOGINBOX_TOTP_TEXT_MAX], changed[LOGINBOX_TOTP_TEXT_MAX];

	(void)state;
	assert_int_equal(secret_init_copy(&key, key_bytes, sizeof(key_bytes)), 0);
	assert_int_equal(secret_init_copy(&other, other_bytes, sizeof(other_bytes)), 0);
	assert_int_equal(loginbox_totp_seal(&key, "anna", SECRET, 9, text), ERR_TOO_LARGE);
	assert_int_equal(loginbox_totp_seal(&key, "anna", SECRET, 20, text), 0);
	assert_null(strstr(text, SECRET));
	assert_int_equal(loginbox_totp_open(&key, "anna", text, &opened), 0);
	assert_int_equal(opened.size, 20);
	assert_memory_equal(opened.data, SECRET, 20);
	secret_done(&opened);
	assert_int_equal(loginbox_totp_open(&key, "bert", text, &opened), ERR_INTEGRITY);
	assert_int_equal(loginbox_totp_open(&other, "anna", text, &opened), ERR_INTEGRITY);
	assert_int_equal(loginbox_totp_open(&key, "anna", text + 4, &opened), ERR_MALFORMED);
	for (size_t i = 0; text[i]; i++) {
		memcpy(changed, text, sizeof(text));
		changed[i] = changed[i] == 'A' ? 'B' : 'A';
		assert_true(loginbox_totp_open(&key, "anna", changed, &opened) < 0);
		memcpy(changed, text, sizeof(text));
		changed[i] = '\0';
		assert_true(loginbox_totp_open(&key, "anna", changed, &opened) < 0);
	}
	secret_done(&key);
	secret_done(&other);
}

static void a_login_under_way_is_good_for_some_minutes(void **state)
{
	struct factor *factor;
	struct factor_round round = {.user = "anna", .group = "Staff", .at = 10000, .tries = 2},
			    got;
	char sealed[FACTOR_STATE_MAX];

	(void)state;
	memset(round.user, 'u', sizeof(round.user) - 1);
	memset(round.group, 'g', sizeof(round.group) - 1);
	memcpy(round.password, "12345678", 8);
	factor_way_sum("pam", "asafo", round.way);
	assert_int_equal(factor_new(&factor), 0);
	assert_int_equal(factor_seal(factor, &round, sealed), ERR_NOT_READY);
	assert_int_equal(factor_key_set(factor, key_bytes, 31), ERR_MALFORMED);
	assert_int_equal(factor_key_set(factor, key_bytes, sizeof(key_bytes)), 0);
	assert_int_equal(factor_seal(factor, &round, sealed), 0);
	assert_int_equal(factor_open(factor, sealed, 10000, &got), 0);
	assert_memory_equal(&got, &round, sizeof(round));
	assert_int_equal(factor_open(factor, sealed, 10000 - FACTOR_SKEW_S - 1, &got), ERR_TIMEOUT);
	assert_int_equal(factor_open(factor, sealed, 10000 + FACTOR_LIFE_S, &got), 0);
	assert_int_equal(
		factor_open(factor, sealed, 10000 + FACTOR_LIFE_S + FACTOR_SKEW_S + 1, &got),
		ERR_TIMEOUT);
	assert_int_equal(factor_open(factor, "", 10000, &got), ERR_MALFORMED);
	assert_int_equal(factor_open(factor, "!!!!", 10000, &got), ERR_MALFORMED);
	/* A second factor's secret is no login. */
	assert_int_equal(factor_key_set(factor, other_bytes, sizeof(other_bytes)), 0);
	assert_int_equal(factor_open(factor, sealed, 10000, &got), ERR_INTEGRITY);
	factor_free(factor);
}

/* ---- the helper --------------------------------------------------------------------------------
 */

struct world {
	sd_event *event;
	struct auth *auth;
	struct ipc_channel *engine, *front, *keeper;
	char hash[256], totp[LOGINBOX_TOTP_TEXT_MAX];
	char notes[8192];
	char state[FACTOR_STATE_MAX]; /* of the last answer */
	char answer[256];
	unsigned n_answers, n_steps;
	uint64_t step;
	uint64_t age_ms; /* of that one */
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
	(void)number;
	on_note(severity, text, userdata);
}

static void on_answer(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__AuthCheckReply *reply = (const Asafo__Ipc__AuthCheckReply *)body;
	struct world *world = userdata;

	(void)code;
	(void)has_more;
	assert_non_null(reply);
	(void)snprintf(world->state, sizeof(world->state), "%s", reply->state);
	(void)snprintf(world->answer, sizeof(world->answer), "%d/%u/%s/%s/%s%s%s",
		       reply->status->code, reply->verdict, reply->user, reply->group,
		       reply->policy, reply->is_again ? "/again" : "",
		       reply->is_late ? "/late" : "");
	world->n_answers++;
}

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	const Asafo__Ipc__AuthGuesses *guesses = (const Asafo__Ipc__AuthGuesses *)body;
	struct world *world = userdata;

	(void)channel;
	assert_int_equal(frame->type, IPC_AUTH_GUESSES);
	if (guesses->n_steps > 0 && world->n_answers == 0)
		fail_msg("a code was used before anybody asked");
	world->n_steps += (unsigned)guesses->n_steps;
	if (guesses->n_steps > 0)
		world->step = guesses->steps[0]->step;
	if (guesses->n_steps > 0)
		world->age_ms = guesses->steps[0]->age_ms;
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	(void)channel;
	(void)code;
	(void)userdata;
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

static void key_send(struct world *world, const uint8_t *bytes)
{
	Asafo__Ipc__LoginKey key = ASAFO__IPC__LOGIN_KEY__INIT;

	key.key = (ProtobufCBinaryData){LOGINBOX_KEY_SIZE, (uint8_t *)(uintptr_t)bytes};
	assert_int_equal(ipc_channel_send(world->keeper, IPC_LOGIN_KEY, &key.base, NULL, 0), 0);
}

static void trust_send(struct world *world)
{
	Asafo__Ipc__VpnTrust body = ASAFO__IPC__VPN_TRUST__INIT;
	Asafo__Ipc__VpnGroup group = ASAFO__IPC__VPN_GROUP__INIT, *list[] = {&group};
	char name[] = "Staff", method[] = "LOCAL";

	group.name = name;
	group.authentication = method;
	body.groups = list;
	body.n_groups = 1;
	assert_int_equal(ipc_channel_send(world->engine, IPC_VPN_TRUST, &body.base, NULL, 0), 0);
}

static void users_send(struct world *world)
{
	Asafo__Ipc__AuthUsers body = ASAFO__IPC__AUTH_USERS__INIT;
	Asafo__Ipc__AuthUser user = ASAFO__IPC__AUTH_USER__INIT, *list[] = {&user};
	char name[] = "anna", policy[] = "Mine";

	user.name = name;
	user.policy = policy;
	user.hash = world->hash;
	user.totp = world->totp;
	body.users = list;
	body.n_users = 1;
	body.is_reset = body.is_last = true;
	assert_int_equal(ipc_channel_send(world->engine, IPC_AUTH_USERS, &body.base, NULL, 0), 0);
}

static void password_make(struct world *world, const char *password)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *data = calloc(1, sizeof(*data));

	assert_non_null(data);
	/* The cheapest: what is tested is not how long it takes. */
	assert_non_null(crypt_gensalt_rn("$y$", 1, NULL, 0, setting, (int)sizeof(setting)));
	(void)snprintf(world->hash, sizeof(world->hash), "%s", crypt_r(password, setting, data));
	free(data);
}

static int start(void **state)
{
	static const struct auth_ops ops = {on_note, on_event};
	struct world *world = test_calloc(1, sizeof(*world));
	_cleanup_(secret_done) struct secret key = {0};

	assert_int_equal(sd_event_new(&world->event), 0);
	assert_int_equal(auth_new(world->event, &ops, world, &world->auth), 0);
	world->engine = attach(world, IPC_PEER_ENGINE);
	world->front = attach(world, IPC_PEER_FRONT);
	world->keeper = attach(world, IPC_PEER_KEEPER);
	assert_int_equal(secret_init_copy(&key, key_bytes, sizeof(key_bytes)), 0);
	assert_int_equal(loginbox_totp_seal(&key, "anna", SECRET, 20, world->totp), 0);
	password_make(world, "right");
	trust_send(world);
	users_send(world);
	*state = world;
	return 0;
}

static int stop(void **state)
{
	struct world *world = *state;

	ipc_channel_free(world->front);
	ipc_channel_free(world->engine);
	ipc_channel_free(world->keeper);
	auth_free(world->auth);
	(void)sd_event_unref(world->event);
	test_free(world);
	return 0;
}

/* One question and its answer. STATE "": PASSWORD is one. IS_NAMED: for anna. */
static const char *ask_as(struct world *world, bool is_named, const char *password,
			  const char *state)
{
	Asafo__Ipc__AuthCheck body = ASAFO__IPC__AUTH_CHECK__INIT;
	char name[] = "anna", method[] = "LOCAL", group[] = "Staff", copy[FACTOR_STATE_MAX];
	uint8_t secret[64], client[4] = {192, 0, 2, 9};
	unsigned before = world->n_answers;

	(void)snprintf(copy, sizeof(copy), "%s", state);
	memcpy(secret, password, strlen(password));
	if (is_named) {
		body.user = name;
		body.group = group;
	}
	body.method = method;
	body.state = copy;
	body.password = (ProtobufCBinaryData){strlen(password), secret};
	body.client = (ProtobufCBinaryData){sizeof(client), client};
	assert_int_equal(ipc_channel_call(world->front, IPC_AUTH_CHECK, &body.base, NULL, 0,
					  on_answer, world),
			 0);
	while (world->n_answers == before)
		assert_true(sd_event_run(world->event, PATIENCE_US) > 0);
	return world->answer;
}

static const char *ask(struct world *world, const char *password, const char *state)
{
	return ask_as(world, !state[0], password, state);
}

/* The code of an authenticator, STEPS ahead. */
static const char *code_of(int steps)
{
	static char text[16];
	uint64_t now = (uint64_t)time(NULL) / TOTP_STEP_S;
	uint32_t code = 0;

	assert_int_equal(
		totp_code((const uint8_t *)SECRET, 20, now + (uint64_t)(int64_t)steps, &code), 0);
	(void)snprintf(text, sizeof(text), "%06u", code);
	return text;
}

static void the_code_is_asked_for_after_the_password_and_told_before_the_answer(void **state)
{
	struct world *world = *state;
	char first[FACTOR_STATE_MAX], used[16];

	key_send(world, key_bytes);
	assert_string_equal(ask(world, "wrong", ""), "0/0///");
	assert_string_equal(world->state, "");
	assert_string_equal(ask(world, "right", ""), "0/3/anna/Staff/");
	(void)snprintf(first, sizeof(first), "%s", world->state);
	assert_null(strstr(first, "anna"));
	assert_string_equal(ask(world, "xxxxxx", first), "0/3/anna/Staff//again");
	assert_int_equal(world->n_steps, 0);
	(void)snprintf(used, sizeof(used), "%s", code_of(0));
	/* A state says whose login it is: nobody else does beside it. */
	(void)ask_as(world, true, used, first);
	assert_null(strstr(world->answer, "anna"));
	assert_int_equal(world->n_steps, 0);
	assert_string_equal(ask(world, used, first), "0/1/anna/Staff/Mine");
	/* The engine has it, or will have it before it hears of a session. */
	while (world->n_steps == 0)
		assert_true(sd_event_run(world->event, PATIENCE_US) > 0);
	assert_true(world->step + 1 >= (uint64_t)time(NULL) / TOTP_STEP_S - 1);
	/* The client may bring its state again; the code is used. */
	assert_string_equal(ask(world, used, first), "0/3/anna/Staff//again");
}

static void what_the_other_unit_used_is_used_here(void **state)
{
	struct world *world = *state;
	Asafo__Ipc__AuthGuesses guesses = ASAFO__IPC__AUTH_GUESSES__INIT;
	Asafo__Ipc__AuthStep step = ASAFO__IPC__AUTH_STEP__INIT, *list[] = {&step};
	uint8_t name[STEPS_KEY_SIZE];

	key_send(world, key_bytes);
	assert_string_equal(ask(world, "right", ""), "0/3/anna/Staff/");
	steps_key("anna", name);
	step.user = (ProtobufCBinaryData){sizeof(name), name};
	step.step = (uint64_t)time(NULL) / TOTP_STEP_S + 3;
	guesses.steps = list;
	guesses.n_steps = 1;
	assert_int_equal(ipc_channel_send(world->engine, IPC_AUTH_GUESSES, &guesses.base, NULL, 0),
			 0);
	/* Another name's say nothing of hers. */
	name[0] = 'x';
	step.user.len = 3;
	assert_int_equal(ipc_channel_send(world->engine, IPC_AUTH_GUESSES, &guesses.base, NULL, 0),
			 0);
	assert_string_equal(ask(world, "no code", world->state), "0/3/anna/Staff//again");
	assert_string_equal(ask(world, code_of(0), world->state), "0/3/anna/Staff//again");
}

static void what_tells_of_codes_only_leaves_who_guessed_as_it_was(void **state)
{
	struct world *world = *state;
	Asafo__Ipc__AuthGuesses message = ASAFO__IPC__AUTH_GUESSES__INIT;
	Asafo__Ipc__AuthStep step = ASAFO__IPC__AUTH_STEP__INIT, *list[] = {&step};
	uint8_t name[STEPS_KEY_SIZE];
	unsigned n_steps;

	key_send(world, key_bytes);
	for (unsigned i = 0; i < LOCKOUT_TRIES; i++)
		assert_string_equal(ask(world, "wrong", ""), "0/0///");
	steps_key("bert", name);
	step.user = (ProtobufCBinaryData){sizeof(name), name};
	step.step = 7;
	message.steps = list;
	message.n_steps = 1;
	message.is_steps_only = true;
	step.age_ms = STEPS_KEEP_MS / 2;
	assert_int_equal(ipc_channel_send(world->engine, IPC_AUTH_GUESSES, &message.base, NULL, 0),
			 0);
	/* It passes on what it was told, and again where that is asked for. */
	for (unsigned i = 0; i < 2; i++) {
		n_steps = world->n_steps;
		while (world->n_steps == n_steps)
			assert_true(sd_event_run(world->event, PATIENCE_US) > 0);
		assert_int_equal(world->step, 7);
		assert_true(world->age_ms >= STEPS_KEEP_MS / 2);
		message.n_steps = 0;
		message.is_wanted = true;
		assert_int_equal(
			ipc_channel_send(world->engine, IPC_AUTH_GUESSES, &message.base, NULL, 0),
			0);
	}
	assert_string_equal(ask(world, "right", ""), "0/2///");
}

static void wrong_codes_end_the_login_and_lock_the_user(void **state)
{
	struct world *world = *state;

	key_send(world, key_bytes);
	(void)ask(world, "right", "");
	assert_string_equal(ask(world, "1", world->state), "0/3/anna/Staff//again");
	assert_string_equal(ask(world, "2", world->state), "0/3/anna/Staff//again");
	assert_string_equal(ask(world, "3", world->state), "0/0/anna/Staff//again");
	assert_string_equal(world->state, "");
	/* The right password forgives nothing before the code is right, too. */
	assert_string_equal(ask(world, "right", ""), "0/3/anna/Staff/");
	assert_string_equal(ask(world, "4", world->state), "0/3/anna/Staff//again");
	assert_string_equal(ask(world, "5", world->state), "0/3/anna/Staff//again");
	assert_string_equal(ask(world, code_of(0), world->state), "0/2/anna/Staff/");
	assert_string_equal(ask(world, "right", ""), "0/2///");
	assert_non_null(strstr(world->notes, "Invalid one-time code"));
}

static void another_password_or_no_second_factor_ends_a_login(void **state)
{
	struct world *world = *state;
	char before[FACTOR_STATE_MAX];

	key_send(world, key_bytes);
	(void)ask(world, "right", "");
	(void)snprintf(before, sizeof(before), "%s", world->state);
	assert_string_equal(ask(world, "1", "bm9uc2Vuc2U="), "0/0////late");
	password_make(world, "right");
	users_send(world);
	assert_string_equal(ask(world, code_of(0), before), "0/0////late");
	(void)ask(world, "right", "");
	(void)snprintf(before, sizeof(before), "%s", world->state);
	world->totp[0] = '\0';
	users_send(world);
	assert_string_equal(ask(world, code_of(0), before), "0/0////late");
	assert_string_equal(ask(world, "right", ""), "0/1/anna/Staff/Mine");
}

static void without_the_key_nobody_with_a_second_factor_gets_in(void **state)
{
	struct world *world = *state;
	char wanted[64];

	(void)snprintf(wanted, sizeof(wanted), "%d/3/anna/Staff/", ERR_NOT_READY);
	assert_string_equal(ask(world, "right", ""), wanted);
	assert_string_equal(world->state, "");
}

static void with_another_pairs_key_the_log_says_what_to_do(void **state)
{
	struct world *world = *state;
	char wanted[64];

	key_send(world, other_bytes);
	(void)ask(world, "right", "");
	(void)snprintf(wanted, sizeof(wanted), "%d/0/anna/Staff/", ERR_INTEGRITY);
	assert_string_equal(ask(world, code_of(0), world->state), wanted);
	assert_non_null(strstr(world->notes, "`asafo username anna totp` makes another one"));
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, start, stop)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base32_is_read_as_people_type_it),
		cmocka_unit_test(codes_are_those_of_the_standard),
		cmocka_unit_test(a_code_is_good_for_three_steps_and_once),
		cmocka_unit_test(used_steps_only_rise_and_are_forgotten_late),
		cmocka_unit_test(a_box_is_opened_by_its_key_and_for_its_context_only),
		cmocka_unit_test(a_login_under_way_is_good_for_some_minutes),
		WORLD(the_code_is_asked_for_after_the_password_and_told_before_the_answer),
		WORLD(what_the_other_unit_used_is_used_here),
		WORLD(what_tells_of_codes_only_leaves_who_guessed_as_it_was),
		WORLD(wrong_codes_end_the_login_and_lock_the_user),
		WORLD(another_password_or_no_second_factor_ends_a_login),
		WORLD(without_the_key_nobody_with_a_second_factor_gets_in),
		WORLD(with_another_pairs_key_the_log_says_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
