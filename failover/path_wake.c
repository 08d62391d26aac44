/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hello comes on every path, and each would wake the loop up for what it has heard already. At
 * long polltimes the link to the mate alone does: it is sent on last, and what came on the others
 * by then is read in the same turn. A path whose hellos are not there by then, since it is slower
 * or the mate's release sends in another order, wakes the loop up by itself, as all of them do
 * where the link brings nothing. All are read before a timer is believed in any case.
 */
#include "failover/path_internal.h"
#include "failover/path_poll.h"

/* So many in a row are no accident. */
#define IN_TIME 16u

int path_wake_watch(struct path *path)
{
	struct path_set *set = path->set;
	int r = path_poll_watch(set->poll_fd, path->sock.fd, path->index);

	path->wake = (struct path_wake){0};
	if (r == 0)
		r = path_poll_watch(set->wake_fd, path->sock.fd, path->index);
	if (r < 0)
		path_poll_forget(set->poll_fd, path->sock.fd);
	return r;
}

void path_wake_forget(struct path *path)
{
	path_poll_forget(path->set->poll_fd, path->sock.fd);
	if (!path->wake.is_asleep)
		path_poll_forget(path->set->wake_fd, path->sock.fd);
	path->wake = (struct path_wake){0};
}

static void set_asleep(struct path *path, bool is_asleep)
{
	if (path->wake.is_asleep == is_asleep || path->sock.fd < 0 || path->is_muted)
		return;
	if (is_asleep)
		path_poll_forget(path->set->wake_fd, path->sock.fd);
	else if (path_poll_watch(path->set->wake_fd, path->sock.fd, path->index) < 0)
		return; /* tried again with the next hello */
	path->wake.is_asleep = is_asleep;
}

/* The link that wakes the loop up for all: NULL where none brings hellos. */
static struct path *find_waker(struct path_set *set)
{
	for (struct path *path = set->paths; path < set->paths + set->n_paths; path++)
		if (path->config.is_failover_link && path->state == PATH_STATE_UP &&
		    path->sock.fd >= 0 && !path->is_muted && path->stats.boot == set->boot)
			return path;
	return NULL;
}

static void wake_all(struct path_set *set)
{
	for (struct path *path = set->paths; path < set->paths + set->n_paths; path++) {
		path->wake.n_in_time = 0;
		set_asleep(path, false);
	}
}

static bool has_newest(const struct path *path)
{
	return path->stats.boot == path->set->boot && path->stats.newest >= path->set->newest;
}

static bool is_any_asleep(const struct path_set *set)
{
	for (size_t i = 0; i < set->n_paths; i++)
		if (set->paths[i].wake.is_asleep)
			return true;
	return false;
}

/* A path that sleeps brought something, and the waker nothing: it need not be a newer hello, for a
 * mate that was started anew is a stranger at first. Asked once a turn. */
static bool is_overtaken(struct path_set *set, const struct path *waker)
{
	bool is_silent = waker && waker->datagrams == waker->wake.judged, is_overtaken = false;

	for (struct path *path = set->paths; path < set->paths + set->n_paths; path++) {
		if (is_silent && path->wake.is_asleep && path->datagrams != path->wake.judged)
			is_overtaken = true;
		path->wake.judged = path->datagrams;
	}
	return is_overtaken;
}

void path_wake_judge(struct path_set *set)
{
	struct path *waker = set->is_gathering ? find_waker(set) : NULL;
	bool is_late = is_overtaken(set, waker);

	if (!waker || is_late || (!has_newest(waker) && is_any_asleep(set))) {
		wake_all(set);
		set->judged = set->newest;
		return;
	}
	if (set->judged == set->newest || !has_newest(waker))
		return;
	set->judged = set->newest;
	for (struct path *path = set->paths; path < set->paths + set->n_paths; path++) {
		if (!has_newest(path))
			path->wake.n_in_time = 0;
		else if (path->wake.n_in_time < IN_TIME)
			path->wake.n_in_time++;
		set_asleep(path, path != waker && waker->wake.n_in_time == IN_TIME &&
					 path->wake.n_in_time == IN_TIME);
	}
}

void path_set_gather(struct path_set *set, bool is_gathering)
{
	if (set->is_gathering == is_gathering)
		return;
	set->is_gathering = is_gathering;
	path_wake_judge(set);
}
