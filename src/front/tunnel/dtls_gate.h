/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front/tunnel/dtls_side.h"
#include "front/net/poller.h"
#include "front/tls/snapshot.h"
#include "front/tunnel/vpn.h"

/*
 * Where DTLS clients knock: a UDP socket at each address that the front listens at, which only
 * hears first messages. All fronts share these addresses, and the kernel gives a client's datagram
 * to any of them; the app id in it says which front has the tunnel. That one asks the engine for a
 * socket that is connected to the client, and from then on the kernel gives it everything else.
 */
struct dtls_gate;

struct dtls_gate_ops {
	/* One line for the log, PRIORITY as in syslog(3). */
	void (*on_note)(int priority, const char *text, void *userdata);
};

/* All is borrowed for its life. Errors: -ENOMEM, ERR_CRYPTO. */
int dtls_gate_new(struct poller *poller, struct vpn *vpn, const struct dtls_gate_ops *ops,
		  void *userdata, struct dtls_gate **ret_gate);
/* After all sides. */
void dtls_gate_free(struct dtls_gate *gate);
/* Has sockets for SNAPSHOT's addresses, none where the VPN is not enabled; also tries again what
 * could not be opened the last time. SNAPSHOT is borrowed until the next call; NULL: none. */
void dtls_gate_apply(struct dtls_gate *gate, const struct snapshot *snapshot);
/* Clients of this address and port are heard, and there is a number that app ids can name. */
bool dtls_gate_hears(const struct dtls_gate *gate, const struct vpn_address *local, uint16_t port);
/* A first message that another front was given; or one of this front's that the engine made a
 * socket for: FD, taken over, otherwise -1. */
void dtls_gate_take(struct dtls_gate *gate, const Asafo__Ipc__VpnDatagram *message, int fd);

/* ---- for the sides ------------------------------------------------------------------------------
 */

struct poller *dtls_gate_poller(const struct dtls_gate *gate);
const struct dtls *dtls_gate_dtls(const struct dtls_gate *gate);
/* Shared memory that is only used within one turn of the loop. */
uint8_t *dtls_gate_record(struct dtls_gate *gate);
#define DTLS_RECORD_MAX 16384u
/* Gives SIDE a place and its app id. Errors: -ENOMEM, ERR_CRYPTO, ERR_TOO_LARGE. */
int dtls_gate_add(struct dtls_gate *gate, struct dtls_side *side,
		  uint8_t ret_app_id[static DTLS_APP_ID_SIZE]);
void dtls_gate_remove(struct dtls_gate *gate, const uint8_t app_id[static DTLS_APP_ID_SIZE]);
