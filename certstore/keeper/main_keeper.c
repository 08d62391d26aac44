/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asafo-keeper(8). Order matters: the parser is forked before there is anything to know; the store
 * is looked at by a child while children are allowed; then the walls, then the store.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/heap.h"
#include "base/io.h"
#include "base/log.h"
#include "certstore/keeper/keeper.h"
#include "certstore/keeper/recovery.h"
#include "certstore/store/rescue.h"
#include "certstore/store/store.h"
#include "ipc/child.h"
#include "walls.h"

struct program {
	struct child_options options;
	sd_event *event;
	struct parser *parser;
	struct keeper *keeper;
	struct recovery *recovery;
	struct child *child;
	int failure;
	struct why failure_why;
};

static void on_peer(enum ipc_peer peer, unsigned instance, int fd, void *userdata)
{
	struct program *program = userdata;
	int r = keeper_add_peer(program->keeper, peer, instance, fd);

	if (r < 0)
		log_line(LOG_ERR, "the %s %u cannot be served: %s", ipc_peer_name(peer), instance,
			 err_text(r));
}

static void on_credential(const char *name, int fd, void *userdata)
{
	struct program *program = userdata;

	if (strcmp(name, "master-key") == 0)
		keeper_set_master_key(program->keeper, fd);
	else
		(void)close(fd);
}

static void on_alive(void *userdata)
{
	const struct program *program = userdata;

	child_beat(program->child);
}

static void on_shutdown(void *userdata)
{
	struct program *program = userdata;

	(void)sd_event_exit(program->event, 0);
}

static const struct child_ops child_ops = {on_peer, on_credential, on_shutdown};

/* What can be saved of it is a store again; the rest is fetched from the mate, or said to be gone.
 */
static void rescue_store(struct program *program, const char *path)
{
	struct why saved = {""};

	if (store_rescue(path, &saved) < 0) {
		log_line(LOG_CRIT, "the damaged certificate store cannot be mended: %s",
			 saved.text);
		return;
	}
	log_line(LOG_CRIT, "the certificate store in %s was damaged: %s", path, saved.text);
	program->failure = 0;
	program->failure_why = (struct why){""};
}

/* While this process may still fork. */
static void probe_store(struct program *program)
{
	char path[PATH_MAX];
	int r;

	r = mkdir(program->options.state_dir, 0700) < 0
		    ? -errno
		    : io_sync_parent(program->options.state_dir);
	if (r < 0 && r != -EEXIST) {
		program->failure =
			why_set(&program->failure_why, r, "cannot make the state folder %s: %s",
				program->options.state_dir, strerror(-r));
		return;
	}
	if (snprintf(path, sizeof(path), "%s/store", program->options.state_dir) <
	    (int)sizeof(path))
		program->failure = store_probe(path, &program->failure_why);
	if (program->failure == ERR_STORE)
		rescue_store(program, path);
}

static int enter_sandbox(const struct program *program)
{
	struct sandbox_paths paths = {.writable = {program->options.state_dir}};
	char config[PATH_MAX] = "";

	if (program->options.config &&
	    snprintf(config, sizeof(config), "%s", program->options.config) < (int)sizeof(config))
		paths.writable[1] = dirname(config);
	return walls_enter(SANDBOX_KEEPER, &paths, program->options.is_unsandboxed);
}

static int start_parser(struct program *program)
{
	struct why why = {0};
	int r = parser_spawn(!program->options.is_unsandboxed, &program->parser, &why);

	/* Everything but imports works without it. */
	if (r < 0)
		log_line(LOG_ERR, "no import is possible: %s",
			 why.text[0] ? why.text : err_text(r));
	return 0;
}

static int start(struct program *program)
{
	struct keeper_config config;
	int r = sd_event_default(&program->event);

	if (r >= 0 && program->parser)
		r = parser_attach(program->parser, program->event);
	if (r < 0)
		return r;
	config = (struct keeper_config){
		.state_dir = program->options.state_dir,
		.config_path = program->options.config,
		.parser = program->parser,
		.failure = program->failure,
		.failure_why = &program->failure_why,
		.on_alive = on_alive,
		.userdata = program,
	};
	r = keeper_new(program->event, &config, &program->keeper);
	if (r == 0)
		r = recovery_new(program->event, program->keeper, program->options.state_dir,
				 &program->recovery);
	return r < 0 ? r
		     : child_new(program->event, &program->options, &child_ops, program,
				 &program->child);
}

static int serve(struct program *program)
{
	const char *failure;
	int r = start(program);

	if (r < 0) {
		log_line(LOG_CRIT, "cannot start: %s", err_text(r));
		return r;
	}
	failure = keeper_failure(program->keeper);
	/* A broken store is said by every answer; dying of it would say nothing. */
	child_ready(program->child, failure ? failure : "serving");
	return sd_event_loop(program->event);
}

int main(int argc, char **argv)
{
	struct program program = {0};
	int r = child_options_parse(argc, argv, &program.options);

	if (r < 0)
		return 2;
	log_open("keeper", program.options.is_verbose ? LOG_DEBUG : LOG_INFO);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(077);
	heap_keep();
	r = start_parser(&program);
	if (r == 0) {
		probe_store(&program);
		r = enter_sandbox(&program);
	}
	if (r == 0)
		r = serve(&program);
	child_free(program.child);
	recovery_free(program.recovery);
	/* The parser first: what it still has under way is answered to the keeper. */
	parser_free(program.parser);
	keeper_free(program.keeper);
	sd_event_unref(program.event);
	return r < 0 ? 1 : 0;
}
