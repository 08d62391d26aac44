/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP connection whose server side vanishes without a word, as with the unit that had it: the
 * listener is there, the connection is not known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include "base/monotime.h"
#include "failover/frame.h"
#include "failover/vpn/tickle.h"
#include "netns.h"

#define WAIT_MS 10000

/* Both families at once: the size of a socket address says which. */
struct ends {
	struct sockaddr_storage server;
	socklen_t size;
	int listener, accepted, client;
};

static struct tickle_flow flow_of(const struct ends *ends)
{
	struct tickle_flow flow = {0};
	struct sockaddr_storage client;
	socklen_t size = sizeof(client);

	assert_int_equal(getsockname(ends->client, (struct sockaddr *)&client, &size), 0);
	if (client.ss_family == AF_INET) {
		const struct sockaddr_in *own = (const struct sockaddr_in *)&client;
		const struct sockaddr_in *peer = (const struct sockaddr_in *)&ends->server;

		flow.client.size = flow.local.size = 4;
		memcpy(flow.client.bytes, &own->sin_addr, 4);
		memcpy(flow.local.bytes, &peer->sin_addr, 4);
		flow.client_port = ntohs(own->sin_port);
		flow.local_port = ntohs(peer->sin_port);
	} else {
		const struct sockaddr_in6 *own = (const struct sockaddr_in6 *)&client;
		const struct sockaddr_in6 *peer = (const struct sockaddr_in6 *)&ends->server;

		flow.client.size = flow.local.size = 16;
		memcpy(flow.client.bytes, &own->sin6_addr, 16);
		memcpy(flow.local.bytes, &peer->sin6_addr, 16);
		flow.client_port = ntohs(own->sin6_port);
		flow.local_port = ntohs(peer->sin6_port);
	}
	return flow;
}

/* An IPv6 address is there only when the kernel's own work on it is done, also without a check for
 * duplicates: until then there is no way from it or to it. */
static int connect_when_there(int fd, const struct sockaddr_storage *to, socklen_t size)
{
	struct monotime end = monotime_add_ms(monotime_now(), 10000);
	int r;

	do {
		r = connect(fd, (const struct sockaddr *)to, size);
		(void)sched_yield();
	} while (r < 0 && (errno == EADDRNOTAVAIL || errno == ENETUNREACH) &&
		 !monotime_reached(monotime_now(), end));
	return r;
}

static void ends_open(struct ends *ends, int family)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ends->server;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ends->server;

	*ends = (struct ends){0};
	ends->server.ss_family = (sa_family_t)family;
	ends->size = family == AF_INET ? sizeof(*v4) : sizeof(*v6);
	if (family == AF_INET)
		assert_int_equal(inet_pton(AF_INET, "10.0.0.1", &v4->sin_addr), 1);
	else
		assert_int_equal(inet_pton(AF_INET6, "fd00::1", &v6->sin6_addr), 1);
	ends->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(ends->listener, (struct sockaddr *)&ends->server, ends->size), 0);
	assert_int_equal(listen(ends->listener, 5), 0);
	assert_int_equal(getsockname(ends->listener, (struct sockaddr *)&ends->server, &ends->size),
			 0);
	ends->client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect_when_there(ends->client, &ends->server, ends->size), 0);
	ends->accepted = accept4(ends->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(ends->accepted >= 0);
	assert_int_equal(send(ends->client, "hello", 5, 0), 5);
}

/* In repair mode a socket is closed without a segment (tcp(7)). */
static void server_vanishes(struct ends *ends)
{
	int on = 1;

	assert_int_equal(setsockopt(ends->accepted, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)), 0);
	(void)close(ends->accepted);
}

static int client_error(const struct ends *ends, int wait_ms)
{
	struct pollfd pfd = {.fd = ends->client, .events = POLLIN};
	int error = 0;
	socklen_t size = sizeof(error);

	if (poll(&pfd, 1, wait_ms) == 0)
		return 0;
	assert_int_equal(getsockopt(ends->client, SOL_SOCKET, SO_ERROR, &error, &size), 0);
	return error;
}

static void ends_close(struct ends *ends)
{
	(void)close(ends->client);
	(void)close(ends->listener);
}

static void is_reset(int family)
{
	struct ends ends;
	struct tickler *tickler;
	struct tickle_flow *flows = malloc(sizeof(*flows));
	sd_event *event;

	assert_int_equal(sd_event_new(&event), 0);
	assert_int_equal(tickler_new(event, &tickler), 0);
	ends_open(&ends, family);
	server_vanishes(&ends);
	assert_int_equal(client_error(&ends, 0), 0);
	assert_non_null(flows);
	flows[0] = flow_of(&ends);
	tickler_start(tickler, flows, 1);
	assert_int_equal(client_error(&ends, WAIT_MS), ECONNRESET);
	ends_close(&ends);
	tickler_free(tickler);
	(void)sd_event_unref(event);
}

static void a_client_of_a_connection_that_is_gone_is_reset(void **state)
{
	(void)state;
	is_reset(AF_INET);
}

static void so_is_one_over_ipv6(void **state)
{
	(void)state;
	is_reset(AF_INET6);
}

/* Who has come back already, or never left, notices nothing. */
static void a_connection_that_lives_is_not_disturbed(void **state)
{
	struct ends ends;
	struct tickler *tickler;
	struct tickle_flow *flows = malloc(sizeof(*flows));
	sd_event *event;
	char byte[8];

	(void)state;
	assert_int_equal(sd_event_new(&event), 0);
	assert_int_equal(tickler_new(event, &tickler), 0);
	ends_open(&ends, AF_INET);
	assert_non_null(flows);
	flows[0] = flow_of(&ends);
	tickler_start(tickler, flows, 1);
	assert_int_equal(send(ends.accepted, "still", 5, 0), 5);
	assert_int_equal(recv(ends.client, byte, sizeof(byte), 0), 5);
	assert_int_equal(recv(ends.accepted, byte, sizeof(byte), 0), 5);
	assert_int_equal(client_error(&ends, 0), 0);
	(void)close(ends.accepted);
	ends_close(&ends);
	tickler_free(tickler);
	(void)sd_event_unref(event);
}

/* More than a turn of the loop sends. */
static void many_are_sent_to_a_few_at_a_time(void **state)
{
	enum { N = 200 };
	static struct ends ends[N];
	struct tickler *tickler;
	struct tickle_flow *flows = calloc(N, sizeof(*flows));
	sd_event *event;

	(void)state;
	assert_non_null(flows);
	assert_int_equal(sd_event_new(&event), 0);
	assert_int_equal(tickler_new(event, &tickler), 0);
	for (size_t i = 0; i < N; i++) {
		ends_open(&ends[i], i % 2 ? AF_INET : AF_INET6);
		server_vanishes(&ends[i]);
		flows[i] = flow_of(&ends[i]);
	}
	tickler_start(tickler, flows, N);
	assert_int_equal(client_error(&ends[N - 1], 0), 0);
	while (client_error(&ends[N - 1], 0) == 0)
		assert_true(sd_event_run(event, WAIT_MS * 1000ull) >= 0);
	for (size_t i = 0; i < N; i++) {
		if (i < N - 1)
			assert_int_equal(client_error(&ends[i], WAIT_MS), ECONNRESET);
		ends_close(&ends[i]);
	}
	tickler_free(tickler);
	(void)sd_event_unref(event);
}

static void a_segment_has_its_checksums(void **state)
{
	uint8_t packet[TICKLE_SEGMENT_MAX], pseudo[36] = {0};
	struct tickle_flow flow = {.local = {.bytes = {198, 51, 100, 10}, .size = 4},
				   .client = {.bytes = {198, 51, 100, 20}, .size = 4},
				   .local_port = 443,
				   .client_port = 40000};

	(void)state;
	assert_int_equal(tickle_segment(&flow, packet), 40);
	assert_int_equal(frame_checksum(0, packet, 20), 0);
	memcpy(pseudo, packet + 12, 8);
	pseudo[33] = IPPROTO_TCP;
	pseudo[35] = 20;
	assert_int_equal(frame_checksum((uint16_t)~frame_checksum(0, pseudo, 36), packet + 20, 20),
			 0);
	assert_int_equal(packet[20] << 8 | packet[21], 443);
	assert_int_equal(packet[33], 0x10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_has_its_checksums),
		cmocka_unit_test(a_client_of_a_connection_that_is_gone_is_reset),
		cmocka_unit_test(so_is_one_over_ipv6),
		cmocka_unit_test(a_connection_that_lives_is_not_disturbed),
		cmocka_unit_test(many_are_sent_to_a_few_at_a_time),
	};

	netns_enter_or_skip();
	if (netns_run("ip address add 10.0.0.1/32 dev lo") != 0 ||
	    netns_run("ip -6 address add fd00::1/128 dev lo nodad") != 0)
		return NETNS_SKIP;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
