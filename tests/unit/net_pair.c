/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <net/if.h>

#include "net_pair.h"

sd_event *event;
int here, there;
static pid_t holder;

void go(int namespace)
{
	assert_int_equal(setns(namespace, CLONE_NEWNET), 0);
}

void make_pair(void)
{
	char move[64];

	go(here);
	if (if_nametoindex("va") > 0)
		assert_int_equal(netns_run("ip link del va"), 0);
	assert_int_equal(netns_run("ip link add va type veth peer name vb"), 0);
	(void)snprintf(move, sizeof(move), "ip link set vb netns %d", (int)holder);
	assert_int_equal(netns_run(move), 0);
	go(there);
	assert_int_equal(netns_run("ip link set vb up"), 0);
	go(here);
	assert_int_equal(netns_run("ip link set va up"), 0);
}

void set_address(struct sockaddr_storage *address, const char *text, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
	memcpy(address, &in, sizeof(in));
}

int net_pair_setup(void **state)
{
	(void)state;
	make_pair();
	return sd_event_new(&event);
}

int net_pair_teardown(void **state)
{
	(void)state;
	go(here);
	event = sd_event_unref(event);
	return 0;
}

void net_pair_enter(void)
{
	netns_enter_or_skip();
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	holder = netns_hold(&there);
	assert_true(holder > 0);
}
