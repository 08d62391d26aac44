/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A visit is one login under way: first the auth helper is asked, then the engine. It may outlive
 * its connection, since a question to the helper cannot be taken back; it then ends with the
 * answer.
 */
#include "front/desk/desk.h"

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/tls/clientfile.h"
#include "front/http/cookie.h"
#include "front/desk/desk_answer.h"
#include "front/desk/desk_peer.h"
#include "front/desk/portal.h"
#include "front/desk/desk_private.h"
#include "front/http/http_response.h"

/* ---- visits -------------------------------------------------------------------------------------
 */

struct visit *desk_visit_new(struct desk *desk, struct session *session,
			     const struct site_context *context)
{
	struct visit *visit = calloc(1, sizeof(*visit));

	if (!visit)
		return NULL;
	visit->desk = desk;
	visit->session = session;
	visit->context = *context;
	visit->at = &desk->visits;
	visit->next = desk->visits;
	if (visit->next)
		visit->next->at = &visit->next;
	desk->visits = visit;
	desk->n_visits++;
	return visit;
}

void desk_visit_free(struct visit *visit)
{
	*visit->at = visit->next;
	if (visit->next)
		visit->next->at = visit->at;
	visit->desk->n_visits--;
	if (visit->session)
		session_place(visit->session)->asked = NULL;
	vpn_call_cancel(visit->call);
	ending_forget(visit->ending);
	explicit_bzero(visit, sizeof(*visit));
	free(visit);
}

/* R: whether there are BYTES. The visit is over. */
void desk_visit_answer(struct visit *visit, int r, struct buf *bytes)
{
	struct session *session = visit->session;

	desk_visit_free(visit);
	/* Without an answer the connection's deadline says 503. */
	if (r == 0 && session)
		session_answer(session, bytes);
	buf_wipe(bytes);
}

void desk_visit_refuse(struct visit *visit, const char *why)
{
	struct buf bytes = {0};
	int r;

	visit->context.now = time(NULL);
	r = desk_answer_refusal(&visit->context, visit->speaker, 503, why, &bytes);
	desk_visit_answer(visit, r, &bytes);
}

/* STATE: for the second factor's code; NULL: for the password. */
static void visit_prompt_for(struct visit *visit, const char *error, const char *state)
{
	struct desk_prompt prompt = {visit->picked, visit->user, error, state, visit->is_by_url};
	struct buf bytes = {0};
	int r;

	visit->context.now = time(NULL);
	r = desk_answer_prompt(&visit->context, visit->speaker, vpn_config(visit->desk->vpn),
			       &prompt, false, &bytes);
	desk_visit_answer(visit, r, &bytes);
}

static void visit_prompt(struct visit *visit, const char *error)
{
	visit_prompt_for(visit, error, NULL);
}

void desk_forget(struct session *session)
{
	struct visit *visit = session_place(session)->asked;

	session_place(session)->asked = NULL;
	if (!visit)
		return;
	visit->session = NULL;
	/* The engine's answer is cancelled by the end of the visit; the helper's ends it. */
	if (visit->call || visit->ending)
		desk_visit_free(visit);
}

/* ---- the engine's answer ------------------------------------------------------------------------
 */

static void visit_note(const struct visit *visit, int priority, const char *what)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "login of %s, group %s: %s", visit->user, visit->group,
		       what);
	visit->desk->on_note(priority, text, visit->desk->userdata);
}

/* Nobody vouches for who asks: what he typed for his name may be a password, and he may ask as
 * often as he likes. */
static void undecided_note(const struct visit *visit, const char *what)
{
	struct desk *desk = visit->desk;
	char text[256], more[PACE_TEXT_MAX];

	if (!pace_take(&desk->undecided, monotime_now(), more))
		return;
	(void)snprintf(text, sizeof(text), "a login could not be checked: %.160s%s", what, more);
	desk->on_note(LOG_WARNING, text, desk->userdata);
}

static void visit_succeed(struct visit *visit, const struct vpn_entry *entry)
{
	const struct vpn_policy *policy =
		vpn_policy_find(vpn_config(visit->desk->vpn), entry->session.policy);
	struct desk_success success = {
		.cookie = visit->cookie,
		.certificate_sha1 = visit->certificate_sha1,
		.profile_sha1 = visit->profile_sha1,
		.banner = policy ? policy->banner : "",
		.id = entry->session.id,
	};
	struct buf bytes = {0};
	int r;

	visit_note(visit, LOG_INFO, "logged in");
	visit->context.now = time(NULL);
	r = desk_answer_success(&visit->context, visit->speaker, &success, &bytes);
	desk_visit_answer(visit, r, &bytes);
}

static void on_session(int code, const char *why, struct vpn_entry *entry, void *userdata)
{
	struct visit *visit = userdata;

	visit->call = NULL;
	if (entry) {
		visit_succeed(visit, entry);
		return;
	}
	visit_note(visit, LOG_WARNING, why && why[0] ? why : err_text(code));
	if (code == ERR_TOO_LARGE)
		visit_prompt(visit, "The gateway has no address left for another session. Try "
				    "again later.");
	else if (code == ERR_NOT_ACTIVE)
		desk_visit_refuse(visit, WHY_STANDBY);
	else
		desk_visit_refuse(visit, WHY_LATER);
}

static void visit_session(struct visit *visit, const char *policy)
{
	int r;

	(void)snprintf(visit->policy, sizeof(visit->policy), "%s", policy);
	visit->login.user = visit->user;
	visit->login.group = visit->group;
	visit->login.policy = visit->policy;
	r = vpn_login(visit->desk->vpn, &visit->login, on_session, visit, &visit->call);
	if (r == 0)
		return;
	visit_note(visit, LOG_WARNING, err_text(r));
	desk_visit_refuse(visit, WHY_LATER);
}

/* ---- the auth helper's answer -------------------------------------------------------------------
 */

static void visit_locked(struct visit *visit, uint32_t wait_ms)
{
	char text[128];
	unsigned minutes = (wait_ms + 59999) / 60000;

	(void)snprintf(text, sizeof(text), "Too many wrong passwords. Try again in %u minute%s.",
		       minutes, minutes == 1 ? "" : "s");
	visit_prompt(visit, text);
}

/* Whose login it was, and for which group, the helper says; of one that goes on it came sealed, and
 * of another it is what was asked. */
static bool visit_take_login(struct visit *visit, const Asafo__Ipc__AuthCheckReply *reply)
{
	if (visit->is_by_certificate && reply->verdict != AUTH_VERDICT_YES &&
	    reply->verdict != AUTH_VERDICT_MORE)
		return true;
	if (!visit->is_going_on && !visit->is_by_certificate)
		return reply->verdict != AUTH_VERDICT_YES ||
		       (strcmp(reply->user, visit->user) == 0 &&
			strcmp(reply->group, visit->group) == 0);
	return vpn_name_from(reply->user, visit->user, sizeof(visit->user)) == 0 &&
	       vpn_name_from(reply->group, visit->group, sizeof(visit->group)) == 0;
}

/* A program has no form to fill in that could help; a person sees what is wrong and the form. */
static void visit_certificate(struct visit *visit, const char *why)
{
	char text[WHY_TEXT_MAX + 64];
	struct buf bytes = {0};
	int r;

	(void)snprintf(text, sizeof(text), "Your certificate is not taken: it %.200s.", why);
	if (visit->speaker == SPEAKER_PERSON) {
		visit_prompt(visit, text);
		return;
	}
	visit->context.now = time(NULL);
	r = desk_answer_refusal(&visit->context, visit->speaker, 403, text, &bytes);
	desk_visit_answer(visit, r, &bytes);
}

static void on_verdict(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__AuthCheckReply *reply = (const Asafo__Ipc__AuthCheckReply *)body;
	struct visit *visit = userdata;

	(void)has_more;
	if (!visit->session) {
		desk_visit_free(visit);
		return;
	}
	if (code == 0 && reply && reply->status)
		code = reply->status->code;
	if (code < 0 || !reply) {
		undecided_note(visit, reply && reply->status && reply->status->why[0]
					      ? reply->status->why
					      : err_text(code));
		desk_visit_refuse(visit, WHY_LATER);
	} else if (!visit_take_login(visit, reply)) {
		desk_visit_refuse(visit, WHY_LATER);
	} else if (reply->verdict == AUTH_VERDICT_YES) {
		loginproof_from(reply->proof, &visit->login.proof);
		visit_session(visit, reply->policy);
	} else if (reply->verdict == AUTH_VERDICT_MORE) {
		visit_prompt_for(visit, reply->is_again ? "The code is wrong, or was used." : NULL,
				 reply->state);
	} else if (reply->verdict == AUTH_VERDICT_CERTIFICATE) {
		visit_certificate(visit, reply->why);
	} else if (reply->verdict == AUTH_VERDICT_LOCKED) {
		visit_locked(visit, reply->wait_ms);
	} else {
		visit_prompt(visit, reply->is_late ? "The login took too long. Begin again."
				    : reply->is_again
					    ? "Login failed: wrong codes. Begin again."
					    : "Login failed: wrong username or password.");
	}
}

static int check_send(struct desk *desk, struct visit *visit, const struct desk_said *said,
		      struct desk_certificate *certificate)
{
	static char method[] = "LOCAL";
	Asafo__Ipc__AuthCheck message = ASAFO__IPC__AUTH_CHECK__INIT;
	const char *secret = visit->is_going_on ? said->code : said->password;
	int r;

	message.user = visit->user;
	message.group = visit->group;
	message.state = (char *)(uintptr_t)(visit->is_going_on ? said->state : "");
	message.password.data = (uint8_t *)(uintptr_t)secret;
	message.password.len = strlen(secret);
	message.method = method;
	message.client.data = visit->login.client.bytes;
	message.client.len = visit->login.client.size;
	/* What is no good here is not the helper's to parse. */
	message.certificates = certificate->chain;
	message.n_certificates = certificate->code == 0 ? certificate->n : 0;
	if (!desk->auth)
		return ERR_CLOSED;
	/* The helper's yes is for the session under this cookie, and for no other. */
	r = cookie_new(visit->cookie, visit->login.hash);
	if (r < 0)
		return r;
	message.cookie_hash = (ProtobufCBinaryData){VPN_HASH_SIZE, visit->login.hash};
	return ipc_channel_call(desk->auth, IPC_AUTH_CHECK, &message.base, NULL, 0, on_verdict,
				visit);
}

/* ---- requests -----------------------------------------------------------------------------------
 */

/* Asks the helper. GROUP NULL: the helper says. */
static int login_ask(struct desk *desk, struct session *session, const struct site_context *context,
		     const struct http_head *head, const struct desk_said *said,
		     const struct vpn_group *group, struct buf *ret_bytes)
{
	struct desk_certificate certificate;
	struct visit *visit;

	if (desk->n_visits >= DESK_VISITS_MAX)
		return desk_answer_refusal(context, said->speaker, 503, WHY_LATER, ret_bytes);
	visit = desk_visit_new(desk, session, context);
	if (!visit)
		return -ENOMEM;
	visit->speaker = said->speaker;
	visit->is_going_on = !group;
	visit->is_by_certificate = group && group->is_without_password;
	memcpy(visit->picked, said->group, sizeof(visit->picked));
	visit->is_by_url = said->is_by_url;
	desk_certificate_read(session, desk->vpn, group, &certificate);
	if (group) {
		if (!group->is_without_password)
			memcpy(visit->user, said->user, sizeof(visit->user));
		memcpy(visit->group, group->name, sizeof(visit->group));
	}
	desk_peer_address(session, &visit->login.client);
	desk_peer_certificate(session, visit->certificate_sha1);
	if (clientfile_profile_sha1(head, context->unit->hostname, visit->profile_sha1) < 0)
		visit->profile_sha1[0] = '\0';
	if (check_send(desk, visit, said, &certificate) < 0) {
		desk_visit_free(visit);
		return desk_answer_refusal(context, said->speaker, 503, WHY_LATER, ret_bytes);
	}
	session_place(session)->asked = visit;
	return -EINPROGRESS;
}

/* What a group wants a certificate for cannot be had without a good one, and no password is asked
 * for before. True: it was answered. */
static bool certificate_refuse(const struct desk_certificate *certificate,
			       const struct site_context *context, const struct desk *desk,
			       const struct desk_said *said, struct buf *ret_bytes, int *ret_code)
{
	struct desk_prompt prompt = {said->group, said->user, NULL, NULL, said->is_by_url};
	char text[WHY_TEXT_MAX + 64];

	if (certificate->code == 0)
		return false;
	desk_certificate_say(certificate, text, sizeof(text));
	prompt.error = text;
	if (said->speaker == SPEAKER_PERSON)
		*ret_code = desk_answer_prompt(context, said->speaker, vpn_config(desk->vpn),
					       &prompt, false, ret_bytes);
	else if (certificate->n == 0 && said->speaker == SPEAKER_AGGREGATE &&
		 !said->has_no_certificate && !said->is_reply)
		*ret_code = desk_answer_certificate(context, ret_bytes);
	else
		*ret_code = desk_answer_refusal(context, said->speaker, 403, text, ret_bytes);
	return true;
}

static int login_begin(struct desk *desk, struct session *session,
		       const struct site_context *context, const struct http_head *head,
		       const struct desk_said *said, struct buf *ret_bytes)
{
	const struct vpn_config *config = vpn_config(desk->vpn);
	struct desk_prompt prompt = {said->group, said->user, NULL, NULL, said->is_by_url};
	const struct vpn_group *group = desk_group_of(config, said->group);
	struct desk_certificate certificate;
	int r = 0;

	if (group && group->is_by_certificate) {
		desk_certificate_read(session, desk->vpn, group, &certificate);
		if (certificate_refuse(&certificate, context, desk, said, ret_bytes, &r))
			return r;
	}
	if (group && (said->user[0] || group->is_without_password))
		return login_ask(desk, session, context, head, said, group, ret_bytes);
	prompt.error = group ? "Please enter your username." : "There is no such group.";
	return desk_answer_prompt(context, said->speaker, config, &prompt, false, ret_bytes);
}

/* The form; where a certificate is all that is wanted, and nothing is to be picked, none. */
static int form_begin(struct desk *desk, struct session *session,
		      const struct site_context *context, const struct http_head *head,
		      const struct desk_said *said, struct buf *ret_bytes)
{
	const struct vpn_config *config = vpn_config(desk->vpn);
	const struct vpn_group *group = desk_group_of(config, said->group);
	struct desk_prompt prompt = {said->group, "", NULL, NULL, said->is_by_url};
	bool is_settled = said->group[0] || config->n_groups == 1;
	struct desk_certificate certificate = {.n = 0};
	int r = 0;

	if (!group || !group->is_by_certificate)
		return desk_answer_prompt(context, said->speaker, config, &prompt, false,
					  ret_bytes);
	/* A reply in which nothing had to be filled in. */
	if (said->is_reply && group->is_without_password)
		return login_begin(desk, session, context, head, said, ret_bytes);
	desk_certificate_read(session, desk->vpn, group, &certificate);
	/* Another group may do without; where none was picked, it is only asked for. */
	if (said->speaker != SPEAKER_PERSON &&
	    (is_settled || (certificate.n == 0 && !said->has_no_certificate)) &&
	    certificate_refuse(&certificate, context, desk, said, ret_bytes, &r))
		return r;
	if (said->speaker == SPEAKER_AGGREGATE && is_settled && group->is_without_password)
		return login_begin(desk, session, context, head, said, ret_bytes);
	prompt.user = certificate.user;
	return desk_answer_prompt(context, said->speaker, config, &prompt, false, ret_bytes);
}

static int said_answer(struct desk *desk, struct session *session,
		       const struct site_context *context, const struct http_head *head,
		       const struct desk_said *said, struct buf *ret_bytes)
{
	/* Whoever speaks: a form's body may be XML, too, and a program is believed. */
	if (!desk_is_own_page(head))
		return desk_answer_refusal(context, said->speaker, 403, WHY_STRANGER, ret_bytes);
	if (!context->unit->is_active)
		return desk_answer_refusal(context, said->speaker, 503, WHY_STANDBY, ret_bytes);
	if (said->wish == WISH_LOGOUT)
		return desk_logout(desk, session, context, head, said, ret_bytes);
	if (said->wish == WISH_LOGIN)
		return login_begin(desk, session, context, head, said, ret_bytes);
	if (said->wish == WISH_CODE)
		return login_ask(desk, session, context, head, said, NULL, ret_bytes);
	return form_begin(desk, session, context, head, said, ret_bytes);
}

/* Which groups there are is not a standby's to tell: there whatever may be one's name is. */
static bool takes_forms(const struct desk *desk, const struct http_head *head, bool is_active)
{
	return http_text_is(head->path, "/logout") ||
	       desk_is_login_path(head->path, vpn_config(desk->vpn)) ||
	       (!is_active && desk_may_be_group(head->path));
}

size_t desk_body_max(const struct desk *desk, const struct http_head *head,
		     const struct unit_status *unit)
{
	if (!vpn_config(desk->vpn)->is_enabled)
		return 0;
	/* A client's, which has no body and is to be asked all the same. */
	if (head->method == HTTP_METHOD_GET)
		return http_text_is(head->path, "/logout") && desk_is_client(head) ? 1 : 0;
	return head->method == HTTP_METHOD_POST && takes_forms(desk, head, unit->is_active)
		       ? DESK_BODY_MAX
		       : 0;
}

int desk_ask(struct desk *desk, struct session *session, const struct site_context *context,
	     const struct http_head *head, const struct buf *body, struct buf *ret_bytes)
{
	struct desk_said said;
	int r = desk_read(head, body, vpn_config(desk->vpn), &said);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return site_refuse(context, 400, ret_bytes);
	r = said_answer(desk, session, context, head, &said, ret_bytes);
	desk_said_wipe(&said);
	return r;
}

/* ---- without a body -----------------------------------------------------------------------------
 */

static int login_page(struct desk *desk, const struct session *session,
		      const struct site_context *context, const struct http_head *head,
		      struct buf *ret_bytes)
{
	const struct vpn_config *config = vpn_config(desk->vpn);
	const struct vpn_group *group = desk_group_of_path(head->path, config);
	struct desk_prompt prompt = {group ? group->name : "", "", NULL, NULL, group != NULL};
	bool is_head = head->method == HTTP_METHOD_HEAD, has_cookie = false;
	const struct vpn_group *wanted = desk_group_of(config, prompt.group);
	struct desk_certificate certificate = {.n = 0};
	uint8_t hash[COOKIE_HASH_SIZE];
	const struct vpn_entry *entry;

	if (wanted && wanted->is_by_certificate)
		desk_certificate_read(session, desk->vpn, wanted, &certificate);
	prompt.user = certificate.user;
	if (desk_is_client(head))
		return desk_answer_prompt(context, SPEAKER_LEGACY, config, &prompt, is_head,
					  ret_bytes);
	entry = desk_session_of(desk, head, "", hash, &has_cookie);
	/* Who cannot wait, or whose cookie is an old one, logs in all the same. */
	if (entry ||
	    (has_cookie && !vpn_is_complete(desk->vpn) && !http_text_is(head->query, PORTAL_ANEW)))
		return desk_answer_session(context, desk->vpn, entry, is_head, ret_bytes);
	if (!http_text_is(head->path, "/") && !group)
		return desk_answer_redirect(context, ret_bytes);
	return desk_answer_prompt(context, SPEAKER_PERSON, config, &prompt, is_head, ret_bytes);
}

int desk_get(struct desk *desk, const struct session *session, const struct site_context *context,
	     const struct http_head *head, struct buf *ret_bytes)
{
	int r;

	if (!vpn_config(desk->vpn)->is_enabled)
		return ERR_NOT_FOUND;
	if (head->method != HTTP_METHOD_GET && head->method != HTTP_METHOD_HEAD)
		return context->unit->is_active && takes_forms(desk, head, true)
			       ? site_error(context, head, 405, "GET, HEAD, POST", ret_bytes)
			       : ERR_NOT_FOUND;
	r = desk_answer_file(context, head, ret_bytes);
	if (r != ERR_NOT_FOUND || !context->unit->is_active)
		return r;
	/* A link, on whatever page it is, ends nothing. */
	if (http_text_is(head->path, "/logout"))
		return desk_answer_redirect(context, ret_bytes);
	return desk_is_login_path(head->path, vpn_config(desk->vpn))
		       ? login_page(desk, session, context, head, ret_bytes)
		       : ERR_NOT_FOUND;
}

/* ---- life ---------------------------------------------------------------------------------------
 */

static void on_auth_request(struct ipc_channel *channel, struct ipc_frame *frame,
			    const ProtobufCMessage *body, void *userdata)
{
	(void)channel;
	(void)frame;
	(void)body;
	(void)userdata;
}

static void on_auth_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct desk *desk = userdata;

	(void)code;
	desk->on_note(LOG_WARNING, "the auth helper is gone: nobody can log in until it is back",
		      desk->userdata);
	if (desk->auth == channel)
		desk->auth = NULL;
	ipc_channel_free(channel);
}

int desk_auth_set(struct desk *desk, int fd)
{
	static const bool permitted[IPC_TYPE__MAX] = {false};
	static const struct ipc_channel_ops ops = {permitted, on_auth_request, on_auth_closed};

	ipc_channel_free(TAKE_PTR(desk->auth));
	return ipc_channel_new(desk->event, fd, &ops, desk, &desk->auth);
}

int desk_new(sd_event *event, struct vpn *vpn, desk_note_fn on_note, void *userdata,
	     struct desk **ret_desk)
{
	struct desk *desk = calloc(1, sizeof(*desk));

	if (!desk)
		return -ENOMEM;
	desk->event = event;
	desk->vpn = vpn;
	desk->on_note = on_note;
	desk->userdata = userdata;
	*ret_desk = desk;
	return 0;
}

void desk_free(struct desk *desk)
{
	if (!desk)
		return;
	/* Ends the visits that wait for it. */
	ipc_channel_free(TAKE_PTR(desk->auth));
	while (desk->visits)
		desk_visit_free(desk->visits);
	free(desk);
}
