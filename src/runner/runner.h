/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

/*
 * Runs the administrator's scripts for the engine. Hooks of one change of role run one after the
 * other; a newer change makes those of an older one that have not begun unnecessary. Track scripts
 * run beside each other, RUNNER_JOBS_MAX things at once; RUNNER_QUEUE_MAX more wait.
 */
#define RUNNER_JOBS_MAX 8
#define RUNNER_QUEUE_MAX 64
#define RUNNER_TIMEOUT_MAX_MS 300000

struct runner;

struct runner_folders {
	const char *hooks, *track;
};

/* What is to be logged; PRIORITY as in syslog(3). */
typedef void (*runner_note_fn)(int priority, const char *text, void *userdata);
/* Nothing runs and nothing waits any more, after runner_stop. */
typedef void (*runner_idle_fn)(void *userdata);

struct runner_ops {
	runner_note_fn on_note;
	runner_idle_fn on_idle;
};

/* FOLDERS' strings and OPS are borrowed. SIGCHLD must be blocked. Errors: -ENOMEM. */
int runner_new(sd_event *event, const struct runner_folders *folders, const struct runner_ops *ops,
	       void *userdata, struct runner **ret_runner);
/* Kills what runs. Takes NULL. */
void runner_free(struct runner *runner);
/* The engine's channel, taken over; it replaces an older one, whose scripts go on unanswered. */
int runner_engine_attach(struct runner *runner, int fd);
/* Takes nothing more; hooks that were asked for still run. on_idle is called when they ended,
 * perhaps at once. */
void runner_stop(struct runner *runner);
