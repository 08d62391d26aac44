/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/control_world.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/err.h"

struct control_peer world_peer;

int world_read_peer(int fd, struct control_peer *ret_peer)
{
	(void)fd;
	*ret_peer = world_peer;
	return 0;
}

static void method_echo(struct control_call *call, struct json_object *parameters, void *userdata)
{
	(void)userdata;
	control_call_reply(call, json_object_get(parameters));
}

static void on_gone(struct control_call *call, void *userdata)
{
	struct world *w = userdata;

	(void)call;
	w->n_gone++;
}

static void method_wait(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct world *w = userdata;

	(void)parameters;
	control_call_set_on_gone(call, on_gone, w);
	w->waiting = call;
}

static void method_progress(struct control_call *call, struct json_object *parameters,
			    void *userdata)
{
	(void)userdata;
	control_call_progress(call, json_object_get(parameters));
	control_call_reply(call, NULL);
}

static void method_fail(struct control_call *call, struct json_object *parameters, void *userdata)
{
	(void)parameters;
	(void)userdata;
	control_call_fail(call, ERR_NOT_ACTIVE, "do it on the primary");
}

static void method_fd(struct control_call *call, struct json_object *parameters, void *userdata)
{
	struct world *w = userdata;

	(void)parameters;
	w->taken = control_call_take_fd(call, 0);
	assert_int_equal(control_call_take_fd(call, 0), -1);
	control_call_reply(call, NULL);
}

static void method_large(struct control_call *call, struct json_object *parameters, void *userdata)
{
	static char text[900 * 1024];
	struct json_object *result = json_object_new_object();

	(void)parameters;
	(void)userdata;
	memset(text, 'x', sizeof(text));
	json_object_object_add(result, "text", json_object_new_string_len(text, sizeof(text)));
	control_call_reply(call, result);
}

const struct control_method world_methods[] = {
	{"t.Echo", CONTROL_ACCESS_LOOK, method_echo},
	{"t.Wait", CONTROL_ACCESS_LOOK, method_wait},
	{"t.Progress", CONTROL_ACCESS_LOOK, method_progress},
	{"t.Fail", CONTROL_ACCESS_CHANGE, method_fail},
	{"t.Fd", CONTROL_ACCESS_LOOK, method_fd},
	{"t.Large", CONTROL_ACCESS_LOOK, method_large},
	{0},
};

int world_listen(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(address.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 128), 0);
	return fd;
}

int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	(void)snprintf(w->directory, sizeof(w->directory), "/tmp/asafo-control-XXXXXX");
	assert_non_null(mkdtemp(w->directory));
	(void)snprintf(w->path, sizeof(w->path), "%s/control", w->directory);
	assert_true(sd_event_new(&w->event) >= 0);
	assert_int_equal(control_server_new(w->event, world_listen(w->path), world_methods,
					    LOOK_GID, CHANGE_GID, w, &w->server),
			 0);
	world_peer = (struct control_peer){.uid = 1000, .gid = CHANGE_GID, .pid = 77};
	control_server_set_peer_read(w->server, world_read_peer);
	w->taken = -1;
	*state = w;
	return 0;
}

int world_teardown(void **state)
{
	struct world *w = *state;

	control_server_free(w->server);
	sd_event_unref(w->event);
	(void)unlink(w->path);
	(void)rmdir(w->directory);
	free(w);
	return 0;
}

int world_client(const struct world *w)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	memcpy(address.sun_path, w->path, strlen(w->path) + 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

void world_pump(struct world *w)
{
	while (sd_event_run(w->event, 0) > 0)
		;
}

void world_feed(struct world *w, int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			break;
		data += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
		world_pump(w);
	}
	world_pump(w);
}

void world_feed_fds(int fd, const char *data, size_t size, const int *fds, size_t n)
{
	char space[CMSG_SPACE(16 * sizeof(int))] __attribute__((aligned(8))) = {0};
	char copy[256];
	struct iovec iov = {copy, size};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = space,
			     .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	memcpy(copy, data, size);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	assert_int_equal(sendmsg(fd, &msg, 0), (ssize_t)size);
}

const char *world_heard(struct world *w, int fd, struct buf *text)
{
	char chunk[65536];
	ssize_t n;

	buf_clear(text);
	for (;;) {
		world_pump(w);
		n = recv(fd, chunk, sizeof(chunk), 0);
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			chunk[i] = chunk[i] ? chunk[i] : '|';
		assert_int_equal(buf_append(text, chunk, (size_t)n), 0);
	}
	if (n == 0 || errno == ECONNRESET)
		assert_int_equal(buf_append(text, "EOF", 3), 0);
	return buf_text(text);
}
