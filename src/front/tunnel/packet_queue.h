/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Packets that wait for a client whose connection takes no more at the moment. Bounded: who is too
 * slow loses its oldest packets, as in a router, and nobody else's wait. Zeroed is empty and valid.
 */
struct packet_node;

struct packet_queue {
	struct packet_node *first, *last;
	size_t bytes; /* of all packets in it */
	size_t limit; /* of BYTES */
};

void packet_queue_done(struct packet_queue *queue);
/*
 * Appends a copy, and drops as many of the oldest as it takes. RET_DROPPED: how many packets are
 * lost by this, itself where it is alone longer than the limit. Errors: -ENOMEM (it is lost, and
 * counted).
 */
int packet_queue_push(struct packet_queue *queue, const uint8_t *data, size_t size,
		      size_t *ret_dropped);
/* The oldest, borrowed until it is popped; NULL: none. */
const uint8_t *packet_queue_first(const struct packet_queue *queue, size_t *ret_size);
void packet_queue_pop(struct packet_queue *queue);
