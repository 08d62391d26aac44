/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/type.h"

#include <stddef.h>

#include "base/cleanup.h"
#include "src/ipc/ipc.pb-c.h"

#define BODY(name) &asafo__ipc__##name##__descriptor

static const struct {
	const char *name;
	const ProtobufCMessageDescriptor *request;
	const ProtobufCMessageDescriptor *reply;
} types[IPC_TYPE__MAX] = {
	[IPC_NONE] = {"none", NULL, NULL},
	[IPC_PEER] = {"peer", BODY(peer), NULL},
	[IPC_CREDENTIAL] = {"credential", BODY(credential), NULL},
	[IPC_READY] = {"ready", BODY(ready), NULL},
	[IPC_NOTIFY] = {"notify", BODY(notify), NULL},
	[IPC_SHUTDOWN] = {"shutdown", NULL, NULL},
	[IPC_WATCHDOG] = {"watchdog", NULL, NULL},
	[IPC_KEEPER_STATUS] = {"keeper-status", NULL, BODY(keeper_status_reply)},
	[IPC_TERM_PERSIST] = {"term-persist", BODY(term_persist), BODY(status_reply)},
	[IPC_IMPORT] = {"import", BODY(import), BODY(import_reply)},
	[IPC_EXPORT] = {"export", BODY(export), BODY(status_reply)},
	[IPC_REMOVE] = {"remove", BODY(remove), BODY(status_reply)},
	[IPC_LIST] = {"list", BODY(list), BODY(list_reply)},
	[IPC_FALLBACK_MAKE] = {"fallback-make", BODY(fallback_make), BODY(status_reply)},
	[IPC_FAILOVER_KEY_SET] = {"failover-key-set", BODY(failover_key_set), BODY(status_reply)},
	[IPC_FAILOVER_KEY_MAKE] = {"failover-key-make", BODY(failover_key_make),
				   BODY(status_reply)},
	[IPC_LINK_KEYS] = {"link-keys", NULL, BODY(link_keys_reply)},
	[IPC_PAIR_OFFER] = {"pair-offer", BODY(pair_offer), BODY(pair_offer_reply)},
	[IPC_PAIR_JOIN] = {"pair-join", BODY(pair_join), BODY(pair_join_reply)},
	[IPC_PAIR_ACCEPT] = {"pair-accept", BODY(pair_accept), BODY(status_reply)},
	[IPC_FILE_WRITE] = {"file-write", BODY(file_write), BODY(status_reply)},
	[IPC_REPLICA_OPEN] = {"replica-open", BODY(replica_open), BODY(replica_open_reply)},
	[IPC_REPLICA_MANIFEST] = {"replica-manifest", BODY(replica_manifest), BODY(status_reply)},
	[IPC_REPLICA_NEXT] = {"replica-next", BODY(replica_next), BODY(replica_batch_reply)},
	[IPC_REPLICA_CLOSE] = {"replica-close", NULL, BODY(status_reply)},
	[IPC_STAGE_OPEN] = {"stage-open", BODY(stage_open), BODY(status_reply)},
	[IPC_MANIFEST_NEXT] = {"manifest-next", BODY(manifest_next), BODY(manifest_reply)},
	[IPC_STAGE_ITEMS] = {"stage-items", BODY(stage_items), BODY(status_reply)},
	[IPC_STAGE_COMMIT] = {"stage-commit", BODY(stage_commit), BODY(position_reply)},
	[IPC_STAGE_CLOSE] = {"stage-close", NULL, BODY(status_reply)},
	[IPC_ORPHAN_KEEP] = {"orphan-keep", BODY(orphan_keep), BODY(status_reply)},
	[IPC_LOCALCA_CREATE] = {"localca-create", BODY(local_ca_create), BODY(status_reply)},
	[IPC_LOCALCA_ISSUE] = {"localca-issue", BODY(local_ca_issue), BODY(local_ca_issue_reply)},
	[IPC_LOCALCA_LIST] = {"localca-list", BODY(local_ca_list), BODY(local_ca_list_reply)},
	[IPC_LOCALCA_MARKS] = {"localca-marks", BODY(local_ca_marks), BODY(local_ca_marks_reply)},
	[IPC_GENERATIONS] = {"generations", BODY(generations), BODY(list_reply)},
	[IPC_ROLLBACK] = {"rollback", BODY(rollback), BODY(import_reply)},
	[IPC_HISTORY_KEEP] = {"history-keep", BODY(history_keep), BODY(status_reply)},
	[IPC_HISTORY_GET] = {"history-get", NULL, BODY(history_reply)},
	[IPC_ORPHAN_RESTORE] = {"orphan-restore", BODY(orphan_restore), BODY(import_reply)},
	[IPC_ORPHAN_DROP] = {"orphan-drop", BODY(orphan_drop), BODY(status_reply)},
	[IPC_STORE_ACCEPT] = {"store-accept", BODY(store_accept), BODY(status_reply)},
	[IPC_CHANGED] = {"changed", BODY(changed), NULL},
	[IPC_CERTIFICATE] = {"certificate", BODY(certificate), BODY(certificate_reply)},
	[IPC_SIGN] = {"sign", BODY(sign), BODY(sign_reply)},
	[IPC_FRONT_CONFIG] = {"front-config", BODY(front_config), NULL},
	[IPC_FRONT_ROLE] = {"front-role", BODY(front_role), NULL},
	[IPC_FRONT_REPORT] = {"front-report", BODY(front_report), NULL},
	[IPC_RELOAD] = {"reload", NULL, NULL},
	[IPC_PROVE] = {"prove", BODY(prove), BODY(prove_reply)},
	[IPC_FRONT_TEST] = {"front-test", BODY(front_test), NULL},
	[IPC_SECURITY] = {"security", NULL, BODY(security_reply)},
	[IPC_MASTER_KEY] = {"master-key", BODY(master_key), BODY(master_key_reply)},
	[IPC_RESUMPTION] = {"resumption", BODY(resumption), BODY(resumption_reply)},
	[IPC_RESUMPTION_KEYS] = {"resumption-keys", BODY(resumption_keys), NULL},
	[IPC_STAPLE_IMPORT] = {"staple-import", BODY(staple_import), BODY(staple_reply)},
	[IPC_STAPLE_DROP] = {"staple-drop", BODY(staple_drop), BODY(status_reply)},
	[IPC_STAPLE_LIST] = {"staple-list", NULL, BODY(staple_list_reply)},
	[IPC_STAPLE_GET] = {"staple-get", BODY(staple_get), BODY(staple_reply)},
	[IPC_STAPLE_COMPARE] = {"staple-compare", BODY(staple_compare), BODY(staple_compare_reply)},
	[IPC_STAPLE_TAKE] = {"staple-take", BODY(staple_take), BODY(status_reply)},
	[IPC_CRL_IMPORT] = {"crl-import", BODY(crl_import), BODY(crl_reply)},
	[IPC_CRL_DROP] = {"crl-drop", BODY(crl_drop), BODY(status_reply)},
	[IPC_CRL_LIST] = {"crl-list", NULL, BODY(crl_list_reply)},
	[IPC_CRL_GET] = {"crl-get", BODY(crl_get), BODY(crl_get_reply)},
	[IPC_CRL_COMPARE] = {"crl-compare", BODY(crl_compare), BODY(crl_compare_reply)},
	[IPC_CRL_TAKE] = {"crl-take", BODY(crl_take), BODY(status_reply)},
	[IPC_CRL_TELL] = {"crl-tell", BODY(crl_tell), NULL},
	[IPC_STAPLE_FETCH] = {"staple-fetch", BODY(staple_fetch), BODY(staple_fetch_reply)},
	[IPC_PAM_CHECK] = {"pam-check", BODY(pam_check), BODY(pam_check_reply)},
	[IPC_LOGIN_SEAL] = {"login-seal", BODY(login_seal), BODY(login_seal_reply)},
	[IPC_LOGIN_PROOF_KEY] = {"login-proof-key", BODY(login_proof_key), NULL},
	[IPC_LOGIN_KEY] = {"login-key", BODY(login_key), NULL},
	[IPC_REKEY] = {"rekey", BODY(rekey), BODY(rekey_reply)},
	[IPC_VPN_CONFIG] = {"vpn-config", BODY(vpn_config), NULL},
	[IPC_VPN_TABLE] = {"vpn-table", BODY(vpn_table), NULL},
	[IPC_VPN_TUN] = {"vpn-tun", BODY(vpn_tun), NULL},
	[IPC_VPN_SESSION_NEW] = {"vpn-session-new", BODY(vpn_session_new),
				 BODY(vpn_session_new_reply)},
	[IPC_VPN_SESSION_TOUCH] = {"vpn-session-touch", BODY(vpn_session_touch), NULL},
	[IPC_VPN_SESSION_END] = {"vpn-session-end", BODY(vpn_session_end), BODY(status_reply)},
	[IPC_VPN_RESYNC] = {"vpn-resync", BODY(vpn_resync), NULL},
	[IPC_VPN_DATAGRAM] = {"vpn-datagram", BODY(vpn_datagram), NULL},
	[IPC_VPN_TRUST] = {"vpn-trust", BODY(vpn_trust), NULL},
	[IPC_AUTH_USERS] = {"auth-users", BODY(auth_users), NULL},
	[IPC_AUTH_CHECK] = {"auth-check", BODY(auth_check), BODY(auth_check_reply)},
	[IPC_AUTH_GUESSES] = {"auth-guesses", BODY(auth_guesses), NULL},
	[IPC_BACKUP] = {"backup", BODY(backup), BODY(backup_reply)},
	[IPC_RESTORE] = {"restore", BODY(restore), BODY(restore_reply)},
	[IPC_RESTORE_COMMIT] = {"restore-commit", BODY(restore_commit), BODY(restore_commit_reply)},
	[IPC_RESTORE_CLOSE] = {"restore-close", BODY(restore_close), BODY(status_reply)},
	[IPC_DISK] = {"disk", BODY(disk), NULL},
	[IPC_RUNNER_EXEC] = {"runner-exec", BODY(runner_exec), BODY(runner_result)},
};

static const char *const peers[IPC_PEER__MAX] = {
	[IPC_PEER_SUPERVISOR] = "supervisor", [IPC_PEER_ENGINE] = "engine",
	[IPC_PEER_KEEPER] = "keeper",	      [IPC_PEER_FRONT] = "front",
	[IPC_PEER_RUNNER] = "runner",	      [IPC_PEER_AUTH] = "auth",
	[IPC_PEER_FETCH] = "fetch",	      [IPC_PEER_PAM] = "pam",
};

const char *ipc_type_name(enum ipc_type type)
{
	return (unsigned)type < IPC_TYPE__MAX ? types[type].name : "unknown";
}

const ProtobufCMessageDescriptor *ipc_type_body(enum ipc_type type, bool is_reply)
{
	if ((unsigned)type >= IPC_TYPE__MAX)
		return NULL;
	return is_reply ? types[type].reply : types[type].request;
}

const char *ipc_peer_name(enum ipc_peer peer)
{
	return (unsigned)peer < IPC_PEER__MAX ? peers[peer] : "unknown";
}
