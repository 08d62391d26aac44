/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gnutls/gnutls.h>
#include <stdbool.h>

#include "base/buf.h"
#include "front/tls/ciphers.h"
#include "front/tls/clientcas.h"
#include "front/tls/credential.h"
#include "front/tls/resumption.h"

/*
 * What all connections share: priorities (Mozilla "intermediate": TLS 1.2 and 1.3, ECDHE with AEAD
 * only, the server's order) and the callback that asks each connection for its credential. No early
 * data (0-RTT): it could be played to each unit once.
 */
struct tls;

/* One connection. Embedded in its owner; zeroed is valid for tls_peer_done. */
struct tls_peer {
	gnutls_session_t session;
	struct credential *credential; /* what it was given in the handshake, or was given before
					  and resumed with: owned reference */
	const struct resumption *resumption; /* NULL: no tickets */
	const struct ciphers *ciphers;	     /* of the listener, borrowed */
	/* Asked once a handshake. Returns a borrowed credential that the client knows, where there
	 * is one; NULL: there is none. */
	struct credential *(*select)(const struct client_hello *hello, uint16_t suites,
				     void *userdata);
	void *userdata;
	int error; /* the GnuTLS code that a pending alert tells of */
	unsigned n_warnings;
	size_t n_idle;	  /* bytes that came since there was data in them */
	bool is_too_much; /* more of those than TLS can need */
};

enum tls_result {
	TLS_DONE,
	TLS_WAIT,    /* for the socket, in the direction that tls_wants_write says */
	TLS_CLOSED,  /* the other end is gone, orderly or not */
	TLS_REFUSED, /* a failure that the other end can be told: tls_alert */
};

/*
 * ASKED: whose certificates clients are asked for, looked at when a peer begins; NULL: nobody's.
 * Borrowed for life. A client need not have one, and what it sends is not judged here, but that it
 * has the key. Who was asked gets no session ticket: a short handshake shows no certificate.
 */
int tls_new(const struct clientcas *asked, struct tls **ret_tls);
void tls_free(struct tls *tls);
/* The cipher suites of handshakes from now on, as ciphers_init has them; on failure those before
 * stay. Errors: -ENOMEM, ERR_CRYPTO. */
int tls_set_suites(struct tls *tls, const uint16_t *codes, size_t n);
/* Peers that are initialised from now on issue and take session tickets, where RESUMPTION has a
 * key. Borrowed for the life of TLS and of those peers. */
void tls_resume_with(struct tls *tls, const struct resumption *resumption);
/* PEER->select and userdata are set; FD stays the caller's and must outlive the peer. Errors:
 * -ENOMEM, ERR_CRYPTO. */
int tls_peer_init(struct tls_peer *peer, struct tls *tls, bool is_tls13_only, int fd);
void tls_peer_done(struct tls_peer *peer);

enum tls_result tls_handshake(struct tls_peer *peer);
/* Says why the handshake failed; to be called until it is no longer TLS_WAIT. */
enum tls_result tls_alert(struct tls_peer *peer);
/* close_notify; does not wait for the other one. */
enum tls_result tls_bye(struct tls_peer *peer);
/* TLS_DONE: RET_SIZE (> 0) bytes were read. */
enum tls_result tls_read(struct tls_peer *peer, void *data, size_t size, size_t *ret_size);
/* TLS_DONE: RET_SIZE bytes were taken. After TLS_WAIT call it again with the same bytes. */
enum tls_result tls_write(struct tls_peer *peer, const void *data, size_t size, size_t *ret_size);
/* New keys for both directions (RFC 8446 section 4.6.3); TLS 1.2 has no such thing: nothing is
 * done. TLS_WAIT: the socket took not all of it. */
enum tls_result tls_rekey(struct tls_peer *peer);
/* By a session ticket. */
bool tls_is_resumed(const struct tls_peer *peer);
bool tls_is_13(const struct tls_peer *peer);
/* SIZE bytes of key material that both ends can derive (RFC 5705, RFC 8446 section 7.5). Errors:
 * ERR_CRYPTO. */
int tls_export(const struct tls_peer *peer, const char *label, uint8_t *ret_key, size_t size);
/* How many bytes a record has more than what it carries, header included. */
size_t tls_overhead(const struct tls_peer *peer);
/* "TLSv1.3 TLS_AES_128_GCM_SHA256" or alike, for people. */
#define TLS_PROTOCOL_MAX 96
void tls_protocol(const struct tls_peer *peer, char ret_text[static TLS_PROTOCOL_MAX]);
bool tls_wants_write(const struct tls_peer *peer);
/*
 * For a transport: SIZE more bytes have come. False: too many without any data in them, and the
 * transport is to fail with EPROTO. GnuTLS keeps a message of a handshake until it is whole, and
 * one may say that it has 16 MiB.
 */
bool tls_count(struct tls_peer *peer, size_t size);
/* The certificates that the client sent, its own first; NULL: none. The peer's. */
const gnutls_datum_t *tls_client_chain(const struct tls_peer *peer, unsigned *ret_n);
/* What went wrong, for the log; never NULL. */
const char *tls_error_text(const struct tls_peer *peer);
/* For a transport that is memory: appends what GnuTLS pushes (gnutls_vec_push_func) to OUT. Returns
 * its size; -1 with ENOMEM. */
ssize_t tls_gather(struct buf *out, const giovec_t *parts, int n);
