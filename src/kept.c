/* SPDX-License-Identifier: Apache-2.0 */
/* A front hears clients and may have been taken over: what it sends is looked at before it is kept,
 * and closed as what comes from such a process is. */
#include "kept.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define KEPT_MAX 64
#define NAME_SIZE 64 /* of an address and a port */

struct kept {
	struct kept *next;
	int fd;
	char name[NAME_SIZE];
};

static bool is_listening(int fd)
{
	int yes = 0, type = 0;
	socklen_t size = sizeof(yes);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size) < 0 || !yes)
		return false;
	size = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &type, &size) == 0 &&
	       (type == AF_INET || type == AF_INET6);
}

static void one_free(struct kept *one)
{
	ipc_drop_fd(one->fd);
	free(one);
}

static void forget(struct kept **kept, const char *name)
{
	while (*kept && strcmp((*kept)->name, name) != 0)
		kept = &(*kept)->next;
	if (*kept) {
		struct kept *one = *kept;

		*kept = one->next;
		one_free(one);
	}
}

static size_t count(const struct kept *kept)
{
	size_t n = 0;

	for (; kept; kept = kept->next)
		n++;
	return n;
}

void kept_note(struct kept **kept, const char *name, struct ipc_frame *frame)
{
	struct kept *one;

	forget(kept, name);
	if (frame->n_fds != 1 || !is_listening(frame->fds[0]) || strlen(name) >= NAME_SIZE ||
	    count(*kept) >= KEPT_MAX)
		return;
	one = calloc(1, sizeof(*one));
	if (!one)
		return;
	memcpy(one->name, name, strlen(name) + 1);
	one->fd = ipc_frame_take_fd(frame, 0);
	one->next = *kept;
	*kept = one;
}

void kept_each(const struct kept *kept, void (*on_one)(const char *name, int fd, void *userdata),
	       void *userdata)
{
	for (; kept; kept = kept->next)
		on_one(kept->name, kept->fd, userdata);
}

void kept_drop(struct kept **kept)
{
	while (*kept) {
		struct kept *one = *kept;

		*kept = one->next;
		one_free(one);
	}
}
