/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks for a session is a front, which hears every client and may be anybody's by now. So its
 * word is worth nothing: a session is made for whom the auth helper vouches (ipc/loginproof.h).
 */
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "failover/vpn/hub_internal.h"

#define SAY_MS 1000 /* a front cannot fill the log with it */

static void refusal_say(struct vpnhub *hub, unsigned instance,
			const Asafo__Ipc__VpnSessionNew *message, const char *why)
{
	struct monotime now = monotime_now();
	char more[48] = "";

	if (!monotime_reached(now, hub->unproved.say_at)) {
		hub->unproved.unsaid++;
		return;
	}
	if (hub->unproved.unsaid > 0)
		(void)snprintf(more, sizeof(more), " (%u more before this one)",
			       hub->unproved.unsaid);
	hub->unproved.unsaid = 0;
	hub->unproved.say_at = monotime_add_ms(now, SAY_MS);
	log_line(
		LOG_WARNING,
		"front %u asked for a VPN session of %.63s, tunnel-group %.63s, without a proof of "
		"asafo-auth's that holds: it %s. There is no session%s",
		instance, message->user, message->group, why, more);
}

int hub_login_check(struct vpnhub *hub, unsigned instance, const Asafo__Ipc__VpnSessionNew *message,
		    struct why *ret_why)
{
	struct loginproof_claim claim = {
		.user = message->user,
		.group = message->group,
		.policy = message->policy,
		.hash = message->cookie_hash.data,
		.client = message->client.data,
		.client_size = message->client.len,
	};
	struct loginproof proof;
	struct why why = {""};
	int r;

	if (message->cookie_hash.len != VPN_HASH_SIZE)
		return why_set(ret_why, ERR_MALFORMED, "a login that cannot be understood");
	loginproof_from(message->proof, &proof);
	r = loginproof_gate_take(&hub->proofs, &claim, &proof, monotime_now(), &why);
	if (r < 0) {
		hub->figures.unproved++;
		refusal_say(hub, instance, message, why.text);
		return why_set(ret_why, ERR_DENIED, "the proof of the login %s", why.text);
	}
	return 0;
}

void hub_proof_key_send(struct vpnhub *hub)
{
	Asafo__Ipc__LoginProofKey message = ASAFO__IPC__LOGIN_PROOF_KEY__INIT;
	int r = loginproof_gate_open(&hub->proofs);

	if (r == 0) {
		message.key = (ProtobufCBinaryData){hub->proofs.key.size, hub->proofs.key.data};
		r = ipc_channel_send(hub->auth, IPC_LOGIN_PROOF_KEY, &message.base, NULL, 0);
	}
	if (r < 0 && r != ERR_CLOSED)
		log_line(LOG_ERR,
			 "asafo-auth: the key of its proofs was not sent, nobody can log in: %s",
			 err_text(r));
}
