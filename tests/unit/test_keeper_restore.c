/* SPDX-License-Identifier: Apache-2.0 */
/* How many generations a store has after restores, and that none of them outlives a removal; and
 * what becomes of a restore that nobody commits. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "certstore/keeper/keeper_state.h"
#include "certstore/store/store.h"
#include "tests/unit/backup_verbs.h"
#include "tests/unit/keeper_verbs.h"
#include "tests/unit/store_fixture.h"
#include "tests/unit/wait.h"

static void import_vpn(struct unit *unit, const char *file, int wanted, char *ret_why)
{
	make_pkcs12(unit->directory, file, "ec -pkeyopt ec_paramgen_curve:P-256");
	assert_int_equal(
		keeper_import(unit, (struct import){.name = "vpn", .file = file, .replace = true},
			      ret_why),
		wanted);
}

static void assert_list(struct unit *unit, const char *wanted)
{
	char text[4096];

	keeper_list(unit, true, text, sizeof(text));
	assert_string_equal(text, wanted);
}

/* Of what is shared: the record of every key counts, whatever lists show. */
static void assert_records(struct unit *unit, uint64_t wanted)
{
	Asafo__Ipc__KeeperStatusReply *status = unit_status(unit);

	assert_int_equal(status->position->count, wanted);
	asafo__ipc__keeper_status_reply__free_unpacked(status, NULL);
}

static void restore_forged(struct unit *unit, struct backup_forgery forgery, int wanted,
			   char *ret_why)
{
	int file = backup_forge(forgery);

	assert_int_equal(
		restore_code(unit, file,
			     (struct restore){.is_forced = true, .is_unit = forgery.is_unit},
			     ret_why),
		wanted);
	(void)close(file);
}

static void a_backup_brings_as_many_generations_as_are_kept(void **state)
{
	struct unit *unit = *state, *mate = unit + 1;

	keeper_set_failover_key(unit, "shared");
	keeper_set_failover_key(mate, "shared");
	restore_forged(unit, (struct backup_forgery){.name = "vpn", .head = 31, .n_older = 30}, 0,
		       NULL);
	assert_list(unit, "vpn 31 r vpn 26 r vpn 27 r vpn 28 r vpn 29 r vpn 30 r ");
	assert_records(unit, 6);
	(void)keeper_replicate(unit, mate);
	assert_records(mate, 6);
	assert_int_equal(keeper_remove_trustpoint(unit, "vpn"), 0);
	assert_records(unit, 0);
	(void)keeper_replicate(unit, mate);
	assert_records(mate, 0);
	/* Another one of that name has no past. */
	import_vpn(unit, "one", 0, NULL);
	assert_list(unit, "vpn 1 r ");
}

static void restores_by_turns_keep_the_last_generations(void **state)
{
	struct unit *unit = *state;
	struct backup_forgery forgeries[2] = {{.name = "vpn", .head = 1, .seed = 1},
					      {.name = "vpn", .head = 1, .seed = 2}};

	for (unsigned family = 0; family < 2; family++) {
		for (unsigned i = 0; i < 9; i++) {
			forgeries[i % 2].is_unit = family == 1;
			restore_forged(unit, forgeries[i % 2], 0, NULL);
		}
		assert_list(unit, family == 0 ? "vpn 9 r vpn 4 r vpn 5 r vpn 6 r vpn 7 r vpn 8 r "
					      : "vpn 9 u vpn 4 u vpn 5 u vpn 6 u vpn 7 u vpn 8 u ");
		assert_int_equal(keeper_remove_trustpoint(unit, "vpn"), 0);
		assert_list(unit, "");
		/* Nothing is left: there is nothing to take away. */
		assert_int_equal(keeper_remove_trustpoint(unit, "vpn"), ERR_NOT_FOUND);
	}
	assert_records(unit, 0);
}

/* As a version before this one left it: 40 generations from FIRST on, in a store that is closed. */
static void put_generations(struct unit *unit, uint64_t first)
{
	struct store *store = NULL;
	char path[700], key[128];

	unit_kill(unit);
	(void)snprintf(path, sizeof(path), "%s/store", unit->state_dir);
	assert_int_equal(store_open(path, &store, NULL), 0);
	for (uint64_t i = first; i < first + 40; i++) {
		struct store_change change = {.key = key};
		struct buf record = {0};

		(void)snprintf(key, sizeof(key), "generation/vpn/%010" PRIu64, i);
		fixture_record("vpn", i, 100, i, &record);
		change.value = record.data;
		change.value_size = record.size;
		assert_int_equal(store_change(store, 2, &change, 1, NULL), 0);
		buf_done(&record);
	}
	store_close(store);
	unit_start(unit);
}

static void a_removal_takes_them_all_however_many_there_are(void **state)
{
	struct unit *unit = *state;

	import_vpn(unit, "one", 0, NULL);
	put_generations(unit, 2);
	assert_records(unit, 41);
	assert_int_equal(keeper_remove_trustpoint(unit, "vpn"), 0);
	assert_records(unit, 0);
	/* And what a removal left behind before. */
	put_generations(unit, 1);
	assert_records(unit, 40);
	assert_int_equal(keeper_remove_trustpoint(unit, "vpn"), 0);
	assert_records(unit, 0);
	assert_int_equal(keeper_remove_trustpoint(unit, "vpn"), ERR_NOT_FOUND);
}

static void an_import_prunes_them_all_however_many_there_are(void **state)
{
	struct unit *unit = *state;

	restore_forged(unit, (struct backup_forgery){.name = "vpn", .head = 60}, 0, NULL);
	put_generations(unit, 10);
	import_vpn(unit, "one", 0, NULL);
	assert_list(unit, "vpn 61 r vpn 46 r vpn 47 r vpn 48 r vpn 49 r vpn 60 r ");
	/* A trustpoint does not inherit from one of its name that was removed. */
	assert_int_equal(keeper_remove_trustpoint(unit, "vpn"), 0);
	put_generations(unit, 1);
	import_vpn(unit, "two", 0, NULL);
	assert_list(unit, "vpn 1 r ");
	/* Nor does one that has got some already keep them. */
	put_generations(unit, 5);
	restore_forged(unit, (struct backup_forgery){.name = "vpn", .head = 1}, 0, NULL);
	assert_list(unit, "vpn 2 r vpn 1 r ");
	assert_records(unit, 2);
}

static void generations_that_do_not_sort_are_refused(void **state)
{
	static const uint64_t wrong[] = {0, 1000000000, UINT64_MAX};
	struct unit *unit = *state;
	char why[512];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		restore_forged(unit, (struct backup_forgery){.name = "vpn", .head = wrong[i]},
			       ERR_MALFORMED, why);
		assert_non_null(strstr(why, "trustpoint/vpn"));
	}
	assert_records(unit, 0);
}

static void behind_the_last_generation_comes_none(void **state)
{
	struct unit *unit = *state;
	char why[512];

	restore_forged(unit,
		       (struct backup_forgery){.name = "vpn", .head = 999999999, .n_older = 1}, 0,
		       NULL);
	import_vpn(unit, "one", ERR_TOO_LARGE, why);
	assert_non_null(strstr(why, "remove it"));
	assert_int_equal(keeper_rollback(unit, "vpn", 1, why), ERR_TOO_LARGE);
	restore_forged(unit, (struct backup_forgery){.name = "vpn", .head = 5, .seed = 3},
		       ERR_TOO_LARGE, why);
	assert_non_null(strstr(why, "remove it"));
	assert_list(unit, "vpn 999999999 r vpn 1 r ");
	assert_int_equal(keeper_remove_trustpoint(unit, "vpn"), 0);
	import_vpn(unit, "one", 0, NULL);
	assert_list(unit, "vpn 1 r ");
}

static uint64_t plan(struct unit *unit, int file)
{
	Asafo__Ipc__RestoreReply *reply =
		restore_plan(unit, file, (struct restore){.is_forced = true});
	uint64_t number = reply->plan;

	assert_int_equal(reply->status->code, 0);
	assert_true(reply->is_planned);
	asafo__ipc__restore_reply__free_unpacked(reply, NULL);
	return number;
}

static int close_plan(struct unit *unit, uint64_t number)
{
	Asafo__Ipc__RestoreClose request = ASAFO__IPC__RESTORE_CLOSE__INIT;

	request.plan = number;
	return unit_call_status(unit->engine, IPC_RESTORE_CLOSE, &request.base, NULL, 0, NULL);
}

static void a_plan_that_is_given_up_is_not_committed(void **state)
{
	int file = backup_forge((struct backup_forgery){.name = "vpn", .head = 1});
	struct unit *unit = *state;
	uint64_t number = plan(unit, file);

	assert_int_equal(close_plan(unit, number), 0);
	assert_int_equal(restore_commit(unit, number, NULL), ERR_NOT_READY);
	assert_records(unit, 0);
	/* Another one is not his to give up, nor is there one for ever. */
	number = plan(unit, file);
	assert_int_equal(close_plan(unit, number - 1), 0);
	assert_int_equal(restore_commit(unit, number, NULL), 0);
	assert_records(unit, 1);
	assert_int_equal(close_plan(unit, number), 0);
	(void)close(file);
}

/* ---- a keeper in this process ---- */

struct inside {
	char *directory;
	sd_event *event;
	struct keeper *keeper;
	struct unit engine; /* nothing but that */
	int file;
};

static void inside_attach(struct inside *inside)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(keeper_add_peer(inside->keeper, IPC_PEER_ENGINE, 0, fds[1]), 0);
	inside->engine.engine = fds[0];
}

static void inside_begin(struct inside *inside)
{
	struct keeper_config config = {0};

	*inside = (struct inside){.directory = fixture_directory()};
	inside->file = backup_forge((struct backup_forgery){.name = "vpn", .head = 1});
	config.state_dir = inside->directory;
	assert_true(sd_event_new(&inside->event) >= 0);
	assert_int_equal(keeper_new(inside->event, &config, &inside->keeper), 0);
	inside_attach(inside);
	assert_null(keeper_failure(inside->keeper));
}

static bool inside_has_answer(const struct inside *inside)
{
	uint8_t byte;

	return recv(inside->engine.engine, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void inside_plan(struct inside *inside, bool is_dry_run)
{
	Asafo__Ipc__RestoreReply *reply;

	restore_send(&inside->engine, inside->file,
		     (struct restore){.is_forced = true, .is_dry_run = is_dry_run});
	WAIT_ON(inside->event, inside_has_answer(inside));
	reply = (Asafo__Ipc__RestoreReply *)unit_receive(inside->engine.engine, NULL, NULL);
	assert_int_equal(reply->status->code, 0);
	assert_int_equal(reply->is_planned, !is_dry_run);
	asafo__ipc__restore_reply__free_unpacked(reply, NULL);
}

static void inside_end(struct inside *inside)
{
	keeper_free(inside->keeper);
	(void)close(inside->engine.engine);
	(void)sd_event_unref(inside->event);
	(void)close(inside->file);
	fixture_remove(inside->directory);
}

static void a_plan_goes_with_the_engine_that_asked_for_it(void **state)
{
	struct inside inside;
	int before;

	(void)state;
	inside_begin(&inside);
	inside_plan(&inside, false);
	assert_non_null(inside.keeper->restore);
	(void)close(inside.engine.engine);
	WAIT_ON(inside.event, !inside.keeper->restore);
	inside_attach(&inside);
	inside_plan(&inside, false);
	assert_non_null(inside.keeper->restore);
	/* One that is not known to be gone has another one in its place. */
	before = inside.engine.engine;
	inside_attach(&inside);
	assert_null(inside.keeper->restore);
	(void)close(before);
	inside_end(&inside);
}

#define N_LARGE 140u
#define LARGE 128000u

/* In one transaction: 17 MB. */
static void put_in_one(struct store *store)
{
	struct store_change changes[N_LARGE];
	struct buf records[N_LARGE] = {0};
	char names[N_LARGE][32];

	for (unsigned i = 0; i < N_LARGE; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "trustpoint/t%05u", i);
		fixture_record(names[i] + 11, 1, LARGE, i + 1, &records[i]);
		changes[i] = (struct store_change){names[i], records[i].data, records[i].size};
	}
	assert_int_equal(store_change(store, 2, changes, N_LARGE, NULL), 0);
	for (unsigned i = 0; i < N_LARGE; i++)
		buf_done(&records[i]);
}

static void the_memory_of_a_dry_run_is_given_back(void **state)
{
	struct inside inside;

	(void)state;
	inside_begin(&inside);
	/* As it does itself where there is so much in a backup. */
	put_in_one(inside.keeper->store);
	assert_true(store_slack(inside.keeper->store) > N_LARGE * (LARGE - 1000));
	inside_plan(&inside, true);
	WAIT_ON(inside.event, store_slack(inside.keeper->store) == 0);
	inside_end(&inside);
}

int main(void)
{
#define IN_PAIR(test) cmocka_unit_test_setup_teardown(test, keepers_setup, keepers_teardown)
	const struct CMUnitTest tests[] = {
		IN_PAIR(a_backup_brings_as_many_generations_as_are_kept),
		IN_PAIR(restores_by_turns_keep_the_last_generations),
		IN_PAIR(a_removal_takes_them_all_however_many_there_are),
		IN_PAIR(an_import_prunes_them_all_however_many_there_are),
		IN_PAIR(generations_that_do_not_sort_are_refused),
		IN_PAIR(behind_the_last_generation_comes_none),
		IN_PAIR(a_plan_that_is_given_up_is_not_committed),
		cmocka_unit_test(a_plan_goes_with_the_engine_that_asked_for_it),
		cmocka_unit_test(the_memory_of_a_dry_run_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
