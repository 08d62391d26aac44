/* SPDX-License-Identifier: Apache-2.0 */
#include "folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"

#define MASTER_KEY_CREDENTIAL "asafo.master-key"
#define CONTROL_BACKLOG 64

static void cleanup_closedir(DIR **directory)
{
	if (*directory)
		(void)closedir(*directory);
}

static int path_join(char ret_path[static PATH_MAX], const char *folder, const char *name,
		     struct why *ret_why)
{
	int n = snprintf(ret_path, PATH_MAX, "%s/%s", folder, name);

	if (n < 0 || n >= PATH_MAX)
		return why_set(ret_why, -ENAMETOOLONG, "\"%.100s...\": the name is too long",
			       folder);
	return 0;
}

static int folder_make(const char *path, mode_t mode, struct why *ret_why)
{
	struct stat st;
	int r;

	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return why_set(ret_why, -errno, "cannot make the folder \"%s\": %s", path,
			       strerror(errno));
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return why_set(ret_why, -ENOTDIR, "\"%s\" is not a folder", path);
	/* What is synced below it is lost with its name. */
	r = io_sync_parent(path);
	return r < 0 && r != -EINVAL
		       ? why_set(ret_why, r,
				 "cannot make the name of the folder \"%s\" durable: %s", path,
				 strerror(-r))
		       : 0;
}

/* The keeper's number may have changed since the store was made: a reinstalled package, a restored
 * backup. */
static int files_give(int folder, struct table_user user)
{
	int copy = fcntl(folder, F_DUPFD_CLOEXEC, 3);
	_cleanup_(cleanup_closedir) DIR *directory = copy >= 0 ? fdopendir(copy) : NULL;

	if (!directory) {
		cleanup_close(&copy);
		return -EIO;
	}
	for (const struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
		_cleanup_close_ int fd = openat(folder, entry->d_name,
						O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		struct stat st;

		/* A second name could be that of a file elsewhere. */
		if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
			continue;
		if (fchown(fd, user.uid, user.gid) < 0)
			return -errno;
	}
	return 0;
}

static int keeper_folder_prepare(const char *path, struct table_user keeper, struct why *ret_why)
{
	int r = folder_make(path, 0700, ret_why);
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Right already it may lie on a disk that is read-only just now: the keeper says so. */
	if (fd < 0 || fstat(fd, &st) < 0 || ((st.st_mode & 07777) != 0700 && fchmod(fd, 0700) < 0))
		return why_set(ret_why, -errno, "cannot open the store's folder \"%s\": %s", path,
			       strerror(errno));
	if (st.st_uid == keeper.uid && st.st_gid == keeper.gid)
		return 0;
	r = files_give(fd, keeper);
	if (r == 0 && fchown(fd, keeper.uid, keeper.gid) < 0)
		r = -errno;
	return r < 0 ? why_set(ret_why, r, "cannot give \"%s\" to the keeper: %s", path,
			       strerror(-r))
		     : 0;
}

static int config_folder_share(const char *config, struct table_user keeper,
			       struct why *ret_warning)
{
	_cleanup_free_ char *copy = strdup(config);
	const char *folder = copy ? dirname(copy) : "";
	_cleanup_close_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return why_set(ret_warning, 0, "cannot open the folder of %s: %s", config,
			       strerror(errno));
	if (geteuid() != 0 || st.st_uid == keeper.uid ||
	    (st.st_gid == keeper.gid && (st.st_mode & S_IWGRP) != 0))
		return 0;
	/* A folder that others use as well is not ours to hand out. */
	if ((st.st_mode & (S_IWOTH | S_ISVTX)) != 0 || strcmp(folder, "/") == 0 ||
	    strcmp(folder, "/etc") == 0)
		return why_set(ret_warning, 0,
			       "\"%s\" is not asafo's own folder: `asafo write-memory` will not be "
			       "able to "
			       "replace %s",
			       folder, config);
	if (fchown(fd, (uid_t)-1, keeper.gid) < 0 || fchmod(fd, (st.st_mode & 07777) | S_IRWXG) < 0)
		return why_set(ret_warning, 0, "cannot share \"%s\" with the keeper: %s", folder,
			       strerror(errno));
	return 0;
}

int folders_prepare(const struct folders *folders, struct table_user keeper,
		    struct why *ret_warning, struct why *ret_why)
{
	char path[PATH_MAX];
	int r = folder_make(folders->state_dir, 0755, ret_why);

	ret_warning->text[0] = '\0';
	if (r == 0)
		r = folder_make(folders->run_dir, 0755, ret_why);
	if (r == 0)
		r = path_join(path, folders->state_dir, "keeper", ret_why);
	if (r == 0)
		r = keeper_folder_prepare(path, keeper, ret_why);
	if (r == 0)
		r = config_folder_share(folders->config, keeper, ret_warning);
	return r;
}

int folders_lock(const struct folders *folders, int *ret_fd, struct why *ret_why)
{
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r = path_join(path, folders->run_dir, "asafod.lock", ret_why);

	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return why_set(ret_why, -errno, "cannot open \"%s\": %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return why_set(ret_why, ERR_BUSY, "another asafod is running on \"%s\"",
			       folders->run_dir);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int folders_control_listen(const struct folders *folders, int *ret_fd, struct why *ret_why)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int n = snprintf(at.sun_path, sizeof(at.sun_path), "%s/control", folders->run_dir);

	if (n < 0 || (size_t)n >= sizeof(at.sun_path))
		return why_set(ret_why, -ENAMETOOLONG,
			       "\"%s/control\" is too long a name for a socket", folders->run_dir);
	/* The lock says that nobody else is behind an old one. */
	(void)unlink(at.sun_path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
	    chmod(at.sun_path, 0666) < 0 || listen(fd, CONTROL_BACKLOG) < 0)
		return why_set(ret_why, -errno, "cannot listen on \"%s\": %s", at.sun_path,
			       strerror(errno));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void folders_control_remove(const struct folders *folders)
{
	char path[PATH_MAX];

	if (path_join(path, folders->run_dir, "control", NULL) == 0)
		(void)unlink(path);
}

static int empty_file(int *ret_fd)
{
	int fd = memfd_create("startup-config", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int folders_config_open(const struct folders *folders, struct table_user keeper, int *ret_fd,
			struct why *ret_why)
{
	_cleanup_close_ int fd =
		open(folders->config, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		(void)why_set(ret_why, 0, "there is no %s: starting with an empty configuration",
			      folders->config);
		return empty_file(ret_fd);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return why_set(ret_why, -errno, "cannot open %s: %s", folders->config,
			       strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 ||
	    (st.st_uid != 0 && st.st_uid != keeper.uid && st.st_uid != geteuid()))
		return why_set(ret_why, ERR_DENIED,
			       "%s must be a plain file with one name that belongs to root or to "
			       "the keeper",
			       folders->config);
	ret_why->text[0] = '\0';
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int folders_master_key_open(int *ret_fd)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];
	int fd;

	if (!folder || path_join(path, folder, MASTER_KEY_CREDENTIAL, NULL) < 0)
		return ERR_NOT_FOUND;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : -errno;
	*ret_fd = fd;
	return 0;
}
