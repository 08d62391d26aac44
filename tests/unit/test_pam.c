/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PAM helper's room on a loop of the test's, which is its auth helper: what modules say, and
 * what becomes of those that say nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "ipc/channel.h"
#include "pam/room.h"
#include "pam/verify.h"
#include "src/ipc/ipc.pb-c.h"
#include "wait.h"

#define MODULE "tests/net/pam_odd.so"

struct said {
	int code;
	bool is_right, is_known;
	char why[160];
};

struct world {
	sd_event *event;
	struct room *room;
	struct ipc_channel *auth;
	char folder[64], module[PATH_MAX];
	char notes[2048];
	struct said last;
	unsigned n_answers, n_right, n_busy;
};

static void on_note(int priority, const char *text, void *userdata)
{
	struct world *world = userdata;
	size_t used = strlen(world->notes);

	(void)priority;
	(void)snprintf(world->notes + used, sizeof(world->notes) - used, "%s\n", text);
}

static void on_reply(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__PamCheckReply *reply = (const Asafo__Ipc__PamCheckReply *)body;
	struct world *world = userdata;

	(void)has_more;
	world->last = (struct said){.code = code};
	if (reply) {
		world->last =
			(struct said){reply->status->code, reply->is_right, reply->is_known, ""};
		(void)snprintf(world->last.why, sizeof(world->last.why), "%s", reply->status->why);
	}
	world->n_answers++;
	world->n_right += world->last.is_right;
	world->n_busy += world->last.code == ERR_BUSY;
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	(void)channel;
	(void)code;
	(void)userdata;
}

static struct ipc_channel *attach(struct world *world)
{
	static const bool permitted[IPC_TYPE__MAX] = {false};
	static const struct ipc_channel_ops ops = {permitted, NULL, on_closed};
	struct ipc_channel *channel = NULL;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(room_auth_attach(world->room, fds[0]), 0);
	assert_int_equal(ipc_channel_new(world->event, fds[1], &ops, world, &channel), 0);
	return channel;
}

static void service_write(const struct world *world, const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", world->folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* `pam_odd.so WHAT right`, and an account that is as good as ACCOUNT (pam_debug's word). */
static void odd_write(const struct world *world, const char *name, const char *what,
		      const char *account)
{
	char text[PATH_MAX + 128];

	(void)snprintf(text, sizeof(text),
		       "auth required %s %s right\naccount required pam_debug.so acct=%s\n",
		       world->module, what, account);
	service_write(world, name, text);
}

static int world_start_with(void **state, unsigned time_ms)
{
	struct world *world = test_calloc(1, sizeof(*world));
	struct room_options options = {
		.time_ms = time_ms, .wait_ms = 60000, .on_note = on_note, .userdata = world};
	sigset_t children;

	(void)sigemptyset(&children);
	(void)sigaddset(&children, SIGCHLD);
	assert_int_equal(sigprocmask(SIG_BLOCK, &children, NULL), 0);
	assert_non_null(realpath(MODULE, world->module));
	(void)snprintf(world->folder, sizeof(world->folder), "/tmp/asafo-test-pam-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	odd_write(world, "plain", "-", "success");
	odd_write(world, "other", "-", "success");
	assert_int_equal(sd_event_new(&world->event), 0);
	options.folder = world->folder;
	assert_int_equal(room_new(world->event, &options, &world->room), 0);
	world->auth = attach(world);
	*state = world;
	return 0;
}

static int world_start(void **state)
{
	return world_start_with(state, 1500);
}

static int world_start_patient(void **state)
{
	return world_start_with(state, 10 * WAIT_MS);
}

static int world_stop(void **state)
{
	static const char *const names[] = {"plain", "other", "odd", "slow"};
	struct world *world = *state;
	char path[PATH_MAX];

	ipc_channel_free(world->auth);
	room_free(world->room);
	while (waitpid(-1, NULL, 0) > 0)
		;
	(void)sd_event_unref(world->event);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", world->folder, names[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(world->folder), 0);
	test_free(world);
	return 0;
}

static void ask_from(struct world *world, uint8_t source, const char *service, const char *user,
		     const char *password)
{
	Asafo__Ipc__PamCheck body = ASAFO__IPC__PAM_CHECK__INIT;
	uint8_t client[4] = {192, 0, 2, source};

	body.service = (char *)(uintptr_t)service;
	body.user = (char *)(uintptr_t)user;
	body.password = (ProtobufCBinaryData){strlen(password), (uint8_t *)(uintptr_t)password};
	body.client = (ProtobufCBinaryData){sizeof(client), client};
	assert_int_equal(
		ipc_channel_call(world->auth, IPC_PAM_CHECK, &body.base, NULL, 0, on_reply, world),
		0);
}

/* What is said of it: "right", or why not; "!" before what could not be decided. */
static const char *ask(struct world *world, const char *service, const char *user,
		       const char *password)
{
	static char text[200];
	unsigned before = world->n_answers;

	ask_from(world, 9, service, user, password);
	WAIT_ON(world->event, world->n_answers > before);
	(void)snprintf(text, sizeof(text), "%s%s", world->last.code < 0 ? "!" : "",
		       world->last.is_right ? "right" : world->last.why);
	return text;
}

static const char *ask_odd(struct world *world, const char *what, const char *account)
{
	odd_write(world, "odd", what, account);
	return ask(world, "odd", "anna", "right");
}

static void a_password_is_what_pam_says(void **state)
{
	struct world *world = *state;
	char line[PATH_MAX + 80];

	assert_string_equal(ask(world, "plain", "anna", "right"), "right");
	assert_false(world->last.is_known);
	assert_string_equal(ask(world, "plain", "root", "wrong"), "Invalid password");
	assert_true(world->last.is_known);
	/* As directories do that take it for an anonymous bind. */
	(void)snprintf(line, sizeof(line),
		       "auth required %s - any\naccount required pam_permit.so\n", world->module);
	service_write(world, "odd", line);
	assert_string_equal(ask(world, "odd", "anna", "x"), "right");
	assert_string_equal(ask(world, "odd", "anna", ""), "Invalid password");
	service_write(world, "odd",
		      "auth required pam_permit.so\naccount required pam_permit.so\n");
	assert_string_equal(ask(world, "odd", "anna", "right"),
			    "no module of the PAM service asked for the password");
}

static void an_account_that_has_ended_is_no_way_in(void **state)
{
	struct world *world = *state;

	assert_string_equal(ask_odd(world, "-", "acct_expired"), "Account expired");
	assert_string_equal(ask_odd(world, "-", "new_authtok_reqd"), "Password expired");
	assert_string_equal(ask_odd(world, "-", "perm_denied"), "Permission denied");
	assert_string_equal(ask_odd(world, "-", "auth_err"), "Account refused");
	assert_string_equal(ask_odd(world, "-", "success"), "right");
}

/* What is bound to a user's name is bound to one spelling of it. */
static void a_user_has_one_name(void **state)
{
	static const char *const others[] = {"Anna", "anna@corp", "an+na", "ROOT", "Root"};
	static const char *const none[] = {"",	    "an/na", "an\nna",	     "../anna", "-anna",
					   ".anna", "an na", "anna\xc3\xa9", "an\\na",	"an$na"};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_string_equal(ask(world, "plain", others[i], "right"),
				    "a name of nobody in the user database, with capitals, @ or +");
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_string_equal(ask(world, "plain", none[i], "right"),
				    "a name that no user has");
	assert_string_equal(ask_odd(world, "rename", "success"),
			    "PAM calls the user by another name");
}

static void a_module_that_wants_more_is_not_answered(void **state)
{
	struct world *world = *state;

	assert_string_equal(ask_odd(world, "hide", "success"), "PAM asks for more than a password");
	assert_string_equal(ask_odd(world, "show", "success"), "PAM asks for more than a password");
	assert_string_equal(ask_odd(world, "tell", "success"), "right");
}

static void a_service_is_a_file_of_its_own(void **state)
{
	static const char missing[] = "!there is no readable /etc/pam.d file of this service";
	struct world *world = *state;

	assert_string_equal(ask(world, "absent", "anna", "right"), missing);
	assert_string_equal(ask(world, "PLAIN", "anna", "right"), "!the service's name is none");
	assert_false(verify_is_service(""));
	assert_false(verify_is_service("a/b"));
	assert_false(verify_is_service("../plain"));
	assert_false(verify_is_service(".plain"));
	assert_false(verify_is_service("Plain"));
	assert_true(verify_is_service("plain-2.x_y"));
}

/* Whatever a module calls it: only so are guesses counted. */
static void what_is_not_known_for_unavailable_is_a_refusal(void **state)
{
	static const char *const codes[] = {"cred_err",	 "cred_unavail", "authtok_err", "conv_err",
					    "try_again", "bad_item",	 "user_unknown"};
	static const char *const unavailable[] = {"authinfo_unavail", "system_err", "service_err",
						  "open_err",	      "symbol_err", "abort",
						  "module_unknown"};
	struct world *world = *state;
	char text[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(codes) + ARRAY_SIZE(unavailable); i++) {
		bool is_refusal = i < ARRAY_SIZE(codes);

		(void)snprintf(text, sizeof(text),
			       "auth required pam_debug.so auth=%s\naccount required "
			       "pam_permit.so\n",
			       is_refusal ? codes[i] : unavailable[i - ARRAY_SIZE(codes)]);
		service_write(world, "odd", text);
		(void)ask(world, "odd", "anna", "right");
		assert_int_equal(world->last.code, is_refusal ? 0 : ERR_NOT_READY);
		assert_false(world->last.is_right);
		assert_true(world->last.why[0]);
	}
	service_write(world, "odd", "auth required pam_debug.so auth=buf_err\n");
	(void)ask(world, "odd", "anna", "right");
	assert_int_equal(world->last.code, -ENOMEM);
}

/* That is for the local users, where the configuration says so; a refusal is not. */
static void who_cannot_answer_has_not_refused(void **state)
{
	struct world *world = *state;

	service_write(world, "odd",
		      "auth required pam_debug.so auth=authinfo_unavail\n"
		      "account required pam_permit.so\n");
	(void)ask(world, "odd", "anna", "right");
	assert_int_equal(world->last.code, ERR_NOT_READY);
	service_write(world, "odd", "auth required pam_no_such_module.so\n");
	(void)ask(world, "odd", "anna", "right");
	assert_int_equal(world->last.code, ERR_NOT_READY);
	assert_string_equal(ask_odd(world, "crash", "success"),
			    "!PAM service odd: its modules ended the process (signal 11)");
	assert_string_equal(ask_odd(world, "hang", "success"),
			    "!PAM service odd: its modules did not answer in 1500 ms");
	assert_non_null(strstr(world->notes, "(signal 11)\n"));
	assert_string_equal(ask(world, "plain", "anna", "right"), "right");
}

static void what_a_module_writes_is_no_line_of_the_log(void **state)
{
	struct world *world = *state;
	const char *why = ask_odd(world, "forge", "success");

	assert_int_equal(strncmp(why, "aa??aa", 6), 0);
	assert_int_equal(strlen(why), 128);
	assert_false(world->last.is_right);
}

/* Returns how many there are. */
static int children_read(int ret_pids[static ROOM_PLACES])
{
	char path[64];
	FILE *file;
	int n = 0;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "re");
	assert_non_null(file);
	while (n < ROOM_PLACES && fscanf(file, "%d", &ret_pids[n]) == 1)
		n++;
	(void)fclose(file);
	return n;
}

static bool has_children(void)
{
	int pids[ROOM_PLACES];

	return children_read(pids) > 0;
}

static int open_files_limit(rlim_t limit)
{
	struct rlimit files;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = limit ? limit : files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files);
}

/* There are files for the pipes of a child, and none to wait for it with. */
static void a_child_that_cannot_be_watched_is_ended_and_gives_its_place_back(void **state)
{
	struct world *world = *state;
	int fds[4], highest = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dup(0);
		assert_true(fds[i] >= 0);
		highest = fds[i] > highest ? fds[i] : highest;
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		(void)close(fds[i]);
	odd_write(world, "slow", "hang", "success");
	assert_int_equal(open_files_limit((rlim_t)highest + 1), 0);
	(void)ask(world, "slow", "anna", "right");
	assert_int_equal(open_files_limit(0), 0);
	assert_int_equal(world->last.code, -EMFILE);
	WAIT_ON(world->event,
		strcmp(ask(world, "plain", "anna", "right"), "right") == 0 && !has_children());
}

/* Modules that hang hold some places, and one client's no more than its own. */
static void who_waits_is_served_beside_those_that_hang(void **state)
{
	struct world *world = *state;

	odd_write(world, "slow", "hang", "success");
	for (int i = 0; i < 2 * ROOM_PLACES; i++)
		ask_from(world, 1, "slow", "anna", "right");
	ask_from(world, 2, "plain", "anna", "right");
	WAIT_ON(world->event, world->n_answers > 0);
	assert_int_equal(world->n_right, 1);
	assert_int_equal(world->n_answers, 1);
	/* All the others' turn comes, two at a time. */
	WAIT_ON(world->event, world->n_answers >= 3);
	assert_int_equal(world->last.code, ERR_TIMEOUT);
}

static void more_than_the_queue_holds_is_told_so(void **state)
{
	struct world *world = *state;

	odd_write(world, "slow", "hang", "success");
	for (int i = 0; i < ROOM_PLACES_SOURCE + ROOM_QUEUE_MAX + 1; i++)
		ask_from(world, 1, "slow", "anna", "right");
	WAIT_ON(world->event, world->n_answers > 0);
	assert_int_equal(world->n_busy, 1);
}

/* Holds whatever this process has for children, so that nothing ends them: as a disk does that is
 * not there. It lets go when it ends. */
static pid_t hold_children(struct world *world, int n)
{
	int ready[2], pids[ROOM_PLACES], held = 0;
	pid_t holder;

	WAIT_ON(world->event, children_read(pids) == n);
	assert_int_equal(pipe(ready), 0);
	holder = fork();
	assert_true(holder >= 0);
	if (holder == 0) {
		for (int i = 0; i < n; i++)
			held += ptrace(PTRACE_SEIZE, pids[i], NULL, NULL) == 0;
		(void)!write(ready[1], &held, sizeof(held));
		while (true)
			(void)pause();
	}
	assert_int_equal(read(ready[0], &held, sizeof(held)), sizeof(held));
	(void)close(ready[0]);
	(void)close(ready[1]);
	if (held < n) {
		(void)kill(holder, SIGKILL);
		(void)waitpid(holder, NULL, 0);
		skip(); /* needs CAP_SYS_PTRACE */
	}
	return holder;
}

static void modules_that_cannot_be_ended_hold_their_places_and_no_more(void **state)
{
	struct world *world = *state;
	pid_t holder;

	odd_write(world, "slow", "hang", "success");
	for (uint8_t i = 0; i < ROOM_PLACES; i++)
		ask_from(world, i, "slow", "anna", "right");
	holder = hold_children(world, ROOM_PLACES);
	/* They are answered for in time, as others are. */
	WAIT_ON(world->event, world->n_answers == ROOM_PLACES);
	assert_int_equal(world->last.code, ERR_TIMEOUT);
	assert_string_equal(ask(world, "plain", "anna", "right"),
			    "!modules of PAM that cannot be ended hold all its places");
	assert_int_equal(world->last.code, ERR_BUSY);
	assert_int_equal(kill(holder, SIGKILL), 0);
	assert_int_equal(waitpid(holder, NULL, 0), holder);
	WAIT_ON(world->event, strcmp(ask(world, "plain", "anna", "right"), "right") == 0);
}

static void another_auth_helper_begins_anew(void **state)
{
	struct world *world = *state;

	odd_write(world, "slow", "hang", "success");
	ask_from(world, 1, "slow", "anna", "right");
	WAIT_ON(world->event, has_children());
	ipc_channel_free(world->auth);
	world->auth = attach(world);
	/* Nobody hears their answers: they are ended, before their time. */
	WAIT_ON(world->event, !has_children());
	assert_string_equal(ask(world, "plain", "anna", "right"), "right");
	assert_string_equal(world->notes, "");
}

int main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, world_start, world_stop)
	const struct CMUnitTest tests[] = {
		WORLD(a_password_is_what_pam_says),
		WORLD(an_account_that_has_ended_is_no_way_in),
		WORLD(a_user_has_one_name),
		WORLD(a_module_that_wants_more_is_not_answered),
		WORLD(a_service_is_a_file_of_its_own),
		WORLD(what_is_not_known_for_unavailable_is_a_refusal),
		WORLD(who_cannot_answer_has_not_refused),
		WORLD(what_a_module_writes_is_no_line_of_the_log),
		WORLD(a_child_that_cannot_be_watched_is_ended_and_gives_its_place_back),
		WORLD(who_waits_is_served_beside_those_that_hang),
		WORLD(more_than_the_queue_holds_is_told_so),
		WORLD(modules_that_cannot_be_ended_hold_their_places_and_no_more),
		cmocka_unit_test_setup_teardown(another_auth_helper_begins_anew,
						world_start_patient, world_stop),
	};
#undef WORLD

	return cmocka_run_group_tests(tests, NULL, NULL);
}
