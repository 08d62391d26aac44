/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/tunnel/dtls.h"
#include "ipc/vpn.h"

/*
 * The datagrams of one tunnel: beside its TLS connection, and never without it. At most one DTLS
 * session that is in use and one in its handshake; the second takes the place of the first when it
 * is made, not before. Bytes are CSTP without its header: a type (cstp_frame.h), then the payload.
 */
struct dtls_gate;
struct dtls_side;

#define DTLS_APP_ID_SIZE 32

struct dtls_side_ops {
	/* A packet of the client: SIZE (> 0) bytes. */
	void (*on_packet)(const uint8_t *packet, size_t size, void *userdata);
	/* One sentence for the log; dtls_side_is_up may be another than before. */
	void (*on_news)(const char *what, void *userdata);
};

struct dtls_terms {
	uint8_t psk[DTLS_PSK_SIZE];
	unsigned mtu;	   /* of the packets */
	unsigned dpd_ms;   /* after so long without a word the client is asked */
	uint64_t rekey_ms; /* after so long the client is brought to make new keys */
};

/* Makes its app id, which finds it in GATE. Errors: -ENOMEM, ERR_CRYPTO, -errno. */
int dtls_side_new(struct dtls_gate *gate, const struct dtls_terms *terms,
		  struct dtls_side **ret_side);
/* Takes NULL. Not from within its own callbacks. */
void dtls_side_free(struct dtls_side *side);
/* Who hears of it; before, nobody does. OPS are borrowed for its life. */
void dtls_side_attach(struct dtls_side *side, const struct dtls_side_ops *ops, void *userdata);
const uint8_t *dtls_side_app_id(const struct dtls_side *side);

/* A ClientHello whose sender is known to be at its address. */
struct dtls_opening {
	struct sockaddr_storage client;
	struct dtls_begin begin;
	const uint8_t *datagram_view;
	size_t size;
};
/*
 * Continues the handshake that is going on with that client, or does nothing where another has just
 * begun, or one with that client has just been made: one begins in a second. False: it takes a new
 * one, dtls_side_open.
 */
bool dtls_side_continue(struct dtls_side *side, const struct dtls_opening *opening);
/* Begins a handshake on FD, which is taken over: a non-blocking socket connected to the client. */
void dtls_side_open(struct dtls_side *side, const struct dtls_opening *opening, int fd);

/* The client uses it: packets go this way. */
bool dtls_side_is_up(const struct dtls_side *side);
/* FRAME (its type first) to the client, or lost on the way, which datagrams may be. False: this way
 * does not take it, TLS has to. */
bool dtls_side_send(struct dtls_side *side, const uint8_t *frame, size_t size);
/* The client sent data by TLS: it has given this way up, as far as it can be told until something
 * comes by it again. */
void dtls_side_doubt(struct dtls_side *side);
/* As tls_protocol; only while it is up. */
void dtls_side_protocol(const struct dtls_side *side, char ret_text[static TLS_PROTOCOL_MAX]);
