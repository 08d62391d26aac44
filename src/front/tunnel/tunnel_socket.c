/* SPDX-License-Identifier: Apache-2.0 */
#include "front/tunnel/tunnel_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define UNSENT_MAX (128 * 1024) /* with the kernel and not sent: more only delays what follows */

void tunnel_socket_tune(int fd)
{
	int on = 1, unsent = UNSENT_MAX;

	/* Records are gathered already when they get here. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
}

void tunnel_socket_forget(int fd)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}
