/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a session, by its user: only of his own will, and only said when it is so. */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "front/desk/desk_private.h"

static void on_ended(int code, void *userdata)
{
	struct visit *visit = userdata;
	struct buf bytes = {0};
	int r;

	visit->ending = NULL;
	if (code < 0) {
		desk_visit_refuse(visit, WHY_NOT_ENDED);
		return;
	}
	visit->context.now = time(NULL);
	r = desk_answer_bye(&visit->context, visit->speaker, &bytes);
	desk_visit_answer(visit, r, &bytes);
}

/* Said to be over, it must be over, also after a failover: who is not sure says so. */
static int end_session(struct desk *desk, struct session *session,
		       const struct site_context *context,
		       const uint8_t hash[static COOKIE_HASH_SIZE], enum speaker speaker,
		       struct buf *ret_bytes)
{
	struct visit *visit =
		desk->n_visits < DESK_VISITS_MAX ? desk_visit_new(desk, session, context) : NULL;
	int r;

	if (visit)
		visit->speaker = speaker;
	r = vpn_end(desk->vpn, hash, VPN_END_LOGOUT, visit ? on_ended : NULL, visit,
		    visit ? &visit->ending : NULL);
	if (visit && r == 0) {
		session_place(session)->asked = visit;
		return -EINPROGRESS;
	}
	if (visit) {
		visit->session = NULL;
		desk_visit_free(visit);
	}
	return desk_answer_refusal(context, speaker, 503, WHY_NOT_ENDED, ret_bytes);
}

/*
 * A program, which says so, or has the cookie itself in what it says; a person by the button of the
 * own page. Another site's page can do neither, whatever the browser tells of where it comes from.
 */
static bool may_end(const struct desk *desk, const struct http_head *head,
		    const struct desk_said *said, const struct vpn_entry *entry)
{
	uint8_t hash[COOKIE_HASH_SIZE];
	char proof[COOKIE_TEXT_MAX];

	if (desk_is_client(head))
		return true;
	if (said->token[0] &&
	    cookie_hash((struct http_text){said->token, strlen(said->token)}, hash) == 0 &&
	    vpn_find(desk->vpn, hash) == entry)
		return true;
	return strlen(said->proof) == sizeof(proof) - 1 &&
	       cookie_proof(entry->session.hash, proof) == 0 &&
	       gnutls_memcmp(said->proof, proof, sizeof(proof)) == 0;
}

/* The session that a cookie names; NULL where there is none, or it is not known here. */
struct vpn_entry *desk_session_of(const struct desk *desk, const struct http_head *head,
				  const char *token, uint8_t ret_hash[static COOKIE_HASH_SIZE],
				  bool *ret_has_cookie)
{
	int r = cookie_of_request(head, ret_hash);

	if (r < 0 && token[0])
		r = cookie_hash((struct http_text){token, strlen(token)}, ret_hash);
	*ret_has_cookie = r == 0;
	return r == 0 ? vpn_find(desk->vpn, ret_hash) : NULL;
}

int desk_logout(struct desk *desk, struct session *session, const struct site_context *context,
		const struct http_head *head, const struct desk_said *said, struct buf *ret_bytes)
{
	uint8_t hash[COOKIE_HASH_SIZE];
	bool has_cookie;
	const struct vpn_entry *entry = desk_session_of(desk, head, said->token, hash, &has_cookie);

	if (has_cookie && !entry && !vpn_is_complete(desk->vpn))
		return desk_answer_refusal(context, said->speaker, 503, WHY_NOT_ENDED, ret_bytes);
	if (!entry)
		return desk_answer_bye(context, said->speaker, ret_bytes);
	if (may_end(desk, head, said, entry))
		return end_session(desk, session, context, hash, said->speaker, ret_bytes);
	/* The page of the session has the button. */
	return said->speaker == SPEAKER_PERSON
		       ? desk_answer_redirect(context, ret_bytes)
		       : desk_answer_refusal(context, said->speaker, 403, WHY_STRANGER, ret_bytes);
}
