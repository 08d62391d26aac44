/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnels by datagrams, as clients, the engine and the inside meet them. */
#include <gnutls/dtls.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/monotime.h"
#include "front/tunnel/dtls_hello.h"
#include "front_tunnel.h"

static struct harness harness;
static struct front_limits limits;
static int device = -1;
static char answer[TUNNEL_TEXT_MAX];
static uint8_t payload[CSTP_PAYLOAD_MAX], packet[PACKET_MAX], record[CSTP_RECORD_MAX];

static int start_with(unsigned dpd_ms, unsigned news_ms)
{
	limits = harness_patient;
	limits.tunnels = (struct tunnels_limits){.dpd_ms = dpd_ms,
						 .role_ms = 100,
						 .hold_ms = 300,
						 .end_ms = 10000,
						 .news_ms = news_ms};
	device = tunnel_front_start(&harness, &limits,
				    &(struct tunnel_table){.numbers = {1, 2, 3}, .is_reset = true});
	return 0;
}

static int start(void **state)
{
	(void)state;
	return start_with(60000, 0);
}

static int start_calm(void **state)
{
	(void)state;
	return start_with(2000, 2000);
}

static int stop(void **state)
{
	(void)state;
	harness_stop(&harness);
	(void)close(TAKE_FD(device));
	return 0;
}

/* ---- a client by datagrams ---- */

static void say(const struct datagrams *datagrams, enum cstp_type type, const uint8_t *data,
		size_t size)
{
	record[0] = (uint8_t)type;
	if (size > 0)
		memcpy(record + 1, data, size);
	assert_int_equal(gnutls_record_send(datagrams->session, record, size + 1),
			 (ssize_t)(size + 1));
}

/* The next frame that is no question; its size without the type. */
static size_t hear(const struct datagrams *datagrams, uint8_t *ret_type)
{
	ssize_t n;

	do
		n = gnutls_record_recv(datagrams->session, record, sizeof(record));
	while (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED ||
	       (n > 0 && record[0] == CSTP_DPD_REQUEST));
	assert_true(n > 0);
	*ret_type = record[0];
	return (size_t)n - 1;
}

/* ---- the offer ---- */

static void who_asks_for_datagrams_is_told_where(void **state)
{
	char port[64];
	struct client client;

	(void)state;
	tunnel_ask(&client, &harness, 1, "X-DTLS12-CipherSuite: AES256-SHA:PSK-NEGOTIATE\r\n");
	assert_int_equal(tunnel_answer(&client, answer), 200);
	(void)snprintf(port, sizeof(port), "X-DTLS-Port: %u\r\n", harness.port);
	assert_non_null(strstr(answer, port));
	assert_non_null(strstr(answer, "X-DTLS-CipherSuite: PSK-NEGOTIATE\r\n"));
	assert_non_null(strstr(answer, "X-DTLS-App-ID: 01"));
	assert_non_null(strstr(answer, "X-DTLS-DPD: 5\r\n"));
	client_close(&client);
}

static void who_does_not_ask_is_not_told(void **state)
{
	struct client client;

	(void)state;
	tunnel_ask(&client, &harness, 1, "X-DTLS-CipherSuite: AES256-SHA:XPSK-NEGOTIATE\r\n");
	assert_int_equal(tunnel_answer(&client, answer), 200);
	assert_null(strstr(answer, "X-DTLS"));
	client_close(&client);
}

/* What IPv6 needs is no matter to a client that takes none of it. */
static void a_client_without_ipv6_has_the_mtu_of_its_narrow_path(void **state)
{
	struct client client;

	(void)state;
	tunnel_ask(&client, &harness, 1, "X-CSTP-Address-Type: IPv4\r\nX-CSTP-MTU: 1000\r\n");
	assert_int_equal(tunnel_answer(&client, answer), 200);
	assert_non_null(strstr(answer, "X-CSTP-MTU: 1000\r\n"));
	client_close(&client);
	tunnel_ask(&client, &harness, 1, "X-CSTP-Address-Type: IPv6,IPv4\r\nX-CSTP-MTU: 1000\r\n");
	assert_int_equal(tunnel_answer(&client, answer), 200);
	assert_non_null(strstr(answer, "X-CSTP-MTU: 1280\r\n"));
	client_close(&client);
}

static void a_policy_can_be_without_datagrams(void **state)
{
	struct client client;

	(void)state;
	tunnel_config_send(&harness, true);
	tunnel_ask(&client, &harness, 1, DATAGRAMS_ASKS);
	assert_int_equal(tunnel_answer(&client, answer), 200);
	assert_null(strstr(answer, "X-DTLS"));
	client_close(&client);
}

/* ---- packets ---- */

static void packets_go_by_datagrams_in_both_directions(void **state)
{
	uint8_t inside[PACKET_MAX], type;
	struct datagrams datagrams;
	struct client client;

	(void)state;
	datagrams_establish(&datagrams, &harness, &client);
	tunnel_packet_v4(packet, 1300, 1, true, 7);
	say(&datagrams, CSTP_DATA, packet, 1300);
	assert_int_equal(tunnel_device_read(device, inside), 1300);
	assert_memory_equal(inside, packet, 1300);
	tunnel_wait_protocol(&harness, "DTLSv1.2 ");
	tunnel_packet_v6(packet, 1280, 1, false, 9);
	tunnel_device_write(device, packet, 1280);
	assert_int_equal(hear(&datagrams, &type), 1280);
	assert_int_equal(type, CSTP_DATA);
	assert_memory_equal(record + 1, packet, 1280);
	datagrams_close(&datagrams);
	client_close(&client);
}

static void a_question_is_answered_with_what_it_came_with(void **state)
{
	static const uint8_t question[700] = {1, 2, 3};
	struct datagrams datagrams;
	struct client client;
	uint8_t type;

	(void)state;
	datagrams_establish(&datagrams, &harness, &client);
	say(&datagrams, CSTP_DPD_REQUEST, question, sizeof(question));
	assert_int_equal(hear(&datagrams, &type), sizeof(question));
	assert_int_equal(type, CSTP_DPD_RESPONSE);
	assert_memory_equal(record + 1, question, sizeof(question));
	datagrams_close(&datagrams);
	client_close(&client);
}

static void packets_of_other_addresses_are_dropped(void **state)
{
	uint8_t inside[PACKET_MAX];
	struct datagrams datagrams;
	struct client client;

	(void)state;
	datagrams_establish(&datagrams, &harness, &client);
	tunnel_packet_v4(packet, 100, 2, true, 1);
	say(&datagrams, CSTP_DATA, packet, 100);
	tunnel_packet_v4(packet, 120, 1, true, 2);
	say(&datagrams, CSTP_DATA, packet, 120);
	assert_int_equal(tunnel_device_read(device, inside), 120);
	assert_true(tunnel_device_is_quiet(device));
	datagrams_close(&datagrams);
	client_close(&client);
}

static void a_client_that_sends_by_tls_again_is_answered_so(void **state)
{
	uint8_t inside[PACKET_MAX], type;
	struct datagrams datagrams;
	struct client client;

	(void)state;
	datagrams_establish(&datagrams, &harness, &client);
	tunnel_packet_v4(packet, 100, 1, true, 1);
	say(&datagrams, CSTP_DATA, packet, 100);
	assert_int_equal(tunnel_device_read(device, inside), 100);
	tunnel_say(&client, CSTP_DATA, packet, 100);
	assert_int_equal(tunnel_device_read(device, inside), 100);
	tunnel_wait_protocol(&harness, "TLS");
	tunnel_packet_v4(packet, 200, 1, false, 2);
	tunnel_device_write(device, packet, 200);
	assert_int_equal(tunnel_hear(&client, &type, payload), 200);
	datagrams_close(&datagrams);
	client_close(&client);
}

static void before_a_client_used_datagrams_packets_go_by_tls(void **state)
{
	struct datagrams datagrams;
	struct client client;
	uint8_t type;

	(void)state;
	datagrams_establish(&datagrams, &harness, &client);
	tunnel_packet_v4(packet, 200, 1, false, 2);
	tunnel_device_write(device, packet, 200);
	assert_int_equal(tunnel_hear(&client, &type, payload), 200);
	assert_int_equal(type, CSTP_DATA);
	datagrams_close(&datagrams);
	client_close(&client);
}

static void datagrams_end_with_the_connection(void **state)
{
	struct datagrams datagrams;
	struct client client;
	uint64_t dropped;
	uint8_t type;

	(void)state;
	datagrams_establish(&datagrams, &harness, &client);
	say(&datagrams, CSTP_DPD_REQUEST, NULL, 0);
	assert_int_equal(hear(&datagrams, &type), 0);
	client_close(&client);
	tunnel_wait_touch(&harness, 1, false, &dropped);
	tunnel_packet_v4(packet, 100, 1, true, 1);
	say(&datagrams, CSTP_DATA, packet, 100);
	/* Whoever comes next is heard, and nothing was before it. */
	tunnel_open(&client, &harness, 1);
	tunnel_packet_v4(packet, 120, 1, true, 2);
	tunnel_say(&client, CSTP_DATA, packet, 120);
	assert_int_equal(tunnel_device_read(device, packet), 120);
	datagrams_close(&datagrams);
	client_close(&client);
}

/* Counts the touches that say what packets go by, until one says TLS or the tunnel is closed. */
static void protocols_count(unsigned *count, bool *ret_is_tls, bool *ret_is_closed)
{
	Asafo__Ipc__VpnSessionTouch *message =
		(Asafo__Ipc__VpnSessionTouch *)tunnel_hear_engine(&harness, IPC_VPN_SESSION_TOUCH);

	assert_non_null(message);
	for (size_t i = 0; i < message->n_touched; i++) {
		*count += message->touched[i]->protocol[0] != '\0';
		*ret_is_tls |= strncmp(message->touched[i]->protocol, "TLS", 3) == 0;
		*ret_is_closed |= !message->touched[i]->is_connected;
	}
	asafo__ipc__vpn_session_touch__free_unpacked(message, NULL);
}

static void a_client_that_changes_its_way_with_each_packet_is_not_news(void **state)
{
	struct monotime began = monotime_now(), until;
	uint8_t inside[PACKET_MAX];
	bool is_tls = false, is_closed = false;
	struct datagrams datagrams;
	struct client client;
	unsigned count = 0;

	(void)state;
	datagrams_establish(&datagrams, &harness, &client);
	say(&datagrams, CSTP_DPD_REQUEST, NULL, 0);
	tunnel_wait_protocol(&harness, "DTLSv1.2 ");
	for (unsigned i = 0; i < 100; i++) {
		tunnel_packet_v4(packet, 100, 1, true, 1);
		say(&datagrams, CSTP_DATA, packet, 100);
		assert_int_equal(tunnel_device_read(device, inside), 100);
		tunnel_say(&client, CSTP_DATA, packet, 100);
		assert_int_equal(tunnel_device_read(device, inside), 100);
	}
	/* What came of it is told in the end. */
	until = monotime_add_ms(monotime_now(), HARNESS_WAIT_MS);
	while (!is_tls) {
		assert_true(monotime_now().ns < until.ns);
		protocols_count(&count, &is_tls, &is_closed);
	}
	datagrams_close(&datagrams);
	client_close(&client);
	while (!is_closed)
		protocols_count(&count, &is_tls, &is_closed);
	/* One each two seconds, and what each tick of one second had to add. */
	assert_in_range(count, 1, 4 + 2 * monotime_since(monotime_now(), began) / 1000000000);
}

/* What GnuTLS says when nothing more comes. */
static int hear_end(const struct datagrams *datagrams)
{
	ssize_t n;

	do
		n = gnutls_record_recv(datagrams->session, record, sizeof(record));
	while (n == GNUTLS_E_INTERRUPTED || n > 0);
	return (int)n;
}

static void datagrams_whose_end_the_front_decides_end_with_a_word(void **state)
{
	struct datagrams datagrams;
	struct client client;

	(void)state;
	datagrams_establish(&datagrams, &harness, &client);
	say(&datagrams, CSTP_COMPRESSED, (const uint8_t *)"x", 1);
	assert_int_equal(hear_end(&datagrams), 0);
	datagrams_close(&datagrams);
	client_close(&client);
}

static void warnings_without_end_are_not_listened_to(void **state)
{
	struct datagrams datagrams;
	struct client client;

	(void)state;
	datagrams_establish(&datagrams, &harness, &client);
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(gnutls_alert_send(datagrams.session, GNUTLS_AL_WARNING,
						   GNUTLS_A_NO_RENEGOTIATION),
				 0);
	assert_int_equal(hear_end(&datagrams), 0);
	datagrams_close(&datagrams);
	client_close(&client);
}

/* ---- first messages ---- */

/* The client's first message as it goes over the wire. */
static size_t first_hello(const struct datagrams *datagrams, uint8_t *ret_hello, size_t size)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t in_size = sizeof(in);
	int sink = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int way = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ssize_t n;

	assert_int_equal(bind(sink, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(sink, (struct sockaddr *)&in, &in_size), 0);
	assert_int_equal(connect(way, (struct sockaddr *)&in, in_size), 0);
	gnutls_dtls_set_timeouts(datagrams->session, 1, 1);
	gnutls_transport_set_int(datagrams->session, way);
	(void)gnutls_handshake(datagrams->session);
	n = recv(sink, ret_hello, size, 0);
	assert_true(n > 0);
	(void)close(sink);
	(void)close(way);
	return (size_t)n;
}

static void a_stranger_gets_a_cookie_and_nothing_else(void **state)
{
	uint8_t hello[2048], reply[2048];
	struct datagrams datagrams;
	struct dtls_hello seen;
	struct client client;
	size_t size;
	ssize_t n;

	(void)state;
	datagrams_ready(&datagrams, &harness, &client);
	size = first_hello(&datagrams, hello, sizeof(hello));
	assert_int_equal(dtls_hello_read(hello, size, &seen), 0);
	assert_false(seen.has_cookie);
	assert_int_equal(seen.session_id_size, 32);
	assert_memory_equal(seen.session_id_view, datagrams.app_id, 32);
	/* What is none is not answered: the first answer is to the hello. */
	assert_true(send(datagrams.fd, "hello", 5, 0) > 0);
	assert_true(send(datagrams.fd, hello, size - 1, 0) > 0);
	/* Nor is one of a tunnel that was never there, nor of a front that cannot be. */
	hello[seen.session_id_view - hello + 31] ^= 1;
	assert_true(send(datagrams.fd, hello, size, 0) > 0);
	hello[seen.session_id_view - hello] = 65;
	assert_true(send(datagrams.fd, hello, size, 0) > 0);
	memcpy(hello + (seen.session_id_view - hello), datagrams.app_id, 32);
	assert_true(send(datagrams.fd, hello, size, 0) > 0);
	n = recv(datagrams.fd, reply, sizeof(reply), 0);
	assert_true(n > 13 && (size_t)n < size);
	assert_int_equal(reply[0], 22);
	assert_int_equal(reply[13], 3); /* HelloVerifyRequest */
	assert_int_equal(send(datagrams.fd, hello, size, 0), (ssize_t)size);
	assert_int_equal(recv(datagrams.fd, reply, sizeof(reply), 0), n);
	assert_int_equal(poll(&(struct pollfd){.fd = datagrams.fd, .events = POLLIN}, 1, 100), 0);
	datagrams_close(&datagrams);
	client_close(&client);
}

/* First messages that the engine gets, until it hears that the tunnel is closed. */
static unsigned first_messages_count(void)
{
	static uint8_t buffer[IPC_HEADER_SIZE + IPC_BODY_MAX];
	struct pollfd pfd = {.fd = harness.engine, .events = POLLIN};
	bool is_closed = false;
	struct ipc_frame frame;
	unsigned n = 0;

	while (!is_closed) {
		Asafo__Ipc__VpnSessionTouch *touch;

		assert_int_equal(poll(&pfd, 1, HARNESS_WAIT_MS), 1);
		assert_int_equal(ipc_frame_receive(harness.engine, buffer, sizeof(buffer), &frame),
				 0);
		n += frame.type == IPC_VPN_DATAGRAM;
		ipc_frame_done(&frame);
		if (frame.type != IPC_VPN_SESSION_TOUCH)
			continue;
		touch = (Asafo__Ipc__VpnSessionTouch *)ipc_frame_unpack(&frame);
		assert_non_null(touch);
		for (size_t i = 0; i < touch->n_touched; i++)
			is_closed |= !touch->touched[i]->is_connected;
		asafo__ipc__vpn_session_touch__free_unpacked(touch, NULL);
	}
	return n;
}

static void a_tunnel_of_another_front_is_the_engines_business(void **state)
{
	struct monotime began;
	gnutls_datum_t id;
	Asafo__Ipc__VpnDatagram *message;
	struct datagrams datagrams;
	struct dtls_hello hello;
	struct client client;
	pthread_t thread;
	void *result;
	int fd;

	(void)state;
	datagrams_ready(&datagrams, &harness, &client);
	datagrams.app_id[0] = 7;
	id = (gnutls_datum_t){datagrams.app_id, 32};
	assert_int_equal(gnutls_session_set_id(datagrams.session, &id), 0);
	gnutls_dtls_set_timeouts(datagrams.session, 100, 2000);
	assert_int_equal(pthread_create(&thread, NULL, datagrams_handshake, &datagrams), 0);
	message = datagrams_hear(&harness, &fd);
	assert_int_equal(message->owner, 7);
	assert_int_equal(fd, -1); /* that one adds its own */
	assert_int_equal(message->local_port, harness.port);
	assert_int_equal(dtls_hello_read(message->data.data, message->data.len, &hello), 0);
	assert_true(hello.has_cookie);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_not_equal((int)(intptr_t)result, 0);
	/* One address is no more to it than a hundred in a second, which an office may be. */
	began = monotime_now();
	for (unsigned i = 0; i < 1000; i++)
		assert_true(send(datagrams.fd, message->data.data, message->data.len, 0) > 0);
	asafo__ipc__vpn_datagram__free_unpacked(message, NULL);
	datagrams_close(&datagrams);
	client_close(&client);
	assert_in_range(first_messages_count(), 50,
			400 + 100 * monotime_since(monotime_now(), began) / MONOTIME_NS_PER_SEC);
}

static void a_first_message_from_another_front_gets_a_socket(void **state)
{
	Asafo__Ipc__VpnDatagram *message;
	struct ipc_frame frame = {.type = IPC_VPN_DATAGRAM};
	struct datagrams datagrams;
	struct client client;
	pthread_t thread;
	void *result;
	int fd;

	(void)state;
	datagrams_ready(&datagrams, &harness, &client);
	assert_int_equal(pthread_create(&thread, NULL, datagrams_handshake, &datagrams), 0);
	message = datagrams_hear(&harness, &fd);
	(void)close(fd);
	/* As if it had come by way of another: without a socket it is asked for again. */
	assert_int_equal(ipc_frame_send(harness.engine, &frame, &message->base), 0);
	asafo__ipc__vpn_datagram__free_unpacked(message, NULL);
	message = datagrams_hear(&harness, &fd);
	assert_int_equal(message->owner, 1);
	datagrams_give_socket(&harness, message, fd);
	asafo__ipc__vpn_datagram__free_unpacked(message, NULL);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((int)(intptr_t)result, 0);
	datagrams_close(&datagrams);
	client_close(&client);
}

static void a_second_socket_that_comes_late_takes_no_datagrams_away(void **state)
{
	struct monotime until;
	Asafo__Ipc__VpnDatagram *message;
	uint8_t inside[PACKET_MAX];
	struct datagrams datagrams;
	struct client client;
	pthread_t thread;
	void *result;
	int fd;

	(void)state;
	datagrams_ready(&datagrams, &harness, &client);
	assert_int_equal(pthread_create(&thread, NULL, datagrams_handshake, &datagrams), 0);
	message = datagrams_hear(&harness, &fd);
	datagrams_give_socket(&harness, message, fd);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((int)(intptr_t)result, 0);
	datagrams_give_socket(&harness, message,
			      socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	asafo__ipc__vpn_datagram__free_unpacked(message, NULL);
	/* Some are lost until the front has seen it. */
	until = monotime_add_ms(monotime_now(), HARNESS_WAIT_MS);
	tunnel_packet_v4(packet, 100, 1, true, 1);
	do {
		assert_true(monotime_now().ns < until.ns);
		say(&datagrams, CSTP_DATA, packet, 100);
	} while (poll(&(struct pollfd){.fd = device, .events = POLLIN}, 1, 100) == 0);
	assert_int_equal(tunnel_device_read(device, inside), 100);
	datagrams_close(&datagrams);
	client_close(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_asks_for_datagrams_is_told_where, start, stop),
		cmocka_unit_test_setup_teardown(who_does_not_ask_is_not_told, start, stop),
		cmocka_unit_test_setup_teardown(
			a_client_without_ipv6_has_the_mtu_of_its_narrow_path, start, stop),
		cmocka_unit_test_setup_teardown(a_policy_can_be_without_datagrams, start, stop),
		cmocka_unit_test_setup_teardown(packets_go_by_datagrams_in_both_directions, start,
						stop),
		cmocka_unit_test_setup_teardown(a_question_is_answered_with_what_it_came_with,
						start, stop),
		cmocka_unit_test_setup_teardown(packets_of_other_addresses_are_dropped, start,
						stop),
		cmocka_unit_test_setup_teardown(a_client_that_sends_by_tls_again_is_answered_so,
						start, stop),
		cmocka_unit_test_setup_teardown(before_a_client_used_datagrams_packets_go_by_tls,
						start, stop),
		cmocka_unit_test_setup_teardown(datagrams_end_with_the_connection, start, stop),
		cmocka_unit_test_setup_teardown(
			a_client_that_changes_its_way_with_each_packet_is_not_news, start_calm,
			stop),
		cmocka_unit_test_setup_teardown(
			datagrams_whose_end_the_front_decides_end_with_a_word, start, stop),
		cmocka_unit_test_setup_teardown(warnings_without_end_are_not_listened_to, start,
						stop),
		cmocka_unit_test_setup_teardown(
			a_second_socket_that_comes_late_takes_no_datagrams_away, start, stop),
		cmocka_unit_test_setup_teardown(a_stranger_gets_a_cookie_and_nothing_else, start,
						stop),
		cmocka_unit_test_setup_teardown(a_tunnel_of_another_front_is_the_engines_business,
						start, stop),
		cmocka_unit_test_setup_teardown(a_first_message_from_another_front_gets_a_socket,
						start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
