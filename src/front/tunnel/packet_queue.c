/* SPDX-License-Identifier: Apache-2.0 */
/* A list: it is empty nearly always, and then costs nothing. */
#include "front/tunnel/packet_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct packet_node {
	struct packet_node *next;
	size_t size;
	uint8_t data[];
};

void packet_queue_done(struct packet_queue *queue)
{
	while (queue->first)
		packet_queue_pop(queue);
}

int packet_queue_push(struct packet_queue *queue, const uint8_t *data, size_t size,
		      size_t *ret_dropped)
{
	struct packet_node *node = size <= queue->limit ? malloc(sizeof(*node) + size) : NULL;
	size_t dropped = 0;

	if (!node) {
		*ret_dropped = 1;
		return size <= queue->limit ? -ENOMEM : 0;
	}
	while (queue->bytes + size > queue->limit) {
		packet_queue_pop(queue);
		dropped++;
	}
	node->next = NULL;
	node->size = size;
	memcpy(node->data, data, size);
	if (queue->last)
		queue->last->next = node;
	else
		queue->first = node;
	queue->last = node;
	queue->bytes += size;
	*ret_dropped = dropped;
	return 0;
}

const uint8_t *packet_queue_first(const struct packet_queue *queue, size_t *ret_size)
{
	if (!queue->first)
		return NULL;
	*ret_size = queue->first->size;
	return queue->first->data;
}

void packet_queue_pop(struct packet_queue *queue)
{
	struct packet_node *node = queue->first;

	queue->first = node->next;
	if (!queue->first)
		queue->last = NULL;
	queue->bytes -= node->size;
	free(node);
}
