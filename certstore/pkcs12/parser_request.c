/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is held against, as the zygote reads it. */
#include "certstore/pkcs12/parser_request.h"

#include "base/err.h"
#include "certstore/pkcs12/parser_zygote.h"

#define LOCAL_CAS_SIZE_MAX (64u * 1024)
#define LOCAL_CAS_MAX 16
#define MARK_MAX 128

struct packed_mark {
	uint8_t bytes[MARK_MAX];
	size_t size;
};

static int pack_mark(const struct identity_ca_mark *mark, struct packed_mark *ret_packed)
{
	Asafo__Record__LocalCaMark message = ASAFO__RECORD__LOCAL_CA_MARK__INIT;

	message.key_id.data = (uint8_t *)(uintptr_t)mark->key_id;
	message.key_id.len = mark->key_id_size;
	message.subject_key_id.data = (uint8_t *)(uintptr_t)mark->subject_key_id;
	message.subject_key_id.len = mark->subject_key_id_size;
	if (asafo__record__local_ca_mark__get_packed_size(&message) > MARK_MAX)
		return ERR_TOO_LARGE;
	ret_packed->size = asafo__record__local_ca_mark__pack(&message, ret_packed->bytes);
	return 0;
}

static int pack(const Asafo__Record__ParseRequest *request, struct buf *ret_packed)
{
	size_t size = asafo__record__parse_request__get_packed_size(request);
	int r = size > PARSER_REQUEST_MAX ? ERR_TOO_LARGE : buf_reserve(ret_packed, size);

	if (r == 0)
		ret_packed->size = asafo__record__parse_request__pack(request, ret_packed->data);
	return r;
}

static int pack_request(const struct identity_policy *policy, bool has_passphrase,
			struct buf *ret_packed)
{
	Asafo__Record__ParseRequest request = ASAFO__RECORD__PARSE_REQUEST__INIT;
	ProtobufCBinaryData local_cas[LOCAL_CAS_MAX];
	ProtobufCBinaryData mate_cas[LOCAL_CAS_MAX];
	struct packed_mark marks[LOCAL_CAS_MAX];
	size_t size = 0;
	int r;

	if (policy->n_local_cas > LOCAL_CAS_MAX || policy->n_mate_cas > LOCAL_CAS_MAX)
		return ERR_TOO_LARGE;
	for (size_t i = 0; i < policy->n_mate_cas; i++) {
		r = pack_mark(&policy->mate_cas[i], &marks[i]);
		if (r < 0)
			return r;
		mate_cas[i] = (ProtobufCBinaryData){marks[i].size, marks[i].bytes};
	}
	for (size_t i = 0; i < policy->n_local_cas; i++) {
		local_cas[i] =
			(ProtobufCBinaryData){policy->local_cas[i].size, policy->local_cas[i].data};
		size += policy->local_cas[i].size;
	}
	if (size > LOCAL_CAS_SIZE_MAX)
		return ERR_TOO_LARGE;
	request.now = policy->now;
	request.allow_no_mac = policy->allow_no_mac;
	request.allow_expired = policy->allow_expired;
	request.allow_weak = policy->allow_weak;
	request.has_passphrase = has_passphrase;
	request.local_cas = local_cas;
	request.n_local_cas = policy->n_local_cas;
	request.mate_cas = mate_cas;
	request.n_mate_cas = policy->n_mate_cas;
	request.friendly_name =
		(char *)(uintptr_t)(policy->friendly_name ? policy->friendly_name : "");
	request.mate_now = policy->mate_now;
	request.wants_ca = policy->wants_ca;
	return pack(&request, ret_packed);
}

static int pack_staple_request(const struct staple_question *question, struct buf *ret_packed)
{
	Asafo__Record__ParseRequest request = ASAFO__RECORD__PARSE_REQUEST__INIT;

	request.now = question->now;
	request.staple_leaf =
		(ProtobufCBinaryData){question->leaf_size, (uint8_t *)(uintptr_t)question->leaf};
	request.staple_issuer = (ProtobufCBinaryData){question->issuer_size,
						      (uint8_t *)(uintptr_t)question->issuer};
	return pack(&request, ret_packed);
}

static int pack_crl_request(const struct crl_question *question, struct buf *ret_packed)
{
	Asafo__Record__ParseRequest request = ASAFO__RECORD__PARSE_REQUEST__INIT;

	request.now = question->now;
	request.crl_issuer = (ProtobufCBinaryData){question->issuer_size,
						   (uint8_t *)(uintptr_t)question->issuer};
	return pack(&request, ret_packed);
}

int parser_request_pack(const struct parser_question *question, bool has_passphrase,
			struct buf *ret_packed)
{
	if (question->policy)
		return pack_request(question->policy, has_passphrase, ret_packed);
	return question->staple ? pack_staple_request(question->staple, ret_packed)
				: pack_crl_request(question->crl, ret_packed);
}
