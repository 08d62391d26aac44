/* SPDX-License-Identifier: Apache-2.0 */
/* The begin and the end of it, and in whose thread the rest is done. */
#include <errno.h>
#include <netlink/socket.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "failover/rtaddr.h"
#include "failover/vip_internal.h"

int vip_new(sd_event *event, struct vip **ret_vip)
{
	struct vip *vip = calloc(1, sizeof(*vip));
	int r;

	if (!vip)
		return -ENOMEM;
	r = rtaddr_open(&vip->sock);
	if (r == 0)
		r = vip_withdraw_all();
	if (r >= 0) {
		vip_routes_forget(vip);
		r = vip_lease_start(vip, event);
	}
	if (r < 0) {
		vip_free(vip);
		return r;
	}
	*ret_vip = vip;
	return 0;
}

void vip_free(struct vip *vip)
{
	if (!vip)
		return;
	if (vip->sock)
		vip_lease_withdraw(vip);
	sd_event_source_disable_unref(vip->timer);
	sd_event_source_disable_unref(vip->ring_timer);
	sd_event_source_disable_unref(vip->repair);
	sd_event_source_disable_unref(vip->landing);
	nl_socket_free(vip->sock);
	free(vip->leases);
	free(vip->current);
	free(vip->promoting);
	rtaddr_list_done(&vip->before);
	vip_renewal_done(&vip->renewal);
	free(vip->routes);
	free(vip);
}

void vip_set_rtnl(struct vip *vip, struct rtnl *rtnl)
{
	vip->rtnl = rtnl;
}

int vip_do(struct vip *vip, rtnl_work_fn work, void *userdata)
{
	vip_lease_land(vip);
	return rtnl_do(vip->rtnl, work, userdata);
}

const struct vip_address *vip_current(const struct vip *vip, size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; i < vip->n_leases; i++)
		if (vip->leases[i].is_held)
			vip->current[n++] = vip->leases[i].address;
	*ret_n = n;
	return vip->current;
}

struct raise {
	struct vip *vip;
	unsigned index;
};

static int do_raise(void *userdata)
{
	_cleanup_(rtaddr_batch_done) struct rtaddr_batch batch = {0};
	const struct raise *raise = userdata;
	int result = 0;
	int r = rtaddr_batch_raise(&batch, raise->index);

	if (r == 0)
		r = rtaddr_batch_send(&batch, raise->vip->sock, &result);
	return r < 0 ? r : result;
}

int vip_raise(struct vip *vip, unsigned index)
{
	return vip_do(vip, do_raise, &(struct raise){vip, index});
}
