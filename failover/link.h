/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/why.h"
#include "failover/core/wire.pb-c.h"

/*
 * The TLS 1.3 link to the mate on the failover link, or on one of several (RFC 8446, external PSK
 * with (EC)DHE: psk_dhe_ke only, no certificate). The primary listens, the secondary connects and
 * keeps trying each second. Messages are a 4-byte big-endian length and a wire.Link. Nothing here
 * blocks. Version and unit are checked in the first message.
 */
#define LINK_PORT 5105
#define LINK_VERSION 2
#define LINK_VERSION_OLDEST 1
#define LINK_VERSION_EXEC 2	/* from it on a mate answers Exec */
#define LINK_VERSION_HISTORY 2	/* ... and HistoryRequest; an older one is silent to both */
#define LINK_VERSION_SESSIONS 2 /* ... and takes VPN sessions */
#define LINK_VERSION_GAP 2	/* ... and tells in its hellos how long nobody served */
#define LINK_MESSAGE_MAX (256u * 1024)
#define LINK_PSK_SIZE 32
#define LINK_WAYS_MAX 5
#define LINK_QUEUE_MAX (8u * 1024 * 1024)
/* So much is enough to keep the link busy; more would only cost memory, which is locked. */
#define LINK_QUEUE_LONG (512u * 1024)

struct link;

struct link_ops {
	/* Authenticated, versions agreed. */
	void (*on_up)(struct link *link, void *userdata);
	/* Not up (any more), with the reason; tries again by itself. Called on each change of
	 * reason, too. A listener that was never connected to says ERR_NO_MATE. The callbacks come
	 * from the loop, never from inside a call. */
	void (*on_down)(struct link *link, int code, const char *why, void *userdata);
	void (*on_message)(struct link *link, const Asafo__Wire__Link *message, void *userdata);
	/* Less than LINK_QUEUE_LONG waits again: send on. */
	void (*on_writable)(struct link *link, void *userdata);
};

/* One of the links that the connection may run over. */
struct link_way {
	char name[64];
	char device[16];		       /* SO_BINDTODEVICE; empty: none */
	struct sockaddr_storage local, remote; /* with ports */
};

struct link_config {
	bool is_listener;
	struct link_way ways[LINK_WAYS_MAX]; /* the preferred one first */
	size_t n_ways;			     /* at least 1 */
	uint8_t psk[LINK_PSK_SIZE];
	char psk_identity[64]; /* "asafo-link"; "asafo-pair-<offer id in hex>" while pairing */
	uint32_t unit;
	uint64_t boot;
};

int link_new(sd_event *event, const struct link_config *config, const struct link_ops *ops,
	     void *userdata, struct link **ret_link);
void link_free(struct link *link);
bool link_is_up(const struct link *link);
/* Tries again at once (the failover link's interface came up). */
void link_retry(struct link *link);
/*
 * Whether anything works on WAY (hellos come, the carrier is there). A connection whose way works
 * no more is closed and made anew on another that does; where none does it is left to TCP. It stays
 * where it is for as long as that works: there is no going back for its own sake.
 */
void link_set_way(struct link *link, size_t way, bool is_usable);
/* The name of the way that it runs over; empty: not up. */
const char *link_way_name(const struct link *link);
/* The mate lives under BOOT now: a connection with an earlier life of it leads nowhere. */
void link_expect_boot(struct link *link, uint64_t boot);
/*
 * The pair comes to another key (core/rekey.h): connections go on, and new ones are made and taken
 * with either. While there are two, a key is asked for by its id first, so that both ends mean the
 * same; else under the configuration's identity, which every version knows.
 */
struct link_change {
	uint64_t id, other_id; /* OTHER_ID 0: there is one key only */
	uint8_t psk[LINK_PSK_SIZE], other_psk[LINK_PSK_SIZE];
};
/* Errors: -ENOMEM. */
int link_change_keys(struct link *link, const struct link_change *change);
/*
 * While an offer of `asafo pair` is open the listener also takes PSK under IDENTITY: such a
 * connection may only send pair_request (delivered through on_message with link_is_pairing true for
 * its reply). NULL closes the offer.
 */
int link_offer_pairing(struct link *link, const char *identity, const uint8_t psk[LINK_PSK_SIZE]);
/* Queues. Errors: ERR_CLOSED (not up), ERR_BUSY (queue full: wait for on_writable), ERR_TOO_LARGE,
 * -ENOMEM. */
int link_send(struct link *link, const Asafo__Wire__Link *message);
/* True while on_message is delivering the pair_request of an open offer. */
bool link_is_pairing(const struct link *link);
/* Answers the pair_request, in on_message or up to 15 s later, then closes that connection. Errors:
 * ERR_CLOSED (it is gone), and those of link_send. */
int link_reply_pairing(struct link *link, const Asafo__Wire__Link *message);
/*
 * Reads no more than a message each half second, so that the mate's queue fills up instead of ours
 * (a window that stays closed would count as a dead mate). Ends with the connection.
 */
void link_pause(struct link *link, bool is_paused);
size_t link_queued(const struct link *link);
/* What TLS agreed on with the mate, in GnuTLS' words; empty: it is not up. */
const char *link_cipher(const struct link *link);
uint64_t link_bytes_sent(const struct link *link);
uint64_t link_bytes_received(const struct link *link);
/* What the mate's first message said; empty strings and 0 before that. */
const char *link_mate_software(const struct link *link);
uint32_t link_mate_version(const struct link *link);
