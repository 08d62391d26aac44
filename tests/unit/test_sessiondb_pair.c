/* SPDX-License-Identifier: Apache-2.0 */
/* Two tables of VPN sessions that were apart, and tell each other everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/vpn/sessiondb.h"
#include "session_fixture.h"

/* ---- ends while the units were apart ---- */

/* Session 1 on both units, made in term 5. */
struct apart {
	struct sessiondb *loser, *winner;
	struct session_record *at_loser, *at_winner;
};

static struct apart be_apart(struct monotime ends_at)
{
	struct apart apart = {.loser = make(0), .winner = make(1)};
	struct vpn_session session = session_of(1, 1);
	struct session_outcome outcome;

	session.ends_at = ends_at;
	assert_int_equal(sessiondb_create(apart.loser, &session, 5, &apart.at_loser), 0);
	assert_int_equal(sessiondb_merge(apart.winner, apart.at_loser, start, &outcome), 0);
	apart.at_winner = outcome.record;
	return apart;
}

static void heal(struct apart *apart)
{
	struct session_record loser = *apart->at_loser, winner = *apart->at_winner;
	struct session_outcome outcome;

	assert_int_equal(sessiondb_merge(apart->winner, &loser, start, &outcome), 0);
	assert_int_equal(sessiondb_merge(apart->loser, &winner, start, &outcome), 0);
	assert_true(session_record_is_equal(apart->at_loser, apart->at_winner));
	assert_true(apart->at_loser->session.ends_at.ns == apart->at_winner->session.ends_at.ns);
}

static void part(struct apart *apart)
{
	sessiondb_free(apart->loser);
	sessiondb_free(apart->winner);
}

static void a_session_that_went_on_with_the_winner_outlives_the_losers_idle_end(void **state)
{
	struct apart apart = be_apart(MONOTIME_NEVER);

	(void)state;
	sessiondb_changed(apart.winner, apart.at_winner, 6);
	for (unsigned i = 0; i < 3; i++)
		sessiondb_changed(apart.loser, apart.at_loser, 5);
	sessiondb_end(apart.loser, apart.at_loser, VPN_END_IDLE, 5, start);
	assert_int_equal(sessiondb_count(apart.loser), 0);
	heal(&apart);
	assert_int_equal(apart.at_winner->end, VPN_END_NONE);
	assert_int_equal(apart.at_loser->end, VPN_END_NONE);
	assert_int_equal(sessiondb_count(apart.loser), 1);
	assert_int_equal(sessiondb_tombstones(apart.loser), 0);
	assert_ptr_equal(sessiondb_find_address(apart.loser, &apart.at_loser->session.v4),
			 apart.at_loser);
	/* The end of the tombstone was not the session's. */
	assert_true(apart.at_loser->session.ends_at.ns == MONOTIME_NEVER.ns);
	part(&apart);
}

static void an_idle_end_holds_where_nobody_took_over(void **state)
{
	struct apart apart = be_apart(monotime_add_ms(start, 1000));

	(void)state;
	sessiondb_end(apart.loser, apart.at_loser, VPN_END_IDLE, 5, start);
	for (unsigned i = 0; i < 9; i++) /* late words of the same term */
		sessiondb_changed(apart.winner, apart.at_winner, 5);
	heal(&apart);
	assert_int_equal(apart.at_winner->end, VPN_END_IDLE);
	assert_int_equal(sessiondb_count(apart.winner), 0);
	part(&apart);
}

static void what_somebody_wanted_to_end_ends_whoever_was_active(void **state)
{
	static const enum vpn_end wills[] = {VPN_END_LOGOUT, VPN_END_ADMIN, VPN_END_EXPIRED,
					     VPN_END_CONFIG};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wills); i++) {
		struct apart apart = be_apart(MONOTIME_NEVER);

		sessiondb_end(apart.loser, apart.at_loser, wills[i], 5, start);
		sessiondb_changed(apart.winner, apart.at_winner, 6);
		heal(&apart);
		assert_int_equal(apart.at_winner->end, wills[i]);
		part(&apart);
	}
}

static void whoever_was_idle_and_is_then_ended_by_will_does_not_come_back(void **state)
{
	struct apart apart = be_apart(MONOTIME_NEVER);

	(void)state;
	sessiondb_changed(apart.winner, apart.at_winner, 6);
	sessiondb_end(apart.loser, apart.at_loser, VPN_END_IDLE, 5, start);
	sessiondb_told(apart.loser, apart.at_loser, 1);
	sessiondb_end(apart.loser, apart.at_loser, VPN_END_LOGOUT, 5, start);
	assert_ptr_equal(sessiondb_dirty(apart.loser), apart.at_loser);
	assert_int_equal(sessiondb_tombstones(apart.loser), 1);
	assert_int_equal(sessiondb_ended(apart.loser), 1);
	/* The first will is the one that counts. */
	sessiondb_end(apart.loser, apart.at_loser, VPN_END_ADMIN, 5, start);
	heal(&apart);
	assert_int_equal(apart.at_winner->end, VPN_END_LOGOUT);
	assert_int_equal(apart.at_loser->end, VPN_END_LOGOUT);
	part(&apart);
}

static void one_whose_address_was_given_away_does_not_come_back(void **state)
{
	struct apart apart = be_apart(MONOTIME_NEVER);
	struct session_outcome outcome;
	struct session_record winner;

	(void)state;
	sessiondb_end(apart.loser, apart.at_loser, VPN_END_IDLE, 5, start);
	(void)create(apart.loser, 2, 1, 7);
	sessiondb_changed(apart.winner, apart.at_winner, 6);
	winner = *apart.at_winner;
	assert_int_equal(sessiondb_merge(apart.loser, &winner, start, &outcome), 0);
	assert_int_equal(outcome.record->end, VPN_END_CLASH);
	assert_int_equal(sessiondb_count(apart.loser), 1);
	assert_int_equal(sessiondb_tombstones(apart.loser), 1);
	assert_ptr_equal(sessiondb_dirty(apart.loser), apart.at_loser);
	part(&apart);
}

/* ---- two units, and a network that loses, doubles and reorders ---- */

#define MAIL_MAX 512
#define ADDRESSES 12

struct unit {
	struct sessiondb *db;
	uint64_t term; /* of its latest activation; 0: standby */
	struct session_record mail[MAIL_MAX];
	size_t n_mail;
	bool is_dead[65536]; /* by number: it knows a tombstone, not for idleness */
};

struct world {
	struct unit units[2];
	uint64_t seed, term;
	unsigned number;
	struct monotime now;
};

static unsigned below(struct world *world, unsigned n)
{
	world->seed = world->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(world->seed >> 33) % n;
}

static unsigned number_of(const struct session_record *record)
{
	return (unsigned)record->session.hash[0] | (unsigned)record->session.hash[1] << 8;
}

static void is_sane(struct unit *unit)
{
	const struct session_record *record = NULL;
	bool is_taken[256] = {false};
	size_t live = 0, dead = 0;

	while ((record = sessiondb_next(unit->db, record))) {
		unsigned number = number_of(record);
		unsigned address = record->session.v4.bytes[3];

		if (record->end != VPN_END_NONE) {
			unit->is_dead[number] |= record->end != VPN_END_IDLE;
			dead++;
			continue;
		}
		live++;
		if (is_taken[address])
			fail_msg("address %u was given twice", address);
		if (unit->is_dead[number])
			fail_msg("session %u came back from the dead", number);
		is_taken[address] = true;
		assert_ptr_equal(sessiondb_find_address(unit->db, &record->session.v4), record);
	}
	assert_int_equal(live, sessiondb_count(unit->db));
	assert_int_equal(dead, sessiondb_tombstones(unit->db));
}

/* What a unit says is on its way for as long as the adversary likes. */
static void say(struct unit *from, struct unit *to)
{
	struct session_record *record;

	while ((record = sessiondb_dirty(from->db))) {
		if (to->n_mail < MAIL_MAX)
			to->mail[to->n_mail++] = *record;
		sessiondb_told(from->db, record, 1);
	}
}

static void hear(struct world *world, struct unit *unit)
{
	struct session_outcome outcome;
	size_t i;

	if (unit->n_mail == 0)
		return;
	i = below(world, (unsigned)unit->n_mail);
	assert_int_equal(sessiondb_merge(unit->db, &unit->mail[i], world->now, &outcome), 0);
	/* Some come twice, or later once more. */
	if (below(world, 4) > 0)
		unit->mail[i] = unit->mail[--unit->n_mail];
}

static struct session_record *pick(struct world *world, struct unit *unit)
{
	struct session_record *record = NULL;
	unsigned skip = below(world, 1 + (unsigned)sessiondb_count(unit->db) * 2);

	for (unsigned i = 0; i <= skip; i++)
		record = sessiondb_next(unit->db, record);
	return record && record->end == VPN_END_NONE ? record : NULL;
}

/* As a hub does on each tick: the active unit at once, the other later. */
static void end_by_age(struct world *world, struct unit *unit)
{
	struct session_record *record = NULL;
	uint64_t late_ms = unit->term ? 0 : 200;

	while ((record = sessiondb_next(unit->db, record))) {
		if (record->end == VPN_END_NONE &&
		    monotime_reached(world->now, monotime_add_ms(record->session.ends_at, late_ms)))
			sessiondb_end(unit->db, record, VPN_END_EXPIRED, unit->term, world->now);
	}
	sessiondb_sweep(unit->db, world->now);
}

static void act(struct world *world, struct unit *unit, struct unit *mate)
{
	struct session_record *record = NULL;
	struct vpn_session session;

	if (below(world, 12) == 0) { /* takes over, the mate may not know yet */
		unit->term = ++world->term;
		if (below(world, 3) > 0)
			mate->term = 0;
	}
	if (unit->term == 0)
		return;
	switch (below(world, 5)) {
	case 0:
	case 1:
		session = session_of(world->number, below(world, ADDRESSES));
		if (below(world, 4) == 0)
			session.ends_at = MONOTIME_NEVER;
		else if (below(world, 3) == 0)
			session.ends_at = monotime_add_ms(world->now, below(world, 1000));
		if (sessiondb_create(unit->db, &session, unit->term, &record) == 0)
			world->number++;
		break;
	case 2:
	case 3:
		record = pick(world, unit);
		if (!record)
			break;
		record->figures.received += below(world, 1000);
		record->session.is_connected = below(world, 2);
		sessiondb_changed(unit->db, record, unit->term);
		break;
	default:
		record = pick(world, unit);
		if (record)
			sessiondb_end(unit->db, record,
				      below(world, 2) ? VPN_END_LOGOUT : VPN_END_IDLE, unit->term,
				      world->now);
		break;
	}
}

/* What is long over need not be known to both. */
static void is_half_equal(const struct unit *a, const struct unit *b, struct monotime now)
{
	const struct session_record *record = NULL;

	while ((record = sessiondb_next(a->db, record))) {
		const struct session_record *other = sessiondb_find(b->db, record->session.hash);

		if (!other && record->end != VPN_END_NONE && session_record_is_past(record, now))
			continue;
		assert_non_null(other);
		assert_true(session_record_is_equal(record, other));
		assert_true(record->session.ends_at.ns == other->session.ends_at.ns);
	}
}

static void are_equal(const struct unit *a, const struct unit *b, struct monotime now)
{
	assert_int_equal(sessiondb_count(a->db), sessiondb_count(b->db));
	is_half_equal(a, b, now);
	is_half_equal(b, a, now);
}

/* The link is up for good: each tells everything, and what comes of it. */
static void settle(struct world *world)
{
	struct unit *a = &world->units[0], *b = &world->units[1];
	unsigned rounds = 0;

	a->n_mail = b->n_mail = 0;
	sessiondb_tell_all(a->db);
	sessiondb_tell_all(b->db);
	while (sessiondb_dirty(a->db) || sessiondb_dirty(b->db) || a->n_mail || b->n_mail) {
		say(a, b);
		say(b, a);
		while (a->n_mail)
			hear(world, a);
		while (b->n_mail)
			hear(world, b);
		assert_true(++rounds < 20);
	}
	is_sane(a);
	is_sane(b);
	are_equal(a, b, world->now);
}

static void play(uint64_t seed)
{
	struct world *world = calloc(1, sizeof(*world));
	assert_non_null(world);

	world->seed = seed;
	world->now = start;
	for (unsigned i = 0; i < 2; i++)
		world->units[i].db = make(i);
	for (unsigned step = 0; step < 300; step++) {
		unsigned who = below(world, 2);
		struct unit *unit = &world->units[who], *mate = &world->units[1 - who];

		act(world, unit, mate);
		if (below(world, 4) == 0)
			end_by_age(world, unit);
		if (below(world, 3) > 0)
			say(unit, mate);
		else if (below(world, 8) == 0)
			mate->n_mail = 0; /* the link broke */
		hear(world, unit);
		hear(world, mate);
		is_sane(unit);
		is_sane(mate);
		/* Now and then so late that tombstones are gone. */
		world->now = monotime_add_ms(world->now, below(world, 150) ? 10 : SESSION_KEPT_MS);
		if (below(world, 100) == 0)
			settle(world);
	}
	settle(world);
	for (unsigned i = 0; i < 2; i++)
		sessiondb_free(world->units[i].db);
	free(world);
}

static void two_tables_become_equal_whatever_the_link_does(void **state)
{
	const char *runs = getenv("ASAFO_SESSION_RUNS");
	unsigned n = runs ? (unsigned)strtoul(runs, NULL, 10) : 300;

	(void)state;
	for (unsigned i = 1; i <= n; i++)
		play(i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_session_that_went_on_with_the_winner_outlives_the_losers_idle_end),
		cmocka_unit_test(an_idle_end_holds_where_nobody_took_over),
		cmocka_unit_test(what_somebody_wanted_to_end_ends_whoever_was_active),
		cmocka_unit_test(whoever_was_idle_and_is_then_ended_by_will_does_not_come_back),
		cmocka_unit_test(one_whose_address_was_given_away_does_not_come_back),
		cmocka_unit_test(two_tables_become_equal_whatever_the_link_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
