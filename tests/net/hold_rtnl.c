/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds the kernel's RTNL lock, as `ip`, `ethtool` on slow hardware or a namespace that is torn
 * down do, but for so long as it is told. The kernel copies the names of a device's features to its
 * caller while it holds the lock; here they go to a page that is not there until this program gives
 * it (userfaultfd(2)), and so the lock is held until then. Usage: hold_rtnl MILLISECONDS. Says for
 * how many milliseconds it was held.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <linux/userfaultfd.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/monotime.h"

struct hold {
	uint8_t *pages; /* two: the second one is missing */
	size_t page;
	int error;
};

static int fail(const char *what)
{
	fprintf(stderr, "hold_rtnl: %s: %s\n", what, strerror(errno));
	return EXIT_FAILURE;
}

/* The question lies in the first page, at its end; the answer begins with the second. */
static void *ask(void *userdata)
{
	struct hold *hold = userdata;
	struct ethtool_gstrings *strings =
		(void *)(hold->pages + hold->page - sizeof(struct ethtool_gstrings));
	struct ifreq request = {.ifr_name = "lo", .ifr_data = (void *)strings};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*strings =
		(struct ethtool_gstrings){.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES};
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request) < 0)
		hold->error = errno;
	if (fd >= 0)
		(void)close(fd);
	return NULL;
}

static int watch_second_page(const struct hold *hold)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register reg = {
		.range = {.start = (uintptr_t)(hold->pages + hold->page), .len = hold->page},
		.mode = UFFDIO_REGISTER_MODE_MISSING};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &reg) < 0)
		return -1;
	return fd;
}

static void wait_ms(unsigned long ms)
{
	struct timespec span = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

	while (nanosleep(&span, &span) < 0 && errno == EINTR)
		;
}

int main(int argc, char **argv)
{
	struct hold hold = {.page = (size_t)sysconf(_SC_PAGESIZE)};
	struct uffdio_zeropage zero = {.range = {.len = hold.page}};
	struct uffd_msg fault;
	struct monotime begin;
	pthread_t thread;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: hold_rtnl MILLISECONDS\n");
		return EXIT_FAILURE;
	}
	hold.pages = mmap(NULL, 2 * hold.page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	if (hold.pages == MAP_FAILED)
		return fail("mmap");
	fd = watch_second_page(&hold);
	if (fd < 0)
		return fail("userfaultfd");
	if (pthread_create(&thread, NULL, ask, &hold) != 0)
		return fail("pthread_create");
	if (read(fd, &fault, sizeof(fault)) != sizeof(fault))
		return fail("no fault of the kernel's");
	begin = monotime_now();
	wait_ms(strtoul(argv[1], NULL, 10));
	zero.range.start = (uintptr_t)(hold.pages + hold.page);
	printf("%llu\n",
	       (unsigned long long)(monotime_since(monotime_now(), begin) / MONOTIME_NS_PER_MS));
	if (ioctl(fd, UFFDIO_ZEROPAGE, &zero) < 0)
		return fail("UFFDIO_ZEROPAGE");
	(void)pthread_join(thread, NULL);
	errno = hold.error;
	return hold.error ? fail("SIOCETHTOOL") : EXIT_SUCCESS;
}
