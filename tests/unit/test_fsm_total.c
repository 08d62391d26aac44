/* SPDX-License-Identifier: Apache-2.0 */
/* Every event in every state, with contents at random: nothing breaks a rule, asserts or spins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/fsm.h"

struct unit {
	struct fo_fsm fsm;
	struct fo_update update;
	struct monotime now;
};

static void feed(struct unit *unit, struct fo_event event)
{
	event.at = unit->now;
	fo_fsm_step(&unit->fsm, &event, &unit->update);
}

static void feed_type(struct unit *unit, enum fo_event_type type)
{
	feed(unit, (struct fo_event){.type = type});
}

static uint64_t next_random(uint64_t *x)
{
	uint64_t z = *x += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t random_small_or_wild(uint64_t *x)
{
	return next_random(x) % 16 == 0 ? next_random(x) : next_random(x) % 8;
}

static struct fo_position random_position(uint64_t *x)
{
	uint64_t bits = next_random(x);

	return (struct fo_position){.term = random_small_or_wild(x),
				    .seq = random_small_or_wild(x),
				    .lineage = bits % 3,
				    .has_data = bits >> 8 & 1};
}

static struct fo_health random_health(uint64_t *x)
{
	uint64_t bits = next_random(x);

	return (struct fo_health){.score = 1000 - (uint32_t)(bits & 3) * 10,
				  .is_failing = bits >> 2 & 1};
}

static struct fo_event random_event(uint64_t *x, struct monotime at)
{
	uint64_t bits = next_random(x);

	return (struct fo_event){
		.type = (enum fo_event_type)(next_random(x) % (FO_EVENT__MAX + 1)),
		.at = at,
		.term = random_small_or_wild(x),
		.health = random_health(x),
		.is_forced = bits >> 20 & 1,
		.is_on = bits >> 21 & 1,
		.position = random_position(x),
		.mate = {.state = (enum fo_state)(next_random(x) % FO_STATE__MAX),
			 .term = random_small_or_wild(x),
			 .position = random_position(x),
			 .health = random_health(x),
			 .is_maintenance = (bits >> 24 & 7) == 0,
			 .is_forced = bits >> 23 & 1,
			 .may_activate = bits & 1,
			 .is_leaving = (bits >> 1 & 15) == 0,
			 .wants_active = bits >> 5 & 1,
			 .wants_mate_active = bits >> 6 & 1,
			 .is_serving = bits >> 7 & 1,
			 .hold_ms = (uint32_t)random_small_or_wild(x)},
		.is_mate_new = (bits >> 28 & 7) == 0,
		.boot = {random_small_or_wild(x), random_small_or_wild(x), random_position(x)},
		.params = {.unit = (enum fo_unit)(bits >> 10 & 1),
			   .is_enabled = bits >> 11 & 7,
			   .poll_ms = (uint32_t)random_small_or_wild(x),
			   .hold_ms = (uint32_t)random_small_or_wild(x),
			   .is_preempt = bits >> 22 & 1,
			   .preempt_delay_ms = (uint32_t)random_small_or_wild(x)},
	};
}

/* Holds whatever happens: claims are in durable terms, terms do not fall, leaving active releases.
 */
static void check_update(const struct unit *unit, uint64_t durable_term, bool *holds)
{
	assert_true(unit->update.n_actions <= FO_ACTIONS_MAX);
	for (size_t i = 0; i < unit->update.n_actions; i++) {
		const struct fo_action *action = &unit->update.actions[i];

		if (action->type == FO_ACTION_CLAIM) {
			assert_true(action->term <= durable_term);
			*holds = true;
		} else if (action->type == FO_ACTION_RELEASE)
			*holds = false;
	}
	assert_int_equal(*holds, fo_fsm_is_active(&unit->fsm));
}

static void no_event_in_any_state_breaks_a_rule(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 3000; seed++) {
		struct unit unit = {.now = {MONOTIME_NS_PER_SEC}};
		uint64_t x = seed, durable_term = 0, term = 0;
		bool holds = false;

		fo_fsm_init(&unit.fsm);
		for (int i = 0; i < 200; i++) {
			struct fo_event event = random_event(&x, unit.now);

			if (event.type == FO_EVENT_SHUTDOWN && next_random(&x) % 8)
				continue;
			if (next_random(&x) % 4 == 0 && unit.fsm.terms.asked)
				event = (struct fo_event){.type = FO_EVENT_TERM_DURABLE,
							  .term = unit.fsm.terms.asked};
			feed(&unit, event);
			durable_term = unit.fsm.terms.promised;
			check_update(&unit, durable_term, &holds);
			assert_true(unit.fsm.term >= term);
			term = unit.fsm.term;
			unit.now = monotime_add_ms(unit.now, next_random(&x) % 40);
		}
	}
}

static void a_tick_moves_the_deadline(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 1000; seed++) {
		struct unit unit = {.now = {MONOTIME_NS_PER_SEC}};
		uint64_t x = seed;

		fo_fsm_init(&unit.fsm);
		for (int i = 0; i < 100; i++) {
			struct monotime deadline = fo_fsm_deadline(&unit.fsm);

			if (deadline.ns != MONOTIME_NEVER.ns && next_random(&x) % 2) {
				unit.now.ns = deadline.ns > unit.now.ns ? deadline.ns : unit.now.ns;
				feed_type(&unit, FO_EVENT_TICK);
				/* A second one: for timers that the first one set. */
				feed_type(&unit, FO_EVENT_TICK);
				feed_type(&unit, FO_EVENT_TICK);
				assert_true(fo_fsm_deadline(&unit.fsm).ns > unit.now.ns);
			} else
				feed(&unit, random_event(&x, unit.now));
		}
	}
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(no_event_in_any_state_breaks_a_rule),
		cmocka_unit_test(a_tick_moves_the_deadline),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
