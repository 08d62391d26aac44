/* SPDX-License-Identifier: Apache-2.0 */
/* Routes are remembered, not read back: a router's table may be long. What is wanted and was
 * removed is found by asking for it again. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/rtroute.h"
#include "failover/vip_internal.h"

static bool is_same_address(const struct config_address *a, const struct config_address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool is_same_route(const struct rtroute *a, const struct rtroute *b)
{
	return a->index == b->index && a->route.metric == b->route.metric &&
	       a->route.is_active == b->route.is_active &&
	       is_same_address(&a->route.destination, &b->route.destination) &&
	       a->route.destination.prefix_length == b->route.destination.prefix_length &&
	       is_same_address(&a->route.gateway, &b->route.gateway);
}

static bool is_among(const struct rtroute *route, const struct rtroute *routes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_same_route(route, &routes[i]))
			return true;
	return false;
}

static int append_changes(struct vip *vip, struct rtaddr_batch *batch, const struct rtroute *wanted,
			  size_t n_wanted, size_t *ret_first)
{
	int r = 0;

	for (size_t i = 0; i < vip->n_routes && r == 0; i++)
		if (vip->routes[i].index != 0 && !is_among(&vip->routes[i], wanted, n_wanted))
			r = rtroute_append_delete(batch, &vip->routes[i]);
	*ret_first = batch->n;
	for (size_t i = 0; i < n_wanted && r == 0; i++)
		if (wanted[i].index != 0)
			r = rtroute_append_add(batch, &wanted[i]);
	return r;
}

static int why_route(struct why *ret_why, int code, const struct vip_route *route)
{
	char to[INET6_ADDRSTRLEN] = "?", gateway[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(route->destination.family, route->destination.bytes, to, sizeof(to));
	(void)inet_ntop(route->gateway.family, route->gateway.bytes, gateway, sizeof(gateway));
	return why_set(ret_why, code, "cannot set the route to %s/%u by %s on %s: %s", to,
		       route->destination.prefix_length, gateway, route->device,
		       code == -ENODEV ? "there is no such interface" : err_text(code));
}

/* Sends; the first error goes to RET_WHY and is returned. */
static int send_routes(struct vip *vip, struct rtaddr_batch *batch, size_t first,
		       struct why *ret_why)
{
	_cleanup_free_ int *results = calloc(batch->n + 1, sizeof(*results));
	size_t request = first;
	int failed = 0;
	int r = results ? rtaddr_batch_send(batch, vip->sock, results) : -ENOMEM;

	if (r < 0)
		return why_set(ret_why, r, "cannot change routes: %s", err_text(r));
	for (size_t i = 0; i < vip->n_routes; i++) {
		struct rtroute *route = &vip->routes[i];

		r = route->index != 0 ? results[request++] : -ENODEV;
		route->is_held = r == 0 || r == -EEXIST;
		if (!route->is_held && failed == 0)
			failed = why_route(ret_why, r, &route->route);
	}
	return failed;
}

/* Hundreds of routes are on few devices: each costs a system call. */
static unsigned index_of(const struct vip *vip, const struct rtroute *routes,
			 const struct vip_route *wanted, size_t i)
{
	if (i > 0 && strcmp(wanted[i].device, wanted[i - 1].device) == 0)
		return routes[i - 1].index;
	return rtaddr_index(vip->sock, wanted[i].device);
}

struct ask {
	struct vip *vip;
	const struct vip_route *wanted;
	size_t n_wanted;
	struct why *ret_why;
};

static int do_set(void *userdata)
{
	const struct ask *ask = userdata;
	const struct vip_route *wanted = ask->wanted;
	size_t n_wanted = ask->n_wanted;
	struct vip *vip = ask->vip;
	_cleanup_(rtaddr_batch_done) struct rtaddr_batch batch = {.is_parted = true};
	struct rtroute *routes = calloc(n_wanted + 1, sizeof(*routes));
	size_t first = 0;
	int r = routes ? 0 : -ENOMEM;

	for (size_t i = 0; i < n_wanted && r == 0; i++)
		routes[i] = (struct rtroute){.route = wanted[i],
					     .index = index_of(vip, routes, wanted, i)};
	if (r == 0)
		r = append_changes(vip, &batch, routes, n_wanted, &first);
	if (r < 0) {
		free(routes);
		return why_set(ask->ret_why, r, "cannot change routes: %s", err_text(r));
	}
	free(vip->routes);
	vip->routes = routes;
	vip->n_routes = n_wanted;
	return send_routes(vip, &batch, first, ask->ret_why);
}

int vip_set_routes(struct vip *vip, const struct vip_route *wanted, size_t n_wanted,
		   struct why *ret_why)
{
	if (n_wanted == 0 && vip->n_routes == 0)
		return 0;
	return vip_do(vip, do_set, &(struct ask){vip, wanted, n_wanted, ret_why});
}

void vip_routes_check(struct vip *vip)
{
	_cleanup_(rtaddr_batch_done) struct rtaddr_batch batch = {.is_parted = true};
	int r = 0;

	for (size_t i = 0; i < vip->n_routes && r == 0; i++)
		if (vip->routes[i].index != 0)
			r = rtroute_append_add(&batch, &vip->routes[i]);
	if (r == 0)
		(void)send_routes(vip, &batch, 0, NULL);
}

void vip_routes_forget(struct vip *vip)
{
	_cleanup_(rtaddr_batch_done) struct rtaddr_batch batch = {0};

	if (rtroute_append_flush(&batch, vip->sock, VIP_PROTOCOL_STANDBY) == 0)
		(void)rtaddr_batch_send(&batch, vip->sock, NULL);
}
