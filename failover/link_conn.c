/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything happens in conn_run: handshake, read, write, in this order, so that a last word of the
 * mate (an alert) is heard before a broken pipe is. What a caller asks for only marks and kicks;
 * the work is done from the loop, where many small messages become one record. TLS may hold bytes
 * that epoll does not know of: a turn that ends before all is read kicks itself.
 */
#include "failover/link_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/monotime.h"
#include "failover/link_frame.h"

#define READ_PER_TURN (1024u * 1024)
#define PAUSE_TRICKLE_MS 500u
/* An idle queue gives memory back beyond this. */
#define QUEUE_KEEP (1024u * 1024)

enum conn_phase {
	CONN_PHASE_CONNECTING,
	CONN_PHASE_HANDSHAKE,
	CONN_PHASE_OPEN,
	CONN_PHASE_CLOSED,
};

struct link_conn {
	int fd;
	enum conn_phase phase;
	struct link_session *session;
	const struct link_conn_ops *ops;
	void *userdata;
	sd_event *event;
	sd_event_source *io, *kick, *limit, *trickle;
	struct buf queue;
	size_t queue_start;
	struct link_frame frame;
	bool is_paused, is_finishing, is_freed, was_above;
	unsigned depth; /* callbacks on the stack */
	uint32_t events;
	int failure;
	struct why failure_why;
	uint64_t sent, received; /* of a session that is gone */
};

static void conn_kick(struct link_conn *conn)
{
	if (conn->kick)
		(void)sd_event_source_set_enabled(conn->kick, SD_EVENT_ONESHOT);
}

static size_t queue_left(const struct link_conn *conn)
{
	return conn->queue.size - conn->queue_start;
}

/* Sources, session and socket go at once; the memory when no callback is on the stack. */
static void conn_stop(struct link_conn *conn)
{
	conn->phase = CONN_PHASE_CLOSED;
	conn->io = sd_event_source_disable_unref(conn->io);
	conn->kick = sd_event_source_disable_unref(conn->kick);
	conn->limit = sd_event_source_disable_unref(conn->limit);
	conn->trickle = sd_event_source_disable_unref(conn->trickle);
	if (conn->session) {
		link_session_end(conn->session);
		(void)link_session_flush(conn->session, NULL);
		conn->sent = link_session_sent(conn->session);
		conn->received = link_session_received(conn->session);
		link_session_free(TAKE_PTR(conn->session));
	}
	if (conn->fd >= 0)
		(void)close(TAKE_FD(conn->fd));
	buf_done(&conn->queue);
	conn->queue_start = 0;
}

static void conn_destroy(struct link_conn *conn)
{
	free(conn->frame.data);
	free(conn);
}

static void conn_leave(struct link_conn *conn)
{
	conn->depth--;
	if (conn->depth == 0 && conn->is_freed)
		conn_destroy(conn);
}

static void conn_close(struct link_conn *conn, int code, const char *why)
{
	struct why copy;

	if (conn->phase == CONN_PHASE_CLOSED)
		return;
	(void)why_set(&copy, code, "%s", why);
	conn_stop(conn);
	if (!conn->is_freed)
		conn->ops->on_closed(conn, code, copy.text, conn->userdata);
}

static bool is_open(const struct link_conn *conn)
{
	return conn->phase == CONN_PHASE_OPEN && conn->failure == 0;
}

static void set_events(struct link_conn *conn)
{
	uint32_t events = conn->is_paused ? 0 : EPOLLIN;

	if (conn->phase == CONN_PHASE_CONNECTING || link_session_waiting(conn->session) > 0)
		events |= EPOLLOUT;
	if (events != conn->events && sd_event_source_set_io_events(conn->io, events) >= 0)
		conn->events = events;
}

/* Reads frames until the socket is empty (-EAGAIN), the budget is spent or FRAMES_MAX were
 * delivered (0), or it fails. */
static int read_frames(struct link_conn *conn, unsigned frames_max, struct why *ret_why)
{
	size_t budget = READ_PER_TURN;

	while (is_open(conn) && frames_max > 0 && budget > 0) {
		size_t room;
		uint8_t *at = link_frame_room(&conn->frame, &room);
		ssize_t n = link_session_read(conn->session, at, room, ret_why);
		const uint8_t *message;
		int r;

		if (n < 0)
			return (int)n;
		budget = (size_t)n < budget ? budget - (size_t)n : 0;
		r = link_frame_advance(&conn->frame, (size_t)n, ret_why);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		message = link_frame_take(&conn->frame, &room);
		conn->ops->on_frame(conn, message, room, conn->userdata);
		frames_max--;
	}
	return 0;
}

/* Encrypts and sends what waits, until the socket is full or nothing is left. */
static int write_queue(struct link_conn *conn, struct why *ret_why)
{
	int r;

	do {
		ssize_t n = 0;

		while (queue_left(conn) > 0) {
			n = link_session_write(conn->session, conn->queue.data + conn->queue_start,
					       queue_left(conn), ret_why);
			if (n < 0)
				break;
			conn->queue_start += (size_t)n;
		}
		if (n < 0 && n != -EAGAIN)
			return (int)n;
		r = link_session_flush(conn->session, ret_why);
	} while (r == 0 && queue_left(conn) > 0);
	/* Moved only when the gap is larger than the rest, so that each byte moves at most once. */
	if (conn->queue_start >= queue_left(conn)) {
		buf_consume(&conn->queue, conn->queue_start);
		conn->queue_start = 0;
	}
	if (conn->queue.size == 0 && conn->queue.capacity > QUEUE_KEEP)
		buf_done(&conn->queue);
	return r == -EAGAIN ? 0 : r;
}

static int run_handshake(struct link_conn *conn, struct why *ret_why)
{
	int r = link_session_handshake(conn->session, ret_why);

	if (r < 0)
		return r;
	conn->frame.data = malloc(LINK_FRAME_MAX);
	if (!conn->frame.data)
		return why_set(ret_why, -ENOMEM, "%s", err_text(-ENOMEM));
	conn->phase = CONN_PHASE_OPEN;
	conn->ops->on_ready(conn, conn->userdata);
	return 0;
}

static int run_reading(struct link_conn *conn, unsigned frames_max, struct why *ret_why)
{
	int r = 0;

	if (conn->phase == CONN_PHASE_HANDSHAKE)
		r = run_handshake(conn, ret_why);
	if (r == 0 && is_open(conn))
		r = read_frames(conn, frames_max, ret_why);
	if (r == 0 && is_open(conn) && !conn->is_paused)
		conn_kick(conn);
	return r == -EAGAIN ? 0 : r;
}

static int run_writing(struct link_conn *conn, struct why *ret_why)
{
	int r;

	if (conn->phase == CONN_PHASE_OPEN)
		r = write_queue(conn, ret_why);
	else
		r = link_session_flush(conn->session, ret_why);
	return r == -EAGAIN ? 0 : r;
}

static void tell_drained(struct link_conn *conn)
{
	bool is_above = link_conn_queued(conn) >= LINK_QUEUE_LONG;
	bool is_drained = conn->was_above && !is_above;

	/* What TLS adds may have made it longer: who looked since then waits to be told. */
	conn->was_above = is_above;
	if (is_drained)
		conn->ops->on_drained(conn, conn->userdata);
}

/* One turn. FRAMES_MAX 0: nothing is read. */
static void conn_run(struct link_conn *conn, unsigned frames_max)
{
	struct why why = {0};
	int r = 0;

	if (frames_max > 0 || conn->phase == CONN_PHASE_HANDSHAKE)
		r = run_reading(conn, frames_max, &why);
	if (r == 0 && conn->phase != CONN_PHASE_CLOSED)
		r = run_writing(conn, &why);
	if (r == 0 && is_open(conn))
		tell_drained(conn);
	if (conn->phase == CONN_PHASE_CLOSED)
		return;
	if (conn->failure != 0)
		conn_close(conn, conn->failure, conn->failure_why.text);
	else if (r < 0)
		conn_close(conn, r, why.text);
	else if (conn->is_finishing && link_conn_queued(conn) == 0)
		conn_close(conn, ERR_CLOSED, "finished");
	else
		set_events(conn);
}

/* Of the non-blocking connect: 0, or -errno. */
static int connect_result(int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	return -error;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct link_conn *conn = userdata;
	bool is_broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
	int r = 0;

	(void)source;
	conn->depth++;
	if (conn->phase == CONN_PHASE_CONNECTING) {
		r = connect_result(fd);
		if (r == 0 && (events & EPOLLOUT) != 0)
			conn->phase = CONN_PHASE_HANDSHAKE;
	}
	if (r < 0)
		conn_close(conn, r, err_text(r));
	else if (conn->phase != CONN_PHASE_CONNECTING)
		conn_run(conn, conn->is_paused && !is_broken ? 0 : UINT32_MAX);
	conn_leave(conn);
	return 0;
}

static int on_kick(sd_event_source *source, void *userdata)
{
	struct link_conn *conn = userdata;

	(void)source;
	conn->depth++;
	if (conn->phase == CONN_PHASE_CONNECTING && conn->failure != 0)
		conn_close(conn, conn->failure, conn->failure_why.text);
	else if (conn->phase != CONN_PHASE_CONNECTING)
		conn_run(conn, conn->is_paused ? 0 : UINT32_MAX);
	conn_leave(conn);
	return 0;
}

static int on_limit(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct link_conn *conn = userdata;

	(void)source;
	(void)usec;
	conn->depth++;
	conn_close(conn, ERR_TIMEOUT, "no answer in time");
	conn_leave(conn);
	return 0;
}

static int on_trickle(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct link_conn *conn = userdata;

	(void)usec;
	conn->depth++;
	(void)sd_event_source_set_time_relative(source, PAUSE_TRICKLE_MS * 1000);
	conn_run(conn, 1);
	conn_leave(conn);
	return 0;
}

static int conn_open(struct link_conn *conn, const struct link_keys *keys, bool is_server)
{
	int r = link_session_new(keys, is_server, conn->fd, &conn->session);

	conn->phase = is_server ? CONN_PHASE_HANDSHAKE : CONN_PHASE_CONNECTING;
	conn->events = is_server ? EPOLLIN : EPOLLIN | EPOLLOUT;
	if (r >= 0)
		r = sd_event_add_io(conn->event, &conn->io, conn->fd, conn->events, on_io, conn);
	if (r >= 0)
		r = sd_event_add_defer(conn->event, &conn->kick, on_kick, conn);
	if (r >= 0)
		r = sd_event_source_set_enabled(conn->kick, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

int link_conn_new(sd_event *event, int fd, bool is_server, const struct link_keys *keys,
		  const struct link_conn_ops *ops, void *userdata, struct link_conn **ret_conn)
{
	struct link_conn *conn = calloc(1, sizeof(*conn));
	int r;

	if (!conn) {
		(void)close(fd);
		return -ENOMEM;
	}
	conn->fd = fd;
	conn->event = event;
	conn->ops = ops;
	conn->userdata = userdata;
	r = conn_open(conn, keys, is_server);
	if (r < 0) {
		link_conn_free(conn);
		return r;
	}
	*ret_conn = conn;
	return 0;
}

void link_conn_free(struct link_conn *conn)
{
	if (!conn || conn->is_freed)
		return;
	conn->is_freed = true;
	if (conn->phase == CONN_PHASE_OPEN)
		(void)write_queue(conn, NULL);
	conn_stop(conn);
	if (conn->depth == 0)
		conn_destroy(conn);
}

int link_conn_limit(struct link_conn *conn, uint64_t limit_ms)
{
	conn->limit = sd_event_source_disable_unref(conn->limit);
	return sd_event_add_time_relative(conn->event, &conn->limit, CLOCK_MONOTONIC,
					  limit_ms * 1000, 0, on_limit, conn);
}

void link_conn_settle(struct link_conn *conn)
{
	conn->limit = sd_event_source_disable_unref(conn->limit);
}

int link_conn_send(struct link_conn *conn, const Asafo__Wire__Link *message)
{
	size_t size = asafo__wire__link__get_packed_size(message);
	uint8_t *at;
	int r;

	if (!is_open(conn) || conn->is_finishing)
		return ERR_CLOSED;
	if (size == 0)
		return ERR_MALFORMED; /* no body: the mate would refuse it */
	if (size > LINK_MESSAGE_MAX)
		return ERR_TOO_LARGE;
	if (link_conn_queued(conn) + LINK_FRAME_LENGTH + size > LINK_QUEUE_MAX) {
		conn->was_above = true;
		return ERR_BUSY;
	}
	r = buf_reserve(&conn->queue, LINK_FRAME_LENGTH + size);
	if (r < 0)
		return r;
	at = conn->queue.data + conn->queue.size;
	link_frame_write(size, at);
	(void)asafo__wire__link__pack(message, at + LINK_FRAME_LENGTH);
	conn->queue.size += LINK_FRAME_LENGTH + size;
	if (link_conn_queued(conn) >= LINK_QUEUE_LONG)
		conn->was_above = true;
	conn_kick(conn);
	return 0;
}

void link_conn_finish(struct link_conn *conn)
{
	conn->is_finishing = true;
	conn_kick(conn);
}

void link_conn_fail(struct link_conn *conn, int code, const char *why)
{
	if (conn->phase == CONN_PHASE_CLOSED || conn->failure != 0)
		return;
	conn->failure = code;
	(void)why_set(&conn->failure_why, code, "%s", why);
	conn_kick(conn);
}

void link_conn_pause(struct link_conn *conn, bool is_paused)
{
	if (conn->phase != CONN_PHASE_OPEN || conn->is_paused == is_paused)
		return;
	conn->is_paused = is_paused;
	conn->trickle = sd_event_source_disable_unref(conn->trickle);
	if (is_paused)
		(void)sd_event_add_time_relative(conn->event, &conn->trickle, CLOCK_MONOTONIC,
						 PAUSE_TRICKLE_MS * 1000, 0, on_trickle, conn);
	if (conn->trickle)
		(void)sd_event_source_set_enabled(conn->trickle, SD_EVENT_ON);
	set_events(conn);
	conn_kick(conn);
}

const char *link_conn_cipher(const struct link_conn *conn)
{
	return conn->session ? link_session_cipher(conn->session) : "";
}

enum link_key link_conn_key(const struct link_conn *conn)
{
	return conn->session ? link_session_key(conn->session) : LINK_KEY_NONE;
}

size_t link_conn_queued(const struct link_conn *conn)
{
	return queue_left(conn) + (conn->session ? link_session_waiting(conn->session) : 0);
}

uint64_t link_conn_sent(const struct link_conn *conn)
{
	return conn->session ? link_session_sent(conn->session) : conn->sent;
}

uint64_t link_conn_received(const struct link_conn *conn)
{
	return conn->session ? link_session_received(conn->session) : conn->received;
}
