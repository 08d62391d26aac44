/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/monotime.h"
#include "src/ipc/ipc.pb-c.h"

/*
 * VPN sessions between engine, fronts and the auth helper: what the messages of ipc.proto mean.
 *
 * The engine of the active unit has the table of sessions and the pools; each front has a copy of
 * the table (front/tunnel/vpn.h), so that a cookie is looked up without a question. A session is
 * named by SHA-256 of the 32 random bytes of its cookie, which only client and front know.
 *
 * VPN_CONFIG, VPN_TABLE, VPN_TUN (engine -> front): sent when a front is attached (the
 * configuration first, then a whole table with is_reset, then the TUN device), and after each
 * change. A table comes in as many messages as it takes, each at most VPN_BATCH sessions;
 * is_complete is true only when this unit has every session that may exist: an unknown cookie is
 * then 401, else 503.
 *
 * VPN_SESSION_NEW (front -> engine): the engine chooses index, policy and addresses. By the time of
 * the answer the mate has the session, too, or was waited for long enough, and every front of this
 * unit was sent its VPN_TABLE: the asking one has it in its copy. Codes: ERR_NOT_ACTIVE, ERR_EXISTS
 * (this hash is taken), ERR_NOT_FOUND (no such group), ERR_DENIED (the auth helper does not
 * vouch for it, there is no such user, or the policy lets nobody in),
 * ERR_TOO_LARGE (no address is free, or the table is full), ERR_MALFORMED. Where the user has as
 * many sessions as the policy allows, the one with the longest idle time ends for it.
 *
 * VPN_SESSION_TOUCH (front -> engine): at most each VPN_TOUCH_MS for a session whose traffic moved,
 * and at once when its tunnel came up or went away (is_connected). The tunnel that says
 * is_connected is from then on the one: packets to the session's addresses go to this front's TUN
 * descriptor. Where an earlier tunnel of the session is open in another front, that one learns it
 * from the table (owner) and closes it without DISCONNECT or TERMINATE. Which of two tunnels is the
 * earlier one is told by when their CONNECT was taken (tunnel_at), not by which touch comes first:
 * a front that was overtaken adds its figures and decides nothing. A touch of an unknown session is
 * ignored.
 *
 * VPN_SESSION_END (front -> engine): logout or the client's BYE with "user quit". The session
 * becomes a tombstone on both units, whichever of them is asked; by the time of the answer the mate
 * has it, or was waited for long enough. ERR_NOT_FOUND: this engine does not know the session,
 * which is no proof that there is none before its table is complete. A front asks until the session
 * is over (front/tunnel/endings.h). Ends for idleness and age are the engine's: it tells by
 * VPN_TABLE's gone. A front that is told so sends the client a TERMINATE with that reason, but for
 * VPN_END_DROPPED.
 *
 * VPN_RESYNC (front -> engine): something of a VPN_TABLE was not taken. A whole table follows
 * within a second or so; asked again soon, only after a while.
 *
 * VPN_DATAGRAM (front -> engine -> front): the first message of a DTLS client whose address was
 * verified. Where the kernel gave it to another front than the one that has its tunnel, the engine
 * passes it on to that one. That one itself adds a new UDP socket, which comes back bound to the
 * address that the datagram came to and connected to the client (fronts may not connect), so that
 * the kernel gives what follows to this front. The socket has to be the front's: kernels before
 * Linux 6.13 look for connected sockets only among those that share a port as one user. At most
 * VPN_DATAGRAM_MAX bytes of data; dropped where the front does not read, or does not listen at that
 * address: clients try again.
 *
 * VPN_TUN (engine -> front): a descriptor of the front's own (IFF_TUN, IFF_NO_PI, non-blocking).
 * What is read from it is for clients of this front, give or take what changed hands a moment ago:
 * packets without an owner are dropped and counted. Forward only while this unit is active.
 */
#define VPN_HASH_SIZE 32
#define VPN_NAME_MAX 64 /* tunnel-group, group-policy, user: bytes with the NUL */
#define VPN_BATCH 128
#define VPN_TOUCH_MS 5000
#define VPN_DATAGRAM_MAX 2048
#define VPN_COOKIE_KEY_SIZE 16 /* VpnConfig.dtls_cookie_key, ..._before */
#define VPN_SESSIONS_MAX 65536
#define VPN_TUN_MTU 1406 /* the ASA's `anyconnect mtu`, and the device's */

/* Why a session is gone; numbers cross the failover link and the channel: new ones at the end. */
enum vpn_end {
	VPN_END_NONE,	 /* lives */
	VPN_END_LOGOUT,	 /* the user's: client or portal */
	VPN_END_ADMIN,	 /* `vpn-sessiondb logoff` */
	VPN_END_IDLE,	 /* vpn-idle-timeout */
	VPN_END_EXPIRED, /* vpn-session-timeout */
	VPN_END_CONFIG,	 /* its group, policy, pool or user is no more */
	VPN_END_CLASH, /* its address is another's that the mate gave while the units were apart */
	VPN_END_DROPPED, /* this unit's copy lets go of it, it may live on elsewhere: say nothing */
	VPN_END_REPLACED, /* another login of its user: vpn-simultaneous-logins */
	VPN_END__MAX,
};

enum vpn_split {
	VPN_SPLIT_TUNNEL_ALL,
	VPN_SPLIT_TUNNEL_SPECIFIED,
	VPN_SPLIT_EXCLUDE_SPECIFIED,
	VPN_SPLIT__MAX,
};

/* What of a client's certificate is the user's name (`username-from-certificate`). */
enum vpn_name_from {
	VPN_NAME_FROM_NONE,
	VPN_NAME_FROM_CN,  /* common name */
	VPN_NAME_FROM_EA,  /* mail address, before the "@": of the subjectAltName, else the subject
			    */
	VPN_NAME_FROM_UPN, /* Microsoft's user principal name, before the "@" */
	VPN_NAME_FROM__MAX,
};
#define VPN_NAMES_FROM 2 /* the first that there is counts */

/* What a CA says of revocation is wanted to be known of its clients' certificates. */
enum vpn_revocation {
	VPN_REVOCATION_NONE,
	VPN_REVOCATION_CRL_NONE, /* a list is looked at where there is one in its time */
	VPN_REVOCATION_CRL,	 /* without one nobody is let in */
	VPN_REVOCATION__MAX,
};

/* The auth helper's answer. */
enum auth_verdict {
	AUTH_VERDICT_NO, /* wrong user or password, which of them is not said */
	AUTH_VERDICT_YES,
	AUTH_VERDICT_LOCKED,	  /* too many wrong ones */
	AUTH_VERDICT_MORE,	  /* so far so good: a code of the second factor is wanted */
	AUTH_VERDICT_CERTIFICATE, /* the group's certificate is missing, or not good enough */
	AUTH_VERDICT__MAX,
};

struct vpn_address {
	uint8_t bytes[16];
	size_t size;	/* 4 or 16; 0: none */
	uint8_t prefix; /* of the pool: the client's netmask */
};

/* The checked form of VpnSession. */
struct vpn_session {
	uint8_t hash[VPN_HASH_SIZE];
	uint32_t id; /* from 1 */
	char user[VPN_NAME_MAX];
	char group[VPN_NAME_MAX];
	char policy[VPN_NAME_MAX];
	struct vpn_address v4, v6;
	struct vpn_address client;  /* public address */
	struct monotime created_at; /* by this machine's clock */
	struct monotime ends_at;    /* MONOTIME_NEVER: no absolute end */
	struct monotime idle_ends_at;
	bool is_connected;
	uint32_t owner; /* with is_connected: this unit's front of that instance, plus 1; 0: no
			   front of this unit */
	struct monotime tunnel_at; /* when this unit took the CONNECT of its latest tunnel; 0: it
				      had none here */
};

/* MESSAGE as of NOW. Errors: ERR_MALFORMED (sizes, missing hash or index, unprintable names). */
int vpn_session_from(const Asafo__Ipc__VpnSession *message, struct monotime now,
		     struct vpn_session *ret_session);
/* The message's storage: points into SESSION, which it does not outlive. */
struct vpn_session_message {
	Asafo__Ipc__VpnSession message;
	Asafo__Ipc__VpnAddress v4, v6;
	uint8_t tag[VPN_HASH_SIZE];
};
void vpn_session_fill(const struct vpn_session *session, struct monotime now,
		      struct vpn_session_message *ret_message);

/*
 * What the engine calls a session before fronts: SHA-256 of its cookie's HASH. Fronts have the tags
 * of all sessions; the hash, by which they speak of one to the engine, has only who was shown the
 * cookie. Errors: ERR_CRYPTO.
 */
int vpn_tag(const uint8_t hash[static VPN_HASH_SIZE], uint8_t ret_tag[static VPN_HASH_SIZE]);
/* As vpn_session_fill, for fronts. Errors: ERR_CRYPTO. */
int vpn_session_fill_tagged(const struct vpn_session *session, struct monotime now,
			    struct vpn_session_message *ret_message);

/* Bytes of the wire: exactly VPN_HASH_SIZE. Errors: ERR_MALFORMED. */
int vpn_hash_from(const ProtobufCBinaryData *bytes, uint8_t ret_hash[static VPN_HASH_SIZE]);
/* 4 or 16 bytes, or none (size 0). Errors: ERR_MALFORMED. */
int vpn_address_from(const ProtobufCBinaryData *bytes, uint32_t prefix,
		     struct vpn_address *ret_address);
bool vpn_address_is_equal(const struct vpn_address *a, const struct vpn_address *b);
/* Printable UTF-8 or ASCII without control characters, shorter than SIZE. Errors: ERR_MALFORMED. */
int vpn_name_from(const char *text, char *ret_text, size_t size);

/* "user request", as show vpn-sessiondb and the log have it; never NULL. */
const char *vpn_end_text(enum vpn_end reason);
/* Of VpnGroup.name_from; too many, or unknown ones: ERR_MALFORMED. None: the common name. */
int vpn_names_from(const uint32_t *numbers, size_t n,
		   enum vpn_name_from ret_from[static VPN_NAMES_FROM]);
/* Untrusted number; VPN_END_ADMIN for one of a newer version. */
enum vpn_end vpn_end_from(uint32_t number);
