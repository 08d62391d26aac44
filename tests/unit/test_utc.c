/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utc.h"

static void a_time_is_a_day_and_a_time_of_day(void **state)
{
	char text[UTC_TEXT_MAX];

	(void)state;
	assert_string_equal(utc_text(0, text), "1970-01-01 00:00:00 UTC");
	assert_string_equal(utc_text(1795464300, text), "2026-11-23 20:05:00 UTC");
	assert_string_equal(utc_log_text(1795464300, text), "20:05:00 UTC Nov 23 2026");
}

static void what_no_calendar_has_is_a_number(void **state)
{
	char text[UTC_TEXT_MAX];

	(void)state;
	assert_string_equal(utc_text(INT64_MAX, text), "9223372036854775807");
	assert_string_equal(utc_log_text(INT64_MIN, text), "-9223372036854775808");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_time_is_a_day_and_a_time_of_day),
		cmocka_unit_test(what_no_calendar_has_is_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
