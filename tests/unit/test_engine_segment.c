/* SPDX-License-Identifier: Apache-2.0 */
/* What an active engine says on a segment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine_world.h"
#include "netns.h"

#define CLAIMS 300
#define CLAIMS_AT_ONCE 20 /* what a receive buffer holds in any case */

static const uint8_t claimed[4] = {198, 51, 100, 10};

/* The other end of the cable; hears all ARP that comes through it. */
static int open_segment(void)
{
	struct sockaddr_ll local = {.sll_family = AF_PACKET,
				    .sll_protocol = htons(ETH_P_ARP),
				    .sll_ifindex = (int)if_nametoindex("vb")};
	int size = 4 * 1024 * 1024;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&local, sizeof(local)), 0);
	return fd;
}

static void mac_of(unsigned claim, uint8_t ret_mac[static 6])
{
	memcpy(ret_mac, (uint8_t[6]){2, 0, 0, 0, (uint8_t)(claim >> 8), (uint8_t)claim}, 6);
}

/* "It is at MAC", to everybody. */
static void send_claim(int segment, const uint8_t *mac)
{
	static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, ARPOP_REPLY};
	uint8_t frame[60] = {0};

	memset(frame, 0xff, 6);
	memcpy(frame + 6, mac, 6);
	frame[12] = 8;
	frame[13] = 6;
	memcpy(frame + 14, head, sizeof(head));
	memcpy(frame + 22, mac, 6);
	memcpy(frame + 28, claimed, sizeof(claimed));
	memset(frame + 32, 0xff, 6);
	memcpy(frame + 38, claimed, sizeof(claimed));
	assert_int_equal(send(segment, frame, sizeof(frame), 0), (ssize_t)sizeof(frame));
}

/* Announcements of the address that came from the engine's end. */
static unsigned count_announcements(int segment)
{
	uint8_t frame[128];
	unsigned n = 0;
	ssize_t size;

	while ((size = recv(segment, frame, sizeof(frame), MSG_DONTWAIT)) > 0)
		n += size >= 42 && memcmp(frame + 28, claimed, sizeof(claimed)) == 0 &&
		     frame[22] != 2;
	return n;
}

/* "Who has it?", asked by nobody: RFC 5227's probe. */
static bool was_asked(int segment)
{
	static const uint8_t nobody[4] = {0};
	uint8_t frame[128];
	ssize_t size;
	bool found = false;

	while ((size = recv(segment, frame, sizeof(frame), MSG_DONTWAIT)) > 0)
		found = found ||
			(size >= 42 && frame[21] == ARPOP_REQUEST &&
			 memcmp(frame + 28, nobody, sizeof(nobody)) == 0 &&
			 memcmp(frame + 38, claimed, sizeof(claimed)) == 0 && frame[22] != 2);
	return found;
}

static struct collision *remembered(const uint8_t *mac)
{
	struct collisions *collisions = &world.engine->collisions;

	for (size_t i = 0; i < collisions->n; i++)
		if (memcmp(collisions->items[i].mac, mac, 6) == 0)
			return &collisions->items[i];
	return NULL;
}

static bool is_remembered(const uint8_t *mac)
{
	return remembered(mac) != NULL;
}

/* An active engine with the address; nothing of the series that it begins with is heard. */
static int be_active_on_the_segment(void)
{
	/* None of the engine's own begins like those of the claims. */
	assert_int_equal(netns_run("ip link set va address 52:54:00:00:00:01 up"), 0);
	assert_int_equal(netns_run("ip link set vb up"), 0);
	world_be_active("interface va\n nameif outside\n"
			" ip address 198.51.100.10 255.255.255.0\n");
	announcer_stop(world.engine->addresses.announcer);
	/* Long after it became active. */
	world.engine->collisions.moved = (struct monotime){0};
	return open_segment();
}

static bool is_known(const char *device)
{
	struct linkmon_link link;

	linkmon_get(world.engine->addresses.linkmon, device, &link);
	return link.is_present && link.has_carrier;
}

static void a_device_of_somebody_else_is_no_reason_to_announce(void **state)
{
	_cleanup_close_ int segment = -1;

	(void)state;
	segment = be_active_on_the_segment();
	assert_int_equal(netns_run("ip link add other0 type veth peer name other1"), 0);
	assert_int_equal(netns_run("ip link set other0 up"), 0);
	assert_int_equal(netns_run("ip link set other1 up"), 0);
	WAIT_FOR(is_known("other0"));
	assert_int_equal(netns_run("ip link del other0"), 0);
	WAIT_FOR(!is_known("other0"));
	assert_int_equal(count_announcements(segment), 0);
	/* Its own is. */
	assert_int_equal(netns_run("ip link set va down"), 0);
	assert_int_equal(netns_run("ip link set va up"), 0);
	WAIT_FOR(count_announcements(segment) > 0);
}

static void a_flood_of_claims_is_answered_once_and_logged_a_few_times(void **state)
{
	_cleanup_close_ int segment = -1;
	unsigned logged = 0;
	uint8_t mac[6];

	(void)state;
	segment = be_active_on_the_segment();
	for (unsigned claim = 0; claim < CLAIMS; claim++) {
		mac_of(claim, mac);
		send_claim(segment, mac);
		if (claim % CLAIMS_AT_ONCE == CLAIMS_AT_ONCE - 1)
			WAIT_FOR(is_remembered(mac));
	}
	assert_int_equal(world.engine->collisions.n, COLLISIONS_MAX);
	assert_int_equal(count_announcements(segment), 1);
	/* Whoever was remembered later has the place, and the line, of one of the first. */
	for (size_t i = 0; i < COLLISIONS_MAX; i++)
		logged += world.engine->collisions.items[i].logged.ns ==
			  world.engine->collisions.items[i].seen.ns;
	assert_int_equal(logged, 0);
}

/* A host that took the address while nobody listened, and has said nothing since. */
static void who_else_has_an_address_is_asked_again_and_again(void **state)
{
	_cleanup_close_ int segment = -1;
	uint8_t mac[6];

	(void)state;
	segment = be_active_on_the_segment();
	mac_of(7, mac);
	for (unsigned round = 0; round < 2; round++) {
		/* Its turn is the first of a round; the rest of the round is not waited for. */
		world.engine->collisions.asked = 0;
		(void)sd_event_source_set_time_relative(world.engine->collisions.ask, 0);
		WAIT_FOR(was_asked(segment));
	}
	send_claim(segment, mac);
	WAIT_FOR(is_remembered(mac));
}

static bool is_shown(const uint8_t *mac)
{
	const struct collision *item;
	struct why why;

	for (size_t i = 0; (item = collision_get(world.engine, i, &why)); i++)
		if (memcmp(item->mac, mac, 6) == 0)
			return true;
	return false;
}

/* Said again until it is heard while the mate is, too. */
static bool is_claimed_beside_the_mate(int segment, const uint8_t *mac)
{
	const struct collision *item = remembered(mac);

	if (item && !item->may_be_mate)
		return true;
	send_claim(segment, mac);
	return false;
}

static void a_third_host_stays_in_sight_when_the_roles_change(void **state)
{
	_cleanup_close_ int segment = -1;
	uint8_t early[6], late[6];

	(void)state;
	segment = be_active_on_the_segment();
	mac_of(1, early);
	mac_of(2, late);
	WAIT_FOR(is_claimed_beside_the_mate(segment, early));
	remembered(early)->first.ns -= 30 * MONOTIME_NS_PER_SEC;
	send_claim(segment, late);
	WAIT_FOR(is_remembered(late));
	assert_true(is_shown(early) && is_shown(late));
	remembered(late)->first = monotime_now();
	/* Who came just before may be the mate that takes over. */
	collision_moved(world.engine);
	assert_true(is_shown(early));
	assert_false(is_shown(late));
	world.engine->collisions.moved = (struct monotime){0};
	send_claim(segment, late);
	WAIT_FOR(is_shown(late));
}

/* It was apart, and served as well; who is not the mate is seen again. */
static void a_claim_that_may_be_the_mate_s_is_forgotten_with_its_next_change(void **state)
{
	_cleanup_close_ int segment = -1;
	uint8_t mac[6];

	(void)state;
	segment = be_active_on_the_segment();
	world.mate.is_silent = true;
	WAIT_FOR(!engine_hears_mate(world.engine));
	world.engine->collisions.moved = (struct monotime){0};
	mac_of(3, mac);
	send_claim(segment, mac);
	WAIT_FOR(is_remembered(mac));
	remembered(mac)->first.ns -= 30 * MONOTIME_NS_PER_SEC;
	assert_true(is_shown(mac));
	collision_moved(world.engine);
	assert_false(is_shown(mac));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_flood_of_claims_is_answered_once_and_logged_a_few_times, world_setup,
			world_teardown),
		cmocka_unit_test_setup_teardown(who_else_has_an_address_is_asked_again_and_again,
						world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(a_third_host_stays_in_sight_when_the_roles_change,
						world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
			a_claim_that_may_be_the_mate_s_is_forgotten_with_its_next_change,
			world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(a_device_of_somebody_else_is_no_reason_to_announce,
						world_setup, world_teardown),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
