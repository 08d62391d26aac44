/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/* One script that runs: its end, its limit and its output, on the loop. */
#define JOB_TEXT_MAX 200
#define JOB_LINES_MAX 100

struct job;

struct job_result {
	int exit_code; /* where signal is 0 */
	int signal;
	bool is_timeout;
	uint32_t ms;
	char text[JOB_TEXT_MAX]; /* the last line that it said, printable */
};

/* JOB is the callee's to free. */
typedef void (*job_done_fn)(struct job *job, const struct job_result *result, void *userdata);
/* A whole line, printable; the last of many says how much was left out. */
typedef void (*job_line_fn)(const char *line, void *userdata);

struct job_ops {
	job_line_fn on_line;
	job_done_fn on_done;
	bool is_thorough; /* nothing that the script started outlives it */
};

/* Starts SCRIPT_FD (borrowed; see script_start). When TIMEOUT_MS have passed all that it
 * started is killed. Errors: -errno. */
int job_new(sd_event *event, int script_fd, const char *const *argv, const char *const *environment,
	    unsigned timeout_ms, const struct job_ops *ops, void *userdata, struct job **ret_job);
/* Kills what still runs. Takes NULL. */
void job_free(struct job *job);
