/* SPDX-License-Identifier: Apache-2.0 */
/* A unit that was paused, and its fronts with it: what they did not say meanwhile is no silence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "engine_world.h"
#include "failover/engine/health.h"
#include "failover/engine/schedule.h"
#include "failover/engine/service.h"
#include "netns.h"

#define PAUSE_MS                                                                                   \
	10000u /* shorter than the holdtime of these tests, longer than fronts are silent */
#define HOLD_MS 15000u

static struct monotime ago(uint64_t ms)
{
	return (struct monotime){monotime_now().ns - ms * MONOTIME_NS_PER_MS};
}

/* As if it had been PAUSE_MS earlier. */
static void pass(struct monotime *time)
{
	time->ns -= PAUSE_MS * MONOTIME_NS_PER_MS;
}

/* ---- service_stood_still ---- */

static struct service service;

static int judged_setup(void **state)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	assert_non_null(engine);
	assert_int_equal(config_new(&engine->config), 0);
	engine->config->webvpn.n_enabled = 1;
	engine->fsm.state = FO_STATE_STANDBY_READY;
	service = (struct service){0};
	*state = engine;
	return 0;
}

static int judged_teardown(void **state)
{
	struct engine *engine = *state;

	config_free(engine->config);
	free(engine);
	return 0;
}

static void a_pause_is_no_silence_of_the_fronts(void **state)
{
	const Asafo__Ipc__FrontReport report = ASAFO__IPC__FRONT_REPORT__INIT;

	service_attached(&service, 0);
	service_reported(&service, 0, &report);
	service_attached(&service, 1);
	service.fronts[0].at = service.fronts[1].at = ago(PAUSE_MS + 1000);
	assert_non_null(service_trouble(&service, *state));
	service_stood_still(&service, PAUSE_MS * MONOTIME_NS_PER_MS);
	assert_null(service_trouble(&service, *state));
}

static void a_silence_from_before_the_pause_counts(void **state)
{
	const Asafo__Ipc__FrontReport report = ASAFO__IPC__FRONT_REPORT__INIT;

	service_attached(&service, 0);
	service_reported(&service, 0, &report);
	service.fronts[0].at = ago(PAUSE_MS + 4000);
	service_stood_still(&service, PAUSE_MS * MONOTIME_NS_PER_MS);
	assert_non_null(service_trouble(&service, *state));
}

static void a_pause_is_no_time_without_a_front(void **state)
{
	service.gone_at = ago(PAUSE_MS + 1000);
	assert_non_null(service_trouble(&service, *state));
	service_stood_still(&service, PAUSE_MS * MONOTIME_NS_PER_MS);
	assert_null(service_trouble(&service, *state));
}

/* Its front had no certificate half a second after this unit became ready; then all were paused,
 * and the report came that was under way. */
static void a_pause_is_no_time_in_which_a_front_settles(void **state)
{
	Asafo__Ipc__FrontReport report = ASAFO__IPC__FRONT_REPORT__INIT;
	char why[] = "there is no certificate";

	report.self_test_code = ERR_NOT_FOUND;
	report.self_test_why = why;
	service.judged_since = ago(PAUSE_MS + 500);
	service_attached(&service, 0);
	service_reported(&service, 0, &report);
	assert_non_null(service_trouble(&service, *state));
	service_stood_still(&service, PAUSE_MS * MONOTIME_NS_PER_MS);
	assert_null(service_trouble(&service, *state));
	service.judged_since = ago(2500);
	assert_string_equal(service_trouble(&service, *state), why);
}

static void nothing_that_did_not_happen_happens_by_a_pause(void **state)
{
	service_stood_still(&service, PAUSE_MS * MONOTIME_NS_PER_MS);
	assert_int_equal(service.gone_at.ns, 0);
	assert_int_equal(service.judged_since.ns, 0);
	/* What was said after the pause was not said in the future. */
	service.gone_at = ago(1);
	service_stood_still(&service, PAUSE_MS * MONOTIME_NS_PER_MS);
	assert_true(service.gone_at.ns <= monotime_now().ns);
	(void)state;
}

/* ---- the engine ---- */

/* An active engine whose front is well, with a long holdtime. */
static struct service *be_active(void)
{
	const Asafo__Ipc__FrontReport report = ASAFO__IPC__FRONT_REPORT__INIT;
	struct service *fronts = engine_health_service(world.engine->health);

	world_be_active("interface va\n nameif outside\n"
			" ip address 198.51.100.10 255.255.255.0\n"
			"webvpn\n enable outside\n");
	world.engine->fsm.params.hold_ms = HOLD_MS;
	service_attached(fronts, 0);
	service_reported(fronts, 0, &report);
	engine_health_check_service(world.engine->health);
	assert_null(engine_health_trouble(world.engine->health));
	return fronts;
}

static void a_pause_shorter_than_the_holdtime_is_no_silence_of_the_fronts_either(void **state)
{
	struct service *fronts = be_active();

	(void)state;
	pass(&world.engine->alive_at);
	pass(&fronts->fronts[0].at);
	engine_feed_type(world.engine, FO_EVENT_TICK);
	engine_health_check_service(world.engine->health);
	assert_null(engine_health_trouble(world.engine->health));
	assert_int_equal(world.engine->fsm.state, FO_STATE_ACTIVE);
}

static void a_pause_in_the_middle_of_something_long_is_none_either(void **state)
{
	struct service *fronts = be_active();

	(void)state;
	pass(&world.engine->alive_at);
	pass(&fronts->fronts[0].at);
	pass(&world.engine->fsm.timers.said); /* or there is no need to breathe */
	engine_breathe(world.engine);
	assert_true(monotime_since(monotime_now(), world.engine->alive_at) <
		    PAUSE_MS * MONOTIME_NS_PER_MS);
	engine_health_check_service(world.engine->health);
	assert_null(engine_health_trouble(world.engine->health));
}

static void a_front_that_is_silent_while_the_engine_runs_is_found(void **state)
{
	struct service *fronts = be_active();

	(void)state;
	pass(&fronts->fronts[0].at);
	engine_feed_type(world.engine, FO_EVENT_TICK);
	engine_health_check_service(world.engine->health);
	assert_non_null(engine_health_trouble(world.engine->health));
}

static bool has_address(void)
{
	char text[4096];

	assert_int_equal(
		netns_capture("ip -o addr show dev va to 198.51.100.10", text, sizeof(text)), 0);
	return text[0] != '\0';
}

/* ARP that came to the other end of va since. */
static unsigned count_announcements(int fd)
{
	uint8_t packet[256];
	unsigned n = 0;

	while (recv(fd, packet, sizeof(packet), MSG_DONTWAIT) > 0)
		n++;
	return n;
}

/* Who hears what va says to its neighbours. */
static int listen_to_announcements(void)
{
	struct sockaddr_ll from = {.sll_family = AF_PACKET,
				   .sll_protocol = htons(ETH_P_ARP),
				   .sll_ifindex = (int)if_nametoindex("vb")};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ARP));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	return fd;
}

/* It stood still, as long as the mate waits, after it had found an address gone, or an interface
 * come back. */
static void who_was_stopped_for_a_holdtime_sets_and_announces_nothing(void **state)
{
	int fd = listen_to_announcements();

	(void)state;
	(void)be_active();
	assert_true(has_address());
	engine_announce(world.engine);
	assert_true(count_announcements(fd) > 0);
	assert_int_equal(netns_run("ip addr del 198.51.100.10/24 dev va"), 0);
	world.engine->fsm.timers.said = ago(HOLD_MS + PAUSE_MS);
	engine_reclaim(world.engine);
	assert_false(has_address());
	engine_announce(world.engine);
	assert_int_equal(count_announcements(fd), 0);
	(void)close(fd);
}

/* The mate has taken over. */
static void who_was_stopped_while_it_claimed_gives_it_up(void **state)
{
	int fd = listen_to_announcements();

	(void)state;
	(void)be_active();
	assert_int_equal(netns_run("ip addr del 198.51.100.10/24 dev va"), 0);
	(void)count_announcements(fd);
	world.engine->fsm.timers.said = ago(HOLD_MS + PAUSE_MS);
	engine_claim(world.engine, world.engine->fsm.term);
	assert_false(has_address());
	assert_int_equal(count_announcements(fd), 0);
	assert_int_not_equal(world.engine->fsm.state, FO_STATE_ACTIVE);
	assert_int_equal(world.engine->fsm.reason, FO_REASON_NOT_SCHEDULED);
	(void)close(fd);
}

static void the_loop_turns_each_second_at_long_polltimes_too(void **state)
{
	(void)state;
	(void)be_active();
	world.engine->config->failover.poll_ms = 15000;
	assert_int_equal(schedule_turn_ms(world.engine), 1000);
	world.engine->config->failover.poll_ms = 200;
	assert_int_equal(schedule_turn_ms(world.engine), 200);
}

#define JUDGED(name) cmocka_unit_test_setup_teardown(name, judged_setup, judged_teardown)
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		JUDGED(a_pause_is_no_silence_of_the_fronts),
		JUDGED(a_silence_from_before_the_pause_counts),
		JUDGED(a_pause_is_no_time_without_a_front),
		JUDGED(a_pause_is_no_time_in_which_a_front_settles),
		JUDGED(nothing_that_did_not_happen_happens_by_a_pause),
		TEST(a_pause_shorter_than_the_holdtime_is_no_silence_of_the_fronts_either),
		TEST(a_pause_in_the_middle_of_something_long_is_none_either),
		TEST(a_front_that_is_silent_while_the_engine_runs_is_found),
		TEST(who_was_stopped_for_a_holdtime_sets_and_announces_nothing),
		TEST(who_was_stopped_while_it_claimed_gives_it_up),
		TEST(the_loop_turns_each_second_at_long_polltimes_too),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
