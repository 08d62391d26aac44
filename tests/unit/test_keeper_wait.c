/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A keeper whose disk takes its time. The disk is slow as long as the test holds the store's writer
 * lock: then each change of the keeper's waits, as it does for a disk, and the test says how long.
 */
#include <fcntl.h>
#include <lmdb.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/gnutls.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/monotime.h"
#include "certstore/keeper/keeper_state.h"
#include "certstore/keeper/patience.h"
#include "certstore/store/store.h"
#include "tests/unit/backup_verbs.h"
#include "tests/unit/hung_file.h"
#include "tests/unit/keeper_verbs.h"
#include "tests/unit/store_fixture.h"

#define PATIENCE_MS 20000
#define ALGORITHM GNUTLS_SIGN_ECDSA_SECP256R1_SHA256

struct disk {
	MDB_env *env;
	MDB_txn *txn;
};

static void disk_slow(const struct unit *unit, struct disk *ret_disk)
{
	char path[700];

	(void)snprintf(path, sizeof(path), "%s/store", unit->state_dir);
	assert_int_equal(mdb_env_create(&ret_disk->env), 0);
	assert_int_equal(mdb_env_open(ret_disk->env, path, MDB_NOTLS, 0600), 0);
	assert_int_equal(mdb_txn_begin(ret_disk->env, NULL, 0, &ret_disk->txn), 0);
}

static void disk_goes_on(struct disk *disk)
{
	mdb_txn_abort(disk->txn);
	mdb_env_close(disk->env);
}

static void import_own(struct unit *unit)
{
	make_pkcs12(unit->directory, "own", "ec -pkeyopt ec_paramgen_curve:P-256");
	assert_int_equal(keeper_import(unit, (struct import){.name = "own", .file = "own"}, NULL),
			 0);
}

/* The next sign of life that was not said before now. */
static void await_life(const struct unit *unit)
{
	static uint8_t buffer[IPC_HEADER_SIZE + IPC_BODY_MAX];
	struct pollfd pfd = {.fd = unit->supervisor, .events = POLLIN};
	struct ipc_frame frame;

	while (poll(&pfd, 1, 0) == 1)
		assert_int_equal(
			ipc_frame_receive(unit->supervisor, buffer, sizeof(buffer), &frame), 0);
	assert_int_equal(poll(&pfd, 1, PATIENCE_MS), 1);
	assert_int_equal(ipc_frame_receive(unit->supervisor, buffer, sizeof(buffer), &frame), 0);
	assert_int_equal(frame.type, IPC_WATCHDOG);
}

static bool has_answer(const struct unit *unit)
{
	struct pollfd pfd = {.fd = unit->engine, .events = POLLIN};
	static uint8_t buffer[IPC_HEADER_SIZE + IPC_BODY_MAX];
	struct ipc_frame frame = {0};

	while (!frame.is_reply && poll(&pfd, 1, 0) == 1)
		assert_int_equal(ipc_frame_receive(unit->engine, buffer, sizeof(buffer), &frame),
				 0);
	return frame.is_reply;
}

/* While the keeper waits with what was asked: handshakes get all that they need, and the supervisor
 * hears of it; who asked has no answer. */
static void assert_serves(struct unit *unit)
{
	for (int i = 0; i < 3; i++) {
		Asafo__Record__TrustpointPublic *part = keeper_certificate(unit->front, "own");

		assert_non_null(part);
		assert_int_equal(keeper_sign_and_verify(unit, part, ALGORITHM), 0);
		keeper_part_free(part);
		await_life(unit);
	}
	assert_false(has_answer(unit));
}

static bool has(const struct unit *unit, const char *name)
{
	Asafo__Record__TrustpointPublic *part = keeper_certificate(unit->front, name);

	if (part)
		keeper_part_free(part);
	return part != NULL;
}

static int answer_of(struct unit *unit)
{
	ProtobufCMessage *reply = unit_receive(unit->engine, NULL, NULL);
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field(reply->descriptor, 1);
	Asafo__Ipc__Status *status;
	int code;

	memcpy(&status, (uint8_t *)reply + field->offset, sizeof(status));
	code = status->code;
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}

static void persist_send(struct unit *unit, uint64_t term)
{
	Asafo__Ipc__TermPersist request = ASAFO__IPC__TERM_PERSIST__INIT;

	request.term = term;
	request.is_activation = true;
	unit_send(unit->engine, IPC_TERM_PERSIST, 1, &request.base, NULL, 0);
}

static void handshakes_go_on_while_a_term_waits_for_the_disk(void **state)
{
	struct unit *unit = *state;
	Asafo__Ipc__KeeperStatusReply *status;
	struct disk disk;

	import_own(unit);
	disk_slow(unit, &disk);
	persist_send(unit, 7);
	/* What else is asked gets its turn behind it. */
	unit_send(unit->engine, IPC_KEEPER_STATUS, 2, NULL, NULL, 0);
	assert_serves(unit);
	disk_goes_on(&disk);
	assert_int_equal(answer_of(unit), 0);
	status = (Asafo__Ipc__KeeperStatusReply *)unit_receive(unit->engine, NULL, NULL);
	assert_int_equal(status->activated_term, 7);
	asafo__ipc__keeper_status_reply__free_unpacked(status, NULL);
}

static void handshakes_go_on_while_an_import_waits_for_the_disk(void **state)
{
	struct unit *unit = *state;
	struct disk disk;

	import_own(unit);
	make_pkcs12(unit->directory, "other", "ec -pkeyopt ec_paramgen_curve:P-256");
	disk_slow(unit, &disk);
	keeper_import_send(unit, 1, (struct import){.name = "other", .file = "other"});
	assert_serves(unit);
	assert_false(has(unit, "other"));
	disk_goes_on(&disk);
	assert_int_equal(answer_of(unit), 0);
	/* What was acknowledged is durable. */
	unit_kill(unit);
	unit_start(unit);
	assert_true(has(unit, "other"));
}

static void handshakes_go_on_while_a_bulk_is_committed(void **state)
{
	struct unit *units = *state;
	Asafo__Ipc__StageCommit commit = ASAFO__IPC__STAGE_COMMIT__INIT;
	Asafo__Ipc__ReplicaOpenReply *offer;
	struct disk disk;

	keeper_set_failover_key(&units[0], "shared");
	keeper_set_failover_key(&units[1], "shared");
	import_own(&units[0]);
	(void)keeper_replicate(&units[0], &units[1]);
	make_pkcs12(units[0].directory, "more", "ec -pkeyopt ec_paramgen_curve:P-256");
	assert_int_equal(
		keeper_import(&units[0], (struct import){.name = "more", .file = "more"}, NULL), 0);
	offer = keeper_stage_over(&units[0], &units[1]);
	commit.position = offer->position;
	disk_slow(&units[1], &disk);
	unit_send(units[1].engine, IPC_STAGE_COMMIT, 1, &commit.base, NULL, 0);
	assert_serves(&units[1]);
	disk_goes_on(&disk);
	assert_int_equal(answer_of(&units[1]), 0);
	assert_true(has(&units[1], "more"));
	asafo__ipc__replica_open_reply__free_unpacked(offer, NULL);
}

static void handshakes_go_on_while_a_restore_is_committed(void **state)
{
	struct unit *unit = *state;
	Asafo__Ipc__RestoreCommit commit = ASAFO__IPC__RESTORE_COMMIT__INIT;
	Asafo__Ipc__RestoreReply *plan;
	struct disk disk;
	int file;

	import_own(unit);
	file = backup_forge((struct backup_forgery){.name = "vpn", .head = 31, .n_older = 30});
	plan = restore_plan(unit, file, (struct restore){.is_forced = true});
	assert_int_equal(plan->status->code, 0);
	commit.plan = plan->plan;
	disk_slow(unit, &disk);
	unit_send(unit->engine, IPC_RESTORE_COMMIT, 1, &commit.base, NULL, 0);
	assert_serves(unit);
	disk_goes_on(&disk);
	assert_int_equal(answer_of(unit), 0);
	assert_true(has(unit, "vpn"));
	asafo__ipc__restore_reply__free_unpacked(plan, NULL);
	(void)close(file);
}

/* The same in less time than what waits has, without a word of the supervisor. */
static void assert_signs(struct unit *unit)
{
	for (int i = 0; i < 3; i++) {
		Asafo__Record__TrustpointPublic *part = keeper_certificate(unit->front, "own");

		assert_non_null(part);
		assert_int_equal(keeper_sign_and_verify(unit, part, ALGORITHM), 0);
		keeper_part_free(part);
	}
	assert_false(has_answer(unit));
}

static void export_send(struct unit *unit, int output, int passphrase)
{
	Asafo__Ipc__Export request = ASAFO__IPC__EXPORT__INIT;
	char name[] = "own", format[] = "pkcs12";

	request.name = name;
	request.format = format;
	unit_send(unit->engine, IPC_EXPORT, 1, &request.base, (int[]){output, passphrase}, 2);
}

static void handshakes_go_on_while_a_passphrase_does_not_come(void **state)
{
	struct unit *unit = *state;
	int ends[2], output = text_fd("");

	import_own(unit);
	assert_int_equal(pipe(ends), 0);
	export_send(unit, output, ends[0]);
	assert_signs(unit);
	assert_int_equal(answer_of(unit), ERR_TIMEOUT);
	(void)close(ends[0]);
	(void)close(ends[1]);
	(void)close(output);
}

/* A secret that was made is all that is written then: no key is derived that would be waited for.
 */
static void handshakes_go_on_while_nobody_takes_what_is_written(void **state)
{
	static const uint8_t bytes[4096];
	Asafo__Ipc__LoginSeal request = ASAFO__IPC__LOGIN_SEAL__INIT;
	struct unit *unit = *state;
	char user[] = "alice", issuer[] = "vpn";
	int ends[2];

	import_own(unit);
	request.user = user;
	request.issuer = issuer;
	request.is_new = true;
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	while (write(ends[1], bytes, sizeof(bytes)) > 0) {
	}
	unit_send(unit->engine, IPC_LOGIN_SEAL, 1, &request.base, &ends[1], 1);
	assert_signs(unit);
	assert_int_equal(answer_of(unit), ERR_TIMEOUT);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void handshakes_go_on_while_a_backups_key_is_derived(void **state)
{
	struct unit *unit = *state;
	int file;

	import_own(unit);
	file = backup_make(unit, (struct backup){0}, NULL);
	restore_send(unit, file, (struct restore){.passphrase = "another\n"});
	assert_signs(unit);
	assert_int_equal(answer_of(unit), ERR_BAD_PASSPHRASE);
	(void)close(file);
}

/* The next word of the keeper's about its disk. */
static void await_disk(const struct unit *unit, char ret_text[static 80])
{
	static uint8_t buffer[IPC_HEADER_SIZE + IPC_BODY_MAX];
	struct ipc_frame frame = {0};
	ProtobufCMessage *body;

	while (frame.type != IPC_DISK) {
		struct pollfd pfd = {.fd = unit->engine, .events = POLLIN};

		assert_int_equal(poll(&pfd, 1, PATIENCE_MS), 1);
		assert_int_equal(ipc_frame_receive(unit->engine, buffer, sizeof(buffer), &frame),
				 0);
		assert_false(frame.is_reply);
	}
	body = ipc_frame_unpack(&frame);
	assert_non_null(body);
	(void)snprintf(ret_text, 80, "%s", ((Asafo__Ipc__Disk *)body)->waits_for);
	protobuf_c_message_free_unpacked(body, NULL);
}

static void the_engine_hears_of_a_slow_disk_before_it_is_given_up(void **state)
{
	struct unit *unit = *state;
	struct disk disk;
	char text[80];

	import_own(unit);
	disk_slow(unit, &disk);
	persist_send(unit, 7);
	await_disk(unit, text);
	assert_string_equal(text, "a change of the certificate store");
	disk_goes_on(&disk);
	await_disk(unit, text);
	assert_string_equal(text, "");
	assert_int_equal(answer_of(unit), 0);
}

static void a_front_that_leaves_or_lies_while_the_keeper_waits_hurts_nobody(void **state)
{
	static const uint8_t garbage[40] = {0xff};
	struct unit *unit = *state;
	struct disk disk;

	import_own(unit);
	disk_slow(unit, &disk);
	persist_send(unit, 7);
	assert_serves(unit);
	/* What a front may never ask is looked at when the loop turns again. */
	unit_send(unit->front, IPC_KEEPER_STATUS, 3, NULL, NULL, 0);
	assert_int_equal(write(unit->front, garbage, sizeof(garbage)), (ssize_t)sizeof(garbage));
	await_life(unit);
	(void)close(TAKE_FD(unit->front));
	await_life(unit);
	disk_goes_on(&disk);
	assert_int_equal(answer_of(unit), 0);
	unit_stop(unit);
	unit_start(unit);
	assert_true(has(unit, "own"));
}

static void what_is_held_is_read_as_it_was_until_it_is_released(void **state)
{
	char *directory = fixture_directory(), path[700];
	struct store *store = NULL;
	static const uint8_t value[1000];
	const struct store_change before = {"own/1", value, 10}, after = {"own/1", value, 1000};
	const struct store_change more = {"own/2", value, 10};
	_cleanup_(buf_done) struct buf read = {0};
	uint64_t count = 0;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/store", directory);
	assert_int_equal(store_open(path, &store, NULL), 0);
	assert_int_equal(store_unit_change(store, &before, 1, NULL), 0);
	store_hold(store);
	store_hold(store);
	assert_int_equal(store_unit_change(store, &after, 1, NULL), 0);
	assert_int_equal(store_unit_change(store, &more, 1, NULL), 0);
	assert_int_equal(store_unit_get(store, "own/1", &read), 0);
	assert_int_equal(read.size, 10);
	assert_int_equal(store_unit_count(store, "own/", &count), 0);
	assert_int_equal(count, 1);
	store_release(store);
	store_release(store);
	buf_clear(&read);
	assert_int_equal(store_unit_get(store, "own/1", &read), 0);
	assert_int_equal(read.size, 1000);
	assert_int_equal(store_unit_count(store, "own/", &count), 0);
	assert_int_equal(count, 2);
	/* With what is held it is closed, too. */
	store_hold(store);
	store_close(store);
	fixture_remove(directory);
}

static struct monotime at(uint64_t s)
{
	return (struct monotime){(1000 + s) * MONOTIME_NS_PER_SEC};
}

/* The turns of a wait from FROM to TO, in seconds: when it was over; 0: not by then. */
static uint64_t turns(struct patience *patience, uint64_t from, uint64_t to,
		      const struct monotime *look_begun)
{
	for (uint64_t s = from; s <= to; s++) {
		if (patience_turn(patience, at(s), look_begun))
			return s;
	}
	return 0;
}

static void a_disk_that_hangs_is_waited_for_as_long_as_its_bytes_may_take(void **state)
{
	struct patience patience;

	(void)state;
	patience_begin(&patience, at(0), patience_for(0));
	assert_int_equal(turns(&patience, 1, 1000, NULL), 30);
	patience_begin(&patience, at(0), patience_for(640000));
	assert_int_equal(turns(&patience, 1, 1000, NULL), 40);
	assert_int_equal(patience.ms, 40000);
	patience_begin(&patience, at(0), PATIENCE_ENDLESS);
	assert_int_equal(turns(&patience, 1, 100000, NULL), 0);
}

/* What waits behind a look has not begun to write. */
static void what_waited_behind_a_look_has_all_of_its_time_yet(void **state)
{
	const struct monotime look_begun = at(0);
	struct patience patience;

	(void)state;
	patience_begin(&patience, at(5), patience_for(0));
	assert_int_equal(turns(&patience, 6, 100, &look_begun), 0);
	assert_int_equal(patience.ms, 95000);
	assert_int_equal(turns(&patience, 101, 1000, NULL), 130);
}

static void a_look_that_never_ends_holds_up_what_waits_no_longer_than_five_minutes(void **state)
{
	const struct monotime look_begun = at(0);
	struct patience patience;

	(void)state;
	patience_begin(&patience, at(100), patience_for(0));
	assert_int_equal(turns(&patience, 101, 1000, &look_begun), 329);
	/* It hung before: that it is looked at is no excuse. */
	patience_begin(&patience, at(400), patience_for(0));
	assert_int_equal(turns(&patience, 401, 1000, &look_begun), 430);
}

/* The descriptor by which a look reads the disk itself; -1: this file system cannot do that. */
static int find_direct_fd(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		int flags = fcntl(fd, F_GETFL);

		if (flags >= 0 && (flags & O_DIRECT))
			return fd;
	}
	return -1;
}

/* The next turn begins a look, and one of the next ends it. */
static void look_once(struct keeper *keeper)
{
	const bool was_said = keeper->scrub.is_failure_said;

	keeper->scrub.n_turns = 9;
	while (keeper->scrub.n_turns < 13 && keeper->scrub.is_failure_said == was_said)
		assert_true(sd_event_run(keeper->event, UINT64_MAX) >= 0);
}

static void that_the_disk_cannot_be_looked_at_is_said_again_after_it_could(void **state)
{
	char *directory = fixture_directory(), path[700];
	struct keeper keeper = {0};
	int direct, good, bad;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/store", directory);
	assert_int_equal(store_open(path, &keeper.store, NULL), 0);
	assert_true(sd_event_new(&keeper.event) >= 0);
	assert_true(keeper_scrub_begin(&keeper) >= 0);
	direct = find_direct_fd();
	if (direct >= 0) {
		good = dup(direct);
		bad = open("/", O_RDONLY | O_CLOEXEC);
		assert_true(good >= 0 && bad >= 0);
		assert_int_equal(dup2(bad, direct), direct);
		look_once(&keeper);
		assert_true(keeper.scrub.is_failure_said);
		assert_int_equal(dup2(good, direct), direct);
		look_once(&keeper);
		assert_false(keeper.scrub.is_failure_said);
		(void)close(good);
		(void)close(bad);
	}
	keeper_scrub_drop(&keeper);
	(void)sd_event_unref(keeper.event);
	store_close(keeper.store);
	fixture_remove(directory);
	if (direct < 0)
		skip();
}

static void a_look_that_never_ends_does_not_hold_up_the_keepers_end(void **state)
{
	char *directory = fixture_directory(), path[700];
	struct keeper keeper = {0};
	struct hung_file hung;
	struct monotime begun;
	int direct;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/store", directory);
	assert_int_equal(store_open(path, &keeper.store, NULL), 0);
	assert_true(sd_event_new(&keeper.event) >= 0);
	assert_true(keeper_scrub_begin(&keeper) >= 0);
	direct = find_direct_fd();
	if (direct >= 0 && hung_file_open(&hung)) {
		assert_int_equal(dup2(hung.fd, direct), direct);
		look_once(&keeper);
		assert_non_null(keeper_scrub_look_begun(&keeper));
		begun = monotime_now();
		keeper_scrub_drop(&keeper);
		assert_true(monotime_since(monotime_now(), begun) < 5 * MONOTIME_NS_PER_SEC);
		hung_file_close(&hung);
	} else {
		direct = -1;
		keeper_scrub_drop(&keeper);
	}
	(void)sd_event_unref(keeper.event);
	store_close(keeper.store);
	fixture_remove(directory);
	if (direct < 0)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_held_is_read_as_it_was_until_it_is_released),
		cmocka_unit_test(a_disk_that_hangs_is_waited_for_as_long_as_its_bytes_may_take),
		cmocka_unit_test(what_waited_behind_a_look_has_all_of_its_time_yet),
		cmocka_unit_test(
			a_look_that_never_ends_holds_up_what_waits_no_longer_than_five_minutes),
		cmocka_unit_test(a_look_that_never_ends_does_not_hold_up_the_keepers_end),
		cmocka_unit_test(that_the_disk_cannot_be_looked_at_is_said_again_after_it_could),
		cmocka_unit_test_setup_teardown(handshakes_go_on_while_a_term_waits_for_the_disk,
						keepers_setup, keepers_teardown),
		cmocka_unit_test_setup_teardown(handshakes_go_on_while_an_import_waits_for_the_disk,
						keepers_setup, keepers_teardown),
		cmocka_unit_test_setup_teardown(handshakes_go_on_while_a_bulk_is_committed,
						keepers_setup, keepers_teardown),
		cmocka_unit_test_setup_teardown(handshakes_go_on_while_a_restore_is_committed,
						keepers_setup, keepers_teardown),
		cmocka_unit_test_setup_teardown(handshakes_go_on_while_a_passphrase_does_not_come,
						keepers_setup, keepers_teardown),
		cmocka_unit_test_setup_teardown(handshakes_go_on_while_nobody_takes_what_is_written,
						keepers_setup, keepers_teardown),
		cmocka_unit_test_setup_teardown(handshakes_go_on_while_a_backups_key_is_derived,
						keepers_setup, keepers_teardown),
		cmocka_unit_test_setup_teardown(
			the_engine_hears_of_a_slow_disk_before_it_is_given_up, keepers_setup,
			keepers_teardown),
		cmocka_unit_test_setup_teardown(
			a_front_that_leaves_or_lies_while_the_keeper_waits_hurts_nobody,
			keepers_setup, keepers_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
