/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine says of both units: their clocks, their histories, their versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "certstore/store/record.pb-c.h"
#include "engine_world.h"
#include "failover/engine/clockwatch.h"
#include "failover/engine/stranger.h"
#include "failover/methods/proof.h"

#define DAY INT64_C(86400)
#define SECOND_NS INT64_C(1000000000)

/* What METHOD answers, as text. */
static const char *asked(const char *method, const char *parameters)
{
	static char answer[65536];
	char request[256];
	int fd;

	(void)snprintf(request, sizeof(request), "{\"method\":\"asafo.%s\",\"parameters\":%s}",
		       method, parameters);
	fd = world_ask(request, -1);
	(void)snprintf(answer, sizeof(answer), "%s", world_answer(fd));
	(void)close(fd);
	return answer;
}

static void contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

/* The mate's wall clock is SKEW_S ahead of ours from now on. */
static void set_mates_clock(int64_t skew_s)
{
	world.mate.skew_ns = skew_s * SECOND_NS;
}

/* The store holds a trustpoint that is valid FROM to UNTIL, seconds from now. */
static void put_trustpoint(const char *name, int64_t from, int64_t until)
{
	Asafo__Record__TrustpointPublic trustpoint = ASAFO__RECORD__TRUSTPOINT_PUBLIC__INIT;
	uint8_t packed[256];
	int64_t now = (int64_t)time(NULL);

	trustpoint.name = (char *)(uintptr_t)name;
	trustpoint.not_before = now + from;
	trustpoint.not_after = now + until;
	assert_true(asafo__record__trustpoint_public__get_packed_size(&trustpoint) <
		    sizeof(packed));
	buf_clear(&world.keeper.listed);
	assert_int_equal(buf_append(&world.keeper.listed, packed,
				    asafo__record__trustpoint_public__pack(&trustpoint, packed)),
			 0);
}

static enum fo_clock_class clock_class(void)
{
	return world.engine->clockwatch.clock.class;
}

static void clocks_that_agree_are_no_trouble(void **state)
{
	(void)state;
	world_be_active("");
	WAIT_FOR(clock_class() == FO_CLOCK_SAME);
	contains(asked("ShowFailover", "{}"), "\"troubles\":[]");
	contains(asked("ShowFailover", "{}"), "\"class\":\"same\"");
}

static void the_links_are_shown_with_the_loss_and_latency_of_each_path(void **state)
{
	(void)state;
	world_be_active("");
	contains(asked("ShowFailoverInterface", "{}"), "\"paths\":[{\"name\":\"fover\"");
	contains(asked("ShowFailoverInterface", "{}"), "\"loss_permille\":0,\"rtt_median_us\":");
}

static void each_show_has_the_difference_of_the_clocks(void **state)
{
	static const char *const methods[] = {
		"ShowFailover",
		"ShowState",
		"ShowHistory",
		"ShowFailoverInterface",
		"ShowFailoverStatistics",
		"ShowRedundancy",
		"ShowMonitorInterface",
		"ShowTrack",
		"ShowTrustpoints",
		"ShowCertificates",
		"ShowOrphans",
		"ShowSsl",
		"ShowVpnSessions",
		"ShowVersion",
		"ShowRunningConfig",
		"ShowStartupConfig",
		"LocalCaList",
	};

	(void)state;
	world_be_active("");
	set_mates_clock(60);
	WAIT_FOR(clock_class() == FO_CLOCK_AHEAD);
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		contains(asked(methods[i], "{}"), "\"clock\":{\"class\":\"ahead\",\"skew_ms\":");
}

static void a_certificate_that_the_mates_clock_rejects_is_named_until_the_clock_is_set(void **state)
{
	(void)state;
	put_trustpoint("young", -DAY, 90 * DAY);
	world_be_active("");
	WAIT_FOR(clock_class() == FO_CLOCK_SAME);
	assert_int_equal(world.keeper.asked[IPC_LIST], 0);
	set_mates_clock(-2 * DAY);
	WAIT_FOR(clock_class() == FO_CLOCK_BEHIND && world.engine->clockwatch.n_misfits == 1);
	contains(asked("ShowFailover", "{}"), "the clocks of the units differ by 48 h (the mate's "
					      "is behind): set them");
	contains(asked("ShowFailover", "{}"),
		 "trustpoint young is not valid by the clock of the other unit, but from");
	contains(asked("ShowState", "{}"), "\"not_valid_on_both\":[\"young\"]");
	contains(asked("ShowRedundancy", "{}"), "\"class\":\"behind\"");
	assert_int_equal(world.keeper.asked[IPC_LIST], 1); /* and not with each hello */
	set_mates_clock(0);
	WAIT_FOR(clock_class() == FO_CLOCK_SAME);
	contains(asked("ShowFailover", "{}"), "\"troubles\":[]");
}

static void an_expired_one_is_told_from_one_that_is_not_valid_yet(void **state)
{
	(void)state;
	put_trustpoint("old", -90 * DAY, DAY);
	world_be_active("");
	set_mates_clock(2 * DAY);
	WAIT_FOR(world.engine->clockwatch.n_misfits == 1);
	contains(asked("ShowFailover", "{}"),
		 "trustpoint old is not valid by the clock of the other unit, but until");
}

static void a_certificate_that_both_clocks_accept_is_not_named(void **state)
{
	(void)state;
	put_trustpoint("good", -30 * DAY, 90 * DAY);
	world_be_active("");
	set_mates_clock(5);
	WAIT_FOR(clock_class() == FO_CLOCK_AHEAD && world.keeper.asked[IPC_LIST] == 1 &&
		 !world.engine->clockwatch.is_searching);
	contains(asked("ShowFailover", "{}"), "\"not_valid_on_both\":[]");
}

static void the_history_is_kept_and_comes_before_that_of_the_next_life(void **state)
{
	struct buf kept = {0};

	(void)state;
	world_be_active("");
	WAIT_FOR(world.keeper.asked[IPC_HISTORY_KEEP] > 0 &&
		 !world.engine->history_keep.is_changed && !world.engine->history_keep.is_saving);
	assert_int_equal(buf_append(&kept, world.keeper.history.data, world.keeper.history.size),
			 0);
	(void)world_teardown(NULL);
	(void)world_setup(NULL);
	world.keeper.history = kept;
	world_start("");
	WAIT_FOR(world.engine->fsm.state == FO_STATE_ACTIVE);
	WAIT_FOR(world.engine->history_keep.is_loaded);
	assert_true(world.engine->history.n_rows >= 12);
	assert_int_equal(history_get(&world.engine->history, 0)->to, FO_STATE_NEGOTIATION);
	assert_int_equal(history_get(&world.engine->history, 0)->reason, FO_REASON_NONE);
	for (size_t i = 1; i < world.engine->history.n_rows; i++)
		assert_true(history_get(&world.engine->history, i)->realtime_ns >=
			    history_get(&world.engine->history, i - 1)->realtime_ns);
}

static void the_history_waits_for_a_replication_to_end(void **state)
{
	Asafo__Wire__SyncResult result = ASAFO__WIRE__SYNC_RESULT__INIT;
	unsigned before;
	int writer;

	(void)state;
	writer = world_write_standby();
	before = world.keeper.asked[IPC_HISTORY_KEEP];
	history_changed(world.engine);
	WAIT_FOR(world.engine->history_keep.n_postponed >= 2);
	assert_int_equal(world.keeper.asked[IPC_HISTORY_KEEP], before);
	result.id = WORLD_LAST_ID(SYNC_START);
	result.code = ERR_NOT_READY;
	world_mate_send(ASAFO__WIRE__LINK__BODY_SYNC_RESULT, &result);
	WAIT_FOR(world.keeper.asked[IPC_HISTORY_KEEP] > before);
	(void)close(writer);
}

static void a_damaged_history_begins_anew(void **state)
{
	(void)state;
	(void)world_teardown(NULL);
	(void)world_setup(NULL);
	assert_int_equal(buf_append(&world.keeper.history, "\xff\xff\xff", 3), 0);
	world_start("");
	WAIT_FOR(world.engine->fsm.state == FO_STATE_ACTIVE);
	WAIT_FOR(world.keeper.asked[IPC_HISTORY_KEEP] > 0);
	assert_int_equal(history_get(&world.engine->history, 0)->from, FO_STATE_NOT_DETECTED);
}

static void details_put_the_mates_rows_in_their_place_by_our_clock(void **state)
{
	Asafo__Wire__HistoryRow row = ASAFO__WIRE__HISTORY_ROW__INIT, *rows[] = {&row};
	Asafo__Wire__History history = ASAFO__WIRE__HISTORY__INIT;
	uint64_t first_ns;
	char from[] = "Some\nState", to[] = "Standby Ready", reason[] = "None";
	const char *answer, *mates;
	int fd;

	(void)state;
	world_be_active("");
	set_mates_clock(3600);
	WAIT_FOR(clock_class() == FO_CLOCK_AHEAD);
	first_ns = history_get(&world.engine->history, 0)->realtime_ns;
	fd = world_ask("{\"method\":\"asafo.ShowHistory\",\"parameters\":{\"details\":true}}", -1);
	WAIT_FOR(world.mate.history_requests == 1);
	row.realtime_ns = first_ns + 3600 * (uint64_t)SECOND_NS - 5 * (uint64_t)SECOND_NS;
	row.from = from;
	row.to = to;
	row.reason = reason;
	history.id = world.mate.history_id;
	history.rows = rows;
	history.n_rows = 1;
	world_mate_send(ASAFO__WIRE__LINK__BODY_HISTORY, &history);
	answer = world_answer(fd);
	contains(answer, "\"answered\":true");
	contains(answer, "\"from\":\"Some?State\"");
	mates = strstr(answer, "\"unit\":\"secondary\"");
	assert_non_null(mates);
	assert_true(mates < strstr(answer, "\"unit\":\"primary\""));
	(void)close(fd);
}

static void a_mate_that_does_not_answer_costs_two_seconds_and_its_rows_only(void **state)
{
	const char *answer;

	(void)state;
	world_be_active("");
	answer = asked("ShowHistory", "{\"details\":true}");
	contains(answer, "\"answered\":false");
	contains(answer, "\"unit\":\"primary\"");
}

static void the_mate_is_told_our_history(void **state)
{
	Asafo__Wire__HistoryRequest request = ASAFO__WIRE__HISTORY_REQUEST__INIT;

	(void)state;
	world_be_active("");
	request.id = 7;
	world_mate_send(ASAFO__WIRE__LINK__BODY_HISTORY_REQUEST, &request);
	WAIT_FOR(world.mate.histories == 1);
	assert_int_equal(world.mate.history_id, 7);
	assert_true(world.mate.history_rows >= 6);
}

static void both_versions_are_shown(void **state)
{
	(void)state;
	world_be_active("");
	contains(asked("ShowFailover", "{}"), "\"software\":\"mate\"");
	assert_string_equal(world.engine->mate.reported, "mate");
}

/* ---- what clients get, of many places ---- */

#define PLACES 512

static void a_failure_of_the_mate_keeps_its_date_when_it_is_over(void **state)
{
	int64_t before = (int64_t)time(NULL);
	const char *other;

	(void)state;
	world_be_active("");
	contains(asked("ShowState", "{}"), "\"state\":\"Standby Ready\",\"last_failure_reason\":"
					   "\"None\",\"at\":0");
	world.mate.says.view.health =
		(struct fo_health){.score = 990, .is_failing = true, .cause = FO_CAUSE_INTERFACES};
	WAIT_FOR(world.engine->mate.view.health.is_failing);
	other = strstr(asked("ShowState", "{}"), "\"other\"");
	contains(other, "\"last_failure_reason\":\"Ifc Failure\"");
	assert_in_range(world.engine->mate.failed_at, before, time(NULL));
	world.mate.says.view.health = (struct fo_health){.score = 1000};
	WAIT_FOR(!world.engine->mate.view.health.is_failing);
	other = strstr(asked("ShowState", "{}"), "\"other\"");
	contains(other, "\"last_failure_reason\":\"Ifc Failure\"");
	assert_null(strstr(other, "\"at\":0"));
}

/* The mate, whose holdtime is HOLD_MS, begins to be silent. */
static void mate_falls_silent(uint32_t hold_ms)
{
	const struct engine *engine = world.engine;

	world.mate.is_silent = false;
	world.mate.says.view.hold_ms = hold_ms;
	WAIT_FOR(engine->mate.view.hold_ms == hold_ms && engine->fsm.flags.is_mate_heard);
	world.mate.is_silent = true;
}

/* What Trouble says of a twin in STATE that started before this unit, its clock SKEW_MS behind. */
static const char *trouble_of_twin(enum fo_state state, uint64_t skew_ms)
{
	struct engine *engine = world.engine;
	struct hello hello = {.unit = engine->config->failover.unit,
			      .view = {.state = state,
				       .may_activate = true,
				       .is_serving = fo_state_is_active(state)}};
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
	hello.sent_realtime_ns = (uint64_t)now.tv_sec * MONOTIME_NS_PER_SEC +
				 (uint64_t)now.tv_nsec - skew_ms * MONOTIME_NS_PER_MS;
	stranger_twin(engine, 0, &hello);
	return stranger_trouble(engine);
}

static void both_units_serve_only_where_the_twin_says_that_it_does(void **state)
{
	const char *trouble;

	(void)state;
	world_be_active("");
	trouble = trouble_of_twin(FO_STATE_NEGOTIATION, 0);
	assert_non_null(strstr(trouble, "Primary, too"));
	assert_null(strstr(trouble, "serve"));
	assert_non_null(strstr(trouble_of_twin(FO_STATE_ACTIVE, 0), "both units serve"));
}

static void a_twin_that_serves_with_another_clock_is_named_with_it(void **state)
{
	const char *trouble;

	(void)state;
	world_be_active("");
	trouble = trouble_of_twin(FO_STATE_ACTIVE, 3600000);
	assert_non_null(strstr(trouble, "both units serve"));
	assert_non_null(strstr(trouble, "clock"));
	trouble = trouble_of_twin(FO_STATE_NEGOTIATION, 3600000);
	assert_null(strstr(trouble, "serve"));
	assert_non_null(strstr(trouble, "clock"));
}

static void a_mate_that_keeps_the_holdtime_it_was_told_has_not_failed(void **state)
{
	const struct engine *engine;
	uint64_t hold_ns;
	const char *other;

	(void)state;
	world_be_active("");
	engine = world.engine;
	hold_ns = engine->config->failover.hold_ms * MONOTIME_NS_PER_MS;
	/* Ours was made shorter, and it does not know yet. */
	mate_falls_silent(45000);
	WAIT_FOR(monotime_since(monotime_now(), engine->mate.heard_at) > 2 * hold_ns);
	assert_true(engine->fsm.flags.is_mate_heard);
	other = strstr(asked("ShowState", "{}"), "\"other\"");
	contains(other, "\"last_failure_reason\":\"None\",\"at\":0");
	mate_falls_silent(1);
	WAIT_FOR(!engine->fsm.flags.is_mate_heard);
	other = strstr(asked("ShowState", "{}"), "\"other\"");
	contains(other, "\"last_failure_reason\":\"Comm Failure\"");
	assert_null(strstr(other, "\"at\":0"));
}

static void a_track_object_that_failover_counted_does_not_go_silently(void **state)
{
	const char *answer;

	(void)state;
	world_be_active("track 7 script seven\ntrack 8 script eight\n"
			"failover track 7 decrement 30\n");
	answer = asked("Configure", "{\"text\":\"no track 8\"}");
	contains(answer, "\"warnings\":[]");
	answer = asked("Configure", "{\"text\":\"no track 7\"}");
	contains(answer, "\\\"failover track 7 decrement 30\\\" is gone");
	answer = asked("Configure", "{\"text\":\"hostname other\"}");
	contains(answer, "\"warnings\":[]");
}

static void put_fronts(Asafo__Ipc__FrontReport *report)
{
	struct engine_rooms *rooms = &world.engine->rooms;

	for (size_t i = 0; i < 2; i++) {
		rooms->fronts[i] = report ? rooms->keeper : NULL;
		rooms->reports[i] = report;
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * MONOTIME_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* The shortest of a few runs. */
static uint64_t gather_ns(size_t n)
{
	static Asafo__Ipc__FrontServed served[PLACES], *all[PLACES];
	static char domains[PLACES][32], interface[] = "outside";
	Asafo__Ipc__FrontReport report = ASAFO__IPC__FRONT_REPORT__INIT;
	uint64_t shortest = UINT64_MAX;

	for (size_t i = 0; i < n; i++) {
		asafo__ipc__front_served__init(&served[i]);
		(void)snprintf(domains[i], sizeof(domains[i]), "vpn%zu", i);
		served[i].interface = interface;
		served[i].domain = domains[i];
		all[i] = &served[i];
	}
	report.served = all;
	report.n_served = n;
	put_fronts(&report);
	for (int i = 0; i < 7; i++) {
		uint64_t since = cpu_ns(), ns;
		struct json_object *places = proof_places(world.engine);

		ns = cpu_ns() - since;
		shortest = ns < shortest ? ns : shortest;
		assert_int_equal(json_object_array_length(places), n);
		json_object_put(places);
	}
	put_fronts(NULL);
	return shortest;
}

static void eight_times_the_places_do_not_take_the_engine_sixty_times_as_long(void **state)
{
	uint64_t few, many;

	(void)state;
	world_be_active("");
	few = gather_ns(PLACES / 8);
	many = gather_ns(PLACES);
	if (many > 24 * few)
		fail_msg("%d places take %" PRIu64 " us, an eighth of them %" PRIu64 " us", PLACES,
			 many / 1000, few / 1000);
}

static void a_unit_without_pam_says_so_where_a_group_asks_it(void **state)
{
	(void)state;
	world_be_active("tunnel-group Cards type remote-access\n"
			"tunnel-group Staff type remote-access\n"
			"tunnel-group Staff general-attributes\n"
			" authentication-server-group PAM\n");
	WAIT_FOR(clock_class() == FO_CLOCK_SAME);
	contains(asked("ShowFailover", "{}"), "\"troubles\":[]");
	world.engine->options.is_without_pam = true;
	contains(asked("ShowFailover", "{}"),
		 "there is no user asafo-pam on this unit: nobody can log in by PAM here, as "
		 "tunnel-group Staff wants; systemd-sysusers, then systemctl restart asafo");
}

static void a_unit_without_pam_says_nothing_where_nobody_asks_it(void **state)
{
	(void)state;
	world_be_active("tunnel-group Cards type remote-access\n");
	WAIT_FOR(clock_class() == FO_CLOCK_SAME);
	world.engine->options.is_without_pam = true;
	contains(asked("ShowFailover", "{}"), "\"troubles\":[]");
}

static void a_difference_of_decades_is_not_told_as_one_of_years(void **state)
{
	(void)state;
	world_be_active("");
	set_mates_clock(-40 * 365 * DAY);
	WAIT_FOR(clock_class() == FO_CLOCK_BEHIND);
	contains(asked("ShowFailover", "{}"),
		 "the clocks of the units differ by more than 3303 d (the mate's is behind): set");
}

/* Only hellos pass from here on. */
static void lose_link(const struct engine_pair *pair)
{
	world_be_active("");
	WAIT_FOR(clock_class() == FO_CLOCK_SAME);
	link_free(TAKE_PTR(world.mate.link));
	WAIT_FOR(pair->apart_since.ns != 0);
}

/* Its sockets stay shut, as behind a firewall that lets only UDP through. */
static void a_link_on_which_only_hellos_pass_is_a_trouble_after_a_while(void **state)
{
	struct engine_pair *pair = &world.engine->pair;

	(void)state;
	lose_link(pair);
	contains(asked("ShowFailover", "{}"), "\"troubles\":[]");
	pair->apart_since.ns -= ENGINE_APART_MS * MONOTIME_NS_PER_MS;
	contains(asked("ShowFailover", "{}"),
		 "replication has had no connection over the failover link fover (lo) for 10 s, "
		 "though hellos pass there: the mate closed the connection; look whether a "
		 "firewall on a unit, or between them, drops TCP port 5105");
	WAIT_FOR(pair->is_apart_logged);
	/* A mate that is not heard has a trouble of its own. */
	world.mate.is_silent = true;
	WAIT_FOR(pair->apart_since.ns == 0);
}

static void a_link_that_comes_back_is_no_trouble(void **state)
{
	struct engine_pair *pair = &world.engine->pair;

	(void)state;
	lose_link(pair);
	pair->apart_since.ns -= ENGINE_APART_MS * MONOTIME_NS_PER_MS;
	world_mate_connect();
	WAIT_FOR(link_is_up(pair->link) && pair->apart_since.ns == 0);
	contains(asked("ShowFailover", "{}"), "\"troubles\":[]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
		TEST(clocks_that_agree_are_no_trouble),
		TEST(the_links_are_shown_with_the_loss_and_latency_of_each_path),
		TEST(each_show_has_the_difference_of_the_clocks),
		TEST(a_certificate_that_the_mates_clock_rejects_is_named_until_the_clock_is_set),
		TEST(an_expired_one_is_told_from_one_that_is_not_valid_yet),
		TEST(a_certificate_that_both_clocks_accept_is_not_named),
		TEST(the_history_is_kept_and_comes_before_that_of_the_next_life),
		TEST(the_history_waits_for_a_replication_to_end),
		TEST(a_damaged_history_begins_anew),
		TEST(details_put_the_mates_rows_in_their_place_by_our_clock),
		TEST(a_mate_that_does_not_answer_costs_two_seconds_and_its_rows_only),
		TEST(the_mate_is_told_our_history),
		TEST(both_versions_are_shown),
		TEST(a_track_object_that_failover_counted_does_not_go_silently),
		TEST(a_failure_of_the_mate_keeps_its_date_when_it_is_over),
		TEST(both_units_serve_only_where_the_twin_says_that_it_does),
		TEST(a_twin_that_serves_with_another_clock_is_named_with_it),
		TEST(a_mate_that_keeps_the_holdtime_it_was_told_has_not_failed),
		TEST(a_unit_without_pam_says_so_where_a_group_asks_it),
		TEST(a_unit_without_pam_says_nothing_where_nobody_asks_it),
		TEST(a_difference_of_decades_is_not_told_as_one_of_years),
		TEST(a_link_on_which_only_hellos_pass_is_a_trouble_after_a_while),
		TEST(a_link_that_comes_back_is_no_trouble),
		TEST(eight_times_the_places_do_not_take_the_engine_sixty_times_as_long),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
