/* SPDX-License-Identifier: Apache-2.0 */
/* The border to GnuTLS: its codes end here. */
#include "front/tls/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/tls/client_chain.h"

#define IDLE_MAX (64u * 1024)
#define WARNINGS_MAX 8 /* of a connection: none of them means anything here */

struct tls {
	struct ciphers ciphers[2]; /* [1]: TLS 1.3 only */
	const struct resumption *resumption;
	gnutls_certificate_credentials_t credentials;
	const struct clientcas *asked;
	unsigned asked_revision; /* that CREDENTIALS name to clients */
};

static int foreign_code(int code)
{
	if (code >= 0)
		return 0;
	return code == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : ERR_CRYPTO;
}

static int on_retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
		       gnutls_pcert_st **ret_chain, unsigned *ret_n_chain,
		       gnutls_ocsp_data_st **ret_ocsp, unsigned *ret_n_ocsp,
		       gnutls_privkey_t *ret_key, unsigned *ret_flags)
{
	struct tls_peer *peer = gnutls_session_get_ptr(session);

	(void)info;
	*ret_ocsp = NULL;
	*ret_n_ocsp = 0;
	*ret_flags = 0; /* the chain is the credential's, and the peer keeps that */
	if (!peer->credential)
		return GNUTLS_E_INSUFFICIENT_CREDENTIALS;
	/* GnuTLS sends it to who asked, the leaf's alone. */
	*ret_ocsp = credential_ocsp(peer->credential, (int64_t)time(NULL));
	*ret_n_ocsp = *ret_ocsp != NULL;
	credential_handshake(peer->credential, ret_chain, ret_n_chain, ret_key);
	return 0;
}

static int set_ciphers(const struct tls_peer *peer, const struct client_hello *hello)
{
	bool is_rsa = credential_kind(peer->credential) == CREDENTIAL_RSA;
	gnutls_priority_t priority = ciphers_choose(peer->ciphers, hello, is_rsa);

	return priority ? gnutls_priority_set(peer->session, priority) : GNUTLS_E_NO_CIPHER_SUITES;
}

/* The certificate and the key of tickets are chosen here: GnuTLS has not read the message yet, and
 * takes each once. */
static int on_client_hello(gnutls_session_t session, const gnutls_datum_t *message)
{
	struct tls_peer *peer = gnutls_session_get_ptr(session);
	uint8_t secret[RESUMPTION_SECRET_SIZE];
	gnutls_datum_t secret_datum = {secret, sizeof(secret)};
	struct client_hello hello;

	if (peer->credential)
		return 0; /* the second one, after a HelloRetryRequest */
	client_hello_read(message->data, message->size, &hello);
	peer->credential =
		credential_ref(peer->select(&hello, peer->ciphers->suites, peer->userdata));
	if (peer->credential && peer->resumption &&
	    resumption_pick(peer->resumption, &hello, credential_fingerprint(peer->credential),
			    monotime_now(), (int64_t)time(NULL), secret))
		(void)gnutls_session_ticket_enable_server(session, &secret_datum);
	explicit_bzero(secret, sizeof(secret));
	return peer->credential ? set_ciphers(peer, &hello) : 0;
}

/*
 * A session has one hook for all messages. The signature of a client's certificate is verified
 * before anybody is asked about it, so its key is looked at when it comes. A compressed one was not
 * offered: it would come past this.
 */
static int on_message(gnutls_session_t session, unsigned type, unsigned when, unsigned is_incoming,
		      const gnutls_datum_t *message)
{
	(void)when;
	if (!is_incoming)
		return 0;
	switch (type) {
	case GNUTLS_HANDSHAKE_CLIENT_HELLO:
		return on_client_hello(session, message);
	case GNUTLS_HANDSHAKE_CERTIFICATE_PKT:
		return client_chain_check(message,
					  gnutls_protocol_get_version(session) == GNUTLS_TLS1_3);
	case GNUTLS_HANDSHAKE_COMPRESSED_CERTIFICATE_PKT:
		return GNUTLS_E_UNEXPECTED_HANDSHAKE_PACKET;
	default:
		return 0;
	}
}

int tls_new(const struct clientcas *asked, struct tls **ret_tls)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int r;

	if (!tls)
		return -ENOMEM;
	tls->asked = asked;
	r = tls_set_suites(tls, NULL, 0);
	if (r == 0)
		r = foreign_code(gnutls_certificate_allocate_credentials(&tls->credentials));
	if (r < 0) {
		tls_free(tls);
		return r;
	}
	gnutls_certificate_set_retrieve_function3(tls->credentials, on_retrieve);
	*ret_tls = tls;
	return 0;
}

int tls_set_suites(struct tls *tls, const uint16_t *codes, size_t n)
{
	struct ciphers ciphers[2] = {0};
	int r = ciphers_init(&ciphers[0], false, codes, n);

	if (r == 0)
		r = ciphers_init(&ciphers[1], true, codes, n);
	if (r < 0) {
		ciphers_done(&ciphers[0]);
		return r;
	}
	for (int i = 0; i < 2; i++) {
		ciphers_done(&tls->ciphers[i]);
		tls->ciphers[i] = ciphers[i];
	}
	return 0;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	ciphers_done(&tls->ciphers[0]);
	ciphers_done(&tls->ciphers[1]);
	if (tls->credentials)
		gnutls_certificate_free_credentials(tls->credentials);
	free(tls);
}

void tls_resume_with(struct tls *tls, const struct resumption *resumption)
{
	tls->resumption = resumption;
}

bool tls_count(struct tls_peer *peer, size_t size)
{
	peer->n_idle += size;
	peer->is_too_much |= peer->n_idle > IDLE_MAX;
	return !peer->is_too_much;
}

/* Whether clients are asked for a certificate, and are told of which CAs. */
static bool ask(struct tls *tls)
{
	gnutls_x509_trust_list_t list;

	if (!tls->asked || !clientcas_trusted(tls->asked))
		return false;
	if (tls->asked_revision != clientcas_revision(tls->asked)) {
		if (clientcas_list(tls->asked, &list) < 0)
			return false;
		/* Handshakes under way name the new ones, or have named the old. */
		gnutls_certificate_set_trust_list(tls->credentials, list, 0);
		tls->asked_revision = clientcas_revision(tls->asked);
	}
	return true;
}

int tls_peer_init(struct tls_peer *peer, struct tls *tls, bool is_tls13_only, int fd)
{
	static const gnutls_datum_t http[] = {{(unsigned char *)(uintptr_t) "http/1.1", 8},
					      {(unsigned char *)(uintptr_t) "http/1.0", 8}};
	bool is_asked = ask(tls);
	int r = gnutls_init(&peer->session,
			    GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS);

	if (r < 0)
		return foreign_code(r);
	gnutls_session_set_ptr(peer->session, peer);
	peer->resumption = is_asked ? NULL : tls->resumption;
	peer->ciphers = &tls->ciphers[is_tls13_only];
	if (peer->resumption)
		gnutls_db_set_cache_expiration(peer->session, RESUMPTION_TICKET_S);
	gnutls_handshake_set_hook_function(peer->session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_PRE,
					   on_message);
	r = gnutls_priority_set(peer->session, peer->ciphers->any);
	if (r == 0)
		r = gnutls_credentials_set(peer->session, GNUTLS_CRD_CERTIFICATE, tls->credentials);
	if (r == 0)
		/* Of who names only other protocols the bytes are none of HTTP's (RFC 7301
		 * section 3.2); who names none is a client of before. */
		r = gnutls_alpn_set_protocols(peer->session, http, ARRAY_SIZE(http),
					      GNUTLS_ALPN_MANDATORY |
						      GNUTLS_ALPN_SERVER_PRECEDENCE);
	gnutls_certificate_server_set_request(peer->session,
					      is_asked ? GNUTLS_CERT_REQUEST : GNUTLS_CERT_IGNORE);
	/* The owner has deadlines of its own. */
	gnutls_handshake_set_timeout(peer->session, GNUTLS_INDEFINITE_TIMEOUT);
	gnutls_transport_set_int(peer->session, fd);
	if (r < 0)
		tls_peer_done(peer);
	return foreign_code(r);
}

void tls_peer_done(struct tls_peer *peer)
{
	if (peer->session)
		gnutls_deinit(peer->session);
	peer->session = NULL;
	credential_unref(TAKE_PTR(peer->credential));
}

/* The one place that reads GnuTLS' codes on a live connection. */
static enum tls_result result_of(struct tls_peer *peer, ssize_t code)
{
	switch (code) {
	case GNUTLS_E_AGAIN:
	case GNUTLS_E_INTERRUPTED:
		return TLS_WAIT;
	case GNUTLS_E_PREMATURE_TERMINATION:
	case GNUTLS_E_PUSH_ERROR:
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_SESSION_EOF:
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		/* It can be told why. */
		peer->error = peer->is_too_much ? GNUTLS_E_UNEXPECTED_PACKET_LENGTH : (int)code;
		return peer->is_too_much ? TLS_REFUSED : TLS_CLOSED;
	default:
		if (code >= 0)
			return TLS_DONE;
		peer->error = (int)code;
		return TLS_REFUSED;
	}
}

enum tls_result tls_handshake(struct tls_peer *peer)
{
	int r;

	do
		r = gnutls_handshake(peer->session);
	while (r < 0 && r != GNUTLS_E_AGAIN && r != GNUTLS_E_INTERRUPTED &&
	       !gnutls_error_is_fatal(r));
	if (r == 0)
		peer->n_idle = 0;
	return result_of(peer, r);
}

enum tls_result tls_alert(struct tls_peer *peer)
{
	int r = gnutls_alert_send_appropriate(peer->session, peer->error);

	return r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED ? TLS_WAIT : TLS_DONE;
}

enum tls_result tls_bye(struct tls_peer *peer)
{
	int r = gnutls_bye(peer->session, GNUTLS_SHUT_WR);

	return r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED ? TLS_WAIT : TLS_DONE;
}

enum tls_result tls_read(struct tls_peer *peer, void *data, size_t size, size_t *ret_size)
{
	ssize_t n;

	/* A warning alert is no data and no end, but a stream of them would keep this loop for
	 * itself. A renegotiation (TLS 1.2) is refused: it is fatal here. */
	do
		n = gnutls_record_recv(peer->session, data, size);
	while (n == GNUTLS_E_WARNING_ALERT_RECEIVED && ++peer->n_warnings <= WARNINGS_MAX);
	if (n == GNUTLS_E_WARNING_ALERT_RECEIVED)
		n = GNUTLS_E_UNEXPECTED_PACKET;
	if (n == 0)
		return TLS_CLOSED;
	if (n > 0) {
		*ret_size = (size_t)n;
		peer->n_idle = 0;
	}
	return result_of(peer, n);
}

enum tls_result tls_write(struct tls_peer *peer, const void *data, size_t size, size_t *ret_size)
{
	ssize_t n = gnutls_record_send(peer->session, data, size);

	if (n >= 0)
		*ret_size = (size_t)n;
	return result_of(peer, n);
}

bool tls_is_resumed(const struct tls_peer *peer)
{
	return gnutls_session_is_resumed(peer->session) != 0;
}

bool tls_is_13(const struct tls_peer *peer)
{
	return gnutls_protocol_get_version(peer->session) == GNUTLS_TLS1_3;
}

enum tls_result tls_rekey(struct tls_peer *peer)
{
	if (!tls_is_13(peer))
		return TLS_DONE;
	return result_of(peer, gnutls_session_key_update(peer->session, GNUTLS_KU_PEER));
}

int tls_export(const struct tls_peer *peer, const char *label, uint8_t *ret_key, size_t size)
{
	int r = gnutls_prf_rfc5705(peer->session, strlen(label), label, 0, NULL, size,
				   (char *)ret_key);

	return foreign_code(r);
}

const gnutls_datum_t *tls_client_chain(const struct tls_peer *peer, unsigned *ret_n)
{
	*ret_n = 0;
	return gnutls_certificate_get_peers(peer->session, ret_n);
}

size_t tls_overhead(const struct tls_peer *peer)
{
	return gnutls_record_overhead_size(peer->session);
}

void tls_protocol(const struct tls_peer *peer, char ret_text[static TLS_PROTOCOL_MAX])
{
	const char *version = gnutls_protocol_get_name(gnutls_protocol_get_version(peer->session));
	const char *cipher = gnutls_cipher_get_name(gnutls_cipher_get(peer->session));

	(void)snprintf(ret_text, TLS_PROTOCOL_MAX, "%s %s", version ? version : "TLS",
		       cipher ? cipher : "");
}

bool tls_wants_write(const struct tls_peer *peer)
{
	return gnutls_record_get_direction(peer->session) == 1;
}

const char *tls_error_text(const struct tls_peer *peer)
{
	const char *text = peer->error ? gnutls_strerror(peer->error) : "closed";

	return text ? text : "unknown";
}

ssize_t tls_gather(struct buf *out, const giovec_t *parts, int n)
{
	size_t total = 0;

	for (int i = 0; i < n; i++)
		total += parts[i].iov_len;
	if (buf_reserve(out, total) < 0) {
		errno = ENOMEM;
		return -1;
	}
	for (int i = 0; i < n; i++) {
		memcpy(out->data + out->size, parts[i].iov_base, parts[i].iov_len);
		out->size += parts[i].iov_len;
	}
	return (ssize_t)total;
}
