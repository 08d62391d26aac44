/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of links and addresses, kept by events and swept after a dump: what a dump does not name
 * is gone. A renewed lease is an event of the kernel's, too; only one that changes the table is
 * told, or the leases would be checked because they were renewed.
 */
#include "failover/linkmon.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "failover/linkmon_parse.h"
#include "failover/rtnl.h"

#define RECEIVE_SIZE 32768
#define REQUEST_SIZE 64 /* a header and an ifinfomsg */
#define RECEIVE_BUFFER (1024 * 1024)
#define DATAGRAMS_PER_TURN 256
#define DUMP_TRIES 3
/* More than a buffer holds of the smallest ones. */
#define QUEUED_MAX 16384
#define AGAIN_MS 250u
/* A table that never stands still for so long (a second) is no passing matter. */
#define FAILURES_MAX 4u

struct known_link {
	struct linkmon_link link;
	uint64_t seen; /* number of the last dump that named it */
};

struct known_address {
	struct linkmon_address address; /* without a device's name, which may change */
	uint64_t seen;
};

struct linkmon {
	struct mnl_socket *sock;
	struct rtnl *rtnl;
	sd_event_source *io, *again;
	const struct linkmon_ops *ops;
	void *userdata;
	struct known_link *links;
	size_t n_links, links_capacity;
	struct known_address *addresses; /* sorted */
	size_t n_addresses, addresses_capacity;
	uint64_t dump; /* counts */
	uint32_t seq;
	unsigned n_failures; /* of dumps, in a row */
	int failure;	     /* the latest of them */
	bool is_quiet, is_freed;
	unsigned depth; /* callbacks on the stack */
	uint8_t buffer[RECEIVE_SIZE] __attribute__((aligned(8)));
};

/* Makes room for one more of SIZE bytes. */
static int grow(void **items, size_t n, size_t *capacity, size_t size)
{
	size_t wanted = *capacity ? 2 * *capacity : 16;
	void *larger;

	if (n < *capacity)
		return 0;
	larger = reallocarray(*items, wanted, size);
	if (!larger)
		return -ENOMEM;
	*items = larger;
	*capacity = wanted;
	return 0;
}

static void tell_link(struct linkmon *linkmon, const struct linkmon_link *link)
{
	struct linkmon_link copy = *link;

	if (!linkmon->is_quiet && !linkmon->is_freed)
		linkmon->ops->on_link(&copy, linkmon->userdata);
}

static void tell_gone(struct linkmon *linkmon, const struct linkmon_link *link)
{
	struct linkmon_link gone = {0};

	memcpy(gone.device, link->device, sizeof(gone.device));
	tell_link(linkmon, &gone);
}

static struct known_link *link_find(const struct linkmon *linkmon, unsigned index)
{
	for (size_t i = 0; i < linkmon->n_links; i++)
		if (linkmon->links[i].link.index == index)
			return &linkmon->links[i];
	return NULL;
}

static void link_remove(struct linkmon *linkmon, struct known_link *known)
{
	struct linkmon_link old = known->link;

	*known = linkmon->links[--linkmon->n_links];
	tell_gone(linkmon, &old);
}

static bool is_same_link(const struct linkmon_link *a, const struct linkmon_link *b)
{
	return a->is_admin_up == b->is_admin_up && a->has_carrier == b->has_carrier &&
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 &&
	       strncmp(a->device, b->device, sizeof(a->device)) == 0;
}

static int address_compare(const struct linkmon_address *a, const struct linkmon_address *b)
{
	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->prefix_length != b->prefix_length)
		return a->prefix_length < b->prefix_length ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* Where ADDRESS is or would be. */
static size_t address_position(const struct linkmon *linkmon, const struct linkmon_address *address)
{
	size_t low = 0, high = linkmon->n_addresses;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address_compare(&linkmon->addresses[middle].address, address) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

enum address_event { ADDRESS_NEW, ADDRESS_CHANGED, ADDRESS_GONE };

/* False: its device is not known (yet). */
static bool describe_address(const struct linkmon *linkmon, const struct linkmon_address *address,
			     struct linkmon_address *ret_address)
{
	const struct known_link *known = link_find(linkmon, address->index);

	if (!known)
		return false;
	*ret_address = *address;
	memcpy(ret_address->device, known->link.device, sizeof(ret_address->device));
	return true;
}

static void tell_address(struct linkmon *linkmon, const struct linkmon_address *address,
			 enum address_event event)
{
	struct linkmon_address told;

	if (linkmon->is_quiet || linkmon->is_freed || !describe_address(linkmon, address, &told))
		return;
	told.is_new = event == ADDRESS_NEW;
	told.is_gone = event == ADDRESS_GONE;
	linkmon->ops->on_address(&told, linkmon->userdata);
}

static void address_remove(struct linkmon *linkmon, size_t at)
{
	struct linkmon_address old = linkmon->addresses[at].address;

	linkmon->n_addresses--;
	memmove(&linkmon->addresses[at], &linkmon->addresses[at + 1],
		(linkmon->n_addresses - at) * sizeof(*linkmon->addresses));
	tell_address(linkmon, &old, ADDRESS_GONE);
}

static void address_update(struct linkmon *linkmon, struct known_address *known,
			   const struct linkmon_address *address)
{
	bool is_news = address->protocol != known->address.protocol ||
		       address->lifetime_s > known->address.lifetime_s;

	known->address = *address;
	known->seen = linkmon->dump;
	if (is_news)
		tell_address(linkmon, address, ADDRESS_CHANGED);
}

static int address_store(struct linkmon *linkmon, const struct linkmon_address *address,
			 bool is_gone)
{
	size_t at = address_position(linkmon, address);
	bool is_known = at < linkmon->n_addresses &&
			address_compare(&linkmon->addresses[at].address, address) == 0;
	int r;

	if (is_known && is_gone)
		address_remove(linkmon, at);
	else if (is_known)
		address_update(linkmon, &linkmon->addresses[at], address);
	if (is_known || is_gone)
		return 0;
	r = grow((void **)&linkmon->addresses, linkmon->n_addresses, &linkmon->addresses_capacity,
		 sizeof(*linkmon->addresses));
	if (r < 0)
		return r;
	memmove(&linkmon->addresses[at + 1], &linkmon->addresses[at],
		(linkmon->n_addresses - at) * sizeof(*linkmon->addresses));
	linkmon->addresses[at] = (struct known_address){*address, linkmon->dump};
	linkmon->n_addresses++;
	tell_address(linkmon, address, ADDRESS_NEW);
	return 0;
}

static int take_address(struct linkmon *linkmon, const struct nlmsghdr *header)
{
	struct linkmon_address address;

	if (!linkmon_parse_address(header, &address))
		return 0;
	return address_store(linkmon, &address, header->nlmsg_type == RTM_DELADDR);
}

/* All of the device with INDEX. */
static void addresses_drop(struct linkmon *linkmon, unsigned index)
{
	for (size_t i = linkmon->n_addresses; i-- > 0 && !linkmon->is_freed;)
		if (linkmon->addresses[i].address.index == index)
			address_remove(linkmon, i);
}

/* Who has LINK's name under another index is gone, or has another name by now; that it is will be
 * heard later, or never. Told before the one that follows, as the kernel does it. Looks at all:
 * only who comes, or has a new name, can have a namesake. */
static void drop_namesake(struct linkmon *linkmon, const struct linkmon_link *link)
{
	for (size_t i = 0; i < linkmon->n_links && !linkmon->is_freed; i++) {
		const struct linkmon_link *known = &linkmon->links[i].link;
		unsigned index = known->index;

		if (index == link->index ||
		    strncmp(known->device, link->device, sizeof(known->device)) != 0)
			continue;
		addresses_drop(linkmon, index);
		if (!linkmon->is_freed)
			link_remove(linkmon, link_find(linkmon, index));
		return;
	}
}

static int link_store(struct linkmon *linkmon, const struct linkmon_link *link)
{
	struct known_link *known = link_find(linkmon, link->index);
	struct linkmon_link old;
	int r;

	if (!known) {
		r = grow((void **)&linkmon->links, linkmon->n_links, &linkmon->links_capacity,
			 sizeof(*linkmon->links));
		if (r < 0)
			return r;
		linkmon->links[linkmon->n_links++] = (struct known_link){*link, linkmon->dump};
		tell_link(linkmon, link);
		return 0;
	}
	old = known->link;
	known->link = *link;
	known->seen = linkmon->dump;
	if (is_same_link(&old, link))
		return 0;
	if (strncmp(old.device, link->device, sizeof(old.device)) != 0)
		tell_gone(linkmon, &old);
	tell_link(linkmon, link);
	return 0;
}

static int take_link(struct linkmon *linkmon, const struct nlmsghdr *header)
{
	struct linkmon_link link;
	struct known_link *known;

	if (!linkmon_parse_link(header, &link))
		return 0;
	known = link_find(linkmon, link.index);
	if (header->nlmsg_type == RTM_DELLINK) {
		if (known)
			link_remove(linkmon, known);
		return 0;
	}
	link.was_up = link.is_admin_up || (known && known->link.was_up);
	if (!link.device[0])
		return 0;
	if (!known || strncmp(known->link.device, link.device, sizeof(link.device)) != 0)
		drop_namesake(linkmon, &link);
	return linkmon->is_freed ? 0 : link_store(linkmon, &link);
}

/* 1: the end of the dump SEQ; -EINTR: it was overtaken by a change; other errors: it was refused.
 */
static int take_datagram(struct linkmon *linkmon, size_t size, uint32_t seq)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)linkmon->buffer;
	int left = (int)size;
	int r = 0;

	for (; r == 0 && mnl_nlmsg_ok(header, left) && !linkmon->is_freed;
	     header = mnl_nlmsg_next(header, &left)) {
		bool is_answer = seq != 0 && header->nlmsg_seq == seq;

		if (is_answer && (header->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
			return -EINTR;
		if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR)
			r = is_answer ? linkmon_parse_end(header) : 0;
		else if (header->nlmsg_type == RTM_NEWLINK || header->nlmsg_type == RTM_DELLINK)
			r = take_link(linkmon, header);
		else if (header->nlmsg_type == RTM_NEWADDR || header->nlmsg_type == RTM_DELADDR)
			r = take_address(linkmon, header);
	}
	return r;
}

static ssize_t receive(struct linkmon *linkmon)
{
	ssize_t n;

	do
		n = recv(mnl_socket_get_fd(linkmon->sock), linkmon->buffer, RECEIVE_SIZE,
			 MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Each part of a dump is made when it is asked for, or read, and the kernel takes its lock for it.
 */
struct ask {
	struct linkmon *linkmon;
	const struct nlmsghdr *request;
};

static int do_ask(void *userdata)
{
	const struct ask *ask = userdata;

	return mnl_socket_sendto(ask->linkmon->sock, ask->request, ask->request->nlmsg_len) < 0
		       ? -errno
		       : 0;
}

static int do_receive(void *userdata)
{
	return (int)receive(userdata);
}

/* Asks for everything of TYPE. */
static int dump(struct linkmon *linkmon, uint16_t type)
{
	uint8_t request[REQUEST_SIZE] __attribute__((aligned(8))) = {0};
	struct nlmsghdr *header = mnl_nlmsg_put_header(request);
	int r;

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nlmsg_seq = ++linkmon->seq;
	(void)mnl_nlmsg_put_extra_header(header, type == RTM_GETLINK ? sizeof(struct ifinfomsg)
								     : sizeof(struct ifaddrmsg));
	r = rtnl_do(linkmon->rtnl, do_ask, &(struct ask){linkmon, header});
	if (r < 0)
		return r;
	do {
		int n = rtnl_do(linkmon->rtnl, do_receive, linkmon);

		if (n < 0)
			return n;
		r = take_datagram(linkmon, (size_t)n, linkmon->seq);
	} while (r == 0 && !linkmon->is_freed);
	return r < 0 ? r : 0;
}

/* What the last dump did not name. From the end, since a removal moves the last one. */
static void sweep(struct linkmon *linkmon)
{
	for (size_t i = linkmon->n_addresses; i-- > 0 && !linkmon->is_freed;)
		if (linkmon->addresses[i].seen != linkmon->dump)
			address_remove(linkmon, i);
	for (size_t i = linkmon->n_links; i-- > 0 && !linkmon->is_freed;)
		if (linkmon->links[i].seen != linkmon->dump)
			link_remove(linkmon, &linkmon->links[i]);
}

/*
 * What waits is older than what a dump will say. While anything waits the kernel drops what comes
 * on top of a full buffer, and says so once only: what changes during a dump would be lost without
 * a word. And a dump that was not read to its end has the next one refused.
 */
static void forget_queued(struct linkmon *linkmon)
{
	ssize_t n = 0;

	for (int i = 0; i < QUEUED_MAX && (n >= 0 || n == -ENOBUFS); i++)
		n = receive(linkmon);
}

/* Overtaken, overrun, or refused: as much as was read is told, and nothing is taken for gone. */
static int resync(struct linkmon *linkmon)
{
	int r = -EINTR;

	for (int i = 0; i < DUMP_TRIES && r < 0 && !linkmon->is_freed; i++) {
		forget_queued(linkmon);
		linkmon->dump++;
		r = dump(linkmon, RTM_GETLINK);
		if (r == 0 && !linkmon->is_freed)
			r = dump(linkmon, RTM_GETADDR);
	}
	if (r == 0 && !linkmon->is_freed)
		sweep(linkmon);
	return r;
}

/* Where the tables never stand still for that long it is tried again: what was missed in between
 * may be the last that is heard of a cable. */
static void catch_up(struct linkmon *linkmon)
{
	int r = resync(linkmon);

	linkmon->failure = r;
	linkmon->n_failures = r < 0 ? linkmon->n_failures + 1 : 0;
	if (linkmon->is_freed || r == 0)
		return;
	(void)sd_event_source_set_time_relative(linkmon->again, AGAIN_MS * 1000);
	(void)sd_event_source_set_enabled(linkmon->again, SD_EVENT_ONESHOT);
}

static void linkmon_leave(struct linkmon *linkmon)
{
	linkmon->depth--;
	if (linkmon->depth > 0 || !linkmon->is_freed)
		return;
	free(linkmon->links);
	free(linkmon->addresses);
	free(linkmon);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct linkmon *linkmon = userdata;
	bool is_whole = true;

	(void)source;
	(void)fd;
	(void)events;
	linkmon->depth++;
	for (int i = 0; i < DATAGRAMS_PER_TURN && is_whole && !linkmon->is_freed; i++) {
		ssize_t n = receive(linkmon);

		if (n == -EAGAIN)
			break;
		/* Events are lost, or one could not be kept for want of memory: begin anew. */
		is_whole = n >= 0 && take_datagram(linkmon, (size_t)n, 0) >= 0;
		if (!is_whole)
			catch_up(linkmon);
	}
	linkmon_leave(linkmon);
	return 0;
}

static int on_again(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct linkmon *linkmon = userdata;

	(void)source;
	(void)usec;
	linkmon->depth++;
	catch_up(linkmon);
	linkmon_leave(linkmon);
	return 0;
}

static int open_socket(struct linkmon *linkmon)
{
	int size = RECEIVE_BUFFER;

	linkmon->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!linkmon->sock)
		return -errno;
	if (mnl_socket_bind(linkmon->sock, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
			    MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	if (setsockopt(mnl_socket_get_fd(linkmon->sock), SOL_SOCKET, SO_RCVBUFFORCE, &size,
		       sizeof(size)) < 0)
		(void)setsockopt(mnl_socket_get_fd(linkmon->sock), SOL_SOCKET, SO_RCVBUF, &size,
				 sizeof(size));
	return 0;
}

static int add_sources(struct linkmon *linkmon, sd_event *event)
{
	int r = sd_event_add_time_relative(event, &linkmon->again, CLOCK_MONOTONIC, 0, 0, on_again,
					   linkmon);

	if (r >= 0)
		r = sd_event_source_set_enabled(linkmon->again, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_io(event, &linkmon->io, mnl_socket_get_fd(linkmon->sock), EPOLLIN,
				    on_io, linkmon);
	return r < 0 ? r : 0;
}

int linkmon_new(sd_event *event, const struct linkmon_ops *ops, void *userdata,
		struct linkmon **ret_linkmon)
{
	struct linkmon *linkmon = calloc(1, sizeof(*linkmon));
	int r;

	if (!linkmon)
		return -ENOMEM;
	linkmon->ops = ops;
	linkmon->userdata = userdata;
	r = open_socket(linkmon);
	if (r == 0)
		r = add_sources(linkmon, event);
	linkmon->is_quiet = true;
	if (r == 0)
		catch_up(linkmon);
	linkmon->is_quiet = false;
	if (r < 0) {
		linkmon_free(linkmon);
		return r;
	}
	*ret_linkmon = linkmon;
	return 0;
}

void linkmon_wait_in(struct linkmon *linkmon, struct rtnl *rtnl)
{
	linkmon->rtnl = rtnl;
}

void linkmon_free(struct linkmon *linkmon)
{
	if (!linkmon || linkmon->is_freed)
		return;
	linkmon->is_freed = true;
	linkmon->depth++;
	linkmon->io = sd_event_source_disable_unref(linkmon->io);
	linkmon->again = sd_event_source_disable_unref(linkmon->again);
	if (linkmon->sock)
		(void)mnl_socket_close(TAKE_PTR(linkmon->sock));
	linkmon_leave(linkmon);
}

void linkmon_get(const struct linkmon *linkmon, const char *device, struct linkmon_link *ret_link)
{
	*ret_link = (struct linkmon_link){0};
	(void)strncpy(ret_link->device, device, sizeof(ret_link->device) - 1);
	for (size_t i = 0; i < linkmon->n_links; i++)
		if (strncmp(linkmon->links[i].link.device, device, sizeof(ret_link->device)) == 0)
			*ret_link = linkmon->links[i].link;
}

int linkmon_failure(const struct linkmon *linkmon)
{
	return linkmon->n_failures >= FAILURES_MAX ? linkmon->failure : 0;
}

bool linkmon_has_mac(const struct linkmon *linkmon, const unsigned char mac[6])
{
	for (size_t i = 0; i < linkmon->n_links; i++)
		if (memcmp(linkmon->links[i].link.mac, mac, 6) == 0)
			return true;
	return false;
}

bool linkmon_has_ipv4(const struct linkmon *linkmon, unsigned index)
{
	/* The first one that there could be. */
	const struct linkmon_address first = {.index = index, .family = AF_INET};
	size_t at = address_position(linkmon, &first);

	return at < linkmon->n_addresses && linkmon->addresses[at].address.index == index &&
	       linkmon->addresses[at].address.family == AF_INET;
}

bool linkmon_next_address(const struct linkmon *linkmon, size_t *position,
			  struct linkmon_address *ret_address)
{
	while (*position < linkmon->n_addresses)
		if (describe_address(linkmon, &linkmon->addresses[(*position)++].address,
				     ret_address))
			return true;
	return false;
}
