/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "core/health.h"
#include "failover/engine/engine.h"

/* The track objects of the configuration: asks for each in its frequency, and keeps what it found.
 */
struct tracks;

/* A track object that counts went up or down. */
typedef void (*tracks_change_fn)(void *userdata);

int tracks_new(struct engine *engine, tracks_change_fn on_change, void *userdata,
	       struct tracks **ret_tracks);
void tracks_free(struct tracks *tracks);
/* Takes over the configuration's; those that did not change go on. */
void tracks_configure(struct tracks *tracks);
/* A link may have changed. */
void tracks_check_links(struct tracks *tracks);
/* Adds those that are down and count. */
void tracks_sum(const struct tracks *tracks, struct health_sum *sum);

struct track_shown {
	const struct config_track *config;
	enum health_track_state state;
	uint64_t changes;
	struct monotime changed_at; /* 0: never */
	const char *result;	    /* "OK", "Timeout" */
	int64_t rtt_us;		    /* -1: none */
};
size_t tracks_count(const struct tracks *tracks);
void tracks_show(const struct tracks *tracks, size_t index, struct track_shown *ret_shown);
