/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of clients that come while a front is not there: its listening sockets are kept for
 * the next one, and nothing else that it sends is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/monotime.h"
#include "front/listeners.h"
#include "front/net/listen_socket.h"
#include "kept.h"

struct world {
	sd_event *event;
	struct kept *kept;
	struct snapshot_listen where;
	struct snapshot snapshot;
	struct listeners *front;
	bool is_dead; /* what a front that is killed would have told nobody hears */
	unsigned n_accepted, n_prompt;
	unsigned busy_ms; /* with each that is accepted */
};

static void note(struct world *world, const char *name, int fd)
{
	struct ipc_frame frame = {.fds = {fd, -1, -1, -1}, .n_fds = fd >= 0};

	kept_note(&world->kept, name, &frame);
	ipc_frame_done(&frame);
}

static void on_keep(const char *endpoint, int fd, void *userdata)
{
	struct world *world = userdata;

	if (!world->is_dead)
		note(world, endpoint, fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1);
}

/* What is written leaves at once; what comes is acknowledged at once, too: a client that holds its
 * second segment back until the first is acknowledged waits for that. */
static bool is_prompt(int fd)
{
	int no_delay = 0, quick = 0;
	socklen_t size = sizeof(quick);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &quick, &size), 0);
	return no_delay != 0 && quick != 0;
}

static void on_accept(const char *interface, int fd, const struct sockaddr_storage *peer,
		      void *userdata)
{
	struct world *world = userdata;
	struct monotime end = monotime_add_ms(monotime_now(), world->busy_ms);

	(void)interface;
	(void)peer;
	while (!monotime_reached(monotime_now(), end))
		continue;
	world->n_accepted++;
	world->n_prompt += is_prompt(fd);
	(void)close(fd);
}

static void on_starved(int code, void *userdata)
{
	(void)userdata;
	fail_msg("starved: %s", strerror(-code));
}

static void on_forgotten(const char *name, int fd, void *userdata)
{
	(void)fd;
	assert_string_not_equal(name, (const char *)userdata);
}

static void front_start(struct world *world)
{
	static const struct listeners_ops ops = {on_accept, on_starved};

	world->is_dead = false;
	assert_int_equal(listeners_new(world->event, &ops, world, &world->front), 0);
	listeners_keep_with(world->front, on_keep, world);
}

static void front_die(struct world *world)
{
	world->is_dead = true;
	listeners_free(world->front);
	world->front = NULL;
}

static void on_one(const char *name, int fd, void *userdata)
{
	struct world *world = userdata;

	listeners_inherit(world->front, name, fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

/* An address of the loopback and a port that nobody has. */
static void place_choose(struct snapshot_listen *where)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	(void)close(fd);
	memcpy(where->address, &address.sin_addr, 4);
	where->address_size = 4;
	where->port = ntohs(address.sin_port);
}

static int client_connect(const struct world *world)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(world->where.port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(&address.sin_addr, world->where.address, 4);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	(void)close(fd);
	return -errno;
}

static void turn_until_accepted(struct world *world, unsigned n)
{
	for (int i = 0; i < 200 && world->n_accepted < n; i++)
		assert_true(sd_event_run(world->event, 50000) >= 0);
	assert_int_equal(world->n_accepted, n);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_int_equal(sd_event_new(&world->event), 0);
	place_choose(&world->where);
	world->snapshot.listens = &world->where;
	world->snapshot.n_listens = 1;
	front_start(world);
	listeners_apply(world->front, &world->snapshot);
	listeners_pause(world->front, false);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	world->is_dead = true;
	listeners_free(world->front);
	kept_drop(&world->kept);
	(void)sd_event_unref(world->event);
	free(world);
	return 0;
}

static void a_client_that_comes_while_no_front_is_there_is_served_by_the_next(void **state)
{
	struct world *world = *state;
	int client;

	front_die(world);
	client = client_connect(world);
	assert_true(client >= 0);
	front_start(world);
	kept_each(world->kept, on_one, world);
	listeners_apply(world->front, &world->snapshot);
	listeners_pause(world->front, false);
	turn_until_accepted(world, 1);
	(void)close(client);
	/* And so after its own death. */
	front_die(world);
	client = client_connect(world);
	assert_true(client >= 0);
	(void)close(client);
}

/* Also one that came while nobody was there to say so. */
static void each_connection_speaks_and_acknowledges_at_once(void **state)
{
	struct world *world = *state;
	int first = client_connect(world), second;

	turn_until_accepted(world, 1);
	front_die(world);
	second = client_connect(world);
	front_start(world);
	kept_each(world->kept, on_one, world);
	listeners_apply(world->front, &world->snapshot);
	listeners_pause(world->front, false);
	turn_until_accepted(world, 2);
	assert_int_equal(world->n_prompt, 2);
	(void)close(first);
	(void)close(second);
}

/* Those that are served wait no longer than for one of them. */
static void a_storm_of_long_handshakes_leaves_the_loop_to_others_in_between(void **state)
{
	struct world *world = *state;
	int clients[3];

	world->busy_ms = 10;
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		clients[i] = client_connect(world);
	for (unsigned i = 1; i <= ARRAY_SIZE(clients); i++) {
		assert_true(sd_event_run(world->event, 5000000) > 0);
		assert_int_equal(world->n_accepted, i);
	}
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		(void)close(clients[i]);
}

static void what_is_not_wanted_any_more_is_let_go(void **state)
{
	struct world *world = *state;
	struct snapshot nothing = {0};

	front_die(world);
	front_start(world);
	kept_each(world->kept, on_one, world);
	listeners_apply(world->front, &nothing);
	assert_null(world->kept);
	assert_int_equal(client_connect(world), -ECONNREFUSED);
}

static void an_address_that_is_taken_away_is_not_kept(void **state)
{
	struct world *world = *state;
	struct snapshot nothing = {0};

	assert_non_null(world->kept);
	listeners_apply(world->front, &nothing);
	assert_null(world->kept);
	assert_int_equal(client_connect(world), -ECONNREFUSED);
}

static void who_waits_is_refused_when_the_sockets_are_dropped(void **state)
{
	struct world *world = *state;

	front_die(world);
	kept_drop(&world->kept);
	assert_int_equal(client_connect(world), -ECONNREFUSED);
}

static void only_what_listens_is_kept(void **state)
{
	struct world *world = *state;
	int pair[2];

	front_die(world);
	kept_drop(&world->kept);
	note(world, "a socket that is bound to nothing", socket(AF_INET, SOCK_STREAM, 0));
	note(world, "a datagram socket", socket(AF_INET, SOCK_DGRAM, 0));
	note(world, "a file", open("/dev/null", O_RDONLY));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	note(world, "a connection", pair[0]);
	(void)close(pair[1]);
	assert_null(world->kept);
}

static void one_with_a_name_that_is_no_address_is_kept_by_nobody(void **state)
{
	struct world *world = *state;
	char name[80];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	front_die(world);
	kept_drop(&world->kept);
	assert_int_equal(listen(fd, 1), 0);
	note(world, name, fcntl(fd, F_DUPFD_CLOEXEC, 0));
	assert_null(world->kept);
	name[63] = 0;
	note(world, name, fd);
	assert_non_null(world->kept);
	front_start(world);
	kept_each(world->kept, on_one, world);
	listeners_apply(world->front, &world->snapshot);
	kept_each(world->kept, on_forgotten, name);
}

static void one_that_hears_a_single_device_is_not_used(void **state)
{
	struct world *world = *state;
	struct sockaddr_in address = {.sin_family = AF_INET};
	int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	front_die(world);
	kept_drop(&world->kept);
	memcpy(&address.sin_addr, world->where.address, 4);
	address.sin_port = htons(world->where.port);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_true(listen_socket_inherit(fd, &world->where));
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2), 0);
	assert_false(listen_socket_inherit(fd, &world->where));
	(void)close(fd);
}

static void a_socket_under_the_name_of_another_is_not_used(void **state)
{
	struct world *world = *state;
	struct snapshot_listen other = {0};
	char endpoint[SNAPSHOT_ENDPOINT_MAX];
	int fd, client;

	front_die(world);
	kept_drop(&world->kept);
	place_choose(&other);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(listen(fd, 1), 0);
	snapshot_endpoint(&world->where, endpoint);
	note(world, endpoint, fd);
	assert_non_null(world->kept);
	front_start(world);
	kept_each(world->kept, on_one, world);
	listeners_apply(world->front, &world->snapshot);
	listeners_pause(world->front, false);
	client = client_connect(world);
	assert_true(client >= 0);
	turn_until_accepted(world, 1);
	(void)close(client);
}

static void on_counted(const char *name, int fd, void *userdata)
{
	(void)name;
	(void)fd;
	++*(unsigned *)userdata;
}

static void not_more_than_64_are_kept(void **state)
{
	struct world *world = *state;
	unsigned n = 0;

	for (int i = 0; i < 80; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		char name[16];

		assert_int_equal(listen(fd, 1), 0);
		(void)snprintf(name, sizeof(name), "%d", i);
		note(world, name, fd);
	}
	kept_each(world->kept, on_counted, &n);
	assert_int_equal(n, 64);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_client_that_comes_while_no_front_is_there_is_served_by_the_next),
		TEST(each_connection_speaks_and_acknowledges_at_once),
		TEST(a_storm_of_long_handshakes_leaves_the_loop_to_others_in_between),
		TEST(what_is_not_wanted_any_more_is_let_go),
		TEST(an_address_that_is_taken_away_is_not_kept),
		TEST(who_waits_is_refused_when_the_sockets_are_dropped),
		TEST(only_what_listens_is_kept),
		TEST(one_with_a_name_that_is_no_address_is_kept_by_nobody),
		TEST(one_that_hears_a_single_device_is_not_used),
		TEST(a_socket_under_the_name_of_another_is_not_used),
		TEST(not_more_than_64_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
