/* SPDX-License-Identifier: Apache-2.0 */
/* Leases in a network namespace of our own, with the kernel as the judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <time.h>

#include "base/err.h"
#include "base/monotime.h"
#include "failover/linkmon.h"
#include "failover/vip.h"
#include "netns.h"
#include "tagged.h"
#include "vip_address.h"
#include "wait.h"

static sd_event *event;
static unsigned added, removed;

#define WAIT_FOR(condition) WAIT_ON(event, condition)

/* What `ip` says about va's addresses or routes. */
static bool shows(const char *command, const char *what)
{
	char text[8192];

	assert_int_equal(netns_capture(command, text, sizeof(text)), 0);
	return strstr(text, what) != NULL;
}

static bool has_address(const char *what)
{
	return shows("ip -o addr show dev va", what);
}

static bool has_route(const char *what)
{
	return shows("ip route show", what);
}

static bool has_route6(const char *what)
{
	return shows("ip -6 route show", what);
}

static void on_link(const struct linkmon_link *link, void *userdata)
{
	(void)link;
	(void)userdata;
}

static void on_address(const struct linkmon_address *address, void *userdata)
{
	struct vip **vip = userdata;

	if (strcmp(address->device, "va") != 0)
		return;
	if (vip && *vip)
		vip_take_news(*vip, address);
	added += address->is_new;
	removed += address->is_gone;
}

static const struct linkmon_ops ops = {on_link, on_address};

static int setup(void **state)
{
	(void)state;
	assert_int_equal(netns_run("ip link del va"), 0);
	assert_int_equal(netns_run("ip link add va type veth peer name vb"), 0);
	/* The kernel's own link-local address would come whenever the carrier does. */
	assert_int_equal(netns_run("ip link set va addrgenmode none"), 0);
	assert_int_equal(netns_run("ip link set va up"), 0);
	assert_int_equal(netns_run("ip link set vb up"), 0);
	added = removed = 0;
	return sd_event_new(&event);
}

static int teardown(void **state)
{
	(void)state;
	event = sd_event_unref(event);
	return 0;
}

/* Holds WANTED, with linkmon's and vip's timers running, for more than two lifetimes in which this
 * process was never away for long: on a crowded machine it may be, and then to lose the addresses
 * is right (the tests below). */
static void hold_undisturbed(struct vip *vip, const struct vip_address *wanted, size_t n_wanted)
{
	for (unsigned tries = 0; tries < 20; tries++) {
		struct monotime until, last;
		bool is_disturbed = false;
		struct why why;

		assert_int_equal(vip_set(vip, wanted, n_wanted, &why), 0);
		last = monotime_now();
		until = monotime_add_ms(last, 200);
		while (!monotime_reached(monotime_now(), until))
			assert_true(sd_event_run(event, 20000) >= 0);
		added = removed = 0;
		last = monotime_now();
		until = monotime_add_ms(last, 2500);
		while (!monotime_reached(last, until) && !is_disturbed) {
			assert_true(sd_event_run(event, 20000) >= 0);
			is_disturbed = monotime_reached(monotime_now(), monotime_add_ms(last, 400));
			last = monotime_now();
		}
		if (!is_disturbed)
			return;
	}
	fail_msg("this machine never lets a process run for 2.5 s");
}

static const char V4[] = "198.51.100.10", V4_STANDBY[] = "198.51.100.11";
static const char V6[] = "2001:db8:100::10", V6_STANDBY[] = "2001:db8:100::11";

static void addresses_come_with_their_tags_and_go(void **state)
{
	struct vip_address wanted[] = {vip_address_of("va", V4, 24, true),
				       vip_address_of("va", V6, 64, true),
				       vip_address_of("va", "203.0.113.1", 30, false)};
	struct vip *vip = NULL;
	struct why why;
	size_t n;

	(void)state;
	assert_int_equal(vip_new(event, &vip), 0);
	assert_int_equal(vip_set(vip, wanted, 3, &why), 0);
	(void)vip_current(vip, &n);
	assert_int_equal(n, 3);
	assert_true(has_address("198.51.100.10/24 brd 198.51.100.255"));
	assert_true(has_address("2001:db8:100::10/64"));
	assert_int_equal(count_tagged(VIP_PROTOCOL), 2);
	assert_int_equal(count_tagged(VIP_PROTOCOL_STANDBY), 1);
	assert_false(has_address("tentative"));
	assert_int_equal(vip_set(vip, wanted + 2, 1, &why), 0);
	assert_false(has_address(V4));
	assert_false(has_address(V6));
	assert_true(has_address("203.0.113.1/30"));
	assert_int_equal(vip_set(vip, NULL, 0, &why), 0);
	assert_false(has_address("203.0.113.1"));
	vip_free(vip);
}

static void a_swap_keeps_the_routes(void **state)
{
	struct vip_address active[] = {vip_address_of("va", V4, 24, true),
				       vip_address_of("va", V6, 64, true)};
	struct vip_address standby[] = {vip_address_of("va", V4_STANDBY, 24, false),
					vip_address_of("va", V6_STANDBY, 64, false)};
	struct vip *vip = NULL;
	struct why why;

	(void)state;
	assert_int_equal(vip_new(event, &vip), 0);
	assert_int_equal(vip_set(vip, standby, 2, &why), 0);
	assert_int_equal(netns_run("ip route add default via 198.51.100.1"), 0);
	assert_int_equal(netns_run("ip -6 route add default via 2001:db8:100::1"), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(vip_set(vip, active, 2, &why), 0);
		assert_true(has_address(V4) && has_address(V6));
		assert_false(has_address(V4_STANDBY) || has_address(V6_STANDBY));
		assert_true(has_route("198.51.100.0/24 dev va"));
		assert_true(has_route("default via 198.51.100.1"));
		assert_true(has_route6("2001:db8:100::/64 dev va"));
		assert_true(has_route6("default via 2001:db8:100::1"));
		assert_int_equal(vip_set(vip, standby, 2, &why), 0);
		assert_true(has_address(V4_STANDBY) && has_address(V6_STANDBY));
		assert_false(has_address("198.51.100.10/") || has_address("100::10/"));
		assert_true(has_route("198.51.100.0/24 dev va"));
		assert_true(has_route("default via 198.51.100.1"));
		assert_true(has_route6("2001:db8:100::/64 dev va"));
		assert_false(has_route6("expires"));
		assert_true(has_route6("default via 2001:db8:100::1"));
	}
	assert_int_equal(vip_set(vip, NULL, 0, &why), 0);
	vip_free(vip);
}

static void a_move_is_mended_once_and_known_to_be_done(void **state)
{
	struct vip_address active[] = {vip_address_of("va", V4, 24, true),
				       vip_address_of("va", V6, 64, true)};
	struct vip_address standby[] = {vip_address_of("va", V4_STANDBY, 24, false)};
	struct vip *vip = NULL;
	struct why why;

	(void)state;
	assert_int_equal(vip_new(event, &vip), 0);
	assert_false(vip_is_set(vip, active, 2));
	assert_int_equal(vip_move(vip, active, 2, &why), 0);
	assert_true(has_address(V4) && has_address(V6));
	assert_true(vip_is_set(vip, active, 2));
	assert_false(vip_is_set(vip, active, 1) || vip_is_set(vip, standby, 1));
	/* As if a removal had taken it along. */
	assert_int_equal(netns_run("ip addr del 198.51.100.10/24 dev va"), 0);
	assert_int_equal(vip_mend(vip), 0);
	assert_true(has_address(V4));
	assert_int_equal(netns_run("ip addr del 198.51.100.10/24 dev va"), 0);
	assert_int_equal(vip_mend(vip), 0);
	assert_false(has_address(V4));
	assert_int_equal(vip_move(vip, standby, 1, &why), 0);
	assert_false(has_address(V6));
	assert_true(has_address(V4_STANDBY));
	vip_free(vip);
}

static void the_operators_own_addresses_survive(void **state)
{
	struct vip_address active[] = {vip_address_of("va", V4, 24, true),
				       vip_address_of("va", V6, 64, true)};
	struct vip *vip = NULL;
	struct why why;

	(void)state;
	assert_int_equal(vip_new(event, &vip), 0);
	assert_int_equal(netns_run("ip addr add 2001:db8:100::5/64 dev va nodad"), 0);
	assert_int_equal(vip_set(vip, active, 2, &why), 0);
	/* It is the second of the subnet: it would go with the first. */
	assert_int_equal(netns_run("ip addr add 198.51.100.5/24 dev va"), 0);
	assert_true(vip_withdraw_all() == 2);
	assert_true(has_address("198.51.100.5/24"));
	assert_true(has_route("198.51.100.0/24 dev va"));
	assert_true(has_address("2001:db8:100::5/64"));
	assert_true(has_route6("2001:db8:100::/64 dev va"));
	assert_false(has_route6("expires"));
	vip_free(vip);
}

static void an_address_that_exists_becomes_ours(void **state)
{
	struct vip_address active[] = {vip_address_of("va", V4, 24, true),
				       vip_address_of("va", V6, 64, true)};
	struct vip *vip = NULL;
	struct why why;

	(void)state;
	assert_int_equal(netns_run("ip addr add 198.51.100.10/24 dev va"), 0);
	assert_int_equal(netns_run("ip addr add 2001:db8:100::10/128 dev va nodad"), 0);
	assert_int_equal(vip_new(event, &vip), 0);
	/* By hand on a unit that is to be standby: it goes when the engine says so. */
	assert_int_equal(vip_expel(vip, active, 1), 1);
	assert_false(has_address(V4));
	assert_int_equal(netns_run("ip addr add 198.51.100.10/24 dev va"), 0);
	assert_int_equal(vip_set(vip, active, 2, &why), 0);
	assert_true(has_address("2001:db8:100::10/64"));
	assert_int_equal(vip_expel(vip, active, 2), 0);
	assert_int_equal(vip_set(vip, NULL, 0, &why), 0);
	assert_false(has_address(V4) || has_address(V6));
	vip_free(vip);
}

static void a_links_address_that_was_there_before_stays_when_we_go(void **state)
{
	struct vip_address wanted[] = {vip_address_of("va", "203.0.113.1", 30, false),
				       vip_address_of("va", "198.51.100.11", 24, false)};
	struct vip *vip = NULL;
	struct why why;
	size_t n;

	(void)state;
	wanted[0].is_left = wanted[1].is_left = true;
	assert_int_equal(netns_run("ip addr add 203.0.113.1/30 dev va"), 0);
	assert_int_equal(vip_new(event, &vip), 0);
	assert_int_equal(vip_set(vip, wanted, 2, &why), 0);
	(void)vip_current(vip, &n);
	assert_int_equal(n, 2);
	assert_int_equal(vip_set(vip, NULL, 0, &why), 0);
	assert_true(has_address("203.0.113.1/30"));
	assert_false(has_address("198.51.100.11/24"));
	vip_free(vip);
}

static void a_missing_device_is_named_and_the_rest_is_done(void **state)
{
	struct vip_address wanted[] = {vip_address_of("nowhere0", "192.0.2.1", 24, true),
				       vip_address_of("va", V4, 24, true)};
	struct vip *vip = NULL;
	struct why why;
	size_t n;

	(void)state;
	assert_int_equal(vip_new(event, &vip), 0);
	assert_int_equal(vip_set(vip, wanted, 2, &why), -ENODEV);
	assert_non_null(strstr(why.text, "192.0.2.1/24"));
	assert_non_null(strstr(why.text, "nowhere0"));
	assert_string_equal(vip_current(vip, &n)[0].device, "va");
	assert_int_equal(n, 1);
	/* When it comes, the renewal gives it its address. */
	assert_int_equal(netns_run("ip link add nowhere0 type veth peer name nowhere1"), 0);
	WAIT_FOR((vip_current(vip, &n), n) == 2);
	assert_true(shows("ip -o addr show dev nowhere0", "192.0.2.1/24"));
	assert_int_equal(netns_run("ip link del nowhere0"), 0);
	vip_free(vip);
}

static void a_lease_is_renewed_and_what_somebody_removed_comes_back(void **state)
{
	struct vip_address wanted[] = {vip_address_of("va", V4, 24, true),
				       vip_address_of("va", V6, 64, true),
				       vip_address_of("va", "203.0.113.1", 30, false)};
	struct linkmon *linkmon = NULL;
	struct vip *vip = NULL;

	(void)state;
	assert_int_equal(vip_new(event, &vip), 0);
	assert_int_equal(linkmon_new(event, &ops, NULL, &linkmon), 0);
	hold_undisturbed(vip, wanted, 3);
	assert_true(has_address(V4) && has_address(V6));
	assert_int_equal(added + removed, 0); /* a renewal is no news */
	assert_int_equal(netns_run("ip addr flush dev va"), 0);
	WAIT_FOR(removed >= 3 && added >= 3);
	assert_true(has_address(V4) && has_address(V6) && has_address("203.0.113.1"));
	vip_free(vip);
	linkmon_free(linkmon);
}

static int on_always(sd_event_source *source, void *userdata)
{
	unsigned *n = userdata;

	(void)source;
	(*n)++;
	return 0;
}

static void a_loop_that_is_never_idle_renews_its_leases(void **state)
{
	struct vip_address wanted[] = {vip_address_of("va", V4, 24, true)};
	sd_event_source *busy = NULL;
	struct vip *vip = NULL;
	unsigned n = 0;

	(void)state;
	assert_int_equal(vip_new(event, &vip), 0);
	assert_true(sd_event_add_defer(event, &busy, on_always, &n) >= 0);
	assert_true(sd_event_source_set_enabled(busy, SD_EVENT_ON) >= 0);
	hold_undisturbed(vip, wanted, 1);
	assert_true(n > 1000);
	assert_true(has_address(V4));
	sd_event_source_disable_unref(busy);
	vip_free(vip);
}

static void a_killed_process_loses_its_addresses(void **state)
{
	struct vip_address wanted[] = {vip_address_of("va", V4, 24, true),
				       vip_address_of("va", V6, 64, true)};
	struct linkmon *linkmon = NULL;
	struct monotime killed;
	pid_t pid;

	(void)state;
	assert_int_equal(linkmon_new(event, &ops, NULL, &linkmon), 0);
	pid = fork();
	if (pid == 0) {
		struct vip *vip = NULL;
		sd_event *own = NULL;
		struct why why;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (sd_event_new(&own) < 0 || vip_new(own, &vip) < 0 ||
		    vip_set(vip, wanted, 2, &why) < 0)
			_exit(1);
		(void)pause();
		_exit(0);
	}
	WAIT_FOR(added == 2);
	killed = monotime_now();
	assert_int_equal(kill(pid, SIGKILL), 0);
	(void)waitpid(pid, NULL, 0);
	WAIT_FOR(removed == 2);
	print_message("# gone after %.0f ms\n",
		      (double)monotime_since(monotime_now(), killed) / 1e6);
	assert_true(monotime_since(monotime_now(), killed) < 2500 * MONOTIME_NS_PER_MS);
	assert_false(has_address(V4) || has_address(V6));
	linkmon_free(linkmon);
}

static void a_process_that_was_stopped_does_not_take_its_leases_back(void **state)
{
	struct vip_address wanted[] = {vip_address_of("va", V4, 24, true)};
	struct linkmon *linkmon = NULL;
	struct vip *vip = NULL;
	struct why why;

	(void)state;
	assert_int_equal(vip_new(event, &vip), 0);
	assert_int_equal(linkmon_new(event, &ops, NULL, &linkmon), 0);
	assert_int_equal(vip_set(vip, wanted, 1, &why), 0);
	/* Stopped: the loop does not run until the kernel has taken the address. */
	for (struct monotime until = monotime_add_ms(monotime_now(), WAIT_MS); has_address(V4);)
		assert_false(monotime_reached(monotime_now(), until));
	WAIT_FOR(vip_has_lapsed(vip));
	WAIT_FOR(removed >= 1);
	assert_false(has_address(V4));
	assert_int_equal(vip_renew(vip), 0);
	assert_true(has_address(V4));
	assert_false(vip_has_lapsed(vip));
	vip_free(vip);
	assert_false(has_address(V4));
	linkmon_free(linkmon);
}

static void withdrawing_all_is_quick_and_leaves_the_standbys(void **state)
{
	struct vip_address wanted[250];
	struct monotime begin;
	struct vip *vip = NULL;
	struct why why;
	uint64_t set, withdrawn;
	char text[32];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
		(void)snprintf(text, sizeof(text), i % 2 ? "2001:db8:100::%x" : "198.51.100.%u",
			       i + 1);
		wanted[i] = vip_address_of("va", text, i % 2 ? 64 : 24, true);
	}
	wanted[0] = vip_address_of("va", "203.0.113.1", 30, false);
	assert_int_equal(vip_new(event, &vip), 0);
	begin = monotime_now();
	assert_int_equal(vip_set(vip, wanted, ARRAY_SIZE(wanted), &why), 0);
	set = monotime_since(monotime_now(), begin);
	begin = monotime_now();
	assert_int_equal(vip_withdraw_all(), ARRAY_SIZE(wanted) - 1);
	withdrawn = monotime_since(monotime_now(), begin);
	assert_true(has_address("203.0.113.1/30"));
	assert_false(has_address("198.51.100."));
	assert_int_equal(vip_set(vip, wanted, 3, &why), 0);
	begin = monotime_now();
	assert_int_equal(vip_withdraw_all(), 2);
	print_message("# 250 addresses: set in %.2f ms, withdrawn in %.2f ms; 2 in %.2f ms\n",
		      (double)set / 1e6, (double)withdrawn / 1e6,
		      (double)monotime_since(monotime_now(), begin) / 1e6);
	vip_free(vip);
}

static void what_an_earlier_life_left_is_withdrawn(void **state)
{
	struct vip_address wanted[] = {vip_address_of("va", V4, 24, true),
				       vip_address_of("va", "203.0.113.1", 30, false)};
	struct vip *earlier = NULL, *vip = NULL;
	struct why why;

	(void)state;
	assert_int_equal(vip_new(event, &earlier), 0);
	assert_int_equal(vip_set(earlier, wanted, 2, &why), 0);
	assert_int_equal(vip_new(event, &vip), 0);
	assert_false(has_address(V4));
	assert_true(has_address("203.0.113.1"));
	/* The standby address is adopted: it goes when it is not wanted. */
	assert_int_equal(vip_set(vip, NULL, 0, &why), 0);
	assert_false(has_address("203.0.113.1"));
	vip_free(vip);
	vip_free(earlier);
}

static void a_device_that_is_down_is_raised(void **state)
{
	struct vip *vip = NULL;

	(void)state;
	assert_int_equal(netns_run("ip link set va down"), 0);
	assert_int_equal(vip_new(event, &vip), 0);
	assert_false(shows("ip link show dev va", ",UP"));
	assert_int_equal(vip_raise(vip, if_nametoindex("va")), 0);
	assert_true(shows("ip link show dev va", ",UP"));
	assert_int_equal(vip_raise(vip, if_nametoindex("va")), 0);
	assert_int_equal(vip_raise(vip, 987654), -ENODEV);
	vip_free(vip);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(addresses_come_with_their_tags_and_go),
		TEST(a_swap_keeps_the_routes),
		TEST(a_move_is_mended_once_and_known_to_be_done),
		TEST(the_operators_own_addresses_survive),
		TEST(an_address_that_exists_becomes_ours),
		TEST(a_links_address_that_was_there_before_stays_when_we_go),
		TEST(a_missing_device_is_named_and_the_rest_is_done),
		TEST(a_lease_is_renewed_and_what_somebody_removed_comes_back),
		TEST(a_loop_that_is_never_idle_renews_its_leases),
		TEST(a_killed_process_loses_its_addresses),
		TEST(a_process_that_was_stopped_does_not_take_its_leases_back),
		TEST(withdrawing_all_is_quick_and_leaves_the_standbys),
		TEST(what_an_earlier_life_left_is_withdrawn),
		TEST(a_device_that_is_down_is_raised),
	};

	netns_enter_or_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
