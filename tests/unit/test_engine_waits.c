/* SPDX-License-Identifier: Apache-2.0 */
/* No system call that waits for the kernel's RTNL lock stands in the loop of an engine that serves:
 * whoever makes one, it is the thread that is there for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine_world.h"
#include "failover/engine/health.h"
#include "failover/vpn/tun.h"
#include "netns.h"

struct nl_sock;

/* Calls that wait for the lock, in the loop and in the thread. */
static atomic_uint in_loop, in_thread;
static atomic_bool is_watching;
static pthread_t loop;
static char first[64], routes[1024];

static void note(const char *what)
{
	if (!is_watching)
		return;
	if (!pthread_equal(pthread_self(), loop))
		in_thread++;
	else if (in_loop++ == 0)
		(void)snprintf(first, sizeof(first), "%s", what);
}

/* ---- a lock that somebody holds ---- */

static atomic_bool is_joining_refused; /* so that it is tried each 2 s */
static _Atomic uint32_t hold_ms;       /* ... and whoever joins an IPv6 group waits for so long */
static atomic_uint n_held;

/* While the loop waits it is not in the mate's way. */
static void mate_says(void)
{
	uint8_t data[HELLO_SIZE_MAX];
	struct timespec ts;
	size_t size;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	world.mate.says.sent_realtime_ns =
		(uint64_t)ts.tv_sec * MONOTIME_NS_PER_SEC + (uint64_t)ts.tv_nsec;
	if (hello_seal(world.mate.codec, &world.mate.says, data, &size) == 0)
		(void)path_set_send(world.mate.paths, hello_codec_counter(world.mate.codec), data,
				    size);
}

static void hold(void)
{
	struct monotime until = monotime_add_ms(monotime_now(), hold_ms);

	if (hold_ms == 0 || pthread_equal(pthread_self(), loop))
		return;
	while (!monotime_reached(monotime_now(), until)) {
		mate_says();
		(void)poll(NULL, 0, 20);
	}
	n_held++;
}

int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size);

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	if (level == IPPROTO_IP && (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP))
		note("an IPv4 membership");
	if (level == IPPROTO_IPV6 && (name == IPV6_ADD_MEMBERSHIP || name == IPV6_DROP_MEMBERSHIP))
		note("an IPv6 membership");
	if (level == IPPROTO_IPV6 && name == IPV6_ADD_MEMBERSHIP && is_joining_refused) {
		hold();
		errno = ENODEV;
		return -1;
	}
	return __real_setsockopt(fd, level, name, value, size);
}

int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, void *argument);

int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
	if (request == SIOCGIFADDR)
		note("SIOCGIFADDR");
	return __real_ioctl(fd, request, argument);
}

ssize_t __real_mnl_socket_sendto(const struct mnl_socket *sock, const void *data, size_t size);
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *sock, const void *data, size_t size);

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *sock, const void *data, size_t size)
{
	uint16_t type = ((const struct nlmsghdr *)data)->nlmsg_type;

	if (type == RTM_GETLINK || type == RTM_GETADDR)
		note("a dump");
	return __real_mnl_socket_sendto(sock, data, size);
}

int __real_nl_sendto(struct nl_sock *sock, void *data, size_t size);
int __wrap_nl_sendto(struct nl_sock *sock, void *data, size_t size);

int __wrap_nl_sendto(struct nl_sock *sock, void *data, size_t size)
{
	note("rtnetlink");
	return __real_nl_sendto(sock, data, size);
}

static int setup(void **state)
{
	is_watching = false;
	in_loop = in_thread = n_held = 0;
	hold_ms = 0;
	is_joining_refused = false;
	first[0] = '\0';
	loop = pthread_self();
	(void)netns_run("ip link del va");
	assert_int_equal(netns_run("ip link add va type veth peer name vb"), 0);
	assert_int_equal(netns_run("ip link set va up"), 0);
	assert_int_equal(netns_run("ip link set vb up"), 0);
	return world_setup(state);
}

static int teardown(void **state)
{
	is_watching = false;
	return world_teardown(state);
}

static void be_active(void)
{
	engine_addresses_thread(world.engine);
	world_be_active("interface va\n nameif outside\n"
			" ip address 198.51.100.10 255.255.255.0 standby 198.51.100.11\n"
			" ipv6 address 2001:db8:100::10/64 standby 2001:db8:100::11\n");
	is_watching = true;
}

static void check(void)
{
	if (in_loop != 0)
		fail_msg("the loop waited %u times, first for %s", in_loop, first);
	assert_true(in_thread > 0);
}

static bool is_open(const char *device, bool wanted)
{
	struct path_statistics statistics;
	bool is_any = false;

	for (size_t i = 0; i < path_set_count(world.engine->pair.paths); i++) {
		path_set_statistics(world.engine->pair.paths, i, &statistics);
		if (strcmp(statistics.device, device) == 0 && statistics.is_open != wanted)
			return false;
		is_any = is_any || strcmp(statistics.device, device) == 0;
	}
	return is_any;
}

static void a_carrier_that_comes_back_is_not_waited_for(void **state)
{
	struct linkmon_link link;

	(void)state;
	be_active();
	assert_int_equal(netns_run("ip link set vb down"), 0);
	WAIT_FOR((linkmon_get(world.engine->addresses.linkmon, "va", &link), !link.has_carrier));
	assert_int_equal(netns_run("ip link set vb up"), 0);
	WAIT_FOR((linkmon_get(world.engine->addresses.linkmon, "va", &link), link.has_carrier));
	check();
}

static void nor_is_a_device_that_is_made_anew(void **state)
{
	(void)state;
	be_active();
	WAIT_FOR(is_open("va", true));
	assert_int_equal(netns_run("ip link del va"), 0);
	WAIT_FOR(is_open("va", false));
	assert_int_equal(netns_run("ip link add va type veth peer name vb"), 0);
	assert_int_equal(netns_run("ip link set vb up"), 0);
	assert_int_equal(netns_run("ip link set va up"), 0);
	WAIT_FOR(is_open("va", true));
	check();
}

static void nor_is_a_table_that_has_to_be_read_again(void **state)
{
	struct linkmon_link link = {0};
	char command[64];
	int fd = memfd_create("batch", 0);
	FILE *file = fdopen(fd, "w");

	(void)state;
	be_active();
	assert_non_null(file);
	for (unsigned i = 0; i < 4000; i++)
		(void)fputs("addr add 10.9.0.1/24 dev lo\naddr del 10.9.0.1/24 dev lo\n", file);
	(void)fflush(file);
	(void)snprintf(command, sizeof(command), "ip -force -batch /proc/%d/fd/%d", (int)getpid(),
		       fd);
	assert_int_equal(netns_run(command), 0);
	(void)fclose(file);
	/* What is told last is known when the table was read. */
	assert_int_equal(netns_run("ip link add vz type veth peer name vy"), 0);
	WAIT_FOR((linkmon_get(world.engine->addresses.linkmon, "vz", &link), link.is_present));
	assert_int_equal(netns_run("ip link del vz"), 0);
	check();
}

/* The hellos go on with other paths. */
static void nor_is_another_configuration(void **state)
{
	static const char lines[] = "interface vb\n nameif inside\n"
				    " ip address 192.0.2.1 255.255.255.0 standby 192.0.2.2\n";
	struct config_error error = {0};
	struct config *config;

	(void)state;
	be_active();
	assert_int_equal(config_copy(world.engine->config, &config), 0);
	assert_int_equal(config_apply_text(config, "test", lines, strlen(lines), &error), 0);
	engine_apply_config(world.engine, config);
	WAIT_FOR(is_open("vb", true));
	check();
}

/* A login where there are two fronts. */
static void nor_is_the_route_of_a_session(void **state)
{
	struct vpn_session session = {.owner = 2, .v4 = {.size = 4, .bytes = {10, 9, 8, 7}}};
	struct tun *tun = NULL;
	char name[16];
	struct why why;

	(void)state;
	engine_addresses_thread(world.engine);
	assert_int_equal(tun_new(&tun), 0);
	tun_wait_in(tun, world.engine->addresses.rtnl);
	for (unsigned i = 0; i < 2; i++) {
		int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

		if (fd < 0)
			skip();
		tun_add(tun, fd);
		assert_int_equal(tun_device(tun, i, name, &fd, &why), 0);
	}
	is_watching = true;
	tun_route(tun, &session);
	check();
	assert_int_equal(netns_capture("ip route show 10.9.8.7", routes, sizeof(routes)), 0);
	assert_non_null(strstr(routes, name));
	tun_free(tun);
}

/* ---- what was said meanwhile ---- */

static void be_standby(void)
{
	struct fo_mate_view *view = &world.mate.says.view;

	view->position = world.engine->fsm.position;
	view->term = world.engine->fsm.term;
	view->wants_active = true;
	WAIT_FOR(world.engine->fsm.state == FO_STATE_STANDBY_READY);
	view->state = FO_STATE_ACTIVE;
	view->is_serving = true;
	view->wants_active = false;
	view->term += 101;
	WAIT_FOR(world.engine->fsm.term == view->term);
}

/* A join that the lock holds up for longer than a holdtime; the mate's hellos lie in the socket. */
static void a_silence_that_is_this_unit_s_own_is_not_believed(void **state)
{
	uint64_t term;

	(void)state;
	is_joining_refused = true;
	engine_addresses_thread(world.engine);
	world_be_active("failover polltime unit msec 100 holdtime msec 500\n"
			"interface va\n nameif outside\n"
			" ip address 198.51.100.10 255.255.255.0 standby 198.51.100.11\n");
	be_standby();
	term = world.engine->fsm.term;
	hold_ms = 900;
	WAIT_FOR(n_held >= 2);
	hold_ms = 0;
	assert_int_equal(world.engine->fsm.state, FO_STATE_STANDBY_READY);
	assert_int_equal(world.engine->fsm.term, term);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_carrier_that_comes_back_is_not_waited_for),
		TEST(nor_is_a_device_that_is_made_anew),
		TEST(nor_is_a_table_that_has_to_be_read_again),
		TEST(nor_is_another_configuration),
		TEST(nor_is_the_route_of_a_session),
		TEST(a_silence_that_is_this_unit_s_own_is_not_believed),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
