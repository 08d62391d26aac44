/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asafo-fetch: the only one that speaks to strangers of its own will, to OCSP responders. It has no
 * key, no capability, and no channel but the engine's.
 */
#include <curl/curl.h>
#include <netdb.h>
#include <signal.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "fetch/fetch.h"
#include "ipc/child.h"
#include "walls.h"

struct program {
	sd_event *event;
	struct fetch *fetch;
	struct child *child;
};

static void on_peer(enum ipc_peer peer, unsigned instance, int fd, void *userdata)
{
	struct program *program = userdata;
	int r;

	(void)instance;
	if (peer != IPC_PEER_ENGINE) {
		(void)close(fd);
		return;
	}
	r = fetch_engine_attach(program->fetch, fd);
	if (r < 0)
		log_line(LOG_ERR, "channel to the engine: %s", err_text(r));
}

static void on_shutdown(void *userdata)
{
	struct program *program = userdata;

	(void)sd_event_exit(program->event, 0);
}

/* Behind the walls no code is loaded. An address is no name: nobody is asked, and the start waits
 * for no name server. */
static int load_libraries(void)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
	struct addrinfo *found = NULL;

	if (getaddrinfo("127.0.0.1", "80", &hints, &found) == 0)
		freeaddrinfo(found);
	return curl_global_init(CURL_GLOBAL_NOTHING) == CURLE_OK ? 0 : ERR_CRYPTO;
}

static int program_start(struct program *program, const struct child_options *options)
{
	static const struct child_ops child_ops = {on_peer, NULL, on_shutdown};
	/* The resolver's files, by folders that are there from the start: they are replaced while
	 * this runs, and who makes those below /run may start later. What there is not everybody's
	 * to read is not this user's, either. */
	static const struct sandbox_paths paths = {{NULL}, {"/etc", "/run"}, {NULL}};
	int r = load_libraries();

	if (r == 0)
		r = sd_event_default(&program->event);
	if (r >= 0)
		r = fetch_new(program->event, &program->fetch);
	if (r >= 0)
		r = child_new(program->event, options, &child_ops, program, &program->child);
	if (r < 0) {
		log_line(LOG_ERR, "cannot start: %s", err_text(r));
		return r;
	}
	return walls_enter(SANDBOX_FETCH, &paths, options->is_unsandboxed);
}

int main(int argc, char **argv)
{
	struct child_options options;
	struct program program = {0};
	int r = 1;

	if (child_options_parse(argc, argv, &options) < 0)
		return 2;
	log_open("fetch", options.is_verbose ? LOG_DEBUG : LOG_INFO);
	(void)signal(SIGPIPE, SIG_IGN);
	if (program_start(&program, &options) == 0) {
		child_ready(program.child, "waiting for a question");
		r = sd_event_loop(program.event) < 0 ? 1 : 0;
	}
	child_free(program.child);
	fetch_free(program.fetch);
	(void)sd_event_unref(program.event);
	return r;
}
