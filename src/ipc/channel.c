/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames that the socket does not take are queued as they were packed; what arrives is dispatched
 * from the loop, at most 64 frames a turn so that one busy peer does not starve the others. A
 * channel that is freed inside one of its callbacks is only marked, and goes away when the dispatch
 * returns.
 */
#include "ipc/channel.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/monotime.h"

#define QUEUE_BYTES_MAX (64u * 1024 * 1024)
#define FRAMES_PER_TURN 64
#define BUFFER_SIZE (IPC_HEADER_SIZE + IPC_BODY_MAX)

struct queued_frame {
	struct queued_frame *next;
	struct ipc_frame frame; /* its descriptors are duplicates */
	size_t size;
	uint8_t body[];
};

struct pending_call {
	struct pending_call *next;
	uint32_t id;
	enum ipc_type type;
	ipc_reply_fn on_reply;
	void *userdata;
};

struct deferred_frame {
	struct deferred_frame *next;
	struct ipc_frame frame;
	uint8_t body[];
};

struct ipc_channel {
	int fd;
	const struct ipc_channel_ops *ops;
	void *userdata;
	sd_event_source *io;
	sd_event_source *defer;
	struct queued_frame *out_head, **out_tail;
	size_t out_bytes;
	struct pending_call *calls;
	struct deferred_frame *deferred, **deferred_tail;
	uint32_t next_id;
	int failure; /* of the socket, for the loop to find */
	bool is_closed;
	bool is_freed;
	unsigned depth;	      /* callbacks on the stack */
	unsigned patience_ms; /* of the socket, whose reads wait so long where they may; 0: they
				 never do */
	uint8_t *buffer;
};

static void queued_free(struct queued_frame *entry)
{
	ipc_frame_done(&entry->frame);
	explicit_bzero(entry->body, entry->size);
	free(entry);
}

static void calls_fail(struct ipc_channel *channel, int code)
{
	while (channel->calls) {
		struct pending_call *call = channel->calls;

		channel->calls = call->next;
		call->on_reply(code, NULL, false, call->userdata);
		free(call);
	}
}

static void channel_destroy(struct ipc_channel *channel)
{
	while (channel->out_head) {
		struct queued_frame *entry = channel->out_head;

		channel->out_head = entry->next;
		queued_free(entry);
	}
	while (channel->deferred) {
		struct deferred_frame *entry = channel->deferred;

		channel->deferred = entry->next;
		ipc_frame_done(&entry->frame);
		free(entry);
	}
	free(channel->buffer);
	free(channel);
}

/* The socket and the sources go at once; the memory when no callback of this channel is on the
 * stack. */
static void channel_stop(struct ipc_channel *channel)
{
	channel->is_closed = true;
	channel->io = sd_event_source_disable_unref(channel->io);
	channel->defer = sd_event_source_disable_unref(channel->defer);
	if (channel->fd >= 0)
		(void)close(TAKE_FD(channel->fd));
}

void ipc_channel_free(struct ipc_channel *channel)
{
	if (!channel || channel->is_freed)
		return;
	channel->is_freed = true;
	channel->depth++;
	channel_stop(channel);
	calls_fail(channel, ERR_CLOSED);
	channel->depth--;
	if (channel->depth == 0)
		channel_destroy(channel);
}

static void leave(struct ipc_channel *channel)
{
	channel->depth--;
	if (channel->depth == 0 && channel->is_freed)
		channel_destroy(channel);
}

static void channel_close(struct ipc_channel *channel, int code)
{
	if (channel->is_closed)
		return;
	channel_stop(channel);
	calls_fail(channel, code);
	if (!channel->is_freed && channel->ops->on_closed)
		channel->ops->on_closed(channel, code, channel->userdata);
}

static void dispatch_reply(struct ipc_channel *channel, const struct ipc_frame *frame)
{
	struct pending_call **at = &channel->calls;
	ProtobufCMessage *body;
	struct pending_call *call;

	while (*at && (*at)->id != frame->id)
		at = &(*at)->next;
	call = *at;
	if (!call)
		return; /* nobody waits any more */
	body = call->type == frame->type ? ipc_frame_unpack(frame) : NULL;
	if (frame->has_more && body) {
		call->on_reply(0, body, true, call->userdata);
	} else {
		*at = call->next;
		call->on_reply(body ? 0 : ERR_MALFORMED, body, false, call->userdata);
		free(call);
	}
	ipc_body_free(body);
}

static void dispatch_request(struct ipc_channel *channel, struct ipc_frame *frame)
{
	ProtobufCMessage *body = NULL;

	if (!channel->ops->permitted || !channel->ops->permitted[frame->type]) {
		channel_close(channel, ERR_DENIED);
		return;
	}
	if (ipc_type_body(frame->type, false)) {
		body = ipc_frame_unpack(frame);
		if (!body) {
			channel_close(channel, ERR_MALFORMED);
			return;
		}
	}
	channel->ops->on_request(channel, frame, body, channel->userdata);
	ipc_body_free(body);
}

static void dispatch_frame(struct ipc_channel *channel, struct ipc_frame *frame)
{
	if (frame->is_reply)
		dispatch_reply(channel, frame);
	else
		dispatch_request(channel, frame);
	ipc_frame_done(frame);
}

static int want_output(struct ipc_channel *channel, bool wanted)
{
	return sd_event_source_set_io_events(channel->io, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static int flush_output(struct ipc_channel *channel)
{
	while (channel->out_head) {
		struct queued_frame *entry = channel->out_head;
		int r = ipc_frame_send_packed(channel->fd, MSG_DONTWAIT, &entry->frame, entry->body,
					      entry->size);

		if (r == -EAGAIN || r == -ENOBUFS)
			return 0;
		if (r < 0)
			return r;
		channel->out_head = entry->next;
		if (!channel->out_head)
			channel->out_tail = &channel->out_head;
		channel->out_bytes -= IPC_HEADER_SIZE + entry->size;
		queued_free(entry);
	}
	return want_output(channel, false);
}

static void read_frames(struct ipc_channel *channel)
{
	for (int i = 0; i < FRAMES_PER_TURN && !channel->is_closed; i++) {
		struct ipc_frame frame;
		int r = ipc_frame_receive_with(channel->fd, MSG_DONTWAIT, channel->buffer,
					       BUFFER_SIZE, &frame);

		if (r == -EAGAIN || r == -EINTR)
			return;
		if (r < 0) {
			channel_close(channel, r);
			return;
		}
		dispatch_frame(channel, &frame);
		explicit_bzero(channel->buffer, IPC_HEADER_SIZE + frame.body_size);
		/* Who asks for a signature waits for it: nothing is behind the question. */
		if (frame.type == IPC_SIGN && !frame.is_reply)
			return;
	}
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct ipc_channel *channel = userdata;
	int r = 0;

	(void)source;
	(void)fd;
	channel->depth++;
	if ((events & EPOLLOUT) != 0)
		r = flush_output(channel);
	if (r < 0)
		channel_close(channel, r);
	else if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		read_frames(channel);
	leave(channel);
	return 0;
}

static int on_deferred(sd_event_source *source, void *userdata)
{
	struct ipc_channel *channel = userdata;

	(void)source;
	channel->depth++;
	while (channel->deferred && !channel->is_closed) {
		struct deferred_frame *entry = channel->deferred;

		channel->deferred = entry->next;
		if (!channel->deferred)
			channel->deferred_tail = &channel->deferred;
		dispatch_frame(channel, &entry->frame);
		free(entry);
	}
	if (channel->failure < 0)
		channel_close(channel, channel->failure);
	leave(channel);
	return 0;
}

int ipc_channel_new(sd_event *event, int fd, const struct ipc_channel_ops *ops, void *userdata,
		    struct ipc_channel **ret_channel)
{
	struct ipc_channel *channel = calloc(1, sizeof(*channel));
	int r;

	if (!channel) {
		(void)close(fd);
		return -ENOMEM;
	}
	*channel = (struct ipc_channel){.fd = fd, .ops = ops, .userdata = userdata, .next_id = 1};
	channel->out_tail = &channel->out_head;
	channel->deferred_tail = &channel->deferred;
	channel->buffer = malloc(BUFFER_SIZE);
	r = channel->buffer ? io_set_nonblocking(fd) : -ENOMEM;
	if (r == 0)
		r = sd_event_add_io(event, &channel->io, fd, EPOLLIN, on_io, channel);
	if (r >= 0)
		r = sd_event_add_defer(event, &channel->defer, on_deferred, channel);
	if (r >= 0)
		r = sd_event_source_set_enabled(channel->defer, SD_EVENT_OFF);
	if (r < 0) {
		ipc_channel_free(channel);
		return r;
	}
	*ret_channel = channel;
	return 0;
}

static struct queued_frame *queued_new(const struct ipc_frame *frame,
				       const ProtobufCMessage *message, size_t size)
{
	struct queued_frame *entry = malloc(sizeof(*entry) + size);

	assert(!message || message->descriptor == ipc_type_body(frame->type, frame->is_reply));
	if (!entry)
		return NULL;
	entry->next = NULL;
	entry->frame = *frame;
	entry->frame.n_fds = 0;
	entry->size = size;
	if (message)
		(void)protobuf_c_message_pack(message, entry->body);
	return entry;
}

static int duplicate_fds(const struct ipc_frame *frame, struct ipc_frame *copy)
{
	for (size_t i = 0; i < frame->n_fds; i++) {
		int fd = fcntl(frame->fds[i], F_DUPFD_CLOEXEC, 3);

		if (fd < 0)
			return -errno;
		copy->fds[copy->n_fds++] = fd;
	}
	return 0;
}

static int queue_frame(struct ipc_channel *channel, const struct ipc_frame *frame,
		       struct queued_frame *entry)
{
	int r = duplicate_fds(frame, &entry->frame);

	if (r < 0) {
		queued_free(entry);
		return r;
	}
	*channel->out_tail = entry;
	channel->out_tail = &entry->next;
	channel->out_bytes += IPC_HEADER_SIZE + entry->size;
	return want_output(channel, true);
}

static int send_or_queue(struct ipc_channel *channel, const struct ipc_frame *frame,
			 const ProtobufCMessage *message)
{
	size_t size = message ? protobuf_c_message_get_packed_size(message) : 0;
	struct queued_frame *entry;
	int r = -EAGAIN;

	if (channel->is_closed)
		return ERR_CLOSED;
	if (size > IPC_BODY_MAX)
		return ERR_TOO_LARGE;
	if (channel->out_head && channel->out_bytes > QUEUE_BYTES_MAX)
		return ERR_BUSY;
	entry = queued_new(frame, message, size);
	if (!entry)
		return -ENOMEM;
	if (!channel->out_head)
		r = ipc_frame_send_packed(channel->fd, MSG_DONTWAIT, frame, entry->body, size);
	if (r == -EAGAIN || r == -ENOBUFS)
		return queue_frame(channel, frame, entry);
	queued_free(entry);
	return r;
}

static struct ipc_frame request_frame(enum ipc_type type, uint32_t id, const int *fds, size_t n_fds)
{
	struct ipc_frame frame = {.type = type, .id = id, .n_fds = n_fds};

	assert(n_fds <= IPC_FDS_MAX);
	for (size_t i = 0; i < n_fds; i++)
		frame.fds[i] = fds[i];
	return frame;
}

int ipc_channel_send(struct ipc_channel *channel, enum ipc_type type,
		     const ProtobufCMessage *message, const int *fds, size_t n_fds)
{
	struct ipc_frame frame = request_frame(type, 0, fds, n_fds);

	return send_or_queue(channel, &frame, message);
}

static uint32_t take_id(struct ipc_channel *channel)
{
	uint32_t id = channel->next_id++;

	if (channel->next_id == 0)
		channel->next_id = 1;
	return id;
}

int ipc_channel_call(struct ipc_channel *channel, enum ipc_type type,
		     const ProtobufCMessage *message, const int *fds, size_t n_fds,
		     ipc_reply_fn on_reply, void *userdata)
{
	struct pending_call *call = calloc(1, sizeof(*call));
	struct ipc_frame frame = request_frame(type, take_id(channel), fds, n_fds);
	int r;

	if (!call)
		return -ENOMEM;
	*call = (struct pending_call){channel->calls, frame.id, type, on_reply, userdata};
	r = send_or_queue(channel, &frame, message);
	if (r < 0) {
		free(call);
		return r;
	}
	channel->calls = call;
	return 0;
}

int ipc_channel_reply(struct ipc_channel *channel, enum ipc_type type, uint32_t id, bool has_more,
		      const ProtobufCMessage *message)
{
	struct ipc_frame frame = {.type = type, .is_reply = true, .has_more = has_more, .id = id};

	return id == 0 ? 0 : send_or_queue(channel, &frame, message);
}

static int defer_frame(struct ipc_channel *channel, struct ipc_frame *frame)
{
	struct deferred_frame *entry = malloc(sizeof(*entry) + frame->body_size);

	if (!entry) {
		ipc_frame_done(frame);
		return -ENOMEM;
	}
	entry->next = NULL;
	entry->frame = *frame;
	memcpy(entry->body, frame->body_view, frame->body_size);
	entry->frame.body_view = entry->body;
	*channel->deferred_tail = entry;
	channel->deferred_tail = &entry->next;
	return sd_event_source_set_enabled(channel->defer, SD_EVENT_ONESHOT);
}

/* -EAGAIN: nothing has come, or is not there any more. */
static int poll_frame(struct ipc_channel *channel, struct monotime now, struct monotime deadline,
		      struct ipc_frame *ret_frame)
{
	struct pollfd pfd = {.fd = channel->fd, .events = POLLIN};
	int r = poll(&pfd, 1, (int)(monotime_since(deadline, now) / MONOTIME_NS_PER_MS) + 1);

	if (r <= 0)
		return r == 0 ? -EAGAIN : -errno;
	return ipc_frame_receive_with(channel->fd, MSG_DONTWAIT, channel->buffer, BUFFER_SIZE,
				      ret_frame);
}

/* The first read waits by itself, where the socket has the patience: it is all but always the
 * answer, and poll would be one more way into the kernel. */
static int wait_for_reply(struct ipc_channel *channel, enum ipc_type type, uint32_t id,
			  struct monotime deadline, ProtobufCMessage **ret_body)
{
	bool is_first = channel->patience_ms > 0;

	for (;;) {
		struct monotime now = monotime_now();
		struct ipc_frame frame;
		int r;

		if (monotime_reached(now, deadline))
			return ERR_TIMEOUT;
		r = is_first ? ipc_frame_receive_with(channel->fd, 0, channel->buffer, BUFFER_SIZE,
						      &frame)
			     : poll_frame(channel, now, deadline, &frame);
		is_first = false;
		if (r == -EAGAIN || r == -EINTR)
			continue;
		if (r < 0)
			return r;
		if (!frame.is_reply || frame.id != id) {
			r = defer_frame(channel, &frame);
			if (r < 0)
				return r;
			continue;
		}
		*ret_body = frame.type == type ? ipc_frame_unpack(&frame) : NULL;
		ipc_frame_done(&frame);
		return *ret_body ? 0 : ERR_MALFORMED;
	}
}

/* Where it cannot be had, poll waits. All else on this socket says that it does not wait. */
static void have_patience(struct ipc_channel *channel, unsigned timeout_ms)
{
	struct timeval patience = {.tv_sec = timeout_ms / 1000,
				   .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
	int flags = fcntl(channel->fd, F_GETFL);

	channel->patience_ms = 0;
	if (timeout_ms > 0 && flags >= 0 &&
	    setsockopt(channel->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
	    fcntl(channel->fd, F_SETFL, flags & ~O_NONBLOCK) == 0)
		channel->patience_ms = timeout_ms;
}

int ipc_channel_call_sync(struct ipc_channel *channel, enum ipc_type type,
			  const ProtobufCMessage *message, unsigned timeout_ms,
			  ProtobufCMessage **ret_body)
{
	struct monotime deadline = monotime_add_ms(monotime_now(), timeout_ms);
	struct ipc_frame frame = request_frame(type, take_id(channel), NULL, 0);
	int r = send_or_queue(channel, &frame, message);

	if (r < 0)
		return r;
	if (channel->patience_ms != timeout_ms)
		have_patience(channel, timeout_ms);
	return wait_for_reply(channel, type, frame.id, deadline, ret_body);
}

static void fail_later(struct ipc_channel *channel, int code)
{
	channel->failure = code;
	(void)sd_event_source_set_enabled(channel->defer, SD_EVENT_ONESHOT);
}

static void serve_frame(struct ipc_channel *channel, struct ipc_frame *frame, const bool *meanwhile)
{
	int r = 0;

	if (!frame->is_reply && meanwhile[frame->type])
		dispatch_frame(channel, frame);
	else
		r = defer_frame(channel, frame);
	if (r < 0)
		fail_later(channel, r);
}

void ipc_channel_serve(struct ipc_channel *channel, const bool *meanwhile)
{
	int r = 0;

	channel->depth++;
	if (!channel->is_closed && channel->out_head)
		r = flush_output(channel);
	for (int i = 0; r == 0 && i < FRAMES_PER_TURN && ipc_channel_fd(channel) >= 0; i++) {
		struct ipc_frame frame;

		r = ipc_frame_receive_with(channel->fd, MSG_DONTWAIT, channel->buffer, BUFFER_SIZE,
					   &frame);
		if (r < 0)
			break;
		serve_frame(channel, &frame, meanwhile);
		explicit_bzero(channel->buffer, IPC_HEADER_SIZE + frame.body_size);
	}
	if (r < 0 && r != -EAGAIN && r != -EINTR)
		fail_later(channel, r);
	leave(channel);
}

int ipc_channel_fd(const struct ipc_channel *channel)
{
	return channel->is_closed || channel->failure < 0 ? -1 : channel->fd;
}

size_t ipc_channel_queued(const struct ipc_channel *channel)
{
	return channel->out_bytes;
}
