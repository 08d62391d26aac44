/* SPDX-License-Identifier: Apache-2.0 */
/* Removes the active addresses of a dead engine: it marked them with VIP_PROTOCOL, so nobody needs
 * to be told which. */
#include "vip.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#ifndef IFA_PROTO
#define IFA_PROTO 11 /* kernel 5.18; Debian 12's headers have it, older ones do not */
#endif
#define WITHDRAW_MAX 256

struct withdrawal {
	struct nl_msg *deletions[WITHDRAW_MAX];
	size_t n;
	int code;
};

static int from_netlink(int r)
{
	if (r >= 0)
		return 0;
	if (r == -NLE_NOMEM)
		return -ENOMEM;
	if (r == -NLE_PERM)
		return -EPERM;
	return -EIO;
}

static int copy_attribute(struct nl_msg *msg, struct nlattr *attribute)
{
	return attribute
		       ? nla_put(msg, nla_type(attribute), nla_len(attribute), nla_data(attribute))
		       : 0;
}

static int on_address(struct nl_msg *msg, void *userdata)
{
	struct withdrawal *withdrawal = userdata;
	struct nlmsghdr *header = nlmsg_hdr(msg);
	struct nlattr *attributes[IFA_PROTO + 1] = {NULL};
	struct ifaddrmsg address;
	struct nl_msg *deletion;

	if (header->nlmsg_type != RTM_NEWADDR || nlmsg_datalen(header) < (int)sizeof(address) ||
	    nlmsg_parse(header, (int)sizeof(address), attributes, IFA_PROTO, NULL) < 0)
		return NL_OK;
	if (!attributes[IFA_PROTO] || nla_len(attributes[IFA_PROTO]) < 1 ||
	    nla_get_u8(attributes[IFA_PROTO]) != VIP_PROTOCOL || withdrawal->n == WITHDRAW_MAX)
		return NL_OK;
	memcpy(&address, nlmsg_data(header), sizeof(address));
	deletion = nlmsg_alloc_simple(RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK);
	if (!deletion || nlmsg_append(deletion, &address, sizeof(address), NLMSG_ALIGNTO) < 0 ||
	    copy_attribute(deletion, attributes[IFA_LOCAL]) < 0 ||
	    copy_attribute(deletion, attributes[IFA_ADDRESS]) < 0) {
		nlmsg_free(deletion);
		withdrawal->code = -ENOMEM;
		return NL_STOP;
	}
	withdrawal->deletions[withdrawal->n++] = deletion;
	return NL_OK;
}

static int addresses_find(struct nl_sock *sock, struct withdrawal *withdrawal)
{
	struct rtgenmsg any = {.rtgen_family = AF_UNSPEC};
	int r = nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_address, withdrawal);

	if (r >= 0)
		r = nl_send_simple(sock, RTM_GETADDR, NLM_F_DUMP, &any, sizeof(any));
	if (r >= 0)
		r = nl_recvmsgs_default(sock);
	return r < 0 ? from_netlink(r) : withdrawal->code;
}

/* failover/vip.h; the engine's own library takes its place where it is linked. */
__attribute__((weak)) int vip_withdraw_all(void)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct withdrawal withdrawal = {.n = 0};
	int n = 0, r;

	if (!sock)
		return -ENOMEM;
	r = from_netlink(nl_connect(sock, NETLINK_ROUTE));
	if (r == 0)
		r = addresses_find(sock, &withdrawal);
	for (size_t i = 0; i < withdrawal.n; i++) {
		/* One that is gone meanwhile is as good as withdrawn. */
		if (nl_send_auto(sock, withdrawal.deletions[i]) >= 0 && nl_wait_for_ack(sock) >= 0)
			n++;
		nlmsg_free(withdrawal.deletions[i]);
	}
	nl_socket_free(sock);
	return n > 0 ? n : r;
}
