/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child gets the password by a pipe: what is in this process lies in pages that a fork leaves
 * empty, so that no child has another one's. Its answer is a message of less than PIPE_BUF bytes,
 * which comes whole or not at all; modules may leave processes behind that hold the pipe, so its
 * end is not waited for.
 */
#include "pam/room.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/monotime.h"
#include "base/pace.h"
#include "base/secret.h"
#include "base/why.h"
#include "ipc/channel.h"
#include "pam/inquiry.h"
#include "pam/verify.h"
#include "src/ipc/ipc.pb-c.h"

#define NAME_SIZE 64

struct source {
	uint8_t bytes[16];
	size_t size;
};

struct question {
	struct question *next;
	uint32_t id;
	char service[NAME_SIZE], user[NAME_SIZE];
	struct source source;
	struct secret password; /* with its NUL */
	struct monotime came_at;
};

struct place {
	struct room *room;
	pid_t pid;	  /* 0: free */
	bool is_answered; /* it is only waited for */
	uint32_t id;
	struct source source;
	char service[NAME_SIZE];
	int fd;
	sd_event_source *readable, *exit, *deadline;
};

struct room {
	sd_event *event;
	struct room_options options;
	struct ipc_channel *auth;
	struct question *first, **end;
	unsigned n_questions;
	struct place places[ROOM_PLACES];
	sd_event_source *waited;
	struct pace noted;
	int null_fd;
};

static void questions_serve(struct room *room);

static void note(struct room *room, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Modules that fail do so for each client that asks, as often as it asks. */
static void note(struct room *room, int priority, const char *format, ...)
{
	char text[300], line[sizeof(text) + PACE_TEXT_MAX], more[PACE_TEXT_MAX];
	va_list args;

	if (!pace_take(&room->noted, monotime_now(), more))
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)snprintf(line, sizeof(line), "%s%s", text, more);
	room->options.on_note(priority, line, room->options.userdata);
}

/* ---- answers ---- */

static void answer(struct room *room, uint32_t id, const Asafo__Ipc__PamCheckReply *reply)
{
	if (room->auth && id != 0)
		(void)ipc_channel_reply(room->auth, IPC_PAM_CHECK, id, false, &reply->base);
}

static void refuse(struct room *room, uint32_t id, int code, const char *why)
{
	Asafo__Ipc__PamCheckReply reply = ASAFO__IPC__PAM_CHECK_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;

	status.code = code;
	status.why = (char *)(uintptr_t)why;
	reply.status = &status;
	answer(room, id, &reply);
}

/* ---- places ---- */

static void place_kill(const struct place *place)
{
	(void)kill(-place->pid, SIGKILL);
	(void)kill(place->pid, SIGKILL);
}

static void pipe_close(struct place *place)
{
	place->readable = sd_event_source_disable_unref(place->readable);
	if (place->fd >= 0)
		(void)close(place->fd);
	place->fd = -1;
}

static void place_clear(struct place *place)
{
	pipe_close(place);
	place->exit = sd_event_source_disable_unref(place->exit);
	place->deadline = sd_event_source_disable_unref(place->deadline);
	place->pid = 0;
}

#define WHY_MAX 128

/* WHY comes from a process that modules may have taken over, and goes to the log. */
static void why_tame(char *why)
{
	size_t n = strnlen(why, WHY_MAX);

	/* An empty one is protobuf-c's own, and cannot be written to. */
	if (n == WHY_MAX)
		why[n] = '\0';
	for (size_t i = 0; i < n; i++)
		why[i] = why[i] >= ' ' && why[i] <= '~' ? why[i] : '?';
}

/* False: there is no answer to read. */
static bool place_read(struct place *place)
{
	Asafo__Ipc__PamCheckReply *reply;
	uint8_t bytes[PIPE_BUF];
	ssize_t n = read(place->fd, bytes, sizeof(bytes));

	if (n <= 0)
		return false;
	reply = asafo__ipc__pam_check_reply__unpack(NULL, (size_t)n, bytes);
	if (reply && reply->status) {
		why_tame(reply->status->why);
		answer(place->room, place->id, reply);
	} else {
		refuse(place->room, place->id, ERR_MALFORMED,
		       "what a module wrote is no answer of PAM's");
	}
	if (reply)
		asafo__ipc__pam_check_reply__free_unpacked(reply, NULL);
	place->is_answered = true;
	return true;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct place *place = userdata;

	(void)source;
	(void)fd;
	(void)events;
	/* Without an answer its end says how. */
	(void)place_read(place);
	place->readable = sd_event_source_disable_unref(place->readable);
	return 0;
}

static int on_exit_of(sd_event_source *source, const siginfo_t *info, void *userdata)
{
	struct place *place = userdata;
	struct room *room = place->room;
	struct why why;

	(void)source;
	if (!place->is_answered && !place_read(place)) {
		(void)why_set(&why, 0, "PAM service %s: its modules ended the process (%s %d)",
			      place->service, info->si_code == CLD_EXITED ? "exit code" : "signal",
			      info->si_status);
		note(room, LOG_ERR, "%s", why.text);
		refuse(room, place->id, ERR_CLOSED, why.text);
	}
	/* It is not reaped yet, so the number is still its own: what it left behind goes too. */
	(void)kill(-place->pid, SIGKILL);
	place_clear(place);
	questions_serve(room);
	return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct place *place = userdata;
	struct why why;

	(void)source;
	(void)usec;
	if (!place->is_answered) {
		(void)why_set(&why, 0, "PAM service %s: its modules did not answer in %u ms",
			      place->service, place->room->options.time_ms);
		note(place->room, LOG_ERR, "%s", why.text);
		refuse(place->room, place->id, ERR_TIMEOUT, why.text);
		place->is_answered = true;
	}
	pipe_close(place);
	place_kill(place);
	return 0;
}

static bool is_same_source(const struct source *a, const struct source *b)
{
	size_t length = a->size == 16 ? 8 : a->size; /* an IPv6 client owns its /64 */

	return a->size == b->size && memcmp(a->bytes, b->bytes, length) == 0;
}

/* NULL: none that SOURCE may have. */
static struct place *place_find(struct room *room, const struct source *source)
{
	struct place *found = NULL;
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(room->places); i++) {
		struct place *place = &room->places[i];

		if (place->pid == 0)
			found = place;
		else if (source->size > 0 && is_same_source(&place->source, source))
			n++;
	}
	return n < ROOM_PLACES_SOURCE ? found : NULL;
}

/* Every place is one's that cannot be ended: nobody knows when there will be one. */
static bool is_stuck(const struct room *room)
{
	for (size_t i = 0; i < ARRAY_SIZE(room->places); i++) {
		const struct place *place = &room->places[i];

		if (place->pid == 0 || place->fd >= 0)
			return false;
	}
	return true;
}

static int place_watch(struct place *place, int fd)
{
	struct room *room = place->room;
	int r = io_set_nonblocking(fd);

	place->fd = fd;
	if (r == 0)
		r = sd_event_add_child(room->event, &place->exit, place->pid, WEXITED, on_exit_of,
				       place);
	if (r >= 0)
		r = sd_event_add_io(room->event, &place->readable, fd, EPOLLIN, on_readable, place);
	if (r >= 0)
		r = sd_event_add_time_relative(room->event, &place->deadline, CLOCK_MONOTONIC,
					       room->options.time_ms * 1000ull, 0, on_deadline,
					       place);
	return r < 0 ? r : 0;
}

static int place_fork(struct place *place, const struct question *question, int in, int out)
{
	const struct room *room = place->room;
	const struct inquiry inquiry = {
		.service = question->service,
		.user = question->user,
		.folder = room->options.folder,
		.client = question->source.bytes,
		.client_size = question->source.size,
		.password_fd = in,
		.answer_fd = out,
		.null_fd = room->null_fd,
		/* Behind the deadline here, which says what happened. */
		.time_s = room->options.time_ms / 1000 + 2,
	};
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(inquiry_run(&inquiry, parent));
	(void)setpgid(pid, pid); /* whoever comes first */
	place->pid = pid;
	return 0;
}

static int place_begin(struct place *place, const struct question *question)
{
	_cleanup_close_ int in = -1, secret_in = -1, out = -1;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	in = fds[0];
	secret_in = fds[1];
	r = io_write_full(secret_in, question->password.data, question->password.size);
	if (r < 0)
		return r;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	out = fds[1];
	place->id = question->id;
	place->source = question->source;
	place->is_answered = false;
	memcpy(place->service, question->service, sizeof(place->service));
	r = place_fork(place, question, in, out);
	if (r < 0) {
		(void)close(fds[0]);
		return r;
	}
	r = place_watch(place, fds[0]);
	/* It keeps its place until it is gone, which nobody tells: places_reap looks. */
	if (r < 0) {
		pid_t pid = place->pid;

		place_kill(place);
		place_clear(place);
		place->pid = pid;
		place->is_answered = true;
	}
	return r;
}

/* ---- questions ---- */

static void question_free(struct question *question)
{
	secret_done(&question->password);
	free(question);
}

static struct question *question_take(struct room *room, struct question **at)
{
	struct question *question = *at;

	*at = question->next;
	if (!*at)
		room->end = at;
	room->n_questions--;
	return question;
}

static void wait_arm(struct room *room)
{
	uint64_t at = room->first ? monotime_add_ms(room->first->came_at, room->options.wait_ms).ns
				  : MONOTIME_NEVER.ns;

	if (!room->first || sd_event_source_set_time(room->waited, at / 1000) < 0)
		(void)sd_event_source_set_enabled(room->waited, SD_EVENT_OFF);
	else
		(void)sd_event_source_set_enabled(room->waited, SD_EVENT_ONESHOT);
}

/*
 * Before there is a question that wants a place: of the children that are not watched, and of those
 * that were to end. A source that was told of the end of a child which somebody traced found nobody
 * to wait for, and is told nothing when the tracer lets it go: it looks again.
 */
static void places_reap(struct room *room)
{
	for (size_t i = 0; i < ARRAY_SIZE(room->places); i++) {
		struct place *place = &room->places[i];

		if (place->pid == 0)
			continue;
		if (!place->exit && waitpid(place->pid, NULL, WNOHANG) == place->pid)
			place_clear(place);
		else if (place->exit && place->fd < 0 &&
			 sd_event_source_set_enabled(place->exit, SD_EVENT_OFF) >= 0)
			(void)sd_event_source_set_enabled(place->exit, SD_EVENT_ONESHOT);
	}
}

/* In their order, but for those whose client has its places. */
static void questions_serve(struct room *room)
{
	struct question **at = &room->first;

	places_reap(room);
	while (*at) {
		struct place *place = place_find(room, &(*at)->source);
		struct question *question;
		int r = 0;

		if (!place && !is_stuck(room)) {
			at = &(*at)->next;
			continue;
		}
		question = question_take(room, at);
		if (place)
			r = place_begin(place, question);
		else
			refuse(room, question->id, ERR_BUSY,
			       "modules of PAM that cannot be ended hold all its places");
		if (r < 0)
			refuse(room, question->id, r, err_text(r));
		question_free(question);
	}
	wait_arm(room);
}

static int on_waited(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct room *room = userdata;
	struct monotime now = monotime_now();

	(void)source;
	(void)usec;
	/* There may be a place whose child's end nobody told. */
	questions_serve(room);
	while (room->first && monotime_reached(now, monotime_add_ms(room->first->came_at,
								    room->options.wait_ms))) {
		struct question *question = question_take(room, &room->first);

		refuse(room, question->id, ERR_BUSY, "PAM is busy with other logins");
		question_free(question);
	}
	wait_arm(room);
	return 0;
}

static int question_new(const Asafo__Ipc__PamCheck *check, uint32_t id,
			struct question **ret_question)
{
	struct question *question;
	int r;

	if (strlen(check->service) >= NAME_SIZE || strlen(check->user) >= NAME_SIZE ||
	    check->password.len >= VERIFY_PASSWORD_MAX ||
	    (check->client.len != 0 && check->client.len != 4 && check->client.len != 16))
		return ERR_MALFORMED;
	question = calloc(1, sizeof(*question));
	if (!question)
		return -ENOMEM;
	r = secret_init(&question->password, check->password.len + 1);
	if (r < 0) {
		free(question);
		return r;
	}
	if (check->password.len > 0)
		memcpy(question->password.data, check->password.data, check->password.len);
	if (check->client.len > 0)
		memcpy(question->source.bytes, check->client.data, check->client.len);
	question->source.size = check->client.len;
	memcpy(question->service, check->service, strlen(check->service) + 1);
	memcpy(question->user, check->user, strlen(check->user) + 1);
	question->id = id;
	question->came_at = monotime_now();
	*ret_question = question;
	return 0;
}

static void on_request(struct ipc_channel *channel, struct ipc_frame *frame,
		       const ProtobufCMessage *body, void *userdata)
{
	struct room *room = userdata;
	struct question *question = NULL;
	int r = ERR_BUSY;

	(void)channel;
	if (room->n_questions < ROOM_QUEUE_MAX)
		r = question_new((const Asafo__Ipc__PamCheck *)body, frame->id, &question);
	if (r < 0) {
		refuse(room, frame->id, r, err_text(r));
		return;
	}
	*room->end = question;
	room->end = &question->next;
	room->n_questions++;
	questions_serve(room);
}

/* ---- life ---- */

/* Nobody hears the answers any more. */
static void questions_drop(struct room *room)
{
	while (room->first)
		question_free(question_take(room, &room->first));
	for (size_t i = 0; i < ARRAY_SIZE(room->places); i++) {
		struct place *place = &room->places[i];

		if (place->pid == 0)
			continue;
		place->is_answered = true;
		pipe_close(place);
		place_kill(place);
	}
	wait_arm(room);
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct room *room = userdata;

	(void)code;
	if (room->auth == channel) {
		room->auth = NULL;
		questions_drop(room);
	}
	ipc_channel_free(channel);
}

int room_auth_attach(struct room *room, int fd)
{
	static const bool permitted[IPC_TYPE__MAX] = {[IPC_PAM_CHECK] = true};
	static const struct ipc_channel_ops ops = {permitted, on_request, on_closed};

	ipc_channel_free(TAKE_PTR(room->auth));
	questions_drop(room);
	return ipc_channel_new(room->event, fd, &ops, room, &room->auth);
}

int room_new(sd_event *event, const struct room_options *options, struct room **ret_room)
{
	struct room *room = calloc(1, sizeof(*room));
	int r = 0;

	if (!room)
		return -ENOMEM;
	room->event = event;
	room->options = *options;
	room->end = &room->first;
	for (size_t i = 0; i < ARRAY_SIZE(room->places); i++) {
		room->places[i].room = room;
		room->places[i].fd = -1;
	}
	/* Not where a child would put it in the way of itself. */
	room->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (room->null_fd < 0)
		r = -errno;
	if (r == 0)
		r = sd_event_add_time(event, &room->waited, CLOCK_MONOTONIC, 0, 0, on_waited, room);
	if (r >= 0)
		r = sd_event_source_set_enabled(room->waited, SD_EVENT_OFF);
	if (r < 0) {
		room_free(room);
		return r;
	}
	*ret_room = room;
	return 0;
}

void room_free(struct room *room)
{
	if (!room)
		return;
	ipc_channel_free(TAKE_PTR(room->auth));
	while (room->first)
		question_free(question_take(room, &room->first));
	for (size_t i = 0; i < ARRAY_SIZE(room->places); i++) {
		if (room->places[i].pid > 0)
			place_kill(&room->places[i]);
		place_clear(&room->places[i]);
	}
	(void)sd_event_source_disable_unref(room->waited);
	if (room->null_fd >= 0)
		(void)close(room->null_fd);
	free(room);
}
