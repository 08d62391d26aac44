/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "core/fsm.h"
#include "failover/linkmon.h"
#include "failover/path.h"

/*
 * What the engine tells the log under an ASA's numbers (doc/log.md): each text begins with the
 * unit, as "(Primary) ...", and each line has the unit, its state and its term as fields.
 */
struct engine;
struct engine_transition;
struct hello;

/* What a message is about, beside the unit; NULL: nothing. */
struct report_about {
	const char *reason, *interface;
	const struct fo_action *transition; /* of this one's state and term; NULL: of now */
};

/* ABOUT may be NULL. */
void report(const struct engine *engine, int severity, unsigned number,
	    const struct report_about *about, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void report_transition(const struct engine *engine, const struct engine_transition *transition);
/* After a step: the mate was heard before it, and is it now? */
void report_mate(struct engine *engine, bool was_heard);
/* ---- report_ways.c: what comes and goes, each as it is told (changes.h) ---- */
void report_carrier(struct engine *engine, const struct linkmon_link *link);
/* The path was in state BEFORE. */
void report_path(struct engine *engine, const struct path_statistics *path, enum path_state before);
/* WHY is NULL where it is up. */
void report_connection(struct engine *engine, bool is_up, const char *why);
/* Says what was counted for long enough; each polltime. */
void report_ways_tick(struct engine *engine);

/* The mate's release is another one than this unit's: said once for each. */
void report_version(struct engine *engine, const struct hello *hello);
