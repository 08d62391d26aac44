/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/why.h"

/*
 * The control protocol: JSON objects, each ended by a NUL byte, in Varlink's shape:
 *   -> {"method": "asafo.WriteStandby", "parameters": {...}, "more": true}
 *   <- {"parameters": {...}, "continues": true}      progress; only where "more" was asked
 *   <- {"parameters": {...}}                         the result
 *   <- {"error": "asafo.NotActive", "parameters": {"message": "...", "code": -1003}}
 * Requests may be pipelined; they are answered in order, one at a time. File descriptors
 * (SCM_RIGHTS) travel with the first byte of the request, which is then the only or the last one of
 * its sendmsg(2). SO_PEERCRED and SO_PEERGROUPS decide who may call what. doc/control.md lists the
 * methods.
 */
#define CONTROL_MESSAGE_MAX (1024u * 1024)   /* of a request */
#define CONTROL_REPLY_MAX (4u * 1024 * 1024) /* of a reply, and of what waits for one client */
#define CONTROL_FDS_MAX 4
#define CONTROL_CLIENTS_MAX 64
#define CONTROL_CLIENTS_RESERVED 8 /* more, for who may change */
#define CONTROL_STALL_MS 10000 /* a request must be complete, and a reply be taken, within this */
/* Idle for so long a client makes room, where places are wanting. Where they were wanting for so
 * long, who is idle at all does. */
#define CONTROL_IDLE_MS 1000
#define CONTROL_LOOK_GROUP "asafo"
#define CONTROL_CHANGE_GROUP "asafo-admin"

enum control_access {
	CONTROL_ACCESS_LOOK,   /* root, group asafo, group asafo-admin */
	CONTROL_ACCESS_CHANGE, /* root, group asafo-admin */
};

struct control_server;
struct control_call; /* one request that waits for its answer; may outlive its client */

/* PARAMETERS (an object, never NULL) is borrowed for the time of this call; json_object_get keeps
 * it for longer. */
typedef void (*control_method_fn)(struct control_call *call, struct json_object *parameters,
				  void *userdata);

struct control_method {
	const char *name; /* "asafo.WriteStandby" */
	enum control_access access;
	control_method_fn handler; /* must answer now or later, exactly once */
};

/*
 * Serves LISTEN_FD (a listening AF_UNIX stream socket; taken over when this succeeds). METHODS
 * (borrowed) ends with a NULL name. look_gid/change_gid: (gid_t)-1 where the group does not exist.
 * Never blocks. Errors: -ENOMEM, -errno.
 */
int control_server_new(sd_event *event, int listen_fd, const struct control_method *methods,
		       gid_t look_gid, gid_t change_gid, void *userdata,
		       struct control_server **ret_server);
/* Takes NULL. Calls that still wait stay valid; their answers go nowhere. */
void control_server_free(struct control_server *server);

struct control_limits {
	unsigned stall_ms;
	size_t clients_max;
	size_t reply_max;
	unsigned idle_ms;
};

/* Other limits than the ones above. */
void control_server_set_limits(struct control_server *server, const struct control_limits *limits);
/* Another source for who a client is than control_peer_read (peer.h). */
struct control_peer;
void control_server_set_peer_read(struct control_server *server,
				  int (*read)(int fd, struct control_peer *ret_peer));

/*
 * A call that no client of the socket made, such as the mate's. ON_ANSWER gets its one answer, a
 * whole message without its NUL; PROGRESS goes nowhere. PARAMETERS (an object) are taken over; PEER
 * is what control_call_peer says. It may change things. Errors: -ENOMEM.
 */
typedef void (*control_answer_fn)(const char *text, size_t size, void *userdata);
int control_call_new(struct json_object *parameters, const char *peer, control_answer_fn on_answer,
		     void *userdata, struct control_call **ret_call);
/* For one whose caller may only look. */
void control_call_look_only(struct control_call *call);
/* Forgets a call of control_call_new without an answer. */
void control_call_drop(struct control_call *call);
/* Reads an answer of such a call, and answers CALL with the same. */
void control_call_forward(struct control_call *call, const char *text, size_t size);
/* Whether the caller may change things, not only look. */
bool control_call_may_change(const struct control_call *call);

/* Answers and ends the call. RESULT, an object, is taken over (NULL: {}). */
void control_call_reply(struct control_call *call, struct json_object *result);
/* A progress message, where the client wants them and reads them; RESULT, an object, is taken over.
 */
void control_call_progress(struct control_call *call, struct json_object *result);
/* Ends the call with an error: CODE (< 0) gives "asafo.<err_name>", MESSAGE (NULL: err_text) the
 * sentence. */
void control_call_fail(struct control_call *call, int code, const char *message);
/* Takes descriptor INDEX (or -1): the caller's now. */
int control_call_take_fd(struct control_call *call, size_t index);
/* The caller, for the log: "uid 0, pid 4711". */
const char *control_call_peer(const struct control_call *call);
/*
 * ON_GONE is called once when the client vanishes before the answer, so that what only it waits for
 * can be given up. The call must still be ended, then or later.
 */
void control_call_set_on_gone(struct control_call *call,
			      void (*on_gone)(struct control_call *call, void *userdata),
			      void *userdata);

/* ---- client side (asafo) ---- */
struct control_client;
/* Errors: -errno (-ENOENT, -ECONNREFUSED: the daemon does not run; -EACCES). */
int control_client_connect(const char *path, struct control_client **ret_client);
void control_client_free(struct control_client *client);
/* After a call: the failure was the connection's, not the daemon's answer. */
bool control_client_is_broken(const struct control_client *client);
/* The longest silence of the daemon that a call bears, in ms; 0 (the default): any. Then:
 * ERR_TIMEOUT. */
void control_client_set_timeout(struct control_client *client, unsigned ms);
/*
 * Calls and waits. FDS stay the caller's. ON_PROGRESS (may be NULL) gets each "continues" message
 * (borrowed). On success *RET_RESULT is the caller's. On an error of the daemon returns its "code"
 * and fills RET_WHY. Errors: ERR_CLOSED, ERR_MALFORMED, ERR_TOO_LARGE, ERR_TIMEOUT, -errno; after
 * those the connection is of no more use.
 */
int control_client_call(struct control_client *client, const char *method,
			struct json_object *parameters, const int *fds, size_t n_fds,
			void (*on_progress)(struct json_object *parameters, void *userdata),
			void *userdata, struct json_object **ret_result, struct why *ret_why);
