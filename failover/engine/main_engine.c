/* SPDX-License-Identifier: Apache-2.0 */
/* asafo-engine: decides which unit is active. Started by asafod(8), which hands it its sockets. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/heap.h"
#include "base/io.h"
#include "base/log.h"
#include "config/password.h"
#include "failover/engine/engine.h"
#include "failover/engine/hooks.h"
#include "failover/methods/methods.h"
#include "failover/vpn/hub.h"
#include "walls.h"

#define STARTUP_CONFIG_MAX (1024u * 1024)

static void on_peer(enum ipc_peer peer, unsigned instance, int fd, void *userdata)
{
	struct engine *engine = userdata;

	if (peer == IPC_PEER_KEEPER)
		engine_keeper_attach(engine, fd);
	else if (peer == IPC_PEER_FRONT)
		engine_front_attach(engine, instance, fd);
	else if (peer == IPC_PEER_RUNNER)
		hooks_attach(engine->hooks, fd);
	else if (peer == IPC_PEER_FETCH)
		engine_fetch_attach(engine, fd);
	else if (peer == IPC_PEER_AUTH)
		vpnhub_auth_attach(engine->vpnhub, fd);
	else
		(void)close(fd);
}

static void load_config(struct engine *engine, int fd)
{
	_cleanup_(buf_wipe) struct buf text = {0}, hashed = {0};
	struct config *config = NULL;
	struct config_error error = {0};
	struct why why = {0};
	int r = io_read_all(fd, STARTUP_CONFIG_MAX, &text);

	/* A password in clear is kept, shown and replicated as its hash. Nothing is served yet. */
	if (r == 0)
		r = config_hash_passwords((const char *)text.data, text.size, NULL, NULL, &hashed);
	if (r == 0)
		r = config_new(&config);
	if (r == 0)
		r = config_apply_text(config, engine->options.config, (const char *)hashed.data,
				      hashed.size, &error);
	if (r == 0)
		r = config_check(config, &why);
	if (r < 0) {
		char sentence[WHY_TEXT_MAX + sizeof(error.source) + 32];

		if (!error.why.text[0])
			(void)why_set(&error.why, r, "%s", why.text[0] ? why.text : err_text(r));
		if (!error.source[0])
			(void)snprintf(error.source, sizeof(error.source), "%s",
				       engine->options.config);
		config_error_format(&error, sentence, sizeof(sentence));
		/* Half a configuration would be worse than none: the operator mends the line and
		 * starts again. */
		log_line(LOG_CRIT, "%s", sentence);
		/* Where other lines would soon hide it: `systemctl status`. */
		child_notify(engine->rooms.child, sentence);
		config_free(config);
		(void)sd_event_exit(engine->event, EX_CONFIG);
		return;
	}
	engine->has_config = true;
	(void)config_render(config, CONFIG_PART_ALL, &engine->startup_text);
	engine_apply_config(engine, config);
	child_ready(engine->rooms.child, "engine");
}

static void on_credential(const char *name, int fd, void *userdata)
{
	struct engine *engine = userdata;

	if (strcmp(name, "control") == 0) {
		int r = methods_serve(engine, fd);

		if (r < 0)
			log_line(LOG_ERR, "control socket: %s", err_text(r));
		return;
	}
	if (strcmp(name, "startup-config") == 0)
		load_config(engine, fd);
	(void)close(fd);
}

static void on_shutdown(void *userdata)
{
	struct engine *engine = userdata;

	if (engine->is_started)
		engine_feed_type(engine, FO_EVENT_SHUTDOWN);
	else {
		engine_leave_addresses(engine);
		(void)sd_event_exit(engine->event, 0);
	}
}

/* Late by a page fault or behind a batch job is late for the mate. Both are best effort. */
static void become_prompt(void)
{
	struct sched_param parameter = {.sched_priority = 10};

	(void)mlockall(MCL_CURRENT | MCL_FUTURE);
	(void)sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &parameter);
}

/* Before the sandbox, behind which nothing is opened. A machine without TUN has no tunnels; that is
 * said when one is wanted. */
static void open_tuns(struct engine *engine)
{
	for (unsigned i = 0; i < ENGINE_FRONTS_MAX; i++) {
		int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

		if (fd < 0)
			return;
		vpnhub_add_tun(engine->vpnhub, fd);
	}
}

static int start_rooms(struct engine *engine)
{
	static const struct child_ops ops = {on_peer, on_credential, on_shutdown};
	int r = engine_addresses_start(engine);

	if (r == 0)
		r = engine_monitor_start(engine);
	if (r == 0)
		r = child_new(engine->event, &engine->options, &ops, engine, &engine->rooms.child);
	return r;
}

int main(int argc, char **argv)
{
	_cleanup_(sd_event_unrefp) sd_event *event = NULL;
	struct child_options options;
	struct engine *engine = NULL;
	int r = child_options_parse(argc, argv, &options);

	if (r < 0)
		return EXIT_FAILURE;
	log_open("engine", options.is_verbose ? LOG_DEBUG : LOG_INFO);
	heap_keep();
	become_prompt();
	methods_resolve_groups();
	r = sd_event_default(&event);
	if (r >= 0)
		r = engine_new(event, &options, &methods_upper, &engine);
	if (r >= 0) {
		open_tuns(engine);
		r = start_rooms(engine);
	}
	if (r >= 0)
		r = walls_enter(SANDBOX_ENGINE, &(struct sandbox_paths){0}, options.is_unsandboxed);
	if (r >= 0)
		engine_addresses_thread(engine);
	/* Ready is what has a configuration: a wrong one ends the service before systemd hears of
	 * it. */
	if (r >= 0)
		r = sd_event_loop(event);
	if (r < 0)
		log_line(LOG_CRIT, "engine: %s", err_text(r));
	engine_free(engine);
	return r < 0 ? EXIT_FAILURE : r;
}
