/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/desk/desk_read.h"
#include "front/http/site.h"

/* What the desk answers, in the form that the speaker understands. All errors: -ENOMEM. */
struct desk_prompt {
	const char *group; /* picked; "": none */
	const char *user;
	const char *error; /* NULL: none */
	const char *state; /* NULL: the password is asked for, not the code */
	bool is_by_url;	   /* the group: a program has no other to pick */
};
int desk_answer_prompt(const struct site_context *context, enum speaker speaker,
		       const struct vpn_config *config, const struct desk_prompt *prompt,
		       bool is_head, struct buf *ret_bytes);
/* To a program that knows config-auth: it is to come again with a certificate. */
int desk_answer_certificate(const struct site_context *context, struct buf *ret_bytes);
/* The group that a login is for: as PICKED, else the first; NULL: there is none. */
const struct vpn_group *desk_group_of(const struct vpn_config *config, const char *picked);
struct desk_success {
	const char *cookie, *certificate_sha1, *profile_sha1;
	const char *banner;
	uint32_t id;
};
int desk_answer_success(const struct site_context *context, enum speaker speaker,
			const struct desk_success *success, struct buf *ret_bytes);
/* The session is over, or there was none: the cookies go. */
int desk_answer_bye(const struct site_context *context, enum speaker speaker,
		    struct buf *ret_bytes);
/* Not now; WHY is a sentence for people, and for programs in X-Reason. STATUS: 403, 503. */
int desk_answer_refusal(const struct site_context *context, enum speaker speaker, unsigned status,
			const char *why, struct buf *ret_bytes);
/* ENTRY NULL: this unit does not know yet. */
int desk_answer_session(const struct site_context *context, const struct vpn *vpn,
			const struct vpn_entry *entry, bool is_head, struct buf *ret_bytes);
int desk_answer_redirect(const struct site_context *context, struct buf *ret_bytes);
/* A file that clients ask for by a fixed name. Errors: ERR_NOT_FOUND, -ENOMEM. */
int desk_answer_file(const struct site_context *context, const struct http_head *head,
		     struct buf *ret_bytes);
