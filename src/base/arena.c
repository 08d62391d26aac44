/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#define BLOCK_SIZE (256u * 1024)

struct arena_block {
	struct arena_block *next;
	size_t size;
	alignas(max_align_t) uint8_t data[];
};

void arena_done(struct arena *arena)
{
	while (arena->blocks) {
		struct arena_block *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
	arena->used = 0;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	size_t wanted = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	struct arena_block *block = arena->blocks;

	if (size > INT32_MAX)
		return NULL;
	if (!block || wanted > block->size - arena->used) {
		size_t room = wanted > BLOCK_SIZE ? wanted : BLOCK_SIZE;

		block = malloc(sizeof(*block) + room);
		if (!block)
			return NULL;
		block->next = arena->blocks;
		block->size = room;
		arena->blocks = block;
		arena->used = 0;
	}
	arena->used += wanted;
	return block->data + arena->used - wanted;
}

void arena_clear(struct arena *arena)
{
	struct arena_block *kept = arena->blocks;

	/* A large piece had a block of its own: that one goes. */
	if (!kept || kept->size > BLOCK_SIZE) {
		arena_done(arena);
		return;
	}
	arena->blocks = kept->next;
	arena_done(arena);
	kept->next = NULL;
	arena->blocks = kept;
}
