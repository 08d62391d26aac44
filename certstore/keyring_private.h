/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "certstore/keyring.h"

/* What the keyring_*.c share. Nobody else includes it. */

#define KEYRING_STATE_ITEM "key/state"

struct kek {
	struct kek *next;
	uint8_t id[SEAL_ID_SIZE];
	struct secret key;
	bool is_unit; /* from an earlier master key: opens what this unit has for itself */
};

/* One of the failover keys that there are at a time (core/rekey.h has the phases). */
enum keyring_failover {
	KEYRING_FAILOVER_CURRENT,
	KEYRING_FAILOVER_NEXT,
	KEYRING_FAILOVER_PREVIOUS,
	KEYRING_FAILOVER__MAX,
};

struct failover_key {
	struct secret key; /* size 0: there is none */
	uint8_t id[SEAL_ID_SIZE];
};

struct keyring {
	struct store *store;
	struct secret wrap_key; /* under the master key */
	struct kek unit;
	struct kek *keks;
	uint8_t current[SEAL_ID_SIZE];
	struct failover_key failover[KEYRING_FAILOVER__MAX];
	struct keyring_times times;
	bool is_leading;
};

#define _cleanup_secret_ _cleanup_(secret_done)

static inline void keyring_secret_move(struct secret *to, struct secret *from)
{
	secret_done(to);
	*to = *from;
	*from = (struct secret){0};
}

/* SEAL_KEY_SIZE random bytes. Errors: -ENOMEM, ERR_CRYPTO. */
int keyring_secret_random(struct secret *ret_secret);

struct kek *keyring_find_kek(struct keyring *ring, const uint8_t *id);
/* KEY joins the ring, in the store first; taken over. */
int keyring_add_kek(struct keyring *ring, struct secret *key, const uint8_t *id,
		    struct why *ret_why);

/* ---- keyring_failover.c ---- */
/* The failover keys and what is known of them, from the store. Errors: ERR_INTEGRITY (another
 * master key), ERR_MALFORMED, those of the store. */
int keyring_failover_load(struct keyring *ring);
/* One of them, sealed for the store, and where it lies there; what is known of them all. RET_* are
 * appended to. */
int keyring_failover_wrap(const struct secret *wrap_key, const struct failover_key *key,
			  struct buf *ret_sealed);
const char *keyring_failover_item(enum keyring_failover which);
int keyring_state_pack(const struct keyring_times *times, bool is_leading, struct buf *ret_bytes);
