/* SPDX-License-Identifier: Apache-2.0 */
/* No system call that waits for the kernel's RTNL lock stands in the loop of an engine that serves:
 * whoever makes one, it is the thread that is there for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
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

int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size);

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	if (level == IPPROTO_IP && (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP))
		note("an IPv4 membership");
	if (level == IPPROTO_IPV6 && (name == IPV6_ADD_MEMBERSHIP || name == IPV6_DROP_MEMBERSHIP))
		note("an IPv6 membership");
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
	in_loop = in_thread = 0;
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
	for (struct linkmon_link link = {0}; !link.is_present;) {
		assert_true(sd_event_run(world.event, 20000) >= 0);
		linkmon_get(world.engine->addresses.linkmon, "vz", &link);
	}
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_carrier_that_comes_back_is_not_waited_for),
		TEST(nor_is_a_device_that_is_made_anew),
		TEST(nor_is_a_table_that_has_to_be_read_again),
		TEST(nor_is_another_configuration),
		TEST(nor_is_the_route_of_a_session),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
