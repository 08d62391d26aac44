/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/totp.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "base/err.h"

/* RFC 4226 section 5.3. */
int totp_code(const uint8_t *secret, size_t size, uint64_t step, uint32_t *ret_code)
{
	uint8_t counter[8], digest[20];
	size_t at;
	uint32_t number;

	for (unsigned i = 0; i < sizeof(counter); i++)
		counter[i] = (uint8_t)(step >> (56 - 8 * i));
	if (gnutls_hmac_fast(GNUTLS_MAC_SHA1, secret, size, counter, sizeof(counter), digest) < 0)
		return ERR_CRYPTO;
	at = digest[sizeof(digest) - 1] & 15;
	number = (uint32_t)(digest[at] & 0x7f) << 24 | (uint32_t)digest[at + 1] << 16 |
		 (uint32_t)digest[at + 2] << 8 | digest[at + 3];
	explicit_bzero(digest, sizeof(digest));
	*ret_code = number % 1000000;
	return 0;
}

/* False: this is no code. */
static bool number_of(const char *code, uint32_t *ret_number)
{
	uint32_t number = 0;
	unsigned digits = 0;

	for (; *code; code++) {
		if (*code == ' ')
			continue;
		if (*code < '0' || *code > '9' || ++digits > TOTP_DIGITS)
			return false;
		number = 10 * number + (uint32_t)(*code - '0');
	}
	*ret_number = number;
	return digits == TOTP_DIGITS;
}

int totp_check(const uint8_t *secret, size_t size, const char *code, int64_t now_s, uint64_t after,
	       uint64_t *ret_step)
{
	uint64_t now = now_s > 0 ? (uint64_t)now_s / TOTP_STEP_S : 0, found = 0;
	uint32_t wanted = 0;
	bool is_number = number_of(code, &wanted);

	for (uint64_t step = now > TOTP_WINDOW ? now - TOTP_WINDOW : 1; step <= now + TOTP_WINDOW;
	     step++) {
		uint32_t made;
		int r = totp_code(secret, size, step, &made);

		if (r < 0)
			return r;
		/* Of two steps with the same code the later one counts: neither is good again. */
		if (is_number && made == wanted && step > after)
			found = step;
	}
	if (found == 0)
		return ERR_DENIED;
	*ret_step = found;
	return 0;
}
