/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

static const char *log_process = "asafo";
static int log_max_priority = LOG_INFO;
static int log_to_journal;

void log_open(const char *process, int max_priority)
{
	log_process = process;
	log_max_priority = max_priority;
	log_to_journal = getenv("JOURNAL_STREAM") != NULL;
}

static void clean(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

static int journal_send(int priority, unsigned number, const char *text)
{
	if (number != 0)
		return sd_journal_send("PRIORITY=%i", priority, "MESSAGE=%s", text,
				       "ASAFO_PROCESS=%s", log_process, "ASAFO_ID=%u", number,
				       NULL);
	return sd_journal_send("PRIORITY=%i", priority, "MESSAGE=%s", text, "ASAFO_PROCESS=%s",
			       log_process, NULL);
}

/* A process that may not make a socket, as the keeper, reaches the journal through its stderr,
 * which systemd joined to it. */
static void emit(int priority, unsigned number, const char *text)
{
	if (log_to_journal) {
		if (journal_send(priority, number, text) < 0)
			(void)fprintf(stderr, "<%d>%s: %s\n", priority, log_process, text);
	} else {
		(void)fprintf(stderr, "<%d>asafo-%s[%d]: %s\n", priority, log_process,
			      (int)getpid(), text);
	}
}

void log_line(int priority, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (priority > log_max_priority)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	clean(text);
	emit(priority, 0, text);
}

void log_message(int severity, unsigned number, const char *format, ...)
{
	char text[1024];
	va_list args;
	int length;

	if (severity > log_max_priority)
		return;
	length = snprintf(text, sizeof(text), "%%ASAFO-%d-%06u: ", severity, number);
	va_start(args, format);
	(void)vsnprintf(text + length, sizeof(text) - (size_t)length, format, args);
	va_end(args);
	clean(text);
	emit(severity, number, text);
}
