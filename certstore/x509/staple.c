/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With libcrypto, as the chain of an import: its clock can be given, and its check of who may sign
 * compares the issuer's key with what the response is about, not only its name.
 */
#include "certstore/x509/staple.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/objects.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/utc.h"
#include "certstore/x509/x509.h"

#define STRENGTH_LEVEL 1 /* of libcrypto: 80 bits, no SHA-1 */

CLEANUP_DEFINE(OCSP_RESPONSE *, OCSP_RESPONSE_free)
CLEANUP_DEFINE(OCSP_BASICRESP *, OCSP_BASICRESP_free)
CLEANUP_DEFINE(OCSP_CERTID *, OCSP_CERTID_free)
CLEANUP_DEFINE(X509_STORE *, X509_STORE_free)

/* What is compared: certificates as libcrypto has them. */
struct subject {
	X509 *leaf, *issuer;
	int64_t now;
};

struct answer {
	int status, reason;
	int64_t revoked_at, this_update, next_update, produced_at;
	bool has_next;
};

static int open_response(const uint8_t *der, size_t size, OCSP_BASICRESP **ret_basic,
			 struct why *why)
{
	_cleanup_(OCSP_RESPONSE_free_p) OCSP_RESPONSE *response = NULL;
	const uint8_t *at = der;
	int status;

	if (size > STAPLE_RESPONSE_MAX)
		return why_set(why, ERR_TOO_LARGE,
			       "the OCSP response is larger than %u bytes: it is sent in each "
			       "handshake, ask for one without further certificates",
			       STAPLE_RESPONSE_MAX);
	response = d2i_OCSP_RESPONSE(NULL, &at, (long)size);
	if (!response || at != der + size)
		return why_set(why, ERR_MALFORMED,
			       "this is no OCSP response in DER, as openssl ocsp -respout FILE "
			       "writes one");
	status = OCSP_response_status(response);
	if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		return why_set(why, ERR_UNSUPPORTED,
			       "the responder gave no answer (%s): ask it again",
			       OCSP_response_status_str(status));
	*ret_basic = OCSP_response_get1_basic(response);
	return *ret_basic ? 0
			  : why_set(why, ERR_UNSUPPORTED,
				    "the response is no basic OCSP response: no client "
				    "understands it");
}

/* By the digest that the response itself used. */
static bool is_about(OCSP_SINGLERESP *single, const struct subject *subject)
{
	_cleanup_(OCSP_CERTID_free_p) OCSP_CERTID *wanted = NULL;
	OCSP_CERTID *id = (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single);
	ASN1_OBJECT *algorithm = NULL;
	const EVP_MD *digest;

	if (!id || OCSP_id_get0_info(NULL, &algorithm, NULL, NULL, id) != 1)
		return false;
	digest = EVP_get_digestbyobj(algorithm);
	if (digest)
		wanted = OCSP_cert_to_id(digest, subject->leaf, subject->issuer);
	return wanted && OCSP_id_cmp(wanted, id) == 0;
}

/* Clients differ in which one of several they look at. */
static int find_single(OCSP_BASICRESP *basic, const struct subject *subject,
		       OCSP_SINGLERESP **ret_single, struct why *why)
{
	int n = OCSP_resp_count(basic);

	if (n > 1)
		return why_set(
			why, ERR_UNSUPPORTED,
			"the response is about %d certificates, of which some clients see the "
			"first only: ask about this one alone (openssl ocsp with one -cert)",
			n);
	*ret_single = n == 1 ? OCSP_resp_get0(basic, 0) : NULL;
	if (!*ret_single || !is_about(*ret_single, subject))
		return why_set(why, ERR_DIFFERS,
			       "the response is about another certificate, not the trustpoint's: "
			       "it has to name that one's serial number and issuer");
	return 0;
}

static bool is_weak(const OCSP_BASICRESP *basic)
{
	return x509_is_weak_signature(OCSP_resp_get0_tbs_sigalg(basic));
}

/* A client refuses the response from then on. INT64_MIN: it is not known. */
static int64_t signers_end(OCSP_BASICRESP *basic, const struct subject *subject,
			   STACK_OF(X509) * signers)
{
	int64_t end = x509_time(X509_get0_notAfter(subject->issuer)), other = INT64_MIN;
	X509 *signer = NULL;

	if (OCSP_resp_get0_signer(basic, &signer, signers) == 1 && signer)
		other = x509_time(X509_get0_notAfter(signer));
	return other < end ? other : end;
}

/* Whose end libcrypto found, or found to be to come. */
static int why_unverified(struct why *why)
{
	unsigned long reason = ERR_peek_last_error();
	const char *text = NULL;
	int flags = 0;

	(void)ERR_peek_last_error_data(&text, &flags);
	if (ERR_GET_REASON(reason) == OCSP_R_CERTIFICATE_VERIFY_ERROR && (flags & ERR_TXT_STRING) &&
	    text &&
	    (strstr(text, X509_verify_cert_error_string(X509_V_ERR_CERT_HAS_EXPIRED)) ||
	     strstr(text, X509_verify_cert_error_string(X509_V_ERR_CERT_NOT_YET_VALID))))
		return why_set(
			why, ERR_EXPIRED,
			"the certificate of who signed the response is not valid now (it has "
			"ended, or begins later): no client believes it, ask the responder "
			"again");
	return why_set(why, ERR_INTEGRITY,
		       "the response is not signed by the issuer of the certificate, nor by a "
		       "responder that it made one (extended key usage OCSP signing): no client "
		       "believes it");
}

/* The issuer is all that is trusted: itself, or who has a certificate of it for this purpose (RFC
 * 6960 section 4.2.2.2). */
static int check_signature(OCSP_BASICRESP *basic, const struct subject *subject, int64_t *ret_end,
			   struct why *why)
{
	_cleanup_(X509_STORE_free_p) X509_STORE *store = X509_STORE_new();
	STACK_OF(X509) *signers = sk_X509_new_null();
	X509_VERIFY_PARAM *rules = store ? X509_STORE_get0_param(store) : NULL;
	bool is_made = rules && signers && X509_STORE_add_cert(store, subject->issuer) == 1 &&
		       sk_X509_push(signers, subject->issuer) > 0;
	int r = is_made ? 0 : -ENOMEM;

	if (r == 0) {
		X509_VERIFY_PARAM_set_time(rules, (time_t)subject->now);
		X509_VERIFY_PARAM_set_auth_level(rules, STRENGTH_LEVEL);
		(void)X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
		if (OCSP_basic_verify(basic, signers, store, OCSP_NOEXPLICIT) != 1)
			r = why_unverified(why);
	}
	if (r == 0)
		*ret_end = signers_end(basic, subject, signers);
	sk_X509_free(signers);
	return r;
}

static int64_t generalized(const ASN1_GENERALIZEDTIME *time)
{
	return x509_time((const ASN1_TIME *)time);
}

static int read_answer(OCSP_BASICRESP *basic, OCSP_SINGLERESP *single, struct answer *ret_answer)
{
	ASN1_GENERALIZEDTIME *revoked = NULL, *this_update = NULL, *next_update = NULL;

	ret_answer->status = OCSP_single_get0_status(single, &ret_answer->reason, &revoked,
						     &this_update, &next_update);
	ret_answer->has_next = next_update != NULL;
	ret_answer->this_update = generalized(this_update);
	ret_answer->next_update = next_update ? generalized(next_update) : 0;
	ret_answer->revoked_at = generalized(revoked);
	ret_answer->produced_at = generalized(OCSP_resp_get0_produced_at(basic));
	return ret_answer->this_update == INT64_MIN || ret_answer->next_update == INT64_MIN ||
			       ret_answer->produced_at == INT64_MIN
		       ? ERR_MALFORMED
		       : 0;
}

static int check_status(const struct answer *answer, struct why *why)
{
	char at[UTC_TEXT_MAX];

	if (answer->status == V_OCSP_CERTSTATUS_GOOD)
		return 0;
	if (answer->status != V_OCSP_CERTSTATUS_REVOKED)
		return why_set(why, ERR_NOT_FOUND,
			       "the responder does not know the certificate (status unknown): ask "
			       "the one of its issuer");
	return why_set(why, ERR_REVOKED,
		       "the issuer has revoked the certificate (%s, at %s): clients will refuse "
		       "it, have another one issued",
		       answer->reason >= 0 ? OCSP_crl_reason_str(answer->reason)
					   : "no reason given",
		       answer->revoked_at == INT64_MIN ? "an unknown time"
						       : utc_text(answer->revoked_at, at));
}

static int check_times(const struct answer *answer, int64_t now, struct why *why)
{
	char at[UTC_TEXT_MAX];

	/* That it is revoked is not less so: newer information is there at any time (RFC 6960
	 * section 4.2.2.1). */
	if (!answer->has_next && answer->status != V_OCSP_CERTSTATUS_REVOKED)
		return why_set(why, ERR_UNSUPPORTED,
			       "the response has no nextUpdate: how long it may be sent is not "
			       "known (openssl ocsp -ndays says it)");
	if (answer->has_next && answer->next_update <= answer->this_update)
		return why_set(why, ERR_MALFORMED,
			       "the response ends before it begins (thisUpdate, nextUpdate)");
	if (answer->this_update > now + STAPLE_SKEW_S)
		return why_set(why, ERR_NOT_YET_VALID,
			       "the response is good from %s on only: look at the clocks of this "
			       "unit and of the responder",
			       utc_text(answer->this_update, at));
	if (answer->has_next && answer->next_update <= now)
		return why_set(why, ERR_EXPIRED, "the response ended at %s: ask for a new one",
			       utc_text(answer->next_update, at));
	return 0;
}

static int make_staple(const uint8_t *der, size_t size, const struct answer *answer,
		       Asafo__Record__Staple **ret_staple)
{
	Asafo__Record__Staple *staple = malloc(sizeof(*staple));
	uint8_t *response = malloc(size);

	if (!staple || !response) {
		free(staple);
		free(response);
		return -ENOMEM;
	}
	memcpy(response, der, size);
	asafo__record__staple__init(staple);
	staple->response = (ProtobufCBinaryData){size, response};
	staple->this_update = answer->this_update;
	staple->next_update = answer->next_update;
	staple->produced_at = answer->produced_at;
	if (answer->status == V_OCSP_CERTSTATUS_REVOKED) {
		staple->is_revoked = true;
		staple->next_update = answer->this_update;
		staple->revoked_at = answer->revoked_at == INT64_MIN ? 0 : answer->revoked_at;
	}
	*ret_staple = staple;
	return 0;
}

static int check_all(const uint8_t *der, size_t size, const struct subject *subject,
		     Asafo__Record__Staple **ret_staple, struct why *why)
{
	_cleanup_(OCSP_BASICRESP_free_p) OCSP_BASICRESP *basic = NULL;
	struct answer answer = {0};
	OCSP_SINGLERESP *single = NULL;
	int64_t end = INT64_MIN;
	int r = open_response(der, size, &basic, why);

	if (r == 0)
		r = find_single(basic, subject, &single, why);
	if (r < 0)
		return r;
	if (is_weak(basic))
		return why_set(why, ERR_WEAK,
			       "the response is signed with a digest that clients refuse (SHA-1 or "
			       "older): ask another responder of the issuer");
	r = check_signature(basic, subject, &end, why);
	if (r == 0 && (read_answer(basic, single, &answer) < 0 || end == INT64_MIN))
		r = why_set(why, ERR_MALFORMED, "a time in the response is none");
	if (end < answer.next_update)
		answer.next_update = end;
	/* An old answer says nothing, be it that it was revoked: it may be on hold no more. */
	if (r == 0 && answer.status != V_OCSP_CERTSTATUS_UNKNOWN)
		r = check_times(&answer, subject->now, why);
	if (r < 0)
		return r;
	r = check_status(&answer, why);
	if ((r == 0 || r == ERR_REVOKED) && make_staple(der, size, &answer, ret_staple) < 0)
		r = -ENOMEM;
	return r;
}

int staple_read(const uint8_t *der, size_t size, const struct staple_question *question,
		Asafo__Record__Staple **ret_staple, struct why *ret_why)
{
	_cleanup_(X509_free_p) X509 *leaf =
		x509_from_der(NULL, question->leaf, question->leaf_size);
	_cleanup_(X509_free_p) X509 *issuer =
		x509_from_der(NULL, question->issuer, question->issuer_size);
	struct subject subject = {leaf, issuer, question->now};
	int r;

	if (!leaf || !issuer)
		return why_set(ret_why, ERR_MALFORMED,
			       "the trustpoint's certificate or its issuer's cannot be read");
	r = check_all(der, size, &subject, ret_staple, ret_why);
	ERR_clear_error();
	return r;
}
