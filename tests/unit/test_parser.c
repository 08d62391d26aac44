/* SPDX-License-Identifier: Apache-2.0 */
/* In its real sandbox, as the keeper uses it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/io.h"
#include "certstore/pkcs12/parser.h"
#include "tests/unit/pkcs12_world.h"

struct outcome {
	sd_event *event;
	int code;
	struct why why;
	char subject[64];
	size_t key_size;
	bool is_local_ca;
	unsigned n_calls, n_wanted, n_good;
	int bad_code; /* the last one's that failed */
};

static struct parser *parser_start(sd_event **ret_event)
{
	struct parser *parser;
	struct why why = {0};

	if (parser_spawn(true, &parser, &why) < 0)
		fail_msg("%s", why.text);
	assert_true(sd_event_new(ret_event) >= 0);
	assert_int_equal(parser_attach(parser, *ret_event), 0);
	return parser;
}

static void parser_stop(struct parser *parser, sd_event *event)
{
	parser_free(parser);
	sd_event_unref(event);
}

static void on_done(int code, struct identity *identity, const struct why *why, void *userdata)
{
	struct outcome *outcome = userdata;

	outcome->code = code;
	outcome->why = *why;
	outcome->n_good += code == 0;
	if (code < 0)
		outcome->bad_code = code;
	if (identity) {
		(void)snprintf(outcome->subject, sizeof(outcome->subject), "%s",
			       identity->public_part->subject);
		outcome->key_size = identity->key.size;
		outcome->is_local_ca = identity->is_local_ca;
	}
	if (++outcome->n_calls == outcome->n_wanted)
		(void)sd_event_exit(outcome->event, 0);
}

static int open_file(const struct world *world, const char *name)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", world->directory, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int text_fd(const void *text, size_t size)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, text, size), 0);
	return fd;
}

static struct outcome run_one(struct parser *parser, sd_event *event, int file_fd,
			      int passphrase_fd, const struct identity_policy *policy)
{
	struct outcome outcome = {.event = event, .n_wanted = 1};

	assert_int_equal(parser_import(parser, file_fd, passphrase_fd, policy, on_done, &outcome),
			 0);
	(void)close(file_fd);
	if (passphrase_fd >= 0)
		(void)close(passphrase_fd);
	assert_true(sd_event_loop(event) >= 0);
	assert_int_equal(outcome.n_calls, 1);
	return outcome;
}

static void every_kind_of_file_is_parsed_behind_the_walls(void **state)
{
	static const char *const names[] = {"rsa",	"legacy", "rc2_128", "rc4_128", "camellia",
					    "mac_sha3", "ed448",  "rsapss",  "base64",	"mac_md5"};
	struct world *world = *state;
	sd_event *event;
	struct parser *parser = parser_start(&event);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[80];
		struct outcome outcome;

		(void)snprintf(path, sizeof(path), "%s.p12", names[i]);
		outcome = run_one(parser, event, open_file(world, path), text_fd("swordfish\n", 10),
				  &world->policy);
		if (outcome.code != 0)
			fail_msg("%s: %s", names[i], outcome.why.text);
		assert_true(outcome.key_size > 0);
		assert_string_not_equal(outcome.subject, "");
		sd_event_unref(event);
		assert_true(sd_event_new(&event) >= 0);
		assert_int_equal(parser_attach(parser, event), 0);
	}
	parser_stop(parser, event);
}

static void an_error_comes_with_its_sentence(void **state)
{
	struct world *world = *state;
	sd_event *event;
	struct parser *parser = parser_start(&event);
	struct outcome outcome = run_one(parser, event, open_file(world, "p256.p12"),
					 text_fd("wrong", 5), &world->policy);

	assert_int_equal(outcome.code, ERR_BAD_PASSPHRASE);
	assert_non_null(strstr(outcome.why.text, "wrong passphrase"));
	parser_stop(parser, event);
}

static void a_file_that_is_too_large_is_not_read_to_its_end(void **state)
{
	struct world *world = *state;
	sd_event *event;
	struct parser *parser = parser_start(&event);
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct outcome outcome = run_one(parser, event, fd, -1, &world->policy);

	assert_int_equal(outcome.code, ERR_TOO_LARGE);
	parser_stop(parser, event);
}

static void a_folder_is_no_file(void **state)
{
	struct world *world = *state;
	sd_event *event;
	struct parser *parser = parser_start(&event);
	int fd = open("/", O_RDONLY | O_CLOEXEC);
	struct outcome outcome = run_one(parser, event, fd, -1, &world->policy);

	assert_int_equal(outcome.code, -EISDIR);
	assert_non_null(strstr(outcome.why.text, "cannot be read"));
	parser_stop(parser, event);
}

static void a_file_through_a_non_blocking_pipe_is_waited_for(void **state)
{
	_cleanup_(buf_done) struct buf file = {0};
	struct world *world = *state;
	struct outcome outcome = {.n_wanted = 1};
	sd_event *event;
	struct parser *parser = parser_start(&event);
	int ends[2], passphrase = text_fd("swordfish", 9);

	world_read(world, "p256.p12", &file);
	outcome.event = event;
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(
		parser_import(parser, ends[0], passphrase, &world->policy, on_done, &outcome), 0);
	assert_int_equal(io_write_full(ends[1], file.data, file.size), 0);
	(void)close(ends[0]);
	(void)close(ends[1]);
	(void)close(passphrase);
	assert_true(sd_event_loop(event) >= 0);
	assert_int_equal(outcome.code, 0);
	parser_stop(parser, event);
}

static void a_pipe_that_nobody_writes_to_is_said_to_be_one(void **state)
{
	struct world *world = *state;
	struct outcome outcome = {.n_wanted = 2};
	sd_event *event;
	struct parser *parser = parser_start(&event);
	int ends[2], file = open_file(world, "p256.p12");

	outcome.event = event;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	/* As the passphrase; then as the file. */
	assert_int_equal(parser_import(parser, file, ends[0], &world->policy, on_done, &outcome),
			 0);
	assert_int_equal(parser_import(parser, ends[0], -1, &world->policy, on_done, &outcome), 0);
	assert_true(sd_event_loop(event) >= 0);
	assert_int_equal(outcome.code, ERR_TIMEOUT);
	assert_non_null(strstr(outcome.why.text, "is it a pipe that nobody writes to?"));
	(void)close(file);
	(void)close(ends[0]);
	(void)close(ends[1]);
	parser_stop(parser, event);
}

static pid_t first_child(pid_t parent)
{
	char path[64], text[64] = "";
	FILE *file;
	pid_t child = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
	file = fopen(path, "re");
	assert_non_null(file);
	if (fgets(text, sizeof(text), file))
		child = (pid_t)strtol(text, NULL, 10);
	(void)fclose(file);
	return child;
}

static void the_death_of_a_job_is_one_sentence_and_the_next_works(void **state)
{
	struct world *world = *state;
	struct outcome outcome = {.n_wanted = 1};
	sd_event *event;
	struct parser *parser = parser_start(&event);
	int ends[2];
	pid_t job = 0;

	outcome.event = event;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(parser_import(parser, ends[0], -1, &world->policy, on_done, &outcome), 0);
	while (job == 0) /* it lives until the pipe ends */
		job = first_child(first_child(getpid()));
	assert_int_equal(kill(job, SIGSEGV), 0);
	assert_true(sd_event_loop(event) >= 0);
	assert_int_equal(outcome.code, ERR_MALFORMED);
	assert_non_null(strstr(outcome.why.text, "exceed its limits"));
	(void)close(ends[0]);
	(void)close(ends[1]);
	sd_event_unref(event);
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(parser_attach(parser, event), 0);
	outcome = run_one(parser, event, open_file(world, "p256.p12"), text_fd("swordfish", 9),
			  &world->policy);
	assert_int_equal(outcome.code, 0);
	parser_stop(parser, event);
}

static void the_death_of_the_zygote_is_an_answer(void **state)
{
	struct world *world = *state;
	sd_event *event;
	struct parser *parser = parser_start(&event);
	pid_t zygote = first_child(getpid());
	siginfo_t info;
	struct outcome outcome;

	assert_int_equal(kill(zygote, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)zygote, &info, WEXITED | WNOWAIT), 0);
	outcome = run_one(parser, event, open_file(world, "p256.p12"), -1, &world->policy);
	assert_int_equal(outcome.code, ERR_CLOSED);
	assert_non_null(strstr(outcome.why.text, "is gone"));
	parser_stop(parser, event);
}

/* So many shells of one script are nothing unusual. What is beyond all places is refused at once.
 */
static void who_comes_when_all_places_are_taken_has_a_turn(void **state)
{
	struct world *world = *state;
	struct outcome outcome = {.n_wanted = 40};
	sd_event *event;
	struct parser *parser = parser_start(&event);

	outcome.event = event;
	for (unsigned i = 0; i < 40; i++) {
		int fd = open_file(world, "p256.p12"), passphrase = text_fd("swordfish", 9);

		assert_int_equal(
			parser_import(parser, fd, passphrase, &world->policy, on_done, &outcome),
			0);
		(void)close(fd);
		(void)close(passphrase);
	}
	assert_true(sd_event_loop(event) >= 0);
	assert_int_equal(outcome.n_calls, 40);
	assert_int_equal(outcome.code, 0);
	parser_stop(parser, event);
}

/* What it was asked with is of then. */
static int a_century_later(struct identity_policy *ret_policy, struct why *ret_why, void *userdata)
{
	(void)ret_why;
	(void)userdata;
	*ret_policy = (struct identity_policy){.now = INT64_C(4900000000)};
	return 0;
}

static int given_way(struct identity_policy *ret_policy, struct why *ret_why, void *userdata)
{
	(void)ret_policy;
	(void)userdata;
	return why_set(ret_why, ERR_NOT_ACTIVE, "not active any more");
}

static struct outcome fill_and_wait(const struct world *world, parser_turn_fn on_turn)
{
	struct outcome outcome = {.n_wanted = 17};
	struct parser *parser = parser_start(&outcome.event);
	int fd = open_file(world, "p256.p12"), passphrase = text_fd("swordfish", 9);

	parser_set_on_turn(parser, on_turn);
	for (unsigned i = 0; i < outcome.n_wanted; i++)
		assert_int_equal(
			parser_import(parser, fd, passphrase, &world->policy, on_done, &outcome),
			0);
	(void)close(fd);
	(void)close(passphrase);
	assert_true(sd_event_loop(outcome.event) >= 0);
	parser_stop(parser, outcome.event);
	return outcome;
}

static void who_waited_is_judged_as_of_its_turn(void **state)
{
	struct outcome outcome = fill_and_wait(*state, a_century_later);

	assert_int_equal(outcome.n_good, 16);
	assert_int_equal(outcome.bad_code, ERR_EXPIRED);
	outcome = fill_and_wait(*state, given_way);
	assert_int_equal(outcome.n_good, 16);
	assert_int_equal(outcome.bad_code, ERR_NOT_ACTIVE);
}

/* Their pipes cannot be made. */
static void those_whose_turn_cannot_begin_are_answered_one_and_all(void **state)
{
	struct world *world = *state;
	struct outcome outcome = {.n_wanted = 60};
	sd_event *event;
	struct parser *parser = parser_start(&event);
	int fd = open_file(world, "p256.p12");
	struct rlimit limit, none;

	outcome.event = event;
	for (unsigned i = 0; i < outcome.n_wanted; i++)
		assert_int_equal(parser_import(parser, fd, -1, &world->policy, on_done, &outcome),
				 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_true(sd_event_loop(event) >= 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(outcome.n_calls, outcome.n_wanted);
	(void)close(fd);
	parser_stop(parser, event);
}

static void those_that_wait_have_an_end_and_are_answered_when_it_comes(void **state)
{
	struct world *world = *state;
	struct outcome outcome = {.n_wanted = 999};
	sd_event *event;
	struct parser *parser = parser_start(&event);
	int fd = open_file(world, "p256.p12"), n = 0;

	outcome.event = event;
	while (parser_import(parser, fd, -1, &world->policy, on_done, &outcome) == 0)
		n++;
	assert_int_equal(n, 16 + 256);
	assert_int_equal(parser_import(parser, fd, -1, &world->policy, on_done, &outcome),
			 ERR_BUSY);
	(void)close(fd);
	parser_stop(parser, event);
	assert_int_equal(outcome.n_calls, 16 + 256);
	assert_int_equal(outcome.code, ERR_CLOSED);
}

static void freeing_the_parser_answers_what_is_under_way(void **state)
{
	struct world *world = *state;
	struct outcome outcome = {.n_wanted = 99};
	sd_event *event;
	struct parser *parser = parser_start(&event);
	int fd = open_file(world, "p256.p12");

	outcome.event = event;
	assert_int_equal(parser_import(parser, fd, -1, &world->policy, on_done, &outcome), 0);
	(void)close(fd);
	parser_stop(parser, event);
	assert_int_equal(outcome.n_calls, 1);
	assert_int_equal(outcome.code, ERR_CLOSED);
}

static void the_local_ca_is_recognised_in_the_child_too(void **state)
{
	struct world *world = *state;
	struct identity_policy policy = world->policy;
	_cleanup_(X509_free_p) X509 *root = world_certificate(world, "root");
	_cleanup_(buf_done) struct buf der = {0};
	sd_event *event;
	struct parser *parser = parser_start(&event);
	struct outcome outcome;

	assert_int_equal(x509_to_der(root, &der), 0);
	policy.local_cas = &der;
	policy.n_local_cas = 1;
	outcome = run_one(parser, event, open_file(world, "p256.p12"), text_fd("swordfish", 9),
			  &policy);
	assert_int_equal(outcome.code, 0);
	assert_true(outcome.is_local_ca);
	parser_stop(parser, event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_file_is_parsed_behind_the_walls),
		cmocka_unit_test(an_error_comes_with_its_sentence),
		cmocka_unit_test(a_file_that_is_too_large_is_not_read_to_its_end),
		cmocka_unit_test(a_folder_is_no_file),
		cmocka_unit_test(a_file_through_a_non_blocking_pipe_is_waited_for),
		cmocka_unit_test(a_pipe_that_nobody_writes_to_is_said_to_be_one),
		cmocka_unit_test(the_death_of_a_job_is_one_sentence_and_the_next_works),
		cmocka_unit_test(the_death_of_the_zygote_is_an_answer),
		cmocka_unit_test(who_comes_when_all_places_are_taken_has_a_turn),
		cmocka_unit_test(who_waited_is_judged_as_of_its_turn),
		cmocka_unit_test(those_whose_turn_cannot_begin_are_answered_one_and_all),
		cmocka_unit_test(those_that_wait_have_an_end_and_are_answered_when_it_comes),
		cmocka_unit_test(freeing_the_parser_answers_what_is_under_way),
		cmocka_unit_test(the_local_ca_is_recognised_in_the_child_too),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
