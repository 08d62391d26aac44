/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The auth helper on a loop of the test's, which is its engine, its front, its keeper and PAM: what
 * PAM's answers are worth, and that they come to nobody but the helper.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "auth/auth.h"
#include "auth/lockout.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/pace.h"
#include "ipc/channel.h"
#include "ipc/loginbox.h"
#include "ipc/vpn.h"
#include "wait.h"

#define PENDING_MAX 16

struct world {
	sd_event *event;
	struct auth *auth;
	struct ipc_channel *engine, *front, *keeper, *pam;
	char notes[8192];
	char answers[2048]; /* "code/verdict; " */
	unsigned n_answers;
	uint32_t asked[PENDING_MAX]; /* of PAM, not answered yet */
	unsigned n_asked;
	char question[160]; /* the latest: service/user/password */
	bool is_closed;
	char state[1024]; /* of the latest answer */
	bool is_late;
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
	if (code < 0)
		return;
	(void)snprintf(world->answers + used, sizeof(world->answers) - used, "%d/%u; ",
		       reply->status->code, reply->verdict);
	(void)snprintf(world->state, sizeof(world->state), "%s", reply->state);
	world->is_late = reply->is_late;
	world->n_answers++;
}

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	const Asafo__Ipc__PamCheck *check = (const Asafo__Ipc__PamCheck *)body;
	struct world *world = userdata;

	(void)channel;
	if (frame->type != IPC_PAM_CHECK)
		return;
	assert_true(world->n_asked < PENDING_MAX);
	world->asked[world->n_asked++] = frame->id;
	(void)snprintf(world->question, sizeof(world->question), "%s/%s/%.*s", check->service,
		       check->user, (int)check->password.len, (const char *)check->password.data);
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct world *world = userdata;

	(void)channel;
	(void)code;
	world->is_closed = true;
}

static struct ipc_channel *attach(struct world *world, enum ipc_peer peer)
{
	static const bool permitted[IPC_TYPE__MAX] = {
		[IPC_AUTH_GUESSES] = true, [IPC_PAM_CHECK] = true};
	static const struct ipc_channel_ops ops = {permitted, on_request, on_closed};
	struct ipc_channel *channel = NULL;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(auth_peer_set(world->auth, peer, 0, fds[0]), 0);
	assert_int_equal(ipc_channel_new(world->event, fds[1], &ops, world, &channel), 0);
	return channel;
}

static char pam_name[] = "Staff", both_name[] = "Both", local[] = "LOCAL", none[] = "";

/* Staff is asked of PAM, Both of PAM or else here. IS_PAM false: of nobody but here. */
static void trust_send(struct world *world, bool is_pam, const char *service)
{
	Asafo__Ipc__VpnTrust body = ASAFO__IPC__VPN_TRUST__INIT;
	Asafo__Ipc__VpnGroup groups[2], *list[] = {&groups[0], &groups[1]};

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		asafo__ipc__vpn_group__init(&groups[i]);
		groups[i].name = i == 0 ? pam_name : both_name;
		groups[i].authentication = local;
		groups[i].is_by_pam = is_pam;
		groups[i].is_local_too = is_pam && i == 1;
		groups[i].pam_service = (char *)(uintptr_t)service;
	}
	body.is_known = true;
	body.groups = list;
	body.n_groups = ARRAY_SIZE(groups);
	assert_int_equal(ipc_channel_send(world->engine, IPC_VPN_TRUST, &body.base, NULL, 0), 0);
}

/* Anna has a password here; bert has a line without one, and may only use Both; tom has a second
 * factor. Nobody else has a line. */
static void users_send(struct world *world)
{
	static const char *const names[] = {"anna", "bert", "tom"};
	Asafo__Ipc__AuthUsers body = ASAFO__IPC__AUTH_USERS__INIT;
	Asafo__Ipc__AuthUser users[3], *list[] = {&users[0], &users[1], &users[2]};
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	static struct crypt_data data;

	assert_non_null(crypt_gensalt_rn("$y$", 1, NULL, 0, setting, (int)sizeof(setting)));
	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		asafo__ipc__auth_user__init(&users[i]);
		users[i].name = (char *)(uintptr_t)names[i];
		users[i].hash = none;
	}
	users[0].hash = crypt_r("here", setting, &data);
	users[1].has_group_lock = true;
	users[1].group_lock = both_name;
	users[2].totp = (char *)(uintptr_t) "$t1$sealed";
	body.is_reset = body.is_last = true;
	body.users = list;
	body.n_users = ARRAY_SIZE(users);
	assert_int_equal(ipc_channel_send(world->engine, IPC_AUTH_USERS, &body.base, NULL, 0), 0);
}

static int world_start_without_users(void **state)
{
	static const struct auth_ops ops = {on_note, on_event};
	struct world *world = test_calloc(1, sizeof(*world));

	assert_int_equal(sd_event_new(&world->event), 0);
	assert_int_equal(auth_new(world->event, &ops, world, &world->auth), 0);
	world->engine = attach(world, IPC_PEER_ENGINE);
	world->front = attach(world, IPC_PEER_FRONT);
	world->pam = attach(world, IPC_PEER_PAM);
	trust_send(world, true, "asafo");
	*state = world;
	return 0;
}

static int world_start(void **state)
{
	(void)world_start_without_users(state);
	users_send(*state);
	return 0;
}

static int world_stop(void **state)
{
	struct world *world = *state;

	ipc_channel_free(world->front);
	ipc_channel_free(world->keeper);
	ipc_channel_free(world->pam);
	ipc_channel_free(world->engine);
	auth_free(world->auth);
	(void)sd_event_unref(world->event);
	test_free(world);
	return 0;
}

static void log_in(struct world *world, const char *group, const char *user, const char *password)
{
	static uint8_t client[] = {192, 0, 2, 9};
	Asafo__Ipc__AuthCheck body = ASAFO__IPC__AUTH_CHECK__INIT;

	body.user = (char *)(uintptr_t)user;
	body.group = (char *)(uintptr_t)group;
	body.method = local;
	body.password = (ProtobufCBinaryData){strlen(password), (uint8_t *)(uintptr_t)password};
	body.client = (ProtobufCBinaryData){sizeof(client), client};
	assert_int_equal(ipc_channel_call(world->front, IPC_AUTH_CHECK, &body.base, NULL, 0,
					  on_answer, world),
			 0);
}

static void wait_asked(struct world *world, unsigned n)
{
	WAIT_ON(world->event, world->n_asked >= n);
}

/* PAM's answer to question I. */
static void say(struct world *world, unsigned i, int code, bool is_right, const char *why)
{
	Asafo__Ipc__PamCheckReply reply = ASAFO__IPC__PAM_CHECK_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;

	status.code = code;
	status.why = (char *)(uintptr_t)why;
	reply.status = &status;
	reply.is_right = is_right;
	assert_int_equal(
		ipc_channel_reply(world->pam, IPC_PAM_CHECK, world->asked[i], false, &reply.base),
		0);
}

/* One login that PAM says that of; "code/verdict; ". */
static const char *login(struct world *world, const char *group, const char *user,
			 const char *password, int code, bool is_right)
{
	unsigned before = world->n_answers;

	world->answers[0] = '\0';
	world->n_asked = 0;
	log_in(world, group, user, password);
	wait_asked(world, 1);
	say(world, 0, code, is_right, is_right ? "" : "Invalid password");
	WAIT_ON(world->event, world->n_answers > before);
	return world->answers;
}

static unsigned count_notes(const struct world *world, const char *text)
{
	unsigned n = 0;

	for (const char *at = strstr(world->notes, text); at; at = strstr(at + 1, text))
		n++;
	return n;
}

static bool has_note(const struct world *world, const char *text)
{
	return strstr(world->notes, text) != NULL;
}

static void whom_pam_knows_needs_no_line(void **state)
{
	struct world *world = *state;

	assert_string_equal(login(world, "Staff", "zoe", "secret", 0, true), "0/1; ");
	assert_string_equal(world->question, "asafo/zoe/secret");
	assert_true(has_note(world, "113004 AAA user authentication Successful : server = PAM : "
				    "user = zoe\n"));
	assert_string_equal(login(world, "Staff", "hunter2", "x", 0, false), "0/0; ");
	assert_true(has_note(world, "113005 AAA user authentication Rejected : reason = Invalid "
				    "password : server = PAM : user = ***** : user IP = "
				    "192.0.2.9\n"));
	assert_false(has_note(world, "hunter2"));
	assert_false(has_note(world, "secret"));
}

/* Who has a second factor, or may use another group only, is known by them. */
static void nobody_is_asked_for_before_the_users_are_known(void **state)
{
	struct world *world = *state;
	char expected[32];

	log_in(world, "Staff", "tom", "right");
	WAIT_ON(world->event, world->n_answers == 1);
	(void)snprintf(expected, sizeof(expected), "%d/0; ", ERR_NOT_READY);
	assert_string_equal(world->answers, expected);
	assert_int_equal(world->n_asked, 0);
	users_send(world);
	assert_string_equal(login(world, "Staff", "zoe", "right", 0, true), "0/1; ");
}

static void a_line_of_his_own_holds_for_whom_pam_lets_in(void **state)
{
	struct world *world = *state;
	Asafo__Ipc__LoginKey key = ASAFO__IPC__LOGIN_KEY__INIT;
	uint8_t bytes[LOGINBOX_KEY_SIZE] = {7};

	world->keeper = attach(world, IPC_PEER_KEEPER);
	key.key = (ProtobufCBinaryData){sizeof(bytes), bytes};
	assert_int_equal(ipc_channel_send(world->keeper, IPC_LOGIN_KEY, &key.base, NULL, 0), 0);
	assert_string_equal(login(world, "Staff", "bert", "right", 0, true), "0/0; ");
	assert_true(has_note(world, "Group-lock check failed (came to Staff, may only use Both) : "
				    "server = PAM : user = bert"));
	assert_string_equal(login(world, "Both", "bert", "right", 0, true), "0/1; ");
	/* A code is wanted. */
	assert_string_equal(login(world, "Staff", "tom", "right", 0, true), "0/3; ");
	assert_string_equal(login(world, "Staff", "tom", "wrong", 0, false), "0/0; ");
}

/* Sends a code for the login of STATE. True: it is too late for that. */
static bool is_late(struct world *world, const char *state)
{
	Asafo__Ipc__AuthCheck body = ASAFO__IPC__AUTH_CHECK__INIT;
	unsigned before = world->n_answers;
	uint8_t code[] = "123456";

	/* Whatever was told before is taken by then. */
	WAIT_ON(world->event, sd_event_run(world->event, 0) == 0);
	body.state = (char *)(uintptr_t)state;
	body.method = local;
	body.password = (ProtobufCBinaryData){6, code};
	assert_int_equal(ipc_channel_call(world->front, IPC_AUTH_CHECK, &body.base, NULL, 0,
					  on_answer, world),
			 0);
	WAIT_ON(world->event, world->n_answers > before);
	return world->is_late;
}

/* What he is asked for first may be another thing by then, of which he has shown nothing. */
static void a_login_under_way_ends_with_what_it_began_by(void **state)
{
	struct world *world = *state;
	Asafo__Ipc__LoginKey key = ASAFO__IPC__LOGIN_KEY__INIT;
	uint8_t bytes[LOGINBOX_KEY_SIZE] = {7};
	char begun[sizeof(world->state)];

	world->keeper = attach(world, IPC_PEER_KEEPER);
	key.key = (ProtobufCBinaryData){sizeof(bytes), bytes};
	assert_int_equal(ipc_channel_send(world->keeper, IPC_LOGIN_KEY, &key.base, NULL, 0), 0);
	assert_string_equal(login(world, "Staff", "tom", "right", 0, true), "0/3; ");
	memcpy(begun, world->state, sizeof(begun));
	assert_false(is_late(world, begun));
	trust_send(world, true, "stricter");
	assert_true(is_late(world, begun));
	trust_send(world, false, "asafo");
	assert_true(is_late(world, begun));
	trust_send(world, true, "asafo");
	assert_false(is_late(world, begun));
}

static void local_is_for_where_nobody_answers(void **state)
{
	struct world *world = *state;
	struct monotime began;
	uint64_t n_paces;
	char expected[32];

	assert_string_equal(login(world, "Both", "anna", "here", 0, false), "0/0; ");
	assert_string_equal(login(world, "Both", "anna", "here", ERR_TIMEOUT, false), "0/1; ");
	assert_true(has_note(world, "113014 AAA authentication server not accessible : server = "
				    "PAM : user = anna : Invalid password\n113012 "));
	assert_string_equal(login(world, "Both", "anna", "there", ERR_TIMEOUT, false), "0/0; ");
	/* A line without a password is no way in, and neither is none. */
	assert_string_equal(login(world, "Both", "bert", "", ERR_TIMEOUT, false), "0/0; ");
	assert_string_equal(login(world, "Both", "zoe", "here", ERR_TIMEOUT, false), "0/0; ");
	(void)snprintf(expected, sizeof(expected), "%d/0; ", ERR_NOT_READY);
	assert_string_equal(login(world, "Staff", "anna", "here", ERR_TIMEOUT, false), expected);
	/* Nor does it matter how it comes that nobody answers. */
	world->answers[0] = '\0';
	world->n_asked = 0;
	log_in(world, "Both", "anna", "here");
	wait_asked(world, 1);
	ipc_channel_free(TAKE_PTR(world->pam));
	WAIT_ON(world->event, world->answers[0]);
	log_in(world, "Both", "anna", "here");
	WAIT_ON(world->event, strlen(world->answers) > 6);
	assert_string_equal(world->answers, "0/1; 0/1; ");
	assert_true(has_note(world, "asafo-pam does not run"));
	/* It is no guess, so nobody is locked out for it; the log is not filled all the same. */
	world->notes[0] = '\0';
	began = monotime_now();
	for (unsigned i = 0; i < 3 * PACE_LINES; i++) {
		unsigned before = world->n_answers;

		world->answers[0] = '\0';
		log_in(world, "Staff", "anna", "here");
		WAIT_ON(world->event, world->n_answers > before);
		assert_string_equal(world->answers, expected);
	}
	n_paces = monotime_since(monotime_now(), began) / MONOTIME_NS_PER_MS / PACE_MS + 2;
	assert_in_range(count_notes(world, "113014 "), 1, PACE_LINES * n_paces);
}

/* A password costs time: those of a helper that died are looked at one after the other, and what
 * nobody waits for is not. */
static void who_was_asked_for_when_pam_died_waits_for_his_turn(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < 3; i++)
		log_in(world, "Both", "anna", "here");
	wait_asked(world, 3);
	ipc_channel_free(TAKE_PTR(world->pam));
	WAIT_ON(world->event, has_note(world, "asafo-pam went away"));
	assert_false(has_note(world, "113012 "));
	WAIT_ON(world->event, world->n_answers == 3);
	assert_string_equal(world->answers, "0/1; 0/1; 0/1; ");
	world->pam = attach(world, IPC_PEER_PAM);
	world->n_asked = 0;
	world->notes[0] = '\0';
	log_in(world, "Both", "anna", "here");
	wait_asked(world, 1);
	ipc_channel_free(world->front);
	world->front = attach(world, IPC_PEER_FRONT);
	WAIT_ON(world->event, sd_event_run(world->event, 0) == 0);
	say(world, 0, ERR_TIMEOUT, false, "hung");
	WAIT_ON(world->event, has_note(world, "hung"));
	WAIT_ON(world->event, sd_event_run(world->event, 0) == 0);
	assert_false(has_note(world, "113012 "));
	assert_int_equal(world->n_answers, 3);
}

static void nothing_is_looked_at_when_the_helper_ends(void **state)
{
	struct world *world = *state;

	log_in(world, "Both", "anna", "here");
	wait_asked(world, 1);
	auth_free(TAKE_PTR(world->auth));
	assert_string_equal(world->notes, "3 users\n");
}

/* Else who asks often enough would choose which password is his. */
static void too_much_to_do_is_not_nobody_there(void **state)
{
	static const int codes[] = {ERR_BUSY, ERR_MALFORMED, -ENOMEM, -EAGAIN, -EMFILE};
	struct world *world = *state;
	char expected[32];

	(void)snprintf(expected, sizeof(expected), "%d/0; ", ERR_NOT_READY);
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		assert_string_equal(login(world, "Both", "anna", "here", codes[i], false),
				    expected);
	assert_string_equal(login(world, "Both", "anna", "here", ERR_NOT_FOUND, false), "0/1; ");
	assert_string_equal(login(world, "Both", "anna", "here", ERR_NOT_READY, false), "0/1; ");
	assert_string_equal(login(world, "Both", "anna", "here", ERR_CLOSED, false), "0/1; ");
}

/* Side by side: what comes back when the name is locked says nothing, be it right. */
static void who_guesses_by_pam_is_locked_out(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < LOCKOUT_TRIES + 1; i++)
		log_in(world, "Staff", "zoe", "guess");
	wait_asked(world, LOCKOUT_TRIES + 1);
	for (unsigned i = 0; i < LOCKOUT_TRIES; i++)
		say(world, i, 0, false, "Invalid password");
	say(world, LOCKOUT_TRIES, 0, true, "");
	WAIT_ON(world->event, world->n_answers == LOCKOUT_TRIES + 1);
	assert_string_equal(world->answers, "0/0; 0/0; 0/0; 0/0; 0/0; 0/2; ");
	/* And is not even asked for. */
	log_in(world, "Staff", "zoe", "right");
	WAIT_ON(world->event, world->n_answers == LOCKOUT_TRIES + 2);
	assert_int_equal(world->n_asked, LOCKOUT_TRIES + 1);
}

static void a_guess_is_one_though_its_front_went_away(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < LOCKOUT_TRIES; i++)
		log_in(world, "Staff", "zoe", "guess");
	wait_asked(world, LOCKOUT_TRIES);
	ipc_channel_free(world->front);
	world->front = attach(world, IPC_PEER_FRONT);
	for (unsigned i = 0; i < LOCKOUT_TRIES; i++)
		say(world, i, 0, false, "Invalid password");
	WAIT_ON(world->event, has_note(world, "113006 User ***** locked out"));
	log_in(world, "Staff", "zoe", "right");
	WAIT_ON(world->event, world->n_answers == 1);
	assert_string_equal(world->answers, "0/2; ");
}

static void what_a_group_wants_is_what_it_wants_when_pam_has_answered(void **state)
{
	struct world *world = *state;
	char expected[64];

	log_in(world, "Staff", "zoe", "right");
	log_in(world, "Staff", "yan", "right");
	wait_asked(world, 2);
	trust_send(world, true, "stricter");
	WAIT_ON(world->event, sd_event_run(world->event, 0) == 0);
	say(world, 0, 0, true, "");
	WAIT_ON(world->event, world->n_answers == 1);
	trust_send(world, false, "asafo");
	WAIT_ON(world->event, sd_event_run(world->event, 0) == 0);
	say(world, 1, 0, true, "");
	WAIT_ON(world->event, world->n_answers == 2);
	(void)snprintf(expected, sizeof(expected), "%d/0; %d/0; ", ERR_NOT_READY, ERR_NOT_READY);
	assert_string_equal(world->answers, expected);
}

/* The verdict is PAM's alone: a front that says it is one is nobody to listen to. */
static void a_front_cannot_speak_for_pam(void **state)
{
	struct world *world = *state;
	Asafo__Ipc__PamCheck question = ASAFO__IPC__PAM_CHECK__INIT;

	log_in(world, "Staff", "zoe", "x");
	wait_asked(world, 1);
	assert_int_equal(ipc_channel_send(world->front, IPC_PAM_CHECK, &question.base, NULL, 0), 0);
	WAIT_ON(world->event, world->is_closed);
	assert_int_equal(world->n_answers, 0);
	assert_false(has_note(world, "113004"));
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, world_start, world_stop)
	const struct CMUnitTest tests[] = {
		WORLD(whom_pam_knows_needs_no_line),
		cmocka_unit_test_setup_teardown(nobody_is_asked_for_before_the_users_are_known,
						world_start_without_users, world_stop),
		WORLD(a_line_of_his_own_holds_for_whom_pam_lets_in),
		WORLD(a_login_under_way_ends_with_what_it_began_by),
		WORLD(local_is_for_where_nobody_answers),
		WORLD(too_much_to_do_is_not_nobody_there),
		WORLD(who_was_asked_for_when_pam_died_waits_for_his_turn),
		WORLD(nothing_is_looked_at_when_the_helper_ends),
		WORLD(who_guesses_by_pam_is_locked_out),
		WORLD(a_guess_is_one_though_its_front_went_away),
		WORLD(what_a_group_wants_is_what_it_wants_when_pam_has_answered),
		WORLD(a_front_cannot_speak_for_pam),
	};
#undef WORLD

	return cmocka_run_group_tests(tests, NULL, NULL);
}
