/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A password costs tens of milliseconds of the processor and some mebibytes on purpose, and that is
 * all this process does; so it does it in its loop, in a source that runs after everything else.
 */
#include "auth/auth.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "auth/auth_private.h"
#include "base/cleanup.h"
#include "base/err.h"

#define TELL_MS 1000	    /* who has guessed, where that changed */
#define TELL_AGAIN_TICKS 10 /* and in any case, for an engine or a mate that is new */
#define PASSWORD_MAX 512    /* crypt(3)'s */

void auth_note(const struct auth *auth, int priority, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	auth->ops->on_note(priority, text, auth->userdata);
}

/* ---- the queue ----------------------------------------------------------------------------------
 */

void auth_job_free(struct job *job)
{
	secret_done(&job->password);
	while (job->n_certificates > 0)
		free(job->certificates[--job->n_certificates].data);
	free(job);
}

void auth_job_append(struct auth *auth, struct job *job)
{
	job->next = NULL;
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
		auth_job_free(job);
	}
	auth->end = at;
	auth_pam_front_gone(auth, front);
}

/* A source is what lockout.h takes for one: of IPv6 a whole /64, all of which is one client's. */
static unsigned count_source(const struct job *job, const uint8_t *client, size_t size)
{
	size_t length = size == 16 ? 8 : size;
	unsigned n = 0;

	for (; job; job = job->next)
		n += job->client_size == size &&
				     (length == 0 || memcmp(job->client, client, length) == 0)
			     ? 1
			     : 0;
	return n;
}

static unsigned jobs_of_source(const struct auth *auth, const uint8_t *client, size_t size)
{
	return count_source(auth->first, client, size) + count_source(auth->asked, client, size);
}

static int on_work(sd_event_source *source, void *userdata)
{
	struct auth *auth = userdata;
	struct job *job = job_take(auth);

	if (job && auth_job_do(auth, job))
		auth_job_free(job);
	return sd_event_source_set_enabled(source, auth->first ? SD_EVENT_ON : SD_EVENT_OFF);
}

/* Of what the standby's helper tells its engine passes on which codes were used, and no more. */
static int on_tell(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct auth *auth = userdata;
	uint64_t revision = lockout_revision(auth->lockout);
	struct monotime now = monotime_now();
	size_t at = 0;

	auth->told_ago++;
	if (auth->engine && (revision > 0 || steps_next(auth->steps, &at, now)) &&
	    (revision != auth->told_revision || auth->is_tell_due ||
	     auth->told_ago >= TELL_AGAIN_TICKS)) {
		/* What does not go out now goes out with the next one. */
		auth->is_tell_due =
			guesses_send(auth->engine, auth->lockout, auth->steps, NULL, now) < 0;
		if (!auth->is_tell_due)
			auth->told_revision = revision;
		auth->told_ago = 0;
	}
	(void)sd_event_source_set_time(source, usec + TELL_MS * 1000u);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- questions ----------------------------------------------------------------------------------
 */

static int certificates_take(const Asafo__Ipc__AuthCheck *check, struct job *job)
{
	for (size_t i = 0; i < check->n_certificates; i++) {
		const ProtobufCBinaryData *from = &check->certificates[i];
		ProtobufCBinaryData *to = &job->certificates[i];

		to->data = malloc(from->len + 1);
		if (!to->data)
			return -ENOMEM;
		if (from->len > 0)
			memcpy(to->data, from->data, from->len);
		to->len = from->len;
		job->n_certificates++;
	}
	return 0;
}

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
	memcpy(job->group, check->group, strlen(check->group) + 1);
	memcpy(job->state, check->state, strlen(check->state) + 1);
	job->has_cookie_hash = check->cookie_hash.len == VPN_HASH_SIZE;
	if (job->has_cookie_hash)
		memcpy(job->cookie_hash, check->cookie_hash.data, VPN_HASH_SIZE);
	job->client_size = check->client.len;
	if (check->client.len > 0)
		memcpy(job->client, check->client.data, check->client.len);
	r = certificates_take(check, job);
	if (r < 0)
		auth_job_free(job);
	else
		*ret_job = job;
	return r;
}

static bool is_well_formed(const Asafo__Ipc__AuthCheck *check)
{
	bool is_going_on = check->state[0] != '\0';

	if (check->n_certificates > CLIENTCERT_CHAIN_MAX)
		return false;
	for (size_t i = 0; i < check->n_certificates; i++) {
		if (check->certificates[i].len > CLIENTCERT_SIZE_MAX)
			return false;
	}
	/* Whose login goes on is in its state, and nowhere else. */
	return (!is_going_on || (!check->user[0] && !check->group[0])) &&
	       strlen(check->user) < USERS_NAME_MAX && strlen(check->group) < FACTOR_GROUP_MAX &&
	       strlen(check->state) < FACTOR_STATE_MAX && check->password.len <= PASSWORD_MAX &&
	       (check->client.len == 0 || check->client.len == 4 || check->client.len == 16) &&
	       (check->cookie_hash.len == 0 || check->cookie_hash.len == VPN_HASH_SIZE) &&
	       (check->password.len == 0 ||
		!memchr(check->password.data, '\0', check->password.len));
}

/* By its certificate alone: no password is guessed with it, and it says no name. */
static bool is_by_certificate_alone(const struct auth *auth, const Asafo__Ipc__AuthCheck *check)
{
	struct trust_group group;

	return !check->state[0] && trust_group_find(auth->trust, check->group, &group) == 0 &&
	       group.is_without_password;
}

/* 0: the question waits for its turn. Otherwise the answer is there at once. */
static int check_admit(struct auth *auth, const Asafo__Ipc__AuthCheck *check,
		       struct ipc_channel *front, uint32_t id, struct answer *ret_answer)
{
	bool is_card = is_by_certificate_alone(auth, check);
	struct job *job;
	int r;

	/* No user has such a name, or none, and no hash is of such a password. */
	if (!is_well_formed(check) || (!check->user[0] && !check->state[0] && !is_card))
		return ERR_MALFORMED;
	if (strcmp(check->method, "LOCAL") != 0) {
		ret_answer->why = "only the local users can be asked on this unit";
		return ERR_UNSUPPORTED;
	}
	if (!is_card)
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
	job->auth = auth;
	job->front = front;
	job->id = id;
	auth_job_append(auth, job);
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
	auth_reply(front, id, &answer);
}

/* Texts that are too long for one are no user. */
static int user_take(struct auth *auth, const Asafo__Ipc__AuthUser *from)
{
	struct user user = {.name = ""};

	if (strlen(from->name) >= sizeof(user.name) || strlen(from->hash) >= sizeof(user.hash) ||
	    strlen(from->policy) >= sizeof(user.policy) ||
	    strlen(from->totp) >= sizeof(user.totp) ||
	    strlen(from->group_lock) >= sizeof(user.lock))
		return ERR_TOO_LARGE;
	memcpy(user.name, from->name, strlen(from->name));
	memcpy(user.hash, from->hash, strlen(from->hash));
	memcpy(user.policy, from->policy, strlen(from->policy));
	memcpy(user.totp, from->totp, strlen(from->totp));
	memcpy(user.lock, from->group_lock, strlen(from->group_lock));
	user.has_lock = from->has_group_lock;
	return users_stage_add(auth->users, &user);
}

static void on_users(struct auth *auth, const Asafo__Ipc__AuthUsers *message)
{
	if (message->is_reset) {
		users_stage_reset(auth->users);
		auth->is_staging_broken = false;
	}
	for (size_t i = 0; i < message->n_users && !auth->is_staging_broken; i++) {
		int r = user_take(auth, message->users[i]);

		/* PAM would let him in without what is bound to his name. */
		auth->is_staging_broken = r < 0;
		if (r < 0)
			auth_note(auth, LOG_ERR, "user %.63s cannot log in: %s",
				  message->users[i]->name, err_text(r));
	}
	if (!message->is_last)
		return;
	if (auth->is_staging_broken) {
		auth_note(auth, LOG_ERR, "not all users were taken: the ones before hold");
		users_stage_reset(auth->users);
		return;
	}
	users_stage_commit(auth->users);
	auth->has_users = true;
	auth_note(auth, LOG_DEBUG, "%zu users", users_count(auth->users));
}

static void on_trust(struct auth *auth, const Asafo__Ipc__VpnTrust *message)
{
	size_t n_ignored = 0;
	int r = trust_take(auth->trust, message, &n_ignored);

	if (r < 0)
		auth_note(auth, LOG_ERR, "what groups want was not taken, that of before holds: %s",
			  err_text(r));
	if (n_ignored > 0)
		auth_note(auth, LOG_WARNING, "%zu of the CAs of clients are not usable", n_ignored);
}

static void on_crls(struct auth *auth, const Asafo__Ipc__CrlTell *message)
{
	int r = crls_take(auth->crls, message);

	if (r < 0)
		auth_note(auth, LOG_ERR,
			  "which certificates are revoked was not taken, what was known before "
			  "holds: %s",
			  err_text(r));
	else if (message->is_last)
		auth_note(auth, LOG_DEBUG, "%zu CRLs", crls_count(auth->crls));
}

static void on_guesses(struct auth *auth, const Asafo__Ipc__AuthGuesses *guesses)
{
	size_t n_locked = 0;

	if (guesses->is_wanted) {
		auth->is_tell_due = true;
		return;
	}
	if (guesses_take(auth->lockout, auth->steps, guesses, monotime_now()) < 0)
		auth_note(auth, LOG_WARNING, "no memory for all who guessed at the other unit");
	if (guesses->is_steps_only)
		return;
	for (size_t i = 0; i < guesses->n_guesses; i++)
		n_locked += guesses->guesses[i]->locked_ms > 0;
	if (n_locked != auth->n_locked)
		auth_note(auth, LOG_INFO,
			  "users and addresses that the active unit has locked out: %zu", n_locked);
	auth->n_locked = n_locked;
}

static void on_key(struct auth *auth, const Asafo__Ipc__LoginKey *message)
{
	int r = factor_key_set(auth->factor, message->key.data, message->key.len);

	if (r < 0)
		auth_note(auth, LOG_ERR, "the key of logins was not taken: %s", err_text(r));
}

/* Numbers begin anew with it: the engine counts them by key. */
static void on_proof_key(struct auth *auth, const Asafo__Ipc__LoginProofKey *message)
{
	int r = message->key.len == LOGINPROOF_KEY_SIZE ? 0 : ERR_MALFORMED;

	secret_done(&auth->proof_key);
	auth->n_proofs = 0;
	if (r == 0)
		r = secret_init_copy(&auth->proof_key, message->key.data, message->key.len);
	if (r < 0)
		auth_note(auth, LOG_ERR, "the key of proofs was not taken, nobody can log in: %s",
			  err_text(r));
}

/* ---- channels -----------------------------------------------------------------------------------
 */

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	if (frame->type == IPC_AUTH_USERS)
		on_users(userdata, (const Asafo__Ipc__AuthUsers *)body);
	else if (frame->type == IPC_VPN_TRUST)
		on_trust(userdata, (const Asafo__Ipc__VpnTrust *)body);
	else if (frame->type == IPC_AUTH_GUESSES)
		on_guesses(userdata, (const Asafo__Ipc__AuthGuesses *)body);
	else if (frame->type == IPC_CRL_TELL)
		on_crls(userdata, (const Asafo__Ipc__CrlTell *)body);
	else if (frame->type == IPC_LOGIN_KEY)
		on_key(userdata, (const Asafo__Ipc__LoginKey *)body);
	else if (frame->type == IPC_LOGIN_PROOF_KEY)
		on_proof_key(userdata, (const Asafo__Ipc__LoginProofKey *)body);
	else if (frame->type == IPC_AUTH_CHECK)
		on_check(userdata, (const Asafo__Ipc__AuthCheck *)body, channel, frame->id);
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct auth *auth = userdata;

	(void)code;
	if (auth->engine == channel) {
		auth->engine = NULL;
		secret_done(&auth->proof_key);
	}
	if (auth->keeper == channel)
		auth->keeper = NULL;
	if (auth->pam == channel)
		auth->pam = NULL;
	for (unsigned i = 0; i < AUTH_FRONTS_MAX; i++) {
		if (auth->fronts[i] == channel)
			auth->fronts[i] = NULL;
	}
	jobs_drop(auth, channel);
	ipc_channel_free(channel);
}

static struct ipc_channel **place_of(struct auth *auth, enum ipc_peer peer, unsigned instance)
{
	if (peer == IPC_PEER_ENGINE)
		return &auth->engine;
	if (peer == IPC_PEER_KEEPER)
		return &auth->keeper;
	if (peer == IPC_PEER_PAM)
		return &auth->pam;
	return peer == IPC_PEER_FRONT && instance < AUTH_FRONTS_MAX ? &auth->fronts[instance]
								    : NULL;
}

int auth_peer_set(struct auth *auth, enum ipc_peer peer, unsigned instance, int fd)
{
	static const bool of_engine[IPC_TYPE__MAX] = {[IPC_AUTH_USERS] = true,
						      [IPC_AUTH_GUESSES] = true,
						      [IPC_VPN_TRUST] = true,
						      [IPC_LOGIN_PROOF_KEY] = true};
	static const bool of_front[IPC_TYPE__MAX] = {[IPC_AUTH_CHECK] = true};
	static const bool of_keeper[IPC_TYPE__MAX] = {
		[IPC_LOGIN_KEY] = true, [IPC_CRL_TELL] = true};
	static const bool of_pam[IPC_TYPE__MAX] = {false};
	static const struct ipc_channel_ops ops[IPC_PEER__MAX] = {
		[IPC_PEER_ENGINE] = {of_engine, on_request, on_closed},
		[IPC_PEER_FRONT] = {of_front, on_request, on_closed},
		[IPC_PEER_KEEPER] = {of_keeper, on_request, on_closed},
		[IPC_PEER_PAM] = {of_pam, on_request, on_closed},
	};
	struct ipc_channel **place = place_of(auth, peer, instance);

	if (!place) {
		(void)close(fd);
		return ERR_DENIED;
	}
	if (*place) {
		jobs_drop(auth, *place);
		ipc_channel_free(TAKE_PTR(*place));
	}
	if (peer == IPC_PEER_ENGINE)
		secret_done(&auth->proof_key);
	return ipc_channel_new(auth->event, fd, &ops[peer], auth, place);
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
		r = factor_new(&auth->factor);
	if (r == 0)
		r = steps_new(&auth->steps);
	if (r == 0)
		r = trust_new(&auth->trust);
	if (r == 0)
		r = crls_new(&auth->crls);
	if (r == 0)
		r = sd_event_add_defer(event, &auth->work, on_work, auth);
	if (r >= 0)
		r = sd_event_source_set_priority(auth->work, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_enabled(auth->work, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time(event, &auth->tell, CLOCK_MONOTONIC,
				      monotime_turn(monotime_now(), TELL_MS).ns / 1000,
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
	/* What it was asked ends with it. */
	ipc_channel_free(TAKE_PTR(auth->pam));
	ipc_channel_free(auth->engine);
	ipc_channel_free(auth->keeper);
	for (unsigned i = 0; i < AUTH_FRONTS_MAX; i++)
		ipc_channel_free(auth->fronts[i]);
	users_free(auth->users);
	lockout_free(auth->lockout);
	factor_free(auth->factor);
	steps_free(auth->steps);
	trust_free(auth->trust);
	crls_free(auth->crls);
	secret_done(&auth->proof_key);
	free(auth);
}
