/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question at a time for each object, and nothing waits for it: what is late is a failure. The
 * objects live on the heap, and each answer of the runner finds its object by number, since a
 * script may outlive the line that asked for it.
 */
#include "failover/engine/track.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/engine/health.h"
#include "failover/engine/hooks.h"
#include "failover/reach.h"

struct track {
	struct tracks *tracks;
	struct config_track config;
	struct health_track state;
	sd_event_source *timer;
	struct reach *reach;
	uint64_t script; /* the question under way; 0: none */
	uint64_t changes;
	struct monotime changed_at;
	char result[160];
	int64_t rtt_us;
	unsigned turns_left; /* before being down is a reason to hand over */
	bool is_kept;
};

struct tracks {
	struct engine *engine;
	struct track *objects[CONFIG_TRACKS_MAX];
	size_t n;
	tracks_change_fn on_change;
	void *userdata;
	uint64_t questions; /* of scripts */
};

/* A script's answer, independent of the object's life. */
struct question {
	struct tracks *tracks;
	uint32_t number;
	uint64_t id;
};

static void tell(struct track *track)
{
	if (track->config.decrement)
		track->tracks->on_change(track->tracks->userdata);
}

static bool is_mate_better(const struct engine *engine)
{
	return engine_hears_mate(engine) &&
	       engine->mate.view.health.score > engine->fsm.health.score;
}

/* It is down as it was before. */
static void wait_for_mate(struct track *track, enum health_result result)
{
	if (track->state.state == HEALTH_TRACK_DOWN &&
	    track->config.kind != CONFIG_TRACK_INTERFACE &&
	    health_track_wait(result, is_mate_better(track->tracks->engine), &track->turns_left))
		tell(track);
}

static void take_result(struct track *track, enum health_result result, const char *text)
{
	(void)snprintf(track->result, sizeof(track->result), "%s", text);
	if (result != HEALTH_RESULT_GOOD)
		track->rtt_us = -1;
	if (!health_track_step(&track->state, result, track->config.down, track->config.up)) {
		wait_for_mate(track, result);
		return;
	}
	track->changes++;
	track->changed_at = monotime_now();
	/* The mate does not see this unit's own link. */
	track->turns_left = track->config.kind == CONFIG_TRACK_INTERFACE ? 0 : HEALTH_TRACK_TURNS;
	log_line(track->state.state == HEALTH_TRACK_DOWN ? LOG_WARNING : LOG_NOTICE,
		 "track %u is %s: %s", track->config.number, health_track_text(track->state.state),
		 track->result);
	tell(track);
}

/* ---- an address ---- */

/* Who is not active has no way out, perhaps; that says nothing of the target. */
static bool is_no_way(const struct track *track, int code)
{
	return !track->tracks->engine->addresses.is_claimed &&
	       (code == -ENETUNREACH || code == -EADDRNOTAVAIL);
}

static void take_code(struct track *track, int code, uint32_t rtt_us)
{
	track->rtt_us = code == 0 ? (int64_t)rtt_us : -1;
	if (code == 0)
		take_result(track, HEALTH_RESULT_GOOD, "OK");
	else if (is_no_way(track, code))
		take_result(track, HEALTH_RESULT_NONE, "no route, or no address, on a standby");
	else
		take_result(track, HEALTH_RESULT_BAD,
			    code == -ETIMEDOUT ? "Timeout" : err_text(code));
}

static void on_answer(int code, uint32_t rtt_us, void *userdata)
{
	struct track *track = userdata;

	track->reach = NULL;
	take_code(track, code, rtt_us);
}

/* The addresses of this unit's role on the interface, of the target's family. */
static bool has_source(const struct track *track, const struct config_interface *interface)
{
	bool is_active = track->tracks->engine->addresses.is_claimed;

	if (track->config.address.family == AF_INET)
		return is_active ? interface->active4.family : interface->standby4.family;
	return is_active ? interface->active6.family : interface->standby6.family;
}

static void fill_target(const struct track *track, const struct config_interface *interface,
			struct reach_target *ret_target)
{
	const struct config_address *address = &track->config.address;

	*ret_target = (struct reach_target){
		.kind = track->config.kind == CONFIG_TRACK_TCP ? REACH_TCP : REACH_PING,
		.timeout_ms = track->config.timeout_ms};
	ret_target->address.ss_family = address->family;
	if (address->family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)&ret_target->address;

		in->sin_port = htons(track->config.port);
		memcpy(&in->sin_addr, address->bytes, sizeof(in->sin_addr));
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret_target->address;

		/* Of a raw socket it would be the protocol's number. */
		in6->sin6_port = ret_target->kind == REACH_TCP ? htons(track->config.port) : 0;
		memcpy(&in6->sin6_addr, address->bytes, sizeof(in6->sin6_addr));
	}
	if (interface)
		memcpy(ret_target->device, interface->device, sizeof(ret_target->device));
}

static void ask_address(struct track *track)
{
	const struct config_interface *interface =
		track->config.interface[0] ? config_interface_find(track->tracks->engine->config,
								   track->config.interface)
					   : NULL;
	struct reach_target target;
	int r;

	if (interface && !has_source(track, interface)) {
		take_result(track, HEALTH_RESULT_NONE,
			    "this unit has no address there in its role");
		return;
	}
	fill_target(track, interface, &target);
	r = reach_ask(track->tracks->engine->event, &target, on_answer, track, &track->reach);
	if (r < 0)
		take_code(track, r, 0);
}

/* ---- an interface ---- */

/* A monitored one that flaps is down until it has stayed up, for a track as for the score. */
static bool has_link(const struct track *track)
{
	const struct engine *engine = track->tracks->engine;
	const struct config_interface *interface =
		config_interface_find(engine->config, track->config.interface);
	struct linkmon_link link = {0};

	if (interface && engine->addresses.linkmon)
		linkmon_get(engine->addresses.linkmon, interface->device, &link);
	return linkmon_is_running(&link) &&
	       !(engine->health && engine_health_is_flapping(engine->health, interface->name));
}

static void ask_link(struct track *track)
{
	bool is_up = has_link(track);

	take_result(track, is_up ? HEALTH_RESULT_GOOD : HEALTH_RESULT_BAD,
		    is_up ? "OK" : "no link");
}

/* An event counts at once only where one result is enough; else the timer counts. */
void tracks_check_links(struct tracks *tracks)
{
	for (size_t i = 0; i < tracks->n; i++) {
		struct track *track = tracks->objects[i];
		bool is_enough = has_link(track) ? track->config.up == 1 : track->config.down == 1;

		if (track->config.kind == CONFIG_TRACK_INTERFACE && is_enough)
			ask_link(track);
	}
}

/* ---- a script ---- */

static void script_result(struct track *track, int code, const Asafo__Ipc__RunnerResult *result)
{
	char text[80];

	if (code < 0 || !result) {
		take_result(track, HEALTH_RESULT_NONE, err_text(code));
		return;
	}
	if (result->status && result->status->code != 0) {
		take_result(track, HEALTH_RESULT_NONE, result->status->why);
		return;
	}
	track->rtt_us = (int64_t)result->ms * 1000;
	if (result->is_timeout)
		(void)snprintf(text, sizeof(text), "Timeout");
	else if (result->signal)
		(void)snprintf(text, sizeof(text), "ended by signal %d", (int)result->signal);
	else if (result->exit_code)
		(void)snprintf(text, sizeof(text), "exit code %d", (int)result->exit_code);
	else
		(void)snprintf(text, sizeof(text), "OK");
	take_result(track,
		    result->is_timeout || result->signal || result->exit_code ? HEALTH_RESULT_BAD
									      : HEALTH_RESULT_GOOD,
		    text);
}

static void on_script(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct question *question = userdata;
	struct tracks *tracks = question->tracks;

	if (has_more)
		return;
	for (size_t i = 0; i < tracks->n; i++) {
		struct track *track = tracks->objects[i];

		if (track->config.number != question->number || track->script != question->id)
			continue;
		track->script = 0;
		if (!tracks->engine->is_exiting)
			script_result(track, code, (const Asafo__Ipc__RunnerResult *)body);
	}
	free(question);
}

static void ask_script(struct track *track)
{
	struct tracks *tracks = track->tracks;
	struct question *question = malloc(sizeof(*question));
	char number[12];
	const char *argv[] = {number};
	int r = question ? 0 : -ENOMEM;

	(void)snprintf(number, sizeof(number), "%u", track->config.number);
	if (question) {
		*question = (struct question){tracks, track->config.number, ++tracks->questions};
		track->script = question->id;
		r = hooks_run_track(tracks->engine->hooks, track->config.script, argv,
				    ARRAY_SIZE(argv), track->config.timeout_ms, on_script,
				    question);
	}
	if (r == 0)
		return;
	track->script = 0;
	free(question);
	take_result(track, HEALTH_RESULT_NONE, err_text(r));
}

/* ---- objects ---- */

static void ask(struct track *track)
{
	switch (track->config.kind) {
	case CONFIG_TRACK_INTERFACE:
		ask_link(track);
		return;
	case CONFIG_TRACK_PING:
	case CONFIG_TRACK_TCP:
		ask_address(track);
		return;
	case CONFIG_TRACK_SCRIPT:
		ask_script(track);
		return;
	case CONFIG_TRACK__MAX:
		return;
	}
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct track *track = userdata;

	(void)usec;
	(void)sd_event_source_set_time_relative(source,
						(uint64_t)track->config.frequency_ms * 1000);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	if (!track->reach && !track->script)
		ask(track);
	return 0;
}

static void track_free(struct track *track)
{
	if (!track)
		return;
	track->timer = sd_event_source_disable_unref(track->timer);
	reach_free(track->reach);
	free(track);
}

static struct track *track_new(struct tracks *tracks, const struct config_track *config)
{
	struct track *track = calloc(1, sizeof(*track));

	if (!track)
		return NULL;
	track->tracks = tracks;
	track->config = *config;
	track->rtt_us = -1;
	if (sd_event_add_time_relative(tracks->engine->event, &track->timer, CLOCK_MONOTONIC, 0,
				       1000, on_timer, track) < 0) {
		track_free(track);
		return NULL;
	}
	return track;
}

static bool is_same(const struct config_track *a, const struct config_track *b)
{
	struct config_track copy = *b;

	copy.decrement = a->decrement;
	return memcmp(a, &copy, sizeof(copy)) == 0;
}

static struct track *keep_or_new(struct tracks *tracks, struct track *const *old, size_t n_old,
				 const struct config_track *config)
{
	for (size_t i = 0; i < n_old; i++) {
		if (!is_same(&old[i]->config, config))
			continue;
		old[i]->is_kept = true;
		old[i]->config = *config;
		return old[i];
	}
	return track_new(tracks, config);
}

void tracks_configure(struct tracks *tracks)
{
	const struct config *config = tracks->engine->config;
	struct track *old[CONFIG_TRACKS_MAX];
	size_t n_old = tracks->n;

	memcpy(old, tracks->objects, sizeof(old));
	tracks->n = 0;
	for (size_t i = 0; i < n_old; i++)
		old[i]->is_kept = false;
	for (size_t i = 0; i < config->n_tracks; i++) {
		struct track *track = keep_or_new(tracks, old, n_old, &config->tracks[i]);

		if (track)
			tracks->objects[tracks->n++] = track;
		else
			log_line(LOG_ERR, "track %u: out of memory", config->tracks[i].number);
	}
	for (size_t i = 0; i < n_old; i++) {
		if (!old[i]->is_kept)
			track_free(old[i]);
	}
}

void tracks_sum(const struct tracks *tracks, struct health_sum *sum)
{
	for (size_t i = 0; i < tracks->n; i++) {
		const struct track *track = tracks->objects[i];

		if (track->state.state != HEALTH_TRACK_DOWN || track->config.decrement == 0)
			continue;
		sum->tracks_down += track->turns_left == 0;
		sum->decrements += track->config.decrement;
	}
}

size_t tracks_count(const struct tracks *tracks)
{
	return tracks->n;
}

void tracks_show(const struct tracks *tracks, size_t index, struct track_shown *ret_shown)
{
	const struct track *track = tracks->objects[index];

	*ret_shown = (struct track_shown){&track->config,    track->state.state, track->changes,
					  track->changed_at, track->result,	 track->rtt_us};
}

int tracks_new(struct engine *engine, tracks_change_fn on_change, void *userdata,
	       struct tracks **ret_tracks)
{
	struct tracks *tracks = calloc(1, sizeof(*tracks));

	if (!tracks)
		return -ENOMEM;
	*tracks = (struct tracks){.engine = engine, .on_change = on_change, .userdata = userdata};
	*ret_tracks = tracks;
	return 0;
}

void tracks_free(struct tracks *tracks)
{
	if (!tracks)
		return;
	for (size_t i = 0; i < tracks->n; i++)
		track_free(tracks->objects[i]);
	free(tracks);
}
