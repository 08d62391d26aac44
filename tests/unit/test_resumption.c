/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of session tickets: from unit to unit, over a restart, and forgotten in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "certstore/keys/keyring_private.h"
#include "certstore/keys/resumption.h"
#include "tests/unit/store_fixture.h"

#define DAY 86400
#define NOW 1700000000

struct unit {
	char *directory;
	struct store *store;
	struct keyring *ring;
	struct resumption keys;
};

static void unit_open(struct unit *unit)
{
	uint8_t bytes[SEAL_KEY_SIZE] = {7};
	struct secret master = {0};

	assert_int_equal(store_open(unit->directory, &unit->store, NULL), 0);
	assert_int_equal(secret_init_copy(&master, bytes, sizeof(bytes)), 0);
	assert_int_equal(keyring_new(unit->store, &master, &unit->ring, NULL), 0);
	assert_int_equal(resumption_load(&unit->keys, unit->ring, unit->store), 0);
	secret_done(&master);
}

static void unit_close(struct unit *unit)
{
	resumption_done(&unit->keys);
	keyring_free(unit->ring);
	store_close(unit->store);
}

static int setup(void **state)
{
	struct unit *units = calloc(2, sizeof(*units));

	for (size_t i = 0; i < 2; i++) {
		units[i].directory = fixture_directory();
		unit_open(&units[i]);
	}
	*state = units;
	return 0;
}

static int teardown(void **state)
{
	struct unit *units = *state;

	for (size_t i = 0; i < 2; i++) {
		unit_close(&units[i]);
		fixture_remove(units[i].directory);
	}
	free(units);
	return 0;
}

/* As a bulk leaves the two. */
static void share_kek(struct unit *from, struct unit *to)
{
	static const char text[] = "0123456789abcdef0123456789abcdef";
	struct buf sealed = {0};
	uint8_t id[SEAL_ID_SIZE];

	assert_int_equal(keyring_failover_key_set(from->ring, (const uint8_t *)text,
						  sizeof(text) - 1, false, NULL),
			 0);
	assert_int_equal(keyring_failover_key_set(to->ring, (const uint8_t *)text, sizeof(text) - 1,
						  false, NULL),
			 0);
	assert_int_equal(keyring_kek_export(from->ring, &sealed), 0);
	assert_int_equal(keyring_kek_import(to->ring, sealed.data, sealed.size, id, NULL), 0);
	assert_int_equal(store_kek_id_set(to->store, id), 0);
	assert_int_equal(keyring_refresh(to->ring), 0);
	buf_done(&sealed);
}

static void rotate(struct unit *unit, bool is_forgetting, int64_t now)
{
	assert_int_equal(
		resumption_rotate(&unit->keys, unit->ring, unit->store, is_forgetting, now, NULL),
		0);
}

static int hand_over(const struct unit *from, struct unit *to)
{
	struct buf sealed = {0};
	int r;

	assert_int_equal(resumption_seal(&from->keys, from->ring, &sealed), 0);
	r = resumption_take(&to->keys, to->ring, to->store, sealed.data, sealed.size, NULL);
	buf_done(&sealed);
	return r;
}

static void assert_same(const struct resumption *a, const struct resumption *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		assert_memory_equal(a->keys[i].id, b->keys[i].id, RESUMPTION_ID_SIZE);
		assert_memory_equal(a->keys[i].key.data, b->keys[i].key.data, RESUMPTION_KEY_SIZE);
		assert_int_equal(a->keys[i].made_at, b->keys[i].made_at);
		assert_int_equal(a->keys[i].retired_at, b->keys[i].retired_at);
	}
}

static void the_mate_has_the_same_keys_also_after_a_restart(void **state)
{
	struct unit *units = *state;

	assert_int_equal(units[0].keys.n, 0);
	share_kek(&units[0], &units[1]);
	rotate(&units[0], false, NOW);
	rotate(&units[0], false, NOW + DAY);
	assert_int_equal(units[0].keys.n, 2);
	assert_memory_not_equal(units[0].keys.keys[0].key.data, units[0].keys.keys[1].key.data,
				RESUMPTION_KEY_SIZE);
	assert_int_equal(hand_over(&units[0], &units[1]), 0);
	assert_same(&units[0].keys, &units[1].keys);
	for (size_t i = 0; i < 2; i++) {
		unit_close(&units[i]);
		unit_open(&units[i]);
	}
	assert_int_equal(units[0].keys.n, 2);
	assert_same(&units[0].keys, &units[1].keys);
}

static void no_byte_of_a_key_lies_in_what_is_stored_and_sent(void **state)
{
	struct unit *units = *state;
	struct buf bytes = {0};

	rotate(&units[0], false, NOW);
	assert_int_equal(resumption_seal(&units[0].keys, units[0].ring, &bytes), 0);
	assert_int_equal(store_unit_get(units[0].store, "resumption", &bytes), 0);
	for (size_t i = 0; i + 8 <= RESUMPTION_KEY_SIZE; i += 8)
		assert_null(memmem(bytes.data, bytes.size, units[0].keys.keys[0].key.data + i, 8));
	buf_done(&bytes);
}

static void a_unit_without_the_pairs_key_keeps_what_it_has(void **state)
{
	struct unit *units = *state;
	uint8_t id[RESUMPTION_ID_SIZE];

	rotate(&units[0], false, NOW);
	rotate(&units[1], false, NOW);
	memcpy(id, units[1].keys.keys[0].id, sizeof(id));
	assert_int_equal(hand_over(&units[0], &units[1]), ERR_NOT_READY);
	assert_memory_equal(units[1].keys.keys[0].id, id, sizeof(id));
	share_kek(&units[0], &units[1]);
	assert_int_equal(hand_over(&units[0], &units[1]), 0);
	assert_same(&units[0].keys, &units[1].keys);
}

static void what_was_changed_on_its_way_is_refused(void **state)
{
	struct unit *units = *state;
	struct buf sealed = {0};

	share_kek(&units[0], &units[1]);
	rotate(&units[0], false, NOW);
	assert_int_equal(resumption_seal(&units[0].keys, units[0].ring, &sealed), 0);
	for (size_t i = 0; i < sealed.size; i++) {
		sealed.data[i] ^= 1;
		assert_true(resumption_take(&units[1].keys, units[1].ring, units[1].store,
					    sealed.data, sealed.size, NULL) < 0);
		sealed.data[i] ^= 1;
		assert_true(resumption_take(&units[1].keys, units[1].ring, units[1].store,
					    sealed.data, i, NULL) < 0);
	}
	assert_int_equal(units[1].keys.n, 0);
	assert_int_equal(resumption_take(&units[1].keys, units[1].ring, units[1].store, sealed.data,
					 sealed.size, NULL),
			 0);
	buf_done(&sealed);
}

static void the_key_before_is_forgotten_when_its_time_is_over(void **state)
{
	struct unit *unit = *state;
	int64_t end = NOW + DAY + RESUMPTION_OVERLAP_S;

	rotate(unit, false, NOW);
	rotate(unit, false, NOW + DAY);
	assert_int_equal(resumption_left_s(&unit->keys.keys[1], NOW + DAY), RESUMPTION_OVERLAP_S);
	assert_int_equal(resumption_left_s(&unit->keys.keys[1], end - 1), 1);
	assert_false(resumption_prune(&unit->keys, unit->ring, unit->store, end - 1));
	assert_int_equal(unit->keys.n, 2);
	/* Set back, a clock makes it no longer. */
	assert_int_equal(resumption_left_s(&unit->keys.keys[1], NOW), RESUMPTION_OVERLAP_S);
	assert_true(resumption_prune(&unit->keys, unit->ring, unit->store, end));
	assert_int_equal(unit->keys.n, 1);
	unit_close(unit);
	unit_open(unit);
	assert_int_equal(unit->keys.n, 1);
	assert_int_equal(unit->keys.keys[0].made_at, NOW + DAY);
}

static void forgetting_leaves_the_new_one_alone(void **state)
{
	struct unit *unit = *state;

	rotate(unit, false, NOW);
	rotate(unit, false, NOW + DAY);
	rotate(unit, true, NOW + DAY + 1);
	assert_int_equal(unit->keys.n, 1);
	unit_close(unit);
	unit_open(unit);
	assert_int_equal(unit->keys.n, 1);
	assert_int_equal(unit->keys.keys[0].made_at, NOW + DAY + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_mate_has_the_same_keys_also_after_a_restart),
		TEST(no_byte_of_a_key_lies_in_what_is_stored_and_sent),
		TEST(a_unit_without_the_pairs_key_keeps_what_it_has),
		TEST(what_was_changed_on_its_way_is_refused),
		TEST(the_key_before_is_forgotten_when_its_time_is_over),
		TEST(forgetting_leaves_the_new_one_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
