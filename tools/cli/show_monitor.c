/* SPDX-License-Identifier: Apache-2.0 */
/* `show monitor-interface`, as an ASA prints it. */
#include <inttypes.h>
#include <string.h>

#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

static enum screen_style status_style(const char *status)
{
	if (strcmp(status, "Normal") == 0)
		return SCREEN_GOOD;
	return strcmp(status, "No Link") == 0 || strcmp(status, "Failed") == 0 ||
			       strcmp(status, "Link Down") == 0
		       ? SCREEN_BAD
		       : SCREEN_WARN;
}

static void print_interface(const struct screen *screen, struct json_object *interface,
			    bool is_mate)
{
	const char *address = view_text(interface, is_mate ? "mate_address" : "address");
	const char *status = view_text(interface, is_mate ? "mate_status" : "status");

	if (!*view_text(interface, "name"))
		return;
	if (!*address)
		address = view_text(interface, is_mate ? "mate_address6" : "address6");
	screen_print(screen, "                Interface %s (%s): ", view_text(interface, "name"),
		     *address ? address : "0.0.0.0");
	screen_style(screen, status_style(status), "%s", *status ? status : "Unknown");
	screen_print(screen, " (%s)\n",
		     view_text(interface, is_mate ? "mate_monitoring" : "monitoring"));
}

static void print_host(const struct screen *screen, struct json_object *result, bool is_mate)
{
	struct json_object *host = view_object(result, is_mate ? "other" : "this");

	screen_print(screen, "        %s: %s - %s\n", is_mate ? "Other host" : "This host",
		     strcmp(view_text(host, "unit"), "primary") == 0 ? "Primary" : "Secondary",
		     view_text(host, "state"));
	for (size_t i = 0; i < view_count(result, "interfaces"); i++)
		print_interface(screen, view_item(result, "interfaces", i), is_mate);
}

int render_monitor_interface(const struct screen *screen, struct json_object *result)
{
	int64_t mate_score = view_number(result, "mate_score", -1);

	print_host(screen, result, false);
	print_host(screen, result, true);
	screen_print(screen, "        Health score: this host %" PRId64 ", other host ",
		     view_number(result, "score", 0));
	if (mate_score < 0)
		screen_print(screen, "unknown, of 1000\n");
	else
		screen_print(screen, "%" PRId64 " of 1000\n", mate_score);
	if (*view_text(result, "service"))
		screen_style(screen, SCREEN_BAD, "        This host could not serve: %s\n",
			     view_text(result, "service"));
	unit_print_clock(screen, "        ", view_object(result, "clock"));
	return 0;
}

int verb_show_monitor_interface(struct cli *cli, const struct grammar_match *match)
{
	return cli_show(cli, match->row->method, NULL, render_monitor_interface);
}
