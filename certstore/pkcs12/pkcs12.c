/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The import's checks, in the order in which an operator can mend them: size, format, passphrase,
 * contents, key, strength, dates. The first that fails is the one reason that is told. GnuTLS reads
 * the file; what it cannot read, libcrypto reads.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/utc.h"
#include "base/utf8.h"
#include "certstore/pkcs12/chain.h"
#include "certstore/pkcs12/p12_select.h"
#include "certstore/pkcs12/p12_warnings.h"

#define EXPIRY_NOTICE (30 * INT64_C(86400))
#define CLOCKS_TEXT_MAX 128

static const char *subject_text(const X509 *certificate, char ret_text[static X509_TEXT_MAX])
{
	return x509_name_text(X509_get_subject_name(certificate), ret_text);
}

static bool lacks_names(const struct p12_contents *contents)
{
	for (size_t i = 0; i < contents->n_keys; i++) {
		if (!*contents->keys[i].label.friendly_name)
			return contents->n_keys > 1;
	}
	return false;
}

/* Of several identities the operator chooses one by its name, and GnuTLS knows of names in one type
 * of string only. What libcrypto cannot read stays as it was read. */
static int read_names(struct p12_job *job)
{
	_cleanup_(p12_contents_done) struct p12_contents again = {0};
	struct why why = {0};
	struct p12_job second = *job;
	int r;

	if (!lacks_names(job->contents))
		return 0;
	second.contents = &again;
	second.why = &why;
	second.i_passphrase = 0;
	second.has_mac = false;
	r = p12_read_libcrypto(&second);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	p12_contents_done(job->contents);
	*job->contents = again;
	again = (struct p12_contents){0};
	return 0;
}

static int read_file(const uint8_t *data, size_t size, const struct p12_passphrases *passphrases,
		     const struct identity_policy *policy, struct p12_contents *contents,
		     struct why *why)
{
	_cleanup_(buf_wipe) struct buf der = {0};
	struct p12_input input = {
		.passphrases = passphrases,
		.allow_no_mac = policy->allow_no_mac,
		.library = policy->library,
	};
	struct p12_job job = {
		.input = &input,
		.contents = contents,
		.rounds_left = P12_ROUNDS_MAX,
		.why = why,
	};
	int r;

	if (p12_is_pem(data, size)) {
		input.der = data;
		input.size = size;
		return p12_read_pem(&job);
	}
	r = p12_unwrap(data, size, &der, why);
	if (r < 0)
		return r;
	input.der = der.data;
	input.size = der.size;
	r = p12_read_gnutls(&job);
	if (r != ERR_UNSUPPORTED && r != ERR_MALFORMED)
		return r == 0 ? read_names(&job) : r;
	p12_contents_done(contents);
	job.i_passphrase = 0;
	job.has_mac = false;
	return p12_read_libcrypto(&job);
}

/* A signature that the certificate verifies is the only proof that the private half is whole. */
static bool key_works(X509 *leaf, EVP_PKEY *key, OSSL_LIB_CTX *library)
{
	static const uint8_t probe[] = "asafo: does this key belong to this certificate?";
	_cleanup_(EVP_MD_CTX_free_p) EVP_MD_CTX *signing = EVP_MD_CTX_new();
	_cleanup_(EVP_MD_CTX_free_p) EVP_MD_CTX *verifying = EVP_MD_CTX_new();
	int type = EVP_PKEY_get_base_id(key);
	char name[32] = "";
	const char *digest = "SHA256";
	uint8_t signature[2048];
	size_t size = sizeof(signature);
	bool works;

	if (type == EVP_PKEY_ED25519 || type == EVP_PKEY_ED448)
		digest = NULL;
	/* One of RSA-PSS may say which digest it is for (RFC 4055 section 3.1). */
	else if (EVP_PKEY_get_default_digest_name(key, name, sizeof(name)) == 2)
		digest = name;
	works = signing && verifying &&
		EVP_DigestSignInit_ex(signing, NULL, digest, library, NULL, key, NULL) == 1 &&
		EVP_DigestSign(signing, signature, &size, probe, sizeof(probe)) == 1 &&
		EVP_DigestVerifyInit_ex(verifying, NULL, digest, library, NULL,
					X509_get0_pubkey(leaf), NULL) == 1 &&
		EVP_DigestVerify(verifying, signature, size, probe, sizeof(probe)) == 1;
	ERR_clear_error();
	return works;
}

/* Both clocks, where the mate's is known to be another. */
static const char *clocks_text(const struct identity_policy *policy,
			       char ret_text[static CLOCKS_TEXT_MAX])
{
	char own[UTC_TEXT_MAX], mates[UTC_TEXT_MAX];
	int64_t apart = policy->mate_now - policy->now;

	(void)utc_text(policy->now, own);
	(void)snprintf(ret_text, CLOCKS_TEXT_MAX, "this unit's clock says %s", own);
	if (policy->mate_now != 0 && (apart < -1 || apart > 1))
		(void)snprintf(ret_text, CLOCKS_TEXT_MAX,
			       "this unit's clock says %s, the mate's says %s", own,
			       utc_text(policy->mate_now, mates));
	return ret_text;
}

/* What was issued a moment ago is not refused for the moment that the mate is behind. */
#define MATE_LAG_S 60

/* What the mate could not serve after a failover. What stays on this unit does not concern it. */
static int check_mate_dates(const struct identity *identity, const struct identity_policy *policy,
			    struct why *why)
{
	const Asafo__Record__TrustpointPublic *public = identity->public_part;
	int64_t apart = policy->mate_now - policy->now;
	char date[UTC_TEXT_MAX], clocks[CLOCKS_TEXT_MAX];

	if (policy->mate_now == 0 || identity->is_local_ca || (apart > -2 && apart < 2))
		return 0;
	(void)clocks_text(policy, clocks);
	if (public->not_before > policy->mate_now + MATE_LAG_S)
		return why_set(why, ERR_NOT_YET_VALID,
			       "the certificate %.120s is valid only from %s on, which by the "
			       "mate's clock is yet to come (%s): set the clock that is wrong, or "
			       "import it then",
			       public->subject, utc_text(public->not_before, date), clocks);
	if (public->not_after < policy->mate_now && !policy->allow_expired)
		return why_set(why, ERR_EXPIRED,
			       "by the mate's clock the certificate %.120s expired on %s (%s): set "
			       "the clock that is wrong, or renew it and import the new one",
			       public->subject, utc_text(public->not_after, date), clocks);
	return 0;
}

static int check_dates(struct identity *identity, const struct identity_policy *policy,
		       struct why *why)
{
	const Asafo__Record__TrustpointPublic *public = identity->public_part;
	char date[UTC_TEXT_MAX], clocks[CLOCKS_TEXT_MAX];

	(void)clocks_text(policy, clocks);
	if (public->not_before > policy->now)
		return why_set(why, ERR_NOT_YET_VALID,
			       "the certificate %.120s is valid only from %s on (%s): set the "
			       "clock, or import it then",
			       public->subject, utc_text(public->not_before, date), clocks);
	(void)utc_text(public->not_after, date);
	if (public->not_after < policy->now && !policy->allow_expired)
		return why_set(why, ERR_EXPIRED,
			       "the certificate %.120s expired on %s (%s): renew it and import the "
			       "new one",
			       public->subject, date, clocks);
	if (public->not_after < policy->now)
		p12_warn(identity, "the certificate expired on %s: clients will refuse it", date);
	else if (public->not_after - policy->now < EXPIRY_NOTICE)
		p12_warn(identity, "the certificate expires soon, on %s", date);
	return check_mate_dates(identity, policy, why);
}

static int describe(const struct chain *chain, struct identity *identity, struct why *why)
{
	struct buf certificates[1 + IDENTITY_CHAIN_MAX] = {0};
	int r = 0;

	for (size_t i = 0; i < chain->n_links && r == 0; i++) {
		if (x509_is_compressed(chain->links[i]))
			r = why_set(why, ERR_UNSUPPORTED,
				    "a certificate in the file has a "
				    "compressed public key, which most clients do not take: have "
				    "it issued with an uncompressed one");
		if (r == 0)
			r = x509_key_id(chain->links[i], identity->key_ids[i]);
		if (r == 0)
			r = x509_to_der(chain->links[i], &certificates[i]);
	}
	identity->n_key_ids = chain->n_links;
	if (r == 0)
		r = identity_describe(certificates, chain->n_links, &identity->public_part);
	for (size_t i = 0; i < chain->n_links; i++)
		buf_done(&certificates[i]);
	if (r == ERR_MALFORMED)
		return why_set(why, r,
			       "a certificate in the file breaks the rules of X.509: have "
			       "it issued again");
	if (r == 0)
		identity->public_part->chain_complete = chain->is_complete;
	return r;
}

static int check_certificate_sizes(const Asafo__Record__TrustpointPublic *public, struct why *why)
{
	size_t largest = public->leaf.len;

	for (size_t i = 0; i < public->n_chain; i++)
		largest = public->chain[i].len > largest ? public->chain[i].len : largest;
	if (largest <= IDENTITY_CERTIFICATE_MAX)
		return 0;
	return why_set(why, ERR_TOO_LARGE,
		       "a certificate of %zu bytes cannot be served to clients (%u at most): have "
		       "it issued with fewer names",
		       largest, IDENTITY_CERTIFICATE_MAX);
}

static int check_size(const struct identity *identity, struct why *why)
{
	size_t size = asafo__record__trustpoint_public__get_packed_size(identity->public_part) +
		      identity->key.size;

	if (size <= IDENTITY_RECORD_MAX)
		return 0;
	return why_set(why, ERR_TOO_LARGE,
		       "the certificate and its chain take %zu bytes, more than the %u that a "
		       "trustpoint may: use a smaller "
		       "certificate",
		       size, (unsigned)(IDENTITY_RECORD_MAX));
}

static int key_is_broken(const X509 *leaf, struct why *why)
{
	char name[X509_TEXT_MAX];

	return why_set(why, ERR_KEY_MISMATCH,
		       "the private key in the file is damaged (what it signs, %s does not "
		       "verify): export it again",
		       subject_text(leaf, name));
}

/* The operator may have said that what is weak is taken, too. */
static int judge_strength(const struct chain *chain, const struct identity_policy *policy,
			  struct identity *identity, struct why *why)
{
	struct why weak = {0};
	int r = chain_check_strength(chain, &weak);

	if (r == ERR_WEAK && policy->allow_weak) {
		/* Without what could be done about it. */
		if (strrchr(weak.text, ':'))
			*strrchr(weak.text, ':') = '\0';
		p12_warn(identity, "%s", weak.text);
		return 0;
	}
	if (r < 0 && why)
		*why = weak;
	return r;
}

/* From the choice on: strength, what the keeper stores, home or not, dates. */
static int fill(const struct p12_choice *choice, const struct chain *chain,
		const struct identity_policy *policy, struct identity *identity, struct why *why)
{
	int r = judge_strength(chain, policy, identity, why);

	if (r < 0)
		return r;
	if (!key_works(choice->leaf, choice->key, policy->library))
		return key_is_broken(choice->leaf, why);
	r = describe(chain, identity, why);
	if (r == 0)
		r = x509_key_to_pkcs8(choice->key, &identity->key);
	if (r == 0)
		r = check_certificate_sizes(identity->public_part, why);
	if (r == 0)
		r = check_size(identity, why);
	if (r < 0)
		return r;
	r = chain_is_local(chain, policy->library, policy->local_cas, policy->n_local_cas,
			   &identity->is_local_ca);
	if (r < 0)
		return why_set(
			why, ERR_STORE,
			"the certificate of this unit's local CA cannot be read: check the store");
	identity->is_mate_ca = !identity->is_local_ca &&
			       chain_is_marked(chain, policy->mate_cas, policy->n_mate_cas);
	identity->is_local_ca = identity->is_local_ca || identity->is_mate_ca;
	return check_dates(identity, policy, why);
}

static int import_contents(const struct p12_contents *contents,
			   const struct identity_policy *policy, struct identity *identity,
			   struct why *why)
{
	_cleanup_(p12_objects_done) struct p12_objects objects = {0};
	struct p12_choice choice;
	struct chain chain;
	int r = p12_objects_init(contents, policy->library, &objects, why);

	if (r == 0)
		r = p12_select(&objects, policy->friendly_name, &choice, why);
	if (r == 0)
		r = chain_build(choice.leaf, objects.certificates, objects.n_certificates,
				policy->now, &chain, why);
	if (r == 0)
		r = fill(&choice, &chain, policy, identity, why);
	if (r < 0)
		return r;
	p12_warn_of_import(identity, &choice, &chain, policy, contents->n_ignored);
	return 0;
}

/* Sets DATA and SIZE to the text in STORAGE where they are one that Windows marked. */
static int unmark(const uint8_t **data, size_t *size, struct buf *storage)
{
	int r = utf8_unmark(*data, *size, storage);

	if (r == 0 && storage->size > 0) {
		*data = storage->data;
		*size = storage->size;
	}
	return r;
}

static int import_file(const uint8_t *data, size_t size, const struct secret *passphrase,
		       const struct identity_policy *policy, struct identity *identity,
		       struct why *why)
{
	_cleanup_(p12_passphrases_done) struct p12_passphrases passphrases = {0};
	_cleanup_(p12_contents_done) struct p12_contents contents = {0};
	_cleanup_(buf_wipe) struct buf text = {0};
	int r;

	if (size > IDENTITY_FILE_MAX)
		return why_set(why, ERR_TOO_LARGE,
			       "the file is larger than %u bytes: export one identity with "
			       "its chain alone",
			       IDENTITY_FILE_MAX);
	r = p12_passphrases_init(&passphrases, passphrase, why);
	if (r == 0)
		r = unmark(&data, &size, &text);
	if (r == 0)
		r = read_file(data, size, &passphrases, policy, &contents, why);
	return r < 0 ? r : import_contents(&contents, policy, identity, why);
}

int identity_from_file(const uint8_t *data, size_t size, const struct secret *passphrase,
		       const struct identity_policy *policy, struct identity *ret_identity,
		       struct why *ret_why)
{
	_cleanup_(identity_done) struct identity identity = {0};
	struct why why = {0};
	int r = import_file(data, size, passphrase, policy, &identity, &why);

	if (r < 0)
		return why_set(ret_why, r, "%s", *why.text ? why.text : err_text(r));
	*ret_identity = identity;
	identity = (struct identity){0};
	return 0;
}

/* ---- a CA's certificate alone ---- */

static int ca_contents(const uint8_t *data, size_t size, const struct identity_policy *policy,
		       struct p12_contents *contents, struct why *why)
{
	struct p12_passphrases passphrases = {.n = 1};
	_cleanup_(buf_wipe) struct buf der = {0};
	struct p12_input input = {
		.der = data, .size = size, .passphrases = &passphrases, .library = policy->library};
	struct p12_job job = {.input = &input, .contents = contents, .why = why};
	int r;

	if (p12_is_pem(data, size)) {
		r = p12_read_pem(&job);
		/* A key that nobody asked for need not be opened to be refused. */
		return r == ERR_BAD_PASSPHRASE || r == ERR_WEAK
			       ? why_set(why, ERR_MALFORMED,
					 "the file holds a private key: a CA's trustpoint takes "
					 "its certificate alone")
			       : r;
	}
	r = p12_unwrap_ca(data, size, &der, why);
	return r < 0 ? r : p12_job_add_certificate(&job, der.data, der.size, NULL);
}

static int check_ca(X509 *certificate, struct why *why)
{
	char name[X509_TEXT_MAX];

	if (X509_check_ca(certificate) == 1)
		return 0;
	ERR_clear_error();
	return why_set(
		why, ERR_UNSUPPORTED,
		"the certificate %s is not a CA's (its basicConstraints do not say so): give "
		"the certificate of the CA that issues, or import this one with its key",
		subject_text(certificate, name));
}

static int ca_from_contents(const struct p12_contents *contents,
			    const struct identity_policy *policy, struct identity *identity,
			    struct why *why)
{
	_cleanup_(p12_objects_done) struct p12_objects objects = {0};
	struct chain chain = {.n_links = 1};
	int r;

	if (contents->n_keys > 0 || contents->n_certificates != 1)
		return why_set(why, ERR_MALFORMED,
			       "the file holds %zu certificate(s) and %zu private key(s): a CA's "
			       "trustpoint takes one certificate and no key",
			       contents->n_certificates, contents->n_keys);
	r = p12_objects_init(contents, policy->library, &objects, why);
	if (r < 0)
		return r;
	chain.links[0] = objects.certificates[0];
	chain.is_complete = x509_is_self_signed(chain.links[0]);
	r = check_ca(chain.links[0], why);
	if (r == 0)
		r = judge_strength(&chain, policy, identity, why);
	if (r == 0)
		r = describe(&chain, identity, why);
	if (r == 0)
		r = chain_is_local(&chain, policy->library, policy->local_cas, policy->n_local_cas,
				   &identity->is_local_ca);
	if (r < 0)
		return r;
	identity->is_mate_ca = !identity->is_local_ca &&
			       chain_is_marked(&chain, policy->mate_cas, policy->n_mate_cas);
	identity->is_local_ca = identity->is_local_ca || identity->is_mate_ca;
	identity->public_part->is_ca = true;
	return check_dates(identity, policy, why);
}

int identity_ca_from_file(const uint8_t *data, size_t size, const struct identity_policy *policy,
			  struct identity *ret_identity, struct why *ret_why)
{
	_cleanup_(p12_contents_done) struct p12_contents contents = {0};
	_cleanup_(identity_done) struct identity identity = {0};
	_cleanup_(buf_wipe) struct buf text = {0};
	struct why why = {0};
	int r = unmark(&data, &size, &text);

	if (r == 0)
		r = ca_contents(data, size, policy, &contents, &why);
	if (r == 0)
		r = ca_from_contents(&contents, policy, &identity, &why);
	if (r < 0)
		return why_set(ret_why, r, "%s", *why.text ? why.text : err_text(r));
	*ret_identity = identity;
	identity = (struct identity){0};
	return 0;
}
