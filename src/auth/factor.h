/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/users.h"

/*
 * The second factor of a login, and the login between its two requests. That is nowhere but with
 * the client, as a text that only the pair can make and read, so that either unit goes on with it:
 * bound to user, group, password, the way on which that was found right, the time, and how often a
 * code was wrong.
 */
#define FACTOR_STATE_MAX 600
#define FACTOR_LIFE_S 180
#define FACTOR_SKEW_S 120 /* of the units' clocks */
#define FACTOR_TRIES 3	  /* wrong codes, then the password is asked for again */
#define FACTOR_GROUP_MAX 64

struct factor;

/* Errors: -ENOMEM. */
int factor_new(struct factor **ret_factor);
void factor_free(struct factor *factor);
/* The keeper's. Errors: ERR_MALFORMED, -ENOMEM. */
int factor_key_set(struct factor *factor, const uint8_t *key, size_t size);

/* A login whose password was right. */
struct factor_round {
	char user[USERS_NAME_MAX];
	char group[FACTOR_GROUP_MAX];
	uint8_t password[8]; /* of factor_password_sum */
	uint8_t way[8];	     /* of factor_way_sum */
	int64_t at;	     /* seconds since 1970 */
	uint32_t tries;
	uint8_t certificate[8]; /* begin of its fingerprint, */
	bool has_certificate;	/* where the group wants one */
};
void factor_password_sum(const struct user *user, uint8_t ret_sum[static 8]);
/* Of what took the first half of a login: HOW, and whom it asked (SERVICE). */
void factor_way_sum(const char *how, const char *service, uint8_t ret_sum[static 8]);
/* Errors: ERR_NOT_READY (there is no key yet), ERR_CRYPTO, -ENOMEM. */
int factor_seal(const struct factor *factor, const struct factor_round *round,
		char ret_state[static FACTOR_STATE_MAX]);
/* Errors: ERR_MALFORMED, ERR_INTEGRITY (not the pair's), ERR_TIMEOUT (it took too long),
 * ERR_NOT_READY. */
int factor_open(const struct factor *factor, const char *state, int64_t now_s,
		struct factor_round *ret_round);
/* Whether CODE is USER's, behind the step AFTER. Errors: ERR_DENIED; ERR_NOT_READY, ERR_INTEGRITY,
 * ERR_MALFORMED (his secret cannot be opened), ERR_CRYPTO. */
int factor_check(const struct factor *factor, const struct user *user, const char *code,
		 int64_t now_s, uint64_t after, uint64_t *ret_step);
