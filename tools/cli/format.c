/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

const char *format_duration(int64_t s, struct format_text *ret_text)
{
	char *text = ret_text->text;
	size_t size = sizeof(ret_text->text);

	if (s < 0)
		s = 0;
	if (s >= DAY)
		(void)snprintf(text, size, "%" PRId64 "d %" PRId64 "h", s / DAY, s % DAY / HOUR);
	else if (s >= HOUR)
		(void)snprintf(text, size, "%" PRId64 "h %" PRId64 "m", s / HOUR,
			       s % HOUR / MINUTE);
	else if (s >= MINUTE)
		(void)snprintf(text, size, "%" PRId64 "m %" PRId64 "s", s / MINUTE, s % MINUTE);
	else
		(void)snprintf(text, size, "%" PRId64 "s", s);
	return text;
}

const char *format_bytes(int64_t bytes, struct format_text *ret_text)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		(void)snprintf(ret_text->text, sizeof(ret_text->text), "%" PRId64 " B", bytes);
		return ret_text->text;
	}
	while (value >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(ret_text->text, sizeof(ret_text->text), "%.1f %s", value, units[unit]);
	return ret_text->text;
}

const char *format_ms(int64_t ms, struct format_text *ret_text)
{
	if (ms >= 60000)
		return format_duration(ms / 1000, ret_text);
	if (ms >= 1000)
		(void)snprintf(ret_text->text, sizeof(ret_text->text), "%.1f s", (double)ms / 1000);
	else
		(void)snprintf(ret_text->text, sizeof(ret_text->text), "%" PRId64 " ms", ms);
	return ret_text->text;
}

static const char *format_with(const char *format, int64_t unix_seconds,
			       struct format_text *ret_text)
{
	time_t t = (time_t)unix_seconds;
	struct tm tm;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (!localtime_r(&t, &tm) ||
	    strftime(ret_text->text, sizeof(ret_text->text), format, &tm) == 0)
		(void)snprintf(ret_text->text, sizeof(ret_text->text), "?");
#pragma GCC diagnostic pop
	return ret_text->text;
}

const char *format_time(int64_t unix_seconds, struct format_text *ret_text)
{
	return format_with("%H:%M:%S %Z %b %-d %Y", unix_seconds, ret_text);
}

const char *format_date(int64_t unix_seconds, struct format_text *ret_text)
{
	return format_with("%Y-%m-%d", unix_seconds, ret_text);
}

const char *format_digest(const char *hex, size_t n, struct format_text *ret_text)
{
	if (n > sizeof(ret_text->text) - 4)
		n = sizeof(ret_text->text) - 4;
	(void)snprintf(ret_text->text, sizeof(ret_text->text), "%.*s%s", (int)n, hex,
		       strlen(hex) > n ? "..." : "");
	return ret_text->text;
}
