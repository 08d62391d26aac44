/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each part goes into the sum behind its length, so that no two claims are the same bytes. Used
 * numbers are kept as IPsec keeps them (RFC 4303, 3.4.3): a window of bits behind the newest one.
 */
#include "ipc/loginproof.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "base/err.h"

static const char purpose[] = "asafo login proof 1";

static void number_put(uint64_t number, uint8_t bytes[static 8])
{
	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(number >> (56 - 8 * i));
}

static int part_add(gnutls_hmac_hd_t sum, const void *data, size_t size)
{
	uint8_t length[8];

	number_put(size, length);
	if (gnutls_hmac(sum, length, sizeof(length)) < 0)
		return ERR_CRYPTO;
	return size == 0 || gnutls_hmac(sum, data, size) >= 0 ? 0 : ERR_CRYPTO;
}

static int parts_add(gnutls_hmac_hd_t sum, const struct loginproof_claim *claim, uint64_t number,
		     struct monotime at)
{
	uint8_t numbers[16];
	int r = part_add(sum, purpose, sizeof(purpose));

	number_put(number, numbers);
	number_put(at.ns, numbers + 8);
	if (r == 0)
		r = part_add(sum, numbers, sizeof(numbers));
	if (r == 0)
		r = part_add(sum, claim->user, strlen(claim->user));
	if (r == 0)
		r = part_add(sum, claim->group, strlen(claim->group));
	if (r == 0)
		r = part_add(sum, claim->policy, strlen(claim->policy));
	if (r == 0)
		r = part_add(sum, claim->hash, VPN_HASH_SIZE);
	return r == 0 ? part_add(sum, claim->client, claim->client_size) : r;
}

static int mac_of(const struct secret *key, const struct loginproof_claim *claim, uint64_t number,
		  struct monotime at, uint8_t ret_mac[static LOGINPROOF_MAC_SIZE])
{
	uint8_t mac[LOGINPROOF_MAC_SIZE];
	gnutls_hmac_hd_t sum;
	int r;

	if (key->size != LOGINPROOF_KEY_SIZE)
		return ERR_NOT_READY;
	if (gnutls_hmac_init(&sum, GNUTLS_MAC_SHA256, key->data, key->size) < 0)
		return ERR_CRYPTO;
	r = parts_add(sum, claim, number, at);
	gnutls_hmac_deinit(sum, mac);
	if (r == 0)
		memcpy(ret_mac, mac, sizeof(mac));
	return r;
}

int loginproof_make(const struct secret *key, const struct loginproof_claim *claim, uint64_t number,
		    struct monotime now, struct loginproof *ret_proof)
{
	struct loginproof proof = {.is_there = true, .number = number, .made_at = now};
	int r = mac_of(key, claim, number, now, proof.mac);

	if (r == 0)
		*ret_proof = proof;
	return r;
}

void loginproof_from(const Asafo__Ipc__LoginProof *message, struct loginproof *ret_proof)
{
	*ret_proof = (struct loginproof){.is_there = false};
	if (!message || message->mac.len != LOGINPROOF_MAC_SIZE)
		return;
	ret_proof->is_there = true;
	ret_proof->number = message->number;
	ret_proof->made_at.ns = message->made_at_ns;
	memcpy(ret_proof->mac, message->mac.data, LOGINPROOF_MAC_SIZE);
}

void loginproof_fill(const struct loginproof *proof, Asafo__Ipc__LoginProof *ret_message)
{
	asafo__ipc__login_proof__init(ret_message);
	ret_message->number = proof->number;
	ret_message->made_at_ns = proof->made_at.ns;
	ret_message->mac =
		(ProtobufCBinaryData){LOGINPROOF_MAC_SIZE, (uint8_t *)(uintptr_t)proof->mac};
}

/* ---- the engine's ---- */

int loginproof_gate_open(struct loginproof_gate *gate)
{
	int r;

	loginproof_gate_done(gate);
	r = secret_init(&gate->key, LOGINPROOF_KEY_SIZE);
	if (r < 0)
		return r;
	if (gnutls_rnd(GNUTLS_RND_KEY, gate->key.data, gate->key.size) < 0) {
		loginproof_gate_done(gate);
		return ERR_CRYPTO;
	}
	return 0;
}

void loginproof_gate_done(struct loginproof_gate *gate)
{
	secret_done(&gate->key);
	*gate = (struct loginproof_gate){.newest = 0};
}

static uint64_t *word_of(struct loginproof_gate *gate, uint64_t number)
{
	return &gate->used[number % LOGINPROOF_WINDOW / 64];
}

static uint64_t bit_of(uint64_t number)
{
	return UINT64_C(1) << (number % 64);
}

static void advance(struct loginproof_gate *gate, uint64_t number)
{
	uint64_t ahead = number - gate->newest;

	if (ahead >= LOGINPROOF_WINDOW)
		memset(gate->used, 0, sizeof(gate->used));
	for (uint64_t i = 0; ahead < LOGINPROOF_WINDOW && i < ahead; i++)
		*word_of(gate, number - i) &= ~bit_of(number - i);
	gate->newest = number;
}

/* False: it was used, or what was used at that distance is not known any more. */
static bool use(struct loginproof_gate *gate, uint64_t number)
{
	if (number > gate->newest)
		advance(gate, number);
	else if (number == 0 || gate->newest - number >= LOGINPROOF_WINDOW ||
		 (*word_of(gate, number) & bit_of(number)) != 0)
		return false;
	*word_of(gate, number) |= bit_of(number);
	return true;
}

int loginproof_gate_take(struct loginproof_gate *gate, const struct loginproof_claim *claim,
			 const struct loginproof *proof, struct monotime now, struct why *ret_why)
{
	uint8_t mac[LOGINPROOF_MAC_SIZE];
	int r;

	if (!proof->is_there)
		return why_set(ret_why, ERR_NOT_FOUND, "did not come");
	r = mac_of(&gate->key, claim, proof->number, proof->made_at, mac);
	if (r == ERR_NOT_READY)
		return why_set(ret_why, ERR_INTEGRITY,
			       "is of an auth helper that this engine never had");
	if (r < 0)
		return why_set(ret_why, r, "could not be looked at: %s", err_text(r));
	if (gnutls_memcmp(mac, proof->mac, sizeof(mac)) != 0)
		return why_set(ret_why, ERR_INTEGRITY,
			       "is not the auth helper's for this login, or one of before the "
			       "helper or this engine was started");
	if (monotime_since(now, proof->made_at) > LOGINPROOF_VALID_MS * MONOTIME_NS_PER_MS)
		return why_set(ret_why, ERR_EXPIRED, "is older than %d s",
			       LOGINPROOF_VALID_MS / 1000);
	if (!use(gate, proof->number))
		return why_set(ret_why, ERR_EXISTS, "was used before");
	return 0;
}
