/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asafo-pam: asks the system's PAM modules whether a password is right, for the auth helper and for
 * nobody else. What the modules are nobody knows here, so each question is a process of its own.
 */
#include <errno.h>
#include <signal.h>
#include <syslog.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "pam/room.h"
#include "program.h"

static void on_peer(enum ipc_peer peer, unsigned instance, int fd, void *userdata)
{
	const struct program *program = userdata;
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

static int questions_new(struct program *program)
{
	const struct room_options options = {
		.time_ms = ROOM_TIME_MS, .wait_ms = ROOM_WAIT_MS, .on_note = program_on_note};
	struct room *room = NULL;
	sigset_t children;
	int r;

	(void)sigemptyset(&children);
	(void)sigaddset(&children, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &children, NULL) < 0)
		return -errno;
	r = room_new(program->event, &options, &room);
	program->room = room;
	return r;
}

static void questions_free(struct program *program)
{
	room_free(program->room);
}

int main(int argc, char **argv)
{
	/* Modules, their files and helpers may be anywhere; they write nowhere. */
	static const struct sandbox_paths paths = {
		.writable = {"/dev/null"},
		.executable = {"/"},
	};
	static const struct program_ops ops = {
		.name = "pam",
		.waiting = "waiting for a question",
		.profile = SANDBOX_PAM,
		.paths = &paths,
		.room_new = questions_new,
		.room_free = questions_free,
		.child = {on_peer, NULL, program_on_shutdown},
	};

	return program_run(argc, argv, &ops);
}
