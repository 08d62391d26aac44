/* SPDX-License-Identifier: Apache-2.0 */
/* A stage that has the store's write transaction while others change the store. */
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
#include "tests/unit/store_fixture.h"

/* A batch is one record, and a stage gathers two. */
#define N_BATCHES 64
#define BATCH_SIZE 6000u
#define RECORD_SIZE 5000u
#define GATHERED 8000u

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

static int count(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	size_t *n = userdata;

	assert_non_null(strstr(key, "trustpoint/"));
	assert_true(value && size > RECORD_SIZE);
	(*n)++;
	return 0;
}

static void commit(struct transfer *transfer)
{
	size_t n = 0;

	assert_int_equal(replica_stage_commit(transfer->stage, &transfer->position, NULL, NULL), 0);
	assert_int_equal(replica_stage_each(transfer->stage, count, &n), 0);
	assert_int_equal(n, transfer->n_items);
	replica_stage_free(transfer->stage);
	replica_sender_free(transfer->sender);
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
	while (!transfer.is_last)
		next(&transfer);
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
	while (!transfer.is_last)
		next(&transfer);
	/* Not while the stage has a change under way. */
	assert_int_equal(store_trim(world->b, NULL), 0);
	replica_stage_free(transfer.stage);
	replica_sender_free(transfer.sender);
	store_position(world->b, &after);
	fixture_assert_at(&before, &after);
	change_unit(world->b, "terms", "one");
	assert_int_equal(store_trim(world->b, NULL), 0);
	assert_unit(world->b, "terms", "one");
	assert_int_equal(store_verify(world->b, NULL), 0);
}

static void sums_that_do_not_agree_are_refused_and_change_nothing(void **state)
{
	struct fixture_stores *world = *state;
	struct store_position before, after;
	struct transfer transfer;

	fill(world->a);
	store_position(world->b, &before);
	begin(&transfer, world->a, world->b);
	while (!transfer.is_last)
		next(&transfer);
	transfer.position.digest[3] ^= 1;
	assert_int_equal(replica_stage_commit(transfer.stage, &transfer.position, NULL, NULL),
			 ERR_DIFFERS);
	/* Not with the right one either: what was staged is gone. */
	transfer.position.digest[3] ^= 1;
	assert_int_equal(replica_stage_commit(transfer.stage, &transfer.position, NULL, NULL),
			 ERR_DIFFERS);
	replica_stage_free(transfer.stage);
	replica_sender_free(transfer.sender);
	store_position(world->b, &after);
	fixture_assert_at(&before, &after);
	change_unit(world->b, "terms", "one");
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
		TEST(sums_that_do_not_agree_are_refused_and_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
