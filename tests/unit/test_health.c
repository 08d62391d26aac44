/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces, track objects and the score, in sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "core/health.h"

/* Silence after 800 ms, a test lasts 100 ms. */
static const struct health_times TIMES = {200, 1600, 50};
#define SILENCE_MS 800
#define TEST_MS 100

struct port {
	struct health_interface interface;
	struct health_update update;
	struct monotime now;
};

static void happen(struct port *port, struct health_event event)
{
	event.at = port->now;
	health_interface_step(&port->interface, &TIMES, &event, &port->update);
}

static void set_link(struct port *port, bool has_link, bool is_admin_up)
{
	happen(port, (struct health_event){.type = HEALTH_EVENT_LINK,
					   .has_link = has_link,
					   .is_admin_up = is_admin_up});
}

static void mate_says(struct port *port, enum health_word word, bool hears_mate)
{
	happen(port, (struct health_event){.type = HEALTH_EVENT_MATE,
					   .is_mate_up = true,
					   .mate = {word, hears_mate}});
}

static void mate_is_gone(struct port *port)
{
	happen(port, (struct health_event){.type = HEALTH_EVENT_MATE});
}

static void hear_mate(struct port *port)
{
	happen(port, (struct health_event){.type = HEALTH_EVENT_MATE_HEARD});
}

static void hear_packet(struct port *port)
{
	happen(port, (struct health_event){.type = HEALTH_EVENT_PACKET});
}

static void pass_ms(struct port *port, uint64_t ms)
{
	port->now = monotime_add_ms(port->now, ms);
	happen(port, (struct health_event){.type = HEALTH_EVENT_TICK});
}

/* Both units are up, and hear each other here. */
static struct port paired(void)
{
	struct port port = {.now = {MONOTIME_NS_PER_SEC}};

	health_interface_init(&port.interface);
	set_link(&port, true, true);
	hear_mate(&port);
	mate_says(&port, HEALTH_NORMAL, true);
	assert_int_equal(port.interface.word, HEALTH_NORMAL);
	return port;
}

/* All tests are over, and nobody was heard. */
static struct port deaf(void)
{
	struct port port = paired();

	pass_ms(&port, SILENCE_MS);
	assert_int_equal(port.interface.word, HEALTH_TESTING);
	mate_says(&port, HEALTH_TESTING, false);
	for (int i = 0; i < 3; i++)
		pass_ms(&port, TEST_MS);
	return port;
}

static void tests_follow_a_silence_in_the_asas_order(void **state)
{
	struct port port = paired();

	(void)state;
	pass_ms(&port, SILENCE_MS - 1);
	assert_int_equal(port.interface.word, HEALTH_NORMAL);
	assert_false(port.update.is_listening);
	pass_ms(&port, 1);
	assert_int_equal(port.interface.word, HEALTH_TESTING);
	assert_int_equal(port.interface.test, HEALTH_TEST_ACTIVITY);
	assert_true(port.update.is_listening && port.update.is_changed);
	assert_false(port.update.sends_arp || port.update.sends_ping);
	pass_ms(&port, TEST_MS);
	assert_true(port.update.sends_arp && port.update.is_listening);
	pass_ms(&port, TEST_MS);
	assert_true(port.update.sends_ping && !port.update.sends_arp);
	pass_ms(&port, TEST_MS);
	assert_true(port.update.sends_arp);
}

static void any_packet_in_a_test_passes_it(void **state)
{
	(void)state;
	for (uint64_t ms = 0; ms < 3 * TEST_MS; ms += TEST_MS) {
		struct port port = paired();

		pass_ms(&port, SILENCE_MS);
		for (uint64_t t = 0; t < ms; t += TEST_MS)
			pass_ms(&port, TEST_MS);
		hear_packet(&port);
		assert_int_equal(port.interface.word, HEALTH_NORMAL);
		assert_false(port.interface.hears_mate);
		assert_false(port.update.is_listening);
		/* ... and it stays Normal while it is tested again. */
		pass_ms(&port, SILENCE_MS);
		assert_true(port.update.is_listening);
		assert_int_equal(port.interface.word, HEALTH_NORMAL);
	}
}

static void a_silent_interface_has_failed_only_where_the_mates_hears_others(void **state)
{
	static const struct {
		enum health_word mate;
		enum health_word expected;
	} CASES[] = {
		{HEALTH_NORMAL, HEALTH_FAILED},	    {HEALTH_UNKNOWN, HEALTH_UNKNOWN},
		{HEALTH_FAILED, HEALTH_UNKNOWN},    {HEALTH_NO_LINK, HEALTH_UNKNOWN},
		{HEALTH_LINK_DOWN, HEALTH_UNKNOWN}, {HEALTH_NOT_MONITORED, HEALTH_UNKNOWN},
		{HEALTH_TESTING, HEALTH_TESTING},   {HEALTH_WAITING, HEALTH_TESTING},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		struct port port = deaf();

		mate_says(&port, CASES[i].mate, false);
		pass_ms(&port, 2 * TEST_MS);
		pass_ms(&port, 2 * TEST_MS);
		assert_int_equal(port.interface.word, CASES[i].expected);
		/* Any traffic restores it. */
		hear_packet(&port);
		assert_int_equal(port.interface.word, HEALTH_NORMAL);
	}
}

static void a_mate_that_may_not_have_noticed_is_given_the_time_to(void **state)
{
	struct port port = paired();

	(void)state;
	pass_ms(&port, SILENCE_MS);
	for (int i = 0; i < 3; i++)
		pass_ms(&port, TEST_MS);
	/* It still says that it hears us: since long ago, or just so. */
	assert_int_equal(port.interface.word, HEALTH_TESTING);
	for (int i = 0; i < 8; i++)
		pass_ms(&port, TEST_MS);
	assert_int_equal(port.interface.word, HEALTH_FAILED);
}

static void two_that_test_at_the_same_time_do_not_wait_for_each_other(void **state)
{
	struct port port = deaf();

	(void)state;
	for (int i = 0; i < 5; i++)
		pass_ms(&port, TEST_MS);
	assert_int_equal(port.interface.word, HEALTH_TESTING);
	pass_ms(&port, TEST_MS);
	assert_int_equal(port.interface.word, HEALTH_UNKNOWN);
}

static void the_verdict_follows_the_mates_word(void **state)
{
	struct port port = deaf();

	(void)state;
	mate_says(&port, HEALTH_UNKNOWN, false);
	pass_ms(&port, TEST_MS);
	pass_ms(&port, TEST_MS);
	assert_int_equal(port.interface.word, HEALTH_UNKNOWN);
	/* The network comes back, and the mate is the first to hear of it. */
	mate_says(&port, HEALTH_NORMAL, false);
	assert_int_equal(port.interface.word, HEALTH_UNKNOWN);
	pass_ms(&port, 2 * TIMES.poll_ms);
	pass_ms(&port, TIMES.poll_ms);
	assert_int_equal(port.interface.word, HEALTH_FAILED);
	mate_says(&port, HEALTH_TESTING, false);
	assert_int_equal(port.interface.word, HEALTH_FAILED);
	mate_says(&port, HEALTH_UNKNOWN, false);
	assert_int_equal(port.interface.word, HEALTH_UNKNOWN);
	mate_is_gone(&port);
	assert_int_equal(port.interface.word, HEALTH_UNKNOWN);
	assert_true(port.update.is_listening);
	hear_mate(&port);
	assert_int_equal(port.interface.word, HEALTH_NORMAL);
	assert_true(port.interface.hears_mate);
}

static void a_lost_link_counts_at_once_and_a_new_one_waits_for_the_mate(void **state)
{
	struct port port = paired();

	(void)state;
	set_link(&port, false, true);
	assert_int_equal(port.interface.word, HEALTH_NO_LINK);
	assert_true(health_word_is_failed(port.interface.word));
	hear_mate(&port);
	assert_int_equal(port.interface.word, HEALTH_NO_LINK);
	set_link(&port, false, false);
	assert_int_equal(port.interface.word, HEALTH_LINK_DOWN);
	assert_true(health_word_is_failed(port.interface.word));
	set_link(&port, true, true);
	assert_int_equal(port.interface.word, HEALTH_WAITING);
	assert_false(health_word_is_failed(port.interface.word));
	pass_ms(&port, SILENCE_MS);
	assert_int_equal(port.interface.word, HEALTH_TESTING);
}

static void nothing_is_tested_while_there_is_no_mate_to_compare_with(void **state)
{
	struct port port = paired();

	(void)state;
	mate_is_gone(&port);
	assert_int_equal(port.interface.word, HEALTH_WAITING);
	for (int i = 0; i < 100; i++)
		pass_ms(&port, SILENCE_MS);
	assert_int_equal(port.interface.word, HEALTH_WAITING);
	mate_says(&port, HEALTH_WAITING, false);
	pass_ms(&port, SILENCE_MS - 1);
	assert_int_equal(port.interface.word, HEALTH_WAITING);
	pass_ms(&port, 1);
	assert_int_equal(port.interface.word, HEALTH_TESTING);
}

static void a_unit_that_slept_begins_its_silence_anew(void **state)
{
	struct port port = paired();

	(void)state;
	port.now = monotime_add_ms(port.now, 10 * SILENCE_MS);
	happen(&port, (struct health_event){.type = HEALTH_EVENT_LATE});
	happen(&port, (struct health_event){.type = HEALTH_EVENT_TICK});
	assert_int_equal(port.interface.word, HEALTH_NORMAL);
	pass_ms(&port, SILENCE_MS);
	assert_int_equal(port.interface.word, HEALTH_TESTING);
}

static void every_event_in_every_state_keeps_what_must_hold(void **state)
{
	uint64_t x = 88172645463325252u;
	struct port port = {.now = {MONOTIME_NS_PER_SEC}};

	(void)state;
	health_interface_init(&port.interface);
	for (int i = 0; i < 200000; i++) {
		enum health_word before = port.interface.word;
		struct health_event event;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		event = (struct health_event){
			.type = (enum health_event_type)(x % HEALTH_EVENT__MAX),
			.has_link = (x >> 8 & 7) != 0,
			.is_admin_up = (x >> 12 & 7) != 0,
			.is_mate_up = (x >> 16 & 7) != 0,
			.mate = health_view_unpack((uint8_t)(x >> 20))};
		port.now = monotime_add_ms(port.now, x >> 40 & 0x7f);
		happen(&port, event);
		assert_true(port.interface.word < HEALTH__MAX);
		/* Only the mate's word makes a failure of a silence. */
		if (port.interface.word == HEALTH_FAILED && before != HEALTH_FAILED) {
			assert_int_equal(port.interface.mate.word, HEALTH_NORMAL);
			assert_true(port.interface.is_mate_up);
		}
		/* Who is in doubt listens, and will look again. */
		if (port.interface.word == HEALTH_TESTING || port.interface.word == HEALTH_FAILED ||
		    port.interface.word == HEALTH_UNKNOWN) {
			assert_true(port.update.is_listening);
			assert_true(port.interface.deadline.ns != MONOTIME_NEVER.ns);
		}
		if (port.interface.word == HEALTH_NO_LINK ||
		    port.interface.word == HEALTH_LINK_DOWN)
			assert_false(port.update.is_listening || port.interface.hears_mate);
	}
}

static void what_a_hello_carries_is_read_back_and_the_rest_is_unknown(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		struct health_view view = health_view_unpack((uint8_t)byte);

		if (health_view_pack(view) != byte) {
			assert_int_equal(view.word, HEALTH_UNKNOWN);
			assert_false(view.hears_mate);
		}
	}
}

static void a_track_object_changes_after_so_many_results_in_a_row(void **state)
{
	/* u up, d down, . the result is good, x bad, ? none; what it is after each with 3 and 2 */
	static const struct {
		const char *results, *expected;
	} CASES[] = {
		{".xx.xxx", "uuuuuud"}, {"xxx.x..", "??ddddu"}, {"xx.", "??u"},
		{".?x.", "u??u"},	{"xxx?.", "??d?u"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		struct health_track track = {0};

		for (size_t j = 0; CASES[i].results[j]; j++) {
			char c = CASES[i].results[j];
			char wanted = CASES[i].expected[j];

			(void)health_track_step(&track,
						c == '.'   ? HEALTH_RESULT_GOOD
						: c == 'x' ? HEALTH_RESULT_BAD
							   : HEALTH_RESULT_NONE,
						3, 2);
			assert_int_equal(track.state, wanted == 'u'   ? HEALTH_TRACK_UP
						      : wanted == 'd' ? HEALTH_TRACK_DOWN
								      : HEALTH_TRACK_UNKNOWN);
		}
	}
}

static void an_object_that_is_down_waits_for_the_mates_answers_and_not_for_the_clock(void **state)
{
	unsigned left = HEALTH_TRACK_TURNS;

	(void)state;
	/* The mate may still be asking. */
	assert_false(health_track_wait(HEALTH_RESULT_BAD, false, &left));
	assert_false(health_track_wait(HEALTH_RESULT_BAD, true, &left));
	/* It comes back: so it may be for the mate already. */
	assert_false(health_track_wait(HEALTH_RESULT_GOOD, true, &left));
	assert_int_equal(left, 1);
	assert_true(health_track_wait(HEALTH_RESULT_BAD, true, &left));
	assert_int_equal(left, 0);
	assert_false(health_track_wait(HEALTH_RESULT_BAD, true, &left));
	/* Now the mate's is down, too. */
	assert_true(health_track_wait(HEALTH_RESULT_BAD, false, &left));
	assert_int_equal(left, HEALTH_TRACK_TURNS);
}

static void the_score_and_the_policy_are_arithmetic(void **state)
{
	static const struct {
		struct health_sum sum;
		struct health_policy policy;
		uint32_t score;
		bool is_failing;
	} CASES[] = {
		{{.monitored = 2}, {.count = 1}, 1000, false},
		{{.monitored = 0}, {.count = 1, .percent = 1}, 1000, false},
		{{.monitored = 2, .failed = 1}, {.count = 1}, 990, true},
		{{.monitored = 2, .failed = 1}, {.count = 2}, 990, false},
		{{.monitored = 4, .failed = 1}, {.count = 1, .percent = 50}, 990, false},
		{{.monitored = 4, .failed = 2}, {.count = 1, .percent = 50}, 980, true},
		{{.monitored = 3, .failed = 1}, {.count = 1, .percent = 34}, 990, false},
		{{.monitored = 3, .failed = 1}, {.count = 1, .percent = 33}, 990, true},
		{{.tracks_down = 1, .decrements = 30}, {.count = 1}, 970, true},
		{{.is_service_failed = true}, {.count = 1}, 500, true},
		{{.monitored = 64, .failed = 64, .tracks_down = 9, .decrements = 4000},
		 {.count = 1},
		 501,
		 true},
		{{.monitored = 64, .failed = 64, .is_service_failed = true},
		 {.count = 250},
		 1,
		 true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		struct fo_health health = health_sum_score(&CASES[i].sum, &CASES[i].policy);

		assert_int_equal(health.score, CASES[i].score);
		assert_int_equal(health.is_failing, CASES[i].is_failing);
		assert_int_equal(health.failed_interfaces, CASES[i].sum.failed);
	}
}

static void the_cause_is_what_weighs_most(void **state)
{
	struct health_policy policy = {.count = 2};
	struct health_sum sum = {.monitored = 2, .failed = 1, .tracks_down = 1, .decrements = 10};

	(void)state;
	assert_int_equal(health_sum_score(&sum, &policy).cause, FO_CAUSE_TRACK);
	sum.failed = 2;
	assert_int_equal(health_sum_score(&sum, &policy).cause, FO_CAUSE_INTERFACES);
	sum.is_service_failed = true;
	assert_int_equal(health_sum_score(&sum, &policy).cause, FO_CAUSE_SERVICE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tests_follow_a_silence_in_the_asas_order),
		cmocka_unit_test(any_packet_in_a_test_passes_it),
		cmocka_unit_test(a_silent_interface_has_failed_only_where_the_mates_hears_others),
		cmocka_unit_test(a_mate_that_may_not_have_noticed_is_given_the_time_to),
		cmocka_unit_test(two_that_test_at_the_same_time_do_not_wait_for_each_other),
		cmocka_unit_test(the_verdict_follows_the_mates_word),
		cmocka_unit_test(a_lost_link_counts_at_once_and_a_new_one_waits_for_the_mate),
		cmocka_unit_test(nothing_is_tested_while_there_is_no_mate_to_compare_with),
		cmocka_unit_test(a_unit_that_slept_begins_its_silence_anew),
		cmocka_unit_test(every_event_in_every_state_keeps_what_must_hold),
		cmocka_unit_test(what_a_hello_carries_is_read_back_and_the_rest_is_unknown),
		cmocka_unit_test(a_track_object_changes_after_so_many_results_in_a_row),
		cmocka_unit_test(
			an_object_that_is_down_waits_for_the_mates_answers_and_not_for_the_clock),
		cmocka_unit_test(the_score_and_the_policy_are_arithmetic),
		cmocka_unit_test(the_cause_is_what_weighs_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
