/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "base/why.h"
#include "failover/core/wire.pb-c.h"

/*
 * `asafo pair`: one unit (the primary, which listens on the failover link) makes the failover key
 * and shows a one-time code; the other one types the code and gets the key, sealed under it. The
 * engine sees the code and a PSK that is derived from it, never the failover key.
 */
#define PAIRING_SECONDS 600

struct engine;
struct pairing;

/* Called with is_done false when the code is known (offer only), then once with is_done true and
 * the outcome. */
struct pairing_progress {
	bool is_done;
	int code;
	const char *why;
	const char *one_time_code; /* offer, not done */
};
typedef void (*pairing_progress_fn)(const struct pairing_progress *progress, void *userdata);

int pairing_new(struct engine *engine, struct pairing **ret_pairing);
void pairing_free(struct pairing *pairing);
/* On the primary. Errors with the sentence: ERR_BUSY, ERR_DENIED (not the primary), ERR_NOT_READY.
 */
int pairing_offer(struct pairing *pairing, pairing_progress_fn on_progress, void *userdata,
		  struct why *ret_why);
/* On the secondary, with the code as typed. */
int pairing_join(struct pairing *pairing, const char *code, pairing_progress_fn on_progress,
		 void *userdata, struct why *ret_why);
/* The caller went away: an offer is withdrawn, and on_progress told so from the loop. */
void pairing_cancel(struct pairing *pairing);
/* The engine's link was made anew: an open offer holds there, too. */
void pairing_link_made(struct pairing *pairing);
/* A pair_request on the failover link. Returns false for other messages. */
bool pairing_message(struct pairing *pairing, const Asafo__Wire__Link *message);
