/* SPDX-License-Identifier: Apache-2.0 */
/* Which items hold a key: also when very many hold the same one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "certstore/store/keyindex.h"

#define MANY 100000u
/* Far above what it takes with sanitizers, far below what a walk for each entry would take. */
#define CPU_SECONDS_MAX 8.0

static struct keyindex *make_index(void)
{
	struct keyindex *index = NULL;

	assert_int_equal(keyindex_new(&index), 0);
	return index;
}

static void make_id(uint8_t id[static KEYINDEX_ID_SIZE], uint8_t which)
{
	memset(id, which, KEYINDEX_ID_SIZE);
}

static unsigned count_of(const struct keyindex *index, const uint8_t *id)
{
	const struct keyindex_entry *entry = NULL;
	unsigned n = 0;

	while ((entry = keyindex_find(index, id, entry)))
		n++;
	return n;
}

static void an_entry_that_is_there_is_not_added_again(void **state)
{
	struct keyindex *index = make_index();
	uint8_t id[KEYINDEX_ID_SIZE];

	(void)state;
	make_id(id, 1);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(keyindex_add(index, id, false, "trustpoint/a"), 0);
		assert_int_equal(keyindex_add(index, id, true, "trustpoint/a"), 0);
		assert_int_equal(keyindex_add(index, id, false, "trustpoint/b"), 0);
	}
	assert_int_equal(keyindex_count(index), 3);
	assert_int_equal(count_of(index, id), 3);
	keyindex_free(index);
}

static void keys_that_begin_alike_are_told_apart(void **state)
{
	struct keyindex *index = make_index();
	uint8_t one[KEYINDEX_ID_SIZE], other[KEYINDEX_ID_SIZE];

	(void)state;
	make_id(one, 7);
	make_id(other, 7);
	other[KEYINDEX_ID_SIZE - 1] = 8;
	assert_int_equal(keyindex_add(index, one, false, "trustpoint/a"), 0);
	assert_int_equal(keyindex_add(index, other, false, "trustpoint/a"), 0);
	assert_int_equal(count_of(index, one), 1);
	assert_int_equal(count_of(index, other), 1);
	keyindex_free(index);
}

static void an_index_that_was_cleared_takes_the_same_again(void **state)
{
	struct keyindex *index = make_index();
	uint8_t id[KEYINDEX_ID_SIZE];

	(void)state;
	make_id(id, 1);
	assert_int_equal(keyindex_add(index, id, false, "trustpoint/a"), 0);
	keyindex_clear(index);
	assert_int_equal(keyindex_count(index), 0);
	assert_null(keyindex_find(index, id, NULL));
	assert_int_equal(keyindex_add(index, id, false, "trustpoint/a"), 0);
	assert_int_equal(keyindex_count(index), 1);
	keyindex_free(index);
}

static void very_many_items_with_one_key_are_added_without_a_walk_for_each(void **state)
{
	struct keyindex *index = make_index();
	uint8_t id[KEYINDEX_ID_SIZE];
	clock_t start = clock();

	(void)state;
	make_id(id, 3);
	for (unsigned i = 0; i < MANY; i++) {
		char key[32];

		(void)snprintf(key, sizeof(key), "trustpoint/many-%06u", i);
		assert_int_equal(keyindex_add(index, id, false, key), 0);
	}
	assert_true((double)(clock() - start) / CLOCKS_PER_SEC < CPU_SECONDS_MAX);
	assert_int_equal(keyindex_count(index), MANY);
	assert_int_equal(count_of(index, id), MANY);
	keyindex_free(index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_that_is_there_is_not_added_again),
		cmocka_unit_test(keys_that_begin_alike_are_told_apart),
		cmocka_unit_test(an_index_that_was_cleared_takes_the_same_again),
		cmocka_unit_test(very_many_items_with_one_key_are_added_without_a_walk_for_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
