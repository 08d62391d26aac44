/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/monotime.h"
#include "base/why.h"
#include "front/tls/client_hello.h"
#include "src/ipc/ipc.pb-c.h"

/*
 * The keys of session tickets, as the keeper told last: the newest makes tickets, an older one
 * still opens them until its time is over. Both units have the same, so that a client resumes on
 * either.
 *
 * A ticket is good for one certificate: its fingerprint goes into the key. Who would be shown
 * another one (a renewal, another name or interface) shakes hands anew, and sees it.
 */
#define RESUMPTION_SECRET_SIZE 64
/* How long a client may keep a ticket. GnuTLS derives a key for each three times that. */
#define RESUMPTION_TICKET_S (4 * 3600)

struct resumption;

int resumption_new(struct resumption **ret_resumption);
void resumption_free(struct resumption *resumption);
/* Instead of all before. Errors: ERR_MALFORMED, -ENOMEM; then those before stay. */
int resumption_set(struct resumption *resumption, const Asafo__Ipc__ResumptionKeys *keys,
		   struct monotime now, struct why *ret_why);

/*
 * The secret to give to gnutls_session_ticket_enable_server for this client and the certificate
 * with FINGERPRINT: that of the key which made the client's ticket, where it is still taken; else
 * the newest. REALTIME_S: the wall clock. Returns false where there is no key: no tickets then.
 */
bool resumption_pick(const struct resumption *resumption, const struct client_hello *hello,
		     const uint8_t fingerprint[static 32], struct monotime now, int64_t realtime_s,
		     uint8_t ret_secret[static RESUMPTION_SECRET_SIZE]);
