/* SPDX-License-Identifier: Apache-2.0 */
/* Backup and restore by the keeper itself: into its own store, and into one that has nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "tests/unit/backup_verbs.h"
#include "tests/unit/keeper_verbs.h"

#define EC "ec -pkeyopt ec_paramgen_curve:P-256"

static void import_as(struct unit *unit, const char *name, const char *file, bool non_exportable)
{
	make_pkcs12(unit->directory, file, EC);
	assert_int_equal(keeper_import(unit,
				       (struct import){.name = name,
						       .file = file,
						       .replace = true,
						       .non_exportable = non_exportable},
				       NULL),
			 0);
}

static void assert_list(struct unit *unit, const char *wanted)
{
	char text[512];

	keeper_list(unit, true, text, sizeof(text));
	assert_string_equal(text, wanted);
}

static void assert_signs(struct unit *unit, const char *name)
{
	Asafo__Record__TrustpointPublic *part = keeper_certificate(unit->front, name);

	assert_non_null(part);
	assert_int_equal(keeper_sign_and_verify(unit, part, GNUTLS_SIGN_ECDSA_SHA256), 0);
	keeper_part_free(part);
}

static uint64_t seq_of(struct unit *unit)
{
	Asafo__Ipc__KeeperStatusReply *status = unit_status(unit);
	uint64_t seq = status->position->seq;

	asafo__ipc__keeper_status_reply__free_unpacked(status, NULL);
	return seq;
}

static void a_unit_that_lost_everything_gets_it_back_with_its_generations(void **state)
{
	struct unit *unit = *state, *empty = unit + 1;
	char before[512], after[512];
	int file;

	import_as(unit, "vpn", "one", false);
	import_as(unit, "vpn", "two", false);
	import_as(unit, "web", "three", false);
	file = backup_make(unit, (struct backup){0}, NULL);
	assert_int_equal(restore_code(empty, file, (struct restore){0}, NULL), 0);
	keeper_list(unit, true, before, sizeof(before));
	keeper_list(empty, true, after, sizeof(after));
	assert_string_equal(after, before);
	assert_signs(empty, "vpn");
	assert_int_equal(keeper_rollback(empty, "vpn", 1, NULL), 0);
	assert_signs(empty, "vpn");
	/* It is on the disk. */
	unit_kill(empty);
	unit_start(empty);
	assert_signs(empty, "web");
	(void)close(file);
}

static void what_is_there_already_is_not_written_again(void **state)
{
	struct unit *unit = *state;
	Asafo__Ipc__RestoreReply *reply;
	uint64_t seq;
	int file;

	import_as(unit, "vpn", "one", false);
	file = backup_make(unit, (struct backup){0}, NULL);
	seq = seq_of(unit);
	reply = restore_run(unit, file, (struct restore){0});
	assert_int_equal(reply->status->code, 0);
	assert_int_equal(reply->same, 1);
	assert_int_equal(reply->n_changes, 0);
	assert_int_equal(reply->config.len, strlen("hostname pair\n"));
	asafo__ipc__restore_reply__free_unpacked(reply, NULL);
	assert_int_equal(seq_of(unit), seq);
	/* What was removed comes back, in one change. */
	assert_int_equal(keeper_remove_trustpoint(unit, "vpn"), 0);
	seq = seq_of(unit);
	assert_int_equal(restore_code(unit, file, (struct restore){0}, NULL), 0);
	assert_int_equal(seq_of(unit), seq + 1);
	assert_signs(unit, "vpn");
	(void)close(file);
}

static void a_newer_one_is_named_and_wins_unless_forced(void **state)
{
	struct unit *unit = *state;
	Asafo__Record__TrustpointPublic *newer, *after;
	char why[512];
	int file;

	import_as(unit, "vpn", "one", false);
	import_as(unit, "web", "three", false);
	file = backup_make(unit, (struct backup){0}, NULL);
	import_as(unit, "vpn", "two", false);
	assert_int_equal(keeper_remove_trustpoint(unit, "web"), 0);
	newer = keeper_certificate(unit->front, "vpn");
	assert_int_equal(restore_code(unit, file, (struct restore){0}, why), ERR_EXISTS);
	assert_non_null(strstr(why, "vpn"));
	assert_null(keeper_certificate(unit->front, "web"));
	assert_int_equal(restore_code(unit, file, (struct restore){.is_forced = true}, NULL), 0);
	assert_list(unit, "vpn 3 r vpn 1 r vpn 2 r web 1 r ");
	after = keeper_certificate(unit->front, "vpn");
	assert_int_equal(after->restored_from, 1);
	assert_memory_not_equal(after->fingerprint.data, newer->fingerprint.data, 32);
	assert_signs(unit, "vpn");
	/* And what was the present one is not lost. */
	assert_int_equal(keeper_rollback(unit, "vpn", 2, NULL), 0);
	keeper_part_free(after);
	after = keeper_certificate(unit->front, "vpn");
	assert_memory_equal(after->fingerprint.data, newer->fingerprint.data, 32);
	keeper_part_free(after);
	keeper_part_free(newer);
	(void)close(file);
}

static void a_dry_run_says_it_all_and_stores_nothing(void **state)
{
	struct unit *unit = *state;
	Asafo__Ipc__RestoreReply *reply;
	uint64_t seq;
	int file;

	import_as(unit, "vpn", "one", false);
	import_as(unit, "web", "three", false);
	file = backup_make(unit, (struct backup){0}, NULL);
	import_as(unit, "vpn", "two", false);
	assert_int_equal(keeper_remove_trustpoint(unit, "web"), 0);
	seq = seq_of(unit);
	reply = restore_run(unit, file, (struct restore){.is_dry_run = true});
	assert_int_equal(reply->status->code, 0);
	assert_int_equal(reply->added, 1);
	assert_int_equal(reply->newer, 1);
	assert_int_equal(reply->n_changes, 2);
	assert_string_equal(reply->changes[0]->name, "vpn");
	assert_int_equal(reply->changes[0]->what, ASAFO__IPC__RESTORE_CHANGE__WHAT__NEWER);
	assert_int_equal(reply->changes[0]->present_generation, 2);
	assert_int_equal(reply->changes[1]->what, ASAFO__IPC__RESTORE_CHANGE__WHAT__ADD);
	assert_non_null(strstr(reply->refusal, "--force"));
	asafo__ipc__restore_reply__free_unpacked(reply, NULL);
	assert_int_equal(seq_of(unit), seq);
	assert_null(keeper_certificate(unit->front, "web"));
	(void)close(file);
}

static void what_may_not_be_exported_is_left_out_unless_asked_for(void **state)
{
	struct unit *unit = *state, *empty = unit + 1;
	uint64_t left_out;
	int file;

	import_as(unit, "vpn", "one", false);
	import_as(unit, "bound", "two", true);
	file = backup_make(unit, (struct backup){0}, &left_out);
	assert_int_equal(left_out, 1);
	assert_int_equal(restore_code(empty, file, (struct restore){0}, NULL), 0);
	assert_list(empty, "vpn 1 r ");
	(void)close(file);
	file = backup_make(unit, (struct backup){.with_non_exportable = true}, &left_out);
	assert_int_equal(left_out, 0);
	assert_int_equal(restore_code(empty, file, (struct restore){0}, NULL), 0);
	assert_list(empty, "bound 1 r vpn 1 r ");
	assert_signs(empty, "bound");
	(void)close(file);
}

static void truncate_to(int fd, off_t size)
{
	assert_int_equal(ftruncate(fd, size), 0);
}

static void nothing_comes_of_a_wrong_passphrase_another_pair_or_damage(void **state)
{
	struct unit *unit = *state, *empty = unit + 1;
	struct stat info;
	char why[512];
	uint8_t byte;
	int file;

	import_as(unit, "vpn", "one", false);
	file = backup_make(unit, (struct backup){0}, NULL);
	assert_int_equal(fstat(file, &info), 0);
	assert_int_equal(restore_code(empty, file, (struct restore){.passphrase = "else\n"}, why),
			 ERR_BAD_PASSPHRASE);
	/* A unit that has nothing has no name to mind, either; this one has something. */
	import_as(empty, "web", "two", false);
	assert_int_equal(restore_code(empty, file, (struct restore){.hostname = "other"}, why),
			 ERR_DIFFERS);
	assert_non_null(strstr(why, "the pair pair"));
	/* The last part is damaged: what was read before it is not stored either. */
	assert_int_equal(pread(file, &byte, 1, info.st_size - 1), 1);
	byte ^= 1;
	assert_int_equal(pwrite(file, &byte, 1, info.st_size - 1), 1);
	assert_int_equal(restore_code(empty, file, (struct restore){.is_forced = true}, why),
			 ERR_INTEGRITY);
	truncate_to(file, info.st_size - 1);
	assert_int_equal(restore_code(empty, file, (struct restore){.is_forced = true}, why),
			 ERR_INTEGRITY);
	assert_non_null(strstr(why, "in the middle"));
	truncate_to(file, 20);
	assert_int_equal(restore_code(empty, file, (struct restore){0}, why), ERR_MALFORMED);
	assert_list(empty, "web 1 r ");
	(void)close(file);
}

static void a_restore_that_is_killed_was_done_or_was_not(void **state)
{
	struct unit *unit = *state, *empty = unit + 1;
	char text[512];
	int file;

	import_as(unit, "vpn", "one", false);
	import_as(unit, "web", "three", false);
	file = backup_make(unit, (struct backup){0}, NULL);
	for (unsigned i = 0; i < 4; i++) {
		restore_send(empty, file, (struct restore){0});
		if (i > 1) {
			Asafo__Ipc__RestoreCommit word = ASAFO__IPC__RESTORE_COMMIT__INIT;
			Asafo__Ipc__RestoreReply *reply =
				(Asafo__Ipc__RestoreReply *)unit_receive(empty->engine, NULL, NULL);

			word.plan = reply->plan;
			asafo__ipc__restore_reply__free_unpacked(reply, NULL);
			unit_send(empty->engine, IPC_RESTORE_COMMIT, 8, &word.base, NULL, 0);
		}
		unit_kill(empty);
		unit_start(empty);
		keeper_list(empty, false, text, sizeof(text));
		assert_true(strcmp(text, "") == 0 || strcmp(text, "vpn 1 r web 1 r ") == 0);
	}
	assert_int_equal(restore_code(empty, file, (struct restore){0}, NULL), 0);
	assert_list(empty, "vpn 1 r web 1 r ");
	(void)close(file);
}

static void what_a_restore_stored_is_replicated_as_an_import_is(void **state)
{
	struct unit *unit = *state, *mate = unit + 1;
	int file;

	keeper_set_failover_key(unit, "shared");
	keeper_set_failover_key(mate, "shared");
	import_as(unit, "vpn", "one", false);
	file = backup_make(unit, (struct backup){0}, NULL);
	(void)keeper_replicate(unit, mate);
	assert_int_equal(keeper_remove_trustpoint(unit, "vpn"), 0);
	(void)keeper_replicate(unit, mate);
	assert_list(mate, "");
	assert_int_equal(restore_code(unit, file, (struct restore){0}, NULL), 0);
	assert_int_equal(keeper_replicate(unit, mate), ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__DELTA);
	assert_list(mate, "vpn 1 r ");
	assert_signs(mate, "vpn");
	(void)close(file);
}

static void nothing_is_stored_before_the_word_of_the_engine(void **state)
{
	struct unit *unit = *state, *empty = unit + 1;
	Asafo__Ipc__RestoreReply *reply;
	char why[512];
	uint64_t plan;
	int file;

	import_as(unit, "vpn", "one", false);
	file = backup_make(unit, (struct backup){0}, NULL);
	assert_int_equal(restore_commit(empty, 0, NULL), ERR_NOT_READY);
	reply = restore_plan(empty, file, (struct restore){0});
	assert_true(reply->is_planned);
	plan = reply->plan;
	asafo__ipc__restore_reply__free_unpacked(reply, NULL);
	assert_list(empty, "");
	/* A plan that the store has left behind is none. */
	import_as(empty, "web", "two", false);
	assert_int_equal(restore_commit(empty, plan, why), ERR_BUSY);
	assert_list(empty, "web 1 r ");
	/* The next one takes the place of one that nobody committed. */
	asafo__ipc__restore_reply__free_unpacked(
		restore_plan(empty, file, (struct restore){.hostname = "x", .is_forced = true}),
		NULL);
	assert_int_equal(restore_code(empty, file, (struct restore){0}, NULL), 0);
	assert_list(empty, "vpn 1 r web 1 r ");
	(void)close(file);
}

static void a_word_for_one_plan_does_not_store_another(void **state)
{
	struct unit *unit = *state, *empty = unit + 1;
	Asafo__Ipc__RestoreReply *first, *second;
	char why[512];
	int file, other;

	import_as(unit, "vpn", "one", false);
	file = backup_make(unit, (struct backup){0}, NULL);
	import_as(unit, "web", "two", false);
	other = backup_make(unit, (struct backup){0}, NULL);
	first = restore_plan(empty, file, (struct restore){0});
	second = restore_plan(empty, other, (struct restore){0});
	assert_int_equal(restore_commit(empty, first->plan, why), ERR_NOT_READY);
	assert_non_null(strstr(why, "not planned any more"));
	assert_list(empty, "");
	assert_int_equal(restore_commit(empty, second->plan, NULL), 0);
	assert_list(empty, "vpn 1 r web 1 r ");
	asafo__ipc__restore_reply__free_unpacked(first, NULL);
	asafo__ipc__restore_reply__free_unpacked(second, NULL);
	(void)close(file);
	(void)close(other);
}

static void create_local_ca(struct unit *unit)
{
	Asafo__Ipc__LocalCaCreate create = ASAFO__IPC__LOCAL_CA_CREATE__INIT;

	assert_int_equal(
		unit_call_status(unit->engine, IPC_LOCALCA_CREATE, &create.base, NULL, 0, NULL), 0);
}

/* What the local CA issued, as it lies in FDS[0]; how many it has on its list. */
static void issue(struct unit *unit, int fds[static 2])
{
	Asafo__Ipc__LocalCaIssue request = ASAFO__IPC__LOCAL_CA_ISSUE__INIT;
	char subject[] = "device";

	fds[0] = text_fd("");
	fds[1] = text_fd("secret\n");
	request.subject = subject;
	assert_int_equal(
		unit_call_status(unit->engine, IPC_LOCALCA_ISSUE, &request.base, fds, 2, NULL), 0);
}

static size_t count_issued(struct unit *unit)
{
	Asafo__Ipc__LocalCaListReply *listed = (Asafo__Ipc__LocalCaListReply *)unit_call(
		unit->engine, IPC_LOCALCA_LIST, NULL, NULL, 0);
	size_t n = listed->n_issued;

	asafo__ipc__local_ca_list_reply__free_unpacked(listed, NULL);
	return n;
}

static void import_issued(struct unit *unit, const char *name, const int fds[static 2])
{
	Asafo__Ipc__Import request = ASAFO__IPC__IMPORT__INIT;

	request.name = (char *)(uintptr_t)name;
	request.term = 2;
	assert_int_equal(lseek(fds[0], 0, SEEK_SET), 0);
	assert_int_equal(unit_call_status(unit->engine, IPC_IMPORT, &request.base, fds, 2, NULL),
			 0);
}

static void what_is_a_units_own_comes_back_on_that_unit_alone(void **state)
{
	struct unit *unit = *state, *empty = unit + 1;
	Asafo__Ipc__RestoreReply *reply;
	char why[512];
	int file, without, fds[2];

	create_local_ca(unit);
	issue(unit, fds);
	import_issued(unit, "home", fds);
	import_as(unit, "vpn", "one", false);
	without = backup_make(unit, (struct backup){0}, NULL);
	file = backup_make(unit, (struct backup){.with_unit = true}, NULL);
	assert_int_equal(restore_code(empty, without, (struct restore){.is_unit = true}, why),
			 ERR_NOT_FOUND);
	assert_non_null(strstr(why, "without --unit"));
	assert_int_equal(restore_code(empty, file,
				      (struct restore){.is_unit = true, .of = "secondary"}, why),
			 ERR_DIFFERS);
	/* What is shared is not the unit's own. */
	assert_int_equal(restore_code(empty, file, (struct restore){.is_unit = true}, NULL), 0);
	assert_list(empty, "home 1 u ");
	assert_signs(empty, "home");
	assert_int_equal(count_issued(empty), 1);
	reply = restore_run(empty, file, (struct restore){.is_unit = true});
	assert_int_equal(reply->same, 2);
	assert_int_equal(reply->added + reply->issued, 0);
	asafo__ipc__restore_reply__free_unpacked(reply, NULL);
	unit_kill(empty);
	unit_start(empty);
	assert_signs(empty, "home");
	/* The CA goes on where it was: its next certificate stays home, too. */
	(void)close(fds[0]);
	(void)close(fds[1]);
	issue(empty, fds);
	assert_int_equal(count_issued(empty), 2);
	import_issued(empty, "next", fds);
	assert_list(empty, "home 1 u next 1 u ");
	for (size_t i = 0; i < 2; i++)
		(void)close(fds[i]);
	(void)close(file);
	(void)close(without);
}

static void nothing_replaces_a_local_ca(void **state)
{
	struct unit *unit = *state, *other = unit + 1;
	Asafo__Ipc__RestoreReply *reply;
	int file, fds[2];

	create_local_ca(unit);
	issue(unit, fds);
	create_local_ca(other);
	file = backup_make(unit, (struct backup){.with_unit = true}, NULL);
	assert_int_equal(restore_code(other, file, (struct restore){.is_unit = true}, NULL),
			 ERR_EXISTS);
	reply = restore_run(other, file, (struct restore){.is_unit = true, .is_forced = true});
	assert_int_equal(reply->status->code, 0);
	assert_int_equal(reply->kept, 1);
	assert_non_null(strstr(reply->changes[0]->why, "another local CA"));
	asafo__ipc__restore_reply__free_unpacked(reply, NULL);
	/* Nor does its list get what another CA issued. */
	assert_int_equal(count_issued(other), 0);
	for (size_t i = 0; i < 2; i++)
		(void)close(fds[i]);
	(void)close(file);
}

static void what_a_local_ca_of_the_pair_issued_is_not_shared_by_a_restore(void **state)
{
	struct unit *unit = *state, *stranger = unit + 1;
	Asafo__Ipc__RestoreReply *reply;
	int file, fds[2];

	create_local_ca(unit);
	issue(unit, fds);
	/* To a pair without that CA it is a certificate like any other. */
	import_issued(stranger, "device", fds);
	import_as(stranger, "vpn", "one", false);
	file = backup_make(stranger, (struct backup){0}, NULL);
	reply = restore_run(unit, file, (struct restore){.is_forced = true});
	assert_int_equal(reply->added, 1);
	assert_int_equal(reply->kept, 1);
	assert_non_null(strstr(reply->changes[0]->why, "never shared"));
	asafo__ipc__restore_reply__free_unpacked(reply, NULL);
	assert_list(unit, "vpn 1 r ");
	for (size_t i = 0; i < 2; i++)
		(void)close(fds[i]);
	(void)close(file);
}

static void a_cas_certificate_without_a_key_comes_back(void **state)
{
	struct unit *unit = *state, *empty = unit + 1;
	int file;

	make_pkcs12(unit->directory, "ca", EC);
	assert_int_equal(keeper_import(unit,
				       (struct import){.name = "root", .file = "ca", .is_ca = true},
				       NULL),
			 0);
	file = backup_make(unit, (struct backup){0}, NULL);
	assert_int_equal(restore_code(empty, file, (struct restore){0}, NULL), 0);
	assert_list(empty, "root 1 r ");
	(void)close(file);
}

int main(void)
{
#define IN_PAIR(test) cmocka_unit_test_setup_teardown(test, keepers_setup, keepers_teardown)
	const struct CMUnitTest tests[] = {
		IN_PAIR(a_unit_that_lost_everything_gets_it_back_with_its_generations),
		IN_PAIR(what_is_there_already_is_not_written_again),
		IN_PAIR(a_newer_one_is_named_and_wins_unless_forced),
		IN_PAIR(a_dry_run_says_it_all_and_stores_nothing),
		IN_PAIR(what_may_not_be_exported_is_left_out_unless_asked_for),
		IN_PAIR(nothing_comes_of_a_wrong_passphrase_another_pair_or_damage),
		IN_PAIR(a_restore_that_is_killed_was_done_or_was_not),
		IN_PAIR(what_a_restore_stored_is_replicated_as_an_import_is),
		IN_PAIR(nothing_is_stored_before_the_word_of_the_engine),
		IN_PAIR(a_word_for_one_plan_does_not_store_another),
		IN_PAIR(what_is_a_units_own_comes_back_on_that_unit_alone),
		IN_PAIR(nothing_replaces_a_local_ca),
		IN_PAIR(what_a_local_ca_of_the_pair_issued_is_not_shared_by_a_restore),
		IN_PAIR(a_cas_certificate_without_a_key_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
