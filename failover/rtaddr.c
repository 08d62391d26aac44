/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel works on rtnetlink requests inside sendmsg and queues its answers before that returns,
 * so reading them with MSG_DONTWAIT misses none; an answer that is not there will never come. libnl
 * builds and parses; its own receive loop is not used, since it allocates and looks twice at each
 * message.
 */
#include "failover/rtaddr.h"

#include <errno.h>
#include <limits.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define RECEIVE_SIZE 32768
#define RECEIVE_BUFFER (4 * 1024 * 1024)
#define DUMP_TRIES 3
#define PART 16
#define UNANSWERED INT_MAX

CLEANUP_DEFINE(struct nl_sock *, nl_socket_free)
CLEANUP_DEFINE(struct nl_msg *, nlmsg_free)

static int code_of_libnl(int code)
{
	switch (-code) {
	case NLE_SUCCESS:
		return 0;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
		return -EPERM;
	case NLE_NOACCESS:
		return -EACCES;
	case NLE_AF_NOSUPPORT:
		return -EAFNOSUPPORT;
	case NLE_NOADDR:
		return -EADDRNOTAVAIL;
	case NLE_MSGSIZE:
		return -EMSGSIZE;
	default:
		return -EIO;
	}
}

void rtaddr_list_done(struct rtaddr_list *list)
{
	free(list->items);
	*list = (struct rtaddr_list){0};
}

int rtaddr_list_add(struct rtaddr_list *list, const struct rtaddr *address)
{
	if (list->n == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 16;
		struct rtaddr *items = reallocarray(list->items, capacity, sizeof(struct rtaddr));

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->n++] = *address;
	return 0;
}

int rtaddr_open(struct nl_sock **ret_sock)
{
	_cleanup_(nl_socket_free_p) struct nl_sock *sock = nl_socket_alloc();
	int size = RECEIVE_BUFFER;
	int on = 1;
	int fd, r;

	if (!sock)
		return -ENOMEM;
	r = nl_connect(sock, NETLINK_ROUTE);
	if (r < 0)
		return code_of_libnl(r);
	fd = nl_socket_get_fd(sock);
	/* Room for the answers to a batch; without the capability as much as the limit allows. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	/* A batch is one message to the socket, which takes none that is larger than its buffer. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	*ret_sock = TAKE_PTR(sock);
	return 0;
}

/* if_nametoindex() makes a socket each time, and takes it away. */
unsigned rtaddr_index(struct nl_sock *sock, const char *device)
{
	struct ifreq request = {0};

	memcpy(request.ifr_name, device, strnlen(device, sizeof(request.ifr_name) - 1));
	if (ioctl(nl_socket_get_fd(sock), SIOCGIFINDEX, &request) < 0 || request.ifr_ifindex <= 0)
		return 0;
	return (unsigned)request.ifr_ifindex;
}

static size_t size_of_family(uint8_t family)
{
	return family == AF_INET6 ? 16 : 4;
}

/* False: not an address that concerns us. */
static bool parse_address(struct nlmsghdr *header, struct rtaddr *ret_address)
{
	struct nla_policy policy[IFA_MAX + 1] = {
		[IFA_CACHEINFO] = {.minlen = sizeof(struct ifa_cacheinfo)}};
	struct nlattr *attributes[IFA_MAX + 1];
	const struct nlattr *bytes;
	const struct ifaddrmsg *head;
	struct rtaddr address;

	if (header->nlmsg_type != RTM_NEWADDR ||
	    nlmsg_parse(header, sizeof(*head), attributes, IFA_MAX, policy) < 0)
		return false;
	head = nlmsg_data(header);
	bytes = attributes[IFA_LOCAL] ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
	if ((head->ifa_family != AF_INET && head->ifa_family != AF_INET6) || !bytes ||
	    (size_t)nla_len(bytes) != size_of_family(head->ifa_family))
		return false;
	address = (struct rtaddr){.index = head->ifa_index,
				  .family = head->ifa_family,
				  .prefix_length = head->ifa_prefixlen,
				  .scope = head->ifa_scope,
				  .flags = head->ifa_flags,
				  .lifetime_s = UINT32_MAX};
	memcpy(address.bytes, nla_data(bytes), size_of_family(head->ifa_family));
	if (attributes[IFA_FLAGS] && nla_len(attributes[IFA_FLAGS]) == sizeof(uint32_t))
		address.flags = nla_get_u32(attributes[IFA_FLAGS]);
	if (attributes[IFA_PROTO] && nla_len(attributes[IFA_PROTO]) == 1)
		address.protocol = nla_get_u8(attributes[IFA_PROTO]);
	if (attributes[IFA_CACHEINFO]) {
		const struct ifa_cacheinfo *info = nla_data(attributes[IFA_CACHEINFO]);

		address.lifetime_s = info->ifa_valid;
		address.stamp_cs = info->tstamp;
	}
	if (attributes[IFA_LABEL])
		(void)nla_strlcpy(address.label, attributes[IFA_LABEL], sizeof(address.label));
	*ret_address = address;
	return true;
}

/* -errno of an NLMSG_ERROR; 0 is an acknowledgement. */
static int parse_error(const struct nlmsghdr *header)
{
	const struct nlmsgerr *error = nlmsg_data(header);

	if (header->nlmsg_len < NLMSG_HDRLEN + sizeof(error->error))
		return -EPROTO;
	return error->error;
}

static ssize_t receive(int fd, uint8_t *buffer)
{
	ssize_t n;

	do
		n = recv(fd, buffer, RECEIVE_SIZE, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* One datagram of a dump: 1 when it is the last. -EINTR: something changed meanwhile, ask again. */
static int take_dump(uint8_t *buffer, size_t size, uint32_t seq, rtaddr_message_fn on_message,
		     void *userdata)
{
	struct nlmsghdr *header = (struct nlmsghdr *)(void *)buffer;
	int left = (int)size;

	for (; nlmsg_ok(header, left); header = nlmsg_next(header, &left)) {
		int r;

		if (header->nlmsg_seq != seq)
			continue;
		if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
			return -EINTR;
		if (header->nlmsg_type == NLMSG_DONE)
			return 1;
		if (header->nlmsg_type == NLMSG_ERROR)
			return parse_error(header);
		r = on_message(header, userdata);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What an earlier, interrupted dump left must not be taken for this one's. */
static void drain(int fd, uint8_t *buffer)
{
	while (receive(fd, buffer) >= 0)
		;
}

int rtaddr_dump_with(struct nl_sock *sock, struct nl_msg *request, rtaddr_message_fn on_message,
		     void *userdata)
{
	_cleanup_free_ uint8_t *buffer = malloc(RECEIVE_SIZE);
	struct nlmsghdr *header = nlmsg_hdr(request);
	int r;

	if (!buffer)
		return -ENOMEM;
	drain(nl_socket_get_fd(sock), buffer);
	header->nlmsg_seq = nl_socket_use_seq(sock);
	header->nlmsg_pid = nl_socket_get_local_port(sock);
	r = nl_sendto(sock, header, header->nlmsg_len);
	if (r < 0)
		return code_of_libnl(r);
	do {
		ssize_t n = receive(nl_socket_get_fd(sock), buffer);

		if (n < 0)
			return (int)n;
		r = take_dump(buffer, (size_t)n, header->nlmsg_seq, on_message, userdata);
	} while (r == 0);
	return r < 0 ? r : 0;
}

static int on_address(struct nlmsghdr *header, void *userdata)
{
	struct rtaddr address;

	return parse_address(header, &address) ? rtaddr_list_add(userdata, &address) : 0;
}

int rtaddr_dump(struct nl_sock *sock, struct rtaddr_list *list)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message =
		nlmsg_alloc_simple(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP);
	struct ifaddrmsg head = {.ifa_family = AF_UNSPEC};
	size_t n = list->n;
	int r = -EINTR;

	if (!message || nlmsg_append(message, &head, sizeof(head), NLMSG_ALIGNTO) < 0)
		return -ENOMEM;
	for (int i = 0; i < DUMP_TRIES && r == -EINTR; i++) {
		list->n = n;
		r = rtaddr_dump_with(sock, message, on_address, list);
	}
	/* A table that never stands still is good enough as last read. */
	return r == -EINTR ? 0 : r;
}

void rtaddr_batch_done(struct rtaddr_batch *batch)
{
	buf_done(&batch->messages);
	batch->n = 0;
}

int rtaddr_batch_append(struct rtaddr_batch *batch, const struct nl_msg *message)
{
	const struct nlmsghdr *header = nlmsg_hdr((struct nl_msg *)(uintptr_t)message);
	static const uint8_t padding[NLMSG_ALIGNTO];
	size_t size = NLMSG_ALIGN(header->nlmsg_len);
	int r = buf_reserve(&batch->messages, size);

	if (r < 0)
		return r;
	(void)buf_append(&batch->messages, header, header->nlmsg_len);
	(void)buf_append(&batch->messages, padding, size - header->nlmsg_len);
	batch->n++;
	return 0;
}

static struct nl_msg *address_message(int type, int flags, const struct rtaddr *address)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message =
		nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK | flags);
	struct ifaddrmsg head = {.ifa_family = address->family,
				 .ifa_prefixlen = address->prefix_length,
				 .ifa_scope = address->scope,
				 .ifa_index = address->index};
	int size = (int)size_of_family(address->family);

	if (!message || nlmsg_append(message, &head, sizeof(head), NLMSG_ALIGNTO) < 0 ||
	    nla_put(message, IFA_LOCAL, size, address->bytes) < 0 ||
	    nla_put(message, IFA_ADDRESS, size, address->bytes) < 0)
		return NULL;
	if (address->label[0] && nla_put_string(message, IFA_LABEL, address->label) < 0)
		return NULL;
	return TAKE_PTR(message);
}

/* The directed broadcast address, where there is one (RFC 3021: not in a /31). */
static int put_broadcast(struct nl_msg *message, const struct rtaddr *address)
{
	uint8_t broadcast[4];

	if (address->family != AF_INET || address->prefix_length >= 31)
		return 0;
	memcpy(broadcast, address->bytes, sizeof(broadcast));
	for (unsigned i = address->prefix_length; i < 32; i++)
		broadcast[i / 8] |= (uint8_t)(0x80u >> (i % 8));
	return nla_put(message, IFA_BROADCAST, sizeof(broadcast), broadcast);
}

int rtaddr_batch_add(struct rtaddr_batch *batch, const struct rtaddr *address, enum rtaddr_how how)
{
	int flags = NLM_F_CREATE | (how == RTADDR_REPLACE ? NLM_F_REPLACE : NLM_F_EXCL);
	_cleanup_(nlmsg_free_p) struct nl_msg *message =
		address_message(RTM_NEWADDR, flags, address);
	struct ifa_cacheinfo lifetime = {.ifa_prefered = address->lifetime_s,
					 .ifa_valid = address->lifetime_s};

	if (!message || put_broadcast(message, address) < 0 ||
	    nla_put(message, IFA_CACHEINFO, sizeof(lifetime), &lifetime) < 0 ||
	    nla_put_u32(message, IFA_FLAGS, address->flags) < 0)
		return -ENOMEM;
	if (address->protocol && nla_put_u8(message, IFA_PROTO, address->protocol) < 0)
		return -ENOMEM;
	return rtaddr_batch_append(batch, message);
}

int rtaddr_batch_delete(struct rtaddr_batch *batch, const struct rtaddr *address)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message = address_message(RTM_DELADDR, 0, address);

	return message ? rtaddr_batch_append(batch, message) : -ENOMEM;
}

int rtaddr_batch_promote(struct rtaddr_batch *batch, unsigned index)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message =
		nlmsg_alloc_simple(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK);
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index};
	struct nlattr *families, *inet, *values;

	if (!message || nlmsg_append(message, &head, sizeof(head), NLMSG_ALIGNTO) < 0)
		return -ENOMEM;
	families = nla_nest_start(message, IFLA_AF_SPEC);
	inet = families ? nla_nest_start(message, AF_INET) : NULL;
	values = inet ? nla_nest_start(message, IFLA_INET_CONF) : NULL;
	if (!values || nla_put_u32(message, IPV4_DEVCONF_PROMOTE_SECONDARIES, 1) < 0)
		return -ENOMEM;
	(void)nla_nest_end(message, values);
	(void)nla_nest_end(message, inet);
	(void)nla_nest_end(message, families);
	return rtaddr_batch_append(batch, message);
}

int rtaddr_batch_raise(struct rtaddr_batch *batch, unsigned index)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message =
		nlmsg_alloc_simple(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK);
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC,
				 .ifi_index = (int)index,
				 .ifi_flags = IFF_UP,
				 .ifi_change = IFF_UP};

	if (!message || nlmsg_append(message, &head, sizeof(head), NLMSG_ALIGNTO) < 0)
		return -ENOMEM;
	return rtaddr_batch_append(batch, message);
}

/*
 * Numbers N requests from FIRST on; returns their size. Only the last one asks for an
 * acknowledgement: the kernel works through them in order and answers a request that failed in any
 * case, so that silence before the last answer is success, and a batch of hundreds costs one
 * answer.
 */
static size_t stamp(uint8_t *messages, size_t size, uint32_t first, size_t n, uint32_t port)
{
	struct nlmsghdr *header = (struct nlmsghdr *)(void *)messages;
	int left = (int)size;

	for (; n > 0 && nlmsg_ok(header, left); header = nlmsg_next(header, &left), n--) {
		header->nlmsg_flags &= (uint16_t)~NLM_F_ACK;
		if (n == 1)
			header->nlmsg_flags |= NLM_F_ACK;
		header->nlmsg_seq = first++;
		header->nlmsg_pid = port;
	}
	return size - (size_t)left;
}

/* The answers up to the last request's. True: all were heard, and who was not named has succeeded.
 */
static bool take_results(int fd, uint32_t first, size_t n, int *results)
{
	uint8_t buffer[RECEIVE_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool is_whole = true;

	for (;;) {
		struct nlmsghdr *header = (struct nlmsghdr *)(void *)buffer;
		ssize_t size = receive(fd, buffer);
		int left = (int)size;

		if (size == -ENOBUFS)
			is_whole = false; /* some answers are lost, others wait */
		if (size == -ENOBUFS)
			continue;
		if (size < 0)
			return false;
		for (; nlmsg_ok(header, left); header = nlmsg_next(header, &left)) {
			uint32_t i = header->nlmsg_seq - first;

			if (header->nlmsg_type != NLMSG_ERROR || i >= n)
				continue;
			results[i] = parse_error(header);
			if (i == n - 1)
				return is_whole;
		}
	}
}

static uint32_t use_sequence(struct nl_sock *sock, size_t n)
{
	uint32_t first = nl_socket_use_seq(sock);

	for (size_t i = 1; i < n; i++)
		(void)nl_socket_use_seq(sock);
	return first;
}

/* Sends the first N requests of MESSAGES; their size is returned. Errors: -errno. */
static int send_part(struct nl_sock *sock, uint8_t *messages, size_t size, size_t n, int *results)
{
	uint32_t first = use_sequence(sock, n);
	size_t part = stamp(messages, size, first, n, nl_socket_get_local_port(sock));
	bool is_whole;
	int r;

	for (size_t i = 0; i < n; i++)
		results[i] = UNANSWERED;
	r = nl_sendto(sock, messages, part);
	is_whole = r >= 0 && take_results(nl_socket_get_fd(sock), first, n, results);
	for (size_t i = 0; i < n; i++)
		if (results[i] == UNANSWERED)
			results[i] = is_whole ? 0 : -ETIMEDOUT;
	return r < 0 ? code_of_libnl(r) : (int)part;
}

int rtaddr_batch_send(struct rtaddr_batch *batch, struct nl_sock *sock, int *results)
{
	_cleanup_free_ int *own = results ? NULL : calloc(batch->n + 1, sizeof(*own));
	int *answers = results ? results : own;
	size_t part = batch->is_parted ? PART : batch->n;
	size_t sent = 0, at = 0;
	int r = answers ? 0 : -ENOMEM;

	while (r >= 0 && at < batch->n) {
		size_t n = batch->n - at < part ? batch->n - at : part;

		if (batch->is_wanted && !batch->is_wanted(batch->userdata)) {
			r = -ECANCELED;
			break;
		}
		r = send_part(sock, batch->messages.data + sent, batch->messages.size - sent, n,
			      answers + at);
		at += n;
		sent += r > 0 ? (size_t)r : 0;
	}
	for (; answers && at < batch->n; at++)
		answers[at] = r == -ECANCELED ? r : -ETIMEDOUT;
	buf_clear(&batch->messages);
	batch->n = 0;
	return r < 0 ? r : 0;
}
