/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "config/check.h"
#include "config/value.h"

int check_interface_times(const struct config_failover *failover, struct why *ret_why)
{
	uint32_t poll = failover->interface_poll_ms, hold = failover->interface_hold_ms;

	if (poll < 50 || poll > 15000)
		return why_set(ret_why, ERR_SYNTAX,
			       "failover polltime interface: %u ms is not from 50 ms to 15 s",
			       poll);
	if (hold < 250 || hold > 75000 || hold < 5 * poll)
		return why_set(ret_why, ERR_SYNTAX,
			       "failover polltime interface: the holdtime of %u ms is not from 5 "
			       "polltimes of %u ms to 75 s",
			       hold, poll);
	return 0;
}

static bool has_target(const struct config_track *track)
{
	switch (track->kind) {
	case CONFIG_TRACK_INTERFACE:
		return track->interface[0] != 0;
	case CONFIG_TRACK_PING:
		return track->address.family != 0;
	case CONFIG_TRACK_TCP:
		return track->address.family != 0 && track->port != 0;
	case CONFIG_TRACK_SCRIPT:
		return memchr(track->script, 0, sizeof(track->script)) &&
		       value_accept(VALUE_NAME, 0, 0, track->script, NULL);
	case CONFIG_TRACK__MAX:
		break;
	}
	return false;
}

static bool is_in_range(const struct config_track *track)
{
	return track->frequency_ms >= 100 && track->frequency_ms <= 3600000 &&
	       track->timeout_ms >= 10 && track->timeout_ms <= 60000 && track->down >= 1 &&
	       track->down <= 100 && track->up >= 1 && track->up <= 100 && track->decrement <= 490;
}

static int check_track(const struct config *config, const struct config_track *track,
		       struct why *ret_why)
{
	if (!has_target(track) || !is_in_range(track))
		return why_set(ret_why, ERR_SYNTAX, "track %u: its values are out of range",
			       track->number);
	if (track->timeout_ms > track->frequency_ms && track->kind != CONFIG_TRACK_INTERFACE)
		return why_set(ret_why, ERR_SYNTAX,
			       "track %u: the timeout of %u ms is longer than its frequency of %u "
			       "ms: give a shorter \"timeout\" or a longer \"frequency\"",
			       track->number, track->timeout_ms, track->frequency_ms);
	if (!memchr(track->interface, 0, sizeof(track->interface)) ||
	    (track->interface[0] && !config_interface_find(config, track->interface)))
		return why_set(ret_why, ERR_NOT_FOUND,
			       "track %u: there is no interface of that name", track->number);
	return 0;
}

int check_tracks(const struct config *config, struct why *ret_why)
{
	uint32_t before = 0;

	for (size_t i = 0; i < config->n_tracks; i++) {
		const struct config_track *track = &config->tracks[i];
		int r;

		if (track->number <= before || track->number > 500)
			return why_set(ret_why, ERR_SYNTAX,
				       "track %u: its number stands twice, or is not from 1 to 500",
				       track->number);
		before = track->number;
		r = check_track(config, track, ret_why);
		if (r < 0)
			return r;
	}
	return 0;
}
