/* SPDX-License-Identifier: Apache-2.0 */
#include "walls.h"

#include <syslog.h>

#include "base/log.h"

int walls_enter(enum sandbox_profile profile, const struct sandbox_paths *paths,
		bool is_unsandboxed)
{
	struct why why = {""};
	int r;

	if (is_unsandboxed) {
		log_line(LOG_WARNING, "running WITHOUT its sandbox (--no-sandbox)");
		return 0;
	}
	r = sandbox_enter(profile, paths, &why);
	if (why.text[0])
		log_line(r < 0 ? LOG_CRIT : LOG_WARNING, "%s", why.text);
	return r;
}
