/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket stays bound to the index of a device: one that was made anew has another. Where
 * descriptors are wanting, accept fails while the connection waits, and epoll would report it for
 * ever: the sockets are left alone until the next check.
 */
#include "failover/link_listen.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/link_socket.h"

#define ACCEPTS_PER_TURN 16

struct door {
	struct link_listen *listen;
	size_t way;
	int fd;
	unsigned index; /* of the device that it is bound to */
	sd_event_source *io;
};

struct link_listen {
	sd_event *event;
	const struct link_config *config;
	link_listen_fn on_connection;
	void *userdata;
	struct door doors[LINK_WAYS_MAX];
};

static void set_listening(struct link_listen *listen, bool is_listening)
{
	for (size_t i = 0; i < listen->config->n_ways; i++)
		if (listen->doors[i].io)
			(void)sd_event_source_set_enabled(
				listen->doors[i].io, is_listening ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int on_accept(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct door *door = userdata;
	struct link_listen *listen = door->listen;

	(void)source;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int conn = -1;
		int r = link_socket_accept(&listen->config->ways[door->way], fd, &conn);

		if (r == -EAGAIN)
			break;
		if (r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM) {
			set_listening(listen, false);
			break;
		}
		/* Other errors are the new connection's (accept(2)). */
		if (r == 0)
			listen->on_connection(door->way, conn, listen->userdata);
	}
	return 0;
}

static unsigned device_index(const struct link_way *way)
{
	return way->device[0] ? if_nametoindex(way->device) : 0;
}

static void door_close(struct door *door)
{
	door->io = sd_event_source_disable_unref(door->io);
	if (door->fd >= 0)
		(void)close(TAKE_FD(door->fd));
}

static int door_open(struct door *door, struct why *ret_why)
{
	const struct link_way *way = &door->listen->config->ways[door->way];
	int r = link_socket_listen(way, &door->fd, ret_why);

	if (r < 0)
		return r;
	r = sd_event_add_io(door->listen->event, &door->io, door->fd, EPOLLIN, on_accept, door);
	if (r < 0) {
		door_close(door);
		return why_set(ret_why, r, "%s", err_text(r));
	}
	door->index = device_index(way);
	return 0;
}

int link_listen_new(sd_event *event, const struct link_config *config, link_listen_fn on_connection,
		    void *userdata, struct link_listen **ret_listen)
{
	struct link_listen *listen = calloc(1, sizeof(*listen));

	if (!listen)
		return -ENOMEM;
	listen->event = event;
	listen->config = config;
	listen->on_connection = on_connection;
	listen->userdata = userdata;
	for (size_t i = 0; i < LINK_WAYS_MAX; i++)
		listen->doors[i] = (struct door){.listen = listen, .way = i, .fd = -1};
	*ret_listen = listen;
	return 0;
}

void link_listen_free(struct link_listen *listen)
{
	if (!listen)
		return;
	for (size_t i = 0; i < LINK_WAYS_MAX; i++)
		door_close(&listen->doors[i]);
	free(listen);
}

int link_listen_check(struct link_listen *listen, struct why *ret_why)
{
	bool is_changed = false, is_open = false;
	struct why why;
	int first = 0;

	set_listening(listen, true);
	for (size_t i = 0; i < listen->config->n_ways; i++) {
		struct door *door = &listen->doors[i];
		int r = 0;

		if (door->fd >= 0 && device_index(&listen->config->ways[i]) != door->index)
			door_close(door);
		if (door->fd < 0) {
			r = door_open(door, &why);
			is_changed = is_changed || r == 0;
		}
		is_open = is_open || r == 0;
		if (r < 0 && first == 0)
			first = why_set(ret_why, r, "%s", why.text);
	}
	if (!is_open)
		return first;
	return is_changed ? 0 : 1;
}
