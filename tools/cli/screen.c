/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/screen.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/cleanup.h"
#include "base/utf8.h"

static const char *const escapes[SCREEN__MAX] = {
	[SCREEN_PLAIN] = "",	    [SCREEN_BOLD] = "\033[1m",	[SCREEN_DIM] = "\033[2m",
	[SCREEN_GOOD] = "\033[32m", [SCREEN_WARN] = "\033[33m", [SCREEN_BAD] = "\033[31;1m",
};

void screen_init(struct screen *screen, FILE *out, FILE *err, int64_t now)
{
	const char *no_colour = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	struct winsize size = {0};
	int fd = fileno(out);

	*screen = (struct screen){.out = out, .err = err, .width = 80, .now = now};
	screen->is_terminal = fd >= 0 && isatty(fd);
	screen->is_err_terminal = fileno(err) >= 0 && isatty(fileno(err));
	screen->has_colour = screen->is_terminal && !(no_colour && *no_colour) && term &&
			     strcmp(term, "dumb") != 0;
	if (screen->is_terminal && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
		screen->width = size.ws_col;
}

/* Line feeds stay. */
static void disarm(char *text)
{
	for (char *line = text; *line;) {
		char *end = strchrnul(line, '\n'), last = *end;

		*end = 0;
		utf8_clean(line);
		*end = last;
		line = last ? end + 1 : end;
	}
}

__attribute__((format(printf, 4, 0))) static void put(const struct screen *screen, FILE *file,
						      enum screen_style style, const char *format,
						      va_list arguments)
{
	_cleanup_free_ char *text = NULL;
	bool is_styled = screen->has_colour && file == screen->out && style != SCREEN_PLAIN;

	if (vasprintf(&text, format, arguments) < 0) {
		text = NULL;
		return;
	}
	disarm(text);
	(void)fprintf(file, "%s%s%s", is_styled ? escapes[style] : "", text,
		      is_styled ? "\033[0m" : "");
}

void screen_print(const struct screen *screen, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	put(screen, screen->out, SCREEN_PLAIN, format, arguments);
	va_end(arguments);
}

void screen_style(const struct screen *screen, enum screen_style style, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	put(screen, screen->out, style, format, arguments);
	va_end(arguments);
}

void screen_error(const struct screen *screen, const char *what, const char *format, ...)
{
	va_list arguments;

	(void)fflush(screen->out);
	(void)fprintf(screen->err, what ? "asafo: %s: " : "asafo: %s", what ? what : "");
	va_start(arguments, format);
	put(screen, screen->err, SCREEN_PLAIN, format, arguments);
	va_end(arguments);
	(void)fputc('\n', screen->err);
}

void screen_wrap(const struct screen *screen, enum screen_style style, size_t at, size_t indent,
		 const char *text)
{
	_cleanup_free_ char *words = screen->is_terminal ? strdup(text) : NULL;
	char *rest = words, *word;

	if (!words) {
		screen_style(screen, style, "%s", text);
		screen_print(screen, "\n");
		return;
	}
	for (bool is_first = true; (word = strsep(&rest, " ")); is_first = false) {
		size_t columns = screen_columns(word);

		if (!is_first && at + 1 + columns > screen->width) {
			screen_print(screen, "\n%*s", (int)indent, "");
			at = indent;
		} else if (!is_first) {
			screen_style(screen, style, " ");
			at++;
		}
		screen_style(screen, style, "%s", word);
		at += columns;
	}
	screen_print(screen, "\n");
}

size_t screen_columns(const char *text)
{
	mbstate_t state = {0};
	size_t left = strlen(text), columns = 0;

	while (left > 0) {
		wchar_t c;
		size_t n = mbrtowc(&c, text, left, &state);
		int width;

		if (n == 0 || n > left) {
			/* Not in this locale: a byte is a column. */
			state = (mbstate_t){0};
			n = 1;
			width = 1;
		} else {
			width = wcwidth(c);
		}
		/* A control character: each of its bytes is replaced. */
		columns += width >= 0 ? (size_t)width : n;
		text += n;
		left -= n;
	}
	return columns;
}
