/* SPDX-License-Identifier: Apache-2.0 */
/* Which CRLs there are, whose they are, and a part of one. A list that is damaged is none: the
 * other unit's takes its place. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "certstore/keeper/keeper_crl.h"
#include "certstore/keeper/keeper_verbs.h"

#define TRUSTPOINT_PREFIX "trustpoint/"

/* ---- whose they are ---- */

static bool is_of(struct keeper *keeper, const char *name, const Asafo__Record__Crl *crl)
{
	_cleanup_(keeper_item_done) struct keeper_item item = {0};

	return keeper_trustpoint_get(keeper, name, &item) == 0 && item.public_part->is_ca &&
	       item.public_part->key_id.len == crl->key_id.len &&
	       memcmp(item.public_part->key_id.data, crl->key_id.data, crl->key_id.len) == 0;
}

static int add_trustpoint(Asafo__Record__Crl *crl, const char *name)
{
	char **names;

	for (size_t i = 0; i < crl->n_trustpoints; i++) {
		if (strcmp(crl->trustpoints[i], name) == 0)
			return 0;
	}
	names = realloc(crl->trustpoints, (crl->n_trustpoints + 1) * sizeof(*names));
	if (!names)
		return -ENOMEM;
	crl->trustpoints = names;
	names[crl->n_trustpoints] = strdup(name);
	return names[crl->n_trustpoints++] ? 0 : -ENOMEM;
}

/* By the key: the name for which it was imported may have another CA by now, or be gone, and
 * another one have this CA. */
static int add_trustpoints(struct keeper *keeper, Asafo__Record__Crl *crl)
{
	const struct keyindex_entry *entry = NULL;
	int r = is_of(keeper, crl->trustpoint, crl) ? add_trustpoint(crl, crl->trustpoint) : 0;

	while (r == 0 && (entry = keyindex_find(keeper->index, crl->key_id.data, entry))) {
		size_t size = strlen(TRUSTPOINT_PREFIX);

		if (strncmp(entry->key, TRUSTPOINT_PREFIX, size) == 0 &&
		    is_of(keeper, entry->key + size, crl))
			r = add_trustpoint(crl, entry->key + size);
	}
	return r;
}

static int there_is_one(const Asafo__Record__Crl *crl, void *userdata)
{
	(void)crl;
	*(bool *)userdata = true;
	return 0;
}

void keeper_crls_indexed(struct keeper *keeper)
{
	bool is_any = false;

	if (keeper->failure == 0 && keeper->store &&
	    keeper_crl_each_readable(keeper, false, there_is_one, &is_any) == 0 &&
	    keeper_crl_each_readable(keeper, true, there_is_one, &is_any) == 0 && is_any)
		keeper_tell_changed(keeper);
}

/* ---- the list ---- */

struct listing {
	struct keeper *keeper;
	Asafo__Record__Crl *crls[2 * KEEPER_CRLS_MAX], *gone[KEEPER_CRLS_MAX];
	size_t n, n_gone;
	bool is_home;
};

static void listing_done(struct listing *listing)
{
	while (listing->n > 0)
		keeper_crl_free(listing->crls[--listing->n]);
	while (listing->n_gone > 0)
		keeper_crl_free(listing->gone[--listing->n_gone]);
}

static int list_one(const Asafo__Record__Crl *crl, void *userdata)
{
	struct listing *listing = userdata;
	Asafo__Record__Crl *copy;

	if (listing->n == 2 * KEEPER_CRLS_MAX ||
	    !keeper_crl_is_whole(listing->keeper, listing->is_home, crl))
		return 0;
	copy = keeper_crl_copy(crl);
	if (!copy)
		return -ENOMEM;
	listing->crls[listing->n++] = copy;
	copy->is_home = listing->is_home;
	return add_trustpoints(listing->keeper, copy);
}

static int list_gone(const Asafo__Record__Crl *gone, void *userdata)
{
	struct listing *listing = userdata;
	Asafo__Record__Crl *copy;

	if (listing->n_gone == KEEPER_CRLS_MAX)
		return 0;
	copy = keeper_crl_copy(gone);
	if (!copy)
		return -ENOMEM;
	listing->gone[listing->n_gone++] = copy;
	return 0;
}

void keeper_on_crl_list(struct keeper *keeper, const struct keeper_ticket *ticket,
			struct ipc_frame *frame, const ProtobufCMessage *body)
{
	_cleanup_(listing_done) struct listing listing = {.keeper = keeper};
	Asafo__Ipc__CrlListReply message = ASAFO__IPC__CRL_LIST_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	int r = keeper_crl_each_readable(keeper, false, list_one, &listing);

	(void)frame;
	(void)body;
	listing.is_home = true;
	if (r == 0)
		r = keeper_crl_each_readable(keeper, true, list_one, &listing);
	if (r == 0)
		r = keeper_crl_each_gone(keeper, list_gone, &listing);
	if (r < 0) {
		keeper_refuse(keeper, ticket, r, "the CRLs cannot be read: %s", err_text(r));
		return;
	}
	message.status = &status;
	message.crls = listing.crls;
	message.n_crls = listing.n;
	message.gone = listing.gone;
	message.n_gone = listing.n_gone;
	keeper_reply(keeper, ticket, &message.base, false);
}

/* ---- a part of one ---- */

void keeper_on_crl_get(struct keeper *keeper, const struct keeper_ticket *ticket,
		       struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__CrlGet *request = (const Asafo__Ipc__CrlGet *)body;
	_cleanup_(keeper_crl_free_p) Asafo__Record__Crl *crl =
		keeper_crl_find(keeper, false, &request->key_id);
	_cleanup_(keeper_crl_free_p) Asafo__Record__Crl *gone =
		crl ? NULL : keeper_crl_find_gone(keeper, &request->key_id);
	Asafo__Ipc__CrlGetReply message = ASAFO__IPC__CRL_GET_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	Asafo__Record__CrlPart part = ASAFO__RECORD__CRL_PART__INIT;
	_cleanup_(buf_done) struct buf marks = {0};
	int r = crl || gone ? 0 : ERR_NOT_FOUND;

	(void)frame;
	if (r == 0 && crl && crl->revoked > 0)
		r = keeper_crl_part_get(keeper, false, &request->key_id, request->part, &marks);
	if (r < 0) {
		keeper_refuse(keeper, ticket, r, "there is no such part of a CRL");
		return;
	}
	part.crl = crl ? crl : gone;
	part.part = request->part;
	part.marks = (ProtobufCBinaryData){marks.size, marks.data};
	message.status = &status;
	message.part = &part;
	keeper_reply(keeper, ticket, &message.base, false);
}
