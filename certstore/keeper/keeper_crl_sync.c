/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRLs from unit to unit, as OCSP staples: the active unit tells which ones there are, the standby
 * what it lacks of them. A list comes in parts, and counts when the last one is there and all of
 * them are what was announced. An older list never takes the place of a newer one: what the standby
 * has that is newer, or that the active unit has not, goes the other way. Only that one was removed
 * takes one away. What belongs to a trustpoint that stays home is no part of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "certstore/keeper/keeper_crl.h"
#include "certstore/keeper/keeper_verbs.h"

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
	       crl->n_trustpoints == 0 && (crl->removed_at == 0 || crl->revoked == 0) &&
	       strlen(crl->trustpoint) <= TRUSTPOINT_NAME_MAX && strlen(crl->source) <= 127 &&
	       strlen(crl->issuer) <= 127 && strlen(crl->number) <= 127;
}

static int stage_begin(struct keeper *keeper, const Asafo__Record__Crl *crl)
{
	struct keeper_crl_stage *stage;

	keeper_crl_stage_drop(keeper);
	stage = calloc(1, sizeof(*stage));
	if (!stage)
		return -ENOMEM;
	keeper->crls.stage = stage;
	stage->crl = keeper_crl_copy(crl);
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

/* The pair's list, or that there was one: never both. NULL: nothing is known. */
static Asafo__Record__Crl *find_ours(struct keeper *keeper, const ProtobufCBinaryData *key_id)
{
	Asafo__Record__Crl *crl = keeper_crl_find(keeper, false, key_id);

	if (crl && keeper_crl_is_whole(keeper, false, crl))
		return crl;
	keeper_crl_free(crl);
	return keeper_crl_find_gone(keeper, key_id);
}

static int stage_check(struct keeper *keeper, const struct keeper_crl_stage *stage, struct why *why)
{
	_cleanup_(keeper_crl_free_p) Asafo__Record__Crl *ours =
		find_ours(keeper, &stage->crl->key_id);
	uint8_t digest[32];
	int r = crl_digest(stage->crl, stage->marks.data, stage->marks.size, digest);

	if (r < 0)
		return r;
	if (!crl_are_marks(stage->marks.data, stage->marks.size) ||
	    memcmp(digest, stage->crl->digest.data, sizeof(digest)) != 0)
		return why_set(why, ERR_DIFFERS,
			       "the mate's CRL of %s is not what it was announced as",
			       stage->crl->issuer);
	/* It may have changed since it was asked for. */
	if (ours && crl_compare(ours, stage->crl) > 0)
		return why_set(why, ERR_EXISTS,
			       "the mate's CRL of %s is older than this unit's, which stays",
			       stage->crl->issuer);
	return stage->crl->removed_at ? 0 : keeper_crl_check_room(keeper, false, stage->crl, why);
}

static int stage_commit(struct keeper *keeper, const struct keeper_crl_stage *stage,
			struct why *why)
{
	int r = stage_check(keeper, stage, why);

	if (r < 0)
		return r;
	if (!stage->crl->removed_at)
		return keeper_crl_keep(keeper, false, stage->crl, stage->marks.data,
				       stage->marks.size, why);
	r = keeper_crl_delete(keeper, false, stage->crl, why);
	if (r == 0)
		log_line(LOG_WARNING, "the CRL of %s is dropped: it was removed on the standby",
			 stage->crl->issuer);
	return r;
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

#define SET_MAX (2 * KEEPER_CRLS_MAX) /* lists, and those that were removed */

struct comparison {
	struct keeper *keeper;
	const Asafo__Ipc__CrlCompare *theirs;
	ProtobufCBinaryData lacking[SET_MAX], newer[SET_MAX];
	uint8_t newer_ids[SET_MAX][KEEPER_CRL_KEY_ID_SIZE];
	size_t n_lacking, n_newer, n_theirs_gone;
	ProtobufCBinaryData forget[KEEPER_CRLS_MAX];
	uint8_t forget_ids[KEEPER_CRLS_MAX][KEEPER_CRL_KEY_ID_SIZE];
	size_t n_forget;
	uint32_t n_dropped;
	uint64_t said; /* of those that are newer here */
};

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

/* The mate is to have ours. */
static void add_newer(struct comparison *comparison, const Asafo__Record__Crl *ours)
{
	size_t i = comparison->n_newer;

	if (i == SET_MAX)
		return;
	memcpy(comparison->newer_ids[i], ours->key_id.data, KEEPER_CRL_KEY_ID_SIZE);
	comparison->newer[i] =
		(ProtobufCBinaryData){KEEPER_CRL_KEY_ID_SIZE, comparison->newer_ids[i]};
	comparison->n_newer++;
}

/* The same, and it is worth a line in the log. */
static void add_different(struct comparison *comparison, const Asafo__Record__Crl *ours)
{
	uint64_t part;

	add_newer(comparison, ours);
	memcpy(&part, ours->digest.data, sizeof(part));
	comparison->said += part;
}

/* Both have one list, and here it was taken later: a removal that counted on from the mate's would
 * be older than that, and undone. */
static bool is_taken_later(const Asafo__Record__Crl *ours, const Asafo__Record__Crl *theirs)
{
	/* A mate of an older version counts nothing. */
	if (ours->removed_at || theirs->removed_at || ours->term == 0 || theirs->term == 0)
		return false;
	return ours->term != theirs->term ? ours->term > theirs->term
					  : ours->change > theirs->change;
}

static void say_newer(const Asafo__Record__Crl *ours, const char *what)
{
	log_line(LOG_WARNING, "the %s of %s stays, and the active unit is told to take it: %s",
		 ours->removed_at ? "removal of the CRL" : "CRL", ours->issuer, what);
}

/* That it was removed there needs no other step. */
static int drop_ours(struct comparison *comparison, const Asafo__Record__Crl *gone,
		     const Asafo__Record__Crl *ours, struct why *why)
{
	int r = keeper_crl_delete(comparison->keeper, false, gone, why);

	if (r < 0)
		return r;
	if (ours && !ours->removed_at)
		log_line(LOG_WARNING, "the CRL of %s is dropped: it was removed on the active unit",
			 ours->issuer);
	comparison->n_dropped++;
	return 0;
}

static int compare_one(struct comparison *comparison, const Asafo__Record__Crl *theirs,
		       bool is_said, struct why *why)
{
	_cleanup_(keeper_crl_free_p) Asafo__Record__Crl *ours = NULL;

	if (!is_whole(theirs))
		return why_set(why, ERR_MALFORMED, "the mate's set of CRLs is malformed");
	ours = find_ours(comparison->keeper, &theirs->key_id);
	comparison->n_theirs_gone += theirs->removed_at != 0;
	if (ours && memcmp(theirs->digest.data, ours->digest.data, 32) == 0) {
		if (is_taken_later(ours, theirs))
			add_newer(comparison, ours);
		return 0;
	}
	if (ours && crl_compare(ours, theirs) > 0) {
		if (!is_said)
			say_newer(ours, "its own is older");
		add_different(comparison, ours);
		return 0;
	}
	if (theirs->removed_at)
		return drop_ours(comparison, theirs, ours, why);
	comparison->lacking[comparison->n_lacking++] = theirs->key_id;
	return 0;
}

/* One that the mate knows nothing of: it never had it, or has lost it. */
static int look_extra(const Asafo__Record__Crl *ours, void *userdata)
{
	struct comparison *comparison = userdata;

	if (find_in(comparison->theirs, &ours->key_id))
		return 0;
	if (!ours->removed_at && !keeper_crl_is_whole(comparison->keeper, false, ours))
		return 0;
	/* The eldest of too many. */
	if (ours->removed_at && comparison->n_theirs_gone >= KEEPER_CRLS_MAX) {
		size_t i = comparison->n_forget;

		if (i == KEEPER_CRLS_MAX)
			return 0;
		memcpy(comparison->forget_ids[i], ours->key_id.data, KEEPER_CRL_KEY_ID_SIZE);
		comparison->forget[i] =
			(ProtobufCBinaryData){KEEPER_CRL_KEY_ID_SIZE, comparison->forget_ids[i]};
		comparison->n_forget++;
		return 0;
	}
	add_different(comparison, ours);
	return 0;
}

static int say_extra(const Asafo__Record__Crl *ours, void *userdata)
{
	const struct comparison *comparison = userdata;

	if (!find_in(comparison->theirs, &ours->key_id))
		say_newer(ours, "it has none");
	return 0;
}

static int compare(struct comparison *comparison, struct why *why)
{
	struct keeper *keeper = comparison->keeper;
	const Asafo__Ipc__CrlCompare *theirs = comparison->theirs;
	/* A difference that stays is told again and again, and said once. */
	uint64_t said = keeper->crls.newer_said;
	int r = theirs->n_crls <= SET_MAX ? 0 : ERR_TOO_LARGE;

	for (size_t i = 0; i < theirs->n_crls && r == 0; i++)
		r = compare_one(comparison, theirs->crls[i], said != 0, why);
	if (r == 0)
		r = keeper_crl_each_readable(keeper, false, look_extra, comparison);
	if (r == 0)
		r = keeper_crl_each_gone(keeper, look_extra, comparison);
	for (size_t i = 0; i < comparison->n_forget && r == 0; i++) {
		r = keeper_crl_forget(keeper, &comparison->forget[i], why);
		comparison->n_dropped += r == 0;
	}
	if (r == 0 && comparison->said != said)
		r = keeper_crl_each_readable(keeper, false, say_extra, comparison);
	keeper->crls.newer_said = comparison->said;
	return r;
}

void keeper_on_crl_compare(struct keeper *keeper, const struct keeper_ticket *ticket,
			   struct ipc_frame *frame, const ProtobufCMessage *body)
{
	struct comparison comparison = {.keeper = keeper,
					.theirs = (const Asafo__Ipc__CrlCompare *)body};
	Asafo__Ipc__CrlCompareReply message = ASAFO__IPC__CRL_COMPARE_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	struct why why = {0};
	int r = compare(&comparison, &why);

	(void)frame;
	if (comparison.n_dropped > 0)
		keeper_crl_changed(keeper);
	if (r < 0) {
		keeper_reply_status(keeper, ticket, r, &why);
		return;
	}
	message.status = &status;
	message.dropped = comparison.n_dropped;
	message.lacking = comparison.lacking;
	message.n_lacking = comparison.n_lacking;
	message.newer = comparison.newer;
	message.n_newer = comparison.n_newer;
	keeper_reply(keeper, ticket, &message.base, false);
}
