/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "certstore/keeper/keeper_state.h"

/* Who may ask, decided before a body is decoded (channel.h); and what works without a store. */
enum keeper_verb_flags {
	KEEPER_ENGINE = 1,
	KEEPER_FRONT = 2,
	KEEPER_STORELESS = 4,
};

/*
 * Every verb of the keeper, once: its type of ipc.proto, who answers it, its flags. A certificate
 * is public, and what a check of a binding needs.
 */
#define KEEPER_VERBS(ROW)                                                                          \
	ROW(KEEPER_STATUS, keeper_on_status, KEEPER_ENGINE)                                        \
	ROW(TERM_PERSIST, keeper_on_term_persist, KEEPER_ENGINE)                                   \
	ROW(IMPORT, keeper_on_import, KEEPER_ENGINE)                                               \
	ROW(EXPORT, keeper_on_export, KEEPER_ENGINE)                                               \
	ROW(REMOVE, keeper_on_remove, KEEPER_ENGINE)                                               \
	ROW(LIST, keeper_on_list, KEEPER_ENGINE)                                                   \
	ROW(FALLBACK_MAKE, keeper_on_fallback_make, KEEPER_ENGINE)                                 \
	ROW(FAILOVER_KEY_SET, keeper_on_failover_key_set, KEEPER_ENGINE)                           \
	ROW(FAILOVER_KEY_MAKE, keeper_on_failover_key_make, KEEPER_ENGINE)                         \
	ROW(LINK_KEYS, keeper_on_link_keys, KEEPER_ENGINE)                                         \
	ROW(REKEY, keeper_on_rekey, KEEPER_ENGINE)                                                 \
	ROW(SECURITY, keeper_on_security, KEEPER_ENGINE)                                           \
	ROW(MASTER_KEY, keeper_on_master_key, KEEPER_ENGINE)                                       \
	ROW(RESUMPTION, keeper_on_resumption, KEEPER_ENGINE)                                       \
	ROW(CRL_IMPORT, keeper_on_crl_import, KEEPER_ENGINE)                                       \
	ROW(CRL_DROP, keeper_on_crl_drop, KEEPER_ENGINE)                                           \
	ROW(CRL_LIST, keeper_on_crl_list, KEEPER_ENGINE)                                           \
	ROW(CRL_GET, keeper_on_crl_get, KEEPER_ENGINE)                                             \
	ROW(CRL_COMPARE, keeper_on_crl_compare, KEEPER_ENGINE)                                     \
	ROW(CRL_TAKE, keeper_on_crl_take, KEEPER_ENGINE)                                           \
	ROW(STAPLE_IMPORT, keeper_on_staple_import, KEEPER_ENGINE)                                 \
	ROW(STAPLE_DROP, keeper_on_staple_drop, KEEPER_ENGINE)                                     \
	ROW(STAPLE_LIST, keeper_on_staple_list, KEEPER_ENGINE)                                     \
	ROW(STAPLE_GET, keeper_on_staple_get, KEEPER_ENGINE)                                       \
	ROW(STAPLE_COMPARE, keeper_on_staple_compare, KEEPER_ENGINE)                               \
	ROW(STAPLE_TAKE, keeper_on_staple_take, KEEPER_ENGINE)                                     \
	ROW(LOGIN_SEAL, keeper_on_login_seal, KEEPER_ENGINE)                                       \
	ROW(PAIR_OFFER, keeper_on_pair_offer, KEEPER_ENGINE)                                       \
	ROW(PAIR_JOIN, keeper_on_pair_join, KEEPER_ENGINE)                                         \
	ROW(PAIR_ACCEPT, keeper_on_pair_accept, KEEPER_ENGINE)                                     \
	ROW(FILE_WRITE, keeper_on_file_write, KEEPER_ENGINE | KEEPER_STORELESS)                    \
	ROW(REPLICA_OPEN, keeper_on_replica_open, KEEPER_ENGINE)                                   \
	ROW(REPLICA_MANIFEST, keeper_on_replica_manifest, KEEPER_ENGINE)                           \
	ROW(REPLICA_NEXT, keeper_on_replica_next, KEEPER_ENGINE)                                   \
	ROW(REPLICA_CLOSE, keeper_on_replica_close, KEEPER_ENGINE)                                 \
	ROW(STAGE_OPEN, keeper_on_stage_open, KEEPER_ENGINE)                                       \
	ROW(MANIFEST_NEXT, keeper_on_manifest_next, KEEPER_ENGINE)                                 \
	ROW(STAGE_ITEMS, keeper_on_stage_items, KEEPER_ENGINE)                                     \
	ROW(STAGE_COMMIT, keeper_on_stage_commit, KEEPER_ENGINE)                                   \
	ROW(STAGE_CLOSE, keeper_on_stage_close, KEEPER_ENGINE)                                     \
	ROW(ORPHAN_KEEP, keeper_on_orphan_keep, KEEPER_ENGINE)                                     \
	ROW(ORPHAN_RESTORE, keeper_on_orphan_restore, KEEPER_ENGINE)                               \
	ROW(ORPHAN_DROP, keeper_on_orphan_drop, KEEPER_ENGINE)                                     \
	ROW(STORE_ACCEPT, keeper_on_store_accept, KEEPER_ENGINE)                                   \
	ROW(LOCALCA_CREATE, keeper_on_localca_create, KEEPER_ENGINE)                               \
	ROW(LOCALCA_ISSUE, keeper_on_localca_issue, KEEPER_ENGINE)                                 \
	ROW(LOCALCA_LIST, keeper_on_localca_list, KEEPER_ENGINE)                                   \
	ROW(LOCALCA_MARKS, keeper_on_localca_marks, KEEPER_ENGINE)                                 \
	ROW(GENERATIONS, keeper_on_generations, KEEPER_ENGINE)                                     \
	ROW(ROLLBACK, keeper_on_rollback, KEEPER_ENGINE)                                           \
	ROW(HISTORY_KEEP, keeper_on_history_keep, KEEPER_ENGINE)                                   \
	ROW(HISTORY_GET, keeper_on_history_get, KEEPER_ENGINE)                                     \
	ROW(PROVE, keeper_on_prove, KEEPER_ENGINE)                                                 \
	ROW(BACKUP, keeper_on_backup, KEEPER_ENGINE)                                               \
	ROW(RESTORE, keeper_on_restore, KEEPER_ENGINE)                                             \
	ROW(RESTORE_COMMIT, keeper_on_restore_commit, KEEPER_ENGINE)                               \
	ROW(RESTORE_CLOSE, keeper_on_restore_close, KEEPER_ENGINE)                                 \
	ROW(CERTIFICATE, keeper_on_certificate, KEEPER_ENGINE | KEEPER_FRONT)                      \
	ROW(SIGN, keeper_on_sign, KEEPER_FRONT)

#define KEEPER_DECLARE(type, handler, flags)                                                       \
	void handler(struct keeper *keeper, const struct keeper_ticket *ticket,                    \
		     struct ipc_frame *frame, const ProtobufCMessage *body);
KEEPER_VERBS(KEEPER_DECLARE)
#undef KEEPER_DECLARE
