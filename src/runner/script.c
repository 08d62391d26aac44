/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wall around the runner is this file: it may execute anything that root put into two folders,
 * and nothing else. A folder or file that someone else could have written is refused; there is no
 * shell, no search path and no name that leads out of the folder.
 */
#include "runner/script.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "runner/guard.h"

#define SCRIPT_FD 3
#define EXIT_NOT_EXECUTED 126

static void cleanup_closedir(DIR **directory)
{
	if (*directory)
		(void)closedir(*directory);
}

bool script_name_is_valid(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length < SCRIPT_NAME_MAX && name[0] != '.' && name[0] != '-' &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
		       length &&
	       !strstr(name, ".dpkg-") && !strstr(name, ".ucf-");
}

/* In the service this process is root. */
static int check_owner(const struct stat *st, const char *what, struct why *ret_why)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return why_set(ret_why, ERR_DENIED, "\"%s\" does not belong to root: chown root it",
			       what);
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return why_set(ret_why, ERR_DENIED,
			       "\"%s\" can be written by others than its owner: chmod go-w it",
			       what);
	return 0;
}

int script_folder_open(const char *path, int *ret_fd, struct why *ret_why)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 && errno == ENOENT)
		return why_set(ret_why, ERR_NOT_FOUND, "there is no folder \"%s\"", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return why_set(ret_why, -errno, "cannot open the folder \"%s\": %s", path,
			       strerror(errno));
	r = check_owner(&st, path, ret_why);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool is_plain(int folder_fd, const char *name, bool *ret_is_executable)
{
	struct stat st;

	if (!script_name_is_valid(name) || fstatat(folder_fd, name, &st, 0) < 0 ||
	    !S_ISREG(st.st_mode))
		return false;
	*ret_is_executable = (st.st_mode & S_IXUSR) != 0;
	return true;
}

/* NAME was meant to run, or is the folder's README. */
static void list_skip(struct script_list *list, const char *name)
{
	if (strncmp(name, "README", strlen("README")) == 0)
		return;
	/* The first by name, whatever the folder's order is. */
	if (list->n_skipped == 0 || strcmp(name, list->skipped) < 0)
		memcpy(list->skipped, name, strlen(name) + 1);
	list->n_skipped++;
}

int script_folder_list(int folder_fd, struct script_list *ret_list)
{
	/* Not a duplicate: that would share the place in the folder. */
	int copy = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(cleanup_closedir) DIR *directory = copy >= 0 ? fdopendir(copy) : NULL;

	if (!directory) {
		int r = -errno;

		cleanup_close(&copy);
		return r;
	}
	ret_list->n = ret_list->n_skipped = 0;
	ret_list->is_cut = false;
	for (const struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
		bool is_executable;

		if (!is_plain(folder_fd, entry->d_name, &is_executable))
			continue;
		if (!is_executable) {
			list_skip(ret_list, entry->d_name);
			continue;
		}
		if (ret_list->n == SCRIPT_LIST_MAX) {
			ret_list->is_cut = true;
			break;
		}
		/* A valid name fits, with its NUL. */
		memcpy(ret_list->names[ret_list->n++], entry->d_name, strlen(entry->d_name) + 1);
	}
	qsort(ret_list->names, ret_list->n, sizeof(ret_list->names[0]), compare_names);
	return 0;
}

int script_open(int folder_fd, const char *name, int *ret_fd, struct why *ret_why)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (!script_name_is_valid(name))
		return why_set(ret_why, ERR_DENIED, "\"%.64s\" is not a script's name", name);
	/* O_PATH: what is no plain file is not touched by this. */
	fd = openat(folder_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return why_set(ret_why, ERR_NOT_FOUND, "there is no \"%s\" in its folder", name);
	if (fd < 0 || fstat(fd, &st) < 0)
		return why_set(ret_why, -errno, "cannot open \"%s\": %s", name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return why_set(ret_why, ERR_DENIED, "\"%s\" is not a plain file", name);
	r = check_owner(&st, name, ret_why);
	if (r < 0)
		return r;
	if ((st.st_mode & S_IXUSR) == 0)
		return why_set(ret_why, ERR_DENIED, "\"%s\" is not executable: chmod +x it", name);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static void signals_reset(void)
{
	struct sigaction by_default = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int signal = 1; signal < SIGRTMIN; signal++) {
		if (signal != SIGKILL && signal != SIGSTOP)
			(void)sigaction(signal, &by_default, NULL);
	}
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int descriptors_arrange(int script_fd, int output_fd)
{
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(output_fd, STDOUT_FILENO) < 0 ||
	    dup2(output_fd, STDERR_FILENO) < 0)
		return -errno;
	/* dup2 onto itself would leave close-on-exec set, and an interpreter without its script. */
	if (script_fd == SCRIPT_FD ? fcntl(script_fd, F_SETFD, 0) < 0
				   : dup2(script_fd, SCRIPT_FD) < 0)
		return -errno;
	return close_range(SCRIPT_FD + 1, ~0u, 0) < 0 ? -errno : 0;
}

static void say(const char *what, const char *why)
{
	(void)io_write_full(STDERR_FILENO, what, strlen(what));
	(void)io_write_full(STDERR_FILENO, why, strlen(why));
}

static _Noreturn void become_script(int script_fd, int output_fd, const char *const *argv,
				    const char *const *environment, pid_t parent)
{
	(void)setpgid(0, 0);
	signals_reset();
	(void)umask(022);
	if (descriptors_arrange(script_fd, output_fd) < 0 || chdir("/") < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
		_exit(EXIT_NOT_EXECUTED);
	(void)syscall(SYS_execveat, SCRIPT_FD, "", (char *const *)(uintptr_t)argv,
		      (char *const *)(uintptr_t)environment, AT_EMPTY_PATH);
	say("cannot be executed: ",
	    errno == ENOENT ? "its interpreter is missing (the #! line)" : strerror(errno));
	_exit(EXIT_NOT_EXECUTED);
}

/* Whatever the script leaves behind falls back to this process. */
static _Noreturn void become_guard(int script_fd, int output_fd, const char *const *argv,
				   const char *const *environment, pid_t parent, bool is_thorough)
{
	pid_t self = getpid(), pid;

	(void)setpgid(0, 0);
	if (guard_enter(parent) < 0)
		_exit(EXIT_NOT_EXECUTED);
	pid = fork();
	if (pid < 0)
		_exit(EXIT_NOT_EXECUTED);
	if (pid == 0)
		become_script(script_fd, output_fd, argv, environment, self);
	guard_watch(pid, is_thorough);
}

int script_start(int script_fd, const char *const *argv, const char *const *environment,
		 bool is_thorough, pid_t *ret_pid, int *ret_output_fd)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	pid_t parent = getpid(), pid;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	ours = fds[0];
	theirs = fds[1];
	r = io_set_nonblocking(ours);
	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_guard(script_fd, theirs, argv, environment, parent, is_thorough);
	*ret_pid = pid;
	*ret_output_fd = TAKE_FD(ours);
	return 0;
}
