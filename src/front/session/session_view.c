/* SPDX-License-Identifier: Apache-2.0 */
/* What others may know of a session. */
#include "front/session/session_private.h"

bool session_is_resumed(const struct session *session)
{
	return tls_is_resumed(&session->tls);
}

bool session_is_idle(const struct session *session)
{
	return session->state == STATE_REQUEST && session->in.size == 0 && session->n_requests > 0;
}

bool session_is_slow(const struct session *session)
{
	return session->state != STATE_WAIT && session->state != STATE_TUNNEL;
}

int session_fd(const struct session *session)
{
	return session->fd;
}

const struct tls_peer *session_tls(const struct session *session)
{
	return &session->tls;
}

bool session_is_last(const struct session *session)
{
	return session->is_last;
}

struct credential *session_credential(const struct session *session)
{
	return session->tls.credential;
}

struct session_place *session_place(struct session *session)
{
	return &session->place;
}
