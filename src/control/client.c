/* SPDX-License-Identifier: Apache-2.0 */
/* The other end: one call at a time, blocking, for a command line. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/monotime.h"
#include "control/control.h"
#include "control/message.h"

#define READ_SIZE (64u * 1024)

struct control_client {
	int fd;
	unsigned timeout_ms;
	bool is_broken;
	struct buf in;
};

CLEANUP_DEFINE(struct control_client *, control_client_free)

int control_client_connect(const char *path, struct control_client **ret_client)
{
	_cleanup_(control_client_free_p) struct control_client *client = NULL;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);

	if (length == 0 || length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, length);
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return -errno;
	if (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*ret_client = TAKE_PTR(client);
	return 0;
}

void control_client_free(struct control_client *client)
{
	if (!client)
		return;
	cleanup_close(&client->fd);
	buf_wipe(&client->in);
	free(client);
}

bool control_client_is_broken(const struct control_client *client)
{
	return client->is_broken;
}

void control_client_set_timeout(struct control_client *client, unsigned ms)
{
	client->timeout_ms = ms;
}

static int wait_for(struct control_client *client, short events)
{
	struct pollfd p = {.fd = client->fd, .events = events};
	struct monotime deadline = monotime_add_ms(monotime_now(), client->timeout_ms);

	for (;;) {
		uint64_t left_ns = monotime_since(deadline, monotime_now());
		int ms = client->timeout_ms
				 ? (int)((left_ns + MONOTIME_NS_PER_MS - 1) / MONOTIME_NS_PER_MS)
				 : -1;
		int n = poll(&p, 1, ms);

		if (n > 0)
			return 0;
		if (n == 0)
			return ERR_TIMEOUT;
		if (errno != EINTR)
			return -errno;
	}
}

/* One send; the descriptors go with it. Errors: -errno. */
static ssize_t send_some(int fd, const void *data, size_t size, const int *fds, size_t n_fds)
{
	union {
		char bytes[CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} space = {0};
	union {
		const void *from;
		void *base;
	} pointer = {.from = data};
	struct iovec iov = {.iov_base = pointer.base, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (n_fds > 0) {
		struct cmsghdr *c;

		msg.msg_control = &space;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/*
 * -EPIPE and -ECONNRESET are no failure here: a daemon that refuses a request closes after its
 * answer, which is still to be read.
 */
static int send_request(struct control_client *client, const struct buf *text, const int *fds,
			size_t n_fds)
{
	size_t sent = 0;

	while (sent < text->size) {
		ssize_t n = send_some(client->fd, text->data + sent, text->size - sent, fds,
				      sent == 0 ? n_fds : 0);
		int error;

		if (n == -EPIPE || n == -ECONNRESET)
			return 0;
		if (n == -EAGAIN) {
			/* Also for input: an answer before the end of the request means that it is
			 * refused. */
			error = wait_for(client, POLLOUT | POLLIN);
			if (error)
				return error;
			if (recv(client->fd, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
				return 0;
			continue;
		}
		if (n < 0)
			return (int)n;
		sent += (size_t)n;
	}
	return 0;
}

/* Waits for the next whole message; its size with the NUL. */
static int receive(struct control_client *client, size_t *ret_size)
{
	size_t searched = 0;

	for (;;) {
		const uint8_t *end = client->in.size > searched
					     ? memchr(client->in.data + searched, '\0',
						      client->in.size - searched)
					     : NULL;
		ssize_t n;
		int error;

		if (end) {
			*ret_size = (size_t)(end - client->in.data) + 1;
			return 0;
		}
		searched = client->in.size;
		if (searched > CONTROL_REPLY_MAX)
			return ERR_TOO_LARGE;
		error = wait_for(client, POLLIN);
		if (!error)
			error = buf_reserve(&client->in, READ_SIZE);
		if (error)
			return error;
		n = recv(client->fd, client->in.data + client->in.size, READ_SIZE, MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return ERR_CLOSED;
		if (n < 0)
			return -errno;
		client->in.size += (size_t)n;
	}
}

static int read_reply(struct control_client *client, struct control_reply *ret_reply,
		      struct why *ret_why)
{
	size_t size = 0;
	int error = receive(client, &size);

	if (error)
		return why_set(
			ret_why, error, "%s",
			error == ERR_CLOSED
				? "the daemon closed the connection without an answer: whether "
				  "it was done is not known, look before you do it again"
			: error == ERR_TIMEOUT ? "the daemon does not answer: it stands still, or "
						 "has too much to do; look at the machine"
					       : err_text(error));
	error = control_reply_parse((const char *)client->in.data, size - 1, ret_reply, ret_why);
	buf_consume(&client->in, size);
	return error;
}

int control_client_call(struct control_client *client, const char *method,
			struct json_object *parameters, const int *fds, size_t n_fds,
			void (*on_progress)(struct json_object *parameters, void *userdata),
			void *userdata, struct json_object **ret_result, struct why *ret_why)
{
	_cleanup_(buf_wipe) struct buf text = {0};
	int error;

	if (n_fds > CONTROL_FDS_MAX)
		return why_set(ret_why, -EINVAL, "too many descriptors");
	error = control_request_append(&text, method, parameters, on_progress != NULL);
	if (!error && text.size > CONTROL_MESSAGE_MAX)
		return why_set(ret_why, ERR_TOO_LARGE, "the request is larger than 1 MiB");
	if (!error)
		error = send_request(client, &text, fds, n_fds);
	if (error) {
		client->is_broken = true;
		return why_set(ret_why, error, "cannot send the request: %s", err_text(error));
	}
	for (;;) {
		_cleanup_(control_reply_done) struct control_reply reply = {0};

		error = read_reply(client, &reply, ret_why);
		if (error) {
			client->is_broken = true;
			return error;
		}
		if (reply.is_error)
			return why_set(ret_why, reply.code, "%s", reply.why.text);
		if (!reply.continues) {
			*ret_result = TAKE_PTR(reply.parameters);
			return 0;
		}
		if (on_progress)
			on_progress(reply.parameters, userdata);
	}
}
