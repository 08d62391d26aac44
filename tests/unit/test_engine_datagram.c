/* SPDX-License-Identifier: Apache-2.0 */
/* First messages of DTLS clients in a whole engine: to whom they go, and which sockets are
 * connected. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine_world.h"
#include "failover/vpn/hub_internal.h"
#include "ipc/channel.h"
#include "ipc/vpn.h"
#include "netns.h"

#define LINES                                                                                      \
	"interface va\n nameif outside\n"                                                          \
	" ip address 198.51.100.10 255.255.255.0 standby 198.51.100.11\n"                          \
	" ipv6 address 2001:db8::10/64 standby 2001:db8::11\n"                                     \
	"interface vb\n nameif inside\n"                                                           \
	" ip address 192.0.2.1 255.255.255.0 standby 192.0.2.2\n"                                  \
	"webvpn\n enable outside\n anyconnect enable\n"

/* A front, played by the test. */
static struct played {
	struct ipc_channel *channel;
	unsigned n_heard, n_configs;
	uint8_t first_byte; /* of the latest message */
	int fd;		    /* that came with it */
	uint8_t cookie_key[VPN_COOKIE_KEY_SIZE], key_before[VPN_COOKIE_KEY_SIZE];
	size_t key_before_size;
} fronts[2];

static void on_notice(struct ipc_channel *channel, struct ipc_frame *frame,
		      const ProtobufCMessage *body, void *userdata)
{
	const Asafo__Ipc__VpnDatagram *datagram = (const Asafo__Ipc__VpnDatagram *)body;
	const Asafo__Ipc__VpnConfig *config = (const Asafo__Ipc__VpnConfig *)body;
	struct played *played = userdata;

	(void)channel;
	if (frame->type == IPC_VPN_DATAGRAM) {
		played->n_heard++;
		played->first_byte = datagram->data.data[0];
		if (played->fd >= 0)
			(void)close(played->fd);
		played->fd = ipc_frame_take_fd(frame, 0);
	}
	if (frame->type == IPC_VPN_CONFIG) {
		assert_int_equal(config->dtls_cookie_key.len, VPN_COOKIE_KEY_SIZE);
		memcpy(played->cookie_key, config->dtls_cookie_key.data, VPN_COOKIE_KEY_SIZE);
		played->key_before_size = config->dtls_cookie_key_before.len;
		if (played->key_before_size == VPN_COOKIE_KEY_SIZE)
			memcpy(played->key_before, config->dtls_cookie_key_before.data,
			       VPN_COOKIE_KEY_SIZE);
		played->n_configs++;
	}
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct played *played = userdata;

	(void)code;
	ipc_channel_free(channel);
	played->channel = NULL;
}

static void attach(unsigned instance)
{
	static const bool takes[IPC_TYPE__MAX] = {
		[IPC_FRONT_CONFIG] = true, [IPC_FRONT_ROLE] = true, [IPC_FRONT_TEST] = true,
		[IPC_VPN_CONFIG] = true,   [IPC_VPN_TABLE] = true,  [IPC_VPN_TUN] = true,
		[IPC_VPN_DATAGRAM] = true, [IPC_VPN_TRUST] = true};
	static const struct ipc_channel_ops ops = {takes, on_notice, on_closed};
	struct played *played = &fronts[instance];
	int fds[2];

	*played = (struct played){.fd = -1};
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	assert_int_equal(ipc_channel_new(world.event, fds[0], &ops, played, &played->channel), 0);
	engine_front_attach(world.engine, instance, fds[1]);
	WAIT_FOR(played->n_configs > 0);
}

static int set_up(void **state)
{
	int r = world_setup(state);

	world_be_active(LINES);
	attach(0);
	attach(1);
	return r;
}

static int tear_down(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(fronts); i++) {
		ipc_channel_free(TAKE_PTR(fronts[i].channel));
		if (fronts[i].fd >= 0)
			(void)close(TAKE_FD(fronts[i].fd));
	}
	return world_teardown(state);
}

/* ---- what a front says ---- */

static uint8_t vip4[4] = {198, 51, 100, 10}, client4[4] = {203, 0, 113, 77};
static uint8_t vip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 0x10};
static uint8_t client6[16] = {0x20, 1, 0xd, 0xb8, 0, 9, [15] = 0x77};
static uint8_t hello[VPN_DATAGRAM_MAX + 1];

static Asafo__Ipc__VpnDatagram message4(uint32_t owner)
{
	Asafo__Ipc__VpnDatagram message = ASAFO__IPC__VPN_DATAGRAM__INIT;

	message.owner = owner;
	message.local = (ProtobufCBinaryData){4, vip4};
	message.client = (ProtobufCBinaryData){4, client4};
	message.local_port = 443;
	message.client_port = 40000;
	message.data = (ProtobufCBinaryData){100, hello};
	return message;
}

/* From the first front, with FD, which is taken over. */
static void say(const Asafo__Ipc__VpnDatagram *message, int fd)
{
	assert_int_equal(ipc_channel_send(fronts[0].channel, IPC_VPN_DATAGRAM, &message->base, &fd,
					  fd < 0 ? 0 : 1),
			 0);
	if (fd >= 0)
		(void)close(fd);
}

static int udp(int family)
{
	return socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* As a front's: another user's than the engine's, which here is root. */
static int udp_of_fronts(int family)
{
	int fd;

	assert_int_equal(seteuid(65534), 0);
	fd = udp(family);
	assert_int_equal(seteuid(0), 0);
	assert_true(fd >= 0);
	return fd;
}

/* Nothing of what was said before came to anybody: this does, and is the first. */
static void nothing_came(void)
{
	Asafo__Ipc__VpnDatagram message = message4(1);

	hello[0] = 0xee;
	say(&message, udp(AF_INET));
	WAIT_FOR(fronts[0].n_heard > 0);
	hello[0] = 0;
	assert_int_equal(fronts[0].n_heard, 1);
	assert_int_equal(fronts[0].first_byte, 0xee);
	assert_int_equal(fronts[1].n_heard, 0);
}

/* ---- tests ---- */

static void a_fronts_own_socket_comes_back_connected_to_the_client(void **state)
{
	Asafo__Ipc__VpnDatagram message = message4(1);
	struct sockaddr_in local, client;
	socklen_t size = sizeof(local);
	struct stat made, given;
	int fd = udp(AF_INET), value = -1;

	(void)state;
	assert_int_equal(fstat(fd, &made), 0);
	say(&message, fd);
	WAIT_FOR(fronts[0].n_heard == 1);
	assert_true(fronts[0].fd >= 0);
	assert_int_equal(fstat(fronts[0].fd, &given), 0);
	assert_int_equal(made.st_ino, given.st_ino);
	assert_int_equal(getsockname(fronts[0].fd, (struct sockaddr *)&local, &size), 0);
	assert_memory_equal(&local.sin_addr, vip4, 4);
	assert_int_equal(ntohs(local.sin_port), 443);
	size = sizeof(client);
	assert_int_equal(getpeername(fronts[0].fd, (struct sockaddr *)&client, &size), 0);
	assert_memory_equal(&client.sin_addr, client4, 4);
	assert_int_equal(ntohs(client.sin_port), 40000);
	size = sizeof(value);
	assert_int_equal(getsockopt(fronts[0].fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, &size), 0);
	assert_int_equal(value, IP_PMTUDISC_DO);
}

static void so_does_one_of_ipv6(void **state)
{
	Asafo__Ipc__VpnDatagram message = message4(1);
	struct sockaddr_in6 local, client;
	socklen_t size = sizeof(local);
	int value = -1;

	(void)state;
	message.local = (ProtobufCBinaryData){16, vip6};
	message.client = (ProtobufCBinaryData){16, client6};
	say(&message, udp(AF_INET6));
	WAIT_FOR(fronts[0].n_heard == 1);
	assert_true(fronts[0].fd >= 0);
	assert_int_equal(getsockname(fronts[0].fd, (struct sockaddr *)&local, &size), 0);
	assert_memory_equal(&local.sin6_addr, vip6, 16);
	size = sizeof(client);
	assert_int_equal(getpeername(fronts[0].fd, (struct sockaddr *)&client, &size), 0);
	assert_memory_equal(&client.sin6_addr, client6, 16);
	size = sizeof(value);
	assert_int_equal(getsockopt(fronts[0].fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &value, &size),
			 0);
	assert_int_equal(value, IPV6_PMTUDISC_DO);
}

struct ends {
	struct sockaddr_storage vip, client;
	socklen_t size;
};

static struct ends ends_of(const Asafo__Ipc__VpnDatagram *message)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(443)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
	struct ends ends = {.size = message->local.len == 4 ? sizeof(v4) : sizeof(v6)};

	memcpy(&v4.sin_addr, message->local.data, 4);
	if (message->local.len == 16)
		memcpy(&v6.sin6_addr, message->local.data, 16);
	memcpy(&ends.vip, ends.size == sizeof(v4) ? (void *)&v4 : (void *)&v6, ends.size);
	v4.sin_port = v6.sin6_port = htons((uint16_t)message->client_port);
	memcpy(&v4.sin_addr, message->client.data, 4);
	if (message->client.len == 16)
		memcpy(&v6.sin6_addr, message->client.data, 16);
	memcpy(&ends.client, ends.size == sizeof(v4) ? (void *)&v4 : (void *)&v6, ends.size);
	return ends;
}

static int bound_at(int fd, const struct sockaddr_storage *end, socklen_t size)
{
	int on = 1;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)end, size), 0);
	return fd;
}

/* Where fronts listen, with a client whose datagrams are to come to one of them alone. */
static void the_client_is_found(Asafo__Ipc__VpnDatagram *message)
{
	struct ends ends = ends_of(message);
	int family = ends.vip.ss_family, doors[3], client;
	char byte;

	for (size_t i = 0; i < 2; i++)
		doors[i] = bound_at(udp_of_fronts(family), &ends.vip, ends.size);
	say(message, udp_of_fronts(family));
	WAIT_FOR(fronts[0].n_heard == 1);
	client = bound_at(udp(family), &ends.client, ends.size);
	assert_int_equal(connect(client, (struct sockaddr *)&ends.vip, ends.size), 0);
	assert_int_equal(send(client, "1", 1, 0), 1);
	assert_int_equal(recv(fronts[0].fd, &byte, 1, MSG_DONTWAIT), 1);
	/* Whoever comes or goes. */
	doors[2] = bound_at(udp_of_fronts(family), &ends.vip, ends.size);
	assert_int_equal(send(client, "2", 1, 0), 1);
	assert_int_equal(recv(fronts[0].fd, &byte, 1, MSG_DONTWAIT), 1);
	assert_int_equal(byte, '2');
	(void)close(doors[0]);
	assert_int_equal(send(client, "3", 1, 0), 1);
	assert_int_equal(recv(fronts[0].fd, &byte, 1, MSG_DONTWAIT), 1);
	(void)close(client);
	/* Others' do not come to it. */
	for (unsigned i = 0; i < 16; i++) {
		int other = udp(family);

		assert_int_equal(connect(other, (struct sockaddr *)&ends.vip, ends.size), 0);
		assert_int_equal(send(other, "4", 1, 0), 1);
		(void)close(other);
		assert_true(recv(doors[1], &byte, 1, MSG_DONTWAIT) == 1 ||
			    recv(doors[2], &byte, 1, MSG_DONTWAIT) == 1);
	}
	(void)close(doors[1]);
	(void)close(doors[2]);
}

static void its_datagrams_come_to_that_socket_whatever_fronts_open(void **state)
{
	Asafo__Ipc__VpnDatagram message = message4(1);

	(void)state;
	the_client_is_found(&message);
}

static void so_do_those_of_ipv6(void **state)
{
	Asafo__Ipc__VpnDatagram message = message4(1);

	(void)state;
	message.local = (ProtobufCBinaryData){16, vip6};
	message.client = (ProtobufCBinaryData){16, client6};
	the_client_is_found(&message);
}

static void what_another_front_has_goes_there_without_a_socket(void **state)
{
	Asafo__Ipc__VpnDatagram message = message4(2);

	(void)state;
	hello[0] = 0x77;
	say(&message, udp(AF_INET));
	WAIT_FOR(fronts[1].n_heard == 1);
	hello[0] = 0;
	assert_int_equal(fronts[1].first_byte, 0x77);
	assert_int_equal(fronts[1].fd, -1);
	assert_int_equal(fronts[0].n_heard, 0);
}

static void only_a_new_udp_socket_is_connected(void **state)
{
	Asafo__Ipc__VpnDatagram message = message4(1);
	struct sockaddr_in bound = {.sin_family = AF_INET};
	int pipes[2], fd = udp(AF_INET);

	(void)state;
	say(&message, -1);
	assert_int_equal(pipe(pipes), 0);
	say(&message, pipes[0]);
	say(&message, pipes[1]);
	say(&message, udp(AF_UNIX));
	say(&message, udp(AF_INET6));
	say(&message, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	assert_int_equal(bind(fd, (struct sockaddr *)&bound, sizeof(bound)), 0);
	say(&message, fd);
	nothing_came();
}

static void nothing_is_connected_but_where_fronts_listen(void **state)
{
	static uint8_t inside[4] = {192, 0, 2, 1}, other[4] = {198, 51, 100, 12};
	Asafo__Ipc__VpnDatagram wrong[6];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		wrong[i] = message4(1);
	wrong[0].local.data = inside;
	wrong[1].local.data = other;
	wrong[2].local_port = 444;
	wrong[3].client_port = 0;
	wrong[4].client_port = 65536 + 40000;
	wrong[5].client = (ProtobufCBinaryData){16, client6};
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		say(&wrong[i], udp(AF_INET));
	nothing_came();
}

static void what_names_no_front_or_is_too_large_is_dropped(void **state)
{
	static const uint32_t owners[] = {0, 3, 65, UINT32_MAX};
	Asafo__Ipc__VpnDatagram message;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		message = message4(owners[i]);
		say(&message, udp(AF_INET));
	}
	message = message4(2);
	message.data.len = VPN_DATAGRAM_MAX + 1;
	say(&message, -1);
	nothing_came();
}

static void all_fronts_know_each_others_cookies(void **state)
{
	static const uint8_t none[VPN_COOKIE_KEY_SIZE];

	(void)state;
	assert_memory_equal(fronts[0].cookie_key, fronts[1].cookie_key, VPN_COOKIE_KEY_SIZE);
	assert_memory_not_equal(fronts[0].cookie_key, none, VPN_COOKIE_KEY_SIZE);
}

static void a_cookie_is_good_for_two_hours_at_most(void **state)
{
	struct vpnhub *hub = world.engine->vpnhub;
	uint8_t first[VPN_COOKIE_KEY_SIZE];
	unsigned n = fronts[0].n_configs;

	(void)state;
	assert_int_equal(fronts[0].key_before_size, 0);
	assert_true(hub->cookie_keys.next_at.ns <=
		    monotime_add_ms(monotime_now(), HUB_COOKIE_KEY_MS).ns);
	memcpy(first, fronts[0].cookie_key, sizeof(first));
	hub->cookie_keys.next_at = monotime_now();
	WAIT_FOR(fronts[0].n_configs > n && fronts[1].key_before_size > 0);
	assert_memory_not_equal(fronts[0].cookie_key, first, sizeof(first));
	assert_memory_equal(fronts[0].key_before, first, sizeof(first));
	assert_memory_equal(fronts[0].cookie_key, fronts[1].cookie_key, sizeof(first));
	/* The next one is not due before an hour is over. */
	assert_true(hub->cookie_keys.next_at.ns >
		    monotime_add_ms(monotime_now(), HUB_COOKIE_KEY_MS / 2).ns);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fronts_own_socket_comes_back_connected_to_the_client),
		TEST(so_does_one_of_ipv6),
		TEST(its_datagrams_come_to_that_socket_whatever_fronts_open),
		TEST(so_do_those_of_ipv6),
		TEST(what_another_front_has_goes_there_without_a_socket),
		TEST(only_a_new_udp_socket_is_connected),
		TEST(nothing_is_connected_but_where_fronts_listen),
		TEST(what_names_no_front_or_is_too_large_is_dropped),
		TEST(all_fronts_know_each_others_cookies),
		TEST(a_cookie_is_good_for_two_hours_at_most),
	};

	world_enter();
	/* Without a way to the client there is no connection to it. */
	if (netns_run("ip address add 203.0.113.77/32 dev lo") != 0 ||
	    netns_run("ip address add 2001:db8:9::77/128 dev lo nodad") != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
