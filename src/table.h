/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/why.h"
#include "ipc/type.h"

#define TABLE_CAPABILITIES_MAX 8

/* One kind of child: its program, whose hands it has, and what of root it keeps. */
struct table_row {
	enum ipc_peer kind;
	const char *program; /* below the libexec folder; argv[0] */
	const char *user; /* sysusers.d; with --uid-base the row's number is added to that instead;
			     NULL: as this process */
	const int *capabilities;
	size_t n_capabilities;
	/* Instead of its user's own; NULL, or not there: that. A group has no other meaning here
	 * than what its files are. */
	const char *group;
	/* What this unit lacks where USER is not there; NULL: it cannot do without. */
	const char *lack;
};

struct table_user {
	uid_t uid;
	gid_t gid;
};

/* The children, in the order in which they are started. */
const struct table_row *table_rows(size_t *ret_n);
/*
 * Whose hands ROW has: by name, or UID_BASE plus the row's number where UID_BASE is not 0; this
 * process's own where it is not root. Errors, with a sentence: ERR_NOT_FOUND (no such user);
 * another where the user database could not say. Asks that, so it may block: for the start only.
 */
int table_user(const struct table_row *row, uid_t uid_base, struct table_user *ret_user,
	       struct why *ret_why);
/* What the supervisor itself keeps: to start, stop and equip the children, and to withdraw
 * addresses. */
const int *table_supervisor_capabilities(size_t *ret_n);
