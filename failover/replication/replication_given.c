/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a standby's configuration had and the active's has not. The active's wins, but nothing is
 * dropped silently: the lines that were last replaced stand in `show orphans`, and all of them in
 * the log. Which were this unit's own cannot be told from the lines: those that the first of the
 * active's configurations lacks are, since this unit served, was configured, or heard the active
 * unit start anew; a later one lacks what was taken back there.
 */
#include <string.h>

#include "base/log.h"
#include "failover/replication/replication_internal.h"

static void say(const struct buf *given)
{
	const char *at = (const char *)given->data, *end = at + given->size;

	log_line(LOG_WARNING, "the active's configuration replaced lines that only this unit had; "
			      "type those that the pair needs on the active unit:");
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t size = (size_t)((newline ? newline : end) - at);

		log_line(LOG_WARNING, "  replaced: %.*s", (int)config_secret_at(at, size), at);
		at += size + 1;
	}
}

void replication_keep_given(struct replication *replication, const struct config *merged)
{
	struct buf given = {0};

	if (config_missing_lines(replication->engine->config, merged, CONFIG_PART_REPLICATED,
				 &given) < 0) {
		log_line(LOG_ERR, "out of memory: what the active's configuration replaces is not "
				  "listed");
		buf_done(&given);
		return;
	}
	if (given.size == 0) {
		buf_done(&given);
		return;
	}
	buf_done(&replication->given);
	replication->given = given;
	replication->given_at = monotime_now();
	say(&given);
}

void replication_lines_own(struct replication *replication)
{
	replication->is_level = false;
}

void replication_lines_level(struct replication *replication)
{
	replication->is_level = true;
}

const char *replication_given_lines(struct replication *replication, struct monotime *ret_at)
{
	*ret_at = replication->given_at;
	return replication->given.size > 0 ? buf_text(&replication->given) : NULL;
}
