/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * What the system's user database says, and whether it said anything: "there is nobody of that
 * name" and "nobody could be asked" are two answers, and only the first one may be gone by.
 */

/* Whether ERROR, of getpwnam(3) or getgrnam(3) that found nothing, says that there is nothing. */
bool account_is_absent(int error);
/* The number of the group NAME. Asks the user database, so it may block. Errors: ERR_NOT_FOUND
 * (there is none); another: it could not be looked up. */
int account_group(const char *name, gid_t *ret_gid);
