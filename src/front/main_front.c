/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asafo-front: accepts clients and speaks TLS and HTTP with them. It has no key, no file and no
 * address of its own; it lives behind SANDBOX_FRONT from before the first byte that a client sends.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <syslog.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "front/front.h"
#include "ipc/child.h"
#include "walls.h"

struct program {
	sd_event *event;
	struct front *front;
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
	int r = front_peer_set(program->front, peer, fd);

	(void)instance;
	if (r < 0)
		log_line(LOG_ERR, "channel to %s: %s", ipc_peer_name(peer), err_text(r));
	else
		log_line(LOG_DEBUG, "channel to %s", ipc_peer_name(peer));
}

static void on_keep(const char *endpoint, int fd, void *userdata)
{
	const struct program *program = userdata;

	child_keep(program->child, endpoint, fd);
}

static void on_credential(const char *name, int fd, void *userdata)
{
	struct program *program = userdata;

	front_inherit(program->front, name, fd);
}

static void on_shutdown(void *userdata)
{
	struct program *program = userdata;

	front_stop(program->front);
	(void)sd_event_exit(program->event, 0);
}

/* Each connection is a descriptor, and a tunnel has up to two more for its datagrams: the soft
 * limit of 1024 is for programs that use select. */
static void descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_cur < 3 * (rlim_t)front_limits_default.connections + 64)
		log_line(LOG_WARNING,
			 "descriptors are limited to %llu: fewer than %u connections, each with "
			 "a tunnel, can be served; LimitNOFILE= of the service is for that",
			 (unsigned long long)limit.rlim_cur, front_limits_default.connections);
}

static int program_start(struct program *program, const struct child_options *options)
{
	static const struct front_ops front_ops = {on_note, on_keep};
	static const struct child_ops child_ops = {on_peer, on_credential, on_shutdown};
	static const struct sandbox_paths paths = {{NULL}, {NULL}, {NULL}};
	int r = sd_event_default(&program->event);

	if (r >= 0)
		r = front_new(program->event, &front_limits_default, &front_ops, program,
			      &program->front);
	if (r >= 0)
		r = child_new(program->event, options, &child_ops, program, &program->child);
	if (r < 0) {
		log_line(LOG_ERR, "cannot start: %s", err_text(r));
		return r;
	}
	return walls_enter(SANDBOX_FRONT, &paths, options->is_unsandboxed);
}

int main(int argc, char **argv)
{
	struct child_options options;
	struct program program = {0};
	int r = 1;

	if (child_options_parse(argc, argv, &options) < 0)
		return 2;
	log_open("front", options.is_verbose ? LOG_DEBUG : LOG_INFO);
	(void)signal(SIGPIPE, SIG_IGN);
	/* gmtime_r reads the time zone on its first call; behind the sandbox there is no file to
	 * read. */
	tzset();
	descriptors_raise();
	if (program_start(&program, &options) == 0) {
		child_ready(program.child, "waiting for its configuration");
		r = sd_event_loop(program.event) < 0 ? 1 : 0;
	}
	front_free(program.front);
	child_free(program.child);
	(void)sd_event_unref(program.event);
	return r;
}
