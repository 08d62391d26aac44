/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/guesses.h"

#include <string.h>

int guesses_send(struct ipc_channel *engine, const struct lockout *lockout, struct monotime now)
{
	struct lockout_entry entries[LOCKOUT_EXPORT_MAX];
	Asafo__Ipc__AuthGuess messages[LOCKOUT_EXPORT_MAX], *pointers[LOCKOUT_EXPORT_MAX];
	Asafo__Ipc__AuthGuesses body = ASAFO__IPC__AUTH_GUESSES__INIT;

	body.n_guesses = lockout_export(lockout, entries, now);
	body.guesses = pointers;
	for (size_t i = 0; i < body.n_guesses; i++) {
		asafo__ipc__auth_guess__init(&messages[i]);
		messages[i].key = (ProtobufCBinaryData){sizeof(entries[i].key), entries[i].key};
		messages[i].is_source = entries[i].is_source;
		messages[i].failures = entries[i].failures;
		messages[i].age_ms = entries[i].age_ms;
		messages[i].locked_ms = entries[i].locked_ms;
		pointers[i] = &messages[i];
	}
	return ipc_channel_send(engine, IPC_AUTH_GUESSES, &body.base, NULL, 0);
}

int guesses_take(struct lockout *lockout, const Asafo__Ipc__AuthGuesses *message,
		 struct monotime now)
{
	struct lockout_entry entries[LOCKOUT_EXPORT_MAX];
	size_t n = 0;

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
	return lockout_replace(lockout, entries, n, now);
}
