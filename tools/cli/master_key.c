/* SPDX-License-Identifier: Apache-2.0 */
/*
 * master-key: another one, or the same one elsewhere. A credential is made by root with
 * systemd-creds, which the daemon cannot do: what is left to type is printed, to be pasted.
 */
#include <string.h>
#include <unistd.h>

#include "tools/cli/verb.h"

#define CREDENTIAL "/etc/credstore.encrypted/asafo.master-key"
#define DROP_IN_FOLDER "/etc/systemd/system/asafo.service.d"
#define DROP_IN DROP_IN_FOLDER "/master-key.conf"
/* The kernel has this device for a TPM 2 only. */
#define TPM2_DEVICE "/dev/tpmrm0"

static void print_seal(const struct screen *screen, const char *path)
{
	bool has_tpm = access(TPM2_DEVICE, F_OK) == 0;

	screen_print(
		screen,
		"The master key lies in %s. As root, on a unit that may restart:\n\n"
		"  install -d -m 700 /etc/credstore.encrypted\n"
		"  systemd-creds encrypt --with-key=%s --name=asafo.master-key \\\n"
		"      %s \\\n      " CREDENTIAL "\n"
		"  mkdir -p " DROP_IN_FOLDER "\n"
		"  printf '[Service]\\nLoadCredentialEncrypted=asafo.master-key:" CREDENTIAL
		"\\n' \\\n      >" DROP_IN "\n"
		"  systemctl daemon-reload && systemctl restart asafo\n"
		"  asafo master-key move credential\n\n"
		"%s The last line removes the file,\nwhen the credential has opened the store; "
		"keep a copy off this machine before.\n",
		path, has_tpm ? "tpm2" : "host", path,
		has_tpm ? "This machine's TPM seals it, by way of libtss2-esys, -mu and -rc (apt "
			  "search libtss2)."
			: "This machine shows no TPM 2 (" TPM2_DEVICE
			  "), so that the key is as safe as the disk.");
}

static void print_unseal(const struct screen *screen, const char *path)
{
	screen_print(screen,
		     "The master key lies in %s, too. As root, on a unit that may restart:\n\n"
		     "  rm " DROP_IN "\n"
		     "  systemctl daemon-reload && systemctl restart asafo\n"
		     "  rm " CREDENTIAL "\n\n"
		     "Then `asafo show security` says that it is a file.\n",
		     path);
}

int render_master_key(const struct screen *screen, struct json_object *result)
{
	const char *step = view_text(result, "step"), *path = view_text(result, "path");
	bool is_file = strcmp(view_text(result, "source"), "file") == 0;
	bool is_changed = view_flag(result, "changed");

	if (strcmp(step, "rotate") == 0)
		screen_print(screen,
			     "This unit's keys are sealed under another master key, in %s; the "
			     "old one is overwritten.\nBackups of this unit's state that were made "
			     "before need the old one.\n",
			     path);
	else if (strcmp(step, "credential") == 0 && is_file)
		print_seal(screen, path);
	else if (strcmp(step, "credential") == 0)
		screen_print(screen, "The master key is the credential asafo.master-key%s%s%s\n",
			     is_changed ? "; " : "", is_changed ? path : "",
			     is_changed ? " was overwritten and removed"
					: ", and no file on this disk");
	else if (is_file)
		screen_print(screen, "The master key is the file %s already\n", path);
	else
		print_unseal(screen, path);
	return 0;
}

int verb_master_key(struct cli *cli, const struct grammar_match *match)
{
	const char *to = cli_word(match, "to"), *step = to ? to : "rotate";
	struct cli_request request = {.method = match->row->method,
				      .parameters = cli_object("step", step)};
	struct json_object *result = NULL;
	int code = cli_call(cli, &request, &result);

	if (code != CLI_OK)
		return code;
	(void)cli_set(result, "step", json_object_new_string(step));
	if (cli->is_json)
		cli_print_json(cli, result);
	else
		code = render_master_key(&cli->screen, result);
	json_object_put(result);
	return code;
}
