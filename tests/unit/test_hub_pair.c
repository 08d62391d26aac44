/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions on two real hubs: what ends on one is over on both, and who was let in stays in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub_pair.h"

#define MINUTE_MS UINT64_C(60000)
#define POLICY(pool, timeout)                                                                      \
	"webvpn\n anyconnect enable\n"                                                             \
	"ip local pool P " pool " mask 255.255.255.0\n"                                            \
	"group-policy GP internal\ngroup-policy GP attributes\n vpn-idle-timeout none\n"           \
	" vpn-session-timeout " timeout "\n vpn-simultaneous-logins 1\n"                           \
	"tunnel-group staff type remote-access\ntunnel-group staff general-attributes\n"           \
	" address-pool P\n default-group-policy GP\n"                                              \
	" authentication-server-group PAM\n pam-service vpn\n"

static struct hub_unit *const a = &pair.units[0], *const b = &pair.units[1];

static void tick_both(void)
{
	hub_tick(a->hub);
	hub_tick(b->hub);
	hub_pair_settle();
}

/* Users FIRST up to FIRST + N - 1 log in on UNIT, each for the first time. */
static void log_in_all(struct hub_unit *unit, unsigned first, unsigned n)
{
	char user[16];

	for (unsigned i = first; i < first + n; i++) {
		(void)snprintf(user, sizeof(user), "user%u", i);
		hub_pair_log_in(unit, i, user);
		hub_pair_settle();
		assert_int_equal(pair.logins[i], pair.is_link_up ? LOGIN_ANSWERED : LOGIN_ALONE);
	}
}

static size_t live(const struct hub_unit *unit)
{
	return sessiondb_count(unit->hub->db);
}

/* ---- age ---- */

static void whose_time_is_over_is_over_on_both_units(void **state)
{
	(void)state;
	hub_pair_start(POLICY("10.9.0.1-10.9.0.200", "1"));
	log_in_all(a, 1, 150);
	assert_int_equal(live(b), 150);
	hub_pair_pass(MINUTE_MS);
	tick_both();
	assert_int_equal(live(a), 0);
	assert_int_equal(live(b), 0);
	hub_pair_are_equal();
	/* They come again, to the same addresses, and stay. */
	log_in_all(a, 201, 150);
	tick_both();
	assert_int_equal(live(a), 150);
	hub_pair_are_equal();
}

static void an_end_of_which_the_standby_was_not_told_comes_a_minute_later(void **state)
{
	(void)state;
	hub_pair_start(POLICY("10.9.0.1-10.9.0.200", "2"));
	log_in_all(a, 1, 100);
	hub_pair_pass(MINUTE_MS);
	log_in_all(a, 101, 1);
	hub_pair_link(false);
	hub_pair_pass(MINUTE_MS);
	tick_both();
	assert_int_equal(live(a), 1);
	assert_int_equal(live(b), 101);
	hub_pair_pass(MINUTE_MS - 1000);
	tick_both();
	assert_int_equal(live(b), 101);
	/* Whoever waits for the word of the active unit does not wait for ever. */
	hub_pair_pass(1000);
	tick_both();
	assert_int_equal(live(a), 0);
	assert_int_equal(live(b), 1);
	/* It is the active unit's to say in the log. */
	assert_int_equal(vpnhub_figures(b->hub)->ended[VPN_END_EXPIRED], 0);
	/* The first ones' tombstones are gone by the time at which the units meet. */
	hub_pair_pass(SESSION_KEPT_MS);
	tick_both();
	assert_int_equal(live(b), 0);
	log_in_all(a, 201, 100);
	hub_pair_link(true);
	hub_pair_settle();
	tick_both();
	assert_int_equal(live(a), 100);
	hub_pair_are_equal();
}

static void a_mate_that_slept_over_the_end_takes_no_address_from_anybody(void **state)
{
	(void)state;
	hub_pair_start(POLICY("10.9.0.1-10.9.0.100", "1"));
	log_in_all(a, 1, 100);
	hub_pair_link(false);
	hub_pair_pass(MINUTE_MS);
	hub_tick(a->hub);
	hub_pair_pass(SESSION_KEPT_MS);
	hub_tick(a->hub);
	assert_int_equal(sessiondb_tombstones(a->hub->db), 0);
	log_in_all(a, 201, 100);
	/* All that it knows are sessions that are over; it has not had a moment to find out. */
	assert_int_equal(live(b), 100);
	hub_pair_link(true);
	hub_pair_settle();
	assert_int_equal(live(a), 100);
	assert_int_equal(vpnhub_figures(a->hub)->ended[VPN_END_CLASH], 0);
	hub_pair_are_equal();
}

static void whose_time_is_over_at_a_failover_is_over(void **state)
{
	(void)state;
	hub_pair_start(POLICY("10.9.0.1-10.9.0.200", "1"));
	log_in_all(a, 1, 200);
	hub_pair_pass(MINUTE_MS);
	hub_tick(a->hub);
	hub_pair_deliver(b, 1); /* 64 of them; the rest is lost */
	hub_pair_link(false);
	hub_pair_take_over(b);
	hub_tick(b->hub);
	assert_int_equal(live(b), 0);
	log_in_all(b, 201, 200);
	hub_pair_link(true);
	hub_pair_settle();
	tick_both();
	assert_int_equal(live(b), 200);
	hub_pair_are_equal();
}

static void both_units_may_end_it_at_once(void **state)
{
	(void)state;
	hub_pair_start(POLICY("10.9.0.1-10.9.0.200", "1"));
	log_in_all(a, 1, 200);
	hub_pair_link(false);
	b->is_active = true; /* as well as the other */
	b->engine.fsm.term = ++pair.term;
	vpnhub_on_role(b->hub);
	hub_pair_pass(MINUTE_MS);
	tick_both();
	assert_int_equal(live(a) + live(b), 0);
	a->is_active = false;
	vpnhub_on_role(a->hub);
	hub_pair_link(true);
	hub_pair_settle();
	hub_pair_are_equal();
	log_in_all(b, 201, 200);
	hub_pair_are_equal();
}

/* ---- addresses that were given twice ---- */

/* Apart: A goes on, and B takes over; each gives the address to somebody. */
static void give_twice(void)
{
	hub_pair_start(POLICY("10.9.0.1-10.9.0.1", "none"));
	hub_pair_link(false);
	log_in_all(a, 1, 1);
	b->is_active = true;
	b->engine.fsm.term = ++pair.term;
	vpnhub_on_role(b->hub);
	log_in_all(b, 2, 1);
}

static void check_clash(void)
{
	assert_int_equal(hub_pair_find(a, 1)->end, VPN_END_CLASH);
	assert_int_equal(hub_pair_find(a, 2)->end, VPN_END_NONE);
	hub_pair_are_equal();
	assert_int_equal(vpnhub_figures(a->hub)->ended[VPN_END_CLASH], 1);
	assert_int_equal(vpnhub_figures(b->hub)->ended[VPN_END_CLASH], 1);
	assert_int_equal(pair.n_said, 1);
}

static void whose_address_is_anothers_is_counted_by_both_and_said_by_one(void **state)
{
	(void)state;
	give_twice();
	a->is_active = false;
	vpnhub_on_role(a->hub);
	hub_pair_link(true);
	hub_pair_settle();
	check_clash();
}

static void so_is_one_that_the_mate_decided_on(void **state)
{
	(void)state;
	give_twice();
	/* The older term's unit is the active one by the time at which they meet, and hears the
	 * verdict before it hears of the other session. */
	b->is_active = false;
	vpnhub_on_role(b->hub);
	hub_pair_link(true);
	hub_pair_deliver(b, 1);
	while (a->first)
		hub_pair_deliver(a, 1);
	hub_pair_settle();
	check_clash();
}

/* ---- logins ---- */

static void who_logs_in_again_stays(void **state)
{
	(void)state;
	hub_pair_start(POLICY("10.9.0.1-10.9.0.1", "none"));
	for (unsigned i = 1; i <= 100; i++) {
		hub_pair_log_in(a, i, "user");
		hub_pair_settle();
		assert_int_equal(pair.logins[i], LOGIN_ANSWERED);
		assert_int_equal(hub_pair_find(a, i)->end, VPN_END_NONE);
		hub_pair_are_equal();
	}
	assert_int_equal(vpnhub_figures(a->hub)->ended[VPN_END_REPLACED], 99);
}

static void who_comes_back_while_the_link_is_busy_stays(void **state)
{
	const unsigned n = 10 * HUB_UPDATES_AHEAD;

	(void)state;
	hub_pair_start(POLICY("10.9.0.1-10.9.0.1", "none"));
	for (unsigned i = 1; i <= n; i++) {
		hub_pair_log_in(a, i, "user");
		/* Some of what was said arrives. */
		hub_pair_deliver(i % 2 ? b : a, i % 3);
		if (i < n && i % 2)
			hub_pair_log_out(a, i);
	}
	hub_pair_settle();
	assert_int_equal(pair.logins[n], LOGIN_ANSWERED);
	assert_int_equal(hub_pair_find(a, n)->end, VPN_END_NONE);
	assert_int_equal(vpnhub_figures(b->hub)->ended[VPN_END_CLASH], 0);
	hub_pair_are_equal();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(whose_time_is_over_is_over_on_both_units, hub_pair_stop),
		cmocka_unit_test_teardown(
			an_end_of_which_the_standby_was_not_told_comes_a_minute_later,
			hub_pair_stop),
		cmocka_unit_test_teardown(
			a_mate_that_slept_over_the_end_takes_no_address_from_anybody,
			hub_pair_stop),
		cmocka_unit_test_teardown(whose_time_is_over_at_a_failover_is_over, hub_pair_stop),
		cmocka_unit_test_teardown(both_units_may_end_it_at_once, hub_pair_stop),
		cmocka_unit_test_teardown(
			whose_address_is_anothers_is_counted_by_both_and_said_by_one,
			hub_pair_stop),
		cmocka_unit_test_teardown(so_is_one_that_the_mate_decided_on, hub_pair_stop),
		cmocka_unit_test_teardown(who_logs_in_again_stays, hub_pair_stop),
		cmocka_unit_test_teardown(who_comes_back_while_the_link_is_busy_stays,
					  hub_pair_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
