/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/guesses.h"

#include <string.h>

/* A message and all that it points to. */
struct telling {
	Asafo__Ipc__AuthGuesses body;
	struct lockout_entry entries[LOCKOUT_EXPORT_MAX];
	Asafo__Ipc__AuthGuess guesses[LOCKOUT_EXPORT_MAX];
	Asafo__Ipc__AuthGuess *guess_pointers[LOCKOUT_EXPORT_MAX];
	Asafo__Ipc__AuthStep steps[GUESSES_STEPS_MAX];
	Asafo__Ipc__AuthStep *step_pointers[GUESSES_STEPS_MAX];
};

static void guesses_fill(struct telling *telling, const struct lockout *lockout,
			 struct monotime now)
{
	asafo__ipc__auth_guesses__init(&telling->body);
	telling->body.guesses = telling->guess_pointers;
	telling->body.steps = telling->step_pointers;
	telling->body.n_guesses = lockout_export(lockout, telling->entries, now);
	for (size_t i = 0; i < telling->body.n_guesses; i++) {
		struct lockout_entry *entry = &telling->entries[i];
		Asafo__Ipc__AuthGuess *guess = &telling->guesses[i];

		asafo__ipc__auth_guess__init(guess);
		guess->key = (ProtobufCBinaryData){sizeof(entry->key), entry->key};
		guess->is_source = entry->is_source;
		guess->failures = entry->failures;
		guess->age_ms = entry->age_ms;
		guess->locked_ms = entry->locked_ms;
		telling->guess_pointers[i] = guess;
	}
}

static void step_add(struct telling *telling, const struct step *step, struct monotime now)
{
	size_t i = telling->body.n_steps++;

	asafo__ipc__auth_step__init(&telling->steps[i]);
	telling->steps[i].user =
		(ProtobufCBinaryData){sizeof(step->user), (uint8_t *)(uintptr_t)step->user};
	telling->steps[i].step = step->step;
	telling->steps[i].age_ms = monotime_since(now, step->at) / MONOTIME_NS_PER_MS;
	telling->step_pointers[i] = &telling->steps[i];
}

int guesses_send(struct ipc_channel *engine, const struct lockout *lockout,
		 const struct steps *steps, const struct step *only, struct monotime now)
{
	struct telling telling;
	const struct step *step = only;
	size_t at = 0;
	int r;

	guesses_fill(&telling, lockout, now);
	if (!only)
		step = steps_next(steps, &at, now);
	do {
		telling.body.n_steps = 0;
		while (step && telling.body.n_steps < GUESSES_STEPS_MAX) {
			step_add(&telling, step, now);
			step = only ? NULL : steps_next(steps, &at, now);
		}
		r = ipc_channel_send(engine, IPC_AUTH_GUESSES, &telling.body.base, NULL, 0);
	} while (r == 0 && step);
	return r;
}

static int steps_take(struct steps *steps, const Asafo__Ipc__AuthGuesses *message,
		      struct monotime now)
{
	int r = 0;

	for (size_t i = 0; i < message->n_steps && r == 0; i++) {
		const Asafo__Ipc__AuthStep *step = message->steps[i];
		uint64_t age_ns = step->age_ms * MONOTIME_NS_PER_MS;

		/* Two units that tell each other keep it no longer for that. */
		if (step->user.len == STEPS_KEY_SIZE && step->age_ms < STEPS_KEEP_MS)
			r = steps_use(steps, step->user.data, step->step,
				      (struct monotime){now.ns > age_ns ? now.ns - age_ns : 0});
	}
	return r;
}

int guesses_take(struct lockout *lockout, struct steps *steps,
		 const Asafo__Ipc__AuthGuesses *message, struct monotime now)
{
	struct lockout_entry entries[LOCKOUT_EXPORT_MAX];
	size_t n = 0;
	int r;

	for (size_t i = 0; i < message->n_guesses && n < LOCKOUT_EXPORT_MAX; i++) {
		const Asafo__Ipc__AuthGuess *guess = message->guesses[i];

		if (guess->key.len != sizeof(entries[n].key))
			continue;
		memcpy(entries[n].key, guess->key.data, sizeof(entries[n].key));
		entries[n].is_source = guess->is_source;
		entries[n].failures = guess->failures;
		entries[n].age_ms = guess->age_ms;
		entries[n].locked_ms = guess->locked_ms;
		n++;
	}
	r = steps_take(steps, message, now);
	return r < 0 || message->is_steps_only ? r : lockout_replace(lockout, entries, n, now);
}
