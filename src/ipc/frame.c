/* SPDX-License-Identifier: Apache-2.0 */
/* The frame is looked at before a byte of the body is: length, type, direction. */
#include "ipc/frame.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

#define FLAG_REPLY 1u
#define FLAG_MORE 2u

union control_space {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
};

static void header_encode(const struct ipc_frame *frame, uint8_t header[static IPC_HEADER_SIZE])
{
	unsigned flags = (frame->is_reply ? FLAG_REPLY : 0) | (frame->has_more ? FLAG_MORE : 0);

	header[0] = (uint8_t)frame->type;
	header[1] = (uint8_t)(frame->type >> 8);
	header[2] = (uint8_t)flags;
	header[3] = 0;
	for (int i = 0; i < 4; i++)
		header[4 + i] = (uint8_t)(frame->id >> (8 * i));
}

static int header_decode(const uint8_t header[static IPC_HEADER_SIZE], struct ipc_frame *frame)
{
	unsigned type = (unsigned)header[0] | (unsigned)header[1] << 8;

	if (type == IPC_NONE || type >= IPC_TYPE__MAX || header[3] != 0 ||
	    (header[2] & ~(FLAG_REPLY | FLAG_MORE)) != 0)
		return ERR_MALFORMED;
	frame->type = (enum ipc_type)type;
	frame->is_reply = (header[2] & FLAG_REPLY) != 0;
	frame->has_more = (header[2] & FLAG_MORE) != 0;
	frame->id = (uint32_t)header[4] | (uint32_t)header[5] << 8 | (uint32_t)header[6] << 16 |
		    (uint32_t)header[7] << 24;
	return 0;
}

static void attach_fds(struct msghdr *msg, union control_space *space,
		       const struct ipc_frame *frame)
{
	struct cmsghdr *cmsg = &space->header;

	msg->msg_control = space->bytes;
	msg->msg_controllen = CMSG_SPACE(sizeof(int) * frame->n_fds);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int) * frame->n_fds);
	memcpy(CMSG_DATA(cmsg), frame->fds, sizeof(int) * frame->n_fds);
}

int ipc_frame_send_packed(int fd, int flags, const struct ipc_frame *frame, const uint8_t *body,
			  size_t size)
{
	uint8_t header[IPC_HEADER_SIZE];
	union control_space space = {0};
	struct iovec iov[2] = {{header, sizeof(header)}, {(void *)(uintptr_t)body, size}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	assert(frame->n_fds <= IPC_FDS_MAX);
	if (size > IPC_BODY_MAX)
		return ERR_TOO_LARGE;
	header_encode(frame, header);
	if (frame->n_fds > 0)
		attach_fds(&msg, &space, frame);
	if (sendmsg(fd, &msg, MSG_NOSIGNAL | flags) < 0)
		return errno == EPIPE || errno == ECONNRESET ? ERR_CLOSED : -errno;
	return 0;
}

int ipc_frame_send(int fd, const struct ipc_frame *frame, const ProtobufCMessage *message)
{
	size_t size = message ? protobuf_c_message_get_packed_size(message) : 0;
	_cleanup_free_ uint8_t *body = NULL;
	int r;

	assert(!message || message->descriptor == ipc_type_body(frame->type, frame->is_reply));
	if (size > IPC_BODY_MAX)
		return ERR_TOO_LARGE;
	body = malloc(size ? size : 1);
	if (!body)
		return -ENOMEM;
	if (message)
		(void)protobuf_c_message_pack(message, body);
	r = ipc_frame_send_packed(fd, 0, frame, body, size);
	explicit_bzero(body, size);
	return r;
}

void ipc_drop_fd(int fd)
{
	static const struct linger off = {0, 0};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
	(void)close(fd);
}

static void collect_fds(struct msghdr *msg, struct ipc_frame *frame)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		size_t n;

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
			if (frame->n_fds < IPC_FDS_MAX)
				frame->fds[frame->n_fds++] = fd;
			else
				ipc_drop_fd(fd);
		}
	}
}

int ipc_frame_receive(int fd, uint8_t *buffer, size_t buffer_size, struct ipc_frame *ret_frame)
{
	return ipc_frame_receive_with(fd, 0, buffer, buffer_size, ret_frame);
}

int ipc_frame_receive_with(int fd, int flags, uint8_t *buffer, size_t buffer_size,
			   struct ipc_frame *ret_frame)
{
	union control_space space = {0};
	struct iovec iov = {buffer, buffer_size};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = space.bytes,
			     .msg_controllen = sizeof(space.bytes)};
	struct ipc_frame frame = {.fds = {-1, -1, -1, -1}};
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | flags);

	if (n < 0)
		return errno == ECONNRESET ? ERR_CLOSED : -errno;
	collect_fds(&msg, &frame);
	if (n == 0 && frame.n_fds == 0)
		return ERR_CLOSED;
	/* Too many for a frame, or for this process's table: who takes the message says what it
	 * lacks. */
	if (msg.msg_flags & MSG_CTRUNC)
		ipc_frame_done(&frame);
	if ((msg.msg_flags & MSG_TRUNC) || n < IPC_HEADER_SIZE ||
	    (size_t)n > IPC_HEADER_SIZE + IPC_BODY_MAX || header_decode(buffer, &frame) < 0) {
		ipc_frame_done(&frame);
		return ERR_MALFORMED;
	}
	frame.body_view = buffer + IPC_HEADER_SIZE;
	frame.body_size = (size_t)n - IPC_HEADER_SIZE;
	*ret_frame = frame;
	return 0;
}

void ipc_frame_done(struct ipc_frame *frame)
{
	if (!frame)
		return;
	for (size_t i = 0; i < frame->n_fds; i++) {
		if (frame->fds[i] >= 0)
			ipc_drop_fd(frame->fds[i]);
		frame->fds[i] = -1;
	}
	frame->n_fds = 0;
}

int ipc_frame_take_fd(struct ipc_frame *frame, size_t index)
{
	return index < frame->n_fds ? TAKE_FD(frame->fds[index]) : -1;
}

static void *body_alloc(void *unused, size_t size)
{
	(void)unused;
	return malloc(size);
}

static void body_wipe(void *unused, void *bytes)
{
	(void)unused;
	if (bytes)
		explicit_bzero(bytes, malloc_usable_size(bytes));
	free(bytes);
}

void ipc_body_free(ProtobufCMessage *body)
{
	ProtobufCAllocator wiping = {body_alloc, body_wipe, NULL};

	if (body)
		protobuf_c_message_free_unpacked(body, &wiping);
}

ProtobufCMessage *ipc_frame_unpack(const struct ipc_frame *frame)
{
	const ProtobufCMessageDescriptor *schema = ipc_type_body(frame->type, frame->is_reply);

	if (!schema)
		return NULL;
	return protobuf_c_message_unpack(schema, NULL, frame->body_size, frame->body_view);
}
