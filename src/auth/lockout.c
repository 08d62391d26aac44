/* SPDX-License-Identifier: Apache-2.0 */
/* Two small tables that are searched from end to end: what follows a search is a password hash,
 * which takes a thousand times as long. */
#include "auth/lockout.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define KEY_SIZE 64

struct entry {
	uint8_t key[KEY_SIZE]; /* zero-padded */
	unsigned failures;
	struct monotime failed_at, locked_until;
};

struct table {
	struct entry *entries;
	size_t n, capacity;
	unsigned tries;
};

struct lockout {
	struct table users, sources;
};

int lockout_new(struct lockout **ret_lockout)
{
	struct lockout *lockout = calloc(1, sizeof(*lockout));

	if (!lockout)
		return -ENOMEM;
	lockout->users.tries = LOCKOUT_USER_TRIES;
	lockout->sources.tries = LOCKOUT_SOURCE_TRIES;
	*ret_lockout = lockout;
	return 0;
}

void lockout_free(struct lockout *lockout)
{
	if (!lockout)
		return;
	free(lockout->users.entries);
	free(lockout->sources.entries);
	free(lockout);
}

/* A longer name than any user's can have shares its account with those that begin alike. */
static void user_key(const char *user, uint8_t ret_key[static KEY_SIZE])
{
	memset(ret_key, 0, KEY_SIZE);
	memcpy(ret_key, user, strnlen(user, KEY_SIZE));
}

static void source_key(const uint8_t *client, size_t size, uint8_t ret_key[static KEY_SIZE])
{
	memset(ret_key, 0, KEY_SIZE);
	ret_key[0] = (uint8_t)size;
	if (size > 0)
		memcpy(ret_key + 1, client, size == 16 ? 8 : size < 16 ? size : 16);
}

static struct entry *find(const struct table *table, const uint8_t key[static KEY_SIZE])
{
	for (size_t i = 0; i < table->n; i++) {
		if (memcmp(table->entries[i].key, key, KEY_SIZE) == 0)
			return &table->entries[i];
	}
	return NULL;
}

static bool is_forgotten(const struct entry *entry, struct monotime now)
{
	return monotime_reached(now, entry->locked_until) &&
	       monotime_reached(now, monotime_add_ms(entry->failed_at, LOCKOUT_FORGET_MS));
}

static int room_make(struct table *table)
{
	size_t capacity = table->capacity ? 2 * table->capacity : 16;
	struct entry *entries;

	if (table->n < table->capacity)
		return 0;
	entries = reallocarray(table->entries, capacity, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	table->entries = entries;
	table->capacity = capacity;
	return 0;
}

/* The place of a new entry: one of its own, or that of whom nobody will miss. */
static struct entry *place_take(struct table *table, struct monotime now)
{
	struct entry *quietest = NULL;

	for (size_t i = 0; i < table->n; i++) {
		struct entry *entry = &table->entries[i];

		if (is_forgotten(entry, now))
			return entry;
		if (!quietest || entry->failed_at.ns < quietest->failed_at.ns)
			quietest = entry;
	}
	if (table->n >= LOCKOUT_ENTRIES_MAX)
		return quietest;
	return room_make(table) < 0 ? NULL : &table->entries[table->n++];
}

static int count(struct table *table, const uint8_t key[static KEY_SIZE], struct monotime now)
{
	struct entry *entry = find(table, key);
	uint64_t lock_ms = LOCKOUT_FIRST_MS;

	if (!entry || is_forgotten(entry, now)) {
		entry = entry ? entry : place_take(table, now);
		if (!entry)
			return -ENOMEM;
		*entry = (struct entry){.failures = 0};
		memcpy(entry->key, key, KEY_SIZE);
	}
	entry->failures++;
	entry->failed_at = now;
	if (entry->failures < table->tries)
		return 0;
	for (unsigned i = table->tries; i < entry->failures && lock_ms < LOCKOUT_MAX_MS; i++)
		lock_ms *= 2;
	entry->locked_until =
		monotime_add_ms(now, lock_ms < LOCKOUT_MAX_MS ? lock_ms : LOCKOUT_MAX_MS);
	return 0;
}

static uint64_t wait_of(const struct table *table, const uint8_t key[static KEY_SIZE],
			struct monotime now)
{
	const struct entry *entry = find(table, key);

	return entry ? monotime_since(entry->locked_until, now) : 0;
}

uint32_t lockout_wait(const struct lockout *lockout, const char *user, const uint8_t *client,
		      size_t client_size, struct monotime now)
{
	uint8_t key[KEY_SIZE];
	uint64_t by_user, by_source, ns;

	user_key(user, key);
	by_user = wait_of(&lockout->users, key, now);
	source_key(client, client_size, key);
	by_source = client_size ? wait_of(&lockout->sources, key, now) : 0;
	ns = by_user > by_source ? by_user : by_source;
	return (uint32_t)((ns + MONOTIME_NS_PER_MS - 1) / MONOTIME_NS_PER_MS);
}

int lockout_failed(struct lockout *lockout, const char *user, const uint8_t *client,
		   size_t client_size, struct monotime now)
{
	uint8_t key[KEY_SIZE];
	int r, r_source = 0;

	user_key(user, key);
	r = count(&lockout->users, key, now);
	source_key(client, client_size, key);
	if (client_size)
		r_source = count(&lockout->sources, key, now);
	return r < 0 ? r : r_source;
}

void lockout_succeeded(struct lockout *lockout, const char *user)
{
	uint8_t key[KEY_SIZE];
	struct entry *entry;

	user_key(user, key);
	entry = find(&lockout->users, key);
	if (entry)
		*entry = lockout->users.entries[--lockout->users.n];
}
