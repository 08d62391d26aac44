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

/* Returns the operator's connection; the keeper has been told to commit. */
static int restore_up_to_the_commit(void)
{
	int file[2], operator;

	world_be_active("");
	world.keeper.backup_lines = "hostname restored\n";
	world.keeper.holds[IPC_RESTORE_COMMIT] = true;
	assert_int_equal(pipe(file), 0);
	operator= world_ask_with(restore_request, file, 2);
	WAIT_FOR(world_keeper_has(IPC_RESTORE_COMMIT));
	(void)close(file[0]);
	(void)close(file[1]);
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
	operator= restore_up_to_the_commit();
	world_keeper_answer(IPC_RESTORE_COMMIT, -28);
	assert_non_null(strstr(world_answer(operator), "the keeper says no"));
	assert_string_not_equal(world.engine->config->hostname, "restored");
	assert_null(strstr(configure(), "a backup is being restored"));
	(void)close(operator);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_line_comes_between_a_backups_trustpoints_and_its_lines),
		TEST(where_the_trustpoints_cannot_be_stored_no_line_is_applied),
	};

	world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
