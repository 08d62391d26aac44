/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way counts as up when something came by it: a client whose last handshake message was lost
 * does not know yet that it can be used. Each session has a socket of its own that is connected to
 * the client, so that the kernel finds it among those of all fronts.
 */
#include "front/tunnel/dtls_side.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/monotime.h"
#include "front/tunnel/cstp_frame.h"
#include "front/tunnel/dtls_gate.h"

#define PENDING_MS 12000      /* as long as clients try */
#define PENDING_LEAST_MS 1000 /* before another address may take its place */
#define RECORDS_PER_TURN 64
#define WORN_MS 300000 /* at least, before a client is let go on with its keys */

struct way {
	struct dtls_side *side;
	struct dtls_peer peer;
	int fd;
	struct poller_entry io;
	sd_event_source *timer;
	struct monotime started_at, heard_at;
};

struct dtls_side {
	struct dtls_gate *gate;
	struct dtls_terms terms;
	uint8_t app_id[DTLS_APP_ID_SIZE];
	bool has_place;
	const struct dtls_side_ops *ops;
	void *userdata;
	struct way *pending, *live;
	bool is_proved, is_doubted; /* of LIVE */
	struct monotime worn_at;    /* likewise: nothing is sent by it since; 0: it is */
	struct monotime opened_at;  /* the latest handshake; 0: none yet */
};

/* ---- a way --------------------------------------------------------------------------------------
 */

static void way_free(struct way *way)
{
	if (!way)
		return;
	poller_remove(&way->io);
	way->timer = sd_event_source_disable_unref(way->timer);
	dtls_peer_done(&way->peer);
	if (way->fd >= 0)
		(void)close(way->fd);
	free(way);
}

CLEANUP_DEFINE(struct way *, way_free)

static void timer_set(struct way *way, uint64_t ms)
{
	(void)sd_event_source_set_time_relative(way->timer, ms * 1000);
	(void)sd_event_source_set_enabled(way->timer, SD_EVENT_ONESHOT);
}

static void on_io(uint32_t events, void *userdata);
static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

/* FD is taken over on success only. */
static int way_new(struct dtls_side *side, const struct dtls_opening *opening, int fd,
		   struct way **ret_way)
{
	_cleanup_(way_free_p) struct way *way = calloc(1, sizeof(*way));
	struct poller *poller = dtls_gate_poller(side->gate);
	int r;

	if (!way)
		return -ENOMEM;
	way->side = side;
	way->started_at = way->heard_at = monotime_now();
	way->fd = -1;
	r = dtls_peer_init(&way->peer, dtls_gate_dtls(side->gate), fd, &opening->client,
			   side->terms.psk, &opening->begin);
	if (r == 0)
		r = poller_add(poller, &way->io, fd, EPOLLIN, on_io, way);
	if (r >= 0)
		r = sd_event_add_time_relative(poller_event(poller), &way->timer, CLOCK_MONOTONIC,
					       1000000, 0, on_timer, way);
	if (r < 0)
		return r;
	way->fd = fd;
	*ret_way = TAKE_PTR(way);
	return 0;
}

/* ---- news ---------------------------------------------------------------------------------------
 */

bool dtls_side_is_up(const struct dtls_side *side)
{
	return side->live && side->is_proved && !side->is_doubted && side->worn_at.ns == 0;
}

static void tell(const struct dtls_side *side, const char *what)
{
	if (side->ops)
		side->ops->on_news(what, side->userdata);
}

__attribute__((format(printf, 2, 3))) static void tell_format(const struct dtls_side *side,
							      const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	tell(side, text);
}

/* WAY, or none, instead of the one before. */
static void live_set(struct dtls_side *side, struct way *way)
{
	way_free(side->live);
	side->live = way;
	side->is_proved = side->is_doubted = false;
	side->worn_at.ns = 0;
}

static void live_drop(struct dtls_side *side, const char *why)
{
	live_set(side, NULL);
	tell_format(side, "DTLS is over: %s", why);
}

static void pending_drop(struct dtls_side *side, const char *why)
{
	way_free(TAKE_PTR(side->pending));
	tell_format(side, "the DTLS handshake failed: %s", why);
}

/* ---- the handshake ------------------------------------------------------------------------------
 */

static uint64_t age_ms(struct monotime then)
{
	return monotime_since(monotime_now(), then) / MONOTIME_NS_PER_MS;
}

static void pending_step(struct dtls_side *side)
{
	struct way *way = side->pending;
	enum tls_result result = dtls_handshake(&way->peer);

	if (result == TLS_WAIT && age_ms(way->started_at) < PENDING_MS) {
		timer_set(way, dtls_timeout_ms(&way->peer));
		return;
	}
	if (result != TLS_DONE) {
		if (result == TLS_REFUSED)
			dtls_refuse(&way->peer);
		pending_drop(side, result == TLS_WAIT ? "the client no longer answers"
						      : dtls_error_text(&way->peer));
		return;
	}
	live_set(side, TAKE_PTR(side->pending));
	way->heard_at = monotime_now();
	dtls_set_data_max(&way->peer, side->terms.mtu + 1);
	timer_set(way, side->terms.dpd_ms / 2 + 1);
}

bool dtls_side_continue(struct dtls_side *side, const struct dtls_opening *opening)
{
	const struct way *pending = side->pending, *live = side->live;

	/* It was asked for before the handshake on the first socket was through. A second one would
	 * take that one's datagrams away. */
	if (live && age_ms(live->started_at) < PENDING_MS &&
	    dtls_is_same_end(&live->peer.client, &opening->client))
		return true;
	/* The one that began a moment ago has failed, and so would the next. */
	if (!pending)
		return side->opened_at.ns && age_ms(side->opened_at) < PENDING_LEAST_MS;
	if (!dtls_is_same_end(&pending->peer.client, &opening->client))
		return age_ms(pending->started_at) < PENDING_LEAST_MS;
	dtls_peer_feed(&side->pending->peer, opening->datagram_view, opening->size);
	pending_step(side);
	return true;
}

void dtls_side_open(struct dtls_side *side, const struct dtls_opening *opening, int fd)
{
	_cleanup_close_ int owned = fd;
	int r;

	if (dtls_side_continue(side, opening))
		return;
	way_free(TAKE_PTR(side->pending));
	r = way_new(side, opening, fd, &side->pending);
	if (r < 0) {
		tell_format(side, "the DTLS handshake failed: %s", err_text(r));
		return;
	}
	(void)TAKE_FD(owned);
	side->opened_at = side->pending->started_at;
	dtls_peer_feed(&side->pending->peer, opening->datagram_view, opening->size);
	pending_step(side);
}

/* ---- frames -------------------------------------------------------------------------------------
 */

/* NULL: go on; otherwise why it is over. */
static const char *frame_take(struct dtls_side *side, uint8_t *frame, size_t size)
{
	switch (frame[0]) {
	case CSTP_DATA:
		if (size > 1)
			side->ops->on_packet(frame + 1, size - 1, side->userdata);
		return NULL;
	case CSTP_DPD_REQUEST:
		if (side->worn_at.ns)
			return NULL;
		/* With what it came with: so clients measure how large a datagram may be. */
		frame[0] = CSTP_DPD_RESPONSE;
		(void)dtls_write(&side->live->peer, frame, size);
		return NULL;
	case CSTP_COMPRESSED:
		return "the client sent compressed data, which it was not offered";
	default: /* a sign of life; the end of a session is said by TLS */
		return NULL;
	}
}

/* The client is there, and uses this way. */
static void heard(struct dtls_side *side)
{
	bool was_up = dtls_side_is_up(side);
	char protocol[TLS_PROTOCOL_MAX];

	side->live->heard_at = monotime_now();
	side->is_proved = true;
	side->is_doubted = false;
	if (was_up || !dtls_side_is_up(side))
		return;
	dtls_protocol(&side->live->peer, protocol);
	tell_format(side, "packets go by DTLS (%s)", protocol);
}

static void live_read(struct dtls_side *side)
{
	uint8_t *record = dtls_gate_record(side->gate);
	enum tls_result result = TLS_DONE;
	const char *why = NULL;
	size_t size = 0;

	for (unsigned i = 0; i < RECORDS_PER_TURN && !why && side->ops; i++) {
		result = dtls_read(&side->live->peer, record, DTLS_RECORD_MAX, &size);
		if (result != TLS_DONE)
			break;
		heard(side);
		why = frame_take(side, record, size);
	}
	if (why) {
		dtls_bye(&side->live->peer);
	} else if (result == TLS_CLOSED) {
		why = "the client closed it";
	} else if (result == TLS_REFUSED) {
		dtls_refuse(&side->live->peer);
		why = dtls_error_text(&side->live->peer);
	}
	if (why)
		live_drop(side, why);
}

static void on_io(uint32_t events, void *userdata)
{
	struct way *way = userdata;

	(void)events;
	if (way == way->side->pending)
		pending_step(way->side);
	else
		live_read(way->side);
}

/*
 * Its keys are old, and only a new handshake makes others. A client begins one when it hears
 * nothing by this way for twice as long as it waits before it asks. Until then all of it is still
 * read, and what is for the client goes by TLS, so no packet is lost.
 */
static void live_wear(struct dtls_side *side)
{
	struct monotime now = monotime_now();
	uint64_t patience = 10 * (uint64_t)side->terms.dpd_ms;

	if (!side->worn_at.ns && side->is_proved &&
	    age_ms(side->live->started_at) >= side->terms.rekey_ms) {
		side->worn_at = now;
		tell(side, "packets go by TLS until the client has made new keys for DTLS");
	} else if (side->worn_at.ns &&
		   age_ms(side->worn_at) >= (patience < WORN_MS ? WORN_MS : patience)) {
		/* It does not look whether anybody is there. */
		side->worn_at.ns = 0;
		side->live->started_at = now;
		tell(side, dtls_side_is_up(side)
				   ? "packets go by DTLS again: the client makes no new keys"
				   : "the client makes no new keys for DTLS");
	}
}

static void live_tick(struct dtls_side *side)
{
	uint8_t request = CSTP_DPD_REQUEST;
	uint64_t silent = age_ms(side->live->heard_at);

	live_wear(side);

	/* Asked after one interval, and not heard for two more. */
	if (silent >= 3 * (uint64_t)side->terms.dpd_ms) {
		dtls_bye(&side->live->peer);
		live_drop(side, "the client no longer answers by it");
		return;
	}
	/* Asked twice in vain: the client may be behind another address by now. */
	if (silent >= 2 * (uint64_t)side->terms.dpd_ms && dtls_side_is_up(side)) {
		side->is_doubted = true;
		tell(side, "packets go by TLS: the client does not answer by DTLS");
	}
	if (silent >= side->terms.dpd_ms && !side->worn_at.ns)
		(void)dtls_write(&side->live->peer, &request, 1);
	timer_set(side->live, side->terms.dpd_ms / 2 + 1);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct way *way = userdata;

	(void)source;
	(void)usec;
	if (way == way->side->pending)
		pending_step(way->side);
	else
		live_tick(way->side);
	return 0;
}

bool dtls_side_send(struct dtls_side *side, const uint8_t *frame, size_t size)
{
	int r;

	if (!dtls_side_is_up(side))
		return false;
	r = dtls_write(&side->live->peer, frame, size);
	/* The socket's buffer is full: datagrams are lost where a queue is. */
	return r == 0 || r == -EAGAIN || r == -ENOBUFS;
}

void dtls_side_doubt(struct dtls_side *side)
{
	if (!dtls_side_is_up(side))
		return;
	side->is_doubted = true;
	tell(side, "packets go by TLS: the client sends them so");
}

void dtls_side_protocol(const struct dtls_side *side, char ret_text[static TLS_PROTOCOL_MAX])
{
	dtls_protocol(&side->live->peer, ret_text);
}

/* ---- life ---------------------------------------------------------------------------------------
 */

int dtls_side_new(struct dtls_gate *gate, const struct dtls_terms *terms,
		  struct dtls_side **ret_side)
{
	struct dtls_side *side = calloc(1, sizeof(*side));
	int r;

	if (!side)
		return -ENOMEM;
	side->gate = gate;
	side->terms = *terms;
	r = dtls_gate_add(gate, side, side->app_id);
	if (r < 0) {
		dtls_side_free(side);
		return r;
	}
	side->has_place = true;
	*ret_side = side;
	return 0;
}

void dtls_side_free(struct dtls_side *side)
{
	if (!side)
		return;
	if (side->has_place)
		dtls_gate_remove(side->gate, side->app_id);
	way_free(side->pending);
	way_free(side->live);
	explicit_bzero(&side->terms, sizeof(side->terms));
	free(side);
}

void dtls_side_attach(struct dtls_side *side, const struct dtls_side_ops *ops, void *userdata)
{
	side->ops = ops;
	side->userdata = userdata;
}

const uint8_t *dtls_side_app_id(const struct dtls_side *side)
{
	return side->app_id;
}
