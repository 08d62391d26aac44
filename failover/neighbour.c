/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel has each part of a dump ready when it is read, and leaves out the other devices. */
#include "failover/neighbour.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define RECEIVE_SIZE 32768
#define PARTS_MAX 64 /* of a table that somebody filled */

struct table {
	unsigned index;
	struct neighbour *neighbours;
	size_t n, max;
};

struct attributes {
	size_t size; /* of an address of this family */
	const void *address;
	const struct nda_cacheinfo *cache;
};

static int on_attribute(const struct nlattr *attribute, void *userdata)
{
	struct attributes *found = userdata;
	size_t size = mnl_attr_get_payload_len(attribute);

	if (mnl_attr_get_type(attribute) == NDA_DST && size == found->size)
		found->address = mnl_attr_get_payload(attribute);
	if (mnl_attr_get_type(attribute) == NDA_CACHEINFO && size >= sizeof(*found->cache))
		found->cache = mnl_attr_get_payload(attribute);
	return MNL_CB_OK;
}

static void insert(struct table *table, const struct neighbour *neighbour)
{
	size_t at = table->n;

	while (at > 0 && table->neighbours[at - 1].used > neighbour->used)
		at--;
	if (at == table->max)
		return;
	table->n += table->n < table->max;
	memmove(&table->neighbours[at + 1], &table->neighbours[at],
		(table->n - at - 1) * sizeof(*neighbour));
	table->neighbours[at] = *neighbour;
}

static int on_neighbour(const struct nlmsghdr *header, void *userdata)
{
	struct table *table = userdata;
	const struct ndmsg *head = mnl_nlmsg_get_payload(header);
	struct attributes found = {0};
	struct neighbour neighbour = {0};

	if (header->nlmsg_type != RTM_NEWNEIGH ||
	    mnl_nlmsg_get_payload_len(header) < sizeof(*head) ||
	    (unsigned)head->ndm_ifindex != table->index ||
	    (head->ndm_family != AF_INET && head->ndm_family != AF_INET6) ||
	    (head->ndm_state & (NUD_NOARP | NUD_INCOMPLETE | NUD_NONE)) != 0)
		return MNL_CB_OK;
	found.size = head->ndm_family == AF_INET6 ? 16 : 4;
	(void)mnl_attr_parse(header, sizeof(*head), on_attribute, &found);
	if (!found.address)
		return MNL_CB_OK;
	neighbour.family = head->ndm_family;
	memcpy(neighbour.address, found.address, found.size);
	neighbour.used = found.cache ? found.cache->ndm_used : UINT32_MAX;
	insert(table, &neighbour);
	return MNL_CB_OK;
}

static int ask(struct mnl_socket *sock, unsigned index)
{
	uint8_t request[128] __attribute__((aligned(8))) = {0};
	struct nlmsghdr *header = mnl_nlmsg_put_header(request);

	header->nlmsg_type = RTM_GETNEIGH;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nlmsg_seq = 1;
	(void)mnl_nlmsg_put_extra_header(header, sizeof(struct ndmsg));
	mnl_attr_put_u32(header, NDA_IFINDEX, index);
	return mnl_socket_sendto(sock, header, header->nlmsg_len) < 0 ? -errno : 0;
}

size_t neighbour_recent(unsigned index, struct neighbour *ret_neighbours, size_t max)
{
	struct table table = {index, ret_neighbours, 0, max};
	struct mnl_socket *sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	_cleanup_free_ uint8_t *buffer = malloc(RECEIVE_SIZE);
	int r = sock && buffer ? 0 : -ENOMEM;

	if (r == 0)
		r = mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID);
	if (r == 0)
		r = ask(sock, index);
	for (int i = 0; r >= 0 && i < PARTS_MAX; i++) {
		ssize_t n = mnl_socket_recvfrom(sock, buffer, RECEIVE_SIZE);

		if (n <= 0)
			break;
		r = mnl_cb_run(buffer, (size_t)n, 1, mnl_socket_get_portid(sock), on_neighbour,
			       &table);
		if (r == MNL_CB_STOP)
			break;
	}
	if (sock)
		(void)mnl_socket_close(sock);
	return table.n;
}
