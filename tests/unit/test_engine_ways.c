/* SPDX-License-Identifier: Apache-2.0 */
/* The ways to the mate, what the log is told of them, and what waits for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "engine_world.h"
#include "failover/engine/report.h"
#include "failover/engine/stranger.h"
#include "failover/replication/replication.h"

/* In place of GnuTLS': there is no memory where the test says so. */
static bool is_memory_short;

int gnutls_psk_allocate_client_credentials(gnutls_psk_client_credentials_t *ret_credentials)
{
	int (*theirs)(gnutls_psk_client_credentials_t *);

	*(void **)&theirs = dlsym(RTLD_NEXT, "gnutls_psk_allocate_client_credentials");
	return is_memory_short ? GNUTLS_E_MEMORY_ERROR : theirs(ret_credentials);
}

static int log_fd = -1, stderr_fd = -1;

static int begin(void **state)
{
	stderr_fd = dup(STDERR_FILENO);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	assert_true(stderr_fd >= 0 && log_fd >= 0);
	assert_true(dup2(log_fd, STDERR_FILENO) >= 0);
	return world_setup(state);
}

static int end(void **state)
{
	int r = world_teardown(state);

	assert_true(dup2(stderr_fd, STDERR_FILENO) >= 0);
	(void)close(stderr_fd);
	(void)close(log_fd);
	return r;
}

static bool is_logged(const char *what)
{
	static char text[1 << 16];
	ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	return strstr(text, what) != NULL;
}

/* ---- the connection of the replication ---- */

static struct change *connection(void)
{
	struct changes *changes = &world.engine->changes;

	for (size_t i = 0; i < changes->n; i++)
		if (changes->items[i].topic == CHANGE_REPLICATION)
			return &changes->items[i];
	fail_msg("nothing was said of the connection");
	return NULL;
}

/* It came and went so often that no more of it is said yet. */
static void use_up_the_pace(void)
{
	connection()->pace = (struct pace){.since = monotime_now(), .n_said = PACE_LINES};
}

static void while_passes(void)
{
	connection()->pace.since.ns -= PACE_MS * MONOTIME_NS_PER_MS;
}

static void lose_it_untold(void)
{
	world_be_active("");
	use_up_the_pace();
	link_free(TAKE_PTR(world.mate.link));
	WAIT_FOR(connection()->pace.n_left_out == 1);
	assert_false(is_logged("-105005"));
}

static void a_loss_that_was_only_counted_is_an_alarm_in_the_end(void **state)
{
	(void)state;
	lose_it_untold();
	while_passes();
	WAIT_FOR(connection()->pace.n_left_out == 0);
	assert_true(is_logged("-105005: (Primary) Lost Failover communications with mate on "
			      "interface fover: the mate closed the connection"));
	assert_false(world.engine->pair.is_loss_untold);
}

/* What is said first after the while is a try that fails, not the tick. */
static void it_is_one_where_another_reason_is_said_in_its_place(void **state)
{
	(void)state;
	lose_it_untold();
	while_passes();
	report_connection(world.engine, false, "nobody answers");
	assert_true(is_logged("-105005: (Primary) Lost Failover communications with mate on "
			      "interface fover: nobody answers (and 1 more before it)"));
	use_up_the_pace();
	report_connection(world.engine, false, "somebody refuses");
	while_passes();
	report_connection(world.engine, false, "nobody is there");
	assert_true(is_logged("failover link fover is not up: nobody is there"));
}

static void a_loss_that_is_over_is_none(void **state)
{
	(void)state;
	lose_it_untold();
	world_mate_connect();
	WAIT_FOR(link_is_up(world.engine->pair.link));
	while_passes();
	WAIT_FOR(connection()->pace.n_left_out == 0);
	assert_false(is_logged("-105005"));
	assert_false(world.engine->pair.is_loss_untold);
}

/* ---- hellos, and no link ---- */

static void a_link_that_could_not_be_made_is_a_trouble_where_hellos_pass(void **state)
{
	struct engine_pair *pair = &world.engine->pair;
	struct why why = {0};

	(void)state;
	world_be_active("");
	is_memory_short = true;
	engine_rebuild_pair(world.engine);
	is_memory_short = false;
	assert_null(pair->link);
	WAIT_FOR(pair->apart_since.ns != 0);
	pair->apart_since.ns -= ENGINE_APART_MS * MONOTIME_NS_PER_MS;
	WAIT_FOR(pair->is_apart_logged);
	assert_true(engine_apart_trouble(world.engine, &why));
	assert_non_null(strstr(why.text, "replication has had no connection over the failover "
					 "link fover (lo) for 10 s"));
	assert_non_null(strstr(why.text, "this unit could not make it (Cannot allocate memory)"));
	/* There is nothing that a firewall could drop. */
	assert_null(strstr(why.text, "firewall"));
}

static void a_time_apart_ends_with_the_hellos_where_there_is_no_link(void **state)
{
	struct engine_pair *pair = &world.engine->pair;

	(void)state;
	world_be_active("");
	link_free(TAKE_PTR(world.mate.link));
	WAIT_FOR(pair->apart_since.ns != 0);
	engine_drop_link(world.engine, "the test took it");
	world.mate.is_silent = true;
	WAIT_FOR(pair->apart_since.ns == 0);
}

/* As where long frames are lost: each connection begins, and none lasts. */
static void connections_that_do_not_last_are_a_trouble(void **state)
{
	struct engine_pair *pair = &world.engine->pair;
	struct why why = {0};

	(void)state;
	world_be_active("");
	for (unsigned n = 1; n <= 3; n++) {
		link_free(TAKE_PTR(world.mate.link));
		WAIT_FOR(pair->n_short == n && pair->apart_since.ns != 0);
		world_mate_connect();
		WAIT_FOR(link_is_up(pair->link));
	}
	assert_false(engine_apart_trouble(world.engine, &why));
	pair->apart_since.ns -= ENGINE_APART_MS * MONOTIME_NS_PER_MS;
	WAIT_FOR(pair->is_apart_logged);
	assert_true(engine_apart_trouble(world.engine, &why));
	assert_non_null(strstr(why.text, "no connection of the replication over the failover link "
					 "fover (lo) has lasted for 10 s, 3 ended soon after they "
					 "began (the mate closed the connection), though hellos "
					 "pass there: look whether"));
	assert_null(strstr(why.text, "firewall"));
	/* One that stays ends it. */
	pair->up_since.ns -= ENGINE_APART_MS * MONOTIME_NS_PER_MS;
	WAIT_FOR(pair->apart_since.ns == 0 && pair->n_short == 0);
}

/* ---- two that are the mate ---- */

static void hear_boot(struct hello_codec *codec, uint64_t boot)
{
	world.mate.codec = codec;
	WAIT_FOR(world.engine->mate.boot == boot);
}

/* Boot ids are random at each start: one that comes back was not restarted. */
static void a_copy_of_the_mate_is_a_trouble_and_a_restart_of_it_is_none(void **state)
{
	struct hello_codec *first, *second = NULL;
	struct why why = {0};
	uint8_t key[32];

	(void)state;
	world_be_active("");
	first = world.mate.codec;
	memset(key, world.keeper.keys, sizeof(key));
	assert_int_equal(hello_codec_new(key, FO_UNIT_SECONDARY, 100, &second), 0);
	hear_boot(second, 100);
	assert_false(stranger_is_doubled(world.engine, &why));
	hear_boot(first, 99);
	assert_true(stranger_is_doubled(world.engine, &why));
	assert_non_null(strstr(why.text, "two machines are the Secondary unit, and have this "
					 "pair's key"));
	WAIT_FOR(is_logged("two machines are the Secondary unit"));
	assert_true(engine_is_active(world.engine));
	world.engine->mate.doubled_at.ns -= 60 * MONOTIME_NS_PER_SEC;
	assert_false(stranger_is_doubled(world.engine, &why));
	hello_codec_free(second);
}

/* ---- what waits for the mate ---- */

/* The mate dies in the middle of it: the rows of what this unit does then wait for nothing. */
static void the_history_does_not_wait_for_a_replication_that_is_paused(void **state)
{
	Asafo__Wire__SyncRequest request = ASAFO__WIRE__SYNC_REQUEST__INIT;
	unsigned before;
	int writer;

	(void)state;
	writer = world_write_standby();
	request.id = WORLD_LAST_ID(SYNC_START);
	request.can_resume = true;
	world_mate_send(ASAFO__WIRE__LINK__BODY_SYNC_REQUEST, &request);
	WAIT_FOR(WORLD_GOT(SYNC_DONE) == 1);
	link_free(TAKE_PTR(world.mate.link));
	WAIT_FOR(replication_is_paused(world.engine->replication));
	before = world.keeper.asked[IPC_HISTORY_KEEP];
	assert_int_equal(world.engine->history_keep.n_postponed, 0);
	history_changed(world.engine);
	WAIT_FOR(world.keeper.asked[IPC_HISTORY_KEEP] > before ||
		 world.engine->history_keep.n_postponed > 0);
	assert_int_equal(world.engine->history_keep.n_postponed, 0);
	assert_true(replication_is_paused(world.engine->replication));
	(void)close(writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(a_loss_that_was_only_counted_is_an_alarm_in_the_end),
		TEST(it_is_one_where_another_reason_is_said_in_its_place),
		TEST(a_loss_that_is_over_is_none),
		TEST(a_link_that_could_not_be_made_is_a_trouble_where_hellos_pass),
		TEST(connections_that_do_not_last_are_a_trouble),
		TEST(a_time_apart_ends_with_the_hellos_where_there_is_no_link),
		TEST(a_copy_of_the_mate_is_a_trouble_and_a_restart_of_it_is_none),
		TEST(the_history_does_not_wait_for_a_replication_that_is_paused),
	};

	world_enter();
	(void)setenv("JOURNAL_STREAM", "1:1", 1);
	log_open("engine", LOG_INFO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
