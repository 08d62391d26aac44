/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "certstore/store/digest.h"
#include "certstore/store/store.h"
#include "tests/unit/store_fixture.h"

#define LARGE 5000
#define LARGE_RECORD 3700 /* a page each */

struct world {
	char *directory;
	struct store *store;
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	world->directory = fixture_directory();
	assert_int_equal(store_open(world->directory, &world->store, NULL), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	store_close(world->store);
	fixture_remove(world->directory);
	free(world);
	return 0;
}

static void reopen(struct world *world)
{
	store_close(world->store);
	world->store = NULL;
	assert_int_equal(store_open(world->directory, &world->store, NULL), 0);
}

static void what_was_stored_is_there_after_reopening(void **state)
{
	struct world *world = *state;
	struct store_position before, after;
	struct buf value = {0}, expected = {0};

	fixture_put(world->store, 2, "vpn", 4000, 7);
	store_position(world->store, &before);
	assert_int_equal(before.term, 2);
	assert_int_equal(before.seq, 1);
	assert_int_equal(before.count, 1);
	reopen(world);
	store_position(world->store, &after);
	fixture_assert_at(&before, &after);
	assert_int_equal(store_get(world->store, "trustpoint/vpn", &value), 0);
	fixture_record("vpn", 1, 4000, 7, &expected);
	assert_int_equal(value.size, expected.size);
	assert_memory_equal(value.data, expected.data, expected.size);
	assert_int_equal(store_verify(world->store, NULL), 0);
	buf_done(&value);
	buf_done(&expected);
}

static void the_root_digest_does_not_depend_on_the_order_of_changes(void **state)
{
	struct world *world = *state;
	struct store_position first, second, empty;

	store_position(world->store, &empty);
	fixture_put(world->store, 1, "a", 100, 1);
	fixture_put(world->store, 1, "b", 100, 2);
	fixture_put(world->store, 1, "c", 100, 3);
	store_position(world->store, &first);
	fixture_delete(world->store, 1, "a");
	fixture_delete(world->store, 1, "c");
	fixture_put(world->store, 1, "c", 100, 9);
	fixture_put(world->store, 1, "c", 100, 3);
	fixture_put(world->store, 1, "a", 100, 1);
	store_position(world->store, &second);
	assert_memory_equal(first.digest, second.digest, STORE_DIGEST_SIZE);
	assert_int_equal(first.count, second.count);
	fixture_delete(world->store, 1, "a");
	fixture_delete(world->store, 1, "b");
	fixture_delete(world->store, 1, "c");
	store_position(world->store, &second);
	assert_memory_equal(empty.digest, second.digest, STORE_DIGEST_SIZE);
	assert_int_equal(second.count, 0);
}

static void adding_and_subtracting_a_digest_carries_through_all_bytes(void **state)
{
	uint8_t root[STORE_DIGEST_SIZE], ones[STORE_DIGEST_SIZE], one[STORE_DIGEST_SIZE] = {1};
	uint8_t zero[STORE_DIGEST_SIZE] = {0};

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	memcpy(root, ones, sizeof(root));
	digest_add(root, one);
	assert_memory_equal(root, zero, sizeof(zero));
	digest_subtract(root, one);
	assert_memory_equal(root, ones, sizeof(ones));
	digest_add(root, ones);
	digest_subtract(root, ones);
	assert_memory_equal(root, ones, sizeof(ones));
}

static void a_change_in_an_older_term_is_refused(void **state)
{
	struct world *world = *state;
	struct store_change change = {"trustpoint/b", (const uint8_t *)"x", 1};
	struct store_position before, after;
	struct why why = {0};

	fixture_put(world->store, 4, "a", 10, 1);
	store_position(world->store, &before);
	assert_int_equal(store_change(world->store, 3, &change, 1, &why), ERR_NOT_ACTIVE);
	assert_non_null(strstr(why.text, "other unit"));
	store_position(world->store, &after);
	fixture_assert_at(&before, &after);
}

static void keys_and_sizes_that_do_not_belong_in_the_replicated_family_are_refused(void **state)
{
	struct world *world = *state;
	static uint8_t huge[STORE_VALUE_MAX + 1];
	struct store_change bad[] = {
		{"unit/secret", (const uint8_t *)"x", 1},
		{"", (const uint8_t *)"x", 1},
		{"trustpoint/", (const uint8_t *)"x", 1},
		{"trustpoint/a b", (const uint8_t *)"x", 1},
		{"localca/ca", (const uint8_t *)"x", 1},
	};
	struct store_change too_large = {"trustpoint/a", huge, sizeof(huge)};
	struct store_position position;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(store_change(world->store, 1, &bad[i], 1, NULL), ERR_MALFORMED);
	assert_int_equal(store_change(world->store, 1, &too_large, 1, NULL), ERR_TOO_LARGE);
	store_position(world->store, &position);
	assert_int_equal(position.seq, 0);
}

static int collect(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct buf *keys = userdata;

	(void)value;
	(void)size;
	return buf_append_format(keys, "%s ", key);
}

static void iteration_is_in_order_and_stops_with_the_prefix(void **state)
{
	struct world *world = *state;
	struct store_change unit = {"trustpoint/home", (const uint8_t *)"x", 1};
	struct buf keys = {0};
	uint64_t n;

	fixture_put(world->store, 1, "b", 10, 1);
	fixture_put(world->store, 1, "a", 10, 1);
	fixture_put(world->store, 1, "c", 10, 1);
	assert_int_equal(store_unit_change(world->store, &unit, 1, NULL), 0);
	assert_int_equal(store_each(world->store, "trustpoint/", collect, &keys), 0);
	assert_string_equal(buf_text(&keys), "trustpoint/a trustpoint/b trustpoint/c ");
	buf_clear(&keys);
	assert_int_equal(
		store_each_after(world->store, "trustpoint/", "trustpoint/a", collect, &keys), 0);
	assert_string_equal(buf_text(&keys), "trustpoint/b trustpoint/c ");
	buf_clear(&keys);
	assert_int_equal(
		store_each_after(world->store, "trustpoint/", "trustpoint/ab", collect, &keys), 0);
	assert_string_equal(buf_text(&keys), "trustpoint/b trustpoint/c ");
	buf_clear(&keys);
	assert_int_equal(store_unit_each(world->store, "", collect, &keys), 0);
	assert_string_equal(buf_text(&keys), "trustpoint/home ");
	assert_int_equal(store_count(world->store, "generation/", &n), 0);
	assert_int_equal(n, 0);
	buf_done(&keys);
}

static void the_unit_family_does_not_move_the_position(void **state)
{
	struct world *world = *state;
	struct store_change set = {"terms", (const uint8_t *)"x", 1}, drop = {"terms", NULL, 0};
	struct store_position before, after;
	struct buf value = {0};

	store_position(world->store, &before);
	assert_int_equal(store_unit_change(world->store, &set, 1, NULL), 0);
	reopen(world);
	assert_int_equal(store_unit_get(world->store, "terms", &value), 0);
	assert_int_equal(store_get(world->store, "terms", &value), ERR_NOT_FOUND);
	assert_int_equal(store_unit_change(world->store, &drop, 1, NULL), 0);
	assert_int_equal(store_unit_change(world->store, &drop, 1, NULL), 0);
	assert_int_equal(store_unit_get(world->store, "terms", &value), ERR_NOT_FOUND);
	store_position(world->store, &after);
	fixture_assert_at(&before, &after);
	buf_done(&value);
}

struct runs {
	unsigned n;
	uint64_t bytes;
	int refusal;
};

static int run_counted(store_work_fn work, void *work_userdata, uint64_t bytes, void *userdata)
{
	struct runs *runs = userdata;

	runs->n++;
	runs->bytes = bytes;
	return runs->refusal < 0 ? runs->refusal : work(work_userdata);
}

static void a_change_of_either_family_is_made_whole_by_the_runner_or_not_at_all(void **state)
{
	struct world *world = *state;
	static const uint8_t value[1000];
	const struct store_change own[] = {{"own/1", value, 1000}, {"own/2", value, 1000}};
	const struct store_change shared = {"trustpoint/1", value, 1000};
	const uint8_t id[STORE_KEK_ID_SIZE] = {1};
	struct store_position before, after;
	struct runs runs = {0};
	struct why why = {0};

	store_set_runner(world->store, run_counted, &runs);
	assert_int_equal(store_unit_change(world->store, own, 2, NULL), 0);
	assert_int_equal(runs.n, 1);
	assert_int_equal(runs.bytes, 2000);
	assert_int_equal(store_change(world->store, 1, &shared, 1, NULL), 0);
	assert_int_equal(runs.n, 2);
	assert_int_equal(runs.bytes, 1000);
	assert_int_equal(store_kek_id_set(world->store, id), 0);
	assert_int_equal(runs.n, 3);
	store_position(world->store, &before);
	runs.refusal = ERR_BUSY;
	assert_int_equal(store_change(world->store, 1, &shared, 1, &why), ERR_BUSY);
	assert_non_null(strstr(why.text, "nothing was changed"));
	assert_int_equal(store_unit_change(world->store, own, 1, NULL), ERR_BUSY);
	store_position(world->store, &after);
	fixture_assert_at(&before, &after);
}

static void a_full_disk_leaves_everything_as_it_was(void **state)
{
	struct world *world = *state;
	struct rlimit old, small;
	struct store_position before, after;
	struct stat info;
	struct buf record = {0};
	struct store_change change = {"trustpoint/big", NULL, 0};
	struct why why = {0};
	char path[512];

	fixture_put(world->store, 1, "a", 4000, 1);
	store_position(world->store, &before);
	(void)snprintf(path, sizeof(path), "%s/data.mdb", world->directory);
	assert_int_equal(stat(path, &info), 0);
	fixture_record("big", 1, 120000, 5, &record);
	change.value = record.data;
	change.value_size = record.size;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = (rlim_t)info.st_size;
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(store_change(world->store, 1, &change, 1, &why), -ENOSPC);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_non_null(strstr(why.text, "space"));
	store_position(world->store, &after);
	fixture_assert_at(&before, &after);
	assert_int_equal(store_verify(world->store, NULL), 0);
	/* And it works again when there is room. */
	assert_int_equal(store_change(world->store, 1, &change, 1, NULL), 0);
	reopen(world);
	assert_int_equal(store_verify(world->store, NULL), 0);
	buf_done(&record);
}

static void a_damaged_record_is_found(void **state)
{
	struct world *world = *state;
	struct buf record = {0}, value = {0}, file = {0};
	struct why why = {0};
	char path[512];
	FILE *stream;
	uint8_t *at;

	fixture_put(world->store, 1, "a", 6000, 77);
	fixture_record("a", 1, 6000, 77, &record);
	store_close(world->store);
	world->store = NULL;
	(void)snprintf(path, sizeof(path), "%s/data.mdb", world->directory);
	stream = fopen(path, "r+");
	assert_non_null(stream);
	assert_int_equal(buf_reserve(&file, 1 << 20), 0);
	file.size = fread(file.data, 1, 1 << 20, stream);
	at = memmem(file.data, file.size, record.data, record.size);
	assert_non_null(at);
	assert_int_equal(fseek(stream, at - file.data + 3000, SEEK_SET), 0);
	assert_int_equal(fputc(at[3000] ^ 1, stream), at[3000] ^ 1);
	assert_int_equal(fclose(stream), 0);
	assert_int_equal(store_open(world->directory, &world->store, NULL), 0);
	assert_int_equal(store_get(world->store, "trustpoint/a", &value), ERR_STORE);
	assert_int_equal(store_verify(world->store, &why), ERR_STORE);
	assert_non_null(strstr(why.text, "trustpoint/a"));
	buf_done(&record);
	buf_done(&value);
	buf_done(&file);
}

#define MANY 3000u

static void put_many(struct world *world)
{
	struct store_change *changes = calloc(MANY, sizeof(*changes));
	struct buf *records = calloc(MANY, sizeof(*records));
	char(*keys)[40] = calloc(MANY, sizeof(*keys));

	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "trustpoint/many-%04u", i);
		fixture_record(keys[i] + strlen("trustpoint/"), 1, 100, i + 1, &records[i]);
		changes[i] = (struct store_change){keys[i], records[i].data, records[i].size};
	}
	assert_int_equal(store_change(world->store, 1, changes, MANY, NULL), 0);
	for (unsigned i = 0; i < MANY; i++)
		buf_done(&records[i]);
	free(records);
	free(changes);
	free(keys);
}

/* The last one of the record; a second time it is as it was. */
static void turn_bit(const struct world *world, unsigned number)
{
	struct buf record = {0}, file = {0};
	char path[512], name[32];
	FILE *stream;
	uint8_t *at;
	long place;

	(void)snprintf(name, sizeof(name), "many-%04u", number);
	fixture_record(name, 1, 100, number + 1, &record);
	(void)snprintf(path, sizeof(path), "%s/data.mdb", world->directory);
	stream = fopen(path, "r+");
	assert_non_null(stream);
	assert_int_equal(buf_reserve(&file, 1 << 24), 0);
	file.size = fread(file.data, 1, 1 << 24, stream);
	at = memmem(file.data, file.size, record.data, record.size - 1);
	assert_non_null(at);
	place = at - file.data + (long)record.size - 1;
	assert_int_equal(fseek(stream, place, SEEK_SET), 0);
	assert_int_equal(fputc(file.data[place] ^ 1, stream), file.data[place] ^ 1);
	assert_int_equal(fclose(stream), 0);
	buf_done(&record);
	buf_done(&file);
}

/* More than one thread does alone: whoever meets it, it is found and named. */
static void of_very_many_records_each_that_is_damaged_is_found(void **state)
{
	static const unsigned numbers[] = {0, 63, 64, 127, 128, 200, 256, 2040, MANY - 1};
	struct world *world = *state;
	struct why why = {0};

	put_many(world);
	assert_int_equal(store_verify(world->store, NULL), 0);
	store_close(TAKE_PTR(world->store));
	assert_int_equal(store_probe(world->directory, &why), 0);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		char name[40];

		(void)snprintf(name, sizeof(name), "trustpoint/many-%04u", numbers[i]);
		turn_bit(world, numbers[i]);
		assert_int_equal(store_probe(world->directory, &why), ERR_STORE);
		assert_non_null(strstr(why.text, name));
		turn_bit(world, numbers[i]);
	}
	/* The first of several. */
	turn_bit(world, 100);
	turn_bit(world, 2000);
	assert_int_equal(store_probe(world->directory, &why), ERR_STORE);
	assert_non_null(strstr(why.text, "many-0100"));
}

/* Until the end of the family. */
static int scrub(struct world *world, bool is_unit, unsigned *ret_n_slices, char *after)
{
	int r;

	after[0] = 0;
	*ret_n_slices = 0;
	do {
		r = store_scrub(world->store, is_unit, 100, after);
		(*ret_n_slices)++;
	} while (r == 0 && after[0]);
	return r;
}

static void a_bit_that_turns_over_is_found_without_a_reader(void **state)
{
	static const unsigned numbers[] = {0, 99, 100, MANY - 1};
	struct store_change own = {"terms", (const uint8_t *)"one two three", 13};
	struct world *world = *state;
	char after[STORE_KEY_MAX + 1];
	unsigned n;

	put_many(world);
	assert_int_equal(store_unit_change(world->store, &own, 1, NULL), 0);
	assert_int_equal(scrub(world, false, &n, after), 0);
	assert_int_equal(n, (MANY + 99) / 100);
	assert_int_equal(scrub(world, true, &n, after), 0);
	assert_int_equal(n, 1);
	assert_false(store_is_damage_seen(world->store));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		char before[40] = "";

		reopen(world);
		turn_bit(world, numbers[i]);
		assert_int_equal(scrub(world, false, &n, after), ERR_STORE);
		if (numbers[i] > 0)
			(void)snprintf(before, sizeof(before), "trustpoint/many-%04u",
				       numbers[i] - 1);
		assert_string_equal(after, before);
		assert_true(store_is_damage_seen(world->store));
		assert_int_equal(scrub(world, true, &n, after), 0);
		turn_bit(world, numbers[i]);
	}
}

/* 0 with an allocator that is not glibc's. */
static size_t memory_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void the_memory_of_a_very_large_change_is_given_back(void **state)
{
	static const char *const keys[] = {"trustpoint/first", "trustpoint/second"};
	static uint8_t value[LARGE_RECORD];
	struct world *world = *state;
	struct store_change *changes = calloc(LARGE, sizeof(*changes));
	struct store_position before, after;
	size_t in_use;

	assert_non_null(changes);
	for (size_t i = 0; i < LARGE; i++) {
		char name[40];

		(void)snprintf(name, sizeof(name), "trustpoint/large-%05zu", i);
		changes[i] = (struct store_change){strdup(name), value, sizeof(value)};
	}
	assert_int_equal(store_slack(world->store), 0);
	assert_int_equal(store_change(world->store, 1, changes, LARGE, NULL), 0);
	store_position(world->store, &before);
	assert_true(store_slack(world->store) >= (uint64_t)LARGE * LARGE_RECORD);
	in_use = memory_in_use();
	assert_int_equal(store_trim(world->store, NULL), 0);
	assert_int_equal(store_slack(world->store), 0);
	assert_true(in_use == 0 || memory_in_use() + (size_t)LARGE * LARGE_RECORD <= in_use);

	store_position(world->store, &after);
	fixture_assert_at(&before, &after);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct store_change change = {keys[i], value, sizeof(value)};

		assert_int_equal(store_change(world->store, 1, &change, 1, NULL), 0);
	}
	reopen(world);
	assert_int_equal(store_verify(world->store, NULL), 0);
	assert_int_equal(store_trustpoints(world->store), LARGE + 2);
	for (size_t i = 0; i < LARGE; i++)
		free((char *)(uintptr_t)changes[i].key);
	free(changes);
}

static void assert_is_refused(struct world *world)
{
	struct why why = {0};
	int r = store_probe(world->directory, &why);

	if (r == 0)
		r = store_open(world->directory, &world->store, &why);
	assert_int_equal(r, ERR_STORE);
	assert_non_null(strstr(why.text, "damaged"));
}

static void a_file_that_was_cut_off_or_overwritten_is_an_error_and_no_crash(void **state)
{
	struct world *world = *state;
	char path[512], name[16];
	FILE *stream;

	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "t%d", i);
		fixture_put(world->store, 1, name, 500, (uint64_t)i);
	}
	assert_int_equal(store_probe(world->directory, NULL), 0);
	store_close(world->store);
	world->store = NULL;
	(void)snprintf(path, sizeof(path), "%s/data.mdb", world->directory);
	assert_int_equal(truncate(path, 5 * 4096), 0);
	assert_is_refused(world);
	stream = fopen(path, "w");
	for (int i = 0; i < 70000; i++)
		assert_int_not_equal(fputc('x', stream), EOF);
	assert_int_equal(fclose(stream), 0);
	assert_is_refused(world);
}

static int count_key(const char *key, void *userdata)
{
	(void)key;
	(*(int *)userdata)++;
	return 0;
}

static void the_journal_tells_what_a_term_changed(void **state)
{
	struct world *world = *state;
	bool is_whole = false;
	int n = 0;

	fixture_put(world->store, 2, "a", 10, 1);
	fixture_put(world->store, 2, "b", 10, 1);
	fixture_put(world->store, 5, "c", 10, 1);
	assert_int_equal(store_journal_each(world->store, 2, count_key, &n, &is_whole), 0);
	assert_true(is_whole);
	assert_int_equal(n, 2);
	n = 0;
	assert_int_equal(store_journal_each(world->store, 3, count_key, &n, &is_whole), 0);
	assert_true(is_whole);
	assert_int_equal(n, 0);
}

static void the_id_of_the_encryption_key_is_kept_beside_the_items(void **state)
{
	struct world *world = *state;
	uint8_t id[STORE_KEK_ID_SIZE] = {1, 2, 3}, read_id[STORE_KEK_ID_SIZE] = {0};

	assert_int_equal(store_kek_id(world->store, read_id), ERR_NOT_FOUND);
	assert_int_equal(store_kek_id_set(world->store, id), 0);
	reopen(world);
	assert_int_equal(store_kek_id(world->store, read_id), 0);
	assert_memory_equal(id, read_id, sizeof(id));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_stored_is_there_after_reopening),
		TEST(the_root_digest_does_not_depend_on_the_order_of_changes),
		cmocka_unit_test(adding_and_subtracting_a_digest_carries_through_all_bytes),
		TEST(a_change_in_an_older_term_is_refused),
		TEST(keys_and_sizes_that_do_not_belong_in_the_replicated_family_are_refused),
		TEST(iteration_is_in_order_and_stops_with_the_prefix),
		TEST(the_unit_family_does_not_move_the_position),
		TEST(a_change_of_either_family_is_made_whole_by_the_runner_or_not_at_all),
		TEST(a_full_disk_leaves_everything_as_it_was),
		TEST(a_damaged_record_is_found),
		TEST(of_very_many_records_each_that_is_damaged_is_found),
		TEST(a_bit_that_turns_over_is_found_without_a_reader),
		TEST(the_memory_of_a_very_large_change_is_given_back),
		TEST(a_file_that_was_cut_off_or_overwritten_is_an_error_and_no_crash),
		TEST(the_journal_tells_what_a_term_changed),
		TEST(the_id_of_the_encryption_key_is_kept_beside_the_items),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
