/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signals that end or stop a process come through a descriptor while the echo is off, and are
 * raised again when it is back on: no handler, no state that outlives the question.
 */
#include "tools/cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <termios.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"

struct silence {
	int tty, signals;
	struct termios before;
	sigset_t mask_before;
};

static int silence_begin(struct silence *silence)
{
	struct termios quiet;
	sigset_t mask;

	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGINT);
	(void)sigaddset(&mask, SIGTERM);
	(void)sigaddset(&mask, SIGHUP);
	(void)sigaddset(&mask, SIGQUIT);
	(void)sigaddset(&mask, SIGTSTP);
	if (tcgetattr(silence->tty, &silence->before) < 0)
		return -errno;
	silence->signals = signalfd(-1, &mask, SFD_CLOEXEC);
	if (silence->signals < 0)
		return -errno;
	quiet = silence->before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
	quiet.c_lflag |= ICANON | ISIG | ECHONL;
	(void)sigprocmask(SIG_BLOCK, &mask, &silence->mask_before);
	if (tcsetattr(silence->tty, TCSAFLUSH, &quiet) < 0) {
		int error = -errno;

		(void)sigprocmask(SIG_SETMASK, &silence->mask_before, NULL);
		(void)close(silence->signals);
		return error;
	}
	return 0;
}

static void silence_end(struct silence *silence)
{
	(void)tcsetattr(silence->tty, TCSAFLUSH, &silence->before);
	(void)close(silence->signals);
	(void)sigprocmask(SIG_SETMASK, &silence->mask_before, NULL);
}

/* Waits for a line or a signal; *RET_SIGNAL is 0 for a line. */
static int wait_for(const struct silence *silence, int *ret_signal)
{
	struct pollfd p[2] = {{.fd = silence->tty, .events = POLLIN},
			      {.fd = silence->signals, .events = POLLIN}};
	struct signalfd_siginfo info;

	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	*ret_signal = 0;
	if (!(p[1].revents & POLLIN))
		return 0;
	if (read(silence->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return -EIO;
	*ret_signal = (int)info.ssi_signo;
	return 0;
}

static int read_answer(int tty, struct secret *answer, size_t *ret_length)
{
	ssize_t n = read(tty, answer->data, answer->size);

	if (n < 0)
		return -errno;
	if (n == 0)
		return -ECANCELED;
	if (answer->data[n - 1] != '\n' && (size_t)n == answer->size) {
		(void)tcflush(tty, TCIFLUSH);
		return ERR_TOO_LARGE;
	}
	*ret_length = answer->data[n - 1] == '\n' ? (size_t)n - 1 : (size_t)n;
	return 0;
}

int terminal_ask(const char *question, struct secret *answer, size_t *ret_length)
{
	_cleanup_close_ int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct silence silence = {.tty = tty};
	int error, number;

	if (tty < 0)
		return -errno;
	for (;;) {
		error = silence_begin(&silence);
		if (error)
			return error;
		error = dprintf(tty, "%s: ", question) < 0 ? -errno : 0;
		number = 0;
		if (!error)
			error = wait_for(&silence, &number);
		if (!error && number == 0)
			error = read_answer(tty, answer, ret_length);
		silence_end(&silence);
		if (error || number == 0)
			return error;
		/* Ends the process, or stops it: then the question is asked again. */
		(void)raise(number);
	}
}

int memory_file_new(const void *data, size_t size, int *ret_fd)
{
	_cleanup_close_ int fd = memfd_create("asafo", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int error;

	if (fd < 0)
		return -errno;
	error = io_write_full(fd, data, size);
	if (error)
		return error;
	if (lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}
