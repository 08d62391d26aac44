/* SPDX-License-Identifier: Apache-2.0 */
#include "front/desk/portal.h"

#include <stdio.h>
#include <string.h>

#include "front/http/markup.h"

static int groups_append(const struct login_prompt *prompt, struct buf *html)
{
	int r;

	if (prompt->n_groups < 2)
		return 0;
	r = markup_raw(html, "<label>Group<select name=\"group_list\">\n");
	for (size_t i = 0; i < prompt->n_groups && r == 0; i++) {
		bool is_chosen = strcmp(prompt->groups[i], prompt->group) == 0;

		r = markup_piece(html, "<option value=\"", prompt->groups[i],
				 is_chosen ? "\" selected>" : "\">");
		if (r == 0)
			r = markup_piece(html, "", prompt->groups[i], "</option>\n");
	}
	return r == 0 ? markup_raw(html, "</select></label>\n") : r;
}

static int fields_append(const struct login_prompt *prompt, struct buf *html)
{
	bool is_again = prompt->user[0] != '\0';
	int r = markup_piece(html, "<form method=\"post\" action=\"",
			     prompt->action ? prompt->action : "/auth", "\">\n");

	if (r == 0)
		r = markup_piece(
			html,
			"<label>Username"
			"<input name=\"username\" autocomplete=\"username\" "
			"autocapitalize=\"none\" spellcheck=\"false\" required maxlength=\"63\" "
			"value=\"",
			prompt->user, is_again ? "\"></label>\n" : "\" autofocus></label>\n");

	if (r == 0)
		r = markup_piece(html,
				 "<label>Password<input type=\"password\" name=\"password\" "
				 "autocomplete=\"current-password\" required maxlength=\"511\"",
				 "", is_again ? " autofocus></label>\n" : "></label>\n");
	if (r == 0)
		r = groups_append(prompt, html);
	return r == 0 ? markup_raw(html, "<button>Log in</button>\n</form>\n") : r;
}

static int certificate_append(const struct login_prompt *prompt, struct buf *html)
{
	int r = markup_piece(html,
			     "<p class=\"say\">This group knows you by the certificate of your "
			     "browser.</p>\n<form method=\"post\" action=\"",
			     prompt->action ? prompt->action : "/auth",
			     "\">\n<input type=\"hidden\" name=\"certificate\" value=\"1\">\n");

	if (r == 0)
		r = groups_append(prompt, html);
	return r == 0 ? markup_raw(html, "<button autofocus>Log in with the certificate</button>\n"
					 "</form>\n")
		      : r;
}

static int code_append(const struct login_prompt *prompt, struct buf *html)
{
	int r = markup_piece(html,
			     "<form method=\"post\" action=\"/auth\">\n"
			     "<input type=\"hidden\" name=\"state\" value=\"",
			     prompt->state,
			     "\">\n<label>Code of your authenticator"
			     "<input name=\"secondary_password\" inputmode=\"numeric\" "
			     "autocomplete=\"one-time-code\" required maxlength=\"16\" "
			     "autofocus></label>\n");

	return r == 0 ? markup_raw(html, "<button>Log in</button>\n</form>\n") : r;
}

int portal_login_append(const struct unit_status *unit, const struct login_prompt *prompt,
			bool is_fallback, struct buf *ret_html)
{
	int r = page_open_append(unit, "Log in to the VPN", ret_html);

	if (r == 0 && prompt->error)
		r = markup_piece(ret_html, "<p class=\"bad\" role=\"alert\">", prompt->error,
				 "</p>\n");
	if (r == 0)
		r = prompt->state		  ? code_append(prompt, ret_html)
		    : prompt->is_without_password ? certificate_append(prompt, ret_html)
						  : fields_append(prompt, ret_html);
	if (r == 0 && is_fallback)
		r = markup_raw(ret_html, "<p class=\"note\">This connection uses the "
					 "gateway\xe2\x80\x99s temporary self-signed "
					 "certificate.</p>\n");
	return r == 0 ? page_close_append(ret_html) : r;
}

static int fact_append(struct buf *html, const char *name, const char *value)
{
	int r;

	if (!value[0])
		return 0;
	r = markup_piece(html, "<div><dt>", name, "</dt>");
	return r == 0 ? markup_piece(html, "<dd>", value, "</dd></div>") : r;
}

static void span_text(uint64_t seconds, char *ret_text, size_t size)
{
	unsigned long long minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

	if (days > 0)
		(void)snprintf(ret_text, size, "%llu d %llu h", days, hours % 24);
	else if (hours > 0)
		(void)snprintf(ret_text, size, "%llu h %llu min", hours, minutes % 60);
	else if (minutes > 0)
		(void)snprintf(ret_text, size, "%llu min", minutes);
	else
		(void)snprintf(ret_text, size, "less than a minute");
}

static int facts_append(const struct unit_status *unit, const struct portal_session *session,
			struct buf *html)
{
	char age[48], left[48] = "";
	int r = markup_raw(html, "<dl>");

	span_text(session->age_s, age, sizeof(age));
	if (session->left_s > 0)
		span_text(session->left_s, left, sizeof(left));
	if (r == 0)
		r = fact_append(html, "User", session->user);
	if (r == 0)
		r = fact_append(html, "Group", session->group);
	if (r == 0)
		r = fact_append(html, "Address", session->v4);
	if (r == 0)
		r = fact_append(html, "IPv6 address", session->v6);
	if (r == 0)
		r = fact_append(html, "Logged in for", age);
	if (r == 0)
		r = fact_append(html, "Ends in", left);
	if (r == 0)
		r = fact_append(html, "Answered by", unit->unit);
	return r == 0 ? markup_raw(html, "</dl>\n") : r;
}

int portal_session_append(const struct unit_status *unit, const struct portal_session *session,
			  struct buf *ret_html)
{
	int r = page_open_append(unit, "Your VPN session", ret_html);

	if (r == 0)
		r = markup_raw(ret_html, session->is_connected
						 ? "<p class=\"role active\">Connected</p>\n"
						 : "<p class=\"role\">Logged in</p>\n");
	if (r == 0 && session->banner[0])
		r = markup_piece(ret_html, "<p class=\"banner\">", session->banner, "</p>\n");
	if (r == 0)
		r = facts_append(unit, session, ret_html);
	if (r == 0)
		r = markup_raw(
			ret_html,
			"<p class=\"say\">To connect, open this gateway\xe2\x80\x99s address "
			"in AnyConnect, Cisco Secure Client or OpenConnect; the profile adds "
			"it there.</p>\n<div class=\"hands\">\n"
			"<a class=\"button\" href=\"/profiles/asafo.xml\" "
			"download=\"asafo.xml\">Download the profile</a>\n"
			"<form method=\"post\" action=\"/logout\">");
	if (r == 0)
		r = markup_piece(ret_html, "<input type=\"hidden\" name=\"proof\" value=\"",
				 session->proof,
				 "\"><button class=\"plain\">End this session</button></form>\n"
				 "</div>\n");
	return r == 0 ? page_close_append(ret_html) : r;
}

int portal_wait_append(const struct unit_status *unit, struct buf *ret_html)
{
	int r = page_open_append(unit, "Your VPN session", ret_html);

	if (r == 0)
		r = markup_raw(
			ret_html,
			"<meta http-equiv=\"refresh\" content=\"2\">\n"
			"<p class=\"role\">One moment</p>\n<p class=\"say\">This unit is just "
			"taking over. You stay logged in; this page tries again by "
			"itself.</p>\n<div class=\"hands\"><a class=\"button\" "
			"href=\"/?" PORTAL_ANEW "\">Log in anew</a></div>\n");
	return r == 0 ? page_close_append(ret_html) : r;
}

int portal_notice_append(const struct unit_status *unit, const char *text, struct buf *ret_html)
{
	int r = page_open_append(unit, "Log in to the VPN", ret_html);

	if (r == 0)
		r = markup_piece(ret_html, "<p class=\"bad\" role=\"alert\">", text, "</p>\n");
	if (r == 0)
		r = markup_raw(ret_html, "<div class=\"hands\"><a class=\"button\" href=\"/\">"
					 "To the login</a></div>\n");
	return r == 0 ? page_close_append(ret_html) : r;
}
