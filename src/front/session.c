/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state machine on a non-blocking socket: each state has a step function, a deadline and what the
 * deadline does. A step either moves on, or waits, or ends the session; the state is assigned in
 * enter() only. Bytes are read only when more are needed, so a client that does not read its
 * answers cannot make us take more requests.
 */
#include "front/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/http_body.h"

#define READ_SIZE 4096
#define DRAIN_MAX (256u * 1024)

enum state {
	STATE_HANDSHAKE,
	STATE_ALERT,   /* the handshake failed: say so */
	STATE_REQUEST, /* for a head, the first byte of it included */
	STATE_BODY,    /* the answer is ready, the rest of the request is not read yet */
	STATE_RESPONSE,
	STATE_BYE,   /* close_notify */
	STATE_DRAIN, /* until the other end has closed too: a RST would take our last bytes with it
		      */
	STATE__MAX,
};

enum step {
	STEP_AGAIN, /* another state, or more to do in this one */
	STEP_READ,  /* wait for bytes */
	STEP_WRITE, /* wait for room */
	STEP_END,
};

struct session {
	struct session_place place;
	const struct session_ops *ops;
	void *userdata;
	const struct session_limits *limits;
	sd_event *event;
	sd_event_source *io, *timer;
	int fd;
	enum state state;
	struct tls_peer tls;
	struct buf in, out;
	size_t sent;
	struct http_scan scan;
	struct http_body body;
	unsigned n_requests;
	bool is_last;
	size_t drained;
	char interface[SNAPSHOT_NAME_MAX];
};

bool session_is_idle(const struct session *session)
{
	return session->state == STATE_REQUEST && session->in.size == 0 && session->n_requests > 0;
}

static unsigned deadline_ms(const struct session *session)
{
	const struct session_limits *limits = session->limits;

	switch (session->state) {
	case STATE_HANDSHAKE:
		return limits->handshake_ms;
	case STATE_REQUEST:
		return session_is_idle(session) ? limits->idle_ms : limits->head_ms;
	case STATE_BODY:
		return limits->body_ms;
	case STATE_RESPONSE:
		return limits->response_ms;
	case STATE_ALERT:
	case STATE_BYE:
	case STATE_DRAIN:
	case STATE__MAX:
		break;
	}
	return limits->close_ms;
}

static void deadline_set(struct session *session)
{
	(void)sd_event_source_set_time_relative(session->timer,
						(uint64_t)deadline_ms(session) * 1000);
	(void)sd_event_source_set_enabled(session->timer, SD_EVENT_ONESHOT);
}

static enum step enter(struct session *session, enum state state)
{
	session->state = state;
	deadline_set(session);
	return STEP_AGAIN;
}

static enum step step_handshake(struct session *session)
{
	switch (tls_handshake(&session->tls)) {
	case TLS_WAIT:
		return tls_wants_write(&session->tls) ? STEP_WRITE : STEP_READ;
	case TLS_DONE:
		session->ops->on_handshake(session, true, session->userdata);
		return enter(session, STATE_REQUEST);
	case TLS_REFUSED:
		session->ops->on_handshake(session, false, session->userdata);
		return enter(session, STATE_ALERT);
	case TLS_CLOSED:
		break;
	}
	session->ops->on_handshake(session, false, session->userdata);
	return STEP_END;
}

/* No more bytes from us: the other end sees the end of the stream behind the alert. */
static enum step stream_end(struct session *session)
{
	if (shutdown(session->fd, SHUT_WR) < 0)
		return STEP_END;
	return enter(session, STATE_DRAIN);
}

static enum step step_alert(struct session *session)
{
	return tls_alert(&session->tls) == TLS_WAIT ? STEP_WRITE : stream_end(session);
}

static enum step step_bye(struct session *session)
{
	return tls_bye(&session->tls) == TLS_WAIT ? STEP_WRITE : stream_end(session);
}

static enum step step_drain(struct session *session)
{
	char waste[READ_SIZE];
	ssize_t n = recv(session->fd, waste, sizeof(waste), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return STEP_READ;
	if (n <= 0)
		return STEP_END;
	session->drained += (size_t)n;
	return session->drained > DRAIN_MAX ? STEP_END : STEP_AGAIN;
}

/* Appends what came to session->in. */
static enum step input_read(struct session *session)
{
	char bytes[READ_SIZE];
	size_t size = 0;
	bool was_idle = session_is_idle(session);

	switch (tls_read(&session->tls, bytes, sizeof(bytes), &size)) {
	case TLS_WAIT:
		return tls_wants_write(&session->tls) ? STEP_WRITE : STEP_READ;
	case TLS_DONE:
		if (buf_append(&session->in, bytes, size) < 0)
			return STEP_END;
		if (was_idle)
			deadline_set(session);
		return STEP_AGAIN;
	case TLS_CLOSED:
		return enter(session, STATE_BYE);
	case TLS_REFUSED:
		break;
	}
	return enter(session, STATE_ALERT);
}

static enum step refuse(struct session *session, unsigned status)
{
	session->is_last = true;
	buf_clear(&session->out);
	session->sent = 0;
	if (session->ops->answer(session, NULL, status, true, &session->out, session->userdata) < 0)
		return STEP_END;
	return enter(session, STATE_RESPONSE);
}

/* A whole head is in the buffer: make the answer while the head's views are valid, then drop the
 * body. */
static enum step head_answer(struct session *session)
{
	struct http_head head;
	const char *data = (const char *)session->in.data + session->scan.start;
	int r = http_head_parse(data, session->scan.offset - session->scan.start, &head);

	if (r < 0)
		return refuse(session, http_refusal_status(r));
	if (http_body_start(&session->body, &head) < 0)
		return refuse(session, 413);
	session->n_requests++;
	/* Who waits for "100 Continue" gets the final answer instead (RFC 9110 section 10.1.1): no
	 * body to wait for. */
	session->is_last = !head.is_keep_alive || head.expects_continue ||
			   session->n_requests >= SESSION_REQUESTS_MAX;
	if (session->ops->answer(session, &head, 0, session->is_last, &session->out,
				 session->userdata) < 0)
		return STEP_END;
	buf_consume(&session->in, session->scan.offset);
	session->scan = (struct http_scan){0};
	return enter(session, head.expects_continue ? STATE_RESPONSE : STATE_BODY);
}

static enum step step_request(struct session *session)
{
	int r = http_scan_head(&session->scan, (const char *)session->in.data, session->in.size);

	if (r == -EAGAIN)
		return input_read(session);
	return r < 0 ? refuse(session, http_refusal_status(r)) : head_answer(session);
}

static enum step step_body(struct session *session)
{
	size_t used = 0;
	int r = http_body_skip(&session->body, (const char *)session->in.data, session->in.size,
			       &used);

	if (r < 0 && r != -EAGAIN)
		return refuse(session, r == ERR_TOO_LARGE ? 413 : 400);
	buf_consume(&session->in, used);
	return r == 0 ? enter(session, STATE_RESPONSE) : input_read(session);
}

static enum step response_done(struct session *session)
{
	buf_done(&session->out);
	session->sent = 0;
	if (session->in.size == 0)
		buf_done(&session->in); /* ten thousand idle connections need not each keep a buffer
					 */
	return enter(session, session->is_last ? STATE_BYE : STATE_REQUEST);
}

static enum step step_response(struct session *session)
{
	size_t n = 0;

	if (session->sent == session->out.size)
		return response_done(session);
	switch (tls_write(&session->tls, session->out.data + session->sent,
			  session->out.size - session->sent, &n)) {
	case TLS_WAIT:
		return tls_wants_write(&session->tls) ? STEP_WRITE : STEP_READ;
	case TLS_DONE:
		session->sent += n;
		return STEP_AGAIN;
	case TLS_CLOSED:
	case TLS_REFUSED:
		break;
	}
	return STEP_END;
}

static enum step (*const steps[STATE__MAX])(struct session *) = {
	[STATE_HANDSHAKE] = step_handshake, [STATE_ALERT] = step_alert,
	[STATE_REQUEST] = step_request,	    [STATE_BODY] = step_body,
	[STATE_RESPONSE] = step_response,   [STATE_BYE] = step_bye,
	[STATE_DRAIN] = step_drain,
};

/* Goes on from STEP until the session has to wait, or is over. */
static void advance(struct session *session, enum step step)
{
	while (step == STEP_AGAIN)
		step = steps[session->state](session);
	if (step == STEP_END ||
	    sd_event_source_set_io_events(session->io, step == STEP_WRITE ? EPOLLOUT : EPOLLIN) < 0)
		session->ops->on_end(session, session->userdata);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	advance(userdata, STEP_AGAIN);
	return 0;
}

static enum step deadline_step(struct session *session)
{
	switch (session->state) {
	case STATE_REQUEST:
		return session->in.size == 0 ? enter(session, STATE_BYE) : refuse(session, 408);
	case STATE_BODY:
		return refuse(session, 408);
	case STATE_HANDSHAKE:
		session->ops->on_handshake(session, false, session->userdata);
		return STEP_END;
	case STATE_ALERT:
	case STATE_RESPONSE:
	case STATE_BYE:
	case STATE_DRAIN:
	case STATE__MAX:
		break;
	}
	return STEP_END;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	advance(userdata, deadline_step(userdata));
	return 0;
}

static struct credential *on_select(const char *server_name, void *userdata)
{
	struct session *session = userdata;

	return session->ops->select(session->interface, server_name, session->userdata);
}

static int sources_attach(struct session *session)
{
	int r = sd_event_add_io(session->event, &session->io, session->fd, EPOLLIN, on_io, session);

	if (r >= 0)
		r = sd_event_add_time_relative(session->event, &session->timer, CLOCK_MONOTONIC,
					       (uint64_t)deadline_ms(session) * 1000, 0,
					       on_deadline, session);
	return r < 0 ? r : 0;
}

int session_new(sd_event *event, int fd, const struct tls *tls, bool is_tls13_only,
		const char *interface, const struct session_limits *limits,
		const struct session_ops *ops, void *userdata, struct session **ret_session)
{
	struct session *session = calloc(1, sizeof(*session));
	int r;

	if (!session) {
		(void)close(fd);
		return -ENOMEM;
	}
	session->ops = ops;
	session->userdata = userdata;
	session->limits = limits;
	session->event = event;
	session->fd = fd;
	memcpy(session->interface, interface, strnlen(interface, sizeof(session->interface) - 1));
	session->tls.select = on_select;
	session->tls.userdata = session;
	r = tls_peer_init(&session->tls, tls, is_tls13_only, fd);
	if (r == 0)
		r = sources_attach(session);
	if (r < 0) {
		session_free(session);
		return r;
	}
	*ret_session = session;
	return 0;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	session->io = sd_event_source_disable_unref(session->io);
	session->timer = sd_event_source_disable_unref(session->timer);
	tls_peer_done(&session->tls);
	if (session->fd >= 0)
		(void)close(session->fd);
	buf_done(&session->in);
	buf_done(&session->out);
	free(session);
}

void session_say_bye(struct session *session)
{
	if (session->state == STATE_REQUEST || session->state == STATE_BODY ||
	    session->state == STATE_RESPONSE)
		(void)tls_bye(&session->tls);
}

struct credential *session_credential(const struct session *session)
{
	return session->tls.credential;
}

struct session_place *session_place(struct session *session)
{
	return &session->place;
}
