/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <netlink/socket.h>

#include "base/cleanup.h"
#include "failover/rtaddr.h"

/* How many addresses in the kernel have the tag PROTOCOL. Debian 12's `ip` does not show it. */
static inline size_t count_tagged(unsigned protocol)
{
	_cleanup_(rtaddr_list_done) struct rtaddr_list list = {0};
	struct nl_sock *sock = NULL;
	size_t n = 0;

	assert_int_equal(rtaddr_open(&sock), 0);
	assert_int_equal(rtaddr_dump(sock, &list), 0);
	nl_socket_free(sock);
	for (size_t i = 0; i < list.n; i++)
		n += list.items[i].protocol == protocol;
	return n;
}
