/* SPDX-License-Identifier: Apache-2.0 */
/*
 * landlock(7) by its raw system calls: Debian 12 has no library for it. As much is asked as this
 * kernel's version of the interface knows; the words that Debian 12's headers lack are spelled
 * here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sandbox/rule.h"

#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)
#define FS_REMOVE_DIR (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_DIR (UINT64_C(1) << 7)
#define FS_MAKE_REG (UINT64_C(1) << 8)
#define FS_ABI_1 ((UINT64_C(1) << 13) - 1)
#define FS_REFER (UINT64_C(1) << 13)	       /* ABI 2 */
#define FS_TRUNCATE (UINT64_C(1) << 14)	       /* ABI 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15)       /* ABI 5 */
#define SCOPE_ABSTRACT_UNIX (UINT64_C(1) << 0) /* ABI 6 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

#define CREATE_VERSION (1u << 0)
#define RULE_PATH_BENEATH 1

#define READABLE_DIR (FS_READ_FILE | FS_READ_DIR)
#define READABLE_FILE FS_READ_FILE
#define WRITABLE_FILE (FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE)
#define WRITABLE_DIR                                                                               \
	(WRITABLE_FILE | FS_READ_DIR | FS_REMOVE_FILE | FS_REMOVE_DIR | FS_MAKE_REG | FS_MAKE_DIR)

/* The kernel's struct landlock_ruleset_attr; older kernels take a shorter one. */
struct ruleset_attr {
	uint64_t fs;
	uint64_t net;	/* ABI 4 */
	uint64_t scope; /* ABI 6 */
};

struct path_attr {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

static struct ruleset_attr ruleset_for(const struct sandbox_profile_row *row, long abi,
				       size_t *ret_size)
{
	struct ruleset_attr attr = {.fs = FS_ABI_1};

	*ret_size = sizeof(attr.fs);
	if (abi >= 2)
		attr.fs |= FS_REFER;
	if (abi >= 3)
		attr.fs |= FS_TRUNCATE;
	if (abi >= 5)
		attr.fs |= FS_IOCTL_DEV;
	if (abi >= 6) {
		attr.scope = SCOPE_ABSTRACT_UNIX | (row->is_signal_bound ? SCOPE_SIGNAL : 0);
		*ret_size = sizeof(attr);
	}
	return attr;
}

static int path_allow(int ruleset, uint64_t handled, const char *path, bool is_writable,
		      uint64_t more, struct why *ret_why)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct path_attr attr = {.fd = fd};
	struct stat st;

	if (fd < 0 && errno == ENOENT && !is_writable)
		return 0; /* what is not there needs no permission */
	if (fd < 0 || fstat(fd, &st) < 0)
		return why_set(ret_why, -errno, "sandbox: cannot open \"%s\": %s", path,
			       strerror(errno));
	if (S_ISDIR(st.st_mode))
		attr.allowed = is_writable ? WRITABLE_DIR : READABLE_DIR;
	else
		attr.allowed = is_writable ? WRITABLE_FILE : READABLE_FILE;
	attr.allowed = (attr.allowed | more) & handled;
	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &attr, 0) < 0)
		return why_set(ret_why, -errno, "sandbox: Landlock refuses \"%s\": %s", path,
			       strerror(errno));
	return 0;
}

static int paths_allow(int ruleset, uint64_t handled, const struct sandbox_paths *paths,
		       struct why *ret_why)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(paths->writable) && r == 0; i++) {
		if (paths->writable[i])
			r = path_allow(ruleset, handled, paths->writable[i], true, 0, ret_why);
	}
	for (size_t i = 0; i < ARRAY_SIZE(paths->readable) && r == 0; i++) {
		if (paths->readable[i])
			r = path_allow(ruleset, handled, paths->readable[i], false, 0, ret_why);
	}
	for (size_t i = 0; i < ARRAY_SIZE(paths->executable) && r == 0; i++) {
		if (paths->executable[i])
			r = path_allow(ruleset, handled, paths->executable[i], false, FS_EXECUTE,
				       ret_why);
	}
	return r;
}

int sandbox_landlock_enter(const struct sandbox_profile_row *row, const struct sandbox_paths *paths,
			   struct why *ret_why)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
	_cleanup_close_ int ruleset = -1;
	struct ruleset_attr attr;
	size_t size;
	int r;

	if (abi < 1) {
		(void)why_set(ret_why, 0,
			      "this kernel has no Landlock (%s): %s is confined by its user and "
			      "its system "
			      "call filter only",
			      strerror(errno), row->name);
		return 0;
	}
	attr = ruleset_for(row, abi, &size);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return why_set(ret_why, -errno, "sandbox %s: Landlock gives no ruleset: %s",
			       row->name, strerror(errno));
	r = paths_allow(ruleset, attr.fs, paths, ret_why);
	if (r < 0)
		return r;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return why_set(ret_why, -errno, "sandbox %s: Landlock cannot be entered: %s",
			       row->name, strerror(errno));
	return 0;
}
