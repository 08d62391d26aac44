/* SPDX-License-Identifier: Apache-2.0 */
/* The table of VPN sessions: what holds for one. */
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

static void the_units_give_different_indexes(void **state)
{
	struct sessiondb *primary = make(0), *secondary = make(1);
	struct session_outcome outcome;
	struct session_record *record;

	(void)state;
	assert_int_equal(create(primary, 1, 1, 1)->session.id, 1);
	record = create(primary, 2, 2, 1);
	assert_int_equal(record->session.id, 3);
	assert_int_equal(create(secondary, 3, 3, 1)->session.id, 2);
	assert_int_equal(sessiondb_merge(secondary, record, start, &outcome), 0);
	assert_true(outcome.is_changed);
	assert_int_equal(create(secondary, 4, 4, 2)->session.id, 4);
	sessiondb_free(primary);
	sessiondb_free(secondary);
}

static void a_taken_cookie_or_address_is_refused(void **state)
{
	struct sessiondb *db = make(0);
	struct session_record *record = create(db, 1, 1, 1), *other = NULL;
	struct vpn_session session = session_of(1, 2);

	(void)state;
	assert_int_equal(sessiondb_create(db, &session, 1, &other), ERR_EXISTS);
	session = session_of(2, 1);
	assert_int_equal(sessiondb_create(db, &session, 1, &other), ERR_EXISTS);
	/* A tombstone holds its cookie for ever and its address no more. */
	sessiondb_end(db, record, VPN_END_LOGOUT, 1, start);
	assert_int_equal(sessiondb_count(db), 0);
	assert_int_equal(sessiondb_create(db, &session, 1, &other), 0);
	session = session_of(1, 9);
	assert_int_equal(sessiondb_create(db, &session, 1, &other), ERR_EXISTS);
	assert_int_equal(sessiondb_count_user(db, "user2"), 1);
	assert_int_equal(sessiondb_count_user(db, "user1"), 0);
	sessiondb_free(db);
}

static void a_tombstone_wins_over_whatever_comes_later(void **state)
{
	struct sessiondb *db = make(0);
	struct session_record *record = create(db, 1, 1, 5), alive;
	struct session_outcome outcome;

	(void)state;
	alive = *record;
	alive.revision = 1000;
	alive.term = 9;
	sessiondb_end(db, record, VPN_END_ADMIN, 5, start);
	assert_int_equal(sessiondb_merge(db, &alive, start, &outcome), 0);
	assert_false(outcome.is_changed);
	assert_int_equal(record->end, VPN_END_ADMIN);
	/* Until the session would have been over anyway, and the mate has heard of it. */
	sessiondb_sweep(db, monotime_add_ms(start, 3600000 + SESSION_KEPT_MS - 1));
	assert_int_equal(sessiondb_tombstones(db), 1);
	sessiondb_sweep(db, monotime_add_ms(start, 3600000 + SESSION_KEPT_MS));
	assert_int_equal(sessiondb_tombstones(db), 0);
	sessiondb_free(db);
}

static void a_tombstone_of_an_endless_session_has_an_end(void **state)
{
	struct sessiondb *db = make(0);
	struct vpn_session session = session_of(1, 1);
	struct session_record *record;

	(void)state;
	session.ends_at = MONOTIME_NEVER;
	assert_int_equal(sessiondb_create(db, &session, 1, &record), 0);
	sessiondb_end(db, record, VPN_END_LOGOUT, 1, start);
	sessiondb_sweep(db, monotime_add_ms(start, SESSION_TOMBSTONE_MS + SESSION_KEPT_MS - 1));
	assert_int_equal(sessiondb_tombstones(db), 1);
	sessiondb_sweep(db, monotime_add_ms(start, SESSION_TOMBSTONE_MS + SESSION_KEPT_MS));
	assert_int_equal(sessiondb_tombstones(db), 0);
	sessiondb_free(db);
}

static void an_end_only_comes_nearer(void **state)
{
	struct sessiondb *db = make(0);
	struct session_record *record = create(db, 1, 1, 1), update = *record;
	struct session_outcome outcome;

	(void)state;
	update.revision = 2;
	update.session.ends_at = monotime_add_ms(start, 7200000);
	assert_int_equal(sessiondb_merge(db, &update, start, &outcome), 0);
	assert_true(record->session.ends_at.ns == monotime_add_ms(start, 3600000).ns);
	update.revision = 1;
	update.session.ends_at = monotime_add_ms(start, 1000);
	assert_int_equal(sessiondb_merge(db, &update, start, &outcome), 0);
	assert_true(record->session.ends_at.ns == monotime_add_ms(start, 1000).ns);
	assert_int_equal(record->revision, 2);
	sessiondb_free(db);
}

static void of_two_sessions_with_one_address_the_newer_terms_keeps_it(void **state)
{
	struct sessiondb *a = make(0), *b = make(1);
	struct session_record *old = create(a, 1, 1, 5), *fresh = create(b, 2, 1, 6);
	struct session_record old_copy = *old, fresh_copy = *fresh;
	struct session_outcome outcome;

	(void)state;
	assert_int_equal(sessiondb_merge(a, &fresh_copy, start, &outcome), 0);
	assert_int_equal(outcome.n_clashed, 1);
	assert_ptr_equal(outcome.clashed[0], old);
	assert_int_equal(old->end, VPN_END_CLASH);
	assert_int_equal(sessiondb_merge(b, &old_copy, start, &outcome), 0);
	assert_int_equal(outcome.n_clashed, 0);
	assert_int_equal(outcome.record->end, VPN_END_CLASH);
	assert_int_equal(sessiondb_count(a), 1);
	assert_int_equal(sessiondb_count(b), 1);
	assert_int_equal(fresh->end, VPN_END_NONE);
	sessiondb_free(a);
	sessiondb_free(b);
}

static void of_two_of_one_term_the_later_ones_address_it_is(void **state)
{
	(void)state;
	/* Whatever their cookies are. */
	for (unsigned number = 1; number < 40; number++) {
		struct sessiondb *a = make(0), *b = make(1);
		struct session_record *old = create(a, number * 7919, 1, 5), *fresh;
		struct session_record old_copy = *old, fresh_copy;
		struct session_outcome outcome;

		sessiondb_end(a, old, VPN_END_LOGOUT, 5, start);
		fresh = create(a, number * 104729 + 1, 1, 5);
		fresh_copy = *fresh;
		assert_int_equal(sessiondb_merge(b, &old_copy, start, &outcome), 0);
		assert_int_equal(sessiondb_merge(b, &fresh_copy, start, &outcome), 0);
		assert_int_equal(outcome.record->end, VPN_END_NONE);
		assert_int_equal(outcome.n_clashed, 1);
		/* ... also where it is there first. */
		old_copy.session.hash[31] = 1;
		assert_int_equal(sessiondb_merge(b, &old_copy, start, &outcome), 0);
		assert_int_equal(outcome.record->end, VPN_END_CLASH);
		sessiondb_free(a);
		sessiondb_free(b);
	}
}

static void what_is_past_its_end_is_not_taken_for_alive(void **state)
{
	struct sessiondb *db = make(0);
	struct session_record *fresh = create(db, 2, 1, 5);
	struct session_record stale = {
		.session = session_of(1, 1), .born_term = 9, .term = 9, .revision = 4};
	struct session_outcome outcome;

	(void)state;
	sessiondb_told(db, fresh, 1);
	stale.session.ends_at = monotime_add_ms(start, 1);
	assert_int_equal(sessiondb_merge(db, &stale, start, &outcome), 0);
	assert_int_equal(outcome.record->end, VPN_END_EXPIRED);
	assert_int_equal(outcome.n_clashed, 0);
	assert_int_equal(fresh->end, VPN_END_NONE);
	/* The mate, which has it, hears so. */
	assert_ptr_equal(sessiondb_dirty(db), outcome.record);
	/* One that has a while yet is another matter. */
	stale.session = session_of(3, 3);
	stale.session.ends_at = monotime_add_ms(start, 3);
	assert_int_equal(sessiondb_merge(db, &stale, start, &outcome), 0);
	assert_int_equal(outcome.record->end, VPN_END_NONE);
	sessiondb_free(db);
}

static void what_is_over_long_since_and_not_known_stays_so(void **state)
{
	struct sessiondb *db = make(0);
	struct session_record past = {.session = session_of(1, 1),
				      .born_term = 9,
				      .term = 9,
				      .revision = 4,
				      .end = VPN_END_LOGOUT};
	struct session_outcome outcome;

	(void)state;
	/* The mate still has it for a while, and has a millisecond for what has no time left. */
	past.session.ends_at = monotime_add_ms(start, 1);
	assert_int_equal(sessiondb_merge(db, &past, start, &outcome), 0);
	assert_false(outcome.is_changed);
	assert_null(outcome.record);
	assert_int_equal(sessiondb_tombstones(db), 0);
	/* One whose session could still be taken for alive is kept. */
	past.session.ends_at = monotime_add_ms(start, 3);
	assert_int_equal(sessiondb_merge(db, &past, start, &outcome), 0);
	assert_int_equal(sessiondb_tombstones(db), 1);
	sessiondb_free(db);
}

static void give_v6(struct vpn_session *session, uint8_t last)
{
	session->v6 = (struct vpn_address){{0xfd, 0, 0, 9, [15] = last}, 16, 64};
}

static void one_with_the_addresses_of_two_ends_both_and_tells_of_both(void **state)
{
	struct sessiondb *db = make(0);
	struct session_record *old = create(db, 1, 1, 5), *other = NULL;
	struct session_record fresh = {
		.session = session_of(3, 1), .born_term = 6, .term = 6, .revision = 1};
	struct vpn_session session = session_of(2, 2);
	struct session_outcome outcome;

	(void)state;
	give_v6(&session, 7);
	give_v6(&fresh.session, 7);
	assert_int_equal(sessiondb_create(db, &session, 5, &other), 0);
	assert_int_equal(sessiondb_merge(db, &fresh, start, &outcome), 0);
	assert_int_equal(outcome.n_clashed, 2);
	assert_ptr_equal(outcome.clashed[0], old);
	assert_ptr_equal(outcome.clashed[1], other);
	assert_int_equal(old->end, VPN_END_CLASH);
	assert_int_equal(other->end, VPN_END_CLASH);
	assert_ptr_equal(sessiondb_find_address(db, &fresh.session.v4), outcome.record);
	assert_ptr_equal(sessiondb_find_address(db, &fresh.session.v6), outcome.record);
	/* One that had both is one. */
	fresh.session.hash[0] = 4;
	fresh.born_term = 7;
	assert_int_equal(sessiondb_merge(db, &fresh, start, &outcome), 0);
	assert_int_equal(outcome.n_clashed, 1);
	sessiondb_free(db);
}

static void what_the_mate_is_told_begins_with_what_is_over(void **state)
{
	struct sessiondb *db = make(0);
	struct session_record *first = create(db, 1, 1, 1), *second = create(db, 2, 2, 1);
	struct session_record *record;
	uint64_t seq = 0;
	size_t n = 0;

	(void)state;
	while ((record = sessiondb_dirty(db)))
		sessiondb_told(db, record, ++seq);
	assert_int_equal(seq, 2);
	sessiondb_changed(db, first, 1);
	sessiondb_end(db, second, VPN_END_IDLE, 1, start);
	assert_ptr_equal(sessiondb_dirty(db), second);
	sessiondb_tell_all(db);
	for (; (record = sessiondb_dirty(db)); n++)
		sessiondb_told(db, record, ++seq);
	assert_int_equal(n, 2);
	assert_int_equal(first->sent_seq + second->sent_seq, 3 + 4);
	sessiondb_free(db);
}

/* The records in the order in which the mate is told, which then has all. */
static size_t tell(struct sessiondb *db, const struct session_record *ret_records[static 8])
{
	struct session_record *record;
	size_t n = 0;

	for (; (record = sessiondb_dirty(db)); n++) {
		assert_true(n < 8);
		ret_records[n] = record;
		sessiondb_told(db, record, n + 1);
	}
	return n;
}

static void the_mate_hears_what_came_free_before_who_has_it_now(void **state)
{
	struct sessiondb *db = make(0);
	struct session_record *other = create(db, 1, 2, 1), *first = create(db, 2, 1, 1), *second;
	const struct session_record *told[8];

	(void)state;
	assert_int_equal(tell(db, told), 2);
	sessiondb_changed(db, other, 1);
	sessiondb_end(db, first, VPN_END_IDLE, 1, start);
	second = create(db, 3, 1, 1);
	/* Neither another word of the one nor figures of the other change that. */
	sessiondb_end(db, first, VPN_END_LOGOUT, 1, start);
	sessiondb_changed(db, second, 1);
	assert_int_equal(tell(db, told), 3);
	assert_ptr_equal(told[0], first);
	assert_ptr_equal(told[1], second);
	assert_ptr_equal(told[2], other);
	/* Nor does a link that breaks when the one was told and the other was not. */
	sessiondb_end(db, second, VPN_END_LOGOUT, 1, start);
	assert_int_equal(tell(db, told), 1);
	first = create(db, 4, 1, 1);
	sessiondb_tell_all(db);
	assert_int_equal(tell(db, told), 4);
	assert_ptr_equal(told[1], second);
	assert_ptr_equal(told[3], first);
	sessiondb_free(db);
}

static void a_full_table_takes_no_more(void **state)
{
	struct sessiondb *db = make(0);
	struct vpn_session session;
	struct session_record *record;

	(void)state;
	for (unsigned i = 0; i < VPN_SESSIONS_MAX; i++) {
		session = session_of(i, 0);
		session.v4.bytes[1] = (uint8_t)(i >> 16);
		session.v4.bytes[2] = (uint8_t)(i >> 8);
		session.v4.bytes[3] = (uint8_t)i;
		assert_int_equal(sessiondb_create(db, &session, 1, &record), 0);
	}
	session = session_of(VPN_SESSIONS_MAX, 0);
	session.v4.bytes[1] = 200;
	assert_int_equal(sessiondb_create(db, &session, 1, &record), ERR_TOO_LARGE);
	sessiondb_free(db);
}

/* The mate brings N tombstones, FIRST and up. The ends are in no order: 7 is no divisor of N. */
static void bring_tombstones(struct sessiondb *db, unsigned first, unsigned n)
{
	struct session_outcome outcome;

	for (unsigned i = first; i < first + n; i++) {
		struct session_record dead = {.session = session_of(i, 0),
					      .born_term = 1,
					      .term = 1,
					      .revision = 1,
					      .end = VPN_END_LOGOUT};

		dead.session.ends_at = monotime_add_ms(start, 1000 + (uint64_t)(i - first) * 7 % n);
		assert_int_equal(sessiondb_merge(db, &dead, start, &outcome), 0);
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
	return (uint64_t)now.tv_sec * MONOTIME_NS_PER_SEC + (uint64_t)now.tv_nsec;
}

static void tombstones_that_are_too_many_go_at_once_and_the_earliest_ends_first(void **state)
{
	enum { SURPLUS = 10000, WALKS = 500 };
	struct sessiondb *db = make(0);
	const struct session_record *record = NULL;
	uint64_t begin, walk, sweep;
	struct monotime first_left = monotime_add_ms(start, 1000 + SURPLUS);
	size_t n = 0;

	(void)state;
	(void)create(db, 1, 1, 1);
	bring_tombstones(db, 2, SESSION_TOMBSTONES_MAX + SURPLUS);
	begin = cpu_ns();
	while ((record = sessiondb_next(db, record)))
		n += record->end != VPN_END_NONE;
	walk = cpu_ns() - begin;
	assert_int_equal(n, SESSION_TOMBSTONES_MAX + SURPLUS);
	begin = cpu_ns();
	sessiondb_sweep(db, start);
	sweep = cpu_ns() - begin;
	/* A walk for each would be SURPLUS of them. */
	if (sweep > WALKS * walk)
		fail_msg("the sweep took %llu times as long as a walk",
			 (unsigned long long)(sweep / walk));
	assert_int_equal(sessiondb_tombstones(db), SESSION_TOMBSTONES_MAX);
	assert_int_equal(sessiondb_count(db), 1);
	while ((record = sessiondb_next(db, record)))
		assert_true(record->session.ends_at.ns >= first_left.ns);
	sessiondb_free(db);
}

static void of_those_with_one_end_only_the_surplus_goes(void **state)
{
	struct sessiondb *db = make(0);
	struct session_outcome outcome;
	struct session_record dead = {.born_term = 1, .term = 1, .end = VPN_END_LOGOUT};

	(void)state;
	for (unsigned i = 0; i < SESSION_TOMBSTONES_MAX + 3; i++) {
		dead.session = session_of(i, 0);
		assert_int_equal(sessiondb_merge(db, &dead, start, &outcome), 0);
	}
	sessiondb_sweep(db, start);
	assert_int_equal(sessiondb_tombstones(db), SESSION_TOMBSTONES_MAX);
	assert_null(sessiondb_find(db, session_of(2, 0).hash));
	assert_non_null(sessiondb_find(db, session_of(3, 0).hash));
	sessiondb_free(db);
}

static void nobody_loses_an_address_to_one_that_is_not_taken(void **state)
{
	enum { FULL = 2 * SESSION_TOMBSTONES_MAX };
	struct sessiondb *db = make(0);
	struct session_record *weak = create(db, FULL + 1, 1, 5), *strong = NULL;
	struct session_record update = {
		.session = session_of(FULL + 3, 1), .born_term = 6, .term = 6, .revision = 1};
	struct vpn_session session = session_of(FULL + 2, 2);
	struct session_outcome outcome;

	(void)state;
	give_v6(&session, 7);
	give_v6(&update.session, 7);
	assert_int_equal(sessiondb_create(db, &session, 8, &strong), 0);
	bring_tombstones(db, 0, FULL);
	/* It would take one's address, and would be dead for the other's: no room for that. */
	assert_int_equal(sessiondb_merge(db, &update, start, &outcome), ERR_TOO_LARGE);
	assert_int_equal(weak->end, VPN_END_NONE);
	assert_int_equal(strong->end, VPN_END_NONE);
	assert_int_equal(outcome.n_clashed, 0);
	assert_null(outcome.record);
	sessiondb_sweep(db, start);
	assert_int_equal(sessiondb_merge(db, &update, start, &outcome), 0);
	assert_int_equal(outcome.record->end, VPN_END_CLASH);
	assert_int_equal(weak->end, VPN_END_NONE);
	sessiondb_free(db);
}

static void what_was_refused_is_told_again_once_it_is_asked_for(void **state)
{
	struct sessiondb *db = make(0);
	struct session_record *first = create(db, 1, 1, 1), *second = create(db, 2, 2, 1);

	(void)state;
	sessiondb_told(db, first, 1);
	sessiondb_told(db, second, 1);
	second->is_refused = true;
	assert_null(sessiondb_dirty(db));
	sessiondb_tell_refused(db);
	assert_ptr_equal(sessiondb_dirty(db), second);
	sessiondb_told(db, second, 2);
	assert_false(second->is_refused);
	sessiondb_tell_refused(db);
	assert_null(sessiondb_dirty(db));
	sessiondb_free(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_units_give_different_indexes),
		cmocka_unit_test(a_taken_cookie_or_address_is_refused),
		cmocka_unit_test(a_tombstone_wins_over_whatever_comes_later),
		cmocka_unit_test(a_tombstone_of_an_endless_session_has_an_end),
		cmocka_unit_test(an_end_only_comes_nearer),
		cmocka_unit_test(of_two_sessions_with_one_address_the_newer_terms_keeps_it),
		cmocka_unit_test(of_two_of_one_term_the_later_ones_address_it_is),
		cmocka_unit_test(what_is_past_its_end_is_not_taken_for_alive),
		cmocka_unit_test(what_is_over_long_since_and_not_known_stays_so),
		cmocka_unit_test(the_mate_hears_what_came_free_before_who_has_it_now),
		cmocka_unit_test(what_the_mate_is_told_begins_with_what_is_over),
		cmocka_unit_test(a_full_table_takes_no_more),
		cmocka_unit_test(one_with_the_addresses_of_two_ends_both_and_tells_of_both),
		cmocka_unit_test(
			tombstones_that_are_too_many_go_at_once_and_the_earliest_ends_first),
		cmocka_unit_test(of_those_with_one_end_only_the_surplus_goes),
		cmocka_unit_test(nobody_loses_an_address_to_one_that_is_not_taken),
		cmocka_unit_test(what_was_refused_is_told_again_once_it_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
