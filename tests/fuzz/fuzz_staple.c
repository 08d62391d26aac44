/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OCSP response as the parser's job reads it, with the certificates that it is held against: two
 * bytes of length and the leaf, two and its issuer, the rest is the response. What is accepted must
 * be the very bytes, with times that a server can go by.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "certstore/x509/staple.h"

#define NOW INT64_C(1795420800) /* 2026-11-23: when the seeds were made, and a day */

static size_t take(const uint8_t **data, size_t *size, const uint8_t **ret_part)
{
	size_t length = *size >= 2 ? (size_t)(*data)[0] << 8 | (*data)[1] : 0;

	if (*size < 2 || length > *size - 2)
		return 0;
	*ret_part = *data + 2;
	*data += 2 + length;
	*size -= 2 + length;
	return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct staple_question question = {.now = NOW};
	Asafo__Record__Staple *staple = NULL;
	struct why why = {0};
	int r;

	question.leaf_size = take(&data, &size, &question.leaf);
	question.issuer_size = take(&data, &size, &question.issuer);
	if (question.leaf_size == 0 || question.issuer_size == 0)
		return 0;
	r = staple_read(data, size, &question, &staple, &why);
	if ((r == 0 || r == ERR_REVOKED) != (staple != NULL) ||
	    (r < 0 && r != -ENOMEM && !*why.text))
		abort();
	if (staple && staple->is_revoked != (r == ERR_REVOKED))
		abort();
	if (staple && r == 0 &&
	    (staple->response.len != size || memcmp(staple->response.data, data, size) != 0 ||
	     staple->this_update >= staple->next_update || staple->next_update <= NOW))
		abort();
	asafo__record__staple__free_unpacked(staple, NULL);
	return 0;
}
