/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device belongs to the descriptor that made it: no descriptor, no device and no route. They are
 * multi-queue devices with one queue in use, so that an engine that begins anew can take a device
 * over whose descriptor a front still has.
 */
#include "failover/vpn/tun.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/rtaddr.h"
#include "failover/rtnl.h"

#define PROTOCOL 107	/* rtm_protocol of these routes: `ip route show proto 107` */
#define ADDR_GEN_NONE 1 /* IN6_ADDR_GEN_MODE_NONE: a device without addresses */
#define DEVICES_MAX 64
#define PREFIXES_MAX 4096

CLEANUP_DEFINE(struct nl_msg *, nlmsg_free)

struct device {
	int fd;
	unsigned index; /* 0: not made yet */
	char name[IFNAMSIZ];
};

struct tun {
	struct nl_sock *sock;
	struct rtnl *rtnl;
	struct device devices[DEVICES_MAX];
	size_t n_devices;
	struct config_address *prefixes; /* routed to asafo0 */
	size_t n_prefixes;
};

int tun_new(struct tun **ret_tun)
{
	struct tun *tun = calloc(1, sizeof(*tun));

	if (!tun)
		return -ENOMEM;
	*ret_tun = tun;
	return 0;
}

void tun_wait_in(struct tun *tun, struct rtnl *rtnl)
{
	tun->rtnl = rtnl;
}

void tun_free(struct tun *tun)
{
	if (!tun)
		return;
	for (size_t i = 0; i < tun->n_devices; i++)
		(void)close(tun->devices[i].fd);
	nl_socket_free(tun->sock);
	free(tun->prefixes);
	free(tun);
}

void tun_add(struct tun *tun, int fd)
{
	if (tun->n_devices == DEVICES_MAX) {
		(void)close(fd);
		return;
	}
	tun->devices[tun->n_devices++] = (struct device){.fd = fd};
}

/* ---- devices ---- */

/* IPv6 would give it a link-local address and solicit routers; a tunnel has neither. */
static int put_no_addresses(struct nl_msg *message)
{
	struct nlattr *spec = nla_nest_start(message, IFLA_AF_SPEC);
	struct nlattr *inet6 = spec ? nla_nest_start(message, AF_INET6) : NULL;

	if (!inet6 || nla_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, ADDR_GEN_NONE) < 0)
		return -ENOMEM;
	(void)nla_nest_end(message, inet6);
	(void)nla_nest_end(message, spec);
	return 0;
}

static int append_setup(struct rtaddr_batch *batch, unsigned index, bool with_ipv6)
{
	_cleanup_(nlmsg_free_p) struct nl_msg *message =
		nlmsg_alloc_simple(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK);
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index};

	if (!message || nlmsg_append(message, &head, sizeof(head), NLMSG_ALIGNTO) < 0)
		return -ENOMEM;
	if (!with_ipv6 && nla_put_u32(message, IFLA_MTU, VPN_TUN_MTU) < 0)
		return -ENOMEM;
	if (with_ipv6 && put_no_addresses(message) < 0)
		return -ENOMEM;
	return rtaddr_batch_append(batch, message);
}

/* The MTU, no addresses of its own, up. A kernel without IPv6 cannot be told of the second. */
static int set_up(struct tun *tun, unsigned index)
{
	_cleanup_(rtaddr_batch_done) struct rtaddr_batch batch = {0};
	int results[3] = {0};
	int r = append_setup(&batch, index, false);

	if (r == 0)
		r = append_setup(&batch, index, true);
	if (r == 0)
		r = rtaddr_batch_raise(&batch, index);
	if (r == 0)
		r = rtaddr_batch_send(&batch, tun->sock, results);
	if (r == 0)
		r = results[0] < 0 ? results[0] : results[2];
	return r;
}

static int device_make(struct tun *tun, struct device *device, unsigned instance)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE};
	unsigned index;
	int r = tun->sock ? 0 : rtaddr_open(&tun->sock);

	if (r < 0)
		return r;
	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "asafo%u", instance);
	if (ioctl(device->fd, TUNSETIFF, &request) < 0)
		return -errno;
	index = if_nametoindex(request.ifr_name);
	if (index == 0)
		return -errno;
	r = set_up(tun, index);
	if (r < 0)
		return r;
	memcpy(device->name, request.ifr_name, sizeof(device->name));
	device->index = index;
	return 0;
}

int tun_device(struct tun *tun, unsigned instance, char ret_name[static 16], int *ret_fd,
	       struct why *ret_why)
{
	struct device *device;
	int r = 0;

	if (instance >= tun->n_devices)
		return why_set(ret_why, -ENODEV,
			       "front %u has no TUN device: /dev/net/tun could not be opened when "
			       "the service began (see `modprobe tun`)",
			       instance);
	device = &tun->devices[instance];
	if (device->index == 0)
		r = device_make(tun, device, instance);
	if (r < 0)
		return why_set(ret_why, r, "the TUN device asafo%u could not be made: %s", instance,
			       err_text(r));
	memcpy(ret_name, device->name, sizeof(device->name));
	*ret_fd = device->fd;
	return 0;
}

/* ---- routes ---- */

static int append_route(struct rtaddr_batch *batch, int type, const struct config_address *to,
			unsigned index)
{
	int flags = type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_REPLACE : 0;
	_cleanup_(nlmsg_free_p) struct nl_msg *message =
		nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK | flags);
	struct rtmsg head = {.rtm_family = to->family,
			     .rtm_dst_len = to->prefix_length,
			     .rtm_table = RT_TABLE_MAIN,
			     .rtm_protocol = PROTOCOL,
			     .rtm_scope = to->family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
			     .rtm_type = RTN_UNICAST};

	if (!message || nlmsg_append(message, &head, sizeof(head), NLMSG_ALIGNTO) < 0 ||
	    nla_put(message, RTA_DST, to->family == AF_INET ? 4 : 16, to->bytes) < 0 ||
	    (index && nla_put_u32(message, RTA_OIF, index) < 0))
		return -ENOMEM;
	return rtaddr_batch_append(batch, message);
}

struct send {
	struct rtaddr_batch *batch;
	struct nl_sock *sock;
};

static int do_send(void *userdata)
{
	const struct send *send = userdata;

	return rtaddr_batch_send(send->batch, send->sock, NULL);
}

static void send_routes(struct tun *tun, struct rtaddr_batch *batch)
{
	if (tun->sock && batch->n > 0)
		(void)rtnl_do(tun->rtnl, do_send, &(struct send){batch, tun->sock});
}

/* The largest prefix that begins at INDEX of POOL and holds at most LEFT addresses. */
static struct config_address prefix_at(const struct config_pool *pool, uint32_t index,
				       uint32_t left, uint32_t *ret_size)
{
	struct config_address prefix = config_pool_address(pool, index);
	uint8_t bits = prefix.family == AF_INET ? 32 : 128;
	uint32_t size = 1;

	prefix.prefix_length = bits;
	while (size * 2 <= left && prefix.prefix_length > 0) {
		struct config_address wider = prefix;

		wider.prefix_length--;
		if (!config_address_is_network(&wider))
			break;
		prefix = wider;
		size *= 2;
	}
	*ret_size = size;
	return prefix;
}

/* What the pools are made of. Errors: -ENOMEM; ERR_TOO_LARGE. */
static int prefixes_of(const struct config_vpn *vpn, struct config_address **ret_prefixes,
		       size_t *ret_n)
{
	struct config_address *prefixes = calloc(PREFIXES_MAX, sizeof(*prefixes));
	size_t n = 0;

	if (!prefixes)
		return -ENOMEM;
	for (size_t i = 0; vpn->is_enabled && i < vpn->n_pools; i++) {
		const struct config_pool *pool = &vpn->pools[i];
		uint32_t at = 0, size;

		while (at < pool->count && n < PREFIXES_MAX) {
			prefixes[n++] = prefix_at(pool, at, pool->count - at, &size);
			at += size;
		}
	}
	*ret_prefixes = prefixes;
	*ret_n = n;
	return 0;
}

static bool has_prefix(const struct config_address *prefixes, size_t n,
		       const struct config_address *prefix)
{
	for (size_t i = 0; i < n; i++) {
		if (prefixes[i].prefix_length == prefix->prefix_length &&
		    config_address_equal(&prefixes[i], prefix))
			return true;
	}
	return false;
}

void tun_pools(struct tun *tun, const struct config_vpn *vpn)
{
	_cleanup_(rtaddr_batch_done) struct rtaddr_batch batch = {0};
	struct config_address *prefixes;
	unsigned index = tun->n_devices > 0 ? tun->devices[0].index : 0;
	size_t n;
	int r = 0;

	if (index == 0 || prefixes_of(vpn, &prefixes, &n) < 0)
		return;
	for (size_t i = 0; i < tun->n_prefixes && r == 0; i++) {
		if (!has_prefix(prefixes, n, &tun->prefixes[i]))
			r = append_route(&batch, RTM_DELROUTE, &tun->prefixes[i], index);
	}
	for (size_t i = 0; i < n && r == 0; i++) {
		if (!has_prefix(tun->prefixes, tun->n_prefixes, &prefixes[i]))
			r = append_route(&batch, RTM_NEWROUTE, &prefixes[i], index);
	}
	send_routes(tun, &batch);
	free(tun->prefixes);
	tun->prefixes = prefixes;
	tun->n_prefixes = n;
}

static int append_host(struct rtaddr_batch *batch, int type, const struct vpn_address *address,
		       unsigned index)
{
	struct config_address host = {.family = address->size == 4 ? AF_INET : AF_INET6,
				      .prefix_length = (uint8_t)(address->size * 8)};

	if (address->size == 0)
		return 0;
	memcpy(host.bytes, address->bytes, address->size);
	return append_route(batch, type, &host, index);
}

/* A pool's last address may be a /32 of the pool's own: that route is put back. */
static void restore_prefixes(struct tun *tun, struct rtaddr_batch *batch,
			     const struct vpn_address *address)
{
	struct config_address host = {.family = address->size == 4 ? AF_INET : AF_INET6,
				      .prefix_length = (uint8_t)(address->size * 8)};

	memcpy(host.bytes, address->bytes, address->size);
	if (address->size > 0 && has_prefix(tun->prefixes, tun->n_prefixes, &host))
		(void)append_route(batch, RTM_NEWROUTE, &host, tun->devices[0].index);
	else
		(void)append_host(batch, RTM_DELROUTE, address, 0);
}

/* One front: the pools' routes are enough. */
static bool has_one(const struct tun *tun)
{
	return tun->n_devices < 2 || tun->devices[1].index == 0;
}

static void remove_routes(struct tun *tun, const struct vpn_session *session)
{
	_cleanup_(rtaddr_batch_done) struct rtaddr_batch batch = {0};

	restore_prefixes(tun, &batch, &session->v4);
	restore_prefixes(tun, &batch, &session->v6);
	send_routes(tun, &batch);
}

void tun_route(struct tun *tun, const struct vpn_session *session)
{
	_cleanup_(rtaddr_batch_done) struct rtaddr_batch batch = {0};
	unsigned index = 0;

	if (has_one(tun))
		return;
	if (session->owner > 1 && session->owner <= tun->n_devices)
		index = tun->devices[session->owner - 1].index;
	if (index == 0) {
		remove_routes(tun, session);
		return;
	}
	if (append_host(&batch, RTM_NEWROUTE, &session->v4, index) == 0 &&
	    append_host(&batch, RTM_NEWROUTE, &session->v6, index) == 0)
		send_routes(tun, &batch);
}

void tun_unroute(struct tun *tun, const struct vpn_session *session)
{
	if (!has_one(tun) && session->owner > 1)
		remove_routes(tun, session);
}
