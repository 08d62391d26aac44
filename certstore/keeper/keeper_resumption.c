/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of session tickets: made or taken for the engine, and handed to the fronts, which cannot
 * work without them. */
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "certstore/keeper/keeper_verbs.h"

static uint64_t number_of(const uint8_t id[static RESUMPTION_ID_SIZE])
{
	uint64_t number;

	memcpy(&number, id, sizeof(number));
	return number;
}

void keeper_resumption_tell(struct keeper *keeper, const struct keeper_peer *peer)
{
	Asafo__Ipc__ResumptionKey keys[RESUMPTION_KEYS_MAX];
	Asafo__Ipc__ResumptionKey *pointers[RESUMPTION_KEYS_MAX];
	Asafo__Ipc__ResumptionKeys message = ASAFO__IPC__RESUMPTION_KEYS__INIT;
	int64_t now = (int64_t)time(NULL);

	for (size_t i = 0; i < keeper->resumption.n; i++) {
		const struct resumption_key *from = &keeper->resumption.keys[i];

		asafo__ipc__resumption_key__init(&keys[i]);
		keys[i].key = (ProtobufCBinaryData){from->key.size, from->key.data};
		keys[i].left_s = i > 0 ? (uint32_t)resumption_left_s(from, now) : 0;
		pointers[i] = &keys[i];
	}
	message.keys = pointers;
	message.n_keys = keeper->resumption.n;
	for (const struct keeper_peer *to = keeper->peers; to; to = to->next) {
		if (to->kind == IPC_PEER_FRONT && (!peer || to == peer))
			(void)ipc_channel_send(to->channel, IPC_RESUMPTION_KEYS, &message.base,
					       NULL, 0);
	}
}

static int do_step(struct keeper *keeper, const Asafo__Ipc__Resumption *request,
		   bool *ret_is_changed, struct why *why)
{
	struct resumption *resumption = &keeper->resumption;
	int64_t now = (int64_t)time(NULL);
	bool is_forgetting = request->step == ASAFO__IPC__RESUMPTION__STEP__FORGET;

	*ret_is_changed = true;
	switch ((int)request->step) {
	case ASAFO__IPC__RESUMPTION__STEP__TELL:
		*ret_is_changed = resumption_prune(resumption, keeper->ring, keeper->store, now);
		return 0;
	case ASAFO__IPC__RESUMPTION__STEP__ROTATE:
	case ASAFO__IPC__RESUMPTION__STEP__FORGET:
		return resumption_rotate(resumption, keeper->ring, keeper->store, is_forgetting,
					 now, why);
	case ASAFO__IPC__RESUMPTION__STEP__TAKE:
		return resumption_take(resumption, keeper->ring, keeper->store,
				       request->sealed.data, request->sealed.len, why);
	default:
		return why_set(why, ERR_MALFORMED, "there is no such step of the tickets' key");
	}
}

void keeper_on_resumption(struct keeper *keeper, const struct keeper_ticket *ticket,
			  struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const struct resumption *resumption = &keeper->resumption;
	Asafo__Ipc__ResumptionReply message = ASAFO__IPC__RESUMPTION_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	_cleanup_(buf_done) struct buf sealed = {0};
	struct why why = {0};
	bool is_changed = false;
	int r = do_step(keeper, (const Asafo__Ipc__Resumption *)body, &is_changed, &why);

	(void)frame;
	if (r == 0 && is_changed)
		keeper_resumption_tell(keeper, NULL);
	if (r == 0 && resumption->n > 0)
		r = resumption_seal(resumption, keeper->ring, &sealed);
	if (r < 0) {
		keeper_reply_status(keeper, ticket, r, &why);
		return;
	}
	message.status = &status;
	if (resumption->n > 0) {
		message.id = number_of(resumption->keys[0].id);
		message.made_at = resumption->keys[0].made_at;
	}
	if (resumption->n > 1)
		message.previous_left_s =
			resumption_left_s(&resumption->keys[1], (int64_t)time(NULL));
	message.sealed = (ProtobufCBinaryData){sealed.size, sealed.data};
	keeper_reply(keeper, ticket, &message.base, false);
}
