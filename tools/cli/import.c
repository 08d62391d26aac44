/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/import.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tools/cli/identity.h"
#include "tools/cli/passphrase.h"
#include "tools/cli/terminal.h"
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

int cli_print_replication(struct cli *cli, struct json_object *result, bool is_dry_run)
{
	if (!cli->is_json && !is_dry_run && !view_flag(result, "unchanged") &&
	    !*view_text(view_object(result, "trustpoint"), "kept_home"))
		print_replication(&cli->screen, result);
	return is_degraded(result) ? CLI_DEGRADED : CLI_OK;
}

static struct json_object *parameters_of(const struct grammar_match *match, bool is_ca)
{
	struct json_object *parameters = cli_object("name", cli_word(match, "name"));
	const char *friendly_name = cli_word(match, "friendly-name");

	if (cli_set(parameters, "replace", json_object_new_boolean(cli_has(match, "replace"))) &&
	    cli_set(parameters, "dry_run", json_object_new_boolean(cli_has(match, "dry-run"))) &&
	    cli_set(parameters, "ca", json_object_new_boolean(is_ca)) &&
	    cli_set(parameters, "allow_no_mac",
		    json_object_new_boolean(cli_has(match, "no-mac"))) &&
	    cli_set(parameters, "friendly_name",
		    json_object_new_string(friendly_name ? friendly_name : "")) &&
	    cli_set(parameters, "wait_standby",
		    json_object_new_boolean(cli_has(match, "wait-standby"))) &&
	    cli_set(parameters, "non_exportable",
		    json_object_new_boolean(cli_has(match, "non-exportable"))))
		return parameters;
	(void)json_object_put(parameters);
	return NULL;
}

/* On an ASA the word behind `pkcs12` is the passphrase, and the file is pasted. */
static bool is_asa_passphrase(const struct grammar_match *match, const char *word)
{
	static const char *const endings[] = {".p12", ".pfx", ".pem"};
	size_t length = strlen(word);

	if (!match->row->is_alias || strcmp(word, "-") == 0 || strchr(word, '/') ||
	    access(word, F_OK) == 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		if (length > 4 && strcasecmp(word + length - 4, endings[i]) == 0)
			return false;
	}
	return true;
}

static int open_passphrase(struct cli *cli, const struct grammar_match *match, const char *file,
			   const struct import_input *input, int *ret_fd)
{
	const char *from = cli_word(match, "passphrase-file");
	char question[160];
	int error;

	if (!from && !input->is_encrypted) {
		error = memory_file_new("", 0, ret_fd);
		return error ? cli_fail(cli, CLI_FAILED, "cannot make a memory file: %s",
					err_text(error))
			     : CLI_OK;
	}
	(void)snprintf(question, sizeof(question), "Passphrase of %.120s",
		       file && strcmp(file, "-") != 0 ? file : "the PKCS#12");
	return passphrase_open(cli,
			       &(struct passphrase_source){.file = from,
							   .what = question,
							   .is_input_taken = input->is_input_taken},
			       ret_fd);
}

static int open_inputs(struct cli *cli, const struct grammar_match *match, int fds[static 2])
{
	struct import_source source = {
		.file = cli_word(match, "file"), .key = cli_word(match, "key"), .what = "pkcs12"};
	const char *passphrase = NULL;
	struct import_input input = {.fd = -1};
	int code, error;

	if (source.file && is_asa_passphrase(match, source.file)) {
		passphrase = source.file;
		source.file = NULL;
	}
	code = import_input_open(cli, &source, &input);
	fds[0] = input.fd;
	if (code)
		return code;
	if (!passphrase)
		return open_passphrase(cli, match, source.file, &input, &fds[1]);
	error = memory_file_new(passphrase, strlen(passphrase), &fds[1]);
	return error ? cli_fail(cli, CLI_FAILED, "cannot pass the passphrase: %s", err_text(error))
		     : CLI_OK;
}

static int import(struct cli *cli, const struct grammar_match *match, bool is_ca, const int *fds,
		  size_t n_fds)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	bool is_dry_run = cli_has(match, "dry-run");
	int code = cli_change(cli,
			      &(struct cli_request){.method = "asafo.Import",
						    .parameters = parameters_of(match, is_ca),
						    .fds = fds,
						    .n_fds = n_fds},
			      &result);

	if (code)
		return code;
	if (!cli->is_json)
		print_stored(&cli->screen, result, is_dry_run);
	return cli_print_replication(cli, result, is_dry_run);
}

int verb_import(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_close_ int file = -1, passphrase = -1;
	int fds[2] = {-1, -1};
	int code = open_inputs(cli, match, fds);

	file = fds[0];
	passphrase = fds[1];
	return code ? code : import(cli, match, false, fds, 2);
}

int verb_authenticate(struct cli *cli, const struct grammar_match *match)
{
	struct import_source source = {.file = cli_word(match, "file"), .what = "CA certificate"};
	struct import_input input = {.fd = -1};
	int code = import_input_open(cli, &source, &input);
	_cleanup_close_ int fd = input.fd;

	return code ? code : import(cli, match, true, &fd, 1);
}
