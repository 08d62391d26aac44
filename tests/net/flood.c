/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attacker on a data LAN: what looks like hellos, as fast as the machine makes them, to the
 * groups of the hellos, by IPv4 and IPv6. Usage: flood DEVICE SECONDS. Says how many it sent.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/monotime.h"

#define BATCH 64
#define SIZE 240
#define PORT 5105

static int open_socket(int family, const char *device)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) < 0)
		return -1;
	return fd;
}

/* A hello's clear header with another boot each time; half of them know the boot of the last one.
 */
static void fill(uint8_t *data, uint64_t n, uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	memset(data, (int)(*seed >> 33 & 0xff), SIZE);
	memcpy(data, "AFHO\1", 5);
	data[5] = (uint8_t)(1 + n % 2);
	data[6] = 1;
	data[7] = 0;
	if (n % 2)
		memcpy(data + 8, seed, sizeof(*seed));
	memcpy(data + 16, &n, sizeof(n));
}

static uint64_t send_batch(int fd, const struct sockaddr *to, socklen_t to_size, uint64_t n,
			   uint64_t *seed)
{
	static uint8_t data[BATCH][SIZE];
	struct mmsghdr messages[BATCH] = {0};
	struct iovec pieces[BATCH];
	int sent;

	for (size_t i = 0; i < BATCH; i++) {
		fill(data[i], n + i, seed);
		pieces[i] = (struct iovec){data[i], SIZE};
		messages[i].msg_hdr = (struct msghdr){.msg_name = (void *)(uintptr_t)to,
						      .msg_namelen = to_size,
						      .msg_iov = &pieces[i],
						      .msg_iovlen = 1};
	}
	sent = sendmmsg(fd, messages, BATCH, 0);
	return sent > 0 ? (uint64_t)sent : 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	struct monotime until;
	uint64_t n = 0, seed = 4711;
	int fd4, fd6;

	if (argc != 3)
		return EXIT_FAILURE;
	fd4 = open_socket(AF_INET, argv[1]);
	fd6 = open_socket(AF_INET6, argv[1]);
	if (fd4 < 0 || fd6 < 0 || inet_pton(AF_INET, "224.0.0.105", &to4.sin_addr) != 1 ||
	    inet_pton(AF_INET6, "ff02::105", &to6.sin6_addr) != 1) {
		perror("flood");
		return EXIT_FAILURE;
	}
	to6.sin6_scope_id = if_nametoindex(argv[1]);
	until = monotime_add_ms(monotime_now(), strtoul(argv[2], NULL, 10) * 1000);
	while (!monotime_reached(monotime_now(), until)) {
		n += send_batch(fd4, (const struct sockaddr *)&to4, sizeof(to4), n, &seed);
		n += send_batch(fd6, (const struct sockaddr *)&to6, sizeof(to6), n, &seed);
	}
	printf("%llu\n", (unsigned long long)n);
	return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
