/* SPDX-License-Identifier: Apache-2.0 */
/* Who has guessed too often, and for how long he waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "auth/lockout.h"
#include "base/cleanup.h"
#include "base/err.h"

static struct monotime at(uint64_t ms)
{
	return (struct monotime){ms * MONOTIME_NS_PER_MS};
}

static const uint8_t here[4] = {192, 0, 2, 1};
static const uint8_t there[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1, 1};
static const uint8_t there_too[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1, 2};
static const uint8_t elsewhere[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 2, 1};

static void
five_wrong_ones_lock_a_user_at_their_source_and_each_further_lock_is_longer(void **state)
{
	struct lockout *lockout;
	uint64_t now = 1000, wait, before = 0;

	(void)state;
	assert_int_equal(lockout_new(&lockout), 0);
	for (int i = 0; i < LOCKOUT_TRIES; i++) {
		assert_int_equal(lockout_wait(lockout, "anna", there, 16, at(now)), 0);
		assert_int_equal(lockout_failed(lockout, "anna", there, 16, at(now)), 0);
	}
	wait = lockout_wait(lockout, "anna", there_too, 16, at(now));
	assert_int_equal(wait, LOCKOUT_FIRST_MS);
	assert_int_equal(lockout_wait(lockout, "anna", here, 4, at(now)), 0);
	assert_int_equal(lockout_wait(lockout, "anna", elsewhere, 16, at(now)), 0);
	assert_int_equal(lockout_wait(lockout, "bert", there, 16, at(now)), 0);
	while (wait < LOCKOUT_MAX_MS) {
		assert_true(wait > before);
		before = wait;
		now += wait;
		assert_int_equal(lockout_wait(lockout, "anna", there, 16, at(now - 1)), 1);
		assert_int_equal(lockout_wait(lockout, "anna", there, 16, at(now)), 0);
		assert_int_equal(lockout_failed(lockout, "anna", there, 16, at(now)), 0);
		wait = lockout_wait(lockout, "anna", there, 16, at(now));
	}
	now += LOCKOUT_FORGET_MS;
	assert_int_equal(lockout_failed(lockout, "anna", there, 16, at(now)), 0);
	assert_int_equal(lockout_wait(lockout, "anna", there, 16, at(now)), 0);
	lockout_free(lockout);
}

/* As many as lock the name: five of each source. */
static void guess_from_everywhere(struct lockout *lockout, const char *user, uint64_t now)
{
	for (int i = 0; i < LOCKOUT_USER_TRIES; i++) {
		uint8_t source[4] = {203, 0, 113, (uint8_t)(i / LOCKOUT_TRIES)};

		assert_int_equal(lockout_failed(lockout, user, source, 4, at(now)), 0);
	}
}

static void guesses_from_everywhere_lock_out_whoever_is_not_known_at_his_source(void **state)
{
	struct lockout *lockout;
	uint64_t now = 1000;

	(void)state;
	assert_int_equal(lockout_new(&lockout), 0);
	lockout_succeeded(lockout, "anna", there, 16, at(now));
	guess_from_everywhere(lockout, "anna", now);
	assert_int_equal(lockout_wait(lockout, "anna", here, 4, at(now)), LOCKOUT_FIRST_MS);
	assert_int_equal(lockout_wait(lockout, "anna", there_too, 16, at(now)), 0);
	assert_int_equal(lockout_wait(lockout, "bert", here, 4, at(now)), 0);
	/* A login of hers does not begin the strangers' count anew. */
	lockout_succeeded(lockout, "anna", there, 16, at(now));
	assert_int_equal(lockout_wait(lockout, "anna", here, 4, at(now)), LOCKOUT_FIRST_MS);
	/* Nor is she known for another user's login, or elsewhere. */
	guess_from_everywhere(lockout, "bert", now);
	assert_true(lockout_wait(lockout, "bert", there, 16, at(now)) > 0);
	assert_true(lockout_wait(lockout, "anna", elsewhere, 16, at(now)) > 0);
	/* Her own mistakes count there. */
	for (int i = 0; i < LOCKOUT_TRIES; i++)
		assert_int_equal(lockout_failed(lockout, "anna", there, 16, at(now)), 0);
	assert_true(lockout_wait(lockout, "anna", there, 16, at(now)) > 0);
	now += LOCKOUT_KNOWN_MS - 1;
	guess_from_everywhere(lockout, "anna", now);
	assert_int_equal(lockout_wait(lockout, "anna", there, 16, at(now)), 0);
	assert_true(lockout_wait(lockout, "anna", there, 16, at(now + 1)) > 0);
	lockout_free(lockout);
}

static void a_right_password_cleans_the_user_but_not_the_source(void **state)
{
	struct lockout *lockout;
	char name[16];

	(void)state;
	assert_int_equal(lockout_new(&lockout), 0);
	for (int i = 0; i < LOCKOUT_SOURCE_TRIES; i++) {
		assert_int_equal(lockout_wait(lockout, "mine", there, 16, at(1)), 0);
		(void)snprintf(name, sizeof(name), "user%d", i);
		assert_int_equal(lockout_failed(lockout, name, there, 16, at(1)), 0);
		lockout_succeeded(lockout, "mine", there, 16, at(1));
	}
	assert_true(lockout_wait(lockout, "mine", there, 16, at(1)) > 0);
	assert_true(lockout_wait(lockout, "mine", there_too, 16, at(1)) > 0);
	assert_int_equal(lockout_wait(lockout, "mine", elsewhere, 16, at(1)), 0);
	assert_int_equal(lockout_wait(lockout, "mine", here, 4, at(1)), 0);
	for (int i = 0; i < LOCKOUT_TRIES - 1; i++)
		assert_int_equal(lockout_failed(lockout, "anna", here, 4, at(1)), 0);
	lockout_succeeded(lockout, "anna", here, 4, at(1));
	assert_int_equal(lockout_failed(lockout, "anna", here, 4, at(1)), 0);
	assert_int_equal(lockout_wait(lockout, "anna", here, 4, at(1)), 0);
	lockout_free(lockout);
}

static void a_flood_of_names_does_not_free_who_is_locked_last(void **state)
{
	struct lockout *lockout;
	char name[16];

	(void)state;
	assert_int_equal(lockout_new(&lockout), 0);
	for (uint64_t i = 0; i < LOCKOUT_ENTRIES_MAX + 100; i++) {
		(void)snprintf(name, sizeof(name), "u%llu", (unsigned long long)i);
		assert_int_equal(lockout_failed(lockout, name, NULL, 0, at(i)), 0);
	}
	for (int i = 0; i < LOCKOUT_TRIES; i++)
		assert_int_equal(lockout_failed(lockout, "anna", NULL, 0, at(9000)), 0);
	for (uint64_t i = 0; i < LOCKOUT_ENTRIES_MAX - 1; i++) {
		(void)snprintf(name, sizeof(name), "v%llu", (unsigned long long)i);
		assert_int_equal(lockout_failed(lockout, name, NULL, 0, at(9001)), 0);
	}
	assert_true(lockout_wait(lockout, "anna", NULL, 0, at(9001)) > 0);
	lockout_free(lockout);
}

static void what_one_unit_counts_the_other_goes_on_with(void **state)
{
	struct lockout_entry entries[LOCKOUT_EXPORT_MAX];
	struct lockout *here_counts, *there_counts;
	char name[16];
	size_t n;

	(void)state;
	assert_int_equal(lockout_new(&here_counts), 0);
	assert_int_equal(lockout_new(&there_counts), 0);
	for (int i = 0; i < LOCKOUT_TRIES; i++)
		assert_int_equal(lockout_failed(here_counts, "anna", here, 4, at(5000)), 0);
	for (int i = 0; i < LOCKOUT_TRIES - 1; i++)
		assert_int_equal(lockout_failed(here_counts, "bert", here, 4, at(6000)), 0);
	assert_int_equal(lockout_failed(there_counts, "carl", here, 4, at(1)), 0);
	n = lockout_export(here_counts, entries, at(10000));
	assert_int_equal(n, 5);
	/* Another clock, which has only just begun. */
	assert_int_equal(lockout_replace(there_counts, entries, n, at(100)), 0);
	assert_int_equal(lockout_wait(there_counts, "anna", here, 4, at(100)),
			 LOCKOUT_FIRST_MS - 5000);
	assert_int_equal(lockout_wait(there_counts, "bert", here, 4, at(100)), 0);
	assert_int_equal(lockout_failed(there_counts, "bert", here, 4, at(101)), 0);
	assert_true(lockout_wait(there_counts, "bert", here, 4, at(101)) > 0);
	/* Ten of this address are known; ten more, and it is locked. */
	for (int i = 0; i < LOCKOUT_SOURCE_TRIES - 10; i++) {
		assert_int_equal(lockout_wait(there_counts, "dora", here, 4, at(102)), 0);
		(void)snprintf(name, sizeof(name), "other%d", i);
		assert_int_equal(lockout_failed(there_counts, name, here, 4, at(102)), 0);
	}
	assert_true(lockout_wait(there_counts, "dora", here, 4, at(102)) > 0);
	assert_int_equal(lockout_replace(there_counts, NULL, 0, at(103)), 0);
	assert_int_equal(lockout_wait(there_counts, "anna", here, 4, at(103)), 0);
	/* A mate cannot lock anybody for longer than this unit would. */
	for (size_t i = 0; i < n; i++) {
		entries[i].locked_ms = UINT64_MAX;
		entries[i].age_ms = UINT64_MAX;
		entries[i].failures = UINT32_MAX;
	}
	assert_int_equal(lockout_replace(there_counts, entries, n, at(104)), 0);
	assert_int_equal(lockout_wait(there_counts, "anna", here, 4, at(104)), LOCKOUT_MAX_MS);
	lockout_free(here_counts);
	lockout_free(there_counts);
}

static void who_is_known_at_one_unit_is_known_at_the_other(void **state)
{
	struct lockout_entry entries[LOCKOUT_EXPORT_MAX];
	struct lockout *here_counts, *there_counts;
	char name[16];
	size_t n;

	(void)state;
	assert_int_equal(lockout_new(&here_counts), 0);
	assert_int_equal(lockout_new(&there_counts), 0);
	lockout_succeeded(there_counts, "carl", here, 4, at(50));
	for (int i = 0; i < 2 * LOCKOUT_EXPORT_KNOWN; i++) {
		(void)snprintf(name, sizeof(name), "early%d", i);
		lockout_succeeded(here_counts, name, here, 4, at(1000));
	}
	lockout_succeeded(here_counts, "anna", there, 16, at(2000));
	guess_from_everywhere(here_counts, "anna", 3000);
	guess_from_everywhere(here_counts, "carl", 3000);
	n = lockout_export(here_counts, entries, at(4000));
	assert_int_equal(lockout_replace(there_counts, entries, n, at(100)), 0);
	assert_true(lockout_wait(there_counts, "anna", here, 4, at(100)) > 0);
	assert_int_equal(lockout_wait(there_counts, "anna", there, 16, at(100)), 0);
	/* What a unit knows it does not forget for what the other says. */
	assert_true(lockout_wait(there_counts, "carl", there, 16, at(100)) > 0);
	assert_int_equal(lockout_wait(there_counts, "carl", here, 4, at(100)), 0);
	/* Those who logged in last are told, however many there are. */
	assert_int_equal(n, LOCKOUT_EXPORT_KNOWN + 2 + 5 + 2 * 5);
	lockout_free(here_counts);
	lockout_free(there_counts);
}

/* From nowhere: by name alone, and at another name each. */
static void flood(struct lockout *lockout, const char *prefix, unsigned n, uint64_t now)
{
	char name[32];

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "%s%u", prefix, i);
		assert_int_equal(lockout_failed(lockout, name, NULL, 0, at(now)), 0);
	}
}

static void a_flood_of_names_ends_no_lock_that_was_there_before(void **state)
{
	struct lockout *lockout;
	uint64_t wait;

	(void)state;
	assert_int_equal(lockout_new(&lockout), 0);
	guess_from_everywhere(lockout, "anna", 1000);
	wait = lockout_wait(lockout, "anna", here, 4, at(2000));
	assert_int_equal(wait, LOCKOUT_FIRST_MS - 1000);
	flood(lockout, "u", 2 * LOCKOUT_ENTRIES_MAX, 2000);
	assert_int_equal(lockout_wait(lockout, "anna", here, 4, at(2000)), wait);
	/* Nor is she forgotten when it has ended: the next one is longer. */
	flood(lockout, "v", 2 * LOCKOUT_ENTRIES_MAX, 1000 + LOCKOUT_FIRST_MS);
	assert_int_equal(
		lockout_failed(lockout, "anna", elsewhere, 16, at(1000 + LOCKOUT_FIRST_MS)), 0);
	assert_int_equal(lockout_wait(lockout, "anna", here, 4, at(1000 + LOCKOUT_FIRST_MS)),
			 2 * LOCKOUT_FIRST_MS);
	lockout_free(lockout);
}

static void a_lock_stands_before_greater_counts_whose_locks_have_ended(void **state)
{
	struct lockout *lockout;

	(void)state;
	assert_int_equal(lockout_new(&lockout), 0);
	for (int i = 0; i < LOCKOUT_TRIES + 1; i++)
		flood(lockout, "u", LOCKOUT_ENTRIES_MAX - 1, 1000);
	for (int i = 0; i < LOCKOUT_TRIES; i++)
		assert_int_equal(lockout_failed(lockout, "anna", NULL, 0, at(100000)), 0);
	flood(lockout, "v", 10, 100001);
	assert_int_equal(lockout_wait(lockout, "anna", NULL, 0, at(100001)), LOCKOUT_FIRST_MS - 1);
	lockout_free(lockout);
}

static void a_flood_of_names_begins_no_count_anew(void **state)
{
	struct lockout *lockout;

	(void)state;
	assert_int_equal(lockout_new(&lockout), 0);
	for (int i = 0; i < LOCKOUT_TRIES - 1; i++)
		assert_int_equal(lockout_failed(lockout, "anna", NULL, 0, at(1000)), 0);
	flood(lockout, "u", LOCKOUT_ENTRIES_MAX + 100, 2000);
	assert_int_equal(lockout_wait(lockout, "anna", NULL, 0, at(3000)), 0);
	assert_int_equal(lockout_failed(lockout, "anna", NULL, 0, at(3000)), 0);
	assert_int_equal(lockout_wait(lockout, "anna", NULL, 0, at(3000)), LOCKOUT_FIRST_MS);
	lockout_free(lockout);
}

static void in_a_table_full_of_others_a_new_name_is_counted_between_newer_ones(void **state)
{
	struct lockout *lockout;
	char name[32];

	(void)state;
	assert_int_equal(lockout_new(&lockout), 0);
	for (int i = 0; i < 2; i++)
		flood(lockout, "u", LOCKOUT_ENTRIES_MAX, 1000);
	for (int i = 0; i < LOCKOUT_TRIES; i++) {
		(void)snprintf(name, sizeof(name), "between%d", i);
		assert_int_equal(lockout_failed(lockout, "anna", NULL, 0, at(2000)), 0);
		assert_int_equal(lockout_failed(lockout, name, NULL, 0, at(2001)), 0);
	}
	assert_true(lockout_wait(lockout, "anna", NULL, 0, at(2001)) > 0);
	lockout_free(lockout);
}

static void who_comes_new_to_a_full_table_is_locked_for_no_longer_than_at_first(void **state)
{
	struct lockout *lockout;

	(void)state;
	assert_int_equal(lockout_new(&lockout), 0);
	for (int i = 0; i < LOCKOUT_TRIES + 3; i++)
		flood(lockout, "u", LOCKOUT_ENTRIES_MAX, 1000);
	assert_int_equal(lockout_wait(lockout, "anna", NULL, 0, at(2000)), 0);
	assert_int_equal(lockout_failed(lockout, "anna", NULL, 0, at(2000)), 0);
	assert_int_equal(lockout_wait(lockout, "anna", NULL, 0, at(2000)), LOCKOUT_FIRST_MS);
	lockout_free(lockout);
}

static void one_users_logins_make_nobody_else_a_stranger(void **state)
{
	struct lockout *lockout;
	uint8_t source[16] = {0x20, 0x01, 0x0d, 0xb8, 0xff};

	(void)state;
	assert_int_equal(lockout_new(&lockout), 0);
	lockout_succeeded(lockout, "bert", there, 16, at(1000));
	for (unsigned i = 0; i < 5000; i++) {
		source[6] = (uint8_t)(i >> 8);
		source[7] = (uint8_t)i;
		lockout_succeeded(lockout, "anna", source, 16, at(2000 + i));
	}
	guess_from_everywhere(lockout, "bert", 8000);
	guess_from_everywhere(lockout, "anna", 8000);
	assert_int_equal(lockout_wait(lockout, "bert", there, 16, at(8000)), 0);
	/* She is known where she was last. */
	for (unsigned i = 0; i <= LOCKOUT_KNOWN_MAX; i++) {
		source[6] = (uint8_t)((4999 - i) >> 8);
		source[7] = (uint8_t)(4999 - i);
		assert_int_equal(lockout_wait(lockout, "anna", source, 16, at(8000)) > 0,
				 i == LOCKOUT_KNOWN_MAX);
	}
	lockout_free(lockout);
}

static void what_was_before_this_unit_was_started_is_as_old_as_it_is(void **state)
{
	struct lockout_entry entries[LOCKOUT_EXPORT_MAX];
	struct lockout *here_counts, *there_counts;
	const uint64_t hour = 3600000, minute = 60000;
	uint64_t now = LOCKOUT_KNOWN_MS;
	size_t n;

	(void)state;
	assert_int_equal(lockout_new(&here_counts), 0);
	assert_int_equal(lockout_new(&there_counts), 0);
	lockout_succeeded(here_counts, "anna", there, 16, at(hour));
	for (int i = 0; i < LOCKOUT_TRIES - 1; i++)
		assert_int_equal(lockout_failed(here_counts, "bert", here, 4,
						at(now + minute - LOCKOUT_FORGET_MS)),
				 0);
	n = lockout_export(here_counts, entries, at(now));
	/* It has just been started. */
	assert_int_equal(lockout_replace(there_counts, entries, n, at(100)), 0);
	assert_int_equal(lockout_failed(there_counts, "bert", here, 4, at(100 + minute)), 0);
	assert_int_equal(lockout_wait(there_counts, "bert", here, 4, at(100 + minute)), 0);
	guess_from_everywhere(there_counts, "anna", 99 + hour);
	assert_int_equal(lockout_wait(there_counts, "anna", there, 16, at(99 + hour)), 0);
	assert_true(lockout_wait(there_counts, "anna", there, 16, at(100 + hour)) > 0);
	lockout_free(here_counts);
	lockout_free(there_counts);
}

/* The key of a user at a source, as it is told: one that a user's name could be, with no byte of
 * zero but behind it. */
static void key_of_pair(const char *user, uint8_t source[static 4],
			char ret_name[static LOCKOUT_KEY_SIZE + 1])
{
	struct lockout_entry entries[LOCKOUT_EXPORT_MAX];
	char padded[LOCKOUT_KEY_SIZE];
	struct lockout *lockout;
	size_t n;

	ret_name[LOCKOUT_KEY_SIZE] = '\0';
	do {
		assert_int_not_equal(++source[3], 0);
		assert_int_equal(lockout_new(&lockout), 0);
		lockout_succeeded(lockout, user, source, 4, at(1));
		n = lockout_export(lockout, entries, at(1));
		assert_int_equal(n, 1);
		memcpy(ret_name, entries[0].key, LOCKOUT_KEY_SIZE);
		lockout_free(lockout);
		memset(padded, 0, sizeof(padded));
		memcpy(padded, ret_name, strlen(ret_name));
	} while (memcmp(padded, ret_name, LOCKOUT_KEY_SIZE) != 0);
}

static void a_name_that_looks_like_a_user_at_a_source_is_a_name(void **state)
{
	struct lockout_entry entries[LOCKOUT_EXPORT_MAX];
	struct lockout *here_counts, *there_counts;
	uint8_t source[4] = {192, 0, 2, 0};
	char name[LOCKOUT_KEY_SIZE + 1];
	size_t n;

	(void)state;
	key_of_pair("anna", source, name);
	assert_int_equal(lockout_new(&here_counts), 0);
	assert_int_equal(lockout_new(&there_counts), 0);
	guess_from_everywhere(here_counts, name, 1000);
	n = lockout_export(here_counts, entries, at(1000));
	assert_int_equal(lockout_replace(there_counts, entries, n, at(1000)), 0);
	assert_int_equal(lockout_wait(there_counts, "anna", source, 4, at(1000)), 0);
	assert_int_equal(lockout_wait(there_counts, name, here, 4, at(1000)), LOCKOUT_FIRST_MS);
	lockout_free(here_counts);
	lockout_free(there_counts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			five_wrong_ones_lock_a_user_at_their_source_and_each_further_lock_is_longer),
		cmocka_unit_test(
			guesses_from_everywhere_lock_out_whoever_is_not_known_at_his_source),
		cmocka_unit_test(who_is_known_at_one_unit_is_known_at_the_other),
		cmocka_unit_test(a_right_password_cleans_the_user_but_not_the_source),
		cmocka_unit_test(what_one_unit_counts_the_other_goes_on_with),
		cmocka_unit_test(a_flood_of_names_does_not_free_who_is_locked_last),
		cmocka_unit_test(a_flood_of_names_ends_no_lock_that_was_there_before),
		cmocka_unit_test(a_flood_of_names_begins_no_count_anew),
		cmocka_unit_test(a_lock_stands_before_greater_counts_whose_locks_have_ended),
		cmocka_unit_test(
			in_a_table_full_of_others_a_new_name_is_counted_between_newer_ones),
		cmocka_unit_test(
			who_comes_new_to_a_full_table_is_locked_for_no_longer_than_at_first),
		cmocka_unit_test(one_users_logins_make_nobody_else_a_stranger),
		cmocka_unit_test(what_was_before_this_unit_was_started_is_as_old_as_it_is),
		cmocka_unit_test(a_name_that_looks_like_a_user_at_a_source_is_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
