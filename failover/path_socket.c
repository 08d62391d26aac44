/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A path's socket takes hellos only: a filter in the kernel drops what cannot be one, so that junk
 * wakes nobody. An interface without an IPv4 address has no source for IPv4 multicast: the kernel
 * would take another interface's, which the receiver's rp_filter drops. Such a hello is sent from
 * 0.0.0.0, which reverse path filters let through to link-local groups (ip_mc_validate_source).
 */
#include "failover/path_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in6.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/rtnl.h"

/* Network control (RFC 4594 section 3.1), as IPv4 TOS and IPv6 traffic class. */
#define DSCP_CS6 0xc0
/* Some hundred hellos: a flood fills it in no time whatever its size. */
#define RECEIVE_BUFFER (256 * 1024)
#define UDP_HEADER 8
#define IP_HEADER 20
#define HELLO_MAGIC 0x4146484f /* "AFHO" */
#define HELLO_SIZE_MIN 32

static const char GROUP4[] = "224.0.0.105";
static const char GROUP6[] = "ff02::105";

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Ahead of other traffic on the box and on the wire. Not every kernel and user may; it is no reason
 * to fail. */
static void set_priority(int fd, int family)
{
	if (family == AF_INET6)
		(void)set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, DSCP_CS6);
	if (family == AF_INET)
		(void)set_int(fd, IPPROTO_IP, IP_TOS, DSCP_CS6);
	if (set_int(fd, SOL_SOCKET, SO_PRIORITY, TC_PRIO_CONTROL) < 0)
		(void)set_int(fd, SOL_SOCKET, SO_PRIORITY, TC_PRIO_INTERACTIVE);
}

/* Lets through what has a hello's size and begins like one. The filter sees the UDP header. */
static int set_filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, UDP_HEADER + HELLO_SIZE_MIN, 0, 4),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, UDP_HEADER + HELLO_SIZE_MAX, 3, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, UDP_HEADER),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HELLO_MAGIC, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = ARRAY_SIZE(code), .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}

static int open_bound(int family, const char *device, const struct sockaddr *local, socklen_t size,
		      int *ret_fd)
{
	_cleanup_close_ int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	if (device[0] && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
				    (socklen_t)strnlen(device, IFNAMSIZ)) < 0)
		return -errno;
	r = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (r == 0 && family == AF_INET6)
		r = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (r == 0)
		r = family == AF_INET6 ? set_int(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1)
				       : set_int(fd, IPPROTO_IP, IP_FREEBIND, 1);
	if (r == 0)
		r = set_filter(fd);
	if (r < 0)
		return r;
	(void)set_int(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
	set_priority(fd, family);
	if (bind(fd, local, size) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int open_link(const struct path_config *config, struct path_socket *sock)
{
	sock->to = config->remote;
	sock->to_size = config->family == AF_INET6 ? sizeof(struct sockaddr_in6)
						   : sizeof(struct sockaddr_in);
	return open_bound(config->family, config->device, (const struct sockaddr *)&config->local,
			  sock->to_size, &sock->fd);
}

static int set_group4(const struct path_socket *sock, int what)
{
	struct ip_mreqn membership = {.imr_ifindex = (int)sock->device_index};

	(void)inet_pton(AF_INET, GROUP4, &membership.imr_multiaddr);
	return setsockopt(sock->fd, IPPROTO_IP, what, &membership, sizeof(membership)) < 0 ? -errno
											   : 0;
}

static int set_group6(const struct path_socket *sock, int what)
{
	struct ipv6_mreq membership = {.ipv6mr_interface = sock->device_index};

	(void)inet_pton(AF_INET6, GROUP6, &membership.ipv6mr_multiaddr);
	return setsockopt(sock->fd, IPPROTO_IPV6, what, &membership, sizeof(membership)) < 0
		       ? -errno
		       : 0;
}

/* What waits for whoever holds the kernel's RTNL lock: memberships, the closing of a socket that
 * has one, and addresses that are asked for. */
struct ask {
	const struct path_socket *sock;
	int what;
};

static int do_join4(void *userdata)
{
	const struct ask *ask = userdata;

	return set_group4(ask->sock, ask->what);
}

static int do_join6(void *userdata)
{
	const struct ask *ask = userdata;

	return set_group6(ask->sock, ask->what);
}

static int do_close(void *userdata)
{
	const int *fd = userdata;

	return close(*fd);
}

static int join4(const struct path_socket *sock, int what)
{
	return rtnl_do(sock->rtnl, do_join4, &(struct ask){sock, what});
}

static int join6(const struct path_socket *sock, int what)
{
	return rtnl_do(sock->rtnl, do_join6, &(struct ask){sock, what});
}

/* Bound to the group, so that nothing but it is received; IP_MULTICAST_ALL off, or another socket's
 * group would be. */
static int open_group4(const struct path_config *config, struct path_socket *sock)
{
	struct sockaddr_in group = {.sin_family = AF_INET, .sin_port = htons(HELLO_PORT)};
	int r;

	(void)inet_pton(AF_INET, GROUP4, &group.sin_addr);
	memcpy(&sock->to, &group, sizeof(group));
	sock->to_size = sizeof(group);
	r = open_bound(AF_INET, config->device, (const struct sockaddr *)&group, sizeof(group),
		       &sock->fd);
	if (r == 0)
		r = set_group4(sock, IP_MULTICAST_IF);
	if (r == 0)
		r = join4(sock, IP_ADD_MEMBERSHIP);
	if (r == 0)
		r = set_int(sock->fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
	if (r == 0)
		r = set_int(sock->fd, IPPROTO_IP, IP_MULTICAST_TTL, 1);
	if (r == 0)
		r = set_int(sock->fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	return r;
}

static int open_group6(const struct path_config *config, struct path_socket *sock)
{
	struct sockaddr_in6 group = {.sin6_family = AF_INET6,
				     .sin6_port = htons(HELLO_PORT),
				     .sin6_scope_id = sock->device_index};
	int r;

	(void)inet_pton(AF_INET6, GROUP6, &group.sin6_addr);
	memcpy(&sock->to, &group, sizeof(group));
	sock->to_size = sizeof(group);
	r = open_bound(AF_INET6, config->device, (const struct sockaddr *)&group, sizeof(group),
		       &sock->fd);
	if (r == 0)
		r = join6(sock, IPV6_ADD_MEMBERSHIP);
	if (r == 0)
		r = set_int(sock->fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)sock->device_index);
	if (r == 0)
		r = set_int(sock->fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0);
	if (r == 0)
		r = set_int(sock->fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1);
	return r;
}

/* Sends only: without a protocol nothing is received. */
static void open_raw(const struct path_socket *sock)
{
	if (*sock->raw_fd >= 0)
		return;
	*sock->raw_fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*sock->raw_fd >= 0)
		set_priority(*sock->raw_fd, AF_PACKET);
}

void path_socket_know(struct path_socket *sock, const struct path_config *config, bool has_ipv4)
{
	sock->lacks_address = !has_ipv4 && !config->is_failover_link && config->family == AF_INET;
	if (sock->lacks_address)
		open_raw(sock);
}

struct look {
	int fd;
	const char *device;
};

static int do_look(void *userdata)
{
	const struct look *look = userdata;
	struct ifreq request = {.ifr_addr.sa_family = AF_INET};

	memcpy(request.ifr_name, look->device, sizeof(request.ifr_name));
	return ioctl(look->fd, SIOCGIFADDR, &request) == 0 || errno != EADDRNOTAVAIL;
}

static void look_at_addresses(struct path_socket *sock, const struct path_config *config)
{
	struct look look = {sock->fd, config->device};

	if (!config->is_failover_link && config->family == AF_INET)
		path_socket_know(sock, config, rtnl_do(sock->rtnl, do_look, &look));
}

void path_socket_init(struct path_socket *sock, int *raw_fd, struct rtnl *rtnl)
{
	*sock = (struct path_socket){.fd = -1, .raw_fd = raw_fd, .rtnl = rtnl};
}

int path_socket_open(struct path_socket *sock, const struct path_config *config, unsigned index)
{
	int r;

	sock->device_index = index;
	if (config->is_failover_link)
		r = open_link(config, sock);
	else
		r = config->family == AF_INET6 ? open_group6(config, sock)
					       : open_group4(config, sock);
	if (r < 0)
		path_socket_close(sock);
	else
		look_at_addresses(sock, config);
	return r;
}

void path_socket_close(struct path_socket *sock)
{
	int fd = TAKE_FD(sock->fd);

	/* A breath must not find it: its number may be another's by then. */
	if (fd >= 0)
		(void)rtnl_do(sock->rtnl, do_close, &fd);
	path_socket_init(sock, sock->raw_fd, sock->rtnl);
}

void path_socket_join_again(struct path_socket *sock, const struct path_config *config)
{
	if (config->is_failover_link)
		return;
	if (config->family == AF_INET) {
		(void)join4(sock, IP_DROP_MEMBERSHIP);
		(void)join4(sock, IP_ADD_MEMBERSHIP);
	} else {
		(void)join6(sock, IPV6_DROP_MEMBERSHIP);
		(void)join6(sock, IPV6_ADD_MEMBERSHIP);
	}
}

/* RFC 1071. */
static uint32_t sum16(const uint8_t *data, size_t size, uint32_t sum)
{
	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	return size % 2 ? sum + ((uint32_t)data[size - 1] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* IPv4 and UDP from 0.0.0.0 to the group, RFC 791 and 768. */
static size_t build_packet(const uint8_t *data, size_t size, uint8_t *ret_packet)
{
	struct iphdr ip = {.version = 4,
			   .ihl = 5,
			   .tos = DSCP_CS6,
			   .tot_len = htons((uint16_t)(IP_HEADER + UDP_HEADER + size)),
			   .frag_off = htons(IP_DF),
			   .ttl = 1,
			   .protocol = IPPROTO_UDP};
	struct udphdr udp = {.source = htons(HELLO_PORT),
			     .dest = htons(HELLO_PORT),
			     .len = htons((uint16_t)(UDP_HEADER + size))};
	uint32_t sum = IPPROTO_UDP + (uint32_t)(UDP_HEADER + size);
	uint8_t header[IP_HEADER];

	(void)inet_pton(AF_INET, GROUP4, &ip.daddr);
	memcpy(header, &ip, sizeof(header));
	ip.check = fold(sum16(header, sizeof(header), 0));
	memcpy(ret_packet, &ip, IP_HEADER);
	memcpy(ret_packet + IP_HEADER, &udp, UDP_HEADER);
	memcpy(ret_packet + IP_HEADER + UDP_HEADER, data, size);
	sum = sum16(ret_packet + 12, 8 + UDP_HEADER + size, sum); /* addresses, then UDP */
	udp.check = fold(sum);
	if (udp.check == 0)
		udp.check = 0xffff;
	memcpy(ret_packet + IP_HEADER, &udp, UDP_HEADER);
	return IP_HEADER + UDP_HEADER + size;
}

static int send_raw(const struct path_socket *sock, const uint8_t *data, size_t size)
{
	static const uint8_t group[ETH_ALEN] = {0x01, 0x00, 0x5e, 0x00, 0x00, 0x69};
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_IP),
				 .sll_ifindex = (int)sock->device_index,
				 .sll_halen = ETH_ALEN};
	uint8_t packet[IP_HEADER + UDP_HEADER + HELLO_SIZE_MAX];

	if (size > HELLO_SIZE_MAX)
		return -EMSGSIZE;
	memcpy(to.sll_addr, group, sizeof(group));
	size = build_packet(data, size, packet);
	return sendto(*sock->raw_fd, packet, size, MSG_DONTWAIT | MSG_NOSIGNAL,
		      (const struct sockaddr *)&to, sizeof(to)) < 0
		       ? -errno
		       : 0;
}

int path_socket_send(struct path_socket *sock, const uint8_t *data, size_t size)
{
	if (sock->fd < 0)
		return -ENOTCONN;
	if (sock->lacks_address && *sock->raw_fd >= 0)
		return send_raw(sock, data, size);
	return sendto(sock->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL,
		      (const struct sockaddr *)&sock->to, sock->to_size) < 0
		       ? -errno
		       : 0;
}
