/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An epoll of its own, level-triggered: what is left over of one batch stands behind what was
 * already waiting, so that nobody is served twice before another is served once.
 */
#include "front/net/poller.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 64

struct poller {
	sd_event *event;
	sd_event_source *io;
	int fd;
	int n_batch; /* of BATCH, while it is served */
	struct epoll_event batch[BATCH];
};

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct poller *poller = userdata;

	(void)source;
	(void)events;
	poller->n_batch = epoll_wait(fd, poller->batch, BATCH, 0);
	for (int i = 0; i < poller->n_batch; i++) {
		struct poller_entry *entry = poller->batch[i].data.ptr;

		/* A callback before may have removed it. */
		if (entry)
			entry->fn(poller->batch[i].events, entry->userdata);
	}
	poller->n_batch = 0;
	return 0;
}

int poller_new(sd_event *event, struct poller **ret_poller)
{
	struct poller *poller = calloc(1, sizeof(*poller));
	int r;

	if (!poller)
		return -ENOMEM;
	poller->event = event;
	poller->fd = epoll_create1(EPOLL_CLOEXEC);
	r = poller->fd < 0
		    ? -errno
		    : sd_event_add_io(event, &poller->io, poller->fd, EPOLLIN, on_ready, poller);
	if (r < 0) {
		poller_free(poller);
		return r;
	}
	*ret_poller = poller;
	return 0;
}

void poller_free(struct poller *poller)
{
	if (!poller)
		return;
	poller->io = sd_event_source_disable_unref(poller->io);
	if (poller->fd >= 0)
		(void)close(poller->fd);
	free(poller);
}

sd_event *poller_event(const struct poller *poller)
{
	return poller->event;
}

int poller_add(struct poller *poller, struct poller_entry *entry, int fd, uint32_t events,
	       poller_fn fn, void *userdata)
{
	struct epoll_event event = {.events = events, .data.ptr = entry};

	if (epoll_ctl(poller->fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	*entry = (struct poller_entry){poller, fd, events, fn, userdata};
	return 0;
}

int poller_set(struct poller_entry *entry, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = entry};

	if (!entry->poller)
		return -EBADF;
	if (entry->events == events)
		return 0;
	if (epoll_ctl(entry->poller->fd, EPOLL_CTL_MOD, entry->fd, &event) < 0)
		return -errno;
	entry->events = events;
	return 0;
}

/* What the batch that is being served says of it. */
static void forget(struct poller_entry *entry)
{
	struct poller *poller = entry->poller;

	for (int i = 0; i < poller->n_batch; i++) {
		if (poller->batch[i].data.ptr == entry)
			poller->batch[i].data.ptr = NULL;
	}
	entry->poller = NULL;
}

void poller_remove(struct poller_entry *entry)
{
	if (!entry->poller)
		return;
	(void)epoll_ctl(entry->poller->fd, EPOLL_CTL_DEL, entry->fd, NULL);
	forget(entry);
}

void poller_close(struct poller_entry *entry)
{
	forget(entry);
	(void)close(entry->fd);
}
