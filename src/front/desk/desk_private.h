/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/pace.h"
#include "front/http/cookie.h"
#include "front/desk/desk.h"
#include "front/desk/desk_answer.h"
#include "front/desk/desk_certificate.h"
#include "front/desk/desk_peer.h"

/* Shared by desk.c (logins) and desk_logout.c (the end of a session). Nobody else includes it. */
#define WHY_STANDBY "This unit is not the active one"
#define WHY_LATER "The gateway cannot check logins at the moment, try again shortly"
#define WHY_NOT_ENDED "It is not certain yet that the session is over, try again shortly"
#define WHY_STRANGER "This form was sent from another site"

struct visit {
	struct visit *next, **at;
	struct desk *desk;
	struct session *session; /* NULL: nobody waits */
	struct site_context context;
	enum speaker speaker;
	struct vpn_login login; /* texts: below */
	struct vpn_call *call;
	struct ending *ending; /* of a logout */
	char user[LOGIN_USER_MAX], picked[LOGIN_GROUP_MAX], group[VPN_NAME_MAX];
	char policy[VPN_NAME_MAX];
	bool is_going_on; /* the second factor's request: user and group come with the answer */
	bool is_by_certificate; /* so does the user */
	bool is_by_url;		/* what was picked */
	char cookie[COOKIE_TEXT_MAX];
	char certificate_sha1[DESK_SHA1_MAX], profile_sha1[DESK_SHA1_MAX];
};

struct desk {
	sd_event *event;
	struct vpn *vpn;
	desk_note_fn on_note;
	void *userdata;
	struct ipc_channel *auth;
	struct visit *visits;
	unsigned n_visits;
	struct pace undecided; /* logins that nobody could check */
};

/* NULL: no memory. */
struct visit *desk_visit_new(struct desk *desk, struct session *session,
			     const struct site_context *context);
void desk_visit_free(struct visit *visit);
/* R: whether there are BYTES. The visit is over. */
void desk_visit_answer(struct visit *visit, int r, struct buf *bytes);
void desk_visit_refuse(struct visit *visit, const char *why);

/* ---- desk_logout.c ---- */
/* The session that a cookie names, and that cookie's hash; NULL where there is none, or it is not
 * known here. */
struct vpn_entry *desk_session_of(const struct desk *desk, const struct http_head *head,
				  const char *token, uint8_t ret_hash[static COOKIE_HASH_SIZE],
				  bool *ret_has_cookie);
/* As desk_ask. */
int desk_logout(struct desk *desk, struct session *session, const struct site_context *context,
		const struct http_head *head, const struct desk_said *said, struct buf *ret_bytes);
