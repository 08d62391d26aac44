/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Imports and bulk commits that end at each of their writes: killed before, in the middle of and
 * behind it, an error of the disk, a full disk, a power cut that loses what was not synced. After
 * each: the store opens, every digest fits, and it holds what was acknowledged last or the step
 * behind that.
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
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "certstore/replica/replica.h"
#include "certstore/store/store.h"
#include "tests/unit/faults.h"
#include "tests/unit/store_fixture.h"

#define STEPS 9
#define SECTOR 512

/* Shared with the child that is killed. */
struct shared {
	int acknowledged; /* steps */
	int failed;	  /* returned an error, or what must not be */
	uint8_t digests[STEPS + 1][STORE_DIGEST_SIZE];
};

struct world {
	struct shared *shared;
	char *directory, *mate_directory;
	struct store *mate; /* what bulk commits come from */
};

/* ---- what is done to a store ---- */

static int import(struct store *store, const char *name, uint64_t generation, size_t size)
{
	char key[64], older[64];
	struct buf record = {0};
	struct store_change changes[2];
	int r;

	(void)snprintf(key, sizeof(key), "trustpoint/%s", name);
	(void)snprintf(older, sizeof(older), "generation/%s/%010d", name, (int)generation);
	fixture_record(name, generation, size, 3 * generation + size, &record);
	changes[0] = (struct store_change){key, record.data, record.size};
	changes[1] = (struct store_change){older, record.data, record.size};
	r = store_change(store, 2, changes, 2, NULL);
	buf_done(&record);
	return r;
}

static int unit_item(struct store *store, const char *value)
{
	struct store_change change = {"terms", (const uint8_t *)value, strlen(value)};

	return store_unit_change(store, &change, 1, NULL);
}

static int bulk(struct store *mate, struct store *store)
{
	struct store_position own, target;
	struct replica_sender *sender = NULL;
	struct replica_stage *stage = NULL;
	enum replica_mode mode;
	char after[STORE_KEY_MAX + 1] = "";
	struct buf piece = {0};
	bool is_last = false;
	size_t n;
	int r;

	store_position(store, &own);
	r = replica_sender_new(store_replica(mate), &own, &sender, &mode, &target);
	while (r == 0 && mode == REPLICA_NEEDS_MANIFEST && !is_last) {
		buf_clear(&piece);
		r = replica_manifest_next(store_replica(store), 4096, after, &piece, &is_last);
		if (r == 0)
			r = replica_sender_manifest(sender, piece.data, piece.size, is_last);
	}
	if (r == 0)
		r = replica_stage_new(store_replica(store), &stage);
	for (is_last = false; r == 0 && !is_last;) {
		buf_clear(&piece);
		r = replica_sender_next(sender, 8192, &piece, &is_last, &n);
		if (r == 0)
			r = replica_stage_items(stage, piece.data, piece.size, NULL);
	}
	if (r == 0)
		r = replica_stage_commit(stage, &target, NULL, NULL);
	replica_stage_free(stage);
	replica_sender_free(sender);
	buf_done(&piece);
	return r;
}

static int step(struct world *world, struct store *store, int number)
{
	switch (number) {
	case 0:
		return import(store, "vpn", 1, 3000);
	case 1:
		return unit_item(store, "one");
	case 2:
		return import(store, "vpn", 2, 5000);
	case 3:
		return import(store, "second", 1, 900);
	case 4:
		return bulk(world->mate, store);
	case 5:
		return unit_item(store, "two");
	case 6:
		return import(store, "vpn", 3, 9000);
	case 7:
		return bulk(world->mate, store);
	default:
		return import(store, "last", 1, 40000);
	}
}

/* The last step is in the digests of both families. */
static void digest_now(struct store *store, uint8_t *ret_digest)
{
	struct store_position position;
	struct buf value = {0};

	store_position(store, &position);
	memcpy(ret_digest, position.digest, STORE_DIGEST_SIZE);
	if (store_unit_get(store, "terms", &value) == 0)
		ret_digest[0] = (uint8_t)(ret_digest[0] ^ value.data[0]);
	buf_done(&value);
}

/* ---- checks ---- */

static void assert_holds(struct world *world, int acknowledged, const char *what, unsigned at)
{
	struct store *store = NULL;
	struct why why = {""};
	uint8_t digest[STORE_DIGEST_SIZE];

	if (store_probe(world->directory, &why) < 0 ||
	    store_open(world->directory, &store, &why) < 0)
		fail_msg("%s at write %u: %s", what, at, why.text);
	digest_now(store, digest);
	if (memcmp(digest, world->shared->digests[acknowledged], sizeof(digest)) != 0 &&
	    (acknowledged == STEPS ||
	     memcmp(digest, world->shared->digests[acknowledged + 1], sizeof(digest)) != 0))
		fail_msg("%s at write %u: not what was acknowledged (step %d)", what, at,
			 acknowledged);
	/* And it goes on. */
	assert_int_equal(import(store, "after", 1, 700), 0);
	assert_int_equal(store_verify(store, &why), 0);
	store_close(store);
}

static void clear(struct world *world)
{
	static const char *const names[] = {"data.mdb", "lock.mdb", "stamp"};
	char path[600];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", world->directory, names[i]);
		(void)unlink(path);
	}
	world->shared->acknowledged = world->shared->failed = 0;
}

/* All steps, undisturbed; returns how many calls it takes. */
static unsigned rehearse(struct world *world, enum faults_kind kind)
{
	struct store *store = NULL;
	unsigned n;

	clear(world);
	faults_forget();
	faults_begin(kind, UINT32_MAX, 1);
	assert_int_equal(store_open(world->directory, &store, NULL), 0);
	digest_now(store, world->shared->digests[0]);
	faults_mark(0);
	for (int i = 0; i < STEPS; i++) {
		assert_int_equal(step(world, store, i), 0);
		digest_now(store, world->shared->digests[i + 1]);
		faults_mark(i + 1);
	}
	store_close(store);
	n = faults_end();
	return n;
}

/* In a child: what fails is tried again once the disk is well, the store opened anew where that is
 * needed. */
static _Noreturn void perform(struct world *world, enum faults_kind kind, unsigned at,
			      unsigned count)
{
	struct store *store = NULL;

	/* LMDB's handles are not a child's; and opening clears away what killed ones left. */
	if (store_open(world->mate_directory, &world->mate, NULL) < 0)
		_exit(2);
	faults_begin(kind, at, count);
	for (int i = 0; i <= STEPS && world->shared->acknowledged < STEPS; i++) {
		if (!store && store_open(world->directory, &store, NULL) < 0)
			continue;
		while (world->shared->acknowledged < STEPS) {
			if (step(world, store, world->shared->acknowledged) < 0)
				break;
			world->shared->acknowledged++;
		}
		if (world->shared->acknowledged < STEPS && store_is_stuck(store)) {
			store_close(store);
			store = NULL;
		}
	}
	store_close(store);
	_exit(world->shared->acknowledged == STEPS ? 0 : 1);
}

static int play(struct world *world, enum faults_kind kind, unsigned at, unsigned count)
{
	int status = 0;
	pid_t child;

	clear(world);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		perform(world, kind, at, count);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

/* In `make check` every third call or so, with ASAFO_CRASH_ALL=1 each. */
static unsigned stride(unsigned n)
{
	return getenv("ASAFO_CRASH_ALL") ? 1 : n / 50 + 1;
}

static void a_kill_at_any_write_loses_nothing_that_was_acknowledged(void **state)
{
	static const struct {
		enum faults_kind kind;
		const char *text;
	} kills[] = {{FAULTS_KILL_BEFORE, "killed before"},
		     {FAULTS_KILL_HALF, "killed in the middle"},
		     {FAULTS_KILL_AFTER, "killed behind"}};
	struct world *world = *state;
	unsigned n = rehearse(world, FAULTS_SHORT);

	for (size_t k = 0; k < ARRAY_SIZE(kills); k++) {
		for (unsigned at = 1 + (unsigned)k; at <= n; at += stride(n)) {
			int status = play(world, kills[k].kind, at, 1);

			/* A write more or less, by what pages were free. */
			assert_true(WIFSIGNALED(status) || (status == 0 && at + 8 > n));
			assert_holds(world, world->shared->acknowledged, kills[k].text, at);
		}
	}
}

static void an_error_of_the_disk_or_a_full_one_at_any_write_loses_nothing(void **state)
{
	static const struct {
		enum faults_kind kind;
		unsigned count;
		const char *text;
	} errors[] = {{FAULTS_EIO, 1, "EIO"},
		      {FAULTS_ENOSPC, 1, "ENOSPC"},
		      {FAULTS_ENOSPC, 7, "a full disk for a while"},
		      {FAULTS_SHORT, 1, "a short write"}};
	struct world *world = *state;
	unsigned n = rehearse(world, FAULTS_SHORT);

	for (size_t k = 0; k < ARRAY_SIZE(errors); k++) {
		for (unsigned at = 1 + (unsigned)k; at <= n; at += stride(n)) {
			int status = play(world, errors[k].kind, at, errors[k].count);

			if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
				fail_msg("%s at write %u: it did not come through (step %d)",
					 errors[k].text, at, world->shared->acknowledged);
			assert_holds(world, STEPS, errors[k].text, at);
		}
	}
}

/* ---- power ---- */

struct image {
	uint64_t inode;
	char path[600];
	int fd;
};

static void write_part(int fd, const struct faults_entry *entry, uint64_t *random, int how)
{
	for (size_t at = 0; at < entry->size; at += SECTOR) {
		size_t size = entry->size - at < SECTOR ? entry->size - at : SECTOR;

		if (how == 0 || (how == 2 && fixture_random(random) % 2 == 0))
			continue;
		assert_int_equal(pwrite(fd, entry->data + at, size, entry->offset + (off_t)at),
				 (ssize_t)size);
	}
}

static bool is_synced_before(const struct faults_entry *entries, size_t i, size_t end)
{
	if (entries[i].is_durable)
		return true;
	for (size_t at = i + 1; at < end; at++) {
		if (entries[at].type == FAULTS_SYNC && entries[at].inode == entries[i].inode)
			return true;
	}
	return false;
}

/* The disk as it is when the power goes after END calls. HOW: 0: nothing that was not synced is
 * there, 1: all of it, 2: some sectors of it. */
static void build_disk(struct image *images, size_t n_images, const struct faults_entry *entries,
		       size_t end, int how, uint64_t *random)
{
	for (size_t i = 0; i < n_images; i++)
		images[i].fd = open(images[i].path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	for (size_t i = 0; i < end; i++) {
		const struct faults_entry *entry = &entries[i];

		for (size_t k = 0; k < n_images; k++) {
			int part = is_synced_before(entries, i, end) ? 1 : how;

			if (images[k].inode != entry->inode)
				continue;
			if (entry->type == FAULTS_WRITE)
				write_part(images[k].fd, entry, random, part);
			else if (entry->type == FAULTS_SIZE && part == 1)
				assert_int_equal(ftruncate(images[k].fd, entry->offset), 0);
		}
	}
	for (size_t i = 0; i < n_images; i++)
		(void)close(images[i].fd);
}

static void a_power_cut_behind_any_write_loses_nothing_that_was_acknowledged(void **state)
{
	struct world *world = *state;
	struct image images[2] = {0};
	const struct faults_entry *entries;
	uint64_t random = 42;
	size_t n, first = 0;

	(void)rehearse(world, FAULTS_RECORD);
	entries = faults_entries(&n);
	for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
		struct stat info;

		(void)snprintf(images[i].path, sizeof(images[i].path), "%s/%s", world->directory,
			       i ? "stamp" : "data.mdb");
		assert_int_equal(stat(images[i].path, &info), 0);
		images[i].inode = info.st_ino;
	}
	while (entries[first].type != FAULTS_MARK)
		first++;
	for (size_t end = first; end <= n; end += stride((unsigned)n)) {
		int acknowledged = 0;

		for (size_t i = 0; i < end; i++) {
			if (entries[i].type == FAULTS_MARK)
				acknowledged = entries[i].mark;
		}
		for (int how = 0; how < 3; how++) {
			clear(world);
			build_disk(images, ARRAY_SIZE(images), entries, end, how, &random);
			assert_holds(world, acknowledged, "the power went", (unsigned)end);
		}
	}
	faults_forget();
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	world->shared = mmap(NULL, sizeof(*world->shared), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(world->shared != MAP_FAILED);
	world->directory = fixture_directory();
	world->mate_directory = fixture_directory();
	assert_int_equal(store_open(world->mate_directory, &world->mate, NULL), 0);
	for (unsigned i = 0; i < 30; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "bulk-%02u", i);
		fixture_put(world->mate, 2, name, 500 + 400 * (i % 9), i);
	}
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	store_close(world->mate);
	fixture_remove(world->directory);
	fixture_remove(world->mate_directory);
	(void)munmap(world->shared, sizeof(*world->shared));
	free(world);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_kill_at_any_write_loses_nothing_that_was_acknowledged, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_error_of_the_disk_or_a_full_one_at_any_write_loses_nothing, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_power_cut_behind_any_write_loses_nothing_that_was_acknowledged, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
