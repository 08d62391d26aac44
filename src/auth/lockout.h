/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/monotime.h"

/*
 * Who has guessed too often: by user, so that one account is not tried out, and by source, so that
 * one client does not try many. A pure table: time comes in. Names that do not exist are counted
 * like those that do.
 */
#define LOCKOUT_USER_TRIES 5	/* wrong ones in a row, until the first lock */
#define LOCKOUT_SOURCE_TRIES 20 /* of all users together */
#define LOCKOUT_FIRST_MS 30000u
#define LOCKOUT_MAX_MS 900000u	   /* each lock is twice as long as the one before, up to this */
#define LOCKOUT_FORGET_MS 1800000u /* without a wrong one */
#define LOCKOUT_ENTRIES_MAX 4096   /* of each kind: then the one that was quiet for longest goes */

struct lockout;

/* Errors: -ENOMEM. */
int lockout_new(struct lockout **ret_lockout);
void lockout_free(struct lockout *lockout);
/* An entry for the other unit: spans, since no clock is compared. */
#define LOCKOUT_KEY_SIZE 64
#define LOCKOUT_EXPORT_MAX 256
struct lockout_entry {
	uint8_t key[LOCKOUT_KEY_SIZE];
	bool is_source;
	uint32_t failures;
	uint64_t age_ms;    /* of the last failure */
	uint64_t locked_ms; /* still; 0: not locked */
};
/* What counts now, those that are locked first. Returns how many. */
size_t lockout_export(const struct lockout *lockout,
		      struct lockout_entry ret_entries[static LOCKOUT_EXPORT_MAX],
		      struct monotime now);
/* Forgets all and takes these. Errors: -ENOMEM (some may be missing). */
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
/* A right one: the user's account is clean. The source's is not, or one account of his own would
 * let a guesser go on for ever. */
void lockout_succeeded(struct lockout *lockout, const char *user);
