/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ipc/frame.h"

/*
 * The listening sockets of a front: copies that outlive its process. A client that comes while the
 * front is started again waits in the kernel's queue and is served by the next process; without
 * them it would be refused, and an OpenConnect that is refused once does not try again for ten
 * seconds.
 */
struct kept;

/* Takes the descriptor of FRAME and keeps it as NAME, instead of what had that name; a frame
 * without one only ends that. What does not listen is not kept, nor more than 64. */
void kept_note(struct kept **kept, const char *name, struct ipc_frame *frame);
void kept_each(const struct kept *kept, void (*on_one)(const char *name, int fd, void *userdata),
	       void *userdata);
/* Clients that waited are refused. */
void kept_drop(struct kept **kept);
