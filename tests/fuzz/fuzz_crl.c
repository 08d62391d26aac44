/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CRL as the parser's job reads it, with the CA that it is held against: two bytes of length and
 * the CA's certificate, the rest is the list. What is accepted must have whole marks in their
 * order, as many as it says, with times that a login can go by.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "certstore/x509/crl.h"

#define NOW INT64_C(1795420800) /* 2026-11-23: when the seeds were made */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crl_question question = {.now = NOW};
	Asafo__Record__Crl *crl = NULL;
	struct why why = {0};
	uint8_t digest[32];
	int r;

	if (size < 2)
		return 0;
	question.issuer_size = (size_t)data[0] << 8 | data[1];
	question.issuer = data + 2;
	if (question.issuer_size == 0 || question.issuer_size > size - 2)
		return 0;
	data += 2 + question.issuer_size;
	size -= 2 + question.issuer_size;
	r = crl_read(data, size, &question, &crl, &why);
	if ((r == 0) != (crl != NULL) || (r < 0 && r != -ENOMEM && !*why.text))
		abort();
	if (crl && (crl->marks.len != crl->revoked * CRLMARK_SIZE || crl->digest.len != 32 ||
		    !crl_are_marks(crl->marks.data, crl->marks.len) ||
		    crl_digest(crl, crl->marks.data, crl->marks.len, digest) < 0 ||
		    memcmp(digest, crl->digest.data, sizeof(digest)) != 0 ||
		    !crl_is_good(crl->this_update, crl->next_update, NOW)))
		abort();
	asafo__record__crl__free_unpacked(crl, NULL);
	return 0;
}
