/* SPDX-License-Identifier: Apache-2.0 */
/* show security. */
#include <inttypes.h>
#include <string.h>

#include "tools/cli/rekey.h"
#include "tools/cli/verb.h"

static void print_master(const struct screen *screen, struct json_object *master)
{
	bool is_file = strcmp(view_text(master, "source"), "file") == 0;

	screen_print(screen, "Master key:   ");
	if (is_file)
		screen_style(screen, SCREEN_WARN,
			     "a file on this disk (mode %s): who has the disk has the keys "
			     "(doc/security.md)\n",
			     view_text(master, "file_mode"));
	else
		screen_style(screen, SCREEN_GOOD, "the systemd credential asafo.master-key\n");
	if (!is_file && view_flag(master, "on_disk"))
		screen_style(screen, SCREEN_BAD,
			     "Trouble: a master key lies on the disk all the same: remove "
			     "master.key from the keeper's folder\n");
	if (view_flag(master, "stale_credential"))
		screen_style(screen, SCREEN_BAD,
			     "Trouble: the credential asafo.master-key is not this store's key: "
			     "make it from the file, or remove it\n");
}

int render_security(const struct screen *screen, struct json_object *result)
{
	struct json_object *memory = view_object(result, "keeper_memory");
	bool is_locked = view_flag(memory, "locked");
	bool has_cores = view_flag(memory, "dumpable") || view_number(memory, "core_limit", 0) > 0;

	print_master(screen, view_object(result, "master_key"));
	rekey_print(screen, view_object(result, "failover_key"));
	screen_print(screen, "Sealing:      %s\n", view_text(result, "sealing"));
	screen_print(screen, "Hellos:       %s\n", view_text(result, "hellos"));
	screen_print(screen, "Link:         %s\n", view_text(result, "link"));
	screen_print(screen, "Memory:       ");
	screen_style(screen, is_locked ? SCREEN_GOOD : SCREEN_WARN, "%s",
		     is_locked ? "keys are locked" : "keys may be swapped (LimitMEMLOCK)");
	screen_style(screen, has_cores ? SCREEN_BAD : SCREEN_GOOD, ", %s\n",
		     has_cores ? "the keeper may leave a core" : "no cores");
	screen_print(screen, "Sandbox:      ");
	screen_style(screen, view_flag(result, "sandbox") ? SCREEN_GOOD : SCREEN_BAD, "%s\n",
		     view_flag(result, "sandbox") ? "on" : "OFF");
	return 0;
}

int verb_show_security(struct cli *cli, const struct grammar_match *match)
{
	return cli_show(cli, match->row->method, NULL, render_security);
}
