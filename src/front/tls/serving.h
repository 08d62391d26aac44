/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/tls/selection.h"
#include "front/tls/trustcache.h"

/* What a client is given. */
struct serving {
	struct credential *credential; /* borrowed; NULL: nothing can be served */
	const char *trustpoint;	       /* borrowed from the snapshot; "" for the fallback */
	bool is_fallback;
	bool is_idle;  /* bound there, but no client gets it: why says for what reason */
	char why[256]; /* "bound by interface"; why the fallback; why nothing */
};

/* Who asks. */
struct serving_client {
	const char *interface;
	const char *server_name;	  /* NULL or "": none */
	const struct client_hello *hello; /* NULL: one that knows every kind of key */
	uint16_t suites;		  /* of HELLO's kind: those that are spoken here */
	int64_t now;			  /* seconds since 1970 */
};

/*
 * The same answer for handshake and report. Where trustpoints with keys of several kinds are bound
 * to one place, the first that suits the client and is valid: ECDSA, EdDSA, RSA; of one kind the
 * one that was bound last. A client that none suits is given what most know.
 */
void serving_resolve(const struct snapshot *snapshot, const struct trustcache *cache,
		     const struct serving_client *client, struct serving *ret_serving);
/*
 * All that is bound to the place that this client comes to, whatever it knows: first those that are
 * served, one of a kind of key, in the order in which they are chosen, then the idle ones. Returns
 * how many: at least one, as the fallback is served where nothing is bound. *RET_N_SERVED: of them
 * those that are not idle.
 */
size_t serving_list(const struct snapshot *snapshot, const struct trustcache *cache,
		    const struct serving_client *client,
		    struct serving ret_list[static SELECTION_MAX], size_t *ret_n_served);
/* Asks for all that the snapshot may serve; what else there is goes with trustcache_sweep. Errors:
 * those of trustcache_want. */
int serving_want(const struct snapshot *snapshot, struct trustcache *cache);
