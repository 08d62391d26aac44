/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/io.h"
#include "certstore/replica/replica.h"
#include "tests/unit/keeper_verbs.h"
#include "tests/unit/store_fixture.h"

static void make_fallback(struct unit *unit)
{
	Asafo__Ipc__FallbackMake request = ASAFO__IPC__FALLBACK_MAKE__INIT;

	request.hostname = (char *)(uintptr_t) "gw.example";
	request.term = 2;
	assert_int_equal(
		unit_call_status(unit->engine, IPC_FALLBACK_MAKE, &request.base, NULL, 0, NULL), 0);
}

static void the_fallback_is_made_once_and_replicated(void **state)
{
	struct unit *units = *state;
	Asafo__Record__TrustpointPublic *first, *again;

	assert_null(keeper_certificate(units[0].front, ""));
	make_fallback(&units[0]);
	first = keeper_certificate(units[0].front, "");
	assert_int_equal(first->origin, ASAFO__RECORD__ORIGIN__ORIGIN_FALLBACK);
	make_fallback(&units[0]);
	again = keeper_certificate(units[0].front, "");
	assert_memory_equal(first->fingerprint.data, again->fingerprint.data, 32);
	keeper_part_free(again);
	keeper_set_failover_key(&units[0], "shared");
	keeper_set_failover_key(&units[1], "shared");
	assert_int_equal(keeper_replicate(&units[0], &units[1]),
			 ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__DELTA);
	again = keeper_certificate(units[1].front, "");
	assert_memory_equal(first->fingerprint.data, again->fingerprint.data, 32);
	assert_int_equal(keeper_sign_and_verify(&units[1], again, GNUTLS_SIGN_ECDSA_SHA256), 0);
	keeper_part_free(again);
	keeper_part_free(first);
}

static void the_standby_signs_with_what_was_imported_on_the_active(void **state)
{
	struct unit *units = *state;
	Asafo__Record__TrustpointPublic *part;
	Asafo__Ipc__KeeperStatusReply *status;

	make_pkcs12(units[0].directory, "vpn", "rsa:2048");
	make_pkcs12(units[0].directory, "web", "rsa:2048");
	make_pkcs12(units[1].directory, "alone", "rsa:2048");
	keeper_set_failover_key(&units[0], "shared");
	keeper_set_failover_key(&units[1], "shared");
	assert_int_equal(
		keeper_import(&units[0], (struct import){.name = "vpn", .file = "vpn"}, NULL), 0);
	assert_int_equal(keeper_replicate(&units[0], &units[1]),
			 ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__DELTA);
	assert_int_equal(keeper_replicate(&units[0], &units[1]),
			 ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__EQUAL);
	part = keeper_certificate(units[1].front, "vpn");
	assert_int_equal(keeper_sign_and_verify(&units[1], part, GNUTLS_SIGN_RSA_PSS_RSAE_SHA256),
			 0);
	keeper_part_free(part);
	/* Both go on alone, and meet again: the second unit ends with exactly what the first has.
	 */
	assert_int_equal(
		keeper_import(&units[0], (struct import){.name = "web", .file = "web"}, NULL), 0);
	assert_int_equal(
		keeper_import(&units[1], (struct import){.name = "alone", .file = "alone"}, NULL),
		0);
	assert_int_equal(keeper_replicate(&units[0], &units[1]),
			 ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__NEEDS_MANIFEST);
	assert_null(keeper_certificate(units[1].front, "alone"));
	unit_kill(&units[1]);
	unit_start(&units[1]);
	part = keeper_certificate(units[1].front, "web");
	assert_int_equal(keeper_sign_and_verify(&units[1], part, GNUTLS_SIGN_RSA_SHA256), 0);
	keeper_part_free(part);
	status = unit_status(&units[1]);
	assert_int_equal(status->activated_term, 2);
	asafo__ipc__keeper_status_reply__free_unpacked(status, NULL);
	/* After a failover the second unit imports, under the pair's key, and the first takes it
	 * over. */
	make_pkcs12(units[1].directory, "late", "rsa:2048");
	assert_int_equal(
		keeper_import(&units[1], (struct import){.name = "late", .file = "late"}, NULL), 0);
	assert_int_equal(keeper_replicate(&units[1], &units[0]),
			 ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__DELTA);
	part = keeper_certificate(units[0].front, "late");
	assert_int_equal(keeper_sign_and_verify(&units[0], part, GNUTLS_SIGN_RSA_SHA256), 0);
	keeper_part_free(part);
}

static uint64_t orphans_of(struct unit *unit)
{
	Asafo__Ipc__KeeperStatusReply *status = unit_status(unit);
	uint64_t orphans = status->orphans;

	asafo__ipc__keeper_status_reply__free_unpacked(status, NULL);
	return orphans;
}

static int drop_orphan(struct unit *unit, const char *name)
{
	Asafo__Ipc__OrphanDrop request = ASAFO__IPC__ORPHAN_DROP__INIT;

	request.name = (char *)(uintptr_t)name;
	return unit_call_status(unit->engine, IPC_ORPHAN_DROP, &request.base, NULL, 0, NULL);
}

static bool has_orphans(struct unit *unit, uint64_t wanted)
{
	for (unsigned i = 0; i < 10000; i++) {
		if (orphans_of(unit) == wanted)
			return true;
	}
	return false;
}

static void what_was_put_aside_and_came_back_from_the_active_is_no_orphan(void **state)
{
	struct unit *units = *state;
	Asafo__Ipc__OrphanKeep keep = ASAFO__IPC__ORPHAN_KEEP__INIT;

	keeper_set_failover_key(&units[0], "shared");
	keeper_set_failover_key(&units[1], "shared");
	make_pkcs12(units[0].directory, "vpn", "rsa:2048");
	make_pkcs12(units[1].directory, "alone", "rsa:2048");
	assert_int_equal(
		keeper_import(&units[0], (struct import){.name = "vpn", .file = "vpn"}, NULL), 0);
	assert_int_equal(keeper_replicate(&units[0], &units[1]),
			 ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__DELTA);
	assert_int_equal(
		keeper_import(&units[1], (struct import){.name = "alone", .file = "alone"}, NULL),
		0);
	keep.term = 2;
	keep.is_everything = true;
	assert_int_equal(
		unit_call_status(units[1].engine, IPC_ORPHAN_KEEP, &keep.base, NULL, 0, NULL), 0);
	assert_int_equal(orphans_of(&units[1]), 2);
	(void)keeper_replicate(&units[0], &units[1]);
	assert_true(has_orphans(&units[1], 1));
	/* That is the one that nobody else has. */
	assert_int_equal(drop_orphan(&units[1], "vpn"), ERR_NOT_FOUND);
	assert_int_equal(drop_orphan(&units[1], "alone"), 0);
	assert_int_equal(orphans_of(&units[1]), 0);
}

static void all_orphans_of_a_name_are_dropped_however_many(void **state)
{
	struct unit *units = *state;
	Asafo__Ipc__OrphanKeep keep = ASAFO__IPC__ORPHAN_KEEP__INIT;

	keeper_set_failover_key(&units[1], "shared");
	make_pkcs12(units[1].directory, "alone", "rsa:2048");
	assert_int_equal(
		keeper_import(&units[1], (struct import){.name = "alone", .file = "alone"}, NULL),
		0);
	keep.is_everything = true;
	for (keep.term = 2; keep.term < 152; keep.term++)
		assert_int_equal(unit_call_status(units[1].engine, IPC_ORPHAN_KEEP, &keep.base,
						  NULL, 0, NULL),
				 0);
	assert_int_equal(orphans_of(&units[1]), 150);
	assert_int_equal(drop_orphan(&units[1], "alone"), 0);
	assert_int_equal(orphans_of(&units[1]), 0);
}

static void the_position_says_whose_history_it_is_and_whether_there_is_data(void **state)
{
	struct unit *units = *state;
	Asafo__Ipc__OrphanKeep keep = ASAFO__IPC__ORPHAN_KEEP__INIT;
	Asafo__Ipc__KeeperStatusReply *a, *b;

	keeper_set_failover_key(&units[0], "shared");
	keeper_set_failover_key(&units[1], "shared");
	make_pkcs12(units[0].directory, "vpn", "rsa:2048");
	make_fallback(&units[1]);
	assert_int_equal(
		keeper_import(&units[0], (struct import){.name = "vpn", .file = "vpn"}, NULL), 0);
	a = unit_status(&units[0]);
	b = unit_status(&units[1]);
	assert_true(a->position->lineage != b->position->lineage);
	assert_true(a->position->has_data);
	assert_false(b->position->has_data);
	asafo__ipc__keeper_status_reply__free_unpacked(b, NULL);
	/* No term of ours: what it changed is nothing, everything is something. */
	keep.term = 9;
	assert_int_equal(
		unit_call_status(units[0].engine, IPC_ORPHAN_KEEP, &keep.base, NULL, 0, NULL), 0);
	assert_int_equal(orphans_of(&units[0]), 0);
	keep.is_everything = true;
	assert_int_equal(
		unit_call_status(units[0].engine, IPC_ORPHAN_KEEP, &keep.base, NULL, 0, NULL), 0);
	assert_int_equal(orphans_of(&units[0]), 1);
	assert_int_equal(keeper_replicate(&units[0], &units[1]),
			 ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__NEEDS_MANIFEST);
	b = unit_status(&units[1]);
	assert_true(a->position->lineage == b->position->lineage);
	assert_true(b->position->has_data);
	asafo__ipc__keeper_status_reply__free_unpacked(a, NULL);
	asafo__ipc__keeper_status_reply__free_unpacked(b, NULL);
}

static void a_mate_with_another_failover_key_is_refused(void **state)
{
	struct unit *units = *state;
	Asafo__Ipc__ReplicaOpen open_request = ASAFO__IPC__REPLICA_OPEN__INIT;
	Asafo__Ipc__StageOpen stage = ASAFO__IPC__STAGE_OPEN__INIT;
	Asafo__Ipc__StageCommit commit = ASAFO__IPC__STAGE_COMMIT__INIT;
	Asafo__Ipc__ReplicaOpenReply *offer;
	char why[512];

	assert_int_equal(unit_call_status(units[0].engine, IPC_REPLICA_OPEN, &open_request.base,
					  NULL, 0, why),
			 ERR_NOT_READY);
	assert_non_null(strstr(why, "failover key"));
	keeper_set_failover_key(&units[0], "shared");
	keeper_set_failover_key(&units[1], "another");
	offer = (Asafo__Ipc__ReplicaOpenReply *)unit_call(units[0].engine, IPC_REPLICA_OPEN,
							  &open_request.base, NULL, 0);
	stage.kek = offer->kek;
	assert_int_equal(
		unit_call_status(units[1].engine, IPC_STAGE_OPEN, &stage.base, NULL, 0, why),
		ERR_INTEGRITY);
	assert_non_null(strstr(why, "another failover key"));
	commit.position = offer->position;
	assert_int_equal(
		unit_call_status(units[1].engine, IPC_STAGE_COMMIT, &commit.base, NULL, 0, NULL),
		ERR_NOT_READY);
	asafo__ipc__replica_open_reply__free_unpacked(offer, NULL);
}

static void a_stage_knows_the_mates_term_before_its_records_are_here(void **state)
{
	struct unit *units = *state;
	Asafo__Ipc__ReplicaOpen open_request = ASAFO__IPC__REPLICA_OPEN__INIT;
	Asafo__Ipc__StageOpen stage = ASAFO__IPC__STAGE_OPEN__INIT;
	Asafo__Ipc__ReplicaOpenReply *offer;
	Asafo__Ipc__KeeperStatusReply *status;

	keeper_set_failover_key(&units[0], "shared");
	keeper_set_failover_key(&units[1], "shared");
	offer = (Asafo__Ipc__ReplicaOpenReply *)unit_call(units[0].engine, IPC_REPLICA_OPEN,
							  &open_request.base, NULL, 0);
	stage.kek = offer->kek;
	stage.term = 9;
	assert_int_equal(
		unit_call_status(units[1].engine, IPC_STAGE_OPEN, &stage.base, NULL, 0, NULL), 0);
	status = unit_status(&units[1]);
	assert_int_equal(status->activated_term, 9);
	asafo__ipc__keeper_status_reply__free_unpacked(status, NULL);
	asafo__ipc__replica_open_reply__free_unpacked(offer, NULL);
}

/* More than an index of one trustpoint carries along. */
#define N_ARRIVING 1200

/* A store of N_ARRIVING trustpoints, each with another key. */
static void fill(struct store *store)
{
	static struct store_change changes[N_ARRIVING];
	static char keys[N_ARRIVING][32];
	uint8_t key_id[32] = {0};

	for (unsigned i = 0; i < N_ARRIVING; i++) {
		Asafo__Record__TrustpointPublic part = ASAFO__RECORD__TRUSTPOINT_PUBLIC__INIT;
		Asafo__Record__SealedKey key = ASAFO__RECORD__SEALED_KEY__INIT;
		Asafo__Record__Record record = ASAFO__RECORD__RECORD__INIT;
		uint8_t packed[128], *value = malloc(256);

		assert_non_null(value);
		(void)snprintf(keys[i], sizeof(keys[i]), "trustpoint/t%05u", i);
		memcpy(key_id, &i, sizeof(i));
		part.name = strchr(keys[i], '/') + 1;
		part.generation = 1;
		part.key_id = (ProtobufCBinaryData){sizeof(key_id), key_id};
		record.public_part = (ProtobufCBinaryData){
			asafo__record__trustpoint_public__pack(&part, packed), packed};
		record.key = &key;
		changes[i] = (struct store_change){keys[i], value,
						   asafo__record__record__pack(&record, value)};
	}
	assert_int_equal(store_change(store, 2, changes, N_ARRIVING, NULL), 0);
	for (unsigned i = 0; i < N_ARRIVING; i++)
		free((void *)(uintptr_t)changes[i].value);
}

/* All items of FROM, to the stage that TO has open. */
static void stage_all(struct store *from, struct unit *to)
{
	const struct store_position nothing = {.count = 0};
	struct store_position position;
	struct replica_sender *sender;
	enum replica_mode mode;
	bool is_last = false;
	size_t n, n_items = 0;

	assert_int_equal(
		replica_sender_new(store_replica(from), &nothing, &sender, &mode, &position), 0);
	while (!is_last) {
		Asafo__Ipc__StageItems items = ASAFO__IPC__STAGE_ITEMS__INIT;
		struct buf batch = {0};

		assert_int_equal(replica_sender_next(sender, 60000, &batch, &is_last, &n), 0);
		items.batch = (ProtobufCBinaryData){batch.size, batch.data};
		assert_int_equal(
			unit_call_status(to->engine, IPC_STAGE_ITEMS, &items.base, NULL, 0, NULL),
			0);
		n_items += n;
		buf_done(&batch);
	}
	assert_int_equal(n_items, N_ARRIVING);
	replica_sender_free(sender);
}

static void a_large_bulk_that_is_given_up_keeps_nobody_from_signing(void **state)
{
	struct unit *units = *state;
	Asafo__Ipc__ReplicaOpen open_request = ASAFO__IPC__REPLICA_OPEN__INIT;
	Asafo__Ipc__StageOpen stage = ASAFO__IPC__STAGE_OPEN__INIT;
	Asafo__Record__TrustpointPublic *part;
	Asafo__Ipc__ReplicaOpenReply *offer;
	char *directory = fixture_directory();
	struct store *from;

	make_pkcs12(units[0].directory, "vpn", "rsa:2048");
	keeper_set_failover_key(&units[0], "shared");
	keeper_set_failover_key(&units[1], "shared");
	assert_int_equal(
		keeper_import(&units[0], (struct import){.name = "vpn", .file = "vpn"}, NULL), 0);
	(void)keeper_replicate(&units[0], &units[1]);
	assert_int_equal(store_open(directory, &from, NULL), 0);
	fill(from);
	offer = (Asafo__Ipc__ReplicaOpenReply *)unit_call(units[0].engine, IPC_REPLICA_OPEN,
							  &open_request.base, NULL, 0);
	stage.kek = offer->kek;
	/* Twice: the index of the first time is gone by then. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(unit_call_status(units[1].engine, IPC_STAGE_OPEN, &stage.base,
						  NULL, 0, NULL),
				 0);
		stage_all(from, &units[1]);
		assert_int_equal(
			unit_call_status(units[1].engine, IPC_STAGE_CLOSE, NULL, NULL, 0, NULL), 0);
		part = keeper_certificate(units[1].front, "vpn");
		assert_int_equal(
			keeper_sign_and_verify(&units[1], part, GNUTLS_SIGN_RSA_PSS_RSAE_SHA256),
			0);
		keeper_part_free(part);
		assert_null(keeper_certificate(units[1].front, "t00007"));
	}
	asafo__ipc__replica_open_reply__free_unpacked(offer, NULL);
	store_close(from);
	fixture_remove(directory);
}

static void store_times(const struct unit *unit, struct stat *ret_stat)
{
	char path[700];

	(void)snprintf(path, sizeof(path), "%s/store/data.mdb", unit->state_dir);
	assert_int_equal(stat(path, ret_stat), 0);
}

/* Until the first page of a commit was written, the instant of the kill that hurts most; at the
 * latest until the answer (the clock of a file is too coarse to tell two writes close together). */
static void wait_for_write(const struct unit *unit, const struct stat *before)
{
	struct pollfd answer = {.fd = unit->engine, .events = POLLIN};
	struct stat now;

	do {
		if (poll(&answer, 1, 0) != 0)
			return;
		store_times(unit, &now);
	} while (now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
		 now.st_mtim.tv_nsec == before->st_mtim.tv_nsec);
}

static void a_kill_during_the_commit_leaves_the_old_or_the_new_state(void **state)
{
	struct unit *units = *state;

	keeper_set_failover_key(&units[0], "shared");
	keeper_set_failover_key(&units[1], "shared");
	make_pkcs12(units[0].directory, "vpn", "rsa:2048");
	for (unsigned i = 0; i < 12; i++) {
		Asafo__Ipc__StageCommit commit = ASAFO__IPC__STAGE_COMMIT__INIT;
		Asafo__Ipc__KeeperStatusReply *before, *after;
		Asafo__Ipc__ReplicaOpenReply *offer;
		struct stat before_commit;
		char name[16];

		(void)snprintf(name, sizeof(name), "t%u", i);
		assert_int_equal(keeper_import(&units[0],
					       (struct import){.name = name, .file = "vpn"}, NULL),
				 0);
		before = unit_status(&units[1]);
		offer = keeper_stage_over(&units[0], &units[1]);
		commit.position = offer->position;
		store_times(&units[1], &before_commit);
		unit_send(units[1].engine, IPC_STAGE_COMMIT, 3, &commit.base, NULL, 0);
		if (i % 3 == 1)
			wait_for_write(&units[1], &before_commit);
		unit_kill(&units[1]);
		unit_start(&units[1]);
		after = unit_status(&units[1]);
		assert_int_equal(after->status->code, 0);
		if (after->position->seq == offer->position->seq)
			assert_memory_equal(after->position->digest.data,
					    offer->position->digest.data, 32);
		else
			assert_memory_equal(after->position->digest.data,
					    before->position->digest.data, 32);
		asafo__ipc__keeper_status_reply__free_unpacked(before, NULL);
		asafo__ipc__keeper_status_reply__free_unpacked(after, NULL);
		asafo__ipc__replica_open_reply__free_unpacked(offer, NULL);
	}
	(void)keeper_replicate(&units[0], &units[1]);
}

static void pairing_gives_both_units_the_same_link_keys(void **state)
{
	struct unit *units = *state;
	Asafo__Ipc__PairOfferReply *offer;
	Asafo__Ipc__PairJoin join = ASAFO__IPC__PAIR_JOIN__INIT;
	Asafo__Ipc__PairAccept accept_request = ASAFO__IPC__PAIR_ACCEPT__INIT;
	Asafo__Ipc__PairJoinReply *joined;
	Asafo__Ipc__LinkKeysReply *keys[2];

	assert_int_equal(unit_call_status(units[0].engine, IPC_LINK_KEYS, NULL, NULL, 0, NULL),
			 ERR_NOT_READY);
	offer = (Asafo__Ipc__PairOfferReply *)unit_call(units[0].engine, IPC_PAIR_OFFER, NULL, NULL,
							0);
	assert_int_equal(offer->status->code, 0);
	join.code = offer->code;
	joined = (Asafo__Ipc__PairJoinReply *)unit_call(units[1].engine, IPC_PAIR_JOIN, &join.base,
							NULL, 0);
	assert_memory_equal(joined->link_psk.data, offer->link_psk.data, 32);
	assert_memory_equal(joined->offer_id.data, offer->offer_id.data, 8);
	accept_request.code = offer->code;
	accept_request.sealed = offer->sealed;
	assert_int_equal(unit_call_status(units[1].engine, IPC_PAIR_ACCEPT, &accept_request.base,
					  NULL, 0, NULL),
			 0);
	for (int i = 0; i < 2; i++) {
		keys[i] = (Asafo__Ipc__LinkKeysReply *)unit_call(units[i].engine, IPC_LINK_KEYS,
								 NULL, NULL, 0);
		assert_int_equal(keys[i]->hello_key.len, 32);
	}
	assert_memory_equal(keys[0]->hello_key.data, keys[1]->hello_key.data, 32);
	assert_memory_equal(keys[0]->link_psk.data, keys[1]->link_psk.data, 32);
	for (int i = 0; i < 2; i++)
		asafo__ipc__link_keys_reply__free_unpacked(keys[i], NULL);
	asafo__ipc__pair_offer_reply__free_unpacked(offer, NULL);
	asafo__ipc__pair_join_reply__free_unpacked(joined, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, keepers_setup, keepers_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_fallback_is_made_once_and_replicated),
		TEST(the_standby_signs_with_what_was_imported_on_the_active),
		TEST(the_position_says_whose_history_it_is_and_whether_there_is_data),
		TEST(what_was_put_aside_and_came_back_from_the_active_is_no_orphan),
		TEST(all_orphans_of_a_name_are_dropped_however_many),
		TEST(a_mate_with_another_failover_key_is_refused),
		TEST(a_stage_knows_the_mates_term_before_its_records_are_here),
		TEST(a_large_bulk_that_is_given_up_keeps_nobody_from_signing),
		TEST(a_kill_during_the_commit_leaves_the_old_or_the_new_state),
		TEST(pairing_gives_both_units_the_same_link_keys),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
