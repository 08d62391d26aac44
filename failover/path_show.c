/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of the paths. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "failover/path_internal.h"

/* Silent for a holdtime: one that starts has not heard us yet. */
static bool is_mate_deaf(const struct path *path)
{
	return path->deaf_since.ns != 0 &&
	       monotime_since(monotime_now(), path->deaf_since) > path_set_hold_ns(path->set);
}

/* Where nothing comes, and the mate, which tells of all that it has, never tells of this one. */
static bool is_unknown_to_mate(const struct path *path)
{
	return path->config.is_failover_link && path->state != PATH_STATE_UP &&
	       path->unnamed > PATH_UNNAMED_MAX;
}

size_t path_set_count(const struct path_set *set)
{
	return set->n_paths;
}

bool path_set_is_usable(const struct path_set *set, size_t index)
{
	const struct path *path = &set->paths[index];

	return path->state == PATH_STATE_WAITING ||
	       (path->state == PATH_STATE_UP && !is_mate_deaf(path));
}

const struct path_config *path_set_config(const struct path_set *set, size_t index)
{
	return &set->paths[index].config;
}

/* The first thing that is wrong with it, in words. */
static void say_why(const struct path *path, char *text, size_t size)
{
	const char *device = path->config.device;

	if (path->last_error == -ENODEV)
		(void)snprintf(text, size, "there is no interface %s", device);
	else if (path->last_error == -EACCES && path->config.family == AF_INET6)
		(void)snprintf(text, size, "IPv6 is disabled on %s", device);
	else if (path->last_error == -EADDRNOTAVAIL && path->config.family == AF_INET6)
		(void)snprintf(text, size, "%s has no IPv6 link-local address (yet)", device);
	else if (path->last_error != 0)
		(void)snprintf(text, size, "cannot send: %s", err_text(path->last_error));
	else if (path->is_muted)
		(void)snprintf(text, size, "flooded: more than %u datagrams a second", PATH_RATE);
	else if (is_unknown_to_mate(path))
		(void)snprintf(text, size,
			       "the mate has no link with these addresses: compare failover "
			       "interface ip");
	else if (path->state == PATH_STATE_UP && is_mate_deaf(path))
		(void)snprintf(text, size, "the mate hears nothing of this unit here");
	else if (path->sock.lacks_address)
		(void)snprintf(text, size, "%s has no IPv4 address: sent from 0.0.0.0", device);
	else
		text[0] = '\0';
}

void path_set_statistics(const struct path_set *set, size_t index,
			 struct path_statistics *ret_statistics)
{
	const struct path *path = &set->paths[index];
	const struct path_stats *stats = &path->stats;
	bool is_silent = path->state == PATH_STATE_LOST && stats->boot == set->boot;
	uint64_t newest = is_silent ? set->newest : stats->newest;

	*ret_statistics = (struct path_statistics){
		.family = path->config.family,
		.is_failover_link = path->config.is_failover_link,
		.is_open = path->sock.fd >= 0,
		.state = path->state,
		.was_heard = stats->received > 0,
		.heard_at = stats->heard_at,
		.is_mate_deaf = is_mate_deaf(path),
		.is_unknown_to_mate = is_unknown_to_mate(path),
		.sent = path->sent,
		.send_errors = path->send_errors,
		.received =
			stats->received > path->uncounted ? stats->received - path->uncounted : 0,
		.lost = path_stats_lost(stats, newest),
		.recent_loss = path_stats_recent_loss(stats, newest),
		.datagrams = path->datagrams,
		.rtt_median_us = path_stats_median_us(stats),
		.rtt_min_us = stats->rtt_min_us,
		.rtt_last_us = path_stats_last_us(stats),
		.last_error = path->last_error,
	};
	memcpy(ret_statistics->name, path->config.name, sizeof(ret_statistics->name));
	memcpy(ret_statistics->device, path->config.device, sizeof(ret_statistics->device));
	say_why(path, ret_statistics->why, sizeof(ret_statistics->why));
}

void path_set_clear_statistics(struct path_set *set)
{
	for (struct path *path = set->paths; path < set->paths + set->n_paths; path++) {
		path->sent = path->send_errors = 0;
		path->uncounted = path->stats.received;
		path_stats_clear_losses(&path->stats);
	}
}
