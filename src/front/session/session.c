/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state machine on a non-blocking socket: each state has a step function, a deadline and what the
 * deadline does. A step either moves on, or waits, or ends the session; the state is assigned in
 * enter() only. Bytes are read only when more are needed, so a client that does not read its
 * answers cannot make us take more requests.
 */
#include "front/session/session_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/http/http_body.h"
#include "front/net/poller.h"
#include "front/http/request.h"
#include "front/tls/tls_wire.h"
#include "front/tunnel/tunnel.h"

#define READ_SIZE 4096
#define DRAIN_MAX (256u * 1024)

enum step {
	STEP_AGAIN, /* another state, or more to do in this one */
	STEP_READ,  /* wait for bytes */
	STEP_WRITE, /* wait for room */
	STEP_SLEEP, /* wait for session_answer, and hear only that the client is gone */
	STEP_GONE,  /* somebody else has the connection */
	STEP_END,
};

static unsigned deadline_ms(const struct session *session)
{
	const struct session_limits *limits = session->limits;

	switch (session->state) {
	case STATE_HANDSHAKE:
		return limits->handshake_ms;
	case STATE_REQUEST:
		return session_is_idle(session) ? limits->idle_ms : limits->head_ms;
	case STATE_BODY:
	case STATE_COLLECT:
		return limits->body_ms;
	case STATE_WAIT:
		return limits->answer_ms;
	case STATE_CONTINUE:
	case STATE_RESPONSE:
		return limits->response_ms;
	case STATE_TUNNEL:
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
	session->is_due = true;
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
	enum tls_result result;
	ssize_t n;

	/* Then no byte can come for which a RST would be the answer: nobody is waited for. */
	if (session->is_heard_out && !session->is_ended && tls_wire_is_drained(&session->wire))
		return tls_wire_end_by_close(&session->wire) == TLS_WAIT ? STEP_WRITE : STEP_END;
	result = session->is_ended ? TLS_DONE : tls_wire_end(&session->wire);
	if (result != TLS_DONE)
		return result == TLS_WAIT ? STEP_WRITE : STEP_END;
	session->is_ended = true;
	n = recv(session->fd, waste, sizeof(waste), 0);
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
		session->is_heard_out = true;
		return enter(session, STATE_BYE);
	case TLS_REFUSED:
		break;
	}
	return enter(session, STATE_ALERT);
}

static void request_drop(struct session *session)
{
	request_free(session->request);
	session->request = NULL;
}

static enum step refuse(struct session *session, unsigned status)
{
	session->is_last = true;
	request_drop(session);
	buf_clear(&session->out);
	session->sent = 0;
	if (session->ops->answer(session, NULL, status, true, &session->out, session->userdata) < 0)
		return STEP_END;
	return enter(session, STATE_RESPONSE);
}

/* "100 Continue" stands alone in front of the answer (RFC 9110 section 10.1.1). */
static enum step request_begin(struct session *session, const char *data, size_t size,
			       const struct http_head *head, size_t body_max)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (head->content_length > body_max)
		return refuse(session, 413);
	session->is_last = !head->is_keep_alive || session->n_requests >= SESSION_REQUESTS_MAX;
	if (request_new(data, size, body_max, &session->request) < 0)
		return STEP_END;
	buf_consume(&session->in, session->scan.offset);
	session->scan = (struct http_scan){0};
	if (!session->request->head.expects_continue || session->in.size > 0)
		return enter(session, STATE_COLLECT);
	if (buf_append(&session->out, go_on, sizeof(go_on) - 1) < 0)
		return STEP_END;
	return enter(session, STATE_CONTINUE);
}

/* A whole head is in the buffer: make the answer while the head's views are valid, then drop the
 * body. */
static enum step head_answer(struct session *session)
{
	struct http_head head;
	const char *data = (const char *)session->in.data + session->scan.start;
	size_t size = session->scan.offset - session->scan.start, wanted;
	int r = http_head_parse(data, size, &head);

	if (r < 0)
		return refuse(session, http_refusal_status(r));
	if (http_body_start(&session->body, &head) < 0)
		return refuse(session, 413);
	session->n_requests++;
	wanted = session->ops->body_max ? session->ops->body_max(session, &head, session->userdata)
					: 0;
	if (wanted > 0)
		return request_begin(session, data, size, &head, wanted);
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
	if (r < 0)
		return refuse(session, http_scan_refusal_status(&session->scan,
								(const char *)session->in.data, r));
	return head_answer(session);
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

/* The whole request is here: the answer, now or later. */
static enum step request_ask(struct session *session)
{
	int r = session->ops->ask(session, &session->request->head, &session->request->body,
				  session->is_last, &session->out, session->userdata);

	if (r < 0 && r != -EINPROGRESS)
		return STEP_END;
	request_drop(session);
	/* What came with the body may have been the body: a password does not stay behind. */
	if (session->in.size == 0)
		buf_wipe(&session->in);
	return enter(session, r == 0 ? STATE_RESPONSE : STATE_WAIT);
}

static enum step step_collect(struct session *session)
{
	struct request *request = session->request;
	size_t used = 0;
	int r = http_body_read(&session->body, (const char *)session->in.data, session->in.size,
			       &request->body, request->body_max, &used);

	if (r == -ENOMEM)
		return STEP_END;
	if (r < 0 && r != -EAGAIN)
		return refuse(session, r == ERR_TOO_LARGE ? 413 : 400);
	buf_consume(&session->in, used);
	return r == 0 ? request_ask(session) : input_read(session);
}

static enum step step_wait(struct session *session)
{
	(void)session;
	return STEP_SLEEP;
}

static void on_tunnel_over(void *userdata)
{
	struct session *session = userdata;

	session->ops->on_end(session, session->userdata);
}

/* Nothing may have come behind the request: a client waits for the addresses. */
static enum step tunnel_begin(struct session *session)
{
	if (session->in.size > 0 || tls_wire_has_input(&session->wire))
		return STEP_END;
	(void)enter(session, STATE_TUNNEL);
	poller_remove(&session->io);
	session->timer = sd_event_source_disable_unref(session->timer);
	if (tunnel_start(session->tunnel, session->fd, &session->tls, on_tunnel_over, session) < 0)
		return STEP_END;
	return STEP_GONE;
}

static enum step response_done(struct session *session)
{
	enum tls_result result = tls_wire_flush(&session->wire);

	if (result != TLS_DONE)
		return result == TLS_WAIT ? STEP_WRITE : STEP_END;
	buf_done(&session->out);
	session->sent = 0;
	if (session->in.size == 0)
		buf_done(&session->in); /* ten thousand idle connections need not each keep a buffer
					 */
	if (session->state == STATE_CONTINUE)
		return enter(session, STATE_COLLECT);
	if (session->tunnel)
		return tunnel_begin(session);
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
	[STATE_CONTINUE] = step_response,   [STATE_COLLECT] = step_collect,
	[STATE_WAIT] = step_wait,	    [STATE_RESPONSE] = step_response,
	[STATE_TUNNEL] = step_wait,	    [STATE_BYE] = step_bye,
	[STATE_DRAIN] = step_drain,
};

static void on_io(uint32_t events, void *userdata);

static uint32_t events_of(enum step step)
{
	if (step == STEP_SLEEP)
		return 0;
	return step == STEP_WRITE ? EPOLLOUT : EPOLLIN;
}

/* What was written in this turn goes out before anything is waited for. */
static enum step flushed(struct session *session, enum step step)
{
	enum tls_result result = tls_wire_flush(&session->wire);

	if (result == TLS_DONE)
		return step;
	return result == TLS_WAIT ? STEP_WRITE : STEP_END;
}

/* The poller hears of a connection when there is something to wait for. */
static int watch(struct session *session, uint32_t events)
{
	if (session->io.poller)
		return poller_set(&session->io, events);
	return poller_add(session->poller, &session->io, session->fd, events, on_io, session);
}

/* Goes on from STEP until the session has to wait, or is over. */
static void advance(struct session *session, enum step step)
{
	while (step == STEP_AGAIN) {
		step = steps[session->state](session);
		/* After a key update GnuTLS says "again", with more records behind it. */
		if (step == STEP_READ && tls_wire_has_moved(&session->wire))
			step = STEP_AGAIN;
	}
	if (step == STEP_GONE)
		return;
	if (step != STEP_END)
		step = flushed(session, step);
	/* Once a turn, for the state that waits. */
	if (session->is_due && step != STEP_END)
		deadline_set(session);
	session->is_due = false;
	if (step == STEP_END || watch(session, events_of(step)) < 0)
		session->ops->on_end(session, session->userdata);
}

static void on_io(uint32_t events, void *userdata)
{
	struct session *session = userdata;

	tls_wire_wake(&session->wire);
	/* Without EPOLLIN wanted, this is a reset: nobody waits for the answer. */
	advance(session, session->state == STATE_WAIT && (events & (EPOLLHUP | EPOLLERR)) != 0
				 ? STEP_END
				 : STEP_AGAIN);
}

void session_answer(struct session *session, struct buf *bytes)
{
	if (session->state != STATE_WAIT) {
		buf_wipe(bytes);
		return;
	}
	buf_wipe(&session->out);
	session->out = *bytes;
	*bytes = (struct buf){0};
	session->sent = 0;
	advance(session, enter(session, STATE_RESPONSE));
}

void session_hand_over(struct session *session, struct tunnel *tunnel)
{
	session->tunnel = tunnel;
}

void session_finish(struct session *session)
{
	session->is_last = true;
}

static enum step deadline_step(struct session *session)
{
	switch (session->state) {
	case STATE_REQUEST:
		return session->in.size == 0 ? enter(session, STATE_BYE) : refuse(session, 408);
	case STATE_BODY:
	case STATE_COLLECT:
		return refuse(session, 408);
	case STATE_WAIT:
		session->ops->forget(session, session->userdata);
		return refuse(session, 503);
	case STATE_HANDSHAKE:
		session->ops->on_handshake(session, false, session->userdata);
		return STEP_END;
	case STATE_TUNNEL:
	case STATE_ALERT:
	case STATE_CONTINUE:
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

static struct credential *on_select(const struct client_hello *hello, uint16_t suites,
				    void *userdata)
{
	struct session *session = userdata;

	return session->ops->select(session->interface, hello, suites, session->userdata);
}

int session_new(struct poller *poller, int fd, struct tls *tls, bool is_tls13_only,
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
	session->poller = poller;
	session->fd = fd;
	memcpy(session->interface, interface, strnlen(interface, sizeof(session->interface) - 1));
	session->tls.select = on_select;
	session->tls.userdata = session;
	r = tls_peer_init(&session->tls, tls, is_tls13_only, fd);
	if (r == 0)
		tls_wire_init(&session->wire, &session->tls, fd);
	if (r == 0)
		r = sd_event_add_time_relative(
			poller_event(poller), &session->timer, CLOCK_MONOTONIC,
			(uint64_t)deadline_ms(session) * 1000, 0, on_deadline, session);
	if (r < 0) {
		session_free(session);
		return r;
	}
	*ret_session = session;
	return 0;
}

void session_begin(struct session *session)
{
	advance(session, STEP_AGAIN);
}

void session_free(struct session *session)
{
	if (!session)
		return;
	session->timer = sd_event_source_disable_unref(session->timer);
	tunnel_free(session->tunnel);
	tls_peer_done(&session->tls);
	tls_wire_done(&session->wire);
	if (session->io.poller)
		poller_close(&session->io);
	else
		(void)close(session->fd);
	request_drop(session);
	buf_wipe(&session->in);
	buf_done(&session->out);
	free(session);
}

void session_say_bye(struct session *session)
{
	if (session->state == STATE_REQUEST || session->state == STATE_BODY ||
	    session->state == STATE_COLLECT || session->state == STATE_WAIT ||
	    session->state == STATE_RESPONSE)
		(void)tls_bye(&session->tls);
	(void)tls_wire_flush(&session->wire);
}
