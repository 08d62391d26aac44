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
	Asafo__Ipc__LoginProof proof;

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
	body.why = (char *)(uintptr_t)answer->certificate_why.text;
	if (answer->proof.is_there) {
		loginproof_fill(&answer->proof, &proof);
		body.proof = &proof;
	}
	if (id != 0 && front)
		(void)ipc_channel_reply(front, IPC_AUTH_CHECK, id, false, &body.base);
}

static void client_text(const struct job *job, char *ret_text, size_t size)
{
	int family = job->client_size == 16 ? AF_INET6 : AF_INET;

	if (job->client_size == 0 || !inet_ntop(family, job->client, ret_text, (socklen_t)size))
		(void)snprintf(ret_text, size, "unknown");
}

/* A name that is nobody's is not logged: who is in a hurry types his password there. */
static const char *name_of(const struct job *job, bool is_named)
{
	return is_named ? job->user : "*****";
}

static const char *server_of(const struct job *job)
{
	return job->is_by_pam ? "server = PAM" : "local database";
}

/* It is no guess, so nothing keeps a client from bringing it about again at once. */
void auth_pam_report(struct auth *auth, const struct job *job, const char *why)
{
	char more[PACE_TEXT_MAX];

	if (!pace_take(&auth->unavailable, monotime_now(), more))
		return;
	report(auth, LOG_INFO, 113014,
	       "AAA authentication server not accessible : server = PAM : user = %s : %s%s",
	       name_of(job, users_find(auth->users, job->user) != NULL), why, more);
}

static void rejection_report(const struct auth *auth, const struct job *job, bool is_named,
			     const char *reason)
{
	char client[INET6_ADDRSTRLEN];

	client_text(job, client, sizeof(client));
	report(auth, LOG_INFO, job->is_by_pam ? 113005 : 113015,
	       "AAA user authentication Rejected : reason = %s : %s : user = %s : user IP = %s",
	       reason, server_of(job), name_of(job, is_named), client);
}

void auth_failure_count(struct auth *auth, const struct job *job, bool is_named, const char *reason)
{
	struct monotime now = monotime_now();
	char client[INET6_ADDRSTRLEN];
	uint32_t wait_ms;

	rejection_report(auth, job, is_named, reason);
	client_text(job, client, sizeof(client));
	if (lockout_failed(auth->lockout, job->user, job->client, job->client_size, now) < 0)
		auth_note(auth, LOG_WARNING, "no memory to count a wrong password from %s", client);
	wait_ms = lockout_wait(auth->lockout, job->user, job->client, job->client_size, now);
	if (wait_ms > 0)
		report(auth, LOG_INFO, 113006,
		       "User %s locked out on exceeding maximum successive failed authentication "
		       "attempts, the last one from %s, for %u seconds",
		       name_of(job, is_named), client, (wait_ms + 999) / 1000);
}

/* ---- the certificate ----------------------------------------------------------------------------
 */

/* One that is valid, but for what its CA said of it since. False: the answer says why. */
static bool revocation_check(const struct auth *auth, const struct job *job,
			     const struct clientcert *certificate, struct answer *answer)
{
	struct why warning = {0};
	char client[INET6_ADDRSTRLEN];
	int r = trust_check_revocation(auth->trust, auth->crls, job->certificates,
				       job->n_certificates, (int64_t)time(NULL), &warning,
				       &answer->certificate_why);

	client_text(job, client, sizeof(client));
	if (r == 0 && warning.text[0])
		report(auth, LOG_WARNING, 717028,
		       "Certificate chain was successfully validated with warning, revocation "
		       "status was not checked. subject name: %s, from %s: the certificate %s",
		       certificate->subject, client, warning.text);
	if (r == 0)
		return true;
	answer->verdict = AUTH_VERDICT_CERTIFICATE;
	/* Nobody is let in before it is known; who comes again may be. */
	if (r == -ENOMEM || r == ERR_CRYPTO || r == ERR_NOT_READY)
		answer->code = r;
	report(auth, LOG_ERR, 717027,
	       "Certificate chain failed validation. Reason: the certificate %s, subject name: %s, "
	       "from %s, group %s",
	       answer->certificate_why.text[0] ? answer->certificate_why.text : err_text(r),
	       certificate->subject, client, answer->round.group);
	return false;
}

static void certificate_refuse(const struct auth *auth, const struct job *job,
			       struct answer *answer)
{
	char client[INET6_ADDRSTRLEN];

	client_text(job, client, sizeof(client));
	answer->verdict = AUTH_VERDICT_CERTIFICATE;
	report(auth, LOG_ERR, 717009,
	       "Certificate validation failed. Reason: the certificate %s, from %s, group %s",
	       answer->certificate_why.text, client, answer->round.group);
}

/*
 * What the handshake proved only the front saw; who the certificate is of, and that a CA says so,
 * is looked at here. RET_USER: of CERTIFICATE. False: the answer says why.
 */
static bool certificate_take(const struct auth *auth, const struct job *job,
			     const struct trust_group *group, struct clientcert *ret_certificate,
			     const char **ret_user, struct answer *answer)
{
	int r = trust_verify(auth->trust, group, job->certificates, job->n_certificates,
			     ret_certificate, ret_user, &answer->certificate_why);

	if (r == -ENOMEM || r == ERR_CRYPTO) {
		answer->code = r;
		return false;
	}
	if (r < 0) {
		certificate_refuse(auth, job, answer);
		return false;
	}
	if (!revocation_check(auth, job, ret_certificate, answer))
		return false;
	report(auth, LOG_INFO, 717022,
	       "Certificate was successfully validated. subject name: %s, user: %s",
	       ret_certificate->subject, *ret_user);
	return true;
}

/* The user whom the group's rule finds, before any password is looked at: nobody guesses one
 * without a certificate. False: the answer says why. */
static bool certificate_begin(const struct auth *auth, struct job *job,
			      const struct trust_group *group, struct answer *answer)
{
	struct clientcert certificate;
	const char *name = NULL;

	memcpy(answer->round.group, job->group, sizeof(answer->round.group));
	if (!certificate_take(auth, job, group, &certificate, &name, answer))
		return false;
	if (group->is_without_password)
		(void)snprintf(job->user, sizeof(job->user), "%s", name);
	/* Whose password PAM is asked for, beside the certificate, need not be one of here. */
	if (strcmp(name, job->user) != 0 ||
	    (!users_find(auth->users, name) && (!group->is_by_pam || group->is_without_password))) {
		(void)why_set(&answer->certificate_why, ERR_DENIED,
			      strcmp(name, job->user) != 0 ? "is another user's"
							   : "is of nobody who is a user here");
		certificate_refuse(auth, job, answer);
		return false;
	}
	memcpy(answer->round.certificate, certificate.fingerprint,
	       sizeof(answer->round.certificate));
	answer->round.has_certificate = true;
	return true;
}

/* The one that the login began with is to be there for its second request, too. */
static bool certificate_go_on(const struct auth *auth, const struct job *job,
			      const struct trust_group *group, struct answer *answer)
{
	struct clientcert certificate;
	const char *name = NULL;

	if (!certificate_take(auth, job, group, &certificate, &name, answer))
		return false;
	if (answer->round.has_certificate && strcmp(name, answer->round.user) == 0 &&
	    memcmp(certificate.fingerprint, answer->round.certificate,
		   sizeof(answer->round.certificate)) == 0)
		return true;
	(void)why_set(&answer->certificate_why, ERR_DENIED,
		      "is not the one that the login began with");
	certificate_refuse(auth, job, answer);
	return false;
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

/* For the engine, which takes no front's word for it. A front that is older asks for none. */
static int proof_make(struct auth *auth, const struct job *job, const struct user *user,
		      struct answer *answer)
{
	struct loginproof_claim claim = {
		.user = user->name,
		.group = answer->round.group,
		.policy = user->policy,
		.hash = job->cookie_hash,
		.client = job->client,
		.client_size = job->client_size,
	};

	if (!job->has_cookie_hash)
		return 0;
	return loginproof_make(&auth->proof_key, &claim, ++auth->n_proofs, monotime_now(),
			       &answer->proof);
}

static void answer_yes(struct auth *auth, const struct job *job, const struct user *user,
		       struct answer *answer)
{
	answer->code = proof_make(auth, job, user, answer);
	if (answer->code < 0) {
		answer->why = "the engine has not told its key of proofs: it is not there";
		return;
	}
	answer->verdict = AUTH_VERDICT_YES;
	answer->policy = user->policy;
	report(auth, LOG_INFO, job->is_by_pam ? 113004 : 113012,
	       "AAA user authentication Successful : %s : user = %s", server_of(job), user->name);
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

static void code_wrong(struct auth *auth, struct job *job, struct answer *answer)
{
	auth_failure_count(auth, job, true, "Invalid one-time code");
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
		lockout_succeeded(auth->lockout, user->name, job->client, job->client_size,
				  monotime_now());
		answer_yes(auth, job, user, answer);
	} else if (r == ERR_DENIED) {
		code_wrong(auth, job, answer);
	} else {
		auth_note(auth, LOG_ERR,
			  "user %s cannot log in: the secret of the second factor cannot be opened "
			  "(%s): "
			  "`asafo username %s totp` makes another one",
			  user->name, err_text(r), user->name);
		answer->code = r;
	}
}

/* ---- the group ----------------------------------------------------------------------------------
 */

static const char *lock_of(const struct user *user, const struct trust_group *group)
{
	return user->has_lock ? user->lock : group->lock;
}

/*
 * USER may not use GROUP. The client hears what it hears of a wrong password, and where there was
 * one it counts as a wrong one: else the lock-out would tell that it was right.
 */
static void lock_refuse(struct auth *auth, const struct job *job, const struct user *user,
			const struct trust_group *group)
{
	char reason[2 * USERS_NAME_MAX + 64];

	(void)snprintf(reason, sizeof(reason),
		       "Group-lock check failed (came to %.63s, may only use %.63s)", group->name,
		       lock_of(user, group));
	if (group->is_without_password)
		rejection_report(auth, job, true, reason);
	else
		auth_failure_count(auth, job, true, reason);
}

static bool is_locked_to_another(const struct user *user, const struct trust_group *group)
{
	const char *lock = lock_of(user, group);

	return lock[0] && strcmp(lock, group->name) != 0;
}

bool auth_group_find(const struct auth *auth, const char *name, struct trust_group *ret_group,
		     struct answer *answer)
{
	int r = trust_group_find(auth->trust, name, ret_group);

	answer->code = r;
	if (r < 0)
		answer->why = "the group is no more, or not known yet";
	return r == 0;
}

bool auth_is_locked(const struct auth *auth, const struct job *job, struct answer *answer)
{
	answer->wait_ms = lockout_wait(auth->lockout, job->user, job->client, job->client_size,
				       monotime_now());
	if (answer->wait_ms > 0)
		answer->verdict = AUTH_VERDICT_LOCKED;
	return answer->wait_ms > 0;
}

/* What says who JOB's user is, at this group. */
static void way_sum(const struct job *job, const struct trust_group *group,
		    uint8_t ret_sum[static 8])
{
	const char *how = "local";

	if (group->is_without_password)
		how = "certificate";
	else if (group->is_by_pam)
		how = job->is_by_pam ? "pam" : "pam local";
	factor_way_sum(how, group->is_by_pam && !group->is_without_password ? group->service : "",
		       ret_sum);
}

/* Whether GROUP would still take the first half of a login as ROUND says that it was taken. Then
 * JOB is known for one of PAM's, or not. */
static bool is_way_open(struct job *job, const struct trust_group *group,
			const struct factor_round *round)
{
	uint8_t way[sizeof(round->way)];

	job->is_by_pam = group->is_by_pam && !group->is_without_password;
	way_sum(job, group, way);
	if (memcmp(way, round->way, sizeof(way)) == 0)
		return true;
	if (!job->is_by_pam || !group->is_local_too)
		return false;
	job->is_by_pam = false;
	way_sum(job, group, way);
	return memcmp(way, round->way, sizeof(way)) == 0;
}

static void answer_late(struct answer *answer)
{
	answer->round = (struct factor_round){.at = 0};
	answer->is_late = true;
}

/* A login goes on: all that is known of it came with the client. */
static void job_go_on(struct auth *auth, struct job *job, struct answer *answer)
{
	const struct user *user = NULL;
	struct trust_group group;
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
		answer_late(answer);
		return;
	}
	memcpy(job->user, user->name, sizeof(job->user));
	if (!auth_group_find(auth, answer->round.group, &group, answer))
		return;
	if (!is_way_open(job, &group, &answer->round)) {
		answer_late(answer);
		return;
	}
	if (group.is_by_certificate && !certificate_go_on(auth, job, &group, answer))
		return;
	if (auth_is_locked(auth, job, answer))
		return;
	if (is_locked_to_another(user, &group))
		lock_refuse(auth, job, user, &group);
	else
		code_check(auth, job, user, answer);
}

/* What is asked for first was right. */
static void first_done(struct auth *auth, const struct job *job, const struct user *user,
		       const struct trust_group *group, struct answer *answer)
{
	memcpy(answer->round.user, user->name, sizeof(answer->round.user));
	memcpy(answer->round.group, job->group, sizeof(answer->round.group));
	if (user->totp[0]) {
		/* The account is not clean yet: who has its password would guess codes for ever. */
		factor_password_sum(user, answer->round.password);
		way_sum(job, group, answer->round.way);
		answer->round.at = time(NULL);
		answer_more(auth, answer);
	} else {
		answer_yes(auth, job, user, answer);
	}
}

void auth_password_right(struct auth *auth, struct job *job, const struct user *user,
			 const struct trust_group *group, struct answer *answer)
{
	if (is_locked_to_another(user, group)) {
		lock_refuse(auth, job, user, group);
		return;
	}
	if (!user->totp[0])
		lockout_succeeded(auth->lockout, user->name, job->client, job->client_size,
				  monotime_now());
	first_done(auth, job, user, group, answer);
}

void auth_local_check(struct auth *auth, struct job *job, const struct trust_group *group,
		      struct answer *answer)
{
	const struct user *user = NULL;

	if (users_check(auth->users, job->user, (const char *)job->password.data, &user))
		auth_password_right(auth, job, user, group, answer);
	else
		auth_failure_count(auth, job, user != NULL, "Invalid password");
}

/* A certificate is no guess: nobody is locked out of it by who guesses passwords, and it does not
 * forgive those guesses. */
static void job_begin(struct auth *auth, struct job *job, struct answer *answer)
{
	const struct user *user = NULL;
	struct trust_group group;

	if (!auth_group_find(auth, job->group, &group, answer) ||
	    (group.is_by_certificate && !certificate_begin(auth, job, &group, answer)))
		return;
	if (group.is_without_password) {
		user = users_find(auth->users, job->user);
		if (user && is_locked_to_another(user, &group))
			lock_refuse(auth, job, user, &group);
		else if (user)
			first_done(auth, job, user, &group, answer);
		return;
	}
	/* Several tries may have waited side by side. */
	if (auth_is_locked(auth, job, answer))
		return;
	if (group.is_by_pam)
		auth_pam_ask(auth, job, &group, answer);
	else
		auth_local_check(auth, job, &group, answer);
}

bool auth_job_do(struct auth *auth, struct job *job)
{
	struct answer answer = {.verdict = AUTH_VERDICT_NO};

	if (job->is_local_now)
		auth_pam_local(auth, job, &answer);
	else if (job->state[0])
		job_go_on(auth, job, &answer);
	else
		job_begin(auth, job, &answer);
	if (!job->is_asked)
		auth_reply(job->front, job->id, &answer);
	return !job->is_asked;
}
