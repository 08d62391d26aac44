/* SPDX-License-Identifier: Apache-2.0 */
/* Session tickets between two fronts that have the same keys: two units, or two processes of one.
 * Client and server are GnuTLS' own, and speak through buffers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "base/buf.h"
#include "front/tls/tls.h"
#include "tests/unit/front_ends.h"

#define TURNS 64

/* ---- a front ---- */

struct place {
	struct tls *tls;
	struct resumption *keys;
	struct identity *identity; /* what it serves */
};

static struct place *place_make(struct identity *identity)
{
	struct place *place = test_calloc(1, sizeof(*place));

	place->identity = identity;
	assert_int_equal(tls_new(NULL, &place->tls), 0);
	assert_int_equal(resumption_new(&place->keys), 0);
	tls_resume_with(place->tls, place->keys);
	return place;
}

static void place_done(struct place *place)
{
	tls_free(place->tls);
	resumption_free(place->keys);
	test_free(place);
}

/* KEYS: one byte stands for a whole key; the newest first. */
static void place_keys(struct place *place, const char *keys, uint32_t left_s)
{
	uint8_t bytes[4][RESUMPTION_SECRET_SIZE];
	Asafo__Ipc__ResumptionKey items[4], *pointers[4];
	Asafo__Ipc__ResumptionKeys message = ASAFO__IPC__RESUMPTION_KEYS__INIT;

	for (; keys[message.n_keys]; message.n_keys++) {
		size_t i = message.n_keys;

		memset(bytes[i], keys[i], sizeof(bytes[i]));
		asafo__ipc__resumption_key__init(&items[i]);
		items[i].key = (ProtobufCBinaryData){sizeof(bytes[i]), bytes[i]};
		items[i].left_s = i > 0 ? left_s : 0;
		pointers[i] = &items[i];
	}
	message.keys = pointers;
	assert_int_equal(resumption_set(place->keys, &message, monotime_now(), NULL), 0);
}

static struct credential *on_select(const struct client_hello *hello, uint16_t suites,
				    void *userdata)
{
	const struct place *place = userdata;

	assert_int_not_equal(suites, 0);
	assert_string_equal(hello->server_name, "vpn.example.net");
	return place->identity->credential;
}

/* ---- two ends ---- */

static void shake_hands(struct tls_peer *server, gnutls_session_t client)
{
	enum tls_result result = TLS_WAIT;
	int r = GNUTLS_E_AGAIN;

	for (int i = 0; i < TURNS && (r < 0 || result != TLS_DONE); i++) {
		if (r < 0)
			r = gnutls_handshake(client);
		assert_true(r == 0 || r == GNUTLS_E_AGAIN);
		if (result != TLS_DONE)
			result = tls_handshake(server);
		assert_true(result == TLS_DONE || result == TLS_WAIT);
	}
	assert_int_equal(r, 0);
	assert_int_equal(result, TLS_DONE);
}

/* Connects with what *SESSION has, puts there what the server gave; whether it was a resumption. */
static bool connects(struct place *place, const char *priority, gnutls_datum_t *session)
{
	struct buf to_server = {0}, to_client = {0};
	struct end server_end = {&to_server, &to_client}, client_end = {&to_client, &to_server};
	struct tls_peer server = {.select = on_select, .userdata = place};
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t client;
	bool is_resumed;
	char waste;

	assert_int_equal(tls_peer_init(&server, place->tls, false, -1), 0);
	speak_through(server.session, &server_end);
	assert_int_equal(gnutls_init(&client, GNUTLS_CLIENT | GNUTLS_NONBLOCK), 0);
	assert_int_equal(gnutls_certificate_allocate_credentials(&credentials), 0);
	assert_int_equal(gnutls_credentials_set(client, GNUTLS_CRD_CERTIFICATE, credentials), 0);
	assert_int_equal(gnutls_priority_set_direct(client, priority, NULL), 0);
	assert_int_equal(gnutls_server_name_set(client, GNUTLS_NAME_DNS, "vpn.example.net", 15), 0);
	if (session->size > 0)
		assert_int_equal(gnutls_session_set_data(client, session->data, session->size), 0);
	speak_through(client, &client_end);
	shake_hands(&server, client);
	/* Tickets of TLS 1.3 come behind the handshake. */
	assert_int_equal(gnutls_record_recv(client, &waste, 1), GNUTLS_E_AGAIN);
	is_resumed = tls_is_resumed(&server);
	assert_int_equal(gnutls_session_is_resumed(client) != 0, is_resumed);
	assert_ptr_equal(server.credential, place->identity->credential);
	gnutls_free(session->data);
	*session = (gnutls_datum_t){0};
	assert_int_equal(gnutls_session_get_data2(client, session), 0);
	gnutls_deinit(client);
	gnutls_certificate_free_credentials(credentials);
	tls_peer_done(&server);
	buf_done(&to_server);
	buf_done(&to_client);
	return is_resumed;
}

static const char *const priorities[] = {
	"NORMAL:-VERS-ALL:+VERS-TLS1.3",
	"NORMAL:-VERS-ALL:+VERS-TLS1.2",
	/* The server's groups do not have the first: HelloRetryRequest. */
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-SECP521R1:+GROUP-X25519",
};
#define N_PRIORITIES (sizeof(priorities) / sizeof(priorities[0]))

static struct identity vpn, renewed;

static void a_client_of_one_unit_resumes_on_the_other(void **state)
{
	struct place *a = place_make(&vpn), *b = place_make(&vpn);

	(void)state;
	place_keys(a, "k", 0);
	place_keys(b, "k", 0);
	for (size_t i = 0; i < N_PRIORITIES; i++) {
		gnutls_datum_t session = {0};

		assert_false(connects(a, priorities[i], &session));
		assert_true(connects(b, priorities[i], &session));
		assert_true(connects(a, priorities[i], &session));
		gnutls_free(session.data);
	}
	place_done(a);
	place_done(b);
}

static void without_a_key_or_with_another_the_whole_handshake_is_made(void **state)
{
	struct place *a = place_make(&vpn), *b = place_make(&vpn);

	(void)state;
	for (size_t i = 0; i < N_PRIORITIES; i++) {
		gnutls_datum_t session = {0};

		place_keys(a, "", 0);
		assert_false(connects(a, priorities[i], &session));
		assert_false(connects(a, priorities[i], &session));
		place_keys(a, "k", 0);
		assert_false(connects(a, priorities[i], &session));
		place_keys(b, "x", 0);
		assert_false(connects(b, priorities[i], &session));
		gnutls_free(session.data);
	}
	place_done(a);
	place_done(b);
}

static void a_ticket_of_the_key_before_resumes_until_its_time_is_over(void **state)
{
	struct place *a = place_make(&vpn), *b = place_make(&vpn);

	(void)state;
	for (size_t i = 0; i < N_PRIORITIES; i++) {
		gnutls_datum_t old = {0}, new = {0};

		place_keys(a, "o", 0);
		assert_false(connects(a, priorities[i], &old));
		place_keys(a, "no", 3600);
		place_keys(b, "no", 3600);
		assert_false(connects(a, priorities[i], &new));
		assert_true(connects(b, priorities[i], &old));
		assert_true(connects(b, priorities[i], &new));
		/* Over: this one was opened by the older key, and so was what it was given. */
		place_keys(b, "no", 0);
		assert_true(connects(b, priorities[i], &new));
		assert_false(connects(b, priorities[i], &old));
		/* Forgotten. */
		place_keys(b, "f", 0);
		assert_false(connects(b, priorities[i], &new));
		gnutls_free(old.data);
		gnutls_free(new.data);
	}
	place_done(a);
	place_done(b);
}

static void who_would_be_shown_another_certificate_does_not_resume(void **state)
{
	struct place *a = place_make(&vpn);

	(void)state;
	place_keys(a, "k", 0);
	for (size_t i = 0; i < N_PRIORITIES; i++) {
		gnutls_datum_t session = {0};

		a->identity = &vpn;
		assert_false(connects(a, priorities[i], &session));
		a->identity = &renewed;
		assert_false(connects(a, priorities[i], &session));
		assert_true(connects(a, priorities[i], &session));
		gnutls_free(session.data);
	}
	place_done(a);
}

static void keys_that_cannot_be_meant_leave_those_before(void **state)
{
	struct place *a = place_make(&vpn);
	uint8_t bytes[RESUMPTION_SECRET_SIZE] = {0};
	Asafo__Ipc__ResumptionKey item = ASAFO__IPC__RESUMPTION_KEY__INIT;
	Asafo__Ipc__ResumptionKey *pointers[5] = {&item, &item, &item, &item, &item};
	Asafo__Ipc__ResumptionKeys message = ASAFO__IPC__RESUMPTION_KEYS__INIT;
	gnutls_datum_t session = {0};

	(void)state;
	place_keys(a, "k", 0);
	assert_false(connects(a, priorities[0], &session));
	message.keys = pointers;
	message.n_keys = 5;
	item.key = (ProtobufCBinaryData){sizeof(bytes), bytes};
	assert_true(resumption_set(a->keys, &message, monotime_now(), NULL) < 0);
	message.n_keys = 2;
	item.key.len = sizeof(bytes) - 1;
	assert_true(resumption_set(a->keys, &message, monotime_now(), NULL) < 0);
	assert_true(connects(a, priorities[0], &session));
	gnutls_free(session.data);
	place_done(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_of_one_unit_resumes_on_the_other),
		cmocka_unit_test(without_a_key_or_with_another_the_whole_handshake_is_made),
		cmocka_unit_test(a_ticket_of_the_key_before_resumes_until_its_time_is_over),
		cmocka_unit_test(who_would_be_shown_another_certificate_does_not_resume),
		cmocka_unit_test(keys_that_cannot_be_meant_leave_those_before),
	};
	int r;

	identity_make(&vpn);
	identity_make(&renewed);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	identity_done(&vpn);
	identity_done(&renewed);
	return r;
}
