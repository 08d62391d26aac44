/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One socket a path (path_socket.c). What comes on it costs a token of the path, and a path that
 * has none left is not read until it has: the sockets of the others stay in the loop, and the
 * kernel drops what a flood brings too much. Sockets are bound to the device's index, so a device
 * that was made anew needs new ones: path_set_refresh compares.
 */
#include "failover/path.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/path_internal.h"
#include "failover/path_key.h"
#include "failover/path_poll.h"

#define BATCHES_PER_TURN 4
#define BATCHES_PER_DRAIN 32 /* with BATCH about what a receive buffer holds */
#define UNMUTE_LEVEL (PATH_BURST / 4)
/* So often it is tried again. */
#define REJOIN_MS 2000u
/* ... where nothing was heard yet: there may be no mate, and each time costs two reports (MLD). */
#define WAITING_REJOIN_MS 16000u

/* ---- state ---- */

static void set_state(struct path *path, enum path_state state)
{
	enum path_state before = path->state;

	path->state = state;
	if (before != state && state == PATH_STATE_LOST)
		path->joined_at = monotime_now();
	if (before != state && path->set->on_state)
		path->set->on_state(path->index, before, path->set->userdata);
}

uint64_t path_set_hold_ns(const struct path_set *set)
{
	uint32_t ms = set->hold_ms > PATH_HOLD_MIN_MS ? set->hold_ms : PATH_HOLD_MIN_MS;

	return ms * MONOTIME_NS_PER_MS;
}

static bool is_heard(const struct path *path, struct monotime now)
{
	return path->stats.received > 0 &&
	       monotime_since(now, path->stats.heard_at) <= path_set_hold_ns(path->set);
}

/* ---- reading ---- */

static void deliver(struct path *path, const struct mmsghdr *messages, int n)
{
	struct path_set *set = path->set;

	for (int i = 0; i < n && !set->is_freed; i++) {
		/* A cut one would fail its authentication anyhow. */
		if ((messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0)
			continue;
		if (!path_is_from_mate(&path->config, &set->senders[i]))
			continue;
		path->datagrams++;
		set->on_datagram(path->index, set->buffers[i], messages[i].msg_len, set->userdata);
	}
}

static void set_muted(struct path *path, bool is_muted)
{
	if (path->is_muted == is_muted)
		return;
	path->is_muted = is_muted;
	if (is_muted)
		path_wake_forget(path);
	else if (path->sock.fd >= 0)
		(void)path_wake_watch(path);
}

/* One call. Returns true where more may wait. */
static bool read_batch(struct path *path, unsigned max)
{
	struct path_set *set = path->set;
	struct mmsghdr messages[BATCH];
	struct iovec pieces[BATCH];
	int n;

	for (size_t i = 0; i < max; i++) {
		pieces[i] = (struct iovec){set->buffers[i], DATAGRAM_MAX};
		messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &pieces[i],
							   .msg_iovlen = 1,
							   .msg_name = &set->senders[i],
							   .msg_namelen = sizeof(set->senders[i])}};
	}
	n = recvmmsg(path->sock.fd, messages, max, MSG_DONTWAIT, NULL);
	/* Other errors are what ICMP said about something sent; they are gone once read. */
	if (n < 0)
		return errno != EAGAIN;
	deliver(path, messages, n);
	return n == (int)max;
}

/*
 * Reads one batch; true where there may be more. Callbacks may drain again: what was read already
 * lies in the set's buffers, so the inner one has to leave them alone.
 */
static bool path_read(struct path *path)
{
	unsigned max;

	if (path->set->depth > 1 || path->set->is_freed || path->sock.fd < 0)
		return false;
	max = path_bucket_take_some(&path->reads, BATCH, monotime_now());
	if (max == 0) { /* it has brought too much */
		set_muted(path, true);
		return false;
	}
	return read_batch(path, max);
}

static void set_leave(struct path_set *set)
{
	set->depth--;
	if (set->depth > 0 || !set->is_freed)
		return;
	free(set->paths);
	free(set);
}

/* By turns, a batch each, so that what one path brings does not keep the others waiting. */
static void read_ready(struct path_set *set, bool ready[static HELLO_PATHS_MAX], int turns)
{
	for (; turns > 0; turns--)
		for (size_t i = 0; i < set->n_paths && !set->is_freed; i++)
			ready[i] = ready[i] && path_read(&set->paths[i]);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct path_set *set = userdata;
	bool ready[HELLO_PATHS_MAX] = {0};
	size_t n = path_poll_ready(set->poll_fd, ready);
	bool is_over;

	(void)source;
	(void)fd;
	(void)events;
	set->depth++;
	read_ready(set, ready, n == 1 ? BATCHES_PER_TURN : 1);
	if (!set->is_freed && set->depth == 1)
		path_wake_judge(set);
	is_over = !set->is_freed && set->depth == 1 && set->on_read;
	set_leave(set);
	if (is_over)
		set->on_read(set->userdata);
	return 0;
}

static void unmute(struct path_set *set)
{
	struct monotime now = monotime_now();

	for (size_t i = 0; i < set->n_paths && !set->is_freed; i++)
		if (set->paths[i].is_muted &&
		    path_bucket_level(&set->paths[i].reads, now) >= UNMUTE_LEVEL)
			set_muted(&set->paths[i], false);
}

void path_set_drain(struct path_set *set)
{
	bool ready[HELLO_PATHS_MAX] = {0};

	for (size_t i = 0; i < set->n_paths; i++)
		ready[i] = set->paths[i].is_muted;
	(void)path_poll_ready(set->poll_fd, ready);
	set->depth++;
	read_ready(set, ready, BATCHES_PER_DRAIN);
	unmute(set);
	if (!set->is_freed && set->depth == 1)
		path_wake_judge(set);
	set_leave(set);
}

/* ---- opening ---- */

static void path_close(struct path *path)
{
	path_wake_forget(path);
	path_socket_close(&path->sock);
	path->device_index = 0;
}

static void path_open(struct path *path)
{
	unsigned index = path->config.device[0] ? if_nametoindex(path->config.device) : 0;
	int r;

	if (path->device_index != index)
		path_close(path);
	if (path->config.device[0] && index == 0) {
		path->last_error = -ENODEV;
		return;
	}
	if (path->sock.fd >= 0) {
		/* Its addresses are told by path_set_look. */
		if (path->state != PATH_STATE_UP)
			path_socket_join_again(&path->sock, &path->config);
		return;
	}
	r = path_socket_open(&path->sock, &path->config, index);
	if (r == 0)
		r = path_wake_watch(path);
	if (r < 0)
		path_close(path);
	path->last_error = r < 0 ? r : 0;
	path->device_index = r < 0 ? 0 : index;
	path->is_muted = false;
}

static void path_init(struct path_set *set, size_t index, const struct path_config *config)
{
	struct path *path = &set->paths[index];
	struct monotime now = monotime_now();

	path->set = set;
	path->index = index;
	path->config = *config;
	path->key = path_key(config);
	path_bucket_init(&path->reads, PATH_RATE, PATH_BURST, now);
	path_bucket_init(&path->strangers,
			 config->is_failover_link ? PATH_LINK_STRANGER_RATE : PATH_STRANGER_RATE,
			 PATH_STRANGER_BURST, now);
	path_socket_init(&path->sock, &set->raw_fd, set->rtnl);
	path_open(path);
}

/* RAW_FD is taken over, but on failure. */
static int set_make(sd_event *event, const struct path_config *paths, size_t n_paths,
		    path_datagram_fn on_datagram, void *userdata, int raw_fd, struct rtnl *rtnl,
		    struct path_set **ret_set)
{
	struct path_set *set = calloc(1, sizeof(*set));
	int r;

	if (!set)
		return -ENOMEM;
	set->raw_fd = set->poll_fd = set->wake_fd = -1;
	set->event = event;
	set->on_datagram = on_datagram;
	set->userdata = userdata;
	set->paths = calloc(n_paths ? n_paths : 1, sizeof(*set->paths));
	r = set->paths ? path_poll_open(&set->poll_fd) : -ENOMEM;
	if (r == 0)
		r = path_poll_open(&set->wake_fd);
	if (r == 0)
		r = sd_event_add_io(event, &set->io, set->wake_fd, EPOLLIN, on_io, set);
	if (r < 0) {
		path_set_free(set);
		return r;
	}
	set->raw_fd = raw_fd;
	set->rtnl = rtnl;
	set->n_paths = n_paths < HELLO_PATHS_MAX ? n_paths : HELLO_PATHS_MAX;
	for (size_t i = 0; i < set->n_paths; i++)
		path_init(set, i, &paths[i]);
	*ret_set = set;
	return 0;
}

int path_set_new(sd_event *event, const struct path_config *paths, size_t n_paths,
		 path_datagram_fn on_datagram, void *userdata, struct path_set **ret_set)
{
	return set_make(event, paths, n_paths, on_datagram, userdata, -1, NULL, ret_set);
}

void path_set_free(struct path_set *set)
{
	if (!set || set->is_freed)
		return;
	set->is_freed = true;
	set->depth++;
	for (size_t i = 0; i < set->n_paths; i++)
		path_close(&set->paths[i]);
	set->io = sd_event_source_disable_unref(set->io);
	cleanup_close(&set->poll_fd);
	cleanup_close(&set->wake_fd);
	cleanup_close(&set->raw_fd);
	set->poll_fd = set->raw_fd = -1;
	set_leave(set);
}

void path_set_wait_in(struct path_set *set, struct rtnl *rtnl)
{
	set->rtnl = rtnl;
	for (size_t i = 0; i < set->n_paths; i++)
		set->paths[i].sock.rtnl = rtnl;
}

void path_set_watch(struct path_set *set, path_state_fn on_state, path_read_fn on_read)
{
	set->on_state = on_state;
	set->on_read = on_read;
}

static void inherit(struct path_set *set, const struct path_set *old)
{
	set->newest = old->newest;
	set->boot = old->boot;
	set->hold_ms = old->hold_ms;
	memcpy(set->sent, old->sent, sizeof(set->sent));
	for (size_t i = 0; i < set->n_paths; i++) {
		struct path *path = &set->paths[i];

		for (size_t j = 0; j < old->n_paths; j++) {
			const struct path *before = &old->paths[j];

			if (before->key != path->key)
				continue;
			path->state = before->state;
			path->stats = before->stats;
			path->deaf_since = before->deaf_since;
			path->uncounted = before->uncounted;
			path->sent = before->sent;
			path->send_errors = before->send_errors;
			path->datagrams = before->datagrams;
		}
	}
}

int path_set_follow(struct path_set *old, const struct path_config *paths, size_t n_paths,
		    struct path_set **ret_set)
{
	struct path_set *set;
	int r = set_make(old->event, paths, n_paths, old->on_datagram, old->userdata, old->raw_fd,
			 old->rtnl, &set);

	if (r < 0)
		return r;
	old->raw_fd = -1;
	set->on_state = old->on_state;
	set->on_read = old->on_read;
	set->is_gathering = old->is_gathering;
	inherit(set, old);
	/* A breath in the middle of the end of the old one finds the new one. */
	*ret_set = set;
	path_set_free(old);
	return 0;
}

void path_set_refresh(struct path_set *set)
{
	for (size_t i = 0; i < set->n_paths; i++)
		path_open(&set->paths[i]);
	/* Whoever woke the others up may be closed now. */
	path_wake_judge(set);
}

void path_set_look(struct path_set *set, const char *device, bool has_ipv4, bool has_new_ipv6)
{
	for (size_t i = 0; i < set->n_paths; i++) {
		struct path *path = &set->paths[i];
		bool is_new = has_new_ipv6 && path->config.family == AF_INET6;

		if (strcmp(path->config.device, device) != 0)
			continue;
		if (is_new && path->state != PATH_STATE_UP)
			path_open(path);
		else if (path->sock.fd >= 0 && is_new)
			path_socket_join_again(&path->sock, &path->config);
		else if (path->sock.fd >= 0)
			path_socket_know(&path->sock, &path->config, has_ipv4);
	}
}

/* ---- sending ---- */

static bool path_send(struct path *path, const uint8_t *data, size_t size)
{
	int r = path_socket_send(&path->sock, data, size);

	/* What ICMP said of an earlier one; this one was not tried. */
	if (r == -ECONNREFUSED)
		r = path_socket_send(&path->sock, data, size);
	if (r == 0) {
		path->sent++;
		path->last_error = 0;
		return true;
	}
	path->send_errors++;
	if (path->sock.fd >= 0)
		path->last_error = r;
	return false;
}

size_t path_set_send(struct path_set *set, uint64_t counter, const uint8_t *data, size_t size)
{
	size_t n = 0;

	set->sent[counter % SENT_RING] = (struct sent){counter, monotime_now()};
	/* The links come first, and last where the mate is to find the others' when it hears it on
	 * a link (path_wake.c). */
	for (size_t i = 0; i < set->n_paths; i++)
		n += path_send(&set->paths[set->is_gathering ? set->n_paths - 1 - i : i], data,
			       size);
	return n;
}

size_t path_set_report(struct path_set *set, struct hello_report reports[static HELLO_REPORTS_MAX])
{
	struct monotime now = monotime_now();
	size_t n = 0;

	for (; n < HELLO_REPORTS_MAX && n < set->n_paths; n++) {
		const struct path *path = &set->paths[set->next_report++ % set->n_paths];
		bool is_current = path->stats.boot == set->boot && is_heard(path, now);
		uint64_t delay_us = monotime_since(now, path->stats.heard_at) / 1000;

		reports[n] = (struct hello_report){
			.path = path->key,
			.counter = is_current ? path->stats.newest : 0,
			.delay_us = is_current ? (uint32_t)delay_us : 0,
		};
	}
	return n;
}

/* ---- what the mate's hellos say ---- */

/* The mate heard COUNTER of ours on this path, and sent this DELAY later: what is left of the time
 * since is the way there and back. */
static void take_round_trip(struct path *path, const struct hello_report *report,
			    struct monotime now)
{
	const struct sent *sent = &path->set->sent[report->counter % SENT_RING];
	uint64_t passed_us;

	if (sent->counter != report->counter)
		return; /* too long ago */
	passed_us = monotime_since(now, sent->at) / 1000;
	if (passed_us >= report->delay_us && passed_us - report->delay_us <= UINT32_MAX)
		path_stats_round_trip(&path->stats, (uint32_t)(passed_us - report->delay_us));
}

static void take_deafness(struct path *path, bool is_deaf, struct monotime now)
{
	if (!is_deaf)
		path->deaf_since = (struct monotime){0};
	else if (path->deaf_since.ns == 0)
		path->deaf_since = now;
}

/* A mate tells of each of its own paths in its turn, of those that bring nothing, too. */
static void note_named(struct path_set *set, const struct hello *hello)
{
	bool is_anew = hello->boot != set->named_boot;

	set->named_boot = hello->boot;
	for (struct path *path = set->paths; path < set->paths + set->n_paths; path++) {
		bool is_named = is_anew;

		for (size_t i = 0; i < hello->n_reports; i++)
			is_named = is_named || hello->reports[i].path == path->key;
		if (is_named)
			path->unnamed = 0;
		else if (path->unnamed <= PATH_UNNAMED_MAX)
			path->unnamed++;
	}
}

static void take_reports(struct path_set *set, size_t index, const struct hello *hello,
			 struct monotime now)
{
	/* An older one tells of none. */
	if (hello->is_newest && hello->n_reports > 0)
		note_named(set, hello);
	for (size_t i = 0; i < hello->n_reports; i++) {
		const struct hello_report *report = &hello->reports[i];

		if (report->path == set->paths[index].key && report->counter != 0)
			take_round_trip(&set->paths[index], report, now);
		for (size_t j = 0; j < set->n_paths && hello->is_newest; j++)
			if (set->paths[j].key == report->path)
				take_deafness(&set->paths[j], report->counter == 0, now);
	}
}

void path_set_heard(struct path_set *set, size_t index, const struct hello *hello)
{
	struct monotime now = monotime_now();
	struct path *path;

	if (index >= set->n_paths)
		return;
	path = &set->paths[index];
	if (set->boot != hello->boot) {
		set->boot = hello->boot;
		set->newest = 0;
	}
	if (hello->counter > set->newest)
		set->newest = hello->counter;
	path_stats_heard(&path->stats, hello->boot, hello->counter, now);
	take_reports(set, index, hello, now);
	set_state(path, PATH_STATE_UP);
}

/* The kernel forgets memberships without a word where a device had no IPv6 for a while (its MTU was
 * less than 1280), and so may a switch; and there is none to be had before the device has IPv6. An
 * IPv4 membership outlives all that the device does. */
static void join_again(struct path *path, struct monotime now)
{
	bool is_waiting = path->sock.fd >= 0 && path->state == PATH_STATE_WAITING;
	uint64_t ms = is_waiting ? WAITING_REJOIN_MS : REJOIN_MS;

	if (path->config.family != AF_INET6 || path->state == PATH_STATE_UP ||
	    monotime_since(now, path->joined_at) < ms * MONOTIME_NS_PER_MS)
		return;
	path->joined_at = now;
	path_open(path);
}

void path_set_check(struct path_set *set, uint32_t hold_ms)
{
	struct monotime now = monotime_now();

	set->hold_ms = hold_ms;
	for (size_t i = 0; i < set->n_paths; i++)
		if (set->paths[i].state == PATH_STATE_UP && !is_heard(&set->paths[i], now))
			set_state(&set->paths[i], PATH_STATE_LOST);
		else
			join_again(&set->paths[i], now);
}

bool path_set_may_derive(struct path_set *set, size_t index)
{
	return path_bucket_take(&set->paths[index].strangers, monotime_now());
}
