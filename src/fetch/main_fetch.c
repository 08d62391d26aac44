/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asafo-fetch: the only one that speaks to strangers of its own will, to OCSP responders. It has no
 * key, no capability, and no channel but the engine's.
 */
#include <curl/curl.h>
#include <netdb.h>
#include <syslog.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "fetch/fetch.h"
#include "program.h"

static void on_peer(enum ipc_peer peer, unsigned instance, int fd, void *userdata)
{
	const struct program *program = userdata;
	int r;

	(void)instance;
	if (peer != IPC_PEER_ENGINE) {
		(void)close(fd);
		return;
	}
	r = fetch_engine_attach(program->room, fd);
	if (r < 0)
		log_line(LOG_ERR, "channel to the engine: %s", err_text(r));
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

static int room_new(struct program *program)
{
	struct fetch *fetch = NULL;
	int r = load_libraries();

	if (r == 0)
		r = fetch_new(program->event, &fetch);
	program->room = fetch;
	return r;
}

static void room_free(struct program *program)
{
	fetch_free(program->room);
}

int main(int argc, char **argv)
{
	/* The resolver's files, by folders that are there from the start: they are replaced while
	 * this runs, and who makes those below /run may start later. What there is not everybody's
	 * to read is not this user's, either. */
	static const struct sandbox_paths paths = {{NULL}, {"/etc", "/run"}, {NULL}};
	static const struct program_ops ops = {
		.name = "fetch",
		.waiting = "waiting for a question",
		.profile = SANDBOX_FETCH,
		.paths = &paths,
		.room_new = room_new,
		.room_free = room_free,
		.child = {on_peer, NULL, program_on_shutdown},
	};

	return program_run(argc, argv, &ops);
}
