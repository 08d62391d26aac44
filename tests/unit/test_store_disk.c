/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is found where the disk and the system's memory of it differ. Two files are the two ways to
 * one; a place that cannot be read is an address of this process where nothing is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "certstore/store/store.h"
#include "tests/unit/store_fixture.h"

static const atomic_bool never;

struct world {
	char *directory;
	struct store *store;
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	world->directory = fixture_directory();
	assert_int_equal(store_open(world->directory, &world->store, NULL), 0);
	fixture_put(world->store, 1, "vpn", 3000, 1);
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

static int open_store_file(const struct world *world)
{
	char path[700];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/data.mdb", world->directory);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* A file with the same bytes. */
static int copy_of(int fd)
{
	char path[] = "/tmp/asafo-disk-XXXXXX";
	int copy = mkostemp(path, O_CLOEXEC);
	uint8_t bytes[STORE_DISK_BLOCK];
	off_t at = 0;
	ssize_t n;

	assert_true(copy >= 0);
	assert_int_equal(unlink(path), 0);
	while ((n = pread(fd, bytes, sizeof(bytes), at)) > 0) {
		assert_int_equal(pwrite(copy, bytes, (size_t)n, at), n);
		at += n;
	}
	return copy;
}

static int unreadable(void)
{
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static struct store_disk *disk_of(int direct_fd, int cached_fd)
{
	struct store_disk *disk = NULL;

	assert_int_equal(store_disk_new(direct_fd, cached_fd, &disk), 0);
	return disk;
}

static void flip(int fd, off_t at)
{
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void what_is_behind_a_block_that_differs_is_looked_at_next(void **state)
{
	int file = open_store_file(*state), platter = copy_of(file);
	struct store_disk *disk = disk_of(platter, file);

	flip(platter, 2 * STORE_DISK_BLOCK + 7);
	flip(platter, 4 * STORE_DISK_BLOCK);
	assert_int_equal(store_disk_look(disk, &never), 0);
	assert_int_equal(disk->state, STORE_DISK_DIFFERS);
	assert_int_equal(disk->fault_offset, 2 * STORE_DISK_BLOCK);
	/* It was not mended, and hides nothing. */
	assert_int_equal(store_disk_look(disk, &never), 0);
	assert_int_equal(disk->state, STORE_DISK_DIFFERS);
	assert_int_equal(disk->fault_offset, 4 * STORE_DISK_BLOCK);
	assert_int_equal(store_disk_look(disk, &never), 0);
	assert_int_equal(disk->state, STORE_DISK_WELL);
	assert_int_equal(disk->offset, 0);
	store_disk_free(disk);
}

static void a_block_that_neither_way_can_read_is_found_and_passed(void **state)
{
	struct store_disk *disk = disk_of(unreadable(), unreadable());

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(store_disk_look(disk, &never), 0);
		assert_int_equal(disk->state, STORE_DISK_LOST);
		assert_int_equal(disk->fault_offset, i * STORE_DISK_BLOCK);
	}
	store_disk_free(disk);
}

static void a_block_that_only_memory_has_is_found(void **state)
{
	struct store_disk *disk = disk_of(unreadable(), open_store_file(*state));

	assert_int_equal(store_disk_look(disk, &never), 0);
	assert_int_equal(disk->state, STORE_DISK_UNREADABLE);
	assert_int_equal(disk->fault_offset, 0);
	assert_int_equal(disk->fault_size, STORE_DISK_BLOCK);
	store_disk_free(disk);
}

static void a_look_that_is_stopped_goes_on_where_it_was(void **state)
{
	static const atomic_bool at_once = true;
	int file = open_store_file(*state);
	struct store_disk *disk = disk_of(copy_of(file), file);

	disk->offset = STORE_DISK_BLOCK;
	assert_int_equal(store_disk_look(disk, &at_once), 0);
	assert_int_equal(disk->offset, STORE_DISK_BLOCK);
	store_disk_free(disk);
}

/* The bytes that the look saw in memory are what is written, or nothing is. */
static void a_page_that_was_read_from_the_bad_disk_meanwhile_is_not_written(void **state)
{
	struct world *world = *state;
	int file = open_store_file(world), platter = copy_of(file), memory = copy_of(file);
	struct store_disk *disk = disk_of(platter, memory);
	uint8_t before, after;

	flip(platter, STORE_DISK_BLOCK);
	assert_int_equal(store_disk_look(disk, &never), 0);
	assert_int_equal(disk->state, STORE_DISK_DIFFERS);
	/* Evicted, and read again. */
	flip(memory, STORE_DISK_BLOCK);
	assert_int_equal(pread(memory, &before, 1, STORE_DISK_BLOCK), 1);
	assert_int_equal(store_disk_mend(world->store, disk), -EAGAIN);
	assert_int_equal(pread(memory, &after, 1, STORE_DISK_BLOCK), 1);
	assert_int_equal(after, before);
	/* And a change that is on the disk meanwhile is no fault of it. */
	flip(memory, STORE_DISK_BLOCK);
	flip(platter, STORE_DISK_BLOCK);
	assert_int_equal(store_disk_mend(world->store, disk), -EAGAIN);
	store_disk_free(disk);
	(void)close(file);
}

static void a_disk_that_does_not_keep_what_is_written_is_said(void **state)
{
	struct world *world = *state;
	int file = open_store_file(world), platter = copy_of(file);
	struct store_disk *disk = disk_of(platter, file);

	flip(platter, STORE_DISK_BLOCK);
	assert_int_equal(store_disk_look(disk, &never), 0);
	assert_int_equal(store_disk_mend(world->store, disk), ERR_INTEGRITY);
	store_disk_free(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_behind_a_block_that_differs_is_looked_at_next, setup, teardown),
		cmocka_unit_test(a_block_that_neither_way_can_read_is_found_and_passed),
		cmocka_unit_test_setup_teardown(a_block_that_only_memory_has_is_found, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_look_that_is_stopped_goes_on_where_it_was, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_page_that_was_read_from_the_bad_disk_meanwhile_is_not_written, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_disk_that_does_not_keep_what_is_written_is_said,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
