/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* Whether what comes on a path wakes the loop up: path_wake.c. */
struct path_wake {
	unsigned n_in_time; /* hellos in a row that were there when the link brought them, too */
	bool is_asleep;	    /* read when something else wakes the loop up */
	uint64_t judged;    /* path's datagrams when it was last looked at */
};
