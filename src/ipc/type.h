/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <protobuf-c/protobuf-c.h>

/* Every message between asafo's processes. The bodies are in ipc.proto; type.c has the table that
 * joins them. */
enum ipc_type {
	IPC_NONE,
	/* supervisor and child */
	IPC_PEER,
	IPC_CREDENTIAL,
	IPC_READY,
	IPC_NOTIFY,
	IPC_SHUTDOWN, /* supervisor -> child: finish in an orderly way */
	IPC_WATCHDOG, /* child -> supervisor: alive */
	/* engine -> keeper */
	IPC_KEEPER_STATUS,
	IPC_TERM_PERSIST,
	IPC_IMPORT,
	IPC_EXPORT,
	IPC_REMOVE,
	IPC_LIST,
	IPC_FALLBACK_MAKE,
	IPC_FAILOVER_KEY_SET,
	IPC_FAILOVER_KEY_MAKE,
	IPC_LINK_KEYS,
	IPC_PAIR_OFFER,
	IPC_PAIR_JOIN,
	IPC_PAIR_ACCEPT,
	IPC_FILE_WRITE,
	IPC_REPLICA_OPEN,
	IPC_REPLICA_MANIFEST,
	IPC_REPLICA_NEXT,
	IPC_REPLICA_CLOSE,
	IPC_STAGE_OPEN,
	IPC_MANIFEST_NEXT,
	IPC_STAGE_ITEMS,
	IPC_STAGE_COMMIT,
	IPC_STAGE_CLOSE,
	IPC_ORPHAN_KEEP,
	IPC_LOCALCA_CREATE,
	IPC_LOCALCA_ISSUE,
	IPC_LOCALCA_LIST,
	IPC_LOCALCA_MARKS,
	IPC_GENERATIONS,
	IPC_ROLLBACK,
	IPC_HISTORY_KEEP,
	IPC_HISTORY_GET,
	/* keeper -> engine, front */
	IPC_CHANGED,
	/* front -> keeper */
	IPC_CERTIFICATE,
	IPC_SIGN,
	/* engine and front */
	IPC_FRONT_CONFIG,
	IPC_FRONT_ROLE,
	IPC_FRONT_REPORT,
	/* engine -> runner */
	IPC_RUNNER_EXEC,
	/* engine -> keeper */
	IPC_STORE_ACCEPT,
	IPC_ORPHAN_RESTORE,
	IPC_ORPHAN_DROP,
	/* engine -> supervisor */
	IPC_RELOAD, /* stop in an orderly way, then begin again */
	/* engine -> keeper */
	IPC_PROVE,
	/* engine -> front */
	IPC_FRONT_TEST,
	/* engine -> keeper */
	IPC_REKEY,
	IPC_SECURITY,
	/* engine -> front; bodies and rules: ipc/vpn.h */
	IPC_VPN_CONFIG,
	IPC_VPN_TABLE,
	IPC_VPN_TUN,
	/* front -> engine */
	IPC_VPN_SESSION_NEW,
	IPC_VPN_SESSION_TOUCH,
	IPC_VPN_SESSION_END,
	/* engine -> auth */
	IPC_AUTH_USERS,
	/* front -> auth */
	IPC_AUTH_CHECK,
	/* engine and auth */
	IPC_AUTH_GUESSES,
	/* engine -> keeper */
	IPC_MASTER_KEY,
	IPC_BACKUP,
	IPC_RESTORE,
	IPC_RESTORE_COMMIT,
	IPC_RESUMPTION,
	/* keeper -> front */
	IPC_RESUMPTION_KEYS,
	/* front -> engine */
	IPC_VPN_RESYNC,
	/* engine -> keeper */
	IPC_LOGIN_SEAL,
	/* keeper -> auth */
	IPC_LOGIN_KEY,
	/* front -> engine -> front */
	IPC_VPN_DATAGRAM,
	/* engine -> front, auth */
	IPC_VPN_TRUST,
	/* engine -> keeper */
	IPC_STAPLE_IMPORT,
	IPC_STAPLE_DROP,
	IPC_STAPLE_LIST,
	IPC_STAPLE_GET,
	IPC_STAPLE_COMPARE,
	IPC_STAPLE_TAKE,
	/* auth -> pam */
	IPC_PAM_CHECK,
	/* engine -> auth */
	IPC_LOGIN_PROOF_KEY,
	/* engine -> fetch */
	IPC_STAPLE_FETCH,
	/* keeper -> engine */
	IPC_DISK,
	/* engine -> keeper */
	IPC_CRL_IMPORT,
	IPC_CRL_DROP,
	IPC_CRL_LIST,
	IPC_CRL_GET,
	IPC_CRL_COMPARE,
	IPC_CRL_TAKE,
	/* keeper -> auth */
	IPC_CRL_TELL,
	/* engine -> keeper */
	IPC_RESTORE_CLOSE,
	IPC_TYPE__MAX,
};

/* Who is at the other end of a channel: PEER.kind. */
enum ipc_peer {
	IPC_PEER_SUPERVISOR,
	IPC_PEER_ENGINE,
	IPC_PEER_KEEPER,
	IPC_PEER_FRONT,
	IPC_PEER_RUNNER,
	IPC_PEER_AUTH,
	IPC_PEER_FETCH,
	IPC_PEER_PAM,
	IPC_PEER__MAX,
};

/* Name for a log ("import"); never NULL. */
const char *ipc_type_name(enum ipc_type type);
/* The schema of the body, NULL: no body. Unknown types have none. */
const ProtobufCMessageDescriptor *ipc_type_body(enum ipc_type type, bool is_reply);
const char *ipc_peer_name(enum ipc_peer peer);
