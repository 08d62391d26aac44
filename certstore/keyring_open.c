/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring from whichever master key opens it: the credential goes before the file, but a
 * credential that is not this store's does not shut a unit out whose file is. Nothing is written
 * where the store holds keys and none opens them.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "certstore/keyring_private.h"

static int open_with(struct store *store, int credential_fd, const char *path,
		     struct keyring **ret_ring, struct why *ret_why)
{
	_cleanup_secret_ struct secret master = {0};
	int r = keyring_master_key(store, credential_fd, path, &master, ret_why);

	return r < 0 ? r : keyring_new(store, &master, ret_ring, ret_why);
}

static void look_at_file(const char *path, struct keyring_master *master)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	master->has_file = fd >= 0 && fstat(fd, &st) == 0;
	if (master->has_file)
		master->file_mode = st.st_mode & 07777;
}

int keyring_open_store(struct store *store, int credential_fd, const char *path,
		       struct keyring **ret_ring, struct keyring_master *ret_master,
		       struct why *ret_why)
{
	struct keyring_master master = {.is_credential = credential_fd >= 0};
	struct why file_why = {0};
	int r;

	if (credential_fd >= 0)
		(void)lseek(credential_fd, 0, SEEK_SET);
	r = open_with(store, credential_fd, path, ret_ring, ret_why);
	look_at_file(path, &master);
	if (credential_fd >= 0 && (r == ERR_INTEGRITY || r == ERR_MALFORMED)) {
		if (master.has_file && open_with(store, -1, path, ret_ring, &file_why) == 0) {
			master.is_credential = false;
			master.is_credential_stale = true;
			r = 0;
		} else {
			(void)why_set(
				ret_why, r,
				"the credential asafo.master-key %s%s%s: give the service the "
				"one that this unit was set up with, or move the unit's state "
				"folder away and pair the unit again",
				r == ERR_MALFORMED ? "is not 32 bytes long"
						   : "is not the key that this unit's keys "
						     "are sealed under",
				master.has_file ? ", nor is " : "", master.has_file ? path : "");
		}
	}
	if (r == 0)
		*ret_master = master;
	return r;
}

bool keyring_is_locked(const struct keyring *ring)
{
	return ring->wrap_key.is_locked;
}
