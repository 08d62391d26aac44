/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* What the front knows of its unit, and may tell anyone who asks. Plain data; texts are checked and
 * bounded. */
struct unit_status {
	char hostname[256];
	char role[16];	/* "active", "standby"; "unknown" until the engine has said one */
	char state[64]; /* the ASA's name */
	char unit[16];	/* "primary", "secondary" */
	uint64_t term, seq;
	uint8_t digest[32];
	bool has_digest;
	bool is_active;
};

/* The one page: self-contained, no script, nothing from elsewhere. Errors: -ENOMEM. */
int page_gateway_append(const struct unit_status *unit, bool is_fallback, struct buf *ret_html);
/* The same looks for what went wrong. */
int page_error_append(const struct unit_status *unit, unsigned status, struct buf *ret_html);
/* What stands around every page: for those that are made elsewhere. KIND is the line below the
 * name. */
int page_open_append(const struct unit_status *unit, const char *kind, struct buf *html);
int page_close_append(struct buf *html);
/* The Content-Security-Policy that allows this page's own style sheet, by its hash, and forms
 * that go back to this gateway, and nothing else. Errors: ERR_CRYPTO. */
#define PAGE_POLICY_MAX 256
int page_policy(char ret_policy[static PAGE_POLICY_MAX]);
