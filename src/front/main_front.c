/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asafo-front: accepts clients and speaks TLS and HTTP with them. It has no key, no file and no
 * address of its own; it lives behind SANDBOX_FRONT from before the first byte that a client sends.
 */
#include <sys/resource.h>
#include <syslog.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "front/front.h"
#include "front/tls/x25519.h"
#include "program.h"

static void on_peer(enum ipc_peer peer, unsigned instance, int fd, void *userdata)
{
	const struct program *program = userdata;
	int r = front_peer_set(program->room, peer, fd);

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
	const struct program *program = userdata;

	front_inherit(program->room, name, fd);
}

static void on_shutdown(void *userdata)
{
	const struct program *program = userdata;

	front_stop(program->room);
	program_on_shutdown(userdata);
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
	    limit.rlim_cur < 3 * (rlim_t)front_limits_default.connections +
				     front_limits_default.waiting.places + 64)
		log_line(LOG_WARNING,
			 "descriptors are limited to %llu: fewer than %u connections, each with "
			 "a tunnel, can be served; LimitNOFILE= of the service is for that",
			 (unsigned long long)limit.rlim_cur, front_limits_default.connections);
}

static int room_new(struct program *program)
{
	static const struct front_ops ops = {program_on_note, on_keep};
	struct front *front = NULL;
	int r;

	/* gmtime_r reads the time zone on its first call; behind the sandbox there is no file to
	 * read. */
	tzset();
	descriptors_raise();
	if (!x25519_init())
		log_line(LOG_DEBUG,
			 "key exchanges take longer than they need: built without libsodium, or it "
			 "could not find out what this processor can do");
	r = front_new(program->event, program->options.instance, &front_limits_default, &ops,
		      program, &front);
	program->room = front;
	return r;
}

static void room_free(struct program *program)
{
	front_free(program->room);
}

int main(int argc, char **argv)
{
	static const struct sandbox_paths paths = {{NULL}, {NULL}, {NULL}};
	static const struct program_ops ops = {
		.name = "front",
		.waiting = "waiting for its configuration",
		.profile = SANDBOX_FRONT,
		.paths = &paths,
		.room_new = room_new,
		.room_free = room_free,
		.child = {on_peer, on_credential, on_shutdown},
	};

	return program_run(argc, argv, &ops);
}
