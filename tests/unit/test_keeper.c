/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/io.h"
#include "certstore/store/store.h"
#include "tests/unit/keeper_verbs.h"
#include "tests/unit/store_fixture.h"

static void a_fresh_unit_says_that_it_holds_nothing(void **state)
{
	struct unit *unit = *state;
	Asafo__Ipc__KeeperStatusReply *status = unit_status(unit);

	assert_int_equal(status->status->code, 0);
	assert_int_equal(status->position->count, 0);
	assert_int_equal(status->trustpoints, 0);
	assert_false(status->has_failover_key);
	assert_false(status->has_fallback);
	asafo__ipc__keeper_status_reply__free_unpacked(status, NULL);
	unit_stop(unit);
}

static void an_imported_pkcs12_is_listed_served_and_signs(void **state)
{
	struct unit *unit = *state;
	Asafo__Record__TrustpointPublic *part;
	char text[512];

	make_pkcs12(unit->directory, "vpn", "rsa:2048");
	make_pkcs12(unit->directory, "ec", "ec -pkeyopt ec_paramgen_curve:P-256");
	assert_int_equal(keeper_import(unit, (struct import){.name = "vpn", .file = "vpn"}, NULL),
			 0);
	assert_int_equal(keeper_import(unit, (struct import){.name = "ec", .file = "ec"}, NULL), 0);
	keeper_list(unit, false, text, sizeof(text));
	assert_string_equal(text, "ec 1 r vpn 1 r ");
	part = keeper_certificate(unit->front, "vpn");
	assert_string_equal(part->key_type, "RSA-2048");
	assert_int_equal(keeper_sign_and_verify(unit, part, GNUTLS_SIGN_RSA_PSS_RSAE_SHA256), 0);
	assert_int_equal(keeper_sign_and_verify(unit, part, GNUTLS_SIGN_RSA_SHA256), 0);
	part->key_id.data[0] ^= 1;
	assert_int_equal(keeper_sign_and_verify(unit, part, GNUTLS_SIGN_RSA_SHA256), ERR_NOT_FOUND);
	keeper_part_free(part);
	/* A crash loses nothing. */
	unit_kill(unit);
	unit_start(unit);
	part = keeper_certificate(unit->front, "ec");
	assert_int_equal(keeper_sign_and_verify(unit, part, GNUTLS_SIGN_ECDSA_SHA256), 0);
	keeper_part_free(part);
}

static void fill_store(const struct unit *unit, unsigned count)
{
	struct store_change *changes = calloc(count, sizeof(*changes));
	struct buf *records = calloc(count, sizeof(*records));
	char(*keys)[40] = calloc(count, sizeof(*keys)), path[700];
	struct store_position position;
	struct store *store = NULL;

	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "trustpoint/many-%04u", i);
		fixture_record(keys[i] + strlen("trustpoint/"), 1, 100, i, &records[i]);
		changes[i] = (struct store_change){keys[i], records[i].data, records[i].size};
	}
	(void)snprintf(path, sizeof(path), "%s/store", unit->state_dir);
	assert_int_equal(store_open(path, &store, NULL), 0);
	store_position(store, &position);
	assert_int_equal(store_change(store, position.term, changes, count, NULL), 0);
	store_close(store);
	for (unsigned i = 0; i < count; i++)
		buf_done(&records[i]);
	free(records);
	free(changes);
	free(keys);
}

/* The index of keys is made by and by: this one is behind all others. */
static void a_key_among_very_many_signs_as_soon_as_the_unit_serves(void **state)
{
	struct unit *unit = *state;
	Asafo__Record__TrustpointPublic *part;

	make_pkcs12(unit->directory, "vpn", "ec -pkeyopt ec_paramgen_curve:P-256");
	assert_int_equal(keeper_import(unit, (struct import){.name = "vpn", .file = "vpn"}, NULL),
			 0);
	unit_stop(unit);
	fill_store(unit, 3000);
	unit_start(unit);
	part = keeper_certificate(unit->front, "vpn");
	assert_int_equal(keeper_sign_and_verify(unit, part, GNUTLS_SIGN_ECDSA_SHA256), 0);
	part->key_id.data[0] ^= 1;
	assert_int_equal(keeper_sign_and_verify(unit, part, GNUTLS_SIGN_ECDSA_SHA256),
			 ERR_NOT_FOUND);
	keeper_part_free(part);
}

static void an_import_under_a_taken_name_replaces_only_when_told_to(void **state)
{
	struct unit *unit = *state;
	Asafo__Record__TrustpointPublic *first, *second;
	Asafo__Ipc__ImportReply *reply;
	char text[512];

	make_pkcs12(unit->directory, "one", "rsa:2048");
	make_pkcs12(unit->directory, "two", "rsa:2048");
	assert_int_equal(keeper_import(unit, (struct import){.name = "vpn", .file = "one"}, NULL),
			 0);
	first = keeper_certificate(unit->front, "vpn");
	reply = keeper_import_reply(unit, (struct import){.name = "vpn", .file = "one"});
	assert_int_equal(reply->status->code, 0);
	assert_true(reply->unchanged);
	assert_int_equal(reply->position->seq, 1);
	asafo__ipc__import_reply__free_unpacked(reply, NULL);
	assert_int_equal(keeper_import(unit, (struct import){.name = "vpn", .file = "two"}, text),
			 ERR_EXISTS);
	assert_non_null(strstr(text, "--replace"));
	assert_int_equal(keeper_import(unit,
				       (struct import){.name = "vpn",
						       .file = "two",
						       .replace = true,
						       .dry_run = true},
				       NULL),
			 0);
	keeper_list(unit, true, text, sizeof(text));
	assert_string_equal(text, "vpn 1 r ");
	assert_int_equal(
		keeper_import(unit, (struct import){.name = "vpn", .file = "two", .replace = true},
			      NULL),
		0);
	keeper_list(unit, true, text, sizeof(text));
	assert_string_equal(text, "vpn 2 r vpn 1 r ");
	second = keeper_certificate(unit->front, "vpn");
	assert_int_equal(second->generation, 2);
	/* A handshake that began with the old certificate still ends. */
	assert_int_equal(keeper_sign_and_verify(unit, first, GNUTLS_SIGN_RSA_SHA256), 0);
	assert_int_equal(keeper_sign_and_verify(unit, second, GNUTLS_SIGN_RSA_SHA256), 0);
	for (int i = 0; i < 7; i++)
		assert_int_equal(keeper_import(unit,
					       (struct import){.name = "vpn",
							       .file = i % 2 ? "two" : "one",
							       .replace = true},
					       NULL),
				 0);
	keeper_list(unit, true, text, sizeof(text));
	assert_string_equal(text, "vpn 9 r vpn 4 r vpn 5 r vpn 6 r vpn 7 r vpn 8 r ");
	assert_int_equal(keeper_remove_trustpoint(unit, "vpn"), 0);
	assert_int_equal(keeper_remove_trustpoint(unit, "vpn"), ERR_NOT_FOUND);
	keeper_list(unit, true, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(keeper_sign_and_verify(unit, second, GNUTLS_SIGN_RSA_SHA256),
			 ERR_NOT_FOUND);
	keeper_part_free(first);
	keeper_part_free(second);
}

static void a_bad_import_says_why_and_stores_nothing(void **state)
{
	struct unit *unit = *state;
	Asafo__Ipc__Import no_file = ASAFO__IPC__IMPORT__INIT;
	char why[512];

	make_pkcs12(unit->directory, "vpn", "rsa:2048");
	assert_int_equal(
		keeper_import(unit,
			      (struct import){.name = "vpn", .file = "vpn", .passphrase = "wrong"},
			      why),
		ERR_BAD_PASSPHRASE);
	assert_int_equal(
		keeper_import(unit, (struct import){.name = "../etc/passwd", .file = "vpn"}, why),
		ERR_MALFORMED);
	assert_non_null(strstr(why, "name"));
	no_file.name = (char *)(uintptr_t) "vpn";
	assert_int_equal(unit_call_status(unit->engine, IPC_IMPORT, &no_file.base, NULL, 0, why),
			 ERR_MALFORMED);
	assert_true(run("head -c 700 %s/vpn.p12 > %s/cut.p12", unit->directory, unit->directory));
	assert_int_not_equal(
		keeper_import(unit, (struct import){.name = "vpn", .file = "cut"}, why), 0);
	keeper_list(unit, false, why, sizeof(why));
	assert_string_equal(why, "");
}

static void two_imports_of_one_name_at_once_are_one_too_many(void **state)
{
	struct unit *unit = *state;
	int codes[4] = {0};

	make_pkcs12(unit->directory, "one", "rsa:2048");
	keeper_import_send(unit, 1, (struct import){.name = "same", .file = "one"});
	keeper_import_send(unit, 2, (struct import){.name = "same", .file = "one"});
	keeper_import_send(unit, 3, (struct import){.name = "other", .file = "one"});
	for (int i = 0; i < 3; i++) {
		uint32_t id;
		Asafo__Ipc__ImportReply *reply =
			(Asafo__Ipc__ImportReply *)unit_receive(unit->engine, &id, NULL);

		codes[id] = reply->status->code;
		asafo__ipc__import_reply__free_unpacked(reply, NULL);
	}
	assert_int_equal(codes[1], 0);
	assert_int_equal(codes[2], ERR_BUSY);
	assert_int_equal(codes[3], 0);
}

static int export(struct unit *unit, const char *name, const char *format, const char *file,
		  const char *passphrase)
{
	Asafo__Ipc__Export request = ASAFO__IPC__EXPORT__INIT;
	char path[1200];
	int fds[2], code;

	(void)snprintf(path, sizeof(path), "%s/%s", unit->directory, file);
	fds[0] = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	fds[1] = text_fd(passphrase);
	request.name = (char *)(uintptr_t)name;
	request.format = (char *)(uintptr_t)format;
	code = unit_call_status(unit->engine, IPC_EXPORT, &request.base, fds, 2, NULL);
	(void)close(fds[0]);
	(void)close(fds[1]);
	return code;
}

static void what_is_exported_opens_with_openssl_and_what_must_stay_stays(void **state)
{
	struct unit *unit = *state;

	make_pkcs12(unit->directory, "vpn", "rsa:2048");
	assert_int_equal(keeper_import(unit, (struct import){.name = "vpn", .file = "vpn"}, NULL),
			 0);
	assert_int_equal(
		keeper_import(
			unit,
			(struct import){.name = "locked", .file = "vpn", .non_exportable = true},
			NULL),
		0);
	assert_int_equal(export(unit, "vpn", "pkcs12", "out.p12", "other\n"), 0);
	assert_true(
		run("cd %s && openssl pkcs12 -in out.p12 -passin pass:other -nodes -out out.pem && "
		    "openssl pkey -in out.pem -pubout -out a && openssl pkey -in vpn.key -pubout "
		    "-out b && cmp a b",
		    unit->directory));
	assert_int_equal(export(unit, "vpn", "pem", "out2.pem", "other"), 0);
	assert_true(run(
		"cd %s && openssl pkey -in out2.pem -passin pass:other -pubout -out a && cmp a b",
		unit->directory));
	assert_int_equal(export(unit, "locked", "pkcs12", "no.p12", "other"), ERR_NOT_EXPORTABLE);
	assert_int_equal(export(unit, "vpn", "pkcs12", "no.p12", ""), ERR_BAD_PASSPHRASE);
	assert_int_equal(export(unit, "nobody", "pkcs12", "no.p12", "other"), ERR_NOT_FOUND);
	assert_int_equal(export(unit, "vpn", "zip", "no.p12", "other"), ERR_UNSUPPORTED);
}

static void what_the_local_ca_issued_stays_home(void **state)
{
	struct unit *unit = *state;
	Asafo__Ipc__LocalCaCreate create = ASAFO__IPC__LOCAL_CA_CREATE__INIT;
	Asafo__Ipc__LocalCaIssue issue = ASAFO__IPC__LOCAL_CA_ISSUE__INIT;
	Asafo__Ipc__LocalCaListReply *listed;
	Asafo__Ipc__KeeperStatusReply *status;
	Asafo__Record__TrustpointPublic *part;
	char *names[] = {(char *)(uintptr_t) "user.example"};
	char path[1200], text[256];
	int fds[2];

	(void)snprintf(path, sizeof(path), "%s/issued.p12", unit->directory);
	fds[0] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	fds[1] = text_fd("secret");
	issue.subject = (char *)(uintptr_t) "user";
	issue.names = names;
	issue.n_names = 1;
	assert_int_equal(
		unit_call_status(unit->engine, IPC_LOCALCA_ISSUE, &issue.base, fds, 2, NULL),
		ERR_NOT_FOUND);
	create.name = (char *)(uintptr_t) "homeca";
	create.subject = (char *)(uintptr_t) "Home CA";
	assert_int_equal(
		unit_call_status(unit->engine, IPC_LOCALCA_CREATE, &create.base, NULL, 0, NULL), 0);
	assert_int_equal(
		unit_call_status(unit->engine, IPC_LOCALCA_CREATE, &create.base, NULL, 0, NULL),
		ERR_EXISTS);
	assert_int_equal(
		unit_call_status(unit->engine, IPC_LOCALCA_ISSUE, &issue.base, fds, 2, NULL), 0);
	(void)close(fds[0]);
	(void)close(fds[1]);
	listed = (Asafo__Ipc__LocalCaListReply *)unit_call(unit->engine, IPC_LOCALCA_LIST, NULL,
							   NULL, 0);
	assert_true(listed->exists);
	assert_int_equal(listed->n_issued, 1);
	asafo__ipc__local_ca_list_reply__free_unpacked(listed, NULL);
	/* Imported again as a trustpoint, it is recognised. */
	assert_int_equal(
		keeper_import(unit, (struct import){.name = "user", .file = "issued"}, NULL), 0);
	part = keeper_certificate(unit->front, "user");
	assert_int_equal(part->origin, ASAFO__RECORD__ORIGIN__ORIGIN_LOCAL_CA);
	assert_non_null(strstr(part->kept_home, "local CA"));
	assert_int_equal(keeper_sign_and_verify(unit, part, GNUTLS_SIGN_ECDSA_SHA256), 0);
	keeper_part_free(part);
	status = unit_status(unit);
	assert_int_equal(status->position->seq, 0);
	assert_int_equal(status->unit_trustpoints, 1);
	asafo__ipc__keeper_status_reply__free_unpacked(status, NULL);
	/* One name, one family. */
	make_pkcs12(unit->directory, "vpn", "rsa:2048");
	assert_int_equal(
		keeper_import(unit, (struct import){.name = "user", .file = "vpn", .replace = true},
			      NULL),
		ERR_EXISTS);
	assert_int_equal(keeper_import(unit, (struct import){.name = "vpn", .file = "vpn"}, NULL),
			 0);
	keeper_list(unit, false, text, sizeof(text));
	assert_string_equal(text, "user 1 u vpn 1 r ");
	assert_int_equal(keeper_remove_trustpoint(unit, "user"), 0);
	keeper_list(unit, false, text, sizeof(text));
	assert_string_equal(text, "vpn 1 r ");
}

static void terms_rise_and_survive_a_crash(void **state)
{
	struct unit *unit = *state;
	const struct {
		uint64_t term;
		bool is_activation;
	} steps[] = {{4, true}, {8, false}, {6, false}, {2, true}};
	Asafo__Ipc__KeeperStatusReply *status;

	for (size_t i = 0; i < 4; i++) {
		Asafo__Ipc__TermPersist request = ASAFO__IPC__TERM_PERSIST__INIT;

		request.term = steps[i].term;
		request.is_activation = steps[i].is_activation;
		assert_int_equal(unit_call_status(unit->engine, IPC_TERM_PERSIST, &request.base,
						  NULL, 0, NULL),
				 0);
	}
	unit_kill(unit);
	unit_start(unit);
	status = unit_status(unit);
	assert_int_equal(status->promised_term, 8);
	assert_int_equal(status->activated_term, 4);
	asafo__ipc__keeper_status_reply__free_unpacked(status, NULL);
}

static size_t count_valid_at_one_of(struct unit *unit, int64_t at, int64_t mate_at)
{
	Asafo__Ipc__List request = ASAFO__IPC__LIST__INIT;
	ProtobufCMessage *reply;
	size_t n;

	request.valid_at = at;
	request.mate_valid_at = mate_at;
	request.max = 16;
	reply = unit_call(unit->engine, IPC_LIST, &request.base, NULL, 0);
	assert_non_null(reply);
	n = ((const Asafo__Ipc__ListReply *)reply)->n_public_parts;
	protobuf_c_message_free_unpacked(reply, NULL);
	return n;
}

static void a_list_may_hold_only_what_one_of_two_clocks_takes_for_valid(void **state)
{
	struct unit *unit = *state;
	int64_t now = time(NULL), year = INT64_C(365) * 86400;

	make_pkcs12(unit->directory, "vpn", "rsa:2048");
	assert_int_equal(keeper_import(unit, (struct import){.name = "a", .file = "vpn"}, NULL), 0);
	assert_int_equal(keeper_import(unit, (struct import){.name = "b", .file = "vpn"}, NULL), 0);
	assert_int_equal(count_valid_at_one_of(unit, now + 60, now + 120), 0);
	assert_int_equal(count_valid_at_one_of(unit, now + 60, now - year), 2);
	assert_int_equal(count_valid_at_one_of(unit, now + 50 * year, now + 60), 2);
	assert_int_equal(count_valid_at_one_of(unit, now - year, now - 2 * year), 0);
}

static size_t count_ending_before(struct unit *unit, int64_t at)
{
	Asafo__Ipc__List request = ASAFO__IPC__LIST__INIT;
	ProtobufCMessage *reply;
	size_t n;

	request.ends_before = at;
	reply = unit_call(unit->engine, IPC_LIST, &request.base, NULL, 0);
	assert_non_null(reply);
	n = ((const Asafo__Ipc__ListReply *)reply)->n_public_parts;
	protobuf_c_message_free_unpacked(reply, NULL);
	return n;
}

static void a_list_may_hold_only_what_ends_soon(void **state)
{
	struct unit *unit = *state;
	int64_t now = time(NULL), year = INT64_C(365) * 86400;

	make_pkcs12(unit->directory, "vpn", "rsa:2048");
	assert_int_equal(keeper_import(unit, (struct import){.name = "a", .file = "vpn"}, NULL), 0);
	assert_int_equal(count_ending_before(unit, now + 86400), 0);
	assert_int_equal(count_ending_before(unit, now + 50 * year), 1);
}

static void a_history_is_kept_over_a_crash_as_it_was_given(void **state)
{
	struct unit *unit = *state;
	Asafo__Ipc__HistoryKeep request = ASAFO__IPC__HISTORY_KEEP__INIT;
	ProtobufCMessage *reply = unit_call(unit->engine, IPC_HISTORY_GET, NULL, NULL, 0);
	uint8_t bytes[40 * 1024] = {1, 2, 3};

	assert_int_equal(((const Asafo__Ipc__HistoryReply *)reply)->history.len, 0);
	protobuf_c_message_free_unpacked(reply, NULL);
	request.history = (ProtobufCBinaryData){3, bytes};
	assert_int_equal(
		unit_call_status(unit->engine, IPC_HISTORY_KEEP, &request.base, NULL, 0, NULL), 0);
	unit_kill(unit);
	unit_start(unit);
	reply = unit_call(unit->engine, IPC_HISTORY_GET, NULL, NULL, 0);
	assert_int_equal(((const Asafo__Ipc__HistoryReply *)reply)->history.len, 3);
	assert_memory_equal(((const Asafo__Ipc__HistoryReply *)reply)->history.data, bytes, 3);
	protobuf_c_message_free_unpacked(reply, NULL);
	request.history.len = sizeof(bytes); /* no engine has so many rows */
	assert_int_equal(
		unit_call_status(unit->engine, IPC_HISTORY_KEEP, &request.base, NULL, 0, NULL),
		ERR_TOO_LARGE);
}

static void a_unit_that_gave_way_changes_nothing_any_more(void **state)
{
	struct unit *unit = *state;
	Asafo__Ipc__TermPersist request = ASAFO__IPC__TERM_PERSIST__INIT;
	char why[512], text[256];

	make_pkcs12(unit->directory, "vpn", "rsa:2048");
	assert_int_equal(keeper_import(unit, (struct import){.name = "a", .file = "vpn"}, NULL), 0);
	request.term = 3; /* the mate's; the imports are of term 2 */
	request.is_activation = true;
	assert_int_equal(
		unit_call_status(unit->engine, IPC_TERM_PERSIST, &request.base, NULL, 0, NULL), 0);
	assert_int_equal(keeper_import(unit, (struct import){.name = "b", .file = "vpn"}, why),
			 ERR_NOT_ACTIVE);
	assert_non_null(strstr(why, "gave way"));
	assert_int_equal(keeper_remove_trustpoint(unit, "a"), ERR_NOT_ACTIVE);
	keeper_list(unit, false, text, sizeof(text));
	assert_string_equal(text, "a 1 r ");
}

static void what_only_one_unit_accepted_is_put_aside(void **state)
{
	struct unit *unit = *state;
	Asafo__Ipc__OrphanKeep request = ASAFO__IPC__ORPHAN_KEEP__INIT;
	Asafo__Ipc__KeeperStatusReply *status;

	make_pkcs12(unit->directory, "vpn", "rsa:2048");
	assert_int_equal(keeper_import(unit, (struct import){.name = "a", .file = "vpn"}, NULL), 0);
	assert_int_equal(keeper_import(unit, (struct import){.name = "b", .file = "vpn"}, NULL), 0);
	request.term = 7;
	assert_int_equal(
		unit_call_status(unit->engine, IPC_ORPHAN_KEEP, &request.base, NULL, 0, NULL), 0);
	status = unit_status(unit);
	assert_int_equal(status->orphans, 0);
	asafo__ipc__keeper_status_reply__free_unpacked(status, NULL);
	request.term = 2;
	assert_int_equal(
		unit_call_status(unit->engine, IPC_ORPHAN_KEEP, &request.base, NULL, 0, NULL), 0);
	assert_int_equal(
		unit_call_status(unit->engine, IPC_ORPHAN_KEEP, &request.base, NULL, 0, NULL), 0);
	status = unit_status(unit);
	assert_int_equal(status->orphans, 2);
	assert_int_equal(status->trustpoints, 2);
	assert_int_equal(status->unit_trustpoints, 0);
	asafo__ipc__keeper_status_reply__free_unpacked(status, NULL);
}

static void the_startup_config_is_replaced_whole(void **state)
{
	struct unit *unit = *state;
	Asafo__Ipc__FileWrite request = ASAFO__IPC__FILE_WRITE__INIT;
	struct buf content = {0};

	request.content = (ProtobufCBinaryData){12, (uint8_t *)(uintptr_t) "hostname gw\n"};
	assert_int_equal(
		unit_call_status(unit->engine, IPC_FILE_WRITE, &request.base, NULL, 0, NULL), 0);
	assert_int_equal(io_read_file(unit->config, 1000, &content), 0);
	assert_int_equal(content.size, 12);
	assert_memory_equal(content.data, "hostname gw\n", 12);
	buf_done(&content);
}

static void a_front_that_asks_for_more_than_signatures_loses_its_channel(void **state)
{
	struct unit *unit = *state;
	Asafo__Ipc__List request = ASAFO__IPC__LIST__INIT;
	Asafo__Ipc__KeeperStatusReply *status;

	assert_null(unit_call(unit->front, IPC_LIST, &request.base, NULL, 0));
	/* The engine's goes on. */
	status = unit_status(unit);
	assert_int_equal(status->status->code, 0);
	asafo__ipc__keeper_status_reply__free_unpacked(status, NULL);
}

static void a_damaged_store_is_said_in_every_answer(void **state)
{
	static char garbage[100000];
	char path[1200];
	struct unit *unit = *state;
	Asafo__Ipc__Certificate request = ASAFO__IPC__CERTIFICATE__INIT;
	char why[512];

	unit_stop(unit);
	memset(garbage, 'x', sizeof(garbage));
	(void)snprintf(path, sizeof(path), "%s/store/data.mdb", unit->state_dir);
	assert_int_equal(io_replace_file(path, 0600, garbage, sizeof(garbage)), 0);
	unit_start(unit);
	request.name = (char *)(uintptr_t) "vpn";
	assert_int_equal(unit_call_status(unit->engine, IPC_KEEPER_STATUS, NULL, NULL, 0, why),
			 ERR_STORE);
	assert_non_null(strstr(why, "damaged"));
	assert_int_equal(
		unit_call_status(unit->front, IPC_CERTIFICATE, &request.base, NULL, 0, why),
		ERR_STORE);
	assert_int_equal(waitpid(unit->pid, NULL, WNOHANG), 0);
	/* A lost master key is another such sentence. */
	unit_stop(unit);
	assert_true(run("rm -r %s/store", unit->state_dir));
	unit_start(unit);
	assert_int_equal(unit_call_status(unit->engine, IPC_KEEPER_STATUS, NULL, NULL, 0, why), 0);
	unit_stop(unit);
	assert_true(run("rm %s/master.key", unit->state_dir));
	unit_start(unit);
	assert_int_equal(unit_call_status(unit->engine, IPC_KEEPER_STATUS, NULL, NULL, 0, why),
			 ERR_NOT_FOUND);
	assert_non_null(strstr(why, "master key"));
}

static void a_private_key_never_lies_in_clear_on_the_disk(void **state)
{
	struct unit *unit = *state;

	make_pkcs12(unit->directory, "vpn", "ec -pkeyopt ec_paramgen_curve:P-256");
	assert_int_equal(keeper_import(unit, (struct import){.name = "vpn", .file = "vpn"}, NULL),
			 0);
	unit_stop(unit);
	/* The certificate is found in the store's file, the key's number is not. */
	assert_true(run("cd %s && openssl x509 -in vpn.crt -outform DER | tail -c 64 | xxd -p | tr "
			"-d '\\n' > pub && "
			"openssl ec -in vpn.key -outform DER 2>/dev/null | head -c 39 | tail -c 32 "
			"| xxd -p | "
			"tr -d '\\n' > priv && "
			"xxd -p state/store/data.mdb | tr -d '\\n' > hex && "
			"test -s priv && grep -q -f pub hex && ! grep -q -f priv hex",
			unit->directory));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, keepers_setup, keepers_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fresh_unit_says_that_it_holds_nothing),
		TEST(an_imported_pkcs12_is_listed_served_and_signs),
		TEST(a_key_among_very_many_signs_as_soon_as_the_unit_serves),
		TEST(an_import_under_a_taken_name_replaces_only_when_told_to),
		TEST(a_bad_import_says_why_and_stores_nothing),
		TEST(two_imports_of_one_name_at_once_are_one_too_many),
		TEST(what_is_exported_opens_with_openssl_and_what_must_stay_stays),
		TEST(what_the_local_ca_issued_stays_home),
		TEST(terms_rise_and_survive_a_crash),
		TEST(a_unit_that_gave_way_changes_nothing_any_more),
		TEST(a_list_may_hold_only_what_one_of_two_clocks_takes_for_valid),
		TEST(a_list_may_hold_only_what_ends_soon),
		TEST(a_history_is_kept_over_a_crash_as_it_was_given),
		TEST(what_only_one_unit_accepted_is_put_aside),
		TEST(the_startup_config_is_replaced_whole),
		TEST(a_front_that_asks_for_more_than_signatures_loses_its_channel),
		TEST(a_damaged_store_is_said_in_every_answer),
		TEST(a_private_key_never_lies_in_clear_on_the_disk),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
