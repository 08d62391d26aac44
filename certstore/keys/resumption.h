/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "base/why.h"
#include "certstore/keys/keyring.h"

/*
 * The keys of TLS session tickets (RFC 8446 section 4.6.1, RFC 5077). The active unit makes one,
 * both units keep it, and a client resumes on either. It is no key of a certificate: whoever has it
 * can read and forge tickets, so that it is replaced each day, and the one before it is taken for
 * as long as a ticket lives, then forgotten.
 *
 * They are this unit's own item of the store, not one of the pair's: they change by themselves,
 * under every mode of replication, and two units are no different for it. What lies in the store
 * and what crosses the link is the same thing, sealed under the pair's key-encryption key.
 */
#define RESUMPTION_KEY_SIZE 64
#define RESUMPTION_ID_SIZE 8
#define RESUMPTION_KEYS_MAX 2
/* How long a key is taken after a newer one came: no less than a ticket lives
 * (front/tls/resumption.h).
 */
#define RESUMPTION_OVERLAP_S (4 * 3600)

struct resumption_key {
	uint8_t id[RESUMPTION_ID_SIZE];
	struct secret key;
	int64_t made_at, retired_at;
};

/* Zeroed is valid: there is none. */
struct resumption {
	struct resumption_key keys[RESUMPTION_KEYS_MAX]; /* the newest first */
	size_t n;
};

void resumption_done(struct resumption *resumption);
/* What the store has; one that cannot be opened any more counts as none. Errors: ERR_STORE,
 * -ENOMEM.
 */
int resumption_load(struct resumption *resumption, struct keyring *ring, struct store *store);
/*
 * A new one, durably; the one before it is retired at NOW (seconds since 1970), or forgotten with
 * those before it. Errors: those of the store; then nothing has changed.
 */
int resumption_rotate(struct resumption *resumption, struct keyring *ring, struct store *store,
		      bool is_forgetting, int64_t now, struct why *ret_why);
/* The mate's instead of all that there is. Errors: ERR_NOT_READY (the key-encryption key is not
 * known here yet), ERR_INTEGRITY, ERR_MALFORMED, those of the store. */
int resumption_take(struct resumption *resumption, struct keyring *ring, struct store *store,
		    const uint8_t *sealed, size_t size, struct why *ret_why);
/* Forgets what is not taken any more, in the store, too. Returns whether there was any. */
bool resumption_prune(struct resumption *resumption, struct keyring *ring, struct store *store,
		      int64_t now);
/* For so many seconds KEY is taken still; only of one that is retired. */
int64_t resumption_left_s(const struct resumption_key *key, int64_t now);
/* All of them, for the mate. RET_SEALED is appended to. */
int resumption_seal(const struct resumption *resumption, struct keyring *ring,
		    struct buf *ret_sealed);
