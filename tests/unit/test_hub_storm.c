/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users who log in and out by the hundred while two real hubs tell each other of it, and the roles
 * change in the middle. Afterwards both know the same, and nobody who was let in is out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub_pair.h"

#define USERS 50u
#define STEPS 500u
#define AGE_MAX_MS UINT64_C(120000) /* vpn-session-timeout 2 */

static const char lines[] =
	"webvpn\n anyconnect enable\n"
	"ip local pool P 10.9.0.1-10.9.0.30 mask 255.255.255.0\n"
	"ipv6 local pool P6 fd00:9::10/64 35\n"
	"group-policy GP internal\ngroup-policy GP attributes\n vpn-idle-timeout none\n"
	" vpn-session-timeout 2\n vpn-simultaneous-logins 1\n"
	"tunnel-group staff type remote-access\ntunnel-group staff general-attributes\n"
	" address-pool P\n ipv6-address-pool P6\n default-group-policy GP\n"
	" authentication-server-group PAM\n pam-service vpn\n";

static struct hub_unit *const a = &pair.units[0], *const b = &pair.units[1];

/* How the roles change. */
enum swap {
	SWAP_IN_ORDER, /* all was told */
	SWAP_EARLY,    /* some is on its way */
	SWAP_BY_FORCE, /* ... and is lost */
	SWAP_BY_POWER, /* ... and so is all that the active unit knew */
};

struct login {
	unsigned user;
	struct monotime at;
	bool is_over; /* its user wanted that, or logged in again */
};

struct storm {
	uint64_t seed;
	struct login logins[STEPS + 1]; /* from 1 */
	unsigned n, latest[USERS];	/* 0: none */
	struct hub_unit *active;
};

static unsigned below(struct storm *storm, unsigned n)
{
	storm->seed = storm->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(storm->seed >> 33) % n;
}

static void log_in(struct storm *storm, unsigned user)
{
	unsigned number = ++storm->n, before = storm->latest[user];
	char name[16];

	(void)snprintf(name, sizeof(name), "user%u", user);
	storm->logins[number] = (struct login){.user = user, .at = pair.now};
	hub_pair_log_in(storm->active, number, name);
	if (pair.logins[number] == LOGIN_REFUSED)
		return;
	if (before)
		storm->logins[before].is_over = true;
	storm->latest[user] = number;
}

static void log_out(struct storm *storm, unsigned user)
{
	unsigned number = storm->latest[user];

	if (number == 0)
		return;
	hub_pair_log_out(storm->active, number);
	storm->logins[number].is_over = true;
}

static void change_roles(struct storm *storm, enum swap swap)
{
	if (swap == SWAP_IN_ORDER)
		hub_pair_settle();
	if (swap == SWAP_BY_FORCE)
		hub_pair_link(false);
	if (swap == SWAP_BY_POWER)
		hub_pair_restart(storm->active);
	storm->active = storm->active == a ? b : a;
	hub_pair_take_over(storm->active);
}

static void step(struct storm *storm)
{
	unsigned user = below(storm, USERS);

	if (below(storm, 3) > 0)
		log_in(storm, user);
	else
		log_out(storm, user);
	hub_pair_deliver(a, below(storm, 4));
	hub_pair_deliver(b, below(storm, 4));
	hub_pair_pass(below(storm, 600));
	if (below(storm, 4) == 0)
		hub_tick(a->hub);
	if (below(storm, 4) == 0)
		hub_tick(b->hub);
}

static void is_in(const struct storm *storm, const struct hub_unit *unit, unsigned number)
{
	const struct session_record *record = hub_pair_find(unit, number);

	if (!record || record->end != VPN_END_NONE)
		fail_msg("user%u, who was let in by login %u, is out: reason %d",
			 storm->logins[number].user, number, record ? (int)record->end : -1);
}

static void check(const struct storm *storm)
{
	unsigned n = 0;

	hub_pair_are_equal();
	for (unsigned i = 1; i <= storm->n; i++) {
		const struct login *login = &storm->logins[i];

		assert_int_not_equal(pair.logins[i], LOGIN_ASKED);
		if (pair.logins[i] != LOGIN_ANSWERED || login->is_over ||
		    monotime_reached(pair.now, monotime_add_ms(login->at, AGE_MAX_MS)))
			continue;
		n++;
		is_in(storm, a, i);
		is_in(storm, b, i);
	}
	assert_true(n > 10);
}

static void play(uint64_t seed, enum swap swap)
{
	struct storm storm = {.seed = seed, .active = a};

	hub_pair_start(lines);
	for (unsigned i = 1; i <= STEPS; i++) {
		step(&storm);
		if (i == STEPS / 4)
			hub_pair_restart(b);
		if (i == STEPS / 4 + 10)
			hub_pair_link(true);
		if (i == STEPS / 2)
			change_roles(&storm, swap);
		if (i == STEPS / 2 + 30) /* the units meet again */
			hub_pair_link(true);
	}
	hub_pair_settle();
	hub_tick(a->hub);
	hub_tick(b->hub);
	hub_pair_settle();
	check(&storm);
	(void)hub_pair_stop(NULL);
}

static void play_all(enum swap swap)
{
	const char *runs = getenv("ASAFO_SESSION_RUNS");
	unsigned n = runs ? (unsigned)strtoul(runs, NULL, 10) : 20;

	for (unsigned i = 1; i <= n; i++)
		play(i, swap);
}

static void nobody_is_out_after_a_failover_in_order(void **state)
{
	(void)state;
	play_all(SWAP_IN_ORDER);
}

static void nor_after_one_with_updates_on_their_way(void **state)
{
	(void)state;
	play_all(SWAP_EARLY);
}

static void nor_after_one_that_loses_them(void **state)
{
	(void)state;
	play_all(SWAP_BY_FORCE);
}

static void nor_after_one_of_a_unit_that_forgets_everything(void **state)
{
	(void)state;
	play_all(SWAP_BY_POWER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_out_after_a_failover_in_order),
		cmocka_unit_test(nor_after_one_with_updates_on_their_way),
		cmocka_unit_test(nor_after_one_that_loses_them),
		cmocka_unit_test(nor_after_one_of_a_unit_that_forgets_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
