/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/control_world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "control/control.h"
#include "control/peer.h"

/* A child serves, this process calls. */
struct daemon {
	char directory[64], path[96];
	pid_t pid;
};

static int setup_daemon(void **state)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int fd;

	assert_non_null(d);
	(void)snprintf(d->directory, sizeof(d->directory), "/tmp/asafo-control-XXXXXX");
	assert_non_null(mkdtemp(d->directory));
	(void)snprintf(d->path, sizeof(d->path), "%s/control", d->directory);
	fd = world_listen(d->path);
	d->pid = fork();
	assert_true(d->pid >= 0);
	if (d->pid == 0) {
		struct world w = {.taken = -1};

		world_peer = (struct control_peer){.uid = 0};
		if (sd_event_new(&w.event) < 0 ||
		    control_server_new(w.event, fd, world_methods, LOOK_GID, CHANGE_GID, &w,
				       &w.server) < 0)
			_exit(1);
		control_server_set_peer_read(w.server, world_read_peer);
		(void)sd_event_loop(w.event);
		_exit(0);
	}
	(void)close(fd);
	*state = d;
	return 0;
}

static int teardown_daemon(void **state)
{
	struct daemon *d = *state;

	(void)kill(d->pid, SIGKILL);
	(void)waitpid(d->pid, NULL, 0);
	(void)unlink(d->path);
	(void)rmdir(d->directory);
	free(d);
	return 0;
}

static void count_progress(struct json_object *parameters, void *userdata)
{
	int *n = userdata;

	assert_int_equal(json_object_object_length(parameters), 1);
	(*n)++;
}

CLEANUP_DEFINE(struct control_client *, control_client_free)

static void the_client_gets_results_progress_and_errors(void **state)
{
	struct daemon *d = *state;
	_cleanup_(control_client_free_p) struct control_client *client = NULL;
	struct json_object *parameters = json_object_new_object(), *result = NULL;
	struct why why = {0};
	int n = 0;

	assert_int_equal(control_client_connect(d->path, &client), 0);
	json_object_object_add(parameters, "a", json_object_new_int(7));
	assert_int_equal(control_client_call(client, "t.Progress", parameters, NULL, 0,
					     count_progress, &n, &result, &why),
			 0);
	assert_int_equal(n, 1);
	json_object_put(result);
	assert_int_equal(control_client_call(client, "t.Echo", parameters, NULL, 0, NULL, NULL,
					     &result, &why),
			 0);
	assert_string_equal(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN),
			    "{\"a\":7}");
	json_object_put(result);
	json_object_put(parameters);
	assert_int_equal(
		control_client_call(client, "t.Fail", NULL, NULL, 0, NULL, NULL, &result, &why),
		ERR_NOT_ACTIVE);
	assert_string_equal(why.text, "do it on the primary");
	assert_int_equal(
		control_client_call(client, "t.Large", NULL, NULL, 0, NULL, NULL, &result, &why),
		0);
	json_object_put(result);
}

static void the_client_says_that_no_daemon_is_there(void **state)
{
	struct daemon *d = *state;
	struct control_client *client = NULL;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/none", d->directory);
	assert_int_equal(control_client_connect(path, &client), -ENOENT);
	(void)kill(d->pid, SIGKILL);
	(void)waitpid(d->pid, NULL, 0);
	d->pid = fork();
	if (d->pid == 0) {
		(void)pause();
		_exit(0);
	}
	assert_int_equal(control_client_connect(d->path, &client), -ECONNREFUSED);
	assert_null(client);
}

static void the_client_does_not_wait_for_ever_when_told_so(void **state)
{
	struct daemon *d = *state;
	_cleanup_(control_client_free_p) struct control_client *client = NULL;
	struct json_object *result = NULL;
	struct why why = {0};

	assert_int_equal(control_client_connect(d->path, &client), 0);
	control_client_set_timeout(client, 30);
	assert_int_equal(
		control_client_call(client, "t.Wait", NULL, NULL, 0, NULL, NULL, &result, &why),
		ERR_TIMEOUT);
}

/* A peer that answers TEXT to anything and closes. */
static int call_a_liar(const char *text, size_t size)
{
	char directory[] = "/tmp/asafo-control-XXXXXX", path[64];
	struct control_client *client = NULL;
	struct json_object *result = NULL;
	struct why why = {0};
	int fd, peer, error;

	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/control", directory);
	fd = world_listen(path);
	assert_int_equal(control_client_connect(path, &client), 0);
	peer = accept(fd, NULL, NULL);
	assert_true(peer >= 0);
	assert_int_equal(send(peer, text, size, 0), (ssize_t)size);
	(void)close(peer);
	error = control_client_call(client, "t.Echo", NULL, NULL, 0, NULL, NULL, &result, &why);
	(void)json_object_put(result);
	control_client_free(client);
	(void)close(fd);
	(void)unlink(path);
	(void)rmdir(directory);
	return error;
}

#define LIAR(text) call_a_liar(text, sizeof(text))

static void the_client_believes_no_nonsense(void **state)
{
	(void)state;
	assert_int_equal(call_a_liar("", 0), ERR_CLOSED);
	assert_int_equal(call_a_liar("{\"parameters\":", 14), ERR_CLOSED);
	assert_int_equal(LIAR("{\"parameters\":"), ERR_MALFORMED);
	assert_int_equal(LIAR("[]"), ERR_MALFORMED);
	assert_int_equal(LIAR("{\"error\":\"x\"}"), -EIO);
	assert_int_equal(LIAR("{\"error\":\"x\",\"parameters\":{\"code\":5}}"), -EIO);
	/* An answer that was sent before the end is still read. */
	assert_int_equal(LIAR("{\"parameters\":{}}"), 0);
}

#define WITH_DAEMON(test) cmocka_unit_test_setup_teardown(test, setup_daemon, teardown_daemon)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DAEMON(the_client_gets_results_progress_and_errors),
		WITH_DAEMON(the_client_says_that_no_daemon_is_there),
		WITH_DAEMON(the_client_does_not_wait_for_ever_when_told_so),
		cmocka_unit_test(the_client_believes_no_nonsense),
	};

	return cmocka_run_group_tests_name("control client", tests, NULL, NULL);
}
