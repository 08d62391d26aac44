/* SPDX-License-Identifier: Apache-2.0 */
#include "certstore/keys/pair.h"

#include <ctype.h>
#include <gnutls/crypto.h>
#include <string.h>

#include "base/err.h"
#include "certstore/store/seal.h"

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

int pair_code_make(char ret_code[static PAIR_CODE_SIZE])
{
	uint8_t random[PAIR_CODE_CHARACTERS];
	char *at = ret_code;

	if (gnutls_rnd(GNUTLS_RND_KEY, random, sizeof(random)) < 0)
		return ERR_CRYPTO;
	for (size_t i = 0; i < PAIR_CODE_CHARACTERS; i++) {
		if (i > 0 && i % 5 == 0)
			*at++ = '-';
		*at++ = alphabet[random[i] % 32];
	}
	*at = 0;
	explicit_bzero(random, sizeof(random));
	return 0;
}

/* The character that was meant; 0: none. */
static char meant(char typed)
{
	char c = (char)toupper((unsigned char)typed);

	if (c == 'O')
		return '0';
	if (c == 'I' || c == 'L')
		return '1';
	return c && strchr(alphabet, c) ? c : 0;
}

static int normalise(const char *code, char ret_code[static PAIR_CODE_CHARACTERS],
		     struct why *ret_why)
{
	size_t n = 0;

	for (; *code; code++) {
		char c;

		if (*code == '-' || isspace((unsigned char)*code))
			continue;
		c = meant(*code);
		if (!c)
			return why_set(ret_why, ERR_MALFORMED,
				       "'%c' is not in the alphabet of pairing codes: type the "
				       "code as the other "
				       "unit shows it",
				       *code);
		if (n == PAIR_CODE_CHARACTERS)
			return why_set(ret_why, ERR_MALFORMED,
				       "a pairing code has 25 characters, not more");
		ret_code[n++] = c;
	}
	if (n < PAIR_CODE_CHARACTERS)
		return why_set(ret_why, ERR_MALFORMED,
			       "a pairing code has 25 characters, here are %zu", n);
	return 0;
}

int pair_keys_derive(const char *code, struct pair_keys *ret_keys, struct why *ret_why)
{
	char text[PAIR_CODE_CHARACTERS];
	struct pair_keys keys;
	int r = normalise(code, text, ret_why);

	if (r == 0)
		r = seal_derive(text, sizeof(text), "asafo pair psk", keys.link_psk,
				sizeof(keys.link_psk));
	if (r == 0)
		r = seal_derive(text, sizeof(text), "asafo pair id", keys.offer_id,
				sizeof(keys.offer_id));
	if (r == 0)
		r = seal_derive(text, sizeof(text), "asafo pair seal", keys.seal_key,
				sizeof(keys.seal_key));
	if (r == 0)
		*ret_keys = keys;
	explicit_bzero(text, sizeof(text));
	explicit_bzero(&keys, sizeof(keys));
	return r;
}
