/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include <signal.h>
#include <syslog.h>

#include "base/err.h"
#include "base/log.h"

void program_on_note(int priority, const char *text, void *userdata)
{
	(void)userdata;
	log_line(priority, "%s", text);
}

void program_on_shutdown(void *userdata)
{
	struct program *program = userdata;

	(void)sd_event_exit(program->event, 0);
}

static int start(struct program *program, const struct program_ops *ops)
{
	int r = sd_event_default(&program->event);

	if (r >= 0)
		r = ops->room_new(program);
	if (r >= 0)
		r = child_new(program->event, &program->options, &ops->child, program,
			      &program->child);
	if (r < 0) {
		log_line(LOG_ERR, "cannot start: %s", err_text(r));
		return r;
	}
	return walls_enter(ops->profile, ops->paths, program->options.is_unsandboxed);
}

int program_run(int argc, char **argv, const struct program_ops *ops)
{
	struct program program = {.event = NULL};
	int r = 1;

	if (child_options_parse(argc, argv, &program.options) < 0)
		return 2;
	log_open(ops->name, program.options.is_verbose ? LOG_DEBUG : LOG_INFO);
	(void)signal(SIGPIPE, SIG_IGN);
	if (start(&program, ops) >= 0) {
		child_ready(program.child, ops->waiting);
		r = sd_event_loop(program.event) < 0 ? 1 : 0;
	}
	ops->room_free(&program);
	child_free(program.child);
	(void)sd_event_unref(program.event);
	return r;
}
