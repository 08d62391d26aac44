/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections are shared by all fronts, so one that cannot serve is reason enough. Who has just
 * been started is given the time to come up, and a unit that has no state to serve yet (a standby
 * that is still being filled) is not judged.
 */
#include "failover/engine/service.h"

#include <stdio.h>

#define SILENT_MS 3500 /* fronts report each second */
#define START_MS 5000  /* ... but not before they have the certificates */
#define SETTLE_MS 2000 /* the certificates of a bulk are there, and the fronts have tried them */

void service_attached(struct service *service, unsigned instance)
{
	service->fronts[instance] =
		(struct service_front){.is_attached = true, .at = monotime_now()};
}

void service_gone(struct service *service, unsigned instance)
{
	service->fronts[instance] = (struct service_front){0};
	service->gone_at = monotime_now();
}

void service_reported(struct service *service, unsigned instance,
		      const Asafo__Ipc__FrontReport *report)
{
	struct service_front *front = &service->fronts[instance];

	front->is_attached = front->has_reported = true;
	front->at = monotime_now();
	front->code = report->self_test_code;
	(void)snprintf(front->why, sizeof(front->why), "%s", report->self_test_why);
}

static void shift(struct monotime *time, uint64_t ns)
{
	if (time->ns != 0)
		*time = monotime_min((struct monotime){time->ns + ns}, monotime_now());
}

void service_stood_still(struct service *service, uint64_t ns)
{
	for (size_t i = 0; i < ENGINE_FRONTS_MAX; i++)
		shift(&service->fronts[i].at, ns);
	shift(&service->gone_at, ns);
	shift(&service->judged_since, ns);
}

/* Only who serves, or would at once, is judged. */
static bool is_judged(const struct engine *engine)
{
	return engine->config->webvpn.n_enabled > 0 &&
	       (engine->fsm.state == FO_STATE_ACTIVE ||
		engine->fsm.state == FO_STATE_STANDBY_READY ||
		engine->fsm.state == FO_STATE_FAILED);
}

void service_watch(struct service *service, const struct engine *engine)
{
	if (!is_judged(engine))
		service->judged_since = (struct monotime){0};
	else if (service->judged_since.ns == 0)
		service->judged_since = monotime_now();
}

/* What a front said of itself when there was no certificate yet is no news of a standby that has
 * just become ready. */
static bool is_settled(const struct service *service, const struct service_front *front)
{
	return service->judged_since.ns != 0 &&
	       monotime_since(front->at, service->judged_since) >= SETTLE_MS * MONOTIME_NS_PER_MS;
}

static const char *front_trouble(const struct service *service, const struct service_front *front,
				 struct monotime now)
{
	uint64_t ms = monotime_since(now, front->at) / MONOTIME_NS_PER_MS;

	if (!front->has_reported)
		return ms > START_MS ? "a listener process does not report" : NULL;
	if (ms > SILENT_MS)
		return "a listener process does not report any more";
	return front->code < 0 && is_settled(service, front) ? front->why : NULL;
}

const char *service_trouble(const struct service *service, const struct engine *engine)
{
	struct monotime now = monotime_now();
	struct monotime since = service->gone_at.ns ? service->gone_at : engine->started_at;
	const char *why = NULL;
	bool has_front = false;

	if (!is_judged(engine))
		return NULL;
	for (size_t i = 0; i < ENGINE_FRONTS_MAX; i++) {
		if (!service->fronts[i].is_attached)
			continue;
		has_front = true;
		if (!why)
			why = front_trouble(service, &service->fronts[i], now);
	}
	if (!has_front && monotime_since(now, since) > START_MS * MONOTIME_NS_PER_MS)
		return "there is no listener process";
	return why;
}
