/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/engine/history.h"

#include <errno.h>
#include <string.h>

void history_add(struct history *history, const struct history_row *row)
{
	history->rows[history->next] = *row;
	history->next = (history->next + 1) % HISTORY_ROWS;
	if (history->n_rows < HISTORY_ROWS)
		history->n_rows++;
}

const struct history_row *history_get(const struct history *history, size_t index)
{
	if (index >= history->n_rows)
		return NULL;
	return &history->rows[(history->next + HISTORY_ROWS - history->n_rows + index) %
			      HISTORY_ROWS];
}

/* Borrowed: nobody writes to it. */
static char *text(const char *constant)
{
	return (char *)(uintptr_t)constant;
}

int history_pack(const struct history *history, uint32_t id, struct buf *bytes)
{
	Asafo__Wire__History message = ASAFO__WIRE__HISTORY__INIT;
	Asafo__Wire__HistoryRow rows[HISTORY_ROWS], *pointers[HISTORY_ROWS];
	uint8_t packed[HISTORY_ROWS * 192];
	size_t size;

	for (size_t i = 0; i < history->n_rows; i++) {
		const struct history_row *row = history_get(history, i);

		asafo__wire__history_row__init(&rows[i]);
		rows[i].realtime_ns = row->realtime_ns;
		rows[i].term = row->term;
		rows[i].from = text(fo_state_text(row->from));
		rows[i].to = text(fo_state_text(row->to));
		rows[i].reason = text(fo_reason_text(row->reason));
		pointers[i] = &rows[i];
	}
	message.id = id;
	message.rows = pointers;
	message.n_rows = history->n_rows;
	size = asafo__wire__history__get_packed_size(&message);
	if (size > sizeof(packed))
		return -ENOMEM;
	return buf_append(bytes, packed, asafo__wire__history__pack(&message, packed));
}

static enum fo_state find_state(const char *name)
{
	enum fo_state state = 0;

	while (state < FO_STATE__MAX && strcmp(name, fo_state_text(state)) != 0)
		state++;
	return state;
}

static enum fo_reason find_reason(const char *name)
{
	enum fo_reason reason = 0;

	while (reason < FO_REASON__MAX && strcmp(name, fo_reason_text(reason)) != 0)
		reason++;
	return reason;
}

void history_unpack(const Asafo__Wire__History *message, struct history *ret_history)
{
	size_t first = message->n_rows > HISTORY_ROWS ? message->n_rows - HISTORY_ROWS : 0;

	*ret_history = (struct history){0};
	for (size_t i = first; i < message->n_rows; i++) {
		const Asafo__Wire__HistoryRow *row = message->rows[i];

		history_add(ret_history, &(struct history_row){.realtime_ns = row->realtime_ns,
							       .term = row->term,
							       .from = find_state(row->from),
							       .to = find_state(row->to),
							       .reason = find_reason(row->reason)});
	}
}
