/* SPDX-License-Identifier: Apache-2.0 */
/* Every event in every state of a replication session, with contents at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "core/sync.h"

static uint64_t next_random(uint64_t *x)
{
	uint64_t z = *x += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static struct sync_event random_event(uint64_t *x, uint32_t serial, uint32_t id)
{
	uint64_t bits = next_random(x);
	struct sync_event event = {.type = (enum sync_event_type)(next_random(x) % SYNC_EVENT__MAX),
				   .at = {next_random(x) % 60 * 1000000000},
				   .is_active = bits & 1,
				   .is_link_up = bits >> 1 & 1,
				   .is_congested = bits >> 2 & 1,
				   .may_adopt = bits >> 3 & 1,
				   .is_standby = bits >> 36 & 3,
				   .must_keep = (bits >> 38 & 7) == 0,
				   .code = bits >> 4 & 3 ? 0 : ERR_STORE,
				   .serial = bits >> 6 & 7 ? serial : (uint32_t)next_random(x),
				   .token = bits >> 9 & 3};

	event.message = (struct sync_message){.id = bits >> 11 & 7 ? id : (uint32_t)bits,
					      .code = bits >> 14 & 7 ? 0 : ERR_STORE,
					      .session = bits >> 17 & 3,
					      .items = bits >> 19 & 7,
					      .n_items = bits >> 22 & 7,
					      .is_last = bits >> 25 & 1,
					      .is_quiet = bits >> 26 & 1,
					      .can_resume = bits >> 27 & 1,
					      .is_resumed = bits >> 28 & 1,
					      .is_config_equal = bits >> 29 & 1,
					      .mode = (enum sync_mode)(bits >> 30 & 3),
					      .has_place = bits >> 32 & 7};
	event.message.place.seq = bits >> 35 & 1;
	return event;
}

static void every_event_in_every_state_has_a_result(void **state)
{
	bool is_send_seen[SYNC_SEND__MAX][SYNC_EVENT__MAX] = {0};
	bool is_receive_seen[SYNC_RECEIVE__MAX][SYNC_EVENT__MAX] = {0};
	struct sync_receiver receiver;
	struct sync_sender sender;
	struct sync_update update;
	uint64_t x = 1;

	(void)state;
	sync_sender_init(&sender);
	sync_receiver_init(&receiver);
	for (unsigned i = 0; i < 400000; i++) {
		struct sync_event event = random_event(&x, sender.serial, sender.id);

		/* Also what seldom comes by itself. */
		if (i % 8 == 0) {
			sender.state = (enum sync_send_state)(next_random(&x) % SYNC_SEND__MAX);
			receiver.state =
				(enum sync_receive_state)(next_random(&x) % SYNC_RECEIVE__MAX);
			sender.deadline = receiver.deadline = event.at;
		}
		is_send_seen[sender.state][event.type] = true;
		sync_sender_step(&sender, &event, &update);
		assert_true((unsigned)sender.state < SYNC_SEND__MAX);
		assert_true(update.n_actions <= SYNC_ACTIONS_MAX);
		/* Who is busy never waits for ever. */
		assert_true(sender.state == SYNC_SEND_IDLE || sender.deadline.ns != UINT64_MAX);
		event = random_event(&x, receiver.serial, receiver.id);
		is_receive_seen[receiver.state][event.type] = true;
		sync_receiver_step(&receiver, &event, &update);
		assert_true((unsigned)receiver.state < SYNC_RECEIVE__MAX);
		assert_true(update.n_actions <= SYNC_ACTIONS_MAX);
		assert_true(receiver.state <= SYNC_RECEIVE_WANTED ||
			    receiver.deadline.ns != UINT64_MAX);
	}
	for (unsigned type = 0; type < SYNC_EVENT__MAX; type++) {
		for (unsigned i = 0; i < SYNC_SEND__MAX; i++)
			assert_true(is_send_seen[i][type]);
		for (unsigned i = 0; i < SYNC_RECEIVE__MAX; i++)
			assert_true(is_receive_seen[i][type]);
	}
}

static void a_mate_without_sessions_is_served_as_before(void **state)
{
	struct sync_event event = {
		.type = SYNC_EVENT_REQUEST, .is_active = true, .token = 1, .message = {.id = 3}};
	struct sync_sender sender;
	struct sync_update update;

	(void)state;
	sync_sender_init(&sender);
	sync_sender_step(&sender, &event, &update);
	event.type = SYNC_EVENT_OPENED;
	event.serial = sender.serial;
	event.message.mode = SYNC_MODE_DELTA;
	sync_sender_step(&sender, &event, &update);
	assert_int_equal(sender.state, SYNC_SEND_ITEMS);
	event.type = SYNC_EVENT_LINK_DOWN;
	sync_sender_step(&sender, &event, &update);
	assert_int_equal(sender.state, SYNC_SEND_IDLE);
	assert_int_equal(update.actions[update.n_actions - 1].cause, SYNC_CAUSE_LINK);
}

static void every_state_and_cause_has_its_words(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SYNC_SEND__MAX; i++)
		assert_true(strlen(sync_send_state_text((enum sync_send_state)i)) > 1);
	for (unsigned i = 0; i < SYNC_RECEIVE__MAX; i++)
		assert_true(strlen(sync_receive_state_text((enum sync_receive_state)i)) > 1);
	for (unsigned i = 0; i < SYNC_CAUSE__MAX; i++)
		assert_non_null(sync_cause_text((enum sync_cause)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_in_every_state_has_a_result),
		cmocka_unit_test(a_mate_without_sessions_is_served_as_before),
		cmocka_unit_test(every_state_and_cause_has_its_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
