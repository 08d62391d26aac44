/* SPDX-License-Identifier: Apache-2.0 */
/* A store file in which bits turned over, whose end is gone, which is empty, which is older than it
 * was: found, mended as far as it goes, filled by the mate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "certstore/replica/replica.h"
#include "certstore/store/rescue.h"
#include "certstore/store/store.h"
#include "tests/unit/store_fixture.h"

#define PAGE 4096
#define TRUSTPOINTS 24

struct world {
	char *parent; /* of the store that is damaged: what is put aside lies beside it */
	char store[512], data[600];
	char *mate_directory;
	struct store *mate; /* holds the same */
	struct buf file;    /* as it was */
	struct store_position position;
};

static void copy_everything(struct store *from, struct store *to)
{
	struct store_position mate, target;
	struct replica_sender *sender = NULL;
	struct replica_stage *stage = NULL;
	enum replica_mode mode;
	char after[STORE_KEY_MAX + 1] = "";
	struct buf manifest = {0}, batch = {0};
	bool is_last = false;
	size_t n;

	store_position(to, &mate);
	assert_int_equal(replica_sender_new(store_replica(from), &mate, &sender, &mode, &target),
			 0);
	assert_int_not_equal(mode, REPLICA_EQUAL);
	while (mode == REPLICA_NEEDS_MANIFEST && !is_last) {
		buf_clear(&manifest);
		assert_int_equal(
			replica_manifest_next(store_replica(to), 4096, after, &manifest, &is_last),
			0);
		assert_int_equal(
			replica_sender_manifest(sender, manifest.data, manifest.size, is_last), 0);
	}
	assert_int_equal(replica_stage_new(store_replica(to), &stage), 0);
	for (is_last = false; !is_last;) {
		buf_clear(&batch);
		assert_int_equal(replica_sender_next(sender, 8192, &batch, &is_last, &n), 0);
		assert_int_equal(replica_stage_items(stage, batch.data, batch.size, NULL), 0);
	}
	assert_int_equal(replica_stage_commit(stage, &target, NULL, NULL), 0);
	replica_stage_free(stage);
	replica_sender_free(sender);
	buf_done(&manifest);
	buf_done(&batch);
}

static void put_unit(struct store *store, const char *key, const char *value)
{
	struct store_change change = {key, (const uint8_t *)value, strlen(value)};

	assert_int_equal(store_unit_change(store, &change, 1, NULL), 0);
}

static int setup(void **state)
{
	static const uint8_t kek[STORE_KEK_ID_SIZE] = {1, 2, 3};
	struct world *world = calloc(1, sizeof(*world));
	struct store *store = NULL;

	world->parent = fixture_directory();
	world->mate_directory = fixture_directory();
	(void)snprintf(world->store, sizeof(world->store), "%s/store", world->parent);
	(void)snprintf(world->data, sizeof(world->data), "%s/data.mdb", world->store);
	assert_int_equal(store_open(world->mate_directory, &world->mate, NULL), 0);
	assert_int_equal(store_open(world->store, &store, NULL), 0);
	put_unit(store, "key/failover", "a sealed key");
	put_unit(store, "terms", "two numbers");
	assert_int_equal(store_kek_id_set(store, kek), 0);
	for (unsigned i = 0; i < TRUSTPOINTS; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "vpn-%02u", i);
		fixture_put(store, 2, name, 400 + 300 * (i % 12), 2 * i + 1);
	}
	fixture_delete(store, 2, "vpn-07");
	copy_everything(store, world->mate);
	store_position(store, &world->position);
	store_close(store);
	assert_int_equal(io_read_file(world->data, 1u << 24, &world->file), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	store_close(world->mate);
	fixture_remove(world->parent);
	fixture_remove(world->mate_directory);
	buf_done(&world->file);
	free(world);
	return 0;
}

/* The store as it was, but for what COUNT bytes at OFFSET have become. */
static void restore(struct world *world)
{
	char path[700];
	int fd;

	(void)mkdir(world->store, 0700);
	fd = open(world->data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		fail_msg("%s: %s", world->data, strerror(errno));
	assert_int_equal(io_write_full(fd, world->file.data, world->file.size), 0);
	(void)close(fd);
	(void)snprintf(path, sizeof(path), "%s/lock.mdb", world->store);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/stamp", world->store);
	(void)unlink(path);
}

/* With the stamp that the store had last. */
static void restore_with_stamp(struct world *world)
{
	struct store *store = NULL;

	restore(world);
	assert_int_equal(store_open(world->store, &store, NULL), 0);
	store_close(store);
}

static void flip(struct world *world, size_t offset, unsigned bit)
{
	uint8_t byte = (uint8_t)(world->file.data[offset] ^ (1u << bit));
	int fd = open(world->data, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
	(void)close(fd);
}

/* The bytes of a record may lie in the file more than once: where it was before, too. */
static void flip_record(struct world *world, const char *name, size_t size, uint64_t seed)
{
	struct buf record = {0};
	size_t at = 0, n = 0;

	fixture_record(name, 1, size, seed, &record);
	for (;;) {
		const uint8_t *found =
			memmem(world->file.data + at, world->file.size - at, record.data + 40, 60);

		if (!found)
			break;
		at = (size_t)(found - world->file.data) + 5;
		flip(world, at, 3);
		n++;
	}
	assert_true(n > 0);
	buf_done(&record);
}

static void assert_unit_item(struct store *store, const char *key, const char *value)
{
	struct buf found = {0};

	assert_int_equal(store_unit_get(store, key, &found), 0);
	assert_int_equal(found.size, strlen(value));
	assert_memory_equal(found.data, value, found.size);
	buf_done(&found);
}

/* Everything that it has is true; what it lacks it says; the mate fills it. */
static void assert_usable(struct world *world, bool *ret_is_incomplete)
{
	struct fixture_comparison compare = {world->mate, 0};
	struct store_position position;
	struct store *store = NULL;

	assert_int_equal(store_open(world->store, &store, NULL), 0);
	assert_int_equal(store_each(store, "", fixture_compare_item, &compare), 0);
	assert_unit_item(store, "key/failover", "a sealed key");
	assert_unit_item(store, "terms", "two numbers");
	store_position(store, &position);
	assert_int_equal(position.count, compare.n);
	*ret_is_incomplete = store_incomplete(store) != NULL;
	if (*ret_is_incomplete) {
		copy_everything(world->mate, store);
		assert_null(store_incomplete(store));
	}
	store_position(store, &position);
	fixture_assert_at(&position, &world->position);
	assert_int_equal(store_verify(store, NULL), 0);
	/* It goes on taking changes. */
	fixture_put(store, 2, "more", 5000, 77);
	assert_int_equal(store_verify(store, NULL), 0);
	store_close(store);
}

struct figures {
	unsigned harmless, mended, filled, lost;
};

static void one_flip(struct world *world, size_t offset, unsigned bit, struct figures *figures)
{
	bool is_incomplete = false;
	struct why why = {""};
	int r;

	restore(world);
	flip(world, offset, bit);
	r = store_probe(world->store, &why);
	if (r == 0) {
		assert_usable(world, &is_incomplete);
		assert_false(is_incomplete);
		figures->harmless++;
		return;
	}
	assert_int_equal(r, ERR_STORE);
	if (store_rescue(world->store, &why) < 0) {
		/* Nothing that could be had from the mate: as it is, it is not opened. */
		figures->lost++;
		return;
	}
	assert_usable(world, &is_incomplete);
	figures->mended += !is_incomplete;
	figures->filled += is_incomplete;
}

/* In `make check` some bits of each page, with ASAFO_DAMAGE_STEP=1 each bit of the file. */
static void any_bit_that_turned_over_is_found_or_harmless(void **state)
{
	struct world *world = *state;
	const char *text = getenv("ASAFO_DAMAGE_STEP");
	size_t step = text ? (size_t)strtoul(text, NULL, 10) : 0, n = 8 * world->file.size;
	struct figures figures = {0};

	if (step == 0)
		step = n / 400 | 1;
	for (size_t at = 0; at < n; at += step)
		one_flip(world, at / 8, (unsigned)(at % 8), &figures);
	(void)fprintf(stderr,
		      "%u harmless, %u mended here, %u filled by the mate, %u beyond mending\n",
		      figures.harmless, figures.mended, figures.filled, figures.lost);
	assert_true(figures.filled > 0);
	assert_true(figures.lost < figures.filled + figures.mended + figures.harmless);
}

static void a_record_that_is_damaged_is_missing_and_the_others_are_there(void **state)
{
	struct world *world = *state;
	struct store_position position;
	struct store *store = NULL;
	struct why why = {""};
	bool is_incomplete;

	restore(world);
	flip_record(world, "vpn-03", 1300, 7);
	assert_int_equal(store_probe(world->store, &why), ERR_STORE);
	assert_non_null(strstr(why.text, "trustpoint/vpn-03"));
	assert_int_equal(store_rescue(world->store, &why), 0);
	assert_non_null(strstr(why.text, "22 of its 23 records were saved"));
	assert_non_null(strstr(why.text, "22 of its 23 records were saved"));
	assert_int_equal(store_open(world->store, &store, NULL), 0);
	assert_string_equal(store_incomplete(store),
			    "1 of 23 records were damaged and are missing");
	store_position(store, &position);
	assert_int_equal(position.count, 22);
	assert_int_equal(position.term, world->position.term);
	assert_int_equal(position.seq, world->position.seq);
	assert_int_equal(position.lineage, world->position.lineage);
	store_close(store);
	assert_usable(world, &is_incomplete);
	assert_true(is_incomplete);
}

static void who_goes_on_without_what_is_missing_begins_a_history_of_its_own(void **state)
{
	struct world *world = *state;
	struct store_position position;
	struct store *store = NULL;

	restore(world);
	flip_record(world, "vpn-03", 1300, 7);
	assert_int_equal(store_rescue(world->store, &(struct why){""}), 0);
	assert_int_equal(store_open(world->store, &store, NULL), 0);
	assert_int_equal(store_accept(store, 4, NULL), 0);
	assert_null(store_incomplete(store));
	store_position(store, &position);
	assert_int_not_equal(position.lineage, world->position.lineage);
	assert_int_equal(position.term, 4);
	store_close(store);
	assert_int_equal(store_probe(world->store, NULL), 0);
}

static void a_file_that_is_empty_or_gone_is_no_fresh_store(void **state)
{
	struct world *world = *state;
	struct store *store = NULL;
	struct why why = {""};

	restore_with_stamp(world);
	assert_int_equal(truncate(world->data, 0), 0);
	assert_int_equal(store_open(world->store, &store, &why), ERR_STORE);
	assert_non_null(strstr(why.text, "data.mdb is gone or empty"));
	assert_int_equal(unlink(world->data), 0);
	assert_int_equal(store_probe(world->store, &why), ERR_STORE);
	assert_int_equal(store_rescue(world->store, &why), ERR_STORE);
	assert_int_equal(access(world->data, F_OK), -1);
}

static void a_file_that_is_older_than_it_was_is_found(void **state)
{
	struct world *world = *state;
	struct store *store = NULL;
	struct why why = {""};
	bool is_incomplete;
	int fd;

	restore_with_stamp(world);
	assert_int_equal(store_open(world->store, &store, NULL), 0);
	fixture_put(store, 2, "later", 900, 5);
	store_close(store);
	/* As after the disk of yesterday was put back. */
	fd = open(world->data, O_WRONLY | O_CLOEXEC);
	assert_int_equal(io_write_full(fd, world->file.data, world->file.size), 0);
	(void)close(fd);
	assert_int_equal(store_open(world->store, &store, &why), ERR_STORE);
	assert_non_null(strstr(why.text, "its last changes are gone"));
	assert_int_equal(store_rescue(world->store, &why), 0);
	assert_usable(world, &is_incomplete);
}

static void a_file_whose_end_is_gone_is_found(void **state)
{
	struct world *world = *state;
	struct why why;

	for (size_t size = PAGE; size < world->file.size; size += 7 * PAGE) {
		bool is_incomplete = false;
		int r;

		restore_with_stamp(world);
		assert_int_equal(truncate(world->data, (off_t)size), 0);
		r = store_probe(world->store, &why);
		/* Its last pages may be free ones. */
		assert_true(r == ERR_STORE || size > world->file.size / 2);
		if (r < 0 && store_rescue(world->store, &why) < 0)
			continue;
		assert_usable(world, &is_incomplete);
	}
}

static void what_was_damaged_is_kept_aside(void **state)
{
	struct world *world = *state;
	char path[700];
	struct buf kept = {0};

	restore(world);
	flip(world, world->file.size - PAGE - 200, 0);
	for (size_t at = 3 * PAGE; store_probe(world->store, NULL) == 0; at += 512)
		flip(world, at, 1);
	assert_int_equal(store_rescue(world->store, &(struct why){""}), 0);
	(void)snprintf(path, sizeof(path), "%s.damaged/data.mdb", world->store);
	assert_int_equal(io_read_file(path, 1u << 24, &kept), 0);
	assert_int_equal(kept.size, world->file.size);
	buf_done(&kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_bit_that_turned_over_is_found_or_harmless,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_record_that_is_damaged_is_missing_and_the_others_are_there, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			who_goes_on_without_what_is_missing_begins_a_history_of_its_own, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_file_that_is_empty_or_gone_is_no_fresh_store,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_is_older_than_it_was_is_found, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_file_whose_end_is_gone_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_damaged_is_kept_aside, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
