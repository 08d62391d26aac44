/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's history of its transitions, kept over its restarts: a value of this unit's own that
 * the keeper does not look into. */
#include "certstore/keeper/keeper_verbs.h"

#define HISTORY_KEY "history"
#define HISTORY_MAX (32u * 1024)

void keeper_on_history_keep(struct keeper *keeper, const struct keeper_ticket *ticket,
			    struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__HistoryKeep *request = (const Asafo__Ipc__HistoryKeep *)body;
	struct store_change change = {HISTORY_KEY, request->history.data, request->history.len};
	struct why why = {0};
	int r;

	(void)frame;
	if (request->history.len == 0 || request->history.len > HISTORY_MAX) {
		keeper_refuse(keeper, ticket, ERR_TOO_LARGE, "the history has no such size");
		return;
	}
	r = store_unit_change(keeper->store, &change, 1, &why);
	keeper_reply_status(keeper, ticket, r, &why);
}

void keeper_on_history_get(struct keeper *keeper, const struct keeper_ticket *ticket,
			   struct ipc_frame *frame, const ProtobufCMessage *body)
{
	Asafo__Ipc__HistoryReply message = ASAFO__IPC__HISTORY_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	_cleanup_(buf_done) struct buf history = {0};
	int r = store_unit_get(keeper->store, HISTORY_KEY, &history);

	(void)frame;
	(void)body;
	if (r < 0 && r != ERR_NOT_FOUND) {
		keeper_refuse(keeper, ticket, r, "the history cannot be read: %s", err_text(r));
		return;
	}
	message.status = &status;
	message.history = (ProtobufCBinaryData){history.size, history.data};
	keeper_reply(keeper, ticket, &message.base, false);
}
