/* SPDX-License-Identifier: Apache-2.0 */
/* Records of both families, by name and by key id. */
#include <stdio.h>
#include <string.h>

#include "certstore/keeper_private.h"

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

/* ---- key ids ---- */

int keeper_index_add(struct keeper *keeper, bool is_unit, const char *key, const uint8_t *record,
		     size_t size)
{
	Asafo__Record__Record *message = asafo__record__record__unpack(NULL, size, record);
	Asafo__Record__TrustpointPublic *public_part = NULL;
	int r = 0;

	if (message)
		public_part = asafo__record__trustpoint_public__unpack(
			NULL, message->public_part.len, message->public_part.data);
	/* A record that cannot be read has no key to sign with; whoever asks for it is told. */
	if (public_part && public_part->key_id.len == KEYINDEX_ID_SIZE)
		r = keyindex_add(keeper->index, public_part->key_id.data, is_unit, key);
	if (public_part)
		asafo__record__trustpoint_public__free_unpacked(public_part, NULL);
	if (message)
		asafo__record__record__free_unpacked(message, NULL);
	return r;
}

struct rebuild {
	struct keeper *keeper;
	bool is_unit;
};

static int index_one(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	const struct rebuild *rebuild = userdata;

	return keeper_index_add(rebuild->keeper, rebuild->is_unit, key, value, size);
}

int keeper_index_rebuild(struct keeper *keeper)
{
	/* Older generations too: a handshake that began before an import ends with the key it began
	 * with. */
	static const char *const prefixes[] = {"trustpoint/", "generation/", "fallback/"};
	int r = 0;

	keyindex_clear(keeper->index);
	for (size_t i = 0; r == 0 && i < 2 * ARRAY_SIZE(prefixes); i++) {
		struct rebuild rebuild = {keeper, i % 2 == 1};

		r = keeper_each(keeper, rebuild.is_unit, prefixes[i / 2], NULL, index_one,
				&rebuild);
	}
	return r;
}

int keeper_load_key(const uint8_t key_id[static 32], struct secret *ret_pkcs8, void *userdata)
{
	struct keeper *keeper = userdata;
	const struct keyindex_entry *entry = NULL;
	int r = ERR_NOT_FOUND;

	while ((entry = keyindex_find(keeper->index, key_id, entry))) {
		_cleanup_(keeper_item_done) struct keeper_item item = {0};

		r = keeper_item_get(keeper, entry->is_unit, entry->key, &item);
		if (r == 0 && (item.public_part->key_id.len != 32 ||
			       memcmp(item.public_part->key_id.data, key_id, 32) != 0))
			r = ERR_NOT_FOUND;
		if (r == 0)
			r = keyring_open(keeper->ring, item.record, ret_pkcs8);
		if (r == 0)
			return 0;
	}
	return r;
}
