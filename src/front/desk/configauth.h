/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/why.h"

#define LOGIN_USER_MAX 64 /* bytes with the NUL, of each */
#define LOGIN_PASSWORD_MAX 513
#define LOGIN_GROUP_MAX 65
#define LOGIN_TOKEN_MAX 129
#define LOGIN_STATE_MAX 601
#define LOGIN_CODE_MAX 65
#define LOGIN_URL_MAX 513
#define LOGIN_GROUPS_MAX 64

/*
 * The XML of the login (draft-mavrogiannopoulos-openconnect section 2.1.3): what a client says, and
 * what it is told. Reading knows no document type, no entity of the document's own, and is bounded
 * in depth and size.
 */
enum configauth_type {
	CONFIGAUTH_INIT,
	CONFIGAUTH_REPLY,
	CONFIGAUTH_LOGOUT,
};

struct configauth {
	enum configauth_type type;
	char user[LOGIN_USER_MAX];
	char password[LOGIN_PASSWORD_MAX];
	char group[LOGIN_GROUP_MAX];	  /* <group-select> */
	char group_access[LOGIN_URL_MAX]; /* <group-access>: the URL that was typed */
	char token[LOGIN_TOKEN_MAX];	  /* <session-token> */
	char code[LOGIN_CODE_MAX];	  /* of the second factor */
	char state[LOGIN_STATE_MAX];	  /* <opaque>: what a login under way is known by */
	char no_certificate[2];		  /* <client-cert-fail/>: nothing stands in it */
	bool has_user, has_password, has_code;
	bool has_no_certificate; /* the client was asked for one and cannot show it */
};

/* Errors: ERR_MALFORMED, ERR_TOO_LARGE with a sentence; -ENOMEM. The caller wipes. */
int configauth_read(const void *data, size_t size, struct configauth *ret_said,
		    struct why *ret_why);
void configauth_wipe(struct configauth *said);

/* What a person is asked, in XML or in HTML. All borrowed. */
struct login_prompt {
	const char *const *groups; /* their aliases */
	size_t n_groups;
	const char *group; /* chosen; "": none */
	const char *user;  /* as typed before */
	const char *error; /* what was wrong with the last try; NULL: this is the first */
	/* Not NULL: the second factor's code is asked for, and this comes back with it. */
	const char *state;
	bool is_without_password; /* the certificate says who it is */
	const char *action;	  /* where the form goes: of a group without an alias, its
				 path; NULL: /auth */
};

/* The form. IS_LEGACY: for clients of before the aggregate exchange. Errors: -ENOMEM. */
int configauth_form_append(const struct login_prompt *prompt, bool is_legacy, struct buf *ret_xml);
/* The client is to connect again, with a certificate. Errors: -ENOMEM. */
int configauth_certificate_append(struct buf *ret_xml);
/* The last word: no further try is offered. */
int configauth_refusal_append(const char *error, struct buf *ret_xml);

struct login_success {
	const char *cookie;
	uint64_t session_id;
	const char *certificate_sha1; /* upper-case hex; "": not known */
	const char *banner;	      /* "": none */
};
int configauth_success_append(const struct login_success *success, bool is_legacy,
			      struct buf *ret_xml);
/* The answer to a logout. */
int configauth_bye_append(struct buf *ret_xml);
