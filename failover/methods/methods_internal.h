/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "certstore/record.pb-c.h"
#include "failover/methods/methods.h"

/* A call that waits for the keeper or the mate. */
struct waiting {
	struct engine *engine;
	struct control_call *call;
	struct json_object *result; /* grows while answers come in */
	char name[CONFIG_NAME_MAX];
	char after[CONFIG_NAME_MAX]; /* list: the page begins behind this name */
	bool is_removal, is_rollback;
	bool is_waited;	  /* import: for the standby, whatever the mode */
	bool is_changing; /* import, remove: not a dry run; list: with the PEM texts */
};

/* NULL when out of memory: the call was failed then. */
struct waiting *waiting_new(struct engine *engine, struct control_call *call);
void waiting_free(struct waiting *waiting);
/* Answers with an error and frees. */
void waiting_fail(struct waiting *waiting, int code, const char *why);
/* Answers with what was gathered and frees. */
void waiting_reply(struct waiting *waiting);
/* Fails and frees where CODE or STATUS is an error, or the engine is going. Returns true to go on.
 */
bool waiting_goes_on(struct waiting *waiting, int code, const Asafo__Ipc__Status *status);

/* methods_store.c: asks the keeper. Takes the call's descriptors; they are closed when this
 * returns, the keeper has its own copies then. On failure the call was answered. */
int waiting_forward(struct waiting *waiting, enum ipc_type type, const ProtobufCMessage *message,
		    size_t n_fds_min, ipc_reply_fn on_reply);
/* The same with another USERDATA for ON_REPLY. */
int waiting_forward_for(struct waiting *waiting, enum ipc_type type,
			const ProtobufCMessage *message, size_t n_fds_min, ipc_reply_fn on_reply,
			void *userdata);
/* The store moved to POSITION by this call: answers when the mate has it as the mode of import-time
 * replication wants. */
void waiting_replicate(struct waiting *waiting, const struct engine_position *position);

const char *parameter_text(struct json_object *parameters, const char *key);
bool parameter_flag(struct json_object *parameters, const char *key);
int64_t parameter_number(struct json_object *parameters, const char *key, int64_t fallback);
/* Fails the call and returns false where the unit is not active. */
bool require_active(struct engine *engine, struct control_call *call);

void json_add_text(struct json_object *object, const char *key, const char *value);
void json_add_number(struct json_object *object, const char *key, int64_t value);
void json_add_flag(struct json_object *object, const char *key, bool value);
/* A number with three decimals, and no more. */
void json_add_thousandths(struct json_object *object, const char *key, uint64_t thousandths);
void json_add_hex(struct json_object *object, const char *key, const uint8_t *data, size_t size);
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
struct json_object *json_position(const struct engine_position *position);
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

/* Handlers, by file. */
void method_show_vpn_sessions(struct control_call *call, struct json_object *parameters,
			      void *userdata);
void method_vpn_logoff(struct control_call *call, struct json_object *parameters, void *userdata);
void method_verify(struct control_call *call, struct json_object *parameters, void *userdata);
void method_why(struct control_call *call, struct json_object *parameters, void *userdata);
void method_prove(struct control_call *call, struct json_object *parameters, void *userdata);
void method_show_failover(struct control_call *call, struct json_object *parameters,
			  void *userdata);
void method_show_state(struct control_call *call, struct json_object *parameters, void *userdata);
void method_show_monitor_interface(struct control_call *call, struct json_object *parameters,
				   void *userdata);
void method_show_track(struct control_call *call, struct json_object *parameters, void *userdata);
void method_show_history(struct control_call *call, struct json_object *parameters, void *userdata);
void method_show_failover_interface(struct control_call *call, struct json_object *parameters,
				    void *userdata);
void method_show_failover_statistics(struct control_call *call, struct json_object *parameters,
				     void *userdata);
void method_show_redundancy(struct control_call *call, struct json_object *parameters,
			    void *userdata);
void method_show_orphans(struct control_call *call, struct json_object *parameters, void *userdata);
void method_orphans_restore(struct control_call *call, struct json_object *parameters,
			    void *userdata);
void method_orphans_drop(struct control_call *call, struct json_object *parameters, void *userdata);
void method_show_ssl(struct control_call *call, struct json_object *parameters, void *userdata);
void method_show_running_config(struct control_call *call, struct json_object *parameters,
				void *userdata);
void method_show_startup_config(struct control_call *call, struct json_object *parameters,
				void *userdata);
void method_show_version(struct control_call *call, struct json_object *parameters, void *userdata);
void method_healthz(struct control_call *call, struct json_object *parameters, void *userdata);
void method_show_trustpoints(struct control_call *call, struct json_object *parameters,
			     void *userdata);
void method_show_certificates(struct control_call *call, struct json_object *parameters,
			      void *userdata);
void method_configure(struct control_call *call, struct json_object *parameters, void *userdata);
void method_bind(struct control_call *call, struct json_object *parameters, void *userdata);
void method_unbind(struct control_call *call, struct json_object *parameters, void *userdata);
void method_import(struct control_call *call, struct json_object *parameters, void *userdata);
void method_export(struct control_call *call, struct json_object *parameters, void *userdata);
void method_rollback(struct control_call *call, struct json_object *parameters, void *userdata);
void method_trustpoint_history(struct control_call *call, struct json_object *parameters,
			       void *userdata);
void method_remove(struct control_call *call, struct json_object *parameters, void *userdata);
void method_write_standby(struct control_call *call, struct json_object *parameters,
			  void *userdata);
void method_write_memory(struct control_call *call, struct json_object *parameters, void *userdata);
void method_failover_active(struct control_call *call, struct json_object *parameters,
			    void *userdata);
void method_failover_standby(struct control_call *call, struct json_object *parameters,
			     void *userdata);
void method_failover_check(struct control_call *call, struct json_object *parameters,
			   void *userdata);
void method_failover_exec(struct control_call *call, struct json_object *parameters,
			  void *userdata);
void method_maintenance(struct control_call *call, struct json_object *parameters, void *userdata);
void method_reload_standby(struct control_call *call, struct json_object *parameters,
			   void *userdata);
void method_reload(struct control_call *call, struct json_object *parameters, void *userdata);
void method_clear_statistics(struct control_call *call, struct json_object *parameters,
			     void *userdata);
void method_failover_reset(struct control_call *call, struct json_object *parameters,
			   void *userdata);
void method_pair_offer(struct control_call *call, struct json_object *parameters, void *userdata);
void method_pair_join(struct control_call *call, struct json_object *parameters, void *userdata);
void method_show_security(struct control_call *call, struct json_object *parameters,
			  void *userdata);
void method_master_key(struct control_call *call, struct json_object *parameters, void *userdata);
void method_session_tickets_rotate(struct control_call *call, struct json_object *parameters,
				   void *userdata);
/* The key of session tickets, on both units. */
struct json_object *json_session_tickets(const struct engine *engine);
void method_rekey(struct control_call *call, struct json_object *parameters, void *userdata);
void method_backup(struct control_call *call, struct json_object *parameters, void *userdata);
void method_restore(struct control_call *call, struct json_object *parameters, void *userdata);
void method_localca_create(struct control_call *call, struct json_object *parameters,
			   void *userdata);
void method_localca_issue(struct control_call *call, struct json_object *parameters,
			  void *userdata);
void method_localca_list(struct control_call *call, struct json_object *parameters, void *userdata);

/* Applies lines to a copy of the running-config, checks it, swaps it and sends it to the mate.
 * Fails with a sentence. */
/* *RET_IS_LOST (may be NULL): it was taken on a standby without config-lock, and the next lines of
 * the active replace it. */
int configure_text(struct engine *engine, const char *text, bool *ret_is_lost, struct why *ret_why);
/* The row of the table, NULL: there is none. */
const struct control_method *methods_find(const char *name);
/* role.c: waits for a role. */
int role_waits_new(struct engine *engine, struct methods **ret_methods);
