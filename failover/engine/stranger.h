/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct engine;
struct hello;

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
/* What is wrong with the mate's hellos just now; empty: nothing. */
const char *stranger_trouble(const struct engine *engine);
