/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The secrets of second factors are sealed here before anybody keeps them. They are opened by the
 * auth helper, under a key that opens nothing else: it is derived from the pair's key-encryption
 * key, so that both units have it and it is stored nowhere.
 */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "base/base32.h"
#include "base/log.h"
#include "certstore/keeper/keeper_verbs.h"
#include "ipc/loginbox.h"

#define NEW_SIZE 20 /* as RFC 4226 section 4 recommends, and every authenticator takes */

#define _cleanup_secret_ _cleanup_(secret_done)

void keeper_login_tell(struct keeper *keeper)
{
	_cleanup_secret_ struct secret key = {0};
	Asafo__Ipc__LoginKey message = ASAFO__IPC__LOGIN_KEY__INIT;
	int r;

	if (!keeper->ring)
		return;
	r = keyring_login_key(keeper->ring, &key);
	if (r < 0) {
		log_line(LOG_ERR, "the key of logins cannot be made: %s", err_text(r));
		return;
	}
	message.key = (ProtobufCBinaryData){key.size, key.data};
	for (const struct keeper_peer *to = keeper->peers; to; to = to->next) {
		if (to->kind == IPC_PEER_AUTH)
			(void)ipc_channel_send(to->channel, IPC_LOGIN_KEY, &message.base, NULL, 0);
	}
}

static int secret_read(struct keeper *keeper, int fd, struct secret *ret_secret, struct why *why)
{
	_cleanup_secret_ struct secret text = {0}, bytes = {0};
	size_t size = 0;
	int r = keeper_read_passphrase(keeper, fd, &text, why);

	if (r == 0)
		r = secret_init(&bytes, LOGINBOX_TOTP_MAX);
	if (r < 0)
		return r;
	r = base32_decode((const char *)text.data, strnlen((const char *)text.data, text.size),
			  bytes.data, bytes.size, &size);
	if (r < 0 || size < LOGINBOX_TOTP_MIN)
		return why_set(
			why, ERR_MALFORMED,
			"the secret of a second factor is %d to %d bytes in base32 (A to Z, 2 "
			"to 7), as the authenticator shows it: `asafo username NAME totp` makes "
			"one",
			LOGINBOX_TOTP_MIN, LOGINBOX_TOTP_MAX);
	return secret_init_copy(ret_secret, bytes.data, size);
}

/* RFC 3986 section 2.1. */
static int escaped_append(struct buf *uri, const char *text)
{
	int r = 0;

	for (; *text && r == 0; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '.' || c == '_' || c == '~')
			r = buf_append(uri, &c, 1);
		else
			r = buf_append_format(uri, "%%%02X", c);
	}
	return r;
}

static int uri_append(struct buf *uri, const Asafo__Ipc__LoginSeal *wanted,
		      const struct secret *secret)
{
	char text[BASE32_TEXT_MAX(NEW_SIZE)];
	int r = buf_append_format(uri, "otpauth://totp/");

	base32_encode(secret->data, secret->size, text);
	if (r == 0)
		r = escaped_append(uri, wanted->issuer);
	if (r == 0)
		r = buf_append_format(uri, ":");
	if (r == 0)
		r = escaped_append(uri, wanted->user);
	if (r == 0)
		r = buf_append_format(uri, "?secret=%s&issuer=", text);
	if (r == 0)
		r = escaped_append(uri, wanted->issuer);
	if (r == 0)
		r = buf_append_format(uri, "&algorithm=SHA1&digits=6&period=30\n");
	explicit_bzero(text, sizeof(text));
	return r;
}

static int secret_make(struct keeper *keeper, int fd, const Asafo__Ipc__LoginSeal *wanted,
		       struct secret *ret_secret, struct why *why)
{
	_cleanup_secret_ struct secret made = {0};
	_cleanup_(buf_wipe) struct buf uri = {0};
	int r = secret_init(&made, NEW_SIZE);

	if (r == 0 && gnutls_rnd(GNUTLS_RND_KEY, made.data, made.size) < 0)
		r = ERR_CRYPTO;
	if (r == 0)
		r = uri_append(&uri, wanted, &made);
	if (r == 0)
		r = keeper_write_output(keeper, fd, uri.data, uri.size, why);
	if (r == 0) {
		*ret_secret = made;
		made = (struct secret){0};
	}
	return r;
}

void keeper_on_login_seal(struct keeper *keeper, const struct keeper_ticket *ticket,
			  struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__LoginSeal *wanted = (const Asafo__Ipc__LoginSeal *)body;
	Asafo__Ipc__LoginSealReply message = ASAFO__IPC__LOGIN_SEAL_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	_cleanup_secret_ struct secret secret = {0}, key = {0};
	char sealed[LOGINBOX_TOTP_TEXT_MAX];
	struct why why = {0};
	int fd = frame->n_fds > 0 ? frame->fds[0] : -1;
	int r = fd < 0 ? why_set(&why, ERR_MALFORMED, "the secret's descriptor is missing")
		: wanted->is_new ? secret_make(keeper, fd, wanted, &secret, &why)
				 : secret_read(keeper, fd, &secret, &why);

	if (r == 0)
		r = keyring_login_key(keeper->ring, &key);
	if (r == 0)
		r = loginbox_totp_seal(&key, wanted->user, secret.data, secret.size, sealed);
	if (r < 0) {
		keeper_reply_status(keeper, ticket, r, &why);
		return;
	}
	message.status = &status;
	message.sealed = sealed;
	keeper_reply(keeper, ticket, &message.base, false);
}
