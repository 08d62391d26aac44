/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mate of an older version: the newer unit is the one that knows of both, so it alone adapts. It
 * sends only the lines that the older one understands, says which it keeps back, and as the older
 * one's standby does not lose them.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/engine/report.h"
#include "failover/replication/replication_internal.h"

#define NAMED_MAX 8

_Static_assert(CONFIG_VERSION == LINK_VERSION, "a unit says what lines it knows by its link");

/* Of the mate that is there; this unit's own where none is, or where it is newer. */
static uint32_t version_of_both(const struct engine *engine)
{
	struct link *link = engine->pair.link;
	uint32_t version = link && link_is_up(link) ? link_mate_version(link) : LINK_VERSION;

	return version < LINK_VERSION ? version : LINK_VERSION;
}

int engine_config_digest(const struct engine *engine, struct buf *text,
			 uint8_t ret_digest[static ENGINE_DIGEST_SIZE])
{
	_cleanup_(buf_done) struct buf own = {0};
	struct buf *into = text ? text : &own;
	int r = config_render_for(engine->config, version_of_both(engine), into);

	if (r < 0)
		return r;
	return gnutls_hash_fast(GNUTLS_DIG_SHA256, into->data, into->size, ret_digest) < 0
		       ? ERR_CRYPTO
		       : 0;
}

int replication_keep_newer(const struct replication *replication, struct config **merged)
{
	const struct engine *engine = replication->engine;
	uint32_t version = version_of_both(engine);
	struct config *kept;
	struct why why;
	int r;

	if (version == LINK_VERSION)
		return 0;
	r = config_copy(*merged, &kept);
	if (r < 0)
		return r;
	config_keep_newer(kept, engine->config, version);
	if (config_check(kept, &why) == 0) {
		config_free(*merged);
		*merged = kept;
		return 0;
	}
	config_free(kept);
	report(engine, LOG_CRIT, 709007, NULL,
	       "Configuration replication failed: lines that the mate (asafo %s, failover link "
	       "version %" PRIu32 ") does not know are dropped here, since they do not fit its "
	       "configuration: %s",
	       link_mate_software(engine->pair.link), version, why.text);
	return 0;
}

/* The first lines and how many more there are. */
static void name_lines(const struct buf *lines, char *text, size_t size)
{
	const char *at = (const char *)lines->data, *end = at + lines->size, *newline;
	size_t used = 0, n = 0, n_left = 0;

	text[0] = '\0';
	for (; at < end && (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1) {
		size_t length = (size_t)(newline - at);

		if (n == NAMED_MAX || n_left > 0 || used + length + 40 > size) {
			n_left++;
			continue;
		}
		used += (size_t)snprintf(text + used, size - used, "%s\"%.*s\"", n ? ", " : "",
					 (int)length, at);
		n++;
	}
	if (n_left > 0)
		(void)snprintf(text + used, size - used, " and %zu more", n_left);
}

bool replication_version_trouble(const struct replication *replication, struct why *ret_why)
{
	const struct link *link = replication->engine->pair.link;
	char text[WHY_TEXT_MAX - 180];

	if (replication->unknown.size == 0 || !link || !link_is_up(link))
		return false;
	name_lines(&replication->unknown, text, sizeof(text));
	(void)why_set(ret_why, ERR_VERSION,
		      "the mate (asafo %s, failover link version %" PRIu32 ") is older than this "
		      "unit (asafo %s, version %d) and works without these lines: %s; upgrade it",
		      link_mate_software(link), link_mate_version(link), PACKAGE_VERSION,
		      LINK_VERSION, text);
	return true;
}

void replication_compare_versions(struct replication *replication)
{
	const struct engine *engine = replication->engine;
	_cleanup_(buf_done) struct buf lines = {0}, before = {0};
	struct link *link = engine->pair.link;
	struct why why;

	if (!link || !link_is_up(link) ||
	    config_newer_lines(engine->config, version_of_both(engine), &lines) < 0)
		return;
	if (lines.size == replication->unknown.size &&
	    (lines.size == 0 || memcmp(lines.data, replication->unknown.data, lines.size) == 0))
		return;
	before = replication->unknown;
	replication->unknown = lines;
	lines = (struct buf){0};
	if (replication_version_trouble(replication, &why))
		report(engine, LOG_CRIT, 709007, NULL, "Configuration replication failed: %s",
		       why.text);
	else
		log_line(LOG_NOTICE, "the mate knows all lines of the configuration");
}
