/* SPDX-License-Identifier: Apache-2.0 */
/* A list through the records themselves, in which whatever is urgent stands before the rest. */
#include "failover/vpn/session_queue.h"

#include "failover/vpn/sessiondb.h"

/* BEFORE: NULL puts it at the head. */
static void insert_behind(struct session_queue *queue, struct session_record *before,
			  struct session_record *record)
{
	struct session_record *behind = before ? before->dirty_behind : queue->first;

	record->dirty_before = before;
	record->dirty_behind = behind;
	if (before)
		before->dirty_behind = record;
	else
		queue->first = record;
	if (behind)
		behind->dirty_before = record;
	else
		queue->last = record;
}

void session_queue_add(struct session_queue *queue, struct session_record *record, bool is_urgent)
{
	if (record->is_dirty && (record->is_urgent || !is_urgent))
		return;
	session_queue_remove(queue, record);
	record->is_dirty = true;
	record->is_urgent = is_urgent;
	insert_behind(queue, is_urgent ? queue->last_urgent : queue->last, record);
	if (is_urgent)
		queue->last_urgent = record;
}

void session_queue_remove(struct session_queue *queue, struct session_record *record)
{
	if (!record->is_dirty)
		return;
	if (queue->last_urgent == record)
		queue->last_urgent = record->dirty_before;
	if (record->dirty_before)
		record->dirty_before->dirty_behind = record->dirty_behind;
	else
		queue->first = record->dirty_behind;
	if (record->dirty_behind)
		record->dirty_behind->dirty_before = record->dirty_before;
	else
		queue->last = record->dirty_before;
	record->dirty_before = record->dirty_behind = NULL;
	record->is_dirty = record->is_urgent = false;
}
