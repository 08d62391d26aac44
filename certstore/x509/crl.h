/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "certstore/store/record.pb-c.h"
#include "ipc/crlmark.h"

/* A list of revoked certificates (RFC 5280 section 5), as a CA publishes it. */
#define CRL_FILE_MAX (8u * 1024 * 1024)
/* No entry is shorter: two headers, a serial number of a byte, a time. */
#define CRL_ENTRIES_MAX (CRL_FILE_MAX / 20)
/* The marks of a list are kept and sent in parts that fit into a value of the store, and into a
 * message. A whole number of marks. */
#define CRL_PART_SIZE (96u * 1024)
/* So far may the CA's clock be from this unit's. */
#define CRL_SKEW_S 300
/* May one with these times be gone by at NOW? All in seconds since 1970. */
static inline bool crl_is_good(int64_t this_update, int64_t next_update, int64_t now)
{
	return now >= this_update - CRL_SKEW_S && now < next_update + CRL_SKEW_S;
}

/* What a list is held against: DER of the CA's certificate. Borrowed. */
struct crl_question {
	const uint8_t *issuer;
	size_t issuer_size;
	int64_t now; /* seconds since 1970 */
};

/*
 * Checks that the list (DER, or one in PEM) is the CA's: its name, its key's signature with a
 * digest that is not weak, that the CA may sign lists (key usage); that it is in its time; and that
 * it is about all certificates of the CA: no delta, no indirect list, none for a part of them, no
 * critical extension that is not known. RET_CRL (free with asafo__record__crl__free_unpacked) has
 * the marks of what is revoked, ascending, their digest, times, number and issuer.
 * Errors, each with its sentence: ERR_TOO_LARGE, ERR_MALFORMED, ERR_UNSUPPORTED, ERR_DIFFERS
 * (another CA's), ERR_WEAK, ERR_INTEGRITY, ERR_NOT_YET_VALID, ERR_EXPIRED, ERR_CRYPTO, -ENOMEM.
 * Runs in the parser's child.
 */
int crl_read(const uint8_t *file, size_t size, const struct crl_question *question,
	     Asafo__Record__Crl **ret_crl, struct why *ret_why);
/*
 * Which of two lists of a CA's key is the later one: by thisUpdate, then by the CRL numbers. That
 * one was removed (removed_at) goes before what was taken earlier: in an older term or, in the same
 * one, by an earlier change; where either is of a version that counted none, by the units' clocks.
 * Negative, 0 (not known), positive.
 */
int crl_compare(const Asafo__Record__Crl *a, const Asafo__Record__Crl *b);
/* SHA-256 of the times and the number of CRL and of its MARKS: a list that says the same for longer
 * is another. Errors: ERR_CRYPTO. */
int crl_digest(const Asafo__Record__Crl *crl, const uint8_t *marks, size_t size,
	       uint8_t ret_digest[static 32]);
/* Whether MARKS are whole ones, ascending. */
bool crl_are_marks(const uint8_t *marks, size_t size);
