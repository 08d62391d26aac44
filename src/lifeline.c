/* SPDX-License-Identifier: Apache-2.0 */
#include "lifeline.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "vip.h"

void lifeline_withdraw(void)
{
	int n = vip_withdraw_all();

	if (n < 0)
		log_line(LOG_ERR,
			 "cannot withdraw the active addresses: %s; their leases end by themselves",
			 err_text(n));
	else if (n > 0)
		log_line(LOG_WARNING, "withdrew %d active address%s", n, n == 1 ? "" : "es");
}

static int on_end(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	(void)fd;
	(void)revents;
	(void)userdata;
	(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	lifeline_withdraw();
	return 0;
}

int lifeline_new(sd_event *event, sd_event_source **ret_source, int *ret_fd)
{
	_cleanup_close_ int reader = -1, writer = -1;
	sd_event_source *source = NULL;
	int fds[2];
	int r;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	reader = fds[0];
	writer = fds[1];
	r = sd_event_add_io(event, &source, reader, EPOLLIN, on_end, NULL);
	if (r < 0)
		return r;
	(void)sd_event_source_set_io_fd_own(source, 1);
	reader = -1;
	r = sd_event_source_set_priority(source, SD_EVENT_PRIORITY_IMPORTANT);
	if (r < 0) {
		sd_event_source_disable_unref(source);
		return r;
	}
	*ret_source = source;
	*ret_fd = writer;
	writer = -1;
	return 0;
}
