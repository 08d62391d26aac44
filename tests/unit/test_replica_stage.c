/* SPDX-License-Identifier: Apache-2.0 */
/* A stage that has the store's write transaction while others change the store. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "certstore/store/record.pb-c.h"
#include "certstore/replica/replica.h"
#include "certstore/store/store.h"
#include "tests/unit/faults.h"
#include "tests/unit/store_fixture.h"

/* A batch is one record, and a stage gathers two. */
#define N_BATCHES 64
#define BATCH_SIZE 6000u
#define RECORD_SIZE 5000u
#define GATHERED 8000u
#define LARGE_SIZE (48u * 1024)

struct transfer {
	struct store *to;
	struct replica_sender *sender;
	struct replica_stage *stage;
	struct store_position position;
	size_t n_items;
	bool is_last;
};

static void begin(struct transfer *transfer, struct store *from, struct store *to)
{
	struct store_position mate;
	enum replica_mode mode;

	*transfer = (struct transfer){.to = to};
	store_position(to, &mate);
	assert_int_equal(replica_sender_new(store_replica(from), &mate, &transfer->sender, &mode,
					    &transfer->position),
			 0);
	assert_int_equal(mode, REPLICA_DELTA);
	assert_int_equal(replica_stage_new(store_replica(to), &transfer->stage), 0);
	replica_stage_gather(transfer->stage, GATHERED);
}

static void next(struct transfer *transfer)
{
	struct buf batch = {0};
	size_t n;

	assert_int_equal(
		replica_sender_next(transfer->sender, BATCH_SIZE, &batch, &transfer->is_last, &n),
		0);
	assert_int_equal(replica_stage_items(transfer->stage, batch.data, batch.size, NULL), 0);
	transfer->n_items += n;
	buf_done(&batch);
}

static void rest(struct transfer *transfer)
{
	while (!transfer->is_last)
		next(transfer);
}

static int count(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	size_t *n = userdata;

	assert_non_null(strstr(key, "trustpoint/"));
	assert_true(value && size > RECORD_SIZE);
	(*n)++;
	return 0;
}

static void drop(struct transfer *transfer)
{
	replica_stage_free(transfer->stage);
	replica_sender_free(transfer->sender);
}

static void commit(struct transfer *transfer)
{
	size_t n = 0;

	assert_int_equal(replica_stage_commit(transfer->stage, &transfer->position, NULL, NULL), 0);
	assert_int_equal(replica_stage_each(transfer->stage, count, &n), 0);
	assert_int_equal(n, transfer->n_items);
	drop(transfer);
}

static void change_unit(struct store *store, const char *key, const char *value)
{
	struct store_change change = {key, (const uint8_t *)value, strlen(value)};

	assert_int_equal(store_unit_change(store, &change, 1, NULL), 0);
}

static void assert_unit(struct store *store, const char *key, const char *value)
{
	struct buf found = {0};

	assert_int_equal(store_unit_get(store, key, &found), 0);
	assert_int_equal(found.size, strlen(value));
	assert_memory_equal(found.data, value, found.size);
	buf_done(&found);
}

static void fill(struct store *store)
{
	char name[32];

	for (unsigned i = 0; i < N_BATCHES; i++) {
		(void)snprintf(name, sizeof(name), "t%05u", i);
		fixture_put(store, 2, name, RECORD_SIZE, i + 1);
	}
}

/* One that changes the store each DISTURBED batches while it is staged. */
static void stage_disturbed(struct fixture_stores *world, unsigned disturbed)
{
	struct transfer transfer;
	char value[32] = "";

	fill(world->a);
	begin(&transfer, world->a, world->b);
	for (unsigned i = 1; !transfer.is_last; i++) {
		next(&transfer);
		if (i % disturbed != 0)
			continue;
		(void)snprintf(value, sizeof(value), "after %u", i);
		change_unit(world->b, "terms", value);
		assert_unit(world->b, "terms", value);
	}
	assert_true(value[0]);
	commit(&transfer);
	fixture_assert_same(world->a, world->b, true);
	assert_unit(world->b, "terms", value);
	assert_int_equal(store_verify(world->b, NULL), 0);
}

static void the_store_is_changed_while_a_stage_fills_and_nothing_is_lost(void **state)
{
	stage_disturbed(*state, N_BATCHES / 2);
}

static void a_stage_that_is_disturbed_all_the_time_comes_to_its_end(void **state)
{
	stage_disturbed(*state, 1);
}

static void what_is_staged_is_read_by_nobody_before_the_commit(void **state)
{
	struct fixture_stores *world = *state;
	struct store_position before, now;
	struct transfer transfer;
	uint64_t n;

	fill(world->a);
	store_position(world->b, &before);
	begin(&transfer, world->a, world->b);
	rest(&transfer);
	store_position(world->b, &now);
	fixture_assert_at(&before, &now);
	assert_int_equal(store_count(world->b, "trustpoint/", &n), 0);
	assert_int_equal(n, 0);
	commit(&transfer);
	assert_int_equal(store_count(world->b, "trustpoint/", &n), 0);
	assert_int_equal(n, N_BATCHES);
}

static void of_two_stages_each_has_the_store_in_its_turn(void **state)
{
	struct fixture_stores *world = *state;
	struct transfer first, second;

	fill(world->a);
	begin(&first, world->a, world->b);
	begin(&second, world->a, world->b);
	while (!first.is_last) {
		next(&first);
		next(&second);
	}
	commit(&second);
	fixture_assert_same(world->a, world->b, true);
	/* What it was made for is there already; what it has is no more than that. */
	commit(&first);
	fixture_assert_same(world->a, world->b, true);
	assert_int_equal(store_verify(world->b, NULL), 0);
}

static void a_stage_that_is_given_up_leaves_the_store_to_others(void **state)
{
	struct fixture_stores *world = *state;
	struct store_position before, after;
	struct transfer transfer;

	fill(world->a);
	store_position(world->b, &before);
	begin(&transfer, world->a, world->b);
	rest(&transfer);
	/* Not while the stage has a change under way. */
	assert_int_equal(store_trim(world->b, NULL), 0);
	drop(&transfer);
	store_position(world->b, &after);
	fixture_assert_at(&before, &after);
	change_unit(world->b, "terms", "one");
	assert_int_equal(store_trim(world->b, NULL), 0);
	assert_unit(world->b, "terms", "one");
	assert_int_equal(store_verify(world->b, NULL), 0);
}

/* From 4 MiB on the disk is told of the pages while they are still handed to the system. */
static void a_large_stage_is_whole_and_is_there_for_the_next_change(void **state)
{
	struct fixture_stores *world = *state;
	struct transfer transfer;
	char name[32];

	for (unsigned i = 0; i < 5 * 1024 * 1024 / LARGE_SIZE; i++) {
		(void)snprintf(name, sizeof(name), "t%05u", i);
		fixture_put(world->a, 2, name, LARGE_SIZE, i + 1);
	}
	begin(&transfer, world->a, world->b);
	rest(&transfer);
	commit(&transfer);
	fixture_assert_same(world->a, world->b, true);
	assert_int_equal(store_verify(world->b, NULL), 0);
	change_unit(world->b, "terms", "one");
	assert_unit(world->b, "terms", "one");
}

static void sums_that_do_not_agree_are_refused_and_change_nothing(void **state)
{
	struct fixture_stores *world = *state;
	struct store_position before, after;
	struct transfer transfer;

	fill(world->a);
	store_position(world->b, &before);
	begin(&transfer, world->a, world->b);
	rest(&transfer);
	transfer.position.digest[3] ^= 1;
	assert_int_equal(replica_stage_commit(transfer.stage, &transfer.position, NULL, NULL),
			 ERR_DIFFERS);
	/* Not with the right one either: what was staged is gone. */
	transfer.position.digest[3] ^= 1;
	assert_int_equal(replica_stage_commit(transfer.stage, &transfer.position, NULL, NULL),
			 ERR_DIFFERS);
	drop(&transfer);
	store_position(world->b, &after);
	fixture_assert_at(&before, &after);
	change_unit(world->b, "terms", "one");
	assert_int_equal(store_verify(world->b, NULL), 0);
}

/* As the keeper, which waits for a change no longer than its bytes may take. */
static int run_and_note(store_work_fn work, void *work_userdata, uint64_t bytes, void *userdata)
{
	uint64_t *said = userdata;

	*said = bytes;
	return work(work_userdata);
}

/* Until a batch makes the stage change the store, and how many bytes were said for that. */
static uint64_t next_change(struct transfer *transfer, uint64_t *said)
{
	*said = 0;
	while (*said == 0 && !transfer->is_last)
		next(transfer);
	return *said;
}

static void who_makes_a_stage_let_go_is_given_time_for_all_that_it_has(void **state)
{
	struct fixture_stores *world = *state;
	struct transfer transfer;
	uint64_t said = 0;

	fill(world->a);
	store_set_runner(world->b, run_and_note, &said);
	begin(&transfer, world->a, world->b);
	for (unsigned i = 0; i < 10; i++) {
		(void)next_change(&transfer, &said);
		/* What is there already is not waited for again. */
		assert_in_range(said, GATHERED, 2 * GATHERED);
	}
	change_unit(world->b, "terms", "one");
	assert_in_range(said, transfer.n_items * RECORD_SIZE, transfer.n_items * BATCH_SIZE);
	change_unit(world->b, "terms", "two");
	assert_in_range(said, 1, 10);
	/* It takes all of it with it into the next one. */
	(void)next_change(&transfer, &said);
	assert_in_range(said, transfer.n_items * RECORD_SIZE, transfer.n_items * BATCH_SIZE);
	(void)next_change(&transfer, &said);
	assert_in_range(said, GATHERED, 2 * GATHERED);
	rest(&transfer);
	assert_int_equal(replica_stage_commit(transfer.stage, &transfer.position, NULL, NULL), 0);
	assert_in_range(said, N_BATCHES * RECORD_SIZE, N_BATCHES * BATCH_SIZE);
	drop(&transfer);
	change_unit(world->b, "terms", "three");
	assert_in_range(said, 1, 10);
}

static void what_a_stage_had_is_not_waited_for_when_it_is_given_up(void **state)
{
	struct fixture_stores *world = *state;
	struct transfer first, second;
	uint64_t said = 0;

	fill(world->a);
	store_set_runner(world->b, run_and_note, &said);
	begin(&first, world->a, world->b);
	begin(&second, world->a, world->b);
	while (!first.is_last)
		next(&first);
	/* It has little, and the other one all. */
	(void)next_change(&second, &said);
	assert_true(said > (N_BATCHES - 2) * RECORD_SIZE);
	drop(&second);
	change_unit(world->b, "terms", "one");
	assert_in_range(said, 1, 10);
	drop(&first);
}

static int count_removed(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	size_t *n = userdata;

	assert_non_null(strstr(key, "trustpoint/"));
	assert_int_equal(value != NULL, size > 0);
	*n += !value;
	return 0;
}

/* What is removed comes before what is changed. */
static void change_all(struct store *store)
{
	char name[32];

	for (unsigned i = 0; i < N_BATCHES; i++) {
		(void)snprintf(name, sizeof(name), "t%05u", i);
		if (i < N_BATCHES / 2)
			fixture_delete(store, 2, name);
		else
			fixture_put(store, 2, name, RECORD_SIZE, i + 1000);
	}
}

/* It is removed while the stage has the transaction, and that may be before it lets go of it. */
static void stage_removals(struct fixture_stores *world, bool is_disturbed)
{
	struct transfer transfer;
	size_t n = 0;

	fill(world->a);
	begin(&transfer, world->a, world->b);
	rest(&transfer);
	commit(&transfer);
	change_all(world->a);
	begin(&transfer, world->a, world->b);
	replica_stage_gather(transfer.stage, 1);
	next(&transfer);
	assert_true(transfer.n_items >= N_BATCHES / 2 && !transfer.is_last);
	if (is_disturbed)
		change_unit(world->b, "terms", "one");
	rest(&transfer);
	assert_int_equal(replica_stage_commit(transfer.stage, &transfer.position, NULL, NULL), 0);
	assert_int_equal(replica_stage_each(transfer.stage, count_removed, &n), 0);
	assert_int_equal(n, N_BATCHES / 2);
	drop(&transfer);
	fixture_assert_same(world->a, world->b, true);
	assert_int_equal(store_verify(world->b, NULL), 0);
}

static void what_is_removed_in_a_stage_is_gone_and_told(void **state)
{
	stage_removals(*state, false);
}

static void what_is_removed_in_a_stage_that_is_disturbed_is_gone_and_told(void **state)
{
	stage_removals(*state, true);
}

static void a_stage_that_finds_no_room_when_it_lets_go_fails_and_hurts_nobody(void **state)
{
	struct fixture_stores *world = *state;
	struct store_position before, after;
	struct transfer transfer;
	struct buf batch = {0};
	struct why why;
	size_t n;

	fill(world->a);
	store_position(world->b, &before);
	begin(&transfer, world->a, world->b);
	while (transfer.n_items < N_BATCHES / 2)
		next(&transfer);
	/* The first that is written is what the stage had. */
	faults_begin(FAULTS_ENOSPC, 1, 1);
	change_unit(world->b, "terms", "one");
	assert_true(faults_end() > 1);
	assert_unit(world->b, "terms", "one");
	assert_int_equal(replica_sender_next(transfer.sender, 10 * BATCH_SIZE, &batch,
					     &transfer.is_last, &n),
			 0);
	assert_int_equal(replica_stage_items(transfer.stage, batch.data, batch.size, &why),
			 -ENOSPC);
	assert_string_equal(why.text,
			    "what the mate sent cannot be staged: No space left on device");
	buf_done(&batch);
	assert_int_equal(replica_stage_commit(transfer.stage, &transfer.position, NULL, &why),
			 -ENOSPC);
	assert_non_null(strstr(why.text, "no space left; nothing was changed"));
	drop(&transfer);
	store_position(world->b, &after);
	fixture_assert_at(&before, &after);
	assert_int_equal(store_verify(world->b, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_store_is_changed_while_a_stage_fills_and_nothing_is_lost),
		TEST(a_stage_that_is_disturbed_all_the_time_comes_to_its_end),
		TEST(what_is_staged_is_read_by_nobody_before_the_commit),
		TEST(of_two_stages_each_has_the_store_in_its_turn),
		TEST(a_stage_that_is_given_up_leaves_the_store_to_others),
		TEST(a_large_stage_is_whole_and_is_there_for_the_next_change),
		TEST(sums_that_do_not_agree_are_refused_and_change_nothing),
		TEST(who_makes_a_stage_let_go_is_given_time_for_all_that_it_has),
		TEST(what_a_stage_had_is_not_waited_for_when_it_is_given_up),
		TEST(what_is_removed_in_a_stage_is_gone_and_told),
		TEST(what_is_removed_in_a_stage_that_is_disturbed_is_gone_and_told),
		TEST(a_stage_that_finds_no_room_when_it_lets_go_fails_and_hurts_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
