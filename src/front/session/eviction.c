/* SPDX-License-Identifier: Apache-2.0 */
#include "front/session/eviction.h"

struct session *eviction_pick(struct session *oldest)
{
	struct session *slowest = NULL;

	for (struct session *s = oldest; s && session_place(s)->previous;
	     s = session_place(s)->previous) {
		if (session_is_idle(s))
			return s;
		if (!slowest && session_is_slow(s))
			slowest = s;
	}
	return slowest;
}
