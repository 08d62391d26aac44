/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules may write what they like: to nowhere. What they execute has no descriptor of this
 * process's, neither the pipe.
 */
#include "pam/inquiry.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/io.h"
#include "pam/verify.h"
#include "src/ipc/ipc.pb-c.h"

#define ANSWER_FD 3

static int write_answer(int code, const struct verify_result *result)
{
	Asafo__Ipc__PamCheckReply reply = ASAFO__IPC__PAM_CHECK_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	uint8_t packed[PIPE_BUF];

	status.code = code;
	status.why = (char *)(uintptr_t)result->reason;
	reply.status = &status;
	reply.is_right = code == 0 && result->is_right;
	reply.is_known = result->is_known;
	if (asafo__ipc__pam_check_reply__get_packed_size(&reply) > sizeof(packed))
		return ERR_TOO_LARGE;
	return io_write_full(ANSWER_FD, packed, asafo__ipc__pam_check_reply__pack(&reply, packed));
}

static int descriptors_arrange(const struct inquiry *inquiry)
{
	int fd = inquiry->answer_fd;

	for (int i = 0; i < ANSWER_FD; i++) {
		if (dup2(inquiry->null_fd, i) < 0)
			return -errno;
	}
	if (fd == ANSWER_FD ? fcntl(fd, F_SETFD, FD_CLOEXEC) < 0
			    : dup3(fd, ANSWER_FD, O_CLOEXEC) < 0)
		return -errno;
	return close_range(ANSWER_FD + 1, ~0u, 0) < 0 ? -errno : 0;
}

static int process_arrange(const struct inquiry *inquiry, pid_t parent)
{
	sigset_t none;

	(void)setpgid(0, 0);
	(void)sigemptyset(&none);
	for (int number = 1; number < SIGRTMIN; number++) {
		if (number != SIGKILL && number != SIGSTOP)
			(void)signal(number, SIG_DFL);
	}
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
		return -ECHILD;
	(void)alarm(inquiry->time_s);
	return 0;
}

int inquiry_run(const struct inquiry *inquiry, pid_t parent)
{
	char password[VERIFY_PASSWORD_MAX] = "", client[INET6_ADDRSTRLEN] = "";
	struct verify verify = {.service = inquiry->service,
				.user = inquiry->user,
				.password = password,
				.client = client,
				.folder = inquiry->folder};
	struct verify_result result;
	ssize_t n = read(inquiry->password_fd, password, sizeof(password) - 1);
	int r;

	if (n < 0 || process_arrange(inquiry, parent) < 0 || descriptors_arrange(inquiry) < 0)
		return 1;
	if (inquiry->client_size > 0)
		(void)inet_ntop(inquiry->client_size == 16 ? AF_INET6 : AF_INET, inquiry->client,
				client, sizeof(client));
	r = verify_login(&verify, &result);
	explicit_bzero(password, sizeof(password));
	return write_answer(r, &result) < 0 ? 1 : 0;
}
