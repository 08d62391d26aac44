/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "ipc/frame.h"

/*
 * One end of a socket pair between two of asafo's processes, on an sd-event loop. Requests that the
 * table of the room does not permit are dropped before their body is decoded, and the channel is
 * closed: a peer that asks what it may not is broken or hostile.
 */
struct ipc_channel;

/* A request (or notice: id 0) arrived. BODY is unpacked (NULL where the type has none) and freed
 * after the call. */
typedef void (*ipc_request_fn)(struct ipc_channel *channel, struct ipc_frame *frame,
			       const ProtobufCMessage *body, void *userdata);
/*
 * The reply to a call, or CODE < 0 (ERR_CLOSED, ERR_MALFORMED) and a NULL body when there will be
 * none. With HAS_MORE it is called again.
 */
typedef void (*ipc_reply_fn)(int code, const ProtobufCMessage *body, bool has_more, void *userdata);
/* The other end is gone, or broke the rules (CODE). Called once; free the channel here or later. */
typedef void (*ipc_closed_fn)(struct ipc_channel *channel, int code, void *userdata);

struct ipc_channel_ops {
	const bool *permitted; /* [IPC_TYPE__MAX]: the requests that this end takes */
	ipc_request_fn on_request;
	ipc_closed_fn on_closed;
};

/*
 * Takes over FD (closed on failure too). EVENT and OPS are borrowed for the channel's life. Errors:
 * -ENOMEM, -errno.
 */
int ipc_channel_new(sd_event *event, int fd, const struct ipc_channel_ops *ops, void *userdata,
		    struct ipc_channel **ret_channel);
/* Pending calls get ERR_CLOSED first. Takes NULL. Safe inside the channel's own callbacks. */
void ipc_channel_free(struct ipc_channel *channel);

/*
 * Queues a notice or a request without caring for a reply. MESSAGE may be NULL; FDS are duplicated.
 * Never blocks; what the socket does not take is kept in order. Errors: ERR_CLOSED, ERR_TOO_LARGE,
 * ERR_BUSY (more than 64 MiB are waiting: the other end does not read), -ENOMEM.
 */
int ipc_channel_send(struct ipc_channel *channel, enum ipc_type type,
		     const ProtobufCMessage *message, const int *fds, size_t n_fds);
/* As ipc_channel_send; ON_REPLY is called when the answer comes. Not called if this returns an
 * error. */
int ipc_channel_call(struct ipc_channel *channel, enum ipc_type type,
		     const ProtobufCMessage *message, const int *fds, size_t n_fds,
		     ipc_reply_fn on_reply, void *userdata);
/* Answers request ID of TYPE. */
int ipc_channel_reply(struct ipc_channel *channel, enum ipc_type type, uint32_t id, bool has_more,
		      const ProtobufCMessage *message);
/*
 * Sends a request and waits for its reply at most TIMEOUT_MS; what else arrives meanwhile is
 * dispatched later from the loop. For the front's signatures only: the engine never blocks. Errors:
 * ERR_TIMEOUT, ERR_CLOSED, ERR_MALFORMED. *RET_BODY is to be freed with
 * protobuf_c_message_free_unpacked.
 */
int ipc_channel_call_sync(struct ipc_channel *channel, enum ipc_type type,
			  const ProtobufCMessage *message, unsigned timeout_ms,
			  ProtobufCMessage **ret_body);
/*
 * For a program that waits for something slow outside its loop: dispatches what has arrived of the
 * requests of the types that MEANWHILE ([IPC_TYPE__MAX]) names; what else has arrived, and that the
 * other end is gone, is dispatched later from the loop. Does not block. Safe where the channel is
 * freed in it.
 */
void ipc_channel_serve(struct ipc_channel *channel, const bool *meanwhile);
/* To wait on until there is something to serve; -1: there will not be. */
int ipc_channel_fd(const struct ipc_channel *channel);
/* Bytes that wait to be sent. */
size_t ipc_channel_queued(const struct ipc_channel *channel);
