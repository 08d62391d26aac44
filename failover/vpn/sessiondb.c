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
#include "failover/vpn/session_queue.h"

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
	struct session_queue queue;
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

struct session_record *sessiondb_dirty(const struct sessiondb *db)
{
	return db->queue.first;
}

void sessiondb_told(struct sessiondb *db, struct session_record *record, uint64_t seq)
{
	session_queue_remove(&db->queue, record);
	record->sent_seq = seq;
	record->is_refused = false;
}

void sessiondb_tell_refused(struct sessiondb *db)
{
	for (struct session_record *record = db->oldest; record; record = record->newer) {
		if (record->is_refused)
			session_queue_add(&db->queue, record, record->end != VPN_END_NONE);
	}
}

void sessiondb_tell_all(struct sessiondb *db)
{
	/* From the beginning: what waits already may stand before a tombstone that was told. */
	while (db->queue.first)
		session_queue_remove(&db->queue, db->queue.first);
	for (struct session_record *record = db->oldest; record; record = record->newer)
		session_queue_add(&db->queue, record, record->end != VPN_END_NONE);
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
	session_queue_remove(&db->queue, record);
	list_remove(db, record);
	key_unlink(db, record, KEY_HASH);
	if (record->end == VPN_END_NONE)
		live_unlink(db, record);
	else
		db->tombstones--;
	free(record);
}

/* Not in the table yet, where N_LEAVING of the live ones make room. */
static int record_new(const struct sessiondb *db, const struct session_record *from,
		      size_t n_leaving, struct session_record **ret_record)
{
	struct session_record *record;

	if (from->end == VPN_END_NONE ? db->live - n_leaving >= VPN_SESSIONS_MAX
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
	*ret_record = record;
	return 0;
}

static void record_link(struct sessiondb *db, struct session_record *record)
{
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
	r = record_new(db, &fresh, 0, &record);
	if (r < 0)
		return r;
	record_link(db, record);
	session_queue_add(&db->queue, record, true);
	*ret_record = record;
	return 0;
}

void sessiondb_changed(struct sessiondb *db, struct session_record *record, uint64_t term)
{
	record->term = term > record->term ? term : record->term;
	record->revision++;
	session_queue_add(&db->queue, record, false);
}

void sessiondb_end(struct sessiondb *db, struct session_record *record, enum vpn_end reason,
		   uint64_t term, struct monotime now)
{
	if (record->end == VPN_END_NONE)
		bury(db, record, reason, now);
	else if (record->end == VPN_END_IDLE && reason != VPN_END_IDLE)
		record->end = reason;
	else
		return;
	record->term = term > record->term ? term : record->term;
	record->revision++;
	session_queue_add(&db->queue, record, true);
}

/* ---- merging ---- */

/* The others that have RECORD's addresses: one each at the most. */
static size_t holders_of(const struct sessiondb *db, const struct session_record *record,
			 struct session_record *ret_holders[static 2])
{
	struct session_record *found[2] = {sessiondb_find_address(db, &record->session.v4),
					   sessiondb_find_address(db, &record->session.v6)};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(found); i++) {
		if (found[i] && (n == 0 || ret_holders[0] != found[i]) &&
		    memcmp(found[i]->session.hash, record->session.hash, VPN_HASH_SIZE) != 0)
			ret_holders[n++] = found[i];
	}
	return n;
}

/* UPDATE does not live here, whatever the mate says: it hears of that. */
static void condemn(struct session_record *update, enum vpn_end reason, struct monotime now)
{
	update->end = reason;
	update->revision++;
	update->session.is_connected = false;
	if (update->session.ends_at.ns == MONOTIME_NEVER.ns)
		update->session.ends_at = monotime_add_ms(now, SESSION_TOMBSTONE_MS);
}

/* UPDATE would live, but its time is over. A mate that has not noticed may be one that was not told
 * of the end. */
static bool is_past(struct session_record *update, struct monotime now)
{
	if (update->end != VPN_END_NONE || !session_record_is_past(update, now))
		return false;
	condemn(update, VPN_END_EXPIRED, now);
	return true;
}

/*
 * UPDATE, where it would live, against whoever has its addresses. True: it does not keep them, and
 * is a tombstone now; the mate may have decided before it knew of both. False: it does, and
 * RET_LOSERS are to become tombstones.
 */
static bool loses_clash(const struct sessiondb *db, struct session_record *update,
			struct monotime now, struct session_record *ret_losers[static 2],
			size_t *ret_n)
{
	size_t n = 0;

	*ret_n = 0;
	if (update->end == VPN_END_NONE)
		n = holders_of(db, update, ret_losers);
	for (size_t i = 0; i < n; i++) {
		if (session_record_keeps_address(update, ret_losers[i]))
			continue;
		condemn(update, VPN_END_CLASH, now);
		return true;
	}
	*ret_n = n;
	return false;
}

/* When the session of LIVE ends, of which TOMBSTONE says so, too: without an absolute end that is
 * the tombstone's own. */
static struct monotime end_of_live(const struct session_record *live,
				   const struct session_record *tombstone)
{
	if (live->session.ends_at.ns == MONOTIME_NEVER.ns)
		return MONOTIME_NEVER;
	return monotime_min(live->session.ends_at, tombstone->session.ends_at);
}

/* UPDATE is old news but for the time that is left. */
static void shorten(struct session_record *record, const struct session_record *update)
{
	record->session.ends_at =
		record->end == VPN_END_NONE && update->end != VPN_END_NONE
			? end_of_live(record, update)
			: monotime_min(record->session.ends_at, update->session.ends_at);
}

/* RECORD becomes what UPDATE says, but for what only this unit knows. */
static void overwrite(struct sessiondb *db, struct session_record *record,
		      const struct session_record *update, struct monotime now)
{
	bool was_live = record->end == VPN_END_NONE, is_live = update->end == VPN_END_NONE;
	uint32_t owner = is_live ? record->session.owner : 0;
	struct monotime tunnel_at = record->session.tunnel_at, ends_at;

	if (was_live && is_live)
		live_unlink(db, record);
	else if (was_live)
		bury(db, record, update->end, now);
	else if (is_live)
		db->tombstones--;
	ends_at = !was_live && is_live
			  ? end_of_live(update, record)
			  : monotime_min(record->session.ends_at, update->session.ends_at);
	record->session = update->session;
	record->session.owner = owner;
	record->session.tunnel_at = tunnel_at;
	record->session.ends_at = ends_at;
	record->figures = update->figures;
	record->way = update->way;
	record->born_term = update->born_term;
	record->term = update->term;
	record->revision = update->revision;
	record->end = update->end;
	/* Addresses never change; a mate that says so is put under its own key all the same. */
	if (is_live)
		live_link(db, record);
	if (record->session.id > db->last_id)
		db->last_id = record->session.id;
}

int sessiondb_merge(struct sessiondb *db, const struct session_record *update, struct monotime now,
		    struct session_outcome *ret_outcome)
{
	struct session_record *record = sessiondb_find(db, update->session.hash);
	struct session_record taken = *update;
	struct session_outcome outcome = {.record = record};
	struct session_record *losers[2], *fresh = NULL;
	bool is_own_word;
	size_t n = 0;
	int r = 0;

	taken.session.owner = 0;
	*ret_outcome = outcome;
	/* Made anew it would be kept from now on, and by the mate as long when it hears of it:
	 * units that meet again and again would keep it for ever. */
	if (!record && update->end != VPN_END_NONE && session_record_is_past(update, now))
		return 0;
	is_own_word = is_past(&taken, now);
	if (record && session_record_compare(&taken, record) <= 0) {
		shorten(record, &taken);
		return 0;
	}
	is_own_word |= loses_clash(db, &taken, now, losers, &n);
	if (!record)
		r = record_new(db, &taken, n, &fresh);
	else if (record->end != VPN_END_NONE && taken.end == VPN_END_NONE &&
		 db->live - n >= VPN_SESSIONS_MAX)
		r = ERR_TOO_LARGE;
	if (r < 0)
		return r; /* nobody loses an address to one that is not here */
	for (size_t i = 0; i < n; i++) {
		sessiondb_end(db, losers[i], VPN_END_CLASH, taken.term, now);
		outcome.clashed[outcome.n_clashed++] = losers[i];
	}
	if (record)
		overwrite(db, record, &taken, now);
	else
		record_link(db, fresh);
	record = record ? record : fresh;
	record->is_refused = false;
	record->sent_seq = 0;
	if (is_own_word)
		session_queue_add(&db->queue, record, true);
	else
		session_queue_remove(&db->queue, record); /* the mate knows better */
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

struct session_record *sessiondb_next_of_user(const struct sessiondb *db, const char *user,
					      const struct session_record *record)
{
	struct session_record *next = record ? record->next[KEY_USER]
					     : db->buckets[KEY_USER][bucket_of(user, strlen(user))];

	while (next && strcmp(next->session.user, user) != 0)
		next = next->next[KEY_USER];
	return next;
}

size_t sessiondb_count_user(const struct sessiondb *db, const char *user)
{
	const struct session_record *record = NULL;
	size_t n = 0;

	while ((record = sessiondb_next_of_user(db, user, record)))
		n++;
	return n;
}

struct session_record *sessiondb_next(const struct sessiondb *db,
				      const struct session_record *record)
{
	return record ? record->newer : db->oldest;
}

static int compare_ends(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/*
 * Those whose time is over first make room. All in one go: there can be as many as were live, and
 * the mate can bring as many again, while the engine waits. Without the memory the next sweep does
 * it.
 */
static void evict_tombstones(struct sessiondb *db, size_t surplus)
{
	uint64_t *ends = calloc(db->tombstones, sizeof(*ends));
	struct session_record *newer;
	uint64_t limit;
	size_t n = 0;

	if (!ends)
		return;
	for (const struct session_record *record = db->oldest; record; record = record->newer) {
		if (record->end != VPN_END_NONE)
			ends[n++] = record->session.ends_at.ns;
	}
	qsort(ends, n, sizeof(*ends), compare_ends);
	limit = ends[surplus - 1];
	free(ends);
	for (struct session_record *record = db->oldest; record && surplus > 0; record = newer) {
		newer = record->newer;
		if (record->end == VPN_END_NONE || record->session.ends_at.ns > limit)
			continue;
		record_free(db, record);
		surplus--;
	}
}

void sessiondb_sweep(struct sessiondb *db, struct monotime now)
{
	struct session_record *record = db->oldest;

	while (record) {
		struct session_record *newer = record->newer;

		if (record->end != VPN_END_NONE &&
		    monotime_reached(now,
				     monotime_add_ms(record->session.ends_at, SESSION_KEPT_MS)))
			record_free(db, record);
		record = newer;
	}
	if (db->tombstones > SESSION_TOMBSTONES_MAX)
		evict_tombstones(db, db->tombstones - SESSION_TOMBSTONES_MAX);
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
