/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job ends when its first process does; what that left behind in its group, or all of it, is
 * killed then, and what is in the pipe is still read. At its limit all of it is killed, in whatever
 * group or session (guard.c). A process that holds the pipe beyond that is not waited for.
 */
#include "runner/job.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/monotime.h"
#include "runner/script.h"

#define GUARD_MS 2000u	 /* a guard that has not killed a script in this time is killed itself */
#define READS_AT_ONCE 16 /* who writes without end does not get the loop for itself */

struct job {
	const struct job_ops *ops;
	void *userdata;
	pid_t pid;
	int output_fd;
	sd_event_source *exit, *output, *limit;
	struct monotime since;
	struct job_result result;
	char line[JOB_TEXT_MAX];
	size_t size;
	unsigned n_lines;
};

static void line_end(struct job *job)
{
	job->line[job->size] = '\0';
	if (job->size > 0 && job->n_lines < JOB_LINES_MAX) {
		job->ops->on_line(job->line, job->userdata);
		if (++job->n_lines == JOB_LINES_MAX)
			job->ops->on_line("(it says more; the rest is left out)", job->userdata);
	}
	if (job->size > 0)
		memcpy(job->result.text, job->line, job->size + 1);
	job->size = 0;
}

static void take(struct job *job, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c == '\n' || job->size == sizeof(job->line) - 1)
			line_end(job);
		if (c == '\n')
			continue;
		/* C1 controls are in UTF-8 two bytes of which the second is below 0xa0; what is
		 * not ASCII is shown as it is nowhere. */
		job->line[job->size++] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
	}
}

/* False at the end of the output, and where there is nothing now. */
static bool read_some(struct job *job)
{
	char chunk[4096];
	ssize_t n = read(job->output_fd, chunk, sizeof(chunk));

	if (n > 0)
		take(job, chunk, (size_t)n);
	return n > 0;
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct job *job = userdata;

	(void)fd;
	if (!read_some(job) && (events & (EPOLLHUP | EPOLLERR)) != 0)
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

/* One that a script stopped goes on for it. */
static void guard_stop(const struct job *job)
{
	if (job->pid <= 0)
		return;
	(void)kill(job->pid, SIGTERM);
	(void)kill(job->pid, SIGCONT);
}

static int on_limit(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct job *job = userdata;

	(void)usec;
	if (job->result.is_timeout) {
		(void)kill(job->pid, SIGKILL);
		return 0;
	}
	job->result.is_timeout = true;
	guard_stop(job);
	(void)sd_event_source_set_time_relative(source, GUARD_MS * 1000u);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_exit_of(sd_event_source *source, const siginfo_t *info, void *userdata)
{
	struct job *job = userdata;
	struct job_result result;

	(void)source;
	job->pid = 0;
	for (unsigned i = 0; i < READS_AT_ONCE && read_some(job); i++) {
	}
	line_end(job);
	if (info->si_code == CLD_EXITED)
		job->result.exit_code = info->si_status;
	else
		job->result.signal = info->si_status;
	job->result.ms =
		(uint32_t)(monotime_since(monotime_now(), job->since) / MONOTIME_NS_PER_MS);
	result = job->result;
	job->ops->on_done(job, &result, job->userdata);
	return 0;
}

static int watch(sd_event *event, struct job *job, unsigned timeout_ms)
{
	int r = sd_event_add_child(event, &job->exit, job->pid, WEXITED, on_exit_of, job);

	if (r >= 0)
		r = sd_event_add_io(event, &job->output, job->output_fd, EPOLLIN, on_output, job);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &job->limit, CLOCK_MONOTONIC,
					       (uint64_t)timeout_ms * 1000, 1000, on_limit, job);
	return r < 0 ? r : 0;
}

int job_new(sd_event *event, int script_fd, const char *const *argv, const char *const *environment,
	    unsigned timeout_ms, const struct job_ops *ops, void *userdata, struct job **ret_job)
{
	struct job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return -ENOMEM;
	*job = (struct job){
		.ops = ops, .userdata = userdata, .output_fd = -1, .since = monotime_now()};
	r = script_start(script_fd, argv, environment, ops->is_thorough, &job->pid,
			 &job->output_fd);
	if (r == 0)
		r = watch(event, job, timeout_ms);
	if (r < 0) {
		job_free(job);
		return r;
	}
	*ret_job = job;
	return 0;
}

void job_free(struct job *job)
{
	if (!job)
		return;
	guard_stop(job);
	job->exit = sd_event_source_disable_unref(job->exit);
	job->output = sd_event_source_disable_unref(job->output);
	job->limit = sd_event_source_disable_unref(job->limit);
	if (job->pid > 0)
		(void)waitpid(job->pid, NULL, 0);
	cleanup_close(&job->output_fd);
	free(job);
}
