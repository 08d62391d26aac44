/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is taken, and yet not as good as it looks: what clients will refuse, and what was left out.
 */
#include "certstore/pkcs12/p12_warnings.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

static void stack_free(STACK_OF(X509) * stack)
{
	sk_X509_free(stack);
}

CLEANUP_DEFINE(X509_STORE *, X509_STORE_free)
CLEANUP_DEFINE(X509_STORE_CTX *, X509_STORE_CTX_free)
CLEANUP_DEFINE(STACK_OF(X509) *, stack_free)

void p12_warn(struct identity *identity, const char *format, ...)
{
	char *text;
	va_list args;

	if (identity->n_warnings == IDENTITY_WARNINGS_MAX)
		return;
	text = identity->warnings[identity->n_warnings++];
	va_start(args, format);
	(void)vsnprintf(text, sizeof(identity->warnings[0]), format, args);
	va_end(args);
	utf8_clean(text);
}

static const char *subject_text(const X509 *certificate, char ret_text[static X509_TEXT_MAX])
{
	return x509_name_text(X509_get_subject_name(certificate), ret_text);
}

/* Who has the issuer's name, and not the key that signed: a damaged certificate looks like that,
 * and a CA that has another key by now. */
static bool warn_of_namesake(struct identity *identity, const struct chain *chain)
{
	X509 *last = chain->links[chain->n_links - 1];
	char name[X509_TEXT_MAX], issuer[X509_TEXT_MAX];

	for (size_t i = 0; i < chain->n_strangers && !chain->is_complete; i++) {
		if (X509_NAME_cmp(X509_get_subject_name(chain->strangers[i]),
				  X509_get_issuer_name(last)) != 0)
			continue;
		p12_warn(identity,
			 "the file's %.40s did not sign %.40s (one of them is damaged, or the CA "
			 "has another key): clients may refuse it",
			 subject_text(chain->strangers[i], issuer), subject_text(last, name));
		return true;
	}
	return false;
}

static void warn_of_issuers(struct identity *identity, const struct chain *chain, int64_t now)
{
	char name[X509_TEXT_MAX];

	for (size_t i = 1; i < chain->n_links; i++) {
		X509 *issuer = chain->links[i];

		if (x509_time(X509_get0_notAfter(issuer)) < now)
			p12_warn(identity,
				 "the issuer %.90s has expired: clients will refuse the chain",
				 subject_text(issuer, name));
		if (X509_check_ca(issuer) == 0)
			p12_warn(identity,
				 "the issuer %.80s is not marked as a CA: clients will refuse the "
				 "chain",
				 subject_text(issuer, name));
	}
	if (!warn_of_namesake(identity, chain) && chain->n_links == 1 && !chain->is_complete)
		p12_warn(identity,
			 "the file does not hold the issuer's certificate: most clients need it");
}

/* What is not said elsewhere: those of the chain's length, names and extensions. */
static bool is_of_path(int error)
{
	static const int errors[] = {
		X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, X509_V_ERR_PATH_LENGTH_EXCEEDED,
		X509_V_ERR_PERMITTED_VIOLATION,		 X509_V_ERR_EXCLUDED_VIOLATION,
		X509_V_ERR_KEYUSAGE_NO_CERTSIGN,	 X509_V_ERR_INVALID_EXTENSION,
	};

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		if (errors[i] == error)
			return true;
	}
	return false;
}

/* What a client finds that trusts the chain's end; signatures and dates are judged before. */
static int verify(const struct chain *chain, X509_STORE *store, X509_STORE_CTX *context,
		  STACK_OF(X509) * between)
{
	X509 *end = chain->links[chain->n_links - 1];

	for (size_t i = 1; i + 1 < chain->n_links; i++) {
		if (sk_X509_push(between, chain->links[i]) <= 0)
			return X509_V_OK;
	}
	if (X509_STORE_add_cert(store, end) != 1 ||
	    X509_STORE_CTX_init(context, store, chain->links[0], between) != 1)
		return X509_V_OK;
	X509_STORE_CTX_set_flags(context, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
	X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(context), 0);
	return X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
}

static void warn_of_path(struct identity *identity, const struct chain *chain,
			 OSSL_LIB_CTX *library)
{
	_cleanup_(X509_STORE_free_p) X509_STORE *store = X509_STORE_new();
	_cleanup_(X509_STORE_CTX_free_p) X509_STORE_CTX *context =
		X509_STORE_CTX_new_ex(library, NULL);
	_cleanup_(stack_free_p) STACK_OF(X509) *between = sk_X509_new_null();
	char name[X509_TEXT_MAX];
	int error =
		store && context && between ? verify(chain, store, context, between) : X509_V_OK;

	if (is_of_path(error) && X509_STORE_CTX_get_current_cert(context))
		p12_warn(identity, "clients will refuse the chain: %s (%.60s)",
			 X509_verify_cert_error_string(error),
			 subject_text(X509_STORE_CTX_get_current_cert(context), name));
	ERR_clear_error();
}

static void warn_of_strangers(struct identity *identity, const struct chain *chain)
{
	char name[X509_TEXT_MAX];

	if (chain->n_strangers == 0)
		return;
	(void)subject_text(chain->strangers[0], name);
	if (chain->n_strangers == 1)
		p12_warn(identity, "left out a certificate that is not part of the chain: %.90s",
			 name);
	else
		p12_warn(identity,
			 "left out %zu certificates that are not part of the chain: %.60s, ...",
			 chain->n_strangers, name);
}

static void warn_of_leaf(struct identity *identity)
{
	uint32_t faults = identity->public_part->usage_faults;

	if (identity->public_part->n_names == 0)
		p12_warn(identity, "the certificate names no host (no subjectAltName, or none that "
				   "could be a host's): clients will refuse it by name");
	if (identity->public_part->names_left_out > 0)
		p12_warn(identity,
			 "the certificate has %zu names, and %zu of them are listed: whether it "
			 "lacks "
			 "one that clients use is not checked",
			 identity->public_part->n_names + identity->public_part->names_left_out,
			 identity->public_part->n_names);
	if (faults & IDENTITY_NO_DIGITAL_SIGNATURE)
		p12_warn(identity,
			 "the certificate's key usage leaves out digitalSignature: clients "
			 "will refuse it");
	if (faults & IDENTITY_NO_SERVER_AUTH)
		p12_warn(identity, "the certificate's extended key usage leaves out serverAuth: "
				   "clients will refuse it");
}

static void warn_of_choice(struct identity *identity, const struct p12_choice *choice,
			   size_t n_ignored)
{
	if (choice->n_other_keys > 0)
		p12_warn(identity, "left out %zu other private key(s) of the file",
			 choice->n_other_keys);
	if (choice->n_other_leaves > 0)
		p12_warn(identity,
			 "the file holds %zu certificates for this key: took the one joined to it "
			 "or "
			 "valid longest",
			 choice->n_other_leaves + 1);
	if (n_ignored > 0)
		p12_warn(identity, "left out %zu %s neither certificate nor key", n_ignored,
			 n_ignored == 1 ? "entry that is" : "entries that are");
}

void p12_warn_of_import(struct identity *identity, const struct p12_choice *choice,
			const struct chain *chain, const struct identity_policy *policy,
			size_t n_ignored)
{
	warn_of_leaf(identity);
	warn_of_issuers(identity, chain, policy->now);
	warn_of_path(identity, chain, policy->library);
	warn_of_strangers(identity, chain);
	warn_of_choice(identity, choice, n_ignored);
}
