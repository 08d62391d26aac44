/* SPDX-License-Identifier: Apache-2.0 */
/* A chained hash table; key ids are SHA-256 already, so that their first bytes are the hash. */
#include "certstore/keyindex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 64

struct keyindex {
	struct keyindex_entry **buckets;
	size_t n_buckets; /* a power of two */
	size_t n;
};

static size_t bucket_of(const struct keyindex *index, const uint8_t *key_id)
{
	uint64_t hash;

	memcpy(&hash, key_id, sizeof(hash));
	return (size_t)hash & (index->n_buckets - 1);
}

int keyindex_new(struct keyindex **ret_index)
{
	struct keyindex *index = calloc(1, sizeof(*index));

	if (!index)
		return -ENOMEM;
	index->buckets = calloc(BUCKETS_FIRST, sizeof(struct keyindex_entry *));
	if (!index->buckets) {
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
		while (index->buckets[i]) {
			struct keyindex_entry *entry = index->buckets[i];

			index->buckets[i] = entry->next;
			free(entry);
		}
	}
	index->n = 0;
}

void keyindex_free(struct keyindex *index)
{
	if (!index)
		return;
	keyindex_clear(index);
	free(index->buckets);
	free(index);
}

size_t keyindex_count(const struct keyindex *index)
{
	return index->n;
}

/* A larger table is an optimisation: without memory the smaller one goes on. */
static void grow(struct keyindex *index)
{
	struct keyindex old = *index;
	struct keyindex_entry **buckets =
		calloc(2 * old.n_buckets, sizeof(struct keyindex_entry *));

	if (!buckets)
		return;
	index->buckets = buckets;
	index->n_buckets = 2 * old.n_buckets;
	for (size_t i = 0; i < old.n_buckets; i++) {
		while (old.buckets[i]) {
			struct keyindex_entry *entry = old.buckets[i];
			struct keyindex_entry **bucket = &buckets[bucket_of(index, entry->key_id)];

			old.buckets[i] = entry->next;
			entry->next = *bucket;
			*bucket = entry;
		}
	}
	free(old.buckets);
}

int keyindex_add(struct keyindex *index, const uint8_t key_id[static KEYINDEX_ID_SIZE],
		 bool is_unit, const char *key)
{
	size_t size = strlen(key) + 1;
	struct keyindex_entry *entry, **bucket;
	const struct keyindex_entry *there = NULL;

	while ((there = keyindex_find(index, key_id, there))) {
		if (there->is_unit == is_unit && strcmp(there->key, key) == 0)
			return 0;
	}
	if (index->n >= index->n_buckets)
		grow(index);
	entry = malloc(sizeof(*entry) + size);
	if (!entry)
		return -ENOMEM;
	bucket = &index->buckets[bucket_of(index, key_id)];
	entry->next = *bucket;
	entry->is_unit = is_unit;
	memcpy(entry->key_id, key_id, KEYINDEX_ID_SIZE);
	memcpy(entry->key, key, size);
	*bucket = entry;
	index->n++;
	return 0;
}

const struct keyindex_entry *keyindex_find(const struct keyindex *index,
					   const uint8_t key_id[static KEYINDEX_ID_SIZE],
					   const struct keyindex_entry *previous)
{
	const struct keyindex_entry *entry =
		previous ? previous->next : index->buckets[bucket_of(index, key_id)];

	while (entry && memcmp(entry->key_id, key_id, KEYINDEX_ID_SIZE) != 0)
		entry = entry->next;
	return entry;
}
