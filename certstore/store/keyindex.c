/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two chained hash tables over the same entries. One goes by the key id, which is SHA-256 already,
 * so that its first bytes are the hash. One goes by the whole entry and tells whether it is there:
 * thousands of items may hold the same key (a wildcard's, or that of many generations), and whoever
 * adds another doesn't walk past all of them.
 */
#include "certstore/store/keyindex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 64

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

struct keyindex {
	struct keyindex_entry **by_id, **by_entry; /* each of N_BUCKETS */
	size_t n_buckets;			   /* a power of two */
	size_t n;
};

static size_t bucket_of(const struct keyindex *index, const uint8_t *key_id)
{
	uint64_t hash;

	memcpy(&hash, key_id, sizeof(hash));
	return (size_t)hash & (index->n_buckets - 1);
}

static uint64_t entry_hash(const uint8_t *key_id, bool is_unit, const char *key)
{
	uint64_t hash = FNV_BASIS, id;

	memcpy(&id, key_id, sizeof(id));
	hash = (hash ^ id ^ (uint64_t)is_unit) * FNV_PRIME;
	for (; *key; key++)
		hash = (hash ^ (unsigned char)*key) * FNV_PRIME;
	/* A product's low bits know nothing of the high ones. */
	return hash ^ hash >> 32;
}

static size_t entry_bucket(const struct keyindex *index, uint64_t hash)
{
	return (size_t)hash & (index->n_buckets - 1);
}

int keyindex_new(struct keyindex **ret_index)
{
	struct keyindex *index = calloc(1, sizeof(*index));

	if (!index)
		return -ENOMEM;
	index->by_id = calloc(BUCKETS_FIRST, sizeof(struct keyindex_entry *));
	index->by_entry = calloc(BUCKETS_FIRST, sizeof(struct keyindex_entry *));
	if (!index->by_id || !index->by_entry) {
		free(index->by_id);
		free(index->by_entry);
		free(index);
		return -ENOMEM;
	}
	index->n_buckets = BUCKETS_FIRST;
	*ret_index = index;
	return 0;
}

void keyindex_clear(struct keyindex *index)
{
	for (size_t i = 0; i < index->n_buckets; i++) {
		while (index->by_id[i]) {
			struct keyindex_entry *entry = index->by_id[i];

			index->by_id[i] = entry->next;
			free(entry);
		}
		index->by_entry[i] = NULL;
	}
	index->n = 0;
}

void keyindex_free(struct keyindex *index)
{
	if (!index)
		return;
	keyindex_clear(index);
	free(index->by_id);
	free(index->by_entry);
	free(index);
}

size_t keyindex_count(const struct keyindex *index)
{
	return index->n;
}

static void link_entry(struct keyindex *index, struct keyindex_entry *entry)
{
	uint64_t hash = entry_hash(entry->key_id, entry->is_unit, entry->key);
	struct keyindex_entry **by_id = &index->by_id[bucket_of(index, entry->key_id)];
	struct keyindex_entry **by_entry = &index->by_entry[entry_bucket(index, hash)];

	entry->next = *by_id;
	*by_id = entry;
	entry->next_entry = *by_entry;
	*by_entry = entry;
}

/* A larger table is an optimisation: without memory the smaller one goes on. */
static void grow(struct keyindex *index)
{
	struct keyindex old = *index;
	struct keyindex_entry **by_id = calloc(2 * old.n_buckets, sizeof(*by_id));
	struct keyindex_entry **by_entry = calloc(2 * old.n_buckets, sizeof(*by_entry));

	if (!by_id || !by_entry) {
		free(by_id);
		free(by_entry);
		return;
	}
	index->by_id = by_id;
	index->by_entry = by_entry;
	index->n_buckets = 2 * old.n_buckets;
	for (size_t i = 0; i < old.n_buckets; i++) {
		struct keyindex_entry *entry = old.by_id[i], *next;

		for (; entry; entry = next) {
			next = entry->next;
			link_entry(index, entry);
		}
	}
	free(old.by_id);
	free(old.by_entry);
}

static bool is_there(const struct keyindex *index, const uint8_t *key_id, bool is_unit,
		     const char *key)
{
	uint64_t hash = entry_hash(key_id, is_unit, key);
	const struct keyindex_entry *entry = index->by_entry[entry_bucket(index, hash)];

	for (; entry; entry = entry->next_entry) {
		if (entry->is_unit == is_unit &&
		    memcmp(entry->key_id, key_id, KEYINDEX_ID_SIZE) == 0 &&
		    strcmp(entry->key, key) == 0)
			return true;
	}
	return false;
}

int keyindex_add(struct keyindex *index, const uint8_t key_id[static KEYINDEX_ID_SIZE],
		 bool is_unit, const char *key)
{
	size_t size = strlen(key) + 1;
	struct keyindex_entry *entry;

	if (is_there(index, key_id, is_unit, key))
		return 0;
	if (index->n >= index->n_buckets)
		grow(index);
	entry = malloc(sizeof(*entry) + size);
	if (!entry)
		return -ENOMEM;
	entry->is_unit = is_unit;
	memcpy(entry->key_id, key_id, KEYINDEX_ID_SIZE);
	memcpy(entry->key, key, size);
	link_entry(index, entry);
	index->n++;
	return 0;
}

const struct keyindex_entry *keyindex_find(const struct keyindex *index,
					   const uint8_t key_id[static KEYINDEX_ID_SIZE],
					   const struct keyindex_entry *previous)
{
	const struct keyindex_entry *entry =
		previous ? previous->next : index->by_id[bucket_of(index, key_id)];

	while (entry && memcmp(entry->key_id, key_id, KEYINDEX_ID_SIZE) != 0)
		entry = entry->next;
	return entry;
}
