/* SPDX-License-Identifier: Apache-2.0 */
/* By a signal: a call into a file system that does not answer comes back for nobody. */
#include "tools/cli/waiting.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/utf8.h"

#define NOTICE_MS 5000u
#define NOTICES_A_PATIENCE 12u

static char notice[512];
static volatile sig_atomic_t notice_fd = STDERR_FILENO;

static void on_alarm(int number)
{
	(void)number;
	(void)!write(notice_fd, notice, strlen(notice));
}

static void set_timer(unsigned ms)
{
	struct itimerval timer = {
		.it_value = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000}};

	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

void waiting_begin(const struct cli *cli, const char *path)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	unsigned ms = cli->patience_ms ? cli->patience_ms / NOTICES_A_PATIENCE : NOTICE_MS;
	int fd = cli->screen.err ? fileno(cli->screen.err) : -1;
	char name[256];

	(void)snprintf(name, sizeof(name), "%s", path);
	utf8_clean(name);
	(void)snprintf(notice, sizeof(notice),
		       "asafo: %s: %s has not answered for %u s: is its file system there, or the "
		       "other end of the pipe? Only this command waits for it\n",
		       cli->verb, name, ms / 1000);
	notice_fd = fd >= 0 ? fd : STDERR_FILENO;
	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGALRM, &action, NULL);
	set_timer(ms);
}

void waiting_end(void)
{
	set_timer(0);
}
