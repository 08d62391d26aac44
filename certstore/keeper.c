/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers, the table of verbs, answers. The store is opened at once; the keys when the first peer
 * comes, since the supervisor hands over credentials before peers.
 */
#include "certstore/keeper.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "certstore/keeper_private.h"

#define SIGNER_CACHED_MAX 1024

static const struct {
	keeper_handler_fn handler;
	bool works_without_store;
	bool is_engines, is_fronts;
} verbs[IPC_TYPE__MAX] = {
	[IPC_KEEPER_STATUS] = {keeper_on_status, .is_engines = true},
	[IPC_TERM_PERSIST] = {keeper_on_term_persist, .is_engines = true},
	[IPC_IMPORT] = {keeper_on_import, .is_engines = true},
	[IPC_EXPORT] = {keeper_on_export, .is_engines = true},
	[IPC_REMOVE] = {keeper_on_remove, .is_engines = true},
	[IPC_LIST] = {keeper_on_list, .is_engines = true},
	[IPC_FALLBACK_MAKE] = {keeper_on_fallback_make, .is_engines = true},
	[IPC_FAILOVER_KEY_SET] = {keeper_on_failover_key_set, .is_engines = true},
	[IPC_FAILOVER_KEY_MAKE] = {keeper_on_failover_key_make, .is_engines = true},
	[IPC_LINK_KEYS] = {keeper_on_link_keys, .is_engines = true},
	[IPC_REKEY] = {keeper_on_rekey, .is_engines = true},
	[IPC_SECURITY] = {keeper_on_security, .is_engines = true},
	[IPC_MASTER_KEY] = {keeper_on_master_key, .is_engines = true},
	[IPC_RESUMPTION] = {keeper_on_resumption, .is_engines = true},
	[IPC_PAIR_OFFER] = {keeper_on_pair_offer, .is_engines = true},
	[IPC_PAIR_JOIN] = {keeper_on_pair_join, .is_engines = true},
	[IPC_PAIR_ACCEPT] = {keeper_on_pair_accept, .is_engines = true},
	[IPC_FILE_WRITE] = {keeper_on_file_write, .works_without_store = true, .is_engines = true},
	[IPC_REPLICA_OPEN] = {keeper_on_replica_open, .is_engines = true},
	[IPC_REPLICA_MANIFEST] = {keeper_on_replica_manifest, .is_engines = true},
	[IPC_REPLICA_NEXT] = {keeper_on_replica_next, .is_engines = true},
	[IPC_REPLICA_CLOSE] = {keeper_on_replica_close, .is_engines = true},
	[IPC_STAGE_OPEN] = {keeper_on_stage_open, .is_engines = true},
	[IPC_MANIFEST_NEXT] = {keeper_on_manifest_next, .is_engines = true},
	[IPC_STAGE_ITEMS] = {keeper_on_stage_items, .is_engines = true},
	[IPC_STAGE_COMMIT] = {keeper_on_stage_commit, .is_engines = true},
	[IPC_STAGE_CLOSE] = {keeper_on_stage_close, .is_engines = true},
	[IPC_ORPHAN_KEEP] = {keeper_on_orphan_keep, .is_engines = true},
	[IPC_ORPHAN_RESTORE] = {keeper_on_orphan_restore, .is_engines = true},
	[IPC_ORPHAN_DROP] = {keeper_on_orphan_drop, .is_engines = true},
	[IPC_STORE_ACCEPT] = {keeper_on_store_accept, .is_engines = true},
	[IPC_LOCALCA_CREATE] = {keeper_on_localca_create, .is_engines = true},
	[IPC_LOCALCA_ISSUE] = {keeper_on_localca_issue, .is_engines = true},
	[IPC_LOCALCA_LIST] = {keeper_on_localca_list, .is_engines = true},
	[IPC_LOCALCA_MARKS] = {keeper_on_localca_marks, .is_engines = true},
	[IPC_GENERATIONS] = {keeper_on_generations, .is_engines = true},
	[IPC_ROLLBACK] = {keeper_on_rollback, .is_engines = true},
	[IPC_HISTORY_KEEP] = {keeper_on_history_keep, .is_engines = true},
	[IPC_HISTORY_GET] = {keeper_on_history_get, .is_engines = true},
	[IPC_PROVE] = {keeper_on_prove, .is_engines = true},
	[IPC_BACKUP] = {keeper_on_backup, .is_engines = true},
	[IPC_RESTORE] = {keeper_on_restore, .is_engines = true},
	[IPC_RESTORE_COMMIT] = {keeper_on_restore_commit, .is_engines = true},
	/* Public, and what a check of a binding needs. */
	[IPC_CERTIFICATE] = {keeper_on_certificate, .is_engines = true, .is_fronts = true},
	[IPC_SIGN] = {keeper_on_sign, .is_fronts = true},
};

/* Decided before a body is decoded (channel.h). */
static const bool engine_permitted[IPC_TYPE__MAX] = {
	[IPC_KEEPER_STATUS] = true,
	[IPC_TERM_PERSIST] = true,
	[IPC_IMPORT] = true,
	[IPC_EXPORT] = true,
	[IPC_REMOVE] = true,
	[IPC_LIST] = true,
	[IPC_FALLBACK_MAKE] = true,
	[IPC_FAILOVER_KEY_SET] = true,
	[IPC_FAILOVER_KEY_MAKE] = true,
	[IPC_LINK_KEYS] = true,
	[IPC_REKEY] = true,
	[IPC_SECURITY] = true,
	[IPC_MASTER_KEY] = true,
	[IPC_RESUMPTION] = true,
	[IPC_PAIR_OFFER] = true,
	[IPC_PAIR_JOIN] = true,
	[IPC_PAIR_ACCEPT] = true,
	[IPC_FILE_WRITE] = true,
	[IPC_REPLICA_OPEN] = true,
	[IPC_REPLICA_MANIFEST] = true,
	[IPC_REPLICA_NEXT] = true,
	[IPC_REPLICA_CLOSE] = true,
	[IPC_STAGE_OPEN] = true,
	[IPC_MANIFEST_NEXT] = true,
	[IPC_STAGE_ITEMS] = true,
	[IPC_STAGE_COMMIT] = true,
	[IPC_STAGE_CLOSE] = true,
	[IPC_ORPHAN_KEEP] = true,
	[IPC_ORPHAN_RESTORE] = true,
	[IPC_ORPHAN_DROP] = true,
	[IPC_STORE_ACCEPT] = true,
	[IPC_LOCALCA_CREATE] = true,
	[IPC_LOCALCA_ISSUE] = true,
	[IPC_LOCALCA_LIST] = true,
	[IPC_LOCALCA_MARKS] = true,
	[IPC_GENERATIONS] = true,
	[IPC_ROLLBACK] = true,
	[IPC_HISTORY_KEEP] = true,
	[IPC_HISTORY_GET] = true,
	[IPC_PROVE] = true,
	[IPC_BACKUP] = true,
	[IPC_RESTORE] = true,
	[IPC_RESTORE_COMMIT] = true,
	[IPC_CERTIFICATE] = true,
};
static const bool front_permitted[IPC_TYPE__MAX] = {[IPC_CERTIFICATE] = true, [IPC_SIGN] = true};

/* ---- answers ---- */

struct ipc_channel *keeper_ticket_channel(struct keeper *keeper, const struct keeper_ticket *ticket)
{
	for (struct keeper_peer *peer = keeper->peers; peer; peer = peer->next) {
		if (peer->serial == ticket->serial)
			return peer->channel;
	}
	return NULL;
}

void keeper_reply(struct keeper *keeper, const struct keeper_ticket *ticket,
		  const ProtobufCMessage *message, bool has_more)
{
	struct ipc_channel *channel = keeper_ticket_channel(keeper, ticket);
	int r;

	if (!channel)
		return;
	r = ipc_channel_reply(channel, ticket->type, ticket->id, has_more, message);
	if (r < 0)
		log_line(LOG_WARNING, "the answer to %s could not be sent: %s",
			 ipc_type_name(ticket->type), err_text(r));
	/* Whoever waits hears at least that. */
	if (r == ERR_TOO_LARGE)
		keeper_reply_status(keeper, ticket, r, NULL);
}

void keeper_reply_status(struct keeper *keeper, const struct keeper_ticket *ticket, int code,
			 const struct why *why)
{
	const ProtobufCMessageDescriptor *schema = ipc_type_body(ticket->type, true);
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(schema, 1);
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT, *pointer = &status;
	_cleanup_free_ ProtobufCMessage *message = calloc(1, schema->sizeof_message);

	/* The first field of every reply (ipc.proto). */
	assert(field && field->type == PROTOBUF_C_TYPE_MESSAGE);
	if (!message)
		return;
	status.code = code;
	if (code < 0)
		status.why = (char *)(uintptr_t)(why && why->text[0] ? why->text : err_text(code));
	protobuf_c_message_init(schema, message);
	memcpy((uint8_t *)message + field->offset, &pointer, sizeof(pointer));
	keeper_reply(keeper, ticket, message, false);
}

void keeper_refuse(struct keeper *keeper, const struct keeper_ticket *ticket, int code,
		   const char *format, ...)
{
	struct why raw, why;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(raw.text, sizeof(raw.text), format, args);
	va_end(args);
	keeper_reply_status(keeper, ticket, why_set(&why, code, "%s", raw.text), &why);
}

void keeper_changed(struct keeper *keeper)
{
	Asafo__Ipc__Changed notice = ASAFO__IPC__CHANGED__INIT;
	Asafo__Record__Position position;
	struct store_position now;

	signer_flush(keeper->signer);
	keeper_trim_later(keeper);
	store_position(keeper->store, &now);
	store_position_pack(&now, &position);
	notice.position = &position;
	for (struct keeper_peer *peer = keeper->peers; peer; peer = peer->next)
		(void)ipc_channel_send(peer->channel, IPC_CHANGED, &notice.base, NULL, 0);
}

/* ---- peers ---- */

static void peer_drop(struct keeper_peer *peer)
{
	struct keeper_peer **at = &peer->keeper->peers;

	while (*at != peer)
		at = &(*at)->next;
	*at = peer->next;
	ipc_channel_free(peer->channel);
	free(peer);
}

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	struct keeper_peer *peer = userdata;
	struct keeper *keeper = peer->keeper;
	struct keeper_ticket ticket = {peer->serial, frame->type, frame->id};

	(void)channel;
	if (keeper->failure < 0 && !verbs[frame->type].works_without_store)
		keeper_reply_status(keeper, &ticket, keeper->failure, &keeper->failure_why);
	else
		verbs[frame->type].handler(keeper, &ticket, frame, body);
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct keeper_peer *peer = userdata;

	(void)channel;
	log_line(code == ERR_CLOSED ? LOG_INFO : LOG_ERR, "the channel to the %s %u is closed: %s",
		 ipc_peer_name(peer->kind), peer->instance, err_text(code));
	/* A transfer that the engine began has nobody to end it. */
	if (peer->kind == IPC_PEER_ENGINE)
		keeper_replication_drop(peer->keeper);
	peer_drop(peer);
}

static const struct ipc_channel_ops engine_ops = {engine_permitted, on_request, on_closed};
static const struct ipc_channel_ops front_ops = {front_permitted, on_request, on_closed};

static void drop_older(struct keeper *keeper, enum ipc_peer kind, unsigned instance)
{
	for (struct keeper_peer *peer = keeper->peers; peer; peer = peer->next) {
		if (peer->kind == kind && (kind == IPC_PEER_ENGINE || peer->instance == instance)) {
			if (kind == IPC_PEER_ENGINE)
				keeper_replication_drop(keeper);
			peer_drop(peer);
			return;
		}
	}
}

static void open_keys(struct keeper *keeper)
{
	char path[PATH_MAX];
	int r;

	if (keeper->failure < 0 || keeper->ring)
		return;
	keeper_master_path(keeper, path);
	r = keyring_open_store(keeper->store, keeper->credential_fd, path, &keeper->ring,
			       &keeper->master, &keeper->failure_why);
	if (r == 0 && keeper->master.is_credential_stale)
		log_line(LOG_WARNING,
			 "the credential asafo.master-key is not the key that this unit's "
			 "keys are sealed under, and was set aside: %s is",
			 path);
	if (r < 0)
		log_line(LOG_CRIT, "%s", keeper->failure_why.text);
	/* Without them clients make whole handshakes, and the active unit makes another. */
	if (r == 0)
		(void)resumption_load(&keeper->resumption, keeper->ring, keeper->store);
	keeper->failure = r;
}

int keeper_add_peer(struct keeper *keeper, enum ipc_peer kind, unsigned instance, int fd)
{
	const struct ipc_channel_ops *ops = kind == IPC_PEER_ENGINE ? &engine_ops : &front_ops;
	struct keeper_peer *peer;
	int r;

	if (kind != IPC_PEER_ENGINE && kind != IPC_PEER_FRONT) {
		(void)close(fd);
		return ERR_DENIED;
	}
	open_keys(keeper);
	drop_older(keeper, kind, instance);
	peer = calloc(1, sizeof(*peer));
	if (!peer) {
		(void)close(fd);
		return -ENOMEM;
	}
	*peer = (struct keeper_peer){.keeper = keeper, .kind = kind, .instance = instance};
	r = ipc_channel_new(keeper->event, fd, ops, peer, &peer->channel);
	if (r < 0) {
		free(peer);
		return r;
	}
	peer->serial = ++keeper->next_serial;
	peer->next = keeper->peers;
	keeper->peers = peer;
	if (kind == IPC_PEER_FRONT)
		keeper_resumption_tell(keeper, peer);
	return 0;
}

void keeper_set_master_key(struct keeper *keeper, int fd)
{
	if (keeper->ring)
		log_line(LOG_WARNING,
			 "the master key came after the keys were opened: it is not used");
	if (keeper->credential_fd >= 0)
		(void)close(keeper->credential_fd);
	keeper->credential_fd = fd;
}

/* ---- life ---- */

static int open_store(struct keeper *keeper, struct why *why)
{
	char path[PATH_MAX];
	int r;

	if (snprintf(path, sizeof(path), "%s/store", keeper->state_dir) >= (int)sizeof(path))
		return why_set(why, -ENAMETOOLONG, "the state folder's name is too long");
	r = store_open(path, &keeper->store, why);
	if (r == 0) {
		r = keeper_index_rebuild(keeper);
		if (r >= 0)
			r = keeper_scrub_begin(keeper);
		if (r < 0)
			(void)why_set(why, r, "the certificate store cannot be read: %s",
				      err_text(r));
	}
	return r;
}

static inline void keeper_free_p(struct keeper **keeper)
{
	keeper_free(*keeper);
}

static int make_parts(struct keeper *keeper, const struct keeper_config *config)
{
	int r;

	keeper->state_dir = strdup(config->state_dir);
	keeper->config_path = config->config_path ? strdup(config->config_path) : NULL;
	if (!keeper->state_dir || (config->config_path && !keeper->config_path))
		return -ENOMEM;
	r = keyindex_new(&keeper->index);
	return r < 0 ? r : signer_new(keeper_load_key, keeper, SIGNER_CACHED_MAX, &keeper->signer);
}

/* Before it waits again: what this turn signed or opened is in no register any more. */
static int on_turn_end(sd_event_source *source, void *userdata)
{
	(void)source;
	(void)userdata;
	secret_registers_wipe();
	return 0;
}

int keeper_new(sd_event *event, const struct keeper_config *config, struct keeper **ret_keeper)
{
	_cleanup_(keeper_free_p) struct keeper *keeper = calloc(1, sizeof(*keeper));
	int r;

	if (!keeper)
		return -ENOMEM;
	keeper->event = sd_event_ref(event);
	/* Of the loop's own life: it knows nothing of this keeper. */
	r = sd_event_add_post(event, NULL, on_turn_end, NULL);
	if (r < 0)
		return r;
	keeper->credential_fd = -1;
	keeper->parser = config->parser;
	r = make_parts(keeper, config);
	if (r < 0)
		return r;
	keeper->failure = config->failure;
	if (config->failure < 0 && config->failure_why)
		keeper->failure_why = *config->failure_why;
	if (keeper->failure == 0)
		keeper->failure = open_store(keeper, &keeper->failure_why);
	if (keeper->failure < 0)
		log_line(LOG_CRIT, "%s", keeper_failure(keeper));
	*ret_keeper = TAKE_PTR(keeper);
	return 0;
}

const char *keeper_failure(const struct keeper *keeper)
{
	if (keeper->failure == 0)
		return NULL;
	return keeper->failure_why.text[0] ? keeper->failure_why.text : err_text(keeper->failure);
}

bool keeper_parser_is_gone(const struct keeper *keeper)
{
	return keeper->parser && parser_is_gone(keeper->parser);
}

bool keeper_store_is_damage_seen(const struct keeper *keeper)
{
	return keeper->store && keeper->failure == 0 && store_is_damage_seen(keeper->store);
}

bool keeper_store_is_stuck(const struct keeper *keeper)
{
	return keeper->store && store_is_stuck(keeper->store);
}

void keeper_free(struct keeper *keeper)
{
	if (!keeper)
		return;
	keeper_imports_drop(keeper);
	keeper_listings_drop(keeper);
	keeper_orphans_drop(keeper);
	keeper_backup_drop(keeper);
	keeper_restore_drop(keeper);
	keeper_replication_drop(keeper);
	while (keeper->peers)
		peer_drop(keeper->peers);
	signer_free(keeper->signer);
	resumption_done(&keeper->resumption);
	keyring_free(keeper->ring);
	keeper_index_drop(keeper);
	keeper_trim_drop(keeper);
	keeper_sweep_drop(keeper);
	keeper_scrub_drop(keeper);
	keyindex_free(keeper->index);
	store_close(keeper->store);
	if (keeper->credential_fd >= 0)
		(void)close(keeper->credential_fd);
	sd_event_unref(keeper->event);
	free(keeper->state_dir);
	free(keeper->config_path);
	free(keeper);
}
