/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of replication, one transfer each at a time; a new one drops the one before. The
 * key-encryption key of the mate joins the ring when the stage opens, and becomes the current one
 * in the transaction that commits the stage.
 */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "base/monotime.h"
#include "certstore/keeper/keeper_verbs.h"

#define SENDER_IDLE_USEC (60u * 1000 * 1000)
#define BATCH_BYTES_DEFAULT (64u * 1024)
/* With STORE_VALUE_MAX and its key a batch of one item still fits a frame. */
#define BATCH_BYTES_MAX (IPC_BODY_MAX - 4096u)

static void sender_drop(struct keeper *keeper)
{
	struct keeper_replication *replication = &keeper->replication;

	replica_sender_free(TAKE_PTR(replication->sender));
	replication->sender_timeout = sd_event_source_disable_unref(replication->sender_timeout);
	/* What a snapshot kept from being done. */
	keeper_trim_later(keeper);
}

/* Entries of what is gone, or never came to be, are left behind; now and then that is too many. */
static void index_tidy(struct keeper *keeper)
{
	uint64_t trustpoints = store_trustpoints(keeper->store) + keeper->counts.unit_trustpoints;
	int r = 0;

	if (keyindex_count(keeper->index) > 4 * trustpoints * (1 + STORE_GENERATIONS_KEPT) + 1024)
		r = keeper_index_rebuild(keeper);
	if (r < 0)
		log_line(LOG_ERR, "the index of keys is not complete: %s", err_text(r));
}

static void stage_drop(struct keeper *keeper)
{
	if (keeper->replication.stage)
		index_tidy(keeper);
	replica_stage_free(TAKE_PTR(keeper->replication.stage));
	keeper->replication.has_stage_kek = false;
	/* What the stage kept from being done, or itself has left. */
	keeper_trim_later(keeper);
}

void keeper_replication_drop(struct keeper *keeper)
{
	sender_drop(keeper);
	stage_drop(keeper);
}

/* ---- the unit that sends ---- */

static int on_sender_idle(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	/* A snapshot that nobody reads keeps the store from reusing its pages. */
	sender_drop(userdata);
	return 0;
}

static void sender_touch(struct keeper *keeper)
{
	struct keeper_replication *replication = &keeper->replication;

	if (replication->sender_timeout) {
		(void)sd_event_source_set_time_relative(replication->sender_timeout,
							SENDER_IDLE_USEC);
		(void)sd_event_source_set_enabled(replication->sender_timeout, SD_EVENT_ONESHOT);
	} else {
		(void)sd_event_add_time_relative(keeper->event, &replication->sender_timeout,
						 CLOCK_MONOTONIC, SENDER_IDLE_USEC, 0,
						 on_sender_idle, keeper);
	}
}

/* No position, or a malformed one, is that of a mate whose manifest is needed. */
static struct store_position mate_position(const Asafo__Record__Position *message)
{
	struct store_position position = {.count = UINT64_MAX};

	if (!message)
		return position;
	position.term = message->term;
	position.seq = message->seq;
	position.lineage = message->lineage;
	if (message->digest.len == STORE_DIGEST_SIZE) {
		memcpy(position.digest, message->digest.data, STORE_DIGEST_SIZE);
		position.count = message->count;
	} else if (message->digest.len == 0 && message->count == 0) {
		position.count = 0;
	}
	return position;
}

void keeper_on_replica_open(struct keeper *keeper, const struct keeper_ticket *ticket,
			    struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__ReplicaOpen *request = (const Asafo__Ipc__ReplicaOpen *)body;
	Asafo__Ipc__ReplicaOpenReply message = ASAFO__IPC__REPLICA_OPEN_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	Asafo__Record__Position position;
	_cleanup_(buf_done) struct buf kek = {0};
	struct store_position mate = mate_position(request->mate), own;
	enum replica_mode mode = REPLICA_EQUAL;
	int r;

	(void)frame;
	sender_drop(keeper);
	r = keyring_kek_export(keeper->ring, &kek);
	if (r == 0)
		r = replica_sender_new(store_replica(keeper->store), &mate,
				       &keeper->replication.sender, &mode, &own);
	if (r < 0) {
		keeper_refuse(keeper, ticket, r, "the store cannot be sent: %s",
			      r == ERR_NOT_READY ? "this unit has no failover key" : err_text(r));
		return;
	}
	if (mode == REPLICA_EQUAL)
		sender_drop(keeper);
	else
		sender_touch(keeper);
	store_position_pack(&own, &position);
	message.status = &status;
	message.mode = (Asafo__Ipc__ReplicaOpenReply__Mode)mode;
	message.position = &position;
	message.kek = (ProtobufCBinaryData){kek.size, kek.data};
	keeper_reply(keeper, ticket, &message.base, false);
}

void keeper_on_replica_manifest(struct keeper *keeper, const struct keeper_ticket *ticket,
				struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__ReplicaManifest *request = (const Asafo__Ipc__ReplicaManifest *)body;
	struct replica_sender *sender = keeper->replication.sender;
	int r = ERR_NOT_READY;

	(void)frame;
	if (sender) {
		sender_touch(keeper);
		r = replica_sender_manifest(sender, request->manifest.data, request->manifest.len,
					    request->is_last);
	}
	if (r < 0)
		keeper_refuse(keeper, ticket, r, "the mate's manifest cannot be used: %s",
			      err_text(r));
	else
		keeper_reply_status(keeper, ticket, 0, NULL);
}

static size_t frame_bytes(uint32_t wanted)
{
	if (wanted == 0)
		return BATCH_BYTES_DEFAULT;
	return wanted < BATCH_BYTES_MAX ? wanted : BATCH_BYTES_MAX;
}

void keeper_on_replica_next(struct keeper *keeper, const struct keeper_ticket *ticket,
			    struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__ReplicaNext *request = (const Asafo__Ipc__ReplicaNext *)body;
	Asafo__Ipc__ReplicaBatchReply message = ASAFO__IPC__REPLICA_BATCH_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	_cleanup_(buf_done) struct buf batch = {0};
	struct replica_sender *sender = keeper->replication.sender;
	bool is_last = false;
	size_t n_items = 0;
	int r = sender ? 0 : ERR_NOT_READY;

	(void)frame;
	if (r == 0 && request->is_seek)
		r = replica_sender_seek(sender, request->from);
	if (r == 0)
		r = replica_sender_next(sender, frame_bytes(request->max_bytes), &batch, &is_last,
					&n_items);
	if (r < 0) {
		keeper_refuse(keeper, ticket, r, "there is nothing to send: %s", err_text(r));
		return;
	}
	message.status = &status;
	message.batch = (ProtobufCBinaryData){batch.size, batch.data};
	message.is_last = is_last;
	message.items = n_items;
	keeper_reply(keeper, ticket, &message.base, false);
	/* Kept after the last one, too: until the mate has committed it may want some again. */
	sender_touch(keeper);
}

void keeper_on_replica_close(struct keeper *keeper, const struct keeper_ticket *ticket,
			     struct ipc_frame *frame, const ProtobufCMessage *body)
{
	(void)frame;
	(void)body;
	sender_drop(keeper);
	keeper_reply_status(keeper, ticket, 0, NULL);
}

/* ---- the unit that receives ---- */

/* While it is unpacked anyway: to read all of a bulk again, behind its commit, would keep whoever
 * asks next waiting. */
static int index_arriving(const char *key, const Asafo__Record__TrustpointPublic *public_part,
			  void *userdata)
{
	struct keeper *keeper = userdata;

	return public_part->key_id.len == KEYINDEX_ID_SIZE
		       ? keyindex_add(keeper->index, public_part->key_id.data, false, key)
		       : 0;
}

void keeper_on_stage_open(struct keeper *keeper, const struct keeper_ticket *ticket,
			  struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__StageOpen *request = (const Asafo__Ipc__StageOpen *)body;
	struct keeper_replication *replication = &keeper->replication;
	struct why why = {0};
	int r;

	(void)frame;
	stage_drop(keeper);
	/* Before the stage has the store to itself. The mate was active in that term, whether its
	 * records arrive or not. */
	r = keeper_raise_terms(keeper, 0, request->term, &why);
	if (r == 0)
		r = keyring_kek_import(keeper->ring, request->kek.data, request->kek.len,
				       replication->stage_kek, &why);
	if (r == 0) {
		replication->has_stage_kek = true;
		r = replica_stage_new(store_replica(keeper->store), &replication->stage);
		if (r < 0)
			(void)why_set(&why, r, "nothing can be staged: %s", err_text(r));
		else
			replica_stage_watch(replication->stage, index_arriving, keeper);
	}
	keeper_reply_status(keeper, ticket, r, &why);
}

void keeper_on_manifest_next(struct keeper *keeper, const struct keeper_ticket *ticket,
			     struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__ManifestNext *request = (const Asafo__Ipc__ManifestNext *)body;
	Asafo__Ipc__ManifestReply message = ASAFO__IPC__MANIFEST_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	_cleanup_(buf_done) struct buf manifest = {0};
	char *after = keeper->replication.manifest_after;
	bool is_last = false;
	int r;

	(void)frame;
	if (request->restart)
		after[0] = 0;
	r = replica_manifest_next(store_replica(keeper->store), frame_bytes(request->max_bytes),
				  after, &manifest, &is_last);
	if (r < 0) {
		keeper_refuse(keeper, ticket, r, "the certificate store cannot be read: %s",
			      err_text(r));
		return;
	}
	if (is_last)
		after[0] = 0;
	message.status = &status;
	message.manifest = (ProtobufCBinaryData){manifest.size, manifest.data};
	message.is_last = is_last;
	keeper_reply(keeper, ticket, &message.base, false);
}

void keeper_on_stage_items(struct keeper *keeper, const struct keeper_ticket *ticket,
			   struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__StageItems *request = (const Asafo__Ipc__StageItems *)body;
	struct why why = {0};
	int r;

	(void)frame;
	if (!keeper->replication.stage)
		r = why_set(&why, ERR_NOT_READY, "no stage is open");
	else
		r = replica_stage_items(keeper->replication.stage, request->batch.data,
					request->batch.len, &why);
	/* A stage with a hole in it is worth nothing. */
	if (r < 0)
		stage_drop(keeper);
	keeper_reply_status(keeper, ticket, r, &why);
}

void keeper_on_stage_close(struct keeper *keeper, const struct keeper_ticket *ticket,
			   struct ipc_frame *frame, const ProtobufCMessage *body)
{
	(void)frame;
	(void)body;
	stage_drop(keeper);
	keeper_reply_status(keeper, ticket, 0, NULL);
}

static int commit(struct keeper *keeper, const Asafo__Ipc__StageCommit *request, struct why *why)
{
	struct keeper_replication *replication = &keeper->replication;
	struct store_position position = mate_position(request->position);
	int r;

	if (!replication->stage)
		return why_set(why, ERR_NOT_READY, "no stage is open");
	if (position.count == UINT64_MAX)
		return why_set(why, ERR_MALFORMED, "the mate's position is malformed");
	/* All but always it is there already. */
	if (request->adopt_term) {
		r = keeper_raise_terms(keeper, 0, position.term, why);
		if (r < 0)
			return r;
	}
	r = replica_stage_commit(replication->stage, &position,
				 replication->has_stage_kek ? replication->stage_kek : NULL, why);
	if (r == 0) {
		r = keyring_refresh(keeper->ring);
		if (r < 0)
			(void)why_set(why, r, "the mate's key-encryption key is not in the ring");
		else
			keeper_login_tell(keeper);
	}
	return r;
}

void keeper_on_stage_commit(struct keeper *keeper, const struct keeper_ticket *ticket,
			    struct ipc_frame *frame, const ProtobufCMessage *body)
{
	Asafo__Ipc__PositionReply message = ASAFO__IPC__POSITION_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	Asafo__Record__Position position;
	struct store_position now;
	struct why why = {0};
	int r = commit(keeper, (const Asafo__Ipc__StageCommit *)body, &why);

	(void)frame;
	if (r < 0) {
		stage_drop(keeper);
		keeper_reply_status(keeper, ticket, r, &why);
		return;
	}
	store_position(keeper->store, &now);
	store_position_pack(&now, &position);
	message.status = &status;
	message.position = &position;
	keeper_reply(keeper, ticket, &message.base, false);
	stage_drop(keeper);
	keeper_sweep_begin(keeper);
	keeper_changed(keeper);
}
