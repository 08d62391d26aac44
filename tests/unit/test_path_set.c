/* SPDX-License-Identifier: Apache-2.0 */
/* The paths of hellos, over a veth pair between two network namespaces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failover/path.h"
#include "failover/path_key.h"
#include "net_pair.h"

#define HELLO_HEAD 32

struct inbox {
	unsigned count[2];
	char last[64];
	struct path_set *drains, *frees;
};

static void on_datagram(size_t index, const uint8_t *data, size_t size, void *userdata)
{
	struct inbox *inbox = userdata;

	inbox->count[index]++;
	assert_true(size >= HELLO_HEAD);
	(void)snprintf(inbox->last, sizeof(inbox->last), "%.*s", (int)(size - HELLO_HEAD),
		       (const char *)data + HELLO_HEAD);
	if (inbox->drains)
		path_set_drain(inbox->drains);
	if (inbox->frees)
		path_set_free(TAKE_PTR(inbox->frees));
}

static struct path_config interface_path(const char *device)
{
	struct path_config config = {.name = "outside", .family = AF_INET};

	(void)snprintf(config.device, sizeof(config.device), "%s", device);
	return config;
}

static struct path_config link_path(const char *device, const char *local, const char *remote)
{
	struct path_config config = interface_path(device);

	config.is_failover_link = true;
	(void)snprintf(config.name, sizeof(config.name), "fover");
	set_address(&config.local, local, HELLO_PORT);
	set_address(&config.remote, remote, HELLO_PORT);
	return config;
}

/* What the kernel's filter takes for a hello. */
static size_t send_text(struct path_set *set, const char *text)
{
	static uint64_t counter;
	uint8_t data[HELLO_HEAD + 64] = "AFHO";
	size_t size = strlen(text);

	memcpy(data + HELLO_HEAD, text, size);
	return path_set_send(set, ++counter, data, HELLO_HEAD + size);
}

static void hellos_cross_interfaces_that_have_no_address(void **state)
{
	struct path_config a = interface_path("va"), b = interface_path("vb");
	struct inbox inbox_a = {0}, inbox_b = {0};
	struct path_set *set_a = NULL, *set_b = NULL;
	struct path_statistics statistics;

	(void)state;
	assert_int_equal(netns_run("ip addr flush dev va"), 0);
	assert_int_equal(path_set_new(event, &a, 1, on_datagram, &inbox_a, &set_a), 0);
	go(there);
	assert_int_equal(netns_run("ip addr flush dev vb"), 0);
	assert_int_equal(path_set_new(event, &b, 1, on_datagram, &inbox_b, &set_b), 0);
	go(here);
	assert_int_equal(send_text(set_a, "hello"), 1);
	WAIT_FOR(inbox_b.count[0] > 0);
	assert_string_equal(inbox_b.last, "hello");
	assert_int_equal(inbox_a.count[0], 0); /* not our own */
	assert_int_equal(send_text(set_b, "hello yourself"), 1);
	path_set_drain(set_a);
	assert_string_equal(inbox_a.last, "hello yourself");
	path_set_statistics(set_a, 0, &statistics);
	assert_true(statistics.is_open);
	assert_int_equal(statistics.sent, 1);
	assert_true(statistics.datagrams >= 1);
	assert_string_equal(statistics.name, "outside");
	path_set_free(set_a);
	path_set_free(set_b);
}

static void hellos_cross_the_failover_link_when_it_has_its_addresses(void **state)
{
	struct path_config a = link_path("va", "203.0.113.1", "203.0.113.2");
	struct path_config b = link_path("vb", "203.0.113.2", "203.0.113.1");
	struct inbox inbox_a = {0}, inbox_b = {0};
	struct path_set *set_a = NULL, *set_b = NULL;

	(void)state;
	assert_int_equal(path_set_new(event, &a, 1, on_datagram, &inbox_a, &set_a), 0);
	assert_int_equal(send_text(set_a, "too early"), 0);
	assert_int_equal(netns_run("ip addr add 203.0.113.1/30 dev va"), 0);
	go(there);
	assert_int_equal(netns_run("ip addr add 203.0.113.2/30 dev vb"), 0);
	assert_int_equal(path_set_new(event, &b, 1, on_datagram, &inbox_b, &set_b), 0);
	go(here);
	assert_int_equal(send_text(set_a, "one"), 1);
	assert_int_equal(send_text(set_b, "two"), 1);
	WAIT_FOR(inbox_b.count[0] == 1 && inbox_a.count[0] == 1);
	assert_string_equal(inbox_b.last, "one");
	assert_string_equal(inbox_a.last, "two");
	path_set_free(set_a);
	path_set_free(set_b);
}

static void a_path_whose_device_is_made_anew_is_opened_again(void **state)
{
	struct path_config a[] = {interface_path("va"), interface_path("nowhere0")};
	struct path_config b = interface_path("vb");
	struct inbox inbox_a = {0}, inbox_b = {0};
	struct path_set *set_a = NULL, *set_b = NULL;
	struct path_statistics statistics;

	(void)state;
	assert_int_equal(path_set_new(event, a, 2, on_datagram, &inbox_a, &set_a), 0);
	assert_int_equal(path_set_count(set_a), 2);
	path_set_statistics(set_a, 1, &statistics);
	assert_false(statistics.is_open);
	assert_int_equal(statistics.last_error, -ENODEV);
	make_pair();
	go(there);
	assert_int_equal(path_set_new(event, &b, 1, on_datagram, &inbox_b, &set_b), 0);
	go(here);
	assert_int_equal(send_text(set_a, "lost"), 0);
	path_set_refresh(set_a);
	assert_int_equal(send_text(set_a, "found"), 1);
	WAIT_FOR(inbox_b.count[0] > 0);
	assert_string_equal(inbox_b.last, "found");
	path_set_free(set_a);
	path_set_free(set_b);
}

static void draining_and_freeing_inside_the_callback_are_safe(void **state)
{
	struct path_config a = interface_path("va"), b = interface_path("vb");
	struct inbox inbox_a = {0}, inbox_b = {0};
	struct path_set *set_a = NULL, *set_b = NULL;

	(void)state;
	assert_int_equal(path_set_new(event, &a, 1, on_datagram, &inbox_a, &set_a), 0);
	go(there);
	assert_int_equal(path_set_new(event, &b, 1, on_datagram, &inbox_b, &set_b), 0);
	go(here);
	for (int i = 0; i < 40; i++)
		assert_int_equal(send_text(set_a, "x"), 1);
	inbox_b.drains = set_b;
	path_set_drain(set_b);
	assert_true(inbox_b.count[0] >= 40);
	for (int i = 0; i < 40; i++)
		assert_int_equal(send_text(set_a, "y"), 1);
	inbox_b = (struct inbox){.frees = set_b};
	path_set_drain(set_b);
	assert_int_equal(inbox_b.count[0], 1);
	path_set_free(set_a);
}

/* The kernel's list of packet sockets in this namespace, as "how many, and the last one's inode".
 */
struct packet_sockets {
	unsigned n;
	unsigned long inode;
};

static struct packet_sockets packet_sockets(void)
{
	struct packet_sockets found = {0};
	FILE *file = fopen("/proc/thread-self/net/packet", "re");
	char line[256];

	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file)); /* the heads of the columns */
	while (fgets(line, sizeof(line), file)) {
		assert_int_equal(sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %lu", &found.inode),
				 1);
		found.n++;
	}
	(void)fclose(file);
	return found;
}

/* To close one stops the process for a grace period of the kernel. */
static void
paths_without_an_address_share_a_packet_socket_that_a_change_does_not_close(void **state)
{
	struct path_config paths[] = {interface_path("va"), interface_path("lo"),
				      interface_path("va")};
	struct packet_sockets before, after;
	struct inbox inbox = {0};
	struct path_set *set = NULL;
	struct path_statistics statistics;

	(void)state;
	(void)snprintf(paths[1].name, sizeof(paths[1].name), "inside");
	(void)snprintf(paths[2].name, sizeof(paths[2].name), "dmz");
	assert_int_equal(netns_run("ip addr flush dev lo"), 0);
	assert_int_equal(path_set_new(event, paths, 3, on_datagram, &inbox, &set), 0);
	before = packet_sockets();
	assert_int_equal(before.n, 1);
	assert_true(send_text(set, "before") > 0);
	assert_int_equal(path_set_follow(set, paths, 2, &set), 0);
	after = packet_sockets();
	assert_int_equal(after.n, 1);
	assert_int_equal(after.inode, before.inode);
	assert_true(send_text(set, "after") > 0);
	path_set_statistics(set, 0, &statistics);
	assert_int_equal(statistics.sent, 2);
	path_set_free(set);
	assert_int_equal(packet_sockets().n, 0);
	assert_int_equal(netns_run("ip addr add 127.0.0.1/8 dev lo"), 0);
}

static uint64_t boot = 1;

/* The mate tells of one of its paths. */
static void hear(struct path_set *set, size_t index, const struct path_config *about)
{
	static uint64_t counter;
	struct hello hello = {
		.boot = boot, .counter = ++counter, .is_newest = true, .n_reports = 1};

	hello.reports[0].path = path_key(about);
	path_set_heard(set, index, &hello);
}

static bool is_unknown(const struct path_set *set, size_t index)
{
	struct path_statistics statistics;

	path_set_statistics(set, index, &statistics);
	assert_int_equal(statistics.is_unknown_to_mate,
			 strstr(statistics.why, "compare failover interface ip") != NULL);
	return statistics.is_unknown_to_mate;
}

static void a_link_that_the_mate_tells_nothing_of_has_other_addresses_there(void **state)
{
	struct path_config paths[] = {link_path("va", "203.0.113.1", "203.0.113.2"),
				      interface_path("va")};
	struct inbox inbox = {0};
	struct path_set *set = NULL;

	(void)state;
	assert_int_equal(netns_run("ip addr add 203.0.113.1/30 dev va"), 0);
	assert_int_equal(path_set_new(event, paths, 2, on_datagram, &inbox, &set), 0);
	/* As many hellos as a mate with the most paths needs to tell of each. */
	for (int i = 0; i < HELLO_PATHS_MAX / HELLO_REPORTS_MAX; i++)
		hear(set, 1, &paths[1]);
	assert_false(is_unknown(set, 0));
	for (int i = 0; i < 2 * HELLO_PATHS_MAX / HELLO_REPORTS_MAX; i++)
		hear(set, 1, &paths[1]);
	assert_true(is_unknown(set, 0));
	assert_false(is_unknown(set, 1));
	hear(set, 1, &paths[0]);
	assert_false(is_unknown(set, 0));
	for (int i = 0; i < 4 * HELLO_PATHS_MAX / HELLO_REPORTS_MAX; i++)
		hear(set, 1, &paths[1]);
	assert_true(is_unknown(set, 0));
	/* Of a mate that was started anew nothing is known. */
	boot++;
	hear(set, 1, &paths[1]);
	assert_false(is_unknown(set, 0));
	path_set_free(set);
}

/* Who hears takes each text for the counter of a hello. */
struct hearer {
	struct path_set *set;
	unsigned count[2];
	uint64_t newest;
};

static void on_numbered(size_t index, const uint8_t *data, size_t size, void *userdata)
{
	struct hearer *hearer = userdata;
	struct hello hello = {.boot = 1};
	char text[16];

	(void)snprintf(text, sizeof(text), "%.*s", (int)(size - HELLO_HEAD),
		       (const char *)data + HELLO_HEAD);
	hello.counter = strtoull(text, NULL, 10);
	hello.is_newest = hello.counter > hearer->newest;
	hearer->newest = hello.is_newest ? hello.counter : hearer->newest;
	hearer->count[index]++;
	path_set_heard(hearer->set, index, &hello);
}

static void send_number(struct path_set *set, unsigned number)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", number);
	assert_true(send_text(set, text) > 0);
}

#define IN_STEP 20 /* more than it takes to be relied upon */

static void what_came_with_the_links_hello_wakes_nobody_by_itself(void **state)
{
	struct path_config a[] = {link_path("va", "203.0.113.1", "203.0.113.2"),
				  interface_path("va")};
	struct path_config b[] = {link_path("vb", "203.0.113.2", "203.0.113.1"),
				  interface_path("vb")};
	struct inbox inbox = {0};
	struct hearer hearer = {0};
	struct path_set *set_a = NULL, *alone = NULL;

	(void)state;
	assert_int_equal(netns_run("ip addr add 203.0.113.1/30 dev va"), 0);
	assert_int_equal(path_set_new(event, a, 2, on_datagram, &inbox, &set_a), 0);
	assert_int_equal(path_set_new(event, &a[1], 1, on_datagram, &inbox, &alone), 0);
	go(there);
	assert_int_equal(netns_run("ip addr add 203.0.113.2/30 dev vb"), 0);
	assert_int_equal(path_set_new(event, b, 2, on_numbered, &hearer, &hearer.set), 0);
	go(here);
	path_set_gather(set_a, true);
	path_set_gather(hearer.set, true);
	for (unsigned i = 1; i <= IN_STEP; i++) {
		send_number(set_a, i);
		WAIT_FOR(hearer.count[0] == i && hearer.count[1] == i);
	}
	/* Without the link's it waits, but is there before a timer is believed. */
	send_number(alone, IN_STEP + 1);
	assert_int_equal(sd_event_run(event, 20000), 0);
	assert_int_equal(hearer.count[1], IN_STEP);
	path_set_drain(hearer.set);
	assert_int_equal(hearer.count[1], IN_STEP + 1);
	/* The link fell behind: from now on each path wakes up whom it brings something. */
	send_number(alone, IN_STEP + 2);
	WAIT_FOR(hearer.count[1] == IN_STEP + 2);
	for (unsigned i = IN_STEP + 3; i <= 2 * IN_STEP + 3; i++) {
		send_number(set_a, i);
		WAIT_FOR(hearer.count[0] == i - 2 && hearer.count[1] == i);
	}
	/* So they do where what it brings without the link's is no newer hello, as of a mate that
	 * was started anew. */
	send_number(alone, 1);
	assert_int_equal(sd_event_run(event, 20000), 0);
	path_set_drain(hearer.set);
	assert_int_equal(hearer.count[1], 2 * IN_STEP + 4);
	send_number(alone, 1);
	WAIT_FOR(hearer.count[1] == 2 * IN_STEP + 5);
	/* And at short polltimes each does always. */
	for (unsigned i = 2 * IN_STEP + 4; i <= 3 * IN_STEP + 4; i++) {
		send_number(set_a, i);
		WAIT_FOR(hearer.count[0] == i - 2 && hearer.count[1] == i + 2);
	}
	path_set_gather(hearer.set, false);
	send_number(alone, 3 * IN_STEP + 5);
	WAIT_FOR(hearer.count[1] == 3 * IN_STEP + 7);
	path_set_free(set_a);
	path_set_free(alone);
	path_set_free(hearer.set);
}

struct reader {
	struct inbox inbox;
	struct path_set *set, *mate;
	unsigned n_read;
};

static void on_reader_datagram(size_t index, const uint8_t *data, size_t size, void *userdata)
{
	struct reader *reader = userdata;

	on_datagram(index, data, size, &reader->inbox);
}

/* What came meanwhile is there. */
static void on_read(void *userdata)
{
	struct reader *reader = userdata;

	if (reader->n_read++ > 0)
		return;
	assert_int_equal(reader->inbox.count[0], 1);
	(void)send_text(reader->mate, "more");
	path_set_drain(reader->set);
	assert_int_equal(reader->inbox.count[0], 2);
}

static void who_was_woken_for_a_hello_is_told_when_it_is_read_and_may_drain_then(void **state)
{
	struct path_config a = link_path("va", "203.0.113.1", "203.0.113.2");
	struct path_config b = link_path("vb", "203.0.113.2", "203.0.113.1");
	struct reader reader = {0};
	struct inbox inbox = {0};

	(void)state;
	assert_int_equal(netns_run("ip addr add 203.0.113.1/30 dev va"), 0);
	assert_int_equal(path_set_new(event, &a, 1, on_datagram, &inbox, &reader.mate), 0);
	go(there);
	assert_int_equal(netns_run("ip addr add 203.0.113.2/30 dev vb"), 0);
	assert_int_equal(path_set_new(event, &b, 1, on_reader_datagram, &reader, &reader.set), 0);
	go(here);
	path_set_watch(reader.set, NULL, on_read);
	assert_int_equal(send_text(reader.mate, "hello"), 1);
	WAIT_FOR(reader.n_read > 0);
	/* Not once more by the drain, which was nobody's wakeup. */
	assert_int_equal(reader.n_read, 1);
	assert_string_equal(reader.inbox.last, "more");
	path_set_free(reader.mate);
	path_set_free(reader.set);
}

static bool gets_through(struct path_set *from, struct path_set *to, const struct inbox *inbox)
{
	unsigned before = inbox->count[0];

	(void)send_text(from, "hello");
	path_set_drain(to);
	path_set_check(to, PATH_HOLD_MIN_MS);
	return inbox->count[0] > before;
}

/* A device whose MTU is too small for IPv6 loses all that it was a member of, and keeps its
 * link. */
static void a_path_whose_device_had_no_ipv6_for_a_while_hears_again(void **state)
{
	struct path_config a = interface_path("va"), b = interface_path("vb");
	struct inbox inbox_a = {0}, inbox_b = {0};
	struct path_set *set_a = NULL, *set_b = NULL;
	struct path_statistics statistics;

	(void)state;
	a.family = b.family = AF_INET6;
	assert_int_equal(path_set_new(event, &a, 1, on_datagram, &inbox_a, &set_a), 0);
	go(there);
	assert_int_equal(path_set_new(event, &b, 1, on_datagram, &inbox_b, &set_b), 0);
	WAIT_FOR(gets_through(set_a, set_b, &inbox_b));
	hear(set_b, 0, &b);
	assert_int_equal(netns_run("ip link set vb mtu 1200"), 0);
	assert_int_equal(netns_run("ip link set vb mtu 1500"), 0);
	WAIT_FOR((path_set_check(set_b, PATH_HOLD_MIN_MS),
		  path_set_statistics(set_b, 0, &statistics), statistics.state == PATH_STATE_LOST));
	WAIT_FOR(gets_through(set_a, set_b, &inbox_b));
	go(here);
	path_set_free(set_a);
	path_set_free(set_b);
}

/* The same to one that had heard nothing until then. */
static void a_path_that_lost_its_group_before_it_heard_anything_hears_all_the_same(void **state)
{
	struct path_config a = interface_path("va"), b = interface_path("vb");
	struct inbox inbox_a = {0}, inbox_b = {0};
	struct path_set *set_a = NULL, *set_b = NULL;

	(void)state;
	a.family = b.family = AF_INET6;
	assert_int_equal(path_set_new(event, &a, 1, on_datagram, &inbox_a, &set_a), 0);
	go(there);
	assert_int_equal(path_set_new(event, &b, 1, on_datagram, &inbox_b, &set_b), 0);
	assert_int_equal(netns_run("ip link set vb mtu 1200"), 0);
	assert_int_equal(netns_run("ip link set vb mtu 1500"), 0);
	WAIT_FOR(gets_through(set_a, set_b, &inbox_b));
	/* From now on an address says sooner that there is IPv6 again. */
	assert_int_equal(netns_run("ip link set vb mtu 1200"), 0);
	assert_int_equal(netns_run("ip link set vb mtu 1500"), 0);
	assert_false(gets_through(set_a, set_b, &inbox_b));
	path_set_look(set_b, "va", false, true);
	assert_false(gets_through(set_a, set_b, &inbox_b));
	path_set_look(set_b, "vb", false, false);
	assert_false(gets_through(set_a, set_b, &inbox_b));
	path_set_look(set_b, "vb", false, true);
	WAIT_FOR(gets_through(set_a, set_b, &inbox_b));
	go(here);
	path_set_free(set_a);
	path_set_free(set_b);
}

static void a_path_whose_device_has_no_ipv6_yet_is_opened_when_it_has(void **state)
{
	struct path_config a = interface_path("va");
	struct inbox inbox = {0};
	struct path_set *set = NULL;
	struct path_statistics statistics;

	(void)state;
	a.family = AF_INET6;
	assert_int_equal(netns_run("ip link set va mtu 1200"), 0);
	assert_int_equal(path_set_new(event, &a, 1, on_datagram, &inbox, &set), 0);
	path_set_statistics(set, 0, &statistics);
	assert_false(statistics.is_open);
	assert_int_equal(netns_run("ip link set va mtu 1500"), 0);
	WAIT_FOR((path_set_check(set, PATH_HOLD_MIN_MS), path_set_statistics(set, 0, &statistics),
		  statistics.is_open));
	path_set_free(set);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, net_pair_setup, net_pair_teardown)
	const struct CMUnitTest tests[] = {
		TEST(hellos_cross_interfaces_that_have_no_address),
		TEST(hellos_cross_the_failover_link_when_it_has_its_addresses),
		TEST(a_path_whose_device_is_made_anew_is_opened_again),
		TEST(draining_and_freeing_inside_the_callback_are_safe),
		TEST(a_path_whose_device_had_no_ipv6_for_a_while_hears_again),
		TEST(a_path_that_lost_its_group_before_it_heard_anything_hears_all_the_same),
		TEST(a_path_whose_device_has_no_ipv6_yet_is_opened_when_it_has),
		TEST(paths_without_an_address_share_a_packet_socket_that_a_change_does_not_close),
		TEST(a_link_that_the_mate_tells_nothing_of_has_other_addresses_there),
		TEST(what_came_with_the_links_hello_wakes_nobody_by_itself),
		TEST(who_was_woken_for_a_hello_is_told_when_it_is_read_and_may_drain_then),
	};

	net_pair_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
