/* SPDX-License-Identifier: Apache-2.0 */
/* `show track`, in IOS' layout. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

static void print_subject(const struct screen *screen, struct json_object *track)
{
	const char *kind = view_text(track, "kind"), *interface = view_text(track, "interface");

	if (strcmp(kind, "interface") == 0) {
		screen_print(screen, "  Interface %s line-protocol\n", interface);
		return;
	}
	if (strcmp(kind, "script") == 0)
		screen_print(screen, "  Script %s", view_text(track, "script"));
	else if (strcmp(kind, "tcp") == 0)
		screen_print(screen, "  TCP %s port %" PRId64 " reachability",
			     view_text(track, "address"), view_number(track, "port", 0));
	else
		screen_print(screen, "  IP ping %s reachability", view_text(track, "address"));
	screen_print(screen, "%s%s\n", *interface ? " on interface " : "", interface);
}

static void print_state(const struct screen *screen, struct json_object *track)
{
	const char *kind = view_text(track, "kind"), *state = view_text(track, "state");
	enum screen_style style = strcmp(state, "Up") == 0     ? SCREEN_GOOD
				  : strcmp(state, "Down") == 0 ? SCREEN_BAD
							       : SCREEN_WARN;

	screen_print(screen, "  %s is ",
		     strcmp(kind, "interface") == 0 ? "Line protocol"
		     : strcmp(kind, "script") == 0  ? "Script"
						    : "Reachability");
	screen_style(screen, style, "%s\n", state);
}

static void print_times(const struct screen *screen, struct json_object *track)
{
	int64_t changes = view_number(track, "changes", 0);
	int64_t ago = view_number(track, "last_change_seconds", -1);
	int64_t rtt = view_number(track, "rtt_us", -1);

	if (ago >= 0)
		screen_print(screen,
			     "    %" PRId64 " change%s, last change %02" PRId64 ":%02" PRId64
			     ":%02" PRId64 "\n",
			     changes, changes == 1 ? "" : "s", ago / 3600, ago / 60 % 60, ago % 60);
	else
		screen_print(screen, "    no changes\n");
	screen_print(screen, "  Latest operation return code: %s\n",
		     *view_text(track, "result") ? view_text(track, "result") : "none yet");
	if (rtt >= 0)
		screen_print(screen, "  Latest RTT (millisecs) %" PRId64 ".%03" PRId64 "\n",
			     rtt / 1000, rtt % 1000);
}

static void print_track(const struct screen *screen, struct json_object *track)
{
	screen_print(screen, "Track %" PRId64 "\n", view_number(track, "number", 0));
	print_subject(screen, track);
	print_state(screen, track);
	print_times(screen, track);
	screen_print(screen,
		     "  Every %" PRId64 " ms, down after %" PRId64 ", up after %" PRId64 "\n",
		     view_number(track, "frequency_ms", 0), view_number(track, "down", 0),
		     view_number(track, "up", 0));
	if (view_number(track, "decrement", 0) > 0)
		screen_print(screen, "  Tracked by:\n    Failover decrement %" PRId64 "\n",
			     view_number(track, "decrement", 0));
}

int render_track(const struct screen *screen, struct json_object *result)
{
	if (view_count(result, "tracks") == 0)
		screen_print(
			screen,
			"No track objects: asafo configure \"track 1 ping 192.0.2.1\" makes one\n");
	for (size_t i = 0; i < view_count(result, "tracks"); i++)
		print_track(screen, view_item(result, "tracks", i));
	unit_print_clock(screen, "", view_object(result, "clock"));
	return 0;
}

int verb_show_track(struct cli *cli, const struct grammar_match *match)
{
	const struct value *number = grammar_match_value(match, "number");
	struct json_object *parameters = NULL;

	if (number) {
		parameters = json_object_new_object();
		if (!parameters || !cli_set(parameters, "number",
					    json_object_new_int64((int64_t)number->number))) {
			(void)json_object_put(parameters);
			return -ENOMEM;
		}
	}
	return cli_show(cli, match->row->method, parameters, render_track);
}
