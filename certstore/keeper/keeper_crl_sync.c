/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRLs from unit to unit, as OCSP staples: the active unit tells which ones there are, the standby
 * what it lacks of them. A list comes in parts, and counts when the last one is there and all of
 * them are what was announced. What belongs to a trustpoint that stays home is no part of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "certstore/keeper/keeper_crl.h"
#include "certstore/keeper/keeper_verbs.h"

/* ---- the list ---- */

struct listing {
	struct keeper *keeper;
	Asafo__Record__Crl *crls[KEEPER_CRLS_MAX];
	size_t n;
	bool is_home;
};

static void listing_done(struct listing *listing)
{
	while (listing->n > 0)
		keeper_crl_free(listing->crls[--listing->n]);
}

/* Under that name may be another CA by now, or nothing. */
static bool is_of_trustpoint(struct keeper *keeper, const Asafo__Record__Crl *crl, bool is_home)
{
	_cleanup_(keeper_item_done) struct keeper_item item = {0};

	return keeper_trustpoint_get(keeper, crl->trustpoint, &item) == 0 &&
	       item.is_unit == is_home && item.public_part->key_id.len == crl->key_id.len &&
	       memcmp(item.public_part->key_id.data, crl->key_id.data, crl->key_id.len) == 0;
}

static int list_one(const Asafo__Record__Crl *crl, void *userdata)
{
	struct listing *listing = userdata;
	Asafo__Record__Crl *copy;
	int r;

	if (listing->n == KEEPER_CRLS_MAX)
		return 0;
	copy = keeper_crl_find(listing->keeper, listing->is_home, &crl->key_id);
	if (!copy)
		return ERR_STORE;
	listing->crls[listing->n++] = copy;
	copy->is_home = listing->is_home;
	r = is_of_trustpoint(listing->keeper, copy, listing->is_home)
		    ? 0
		    : keeper_set_text(&copy->trustpoint, "");
	return r;
}

void keeper_on_crl_list(struct keeper *keeper, const struct keeper_ticket *ticket,
			struct ipc_frame *frame, const ProtobufCMessage *body)
{
	_cleanup_(listing_done) struct listing listing = {.keeper = keeper};
	Asafo__Ipc__CrlListReply message = ASAFO__IPC__CRL_LIST_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	int r = keeper_crl_each(keeper, false, list_one, &listing);

	(void)frame;
	(void)body;
	listing.is_home = true;
	if (r == 0)
		r = keeper_crl_each(keeper, true, list_one, &listing);
	if (r < 0) {
		keeper_refuse(keeper, ticket, r, "the CRLs cannot be read: %s", err_text(r));
		return;
	}
	message.status = &status;
	message.crls = listing.crls;
	message.n_crls = listing.n;
	keeper_reply(keeper, ticket, &message.base, false);
}

/* ---- a part of one ---- */

void keeper_on_crl_get(struct keeper *keeper, const struct keeper_ticket *ticket,
		       struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__CrlGet *request = (const Asafo__Ipc__CrlGet *)body;
	_cleanup_(keeper_crl_free_p) Asafo__Record__Crl *crl =
		keeper_crl_find(keeper, false, &request->key_id);
	Asafo__Ipc__CrlGetReply message = ASAFO__IPC__CRL_GET_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	Asafo__Record__CrlPart part = ASAFO__RECORD__CRL_PART__INIT;
	_cleanup_(buf_done) struct buf marks = {0};
	int r = crl ? 0 : ERR_NOT_FOUND;

	(void)frame;
	if (r == 0 && crl->revoked > 0)
		r = keeper_crl_part_get(keeper, false, &request->key_id, request->part, &marks);
	if (r < 0) {
		keeper_refuse(keeper, ticket, r, "there is no such part of a CRL");
		return;
	}
	part.crl = crl;
	part.part = request->part;
	part.marks = (ProtobufCBinaryData){marks.size, marks.data};
	message.status = &status;
	message.part = &part;
	keeper_reply(keeper, ticket, &message.base, false);
}

/* ---- the mate's ---- */

/* One that is on its way. */
struct keeper_crl_stage {
	Asafo__Record__Crl *crl;
	struct buf marks;
	uint32_t next;
};

void keeper_crl_stage_drop(struct keeper *keeper)
{
	struct keeper_crl_stage *stage = TAKE_PTR(keeper->crls.stage);

	if (!stage)
		return;
	keeper_crl_free(stage->crl);
	buf_done(&stage->marks);
	free(stage);
}

static bool is_whole(const Asafo__Record__Crl *crl)
{
	return crl && crl->key_id.len == KEEPER_CRL_KEY_ID_SIZE && crl->digest.len == 32 &&
	       crl->revoked <= CRL_ENTRIES_MAX && crl->marks.len == 0 && !crl->is_home &&
	       strlen(crl->trustpoint) <= TRUSTPOINT_NAME_MAX && strlen(crl->source) <= 127 &&
	       strlen(crl->issuer) <= 127 && strlen(crl->number) <= 127;
}

static int stage_begin(struct keeper *keeper, const Asafo__Record__Crl *crl)
{
	_cleanup_(buf_done) struct buf packed = {0};
	struct keeper_crl_stage *stage;
	int r = buf_reserve(&packed, asafo__record__crl__get_packed_size(crl));

	if (r < 0)
		return r;
	packed.size = asafo__record__crl__pack(crl, packed.data);
	keeper_crl_stage_drop(keeper);
	stage = calloc(1, sizeof(*stage));
	if (!stage)
		return -ENOMEM;
	keeper->crls.stage = stage;
	stage->crl = asafo__record__crl__unpack(NULL, packed.size, packed.data);
	return stage->crl ? 0 : -ENOMEM;
}

static bool is_next(const struct keeper_crl_stage *stage, const Asafo__Record__CrlPart *part)
{
	return stage && stage->crl && part->part == stage->next &&
	       memcmp(stage->crl->key_id.data, part->crl->key_id.data, KEEPER_CRL_KEY_ID_SIZE) ==
		       0 &&
	       memcmp(stage->crl->digest.data, part->crl->digest.data, 32) == 0 &&
	       part->marks.len <= stage->crl->revoked * CRLMARK_SIZE - stage->marks.size;
}

static int stage_commit(struct keeper *keeper, const struct keeper_crl_stage *stage,
			struct why *why)
{
	uint8_t digest[32];
	int r = crl_digest(stage->crl, stage->marks.data, stage->marks.size, digest);

	if (r == 0 && (!crl_are_marks(stage->marks.data, stage->marks.size) ||
		       memcmp(digest, stage->crl->digest.data, sizeof(digest)) != 0))
		r = why_set(why, ERR_DIFFERS, "the mate's CRL is not what it was announced as");
	if (r == 0)
		r = keeper_crl_check_room(keeper, false, stage->crl, why);
	return r < 0 ? r
		     : keeper_crl_keep(keeper, false, stage->crl, stage->marks.data,
				       stage->marks.size, why);
}

/* *RET_IS_KEPT: it was the last part. */
static int take(struct keeper *keeper, const Asafo__Record__CrlPart *part, bool *ret_is_kept,
		struct why *why)
{
	struct keeper_crl_stage *stage;
	int r = 0;

	if (!part || !is_whole(part->crl))
		return why_set(why, ERR_MALFORMED, "the mate's CRL is malformed");
	if (part->part == 0)
		r = stage_begin(keeper, part->crl);
	if (r < 0)
		return r;
	stage = keeper->crls.stage;
	if (!is_next(stage, part))
		return why_set(why, ERR_DIFFERS, "a part of the mate's CRL does not fit");
	stage->next++;
	if (part->marks.len > 0)
		r = buf_append(&stage->marks, part->marks.data, part->marks.len);
	if (r < 0 || stage->marks.size < stage->crl->revoked * CRLMARK_SIZE)
		return r;
	r = stage_commit(keeper, stage, why);
	keeper_crl_stage_drop(keeper);
	*ret_is_kept = r == 0;
	return r;
}

void keeper_on_crl_take(struct keeper *keeper, const struct keeper_ticket *ticket,
			struct ipc_frame *frame, const ProtobufCMessage *body)
{
	struct why why = {0};
	bool is_kept = false;
	int r = take(keeper, ((const Asafo__Ipc__CrlTake *)body)->part, &is_kept, &why);

	(void)frame;
	if (r < 0)
		keeper_crl_stage_drop(keeper);
	if (is_kept)
		keeper_crl_changed(keeper);
	keeper_reply_status(keeper, ticket, r, &why);
}

/* ---- two sets ---- */

static const Asafo__Record__Crl *find_in(const Asafo__Ipc__CrlCompare *theirs,
					 const ProtobufCBinaryData *key_id)
{
	for (size_t i = 0; i < theirs->n_crls; i++) {
		const ProtobufCBinaryData *other = &theirs->crls[i]->key_id;

		if (other->len == key_id->len && memcmp(other->data, key_id->data, other->len) == 0)
			return theirs->crls[i];
	}
	return NULL;
}

static bool is_lacking(struct keeper *keeper, const Asafo__Record__Crl *theirs)
{
	_cleanup_(keeper_crl_free_p) Asafo__Record__Crl *ours =
		keeper_crl_find(keeper, false, &theirs->key_id);

	if (theirs->key_id.len != KEEPER_CRL_KEY_ID_SIZE)
		return false;
	return !ours || theirs->digest.len != ours->digest.len ||
	       memcmp(theirs->digest.data, ours->digest.data, ours->digest.len) != 0;
}

/* Deletes what THEIRS has not. */
static int drop_extra(struct keeper *keeper, const Asafo__Ipc__CrlCompare *theirs,
		      uint32_t *ret_n_dropped, struct why *why)
{
	_cleanup_(listing_done) struct listing ours = {.keeper = keeper};
	int r = keeper_crl_each(keeper, false, list_one, &ours);

	for (size_t i = 0; i < ours.n && r == 0; i++) {
		if (find_in(theirs, &ours.crls[i]->key_id))
			continue;
		r = keeper_crl_delete(keeper, false, ours.crls[i], why);
		*ret_n_dropped += r == 0;
	}
	return r;
}

void keeper_on_crl_compare(struct keeper *keeper, const struct keeper_ticket *ticket,
			   struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__CrlCompare *theirs = (const Asafo__Ipc__CrlCompare *)body;
	Asafo__Ipc__CrlCompareReply message = ASAFO__IPC__CRL_COMPARE_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	ProtobufCBinaryData lacking[KEEPER_CRLS_MAX];
	struct why why = {0};
	int r = theirs->n_crls <= KEEPER_CRLS_MAX ? 0 : ERR_TOO_LARGE;

	(void)frame;
	if (r == 0)
		r = drop_extra(keeper, theirs, &message.dropped, &why);
	if (message.dropped > 0)
		keeper_crl_changed(keeper);
	if (r < 0) {
		keeper_reply_status(keeper, ticket, r, &why);
		return;
	}
	for (size_t i = 0; i < theirs->n_crls; i++) {
		if (is_lacking(keeper, theirs->crls[i]))
			lacking[message.n_lacking++] = theirs->crls[i]->key_id;
	}
	message.status = &status;
	message.lacking = lacking;
	keeper_reply(keeper, ticket, &message.base, false);
}
