/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/session/session.h"
#include "ipc/vpn.h"

#define DESK_SHA1_MAX 41 /* hex, with the NUL */

/* The client's address; none where it cannot be told. An IPv4 address in IPv6 is one of IPv4. */
void desk_peer_address(const struct session *session, struct vpn_address *ret_address);
/* The SHA-1 of the certificate that SESSION was shown, which AnyConnect is to meet again; "": none.
 */
void desk_peer_certificate(const struct session *session, char ret_text[static DESK_SHA1_MAX]);
