/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chained hash table of fixed width: entries exist only while their count is above zero, so that
 * it is bounded by the number of connections. The hash is keyed, since a client may choose its
 * address.
 */
#include "front/net/sources.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/err.h"

#define BUCKETS 4096u

struct entry {
	struct entry *next;
	struct source_key key;
	unsigned count;
};

struct sources {
	unsigned limit;
	uint64_t seed[2];
	struct entry *buckets[BUCKETS];
};

int sources_new(unsigned limit, struct sources **ret_sources)
{
	struct sources *sources = calloc(1, sizeof(*sources));

	if (!sources)
		return -ENOMEM;
	sources->limit = limit;
	if (getrandom(sources->seed, sizeof(sources->seed), 0) != (ssize_t)sizeof(sources->seed)) {
		free(sources);
		return -EIO;
	}
	*ret_sources = sources;
	return 0;
}

void sources_clear(struct sources *sources)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		while (sources->buckets[i]) {
			struct entry *entry = sources->buckets[i];

			sources->buckets[i] = entry->next;
			free(entry);
		}
	}
}

void sources_free(struct sources *sources)
{
	if (!sources)
		return;
	sources_clear(sources);
	free(sources);
}

struct source_key sources_key(const struct sockaddr_storage *address)
{
	struct source_key key = {{0}};

	if (address->ss_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, address, sizeof(in6));
		memcpy(key.bytes, &in6.sin6_addr, 8);
		key.bytes[15] = 6;
	} else if (address->ss_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, address, sizeof(in));
		memcpy(key.bytes, &in.sin_addr, 4);
		key.bytes[15] = 4;
	}
	return key;
}

/* murmur3's finalizer over two seeded words */
static size_t bucket_of(const struct sources *sources, const struct source_key *key)
{
	uint64_t words[2], h;

	memcpy(words, key->bytes, sizeof(words));
	h = sources->seed[0];
	for (size_t i = 0; i < 2; i++) {
		h ^= words[i] + sources->seed[1];
		h ^= h >> 33;
		h *= UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 33;
		h *= UINT64_C(0xc4ceb9fe1a85ec53);
		h ^= h >> 33;
	}
	return h % BUCKETS;
}

static struct entry **entry_find(struct sources *sources, const struct source_key *key)
{
	struct entry **at = &sources->buckets[bucket_of(sources, key)];

	while (*at && memcmp(&(*at)->key, key, sizeof(*key)) != 0)
		at = &(*at)->next;
	return at;
}

int sources_add(struct sources *sources, const struct source_key *key)
{
	struct entry **at = entry_find(sources, key);

	if (!*at) {
		*at = calloc(1, sizeof(**at));
		if (!*at)
			return -ENOMEM;
		(*at)->key = *key;
	}
	if ((*at)->count >= sources->limit)
		return ERR_BUSY;
	(*at)->count++;
	return 0;
}

void sources_remove(struct sources *sources, const struct source_key *key)
{
	struct entry **at = entry_find(sources, key);
	struct entry *entry = *at;

	if (!entry || --entry->count > 0)
		return;
	*at = entry->next;
	free(entry);
}
