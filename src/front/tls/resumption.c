/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GnuTLS has one key a session, so that the choice is made before it reads the ClientHello: by the
 * name that stands in front of each ticket. What GnuTLS uses is not the secret that it is given but
 * SHA3-512(period | secret), and the first 16 bytes of that are the name (stek.c, since 3.6.4; a
 * unit test holds it to that). A name that is not recognised costs one whole handshake.
 */
#include "front/tls/resumption.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/secret.h"

#define KEYS_MAX 4
#define PERIOD_S (3 * RESUMPTION_TICKET_S)

struct key {
	struct secret secret;
	struct monotime until; /* MONOTIME_NEVER: the newest */
};

struct resumption {
	struct key keys[KEYS_MAX];
	size_t n;
};

int resumption_new(struct resumption **ret_resumption)
{
	struct resumption *resumption = calloc(1, sizeof(*resumption));

	if (!resumption)
		return -ENOMEM;
	*ret_resumption = resumption;
	return 0;
}

static void clear(struct resumption *resumption)
{
	for (size_t i = 0; i < KEYS_MAX; i++)
		secret_done(&resumption->keys[i].secret);
	*resumption = (struct resumption){0};
}

#define _cleanup_clear_ _cleanup_(clear)

void resumption_free(struct resumption *resumption)
{
	if (!resumption)
		return;
	clear(resumption);
	free(resumption);
}

int resumption_set(struct resumption *resumption, const Asafo__Ipc__ResumptionKeys *keys,
		   struct monotime now, struct why *ret_why)
{
	_cleanup_clear_ struct resumption next = {0};

	if (keys->n_keys > KEYS_MAX)
		return why_set(ret_why, ERR_MALFORMED, "%zu keys of session tickets are too many",
			       keys->n_keys);
	for (size_t i = 0; i < keys->n_keys; i++) {
		const Asafo__Ipc__ResumptionKey *from = keys->keys[i];
		struct key *to = &next.keys[next.n];

		if (from->key.len != RESUMPTION_SECRET_SIZE)
			return why_set(ret_why, ERR_MALFORMED,
				       "a key of session tickets has %zu bytes", from->key.len);
		if (secret_init_copy(&to->secret, from->key.data, from->key.len) < 0)
			return why_set(ret_why, -ENOMEM, "no memory for keys of session tickets");
		to->until = i == 0 ? MONOTIME_NEVER
				   : monotime_add_ms(now, (uint64_t)from->left_s * 1000);
		next.n++;
	}
	clear(resumption);
	*resumption = next;
	next = (struct resumption){0};
	return 0;
}

/* ---- the choice ---- */

static bool derive(const struct key *key, const uint8_t fingerprint[static 32],
		   uint8_t ret_secret[static RESUMPTION_SECRET_SIZE])
{
	return gnutls_hmac_fast(GNUTLS_MAC_SHA512, key->secret.data, key->secret.size, fingerprint,
				32, ret_secret) == 0;
}

static bool is_name_of(const uint8_t secret[static RESUMPTION_SECRET_SIZE], int64_t period,
		       const uint8_t name[static 16])
{
	uint8_t input[8 + RESUMPTION_SECRET_SIZE], digest[64];
	bool is_it;

	for (int i = 0; i < 8; i++)
		input[i] = (uint8_t)((uint64_t)period >> (56 - 8 * i));
	memcpy(input + 8, secret, RESUMPTION_SECRET_SIZE);
	is_it = gnutls_hash_fast(GNUTLS_DIG_SHA3_512, input, sizeof(input), digest) == 0 &&
		memcmp(digest, name, 16) == 0;
	explicit_bzero(input, sizeof(input));
	explicit_bzero(digest, sizeof(digest));
	return is_it;
}

bool resumption_pick(const struct resumption *resumption, const struct client_hello *hello,
		     const uint8_t fingerprint[static 32], struct monotime now, int64_t realtime_s,
		     uint8_t ret_secret[static RESUMPTION_SECRET_SIZE])
{
	int64_t period = realtime_s / PERIOD_S;

	/* The newest needs no name: it is what is left when no older one is the ticket's. */
	for (size_t i = 1; hello->has_ticket && i < resumption->n; i++) {
		const struct key *key = &resumption->keys[i];

		if (monotime_reached(now, key->until) || !derive(key, fingerprint, ret_secret))
			continue;
		if (is_name_of(ret_secret, period, hello->ticket_name) ||
		    is_name_of(ret_secret, period - 1, hello->ticket_name))
			return true;
	}
	return resumption->n > 0 && derive(&resumption->keys[0], fingerprint, ret_secret);
}
