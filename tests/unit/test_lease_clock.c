/* SPDX-License-Identifier: Apache-2.0 */
/* When leases are renewed, so that the kernel ends them when it should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "failover/lease_clock.h"

#define MS MONOTIME_NS_PER_MS
#define SECOND MONOTIME_NS_PER_SEC

/* The stamp that the kernel gives at NOW where its stamps began at START. */
static uint32_t stamp_of(uint64_t now_ns, uint64_t start_ns)
{
	return (uint32_t)((now_ns - start_ns) / (10 * MS));
}

static struct lease_clock clock_of(uint64_t hz, uint64_t start_ns, uint64_t now_ns)
{
	struct lease_clock clock;

	lease_clock_init(&clock, hz);
	lease_clock_learn(&clock, stamp_of(now_ns, start_ns), (struct monotime){now_ns});
	return clock;
}

/* As the kernel counts: its ticks begin 300 s below 2^32, and full seconds are multiples of HZ. */
static uint64_t kernels_phase_ns(uint64_t hz, uint64_t start_ns, uint64_t now_ns, unsigned cpu)
{
	uint64_t passed_ns = now_ns - start_ns;
	uint64_t ticks = (UINT64_C(1) << 32) - 300 * hz + passed_ns / SECOND * hz +
			 passed_ns % SECOND * hz / SECOND + 3 * (uint64_t)cpu;

	return ticks % hz * SECOND / hz;
}

static void no_lease_is_renewed_in_the_last_quarter_of_a_second_of_the_kernel(void **state)
{
	static const uint64_t HZ[] = {100, 250, 300, 1000};
	static const uint64_t STARTS[] = {0, 249 * MS, 3 * SECOND + 731 * MS};

	(void)state;
	for (size_t i = 0; i < sizeof(HZ) / sizeof(HZ[0]) * 3; i++) {
		uint64_t hz = HZ[i / 3], start_ns = STARTS[i % 3];
		/* Longer than stamps go without beginning anew. */
		struct monotime now = {500 * 86400 * SECOND + i * 137 * MS};
		struct lease_clock clock = clock_of(hz, start_ns, now.ns);
		unsigned cpu = 11 * (unsigned)i;

		for (unsigned n = 0; n < 1000; n++) {
			struct monotime next;
			uint64_t latest_ns;

			assert_true(lease_clock_next(&clock, now, cpu, &next));
			assert_true(next.ns > now.ns && next.ns <= now.ns + 400 * MS);
			/* A stamp is up to a hundredth of a second old, and so is a tick. */
			latest_ns = next.ns + LEASE_CLOCK_SLACK_MS * MS;
			assert_true(kernels_phase_ns(hz, start_ns, latest_ns, cpu) < 730 * MS);
			now.ns = next.ns + n % 300 * MS;
		}
	}
}

static void the_soonest_told_of_an_address_is_believed(void **state)
{
	uint64_t now_ns = 1000 * SECOND;
	struct lease_clock clock = clock_of(250, 0, now_ns);
	uint64_t phase_ns = lease_clock_phase_ns(&clock, (struct monotime){now_ns}, 0);

	(void)state;
	/* Of one that was set long ago: this clock is known already. */
	lease_clock_learn(&clock, 5, (struct monotime){now_ns});
	assert_int_equal(lease_clock_phase_ns(&clock, (struct monotime){now_ns}, 0), phase_ns);
	/* The first was read late. */
	lease_clock_learn(&clock, stamp_of(now_ns, 0) + 3, (struct monotime){now_ns});
	assert_int_equal(lease_clock_phase_ns(&clock, (struct monotime){now_ns}, 0),
			 phase_ns + 30 * MS);
}

static void a_clock_that_was_told_nothing_says_nothing(void **state)
{
	struct lease_clock clock;
	struct monotime next;

	(void)state;
	lease_clock_init(&clock, 250);
	assert_false(lease_clock_next(&clock, (struct monotime){SECOND}, 0, &next));
	lease_clock_init(&clock, 1000000);
	lease_clock_learn(&clock, 1, (struct monotime){SECOND});
	assert_false(lease_clock_next(&clock, (struct monotime){SECOND}, 0, &next));
}

static void the_ticks_of_this_machine_are_known(void **state)
{
	struct lease_clock clock;

	(void)state;
	lease_clock_init(&clock, 0);
	assert_true(clock.hz >= 24 && clock.hz <= 1200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_lease_is_renewed_in_the_last_quarter_of_a_second_of_the_kernel),
		cmocka_unit_test(the_soonest_told_of_an_address_is_believed),
		cmocka_unit_test(a_clock_that_was_told_nothing_says_nothing),
		cmocka_unit_test(the_ticks_of_this_machine_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
