/* SPDX-License-Identifier: Apache-2.0 */
/* What is owed a place aside, and the session of replication that waits for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "core/orphans.h"
#include "core/sync.h"

static void what_the_keeper_could_not_put_aside_is_still_owed(void **state)
{
	struct fo_orphans orphans = {0};

	(void)state;
	assert_false(fo_orphans_begin(&orphans));
	fo_orphans_add(&orphans, 9, false);
	assert_true(fo_orphans_begin(&orphans));
	assert_false(fo_orphans_begin(&orphans));
	assert_false(fo_orphans_end(&orphans, ERR_STORE));
	assert_int_equal(orphans.term, 9);
	assert_false(orphans.is_everything);
	assert_true(fo_orphans_begin(&orphans));
	assert_true(fo_orphans_end(&orphans, 0));
	assert_int_equal(orphans.term, 0);
}

static void a_second_term_does_not_make_the_first_forgotten(void **state)
{
	struct fo_orphans orphans = {0};

	(void)state;
	fo_orphans_add(&orphans, 9, false);
	fo_orphans_add(&orphans, 12, false);
	assert_int_equal(orphans.term, 12);
	assert_true(orphans.is_everything);
	assert_false(orphans.has_other_history);
}

static void what_is_added_while_the_keeper_is_at_it_is_kept_after_that(void **state)
{
	struct fo_orphans orphans = {0};

	(void)state;
	fo_orphans_add(&orphans, 9, false);
	assert_true(fo_orphans_begin(&orphans));
	fo_orphans_add(&orphans, 12, true);
	assert_false(fo_orphans_end(&orphans, 0));
	assert_int_equal(orphans.term, 12);
	assert_true(orphans.has_other_history);
	assert_true(fo_orphans_begin(&orphans));
	assert_true(fo_orphans_end(&orphans, 0));
}

/* The one action of the step. */
static enum sync_action_type step(struct sync_receiver *receiver, struct sync_event event)
{
	struct sync_update update;

	event.is_standby = event.is_link_up = true;
	event.serial = receiver->serial;
	sync_receiver_step(receiver, &event, &update);
	assert_int_equal(update.n_actions, 1);
	return update.actions[0].type;
}

static void a_session_asks_for_nothing_before_what_is_owed_is_aside(void **state)
{
	static const struct sync_event start = {
		.type = SYNC_EVENT_START, .must_keep = true, .message = {.id = 5}};
	struct sync_receiver receiver;

	(void)state;
	sync_receiver_init(&receiver);
	assert_int_equal(step(&receiver, start), SYNC_ACTION_KEEP_ORPHANS);
	assert_int_equal(step(&receiver, (struct sync_event){.type = SYNC_EVENT_KEPT}),
			 SYNC_ACTION_ASK_POSITION);
}

static void a_session_whose_orphans_cannot_be_kept_is_refused_and_the_next_tries_again(void **state)
{
	static const struct sync_event start = {
		.type = SYNC_EVENT_START, .must_keep = true, .message = {.id = 5}};
	struct sync_event kept = {
		.type = SYNC_EVENT_KEPT, .is_standby = true, .must_keep = true, .code = ERR_STORE};
	struct sync_receiver receiver;
	struct sync_update update;

	(void)state;
	sync_receiver_init(&receiver);
	(void)step(&receiver, start);
	kept.serial = receiver.serial;
	sync_receiver_step(&receiver, &kept, &update);
	assert_int_equal(receiver.state, SYNC_RECEIVE_IDLE);
	assert_int_equal(update.actions[0].type, SYNC_ACTION_SEND);
	assert_int_equal(update.actions[0].message.type, SYNC_EVENT_RESULT);
	assert_int_equal(update.actions[0].message.code, ERR_STORE);
	assert_int_equal(step(&receiver, start), SYNC_ACTION_KEEP_ORPHANS);
}

static void nothing_is_committed_over_what_came_to_be_owed_in_the_middle(void **state)
{
	struct sync_receiver receiver = {.state = SYNC_RECEIVE_STAGING, .id = 5};
	struct sync_event done = {.type = SYNC_EVENT_DONE,
				  .is_standby = true,
				  .must_keep = true,
				  .message = {.id = 5, .has_place = true}};
	struct sync_update update;

	(void)state;
	sync_receiver_step(&receiver, &done, &update);
	assert_int_equal(receiver.state, SYNC_RECEIVE_IDLE);
	for (size_t i = 0; i < update.n_actions; i++)
		assert_int_not_equal(update.actions[i].type, SYNC_ACTION_COMMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_keeper_could_not_put_aside_is_still_owed),
		cmocka_unit_test(a_second_term_does_not_make_the_first_forgotten),
		cmocka_unit_test(what_is_added_while_the_keeper_is_at_it_is_kept_after_that),
		cmocka_unit_test(a_session_asks_for_nothing_before_what_is_owed_is_aside),
		cmocka_unit_test(
			a_session_whose_orphans_cannot_be_kept_is_refused_and_the_next_tries_again),
		cmocka_unit_test(nothing_is_committed_over_what_came_to_be_owed_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
