/* SPDX-License-Identifier: Apache-2.0 */
/* What a sender that was taken over may put beside a message; what waits for a reader. */
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
#include "ipc/channel.h"
#include "ipc/frame.h"
#include "src/ipc/ipc.pb-c.h"

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

#define QUEUED 60
#define QUEUED_SIZE (100u * 1024)

struct reader {
	unsigned n;
	int fd; /* that came with the last one */
};

static void on_queued(struct ipc_channel *channel, struct ipc_frame *frame,
		      const ProtobufCMessage *body, void *userdata)
{
	const ProtobufCBinaryData *content = &((const Asafo__Ipc__FileWrite *)body)->content;
	struct reader *reader = userdata;

	(void)channel;
	assert_int_equal(content->len, QUEUED_SIZE);
	for (size_t i = 0; i < content->len; i++)
		assert_int_equal(content->data[i], (uint8_t)(reader->n + i));
	reader->n++;
	assert_int_equal(frame->n_fds, reader->n == QUEUED);
	reader->fd = ipc_frame_take_fd(frame, 0);
}

static void on_gone(struct ipc_channel *channel, int code, void *userdata)
{
	(void)channel;
	(void)userdata;
	fail_msg("the channel ended: %d", code);
}

static void send_queued(struct ipc_channel *channel, unsigned number, const int *fds, size_t n_fds)
{
	static uint8_t content[QUEUED_SIZE];
	Asafo__Ipc__FileWrite body = ASAFO__IPC__FILE_WRITE__INIT;

	for (size_t i = 0; i < QUEUED_SIZE; i++)
		content[i] = (uint8_t)(number + i);
	body.content = (ProtobufCBinaryData){QUEUED_SIZE, content};
	assert_int_equal(ipc_channel_send(channel, IPC_FILE_WRITE, &body.base, fds, n_fds), 0);
}

static void what_waits_for_a_reader_comes_as_it_was_and_in_order(void **state)
{
	static const bool permitted[IPC_TYPE__MAX] = {[IPC_FILE_WRITE] = true};
	static const struct ipc_channel_ops ops = {permitted, on_queued, on_gone};
	struct ipc_channel *from = NULL, *to = NULL;
	struct reader reader = {.fd = -1};
	sd_event *event = NULL;
	uint8_t byte = 0;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(ipc_channel_new(event, dup(pair.sender), &ops, &reader, &from), 0);
	assert_int_equal(ipc_channel_new(event, dup(pair.receiver), &ops, &reader, &to), 0);
	for (unsigned i = 0; i < QUEUED; i++)
		send_queued(from, i, fds, i == QUEUED - 1);
	assert_true(ipc_channel_queued(from) > QUEUED / 2 * QUEUED_SIZE);
	/* The queue has its own. */
	(void)close(fds[0]);
	while (reader.n < QUEUED)
		assert_true(sd_event_run(event, UINT64_MAX) >= 0);
	assert_int_equal(ipc_channel_queued(from), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(read(reader.fd, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	(void)close(fds[1]);
	(void)close(reader.fd);
	ipc_channel_free(from);
	ipc_channel_free(to);
	(void)sd_event_unref(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_connection_that_lingers_is_dropped_at_once,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_message_comes_without_descriptors_where_there_is_no_room_for_them, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			what_waits_for_a_reader_comes_as_it_was_and_in_order, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
