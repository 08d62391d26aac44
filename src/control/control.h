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
 * File descriptors (SCM_RIGHTS) travel with the first byte of the request. SO_PEERCRED and SO_PEERGROUPS decide who
 * may call what.
 */
#define CONTROL_MESSAGE_MAX (1024u * 1024)
#define CONTROL_FDS_MAX 4
#define CONTROL_CLIENTS_MAX 64

enum control_access {
	CONTROL_ACCESS_LOOK,   /* root, group asafo, group asafo-admin */
	CONTROL_ACCESS_CHANGE, /* root, group asafo-admin */
};

struct control_server;
struct control_call; /* one request that waits for its answer; may outlive its client */

typedef void (*control_method_fn)(struct control_call *call, struct json_object *parameters, void *userdata);

struct control_method {
	const char *name; /* "asafo.WriteStandby" */
	enum control_access access;
	control_method_fn handler; /* must answer now or later, exactly once */
};

/*
 * Serves LISTEN_FD (taken over). METHODS ends with a NULL name. look_gid/change_gid: (gid_t)-1 where the group does not
 * exist. Errors: -ENOMEM, -errno.
 */
int control_server_new(sd_event *event, int listen_fd, const struct control_method *methods, gid_t look_gid,
		       gid_t change_gid, void *userdata, struct control_server **ret_server);
void control_server_free(struct control_server *server);

/* Answers and ends the call. RESULT is taken over (NULL: {}). */
void control_call_reply(struct control_call *call, struct json_object *result);
/* A progress message, where the client wants them; RESULT is taken over. */
void control_call_progress(struct control_call *call, struct json_object *result);
/* Ends the call with an error: code gives "asafo.<err_name>", WHY the sentence. */
void control_call_fail(struct control_call *call, int code, const char *message);
/* Takes descriptor INDEX (or -1): the caller's now. */
int control_call_take_fd(struct control_call *call, size_t index);
/* The caller, for the log: "uid 0, pid 4711". */
const char *control_call_peer(const struct control_call *call);

/* ---- client side (asafo) ---- */
struct control_client;
/* Errors: -errno (-ENOENT, -ECONNREFUSED: the daemon does not run; -EACCES). */
int control_client_connect(const char *path, struct control_client **ret_client);
void control_client_free(struct control_client *client);
/*
 * Calls and waits. ON_PROGRESS (may be NULL) gets each "continues" message (borrowed). On success *RET_RESULT is the
 * caller's. On an error of the daemon returns its "code" and fills RET_WHY. Errors: ERR_CLOSED, ERR_MALFORMED, -errno.
 */
int control_client_call(struct control_client *client, const char *method, struct json_object *parameters,
			const int *fds, size_t n_fds,
			void (*on_progress)(struct json_object *parameters, void *userdata), void *userdata,
			struct json_object **ret_result, struct why *ret_why);
