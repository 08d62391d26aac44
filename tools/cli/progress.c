/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/progress.h"

#include <inttypes.h>
#include <string.h>

#include "tools/cli/format.h"
#include "tools/cli/view.h"

#define BAR_WIDTH 30
#define BAR_BESIDES 50 /* columns that the rest of its line takes */
#define LINES_EVERY_MS 2000

/* "[#####.....] ", as wide as there is room for. */
static void print_bar(const struct screen *screen, int64_t items, int64_t expected)
{
	unsigned room = screen->width > BAR_BESIDES ? screen->width - BAR_BESIDES : 0;
	size_t width = room < BAR_WIDTH ? room : BAR_WIDTH, filled = 0;
	char bar[BAR_WIDTH + 1];

	if (width < 5)
		return;
	if (items >= expected)
		filled = width;
	else if (items > 0)
		filled = (size_t)((double)items / (double)expected * (double)width);
	memset(bar, '.', width);
	memset(bar, '#', filled);
	bar[width] = '\0';
	screen_print(screen, "[%s] ", bar);
}

static void print_figures(const struct screen *screen, struct json_object *progress)
{
	struct format_text bytes;

	screen_print(screen, "%" PRId64 "/%" PRId64 " items, %s", view_number(progress, "items", 0),
		     view_number(progress, "items_expected", 0),
		     format_bytes(view_number(progress, "bytes", 0), &bytes));
}

/* One line that is drawn over: its figures are printed next. */
static void draw_begin(const struct screen *screen, const char *phase)
{
	(void)fputs("\r\033[K", screen->out);
	screen_print(screen, "%-10s ", phase);
}

static void draw_end(struct progress *shown)
{
	(void)fflush(shown->screen->out);
	shown->is_drawn = true;
}

static void print_line(struct progress *shown, struct json_object *progress)
{
	int64_t ms = view_number(progress, "ms", 0);

	if (ms - shown->last_ms < LINES_EVERY_MS)
		return;
	shown->last_ms = ms;
	screen_print(shown->screen, "%s: ", view_text(progress, "phase"));
	print_figures(shown->screen, progress);
	screen_print(shown->screen, "\n");
	(void)fflush(shown->screen->out);
}

void progress_show(struct json_object *progress, void *userdata)
{
	struct progress *shown = userdata;

	if (!shown->screen->is_terminal) {
		print_line(shown, progress);
		return;
	}
	draw_begin(shown->screen, view_text(progress, "phase"));
	print_bar(shown->screen, view_number(progress, "items", 0),
		  view_number(progress, "items_expected", 0));
	print_figures(shown->screen, progress);
	draw_end(shown);
}

void progress_on_err(const struct screen *screen, struct screen *ret_err, struct progress *shown)
{
	*ret_err = *screen;
	ret_err->out = screen->err;
	ret_err->is_terminal = screen->is_err_terminal;
	*shown = (struct progress){.screen = ret_err};
}

void progress_count(struct progress *shown, const char *phase, size_t items, size_t expected,
		    const char *what)
{
	const struct screen *screen = shown->screen;

	if (!screen->is_terminal)
		return;
	draw_begin(screen, phase);
	if (expected > 0) {
		print_bar(screen, (int64_t)items, (int64_t)expected);
		screen_print(screen, "%zu/%zu %s", items, expected, what);
	} else {
		screen_print(screen, "%zu %s", items, what);
	}
	draw_end(shown);
}

void progress_done(struct progress *shown)
{
	if (shown->is_drawn)
		(void)fputs("\r\033[K", shown->screen->out);
	shown->is_drawn = false;
}
