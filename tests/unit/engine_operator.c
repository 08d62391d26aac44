/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator asks of the engine under test, over its control socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "engine_world.h"

#define FDS_MAX 2

int world_ask(const char *request, int fd)
{
	return world_ask_with(request, &fd, fd >= 0);
}

int world_ask_with(const char *request, const int *fds, size_t n_fds)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	union {
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr header;
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)request, strlen(request) + 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", world.socket_path);
	assert_int_equal(connect(sock, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_true(n_fds <= FDS_MAX);
	if (n_fds > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(sock, &msg, 0), (ssize_t)iov.iov_len);
	return sock;
}

const char *world_answer(int fd)
{
	static char text[65536];
	ssize_t n = 0;

	WAIT_FOR((n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0);
	text[n] = 0;
	return text;
}

int world_write_standby(void)
{
	int writer;

	world_be_active("");
	WAIT_FOR(world.keeper.asked[IPC_HISTORY_KEEP] > 0 &&
		 !world.engine->history_keep.is_changed && !world.engine->history_keep.is_saving);
	writer = world_ask("{\"method\":\"asafo.WriteStandby\"}", -1);
	WAIT_FOR(WORLD_GOT(SYNC_START) == 1);
	return writer;
}
