/* SPDX-License-Identifier: Apache-2.0 */
/* Announcements, the link monitor and the failover link, over a veth pair between two network
 * namespaces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/monotime.h"
#include "failover/announce.h"
#include "failover/link.h"
#include "failover/linkmon.h"
#include "net_pair.h"
#include "vip_address.h"

struct seen {
	int fd;
	unsigned arps, advertisements;
	uint8_t arp[ETH_FRAME_LEN], advertisement[ETH_FRAME_LEN];
};

static int sniff(void)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int size = 8 * 1024 * 1024;
	int fd;

	go(there);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	at.sll_ifindex = (int)if_nametoindex("vb");
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	go(here);
	return fd;
}

/* Counts what came; an advertisement of the kernel's own has another source address. */
static void look(struct seen *seen)
{
	uint8_t frame[ETH_FRAME_LEN];
	ssize_t n;

	while ((n = recv(seen->fd, frame, sizeof(frame), MSG_DONTWAIT)) > 0) {
		if (frame[12] == 8 && frame[13] == 6) {
			seen->arps++;
			memcpy(seen->arp, frame, (size_t)n);
		} else if (frame[12] == 0x86 && n >= 86 && frame[20] == 58 && frame[54] == 136 &&
			   frame[22] == 0x20) {
			seen->advertisements++;
			memcpy(seen->advertisement, frame, (size_t)n);
		}
	}
}

/* One's complement sum of pseudo-header and message, checksum included, is 0xffff (RFC 4443
 * section 2.3). */
static unsigned checksum_of(const uint8_t *frame)
{
	uint32_t sum = 32 + 58;

	for (size_t i = 22; i < 86; i += 2)
		sum += (uint32_t)frame[i] << 8 | frame[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void an_announcement_is_out_at_once_and_repeated(void **state)
{
	struct vip_address addresses[] = {vip_address_of("va", "198.51.100.10", 0, true),
					  vip_address_of("va", "2001:db8:100::10", 0, true),
					  vip_address_of("nowhere0", "192.0.2.1", 0, true)};
	struct announcer *announcer = NULL;
	struct seen seen = {.fd = sniff()};
	struct monotime begin;
	static const uint8_t everyone[6] = {255, 255, 255, 255, 255, 255};
	static const uint8_t all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};

	(void)state;
	assert_int_equal(announcer_new(event, &announcer), 0);
	begin = monotime_now();
	assert_int_equal(announcer_start(announcer, addresses, 3), 2);
	look(&seen);
	assert_int_equal(seen.arps, 1);
	assert_int_equal(seen.advertisements, 1);
	assert_memory_equal(seen.arp, everyone, 6);
	assert_memory_equal(seen.arp + 14, "\0\1\x08\0\x06\x04\0\1", 8);
	assert_memory_equal(seen.arp + 22, seen.arp + 6, 6); /* its own MAC */
	assert_memory_equal(seen.arp + 28, addresses[0].address.bytes, 4);
	assert_memory_equal(seen.arp + 38, addresses[0].address.bytes, 4);
	assert_memory_equal(seen.advertisement, all_nodes, 6);
	assert_int_equal(seen.advertisement[21], 255);
	assert_int_equal(seen.advertisement[58] & 0x20, 0x20); /* override */
	assert_int_equal(seen.advertisement[58] & 0x40, 0);    /* not solicited */
	assert_memory_equal(seen.advertisement + 62, addresses[1].address.bytes, 16);
	assert_memory_equal(seen.advertisement + 80, seen.arp + 6, 6);
	assert_int_equal(checksum_of(seen.advertisement), 0xffff);
	WAIT_FOR((look(&seen), seen.arps) == 5 && seen.advertisements == 5);
	assert_true(monotime_since(monotime_now(), begin) >= 3000 * MONOTIME_NS_PER_MS);
	announcer_free(announcer);
	(void)close(seen.fd);
}

static void a_series_that_is_stopped_says_no_more(void **state)
{
	struct vip_address addresses[] = {vip_address_of("va", "198.51.100.10", 0, true)};
	struct announcer *announcer = NULL;
	struct seen seen = {.fd = sniff()};
	struct monotime until = monotime_add_ms(monotime_now(), 400);

	(void)state;
	assert_int_equal(announcer_new(event, &announcer), 0);
	assert_int_equal(announcer_start(announcer, addresses, 1), 1);
	announcer_stop(announcer);
	while (!monotime_reached(monotime_now(), until))
		assert_true(sd_event_run(event, 20000) >= 0);
	look(&seen);
	assert_int_equal(seen.arps, 1);
	announcer_free(announcer);
	(void)close(seen.fd);
}

static void five_hundred_addresses_are_announced_before_it_returns(void **state)
{
	struct vip_address addresses[500];
	struct announcer *announcer = NULL;
	struct seen seen = {.fd = sniff()};
	struct monotime begin;
	char text[32];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
		(void)snprintf(text, sizeof(text), "10.1.%u.%u", i / 250, 1 + i % 250);
		addresses[i] = vip_address_of("va", text, 0, true);
	}
	assert_int_equal(announcer_new(event, &announcer), 0);
	begin = monotime_now();
	assert_int_equal(announcer_start(announcer, addresses, 500), 500);
	print_message("# 500 addresses announced in %.2f ms\n",
		      (double)monotime_since(monotime_now(), begin) / 1e6);
	look(&seen);
	assert_int_equal(seen.arps, 500);
	announcer_free(announcer);
	(void)close(seen.fd);
}

struct told {
	unsigned links, added, removed;
	struct linkmon_link last;
};

static void on_link(const struct linkmon_link *link, void *userdata)
{
	struct told *told = userdata;

	if (strcmp(link->device, "va") != 0 && strcmp(link->device, "vz") != 0)
		return;
	told->links++;
	told->last = *link;
}

static void on_address(const struct linkmon_address *address, void *userdata)
{
	struct told *told = userdata;

	if (strcmp(address->device, "va") != 0)
		return;
	told->added += address->is_new;
	told->removed += address->is_gone;
}

static const struct linkmon_ops linkmon_ops = {on_link, on_address};

static void links_and_addresses_are_told(void **state)
{
	struct linkmon *linkmon = NULL;
	struct linkmon_link link;
	struct told told = {0};

	(void)state;
	assert_int_equal(linkmon_new(event, &linkmon_ops, &told, &linkmon), 0);
	linkmon_get(linkmon, "va", &link);
	assert_true(link.is_present && link.is_admin_up);
	assert_int_equal(link.index, if_nametoindex("va"));
	assert_true(link.mac[0] || link.mac[1] || link.mac[5]);
	linkmon_get(linkmon, "nowhere0", &link);
	assert_false(link.is_present);
	WAIT_FOR((linkmon_get(linkmon, "va", &link), link.has_carrier));
	/* The cable is pulled at the other end. */
	go(there);
	assert_int_equal(netns_run("ip link set vb down"), 0);
	go(here);
	WAIT_FOR(told.links > 0 && told.last.is_admin_up && !told.last.has_carrier);
	go(there);
	assert_int_equal(netns_run("ip link set vb up"), 0);
	go(here);
	WAIT_FOR(told.last.has_carrier);
	assert_int_equal(netns_run("ip addr add 192.0.2.1/24 dev va"), 0);
	WAIT_FOR(told.added > 0);
	assert_int_equal(netns_run("ip addr del 192.0.2.1/24 dev va"), 0);
	WAIT_FOR(told.removed > 0);
	assert_int_equal(netns_run("ip link set va down"), 0);
	WAIT_FOR(!told.last.is_admin_up);
	assert_true(told.last.was_up); /* so it is down by somebody's will */
	linkmon_free(linkmon);
	assert_int_equal(linkmon_new(event, &linkmon_ops, &told, &linkmon), 0);
	linkmon_get(linkmon, "va", &link);
	assert_false(link.was_up);
	assert_int_equal(netns_run("ip link set va name vz"), 0);
	WAIT_FOR(strcmp(told.last.device, "vz") == 0 && told.last.is_present);
	linkmon_get(linkmon, "va", &link);
	assert_false(link.is_present);
	assert_int_equal(netns_run("ip link del vz"), 0);
	WAIT_FOR(!told.last.is_present);
	linkmon_free(linkmon);
}

static void a_monitor_that_was_overrun_asks_again(void **state)
{
	struct linkmon *linkmon = NULL;
	struct linkmon_link link;
	struct told told = {0};
	char batch[64];
	FILE *file;
	int fd;

	(void)state;
	assert_int_equal(linkmon_new(event, &linkmon_ops, &told, &linkmon), 0);
	/* More events than its buffer holds while the loop stands still; the last of them count. */
	fd = memfd_create("batch", 0);
	file = fdopen(fd, "w");
	for (unsigned round = 0; round < 30; round++)
		for (unsigned i = 1; i <= 250; i++)
			(void)fprintf(file, "addr %s 10.9.0.%u/24 dev va\n",
				      round % 2 ? "del" : "add", round % 2 ? 251 - i : i);
	(void)fprintf(file, "addr add 192.0.2.7/24 dev va\nlink set va down\n");
	(void)fflush(file);
	(void)snprintf(batch, sizeof(batch), "ip -force -batch /proc/%d/fd/%d", (int)getpid(), fd);
	assert_int_equal(netns_run(batch), 0);
	(void)fclose(file);
	WAIT_FOR(told.links > 0 && !told.last.is_admin_up);
	assert_true(told.added >= told.removed);
	linkmon_get(linkmon, "va", &link);
	assert_true(link.is_present && !link.is_admin_up);
	linkmon_free(linkmon);
}

/* More events than a monitor's buffer holds, before its loop turns. */
static void overrun(const char *device)
{
	int fd = memfd_create("batch", 0);
	FILE *file = fdopen(fd, "w");
	char batch[64];

	assert_non_null(file);
	for (unsigned round = 0; round < 30; round++)
		for (unsigned i = 1; i <= 250; i++)
			(void)fprintf(file, "addr %s 10.9.0.%u/24 dev %s\n",
				      round % 2 ? "del" : "add", round % 2 ? 251 - i : i, device);
	(void)fflush(file);
	(void)snprintf(batch, sizeof(batch), "ip -force -batch /proc/%d/fd/%d", (int)getpid(), fd);
	assert_int_equal(netns_run(batch), 0);
	(void)fclose(file);
}

/* What somebody does while the monitor reads: on the way to WAIT more events. */
struct meddler {
	unsigned wait;
	const char *command;
	unsigned gone; /* devices that are said to be */
};

static void meddle(struct meddler *meddler)
{
	if (meddler->wait > 0 && --meddler->wait == 0)
		assert_int_equal(netns_run(meddler->command), 0);
}

static void on_link_meddle(const struct linkmon_link *link, void *userdata)
{
	struct meddler *meddler = userdata;

	meddler->gone += !link->is_present && strncmp(link->device, "extra", 5) != 0;
	meddle(meddler);
}

static void on_address_meddle(const struct linkmon_address *address, void *userdata)
{
	(void)address;
	meddle(userdata);
}

static void on_address_ignore(const struct linkmon_address *address, void *userdata)
{
	(void)address;
	(void)userdata;
}

static const struct linkmon_ops meddled_ops = {on_link_meddle, on_address_meddle};
static const struct linkmon_ops meddled_links_ops = {on_link_meddle, on_address_ignore};

/* The buffer is full, and so the kernel drops more without another word: whatever is done at which
 * of the events that are read from it, is known in the end. */
static void what_happens_while_an_overrun_is_made_good_is_not_lost(void **state)
{
	(void)state;
	for (unsigned wait = 100; wait <= 1900; wait += 600) {
		struct meddler meddler = {.wait = wait, .command = "ip link set va down"};
		struct linkmon *linkmon = NULL;
		struct linkmon_link link;

		assert_int_equal(netns_run("ip link set va up"), 0);
		assert_int_equal(linkmon_new(event, &meddled_ops, &meddler, &linkmon), 0);
		overrun("lo");
		WAIT_FOR((linkmon_get(linkmon, "va", &link), true) && sd_event_run(event, 0) == 0);
		if (meddler.wait > 0) /* there were not as many to be read */
			assert_int_equal(netns_run("ip link set va down"), 0);
		WAIT_FOR((linkmon_get(linkmon, "va", &link), link.is_present && !link.is_admin_up));
		linkmon_free(linkmon);
	}
}

#define CROWD 40u /* and as many peers */

static void make_crowd(const char *word)
{
	int fd = memfd_create("batch", 0);
	FILE *file = fdopen(fd, "w");
	char batch[64];

	assert_non_null(file);
	for (unsigned i = 0; i < CROWD; i++)
		(void)fprintf(file, "link %s crowd%u type veth\n", word, i);
	(void)fflush(file);
	(void)snprintf(batch, sizeof(batch), "ip -force -batch /proc/%d/fd/%d", (int)getpid(), fd);
	assert_int_equal(netns_run(batch), 0);
	(void)fclose(file);
}

/* Its answer has several parts; a device that comes between two of them ends it, and the next one
 * is refused as long as that was not read to its end. */
static void a_dump_that_is_overtaken_takes_no_device_for_gone(void **state)
{
	struct meddler meddler = {.wait = 3,
				  .command = "ip link add extra0 type veth peer name extra1"};
	struct linkmon *linkmon = NULL;
	struct linkmon_link link;

	(void)state;
	assert_int_equal(linkmon_new(event, &meddled_links_ops, &meddler, &linkmon), 0);
	overrun("lo");
	make_crowd("add"); /* all of them are news to the dump, the meddler strikes at the third */
	WAIT_FOR((linkmon_get(linkmon, "extra0", &link), link.is_present));
	assert_int_equal(meddler.gone, 0);
	linkmon_get(linkmon, "va", &link);
	assert_true(link.is_present);
	WAIT_FOR((linkmon_get(linkmon, "crowd39", &link), link.is_present));
	linkmon_free(linkmon);
	assert_int_equal(netns_run("ip link del extra0"), 0);
	make_crowd("del");
}

struct tie {
	struct link *link;
	unsigned ups, downs;
	char why[WHY_TEXT_MAX];
};

static void on_up(struct link *link, void *userdata)
{
	struct tie *tie = userdata;

	(void)link;
	tie->ups++;
}

static void on_down(struct link *link, int code, const char *why, void *userdata)
{
	struct tie *tie = userdata;

	(void)link;
	(void)code;
	tie->downs++;
	(void)snprintf(tie->why, sizeof(tie->why), "%s", why);
}

static void on_message(struct link *link, const Asafo__Wire__Link *message, void *userdata)
{
	(void)link;
	(void)message;
	(void)userdata;
}

static void on_writable(struct link *link, void *userdata)
{
	(void)link;
	(void)userdata;
}

static const struct link_ops link_ops = {on_up, on_down, on_message, on_writable};

static struct link_config tie_config(bool is_listener)
{
	struct link_config config = {.is_listener = is_listener,
				     .unit = is_listener ? 1 : 2,
				     .psk_identity = "asafo-link"};

	set_address(&config.ways[0].local, is_listener ? "203.0.113.1" : "203.0.113.2", LINK_PORT);
	set_address(&config.ways[0].remote, is_listener ? "203.0.113.2" : "203.0.113.1", LINK_PORT);
	config.n_ways = 1;
	(void)snprintf(config.ways[0].device, sizeof(config.ways[0].device),
		       is_listener ? "va" : "vb");
	return config;
}

static void a_mate_without_power_is_noticed_and_the_device_may_come_anew(void **state)
{
	struct link_config config = tie_config(true);
	struct tie a = {0}, b = {0};
	struct monotime pulled;

	(void)state;
	assert_int_equal(link_new(event, &config, &link_ops, &a, &a.link), 0);
	WAIT_FOR(a.downs == 1); /* bound before it has its address */
	assert_non_null(strstr(a.why, "203.0.113.2"));
	assert_int_equal(netns_run("ip addr add 203.0.113.1/30 dev va"), 0);
	go(there);
	assert_int_equal(netns_run("ip addr add 203.0.113.2/30 dev vb"), 0);
	config = tie_config(false);
	assert_int_equal(link_new(event, &config, &link_ops, &b, &b.link), 0);
	WAIT_FOR(a.ups == 1 && b.ups == 1);
	assert_int_equal(netns_run("ip link set vb down"), 0);
	go(here);
	pulled = monotime_now();
	WAIT_FOR(!link_is_up(a.link));
	print_message("# noticed after %.0f ms: %s\n",
		      (double)monotime_since(monotime_now(), pulled) / 1e6, a.why);
	assert_true(monotime_since(monotime_now(), pulled) < 5 * MONOTIME_NS_PER_SEC);
	link_free(b.link);
	make_pair();
	assert_int_equal(netns_run("ip addr add 203.0.113.1/30 dev va"), 0);
	link_retry(a.link);
	assert_true(sd_event_run(event, 0) >= 0);
	go(there);
	assert_int_equal(netns_run("ip addr add 203.0.113.2/30 dev vb"), 0);
	b = (struct tie){0};
	assert_int_equal(link_new(event, &config, &link_ops, &b, &b.link), 0);
	assert_true(sd_event_run(event, 0) >= 0);
	go(here);
	WAIT_FOR(a.ups == 2 && b.ups == 1);
	link_free(a.link);
	link_free(b.link);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, net_pair_setup, net_pair_teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_announcement_is_out_at_once_and_repeated),
		TEST(a_series_that_is_stopped_says_no_more),
		TEST(five_hundred_addresses_are_announced_before_it_returns),
		TEST(links_and_addresses_are_told),
		TEST(a_monitor_that_was_overrun_asks_again),
		TEST(what_happens_while_an_overrun_is_made_good_is_not_lost),
		TEST(a_dump_that_is_overtaken_takes_no_device_for_gone),
		TEST(a_mate_without_power_is_noticed_and_the_device_may_come_anew),
	};

	net_pair_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
