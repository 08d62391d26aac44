/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/http/http_head.h"
#include "front/tls/snapshot.h"
#include "front/net/sources.h"
#include "front/tls/tls.h"

#define SESSION_REQUESTS_MAX 100

/* One client connection: handshake, requests in order, close. Every wait has a deadline (session.c,
 * table). */
struct session;
struct poller;
struct tunnel;
struct connect;

struct session_ops {
	/* The credential for a client that says HELLO on this interface, where the cipher suites
	 * SUITES are spoken; borrowed, or NULL. */
	struct credential *(*select)(const char *interface, const struct client_hello *hello,
				     uint16_t suites, void *userdata);
	/* Appends the answer to HEAD; or, with HEAD NULL, the refusal with STATUS. Errors: the
	 * connection is dropped. */
	int (*answer)(const struct session *session, const struct http_head *head, unsigned status,
		      bool is_last, struct buf *ret_bytes, void *userdata);
	/* How much of this request's body is wanted for `ask`; 0: it is dropped, and `answer`
	 * answers. NULL, with `ask` and `forget`: no body is ever wanted. */
	size_t (*body_max)(const struct session *session, const struct http_head *head,
			   void *userdata);
	/*
	 * A request with its body. 0: the answer was appended. -EINPROGRESS: session_answer
	 * follows, unless `forget` comes before. HEAD and BODY are borrowed for the call. Other
	 * errors: the connection is dropped.
	 */
	int (*ask)(struct session *session, const struct http_head *head, const struct buf *body,
		   bool is_last, struct buf *ret_bytes, void *userdata);
	/* Nobody waits for the answer any more. Not called by session_free. */
	void (*forget)(struct session *session, void *userdata);
	/* The handshake is over, well or not. Called at most once. */
	void (*on_handshake)(struct session *session, bool is_good, void *userdata);
	/* It is over: free it now. Nothing of it is touched afterwards. */
	void (*on_end)(struct session *session, void *userdata);
};

/* How long each wait may last, in milliseconds. */
struct session_limits {
	unsigned handshake_ms, head_ms, idle_ms, body_ms, answer_ms, response_ms, close_ms;
};

/* Takes over FD, on failure too. All else is borrowed for the session's life. Errors: -errno,
 * ERR_CRYPTO. */
int session_new(struct poller *poller, int fd, struct tls *tls, bool is_tls13_only,
		const char *interface, const struct session_limits *limits,
		const struct session_ops *ops, void *userdata, struct session **ret_session);
/* What a client that was accepted has said already is read without waiting for the poller to tell.
 * The session may be over afterwards. */
void session_begin(struct session *session);
/* Also in the middle of anything: the connection is cut. */
void session_free(struct session *session);
/* The service ends: says close_notify as far as the socket takes it at once. Free it afterwards. */
void session_say_bye(struct session *session);
/* The answer to what `ask` left open, with its head; takes the bytes of BYTES. Never from within
 * `ask`. The session may be over afterwards. */
void session_answer(struct session *session, struct buf *bytes);
/* Whether the connection is to be closed after the answer that is being made. */
bool session_is_last(const struct session *session);
/*
 * What a CONNECT that is accepted leads to: TUNNEL is the session's from here on, and has the
 * connection once the answer that is being made is sent. From within `ask`, or before
 * session_answer.
 */
void session_hand_over(struct session *session, struct tunnel *tunnel);
/* The connection ends with the answer that is being made. From within `ask`, or before
 * session_answer. */
void session_finish(struct session *session);
/* The connection, borrowed. */
int session_fd(const struct session *session);
const struct tls_peer *session_tls(const struct session *session);
/* The credential that the client was given; NULL before. */
struct credential *session_credential(const struct session *session);
/* The handshake is over, and was the short one of a session ticket. */
bool session_is_resumed(const struct session *session);
/* Waits between two requests: the one to give up when places run out. */
bool session_is_idle(const struct session *session);
/* Cannot go on before the client does something: it has no tunnel, and no answer is being found. */
bool session_is_slow(const struct session *session);

/* Where the owner keeps its list and its account of this session. */
struct session_place {
	struct session *next, *previous;
	struct source_key source;
	bool is_counted;	 /* in the account of handshakes by source */
	void *asked;		 /* what is being found out for `ask` */
	struct connect *connect; /* a CONNECT that is held */
};
struct session_place *session_place(struct session *session);
