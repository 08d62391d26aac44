/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client. Reading, dispatching and freeing never nest: a request is dispatched, and a dead
 * connection freed, only from the deferred source, so that a handler may answer at once, a hundred
 * thousand pipelined requests don't become a hundred thousand stack frames, and nobody holds a
 * pointer to what was just freed. While a call waits for its answer, or answers wait for the
 * client, nothing is read: what a client can make us hold is one request and one reply.
 */
#include "control/connection.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/err.h"

#define READ_SIZE (64u * 1024)

union fds_space {
	char bytes[CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

static void fds_close(struct connection_fds *fds)
{
	for (size_t i = 0; i < fds->n; i++)
		cleanup_close(&fds->fds[i]);
	fds->n = 0;
}

/* No more of this client; the memory goes from the event loop. */
static void kill_connection(struct connection *connection)
{
	struct control_call *call = TAKE_PTR(connection->call);

	if (connection->is_dead)
		return;
	connection->is_dead = true;
	(void)sd_event_source_set_enabled(connection->io, SD_EVENT_OFF);
	(void)sd_event_source_set_enabled(connection->stall, SD_EVENT_OFF);
	(void)sd_event_source_set_enabled(connection->deferred, SD_EVENT_ONESHOT);
	if (call)
		call_orphan(call);
}

static bool has_request(struct connection *connection)
{
	const uint8_t *end;

	if (connection->n_searched < connection->in.size) {
		end = memchr(connection->in.data + connection->n_searched, '\0',
			     connection->in.size - connection->n_searched);
		if (end)
			connection->n_searched = (size_t)(end - connection->in.data);
		else
			connection->n_searched = connection->in.size;
	}
	return connection->n_searched < connection->in.size;
}

static bool wants_input(struct connection *connection)
{
	return !connection->call && !connection->is_ended && !connection->is_closing &&
	       connection->out.size == 0 && !has_request(connection);
}

/* When the client must have sent or taken something. */
static struct monotime deadline(struct connection *connection)
{
	unsigned stall_ms = connection->server->limits.stall_ms;
	struct monotime when = MONOTIME_NEVER;

	if (wants_input(connection) && connection->in.size > 0)
		when = monotime_add_ms(connection->input_since, stall_ms);
	if (connection->out.size > 0)
		when = monotime_min(when, monotime_add_ms(connection->output_since, stall_ms));
	return when;
}

/* Says to the event loop what is awaited now. */
static void rearm(struct connection *connection)
{
	struct monotime when;
	uint32_t events;

	if (connection->is_dead)
		return;
	if (connection->out.size == 0 &&
	    (connection->is_closing ||
	     (connection->is_ended && !connection->call && !has_request(connection)))) {
		kill_connection(connection);
		return;
	}
	events = (wants_input(connection) ? (uint32_t)EPOLLIN : 0) |
		 (connection->out.size > 0 ? (uint32_t)EPOLLOUT : 0);
	(void)sd_event_source_set_io_events(connection->io, events);
	if (!connection->call && connection->out.size == 0 && has_request(connection))
		(void)sd_event_source_set_enabled(connection->deferred, SD_EVENT_ONESHOT);
	when = deadline(connection);
	if (when.ns == UINT64_MAX) {
		(void)sd_event_source_set_enabled(connection->stall, SD_EVENT_OFF);
	} else {
		(void)sd_event_source_set_time(connection->stall, when.ns / 1000);
		(void)sd_event_source_set_enabled(connection->stall, SD_EVENT_ONESHOT);
	}
}

static void flush(struct connection *connection)
{
	while (connection->out.size > 0) {
		ssize_t n = send(connection->fd, connection->out.data, connection->out.size,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			kill_connection(connection);
			return;
		}
		buf_consume(&connection->out, (size_t)n);
		connection->output_since = monotime_now();
	}
	connection->idle_since = monotime_now();
}

void connection_send(struct connection *connection, const void *text, size_t size)
{
	if (connection->is_dead || size == 0)
		return;
	if (connection->out.size == 0)
		connection->output_since = monotime_now();
	if (size > connection->server->limits.reply_max - connection->out.size ||
	    buf_append(&connection->out, text, size) < 0) {
		kill_connection(connection);
		return;
	}
	flush(connection);
	rearm(connection);
}

void connection_call_ended(struct connection *connection)
{
	connection->idle_since = monotime_now();
	rearm(connection);
}

bool connection_is_idle(const struct connection *connection)
{
	return !connection->is_dead && !connection->call && connection->in.size == 0 &&
	       connection->out.size == 0;
}

/* What lies in its socket: nothing (-EAGAIN), the end or an error (0), or a request (1). */
static int peek(const struct connection *connection)
{
	char byte;
	ssize_t n = recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	return n > 0;
}

bool connection_is_gone(const struct connection *connection)
{
	return connection->is_dead || (connection_is_idle(connection) && peek(connection) == 0);
}

bool connection_may_go(const struct connection *connection, unsigned idle_ms)
{
	struct monotime idle = monotime_add_ms(connection->idle_since, idle_ms);

	if (connection->is_dead || connection->right == CONTROL_RIGHT_NONE)
		return true;
	if (!connection_is_idle(connection))
		return false;
	switch (peek(connection)) {
	case 0:
		return true;
	case 1:
		return false;
	default:
		return monotime_reached(monotime_now(), idle);
	}
}

static void refuse(struct connection *connection, int code, const char *message)
{
	_cleanup_(buf_done) struct buf text = {0};

	if (control_error_append(&text, code, message) == 0)
		connection_send(connection, text.data, text.size);
	else
		kill_connection(connection);
}

/* The same, and the last thing that the client hears: where its next request begins can't be known.
 */
static void refuse_and_close(struct connection *connection, int code, const char *message)
{
	connection->is_closing = true;
	refuse(connection, code, message);
	rearm(connection);
}

static const char *missing_group(const struct connection *connection, bool is_change)
{
	gid_t gid = is_change ? connection->server->change_gid : connection->server->look_gid;

	if (gid == (gid_t)-1)
		return is_change ? "root (there is no group " CONTROL_CHANGE_GROUP " here)"
				 : "root (there is no group " CONTROL_LOOK_GROUP " here)";
	return is_change ? "root or a member of the group " CONTROL_CHANGE_GROUP
			 : "root or a member of the group " CONTROL_LOOK_GROUP
			   " or " CONTROL_CHANGE_GROUP;
}

static void deny(struct connection *connection, const char *method, bool is_change)
{
	struct why why;

	(void)why_set(&why, ERR_DENIED, "%s may be called by %s; you are %s",
		      method ? method : "this socket", missing_group(connection, is_change),
		      connection->peer);
	refuse(connection, ERR_DENIED, why.text);
}

static void call_method(struct connection *connection, struct control_request *request,
			struct connection_fds *fds)
{
	const struct control_method *method = connection->server->methods;
	struct json_object *parameters;
	struct why why;

	while (method->name && strcmp(method->name, request->method) != 0)
		method++;
	if (!method->name) {
		(void)why_set(&why, ERR_UNSUPPORTED, "this daemon has no method \"%s\"",
			      request->method);
		refuse(connection, ERR_UNSUPPORTED, why.text);
		return;
	}
	if (method->access == CONTROL_ACCESS_CHANGE && connection->right < CONTROL_RIGHT_CHANGE) {
		deny(connection, method->name, true);
		return;
	}
	parameters = json_object_get(request->parameters);
	if (call_new(connection, request, fds, &connection->call) < 0)
		refuse(connection, -ENOMEM, "out of memory");
	else
		method->handler(connection->call, parameters, connection->server->userdata);
	(void)json_object_put(parameters);
}

/* Takes what came with the request at the front of the input, whose length is SIZE with its NUL. */
static struct connection_fds shift_fds(struct connection *connection, size_t size)
{
	struct connection_fds taken = {0};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(connection->held); i++) {
		struct connection_fds held = connection->held[i];

		connection->held[i].n = 0;
		if (held.n == 0)
			continue;
		if (held.offset < size) {
			assert(taken.n == 0);
			taken = held;
			continue;
		}
		held.offset -= size;
		connection->held[n++] = held;
	}
	return taken;
}

/* One request: permission first, then its text. */
static void dispatch(struct connection *connection)
{
	size_t size = connection->n_searched + 1;
	_cleanup_(control_request_done) struct control_request request = {0};
	_cleanup_(fds_close) struct connection_fds fds = shift_fds(connection, size);
	int error = 0;
	struct why why;

	if (connection->right != CONTROL_RIGHT_NONE)
		error = control_request_parse((const char *)connection->in.data, size - 1, &request,
					      &why);
	buf_consume(&connection->in, size);
	connection->n_searched = 0;
	connection->input_since = monotime_now();
	if (connection->right == CONTROL_RIGHT_NONE)
		deny(connection, NULL, false);
	else if (error)
		refuse_and_close(connection, error, why.text);
	else
		call_method(connection, &request, &fds);
}

static int on_deferred(sd_event_source *source, void *userdata)
{
	struct connection *connection = userdata;

	(void)source;
	if (connection->is_dead) {
		connection_free(connection);
		return 0;
	}
	if (!connection->call && connection->out.size == 0 && !connection->is_closing &&
	    has_request(connection))
		dispatch(connection);
	rearm(connection);
	return 0;
}

static int on_stall(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct connection *connection = userdata;

	(void)source;
	(void)usec;
	if (!monotime_reached(monotime_now(), deadline(connection))) {
		rearm(connection);
	} else if (connection->out.size > 0) {
		kill_connection(connection);
	} else {
		buf_clear(&connection->in);
		connection->n_searched = 0;
		refuse_and_close(connection, ERR_TIMEOUT, "the request was not completed in time");
	}
	return 0;
}

/* A memory file or a pipe. Whatever is done with a file, asking what it is included, is done by its
 * file system, which may hang, and who waits for it with it. */
static bool is_harmless(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0 || fcntl(fd, F_GETPIPE_SZ) >= 0;
}

/* The descriptors of MSG, into RET_FDS; those that the kernel had to cut off make it a violation.
 */
static bool take_fds(struct msghdr *msg, struct connection_fds *ret_fds)
{
	bool is_valid = !(msg->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (ret_fds->n < CONTROL_FDS_MAX) {
				ret_fds->fds[ret_fds->n++] = fd;
			} else {
				cleanup_close(&fd);
				is_valid = false;
			}
		}
	}
	return is_valid;
}

/*
 * Descriptors came with the bytes from OLD_SIZE on. recvmsg(2) ends with the send that carried
 * them, so they are the last request's that begins there.
 */
static bool hold_fds(struct connection *connection, size_t old_size, struct connection_fds *fds)
{
	const struct buf *in = &connection->in;
	const uint8_t *nul = in->size > 1 ? memrchr(in->data, '\0', in->size - 1) : NULL;

	fds->offset = nul ? (size_t)(nul - in->data) + 1 : 0;
	if (fds->offset < old_size)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(connection->held); i++) {
		if (connection->held[i].n == 0) {
			connection->held[i] = *fds;
			fds->n = 0;
			return true;
		}
	}
	return false;
}

/* Takes what came with the bytes from OLD_SIZE on. Returns what is wrong with it, NULL: nothing. */
static const char *take_passed(struct connection *connection, struct msghdr *msg, size_t old_size)
{
	_cleanup_(fds_close) struct connection_fds fds = {0};

	if (!msg->msg_control)
		return msg->msg_flags & MSG_CTRUNC
			       ? "descriptors are taken only from who may change: root and the "
				 "group " CONTROL_CHANGE_GROUP
			       : NULL;
	if (!take_fds(msg, &fds))
		return "descriptors must come with the first byte of a request, at most 4";
	for (size_t i = 0; i < fds.n; i++) {
		if (!is_harmless(fds.fds[i]))
			return "a descriptor must be of a memory file or a pipe, since a file's "
			       "own file system may hang: copy the file into one of memfd_create";
	}
	if (fds.n > 0 && !hold_fds(connection, old_size, &fds))
		return "descriptors must come with the first byte of a request, at most 4";
	return NULL;
}

static void read_input(struct connection *connection)
{
	/* To close a file waits for its file system: of who may not change none is opened here, the
	 * kernel drops them. */
	bool may_pass = connection->right >= CONTROL_RIGHT_CHANGE;
	union fds_space space;
	struct iovec iov = {.iov_len = READ_SIZE};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = may_pass ? &space : NULL,
			     .msg_controllen = may_pass ? sizeof(space) : 0};
	const char *wrong;
	size_t old_size = connection->in.size;
	ssize_t n;

	if (buf_reserve(&connection->in, READ_SIZE) < 0) {
		kill_connection(connection);
		return;
	}
	iov.iov_base = connection->in.data + old_size;
	n = recvmsg(connection->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			kill_connection(connection);
		return;
	}
	if (n == 0) {
		connection->is_ended = true;
		return;
	}
	connection->in.size += (size_t)n;
	if (old_size == 0)
		connection->input_since = monotime_now();
	wrong = take_passed(connection, &msg, old_size);
	if (wrong)
		refuse_and_close(connection, ERR_MALFORMED, wrong);
	else if (connection->in.size > CONTROL_MESSAGE_MAX && !has_request(connection))
		refuse_and_close(connection, ERR_TOO_LARGE, "the request is larger than 1 MiB");
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct connection *connection = userdata;

	(void)source;
	(void)fd;
	if (connection->is_dead)
		return 0;
	if (events & (uint32_t)EPOLLOUT)
		flush(connection);
	/* Both directions are shut: nobody is left to answer to. What it sent before it went is not
	 * done either. */
	if (events & (uint32_t)(EPOLLHUP | EPOLLERR))
		kill_connection(connection);
	else if (!connection->is_dead && wants_input(connection) && (events & (uint32_t)EPOLLIN))
		read_input(connection);
	rearm(connection);
	return 0;
}

static int add_sources(struct connection *connection)
{
	sd_event *event = connection->server->event;
	int error = sd_event_add_io(event, &connection->io, connection->fd, (uint32_t)EPOLLIN,
				    on_io, connection);

	if (error >= 0)
		error = sd_event_add_defer(event, &connection->deferred, on_deferred, connection);
	if (error >= 0)
		error = sd_event_source_set_enabled(connection->deferred, SD_EVENT_OFF);
	if (error >= 0)
		error = sd_event_add_time(event, &connection->stall, CLOCK_MONOTONIC, UINT64_MAX,
					  100000, on_stall, connection);
	return error < 0 ? error : 0;
}

static int identify(struct connection *connection)
{
	const struct control_server *server = connection->server;
	_cleanup_(control_peer_done) struct control_peer peer = {0};
	int error = server->peer_read(connection->fd, &peer);

	if (error)
		return error;
	connection->right = control_peer_right(&peer, server->look_gid, server->change_gid);
	(void)snprintf(connection->peer, sizeof(connection->peer), "uid %ju, pid %jd",
		       (uintmax_t)peer.uid, (intmax_t)peer.pid);
	return 0;
}

CLEANUP_DEFINE(struct connection *, connection_free)

int connection_new(struct control_server *server, int fd, struct connection **ret_connection)
{
	_cleanup_close_ int owned = fd;
	_cleanup_(connection_free_p) struct connection *connection = calloc(1, sizeof(*connection));
	int error;

	if (!connection)
		return -ENOMEM;
	connection->server = server;
	connection->fd = TAKE_FD(owned);
	connection->idle_since = monotime_now();
	connection->next = server->first;
	if (server->first)
		server->first->previous = connection;
	server->first = connection;
	server->n_connections++;
	error = identify(connection);
	if (!error)
		error = add_sources(connection);
	if (error)
		return error;
	*ret_connection = TAKE_PTR(connection);
	return 0;
}

void connection_free(struct connection *connection)
{
	struct control_call *call = TAKE_PTR(connection->call);

	if (connection->previous)
		connection->previous->next = connection->next;
	else
		connection->server->first = connection->next;
	if (connection->next)
		connection->next->previous = connection->previous;
	connection->server->n_connections--;
	if (call)
		call_orphan(call);
	sd_event_source_disable_unref(connection->io);
	sd_event_source_disable_unref(connection->deferred);
	sd_event_source_disable_unref(connection->stall);
	for (size_t i = 0; i < ARRAY_SIZE(connection->held); i++)
		fds_close(&connection->held[i]);
	buf_wipe(&connection->in);
	buf_done(&connection->out);
	cleanup_close(&connection->fd);
	free(connection);
}
