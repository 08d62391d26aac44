/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "base/monotime.h"
#include "control/control.h"
#include "control/message.h"
#include "control/peer.h"

/* Inside of the control server: server.c lets clients in, connection.c speaks with one, call.c is
 * one request. */

/* Descriptors that came with the request which begins at OFFSET of the input. */
struct connection_fds {
	size_t offset;
	size_t n;
	int fds[CONTROL_FDS_MAX];
};

struct connection {
	struct control_server *server;
	struct connection *next, *previous;
	int fd;
	sd_event_source *io, *deferred, *stall;
	enum control_right right;
	char peer[64];
	struct buf in, out;
	size_t n_searched; /* bytes of IN without a NUL */
	struct connection_fds
		held[2]; /* of the request that is not complete yet and of one begun after it */
	struct control_call *call;    /* one at a time: answers keep the order */
	struct monotime input_since;  /* since when the last request is incomplete */
	struct monotime output_since; /* since when nothing of OUT was taken */
	struct monotime idle_since;
	bool is_ended;	 /* the client sends no more */
	bool is_closing; /* to be closed when OUT is sent */
	bool is_dead;
};

struct control_server {
	sd_event *event;
	sd_event_source *listener, *retry;
	const struct control_method *methods;
	gid_t look_gid, change_gid;
	void *userdata;
	struct control_limits limits;
	int (*peer_read)(int fd, struct control_peer *ret_peer);
	struct connection *first;
	size_t n_connections;
	struct monotime full_since; /* all places were taken whenever somebody came, up to */
	struct monotime full_last;
	bool has_paused; /* before the client that is next */
};

struct control_call {
	struct connection *connection; /* NULL: the client is gone */
	struct json_object *parameters;
	bool wants_more;
	bool may_change;
	control_answer_fn on_answer; /* where there is no connection from the start */
	void *answer_userdata;
	int fds[CONTROL_FDS_MAX];
	size_t n_fds;
	char peer[64];
	void (*on_gone)(struct control_call *call, void *userdata);
	void *gone_userdata;
};

/* Takes FD over in any case. Errors: -ENOMEM, -errno. */
int connection_new(struct control_server *server, int fd, struct connection **ret_connection);
void connection_free(struct connection *connection);
/* Nothing is under way that this process knows of; the client may be about to ask, or to go. */
bool connection_is_idle(const struct connection *connection);
/* Its client hung up, and waits for nothing. */
bool connection_is_gone(const struct connection *connection);
/* It may be closed to make room: it went, or may call nothing, or was idle for IDLE_MS and has not
 * asked meanwhile. */
bool connection_may_go(const struct connection *connection, unsigned idle_ms);
/* Sends TEXT (a whole message with its NUL), now or when the client reads. */
void connection_send(struct connection *connection, const void *text, size_t size);
/* The call has its answer: on to the next request. */
void connection_call_ended(struct connection *connection);

/* Takes REQUEST's parameters and FDS over. Errors: -ENOMEM. */
int call_new(struct connection *connection, struct control_request *request,
	     struct connection_fds *fds, struct control_call **ret_call);
/* The client is gone. */
void call_orphan(struct control_call *call);
