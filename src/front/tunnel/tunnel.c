/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain where it counts: a packet from the inside is encrypted into the connection's buffer at
 * once, and queued only while that is full. Time is looked at in one tick, a few seconds apart,
 * that compares it with what happened since; a packet only leaves its time behind.
 */
#include "front/tunnel/tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/tunnel/packet_queue.h"
#include "front/net/poller.h"
#include "front/tunnel/tunnel_socket.h"

#define OUT_MAX (64u * 1024)	/* encrypted and not with the kernel: more waits as packets */
#define QUEUE_MAX (256u * 1024) /* of packets that wait */

struct figures {
	uint64_t received, sent, packets_received, packets_sent, dropped;
};

enum phase {
	PHASE_NEW, /* the answer is on its way */
	PHASE_UP,
	PHASE_ENDING, /* the last words are said: until the client closes, or time is up */
	PHASE_CUT,    /* over at the next turn */
};

struct tunnel_life {
	struct monotime taken_at; /* its CONNECT */
	struct monotime heard_at, packet_at, keyed_at;
	struct monotime news_at; /* of the last line about datagrams; 0: none yet */
	const char *why;	 /* of a cut */
	bool is_told;		 /* TERMINATE is to be said */
	bool is_by_dtls;	 /* as the engine was told */
};

struct tunnel {
	struct tunnel_place place;
	struct tunnels *tunnels;
	struct vpn_entry *entry; /* NULL: the session is gone, or has another tunnel */
	char name[VPN_NAME_MAX + 32];
	struct tunnel_terms terms;
	enum phase phase;
	int fd;
	struct tls_stream stream;
	struct dtls_side *side; /* NULL: by TLS only */
	struct packet_queue queue;
	struct figures figures; /* since the last touch */
	struct tunnel_life life;
	struct poller_entry io;
	sd_event_source *tick;
	tunnel_over_fn on_over;
	void *userdata;
};

struct tunnel_place *tunnel_place(struct tunnel *tunnel)
{
	return &tunnel->place;
}

struct monotime tunnel_taken_at(const struct tunnel *tunnel)
{
	return tunnel->life.taken_at;
}

/* ---- what the engine hears ----------------------------------------------------------------------
 */

static bool is_by_dtls(const struct tunnel *tunnel)
{
	return tunnel->side && dtls_side_is_up(tunnel->side);
}

static void touch(struct tunnel *tunnel, bool is_connected, bool with_protocol)
{
	const struct figures *figures = &tunnel->figures;
	char protocol[TLS_PROTOCOL_MAX];
	struct vpn_touch message = {
		.hash = tunnel->terms.hash,
		.is_connected = is_connected,
		.client = tunnel->terms.client,
		.local = tunnel->terms.local,
		.client_port = tunnel->terms.client_port,
		.local_port = tunnel->terms.local_port,
		.received = figures->received,
		.sent = figures->sent,
		.packets_received = figures->packets_received,
		.packets_sent = figures->packets_sent,
		.dropped = figures->dropped,
		.idle_ms =
			monotime_since(monotime_now(), tunnel->life.packet_at) / MONOTIME_NS_PER_MS,
		.tunnel_at = tunnel->life.taken_at,
	};

	if (!tunnel->entry)
		return;
	if (with_protocol) {
		tunnel->life.is_by_dtls = is_by_dtls(tunnel);
		if (tunnel->life.is_by_dtls)
			dtls_side_protocol(tunnel->side, protocol);
		else
			tls_protocol(tunnel->stream.peer, protocol);
		message.protocol = protocol;
	}
	if (vpn_touch(tunnels_vpn(tunnel->tunnels), &message) == 0)
		tunnel->figures = (struct figures){0};
}

static uint64_t ms_since(struct monotime now, struct monotime then)
{
	return monotime_since(now, then) / MONOTIME_NS_PER_MS;
}

/* Than the engine was told. */
static bool has_other_way(const struct tunnel *tunnel)
{
	return is_by_dtls(tunnel) != tunnel->life.is_by_dtls;
}

static bool has_moved(const struct figures *figures)
{
	return figures->packets_received || figures->packets_sent || figures->dropped;
}

/* ---- the end ------------------------------------------------------------------------------------
 */

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata);

static void tick_set(struct tunnel *tunnel, uint64_t ms)
{
	(void)sd_event_source_set_time_relative(tunnel->tick, ms * 1000);
	(void)sd_event_source_set_enabled(tunnel->tick, SD_EVENT_ONESHOT);
}

/* The session is no longer this tunnel's business. */
static void entry_leave(struct tunnel *tunnel)
{
	if (tunnel->entry && tunnel->entry->tunnel == tunnel)
		tunnel->entry->tunnel = NULL;
	tunnel->entry = NULL;
	/* Datagrams end with it; whatever is to be said is said by TLS. */
	dtls_side_free(TAKE_PTR(tunnel->side));
}

/* From within the tunnel's own callbacks only. */
static void over(struct tunnel *tunnel)
{
	tunnel->on_over(tunnel->userdata);
}

/* The connection failed, or the client closed it: the session waits for the client's return. */
static void lost(struct tunnel *tunnel, int priority, const char *why)
{
	tunnels_note(tunnel->tunnels, priority, "%s: the tunnel is closed: %s", tunnel->name, why);
	touch(tunnel, false, false);
	entry_leave(tunnel);
	over(tunnel);
}

void tunnel_cut(struct tunnel *tunnel, const char *why)
{
	entry_leave(tunnel);
	if (tunnel->phase == PHASE_NEW || tunnel->phase == PHASE_UP) {
		tunnel->life.why = why;
		tunnel->phase = PHASE_CUT;
		poller_remove(&tunnel->io);
		if (tunnel->tick)
			tick_set(tunnel, 0);
	}
}

/* Close_notify and the end of the stream: the client sees all of it, since the rest of what it
 * sends is read until it closes, too. */
static void farewell(struct tunnel *tunnel)
{
	uint8_t header[CSTP_HEADER_SIZE];

	packet_queue_done(&tunnel->queue);
	if (tunnel->life.is_told) {
		cstp_header_encode(CSTP_TERMINATE, 0, header);
		(void)tls_stream_write(&tunnel->stream, header, sizeof(header));
	}
	tls_stream_bye(&tunnel->stream);
	tunnel->phase = PHASE_ENDING;
	tick_set(tunnel, tunnels_limits(tunnel->tunnels)->end_ms);
	tunnels_mark(tunnel->tunnels, tunnel);
}

void tunnel_end(struct tunnel *tunnel, enum vpn_end reason)
{
	tunnels_note(tunnel->tunnels, LOG_INFO, "%s: the session is over: %s", tunnel->name,
		     vpn_end_text(reason));
	if (reason == VPN_END_DROPPED) {
		tunnel_cut(tunnel, vpn_end_text(reason));
		return;
	}
	entry_leave(tunnel);
	tunnel->life.is_told = true;
	if (tunnel->phase == PHASE_UP)
		farewell(tunnel);
}

/* ---- to the client ------------------------------------------------------------------------------
 */

static void frame_write(struct tunnel *tunnel, const uint8_t *frame, size_t size)
{
	if (tls_stream_write(&tunnel->stream, frame, size) != TLS_DONE)
		tunnel->figures.dropped++;
	tunnels_mark(tunnel->tunnels, tunnel);
}

static void too_big_answer(struct tunnel *tunnel, const uint8_t *packet, size_t size)
{
	uint8_t answer[PACKET_TOO_BIG_MAX];
	size_t n = packet_too_big(packet, size, tunnel->terms.mtu, answer);

	if (n > 0)
		(void)tunnels_write(tunnel->tunnels, answer, n);
	tunnel->figures.dropped++;
}

void tunnel_send(struct tunnel *tunnel, uint8_t *frame, size_t size, const struct packet *packet)
{
	size_t dropped = 0;

	if (tunnel->phase != PHASE_UP)
		return;
	if (size > CSTP_PAYLOAD_MAX || (size > tunnel->terms.mtu && !packet->may_fragment)) {
		too_big_answer(tunnel, frame + CSTP_HEADER_SIZE, size);
		return;
	}
	tunnel->figures.sent += size;
	tunnel->figures.packets_sent++;
	tunnel->life.packet_at = monotime_now();
	/* Of a datagram's header there is the type only. */
	frame[CSTP_HEADER_SIZE - 1] = CSTP_DATA;
	if (tunnel->side && dtls_side_send(tunnel->side, frame + CSTP_HEADER_SIZE - 1, size + 1))
		return;
	cstp_header_encode(CSTP_DATA, size, frame);
	if (!tunnel->queue.first && tls_stream_pending(&tunnel->stream) < OUT_MAX) {
		frame_write(tunnel, frame, CSTP_HEADER_SIZE + size);
		return;
	}
	(void)packet_queue_push(&tunnel->queue, frame, CSTP_HEADER_SIZE + size, &dropped);
	tunnel->figures.dropped += dropped;
}

static void queue_encrypt(struct tunnel *tunnel)
{
	const uint8_t *frame;
	size_t size = 0;

	while (tls_stream_pending(&tunnel->stream) < OUT_MAX &&
	       (frame = packet_queue_first(&tunnel->queue, &size)) != NULL) {
		if (tls_stream_write(&tunnel->stream, frame, size) != TLS_DONE)
			tunnel->figures.dropped++;
		packet_queue_pop(&tunnel->queue);
	}
}

void tunnel_flush(struct tunnel *tunnel)
{
	enum tls_result result = tls_stream_flush(&tunnel->stream);

	while (result == TLS_DONE && tunnel->queue.first) {
		queue_encrypt(tunnel);
		result = tls_stream_flush(&tunnel->stream);
	}
	/* The end of the connection is heard where it is read, with what came before it. */
	(void)poller_set(&tunnel->io, result == TLS_WAIT ? EPOLLIN | EPOLLOUT : EPOLLIN);
	if (result == TLS_DONE && tunnel->phase == PHASE_ENDING)
		(void)shutdown(tunnel->fd, SHUT_WR);
}

/* ---- from the client ----------------------------------------------------------------------------
 */

static bool is_own_source(const struct tunnel *tunnel, const struct packet *packet)
{
	const struct vpn_address *own =
		packet->address_size == 4 ? &tunnel->entry->session.v4 : &tunnel->entry->session.v6;

	return own->size == packet->address_size &&
	       memcmp(own->bytes, packet->source_view, own->size) == 0;
}

static void data_take(struct tunnel *tunnel, const uint8_t *data, size_t size, struct monotime now)
{
	struct packet packet;

	if (!tunnel->entry)
		return;
	if (packet_parse(data, size, &packet) < 0 || !is_own_source(tunnel, &packet) ||
	    !tunnels_write(tunnel->tunnels, data, size)) {
		tunnel->figures.dropped++;
		return;
	}
	tunnel->figures.received += size;
	tunnel->figures.packets_received++;
	tunnel->life.packet_at = now;
}

static void on_datagram_packet(const uint8_t *packet, size_t size, void *userdata)
{
	data_take(userdata, packet, size, monotime_now());
}

static void on_datagram_news(const char *what, void *userdata)
{
	struct tunnel *tunnel = userdata;

	struct monotime now = monotime_now();

	/* A client can change its way with each packet: upkeep tells what came of it. */
	if (tunnel->life.news_at.ns &&
	    ms_since(now, tunnel->life.news_at) < tunnels_limits(tunnel->tunnels)->news_ms)
		return;
	tunnel->life.news_at = now;
	tunnels_note(tunnel->tunnels, LOG_INFO, "%s: %s", tunnel->name, what);
	if (tunnel->phase == PHASE_UP && has_other_way(tunnel))
		touch(tunnel, true, true);
}

void tunnel_take_side(struct tunnel *tunnel, struct dtls_side *side)
{
	static const struct dtls_side_ops ops = {on_datagram_packet, on_datagram_news};

	tunnel->side = side;
	dtls_side_attach(side, &ops, tunnel);
}

/* The answer is the request with another type: it is still in the record. */
static void dpd_answer(struct tunnel *tunnel, uint8_t *record, const struct cstp_frame *frame)
{
	if (tls_stream_pending(&tunnel->stream) >= OUT_MAX)
		return; /* whoever asks and does not read is asked by us, in time */
	cstp_header_encode(CSTP_DPD_RESPONSE, frame->payload_size, record);
	frame_write(tunnel, record, CSTP_HEADER_SIZE + frame->payload_size);
}

/* Only the first of the reasons is a logout: the others come back with their cookie. */
static const char *disconnect_take(struct tunnel *tunnel, const struct cstp_frame *frame)
{
	bool is_logout = frame->payload_size > 0 && frame->payload_view[0] == CSTP_REASON_LOGOUT;

	if (is_logout && tunnel->entry)
		(void)vpn_end(tunnels_vpn(tunnel->tunnels), tunnel->terms.hash, VPN_END_LOGOUT,
			      NULL, NULL, NULL);
	return is_logout ? "the user logged out" : "the client disconnected";
}

/* NULL: go on; otherwise why the connection is over. */
static const char *frame_take(struct tunnel *tunnel, uint8_t *record, size_t size, struct why *why)
{
	struct monotime now = monotime_now();
	struct cstp_frame frame;

	if (cstp_frame_decode(record, size, &frame, why) < 0)
		return why->text;
	tunnel->life.heard_at = now;
	switch (frame.type) {
	case CSTP_DATA:
		if (tunnel->side)
			dtls_side_doubt(tunnel->side);
		data_take(tunnel, frame.payload_view, frame.payload_size, now);
		return NULL;
	case CSTP_DPD_REQUEST:
		dpd_answer(tunnel, record, &frame);
		return NULL;
	case CSTP_DISCONNECT:
	case CSTP_TERMINATE:
		return disconnect_take(tunnel, &frame);
	case CSTP_COMPRESSED:
		return "it sent compressed data, which it was not offered";
	case CSTP_DPD_RESPONSE:
	case CSTP_KEEPALIVE:
	default: /* of a newer client, and nothing that it was promised */
		return NULL;
	}
}

/* All records that have come. False: the tunnel is no more. */
static bool records_take(struct tunnel *tunnel)
{
	uint8_t *record = tunnels_scratch(tunnel->tunnels)->record;
	struct why why = {""};
	const char *text = NULL;
	size_t size = 0;
	enum tls_result result;

	while ((result = tls_stream_read(&tunnel->stream, record, CSTP_RECORD_MAX, &size)) ==
		       TLS_DONE &&
	       !text)
		text = frame_take(tunnel, record, size, &why);
	if (text)
		lost(tunnel, why.text[0] ? LOG_WARNING : LOG_INFO, text);
	else if (result == TLS_CLOSED)
		lost(tunnel, LOG_INFO, "the client closed the connection");
	else if (result == TLS_REFUSED)
		lost(tunnel, LOG_WARNING, tls_error_text(tunnel->stream.peer));
	return !text && result == TLS_WAIT;
}

/* The last words are sent, or on their way: what still comes is not looked at. */
static void ending_io(struct tunnel *tunnel)
{
	uint8_t *waste = tunnels_scratch(tunnel->tunnels)->wire;
	ssize_t n = recv(tunnel->fd, waste, TLS_STREAM_READ, 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		over(tunnel);
	else
		tunnel_flush(tunnel);
}

static void on_io(uint32_t events, void *userdata)
{
	struct tunnel *tunnel = userdata;
	enum tls_result result;

	if (tunnel->phase == PHASE_ENDING) {
		ending_io(tunnel);
		return;
	}
	if (events & EPOLLOUT)
		tunnel_flush(tunnel);
	result = tls_stream_fill(&tunnel->stream, tunnels_scratch(tunnel->tunnels)->wire);
	if (result == TLS_CLOSED)
		lost(tunnel, LOG_INFO, "the connection broke");
	else if (result == TLS_DONE && records_take(tunnel) && tunnel->place.is_marked)
		tunnel_flush(tunnel);
}

/* ---- time ---------------------------------------------------------------------------------------
 */

static uint64_t dpd_ms(const struct tunnel *tunnel)
{
	unsigned limit = tunnels_limits(tunnel->tunnels)->dpd_ms;

	return limit ? limit : tunnel->terms.times.dpd_s * 1000u;
}

void tunnel_judge(struct tunnel *tunnel)
{
	const struct vpn_session *session = &tunnel->entry->session;
	uint32_t own = vpn_own_number(tunnels_vpn(tunnel->tunnels));

	if (tunnel->phase != PHASE_UP || own == 0 || !session->is_connected ||
	    session->owner == 0 || session->owner == own)
		return;
	/* Of an earlier tunnel than this it is a word from before ours, which is on its way. */
	if (session->tunnel_at.ns > tunnel->life.taken_at.ns)
		tunnel_cut(tunnel, "the client has come back on another connection");
}

static void upkeep(struct tunnel *tunnel, struct monotime now)
{
	uint8_t header[CSTP_HEADER_SIZE];

	if (ms_since(now, tunnel->life.heard_at) >= dpd_ms(tunnel)) {
		cstp_header_encode(CSTP_DPD_REQUEST, 0, header);
		frame_write(tunnel, header, sizeof(header));
	}
	if (ms_since(now, tunnel->life.keyed_at) >= tunnels_rekey_ms(tunnel->tunnels)) {
		tunnel->life.keyed_at = now;
		(void)tls_stream_rekey(&tunnel->stream);
		tunnels_mark(tunnel->tunnels, tunnel);
	}
	if (has_other_way(tunnel)) {
		tunnels_note(tunnel->tunnels, LOG_INFO, "%s: packets go by %s now", tunnel->name,
			     is_by_dtls(tunnel) ? "DTLS" : "TLS");
		tunnel->life.news_at = now;
		touch(tunnel, true, true);
	} else if (has_moved(&tunnel->figures)) {
		touch(tunnel, true, false);
	}
	tls_stream_trim(&tunnel->stream);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct tunnel *tunnel = userdata;
	struct monotime now = monotime_now();

	(void)source;
	(void)usec;
	if (tunnel->phase == PHASE_UP && tunnel->entry)
		tunnel_judge(tunnel);
	if (tunnel->phase == PHASE_CUT) {
		tunnel_socket_forget(tunnel->fd);
		tunnels_note(tunnel->tunnels, LOG_INFO, "%s: the tunnel is closed: %s",
			     tunnel->name, tunnel->life.why);
	}
	if (tunnel->phase != PHASE_UP) {
		over(tunnel);
		return 0;
	}
	/* Asked after one interval, and not heard for two more. */
	if (ms_since(now, tunnel->life.heard_at) >= 3 * dpd_ms(tunnel)) {
		lost(tunnel, LOG_INFO, "the client no longer answers");
		return 0;
	}
	upkeep(tunnel, now);
	tick_set(tunnel, dpd_ms(tunnel) / 2);
	return 0;
}

/* ---- life ---------------------------------------------------------------------------------------
 */

int tunnel_new(struct tunnels *tunnels, struct vpn_entry *entry, const struct tunnel_terms *terms,
	       struct tunnel **ret_tunnel)
{
	struct tunnel *tunnel = calloc(1, sizeof(*tunnel));

	if (!tunnel)
		return -ENOMEM;
	tunnel->tunnels = tunnels;
	tunnel->terms = *terms;
	tunnel->fd = -1;
	tunnel->life.taken_at = tunnel->life.packet_at = monotime_now();
	tunnel->queue.limit = QUEUE_MAX;
	(void)snprintf(tunnel->name, sizeof(tunnel->name), "session %u (%s)", entry->session.id,
		       entry->session.user);
	if (entry->tunnel)
		tunnel_cut(entry->tunnel, "the client has come back on another connection");
	tunnel->entry = entry;
	entry->tunnel = tunnel;
	tunnels_add(tunnels, tunnel);
	*ret_tunnel = tunnel;
	return 0;
}

void tunnel_free(struct tunnel *tunnel)
{
	if (!tunnel)
		return;
	/* The one before it was cut for it, and the engine believes that it is there. */
	if (tunnel->phase == PHASE_NEW)
		touch(tunnel, false, false);
	entry_leave(tunnel);
	tunnels_remove(tunnel->tunnels, tunnel);
	poller_remove(&tunnel->io);
	tunnel->tick = sd_event_source_disable_unref(tunnel->tick);
	packet_queue_done(&tunnel->queue);
	tls_stream_done(&tunnel->stream);
	explicit_bzero(tunnel->terms.hash, sizeof(tunnel->terms.hash));
	free(tunnel);
}

int tunnel_start(struct tunnel *tunnel, int fd, struct tls_peer *peer, tunnel_over_fn on_over,
		 void *userdata)
{
	struct monotime now = monotime_now();
	sd_event *event = tunnels_event(tunnel->tunnels);
	int r;

	tunnel->fd = fd;
	tunnel->on_over = on_over;
	tunnel->userdata = userdata;
	tunnel->life.heard_at = tunnel->life.packet_at = tunnel->life.keyed_at = now;
	tls_stream_init(&tunnel->stream, peer, fd);
	tunnel_socket_tune(fd);
	r = poller_add(tunnels_poller(tunnel->tunnels), &tunnel->io, fd, EPOLLIN, on_io, tunnel);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &tunnel->tick, CLOCK_MONOTONIC,
					       dpd_ms(tunnel) / 2 * 1000, 0, on_tick, tunnel);
	if (r < 0)
		return r;
	if (tunnel->phase == PHASE_CUT) {
		poller_remove(&tunnel->io);
		tick_set(tunnel, 0);
		return 0;
	}
	tunnel->phase = PHASE_UP;
	if (!tunnel->entry) {
		farewell(tunnel);
		return 0;
	}
	touch(tunnel, true, true);
	tunnels_note(tunnel->tunnels, LOG_INFO, "%s: the tunnel is up, MTU %u", tunnel->name,
		     tunnel->terms.mtu);
	return 0;
}
