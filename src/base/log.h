/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <syslog.h>

/*
 * The program's log. Only programs call this; a library returns an error instead. Lines go to the
 * journal with structured fields when stderr is connected to it ($JOURNAL_STREAM), otherwise to
 * stderr with a sd-daemon(3) priority prefix when not a terminal.
 */

/* Names the process ("engine") and sets the most detailed priority that is written (LOG_INFO,
 * LOG_DEBUG). */
void log_open(const char *process, int max_priority);
/* One line. Control characters are replaced. PRIORITY as in syslog(3). */
void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As log_line, with the text "%ASAFO-S-NUMBER: " before it and ASAFO_ID=NUMBER as a field. S is the
 * severity. */
void log_message(int severity, unsigned number, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
