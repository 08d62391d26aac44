/* SPDX-License-Identifier: Apache-2.0 */
/* What the client is told. The words that clients match on are those of the draft. */
#include <string.h>

#include "front/desk/configauth.h"
#include "front/http/markup.h"

#define PROLOGUE "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define OPEN(type)                                                                                 \
	"<config-auth client=\"vpn\" type=\"" type "\" aggregate-auth-version=\"2\">\n"            \
	"<version who=\"sg\">0.1(1)</version>\n"
#define CLOSE "</config-auth>\n"

static int groups_append(const struct login_prompt *prompt, struct buf *xml)
{
	int r;

	if (prompt->n_groups == 0)
		return 0;
	r = markup_raw(xml, "<select name=\"group_list\" label=\"Group:\">\n");
	for (size_t i = 0; i < prompt->n_groups && r == 0; i++) {
		bool is_chosen = strcmp(prompt->groups[i], prompt->group) == 0;

		r = markup_piece(xml, "<option value=\"", prompt->groups[i],
				 is_chosen ? "\" selected=\"true\">" : "\">");
		if (r == 0)
			r = markup_piece(xml, "", prompt->groups[i], "</option>\n");
	}
	return r == 0 ? markup_raw(xml, "</select>\n") : r;
}

/* A form of before has to say something, or nothing is sent of it. */
static int certificate_append(const struct login_prompt *prompt, bool is_legacy, struct buf *xml)
{
	int r = is_legacy ? markup_raw(xml, "<input type=\"hidden\" name=\"certificate\" "
					    "value=\"1\"></input>\n")
			  : 0;

	return r == 0 ? groups_append(prompt, xml) : r;
}

static int password_append(const struct login_prompt *prompt, struct buf *xml)
{
	int r = markup_piece(xml,
			     "<input type=\"text\" name=\"username\" label=\"Username:\" value=\"",
			     prompt->user, "\"></input>\n");

	if (r == 0)
		r = markup_raw(xml, "<input type=\"password\" name=\"password\" "
				    "label=\"Password:\"></input>\n");
	return r == 0 ? groups_append(prompt, xml) : r;
}

/* The name by which clients know that it is for a token's code. A form of before has no place for
 * what comes back but a hidden field. */
static int code_append(const struct login_prompt *prompt, bool is_legacy, struct buf *xml)
{
	int r = is_legacy ? markup_piece(xml, "<input type=\"hidden\" name=\"state\" value=\"",
					 prompt->state, "\"></input>\n")
			  : 0;

	return r == 0 ? markup_raw(xml, "<input type=\"password\" name=\"secondary_password\" "
					"label=\"Code:\"></input>\n")
		      : r;
}

static int auth_append(const struct login_prompt *prompt, bool is_legacy, struct buf *xml)
{
	const char *say = prompt->state ? "Please enter the code that your authenticator shows."
			  : prompt->is_without_password
				  ? "Your certificate says who you are."
				  : "Please enter your username and password.";
	int r = markup_piece(xml, "<auth id=\"main\">\n<title>Login</title>\n<message id=\"0\">",
			     say, "</message>\n");

	if (r == 0 && prompt->error)
		r = markup_piece(xml, "<error id=\"13\" param1=\"\" param2=\"\">", prompt->error,
				 "</error>\n");
	if (r == 0)
		r = markup_piece(xml, "<form method=\"post\" action=\"",
				 prompt->action ? prompt->action : "/auth", "\">\n");
	if (r == 0)
		r = prompt->state		  ? code_append(prompt, is_legacy, xml)
		    : prompt->is_without_password ? certificate_append(prompt, is_legacy, xml)
						  : password_append(prompt, xml);
	return r == 0 ? markup_raw(xml, "</form>\n</auth>\n") : r;
}

int configauth_form_append(const struct login_prompt *prompt, bool is_legacy, struct buf *ret_xml)
{
	int r = markup_raw(ret_xml, is_legacy ? PROLOGUE : PROLOGUE OPEN("auth-request"));

	if (r == 0 && prompt->state && !is_legacy)
		r = markup_piece(ret_xml, "<opaque is-for=\"sg\">\n<state>", prompt->state,
				 "</state>\n</opaque>\n");
	if (r == 0)
		r = auth_append(prompt, is_legacy, ret_xml);
	return r == 0 && !is_legacy ? markup_raw(ret_xml, CLOSE) : r;
}

int configauth_certificate_append(struct buf *ret_xml)
{
	return markup_raw(
		ret_xml,
		PROLOGUE OPEN(
			"auth-request") "<client-cert-request></client-cert-request>\n" CLOSE);
}

int configauth_refusal_append(const char *error, struct buf *ret_xml)
{
	return markup_piece(ret_xml,
			    PROLOGUE OPEN("error") "<error id=\"91\" param1=\"\" param2=\"\">",
			    error, "</error>\n" CLOSE);
}

int configauth_success_append(const struct login_success *success, bool is_legacy,
			      struct buf *ret_xml)
{
	int r;

	if (is_legacy)
		return markup_piece(ret_xml,
				    PROLOGUE
				    "<auth id=\"success\">\n<title>SSL VPN Service</title>\n"
				    "<banner>",
				    success->banner, "</banner>\n</auth>\n");
	r = buf_append_format(ret_xml, PROLOGUE OPEN("complete") "<session-id>%llu</session-id>\n",
			      (unsigned long long)success->session_id);
	if (r == 0)
		r = markup_piece(ret_xml, "<session-token>", success->cookie,
				 "</session-token>\n<auth id=\"success\">\n"
				 "<message id=\"0\" param1=\"\" param2=\"\"></message>\n");
	if (r == 0 && success->banner[0])
		r = markup_piece(ret_xml, "<banner>", success->banner, "</banner>\n");
	if (r == 0)
		r = markup_raw(ret_xml, "</auth>\n<capabilities>\n<crypto-supported>ssl-dhe"
					"</crypto-supported>\n</capabilities>\n");
	if (r == 0 && success->certificate_sha1[0])
		r = markup_piece(ret_xml,
				 "<config client=\"vpn\" type=\"private\">\n<vpn-base-config>\n"
				 "<server-cert-hash>",
				 success->certificate_sha1,
				 "</server-cert-hash>\n</vpn-base-config>\n</config>\n");
	return r == 0 ? markup_raw(ret_xml, CLOSE) : r;
}

int configauth_bye_append(struct buf *ret_xml)
{
	return markup_raw(ret_xml, PROLOGUE OPEN("complete") "<auth id=\"logout\"></auth>\n" CLOSE);
}
