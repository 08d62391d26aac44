/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ARP by a packet socket whose filter is a list of our addresses, made anew when they change. For
 * IPv6 a raw ICMPv6 socket: the kernel has checked what it passes on, and passes on nothing but
 * advertisements.
 */
#include "failover/conflict.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define ARP_SIZE 28
#define NA_SIZE 24
#define FRAMES_PER_TURN 64
/* Two instructions an address; the kernel takes 4096. */
#define FILTER_MAX (2 * 1200 + 8)

struct watched {
	struct vip_address address;
	unsigned index;
};

struct conflict {
	int arp, icmp6;
	sd_event_source *arp_io, *icmp6_io;
	const struct conflict_ops *ops;
	void *userdata;
	struct watched *watched;
	size_t n_watched;
};

static void tell(struct conflict *conflict, unsigned index, uint8_t family, const uint8_t *bytes,
		 const uint8_t *mac)
{
	size_t size = family == AF_INET6 ? 16 : 4;

	for (size_t i = 0; i < conflict->n_watched; i++) {
		const struct watched *watched = &conflict->watched[i];

		if (watched->index != index || watched->address.address.family != family ||
		    memcmp(watched->address.address.bytes, bytes, size) != 0)
			continue;
		conflict->ops->on_claim(&watched->address, mac, conflict->userdata);
		return;
	}
}

static int on_arp(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct conflict *conflict = userdata;

	(void)source;
	(void)events;
	for (unsigned i = 0; i < FRAMES_PER_TURN; i++) {
		struct sockaddr_ll from = {0};
		socklen_t from_size = sizeof(from);
		uint8_t arp[ARP_SIZE];
		ssize_t n = recvfrom(fd, arp, sizeof(arp), MSG_DONTWAIT, (struct sockaddr *)&from,
				     &from_size);

		if (n < 0)
			break;
		if (n == ARP_SIZE && from.sll_pkttype != PACKET_OUTGOING)
			tell(conflict, (unsigned)from.sll_ifindex, AF_INET, arp + 14, arp + 8);
	}
	return 0;
}

/* RFC 4861 section 4.4: the target, then options; the target's MAC address is one of them. */
static const uint8_t *find_mac(const uint8_t *na, size_t size)
{
	for (size_t at = NA_SIZE; at + 8 <= size && na[at + 1] != 0; at += (size_t)na[at + 1] * 8)
		if (na[at] == ND_OPT_TARGET_LINKADDR && na[at + 1] == 1)
			return na + at + 2;
	return NULL;
}

static unsigned interface_of(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		struct in6_pktinfo info;

		if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO ||
		    c->cmsg_len < CMSG_LEN(sizeof(info)))
			continue;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		return info.ipi6_ifindex;
	}
	return 0;
}

static int on_icmp6(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct conflict *conflict = userdata;

	(void)source;
	(void)events;
	for (unsigned i = 0; i < FRAMES_PER_TURN; i++) {
		uint8_t na[256], control[128] __attribute__((aligned(8)));
		struct iovec piece = {na, sizeof(na)};
		struct msghdr message = {.msg_iov = &piece,
					 .msg_iovlen = 1,
					 .msg_control = control,
					 .msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);
		const uint8_t *mac;

		if (n < 0)
			break;
		mac = n >= NA_SIZE && na[0] == ND_NEIGHBOR_ADVERT ? find_mac(na, (size_t)n) : NULL;
		if (mac)
			tell(conflict, interface_of(&message), AF_INET6, na + 8, mac);
	}
	return 0;
}

/* An IPv4 sender (behind hardware type and sizes) that is one of ours passes. */
static int attach_filter(const struct conflict *conflict)
{
	_cleanup_free_ struct sock_filter *filter = calloc(FILTER_MAX, sizeof(*filter));
	struct sock_fprog program = {.filter = filter};
	unsigned short n = 0;

	if (!filter)
		return -ENOMEM;
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 14);
	for (size_t i = 0; i < conflict->n_watched && n + 3 < FILTER_MAX; i++) {
		const struct config_address *address = &conflict->watched[i].address.address;
		uint32_t bits;

		if (address->family != AF_INET)
			continue;
		memcpy(&bits, address->bytes, sizeof(bits));
		filter[n++] =
			(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(bits), 0, 1);
		filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, ARP_SIZE);
	}
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	program.len = n;
	return setsockopt(conflict->arp, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) <
			       0
		       ? -errno
		       : 0;
}

int conflict_watch(struct conflict *conflict, const struct vip_address *addresses, size_t n)
{
	struct watched *watched = calloc(n + 1, sizeof(*watched));

	free(conflict->watched);
	conflict->watched = watched;
	conflict->n_watched = 0;
	if (!watched)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		bool is_again = i > 0 && strcmp(addresses[i].device, addresses[i - 1].device) == 0;

		watched[i].address = addresses[i];
		watched[i].index =
			is_again ? watched[i - 1].index : if_nametoindex(addresses[i].device);
	}
	conflict->n_watched = n;
	return attach_filter(conflict);
}

static int open_sockets(struct conflict *conflict)
{
	struct icmp6_filter wanted;
	int on = 1;
	int r;

	/* Without a protocol it hears nothing until it has its filter. */
	conflict->arp = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (conflict->arp < 0)
		return -errno;
	r = attach_filter(conflict);
	if (r < 0)
		return r;
	(void)setsockopt(conflict->arp, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	if (bind(conflict->arp,
		 (struct sockaddr *)&(struct sockaddr_ll){.sll_family = AF_PACKET,
							  .sll_protocol = htons(ETH_P_ARP)},
		 sizeof(struct sockaddr_ll)) < 0)
		return -errno;
	conflict->icmp6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
	/* A kernel without IPv6 has nobody to conflict with there. */
	if (conflict->icmp6 < 0)
		return errno == EAFNOSUPPORT ? 0 : -errno;
	ICMP6_FILTER_SETBLOCKALL(&wanted);
	ICMP6_FILTER_SETPASS(ND_NEIGHBOR_ADVERT, &wanted);
	if (setsockopt(conflict->icmp6, IPPROTO_ICMPV6, ICMP6_FILTER, &wanted, sizeof(wanted)) <
		    0 ||
	    setsockopt(conflict->icmp6, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0)
		return -errno;
	return 0;
}

int conflict_new(sd_event *event, const struct conflict_ops *ops, void *userdata,
		 struct conflict **ret_conflict)
{
	struct conflict *conflict = calloc(1, sizeof(*conflict));
	int r;

	if (!conflict)
		return -ENOMEM;
	*conflict = (struct conflict){.arp = -1, .icmp6 = -1, .ops = ops, .userdata = userdata};
	r = open_sockets(conflict);
	if (r == 0)
		r = sd_event_add_io(event, &conflict->arp_io, conflict->arp, EPOLLIN, on_arp,
				    conflict);
	if (r >= 0 && conflict->icmp6 >= 0)
		r = sd_event_add_io(event, &conflict->icmp6_io, conflict->icmp6, EPOLLIN, on_icmp6,
				    conflict);
	if (r < 0) {
		conflict_free(conflict);
		return r;
	}
	*ret_conflict = conflict;
	return 0;
}

void conflict_free(struct conflict *conflict)
{
	if (!conflict)
		return;
	sd_event_source_disable_unref(conflict->arp_io);
	sd_event_source_disable_unref(conflict->icmp6_io);
	if (conflict->arp >= 0)
		(void)close(conflict->arp);
	if (conflict->icmp6 >= 0)
		(void)close(conflict->icmp6);
	free(conflict->watched);
	free(conflict);
}
