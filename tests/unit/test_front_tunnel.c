/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnels as clients, the engine and the inside meet them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "front/session/connect.h"
#include "front_tunnel.h"

static struct harness harness;
static int device = -1;
static char answer[TUNNEL_TEXT_MAX];
static uint8_t payload[CSTP_PAYLOAD_MAX], packet[PACKET_MAX];
static uint64_t dropped;

static struct front_limits limits;

static int start_with(unsigned dpd_ms, unsigned role_ms)
{
	limits = harness_patient;
	limits.tunnels = (struct tunnels_limits){
		.dpd_ms = dpd_ms, .role_ms = role_ms, .hold_ms = 300, .end_ms = 10000};
	device = tunnel_front_start(&harness, &limits,
				    &(struct tunnel_table){.numbers = {1, 2, 3}, .is_reset = true});
	return 0;
}

static int start(void **state)
{
	(void)state;
	return start_with(60000, 100);
}

static int start_attached(void **state)
{
	(void)state;
	return start_with(60000, 60000);
}

static int start_impatient(void **state)
{
	(void)state;
	return start_with(200, 100);
}

static int stop(void **state)
{
	(void)state;
	harness_stop(&harness);
	(void)close(TAKE_FD(device));
	return 0;
}

static ssize_t hear(struct client *client, uint8_t *ret_type)
{
	return tunnel_hear(client, ret_type, payload);
}

/* ---- what is told at CONNECT ---- */

static void an_accepted_client_is_told_its_addresses_and_times(void **state)
{
	static const char *const lines[] = {
		"X-CSTP-Version: 1\r\n",
		"X-CSTP-Address: 10.9.0.1\r\n",
		"X-CSTP-Netmask: 255.255.255.0\r\n",
		"X-CSTP-Address-IP6: fd00::1/64\r\n",
		"X-CSTP-DNS: 10.1.1.53\r\n",
		"X-CSTP-DNS: fd00::53\r\n",
		"X-CSTP-Default-Domain: example.org\r\n",
		"X-CSTP-Banner: Be good\r\n",
		"X-CSTP-Split-Include: 10.1.0.0/255.255.0.0\r\n",
		"X-CSTP-Split-Include-IP6: fd01::/32\r\n",
		"X-CSTP-Tunnel-All-DNS: false\r\n",
		"X-CSTP-Idle-Timeout: 1800\r\n",
		"X-CSTP-Disconnected-Timeout: none\r\n",
		"X-CSTP-Keep: true\r\n",
		"X-CSTP-License: accept\r\n",
		"X-CSTP-DPD: 10\r\n",
		"X-CSTP-Keepalive: 5\r\n",
		"X-CSTP-Rekey-Time: 31536000\r\n",
		"X-CSTP-Rekey-Method: ssl\r\n",
		"X-CSTP-Base-MTU: 1500\r\n",
		"X-CSTP-MTU: 1406\r\n",
	};
	struct client client;

	(void)state;
	tunnel_ask(&client, &harness, 1,
		   "X-CSTP-Address-Type: IPv6,IPv4\r\nX-CSTP-Base-MTU: 1500\r\n");
	assert_int_equal(tunnel_answer(&client, answer), 200);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		if (!strstr(answer, lines[i]))
			fail_msg("%s is not in\n%s", lines[i], answer);
	}
	client_close(&client);
}

static void a_client_of_one_family_gets_that_one_only(void **state)
{
	struct client client;

	(void)state;
	tunnel_ask(&client, &harness, 1, "");
	assert_int_equal(tunnel_answer(&client, answer), 200);
	assert_non_null(strstr(answer, "X-CSTP-Address: "));
	assert_null(strstr(answer, "X-CSTP-Address-IP6: "));
	client_close(&client);
	tunnel_ask(&client, &harness, 1, "X-CSTP-Address-Type: IPv6\r\n");
	assert_int_equal(tunnel_answer(&client, answer), 200);
	assert_null(strstr(answer, "X-CSTP-Address: "));
	assert_non_null(strstr(answer, "X-CSTP-Address-IP6: "));
	client_close(&client);
}

static void a_phone_is_asked_less_often(void **state)
{
	struct client client;

	(void)state;
	tunnel_ask(&client, &harness, 1, "X-AnyConnect-Identifier-Platform: android\r\n");
	assert_int_equal(tunnel_answer(&client, answer), 200);
	assert_non_null(strstr(answer, "X-CSTP-DPD: 60\r\n"));
	assert_non_null(strstr(answer, "X-CSTP-Keepalive: 20\r\n"));
	client_close(&client);
}

static void a_session_that_cannot_exist_is_401_and_the_connection_ends(void **state)
{
	struct client client;

	(void)state;
	tunnel_ask(&client, &harness, 9, "");
	assert_int_equal(tunnel_answer(&client, answer), 401);
	assert_true(client_is_closed(&client));
	client_close(&client);
}

static void a_session_that_may_exist_is_503_after_a_while(void **state)
{
	struct client client;

	(void)state;
	tunnel_table_send(&harness, &(struct tunnel_table){.is_incomplete = true});
	tunnel_ask(&client, &harness, 9, "");
	assert_int_equal(tunnel_answer(&client, answer), 503);
	assert_non_null(strstr(answer, "\r\nRetry-After: "));
	assert_non_null(strstr(answer, "X-Reason: the sessions are not all known yet\r\n"));
	client_close(&client);
	/* What is known is served all the same. */
	tunnel_open(&client, &harness, 1);
	client_close(&client);
}

static void a_session_that_turns_up_in_time_is_served(void **state)
{
	struct client client;

	(void)state;
	tunnel_role(&harness, "standby", 5);
	tunnel_ask(&client, &harness, 4, "");
	/* The front has taken the request before it hears of the session, or after: the same. */
	tunnel_table_send(&harness, &(struct tunnel_table){.numbers = {4}});
	tunnel_role(&harness, "active", 6);
	assert_int_equal(tunnel_answer(&client, answer), 200);
	client_close(&client);
}

static void a_standby_answers_503_never_401(void **state)
{
	static const unsigned numbers[] = {1, 9};

	(void)state;
	tunnel_role(&harness, "standby", 5);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct client client;

		tunnel_ask(&client, &harness, numbers[i], "");
		assert_int_equal(tunnel_answer(&client, answer), 503);
		assert_non_null(strstr(answer, "X-Reason: this unit is not the active one\r\n"));
		client_close(&client);
	}
}

static void whoever_leaves_while_held_leaves_nothing_behind(void **state)
{
	struct client client;

	(void)state;
	tunnel_role(&harness, "standby", 5);
	tunnel_ask(&client, &harness, 1, "");
	client_close(&client);
	tunnel_role(&harness, "active", 6);
	tunnel_open(&client, &harness, 1);
	client_close(&client);
}

/* ---- packets ---- */

static void packets_of_both_families_pass_both_ways(void **state)
{
	struct client client;
	uint8_t sent[600], type = 99;

	(void)state;
	tunnel_open(&client, &harness, 1);
	tunnel_packet_v4(sent, sizeof(sent), 1, true, 'a');
	tunnel_say(&client, CSTP_DATA, sent, sizeof(sent));
	assert_int_equal(tunnel_device_read(device, packet), sizeof(sent));
	assert_memory_equal(packet, sent, sizeof(sent));
	tunnel_packet_v6(sent, sizeof(sent), 1, true, 'b');
	tunnel_say(&client, CSTP_DATA, sent, sizeof(sent));
	assert_int_equal(tunnel_device_read(device, packet), sizeof(sent));
	assert_memory_equal(packet, sent, sizeof(sent));
	tunnel_packet_v4(sent, sizeof(sent), 1, false, 'c');
	tunnel_device_write(device, sent, sizeof(sent));
	assert_int_equal(hear(&client, &type), sizeof(sent));
	assert_int_equal(type, CSTP_DATA);
	assert_memory_equal(payload, sent, sizeof(sent));
	tunnel_packet_v6(sent, sizeof(sent), 1, false, 'd');
	tunnel_device_write(device, sent, sizeof(sent));
	assert_int_equal(hear(&client, &type), sizeof(sent));
	assert_memory_equal(payload, sent, sizeof(sent));
	client_close(&client);
}

static void each_packet_goes_to_its_client_in_order(void **state)
{
	struct client clients[2];
	uint8_t sent[100], type;

	(void)state;
	tunnel_open(&clients[0], &harness, 1);
	tunnel_open(&clients[1], &harness, 2);
	for (uint8_t i = 0; i < 40; i++) {
		tunnel_packet_v4(sent, sizeof(sent), 1 + i % 2, false, i);
		tunnel_device_write(device, sent, sizeof(sent));
	}
	for (uint8_t i = 0; i < 40; i++) {
		assert_int_equal(hear(&clients[i % 2], &type), sizeof(sent));
		assert_int_equal(payload[50], i);
	}
	client_close(&clients[0]);
	client_close(&clients[1]);
}

static void an_address_that_is_not_the_clients_is_dropped_and_counted(void **state)
{
	struct client client;
	uint8_t sent[100];

	(void)state;
	tunnel_open(&client, &harness, 1);
	tunnel_packet_v4(sent, sizeof(sent), 2, true, 'x');
	tunnel_say(&client, CSTP_DATA, sent, sizeof(sent));
	tunnel_packet_v6(sent, sizeof(sent), 3, true, 'x');
	tunnel_say(&client, CSTP_DATA, sent, sizeof(sent));
	tunnel_say(&client, CSTP_DATA, "no packet", 9);
	tunnel_packet_v4(sent, sizeof(sent), 1, true, 'y');
	tunnel_say(&client, CSTP_DATA, sent, sizeof(sent));
	assert_int_equal(tunnel_device_read(device, packet), sizeof(sent));
	assert_int_equal(packet[50], 'y');
	client_close(&client);
	tunnel_wait_touch(&harness, 1, false, &dropped);
	assert_int_equal(dropped, 3);
}

static void a_packet_that_is_too_large_is_answered_on_the_inside(void **state)
{
	struct client client;
	uint8_t sent[1407];

	(void)state;
	tunnel_open(&client, &harness, 1);
	tunnel_packet_v4(sent, sizeof(sent), 1, false, 'x');
	tunnel_device_write(device, sent, sizeof(sent));
	assert_int_equal(tunnel_device_read(device, packet), 576);
	assert_int_equal(packet[20], 3);
	assert_int_equal(packet[21], 4);
	assert_int_equal(packet[26] << 8 | packet[27], 1406);
	client_close(&client);
}

static void nothing_is_forwarded_while_the_unit_stands_by(void **state)
{
	struct client client;
	uint8_t sent[100], type;

	(void)state;
	tunnel_open(&client, &harness, 1);
	tunnel_role(&harness, "standby", 5);
	tunnel_packet_v4(sent, sizeof(sent), 1, true, 'x');
	tunnel_say(&client, CSTP_DATA, sent, sizeof(sent));
	tunnel_say(&client, CSTP_DPD_REQUEST, NULL, 0);
	/* By then the packet has been read. */
	assert_int_equal(hear(&client, &type), 0);
	assert_true(tunnel_device_is_quiet(device));
	client_close(&client);
}

static void a_unit_that_stands_by_lets_go_of_its_tunnels_without_a_word(void **state)
{
	struct client client;
	uint8_t type;

	(void)state;
	tunnel_open(&client, &harness, 1);
	tunnel_role(&harness, "standby", 5);
	assert_int_equal(hear(&client, &type), -1);
	client_close(&client);
}

/* One client does not read: its packets are lost, the other's are not. */
static void a_client_that_does_not_read_holds_up_nobody(void **state)
{
	struct client slow, quick;
	static uint8_t sent[1400];
	uint8_t type;

	(void)state;
	tunnel_open(&slow, &harness, 1);
	tunnel_open(&quick, &harness, 2);
	for (unsigned i = 0; i < 20000; i++) {
		tunnel_packet_v4(sent, sizeof(sent), 1, false, 'x');
		tunnel_device_write(device, sent, sizeof(sent));
	}
	tunnel_packet_v4(sent, sizeof(sent), 2, false, 'y');
	tunnel_device_write(device, sent, sizeof(sent));
	assert_int_equal(hear(&quick, &type), sizeof(sent));
	assert_int_equal(payload[100], 'y');
	client_close(&slow);
	tunnel_wait_touch(&harness, 1, false, &dropped);
	assert_true(dropped > 0);
	client_close(&quick);
}

static ssize_t on_gather(gnutls_transport_ptr_t userdata, const void *data, size_t size)
{
	struct buf *wire = userdata;

	assert_int_equal(buf_append(wire, data, size), 0);
	return (ssize_t)size;
}

static void packets_behind_a_key_update_are_not_lost(void **state)
{
	struct buf wire = {0};
	struct client client;
	uint8_t sent[100];

	(void)state;
	tunnel_open(&client, &harness, 1);
	assert_int_equal(gnutls_protocol_get_version(client.session), GNUTLS_TLS1_3);
	/* Before it is one, too: what is read together was encrypted with two keys. */
	gnutls_transport_set_ptr2(client.session, NULL, &wire);
	gnutls_transport_set_push_function(client.session, on_gather);
	for (uint8_t i = 0; i < 6; i++) {
		tunnel_packet_v4(sent, sizeof(sent), 1, true, i);
		tunnel_say(&client, CSTP_DATA, sent, sizeof(sent));
		if (i % 2 == 0)
			assert_int_equal(gnutls_session_key_update(client.session, 0), 0);
	}
	assert_int_equal(send(client.fd, wire.data, wire.size, MSG_NOSIGNAL), (ssize_t)wire.size);
	for (uint8_t i = 0; i < 6; i++) {
		assert_int_equal(tunnel_device_read(device, packet), sizeof(sent));
		assert_int_equal(packet[50], i);
	}
	client_close(&client);
	buf_done(&wire);
}

/* ---- control ---- */

static void dpd_is_answered_with_its_own_payload(void **state)
{
	struct client client;
	uint8_t type = 0;

	(void)state;
	tunnel_open(&client, &harness, 1);
	tunnel_say(&client, CSTP_KEEPALIVE, NULL, 0);
	tunnel_say(&client, CSTP_DPD_REQUEST, "abc", 3);
	assert_int_equal(hear(&client, &type), 3);
	assert_int_equal(type, CSTP_DPD_RESPONSE);
	assert_memory_equal(payload, "abc", 3);
	client_close(&client);
}

static void a_silent_client_is_given_up_and_its_session_is_kept(void **state)
{
	struct client client;
	uint8_t type;

	(void)state;
	tunnel_open(&client, &harness, 1);
	tunnel_wait_touch(&harness, 1, true, &dropped);
	assert_int_equal(hear(&client, &type), -1);
	tunnel_wait_touch(&harness, 1, false, &dropped);
	client_close(&client);
	tunnel_open(&client, &harness, 1);
	client_close(&client);
}

static void a_second_connection_takes_the_place_of_the_first(void **state)
{
	struct client first, second;
	uint8_t sent[100], type;

	(void)state;
	tunnel_open(&first, &harness, 1);
	tunnel_open(&second, &harness, 1);
	assert_int_equal(hear(&first, &type), -1);
	tunnel_packet_v4(sent, sizeof(sent), 1, false, 'x');
	tunnel_device_write(device, sent, sizeof(sent));
	assert_int_equal(hear(&second, &type), sizeof(sent));
	client_close(&first);
	client_close(&second);
}

static void a_tunnel_in_another_front_takes_its_place_too(void **state)
{
	struct client client;
	uint8_t type;

	(void)state;
	tunnel_open(&client, &harness, 1);
	tunnel_wait_touch(&harness, 1, true, &dropped);
	tunnel_table_send(&harness, &(struct tunnel_table){.numbers = {1}, .owner = 2});
	assert_int_equal(hear(&client, &type), -1);
	client_close(&client);
}

static void an_old_word_about_the_owner_ends_no_new_tunnel(void **state)
{
	struct client client;
	uint8_t type = 0;

	(void)state;
	tunnel_open(&client, &harness, 1);
	tunnel_wait_touch(&harness, 1, true, &dropped);
	tunnel_table_send(&harness,
			  &(struct tunnel_table){.numbers = {1}, .owner = 2, .is_late = true});
	tunnel_say(&client, CSTP_DPD_REQUEST, NULL, 0);
	assert_int_equal(hear(&client, &type), 0);
	assert_int_equal(type, CSTP_DPD_RESPONSE);
	client_close(&client);
}

static void a_session_that_an_operator_ends_is_terminated(void **state)
{
	struct client client;
	uint8_t type = 0;

	(void)state;
	tunnel_open(&client, &harness, 1);
	tunnel_table_send(&harness, &(struct tunnel_table){.gone = 1, .reason = VPN_END_ADMIN});
	assert_int_equal(hear(&client, &type), 0);
	assert_int_equal(type, CSTP_TERMINATE);
	assert_int_equal(hear(&client, &type), -1);
	client_close(&client);
	tunnel_ask(&client, &harness, 1, "");
	assert_int_equal(tunnel_answer(&client, answer), 401);
	client_close(&client);
}

static void a_session_that_only_this_copy_loses_ends_without_a_word(void **state)
{
	struct client client;
	uint8_t type;

	(void)state;
	tunnel_open(&client, &harness, 1);
	tunnel_table_send(&harness, &(struct tunnel_table){.gone = 1, .reason = VPN_END_DROPPED});
	assert_int_equal(hear(&client, &type), -1);
	client_close(&client);
}

static void a_logout_ends_the_session_and_a_pause_does_not(void **state)
{
	struct client client;
	ProtobufCMessage *message;
	uint8_t type;

	(void)state;
	tunnel_open(&client, &harness, 1);
	tunnel_say(&client, CSTP_DISCONNECT,
		   "\x91"
		   "Reconnecting",
		   13);
	assert_int_equal(hear(&client, &type), -1);
	client_close(&client);
	tunnel_open(&client, &harness, 2);
	tunnel_say(&client, CSTP_DISCONNECT,
		   "\xb0"
		   "User",
		   5);
	message = tunnel_hear_engine(&harness, IPC_VPN_SESSION_END);
	assert_non_null(message);
	assert_int_equal(((Asafo__Ipc__VpnSessionEnd *)message)->reason, VPN_END_LOGOUT);
	assert_int_not_equal(((Asafo__Ipc__VpnSessionEnd *)message)->cookie_hash.data[0], 0);
	protobuf_c_message_free_unpacked(message, NULL);
	client_close(&client);
}

static void a_malformed_frame_ends_that_connection_and_no_other(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} cases[] = {
		{"nonsense", 8},
		{"STF\x01\x00\x09\x00\x00"
		 "abc",
		 11},
		{"STF\x01\x00\x00\x08\x00", 8},
		{"S", 1},
	};
	struct client other, client;
	uint8_t type = 0;

	(void)state;
	tunnel_open(&other, &harness, 2);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		tunnel_open(&client, &harness, 1);
		assert_int_equal(gnutls_record_send(client.session, cases[i].bytes, cases[i].size),
				 (ssize_t)cases[i].size);
		assert_int_equal(hear(&client, &type), -1);
		client_close(&client);
	}
	tunnel_say(&other, CSTP_DPD_REQUEST, NULL, 0);
	assert_int_equal(hear(&other, &type), 0);
	client_close(&other);
}

static void the_engine_may_leave_and_return(void **state)
{
	struct client client;
	uint8_t type = 0;

	(void)state;
	tunnel_open(&client, &harness, 1);
	harness_engine_leave(&harness);
	harness_engine_return(&harness);
	tunnel_role(&harness, "active", 5);
	tunnel_say(&client, CSTP_DPD_REQUEST, NULL, 0);
	assert_int_equal(hear(&client, &type), 0);
	assert_int_equal(type, CSTP_DPD_RESPONSE);
	client_close(&client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_accepted_client_is_told_its_addresses_and_times),
		TEST(a_client_of_one_family_gets_that_one_only),
		TEST(a_phone_is_asked_less_often),
		TEST(a_session_that_cannot_exist_is_401_and_the_connection_ends),
		TEST(a_session_that_may_exist_is_503_after_a_while),
		TEST(a_session_that_turns_up_in_time_is_served),
		TEST(a_standby_answers_503_never_401),
		TEST(whoever_leaves_while_held_leaves_nothing_behind),
		TEST(packets_of_both_families_pass_both_ways),
		TEST(each_packet_goes_to_its_client_in_order),
		TEST(an_address_that_is_not_the_clients_is_dropped_and_counted),
		TEST(a_packet_that_is_too_large_is_answered_on_the_inside),
		cmocka_unit_test_setup_teardown(nothing_is_forwarded_while_the_unit_stands_by,
						start_attached, stop),
		TEST(a_unit_that_stands_by_lets_go_of_its_tunnels_without_a_word),
		TEST(a_client_that_does_not_read_holds_up_nobody),
		TEST(packets_behind_a_key_update_are_not_lost),
		TEST(dpd_is_answered_with_its_own_payload),
		cmocka_unit_test_setup_teardown(a_silent_client_is_given_up_and_its_session_is_kept,
						start_impatient, stop),
		TEST(a_second_connection_takes_the_place_of_the_first),
		TEST(a_tunnel_in_another_front_takes_its_place_too),
		TEST(an_old_word_about_the_owner_ends_no_new_tunnel),
		TEST(a_session_that_an_operator_ends_is_terminated),
		TEST(a_session_that_only_this_copy_loses_ends_without_a_word),
		TEST(a_logout_ends_the_session_and_a_pause_does_not),
		TEST(a_malformed_frame_ends_that_connection_and_no_other),
		TEST(the_engine_may_leave_and_return),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
