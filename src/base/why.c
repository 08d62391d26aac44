/* SPDX-License-Identifier: Apache-2.0 */
/* Texts may quote a peer's or a file's words: no control character reaches a terminal or a log. */
#include "base/why.h"

#include <stdarg.h>
#include <stdio.h>

int why_set(struct why *ret_why, int code, const char *format, ...)
{
	va_list args;

	if (!ret_why)
		return code;
	va_start(args, format);
	(void)vsnprintf(ret_why->text, sizeof(ret_why->text), format, args);
	va_end(args);
	for (char *c = ret_why->text; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	return code;
}
