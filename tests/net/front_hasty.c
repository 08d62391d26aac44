/* SPDX-License-Identifier: Apache-2.0 */
/* The front of 25-dtls-rekey.t: the real one, except that keys are in use for seconds. */
#include "front/front.h"

#define REKEY_MS 15000

/* The linker's names (--wrap), of front_new's own type: it links them whatever they take. */
__typeof__(front_new) __real_front_new, __wrap_front_new;

int __wrap_front_new(sd_event *event, unsigned instance, const struct front_limits *limits,
		     const struct front_ops *ops, void *userdata, struct front **ret_front)
{
	static struct front_limits hasty;

	hasty = *limits;
	hasty.tunnels.rekey_ms = REKEY_MS;
	return __real_front_new(event, instance, &hasty, ops, userdata, ret_front);
}
