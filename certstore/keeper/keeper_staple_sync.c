/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCSP staples from unit to unit. The active unit tells which ones there are, the standby what it
 * lacks of them, and both have the same set at the end, whatever was lost in between. What belongs
 * to a trustpoint that stays home is no part of it.
 */
#include <stdlib.h>
#include <string.h>

#include "certstore/keeper/keeper_staple.h"
#include "certstore/x509/staple.h"
#include "certstore/keeper/keeper_verbs.h"

/* ---- the list ---- */

struct listing {
	Asafo__Record__Staple **whole; /* as they lie in the store */
	Asafo__Record__Staple *briefs;
	Asafo__Record__Staple **pointers;
	uint8_t (*digests)[32];
	size_t n;
	bool is_home;
};

static void listing_done(struct listing *listing)
{
	for (size_t i = 0; i < listing->n; i++)
		keeper_staple_free(listing->whole[i]);
	free(listing->whole);
	free(listing->briefs);
	free(listing->pointers);
	free(listing->digests);
}

static int listing_init(struct listing *listing)
{
	listing->whole = calloc(KEEPER_STAPLES_MAX, sizeof(*listing->whole));
	listing->briefs = calloc(KEEPER_STAPLES_MAX, sizeof(*listing->briefs));
	listing->pointers = calloc(KEEPER_STAPLES_MAX, sizeof(*listing->pointers));
	listing->digests = calloc(KEEPER_STAPLES_MAX, sizeof(*listing->digests));
	return listing->whole && listing->briefs && listing->pointers && listing->digests ? 0
											  : -ENOMEM;
}

static int list_one(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct listing *listing = userdata;
	Asafo__Record__Staple *staple = keeper_staple_unpack(value, size);
	size_t i = listing->n;

	(void)key;
	if (!staple || i == KEEPER_STAPLES_MAX) {
		keeper_staple_free(staple);
		return 0;
	}
	listing->whole[i] = staple;
	listing->briefs[i] = keeper_staple_brief(staple, listing->is_home, listing->digests[i]);
	listing->pointers[i] = &listing->briefs[i];
	listing->n++;
	return 0;
}

void keeper_on_staple_list(struct keeper *keeper, const struct keeper_ticket *ticket,
			   struct ipc_frame *frame, const ProtobufCMessage *body)
{
	_cleanup_(listing_done) struct listing listing = {0};
	Asafo__Ipc__StapleListReply message = ASAFO__IPC__STAPLE_LIST_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	int r = listing_init(&listing);

	(void)frame;
	(void)body;
	if (r == 0)
		r = store_unit_each(keeper->store, KEEPER_STAPLES_SHARED, list_one, &listing);
	listing.is_home = true;
	if (r == 0)
		r = store_unit_each(keeper->store, KEEPER_STAPLES_HOME, list_one, &listing);
	if (r < 0) {
		keeper_refuse(keeper, ticket, r, "the OCSP staples cannot be read: %s",
			      err_text(r));
		return;
	}
	message.status = &status;
	message.staples = listing.pointers;
	message.n_staples = listing.n;
	keeper_reply(keeper, ticket, &message.base, false);
}

/* ---- one of them ---- */

void keeper_on_staple_get(struct keeper *keeper, const struct keeper_ticket *ticket,
			  struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__StapleGet *request = (const Asafo__Ipc__StapleGet *)body;
	_cleanup_(keeper_staple_free_p) Asafo__Record__Staple *staple =
		keeper_staple_find(keeper, false, &request->fingerprint);
	Asafo__Ipc__StapleReply message = ASAFO__IPC__STAPLE_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;

	(void)frame;
	if (!staple) {
		keeper_refuse(keeper, ticket, ERR_NOT_FOUND, "there is no such OCSP staple");
		return;
	}
	message.status = &status;
	message.staple = staple;
	keeper_reply(keeper, ticket, &message.base, false);
}

/* ---- the mate's ---- */

static bool is_whole(const Asafo__Record__Staple *staple)
{
	return staple && staple->fingerprint.len == KEEPER_FINGERPRINT_SIZE &&
	       staple->response.len > 0 && staple->response.len <= STAPLE_RESPONSE_MAX &&
	       !staple->is_home && strlen(staple->trustpoint) <= TRUSTPOINT_NAME_MAX &&
	       strlen(staple->source) <= STAPLE_SOURCE_MAX;
}

static int take(struct keeper *keeper, const Asafo__Record__Staple *staple, struct why *why)
{
	_cleanup_(keeper_staple_free_p) Asafo__Record__Staple *present = NULL;
	Asafo__Record__Staple taken;
	int r = 0;

	if (!is_whole(staple))
		return why_set(why, ERR_MALFORMED, "the mate's OCSP staple is malformed");
	taken = *staple;
	taken.digest = (ProtobufCBinaryData){0, NULL};
	present = keeper_staple_find(keeper, false, &staple->fingerprint);
	/* What ended is the active unit's to say: by this one's clock it may be another. */
	if (!present)
		r = keeper_staple_count(keeper, why);
	return r < 0 ? r : keeper_staple_keep(keeper, false, &taken, why);
}

void keeper_on_staple_take(struct keeper *keeper, const struct keeper_ticket *ticket,
			   struct ipc_frame *frame, const ProtobufCMessage *body)
{
	struct why why = {0};
	int r = take(keeper, ((const Asafo__Ipc__StapleTake *)body)->staple, &why);

	(void)frame;
	keeper_reply_status(keeper, ticket, r, &why);
	if (r == 0)
		keeper_tell_changed(keeper);
}

/* ---- two sets ---- */

static const Asafo__Record__Staple *find_in(const Asafo__Ipc__StapleCompare *theirs,
					    const ProtobufCBinaryData *fingerprint)
{
	for (size_t i = 0; i < theirs->n_staples; i++) {
		const ProtobufCBinaryData *other = &theirs->staples[i]->fingerprint;

		if (other->len == fingerprint->len &&
		    memcmp(other->data, fingerprint->data, other->len) == 0)
			return theirs->staples[i];
	}
	return NULL;
}

struct comparison {
	const Asafo__Ipc__StapleCompare *theirs;
	struct keeper_key_list extra;
};

static int compare_ours(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct comparison *comparison = userdata;
	_cleanup_(keeper_staple_free_p) Asafo__Record__Staple *ours =
		keeper_staple_unpack(value, size);

	if (ours && find_in(comparison->theirs, &ours->fingerprint))
		return 0;
	return keeper_key_list_add(&comparison->extra, key);
}

static bool is_lacking(struct keeper *keeper, const Asafo__Record__Staple *theirs)
{
	_cleanup_(keeper_staple_free_p) Asafo__Record__Staple *ours =
		keeper_staple_find(keeper, false, &theirs->fingerprint);
	uint8_t digest[32];

	if (theirs->fingerprint.len != KEEPER_FINGERPRINT_SIZE)
		return false;
	if (!ours)
		return true;
	(void)keeper_staple_brief(ours, false, digest);
	return theirs->digest.len != sizeof(digest) ||
	       memcmp(theirs->digest.data, digest, sizeof(digest)) != 0;
}

static void answer(struct keeper *keeper, const struct keeper_ticket *ticket,
		   const Asafo__Ipc__StapleCompare *theirs, size_t n_dropped)
{
	Asafo__Ipc__StapleCompareReply message = ASAFO__IPC__STAPLE_COMPARE_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	_cleanup_free_ ProtobufCBinaryData *lacking =
		calloc(theirs->n_staples + 1, sizeof(*lacking));

	if (!lacking) {
		keeper_reply_status(keeper, ticket, -ENOMEM, NULL);
		return;
	}
	for (size_t i = 0; i < theirs->n_staples; i++) {
		if (is_lacking(keeper, theirs->staples[i]))
			lacking[message.n_lacking++] = theirs->staples[i]->fingerprint;
	}
	message.status = &status;
	message.lacking = lacking;
	message.dropped = (uint32_t)n_dropped;
	keeper_reply(keeper, ticket, &message.base, false);
}

void keeper_on_staple_compare(struct keeper *keeper, const struct keeper_ticket *ticket,
			      struct ipc_frame *frame, const ProtobufCMessage *body)
{
	struct comparison comparison = {.theirs = (const Asafo__Ipc__StapleCompare *)body};
	struct why why = {0};
	size_t n;
	int r = comparison.theirs->n_staples <= KEEPER_STAPLES_MAX ? 0 : ERR_TOO_LARGE;

	(void)frame;
	if (r == 0)
		r = store_unit_each(keeper->store, KEEPER_STAPLES_SHARED, compare_ours,
				    &comparison);
	if (r == 0)
		r = keeper_staple_delete(keeper, &comparison.extra, &why);
	n = comparison.extra.n;
	keeper_key_list_done(&comparison.extra);
	if (r < 0) {
		keeper_reply_status(keeper, ticket, r, &why);
		return;
	}
	answer(keeper, ticket, comparison.theirs, n);
	if (n > 0)
		keeper_tell_changed(keeper);
}
