/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "auth/auth.h"
#include "auth/factor.h"
#include "auth/guesses.h"
#include "auth/lockout.h"
#include "auth/steps.h"
#include "auth/trust.h"
#include "auth/users.h"
#include "base/secret.h"
#include "ipc/channel.h"
#include "ipc/loginproof.h"
#include "ipc/vpn.h"

/* Shared by auth.c (the queue, channels, life) and auth_check.c (who may). Nobody else includes it.
 */
#define AUTH_FRONTS_MAX 64

struct job {
	struct job *next;
	struct ipc_channel *front;
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
};

struct auth {
	sd_event *event;
	const struct auth_ops *ops;
	void *userdata;
	struct ipc_channel *engine, *keeper;
	struct ipc_channel *fronts[AUTH_FRONTS_MAX];
	struct users *users;
	struct lockout *lockout;
	struct factor *factor;
	struct steps *steps;
	struct trust *trust;
	struct secret proof_key; /* of the engine that is there; none: there is none */
	uint64_t n_proofs;	 /* with it */
	struct job *first, **end;
	unsigned n_jobs;
	sd_event_source *work, *tell;
	uint64_t told_revision;
	unsigned told_ago; /* ticks */
	bool is_tell_due;  /* something was not told, or is asked for */
	size_t n_locked;   /* as the active unit said */
	bool is_staging_broken;
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
/* Decides, and answers. */
void auth_job_do(struct auth *auth, struct job *job);
