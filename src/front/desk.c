/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A visit is one login under way: first the auth helper is asked, then the engine. It may outlive
 * its connection, since a question to the helper cannot be taken back; it then ends with the
 * answer.
 */
#include "front/desk.h"

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/clientfile.h"
#include "front/cookie.h"
#include "front/desk_answer.h"
#include "front/desk_peer.h"
#include "front/http_response.h"

#define WHY_STANDBY "This unit is not the active one"
#define WHY_LATER "The gateway cannot check logins at the moment, try again shortly"
#define WHY_NOT_ENDED "It is not certain yet that the session is over, try again shortly"
#define WHY_STRANGER "This form was sent from another site"

struct visit {
	struct visit *next, **at;
	struct desk *desk;
	struct session *session; /* NULL: nobody waits */
	struct site_context context;
	enum speaker speaker;
	struct vpn_login login; /* texts: below */
	struct vpn_call *call;
	struct ending *ending; /* of a logout */
	char user[LOGIN_USER_MAX], picked[LOGIN_GROUP_MAX], group[VPN_NAME_MAX];
	char policy[VPN_NAME_MAX];
	bool is_going_on; /* the second factor's request: user and group come with the answer */
	char cookie[COOKIE_TEXT_MAX];
	char certificate_sha1[DESK_SHA1_MAX], profile_sha1[DESK_SHA1_MAX];
};

struct desk {
	sd_event *event;
	struct vpn *vpn;
	desk_note_fn on_note;
	void *userdata;
	struct ipc_channel *auth;
	struct visit *visits;
	unsigned n_visits;
};

/* ---- visits -------------------------------------------------------------------------------------
 */

static struct visit *visit_new(struct desk *desk, struct session *session,
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

static void visit_free(struct visit *visit)
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
static void visit_answer(struct visit *visit, int r, struct buf *bytes)
{
	struct session *session = visit->session;

	visit_free(visit);
	/* Without an answer the connection's deadline says 503. */
	if (r == 0 && session)
		session_answer(session, bytes);
	buf_wipe(bytes);
}

static void visit_refuse(struct visit *visit, const char *why)
{
	struct buf bytes = {0};
	int r;

	visit->context.now = time(NULL);
	r = desk_answer_refusal(&visit->context, visit->speaker, 503, why, &bytes);
	visit_answer(visit, r, &bytes);
}

/* STATE: for the second factor's code; NULL: for the password. */
static void visit_prompt_for(struct visit *visit, const char *error, const char *state)
{
	struct desk_prompt prompt = {visit->picked, visit->user, error, state};
	struct buf bytes = {0};
	int r;

	visit->context.now = time(NULL);
	r = desk_answer_prompt(&visit->context, visit->speaker, vpn_config(visit->desk->vpn),
			       &prompt, false, &bytes);
	visit_answer(visit, r, &bytes);
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
		visit_free(visit);
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
	visit_answer(visit, r, &bytes);
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
		visit_refuse(visit, WHY_STANDBY);
	else
		visit_refuse(visit, WHY_LATER);
}

static void visit_session(struct visit *visit, const char *policy)
{
	int r;

	(void)snprintf(visit->policy, sizeof(visit->policy), "%s", policy);
	visit->login.user = visit->user;
	visit->login.group = visit->group;
	visit->login.policy = visit->policy;
	r = cookie_new(visit->cookie, visit->login.hash);
	if (r == 0)
		r = vpn_login(visit->desk->vpn, &visit->login, on_session, visit, &visit->call);
	if (r == 0)
		return;
	visit_note(visit, LOG_WARNING, err_text(r));
	visit_refuse(visit, WHY_LATER);
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
	if (!visit->is_going_on)
		return reply->verdict != AUTH_VERDICT_YES ||
		       (strcmp(reply->user, visit->user) == 0 &&
			strcmp(reply->group, visit->group) == 0);
	return vpn_name_from(reply->user, visit->user, sizeof(visit->user)) == 0 &&
	       vpn_name_from(reply->group, visit->group, sizeof(visit->group)) == 0;
}

static void on_verdict(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__AuthCheckReply *reply = (const Asafo__Ipc__AuthCheckReply *)body;
	struct visit *visit = userdata;

	(void)has_more;
	if (!visit->session) {
		visit_free(visit);
		return;
	}
	if (code == 0 && reply && reply->status)
		code = reply->status->code;
	if (code < 0 || !reply) {
		visit_note(visit, LOG_WARNING,
			   reply && reply->status && reply->status->why[0] ? reply->status->why
									   : err_text(code));
		visit_refuse(visit, WHY_LATER);
	} else if (!visit_take_login(visit, reply)) {
		visit_refuse(visit, WHY_LATER);
	} else if (reply->verdict == AUTH_VERDICT_YES) {
		visit_session(visit, reply->policy);
	} else if (reply->verdict == AUTH_VERDICT_MORE) {
		visit_prompt_for(visit, reply->is_again ? "The code is wrong, or was used." : NULL,
				 reply->state);
	} else if (reply->verdict == AUTH_VERDICT_LOCKED) {
		visit_locked(visit, reply->wait_ms);
	} else {
		visit_prompt(visit, reply->is_late ? "The login took too long. Begin again."
				    : reply->is_again
					    ? "Login failed: wrong codes. Begin again."
					    : "Login failed: wrong username or password.");
	}
}

static int check_send(struct desk *desk, struct visit *visit, const struct desk_said *said)
{
	static char method[] = "LOCAL";
	Asafo__Ipc__AuthCheck message = ASAFO__IPC__AUTH_CHECK__INIT;

	const char *secret = visit->is_going_on ? said->code : said->password;

	message.user = visit->user;
	message.group = visit->group;
	message.state = (char *)(uintptr_t)(visit->is_going_on ? said->state : "");
	message.password.data = (uint8_t *)(uintptr_t)secret;
	message.password.len = strlen(secret);
	message.method = method;
	message.client.data = visit->login.client.bytes;
	message.client.len = visit->login.client.size;
	if (!desk->auth)
		return ERR_CLOSED;
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
	struct visit *visit;

	if (desk->n_visits >= DESK_VISITS_MAX)
		return desk_answer_refusal(context, said->speaker, 503, WHY_LATER, ret_bytes);
	visit = visit_new(desk, session, context);
	if (!visit)
		return -ENOMEM;
	visit->speaker = said->speaker;
	visit->is_going_on = !group;
	memcpy(visit->picked, said->group, sizeof(visit->picked));
	if (group) {
		memcpy(visit->user, said->user, sizeof(visit->user));
		memcpy(visit->group, group->name, sizeof(visit->group));
	}
	desk_peer_address(session, &visit->login.client);
	desk_peer_certificate(session, visit->certificate_sha1);
	if (clientfile_profile_sha1(head, context->unit->hostname, visit->profile_sha1) < 0)
		visit->profile_sha1[0] = '\0';
	if (check_send(desk, visit, said) < 0) {
		visit_free(visit);
		return desk_answer_refusal(context, said->speaker, 503, WHY_LATER, ret_bytes);
	}
	session_place(session)->asked = visit;
	return -EINPROGRESS;
}

static int login_begin(struct desk *desk, struct session *session,
		       const struct site_context *context, const struct http_head *head,
		       const struct desk_said *said, struct buf *ret_bytes)
{
	const struct vpn_config *config = vpn_config(desk->vpn);
	struct desk_prompt prompt = {said->group, said->user, NULL, NULL};
	const struct vpn_group *group = said->group[0]	   ? vpn_group_find(config, said->group)
					: config->n_groups ? &config->groups[0]
							   : NULL;

	if (group && said->user[0])
		return login_ask(desk, session, context, head, said, group, ret_bytes);
	prompt.error = group ? "Please enter your username." : "There is no such group.";
	return desk_answer_prompt(context, said->speaker, config, &prompt, false, ret_bytes);
}

/* ---- the end of a session ---- */

static void on_ended(int code, void *userdata)
{
	struct visit *visit = userdata;
	struct buf bytes = {0};
	int r;

	visit->ending = NULL;
	if (code < 0) {
		visit_refuse(visit, WHY_NOT_ENDED);
		return;
	}
	visit->context.now = time(NULL);
	r = desk_answer_bye(&visit->context, visit->speaker, &bytes);
	visit_answer(visit, r, &bytes);
}

/* Said to be over, it must be over, also after a failover: who is not sure says so. */
static int end_session(struct desk *desk, struct session *session,
		       const struct site_context *context, const struct vpn_entry *entry,
		       enum speaker speaker, struct buf *ret_bytes)
{
	struct visit *visit =
		desk->n_visits < DESK_VISITS_MAX ? visit_new(desk, session, context) : NULL;
	int r;

	if (visit)
		visit->speaker = speaker;
	r = vpn_end(desk->vpn, entry, VPN_END_LOGOUT, visit ? on_ended : NULL, visit,
		    visit ? &visit->ending : NULL);
	if (visit && r == 0) {
		session_place(session)->asked = visit;
		return -EINPROGRESS;
	}
	if (visit) {
		visit->session = NULL;
		visit_free(visit);
	}
	return desk_answer_refusal(context, speaker, 503, WHY_NOT_ENDED, ret_bytes);
}

/*
 * A program, which says so, or has the cookie itself in what it says; a person by the button of the
 * own page. Another site's page can do neither, whatever the browser tells of where it comes from.
 */
static bool may_end(const struct http_head *head, const struct desk_said *said,
		    const struct vpn_entry *entry)
{
	uint8_t hash[COOKIE_HASH_SIZE];
	char proof[COOKIE_TEXT_MAX];

	if (desk_is_client(head))
		return true;
	if (said->token[0] &&
	    cookie_hash((struct http_text){said->token, strlen(said->token)}, hash) == 0 &&
	    memcmp(hash, entry->session.hash, sizeof(hash)) == 0)
		return true;
	return strlen(said->proof) == sizeof(proof) - 1 &&
	       cookie_proof(entry->session.hash, proof) == 0 &&
	       gnutls_memcmp(said->proof, proof, sizeof(proof)) == 0;
}

/* The session that a cookie names; NULL where there is none, or it is not known here. */
static struct vpn_entry *session_of(const struct desk *desk, const struct http_head *head,
				    const char *token, bool *ret_has_cookie)
{
	uint8_t hash[COOKIE_HASH_SIZE];
	int r = cookie_of_request(head, hash);

	if (r < 0 && token[0])
		r = cookie_hash((struct http_text){token, strlen(token)}, hash);
	*ret_has_cookie = r == 0;
	return r == 0 ? vpn_find(desk->vpn, hash) : NULL;
}

static int logout(struct desk *desk, struct session *session, const struct site_context *context,
		  const struct http_head *head, const struct desk_said *said, struct buf *ret_bytes)
{
	bool has_cookie;
	const struct vpn_entry *entry = session_of(desk, head, said->token, &has_cookie);

	if (has_cookie && !entry && !vpn_is_complete(desk->vpn))
		return desk_answer_refusal(context, said->speaker, 503, WHY_NOT_ENDED, ret_bytes);
	if (!entry)
		return desk_answer_bye(context, said->speaker, ret_bytes);
	if (may_end(head, said, entry))
		return end_session(desk, session, context, entry, said->speaker, ret_bytes);
	/* The page of the session has the button. */
	return said->speaker == SPEAKER_PERSON
		       ? desk_answer_redirect(context, ret_bytes)
		       : desk_answer_refusal(context, said->speaker, 403, WHY_STRANGER, ret_bytes);
}

static int said_answer(struct desk *desk, struct session *session,
		       const struct site_context *context, const struct http_head *head,
		       const struct desk_said *said, struct buf *ret_bytes)
{
	struct desk_prompt prompt = {said->group, "", NULL, NULL};

	/* Whoever speaks: a form's body may be XML, too, and a program is believed. */
	if (!desk_is_own_page(head))
		return desk_answer_refusal(context, said->speaker, 403, WHY_STRANGER, ret_bytes);
	if (!context->unit->is_active)
		return desk_answer_refusal(context, said->speaker, 503, WHY_STANDBY, ret_bytes);
	if (said->wish == WISH_LOGOUT)
		return logout(desk, session, context, head, said, ret_bytes);
	if (said->wish == WISH_LOGIN)
		return login_begin(desk, session, context, head, said, ret_bytes);
	if (said->wish == WISH_CODE)
		return login_ask(desk, session, context, head, said, NULL, ret_bytes);
	return desk_answer_prompt(context, said->speaker, vpn_config(desk->vpn), &prompt, false,
				  ret_bytes);
}

size_t desk_body_max(const struct desk *desk, const struct http_head *head)
{
	const struct vpn_config *config = vpn_config(desk->vpn);

	if (!config->is_enabled)
		return 0;
	/* A client's, which has no body and is to be asked all the same. */
	if (head->method == HTTP_METHOD_GET)
		return http_text_is(head->path, "/logout") && desk_is_client(head) ? 1 : 0;
	if (head->method != HTTP_METHOD_POST)
		return 0;
	return http_text_is(head->path, "/logout") || desk_is_login_path(head->path, config)
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

static int login_page(struct desk *desk, const struct site_context *context,
		      const struct http_head *head, struct buf *ret_bytes)
{
	const struct vpn_config *config = vpn_config(desk->vpn);
	const struct vpn_group *group = desk_group_of_path(head->path, config);
	struct desk_prompt prompt = {group ? group->name : "", "", NULL, NULL};
	bool is_head = head->method == HTTP_METHOD_HEAD, has_cookie = false;
	const struct vpn_entry *entry;

	if (desk_is_client(head))
		return desk_answer_prompt(context, SPEAKER_LEGACY, config, &prompt, is_head,
					  ret_bytes);
	entry = session_of(desk, head, "", &has_cookie);
	if (entry || (has_cookie && !vpn_is_complete(desk->vpn)))
		return desk_answer_session(context, desk->vpn, entry, is_head, ret_bytes);
	if (!http_text_is(head->path, "/") && !group)
		return desk_answer_redirect(context, ret_bytes);
	return desk_answer_prompt(context, SPEAKER_PERSON, config, &prompt, is_head, ret_bytes);
}

int desk_get(struct desk *desk, const struct site_context *context, const struct http_head *head,
	     struct buf *ret_bytes)
{
	int r;

	if (!vpn_config(desk->vpn)->is_enabled ||
	    (head->method != HTTP_METHOD_GET && head->method != HTTP_METHOD_HEAD))
		return ERR_NOT_FOUND;
	r = desk_answer_file(context, head, ret_bytes);
	if (r != ERR_NOT_FOUND || !context->unit->is_active)
		return r;
	/* A link, on whatever page it is, ends nothing. */
	if (http_text_is(head->path, "/logout"))
		return desk_answer_redirect(context, ret_bytes);
	return desk_is_login_path(head->path, vpn_config(desk->vpn))
		       ? login_page(desk, context, head, ret_bytes)
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
		visit_free(desk->visits);
	free(desk);
}
