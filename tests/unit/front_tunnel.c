/* SPDX-License-Identifier: Apache-2.0 */
/* The cookie's text is hex, as the client would have it from Set-Cookie. */
#include "front_tunnel.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/dtls.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/io.h"

static void send_engine(struct harness *harness, enum ipc_type type,
			const ProtobufCMessage *message, int fd)
{
	struct ipc_frame frame = {.type = type};

	if (fd >= 0) {
		frame.fds[0] = fd;
		frame.n_fds = 1;
	}
	assert_int_equal(ipc_frame_send(harness->engine, &frame, message), 0);
}

static void cookie_hash_of(unsigned number, uint8_t ret_hash[static VPN_HASH_SIZE])
{
	uint8_t cookie[32];

	memset(cookie, (int)number, sizeof(cookie));
	assert_int_equal(gnutls_hash_fast(GNUTLS_DIG_SHA256, cookie, sizeof(cookie), ret_hash), 0);
}

static void tag_of(unsigned number, uint8_t ret_tag[static VPN_HASH_SIZE])
{
	uint8_t hash[VPN_HASH_SIZE];

	cookie_hash_of(number, hash);
	assert_int_equal(vpn_tag(hash, ret_tag), 0);
}

void tunnel_config_send(struct harness *harness, bool is_without_dtls)
{
	static char name[] = "DfltGrpPolicy", group[] = "staff", domain[] = "example.org",
		    banner[] = "Be good", local[] = "LOCAL";
	static uint8_t dns4[4] = {10, 1, 1, 53}, dns6[16] = {0xfd, [15] = 0x53},
		       net4[4] = {10, 1, 0, 0}, net6[16] = {0xfd, 1};
	Asafo__Ipc__VpnConfig config = ASAFO__IPC__VPN_CONFIG__INIT;
	Asafo__Ipc__VpnPolicy policy = ASAFO__IPC__VPN_POLICY__INIT, *policies[] = {&policy};
	Asafo__Ipc__VpnGroup member = ASAFO__IPC__VPN_GROUP__INIT, *groups[] = {&member};
	Asafo__Ipc__VpnNetwork first = ASAFO__IPC__VPN_NETWORK__INIT,
			       second = ASAFO__IPC__VPN_NETWORK__INIT,
			       *networks[] = {&first, &second};
	ProtobufCBinaryData dns[] = {{4, dns4}, {16, dns6}};

	first.address = (ProtobufCBinaryData){4, net4};
	first.prefix = 16;
	second.address = (ProtobufCBinaryData){16, net6};
	second.prefix = 32;
	policy.name = name;
	policy.n_dns = 2;
	policy.dns = dns;
	policy.default_domain = domain;
	policy.banner = banner;
	policy.split = VPN_SPLIT_TUNNEL_SPECIFIED;
	policy.n_networks = 2;
	policy.networks = networks;
	policy.idle_timeout_s = 1800;
	policy.simultaneous_logins = 3;
	policy.is_without_dtls = is_without_dtls;
	member.name = group;
	member.policy = name;
	member.authentication = local;
	config.is_enabled = true;
	config.n_policies = config.n_groups = 1;
	config.policies = policies;
	config.groups = groups;
	config.generation = 1;
	send_engine(harness, IPC_VPN_CONFIG, &config.base, -1);
}

int tunnel_vpn_start(struct harness *harness)
{
	static char device[] = "asafo0";
	struct timeval limit = {.tv_sec = HARNESS_WAIT_MS / 1000};
	Asafo__Ipc__VpnTun tun = ASAFO__IPC__VPN_TUN__INIT;
	int fds[2];

	tunnel_config_send(harness, false);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(io_set_nonblocking(fds[1]), 0);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	tun.device = device;
	tun.mtu = VPN_TUN_MTU;
	tun.owner = 1;
	send_engine(harness, IPC_VPN_TUN, &tun.base, fds[1]);
	(void)close(fds[1]);
	return fds[0];
}

void tunnel_table_send(struct harness *harness, const struct tunnel_table *table)
{
	static char user[] = "alice", group[] = "staff", policy[] = "DfltGrpPolicy";
	Asafo__Ipc__VpnTable message = ASAFO__IPC__VPN_TABLE__INIT;
	Asafo__Ipc__VpnSession sessions[4], *puts[4];
	Asafo__Ipc__VpnGone gone = ASAFO__IPC__VPN_GONE__INIT, *gones[] = {&gone};
	Asafo__Ipc__VpnAddress v4[4], v6[4];
	uint8_t tags[5][VPN_HASH_SIZE], bytes4[4][4], bytes6[4][16];

	for (size_t i = 0; i < 4 && table->numbers[i]; i++) {
		uint8_t number = (uint8_t)table->numbers[i];

		asafo__ipc__vpn_session__init(&sessions[i]);
		asafo__ipc__vpn_address__init(&v4[i]);
		asafo__ipc__vpn_address__init(&v6[i]);
		tag_of(number, tags[i]);
		memcpy(bytes4[i], (uint8_t[4]){10, 9, 0, number}, 4);
		memset(bytes6[i], 0, 16);
		bytes6[i][0] = 0xfd;
		bytes6[i][15] = number;
		v4[i].address = (ProtobufCBinaryData){4, bytes4[i]};
		v4[i].prefix = 24;
		v6[i].address = (ProtobufCBinaryData){16, bytes6[i]};
		v6[i].prefix = 64;
		sessions[i].cookie_hash = (ProtobufCBinaryData){VPN_HASH_SIZE, tags[i]};
		sessions[i].id = number;
		sessions[i].user = user;
		sessions[i].group = group;
		sessions[i].policy = policy;
		sessions[i].v4 = &v4[i];
		sessions[i].v6 = table->is_v4_only ? NULL : &v6[i];
		sessions[i].left_ms = 3600 * 1000;
		sessions[i].is_connected = table->owner != 0;
		sessions[i].owner = table->owner;
		sessions[i].tunnel_at_ns = table->is_late ? 1 : monotime_now().ns;
		puts[message.n_put++] = &sessions[i];
	}
	message.put = puts;
	message.gone = gones;
	if (table->gone) {
		tag_of(table->gone, tags[4]);
		gone.tag = (ProtobufCBinaryData){VPN_HASH_SIZE, tags[4]};
		gone.id = table->gone;
		gone.reason = (uint32_t)table->reason;
		message.n_gone = 1;
	}
	message.is_reset = table->is_reset;
	message.is_complete = !table->is_incomplete;
	send_engine(harness, IPC_VPN_TABLE, &message.base, -1);
}

int tunnel_front_start(struct harness *harness, const struct front_limits *limits,
		       const struct tunnel_table *sessions)
{
	int device;

	harness_start(harness, NULL, limits);
	harness_bind(harness, "vpn");
	device = tunnel_vpn_start(harness);
	tunnel_table_send(harness, sessions);
	tunnel_role(harness, "active", 5);
	return device;
}

void tunnel_role(struct harness *harness, const char *role, uint64_t term)
{
	struct monotime until = monotime_add_ms(monotime_now(), HARNESS_WAIT_MS);
	char wanted[64], answer[2048] = "";

	(void)snprintf(wanted, sizeof(wanted), "\"role\":\"%s\"", role);
	harness_role(harness, role, term);
	while (!strstr(answer, wanted)) {
		struct client client;

		assert_false(monotime_reached(monotime_now(), until));
		client_open(&client, harness->port, NULL, NULL);
		client_say(&client, "GET /healthz HTTP/1.1\r\nHost: gate\r\n\r\n");
		(void)client_hear(&client, false, answer, sizeof(answer));
		client_close(&client);
	}
}

/* The next frame of that type. */
static void frame_hear(struct harness *harness, enum ipc_type type, struct ipc_frame *ret_frame)
{
	static uint8_t buffer[IPC_HEADER_SIZE + IPC_BODY_MAX];
	struct monotime until = monotime_add_ms(monotime_now(), HARNESS_WAIT_MS);
	struct pollfd pfd = {.fd = harness->engine, .events = POLLIN};

	*ret_frame = (struct ipc_frame){.n_fds = 0};
	do {
		ipc_frame_done(ret_frame);
		assert_false(monotime_reached(monotime_now(), until)); /* others may go on */
		assert_int_equal(poll(&pfd, 1, HARNESS_WAIT_MS), 1);
		assert_int_equal(
			ipc_frame_receive(harness->engine, buffer, sizeof(buffer), ret_frame), 0);
	} while (ret_frame->type != type);
}

ProtobufCMessage *tunnel_hear_engine(struct harness *harness, enum ipc_type type)
{
	struct ipc_frame frame;

	frame_hear(harness, type, &frame);
	ipc_frame_done(&frame);
	return ipc_frame_unpack(&frame);
}

Asafo__Ipc__VpnDatagram *datagrams_hear(struct harness *harness, int *ret_fd)
{
	Asafo__Ipc__VpnDatagram *message;
	struct ipc_frame frame;

	frame_hear(harness, IPC_VPN_DATAGRAM, &frame);
	message = (Asafo__Ipc__VpnDatagram *)ipc_frame_unpack(&frame);
	*ret_fd = ipc_frame_take_fd(&frame, 0);
	ipc_frame_done(&frame);
	assert_non_null(message);
	return message;
}

void tunnel_wait_touch(struct harness *harness, unsigned number, bool is_connected,
		       uint64_t *ret_dropped)
{
	struct monotime until = monotime_add_ms(monotime_now(), HARNESS_WAIT_MS);
	uint8_t hash[VPN_HASH_SIZE];
	bool is_found = false;

	cookie_hash_of(number, hash);
	*ret_dropped = 0;
	while (!is_found) {
		Asafo__Ipc__VpnSessionTouch *message;

		assert_false(monotime_reached(monotime_now(), until));
		message = (Asafo__Ipc__VpnSessionTouch *)tunnel_hear_engine(harness,
									    IPC_VPN_SESSION_TOUCH);
		assert_non_null(message);
		for (size_t i = 0; i < message->n_touched; i++) {
			const Asafo__Ipc__VpnTouched *touched = message->touched[i];

			if (memcmp(touched->cookie_hash.data, hash, sizeof(hash)) != 0)
				continue;
			*ret_dropped += touched->dropped;
			is_found |= touched->is_connected == is_connected;
		}
		asafo__ipc__vpn_session_touch__free_unpacked(message, NULL);
	}
}

/* ---- a client ---- */

void tunnel_connect(struct client *client, unsigned number, const char *headers)
{
	char text[1024], cookie[65];

	for (size_t i = 0; i < 32; i++)
		(void)snprintf(cookie + 2 * i, 3, "%02x", number & 255);
	(void)snprintf(text, sizeof(text),
		       "CONNECT /CSCOSSLC/tunnel HTTP/1.1\r\nHost: gate\r\n"
		       "User-Agent: AnyConnect-compatible OpenConnect VPN Agent v9.01\r\n"
		       "Cookie: webvpn=%s\r\nX-CSTP-Version: 1\r\n%s\r\n",
		       cookie, headers);
	client_say(client, text);
}

void tunnel_ask(struct client *client, struct harness *harness, unsigned number,
		const char *headers)
{
	client_open(client, harness->port, NULL, NULL);
	assert_int_equal(client->handshake, 0);
	tunnel_connect(client, number, headers);
}

int tunnel_answer(struct client *client, char ret_text[static TUNNEL_TEXT_MAX])
{
	size_t size = 0;
	int status;

	ret_text[0] = '\0';
	while (!strstr(ret_text, "\r\n\r\n")) {
		ssize_t n;

		do
			n = gnutls_record_recv(client->session, ret_text + size,
					       TUNNEL_TEXT_MAX - 1 - size);
		while (n < 0 && !gnutls_error_is_fatal((int)n) && n != GNUTLS_E_AGAIN);
		if (n <= 0)
			return 0;
		size += (size_t)n;
		ret_text[size] = '\0';
	}
	assert_memory_equal(ret_text, "HTTP/1.1 ", 9);
	status = (int)strtol(ret_text + 9, NULL, 10);
	/* RFC 9110 section 6.6.1 */
	assert_true(status == 200 || strstr(ret_text, "\r\nDate: "));
	return status;
}

void tunnel_open(struct client *client, struct harness *harness, unsigned number)
{
	char text[TUNNEL_TEXT_MAX];

	tunnel_ask(client, harness, number, "X-CSTP-Address-Type: IPv6,IPv4\r\n");
	assert_int_equal(tunnel_answer(client, text), 200);
}

void tunnel_say(struct client *client, enum cstp_type type, const void *payload, size_t size)
{
	uint8_t record[CSTP_RECORD_MAX];

	cstp_header_encode(type, size, record);
	if (size > 0)
		memcpy(record + CSTP_HEADER_SIZE, payload, size);
	assert_int_equal(gnutls_record_send(client->session, record, CSTP_HEADER_SIZE + size),
			 CSTP_HEADER_SIZE + size);
}

ssize_t tunnel_hear(struct client *client, uint8_t *ret_type,
		    uint8_t ret_payload[static CSTP_PAYLOAD_MAX])
{
	static uint8_t record[CSTP_RECORD_MAX];
	struct monotime until = monotime_add_ms(monotime_now(), HARNESS_WAIT_MS);
	struct cstp_frame frame;
	struct why why;
	ssize_t n;

	do {
		do
			n = gnutls_record_recv(client->session, record, sizeof(record));
		/* At once, it was a key update. */
		while (n < 0 && !gnutls_error_is_fatal((int)n) &&
		       (n != GNUTLS_E_AGAIN || monotime_now().ns < until.ns));
		assert_int_not_equal(n, GNUTLS_E_AGAIN);
		if (n <= 0)
			return -1;
		assert_int_equal(cstp_frame_decode(record, (size_t)n, &frame, &why), 0);
	} while (frame.type == CSTP_DPD_REQUEST);
	*ret_type = frame.type;
	if (frame.payload_size > 0)
		memcpy(ret_payload, frame.payload_view, frame.payload_size);
	return (ssize_t)frame.payload_size;
}

/* ---- packets ---- */

void tunnel_packet_v4(uint8_t *packet, size_t size, unsigned number, bool is_from_client,
		      uint8_t mark)
{
	const uint8_t client[4] = {10, 9, 0, (uint8_t)number}, inside[4] = {10, 1, 1, 1};

	memset(packet, mark, size);
	memset(packet, 0, PACKET_V4_HEADER);
	packet[0] = 0x45;
	packet[2] = (uint8_t)(size >> 8);
	packet[3] = (uint8_t)size;
	packet[6] = 0x40;
	packet[8] = 64;
	packet[9] = 17;
	memcpy(packet + 12, is_from_client ? client : inside, 4);
	memcpy(packet + 16, is_from_client ? inside : client, 4);
}

void tunnel_packet_v6(uint8_t *packet, size_t size, unsigned number, bool is_from_client,
		      uint8_t mark)
{
	const uint8_t client[16] = {0xfd, [15] = (uint8_t)number}, inside[16] = {0xfd, 1, [15] = 1};

	memset(packet, mark, size);
	memset(packet, 0, PACKET_V6_HEADER);
	packet[0] = 0x60;
	packet[4] = (uint8_t)((size - PACKET_V6_HEADER) >> 8);
	packet[5] = (uint8_t)(size - PACKET_V6_HEADER);
	packet[6] = 17;
	packet[7] = 64;
	memcpy(packet + 8, is_from_client ? client : inside, 16);
	memcpy(packet + 24, is_from_client ? inside : client, 16);
}

ssize_t tunnel_device_read(int device, uint8_t ret_packet[static PACKET_MAX])
{
	return recv(device, ret_packet, PACKET_MAX, 0);
}

void tunnel_device_write(int device, const uint8_t *packet, size_t size)
{
	assert_int_equal(send(device, packet, size, 0), (ssize_t)size);
}

bool tunnel_device_is_quiet(int device)
{
	uint8_t byte;

	return recv(device, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
}

/* ---- a client by datagrams ---- */

static int udp_open(uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = HARNESS_WAIT_MS / 1000};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

static void app_id_read(const char *answer, uint8_t ret_app_id[static 32])
{
	const char *line = strstr(answer, "\r\nX-DTLS-App-ID: ");
	char text[65];

	assert_non_null(line);
	(void)snprintf(text, sizeof(text), "%.64s", line + 17);
	assert_int_equal(hex_decode(text, 32, ret_app_id), 0);
}

void datagrams_ready(struct datagrams *datagrams, struct harness *harness, struct client *client)
{
	char answer[TUNNEL_TEXT_MAX];

	tunnel_ask(client, harness, 1, DATAGRAMS_ASKS);
	assert_int_equal(tunnel_answer(client, answer), 200);
	app_id_read(answer, datagrams->app_id);
	datagrams_begin(datagrams, harness, client);
}

void datagrams_begin(struct datagrams *datagrams, struct harness *harness,
		     const struct client *client)
{
	uint8_t psk[32];
	gnutls_datum_t key = {psk, sizeof(psk)}, id = {datagrams->app_id, 32};

	datagrams->fd = udp_open(harness->port);
	assert_int_equal(gnutls_prf_rfc5705(client->session, 24, "EXPORTER-openconnect-psk", 0,
					    NULL, sizeof(psk), (char *)psk),
			 0);
	assert_int_equal(gnutls_init(&datagrams->session, GNUTLS_CLIENT | GNUTLS_DATAGRAM), 0);
	assert_int_equal(gnutls_priority_set_direct(datagrams->session,
						    "NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+PSK",
						    NULL),
			 0);
	assert_int_equal(gnutls_session_set_id(datagrams->session, &id), 0);
	assert_int_equal(gnutls_psk_allocate_client_credentials(&datagrams->credentials), 0);
	assert_int_equal(gnutls_psk_set_client_credentials(datagrams->credentials, "psk", &key,
							   GNUTLS_PSK_KEY_RAW),
			 0);
	assert_int_equal(
		gnutls_credentials_set(datagrams->session, GNUTLS_CRD_PSK, datagrams->credentials),
		0);
	gnutls_dtls_set_timeouts(datagrams->session, 1000, HARNESS_WAIT_MS);
	gnutls_dtls_set_mtu(datagrams->session, 1472);
	gnutls_transport_set_int(datagrams->session, datagrams->fd);
}

void *datagrams_handshake(void *userdata)
{
	struct datagrams *datagrams = userdata;
	int r;

	do
		r = gnutls_handshake(datagrams->session);
	while (r < 0 && !gnutls_error_is_fatal(r));
	return (void *)(intptr_t)r;
}

/* As the engine does it. */
static void socket_connect(const Asafo__Ipc__VpnDatagram *message, int fd)
{
	struct sockaddr_in local = {.sin_family = AF_INET,
				    .sin_port = htons((uint16_t)message->local_port)};
	struct sockaddr_in client = {.sin_family = AF_INET,
				     .sin_port = htons((uint16_t)message->client_port)};
	int on = 1;

	assert_int_equal(message->local.len, 4);
	assert_int_equal(message->client.len, 4);
	memcpy(&local.sin_addr, message->local.data, 4);
	memcpy(&client.sin_addr, message->client.data, 4);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&local, sizeof(local)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&client, sizeof(client)), 0);
}

void datagrams_give_socket(struct harness *harness, const Asafo__Ipc__VpnDatagram *message, int fd)
{
	struct ipc_frame frame = {.type = IPC_VPN_DATAGRAM, .fds = {fd}, .n_fds = 1};

	assert_true(fd >= 0);
	socket_connect(message, fd);
	assert_int_equal(ipc_frame_send(harness->engine, &frame, &message->base), 0);
	(void)close(fd);
}

void datagrams_close(struct datagrams *datagrams)
{
	gnutls_deinit(datagrams->session);
	gnutls_psk_free_client_credentials(datagrams->credentials);
	(void)close(datagrams->fd);
}

void datagrams_establish(struct datagrams *datagrams, struct harness *harness,
			 struct client *client)
{
	datagrams_ready(datagrams, harness, client);
	datagrams_make(datagrams, harness);
}

void datagrams_make(struct datagrams *datagrams, struct harness *harness)
{
	Asafo__Ipc__VpnDatagram *message;
	pthread_t thread;
	void *result;
	int fd;

	assert_int_equal(pthread_create(&thread, NULL, datagrams_handshake, datagrams), 0);
	message = datagrams_hear(harness, &fd);
	assert_int_equal(message->owner, 1);
	datagrams_give_socket(harness, message, fd);
	asafo__ipc__vpn_datagram__free_unpacked(message, NULL);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((int)(intptr_t)result, 0);
}

void tunnel_wait_protocol(struct harness *harness, const char *protocol)
{
	struct monotime until = monotime_add_ms(monotime_now(), HARNESS_WAIT_MS);
	bool is_found = false;

	while (!is_found && !monotime_reached(monotime_now(), until)) {
		Asafo__Ipc__VpnSessionTouch *message =
			(Asafo__Ipc__VpnSessionTouch *)tunnel_hear_engine(harness,
									  IPC_VPN_SESSION_TOUCH);

		assert_non_null(message);
		for (size_t i = 0; i < message->n_touched; i++)
			is_found |= strncmp(message->touched[i]->protocol, protocol,
					    strlen(protocol)) == 0;
		asafo__ipc__vpn_session_touch__free_unpacked(message, NULL);
	}
	assert_true(is_found);
}
