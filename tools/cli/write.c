/* SPDX-License-Identifier: Apache-2.0 */
/* write-standby and write-memory. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/format.h"
#include "tools/cli/identity.h"
#include "tools/cli/verb.h"

#define BAR_WIDTH 30

/* Not shown, but asked for: progress is also the sign that the daemon is at work. */
static void ignore_progress(struct json_object *progress, void *userdata)
{
	(void)progress;
	(void)userdata;
}

/* One line that is drawn over; only ever on a terminal. */
static void draw_progress(struct json_object *progress, void *userdata)
{
	const struct cli *cli = userdata;
	int64_t items = view_number(progress, "items", 0);
	int64_t total = view_number(progress, "items_total", 0);
	int filled = total > 0 && items >= 0 && items <= total
			     ? (int)((double)items / (double)total * BAR_WIDTH)
			     : 0;
	struct format_text bytes;
	char bar[BAR_WIDTH + 1];

	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', (size_t)filled);
	bar[BAR_WIDTH] = '\0';
	(void)fputs("\r\033[K", cli->screen.out);
	screen_print(&cli->screen, "%-10s [%s] %" PRId64 "/%" PRId64 " items, %s",
		     view_text(progress, "phase"), bar, items, total,
		     format_bytes(view_number(progress, "bytes", 0), &bytes));
	(void)fflush(cli->screen.out);
}

static void print_outcome(const struct screen *screen, struct json_object *result)
{
	const char *mode = view_text(result, "mode");
	struct format_text bytes, ms, digest;

	if (strcmp(mode, "equal") == 0)
		screen_print(screen, "The standby holds the same already: nothing was sent");
	else
		screen_print(screen,
			     "The standby holds what this unit holds: %" PRId64
			     " item%s sent (%s), %s",
			     view_number(result, "items", 0),
			     view_number(result, "items", 0) == 1 ? "" : "s", mode,
			     format_bytes(view_number(result, "bytes", 0), &bytes));
	screen_print(screen, ", in %s\n", format_ms(view_number(result, "ms", 0), &ms));
	screen_print(screen, "  Both units: ");
	if (view_object(result, "position"))
		identity_print_position(screen, view_object(result, "position"));
	else
		screen_print(screen, "digest %s",
			     format_digest(view_text(result, "digest"), 16, &digest));
	screen_print(screen, "\n");
}

int verb_write_standby(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	bool has_bar = cli->screen.is_terminal && !cli->is_json;
	int code = cli_call(
		cli,
		&(struct cli_request){.method = match->row->method,
				      .on_progress = has_bar ? draw_progress : ignore_progress,
				      .userdata = cli},
		&result);

	if (has_bar)
		(void)fputs("\r\033[K", cli->screen.out);
	if (code)
		return code;
	cli_print_warnings(cli, result);
	if (cli->is_json)
		cli_print_json(cli, result);
	else
		print_outcome(&cli->screen, result);
	return CLI_OK;
}

int verb_write_memory(struct cli *cli, const struct grammar_match *match)
{
	_cleanup_(json_put) struct json_object *result = NULL;
	int code = cli_call(cli, &(struct cli_request){.method = match->row->method}, &result);
	bool is_missed;

	if (code)
		return code;
	is_missed = strcmp(view_text(result, "mate"), "not reachable") == 0;
	if (cli->is_json) {
		cli_print_json(cli, result);
		return is_missed ? CLI_DEGRADED : CLI_OK;
	}
	screen_print(&cli->screen, "Saved to %s\n", view_text(result, "path"));
	if (strcmp(view_text(result, "mate"), "saved") == 0)
		screen_print(&cli->screen, "Saved on the mate\n");
	else if (is_missed)
		screen_style(&cli->screen, SCREEN_WARN, "Not saved on the mate: %s\n",
			     *view_text(result, "why") ? view_text(result, "why")
						       : "it is not reachable");
	return is_missed ? CLI_DEGRADED : CLI_OK;
}
