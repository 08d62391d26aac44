/* SPDX-License-Identifier: Apache-2.0 */
/* A slot for each wanted address, with its listener or the sentence that says why there is none. */
#include "front/listeners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

struct slot {
	struct slot *next;
	struct snapshot_listen where;
	struct listener *listener;
	struct why why;
	bool is_wanted;
};

struct inherited {
	struct inherited *next;
	int fd;
	char endpoint[SNAPSHOT_ENDPOINT_MAX];
};

struct listeners {
	sd_event *event;
	const struct listeners_ops *ops;
	void *userdata;
	listeners_keep_fn keep;
	void *keep_userdata;
	struct inherited *inherited;
	struct slot *slots;
	bool is_paused;
};

static void on_accept(struct listener *listener, int fd, const struct sockaddr_storage *peer,
		      void *userdata)
{
	struct listeners *listeners = userdata;

	listeners->ops->on_accept(listener_where(listener)->interface, fd, peer,
				  listeners->userdata);
}

static void on_starved(struct listener *listener, int code, void *userdata)
{
	struct listeners *listeners = userdata;

	(void)listener;
	listeners->ops->on_starved(code, listeners->userdata);
}

int listeners_new(sd_event *event, const struct listeners_ops *ops, void *userdata,
		  struct listeners **ret_listeners)
{
	struct listeners *listeners = calloc(1, sizeof(*listeners));

	if (!listeners)
		return -ENOMEM;
	*listeners = (struct listeners){
		.event = event, .ops = ops, .userdata = userdata, .is_paused = true};
	*ret_listeners = listeners;
	return 0;
}

/* ---- what outlives a front ---- */

static void tell(const struct listeners *listeners, const char *endpoint, int fd)
{
	if (listeners->keep)
		listeners->keep(endpoint, fd, listeners->keep_userdata);
}

void listeners_keep_with(struct listeners *listeners, listeners_keep_fn keep, void *userdata)
{
	listeners->keep = keep;
	listeners->keep_userdata = userdata;
}

void listeners_inherit(struct listeners *listeners, const char *endpoint, int fd)
{
	struct inherited *one = calloc(1, sizeof(*one));

	if (!one || strlen(endpoint) >= sizeof(one->endpoint)) {
		/* Else it would be kept, and heard by nobody, for ever. */
		tell(listeners, endpoint, -1);
		(void)close(fd);
		free(one);
		return;
	}
	memcpy(one->endpoint, endpoint, strlen(endpoint) + 1);
	one->fd = fd;
	one->next = listeners->inherited;
	listeners->inherited = one;
}

static int inherited_take(const struct listeners *listeners, const char *endpoint)
{
	for (struct inherited *one = listeners->inherited; one; one = one->next) {
		if (one->fd >= 0 && strcmp(one->endpoint, endpoint) == 0)
			return TAKE_FD(one->fd);
	}
	return -1;
}

static void inherited_free(struct listeners *listeners)
{
	while (listeners->inherited) {
		struct inherited *one = listeners->inherited;

		listeners->inherited = one->next;
		if (one->fd >= 0) {
			tell(listeners, one->endpoint, -1);
			(void)close(one->fd);
		}
		free(one);
	}
}

/* ---- the slots ---- */

static void slots_remove(struct listeners *listeners, bool only_unwanted)
{
	struct slot **at = &listeners->slots;

	while (*at) {
		struct slot *slot = *at;

		if (only_unwanted && slot->is_wanted) {
			at = &slot->next;
			continue;
		}
		*at = slot->next;
		if (slot->listener && !snapshot_listen_is_link_local(&slot->where)) {
			char endpoint[SNAPSHOT_ENDPOINT_MAX];

			snapshot_endpoint(&slot->where, endpoint);
			tell(listeners, endpoint, -1);
		}
		listener_free(slot->listener);
		free(slot);
	}
}

void listeners_free(struct listeners *listeners)
{
	if (!listeners)
		return;
	slots_remove(listeners, false);
	inherited_free(listeners);
	free(listeners);
}

void listeners_close(struct listeners *listeners)
{
	slots_remove(listeners, false);
}

static void slot_want(struct listeners *listeners, const struct snapshot_listen *where)
{
	struct slot **at = &listeners->slots;

	while (*at && !snapshot_listen_is_same(&(*at)->where, where))
		at = &(*at)->next;
	if (!*at)
		*at = calloc(1, sizeof(**at));
	if (!*at)
		return; /* out of memory: the next apply tries again */
	(*at)->is_wanted = true;
	(*at)->where = *where;
	if ((*at)->listener)
		listener_rename((*at)->listener, where);
}

static void slot_open(struct listeners *listeners, struct slot *slot)
{
	static const struct listener_ops ops = {on_accept, on_starved};
	char endpoint[SNAPSHOT_ENDPOINT_MAX];

	snapshot_endpoint(&slot->where, endpoint);
	if (listener_open(listeners->event, &slot->where, inherited_take(listeners, endpoint), &ops,
			  listeners, &slot->listener, &slot->why) < 0)
		return;
	listener_pause(slot->listener, listeners->is_paused);
	/* No other could use it. */
	if (!snapshot_listen_is_link_local(&slot->where))
		tell(listeners, endpoint, listener_fd(slot->listener));
}

void listeners_apply(struct listeners *listeners, const struct snapshot *snapshot)
{
	for (struct slot *slot = listeners->slots; slot; slot = slot->next)
		slot->is_wanted = false;
	for (size_t i = 0; i < snapshot->n_listens; i++)
		slot_want(listeners, &snapshot->listens[i]);
	slots_remove(listeners, true);
	for (struct slot *slot = listeners->slots; slot; slot = slot->next) {
		if (!slot->listener)
			slot_open(listeners, slot);
	}
	inherited_free(listeners);
}

void listeners_pause(struct listeners *listeners, bool is_paused)
{
	listeners->is_paused = is_paused;
	for (struct slot *slot = listeners->slots; slot; slot = slot->next) {
		if (slot->listener)
			listener_pause(slot->listener, is_paused);
	}
}

int listeners_report(const struct listeners *listeners, struct report *report)
{
	int r = 0;

	for (const struct slot *slot = listeners->slots; slot && r == 0; slot = slot->next) {
		char endpoint[SNAPSHOT_ENDPOINT_MAX];

		snapshot_endpoint(&slot->where, endpoint);
		r = slot->listener ? report_add_listening(report, endpoint)
				   : report_add_failed(report, endpoint, slot->why.text);
	}
	return r;
}
