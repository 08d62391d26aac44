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

static void a_request_is_answered_with_its_result(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int fd = world_client(w);

	WORLD_FEED(w, fd, "{\"method\":\"t.Echo\",\"parameters\":{\"a\":1}}");
	assert_string_equal(world_heard(w, fd, &text), "{\"parameters\":{\"a\":1}}|");
	WORLD_FEED(w, fd, " {\"method\":\"t.Echo\",\"future\":[1]} \n");
	assert_string_equal(world_heard(w, fd, &text), "{\"parameters\":{}}|");
	WORLD_FEED(w, fd, "{\"method\":\"t.Fail\"}");
	assert_string_equal(world_heard(w, fd, &text),
			    "{\"error\":\"asafo.NotActive\",\"parameters\":{\"message\":"
			    "\"do it on the primary\",\"code\":-1003}}|");
}

static void a_request_may_come_byte_by_byte(void **state)
{
	static const char request[] = "{\"method\":\"t.Echo\",\"parameters\":{\"b\":2}}";
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int fd = world_client(w);

	for (size_t i = 0; i < sizeof(request); i++)
		world_feed(w, fd, request + i, 1);
	assert_string_equal(world_heard(w, fd, &text), "{\"parameters\":{\"b\":2}}|");
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int fd = world_client(w);

	WORLD_FEED(w, fd,
		   "{\"method\":\"t.Wait\"}\0{\"method\":\"t.Echo\",\"parameters\":{\"n\":2}}");
	assert_string_equal(world_heard(w, fd, &text), "");
	control_call_reply(w->waiting, NULL);
	assert_string_equal(world_heard(w, fd, &text),
			    "{\"parameters\":{}}|{\"parameters\":{\"n\":2}}|");
}

static void a_hundred_thousand_pipelined_requests_are_all_answered(void **state)
{
	static const char request[] = "{\"method\":\"t.Echo\"}";
	struct world *w = *state;
	_cleanup_(buf_done) struct buf requests = {0};
	_cleanup_close_ int fd = world_client(w);
	size_t n_sent = 0, n_heard = 0;
	char chunk[65536];

	for (int i = 0; i < 100000; i++)
		assert_int_equal(buf_append(&requests, request, sizeof(request)), 0);
	while (n_heard < 100000) {
		ssize_t n = send(fd, requests.data + n_sent, requests.size - n_sent, MSG_NOSIGNAL);

		n_sent += n > 0 ? (size_t)n : 0;
		world_pump(w);
		while ((n = recv(fd, chunk, sizeof(chunk), 0)) > 0)
			for (ssize_t i = 0; i < n; i++)
				n_heard += chunk[i] == '\0';
		assert_true(n < 0 && errno == EAGAIN);
	}
}

static void progress_reaches_only_who_asked_for_it(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int fd = world_client(w);

	WORLD_FEED(w, fd, "{\"method\":\"t.Progress\",\"parameters\":{\"p\":1},\"more\":true}");
	assert_string_equal(world_heard(w, fd, &text),
			    "{\"parameters\":{\"p\":1},\"continues\":true}|{\"parameters\":{}}|");
	WORLD_FEED(w, fd, "{\"method\":\"t.Progress\",\"parameters\":{\"p\":1}}");
	assert_string_equal(world_heard(w, fd, &text), "{\"parameters\":{}}|");
}

static void an_unknown_method_is_an_error_and_no_more(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int fd = world_client(w);

	WORLD_FEED(w, fd, "{\"method\":\"t.Nothing\"}\0{\"method\":\"t.Echo\"}");
	assert_non_null(strstr(world_heard(w, fd, &text), "asafo.Unsupported"));
	assert_non_null(strstr(buf_text(&text), "|{\"parameters\":{}}|"));
}

static void what_is_no_request_is_refused_and_the_connection_closed(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"null",
		"[]",
		"{}",
		"{\"method\":1}",
		"{\"method\":\"\"}",
		"{\"method\":\"t.Echo\",\"parameters\":[]}",
		"{\"method\":\"t.Echo\",\"more\":1}",
		"{\"method\":\"t.Echo\"}}",
		"{\"method\":\"t.Echo\"}{}",
		"{\"method\":\"t.Echo\"",
		"{'method':'t.Echo'}",
		"{\"method\":\"t.Echo\",\"parameters\":{\"a\":\"\\u0000\"}}",
		"{\"method\":\"t.Echo\",\"parameters\":{\"a\":\"\xff\"}}",
		"{\"method\":\"t.Echo\",\"parameters\":{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}}",
		("{\"method\":"
		 "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}"),
	};
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_close_ int fd = world_client(w);
		const char *answer;

		world_feed(w, fd, bad[i], strlen(bad[i]) + 1);
		answer = world_heard(w, fd, &text);
		if (!strstr(answer, "asafo.Malformed") || !strstr(answer, "|EOF"))
			fail_msg("%s: %s", bad[i], answer);
	}
}

static void too_many_values_are_refused_before_they_cost_memory(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf request = {0}, text = {0};
	_cleanup_close_ int fd = world_client(w);

	buf_append_format(&request, "{\"method\":\"t.Echo\",\"parameters\":{\"a\":[");
	for (int i = 0; i < 100000; i++)
		buf_append_format(&request, "[],");
	buf_append_format(&request, "0]}}");
	(void)buf_text(&request);
	world_feed(w, fd, (const char *)request.data, request.size + 1);
	assert_non_null(strstr(world_heard(w, fd, &text), "asafo.TooLarge"));
}

static void a_request_beyond_the_limit_is_refused(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_free_ char *large = malloc(2 * CONTROL_MESSAGE_MAX);
	_cleanup_close_ int fd = world_client(w);

	assert_non_null(large);
	memset(large, ' ', 2 * CONTROL_MESSAGE_MAX);
	world_feed(w, fd, large, 2 * CONTROL_MESSAGE_MAX);
	assert_non_null(strstr(world_heard(w, fd, &text), "asafo.TooLarge"));
	assert_non_null(strstr(buf_text(&text), "EOF"));
}

static void descriptors_come_with_their_request(void **state)
{
	static const char plain[] = "{\"method\":\"t.Wait\"}";
	static const char with[] = "{\"method\":\"t.Fd\"}";
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int fd = world_client(w);
	int pipes[2];
	char c = 0;

	assert_int_equal(pipe(pipes), 0);
	/* Sent behind another request, and in two pieces. */
	assert_int_equal(send(fd, plain, sizeof(plain), 0), sizeof(plain));
	world_feed_fds(fd, with, 5, &pipes[1], 1);
	world_pump(w);
	assert_int_equal(send(fd, with + 5, sizeof(with) - 5, 0), sizeof(with) - 5);
	(void)close(pipes[1]);
	world_pump(w);
	assert_int_equal(w->taken, -1);
	control_call_reply(w->waiting, NULL);
	assert_string_equal(world_heard(w, fd, &text), "{\"parameters\":{}}|{\"parameters\":{}}|");
	assert_true(w->taken >= 0);
	assert_int_equal(write(w->taken, "x", 1), 1);
	assert_int_equal(read(pipes[0], &c, 1), 1);
	(void)close(w->taken);
	/* Nobody takes these: they are closed with the call. */
	assert_int_equal(read(pipes[0], &c, 1), 0);
	(void)close(pipes[0]);
}

static void descriptors_that_nobody_takes_are_closed(void **state)
{
	static const char request[] = "{\"method\":\"t.Echo\"}";
	struct world *w = *state;
	_cleanup_close_ int fd = world_client(w);
	int pipes[2];
	char c = 0;

	assert_int_equal(pipe(pipes), 0);
	world_feed_fds(fd, request, sizeof(request), &pipes[1], 1);
	(void)close(pipes[1]);
	world_pump(w);
	assert_int_equal(read(pipes[0], &c, 1), 0);
	(void)close(pipes[0]);
}

static void too_many_or_late_descriptors_are_refused(void **state)
{
	static const char request[] = "{\"method\":\"t.Fd\"}";
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int many = world_client(w);
	_cleanup_close_ int late = world_client(w);
	int fds[5] = {0, 0, 0, 0, 0};

	world_feed_fds(many, request, sizeof(request), fds, 5);
	assert_non_null(strstr(world_heard(w, many, &text), "asafo.Malformed"));
	world_feed(w, late, request, 3);
	world_feed_fds(late, request + 3, sizeof(request) - 3, fds, 1);
	assert_non_null(strstr(world_heard(w, late, &text), "asafo.Malformed"));
	assert_int_equal(w->taken, -1);
}

static void who_may_only_look_changes_nothing(void **state)
{
	struct world *w = *state;
	gid_t group = LOOK_GID;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int fd = world_client(w);

	world_peer = (struct control_peer){
		.uid = 1000, .gid = 100, .pid = 5, .groups = malloc(sizeof(gid_t)), .n_groups = 1};
	world_peer.groups[0] = group;
	WORLD_FEED(w, fd, "{\"method\":\"t.Fail\"}\0{\"method\":\"t.Echo\"}");
	assert_non_null(strstr(world_heard(w, fd, &text), "asafo.Denied"));
	assert_non_null(strstr(buf_text(&text), "asafo-admin"));
	assert_non_null(strstr(buf_text(&text), "uid 1000"));
	assert_non_null(strstr(buf_text(&text), "|{\"parameters\":{}}|"));
}

static void who_is_in_no_group_is_denied_before_the_request_is_read(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int fd = world_client(w);

	world_peer = (struct control_peer){.uid = 1000, .gid = 100, .pid = 5};
	WORLD_FEED(w, fd, "this is not JSON");
	assert_non_null(strstr(world_heard(w, fd, &text), "asafo.Denied"));
	assert_null(strstr(buf_text(&text), "EOF"));
}

static void rights_come_from_root_and_the_two_groups(void **state)
{
	gid_t groups[] = {5, CHANGE_GID};
	struct control_peer root = {.uid = 0}, nobody = {.uid = 9, .gid = 9};
	struct control_peer looker = {.uid = 9, .gid = LOOK_GID};
	struct control_peer admin = {.uid = 9, .gid = 9, .groups = groups, .n_groups = 2};
	struct control_peer minus = {.uid = 9, .gid = (gid_t)-1};

	(void)state;
	assert_int_equal(control_peer_right(&root, (gid_t)-1, (gid_t)-1), CONTROL_RIGHT_CHANGE);
	assert_int_equal(control_peer_right(&nobody, LOOK_GID, CHANGE_GID), CONTROL_RIGHT_NONE);
	assert_int_equal(control_peer_right(&looker, LOOK_GID, CHANGE_GID), CONTROL_RIGHT_LOOK);
	assert_int_equal(control_peer_right(&admin, LOOK_GID, CHANGE_GID), CONTROL_RIGHT_CHANGE);
	assert_int_equal(control_peer_right(&minus, (gid_t)-1, (gid_t)-1), CONTROL_RIGHT_NONE);
}

static void the_kernel_says_who_a_peer_is(void **state)
{
	_cleanup_(control_peer_done) struct control_peer peer = {0};
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(control_peer_read(fds[0], &peer), 0);
	assert_int_equal(peer.uid, geteuid());
	assert_int_equal(peer.pid, getpid());
	assert_int_equal(peer.n_groups, getgroups(0, NULL));
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void a_call_whose_client_vanished_ends_harmlessly(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	int fd = world_client(w);
	_cleanup_close_ int other = world_client(w);

	WORLD_FEED(w, fd, "{\"method\":\"t.Wait\",\"more\":true}");
	assert_non_null(w->waiting);
	(void)close(fd);
	world_pump(w);
	assert_int_equal(w->n_gone, 1);
	control_call_progress(w->waiting, json_object_new_object());
	control_call_reply(w->waiting, NULL);
	WORLD_FEED(w, other, "{\"method\":\"t.Echo\"}");
	assert_string_equal(world_heard(w, other, &text), "{\"parameters\":{}}|");
}

static void a_call_outlives_its_server(void **state)
{
	struct world *w = *state;
	_cleanup_close_ int fd = world_client(w);

	WORLD_FEED(w, fd, "{\"method\":\"t.Wait\"}");
	control_server_free(w->server);
	w->server = NULL;
	assert_int_equal(w->n_gone, 1);
	control_call_fail(w->waiting, ERR_CLOSED, NULL);
}

static void a_client_that_sends_no_more_still_gets_its_answers(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int fd = world_client(w);

	WORLD_FEED(w, fd, "{\"method\":\"t.Wait\"}\0{\"method\":\"t.Echo\"}");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	world_pump(w);
	control_call_reply(w->waiting, NULL);
	assert_string_equal(world_heard(w, fd, &text),
			    "{\"parameters\":{}}|{\"parameters\":{}}|EOF");
}

static void a_request_that_never_ends_is_cut(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int fd = world_client(w);

	control_server_set_limits(w->server, &(struct control_limits){20, 4, CONTROL_REPLY_MAX, 0});
	world_feed(w, fd, "{", 1);
	while (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) == 0)
		assert_true(sd_event_run(w->event, 10000000) > 0);
	assert_non_null(strstr(world_heard(w, fd, &text), "asafo.Timeout"));
	assert_non_null(strstr(buf_text(&text), "|EOF"));
}

static void a_client_that_reads_nothing_is_cut(void **state)
{
	struct world *w = *state;
	_cleanup_close_ int fd = world_client(w);
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	control_server_set_limits(w->server, &(struct control_limits){20, 4, CONTROL_REPLY_MAX, 0});
	WORLD_FEED(w, fd, "{\"method\":\"t.Large\"}\0{\"method\":\"t.Large\"}");
	while (poll(&p, 1, 0) == 0)
		assert_true(sd_event_run(w->event, 10000000) > 0);
	assert_true(p.revents & POLLHUP);
}

static void a_result_beyond_the_limit_becomes_an_error(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int fd = world_client(w);

	control_server_set_limits(w->server, &(struct control_limits){10000, 4, 100 * 1024, 0});
	WORLD_FEED(w, fd, "{\"method\":\"t.Large\"}\0{\"method\":\"t.Echo\"}");
	assert_non_null(strstr(world_heard(w, fd, &text), "asafo.TooLarge"));
	assert_non_null(strstr(buf_text(&text), "|{\"parameters\":{}}|"));
}

static void an_idle_client_makes_room_and_a_working_one_does_not(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int first = world_client(w);
	struct control_call *working;
	_cleanup_close_ int second = -1, third = -1, fourth = -1;

	world_peer.gid = LOOK_GID;
	control_server_set_limits(w->server,
				  &(struct control_limits){10000, 2, CONTROL_REPLY_MAX, 0});
	WORLD_FEED(w, first, "{\"method\":\"t.Echo\"}");
	(void)world_heard(w, first, &text);
	second = world_client(w);
	WORLD_FEED(w, second, "{\"method\":\"t.Wait\"}");
	working = w->waiting;
	third = world_client(w);
	WORLD_FEED(w, third, "{\"method\":\"t.Wait\"}");
	assert_string_equal(world_heard(w, first, &text), "EOF");
	fourth = world_client(w);
	world_pump(w);
	assert_non_null(strstr(world_heard(w, fourth, &text), "asafo.Busy"));
	control_call_reply(working, NULL);
	control_call_reply(w->waiting, NULL);
	assert_string_equal(world_heard(w, second, &text), "{\"parameters\":{}}|");
}

static void who_has_just_come_is_not_closed_for_the_next_one(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int first = -1, second = -1, third = -1;

	control_server_set_limits(w->server,
				  &(struct control_limits){10000, 2, CONTROL_REPLY_MAX, 60000});
	first = world_client(w);
	second = world_client(w);
	world_pump(w);
	third = world_client(w);
	assert_int_equal(send(third, "{\"method\":\"t.Echo\"}", 20, MSG_NOSIGNAL), 20);
	WORLD_FEED(w, first, "{\"method\":\"t.Echo\"}");
	assert_string_equal(world_heard(w, first, &text), "{\"parameters\":{}}|");
	WORLD_FEED(w, second, "{\"method\":\"t.Echo\"}");
	assert_string_equal(world_heard(w, second, &text), "{\"parameters\":{}}|");
	assert_string_equal(world_heard(w, third, &text), "");
	/* Who went makes room at once. */
	cleanup_close(&first);
	while (*world_heard(w, third, &text) == '\0')
		assert_true(sd_event_run(w->event, 10000000) > 0);
	assert_string_equal(buf_text(&text), "{\"parameters\":{}}|");
}

/* Lets FD be heard, while whoever is in BUSY asks again and again. */
static void hear_beside(struct world *w, int fd, struct buf *text, const int *busy, size_t n_busy)
{
	_cleanup_(buf_done) struct buf other = {0};

	while (*world_heard(w, fd, text) == '\0') {
		for (size_t i = 0; i < n_busy; i++) {
			WORLD_FEED(w, busy[i], "{\"method\":\"t.Echo\"}");
			(void)world_heard(w, busy[i], &other);
		}
	}
}

static void callers_without_a_right_keep_no_place(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int third = -1;
	int busy[2];

	control_server_set_limits(w->server,
				  &(struct control_limits){10000, 2, CONTROL_REPLY_MAX, 60000});
	world_peer.gid = 100;
	for (size_t i = 0; i < ARRAY_SIZE(busy); i++) {
		busy[i] = world_client(w);
		WORLD_FEED(w, busy[i], "{\"method\":\"t.Echo\"}");
	}
	world_peer.gid = LOOK_GID;
	third = world_client(w);
	assert_int_equal(send(third, "{\"method\":\"t.Echo\"}", 20, MSG_NOSIGNAL), 20);
	hear_beside(w, third, &text, busy, ARRAY_SIZE(busy));
	assert_string_equal(buf_text(&text), "{\"parameters\":{}}|");
	for (size_t i = 0; i < ARRAY_SIZE(busy); i++)
		cleanup_close(&busy[i]);
}

static void who_only_looks_keeps_nobody_out(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int root = -1, looker = -1;
	int busy[2];

	control_server_set_limits(w->server,
				  &(struct control_limits){10000, 2, CONTROL_REPLY_MAX, 300});
	world_peer.gid = LOOK_GID;
	for (size_t i = 0; i < ARRAY_SIZE(busy); i++) {
		busy[i] = world_client(w);
		WORLD_FEED(w, busy[i], "{\"method\":\"t.Echo\"}");
	}
	world_peer = (struct control_peer){.uid = 0, .pid = 1};
	root = world_client(w);
	assert_int_equal(send(root, "{\"method\":\"t.Fail\"}", 20, MSG_NOSIGNAL), 20);
	hear_beside(w, root, &text, busy, ARRAY_SIZE(busy));
	assert_non_null(strstr(buf_text(&text), "asafo.NotActive"));
	/* Nor does who looks push root out again, but one of his own kind. */
	world_peer = (struct control_peer){.uid = 1000, .gid = LOOK_GID, .pid = 5};
	looker = world_client(w);
	assert_int_equal(send(looker, "{\"method\":\"t.Echo\"}", 20, MSG_NOSIGNAL), 20);
	hear_beside(w, looker, &text, busy, ARRAY_SIZE(busy));
	assert_string_equal(buf_text(&text), "{\"parameters\":{}}|");
	WORLD_FEED(w, root, "{\"method\":\"t.Fail\"}");
	assert_non_null(strstr(world_heard(w, root, &text), "asafo.NotActive"));
	for (size_t i = 0; i < ARRAY_SIZE(busy); i++)
		cleanup_close(&busy[i]);
}

static void root_gets_in_where_all_are_at_work(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int looker = world_client(w);
	struct control_call *calls[CONTROL_CLIENTS_RESERVED + 2];
	int roots[CONTROL_CLIENTS_RESERVED + 1];

	control_server_set_limits(w->server,
				  &(struct control_limits){10000, 1, CONTROL_REPLY_MAX, 60000});
	world_peer.gid = LOOK_GID;
	WORLD_FEED(w, looker, "{\"method\":\"t.Wait\"}");
	calls[0] = w->waiting;
	world_peer = (struct control_peer){.uid = 0, .pid = 1};
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		roots[i] = world_client(w);
		WORLD_FEED(w, roots[i], "{\"method\":\"t.Wait\"}");
		(void)world_heard(w, roots[i], &text);
		calls[i + 1] = w->waiting;
		assert_true(i == CONTROL_CLIENTS_RESERVED || text.size == 0);
	}
	assert_non_null(strstr(buf_text(&text), "asafo.Busy"));
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
		cleanup_close(&roots[i]);
	for (size_t i = 0; i <= CONTROL_CLIENTS_RESERVED; i++)
		control_call_reply(calls[i], NULL);
}

static void who_hung_up_makes_room_before_who_is_idle(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int idle = world_client(w), gone = world_client(w), third = -1;

	control_server_set_limits(w->server,
				  &(struct control_limits){10000, 2, CONTROL_REPLY_MAX, 0});
	world_pump(w);
	/* The next one is there before the server hears of the end. */
	third = world_client(w);
	assert_int_equal(send(third, "{\"method\":\"t.Echo\"}", 20, MSG_NOSIGNAL), 20);
	cleanup_close(&gone);
	assert_string_equal(world_heard(w, third, &text), "{\"parameters\":{}}|");
	WORLD_FEED(w, idle, "{\"method\":\"t.Echo\"}");
	assert_string_equal(world_heard(w, idle, &text), "{\"parameters\":{}}|");
}

static void random_bytes_harm_nobody(void **state)
{
	struct world *w = *state;
	_cleanup_(buf_done) struct buf text = {0};
	_cleanup_close_ int good = world_client(w);
	unsigned seed = 4711;

	for (int i = 0; i < 300; i++) {
		_cleanup_close_ int fd = world_client(w);
		char bytes[512];

		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = (char)rand_r(&seed);
		world_feed(w, fd, bytes, sizeof(bytes));
	}
	WORLD_FEED(w, good, "{\"method\":\"t.Echo\"}");
	assert_string_equal(world_heard(w, good, &text), "{\"parameters\":{}}|");
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(a_request_is_answered_with_its_result),
		IN_WORLD(a_request_may_come_byte_by_byte),
		IN_WORLD(pipelined_requests_are_answered_in_order),
		IN_WORLD(a_hundred_thousand_pipelined_requests_are_all_answered),
		IN_WORLD(progress_reaches_only_who_asked_for_it),
		IN_WORLD(an_unknown_method_is_an_error_and_no_more),
		IN_WORLD(what_is_no_request_is_refused_and_the_connection_closed),
		IN_WORLD(too_many_values_are_refused_before_they_cost_memory),
		IN_WORLD(a_request_beyond_the_limit_is_refused),
		IN_WORLD(descriptors_come_with_their_request),
		IN_WORLD(descriptors_that_nobody_takes_are_closed),
		IN_WORLD(too_many_or_late_descriptors_are_refused),
		IN_WORLD(who_may_only_look_changes_nothing),
		IN_WORLD(who_is_in_no_group_is_denied_before_the_request_is_read),
		cmocka_unit_test(rights_come_from_root_and_the_two_groups),
		cmocka_unit_test(the_kernel_says_who_a_peer_is),
		IN_WORLD(a_call_whose_client_vanished_ends_harmlessly),
		IN_WORLD(a_call_outlives_its_server),
		IN_WORLD(a_client_that_sends_no_more_still_gets_its_answers),
		IN_WORLD(a_request_that_never_ends_is_cut),
		IN_WORLD(a_client_that_reads_nothing_is_cut),
		IN_WORLD(a_result_beyond_the_limit_becomes_an_error),
		IN_WORLD(an_idle_client_makes_room_and_a_working_one_does_not),
		IN_WORLD(who_has_just_come_is_not_closed_for_the_next_one),
		IN_WORLD(callers_without_a_right_keep_no_place),
		IN_WORLD(who_only_looks_keeps_nobody_out),
		IN_WORLD(root_gets_in_where_all_are_at_work),
		IN_WORLD(who_hung_up_makes_room_before_who_is_idle),
		IN_WORLD(random_bytes_harm_nobody),
	};

	return cmocka_run_group_tests_name("control server", tests, NULL, NULL);
}
