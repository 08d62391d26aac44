/* SPDX-License-Identifier: Apache-2.0 */
/* What a client passes along. Any user of the machine may connect, and a file may be of a file
 * system of his own. */
#include "tests/unit/control_world.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/monotime.h"
#include "tests/unit/hung_file.h"

static const char request[] = "{\"method\":\"t.Fd\"}";

static const char *answer_to(struct world *w, int passed, struct buf *text)
{
	_cleanup_close_ int fd = world_client(w);

	world_feed_fds(fd, request, sizeof(request), &passed, 1);
	return world_heard(w, fd, text);
}

static void a_hung_file_of_who_may_not_change_holds_nobody_up(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	struct monotime begun;
	struct hung_file file;

	if (!hung_file_open(&file))
		skip();
	begun = monotime_now();
	world_peer = (struct control_peer){.uid = 1000, .gid = LOOK_GID, .pid = 5};
	assert_non_null(strstr(answer_to(w, file.fd, &text), "taken only from who may change"));
	world_peer = (struct control_peer){.uid = 1000, .gid = 100, .pid = 5};
	assert_non_null(strstr(answer_to(w, file.fd, &text), "taken only from who may change"));
	assert_true(monotime_since(monotime_now(), begun) <
		    HUNG_FILE_SECONDS / 2 * MONOTIME_NS_PER_SEC);
	hung_file_close(&file);
	assert_int_equal(w->taken, -1);
}

static void who_may_change_passes_memory_and_pipes_and_no_other_file(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	FILE *file = tmpfile();
	int memory = memfd_create("test", MFD_CLOEXEC), pipes[2];

	assert_non_null(file);
	assert_int_equal(pipe(pipes), 0);
	assert_non_null(strstr(answer_to(w, fileno(file), &text), "asafo.Malformed"));
	assert_non_null(strstr(buf_text(&text), "memfd_create"));
	assert_non_null(strstr(buf_text(&text), "EOF"));
	assert_int_equal(w->taken, -1);
	assert_string_equal(answer_to(w, memory, &text), "{\"parameters\":{}}|");
	(void)close(w->taken);
	assert_string_equal(answer_to(w, pipes[1], &text), "{\"parameters\":{}}|");
	(void)close(w->taken);
	w->taken = -1;
	(void)fclose(file);
	(void)close(memory);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_hung_file_of_who_may_not_change_holds_nobody_up,
						world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
			who_may_change_passes_memory_and_pipes_and_no_other_file, world_setup,
			world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
