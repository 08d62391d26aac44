/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/session/session.h"
#include "front/tunnel/tunnels.h"

/*
 * CONNECT: which session the cookie names, and what the client is told. A client gives up for good
 * after 401, and waits ten seconds and more after 503: so the first is said only where the session
 * cannot exist, and the second only after a while in which it could have turned up.
 */
struct connects;

enum connect_verdict {
	CONNECT_ACCEPT,
	CONNECT_NEVER, /* 401: there is no such session */
	CONNECT_LATER, /* 503, unless it turns out otherwise while the request is held */
	CONNECT_TAKEN, /* the same, but what has just been made is left alone for a moment only */
	CONNECT_OVERTAKEN, /* 503 at once: the client has another connection by now */
};

/* What decides. */
struct connect_facts {
	bool has_cookie;  /* of a form that could be ours */
	bool is_known;	  /* the cookie's session is in the copy */
	bool is_complete; /* ... which has every session there is */
	bool is_active;
	bool is_enabled;   /* by the configuration */
	bool is_taken;	   /* another connection has just been made, and is there */
	bool is_overtaken; /* a later request names the same session */
};
/* RET_WHY: one sentence for X-Reason; never NULL. */
enum connect_verdict connect_judge(const struct connect_facts *facts, const char **ret_why);

/* All is borrowed for its life. Errors: -ENOMEM. */
int connects_new(struct tunnels *tunnels, struct connects **ret_connects);
/* After the sessions. */
void connects_free(struct connects *connects);
bool connect_is_request(const struct http_head *head);
/*
 * As session_ops.ask: 0, the answer is appended, and the session knows what follows it;
 * -EINPROGRESS: session_answer follows, unless connects_forget comes before. Errors: -ENOMEM.
 * HOSTNAME of this unit is borrowed for the life of the session.
 */
int connects_ask(struct connects *connects, struct session *session, const struct http_head *head,
		 const char *hostname, struct buf *ret_bytes);
/* SESSION no longer waits. Nothing happens where it never did. */
void connects_forget(struct connects *connects, struct session *session);
/* The role, the configuration or the sessions may have changed. */
void connects_retry(struct connects *connects);
