/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What PAM says of a password counts as what the configuration says of one: who has to wait waits,
 * and who has a line of his own has its attributes. All that may have changed while it was asked is
 * looked at again.
 */
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "auth/auth_private.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "src/ipc/ipc.pb-c.h"

/*
 * As an ASA: LOCAL is for where nobody answers, not for whom he refuses. Nor for where there is too
 * much to do, which clients can bring about: no place in a queue, no memory, no process.
 */
static bool is_unavailable(int code)
{
	return code == ERR_CLOSED || code == ERR_NOT_FOUND || code == ERR_TIMEOUT ||
	       code == ERR_NOT_READY;
}

/* PAM could not be asked. True: the users here are to be, which takes time. */
static bool unavailable(struct auth *auth, const struct job *job, const struct trust_group *group,
			int code, const char *why, struct answer *answer)
{
	auth_pam_report(auth, job, why);
	if (group->is_local_too && is_unavailable(code))
		return true;
	answer->code = ERR_NOT_READY;
	answer->why = "PAM could not be asked (see the lines of auth and pam)";
	return false;
}

static void right(struct auth *auth, struct job *job, const struct trust_group *group,
		  struct answer *answer)
{
	const struct user *user = users_find(auth->users, job->user);
	struct user other = {.name = ""};

	/* Nothing is bound to who has no line here. */
	memcpy(other.name, job->user, sizeof(other.name));
	auth_password_right(auth, job, user ? user : &other, group, answer);
	/* A borrowed view, which OTHER does not outlive. */
	if (!user)
		answer->policy = NULL;
}

/* Whether JOB's answer is still wanted. False: the answer says why not. */
static bool is_as_begun(const struct auth *auth, const struct job *job,
			struct trust_group *ret_group, struct answer *answer)
{
	if (!auth_group_find(auth, job->group, ret_group, answer))
		return false;
	if (!ret_group->is_by_pam || ret_group->is_without_password ||
	    strcmp(ret_group->service, job->service) != 0 ||
	    (ret_group->is_by_certificate && !job->round.has_certificate) ||
	    (job->is_local_now && !ret_group->is_local_too)) {
		answer->code = ERR_NOT_READY;
		answer->why = "what the group wants was changed meanwhile";
		return false;
	}
	/* Side by side with others; and what is right now is told to nobody who has to wait. */
	return !auth_is_locked(auth, job, answer);
}

/* True: the users here are to be asked. */
static bool decide(struct auth *auth, struct job *job, int code,
		   const Asafo__Ipc__PamCheckReply *reply, struct answer *answer)
{
	bool is_named = users_find(auth->users, job->user) || (reply && reply->is_known);
	struct trust_group group;

	if (!is_as_begun(auth, job, &group, answer))
		return false;
	if (code < 0 || !reply->status)
		return unavailable(auth, job, &group, ERR_CLOSED,
				   "asafo-pam went away (see the log)", answer);
	if (reply->status->code < 0)
		return unavailable(auth, job, &group, reply->status->code, reply->status->why,
				   answer);
	if (reply->is_right)
		right(auth, job, &group, answer);
	else
		auth_failure_count(auth, job, is_named, reply->status->why);
	return false;
}

static void asked_remove(struct auth *auth, struct job *job)
{
	struct job **at = &auth->asked;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	auth->n_jobs--;
}

static void on_reply(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct job *job = userdata;
	struct auth *auth = job->auth;
	struct answer answer = {.verdict = AUTH_VERDICT_NO, .round = job->round};

	(void)has_more;
	asked_remove(auth, job);
	/* What was not decided, and nobody waits for, is forgotten: also when everything ends. */
	if (code < 0 && !job->front) {
		auth_job_free(job);
	} else if (!decide(auth, job, code, (const Asafo__Ipc__PamCheckReply *)body, &answer)) {
		auth_reply(job->front, job->id, &answer);
		auth_job_free(job);
	} else if (!job->front) {
		auth_job_free(job);
	} else {
		/* Not here: all that was asked may come back at once, when asafo-pam dies. */
		job->is_asked = false;
		job->is_local_now = true;
		auth_job_append(auth, job);
	}
}

void auth_pam_local(struct auth *auth, struct job *job, struct answer *answer)
{
	struct trust_group group;

	answer->round = job->round;
	if (!is_as_begun(auth, job, &group, answer))
		return;
	job->is_by_pam = false;
	auth_local_check(auth, job, &group, answer);
}

static int ask(struct auth *auth, struct job *job)
{
	Asafo__Ipc__PamCheck message = ASAFO__IPC__PAM_CHECK__INIT;

	if (!auth->pam)
		return ERR_CLOSED;
	message.service = job->service;
	message.user = job->user;
	message.password = (ProtobufCBinaryData){job->password.size - 1, job->password.data};
	message.client = (ProtobufCBinaryData){job->client_size, job->client};
	return ipc_channel_call(auth->pam, IPC_PAM_CHECK, &message.base, NULL, 0, on_reply, job);
}

void auth_pam_ask(struct auth *auth, struct job *job, const struct trust_group *group,
		  struct answer *answer)
{
	int r;

	job->is_by_pam = true;
	/* Before that nobody knows who has a second factor, or may use another group only. */
	if (!auth->has_users) {
		answer->code = ERR_NOT_READY;
		answer->why = "the users of the configuration are not known yet";
		return;
	}
	memcpy(job->service, group->service, sizeof(job->service));
	job->round = answer->round;
	r = ask(auth, job);
	if (r < 0) {
		if (unavailable(auth, job, group, r,
				r == ERR_CLOSED ? "asafo-pam does not run" : err_text(r), answer)) {
			job->is_by_pam = false;
			auth_local_check(auth, job, group, answer);
		}
		return;
	}
	job->is_asked = true;
	job->next = auth->asked;
	auth->asked = job;
	auth->n_jobs++;
}

void auth_pam_front_gone(struct auth *auth, const struct ipc_channel *front)
{
	for (struct job *job = auth->asked; job; job = job->next) {
		if (!front || job->front == front)
			job->front = NULL;
	}
}
