/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/session/connect.h"
#include "front/tunnel/cstp_frame.h"
#include "front/tls/tls_stream.h"

static void a_frame_is_read_as_it_was_written(void **state)
{
	uint8_t record[CSTP_HEADER_SIZE + 5];
	struct cstp_frame frame;
	struct why why = {""};

	(void)state;
	cstp_header_encode(CSTP_DPD_REQUEST, 5, record);
	memcpy(record + CSTP_HEADER_SIZE, "hello", 5);
	assert_memory_equal(record, "STF\x01\x00\x05\x03\x00", CSTP_HEADER_SIZE);
	assert_int_equal(cstp_frame_decode(record, sizeof(record), &frame, &why), 0);
	assert_int_equal(frame.type, CSTP_DPD_REQUEST);
	assert_int_equal(frame.payload_size, 5);
	assert_ptr_equal(frame.payload_view, record + CSTP_HEADER_SIZE);
}

static void a_record_that_is_no_frame_is_refused_with_the_reason(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *why;
	} cases[] = {
		{"", 0, "has no room for a CSTP header"},
		{"STF\x01\0\0\0", 7, "has no room for a CSTP header"},
		{"GET / HT", 8, "begins with 47 45 54 20"},
		{"STF\x02\0\0\0\0", 8, "begins with 53 54 46 02"},
		{"STF\x01\0\x01\0\0", 8, "says 1 bytes of payload, its record has 0"},
		{"STF\x01\0\0\0\0x", 9, "says 0 bytes of payload, its record has 1"},
		{"STF\x01\0\0\0\x07", 8, "is 07 instead of 00"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cstp_frame frame;
		struct why why = {""};

		assert_int_equal(cstp_frame_decode((const uint8_t *)cases[i].bytes, cases[i].size,
						   &frame, &why),
				 ERR_MALFORMED);
		if (!strstr(why.text, cases[i].why))
			fail_msg("case %zu: %s", i, why.text);
	}
}

/* ---- records over a socket pair, with anonymous key exchange
 * -------------------------------------
 */

struct ends {
	int fds[2];
	gnutls_anon_server_credentials_t server_credentials;
	gnutls_anon_client_credentials_t client_credentials;
	struct tls_peer server, client;
	struct tls_stream stream;
	uint8_t scratch[TLS_STREAM_READ];
};

static void end_init(struct tls_peer *peer, unsigned flags, int fd, void *credentials)
{
	assert_int_equal(gnutls_init(&peer->session, flags | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL),
			 0);
	assert_int_equal(gnutls_priority_set_direct(
				 peer->session,
				 "NONE:+VERS-TLS1.2:+CIPHER-ALL:+MAC-ALL:+SIGN-ALL:+COMP-NULL"
				 ":+GROUP-ALL:+ANON-ECDH",
				 NULL),
			 0);
	assert_int_equal(gnutls_credentials_set(peer->session, GNUTLS_CRD_ANON, credentials), 0);
	gnutls_handshake_set_timeout(peer->session, GNUTLS_INDEFINITE_TIMEOUT);
	gnutls_transport_set_int(peer->session, fd);
}

static void ends_start(struct ends *ends)
{
	enum tls_result server = TLS_WAIT, client = TLS_WAIT;

	*ends = (struct ends){0};
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends->fds), 0);
	assert_int_equal(gnutls_anon_allocate_server_credentials(&ends->server_credentials), 0);
	assert_int_equal(gnutls_anon_allocate_client_credentials(&ends->client_credentials), 0);
	end_init(&ends->server, GNUTLS_SERVER, ends->fds[0], ends->server_credentials);
	end_init(&ends->client, GNUTLS_CLIENT, ends->fds[1], ends->client_credentials);
	while (server == TLS_WAIT || client == TLS_WAIT) {
		if (client == TLS_WAIT)
			client = tls_handshake(&ends->client);
		if (server == TLS_WAIT)
			server = tls_handshake(&ends->server);
	}
	assert_int_equal(server, TLS_DONE);
	assert_int_equal(client, TLS_DONE);
	tls_stream_init(&ends->stream, &ends->server, ends->fds[0]);
}

static void ends_stop(struct ends *ends)
{
	tls_stream_done(&ends->stream);
	tls_peer_done(&ends->server);
	tls_peer_done(&ends->client);
	gnutls_anon_free_server_credentials(ends->server_credentials);
	gnutls_anon_free_client_credentials(ends->client_credentials);
	(void)close(ends->fds[0]);
	(void)close(ends->fds[1]);
}

static void what_is_written_is_one_record_each_and_goes_out_at_once(void **state)
{
	struct ends ends;
	uint8_t record[CSTP_RECORD_MAX];
	size_t n = 0;

	(void)state;
	ends_start(&ends);
	for (size_t size = 1; size <= 3; size++)
		assert_int_equal(tls_stream_write(&ends.stream, "abc", size), TLS_DONE);
	assert_true(tls_stream_pending(&ends.stream) > 0);
	assert_int_equal(tls_read(&ends.client, record, sizeof(record), &n), TLS_WAIT);
	assert_int_equal(tls_stream_flush(&ends.stream), TLS_DONE);
	for (size_t size = 1; size <= 3; size++) {
		assert_int_equal(tls_read(&ends.client, record, sizeof(record), &n), TLS_DONE);
		assert_int_equal(n, size);
	}
	tls_stream_trim(&ends.stream);
	assert_null(ends.stream.out.data);
	ends_stop(&ends);
}

static void many_records_come_with_one_fill(void **state)
{
	struct ends ends;
	uint8_t record[CSTP_RECORD_MAX];
	size_t n = 0;

	(void)state;
	ends_start(&ends);
	assert_int_equal(tls_stream_fill(&ends.stream, ends.scratch), TLS_WAIT);
	for (size_t size = 1; size <= 3; size++)
		assert_int_equal(tls_write(&ends.client, "abc", size, &n), TLS_DONE);
	assert_int_equal(tls_stream_fill(&ends.stream, ends.scratch), TLS_DONE);
	for (size_t size = 1; size <= 3; size++) {
		assert_int_equal(tls_stream_read(&ends.stream, record, sizeof(record), &n),
				 TLS_DONE);
		assert_int_equal(n, size);
	}
	assert_int_equal(tls_stream_read(&ends.stream, record, sizeof(record), &n), TLS_WAIT);
	ends_stop(&ends);
}

/* Each byte of a record alone: the rest of it is waited for, and nothing is lost. */
static void a_record_in_pieces_is_put_together(void **state)
{
	struct ends ends;
	uint8_t record[CSTP_RECORD_MAX], wire[128];
	size_t n = 0;
	ssize_t size;

	(void)state;
	ends_start(&ends);
	assert_int_equal(tls_write(&ends.client, "packet", 6, &n), TLS_DONE);
	size = recv(ends.fds[0], wire, sizeof(wire), 0);
	assert_true(size > 6);
	for (ssize_t i = 0; i < size; i++) {
		assert_int_equal(send(ends.fds[1], wire + i, 1, 0), 1);
		assert_int_equal(tls_stream_fill(&ends.stream, ends.scratch), TLS_DONE);
		n = 0;
		assert_int_equal(tls_stream_read(&ends.stream, record, sizeof(record), &n),
				 i + 1 < size ? TLS_WAIT : TLS_DONE);
	}
	assert_int_equal(n, 6);
	assert_memory_equal(record, "packet", 6);
	ends_stop(&ends);
}

static void what_the_socket_does_not_take_is_kept_in_order(void **state)
{
	static uint8_t large[CSTP_RECORD_MAX];
	struct ends ends;
	uint8_t record[CSTP_RECORD_MAX];
	size_t n = 0;
	unsigned written = 0, read = 0;

	(void)state;
	ends_start(&ends);
	while (tls_stream_flush(&ends.stream) == TLS_DONE) {
		large[0] = (uint8_t)written++;
		assert_int_equal(tls_stream_write(&ends.stream, large, sizeof(large)), TLS_DONE);
	}
	assert_true(tls_stream_pending(&ends.stream) > 0);
	while (read < written) {
		enum tls_result result = tls_read(&ends.client, record, sizeof(record), &n);

		if (result == TLS_WAIT) {
			(void)tls_stream_flush(&ends.stream);
			continue;
		}
		assert_int_equal(result, TLS_DONE);
		assert_int_equal(n, sizeof(large));
		assert_int_equal(record[0], (uint8_t)read++);
	}
	assert_int_equal(tls_stream_pending(&ends.stream), 0);
	ends_stop(&ends);
}

static void the_other_end_of_the_connection_is_noticed(void **state)
{
	struct ends ends;
	uint8_t record[CSTP_RECORD_MAX];
	size_t n = 0;

	(void)state;
	ends_start(&ends);
	assert_int_equal(shutdown(ends.fds[1], SHUT_RDWR), 0);
	assert_int_equal(tls_stream_write(&ends.stream, "x", 1), TLS_DONE);
	assert_int_equal(tls_stream_flush(&ends.stream), TLS_CLOSED);
	assert_int_equal(tls_stream_fill(&ends.stream, ends.scratch), TLS_DONE);
	assert_int_equal(tls_stream_read(&ends.stream, record, sizeof(record), &n), TLS_CLOSED);
	ends_stop(&ends);
}

static void the_verdict_follows_from_what_is_known(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 128; bits++) {
		struct connect_facts facts = {bits & 1,	 bits & 2,  bits & 4, bits & 8,
					      bits & 16, bits & 32, bits & 64};
		const char *why = NULL;
		enum connect_verdict verdict = connect_judge(&facts, &why);

		assert_non_null(why);
		assert_true((verdict == CONNECT_ACCEPT) == (why[0] == '\0'));
		if (verdict == CONNECT_ACCEPT)
			assert_true(facts.has_cookie && facts.is_known && facts.is_active &&
				    facts.is_enabled && !facts.is_taken && !facts.is_overtaken);
		/* For good, only without a cookie, or where nothing is missing. */
		if (verdict == CONNECT_NEVER && facts.has_cookie)
			assert_true(!facts.is_known && facts.is_complete && facts.is_active &&
				    facts.is_enabled && !facts.is_overtaken);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_verdict_follows_from_what_is_known),
		cmocka_unit_test(a_frame_is_read_as_it_was_written),
		cmocka_unit_test(a_record_that_is_no_frame_is_refused_with_the_reason),
		cmocka_unit_test(what_is_written_is_one_record_each_and_goes_out_at_once),
		cmocka_unit_test(many_records_come_with_one_fill),
		cmocka_unit_test(a_record_in_pieces_is_put_together),
		cmocka_unit_test(what_the_socket_does_not_take_is_kept_in_order),
		cmocka_unit_test(the_other_end_of_the_connection_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
