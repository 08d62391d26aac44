/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Memory for what is taken apart and thrown away as a whole: many small pieces, freed at once.
 * Nothing is wiped: not for secrets. A zeroed struct is an empty one.
 */
struct arena_block;

struct arena {
	struct arena_block *blocks;
	size_t used; /* of the first one */
};

void arena_done(struct arena *arena);
/* Aligned for every type. NULL: out of memory, or more than 2 GiB. */
void *arena_alloc(struct arena *arena, size_t size);
/* All pieces are gone; one block stays for the next ones. */
void arena_clear(struct arena *arena);
