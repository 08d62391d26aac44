/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "front/net/poller.h"

#define MANY 200

struct client {
	struct poller_entry entry;
	struct client *other; /* removed by this one's callback */
	unsigned n_served;
	bool is_read, is_closing; /* it reads; it closes the other one, too */
	int fd;
};

struct world {
	sd_event *event;
	struct poller *poller;
	struct client clients[MANY];
	unsigned n_deferred;
};

static void on_client(uint32_t events, void *userdata)
{
	struct client *client = userdata;
	uint64_t value;

	assert_true((events & EPOLLIN) != 0);
	client->n_served++;
	if (client->is_read)
		assert_int_equal(read(client->fd, &value, sizeof(value)), sizeof(value));
	if (client->other && client->is_closing) {
		poller_close(&client->other->entry);
		client->other->fd = -1;
	} else if (client->other) {
		poller_remove(&client->other->entry);
	}
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	assert_true(sd_event_new(&world->event) >= 0);
	assert_int_equal(poller_new(world->event, &world->poller), 0);
	for (unsigned i = 0; i < MANY; i++) {
		struct client *client = &world->clients[i];

		client->is_read = true;
		client->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_true(client->fd >= 0);
		assert_int_equal(poller_add(world->poller, &client->entry, client->fd, EPOLLIN,
					    on_client, client),
				 0);
	}
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < MANY; i++) {
		poller_remove(&world->clients[i].entry);
		if (world->clients[i].fd >= 0)
			(void)close(world->clients[i].fd);
	}
	poller_free(world->poller);
	sd_event_unref(world->event);
	free(world);
	return 0;
}

static unsigned served(const struct world *world)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MANY; i++)
		n += world->clients[i].n_served > 0;
	return n;
}

static void a_few_turns_of_the_loop_serve_all_that_are_ready(void **state)
{
	struct world *world = *state;
	unsigned n = 0;

	while (sd_event_run(world->event, 0) > 0)
		n++;
	assert_int_equal(served(world), MANY);
	assert_true(n < MANY / 10);
}

static void nobody_is_served_twice_before_all_are_served_once(void **state)
{
	struct world *world = *state;

	/* They stay ready. */
	for (unsigned i = 0; i < MANY; i++)
		world->clients[i].is_read = false;
	while (served(world) < MANY)
		assert_true(sd_event_run(world->event, 0) > 0);
	for (unsigned i = 0; i < MANY; i++)
		assert_true(world->clients[i].n_served <= 2);
}

static void one_that_another_removed_is_not_called(void **state)
{
	struct world *world = *state;

	/* Whoever of the two comes first removes the other. */
	for (unsigned i = 0; i < MANY; i++)
		world->clients[i].other = &world->clients[i ^ 1u];
	while (sd_event_run(world->event, 0) > 0)
		;
	assert_int_equal(served(world), MANY / 2);
}

static void one_that_another_closed_is_not_called(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < MANY; i++) {
		world->clients[i].other = &world->clients[i ^ 1u];
		world->clients[i].is_closing = true;
	}
	while (sd_event_run(world->event, 0) > 0)
		;
	assert_int_equal(served(world), MANY / 2);
}

static int on_other_source(sd_event_source *source, void *userdata)
{
	struct world *world = userdata;

	(void)source;
	world->n_deferred++;
	return 0;
}

static void other_sources_have_their_turn_between_two_batches(void **state)
{
	struct world *world = *state;
	sd_event_source *source = NULL;

	for (unsigned i = 0; i < MANY; i++)
		world->clients[i].is_read = false;
	assert_true(sd_event_add_defer(world->event, &source, on_other_source, world) >= 0);
	for (unsigned i = 0; i < 4; i++)
		assert_true(sd_event_run(world->event, 0) > 0);
	assert_int_equal(world->n_deferred, 1);
	sd_event_source_unref(source);
}

static void what_is_not_waited_for_is_not_heard(void **state)
{
	struct world *world = *state;

	for (unsigned i = 1; i < MANY; i++)
		assert_int_equal(poller_set(&world->clients[i].entry, 0), 0);
	while (sd_event_run(world->event, 0) > 0)
		;
	assert_int_equal(served(world), 1);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(poller_set(&world->clients[i].entry, EPOLLIN), 0);
	while (sd_event_run(world->event, 0) > 0)
		;
	assert_int_equal(served(world), MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_few_turns_of_the_loop_serve_all_that_are_ready,
						setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_is_served_twice_before_all_are_served_once,
						setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_another_removed_is_not_called, setup,
						teardown),
		cmocka_unit_test_setup_teardown(one_that_another_closed_is_not_called, setup,
						teardown),
		cmocka_unit_test_setup_teardown(other_sources_have_their_turn_between_two_batches,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_waited_for_is_not_heard, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
