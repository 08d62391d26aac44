/* SPDX-License-Identifier: Apache-2.0 */
/* Both waits are moments in time, and the timer is only set to the nearer one: who says how it
 * stands, each second and more often, does not make them longer. */
#include "front/gate.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/monotime.h"

#define PATIENCE_MS 2000 /* how long clients wait in the queue for the keeper's first answer */
#define STARVED_MS 100

struct gate {
	gate_fn on_change;
	void *userdata;
	sd_event_source *timer;
	bool is_full, is_loading, is_starved, is_patience_over;
	struct monotime patience_until, starved_until;
};

static void timer_set(const struct gate *gate)
{
	bool is_waiting = gate->is_loading && !gate->is_patience_over;
	struct monotime at = gate->starved_until;

	if (!gate->is_starved || (is_waiting && monotime_reached(at, gate->patience_until)))
		at = gate->patience_until;
	if (gate->is_starved || is_waiting)
		(void)sd_event_source_set_time(gate->timer, at.ns / 1000 + 1);
	(void)sd_event_source_set_enabled(
		gate->timer, gate->is_starved || is_waiting ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void look(struct gate *gate)
{
	timer_set(gate);
	gate->on_change(gate->is_starved || gate->is_full ||
				(gate->is_loading && !gate->is_patience_over),
			gate->userdata);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct gate *gate = userdata;
	struct monotime now = monotime_now();

	(void)source;
	(void)usec;
	gate->is_patience_over |= gate->is_loading && monotime_reached(now, gate->patience_until);
	gate->is_starved &= !monotime_reached(now, gate->starved_until);
	look(gate);
	return 0;
}

void gate_update(struct gate *gate, bool is_full, bool is_loading)
{
	if (is_loading && !gate->is_loading)
		gate->patience_until = monotime_add_ms(monotime_now(), PATIENCE_MS);
	gate->is_patience_over &= is_loading;
	gate->is_loading = is_loading;
	gate->is_full = is_full;
	look(gate);
}

void gate_starve(struct gate *gate)
{
	gate->is_starved = true;
	gate->starved_until = monotime_add_ms(monotime_now(), STARVED_MS);
}

void gate_relieve(struct gate *gate)
{
	gate->is_starved = false;
}

bool gate_is_starved(const struct gate *gate)
{
	return gate->is_starved;
}

bool gate_is_patience_over(const struct gate *gate)
{
	return gate->is_patience_over;
}

int gate_new(sd_event *event, gate_fn on_change, void *userdata, struct gate **ret_gate)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	int r;

	if (!gate)
		return -ENOMEM;
	gate->on_change = on_change;
	gate->userdata = userdata;
	r = sd_event_add_time_relative(event, &gate->timer, CLOCK_MONOTONIC, 0, 1000, on_timer,
				       gate);
	if (r >= 0)
		r = sd_event_source_set_enabled(gate->timer, SD_EVENT_OFF);
	if (r < 0) {
		gate_free(gate);
		return r;
	}
	*ret_gate = gate;
	return 0;
}

void gate_free(struct gate *gate)
{
	if (!gate)
		return;
	gate->timer = sd_event_source_disable_unref(gate->timer);
	free(gate);
}
