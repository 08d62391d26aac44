/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The word is assigned in become() only. A test that nobody answered is followed by the next, and
 * after the last ARP and ping are repeated for ever, since a network that comes back must be found;
 * the verdict is a function of what both ends say, so it is drawn anew at each of their words.
 */
#include "core/health.h"

#define TESTS_PER_HOLDTIME 16
#define POLLS_OF_SILENCE 3 /* hellos that may be lost before a silence is one */

/* ---- words ---- */

static const struct {
	const char *text;
	bool is_failed;
} words[HEALTH__MAX] = {
	[HEALTH_UNKNOWN] = {"Unknown", false},	  [HEALTH_NORMAL] = {"Normal", false},
	[HEALTH_WAITING] = {"Normal", false},	  [HEALTH_TESTING] = {"Testing", false},
	[HEALTH_FAILED] = {"Failed", true},	  [HEALTH_NO_LINK] = {"No Link", true},
	[HEALTH_LINK_DOWN] = {"Link Down", true}, [HEALTH_NOT_MONITORED] = {"Normal", false},
};

const char *health_word_text(enum health_word word)
{
	return words[word < HEALTH__MAX ? word : HEALTH_UNKNOWN].text;
}

const char *health_monitoring_text(enum health_word word, bool hears_mate)
{
	if (word == HEALTH_NOT_MONITORED)
		return "Not-Monitored";
	return hears_mate ? "Monitored" : "Waiting";
}

bool health_word_is_failed(enum health_word word)
{
	return word < HEALTH__MAX && words[word].is_failed;
}

#define VIEW_HEARS_MATE 0x10

uint8_t health_view_pack(struct health_view view)
{
	return (uint8_t)((unsigned)view.word | (view.hears_mate ? VIEW_HEARS_MATE : 0));
}

struct health_view health_view_unpack(uint8_t byte)
{
	unsigned word = byte & 0x0f;

	if (word >= HEALTH__MAX || (byte & 0xe0) != 0)
		return (struct health_view){HEALTH_UNKNOWN, false};
	return (struct health_view){(enum health_word)word, (byte & VIEW_HEARS_MATE) != 0};
}

/* ---- an interface ---- */

struct step {
	struct health_interface *interface;
	const struct health_times *times;
	const struct health_event *event;
	struct health_update *update;
};

uint32_t health_silence_ms(const struct health_times *times)
{
	uint64_t hellos = (uint64_t)POLLS_OF_SILENCE * times->unit_poll_ms;
	uint32_t half = times->hold_ms / 2;

	return hellos > half ? (uint32_t)hellos : half;
}

static uint32_t test_ms(const struct health_times *times)
{
	uint32_t ms = times->hold_ms / TESTS_PER_HOLDTIME;

	return ms ? ms : 1;
}

static bool has_link(const struct health_interface *interface)
{
	return interface->word != HEALTH_NO_LINK && interface->word != HEALTH_LINK_DOWN;
}

static void become(struct step *step, enum health_word word)
{
	step->interface->word = word;
}

/* No test; the next begins when nothing was heard for long enough, if there is somebody to compare
 * with. */
static void rest(struct step *step, enum health_word word)
{
	struct health_interface *interface = step->interface;

	become(step, word);
	interface->test = HEALTH_TEST_NONE;
	interface->deadline =
		interface->is_mate_up && has_link(interface)
			? monotime_add_ms(interface->heard_at, health_silence_ms(step->times))
			: MONOTIME_NEVER;
}

static void begin_test(struct step *step, enum health_test test, uint32_t ms)
{
	step->interface->test = test;
	step->interface->deadline = monotime_add_ms(step->event->at, ms);
	step->update->sends_arp = test == HEALTH_TEST_ARP;
	step->update->sends_ping = test == HEALTH_TEST_PING;
}

/*
 * How long the mate's Normal has to stand before our silence is a failure. From a test of its own:
 * not at all, since it heard others in the same time; but where the whole network was silent and
 * comes back, one unit is the first to hear something, so a round of tests. Where it says that it
 * hears us: it may not have noticed yet that it does not; after as long a silence again it would.
 */
static uint64_t doubt_ms(const struct step *step)
{
	const struct health_interface *interface = step->interface;

	if (interface->mate.hears_mate)
		return health_silence_ms(step->times);
	return interface->word == HEALTH_UNKNOWN ? 2 * (uint64_t)step->times->poll_ms : 0;
}

/* Nothing was heard in any test: what that means, the mate's word decides. */
static void judge(struct step *step)
{
	struct health_interface *interface = step->interface;
	struct monotime at = step->event->at;
	struct monotime noticed =
		monotime_add_ms(interface->doubted_at, health_silence_ms(step->times));

	if (!interface->is_mate_up) {
		become(step, HEALTH_UNKNOWN);
		return;
	}
	switch (interface->mate.word) {
	case HEALTH_NORMAL:
		if (monotime_reached(at, monotime_add_ms(interface->doubted_at, doubt_ms(step))))
			become(step, HEALTH_FAILED);
		return;
	case HEALTH_WAITING:
	case HEALTH_TESTING:
		/* Undecided there: a failure stays one, and a silence is waited for. */
		if (interface->word == HEALTH_TESTING && monotime_reached(at, noticed))
			become(step, HEALTH_UNKNOWN);
		return;
	case HEALTH_UNKNOWN:
	case HEALTH_FAILED:
	case HEALTH_NO_LINK:
	case HEALTH_LINK_DOWN:
	case HEALTH_NOT_MONITORED:
	case HEALTH__MAX:
		become(step, HEALTH_UNKNOWN);
		return;
	}
}

/* Every test was run at least once. */
static bool is_tested(const struct health_interface *interface)
{
	return interface->word == HEALTH_FAILED || interface->word == HEALTH_UNKNOWN;
}

static void on_link(struct step *step)
{
	struct health_interface *interface = step->interface;

	if (step->event->has_link && step->event->is_admin_up) {
		if (has_link(interface))
			return;
		interface->heard_at = step->event->at;
		rest(step, HEALTH_WAITING);
		return;
	}
	interface->hears_mate = false;
	rest(step, step->event->is_admin_up ? HEALTH_NO_LINK : HEALTH_LINK_DOWN);
}

static void on_mate_heard(struct step *step)
{
	struct health_interface *interface = step->interface;

	if (!has_link(interface))
		return; /* it waited in a socket while the link went */
	interface->is_mate_up = true;
	interface->hears_mate = true;
	interface->heard_at = step->event->at;
	rest(step, HEALTH_NORMAL);
}

/* The mate says something else than before: what it says now has to stand for a while. */
static void doubt(struct step *step)
{
	struct health_interface *interface = step->interface;

	if (is_tested(interface) ||
	    (interface->word == HEALTH_TESTING && interface->mate.hears_mate))
		interface->doubted_at = step->event->at;
}

static void on_mate(struct step *step)
{
	struct health_interface *interface = step->interface;
	struct health_view before = interface->mate;
	bool was_up = interface->is_mate_up;

	interface->is_mate_up = step->event->is_mate_up;
	interface->mate = step->event->is_mate_up ? step->event->mate
						  : (struct health_view){HEALTH_UNKNOWN, false};
	if (!has_link(interface))
		return;
	if (interface->mate.word != before.word || interface->mate.hears_mate != before.hears_mate)
		doubt(step);
	if (!interface->is_mate_up) {
		interface->hears_mate = false;
		if (interface->test != HEALTH_TEST_NONE && interface->word != HEALTH_NORMAL)
			judge(step);
		else
			rest(step, HEALTH_WAITING);
		return;
	}
	if (!was_up && interface->test == HEALTH_TEST_NONE) {
		interface->heard_at = step->event->at; /* it has just come */
		rest(step, interface->word);
	} else if (is_tested(interface)) {
		judge(step);
	}
}

static void on_packet(struct step *step)
{
	struct health_interface *interface = step->interface;

	if (interface->test == HEALTH_TEST_NONE)
		return;
	interface->heard_at = step->event->at;
	rest(step, HEALTH_NORMAL);
}

static void on_silence(struct step *step)
{
	struct health_interface *interface = step->interface;

	/* Normal by a test, and tested again: the word is not in doubt before the end of it. */
	if (interface->word != HEALTH_NORMAL || interface->hears_mate)
		become(step, HEALTH_TESTING);
	interface->hears_mate = false;
	interface->doubted_at = step->event->at;
	begin_test(step, HEALTH_TEST_ACTIVITY, test_ms(step->times));
}

static void on_tick(struct step *step)
{
	struct health_interface *interface = step->interface;
	uint32_t ms = is_tested(interface) ? step->times->poll_ms : test_ms(step->times);

	if (!monotime_reached(step->event->at, interface->deadline))
		return;
	switch (interface->test) {
	case HEALTH_TEST_NONE:
		on_silence(step);
		return;
	case HEALTH_TEST_ACTIVITY:
		begin_test(step, HEALTH_TEST_ARP, ms);
		return;
	case HEALTH_TEST_ARP:
		begin_test(step, HEALTH_TEST_PING, ms);
		return;
	case HEALTH_TEST_PING:
	case HEALTH_TEST__MAX:
		judge(step);
		begin_test(step, HEALTH_TEST_ARP,
			   is_tested(interface) ? step->times->poll_ms : test_ms(step->times));
		return;
	}
}

static void on_late(struct step *step)
{
	struct health_interface *interface = step->interface;

	if (!has_link(interface) || is_tested(interface))
		return;
	interface->heard_at = step->event->at;
	rest(step, interface->word == HEALTH_TESTING ? HEALTH_WAITING : interface->word);
}

void health_interface_init(struct health_interface *ret_interface)
{
	*ret_interface = (struct health_interface){.word = HEALTH_NO_LINK,
						   .mate = {HEALTH_UNKNOWN, false},
						   .deadline = MONOTIME_NEVER};
}

void health_interface_step(struct health_interface *interface, const struct health_times *times,
			   const struct health_event *event, struct health_update *ret_update)
{
	static void (*const handlers[HEALTH_EVENT__MAX])(struct step *) = {
		[HEALTH_EVENT_LINK] = on_link, [HEALTH_EVENT_MATE_HEARD] = on_mate_heard,
		[HEALTH_EVENT_MATE] = on_mate, [HEALTH_EVENT_PACKET] = on_packet,
		[HEALTH_EVENT_TICK] = on_tick, [HEALTH_EVENT_LATE] = on_late,
	};
	struct step step = {interface, times, event, ret_update};
	enum health_word word = interface->word;
	bool hears_mate = interface->hears_mate;

	*ret_update = (struct health_update){0};
	if (interface->word != HEALTH_NOT_MONITORED && event->type < HEALTH_EVENT__MAX)
		handlers[event->type](&step);
	ret_update->is_changed = interface->word != word || interface->hears_mate != hears_mate;
	ret_update->is_listening = interface->test != HEALTH_TEST_NONE;
}

/* ---- track objects ---- */

const char *health_track_text(enum health_track_state state)
{
	static const char *const texts[HEALTH_TRACK__MAX] = {
		[HEALTH_TRACK_UNKNOWN] = "Unknown",
		[HEALTH_TRACK_UP] = "Up",
		[HEALTH_TRACK_DOWN] = "Down",
	};

	return texts[state < HEALTH_TRACK__MAX ? state : HEALTH_TRACK_UNKNOWN];
}

bool health_track_step(struct health_track *track, enum health_result result, uint32_t down,
		       uint32_t up)
{
	enum health_track_state before = track->state;
	bool is_against = (result == HEALTH_RESULT_GOOD && before != HEALTH_TRACK_UP) ||
			  (result == HEALTH_RESULT_BAD && before != HEALTH_TRACK_DOWN);

	if (result == HEALTH_RESULT_NONE) {
		*track = (struct health_track){HEALTH_TRACK_UNKNOWN, 0};
		return before != HEALTH_TRACK_UNKNOWN;
	}
	track->streak = is_against ? track->streak + 1 : 0;
	if (result == HEALTH_RESULT_GOOD &&
	    (before == HEALTH_TRACK_UNKNOWN || (is_against && track->streak >= up)))
		*track = (struct health_track){HEALTH_TRACK_UP, 0};
	else if (result == HEALTH_RESULT_BAD && is_against && track->streak >= down)
		*track = (struct health_track){HEALTH_TRACK_DOWN, 0};
	return track->state != before;
}

bool health_track_wait(enum health_result result, bool is_mate_better, unsigned *turns_left)
{
	unsigned before = *turns_left;

	if (result != HEALTH_RESULT_BAD)
		return false;
	if (!is_mate_better)
		*turns_left = HEALTH_TRACK_TURNS;
	else if (before > 0)
		--*turns_left;
	return (before == 0) != (*turns_left == 0);
}

/* ---- the unit ---- */

static bool reaches_policy(const struct health_sum *sum, const struct health_policy *policy)
{
	if (sum->failed == 0)
		return false;
	if (policy->percent)
		return (uint64_t)sum->failed * 100 >= (uint64_t)policy->percent * sum->monitored;
	return sum->failed >= policy->count;
}

static enum fo_cause failing_cause(const struct health_sum *sum, const struct health_policy *policy)
{
	if (sum->is_service_failed)
		return FO_CAUSE_SERVICE;
	return sum->tracks_down > 0 && !reaches_policy(sum, policy) ? FO_CAUSE_TRACK
								    : FO_CAUSE_INTERFACES;
}

struct fo_health health_sum_score(const struct health_sum *sum, const struct health_policy *policy)
{
	uint64_t lost = (uint64_t)sum->failed * FO_HEALTH_INTERFACE + sum->decrements;
	uint32_t taken = lost < FO_HEALTH_FRONT ? (uint32_t)lost : FO_HEALTH_FRONT - 1;

	taken += sum->is_service_failed ? FO_HEALTH_FRONT : 0;
	return (struct fo_health){
		.score = FO_HEALTH_FULL - taken,
		.failed_interfaces = sum->failed,
		.is_failing = sum->is_service_failed || sum->tracks_down > 0 ||
			      reaches_policy(sum, policy),
		.cause = failing_cause(sum, policy),
	};
}

/* ---- lines ---- */

void health_lines_read(struct health_lines *lines, struct monotime now)
{
	if (!lines->is_open)
		*lines = (struct health_lines){true, now};
}

bool health_lines_settle(struct health_lines *lines, bool is_shared, struct monotime now)
{
	if (is_shared || monotime_reached(now, monotime_add_ms(lines->from, HEALTH_LINES_MAX_MS)))
		lines->is_open = false;
	return !lines->is_open;
}

struct fo_health health_lines_say(const struct fo_health *is, const struct fo_health *said,
				  bool is_active, bool is_failed)
{
	struct fo_health health = *is;

	/* The lines changed nothing. */
	if (is->score == said->score && is->is_failing == said->is_failing && !said->is_unsettled)
		return health;
	health.is_unsettled = true;
	health.is_failing = is->is_failing && is_failed;
	if (is_active && health.score > said->score)
		health.score = said->score;
	return health;
}
