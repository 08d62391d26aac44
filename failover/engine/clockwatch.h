/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/monotime.h"
#include "base/why.h"
#include "config/config.h"
#include "core/clock.h"

/*
 * The mate's wall clock beside ours. Certificates are judged by it: one that is valid here and not
 * there is named while there is time to set a clock, and not when a failover needs it.
 */
#define CLOCKWATCH_SENT 512 /* a second at the fastest polltime, with some to spare */
#define CLOCKWATCH_NAMES_MAX 16

struct engine;
struct hello;

/* A trustpoint that only one of the units takes for valid. */
struct clockwatch_misfit {
	char name[CONFIG_NAME_MAX];
	int64_t not_before, not_after;
};

struct clockwatch_sent {
	uint64_t counter;
	struct monotime at;
};

struct clockwatch {
	struct fo_clock clock;
	struct clockwatch_sent sent[CLOCKWATCH_SENT]; /* our latest hellos, by their counter */
	struct clockwatch_misfit misfits[CLOCKWATCH_NAMES_MAX];
	size_t n_misfits;
	struct clockwatch_misfit found[CLOCKWATCH_NAMES_MAX]; /* by the search under way */
	size_t n_found;
	bool is_searching, was_searched;
	struct monotime searched_at;
	int64_t searched_skew_ns;
	uint8_t searched_digest[32];
};

/* A hello of ours went out under COUNTER. */
void clockwatch_sent(struct engine *engine, uint64_t counter);
/* The newest hello of the mate came. */
void clockwatch_heard(struct engine *engine, const struct hello *hello);
/* The hello was said at most so many milliseconds ago; UINT32_MAX: what it echoes is too old to
 * know. */
uint32_t clockwatch_age_ms(const struct engine *engine, const struct hello *hello);
/* Fills in what a hello says of the mate's that it echoes. */
void clockwatch_fill(const struct engine *engine, struct hello *hello);
/* Would only one of the units take this record.TrustpointPublic for valid? Then the sentence. */
bool clockwatch_misfits(const struct engine *engine, const ProtobufCBinaryData *public_part,
			struct why *ret_why);
/* The mate's clock in seconds since 1970; 0: it is not known, or the mate is not heard. */
int64_t clockwatch_mate_now(const struct engine *engine);
/* What is wrong with the clocks, number INDEX; false: there are no more. */
bool clockwatch_trouble(const struct engine *engine, size_t index, struct why *ret_why);
