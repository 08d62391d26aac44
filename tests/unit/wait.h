/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <cmocka.h>
#include <systemd/sd-event.h>

#include "base/monotime.h"

#define WAIT_MS 8000

/* Runs the loop EVENT until CONDITION. Asserts. */
#define WAIT_ON(event, condition)                                                                  \
	do {                                                                                       \
		struct monotime until_ = monotime_add_ms(monotime_now(), WAIT_MS);                 \
		while (!(condition)) {                                                             \
			if (monotime_reached(monotime_now(), until_))                              \
				fail_msg("did not come: %s", #condition);                          \
			assert_true(sd_event_run(event, 20000) >= 0);                              \
		}                                                                                  \
	} while (0)
