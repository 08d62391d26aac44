/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/monotime.h"
#include "ipc/vpn.h"

/*
 * The table of VPN sessions of a unit: live ones and tombstones. Pure: no I/O, time comes in. Two
 * tables that are told each other's records, in any order and any number of times, become equal:
 * merging takes the greater of two records of one cookie hash, where a tombstone is greater than
 * anything alive, then the (term, revision) of the latest change counts. One for idleness is
 * greater only than what lived in no newer term: the session of a unit that took over since then,
 * which may have heard the client, comes back to life. Absolute ends only get nearer, and nothing
 * that is past its own is taken for alive. An address has one live session: of two (the units were
 * apart, or a tombstone was lost) the one that was made in the newer term keeps it, of one term the
 * one with the greater index, which a unit gave later; the other becomes a tombstone.
 */
struct sessiondb;

/* A tombstone of a session without an absolute end is kept for so long. */
#define SESSION_TOMBSTONE_MS (UINT64_C(7) * 24 * 3600 * 1000)
/* A tombstone outlives its session's absolute end by so long: the mate has to hear of it, the
 * moment at which a session's time is over most of all. */
#define SESSION_KEPT_MS (UINT64_C(300) * 1000)
#define SESSION_TOMBSTONES_MAX 65536

struct session_figures {
	uint64_t received, sent, packets_received, packets_sent, dropped;
	char protocol[64];
};

/* The connection of the tunnel that is up, or was last; the client's address is the session's. */
struct session_way {
	struct vpn_address local;
	uint16_t local_port, client_port;
};

struct session_record {
	struct vpn_session session; /* owner and tunnel_at are this unit's, and not replicated */
	struct session_figures figures;
	struct session_way way;
	uint64_t born_term;	 /* of the unit that made it */
	uint64_t term, revision; /* of the latest change */
	enum vpn_end end;	 /* VPN_END_NONE: it lives */
	struct monotime told_at; /* when whoever uses the table told the mate last */
	/* The table's own. */
	struct session_record *next[4]; /* hash, v4, v6, user */
	struct session_record *older, *newer;
	struct session_record *dirty_before, *dirty_behind;
	bool is_dirty;	   /* the mate is to be told, */
	bool is_urgent;	   /* ... and before others */
	bool is_refused;   /* the mate was told, and did not take it */
	uint64_t sent_seq; /* of the update that told it last; 0: none, or the mate told it */
};

/* UNIT is 0 or 1 and makes indexes that the other unit does not give: 1, 3, 5 or 2, 4, 6... Errors:
 * -ENOMEM. */
int sessiondb_new(unsigned unit, struct sessiondb **ret_db);
void sessiondb_free(struct sessiondb *db);
void sessiondb_set_unit(struct sessiondb *db, unsigned unit);
/* Forgets all. */
void sessiondb_clear(struct sessiondb *db);

size_t sessiondb_count(const struct sessiondb *db); /* of the live ones */
size_t sessiondb_tombstones(const struct sessiondb *db);
/* Grows whenever an address comes free. */
uint64_t sessiondb_ended(const struct sessiondb *db);
/* Tombstones, too; NULL: not known. */
struct session_record *sessiondb_find(const struct sessiondb *db,
				      const uint8_t hash[static VPN_HASH_SIZE]);
/* Live ones only. */
struct session_record *sessiondb_find_address(const struct sessiondb *db,
					      const struct vpn_address *address);
size_t sessiondb_count_user(const struct sessiondb *db, const char *user);
/* The live ones of USER, in no order; NULL begins, and is the end. */
struct session_record *sessiondb_next_of_user(const struct sessiondb *db, const char *user,
					      const struct session_record *record);
/* All records from the oldest to the newest; NULL begins, and is the end. */
struct session_record *sessiondb_next(const struct sessiondb *db,
				      const struct session_record *record);

/*
 * Makes a session of SESSION, whose id is ignored. Errors: ERR_EXISTS (the hash, or an address, is
 * taken), ERR_TOO_LARGE (VPN_SESSIONS_MAX live ones), -ENOMEM.
 */
int sessiondb_create(struct sessiondb *db, const struct vpn_session *session, uint64_t term,
		     struct session_record **ret_record);
/* The caller changed session or figures (never hash or addresses): the mate is to be told. */
void sessiondb_changed(struct sessiondb *db, struct session_record *record, uint64_t term);
/* Makes a tombstone. Nothing where it is one already, but one for idleness takes another reason:
 * that one is final. */
void sessiondb_end(struct sessiondb *db, struct session_record *record, enum vpn_end reason,
		   uint64_t term, struct monotime now);

/* What a merge did. */
struct session_outcome {
	struct session_record *record; /* of the update's hash; NULL: it was not taken (too many),
					  or is past and not known */
	bool is_changed;	       /* ... is another than before */
	struct session_record *clashed[2]; /* became tombstones by it: of its v4 and of its v6 */
	size_t n_clashed;
};
/* UPDATE's pointers are ignored. Errors (nothing was changed): ERR_TOO_LARGE, -ENOMEM. */
int sessiondb_merge(struct sessiondb *db, const struct session_record *update, struct monotime now,
		    struct session_outcome *ret_outcome);
/* Frees tombstones whose time is over since SESSION_KEPT_MS, and those that are too many. */
void sessiondb_sweep(struct sessiondb *db, struct monotime now);

/* What the mate is to be told: first, in the order in which it happened, what is new or over; NULL:
 * nothing. */
struct session_record *sessiondb_dirty(const struct sessiondb *db);
/* It was told in update SEQ. */
void sessiondb_told(struct sessiondb *db, struct session_record *record, uint64_t seq);
/* Everything is to be told, tombstones first. */
void sessiondb_tell_all(struct sessiondb *db);
/* What the mate did not take is to be told again. */
void sessiondb_tell_refused(struct sessiondb *db);

/* Its time is over. Of what has none left a message says that it has a millisecond (ipc/vpn.c). */
bool session_record_is_past(const struct session_record *record, struct monotime now);
/* The same to the eye of the mate: all but times, which each unit counts for itself. */
bool session_record_is_equal(const struct session_record *a, const struct session_record *b);
/* Above 0: A is the later word. */
int session_record_compare(const struct session_record *a, const struct session_record *b);
/* Of two live sessions that want one address A keeps it. */
bool session_record_keeps_address(const struct session_record *a, const struct session_record *b);
