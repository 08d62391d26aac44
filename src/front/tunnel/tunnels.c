/* SPDX-License-Identifier: Apache-2.0 */
/* The table of clients is the copy of the VPN's sessions itself: each knows its tunnel. */
#include "front/tunnel/tunnels.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/net/poller.h"
#include "front/tunnel/tunnel.h"

#define SETTLE_MS 2000
#define REKEY_MS UINT64_C(28800000)
#define BATCH 64 /* packets of the device in a turn of the loop: clients are to be heard, too */

struct tunnels {
	sd_event *event;
	struct poller *poller;
	struct vpn *vpn;
	const struct tunnels_limits *limits;
	const struct tunnels_ops *ops;
	void *userdata;
	int tun; /* the copy's */
	sd_event_source *io, *flush, *role;
	struct dtls_gate *gate;
	struct tunnel *first, *marked;
	bool is_active, is_write_failure_noted;
	uint8_t packet[CSTP_HEADER_SIZE + PACKET_MAX];
	struct tunnels_scratch scratch;
};

struct tunnels_scratch *tunnels_scratch(struct tunnels *tunnels)
{
	return &tunnels->scratch;
}

sd_event *tunnels_event(const struct tunnels *tunnels)
{
	return tunnels->event;
}

struct poller *tunnels_poller(const struct tunnels *tunnels)
{
	return tunnels->poller;
}

struct vpn *tunnels_vpn(const struct tunnels *tunnels)
{
	return tunnels->vpn;
}

uint64_t tunnels_settle_ms(const struct tunnels *tunnels)
{
	return tunnels->limits->settle_ms ? tunnels->limits->settle_ms : SETTLE_MS;
}

uint64_t tunnels_rekey_ms(const struct tunnels *tunnels)
{
	return tunnels->limits->rekey_ms ? tunnels->limits->rekey_ms : REKEY_MS;
}

const struct tunnels_limits *tunnels_limits(const struct tunnels *tunnels)
{
	return tunnels->limits;
}

struct dtls_gate *tunnels_gate(const struct tunnels *tunnels)
{
	return tunnels->gate;
}

void tunnels_listen(struct tunnels *tunnels, const struct snapshot *snapshot)
{
	dtls_gate_apply(tunnels->gate, snapshot);
}

bool tunnels_are_active(const struct tunnels *tunnels)
{
	return tunnels->is_active;
}

void tunnels_note(const struct tunnels *tunnels, int priority, const char *format, ...)
{
	char text[700];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	tunnels->ops->on_note(priority, text, tunnels->userdata);
}

/* ---- lists --------------------------------------------------------------------------------------
 */

void tunnels_add(struct tunnels *tunnels, struct tunnel *tunnel)
{
	tunnel_place(tunnel)->next = tunnels->first;
	if (tunnels->first)
		tunnel_place(tunnels->first)->previous = tunnel;
	tunnels->first = tunnel;
}

static void unmark(struct tunnels *tunnels, struct tunnel *tunnel)
{
	struct tunnel **at = &tunnels->marked;

	if (!tunnel_place(tunnel)->is_marked)
		return;
	while (*at != tunnel)
		at = &tunnel_place(*at)->next_marked;
	*at = tunnel_place(tunnel)->next_marked;
	tunnel_place(tunnel)->is_marked = false;
}

void tunnels_remove(struct tunnels *tunnels, struct tunnel *tunnel)
{
	struct tunnel_place *place = tunnel_place(tunnel);

	unmark(tunnels, tunnel);
	if (place->previous)
		tunnel_place(place->previous)->next = place->next;
	else
		tunnels->first = place->next;
	if (place->next)
		tunnel_place(place->next)->previous = place->previous;
}

void tunnels_mark(struct tunnels *tunnels, struct tunnel *tunnel)
{
	struct tunnel_place *place = tunnel_place(tunnel);

	if (place->is_marked)
		return;
	place->is_marked = true;
	place->next_marked = tunnels->marked;
	tunnels->marked = tunnel;
	(void)sd_event_source_set_enabled(tunnels->flush, SD_EVENT_ONESHOT);
}

static void flush(struct tunnels *tunnels)
{
	while (tunnels->marked) {
		struct tunnel *tunnel = tunnels->marked;

		unmark(tunnels, tunnel);
		tunnel_flush(tunnel);
	}
}

static int on_flush(sd_event_source *source, void *userdata)
{
	(void)source;
	flush(userdata);
	return 0;
}

/* ---- the device ---------------------------------------------------------------------------------
 */

static void packet_route(struct tunnels *tunnels, size_t size)
{
	struct packet packet;
	struct vpn_entry *entry;

	if (!tunnels->is_active ||
	    packet_parse(tunnels->packet + CSTP_HEADER_SIZE, size, &packet) < 0)
		return;
	entry = vpn_find_address(tunnels->vpn, packet.destination_view, packet.address_size);
	if (entry && entry->tunnel)
		tunnel_send(entry->tunnel, tunnels->packet, size, &packet);
}

static int on_tun(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct tunnels *tunnels = userdata;
	ssize_t n = 1;

	(void)source;
	(void)events;
	for (unsigned i = 0; i < BATCH && n > 0; i++) {
		n = read(fd, tunnels->packet + CSTP_HEADER_SIZE, PACKET_MAX);
		if (n > 0)
			packet_route(tunnels, (size_t)n);
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		/* The device is gone, or down for good: the engine has another, or will. */
		tunnels_note(tunnels, LOG_ERR, "the TUN device cannot be read: %s",
			     err_text(-errno));
		tunnels->io = sd_event_source_disable_unref(tunnels->io);
	}
	flush(tunnels);
	return 0;
}

bool tunnels_write(struct tunnels *tunnels, const uint8_t *packet, size_t size)
{
	ssize_t n;

	if (tunnels->tun < 0 || !tunnels->is_active)
		return false;
	n = write(tunnels->tun, packet, size);
	if (n < 0 && !tunnels->is_write_failure_noted) {
		tunnels->is_write_failure_noted = true;
		tunnels_note(tunnels, LOG_WARNING, "the TUN device does not take a packet: %s",
			     err_text(-errno));
	}
	return n == (ssize_t)size;
}

static void tun_take(int fd, const char *device, unsigned mtu, void *userdata)
{
	struct tunnels *tunnels = userdata;
	int r;

	tunnels->io = sd_event_source_disable_unref(tunnels->io);
	tunnels->tun = fd;
	tunnels->is_write_failure_noted = false;
	if (fd < 0)
		return;
	r = sd_event_add_io(tunnels->event, &tunnels->io, fd, EPOLLIN, on_tun, tunnels);
	if (r < 0)
		tunnels_note(tunnels, LOG_ERR, "the TUN device %s cannot be waited for: %s", device,
			     err_text(r));
	else
		tunnels_note(tunnels, LOG_DEBUG, "the TUN device %s is here, MTU %u", device, mtu);
}

/* ---- sessions -----------------------------------------------------------------------------------
 */

static void entry_changed(struct vpn_entry *entry, void *userdata)
{
	(void)userdata;
	if (entry->tunnel)
		tunnel_judge(entry->tunnel);
}

static void entry_gone(struct vpn_entry *entry, enum vpn_end reason, void *userdata)
{
	(void)userdata;
	if (entry->tunnel)
		tunnel_end(entry->tunnel, reason);
}

/* ---- the role -----------------------------------------------------------------------------------
 */

static int on_role_lost(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct tunnels *tunnels = userdata;
	struct tunnel *tunnel = tunnels->first;

	(void)source;
	(void)usec;
	for (; tunnel; tunnel = tunnel_place(tunnel)->next)
		tunnel_cut(tunnel, "this unit is no longer the active one");
	return 0;
}

void tunnels_role(struct tunnels *tunnels, bool is_active)
{
	if (tunnels->is_active == is_active)
		return;
	tunnels->is_active = is_active;
	(void)sd_event_source_set_time_relative(tunnels->role,
						(uint64_t)tunnels->limits->role_ms * 1000);
	(void)sd_event_source_set_enabled(tunnels->role,
					  is_active ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

/* ---- life ---------------------------------------------------------------------------------------
 */

static int sources_attach(struct tunnels *tunnels)
{
	int r = sd_event_add_defer(tunnels->event, &tunnels->flush, on_flush, tunnels);

	if (r >= 0)
		r = sd_event_source_set_enabled(tunnels->flush, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(tunnels->event, &tunnels->role, CLOCK_MONOTONIC, 0,
					       0, on_role_lost, tunnels);
	if (r >= 0)
		r = sd_event_source_set_enabled(tunnels->role, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

static void on_gate_note(int priority, const char *text, void *userdata)
{
	tunnels_note(userdata, priority, "%s", text);
}

int tunnels_new(sd_event *event, struct vpn *vpn, const struct tunnels_limits *limits,
		const struct tunnels_ops *ops, void *userdata, struct tunnels **ret_tunnels)
{
	static const struct vpn_listener listener = {
		.on_changed = entry_changed, .on_gone = entry_gone, .on_tun = tun_take};
	static const struct dtls_gate_ops gate_ops = {.on_note = on_gate_note};
	struct tunnels *tunnels = calloc(1, sizeof(*tunnels));
	int r;

	if (!tunnels)
		return -ENOMEM;
	tunnels->event = event;
	tunnels->vpn = vpn;
	tunnels->limits = limits;
	tunnels->ops = ops;
	tunnels->userdata = userdata;
	tunnels->tun = -1;
	r = poller_new(event, &tunnels->poller);
	if (r == 0)
		r = sources_attach(tunnels);
	if (r == 0)
		r = dtls_gate_new(tunnels->poller, vpn, &gate_ops, tunnels, &tunnels->gate);
	if (r == 0)
		r = vpn_listen(vpn, &listener, tunnels);
	if (r < 0) {
		tunnels_free(tunnels);
		return r;
	}
	*ret_tunnels = tunnels;
	return 0;
}

void tunnels_free(struct tunnels *tunnels)
{
	if (!tunnels)
		return;
	tunnels->io = sd_event_source_disable_unref(tunnels->io);
	tunnels->flush = sd_event_source_disable_unref(tunnels->flush);
	tunnels->role = sd_event_source_disable_unref(tunnels->role);
	dtls_gate_free(tunnels->gate);
	poller_free(tunnels->poller);
	free(tunnels);
}
