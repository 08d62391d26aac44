/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "certstore/x509/crl.h"
#include "certstore/x509/identity.h"
#include "certstore/x509/staple.h"

/* What the file is held against: one of them. */
struct parser_question {
	const struct identity_policy *policy;
	const struct staple_question *staple;
	const struct crl_question *crl;
};

/* A ParseRequest, appended. Errors: ERR_TOO_LARGE (more local CAs, or larger ones, than a request
 * holds), -ENOMEM. */
int parser_request_pack(const struct parser_question *question, bool has_passphrase,
			struct buf *ret_packed);
