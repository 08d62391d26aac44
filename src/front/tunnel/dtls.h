/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gnutls/dtls.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "front/tls/tls.h"

/*
 * DTLS 1.2 with a pre-shared key (RFC 6347, RFC 4279) and AEAD ciphers only; a certificate plays no
 * part, the key comes from the TLS connection that the tunnel has already.
 */
struct dtls;

#define DTLS_PSK_SIZE 32
#define DTLS_DATAGRAM_MAX 2048u

/* Where a handshake goes on whose first message was answered by dtls_cookie_send. */
struct dtls_begin {
	uint32_t record_seq, read_seq, write_seq;
};

/* One client's session. Zeroed is valid for dtls_peer_done. */
struct dtls_peer {
	gnutls_session_t session;
	const uint8_t *psk_view;   /* DTLS_PSK_SIZE bytes */
	const uint8_t *first_view; /* a datagram that was read already, until it is taken */
	size_t first_size;
	struct sockaddr_storage client;
	int fd;
	int send_code; /* 0, or -errno of the datagram that was sent last */
	int error;     /* GnuTLS' */
	unsigned n_warnings;
};

/* Errors: -ENOMEM, ERR_CRYPTO. */
int dtls_new(struct dtls **ret_dtls);
void dtls_free(struct dtls *dtls);
#define DTLS_COOKIE_KEY_SIZE 16
/* Cookies are made by KEY from now on, instead of one that nobody else has, and known by it and by
 * the one BEFORE it (NULL: there is none). */
void dtls_set_cookie_keys(struct dtls *dtls, const uint8_t key[static DTLS_COOKIE_KEY_SIZE],
			  const uint8_t *before);
/*
 * Whether DATAGRAM, a ClientHello, has the cookie that CLIENT was sent: then datagrams to that
 * address do arrive there. Nothing is kept of clients before (RFC 6347 section 4.2.1).
 */
bool dtls_cookie_is_valid(const struct dtls *dtls, const struct sockaddr_storage *client,
			  const uint8_t *datagram, size_t size, struct dtls_begin *ret_begin);
/* Sends CLIENT a HelloVerifyRequest by FD; what comes of it is not known. It is shorter than any
 * ClientHello with a session id. */
void dtls_cookie_send(const struct dtls *dtls, const struct sockaddr_storage *client, int fd);

/*
 * A session on FD, a non-blocking socket connected to CLIENT, with the key PSK and the link's
 * datagrams of at most MTU bytes; PSK and FD are borrowed for the peer's life. Errors: -ENOMEM,
 * ERR_CRYPTO.
 */
int dtls_peer_init(struct dtls_peer *peer, const struct dtls *dtls, int fd,
		   const struct sockaddr_storage *client, const uint8_t *psk,
		   const struct dtls_begin *begin);
void dtls_peer_done(struct dtls_peer *peer);
/* A datagram from elsewhere than FD: the next one that is taken. Borrowed until then. */
void dtls_peer_feed(struct dtls_peer *peer, const uint8_t *datagram, size_t size);
/* TLS_WAIT: for FD, or for dtls_timeout_ms. */
enum tls_result dtls_handshake(struct dtls_peer *peer);
unsigned dtls_timeout_ms(const struct dtls_peer *peer);
/* How large a record's plaintext may become. */
void dtls_set_data_max(struct dtls_peer *peer, unsigned size);
/* One record. TLS_WAIT: there is none. A record that is not the client's is passed over; one that
 * only warns is, too, a few times in the peer's life. */
enum tls_result dtls_read(struct dtls_peer *peer, void *record, size_t size, size_t *ret_size);
/* One record in one datagram. 0, or -errno of the socket (-EMSGSIZE: too large for the path); it is
 * not kept. Errors: ERR_CRYPTO, ERR_TOO_LARGE. */
int dtls_write(struct dtls_peer *peer, const void *record, size_t size);
void dtls_bye(struct dtls_peer *peer);
/* After TLS_REFUSED: says what was wrong, unless the client said it. */
void dtls_refuse(struct dtls_peer *peer);
/* "DTLSv1.2 AES-128-GCM" or alike. */
void dtls_protocol(const struct dtls_peer *peer, char ret_text[static TLS_PROTOCOL_MAX]);
const char *dtls_error_text(const struct dtls_peer *peer);
/* Whether A and B are one address and port. */
bool dtls_is_same_end(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
socklen_t dtls_end_size(const struct sockaddr_storage *end);
