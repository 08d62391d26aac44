/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The border to GnuTLS for datagrams. What is sent is sent at once or lost, as datagrams are:
 * GnuTLS is told that it went, so that nothing of it is kept.
 */
#include "front/tunnel/dtls.h"

#include <assert.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

#define RETRANSMIT_MS 1000
#define HANDSHAKE_MS 12000 /* as long as clients try */
#define WARNINGS_MAX 8	   /* of a client: each is looked at in the same turn */

static const char priority[] =
	"NONE:+VERS-DTLS1.2:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD:+COMP-NULL"
	":+ECDHE-PSK:+PSK:+GROUP-X25519:+GROUP-SECP256R1:+SIGN-ALL:%SERVER_PRECEDENCE";

struct dtls {
	gnutls_priority_t priority;
	gnutls_psk_server_credentials_t credentials;
	gnutls_datum_t cookie_key;
	uint8_t key_before[DTLS_COOKIE_KEY_SIZE];
	bool has_key_before;
};

static int foreign_code(int code)
{
	if (code >= 0)
		return 0;
	return code == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : ERR_CRYPTO;
}

/* Whatever name the client has for it: there is one key, and who has it is the client. */
static int on_psk(gnutls_session_t session, const char *name, gnutls_datum_t *ret_key)
{
	const struct dtls_peer *peer = gnutls_session_get_ptr(session);

	(void)name;
	ret_key->data = gnutls_malloc(DTLS_PSK_SIZE);
	if (!ret_key->data)
		return -1;
	memcpy(ret_key->data, peer->psk_view, DTLS_PSK_SIZE);
	ret_key->size = DTLS_PSK_SIZE;
	return 0;
}

int dtls_new(struct dtls **ret_dtls)
{
	struct dtls *dtls = calloc(1, sizeof(*dtls));
	int r;

	if (!dtls)
		return -ENOMEM;
	r = gnutls_priority_init(&dtls->priority, priority, NULL);
	if (r == 0)
		r = gnutls_psk_allocate_server_credentials(&dtls->credentials);
	if (r == 0)
		r = gnutls_key_generate(&dtls->cookie_key, GNUTLS_COOKIE_KEY_SIZE);
	if (r < 0) {
		dtls_free(dtls);
		return foreign_code(r);
	}
	gnutls_psk_set_server_credentials_function(dtls->credentials, on_psk);
	*ret_dtls = dtls;
	return 0;
}

void dtls_set_cookie_keys(struct dtls *dtls, const uint8_t key[static DTLS_COOKIE_KEY_SIZE],
			  const uint8_t *before)
{
	static_assert(DTLS_COOKIE_KEY_SIZE == GNUTLS_COOKIE_KEY_SIZE, "as GnuTLS makes one");
	memcpy(dtls->cookie_key.data, key, DTLS_COOKIE_KEY_SIZE);
	dtls->has_key_before = before != NULL;
	if (before)
		memcpy(dtls->key_before, before, DTLS_COOKIE_KEY_SIZE);
}

void dtls_free(struct dtls *dtls)
{
	if (!dtls)
		return;
	if (dtls->priority)
		gnutls_priority_deinit(dtls->priority);
	if (dtls->credentials)
		gnutls_psk_free_server_credentials(dtls->credentials);
	if (dtls->cookie_key.data)
		explicit_bzero(dtls->cookie_key.data, dtls->cookie_key.size);
	explicit_bzero(dtls->key_before, sizeof(dtls->key_before));
	gnutls_free(dtls->cookie_key.data);
	free(dtls);
}

/* ---- ends ---------------------------------------------------------------------------------------
 */

#define END_MAX 18 /* address and port */

/* Only what makes the end: the rest of the structure is the kernel's. */
static size_t end_bytes(const struct sockaddr_storage *end, uint8_t ret_bytes[static END_MAX])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)end;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)end;

	if (end->ss_family == AF_INET) {
		memcpy(ret_bytes, &v4->sin_port, 2);
		memcpy(ret_bytes + 2, &v4->sin_addr, 4);
		return 6;
	}
	memcpy(ret_bytes, &v6->sin6_port, 2);
	memcpy(ret_bytes + 2, &v6->sin6_addr, 16);
	return 18;
}

bool dtls_is_same_end(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	uint8_t one[END_MAX], other[END_MAX];
	size_t size = end_bytes(a, one);

	return a->ss_family == b->ss_family && end_bytes(b, other) == size &&
	       memcmp(one, other, size) == 0;
}

socklen_t dtls_end_size(const struct sockaddr_storage *end)
{
	return end->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* ---- cookies ------------------------------------------------------------------------------------
 */

bool dtls_cookie_is_valid(const struct dtls *dtls, const struct sockaddr_storage *client,
			  const uint8_t *datagram, size_t size, struct dtls_begin *ret_begin)
{
	gnutls_datum_t key = dtls->cookie_key;
	gnutls_datum_t before = {(unsigned char *)(uintptr_t)dtls->key_before,
				 DTLS_COOKIE_KEY_SIZE};
	gnutls_dtls_prestate_st state = {0};
	void *bytes = (void *)(uintptr_t)datagram;
	uint8_t end[END_MAX];
	size_t end_size = end_bytes(client, end);

	if (gnutls_dtls_cookie_verify(&key, end, end_size, bytes, size, &state) < 0 &&
	    (!dtls->has_key_before ||
	     gnutls_dtls_cookie_verify(&before, end, end_size, bytes, size, &state) < 0))
		return false;
	*ret_begin = (struct dtls_begin){state.record_seq, state.hsk_read_seq, state.hsk_write_seq};
	return true;
}

struct cookie_way {
	const struct sockaddr_storage *client;
	int fd;
};

static ssize_t on_cookie_push(gnutls_transport_ptr_t userdata, const void *data, size_t size)
{
	const struct cookie_way *way = userdata;

	(void)sendto(way->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL,
		     (const struct sockaddr *)way->client, dtls_end_size(way->client));
	return (ssize_t)size;
}

void dtls_cookie_send(const struct dtls *dtls, const struct sockaddr_storage *client, int fd)
{
	struct cookie_way way = {client, fd};
	gnutls_datum_t key = dtls->cookie_key;
	gnutls_dtls_prestate_st state = {0};
	uint8_t end[END_MAX];
	size_t size = end_bytes(client, end);

	(void)gnutls_dtls_cookie_send(&key, end, size, &state, &way, on_cookie_push);
}

/* ---- a session ----------------------------------------------------------------------------------
 */

static ssize_t on_push(gnutls_transport_ptr_t userdata, const void *data, size_t size)
{
	struct dtls_peer *peer = userdata;

	peer->send_code = 0;
	if (send(peer->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		peer->send_code = -errno;
	return (ssize_t)size;
}

/*
 * The client's next datagram. Between the socket's bind and its connect others may have got into
 * its queue: they lose one. An error is of a datagram that was sent (an ICMP message, which anybody
 * can make up): whether the client is there is found out by asking it.
 */
static ssize_t on_pull(gnutls_transport_ptr_t userdata, void *data, size_t size)
{
	struct dtls_peer *peer = userdata;

	if (peer->first_view) {
		size_t n = peer->first_size < size ? peer->first_size : size;

		memcpy(data, peer->first_view, n);
		peer->first_view = NULL;
		return (ssize_t)n;
	}
	for (unsigned i = 0; i < 16; i++) {
		struct sockaddr_storage from = {0};
		socklen_t from_size = sizeof(from);
		ssize_t n = recvfrom(peer->fd, data, size, MSG_DONTWAIT, (struct sockaddr *)&from,
				     &from_size);

		if (n > 0 && dtls_is_same_end(&from, &peer->client))
			return n;
		if (n < 0 && errno == EAGAIN)
			break;
	}
	errno = EAGAIN;
	return -1;
}

/* Asked where GnuTLS would wait, which it never may. */
static int on_pull_timeout(gnutls_transport_ptr_t userdata, unsigned ms)
{
	const struct dtls_peer *peer = userdata;
	uint8_t byte;

	(void)ms;
	return peer->first_view || recv(peer->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0;
}

int dtls_peer_init(struct dtls_peer *peer, const struct dtls *dtls, int fd,
		   const struct sockaddr_storage *client, const uint8_t *psk,
		   const struct dtls_begin *begin)
{
	gnutls_dtls_prestate_st state = {begin->record_seq, begin->read_seq, begin->write_seq};
	int r;

	*peer = (struct dtls_peer){.fd = fd, .psk_view = psk, .client = *client};
	r = gnutls_init(&peer->session, GNUTLS_SERVER | GNUTLS_DATAGRAM | GNUTLS_NONBLOCK |
						GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS);
	if (r < 0)
		return foreign_code(r);
	gnutls_session_set_ptr(peer->session, peer);
	r = gnutls_priority_set(peer->session, dtls->priority);
	if (r == 0)
		r = gnutls_credentials_set(peer->session, GNUTLS_CRD_PSK, dtls->credentials);
	gnutls_dtls_prestate_set(peer->session, &state);
	gnutls_dtls_set_timeouts(peer->session, RETRANSMIT_MS, HANDSHAKE_MS);
	gnutls_transport_set_ptr(peer->session, peer);
	gnutls_transport_set_push_function(peer->session, on_push);
	gnutls_transport_set_pull_function(peer->session, on_pull);
	gnutls_transport_set_pull_timeout_function(peer->session, on_pull_timeout);
	if (r < 0)
		dtls_peer_done(peer);
	return foreign_code(r);
}

void dtls_peer_done(struct dtls_peer *peer)
{
	if (peer->session)
		gnutls_deinit(peer->session);
	peer->session = NULL;
}

void dtls_peer_feed(struct dtls_peer *peer, const uint8_t *datagram, size_t size)
{
	peer->first_view = datagram;
	peer->first_size = size;
}

static enum tls_result result_of(struct dtls_peer *peer, ssize_t code)
{
	if (code >= 0)
		return TLS_DONE;
	if (code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED)
		return TLS_WAIT;
	peer->error = (int)code;
	return TLS_REFUSED;
}

enum tls_result dtls_handshake(struct dtls_peer *peer)
{
	int r;

	do
		r = gnutls_handshake(peer->session);
	while (r < 0 && r != GNUTLS_E_AGAIN && r != GNUTLS_E_INTERRUPTED &&
	       !gnutls_error_is_fatal(r) && peer->n_warnings++ < WARNINGS_MAX);
	peer->first_view = NULL;
	return result_of(peer, r);
}

unsigned dtls_timeout_ms(const struct dtls_peer *peer)
{
	unsigned ms = gnutls_dtls_get_timeout(peer->session);

	return ms < 10 ? 10 : ms;
}

void dtls_set_data_max(struct dtls_peer *peer, unsigned size)
{
	(void)gnutls_dtls_set_data_mtu(peer->session, size);
}

enum tls_result dtls_read(struct dtls_peer *peer, void *record, size_t size, size_t *ret_size)
{
	ssize_t n;

	peer->error = 0;
	do
		n = gnutls_record_recv(peer->session, record, size);
	while (n == GNUTLS_E_WARNING_ALERT_RECEIVED && peer->n_warnings++ < WARNINGS_MAX);
	if (n == 0)
		return TLS_CLOSED;
	if (n > 0)
		*ret_size = (size_t)n;
	return result_of(peer, n);
}

int dtls_write(struct dtls_peer *peer, const void *record, size_t size)
{
	ssize_t n = gnutls_record_send(peer->session, record, size);

	if (n == GNUTLS_E_LARGE_PACKET)
		return ERR_TOO_LARGE;
	return n < 0 ? ERR_CRYPTO : peer->send_code;
}

void dtls_bye(struct dtls_peer *peer)
{
	(void)gnutls_bye(peer->session, GNUTLS_SHUT_WR);
}

void dtls_refuse(struct dtls_peer *peer)
{
	if (!gnutls_error_is_fatal(peer->error))
		dtls_bye(peer);
	else
		(void)gnutls_alert_send_appropriate(peer->session, peer->error);
}

void dtls_protocol(const struct dtls_peer *peer, char ret_text[static TLS_PROTOCOL_MAX])
{
	const char *cipher = gnutls_cipher_get_name(gnutls_cipher_get(peer->session));

	(void)snprintf(ret_text, TLS_PROTOCOL_MAX, "DTLSv1.2 %s", cipher ? cipher : "");
}

const char *dtls_error_text(const struct dtls_peer *peer)
{
	const char *text = peer->error ? gnutls_strerror(peer->error) : "closed";

	return text ? text : "unknown";
}
