/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tests/unit/pkcs12_world.h"

/* One import and what came of it. */
struct result {
	int code;
	struct identity identity;
	struct why why;
};

void result_done(struct result *result);
struct result import_bytes(const struct buf *file, const char *passphrase,
			   const struct identity_policy *policy);
/* NAME.p12 of the world's folder. */
struct result import_name(const struct world *world, const char *name, const char *passphrase,
			  const struct identity_policy *policy);
struct result import_pack(const struct world *world, const struct world_pack *pack);
/* Fails unless CODE came with a sentence that holds WORDS, and nothing else. Frees. */
void assert_refused(struct result result, int code, const char *words);
/* Compares with NAME.PART.der, which is what openssl found in NAME.p12. */
void assert_same_as_file(const struct world *world, const char *name, const char *part,
			 const void *data, size_t size);
