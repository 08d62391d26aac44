/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct hello;
struct why;

/*
 * A datagram on path INDEX that hello_open refused with CODE. What it is, is kept for `show
 * failover` and logged once for each path and reason until the ways to the mate are made anew.
 * Where it came from the mate's address the state machine learns that somebody is there.
 */
void stranger_refused(struct engine *engine, size_t index, int code, const uint8_t *data,
		      size_t size);
/*
 * An authentic hello of a unit that is configured as this one. Where it was sent just now and is of
 * one that serves, or that is to begin first, the state machine learns of it as of a stranger.
 */
void stranger_twin(struct engine *engine, size_t index, const struct hello *hello);
/*
 * The mate that is heard is another boot than before, BOOT. These are random at each start: one
 * that comes back is a second machine with the mate's disk, as a clone of it. Either machine is
 * believed as long as the other one is not heard.
 */
void stranger_boot(struct engine *engine, uint64_t boot);
/* True: two machines are the mate. */
bool stranger_is_doubled(const struct engine *engine, struct why *ret_why);
/* What is wrong with the mate's hellos just now; empty: nothing. */
const char *stranger_trouble(const struct engine *engine);
