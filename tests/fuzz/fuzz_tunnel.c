/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a logged-in client and the inside network can send: a record as CSTP, its payload as an IP
 * packet, and the same bytes as a packet from the TUN device that is too large for its client. What
 * is handed out must lie within what came; what is answered must be a packet itself.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "front/tunnel/cstp_frame.h"
#include "front/tunnel/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int is_true)
{
	if (!is_true)
		abort();
}

static void packet_check(const uint8_t *data, size_t size)
{
	uint8_t answer[PACKET_TOO_BIG_MAX];
	struct packet packet, reply;
	size_t n;

	if (packet_parse(data, size, &packet) < 0)
		return;
	check(packet.address_size == 4 || packet.address_size == 16);
	check(packet.source_view >= data && packet.destination_view >= data);
	check(packet.destination_view + packet.address_size <= data + size);
	n = packet_too_big(data, size, 1280, answer);
	if (n == 0)
		return;
	check(n <= sizeof(answer) && packet_parse(answer, n, &reply) == 0);
	check(reply.address_size == packet.address_size);
	check(memcmp(reply.destination_view, packet.source_view, packet.address_size) == 0);
	/* No error about an error: the two ends would never be done. */
	check(packet_too_big(answer, n, 1280, answer) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cstp_frame frame;
	struct why why = {""};
	int r = cstp_frame_decode(data, size, &frame, &why);

	check((r < 0) == (why.text[0] != '\0'));
	if (r == 0) {
		uint8_t header[CSTP_HEADER_SIZE];

		check(frame.payload_view + frame.payload_size == data + size);
		if (frame.payload_size <= CSTP_PAYLOAD_MAX) {
			cstp_header_encode((enum cstp_type)frame.type, frame.payload_size, header);
			check(memcmp(header, data, sizeof(header)) == 0);
		}
		packet_check(frame.payload_view, frame.payload_size);
	}
	packet_check(data, size);
	return 0;
}
