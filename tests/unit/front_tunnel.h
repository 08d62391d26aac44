/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/tunnel/cstp_frame.h"
#include "front/tunnel/packet.h"
#include "front_harness.h"
#include "ipc/vpn.h"

/*
 * The VPN of a played engine, and a client that speaks CSTP. Sessions are numbered from 1: number N
 * has the cookie of 32 bytes N, and the addresses 10.9.0.N/24 and fd00::N/64. The TUN device is a
 * pair of sockets that keep datagrams apart, as the device does.
 */
#define TUNNEL_TEXT_MAX 8192

/* VPN_CONFIG alone. */
void tunnel_config_send(struct harness *harness, bool is_without_dtls);
/* VPN_CONFIG, and VPN_TUN; returns our end of the device. */
int tunnel_vpn_start(struct harness *harness);
struct tunnel_table {
	unsigned numbers[4]; /* 0: no more */
	uint32_t owner;	     /* of all of them; 0: not connected */
	bool is_late;	     /* ... by a tunnel of long ago; otherwise of now */
	unsigned gone;
	enum vpn_end reason;
	bool is_reset, is_incomplete;
	bool is_v4_only;
};
void tunnel_table_send(struct harness *harness, const struct tunnel_table *table);
/* One front with a certificate and SESSIONS, active; the other end of its device. */
int tunnel_front_start(struct harness *harness, const struct front_limits *limits,
		       const struct tunnel_table *sessions);
/* As harness_role; returns when the front goes by it: what comes by other ways may be read first.
 */
void tunnel_role(struct harness *harness, const char *role, uint64_t term);
/* Waits for the next message of TYPE of the front's; what else comes is dropped. To be freed with
 * protobuf_c_message_free_unpacked. */
ProtobufCMessage *tunnel_hear_engine(struct harness *harness, enum ipc_type type);
/* Until a touch says that NUMBER is, or is not, connected; RET_DROPPED: the packets that all of
 * them counted as dropped. */
void tunnel_wait_touch(struct harness *harness, unsigned number, bool is_connected,
		       uint64_t *ret_dropped);

/* CONNECT with the cookie of NUMBER, on a connection that is open. */
void tunnel_connect(struct client *client, unsigned number, const char *headers);
/* TLS, and CONNECT with the cookie of NUMBER; the answer is not waited for. */
void tunnel_ask(struct client *client, struct harness *harness, unsigned number,
		const char *headers);
/* The head of the answer into RET_TEXT; its status, 0: closed. */
int tunnel_answer(struct client *client, char ret_text[static TUNNEL_TEXT_MAX]);
/* Both, with status 200. */
void tunnel_open(struct client *client, struct harness *harness, unsigned number);
void tunnel_say(struct client *client, enum cstp_type type, const void *payload, size_t size);
/* The next frame, which must be the one of its record, without the server's DPD requests; the size
 * of its payload, -1: closed, in an orderly way or not. */
ssize_t tunnel_hear(struct client *client, uint8_t *ret_type,
		    uint8_t ret_payload[static CSTP_PAYLOAD_MAX]);

/* A UDP packet of SIZE bytes, filled with MARK, between session NUMBER and 10.1.1.1, or fd01::1. */
void tunnel_packet_v4(uint8_t *packet, size_t size, unsigned number, bool is_from_client,
		      uint8_t mark);
void tunnel_packet_v6(uint8_t *packet, size_t size, unsigned number, bool is_from_client,
		      uint8_t mark);
/* The next packet that came out of the device into the inside; its size. */
ssize_t tunnel_device_read(int device, uint8_t ret_packet[static PACKET_MAX]);
void tunnel_device_write(int device, const uint8_t *packet, size_t size);
bool tunnel_device_is_quiet(int device);

/* Until a touch says that packets go by PROTOCOL. */
void tunnel_wait_protocol(struct harness *harness, const char *protocol);

/* ---- a client by datagrams ---- */

#define DATAGRAMS_ASKS                                                                             \
	"X-CSTP-Address-Type: IPv6,IPv4\r\nX-DTLS-CipherSuite: PSK-NEGOTIATE:AES256-SHA\r\n"
struct datagrams {
	int fd;
	gnutls_session_t session;
	gnutls_psk_client_credentials_t credentials;
	uint8_t app_id[32];
};
/* CONNECT by TLS for number 1, and what is needed for datagrams beside it. */
void datagrams_ready(struct datagrams *datagrams, struct harness *harness, struct client *client);
/* Beside CLIENT's connection once more, by what datagrams_ready learned. */
void datagrams_begin(struct datagrams *datagrams, struct harness *harness,
		     const struct client *client);
/* The handshake, with the engine's part in it. */
void datagrams_make(struct datagrams *datagrams, struct harness *harness);
/* datagrams_ready, and the handshake. */
void datagrams_establish(struct datagrams *datagrams, struct harness *harness,
			 struct client *client);
void datagrams_close(struct datagrams *datagrams);
/* For a thread: USERDATA is the datagrams'; GnuTLS' code. */
void *datagrams_handshake(void *userdata);
/* The next one that the front sends, and its socket (-1: none). */
Asafo__Ipc__VpnDatagram *datagrams_hear(struct harness *harness, int *ret_fd);
/* Back to the front, with FD, which is taken over, connected to the client. */
void datagrams_give_socket(struct harness *harness, const Asafo__Ipc__VpnDatagram *message, int fd);
