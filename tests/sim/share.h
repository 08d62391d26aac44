/* SPDX-License-Identifier: Apache-2.0 */
/* How much is run where no option says it. */
#pragma once

#include <stdint.h>
#include <stdlib.h>

/*
 * One in N of WHOLE, for ASAFO_SIM_SHARE=N: where `make check` is run once more of sources whose
 * whole number of histories has been run. At least one, also where N is larger than WHOLE, and all
 * of it where N is none.
 */
static inline uint64_t sim_share_of(uint64_t whole)
{
	const char *share = getenv("ASAFO_SIM_SHARE");
	uint64_t n = share ? strtoull(share, NULL, 10) : 1;

	if (n == 0)
		return whole;
	return n < whole ? whole / n : 1;
}
