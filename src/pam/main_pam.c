/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asafo-pam: asks the system's PAM modules whether a password is right, for the auth helper and for
 * nobody else. What the modules are nobody knows here, so each question is a process of its own.
 */
#include <signal.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "ipc/child.h"
#include "pam/room.h"
#include "walls.h"

struct program {
	sd_event *event;
	struct room *room;
	struct child *child;
};

static void on_note(int priority, const char *text, void *userdata)
{
	(void)userdata;
	log_line(priority, "%s", text);
}

static void on_peer(enum ipc_peer peer, unsigned instance, int fd, void *userdata)
{
	struct program *program = userdata;
	int r;

	(void)instance;
	if (peer != IPC_PEER_AUTH) {
		(void)close(fd);
		return;
	}
	r = room_auth_attach(program->room, fd);
	if (r < 0)
		log_line(LOG_ERR, "channel to the auth helper: %s", err_text(r));
}

static void on_shutdown(void *userdata)
{
	struct program *program = userdata;

	(void)sd_event_exit(program->event, 0);
}

static int program_start(struct program *program, const struct child_options *options)
{
	static const struct child_ops child_ops = {on_peer, NULL, on_shutdown};
	/* Modules, their files and helpers may be anywhere; they write nowhere. */
	static const struct sandbox_paths paths = {
		.writable = {"/dev/null"},
		.executable = {"/"},
	};
	const struct room_options room = {.time_ms = ROOM_TIME_MS,
					  .wait_ms = ROOM_WAIT_MS,
					  .on_note = on_note,
					  .userdata = program};
	sigset_t children;
	int r;

	(void)sigemptyset(&children);
	(void)sigaddset(&children, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &children, NULL) < 0)
		return -1;
	r = sd_event_default(&program->event);
	if (r >= 0)
		r = room_new(program->event, &room, &program->room);
	if (r >= 0)
		r = child_new(program->event, options, &child_ops, program, &program->child);
	if (r < 0) {
		log_line(LOG_ERR, "cannot start: %s", err_text(r));
		return r;
	}
	return walls_enter(SANDBOX_PAM, &paths, options->is_unsandboxed);
}

int main(int argc, char **argv)
{
	struct child_options options;
	struct program program = {0};
	int r = 1;

	if (child_options_parse(argc, argv, &options) < 0)
		return 2;
	log_open("pam", options.is_verbose ? LOG_DEBUG : LOG_INFO);
	(void)signal(SIGPIPE, SIG_IGN);
	if (program_start(&program, &options) == 0) {
		child_ready(program.child, "waiting for a question");
		r = sd_event_loop(program.event) < 0 ? 1 : 0;
	}
	child_free(program.child);
	room_free(program.room);
	(void)sd_event_unref(program.event);
	return r;
}
