/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A unit's role is coarser than its state: a hook wants to know who serves, not how far a
 * replication has come. What happened while there was no runner is told to the next one, the latest
 * change only.
 */
#include "failover/engine/hooks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

#define VARIABLE_MAX 160
#define FAILED_MAX 8   /* hooks that are named; there are seldom more */
#define FOLDER "hooks" /* stands for all of them */

enum variable {
	VARIABLE_ROLE,
	VARIABLE_PREVIOUS_ROLE,
	VARIABLE_STATE,
	VARIABLE_REASON,
	VARIABLE_UNIT,
	VARIABLE_TERM,
	VARIABLE_MATE_STATE,
	VARIABLE__MAX,
};

/* A hook that failed when it last ran. */
struct failed {
	char name[64]; /* empty: nobody */
	char what[132];
	bool has_run; /* since the change before this one was done with */
};

struct hooks {
	struct engine *engine;
	struct ipc_channel *runner;
	struct hooks_counts counts;
	struct failed failed[FAILED_MAX];
	const char *role, *previous;
	char variables[VARIABLE__MAX][VARIABLE_MAX]; /* of the latest change */
	bool is_owed;				     /* no runner was there to be told */
};

const char *hooks_role(enum fo_state state, bool is_active)
{
	if (state == FO_STATE_ACTIVE || (state == FO_STATE_DISABLED && is_active))
		return "active";
	if (fo_state_is_active(state))
		return NULL;
	if (state == FO_STATE_FAILED)
		return "failed";
	return state >= FO_STATE_COLD_STANDBY && state <= FO_STATE_STANDBY_READY ? "standby"
										 : "none";
}

/* NULL: it did not fail; for "" one that is free, or NULL. */
static struct failed *find_failed(struct hooks *hooks, const char *name)
{
	char shortened[sizeof(hooks->failed[0].name)];

	(void)snprintf(shortened, sizeof(shortened), "%s", name);
	for (size_t i = 0; i < FAILED_MAX; i++) {
		if (strcmp(hooks->failed[i].name, shortened) == 0)
			return &hooks->failed[i];
	}
	return NULL;
}

static void note_failed(struct hooks *hooks, const char *name, const char *what)
{
	bool is_folder = strcmp(name, FOLDER) == 0;
	struct failed *failed;

	/* It is what is wrong with each of them. */
	if (is_folder)
		memset(hooks->failed, 0, sizeof(hooks->failed));
	failed = find_failed(hooks, name);
	if (!failed)
		failed = find_failed(hooks, "");
	if (!failed)
		return;
	(void)snprintf(failed->name, sizeof(failed->name), "%s", name);
	(void)snprintf(failed->what, sizeof(failed->what), "%s", what);
	failed->has_run = !is_folder;
}

static void note_success(struct hooks *hooks, const char *name)
{
	struct failed *failed = find_failed(hooks, name);

	if (failed)
		*failed = (struct failed){0};
}

/* Everything ran that is there: what failed before and did not run now is there no more. Results
 * come in the order in which hooks run, one after the other. */
static void note_done(struct hooks *hooks)
{
	for (size_t i = 0; i < FAILED_MAX; i++) {
		if (!hooks->failed[i].has_run)
			hooks->failed[i] = (struct failed){0};
		hooks->failed[i].has_run = false;
	}
}

static void count_failure(struct hooks *hooks, const char *name, const char *what)
{
	struct timespec ts;

	note_failed(hooks, name, what);
	hooks->counts.failures++;
	(void)snprintf(hooks->counts.failure, sizeof(hooks->counts.failure), "%.64s: %.130s", name,
		       what);
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	hooks->counts.failure_at_ns =
		(uint64_t)ts.tv_sec * MONOTIME_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void count_result(struct hooks *hooks, const Asafo__Ipc__RunnerResult *result)
{
	const Asafo__Ipc__Status *status = result->status;
	char what[160];

	if (status && status->code < 0 && !result->name[0]) {
		/* The whole change: the folder is not to be trusted, or a newer one came. */
		if (status->code == ERR_BUSY)
			hooks->counts.overtaken++;
		else
			count_failure(hooks, FOLDER, status->why);
		return;
	}
	if (!result->name[0]) {
		note_done(hooks);
		return;
	}
	if (status && status->code < 0)
		(void)snprintf(what, sizeof(what), "%.150s", status->why);
	else if (result->is_timeout)
		(void)snprintf(what, sizeof(what), "killed after %u s", HOOKS_TIMEOUT_MS / 1000);
	else if (result->signal != 0)
		(void)snprintf(what, sizeof(what), "killed by signal %u", result->signal);
	else if (result->exit_code != 0)
		(void)snprintf(what, sizeof(what), "exit code %d%s%.110s", result->exit_code,
			       result->output[0] ? ": " : "", result->output);
	else {
		hooks->counts.runs++;
		note_success(hooks, result->name);
		return;
	}
	count_failure(hooks, result->name, what);
}

static void on_hook_result(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct hooks *hooks = userdata;

	(void)has_more;
	if (hooks->engine->is_exiting)
		return;
	if (code < 0)
		count_failure(hooks, FOLDER, "asafo-runner went away while they ran");
	else
		count_result(hooks, (const Asafo__Ipc__RunnerResult *)body);
}

static int run(struct hooks *hooks, Asafo__Ipc__RunnerExec *message, ipc_reply_fn on_reply,
	       void *userdata)
{
	char *environment[VARIABLE__MAX];

	for (size_t i = 0; i < VARIABLE__MAX; i++)
		environment[i] = hooks->variables[i];
	message->env = environment;
	message->n_env = VARIABLE__MAX;
	return ipc_channel_call(hooks->runner, IPC_RUNNER_EXEC, &message->base, NULL, 0, on_reply,
				userdata);
}

static void run_hooks(struct hooks *hooks)
{
	Asafo__Ipc__RunnerExec message = ASAFO__IPC__RUNNER_EXEC__INIT;
	char kind[] = "hook";
	char *argv[] = {(char *)(uintptr_t)hooks->role, (char *)(uintptr_t)hooks->previous};

	message.kind = kind;
	message.argv = argv;
	message.n_argv = ARRAY_SIZE(argv);
	message.timeout_ms = HOOKS_TIMEOUT_MS;
	hooks->is_owed = !hooks->runner || run(hooks, &message, on_hook_result, hooks) < 0;
}

static void set_variable(struct hooks *hooks, enum variable variable, const char *name,
			 const char *value)
{
	(void)snprintf(hooks->variables[variable], VARIABLE_MAX, "ASAFO_%s=%s", name, value);
}

static void set_variables(struct hooks *hooks, const struct engine_transition *transition)
{
	const struct engine *engine = hooks->engine;
	const struct fo_action *action = &transition->action;
	char term[24];

	(void)snprintf(term, sizeof(term), "%" PRIu64, action->term);
	set_variable(hooks, VARIABLE_ROLE, "ROLE", hooks->role);
	set_variable(hooks, VARIABLE_PREVIOUS_ROLE, "PREVIOUS_ROLE", hooks->previous);
	set_variable(hooks, VARIABLE_STATE, "STATE", fo_state_text(action->to));
	set_variable(hooks, VARIABLE_REASON, "REASON", fo_reason_text(action->reason));
	set_variable(hooks, VARIABLE_UNIT, "UNIT",
		     engine->config->failover.unit == FO_UNIT_PRIMARY ? "primary" : "secondary");
	set_variable(hooks, VARIABLE_TERM, "TERM", term);
	set_variable(hooks, VARIABLE_MATE_STATE, "MATE_STATE", fo_state_text(transition->mate));
}

void hooks_on_transition(struct hooks *hooks, const struct engine_transition *transition)
{
	const char *role;

	if (!hooks)
		return;
	role = hooks_role(transition->action.to, transition->is_active);
	if (!role || strcmp(role, hooks->role) == 0)
		return;
	hooks->previous = hooks->role;
	hooks->role = role;
	hooks->counts.changes++;
	set_variables(hooks, transition);
	run_hooks(hooks);
}

int hooks_run_track(struct hooks *hooks, const char *name, const char *const *argv, size_t n_argv,
		    unsigned timeout_ms, ipc_reply_fn on_reply, void *userdata)
{
	Asafo__Ipc__RunnerExec message = ASAFO__IPC__RUNNER_EXEC__INIT;
	char kind[] = "track";

	if (!hooks->runner)
		return ERR_CLOSED;
	message.kind = kind;
	message.name = (char *)(uintptr_t)name;
	message.argv = (char **)(uintptr_t)argv;
	message.n_argv = n_argv;
	message.timeout_ms = timeout_ms;
	return run(hooks, &message, on_reply, userdata);
}

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	(void)channel;
	(void)frame;
	(void)body;
	(void)userdata;
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct hooks *hooks = userdata;

	(void)code;
	if (hooks->runner == channel)
		hooks->runner = NULL;
	ipc_channel_free(channel);
}

void hooks_attach(struct hooks *hooks, int fd)
{
	static const bool permitted[IPC_TYPE__MAX] = {false};
	static const struct ipc_channel_ops ops = {permitted, on_request, on_closed};
	int r;

	ipc_channel_free(TAKE_PTR(hooks->runner));
	r = ipc_channel_new(hooks->engine->event, fd, &ops, hooks, &hooks->runner);
	if (r < 0)
		log_line(LOG_ERR, "channel to the runner: %s", err_text(r));
	else if (hooks->is_owed)
		run_hooks(hooks);
}

void hooks_clear_counts(struct hooks *hooks)
{
	hooks->counts = (struct hooks_counts){0};
	memset(hooks->failed, 0, sizeof(hooks->failed));
}

bool hooks_trouble(const struct hooks *hooks, size_t index, struct why *ret_why)
{
	for (size_t i = 0; hooks && i < FAILED_MAX; i++) {
		const struct failed *failed = &hooks->failed[i];

		if (!failed->name[0] || index-- > 0)
			continue;
		(void)why_set(ret_why, 0,
			      "%s%s failed at the latest change of role: %s; mend it before the "
			      "next one (asafo clear failover statistics forgets this)",
			      strcmp(failed->name, FOLDER) == 0 ? "" : "hook ", failed->name,
			      failed->what);
		return true;
	}
	return false;
}

const struct hooks_counts *hooks_counts(const struct hooks *hooks)
{
	return &hooks->counts;
}

int hooks_new(struct engine *engine, struct hooks **ret_hooks)
{
	const struct engine_transition begin = {
		.action = {.to = FO_STATE_DISABLED, .reason = FO_REASON_NONE},
		.mate = FO_STATE_NOT_DETECTED};
	struct hooks *hooks = calloc(1, sizeof(*hooks));

	if (!hooks)
		return -ENOMEM;
	hooks->engine = engine;
	hooks->role = hooks->previous = "none";
	set_variables(hooks, &begin);
	*ret_hooks = hooks;
	return 0;
}

void hooks_free(struct hooks *hooks)
{
	if (!hooks)
		return;
	ipc_channel_free(hooks->runner);
	free(hooks);
}
