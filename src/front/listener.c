/* SPDX-License-Identifier: Apache-2.0 */
/* A few connections a turn, and a few milliseconds, so that a storm on one address does not starve
 * the others or those being served. */
#include "front/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/monotime.h"
#include "front/net/listen_socket.h"

#define BACKLOG 4096
#define ACCEPTS_PER_TURN 32
#define TURN_MS 5 /* no further one in this turn: each may wait for a signature */

struct listener {
	struct snapshot_listen where;
	const struct listener_ops *ops;
	void *userdata;
	int fd;
	bool is_paused;
	sd_event_source *io;
};

/* What accept(2) says of a connection that died in the queue: no reason to stop. */
static bool is_of_one_connection(int code)
{
	return code == ECONNABORTED || code == EINTR || code == ENETDOWN || code == EPROTO ||
	       code == EHOSTDOWN || code == EHOSTUNREACH || code == ENETUNREACH ||
	       code == ENOPROTOOPT || code == ENONET || code == EOPNOTSUPP || code == EPERM;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct listener *listener = userdata;
	struct monotime end = monotime_add_ms(monotime_now(), TURN_MS);

	(void)source;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN && !listener->is_paused; i++) {
		struct sockaddr_storage peer = {0};
		socklen_t size = sizeof(peer);
		int client =
			accept4(fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client < 0 && errno == EAGAIN)
			return 0;
		if (client < 0 && is_of_one_connection(errno))
			continue;
		if (client < 0) {
			listener->ops->on_starved(listener, -errno, listener->userdata);
			return 0;
		}
		listener->ops->on_accept(listener, client, &peer, listener->userdata);
		/* Who still waits in the queue wakes the loop again. */
		if (monotime_reached(monotime_now(), end))
			return 0;
	}
	return 0;
}

/* What is written leaves at once. A connection has this from its listener. */
static void connections_prepare(int fd)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int socket_get(const struct snapshot_listen *where, int inherited)
{
	if (inherited >= 0 && listen_socket_inherit(inherited, where))
		return inherited;
	if (inherited >= 0)
		(void)close(inherited);
	return listen_socket_open(where, SOCK_STREAM);
}

int listener_open(sd_event *event, const struct snapshot_listen *where, int inherited,
		  const struct listener_ops *ops, void *userdata, struct listener **ret_listener,
		  struct why *ret_why)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	int r = socket_get(where, inherited);

	if (!listener) {
		if (r >= 0)
			(void)close(r);
		return why_set(ret_why, -ENOMEM, "%s", err_text(-ENOMEM));
	}
	*listener = (struct listener){*where, ops, userdata, r, true, NULL};
	if (r >= 0 && listen(listener->fd, BACKLOG) < 0)
		r = -errno;
	if (r >= 0)
		connections_prepare(listener->fd);
	if (r >= 0)
		r = sd_event_add_io(event, &listener->io, listener->fd, EPOLLIN, on_io, listener);
	if (r >= 0)
		r = sd_event_source_set_enabled(listener->io, SD_EVENT_OFF);
	if (r < 0) {
		listener_free(listener);
		return why_set(ret_why, r, "%s", err_text(r));
	}
	*ret_listener = listener;
	return 0;
}

void listener_free(struct listener *listener)
{
	if (!listener)
		return;
	listener->io = sd_event_source_disable_unref(listener->io);
	if (listener->fd >= 0)
		(void)close(listener->fd);
	free(listener);
}

void listener_pause(struct listener *listener, bool is_paused)
{
	listener->is_paused = is_paused;
	(void)sd_event_source_set_enabled(listener->io, is_paused ? SD_EVENT_OFF : SD_EVENT_ON);
}

int listener_fd(const struct listener *listener)
{
	return listener->fd;
}

const struct snapshot_listen *listener_where(const struct listener *listener)
{
	return &listener->where;
}

void listener_rename(struct listener *listener, const struct snapshot_listen *where)
{
	listener->where = *where;
}
