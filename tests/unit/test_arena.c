/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/arena.h"

#define PIECES 5000

static void pieces_are_apart_and_aligned(void **state)
{
	static uint8_t *pieces[PIECES];
	struct arena arena = {0};

	(void)state;
	for (size_t i = 0; i < PIECES; i++) {
		size_t size = i % 300;

		pieces[i] = arena_alloc(&arena, size);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
		memset(pieces[i], (int)i, size);
	}
	for (size_t i = 0; i < PIECES; i++) {
		for (size_t at = 0; at < i % 300; at++)
			assert_int_equal(pieces[i][at], (uint8_t)i);
	}
	arena_done(&arena);
}

static void what_is_cleared_is_used_again(void **state)
{
	struct arena arena = {0};
	void *first = arena_alloc(&arena, 10);

	(void)state;
	assert_non_null(first);
	arena_clear(&arena);
	assert_ptr_equal(arena_alloc(&arena, 1000), first);
	arena_done(&arena);
}

static void a_large_piece_is_had_and_no_impossible_one(void **state)
{
	const size_t large = (size_t)4 * 1024 * 1024;
	struct arena arena = {0};
	uint8_t *piece, *small;

	(void)state;
	small = arena_alloc(&arena, 16);
	piece = arena_alloc(&arena, large);
	assert_non_null(small);
	assert_non_null(piece);
	memset(small, 1, 16);
	memset(piece, 2, large);
	assert_int_equal(small[15], 1);
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 64));
	arena_clear(&arena);
	assert_non_null(arena_alloc(&arena, 16));
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_apart_and_aligned),
		cmocka_unit_test(what_is_cleared_is_used_again),
		cmocka_unit_test(a_large_piece_is_had_and_no_impossible_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
