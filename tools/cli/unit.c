/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/unit.h"

#include <inttypes.h>
#include <string.h>

#include "tools/cli/format.h"
#include "tools/cli/view.h"

const char *unit_name(const char *unit)
{
	if (strcmp(unit, "primary") == 0)
		return "Primary";
	return strcmp(unit, "secondary") == 0 ? "Secondary" : "Unknown";
}

const char *unit_other(const char *unit)
{
	return strcmp(unit, "primary") == 0 ? "secondary" : "primary";
}

enum screen_style unit_state_style(const char *state)
{
	if (strcmp(state, "Active") == 0 || strcmp(state, "Standby Ready") == 0)
		return SCREEN_GOOD;
	return strcmp(state, "Failed") == 0 || strcmp(state, "Not Detected") == 0 ? SCREEN_BAD
										  : SCREEN_WARN;
}

void unit_print_clock(const struct screen *screen, const char *indent, struct json_object *clock)
{
	const char *class = view_text(clock, "class");
	int64_t skew = view_number(clock, "skew_ms", 0);
	int64_t uncertainty = view_number(clock, "uncertainty_ms", 0);
	bool is_same = strcmp(class, "same") == 0;
	const char *when = view_flag(clock, "stale") ? ", when the other unit was last heard" : "";
	struct format_text text, around;

	if (!*class || strcmp(class, "unknown") == 0)
		return;
	screen_print(screen, "%s", indent);
	if (is_same && skew == 0) {
		screen_print(screen, "Clocks: the same (uncertain by %s)%s\n",
			     format_ms(uncertainty + 1, &around), when);
		return;
	}
	screen_style(screen, is_same ? SCREEN_PLAIN : SCREEN_WARN,
		     "Clocks: %s, the other unit's is %s %s (uncertain by %s)%s\n",
		     is_same ? "the same" : "they differ",
		     format_ms(skew < 0 ? -skew : skew, &text), skew < 0 ? "behind" : "ahead",
		     format_ms(uncertainty + 1, &around), when);
}
