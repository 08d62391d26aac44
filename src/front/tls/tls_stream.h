/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "front/tls/tls.h"

/*
 * Many small TLS records over one connection, with few system calls: records that are written are
 * gathered until tls_stream_flush, and one tls_stream_fill takes as many from the socket as have
 * come. Stands in for the socket of a peer whose handshake is over, for the rest of its life.
 */
#define TLS_STREAM_READ (64u * 1024)

struct tls_stream {
	struct tls_peer *peer;
	int fd;
	struct buf out;		/* encrypted */
	size_t sent;		/* of OUT */
	const uint8_t *in_view; /* what the last fill took and GnuTLS has not had yet */
	size_t in_size;
	bool is_ended; /* the other end said that nothing more comes */
};

/* Borrows PEER and its socket FD for the life of the peer's session. */
void tls_stream_init(struct tls_stream *stream, struct tls_peer *peer, int fd);
void tls_stream_done(struct tls_stream *stream);
/*
 * Takes what has come, once, into SCRATCH, which is the caller's until tls_stream_read said
 * TLS_WAIT: then nothing of it is left. TLS_DONE: there may be records. TLS_WAIT: nothing came.
 * TLS_CLOSED: the connection is gone.
 */
enum tls_result tls_stream_fill(struct tls_stream *stream, uint8_t scratch[static TLS_STREAM_READ]);
/* One record; as tls_read. TLS_WAIT: the rest has not come yet. */
enum tls_result tls_stream_read(struct tls_stream *stream, void *record, size_t size,
				size_t *ret_size);
/* One record of its own. TLS_REFUSED: the session is unusable, or there is no memory. */
enum tls_result tls_stream_write(struct tls_stream *stream, const void *data, size_t size);
/* New keys for both directions (RFC 8446 section 4.6.3); nothing under TLS 1.2. */
enum tls_result tls_stream_rekey(struct tls_stream *stream);
/* close_notify, in the order of what was written. */
void tls_stream_bye(struct tls_stream *stream);
/* TLS_DONE: all is with the kernel. TLS_WAIT: the socket takes no more now. TLS_CLOSED: it is gone.
 */
enum tls_result tls_stream_flush(struct tls_stream *stream);
size_t tls_stream_pending(const struct tls_stream *stream);
/* Gives back the memory of an empty buffer. */
void tls_stream_trim(struct tls_stream *stream);
