/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request is a run of one track script, or of all hooks in turn. It is answered with a result a
 * script; the hooks' last answer has no name. A request keeps the epoch of the channel that it came
 * through: an engine that was started again is not given answers to questions of its predecessor.
 */
#include "runner/runner.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/why.h"
#include "ipc/channel.h"
#include "runner/job.h"
#include "runner/script.h"
#include "src/ipc/ipc.pb-c.h"

#define ARGUMENTS_MAX 32

struct request {
	struct request *next;
	struct runner *runner;
	Asafo__Ipc__RunnerExec *exec;
	uint32_t id;
	unsigned epoch;
	bool is_hooks;
	bool is_overtaken; /* by a newer change of role */
	struct script_list names;
	size_t at; /* the script that runs */
	struct job *job;
};

struct runner {
	sd_event *event;
	struct runner_folders folders;
	const struct runner_ops *ops;
	void *userdata;
	struct ipc_channel *engine;
	unsigned epoch;
	struct request *running; /* any order */
	struct request *waiting; /* oldest first; at most one is for hooks */
	size_t n_running, n_waiting;
	bool is_stopping;
};

static void start_waiting(struct runner *runner);

static void note(const struct runner *runner, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void note(const struct runner *runner, int priority, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	runner->ops->on_note(priority, text, runner->userdata);
}

static const char *kind_of(const struct request *request)
{
	return request->is_hooks ? "hook" : "track script";
}

static const char *name_of(const struct request *request)
{
	return request->is_hooks ? request->names.names[request->at] : request->exec->name;
}

/* ---- answers ---- */

static void answer(const struct request *request, const char *name, const struct job_result *result,
		   int code, const char *why, bool has_more)
{
	Asafo__Ipc__RunnerResult body = ASAFO__IPC__RUNNER_RESULT__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	struct runner *runner = request->runner;

	if (request->id == 0 || !runner->engine || request->epoch != runner->epoch)
		return;
	status.code = code;
	status.why = (char *)(uintptr_t)why;
	body.status = &status;
	body.name = (char *)(uintptr_t)name;
	if (result) {
		body.exit_code = result->exit_code;
		body.signal = (uint32_t)result->signal;
		body.is_timeout = result->is_timeout;
		body.ms = result->ms;
		body.output = (char *)(uintptr_t)result->text;
	}
	(void)ipc_channel_reply(runner->engine, IPC_RUNNER_EXEC, request->id, has_more, &body.base);
}

static void request_free(struct request *request)
{
	job_free(request->job);
	asafo__ipc__runner_exec__free_unpacked(request->exec, NULL);
	free(request);
}

static void request_unlink(struct request **list, const struct request *request)
{
	for (struct request **at = list; *at; at = &(*at)->next) {
		if (*at == request) {
			*at = request->next;
			return;
		}
	}
}

static void check_idle(struct runner *runner)
{
	if (runner->is_stopping && !runner->running && !runner->waiting)
		runner->ops->on_idle(runner->userdata);
}

/* It runs no more; the last answer was given. */
static void request_end(struct request *request)
{
	struct runner *runner = request->runner;

	request_unlink(&runner->running, request);
	runner->n_running--;
	request_free(request);
	start_waiting(runner);
	check_idle(runner);
}

/* ---- running ---- */

static void on_line(const char *line, void *userdata)
{
	const struct request *request = userdata;

	/* A track script speaks each time that it is asked. */
	note(request->runner, request->is_hooks ? LOG_INFO : LOG_DEBUG, "%s %s: %s",
	     kind_of(request), name_of(request), line);
}

static void note_result(const struct request *request, const struct job_result *result)
{
	const struct runner *runner = request->runner;
	int priority = request->is_hooks ? LOG_WARNING : LOG_DEBUG;

	if (result->is_timeout)
		note(runner, request->is_hooks ? LOG_ERR : LOG_WARNING,
		     "%s %s did not end within %u ms: it was killed", kind_of(request),
		     name_of(request), request->exec->timeout_ms);
	else if (result->signal != 0)
		note(runner, priority, "%s %s was killed by signal %d (%s) after %u ms",
		     kind_of(request), name_of(request), result->signal, strsignal(result->signal),
		     result->ms);
	else if (result->exit_code != 0)
		note(runner, priority, "%s %s ended with exit code %d after %u ms",
		     kind_of(request), name_of(request), result->exit_code, result->ms);
	else
		note(runner, LOG_DEBUG, "%s %s ended well after %u ms", kind_of(request),
		     name_of(request), result->ms);
}

static void hooks_continue(struct request *request);

static void on_done(struct job *job, const struct job_result *result, void *userdata)
{
	struct request *request = userdata;

	note_result(request, result);
	answer(request, name_of(request), result, 0, NULL, request->is_hooks);
	request->job = NULL;
	job_free(job);
	if (!request->is_hooks) {
		request_end(request);
		return;
	}
	request->at++;
	hooks_continue(request);
}

static int environment_check(const Asafo__Ipc__RunnerExec *exec)
{
	if (exec->n_argv > ARGUMENTS_MAX || exec->n_env > ARGUMENTS_MAX)
		return ERR_TOO_LARGE;
	for (size_t i = 0; i < exec->n_env; i++) {
		if (strncmp(exec->env[i], "ASAFO_", 6) != 0 || !strchr(exec->env[i], '='))
			return ERR_DENIED;
	}
	return exec->timeout_ms == 0 || exec->timeout_ms > RUNNER_TIMEOUT_MAX_MS ? ERR_DENIED : 0;
}

/* Starts the script NAME of the request's folder. Errors with a sentence. */
static int script_run(struct request *request, const char *name, struct why *ret_why)
{
	/* A hook may start a daemon; a track script runs all the time, and would start thousands.
	 */
	static const struct job_ops hook_ops = {on_line, on_done, false};
	static const struct job_ops track_ops = {on_line, on_done, true};
	const struct runner *runner = request->runner;
	const Asafo__Ipc__RunnerExec *exec = request->exec;
	const char *argv[ARGUMENTS_MAX + 2] = {name}, *environment[ARGUMENTS_MAX + 4] = {NULL};
	_cleanup_close_ int folder = -1, script = -1;
	char script_variable[SCRIPT_NAME_MAX + 16];
	size_t n = 0;
	int r = script_folder_open(request->is_hooks ? runner->folders.hooks
						     : runner->folders.track,
				   &folder, ret_why);

	if (r == 0)
		r = script_open(folder, name, &script, ret_why);
	if (r < 0)
		return r;
	for (size_t i = 0; i < exec->n_argv; i++)
		argv[i + 1] = exec->argv[i];
	environment[n++] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	environment[n++] = "LANG=C.UTF-8";
	/* A #! script finds a descriptor's name in $0. */
	(void)snprintf(script_variable, sizeof(script_variable), "ASAFO_SCRIPT=%s", name);
	environment[n++] = script_variable;
	for (size_t i = 0; i < exec->n_env; i++)
		environment[n++] = exec->env[i];
	r = job_new(runner->event, script, argv, environment, exec->timeout_ms,
		    request->is_hooks ? &hook_ops : &track_ops, request, &request->job);
	return r < 0 ? why_set(ret_why, r, "cannot start \"%s\": %s", name, err_text(r)) : 0;
}

/* The next hook that can be started; the end when there is none. */
static void hooks_continue(struct request *request)
{
	while (request->at < request->names.n && !request->is_overtaken) {
		const char *name = name_of(request);
		struct why why = {""};
		int r = script_run(request, name, &why);

		if (r == 0)
			return;
		note(request->runner, LOG_ERR, "hook not run: %s", why.text);
		answer(request, name, NULL, r, why.text, true);
		request->at++;
	}
	if (request->is_overtaken && request->at < request->names.n)
		note(request->runner, LOG_NOTICE,
		     "%zu hook%s of a change of role not run: there is a newer one",
		     request->names.n - request->at,
		     request->names.n - request->at == 1 ? "" : "s");
	answer(request, "", NULL, request->is_overtaken ? ERR_BUSY : 0, NULL, false);
	request_end(request);
}

/* Not among the answers: who takes the x bit away may mean it. */
static void note_skipped(const struct request *request)
{
	const struct script_list *names = &request->names;

	note(request->runner, LOG_WARNING,
	     "\"%s/%s\" is not executable: it is not run; chmod +x it, or remove it (%zu such "
	     "file%s there)",
	     request->runner->folders.hooks, names->skipped, names->n_skipped,
	     names->n_skipped == 1 ? "" : "s");
}

static int hooks_list(struct request *request, struct why *ret_why)
{
	_cleanup_close_ int folder = -1;
	int r = script_folder_open(request->runner->folders.hooks, &folder, ret_why);

	if (r == ERR_NOT_FOUND)
		return 0; /* no folder: no hooks */
	if (r == 0)
		r = script_folder_list(folder, &request->names);
	if (r == 0 && request->names.is_cut)
		note(request->runner, LOG_ERR,
		     "\"%s\" holds more than %d executables: some are left out",
		     request->runner->folders.hooks, SCRIPT_LIST_MAX);
	if (r == 0 && request->names.n_skipped > 0)
		note_skipped(request);
	return r;
}

static void request_start(struct request *request)
{
	struct runner *runner = request->runner;
	struct why why = {""};
	int r = environment_check(request->exec);

	request->next = runner->running;
	runner->running = request;
	runner->n_running++;
	if (r == 0)
		r = request->is_hooks ? hooks_list(request, &why)
				      : script_run(request, request->exec->name, &why);
	if (r < 0) {
		note(runner, request->is_hooks ? LOG_ERR : LOG_DEBUG, "%s not run: %s",
		     kind_of(request), why.text[0] ? why.text : err_text(r));
		answer(request, request->exec->name, NULL, r, why.text[0] ? why.text : err_text(r),
		       false);
		request_end(request);
	} else if (request->is_hooks) {
		hooks_continue(request);
	}
}

static bool hooks_run(const struct runner *runner)
{
	for (const struct request *request = runner->running; request; request = request->next) {
		if (request->is_hooks)
			return true;
	}
	return false;
}

static void start_waiting(struct runner *runner)
{
	struct request **at = &runner->waiting;

	while (*at && runner->n_running < RUNNER_JOBS_MAX) {
		struct request *request = *at;

		if (request->is_hooks && hooks_run(runner)) {
			at = &request->next;
			continue;
		}
		*at = request->next;
		runner->n_waiting--;
		request_start(request);
		/* It may have ended, and the list be another. */
		at = &runner->waiting;
	}
}

/* ---- the engine ---- */

/* The hooks of an older change: what has begun ends, what has not does not begin. */
static void overtake(struct runner *runner)
{
	for (struct request *request = runner->running; request; request = request->next)
		request->is_overtaken |= request->is_hooks;
	for (struct request **at = &runner->waiting; *at;) {
		struct request *request = *at;

		if (!request->is_hooks) {
			at = &request->next;
			continue;
		}
		*at = request->next;
		runner->n_waiting--;
		note(runner, LOG_NOTICE,
		     "the hooks of a change of role not run: there is a newer one");
		answer(request, "", NULL, ERR_BUSY, NULL, false);
		request_free(request);
	}
}

static struct request *request_new(struct runner *runner, uint32_t id, const ProtobufCMessage *body)
{
	struct request *request = calloc(1, sizeof(*request));
	size_t size = protobuf_c_message_get_packed_size(body);
	_cleanup_free_ uint8_t *packed = malloc(size ? size : 1);

	if (request && packed) {
		(void)protobuf_c_message_pack(body, packed);
		request->exec = asafo__ipc__runner_exec__unpack(NULL, size, packed);
	}
	if (!request || !request->exec) {
		free(request);
		return NULL;
	}
	request->runner = runner;
	request->id = id;
	request->epoch = runner->epoch;
	request->is_hooks = strcmp(request->exec->kind, "hook") == 0;
	return request;
}

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	struct runner *runner = userdata;
	struct request *request, **end = &runner->waiting;

	(void)channel;
	if (runner->is_stopping)
		return;
	request = request_new(runner, frame->id, body);
	if (!request)
		return;
	if (request->is_hooks) {
		overtake(runner);
	} else if (runner->n_waiting >= RUNNER_QUEUE_MAX ||
		   strcmp(request->exec->kind, "track") != 0) {
		answer(request, request->exec->name, NULL, ERR_BUSY,
		       "too many scripts wait to be run", false);
		request_free(request);
		return;
	}
	while (*end)
		end = &(*end)->next;
	*end = request;
	runner->n_waiting++;
	start_waiting(runner);
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct runner *runner = userdata;

	(void)code;
	if (runner->engine == channel)
		runner->engine = NULL;
	ipc_channel_free(channel);
}

int runner_engine_attach(struct runner *runner, int fd)
{
	static const bool permitted[IPC_TYPE__MAX] = {[IPC_RUNNER_EXEC] = true};
	static const struct ipc_channel_ops ops = {permitted, on_request, on_closed};

	ipc_channel_free(TAKE_PTR(runner->engine));
	runner->epoch++;
	return ipc_channel_new(runner->event, fd, &ops, runner, &runner->engine);
}

/* ---- life ---- */

int runner_new(sd_event *event, const struct runner_folders *folders, const struct runner_ops *ops,
	       void *userdata, struct runner **ret_runner)
{
	struct runner *runner = calloc(1, sizeof(*runner));

	if (!runner)
		return -ENOMEM;
	*runner = (struct runner){
		.event = event, .folders = *folders, .ops = ops, .userdata = userdata};
	*ret_runner = runner;
	return 0;
}

void runner_stop(struct runner *runner)
{
	struct request **at = &runner->waiting;

	runner->is_stopping = true;
	while (*at) {
		struct request *request = *at;

		if (request->is_hooks) {
			at = &request->next;
			continue;
		}
		*at = request->next;
		runner->n_waiting--;
		request_free(request);
	}
	check_idle(runner);
}

static void requests_free(struct request **list)
{
	while (*list) {
		struct request *request = *list;

		*list = request->next;
		request_free(request);
	}
}

void runner_free(struct runner *runner)
{
	if (!runner)
		return;
	requests_free(&runner->waiting);
	requests_free(&runner->running);
	ipc_channel_free(runner->engine);
	free(runner);
}
