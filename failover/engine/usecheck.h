/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <systemd/sd-event.h>

#include "base/why.h"
#include "certstore/store/record.pb-c.h"
#include "config/config.h"

/*
 * What is bound, held against what it is bound for: the names by which clients come, what the key
 * may be used for, the chain. A pure function judges one certificate; the
 * watch asks the keeper for each that is bound, when the configuration or the store changed.
 */
#define USECHECK_SENTENCES_MAX 16

struct usecheck_findings {
	struct why sentences[USECHECK_SENTENCES_MAX];
	size_t n;
};

/* Whether TRUSTPOINT is bound where NAME is served on INTERFACE (a nameif): at the place that the
 * front's own rule finds, which may have several, for keys of several kinds. */
bool usecheck_serves(const struct config *config, const char *interface, const char *name,
		     const char *trustpoint);
/* Does one of the certificate's names cover NAME (RFC 6125: a wildcard is one whole label)? Of one
 * with more names than are listed: it may, so true. */
bool usecheck_covers(const Asafo__Record__TrustpointPublic *part, const char *name);
bool usecheck_is_bound(const struct config *config, const char *trustpoint);
/* Where the next sentence goes; NULL (why_set takes it): there is no room. */
struct why *usecheck_next(struct usecheck_findings *findings);
/* Adds what is wrong with PART, bound by CONFIG; how long it is still valid is certwatch's. */
void usecheck_judge(const struct config *config, const Asafo__Record__TrustpointPublic *part,
		    struct usecheck_findings *findings);

/* ---- usewatch.c ---- */
struct engine;

struct usewatch {
	sd_event_source *timer;
	struct usecheck_findings known, found;
	size_t i_binding; /* that is being asked for */
	bool is_asking, is_dirty;
};

/* Something changed: it looks again, soon. */
void usewatch_kick(struct engine *engine);
void usewatch_done(struct usewatch *watch);
