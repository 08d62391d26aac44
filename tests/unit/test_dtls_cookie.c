/* SPDX-License-Identifier: Apache-2.0 */
/* Who knocks with a cookie: it is good under the key that it was made by, while that is the present
 * one or the one before. The client is GnuTLS' own, on loopback. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gnutls/dtls.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front/tunnel/dtls.h"

#define WAIT_MS 20000

static const uint8_t first[DTLS_COOKIE_KEY_SIZE] = {1}, second[DTLS_COOKIE_KEY_SIZE] = {2},
		     third[DTLS_COOKIE_KEY_SIZE] = {3};

/* What a client sends when it has its cookie. */
struct knock {
	struct sockaddr_storage client;
	uint8_t datagram[2048];
	size_t size;
};

static int udp_socket(struct sockaddr_in *ret_where)
{
	struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(*ret_where);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&where, sizeof(where)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret_where, &size), 0);
	return fd;
}

static void hear(int fd, struct knock *ret_knock)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	socklen_t size = sizeof(ret_knock->client);
	ssize_t n;

	memset(ret_knock, 0, sizeof(*ret_knock));
	assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
	n = recvfrom(fd, ret_knock->datagram, sizeof(ret_knock->datagram), 0,
		     (struct sockaddr *)&ret_knock->client, &size);
	assert_true(n > 0);
	ret_knock->size = (size_t)n;
}

/* A client of DTLS comes, gets its cookie, and comes with it. */
static void client_knock(const struct dtls *dtls, struct knock *ret_knock)
{
	struct sockaddr_in server, own;
	gnutls_certificate_credentials_t credentials;
	int door = udp_socket(&server), fd = udp_socket(&own);
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	struct dtls_begin begin;
	gnutls_session_t session;

	assert_int_equal(connect(fd, (struct sockaddr *)&server, sizeof(server)), 0);
	assert_int_equal(gnutls_certificate_allocate_credentials(&credentials), 0);
	assert_int_equal(gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_DATAGRAM | GNUTLS_NONBLOCK),
			 0);
	assert_int_equal(gnutls_set_default_priority(session), 0);
	assert_int_equal(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials), 0);
	gnutls_transport_set_int(session, fd);
	assert_int_equal(gnutls_handshake(session), GNUTLS_E_AGAIN);
	hear(door, ret_knock);
	assert_false(dtls_cookie_is_valid(dtls, &ret_knock->client, ret_knock->datagram,
					  ret_knock->size, &begin));
	dtls_cookie_send(dtls, &ret_knock->client, door);
	assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
	assert_int_equal(gnutls_handshake(session), GNUTLS_E_AGAIN);
	hear(door, ret_knock);
	gnutls_deinit(session);
	gnutls_certificate_free_credentials(credentials);
	(void)close(door);
	(void)close(fd);
}

static bool is_good(const struct dtls *dtls, const struct knock *knock)
{
	struct dtls_begin begin;

	return dtls_cookie_is_valid(dtls, &knock->client, knock->datagram, knock->size, &begin);
}

static void a_cookie_is_good_until_its_key_is_replaced_twice(void **state)
{
	struct dtls *dtls;
	struct knock knock;

	(void)state;
	assert_int_equal(dtls_new(&dtls), 0);
	dtls_set_cookie_keys(dtls, first, NULL);
	client_knock(dtls, &knock);
	assert_true(is_good(dtls, &knock));
	dtls_set_cookie_keys(dtls, second, first);
	assert_true(is_good(dtls, &knock));
	dtls_set_cookie_keys(dtls, third, second);
	assert_false(is_good(dtls, &knock));
	/* One that has none before it knows its own only. */
	dtls_set_cookie_keys(dtls, second, NULL);
	assert_false(is_good(dtls, &knock));
	dtls_free(dtls);
}

static void a_cookie_is_good_for_the_client_that_it_was_sent_to(void **state)
{
	struct dtls *dtls;
	struct knock knock, moved, readdressed;

	(void)state;
	assert_int_equal(dtls_new(&dtls), 0);
	client_knock(dtls, &knock);
	assert_true(is_good(dtls, &knock));
	moved = readdressed = knock;
	((struct sockaddr_in *)&moved.client)->sin_port ^= htons(1);
	assert_false(is_good(dtls, &moved));
	((struct sockaddr_in *)&readdressed.client)->sin_addr.s_addr ^= htonl(1);
	assert_false(is_good(dtls, &readdressed));
	dtls_free(dtls);
}

static void a_new_cookie_is_made_by_the_new_key(void **state)
{
	struct dtls *dtls;
	struct knock knock;

	(void)state;
	assert_int_equal(dtls_new(&dtls), 0);
	dtls_set_cookie_keys(dtls, second, first);
	client_knock(dtls, &knock);
	dtls_set_cookie_keys(dtls, third, second);
	assert_true(is_good(dtls, &knock));
	dtls_set_cookie_keys(dtls, third, first);
	assert_false(is_good(dtls, &knock));
	dtls_free(dtls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cookie_is_good_until_its_key_is_replaced_twice),
		cmocka_unit_test(a_cookie_is_good_for_the_client_that_it_was_sent_to),
		cmocka_unit_test(a_new_cookie_is_made_by_the_new_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
