/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a local CA issued stays home on either unit, whoever's CA it was. This unit's own is known
 * by its certificate. The mate's is known by two identifiers of its key: no byte of a CA's
 * certificate or key crosses the link for it. They are kept, so that they are known while the mate
 * is away, and never forgotten: what a CA issued outlives it.
 */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "certstore/keeper/keeper_verbs.h"
#include "certstore/x509/x509.h"

#define OWN_KEY "localca/ca"
#define MATE_PREFIX "mate-ca/"
#define SUBJECT_KEY_ID_MAX 64

void keeper_cas_done(struct keeper_cas *cas)
{
	buf_done(&cas->own);
	for (size_t i = 0; i < cas->n_mates; i++)
		asafo__record__local_ca_mark__free_unpacked(cas->messages[i], NULL);
	*cas = (struct keeper_cas){0};
}

static bool is_mark(const Asafo__Record__LocalCaMark *mark)
{
	return mark && mark->key_id.len == IDENTITY_KEY_ID_SIZE &&
	       mark->subject_key_id.len <= SUBJECT_KEY_ID_MAX;
}

static int add_mate(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct keeper_cas *cas = userdata;
	Asafo__Record__LocalCaMark *mark;

	(void)key;
	if (cas->n_mates == KEEPER_MATE_CAS_MAX)
		return 0;
	mark = asafo__record__local_ca_mark__unpack(NULL, size, value);
	if (!is_mark(mark)) {
		asafo__record__local_ca_mark__free_unpacked(mark, NULL);
		return ERR_STORE;
	}
	cas->messages[cas->n_mates] = mark;
	cas->mates[cas->n_mates++] =
		(struct identity_ca_mark){mark->key_id.data, mark->key_id.len,
					  mark->subject_key_id.data, mark->subject_key_id.len};
	return 0;
}

static int get_own(struct keeper *keeper, struct buf *ret_certificate)
{
	_cleanup_(keeper_item_done) struct keeper_item ca = {0};
	int r = keeper_item_get(keeper, true, OWN_KEY, &ca);

	if (r < 0)
		return r == ERR_NOT_FOUND ? 0 : r;
	return buf_append(ret_certificate, ca.public_part->leaf.data, ca.public_part->leaf.len);
}

int keeper_cas_get(struct keeper *keeper, struct keeper_cas *ret_cas)
{
	_cleanup_(keeper_cas_done) struct keeper_cas cas = {0};
	int r = get_own(keeper, &cas.own);

	if (r == 0)
		r = store_unit_each(keeper->store, MATE_PREFIX, add_mate, &cas);
	if (r < 0)
		return r;
	*ret_cas = cas;
	cas = (struct keeper_cas){0};
	return 0;
}

/* ---- the marks, from unit to unit ---- */

static int own_mark(const struct buf *certificate, struct buf *ret_packed)
{
	_cleanup_(X509_free_p) X509 *ca = x509_from_der(NULL, certificate->data, certificate->size);
	const ASN1_OCTET_STRING *id = ca ? X509_get0_subject_key_id(ca) : NULL;
	Asafo__Record__LocalCaMark mark = ASAFO__RECORD__LOCAL_CA_MARK__INIT;
	uint8_t key_id[IDENTITY_KEY_ID_SIZE];
	int r;

	if (!id || ASN1_STRING_length(id) > SUBJECT_KEY_ID_MAX)
		return ERR_STORE;
	r = x509_key_id(ca, key_id);
	if (r < 0)
		return r;
	mark.key_id = (ProtobufCBinaryData){sizeof(key_id), key_id};
	mark.subject_key_id = (ProtobufCBinaryData){
		(size_t)ASN1_STRING_length(id), (uint8_t *)(uintptr_t)ASN1_STRING_get0_data(id)};
	if (buf_reserve(ret_packed, asafo__record__local_ca_mark__get_packed_size(&mark)) < 0)
		return -ENOMEM;
	ret_packed->size = asafo__record__local_ca_mark__pack(&mark, ret_packed->data);
	return 0;
}

/* Nothing is written where it is known already. */
static int keep_mark(struct keeper *keeper, const ProtobufCBinaryData *packed, struct why *why)
{
	Asafo__Record__LocalCaMark *mark =
		asafo__record__local_ca_mark__unpack(NULL, packed->len, packed->data);
	char key[KEEPER_NAME_KEY_SIZE], hex[2 * IDENTITY_KEY_ID_SIZE + 1];
	struct store_change change = {key, packed->data, packed->len};
	_cleanup_(buf_done) struct buf there = {0};
	bool is_good = is_mark(mark);
	uint64_t n = 0;
	int r;

	if (is_good)
		hex_encode(mark->key_id.data, mark->key_id.len, hex);
	asafo__record__local_ca_mark__free_unpacked(mark, NULL);
	if (!is_good)
		return why_set(why, ERR_MALFORMED,
			       "what the mate says of its local CA is no such thing");
	(void)snprintf(key, sizeof(key), MATE_PREFIX "%s", hex);
	r = store_unit_get(keeper->store, key, &there);
	if (r != ERR_NOT_FOUND)
		return r;
	r = store_unit_count(keeper->store, MATE_PREFIX, &n);
	if (r == 0 && n >= KEEPER_MATE_CAS_MAX)
		return why_set(why, ERR_TOO_LARGE,
			       "the mate says that it had more than %d local CAs",
			       KEEPER_MATE_CAS_MAX);
	return r < 0 ? r : store_unit_change(keeper->store, &change, 1, why);
}

/* All that is known of this unit's, for the mate; what was issued in several replies. */
static int tell(struct keeper *keeper, const struct keeper_ticket *ticket)
{
	Asafo__Ipc__LocalCaMarksReply message = ASAFO__IPC__LOCAL_CA_MARKS_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	_cleanup_(buf_done) struct buf certificate = {0}, packed = {0};
	const struct buf *issued = NULL;
	ProtobufCBinaryData own, ids[KEEPER_ISSUED_BATCH];
	int r = get_own(keeper, &certificate);

	if (r == 0 && certificate.size > 0)
		r = own_mark(&certificate, &packed);
	if (r == 0)
		r = keeper_issued_own(keeper, &issued);
	if (r < 0)
		return r;
	own = (ProtobufCBinaryData){packed.size, packed.data};
	message.status = &status;
	message.own = &own;
	message.n_own = packed.size > 0;
	message.issued = ids;
	for (size_t at = 0;; message.n_own = 0) {
		for (message.n_issued = 0;
		     at < issued->size && message.n_issued < KEEPER_ISSUED_BATCH;
		     at += IDENTITY_KEY_ID_SIZE)
			ids[message.n_issued++] =
				(ProtobufCBinaryData){IDENTITY_KEY_ID_SIZE, issued->data + at};
		keeper_reply(keeper, ticket, &message.base, at < issued->size);
		if (at >= issued->size)
			return 0;
	}
}

void keeper_on_localca_marks(struct keeper *keeper, const struct keeper_ticket *ticket,
			     struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__LocalCaMarks *request = (const Asafo__Ipc__LocalCaMarks *)body;
	bool is_question = request->n_mates == 0 && request->n_issued == 0;
	struct why why = {0};
	int r = 0;

	(void)frame;
	for (size_t i = 0; i < request->n_mates && r == 0; i++)
		r = keep_mark(keeper, &request->mates[i], &why);
	if (r == 0)
		r = is_question
			    ? tell(keeper, ticket)
			    : keeper_issued_keep(keeper, request->issued, request->n_issued, &why);
	if (r < 0 || !is_question)
		keeper_reply_status(keeper, ticket, r, &why);
}
