/* SPDX-License-Identifier: Apache-2.0 */
/* For the supervisor, after the death of the engine: it needs no state of the engine's, the kernel
 * has the tags. */
#include "failover/vip.h"

#include <netlink/socket.h>

#include "base/cleanup.h"
#include "failover/rtaddr.h"
#include "failover/rtroute.h"
#include "failover/vmac.h"

CLEANUP_DEFINE(struct nl_sock *, nl_socket_free)

int vip_withdraw_all(void)
{
	_cleanup_(nl_socket_free_p) struct nl_sock *sock = NULL;
	_cleanup_(rtaddr_list_done) struct rtaddr_list list = {0};
	_cleanup_(rtaddr_batch_done) struct rtaddr_batch batch = {0};
	int n = 0;
	int r = rtaddr_open(&sock);

	if (r == 0)
		r = rtaddr_dump(sock, &list);
	/* Backwards: secondary addresses go before the one that each of them would have to succeed.
	 */
	for (size_t i = list.n; i-- > 0 && r == 0;) {
		if (list.items[i].protocol != VIP_PROTOCOL)
			continue;
		r = rtaddr_batch_delete(&batch, &list.items[i]);
		n++;
	}
	if (r == 0)
		r = rtaddr_batch_send(&batch, sock, NULL);
	/* The rest is of no use without the addresses: it must not keep them waiting. */
	if (r == 0)
		r = rtroute_append_flush(&batch, sock, VIP_PROTOCOL);
	if (r == 0)
		r = rtaddr_batch_send(&batch, sock, NULL);
	if (r == 0)
		r = vmac_withdraw_all(sock);
	return r < 0 ? r : n;
}
