/* SPDX-License-Identifier: Apache-2.0 */
/* The checked copy of FRONT_ROLE. */
#include "front/unit_status.h"

#include <stdio.h>
#include <string.h>

static void text_take(char *ret_text, size_t size, const char *text)
{
	(void)snprintf(ret_text, size, "%s", text);
	for (char *c = ret_text; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
}

void unit_status_take(struct unit_status *unit, const Asafo__Ipc__FrontRole *role)
{
	text_take(unit->role, sizeof(unit->role), role->role);
	text_take(unit->state, sizeof(unit->state), role->state);
	text_take(unit->unit, sizeof(unit->unit), role->unit);
	unit->is_active = strcmp(unit->role, "active") == 0;
	unit->term = role->term;
	unit->seq = role->seq;
	unit->has_digest = role->digest.len == sizeof(unit->digest);
	if (unit->has_digest)
		memcpy(unit->digest, role->digest.data, sizeof(unit->digest));
}

void unit_status_forget(struct unit_status *unit)
{
	unit->is_active = false;
	text_take(unit->role, sizeof(unit->role), "unknown");
	text_take(unit->state, sizeof(unit->state), "");
}
