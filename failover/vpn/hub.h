/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/why.h"
#include "failover/core/wire.pb-c.h"
#include "ipc/channel.h"
#include "ipc/vpn.h"

/*
 * The engine's side of the VPN (ipc/vpn.h): the table of sessions, what fronts and the auth helper
 * are told, what fronts ask, and what the mate is told. Nothing blocks.
 */
struct engine;
struct vpnhub;
struct sessiondb;
struct session_record;

int vpnhub_new(struct engine *engine, struct vpnhub **ret_hub);
void vpnhub_free(struct vpnhub *hub);

/* Another configuration holds: fronts are told, and sessions that it has no room for end. */
void vpnhub_configure(struct vpnhub *hub);
/* The store's contents changed, or the keeper is a new one. */
void vpnhub_store_moved(struct vpnhub *hub);
/* The state machine moved. */
void vpnhub_on_role(struct vpnhub *hub);

/* A front has a channel; the channel is gone, and is not to be used any more. */
void vpnhub_front_attached(struct vpnhub *hub, unsigned instance);
void vpnhub_front_gone(struct vpnhub *hub, unsigned instance, const struct ipc_channel *channel);
/* For the table of a front's channel. */
bool vpnhub_is_message(enum ipc_type type);
/* A request of front INSTANCE. */
void vpnhub_message(struct vpnhub *hub, unsigned instance, struct ipc_channel *channel,
		    const struct ipc_frame *frame, const ProtobufCMessage *body);
/* The auth helper's channel; takes over FD. */
void vpnhub_auth_attach(struct vpnhub *hub, int fd);
/* An open /dev/net/tun, for the next TUN device; taken over. Before the sandbox. */
void vpnhub_add_tun(struct vpnhub *hub, int fd);

/* From the link. */
void vpnhub_link_up(struct vpnhub *hub);
void vpnhub_link_down(struct vpnhub *hub);
void vpnhub_link_writable(struct vpnhub *hub);
/* False for a message that is not the VPN's. */
bool vpnhub_link_message(struct vpnhub *hub, const Asafo__Wire__Link *message);

/* What is shown. */
struct vpnhub_figures {
	uint64_t made, refused;
	uint64_t unproved; /* of the refused: the auth helper did not vouch for them */
	uint64_t alone;	   /* answered without the mate's acknowledgement */
	uint64_t ended[VPN_END__MAX];
	uint64_t updates_sent, updates_received, wholes;
	uint64_t not_taken; /* records of the mate's */
};
const struct vpnhub_figures *vpnhub_figures(const struct vpnhub *hub);
const struct sessiondb *vpnhub_sessions(const struct vpnhub *hub);
bool vpnhub_is_complete(const struct vpnhub *hub);
/* What the mate was not told, or has not acknowledged. */
bool vpnhub_is_level(const struct vpnhub *hub);
/* The link is up to a mate that knows no sessions. */
bool vpnhub_is_mate_older(const struct vpnhub *hub);
/* Why no user, or not each, can log in with a certificate, as far as the trustpoints go; false: it
 * is as it should be, or not wanted. HUB may be NULL. */
bool vpnhub_trust_trouble(const struct vpnhub *hub, struct why *ret_why);
/*
 * Ends the live sessions that MATCH takes, for the reason "operator". Returns how many, or
 * ERR_NOT_ACTIVE.
 */
int vpnhub_logoff(struct vpnhub *hub,
		  bool (*match)(const struct session_record *record, const void *userdata),
		  const void *userdata);
