/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures for the fronts; the failover key and pairing for the engine. */
#include <string.h>

#include "certstore/keeper/keeper_verbs.h"
#include "certstore/keys/pair.h"

void keeper_on_sign(struct keeper *keeper, const struct keeper_ticket *ticket,
		    struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__Sign *request = (const Asafo__Ipc__Sign *)body;
	Asafo__Ipc__SignReply message = ASAFO__IPC__SIGN_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	_cleanup_(buf_done) struct buf signature = {0};
	int r = ERR_MALFORMED;

	(void)frame;
	if (request->key_id.len == KEYINDEX_ID_SIZE)
		r = signer_sign(keeper->signer, request->key_id.data, request->algorithm,
				request->is_digest, request->data.data, request->data.len,
				&signature);
	if (r < 0) {
		keeper_reply_status(keeper, ticket, r, NULL);
		return;
	}
	message.status = &status;
	message.signature = (ProtobufCBinaryData){signature.size, signature.data};
	keeper_reply(keeper, ticket, &message.base, false);
}

void keeper_on_failover_key_set(struct keeper *keeper, const struct keeper_ticket *ticket,
				struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__FailoverKeySet *request = (const Asafo__Ipc__FailoverKeySet *)body;
	struct why why = {0};
	int r = keyring_failover_key_set(keeper->ring, request->secret.data, request->secret.len,
					 request->is_from_file, &why);

	(void)frame;
	keeper_reply_status(keeper, ticket, r, &why);
}

void keeper_on_failover_key_make(struct keeper *keeper, const struct keeper_ticket *ticket,
				 struct ipc_frame *frame, const ProtobufCMessage *body)
{
	struct why why = {0};
	int r = keyring_failover_key_make(keeper->ring, &why);

	(void)frame;
	(void)body;
	keeper_reply_status(keeper, ticket, r, &why);
}

static ProtobufCBinaryData bytes_of(const uint8_t *data, size_t size)
{
	return (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)data};
}

void keeper_on_link_keys(struct keeper *keeper, const struct keeper_ticket *ticket,
			 struct ipc_frame *frame, const ProtobufCMessage *body)
{
	Asafo__Ipc__LinkKeysReply message = ASAFO__IPC__LINK_KEYS_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	struct keyring_link_keys keys, other;
	struct keyring_rekey rekey;
	int r = keyring_link_keys(keeper->ring, &keys);

	(void)frame;
	(void)body;
	if (r < 0) {
		keeper_refuse(keeper, ticket, r,
			      r == ERR_NOT_READY ? "this unit has no failover key: use `failover "
						   "key` or `asafo pair`"
						 : "the link's keys cannot be derived");
		return;
	}
	keyring_rekey_status(keeper->ring, &rekey);
	message.status = &status;
	message.hello_key = bytes_of(keys.hello_key, sizeof(keys.hello_key));
	message.link_psk = bytes_of(keys.link_psk, sizeof(keys.link_psk));
	message.id = bytes_of(rekey.current, sizeof(rekey.current));
	message.changed_at = keyring_times(keeper->ring)->failover_at;
	if (rekey.phase != KEYRING_REKEY_SETTLED &&
	    keyring_other_link_keys(keeper->ring, &other) == 0) {
		message.phase = (uint32_t)rekey.phase;
		message.is_leading = rekey.is_leading;
		message.other_id = bytes_of(rekey.other, sizeof(rekey.other));
		message.other_hello_key = bytes_of(other.hello_key, sizeof(other.hello_key));
		message.other_link_psk = bytes_of(other.link_psk, sizeof(other.link_psk));
	}
	keeper_reply(keeper, ticket, &message.base, false);
	explicit_bzero(&keys, sizeof(keys));
	explicit_bzero(&other, sizeof(other));
}

static int rekey_step(struct keeper *keeper, const Asafo__Ipc__Rekey *request, struct buf *sealed,
		      struct why *why)
{
	switch ((int)request->step) {
	case ASAFO__IPC__REKEY__STEP__PREPARE:
		return keyring_rekey_prepare(keeper->ring, why);
	case ASAFO__IPC__REKEY__STEP__OFFER:
		return keyring_rekey_offer(keeper->ring, sealed, why);
	case ASAFO__IPC__REKEY__STEP__ACCEPT:
		return keyring_rekey_accept(keeper->ring, request->sealed.data, request->sealed.len,
					    why);
	case ASAFO__IPC__REKEY__STEP__SWITCH:
		return keyring_rekey_switch(keeper->ring, why);
	case ASAFO__IPC__REKEY__STEP__SETTLE:
		return keyring_rekey_settle(keeper->ring, why);
	case ASAFO__IPC__REKEY__STEP__CANCEL:
		return keyring_rekey_cancel(keeper->ring, why);
	default:
		return why_set(why, ERR_MALFORMED, "there is no such step of a rekey");
	}
}

void keeper_on_rekey(struct keeper *keeper, const struct keeper_ticket *ticket,
		     struct ipc_frame *frame, const ProtobufCMessage *body)
{
	Asafo__Ipc__RekeyReply message = ASAFO__IPC__REKEY_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	_cleanup_(buf_done) struct buf sealed = {0};
	struct why why = {0};
	int r = rekey_step(keeper, (const Asafo__Ipc__Rekey *)body, &sealed, &why);

	(void)frame;
	if (r < 0) {
		keeper_reply_status(keeper, ticket, r, &why);
		return;
	}
	message.status = &status;
	message.sealed = (ProtobufCBinaryData){sealed.size, sealed.data};
	keeper_reply(keeper, ticket, &message.base, false);
}

static int make_offer(struct keeper *keeper, char code[static PAIR_CODE_SIZE],
		      struct pair_keys *keys, struct buf *sealed, struct why *why)
{
	int r = keyring_has_failover_key(keeper->ring)
			? 0
			: keyring_failover_key_make(keeper->ring, why);

	if (r == 0)
		r = pair_code_make(code);
	if (r == 0)
		r = pair_keys_derive(code, keys, why);
	return r < 0 ? r : keyring_pair_seal(keeper->ring, code, sealed, why);
}

void keeper_on_pair_offer(struct keeper *keeper, const struct keeper_ticket *ticket,
			  struct ipc_frame *frame, const ProtobufCMessage *body)
{
	Asafo__Ipc__PairOfferReply message = ASAFO__IPC__PAIR_OFFER_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	_cleanup_(buf_done) struct buf sealed = {0};
	char code[PAIR_CODE_SIZE];
	struct pair_keys keys;
	struct why why = {0};
	int r = make_offer(keeper, code, &keys, &sealed, &why);

	(void)frame;
	(void)body;
	if (r < 0) {
		keeper_reply_status(keeper, ticket, r, &why);
	} else {
		message.status = &status;
		message.code = code;
		message.link_psk = (ProtobufCBinaryData){sizeof(keys.link_psk), keys.link_psk};
		message.offer_id = (ProtobufCBinaryData){sizeof(keys.offer_id), keys.offer_id};
		message.sealed = (ProtobufCBinaryData){sealed.size, sealed.data};
		keeper_reply(keeper, ticket, &message.base, false);
	}
	explicit_bzero(code, sizeof(code));
	explicit_bzero(&keys, sizeof(keys));
}

void keeper_on_pair_join(struct keeper *keeper, const struct keeper_ticket *ticket,
			 struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__PairJoin *request = (const Asafo__Ipc__PairJoin *)body;
	Asafo__Ipc__PairJoinReply message = ASAFO__IPC__PAIR_JOIN_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	struct pair_keys keys;
	struct why why = {0};
	int r = pair_keys_derive(request->code, &keys, &why);

	(void)frame;
	if (r < 0) {
		keeper_reply_status(keeper, ticket, r, &why);
		return;
	}
	message.status = &status;
	message.link_psk = (ProtobufCBinaryData){sizeof(keys.link_psk), keys.link_psk};
	message.offer_id = (ProtobufCBinaryData){sizeof(keys.offer_id), keys.offer_id};
	keeper_reply(keeper, ticket, &message.base, false);
	explicit_bzero(&keys, sizeof(keys));
}

void keeper_on_pair_accept(struct keeper *keeper, const struct keeper_ticket *ticket,
			   struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__PairAccept *request = (const Asafo__Ipc__PairAccept *)body;
	struct why why = {0};
	int r = keyring_pair_accept(keeper->ring, request->code, request->sealed.data,
				    request->sealed.len, &why);

	(void)frame;
	keeper_reply_status(keeper, ticket, r, &why);
}
