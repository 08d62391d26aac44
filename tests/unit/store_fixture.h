/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "certstore/store/store.h"

/* What the tests of the store share. All of it asserts on failure. */

/* A folder under $TMPDIR; fixture_remove takes it away with its files. */
char *fixture_directory(void);
void fixture_remove(char *directory);
/* A Record named NAME as replicated/ takes it, its sealed key filled with about SIZE bytes that
 * depend on SEED. */
void fixture_record(const char *name, uint64_t generation, size_t size, uint64_t seed,
		    struct buf *ret_record);
/* Stores such a record as trustpoint/NAME. */
void fixture_put(struct store *store, uint64_t term, const char *name, size_t size, uint64_t seed);
void fixture_delete(struct store *store, uint64_t term, const char *name);
/* The same positions (DIGEST and count; term and seq as well when IS_EXACT) and the same bytes
 * under the same keys. */
void fixture_assert_same(struct store *a, struct store *b, int is_exact);
/* For store_each: the item is in OTHER, byte for byte. */
struct fixture_comparison {
	struct store *other;
	size_t n; /* that were compared */
};
int fixture_compare_item(const char *key, const uint8_t *value, size_t size, void *userdata);
/* Equal in every field. */
void fixture_assert_at(const struct store_position *a, const struct store_position *b);
/* xorshift: the same numbers for the same seed. */
uint64_t fixture_random(uint64_t *state);

/* Fixture: two stores that know nothing of each other. */
struct fixture_stores {
	char *directories[2];
	struct store *a, *b;
};
int fixture_setup(void **state);
int fixture_teardown(void **state);
