/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asafo-runner: executes the administrator's hooks and track scripts, so that the engine has no
 * child. It stays root, without the right to look into what is another user's: the store is not
 * its. A system call filter would be the scripts' too, who may be anything; the wall is what it
 * agrees to execute (script.c) and what capabilities it has left (the supervisor's table).
 */
#include <signal.h>
#include <stdlib.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "ipc/child.h"
#include "runner/runner.h"
#include "sandbox/sandbox.h"

/* Within the supervisor's patience. */
#define LAST_HOOKS_MS 2500

struct program {
	sd_event *event;
	struct runner *runner;
	struct child *child;
	sd_event_source *deadline;
};

static void on_note(int priority, const char *text, void *userdata)
{
	(void)userdata;
	log_line(priority, "%s", text);
}

static void on_idle(void *userdata)
{
	struct program *program = userdata;

	(void)sd_event_exit(program->event, 0);
}

static void on_peer(enum ipc_peer peer, unsigned instance, int fd, void *userdata)
{
	struct program *program = userdata;
	int r;

	(void)instance;
	if (peer != IPC_PEER_ENGINE) {
		(void)close(fd);
		return;
	}
	r = runner_engine_attach(program->runner, fd);
	if (r < 0)
		log_line(LOG_ERR, "channel to the engine: %s", err_text(r));
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct program *program = userdata;

	(void)source;
	(void)usec;
	log_line(LOG_WARNING, "hooks that still run are killed: the service stops");
	return sd_event_exit(program->event, 0);
}

/* The hooks of the last change of role, out of service, are part of an orderly end. */
static void on_shutdown(void *userdata)
{
	struct program *program = userdata;

	if (program->deadline)
		return;
	if (sd_event_add_time_relative(program->event, &program->deadline, CLOCK_MONOTONIC,
				       LAST_HOOKS_MS * 1000u, 0, on_deadline, program) < 0)
		(void)sd_event_exit(program->event, 0);
	runner_stop(program->runner);
}

static int program_start(struct program *program, const struct child_options *options)
{
	static const struct runner_ops runner_ops = {on_note, on_idle};
	static const struct child_ops child_ops = {on_peer, NULL, on_shutdown};
	struct runner_folders folders = {options->hooks_dir, options->track_dir};
	struct why why = {""};
	int r = sd_event_default(&program->event);

	if (r >= 0)
		r = runner_new(program->event, &folders, &runner_ops, program, &program->runner);
	if (r >= 0)
		r = child_new(program->event, options, &child_ops, program, &program->child);
	if (r >= 0)
		r = sandbox_enter(SANDBOX_RUNNER, NULL, &why);
	if (r < 0)
		log_line(LOG_ERR, "cannot start: %s", why.text[0] ? why.text : err_text(r));
	return r;
}

int main(int argc, char **argv)
{
	struct child_options options;
	struct program program = {0};
	sigset_t set;
	int r = 1;

	if (child_options_parse(argc, argv, &options) < 0)
		return 2;
	log_open("runner", options.is_verbose ? LOG_DEBUG : LOG_INFO);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	if (program_start(&program, &options) >= 0) {
		child_ready(program.child, "waiting for a change of role");
		r = sd_event_loop(program.event) < 0 ? 1 : 0;
	}
	(void)sd_event_source_disable_unref(program.deadline);
	child_free(program.child);
	runner_free(program.runner);
	(void)sd_event_unref(program.event);
	return r;
}
