/* SPDX-License-Identifier: Apache-2.0 */
/* `show failover statistics` and `show failover interface`, as an ASA prints them. */
#include "tools/cli/traffic.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/table.h"
#include "tools/cli/unit.h"
#include "tools/cli/verb.h"

CLEANUP_DEFINE(struct table *, table_free)

static void print_path(struct table *table, struct json_object *path)
{
	const char *state = view_text(path, "state");
	int64_t heard_ms = view_number(path, "last_heard_ms", -1);
	int64_t rtt_us = view_number(path, "rtt_median_us", 0);
	int64_t loss = view_number(path, "loss_permille", 0);

	table_cell(table, SCREEN_PLAIN, "%s", view_text(path, "name"));
	table_cell(table, SCREEN_PLAIN, "%s",
		   strcmp(view_text(path, "family"), "ipv6") == 0 ? "IPv6" : "IPv4");
	table_cell(table, strcmp(state, "up") == 0 ? SCREEN_GOOD : SCREEN_BAD, "%s", state);
	table_cell(table, SCREEN_PLAIN, "%" PRId64, view_number(path, "sent", 0));
	table_cell(table, SCREEN_PLAIN, "%" PRId64, view_number(path, "received", 0));
	table_cell(table, SCREEN_PLAIN, "%" PRId64, view_number(path, "lost", 0));
	table_cell(table, loss ? SCREEN_BAD : SCREEN_PLAIN, "%" PRId64 ".%" PRId64 " %%", loss / 10,
		   loss % 10);
	if (rtt_us)
		table_cell(table, SCREEN_PLAIN, "%" PRId64 " us", rtt_us);
	else
		table_cell(table, SCREEN_PLAIN, "-");
	if (heard_ms >= 0)
		table_cell(table, SCREEN_PLAIN, "%" PRId64 " ms", heard_ms);
	else
		table_cell(table, SCREEN_PLAIN, "never");
	table_cell(table,
		   !*view_text(path, "error") ? SCREEN_PLAIN
		   : strcmp(state, "up") == 0 ? SCREEN_WARN
					      : SCREEN_BAD,
		   "%s", view_text(path, "error"));
}

int traffic_print_paths(const struct screen *screen, struct json_object *result)
{
	static const struct table_column columns[] = {
		{"HELLO PATH", false, true, 0}, {"FAMILY", false, false, 0},
		{"STATE", false, false, 0},	{"SENT", true, false, 3},
		{"RECEIVED", true, false, 1},	{"LOST", true, false, 2},
		{"LOSS", true, false, 0},	{"RTT", true, false, 0},
		{"HEARD", true, false, 4},	{"ERROR", false, true, 0}};
	_cleanup_(table_free_p) struct table *table = NULL;
	int error = table_new(columns, ARRAY_SIZE(columns), &table);

	if (error || view_count(result, "paths") == 0)
		return error;
	for (size_t i = 0; i < view_count(result, "paths"); i++)
		print_path(table, view_item(result, "paths", i));
	screen_print(screen, "\n");
	return table_print(table, screen);
}

static void print_queue(const struct screen *screen, const char *name, struct json_object *queue)
{
	screen_print(screen, "        %-15s %-7" PRId64 " %-7" PRId64 " %" PRId64 "\n", name,
		     view_number(queue, "current", 0), view_number(queue, "max", 0),
		     view_number(queue, "total", 0));
}

/* The stateful link, or else the failover link, which carries the same. */
static struct json_object *stateful_link(struct json_object *result)
{
	for (size_t i = 0; i < view_count(result, "links"); i++)
		if (view_flag(view_item(result, "links", i), "stateful"))
			return view_item(result, "links", i);
	return view_object(result, "failover_link");
}

void traffic_print_logical(const struct screen *screen, struct json_object *result)
{
	struct json_object *update = view_object(result, "logical_update");
	struct json_object *link = stateful_link(result);

	if (!update)
		return;
	screen_print(screen, "\nStateful Failover Logical Update Statistics\n");
	if (*view_text(link, "device"))
		screen_print(screen, "        Link : %s %s (%s)\n", view_text(link, "name"),
			     view_text(link, "device"), view_flag(link, "up") ? "up" : "down");
	screen_print(screen, "        %-15s %-10s %-10s %-10s %s\n", "Stateful Obj", "xmit", "xerr",
		     "rcv", "rerr");
	for (size_t i = 0; i < view_count(update, "objects"); i++) {
		struct json_object *row = view_item(update, "objects", i);

		screen_print(screen,
			     "        %-15s %-10" PRId64 " %-10" PRId64 " %-10" PRId64 " %" PRId64
			     "\n",
			     view_text(row, "name"), view_number(row, "xmit", 0),
			     view_number(row, "xerr", 0), view_number(row, "rcv", 0),
			     view_number(row, "rerr", 0));
	}
	screen_print(screen, "\n        Logical Update Queue Information\n");
	screen_print(screen, "        %-15s %-7s %-7s %s\n", "", "Cur", "Max", "Total");
	print_queue(screen, "Recv Q:", view_object(update, "receive_queue"));
	print_queue(screen, "Xmit Q (bytes):", view_object(update, "transmit_queue_bytes"));
}

int render_statistics(const struct screen *screen, struct json_object *result)
{
	screen_print(screen, "        tx:%" PRId64 "\n        rx:%" PRId64 "\n",
		     view_number(result, "tx", 0), view_number(result, "rx", 0));
	if (view_number(result, "tx_errors", 0) > 0)
		screen_style(screen, SCREEN_WARN, "        tx errors:%" PRId64 "\n",
			     view_number(result, "tx_errors", 0));
	unit_print_clock(screen, "        ", view_object(result, "clock"));
	traffic_print_logical(screen, result);
	return traffic_print_paths(screen, result);
}

int verb_show_statistics(struct cli *cli, const struct grammar_match *match)
{
	return cli_show(cli, match->row->method, NULL, render_statistics);
}

/* Behind an IPv4 address its netmask, behind another the prefix length. */
static void print_system_address(const struct screen *screen, struct json_object *link)
{
	const char *address = view_text(link, "system_address");
	int64_t length = view_number(link, "prefix_length", 0);
	struct in_addr mask = {length > 0 && length <= 32 ? htonl(UINT32_MAX << (32 - length)) : 0};
	char text[INET_ADDRSTRLEN] = "";

	if (strchr(address, ':'))
		screen_print(screen, "                System IP Address: %s/%" PRId64 "\n", address,
			     length);
	else if (inet_ntop(AF_INET, &mask, text, sizeof(text)))
		screen_print(screen, "                System IP Address: %s %s\n", address, text);
}

int render_failover_interface(const struct screen *screen, struct json_object *result)
{
	if (view_count(result, "links") == 0)
		screen_print(screen, "        no failover link is configured\n");
	for (size_t i = 0; i < view_count(result, "links"); i++) {
		struct json_object *link = view_item(result, "links", i);

		screen_print(screen, "        interface %s %s\n", view_text(link, "name"),
			     view_text(link, "device"));
		if (!*view_text(link, "address")) {
			screen_print(screen, "                no address is configured\n");
			continue;
		}
		print_system_address(screen, link);
		screen_print(screen, "                My IP Address    : %s\n",
			     view_text(link, "address"));
		screen_print(screen, "                Other IP Address : %s\n",
			     view_text(link, "mate_address"));
	}
	unit_print_clock(screen, "        ", view_object(result, "clock"));
	return traffic_print_paths(screen, result);
}

int verb_show_failover_interface(struct cli *cli, const struct grammar_match *match)
{
	return cli_show(cli, match->row->method, NULL, render_failover_interface);
}
