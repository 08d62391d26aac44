/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

/*
 * The death of the engine, as early as the kernel lets it be seen. A process that is killed closes
 * its descriptors, the youngest number first, before its parent hears of its exit; between the two
 * lie its packet sockets, and each costs a grace period of the kernel (10 ms and more). So the
 * engine holds the only writing end of a pipe under a high number, and never uses it.
 */
#define LIFELINE_FD 1000

/*
 * Makes the pipe. At its end every active address of this unit is withdrawn, before anything else
 * that the loop has to do. *RET_FD is for the child, as LIFELINE_FD, and the caller's to close.
 * Errors: -errno.
 */
int lifeline_new(sd_event *event, sd_event_source **ret_source, int *ret_fd);
/* Withdraws every active address of this unit, and says so. */
void lifeline_withdraw(void);
