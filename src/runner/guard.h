/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * Between the runner and a script: the process that everything which the script starts falls back
 * to, in whatever session or group it put itself. It ends as the script did, and kills what that
 * left in its group, or all that it left where no daemon of its is to stay. On SIGTERM, and when
 * the runner is gone, it kills all of it.
 */

/* In the new process, before it starts the script. Errors: -errno; PARENT is gone: -ESRCH. */
int guard_enter(pid_t parent);
/* SCRIPT is this process's only child. IS_THOROUGH: nothing that it started outlives it. */
_Noreturn void guard_watch(pid_t script, bool is_thorough);
