/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "sandbox/sandbox.h"

/*
 * A process goes behind its walls, or says that it was told not to; what the kernel lacks for them
 * is logged either way. Errors: as sandbox_enter, logged.
 */
int walls_enter(enum sandbox_profile profile, const struct sandbox_paths *paths,
		bool is_unsandboxed);
