/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By another thread: a call into a file system that does not answer comes back for no signal but
 * one that kills.
 */
#include "tools/cli/waiting.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/monotime.h"
#include "base/utf8.h"

#define NOTICE_MS 5000u
#define NOTICES_A_PATIENCE 12u

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool has_thread, is_over;
	unsigned ms;
	int fd;
	char notice[512];
} waiting = {.lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER};

static void *watch(void *userdata)
{
	struct monotime end = monotime_add_ms(monotime_now(), waiting.ms);
	struct timespec until = {.tv_sec = (time_t)(end.ns / MONOTIME_NS_PER_SEC),
				 .tv_nsec = (long)(end.ns % MONOTIME_NS_PER_SEC)};
	int r = 0;

	(void)userdata;
	(void)pthread_mutex_lock(&waiting.lock);
	while (!waiting.is_over && r == 0)
		r = pthread_cond_clockwait(&waiting.over, &waiting.lock, CLOCK_MONOTONIC, &until);
	if (!waiting.is_over)
		(void)!write(waiting.fd, waiting.notice, strlen(waiting.notice));
	(void)pthread_mutex_unlock(&waiting.lock);
	return NULL;
}

void waiting_begin(const struct cli *cli, const char *path)
{
	int fd = cli->screen.err ? fileno(cli->screen.err) : -1;
	char name[256];

	waiting.ms = cli->patience_ms ? cli->patience_ms / NOTICES_A_PATIENCE : NOTICE_MS;
	(void)snprintf(name, sizeof(name), "%s", path);
	utf8_clean(name);
	(void)snprintf(waiting.notice, sizeof(waiting.notice),
		       "asafo: %s: %s has not answered for %u s: is its file system there, or the "
		       "other end of the pipe? Only this command waits for it\n",
		       cli->verb, name, waiting.ms / 1000);
	waiting.fd = fd >= 0 ? fd : STDERR_FILENO;
	waiting.is_over = false;
	/* Without it the wait is silent. */
	waiting.has_thread = pthread_create(&waiting.thread, NULL, watch, NULL) == 0;
}

void waiting_end(void)
{
	if (!waiting.has_thread)
		return;
	(void)pthread_mutex_lock(&waiting.lock);
	waiting.is_over = true;
	(void)pthread_cond_signal(&waiting.over);
	(void)pthread_mutex_unlock(&waiting.lock);
	(void)pthread_join(waiting.thread, NULL);
	waiting.has_thread = false;
}
