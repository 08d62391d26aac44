/* SPDX-License-Identifier: Apache-2.0 */
/* Two ends of the failover link: what units that belong together do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "link_world.h"

static void units_with_one_key_come_up_and_talk(void **state)
{
	struct end a = {0}, b = {0};

	(void)state;
	start_pair(&a, &b, 7, 7);
	WAIT_FOR(a.ups == 1 && b.ups == 1);
	assert_true(link_is_up(a.link) && link_is_up(b.link));
	assert_int_equal(link_mate_version(b.link), LINK_VERSION);
	assert_true(strlen(link_mate_software(a.link)) > 0);
	assert_int_equal(send_command(a.link, "config"), 0);
	assert_int_equal(send_command(b.link, "write-memory"), 0);
	WAIT_FOR(a.messages == 1 && b.messages == 1);
	assert_string_equal(b.last, "config");
	assert_string_equal(a.last, "write-memory");
	assert_true(link_bytes_sent(a.link) > 0 && link_bytes_received(a.link) > 0);
	stop(&a);
	stop(&b);
}

static void units_with_different_keys_both_say_so(void **state)
{
	struct end a = {0}, b = {0};

	(void)state;
	start_pair(&a, &b, 7, 8);
	WAIT_FOR(a.code == ERR_INTEGRITY && b.code == ERR_INTEGRITY);
	assert_non_null(strstr(a.why, "failover key"));
	assert_non_null(strstr(b.why, "failover key"));
	assert_int_equal(a.ups + b.ups, 0);
	stop(&a);
	stop(&b);
}

static struct link_change change_of(uint8_t key, uint8_t other)
{
	struct link_change change = {.id = key, .other_id = other};

	memset(change.psk, key, sizeof(change.psk));
	memset(change.other_psk, other, sizeof(change.other_psk));
	return change;
}

static void connect_anew(struct end *b, const struct link_change *change)
{
	struct link_config config = config_of(false, 0);

	stop(b);
	memcpy(config.psk, change->psk, sizeof(config.psk));
	*b = (struct end){0};
	start(b, &config);
	assert_int_equal(link_change_keys(b->link, change), 0);
}

static void a_connection_outlives_a_change_of_the_key_and_each_step_takes_a_new_one(void **state)
{
	/* Listener and connector, current and other; the last two: one's disk came from a backup.
	 */
	static const uint8_t steps[][4] = {{7, 8, 7, 0}, {7, 8, 7, 8}, {8, 7, 7, 8}, {8, 7, 8, 7},
					   {8, 0, 8, 7}, {8, 0, 8, 0}, {8, 7, 7, 0}, {7, 0, 8, 7}};
	struct end a = {0}, b = {0};
	unsigned ups;

	(void)state;
	start_pair(&a, &b, 7, 7);
	WAIT_FOR(a.ups == 1 && b.ups == 1);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct link_change to_a = change_of(steps[i][0], steps[i][1]);
		struct link_change to_b = change_of(steps[i][2], steps[i][3]);

		assert_int_equal(link_change_keys(a.link, &to_a), 0);
		assert_int_equal(link_change_keys(b.link, &to_b), 0);
		assert_int_equal(send_command(a.link, "config"), 0);
		b.messages = 0;
		WAIT_FOR(b.messages == 1);
		assert_int_equal(b.downs, 0);
		ups = a.ups;
		connect_anew(&b, &to_b);
		WAIT_FOR(a.ups == ups + 1 && b.ups == 1);
		assert_int_equal(b.downs, 0);
	}
	stop(&a);
	stop(&b);
}

static void both_units_primary_is_refused_with_a_sentence(void **state)
{
	struct end a = {0}, b = {0};
	struct link_config config = config_of(true, 7);

	(void)state;
	start(&a, &config);
	WAIT_FOR(a.downs == 1);
	config = config_of(false, 7);
	config.unit = 1;
	start(&b, &config);
	WAIT_FOR(a.code == ERR_EXISTS && b.code == ERR_EXISTS);
	assert_non_null(strstr(b.why, "failover lan unit"));
	stop(&a);
	stop(&b);
}

static void a_bulk_arrives_whole_and_the_queue_is_bounded(void **state)
{
	struct end a = {.to_send = BULK_MESSAGES}, b = {0};
	struct monotime begin;
	double seconds;

	(void)state;
	start_pair(&a, &b, 7, 7);
	WAIT_FOR(a.ups == 1 && b.ups == 1);
	begin = monotime_now();
	pump(&a);
	assert_true(a.to_send > 0);
	assert_true(link_queued(a.link) <= LINK_QUEUE_MAX);
	WAIT_FOR(b.messages == BULK_MESSAGES);
	seconds = (double)monotime_since(monotime_now(), begin) / 1e9;
	assert_int_equal(b.payload, (uint64_t)BULK_MESSAGES * BULK_SIZE);
	assert_true(a.writable > 0);
	print_message("# %.0f MB/s of payload, both ends in one thread\n",
		      (double)b.payload / 1e6 / seconds);
	assert_int_equal(send_items(a.link, LINK_MESSAGE_MAX), ERR_TOO_LARGE);
	stop(&a);
	stop(&b);
}

static void a_paused_reader_fills_the_senders_queue(void **state)
{
	struct end a = {.to_send = BULK_MESSAGES}, b = {0};

	(void)state;
	start_pair(&a, &b, 7, 7);
	WAIT_FOR(a.ups == 1 && b.ups == 1);
	link_pause(b.link, true);
	pump(&a);
	WAIT_FOR(b.messages >= 1); /* the trickle */
	assert_true(a.to_send > 0);
	link_pause(b.link, false);
	WAIT_FOR(b.messages == BULK_MESSAGES);
	stop(&a);
	stop(&b);
}

static void a_mate_that_goes_is_noticed_and_comes_back(void **state)
{
	struct end a = {0}, b = {0};
	struct link_config config = config_of(false, 7);

	(void)state;
	start_pair(&a, &b, 7, 7);
	WAIT_FOR(a.ups == 1 && b.ups == 1);
	assert_int_equal(send_command(b.link, "last words"), 0);
	stop(&b);
	WAIT_FOR(!link_is_up(a.link));
	assert_string_equal(a.last, "last words");
	assert_int_equal(a.code, ERR_CLOSED);
	assert_int_equal(send_command(a.link, "config"), ERR_CLOSED);
	start(&b, &config);
	WAIT_FOR(a.ups == 2 && b.ups == 2);
	/* A second one with the key is the mate after a reboot that nobody noticed. */
	struct end c = {0};
	start(&c, &config);
	WAIT_FOR(a.ups == 3 && c.ups == 1);
	assert_true(link_is_up(a.link));
	stop(&b);
	stop(&c);
	stop(&a);
}

static void a_connector_without_a_mate_says_so_and_keeps_trying(void **state)
{
	struct end a = {0}, b = {0};
	struct link_config config = config_of(false, 7);

	(void)state;
	start(&b, &config);
	WAIT_FOR(b.code == -ECONNREFUSED);
	assert_non_null(strstr(b.why, "127.0.0.1"));
	config = config_of(true, 7);
	start(&a, &config);
	WAIT_FOR(a.ups == 1 && b.ups == 1);
	assert_int_equal(b.downs, 1);
	stop(&a);
	stop(&b);
}

static void freeing_inside_callbacks_is_safe(void **state)
{
	struct end a = {0}, b = {.frees_on_message = true};
	struct end c = {0}, d = {.frees_on_up = true};
	struct end e = {0}, f = {.frees_on_down = true};

	(void)state;
	start_pair(&a, &b, 7, 7);
	WAIT_FOR(a.ups == 1 && b.ups == 1);
	assert_int_equal(send_command(a.link, "one"), 0);
	assert_int_equal(send_command(a.link, "two"), 0);
	WAIT_FOR(!b.link);
	assert_int_equal(b.messages, 1);
	WAIT_FOR(!link_is_up(a.link));
	stop(&a);
	start_pair(&c, &d, 7, 7);
	WAIT_FOR(!d.link);
	stop(&c);
	start_pair(&e, &f, 7, 8);
	WAIT_FOR(!f.link);
	stop(&e);
}

static void ask_for_the_key(struct end *end)
{
	Asafo__Wire__PairRequest request = ASAFO__WIRE__PAIR_REQUEST__INIT;
	Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;

	message.body_case = ASAFO__WIRE__LINK__BODY_PAIR_REQUEST;
	message.pair_request = &request;
	assert_int_equal(link_send(end->link, &message), 0);
}

static void a_unit_with_the_code_is_paired_and_gets_nothing_else(void **state)
{
	struct end a = {.answers_pairing = true}, b = {0};
	struct link_config config = config_of(true, 7);
	uint8_t code[LINK_PSK_SIZE];

	(void)state;
	memset(code, 0x55, sizeof(code));
	start(&a, &config);
	WAIT_FOR(a.downs == 1);
	config = config_of(false, 0x55);
	(void)snprintf(config.psk_identity, sizeof(config.psk_identity), "asafo-pair-0102");
	start(&b, &config);
	WAIT_FOR(b.code == ERR_INTEGRITY); /* no offer yet */
	assert_non_null(strstr(b.why, "pairing code"));
	assert_int_equal(link_offer_pairing(a.link, "asafo-pair-0102", code), 0);
	WAIT_FOR(b.ups == 1);
	assert_false(link_is_up(a.link));
	ask_for_the_key(&b);
	WAIT_FOR(b.pair_replies == 1);
	assert_int_equal(a.pair_requests, 1);
	/* It is closed after its answer; another question than that one closes it, too. */
	WAIT_FOR(b.ups == 2);
	assert_int_equal(send_command(b.link, "config"), 0);
	WAIT_FOR(!link_is_up(b.link));
	assert_int_equal(a.messages, 1);
	assert_int_equal(a.ups, 0);
	assert_int_equal(link_offer_pairing(a.link, NULL, NULL), 0);
	WAIT_FOR(b.code == ERR_INTEGRITY);
	stop(&a);
	stop(&b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, link_setup, link_teardown)
	const struct CMUnitTest tests[] = {
		TEST(units_with_one_key_come_up_and_talk),
		TEST(units_with_different_keys_both_say_so),
		TEST(a_connection_outlives_a_change_of_the_key_and_each_step_takes_a_new_one),
		TEST(both_units_primary_is_refused_with_a_sentence),
		TEST(a_bulk_arrives_whole_and_the_queue_is_bounded),
		TEST(a_paused_reader_fills_the_senders_queue),
		TEST(a_mate_that_goes_is_noticed_and_comes_back),
		TEST(a_connector_without_a_mate_says_so_and_keeps_trying),
		TEST(freeing_inside_callbacks_is_safe),
		TEST(a_unit_with_the_code_is_paired_and_gets_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
