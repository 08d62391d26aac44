/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets clients in. When all places are taken, the one that was idle for longest makes room, so that
 * connections that nobody uses lock nobody out. Without descriptors to accept with, the listener
 * pauses instead of spinning.
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

/* Closes the connection that was idle for longest; false: all are at work. */
static bool make_room(struct control_server *server)
{
	struct connection *oldest = NULL;

	for (struct connection *c = server->first; c; c = c->next)
		if (connection_is_idle(c) && (!oldest || c->idle_since.ns < oldest->idle_since.ns))
			oldest = c;
	if (!oldest)
		return false;
	connection_free(oldest);
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

static void pause_listener(struct control_server *server)
{
	struct monotime when = monotime_add_ms(monotime_now(), ACCEPT_PAUSE_MS);

	(void)sd_event_source_set_enabled(server->listener, SD_EVENT_OFF);
	(void)sd_event_source_set_time(server->retry, when.ns / 1000);
	(void)sd_event_source_set_enabled(server->retry, SD_EVENT_ONESHOT);
}

static int on_listener(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct control_server *server = userdata;
	_cleanup_close_ int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct connection *connection;

	(void)source;
	(void)events;
	if (client < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			pause_listener(server);
		return 0;
	}
	if (server->n_connections >= server->limits.clients_max && !make_room(server))
		turn_away(client);
	else
		(void)connection_new(server, TAKE_FD(client), &connection);
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
						 .reply_max = CONTROL_REPLY_MAX};
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
