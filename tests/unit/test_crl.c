/* SPDX-License-Identifier: Apache-2.0 */
/* CRLs of a real CA, held against its certificate. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ui.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "certstore/x509/crl.h"

#define DAY 86400

static char directory[] = "/tmp/asafo-crl.XXXXXX";

static int setup(void **state)
{
	int status = -1;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(directory));
	pid = fork();
	if (pid == 0) {
		(void)execl("/bin/sh", "sh", SOURCE_DIR "/tests/unit/crl_files.sh", directory,
			    NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	(void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static void read_file(const char *name, struct buf *ret_data)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(io_read_file(path, 1024 * 1024, ret_data), 0);
}

/* NULL: refused, with CODE and a sentence that has WORDS in it. */
static Asafo__Record__Crl *check_bytes(const struct buf *file, const char *ca, int64_t after_s,
				       int code, const char *words)
{
	_cleanup_(buf_done) struct buf issuer = {0};
	struct crl_question question = {.now = (int64_t)time(NULL) + after_s};
	Asafo__Record__Crl *crl = NULL;
	struct why why = {0};
	char name[64];
	int r;

	(void)snprintf(name, sizeof(name), "%s.crt", ca);
	read_file(name, &issuer);
	question.issuer = issuer.data;
	question.issuer_size = issuer.size;
	r = crl_read(file->data, file->size, &question, &crl, &why);
	assert_true((r == 0) == (crl != NULL));
	if (r != code)
		fail_msg("%d: %s", r, why.text);
	if (!strstr(why.text, words))
		fail_msg("\"%s\" does not say \"%s\"", why.text, words);
	return crl;
}

static Asafo__Record__Crl *check(const char *name, const char *ca, int64_t after_s, int code,
				 const char *words)
{
	_cleanup_(buf_done) struct buf file = {0};

	read_file(name, &file);
	return check_bytes(&file, ca, after_s, code, words);
}

static void is_refused(const char *name, const char *ca, int code, const char *words)
{
	assert_null(check(name, ca, 0, code, words));
}

static bool has(const Asafo__Record__Crl *crl, const uint8_t *serial, size_t size)
{
	uint8_t mark[CRLMARK_SIZE];

	assert_int_equal(crlmark_of(serial, size, mark), 0);
	for (size_t at = 0; at < crl->marks.len; at += CRLMARK_SIZE) {
		if (memcmp(crl->marks.data + at, mark, CRLMARK_SIZE) == 0)
			return true;
	}
	return false;
}

static void what_a_ca_revoked_is_known_by_its_serial_number(void **state)
{
	/* As certificates have it: a zero in front where the number would be negative. */
	static const uint8_t largest[] = {0x00, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54,
					  0x32, 0x10, 0xfe, 0xdc, 0xba, 0x98, 0x76,
					  0x54, 0x32, 0x10, 0xfe, 0xdc, 0xba};
	static const char *const files[] = {"good.der", "good.crl"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		Asafo__Record__Crl *crl = check(files[i], "ca", 0, 0, "");
		uint8_t digest[32];

		assert_int_equal(crl->revoked, 3);
		assert_int_equal(crl->marks.len, 3 * CRLMARK_SIZE);
		assert_true(crl_are_marks(crl->marks.data, crl->marks.len));
		assert_true(has(crl, (const uint8_t[]){0x10}, 1));
		assert_true(has(crl, (const uint8_t[]){0x11}, 1));
		assert_true(has(crl, (const uint8_t[]){0, 0x11}, 2));
		assert_true(has(crl, largest, sizeof(largest)));
		assert_false(has(crl, (const uint8_t[]){0x12}, 1));
		assert_int_equal(crl->next_update - crl->this_update, 7 * DAY);
		assert_string_equal(crl->issuer, "CN=people CA");
		assert_string_equal(crl->number, "0a02");
		assert_int_equal(crl_digest(crl, crl->marks.data, crl->marks.len, digest), 0);
		assert_memory_equal(crl->digest.data, digest, sizeof(digest));
		crl->next_update++;
		assert_int_equal(crl_digest(crl, crl->marks.data, crl->marks.len, digest), 0);
		assert_memory_not_equal(crl->digest.data, digest, sizeof(digest));
		asafo__record__crl__free_unpacked(crl, NULL);
	}
}

static void a_list_may_be_empty(void **state)
{
	Asafo__Record__Crl *crl = check("empty.der", "ca", 0, 0, "");

	(void)state;
	assert_int_equal(crl->revoked, 0);
	assert_int_equal(crl->marks.len, 0);
	asafo__record__crl__free_unpacked(crl, NULL);
}

static void marks_are_whole_ones_in_order(void **state)
{
	static const uint8_t marks[] = {1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0};

	(void)state;
	assert_false(crl_are_marks(marks, sizeof(marks)));
	assert_true(crl_are_marks(marks + 8, 8));
	assert_false(crl_are_marks(marks, 7));
	assert_true(crl_are_marks(marks, 0));
}

static void a_list_is_of_the_ca_and_of_nobody_else(void **state)
{
	(void)state;
	is_refused("stranger.der", "ca", ERR_DIFFERS, "of another CA (CN=other CA)");
	is_refused("forged.der", "ca", ERR_INTEGRITY, "not signed by the key");
	is_refused("mute.der", "mute", ERR_UNSUPPORTED, "cRLSign");
	is_refused("weak.der", "ca", ERR_WEAK, "can be forged");
	is_refused("pss-sha1.der", "pss", ERR_WEAK, "can be forged");
	asafo__record__crl__free_unpacked(check("pss-sha256.der", "pss", 0, 0, ""), NULL);
}

static void a_list_is_about_all_certificates_of_the_ca(void **state)
{
	(void)state;
	is_refused("delta.der", "ca", ERR_UNSUPPORTED, "is a delta");
	is_refused("part.der", "ca", ERR_UNSUPPORTED, "a part of");
	is_refused("place.der", "ca", ERR_UNSUPPORTED, "a part of");
	is_refused("indirect.der", "ca", ERR_UNSUPPORTED, "an indirect one");
	is_refused("odd.der", "ca", ERR_UNSUPPORTED, "critical extension");
	asafo__record__crl__free_unpacked(check("harmless.der", "ca", 0, 0, ""), NULL);
}

static void a_list_holds_in_its_time(void **state)
{
	(void)state;
	is_refused("ended.der", "ca", ERR_EXPIRED, "ended at 2025-02-01");
	is_refused("later.der", "ca", ERR_NOT_YET_VALID, "good from 2044-01-01");
	assert_null(check("good.der", "ca", 7 * DAY + CRL_SKEW_S + 60, ERR_EXPIRED, "ended at"));
	assert_null(check("good.der", "ca", -DAY, ERR_NOT_YET_VALID, "clocks"));
	/* As far as clocks may be apart. */
	asafo__record__crl__free_unpacked(check("good.der", "ca", 7 * DAY + 60, 0, ""), NULL);
	asafo__record__crl__free_unpacked(check("good.der", "ca", -CRL_SKEW_S / 2, 0, ""), NULL);
}

static void list_of(Asafo__Record__Crl *crl, int64_t this_update, const char *number)
{
	asafo__record__crl__init(crl);
	crl->this_update = this_update;
	crl->number = (char *)(uintptr_t)number;
}

static void assert_later(const Asafo__Record__Crl *a, const Asafo__Record__Crl *b)
{
	assert_true(crl_compare(a, b) > 0);
	assert_true(crl_compare(b, a) < 0);
}

static void of_two_lists_the_later_one_is_known(void **state)
{
	Asafo__Record__Crl a, b;

	(void)state;
	list_of(&a, 1001, "01");
	list_of(&b, 1000, "ff");
	assert_later(&a, &b);
	/* In the same second the number says it. */
	list_of(&a, 1000, "0100");
	assert_later(&a, &b);
	list_of(&a, 1000, "0a");
	list_of(&b, 1000, "09");
	assert_later(&a, &b);
	list_of(&b, 1000, "000a");
	assert_int_equal(crl_compare(&a, &b), 0);
	list_of(&b, 1000, "");
	assert_int_equal(crl_compare(&a, &b), 0);
}

static void that_a_list_was_removed_is_later_than_what_was_taken_before(void **state)
{
	Asafo__Record__Crl gone, list;

	(void)state;
	list_of(&gone, 1000, "01");
	list_of(&list, 5000, "02");
	gone.removed_at = 9000;
	list.taken_at = 8999;
	assert_later(&gone, &list);
	list.taken_at = 9001;
	assert_later(&list, &gone);
}

static void in_which_order_a_list_was_taken_and_removed_no_clock_decides(void **state)
{
	Asafo__Record__Crl gone, list;

	(void)state;
	list_of(&gone, 1000, "01");
	list_of(&list, 5000, "02");
	gone.removed_at = 9000;
	list.taken_at = 10;
	gone.term = 5;
	gone.change = 7;
	list.term = 6;
	list.change = 1;
	assert_later(&list, &gone);
	list.term = 5;
	assert_later(&gone, &list);
	list.change = 8;
	assert_later(&list, &gone);
	/* A mate of an older version counts neither. */
	list.term = 0;
	assert_later(&gone, &list);
	list.taken_at = 9001;
	list.term = 4;
	gone.term = 0;
	assert_later(&list, &gone);
	/* Two that were active apart counted alike. */
	gone.term = 4;
	list.change = gone.change;
	assert_later(&list, &gone);
}

static bool is_asked;

static int answer_nothing(UI *ui)
{
	(void)ui;
	is_asked = true;
	return 0;
}

/* Whoever parses has nobody to ask. */
static void an_encrypted_list_is_none_and_nobody_is_asked_for_a_password(void **state)
{
	UI_METHOD *method = UI_create_method("nobody");

	(void)state;
	assert_non_null(method);
	assert_int_equal(UI_method_set_opener(method, answer_nothing), 0);
	UI_set_default_method(method);
	is_refused("locked.crl", "ca", ERR_MALFORMED, "no CRL");
	assert_false(is_asked);
	UI_set_default_method(UI_OpenSSL());
	UI_destroy_method(method);
}

static void a_file_is_one_list_and_nothing_else(void **state)
{
	_cleanup_(buf_done) struct buf file = {0};
	size_t size;

	(void)state;
	is_refused("two.crl", "ca", ERR_MALFORMED, "no CRL");
	is_refused("ca.crt", "ca", ERR_MALFORMED, "no CRL");
	read_file("good.der", &file);
	size = file.size;
	assert_int_equal(buf_append(&file, "x", 1), 0);
	assert_null(check_bytes(&file, "ca", 0, ERR_MALFORMED, "behind the CRL"));
	for (file.size = 0; file.size < size; file.size++)
		assert_null(check_bytes(&file, "ca", 0, ERR_MALFORMED, "no CRL"));
}

static void no_bit_of_a_list_can_be_changed(void **state)
{
	_cleanup_(buf_done) struct buf file = {0}, issuer = {0};
	struct crl_question question = {.now = (int64_t)time(NULL)};

	(void)state;
	read_file("good.der", &file);
	read_file("ca.crt", &issuer);
	question.issuer = issuer.data;
	question.issuer_size = issuer.size;
	for (size_t i = 0; i < 8 * file.size; i++) {
		Asafo__Record__Crl *crl = NULL;
		struct why why = {0};

		file.data[i / 8] ^= (uint8_t)(1u << i % 8);
		if (crl_read(file.data, file.size, &question, &crl, &why) == 0)
			fail_msg("bit %zu", i);
		assert_true(why.text[0] != '\0');
		file.data[i / 8] ^= (uint8_t)(1u << i % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_ca_revoked_is_known_by_its_serial_number),
		cmocka_unit_test(a_list_may_be_empty),
		cmocka_unit_test(marks_are_whole_ones_in_order),
		cmocka_unit_test(a_list_is_of_the_ca_and_of_nobody_else),
		cmocka_unit_test(a_list_is_about_all_certificates_of_the_ca),
		cmocka_unit_test(a_list_holds_in_its_time),
		cmocka_unit_test(of_two_lists_the_later_one_is_known),
		cmocka_unit_test(that_a_list_was_removed_is_later_than_what_was_taken_before),
		cmocka_unit_test(in_which_order_a_list_was_taken_and_removed_no_clock_decides),
		cmocka_unit_test(an_encrypted_list_is_none_and_nobody_is_asked_for_a_password),
		cmocka_unit_test(a_file_is_one_list_and_nothing_else),
		cmocka_unit_test(no_bit_of_a_list_can_be_changed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
