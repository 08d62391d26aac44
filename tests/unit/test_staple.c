/* SPDX-License-Identifier: Apache-2.0 */
/* OCSP responses of a real responder, held against certificates. */
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

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "certstore/x509/staple.h"

#define DAY 86400

static char directory[] = "/tmp/asafo-staple.XXXXXX";

static int setup(void **state)
{
	int status = -1;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(directory));
	pid = fork();
	if (pid == 0) {
		(void)execl("/bin/sh", "sh", SOURCE_DIR "/tests/unit/staple_files.sh", directory,
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

static void read_file(const char *name, const char *suffix, struct buf *ret_data)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s.%s", directory, name, suffix);
	assert_int_equal(io_read_file(path, 1024 * 1024, ret_data), 0);
}

/* RESPONSE against LEAF, AFTER_S seconds from now. */
static int check_span(const struct buf *response, const char *leaf, int64_t after_s,
		      int64_t *ret_span_s, struct why *ret_why)
{
	_cleanup_(buf_done) struct buf certificate = {0}, issuer = {0};
	struct staple_question question = {.now = (int64_t)time(NULL) + after_s};
	Asafo__Record__Staple *staple = NULL;
	int r;

	read_file(leaf, "crt", &certificate);
	read_file("ca", "crt", &issuer);
	question.leaf = certificate.data;
	question.leaf_size = certificate.size;
	question.issuer = issuer.data;
	question.issuer_size = issuer.size;
	r = staple_read(response->data, response->size, &question, &staple, ret_why);
	assert_true((r == 0 || r == ERR_REVOKED) == (staple != NULL));
	if (r == ERR_REVOKED) {
		assert_true(staple->is_revoked);
		assert_int_equal(staple->revoked_at, 1767225600);
		assert_int_equal(staple->next_update, staple->this_update);
		assert_int_equal(staple->response.len, response->size);
	} else if (staple) {
		assert_false(staple->is_revoked);
		assert_int_equal(staple->response.len, response->size);
		assert_memory_equal(staple->response.data, response->data, response->size);
		if (ret_span_s)
			*ret_span_s = staple->next_update - staple->this_update;
		else
			assert_int_equal(staple->next_update - staple->this_update, 7 * DAY);
	}
	asafo__record__staple__free_unpacked(staple, NULL);
	return r;
}

static int check_bytes(const struct buf *response, const char *leaf, int64_t after_s,
		       struct why *ret_why)
{
	return check_span(response, leaf, after_s, NULL, ret_why);
}

static int check(const char *response, const char *leaf, int64_t after_s, struct why *ret_why)
{
	_cleanup_(buf_done) struct buf bytes = {0};

	read_file(response, "der", &bytes);
	return check_bytes(&bytes, leaf, after_s, ret_why);
}

static void is_refused(const char *response, const char *leaf, int code, const char *words)
{
	struct why why = {0};

	if (check(response, leaf, 0, &why) != code)
		fail_msg("%s: %s", response, why.text);
	if (!strstr(why.text, words))
		fail_msg("\"%s\" does not say \"%s\"", why.text, words);
}

static void a_good_response_of_the_issuer_is_taken(void **state)
{
	struct why why = {0};

	(void)state;
	if (check("good", "leaf", 0, &why) != 0 || check("sha256", "leaf", 0, &why) != 0)
		fail_msg("%s", why.text);
}

static void so_is_one_of_a_responder_that_the_issuer_made_one(void **state)
{
	struct why why = {0};

	(void)state;
	if (check("delegated", "leaf", 0, &why) != 0)
		fail_msg("%s", why.text);
}

static void it_ends_with_the_certificate_of_who_signed_it(void **state)
{
	_cleanup_(buf_done) struct buf bytes = {0};
	struct why why = {0};
	int64_t span_s = 0;

	(void)state;
	read_file("long", "der", &bytes);
	assert_int_equal(check_span(&bytes, "leaf", 0, &span_s, &why), 0);
	assert_in_range(span_s, 19 * DAY, 20 * DAY);
	assert_int_equal(check("long", "leaf", 21 * DAY, &why), ERR_EXPIRED);
	assert_non_null(strstr(why.text, "who signed the response is not valid now"));
}

static void one_about_several_certificates_is_refused(void **state)
{
	(void)state;
	is_refused("several", "leaf", ERR_UNSUPPORTED, "about 2 certificates");
	is_refused("several", "other", ERR_UNSUPPORTED, "some clients see the first only");
}

static void nobody_else_may_sign_one(void **state)
{
	(void)state;
	is_refused("forged", "leaf", ERR_INTEGRITY, "not signed by the issuer");
	is_refused("undelegated", "leaf", ERR_INTEGRITY, "OCSP signing");
	is_refused("weak", "leaf", ERR_WEAK, "SHA-1");
}

static void it_is_about_this_certificate_and_no_other(void **state)
{
	(void)state;
	is_refused("other", "leaf", ERR_DIFFERS, "about another certificate");
	is_refused("good", "other", ERR_DIFFERS, "about another certificate");
}

static void what_it_says_counts(void **state)
{
	(void)state;
	is_refused("revoked", "revoked", ERR_REVOKED, "keyCompromise, at 2026-01-01 00:00:00 UTC");
	is_refused("revoked-endless", "revoked", ERR_REVOKED, "keyCompromise");
	is_refused("unknown", "unknown", ERR_NOT_FOUND, "does not know");
	is_refused("later", "leaf", ERR_UNSUPPORTED, "trylater");
	is_refused("endless", "leaf", ERR_UNSUPPORTED, "no nextUpdate");
}

static void it_is_taken_within_its_time_and_a_little_before(void **state)
{
	struct why why = {0};

	(void)state;
	assert_int_equal(check("good", "leaf", -STAPLE_SKEW_S + 60, &why), 0);
	assert_int_equal(check("good", "leaf", 7 * DAY - 600, &why), 0);
	assert_int_equal(check("good", "leaf", 7 * DAY + 600, &why), ERR_EXPIRED);
	assert_non_null(strstr(why.text, "ended at"));
}

static void so_is_one_that_says_revoked(void **state)
{
	struct why why = {0};

	(void)state;
	assert_int_equal(check("revoked", "revoked", 7 * DAY - 600, &why), ERR_REVOKED);
	assert_int_equal(check("revoked", "revoked", 7 * DAY + 600, &why), ERR_EXPIRED);
	assert_int_equal(check("revoked", "revoked", -STAPLE_SKEW_S - 600, &why),
			 ERR_NOT_YET_VALID);
}

static void one_of_tomorrow_is_refused(void **state)
{
	struct why why = {0};

	(void)state;
	assert_int_equal(check("good", "leaf", -STAPLE_SKEW_S - 600, &why), ERR_NOT_YET_VALID);
	assert_non_null(strstr(why.text, "clocks"));
}

static void no_part_of_one_and_nothing_behind_one_is_taken(void **state)
{
	_cleanup_(buf_done) struct buf whole = {0};
	size_t size;

	(void)state;
	read_file("good", "der", &whole);
	size = whole.size;
	for (size_t i = 0; i < size; i++) {
		struct why why = {0};

		whole.size = i;
		assert_int_not_equal(check_bytes(&whole, "leaf", 0, &why), 0);
		assert_true(why.text[0]);
	}
	whole.size = size;
	assert_int_equal(buf_append(&whole, "", 1), 0);
	assert_int_equal(check_bytes(&whole, "leaf", 0, NULL), ERR_MALFORMED);
}

static void no_bit_of_it_can_be_another(void **state)
{
	_cleanup_(buf_done) struct buf whole = {0};
	struct why why = {0};
	size_t n_taken = 0;

	(void)state;
	read_file("sha256", "der", &whole);
	/* The signature covers all but itself and what stands around it. */
	for (size_t i = 40; i + 120 < whole.size; i++) {
		whole.data[i] ^= 1;
		n_taken += check_bytes(&whole, "leaf", 0, &why) == 0;
		whole.data[i] ^= 1;
	}
	assert_true(n_taken * 2 < whole.size);
	assert_int_equal(check_bytes(&whole, "leaf", 0, &why), 0);
}

static void one_that_is_too_large_is_not_looked_at(void **state)
{
	_cleanup_(buf_done) struct buf large = {0};
	struct why why = {0};

	(void)state;
	assert_int_equal(buf_reserve(&large, STAPLE_RESPONSE_MAX + 1), 0);
	memset(large.data, 0x30, STAPLE_RESPONSE_MAX + 1);
	large.size = STAPLE_RESPONSE_MAX + 1;
	assert_int_equal(check_bytes(&large, "leaf", 0, &why), ERR_TOO_LARGE);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_response_of_the_issuer_is_taken),
		TEST(so_is_one_of_a_responder_that_the_issuer_made_one),
		TEST(it_ends_with_the_certificate_of_who_signed_it),
		TEST(one_about_several_certificates_is_refused),
		TEST(nobody_else_may_sign_one),
		TEST(it_is_about_this_certificate_and_no_other),
		TEST(what_it_says_counts),
		TEST(it_is_taken_within_its_time_and_a_little_before),
		TEST(so_is_one_that_says_revoked),
		TEST(one_of_tomorrow_is_refused),
		TEST(no_part_of_one_and_nothing_behind_one_is_taken),
		TEST(no_bit_of_it_can_be_another),
		TEST(one_that_is_too_large_is_not_looked_at),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
