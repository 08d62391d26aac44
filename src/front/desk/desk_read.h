/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/desk/configauth.h"
#include "front/http/cookie.h"
#include "front/http/http_head.h"
#include "front/tunnel/vpn.h"

/* Who speaks decides in which form he is answered. */
enum speaker {
	SPEAKER_AGGREGATE, /* AnyConnect and OpenConnect: config-auth */
	SPEAKER_LEGACY,	   /* the same programs, with the forms of before */
	SPEAKER_PERSON,	   /* a browser */
};

enum wish {
	WISH_FORM, /* what is to be filled in */
	WISH_LOGIN,
	WISH_CODE, /* a login goes on: the second factor */
	WISH_LOGOUT,
};

/* What a request to the desk says. Holds a password: desk_said_wipe. */
struct desk_said {
	enum speaker speaker;
	enum wish wish;
	char user[LOGIN_USER_MAX];
	char password[LOGIN_PASSWORD_MAX];
	char group[LOGIN_GROUP_MAX]; /* as picked, or by the path; "": none */
	char token[LOGIN_TOKEN_MAX]; /* a cookie that came in the body */
	char proof[COOKIE_TEXT_MAX]; /* cookie_proof(), of a form */
	char code[LOGIN_CODE_MAX], state[LOGIN_STATE_MAX];
	bool is_by_url;		 /* the group */
	bool is_reply;		 /* a form was filled in, be it one without a password */
	bool has_no_certificate; /* asked for a certificate, the client had none to show */
};

/* Errors: ERR_MALFORMED, ERR_TOO_LARGE, -ENOMEM. */
int desk_read(const struct http_head *head, const struct buf *body, const struct vpn_config *config,
	      struct desk_said *ret_said);
void desk_said_wipe(struct desk_said *said);

/* Whether a program speaks, not a browser. */
bool desk_is_client(const struct http_head *head);
/* Whether PATH is one that a login is sent to: fixed ones, or "/" and the name of a group. */
bool desk_is_login_path(struct http_text path, const struct vpn_config *config);
/* Whether some group could have the name that PATH is. */
bool desk_may_be_group(struct http_text path);
/* The group that the path names, as it stands there; NULL: none. */
const struct vpn_group *desk_group_of_path(struct http_text path, const struct vpn_config *config);
/*
 * Whether a browser sends this because of a page of ours: another site's page must not log its
 * visitors in or out. Programs say nothing of the kind and are believed.
 */
bool desk_is_own_page(const struct http_head *head);
