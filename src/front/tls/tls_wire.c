/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A read that brought less than it asked for has emptied the socket: until it is ready again,
 * nobody asks it a second time.
 */
#include "front/tls/tls_wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define READ_SIZE 4096

static ssize_t on_push(gnutls_transport_ptr_t userdata, const giovec_t *parts, int n)
{
	struct tls_wire *wire = userdata;

	return tls_gather(&wire->out, parts, n);
}

static ssize_t socket_read(struct tls_wire *wire)
{
	ssize_t n;

	if (wire->is_drained) {
		errno = EAGAIN;
		return -1;
	}
	buf_clear(&wire->in);
	wire->taken = 0;
	if (buf_reserve(&wire->in, READ_SIZE) < 0) {
		errno = ENOMEM;
		return -1;
	}
	n = recv(wire->fd, wire->in.data, READ_SIZE, 0);
	wire->is_drained = n > 0 && n < READ_SIZE;
	if (n > 0)
		wire->in.size = (size_t)n;
	return n;
}

static ssize_t on_pull(gnutls_transport_ptr_t userdata, void *data, size_t size)
{
	struct tls_wire *wire = userdata;
	ssize_t n;

	if (!tls_wire_has_input(wire)) {
		n = socket_read(wire);
		if (n <= 0)
			return n;
	}
	if (size > wire->in.size - wire->taken)
		size = wire->in.size - wire->taken;
	if (!tls_count(wire->peer, size)) {
		errno = EPROTO;
		return -1;
	}
	memcpy(data, wire->in.data + wire->taken, size);
	wire->taken += size;
	wire->has_moved = true;
	return (ssize_t)size;
}

void tls_wire_init(struct tls_wire *wire, struct tls_peer *peer, int fd)
{
	*wire = (struct tls_wire){.peer = peer, .fd = fd};
	gnutls_transport_set_ptr(peer->session, wire);
	gnutls_transport_set_vec_push_function(peer->session, on_push);
	gnutls_transport_set_pull_function(peer->session, on_pull);
}

void tls_wire_done(struct tls_wire *wire)
{
	buf_done(&wire->out);
	buf_done(&wire->in);
	wire->sent = wire->taken = 0;
}

void tls_wire_wake(struct tls_wire *wire)
{
	wire->is_drained = false;
}

static enum tls_result flush(struct tls_wire *wire, int flags)
{
	while (wire->sent < wire->out.size) {
		ssize_t n = send(wire->fd, wire->out.data + wire->sent, wire->out.size - wire->sent,
				 MSG_NOSIGNAL | flags);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? TLS_WAIT : TLS_CLOSED;
		wire->sent += (size_t)n;
	}
	buf_done(&wire->out);
	wire->sent = 0;
	return TLS_DONE;
}

enum tls_result tls_wire_flush(struct tls_wire *wire)
{
	if (!tls_wire_has_input(wire)) {
		buf_done(&wire->in);
		wire->taken = 0;
	}
	return flush(wire, 0);
}

enum tls_result tls_wire_end(struct tls_wire *wire)
{
	/* The last bytes and the end in one packet. */
	enum tls_result result = flush(wire, MSG_MORE);

	if (result == TLS_DONE && shutdown(wire->fd, SHUT_WR) < 0)
		return TLS_CLOSED;
	return result;
}

enum tls_result tls_wire_end_by_close(struct tls_wire *wire)
{
	return flush(wire, MSG_MORE);
}

bool tls_wire_is_drained(const struct tls_wire *wire)
{
	return wire->is_drained && !tls_wire_has_input(wire);
}

bool tls_wire_has_input(const struct tls_wire *wire)
{
	return wire->taken < wire->in.size;
}

bool tls_wire_has_moved(struct tls_wire *wire)
{
	bool has_moved = wire->has_moved;

	wire->has_moved = false;
	return has_moved && tls_wire_has_input(wire);
}
