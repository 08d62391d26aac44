/* SPDX-License-Identifier: Apache-2.0 */
#include "front/outcomes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front/report.h"

#define REMEMBERED_TICKS 20 /* over changes: what was not tried again for longer may be gone */

void outcome_fail(struct outcome_count *count, uint64_t tick)
{
	if (count->failures == 0 || count->tick != tick)
		count->failures++;
	count->tick = tick;
}

static bool is_of(const struct outcome *outcome, const char *interface, const char *domain,
		  const char *trustpoint)
{
	return strcmp(outcome->interface, interface) == 0 && strcmp(outcome->domain, domain) == 0 &&
	       strcmp(outcome->trustpoint, trustpoint) == 0;
}

/* Of what is not served any more. NULL: there is none. */
static struct outcome *reuse(struct outcomes *outcomes)
{
	struct outcome *oldest = NULL;

	for (size_t i = 0; i < outcomes->n; i++) {
		struct outcome *outcome = &outcomes->list[i];

		if (outcome->target == OUTCOME_NONE &&
		    (!oldest || outcome->count.tick < oldest->count.tick))
			oldest = outcome;
	}
	if (oldest)
		*oldest = (struct outcome){.target = OUTCOME_NONE};
	return oldest;
}

static struct outcome *append(struct outcomes *outcomes)
{
	size_t n = outcomes->n_allocated ? 2 * outcomes->n_allocated : 8;
	struct outcome *more;

	if (outcomes->n == REPORT_SERVED_MAX)
		return reuse(outcomes);
	if (outcomes->n == outcomes->n_allocated) {
		more = reallocarray(outcomes->list, n, sizeof(*more));
		if (!more)
			return NULL;
		outcomes->list = more;
		outcomes->n_allocated = n;
	}
	outcomes->list[outcomes->n] = (struct outcome){.target = OUTCOME_NONE};
	return &outcomes->list[outcomes->n++];
}

static struct outcome *find(struct outcomes *outcomes, size_t target, const char *interface,
			    const char *domain, const char *trustpoint)
{
	for (size_t i = 0; i < outcomes->n; i++) {
		if (outcomes->list[i].target == target)
			return &outcomes->list[i];
	}
	for (size_t i = 0; i < outcomes->n; i++) {
		if (outcomes->list[i].target == OUTCOME_NONE &&
		    is_of(&outcomes->list[i], interface, domain, trustpoint))
			return &outcomes->list[i];
	}
	return append(outcomes);
}

struct outcome *outcomes_get(struct outcomes *outcomes, size_t target, const char *interface,
			     const char *domain, const char *trustpoint)
{
	struct outcome *outcome = find(outcomes, target, interface, domain, trustpoint);

	if (!outcome)
		return NULL;
	outcome->target = target;
	(void)snprintf(outcome->interface, sizeof(outcome->interface), "%s", interface);
	(void)snprintf(outcome->domain, sizeof(outcome->domain), "%s", domain);
	(void)snprintf(outcome->trustpoint, sizeof(outcome->trustpoint), "%s", trustpoint);
	return outcome;
}

size_t outcomes_failing(const struct outcomes *outcomes)
{
	for (size_t i = 0; i < outcomes->n; i++) {
		if (outcomes->list[i].code < 0 && outcomes->list[i].target != OUTCOME_NONE)
			return outcomes->list[i].target;
	}
	return OUTCOME_NONE;
}

const struct outcome *outcomes_of(const struct outcomes *outcomes, const char *interface,
				  const char *domain, const char *trustpoint)
{
	for (size_t i = 0; i < outcomes->n; i++) {
		if (outcomes->list[i].target != OUTCOME_NONE &&
		    is_of(&outcomes->list[i], interface, domain, trustpoint))
			return &outcomes->list[i];
	}
	return NULL;
}

void outcomes_restart(struct outcomes *outcomes, uint64_t tick)
{
	size_t n = 0;

	for (size_t i = 0; i < outcomes->n; i++) {
		struct outcome *outcome = &outcomes->list[i];

		if (outcome->count.failures == 0 || tick - outcome->count.tick > REMEMBERED_TICKS)
			continue;
		outcome->target = OUTCOME_NONE;
		outcome->at = 0;
		outcomes->list[n++] = *outcome;
	}
	outcomes->n = n;
}

void outcomes_done(struct outcomes *outcomes)
{
	free(outcomes->list);
	*outcomes = (struct outcomes){0};
}
