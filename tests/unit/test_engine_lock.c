/* SPDX-License-Identifier: Apache-2.0 */
/* What an engine says and does while the kernel keeps it waiting, and of what the kernel refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine_world.h"
#include "failover/engine/health.h"
#include "failover/engine/lockwatch.h"
#include "failover/engine/service.h"
#include "failover/rtnl.h"
#include "netns.h"

struct nl_sock;

static bool is_without_threads;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*run)(void *userdata), void *userdata);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*run)(void *userdata), void *userdata);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*run)(void *userdata), void *userdata)
{
	return is_without_threads ? EAGAIN
				  : __real_pthread_create(thread, attributes, run, userdata);
}

/* The lock: whoever needs it waits here, but for this thread. */
static _Atomic uint64_t held_until_ns;
static pthread_t loop;

int __real_nl_sendto(struct nl_sock *sock, void *data, size_t size);
int __wrap_nl_sendto(struct nl_sock *sock, void *data, size_t size);

int __wrap_nl_sendto(struct nl_sock *sock, void *data, size_t size)
{
	while (!pthread_equal(pthread_self(), loop) && monotime_now().ns < held_until_ns)
		(void)poll(NULL, 0, 1);
	return __real_nl_sendto(sock, data, size);
}

/* ---- the log ---- */

static int log_fd, stderr_fd;

static int setup(void **state)
{
	is_without_threads = false;
	held_until_ns = 0;
	loop = pthread_self();
	log_fd = memfd_create("log", MFD_CLOEXEC);
	stderr_fd = dup(STDERR_FILENO);
	assert_true(log_fd >= 0 && stderr_fd >= 0);
	assert_true(dup2(log_fd, STDERR_FILENO) >= 0);
	(void)netns_run("ip link del va"); /* where a test did not do so */
	assert_int_equal(netns_run("ip link add va type veth peer name vb"), 0);
	assert_int_equal(netns_run("ip link set va up"), 0);
	assert_int_equal(netns_run("ip link set vb up"), 0);
	return world_setup(state);
}

static const char *read_log(void)
{
	static char log[1024 * 1024];
	ssize_t size = pread(log_fd, log, sizeof(log) - 1, 0);

	log[size > 0 ? size : 0] = '\0';
	return log;
}

/* How many lines of the log have TEXT in them. */
static unsigned count_lines(const char *text)
{
	const char *log = read_log();
	unsigned n = 0;

	for (const char *at = strstr(log, text); at; at = strstr(at + 1, text))
		n++;
	return n;
}

static int teardown(void **state)
{
	int r = world.event ? world_teardown(state) : 0;

	assert_true(dup2(stderr_fd, STDERR_FILENO) >= 0);
	(void)fputs(read_log(), stderr);
	(void)close(stderr_fd);
	(void)close(log_fd);
	return r;
}

/* ---- the lock ---- */

/* Whoever holds it, for so long. */
static int do_hold(void *userdata)
{
	const uint64_t *ms = userdata;
	struct monotime until = monotime_add_ms(monotime_now(), *ms);

	while (!monotime_reached(monotime_now(), until))
		(void)poll(NULL, 0, 1);
	return 0;
}

static unsigned count_beats(void)
{
	unsigned n = 0;
	uint8_t byte[64];

	while (recv(world.supervisor_fd, byte, sizeof(byte), MSG_DONTWAIT | MSG_TRUNC) > 0)
		n++;
	return n;
}

static void who_waits_for_the_lock_tells_the_supervisor_that_it_lives(void **state)
{
	static uint64_t ms = 3 * CHILD_BEAT_MS + 100;

	(void)state;
	world_start("");
	engine_addresses_thread(world.engine);
	(void)count_beats();
	assert_int_equal(rtnl_do(world.engine->addresses.rtnl, do_hold, &ms), 0);
	assert_in_range(count_beats(), 3, 5);
	assert_int_equal(count_lines("the kernel has kept this unit waiting for 2 s: somebody "
				     "holds its RTNL lock"),
			 1);
	WAIT_FOR(count_lines("the kernel's RTNL lock was given back") == 1);
}

/* A front that reports is not read meanwhile. */
static void who_waits_does_not_take_it_for_the_silence_of_a_front(void **state)
{
	static uint64_t ms = 4000;
	Asafo__Ipc__FrontReport report = ASAFO__IPC__FRONT_REPORT__INIT;
	struct service *service;

	(void)state;
	world_be_active("interface va\n nameif outside\n"
			" ip address 198.51.100.10 255.255.255.0\n"
			"webvpn\n enable outside\n");
	engine_addresses_thread(world.engine);
	service = engine_health_service(world.engine->health);
	service_attached(service, 0);
	service_reported(service, 0, &report);
	assert_null(service_trouble(service, world.engine));
	assert_int_equal(rtnl_do(world.engine->addresses.rtnl, do_hold, &ms), 0);
	assert_null(service_trouble(service, world.engine));
	service->fronts[0].at.ns -= ms * MONOTIME_NS_PER_MS;
	assert_non_null(service_trouble(service, world.engine));
}

static void a_lock_that_is_not_given_back_is_a_trouble(void **state)
{
	struct why why;

	(void)state;
	engine_addresses_thread(world.engine);
	world_be_active("interface va\n nameif outside\n"
			" ip address 198.51.100.10 255.255.255.0\n");
	assert_false(lockwatch_trouble(world.engine, &why));
	held_until_ns = monotime_add_ms(monotime_now(), 60000).ns;
	WAIT_FOR(lockwatch_trouble(world.engine, &why));
	assert_non_null(strstr(why.text, "`ps -eo "));
	assert_int_equal(why.text[strlen(why.text) - 1], '`');
	WAIT_FOR(count_lines("the kernel has kept this unit waiting") == 1);
	assert_int_equal(count_lines("was given back"), 0);
	held_until_ns = 0;
	WAIT_FOR(count_lines("was given back") == 1);
	assert_false(lockwatch_trouble(world.engine, &why));
	assert_int_equal(count_lines("the kernel has kept this unit waiting"), 1);
	assert_int_equal(world.engine->fsm.state, FO_STATE_ACTIVE);
}

/* What is done, and not looked at for long, is no wait. */
static void a_renewal_that_nobody_asked_after_is_no_trouble(void **state)
{
	static uint64_t ms = 2200;
	struct rtnl *rtnl = world.engine->addresses.rtnl;
	struct pollfd done;
	struct why why;

	(void)state;
	engine_addresses_thread(world.engine);
	assert_false(rtnl_begin(rtnl, do_hold, &ms));
	done = (struct pollfd){.fd = rtnl_fd(rtnl), .events = POLLIN};
	assert_int_equal(poll(&done, 1, WAIT_MS), 1);
	assert_false(lockwatch_trouble(world.engine, &why));
}

static void an_engine_without_a_thread_serves_and_says_so(void **state)
{
	size_t n;

	(void)state;
	is_without_threads = true;
	engine_addresses_thread(world.engine);
	assert_int_equal(count_lines("no thread can wait for the kernel in the engine's place ("),
			 1);
	world_be_active("interface va\n nameif outside\n"
			" ip address 198.51.100.10 255.255.255.0\n");
	(void)vip_current(world.engine->addresses.vip, &n);
	assert_true(n >= 1);
}

/* As when the loop fails: no call of this asks what is gone already. */
static void an_engine_that_ends_while_the_lock_is_held_breathes_to_the_end(void **state)
{
	static uint64_t ms = 300;
	struct engine *engine = world.engine;

	world_be_active("interface va\n nameif outside\n"
			" ip address 198.51.100.10 255.255.255.0\n");
	engine_addresses_thread(engine);
	engine->fsm.params.hold_ms = 15000;
	assert_false(rtnl_begin(engine->addresses.rtnl, do_hold, &ms));
	engine->alive_at.ns -= 5000 * MONOTIME_NS_PER_MS;
	engine->fsm.timers.said.ns -= 5000 * MONOTIME_NS_PER_MS;
	assert_int_equal(world_teardown(state), 0);
	world.event = NULL;
}

/* ---- what the kernel refuses ---- */

#define SET_AGAIN "addresses: all of this unit's are set again"

static void disable_ipv6(bool is_disabled)
{
	assert_int_equal(
		netns_sysctl("/proc/sys/net/ipv6/conf/va/disable_ipv6", is_disabled ? "1" : "0"),
		0);
}

static void be_active_with_ipv6(void)
{
	world_be_active("failover polltime unit msec 100 holdtime msec 500\n"
			"interface va\n nameif outside\n"
			" ip address 198.51.100.10 255.255.255.0\n"
			" ipv6 address 2001:db8:100::10/64 standby 2001:db8:100::11\n");
	disable_ipv6(true);
	WAIT_FOR(count_lines("addresses: cannot set 2001:db8:100::10/64") == 1);
}

static void an_address_that_is_set_again_is_said(void **state)
{
	(void)state;
	be_active_with_ipv6();
	disable_ipv6(false);
	WAIT_FOR(count_lines(SET_AGAIN) == 1);
}

static void an_address_whose_device_went_is_not_said_to_be_set_again(void **state)
{
	struct why why;

	(void)state;
	be_active_with_ipv6();
	assert_int_equal(netns_run("ip link del va"), 0);
	WAIT_FOR(!engine_address_trouble(world.engine, &why));
	WAIT_FOR(world.engine->addresses.refusals.logged[0] == '\0');
	assert_int_equal(count_lines(SET_AGAIN), 0);
}

static void another_address_that_is_refused_is_said_too(void **state)
{
	struct config_error error = {0};
	struct config *config;
	static const char lines[] = "interface va\n ipv6 address 2001:db8:100::30/64 secondary\n";

	(void)state;
	be_active_with_ipv6();
	assert_int_equal(config_copy(world.engine->config, &config), 0);
	assert_int_equal(config_apply_text(config, "test", lines, strlen(lines), &error), 0);
	engine_apply_config(world.engine, config);
	WAIT_FOR(count_lines("nor can 1 more addresses be") == 1);
	assert_int_equal(count_lines(SET_AGAIN), 0);
}

/* It goes on and off more often than the log's pace has room for. */
static void what_the_pace_held_back_is_said_as_it_is_then(void **state)
{
	struct engine_refusals *refusals = &world.engine->addresses.refusals;
	struct why why;

	(void)state;
	be_active_with_ipv6();
	refusals->pace = (struct pace){.since = monotime_now(), .n_said = PACE_LINES};
	disable_ipv6(false);
	WAIT_FOR(!engine_address_trouble(world.engine, &why));
	for (unsigned i = 0; i < 50; i++)
		engine_addresses_tick(world.engine);
	assert_int_equal(count_lines(SET_AGAIN), 0);
	refusals->pace.since.ns -= PACE_MS * MONOTIME_NS_PER_MS;
	WAIT_FOR(count_lines(SET_AGAIN) == 1);
	assert_int_equal(count_lines("more before it"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(who_waits_for_the_lock_tells_the_supervisor_that_it_lives),
		TEST(who_waits_does_not_take_it_for_the_silence_of_a_front),
		TEST(a_lock_that_is_not_given_back_is_a_trouble),
		TEST(a_renewal_that_nobody_asked_after_is_no_trouble),
		TEST(an_engine_without_a_thread_serves_and_says_so),
		TEST(an_engine_that_ends_while_the_lock_is_held_breathes_to_the_end),
		TEST(an_address_that_is_set_again_is_said),
		TEST(an_address_whose_device_went_is_not_said_to_be_set_again),
		TEST(another_address_that_is_refused_is_said_too),
		TEST(what_the_pace_held_back_is_said_as_it_is_then),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
