/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/engine/history.h"

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
