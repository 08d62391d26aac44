/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <syslog.h>

/*
 * The program's log. Only programs call this; a library returns an error instead. Lines go to the
 * journal with structured fields when stderr is connected to it ($JOURNAL_STREAM), otherwise to
 * stderr with a sd-daemon(3) priority prefix. Whatever came from outside, a line is one line of
 * printable UTF-8: control characters and broken sequences are replaced.
 */

/* Names the process ("engine") and sets the most detailed priority that is written (LOG_INFO,
 * LOG_DEBUG). */
void log_open(const char *process, int max_priority);
/*
 * From here on no line is waited for, in this process and in those that it starts: where stderr, a
 * pipe, a socket or a terminal, has no room, the line is lost, and the next one that is not says
 * how many were. Lines to the journal are never waited for.
 */
void log_never_wait(void);
/* The lines go to the journal that listens at PATH, which is kept; $JOURNAL_STREAM says nothing. */
void log_set_journal(const char *path);
/* One line. PRIORITY as in syslog(3). */
void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * As log_line, with the text "%ASAFO-S-NUMBER: " before it; S is the severity. In the journal it
 * has ASAFO_ID=NUMBER and a MESSAGE_ID that goes with the number (doc/log.md).
 */
void log_message(int severity, unsigned number, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A field of the journal; NAME as journald takes it (upper case), an empty VALUE is left out. */
struct log_field {
	const char *name, *value;
};
#define LOG_FIELDS_MAX 8

/* As log_message, with up to LOG_FIELDS_MAX fields; TEXT is taken as it is. */
void log_event(int severity, unsigned number, const struct log_field *fields, size_t n_fields,
	       const char *text);
