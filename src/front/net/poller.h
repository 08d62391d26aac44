/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

/*
 * The sockets of clients, behind one source of the loop. sd-event looks at every socket that is
 * ready before each single callback: with ten thousand of them ready at once, as when a unit takes
 * over, or when clients go together, that is a hundred million looks. Here a turn of the loop
 * serves a batch, in the order in which they became ready, and then hears everybody else: timers,
 * the engine, the supervisor's watchdog.
 */
struct poller;

/* EVENTS as of epoll(7): EPOLLHUP and EPOLLERR come unasked. It may remove any entry, and free its
 * owner. */
typedef void (*poller_fn)(uint32_t events, void *userdata);

/* Embedded in its owner; zeroed is valid for poller_remove. Stays where it is while it is added. */
struct poller_entry {
	struct poller *poller; /* NULL: not added */
	int fd;
	uint32_t events;
	poller_fn fn;
	void *userdata;
};

/* Borrows EVENT for its life. Errors: -errno. */
int poller_new(sd_event *event, struct poller **ret_poller);
/* All entries are removed before. */
void poller_free(struct poller *poller);
sd_event *poller_event(const struct poller *poller);
/* Borrows FD until the entry is removed, which is before FD is closed. Errors: -errno. */
int poller_add(struct poller *poller, struct poller_entry *entry, int fd, uint32_t events,
	       poller_fn fn, void *userdata);
/* Errors: -errno. Costs nothing when EVENTS are those that are waited for. */
int poller_set(struct poller_entry *entry, uint32_t events);
/* Its callback is not called any more, not even for what is known already. */
void poller_remove(struct poller_entry *entry);
/* The same, and closes its descriptor, of which nobody has a second one: the kernel then needs not
 * be told. Only of an entry that is added. */
void poller_close(struct poller_entry *entry);
