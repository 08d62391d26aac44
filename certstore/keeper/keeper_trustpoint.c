/* SPDX-License-Identifier: Apache-2.0 */
/* One trustpoint: its public part, its removal, and the self-signed fallback. */
#include <stdlib.h>
#include <time.h>

#include "certstore/keeper/keeper_verbs.h"
#include "certstore/x509/localca.h"

#define FALLBACK_KEY "fallback/"

/* ---- remove ---- */

/* KEY (NULL: none is there) and every generation of NAME, however many they are: no sealed key
 * outlives its trustpoint. ERR_NOT_FOUND: nothing was there. */
static int remove_all(struct keeper *keeper, const char *name, bool is_unit, const char *key,
		      uint64_t term, struct why *why)
{
	_cleanup_(keeper_key_list_done) struct keeper_key_list list = {0};
	_cleanup_free_ struct store_change *changes = NULL;
	int r = keeper_generations_get(keeper, name, is_unit, &list);
	size_t n = 0;

	if (r < 0)
		return why_set(why, r, "the certificate store cannot be read: %s", err_text(r));
	if (!key && list.n == 0)
		return ERR_NOT_FOUND;
	changes = calloc(list.n + 1, sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	if (key)
		changes[n++] = (struct store_change){key, NULL, 0};
	for (size_t i = 0; i < list.n; i++)
		changes[n++] = (struct store_change){list.keys[i], NULL, 0};
	return keeper_change(keeper, is_unit, term, changes, n, why);
}

/* Generations that an earlier removal left behind go when they are asked for. */
static int remove_leftovers(struct keeper *keeper, const char *name, uint64_t term, struct why *why)
{
	int of_pair, of_unit;

	if (!identity_name_is_valid(name))
		return ERR_NOT_FOUND;
	of_pair = remove_all(keeper, name, false, NULL, term, why);
	if (of_pair < 0 && of_pair != ERR_NOT_FOUND)
		return of_pair;
	of_unit = remove_all(keeper, name, true, NULL, term, why);
	return of_unit == ERR_NOT_FOUND ? of_pair : of_unit;
}

static int remove_trustpoint(struct keeper *keeper, const char *name, uint64_t term,
			     struct why *why)
{
	_cleanup_(keeper_item_done) struct keeper_item item = {0};
	int r = keeper_trustpoint_get(keeper, name, &item);

	if (r == 0)
		return remove_all(keeper, name, item.is_unit, item.key, term, why);
	if (r != ERR_NOT_FOUND)
		return why_set(why, r, "trustpoint %s cannot be read", name);
	r = remove_leftovers(keeper, name, term, why);
	return r == ERR_NOT_FOUND ? why_set(why, r, "there is no trustpoint %s", name) : r;
}

void keeper_on_remove(struct keeper *keeper, const struct keeper_ticket *ticket,
		      struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__Remove *request = (const Asafo__Ipc__Remove *)body;
	struct why why = {0};
	int r = remove_trustpoint(keeper, request->name, request->term, &why);

	(void)frame;
	keeper_reply_status(keeper, ticket, r, &why);
	if (r == 0)
		keeper_changed(keeper);
}

/* ---- certificate ---- */

void keeper_on_certificate(struct keeper *keeper, const struct keeper_ticket *ticket,
			   struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__Certificate *request = (const Asafo__Ipc__Certificate *)body;
	Asafo__Ipc__CertificateReply message = ASAFO__IPC__CERTIFICATE_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	_cleanup_(keeper_item_done) struct keeper_item item = {0};
	Asafo__Record__Staple *staple;
	bool is_fallback = !*request->name;
	int r = is_fallback ? keeper_item_get(keeper, false, FALLBACK_KEY, &item)
			    : keeper_trustpoint_get(keeper, request->name, &item);

	(void)frame;
	if (r < 0) {
		keeper_refuse(keeper, ticket, r, "%s%s: %s",
			      is_fallback ? "the fallback certificate" : "trustpoint ",
			      request->name, err_text(r));
		return;
	}
	message.status = &status;
	message.public_part = item.record->public_part;
	staple = keeper_staple_find(keeper, item.is_unit, &item.public_part->fingerprint);
	/* What says revoked is kept, and not sent. */
	if (staple && !staple->is_revoked)
		message.staple = staple;
	keeper_reply(keeper, ticket, &message.base, false);
	asafo__record__staple__free_unpacked(staple, NULL);
}

/* ---- fallback ---- */

static int make_fallback(struct keeper *keeper, const char *hostname, uint64_t term,
			 struct why *why)
{
	_cleanup_(identity_done) struct identity identity = {0};
	_cleanup_(buf_done) struct buf record = {0};
	struct store_change change = {.key = FALLBACK_KEY};
	int r = localca_self_signed(hostname, (int64_t)time(NULL), &identity, why);

	if (r < 0)
		return r;
	identity.public_part->origin = ASAFO__RECORD__ORIGIN__ORIGIN_FALLBACK;
	identity.public_part->generation = 1;
	identity.public_part->imported_at = (int64_t)time(NULL);
	r = keyring_seal(keeper->ring, KEYRING_PAIR, identity.public_part, &identity.key, &record);
	if (r < 0)
		return why_set(why, r, "the fallback's key cannot be sealed: %s", err_text(r));
	change.value = record.data;
	change.value_size = record.size;
	r = keeper_change(keeper, false, term, &change, 1, why);
	return r < 0 ? r : keeper_index_add(keeper, false, FALLBACK_KEY, record.data, record.size);
}

void keeper_on_fallback_make(struct keeper *keeper, const struct keeper_ticket *ticket,
			     struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__FallbackMake *request = (const Asafo__Ipc__FallbackMake *)body;
	_cleanup_(buf_done) struct buf there = {0};
	struct why why = {0};
	int r = store_get(keeper->store, FALLBACK_KEY, &there);
	bool is_missing = r == ERR_NOT_FOUND;

	(void)frame;
	if (is_missing)
		r = make_fallback(keeper, *request->hostname ? request->hostname : "asafo",
				  request->term, &why);
	keeper_reply_status(keeper, ticket, r, &why);
	if (is_missing && r == 0)
		keeper_changed(keeper);
}
