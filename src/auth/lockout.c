/* SPDX-License-Identifier: Apache-2.0 */
/* Two small tables that are searched from end to end: what follows a search is a password hash,
 * which takes a thousand times as long. */
#include "auth/lockout.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define KEY_SIZE LOCKOUT_KEY_SIZE

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
	uint64_t revision;
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

	lockout->revision++;
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
	if (!entry)
		return;
	*entry = lockout->users.entries[--lockout->users.n];
	lockout->revision++;
}

uint64_t lockout_revision(const struct lockout *lockout)
{
	return lockout->revision;
}

static size_t table_export(const struct table *table, bool is_source, bool is_locked,
			   struct lockout_entry *entries, size_t n, struct monotime now)
{
	for (size_t i = 0; i < table->n && n < LOCKOUT_EXPORT_MAX; i++) {
		const struct entry *from = &table->entries[i];
		uint64_t left = monotime_since(from->locked_until, now);

		if (is_forgotten(from, now) || (left > 0) != is_locked)
			continue;
		memcpy(entries[n].key, from->key, KEY_SIZE);
		entries[n].is_source = is_source;
		entries[n].failures = from->failures;
		entries[n].age_ms = monotime_since(now, from->failed_at) / MONOTIME_NS_PER_MS;
		entries[n].locked_ms = left / MONOTIME_NS_PER_MS;
		n++;
	}
	return n;
}

size_t lockout_export(const struct lockout *lockout,
		      struct lockout_entry ret_entries[static LOCKOUT_EXPORT_MAX],
		      struct monotime now)
{
	size_t n = table_export(&lockout->users, false, true, ret_entries, 0, now);

	n = table_export(&lockout->sources, true, true, ret_entries, n, now);
	n = table_export(&lockout->users, false, false, ret_entries, n, now);
	return table_export(&lockout->sources, true, false, ret_entries, n, now);
}

/* A span of the other unit's is believed as far as one of ours could be. */
static int entry_take(struct table *table, const struct lockout_entry *from, struct monotime now)
{
	uint64_t age = from->age_ms < LOCKOUT_FORGET_MS ? from->age_ms : LOCKOUT_FORGET_MS;
	uint64_t left = from->locked_ms < LOCKOUT_MAX_MS ? from->locked_ms : LOCKOUT_MAX_MS;
	struct entry *entry = find(table, from->key);

	if (!entry)
		entry = place_take(table, now);
	if (!entry)
		return -ENOMEM;
	*entry = (struct entry){.failures = from->failures < 1000 ? from->failures : 1000};
	memcpy(entry->key, from->key, KEY_SIZE);
	if (now.ns > age * MONOTIME_NS_PER_MS)
		entry->failed_at.ns = now.ns - age * MONOTIME_NS_PER_MS;
	entry->locked_until = left ? monotime_add_ms(now, left) : entry->failed_at;
	return 0;
}

int lockout_replace(struct lockout *lockout, const struct lockout_entry *entries, size_t n,
		    struct monotime now)
{
	int r = 0;

	lockout->users.n = lockout->sources.n = 0;
	lockout->revision++;
	for (size_t i = 0; i < n && r == 0; i++)
		r = entry_take(entries[i].is_source ? &lockout->sources : &lockout->users,
			       &entries[i], now);
	return r;
}
