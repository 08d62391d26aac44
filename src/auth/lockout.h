/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/monotime.h"

/*
 * Who has guessed too often: by user and source, so that a stranger's guesses lock nobody out but
 * himself; by source, so that one client does not try many users; and by user, so that one account
 * is not tried out from many sources. Only that last lock is one that strangers can bring about for
 * others, so it does not hold for a source that the user has lately logged in from. A pure table:
 * time comes in. Names that do not exist are counted like those that do.
 */
#define LOCKOUT_TRIES 5 /* wrong ones in a row of a user and a source, until the first lock */
#define LOCKOUT_SOURCE_TRIES 20		     /* of all users together */
#define LOCKOUT_USER_TRIES 25		     /* from all sources together */
#define LOCKOUT_KNOWN_MS UINT64_C(604800000) /* a week: so long a source is known */
#define LOCKOUT_FIRST_MS 30000u
#define LOCKOUT_MAX_MS 900000u	   /* each lock is twice as long as the one before, up to this */
#define LOCKOUT_FORGET_MS 1800000u /* without a wrong one */
#define LOCKOUT_ENTRIES_MAX 4096   /* of each kind; then a new one takes the smallest count over */
#define LOCKOUT_KNOWN_MAX 16	   /* sources that a user is known at: the last ones */

struct lockout;

/* Errors: -ENOMEM. */
int lockout_new(struct lockout **ret_lockout);
void lockout_free(struct lockout *lockout);
/* An entry for the other unit: spans, since no clock is compared. */
#define LOCKOUT_KEY_SIZE 64
#define LOCKOUT_EXPORT_MAX 256
#define LOCKOUT_EXPORT_KNOWN 64 /* of those, the last logins */
struct lockout_entry {
	/* A user's name; a source; or digests of both, which are no name. */
	uint8_t key[LOCKOUT_KEY_SIZE];
	bool is_source;
	uint32_t failures;  /* 0: the user is known at the source */
	uint64_t age_ms;    /* of the last failure, or of the login */
	uint64_t locked_ms; /* still; 0: not locked */
};
/* What counts now, those that are locked first; and who logged in last. Returns how many. */
size_t lockout_export(const struct lockout *lockout,
		      struct lockout_entry ret_entries[static LOCKOUT_EXPORT_MAX],
		      struct monotime now);
/* Forgets all guesses and takes these; logins beside those that are known. Errors: -ENOMEM (some
 * may be missing). */
int lockout_replace(struct lockout *lockout, const struct lockout_entry *entries, size_t n,
		    struct monotime now);
/* Another number after each change. */
uint64_t lockout_revision(const struct lockout *lockout);

/* How long this user and this client (4 or 16 bytes; an IPv6 client owns its /64) have to wait, in
 * milliseconds; 0: not at all. */
uint32_t lockout_wait(const struct lockout *lockout, const char *user, const uint8_t *client,
		      size_t client_size, struct monotime now);
/* A wrong password. Where there is no memory it is not counted: -ENOMEM. */
int lockout_failed(struct lockout *lockout, const char *user, const uint8_t *client,
		   size_t client_size, struct monotime now);
/* A right one: the user is known at this source, and clean there. The source itself is not, or one
 * account of his own would let a guesser go on for ever; nor is what others guess for the user. */
void lockout_succeeded(struct lockout *lockout, const char *user, const uint8_t *client,
		       size_t client_size, struct monotime now);
