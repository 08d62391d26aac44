/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The style sheet stands inline between fixed tags, so that the policy can name it by its SHA-256.
 * Everything else on the page is escaped text.
 */
#include "front/http/page.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "front/http/http_response.h"
#include "front/http/markup.h"

static const char style[] =
	":root{color-scheme:light dark;--ground:#f3f5f8;--card:#fff;--ink:#17202c;--quiet:#5c6a7c;"
	"--line:#dde3ea;--lift:0 1px 2px rgba(20,32,48,.06),0 12px 32px rgba(20,32,48,.08);"
	"--good:#147a4b;--good-ground:#e2f5eb;--wait:#5b4bb5;--wait-ground:#ecebfa;"
	"--note:#8a5300;--note-ground:#fdf1dc;--mark:#1f5fd0;"
	"--edge:#8493a6;--act:#1f5fd0;--act-ink:#fff;--bad:#a1212c;--bad-ground:#fdeaec}"
	"@media(prefers-color-scheme:dark){:root{--ground:#0e141c;--card:#161e29;--ink:#e6ecf3;"
	"--quiet:#93a1b3;--line:#263241;--lift:0 1px 2px rgba(0,0,0,.4),0 16px 40px "
	"rgba(0,0,0,.35);"
	"--good:#5fd39b;--good-ground:#10301f;--wait:#b4a9ff;--wait-ground:#241f47;"
	"--note:#f2c06b;--note-ground:#33270f;--mark:#7eaaff;"
	"--edge:#5b6b80;--act:#7eaaff;--act-ink:#0b1526;--bad:#ff9aa4;--bad-ground:#3a161b}}"
	"*{box-sizing:border-box;margin:0}"
	"html{background:var(--ground);color:var(--ink);"
	"font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",\"Liberation "
	"Sans\",sans-serif}"
	"body{min-height:100vh;min-height:100dvh;display:grid;place-content:center;"
	"grid-template-columns:minmax(0,27rem);padding:1.5rem}"
	"main{background:var(--card);border:1px solid var(--line);border-radius:1rem;"
	"box-shadow:var(--lift);padding:2rem}"
	"header{display:flex;align-items:center;gap:.875rem}"
	"svg{flex:none;width:2.5rem;height:2.5rem;color:var(--mark)}"
	"header p{color:var(--quiet);font-size:.875rem}"
	"h1{font-size:1.375rem;line-height:1.25;font-weight:650;overflow-wrap:anywhere}"
	".role{display:inline-flex;align-items:center;gap:.5rem;margin-top:1.5rem;padding:.3rem "
	".8rem;"
	"border-radius:99rem;font-size:.875rem;font-weight:600;color:var(--wait);"
	"background:var(--wait-ground)}"
	".role::before{content:\"\";width:.5rem;height:.5rem;border-radius:50%;background:"
	"currentColor}"
	".role.active{color:var(--good);background:var(--good-ground)}"
	".role.error{color:var(--note);background:var(--note-ground)}"
	"dl{margin-top:1.25rem;border-top:1px solid var(--line)}"
	"dl div{display:flex;justify-content:space-between;gap:1rem;padding:.625rem 0;"
	"border-bottom:1px solid var(--line)}"
	"dt{color:var(--quiet)}dd{font-weight:550;text-align:right}"
	".say{margin-top:1.25rem;color:var(--quiet);font-size:.9375rem}"
	".note{margin-top:1rem;padding:.625rem .875rem;border-radius:.625rem;font-size:.875rem;"
	"color:var(--note);background:var(--note-ground)}"
	"form{margin-top:1.5rem;display:grid;gap:1rem}"
	"label{display:grid;gap:.375rem;font-size:.875rem;font-weight:600}"
	"input,select,button{font:inherit;width:100%;min-height:3rem;border-radius:.625rem;"
	"padding:.5rem .875rem}"
	"input,select{font-size:1rem;font-weight:400;color:inherit;background:var(--ground);"
	"border:1px solid var(--edge)}"
	"button,.button{display:grid;place-content:center;min-height:3rem;padding:.5rem .875rem;"
	"border-radius:.625rem;border:1px solid transparent;font-weight:600;cursor:pointer;"
	"color:var(--act-ink);background:var(--act);text-decoration:none}"
	"button:hover,.button:hover{filter:brightness(1.08)}"
	".plain{color:inherit;background:transparent;border-color:var(--edge)}"
	":focus-visible{outline:3px solid var(--mark);outline-offset:2px}"
	".bad{margin-top:1.25rem;padding:.75rem .875rem;border-radius:.625rem;font-size:.9375rem;"
	"color:var(--bad);background:var(--bad-ground)}"
	".banner{margin-top:1.25rem;padding-left:.875rem;border-left:3px solid var(--mark);"
	"white-space:pre-line;overflow-wrap:anywhere}"
	".hands{display:grid;gap:.75rem;margin-top:1.5rem}.hands form{margin:0}"
	"dd{overflow-wrap:anywhere}"
	"@media(max-width:26rem){body{padding:1rem;place-content:start center;padding-top:12vh}"
	"main{padding:1.5rem}h1{font-size:1.1875rem}}";

/* Two units, one shield. */
static const char mark[] =
	"<svg viewBox=\"0 0 40 40\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2.5\" "
	"stroke-linejoin=\"round\" stroke-linecap=\"round\" aria-hidden=\"true\">"
	"<path d=\"M20 3.5 34 8.5v10.2c0 8.3-5.6 14.6-14 17.8-8.4-3.2-14-9.5-14-17.8V8.5Z\"/>"
	"<path d=\"M13 15.5h14M13 22.5h14\"/><circle cx=\"17\" cy=\"15.5\" r=\"2.2\" "
	"fill=\"currentColor\"/>"
	"<circle cx=\"23\" cy=\"22.5\" r=\"2.2\" fill=\"currentColor\"/></svg>";

static const char *name_of(const struct unit_status *unit)
{
	return unit->hostname[0] ? unit->hostname : "Gateway";
}

/* A name that does not fit is broken behind a dot. */
static int name_append(struct buf *html, const char *name)
{
	int r = 0;

	while (*name && r == 0) {
		char label[256];
		size_t n = strcspn(name, ".");

		n += name[n] ? 1 : 0;
		(void)snprintf(label, sizeof(label), "%.*s", (int)n, name);
		name += n;
		r = markup_piece(html, "", label, *name ? "<wbr>" : "");
	}
	return r;
}

int page_open_append(const struct unit_status *unit, const char *kind, struct buf *html)
{
	int r = markup_piece(
		html,
		"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
		"<meta name=\"robots\" content=\"noindex\">\n"
		/* Our own forms say where they come from, nobody else hears it. */
		"<meta name=\"referrer\" content=\"same-origin\">\n<title>",
		name_of(unit), "</title>\n<style>");

	if (r == 0)
		r = markup_piece(html, style, "", "</style>\n</head>\n<body>\n<main>\n<header>");
	if (r == 0)
		r = markup_piece(html, mark, "", "<div><h1>");
	if (r == 0)
		r = name_append(html, name_of(unit));
	if (r == 0)
		r = buf_append(html, "</h1><p>", 8);
	return r == 0 ? markup_piece(html, "", kind, "</p></div></header>\n") : r;
}

int page_close_append(struct buf *html)
{
	static const char end[] = "</main>\n</body>\n</html>\n";

	return buf_append(html, end, sizeof(end) - 1);
}

static int facts_append(struct buf *html, const struct unit_status *unit)
{
	int r = markup_piece(html, "<dl><div><dt>Answered by</dt><dd>",
			     unit->unit[0] ? unit->unit : "this", " unit</dd></div>");

	return r == 0 ? buf_append(html, "</dl>\n", 6) : r;
}

int page_gateway_append(const struct unit_status *unit, bool is_fallback, struct buf *ret_html)
{
	static const char note[] = "<p class=\"note\">This connection uses the "
				   "gateway\xe2\x80\x99s temporary self-signed "
				   "certificate.</p>\n";
	bool is_standby = strcmp(unit->role, "standby") == 0;
	int r = page_open_append(unit, "Secure gateway", ret_html);

	if (r == 0)
		r = markup_piece(ret_html,
				 unit->is_active ? "<p class=\"role active\">"
						 : "<p class=\"role\">",
				 unit->is_active ? "Active"
				 : is_standby	 ? "Standby"
						 : "Starting",
				 "</p>\n");
	if (r == 0)
		r = facts_append(ret_html, unit);
	if (r == 0)
		r = markup_piece(
			ret_html, "<p class=\"say\">",
			unit->is_active ? "This gateway is up and takes connections."
			: is_standby
				? "This unit stands by. It takes over when its mate cannot serve."
				: "This unit does not know its role at the moment.",
			"</p>\n");
	if (r == 0 && is_fallback)
		r = buf_append(ret_html, note, sizeof(note) - 1);
	return r == 0 ? page_close_append(ret_html) : r;
}

int page_error_append(const struct unit_status *unit, unsigned status, struct buf *ret_html)
{
	char number[16];
	int r = page_open_append(unit, "Secure gateway", ret_html);

	(void)snprintf(number, sizeof(number), "%u", status);
	if (r == 0)
		r = markup_piece(ret_html, "<p class=\"role error\">", number, " ");
	if (r == 0)
		r = markup_piece(ret_html, "", http_status_text(status), "</p>\n");
	if (r == 0)
		r = markup_piece(ret_html, "<p class=\"say\">",
				 status == 404 ? "There is nothing at this address."
					       : "The gateway did not take this request.",
				 "</p>\n");
	return r == 0 ? page_close_append(ret_html) : r;
}

int page_policy(char ret_policy[static PAGE_POLICY_MAX])
{
	uint8_t digest[32];
	char base64[64];
	gnutls_datum_t in = {digest, sizeof(digest)}, out = {NULL, 0};
	int r = gnutls_hash_fast(GNUTLS_DIG_SHA256, style, sizeof(style) - 1, digest);

	if (r == 0)
		r = gnutls_base64_encode2(&in, &out);
	if (r < 0)
		return ERR_CRYPTO;
	(void)snprintf(base64, sizeof(base64), "%.*s", (int)out.size, (const char *)out.data);
	gnutls_free(out.data);
	(void)snprintf(
		ret_policy, PAGE_POLICY_MAX,
		"default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'self'; "
		"frame-ancestors 'none'",
		base64);
	return 0;
}
