/* SPDX-License-Identifier: Apache-2.0 */
/* The engine while a backup comes back: its trustpoints and its lines, or neither. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "engine_world.h"

static const char restore_request[] =
	"{\"method\":\"asafo.Restore\",\"parameters\":{\"unit\":false}}";
static const char line_request[] =
	"{\"method\":\"asafo.Configure\",\"parameters\":{\"text\":\"hostname other\"}}";

static const char remove_request[] =
	"{\"method\":\"asafo.Remove\",\"parameters\":{\"name\":\"www\",\"force\":true}}";

/* Returns the operator's connection. */
static int restore_begin(const char *lines)
{
	int file[2], operator;

	world.keeper.backup_lines = lines;
	assert_int_equal(pipe(file), 0);
	operator= world_ask_with(restore_request, file, 2);
	(void)close(file[0]);
	(void)close(file[1]);
	return operator;
}

/* The same; the keeper has been told to commit. */
static int restore_up_to_the_commit(void)
{
	int operator;

	world.keeper.holds[IPC_RESTORE_COMMIT] = true;
	operator= restore_begin("hostname restored\nssl trust-point www\n");
	WAIT_FOR(world_keeper_has(IPC_RESTORE_COMMIT));
	return operator;
}

static const char *configure(void)
{
	int operator= world_ask(line_request, -1);
	const char *said = world_answer(operator);

	(void)close(operator);
	return said;
}

static void no_line_comes_between_a_backups_trustpoints_and_its_lines(void **state)
{
	int operator;

	(void)state;
	world_be_active("");
	operator= restore_up_to_the_commit();
	assert_non_null(strstr(configure(), "a backup is being restored"));
	assert_string_not_equal(world.engine->config->hostname, "other");
	world_keeper_answer(IPC_RESTORE_COMMIT, 0);
	assert_null(strstr(world_answer(operator), "lines_failed"));
	assert_string_equal(world.engine->config->hostname, "restored");
	assert_null(strstr(configure(), "a backup is being restored"));
	assert_string_equal(world.engine->config->hostname, "other");
	(void)close(operator);
}

static void where_the_trustpoints_cannot_be_stored_no_line_is_applied(void **state)
{
	int operator;

	(void)state;
	world_be_active("");
	operator= restore_up_to_the_commit();
	world_keeper_answer(IPC_RESTORE_COMMIT, -28);
	assert_non_null(strstr(world_answer(operator), "the keeper says no"));
	assert_string_not_equal(world.engine->config->hostname, "restored");
	assert_null(strstr(configure(), "a backup is being restored"));
	(void)close(operator);
}

static void whose_keeper_died_with_the_word_to_store_is_told_how_to_find_out(void **state)
{
	const char *said;
	int operator;

	(void)state;
	world_be_active("");
	operator= restore_up_to_the_commit();
	world_keeper_die();
	said = world_answer(operator);
	assert_non_null(strstr(said, "all of its trustpoints are stored, or none"));
	assert_non_null(strstr(said, "asafo restore --dry-run"));
	assert_string_not_equal(world.engine->config->hostname, "restored");
	assert_false(world.engine->is_restoring);
	(void)close(operator);
}

static void nothing_is_removed_while_a_backup_could_bind_it(void **state)
{
	int restoring, removing;

	(void)state;
	world_be_active("ssl trust-point www\n");
	restoring = restore_up_to_the_commit();
	removing = world_ask(remove_request, -1);
	assert_non_null(strstr(world_answer(removing), "a backup is being restored"));
	assert_int_equal(world.keeper.asked[IPC_REMOVE], 0);
	assert_int_equal(world.engine->config->n_bindings, 1);
	(void)close(removing);
	world_keeper_answer(IPC_RESTORE_COMMIT, 0);
	assert_null(strstr(world_answer(restoring), "lines_failed"));
	(void)close(restoring);
	world.keeper.holds[IPC_REMOVE] = true;
	removing = world_ask(remove_request, -1);
	WAIT_FOR(world_keeper_has(IPC_REMOVE));
	world_keeper_answer(IPC_REMOVE, 0);
	WAIT_FOR(world.engine->config->n_bindings == 0);
	(void)close(removing);
}

static void what_the_keeper_has_removed_is_unbound_though_a_backup_came_between(void **state)
{
	int restoring, removing;

	(void)state;
	world_be_active("ssl trust-point www\n");
	world.keeper.holds[IPC_REMOVE] = true;
	removing = world_ask(remove_request, -1);
	WAIT_FOR(world_keeper_has(IPC_REMOVE));
	restoring = restore_up_to_the_commit();
	assert_true(world.engine->is_restoring);
	world_keeper_answer(IPC_REMOVE, 0);
	WAIT_FOR(world.engine->config->n_bindings == 0);
	/* The store is another one than it was planned for. */
	world_keeper_answer(IPC_RESTORE_COMMIT, ERR_BUSY);
	assert_non_null(strstr(world_answer(restoring), "the keeper says no"));
	assert_int_equal(world.engine->config->n_bindings, 0);
	(void)close(restoring);
	(void)close(removing);
}

static void a_plan_whose_lines_cannot_be_applied_is_given_up(void **state)
{
	int operator;

	(void)state;
	world_be_active("");
	operator= restore_begin("there is no such line\n");
	assert_non_null(strstr(world_answer(operator), "cannot be applied here"));
	WAIT_FOR(world.keeper.closed_plan == WORLD_PLAN);
	assert_int_equal(world.keeper.asked[IPC_RESTORE_COMMIT], 0);
	(void)close(operator);
}

static void a_plan_that_changes_nothing_is_given_up(void **state)
{
	int operator;

	(void)state;
	world_be_active("");
	world.keeper.is_backup_same = true;
	operator= restore_begin("");
	assert_non_null(strstr(world_answer(operator), "\"unchanged\":true"));
	WAIT_FOR(world.keeper.closed_plan == WORLD_PLAN);
	assert_int_equal(world.keeper.asked[IPC_RESTORE_COMMIT], 0);
	(void)close(operator);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_line_comes_between_a_backups_trustpoints_and_its_lines),
		TEST(where_the_trustpoints_cannot_be_stored_no_line_is_applied),
		TEST(whose_keeper_died_with_the_word_to_store_is_told_how_to_find_out),
		TEST(nothing_is_removed_while_a_backup_could_bind_it),
		TEST(what_the_keeper_has_removed_is_unbound_though_a_backup_came_between),
		TEST(a_plan_whose_lines_cannot_be_applied_is_given_up),
		TEST(a_plan_that_changes_nothing_is_given_up),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
