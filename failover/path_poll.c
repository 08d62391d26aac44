/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/path_poll.h"

#include <errno.h>
#include <sys/epoll.h>

int path_poll_open(int *ret_fd)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int path_poll_watch(int poll_fd, int fd, size_t index)
{
	struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = index}};

	return epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void path_poll_forget(int poll_fd, int fd)
{
	(void)epoll_ctl(poll_fd, EPOLL_CTL_DEL, fd, NULL);
}

size_t path_poll_ready(int poll_fd, bool ret_ready[static HELLO_PATHS_MAX])
{
	struct epoll_event events[HELLO_PATHS_MAX];
	int n = epoll_wait(poll_fd, events, HELLO_PATHS_MAX, 0);

	for (int i = 0; i < n; i++)
		if (events[i].data.u64 < HELLO_PATHS_MAX)
			ret_ready[events[i].data.u64] = true;
	return n < 0 ? 0 : (size_t)n;
}
