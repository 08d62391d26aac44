/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An import of PKCS#12, PEM or a CA's certificate, as the parser's job does it: the first byte
 * chooses passphrase and policy, the rest is the file. What is accepted must be whole: described,
 * with a key, and exported and read again as the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "certstore/x509/identity.h"

#define NOW INT64_C(1800000000)

static struct ossl_lib_ctx_st *library(void)
{
	static struct ossl_lib_ctx_st *made; /* the target is a program: one for all inputs */

	if (!made && identity_library_new(&made) < 0)
		abort();
	return made;
}

static void check(const struct identity *identity)
{
	const Asafo__Record__TrustpointPublic *public = identity->public_part;

	if (!public || public->leaf.len == 0 || public->fingerprint.len != 32 ||
	    public->key_id.len != 32 || public->n_chain > IDENTITY_CHAIN_MAX ||
	    (identity->key.size == 0) != public->is_ca ||
	    identity->n_warnings > IDENTITY_WARNINGS_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const passphrases[] = {"swordfish", "", "gr\303\274n", "gr\374n"};
	static const uint8_t id[32] = {1, 2, 3};
	const struct identity_ca_mark mark = {id, sizeof(id), id, 20};
	_cleanup_(identity_done) struct identity identity = {0};
	_cleanup_(secret_done) struct secret passphrase = {0};
	struct identity_policy policy = {.now = NOW, .library = library()};
	struct why why = {0};
	const char *text;
	int r;

	if (size == 0)
		return 0;
	text = passphrases[data[0] % ARRAY_SIZE(passphrases)];
	policy.allow_no_mac = data[0] & 4;
	policy.allow_expired = data[0] & 8;
	policy.friendly_name = data[0] & 16 ? "one" : NULL;
	policy.mate_cas = &mark;
	policy.n_mate_cas = 1;
	if (secret_init_copy(&passphrase, text, strlen(text)) < 0)
		return 0;
	if (data[0] & 32)
		r = identity_ca_from_file(data + 1, size - 1, &policy, &identity, &why);
	else
		r = identity_from_file(data + 1, size - 1, &passphrase, &policy, &identity, &why);
	if (r == 0)
		check(&identity);
	else if (!*why.text || identity.public_part)
		abort();
	return 0;
}
