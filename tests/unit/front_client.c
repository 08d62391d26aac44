/* SPDX-License-Identifier: Apache-2.0 */
/* A blocking TLS client, with a receive timeout so that a failing test ends. */
#include "front_harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"

int client_tcp_try(uint32_t source, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};
	struct timeval limit = {.tv_sec = HARNESS_WAIT_MS / 1000};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0 ||
	    connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int client_tcp_from(uint32_t source, uint16_t port)
{
	int fd = client_tcp_try(source, port);

	if (fd < 0)
		fail_msg("no connection to port %u: %s", port, strerror(-fd));
	return fd;
}

int client_tcp(uint16_t port)
{
	return client_tcp_from(INADDR_LOOPBACK, port);
}

void client_open(struct client *client, uint16_t port, const char *server_name,
		 const char *priority)
{
	client_open_on(client, client_tcp(port), server_name, priority);
}

void client_open_on(struct client *client, int fd, const char *server_name, const char *priority)
{
	memset(client, 0, sizeof(*client));
	client->fd = fd;
	client->alert = -1;
	assert_int_equal(gnutls_init(&client->session, GNUTLS_CLIENT), 0);
	assert_int_equal(gnutls_certificate_allocate_credentials(&client->credentials), 0);
	assert_int_equal(gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE,
						client->credentials),
			 0);
	assert_int_equal(
		gnutls_priority_set_direct(client->session, priority ? priority : "NORMAL", NULL),
		0);
	if (server_name)
		assert_int_equal(gnutls_server_name_set(client->session, GNUTLS_NAME_DNS,
							server_name, strlen(server_name)),
				 0);
	gnutls_transport_set_int(client->session, client->fd);
	do
		client->handshake = gnutls_handshake(client->session);
	while (client->handshake < 0 && !gnutls_error_is_fatal(client->handshake));
	if (client->handshake == GNUTLS_E_FATAL_ALERT_RECEIVED)
		client->alert = (int)gnutls_alert_get(client->session);
}

void client_close(struct client *client)
{
	gnutls_deinit(client->session);
	gnutls_certificate_free_credentials(client->credentials);
	(void)close(client->fd);
	buf_done(&client->in);
}

bool client_was_given(const struct client *client, const uint8_t fingerprint[static 32])
{
	unsigned n = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(client->session, &n);
	uint8_t digest[32];

	if (client->handshake != 0 || n == 0)
		return false;
	assert_int_equal(gnutls_hash_fast(GNUTLS_DIG_SHA256, chain[0].data, chain[0].size, digest),
			 0);
	return memcmp(digest, fingerprint, 32) == 0;
}

void client_say(struct client *client, const char *text)
{
	assert_int_equal(gnutls_record_send(client->session, text, strlen(text)),
			 (ssize_t)strlen(text));
}

static bool client_read(struct client *client)
{
	char bytes[4096];
	ssize_t n;

	do
		n = gnutls_record_recv(client->session, bytes, sizeof(bytes));
	while (n < 0 && !gnutls_error_is_fatal((int)n) && n != GNUTLS_E_AGAIN);
	if (n <= 0)
		return false;
	assert_int_equal(buf_append(&client->in, bytes, (size_t)n), 0);
	return true;
}

int client_hear(struct client *client, bool is_head, char *ret_text, size_t size)
{
	const char *text, *end, *length;
	size_t total;

	for (;;) {
		text = buf_text(&client->in);
		end = strstr(text, "\r\n\r\n");
		length = strstr(text, "Content-Length: ");
		/* "100 Continue" has neither headers nor a body. */
		if (end && strncmp(text, "HTTP/1.1 100 ", 13) == 0) {
			total = (size_t)(end + 4 - text);
			break;
		}
		if (end && length && length < end) {
			total = (size_t)(end + 4 - text) +
				(is_head ? 0 : (size_t)strtoul(length + 16, NULL, 10));
			if (client->in.size >= total)
				break;
		}
		if (!client_read(client))
			return 0;
	}
	assert_true(total < size);
	memcpy(ret_text, client->in.data, total);
	ret_text[total] = '\0';
	buf_consume(&client->in, total);
	assert_memory_equal(ret_text, "HTTP/1.1 ", 9);
	return (int)strtol(ret_text + 9, NULL, 10);
}

bool client_is_closed(struct client *client)
{
	char byte;
	ssize_t n;

	if (client->in.size > 0)
		return false;
	do
		n = gnutls_record_recv(client->session, &byte, 1);
	while (n < 0 && !gnutls_error_is_fatal((int)n) && n != GNUTLS_E_AGAIN);
	return n == 0;
}
