/* SPDX-License-Identifier: Apache-2.0 */
/* show security. */
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/format.h"
#include "tools/cli/rekey.h"
#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

struct owner {
	char text[48];
};

/* The mate's users have names of its own. */
static const char *owner_name(int64_t uid, bool is_here, struct owner *owner)
{
	const struct passwd *user = is_here && uid >= 0 ? getpwuid((uid_t)uid) : NULL;

	if (user)
		(void)snprintf(owner->text, sizeof(owner->text), "%s", user->pw_name);
	else
		(void)snprintf(owner->text, sizeof(owner->text), "user %" PRId64, uid);
	return owner->text;
}

static void print_file(const struct screen *screen, const char *owner, const char *mode)
{
	char text[160];

	(void)snprintf(text, sizeof(text),
		       "a file on this disk (%.40s, mode %.8s): who has the disk has the keys "
		       "(doc/security.md)",
		       owner, mode);
	screen_wrap(screen, SCREEN_WARN, 14, 14, text);
}

static void print_master(const struct screen *screen, struct json_object *master, bool is_here)
{
	bool is_file = strcmp(view_text(master, "source"), "file") == 0;
	struct format_text at;
	struct owner owner;

	screen_print(screen, "Master key:   ");
	if (is_file)
		print_file(screen,
			   owner_name(view_number(master, "file_owner", -1), is_here, &owner),
			   view_text(master, "file_mode"));
	else
		screen_style(screen, SCREEN_GOOD, "the systemd credential asafo.master-key\n");
	if (view_number(master, "changed_at", 0) > 0)
		screen_print(screen, "              in use since %s\n",
			     format_time(view_number(master, "changed_at", 0), &at));
	if (!is_file && view_flag(master, "on_disk"))
		screen_style(screen, SCREEN_BAD,
			     "Trouble: a master key lies on the disk all the same: asafo "
			     "master-key move credential removes it\n");
	if (view_flag(master, "stale_credential"))
		screen_style(screen, SCREEN_BAD,
			     "Trouble: the credential asafo.master-key is not this store's key: "
			     "make it from the file, or remove it\n");
}

static void print_unit(const struct screen *screen, struct json_object *result, bool is_here)
{
	struct json_object *memory = view_object(result, "keeper_memory");
	bool is_locked = view_flag(memory, "locked");
	bool has_cores = view_flag(memory, "dumpable") || view_number(memory, "core_limit", 0) > 0;

	print_master(screen, view_object(result, "master_key"), is_here);
	rekey_print(screen, view_object(result, "failover_key"));
	screen_print(screen, "Sealing:      %s\n", view_text(result, "sealing"));
	screen_print(screen, "Hellos:       %s\n", view_text(result, "hellos"));
	screen_print(screen, "Link:         %s%s%s\n", view_text(result, "link"),
		     *view_text(result, "link_cipher") ? ": " : "",
		     view_text(result, "link_cipher"));
	screen_print(screen, "Memory:       ");
	screen_style(screen, is_locked ? SCREEN_GOOD : SCREEN_WARN, "%s",
		     is_locked ? "keys are locked" : "keys may be swapped (LimitMEMLOCK)");
	screen_style(screen, has_cores ? SCREEN_BAD : SCREEN_GOOD, ", %s\n",
		     has_cores ? "the keeper may leave a core" : "no cores");
	screen_print(screen, "Sandbox:      ");
	screen_style(screen, view_flag(result, "sandbox") ? SCREEN_GOOD : SCREEN_BAD, "%s\n",
		     view_flag(result, "sandbox") ? "on" : "OFF");
}

static int show(const struct screen *screen, struct json_object *result, bool is_here)
{
	struct json_object *mate = view_object(result, "mate");

	const char *why = view_text(result, "mate_why");

	if (mate || *why)
		screen_style(screen, SCREEN_BOLD, "This unit\n");
	print_unit(screen, result, is_here);
	if (mate) {
		screen_style(screen, SCREEN_BOLD, "\nThe mate\n");
		print_unit(screen, mate, false);
	} else if (*why) {
		screen_style(screen, SCREEN_BOLD, "\nThe mate\n");
		screen_style(screen, SCREEN_WARN, "not known: %s\n", why);
	}
	unit_print_clock(screen, "", view_object(result, "clock"));
	return 0;
}

int render_security(const struct screen *screen, struct json_object *result)
{
	return show(screen, result, true);
}

/* Adds the mate's half or, of a mate that was there once, why there is none. */
static void ask_mate(struct cli *cli, const char *method, struct json_object *result)
{
	struct json_object *parameters = cli_object("unit", "mate"), *mate = NULL;
	const char *class = view_text(view_object(result, "clock"), "class");
	struct why why = {0};

	if (!cli_set(parameters, "method", json_object_new_string(method)) ||
	    control_client_call(cli->client, "asafo.FailoverExec", parameters, NULL, 0, NULL, NULL,
				&mate, &why) != 0)
		mate = NULL;
	(void)json_object_put(parameters);
	if (mate)
		(void)cli_set(result, "mate", mate);
	else if (*class && strcmp(class, "unknown") != 0)
		(void)cli_set(result, "mate_why", json_object_new_string(why.text));
}

int verb_show_security(struct cli *cli, const struct grammar_match *match)
{
	struct cli_request request = {.method = match->row->method};
	struct json_object *result = NULL;
	int code = cli_call(cli, &request, &result);

	if (code != CLI_OK)
		return code;
	if (!cli->exec_unit)
		ask_mate(cli, match->row->method, result);
	if (cli->is_json)
		cli_print_json(cli, result);
	else
		code = show(&cli->screen, result, !cli->exec_unit);
	(void)json_object_put(result);
	return code;
}
