/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chained hash tables over the same records (cookie hash; of the live ones also the addresses and
 * the user), a list in the order of making, and a list of what the mate is to be told.
 */
#include "failover/vpn/sessiondb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

enum key {
	KEY_HASH,
	KEY_V4,
	KEY_V6,
	KEY_USER,
	KEY__MAX,
};
_Static_assert(KEY__MAX == ARRAY_SIZE(((struct session_record *)NULL)->next),
	       "a record has a link for each key");

#define BUCKETS 16384 /* a power of two */

struct sessiondb {
	struct session_record *buckets[KEY__MAX][BUCKETS];
	struct session_record *oldest, *newest;
	struct session_record *dirty_first, *dirty_last;
	size_t live, tombstones;
	uint64_t ended;
	unsigned unit;
	uint32_t last_id;
};

/* ---- keys ---- */

static const void *key_of(const struct session_record *record, enum key key, size_t *ret_size)
{
	const struct vpn_session *session = &record->session;

	switch (key) {
	case KEY_V4:
		*ret_size = session->v4.size;
		return session->v4.bytes;
	case KEY_V6:
		*ret_size = session->v6.size;
		return session->v6.bytes;
	case KEY_USER:
		*ret_size = strlen(session->user);
		return session->user;
	case KEY_HASH:
	case KEY__MAX:
		break;
	}
	*ret_size = VPN_HASH_SIZE;
	return session->hash;
}

static size_t bucket_of(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ at[i]) * UINT64_C(0x100000001b3);
	return (size_t)(sum ^ sum >> 32) & (BUCKETS - 1);
}

static struct session_record *key_find(const struct sessiondb *db, enum key key, const void *bytes,
				       size_t size)
{
	struct session_record *record = db->buckets[key][bucket_of(bytes, size)];

	for (; record; record = record->next[key]) {
		size_t own_size;
		const void *own = key_of(record, key, &own_size);

		if (own_size == size && memcmp(own, bytes, size) == 0)
			return record;
	}
	return NULL;
}

static void key_link(struct sessiondb *db, struct session_record *record, enum key key)
{
	size_t size;
	const void *bytes = key_of(record, key, &size);
	struct session_record **head = &db->buckets[key][bucket_of(bytes, size)];

	if (size == 0)
		return;
	record->next[key] = *head;
	*head = record;
}

static void key_unlink(struct sessiondb *db, struct session_record *record, enum key key)
{
	size_t size;
	const void *bytes = key_of(record, key, &size);
	struct session_record **at = &db->buckets[key][bucket_of(bytes, size)];

	while (*at && *at != record)
		at = &(*at)->next[key];
	if (*at)
		*at = record->next[key];
	record->next[key] = NULL;
}

/* A tombstone holds no address, and is nobody's. */
static void live_link(struct sessiondb *db, struct session_record *record)
{
	for (enum key key = KEY_V4; key < KEY__MAX; key++)
		key_link(db, record, key);
	db->live++;
}

static void live_unlink(struct sessiondb *db, struct session_record *record)
{
	for (enum key key = KEY_V4; key < KEY__MAX; key++)
		key_unlink(db, record, key);
	db->live--;
	db->ended++;
}

/* ---- what the mate is to be told ---- */

static void dirty_remove(struct sessiondb *db, struct session_record *record)
{
	if (!record->is_dirty)
		return;
	if (record->dirty_before)
		record->dirty_before->dirty_behind = record->dirty_behind;
	else
		db->dirty_first = record->dirty_behind;
	if (record->dirty_behind)
		record->dirty_behind->dirty_before = record->dirty_before;
	else
		db->dirty_last = record->dirty_before;
	record->dirty_before = record->dirty_behind = NULL;
	record->is_dirty = false;
}

static void dirty_add(struct sessiondb *db, struct session_record *record, bool is_urgent)
{
	dirty_remove(db, record);
	record->is_dirty = true;
	if (is_urgent) {
		record->dirty_behind = db->dirty_first;
		if (db->dirty_first)
			db->dirty_first->dirty_before = record;
		db->dirty_first = record;
		if (!db->dirty_last)
			db->dirty_last = record;
		return;
	}
	record->dirty_before = db->dirty_last;
	if (db->dirty_last)
		db->dirty_last->dirty_behind = record;
	db->dirty_last = record;
	if (!db->dirty_first)
		db->dirty_first = record;
}

struct session_record *sessiondb_dirty(const struct sessiondb *db)
{
	return db->dirty_first;
}

void sessiondb_told(struct sessiondb *db, struct session_record *record, uint64_t seq)
{
	dirty_remove(db, record);
	record->sent_seq = seq;
}

void sessiondb_tell_all(struct sessiondb *db)
{
	for (struct session_record *record = db->oldest; record; record = record->newer)
		dirty_add(db, record, record->end != VPN_END_NONE);
}

/* ---- records ---- */

static void list_remove(struct sessiondb *db, struct session_record *record)
{
	if (record->older)
		record->older->newer = record->newer;
	else
		db->oldest = record->newer;
	if (record->newer)
		record->newer->older = record->older;
	else
		db->newest = record->older;
}

static void record_free(struct sessiondb *db, struct session_record *record)
{
	dirty_remove(db, record);
	list_remove(db, record);
	key_unlink(db, record, KEY_HASH);
	if (record->end == VPN_END_NONE)
		live_unlink(db, record);
	else
		db->tombstones--;
	free(record);
}

static int record_add(struct sessiondb *db, const struct session_record *from,
		      struct session_record **ret_record)
{
	struct session_record *record;

	if (from->end == VPN_END_NONE ? db->live >= VPN_SESSIONS_MAX
				      : db->tombstones >= 2 * SESSION_TOMBSTONES_MAX)
		return ERR_TOO_LARGE;
	record = calloc(1, sizeof(*record));
	if (!record)
		return -ENOMEM;
	record->session = from->session;
	record->figures = from->figures;
	record->way = from->way;
	record->born_term = from->born_term;
	record->term = from->term;
	record->revision = from->revision;
	record->end = from->end;
	record->older = db->newest;
	if (db->newest)
		db->newest->newer = record;
	else
		db->oldest = record;
	db->newest = record;
	key_link(db, record, KEY_HASH);
	if (record->end == VPN_END_NONE)
		live_link(db, record);
	else
		db->tombstones++;
	if (record->session.id > db->last_id)
		db->last_id = record->session.id;
	*ret_record = record;
	return 0;
}

static void bury(struct sessiondb *db, struct session_record *record, enum vpn_end reason,
		 struct monotime now)
{
	live_unlink(db, record);
	db->tombstones++;
	record->end = reason;
	record->session.is_connected = false;
	record->session.owner = 0;
	if (record->session.ends_at.ns == MONOTIME_NEVER.ns)
		record->session.ends_at = monotime_add_ms(now, SESSION_TOMBSTONE_MS);
}

int sessiondb_create(struct sessiondb *db, const struct vpn_session *session, uint64_t term,
		     struct session_record **ret_record)
{
	struct session_record fresh = {
		.session = *session, .born_term = term, .term = term, .revision = 1};
	struct session_record *record = NULL;
	uint32_t step = db->last_id % 2 == (db->unit == 0 ? 1U : 0U) ? 2 : 1;
	int r;

	if (sessiondb_find(db, session->hash) || sessiondb_find_address(db, &session->v4) ||
	    sessiondb_find_address(db, &session->v6))
		return ERR_EXISTS;
	if (db->last_id > UINT32_MAX - 2)
		db->last_id = 0; /* after four thousand million logins they begin anew */
	fresh.session.id = db->last_id + step;
	r = record_add(db, &fresh, &record);
	if (r < 0)
		return r;
	dirty_add(db, record, true);
	*ret_record = record;
	return 0;
}

void sessiondb_changed(struct sessiondb *db, struct session_record *record, uint64_t term)
{
	record->term = term > record->term ? term : record->term;
	record->revision++;
	dirty_add(db, record, false);
}

void sessiondb_end(struct sessiondb *db, struct session_record *record, enum vpn_end reason,
		   uint64_t term, struct monotime now)
{
	if (record->end != VPN_END_NONE)
		return;
	bury(db, record, reason, now);
	record->term = term > record->term ? term : record->term;
	record->revision++;
	dirty_add(db, record, true);
}

/* ---- merging ---- */

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_addresses(const struct vpn_address *a, const struct vpn_address *b)
{
	int r = compare_numbers(a->size, b->size);

	if (r == 0)
		r = memcmp(a->bytes, b->bytes, a->size);
	return r ? r : compare_numbers(a->prefix, b->prefix);
}

/* Where (term, revision) do not decide, which a sane pair never sees, some order that both units
 * have. */
static int compare_contents(const struct session_record *a, const struct session_record *b)
{
	const struct vpn_session *x = &a->session, *y = &b->session;
	int r = compare_numbers((uint64_t)a->end, (uint64_t)b->end);

	if (r == 0)
		r = compare_numbers(a->born_term, b->born_term);
	if (r == 0)
		r = compare_numbers(x->id, y->id);
	if (r == 0)
		r = strcmp(x->user, y->user);
	if (r == 0)
		r = strcmp(x->group, y->group);
	if (r == 0)
		r = strcmp(x->policy, y->policy);
	if (r == 0)
		r = compare_addresses(&x->v4, &y->v4);
	if (r == 0)
		r = compare_addresses(&x->v6, &y->v6);
	if (r == 0)
		r = compare_addresses(&x->client, &y->client);
	if (r == 0)
		r = compare_numbers(x->is_connected, y->is_connected);
	if (r == 0)
		r = compare_numbers(a->figures.received, b->figures.received);
	if (r == 0)
		r = compare_numbers(a->figures.sent, b->figures.sent);
	if (r == 0)
		r = compare_numbers(a->figures.packets_received, b->figures.packets_received);
	if (r == 0)
		r = compare_numbers(a->figures.packets_sent, b->figures.packets_sent);
	if (r == 0)
		r = compare_numbers(a->figures.dropped, b->figures.dropped);
	return r ? r : strcmp(a->figures.protocol, b->figures.protocol);
}

/* Above 0: A is the later word. */
static int compare_records(const struct session_record *a, const struct session_record *b)
{
	int r = compare_numbers(a->end != VPN_END_NONE, b->end != VPN_END_NONE);

	if (r == 0)
		r = compare_numbers(a->term, b->term);
	if (r == 0)
		r = compare_numbers(a->revision, b->revision);
	return r ? r : compare_contents(a, b);
}

bool session_record_is_equal(const struct session_record *a, const struct session_record *b)
{
	return memcmp(a->session.hash, b->session.hash, VPN_HASH_SIZE) == 0 &&
	       compare_records(a, b) == 0;
}

/* Two live sessions that want one address: the units were apart. */
static bool keeps_address(const struct session_record *a, const struct session_record *b)
{
	int r = compare_numbers(a->born_term, b->born_term);

	return r ? r > 0 : memcmp(a->session.hash, b->session.hash, VPN_HASH_SIZE) > 0;
}

static struct session_record *holder_of(const struct sessiondb *db,
					const struct session_record *record)
{
	const struct session_record *v4 = sessiondb_find_address(db, &record->session.v4);
	const struct session_record *v6 = sessiondb_find_address(db, &record->session.v6);

	if (v4 && memcmp(v4->session.hash, record->session.hash, VPN_HASH_SIZE) != 0)
		return (struct session_record *)(uintptr_t)v4;
	if (v6 && memcmp(v6->session.hash, record->session.hash, VPN_HASH_SIZE) != 0)
		return (struct session_record *)(uintptr_t)v6;
	return NULL;
}

/*
 * UPDATE, where it would live, against whoever has its addresses: either becomes a tombstone. The
 * mate is told of it, which may have decided before it knew of both.
 */
static bool settle_clash(struct sessiondb *db, struct session_record *update, struct monotime now,
			 struct session_outcome *outcome)
{
	struct session_record *holder = holder_of(db, update);

	while (holder && update->end == VPN_END_NONE) {
		if (keeps_address(update, holder)) {
			sessiondb_end(db, holder, VPN_END_CLASH, update->term, now);
			outcome->clashed = holder;
			holder = holder_of(db, update);
			continue;
		}
		update->end = VPN_END_CLASH;
		update->revision++;
		if (update->session.ends_at.ns == MONOTIME_NEVER.ns)
			update->session.ends_at = monotime_add_ms(now, SESSION_TOMBSTONE_MS);
		update->session.is_connected = false;
		return true;
	}
	return false;
}

/* RECORD becomes what UPDATE says, but for what only this unit knows. */
static void overwrite(struct sessiondb *db, struct session_record *record,
		      const struct session_record *update, struct monotime now)
{
	uint32_t owner = record->session.owner;
	struct monotime ends_at = monotime_min(record->session.ends_at, update->session.ends_at);

	if (record->end == VPN_END_NONE && update->end != VPN_END_NONE) {
		bury(db, record, update->end, now);
		ends_at = monotime_min(record->session.ends_at, ends_at);
		owner = 0;
	} else if (record->end == VPN_END_NONE) {
		/* Addresses never change; a mate that says so is put under its own key all the
		 * same. */
		live_unlink(db, record);
		record->session = update->session;
		live_link(db, record);
	}
	record->session = update->session;
	record->session.owner = owner;
	record->session.ends_at = ends_at;
	record->figures = update->figures;
	record->way = update->way;
	record->born_term = update->born_term;
	record->term = update->term;
	record->revision = update->revision;
	record->end = update->end;
	if (record->session.id > db->last_id)
		db->last_id = record->session.id;
}

int sessiondb_merge(struct sessiondb *db, const struct session_record *update, struct monotime now,
		    struct session_outcome *ret_outcome)
{
	struct session_record *record = sessiondb_find(db, update->session.hash);
	struct session_record taken = *update;
	struct session_outcome outcome = {.record = record};
	bool is_own_word = false;
	int r = 0;

	taken.session.owner = 0;
	*ret_outcome = outcome;
	if (record && compare_records(&taken, record) <= 0) {
		/* Old news but for the time that is left. */
		record->session.ends_at =
			monotime_min(record->session.ends_at, taken.session.ends_at);
		return 0;
	}
	is_own_word = settle_clash(db, &taken, now, &outcome);
	if (record)
		overwrite(db, record, &taken, now);
	else
		r = record_add(db, &taken, &record);
	if (r < 0)
		return r;
	if (is_own_word)
		dirty_add(db, record, true);
	else
		dirty_remove(db, record); /* the mate knows better */
	outcome.record = record;
	outcome.is_changed = true;
	*ret_outcome = outcome;
	return 0;
}

/* ---- the rest ---- */

struct session_record *sessiondb_find(const struct sessiondb *db,
				      const uint8_t hash[static VPN_HASH_SIZE])
{
	return key_find(db, KEY_HASH, hash, VPN_HASH_SIZE);
}

struct session_record *sessiondb_find_address(const struct sessiondb *db,
					      const struct vpn_address *address)
{
	if (address->size == 0)
		return NULL;
	return key_find(db, address->size == 4 ? KEY_V4 : KEY_V6, address->bytes, address->size);
}

size_t sessiondb_count_user(const struct sessiondb *db, const char *user)
{
	const struct session_record *record = db->buckets[KEY_USER][bucket_of(user, strlen(user))];
	size_t n = 0;

	for (; record; record = record->next[KEY_USER])
		n += strcmp(record->session.user, user) == 0;
	return n;
}

struct session_record *sessiondb_next(const struct sessiondb *db,
				      const struct session_record *record)
{
	return record ? record->newer : db->oldest;
}

/* The one whose time is over first makes room. */
static void evict_tombstone(struct sessiondb *db)
{
	struct session_record *first = NULL;

	for (struct session_record *record = db->oldest; record; record = record->newer) {
		if (record->end != VPN_END_NONE &&
		    (!first || record->session.ends_at.ns < first->session.ends_at.ns))
			first = record;
	}
	if (first)
		record_free(db, first);
}

void sessiondb_sweep(struct sessiondb *db, struct monotime now)
{
	struct session_record *record = db->oldest;

	while (record) {
		struct session_record *newer = record->newer;

		if (record->end != VPN_END_NONE && monotime_reached(now, record->session.ends_at))
			record_free(db, record);
		record = newer;
	}
	while (db->tombstones > SESSION_TOMBSTONES_MAX)
		evict_tombstone(db);
}

size_t sessiondb_count(const struct sessiondb *db)
{
	return db->live;
}

size_t sessiondb_tombstones(const struct sessiondb *db)
{
	return db->tombstones;
}

uint64_t sessiondb_ended(const struct sessiondb *db)
{
	return db->ended;
}

void sessiondb_clear(struct sessiondb *db)
{
	while (db->oldest)
		record_free(db, db->oldest);
}

void sessiondb_set_unit(struct sessiondb *db, unsigned unit)
{
	db->unit = unit;
}

int sessiondb_new(unsigned unit, struct sessiondb **ret_db)
{
	struct sessiondb *db = calloc(1, sizeof(*db));

	if (!db)
		return -ENOMEM;
	db->unit = unit;
	*ret_db = db;
	return 0;
}

void sessiondb_free(struct sessiondb *db)
{
	if (!db)
		return;
	sessiondb_clear(db);
	free(db);
}
