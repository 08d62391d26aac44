/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/session/session.h"
#include "front/http/site.h"
#include "front/tunnel/vpn.h"

/*
 * The desk where people log in: AnyConnect's exchange, the forms of before, and the portal for
 * browsers. Holds no state between two requests, so that any front of either unit can go on; a
 * session is asked for once the auth helper said yes, and its cookie is handed out once the engine
 * said that the mate has it.
 */
struct desk;

#define DESK_BODY_MAX 16384u
#define DESK_VISITS_MAX 256 /* logins under way at a time, of one front */

/* One line for the log, PRIORITY as in syslog(3). */
typedef void (*desk_note_fn)(int priority, const char *text, void *userdata);

/* All is borrowed for the desk's life. Errors: -ENOMEM. */
int desk_new(sd_event *event, struct vpn *vpn, desk_note_fn on_note, void *userdata,
	     struct desk **ret_desk);
/* After the sessions, before the copy of the VPN. */
void desk_free(struct desk *desk);
/* The channel to the auth helper: takes over FD, and lets go of an older one. */
int desk_auth_set(struct desk *desk, int fd);

/* As session_ops.body_max. */
size_t desk_body_max(const struct desk *desk, const struct http_head *head,
		     const struct unit_status *unit);
/* As session_ops.ask. CONTEXT's pointers are borrowed for the session's life. */
int desk_ask(struct desk *desk, struct session *session, const struct site_context *context,
	     const struct http_head *head, const struct buf *body, struct buf *ret_bytes);
/* Nobody waits for the answer to what SESSION asked. Nothing happens where it did not ask. */
void desk_forget(struct session *session);
/* A request without a body. Errors: ERR_NOT_FOUND (it is not the desk's), -ENOMEM. */
int desk_get(struct desk *desk, const struct session *session, const struct site_context *context,
	     const struct http_head *head, struct buf *ret_bytes);
