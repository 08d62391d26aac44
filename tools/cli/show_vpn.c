/* SPDX-License-Identifier: Apache-2.0 */
/* `show vpn-sessiondb`: the summary, or with `anyconnect` each session, in the ASA's words. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/format.h"
#include "tools/cli/pages.h"
#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

static void print_protocol(const struct screen *screen, struct json_object *session)
{
	const char *tunnel = view_text(session, "tunnel");

	if (!view_flag(session, "connected")) {
		screen_print(screen, "Protocol     : AnyConnect-Parent (no tunnel is up)\n");
		return;
	}
	screen_print(screen, "Protocol     : AnyConnect-Parent SSL-Tunnel%s\n",
		     strcmp(tunnel, "DTLS-Tunnel") == 0 ? " DTLS-Tunnel" : "");
	screen_print(screen, "Encryption   : %s\n", or_dash(view_text(session, "protocol")));
}

static void print_session(const struct screen *screen, struct json_object *session)
{
	struct format_text duration, left;
	int64_t left_s = view_number(session, "left_s", -1);
	int64_t idle_s = view_number(session, "idle_left_s", -1);

	screen_print(screen, "\nUsername     : %-22s Index        : %" PRId64 "\n",
		     view_text(session, "username"), view_number(session, "index", 0));
	screen_print(screen, "Assigned IP  : %-22s Public IP    : %s\n",
		     or_dash(view_text(session, "assigned_ip")),
		     or_dash(view_text(session, "public_ip")));
	if (*view_text(session, "assigned_ipv6"))
		screen_print(screen, "Assigned IPv6: %s\n", view_text(session, "assigned_ipv6"));
	print_protocol(screen, session);
	screen_print(screen, "Bytes Tx     : %-22" PRId64 " Bytes Rx     : %" PRId64 "\n",
		     view_number(session, "bytes_tx", 0), view_number(session, "bytes_rx", 0));
	screen_print(screen, "Pkts Tx      : %-22" PRId64 " Pkts Rx      : %" PRId64 "\n",
		     view_number(session, "packets_tx", 0), view_number(session, "packets_rx", 0));
	screen_print(screen, "Pkts Dropped : %" PRId64 "\n", view_number(session, "dropped", 0));
	screen_print(screen, "Group Policy : %-22s Tunnel Group : %s\n",
		     view_text(session, "group_policy"), view_text(session, "tunnel_group"));
	screen_print(screen, "Duration     : %-22s Left         : %s\n",
		     format_duration(view_number(session, "duration_s", 0), &duration),
		     left_s < 0 ? "no limit" : format_duration(left_s, &left));
	screen_print(screen, "Idle TO Left : %s\n",
		     idle_s < 0 ? "no limit" : format_duration(idle_s, &left));
}

/* What an operator should know of the table as a whole. */
static void print_state(const struct screen *screen, struct json_object *result)
{
	if (view_flag(result, "mate_is_older"))
		screen_style(screen, SCREEN_WARN,
			     "The mate's version knows no VPN sessions: they would not survive a "
			     "failover\n");
	if (!view_flag(result, "complete"))
		screen_style(screen, SCREEN_WARN,
			     "The mate may have sessions that are not here (yet)\n");
	if (view_number(result, "made_alone", 0) > 0)
		screen_print(screen,
			     "%" PRId64 " logins were answered without the mate's "
			     "acknowledgement\n",
			     view_number(result, "made_alone", 0));
	if (view_number(result, "unproved", 0) > 0)
		screen_style(screen, SCREEN_WARN,
			     "%" PRId64 " sessions were asked for that asafo-auth did not vouch "
			     "for, and refused: the log says by which front\n",
			     view_number(result, "unproved", 0));
}

int render_vpn_summary(const struct screen *screen, struct json_object *result)
{
	int64_t active = view_number(result, "active", 0);
	int64_t inactive = view_number(result, "inactive", 0);

	if (!view_flag(result, "enabled"))
		screen_print(screen,
			     "VPN clients cannot log in: asafo configure webvpn \"anyconnect "
			     "enable\" lets them\n");
	screen_print(screen, "VPN Session Summary\n");
	screen_print(screen, "  AnyConnect Client : %" PRId64 " active, %" PRId64 " inactive\n",
		     active, inactive);
	screen_print(screen, "  Cumulative        : %" PRId64 ", refused %" PRId64 "\n",
		     view_number(result, "made", 0), view_number(result, "refused", 0));
	screen_print(screen, "  Device Capacity   : %" PRId64 "\n",
		     view_number(result, "capacity", 0));
	screen_print(screen, "  On the mate       : %s\n",
		     view_flag(result, "on_mate") ? "all of them" : "not known");
	print_state(screen, result);
	unit_print_clock(screen, "", view_object(result, "clock"));
	return 0;
}

int render_vpn_sessions(const struct screen *screen, struct json_object *result)
{
	size_t n = view_count(result, "sessions");

	print_state(screen, result);
	screen_print(screen, n == 0 ? "There are no VPN sessions\n" : "Session Type: AnyConnect\n");
	for (size_t i = 0; i < n; i++)
		print_session(screen, view_item(result, "sessions", i));
	unit_print_clock(screen, "", view_object(result, "clock"));
	return 0;
}

int verb_show_vpn_sessions(struct cli *cli, const struct grammar_match *match)
{
	/* Each session, and what is for programs, is all pages; the summary needs one. */
	if (cli->is_json || cli_word(match, "type"))
		return pages_show(cli, match, "sessions", render_vpn_sessions);
	return cli_show(cli, match->row->method, NULL, render_vpn_summary);
}

int verb_vpn_logoff(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	const struct value *index = grammar_match_value(match, "index");
	const char *user = cli_word(match, "user");
	struct json_object *parameters = json_object_new_object();
	bool is_set;
	int code;

	if (user)
		is_set = cli_set(parameters, "user", json_object_new_string(user));
	else if (index)
		is_set =
			cli_set(parameters, "index", json_object_new_int64((int64_t)index->number));
	else
		is_set = cli_set(parameters, "all", json_object_new_boolean(true));
	if (!is_set) {
		(void)json_object_put(parameters);
		return cli_fail(cli, CLI_FAILED, "out of memory");
	}
	code = cli_change(
		cli, &(struct cli_request){.method = match->row->method, .parameters = parameters},
		&result);
	if (code == CLI_OK && !cli->is_json)
		screen_print(&cli->screen, "Logged off %" PRId64 " session%s\n",
			     view_number(result, "ended", 0),
			     view_number(result, "ended", 0) == 1 ? "" : "s");
	return code;
}
