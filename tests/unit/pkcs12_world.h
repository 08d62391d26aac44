/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "certstore/x509/identity.h"
#include "certstore/x509/x509.h"

#define WORLD_PASSPHRASE "swordfish"

/* A folder of PKCS#12 files and their parts, made by openssl, and the means to make odd ones. */
struct world {
	char directory[64];
	OSSL_LIB_CTX *library;
	struct identity_policy policy; /* now: the real clock */
};

/* For cmocka's groups. */
int world_setup(void **state);
int world_teardown(void **state);

/* Reads FILE of the folder. */
void world_read(const struct world *world, const char *file, struct buf *ret_data);
X509 *world_certificate(const struct world *world, const char *name);
EVP_PKEY *world_key(const struct world *world, const char *name);
struct secret world_secret(const char *text);

/* A PKCS#12 with these certificates and keys, each with its localKeyId or NULL; the lists end with
 * NULL names. */
struct world_item {
	const char *name;
	const char *local_key_id;
};

struct world_pack {
	const struct world_item *certificates;
	const struct world_item *keys;
	const char *passphrase;		/* NULL: the NULL password */
	const char *content_passphrase; /* another one for what is inside; NULL: the same */
	bool is_scrypt;
	bool is_pbmac1;
};

void world_pack(const struct world *world, const struct world_pack *pack, struct buf *ret_file);
