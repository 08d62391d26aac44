/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A password costs tens of milliseconds of the processor and some mebibytes on purpose, and that is
 * all this process does; so it does it in its loop, in a source that runs after everything else.
 */
#include "auth/auth.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "auth/guesses.h"
#include "auth/lockout.h"
#include "auth/users.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/secret.h"
#include "ipc/channel.h"
#include "ipc/vpn.h"

#define FRONTS_MAX 64
#define TELL_MS 1000	    /* who has guessed, where that changed */
#define TELL_AGAIN_TICKS 10 /* and in any case, for an engine or a mate that is new */
#define PASSWORD_MAX 512    /* crypt(3)'s */

struct job {
	struct job *next;
	struct ipc_channel *front;
	uint32_t id;
	char user[USERS_NAME_MAX];
	struct secret password; /* with its NUL */
	uint8_t client[16];
	size_t client_size;
};

struct auth {
	sd_event *event;
	const struct auth_ops *ops;
	void *userdata;
	struct ipc_channel *engine;
	struct ipc_channel *fronts[FRONTS_MAX];
	struct users *users;
	struct lockout *lockout;
	struct job *first, **end;
	unsigned n_jobs;
	sd_event_source *work, *tell;
	uint64_t told_revision;
	unsigned told_ago; /* ticks */
	size_t n_locked;   /* as the active unit said */
	bool is_staging_broken;
};

static void note(const struct auth *auth, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void note(const struct auth *auth, int priority, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	auth->ops->on_note(priority, text, auth->userdata);
}

static void report(const struct auth *auth, int severity, unsigned number, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void report(const struct auth *auth, int severity, unsigned number, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	auth->ops->on_event(severity, number, text, auth->userdata);
}

/* ---- the queue ----------------------------------------------------------------------------------
 */

static void job_free(struct job *job)
{
	secret_done(&job->password);
	free(job);
}

static void job_append(struct auth *auth, struct job *job)
{
	*auth->end = job;
	auth->end = &job->next;
	auth->n_jobs++;
	(void)sd_event_source_set_enabled(auth->work, SD_EVENT_ON);
}

static struct job *job_take(struct auth *auth)
{
	struct job *job = auth->first;

	if (!job)
		return NULL;
	auth->first = job->next;
	if (!auth->first)
		auth->end = &auth->first;
	auth->n_jobs--;
	return job;
}

/* Nobody hears the answers any more. */
static void jobs_drop(struct auth *auth, const struct ipc_channel *front)
{
	struct job **at = &auth->first;

	while (*at) {
		struct job *job = *at;

		if (front && job->front != front) {
			at = &job->next;
			continue;
		}
		*at = job->next;
		auth->n_jobs--;
		job_free(job);
	}
	auth->end = at;
}

/* A source is what lockout.h takes for one: of IPv6 a whole /64, all of which is one client's. */
static unsigned jobs_of_source(const struct auth *auth, const uint8_t *client, size_t size)
{
	size_t length = size == 16 ? 8 : size;
	unsigned n = 0;

	for (const struct job *job = auth->first; job; job = job->next)
		n += job->client_size == size &&
				     (length == 0 || memcmp(job->client, client, length) == 0)
			     ? 1
			     : 0;
	return n;
}

/* ---- answers ------------------------------------------------------------------------------------
 */

struct answer {
	int code;
	const char *why;
	enum auth_verdict verdict;
	const char *policy;
	uint32_t wait_ms;
};

static void reply(struct ipc_channel *front, uint32_t id, const struct answer *answer)
{
	Asafo__Ipc__AuthCheckReply body = ASAFO__IPC__AUTH_CHECK_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;

	status.code = answer->code;
	status.why = (char *)(uintptr_t)(answer->why ? answer->why : "");
	body.status = &status;
	body.verdict = answer->verdict;
	body.policy = (char *)(uintptr_t)(answer->policy ? answer->policy : "");
	body.wait_ms = answer->wait_ms;
	if (id != 0)
		(void)ipc_channel_reply(front, IPC_AUTH_CHECK, id, false, &body.base);
}

static void client_text(const struct job *job, char *ret_text, size_t size)
{
	int family = job->client_size == 16 ? AF_INET6 : AF_INET;

	if (job->client_size == 0 || !inet_ntop(family, job->client, ret_text, (socklen_t)size))
		(void)snprintf(ret_text, size, "unknown");
}

/* A name that is nobody's is not logged: who is in a hurry types his password there. */
static const char *name_of(const struct job *job, const struct user *user)
{
	return user ? job->user : "*****";
}

static void failure_count(struct auth *auth, const struct job *job, const struct user *user)
{
	struct monotime now = monotime_now();
	char client[INET6_ADDRSTRLEN];
	uint32_t wait_ms;

	client_text(job, client, sizeof(client));
	report(auth, LOG_INFO, 113015,
	       "AAA user authentication Rejected : reason = Invalid password : local database : "
	       "user = %s : user IP = %s",
	       name_of(job, user), client);
	if (lockout_failed(auth->lockout, job->user, job->client, job->client_size, now) < 0)
		note(auth, LOG_WARNING, "no memory to count a wrong password from %s", client);
	wait_ms = lockout_wait(auth->lockout, job->user, job->client, job->client_size, now);
	if (wait_ms > 0)
		report(auth, LOG_INFO, 113006,
		       "User %s locked out on exceeding maximum successive failed authentication "
		       "attempts, the last one from %s, for %u seconds",
		       name_of(job, user), client, (wait_ms + 999) / 1000);
}

static void job_do(struct auth *auth, const struct job *job)
{
	const struct user *user = NULL;
	struct answer answer = {.verdict = AUTH_VERDICT_NO};

	/* Several tries may have waited side by side. */
	answer.wait_ms = lockout_wait(auth->lockout, job->user, job->client, job->client_size,
				      monotime_now());
	if (answer.wait_ms > 0) {
		answer.verdict = AUTH_VERDICT_LOCKED;
	} else if (users_check(auth->users, job->user, (const char *)job->password.data, &user)) {
		answer.verdict = AUTH_VERDICT_YES;
		answer.policy = user->policy;
		lockout_succeeded(auth->lockout, job->user);
		report(auth, LOG_INFO, 113012,
		       "AAA user authentication Successful : local database : user = %s",
		       job->user);
	} else {
		failure_count(auth, job, user);
	}
	reply(job->front, job->id, &answer);
}

static int on_work(sd_event_source *source, void *userdata)
{
	struct auth *auth = userdata;
	struct job *job = job_take(auth);

	if (job) {
		job_do(auth, job);
		job_free(job);
	}
	return sd_event_source_set_enabled(source, auth->first ? SD_EVENT_ON : SD_EVENT_OFF);
}

/* The standby's helper is told and does not tell: its engine keeps it to itself. */
static int on_tell(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct auth *auth = userdata;
	uint64_t revision = lockout_revision(auth->lockout);

	auth->told_ago++;
	if (auth->engine && revision > 0 &&
	    (revision != auth->told_revision || auth->told_ago >= TELL_AGAIN_TICKS)) {
		/* What does not go out now goes out with the next one. */
		if (guesses_send(auth->engine, auth->lockout, monotime_now()) == 0)
			auth->told_revision = revision;
		auth->told_ago = 0;
	}
	(void)sd_event_source_set_time(source, usec + TELL_MS * 1000u);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- questions ----------------------------------------------------------------------------------
 */

static int job_new(const Asafo__Ipc__AuthCheck *check, struct job **ret_job)
{
	struct job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return -ENOMEM;
	r = secret_init(&job->password, check->password.len + 1);
	if (r < 0) {
		free(job);
		return r;
	}
	if (check->password.len > 0)
		memcpy(job->password.data, check->password.data, check->password.len);
	memcpy(job->user, check->user, strlen(check->user) + 1);
	job->client_size = check->client.len;
	if (check->client.len > 0)
		memcpy(job->client, check->client.data, check->client.len);
	*ret_job = job;
	return 0;
}

static bool is_well_formed(const Asafo__Ipc__AuthCheck *check)
{
	return strlen(check->user) < USERS_NAME_MAX && check->password.len <= PASSWORD_MAX &&
	       (check->client.len == 0 || check->client.len == 4 || check->client.len == 16) &&
	       (check->password.len == 0 ||
		!memchr(check->password.data, '\0', check->password.len));
}

/* 0: the question waits for its turn. Otherwise the answer is there at once. */
static int check_admit(struct auth *auth, const Asafo__Ipc__AuthCheck *check,
		       struct ipc_channel *front, uint32_t id, struct answer *ret_answer)
{
	struct job *job;
	int r;

	/* No user has such a name, and no hash is of such a password. */
	if (!is_well_formed(check))
		return ERR_MALFORMED;
	if (strcmp(check->method, "LOCAL") != 0) {
		ret_answer->why = "only the local users can be asked on this unit";
		return ERR_UNSUPPORTED;
	}
	ret_answer->wait_ms = lockout_wait(auth->lockout, check->user, check->client.data,
					   check->client.len, monotime_now());
	if (ret_answer->wait_ms > 0)
		return ERR_DENIED;
	if (auth->n_jobs >= AUTH_QUEUE_MAX ||
	    jobs_of_source(auth, check->client.data, check->client.len) >= AUTH_QUEUE_SOURCE_MAX) {
		ret_answer->why = "too many logins at a time";
		return ERR_BUSY;
	}
	r = job_new(check, &job);
	if (r < 0)
		return r;
	job->front = front;
	job->id = id;
	job_append(auth, job);
	return 0;
}

static void on_check(struct auth *auth, const Asafo__Ipc__AuthCheck *check,
		     struct ipc_channel *front, uint32_t id)
{
	struct answer answer = {.verdict = AUTH_VERDICT_NO};
	int r = check_admit(auth, check, front, id, &answer);

	if (r == 0)
		return;
	if (r == ERR_DENIED)
		answer.verdict = AUTH_VERDICT_LOCKED;
	else if (r != ERR_MALFORMED)
		answer.code = r;
	if (answer.code < 0 && !answer.why)
		answer.why = err_text(r);
	reply(front, id, &answer);
}

static void on_users(struct auth *auth, const Asafo__Ipc__AuthUsers *message)
{
	if (message->is_reset) {
		users_stage_reset(auth->users);
		auth->is_staging_broken = false;
	}
	for (size_t i = 0; i < message->n_users && !auth->is_staging_broken; i++) {
		const Asafo__Ipc__AuthUser *user = message->users[i];
		int r = users_stage_add(auth->users, user->name, user->hash, user->policy);

		if (r == -ENOMEM)
			auth->is_staging_broken = true;
		if (r < 0)
			note(auth, LOG_ERR, "user %.63s cannot log in: %s", user->name,
			     err_text(r));
	}
	if (!message->is_last)
		return;
	if (auth->is_staging_broken) {
		note(auth, LOG_ERR, "no memory for the users: the ones before hold");
		users_stage_reset(auth->users);
		return;
	}
	users_stage_commit(auth->users);
	note(auth, LOG_DEBUG, "%zu users", users_count(auth->users));
}

static void on_guesses(struct auth *auth, const Asafo__Ipc__AuthGuesses *guesses)
{
	size_t n_locked = 0;

	if (guesses_take(auth->lockout, guesses, monotime_now()) < 0)
		note(auth, LOG_WARNING, "no memory for all who guessed at the other unit");
	for (size_t i = 0; i < guesses->n_guesses; i++)
		n_locked += guesses->guesses[i]->locked_ms > 0;
	if (n_locked != auth->n_locked)
		note(auth, LOG_INFO, "users and addresses that the active unit has locked out: %zu",
		     n_locked);
	auth->n_locked = n_locked;
}

/* ---- channels -----------------------------------------------------------------------------------
 */

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	if (frame->type == IPC_AUTH_USERS)
		on_users(userdata, (const Asafo__Ipc__AuthUsers *)body);
	else if (frame->type == IPC_AUTH_GUESSES)
		on_guesses(userdata, (const Asafo__Ipc__AuthGuesses *)body);
	else if (frame->type == IPC_AUTH_CHECK)
		on_check(userdata, (const Asafo__Ipc__AuthCheck *)body, channel, frame->id);
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct auth *auth = userdata;

	(void)code;
	if (auth->engine == channel)
		auth->engine = NULL;
	for (unsigned i = 0; i < FRONTS_MAX; i++) {
		if (auth->fronts[i] == channel)
			auth->fronts[i] = NULL;
	}
	jobs_drop(auth, channel);
	ipc_channel_free(channel);
}

int auth_peer_set(struct auth *auth, enum ipc_peer peer, unsigned instance, int fd)
{
	static const bool of_engine[IPC_TYPE__MAX] = {
		[IPC_AUTH_USERS] = true, [IPC_AUTH_GUESSES] = true};
	static const bool of_front[IPC_TYPE__MAX] = {[IPC_AUTH_CHECK] = true};
	static const struct ipc_channel_ops engine_ops = {of_engine, on_request, on_closed};
	static const struct ipc_channel_ops front_ops = {of_front, on_request, on_closed};
	struct ipc_channel **place;

	if (peer != IPC_PEER_ENGINE && (peer != IPC_PEER_FRONT || instance >= FRONTS_MAX)) {
		(void)close(fd);
		return ERR_DENIED;
	}
	place = peer == IPC_PEER_ENGINE ? &auth->engine : &auth->fronts[instance];
	if (*place) {
		jobs_drop(auth, *place);
		ipc_channel_free(TAKE_PTR(*place));
	}
	return ipc_channel_new(auth->event, fd, peer == IPC_PEER_ENGINE ? &engine_ops : &front_ops,
			       auth, place);
}

int auth_new(sd_event *event, const struct auth_ops *ops, void *userdata, struct auth **ret_auth)
{
	struct auth *auth = calloc(1, sizeof(*auth));
	int r;

	if (!auth)
		return -ENOMEM;
	auth->event = event;
	auth->ops = ops;
	auth->userdata = userdata;
	auth->end = &auth->first;
	r = users_new(&auth->users);
	if (r == 0)
		r = lockout_new(&auth->lockout);
	if (r == 0)
		r = sd_event_add_defer(event, &auth->work, on_work, auth);
	if (r >= 0)
		r = sd_event_source_set_priority(auth->work, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_enabled(auth->work, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &auth->tell, CLOCK_MONOTONIC, TELL_MS * 1000u,
					       TELL_MS * 900u, on_tell, auth);
	if (r < 0) {
		auth_free(auth);
		return r;
	}
	*ret_auth = auth;
	return 0;
}

void auth_free(struct auth *auth)
{
	if (!auth)
		return;
	auth->work = sd_event_source_disable_unref(auth->work);
	auth->tell = sd_event_source_disable_unref(auth->tell);
	jobs_drop(auth, NULL);
	ipc_channel_free(auth->engine);
	for (unsigned i = 0; i < FRONTS_MAX; i++)
		ipc_channel_free(auth->fronts[i]);
	users_free(auth->users);
	lockout_free(auth->lockout);
	free(auth);
}
