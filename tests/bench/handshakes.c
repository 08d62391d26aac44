/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that does full TLS 1.3 handshakes one after the other, several at a time, and says how
 * many there were. Each connection ends with close_notify, and counts when the server has closed
 * it, too: so the server has seen the client's Finished. With -k it does so many, asks for a page
 * in each, keeps all of them open, says "held", and waits until its input ends.
 * Nothing is resumed. Who is asked for is always the same, so the certificate is not looked at.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/monotime.h"

#define FAILURES_MAX 1000

enum phase { PHASE_HANDSHAKE, PHASE_ANSWER, PHASE_HELD, PHASE_END };

struct one {
	enum phase phase;
	int fd;
	SSL *tls;
};

struct load {
	struct sockaddr_in server;
	const char *name;
	unsigned parallel, seconds, n_kept;
	SSL_CTX *context;
	struct one *ones;
	unsigned n_ones;
	int epoll;
	uint64_t begun, done, failed;
};

static void die(const char *what)
{
	(void)fprintf(stderr, "handshakes: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void one_begin(struct load *load, struct one *one)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
				    .data.u32 = (uint32_t)(one - load->ones)};
	int on = 1;

	one->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (one->fd < 0)
		die("socket");
	(void)setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	one->tls = SSL_new(load->context);
	if (!one->tls || SSL_set_fd(one->tls, one->fd) != 1 ||
	    SSL_set_tlsext_host_name(one->tls, load->name) != 1)
		die("TLS");
	SSL_set_connect_state(one->tls);
	one->phase = PHASE_HANDSHAKE;
	load->begun++;
	if (connect(one->fd, (struct sockaddr *)&load->server, sizeof(load->server)) < 0 &&
	    errno != EINPROGRESS)
		die("connect");
	if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, one->fd, &event) < 0)
		die("epoll_ctl");
}

static void one_end(struct one *one)
{
	SSL_free(one->tls);
	one->tls = NULL;
	if (one->fd >= 0)
		(void)close(one->fd);
	one->fd = -1;
}

static bool is_waiting(struct one *one, int r)
{
	int code = SSL_get_error(one->tls, r);

	return code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE;
}

static void one_over(struct load *load, struct one *one, bool is_good)
{
	ERR_clear_error();
	load->done += is_good;
	load->failed += !is_good;
	one_end(one);
	if (load->failed > FAILURES_MAX) {
		(void)fprintf(stderr, "handshakes: %u of them failed\n", FAILURES_MAX);
		exit(1);
	}
}

/* The handshake is over on this side: either the page, or the end. */
static bool greet(struct load *load, struct one *one)
{
	char request[256];
	int n;

	if (load->n_kept == 0) {
		one->phase = PHASE_END;
		return SSL_shutdown(one->tls) >= 0;
	}
	n = snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", load->name);
	one->phase = PHASE_ANSWER;
	return SSL_write(one->tls, request, n) == n;
}

/* All that came; false: the end of the stream, or an error. */
static bool drain(struct one *one, bool *ret_has_data)
{
	char bytes[16384];
	int n;

	*ret_has_data = false;
	while ((n = SSL_read(one->tls, bytes, sizeof(bytes))) > 0)
		*ret_has_data = true;
	return is_waiting(one, n);
}

static void one_step(struct load *load, struct one *one)
{
	bool has_data;
	int r;

	if (one->phase == PHASE_HANDSHAKE) {
		r = SSL_connect(one->tls);
		if (r != 1 && is_waiting(one, r))
			return;
		if (r != 1 || !greet(load, one)) {
			one_over(load, one, false);
			return;
		}
	}
	if (one->phase == PHASE_END) {
		char bytes[4096];
		ssize_t n;

		while ((n = recv(one->fd, bytes, sizeof(bytes), 0)) > 0)
			;
		if (n == 0 || errno == ECONNRESET)
			one_over(load, one, true);
		return;
	}
	if (!drain(one, &has_data)) {
		load->done -= one->phase == PHASE_HELD;
		one_over(load, one, false);
		return;
	}
	if (has_data && one->phase == PHASE_ANSWER) {
		one->phase = PHASE_HELD;
		load->done++;
	}
}

static unsigned fill(struct load *load, bool may_begin)
{
	unsigned n_open = 0;

	for (unsigned i = 0; i < load->n_ones; i++) {
		struct one *one = &load->ones[i];

		if (one->fd < 0 && may_begin &&
		    load->begun - load->done - load->failed < load->parallel)
			one_begin(load, one);
		n_open += one->fd >= 0 && one->phase != PHASE_HELD;
	}
	return n_open;
}

static void turn(struct load *load)
{
	struct epoll_event events[256];
	int n = epoll_wait(load->epoll, events, ARRAY_SIZE(events), 100);

	for (int i = 0; i < n; i++) {
		struct one *one = &load->ones[events[i].data.u32];

		if (one->fd >= 0)
			one_step(load, one);
	}
}

static void measure(struct load *load)
{
	struct monotime begin = monotime_now(), end = monotime_add_ms(begin, load->seconds * 1000);
	uint64_t ns;

	while (fill(load, !monotime_reached(monotime_now(), end)) > 0)
		turn(load);
	ns = monotime_since(monotime_now(), begin);
	(void)printf("{\"handshakes\":%llu,\"failed\":%llu,\"seconds\":%.3f}\n",
		     (unsigned long long)load->done, (unsigned long long)load->failed,
		     (double)ns / 1e9);
}

static void keep(struct load *load)
{
	char byte;

	while (load->done < load->n_kept) {
		(void)fill(load, true);
		turn(load);
	}
	(void)printf("held\n");
	(void)fflush(stdout);
	(void)!read(STDIN_FILENO, &byte, 1);
	/* Whoever was sent away in the meantime is not one that is held. */
	for (unsigned i = 0; i < load->n_ones; i++) {
		if (load->ones[i].fd >= 0)
			one_step(load, &load->ones[i]);
	}
	(void)printf("{\"held\":%llu,\"failed\":%llu}\n", (unsigned long long)load->done,
		     (unsigned long long)load->failed);
}

static void options_read(struct load *load, int argc, char **argv)
{
	int option;

	load->server.sin_family = AF_INET;
	while ((option = getopt(argc, argv, "a:p:n:j:t:k:")) >= 0) {
		unsigned number = optarg ? (unsigned)strtoul(optarg, NULL, 10) : 0;

		if (option == 'a' && inet_pton(AF_INET, optarg, &load->server.sin_addr) != 1)
			exit(2);
		if (option == 'p')
			load->server.sin_port = htons((uint16_t)number);
		if (option == 'n')
			load->name = optarg;
		if (option == 'j')
			load->parallel = number;
		if (option == 't')
			load->seconds = number;
		if (option == 'k')
			load->n_kept = number;
		if (option == '?')
			exit(2);
	}
	if (load->server.sin_port == 0 || load->parallel == 0) {
		(void)fprintf(stderr,
			      "usage: handshakes -a ADDRESS -p PORT [-n NAME] [-j AT A TIME] "
			      "[-t SECONDS] [-k HOW MANY TO KEEP]\n");
		exit(2);
	}
}

static void context_make(struct load *load)
{
	load->context = SSL_CTX_new(TLS_client_method());
	if (!load->context || SSL_CTX_set_min_proto_version(load->context, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(load->context, "TLS_AES_128_GCM_SHA256") != 1 ||
	    SSL_CTX_set1_groups_list(load->context, "X25519") != 1)
		die("TLS");
	SSL_CTX_set_mode(load->context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(load->context, SSL_SESS_CACHE_OFF);
}

int main(int argc, char **argv)
{
	struct load load = {.parallel = 16, .seconds = 2, .name = "vpn.example.net"};

	options_read(&load, argc, argv);
	(void)signal(SIGPIPE, SIG_IGN);
	context_make(&load);
	load.n_ones = load.n_kept > 0 ? load.n_kept : load.parallel;
	load.ones = calloc(load.n_ones, sizeof(*load.ones));
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!load.ones || load.epoll < 0)
		die("start");
	for (unsigned i = 0; i < load.n_ones; i++)
		load.ones[i].fd = -1;
	if (load.n_kept > 0)
		keep(&load);
	else
		measure(&load);
	for (unsigned i = 0; i < load.n_ones; i++)
		one_end(&load.ones[i]);
	free(load.ones);
	SSL_CTX_free(load.context);
	return 0;
}
