/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asafo-runner: executes the administrator's hooks and track scripts, so that the engine has no
 * child. It stays root, without the right to look into what is another user's: the store is not
 * its. A system call filter would be the scripts' too, who may be anything; the wall is what it
 * agrees to execute (script.c) and what capabilities it has left (the supervisor's table).
 */
#include <signal.h>
#include <syslog.h>

#include "base/err.h"
#include "base/log.h"
#include "program.h"
#include "runner/runner.h"

/* Within the supervisor's patience. */
#define LAST_HOOKS_MS 2500

struct hooks {
	struct runner *runner;
	sd_event_source *deadline;
};

static void on_peer(enum ipc_peer peer, unsigned instance, int fd, void *userdata)
{
	const struct program *program = userdata;
	const struct hooks *hooks = program->room;
	int r;

	(void)instance;
	if (peer != IPC_PEER_ENGINE) {
		(void)close(fd);
		return;
	}
	r = runner_engine_attach(hooks->runner, fd);
	if (r < 0)
		log_line(LOG_ERR, "channel to the engine: %s", err_text(r));
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	log_line(LOG_WARNING, "hooks that still run are killed: the service stops");
	program_on_shutdown(userdata);
	return 0;
}

/* The hooks of the last change of role, out of service, are part of an orderly end. */
static void on_shutdown(void *userdata)
{
	struct program *program = userdata;
	struct hooks *hooks = program->room;

	if (hooks->deadline)
		return;
	if (sd_event_add_time_relative(program->event, &hooks->deadline, CLOCK_MONOTONIC,
				       LAST_HOOKS_MS * 1000u, 0, on_deadline, program) < 0)
		program_on_shutdown(program);
	runner_stop(hooks->runner);
}

static int room_new(struct program *program)
{
	static const struct runner_ops ops = {program_on_note, program_on_shutdown};
	static struct hooks hooks;
	const struct runner_folders folders = {program->options.hooks_dir,
					       program->options.track_dir};
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	program->room = &hooks;
	return runner_new(program->event, &folders, &ops, program, &hooks.runner);
}

static void room_free(struct program *program)
{
	struct hooks *hooks = program->room;

	if (!hooks)
		return;
	(void)sd_event_source_disable_unref(hooks->deadline);
	runner_free(hooks->runner);
}

int main(int argc, char **argv)
{
	static const struct program_ops ops = {
		.name = "runner",
		.waiting = "waiting for a change of role",
		.profile = SANDBOX_RUNNER,
		.room_new = room_new,
		.room_free = room_free,
		.child = {on_peer, NULL, on_shutdown},
	};

	return program_run(argc, argv, &ops);
}
