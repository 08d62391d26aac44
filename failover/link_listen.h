/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <systemd/sd-event.h>

#include "base/why.h"
#include "failover/link.h"

/* The listening sockets of the link, one a way. Internal to it. */
struct link_listen;

/* FD (the receiver's now) came on WAY, from the mate's address. */
typedef void (*link_listen_fn)(size_t way, int fd, void *userdata);

/* CONFIG is borrowed for the life of it. Errors: -ENOMEM. */
int link_listen_new(sd_event *event, const struct link_config *config, link_listen_fn on_connection,
		    void *userdata, struct link_listen **ret_listen);
void link_listen_free(struct link_listen *listen);
/*
 * Opens what is not open, and what is bound to a device that was made anew; listens again where
 * descriptors were wanting. 0 where something changed, 1 where nothing did; where no way can be
 * listened on the error of the first, with a sentence.
 */
int link_listen_check(struct link_listen *listen, struct why *ret_why);
