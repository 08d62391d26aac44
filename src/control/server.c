/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets clients in. When all places are taken, one makes room: first who hung up, then who may call
 * nothing, then who was idle for a while, so that connections that nobody uses lock nobody out. One
 * that has just come, or has just been answered, is about to ask or to go: the next client waits
 * for it in the kernel's queue. That has an end, since who asks now and then could keep all places
 * and the queue for ever; and a few places more are for who may change something. Where all are at
 * work a client is turned away. Without descriptors to accept with, the listener pauses instead of
 * spinning.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "control/connection.h"

#define ACCEPT_PAUSE_MS 200
#define FULL_PAUSE_MS 20

/* The lower, the sooner it goes. */
static unsigned rank_of(const struct connection *connection)
{
	return connection_is_gone(connection) ? 0 : 1 + (unsigned)connection->right;
}

static size_t count_changers(const struct control_server *server)
{
	size_t n = 0;

	for (const struct connection *c = server->first; c; c = c->next)
		n += c->right == CONTROL_RIGHT_CHANGE;
	return n;
}

/* The connection to be closed for one with RIGHT, where those go that were idle for IDLE_MS; NULL:
 * there is none. Nobody takes the reserved places from who may do more than he. */
static struct connection *find_leaver(const struct control_server *server, enum control_right right,
				      unsigned idle_ms, const struct connection *newcomer)
{
	struct connection *best = NULL;
	unsigned best_rank = 0;

	if (right == CONTROL_RIGHT_LOOK && count_changers(server) > CONTROL_CLIENTS_RESERVED)
		right = CONTROL_RIGHT_CHANGE;
	for (struct connection *c = server->first; c; c = c->next) {
		unsigned rank = rank_of(c);

		if (c == newcomer || rank > 1 + (unsigned)right || !connection_may_go(c, idle_ms) ||
		    (best && (rank > best_rank ||
			      (rank == best_rank && c->idle_since.ns >= best->idle_since.ns))))
			continue;
		best = c;
		best_rank = rank;
	}
	return best;
}

/* Some place will soon be free. */
static bool has_hope(const struct control_server *server)
{
	for (const struct connection *c = server->first; c; c = c->next)
		if (c->is_dead || connection_is_idle(c))
			return true;
	return false;
}

/* It was full for so long, without an end, that who is idle for a moment may go. */
static bool is_late(const struct control_server *server, struct monotime now)
{
	return monotime_reached(now, monotime_add_ms(server->full_since, server->limits.idle_ms));
}

/* All places are taken: whether the next client is left in the kernel's queue for a moment. */
static bool must_wait(struct control_server *server)
{
	unsigned idle_ms = server->limits.idle_ms;
	struct monotime now = monotime_now();

	if (find_leaver(server, CONTROL_RIGHT_LOOK, idle_ms, NULL) || !has_hope(server))
		return false;
	if (monotime_reached(now, monotime_add_ms(server->full_last, idle_ms)))
		server->full_since = now;
	server->full_last = now;
	/* Who comes late waits, too, but once. */
	if (is_late(server, now) && server->has_paused)
		return false;
	server->has_paused = true;
	return true;
}

/* One message, if it fits the socket's buffer; there is no place to keep it in. */
static void turn_away(int fd)
{
	_cleanup_(buf_done) struct buf text = {0};

	if (control_error_append(&text, ERR_BUSY,
				 "too many clients are at work on the control socket: try again") ==
	    0)
		(void)send(fd, text.data, text.size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* There is one more than there are places. */
static void admit(struct control_server *server, struct connection *newcomer)
{
	bool is_reserved =
		newcomer->right == CONTROL_RIGHT_CHANGE &&
		server->n_connections <= server->limits.clients_max + CONTROL_CLIENTS_RESERVED;
	unsigned idle_ms =
		is_reserved || !is_late(server, monotime_now()) ? server->limits.idle_ms : 0;
	struct connection *leaver = find_leaver(server, newcomer->right, idle_ms, newcomer);

	if (leaver) {
		connection_free(leaver);
	} else if (!is_reserved) {
		turn_away(newcomer->fd);
		connection_free(newcomer);
	}
}

static void pause_listener(struct control_server *server, uint64_t ms)
{
	struct monotime when = monotime_add_ms(monotime_now(), ms);

	(void)sd_event_source_set_enabled(server->listener, SD_EVENT_OFF);
	(void)sd_event_source_set_time(server->retry, when.ns / 1000);
	(void)sd_event_source_set_enabled(server->retry, SD_EVENT_ONESHOT);
}

static int on_listener(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct control_server *server = userdata;
	_cleanup_close_ int client = -1;
	struct connection *connection;

	(void)source;
	(void)events;
	if (server->n_connections >= server->limits.clients_max && must_wait(server)) {
		pause_listener(server, FULL_PAUSE_MS);
		return 0;
	}
	client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client < 0 &&
	    (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS))
		pause_listener(server, ACCEPT_PAUSE_MS);
	if (client < 0)
		return 0;
	server->has_paused = false;
	if (connection_new(server, TAKE_FD(client), &connection) == 0 &&
	    server->n_connections > server->limits.clients_max)
		admit(server, connection);
	return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct control_server *server = userdata;

	(void)source;
	(void)usec;
	(void)sd_event_source_set_enabled(server->listener, SD_EVENT_ON);
	return 0;
}

CLEANUP_DEFINE(struct control_server *, control_server_free)

int control_server_new(sd_event *event, int listen_fd, const struct control_method *methods,
		       gid_t look_gid, gid_t change_gid, void *userdata,
		       struct control_server **ret_server)
{
	_cleanup_(control_server_free_p) struct control_server *server = calloc(1, sizeof(*server));
	int error;

	if (!server)
		return -ENOMEM;
	server->event = sd_event_ref(event);
	server->methods = methods;
	server->look_gid = look_gid;
	server->change_gid = change_gid;
	server->userdata = userdata;
	server->peer_read = control_peer_read;
	server->limits = (struct control_limits){.stall_ms = CONTROL_STALL_MS,
						 .clients_max = CONTROL_CLIENTS_MAX,
						 .reply_max = CONTROL_REPLY_MAX,
						 .idle_ms = CONTROL_IDLE_MS};
	error = io_set_nonblocking(listen_fd);
	if (error)
		return error;
	error = sd_event_add_io(event, &server->listener, listen_fd, (uint32_t)EPOLLIN, on_listener,
				server);
	if (error >= 0)
		error = sd_event_add_time(event, &server->retry, CLOCK_MONOTONIC, UINT64_MAX, 0,
					  on_retry, server);
	if (error >= 0)
		error = sd_event_source_set_enabled(server->retry, SD_EVENT_OFF);
	if (error >= 0)
		error = sd_event_source_set_io_fd_own(server->listener, true);
	if (error < 0)
		return error;
	*ret_server = TAKE_PTR(server);
	return 0;
}

void control_server_free(struct control_server *server)
{
	if (!server)
		return;
	while (server->first)
		connection_free(server->first);
	sd_event_source_disable_unref(server->listener);
	sd_event_source_disable_unref(server->retry);
	sd_event_unref(server->event);
	free(server);
}

void control_server_set_limits(struct control_server *server, const struct control_limits *limits)
{
	server->limits = *limits;
}

void control_server_set_peer_read(struct control_server *server,
				  int (*read)(int fd, struct control_peer *ret_peer))
{
	server->peer_read = read;
}
