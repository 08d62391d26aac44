/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket is read and written in large pieces through buffers of our own, because GnuTLS itself
 * makes two system calls for each record received and one for each sent. An identity that we do not
 * know is given a random key by GnuTLS, so that to the other end it looks like a wrong key.
 */
#include "failover/link_tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/secret.h"

#define RECORD_MAX 16384u
#define INPUT_SIZE (128u * 1024)
#define OUTPUT_ENOUGH (128u * 1024)
/* What GnuTLS answers by itself (alerts, key updates) to a peer that does not read stays below
 * this. */
#define OUTPUT_MAX (512u * 1024)
#define IDENTITY_MAX 64

/* TLS 1.3 only, psk_dhe_ke only (no plain PSK), no certificates; SHA-256 is the hash of an external
 * PSK (RFC 8446 section 4.2.11), so the suites are the two that use it. GnuTLS wants a signature
 * algorithm named, and uses none. */
static const char PRIORITIES[] = "NONE:+VERS-TLS1.3:+AES-128-GCM:+CHACHA20-POLY1305:+AEAD:"
				 "+ECDHE-PSK:+DHE-PSK:+GROUP-X25519:+GROUP-SECP256R1:"
				 "+GROUP-SECP384R1:+GROUP-FFDHE3072:+SIGN-ECDSA-SECP256R1-SHA256";

struct link_key_entry {
	char identity[IDENTITY_MAX];
	struct secret psk;
};

/* The current key and, while there are two, the other one by their ids. */
#define DATED 2

struct link_keys {
	struct link_key_entry link, pairing, dated[DATED];
	size_t attempt; /* of a client */
	gnutls_psk_server_credentials_t server;
	gnutls_psk_client_credentials_t client;
	gnutls_priority_t priorities;
};

struct link_session {
	const struct link_keys *keys;
	gnutls_session_t tls;
	char cipher[96]; /* what was negotiated */
	int fd;
	bool is_server;
	bool is_established;
	enum link_key key;
	const struct link_key_entry *offered; /* by a client */
	int socket_error; /* negated errno of the call that failed under GnuTLS */
	uint8_t *input;
	size_t input_start, input_end;
	struct buf output;
	size_t output_start;
	uint64_t sent, received;
};

CLEANUP_DEFINE(struct link_keys *, link_keys_free)
CLEANUP_DEFINE(struct link_session *, link_session_free)

static int code_of_gnutls(int code)
{
	switch (code) {
	case GNUTLS_E_SUCCESS:
		return 0;
	case GNUTLS_E_AGAIN:
	case GNUTLS_E_INTERRUPTED:
		return -EAGAIN;
	case GNUTLS_E_MEMORY_ERROR:
		return -ENOMEM;
	case GNUTLS_E_PREMATURE_TERMINATION:
	case GNUTLS_E_SESSION_EOF:
	case GNUTLS_E_PUSH_ERROR:
	case GNUTLS_E_PULL_ERROR:
		return ERR_CLOSED;
	case GNUTLS_E_RANDOM_FAILED:
	case GNUTLS_E_INTERNAL_ERROR:
	case GNUTLS_E_LIB_IN_ERROR_STATE:
		return ERR_CRYPTO;
	default:
		return ERR_MALFORMED;
	}
}

static int copy_key(const struct link_key_entry *entry, gnutls_datum_t *ret_key)
{
	ret_key->data = gnutls_malloc(entry->psk.size);
	if (!ret_key->data)
		return -1;
	memcpy(ret_key->data, entry->psk.data, entry->psk.size);
	ret_key->size = (unsigned)entry->psk.size;
	return 0;
}

static bool is_identity(const struct link_key_entry *entry, const gnutls_datum_t *identity)
{
	return entry->psk.data && identity->size == strlen(entry->identity) &&
	       memcmp(identity->data, entry->identity, identity->size) == 0;
}

static const struct link_key_entry *find_link_key(const struct link_keys *keys,
						  const gnutls_datum_t *identity)
{
	for (size_t i = 0; i < DATED; i++) {
		if (is_identity(&keys->dated[i], identity))
			return &keys->dated[i];
	}
	return is_identity(&keys->link, identity) ? &keys->link : NULL;
}

/* 1 stands for an unknown user: GnuTLS goes on with a random key, and the binder fails. */
static int on_server_key(gnutls_session_t tls, const gnutls_datum_t *identity, gnutls_datum_t *key)
{
	struct link_session *session = gnutls_session_get_ptr(tls);
	const struct link_key_entry *entry = find_link_key(session->keys, identity);

	session->key = LINK_KEY_NONE;
	if (entry) {
		session->key = LINK_KEY_LINK;
	} else if (is_identity(&session->keys->pairing, identity)) {
		session->key = LINK_KEY_PAIRING;
		entry = &session->keys->pairing;
	}
	return entry ? copy_key(entry, key) : 1;
}

static int on_client_key(gnutls_session_t tls, gnutls_datum_t *identity, gnutls_datum_t *key)
{
	const struct link_session *session = gnutls_session_get_ptr(tls);
	const struct link_key_entry *entry = session->offered;
	size_t size = strlen(entry->identity);

	/* It was taken away between the connection and the handshake. */
	if (!entry->psk.data)
		return -1;
	identity->data = gnutls_malloc(size + 1);
	if (!identity->data)
		return -1;
	memcpy(identity->data, entry->identity, size + 1);
	identity->size = (unsigned)size;
	return copy_key(entry, key);
}

static int entry_set(struct link_key_entry *entry, const char *identity, const uint8_t *psk)
{
	struct secret copy = {0};
	int r = secret_init_copy(&copy, psk, LINK_PSK_SIZE);

	if (r < 0)
		return r;
	secret_done(&entry->psk);
	entry->psk = copy;
	(void)snprintf(entry->identity, sizeof(entry->identity), "%s", identity);
	return 0;
}

int link_keys_new(const char *identity, const uint8_t psk[LINK_PSK_SIZE],
		  struct link_keys **ret_keys)
{
	_cleanup_(link_keys_free_p) struct link_keys *keys = calloc(1, sizeof(*keys));
	int r;

	if (!keys)
		return -ENOMEM;
	r = entry_set(&keys->link, identity, psk);
	if (r < 0)
		return r;
	if (gnutls_psk_allocate_server_credentials(&keys->server) < 0 ||
	    gnutls_psk_allocate_client_credentials(&keys->client) < 0)
		return -ENOMEM;
	if (gnutls_priority_init(&keys->priorities, PRIORITIES, NULL) < 0)
		return ERR_CRYPTO;
	gnutls_psk_set_server_credentials_function2(keys->server, on_server_key);
	gnutls_psk_set_client_credentials_function2(keys->client, on_client_key);
	*ret_keys = TAKE_PTR(keys);
	return 0;
}

void link_keys_free(struct link_keys *keys)
{
	if (!keys)
		return;
	if (keys->priorities)
		gnutls_priority_deinit(keys->priorities);
	if (keys->server)
		gnutls_psk_free_server_credentials(keys->server);
	if (keys->client)
		gnutls_psk_free_client_credentials(keys->client);
	secret_done(&keys->link.psk);
	secret_done(&keys->pairing.psk);
	for (size_t i = 0; i < DATED; i++)
		secret_done(&keys->dated[i].psk);
	free(keys);
}

int link_keys_offer(struct link_keys *keys, const char *identity, const uint8_t *psk)
{
	if (identity)
		return entry_set(&keys->pairing, identity, psk);
	secret_done(&keys->pairing.psk);
	keys->pairing = (struct link_key_entry){0};
	return 0;
}

/* What a client tries, in turn. While there is one key its mate is asked for it as every version
 * has it, and by its id where that fails: it may be between two. */
static size_t attempts(const struct link_keys *keys,
		       const struct link_key_entry *ret_entries[static DATED + 1])
{
	size_t n = 0;
	bool has_two = keys->dated[1].psk.data;

	if (!has_two)
		ret_entries[n++] = &keys->link;
	for (size_t i = 0; i < DATED; i++) {
		if (keys->dated[i].psk.data)
			ret_entries[n++] = &keys->dated[i];
	}
	if (has_two)
		ret_entries[n++] = &keys->link;
	return n;
}

static const struct link_key_entry *entry_offered(const struct link_keys *keys)
{
	const struct link_key_entry *entries[DATED + 1];
	size_t n = attempts(keys, entries);

	return entries[keys->attempt % n];
}

static int dated_set(struct link_key_entry *entry, uint64_t id, const uint8_t *psk)
{
	char identity[IDENTITY_MAX];

	(void)snprintf(identity, sizeof(identity), "asafo-link-%016" PRIx64, id);
	return entry_set(entry, identity, psk);
}

int link_keys_change(struct link_keys *keys, const struct link_change *change)
{
	char identity[IDENTITY_MAX];
	int r;

	keys->attempt = 0;
	memcpy(identity, keys->link.identity, sizeof(identity));
	r = entry_set(&keys->link, identity, change->psk);
	if (r == 0)
		r = dated_set(&keys->dated[0], change->id, change->psk);
	if (r == 0 && change->other_id != 0)
		return dated_set(&keys->dated[1], change->other_id, change->other_psk);
	secret_done(&keys->dated[1].psk);
	keys->dated[1] = (struct link_key_entry){0};
	return r;
}

bool link_keys_try_next(struct link_keys *keys)
{
	const struct link_key_entry *entries[DATED + 1];

	keys->attempt = (keys->attempt + 1) % attempts(keys, entries);
	return keys->attempt != 0;
}

static ssize_t fail_push(struct link_session *session, int error)
{
	session->socket_error = -error;
	gnutls_transport_set_errno(session->tls, error);
	return -1;
}

static ssize_t on_push(gnutls_transport_ptr_t pointer, const void *data, size_t size)
{
	struct link_session *session = pointer;

	if (session->output.size - session->output_start > OUTPUT_MAX)
		return fail_push(session, ENOBUFS);
	if (buf_append(&session->output, data, size) < 0)
		return fail_push(session, ENOMEM);
	return (ssize_t)size;
}

static ssize_t on_pull(gnutls_transport_ptr_t pointer, void *data, size_t size)
{
	struct link_session *session = pointer;
	size_t there;

	if (session->input_start == session->input_end) {
		ssize_t n = recv(session->fd, session->input, INPUT_SIZE, MSG_DONTWAIT);

		if (n < 0)
			return fail_push(session, errno);
		session->input_start = 0;
		session->input_end = (size_t)n;
		session->received += (uint64_t)n;
	}
	there = session->input_end - session->input_start;
	if (size > there)
		size = there;
	memcpy(data, session->input + session->input_start, size);
	session->input_start += size;
	return (ssize_t)size;
}

/* The time limit is the connection's; GnuTLS asks this only where it has one of its own. */
static int on_pull_timeout(gnutls_transport_ptr_t pointer, unsigned int ms)
{
	(void)pointer;
	(void)ms;
	return 1;
}

static int session_open(struct link_session *session)
{
	unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL;
	gnutls_credentials_type_t type = GNUTLS_CRD_PSK;
	int r;

	r = gnutls_init(&session->tls,
			flags | (session->is_server ? GNUTLS_SERVER : GNUTLS_CLIENT));
	if (r < 0)
		return code_of_gnutls(r);
	gnutls_session_set_ptr(session->tls, session);
	r = gnutls_priority_set(session->tls, session->keys->priorities);
	if (r >= 0)
		r = gnutls_credentials_set(session->tls, type,
					   session->is_server ? (void *)session->keys->server
							      : (void *)session->keys->client);
	if (r < 0)
		return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : ERR_CRYPTO;
	gnutls_transport_set_ptr(session->tls, session);
	gnutls_transport_set_push_function(session->tls, on_push);
	gnutls_transport_set_pull_function(session->tls, on_pull);
	gnutls_transport_set_pull_timeout_function(session->tls, on_pull_timeout);
	gnutls_handshake_set_timeout(session->tls, GNUTLS_INDEFINITE_TIMEOUT);
	return 0;
}

int link_session_new(const struct link_keys *keys, bool is_server, int fd,
		     struct link_session **ret_session)
{
	_cleanup_(link_session_free_p) struct link_session *session = calloc(1, sizeof(*session));
	int r;

	if (!session)
		return -ENOMEM;
	session->keys = keys;
	session->fd = fd;
	session->is_server = is_server;
	session->offered = entry_offered(keys);
	session->input = malloc(INPUT_SIZE);
	if (!session->input)
		return -ENOMEM;
	r = session_open(session);
	if (r < 0)
		return r;
	*ret_session = TAKE_PTR(session);
	return 0;
}

void link_session_free(struct link_session *session)
{
	if (!session)
		return;
	if (session->tls)
		gnutls_deinit(session->tls);
	free(session->input);
	buf_done(&session->output);
	free(session);
}

/* Alerts by which the other end says that it does not like our key (RFC 8446 section 6.2). */
static bool is_key_alert(gnutls_alert_description_t alert)
{
	return alert == GNUTLS_A_ILLEGAL_PARAMETER || alert == GNUTLS_A_DECRYPT_ERROR ||
	       alert == GNUTLS_A_UNKNOWN_PSK_IDENTITY || alert == GNUTLS_A_HANDSHAKE_FAILURE ||
	       alert == GNUTLS_A_DECRYPTION_FAILED || alert == GNUTLS_A_BAD_RECORD_MAC;
}

/* A binder that does not fit is "illegal parameter" in GnuTLS; before the binder no key was looked
 * up. */
static bool is_other_key(const struct link_session *session, int code)
{
	if (session->is_established)
		return false;
	if (code == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return is_key_alert(gnutls_alert_get(session->tls));
	return session->is_server &&
	       (code == GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER || code == GNUTLS_E_DECRYPTION_FAILED);
}

static int fail(struct link_session *session, int code, struct why *ret_why)
{
	int error = code_of_gnutls(code);

	if (is_other_key(session, code))
		return why_set(ret_why, ERR_INTEGRITY, "%s",
			       session->is_server ? "its key is not ours" : "it says so");
	if (code == GNUTLS_E_PUSH_ERROR || code == GNUTLS_E_PULL_ERROR)
		return why_set(ret_why, session->socket_error, "%s",
			       err_text(session->socket_error));
	if (error == ERR_CLOSED)
		return why_set(ret_why, error, "the mate closed the connection");
	if (code == GNUTLS_E_FATAL_ALERT_RECEIVED)
		return why_set(ret_why, ERR_CLOSED, "the mate ended TLS: %s",
			       gnutls_alert_get_name(gnutls_alert_get(session->tls)));
	return why_set(ret_why, error, "%s", gnutls_strerror(code));
}

static void note_cipher(struct link_session *session)
{
	char *text = gnutls_session_get_desc(session->tls);

	(void)snprintf(session->cipher, sizeof(session->cipher), "%s", text ? text : "");
	gnutls_free(text);
}

int link_session_handshake(struct link_session *session, struct why *ret_why)
{
	int code;

	do
		code = gnutls_handshake(session->tls);
	while (code == GNUTLS_E_WARNING_ALERT_RECEIVED || code == GNUTLS_E_INTERRUPTED);
	if (code == GNUTLS_E_SUCCESS) {
		note_cipher(session);
		session->is_established = true;
		if (!session->is_server)
			session->key = LINK_KEY_LINK;
		return 0;
	}
	if (code == GNUTLS_E_AGAIN)
		return -EAGAIN;
	if (code != GNUTLS_E_FATAL_ALERT_RECEIVED)
		(void)gnutls_alert_send_appropriate(session->tls, code);
	return fail(session, code, ret_why);
}

ssize_t link_session_read(struct link_session *session, void *data, size_t size,
			  struct why *ret_why)
{
	ssize_t n = gnutls_record_recv(session->tls, data, size);

	if (n > 0)
		return n;
	if (n == 0)
		return why_set(ret_why, ERR_CLOSED, "the mate closed the connection");
	/* A record without contents (RFC 8446 section 5.4) or a key update is no end. */
	if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
		return -EAGAIN;
	return fail(session, (int)n, ret_why);
}

ssize_t link_session_write(struct link_session *session, const void *data, size_t size,
			   struct why *ret_why)
{
	ssize_t n;

	if (link_session_waiting(session) >= OUTPUT_ENOUGH)
		return -EAGAIN;
	n = gnutls_record_send(session->tls, data, size < RECORD_MAX ? size : RECORD_MAX);
	return n >= 0 ? n : fail(session, (int)n, ret_why);
}

int link_session_flush(struct link_session *session, struct why *ret_why)
{
	while (session->output_start < session->output.size) {
		ssize_t n = send(session->fd, session->output.data + session->output_start,
				 session->output.size - session->output_start,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			buf_consume(&session->output, session->output_start);
			session->output_start = 0;
			return -EAGAIN;
		}
		if (n < 0)
			return why_set(ret_why, -errno, "%s", err_text(-errno));
		session->output_start += (size_t)n;
		session->sent += (uint64_t)n;
	}
	buf_clear(&session->output);
	session->output_start = 0;
	return 0;
}

size_t link_session_waiting(const struct link_session *session)
{
	return session->output.size - session->output_start;
}

void link_session_end(struct link_session *session)
{
	if (session->is_established)
		(void)gnutls_bye(session->tls, GNUTLS_SHUT_WR);
}

const char *link_session_cipher(const struct link_session *session)
{
	return session->cipher;
}

enum link_key link_session_key(const struct link_session *session)
{
	return session->is_established ? session->key : LINK_KEY_NONE;
}

uint64_t link_session_sent(const struct link_session *session)
{
	return session->sent;
}

uint64_t link_session_received(const struct link_session *session)
{
	return session->received;
}
