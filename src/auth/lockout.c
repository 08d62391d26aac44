/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small tables that are searched from end to end, at each login and beside a password hash, which
 * takes a thousand times as long; who is locked costs the search alone. A full table keeps counting
 * (Metwally's "space saving"): who comes new goes on with the count of whom he replaces, so that no
 * flood of names or addresses begins another's count anew.
 */
#include "auth/lockout.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define KEY_SIZE LOCKOUT_KEY_SIZE
#define PAIR_MARK 0xff	  /* begins no name in UTF-8 */
#define PAIR_USER_SIZE 32 /* so much of a pair's key is the user's: the mark and a digest */

struct entry {
	uint8_t key[KEY_SIZE]; /* zero-padded */
	unsigned failures;
	struct monotime failed_at, locked_until; /* as kept_time() has them */
};

struct table {
	struct entry *entries;
	size_t n, capacity;
	unsigned tries;
};

struct lockout {
	struct table pairs, users, sources;
	struct table known; /* pairs; failed_at: when the login was */
	uint64_t revision;
};

int lockout_new(struct lockout **ret_lockout)
{
	struct lockout *lockout = calloc(1, sizeof(*lockout));

	if (!lockout)
		return -ENOMEM;
	lockout->pairs.tries = LOCKOUT_TRIES;
	lockout->users.tries = LOCKOUT_USER_TRIES;
	lockout->sources.tries = LOCKOUT_SOURCE_TRIES;
	*ret_lockout = lockout;
	return 0;
}

void lockout_free(struct lockout *lockout)
{
	if (!lockout)
		return;
	free(lockout->pairs.entries);
	free(lockout->known.entries);
	free(lockout->users.entries);
	free(lockout->sources.entries);
	free(lockout);
}

/* The kept times are a week ahead: what the other unit says was before this machine was started
 * has one, too. */
static struct monotime kept_time(struct monotime now)
{
	return monotime_add_ms(now, LOCKOUT_KNOWN_MS);
}

/* A longer name than any user's can have shares its account with those that begin alike; one that
 * would be taken for a pair, with those of its neighbour: no user has either. */
static void user_key(const char *user, uint8_t ret_key[static KEY_SIZE])
{
	memset(ret_key, 0, KEY_SIZE);
	memcpy(ret_key, user, strnlen(user, KEY_SIZE));
	if (ret_key[0] == PAIR_MARK)
		ret_key[0] = PAIR_MARK - 1;
}

static void source_key(const uint8_t *client, size_t size, uint8_t ret_key[static KEY_SIZE])
{
	memset(ret_key, 0, KEY_SIZE);
	ret_key[0] = (uint8_t)size;
	if (size > 0)
		memcpy(ret_key + 1, client, size == 16 ? 8 : size < 16 ? size : 16);
}

static void pair_key(const char *user, const uint8_t *client, size_t size,
		     uint8_t ret_key[static KEY_SIZE])
{
	uint8_t both[2 * KEY_SIZE];

	user_key(user, both);
	source_key(client, size, both + KEY_SIZE);
	memset(ret_key, 0, KEY_SIZE);
	/* Of bytes in memory it does not fail; then all pairs would be one. */
	(void)gnutls_hash_fast(GNUTLS_DIG_SHA256, both, KEY_SIZE, ret_key + 1);
	(void)gnutls_hash_fast(GNUTLS_DIG_SHA256, both, sizeof(both), ret_key + PAIR_USER_SIZE);
	ret_key[0] = PAIR_MARK;
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

static bool is_known(const struct entry *entry, struct monotime now)
{
	return !monotime_reached(now, monotime_add_ms(entry->failed_at, LOCKOUT_KNOWN_MS));
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

/* Whether A is given up rather than B: nobody who is locked while another is not, the smallest
 * count, the quietest. */
static bool is_lesser(const struct entry *a, const struct entry *b, struct monotime now)
{
	bool is_locked = !monotime_reached(now, a->locked_until);

	if (is_locked != !monotime_reached(now, b->locked_until))
		return !is_locked;
	if (is_locked)
		return a->locked_until.ns < b->locked_until.ns;
	if (a->failures != b->failures)
		return a->failures < b->failures;
	return a->failed_at.ns < b->failed_at.ns;
}

/* The place of a new entry: one of its own, or that of whom nobody will miss. In a full table it is
 * another's, whose failures are left in it. */
static struct entry *place_take(struct table *table, struct monotime now)
{
	struct entry *least = NULL;

	for (size_t i = 0; i < table->n; i++) {
		struct entry *entry = &table->entries[i];

		if (is_forgotten(entry, now)) {
			entry->failures = 0;
			return entry;
		}
		if (!least || is_lesser(entry, least, now))
			least = entry;
	}
	if (table->n >= LOCKOUT_ENTRIES_MAX)
		return least;
	if (room_make(table) < 0)
		return NULL;
	least = &table->entries[table->n++];
	least->failures = 0;
	return least;
}

/* An entry for KEY. Whoever's count it goes on with: his first lock is a first one. */
static struct entry *entry_new(struct table *table, const uint8_t key[static KEY_SIZE],
			       struct monotime now)
{
	struct entry *entry = place_take(table, now);
	unsigned failures = entry ? entry->failures : 0;

	if (!entry)
		return NULL;
	*entry = (struct entry){.failures = failures < table->tries ? failures : table->tries - 1};
	memcpy(entry->key, key, KEY_SIZE);
	return entry;
}

static int count(struct table *table, const uint8_t key[static KEY_SIZE], struct monotime now)
{
	struct entry *entry = find(table, key);
	uint64_t lock_ms = LOCKOUT_FIRST_MS;

	if (!entry)
		entry = entry_new(table, key, now);
	else if (is_forgotten(entry, now))
		entry->failures = 0;
	if (!entry)
		return -ENOMEM;
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
	const struct entry *known;
	uint64_t by_user, by_source, ns;

	now = kept_time(now);
	pair_key(user, client, client_size, key);
	ns = wait_of(&lockout->pairs, key, now);
	known = find(&lockout->known, key);
	user_key(user, key);
	by_user = known && is_known(known, now) ? 0 : wait_of(&lockout->users, key, now);
	source_key(client, client_size, key);
	by_source = client_size ? wait_of(&lockout->sources, key, now) : 0;
	ns = by_user > ns ? by_user : ns;
	ns = by_source > ns ? by_source : ns;
	return (uint32_t)((ns + MONOTIME_NS_PER_MS - 1) / MONOTIME_NS_PER_MS);
}

int lockout_failed(struct lockout *lockout, const char *user, const uint8_t *client,
		   size_t client_size, struct monotime now)
{
	uint8_t key[KEY_SIZE];
	int r, r_user, r_source = 0;

	now = kept_time(now);
	lockout->revision++;
	pair_key(user, client, client_size, key);
	r = count(&lockout->pairs, key, now);
	user_key(user, key);
	r_user = count(&lockout->users, key, now);
	source_key(client, client_size, key);
	if (client_size)
		r_source = count(&lockout->sources, key, now);
	if (r == 0)
		r = r_user;
	return r < 0 ? r : r_source;
}

/* The place of a login of the user in KEY: in that of his which is longest ago, if he has his
 * share; where there is no room, of all. NULL: there is no memory. */
static struct entry *known_place(struct table *known, const uint8_t key[static KEY_SIZE])
{
	struct entry *oldest = NULL, *oldest_own = NULL;
	unsigned n_own = 0;

	for (size_t i = 0; i < known->n; i++) {
		struct entry *entry = &known->entries[i];

		if (!oldest || entry->failed_at.ns < oldest->failed_at.ns)
			oldest = entry;
		if (memcmp(entry->key, key, PAIR_USER_SIZE) != 0)
			continue;
		n_own++;
		if (!oldest_own || entry->failed_at.ns < oldest_own->failed_at.ns)
			oldest_own = entry;
	}
	if (n_own >= LOCKOUT_KNOWN_MAX)
		return oldest_own;
	if (known->n >= LOCKOUT_ENTRIES_MAX)
		return oldest;
	if (room_make(known) < 0)
		return NULL;
	oldest = &known->entries[known->n++];
	*oldest = (struct entry){.failures = 0};
	return oldest;
}

/* A later login than is known. Without memory he is a stranger next time. */
static int known_put(struct table *known, const uint8_t key[static KEY_SIZE], struct monotime at)
{
	struct entry *entry = find(known, key);

	if (!entry)
		entry = known_place(known, key);
	if (!entry)
		return -ENOMEM;
	if (entry->failed_at.ns >= at.ns)
		return 0;
	*entry = (struct entry){.failed_at = at, .locked_until = at};
	memcpy(entry->key, key, KEY_SIZE);
	return 0;
}

void lockout_succeeded(struct lockout *lockout, const char *user, const uint8_t *client,
		       size_t client_size, struct monotime now)
{
	uint8_t key[KEY_SIZE];
	struct entry *entry;

	pair_key(user, client, client_size, key);
	entry = find(&lockout->pairs, key);
	if (entry)
		*entry = lockout->pairs.entries[--lockout->pairs.n];
	(void)known_put(&lockout->known, key, kept_time(now));
	lockout->revision++;
}

uint64_t lockout_revision(const struct lockout *lockout)
{
	return lockout->revision;
}

static void entry_fill(const struct entry *from, bool is_source, struct monotime now,
		       struct lockout_entry *to)
{
	memcpy(to->key, from->key, KEY_SIZE);
	to->is_source = is_source;
	to->failures = from->failures;
	to->age_ms = monotime_since(now, from->failed_at) / MONOTIME_NS_PER_MS;
	to->locked_ms = monotime_since(from->locked_until, now) / MONOTIME_NS_PER_MS;
}

static size_t table_export(const struct table *table, bool is_source, bool is_locked,
			   struct lockout_entry *entries, size_t n, struct monotime now)
{
	for (size_t i = 0; i < table->n && n < LOCKOUT_EXPORT_MAX; i++) {
		const struct entry *from = &table->entries[i];

		if (is_forgotten(from, now) ||
		    (monotime_since(from->locked_until, now) > 0) != is_locked)
			continue;
		entry_fill(from, is_source, now, &entries[n++]);
	}
	return n;
}

/* Whether A comes before B among those that logged in last; of two at a time one does. */
static bool is_later(const struct entry *a, const struct entry *b)
{
	return a->failed_at.ns > b->failed_at.ns || (a->failed_at.ns == b->failed_at.ns && a < b);
}

/* Who logged in last, first: what the other unit has not heard yet is among them. */
static size_t known_export(const struct table *known, struct lockout_entry *entries,
			   struct monotime now)
{
	const struct entry *last = NULL;
	size_t n = 0;

	while (n < LOCKOUT_EXPORT_KNOWN) {
		const struct entry *next = NULL;

		for (size_t i = 0; i < known->n; i++) {
			const struct entry *entry = &known->entries[i];

			if (is_known(entry, now) && (!last || is_later(last, entry)) &&
			    (!next || is_later(entry, next)))
				next = entry;
		}
		if (!next)
			break;
		last = next;
		entry_fill(next, false, now, &entries[n++]);
	}
	return n;
}

size_t lockout_export(const struct lockout *lockout,
		      struct lockout_entry ret_entries[static LOCKOUT_EXPORT_MAX],
		      struct monotime now)
{
	const struct {
		const struct table *table;
		bool is_source;
	} tables[] = {
		{&lockout->users, false}, {&lockout->sources, true}, {&lockout->pairs, false}};
	size_t n;

	now = kept_time(now);
	n = known_export(&lockout->known, ret_entries, now);
	for (unsigned locked = 2; locked-- > 0;) {
		for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
			n = table_export(tables[i].table, tables[i].is_source, locked == 1,
					 ret_entries, n, now);
	}
	return n;
}

/* Of a kept time; MOST_MS is at most what those are ahead. */
static struct monotime ago(struct monotime now, uint64_t age_ms, uint64_t most_ms)
{
	uint64_t ns = (age_ms < most_ms ? age_ms : most_ms) * MONOTIME_NS_PER_MS;

	return (struct monotime){now.ns - ns};
}

static struct table *table_of(struct lockout *lockout, const struct lockout_entry *entry)
{
	if (entry->is_source)
		return &lockout->sources;
	return entry->key[0] == PAIR_MARK ? &lockout->pairs : &lockout->users;
}

/* A span of the other unit's is believed as far as one of ours could be. */
static int entry_take(struct lockout *lockout, const struct lockout_entry *from,
		      struct monotime now)
{
	struct table *table = table_of(lockout, from);
	uint64_t left = from->locked_ms < LOCKOUT_MAX_MS ? from->locked_ms : LOCKOUT_MAX_MS;
	struct entry *entry;

	if (from->failures == 0 && table == &lockout->pairs)
		return from->age_ms < LOCKOUT_KNOWN_MS
			       ? known_put(&lockout->known, from->key,
					   ago(now, from->age_ms, LOCKOUT_KNOWN_MS))
			       : 0;
	entry = find(table, from->key);
	if (!entry)
		entry = entry_new(table, from->key, now);
	if (!entry)
		return -ENOMEM;
	*entry = (struct entry){.failures = from->failures < 1000 ? from->failures : 1000,
				.failed_at = ago(now, from->age_ms, LOCKOUT_FORGET_MS)};
	memcpy(entry->key, from->key, KEY_SIZE);
	entry->locked_until = left ? monotime_add_ms(now, left) : entry->failed_at;
	return 0;
}

int lockout_replace(struct lockout *lockout, const struct lockout_entry *entries, size_t n,
		    struct monotime now)
{
	int r = 0;

	lockout->pairs.n = lockout->users.n = lockout->sources.n = 0;
	lockout->revision++;
	for (size_t i = 0; i < n && r == 0; i++)
		r = entry_take(lockout, &entries[i], kept_time(now));
	return r;
}
