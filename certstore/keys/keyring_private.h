/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <limits.h>

#include "certstore/keys/keyring.h"

/* What the keyring_*.c share. Nobody else includes it. */

#define KEYRING_STATE_ITEM "key/state"
#define KEYRING_KEK_PREFIX "key/kek/"
#define KEYRING_KEK_ITEM_SIZE (sizeof(KEYRING_KEK_PREFIX) + 2 * SEAL_ID_SIZE)
#define KEYRING_WRAP_INFO "asafo master wrap"
/* Beside the master key's file, while it is changed. */
#define KEYRING_MASTER_NEXT ".new"
#define KEYRING_MASTER_OLD ".old"

struct kek {
	struct kek *next;
	uint8_t id[SEAL_ID_SIZE];
	struct secret key;
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

/* KEK sealed for the store, and where it lies there. RET_SEALED is appended to. */
int keyring_kek_wrap(const struct secret *wrap_key, const struct kek *kek,
		     char ret_name[static KEYRING_KEK_ITEM_SIZE], struct buf *ret_sealed);
/* What comes of the master key itself. */
int keyring_derive_own(const struct secret *master, struct secret *ret_wrap_key,
		       struct kek *ret_unit);

/* ---- keyring_rotate.c ---- */
/* The master key is in use from now on. */
int keyring_note_master(struct keyring *ring, struct why *ret_why);
/* Errors: -ENAMETOOLONG. */
int keyring_master_beside(const char *path, const char *suffix, char ret_path[static PATH_MAX]);
/* Ends a change of the file that was begun. IS_NEXT: the key in PATH.new is the store's, and takes
 * its place; else PATH is. What is not needed any more is overwritten and removed. Errors: -errno.
 */
int keyring_master_tidy(const char *path, bool is_next);

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
