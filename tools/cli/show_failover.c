/* SPDX-License-Identifier: Apache-2.0 */
/* `show failover` in the ASA's layout, which people and scripts know; what an ASA does not say
 * stands at the end. */
#include <inttypes.h>
#include <string.h>

#include "tools/cli/format.h"
#include "tools/cli/identity.h"
#include "tools/cli/rekey.h"
#include "tools/cli/traffic.h"
#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

#define INTERFACES_MAX 64
#define NAMES_SHOWN 8
#define HEALTH_FULL 1000

/* "1 seconds" as the ASA writes it, or milliseconds where it is no whole number of them. */
static const char *frequency(int64_t ms, struct format_text *ret_text)
{
	bool is_seconds = ms > 0 && ms % 1000 == 0;

	(void)snprintf(ret_text->text, sizeof(ret_text->text), "%" PRId64 " %s",
		       is_seconds ? ms / 1000 : ms, is_seconds ? "seconds" : "milliseconds");
	return ret_text->text;
}

static size_t count_monitored(struct json_object *result)
{
	size_t n = 0;

	for (size_t i = 0; i < view_count(result, "interfaces"); i++) {
		struct json_object *interface = view_item(result, "interfaces", i);

		n += *view_text(interface, "name") && view_flag(interface, "monitored");
	}
	return n;
}

static void print_preemption(const struct screen *screen, struct json_object *preemption)
{
	const char *state = view_text(preemption, "state");
	int64_t left_ms = view_number(preemption, "left_ms", -1);
	struct format_text delay, left;

	screen_print(screen, "Preemption On, delay %s",
		     format_ms(view_number(preemption, "delay_ms", 0), &delay));
	if (left_ms >= 0)
		screen_print(screen, ", %s for %s more\n", state, format_ms(left_ms, &left));
	else
		screen_print(screen, "%s%s\n", *state ? ", " : "", state);
}

static void print_lan_link(const struct screen *screen, struct json_object *link)
{
	screen_print(screen, "Failover LAN Interface: %s %s (%s)\n", view_text(link, "name"),
		     view_text(link, "device"), view_flag(link, "up") ? "up" : "down");
}

/* An ASA has one; the others stand below it in its words. */
static void print_links(const struct screen *screen, struct json_object *result)
{
	struct json_object *first = view_object(result, "failover_link");

	if (!*view_text(first, "device"))
		screen_print(screen, "Failover LAN Interface: not Configured\n");
	else
		print_lan_link(screen, first);
	for (size_t i = 1; i < view_count(result, "links"); i++)
		if (view_flag(view_item(result, "links", i), "failover"))
			print_lan_link(screen, view_item(result, "links", i));
}

/* What a slow unit asks for is shown where the configured one is looked for. */
static void print_unit_timers(const struct screen *screen, struct json_object *result)
{
	struct json_object *stretch = view_object(result, "stretch");
	int64_t own = view_number(stretch, "asked_ms", 0);
	int64_t mates = view_number(stretch, "mate_asked_ms", 0);
	struct format_text poll, hold, asked;

	screen_print(screen, "Unit Poll frequency %s, holdtime %s",
		     frequency(view_number(result, "poll_ms", 0), &poll),
		     frequency(view_number(result, "hold_ms", 0), &hold));
	if (own > 0 || mates > 0)
		screen_print(screen, " (stretched to %s)",
			     frequency(own > mates ? own : mates, &asked));
	screen_print(screen, "\n");
}

static void print_head(const struct screen *screen, struct json_object *result)
{
	struct json_object *mate = view_object(result, "mate");
	struct json_object *last = view_object(result, "last_failover");
	const char *software = view_text(mate, "software");
	struct format_text poll, hold, at;

	screen_style(screen, SCREEN_BOLD, "Failover %s\n",
		     view_flag(result, "enabled") ? "On" : "Off");
	screen_print(screen, "Failover unit %s\n", unit_name(view_text(result, "unit")));
	print_links(screen, result);
	print_unit_timers(screen, result);
	if (view_number(result, "interface_poll_ms", 0) > 0)
		screen_print(screen, "Interface Poll frequency %s, holdtime %s\n",
			     frequency(view_number(result, "interface_poll_ms", 0), &poll),
			     frequency(view_number(result, "interface_hold_ms", 0), &hold));
	if (view_number(result, "interface_policy_percent", 0) > 0)
		screen_print(screen, "Interface Policy %" PRId64 "%%\n",
			     view_number(result, "interface_policy_percent", 0));
	else
		screen_print(screen, "Interface Policy %" PRId64 "\n",
			     view_number(result, "interface_policy", 1));
	screen_print(screen, "Monitored Interfaces %zu of %d maximum\n", count_monitored(result),
		     INTERFACES_MAX);
	screen_print(screen, "Version: Ours %s, Mate %s\n", view_text(result, "version"),
		     *software ? software : "Unknown");
	if (view_flag(view_object(result, "preemption"), "on"))
		print_preemption(screen, view_object(result, "preemption"));
	if (view_number(last, "at", 0) > 0)
		screen_print(screen, "Last Failover at: %s\n",
			     format_time(view_number(last, "at", 0), &at));
}

static enum screen_style status_style(const char *status)
{
	if (strcmp(status, "Normal") == 0)
		return SCREEN_GOOD;
	return strcmp(status, "No Link") == 0 || strcmp(status, "Failed") == 0 ||
			       strcmp(status, "Link Down") == 0
		       ? SCREEN_BAD
		       : SCREEN_WARN;
}

static void print_interfaces(const struct screen *screen, struct json_object *result, bool is_mate)
{
	for (size_t i = 0; i < view_count(result, "interfaces"); i++) {
		struct json_object *interface = view_item(result, "interfaces", i);
		const char *address = view_text(interface, is_mate ? "mate_address" : "address");
		const char *status = view_text(interface, is_mate ? "mate_status" : "status");

		const char *how = view_text(interface, is_mate ? "mate_monitoring" : "monitoring");

		if (!*view_text(interface, "name"))
			continue; /* it is in nobody's use */
		if (!*address)
			address = view_text(interface, is_mate ? "mate_address6" : "address6");
		if (!*status)
			status = "Unknown";
		if (!*how)
			how = view_flag(interface, "monitored") ? "Monitored" : "Not-Monitored";
		screen_print(screen,
			     "                  Interface %s (%s): ", view_text(interface, "name"),
			     *address ? address : "0.0.0.0");
		screen_style(screen, status_style(status), "%s", status);
		screen_print(screen, " (%s)\n", how);
	}
}

/* Where something takes from it. */
static void print_health(const struct screen *screen, struct json_object *unit, const char *name)
{
	int64_t score = view_number(unit, name, HEALTH_FULL);

	if (score < HEALTH_FULL)
		screen_style(screen, SCREEN_WARN, "                Health: %" PRId64 " of %d\n",
			     score, HEALTH_FULL);
}

static void print_host(const struct screen *screen, const char *host, const char *unit,
		       const char *state)
{
	screen_print(screen, "        %s: %s - ", host, unit_name(unit));
	screen_style(screen, unit_state_style(state), "%s\n", *state ? state : "Unknown");
}

static void print_hosts(const struct screen *screen, struct json_object *result)
{
	struct json_object *mate = view_object(result, "mate");
	const char *unit = view_text(result, "unit");
	const char *mate_unit = view_text(mate, "unit");
	const char *mate_state = view_text(mate, "state");

	print_host(screen, "This host", unit, view_text(result, "state"));
	screen_print(screen, "                Active time: %" PRId64 " (sec)\n",
		     view_number(result, "active_seconds", 0));
	print_health(screen, view_object(result, "health"), "score");
	print_interfaces(screen, result, false);
	print_host(screen, "Other host", *mate_unit ? mate_unit : unit_other(unit),
		   *mate_state ? mate_state : "Not Detected");
	if (view_has(mate, "active_seconds"))
		screen_print(screen, "                Active time: %" PRId64 " (sec)\n",
			     view_number(mate, "active_seconds", 0));
	if (view_flag(mate, "heard"))
		print_health(screen, mate, "health");
	print_interfaces(screen, result, true);
}

static void print_link(const struct screen *screen, struct json_object *result)
{
	struct json_object *link = view_object(result, "link");
	const char *why = view_text(link, "why");
	struct format_text sent, received;

	screen_print(screen, "\nFailover link session: ");
	if (view_flag(link, "up"))
		screen_style(screen, SCREEN_GOOD, "up");
	else
		screen_style(screen, SCREEN_BAD, "down");
	if (view_count(result, "links") > 1 && *view_text(link, "over"))
		screen_print(screen, " over %s", view_text(link, "over"));
	if (!view_flag(link, "up") && *why)
		screen_print(screen, " (%s)", why);
	screen_print(screen, ", sent %s, received %s\n",
		     format_bytes(view_number(link, "bytes_sent", 0), &sent),
		     format_bytes(view_number(link, "bytes_received", 0), &received));
}

static void print_last_replication(const struct screen *screen, struct json_object *last)
{
	struct format_text at, ms, bytes;

	if (view_number(last, "at", 0) <= 0)
		return;
	screen_print(screen, "        Last: ");
	screen_style(screen, view_flag(last, "ok") ? SCREEN_GOOD : SCREEN_BAD, "%s",
		     view_flag(last, "ok") ? "ok" : "failed");
	screen_print(screen, " at %s, %s, %" PRId64 " item%s, %s in %s\n",
		     format_time(view_number(last, "at", 0), &at), view_text(last, "mode"),
		     view_number(last, "items", 0), view_number(last, "items", 0) == 1 ? "" : "s",
		     format_bytes(view_number(last, "bytes", 0), &bytes),
		     format_ms(view_number(last, "ms", 0), &ms));
}

/* The first names; the rest is counted. */
static void print_names(const struct screen *screen, struct json_object *mate, const char *before,
			const char *after)
{
	size_t n = view_count(mate, "lacking");

	for (size_t i = 0; i < n && i < NAMES_SHOWN; i++)
		screen_print(screen, "%s%s", i == 0 ? before : ", ",
			     view_item_text(mate, "lacking", i));
	if (n > NAMES_SHOWN)
		screen_print(screen, " and %zu more", n - NAMES_SHOWN);
	screen_print(screen, "%s", n > 0 ? after : "");
}

static void print_lacking(const struct screen *screen, struct json_object *mate, int64_t lacks)
{
	screen_style(screen, SCREEN_BAD, "%" PRId64 " change%s", lacks, lacks == 1 ? "" : "s");
	print_names(screen, mate, " (", ")");
	screen_print(screen, ": run asafo write-standby\n");
}

/* What it is known to lack from before, at least. */
static void print_unknown(const struct screen *screen, struct json_object *mate)
{
	screen_style(screen, SCREEN_WARN, "unknown");
	print_names(screen, mate, ", at least ", "");
	screen_print(screen, "\n");
}

/* What the standby lacks is the sentence that this program exists for. */
static void print_lacks(const struct screen *screen, struct json_object *result)
{
	struct json_object *mate = view_object(result, "mate");
	int64_t lacks = view_number(mate, "lacks", -1);

	if (strcmp(view_text(result, "role"), "active") != 0)
		return;
	screen_print(screen, "        The standby lacks: ");
	if (lacks < 0)
		print_unknown(screen, mate);
	else if (lacks == 0)
		screen_style(screen, SCREEN_GOOD, "nothing\n");
	else
		print_lacking(screen, mate, lacks);
}

/* Whether keys open and sign, on both units; of which time that is. */
static void print_proof(const struct screen *screen, struct json_object *proof)
{
	int64_t n = view_number(proof, "trustpoints", 0);
	int64_t replicated = view_number(proof, "replicated", 0);
	int64_t ended_at = view_number(proof, "ended_at", 0);
	struct format_text at;

	if (!proof || (n == 0 && ended_at > 0))
		return;
	screen_print(screen, "        Proof: ");
	if (ended_at <= 0) {
		screen_style(screen, SCREEN_WARN, "not over everything yet\n");
		return;
	}
	screen_style(screen, view_number(proof, "usable", 0) == n ? SCREEN_GOOD : SCREEN_BAD,
		     "%" PRId64 " of %" PRId64 " usable here", view_number(proof, "usable", 0), n);
	if (view_flag(proof, "mate_asked"))
		screen_style(screen,
			     view_number(proof, "mate_usable", 0) == replicated ? SCREEN_GOOD
										: SCREEN_BAD,
			     "; on the other host %" PRId64 " of %" PRId64 " present, %" PRId64
			     " usable",
			     view_number(proof, "mate_present", 0), replicated,
			     view_number(proof, "mate_usable", 0));
	else
		screen_style(screen, SCREEN_WARN, "; the other host could not be asked");
	screen_print(screen, " (%s)\n", format_time(ended_at, &at));
}

/* How many wait, and the first of them for how long. */
static void print_queue(const struct screen *screen, struct json_object *replication)
{
	int64_t depth = view_number(replication, "queue", 0);
	int64_t age_ms = view_number(replication, "queue_age_ms", -1);
	struct format_text age;

	screen_print(screen, "%" PRId64, depth);
	if (depth > 0 && age_ms >= 0)
		screen_print(screen, ", the oldest for %s", format_duration(age_ms / 1000, &age));
	screen_print(screen, "\n");
}

static void print_replication(const struct screen *screen, struct json_object *result)
{
	struct json_object *replication = view_object(result, "replication");
	struct json_object *mate = view_object(result, "mate");
	const char *why = view_text(replication, "why");
	bool was_heard = view_number(mate, "last_heard_ms", -1) >= 0;
	bool is_lost = was_heard && !view_flag(mate, "heard");

	screen_print(screen, "\nTrustpoint Replication\n");
	screen_print(screen, "        At import: %s, state: %s%s%s%s, queue: ",
		     view_text(replication, "mode"), view_text(replication, "state"),
		     *why ? " (" : "", why, *why ? ")" : "");
	print_queue(screen, replication);
	print_lacks(screen, result);
	print_last_replication(screen, view_object(replication, "last"));
	print_proof(screen, view_object(result, "proof"));
	screen_print(screen, "        This host:  ");
	identity_print_position(screen, view_object(result, "position"));
	screen_print(screen, "\n        Other host: ");
	if (!view_flag(mate, "heard") && !was_heard)
		screen_print(screen, "unknown");
	else
		identity_print_position(screen, view_object(mate, "position"));
	screen_print(screen, "%s\n", is_lost ? " (when last heard)" : "");
	unit_print_clock(screen, "        ", view_object(mate, "clock"));
}

int render_failover(const struct screen *screen, struct json_object *result)
{
	print_head(screen, result);
	for (size_t i = 0; i < view_count(result, "troubles"); i++) {
		screen_style(screen, SCREEN_BAD, "Trouble: ");
		screen_wrap(screen, SCREEN_BAD, 9, 9, view_item_text(result, "troubles", i));
	}
	print_hosts(screen, result);
	print_link(screen, result);
	rekey_print(screen, view_object(result, "failover_key"));
	print_replication(screen, result);
	traffic_print_logical(screen, result);
	return traffic_print_paths(screen, result);
}

int verb_show_failover(struct cli *cli, const struct grammar_match *match)
{
	return cli_show(cli, match->row->method, NULL, render_failover);
}
