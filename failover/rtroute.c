/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel is asked for our own routes only (strict checking makes it look at the request's
 * protocol): a router may have a million others.
 */
#include "failover/rtroute.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

CLEANUP_DEFINE(struct nl_msg *, nlmsg_free)

static struct nl_msg *route_message(int type, int flags, const struct rtroute *route)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message =
		nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK | flags);
	const struct config_address *to = &route->route.destination;
	int size = to->family == AF_INET6 ? 16 : 4;
	struct rtmsg head = {.rtm_family = to->family,
			     .rtm_dst_len = to->prefix_length,
			     .rtm_table = RT_TABLE_MAIN,
			     .rtm_protocol =
				     route->route.is_active ? VIP_PROTOCOL : VIP_PROTOCOL_STANDBY,
			     .rtm_scope = RT_SCOPE_UNIVERSE,
			     .rtm_type = RTN_UNICAST};

	if (!message || nlmsg_append(message, &head, sizeof(head), NLMSG_ALIGNTO) < 0)
		return NULL;
	if ((to->prefix_length > 0 && nla_put(message, RTA_DST, size, to->bytes) < 0) ||
	    nla_put(message, RTA_GATEWAY, size, route->route.gateway.bytes) < 0 ||
	    nla_put_u32(message, RTA_OIF, route->index) < 0 ||
	    nla_put_u32(message, RTA_PRIORITY, route->route.metric) < 0)
		return NULL;
	return TAKE_PTR(message);
}

int rtroute_append_add(struct rtaddr_batch *batch, const struct rtroute *route)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message =
		route_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);

	return message ? rtaddr_batch_append(batch, message) : -ENOMEM;
}

int rtroute_append_delete(struct rtaddr_batch *batch, const struct rtroute *route)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message = route_message(RTM_DELROUTE, 0, route);

	return message ? rtaddr_batch_append(batch, message) : -ENOMEM;
}

struct flush {
	struct rtaddr_batch *batch;
	uint8_t protocol;
};

/* What the kernel said of it, sent back as a removal. */
static int on_route(struct nlmsghdr *header, void *userdata)
{
	struct flush *flush = userdata;
	const struct rtmsg *head = nlmsg_data(header);
	_cleanup_(nlmsg_free_p) struct nl_msg *message = NULL;

	if (header->nlmsg_type != RTM_NEWROUTE || !nlmsg_valid_hdr(header, sizeof(*head)) ||
	    head->rtm_protocol != flush->protocol || (head->rtm_flags & RTM_F_CLONED) != 0)
		return 0;
	message = nlmsg_alloc_simple(RTM_DELROUTE, NLM_F_REQUEST | NLM_F_ACK);
	if (!message || nlmsg_append(message, nlmsg_data(header), (size_t)nlmsg_datalen(header),
				     NLMSG_ALIGNTO) < 0)
		return -ENOMEM;
	return rtaddr_batch_append(flush->batch, message);
}

int rtroute_append_flush(struct rtaddr_batch *batch, struct nl_sock *sock, uint8_t protocol)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct flush flush = {batch, protocol};
	int on = 1;
	int r = 0;

	(void)setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on,
			 sizeof(on));
	for (size_t i = 0; i < ARRAY_SIZE(families) && r == 0; i++) {
		struct rtmsg head = {.rtm_family = families[i],
				     .rtm_table = RT_TABLE_MAIN,
				     .rtm_protocol = protocol};
		_cleanup_(nlmsg_free_p) struct nl_msg *request =
			nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP);

		if (!request || nlmsg_append(request, &head, sizeof(head), NLMSG_ALIGNTO) < 0)
			r = -ENOMEM;
		if (r == 0)
			r = rtaddr_dump_with(sock, request, on_route, &flush);
		/* Never a whole answer, where routes come and go all the time. */
		if (r == -EINTR || r == -ENOENT)
			r = 0;
	}
	on = 0;
	(void)setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on,
			 sizeof(on));
	return r;
}
