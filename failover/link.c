/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may say what on the failover link. A connection is new (it has HANDSHAKE_LIMIT_MS to prove
 * the key and say hello), then either *the* connection to the mate, in place of an older one, or a
 * pairing that may ask one thing. New ones are few, and a newer one displaces the oldest, so that
 * half-open sockets keep nobody out.
 */
#include "config.h"

#include "failover/link_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/monotime.h"
#include "failover/link_socket.h"
#include "failover/link_why.h"

#define HANDSHAKE_LIMIT_MS 3000u
#define PAIRING_LIMIT_MS 15000u

static void link_leave(struct link *link)
{
	link->depth--;
	if (link->depth > 0 || !link->is_freed)
		return;
	link_keys_free(link->keys);
	free(link);
}

/* Tells the reason when it is news. */
static void tell_down(struct link *link, bool was_up, int code, const char *why)
{
	if (link->is_freed)
		return;
	if (!was_up && link->down_code == code && strcmp(link->down_why.text, why) == 0)
		return;
	(void)why_set(&link->down_why, code, "%s", why);
	link->down_code = code;
	link->ops->on_down(link, code, link->down_why.text, link->userdata);
}

/* Lets go of PEER's connection. True if it was the mate's. */
static bool peer_drop(struct peer *peer)
{
	struct link *link = peer->link;
	bool was_up = peer == link->up;

	link->ways.is_busy[peer->way] = false;
	if (peer->state == PEER_STATE_UP) {
		link->sent += link_conn_sent(peer->conn);
		link->received += link_conn_received(peer->conn);
	}
	if (was_up) {
		link->up = NULL;
		link->mate_software[0] = '\0';
		link->mate_version = 0;
	}
	link_conn_free(peer->conn);
	*peer = (struct peer){.link = link};
	return was_up;
}

static struct peer *peer_take(struct link *link)
{
	struct peer *oldest = NULL;
	unsigned n_new = 0;

	for (size_t i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = &link->peers[i];

		if (peer->state != PEER_STATE_NEW)
			continue;
		n_new++;
		if (!oldest || peer->order < oldest->order)
			oldest = peer;
	}
	if (n_new >= NEW_MAX)
		(void)peer_drop(oldest);
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (link->peers[i].state == PEER_STATE_NONE)
			return &link->peers[i];
	return NULL; /* not reached: NEW_MAX and two more fit */
}

static struct peer *peer_find(struct link *link, enum peer_state state)
{
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (link->peers[i].state == state)
			return &link->peers[i];
	return NULL;
}

static void schedule_retry(struct link *link, uint64_t delay_ms)
{
	if (!link->retry)
		return;
	(void)sd_event_source_set_time_relative(link->retry, delay_ms * 1000);
	(void)sd_event_source_set_enabled(link->retry, SD_EVENT_ONESHOT);
}

static void send_hello(struct link *link, struct peer *peer)
{
	Asafo__Wire__LinkHello hello = ASAFO__WIRE__LINK_HELLO__INIT;
	Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;
	char software[] = PACKAGE_VERSION;
	int r;

	hello.version = LINK_VERSION;
	hello.oldest_version = LINK_VERSION_OLDEST;
	hello.software = software;
	hello.unit = link->config.unit;
	hello.boot = link->config.boot;
	message.body_case = ASAFO__WIRE__LINK__BODY_HELLO;
	message.hello = &hello;
	r = link_conn_send(peer->conn, &message);
	if (r < 0)
		link_conn_fail(peer->conn, r, err_text(r));
}

static void on_conn_ready(struct link_conn *conn, void *userdata)
{
	struct peer *peer = userdata;

	if (link_conn_key(conn) == LINK_KEY_NONE)
		link_conn_fail(conn, ERR_INTEGRITY, "no key");
	else
		send_hello(peer->link, peer);
}

static void store_mate(struct link *link, const Asafo__Wire__LinkHello *hello)
{
	size_t i = 0;

	for (; i < SOFTWARE_MAX - 1 && hello->software[i]; i++) {
		char c = hello->software[i];

		link->mate_software[i] = '?';
		if (c > ' ' && c < 0x7f)
			link->mate_software[i] = c;
	}
	link->mate_software[i] = '\0';
	link->mate_version = hello->version;
	link->mate_boot = hello->boot;
}

/* One connection is enough: attempts on other ways end. */
static void drop_attempts(struct link *link)
{
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (link->peers[i].state == PEER_STATE_NEW)
			(void)peer_drop(&link->peers[i]);
}

static void peer_promote(struct peer *peer, const Asafo__Wire__LinkHello *hello)
{
	struct link *link = peer->link;

	if (link->up) {
		(void)peer_drop(link->up);
		tell_down(link, true, ERR_CLOSED, "the mate opened a new connection");
		if (link->is_freed)
			return;
	}
	peer->state = PEER_STATE_UP;
	link->up = peer;
	link->ways.is_busy[peer->way] = false;
	if (!link->config.is_listener)
		drop_attempts(link);
	link_conn_settle(peer->conn);
	store_mate(link, hello);
	link->down_code = 0;
	link->down_why.text[0] = '\0';
	link->ops->on_up(link, link->userdata);
}

static void peer_start_pairing(struct peer *peer)
{
	struct peer *older = peer_find(peer->link, PEER_STATE_PAIRING);

	if (older)
		(void)peer_drop(older);
	peer->state = PEER_STATE_PAIRING;
	(void)link_conn_limit(peer->conn, PAIRING_LIMIT_MS);
}

static void take_hello(struct peer *peer, const Asafo__Wire__Link *message)
{
	struct why why;
	int r;

	if (message->body_case != ASAFO__WIRE__LINK__BODY_HELLO) {
		link_conn_fail(peer->conn, ERR_MALFORMED,
			       "the mate did not begin with its version");
		return;
	}
	r = link_why_hello(&peer->link->config, message->hello, &why);
	if (r < 0)
		link_conn_fail(peer->conn, r, why.text);
	else if (link_conn_key(peer->conn) == LINK_KEY_PAIRING)
		peer_start_pairing(peer);
	else
		peer_promote(peer, message->hello);
}

static void take_pairing(struct peer *peer, const Asafo__Wire__Link *message)
{
	struct link *link = peer->link;

	if (message->body_case != ASAFO__WIRE__LINK__BODY_PAIR_REQUEST || peer->has_asked) {
		link_conn_fail(peer->conn, ERR_DENIED,
			       "a unit that is being paired may only ask for that");
		return;
	}
	peer->has_asked = true;
	link->is_delivering_pairing = true;
	link->ops->on_message(link, message, link->userdata);
	link->is_delivering_pairing = false;
}

static void take_message(struct peer *peer, const Asafo__Wire__Link *message)
{
	struct link *link = peer->link;

	switch ((int)message->body_case) {
	case ASAFO__WIRE__LINK__BODY__NOT_SET:
		return; /* a kind that only a newer version knows */
	case ASAFO__WIRE__LINK__BODY_HELLO:
		link_conn_fail(peer->conn, ERR_MALFORMED, "the mate said its version twice");
		return;
	case ASAFO__WIRE__LINK__BODY_PAIR_REQUEST:
		link_conn_fail(peer->conn, ERR_DENIED, "the mate asks for a key that it has");
		return;
	default:
		link->ops->on_message(link, message, link->userdata);
	}
}

static void on_conn_frame(struct link_conn *conn, const uint8_t *data, size_t size, void *userdata)
{
	struct peer *peer = userdata;
	struct link *link = peer->link;
	Asafo__Wire__Link *message = asafo__wire__link__unpack(NULL, size, data);

	if (!message) {
		link_conn_fail(conn, ERR_MALFORMED,
			       "the mate sent a message that is not of the link's schema");
		return;
	}
	link->depth++;
	if (peer->state == PEER_STATE_NEW)
		take_hello(peer, message);
	else if (peer->state == PEER_STATE_PAIRING)
		take_pairing(peer, message);
	else
		take_message(peer, message);
	asafo__wire__link__free_unpacked(message, NULL);
	link_leave(link);
}

static void on_conn_drained(struct link_conn *conn, void *userdata)
{
	struct peer *peer = userdata;
	struct link *link = peer->link;

	(void)conn;
	if (peer != link->up)
		return;
	link->depth++;
	link->ops->on_writable(link, link->userdata);
	link_leave(link);
}

/* Of one that never came up: strangers that knock and go are no news to a listener; and of several
 * ways that do not work the preferred one's reason is enough. */
static bool is_news(const struct link *link, size_t way, int code)
{
	if (!link->config.is_listener && way == 0)
		return true;
	return code == ERR_INTEGRITY || code == ERR_VERSION || code == ERR_EXISTS ||
	       code == ERR_MALFORMED;
}

static void on_conn_closed(struct link_conn *conn, int code, const char *why, void *userdata)
{
	struct peer *peer = userdata;
	struct link *link = peer->link;
	bool is_silent = peer->state == PEER_STATE_PAIRING;
	size_t way = peer->way;
	bool was_up = peer_drop(peer);
	struct why sentence;

	(void)conn;
	link->depth++;
	link_why_closed(&link->config, way, code, why, &sentence);
	/* In a change of the key the mate may have stopped at the one or the other. */
	if (code == ERR_INTEGRITY && !was_up && !link->config.is_listener &&
	    link_keys_try_next(link->keys))
		is_silent = true;
	if (was_up || (!is_silent && !link->up && is_news(link, way, code)))
		tell_down(link, was_up, code, sentence.text);
	if (!link->is_freed && !link->config.is_listener)
		schedule_retry(link, 0);
	link_leave(link);
}

static const struct link_conn_ops conn_ops = {
	.on_ready = on_conn_ready,
	.on_frame = on_conn_frame,
	.on_drained = on_conn_drained,
	.on_closed = on_conn_closed,
};

static int peer_open(struct link *link, size_t way, int fd)
{
	struct peer *peer = peer_take(link);
	int r;

	r = link_conn_new(link->event, fd, link->config.is_listener, link->keys, &conn_ops, peer,
			  &peer->conn);
	if (r < 0)
		return r;
	peer->state = PEER_STATE_NEW;
	peer->way = way;
	peer->order = link->next_order++;
	link->ways.is_busy[way] = true;
	r = link_conn_limit(peer->conn, HANDSHAKE_LIMIT_MS);
	if (r < 0)
		(void)peer_drop(peer);
	return r < 0 ? r : 0;
}

static void on_connection(size_t way, int fd, void *userdata)
{
	(void)peer_open(userdata, way, fd);
}

static void listener_check(struct link *link)
{
	struct why why;
	int r = link_listen_check(link->listen, &why);

	if (r < 0) {
		tell_down(link, false, r, why.text);
	} else if (r == 0 && !link->up) {
		link_why_waiting(&link->config, &why);
		tell_down(link, false, ERR_NO_MATE, why.text);
	}
	if (!link->is_freed)
		schedule_retry(link, LINK_RETRY_MS);
}

/* Tries the best way that was not tried just now; the next one gets its turn while this one is
 * still being tried. */
static void connector_try(struct link *link)
{
	struct why why;
	uint64_t delay_ms;
	size_t way;
	int fd = -1;
	int r;

	if (link->up)
		return;
	way = link_ways_choose(&link->ways, monotime_now(), &delay_ms);
	if (way == LINK_WAY_NONE) {
		schedule_retry(link, delay_ms);
		return;
	}
	link->ways.tried_at[way] = monotime_now();
	r = link_socket_connect(&link->config.ways[way], &fd, &why);
	if (r == 0) {
		r = peer_open(link, way, fd);
		if (r < 0)
			(void)why_set(&why, r, "%s", err_text(r));
	}
	if (r < 0 && way == 0)
		tell_down(link, false, r, why.text);
	if (!link->is_freed)
		schedule_retry(link, r < 0 ? 0 : LINK_STAGGER_MS);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct link *link = userdata;

	(void)source;
	(void)usec;
	link->depth++;
	if (link->config.is_listener)
		listener_check(link);
	else
		connector_try(link);
	link_leave(link);
	return 0;
}

int link_new(sd_event *event, const struct link_config *config, const struct link_ops *ops,
	     void *userdata, struct link **ret_link)
{
	struct link *link = calloc(1, sizeof(*link));
	int r;

	if (!link)
		return -ENOMEM;
	link->event = event;
	link->config = *config;
	explicit_bzero(link->config.psk, sizeof(link->config.psk));
	link->ops = ops;
	link->userdata = userdata;
	if (config->n_ways == 0 || config->n_ways > LINK_WAYS_MAX) {
		free(link);
		return -EINVAL;
	}
	link_ways_init(&link->ways, config->n_ways);
	for (size_t i = 0; i < PEERS_MAX; i++)
		link->peers[i].link = link;
	r = link_keys_new(config->psk_identity, config->psk, &link->keys);
	if (r == 0 && config->is_listener)
		r = link_listen_new(event, &link->config, on_connection, link, &link->listen);
	if (r == 0)
		r = sd_event_add_time_relative(event, &link->retry, CLOCK_MONOTONIC, 0, 0, on_retry,
					       link);
	if (r < 0) {
		link_free(link);
		return r;
	}
	*ret_link = link;
	return 0;
}

void link_free(struct link *link)
{
	if (!link || link->is_freed)
		return;
	link->is_freed = true;
	link->depth++;
	link->retry = sd_event_source_disable_unref(link->retry);
	link_listen_free(TAKE_PTR(link->listen));
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (link->peers[i].conn)
			(void)peer_drop(&link->peers[i]);
	link_leave(link);
}

void link_retry(struct link *link)
{
	schedule_retry(link, 0);
}

void link_set_way(struct link *link, size_t way, bool is_usable)
{
	bool was_usable;

	if (way >= link->ways.n)
		return;
	was_usable = link->ways.is_usable[way];
	link->ways.is_usable[way] = is_usable;
	if (is_usable && !was_usable && !link->up && !link->config.is_listener)
		schedule_retry(link, 0);
	if (is_usable || !link->up || link->up->way != way ||
	    !link_ways_has_other(&link->ways, way))
		return;
	link_conn_fail(link->up->conn, ERR_CLOSED,
		       "nothing comes on this way to the mate any more: trying another");
}

void link_expect_boot(struct link *link, uint64_t boot)
{
	if (link->up && link->mate_boot != boot)
		link_conn_fail(link->up->conn, ERR_CLOSED, "the mate was restarted");
}

int link_change_keys(struct link *link, const struct link_change *change)
{
	return link_keys_change(link->keys, change);
}

int link_offer_pairing(struct link *link, const char *identity, const uint8_t psk[LINK_PSK_SIZE])
{
	struct peer *peer = peer_find(link, PEER_STATE_PAIRING);

	/* One that has asked already gets its answer. */
	if (!identity && peer && !peer->has_asked)
		(void)peer_drop(peer);
	return link_keys_offer(link->keys, identity, psk);
}

int link_send(struct link *link, const Asafo__Wire__Link *message)
{
	return link->up ? link_conn_send(link->up->conn, message) : ERR_CLOSED;
}

int link_reply_pairing(struct link *link, const Asafo__Wire__Link *message)
{
	struct peer *peer = peer_find(link, PEER_STATE_PAIRING);
	int r;

	if (!peer || !peer->has_asked)
		return ERR_CLOSED;
	r = link_conn_send(peer->conn, message);
	link_conn_finish(peer->conn);
	return r;
}

void link_pause(struct link *link, bool is_paused)
{
	if (link->up)
		link_conn_pause(link->up->conn, is_paused);
}
