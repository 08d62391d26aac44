/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/tunnel/packet.h"
#include "front/tunnel/packet_queue.h"

#define SMALL 100

static void v4_make(uint8_t *packet, size_t size, uint8_t protocol, bool has_df)
{
	static const uint8_t addresses[8] = {10, 9, 0, 5, 10, 1, 1, 1};

	memset(packet, 0, size);
	packet[0] = 0x45;
	packet[2] = (uint8_t)(size >> 8);
	packet[3] = (uint8_t)size;
	packet[6] = has_df ? 0x40 : 0;
	packet[8] = 64;
	packet[9] = protocol;
	memcpy(packet + 12, addresses, sizeof(addresses));
}

static void v6_make(uint8_t *packet, size_t size, uint8_t protocol)
{
	memset(packet, 0, size);
	packet[0] = 0x60;
	packet[4] = (uint8_t)((size - PACKET_V6_HEADER) >> 8);
	packet[5] = (uint8_t)(size - PACKET_V6_HEADER);
	packet[6] = protocol;
	packet[7] = 64;
	packet[8] = packet[24] = 0xfd;
	packet[23] = 5;
	packet[39] = 1;
}

/* Bytes that carry their right checksum sum up to all ones (RFC 1071). */
static unsigned folded(uint32_t sum, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 == 0 ? (unsigned)data[i] << 8 : data[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void addresses_are_found_in_both_families(void **state)
{
	uint8_t bytes[SMALL];
	struct packet packet;

	(void)state;
	v4_make(bytes, sizeof(bytes), 17, true);
	assert_int_equal(packet_parse(bytes, sizeof(bytes), &packet), 0);
	assert_int_equal(packet.address_size, 4);
	assert_ptr_equal(packet.source_view, bytes + 12);
	assert_ptr_equal(packet.destination_view, bytes + 16);
	assert_false(packet.may_fragment);
	v4_make(bytes, sizeof(bytes), 17, false);
	assert_int_equal(packet_parse(bytes, sizeof(bytes), &packet), 0);
	assert_true(packet.may_fragment);
	v6_make(bytes, sizeof(bytes), 17);
	assert_int_equal(packet_parse(bytes, sizeof(bytes), &packet), 0);
	assert_int_equal(packet.address_size, 16);
	assert_ptr_equal(packet.source_view, bytes + 8);
	assert_ptr_equal(packet.destination_view, bytes + 24);
}

static void a_packet_whose_lengths_disagree_is_refused(void **state)
{
	uint8_t bytes[SMALL];
	struct packet packet;

	(void)state;
	v4_make(bytes, sizeof(bytes), 17, true);
	for (size_t size = 0; size < sizeof(bytes); size++)
		assert_int_equal(packet_parse(bytes, size, &packet), ERR_MALFORMED);
	bytes[0] = 0x44;
	assert_int_equal(packet_parse(bytes, sizeof(bytes), &packet), ERR_MALFORMED);
	v4_make(bytes, 24, 17, true);
	bytes[0] = 0x4f; /* a header of 60 bytes in a packet of 24 */
	assert_int_equal(packet_parse(bytes, 24, &packet), ERR_MALFORMED);
	v6_make(bytes, sizeof(bytes), 17);
	for (size_t size = 0; size < sizeof(bytes); size++)
		assert_int_equal(packet_parse(bytes, size, &packet), ERR_MALFORMED);
	bytes[0] = 0x50;
	assert_int_equal(packet_parse(bytes, sizeof(bytes), &packet), ERR_MALFORMED);
}

static void too_large_a_v4_packet_is_answered_with_the_mtu(void **state)
{
	static uint8_t bytes[1500];
	uint8_t answer[PACKET_TOO_BIG_MAX];
	struct packet packet;
	size_t n;

	(void)state;
	v4_make(bytes, sizeof(bytes), 17, true);
	n = packet_too_big(bytes, sizeof(bytes), 1406, answer);
	assert_int_equal(n, 576);
	assert_int_equal(packet_parse(answer, n, &packet), 0);
	assert_memory_equal(packet.source_view, bytes + 16, 4);
	assert_memory_equal(packet.destination_view, bytes + 12, 4);
	assert_int_equal(answer[20], 3);
	assert_int_equal(answer[21], 4);
	assert_int_equal(answer[26] << 8 | answer[27], 1406);
	assert_int_equal(folded(0, answer, 20), 0xffff);
	assert_int_equal(folded(0, answer + 20, n - 20), 0xffff);
	assert_memory_equal(answer + 28, bytes, n - 28);
}

static void too_large_a_v6_packet_is_answered_with_the_mtu(void **state)
{
	static uint8_t bytes[1500];
	uint8_t answer[PACKET_TOO_BIG_MAX];
	struct packet packet;
	size_t n;

	(void)state;
	v6_make(bytes, sizeof(bytes), 6);
	n = packet_too_big(bytes, sizeof(bytes), 1390, answer);
	assert_int_equal(n, 1280);
	assert_int_equal(packet_parse(answer, n, &packet), 0);
	assert_memory_equal(packet.source_view, bytes + 24, 16);
	assert_memory_equal(packet.destination_view, bytes + 8, 16);
	assert_int_equal(answer[40], 2);
	assert_int_equal(answer[46] << 8 | answer[47], 1390);
	assert_int_equal(folded((uint32_t)(n - 40) + 58, answer + 8, n - 8), 0xffff);
}

static void an_error_about_an_error_or_a_group_is_not_sent(void **state)
{
	static uint8_t bytes[1500];
	uint8_t answer[PACKET_TOO_BIG_MAX];

	(void)state;
	v4_make(bytes, sizeof(bytes), 1, true);
	bytes[20] = 3; /* unreachable */
	assert_int_equal(packet_too_big(bytes, sizeof(bytes), 1406, answer), 0);
	bytes[20] = 8; /* an echo request is answered */
	assert_true(packet_too_big(bytes, sizeof(bytes), 1406, answer) > 0);
	bytes[7] = 1; /* a later fragment */
	assert_int_equal(packet_too_big(bytes, sizeof(bytes), 1406, answer), 0);
	v4_make(bytes, sizeof(bytes), 17, true);
	bytes[16] = 224;
	assert_int_equal(packet_too_big(bytes, sizeof(bytes), 1406, answer), 0);
	v6_make(bytes, sizeof(bytes), 58);
	bytes[40] = 1;
	assert_int_equal(packet_too_big(bytes, sizeof(bytes), 1406, answer), 0);
	bytes[40] = 128;
	assert_true(packet_too_big(bytes, sizeof(bytes), 1406, answer) > 0);
	bytes[24] = 0xff;
	assert_int_equal(packet_too_big(bytes, sizeof(bytes), 1406, answer), 0);
}

static void a_full_queue_loses_its_oldest_packets(void **state)
{
	struct packet_queue queue = {.limit = 250};
	const uint8_t packet[100] = {1}, second[100] = {2}, third[100] = {3};
	size_t dropped = 9, size = 0;

	(void)state;
	assert_int_equal(packet_queue_push(&queue, packet, 100, &dropped), 0);
	assert_int_equal(packet_queue_push(&queue, second, 100, &dropped), 0);
	assert_int_equal(dropped, 0);
	assert_int_equal(packet_queue_push(&queue, third, 100, &dropped), 0);
	assert_int_equal(dropped, 1);
	assert_int_equal(packet_queue_first(&queue, &size)[0], 2);
	packet_queue_pop(&queue);
	assert_int_equal(packet_queue_first(&queue, &size)[0], 3);
	assert_int_equal(size, 100);
	packet_queue_pop(&queue);
	assert_null(packet_queue_first(&queue, &size));
	assert_int_equal(queue.bytes, 0);
	packet_queue_done(&queue);
}

static void a_packet_larger_than_the_queue_drops_nothing_but_itself(void **state)
{
	struct packet_queue queue = {.limit = 150};
	const uint8_t packet[200] = {1};
	size_t dropped = 0, size = 0;

	(void)state;
	assert_int_equal(packet_queue_push(&queue, packet, 100, &dropped), 0);
	assert_int_equal(packet_queue_push(&queue, packet, 200, &dropped), 0);
	assert_int_equal(dropped, 1);
	assert_non_null(packet_queue_first(&queue, &size));
	assert_int_equal(size, 100);
	packet_queue_done(&queue);
	assert_null(packet_queue_first(&queue, &size));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_found_in_both_families),
		cmocka_unit_test(a_packet_whose_lengths_disagree_is_refused),
		cmocka_unit_test(too_large_a_v4_packet_is_answered_with_the_mtu),
		cmocka_unit_test(too_large_a_v6_packet_is_answered_with_the_mtu),
		cmocka_unit_test(an_error_about_an_error_or_a_group_is_not_sent),
		cmocka_unit_test(a_full_queue_loses_its_oldest_packets),
		cmocka_unit_test(a_packet_larger_than_the_queue_drops_nothing_but_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
