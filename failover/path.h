/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/*
 * The paths on which hellos travel: the failover link (UDP unicast between its two fixed addresses)
 * and each monitored interface (link-local multicast 224.0.0.105 / ff02::105, port HELLO_PORT,
 * bound to the device, TTL 1: it needs no address on the interface, so it works in either role).
 */
#define HELLO_PORT 5105

struct path_config {
	char name[64]; /* nameif, or the failover link's name */
	char device[16];
	bool is_failover_link;
	struct sockaddr_storage local, remote; /* failover link only */
};

struct path_set;

/* DATA came on path INDEX; on the failover link, from the mate's address. */
typedef void (*path_datagram_fn)(size_t index, const uint8_t *data, size_t size, void *userdata);

/*
 * Opens a socket for each path. A path whose device is missing is kept, shown as down and tried
 * again on path_set_refresh. Errors: -ENOMEM.
 */
int path_set_new(sd_event *event, const struct path_config *paths, size_t n_paths,
		 path_datagram_fn on_datagram, void *userdata, struct path_set **ret_set);
void path_set_free(struct path_set *set);
/* Sends on every path (on an interface by IPv4 and IPv6, so that the receiver sees most datagrams
 * twice); returns how many took it. Never blocks. */
size_t path_set_send(struct path_set *set, const uint8_t *data, size_t size);
/* Reads everything that waits on every socket now: before a timer is believed. Inside on_datagram
 * it does nothing. */
void path_set_drain(struct path_set *set);
/* Opens again what could not be opened, and what is bound to a device that was made anew. Cheap:
 * call it on any event of a link. */
void path_set_refresh(struct path_set *set);
size_t path_set_count(const struct path_set *set);

struct path_statistics {
	char name[64];
	bool is_failover_link, is_open;
	uint64_t sent, send_errors, received;
	int last_error; /* negated errno */
};
void path_set_statistics(const struct path_set *set, size_t index,
			 struct path_statistics *ret_statistics);
