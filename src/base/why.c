/* SPDX-License-Identifier: Apache-2.0 */
/* Texts may quote a peer's or a file's words, and cut them: no control character and no half of one
 * reaches a terminal, a log or JSON. */
#include "base/why.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

int why_set(struct why *ret_why, int code, const char *format, ...)
{
	va_list args;

	if (!ret_why)
		return code;
	va_start(args, format);
	(void)vsnprintf(ret_why->text, sizeof(ret_why->text), format, args);
	va_end(args);
	utf8_clean(ret_why->text);
	return code;
}
