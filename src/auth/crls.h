/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "ipc/crlmark.h"
#include "src/ipc/ipc.pb-c.h"

/*
 * Which certificates are revoked, as the keeper told last: lists of CAs, by their keys. They were
 * checked where they were imported; here they are searched.
 */
#define CRLS_KEY_ID_SIZE 32
#define CRLS_MAX 32u /* as many as the keeper has: of the pair, and of this unit alone */

struct crls;

int crls_new(struct crls **ret_crls);
void crls_free(struct crls *crls);
/* All lists come in several messages, and hold from the last one on. Errors: ERR_MALFORMED,
 * ERR_TOO_LARGE, -ENOMEM; then those before hold until all of them are told anew. */
int crls_take(struct crls *crls, const Asafo__Ipc__CrlTell *message);
/* How many lists there are. */
size_t crls_count(const struct crls *crls);
/*
 * Is the certificate with this mark (ipc/crlmark.h), of the CA with this key, revoked at NOW
 * (seconds since 1970)? 0: it is not. Errors, with the end of a sentence that begins with "the
 * certificate": ERR_REVOKED, by any list of that CA, also by one that has ended; of the latest of
 * its lists: ERR_EXPIRED (the list has ended, or
 * begins later), ERR_NOT_FOUND (there is no list of that CA), ERR_NOT_READY (nothing was told yet).
 */
int crls_check(const struct crls *crls, const uint8_t key_id[static CRLS_KEY_ID_SIZE],
	       const uint8_t mark[static CRLMARK_SIZE], int64_t now, struct why *ret_why);
