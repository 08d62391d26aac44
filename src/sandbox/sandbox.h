/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/why.h"

/*
 * The walls: what each process may ask of the kernel. seccomp(2) filters by allow-list, landlock(7)
 * for files, no-new-privs, no core, not dumpable. Each allowed system call has its reason beside it
 * (profile tables).
 */
enum sandbox_profile {
	SANDBOX_SUPERVISOR, /* no-new-privs and dumpable only: it must fork, exec and switch users
			     */
	SANDBOX_RUNNER,	    /* likewise: what it executes may be anything */
	SANDBOX_ENGINE,	    /* sockets, netlink; no file at all */
	SANDBOX_KEEPER, /* files below its folder; no socket(2) of any kind; may fork its parser */
	SANDBOX_PARSER, /* the keeper's zygote: fork, pipes, memory; no file, no socket */
	SANDBOX_PARSER_JOB, /* one parse: memory, read, write, exit */
	SANDBOX_FRONT,	    /* accept and serve; bind to new addresses; no file at all */
	SANDBOX_AUTH,	    /* its channels; no file, no socket at all */
	SANDBOX_FETCH, /* TCP and DNS outwards, from children of its own; what the resolver reads
			*/
	SANDBOX_PAM,   /* modules that nobody here knows: what is closed to it is said, not what is
			* open
			*/
	SANDBOX__MAX,
};

struct sandbox_paths {
	const char *writable[4];   /* folders whose contents may be read and written */
	const char *readable[8];   /* files or folders that may be read */
	const char *executable[2]; /* folders whose files may be read and executed */
};

/*
 * Enters the profile; there is no way back. On success RET_WHY is empty, or a warning to be logged:
 * a kernel without Landlock is not refused, one without seccomp is. What the process will need from
 * files (modules, time zone, trust list) is to be loaded before. A readable path that does not
 * exist is skipped. Errors: -errno with a sentence that names what the kernel lacks.
 */
int sandbox_enter(enum sandbox_profile profile, const struct sandbox_paths *paths,
		  struct why *ret_why);
const char *sandbox_profile_name(enum sandbox_profile profile);
