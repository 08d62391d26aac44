/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "core/health.h"
#include "failover/engine/engine.h"
#include "failover/engine/service.h"
#include "failover/engine/track.h"

/*
 * How healthy this unit is: the monitored interfaces with their tests, the track objects, what the
 * fronts say of themselves. Feeds the state machine with a score whenever it changes.
 */
struct engine_health;

/* Errors: -ENOMEM, -errno. */
int engine_health_new(struct engine *engine, struct engine_health **ret_health);
void engine_health_free(struct engine_health *health);
/* The configuration or the paths to the mate changed. */
void engine_health_configure(struct engine_health *health);
/* The state machine has started, and knows of nothing yet. */
void engine_health_started(struct engine_health *health);
/* A link may have changed. */
void engine_health_check_links(struct engine_health *health);
/* An authentic hello came on this path. */
void engine_health_path_heard(struct engine_health *health, size_t path);
/* The mate's newest hello: what it says of its interfaces. */
void engine_health_mate(struct engine_health *health, const struct hello *hello);
void engine_health_fill_hello(const struct engine_health *health, struct hello *hello);

/* What `show` says of an interface; the texts are static. */
struct engine_health_shown {
	const char *status, *monitoring;	   /* "Normal", "Monitored" */
	const char *mate_status, *mate_monitoring; /* "Unknown" where the mate does not say */
	bool is_failed;				   /* monitored, and counts against this unit */
	bool is_mate_failed;			   /* ... against the mate */
};
void engine_health_show_interface(const struct engine_health *health,
				  const struct config_interface *interface,
				  struct engine_health_shown *ret_shown);
/* Monitored interfaces of this unit, and what failed of them and of the rest. */
void engine_health_show_sum(const struct engine_health *health, struct health_sum *ret_sum);
/* Its link goes and comes again and again, which was said once (flap.h). */
bool engine_health_is_flapping(const struct engine_health *health, const char *interface);
const struct tracks *engine_health_tracks(const struct engine_health *health);
/* Why this unit could not serve a client; NULL: it could. Borrowed. */
const char *engine_health_trouble(const struct engine_health *health);
/* Where the fronts' words go. */
struct service *engine_health_service(struct engine_health *health);
/* What the service is may be different now. */
void engine_health_check_service(struct engine_health *health);
