/* SPDX-License-Identifier: Apache-2.0 */
/* As with addresses, what is ours is read from the kernel each time: the name and the alias say it.
 */
#include "failover/vmac.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/rtaddr.h"

#define PREFIX "afv-"
#define ALIAS "asafo: virtual MAC address"
#define ADDR_GEN_NONE 1 /* IN6_ADDR_GEN_MODE_NONE */
#define FOUND_MAX 256

CLEANUP_DEFINE(struct nl_sock *, nl_socket_free)
CLEANUP_DEFINE(struct nl_msg *, nlmsg_free)

/* One of ours in the kernel. */
struct found {
	char device[16];
	unsigned index;
	uint8_t mac[6];
	bool is_up, is_muted;
	bool is_silent; /* muted, and it has no carrier: that of its parent gives it one again */
};

struct found_list {
	struct found items[FOUND_MAX];
	size_t n;
};

void vmac_name(unsigned parent_index, bool is_active, char ret_device[static 16])
{
	(void)snprintf(ret_device, 16, PREFIX "%u%s", parent_index, is_active ? "" : "s");
}

bool vmac_is_name(const char *device)
{
	return strncmp(device, PREFIX, strlen(PREFIX)) == 0;
}

static int on_link(struct nlmsghdr *header, void *userdata)
{
	struct found_list *list = userdata;
	struct nlattr *attributes[IFLA_MAX + 1];
	struct found found = {0};
	const struct ifinfomsg *head;

	if (header->nlmsg_type != RTM_NEWLINK || list->n == FOUND_MAX ||
	    nlmsg_parse(header, sizeof(*head), attributes, IFLA_MAX, NULL) < 0)
		return 0;
	if (!attributes[IFLA_IFNAME] || !attributes[IFLA_IFALIAS] ||
	    strncmp(nla_get_string(attributes[IFLA_IFALIAS]), ALIAS, strlen(ALIAS)) != 0 ||
	    !vmac_is_name(nla_get_string(attributes[IFLA_IFNAME])))
		return 0;
	head = nlmsg_data(header);
	found.index = (unsigned)head->ifi_index;
	found.is_up = (head->ifi_flags & IFF_UP) != 0;
	found.is_muted =
		attributes[IFLA_PROTO_DOWN] && nla_get_u8(attributes[IFLA_PROTO_DOWN]) != 0;
	found.is_silent = found.is_muted && (head->ifi_flags & IFF_LOWER_UP) == 0;
	(void)nla_strlcpy(found.device, attributes[IFLA_IFNAME], sizeof(found.device));
	if (attributes[IFLA_ADDRESS] && nla_len(attributes[IFLA_ADDRESS]) == 6)
		memcpy(found.mac, nla_data(attributes[IFLA_ADDRESS]), 6);
	list->items[list->n++] = found;
	return 0;
}

/* Puts `linkinfo { kind macvlan }`, with the private mode where WITH_MODE. */
static int put_kind(struct nl_msg *message, bool with_mode)
{
	struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO);
	struct nlattr *data = NULL;

	if (!info || nla_put_string(message, IFLA_INFO_KIND, "macvlan") < 0)
		return -ENOMEM;
	if (with_mode) {
		data = nla_nest_start(message, IFLA_INFO_DATA);
		if (!data || nla_put_u32(message, IFLA_MACVLAN_MODE, MACVLAN_MODE_PRIVATE) < 0)
			return -ENOMEM;
		(void)nla_nest_end(message, data);
	}
	(void)nla_nest_end(message, info);
	return 0;
}

/* Only macvlan devices, and without their counters: a machine may have hundreds of devices. */
static int find_all(struct nl_sock *sock, struct found_list *ret_list)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *request =
		nlmsg_alloc_simple(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP);
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
	int r = -EINTR;

	if (!request || nlmsg_append(request, &head, sizeof(head), NLMSG_ALIGNTO) < 0 ||
	    nla_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0 ||
	    put_kind(request, false) < 0)
		return -ENOMEM;
	for (int tries = 0; tries < 3 && r == -EINTR; tries++) {
		ret_list->n = 0;
		r = rtaddr_dump_with(sock, request, on_link, ret_list);
	}
	return r == -EINTR ? 0 : r;
}

static struct nl_msg *link_message(int type, int flags, unsigned index, const char *device,
				   bool changes_state, bool is_up)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message =
		nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK | flags);
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC,
				 .ifi_index = (int)index,
				 .ifi_flags = is_up ? IFF_UP : 0,
				 .ifi_change = changes_state ? IFF_UP : 0};

	if (!message || nlmsg_append(message, &head, sizeof(head), NLMSG_ALIGNTO) < 0)
		return NULL;
	if (device && nla_put_string(message, IFLA_IFNAME, device) < 0)
		return NULL;
	return TAKE_PTR(message);
}

static int append_create(struct rtaddr_batch *batch, const char *device, const struct vmac *vmac)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message =
		link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, device, false, false);

	if (!message || nla_put_u32(message, IFLA_LINK, vmac->parent_index) < 0 ||
	    nla_put(message, IFLA_ADDRESS, 6, vmac->mac) < 0 || put_kind(message, true) < 0)
		return -ENOMEM;
	return rtaddr_batch_append(batch, message);
}

static int put_conf(struct nl_msg *message, bool is_macvlan)
{
	struct nlattr *families = nla_nest_start(message, IFLA_AF_SPEC);
	struct nlattr *inet = families ? nla_nest_start(message, AF_INET) : NULL;
	struct nlattr *conf = inet ? nla_nest_start(message, IFLA_INET_CONF) : NULL;

	/* Who is asked on one device for an address of the other keeps silent, and asks with none
	 * of it: else the neighbours would learn the wrong MAC address. */
	if (!conf || nla_put_u32(message, IPV4_DEVCONF_ARP_IGNORE, 1) < 0 ||
	    nla_put_u32(message, IPV4_DEVCONF_ARP_ANNOUNCE, 2) < 0)
		return -ENOMEM;
	/* Loose: the way back may be the parent's. */
	if (is_macvlan && (nla_put_u32(message, IPV4_DEVCONF_RP_FILTER, 2) < 0 ||
			   nla_put_u32(message, IPV4_DEVCONF_PROMOTE_SECONDARIES, 1) < 0))
		return -ENOMEM;
	(void)nla_nest_end(message, conf);
	(void)nla_nest_end(message, inet);
	(void)nla_nest_end(message, families);
	return 0;
}

/* The alias marks it; no IPv6 address of its own making, which both units would have. */
static int append_settings(struct rtaddr_batch *batch, const char *device, const char *parent)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message =
		link_message(RTM_SETLINK, 0, 0, device, false, false);
	struct nlattr *families, *inet6;
	char alias[64];

	(void)snprintf(alias, sizeof(alias), ALIAS " of %.15s", parent);
	if (!message || nla_put_string(message, IFLA_IFALIAS, alias) < 0 ||
	    put_conf(message, true) < 0 || rtaddr_batch_append(batch, message) < 0)
		return -ENOMEM;
	nlmsg_free(message);
	message = link_message(RTM_SETLINK, 0, 0, device, false, false);
	families = message ? nla_nest_start(message, IFLA_AF_SPEC) : NULL;
	inet6 = families ? nla_nest_start(message, AF_INET6) : NULL;
	if (!inet6 || nla_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, ADDR_GEN_NONE) < 0)
		return -ENOMEM;
	(void)nla_nest_end(message, inet6);
	(void)nla_nest_end(message, families);
	return rtaddr_batch_append(batch, message);
}

static int append_parent(struct rtaddr_batch *batch, unsigned index)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message =
		link_message(RTM_SETLINK, 0, index, NULL, false, false);

	if (!message || put_conf(message, false) < 0)
		return -ENOMEM;
	return rtaddr_batch_append(batch, message);
}

static int append_state(struct rtaddr_batch *batch, const char *device, const struct vmac *vmac,
			bool changes_mac)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message =
		link_message(RTM_SETLINK, 0, 0, device, true, vmac->is_up);

	if (!message || (changes_mac && nla_put(message, IFLA_ADDRESS, 6, vmac->mac) < 0))
		return -ENOMEM;
	return rtaddr_batch_append(batch, message);
}

static int append_index(struct rtaddr_batch *batch, int type, unsigned index)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message =
		link_message(type, 0, index, NULL, type == RTM_SETLINK, false);

	return message ? rtaddr_batch_append(batch, message) : -ENOMEM;
}

/* Without a carrier of its own it sends nothing, whatever the kernel has to say of the addresses
 * that it had. */
static int append_mute(struct rtaddr_batch *batch, unsigned index, bool is_muted)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message =
		link_message(RTM_SETLINK, 0, index, NULL, false, false);

	if (!message || nla_put_u8(message, IFLA_PROTO_DOWN, is_muted) < 0)
		return -ENOMEM;
	return rtaddr_batch_append(batch, message);
}

/* Down, and as one that was never up. */
static int append_down(struct rtaddr_batch *batch, const struct found *found)
{
	int r = 0;

	if (found->is_up)
		r = append_index(batch, RTM_SETLINK, found->index);
	if (r == 0 && found->is_muted)
		r = append_mute(batch, found->index, false);
	return r;
}

static const struct found *find(const struct found_list *list, const char *device)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->items[i].device, device) == 0)
			return &list->items[i];
	return NULL;
}

static int append_one(struct rtaddr_batch *batch, const struct found_list *list,
		      const struct vmac *vmac)
{
	const struct found *found;
	bool was_up, is_muted, changes_mac;
	char device[16];
	int r = 0;

	vmac_name(vmac->parent_index, vmac->is_active, device);
	found = find(list, device);
	if (!found) {
		r = append_parent(batch, vmac->parent_index);
		if (r == 0)
			r = append_create(batch, device, vmac);
		if (r == 0)
			r = append_settings(batch, device, vmac->parent);
	}
	was_up = found && found->is_up;
	is_muted = found && found->is_muted;
	changes_mac = found && memcmp(found->mac, vmac->mac, 6) != 0;
	if (was_up && is_muted && vmac->may_be_mute && !changes_mac)
		return found->is_silent ? 0 : append_mute(batch, found->index, true);
	if (r == 0 && (was_up != vmac->is_up || changes_mac))
		r = append_state(batch, device, vmac, changes_mac);
	if (r == 0 && is_muted)
		r = append_mute(batch, found->index, false);
	return r;
}

static const struct vmac *find_wanted(const struct found *found, const struct vmac *wanted,
				      size_t n_wanted)
{
	char device[16];

	for (size_t i = 0; i < n_wanted; i++) {
		vmac_name(wanted[i].parent_index, wanted[i].is_active, device);
		if (strcmp(device, found->device) == 0)
			return &wanted[i];
	}
	return NULL;
}

static bool is_wanted_up(const struct found *found, const struct vmac *wanted, size_t n_wanted)
{
	const struct vmac *vmac = find_wanted(found, wanted, n_wanted);

	return vmac && vmac->is_up;
}

/* A kernel without macvlan loads its module by itself, where it has one. */
static const char *what_to_do(int code)
{
	if (code == -EOPNOTSUPP)
		return "; the kernel has no macvlan devices: try `modprobe macvlan`, install a "
		       "kernel that has the module, or remove the line `failover mac address`";
	if (code == -EBUSY || code == -EINVAL)
		return "; it is in a bridge or bond, or no Ethernet device: remove the line "
		       "`failover mac address`, or take it out there";
	return "";
}

static int send_all(struct rtaddr_batch *batch, struct nl_sock *sock)
{
	size_t n = batch->n;
	_cleanup_free_ int *results = calloc(n + 1, sizeof(*results));
	int r = results ? rtaddr_batch_send(batch, sock, results) : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++)
		r = results[i];
	return r;
}

/* Sends the requests for one device, so that an error has its name. */
static int send_for(struct rtaddr_batch *batch, struct nl_sock *sock, const char *device,
		    struct why *ret_why)
{
	int r = send_all(batch, sock);

	return r < 0 ? why_set(ret_why, r,
			       "the virtual MAC address of %.15s cannot be set (%s), and its own "
			       "is "
			       "used%s",
			       device, err_text(r), what_to_do(r))
		     : 0;
}

static bool gives_away(const struct found *found, const struct vmac *wanted)
{
	return wanted && !wanted->is_up && found->is_up && memcmp(found->mac, wanted->mac, 6) != 0;
}

int vmac_set(const struct vmac *wanted, size_t n_wanted, struct why *ret_why)
{
	_cleanup_(nl_socket_free_p) struct nl_sock *sock = NULL;
	_cleanup_(rtaddr_batch_done) struct rtaddr_batch batch = {0};
	struct found_list list = {.n = 0};
	int first = rtaddr_open(&sock);
	int r;

	if (first == 0)
		first = find_all(sock, &list);
	if (first < 0)
		return why_set(ret_why, first, "cannot read the devices: %s", err_text(first));
	for (size_t i = 0; i < list.n; i++) {
		if (find_wanted(&list.items[i], wanted, n_wanted))
			continue;
		r = append_index(&batch, RTM_DELLINK, list.items[i].index);
		r = r == 0 ? send_for(&batch, sock, list.items[i].device, ret_why) : r;
		first = first < 0 ? first : r;
	}
	/* The kernel gives no device a MAC address that another one has which is up: what is up,
	 * gets another one and shall not be up is down first, or two that change places keep
	 * theirs. */
	for (size_t i = 0; i < list.n && first == 0; i++) {
		if (!gives_away(&list.items[i], find_wanted(&list.items[i], wanted, n_wanted)))
			continue;
		r = append_down(&batch, &list.items[i]);
		first = r == 0 ? send_for(&batch, sock, list.items[i].device, ret_why) : r;
		list.items[i].is_up = list.items[i].is_muted = list.items[i].is_silent = false;
	}
	for (size_t i = 0; i < n_wanted; i++) {
		r = append_one(&batch, &list, &wanted[i]);
		r = r == 0 ? send_for(&batch, sock, wanted[i].parent, ret_why) : r;
		first = first < 0 ? first : r;
	}
	return first;
}

void vmac_raise(const struct vmac *wanted, size_t n_wanted)
{
	_cleanup_(nl_socket_free_p) struct nl_sock *sock = NULL;
	_cleanup_(rtaddr_batch_done) struct rtaddr_batch batch = {0};
	struct found_list list = {.n = 0};
	size_t n_up = 0;
	int r;

	for (size_t i = 0; i < n_wanted; i++)
		n_up += wanted[i].is_up;
	if (n_up == 0)
		return;
	r = rtaddr_open(&sock);
	if (r == 0)
		r = find_all(sock, &list);
	for (size_t i = 0; i < n_wanted && r == 0; i++)
		if (wanted[i].is_up)
			r = append_one(&batch, &list, &wanted[i]);
	if (r == 0)
		(void)rtaddr_batch_send(&batch, sock, NULL);
}

int vmac_mute(const struct vmac *wanted, size_t n_wanted)
{
	_cleanup_(nl_socket_free_p) struct nl_sock *sock = NULL;
	_cleanup_(rtaddr_batch_done) struct rtaddr_batch batch = {0};
	struct found_list list = {.n = 0};
	int r = rtaddr_open(&sock);
	int n = 0;

	if (r == 0)
		r = find_all(sock, &list);
	for (size_t i = 0; i < list.n && r == 0; i++) {
		const struct found *found = &list.items[i];

		if (!found->is_up || is_wanted_up(found, wanted, n_wanted))
			continue;
		n++;
		if (!found->is_silent)
			r = append_mute(&batch, found->index, true);
	}
	r = r == 0 ? send_all(&batch, sock) : r;
	return r < 0 ? r : n;
}

int vmac_withdraw_all(struct nl_sock *sock)
{
	_cleanup_(rtaddr_batch_done) struct rtaddr_batch batch = {0};
	struct found_list list = {.n = 0};
	int r = find_all(sock, &list);

	for (size_t i = 0; i < list.n && r == 0; i++)
		r = append_down(&batch, &list.items[i]);
	return r < 0 ? r : rtaddr_batch_send(&batch, sock, NULL);
}
