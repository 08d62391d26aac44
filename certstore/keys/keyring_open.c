/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring from whichever master key opens it: the credential goes before the file, but a
 * credential that is not this store's does not shut a unit out whose file is. Nothing is written
 * where the store holds keys and none opens them.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "certstore/keys/keyring_private.h"

static int open_with(struct store *store, int credential_fd, const char *path,
		     struct keyring **ret_ring, struct why *ret_why)
{
	_cleanup_secret_ struct secret master = {0};
	int r = keyring_master_key(store, credential_fd, path, &master, ret_why);

	return r < 0 ? r : keyring_new(store, &master, ret_ring, ret_why);
}

/* A change of the master key may have been stopped in the middle: then the one that opens the store
 * is the master key. */
static int open_with_file(struct store *store, const char *path, struct keyring **ret_ring,
			  struct why *ret_why)
{
	char next[PATH_MAX];
	struct why why = {0};
	int r = open_with(store, -1, path, ret_ring, ret_why);

	if (r == 0)
		(void)keyring_master_tidy(path, false);
	if (r != ERR_INTEGRITY && r != ERR_NOT_FOUND && r != ERR_MALFORMED)
		return r;
	if (keyring_master_beside(path, KEYRING_MASTER_NEXT, next) < 0 || access(next, F_OK) < 0 ||
	    open_with(store, -1, next, ret_ring, &why) < 0)
		return r;
	/* What fails here is done at the next start: until then both files are there. */
	(void)keyring_master_tidy(path, true);
	return 0;
}

void keyring_look_at_file(const char *path, struct keyring_master *master)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	master->has_file = fd >= 0 && fstat(fd, &st) == 0;
	if (!master->has_file)
		return;
	master->file_mode = st.st_mode & 07777;
	master->file_owner = st.st_uid;
}

static int open_with_credential(struct store *store, int fd, const char *path,
				struct keyring **ret_ring, struct keyring_master *master,
				struct why *ret_why)
{
	struct why file_why = {0};
	int r;

	(void)lseek(fd, 0, SEEK_SET);
	r = open_with(store, fd, path, ret_ring, ret_why);
	/* What a change of the file's key left behind opens nothing then. */
	if (r == 0)
		(void)keyring_master_tidy(path, false);
	if (r != ERR_INTEGRITY && r != ERR_MALFORMED)
		return r;
	keyring_look_at_file(path, master);
	if (open_with_file(store, path, ret_ring, &file_why) == 0) {
		master->is_credential = false;
		master->is_credential_stale = true;
		return 0;
	}
	return why_set(ret_why, r,
		       "the credential asafo.master-key %s%s%s: give the service the one that this "
		       "unit was set up with, or move the unit's state folder away and pair the "
		       "unit again",
		       r == ERR_MALFORMED ? "is not 32 bytes long"
					  : "is not the key that this unit's keys are sealed under",
		       master->has_file ? ", nor is " : "", master->has_file ? path : "");
}

int keyring_open_store(struct store *store, int credential_fd, const char *path,
		       struct keyring **ret_ring, struct keyring_master *ret_master,
		       struct why *ret_why)
{
	struct keyring_master master = {.is_credential = credential_fd >= 0};
	int r = credential_fd >= 0 ? open_with_credential(store, credential_fd, path, ret_ring,
							  &master, ret_why)
				   : open_with_file(store, path, ret_ring, ret_why);

	if (r < 0)
		return r;
	keyring_look_at_file(path, &master);
	*ret_master = master;
	return 0;
}

bool keyring_is_locked(const struct keyring *ring)
{
	return ring->wrap_key.is_locked;
}
