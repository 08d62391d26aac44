/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a role's addresses take: claimed in one batch, announced, renewed, given back, withdrawn
 * as after a crash. On a veth in a network namespace of its own, with the kernel as the judge: the
 * other end counts who was announced, and when the last one was heard.
 *   tests/bench/addresses [ADDRESSES [RUNS [4|6]]]      JSON on stdout; needs root
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "base/monotime.h"
#include "failover/announce.h"
#include "failover/vip.h"
#include "tests/unit/netns.h"

#define ADDRESSES_MAX 1000
#define RUNS_MAX 1000

enum phase { CLAIM, ANNOUNCE, BOTH, HEARD, RENEW, RELEASE, WITHDRAW, PHASE__MAX };

static const char *const names[PHASE__MAX] = {
	[CLAIM] = "claim",	 [ANNOUNCE] = "announce", [BOTH] = "claim_and_announce",
	[HEARD] = "all_heard",	 [RENEW] = "renew",	  [RELEASE] = "release",
	[WITHDRAW] = "withdraw",
};

struct bench {
	sd_event *event;
	struct vip *vip;
	struct announcer *announcer;
	int ear;
	struct vip_address *addresses;
	size_t n;
	int family; /* of all of them; 0: half of each */
	double ms[PHASE__MAX][RUNS_MAX];
};

/* The first is as an interface's own, the others as its secondary ones. */
static void addresses_fill(struct bench *bench)
{
	for (size_t i = 0; i < bench->n; i++) {
		struct vip_address *address = &bench->addresses[i];
		char text[INET6_ADDRSTRLEN];
		bool is_v6 = bench->family ? bench->family == AF_INET6 : i % 2 == 1;

		*address = (struct vip_address){
			.device = "va", .interface = "outside", .is_active = true};
		(void)snprintf(text, sizeof(text), is_v6 ? "2001:db8:100::%zx" : "10.100.%zu.%zu",
			       is_v6 ? i + 1 : i / 250, 1 + i % 250);
		address->address.family = is_v6 ? AF_INET6 : AF_INET;
		address->address.prefix_length = is_v6 ? 64 : 16;
		(void)inet_pton(address->address.family, text, address->address.bytes);
	}
}

static int ear_open(void)
{
	struct sockaddr_ll where = {.sll_family = AF_PACKET,
				    .sll_protocol = htons(ETH_P_ALL),
				    .sll_ifindex = (int)if_nametoindex("vb")};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int size = 16 * 1024 * 1024;

	if (fd < 0 || bind(fd, (struct sockaddr *)&where, sizeof(where)) < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fd;
}

/* The packets that wait. Counts announcements: ARP requests, advertisements. */
static size_t ear_take(int fd)
{
	uint8_t bytes[2048];
	size_t heard = 0;
	ssize_t size;

	while ((size = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		bool is_arp = size >= 42 && bytes[12] == 0x08 && bytes[13] == 0x06;
		bool is_na = size >= 78 && bytes[12] == 0x86 && bytes[13] == 0xdd &&
			     bytes[20] == 58 && bytes[54] == 136;

		heard += is_arp || is_na;
	}
	return heard;
}

static double ms_since(struct monotime begin)
{
	return (double)monotime_since(monotime_now(), begin) / 1e6;
}

/* IPv6 is at work on a device once it has its link-local address. */
static bool is_ready_soon(void)
{
	struct monotime until = monotime_add_ms(monotime_now(), 5000);
	char text[1024] = "";

	while (!strstr(text, "fe80:") && !monotime_reached(monotime_now(), until))
		(void)netns_capture("ip -6 addr show dev va", text, sizeof(text));
	return strstr(text, "fe80:") != NULL;
}

/*
 * Devices that are new: for some seconds the kernel remembers each multicast group that an address
 * left behind (RFC 3810 section 6.1), and every later address of the device is compared with all of
 * them. A pair does not fail over 30 times in that time.
 */
static int devices_renew(struct bench *bench)
{
	(void)netns_run("ip link del va");
	if (netns_run("ip link add va type veth peer name vb") != 0 ||
	    netns_run("ip link set va up") != 0 || netns_run("ip link set vb up") != 0)
		return -1;
	if (!is_ready_soon())
		return -1;
	if (bench->ear >= 0)
		(void)close(bench->ear);
	bench->ear = ear_open();
	return bench->ear < 0 ? -1 : 0;
}

static int run_once(struct bench *bench, size_t run)
{
	int r = devices_renew(bench);
	struct monotime begin = monotime_now(), claimed;
	struct pollfd wait = {.fd = bench->ear, .events = POLLIN};
	struct why why = {0};
	size_t heard = 0;
	int sent;

	if (r < 0)
		return r;
	if (vip_set(bench->vip, bench->addresses, bench->n, &why) < 0) {
		(void)fprintf(stderr, "addresses: %s\n", why.text);
		return -1;
	}
	claimed = monotime_now();
	bench->ms[CLAIM][run] = ms_since(begin);
	sent = announcer_start(bench->announcer, bench->addresses, bench->n);
	bench->ms[ANNOUNCE][run] = ms_since(claimed);
	bench->ms[BOTH][run] = ms_since(begin);
	while (heard < bench->n && poll(&wait, 1, 1000) == 1)
		heard += ear_take(bench->ear);
	bench->ms[HEARD][run] = ms_since(begin);
	announcer_stop(bench->announcer);
	if ((size_t)sent != bench->n || heard < bench->n) {
		(void)fprintf(stderr, "addresses: %d of %zu announced, %zu heard\n", sent, bench->n,
			      heard);
		return -1;
	}
	begin = monotime_now();
	if (vip_renew(bench->vip) < 0)
		return -1;
	bench->ms[RENEW][run] = ms_since(begin);
	begin = monotime_now();
	if (vip_set(bench->vip, NULL, 0, &why) < 0)
		return -1;
	bench->ms[RELEASE][run] = ms_since(begin);
	if (vip_set(bench->vip, bench->addresses, bench->n, &why) < 0)
		return -1;
	begin = monotime_now();
	if (vip_withdraw_all() != (int)bench->n)
		return -1;
	bench->ms[WITHDRAW][run] = ms_since(begin);
	(void)ear_take(bench->ear);
	return 0;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static void print(struct bench *bench, size_t runs)
{
	(void)printf("{\"bench\": \"addresses\", \"addresses\": %zu, \"families\": \"%s\", "
		     "\"runs\": %zu",
		     bench->n,
		     bench->family == AF_INET	 ? "IPv4"
		     : bench->family == AF_INET6 ? "IPv6"
						 : "half IPv4, half IPv6",
		     runs);
	for (size_t i = 0; i < PHASE__MAX; i++) {
		qsort(bench->ms[i], runs, sizeof(double), compare);
		(void)printf(", \"%s_ms\": {\"median\": %.2f, \"worst\": %.2f}", names[i],
			     bench->ms[i][runs / 2], bench->ms[i][runs - 1]);
	}
	(void)printf("}\n");
}

static size_t number(int argc, char **argv, int index, size_t preset, size_t max)
{
	unsigned long value = argc > index ? strtoul(argv[index], NULL, 10) : preset;

	return value < 1 ? 1 : value > max ? max : value;
}

int main(int argc, char **argv)
{
	static struct vip_address addresses[ADDRESSES_MAX];
	static struct bench bench = {.addresses = addresses};
	size_t runs = number(argc, argv, 2, 30, RUNS_MAX);
	int r = 0;

	if (argc > 4 || (argc > 1 && strspn(argv[1], "0123456789") != strlen(argv[1]))) {
		(void)fputs("usage: addresses [ADDRESSES (500) [RUNS (30) [4|6]]]\n", stderr);
		return 2;
	}
	bench.n = number(argc, argv, 1, 500, ADDRESSES_MAX);
	if (argc > 3)
		bench.family = strcmp(argv[3], "6") == 0 ? AF_INET6 : AF_INET;
	netns_enter_or_skip();
	addresses_fill(&bench);
	bench.ear = -1;
	if (sd_event_new(&bench.event) < 0 || vip_new(bench.event, &bench.vip) < 0 ||
	    announcer_new(bench.event, &bench.announcer) < 0)
		return 1;
	for (size_t i = 0; i < runs && r == 0; i++)
		r = run_once(&bench, i);
	if (r == 0)
		print(&bench, runs);
	announcer_free(bench.announcer);
	vip_free(bench.vip);
	sd_event_unref(bench.event);
	return r == 0 ? 0 : 1;
}
