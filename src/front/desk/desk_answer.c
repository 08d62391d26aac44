/* SPDX-License-Identifier: Apache-2.0 */
#include "front/desk/desk_answer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/tls/clientfile.h"
#include "front/http/cookie.h"
#include "front/http/http_response.h"
#include "front/desk/portal.h"

#define XML "text/xml; charset=utf-8"
#define HTML "text/html; charset=utf-8"

struct answer {
	unsigned status;
	const char *content_type;
	struct buf body, extra;
	bool is_head;
};

static void answer_done(struct answer *answer)
{
	buf_wipe(&answer->body);
	buf_wipe(&answer->extra);
}

/* R: how the making went. */
static int answer_send(const struct site_context *context, struct answer *answer, int r,
		       struct buf *ret_bytes)
{
	struct http_response response = {
		.status = answer->status,
		.content_type = answer->content_type,
		.policy = context->policy,
		.has_no_body = answer->is_head,
		.is_last = context->is_last,
	};

	if (r == 0) {
		response.extra = answer->extra.size ? buf_text(&answer->extra) : NULL;
		response.body_view = answer->body.data;
		response.body_size = answer->body.size;
		r = answer->extra.size && !response.extra
			    ? -ENOMEM
			    : http_response_append(&response, context->now, ret_bytes);
	}
	answer_done(answer);
	return r;
}

/* What a person picks from: the aliases, or nothing where there is no choice. */
static int groups_list(const struct vpn_config *config, const char **ret_names, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < config->n_groups; i++) {
		for (size_t j = 0; j < config->groups[i].n_aliases && n < size; j++)
			ret_names[n++] = config->groups[i].aliases[j];
	}
	return (int)n;
}

const struct vpn_group *desk_group_of(const struct vpn_config *config, const char *picked)
{
	if (picked[0])
		return vpn_group_find(config, picked);
	return config->n_groups ? &config->groups[0] : NULL;
}

/* Picked by any of its names: shown by the alias that is in the list. */
static const char *alias_of(const struct vpn_config *config, const char *picked)
{
	const struct vpn_group *group = desk_group_of(config, picked);

	if (!group || group->n_aliases == 0)
		return "";
	for (size_t i = 0; i < group->n_aliases; i++) {
		if (strcasecmp(group->aliases[i], picked) == 0)
			return group->aliases[i];
	}
	return group->aliases[0];
}

int desk_answer_prompt(const struct site_context *context, enum speaker speaker,
		       const struct vpn_config *config, const struct desk_prompt *prompt,
		       bool is_head, struct buf *ret_bytes)
{
	const char *names[LOGIN_GROUPS_MAX];
	struct login_prompt login = {
		.groups = names,
		.n_groups = (size_t)groups_list(config, names, ARRAY_SIZE(names)),
		.group = alias_of(config, prompt->group),
		.user = prompt->user,
		.error = prompt->error,
		.state = prompt->state,
	};
	struct answer answer = {.status = 200, .is_head = is_head};
	const struct vpn_group *group = desk_group_of(config, prompt->group);
	char action[VPN_NAME_MAX + 1] = "/auth";
	int r;

	/* The list of aliases says the others. */
	if (prompt->group[0] && group && group->n_aliases == 0)
		(void)snprintf(action, sizeof(action), "/%s", group->name);
	login.action = action;
	/* As an ASA: OpenConnect asks about a list of several, and one that may not ask fails. */
	if (prompt->is_by_url && speaker != SPEAKER_PERSON) {
		names[0] = login.group;
		login.n_groups = login.group[0] ? 1 : 0;
	}
	login.is_without_password = group && group->is_without_password;
	answer.content_type = speaker == SPEAKER_PERSON ? HTML : XML;
	if (speaker == SPEAKER_PERSON)
		r = portal_login_append(context->unit, &login, context->is_fallback, &answer.body);
	else
		r = configauth_form_append(&login, speaker == SPEAKER_LEGACY, &answer.body);
	return answer_send(context, &answer, r, ret_bytes);
}

int desk_answer_certificate(const struct site_context *context, struct buf *ret_bytes)
{
	struct answer answer = {.status = 200, .content_type = XML};
	int r = configauth_certificate_append(&answer.body);

	return answer_send(context, &answer, r, ret_bytes);
}

/* AnyConnect's own cookies: where the files are, and what certificate and profile it has to see. */
static int client_cookies_append(const struct desk_success *success, struct buf *extra)
{
	int r = buf_append_format(extra,
				  "Set-Cookie: webvpncontext=00@asafo; path=/; Secure; HttpOnly\r\n"
				  "Set-Cookie: " COOKIE_NAME "=%s; path=/; Secure; HttpOnly\r\n"
				  "Set-Cookie: webvpnc=bu:/&p:t&iu:1/",
				  success->cookie);

	if (r == 0 && success->certificate_sha1[0])
		r = buf_append_format(extra, "&sh:%s", success->certificate_sha1);
	if (r == 0 && success->profile_sha1[0])
		r = buf_append_format(extra,
				      "&lu:/+CSCOT+/translation-table?textdomain%%3DAnyConnect"
				      "%%26type%%3Dmanifest&fu:profiles%%2Fasafo.xml&fh:%s",
				      success->profile_sha1);
	return r == 0 ? buf_append_format(extra, "; path=/; Secure\r\n") : r;
}

int desk_answer_success(const struct site_context *context, enum speaker speaker,
			const struct desk_success *success, struct buf *ret_bytes)
{
	struct login_success login = {.cookie = success->cookie,
				      .session_id = success->id,
				      .certificate_sha1 = success->certificate_sha1,
				      .banner = success->banner};
	struct answer answer = {.status = 200, .content_type = XML};
	int r;

	if (speaker == SPEAKER_PERSON) {
		/* Lax: a link from a mail to the portal shows one's session. What changes anything
		 * is a POST of our own pages. */
		answer.status = 303;
		answer.content_type = HTML;
		r = buf_append_format(&answer.extra,
				      "Location: /\r\nSet-Cookie: " COOKIE_NAME
				      "=%s; path=/; Secure; HttpOnly; SameSite=Lax\r\n",
				      success->cookie);
	} else {
		r = client_cookies_append(success, &answer.extra);
		if (r == 0)
			r = configauth_success_append(&login, speaker == SPEAKER_LEGACY,
						      &answer.body);
	}
	return answer_send(context, &answer, r, ret_bytes);
}

int desk_answer_bye(const struct site_context *context, enum speaker speaker, struct buf *ret_bytes)
{
	static const char gone[] =
		"Set-Cookie: " COOKIE_NAME "=; path=/; Max-Age=0; Secure; HttpOnly\r\n"
		"Set-Cookie: webvpncontext=; path=/; Max-Age=0; Secure; HttpOnly\r\n"
		"Set-Cookie: webvpnc=; path=/; Max-Age=0; Secure\r\n";
	struct answer answer = {.status = 200, .content_type = XML};
	int r = buf_append(&answer.extra, gone, sizeof(gone) - 1);

	if (r == 0 && speaker == SPEAKER_PERSON) {
		answer.status = 303;
		answer.content_type = HTML;
		r = buf_append_format(&answer.extra, "Location: /\r\n");
	} else if (r == 0) {
		r = configauth_bye_append(&answer.body);
	}
	return answer_send(context, &answer, r, ret_bytes);
}

int desk_answer_refusal(const struct site_context *context, enum speaker speaker, unsigned status,
			const char *why, struct buf *ret_bytes)
{
	struct answer answer = {.status = status, .content_type = XML};
	int r = buf_append_format(&answer.extra, "X-Reason: %s\r\n", why);

	if (r == 0 && status == 503)
		r = buf_append_format(&answer.extra, "Retry-After: 2\r\n");
	if (speaker == SPEAKER_PERSON) {
		answer.content_type = HTML;
		if (r == 0)
			r = portal_notice_append(context->unit, why, &answer.body);
	} else if (r == 0) {
		r = configauth_refusal_append(why, &answer.body);
	}
	return answer_send(context, &answer, r, ret_bytes);
}

static void address_text(const struct vpn_address *address, char *ret_text, size_t size)
{
	ret_text[0] = '\0';
	if (address->size > 0)
		(void)inet_ntop(address->size == 16 ? AF_INET6 : AF_INET, address->bytes, ret_text,
				(socklen_t)size);
}

static int session_page(const struct site_context *context, const struct vpn *vpn,
			const struct vpn_session *session, struct buf *html)
{
	const struct vpn_policy *policy = vpn_policy_find(vpn_config(vpn), session->policy);
	struct monotime now = monotime_now();
	char v4[INET6_ADDRSTRLEN], v6[INET6_ADDRSTRLEN], proof[COOKIE_TEXT_MAX];
	struct portal_session page = {
		.user = session->user,
		.group = session->group,
		.v4 = v4,
		.v6 = v6,
		.age_s = monotime_since(now, session->created_at) / MONOTIME_NS_PER_SEC,
		.is_connected = session->is_connected,
		.banner = policy ? policy->banner : "",
		.proof = proof,
	};
	int r = cookie_proof(session->hash, proof);

	if (r < 0)
		return r;
	address_text(&session->v4, v4, sizeof(v4));
	address_text(&session->v6, v6, sizeof(v6));
	if (session->ends_at.ns != MONOTIME_NEVER.ns)
		page.left_s = monotime_since(session->ends_at, now) / MONOTIME_NS_PER_SEC;
	return portal_session_append(context->unit, &page, html);
}

int desk_answer_session(const struct site_context *context, const struct vpn *vpn,
			const struct vpn_entry *entry, bool is_head, struct buf *ret_bytes)
{
	struct answer answer = {.status = 200, .content_type = HTML, .is_head = is_head};
	int r;

	if (entry) {
		r = session_page(context, vpn, &entry->session, &answer.body);
	} else {
		answer.status = 503;
		r = portal_wait_append(context->unit, &answer.body);
	}
	return answer_send(context, &answer, r, ret_bytes);
}

int desk_answer_redirect(const struct site_context *context, struct buf *ret_bytes)
{
	struct answer answer = {.status = 303, .content_type = HTML};
	int r = buf_append_format(&answer.extra, "Location: /\r\n");

	return answer_send(context, &answer, r, ret_bytes);
}

int desk_answer_file(const struct site_context *context, const struct http_head *head,
		     struct buf *ret_bytes)
{
	struct clientfile file = {.content_type = ""};
	int r = clientfile_get(head, context->unit->hostname, &file);
	struct http_response response = {
		.status = 200,
		.content_type = file.content_type,
		.policy = context->policy,
		.extra = file.extra,
		.body_view = file.body.data,
		.body_size = file.body.size,
		.has_no_body = head->method == HTTP_METHOD_HEAD,
		.is_last = context->is_last,
	};

	if (r == ERR_MALFORMED)
		return site_error(context, head, 400, NULL, ret_bytes);
	if (r == 0)
		r = http_response_append(&response, context->now, ret_bytes);
	buf_done(&file.body);
	return r;
}
