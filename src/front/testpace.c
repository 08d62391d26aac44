/* SPDX-License-Identifier: Apache-2.0 */
#include "front/testpace.h"

#define TICKS_CALM 2u
#define TICKS_PER_TEST 8u

static uint64_t tick_of(struct monotime at)
{
	return at.ns / (TESTPACE_TICK_MS * MONOTIME_NS_PER_MS);
}

struct monotime testpace_next(struct monotime now, unsigned instance, bool may_wait)
{
	struct monotime next = monotime_turn(now, TESTPACE_TICK_MS);

	if (may_wait && tick_of(next) % TICKS_CALM != instance % TICKS_CALM)
		next = monotime_add_ms(next, TESTPACE_TICK_MS);
	return next;
}

uint64_t testpace_turn(struct monotime now, unsigned instance)
{
	return (tick_of(now) + instance % 2 * (TICKS_PER_TEST / 2)) / TICKS_PER_TEST;
}
