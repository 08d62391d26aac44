/* SPDX-License-Identifier: Apache-2.0 */
/* `backup` and `restore`: a sealed file, on its way from the daemon and back. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "tools/cli/format.h"
#include "tools/cli/passphrase.h"
#include "tools/cli/terminal.h"
#include "tools/cli/verb.h"

#define BACKUP_BYTES_MAX (1024u * 1024 * 1024)

static const char *plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

static void warn_of_what_is_not_in_it(const struct cli *cli, struct json_object *result)
{
	int64_t home = view_number(result, "stays_home", 0);
	int64_t orphans = view_number(result, "orphans", 0);
	int64_t more =
		view_number(result, "left_out_count", 0) - (int64_t)view_count(result, "left_out");

	for (size_t i = 0; i < view_count(result, "left_out"); i++)
		screen_error(&cli->screen, cli->verb,
			     "%s is not in it: it may not be exported (--non-exportable takes it)",
			     view_item_text(result, "left_out", i));
	if (more > 0)
		screen_error(&cli->screen, cli->verb, "and %" PRId64 " others", more);
	if (home > 0)
		screen_error(&cli->screen, cli->verb,
			     "not in it: %" PRId64 " of this unit's own (--unit takes what stays "
			     "on this unit)",
			     home);
	if (orphans > 0)
		screen_error(&cli->screen, cli->verb,
			     "not in it: %" PRId64 " orphans (see `asafo show orphans`)", orphans);
}

/* On stdout there is the backup. */
static void print_backup(const struct cli *cli, const char *path, struct json_object *result)
{
	int64_t n = view_number(result, "trustpoints", 0);
	int64_t generations = view_number(result, "generations", 0);
	int64_t of_unit = view_number(result, "unit_items", 0);
	struct format_text size;

	if (strcmp(path, "-") == 0)
		return;
	if (cli->is_json) {
		cli_print_json(cli, result);
		return;
	}
	screen_print(&cli->screen,
		     "Backed up %" PRId64 " trustpoint%s and %" PRId64
		     " earlier generation%s to %s (%s)\n",
		     n, plural(n), generations, plural(generations), path,
		     format_bytes(view_number(result, "bytes", 0), &size));
	if (of_unit > 0)
		screen_print(&cli->screen, "and %" PRId64 " item%s of this unit's own\n", of_unit,
			     plural(of_unit));
}

int verb_backup(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	_cleanup_close_ int output = -1;
	const char *path = cli_word(match, "file");
	struct json_object *parameters = json_object_new_object();
	int code;

	if (!cli_set(parameters, "non_exportable",
		     json_object_new_boolean(cli_has(match, "non-exportable"))) ||
	    !cli_set(parameters, "unit", json_object_new_boolean(cli_has(match, "unit")))) {
		(void)json_object_put(parameters);
		return cli_fail(cli, CLI_FAILED, "out of memory");
	}
	code = output_file_call(
		cli, &(struct cli_request){.method = "asafo.Backup", .parameters = parameters},
		&(struct passphrase_source){
			.file = cli_word(match, "passphrase-file"),
			.what = "Passphrase to seal the backup with",
			.is_confirmed = true,
		},
		path, &output, &result);
	if (!code)
		code = output_file_store(cli, output, path);
	if (code)
		return code;
	warn_of_what_is_not_in_it(cli, result);
	print_backup(cli, path, result);
	return CLI_OK;
}

static void print_change(const struct screen *screen, struct json_object *change)
{
	const char *what = view_text(change, "change"), *name = view_text(change, "name");
	bool is_newer = strcmp(what, "newer") == 0;
	struct format_text here, there;

	(void)format_digest(view_text(change, "fingerprint"), 16, &there);
	(void)format_digest(view_text(change, "present_fingerprint"), 16, &here);
	if (strcmp(what, "add") == 0)
		screen_style(screen, SCREEN_GOOD, "+ %s, SHA-256 %s\n", name, there.text);
	else if (strcmp(what, "kept") == 0)
		screen_style(screen, SCREEN_WARN, "! %s is not restored: %s\n", name,
			     view_text(change, "why"));
	else
		screen_style(screen, is_newer ? SCREEN_WARN : SCREEN_PLAIN,
			     "%s %s, SHA-256 %s -> %s%s\n", is_newer ? "!" : "~", name, here.text,
			     there.text, is_newer ? ": the present one is newer" : "");
}

static void print_lines(const struct screen *screen, struct json_object *result)
{
	for (size_t i = 0; i < view_count(result, "lines_added"); i++)
		screen_style(screen, SCREEN_GOOD, "+ %s\n",
			     view_item_text(result, "lines_added", i));
	for (size_t i = 0; i < view_count(result, "lines_removed"); i++)
		screen_style(screen, SCREEN_BAD, "- %s\n",
			     view_item_text(result, "lines_removed", i));
}

static void print_counts(const struct screen *screen, struct json_object *result, bool is_dry_run)
{
	int64_t n_lines =
		(int64_t)(view_count(result, "lines_added") + view_count(result, "lines_removed"));
	int64_t n_issued = view_number(result, "issued", 0);

	screen_style(screen, SCREEN_BOLD,
		     "%s: %" PRId64 " added, %" PRId64 " renewed, %" PRId64
		     " in place of newer ones, %" PRId64 " the same; %" PRId64 " line%s changed\n",
		     view_flag(result, "unchanged") ? "Nothing to change"
		     : is_dry_run		    ? "Would be restored; nothing was stored"
						    : "Restored",
		     view_number(result, "added", 0), view_number(result, "replaced", 0),
		     view_number(result, "newer", 0), view_number(result, "same", 0), n_lines,
		     plural(n_lines));
	if (n_issued > 0)
		screen_print(screen, "and %" PRId64 " certificate%s on the local CA's list\n",
			     n_issued, plural(n_issued));
	if (n_lines > 0 && !is_dry_run)
		screen_print(screen, "The lines are in force; `asafo write memory` saves them\n");
}

static void print_restored(const struct cli *cli, struct json_object *result, bool is_dry_run)
{
	struct json_object *backup = view_object(result, "backup");
	const struct screen *screen = &cli->screen;
	struct format_text when;
	int64_t more = view_number(result, "added", 0) + view_number(result, "replaced", 0) +
		       view_number(result, "newer", 0) + view_number(result, "kept", 0) -
		       (int64_t)view_count(result, "changes");

	screen_print(screen, "Backup of %s, made on the %s unit at %s\n",
		     view_text(backup, "hostname"), view_text(backup, "unit"),
		     format_time(view_number(backup, "made_at", 0), &when));
	for (size_t i = 0; i < view_count(result, "changes"); i++)
		print_change(screen, view_item(result, "changes", i));
	if (more > 0)
		screen_print(screen, "  and %" PRId64 " others\n", more);
	print_lines(screen, result);
	print_counts(screen, result, is_dry_run);
	if (*view_text(result, "refusal"))
		screen_style(screen, SCREEN_WARN, "It would be refused: %s\n",
			     view_text(result, "refusal"));
	if (*view_text(result, "lines_failed"))
		screen_style(screen, SCREEN_BAD, "%s: %s\n",
			     is_dry_run ? "It would be refused" : "The lines were not applied",
			     view_text(result, "lines_failed"));
	if (*view_text(result, "standby"))
		screen_print(screen, "%s\n", view_text(result, "standby"));
}

static int open_backup(struct cli *cli, const char *path, int *ret_fd)
{
	static const struct input_kind kind = {"backup", BACKUP_BYTES_MAX, "ASAFOBAK"};
	_cleanup_(buf_done) struct buf content = {0};
	bool is_stdin = strcmp(path, "-") == 0;
	int code = is_stdin ? CLI_OK : input_file_read(cli, path, &kind, &content);
	int error = is_stdin ? io_read_all(cli->input, BACKUP_BYTES_MAX, &content) : 0;

	if (code)
		return code;
	if (!error)
		error = memory_file_new(content.data, content.size, ret_fd);
	return error ? cli_fail(cli, CLI_FAILED, "cannot read %s: %s", is_stdin ? "stdin" : path,
				err_text(error))
		     : CLI_OK;
}

static int show_restored(struct cli *cli, const struct grammar_match *match,
			 struct json_object *result)
{
	bool is_refused = *view_text(result, "refusal") || *view_text(result, "lines_failed");

	if (cli_has(match, "lines") && !cli->is_json) {
		screen_print(&cli->screen, "%s", view_text(view_object(result, "backup"), "lines"));
		return CLI_OK;
	}
	if (cli->is_json)
		cli_print_json(cli, result);
	else
		print_restored(cli, result, cli_has(match, "dry-run"));
	if (cli_has(match, "unit") && !cli_has(match, "dry-run") && !is_refused && !cli->is_json)
		screen_print(&cli->screen,
			     "No line of the backup was applied: those that are this unit's own "
			     "(--lines prints all) are typed again\n");
	return is_refused && !cli_has(match, "lines") ? CLI_FAILED
	       : view_flag(result, "degraded")	      ? CLI_DEGRADED
						      : CLI_OK;
}

int verb_restore(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	_cleanup_close_ int file = -1, passphrase = -1;
	const char *path = cli_word(match, "file");
	bool is_dry_run = cli_has(match, "dry-run") || cli_has(match, "lines");
	struct json_object *parameters = json_object_new_object();
	int code = open_backup(cli, path, &file);

	if (!cli_set(parameters, "dry_run", json_object_new_boolean(is_dry_run)) ||
	    !cli_set(parameters, "force", json_object_new_boolean(cli_has(match, "force"))) ||
	    !cli_set(parameters, "unit", json_object_new_boolean(cli_has(match, "unit"))) ||
	    !cli_set(parameters, "keep_config",
		     json_object_new_boolean(cli_has(match, "keep-config"))))
		code = cli_fail(cli, CLI_FAILED, "out of memory");
	if (!code)
		code = passphrase_open(cli,
				       &(struct passphrase_source){
					       .file = cli_word(match, "passphrase-file"),
					       .what = "Passphrase of the backup",
					       .is_input_taken = strcmp(path, "-") == 0,
				       },
				       &passphrase);
	if (code) {
		(void)json_object_put(parameters);
		return code;
	}
	code = cli_call(cli,
			&(struct cli_request){.method = "asafo.Restore",
					      .parameters = parameters,
					      .fds = (int[]){file, passphrase},
					      .n_fds = 2},
			&result);
	return code ? code : show_restored(cli, match, result);
}
