/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/steps.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct steps {
	struct step *table;
	size_t n, capacity;
};

int steps_new(struct steps **ret_steps)
{
	struct steps *steps = calloc(1, sizeof(*steps));

	if (!steps)
		return -ENOMEM;
	*ret_steps = steps;
	return 0;
}

void steps_free(struct steps *steps)
{
	if (!steps)
		return;
	free(steps->table);
	free(steps);
}

void steps_key(const char *user, uint8_t ret_key[static STEPS_KEY_SIZE])
{
	memset(ret_key, 0, STEPS_KEY_SIZE);
	memcpy(ret_key, user, strnlen(user, STEPS_KEY_SIZE));
}

static struct step *find(const struct steps *steps, const uint8_t user[static STEPS_KEY_SIZE])
{
	for (size_t i = 0; i < steps->n; i++) {
		if (memcmp(steps->table[i].user, user, STEPS_KEY_SIZE) == 0)
			return &steps->table[i];
	}
	return NULL;
}

uint64_t steps_last(const struct steps *steps, const uint8_t user[static STEPS_KEY_SIZE])
{
	const struct step *step = find(steps, user);

	return step ? step->step : 0;
}

static bool is_old(const struct step *step, struct monotime now)
{
	return monotime_reached(now, monotime_add_ms(step->at, STEPS_KEEP_MS));
}

static struct step *place_take(struct steps *steps, struct monotime now)
{
	size_t capacity = steps->capacity ? 2 * steps->capacity : 16;
	struct step *oldest = NULL, *table;

	for (size_t i = 0; i < steps->n; i++) {
		if (is_old(&steps->table[i], now))
			return &steps->table[i];
		if (!oldest || steps->table[i].at.ns < oldest->at.ns)
			oldest = &steps->table[i];
	}
	if (steps->n >= STEPS_MAX)
		return oldest;
	if (steps->n == steps->capacity) {
		table = reallocarray(steps->table, capacity, sizeof(*table));
		if (!table)
			return NULL;
		steps->table = table;
		steps->capacity = capacity;
	}
	return &steps->table[steps->n++];
}

int steps_use(struct steps *steps, const uint8_t user[static STEPS_KEY_SIZE], uint64_t step,
	      struct monotime at)
{
	struct step *place = find(steps, user);

	if (place && place->step >= step)
		return 0;
	if (!place)
		place = place_take(steps, at);
	if (!place)
		return -ENOMEM;
	memcpy(place->user, user, STEPS_KEY_SIZE);
	place->step = step;
	place->at = at;
	return 0;
}

const struct step *steps_next(const struct steps *steps, size_t *at, struct monotime now)
{
	while (*at < steps->n) {
		const struct step *step = &steps->table[(*at)++];

		if (!is_old(step, now))
			return step;
	}
	return NULL;
}
