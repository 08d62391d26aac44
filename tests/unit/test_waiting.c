/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits for a handshake of his address to end, when the front takes nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/monotime.h"
#include "front/net/waiting.h"

#define MANY 3

static const struct source_key office = {{3}};

struct world {
	sd_event *event;
	struct sources *sources;
	struct waiting *waiting;
	struct waiting_limits limits;
	int clients[MANY];
	unsigned n_begun;
	bool is_full_after_one;
};

/* Its handshake is over at once. */
static void on_begin(const char *interface, int fd, const struct source_key *source, void *userdata)
{
	struct world *world = userdata;

	assert_string_equal(interface, "outside");
	world->n_begun++;
	sources_remove(world->sources, source);
	(void)close(fd);
	if (world->is_full_after_one)
		waiting_pause(world->waiting, true);
}

/* One of the office's shakes hands, MANY of it wait. */
static void world_start(struct world *world, unsigned wait_ms)
{
	int fds[2];

	*world = (struct world){.limits = {.places = 8, .wait_ms = wait_ms}};
	assert_true(sd_event_new(&world->event) >= 0);
	assert_int_equal(sources_new(1, &world->sources), 0);
	assert_int_equal(waiting_new(world->event, &world->limits, world->sources, on_begin, world,
				     &world->waiting),
			 0);
	assert_int_equal(sources_add(world->sources, &office), 0);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		world->clients[i] = fds[0];
		assert_int_equal(send(fds[0], "hello", 5, 0), 5);
		waiting_add(world->waiting, "outside", fds[1], &office);
	}
}

static void world_stop(struct world *world)
{
	waiting_free(world->waiting);
	sources_free(world->sources);
	sd_event_unref(world->event);
	for (size_t i = 0; i < MANY; i++) {
		if (world->clients[i] >= 0)
			(void)close(TAKE_FD(world->clients[i]));
	}
}

static void run_dry(struct world *world)
{
	int r;

	do
		r = sd_event_run(world->event, 0);
	while (r > 0);
	assert_int_equal(r, 0);
}

static void handshake_ends(struct world *world)
{
	sources_remove(world->sources, &office);
	waiting_wake(world->waiting);
}

static void nobody_begins_while_it_is_paused(void **state)
{
	struct world world;

	(void)state;
	world_start(&world, 20000);
	waiting_pause(world.waiting, true);
	handshake_ends(&world);
	run_dry(&world);
	assert_int_equal(world.n_begun, 0);
	waiting_pause(world.waiting, false);
	run_dry(&world);
	assert_int_equal(world.n_begun, MANY);
	world_stop(&world);
}

static void who_was_to_begin_does_not_when_it_is_paused_meanwhile(void **state)
{
	struct world world;

	(void)state;
	world_start(&world, 20000);
	handshake_ends(&world);
	waiting_pause(world.waiting, true);
	run_dry(&world);
	assert_int_equal(world.n_begun, 0);
	world_stop(&world);
}

static void who_takes_the_last_place_is_the_last_to_begin(void **state)
{
	struct world world;

	(void)state;
	world_start(&world, 20000);
	world.is_full_after_one = true;
	handshake_ends(&world);
	for (unsigned i = 1; i <= MANY; i++) {
		run_dry(&world);
		assert_int_equal(world.n_begun, i);
		waiting_pause(world.waiting, false);
	}
	world_stop(&world);
}

static void who_has_hung_up_behind_his_hello_does_not_begin(void **state)
{
	struct world world;

	(void)state;
	world_start(&world, 20000);
	(void)close(TAKE_FD(world.clients[0]));
	assert_int_equal(shutdown(world.clients[2], SHUT_WR), 0);
	handshake_ends(&world);
	run_dry(&world);
	assert_int_equal(world.n_begun, 1);
	/* Nor is he counted any more. */
	assert_int_equal(sources_add(world.sources, &office), 0);
	world_stop(&world);
}

static void who_waits_too_long_is_let_go_while_it_is_paused(void **state)
{
	struct world world;
	struct monotime end;
	char byte;

	(void)state;
	world_start(&world, 40);
	waiting_pause(world.waiting, true);
	end = monotime_add_ms(monotime_now(), 10000);
	while (recv(world.clients[MANY - 1], &byte, 1, MSG_DONTWAIT) < 0 &&
	       !monotime_reached(monotime_now(), end))
		assert_true(sd_event_run(world.event, UINT64_C(1000000)) >= 0);
	assert_false(monotime_reached(monotime_now(), end));
	assert_int_equal(world.n_begun, 0);
	world_stop(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_begins_while_it_is_paused),
		cmocka_unit_test(who_was_to_begin_does_not_when_it_is_paused_meanwhile),
		cmocka_unit_test(who_takes_the_last_place_is_the_last_to_begin),
		cmocka_unit_test(who_has_hung_up_behind_his_hello_does_not_begin),
		cmocka_unit_test(who_waits_too_long_is_let_go_while_it_is_paused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
