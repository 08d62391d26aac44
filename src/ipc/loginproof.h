/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/monotime.h"
#include "base/secret.h"
#include "base/why.h"
#include "ipc/vpn.h"

/*
 * The auth helper's word to the engine, carried by a front: this user may have one session, in this
 * group, by this policy, for this client, under this cookie. HMAC-SHA-256 with a key that the
 * engine draws for each helper that it gets a channel to, and tells to that one alone; so a proof
 * holds at no other unit, and not beyond either process. Each has a number that is good once, and a
 * moment, by the machine's monotonic clock, which both processes share.
 */
#define LOGINPROOF_KEY_SIZE 32
#define LOGINPROOF_MAC_SIZE 32
#define LOGINPROOF_VALID_MS 30000
#define LOGINPROOF_WINDOW 4096u /* so many numbers below the newest may come late */

/* What is proved. The texts are borrowed. */
struct loginproof_claim {
	const char *user, *group;
	const char *policy;    /* the user's own; "": the group's */
	const uint8_t *hash;   /* of the cookie, VPN_HASH_SIZE bytes */
	const uint8_t *client; /* its address, CLIENT_SIZE bytes */
	size_t client_size;
};

struct loginproof {
	bool is_there;
	uint64_t number; /* from 1 */
	struct monotime made_at;
	uint8_t mac[LOGINPROOF_MAC_SIZE];
};

/* The helper's. Errors: ERR_NOT_READY (KEY is none), ERR_CRYPTO. */
int loginproof_make(const struct secret *key, const struct loginproof_claim *claim, uint64_t number,
		    struct monotime now, struct loginproof *ret_proof);

/* The wire's. NULL, or another size: none is there. */
void loginproof_from(const Asafo__Ipc__LoginProof *message, struct loginproof *ret_proof);
/* MESSAGE points into PROOF, which it does not outlive. */
void loginproof_fill(const struct loginproof *proof, Asafo__Ipc__LoginProof *ret_message);

/* The engine's: the key, and which numbers were used. Zeroed: nothing is proved to it. */
struct loginproof_gate {
	struct secret key;
	uint64_t newest;
	uint64_t used[LOGINPROOF_WINDOW / 64];
};

/* Another key: what was made with the one before proves nothing any more. Errors: -ENOMEM,
 * ERR_CRYPTO; then nothing is proved to it. */
int loginproof_gate_open(struct loginproof_gate *gate);
void loginproof_gate_done(struct loginproof_gate *gate);
/*
 * Takes PROOF of CLAIM, once. Errors, with the end of a sentence that begins with "the proof":
 * ERR_NOT_FOUND (there is none), ERR_INTEGRITY (not made with this key for this claim),
 * ERR_EXPIRED, ERR_EXISTS (used before, or too far behind to tell); ERR_CRYPTO.
 */
int loginproof_gate_take(struct loginproof_gate *gate, const struct loginproof_claim *claim,
			 const struct loginproof *proof, struct monotime now, struct why *ret_why);
