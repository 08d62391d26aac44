/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may log in: the password, then the second factor of who has one. Between the two requests
 * nothing is kept here.
 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "auth/auth_private.h"
#include "base/cleanup.h"
#include "base/err.h"

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

void auth_reply(struct ipc_channel *front, uint32_t id, const struct answer *answer)
{
	Asafo__Ipc__AuthCheckReply body = ASAFO__IPC__AUTH_CHECK_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;

	status.code = answer->code;
	status.why = (char *)(uintptr_t)(answer->why ? answer->why : "");
	body.status = &status;
	body.verdict = answer->verdict;
	body.policy = (char *)(uintptr_t)(answer->policy ? answer->policy : "");
	body.wait_ms = answer->wait_ms;
	body.state = (char *)(uintptr_t)answer->state;
	body.user = (char *)(uintptr_t)answer->round.user;
	body.group = (char *)(uintptr_t)answer->round.group;
	body.is_again = answer->is_again;
	body.is_late = answer->is_late;
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

static void failure_count(struct auth *auth, const struct job *job, const struct user *user,
			  const char *reason)
{
	struct monotime now = monotime_now();
	char client[INET6_ADDRSTRLEN];
	uint32_t wait_ms;

	client_text(job, client, sizeof(client));
	report(auth, LOG_INFO, 113015,
	       "AAA user authentication Rejected : reason = %s : local database : user = %s : user "
	       "IP = %s",
	       reason, name_of(job, user), client);
	if (lockout_failed(auth->lockout, job->user, job->client, job->client_size, now) < 0)
		auth_note(auth, LOG_WARNING, "no memory to count a wrong password from %s", client);
	wait_ms = lockout_wait(auth->lockout, job->user, job->client, job->client_size, now);
	if (wait_ms > 0)
		report(auth, LOG_INFO, 113006,
		       "User %s locked out on exceeding maximum successive failed authentication "
		       "attempts, the last one from %s, for %u seconds",
		       name_of(job, user), client, (wait_ms + 999) / 1000);
}

/* ---- the second factor --------------------------------------------------------------------------
 */

/* The password was right, and a code is wanted, for the first time or again. */
static void answer_more(struct auth *auth, struct answer *answer)
{
	int r = factor_seal(auth->factor, &answer->round, answer->state);

	answer->verdict = AUTH_VERDICT_MORE;
	if (r < 0) {
		answer->code = r;
		answer->why = "the second factor cannot be asked for: the pair's key is not here";
	}
}

static void answer_yes(struct auth *auth, const struct user *user, struct answer *answer)
{
	answer->verdict = AUTH_VERDICT_YES;
	answer->policy = user->policy;
	lockout_succeeded(auth->lockout, user->name);
	report(auth, LOG_INFO, 113012,
	       "AAA user authentication Successful : local database : user = %s", user->name);
}

/* The mate hears of it before the client has a session: what is told of that goes the same way. */
static int code_use_up(struct auth *auth, const struct user *user, uint64_t number)
{
	struct monotime now = monotime_now();
	struct step step = {.step = number, .at = now};
	int r;

	steps_key(user->name, step.user);
	r = steps_use(auth->steps, step.user, number, now);
	if (r == 0)
		auth->is_tell_due |= !auth->engine || guesses_send(auth->engine, auth->lockout,
								   auth->steps, &step, now) < 0;
	return r;
}

static void code_wrong(struct auth *auth, struct job *job, const struct user *user,
		       struct answer *answer)
{
	failure_count(auth, job, user, "Invalid one-time code");
	answer->is_again = true;
	/* Only the password begins anew. */
	if (++answer->round.tries >= FACTOR_TRIES)
		answer->verdict = AUTH_VERDICT_NO;
	else
		answer_more(auth, answer);
}

static void code_check(struct auth *auth, struct job *job, const struct user *user,
		       struct answer *answer)
{
	uint8_t key[STEPS_KEY_SIZE];
	uint64_t step = 0;
	int r;

	steps_key(user->name, key);
	r = factor_check(auth->factor, user, (const char *)job->password.data, time(NULL),
			 steps_last(auth->steps, key), &step);
	if (r == 0)
		r = code_use_up(auth, user, step);
	if (r == 0) {
		answer_yes(auth, user, answer);
	} else if (r == ERR_DENIED) {
		code_wrong(auth, job, user, answer);
	} else {
		auth_note(auth, LOG_ERR,
			  "user %s cannot log in: the secret of the second factor cannot be opened "
			  "(%s): "
			  "`asafo username %s totp` makes another one",
			  user->name, err_text(r), user->name);
		answer->code = r;
	}
}

/* A login goes on: all that is known of it came with the client. */
static void job_go_on(struct auth *auth, struct job *job, struct answer *answer)
{
	const struct user *user = NULL;
	uint8_t password[sizeof(answer->round.password)];
	int r = factor_open(auth->factor, job->state, time(NULL), &answer->round);

	if (r == ERR_NOT_READY) {
		answer->code = r;
		return;
	}
	if (r == 0)
		user = users_find(auth->users, answer->round.user);
	if (user)
		factor_password_sum(user, password);
	if (!user || !user->totp[0] ||
	    memcmp(password, answer->round.password, sizeof(password)) != 0) {
		answer->round = (struct factor_round){.at = 0};
		answer->is_late = true;
		return;
	}
	memcpy(job->user, user->name, sizeof(job->user));
	answer->wait_ms = lockout_wait(auth->lockout, job->user, job->client, job->client_size,
				       monotime_now());
	if (answer->wait_ms > 0)
		answer->verdict = AUTH_VERDICT_LOCKED;
	else
		code_check(auth, job, user, answer);
}

static void job_begin(struct auth *auth, struct job *job, struct answer *answer)
{
	const struct user *user = NULL;

	/* Several tries may have waited side by side. */
	answer->wait_ms = lockout_wait(auth->lockout, job->user, job->client, job->client_size,
				       monotime_now());
	if (answer->wait_ms > 0) {
		answer->verdict = AUTH_VERDICT_LOCKED;
		return;
	}
	if (!users_check(auth->users, job->user, (const char *)job->password.data, &user)) {
		failure_count(auth, job, user, "Invalid password");
		return;
	}
	memcpy(answer->round.user, user->name, sizeof(answer->round.user));
	memcpy(answer->round.group, job->group, sizeof(answer->round.group));
	if (user->totp[0]) {
		/* The account is not clean yet: who has its password would guess codes for ever. */
		factor_password_sum(user, answer->round.password);
		answer->round.at = time(NULL);
		answer_more(auth, answer);
	} else {
		answer_yes(auth, user, answer);
	}
}

void auth_job_do(struct auth *auth, struct job *job)
{
	struct answer answer = {.verdict = AUTH_VERDICT_NO};

	if (job->state[0])
		job_go_on(auth, job, &answer);
	else
		job_begin(auth, job, &answer);
	auth_reply(job->front, job->id, &answer);
}
