/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <ctype.h>
#include <stdint.h>

/* FNV-1a of TEXT, whose letters are the same in either case. Not keyed: for tables that no client
 * can put anything into. */
static inline uint32_t name_hash(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text; text++)
		hash = (hash ^ (uint32_t)tolower((unsigned char)*text)) * 16777619u;
	return hash;
}
