/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>

#include "base/monotime.h"

/* Whether what comes on a path wakes the loop up: path_wake.c. */
struct path_wake {
	unsigned n_in_time; /* hellos in a row that were there when the link brought them, too */
	bool is_asleep;	    /* read when something else wakes the loop up */
};

/* What the kernel says about a datagram. */
union path_stamp {
	char bytes[CMSG_SPACE(sizeof(struct timespec))];
	struct cmsghdr align;
};
/* When MESSAGE, which is read NOW, came: NOW where the kernel does not say, or the wall clock was
 * set in between. */
struct monotime path_wake_came(const struct msghdr *message, struct monotime now);
