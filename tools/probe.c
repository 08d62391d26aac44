/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lab's stopwatch. `probe echo` answers datagrams, from the address that they were sent to; one
 * runs in each unit. `probe gap` sends one each half millisecond and tells the longest time in
 * which no answer came: what a client of the failover IP notices of a failover. Answers carry the
 * number of the question, so that a late one is not taken for a sign of life of another run; one
 * that is answered twice was answered by two units. `probe watch` tells when an address comes and
 * goes and when a carrier is lost in which network namespace, and `probe signal` when it sent a
 * signal, `probe stalls` when the machine itself stood still: the same clock.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/monotime.h"
#include "tools/probe.h"

#define DEFAULT_PORT 7
#define DEFAULT_INTERVAL_US 500
/* A sender that was not scheduled for so many intervals does not make up for them. */
#define BURST_MAX 20
/* Answers are remembered for so many questions. */
#define ANSWERED_MAX 65536

struct datagram {
	uint64_t run;
	uint64_t number;
};

struct gap_options {
	struct sockaddr_in to;
	uint64_t interval_ns;
	uint64_t seconds;  /* 0: until a signal */
	uint64_t after_ns; /* a gap of so much ends the run, once answers came again for settle_ns;
			      0: none does */
	uint64_t settle_ns;
	bool is_json;
};

struct gap {
	uint64_t run;
	uint64_t sent, received, first_ns;
	uint64_t twice;			/* questions that two units answered */
	bool is_answered[ANSWERED_MAX]; /* by number modulo its size */
	struct monotime start, last, next, longest_end;
	uint64_t longest_ns;
	uint64_t longest_at_ns; /* from the start */
};

volatile sig_atomic_t probe_is_stopped;

static void on_signal(int signal)
{
	(void)signal;
	probe_is_stopped = 1;
}

static void signals_catch(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

/* What is measured is the pair, not how long this process waits on a busy machine. */
#define PRIORITY 5
/* A client is no process of a unit's: it does not wait for the engines (whose priority is 10),
 * which have every processor of a small machine to themselves in the moment that is measured. */
#define PRIORITY_CLIENT 15

static void priority_set(int priority)
{
	struct sched_param parameter = {.sched_priority = priority};

	(void)sched_setscheduler(0, SCHED_RR, &parameter);
}

/* ---- echo ---- */

static bool echo_answer(int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control;
	char bytes[2048];
	struct sockaddr_in from;
	struct iovec iov = {bytes, sizeof(bytes)};
	struct msghdr msg = {.msg_name = &from,
			     .msg_namelen = sizeof(from),
			     .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &msg, 0);

	if (n < 0)
		return errno == EINTR || errno == ECONNREFUSED;
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		struct in_pktinfo info;

		if (cmsg->cmsg_level != IPPROTO_IP || cmsg->cmsg_type != IP_PKTINFO)
			continue;
		memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
		info.ipi_ifindex = 0;
		info.ipi_spec_dst = info.ipi_addr;
		memcpy(CMSG_DATA(cmsg), &info, sizeof(info));
	}
	iov.iov_len = (size_t)n;
	/* An address that was just given up cannot answer, and need not. */
	(void)sendmsg(fd, &msg, 0);
	return true;
}

static int echo_run(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) < 0 ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0) {
		perror("probe: echo");
		return EXIT_FAILURE;
	}
	while (!probe_is_stopped) {
		if (!echo_answer(fd)) {
			perror("probe: echo");
			return EXIT_FAILURE;
		}
	}
	return EXIT_SUCCESS;
}

/* ---- gap ---- */

static void gap_send(struct gap *gap, int fd, const struct gap_options *options,
		     struct monotime now)
{
	for (int i = 0; i < BURST_MAX && monotime_reached(now, gap->next); i++) {
		struct datagram datagram = {gap->run, gap->sent++};

		gap->is_answered[datagram.number % ANSWERED_MAX] = false;
		/* Nobody there is what is measured, not an error. */
		(void)sendto(fd, &datagram, sizeof(datagram), MSG_DONTWAIT,
			     (const struct sockaddr *)&options->to, sizeof(options->to));
		gap->next.ns += options->interval_ns;
	}
	if (monotime_reached(now, gap->next))
		gap->next.ns = now.ns + options->interval_ns;
}

static void gap_note(struct gap *gap, struct monotime now)
{
	uint64_t silence = monotime_since(now, gap->last);

	if (gap->received == 0) {
		gap->first_ns = monotime_since(now, gap->start);
		(void)puts("answered");
		(void)fflush(stdout);
	} else if (silence > gap->longest_ns) {
		gap->longest_ns = silence;
		gap->longest_at_ns = monotime_since(gap->last, gap->start);
		gap->longest_end = now;
	}
	gap->received++;
	gap->last = now;
}

static void gap_count(struct gap *gap, const struct datagram *datagram)
{
	bool *is_answered = &gap->is_answered[datagram->number % ANSWERED_MAX];

	if (datagram->run != gap->run || datagram->number >= gap->sent ||
	    gap->sent - datagram->number > ANSWERED_MAX)
		return;
	gap->twice += *is_answered;
	*is_answered = true;
	gap_note(gap, monotime_now());
}

static void gap_receive(struct gap *gap, int fd)
{
	struct datagram datagram;
	ssize_t n;

	while ((n = recv(fd, &datagram, sizeof(datagram), MSG_DONTWAIT)) >= 0 ||
	       errno == ECONNREFUSED) {
		if (n == (ssize_t)sizeof(datagram))
			gap_count(gap, &datagram);
	}
}

static bool gap_is_over(const struct gap *gap, const struct gap_options *options,
			struct monotime now)
{
	if (probe_is_stopped ||
	    (options->seconds != 0 &&
	     monotime_since(now, gap->start) >= options->seconds * MONOTIME_NS_PER_SEC))
		return true;
	return options->after_ns != 0 && gap->longest_ns >= options->after_ns &&
	       monotime_since(now, gap->longest_end) >= options->settle_ns &&
	       monotime_since(now, gap->last) < options->after_ns;
}

static void gap_report(const struct gap *gap, bool is_json)
{
	double longest_ms = (double)gap->longest_ns / 1e6;

	if (is_json)
		(void)printf("{\"gap_ms\": %.3f, \"gap_at_ms\": %.3f, \"gap_end_ns\": %" PRIu64
			     ", \"sent\": %" PRIu64 ", \"received\": %" PRIu64
			     ", \"twice\": %" PRIu64 ", \"seconds\": %.3f}\n",
			     longest_ms, (double)gap->longest_at_ns / 1e6, gap->longest_end.ns,
			     gap->sent, gap->received, gap->twice,
			     (double)monotime_since(monotime_now(), gap->start) / 1e9);
	else
		(void)printf("longest gap %.1f ms, %.1f ms after the start; %" PRIu64
			     " sent, %" PRIu64 " answered, %" PRIu64 " of them twice\n",
			     longest_ms, (double)gap->longest_at_ns / 1e6, gap->sent, gap->received,
			     gap->twice);
}

static int gap_run(const struct gap_options *options)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	_cleanup_free_ struct gap *gap = calloc(1, sizeof(*gap));
	struct monotime now = monotime_now();

	if (fd < 0 || !gap ||
	    getrandom(&gap->run, sizeof(gap->run), 0) != (ssize_t)sizeof(gap->run)) {
		perror("probe: gap");
		return EXIT_FAILURE;
	}
	gap->start = gap->next = gap->last = now;
	while (!gap_is_over(gap, options, now)) {
		struct timespec wait = {0};

		gap_send(gap, fd, options, now);
		wait.tv_nsec = (long)monotime_since(gap->next, monotime_now());
		if (ppoll(&poll_fd, 1, &wait, NULL) > 0)
			gap_receive(gap, fd);
		now = monotime_now();
	}
	/* A silence that lasts is one, too. */
	if (gap->received > 0 && monotime_since(now, gap->last) > gap->longest_ns) {
		gap->longest_ns = monotime_since(now, gap->last);
		gap->longest_at_ns = monotime_since(gap->last, gap->start);
	}
	gap_report(gap, options->is_json);
	return gap->received > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- command line ---- */

static int usage(void)
{
	(void)fprintf(
		stderr,
		"Usage: probe echo [--port N]\n"
		"       probe gap [--to ADDRESS] [--port N] [--interval-us N] [--seconds N]\n"
		"                 [--after-gap-ms N] [--settle-ms N] [--json]\n"
		"       probe watch ADDRESS NAMESPACE...\n"
		"       probe signal STOP|CONT|KILL PID...\n"
		"       probe stalls\n"
		"gap says \"answered\" at the first answer, and the longest gap at its end: after\n"
		"--seconds, on SIGTERM, or when a gap of --after-gap-ms has passed and answers "
		"have\n"
		"come again for --settle-ms (500).\n");
	return 2;
}

static bool number_read(const char *text, uint64_t least, uint64_t most, uint64_t *ret_number)
{
	char *end = NULL;
	unsigned long long number = strtoull(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || number < least || number > most)
		return false;
	*ret_number = number;
	return true;
}

static bool option_take(int option, const char *text, struct gap_options *options, uint64_t *port)
{
	uint64_t number = 0;
	bool is_good = true;

	if (option == 't') {
		is_good = inet_pton(AF_INET, text, &options->to.sin_addr) == 1;
	} else if (option == 'p') {
		is_good = number_read(text, 1, 65535, port);
	} else if (option == 'i') {
		is_good = number_read(text, 50, 900000, &number);
		options->interval_ns = number * 1000;
	} else if (option == 's') {
		is_good = number_read(text, 1, 86400, &options->seconds);
	} else if (option == 'a') {
		is_good = number_read(text, 1, 60000, &number);
		options->after_ns = number * MONOTIME_NS_PER_MS;
	} else if (option == 'e') {
		is_good = number_read(text, 1, 60000, &number);
		options->settle_ns = number * MONOTIME_NS_PER_MS;
	} else if (option == 'j') {
		options->is_json = true;
	} else {
		is_good = false;
	}
	return is_good;
}

static int signal_send(char *const *words, size_t n)
{
	static const struct {
		const char *name;
		int signal;
	} signals[] = {{"STOP", SIGSTOP}, {"CONT", SIGCONT}, {"KILL", SIGKILL}};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (strcmp(words[0], signals[i].name) == 0)
			return probe_signal(signals[i].signal, words + 1, n - 1);
	}
	return usage();
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{"to", required_argument, NULL, 't'},
		{"port", required_argument, NULL, 'p'},
		{"interval-us", required_argument, NULL, 'i'},
		{"seconds", required_argument, NULL, 's'},
		{"after-gap-ms", required_argument, NULL, 'a'},
		{"settle-ms", required_argument, NULL, 'e'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	struct gap_options options = {.to = {.sin_family = AF_INET},
				      .interval_ns = DEFAULT_INTERVAL_US * 1000,
				      .settle_ns = 500 * MONOTIME_NS_PER_MS};
	uint64_t port = DEFAULT_PORT;
	int c;

	(void)inet_pton(AF_INET, "198.51.100.10", &options.to.sin_addr);
	while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		if (!option_take(c, optarg, &options, &port))
			return usage();
	}
	signals_catch();
	priority_set(PRIORITY);
	if (optind + 2 < argc && strcmp(argv[optind], "watch") == 0)
		return probe_watch(argv[optind + 1], argv + optind + 2,
				   (size_t)(argc - optind - 2));
	if (optind + 2 < argc && strcmp(argv[optind], "signal") == 0)
		return signal_send(argv + optind + 1, (size_t)(argc - optind - 1));
	if (optind + 1 != argc)
		return usage();
	options.to.sin_port = htons((uint16_t)port);
	if (strcmp(argv[optind], "stalls") == 0)
		return probe_stalls();
	if (strcmp(argv[optind], "echo") == 0)
		return echo_run((uint16_t)port);
	if (strcmp(argv[optind], "gap") == 0) {
		priority_set(PRIORITY_CLIENT);
		return gap_run(&options);
	}
	return usage();
}
