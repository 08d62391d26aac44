/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What anybody can send to the datagrams' port: looked at as a first message, asked for its cookie,
 * and, as if the cookie had been good, begun a handshake with. What is handed out must lie within
 * what came, and a message that is no ClientHello must not be taken for one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front/tunnel/dtls.h"
#include "front/tunnel/dtls_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int is_true)
{
	if (!is_true)
		abort();
}

static struct dtls *the_dtls(void)
{
	static struct dtls *dtls;

	if (!dtls)
		check(dtls_new(&dtls) == 0);
	return dtls;
}

static void begin(const struct sockaddr_storage *client, const uint8_t *data, size_t size)
{
	static const uint8_t psk[DTLS_PSK_SIZE] = {1};
	static const struct dtls_begin start = {1, 1, 0};
	struct dtls_peer peer;
	int fds[2];

	check(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds) == 0);
	check(dtls_peer_init(&peer, the_dtls(), fds[0], client, psk, &start) == 0);
	dtls_peer_feed(&peer, data, size);
	/* One message alone never makes a session. */
	check(dtls_handshake(&peer) != TLS_DONE);
	dtls_peer_done(&peer);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_storage client = {.ss_family = AF_INET};
	struct dtls_begin start;
	struct dtls_hello hello;

	if (size > DTLS_DATAGRAM_MAX)
		return 0;
	if (dtls_hello_read(data, size, &hello) == 0) {
		check(data[0] == 22 && data[13] == 1);
		check(hello.session_id_size <= DTLS_SESSION_ID_MAX);
		check(hello.session_id_view > data &&
		      hello.session_id_view + hello.session_id_size < data + size);
		/* Nobody knows the key of cookies. */
		check(!dtls_cookie_is_valid(the_dtls(), &client, data, size, &start));
	}
	begin(&client, data, size);
	return 0;
}
