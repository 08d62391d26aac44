/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers, the table of verbs, answers. The store is opened at once; the keys when the first peer
 * comes, since the supervisor hands over credentials before peers.
 */
#include "certstore/keeper/keeper.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/log.h"
#include "certstore/keeper/keeper_verbs.h"

#define SIGNER_CACHED_MAX 1024

static const struct {
	keeper_handler_fn handler;
	bool works_without_store;
} verbs[IPC_TYPE__MAX] = {
#define VERB(type, handler, flags) [IPC_##type] = {handler, ((flags)&KEEPER_STORELESS) != 0},
	KEEPER_VERBS(VERB)
#undef VERB
};

static const bool engine_permitted[IPC_TYPE__MAX] = {
#define PERMITTED(type, handler, flags) [IPC_##type] = ((flags)&KEEPER_ENGINE) != 0,
	KEEPER_VERBS(PERMITTED)
#undef PERMITTED
};
static const bool front_permitted[IPC_TYPE__MAX] = {
#define PERMITTED(type, handler, flags) [IPC_##type] = ((flags)&KEEPER_FRONT) != 0,
	KEEPER_VERBS(PERMITTED)
#undef PERMITTED
};

/* It is told, and asks nothing. */
static const bool auth_permitted[IPC_TYPE__MAX] = {false};

/* ---- peers ---- */

/* A transfer that the engine began, a CRL of which it brought a part, and a restore that it would
 * decide on, have nobody to end them. */
static void drop_of_engine(struct keeper *keeper)
{
	keeper_replication_drop(keeper);
	keeper_crl_stage_drop(keeper);
	keeper_restore_drop(keeper);
}

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
	if (peer->kind == IPC_PEER_ENGINE)
		drop_of_engine(peer->keeper);
	peer_drop(peer);
}

static const struct ipc_channel_ops engine_ops = {engine_permitted, on_request, on_closed};
static const struct ipc_channel_ops front_ops = {front_permitted, on_request, on_closed};
static const struct ipc_channel_ops auth_ops = {auth_permitted, on_request, on_closed};

static void drop_older(struct keeper *keeper, enum ipc_peer kind, unsigned instance)
{
	for (struct keeper_peer *peer = keeper->peers; peer; peer = peer->next) {
		if (peer->kind == kind && (kind == IPC_PEER_ENGINE || peer->instance == instance)) {
			if (kind == IPC_PEER_ENGINE)
				drop_of_engine(keeper);
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
	const struct ipc_channel_ops *ops = kind == IPC_PEER_ENGINE ? &engine_ops
					    : kind == IPC_PEER_AUTH ? &auth_ops
								    : &front_ops;
	struct keeper_peer *peer;
	int r;

	if (kind != IPC_PEER_ENGINE && kind != IPC_PEER_FRONT && kind != IPC_PEER_AUTH) {
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
	if (kind == IPC_PEER_AUTH) {
		keeper_login_tell(keeper);
		keeper_crl_tell(keeper);
	}
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
static int on_prepare(sd_event_source *source, void *userdata)
{
	(void)source;
	(void)userdata;
	secret_registers_wipe();
	return 0;
}

static int on_never(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	(void)userdata;
	return 0;
}

/*
 * Of the loop's own life: it knows nothing of this keeper. A source that never comes to its turn,
 * asked before each wait; a post source would have the loop go round once more for each signature.
 */
static int wipe_before_waiting(sd_event *event)
{
	sd_event_source *source = NULL;
	int r = sd_event_add_time(event, &source, CLOCK_MONOTONIC, UINT64_MAX, 0, on_never, NULL);

	if (r >= 0)
		r = sd_event_source_set_prepare(source, on_prepare);
	if (r >= 0)
		r = sd_event_source_set_floating(source, true);
	(void)sd_event_source_unref(source);
	return r < 0 ? r : 0;
}

int keeper_new(sd_event *event, const struct keeper_config *config, struct keeper **ret_keeper)
{
	_cleanup_(keeper_free_p) struct keeper *keeper = calloc(1, sizeof(*keeper));
	int r;

	if (!keeper)
		return -ENOMEM;
	keeper->event = sd_event_ref(event);
	/* Of the loop's own life: it knows nothing of this keeper. */
	r = wipe_before_waiting(event);
	if (r < 0)
		return r;
	keeper->credential_fd = -1;
	keeper->parser = config->parser;
	keeper->wait.on_alive = config->on_alive;
	keeper->wait.userdata = config->userdata;
	r = make_parts(keeper, config);
	if (r < 0)
		return r;
	keeper->failure = config->failure;
	if (config->failure < 0 && config->failure_why)
		keeper->failure_why = *config->failure_why;
	if (keeper->failure == 0)
		keeper->failure = open_store(keeper, &keeper->failure_why);
	if (keeper->store)
		store_set_runner(keeper->store, keeper_store_run, keeper);
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
	keeper_staples_drop(keeper);
	keeper_crls_drop(keeper);
	keeper_listings_drop(keeper);
	keeper_orphans_drop(keeper);
	keeper_backup_drop(keeper);
	keeper_restore_drop(keeper);
	keeper_replication_drop(keeper);
	keeper_issued_forget(keeper);
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
	keeper_wait_drop(keeper);
	store_close(keeper->store);
	if (keeper->credential_fd >= 0)
		(void)close(keeper->credential_fd);
	sd_event_unref(keeper->event);
	free(keeper->state_dir);
	free(keeper->config_path);
	free(keeper);
}
