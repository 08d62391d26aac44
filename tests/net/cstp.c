/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many AnyConnect clients in one process, without a device of their own: each logs in, connects,
 * sends an echo request to a host on the inside again and again, and does what a client does when
 * its connection breaks: it comes back at once with its cookie; after a 503 it waits, after a 401
 * it gives up. Says "up" when all are connected, and at the end (SIGTERM, or stdin closed) what
 * happened, as JSON. The addresses that a session is given must never change.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
#include "front/tunnel/cstp_frame.h"
#include "front/tunnel/packet.h"

#define LATER_MS                                                                                   \
	10000 /* what OpenConnect waits after a 503 or a connection that is refused, also in its   \
		 handshake */
#define TRY_MS 3000  /* a connection that is not answered is tried anew */
#define LIVE_MS 1000 /* who has heard nothing for so long is not up */
#define ECHO_SIZE 84
#define TEXT_MAX 16384
#define COOKIE_MAX 128

enum phase { PHASE_IDLE, PHASE_CONNECT, PHASE_HANDSHAKE, PHASE_ANSWER, PHASE_UP, PHASE_OVER };

struct tally {
	unsigned logins, reconnects, never, later, broken, terminated, other_address;
	uint64_t echoes, replies;
};

struct one {
	enum phase phase;
	int fd;
	gnutls_session_t tls;
	char cookie[COOKIE_MAX];
	char text[TEXT_MAX];
	size_t size;
	uint8_t address[4];
	bool has_address;
	struct monotime due, replied_at;
	uint64_t longest_gap_ns;
	uint16_t sequence;
};

struct crowd {
	const char *server, *user, *password, *group;
	uint8_t target[4];
	struct sockaddr_in
		source; /* the first of N_SOURCES of clients; n_sources 0: the kernel's */
	unsigned n_sources;
	unsigned n, parallel, interval_ms;
	struct one *ones;
	int epoll;
	gnutls_certificate_credentials_t credentials;
	struct tally tally;
	bool is_up_said;
};

static volatile sig_atomic_t is_over;

static void on_signal(int number)
{
	(void)number;
	is_over = 1;
}

static void die(const char *what)
{
	(void)fprintf(stderr, "cstp: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- a connection -------------------------------------------------------------------------------
 */

static void connection_drop(struct one *one, uint64_t wait_ms)
{
	if (one->tls)
		gnutls_deinit(one->tls);
	one->tls = NULL;
	if (one->fd >= 0)
		(void)close(one->fd);
	one->fd = -1;
	one->size = 0;
	one->phase = PHASE_IDLE;
	one->due = monotime_add_ms(monotime_now(), wait_ms);
}

static void connection_lost(struct crowd *crowd, struct one *one)
{
	/* A connection that worked is followed by another at once. */
	bool was_up = one->phase == PHASE_UP;

	crowd->tally.broken += was_up ? 0 : 1;
	crowd->tally.reconnects += was_up ? 1 : 0;
	connection_drop(one, was_up ? 0 : 200);
}

static void events_set(const struct crowd *crowd, const struct one *one, int operation,
		       uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u32 = (uint32_t)(one - crowd->ones)};

	if (epoll_ctl(crowd->epoll, operation, one->fd, &event) < 0)
		die("epoll_ctl");
}

static socklen_t server_address(const char *text, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;

	memset(ret_address, 0, sizeof(*ret_address));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(443);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
		die("the server is no address");
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(443);
	return sizeof(*v6);
}

/* A unit limits what one address asks at a time: a crowd comes from many. */
static void source_choose(const struct crowd *crowd, const struct one *one)
{
	struct sockaddr_in source = crowd->source;
	unsigned index;
	int on = 1;

	if (crowd->n_sources == 0)
		return;
	index = (unsigned)(one - crowd->ones) % crowd->n_sources;
	source.sin_addr.s_addr = htonl(ntohl(source.sin_addr.s_addr) + index);
	/* The port is chosen when the other end is known. */
	(void)setsockopt(one->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(one->fd, (struct sockaddr *)&source, sizeof(source)) < 0)
		die("the source address");
}

static void connection_begin(struct crowd *crowd, struct one *one)
{
	struct sockaddr_storage address;
	socklen_t size = server_address(crowd->server, &address);
	int on = 1;

	one->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (one->fd < 0)
		die("socket");
	source_choose(crowd, one);
	(void)setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (gnutls_init(&one->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0 ||
	    gnutls_set_default_priority(one->tls) < 0 ||
	    gnutls_credentials_set(one->tls, GNUTLS_CRD_CERTIFICATE, crowd->credentials) < 0)
		die("TLS");
	gnutls_handshake_set_timeout(one->tls, GNUTLS_INDEFINITE_TIMEOUT);
	gnutls_transport_set_int(one->tls, one->fd);
	one->phase = PHASE_CONNECT;
	one->due = monotime_add_ms(monotime_now(), TRY_MS);
	events_set(crowd, one, EPOLL_CTL_ADD, EPOLLOUT);
	if (connect(one->fd, (struct sockaddr *)&address, size) < 0 && errno != EINPROGRESS)
		connection_drop(one, 200);
}

/* ---- what is asked and answered -----------------------------------------------------------------
 */

static void ask(struct crowd *crowd, struct one *one)
{
	char request[2048], body[1024];

	if (one->cookie[0] == '\0') {
		(void)snprintf(body, sizeof(body),
			       "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			       "<config-auth client=\"vpn\" type=\"auth-reply\">"
			       "<version who=\"vpn\">v9.01</version><device-id>linux-64</device-id>"
			       "<auth><username>%s</username><password>%s</password></auth>%s%s%s"
			       "</config-auth>\n",
			       crowd->user, crowd->password, crowd->group ? "<group-select>" : "",
			       crowd->group ? crowd->group : "",
			       crowd->group ? "</group-select>" : "");
		(void)snprintf(request, sizeof(request),
			       "POST / HTTP/1.1\r\nHost: gate\r\n"
			       "User-Agent: AnyConnect-compatible OpenConnect VPN Agent v9.01\r\n"
			       "X-Transcend-Version: 1\r\nX-Aggregate-Auth: 1\r\n"
			       "Content-Type: application/xml; charset=utf-8\r\n"
			       "Content-Length: %zu\r\n\r\n%s",
			       strlen(body), body);
	} else {
		(void)snprintf(request, sizeof(request),
			       "CONNECT /CSCOSSLC/tunnel HTTP/1.1\r\nHost: gate\r\n"
			       "User-Agent: AnyConnect-compatible OpenConnect VPN Agent v9.01\r\n"
			       "Cookie: webvpn=%s\r\nX-CSTP-Version: 1\r\n"
			       "X-CSTP-Address-Type: IPv6,IPv4\r\nX-CSTP-Base-MTU: 1500\r\n\r\n",
			       one->cookie);
	}
	one->size = 0;
	one->phase = PHASE_ANSWER;
	one->due = monotime_add_ms(monotime_now(), LATER_MS);
	if (gnutls_record_send(one->tls, request, strlen(request)) < 0)
		connection_lost(crowd, one);
}

/* Behind PREFIX up to the end of its line; false: it is not there. */
static bool value_of(const char *text, const char *prefix, char *ret_value, size_t size)
{
	const char *at = strstr(text, prefix);
	size_t n;

	if (!at)
		return false;
	at += strlen(prefix);
	n = strcspn(at, "\r\n;");
	(void)snprintf(ret_value, size, "%.*s", (int)n, at);
	return true;
}

static void logged_in(struct crowd *crowd, struct one *one)
{
	char cookie[COOKIE_MAX];

	if (!value_of(one->text, "Set-Cookie: webvpn=", cookie, sizeof(cookie)) ||
	    cookie[0] == '\0') {
		(void)fprintf(stderr, "cstp: no cookie came with:\n%s\n", one->text);
		exit(1);
	}
	memcpy(one->cookie, cookie, sizeof(cookie));
	crowd->tally.logins++;
	ask(crowd, one);
}

static void connected(struct crowd *crowd, struct one *one)
{
	char text[64] = "";
	uint8_t address[4] = {0};

	(void)value_of(one->text, "X-CSTP-Address: ", text, sizeof(text));
	if (inet_pton(AF_INET, text, address) != 1 ||
	    (one->has_address && memcmp(one->address, address, 4) != 0))
		crowd->tally.other_address++;
	memcpy(one->address, address, 4);
	one->has_address = true;
	one->phase = PHASE_UP;
	one->due = monotime_now();
}

static void answered(struct crowd *crowd, struct one *one)
{
	long status = strtol(one->text + 9, NULL, 10);

	if (status == 200 && one->cookie[0] == '\0') {
		logged_in(crowd, one);
	} else if (status == 200) {
		connected(crowd, one);
	} else if (status == 401) {
		crowd->tally.never++;
		connection_drop(one, 0);
		one->phase = PHASE_OVER;
	} else {
		crowd->tally.later++;
		connection_drop(one, LATER_MS);
	}
}

/* A login's answer has a length, a CONNECT's ends with its head. */
static bool is_whole(const struct one *one)
{
	const char *end = strstr(one->text, "\r\n\r\n");
	const char *length = strstr(one->text, "Content-Length: ");

	if (!end)
		return false;
	if (!length || length > end)
		return true;
	return one->size >= (size_t)(end + 4 - one->text) + strtoul(length + 16, NULL, 10);
}

static void answer_read(struct crowd *crowd, struct one *one)
{
	ssize_t n = gnutls_record_recv(one->tls, one->text + one->size, TEXT_MAX - 1 - one->size);

	if (n < 0 && !gnutls_error_is_fatal((int)n))
		return;
	if (n <= 0) {
		connection_lost(crowd, one);
		return;
	}
	one->size += (size_t)n;
	one->text[one->size] = '\0';
	if (is_whole(one))
		answered(crowd, one);
}

/* ---- inside the tunnel --------------------------------------------------------------------------
 */

static uint16_t checksum(const uint8_t *data, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void echo_send(struct crowd *crowd, struct one *one)
{
	uint8_t record[CSTP_HEADER_SIZE + ECHO_SIZE] = {0};
	uint8_t *ip = record + CSTP_HEADER_SIZE, *icmp = ip + PACKET_V4_HEADER;
	uint16_t sum, sequence = htons(++one->sequence);

	cstp_header_encode(CSTP_DATA, ECHO_SIZE, record);
	ip[0] = 0x45;
	ip[3] = ECHO_SIZE;
	ip[8] = 64;
	ip[9] = IPPROTO_ICMP;
	memcpy(ip + 12, one->address, 4);
	memcpy(ip + 16, crowd->target, 4);
	sum = checksum(ip, PACKET_V4_HEADER);
	memcpy(ip + 10, &sum, 2);
	icmp[0] = 8;
	memcpy(icmp + 6, &sequence, 2);
	sum = checksum(icmp, ECHO_SIZE - PACKET_V4_HEADER);
	memcpy(icmp + 2, &sum, 2);
	crowd->tally.echoes++;
	one->due = monotime_add_ms(monotime_now(), crowd->interval_ms);
	if (gnutls_record_send(one->tls, record, sizeof(record)) < 0 && errno != EAGAIN)
		connection_lost(crowd, one);
}

static void replied(struct crowd *crowd, struct one *one)
{
	struct monotime now = monotime_now();
	uint64_t gap = monotime_since(now, one->replied_at);

	crowd->tally.replies++;
	if (one->replied_at.ns != 0 && gap > one->longest_gap_ns)
		one->longest_gap_ns = gap;
	one->replied_at = now;
}

static void frame_read(struct crowd *crowd, struct one *one, uint8_t *record, size_t size)
{
	struct cstp_frame frame;

	if (cstp_frame_decode(record, size, &frame, NULL) < 0) {
		(void)fprintf(stderr, "cstp: a record of %zu bytes is no frame\n", size);
		exit(1);
	}
	if (frame.type == CSTP_DPD_REQUEST) {
		cstp_header_encode(CSTP_DPD_RESPONSE, frame.payload_size, record);
		(void)gnutls_record_send(one->tls, record, size);
	} else if (frame.type == CSTP_DISCONNECT || frame.type == CSTP_TERMINATE) {
		crowd->tally.terminated++;
		connection_drop(one, 0);
		one->phase = PHASE_OVER;
	} else if (frame.type == CSTP_DATA && frame.payload_size == ECHO_SIZE &&
		   frame.payload_view[9] == IPPROTO_ICMP && frame.payload_view[20] == 0) {
		replied(crowd, one);
	}
}

static void tunnel_read(struct crowd *crowd, struct one *one)
{
	static uint8_t record[CSTP_RECORD_MAX];
	ssize_t n = 1;

	while (one->phase == PHASE_UP && n > 0) {
		n = gnutls_record_recv(one->tls, record, sizeof(record));
		if (n > 0)
			frame_read(crowd, one, record, (size_t)n);
		else if (n == 0 || gnutls_error_is_fatal((int)n))
			connection_lost(crowd, one);
	}
}

/* ---- the loop -----------------------------------------------------------------------------------
 */

static void handshake(struct crowd *crowd, struct one *one)
{
	int r = gnutls_handshake(one->tls);

	if (r < 0 && gnutls_error_is_fatal(r)) {
		crowd->tally.broken++;
		connection_drop(one, LATER_MS);
		return;
	}
	if (r == 0) {
		events_set(crowd, one, EPOLL_CTL_MOD, EPOLLIN);
		ask(crowd, one);
		return;
	}
	events_set(crowd, one, EPOLL_CTL_MOD,
		   gnutls_record_get_direction(one->tls) == 1 ? EPOLLOUT : EPOLLIN);
}

static void on_event(struct crowd *crowd, struct one *one)
{
	switch (one->phase) {
	case PHASE_CONNECT:
		one->phase = PHASE_HANDSHAKE;
		handshake(crowd, one);
		break;
	case PHASE_HANDSHAKE:
		handshake(crowd, one);
		break;
	case PHASE_ANSWER:
		answer_read(crowd, one);
		break;
	case PHASE_UP:
		tunnel_read(crowd, one);
		break;
	case PHASE_IDLE:
	case PHASE_OVER:
		break;
	}
}

/* Whether it is not up yet for the first time: only so many log in at a time. */
static bool on_time(struct crowd *crowd, struct one *one, struct monotime now, bool may_begin)
{
	if (one->phase == PHASE_OVER || !monotime_reached(now, one->due))
		return false;
	if (one->phase == PHASE_UP) {
		echo_send(crowd, one);
	} else if (one->phase != PHASE_IDLE) {
		connection_lost(crowd, one);
	} else if (may_begin || one->has_address) {
		connection_begin(crowd, one);
		return true;
	}
	return false;
}

static bool is_live(const struct one *one, struct monotime now)
{
	return one->phase == PHASE_UP && one->replied_at.ns != 0 &&
	       monotime_since(now, one->replied_at) < LIVE_MS * MONOTIME_NS_PER_MS;
}

static void tick(struct crowd *crowd)
{
	struct monotime now = monotime_now();
	unsigned n_busy = 0, n_up = 0;

	for (unsigned i = 0; i < crowd->n; i++) {
		n_busy += crowd->ones[i].phase != PHASE_IDLE && !crowd->ones[i].has_address;
		n_up += is_live(&crowd->ones[i], now);
	}
	for (unsigned i = 0; i < crowd->n; i++)
		n_busy += on_time(crowd, &crowd->ones[i], now, n_busy < crowd->parallel) ? 1 : 0;
	if ((n_up == crowd->n) != crowd->is_up_said) {
		crowd->is_up_said = !crowd->is_up_said;
		(void)printf("%s\n", crowd->is_up_said ? "up" : "not all");
		(void)fflush(stdout);
	}
}

static int by_size(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void report(const struct crowd *crowd)
{
	uint64_t *gaps = calloc(crowd->n, sizeof(*gaps));
	struct monotime now = monotime_now();
	unsigned n_up = 0;

	if (!gaps)
		die("report");
	for (unsigned i = 0; i < crowd->n; i++) {
		const struct one *one = &crowd->ones[i];
		uint64_t open = monotime_since(now, one->replied_at);

		gaps[i] = one->longest_gap_ns > open ? one->longest_gap_ns : open;
		n_up += one->phase == PHASE_UP;
	}
	qsort(gaps, crowd->n, sizeof(*gaps), by_size);
	(void)printf("{\"sessions\":%u,\"up\":%u,\"logins\":%u,\"reconnects\":%u,\"never\":%u,"
		     "\"later\":%u,\"broken\":%u,\"terminated\":%u,\"other_address\":%u,"
		     "\"echoes\":%llu,\"replies\":%llu,\"median_gap_ms\":%llu,"
		     "\"longest_gap_ms\":%llu}\n",
		     crowd->n, n_up, crowd->tally.logins, crowd->tally.reconnects,
		     crowd->tally.never, crowd->tally.later, crowd->tally.broken,
		     crowd->tally.terminated, crowd->tally.other_address,
		     (unsigned long long)crowd->tally.echoes,
		     (unsigned long long)crowd->tally.replies,
		     (unsigned long long)(gaps[crowd->n / 2] / MONOTIME_NS_PER_MS),
		     (unsigned long long)(gaps[crowd->n - 1] / MONOTIME_NS_PER_MS));
	free(gaps);
}

static void options_read(struct crowd *crowd, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "s:u:p:g:t:n:i:j:b:c:")) >= 0) {
		if (option == 's')
			crowd->server = optarg;
		else if (option == 'u')
			crowd->user = optarg;
		else if (option == 'p')
			crowd->password = optarg;
		else if (option == 'g')
			crowd->group = optarg;
		else if (option == 't' && inet_pton(AF_INET, optarg, crowd->target) != 1)
			exit(2);
		else if (option == 'b' && inet_pton(AF_INET, optarg, &crowd->source.sin_addr) != 1)
			exit(2);
		else if (option == 'c')
			crowd->n_sources = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'n')
			crowd->n = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'i')
			crowd->interval_ms = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'j')
			crowd->parallel = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == '?')
			exit(2);
	}
	if (!crowd->server || !crowd->user || !crowd->password || crowd->n == 0) {
		(void)fprintf(stderr, "usage: cstp -s SERVER -u USER -p PASSWORD -t TARGET [-n "
				      "SESSIONS] [-i MS] [-j LOGINS AT A TIME] [-g GROUP] "
				      "[-b FIRST SOURCE ADDRESS -c HOW MANY]\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct crowd crowd = {.n = 1, .parallel = 8, .interval_ms = 10};
	struct epoll_event events[64];

	crowd.source.sin_family = AF_INET;
	options_read(&crowd, argc, argv);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGTERM, on_signal);
	(void)signal(SIGINT, on_signal);
	crowd.epoll = epoll_create1(EPOLL_CLOEXEC);
	crowd.ones = calloc(crowd.n, sizeof(*crowd.ones));
	if (crowd.epoll < 0 || !crowd.ones ||
	    gnutls_certificate_allocate_credentials(&crowd.credentials) < 0)
		die("start");
	for (unsigned i = 0; i < crowd.n; i++)
		crowd.ones[i].fd = -1;
	while (!is_over) {
		int n = epoll_wait(crowd.epoll, events, ARRAY_SIZE(events), 1);

		for (int i = 0; i < n; i++)
			on_event(&crowd, &crowd.ones[events[i].data.u32]);
		tick(&crowd);
	}
	report(&crowd);
	for (unsigned i = 0; i < crowd.n; i++)
		connection_drop(&crowd.ones[i], 0);
	gnutls_certificate_free_credentials(crowd.credentials);
	free(crowd.ones);
	return 0;
}
