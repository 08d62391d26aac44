/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GnuTLS has one key a session, so that the choice is made before it reads the ClientHello: by the
 * name that stands in front of each ticket. What GnuTLS uses is not the secret that it is given but
 * SHA3-512(period | secret), and the first 16 bytes of that are the name (stek.c, since 3.6.4; a
 * unit test holds it to that). A name that is not recognised costs one whole handshake.
 */
#include "front/resumption.h"

#include <ctype.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/secret.h"

#define KEYS_MAX 4
#define PERIOD_S (3 * RESUMPTION_TICKET_S)
#define EXTENSION_SERVER_NAME 0
#define EXTENSION_SESSION_TICKET 35
#define EXTENSION_PRE_SHARED_KEY 41

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

/* ---- what the client says ---- */

struct span {
	const uint8_t *data;
	size_t size;
};

/* The vector with a length of N bytes at the beginning of FROM, which moves behind it. */
static bool take_vector(struct span *from, size_t n, struct span *ret_span)
{
	size_t length = 0;

	if (from->size < n)
		return false;
	for (size_t i = 0; i < n; i++)
		length = length << 8 | from->data[i];
	if (from->size - n < length)
		return false;
	*ret_span = (struct span){from->data + n, length};
	from->data += n + length;
	from->size -= n + length;
	return true;
}

/* RFC 6066 section 3. */
static void read_name(struct span body, struct resumption_hello *hello)
{
	struct span list, name;

	if (!take_vector(&body, 2, &list) || list.size < 1 || list.data[0] != 0)
		return;
	list.data++;
	list.size--;
	if (!take_vector(&list, 2, &name) || name.size >= sizeof(hello->server_name))
		return;
	for (size_t i = 0; i < name.size; i++) {
		if (!isgraph(name.data[i]))
			return;
	}
	memcpy(hello->server_name, name.data, name.size);
	hello->server_name[name.size] = '\0';
}

static void read_ticket(struct span ticket, struct resumption_hello *hello)
{
	if (ticket.size < sizeof(hello->ticket_name))
		return;
	memcpy(hello->ticket_name, ticket.data, sizeof(hello->ticket_name));
	hello->has_ticket = true;
}

static int on_extension(void *context, unsigned type, const unsigned char *data, unsigned size)
{
	struct resumption_hello *hello = context;
	struct span body = {data, size}, list, identity;

	if (type == EXTENSION_SERVER_NAME)
		read_name(body, hello);
	else if (type == EXTENSION_SESSION_TICKET)
		read_ticket(body, hello);
	else if (type == EXTENSION_PRE_SHARED_KEY && take_vector(&body, 2, &list) &&
		 take_vector(&list, 2, &identity))
		read_ticket(identity, hello); /* the last extension: it goes before a TLS 1.2 one */
	return 0;
}

void resumption_hello_read(const uint8_t *hello, size_t size, struct resumption_hello *ret_hello)
{
	gnutls_datum_t body = {(unsigned char *)(uintptr_t)hello, (unsigned)size};

	*ret_hello = (struct resumption_hello){0};
	if (gnutls_ext_raw_parse(ret_hello, on_extension, &body,
				 GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO) < 0)
		ret_hello->has_ticket = false;
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

bool resumption_pick(const struct resumption *resumption, const struct resumption_hello *hello,
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
