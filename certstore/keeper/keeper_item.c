/* SPDX-License-Identifier: Apache-2.0 */
/* Records of both families, by name, and what follows when they change. */
#include <stdio.h>
#include <string.h>

#include "certstore/keeper/keeper_state.h"

void keeper_item_done(struct keeper_item *item)
{
	if (item->public_part)
		asafo__record__trustpoint_public__free_unpacked(item->public_part, NULL);
	if (item->record)
		asafo__record__record__free_unpacked(item->record, NULL);
	buf_done(&item->bytes);
	*item = (struct keeper_item){0};
}

static int unpack(struct keeper_item *item)
{
	item->record = asafo__record__record__unpack(NULL, item->bytes.size, item->bytes.data);
	if (!item->record)
		return ERR_STORE;
	item->public_part = asafo__record__trustpoint_public__unpack(
		NULL, item->record->public_part.len, item->record->public_part.data);
	return item->public_part ? 0 : ERR_STORE;
}

int keeper_item_get(struct keeper *keeper, bool is_unit, const char *key,
		    struct keeper_item *ret_item)
{
	_cleanup_(keeper_item_done) struct keeper_item item = {.is_unit = is_unit};
	int r;

	if (snprintf(item.key, sizeof(item.key), "%s", key) >= (int)sizeof(item.key))
		return ERR_NOT_FOUND;
	r = is_unit ? store_unit_get(keeper->store, key, &item.bytes)
		    : store_get(keeper->store, key, &item.bytes);
	if (r == 0)
		r = unpack(&item);
	if (r < 0)
		return r;
	*ret_item = item;
	item = (struct keeper_item){0};
	return 0;
}

int keeper_trustpoint_get(struct keeper *keeper, const char *name, struct keeper_item *ret_item)
{
	char key[KEEPER_NAME_KEY_SIZE];
	int r;

	if (!identity_name_is_valid(name))
		return ERR_NOT_FOUND;
	(void)snprintf(key, sizeof(key), "trustpoint/%s", name);
	r = keeper_item_get(keeper, false, key, ret_item);
	return r == ERR_NOT_FOUND ? keeper_item_get(keeper, true, key, ret_item) : r;
}

int keeper_change(struct keeper *keeper, bool is_unit, uint64_t term,
		  const struct store_change *changes, size_t n_changes, struct why *ret_why)
{
	int r;

	if (is_unit)
		return store_unit_change(keeper->store, changes, n_changes, ret_why);
	/* A file is parsed in its own time: the unit may have lost its role since it was asked. */
	r = keeper_check_term(keeper, term, ret_why);
	return r < 0 ? r : store_change(keeper->store, term, changes, n_changes, ret_why);
}

void keeper_tell_changed(struct keeper *keeper)
{
	Asafo__Ipc__Changed notice = ASAFO__IPC__CHANGED__INIT;
	Asafo__Record__Position position;
	struct store_position now;

	store_position(keeper->store, &now);
	store_position_pack(&now, &position);
	notice.position = &position;
	for (struct keeper_peer *peer = keeper->peers; peer; peer = peer->next) {
		if (peer->kind != IPC_PEER_AUTH)
			(void)ipc_channel_send(peer->channel, IPC_CHANGED, &notice.base, NULL, 0);
	}
}

void keeper_changed(struct keeper *keeper)
{
	signer_flush(keeper->signer);
	keeper_trim_later(keeper);
	keeper_tell_changed(keeper);
}

int keeper_each(struct keeper *keeper, bool is_unit, const char *prefix, const char *after,
		int (*fn)(const char *key, const uint8_t *value, size_t size, void *userdata),
		void *userdata)
{
	return is_unit ? store_unit_each_after(keeper->store, prefix, after, fn, userdata)
		       : store_each_after(keeper->store, prefix, after, fn, userdata);
}

int keeper_set_text(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	/* protobuf-c shares one empty string between all fields that were not on the wire. */
	if (*field != (char *)(uintptr_t)protobuf_c_empty_string)
		free(*field);
	*field = copy;
	return 0;
}
