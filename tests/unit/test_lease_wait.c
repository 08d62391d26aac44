/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of leases while somebody else has the kernel's lock, and while this process is
 * stopped. The lock is a gate here, in front of the system call that waits for it, so that nobody
 * else on the machine has to. The kernel has the real one, and so takes away what is not renewed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/monotime.h"
#include "failover/linkmon.h"
#include "failover/rtnl.h"
#include "failover/vip.h"
#include "netns.h"
#include "tagged.h"
#include "vip_address.h"
#include "wait.h"

#define HELD_MS 1500u /* longer than a lease */
#define FEW 40u	      /* more than are sent at once */
#define MANY 64u      /* so many are renewed in a ring */
#define PART 16u

struct world {
	sd_event *event;
	struct vip *vip;
	struct linkmon *linkmon;
	struct rtnl *rtnl;
	unsigned n_breaths, went, came;
	uint64_t stop_ms; /* so long the next breath takes */
};

/* Of the thread that waits for the kernel. */
static _Atomic uint64_t gate_opens_at_ns;
static atomic_uint n_sent, n_requests; /* behind the gate */
static atomic_bool is_failing;
static pthread_t loop;

int __real_nl_sendto(struct nl_sock *sock, void *data, size_t size);
int __wrap_nl_sendto(struct nl_sock *sock, void *data, size_t size);

int __wrap_nl_sendto(struct nl_sock *sock, void *data, size_t size)
{
	struct nlmsghdr *header = data;

	while (!pthread_equal(pthread_self(), loop) && monotime_now().ns < gate_opens_at_ns)
		(void)poll(NULL, 0, 1);
	if (is_failing)
		return -NLE_NOMEM;
	n_sent++;
	for (int left = (int)size; nlmsg_ok(header, left); header = nlmsg_next(header, &left))
		n_requests++;
	return __real_nl_sendto(sock, data, size);
}

static void close_gate(uint64_t ms)
{
	gate_opens_at_ns = monotime_add_ms(monotime_now(), ms).ns;
}

static void stop(uint64_t ms)
{
	struct monotime until = monotime_add_ms(monotime_now(), ms);

	while (!monotime_reached(monotime_now(), until))
		(void)poll(NULL, 0, 10);
}

static void on_breath(void *userdata)
{
	struct world *world = userdata;
	uint64_t ms = world->stop_ms;

	world->n_breaths++;
	world->stop_ms = 0;
	stop(ms);
}

static void on_link(const struct linkmon_link *link, void *userdata)
{
	(void)link;
	(void)userdata;
}

static void on_address(const struct linkmon_address *address, void *userdata)
{
	struct world *world = userdata;

	world->went += address->is_gone && strcmp(address->device, "va") == 0;
	world->came += address->is_new && strcmp(address->device, "va") == 0;
	vip_take_news(world->vip, address);
}

static int setup(void **state)
{
	static const struct linkmon_ops ops = {on_link, on_address};
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	*state = world;
	loop = pthread_self();
	gate_opens_at_ns = 0;
	assert_int_equal(netns_run("ip link del va"), 0);
	assert_int_equal(netns_run("ip link add va type veth peer name vb"), 0);
	assert_int_equal(netns_run("ip link set va addrgenmode none up"), 0);
	assert_int_equal(netns_run("ip link set vb up"), 0);
	assert_int_equal(sd_event_new(&world->event), 0);
	assert_int_equal(vip_new(world->event, &world->vip), 0);
	assert_int_equal(rtnl_new(on_breath, world, &world->rtnl), 0);
	assert_int_equal(rtnl_start(world->rtnl), 0);
	vip_set_rtnl(world->vip, world->rtnl);
	assert_int_equal(linkmon_new(world->event, &ops, world, &world->linkmon), 0);
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	gate_opens_at_ns = 0;
	is_failing = false;
	vip_free(world->vip);
	linkmon_free(world->linkmon);
	rtnl_free(world->rtnl);
	sd_event_unref(world->event);
	free(world);
	return 0;
}

static size_t count_active(void)
{
	return count_tagged(VIP_PROTOCOL);
}

/* The first N, half of them of each family, or all IPv4. */
static void set_active(struct world *world, unsigned n, bool is_mixed)
{
	struct vip_address wanted[MANY];
	char text[INET6_ADDRSTRLEN];
	struct why why;

	assert_true(n <= MANY);
	for (unsigned i = 0; i < n; i++) {
		bool is_v6 = is_mixed && i % 2;

		(void)snprintf(text, sizeof(text), is_v6 ? "2001:db8:100::%x" : "198.51.100.%u",
			       i + 1);
		wanted[i] = vip_address_of("va", text, is_v6 ? 64 : 24, true);
	}
	assert_int_equal(vip_set(world->vip, wanted, n, &why), 0);
}

static void run_for(struct world *world, uint64_t ms)
{
	struct monotime until = monotime_add_ms(monotime_now(), ms);

	while (!monotime_reached(monotime_now(), until))
		assert_true(sd_event_run(world->event, 20000) >= 0);
}

/* ---- waiting ---- */

/* A reclaim, as on each event of a link. Whether the kernel took the addresses away meanwhile is
 * its affair; it is not this unit that gives them up. */
static void who_sets_its_addresses_and_waits_long_does_not_give_them_up(void **state)
{
	struct world *world = *state;

	set_active(world, 2, true);
	close_gate(HELD_MS);
	set_active(world, 2, true);
	assert_true(world->n_breaths > HELD_MS / 100);
	run_for(world, 600);
	assert_false(vip_has_lapsed(world->vip));
	assert_int_equal(count_active(), 2);
}

static void nor_does_who_waits_for_something_else(void **state)
{
	struct world *world = *state;

	set_active(world, 2, true);
	close_gate(HELD_MS);
	assert_int_equal(vip_raise(world->vip, if_nametoindex("va")), 0);
	assert_false(vip_has_lapsed(world->vip));
	run_for(world, 600);
	assert_false(vip_has_lapsed(world->vip));
	WAIT_ON(world->event, count_active() == 2);
	assert_false(vip_has_lapsed(world->vip));
}

static void nor_does_who_goes_on_while_a_renewal_waits(void **state)
{
	struct world *world = *state;

	set_active(world, 2, true);
	close_gate(HELD_MS);
	run_for(world, HELD_MS + 600);
	assert_false(vip_has_lapsed(world->vip));
	assert_int_equal(count_active(), 2);
}

static void who_was_stopped_while_it_waited_gives_them_up(void **state)
{
	struct world *world = *state;

	set_active(world, 2, true);
	close_gate(HELD_MS);
	world->stop_ms = HELD_MS;
	assert_int_equal(vip_raise(world->vip, if_nametoindex("va")), 0);
	WAIT_ON(world->event, vip_has_lapsed(world->vip));
	assert_int_equal(count_active(), 0);
}

/* ---- a renewal that is out ---- */

/* The gate is closed, and the first part of a renewal stands before it. */
static void have_one_out(struct world *world)
{
	close_gate(60000);
	WAIT_ON(world->event, rtnl_is_busy(world->rtnl));
}

static void wait_until_done(struct world *world)
{
	struct monotime until = monotime_add_ms(monotime_now(), WAIT_MS);

	while (rtnl_is_busy(world->rtnl)) {
		assert_false(monotime_reached(monotime_now(), until));
		(void)poll(NULL, 0, 1);
	}
}

static void what_was_handed_over_before_a_stop_is_not_carried_out_after_it(void **state)
{
	struct world *world = *state;

	set_active(world, FEW, true);
	have_one_out(world);
	stop(HELD_MS);
	n_sent = 0;
	gate_opens_at_ns = 0;
	wait_until_done(world);
	/* The part that was in the kernel's hands. */
	assert_int_equal(n_sent, 1);
	assert_in_range(count_active(), 1, PART);
	WAIT_ON(world->event, vip_has_lapsed(world->vip));
	assert_int_equal(count_active(), 0);
}

static void nor_does_a_breath_after_the_stop_have_it_carried_out(void **state)
{
	struct world *world = *state;

	set_active(world, FEW, true);
	have_one_out(world);
	world->stop_ms = HELD_MS;
	n_sent = n_requests = 0;
	close_gate(HELD_MS + 1000);
	assert_int_equal(vip_raise(world->vip, if_nametoindex("va")), 0);
	assert_true(world->n_breaths > 1);
	assert_int_equal(n_requests, PART + 1);
}

static void what_waits_is_carried_out_whole_where_nobody_was_stopped(void **state)
{
	struct world *world = *state;

	set_active(world, FEW, true);
	have_one_out(world);
	run_for(world, HELD_MS);
	n_requests = 0;
	gate_opens_at_ns = 0;
	wait_until_done(world);
	assert_int_equal(n_requests, FEW);
	assert_false(vip_has_lapsed(world->vip));
}

static uint64_t repair_behind_a_renewal(struct world *world)
{
	struct monotime opened;

	have_one_out(world);
	world->went = world->came = world->n_breaths = 0;
	assert_int_equal(netns_run("ip addr del 198.51.100.1/24 dev va"), 0);
	WAIT_ON(world->event, world->went == 1);
	run_for(world, 20);
	assert_int_equal(world->n_breaths, 0);
	assert_int_equal(world->came, 0);
	gate_opens_at_ns = 0;
	opened = monotime_now();
	WAIT_ON(world->event, world->came == 1);
	return monotime_since(monotime_now(), opened);
}

/* Nor for a timer, up to a third of a second away: on a crowded machine at least once. */
static void nobody_waits_because_of_a_repair(void **state)
{
	struct world *world = *state;
	uint64_t shortest = UINT64_MAX;

	set_active(world, 2, true);
	WAIT_ON(world->event, world->came == 2);
	for (unsigned i = 0; i < 6; i++) {
		uint64_t took = repair_behind_a_renewal(world);

		shortest = took < shortest ? took : shortest;
	}
	print_message("# back after %.2f ms at best\n", (double)shortest / 1e6);
	assert_true(shortest < 20 * MONOTIME_NS_PER_MS);
	assert_int_equal(count_active(), 2);
}

static void many_that_waited_are_renewed_together(void **state)
{
	struct world *world = *state;
	unsigned before;

	set_active(world, MANY, false);
	run_for(world, 300);
	have_one_out(world);
	run_for(world, 600);
	gate_opens_at_ns = 0;
	wait_until_done(world);
	before = n_requests;
	WAIT_ON(world->event, n_requests > before);
	wait_until_done(world);
	assert_in_range(n_requests - before, MANY, 2 * MANY);
}

/* Each time, so that they run out: somebody has to hear of it. */
static void leases_that_cannot_be_sent_are_refused(void **state)
{
	struct world *world = *state;
	struct why why = {0};

	set_active(world, 2, true);
	assert_int_equal(vip_refused(world->vip, &why), 0);
	is_failing = true;
	WAIT_ON(world->event, vip_refused(world->vip, &why) == 2);
	assert_non_null(strstr(why.text, "cannot set 198.51.100.1/24 on va: "));
	is_failing = false;
	WAIT_ON(world->event, vip_refused(world->vip, &why) == 0 && count_active() == 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(who_sets_its_addresses_and_waits_long_does_not_give_them_up),
		TEST(nor_does_who_waits_for_something_else),
		TEST(nor_does_who_goes_on_while_a_renewal_waits),
		TEST(who_was_stopped_while_it_waited_gives_them_up),
		TEST(what_was_handed_over_before_a_stop_is_not_carried_out_after_it),
		TEST(nor_does_a_breath_after_the_stop_have_it_carried_out),
		TEST(what_waits_is_carried_out_whole_where_nobody_was_stopped),
		TEST(nobody_waits_because_of_a_repair),
		TEST(many_that_waited_are_renewed_together),
		TEST(leases_that_cannot_be_sent_are_refused),
	};

	netns_enter_or_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
