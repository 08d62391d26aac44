/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/loginbox.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

#define NONCE_SIZE 12u
#define TAG_SIZE 16u
#define PLAIN_MAX 1024u
#define CONTEXT_MAX 128u

static int code_of(int code)
{
	if (code >= 0)
		return 0;
	return code == GNUTLS_E_MEMORY_ERROR	    ? -ENOMEM
	       : code == GNUTLS_E_DECRYPTION_FAILED ? ERR_INTEGRITY
						    : ERR_CRYPTO;
}

static int cipher_new(const struct secret *key, gnutls_aead_cipher_hd_t *ret_cipher)
{
	gnutls_datum_t datum = {key->data, (unsigned)key->size};

	if (key->size != LOGINBOX_KEY_SIZE)
		return ERR_NOT_READY;
	return code_of(gnutls_aead_cipher_init(ret_cipher, GNUTLS_CIPHER_AES_256_GCM, &datum));
}

static int text_of(const uint8_t *box, size_t size, char *ret_text, size_t text_size)
{
	gnutls_datum_t from = {(unsigned char *)(uintptr_t)box, (unsigned)size}, to = {NULL, 0};
	int r = code_of(gnutls_base64_encode2(&from, &to));

	if (r == 0 && to.size >= text_size)
		r = ERR_TOO_LARGE;
	if (r == 0) {
		memcpy(ret_text, to.data, to.size);
		ret_text[to.size] = '\0';
	}
	gnutls_free(to.data);
	return r;
}

int loginbox_seal(const struct secret *key, const char *context, const void *plain, size_t size,
		  char *ret_text, size_t text_size)
{
	uint8_t box[NONCE_SIZE + PLAIN_MAX + TAG_SIZE];
	size_t sealed = sizeof(box) - NONCE_SIZE;
	gnutls_aead_cipher_hd_t cipher;
	int r;

	if (size > PLAIN_MAX)
		return ERR_TOO_LARGE;
	r = cipher_new(key, &cipher);
	if (r < 0)
		return r;
	r = code_of(gnutls_rnd(GNUTLS_RND_NONCE, box, NONCE_SIZE));
	if (r == 0)
		r = code_of(gnutls_aead_cipher_encrypt(cipher, box, NONCE_SIZE, context,
						       strlen(context), TAG_SIZE, plain, size,
						       box + NONCE_SIZE, &sealed));
	gnutls_aead_cipher_deinit(cipher);
	return r < 0 ? r : text_of(box, NONCE_SIZE + sealed, ret_text, text_size);
}

static int box_of(const char *text, uint8_t *ret_box, size_t max, size_t *ret_size)
{
	gnutls_datum_t from = {(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
	gnutls_datum_t to = {NULL, 0};
	int r;

	if (from.size > 2 * max || from.size == 0)
		return ERR_MALFORMED;
	r = gnutls_base64_decode2(&from, &to);
	if (r < 0)
		return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : ERR_MALFORMED;
	r = to.size < NONCE_SIZE + TAG_SIZE || to.size > max ? ERR_MALFORMED : 0;
	if (r == 0) {
		memcpy(ret_box, to.data, to.size);
		*ret_size = to.size;
	}
	gnutls_free(to.data);
	return r;
}

int loginbox_open(const struct secret *key, const char *context, const char *text, void *ret_plain,
		  size_t max, size_t *ret_size)
{
	uint8_t box[NONCE_SIZE + PLAIN_MAX + TAG_SIZE], plain[PLAIN_MAX + TAG_SIZE];
	size_t size = 0, opened = sizeof(plain);
	gnutls_aead_cipher_hd_t cipher;
	int r = box_of(text, box, sizeof(box), &size);

	if (r == 0)
		r = cipher_new(key, &cipher);
	if (r < 0)
		return r;
	r = code_of(gnutls_aead_cipher_decrypt(cipher, box, NONCE_SIZE, context, strlen(context),
					       TAG_SIZE, box + NONCE_SIZE, size - NONCE_SIZE, plain,
					       &opened));
	gnutls_aead_cipher_deinit(cipher);
	if (r == 0 && opened > max)
		r = ERR_TOO_LARGE;
	if (r == 0) {
		memcpy(ret_plain, plain, opened);
		*ret_size = opened;
	}
	explicit_bzero(plain, sizeof(plain));
	return r;
}

static void totp_context(const char *user, char ret_context[static CONTEXT_MAX])
{
	(void)snprintf(ret_context, CONTEXT_MAX, "totp %s", user);
}

int loginbox_totp_seal(const struct secret *key, const char *user, const void *secret, size_t size,
		       char ret_text[static LOGINBOX_TOTP_TEXT_MAX])
{
	size_t mark = sizeof(LOGINBOX_TOTP_MARK) - 1;
	char context[CONTEXT_MAX];

	if (size < LOGINBOX_TOTP_MIN || size > LOGINBOX_TOTP_MAX)
		return ERR_TOO_LARGE;
	totp_context(user, context);
	memcpy(ret_text, LOGINBOX_TOTP_MARK, mark);
	return loginbox_seal(key, context, secret, size, ret_text + mark,
			     LOGINBOX_TOTP_TEXT_MAX - mark);
}

int loginbox_totp_open(const struct secret *key, const char *user, const char *text,
		       struct secret *ret_secret)
{
	size_t mark = sizeof(LOGINBOX_TOTP_MARK) - 1, size = 0;
	uint8_t plain[LOGINBOX_TOTP_MAX];
	char context[CONTEXT_MAX];
	int r;

	if (strncmp(text, LOGINBOX_TOTP_MARK, mark) != 0)
		return ERR_MALFORMED;
	totp_context(user, context);
	r = loginbox_open(key, context, text + mark, plain, sizeof(plain), &size);
	if (r == 0)
		r = secret_init_copy(ret_secret, plain, size);
	explicit_bzero(plain, sizeof(plain));
	return r;
}
