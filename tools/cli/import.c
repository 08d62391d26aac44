/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/identity.h"
#include "tools/cli/passphrase.h"
#include "tools/cli/verb.h"

static void print_stored(const struct screen *screen, struct json_object *result, bool is_dry_run)
{
	struct json_object *trustpoint = view_object(result, "trustpoint");
	const char *name = view_text(trustpoint, "name");

	if (is_dry_run)
		screen_style(screen, SCREEN_BOLD,
			     "Trustpoint %s could be imported; nothing was stored", name);
	else if (view_flag(result, "unchanged"))
		screen_style(screen, SCREEN_BOLD,
			     "Trustpoint %s holds this certificate already; nothing was changed",
			     name);
	else
		screen_style(screen, SCREEN_BOLD, "Imported trustpoint %s, generation %" PRId64,
			     name, view_number(trustpoint, "generation", 1));
	screen_print(screen, "\n");
	identity_print(screen, trustpoint);
}

/* The mate should have it by now, and has not. A daemon that doesn't say so says "queued". */
static bool is_degraded(struct json_object *result)
{
	if (view_has(result, "degraded"))
		return view_flag(result, "degraded");
	return strcmp(view_text(result, "replication"), "queued") == 0;
}

/* What the mate has of it. */
static void print_replication(const struct screen *screen, struct json_object *result)
{
	const char *mode = view_text(result, "replication");
	const char *sentence = view_text(result, "standby");

	if (is_degraded(result))
		screen_style(screen, SCREEN_WARN, "%s\n",
			     *sentence ? sentence
				       : "The standby does not have it yet; it is queued for it.");
	else if (*sentence)
		screen_style(screen, strcmp(mode, "off") == 0 ? SCREEN_WARN : SCREEN_PLAIN, "%s\n",
			     sentence);
	else if (strcmp(mode, "off") == 0)
		screen_style(screen, SCREEN_WARN,
			     "The standby does not have it: run asafo write-standby.\n");
}

static struct json_object *parameters_of(const struct grammar_match *match)
{
	struct json_object *parameters = cli_object("name", cli_word(match, "name"));

	if (cli_set(parameters, "replace", json_object_new_boolean(cli_has(match, "replace"))) &&
	    cli_set(parameters, "dry_run", json_object_new_boolean(cli_has(match, "dry-run"))) &&
	    cli_set(parameters, "allow_no_mac",
		    json_object_new_boolean(cli_has(match, "no-mac"))) &&
	    cli_set(parameters, "non_exportable",
		    json_object_new_boolean(cli_has(match, "non-exportable"))))
		return parameters;
	(void)json_object_put(parameters);
	return NULL;
}

static int open_inputs(struct cli *cli, const struct grammar_match *match, int fds[static 2])
{
	const char *file = cli_word(match, "file");
	char question[160];
	int code = input_file_open(cli, file, &fds[0]);

	if (code)
		return code;
	(void)snprintf(question, sizeof(question), "Passphrase of %.120s",
		       strcmp(file, "-") == 0 ? "the PKCS#12" : file);
	return passphrase_open(cli,
			       &(struct passphrase_source){
				       .file = cli_word(match, "passphrase-file"),
				       .what = question,
				       .is_input_taken = strcmp(file, "-") == 0,
			       },
			       &fds[1]);
}

int verb_import(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	_cleanup_close_ int file = -1, passphrase = -1;
	int fds[2] = {-1, -1};
	int code = open_inputs(cli, match, fds);

	file = fds[0];
	passphrase = fds[1];
	if (!code)
		code = cli_call(cli,
				&(struct cli_request){.method = "asafo.Import",
						      .parameters = parameters_of(match),
						      .fds = fds,
						      .n_fds = 2},
				&result);
	if (code)
		return code;
	cli_print_warnings(cli, result);
	if (cli->is_json) {
		cli_print_json(cli, result);
	} else {
		print_stored(&cli->screen, result, cli_has(match, "dry-run"));
		if (!cli_has(match, "dry-run") && !view_flag(result, "unchanged") &&
		    !*view_text(view_object(result, "trustpoint"), "kept_home"))
			print_replication(&cli->screen, result);
	}
	return is_degraded(result) ? CLI_DEGRADED : CLI_OK;
}
