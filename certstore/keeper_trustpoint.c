/* SPDX-License-Identifier: Apache-2.0 */
/* One trustpoint: its public part, its removal, and the self-signed fallback. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "certstore/keeper_private.h"
#include "certstore/localca.h"

#define FALLBACK_KEY "fallback/"

/* ---- remove ---- */

struct removal {
	struct store_change changes[1 + 4 * STORE_GENERATIONS_KEPT];
	char keys[1 + 4 * STORE_GENERATIONS_KEPT][KEEPER_NAME_KEY_SIZE];
	size_t n;
};

static int removal_add(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct removal *removal = userdata;

	(void)value;
	(void)size;
	if (removal->n == ARRAY_SIZE(removal->changes))
		return 0;
	(void)snprintf(removal->keys[removal->n], KEEPER_NAME_KEY_SIZE, "%s", key);
	removal->changes[removal->n] = (struct store_change){removal->keys[removal->n], NULL, 0};
	removal->n++;
	return 0;
}

static int remove_trustpoint(struct keeper *keeper, const char *name, uint64_t term,
			     struct why *why)
{
	_cleanup_(keeper_item_done) struct keeper_item item = {0};
	_cleanup_free_ struct removal *removal = calloc(1, sizeof(*removal));
	char prefix[KEEPER_NAME_KEY_SIZE];
	int r = removal ? keeper_trustpoint_get(keeper, name, &item) : -ENOMEM;

	if (r < 0)
		return why_set(why, r,
			       r == ERR_NOT_FOUND ? "there is no trustpoint %s"
						  : "trustpoint %s cannot be read",
			       name);
	(void)removal_add(item.key, NULL, 0, removal);
	(void)snprintf(prefix, sizeof(prefix), "generation/%s/", name);
	r = keeper_each(keeper, item.is_unit, prefix, NULL, removal_add, removal);
	if (r < 0)
		return why_set(why, r, "the certificate store cannot be read: %s", err_text(r));
	return keeper_change(keeper, item.is_unit, term, removal->changes, removal->n, why);
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
	keeper_reply(keeper, ticket, &message.base, false);
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
