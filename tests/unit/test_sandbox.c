/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each attempt runs in a forked child that has entered a profile: its exit code is 0 or the errno
 * that the attempt met, and a killed child shows its signal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sandbox/sandbox.h"

#define KILLED(signal) (1000 + (signal))

struct folders {
	char own[PATH_MAX];
	char other[PATH_MAX];
	char own_file[PATH_MAX];
	char other_file[PATH_MAX];
};

static struct folders folders;

typedef int (*attempt_fn)(void);

static int child_result(pid_t pid)
{
	int status;

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? KILLED(WTERMSIG(status)) : WEXITSTATUS(status);
}

static int within(enum sandbox_profile profile, attempt_fn attempt)
{
	struct sandbox_paths paths = {.writable = {profile == SANDBOX_KEEPER ? folders.own : NULL}};
	pid_t pid;
	int r;

	if (profile == SANDBOX_PAM)
		paths = (struct sandbox_paths){.writable = {"/dev/null"}, .executable = {"/"}};
	pid = fork();
	if (pid == 0) {
		struct why why;

		if (sandbox_enter(profile, &paths, &why) < 0) {
			(void)dprintf(2, "%s\n", why.text);
			_exit(250);
		}
		r = attempt();
		_exit(r < 0 ? errno & 0xff : 0);
	}
	return child_result(pid);
}

static int open_own(void)
{
	return open(folders.own_file, O_RDONLY);
}

static int open_other(void)
{
	return open(folders.other_file, O_RDONLY);
}

static int write_other(void)
{
	return open(folders.other_file, O_WRONLY);
}

static int write_null(void)
{
	return open("/dev/null", O_WRONLY);
}

static int list_other(void)
{
	return open(folders.other, O_RDONLY | O_DIRECTORY);
}

static int socket_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int socket_tcp(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int socket_udp6(void)
{
	return socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static int socket_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

static int socket_packet(void)
{
	return socket(AF_PACKET, SOCK_DGRAM, 0);
}

static int socket_pair(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds);
}

static int connect_tcp(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(fd, (const struct sockaddr *)&to, sizeof(to));
}

static int send_fast_open(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return (int)sendto(fd, "", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (const struct sockaddr *)&to,
			   sizeof(to));
}

/* Of what a listening socket outlives its front with. */
static int filter_attach(void)
{
	struct sock_filter all = {.code = BPF_RET | BPF_K, .k = 0};
	struct sock_fprog program = {1, &all};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* Of the number that SO_REUSEADDR has at its own level. */
static int ttl_set(void)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	return setsockopt(fd, IPPROTO_IP, IP_TTL, &one, sizeof(one));
}

/* What ipc_channel_call_sync waits by: without it each signature would cost three more calls. */
static int patience_set(void)
{
	struct timeval patience = {.tv_sec = 2};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

static int listen_tcp(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return -1;
	return listen(fd, 1);
}

static int run_program(void)
{
	return execl("/bin/true", "true", NULL);
}

static int trace_parent(void)
{
	return (int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static int become_root(void)
{
	return setuid(0);
}

static int fork_child(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -1;
	if (pid == 0)
		_exit(0);
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static int map_code(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);

	return at == MAP_FAILED ? -1 : 0;
}

static int turn_into_code(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? 0 : mprotect(at, 4096, PROT_READ | PROT_EXEC);
}

static int new_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static int use_real_time(void)
{
	struct sched_param param = {0};

	return sched_setscheduler(0, SCHED_OTHER, &param);
}

static int tell_local_time(void)
{
	time_t now = time(NULL);
	struct tm tm;

	errno = EINVAL;
	return localtime_r(&now, &tm) ? 0 : -1;
}

static int keep_a_file(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char name[PATH_MAX + 8], final[PATH_MAX + 8];
	_cleanup_close_ int fd = -1, folder = open(folders.own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)snprintf(name, sizeof(name), "%s/new", folders.own);
	(void)snprintf(final, sizeof(final), "%s/kept", folders.own);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || folder < 0 || ftruncate(fd, 8192) < 0 || pwrite(fd, "x", 1, 0) != 1 ||
	    fcntl(fd, F_SETLK, &lock) < 0 || fdatasync(fd) < 0 || rename(name, final) < 0)
		return -1;
	if (mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		return -1;
	return fsync(folder) < 0 ? -1 : unlink(final);
}

static int is_private(void)
{
	struct rlimit core;

	errno = EBADE;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return -1;
	return getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 ? 0 : -1;
}

static int is_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int enter_job_and_fork(void)
{
	struct why why;

	if (sandbox_enter(SANDBOX_PARSER_JOB, NULL, &why) < 0) {
		errno = EBADE;
		return -1;
	}
	return fork_child();
}

static int read_and_answer(void)
{
	char byte;
	int zero = STDIN_FILENO;

	return read(zero, &byte, 1) < 0 ? -1 : 0;
}

/* A refused file is EACCES where Landlock refuses it, EPERM where the filter refuses the call. */
static void assert_refused(int result)
{
	if (result != EACCES)
		assert_int_equal(result, EPERM);
}

static void test_files(void **state)
{
	(void)state;
	assert_refused(within(SANDBOX_ENGINE, open_other));
	assert_refused(within(SANDBOX_ENGINE, open_own));
	assert_refused(within(SANDBOX_ENGINE, list_other));
	assert_refused(within(SANDBOX_FRONT, open_other));
	assert_refused(within(SANDBOX_FRONT, open_own));
	assert_refused(within(SANDBOX_FRONT, list_other));
	assert_refused(within(SANDBOX_PARSER, open_other));
	assert_refused(within(SANDBOX_PARSER_JOB, open_other));
}

static void test_keeper_files(void **state)
{
	(void)state;
	assert_int_equal(within(SANDBOX_KEEPER, open_own), 0);
	assert_int_equal(within(SANDBOX_KEEPER, keep_a_file), 0);
	assert_refused(within(SANDBOX_KEEPER, open_other));
	assert_refused(within(SANDBOX_KEEPER, list_other));
}

static void test_keeper_sockets(void **state)
{
	(void)state;
	assert_int_equal(within(SANDBOX_KEEPER, socket_unix), EPERM);
	assert_int_equal(within(SANDBOX_KEEPER, socket_tcp), EPERM);
	assert_int_equal(within(SANDBOX_KEEPER, socket_udp6), EPERM);
	assert_int_equal(within(SANDBOX_KEEPER, socket_netlink), EPERM);
	assert_int_equal(within(SANDBOX_KEEPER, socket_pair), EPERM);
	assert_int_equal(within(SANDBOX_PARSER, socket_tcp), EPERM);
	assert_int_equal(within(SANDBOX_PARSER_JOB, socket_unix), EPERM);
}

static void test_network(void **state)
{
	(void)state;
	assert_int_equal(within(SANDBOX_ENGINE, socket_netlink), 0);
	assert_int_equal(within(SANDBOX_ENGINE, socket_udp6), 0);
	assert_int_equal(within(SANDBOX_ENGINE, connect_tcp), EINPROGRESS);
	assert_int_equal(within(SANDBOX_ENGINE, socket_unix), EPERM);
	assert_int_equal(within(SANDBOX_FRONT, listen_tcp), 0);
	assert_int_equal(within(SANDBOX_FRONT, patience_set), 0);
	assert_int_equal(within(SANDBOX_FRONT, connect_tcp), EPERM);
	assert_int_equal(within(SANDBOX_FRONT, send_fast_open), EPERM);
	assert_int_equal(within(SANDBOX_FRONT, filter_attach), EPERM);
	assert_int_equal(within(SANDBOX_FRONT, ttl_set), EPERM);
	assert_int_equal(within(SANDBOX_ENGINE, ttl_set), 0);
	assert_int_equal(within(SANDBOX_FRONT, socket_netlink), EPERM);
	assert_int_equal(within(SANDBOX_FRONT, socket_packet), EPERM);
	assert_int_equal(within(SANDBOX_FRONT, socket_unix), EPERM);
	assert_int_equal(within(SANDBOX_FETCH, connect_tcp), EINPROGRESS);
	assert_int_equal(within(SANDBOX_FETCH, listen_tcp), EPERM);
	assert_int_equal(within(SANDBOX_FETCH, send_fast_open), EPERM);
	assert_int_equal(within(SANDBOX_FETCH, socket_netlink), EPERM);
	assert_int_equal(within(SANDBOX_FETCH, socket_packet), EPERM);
	assert_int_equal(within(SANDBOX_FETCH, socket_unix), EPERM);
}

static void test_packet(void **state)
{
	int fd = socket_packet();

	(void)state;
	if (fd < 0)
		skip(); /* needs CAP_NET_RAW */
	(void)close(fd);
	assert_int_equal(within(SANDBOX_ENGINE, socket_packet), 0);
}

static void test_fatal(void **state)
{
	(void)state;
	for (enum sandbox_profile profile = SANDBOX_ENGINE; profile < SANDBOX_PAM; profile++) {
		assert_int_equal(within(profile, run_program), KILLED(SIGSYS));
		assert_int_equal(within(profile, trace_parent), KILLED(SIGSYS));
		assert_int_equal(within(profile, become_root), KILLED(SIGSYS));
		assert_int_equal(within(profile, new_namespace), KILLED(SIGSYS));
	}
}

static void test_memory(void **state)
{
	(void)state;
	for (enum sandbox_profile profile = SANDBOX_ENGINE; profile < SANDBOX_PAM; profile++) {
		assert_int_equal(within(profile, map_code), EPERM);
		assert_int_equal(within(profile, turn_into_code), EPERM);
	}
}

static void test_private(void **state)
{
	(void)state;
	assert_int_equal(within(SANDBOX_SUPERVISOR, is_private), 0);
	assert_int_equal(within(SANDBOX_ENGINE, is_private), 0);
	assert_int_equal(within(SANDBOX_KEEPER, is_private), 0);
	assert_int_equal(within(SANDBOX_PARSER, is_private), 0);
	assert_int_equal(within(SANDBOX_FRONT, is_private), 0);
	for (enum sandbox_profile profile = SANDBOX_ENGINE; profile < SANDBOX_PAM; profile++)
		assert_int_equal(within(profile, is_dumpable), EPERM);
}

static void test_children(void **state)
{
	(void)state;
	assert_int_equal(within(SANDBOX_SUPERVISOR, fork_child), 0);
	assert_int_equal(within(SANDBOX_SUPERVISOR, run_program), 0);
	assert_int_equal(within(SANDBOX_PARSER, fork_child), 0);
	assert_int_equal(within(SANDBOX_FETCH, fork_child), 0);
	assert_int_equal(within(SANDBOX_KEEPER, fork_child), EPERM);
	assert_int_equal(within(SANDBOX_ENGINE, fork_child), EPERM);
	assert_int_equal(within(SANDBOX_FRONT, fork_child), EPERM);
	assert_int_equal(within(SANDBOX_PARSER_JOB, fork_child), EPERM);
	assert_int_equal(within(SANDBOX_PARSER, enter_job_and_fork), EPERM);
}

/* Modules read and execute what their user may, and write nothing. */
static void test_modules(void **state)
{
	(void)state;
	assert_int_equal(within(SANDBOX_PAM, run_program), 0);
	assert_int_equal(within(SANDBOX_PAM, fork_child), 0);
	assert_int_equal(within(SANDBOX_PAM, open_other), 0);
	assert_int_equal(within(SANDBOX_PAM, write_null), 0);
	assert_int_equal(within(SANDBOX_PAM, socket_unix), 0);
	assert_refused(within(SANDBOX_PAM, write_other));
	assert_int_equal(within(SANDBOX_PAM, trace_parent), EPERM);
	assert_int_equal(within(SANDBOX_PAM, new_namespace), EPERM);
	assert_int_equal(within(SANDBOX_PAM, is_private), 0);
}

static void test_schedule(void **state)
{
	(void)state;
	assert_int_equal(within(SANDBOX_ENGINE, use_real_time), 0);
	assert_int_equal(within(SANDBOX_FRONT, use_real_time), EPERM);
	for (enum sandbox_profile profile = SANDBOX_ENGINE; profile < SANDBOX__MAX; profile++)
		assert_int_equal(within(profile, tell_local_time), 0);
}

static void test_job(void **state)
{
	int fds[2];
	int saved = dup(STDIN_FILENO);

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
	(void)close(fds[1]);
	assert_int_equal(within(SANDBOX_PARSER_JOB, read_and_answer), 0);
	(void)dup2(saved, STDIN_FILENO);
	(void)close(saved);
	(void)close(fds[0]);
}

static void test_missing_folder(void **state)
{
	struct sandbox_paths paths = {.writable = {"/nonexistent/folder"}};
	pid_t pid = fork();
	struct why why;

	(void)state;
	if (pid == 0) {
		int r = sandbox_enter(SANDBOX_KEEPER, &paths, &why);

		/* Without Landlock nobody looks at the folder. */
		_exit(r == 0 || strstr(why.text, "/nonexistent/folder") ? 0 : 1);
	}
	assert_int_equal(child_result(pid), 0);
}

static int make_folders(void **state)
{
	int fd;

	(void)state;
	(void)snprintf(folders.own, sizeof(folders.own), "/tmp/asafo-test-own-XXXXXX");
	(void)snprintf(folders.other, sizeof(folders.other), "/tmp/asafo-test-other-XXXXXX");
	if (!mkdtemp(folders.own) || !mkdtemp(folders.other))
		return -1;
	(void)snprintf(folders.own_file, sizeof(folders.own_file), "%.200s/data.mdb", folders.own);
	(void)snprintf(folders.other_file, sizeof(folders.other_file), "%.200s/data.mdb",
		       folders.other);
	fd = open(folders.own_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || close(fd) < 0)
		return -1;
	fd = open(folders.other_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 ? -1 : close(fd);
}

static int remove_folders(void **state)
{
	(void)state;
	(void)unlink(folders.own_file);
	(void)unlink(folders.other_file);
	(void)rmdir(folders.own);
	return rmdir(folders.other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"the engine, the front and the parser cannot open the store", test_files, NULL,
		 NULL, NULL},
		{"the keeper keeps files in its own folder and nowhere else", test_keeper_files,
		 NULL, NULL, NULL},
		{"the keeper and its parser cannot make a socket", test_keeper_sockets, NULL, NULL,
		 NULL},
		{"the engine speaks to the network, the front only listens", test_network, NULL,
		 NULL, NULL},
		{"the engine can announce an address", test_packet, NULL, NULL, NULL},
		{"running a program, tracing, changing users is fatal everywhere", test_fatal, NULL,
		 NULL, NULL},
		{"no process can make code", test_memory, NULL, NULL, NULL},
		{"no process leaves a core or takes new privileges", test_private, NULL, NULL,
		 NULL},
		{"only the parser and the supervisor have children", test_children, NULL, NULL,
		 NULL},
		{"modules of PAM read and execute, and write nothing", test_modules, NULL, NULL,
		 NULL},
		{"the engine may ask for real time; everybody knows the local time", test_schedule,
		 NULL, NULL, NULL},
		{"a parser's job reads what it is given", test_job, NULL, NULL, NULL},
		{"a folder that is missing is named", test_missing_folder, NULL, NULL, NULL},
	};

	return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
