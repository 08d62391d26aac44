/* SPDX-License-Identifier: Apache-2.0 */
/* A slot for each wanted address, with its listener or the sentence that says why there is none. */
#include "front/listeners.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"

struct slot {
	struct slot *next;
	struct snapshot_listen where;
	struct listener *listener;
	struct why why;
	bool is_wanted;
};

struct listeners {
	sd_event *event;
	const struct listeners_ops *ops;
	void *userdata;
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
	*listeners = (struct listeners){event, ops, userdata, NULL, true};
	*ret_listeners = listeners;
	return 0;
}

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
		listener_free(slot->listener);
		free(slot);
	}
}

void listeners_free(struct listeners *listeners)
{
	if (!listeners)
		return;
	slots_remove(listeners, false);
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

void listeners_apply(struct listeners *listeners, const struct snapshot *snapshot)
{
	static const struct listener_ops ops = {on_accept, on_starved};

	for (struct slot *slot = listeners->slots; slot; slot = slot->next)
		slot->is_wanted = false;
	for (size_t i = 0; i < snapshot->n_listens; i++)
		slot_want(listeners, &snapshot->listens[i]);
	slots_remove(listeners, true);
	for (struct slot *slot = listeners->slots; slot; slot = slot->next) {
		if (slot->listener)
			continue;
		if (listener_open(listeners->event, &slot->where, &ops, listeners, &slot->listener,
				  &slot->why) == 0)
			listener_pause(slot->listener, listeners->is_paused);
	}
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
