/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof that a trustpoint is usable: its sealed key is opened as it lies in the store, signs
 * something random, and the certificate judges. Bounded by a time, since signatures for clients
 * wait meanwhile; the asker comes again for the rest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/monotime.h"
#include "base/utc.h"
#include "certstore/store/digest.h"
#include "certstore/keeper/keeper_verbs.h"

#define PROOFS_MAX 256 /* in one answer */
#define PREFIX "trustpoint/"

struct proofs {
	struct keeper *keeper;
	Asafo__Ipc__Proof *pointers[PROOFS_MAX];
	Asafo__Ipc__Proof proofs[PROOFS_MAX];
	uint8_t digests[PROOFS_MAX][STORE_DIGEST_SIZE];
	struct keeper_item items[PROOFS_MAX]; /* whose bytes the answer borrows */
	struct why whys[PROOFS_MAX];
	size_t n, n_max;
	struct monotime deadline;
	bool is_without_keys;
};

static void proofs_free(struct proofs *proofs)
{
	for (size_t i = 0; proofs && i < proofs->n; i++)
		keeper_item_done(&proofs->items[i]);
	free(proofs);
}
CLEANUP_DEFINE(struct proofs *, proofs_free)

static bool is_full(const struct proofs *proofs)
{
	return proofs->n == proofs->n_max ||
	       (proofs->n > 0 && monotime_reached(monotime_now(), proofs->deadline));
}

static int judge_dates(const Asafo__Record__TrustpointPublic *part, int64_t now, struct why *why)
{
	char text[UTC_TEXT_MAX];

	if (now >= part->not_before && now <= part->not_after)
		return 0;
	if (now > part->not_after)
		return why_set(why, ERR_EXPIRED,
			       "the certificate expired at %s, by this unit's clock",
			       utc_text(part->not_after, text));
	return why_set(why, ERR_NOT_YET_VALID,
		       "the certificate is valid from %s on, by this unit's clock",
		       utc_text(part->not_before, text));
}

static int use_key(struct keeper *keeper, const struct keeper_item *item, struct why *why)
{
	_cleanup_(secret_done) struct secret key = {0};
	const ProtobufCBinaryData *leaf = &item->public_part->leaf;
	int r;

	if (!item->record->key)
		return why_set(why, ERR_NO_KEY, "it holds no key, so that nothing can be signed");
	r = keyring_open(keeper->ring, item->record, &key);
	if (r < 0)
		return why_set(why, r, "its key cannot be unsealed: %s", err_text(r));
	/* A CA's certificate alone: its seal is whole, and there is nothing to sign with. */
	if (item->public_part->is_ca && key.size == 0)
		return 0;
	r = signer_prove(keeper->signer, &key, leaf->data, leaf->len);
	if (r < 0)
		return why_set(why, r, "its key does not sign for its certificate: %s",
			       err_text(r));
	return 0;
}

static void fill(struct proofs *proofs, size_t index, int code)
{
	Asafo__Ipc__Proof *proof = &proofs->proofs[index];
	const struct keeper_item *item = &proofs->items[index];
	const Asafo__Record__TrustpointPublic *part = item->public_part;

	proof->key = (char *)(uintptr_t)item->key;
	proof->at = (int64_t)time(NULL);
	proof->code = code;
	proof->why = proofs->whys[index].text;
	if (!part)
		return;
	proof->is_replicated = !item->is_unit;
	proof->digest = (ProtobufCBinaryData){STORE_DIGEST_SIZE, proofs->digests[index]};
	proof->fingerprint = part->fingerprint;
	proof->generation = part->generation;
	proof->not_before = part->not_before;
	proof->not_after = part->not_after;
	proof->kept_home = part->kept_home;
	proof->origin = part->origin;
}

/* NAME is the request's or the item's. */
static void prove(struct proofs *proofs, char *name, int code)
{
	struct keeper_item *item = &proofs->items[proofs->n];
	struct why *why = &proofs->whys[proofs->n];
	uint8_t *digest = proofs->digests[proofs->n];

	if (code < 0)
		(void)why_set(why, code, "%s%s",
			      code == ERR_NOT_FOUND ? "there is none of this name"
						    : "its record cannot be read: ",
			      code == ERR_NOT_FOUND ? "" : err_text(code));
	else
		code = digest_item(item->key, strlen(item->key), item->bytes.data, item->bytes.size,
				   digest);
	if (code == 0 && !proofs->is_without_keys)
		code = use_key(proofs->keeper, item, why);
	if (code == 0)
		code = judge_dates(item->public_part, (int64_t)time(NULL), why);
	asafo__ipc__proof__init(&proofs->proofs[proofs->n]);
	proofs->proofs[proofs->n].name = name;
	proofs->pointers[proofs->n] = &proofs->proofs[proofs->n];
	fill(proofs, proofs->n, code);
	proofs->n++;
}

struct first {
	char key[KEEPER_NAME_KEY_SIZE];
	bool is_found;
};

static int take_first(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct first *first = userdata;

	(void)value;
	(void)size;
	first->is_found =
		snprintf(first->key, sizeof(first->key), "%s", key) < (int)sizeof(first->key);
	return -ECANCELED; /* one is enough */
}

static int next_of(struct keeper *keeper, bool is_unit, const char *after, struct first *ret_first)
{
	int r;

	ret_first->is_found = false;
	r = keeper_each(keeper, is_unit, PREFIX, after, take_first, ret_first);
	return r == -ECANCELED ? 0 : r;
}

/* In the order of names, of both families. */
static int prove_behind(struct proofs *proofs, const char *after, bool *ret_is_last)
{
	char at[KEEPER_NAME_KEY_SIZE];

	(void)snprintf(at, sizeof(at), PREFIX "%s", after);
	while (!is_full(proofs)) {
		struct keeper_item *item = &proofs->items[proofs->n];
		struct first pair, unit;
		bool is_unit;
		int r = next_of(proofs->keeper, false, at, &pair);

		if (r == 0)
			r = next_of(proofs->keeper, true, at, &unit);
		if (r < 0)
			return r;
		if (!pair.is_found && !unit.is_found) {
			*ret_is_last = true;
			return 0;
		}
		is_unit = !pair.is_found || (unit.is_found && strcmp(unit.key, pair.key) < 0);
		(void)snprintf(at, sizeof(at), "%s", is_unit ? unit.key : pair.key);
		r = keeper_item_get(proofs->keeper, is_unit, at, item);
		/* Its place is kept where its record cannot be read. */
		if (r < 0)
			(void)snprintf(item->key, sizeof(item->key), "%s", at);
		prove(proofs,
		      item->public_part ? item->public_part->name : item->key + sizeof(PREFIX) - 1,
		      r);
	}
	return 0;
}

/* Each item that the pair shares. */
static int prove_whole(struct proofs *proofs, const char *after, bool *ret_is_last)
{
	char at[STORE_KEY_MAX + 1];

	(void)snprintf(at, sizeof(at), "%s", after);
	while (!is_full(proofs)) {
		struct keeper_item *item = &proofs->items[proofs->n];
		struct first first = {.is_found = false};
		int r = store_each_after(proofs->keeper->store, "", at, take_first, &first);

		if (r < 0 && r != -ECANCELED)
			return r;
		if (!first.is_found) {
			*ret_is_last = true;
			return 0;
		}
		(void)snprintf(at, sizeof(at), "%s", first.key);
		r = keeper_item_get(proofs->keeper, false, at, item);
		if (r < 0)
			(void)snprintf(item->key, sizeof(item->key), "%s", first.key);
		prove(proofs, item->public_part ? item->public_part->name : item->key, r);
	}
	return 0;
}

static void prove_named(struct proofs *proofs, const Asafo__Ipc__Prove *request, bool *ret_is_last)
{
	while (proofs->n < request->n_names && !is_full(proofs)) {
		char *name = request->names[proofs->n];
		int r = keeper_trustpoint_get(proofs->keeper, name, &proofs->items[proofs->n]);

		prove(proofs, name, r);
	}
	*ret_is_last = proofs->n == request->n_names;
}

void keeper_on_prove(struct keeper *keeper, const struct keeper_ticket *ticket,
		     struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__Prove *request = (const Asafo__Ipc__Prove *)body;
	_cleanup_(proofs_free_p) struct proofs *proofs = calloc(1, sizeof(*proofs));
	Asafo__Ipc__ProveReply message = ASAFO__IPC__PROVE_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	bool is_last = false;
	int r = 0;

	(void)frame;
	if (!proofs) {
		keeper_reply_status(keeper, ticket, -ENOMEM, NULL);
		return;
	}
	proofs->keeper = keeper;
	proofs->n_max = request->max > 0 && request->max < PROOFS_MAX ? request->max : PROOFS_MAX;
	proofs->is_without_keys = request->without_keys;
	proofs->deadline = monotime_add_ms(monotime_now(), request->max_ms);
	if (request->n_names > 0)
		prove_named(proofs, request, &is_last);
	else if (request->whole)
		r = prove_whole(proofs, request->after, &is_last);
	else
		r = prove_behind(proofs, request->after, &is_last);
	if (r < 0) {
		keeper_refuse(keeper, ticket, r, "the certificate store cannot be read: %s",
			      err_text(r));
		return;
	}
	message.status = &status;
	message.proofs = proofs->pointers;
	message.n_proofs = proofs->n;
	message.is_last = is_last;
	keeper_reply(keeper, ticket, &message.base, false);
}
