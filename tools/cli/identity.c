/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/identity.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/cli/format.h"
#include "tools/cli/view.h"

#define DAY 86400

void identity_expiry(struct json_object *trustpoint, int64_t now,
		     struct identity_expiry *ret_expiry)
{
	int64_t not_after = view_number(trustpoint, "not_after", 0);
	int64_t not_before = view_number(trustpoint, "not_before", 0);
	int64_t days = (not_after - now) / DAY;
	char *text = ret_expiry->text;
	size_t size = sizeof(ret_expiry->text);
	struct format_text date;

	ret_expiry->style = SCREEN_PLAIN;
	if (not_after == 0) {
		(void)snprintf(text, size, "?");
	} else if (not_after <= now) {
		(void)snprintf(text, size, "%s (expired)", format_date(not_after, &date));
		ret_expiry->style = SCREEN_BAD;
	} else if (not_before > now) {
		(void)snprintf(text, size, "%s (not valid before ", format_date(not_after, &date));
		(void)snprintf(text + strlen(text), size - strlen(text), "%s)",
			       format_date(not_before, &date));
		ret_expiry->style = SCREEN_BAD;
	} else {
		(void)snprintf(text, size, "%s (in %" PRId64 " day%s)",
			       format_date(not_after, &date), days, days == 1 ? "" : "s");
		if (view_has(trustpoint, "expiring") ? view_flag(trustpoint, "expiring")
						     : days < IDENTITY_EXPIRY_WARN_DAYS)
			ret_expiry->style = SCREEN_WARN;
	}
}

int identity_fingerprint(const char *hex, struct buf *text)
{
	size_t length = strlen(hex);

	if (length % 2 != 0 || strspn(hex, "0123456789abcdefABCDEF") != length)
		return buf_append(text, hex, length);
	for (size_t i = 0; i < length; i += 2) {
		int error = buf_append_format(text, "%s%c%c", i > 0 ? ":" : "",
					      toupper((unsigned char)hex[i]),
					      toupper((unsigned char)hex[i + 1]));

		if (error)
			return error;
	}
	return 0;
}

int identity_join(struct json_object *object, const char *name, const char *separator,
		  struct buf *text)
{
	for (size_t i = 0; i < view_count(object, name); i++) {
		int error = buf_append_format(text, "%s%s", i > 0 ? separator : "",
					      view_item_text(object, name, i));

		if (error)
			return error;
	}
	return 0;
}

int identity_bound(struct json_object *trustpoint, struct buf *text)
{
	for (size_t i = 0; i < view_count(trustpoint, "bound"); i++) {
		struct json_object *bound = view_item(trustpoint, "bound", i);
		const char *interface = view_text(bound, "interface");
		const char *domain = view_text(bound, "domain");
		int error = buf_append_format(text, "%s%s%s%s", i > 0 ? ", " : "",
					      *domain ? domain : "",
					      *domain && *interface ? " on " : "",
					      *interface ? interface
					      : *domain	 ? ""
							 : "everywhere");

		if (error)
			return error;
	}
	return 0;
}

const char *identity_origin(struct json_object *trustpoint)
{
	const char *origin = view_text(trustpoint, "origin");

	if (strcmp(origin, "local-ca") == 0)
		return "local CA";
	return strcmp(origin, "fallback") == 0 ? "self-signed fallback" : origin;
}

static void field(const struct screen *screen, enum screen_style style, const char *name,
		  const char *value)
{
	if (!*value)
		return;
	screen_print(screen, "  %-13s ", name);
	screen_style(screen, style, "%s\n", value);
}

#define FIELD_AT 16 /* the column in which a field begins */

/* A certificate may have hundreds: on a terminal none is cut in two. A pipe gets one line. */
static void print_names(const struct screen *screen, struct json_object *trustpoint)
{
	int64_t left_out = view_number(trustpoint, "names_left_out", 0);
	size_t n = view_count(trustpoint, "names"), column = FIELD_AT;

	for (size_t i = 0; i < n; i++) {
		const char *name = view_item_text(trustpoint, "names", i);
		size_t length = strlen(name) + strlen(", ");

		if (i == 0)
			screen_print(screen, "  %-13s ", "Names:");
		if (i > 0 && screen->width > 0 && column + length > screen->width) {
			screen_print(screen, ",\n%*s", FIELD_AT, "");
			column = FIELD_AT;
		} else if (i > 0) {
			screen_print(screen, ", ");
		}
		screen_print(screen, "%s", name);
		column += length;
	}
	if (n > 0 && left_out > 0)
		screen_print(screen, " and %" PRId64 " others", left_out);
	if (n > 0)
		screen_print(screen, "\n");
}

static void print_texts(const struct screen *screen, struct json_object *trustpoint)
{
	_cleanup_(buf_done) struct buf fingerprint = {0}, chain = {0}, bound = {0};
	const char *text;

	field(screen, SCREEN_PLAIN, "Subject:", view_text(trustpoint, "subject"));
	field(screen, SCREEN_PLAIN, "Issuer:", view_text(trustpoint, "issuer"));
	print_names(screen, trustpoint);
	field(screen, SCREEN_PLAIN, "Serial:", view_text(trustpoint, "serial"));
	if (identity_fingerprint(view_text(trustpoint, "fingerprint"), &fingerprint) == 0 &&
	    (text = buf_text(&fingerprint)))
		field(screen, SCREEN_PLAIN, "SHA-256:", text);
	field(screen, SCREEN_PLAIN, "Key:",
	      view_flag(trustpoint, "ca") ? "none: a CA's certificate alone"
					  : view_text(trustpoint, "key_type"));
	if (identity_join(trustpoint, "chain", " <- ", &chain) == 0 && (text = buf_text(&chain)))
		field(screen, SCREEN_PLAIN, "Chain:", text);
	if (view_number(trustpoint, "chain_length", 0) > 0 && chain.size == 0)
		screen_print(screen, "  %-13s %" PRId64 " CA certificate%s\n",
			     "Chain:", view_number(trustpoint, "chain_length", 0),
			     view_number(trustpoint, "chain_length", 0) == 1 ? "" : "s");
	if (identity_bound(trustpoint, &bound) == 0 && (text = buf_text(&bound)))
		field(screen, SCREEN_PLAIN, "Bound:", text);
}

bool identity_staple(struct json_object *trustpoint, struct identity_staple *ret_staple)
{
	struct json_object *staple = view_object(trustpoint, "staple");
	struct format_text until, at;

	ret_staple->style = SCREEN_WARN;
	if (!staple) {
		(void)snprintf(ret_staple->text, sizeof(ret_staple->text),
			       "none, and the certificate wants one (must-staple)");
		return view_flag(trustpoint, "must_staple");
	}
	if (view_flag(staple, "good") && !view_flag(staple, "ending"))
		ret_staple->style = SCREEN_PLAIN;
	(void)snprintf(ret_staple->text, sizeof(ret_staple->text), "%s %s, from %s at %s",
		       view_flag(staple, "good") ? "good until" : "not sent: it ended at",
		       format_time(view_number(staple, "next_update", 0), &until),
		       view_text(staple, "source"),
		       format_time(view_number(staple, "taken_at", 0), &at));
	return true;
}

bool identity_fetch(struct json_object *trustpoint, struct identity_fetch *ret_fetch)
{
	struct json_object *fetch = view_object(trustpoint, "staple_fetch");
	int64_t asked_at = view_number(fetch, "asked_at", 0);
	const char *url = *view_text(fetch, "url") ? view_text(fetch, "url") : "its issuer";
	bool is_failing = view_number(fetch, "failures", 0) > 0;
	struct format_text asked, next;

	if (!fetch)
		return false;
	ret_fetch->style = is_failing ? SCREEN_WARN : SCREEN_PLAIN;
	if (!view_flag(fetch, "here"))
		(void)snprintf(ret_fetch->text, sizeof(ret_fetch->text),
			       "fetched by the active unit");
	else if (asked_at == 0)
		(void)snprintf(ret_fetch->text, sizeof(ret_fetch->text), "to be fetched from %s",
			       url);
	else
		(void)snprintf(ret_fetch->text, sizeof(ret_fetch->text),
			       "fetched from %s, last at %s%s%s; looked at again at %s", url,
			       format_time(asked_at, &asked), is_failing ? ", failed: " : "",
			       view_text(fetch, "why"),
			       format_time(view_number(fetch, "next_at", 0), &next));
	return true;
}

void identity_print(const struct screen *screen, struct json_object *trustpoint)
{
	struct identity_expiry expiry;
	struct identity_staple staple;
	struct identity_fetch fetch;
	struct format_text from;

	print_texts(screen, trustpoint);
	identity_expiry(trustpoint, screen->now, &expiry);
	if (view_has(trustpoint, "not_before"))
		field(screen, SCREEN_PLAIN,
		      "Valid from:", format_time(view_number(trustpoint, "not_before", 0), &from));
	if (view_has(trustpoint, "not_after"))
		field(screen, expiry.style, "Valid until:", expiry.text);
	if (identity_staple(trustpoint, &staple))
		field(screen, staple.style, "OCSP staple:", staple.text);
	if (identity_fetch(trustpoint, &fetch))
		field(screen, fetch.style, "", fetch.text);
	if (view_has(trustpoint, "chain_complete") && !view_flag(trustpoint, "chain_complete"))
		field(screen, SCREEN_WARN,
		      "Incomplete:", "the chain does not reach a root; clients may not accept it");
	if (view_has(trustpoint, "exportable") && !view_flag(trustpoint, "exportable"))
		field(screen, SCREEN_PLAIN, "Exportable:", "no");
	field(screen, SCREEN_PLAIN, "On the mate:", view_text(trustpoint, "on_mate"));
	field(screen, SCREEN_WARN, "Kept here:", view_text(trustpoint, "kept_home"));
}

void identity_print_position(const struct screen *screen, struct json_object *position)
{
	struct format_text digest;

	if (!position) {
		screen_print(screen, "unknown");
		return;
	}
	screen_print(screen, "term %" PRId64 ", seq %" PRId64, view_number(position, "term", 0),
		     view_number(position, "seq", 0));
	/* Of a mate that is elsewhere it is not known. */
	if (view_has(position, "count"))
		screen_print(screen, ", %" PRId64 " item%s", view_number(position, "count", 0),
			     view_number(position, "count", 0) == 1 ? "" : "s");
	screen_print(screen, ", digest %s",
		     format_digest(view_text(position, "digest"), 16, &digest));
}
