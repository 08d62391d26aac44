/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "certstore/store/record.pb-c.h"

/* An OCSP response (RFC 6960) that a server sends with its certificate (RFC 6066 section 8, RFC
 * 8446 section 4.4.2.1). */
#define STAPLE_RESPONSE_MAX (16u * 1024)
/* So far may the responder's clock be ahead of this unit's. */
#define STAPLE_SKEW_S 300
/* May one with these times be sent at NOW? All in seconds since 1970. */
static inline bool staple_is_good(int64_t this_update, int64_t next_update, int64_t now)
{
	return now >= this_update - STAPLE_SKEW_S && now < next_update;
}
/* Where one was taken from, in words or as a URL. */
#define STAPLE_SOURCE_MAX 127

/* What a response is held against: DER of the leaf and of who issued it. Borrowed. */
struct staple_question {
	const uint8_t *leaf, *issuer;
	size_t leaf_size, issuer_size;
	int64_t now; /* seconds since 1970 */
};

/*
 * Checks everything that a client checks: the response is whole and an answer, about this
 * certificate (serial number and the issuer's name and key), signed by the issuer or by a responder
 * whose certificate the issuer signed for that, not older and not newer than NOW, and says "good".
 * RET_STAPLE (free with asafo__record__staple__free_unpacked) has the response and its times; it
 * ends with the certificate of who signed it at the latest. With ERR_REVOKED there is one, too: it
 * is_revoked, has when that was said and found, and is never sent.
 * Errors, each with its sentence: ERR_TOO_LARGE, ERR_MALFORMED, ERR_UNSUPPORTED, ERR_DIFFERS
 * (another certificate's), ERR_WEAK, ERR_INTEGRITY, ERR_REVOKED, ERR_NOT_FOUND (the responder does
 * not know the certificate), ERR_NOT_YET_VALID, ERR_EXPIRED, -ENOMEM. Runs in the parser's child.
 */
int staple_read(const uint8_t *der, size_t size, const struct staple_question *question,
		Asafo__Record__Staple **ret_staple, struct why *ret_why);
