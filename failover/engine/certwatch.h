/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/monotime.h"
#include "base/why.h"
#include "config/config.h"

/*
 * The certificates of this unit's store over time: which of them ends soon (`crypto ca alerts
 * expiration`), and whether the units hold the same ones. Each is an alarm of its own, in the log
 * and under Trouble.
 */
#define CERTWATCH_NAMES_MAX 64

struct engine;

struct certwatch_end {
	char name[CONFIG_NAME_MAX];
	char subject[128], issuer[128];
	char serial[48];
	int64_t not_after;
	int64_t turn; /* of the alert; -1: none yet. Counted from the first, by the date alone */
};

struct certwatch {
	struct certwatch_end ends[CERTWATCH_NAMES_MAX]; /* the soonest of what is due */
	size_t n_ends;
	struct certwatch_end found[CERTWATCH_NAMES_MAX]; /* by the search under way */
	size_t n_found;
	bool is_searching, was_searched;
	struct monotime searched_at, ticked_at;
	int64_t searched_realtime; /* seconds since 1970 */
	uint8_t searched_digest[32];
	uint32_t searched_begin;
	uint64_t alerts; /* that were said */
	bool is_apart;	 /* the units hold different certificates */
	bool is_apart_said;
	struct monotime apart_since;
};

/* The loop turned: looks, once a second, whether something is due. */
void certwatch_tick(struct engine *engine);
/* Looks for what ends soon now, rather than in its turn. */
void certwatch_search(struct engine *engine);
/* What is wrong, number INDEX; false: there are no more. */
bool certwatch_trouble(const struct engine *engine, size_t index, struct why *ret_why);
/*
 * Which alert is due at NOW for what ends at NOT_AFTER: the first BEGIN days ahead, then one each
 * REPEAT days, and one when it has ended; -1: none is. A larger one is a new one.
 */
int64_t certwatch_turn(int64_t not_after, int64_t now, uint32_t begin, uint32_t repeat);
