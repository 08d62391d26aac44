/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "auth/auth.h"
#include "auth/crls.h"
#include "auth/factor.h"
#include "auth/guesses.h"
#include "auth/lockout.h"
#include "auth/steps.h"
#include "auth/trust.h"
#include "auth/users.h"
#include "base/pace.h"
#include "base/secret.h"
#include "ipc/channel.h"
#include "ipc/loginproof.h"
#include "ipc/vpn.h"

/* Shared by auth.c (the queue, channels, life), auth_check.c (who may) and auth_pam.c (what PAM
 * says). Nobody else includes it. */
#define AUTH_FRONTS_MAX 64

struct job {
	struct job *next;
	struct auth *auth;
	struct ipc_channel *front; /* NULL: it is gone */
	uint32_t id;
	char user[USERS_NAME_MAX];
	struct secret password; /* with its NUL; with a state: the code */
	char group[FACTOR_GROUP_MAX];
	char state[FACTOR_STATE_MAX]; /* "": the first request of a login */
	uint8_t client[16];
	size_t client_size;
	ProtobufCBinaryData certificates[CLIENTCERT_CHAIN_MAX]; /* the client's, DER */
	size_t n_certificates;
	uint8_t cookie_hash[VPN_HASH_SIZE];
	bool has_cookie_hash;
	bool is_by_pam; /* so its messages are about PAM */
	bool is_asked;	/* of PAM: */
	char service[VPN_NAME_MAX];
	bool is_local_now;	   /* PAM could not be asked: it is for the users here */
	struct factor_round round; /* as far as it was known then */
};

struct auth {
	sd_event *event;
	const struct auth_ops *ops;
	void *userdata;
	struct ipc_channel *engine, *keeper, *pam;
	struct ipc_channel *fronts[AUTH_FRONTS_MAX];
	struct users *users;
	struct lockout *lockout;
	struct factor *factor;
	struct steps *steps;
	struct trust *trust;
	struct crls *crls;
	struct secret proof_key; /* of the engine that is there; none: there is none */
	uint64_t n_proofs;	 /* with it */
	struct job *first, **end;
	struct job *asked; /* of PAM, in no order */
	unsigned n_jobs;   /* with those */
	sd_event_source *work, *tell;
	uint64_t told_revision;
	unsigned told_ago; /* ticks */
	bool is_tell_due;  /* something was not told, or is asked for */
	size_t n_locked;   /* as the active unit said */
	bool is_staging_broken;
	struct pace unavailable; /* logins that PAM could not decide */
	bool has_users;		 /* they were told once: who has attributes here is known */
};

struct answer {
	int code;
	const char *why;
	enum auth_verdict verdict;
	const char *policy;
	uint32_t wait_ms;
	struct factor_round round; /* of a login that goes on */
	char state[FACTOR_STATE_MAX];
	bool is_again, is_late;
	struct loginproof proof;
	struct why certificate_why;
};

void auth_note(const struct auth *auth, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- auth_check.c ---- */
void auth_reply(struct ipc_channel *front, uint32_t id, const struct answer *answer);
/* Decides, and answers. False: JOB waits for PAM, and is auth_pam.c's. */
bool auth_job_do(struct auth *auth, struct job *job);
/* The group of this name, as the engine told last. False: the answer says why. */
bool auth_group_find(const struct auth *auth, const char *name, struct trust_group *ret_group,
		     struct answer *answer);
/* Whether JOB's user or client has to wait; then the answer says so. */
bool auth_is_locked(const struct auth *auth, const struct job *job, struct answer *answer);
/* Compares JOB's password with the configuration's. */
void auth_local_check(struct auth *auth, struct job *job, const struct trust_group *group,
		      struct answer *answer);
/* JOB's password is USER's, who may be none of the configuration. */
void auth_password_right(struct auth *auth, struct job *job, const struct user *user,
			 const struct trust_group *group, struct answer *answer);
/* A wrong one. IS_NAMED: the name is somebody's, and may be logged. */
void auth_failure_count(struct auth *auth, const struct job *job, bool is_named,
			const char *reason);
/* JOB's password could not be checked by PAM. */
void auth_pam_report(struct auth *auth, const struct job *job, const char *why);

/* ---- auth.c ---- */
/* Takes JOB over: it is done when it is its turn. */
void auth_job_append(struct auth *auth, struct job *job);
void auth_job_free(struct job *job);

/* ---- auth_pam.c ---- */
/* Asks PAM for JOB's password. JOB is waited for (job.is_asked), or the answer is there. */
void auth_pam_ask(struct auth *auth, struct job *job, const struct trust_group *group,
		  struct answer *answer);
/* Compares the password of JOB, of which PAM could not be asked (job.is_local_now), with the
 * configuration's, if that is still wanted. */
void auth_pam_local(struct auth *auth, struct job *job, struct answer *answer);
/* What FRONT asked is answered no more; NULL: of all. A guess is one all the same. */
void auth_pam_front_gone(struct auth *auth, const struct ipc_channel *front);
