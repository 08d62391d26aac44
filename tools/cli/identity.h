/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <json-c/json.h>

#include "base/buf.h"
#include "tools/cli/screen.h"

/* How certificates and positions are shown, wherever they are. */
#define IDENTITY_EXPIRY_WARN_DAYS 60

struct identity_expiry {
	char text[64]; /* "2027-10-10 (in 322 days)" */
	enum screen_style style;
};

/* When TRUSTPOINT's certificate ends, and how loudly to say it. */
void identity_expiry(struct json_object *trustpoint, int64_t now,
		     struct identity_expiry *ret_expiry);
struct identity_staple {
	char text[256]; /* "good until ..., from file at ..." */
	enum screen_style style;
};

struct identity_fetch {
	char text[1024]; /* "asked http://... at ..., again at ..." */
	enum screen_style style;
};

/* How the OCSP staple of TRUSTPOINT's certificate stands; false: there is none, and need not be. */
bool identity_staple(struct json_object *trustpoint, struct identity_staple *ret_staple);
/* How `ocsp fetch` of it goes; false: it has no such line. */
bool identity_fetch(struct json_object *trustpoint, struct identity_fetch *ret_fetch);
/* "   Name:  value" lines: all that is known of a certificate. */
void identity_print(const struct screen *screen, struct json_object *trustpoint);
/* "12:AB:..." of plain hex digits, in 32-byte lines; anything else as it is. Errors: -ENOMEM. */
int identity_fingerprint(const char *hex, struct buf *text);
/* The array NAME of texts, with SEPARATOR. Errors: -ENOMEM. */
int identity_join(struct json_object *object, const char *name, const char *separator,
		  struct buf *text);
/* "everywhere", "outside", "vpn.example.org on outside": what `bound` holds. Errors: -ENOMEM. */
int identity_bound(struct json_object *trustpoint, struct buf *text);
/* "local CA of this unit"... */
const char *identity_origin(struct json_object *trustpoint);
/* "term 3, seq 12, digest 0123456789abcdef..." */
void identity_print_position(const struct screen *screen, struct json_object *position);
