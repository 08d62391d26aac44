/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GnuTLS asks its transport for five bytes of header, then for a record's body, and gives each
 * record to it alone: at the rate of packets that would be three system calls each. Here the
 * transport is memory.
 */
#include "front/tls/tls_stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

static ssize_t on_push(gnutls_transport_ptr_t userdata, const giovec_t *parts, int n)
{
	struct tls_stream *stream = userdata;

	return tls_gather(&stream->out, parts, n);
}

static ssize_t on_pull(gnutls_transport_ptr_t userdata, void *data, size_t size)
{
	struct tls_stream *stream = userdata;
	size_t n = size < stream->in_size ? size : stream->in_size;

	if (n == 0 && stream->is_ended)
		return 0;
	if (n == 0) {
		errno = EAGAIN;
		return -1;
	}
	if (!tls_count(stream->peer, n)) {
		errno = EPROTO;
		return -1;
	}
	memcpy(data, stream->in_view, n);
	stream->in_view += n;
	stream->in_size -= n;
	return (ssize_t)n;
}

void tls_stream_init(struct tls_stream *stream, struct tls_peer *peer, int fd)
{
	*stream = (struct tls_stream){.peer = peer, .fd = fd};
	gnutls_transport_set_ptr(peer->session, stream);
	gnutls_transport_set_vec_push_function(peer->session, on_push);
	gnutls_transport_set_pull_function(peer->session, on_pull);
}

void tls_stream_done(struct tls_stream *stream)
{
	buf_done(&stream->out);
	stream->sent = 0;
}

enum tls_result tls_stream_fill(struct tls_stream *stream, uint8_t scratch[static TLS_STREAM_READ])
{
	ssize_t n = recv(stream->fd, scratch, TLS_STREAM_READ, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? TLS_WAIT : TLS_CLOSED;
	stream->is_ended = n == 0;
	stream->in_view = scratch;
	stream->in_size = (size_t)n;
	return TLS_DONE;
}

enum tls_result tls_stream_read(struct tls_stream *stream, void *record, size_t size,
				size_t *ret_size)
{
	enum tls_result result;
	size_t before;

	/* GnuTLS says "again" after a key update, too, with more records behind it. */
	do {
		before = stream->in_size;
		result = tls_read(stream->peer, record, size, ret_size);
	} while (result == TLS_WAIT && stream->in_size > 0 && stream->in_size < before);
	return result;
}

enum tls_result tls_stream_write(struct tls_stream *stream, const void *data, size_t size)
{
	size_t n = 0;
	enum tls_result result = tls_write(stream->peer, data, size, &n);

	/* The transport takes everything: part of a record would be a record of its own. */
	return result == TLS_DONE && n == size ? TLS_DONE : TLS_REFUSED;
}

enum tls_result tls_stream_rekey(struct tls_stream *stream)
{
	return tls_rekey(stream->peer);
}

void tls_stream_bye(struct tls_stream *stream)
{
	(void)tls_bye(stream->peer);
}

enum tls_result tls_stream_flush(struct tls_stream *stream)
{
	while (stream->sent < stream->out.size) {
		ssize_t n = send(stream->fd, stream->out.data + stream->sent,
				 stream->out.size - stream->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return TLS_CLOSED;
		if (n < 0) {
			buf_consume(&stream->out, stream->sent);
			stream->sent = 0;
			return TLS_WAIT;
		}
		stream->sent += (size_t)n;
	}
	buf_clear(&stream->out);
	stream->sent = 0;
	return TLS_DONE;
}

size_t tls_stream_pending(const struct tls_stream *stream)
{
	return stream->out.size - stream->sent;
}

void tls_stream_trim(struct tls_stream *stream)
{
	if (tls_stream_pending(stream) == 0)
		tls_stream_done(stream);
}
