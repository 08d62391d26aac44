/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utc.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static bool calendar(int64_t at, struct tm *ret_tm)
{
	time_t seconds = (time_t)at;

	return gmtime_r(&seconds, ret_tm) != NULL;
}

static const char *bare(int64_t at, char ret_text[static UTC_TEXT_MAX])
{
	(void)snprintf(ret_text, UTC_TEXT_MAX, "%" PRId64, at);
	return ret_text;
}

const char *utc_text(int64_t at, char ret_text[static UTC_TEXT_MAX])
{
	struct tm tm;

	if (!calendar(at, &tm) ||
	    strftime(ret_text, UTC_TEXT_MAX, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		return bare(at, ret_text);
	return ret_text;
}

const char *utc_log_text(int64_t at, char ret_text[static UTC_TEXT_MAX])
{
	struct tm tm;

	if (!calendar(at, &tm) ||
	    strftime(ret_text, UTC_TEXT_MAX, "%H:%M:%S UTC %b %d %Y", &tm) == 0)
		return bare(at, ret_text);
	return ret_text;
}
