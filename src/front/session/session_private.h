/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/http/http_body.h"
#include "front/http/request.h"
#include "front/net/poller.h"
#include "front/session/session.h"
#include "front/tls/tls_wire.h"

/* For the files of the session alone. */
enum state {
	STATE_HANDSHAKE,
	STATE_ALERT,	/* the handshake failed: say so */
	STATE_REQUEST,	/* for a head, the first byte of it included */
	STATE_BODY,	/* the answer is ready, the rest of the request is not read yet */
	STATE_CONTINUE, /* the client holds its body back until it is told to go on */
	STATE_COLLECT,	/* the body is wanted */
	STATE_WAIT,	/* the answer is being found out */
	STATE_RESPONSE,
	STATE_TUNNEL, /* the connection is the tunnel's */
	STATE_BYE,    /* close_notify */
	STATE_DRAIN,  /* until the other end has closed too: a RST would take our last bytes with it
		       */
	STATE__MAX,
};

struct session {
	struct session_place place;
	const struct session_ops *ops;
	void *userdata;
	const struct session_limits *limits;
	struct poller *poller;
	struct poller_entry io;
	sd_event_source *timer;
	int fd;
	enum state state;
	struct tls_peer tls;
	struct tls_wire wire;
	struct buf in, out;
	size_t sent;
	struct http_scan scan;
	struct http_body body;
	struct tunnel *tunnel;
	struct request *request; /* from STATE_CONTINUE to the end of STATE_WAIT */
	unsigned n_requests;
	bool is_last, is_ended;
	bool is_heard_out; /* the other end has said that nothing more comes */
	bool is_due;	   /* the state is new, and has no deadline yet */
	size_t drained;
	char interface[SNAPSHOT_NAME_MAX];
};
