/* SPDX-License-Identifier: Apache-2.0 */
/* The files come from a tool that is not ours; what it refuses to make is made here with libcrypto.
 */
#include "tests/unit/pkcs12_world.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "base/cleanup.h"
#include "base/io.h"

static void run_script(const char *directory)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		(void)execl("/bin/sh", "sh", SOURCE_DIR "/tests/unit/pkcs12_files.sh", directory,
			    NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int world_setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	(void)snprintf(world->directory, sizeof(world->directory), "/tmp/asafo-pkcs12.XXXXXX");
	assert_non_null(mkdtemp(world->directory));
	run_script(world->directory);
	assert_int_equal(identity_library_new(&world->library), 0);
	world->policy.library = world->library;
	world->policy.now = (int64_t)time(NULL);
	*state = world;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int world_teardown(void **state)
{
	struct world *world = *state;

	(void)nftw(world->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	identity_library_free(world->library);
	free(world);
	return 0;
}

void world_read(const struct world *world, const char *file, struct buf *ret_data)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", world->directory, file);
	assert_int_equal(io_read_file(path, IDENTITY_FILE_MAX, ret_data), 0);
}

static BIO *open_part(const struct world *world, const char *name, const char *suffix)
{
	char path[256];
	BIO *bio;

	(void)snprintf(path, sizeof(path), "%s/%s.%s", world->directory, name, suffix);
	bio = BIO_new_file(path, "r");
	assert_non_null(bio);
	return bio;
}

X509 *world_certificate(const struct world *world, const char *name)
{
	_cleanup_(BIO_free_all_p) BIO *bio = open_part(world, name, "crt");
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	assert_non_null(certificate);
	return certificate;
}

EVP_PKEY *world_key(const struct world *world, const char *name)
{
	_cleanup_(BIO_free_all_p) BIO *bio = open_part(world, name, "key");
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	assert_non_null(key);
	return key;
}

struct secret world_secret(const char *text)
{
	struct secret secret = {0};

	assert_int_equal(secret_init_copy(&secret, text, strlen(text)), 0);
	return secret;
}

static void set_id(PKCS12_SAFEBAG *bag, const char *id)
{
	assert_non_null(bag);
	if (id)
		assert_int_equal(
			PKCS12_add_localkeyid(bag, (unsigned char *)(uintptr_t)id, (int)strlen(id)),
			1);
}

static PKCS12_SAFEBAG *scrypt_bag(const struct world_pack *pack, EVP_PKEY *key,
				  const char *passphrase)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	static unsigned char salt[16] = "salt of the test";
	X509_ALGOR *algorithm =
		PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), salt, sizeof(salt), NULL, 1024, 8, 1);
	X509_SIG *encrypted;

	(void)pack;
	assert_non_null(algorithm);
	encrypted = PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), info, algorithm);
	assert_non_null(encrypted);
	PKCS8_PRIV_KEY_INFO_free(info);
	return PKCS12_SAFEBAG_create0_pkcs8(encrypted);
}

static void add_keys(const struct world *world, const struct world_pack *pack,
		     const char *passphrase, STACK_OF(PKCS12_SAFEBAG) * *bags)
{
	for (const struct world_item *item = pack->keys; item && item->name; item++) {
		_cleanup_(EVP_PKEY_free_p) EVP_PKEY *key = world_key(world, item->name);
		PKCS12_SAFEBAG *bag;

		if (pack->is_scrypt) {
			bag = scrypt_bag(pack, key, passphrase);
			if (!*bags)
				*bags = sk_PKCS12_SAFEBAG_new_null();
			assert_true(sk_PKCS12_SAFEBAG_push(*bags, bag) > 0);
		} else {
			bag = PKCS12_add_key(bags, key, 0, 100, NID_aes_128_cbc, passphrase);
		}
		set_id(bag, item->local_key_id);
	}
}

static void add_certificates(const struct world *world, const struct world_pack *pack,
			     STACK_OF(PKCS12_SAFEBAG) * *bags)
{
	for (const struct world_item *item = pack->certificates; item && item->name; item++) {
		_cleanup_(X509_free_p) X509 *certificate = world_certificate(world, item->name);

		set_id(PKCS12_add_cert(bags, certificate), item->local_key_id);
	}
}

static X509_ALGOR *pbmac1_algorithm(void)
{
	static unsigned char salt[16] = "another test sal";
	X509_ALGOR *kdf = PKCS5_pbkdf2_set(200, salt, sizeof(salt), NID_hmacWithSHA256, 32);
	X509_ALGOR *mac = X509_ALGOR_new();
	PBE2PARAM *pair = PBE2PARAM_new();
	X509_ALGOR *algorithm = X509_ALGOR_new();
	ASN1_TYPE *parameter = NULL;

	assert_true(kdf && mac && pair && algorithm);
	assert_int_equal(X509_ALGOR_set0(mac, OBJ_nid2obj(NID_hmacWithSHA512), V_ASN1_NULL, NULL),
			 1);
	X509_ALGOR_free(pair->keyfunc);
	X509_ALGOR_free(pair->encryption);
	pair->keyfunc = kdf;
	pair->encryption = mac;
	parameter = ASN1_TYPE_pack_sequence(ASN1_ITEM_rptr(PBE2PARAM), pair, NULL);
	assert_non_null(parameter);
	assert_int_equal(X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_pbmac1), V_ASN1_SEQUENCE,
					 parameter->value.sequence),
			 1);
	parameter->value.ptr = NULL;
	parameter->type = V_ASN1_NULL;
	ASN1_TYPE_free(parameter);
	PBE2PARAM_free(pair);
	return algorithm;
}

/* Writes tag, length (two bytes, always) and value. */
static void append_tlv(struct buf *buf, uint8_t tag, const struct buf *value)
{
	uint8_t head[4] = {tag, 0x82, (uint8_t)(value->size >> 8), (uint8_t)value->size};

	assert_int_equal(buf_append(buf, head, sizeof(head)), 0);
	assert_int_equal(buf_append(buf, value->data, value->size), 0);
}

/* PFX of RFC 7292 with the MacData of RFC 9579 around SAFES. */
static void wrap_pbmac1(const struct buf *safes, const char *passphrase, struct buf *ret_file)
{
	static const uint8_t version[] = {0x02, 0x01, 0x03}, one[] = {0x02, 0x01, 0x01};
	static const uint8_t data_oid[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
					   0xf7, 0x0d, 0x01, 0x07, 0x01};
	static const uint8_t used[] = {0x04, 0x00};
	X509_ALGOR *algorithm = pbmac1_algorithm();
	struct buf octets = {0}, explicit = {0}, pfx = {0}, mac = {0}, digest = {0};
	uint8_t key[32], value[64], *der = NULL;
	size_t size;
	int n = i2d_X509_ALGOR(algorithm, &der);

	X509_ALGOR_free(algorithm);
	assert_int_equal(PKCS5_PBKDF2_HMAC(passphrase, -1,
					   (const unsigned char *)"another test sal", 16, 200,
					   EVP_sha256(), sizeof(key), key),
			 1);
	assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, "SHA512", NULL, key, sizeof(key), safes->data,
				  safes->size, value, sizeof(value), &size));
	append_tlv(&octets, 0x04, safes);
	assert_int_equal(buf_append(&explicit, data_oid, sizeof(data_oid)), 0);
	append_tlv(&explicit, 0xa0, &octets);
	assert_int_equal(buf_append(&pfx, version, sizeof(version)), 0);
	append_tlv(&pfx, 0x30, &explicit);
	assert_int_equal(buf_append(&digest, der, (size_t)n), 0);
	assert_int_equal(buf_append(&digest, (const uint8_t[]){0x04, 0x40}, 2), 0);
	assert_int_equal(buf_append(&digest, value, size), 0);
	append_tlv(&mac, 0x30, &digest);
	assert_int_equal(buf_append(&mac, used, sizeof(used)), 0);
	assert_int_equal(buf_append(&mac, one, sizeof(one)), 0);
	append_tlv(&pfx, 0x30, &mac);
	append_tlv(ret_file, 0x30, &pfx);
	OPENSSL_free(der);
	buf_done(&octets);
	buf_done(&explicit);
	buf_done(&pfx);
	buf_done(&mac);
	buf_done(&digest);
}

static void write_pkcs12(STACK_OF(PKCS7) * safes, const struct world_pack *pack,
			 struct buf *ret_file)
{
	PKCS12 *p12 = PKCS12_add_safes(safes, 0);
	uint8_t *der = NULL;
	int n;

	assert_non_null(p12);
	assert_int_equal(PKCS12_set_mac(p12, pack->passphrase, -1, NULL, 0, 100, EVP_sha256()), 1);
	n = i2d_PKCS12(p12, &der);
	assert_true(n > 0);
	assert_int_equal(buf_append(ret_file, der, (size_t)n), 0);
	OPENSSL_free(der);
	PKCS12_free(p12);
}

static void write_pbmac1(STACK_OF(PKCS7) * safes, const struct world_pack *pack,
			 struct buf *ret_file)
{
	struct buf packed = {0};
	uint8_t *der = NULL;
	int n = ASN1_item_i2d((const ASN1_VALUE *)safes, &der, ASN1_ITEM_rptr(PKCS12_AUTHSAFES));

	assert_true(n > 0);
	assert_int_equal(buf_append(&packed, der, (size_t)n), 0);
	wrap_pbmac1(&packed, pack->passphrase, ret_file);
	OPENSSL_free(der);
	buf_done(&packed);
}

void world_pack(const struct world *world, const struct world_pack *pack, struct buf *ret_file)
{
	const char *inner = pack->content_passphrase ? pack->content_passphrase : pack->passphrase;
	STACK_OF(PKCS12_SAFEBAG) *certificates = NULL, *keys = NULL;
	STACK_OF(PKCS7) *safes = NULL;

	add_certificates(world, pack, &certificates);
	add_keys(world, pack, inner, &keys);
	if (certificates)
		assert_int_equal(PKCS12_add_safe(&safes, certificates, NID_aes_128_cbc, 100, inner),
				 1);
	if (keys)
		assert_int_equal(PKCS12_add_safe(&safes, keys, -1, 0, NULL), 1);
	if (!safes)
		safes = sk_PKCS7_new_null();
	if (pack->is_pbmac1)
		write_pbmac1(safes, pack, ret_file);
	else
		write_pkcs12(safes, pack, ret_file);
	sk_PKCS12_SAFEBAG_pop_free(certificates, PKCS12_SAFEBAG_free);
	sk_PKCS12_SAFEBAG_pop_free(keys, PKCS12_SAFEBAG_free);
	sk_PKCS7_pop_free(safes, PKCS7_free);
}
