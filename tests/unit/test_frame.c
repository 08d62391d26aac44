/* SPDX-License-Identifier: Apache-2.0 */
/* What a sender that was taken over may put beside a message. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/monotime.h"
#include "ipc/frame.h"

#define LINGER_S 20

static struct {
	int sender, receiver;
	uint8_t buffer[IPC_HEADER_SIZE + IPC_BODY_MAX];
} pair;

static int set_up(void **state)
{
	int fds[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -1;
	pair.sender = fds[0];
	pair.receiver = fds[1];
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)close(pair.sender);
	(void)close(pair.receiver);
	return 0;
}

static void send_with(const int *fds, size_t n_fds)
{
	struct ipc_frame frame = {.type = IPC_VPN_DATAGRAM, .n_fds = n_fds};

	memcpy(frame.fds, fds, n_fds * sizeof(*fds));
	assert_int_equal(ipc_frame_send(pair.sender, &frame, NULL), 0);
}

/* A TCP connection with more in it than the other end, *RET_PEER, takes; close(2) of it waits. */
static int lingering(int *ret_peer)
{
	static const uint8_t junk[65536];
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof(at);
	struct linger linger = {1, LINGER_S};
	_cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (const struct sockaddr *)&at, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&at, size), 0);
	*ret_peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*ret_peer >= 0);
	while (send(fd, junk, sizeof(junk), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}

static void a_connection_that_lingers_is_dropped_at_once(void **state)
{
	_cleanup_close_ int peer = -1;
	int fd = lingering(&peer);
	struct ipc_frame frame;
	struct monotime began;

	(void)state;
	send_with(&fd, 1);
	(void)close(fd); /* the message has the last copy */
	assert_int_equal(ipc_frame_receive(pair.receiver, pair.buffer, sizeof(pair.buffer), &frame),
			 0);
	assert_int_equal(frame.n_fds, 1);
	began = monotime_now();
	ipc_frame_done(&frame);
	assert_true(monotime_since(monotime_now(), began) < LINGER_S / 2 * MONOTIME_NS_PER_SEC);
}

static void a_message_comes_without_descriptors_where_there_is_no_room_for_them(void **state)
{
	int fds[2];
	struct rlimit before, none;
	struct ipc_frame frame;
	int r;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	send_with(fds, 2);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = ipc_frame_receive(pair.receiver, pair.buffer, sizeof(pair.buffer), &frame);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(r, 0);
	assert_int_equal(frame.type, IPC_VPN_DATAGRAM);
	assert_int_equal(frame.n_fds, 0);
	assert_int_equal(ipc_frame_take_fd(&frame, 0), -1);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_connection_that_lingers_is_dropped_at_once,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_message_comes_without_descriptors_where_there_is_no_room_for_them, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
