/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/desk/configauth.h"
#include "front/http/page.h"

/*
 * The pages of a person with a browser: log in, see one's own session, end it. No script; every
 * button is a form that goes back to this gateway.
 */
int portal_login_append(const struct unit_status *unit, const struct login_prompt *prompt,
			bool is_fallback, struct buf *ret_html);

struct portal_session {
	const char *user, *group;
	const char *v4, *v6; /* addresses in the tunnel; "": none */
	uint64_t age_s;
	uint64_t left_s; /* until it ends in any case; 0: it does not */
	bool is_connected;
	const char *banner; /* "": none */
	const char *proof;  /* that the button is on this page */
};
int portal_session_append(const struct unit_status *unit, const struct portal_session *session,
			  struct buf *ret_html);
/* This unit does not know yet whether the session exists. The page asks again by itself, and leads
 * to the login for who does not want to wait: "/?" PORTAL_ANEW. */
#define PORTAL_ANEW "anew"
int portal_wait_append(const struct unit_status *unit, struct buf *ret_html);
/* One sentence with a way back to the start. */
int portal_notice_append(const struct unit_status *unit, const char *text, struct buf *ret_html);
