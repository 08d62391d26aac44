/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Memory for keys and passphrases: its own pages, locked, left out of core files, wiped in a forked
 * child and wiped when freed. Locking is best effort (RLIMIT_MEMLOCK); the rest is not.
 */
struct secret {
	uint8_t *data;
	size_t size;
	bool is_locked; /* false: the limit for locked memory was reached, and it may be swapped */
};

/* Makes room for SIZE bytes (zeroed). Errors: -ENOMEM. */
int secret_init(struct secret *ret_secret, size_t size);
/* Copies DATA into a new secret. Errors: -ENOMEM. */
int secret_init_copy(struct secret *ret_secret, const void *data, size_t size);
/* Wipes, unlocks, unmaps; takes NULL and a zeroed one. */
void secret_done(struct secret *secret);
/*
 * Clears the vector registers: copies and large numbers leave pieces of keys in them, where a
 * debugger sees them although no page of memory has them. On processors other than x86-64: nothing.
 */
void secret_registers_wipe(void);
