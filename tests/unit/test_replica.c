/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/monotime.h"
#include "certstore/store/record.pb-c.h"
#include "certstore/replica/replica.h"
#include "certstore/store/store.h"
#include "tests/unit/store_fixture.h"

static void feed_manifest(struct replica_sender *sender, struct store *from, size_t max_bytes)
{
	char after[STORE_KEY_MAX + 1] = "";
	bool is_last = false;

	while (!is_last) {
		struct buf manifest = {0};

		assert_int_equal(replica_manifest_next(store_replica(from), max_bytes, after,
						       &manifest, &is_last),
				 0);
		assert_int_equal(
			replica_sender_manifest(sender, manifest.data, manifest.size, is_last), 0);
		buf_done(&manifest);
	}
}

struct sync {
	struct replica_sender *sender;
	struct replica_stage *stage;
	struct store_position position;
	enum replica_mode mode;
	size_t n_items, n_bytes;
};

static void sync_open(struct sync *sync, struct store *from, struct store *to, size_t max_bytes)
{
	struct store_position mate;

	*sync = (struct sync){0};
	store_position(to, &mate);
	assert_int_equal(replica_sender_new(store_replica(from), &mate, &sync->sender, &sync->mode,
					    &sync->position),
			 0);
	if (sync->mode == REPLICA_NEEDS_MANIFEST)
		feed_manifest(sync->sender, to, max_bytes);
}

static void sync_stage(struct sync *sync, struct store *to, size_t max_bytes)
{
	bool is_last = false;

	assert_int_equal(replica_stage_new(store_replica(to), &sync->stage), 0);
	while (!is_last) {
		struct buf batch = {0};
		size_t n;

		assert_int_equal(replica_sender_next(sync->sender, max_bytes, &batch, &is_last, &n),
				 0);
		assert_true(n <= 1 || batch.size <= max_bytes);
		assert_int_equal(replica_stage_items(sync->stage, batch.data, batch.size, NULL), 0);
		sync->n_items += n;
		sync->n_bytes += batch.size;
		buf_done(&batch);
	}
}

static void sync_done(struct sync *sync)
{
	replica_sender_free(sync->sender);
	replica_stage_free(sync->stage);
}

static enum replica_mode synchronise(struct store *from, struct store *to, size_t max_bytes,
				     size_t *ret_n_items)
{
	struct sync sync;

	sync_open(&sync, from, to, max_bytes);
	if (sync.mode != REPLICA_EQUAL)
		sync_stage(&sync, to, max_bytes);
	else
		assert_int_equal(replica_stage_new(store_replica(to), &sync.stage), 0);
	assert_int_equal(replica_stage_commit(sync.stage, &sync.position, NULL, NULL), 0);
	sync_done(&sync);
	fixture_assert_same(from, to, true);
	if (ret_n_items)
		*ret_n_items = sync.n_items;
	return sync.mode;
}

static void put_many(struct store *store, uint64_t term, unsigned n, size_t size, uint64_t seed)
{
	char name[32];

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "t%05u", i);
		fixture_put(store, term, name, size, seed + i);
	}
}

static void an_empty_mate_gets_everything_and_then_nothing(void **state)
{
	struct fixture_stores *world = *state;
	size_t n;

	put_many(world->a, 2, 50, 3000, 1);
	assert_int_equal(synchronise(world->a, world->b, 20000, &n), REPLICA_DELTA);
	assert_int_equal(n, 50);
	assert_int_equal(synchronise(world->a, world->b, 20000, &n), REPLICA_EQUAL);
	assert_int_equal(store_verify(world->b, NULL), 0);
}

static void a_mate_at_a_known_place_gets_only_what_changed_since(void **state)
{
	struct fixture_stores *world = *state;
	size_t n;

	put_many(world->a, 2, 50, 300, 1);
	(void)synchronise(world->a, world->b, 20000, NULL);
	fixture_put(world->a, 2, "t00003", 300, 99);
	fixture_put(world->a, 2, "t00003", 300, 100);
	fixture_delete(world->a, 2, "t00007");
	fixture_put(world->a, 2, "new", 300, 1);
	assert_int_equal(synchronise(world->a, world->b, 20000, &n), REPLICA_DELTA);
	assert_int_equal(n, 3);
	/* The other way round after a failover: what b received is a place that a knows, and b's
	 * journal goes on from it. */
	fixture_put(world->b, 3, "taken-over", 300, 5);
	assert_int_equal(synchronise(world->b, world->a, 20000, &n), REPLICA_DELTA);
	assert_int_equal(n, 1);
}

static void a_commit_of_nothing_new_leaves_the_journal_whole(void **state)
{
	struct fixture_stores *world = *state;
	struct replica_stage *stage = NULL;
	struct store_position position;
	uint8_t kek_id[STORE_KEK_ID_SIZE] = {5}, read_id[STORE_KEK_ID_SIZE];
	size_t n;

	put_many(world->a, 2, 5, 300, 1);
	(void)synchronise(world->a, world->b, 20000, NULL);
	fixture_put(world->b, 3, "late", 300, 1);
	store_position(world->b, &position);
	assert_int_equal(replica_stage_new(store_replica(world->b), &stage), 0);
	assert_int_equal(replica_stage_commit(stage, &position, kek_id, NULL), 0);
	replica_stage_free(stage);
	assert_int_equal(store_kek_id(world->b, read_id), 0);
	assert_memory_equal(read_id, kek_id, sizeof(kek_id));
	assert_int_equal(synchronise(world->b, world->a, 20000, &n), REPLICA_DELTA);
	assert_int_equal(n, 1);
}

static void a_mate_with_another_history_ends_with_exactly_what_the_active_has(void **state)
{
	struct fixture_stores *world = *state;
	size_t n;

	put_many(world->a, 2, 40, 300, 1);
	put_many(world->b, 3, 45, 300, 1);
	fixture_put(world->b, 3, "t00004", 300, 1000);
	fixture_put(world->b, 3, "zz-alone", 300, 1000);
	fixture_delete(world->b, 3, "t00000");
	assert_int_equal(synchronise(world->a, world->b, 700, &n), REPLICA_NEEDS_MANIFEST);
	assert_int_equal(n, 8); /* one changed, one missing, five and one too many */
	assert_int_equal(synchronise(world->a, world->b, 700, &n), REPLICA_EQUAL);
}

static void an_older_position_overwrites_a_newer_one_when_told_so(void **state)
{
	struct fixture_stores *world = *state;
	size_t n;

	fixture_put(world->a, 2, "a", 300, 1);
	put_many(world->b, 9, 5, 300, 1);
	assert_int_equal(synchronise(world->a, world->b, 20000, &n), REPLICA_NEEDS_MANIFEST);
	/* From there on deltas work. */
	fixture_put(world->a, 2, "b", 300, 1);
	assert_int_equal(synchronise(world->a, world->b, 20000, &n), REPLICA_DELTA);
	assert_int_equal(n, 1);
}

static void the_same_contents_under_another_position_cost_no_item(void **state)
{
	struct fixture_stores *world = *state;
	size_t n;

	fixture_put(world->a, 2, "a", 300, 1);
	fixture_put(world->b, 4, "a", 300, 1);
	assert_int_equal(synchronise(world->a, world->b, 20000, &n), REPLICA_DELTA);
	assert_int_equal(n, 0);
}

static void a_snapshot_is_not_moved_by_imports_during_the_send(void **state)
{
	struct fixture_stores *world = *state;
	struct store_position position;
	struct sync sync;

	put_many(world->a, 2, 20, 3000, 1);
	sync_open(&sync, world->a, world->b, 8000);
	assert_int_equal(replica_stage_new(store_replica(world->b), &sync.stage), 0);
	for (unsigned i = 0;; i++) {
		struct buf batch = {0};
		bool is_last;
		size_t n;

		assert_int_equal(replica_sender_next(sync.sender, 8000, &batch, &is_last, &n), 0);
		assert_int_equal(replica_stage_items(sync.stage, batch.data, batch.size, NULL), 0);
		buf_done(&batch);
		fixture_delete(world->a, 2, "t00019");
		fixture_put(world->a, 2, "t00000", 100, i);
		if (is_last)
			break;
	}
	assert_int_equal(replica_stage_commit(sync.stage, &sync.position, NULL, NULL), 0);
	store_position(world->b, &position);
	assert_int_equal(position.count, 20);
	assert_int_equal(position.seq, 20);
	sync_done(&sync);
	assert_int_equal(synchronise(world->a, world->b, 8000, NULL), REPLICA_DELTA);
}

static void a_commit_that_does_not_add_up_changes_nothing(void **state)
{
	struct fixture_stores *world = *state;
	struct store_position before, after;
	uint8_t kek_id[STORE_KEK_ID_SIZE] = {7};
	struct why why = {0};
	struct sync sync;

	put_many(world->a, 2, 10, 300, 1);
	put_many(world->b, 1, 3, 300, 50);
	store_position(world->b, &before);
	sync_open(&sync, world->a, world->b, 8000);
	sync_stage(&sync, world->b, 8000);
	sync.position.digest[5] ^= 1;
	assert_int_equal(replica_stage_commit(sync.stage, &sync.position, kek_id, &why),
			 ERR_DIFFERS);
	assert_non_null(strstr(why.text, "nothing was changed"));
	store_position(world->b, &after);
	fixture_assert_at(&before, &after);
	assert_int_equal(store_verify(world->b, NULL), 0);
	assert_int_equal(store_kek_id(world->b, kek_id), ERR_NOT_FOUND);
	sync_done(&sync);
}

static int stage_one(struct store *store, const char *key, const struct buf *value, bool is_deleted)
{
	Asafo__Record__Item item = ASAFO__RECORD__ITEM__INIT, *items[] = {&item};
	Asafo__Record__ItemBatch batch = ASAFO__RECORD__ITEM_BATCH__INIT;
	struct replica_stage *stage = NULL;
	static uint8_t packed[300000];
	int r;

	item.key = (char *)(uintptr_t)key;
	item.value = (ProtobufCBinaryData){value->size, value->data};
	item.deleted = is_deleted;
	batch.items = items;
	batch.n_items = 1;
	assert_int_equal(replica_stage_new(store_replica(store), &stage), 0);
	r = replica_stage_items(stage, packed, asafo__record__item_batch__pack(&batch, packed),
				NULL);
	replica_stage_free(stage);
	return r;
}

static void what_a_mate_may_not_send_is_refused(void **state)
{
	struct fixture_stores *world = *state;
	struct replica_stage *stage = NULL;
	struct buf record = {0}, none = {0}, huge = {0};

	fixture_record("vpn", 3, 300, 1, &record);
	fixture_record("vpn", 3, STORE_VALUE_MAX + 1, 1, &huge);
	assert_int_equal(stage_one(world->b, "trustpoint/vpn", &record, false), 0);
	assert_int_equal(stage_one(world->b, "generation/vpn/0000000003", &record, false), 0);
	assert_int_equal(stage_one(world->b, "trustpoint/gone", &none, true), 0);
	assert_int_equal(stage_one(world->b, "trustpoint/other", &record, false), ERR_MALFORMED);
	assert_int_equal(stage_one(world->b, "generation/vpn/0000000004", &record, false),
			 ERR_MALFORMED);
	assert_int_equal(stage_one(world->b, "fallback/", &record, false), ERR_MALFORMED);
	assert_int_equal(stage_one(world->b, "localca/ca", &record, false), ERR_MALFORMED);
	assert_int_equal(stage_one(world->b, "trustpoint/vpn", &none, false), ERR_MALFORMED);
	assert_int_equal(stage_one(world->b, "trustpoint/vpn", &huge, false), ERR_MALFORMED);
	assert_int_equal(stage_one(world->b, "trustpoint/vpn", &record, true), ERR_MALFORMED);
	/* Generations that do not sort, or have none after them. */
	for (size_t i = 0; i < 2; i++) {
		buf_clear(&none);
		fixture_record("vpn", i == 0 ? 0 : STORE_GENERATION_MAX + 1ull, 300, 1, &none);
		assert_int_equal(stage_one(world->b, "trustpoint/vpn", &none, false),
				 ERR_MALFORMED);
	}
	record.data[0] ^= 0xff;
	assert_int_equal(stage_one(world->b, "trustpoint/vpn", &record, false), ERR_MALFORMED);
	assert_int_equal(replica_stage_new(store_replica(world->b), &stage), 0);
	assert_int_equal(replica_stage_items(stage, (const uint8_t *)"\xff\xff\xff", 3, NULL),
			 ERR_MALFORMED);
	replica_stage_free(stage);
	buf_done(&record);
	buf_done(&huge);
	buf_done(&none);
}

static void a_manifest_out_of_order_is_refused(void **state)
{
	struct fixture_stores *world = *state;
	struct store_position mate = {.term = 1, .seq = 1, .count = 1, .digest = {1}};
	struct buf manifest = {0}, batch = {0};
	char after[STORE_KEY_MAX + 1] = "";
	struct replica_sender *sender = NULL;
	struct store_position position;
	enum replica_mode mode;
	bool is_last;
	size_t n;

	put_many(world->a, 2, 2, 300, 1);
	put_many(world->b, 2, 3, 300, 8);
	assert_int_equal(
		replica_sender_new(store_replica(world->a), &mate, &sender, &mode, &position), 0);
	assert_int_equal(mode, REPLICA_NEEDS_MANIFEST);
	assert_int_equal(replica_sender_next(sender, 1000, &batch, &is_last, &n), ERR_NOT_READY);
	assert_int_equal(
		replica_manifest_next(store_replica(world->b), 100000, after, &manifest, &is_last),
		0);
	assert_true(is_last);
	assert_int_equal(replica_sender_manifest(sender, manifest.data, manifest.size, false), 0);
	assert_int_equal(replica_sender_manifest(sender, manifest.data, manifest.size, true),
			 ERR_MALFORMED);
	replica_sender_free(sender);
	buf_done(&manifest);
	buf_done(&batch);
}

static void random_changes(struct store *store, uint64_t term, uint64_t *random)
{
	unsigned n = (unsigned)(fixture_random(random) % 12);
	char name[32];

	for (unsigned i = 0; i < n; i++) {
		uint64_t what = fixture_random(random);

		(void)snprintf(name, sizeof(name), "t%02u", (unsigned)(what % 40));
		if (what >> 60 < 5)
			fixture_delete(store, term, name);
		else
			fixture_put(store, term, name, 1 + (size_t)(what >> 20) % 9000, what);
	}
}

static void stage_and_crash(struct store *from, struct store *to)
{
	struct store_position before, after;
	struct sync sync;

	store_position(to, &before);
	sync_open(&sync, from, to, 5000);
	if (sync.mode != REPLICA_EQUAL)
		sync_stage(&sync, to, 5000);
	sync_done(&sync);
	store_position(to, &after);
	fixture_assert_at(&before, &after);
	assert_int_equal(store_verify(to, NULL), 0);
}

/* Changes on both units, terms that rise, syncs both ways and by every mode, crashes before the
 * commit. */
static void after_any_history_a_sync_makes_both_the_same(void **state)
{
	struct fixture_stores *world = *state;
	uint64_t random = 20240611, term = 1;
	unsigned modes[3] = {0};

	for (int round = 0; round < 150; round++) {
		bool is_a = fixture_random(&random) % 2;
		struct store *active = is_a ? world->a : world->b,
			     *standby = is_a ? world->b : world->a;
		struct store_position pa, pb;

		store_position(world->a, &pa);
		store_position(world->b, &pb);
		term = (pa.term > pb.term ? pa.term : pb.term) + fixture_random(&random) % 2;
		random_changes(active, term, &random);
		if (fixture_random(&random) % 4 == 0)
			random_changes(standby, term, &random);
		if (fixture_random(&random) % 3 == 0)
			stage_and_crash(active, standby);
		modes[synchronise(active, standby, 500 + (size_t)(fixture_random(&random) % 20000),
				  NULL)]++;
	}
	assert_true(modes[REPLICA_EQUAL] > 0);
	assert_true(modes[REPLICA_DELTA] > 20);
	assert_true(modes[REPLICA_NEEDS_MANIFEST] > 10);
	assert_int_equal(store_verify(world->a, NULL), 0);
	assert_int_equal(store_verify(world->b, NULL), 0);
}

/* In a child: stage everything, say so, commit. The parent kills it at some moment after. */
static void commit_in_child(const char *from, const char *to, int ready_fd)
{
	struct store *a = NULL, *b = NULL;
	struct sync sync;

	assert_int_equal(store_open(from, &a, NULL), 0);
	assert_int_equal(store_open(to, &b, NULL), 0);
	sync_open(&sync, a, b, 100000);
	sync_stage(&sync, b, 100000);
	assert_int_equal(write(ready_fd, "x", 1), 1);
	assert_int_equal(replica_stage_commit(sync.stage, &sync.position, NULL, NULL), 0);
	assert_int_equal(write(ready_fd, "y", 1), 1);
	_exit(0);
}

static uint64_t kill_after(const char *from, const char *to, long delay_ns)
{
	const struct timespec delay = {0, delay_ns};
	struct monotime start;
	int fds[2];
	char c = 0;
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (child == 0)
		commit_in_child(from, to, fds[1]);
	(void)close(fds[1]);
	assert_int_equal(read(fds[0], &c, 1), 1);
	start = monotime_now();
	if (delay_ns >= 0) {
		(void)nanosleep(&delay, NULL);
		(void)kill(child, SIGKILL);
	} else {
		assert_int_equal(read(fds[0], &c, 1), 1);
	}
	(void)close(fds[0]);
	(void)waitpid(child, NULL, 0);
	return monotime_since(monotime_now(), start);
}

static void a_kill_during_the_commit_leaves_old_or_new_and_never_between(void **state)
{
	struct fixture_stores *world = *state;
	struct store_position old, new, now;
	unsigned n_old = 0, n_new = 0;
	uint64_t span;

	put_many(world->a, 2, 400, 6000, 1);
	put_many(world->b, 1, 30, 300, 100);
	store_position(world->a, &new);
	store_position(world->b, &old);
	store_close(world->a);
	store_close(world->b);
	world->a = world->b = NULL;
	/* How long a commit takes here: into a third store. */
	{
		char *third = fixture_directory();

		span = kill_after(world->directories[0], third, -1);
		fixture_remove(third);
	}
	for (unsigned i = 0; i < 40 && n_new == 0; i++) {
		(void)kill_after(world->directories[0], world->directories[1],
				 (long)(span * i / 16));
		assert_int_equal(store_probe(world->directories[1], NULL), 0);
		assert_int_equal(store_open(world->directories[1], &world->b, NULL), 0);
		assert_int_equal(store_verify(world->b, NULL), 0);
		store_position(world->b, &now);
		if (now.seq == new.seq && now.term == new.term) {
			fixture_assert_at(&now, &new);
			n_new++;
		} else {
			fixture_assert_at(&now, &old);
			n_old++;
		}
		store_close(world->b);
		world->b = NULL;
	}
	/* Where every kill came too early, on a busy machine: one that is left alone ends it. */
	if (n_new == 0)
		(void)kill_after(world->directories[0], world->directories[1], -1);
	assert_int_equal(store_open(world->directories[1], &world->b, NULL), 0);
	store_position(world->b, &now);
	fixture_assert_at(&now, &new);
	if (n_old == 0)
		print_message("every kill came too late on this machine\n");
}

static void stage_then_measure(struct fixture_stores *world, unsigned n)
{
	struct monotime start, committed;
	struct sync sync;

	sync_open(&sync, world->a, world->b, 128 * 1024);
	start = monotime_now();
	sync_stage(&sync, world->b, 128 * 1024);
	committed = monotime_now();
	assert_int_equal(replica_stage_commit(sync.stage, &sync.position, NULL, NULL), 0);
	print_message("%u items, %zu bytes: sent and staged in %llu ms, committed in %llu ms\n", n,
		      sync.n_bytes,
		      (unsigned long long)(monotime_since(committed, start) / MONOTIME_NS_PER_MS),
		      (unsigned long long)(monotime_since(monotime_now(), committed) /
					   MONOTIME_NS_PER_MS));
	sync_done(&sync);
	fixture_assert_same(world->a, world->b, true);
}

static void ten_thousand_items_are_staged_and_committed(void **state)
{
	enum { N = 10000 };
	struct fixture_stores *world = *state;
	static struct store_change changes[N];
	static struct buf records[N];
	static char keys[N][32];

	for (unsigned i = 0; i < N; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "trustpoint/t%05u", i);
		fixture_record(keys[i] + 11, 1, 4500, i + 1, &records[i]);
		changes[i] = (struct store_change){keys[i], records[i].data, records[i].size};
	}
	assert_int_equal(store_change(world->a, 2, changes, N, NULL), 0);
	stage_then_measure(world, N);
	for (unsigned i = 0; i < N; i++) {
		fixture_record(keys[i] + 11, 1, 4500, i + 100000, &records[i]);
		changes[i] = (struct store_change){keys[i], records[i].data, records[i].size};
	}
	/* More keys than an entry of the journal names: a barrier. */
	assert_int_equal(store_change(world->a, 2, changes, N, NULL), 0);
	stage_then_measure(world, N);
	for (unsigned i = 0; i < N; i++)
		buf_done(&records[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_mate_gets_everything_and_then_nothing),
		TEST(a_mate_at_a_known_place_gets_only_what_changed_since),
		TEST(a_commit_of_nothing_new_leaves_the_journal_whole),
		TEST(a_mate_with_another_history_ends_with_exactly_what_the_active_has),
		TEST(an_older_position_overwrites_a_newer_one_when_told_so),
		TEST(the_same_contents_under_another_position_cost_no_item),
		TEST(a_snapshot_is_not_moved_by_imports_during_the_send),
		TEST(a_commit_that_does_not_add_up_changes_nothing),
		TEST(what_a_mate_may_not_send_is_refused),
		TEST(a_manifest_out_of_order_is_refused),
		TEST(after_any_history_a_sync_makes_both_the_same),
		TEST(a_kill_during_the_commit_leaves_old_or_new_and_never_between),
		TEST(ten_thousand_items_are_staged_and_committed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
