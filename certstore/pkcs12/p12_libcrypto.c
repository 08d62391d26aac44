/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#12 by libcrypto, for what GnuTLS 3.7 cannot read: BER, RC2 and RC4, Camellia, scrypt, SHA-3
 * and MD5 MACs. Its verdict is final. As in the GnuTLS reader, rounds are read and paid for before
 * a key derivation is done.
 */
#include "certstore/pkcs12/p12.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "certstore/pkcs12/p12_pbmac1.h"
#include "certstore/pkcs12/p12_pkcs8.h"
#include "certstore/x509/x509.h"

#define NESTING_MAX 4
/* What libcrypto spends on one scrypt (SCRYPT_MAX_MEM). */
#define SCRYPT_BYTES_MAX (32u * 1024 * 1024)

CLEANUP_DEFINE(PBE2PARAM *, PBE2PARAM_free)
CLEANUP_DEFINE(PBEPARAM *, PBEPARAM_free)
CLEANUP_DEFINE(PBKDF2PARAM *, PBKDF2PARAM_free)
CLEANUP_DEFINE(SCRYPT_PARAMS *, SCRYPT_PARAMS_free)

static void safes_free(STACK_OF(PKCS7) * safes)
{
	sk_PKCS7_pop_free(safes, PKCS7_free);
}

static void bags_free(STACK_OF(PKCS12_SAFEBAG) * bags)
{
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
}

CLEANUP_DEFINE(STACK_OF(PKCS7) *, safes_free)
CLEANUP_DEFINE(STACK_OF(PKCS12_SAFEBAG) *, bags_free)

static int damaged(struct p12_job *job, const char *what)
{
	return why_set(job->why, ERR_MALFORMED, "the PKCS#12 file is damaged (%s): export it again",
		       what);
}

static int unsupported(struct p12_job *job, const char *what, const ASN1_OBJECT *object)
{
	char name[80] = "unknown";

	if (object)
		(void)OBJ_obj2txt(name, sizeof(name), object, 0);
	return why_set(job->why, ERR_UNSUPPORTED,
		       "the PKCS#12 file uses %s %s, which is not supported: export it again, e.g. "
		       "openssl pkcs12 "
		       "-export -keypbe AES-256-CBC -certpbe AES-256-CBC -macalg SHA256",
		       what, name);
}

static uint64_t positive(const ASN1_INTEGER *integer)
{
	int64_t value;

	if (!integer || ASN1_INTEGER_get_int64(&value, integer) != 1 || value < 0)
		return UINT64_MAX / 4;
	return (uint64_t)value;
}

static uint64_t product(uint64_t a, uint64_t b)
{
	uint64_t result;

	return __builtin_mul_overflow(a, b, &result) ? UINT64_MAX : result;
}

static void *unpack(const ASN1_TYPE *parameter, const ASN1_ITEM *item)
{
	return parameter ? ASN1_TYPE_unpack_sequence(item, parameter) : NULL;
}

/* One scrypt block of r*128 bytes costs about what one PBKDF2 round does. */
static int spend_scrypt(struct p12_job *job, const SCRYPT_PARAMS *scrypt)
{
	uint64_t block = product(positive(scrypt->blockSize), 128);
	uint64_t blocks = product(positive(scrypt->costParameter),
				  positive(scrypt->parallelizationParameter));
	uint64_t bytes = product(positive(scrypt->costParameter), block);

	/* And some blocks beside them. */
	if (bytes > SCRYPT_BYTES_MAX - SCRYPT_BYTES_MAX / 64)
		return why_set(job->why, ERR_WEAK,
			       "the file asks for %" PRIu64 " MiB of memory to make a key of the "
			       "passphrase (scrypt), more than the %u that are spent on one file: "
			       "export it again with PBKDF2, e.g. openssl pkcs12 -export -keypbe "
			       "AES-256-CBC -certpbe AES-256-CBC",
			       bytes >> 20, SCRYPT_BYTES_MAX >> 20);
	return p12_job_spend(job, product(blocks, positive(scrypt->blockSize)));
}

/* None is no derivation (RFC 8018 section 5.2), whatever the passphrase is. */
static int spend_pbkdf2(struct p12_job *job, const PBKDF2PARAM *pbkdf2)
{
	return positive(pbkdf2->iter) > 0 ? p12_job_spend(job, positive(pbkdf2->iter))
					  : damaged(job, "PBKDF2 in 0 rounds");
}

static int spend_kdf(struct p12_job *job, const X509_ALGOR *kdf)
{
	_cleanup_(PBKDF2PARAM_free_p) PBKDF2PARAM *pbkdf2 = NULL;
	_cleanup_(SCRYPT_PARAMS_free_p) SCRYPT_PARAMS *scrypt = NULL;

	if (OBJ_obj2nid(kdf->algorithm) == NID_id_pbkdf2) {
		pbkdf2 = unpack(kdf->parameter, ASN1_ITEM_rptr(PBKDF2PARAM));
		return pbkdf2 ? spend_pbkdf2(job, pbkdf2) : damaged(job, "PBKDF2 parameters");
	}
	if (OBJ_obj2nid(kdf->algorithm) == NID_id_scrypt) {
		scrypt = unpack(kdf->parameter, ASN1_ITEM_rptr(SCRYPT_PARAMS));
		return scrypt ? spend_scrypt(job, scrypt) : damaged(job, "scrypt parameters");
	}
	return unsupported(job, "the key derivation", kdf->algorithm);
}

int p12_job_spend_pbe(struct p12_job *job, const X509_ALGOR *algorithm)
{
	_cleanup_(PBE2PARAM_free_p) PBE2PARAM *pbes2 = NULL;
	_cleanup_(PBEPARAM_free_p) PBEPARAM *pbes1 = NULL;

	if (OBJ_obj2nid(algorithm->algorithm) == NID_pbes2) {
		pbes2 = unpack(algorithm->parameter, ASN1_ITEM_rptr(PBE2PARAM));
		return pbes2 ? spend_kdf(job, pbes2->keyfunc) : damaged(job, "PBES2 parameters");
	}
	pbes1 = unpack(algorithm->parameter, ASN1_ITEM_rptr(PBEPARAM));
	return pbes1 ? p12_job_spend(job, positive(pbes1->iter))
		     : unsupported(job, "the encryption", algorithm->algorithm);
}

static int no_parts(struct p12_job *job)
{
	return damaged(job, "its parts cannot be read; a file protected by a public key is not "
			    "supported");
}

static int no_mac(struct p12_job *job, const PKCS12 *p12)
{
	_cleanup_(safes_free_p) STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);

	/* A signature may stand for it, and --no-mac would not help. */
	if (!safes)
		return no_parts(job);
	if (job->input->allow_no_mac)
		return 0;
	return why_set(job->why, ERR_NO_MAC,
		       "the PKCS#12 file has no MAC, so that nobody can tell whether it was "
		       "changed: export it "
		       "again with one, or take it as it is with --no-mac");
}

/* PKCS12_verify_mac returns 0 for a wrong MAC as well as for one that it cannot compute; the error
 * queue tells. */
static int verify_classic_mac(struct p12_job *job, PKCS12 *p12, const char *text,
			      const X509_ALGOR *algorithm)
{
	ERR_clear_error();
	if (PKCS12_verify_mac(p12, text, text ? (int)strlen(text) : 0) == 1)
		return 0;
	if (ERR_peek_error() != 0)
		return unsupported(job, "the MAC", algorithm->algorithm);
	return ERR_BAD_PASSPHRASE;
}

static int try_mac(struct p12_job *job, PKCS12 *p12, const char *text)
{
	const ASN1_OCTET_STRING *mac, *salt;
	const ASN1_INTEGER *rounds;
	const X509_ALGOR *algorithm;
	int r;

	PKCS12_get0_mac(&mac, &algorithm, &salt, &rounds, p12);
	if (OBJ_obj2nid(algorithm->algorithm) == NID_pbmac1)
		return p12_pbmac1_verify(job, algorithm, mac, text);
	r = p12_job_spend(job, rounds ? positive(rounds) : 1);
	return r < 0 ? r : verify_classic_mac(job, p12, text, algorithm);
}

static int verify_mac(struct p12_job *job, PKCS12 *p12)
{
	const struct p12_passphrases *passphrases = job->input->passphrases;
	int r;

	if (PKCS12_mac_present(p12) != 1)
		return no_mac(job, p12);
	job->has_mac = true;
	for (size_t i = 0; i < passphrases->n; i++) {
		r = try_mac(job, p12, passphrases->text[i]);
		job->i_passphrase = i;
		if (r != ERR_BAD_PASSPHRASE)
			return r;
	}
	return p12_job_wrong_passphrase(job);
}

/* The cipher is known and yet the plaintext is none. */
static int undecipherable(struct p12_job *job)
{
	if (!job->has_mac)
		return p12_job_wrong_passphrase(job);
	return why_set(job->why, ERR_BAD_PASSPHRASE,
		       "the passphrase verifies the PKCS#12 file's MAC but does not decrypt its "
		       "contents: the file was "
		       "made with two passphrases, or is damaged: export it again with one");
}

/* What libcrypto's queue of errors says of a decryption. */
enum failure { FAILURE_OTHER, FAILURE_UNSUPPORTED, FAILURE_PARAMETERS };

static enum failure take_failure(void)
{
	enum failure failure = FAILURE_OTHER;
	unsigned long code;

	while ((code = ERR_get_error()) != 0) {
		int reason = ERR_GET_REASON(code);

		if (reason == ERR_R_UNSUPPORTED || reason == EVP_R_UNSUPPORTED_ALGORITHM ||
		    reason == EVP_R_UNKNOWN_PBE_ALGORITHM || reason == EVP_R_UNSUPPORTED_CIPHER ||
		    reason == EVP_R_UNKNOWN_CIPHER || reason == EVP_R_UNSUPPORTED_PRF)
			failure = FAILURE_UNSUPPORTED;
		if (reason == EVP_R_CIPHER_PARAMETER_ERROR && failure == FAILURE_OTHER)
			failure = FAILURE_PARAMETERS;
	}
	return failure;
}

/* Of CBC they are an IV, and wrong is its length; of other modes that are known they say nothing.
 */
static bool is_cbc(const ASN1_OBJECT *cipher)
{
	return EVP_CIPHER_get_mode(EVP_get_cipherbyobj(cipher)) == EVP_CIPH_CBC_MODE;
}

/* What PBES2 says of how it is done is inside of it. */
static const ASN1_OBJECT *cipher_of(const PBE2PARAM *pbes2, const X509_ALGOR *algorithm)
{
	return pbes2 ? pbes2->encryption->algorithm : algorithm->algorithm;
}

int p12_job_check_cipher(struct p12_job *job, const X509_ALGOR *algorithm)
{
	_cleanup_(PBE2PARAM_free_p) PBE2PARAM *pbes2 = NULL;
	enum failure failure = take_failure();

	if (failure == FAILURE_OTHER)
		return 0;
	if (OBJ_obj2nid(algorithm->algorithm) == NID_pbes2)
		pbes2 = unpack(algorithm->parameter, ASN1_ITEM_rptr(PBE2PARAM));
	if (failure == FAILURE_PARAMETERS && is_cbc(cipher_of(pbes2, algorithm)))
		return damaged(job, "the IV of its encryption has the wrong length");
	return unsupported(job, "the encryption", cipher_of(pbes2, algorithm));
}

static int decrypt_failed(struct p12_job *job, const X509_ALGOR *algorithm)
{
	int r = p12_job_check_cipher(job, algorithm);

	return r < 0 ? r : undecipherable(job);
}

static void take_utf8(const ASN1_STRING *string, char ret_name[static P12_NAME_MAX + 1])
{
	char text[P12_NAME_MAX + 1];

	(void)snprintf(text, sizeof(text), "%.*s", ASN1_STRING_length(string),
		       (const char *)ASN1_STRING_get0_data(string));
	p12_name_from_utf8(text, ret_name);
}

static int read_label(const PKCS12_SAFEBAG *bag, struct p12_label *ret_label)
{
	const ASN1_TYPE *name = PKCS12_SAFEBAG_get0_attr(bag, NID_friendlyName);
	const ASN1_TYPE *id = PKCS12_SAFEBAG_get0_attr(bag, NID_localKeyID);

	/* BMPString it should be (RFC 2985 section 5.5.1). */
	if (name && ASN1_TYPE_get(name) == V_ASN1_UTF8STRING)
		take_utf8(name->value.utf8string, ret_label->friendly_name);
	if (name && ASN1_TYPE_get(name) == V_ASN1_BMPSTRING)
		p12_name_from_bmp(ASN1_STRING_get0_data(name->value.bmpstring),
				  (size_t)ASN1_STRING_length(name->value.bmpstring),
				  ret_label->friendly_name);
	if (!id || ASN1_TYPE_get(id) != V_ASN1_OCTET_STRING)
		return 0;
	return buf_append(&ret_label->local_key_id, ASN1_STRING_get0_data(id->value.octet_string),
			  (size_t)ASN1_STRING_length(id->value.octet_string));
}

static int add_certificate(struct p12_job *job, const PKCS12_SAFEBAG *bag)
{
	_cleanup_(X509_free_p) X509 *certificate = NULL;
	_cleanup_(p12_label_done) struct p12_label label = {0};
	uint8_t *der = NULL;
	int size, r;

	if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate) {
		job->contents->n_ignored++;
		return 0;
	}
	certificate = PKCS12_SAFEBAG_get1_cert(bag);
	size = certificate ? i2d_X509(certificate, &der) : -1;
	if (size <= 0)
		return damaged(job, "a certificate cannot be read");
	r = read_label(bag, &label);
	if (r == 0)
		r = p12_job_add_certificate(job, der, (size_t)size, &label);
	OPENSSL_free(der);
	return r;
}

static int add_key(struct p12_job *job, const PKCS12_SAFEBAG *bag, const PKCS8_PRIV_KEY_INFO *info)
{
	_cleanup_(p12_label_done) struct p12_label label = {0};
	uint8_t *der = NULL;
	int r, size = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;

	if (size <= 0)
		return damaged(job, "a private key cannot be read");
	r = read_label(bag, &label);
	if (r == 0)
		r = p12_job_add_key(job, der, (size_t)size, &label);
	OPENSSL_clear_free(der, (size_t)size);
	return r;
}

static int add_shrouded_key(struct p12_job *job, const PKCS12_SAFEBAG *bag)
{
	_cleanup_(PKCS8_PRIV_KEY_INFO_free_p) PKCS8_PRIV_KEY_INFO *info = NULL;
	const X509_SIG *shrouded = PKCS12_SAFEBAG_get0_pkcs8(bag);
	const X509_ALGOR *algorithm = NULL;

	if (!shrouded)
		return damaged(job, "a private key cannot be read");
	X509_SIG_get0(shrouded, &algorithm, NULL);
	ERR_clear_error();
	for (size_t i = 0; i < job->input->passphrases->n && !info; i++) {
		const char *text = p12_job_passphrase(job, i);
		int r = p12_job_spend_pbe(job, algorithm);

		if (r < 0)
			return r;
		info = p12_pkcs8_decrypt(shrouded, text, job->input->library);
	}
	return info ? add_key(job, bag, info) : decrypt_failed(job, algorithm);
}

static int add_bags(struct p12_job *job, const STACK_OF(PKCS12_SAFEBAG) * bags, unsigned nesting);

static int add_bag(struct p12_job *job, const PKCS12_SAFEBAG *bag, unsigned nesting)
{
	switch (PKCS12_SAFEBAG_get_nid(bag)) {
	case NID_certBag:
		return add_certificate(job, bag);
	case NID_keyBag:
		return add_key(job, bag, PKCS12_SAFEBAG_get0_p8inf(bag));
	case NID_pkcs8ShroudedKeyBag:
		return add_shrouded_key(job, bag);
	case NID_safeContentsBag:
		if (nesting >= NESTING_MAX)
			return damaged(job, "bags within bags within bags");
		return add_bags(job, PKCS12_SAFEBAG_get0_safes(bag), nesting + 1);
	default:
		job->contents->n_ignored++;
		return 0;
	}
}

static int add_bags(struct p12_job *job, const STACK_OF(PKCS12_SAFEBAG) * bags, unsigned nesting)
{
	int r = 0;

	for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags) && r == 0; i++)
		r = add_bag(job, sk_PKCS12_SAFEBAG_value(bags, i), nesting);
	return r;
}

static int decrypt_safe(struct p12_job *job, PKCS7 *safe, STACK_OF(PKCS12_SAFEBAG) * *ret_bags)
{
	const X509_ALGOR *algorithm;
	STACK_OF(PKCS12_SAFEBAG) *bags = NULL;

	if (!safe->d.encrypted || !safe->d.encrypted->enc_data)
		return damaged(job, "an encrypted part is empty");
	algorithm = safe->d.encrypted->enc_data->algorithm;
	ERR_clear_error();
	for (size_t i = 0; i < job->input->passphrases->n && !bags; i++) {
		const char *text = p12_job_passphrase(job, i);
		int r = p12_job_spend_pbe(job, algorithm);

		if (r < 0)
			return r;
		bags = PKCS12_unpack_p7encdata(safe, text, text ? (int)strlen(text) : 0);
	}
	if (!bags)
		return decrypt_failed(job, algorithm);
	*ret_bags = bags;
	return 0;
}

static int read_safe(struct p12_job *job, PKCS7 *safe)
{
	_cleanup_(bags_free_p) STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
	int r = 0;

	switch (OBJ_obj2nid(safe->type)) {
	case NID_pkcs7_data:
		bags = PKCS12_unpack_p7data(safe);
		if (!bags)
			r = damaged(job, "a part cannot be read");
		break;
	case NID_pkcs7_encrypted:
		r = decrypt_safe(job, safe, &bags);
		break;
	default:
		r = unsupported(job, "the protection", safe->type);
	}
	return r < 0 ? r : add_bags(job, bags, 0);
}

/* With the context, which all that is taken out of it inherits. */
static int parse(struct p12_job *job, PKCS12 **ret_p12)
{
	_cleanup_(PKCS12_free_p) PKCS12 *p12 =
		PKCS12_init_ex(NID_pkcs7_data, job->input->library, NULL);
	const uint8_t *at = job->input->der, *end = at + job->input->size;

	if (!p12)
		return -ENOMEM;
	if (!d2i_PKCS12(&p12, &at, (long)job->input->size))
		return why_set(job->why, ERR_MALFORMED,
			       "this is not a PKCS#12 file, or it is damaged: export it again, "
			       "e.g. openssl pkcs12 -export "
			       "-in CERT -inkey KEY -certfile CHAIN -out FILE.p12");
	if (at != end)
		return why_set(job->why, ERR_MALFORMED,
			       "%td byte%s the end of the PKCS#12 file: it was changed on its "
			       "way: copy it again (in binary mode)",
			       end - at, end - at == 1 ? " follows" : "s follow");
	*ret_p12 = TAKE_PTR(p12);
	return 0;
}

int p12_read_libcrypto(struct p12_job *job)
{
	_cleanup_(PKCS12_free_p) PKCS12 *p12 = NULL;
	_cleanup_(safes_free_p) STACK_OF(PKCS7) *safes = NULL;
	int r = parse(job, &p12);

	if (r == 0)
		r = verify_mac(job, p12);
	if (r < 0)
		return r;
	safes = PKCS12_unpack_authsafes(p12);
	if (!safes)
		return no_parts(job);
	for (int i = 0; i < sk_PKCS7_num(safes) && r == 0; i++)
		r = read_safe(job, sk_PKCS7_value(safes, i));
	ERR_clear_error();
	return r;
}
