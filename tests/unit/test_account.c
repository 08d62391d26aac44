/* SPDX-License-Identifier: Apache-2.0 */
/* Whose hands the children have, where the user database says no, yes, or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/account.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "table.h"

/* ---- the user database: these take the C library's place ---- */

static int user_error, group_error; /* -1: there is one */

uid_t geteuid(void)
{
	return 0;
}

struct passwd *getpwnam(const char *name)
{
	static struct passwd entry = {.pw_uid = 101, .pw_gid = 102};

	(void)name;
	errno = user_error < 0 ? 0 : user_error;
	return user_error < 0 ? &entry : NULL;
}

struct group *getgrnam(const char *name)
{
	static struct group entry = {.gr_gid = 103};

	(void)name;
	errno = group_error < 0 ? 0 : group_error;
	return group_error < 0 ? &entry : NULL;
}

/* ---- tests ---- */

static const int absent[] = {0, ENOENT, ESRCH, EBADF, EPERM};
static const int broken[] = {EIO, EMFILE, ENFILE, ENOMEM, EINTR, ECONNREFUSED};

/* One that has a group beside its user's own. */
static const struct table_row *row_with_group(void)
{
	size_t n = 0;
	const struct table_row *rows = table_rows(&n);

	while (n > 0 && !rows[n - 1].group)
		n--;
	assert_true(n > 0);
	return &rows[n - 1];
}

static void a_group_that_is_there_is_the_childs(void **state)
{
	struct table_user user = {0};
	struct why why;

	(void)state;
	user_error = group_error = -1;
	assert_int_equal(table_user(row_with_group(), 0, &user, &why), 0);
	assert_int_equal(user.uid, 101);
	assert_int_equal(user.gid, 103);
	assert_int_equal(table_user(row_with_group(), 5000, &user, &why), 0);
	assert_int_equal(user.gid, 103);
}

static void one_that_is_not_there_leaves_the_users_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++) {
		struct table_user user = {0};
		struct why why;

		user_error = -1;
		group_error = absent[i];
		assert_int_equal(table_user(row_with_group(), 0, &user, &why), 0);
		assert_int_equal(user.gid, 102);
	}
}

static void a_database_that_cannot_be_asked_is_no_absence(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct table_user user = {7, 7};
		struct why why;

		user_error = -1;
		group_error = broken[i];
		assert_int_equal(table_user(row_with_group(), 0, &user, &why), -broken[i]);
		assert_non_null(strstr(why.text, row_with_group()->group));
		assert_int_equal(table_user(row_with_group(), 5000, &user, &why), -broken[i]);
		user_error = broken[i];
		group_error = -1;
		assert_int_equal(table_user(row_with_group(), 0, &user, &why), -broken[i]);
		assert_int_equal(user.gid, 7);
	}
	user_error = 0;
}

static void a_group_is_there_or_not_or_nobody_knows(void **state)
{
	gid_t gid = 7;

	(void)state;
	group_error = -1;
	assert_int_equal(account_group("asafo", &gid), 0);
	assert_int_equal(gid, 103);
	group_error = ENOENT;
	assert_int_equal(account_group("asafo", &gid), ERR_NOT_FOUND);
	group_error = EIO;
	assert_int_equal(account_group("asafo", &gid), -EIO);
	assert_int_equal(gid, 103);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_group_that_is_there_is_the_childs),
		cmocka_unit_test(one_that_is_not_there_leaves_the_users_own),
		cmocka_unit_test(a_database_that_cannot_be_asked_is_no_absence),
		cmocka_unit_test(a_group_is_there_or_not_or_nobody_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
