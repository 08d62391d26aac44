/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor of links where the kernel's words are lost, late, or refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "failover/linkmon.h"
#include "net_pair.h"

/* In place of libmnl's: each request is refused where the test says so. */
static int refusal;
static unsigned refused;

ssize_t mnl_socket_sendto(const struct mnl_socket *sock, const void *data, size_t size)
{
	refused += refusal != 0;
	if (refusal == 0)
		return send(mnl_socket_get_fd(sock), data, size, 0);
	errno = refusal;
	return -1;
}

struct told {
	unsigned here, gone, addresses_gone;
	struct linkmon_link last;
};

static void on_link(const struct linkmon_link *link, void *userdata)
{
	struct told *told = userdata;

	if (strcmp(link->device, "va") != 0)
		return;
	told->here += link->is_present;
	told->gone += !link->is_present;
	told->last = *link;
}

static void on_address(const struct linkmon_address *address, void *userdata)
{
	struct told *told = userdata;

	told->addresses_gone += address->is_gone && strcmp(address->device, "va") == 0 &&
				address->family == AF_INET;
}

static const struct linkmon_ops ops = {on_link, on_address};

/* Runs COMMANDS, a line each. */
static void batch(const char *commands, unsigned times)
{
	char command[64];
	int fd = memfd_create("batch", 0);
	FILE *file = fdopen(fd, "w");

	assert_non_null(file);
	while (times-- > 0)
		(void)fputs(commands, file);
	(void)fflush(file);
	(void)snprintf(command, sizeof(command), "ip -force -batch /proc/%d/fd/%d", (int)getpid(),
		       fd);
	assert_int_equal(netns_run(command), 0);
	(void)fclose(file);
}

static void make_anew(void)
{
	assert_int_equal(netns_run("ip link del va"), 0);
	assert_int_equal(netns_run("ip link add va type veth peer name vq"), 0);
	assert_int_equal(netns_run("ip link set va up"), 0);
}

static void is_the_new_one(const struct linkmon *linkmon, const struct told *told)
{
	struct linkmon_link link;

	linkmon_get(linkmon, "va", &link);
	assert_true(link.is_present && link.is_admin_up);
	assert_int_equal(link.index, if_nametoindex("va"));
	assert_true(told->last.is_present);
	assert_int_equal(told->last.index, link.index);
	assert_true(told->gone > 0);
}

static void a_device_made_anew_is_told_as_the_new_one(void **state)
{
	struct linkmon *linkmon = NULL;
	struct told told = {0};
	unsigned before = if_nametoindex("va");

	(void)state;
	assert_int_equal(netns_run("ip addr add 192.0.2.1/24 dev va"), 0);
	assert_int_equal(linkmon_new(event, &ops, &told, &linkmon), 0);
	make_anew();
	assert_int_not_equal(if_nametoindex("va"), before);
	WAIT_FOR(told.last.index == if_nametoindex("va") && told.last.is_admin_up);
	is_the_new_one(linkmon, &told);
	assert_int_equal(told.addresses_gone, 1);
	linkmon_free(linkmon);
}

static void it_is_known_which_device_has_an_ipv4_address(void **state)
{
	struct told told = {0};
	struct linkmon *linkmon = NULL;
	unsigned va = if_nametoindex("va"), vb = if_nametoindex("vb");

	(void)state;
	assert_int_equal(netns_run("ip addr add 2001:db8::1/64 dev va"), 0);
	assert_int_equal(linkmon_new(event, &ops, &told, &linkmon), 0);
	assert_false(linkmon_has_ipv4(linkmon, va));
	assert_int_equal(netns_run("ip addr add 192.0.2.1/24 dev va"), 0);
	WAIT_FOR(linkmon_has_ipv4(linkmon, va));
	assert_false(linkmon_has_ipv4(linkmon, vb));
	assert_int_equal(netns_run("ip addr del 192.0.2.1/24 dev va"), 0);
	WAIT_FOR(!linkmon_has_ipv4(linkmon, va));
	linkmon_free(linkmon);
}

/* Then the dump names the new one before the sweep finds that the old one is gone. */
static void a_device_made_anew_while_events_are_lost_is_told_as_the_new_one(void **state)
{
	struct linkmon *linkmon = NULL;
	struct told told = {0};

	(void)state;
	assert_int_equal(netns_run("ip addr add 192.0.2.1/24 dev va"), 0);
	assert_int_equal(linkmon_new(event, &ops, &told, &linkmon), 0);
	batch("addr add 10.9.0.1/24 dev lo\naddr del 10.9.0.1/24 dev lo\n", 4000);
	make_anew();
	WAIT_FOR(told.last.index == if_nametoindex("va"));
	WAIT_FOR(sd_event_run(event, 0) == 0);
	is_the_new_one(linkmon, &told);
	assert_int_equal(told.addresses_gone, 1);
	linkmon_free(linkmon);
}

static void a_name_that_devices_hand_on_is_the_latest_ones(void **state)
{
	struct linkmon *linkmon = NULL;
	struct told told = {0};

	(void)state;
	assert_int_equal(linkmon_new(event, &ops, &told, &linkmon), 0);
	assert_int_equal(netns_run("ip link add va0 type veth peer name vq"), 0);
	batch("link set va name vold\nlink set va0 name va\nlink set va up\n", 1);
	WAIT_FOR(told.last.is_present && told.last.index == if_nametoindex("va"));
	is_the_new_one(linkmon, &told);
	batch("link set va name vnew\nlink set vold name va\n", 1);
	WAIT_FOR(told.last.is_present && told.last.index == if_nametoindex("va"));
	linkmon_free(linkmon);
	assert_int_equal(netns_run("ip link del vnew"), 0);
}

/* Then the dump names the one that has the name now before the one that had it. */
static void a_name_that_goes_back_while_events_are_lost_is_the_latest_ones(void **state)
{
	struct linkmon *linkmon = NULL;
	struct told told = {0};

	(void)state;
	assert_int_equal(netns_run("ip link add va0 type veth peer name vq"), 0);
	batch("link set va down\nlink set va name vlow\nlink set va0 name va\n", 1);
	assert_true(if_nametoindex("vlow") < if_nametoindex("va"));
	assert_int_equal(linkmon_new(event, &ops, &told, &linkmon), 0);
	batch("addr add 10.9.0.1/24 dev lo\naddr del 10.9.0.1/24 dev lo\n", 4000);
	batch("link set va name vnew\nlink set vlow name va\nlink set va up\n", 1);
	WAIT_FOR(told.last.index == if_nametoindex("va"));
	WAIT_FOR(sd_event_run(event, 0) == 0);
	is_the_new_one(linkmon, &told);
	linkmon_free(linkmon);
	assert_int_equal(netns_run("ip link del vnew"), 0);
}

static void tables_that_cannot_be_read_are_said_until_they_can(void **state)
{
	struct linkmon *linkmon = NULL;
	struct linkmon_link link;
	struct told told = {0};

	(void)state;
	assert_int_equal(linkmon_new(event, &ops, &told, &linkmon), 0);
	assert_int_equal(linkmon_failure(linkmon), 0);
	refusal = EPERM;
	batch("addr add 10.9.0.1/24 dev lo\naddr del 10.9.0.1/24 dev lo\n", 4000);
	assert_int_equal(netns_run("ip link set va down"), 0);
	WAIT_FOR(refused > 0);
	assert_int_equal(linkmon_failure(linkmon), 0); /* it may be a moment's matter */
	WAIT_FOR(linkmon_failure(linkmon) == -EPERM);
	refusal = 0;
	WAIT_FOR(linkmon_failure(linkmon) == 0);
	linkmon_get(linkmon, "va", &link);
	assert_true(link.is_present && !link.is_admin_up);
	linkmon_free(linkmon);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, net_pair_setup, net_pair_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_device_made_anew_is_told_as_the_new_one),
		TEST(it_is_known_which_device_has_an_ipv4_address),
		TEST(a_device_made_anew_while_events_are_lost_is_told_as_the_new_one),
		TEST(a_name_that_devices_hand_on_is_the_latest_ones),
		TEST(a_name_that_goes_back_while_events_are_lost_is_the_latest_ones),
		TEST(tables_that_cannot_be_read_are_said_until_they_can),
	};

	net_pair_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
