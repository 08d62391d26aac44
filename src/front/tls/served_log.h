/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "src/ipc/ipc.pb-c.h"

/*
 * Says which certificate is served where, if that is not what BEFORE has: the log hears of each
 * change once. BEFORE is empty at first, and has what was said afterwards. PRIORITY as in
 * syslog(3).
 */
void served_log(const Asafo__Ipc__FrontReport *report, struct buf *before,
		void (*on_line)(int priority, const char *text, void *userdata), void *userdata);
