/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/monotime.h"
#include "core/hello.h"

/*
 * The paths on which hellos travel, each of one address family: the links to the mate (failover
 * links and the stateful link: UDP unicast between two fixed addresses) and each monitored
 * interface, by IPv4 and by IPv6 (link-local multicast 224.0.0.105 / ff02::105, port HELLO_PORT,
 * bound to the device, TTL 1: it needs no address on the interface, so it works in either role).
 *
 * Every hello goes out on every path. What each path delivers is counted by itself: see struct
 * path_statistics. A flood is bounded: a path that brings more than PATH_RATE datagrams a second
 * is read no faster than that, so that it costs neither the other paths nor the loop their time.
 */
#define HELLO_PORT 5105
#define PATH_RATE 10000u       /* datagrams a second that are read from a path */
#define PATH_BURST 1000u       /* ... and so many at once */
#define PATH_STRANGER_RATE 20u /* hellos of unknown boots a second that are looked into */
#define PATH_STRANGER_BURST 16u
#define PATH_LINK_STRANGER_RATE 1000u /* ... on a link to the mate, where only the mate is */
#define PATH_HOLD_MIN_MS 50u	      /* a path is not lost in less, however short the holdtime */

struct path_config {
	char name[64]; /* nameif, or the link's name */
	char device[16];
	uint8_t family;			       /* AF_INET, AF_INET6 */
	bool is_failover_link;		       /* a failover link or the stateful link */
	struct sockaddr_storage local, remote; /* of a link only */
};

enum path_state {
	PATH_STATE_WAITING, /* nothing was heard on it yet */
	PATH_STATE_UP,
	PATH_STATE_LOST, /* nothing within the holdtime, or it cannot be used */
	PATH_STATE__MAX,
};
const char *path_state_text(enum path_state state); /* "waiting", "up", "lost" */

struct path_set;
struct rtnl;

/* DATA came on path INDEX; on a link to the mate, from the mate's address. */
typedef void (*path_datagram_fn)(size_t index, const uint8_t *data, size_t size, void *userdata);
/* Path INDEX, in STATE until now, is in another. */
typedef void (*path_state_fn)(size_t index, enum path_state before, void *userdata);
/* The loop was woken up for what came on the paths, and it is read. */
typedef void (*path_read_fn)(void *userdata);

/*
 * Opens a socket for each path (at most HELLO_PATHS_MAX). A path whose device is missing is kept,
 * shown as down and tried again on path_set_refresh. Errors: -ENOMEM.
 */
int path_set_new(sd_event *event, const struct path_config *paths, size_t n_paths,
		 path_datagram_fn on_datagram, void *userdata, struct path_set **ret_set);
void path_set_free(struct path_set *set);
/* ON_STATE is told of each change from now on, ON_READ (may be NULL) when the set may be drained,
 * or freed, again. */
void path_set_watch(struct path_set *set, path_state_fn on_state, path_read_fn on_read);
/*
 * A set in place of OLD, which is freed, with its callbacks. What OLD knows of paths that are in
 * both goes on, and no state changes. Errors: -ENOMEM, and OLD stays.
 */
int path_set_follow(struct path_set *old, const struct path_config *paths, size_t n_paths,
		    struct path_set **ret_set);

/* Sends the hello with this counter on every path; returns how many took it. Never blocks. */
size_t path_set_send(struct path_set *set, uint64_t counter, const uint8_t *data, size_t size);
/*
 * With IS_GATHERING what comes on the other paths in time does not wake the loop up for itself, but
 * is read when the link to the mate brings its hello, and by path_set_drain at the latest: for
 * polltimes that are long beside the time in which a hello comes on all paths.
 */
void path_set_gather(struct path_set *set, bool is_gathering);
/* Reads what waits on every socket now, within the bounds above: before a timer is believed. Inside
 * on_datagram it does nothing. */
void path_set_drain(struct path_set *set);
/* Opens again what could not be opened, and what is bound to a device that was made anew. Cheap:
 * call it on any event of a link. */
void path_set_refresh(struct path_set *set);
/* What waits for the kernel's lock does so in RTNL's thread from now on, while the caller breathes;
 * in those that follow it, too. It must be there for as long as they are. */
void path_set_wait_in(struct path_set *set, struct rtnl *rtnl);
/*
 * An address of DEVICE came or went. HAS_IPV4: IPv4 hellos have a source there. HAS_NEW_IPV6: its
 * IPv6 link-local address came, and with it the end of what the kernel knew of groups there.
 */
void path_set_look(struct path_set *set, const char *device, bool has_ipv4, bool has_new_ipv6);

/* An authentic, current hello came on path INDEX just now. */
void path_set_heard(struct path_set *set, size_t index, const struct hello *hello);
/* Paths that were not heard for longer than HOLD_MS are lost; each polltime. */
void path_set_check(struct path_set *set, uint32_t hold_ms);
/* What our next hello tells the mate of a few of the paths, by turns. Returns how many. */
size_t path_set_report(struct path_set *set, struct hello_report reports[static HELLO_REPORTS_MAX]);
/* May a hello of a boot that the codec does not know be looked into? It costs a derived key, so
 * there is a limit on each path. */
bool path_set_may_derive(struct path_set *set, size_t index);

size_t path_set_count(const struct path_set *set);
/* False for a link to the mate on which nothing comes any more, one way or the other; where nothing
 * came yet it may work: the other end may be starting. */
bool path_set_is_usable(const struct path_set *set, size_t index);
/* What path INDEX is. */
const struct path_config *path_set_config(const struct path_set *set, size_t index);

struct path_statistics {
	char name[64], device[16];
	uint8_t family;
	bool is_failover_link, is_open;
	enum path_state state;
	bool was_heard;
	struct monotime heard_at;
	bool is_mate_deaf;	 /* the mate says that it hears nothing of us here */
	bool is_unknown_to_mate; /* a link whose addresses the mate has on none of its own */
	uint64_t sent, send_errors;
	uint64_t received;    /* authentic hellos of the mate */
	uint64_t lost;	      /* hellos of the mate that did not come on this path, but on others */
	unsigned recent_loss; /* permille of the last 1024 */
	uint64_t datagrams;   /* of anybody */
	uint32_t rtt_median_us, rtt_min_us,
		rtt_last_us; /* 0: not measured; median of the last 64 */
	int last_error;	     /* negated errno, of now */
	char why[96];	     /* what is wrong with it; empty: nothing */
};
/* Counts anew. */
void path_set_clear_statistics(struct path_set *set);
void path_set_statistics(const struct path_set *set, size_t index,
			 struct path_statistics *ret_statistics);
