/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tools/cli/cli.h"

/* One verb a file. Each gets its line as the command table understood it, and returns an exit code.
 */
typedef int (*verb_fn)(struct cli *cli, const struct grammar_match *match);

int verb_backup(struct cli *cli, const struct grammar_match *match);
int verb_restore(struct cli *cli, const struct grammar_match *match);
int verb_bind(struct cli *cli, const struct grammar_match *match);
int verb_check(struct cli *cli, const struct grammar_match *match);
int verb_check_config(struct cli *cli, const struct grammar_match *match);
int verb_export(struct cli *cli, const struct grammar_match *match);
int verb_clear_statistics(struct cli *cli, const struct grammar_match *match);
int verb_failover(struct cli *cli, const struct grammar_match *match);
int verb_failover_reset(struct cli *cli, const struct grammar_match *match);
int verb_maintenance(struct cli *cli, const struct grammar_match *match);
int verb_reload_standby(struct cli *cli, const struct grammar_match *match);
int verb_import(struct cli *cli, const struct grammar_match *match);
int verb_localca_create(struct cli *cli, const struct grammar_match *match);
int verb_localca_issue(struct cli *cli, const struct grammar_match *match);
int verb_localca_list(struct cli *cli, const struct grammar_match *match);
int verb_pair(struct cli *cli, const struct grammar_match *match);
int verb_pair_key(struct cli *cli, const struct grammar_match *match);
int verb_show_security(struct cli *cli, const struct grammar_match *match);
int verb_crl_import(struct cli *cli, const struct grammar_match *match);
int verb_crl_remove(struct cli *cli, const struct grammar_match *match);
int verb_show_crls(struct cli *cli, const struct grammar_match *match);
int verb_ocsp_import(struct cli *cli, const struct grammar_match *match);
int verb_ocsp_remove(struct cli *cli, const struct grammar_match *match);
int verb_session_tickets_rotate(struct cli *cli, const struct grammar_match *match);
int verb_master_key(struct cli *cli, const struct grammar_match *match);
int verb_rekey(struct cli *cli, const struct grammar_match *match);
int verb_remove(struct cli *cli, const struct grammar_match *match);
int verb_show_certificates(struct cli *cli, const struct grammar_match *match);
int verb_show_diff(struct cli *cli, const struct grammar_match *match);
int verb_show_config(struct cli *cli, const struct grammar_match *match);
int verb_show_failover_interface(struct cli *cli, const struct grammar_match *match);
int verb_show_failover(struct cli *cli, const struct grammar_match *match);
int verb_show_history(struct cli *cli, const struct grammar_match *match);
int verb_show_redundancy(struct cli *cli, const struct grammar_match *match);
int verb_show_monitor_interface(struct cli *cli, const struct grammar_match *match);
int verb_orphans_restore(struct cli *cli, const struct grammar_match *match);
int verb_orphans_drop(struct cli *cli, const struct grammar_match *match);
/* What the mate has of an import or a rollback, for people, and the exit code that says so. */
int cli_print_replication(struct cli *cli, struct json_object *result, bool is_dry_run);
int verb_authenticate(struct cli *cli, const struct grammar_match *match);
int verb_history(struct cli *cli, const struct grammar_match *match);
int verb_rollback(struct cli *cli, const struct grammar_match *match);
int verb_show_orphans(struct cli *cli, const struct grammar_match *match);
int verb_show_ssl(struct cli *cli, const struct grammar_match *match);
int verb_show_statistics(struct cli *cli, const struct grammar_match *match);
int verb_show_state(struct cli *cli, const struct grammar_match *match);
int verb_show_track(struct cli *cli, const struct grammar_match *match);
int verb_show_trustpoints(struct cli *cli, const struct grammar_match *match);
int verb_show_version(struct cli *cli, const struct grammar_match *match);
int verb_show_vpn_sessions(struct cli *cli, const struct grammar_match *match);
int verb_totp(struct cli *cli, const struct grammar_match *match);
int verb_vpn_logoff(struct cli *cli, const struct grammar_match *match);
int verb_verify(struct cli *cli, const struct grammar_match *match);
int verb_why(struct cli *cli, const struct grammar_match *match);
int verb_write_memory(struct cli *cli, const struct grammar_match *match);
int verb_write_standby(struct cli *cli, const struct grammar_match *match);

/* These take words that are no command's: lines, and what is not finished yet. */
/* The options before the command that begin with PARTIAL; the place of a file's name. */
int verb_complete_options(struct cli *cli, const char *partial);
int verb_complete_file(struct cli *cli);
int verb_complete(struct cli *cli, const struct grammar *grammar, int n, char **words);
int verb_configure(struct cli *cli, int n, char **lines);
/* What may follow WORDS, of which the last is being typed; the `?` of an ASA. MODE: of a command,
 * or of a line of the configuration. */
int verb_what_next(struct cli *cli, const struct grammar *grammar, enum command_mode mode, int n,
		   char **words);
/* All commands, or those that begin with WORDS. */
int verb_help(struct cli *cli, int n, char **words);
/* With how many of WORDS, at most, `asafo help` has something to say. */
int help_known(int n, char **words);
/* The help of the command that WORDS begin with, for `--help` behind it. */
int verb_help_of(struct cli *cli, int n, char **words);

/* Results as text. Errors: -ENOMEM. */
int render_certificates(const struct screen *screen, struct json_object *result);
int render_failover(const struct screen *screen, struct json_object *result);
int render_failover_interface(const struct screen *screen, struct json_object *result);
int render_history(const struct screen *screen, struct json_object *result);
int render_config(const struct screen *screen, struct json_object *result);
int render_localca(const struct screen *screen, struct json_object *result);
int render_redundancy(const struct screen *screen, struct json_object *result);
int render_monitor_interface(const struct screen *screen, struct json_object *result);
int render_generations(const struct screen *screen, struct json_object *result);
int render_orphans(const struct screen *screen, struct json_object *result);
int render_master_key(const struct screen *screen, struct json_object *result);
int render_security(const struct screen *screen, struct json_object *result);
int render_ssl(const struct screen *screen, struct json_object *result);
int render_statistics(const struct screen *screen, struct json_object *result);
int render_state(const struct screen *screen, struct json_object *result);
int render_track(const struct screen *screen, struct json_object *result);
int render_trustpoints(const struct screen *screen, struct json_object *result);
int render_verify(const struct screen *screen, struct json_object *result);
int render_vpn_sessions(const struct screen *screen, struct json_object *result);
int render_vpn_summary(const struct screen *screen, struct json_object *result);
int render_version(const struct screen *screen, struct json_object *result);
