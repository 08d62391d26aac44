/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "certstore/store/record.pb-c.h"
#include "failover/methods/answer.h"

/* Every control method, once: its name, who may call it, its handler. */
#define METHODS(ROW)                                                                               \
	ROW("asafo.ShowFailover", LOOK, method_show_failover)                                      \
	ROW("asafo.ShowState", LOOK, method_show_state)                                            \
	ROW("asafo.ShowMonitorInterface", LOOK, method_show_monitor_interface)                     \
	ROW("asafo.ShowTrack", LOOK, method_show_track)                                            \
	ROW("asafo.ShowHistory", LOOK, method_show_history)                                        \
	ROW("asafo.ShowFailoverInterface", LOOK, method_show_failover_interface)                   \
	ROW("asafo.ShowFailoverStatistics", LOOK, method_show_failover_statistics)                 \
	ROW("asafo.ShowRedundancy", LOOK, method_show_redundancy)                                  \
	ROW("asafo.ShowTrustpoints", LOOK, method_show_trustpoints)                                \
	ROW("asafo.ShowCertificates", LOOK, method_show_certificates)                              \
	ROW("asafo.OrphansRestore", CHANGE, method_orphans_restore)                                \
	ROW("asafo.OrphansDrop", CHANGE, method_orphans_drop)                                      \
	ROW("asafo.TrustpointHistory", LOOK, method_trustpoint_history)                            \
	ROW("asafo.ShowOrphans", LOOK, method_show_orphans)                                        \
	ROW("asafo.ShowSsl", LOOK, method_show_ssl)                                                \
	ROW("asafo.ShowRunningConfig", LOOK, method_show_running_config)                           \
	ROW("asafo.ShowStartupConfig", LOOK, method_show_startup_config)                           \
	ROW("asafo.ShowVpnSessions", LOOK, method_show_vpn_sessions)                               \
	ROW("asafo.VpnLogoff", CHANGE, method_vpn_logoff)                                          \
	ROW("asafo.Verify", LOOK, method_verify)                                                   \
	ROW("asafo.Why", LOOK, method_why)                                                         \
	ROW("asafo.Prove", LOOK, method_prove)                                                     \
	ROW("asafo.ShowVersion", LOOK, method_show_version)                                        \
	ROW("asafo.Healthz", LOOK, method_healthz)                                                 \
	ROW("asafo.Configure", CHANGE, method_configure)                                           \
	ROW("asafo.Bind", CHANGE, method_bind)                                                     \
	ROW("asafo.Unbind", CHANGE, method_unbind)                                                 \
	ROW("asafo.Import", CHANGE, method_import)                                                 \
	ROW("asafo.Export", CHANGE, method_export)                                                 \
	ROW("asafo.Remove", CHANGE, method_remove)                                                 \
	ROW("asafo.Rollback", CHANGE, method_rollback)                                             \
	ROW("asafo.WriteStandby", CHANGE, method_write_standby)                                    \
	ROW("asafo.WriteMemory", CHANGE, method_write_memory)                                      \
	ROW("asafo.FailoverActive", CHANGE, method_failover_active)                                \
	ROW("asafo.FailoverStandby", CHANGE, method_failover_standby)                              \
	ROW("asafo.FailoverCheck", LOOK, method_failover_check)                                    \
	ROW("asafo.FailoverExec", LOOK, method_failover_exec)                                      \
	ROW("asafo.Maintenance", CHANGE, method_maintenance)                                       \
	ROW("asafo.ReloadStandby", CHANGE, method_reload_standby)                                  \
	ROW("asafo.Reload", CHANGE, method_reload)                                                 \
	ROW("asafo.ClearStatistics", CHANGE, method_clear_statistics)                              \
	ROW("asafo.FailoverReset", CHANGE, method_failover_reset)                                  \
	ROW("asafo.PairOffer", CHANGE, method_pair_offer)                                          \
	ROW("asafo.PairJoin", CHANGE, method_pair_join)                                            \
	ROW("asafo.ShowSecurity", LOOK, method_show_security)                                      \
	ROW("asafo.MasterKey", CHANGE, method_master_key)                                          \
	ROW("asafo.Totp", CHANGE, method_totp)                                                     \
	ROW("asafo.SessionTicketsRotate", CHANGE, method_session_tickets_rotate)                   \
	ROW("asafo.CrlImport", CHANGE, method_crl_import)                                          \
	ROW("asafo.CrlRemove", CHANGE, method_crl_remove)                                          \
	ROW("asafo.ShowCrls", LOOK, method_show_crls)                                              \
	ROW("asafo.OcspImport", CHANGE, method_ocsp_import)                                        \
	ROW("asafo.OcspRemove", CHANGE, method_ocsp_remove)                                        \
	ROW("asafo.Rekey", CHANGE, method_rekey)                                                   \
	ROW("asafo.Backup", CHANGE, method_backup)                                                 \
	ROW("asafo.Restore", CHANGE, method_restore)                                               \
	ROW("asafo.LocalCaCreate", CHANGE, method_localca_create)                                  \
	ROW("asafo.LocalCaIssue", CHANGE, method_localca_issue)                                    \
	ROW("asafo.LocalCaList", LOOK, method_localca_list)

#define METHOD_DECLARE(name, access, handler)                                                      \
	void handler(struct control_call *call, struct json_object *parameters, void *userdata);
METHODS(METHOD_DECLARE)
#undef METHOD_DECLARE

/* What one file of handlers has for another. */

void json_add_address(struct json_object *object, const char *key,
		      const struct config_address *address);
struct json_object *json_interfaces(const struct engine *engine);
/* Why this unit is where it is, in words beyond the machine's reason; empty: nothing. Borrowed. */
const char *engine_trouble(const struct engine *engine);
/* All that somebody should mend, the most pressing first. */
struct json_object *json_troubles(const struct engine *engine);
/* "inside: Failed", of each monitored interface that does not work; "track 2: Down". */
void json_add_failures(const struct engine *engine, struct json_object *array);
/* The ways that hellos take. */
struct json_object *json_paths(const struct engine *engine);
/* The preferred link to the mate; all of them. */
struct json_object *json_logical_update(const struct engine *engine);
/* The mate's wall clock beside ours. */
struct json_object *json_clock(const struct engine *engine);
struct json_object *json_failover_link(const struct engine *engine);
struct json_object *json_links(const struct engine *engine);
/* The failover key and how far a rekey is (methods_rekey.c). */
struct json_object *json_failover_key(const struct engine *engine);
/* Adds what is wrong with a bound record.TrustpointPublic, in sentences. */
void json_add_use(const struct engine *engine, const ProtobufCBinaryData *public_part,
		  struct json_object *array);
/* A record.TrustpointPublic as JSON; NULL if the bytes are not one. */
struct json_object *json_trustpoint(const struct engine *engine,
				    const ProtobufCBinaryData *public_part, bool is_replicated);

/* That the mate is lost, or never came, and what that means; false: it is heard, or not looked for.
 */
bool mate_trouble(const struct engine *engine, struct why *ret_why);

/* What maintenance, of either unit or of both, comes to; "": none is. */
const char *maintenance_trouble(const struct engine *engine);

/* Where NAME is bound. */
struct json_object *json_bound_to(const struct config *config, const char *name);
/* The key of session tickets, on both units. */
struct json_object *json_session_tickets(const struct engine *engine);

/* The OCSP staple of a leaf; NULL: there is none. */
struct json_object *json_staple(const struct engine *engine,
				const Asafo__Record__TrustpointPublic *part);
/* How `ocsp fetch` of the trustpoint NAME goes; NULL: it has no such line. */
struct json_object *json_fetched(const struct engine *engine, const char *name);
/* All of them, on both units. */
struct json_object *json_staples(const struct engine *engine);

/* methods_store.c: asks the keeper. Takes the call's descriptors; they are closed when this
 * returns, the keeper has its own copies then. On failure the call was answered. */
int waiting_forward(struct waiting *waiting, enum ipc_type type, const ProtobufCMessage *message,
		    size_t n_fds_min, ipc_reply_fn on_reply);
/* The same with another USERDATA for ON_REPLY. */
int waiting_forward_for(struct waiting *waiting, enum ipc_type type,
			const ProtobufCMessage *message, size_t n_fds_min, ipc_reply_fn on_reply,
			void *userdata);
/* What is said of the mate's part in a change. */
void waiting_describe_replication(struct waiting *waiting, const char *state, const char *standby);
/* NAME has the line `scope unit`. */
bool trustpoint_is_of_unit(const struct engine *engine, const char *name);
/* The store moved to POSITION by this call: answers when the mate has it as the mode of import-time
 * replication wants. */
void waiting_replicate(struct waiting *waiting, const struct engine_position *position);

/* Applies lines to a copy of the running-config, checks it, swaps it and sends it to the mate.
 * Fails with a sentence. */
/* *RET_IS_LOST (may be NULL): it was taken on a standby without config-lock, and the next lines of
 * the active replace it. */
int configure_text(struct engine *engine, const char *text, bool *ret_is_lost, struct why *ret_why);
/* Whether configure_text would take it now; fails with its sentence. */
int configure_check(const struct engine *engine, const char *text, struct why *ret_why);
/* For lines that follow from what the keeper has done: a backup that is being restored does not
 * keep them waiting, since it finds the store changed and gives itself up. */
int configure_follow(struct engine *engine, const char *text, struct why *ret_why);
