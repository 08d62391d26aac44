/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Who this machine has spoken with, from the kernel's neighbour tables (rtnetlink, RTM_GETNEIGH).
 */
struct neighbour {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t address[16];
	uint32_t used; /* how long ago, in clock ticks */
};

/*
 * The up to MAX neighbours on the device with this index that were used last, the latest first;
 * returns how many. Never waits; a table that cannot be read is an empty one.
 */
size_t neighbour_recent(unsigned index, struct neighbour *ret_neighbours, size_t max);
