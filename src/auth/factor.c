/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/factor.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/totp.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/secret.h"
#include "ipc/loginbox.h"
#include "src/ipc/ipc.pb-c.h"

#define CONTEXT "login"
#define PACKED_MAX 256

struct factor {
	struct secret key;
};

int factor_new(struct factor **ret_factor)
{
	struct factor *factor = calloc(1, sizeof(*factor));

	if (!factor)
		return -ENOMEM;
	*ret_factor = factor;
	return 0;
}

void factor_free(struct factor *factor)
{
	if (!factor)
		return;
	secret_done(&factor->key);
	free(factor);
}

int factor_key_set(struct factor *factor, const uint8_t *key, size_t size)
{
	struct secret fresh = {0};
	int r;

	if (size != LOGINBOX_KEY_SIZE)
		return ERR_MALFORMED;
	r = secret_init_copy(&fresh, key, size);
	if (r < 0)
		return r;
	secret_done(&factor->key);
	factor->key = fresh;
	return 0;
}

static void sum(const char *text, uint8_t ret_sum[static 8])
{
	uint8_t digest[32] = {0};

	(void)gnutls_hash_fast(GNUTLS_DIG_SHA256, text, strlen(text), digest);
	memcpy(ret_sum, digest, 8);
}

void factor_password_sum(const struct user *user, uint8_t ret_sum[static 8])
{
	sum(user->hash, ret_sum);
}

void factor_way_sum(const char *how, const char *service, uint8_t ret_sum[static 8])
{
	char text[128];

	(void)snprintf(text, sizeof(text), "%s %s", how, service);
	sum(text, ret_sum);
}

int factor_seal(const struct factor *factor, const struct factor_round *round,
		char ret_state[static FACTOR_STATE_MAX])
{
	Asafo__Ipc__AuthRound message = ASAFO__IPC__AUTH_ROUND__INIT;
	uint8_t packed[PACKED_MAX];
	size_t size;

	message.user = (char *)(uintptr_t)round->user;
	message.group = (char *)(uintptr_t)round->group;
	message.password = (ProtobufCBinaryData){sizeof(round->password),
						 (uint8_t *)(uintptr_t)round->password};
	message.way = (ProtobufCBinaryData){sizeof(round->way), (uint8_t *)(uintptr_t)round->way};
	message.at = round->at;
	message.tries = round->tries;
	if (round->has_certificate)
		message.certificate = (ProtobufCBinaryData){
			sizeof(round->certificate), (uint8_t *)(uintptr_t)round->certificate};
	if (asafo__ipc__auth_round__get_packed_size(&message) > sizeof(packed))
		return ERR_TOO_LARGE;
	size = asafo__ipc__auth_round__pack(&message, packed);
	return loginbox_seal(&factor->key, CONTEXT, packed, size, ret_state, FACTOR_STATE_MAX);
}

static int round_take(const Asafo__Ipc__AuthRound *message, struct factor_round *ret_round)
{
	struct factor_round round = {.at = message->at, .tries = message->tries};

	if (strlen(message->user) >= sizeof(round.user) ||
	    strlen(message->group) >= sizeof(round.group) ||
	    message->password.len != sizeof(round.password) ||
	    (message->way.len > 0 && message->way.len != sizeof(round.way)) ||
	    (message->certificate.len > 0 && message->certificate.len != sizeof(round.certificate)))
		return ERR_MALFORMED;
	memcpy(round.user, message->user, strlen(message->user) + 1);
	memcpy(round.group, message->group, strlen(message->group) + 1);
	memcpy(round.password, message->password.data, sizeof(round.password));
	/* An older unit's has none, which is that of no login here. */
	if (message->way.len > 0)
		memcpy(round.way, message->way.data, sizeof(round.way));
	round.has_certificate = message->certificate.len > 0;
	if (round.has_certificate)
		memcpy(round.certificate, message->certificate.data, sizeof(round.certificate));
	*ret_round = round;
	return 0;
}

int factor_open(const struct factor *factor, const char *state, int64_t now_s,
		struct factor_round *ret_round)
{
	Asafo__Ipc__AuthRound *message;
	uint8_t packed[PACKED_MAX];
	size_t size = 0;
	int r = loginbox_open(&factor->key, CONTEXT, state, packed, sizeof(packed), &size);

	if (r < 0)
		return r;
	message = asafo__ipc__auth_round__unpack(NULL, size, packed);
	if (!message)
		return ERR_MALFORMED;
	r = round_take(message, ret_round);
	asafo__ipc__auth_round__free_unpacked(message, NULL);
	if (r == 0 && (now_s < ret_round->at - FACTOR_SKEW_S ||
		       now_s > ret_round->at + FACTOR_LIFE_S + FACTOR_SKEW_S))
		r = ERR_TIMEOUT;
	return r;
}

int factor_check(const struct factor *factor, const struct user *user, const char *code,
		 int64_t now_s, uint64_t after, uint64_t *ret_step)
{
	_cleanup_(secret_done) struct secret secret = {0};
	int r = loginbox_totp_open(&factor->key, user->name, user->totp, &secret);

	return r < 0 ? r : totp_check(secret.data, secret.size, code, now_s, after, ret_step);
}
