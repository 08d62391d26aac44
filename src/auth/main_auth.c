/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asafo-auth: compares passwords with what the configuration has of them. It has no file, no
 * socket, no key; a password comes in from a front, and one word goes back.
 */
#include <signal.h>
#include <syslog.h>

#include "auth/auth.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "ipc/child.h"
#include "walls.h"

struct program {
	sd_event *event;
	struct auth *auth;
	struct child *child;
};

static void on_note(int priority, const char *text, void *userdata)
{
	(void)userdata;
	log_line(priority, "%s", text);
}

static void on_event(int severity, unsigned number, const char *text, void *userdata)
{
	(void)userdata;
	log_message(severity, number, "%s", text);
}

static void on_peer(enum ipc_peer peer, unsigned instance, int fd, void *userdata)
{
	struct program *program = userdata;
	int r = auth_peer_set(program->auth, peer, instance, fd);

	if (r < 0)
		log_line(LOG_ERR, "channel to %s: %s", ipc_peer_name(peer), err_text(r));
}

static void on_shutdown(void *userdata)
{
	struct program *program = userdata;

	(void)sd_event_exit(program->event, 0);
}

static int program_start(struct program *program, const struct child_options *options)
{
	static const struct auth_ops auth_ops = {on_note, on_event};
	static const struct child_ops child_ops = {on_peer, NULL, on_shutdown};
	static const struct sandbox_paths paths = {{NULL}, {NULL}, {NULL}};
	int r = sd_event_default(&program->event);

	if (r >= 0)
		r = auth_new(program->event, &auth_ops, program, &program->auth);
	if (r >= 0)
		r = child_new(program->event, options, &child_ops, program, &program->child);
	if (r < 0) {
		log_line(LOG_ERR, "cannot start: %s", err_text(r));
		return r;
	}
	return walls_enter(SANDBOX_AUTH, &paths, options->is_unsandboxed);
}

int main(int argc, char **argv)
{
	struct child_options options;
	struct program program = {0};
	int r = 1;

	if (child_options_parse(argc, argv, &options) < 0)
		return 2;
	log_open("auth", options.is_verbose ? LOG_DEBUG : LOG_INFO);
	(void)signal(SIGPIPE, SIG_IGN);
	if (program_start(&program, &options) == 0) {
		child_ready(program.child, "waiting for its users");
		r = sd_event_loop(program.event) < 0 ? 1 : 0;
	}
	child_free(program.child);
	auth_free(program.auth);
	(void)sd_event_unref(program.event);
	return r;
}
