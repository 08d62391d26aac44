/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has guessed passwords: the active unit's auth helper counts, the standby's is told, so that a
 * failover gives nobody another few tries. Which one-time codes were used each unit tells the
 * other, whatever their roles: of two that were both active one becomes the standby, and its codes
 * are used all the same. The engine passes it on, and keeps nothing of it.
 */
#include "base/err.h"
#include "base/log.h"
#include "failover/replication/replication.h"
#include "failover/vpn/hub_internal.h"

#define GUESSES_MAX 256 /* of one message: the helper's LOCKOUT_EXPORT_MAX */

void hub_guesses_tell(struct vpnhub *hub, const Asafo__Ipc__AuthGuesses *guesses)
{
	Asafo__Wire__LoginGuess messages[GUESSES_MAX], *pointers[GUESSES_MAX];
	Asafo__Wire__LoginStep steps[GUESSES_MAX], *step_pointers[GUESSES_MAX];
	Asafo__Wire__LoginGuesses body = ASAFO__WIRE__LOGIN_GUESSES__INIT;

	body.is_steps_only = !engine_is_active(hub->engine);
	if (!hub_can_tell(hub) || (body.is_steps_only && guesses->n_steps == 0))
		return;
	body.guesses = pointers;
	for (size_t i = 0; !body.is_steps_only && i < guesses->n_guesses && i < GUESSES_MAX; i++) {
		asafo__wire__login_guess__init(&messages[i]);
		messages[i].key = guesses->guesses[i]->key;
		messages[i].is_source = guesses->guesses[i]->is_source;
		messages[i].failures = guesses->guesses[i]->failures;
		messages[i].age_ms = guesses->guesses[i]->age_ms;
		messages[i].locked_ms = guesses->guesses[i]->locked_ms;
		pointers[body.n_guesses++] = &messages[i];
	}
	body.steps = step_pointers;
	for (size_t i = 0; i < guesses->n_steps && i < GUESSES_MAX; i++) {
		asafo__wire__login_step__init(&steps[i]);
		steps[i].user = guesses->steps[i]->user;
		steps[i].step = guesses->steps[i]->step;
		steps[i].age_ms = guesses->steps[i]->age_ms;
		step_pointers[body.n_steps++] = &steps[i];
	}
	if (replication_post(hub->engine->replication, ASAFO__WIRE__LINK__BODY_LOGIN_GUESSES,
			     &body) < 0)
		hub->wants_guesses = true;
}

void hub_guesses_want(struct vpnhub *hub)
{
	Asafo__Ipc__AuthGuesses body = ASAFO__IPC__AUTH_GUESSES__INIT;

	if (!hub->wants_guesses || !hub->auth || !hub_can_tell(hub))
		return;
	body.is_wanted = body.is_steps_only = true;
	hub->wants_guesses = ipc_channel_send(hub->auth, IPC_AUTH_GUESSES, &body.base, NULL, 0) < 0;
}

void hub_guesses_take(struct vpnhub *hub, const Asafo__Wire__LoginGuesses *guesses)
{
	Asafo__Ipc__AuthGuess messages[GUESSES_MAX], *pointers[GUESSES_MAX];
	Asafo__Ipc__AuthStep steps[GUESSES_MAX], *step_pointers[GUESSES_MAX];
	Asafo__Ipc__AuthGuesses body = ASAFO__IPC__AUTH_GUESSES__INIT;
	int r;

	/* The active unit's own counts hold there. */
	body.is_steps_only = guesses->is_steps_only || engine_is_active(hub->engine);
	if (!hub->auth || (body.is_steps_only && guesses->n_steps == 0))
		return;
	body.guesses = pointers;
	for (size_t i = 0; !body.is_steps_only && i < guesses->n_guesses && i < GUESSES_MAX; i++) {
		asafo__ipc__auth_guess__init(&messages[i]);
		messages[i].key = guesses->guesses[i]->key;
		messages[i].is_source = guesses->guesses[i]->is_source;
		messages[i].failures = guesses->guesses[i]->failures;
		messages[i].age_ms = guesses->guesses[i]->age_ms;
		messages[i].locked_ms = guesses->guesses[i]->locked_ms;
		pointers[body.n_guesses++] = &messages[i];
	}
	body.steps = step_pointers;
	for (size_t i = 0; i < guesses->n_steps && i < GUESSES_MAX; i++) {
		asafo__ipc__auth_step__init(&steps[i]);
		steps[i].user = guesses->steps[i]->user;
		steps[i].step = guesses->steps[i]->step;
		steps[i].age_ms = guesses->steps[i]->age_ms;
		step_pointers[body.n_steps++] = &steps[i];
	}
	r = ipc_channel_send(hub->auth, IPC_AUTH_GUESSES, &body.base, NULL, 0);
	if (r < 0 && r != ERR_CLOSED)
		log_line(LOG_WARNING, "asafo-auth: who has guessed was not told: %s", err_text(r));
}
