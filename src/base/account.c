/* SPDX-License-Identifier: Apache-2.0 */
#include "base/account.h"

#include <errno.h>
#include <grp.h>

#include "base/err.h"

/* By what passwd(3) says of systems. */
bool account_is_absent(int error)
{
	return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

int account_group(const char *name, gid_t *ret_gid)
{
	const struct group *entry;

	errno = 0;
	entry = getgrnam(name);
	if (!entry)
		return account_is_absent(errno) ? ERR_NOT_FOUND : -errno;
	*ret_gid = entry->gr_gid;
	return 0;
}
