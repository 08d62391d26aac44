/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet socket on the device, made when it is first needed. To close one makes the kernel wait
 * for a grace period, and the engine with it; so it stays, and a filter that takes nothing makes it
 * deaf. Requests are ARP probes (RFC 5227: the sender's address is zero) and neighbour
 * solicitations without a source: no neighbour learns a wrong address from them, whatever MAC
 * address the active addresses have.
 */
#include "failover/ifprobe.h"

#include <errno.h>
#include <linux/filter.h>
#include <net/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "failover/frame.h"
#include "failover/neighbour.h"

#define NEIGHBOURS 8
#define READS_PER_TURN 64

struct ifprobe {
	sd_event *event;
	ifprobe_packet_fn on_packet;
	void *userdata;
	sd_event_source *io;
	int fd;
	unsigned index; /* that fd is bound to */
	bool is_listening;
};

/* Nothing; or whatever is not for the bridge at the other end of the cable only (IEEE 802.1Q table
 * 8-1: 01-80-C2-00-00-0x): a port that forwards nothing says that, too. */
static int set_filter(int fd, bool is_listening)
{
	struct sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_filter heard[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0180c200, 0, 3),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 0x000f, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 64),
	};
	struct sock_fprog program = {.len = is_listening ? ARRAY_SIZE(heard) : ARRAY_SIZE(nothing),
				     .filter = is_listening ? heard : nothing};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}

static void drain(const struct ifprobe *probe)
{
	uint8_t byte;

	for (int i = 0; i < READS_PER_TURN; i++) {
		if (recv(probe->fd, &byte, sizeof(byte), MSG_DONTWAIT | MSG_TRUNC) < 0 &&
		    errno != EINTR)
			return;
	}
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct ifprobe *probe = userdata;
	struct sockaddr_ll from = {0};
	socklen_t size = sizeof(from);
	uint8_t byte;

	(void)source;
	(void)events;
	/* An error (the device is gone or down) is read away. */
	if (recvfrom(fd, &byte, sizeof(byte), MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from,
		     &size) < 0 ||
	    !probe->is_listening || from.sll_pkttype == PACKET_OUTGOING)
		return 0;
	(void)ifprobe_listen(probe, probe->index, false);
	probe->on_packet(probe, probe->userdata);
	return 0;
}

static int open_socket(struct ifprobe *probe, unsigned index)
{
	struct sockaddr_ll local = {.sll_family = AF_PACKET,
				    .sll_protocol = htons(ETH_P_ALL),
				    .sll_ifindex = (int)index};
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, small = 4096, r;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	r = set_filter(fd, false);
	if (r == 0 && bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0)
		r = -errno;
	if (r == 0)
		r = sd_event_add_io(probe->event, &probe->io, fd, EPOLLIN, on_io, probe);
	if (r < 0)
		return r;
	probe->fd = TAKE_FD(fd);
	probe->index = index;
	return 0;
}

static void close_socket(struct ifprobe *probe)
{
	probe->io = sd_event_source_disable_unref(probe->io);
	if (probe->fd >= 0)
		(void)close(TAKE_FD(probe->fd));
	probe->is_listening = false;
}

int ifprobe_new(sd_event *event, ifprobe_packet_fn on_packet, void *userdata,
		struct ifprobe **ret_probe)
{
	struct ifprobe *probe = calloc(1, sizeof(*probe));

	if (!probe)
		return -ENOMEM;
	*probe = (struct ifprobe){
		.event = event, .on_packet = on_packet, .userdata = userdata, .fd = -1};
	*ret_probe = probe;
	return 0;
}

void ifprobe_free(struct ifprobe *probe)
{
	if (!probe)
		return;
	close_socket(probe);
	free(probe);
}

int ifprobe_listen(struct ifprobe *probe, unsigned index, bool is_listening)
{
	int r = 0;

	if (probe->fd >= 0 && is_listening && probe->index != index)
		close_socket(probe); /* the device was made anew */
	if (probe->is_listening == is_listening)
		return 0;
	if (probe->fd < 0)
		r = index ? open_socket(probe, index) : -ENODEV;
	if (r == 0)
		r = set_filter(probe->fd, is_listening);
	if (r < 0)
		return r;
	/* What came before is not heard now; what comes behind the new filter is. */
	if (!is_listening)
		drain(probe);
	probe->is_listening = is_listening;
	return 0;
}

/* ---- requests ---- */

static bool read_mac(int fd, unsigned index, uint8_t ret_mac[static ETH_ALEN])
{
	struct ifreq request = {.ifr_ifindex = (int)index};

	if (ioctl(fd, SIOCGIFNAME, &request) < 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0 ||
	    request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return false;
	memcpy(ret_mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
	return true;
}

void ifprobe_send_arp(struct ifprobe *probe, unsigned index)
{
	struct neighbour neighbours[NEIGHBOURS];
	size_t n = neighbour_recent(index, neighbours, ARRAY_SIZE(neighbours));
	uint8_t mac[ETH_ALEN], frame[FRAME_MAX];

	if (probe->fd < 0 || !read_mac(probe->fd, index, mac))
		return;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *address = neighbours[i].address;
		size_t size = neighbours[i].family == AF_INET6
				      ? frame_ns(frame, mac, address)
				      : frame_arp(frame, mac, address, true);

		(void)send(probe->fd, frame, size, MSG_DONTWAIT);
	}
}

static int open_bound(int family, int protocol, const char *device)
{
	_cleanup_close_ int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
				 (socklen_t)strnlen(device, IFNAMSIZ)) < 0)
		return -1;
	return TAKE_FD(fd);
}

static void ping4(const char *device)
{
	_cleanup_close_ int fd = open_bound(AF_INET, IPPROTO_ICMP, device);
	struct sockaddr_in everyone = {.sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_BROADCAST)};
	uint8_t echo[8] = {ICMP_ECHO};
	int one = 1;

	frame_put16(echo + 2, frame_checksum(0, echo, sizeof(echo)));
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one)) < 0)
		return;
	(void)sendto(fd, echo, sizeof(echo), MSG_DONTWAIT | MSG_DONTROUTE,
		     (struct sockaddr *)&everyone, sizeof(everyone));
}

/* RFC 4443 section 4.1; the kernel fills in the checksum of ICMPv6. */
static void ping6(const char *device)
{
	_cleanup_close_ int fd = open_bound(AF_INET6, IPPROTO_ICMPV6, device);
	struct sockaddr_in6 everyone = {.sin6_family = AF_INET6,
					.sin6_addr = {.s6_addr = {0xff, 0x02, [15] = 1}},
					.sin6_scope_id = if_nametoindex(device)};
	uint8_t echo[8] = {ICMP6_ECHO_REQUEST};

	if (fd >= 0)
		(void)sendto(fd, echo, sizeof(echo), MSG_DONTWAIT, (struct sockaddr *)&everyone,
			     sizeof(everyone));
}

void ifprobe_send_ping(const struct ifprobe *probe, const char *device, bool has_address4)
{
	(void)probe;
	if (has_address4)
		ping4(device);
	ping6(device);
}
