/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "front/tls/tls.h"

/*
 * Stands in for the socket of a peer from its first byte on. GnuTLS sends each of its messages by
 * itself, and reads each record in two pieces; here what one turn of the loop writes leaves in one
 * piece, and what has come is read in one. Memory is held only while there is something in it.
 */
struct tls_wire {
	struct tls_peer *peer;
	int fd;
	struct buf out; /* encrypted */
	size_t sent;	/* of OUT */
	struct buf in;	/* came, and GnuTLS has not had it yet */
	size_t taken;	/* of IN */
	bool is_drained, has_moved;
};

/* Borrows PEER and its socket FD for the life of the peer's session, or until another takes it
 * over. Stays where it is. */
void tls_wire_init(struct tls_wire *wire, struct tls_peer *peer, int fd);
void tls_wire_done(struct tls_wire *wire);
/* The socket has become ready: it is to be read again. */
void tls_wire_wake(struct tls_wire *wire);
/* TLS_DONE: all is with the kernel. TLS_WAIT: the socket takes no more now. TLS_CLOSED: it is gone.
 */
enum tls_result tls_wire_flush(struct tls_wire *wire);
/* The same, and then the end of the stream. */
enum tls_result tls_wire_end(struct tls_wire *wire);
/* The same, where the socket is closed next: the kernel sends the last bytes and the end in one
 * packet. */
enum tls_result tls_wire_end_by_close(struct tls_wire *wire);
/* All that has come until now was read, also from the socket: closing it takes nothing from the
 * other end. */
bool tls_wire_is_drained(const struct tls_wire *wire);
/* Something came that nobody has read. */
bool tls_wire_has_input(const struct tls_wire *wire);
/* The same, and something of it was read since this was asked last. */
bool tls_wire_has_moved(struct tls_wire *wire);
