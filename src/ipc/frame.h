/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/type.h"

#define IPC_HEADER_SIZE 8
#define IPC_BODY_MAX (192u * 1024)
#define IPC_FDS_MAX 4

/*
 * One datagram of a SOCK_SEQPACKET pair: type (16 bit), flags (16 bit: 1 reply, 2 more to follow),
 * id (32 bit), little endian, then the body. The id joins a reply to its request; 0 is "no reply
 * wanted".
 */
struct ipc_frame {
	enum ipc_type type;
	bool is_reply;
	bool has_more;
	uint32_t id;
	const uint8_t *body_view;
	size_t body_size;
	int fds[IPC_FDS_MAX]; /* owned by the frame until taken (set to -1) */
	size_t n_fds;
};

/*
 * Sends one frame; MESSAGE (may be NULL) is packed as its body, FDS travel along and stay the
 * caller's. Never blocks on a non-blocking socket. Errors: -EAGAIN (full), ERR_CLOSED,
 * ERR_TOO_LARGE, -ENOMEM, -errno.
 */
int ipc_frame_send(int fd, const struct ipc_frame *frame, const ProtobufCMessage *message);
/* The same with a body that is packed already, and FLAGS of sendmsg(2) besides. */
int ipc_frame_send_packed(int fd, int flags, const struct ipc_frame *frame, const uint8_t *body,
			  size_t size);

/*
 * Receives one frame into BUFFER (at least IPC_HEADER_SIZE + IPC_BODY_MAX bytes; body_view points
 * into it). Errors: -EAGAIN, ERR_CLOSED, ERR_MALFORMED (too long, short header, unknown type),
 * -errno.
 */
int ipc_frame_receive(int fd, uint8_t *buffer, size_t buffer_size, struct ipc_frame *ret_frame);
/* The same, with FLAGS of recvmsg(2) besides. */
int ipc_frame_receive_with(int fd, int flags, uint8_t *buffer, size_t buffer_size,
			   struct ipc_frame *ret_frame);

/*
 * Closes a descriptor that came from another process. Who sent it may have closed its own copy, and
 * asked that the last close of a TCP connection waits until an accomplice has read everything
 * (SO_LINGER, socket(7)): this one never waits. Of everything else that a process behind walls can
 * make, closing does not wait.
 */
void ipc_drop_fd(int fd);
/* Closes the descriptors that nobody took. */
void ipc_frame_done(struct ipc_frame *frame);

/* Takes descriptor INDEX out of the frame: the caller's now; -1 if there is none. */
int ipc_frame_take_fd(struct ipc_frame *frame, size_t index);

/*
 * Unpacks the body by the schema of the frame's type. NULL when it does not follow the schema, or
 * the type has no body. Free with protobuf_c_message_free_unpacked.
 */
ProtobufCMessage *ipc_frame_unpack(const struct ipc_frame *frame);
/* The same as protobuf_c_message_free_unpacked, and wipes: keys and codes go this way. Takes NULL.
 */
void ipc_body_free(ProtobufCMessage *body);
