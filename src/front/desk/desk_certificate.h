/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/session/session.h"
#include "front/tunnel/vpn.h"
#include "ipc/clientcert.h"

/* The certificate that a client's connection came with, as far as the front can say. */
struct desk_certificate {
	ProtobufCBinaryData chain[CLIENTCERT_CHAIN_MAX]; /* borrowed for the session's life */
	size_t n;					 /* 0: there is none */
	int code;		 /* 0: it is good, and names USER; else as clientcert_verify */
	struct why why;		 /* the end of a sentence */
	char user[VPN_NAME_MAX]; /* by the group's rule */
};

/* GROUP NULL: USER stays empty. */
void desk_certificate_read(const struct session *session, const struct vpn *vpn,
			   const struct vpn_group *group, struct desk_certificate *ret_certificate);
/* The sentence for who cannot log in because of it. */
void desk_certificate_say(const struct desk_certificate *certificate, char *ret_text, size_t size);
