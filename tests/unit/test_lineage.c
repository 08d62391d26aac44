/* SPDX-License-Identifier: Apache-2.0 */
/* Whose history it is: what a store is born with, keeps, and takes from its active. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <lmdb.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "certstore/store/record.pb-c.h"
#include "certstore/replica/replica.h"
#include "certstore/store/store.h"
#include "tests/unit/store_fixture.h"

static struct store_position position_of(struct store *store)
{
	struct store_position position;

	store_position(store, &position);
	return position;
}

static void reopen(struct fixture_stores *world)
{
	store_close(world->a);
	world->a = NULL;
	assert_int_equal(store_open(world->directories[0], &world->a, NULL), 0);
}

/* The file as a version left it that did not know of lineages. */
static void forge_old_format(const char *directory)
{
	Asafo__Record__Position *position;
	MDB_val key = {8, (void *)(uintptr_t) "position"}, value;
	uint8_t packed[128];
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi meta;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
	assert_int_equal(mdb_env_open(env, directory, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "replicated/meta", 0, &meta), 0);
	assert_int_equal(mdb_get(txn, meta, &key, &value), 0);
	position = asafo__record__position__unpack(NULL, value.mv_size, value.mv_data);
	assert_non_null(position);
	position->lineage = 0;
	position->has_data = false;
	value = (MDB_val){asafo__record__position__pack(position, packed), packed};
	asafo__record__position__free_unpacked(position, NULL);
	assert_int_equal(mdb_put(txn, meta, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void put_fallback(struct store *store, uint64_t term)
{
	struct store_change change = {"fallback/", (const uint8_t *)"record", 6};

	assert_int_equal(store_change(store, term, &change, 1, NULL), 0);
}

/* B becomes what A is; returns how. N items crossed. */
static enum replica_mode synchronise(struct store *a, struct store *b,
				     struct store_position says_mate, size_t *ret_n)
{
	struct replica_sender *sender = NULL;
	struct replica_stage *stage = NULL;
	struct store_position target;
	enum replica_mode mode;
	char after[STORE_KEY_MAX + 1] = "";
	struct buf manifest = {0}, batch = {0};
	bool is_last;

	assert_int_equal(replica_sender_new(store_replica(a), &says_mate, &sender, &mode, &target),
			 0);
	if (mode == REPLICA_NEEDS_MANIFEST) {
		assert_int_equal(replica_manifest_next(store_replica(b), 1 << 20, after, &manifest,
						       &is_last),
				 0);
		assert_true(is_last);
		assert_int_equal(
			replica_sender_manifest(sender, manifest.data, manifest.size, true), 0);
	}
	*ret_n = 0;
	assert_int_equal(replica_stage_new(store_replica(b), &stage), 0);
	if (mode != REPLICA_EQUAL) {
		assert_int_equal(replica_sender_next(sender, 1 << 20, &batch, &is_last, ret_n), 0);
		assert_true(is_last);
		assert_int_equal(replica_stage_items(stage, batch.data, batch.size, NULL), 0);
	}
	assert_int_equal(replica_stage_commit(stage, &target, NULL, NULL), 0);
	replica_stage_free(stage);
	replica_sender_free(sender);
	buf_done(&manifest);
	buf_done(&batch);
	fixture_assert_same(a, b, true);
	return mode;
}

static void a_store_is_born_with_a_lineage_and_keeps_it(void **state)
{
	struct fixture_stores *world = *state;
	struct store_position born = position_of(world->a), now;

	assert_true(born.lineage != 0);
	assert_true(born.lineage != position_of(world->b).lineage);
	assert_false(born.has_data);
	fixture_put(world->a, 2, "vpn", 300, 1);
	reopen(world);
	now = position_of(world->a);
	assert_true(now.lineage == born.lineage);
	assert_true(now.has_data);
}

static void the_fallback_alone_is_no_data(void **state)
{
	struct fixture_stores *world = *state;

	put_fallback(world->a, 2);
	assert_false(position_of(world->a).has_data);
	reopen(world);
	assert_false(position_of(world->a).has_data);
	fixture_put(world->a, 2, "vpn", 300, 1);
	assert_true(position_of(world->a).has_data);
	fixture_delete(world->a, 2, "vpn");
	assert_false(position_of(world->a).has_data);
}

static void a_store_of_an_older_version_gets_a_lineage_when_it_is_opened(void **state)
{
	struct fixture_stores *world = *state;
	struct store_position before, first, second;

	fixture_put(world->a, 2, "vpn", 300, 1);
	before = position_of(world->a);
	store_close(world->a);
	forge_old_format(world->directories[0]);
	assert_int_equal(store_open(world->directories[0], &world->a, NULL), 0);
	first = position_of(world->a);
	assert_true(first.lineage != 0 && first.lineage != before.lineage);
	before.lineage = first.lineage;
	fixture_assert_at(&before, &first);
	reopen(world);
	second = position_of(world->a);
	fixture_assert_at(&first, &second);
	assert_int_equal(store_verify(world->a, NULL), 0);
}

static void of_a_pair_of_an_older_version_both_get_the_same_lineage(void **state)
{
	static const uint8_t ID[STORE_KEK_ID_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct fixture_stores *world = *state;
	struct store **stores[] = {&world->a, &world->b};

	for (int i = 0; i < 2; i++) {
		fixture_put(*stores[i], 2, "vpn", 300, 1);
		assert_int_equal(store_kek_id_set(*stores[i], ID), 0);
		store_close(*stores[i]);
		*stores[i] = NULL;
		forge_old_format(world->directories[i]);
		assert_int_equal(store_open(world->directories[i], stores[i], NULL), 0);
	}
	fixture_assert_same(world->a, world->b, true);
}

static void a_standby_takes_the_lineage_of_its_active(void **state)
{
	struct fixture_stores *world = *state;
	size_t n;

	fixture_put(world->b, 2, "vpn", 300, 1);
	assert_int_equal(synchronise(world->b, world->a, position_of(world->a), &n), REPLICA_DELTA);
	assert_int_equal(n, 1);
	reopen(world);
	fixture_assert_same(world->a, world->b, true);
	/* From then on the changes are enough, both ways. */
	fixture_put(world->b, 2, "web", 300, 1);
	assert_int_equal(synchronise(world->b, world->a, position_of(world->a), &n), REPLICA_DELTA);
	assert_int_equal(n, 1);
	fixture_put(world->a, 3, "mail", 300, 1);
	assert_int_equal(synchronise(world->a, world->b, position_of(world->b), &n), REPLICA_DELTA);
	assert_int_equal(n, 1);
}

static void the_same_place_in_another_history_is_no_place_to_go_on_from(void **state)
{
	struct fixture_stores *world = *state;
	size_t n;

	fixture_put(world->a, 2, "vpn", 300, 1);
	fixture_put(world->b, 2, "vpn", 300, 1);
	fixture_put(world->a, 2, "web", 300, 2);
	assert_int_equal(synchronise(world->a, world->b, position_of(world->b), &n),
			 REPLICA_NEEDS_MANIFEST);
	assert_int_equal(n, 1);
}

static void equal_contents_of_another_lineage_end_with_its_adoption(void **state)
{
	struct fixture_stores *world = *state;
	struct store_position other;
	bool is_whole;
	size_t n;

	fixture_put(world->a, 2, "vpn", 300, 1);
	fixture_put(world->b, 2, "vpn", 300, 1);
	other = position_of(world->b);
	assert_true(other.lineage != position_of(world->a).lineage);
	assert_int_equal(synchronise(world->a, world->b, other, &n), REPLICA_EQUAL);
	assert_true(other.lineage != position_of(world->b).lineage);
	/* What the journal said was of the other history. */
	assert_int_equal(store_journal_each(world->b, 2, NULL, NULL, &is_whole), 0);
	assert_false(is_whole);
}

static void a_mate_of_an_older_version_counts_as_the_same_lineage(void **state)
{
	struct fixture_stores *world = *state;
	struct store_position mate, own;
	struct replica_stage *stage = NULL;
	size_t n;

	fixture_put(world->a, 2, "vpn", 300, 1);
	(void)synchronise(world->a, world->b, position_of(world->b), &n);
	mate = position_of(world->b);
	mate.lineage = 0;
	fixture_put(world->a, 2, "web", 300, 2);
	assert_int_equal(synchronise(world->a, world->b, mate, &n), REPLICA_DELTA);
	/* As the active it says none: ours stays. */
	own = position_of(world->b);
	mate = own;
	mate.lineage = 0;
	mate.term = 5;
	assert_int_equal(replica_stage_new(store_replica(world->b), &stage), 0);
	assert_int_equal(replica_stage_commit(stage, &mate, NULL, NULL), 0);
	replica_stage_free(stage);
	own.term = 5;
	mate = position_of(world->b);
	fixture_assert_at(&own, &mate);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_store_is_born_with_a_lineage_and_keeps_it),
		TEST(the_fallback_alone_is_no_data),
		TEST(a_store_of_an_older_version_gets_a_lineage_when_it_is_opened),
		TEST(of_a_pair_of_an_older_version_both_get_the_same_lineage),
		TEST(a_standby_takes_the_lineage_of_its_active),
		TEST(the_same_place_in_another_history_is_no_place_to_go_on_from),
		TEST(equal_contents_of_another_lineage_end_with_its_adoption),
		TEST(a_mate_of_an_older_version_counts_as_the_same_lineage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
