/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http/cookie.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "base/err.h"
#include "base/hex.h"

static int hash_of(const uint8_t bytes[static COOKIE_SIZE],
		   uint8_t ret_hash[static COOKIE_HASH_SIZE])
{
	return gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, COOKIE_SIZE, ret_hash) < 0 ? ERR_CRYPTO
										     : 0;
}

int cookie_new(char ret_text[static COOKIE_TEXT_MAX], uint8_t ret_hash[static COOKIE_HASH_SIZE])
{
	uint8_t bytes[COOKIE_SIZE];
	int r = gnutls_rnd(GNUTLS_RND_KEY, bytes, sizeof(bytes)) < 0 ? ERR_CRYPTO : 0;

	if (r == 0)
		r = hash_of(bytes, ret_hash);
	if (r == 0)
		hex_encode(bytes, sizeof(bytes), ret_text);
	explicit_bzero(bytes, sizeof(bytes));
	return r;
}

int cookie_hash(struct http_text text, uint8_t ret_hash[static COOKIE_HASH_SIZE])
{
	char copy[COOKIE_TEXT_MAX];
	uint8_t bytes[COOKIE_SIZE];
	int r;

	if (text.size != COOKIE_TEXT_MAX - 1)
		return ERR_MALFORMED;
	memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	r = hex_decode(copy, sizeof(bytes), bytes);
	if (r == 0)
		r = hash_of(bytes, ret_hash);
	explicit_bzero(copy, sizeof(copy));
	explicit_bzero(bytes, sizeof(bytes));
	return r;
}

int cookie_proof(const uint8_t tag[static COOKIE_HASH_SIZE], char ret_text[static COOKIE_TEXT_MAX])
{
	static const char label[] = "asafo: a form of one's own page";
	uint8_t digest[32];

	if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, tag, COOKIE_HASH_SIZE, label, sizeof(label),
			     digest) < 0)
		return ERR_CRYPTO;
	hex_encode(digest, sizeof(digest), ret_text);
	return 0;
}

static struct http_text trim(struct http_text text)
{
	while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
		text.data++;
		text.size--;
	}
	while (text.size > 0 &&
	       (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
		text.size--;
	return text;
}

/* The next pair of a Cookie header's value, which shrinks. */
static struct http_text pair_next(struct http_text *rest)
{
	const char *end = memchr(rest->data, ';', rest->size);
	struct http_text pair = {rest->data, end ? (size_t)(end - rest->data) : rest->size};
	size_t used = pair.size + (end ? 1 : 0);

	rest->data += used;
	rest->size -= used;
	return trim(pair);
}

/* RFC 6265 section 4.1.1: a value may stand in quotes, and some clients put it there. */
static struct http_text unquoted(struct http_text value)
{
	if (value.size >= 2 && value.data[0] == '"' && value.data[value.size - 1] == '"')
		return (struct http_text){value.data + 1, value.size - 2};
	return value;
}

static bool pair_is(struct http_text pair, const char *name, struct http_text *ret_value)
{
	size_t length = strlen(name);

	if (pair.size <= length || pair.data[length] != '=' || memcmp(pair.data, name, length) != 0)
		return false;
	*ret_value = unquoted((struct http_text){pair.data + length + 1, pair.size - length - 1});
	return true;
}

static int header_find(struct http_text rest, const char *name, struct http_text *found,
		       bool *is_found)
{
	while (rest.size > 0) {
		struct http_text value;

		if (!pair_is(pair_next(&rest), name, &value))
			continue;
		if (*is_found &&
		    (value.size != found->size || memcmp(value.data, found->data, value.size) != 0))
			return ERR_MALFORMED;
		*found = value;
		*is_found = true;
	}
	return 0;
}

int cookie_find(const struct http_head *head, const char *name, struct http_text *ret_value)
{
	struct http_text found = {"", 0};
	bool is_found = false;

	for (size_t i = 0; i < head->n_headers; i++) {
		int r;

		if (!http_text_is_nocase(head->headers[i].name, "cookie"))
			continue;
		r = header_find(head->headers[i].value, name, &found, &is_found);
		if (r < 0)
			return r;
	}
	if (!is_found)
		return ERR_NOT_FOUND;
	*ret_value = found;
	return 0;
}

int cookie_of_request(const struct http_head *head, uint8_t ret_hash[static COOKIE_HASH_SIZE])
{
	struct http_text value;
	int r = cookie_find(head, COOKIE_NAME, &value);

	return r < 0 ? r : cookie_hash(value, ret_hash);
}
