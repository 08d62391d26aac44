/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/why.h"
#include "front/tls/clientcas.h"
#include "front/tunnel/endings.h"
#include "ipc/channel.h"
#include "ipc/loginproof.h"
#include "ipc/vpn.h"

/*
 * The front's copy of the VPN: configuration, sessions, TUN descriptor, and the questions to the
 * engine. Survives the engine: a copy stays as it was, but is not complete, until the next engine
 * sends a whole table. Nothing blocks.
 */
struct vpn;

#define VPN_DNS_MAX 4 /* two of each family */
#define VPN_BANNER_MAX 512
#define VPN_DOMAIN_MAX 254

struct vpn_policy {
	char name[VPN_NAME_MAX];
	struct vpn_address dns[VPN_DNS_MAX];
	size_t n_dns;
	char domain[VPN_DOMAIN_MAX]; /* empty: none */
	enum vpn_split split;
	struct vpn_address *networks; /* with their prefixes */
	size_t n_networks;
	char banner[VPN_BANNER_MAX];		    /* empty: none */
	uint32_t idle_timeout_s, session_timeout_s; /* 0: none */
	uint32_t simultaneous_logins;
	bool is_without_dtls;
};

struct vpn_group {
	char name[VPN_NAME_MAX];
	char (*aliases)[VPN_NAME_MAX];
	size_t n_aliases;
	char policy[VPN_NAME_MAX];
	bool is_by_certificate, is_without_password;
	enum vpn_name_from name_from[VPN_NAMES_FROM];
};

/* Immutable; swapped whole. */
struct vpn_config {
	bool is_enabled;
	struct vpn_group *groups; /* the first is the default */
	size_t n_groups;
	struct vpn_policy *policies;
	size_t n_policies;
	uint64_t generation;
	bool has_cookie_key, has_cookie_key_before;
	uint8_t cookie_key[VPN_COOKIE_KEY_SIZE]; /* of DTLS, the same for all fronts */
	uint8_t cookie_key_before[VPN_COOKIE_KEY_SIZE];
};

/* A session of the copy. The pointer holds until on_gone() was called for it. */
struct vpn_entry {
	struct vpn_session session; /* its hash is the tag of the cookie's hash (ipc/vpn.h) */
	void *tunnel; /* the tunnel's own, NULL: none in this front; whoever sets it clears it */
	bool is_misfit_told; /* the log was: its client wants addresses that it has not */
};

/* What a part of the front wants to hear of; each may be NULL. */
struct vpn_listener {
	/* The session changed: addresses never do, but owner, is_connected and times. */
	void (*on_changed)(struct vpn_entry *entry, void *userdata);
	/* It is freed after the call. REASON: vpn.h of ipc. */
	void (*on_gone)(struct vpn_entry *entry, enum vpn_end reason, void *userdata);
	/* A new configuration holds. */
	void (*on_config)(const struct vpn_config *config, void *userdata);
	/* FD is the copy's; it is closed after the next call. */
	void (*on_tun)(int fd, const char *device, unsigned mtu, void *userdata);
	/* Nothing of it is checked. FD is a socket connected to the client, -1: none; the callee's.
	 */
	void (*on_datagram)(const Asafo__Ipc__VpnDatagram *message, int fd, void *userdata);
};
#define VPN_LISTENERS_MAX 4

/* Errors: -ENOMEM. */
int vpn_new(struct vpn **ret_vpn);
void vpn_free(struct vpn *vpn);
/* LISTENER is borrowed for the copy's life. Errors: ERR_TOO_LARGE. */
int vpn_listen(struct vpn *vpn, const struct vpn_listener *listener, void *userdata);

/* The engine's channel, borrowed until the next call; NULL: it is gone. */
void vpn_attach(struct vpn *vpn, struct ipc_channel *engine);
/* The messages of the engine that are the copy's, for the channel's table. */
bool vpn_is_message(enum ipc_type type);
/* Takes one. Errors: ERR_MALFORMED with a sentence (the message is ignored), -ENOMEM. */
int vpn_message(struct vpn *vpn, struct ipc_frame *frame, const ProtobufCMessage *body,
		struct why *ret_why);

/* Never NULL: before the first message one that is not enabled. */
const struct vpn_config *vpn_config(const struct vpn *vpn);
/* Never NULL. */
const struct clientcas *vpn_clientcas(const struct vpn *vpn);
/* NULL: none of this name (the policy), or alias (the group: a name or an alias, any case). */
const struct vpn_policy *vpn_policy_find(const struct vpn_config *config, const char *name);
const struct vpn_group *vpn_group_find(const struct vpn_config *config, const char *name);
/* There is no session that the copy lacks: what it does not know does not exist. */
bool vpn_is_complete(const struct vpn *vpn);
size_t vpn_count(const struct vpn *vpn);
/* What vpn_session's owner is where this front has the tunnel; 0: not known yet. */
uint32_t vpn_own_number(const struct vpn *vpn);
/* By the SHA-256 of the cookie's bytes, not by the tag; NULL: not known (see vpn_is_complete). */
struct vpn_entry *vpn_find(const struct vpn *vpn, const uint8_t hash[static VPN_HASH_SIZE]);
/* By the address that was given to it: 4 or 16 bytes. */
struct vpn_entry *vpn_find_address(const struct vpn *vpn, const uint8_t *bytes, size_t size);
/* -1: none yet. */
int vpn_tun(const struct vpn *vpn);

/* Who logged in. The texts are borrowed for the call. */
struct vpn_login {
	uint8_t hash[VPN_HASH_SIZE];
	const char *user, *group;
	const char *policy; /* the user's; NULL or empty: the group's */
	struct vpn_address client;
	struct loginproof proof; /* the auth helper's, for the engine */
};
/* ENTRY is in the copy; NULL with a CODE below 0 and a sentence for the log. */
typedef void (*vpn_login_fn)(int code, const char *why, struct vpn_entry *entry, void *userdata);
struct vpn_call;
/*
 * Asks for a session. ON_DONE is called once, never from inside this call, unless vpn_call_cancel()
 * was: a session that is made all the same is then ended. Errors: ERR_CLOSED (no engine), those of
 * ipc_channel_call.
 */
int vpn_login(struct vpn *vpn, const struct vpn_login *login, vpn_login_fn on_done, void *userdata,
	      struct vpn_call **ret_call);
void vpn_call_cancel(struct vpn_call *call);
/* Figures since the last touch. */
struct vpn_touch {
	const uint8_t *hash; /* of the session's cookie, VPN_HASH_SIZE bytes */
	bool is_connected;
	struct vpn_address client, local; /* both ends of its connection */
	uint16_t client_port, local_port;
	uint64_t received, sent, packets_received, packets_sent, dropped;
	uint64_t idle_ms;
	struct monotime tunnel_at; /* when its CONNECT was taken */
	const char *protocol;	   /* NULL: as before */
};
/* Tells the engine; ERR_CLOSED where it is not there: keep the figures for the next time. */
int vpn_touch(struct vpn *vpn, const struct vpn_touch *touch);
/* To the front that it names, or to this one again with FD, a UDP socket, connected. FD is
 * borrowed, -1: none. Errors: ERR_CLOSED. */
int vpn_datagram(struct vpn *vpn, const Asafo__Ipc__VpnDatagram *message, int fd);
/* Ends that of the cookie with HASH on both units, now or later: as endings_add; on_gone comes by
 * the table. */
int vpn_end(struct vpn *vpn, const uint8_t hash[static VPN_HASH_SIZE], enum vpn_end reason,
	    ending_fn on_done, void *userdata, struct ending **ret_ending);
