/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transitions are told after what is urgent is done: the log and the hooks are told what was so in
 * their step, not what has become of it meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "engine_world.h"
#include "failover/engine/hooks.h"

/* The fields of the journal's latest line with a number. */
static struct journal {
	char id[32], state[64], term[32];
} journal;
static int journal_fd;

/* A part is NAME=VALUE. */
static void take(const struct iovec *part, const char *name, char *value, size_t size)
{
	size_t length = strlen(name);

	if (part->iov_len > length && strncmp(part->iov_base, name, length) == 0)
		(void)snprintf(value, size, "%.*s", (int)(part->iov_len - length),
			       (const char *)part->iov_base + length);
}

/* Few datagrams have room: what is not read before the next lines is lost to them. */
static void journal_read(void)
{
	char text[4096];
	ssize_t n;

	while ((n = recv(journal_fd, text, sizeof(text) - 1, 0)) >= 0) {
		struct journal line = {"", "", ""};
		char *rest = text;

		text[n] = '\0';
		for (char *field; (field = strsep(&rest, "\n"));) {
			struct iovec part = {field, strlen(field)};

			take(&part, "ASAFO_ID=", line.id, sizeof(line.id));
			take(&part, "ASAFO_STATE=", line.state, sizeof(line.state));
			take(&part, "ASAFO_TERM=", line.term, sizeof(line.term));
		}
		if (line.id[0])
			journal = line;
	}
	assert_int_equal(errno, EAGAIN);
}

/* A journal in place of the system's. */
static void journal_open(void)
{
	static struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/journal", world.directory);
	journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(journal_fd >= 0);
	assert_int_equal(bind(journal_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	log_open("engine", LOG_INFO);
	log_set_journal(address.sun_path);
}

/* The runner, which counts what it is asked for. */
static struct runner {
	struct ipc_channel *channel;
	unsigned runs;
	char term[64], mate[64], state[64];
} runner;

static void on_exec(struct ipc_channel *channel, struct ipc_frame *frame,
		    const ProtobufCMessage *body, void *userdata)
{
	const Asafo__Ipc__RunnerExec *exec = (const Asafo__Ipc__RunnerExec *)body;

	(void)channel;
	(void)frame;
	(void)userdata;
	for (size_t i = 0; i < exec->n_env; i++) {
		struct iovec part = {exec->env[i], strlen(exec->env[i])};

		take(&part, "ASAFO_TERM=", runner.term, sizeof(runner.term));
		take(&part, "ASAFO_MATE_STATE=", runner.mate, sizeof(runner.mate));
		take(&part, "ASAFO_STATE=", runner.state, sizeof(runner.state));
	}
	runner.runs++;
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	(void)channel;
	(void)code;
	(void)userdata;
}

static void attach_runner(void)
{
	static const bool takes[IPC_TYPE__MAX] = {[IPC_RUNNER_EXEC] = true};
	static const struct ipc_channel_ops ops = {takes, on_exec, on_closed};
	int fds[2];

	runner = (struct runner){0};
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	assert_int_equal(ipc_channel_new(world.event, fds[0], &ops, NULL, &runner.channel), 0);
	hooks_attach(world.engine->hooks, fds[1]);
}

static void move(enum fo_state from, enum fo_state to)
{
	const struct fo_action action = {
		.type = FO_ACTION_TRANSITION, .from = from, .to = to, .reason = FO_REASON_NONE};

	engine_act(world.engine, &action);
}

static int told_setup(void **state)
{
	int r = world_setup(state);

	journal_open();
	world_be_active("");
	journal_read();
	journal = (struct journal){"", "", ""};
	return r;
}

static int told_teardown(void **state)
{
	ipc_channel_free(runner.channel);
	runner.channel = NULL;
	(void)close(journal_fd);
	return world_teardown(state);
}

static void a_transition_is_logged_with_the_state_and_term_of_its_step(void **state)
{
	struct fo_fsm *fsm = &world.engine->fsm;
	uint64_t term = fsm->term;
	char text[32];

	(void)state;
	move(FO_STATE_STANDBY_READY, FO_STATE_JUST_ACTIVE);
	(void)snprintf(text, sizeof(text), "%" PRIu64, term);
	fsm->term += 7;
	engine_tell_transitions(world.engine);
	fsm->term = term;
	journal_read();
	assert_string_equal(journal.id, "104001");
	assert_string_equal(journal.state, fo_state_text(FO_STATE_JUST_ACTIVE));
	assert_string_equal(journal.term, text);
}

/* It serves again before anybody is told: that it did not in between is not kept back. */
static void a_unit_that_is_active_again_when_it_is_told_says_that_it_was_standby(void **state)
{
	struct fo_fsm *fsm = &world.engine->fsm;
	struct fo_fsm active = *fsm;

	(void)state;
	fo_fsm_init(fsm);
	move(FO_STATE_ACTIVE, FO_STATE_STANDBY_READY);
	*fsm = active;
	engine_tell_transitions(world.engine);
	journal_read();
	assert_string_equal(journal.id, "104002");
	assert_string_equal(journal.state, fo_state_text(FO_STATE_STANDBY_READY));
}

static void hooks_are_told_the_term_and_the_mates_state_of_the_step(void **state)
{
	struct fo_fsm *fsm = &world.engine->fsm;
	uint64_t term = fsm->term;
	char text[32];

	(void)state;
	attach_runner();
	WAIT_FOR(runner.runs == 1); /* that it became active */
	world.engine->mate.view.state = FO_STATE_ACTIVE;
	move(FO_STATE_ACTIVE, FO_STATE_STANDBY_READY);
	world.engine->mate.view.state = FO_STATE_FAILED;
	(void)snprintf(text, sizeof(text), "%" PRIu64, term);
	fsm->term += 7;
	engine_tell_transitions(world.engine);
	fsm->term = term;
	WAIT_FOR(runner.runs == 2);
	assert_string_equal(runner.state, fo_state_text(FO_STATE_STANDBY_READY));
	assert_string_equal(runner.mate, fo_state_text(FO_STATE_ACTIVE));
	assert_string_equal(runner.term, text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, told_setup, told_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_transition_is_logged_with_the_state_and_term_of_its_step),
		TEST(a_unit_that_is_active_again_when_it_is_told_says_that_it_was_standby),
		TEST(hooks_are_told_the_term_and_the_mates_state_of_the_step),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
