/* SPDX-License-Identifier: Apache-2.0 */
/* Two keepers and the CRLs of a real CA: what is imported, what goes over, and what is removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/hex.h"
#include "certstore/x509/crl.h"
#include "tests/unit/keeper_verbs.h"
#include "tests/unit/store_fixture.h"

#define HOUR 3600

#define YEAR INT64_C(31536000)

static char *directory;
static uint64_t term = 2; /* of the unit that is active */

/* NAME.crl of a CA, of AGE_S before now. */
static void make_list(const char *name, const char *ca, int64_t age_s, const char *number)
{
	char text[2][32];

	for (int i = 0; i < 2; i++) {
		time_t at = (time_t)(time(NULL) / HOUR * HOUR - age_s + i * 100 * HOUR);
		struct tm tm;

		assert_non_null(gmtime_r(&at, &tm));
		assert_true(strftime(text[i], sizeof(text[i]), "%Y%m%d%H%M%SZ", &tm) > 0);
	}
	assert_true(run("cd %s && echo %s >%s.number && openssl ca -config %s.cnf -gencrl -keyfile "
			"ca.key -cert %s.pem -crl_lastupdate %s -crl_nextupdate %s -out %s.crl",
			directory, number, ca, ca, ca, text[0], text[1], name));
}

static int make_files(void **state)
{
	(void)state;
	directory = fixture_directory();
	assert_true(run("sh " SOURCE_DIR "/tests/unit/crl_files.sh %s", directory));
	/* Another CA by name, with the same key. */
	assert_true(run("cd %s && openssl req -x509 -key ca.key -days 9 -subj '/CN=renamed CA' "
			"-addext keyUsage=critical,keyCertSign,cRLSign -out renamed.pem && sed "
			"s/ca.index/renamed.index/\\;s/ca.number/renamed.number/ ca.cnf "
			">renamed.cnf && : >renamed.index",
			directory));
	make_list("old", "ca", 3 * HOUR, "30");
	make_list("first", "ca", 2 * HOUR, "0011");
	make_list("second", "ca", 2 * HOUR, "12");
	make_list("new", "ca", HOUR, "05");
	make_list("renamed", "renamed", 0, "40");
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	fixture_remove(directory);
	return 0;
}

static int open_file(const char *name, const char *suffix)
{
	char path[700];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s.%s", directory, name, suffix);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void authenticate(struct unit *unit, const char *name, const char *ca, const char *keep_home)
{
	Asafo__Ipc__Import request = ASAFO__IPC__IMPORT__INIT;
	int fd = open_file(ca, "pem");

	request.name = (char *)(uintptr_t)name;
	request.is_ca = true;
	request.term = 2;
	request.replace = true;
	request.keep_home = (char *)(uintptr_t)keep_home;
	assert_int_equal(unit_call_status(unit->engine, IPC_IMPORT, &request.base, &fd, 1, NULL),
			 0);
	(void)close(fd);
}

static char why[512];

static int import_as(struct unit *unit, const char *name, const char *file, bool is_active,
		     bool *ret_is_unchanged)
{
	Asafo__Ipc__CrlImport request = ASAFO__IPC__CRL_IMPORT__INIT;
	Asafo__Ipc__CrlReply *reply;
	int fd = open_file(file, "crl"), code;

	request.name = (char *)(uintptr_t)name;
	request.is_active = is_active;
	request.term = term;
	reply = (Asafo__Ipc__CrlReply *)unit_call(unit->engine, IPC_CRL_IMPORT, &request.base, &fd,
						  1);
	(void)close(fd);
	code = reply->status->code;
	(void)snprintf(why, sizeof(why), "%s", reply->status->why);
	if (ret_is_unchanged)
		*ret_is_unchanged = reply->unchanged;
	protobuf_c_message_free_unpacked(&reply->base, NULL);
	return code;
}

static int import(struct unit *unit, const char *file)
{
	return import_as(unit, "people", file, true, NULL);
}

static int drop(struct unit *unit, const char *name, bool is_active)
{
	Asafo__Ipc__CrlDrop request = ASAFO__IPC__CRL_DROP__INIT;

	request.name = (char *)(uintptr_t)name;
	request.is_active = is_active;
	request.term = term;
	return unit_call_status(unit->engine, IPC_CRL_DROP, &request.base, NULL, 0, why);
}

static Asafo__Ipc__CrlListReply *list(struct unit *unit)
{
	Asafo__Ipc__CrlListReply *reply =
		(Asafo__Ipc__CrlListReply *)unit_call(unit->engine, IPC_CRL_LIST, NULL, NULL, 0);

	assert_int_equal(reply->status->code, 0);
	return reply;
}

/* "0012 people; " of each list: its number, and whose it is; "gone; " of one that was removed. */
static const char *listed(struct unit *unit)
{
	static char text[512];
	Asafo__Ipc__CrlListReply *reply = list(unit);
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < reply->n_crls; i++) {
		const Asafo__Record__Crl *crl = reply->crls[i];

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", crl->number,
				      crl->is_home ? " home" : "");
		for (size_t j = 0; j < crl->n_trustpoints; j++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %s",
					      crl->trustpoints[j]);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "; ");
	}
	for (size_t i = 0; i < reply->n_gone; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "gone; ");
	protobuf_c_message_free_unpacked(&reply->base, NULL);
	return text;
}

static int copy(struct unit *from, struct unit *to, const ProtobufCBinaryData *key_id)
{
	Asafo__Ipc__CrlGet get = ASAFO__IPC__CRL_GET__INIT;
	Asafo__Ipc__CrlTake request = ASAFO__IPC__CRL_TAKE__INIT;
	Asafo__Ipc__CrlGetReply *reply;
	int code;

	get.key_id = *key_id;
	reply = (Asafo__Ipc__CrlGetReply *)unit_call(from->engine, IPC_CRL_GET, &get.base, NULL, 0);
	assert_int_equal(reply->status->code, 0);
	request.part = reply->part;
	code = unit_call_status(to->engine, IPC_CRL_TAKE, &request.base, NULL, 0, why);
	protobuf_c_message_free_unpacked(&reply->base, NULL);
	return code;
}

/* The standby is told the active unit's set, as an engine tells it. */
static Asafo__Ipc__CrlCompareReply *compare(struct unit *active, struct unit *standby)
{
	Asafo__Ipc__CrlListReply *ours = list(active);
	Asafo__Ipc__CrlCompare request = ASAFO__IPC__CRL_COMPARE__INIT;
	Asafo__Ipc__CrlCompareReply *reply;
	Asafo__Record__Crl *crls[64], copies[64];

	/* Whose they are does not cross. */
	for (size_t i = 0; i < ours->n_crls; i++) {
		copies[i] = *ours->crls[i];
		copies[i].n_trustpoints = 0;
		crls[request.n_crls++] = &copies[i];
	}
	for (size_t i = 0; i < ours->n_gone; i++)
		crls[request.n_crls++] = ours->gone[i];
	request.crls = crls;
	reply = (Asafo__Ipc__CrlCompareReply *)unit_call(standby->engine, IPC_CRL_COMPARE,
							 &request.base, NULL, 0);
	assert_int_equal(reply->status->code, 0);
	protobuf_c_message_free_unpacked(&ours->base, NULL);
	return reply;
}

/* "1 lacking, 0 newer", and both have the same then. */
static void sync_is(struct unit *active, struct unit *standby, const char *expected)
{
	Asafo__Ipc__CrlCompareReply *reply = compare(active, standby);
	char text[64], both[512];

	(void)snprintf(text, sizeof(text), "%zu lacking, %zu newer", reply->n_lacking,
		       reply->n_newer);
	assert_string_equal(text, expected);
	for (size_t i = 0; i < reply->n_lacking; i++)
		assert_int_equal(copy(active, standby, &reply->lacking[i]), 0);
	for (size_t i = 0; i < reply->n_newer; i++)
		assert_int_equal(copy(standby, active, &reply->newer[i]), 0);
	protobuf_c_message_free_unpacked(&reply->base, NULL);
	(void)snprintf(both, sizeof(both), "%s", listed(active));
	assert_string_equal(listed(standby), both);
	reply = compare(active, standby);
	assert_int_equal(reply->n_lacking + reply->n_newer, 0);
	protobuf_c_message_free_unpacked(&reply->base, NULL);
}

static void key_text(struct unit *unit, char ret_text[static 65])
{
	Asafo__Ipc__CrlListReply *reply = list(unit);

	assert_true(reply->n_crls > 0);
	hex_encode(reply->crls[0]->key_id.data, 32, ret_text);
	protobuf_c_message_free_unpacked(&reply->base, NULL);
}

/* ---- import ---- */

static void a_list_that_is_not_the_later_one_is_refused(void **state)
{
	struct unit *unit = *state;
	bool is_unchanged = true;

	authenticate(unit, "people", "ca", "");
	assert_int_equal(import_as(unit, "people", "second", true, &is_unchanged), 0);
	assert_false(is_unchanged);
	assert_int_equal(import_as(unit, "people", "second", true, &is_unchanged), 0);
	assert_true(is_unchanged);
	assert_int_equal(import(unit, "old"), ERR_EXISTS);
	assert_non_null(strstr(why, "newer"));
	assert_int_equal(import(unit, "first"), ERR_EXISTS);
	assert_non_null(strstr(why, "higher number"));
	assert_string_equal(listed(unit), "12 people; ");
	assert_int_equal(import(unit, "new"), 0);
	assert_string_equal(listed(unit), "05 people; ");
}

static void what_stays_home_is_held_against_what_the_pair_shares(void **state)
{
	struct unit *unit = *state;

	authenticate(unit, "people", "ca", "");
	authenticate(unit, "own", "ca", "because");
	assert_int_equal(import(unit, "second"), 0);
	assert_int_equal(import_as(unit, "own", "old", false, NULL), ERR_EXISTS);
	assert_int_equal(import_as(unit, "own", "new", false, NULL), 0);
	assert_string_equal(listed(unit), "12 people own; 05 home own people; ");
}

static void another_ca_with_the_same_key_does_not_take_the_lists_place(void **state)
{
	struct unit *unit = *state;
	char key[65];

	authenticate(unit, "people", "ca", "");
	authenticate(unit, "renamed", "renamed", "");
	assert_int_equal(import(unit, "old"), 0);
	assert_int_equal(import_as(unit, "renamed", "renamed", true, NULL), ERR_DIFFERS);
	assert_non_null(strstr(why, "of CN=people CA, this one of CN=renamed CA"));
	key_text(unit, key);
	assert_non_null(strstr(why, key));
	assert_int_equal(drop(unit, key, true), 0);
	assert_int_equal(import_as(unit, "renamed", "renamed", true, NULL), 0);
}

/* ---- both units ---- */

static void an_older_list_never_takes_the_place_of_a_newer_one(void **state)
{
	struct unit *units = *state;
	Asafo__Ipc__CrlListReply *olds;

	authenticate(&units[0], "people", "ca", "");
	authenticate(&units[1], "people", "ca", "");
	assert_int_equal(import(&units[0], "first"), 0);
	sync_is(&units[0], &units[1], "1 lacking, 0 newer");
	assert_int_equal(import(&units[1], "second"), 0);
	/* Nor if it is sent unasked. */
	olds = list(&units[0]);
	assert_int_equal(copy(&units[0], &units[1], &olds->crls[0]->key_id), ERR_EXISTS);
	assert_non_null(strstr(why, "older"));
	protobuf_c_message_free_unpacked(&olds->base, NULL);
	sync_is(&units[0], &units[1], "0 lacking, 1 newer");
	assert_string_equal(listed(&units[0]), "12 people; ");
	assert_int_equal(import(&units[0], "new"), 0);
	sync_is(&units[0], &units[1], "1 lacking, 0 newer");
	assert_string_equal(listed(&units[1]), "05 people; ");
}

static void what_only_the_standby_has_the_active_unit_gets(void **state)
{
	struct unit *units = *state;

	authenticate(&units[0], "people", "ca", "");
	authenticate(&units[1], "people", "ca", "");
	/* It was active when it got it, and away before the other one had it. */
	assert_int_equal(import(&units[1], "second"), 0);
	sync_is(&units[0], &units[1], "0 lacking, 1 newer");
	assert_string_equal(listed(&units[0]), "12 people; ");
}

static void what_was_removed_stays_so_until_it_is_imported_again(void **state)
{
	struct unit *units = *state;

	authenticate(&units[0], "people", "ca", "");
	authenticate(&units[1], "people", "ca", "");
	assert_int_equal(import(&units[0], "second"), 0);
	sync_is(&units[0], &units[1], "1 lacking, 0 newer");
	assert_int_equal(drop(&units[0], "people", false), ERR_NOT_ACTIVE);
	assert_int_equal(drop(&units[0], "people", true), 0);
	assert_int_equal(drop(&units[0], "people", true), ERR_NOT_FOUND);
	assert_string_equal(listed(&units[0]), "gone; ");
	sync_is(&units[0], &units[1], "0 lacking, 0 newer");
	assert_string_equal(listed(&units[1]), "gone; ");
	assert_int_equal(import(&units[0], "old"), 0);
	sync_is(&units[0], &units[1], "1 lacking, 0 newer");
	assert_string_equal(listed(&units[1]), "30 people; ");
	/* The unit where it was removed is the standby by now. */
	assert_int_equal(drop(&units[1], "people", true), 0);
	sync_is(&units[0], &units[1], "0 lacking, 1 newer");
	assert_string_equal(listed(&units[0]), "gone; ");
}

/* The mate's part N of CRL. */
static int take(struct unit *unit, Asafo__Record__Crl *crl, uint32_t n, uint8_t *marks, size_t size)
{
	Asafo__Ipc__CrlTake request = ASAFO__IPC__CRL_TAKE__INIT;
	Asafo__Record__CrlPart part = ASAFO__RECORD__CRL_PART__INIT;

	part.crl = crl;
	part.part = n;
	part.marks = (ProtobufCBinaryData){size, marks};
	request.part = &part;
	return unit_call_status(unit->engine, IPC_CRL_TAKE, &request.base, NULL, 0, why);
}

static void a_removal_by_a_clock_that_is_ahead_takes_no_newer_list_away(void **state)
{
	struct unit *units = *state;
	Asafo__Record__Crl gone = ASAFO__RECORD__CRL__INIT;
	Asafo__Ipc__CrlListReply *there;
	uint8_t digest[32];

	authenticate(&units[0], "people", "ca", "");
	authenticate(&units[1], "people", "ca", "");
	assert_int_equal(import(&units[0], "second"), 0);
	sync_is(&units[0], &units[1], "1 lacking, 0 newer");
	/* Unit 1 was active, and died before it told. */
	there = list(&units[1]);
	gone.key_id = there->crls[0]->key_id;
	gone.issuer = there->crls[0]->issuer;
	gone.digest = (ProtobufCBinaryData){sizeof(digest), digest};
	gone.removed_at = (int64_t)time(NULL) + YEAR;
	gone.term = 3;
	gone.change = 2;
	assert_int_equal(crl_digest(&gone, NULL, 0, digest), 0);
	assert_int_equal(take(&units[1], &gone, 0, NULL, 0), 0);
	protobuf_c_message_free_unpacked(&there->base, NULL);
	assert_string_equal(listed(&units[1]), "gone; ");
	term = 4;
	assert_int_equal(import(&units[0], "new"), 0);
	sync_is(&units[0], &units[1], "1 lacking, 0 newer");
	assert_string_equal(listed(&units[1]), "05 people; ");
	/* And it counts on from there. */
	assert_int_equal(drop(&units[1], "people", true), 0);
	sync_is(&units[0], &units[1], "0 lacking, 1 newer");
	assert_string_equal(listed(&units[0]), "gone; ");
	term = 2;
}

static void what_is_imported_again_in_a_newer_term_is_not_removed_by_an_older_one(void **state)
{
	struct unit *units = *state;
	bool is_unchanged = false;

	authenticate(&units[0], "people", "ca", "");
	authenticate(&units[1], "people", "ca", "");
	assert_int_equal(import(&units[0], "second"), 0);
	sync_is(&units[0], &units[1], "1 lacking, 0 newer");
	assert_int_equal(drop(&units[1], "people", true), 0);
	term = 3;
	assert_int_equal(import_as(&units[0], "people", "second", true, &is_unchanged), 0);
	assert_true(is_unchanged);
	sync_is(&units[0], &units[1], "1 lacking, 0 newer");
	assert_string_equal(listed(&units[0]), "12 people; ");
	term = 2;
}

/* That is newer, and for another trustpoint. */
static void the_same_list_is_taken_again_beside_a_newer_one_at_home(void **state)
{
	struct unit *unit = *state;
	bool is_unchanged = false;

	authenticate(unit, "people", "ca", "");
	authenticate(unit, "own", "ca", "because");
	assert_int_equal(import(unit, "second"), 0);
	assert_int_equal(import_as(unit, "own", "new", false, NULL), 0);
	term = 3;
	assert_int_equal(import_as(unit, "people", "second", true, &is_unchanged), 0);
	assert_true(is_unchanged);
	/* What would be a step back stays one. */
	assert_int_equal(import(unit, "first"), ERR_EXISTS);
	term = 2;
	assert_string_equal(listed(unit), "12 people own; 05 home own people; ");
}

/* Each has the same list, and the standby took it later, while it was active. */
static void a_removal_counts_on_from_whoever_took_the_list_last(void **state)
{
	struct unit *units = *state;

	authenticate(&units[0], "people", "ca", "");
	authenticate(&units[1], "people", "ca", "");
	assert_int_equal(import(&units[0], "second"), 0);
	sync_is(&units[0], &units[1], "1 lacking, 0 newer");
	term = 4;
	assert_int_equal(drop(&units[1], "people", true), 0);
	assert_int_equal(import(&units[1], "second"), 0);
	sync_is(&units[0], &units[1], "0 lacking, 1 newer");
	assert_int_equal(drop(&units[0], "people", true), 0);
	sync_is(&units[0], &units[1], "0 lacking, 0 newer");
	assert_string_equal(listed(&units[0]), "gone; ");
	term = 2;
}

static void a_part_of_what_an_engine_brought_that_is_gone_is_dropped(void **state)
{
	static uint8_t marks[CRL_PART_SIZE + CRLMARK_SIZE];
	struct unit *unit = *state;
	Asafo__Record__Crl crl = ASAFO__RECORD__CRL__INIT;
	uint8_t digest[32], key[32] = {1};

	for (uint32_t i = 0; i < sizeof(marks) / CRLMARK_SIZE; i++) {
		marks[i * CRLMARK_SIZE] = (uint8_t)(i >> 8);
		marks[i * CRLMARK_SIZE + 1] = (uint8_t)i;
	}
	crl.key_id = (ProtobufCBinaryData){sizeof(key), key};
	crl.digest = (ProtobufCBinaryData){sizeof(digest), digest};
	crl.revoked = sizeof(marks) / CRLMARK_SIZE;
	assert_int_equal(crl_digest(&crl, marks, sizeof(marks), digest), 0);
	assert_int_equal(take(unit, &crl, 0, marks, CRL_PART_SIZE), 0);
	unit_renew_engine(unit);
	assert_int_equal(take(unit, &crl, 1, marks + CRL_PART_SIZE, CRLMARK_SIZE), ERR_DIFFERS);
	assert_non_null(strstr(why, "does not fit"));
	assert_int_equal(take(unit, &crl, 0, marks, CRL_PART_SIZE), 0);
	assert_int_equal(take(unit, &crl, 1, marks + CRL_PART_SIZE, CRLMARK_SIZE), 0);
	assert_string_equal(listed(unit), "; ");
}

static void a_list_of_no_trustpoint_is_removed_by_its_key(void **state)
{
	struct unit *unit = *state;
	char key[65];

	authenticate(unit, "people", "ca", "");
	assert_int_equal(import(unit, "second"), 0);
	/* Another name has that CA now. */
	authenticate(unit, "staff", "ca", "");
	authenticate(unit, "people", "stranger", "");
	assert_string_equal(listed(unit), "12 staff; ");
	assert_int_equal(keeper_remove_trustpoint(unit, "staff"), 0);
	assert_string_equal(listed(unit), "12; ");
	key_text(unit, key);
	assert_int_equal(drop(unit, key, false), ERR_NOT_ACTIVE);
	assert_int_equal(drop(unit, key, true), 0);
	assert_int_equal(drop(unit, key, true), ERR_NOT_FOUND);
	assert_string_equal(listed(unit), "gone; ");
}

/* ---- damage ---- */

static void spoil(struct unit *unit, const char *format, const char *value)
{
	struct store *store = NULL;
	char key[65], path[700], item[128];
	struct store_change change = {
		.key = item, .value = (const uint8_t *)value, .value_size = strlen(value)};

	key_text(unit, key);
	unit_stop(unit);
	(void)snprintf(path, sizeof(path), "%s/store", unit->state_dir);
	(void)snprintf(item, sizeof(item), "%s/%s%s", format, key,
		       strcmp(format, "crl-part") == 0 ? "/00000" : "");
	assert_int_equal(store_open(path, &store, NULL), 0);
	assert_int_equal(store_unit_change(store, &change, 1, NULL), 0);
	store_close(store);
	unit_start(unit);
}

static void a_damaged_list_is_none_and_is_got_again(void **state)
{
	static const char *const items[] = {"crl-part", "crl"};
	struct unit *units = *state;
	bool is_unchanged = true;

	authenticate(&units[0], "people", "ca", "");
	authenticate(&units[1], "people", "ca", "");
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		assert_int_equal(import(&units[0], "second"), 0);
		assert_int_equal(import(&units[1], "second"), 0);
		spoil(&units[1], items[i], "damaged");
		assert_string_equal(listed(&units[1]), "");
		sync_is(&units[0], &units[1], "1 lacking, 0 newer");
		assert_string_equal(listed(&units[1]), "12 people; ");
		/* The active unit gets its own back. */
		spoil(&units[0], items[i], "damaged");
		sync_is(&units[0], &units[1], "0 lacking, 1 newer");
		/* Or by hand. */
		spoil(&units[0], items[i], "damaged");
		assert_int_equal(import_as(&units[0], "people", "second", true, &is_unchanged), 0);
		assert_false(is_unchanged);
		assert_string_equal(listed(&units[0]), "12 people; ");
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, keepers_setup, keepers_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_list_that_is_not_the_later_one_is_refused),
		TEST(what_stays_home_is_held_against_what_the_pair_shares),
		TEST(another_ca_with_the_same_key_does_not_take_the_lists_place),
		TEST(an_older_list_never_takes_the_place_of_a_newer_one),
		TEST(what_only_the_standby_has_the_active_unit_gets),
		TEST(what_was_removed_stays_so_until_it_is_imported_again),
		TEST(a_removal_by_a_clock_that_is_ahead_takes_no_newer_list_away),
		TEST(what_is_imported_again_in_a_newer_term_is_not_removed_by_an_older_one),
		TEST(the_same_list_is_taken_again_beside_a_newer_one_at_home),
		TEST(a_removal_counts_on_from_whoever_took_the_list_last),
		TEST(a_part_of_what_an_engine_brought_that_is_gone_is_dropped),
		TEST(a_list_of_no_trustpoint_is_removed_by_its_key),
		TEST(a_damaged_list_is_none_and_is_got_again),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
