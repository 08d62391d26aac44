/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

#include "certstore/keeper/keeper.h"

/*
 * Watches what a keeper cannot mend from within its walls: a parser that ended, which only a new
 * keeper can fork, and a store that cannot be used. When what stands in the way may be gone (there
 * is room, the disk is writable, the operator moved the files away) it ends the loop: the
 * supervisor starts the keeper anew, which is the one way to look at a damaged store without risk
 * (store_probe). Until then nothing is tried, so that a unit without a store does not loop.
 */
struct recovery;

/* STATE_DIR is borrowed. */
int recovery_new(sd_event *event, const struct keeper *keeper, const char *state_dir,
		 struct recovery **ret_recovery);
void recovery_free(struct recovery *recovery);
