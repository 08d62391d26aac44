/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "front/tunnel/dtls_gate.h"
#include "front/tunnel/packet.h"
#include "front/tls/tls_stream.h"
#include "front/tunnel/vpn.h"

/*
 * What the tunnels of a front share: the TUN descriptor, the way from a packet's destination to its
 * client, and whether this unit forwards at all. Packets go nowhere while it is not the active one.
 */
struct poller;
struct tunnels;
struct tunnel;

struct tunnels_ops {
	/* One line for the log, PRIORITY as in syslog(3). */
	void (*on_note)(int priority, const char *text, void *userdata);
};

/* How long it takes to give up, in milliseconds. */
struct tunnels_limits {
	unsigned dpd_ms;  /* what the client is told, where it is no phone; 0: that of the offer */
	unsigned role_ms; /* how long tunnels outlive the role: the address is gone by then */
	unsigned hold_ms; /* how long a CONNECT waits for what is not known yet */
	unsigned settle_ms; /* how long a new tunnel keeps others from its place; 0: 2 s */
	unsigned end_ms;    /* how long a client that was told the end may take to close */
	unsigned news_ms;   /* what becomes of a tunnel's datagrams is told no more often */
	unsigned rekey_ms;  /* new keys, of TLS 1.3 and of DTLS; 0: each eight hours */
};

/* All is borrowed for the life of the tunnels. Errors: -ENOMEM, -errno. */
int tunnels_new(sd_event *event, struct vpn *vpn, const struct tunnels_limits *limits,
		const struct tunnels_ops *ops, void *userdata, struct tunnels **ret_tunnels);
/* After every tunnel, and before the copy of the VPN. */
void tunnels_free(struct tunnels *tunnels);
/*
 * Whether this unit is the active one, as the engine says. The tunnels of one that no longer is are
 * closed a little later without a word: a client that was told would come back to this unit while
 * it still has the address, and nobody would reset that connection.
 */
void tunnels_role(struct tunnels *tunnels, bool is_active);
uint64_t tunnels_settle_ms(const struct tunnels *tunnels);
/* How long the keys of a tunnel are in use. */
uint64_t tunnels_rekey_ms(const struct tunnels *tunnels);
bool tunnels_are_active(const struct tunnels *tunnels);
/* Datagrams are heard at SNAPSHOT's addresses, where the VPN is enabled; NULL: nowhere. */
void tunnels_listen(struct tunnels *tunnels, const struct snapshot *snapshot);

/* ---- for the tunnels themselves ----------------------------------------------------------------
 */

/* Shared memory that is only used within one turn of the loop. */
struct tunnels_scratch {
	uint8_t wire[TLS_STREAM_READ];
	uint8_t record[16384];
};
struct tunnels_scratch *tunnels_scratch(struct tunnels *tunnels);
sd_event *tunnels_event(const struct tunnels *tunnels);
struct poller *tunnels_poller(const struct tunnels *tunnels);
struct vpn *tunnels_vpn(const struct tunnels *tunnels);
const struct tunnels_limits *tunnels_limits(const struct tunnels *tunnels);
struct dtls_gate *tunnels_gate(const struct tunnels *tunnels);
void tunnels_note(const struct tunnels *tunnels, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* One packet to the inside. False: it was not taken. */
bool tunnels_write(struct tunnels *tunnels, const uint8_t *packet, size_t size);
/* TUNNEL has something to flush before the loop waits again. */
void tunnels_mark(struct tunnels *tunnels, struct tunnel *tunnel);
void tunnels_add(struct tunnels *tunnels, struct tunnel *tunnel);
void tunnels_remove(struct tunnels *tunnels, struct tunnel *tunnel);
