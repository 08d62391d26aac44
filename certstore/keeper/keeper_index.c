/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records by key id. The index is made while nothing else is to be done: a unit with very many
 * trustpoints listens for its mate meanwhile. Whoever looks for a key that is not among what was
 * indexed so far makes the rest at once.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "certstore/keeper/keeper_state.h"

#define SLICE_ITEMS 256u

/* Older generations too: a handshake that began before an import ends with the key it began with.
 */
static const char *const prefixes[] = {"trustpoint/", "generation/", "fallback/"};

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

/* Both families of each prefix. */
static bool is_made(const struct keeper_indexing *indexing)
{
	return indexing->step >= 2 * ARRAY_SIZE(prefixes);
}

struct slice {
	struct keeper *keeper;
	bool is_unit;
	unsigned n;
};

static int index_one(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct slice *slice = userdata;
	int r = keeper_index_add(slice->keeper, slice->is_unit, key, value, size);

	if (r < 0)
		return r;
	(void)snprintf(slice->keeper->indexing.after, STORE_KEY_MAX + 1, "%s", key);
	/* Not an error: the rest is for another slice. */
	return ++slice->n == SLICE_ITEMS ? ERR_BUSY : 0;
}

static int index_slice(struct keeper *keeper)
{
	struct keeper_indexing *indexing = &keeper->indexing;
	struct slice slice = {keeper, indexing->step % 2 == 1, 0};
	int r = keeper_each(keeper, slice.is_unit, prefixes[indexing->step / 2],
			    indexing->after[0] ? indexing->after : NULL, index_one, &slice);

	if (r == ERR_BUSY && slice.n == SLICE_ITEMS)
		return 0;
	if (r < 0)
		return r;
	indexing->step++;
	indexing->after[0] = 0;
	return 0;
}

static int index_rest(struct keeper *keeper)
{
	int r = 0;

	while (r == 0 && !is_made(&keeper->indexing))
		r = index_slice(keeper);
	return r;
}

static int on_idle(sd_event_source *source, void *userdata)
{
	struct keeper *keeper = userdata;
	int r = is_made(&keeper->indexing) ? 0 : index_slice(keeper);

	if (r == 0 && !is_made(&keeper->indexing))
		return 0;
	/* Whoever looks for a key tries the rest again. */
	if (r < 0)
		log_line(LOG_ERR, "the index of keys is not complete: %s", err_text(r));
	else
		keeper_crls_indexed(keeper);
	return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

int keeper_index_rebuild(struct keeper *keeper)
{
	struct keeper_indexing *indexing = &keeper->indexing;
	int r;

	keyindex_clear(keeper->index);
	indexing->step = 0;
	indexing->after[0] = 0;
	if (indexing->source)
		return sd_event_source_set_enabled(indexing->source, SD_EVENT_ON);
	r = sd_event_add_defer(keeper->event, &indexing->source, on_idle, keeper);
	if (r >= 0)
		r = sd_event_source_set_priority(indexing->source, SD_EVENT_PRIORITY_IDLE);
	return r < 0 ? r : sd_event_source_set_enabled(indexing->source, SD_EVENT_ON);
}

void keeper_index_drop(struct keeper *keeper)
{
	keeper->indexing.source = sd_event_source_disable_unref(keeper->indexing.source);
}

static int load_indexed(struct keeper *keeper, const uint8_t *key_id, struct secret *ret_pkcs8)
{
	const struct keyindex_entry *entry = NULL;
	int r = ERR_NOT_FOUND;

	while ((entry = keyindex_find(keeper->index, key_id, entry))) {
		_cleanup_(keeper_item_done) struct keeper_item item = {0};

		r = keeper_item_get(keeper, entry->is_unit, entry->key, &item);
		if (r == 0 &&
		    (item.public_part->key_id.len != KEYINDEX_ID_SIZE ||
		     memcmp(item.public_part->key_id.data, key_id, KEYINDEX_ID_SIZE) != 0))
			r = ERR_NOT_FOUND;
		if (r == 0)
			r = keyring_open(keeper->ring, item.record, ret_pkcs8);
		if (r == 0)
			return 0;
	}
	return r;
}

int keeper_load_key(const uint8_t key_id[static 32], struct secret *ret_pkcs8, void *userdata)
{
	struct keeper *keeper = userdata;
	int r = load_indexed(keeper, key_id, ret_pkcs8);

	if (r == 0 || is_made(&keeper->indexing))
		return r;
	r = index_rest(keeper);
	return r < 0 ? r : load_indexed(keeper, key_id, ret_pkcs8);
}
