/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl blocks, in the name resolver too, so it runs in a child. Its answer comes through a pipe
 * as the message that the engine gets; an end of the pipe without a whole one is the child's death.
 */
#include "fetch/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/why.h"
#include "fetch/ask.h"
#include "ipc/channel.h"
#include "src/ipc/ipc.pb-c.h"

#define ANSWER_FD 3
#define ANSWER_MAX (ASK_RESPONSE_MAX + 4096)
/* Beyond its own limits: it stands still, or was stopped. */
#define DEADLINE_MS (ASK_TIME_MAX_MS + 5000)

struct fetch {
	sd_event *event;
	struct ipc_channel *engine;
	uint32_t id; /* of the question under way */
	pid_t pid;   /* who asks; 0: nobody */
	int fd;
	sd_event_source *readable, *deadline;
	struct buf answer;
};

/* ---- the child ---- */

static int write_answer(const Asafo__Ipc__StapleFetchReply *reply)
{
	_cleanup_(buf_done) struct buf packed = {0};
	int r = buf_reserve(&packed, asafo__ipc__staple_fetch_reply__get_packed_size(reply));

	if (r < 0)
		return r;
	packed.size = asafo__ipc__staple_fetch_reply__pack(reply, packed.data);
	return io_write_full(ANSWER_FD, packed.data, packed.size);
}

static int ask_and_answer(const Asafo__Ipc__StapleFetch *question)
{
	Asafo__Ipc__StapleFetchReply reply = ASAFO__IPC__STAPLE_FETCH_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	_cleanup_(buf_done) struct buf response = {0};
	struct ask ask = {.leaf = question->leaf.data,
			  .leaf_size = question->leaf.len,
			  .issuer = question->issuer.data,
			  .issuer_size = question->issuer.len,
			  .url = question->url};
	char url[ASK_URL_MAX];
	struct why why = {""};

	status.code = ask_responder(&ask, &response, url, &why);
	status.why = why.text;
	reply.status = &status;
	reply.url = url;
	if (status.code == 0)
		reply.response = (ProtobufCBinaryData){response.size, response.data};
	return write_answer(&reply);
}

/* It has the pipe and stderr, and no channel to anybody. */
static void child(const Asafo__Ipc__StapleFetch *question, int fd)
{
	/* Behind its parent's limit, which says what happened; for one whose parent is gone. */
	(void)alarm(DEADLINE_MS / 1000 + 1);
	if ((fd != ANSWER_FD && dup2(fd, ANSWER_FD) < 0) || close_range(ANSWER_FD + 1, ~0u, 0) < 0)
		_exit(1);
	_exit(ask_and_answer(question) < 0 ? 1 : 0);
}

/* ---- its end ---- */

/* Returns how it ended (waitpid). */
static int reap(struct fetch *fetch)
{
	int status = 0;

	if (fetch->pid > 0) {
		(void)kill(fetch->pid, SIGKILL);
		while (waitpid(fetch->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	fetch->pid = 0;
	fetch->readable = sd_event_source_disable_unref(fetch->readable);
	fetch->deadline = sd_event_source_disable_unref(fetch->deadline);
	if (fetch->fd >= 0)
		(void)close(fetch->fd);
	fetch->fd = -1;
	return status;
}

static void answer(struct fetch *fetch, const Asafo__Ipc__StapleFetchReply *reply)
{
	if (fetch->engine && fetch->id != 0)
		(void)ipc_channel_reply(fetch->engine, IPC_STAPLE_FETCH, fetch->id, false,
					&reply->base);
	fetch->id = 0;
}

static void refuse(struct fetch *fetch, int code, const char *why)
{
	Asafo__Ipc__StapleFetchReply reply = ASAFO__IPC__STAPLE_FETCH_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;

	status.code = code;
	status.why = (char *)(uintptr_t)why;
	reply.status = &status;
	answer(fetch, &reply);
}

static void ended(struct fetch *fetch)
{
	Asafo__Ipc__StapleFetchReply *reply = asafo__ipc__staple_fetch_reply__unpack(
		NULL, fetch->answer.size, fetch->answer.data);
	int status = reap(fetch);

	if (reply && reply->status && reply->response.len <= ASK_RESPONSE_MAX)
		answer(fetch, reply);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		refuse(fetch, ERR_TIMEOUT, "the OCSP responder was not done with in time");
	else
		refuse(fetch, ERR_CLOSED, "who asked the OCSP responder died of it (see the log)");
	if (reply)
		asafo__ipc__staple_fetch_reply__free_unpacked(reply, NULL);
	buf_done(&fetch->answer);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct fetch *fetch = userdata;
	uint8_t chunk[8192];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	(void)source;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0 && fetch->answer.size + (size_t)n <= ANSWER_MAX &&
	    buf_append(&fetch->answer, chunk, (size_t)n) == 0)
		return 0;
	if (n != 0)
		buf_clear(&fetch->answer); /* more than an answer can be */
	ended(fetch);
	return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct fetch *fetch = userdata;

	(void)source;
	(void)usec;
	(void)reap(fetch);
	buf_done(&fetch->answer);
	refuse(fetch, ERR_TIMEOUT, "the OCSP responder was not done with in time");
	return 0;
}

/* ---- the question ---- */

static int watch(struct fetch *fetch, int fd)
{
	int r = io_set_nonblocking(fd);

	fetch->fd = fd;
	if (r == 0)
		r = sd_event_add_io(fetch->event, &fetch->readable, fd, EPOLLIN, on_readable,
				    fetch);
	if (r >= 0)
		r = sd_event_add_time_relative(fetch->event, &fetch->deadline, CLOCK_MONOTONIC,
					       DEADLINE_MS * 1000ull, 0, on_deadline, fetch);
	return r < 0 ? r : 0;
}

static int start(struct fetch *fetch, const Asafo__Ipc__StapleFetch *question)
{
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		child(question, fds[1]);
	r = -errno;
	(void)close(fds[1]);
	if (pid < 0) {
		(void)close(fds[0]);
		return r;
	}
	fetch->pid = pid;
	r = watch(fetch, fds[0]);
	if (r < 0)
		(void)reap(fetch);
	return r;
}

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	struct fetch *fetch = userdata;
	int r;

	(void)channel;
	if (fetch->pid > 0) {
		/* Who asks anew has given up the question before. */
		(void)reap(fetch);
		buf_done(&fetch->answer);
		refuse(fetch, ERR_BUSY, "another OCSP responder is asked");
	}
	fetch->id = frame->id;
	r = start(fetch, (const Asafo__Ipc__StapleFetch *)body);
	if (r < 0)
		refuse(fetch, r, err_text(r));
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct fetch *fetch = userdata;

	(void)code;
	if (fetch->engine == channel)
		fetch->engine = NULL;
	ipc_channel_free(channel);
}

int fetch_engine_attach(struct fetch *fetch, int fd)
{
	static const bool permitted[IPC_TYPE__MAX] = {[IPC_STAPLE_FETCH] = true};
	static const struct ipc_channel_ops ops = {permitted, on_request, on_closed};

	ipc_channel_free(TAKE_PTR(fetch->engine));
	(void)reap(fetch);
	buf_done(&fetch->answer);
	fetch->id = 0;
	return ipc_channel_new(fetch->event, fd, &ops, fetch, &fetch->engine);
}

int fetch_new(sd_event *event, struct fetch **ret_fetch)
{
	struct fetch *fetch = calloc(1, sizeof(*fetch));

	if (!fetch)
		return -ENOMEM;
	fetch->event = event;
	fetch->fd = -1;
	*ret_fetch = fetch;
	return 0;
}

void fetch_free(struct fetch *fetch)
{
	if (!fetch)
		return;
	(void)reap(fetch);
	buf_done(&fetch->answer);
	ipc_channel_free(fetch->engine);
	free(fetch);
}
