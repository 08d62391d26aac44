/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asafo-auth: compares passwords with what the configuration has of them. It has no file, no
 * socket, no key; a password comes in from a front, and one word goes back.
 */
#include <syslog.h>

#include "auth/auth.h"
#include "base/err.h"
#include "base/log.h"
#include "program.h"

static void on_event(int severity, unsigned number, const char *text, void *userdata)
{
	(void)userdata;
	log_message(severity, number, "%s", text);
}

static void on_peer(enum ipc_peer peer, unsigned instance, int fd, void *userdata)
{
	const struct program *program = userdata;
	int r = auth_peer_set(program->room, peer, instance, fd);

	if (r < 0)
		log_line(LOG_ERR, "channel to %s: %s", ipc_peer_name(peer), err_text(r));
}

static int room_new(struct program *program)
{
	static const struct auth_ops ops = {program_on_note, on_event};
	struct auth *auth = NULL;
	int r = auth_new(program->event, &ops, program, &auth);

	program->room = auth;
	return r;
}

static void room_free(struct program *program)
{
	auth_free(program->room);
}

int main(int argc, char **argv)
{
	static const struct sandbox_paths paths = {{NULL}, {NULL}, {NULL}};
	static const struct program_ops ops = {
		.name = "auth",
		.waiting = "waiting for its users",
		.profile = SANDBOX_AUTH,
		.paths = &paths,
		.room_new = room_new,
		.room_free = room_free,
		.child = {on_peer, NULL, program_on_shutdown},
	};

	return program_run(argc, argv, &ops);
}
