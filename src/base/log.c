/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/utf8.h"

#define TEXT_MAX 1024
#define FIELD_MAX 160
/* The number, in decimal digits, makes it whole: see systemd.journal-fields(7), MESSAGE_ID. */
#define MESSAGE_ID_HEAD "6f1d0a7c54e94b3aa5af0c0de0"

static const char *log_process = "asafo";
static int log_max_priority = LOG_INFO;
static bool log_to_journal;

/* systemd.exec(5): $JOURNAL_STREAM is that of whom the variable was made for; a child whose stderr
 * was redirected has it, too. */
static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat info;
	uintmax_t device, inode;
	char *end;

	if (!stream || fstat(fd, &info) < 0)
		return false;
	device = strtoumax(stream, &end, 10);
	if (*end != ':')
		return false;
	inode = strtoumax(end + 1, &end, 10);
	return *end == '\0' && device == (uintmax_t)info.st_dev && inode == (uintmax_t)info.st_ino;
}

void log_open(const char *process, int max_priority)
{
	log_process = process;
	log_max_priority = max_priority;
	log_to_journal = is_journal(STDERR_FILENO);
}

struct entry {
	char texts[LOG_FIELDS_MAX + 4][FIELD_MAX];
	struct iovec parts[LOG_FIELDS_MAX + 5];
	int n;
};

static void entry_add(struct entry *entry, const char *name, const char *value)
{
	char *text = entry->texts[entry->n];
	int length = snprintf(text, FIELD_MAX, "%s=%s", name, value);

	utf8_clean(text);
	entry->parts[entry->n++] =
		(struct iovec){text, length < FIELD_MAX ? (size_t)length : FIELD_MAX - 1};
}

static int journal_send(int priority, unsigned number, const struct log_field *fields,
			size_t n_fields, const char *text)
{
	struct entry entry = {.n = 0};
	char line[TEXT_MAX + 16], digits[16];

	(void)snprintf(digits, sizeof(digits), "%d", priority);
	entry_add(&entry, "PRIORITY", digits);
	entry_add(&entry, "ASAFO_PROCESS", log_process);
	if (number != 0) {
		char id[sizeof(MESSAGE_ID_HEAD) + sizeof(digits)];

		(void)snprintf(digits, sizeof(digits), "%06u", number % 1000000);
		(void)snprintf(id, sizeof(id), MESSAGE_ID_HEAD "%s", digits);
		entry_add(&entry, "ASAFO_ID", digits);
		entry_add(&entry, "MESSAGE_ID", id);
	}
	for (size_t i = 0; i < n_fields && i < LOG_FIELDS_MAX; i++) {
		if (fields[i].value && fields[i].value[0])
			entry_add(&entry, fields[i].name, fields[i].value);
	}
	(void)snprintf(line, sizeof(line), "MESSAGE=%s", text);
	entry.parts[entry.n] = (struct iovec){line, strlen(line)};
	return sd_journal_sendv(entry.parts, entry.n + 1);
}

/* A process that may not make a socket, as the keeper, reaches the journal through its stderr,
 * which systemd joined to it. */
static void emit(int priority, unsigned number, const struct log_field *fields, size_t n_fields,
		 char *text)
{
	utf8_clean(text);
	if (!log_to_journal)
		(void)fprintf(stderr, "<%d>asafo-%s[%d]: %s\n", priority, log_process,
			      (int)getpid(), text);
	else if (journal_send(priority, number, fields, n_fields, text) < 0)
		(void)fprintf(stderr, "<%d>%s: %s\n", priority, log_process, text);
}

void log_line(int priority, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	if (priority > log_max_priority)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	emit(priority, 0, NULL, 0, text);
}

static int head(char text[static TEXT_MAX], int severity, unsigned number)
{
	return snprintf(text, TEXT_MAX, "%%ASAFO-%d-%06u: ", severity, number);
}

void log_message(int severity, unsigned number, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;
	int length;

	if (severity > log_max_priority)
		return;
	length = head(text, severity, number);
	va_start(args, format);
	(void)vsnprintf(text + length, sizeof(text) - (size_t)length, format, args);
	va_end(args);
	emit(severity, number, NULL, 0, text);
}

void log_event(int severity, unsigned number, const struct log_field *fields, size_t n_fields,
	       const char *text)
{
	char line[TEXT_MAX];
	int length;

	if (severity > log_max_priority)
		return;
	length = head(line, severity, number);
	(void)snprintf(line + length, sizeof(line) - (size_t)length, "%s", text);
	emit(severity, number, fields, n_fields, line);
}
