/* SPDX-License-Identifier: Apache-2.0 */
#include "base/baton.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#define TRIES 100u

static bool is_over(unsigned *n)
{
	return errno != EINTR && ++*n >= TRIES;
}

int baton_give(int fd)
{
	static const uint64_t one = 1;
	unsigned n_failures = 0;

	/* What was given before was taken: an eventfd has room. */
	while (write(fd, &one, sizeof(one)) < 0)
		if (is_over(&n_failures))
			return -errno;
	return 0;
}

int baton_take(int fd)
{
	unsigned n_failures = 0;
	uint64_t n;

	while (read(fd, &n, sizeof(n)) < 0)
		if (is_over(&n_failures))
			return -errno;
	return 0;
}
