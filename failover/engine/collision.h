/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/monotime.h"
#include "base/why.h"
#include "failover/vip.h"

struct engine;

/*
 * Who else claims an address of this unit: logged (405001), shown under Trouble, and answered with
 * an announcement of our own, at most one each 10 s for an address (RFC 5227 section 2.4 (c)). A
 * host says so when it takes the address, once, and perhaps while nobody hears it; so each address
 * is also asked for each 15 s (where there are hundreds, 32 of them each second).
 */
#define COLLISIONS_MAX 16

struct collision {
	struct vip_address address;
	uint8_t mac[6];
	uint64_t count;
	struct monotime seen, logged, defended;
	struct monotime waits; /* since when a claim is not believed yet; 0: none is */
	/* It is the mate's, apart from this unit, unless it was claimed for longer than the mate
	 * could hide that it has such addresses. */
	struct monotime first;
	bool may_be_mate; /* when last seen: the mate was not heard, or as one that has them */
	bool is_doubted;  /* the roles changed since: not shown before it is seen again */
};

struct collisions {
	struct conflict *conflict;
	sd_event_source *ask;
	size_t asked; /* the next one, of the addresses that are held */
	struct collision items[COLLISIONS_MAX];
	size_t n;
	struct monotime moved; /* when a unit last changed its state */
};

/* Errors: -errno, -ENOMEM. */
int collision_start(struct engine *engine);
void collision_stop(struct engine *engine);
/* The addresses have changed. */
void collision_watch(struct engine *engine);
/* This unit or its mate changed its state: addresses move now. */
void collision_moved(struct engine *engine);
/* The INDEXth that was seen within the last minute, and a sentence. NULL: there are no more. */
const struct collision *collision_get(const struct engine *engine, size_t index,
				      struct why *ret_why);
