/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever waits for the kernel waits in a thread of its own, and in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "failover/rtnl.h"

#define BREATHS 5u

/* A kernel that makes the thread wait until somebody lets it go on. */
struct world {
	struct rtnl *rtnl;
	int gate[2];
	unsigned n_breaths, n_done;
	unsigned breaths_to_open; /* 0: no breath lets it go on */
	bool asks;		  /* that breath asks whether it is done, when it is */
	pthread_t doer;
};

static void let_go(const struct world *world)
{
	assert_int_equal(write(world->gate[1], "x", 1), 1);
}

static void on_breath(void *userdata)
{
	struct world *world = userdata;

	if (++world->n_breaths != world->breaths_to_open)
		return;
	let_go(world);
	if (world->asks) {
		struct pollfd done = {.fd = rtnl_fd(world->rtnl), .events = POLLIN};

		assert_int_equal(poll(&done, 1, 10000), 1);
		assert_true(rtnl_is_busy(world->rtnl));
	}
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	assert_int_equal(pipe(world->gate), 0);
	assert_int_equal(rtnl_new(on_breath, world, &world->rtnl), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	rtnl_free(world->rtnl);
	(void)close(world->gate[0]);
	(void)close(world->gate[1]);
	free(world);
	return 0;
}

/* Returns how many were done before it. */
static int do_waiting(void *userdata)
{
	struct world *world = userdata;
	char byte;

	if (read(world->gate[0], &byte, 1) != 1)
		return -1;
	world->doer = pthread_self();
	return (int)world->n_done++;
}

static int do_at_once(void *userdata)
{
	struct world *world = userdata;

	world->doer = pthread_self();
	return (int)world->n_done++;
}

static void who_waits_for_the_kernel_breathes(void **state)
{
	struct world *world = *state;

	assert_int_equal(rtnl_start(world->rtnl), 0);
	world->breaths_to_open = BREATHS;
	assert_int_equal(rtnl_do(world->rtnl, do_waiting, world), 0);
	assert_true(world->n_breaths >= BREATHS);
	assert_false(pthread_equal(world->doer, pthread_self()));
	assert_false(rtnl_is_busy(world->rtnl));
}

/* The end is the news of who waits. */
static void a_breath_does_not_take_the_end_from_who_waits(void **state)
{
	struct world *world = *state;

	assert_int_equal(rtnl_start(world->rtnl), 0);
	world->breaths_to_open = BREATHS;
	world->asks = true;
	assert_int_equal(rtnl_do(world->rtnl, do_waiting, world), 0);
	assert_false(rtnl_is_busy(world->rtnl));
}

static void what_is_begun_holds_up_nobody(void **state)
{
	struct world *world = *state;

	assert_int_equal(rtnl_start(world->rtnl), 0);
	assert_false(rtnl_begin(world->rtnl, do_waiting, world));
	assert_true(rtnl_is_busy(world->rtnl));
	assert_int_equal(world->n_breaths, 0);
	let_go(world);
	rtnl_wait(world->rtnl);
	assert_false(rtnl_is_busy(world->rtnl));
	assert_int_equal(world->n_done, 1);
}

static void a_change_waits_for_what_was_begun_before_it(void **state)
{
	struct world *world = *state;

	assert_int_equal(rtnl_start(world->rtnl), 0);
	world->breaths_to_open = BREATHS;
	assert_false(rtnl_begin(world->rtnl, do_waiting, world));
	assert_int_equal(rtnl_do(world->rtnl, do_at_once, world), 1);
	assert_int_equal(world->n_done, 2);
	assert_true(world->n_breaths >= BREATHS);
}

static void who_ends_waits_for_what_is_under_way(void **state)
{
	struct world *world = *state;

	assert_int_equal(rtnl_start(world->rtnl), 0);
	world->breaths_to_open = BREATHS;
	assert_false(rtnl_begin(world->rtnl, do_waiting, world));
	rtnl_free(world->rtnl);
	world->rtnl = NULL;
	assert_int_equal(world->n_done, 1);
}

static void without_a_thread_all_is_done_at_once(void **state)
{
	struct world *world = *state;

	assert_true(rtnl_begin(world->rtnl, do_at_once, world));
	assert_true(pthread_equal(world->doer, pthread_self()));
	assert_int_equal(rtnl_do(world->rtnl, do_at_once, world), 1);
	assert_int_equal(rtnl_do(NULL, do_at_once, world), 2);
	assert_false(rtnl_is_busy(world->rtnl));
	assert_int_equal(world->n_breaths, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_waits_for_the_kernel_breathes),
		TEST(a_breath_does_not_take_the_end_from_who_waits),
		TEST(what_is_begun_holds_up_nobody),
		TEST(a_change_waits_for_what_was_begun_before_it),
		TEST(who_ends_waits_for_what_is_under_way),
		TEST(without_a_thread_all_is_done_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
