/* SPDX-License-Identifier: Apache-2.0 */
/* Track objects: kept by number, so that two configurations with the same ones are the same text.
 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "config/apply.h"

static struct config_track *track_find(struct config *config, uint64_t number, size_t *ret_place)
{
	size_t i = 0;

	while (i < config->n_tracks && config->tracks[i].number < number)
		i++;
	*ret_place = i;
	return i < config->n_tracks && config->tracks[i].number == number ? &config->tracks[i]
									  : NULL;
}

static int track_remove(struct apply *apply, const struct value *number)
{
	struct config *config = apply->config;
	size_t place;

	if (!track_find(config, number->number, &place))
		return apply_refuse(apply, ERR_NOT_FOUND, number, "there is no such track object");
	config->n_tracks--;
	memmove(&config->tracks[place], &config->tracks[place + 1],
		(config->n_tracks - place) * sizeof(config->tracks[0]));
	return 0;
}

static uint32_t number_or(const struct grammar_match *match, const char *name, uint32_t otherwise)
{
	const struct value *value = grammar_match_value(match, name);

	return value ? (uint32_t)value->number : otherwise;
}

static void read_target(const struct grammar_match *match, struct config_track *track)
{
	const struct value *address = grammar_match_value(match, "address");
	const struct value *script = grammar_match_value(match, "script");

	if (!address)
		address = grammar_match_value(match, "address6");
	if (address)
		track->address = address->address;
	track->port = (uint16_t)number_or(match, "port", 0);
	if (script)
		track->kind = CONFIG_TRACK_SCRIPT;
	else if (address)
		track->kind = track->port ? CONFIG_TRACK_TCP : CONFIG_TRACK_PING;
	else
		track->kind = CONFIG_TRACK_INTERFACE;
	(void)snprintf(track->script, sizeof(track->script), "%s", apply_text(match, "script"));
	(void)snprintf(track->interface, sizeof(track->interface), "%s",
		       apply_text(match, "interface"));
}

static struct config_track read_track(const struct grammar_match *match, uint64_t number)
{
	struct config_track track = {
		.number = (uint32_t)number,
		.frequency_ms =
			number_or(match, "frequency-ms", 1000 * number_or(match, "frequency-s", 1)),
		.timeout_ms = number_or(match, "timeout", 500),
		.down = number_or(match, "down", 3),
		.up = number_or(match, "up", 3),
	};

	read_target(match, &track);
	/* The kernel tells of a link at once: there is nothing to ask, and nothing to doubt. */
	if (track.kind == CONFIG_TRACK_INTERFACE) {
		track.down = number_or(match, "down", 1);
		track.up = number_or(match, "up", 1);
	}
	return track;
}

static int set_track(struct apply *apply, const struct grammar_match *match)
{
	struct config *config = apply->config;
	const struct value *number = grammar_match_value(match, "number");
	const struct value *interface = grammar_match_value(match, "interface");
	struct config_track *known, track;
	size_t place;

	if (match->is_negated)
		return track_remove(apply, number);
	if (interface && !config_interface_find(config, interface->text))
		return apply_refuse(apply, ERR_NOT_FOUND, interface,
				    "no interface above has this name (\"nameif %s\")",
				    interface->text);
	track = read_track(match, number->number);
	known = track_find(config, number->number, &place);
	if (known) {
		track.decrement = known->decrement;
		*known = track;
		return 0;
	}
	if (config->n_tracks == CONFIG_TRACKS_MAX)
		return apply_refuse(apply, ERR_TOO_LARGE, number, "more than %d track objects",
				    CONFIG_TRACKS_MAX);
	memmove(&config->tracks[place + 1], &config->tracks[place],
		(config->n_tracks - place) * sizeof(config->tracks[0]));
	config->tracks[place] = track;
	config->n_tracks++;
	return 0;
}

static int set_failover_track(struct apply *apply, const struct grammar_match *match)
{
	const struct value *number = grammar_match_value(match, "number");
	size_t place;
	struct config_track *track = track_find(apply->config, number->number, &place);

	if (!track)
		return apply_refuse(apply, ERR_NOT_FOUND, number,
				    "there is no such track object; \"track %s ...\" comes first",
				    number->text);
	track->decrement = match->is_negated ? 0 : number_or(match, "decrement", 10);
	return 0;
}

apply_fn apply_track_handler(enum command_id id)
{
	static const apply_fn handlers[COMMAND__MAX] = {
		[COMMAND_TRACK] = set_track,
		[COMMAND_FAILOVER_TRACK] = set_failover_track,
	};

	return handlers[id];
}
