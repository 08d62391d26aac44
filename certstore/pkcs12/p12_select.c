/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of a file's certificates is the identity, and which key is its own. A match of public keys
 * decides; localKeyId only decides between matches, since nothing makes a file tell the truth
 * there.
 */
#include "certstore/pkcs12/p12_select.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"

#define SUBJECT_SHOWN 60 /* and so much of it names an identity */

void p12_objects_done(struct p12_objects *objects)
{
	for (size_t i = 0; i < objects->n_certificates; i++)
		X509_free(objects->certificates[i]);
	for (size_t i = 0; i < objects->n_keys; i++)
		EVP_PKEY_free(objects->keys[i]);
	*objects = (struct p12_objects){0};
}

/* Of one thing that is twice in a file, the label that says more. */
static bool is_better(const struct p12_label *label, const struct p12_label *than)
{
	if ((label->local_key_id.size > 0) != (than->local_key_id.size > 0))
		return label->local_key_id.size > 0;
	return *label->friendly_name && !*than->friendly_name;
}

static void add_certificate(struct p12_objects *objects, X509 *certificate,
			    const struct p12_label *label)
{
	for (size_t i = 0; i < objects->n_certificates; i++) {
		if (X509_cmp(objects->certificates[i], certificate) != 0)
			continue;
		if (is_better(label, objects->certificate_labels[i]))
			objects->certificate_labels[i] = label;
		X509_free(certificate);
		return;
	}
	objects->certificate_labels[objects->n_certificates] = label;
	objects->certificates[objects->n_certificates++] = certificate;
}

static int load_certificates(const struct p12_contents *contents, OSSL_LIB_CTX *library,
			     struct p12_objects *objects, struct why *why)
{
	for (size_t i = 0; i < contents->n_certificates; i++) {
		const struct p12_certificate *from = &contents->certificates[i];
		X509 *certificate = x509_from_der(library, from->der.data, from->der.size);

		if (!certificate)
			return why_set(why, ERR_MALFORMED,
				       "certificate %zu of %zu in the file cannot be read "
				       "(damaged, or its key is of "
				       "an unknown type): export the file again",
				       i + 1, contents->n_certificates);
		add_certificate(objects, certificate, &from->label);
	}
	return 0;
}

static void add_key(struct p12_objects *objects, EVP_PKEY *key, const struct p12_label *label)
{
	for (size_t i = 0; i < objects->n_keys; i++) {
		if (EVP_PKEY_eq(objects->keys[i], key) != 1)
			continue;
		if (is_better(label, objects->key_labels[i]))
			objects->key_labels[i] = label;
		EVP_PKEY_free(key);
		return;
	}
	objects->key_labels[objects->n_keys] = label;
	objects->keys[objects->n_keys++] = key;
}

static int load_keys(const struct p12_contents *contents, OSSL_LIB_CTX *library,
		     struct p12_objects *objects, struct why *why)
{
	for (size_t i = 0; i < contents->n_keys; i++) {
		const struct p12_key *from = &contents->keys[i];
		EVP_PKEY *key = x509_key_from_pkcs8(library, from->pkcs8.data, from->pkcs8.size);

		if (!key)
			return why_set(why, ERR_UNSUPPORTED,
				       "the private key in the file is damaged or of an "
				       "unknown type: use RSA, ECDSA or "
				       "Ed25519, and export it again");
		add_key(objects, key, &from->label);
	}
	return 0;
}

int p12_objects_init(const struct p12_contents *contents, OSSL_LIB_CTX *library,
		     struct p12_objects *ret_objects, struct why *ret_why)
{
	struct p12_objects objects = {0};
	int r = load_certificates(contents, library, &objects, ret_why);

	if (r == 0)
		r = load_keys(contents, library, &objects, ret_why);
	ERR_clear_error();
	if (r < 0)
		p12_objects_done(&objects);
	else
		*ret_objects = objects;
	return r;
}

static bool is_joined(const struct buf *a, const struct buf *b)
{
	return a->size > 0 && a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

static bool is_pair(const struct p12_objects *objects, size_t i_key, size_t i_certificate)
{
	return EVP_PKEY_eq(X509_get0_pubkey(objects->certificates[i_certificate]),
			   objects->keys[i_key]) == 1;
}

/* The best certificate for a key: joined by localKeyId, then valid longest. -1: there is none. */
static int find_leaf(const struct p12_objects *objects, size_t i_key, bool *ret_is_joined,
		     size_t *ret_n_others)
{
	int64_t best_end = INT64_MIN;
	int best = -1;

	*ret_is_joined = false;
	*ret_n_others = 0;
	for (size_t i = 0; i < objects->n_certificates; i++) {
		int64_t end = x509_time(X509_get0_notAfter(objects->certificates[i]));
		bool joined = is_joined(&objects->key_labels[i_key]->local_key_id,
					&objects->certificate_labels[i]->local_key_id);

		if (!is_pair(objects, i_key, i))
			continue;
		*ret_n_others += best >= 0;
		if (best >= 0 &&
		    (joined < *ret_is_joined || (joined == *ret_is_joined && end <= best_end)))
			continue;
		best = (int)i;
		best_end = end;
		*ret_is_joined = joined;
	}
	return best;
}

static int check_presence(const struct p12_objects *objects, struct why *why)
{
	if (objects->n_keys == 0 && objects->n_certificates == 0)
		return why_set(why, ERR_NO_KEY,
			       "the file holds neither a private key nor a certificate: "
			       "export it again, e.g. openssl "
			       "pkcs12 -export -in CERT -inkey KEY -certfile CHAIN -out FILE.p12");
	if (objects->n_keys == 0)
		return why_set(why, ERR_NO_KEY,
			       "the file holds %zu certificate(s) but no private key: "
			       "export it together with the "
			       "key (the key may have been marked as not exportable)",
			       objects->n_certificates);
	if (objects->n_certificates == 0)
		return why_set(why, ERR_NO_CERTIFICATE,
			       "the file holds a private key but no certificate: export it "
			       "together with its "
			       "certificate and chain");
	return 0;
}

static int mismatch(const struct p12_objects *objects, struct why *why)
{
	char name[X509_TEXT_MAX];

	return why_set(why, ERR_KEY_MISMATCH,
		       "the private key in the file belongs to none of its %zu "
		       "certificate(s) (the first is %s): "
		       "export the key with the certificate that was issued for it",
		       objects->n_certificates,
		       x509_name_text(X509_get_subject_name(objects->certificates[0]), name));
}

static const char *name_of(const struct p12_objects *objects, size_t i_key, size_t i_certificate)
{
	const char *name = objects->certificate_labels[i_certificate]->friendly_name;

	return *name ? name : objects->key_labels[i_key]->friendly_name;
}

static bool is_named(const struct p12_objects *objects, size_t i_key, size_t i_certificate,
		     const char *name)
{
	char subject[X509_TEXT_MAX];

	(void)x509_name_text(X509_get_subject_name(objects->certificates[i_certificate]), subject);
	/* keytool writes its aliases in lower case. Not every identity has a name: its
	 * certificate's subject is one, too. */
	return strcasecmp(objects->certificate_labels[i_certificate]->friendly_name, name) == 0 ||
	       strcasecmp(objects->key_labels[i_key]->friendly_name, name) == 0 ||
	       strncasecmp(subject, name, SUBJECT_SHOWN) == 0;
}

/* "vpn" (CN=vpn.example.net), ...: as many as there is room for. */
static void list_identities(const struct p12_objects *objects, struct buf *ret_text)
{
	for (size_t i = 0; i < objects->n_keys && ret_text->size < 240; i++) {
		char subject[X509_TEXT_MAX];
		bool joined;
		size_t n_others;
		int leaf = find_leaf(objects, i, &joined, &n_others);
		const char *name;

		if (leaf < 0)
			continue;
		name = name_of(objects, i, (size_t)leaf);
		(void)x509_name_text(X509_get_subject_name(objects->certificates[leaf]), subject);
		(void)buf_append_format(ret_text, "%s%s%.60s%s (%.*s)",
					ret_text->size > 0 ? ", " : "", *name ? "\"" : "no name",
					name, *name ? "\"" : "", SUBJECT_SHOWN, subject);
	}
}

static int ambiguous(const struct p12_objects *objects, size_t n_pairs, const char *wanted,
		     struct why *why)
{
	_cleanup_(buf_done) struct buf names = {0};

	list_identities(objects, &names);
	if (wanted && *wanted && n_pairs == 0)
		return why_set(why, ERR_NOT_FOUND,
			       "the file holds no identity with the friendly name \"%.64s\": it "
			       "has %s",
			       wanted, buf_text(&names));
	return why_set(why, ERR_UNSUPPORTED,
		       "the file holds %zu identities and does not say which is meant: choose one "
		       "with --friendly-name, by its name or the subject behind it: %s",
		       n_pairs, buf_text(&names));
}

/* What of the file fits the name; PAIRS and JOINED are how many do. */
static void choose(const struct p12_objects *objects, const char *friendly_name,
		   struct p12_choice *choice, size_t *ret_n_all, size_t *ret_n_pairs,
		   size_t *ret_n_joined)
{
	for (size_t i = 0; i < objects->n_keys; i++) {
		bool joined;
		size_t n_others;
		int leaf = find_leaf(objects, i, &joined, &n_others);

		*ret_n_all += leaf >= 0;
		if (leaf < 0 || (friendly_name && *friendly_name &&
				 !is_named(objects, i, (size_t)leaf, friendly_name)))
			continue;
		*ret_n_pairs += 1;
		*ret_n_joined += joined;
		if (*ret_n_pairs > 1 && !(joined && *ret_n_joined == 1))
			continue;
		choice->leaf = objects->certificates[leaf];
		choice->key = objects->keys[i];
		choice->n_other_leaves = n_others;
	}
}

int p12_select(const struct p12_objects *objects, const char *friendly_name,
	       struct p12_choice *ret_choice, struct why *ret_why)
{
	struct p12_choice choice = {0};
	size_t n_all = 0, n_pairs = 0, n_joined = 0;
	int r = check_presence(objects, ret_why);

	if (r < 0)
		return r;
	choose(objects, friendly_name, &choice, &n_all, &n_pairs, &n_joined);
	ERR_clear_error();
	if (n_all == 0)
		return mismatch(objects, ret_why);
	if (n_pairs == 0 || (n_pairs > 1 && n_joined != 1))
		return ambiguous(objects, n_pairs, friendly_name, ret_why);
	choice.n_other_keys = objects->n_keys - 1;
	*ret_choice = choice;
	return 0;
}
