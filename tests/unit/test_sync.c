/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of a replication session against each other, with keepers that are arrays of numbers
 * and a link that is a list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "core/sync.h"

#define ITEMS 40u
#define BATCH 4u
#define QUEUE_MAX 512
#define TEST(name) cmocka_unit_test_setup(name, setup)

enum end { SENDER, RECEIVER };

struct pending {
	enum end end;
	bool is_from_keeper;
	struct sync_event event;
};

/* A pair of units. What is under way is done in order when the test says so. */
struct pair {
	struct sync_sender sender;
	struct sync_receiver receiver;
	struct pending queue[QUEUE_MAX];
	size_t n;
	bool is_link_up;
	struct monotime now;
	/* The keepers. */
	struct sync_place active, standby;
	uint64_t snapshot_at; /* read so far */
	bool has_snapshot, has_stage;
	uint64_t staged;
	unsigned commits, opened_stages;
	/* What was seen. */
	uint64_t items_sent;
	unsigned configs, acks, finished, received;
	int code, receive_code;
	enum sync_cause cause;
	enum fo_event_type told[64];
	size_t n_told;
	bool is_apart;		/* the standby has not joined */
	bool is_config_equal;	/* before */
	bool is_config_refused; /* afterwards it is another one still */
};

static struct pair pair;

static int setup(void **state)
{
	(void)state;
	pair = (struct pair){.is_link_up = true,
			     .now = {1000000000},
			     .active = {.term = 4, .seq = 7, .count = ITEMS, .digest = {7}},
			     .standby = {.term = 2, .seq = 1, .count = 3, .digest = {1}}};
	sync_sender_init(&pair.sender);
	sync_receiver_init(&pair.receiver);
	return 0;
}

static void push(enum end end, bool is_from_keeper, const struct sync_event *event)
{
	assert_true(pair.n < QUEUE_MAX);
	pair.queue[pair.n++] = (struct pending){end, is_from_keeper, *event};
}

static void answer(enum end end, enum sync_event_type type, const struct sync_action *action,
		   struct sync_message message)
{
	struct sync_event event = {.type = type, .serial = action->serial, .message = message};

	push(end, true, &event);
}

static void read_batch(const struct sync_action *action)
{
	struct sync_event event = {.type = SYNC_EVENT_BATCH, .serial = action->serial};
	uint64_t left;

	if (!pair.has_snapshot)
		event.code = ERR_NOT_READY;
	if (action->is_seek)
		pair.snapshot_at = action->message.items;
	left = ITEMS - pair.snapshot_at;
	event.message.n_items = left < BATCH ? left : BATCH;
	event.message.bytes = (size_t)event.message.n_items * 100;
	pair.snapshot_at += event.message.n_items;
	event.message.is_last = pair.snapshot_at == ITEMS;
	push(SENDER, true, &event);
}

static void open_snapshot(const struct sync_action *action)
{
	bool is_level = sync_place_equal(&action->message.place, &pair.active);

	pair.has_snapshot = true;
	pair.snapshot_at = 0;
	answer(SENDER, SYNC_EVENT_OPENED, action,
	       (struct sync_message){.mode = is_level ? SYNC_MODE_EQUAL : SYNC_MODE_DELTA,
				     .n_items = pair.active.count,
				     .place = pair.active});
}

static void send(enum end end, const struct sync_action *action)
{
	struct sync_event event = {.type = action->message.type, .may_adopt = true, .token = 4711};

	event.message = action->message;
	if (event.type == SYNC_EVENT_REQUEST)
		event.message.is_config_equal = pair.is_config_equal;
	if (event.type == SYNC_EVENT_RESULT)
		event.message.is_config_equal = !pair.is_config_refused;
	if (event.type == SYNC_EVENT_ITEMS)
		pair.items_sent += event.message.n_items;
	pair.configs += event.type == SYNC_EVENT_CONFIG;
	pair.acks += event.type == SYNC_EVENT_ACK;
	if (pair.is_link_up)
		push(end == SENDER ? RECEIVER : SENDER, false, &event);
}

static void finish(enum end end, const struct sync_action *action)
{
	if (end == SENDER) {
		pair.finished++;
		pair.code = action->code;
		pair.cause = action->cause;
	} else {
		pair.received++;
		pair.receive_code = action->code;
	}
}

static void commit(const struct sync_action *action)
{
	struct sync_event event = {.type = SYNC_EVENT_COMMITTED, .serial = action->serial};

	/* What does not add up to the digest is refused. */
	if (!pair.has_stage ||
	    (pair.staged != ITEMS && !sync_place_equal(&pair.standby, &action->message.place)))
		event.code = ERR_DIFFERS;
	else
		pair.standby = action->message.place;
	pair.commits++;
	pair.has_stage = false;
	event.message.has_place = true;
	event.message.place = pair.standby;
	push(RECEIVER, true, &event);
}

static void act_keeper(enum end end, const struct sync_action *action)
{
	struct sync_message at = {.place = pair.standby, .items = action->message.items};

	if (action->type == SYNC_ACTION_ASK_POSITION) {
		answer(end, SYNC_EVENT_POSITION, action, at);
	} else if (action->type == SYNC_ACTION_OPEN_STAGE) {
		pair.has_stage = true;
		pair.opened_stages++;
		pair.staged = 0;
		answer(end, SYNC_EVENT_STAGE_OPENED, action, at);
	} else if (action->type == SYNC_ACTION_STAGE) {
		assert_true(pair.has_stage);
		pair.staged = action->message.items;
		answer(end, SYNC_EVENT_STAGED, action, at);
	} else if (action->type == SYNC_ACTION_APPLY_CONFIG) {
		answer(end, SYNC_EVENT_APPLIED, action, at);
	}
	pair.has_stage &= action->type != SYNC_ACTION_CLOSE_STAGE;
	pair.has_snapshot &= action->type != SYNC_ACTION_CLOSE_SNAPSHOT;
}

static void act(enum end end, const struct sync_action *action)
{
	if (action->type == SYNC_ACTION_SEND)
		send(end, action);
	else if (action->type == SYNC_ACTION_OPEN_SNAPSHOT)
		open_snapshot(action);
	else if (action->type == SYNC_ACTION_ASK_BATCH)
		read_batch(action);
	else if (action->type == SYNC_ACTION_COMMIT)
		commit(action);
	else if (action->type == SYNC_ACTION_TELL)
		pair.told[pair.n_told++ % 64] = action->tell;
	else if (action->type == SYNC_ACTION_FINISH)
		finish(end, action);
	else
		act_keeper(end, action);
}

static void feed(enum end end, struct sync_event event)
{
	struct sync_update update;

	event.at = pair.now;
	event.is_active = end == SENDER;
	event.is_standby = end == RECEIVER && !pair.is_apart;
	event.is_link_up = pair.is_link_up;
	if (end == SENDER)
		sync_sender_step(&pair.sender, &event, &update);
	else
		sync_receiver_step(&pair.receiver, &event, &update);
	for (size_t i = 0; i < update.n_actions; i++)
		act(end, &update.actions[i]);
}

static void feed_type(enum end end, enum sync_event_type type)
{
	feed(end, (struct sync_event){.type = type});
}

static void run_one(void)
{
	struct pending next = pair.queue[0];

	memmove(pair.queue, pair.queue + 1, --pair.n * sizeof(next));
	feed(next.end, next.event);
}

static void run(void)
{
	while (pair.n > 0)
		run_one();
}

static void run_until_staged(uint64_t items)
{
	while (pair.n > 0 && pair.staged < items)
		run_one();
	assert_true(pair.staged >= items);
}

/* What was on the wire is lost; what a keeper was asked is not. */
static void cut(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < pair.n; i++) {
		if (pair.queue[i].is_from_keeper)
			pair.queue[kept++] = pair.queue[i];
	}
	pair.n = kept;
	pair.is_link_up = false;
	feed_type(RECEIVER, SYNC_EVENT_LINK_DOWN);
	feed_type(SENDER, SYNC_EVENT_LINK_DOWN);
}

static void heal(void)
{
	pair.is_link_up = true;
	feed_type(SENDER, SYNC_EVENT_LINK_UP);
	feed_type(RECEIVER, SYNC_EVENT_LINK_UP);
}

static void ask(bool is_quiet)
{
	feed(RECEIVER, (struct sync_event){.type = SYNC_EVENT_ASK,
					   .message = {.id = 77, .is_quiet = is_quiet}});
}

static void assert_level(void)
{
	assert_true(sync_place_equal(&pair.active, &pair.standby));
	assert_int_equal(pair.sender.state, SYNC_SEND_IDLE);
	assert_int_equal(pair.receiver.state, SYNC_RECEIVE_IDLE);
	assert_int_equal(pair.code, 0);
	assert_false(pair.has_snapshot);
	assert_false(pair.has_stage);
}

/* ---- without trouble ---- */

static void a_standby_that_asks_gets_everything_and_commits_once(void **state)
{
	static const enum fo_event_type stages[] = {FO_EVENT_SYNC_STARTED, FO_EVENT_SYNC_FILES,
						    FO_EVENT_SYNC_BULK, FO_EVENT_POSITION,
						    FO_EVENT_SYNC_DONE};

	(void)state;
	ask(false);
	run();
	assert_level();
	assert_int_equal(pair.commits, 1);
	assert_int_equal(pair.items_sent, ITEMS);
	assert_int_equal(pair.configs, 1);
	assert_int_equal(pair.n_told, 5);
	assert_memory_equal(pair.told, stages, sizeof(stages));
}

static void a_standby_that_is_level_gets_nothing_and_no_lines_that_it_has(void **state)
{
	(void)state;
	pair.standby = pair.active;
	pair.is_config_equal = true;
	ask(false);
	run();
	assert_level();
	assert_int_equal(pair.items_sent, 0);
	assert_int_equal(pair.configs, 0);
	assert_int_equal(pair.told[pair.n_told - 1], FO_EVENT_SYNC_DONE);
}

static void a_standby_with_other_lines_is_not_done(void **state)
{
	(void)state;
	pair.is_config_refused = true;
	ask(false);
	run();
	assert_int_equal(pair.cause, SYNC_CAUSE_CONFIG);
	assert_int_equal(pair.acks, 0);
}

static void a_quiet_session_does_not_move_the_machine(void **state)
{
	(void)state;
	feed(SENDER,
	     (struct sync_event){.type = SYNC_EVENT_PUSH, .message = {.id = 5, .is_quiet = true}});
	run();
	assert_level();
	assert_int_equal(pair.n_told, 1);
	assert_int_equal(pair.told[0], FO_EVENT_POSITION);
}

/* ---- the link is lost ---- */

static void a_link_lost_in_the_middle_costs_a_pause(void **state)
{
	(void)state;
	ask(false);
	run_until_staged(ITEMS / 2);
	cut();
	assert_int_equal(pair.sender.state, SYNC_SEND_PAUSED);
	assert_int_equal(pair.receiver.state, SYNC_RECEIVE_PAUSED);
	assert_int_equal(pair.received, 0);
	run();
	pair.now = monotime_add_ms(pair.now, SYNC_RESUME_MS - 1);
	heal();
	run();
	assert_level();
	assert_int_equal(pair.opened_stages, 1);
	assert_int_equal(pair.commits, 1);
	assert_int_equal(pair.sender.resumed, 1);
	assert_int_equal(pair.receiver.resumed, 1);
	assert_true(pair.items_sent <= ITEMS + 2 * BATCH); /* what was on the wire, once more */
	for (size_t i = 0; i < pair.n_told; i++)
		assert_int_not_equal(pair.told[i], FO_EVENT_SYNC_FAILED);
}

static void begin_session(bool is_pushed)
{
	if (is_pushed)
		feed(SENDER, (struct sync_event){.type = SYNC_EVENT_PUSH,
						 .message = {.id = 5, .is_quiet = true}});
	else
		ask(false);
}

/* False: it was over before. */
static bool lose_link_at(unsigned at, bool is_pushed)
{
	unsigned commits;

	(void)setup(NULL);
	begin_session(is_pushed);
	for (unsigned i = 0; i < at && pair.n > 0; i++)
		run_one();
	if (pair.n == 0)
		return false;
	commits = pair.commits;
	cut();
	run();
	heal();
	/* Where nothing was under way yet it is begun again. */
	if (pair.receiver.state == SYNC_RECEIVE_IDLE && pair.sender.state == SYNC_SEND_IDLE &&
	    !sync_place_equal(&pair.active, &pair.standby))
		begin_session(is_pushed);
	run();
	assert_level();
	assert_true(pair.items_sent <= ITEMS + 2 * BATCH);
	/* One with contents; a second one says only that it is there already. */
	assert_true(pair.commits == 1 || (pair.commits == 2 && commits == 1));
	return true;
}

static void a_link_may_be_lost_at_any_message_and_nothing_is_committed_twice(void **state)
{
	unsigned at = 1;

	(void)state;
	while (lose_link_at(at, false))
		at++;
	assert_true(at > 20);
	at = 1;
	while (lose_link_at(at, true))
		at++;
	assert_true(at > 20);
}

static void a_link_may_be_lost_again_and_again(void **state)
{
	unsigned cuts = 0;

	(void)state;
	ask(false);
	while (pair.receiver.state != SYNC_RECEIVE_IDLE && cuts < 100) {
		uint64_t before = pair.staged;

		while (pair.n > 0 && pair.staged < before + BATCH)
			run_one();
		if (pair.receiver.state == SYNC_RECEIVE_IDLE)
			break;
		cut();
		cuts++;
		run();
		heal();
	}
	run();
	assert_level();
	assert_true(cuts >= ITEMS / BATCH - 1 && cuts < 100);
	assert_int_equal(pair.opened_stages, 1);
}

static void a_standby_that_forgot_gets_an_ordinary_session(void **state)
{
	(void)state;
	ask(false);
	run_until_staged(ITEMS / 2);
	cut();
	run();
	sync_receiver_init(&pair.receiver); /* its engine was restarted */
	pair.is_link_up = true;
	ask(false);
	run();
	assert_level();
	assert_int_equal(pair.opened_stages, 2);
	assert_int_equal(pair.finished, 1); /* the same operation of the active's */
}

static void an_active_that_forgot_begins_an_ordinary_session(void **state)
{
	(void)state;
	ask(false);
	run_until_staged(ITEMS / 2);
	cut();
	run();
	sync_sender_init(&pair.sender);
	pair.has_snapshot = false;
	heal();
	run();
	assert_level();
	assert_int_equal(pair.opened_stages, 2);
	assert_int_equal(pair.receiver.resumed, 0);
}

static void a_snapshot_that_is_gone_is_made_anew_and_not_mixed(void **state)
{
	(void)state;
	ask(false);
	run_until_staged(ITEMS / 2);
	cut();
	run();
	pair.has_snapshot = false; /* the keeper let go of it */
	pair.active.seq++;	   /* and there is more now */
	pair.active.digest[0]++;
	heal();
	run();
	assert_level();
	assert_int_equal(pair.opened_stages, 2);
	assert_int_equal(pair.sender.resumed, 0);
}

static void a_link_that_does_not_come_back_ends_the_session_on_both_ends(void **state)
{
	(void)state;
	ask(false);
	run_until_staged(ITEMS / 2);
	cut();
	run();
	pair.now = monotime_add_ms(pair.now, SYNC_RESUME_MS);
	feed_type(SENDER, SYNC_EVENT_TICK);
	feed_type(RECEIVER, SYNC_EVENT_TICK);
	assert_int_equal(pair.cause, SYNC_CAUSE_NOT_RESUMED);
	assert_int_equal(pair.told[pair.n_told - 1], FO_EVENT_SYNC_FAILED);
	assert_int_equal(pair.sender.state, SYNC_SEND_IDLE);
	assert_int_equal(pair.receiver.state, SYNC_RECEIVE_IDLE);
	assert_false(pair.has_snapshot);
	assert_false(pair.has_stage);
}

static void an_old_snapshot_is_not_gone_on_with(void **state)
{
	(void)state;
	ask(false);
	run_until_staged(ITEMS / 2);
	for (unsigned i = 0; i < SYNC_SESSION_MS / 10000; i++) {
		cut();
		run();
		pair.now = monotime_add_ms(pair.now, 10000);
		heal();
		while (pair.n > 0 && pair.receiver.state != SYNC_RECEIVE_STAGING)
			run_one();
	}
	assert_true(pair.opened_stages > 1);
	run();
	assert_level();
}

static void a_unit_that_takes_over_lets_go_of_what_it_staged(void **state)
{
	(void)state;
	ask(false);
	run_until_staged(ITEMS / 2);
	cut();
	run();
	pair.is_apart = true;
	feed_type(RECEIVER, SYNC_EVENT_STOP);
	assert_false(pair.has_stage);
	assert_int_equal(pair.receiver.state, SYNC_RECEIVE_IDLE);
	heal();
	run();
	assert_int_equal(pair.commits, 0);
}

static void an_active_hears_at_once_of_a_keeper_that_cannot_say_where_it_is(void **state)
{
	(void)state;
	feed(SENDER, (struct sync_event){.type = SYNC_EVENT_PUSH, .message = {.id = 5}});
	while (pair.receiver.state != SYNC_RECEIVE_ASKING)
		run_one();
	feed(RECEIVER, (struct sync_event){.type = SYNC_EVENT_POSITION,
					   .code = ERR_CLOSED,
					   .serial = pair.receiver.serial});
	run();
	assert_int_equal(pair.finished, 1);
	assert_int_equal(pair.code, ERR_CLOSED);
	assert_int_equal(pair.cause, SYNC_CAUSE_MATE);
}

static void a_unit_that_has_not_joined_takes_nothing(void **state)
{
	(void)state;
	pair.is_apart = true;
	feed(SENDER, (struct sync_event){.type = SYNC_EVENT_PUSH, .message = {.id = 5}});
	run();
	assert_int_equal(pair.code, ERR_NOT_READY);
	assert_int_equal(pair.opened_stages, 0);
	pair.is_apart = false;
	ask(false);
	run_until_staged(ITEMS / 2);
	pair.is_apart = true; /* it stood still, and has to look around first */
	run();
	assert_int_equal(pair.commits, 0);
	assert_int_equal(pair.receive_code, ERR_NOT_READY);
}

static void items_out_of_their_order_end_the_session(void **state)
{
	struct sync_event event = {.type = SYNC_EVENT_ITEMS};

	(void)state;
	ask(false);
	run_until_staged(ITEMS / 2);
	event.message = (struct sync_message){.id = 77, .items = ITEMS, .n_items = 1};
	feed(RECEIVER, event);
	assert_int_equal(pair.receive_code, ERR_MALFORMED);
	assert_int_equal(pair.commits, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_standby_that_asks_gets_everything_and_commits_once),
		TEST(a_standby_that_is_level_gets_nothing_and_no_lines_that_it_has),
		TEST(a_standby_with_other_lines_is_not_done),
		TEST(a_quiet_session_does_not_move_the_machine),
		TEST(a_link_lost_in_the_middle_costs_a_pause),
		TEST(a_link_may_be_lost_at_any_message_and_nothing_is_committed_twice),
		TEST(a_link_may_be_lost_again_and_again),
		TEST(a_standby_that_forgot_gets_an_ordinary_session),
		TEST(an_active_that_forgot_begins_an_ordinary_session),
		TEST(a_snapshot_that_is_gone_is_made_anew_and_not_mixed),
		TEST(a_link_that_does_not_come_back_ends_the_session_on_both_ends),
		TEST(an_old_snapshot_is_not_gone_on_with),
		TEST(a_unit_that_takes_over_lets_go_of_what_it_staged),
		TEST(an_active_hears_at_once_of_a_keeper_that_cannot_say_where_it_is),
		TEST(a_unit_that_has_not_joined_takes_nothing),
		TEST(items_out_of_their_order_end_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
