/* SPDX-License-Identifier: Apache-2.0 */
/* DTLS whose keys are old: nothing is lost until the client has made new ones. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/monotime.h"
#include "front_tunnel.h"

#define DPD_MS 2000   /* without a word by TLS for three times as long a tunnel is over */
#define REKEY_MS 1500 /* so at the second look */

static struct harness harness;
static struct front_limits limits;
static int device = -1;
static uint8_t payload[CSTP_PAYLOAD_MAX], packet[PACKET_MAX], record[CSTP_RECORD_MAX];

static int start(void **state)
{
	(void)state;
	limits = harness_patient;
	limits.tunnels = (struct tunnels_limits){.dpd_ms = DPD_MS,
						 .role_ms = 100,
						 .hold_ms = 300,
						 .end_ms = 10000,
						 .rekey_ms = REKEY_MS};
	device = tunnel_front_start(&harness, &limits,
				    &(struct tunnel_table){.numbers = {1}, .is_reset = true});
	return 0;
}

static int stop(void **state)
{
	(void)state;
	harness_stop(&harness);
	(void)close(TAKE_FD(device));
	return 0;
}

static void say(const struct datagrams *datagrams, enum cstp_type type, size_t size)
{
	record[0] = (uint8_t)type;
	memcpy(record + 1, packet, size);
	assert_int_equal(gnutls_record_send(datagrams->session, record, size + 1),
			 (ssize_t)(size + 1));
}

/* A packet of the client by datagrams reaches the inside. */
static void say_packet(const struct datagrams *datagrams, size_t size)
{
	uint8_t inside[PACKET_MAX];

	tunnel_packet_v4(packet, size, 1, true, 1);
	say(datagrams, CSTP_DATA, size);
	assert_int_equal(tunnel_device_read(device, inside), (ssize_t)size);
}

/* Whether a frame of TYPE comes by datagrams before MS are over; questions are passed over. */
static bool hears(const struct datagrams *datagrams, enum cstp_type type, uint64_t ms)
{
	struct monotime end = monotime_add_ms(monotime_now(), ms);
	struct pollfd ready = {.fd = datagrams->fd, .events = POLLIN};

	for (;;) {
		uint64_t left = monotime_since(end, monotime_now()) / MONOTIME_NS_PER_MS;

		if (poll(&ready, 1, (int)left) == 0)
			return false;
		if (gnutls_record_recv(datagrams->session, record, sizeof(record)) > 0 &&
		    record[0] == type)
			return true;
	}
}

static void what_is_for_the_client_goes_by_tls_and_what_it_sends_is_read(void **state)
{
	struct datagrams datagrams;
	struct client client;
	uint8_t type;

	(void)state;
	datagrams_establish(&datagrams, &harness, &client);
	say_packet(&datagrams, 300);
	tunnel_wait_protocol(&harness, "DTLSv1.2 ");
	tunnel_wait_protocol(&harness, "TLS");
	tunnel_packet_v4(packet, 200, 1, false, 2);
	tunnel_device_write(device, packet, 200);
	while (tunnel_hear(&client, &type, payload) != 200)
		assert_int_equal(type, CSTP_DPD_REQUEST);
	/* It hears nothing by the old one, which is how it finds out. */
	say(&datagrams, CSTP_DPD_REQUEST, 1);
	assert_false(hears(&datagrams, CSTP_DPD_RESPONSE, 300));
	say_packet(&datagrams, 301);
	datagrams_close(&datagrams);
	client_close(&client);
}

static void a_new_handshake_makes_new_keys_in_the_same_tunnel(void **state)
{
	struct datagrams before, after;
	struct client client;

	(void)state;
	datagrams_establish(&before, &harness, &client);
	say_packet(&before, 300);
	tunnel_wait_protocol(&harness, "DTLSv1.2 ");
	tunnel_wait_protocol(&harness, "TLS");
	memcpy(after.app_id, before.app_id, sizeof(after.app_id));
	datagrams_begin(&after, &harness, &client);
	datagrams_make(&after, &harness);
	tunnel_say(&client, CSTP_KEEPALIVE, NULL, 0);
	say_packet(&after, 302);
	tunnel_wait_protocol(&harness, "DTLSv1.2 ");
	tunnel_packet_v4(packet, 200, 1, false, 2);
	tunnel_device_write(device, packet, 200);
	assert_true(hears(&after, CSTP_DATA, REKEY_MS));
	/* And again, when those are old. */
	tunnel_wait_protocol(&harness, "TLS");
	say_packet(&after, 303);
	datagrams_close(&before);
	datagrams_close(&after);
	client_close(&client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_for_the_client_goes_by_tls_and_what_it_sends_is_read),
		TEST(a_new_handshake_makes_new_keys_in_the_same_tunnel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
