/* SPDX-License-Identifier: Apache-2.0 */
/* A held request is what was read of its head, in a list that is gone through at each change. */
#include "front/session/connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/http/cookie.h"
#include "front/tunnel/cstp_offer.h"
#include "front/tunnel/tunnel.h"

#define MSS_UNKNOWN 1220 /* of the smallest IPv6 path */
#define HELD_MAX 512	 /* each is looked at again whenever the engine said something */

struct connect {
	struct connect *next, *previous;
	struct connects *connects;
	struct session *session;
	struct cstp_request request;
	uint8_t hash[COOKIE_HASH_SIZE];
	const char *hostname;
	sd_event_source *patience;
	struct monotime asked_at;
	struct monotime until; /* it is held for as long, by what the last look at it said */
	bool has_cookie, is_overtaken;
};

struct connects {
	struct tunnels *tunnels;
	struct connect *first;
	unsigned n_held;
};

enum connect_verdict connect_judge(const struct connect_facts *facts, const char **ret_why)
{
	*ret_why = "";
	if (!facts->has_cookie) {
		*ret_why = "log in first";
		return CONNECT_NEVER;
	}
	if (facts->is_overtaken) {
		*ret_why = "another request with this session came later";
		return CONNECT_OVERTAKEN;
	}
	if (!facts->is_active) {
		*ret_why = "this unit is not the active one";
		return CONNECT_LATER;
	}
	if (!facts->is_enabled) {
		*ret_why = "the VPN is not enabled";
		return CONNECT_LATER;
	}
	if (facts->is_known && facts->is_taken) {
		*ret_why = "another client has just connected with this session";
		return CONNECT_TAKEN;
	}
	if (facts->is_known)
		return CONNECT_ACCEPT;
	*ret_why =
		facts->is_complete ? "this session is over" : "the sessions are not all known yet";
	return facts->is_complete ? CONNECT_NEVER : CONNECT_LATER;
}

bool connect_is_request(const struct http_head *head)
{
	return head->method == HTTP_METHOD_CONNECT && http_text_is(head->path, "/CSCOSSLC/tunnel");
}

/* ---- acceptance ---------------------------------------------------------------------------------
 */

typedef int (*name_fn)(int fd, struct sockaddr *address, socklen_t *size);

/* One end of the connection; none where it cannot be told. */
static void end_of(int fd, name_fn name, struct vpn_address *ret_address, uint16_t *ret_port)
{
	struct sockaddr_storage end = {0};
	socklen_t size = sizeof(end);
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&end;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&end;

	*ret_address = (struct vpn_address){0};
	*ret_port = 0;
	if (name(fd, (struct sockaddr *)&end, &size) < 0)
		return;
	if (end.ss_family == AF_INET) {
		ret_address->size = 4;
		memcpy(ret_address->bytes, &v4->sin_addr, 4);
		*ret_port = ntohs(v4->sin_port);
	} else if (end.ss_family == AF_INET6) {
		ret_address->size = 16;
		memcpy(ret_address->bytes, &v6->sin6_addr, 16);
		*ret_port = ntohs(v6->sin6_port);
	}
}

static unsigned segment_size(int fd)
{
	int mss = 0;
	socklen_t size = sizeof(mss);

	if (getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, &size) < 0 || mss < MSS_UNKNOWN / 2)
		return MSS_UNKNOWN;
	return (unsigned)mss;
}

/* A policy that is gone ends the session soon; until then the default one is right enough. */
static const struct vpn_policy *policy_of(const struct vpn *vpn, const struct vpn_session *session)
{
	static const struct vpn_policy none = {0};
	const struct vpn_config *config = vpn_config(vpn);
	const struct vpn_policy *policy = vpn_policy_find(config, session->policy);

	if (policy)
		return policy;
	return config->n_policies > 0 ? &config->policies[0] : &none;
}

static int refusal_append(const struct connect *connect, unsigned status, const char *why,
			  struct buf *bytes)
{
	session_finish(connect->session);
	return cstp_refusal_append(status, why, time(NULL), bytes);
}

CLEANUP_DEFINE(struct dtls_side *, dtls_side_free)

/* NULL: the client does not want it, may not have it, or would not be heard. */
static struct dtls_side *side_make(const struct connect *connect, const struct vpn_policy *policy,
				   const struct tunnel_terms *terms)
{
	struct tunnels *tunnels = connect->connects->tunnels;
	unsigned limit = tunnels_limits(tunnels)->dpd_ms;
	struct dtls_terms dtls = {
		.mtu = terms->mtu,
		.dpd_ms = limit ? limit : terms->times.datagram_dpd_s * 1000,
		.rekey_ms = tunnels_rekey_ms(tunnels),
	};
	struct dtls_side *side = NULL;

	if (!connect->request.takes_dtls || policy->is_without_dtls ||
	    !dtls_gate_hears(tunnels_gate(tunnels), &terms->local, terms->local_port))
		return NULL;
	if (tls_export(session_tls(connect->session), "EXPORTER-openconnect-psk", dtls.psk,
		       sizeof(dtls.psk)) == 0)
		(void)dtls_side_new(tunnels_gate(tunnels), &dtls, &side);
	explicit_bzero(&dtls, sizeof(dtls));
	return side;
}

/* It asks again and again, and an operator is to know why: the log names it once. */
static int misfit_append(const struct connect *connect, struct vpn_entry *entry, struct buf *bytes)
{
	const struct vpn_session *session = &entry->session;
	bool wants_v4 = connect->request.wants_v4;

	if (!entry->is_misfit_told && wants_v4 != connect->request.wants_v6)
		tunnels_note(connect->connects->tunnels, LOG_WARNING,
			     "session %u (%s): the client takes %s only, and the session has no "
			     "such address: it cannot connect; with %s in tunnel-group %s its next "
			     "login gets one",
			     session->id, session->user, wants_v4 ? "IPv4" : "IPv6",
			     wants_v4 ? "address-pool" : "ipv6-address-pool", session->group);
	entry->is_misfit_told = true;
	return refusal_append(connect, 503,
			      "the session has no address of a family that the client takes",
			      bytes);
}

static int accept_append(const struct connect *connect, struct vpn_entry *entry, struct buf *bytes)
{
	const struct tls_peer *peer = session_tls(connect->session);
	const struct vpn *vpn = tunnels_vpn(connect->connects->tunnels);
	int fd = session_fd(connect->session), r;
	struct tunnel_terms terms = {.times = cstp_times_of(&connect->request)};
	_cleanup_(dtls_side_free_p) struct dtls_side *side = NULL;
	struct tunnel *tunnel;
	struct cstp_way way = {.mss = segment_size(fd), .overhead = tls_overhead(peer)};
	struct cstp_offer offer = {
		.request = &connect->request,
		.session = &entry->session,
		.policy = policy_of(vpn, &entry->session),
		.hostname = connect->hostname,
		.now = monotime_now(),
		.is_tls13 = tls_is_13(peer),
	};

	memcpy(terms.hash, connect->hash, sizeof(terms.hash));
	end_of(fd, getpeername, &terms.client, &terms.client_port);
	end_of(fd, getsockname, &terms.local, &terms.local_port);
	way.is_v6 = terms.client.size == 16;
	terms.mtu = offer.mtu = cstp_mtu(&way, VPN_TUN_MTU,
					 entry->session.v6.size == 16 && connect->request.wants_v6,
					 &connect->request);
	side = side_make(connect, offer.policy, &terms);
	if (side) {
		offer.app_id = dtls_side_app_id(side);
		offer.datagram_port = terms.local_port;
	}
	r = cstp_offer_append(&offer, bytes);
	if (r == ERR_UNSUPPORTED)
		return misfit_append(connect, entry, bytes);
	if (r == 0)
		r = tunnel_new(connect->connects->tunnels, entry, &terms, &tunnel);
	if (r == 0 && side)
		tunnel_take_side(tunnel, TAKE_PTR(side));
	if (r == 0)
		session_hand_over(connect->session, tunnel);
	return r;
}

/*
 * Two clients with one cookie would take the session from each other without end, as fast as they
 * can. So a connection of this unit that is there, and has only just been made, is left alone for a
 * moment: until then.
 */
static struct monotime taken_until(const struct tunnels *tunnels, const struct vpn_entry *entry)
{
	struct monotime made = {0};

	if (!entry)
		return made;
	/* The engine's word on a tunnel of this front comes later than the tunnel. */
	if (entry->tunnel)
		made = tunnel_taken_at(entry->tunnel);
	if (entry->session.is_connected && entry->session.owner != 0 &&
	    entry->session.tunnel_at.ns > made.ns)
		made = entry->session.tunnel_at;
	return monotime_add_ms(made, tunnels_settle_ms(tunnels));
}

/*
 * Of one client's requests only the last is of a connection that it still has. A tunnel of this
 * front that was made since CONNECT was asked is of a later request: an earlier one that was held
 * would have given way in hold(), or comes later in connects_retry().
 */
static bool is_overtaken(const struct connect *connect, const struct vpn_entry *entry)
{
	return connect->is_overtaken ||
	       (entry && entry->tunnel && tunnel_taken_at(entry->tunnel).ns > connect->asked_at.ns);
}

/* -EAGAIN: hold it. */
static int answer_append(struct connect *connect, bool may_hold, struct buf *bytes)
{
	const struct tunnels *tunnels = connect->connects->tunnels;
	const struct vpn *vpn = tunnels_vpn(tunnels);
	struct vpn_entry *entry = connect->has_cookie ? vpn_find(vpn, connect->hash) : NULL;
	struct monotime now = monotime_now(), free_at = taken_until(tunnels, entry);
	struct connect_facts facts = {
		.has_cookie = connect->has_cookie,
		.is_known = entry != NULL,
		.is_complete = vpn_is_complete(vpn),
		.is_active = tunnels_are_active(tunnels),
		.is_enabled = vpn_config(vpn)->is_enabled,
		.is_taken = !monotime_reached(now, free_at),
		.is_overtaken = is_overtaken(connect, entry),
	};
	const char *why;

	connect->until = monotime_add_ms(connect->asked_at, tunnels_limits(tunnels)->hold_ms);
	switch (connect_judge(&facts, &why)) {
	case CONNECT_ACCEPT:
		return accept_append(connect, entry, bytes);
	case CONNECT_NEVER:
		return refusal_append(connect, 401, why, bytes);
	case CONNECT_OVERTAKEN:
		return refusal_append(connect, 503, why, bytes);
	case CONNECT_TAKEN:
		/* Others may take it once more, but not for ever. */
		connect->until = monotime_min(
			free_at, monotime_add_ms(connect->until, tunnels_settle_ms(tunnels)));
		break;
	case CONNECT_LATER:
		break;
	}
	if (may_hold && !monotime_reached(now, connect->until))
		return -EAGAIN;
	return refusal_append(connect, 503, why, bytes);
}

/* ---- holding ------------------------------------------------------------------------------------
 */

static void connect_drop(struct connect *connect)
{
	session_place(connect->session)->connect = NULL;
	connect->connects->n_held--;
	if (connect->previous)
		connect->previous->next = connect->next;
	else
		connect->connects->first = connect->next;
	if (connect->next)
		connect->next->previous = connect->previous;
	connect->patience = sd_event_source_disable_unref(connect->patience);
	explicit_bzero(connect->hash, sizeof(connect->hash));
	free(connect);
}

/* Behind that moment: the event loop counts in microseconds, and what it does is timed anew. */
static uint64_t usec_after(struct monotime when)
{
	return when.ns / 1000 + 1;
}

static void patience_set(struct connect *connect, struct monotime when)
{
	(void)sd_event_source_set_time(connect->patience, usec_after(when));
	(void)sd_event_source_set_enabled(connect->patience, SD_EVENT_ONESHOT);
}

/* Nothing of CONNECT may be used afterwards, unless it is still held. */
static void try_again(struct connect *connect)
{
	struct buf bytes = {0};
	struct session *session = connect->session;
	int r = answer_append(connect, true, &bytes);

	/* For want of memory, too, until time is up. */
	if (r == -EAGAIN || (r < 0 && !monotime_reached(monotime_now(), connect->until))) {
		buf_done(&bytes);
		patience_set(connect, connect->until);
		return;
	}
	connect_drop(connect);
	if (r < 0) {
		buf_clear(&bytes);
		session_finish(session);
	}
	session_answer(session, &bytes);
	buf_done(&bytes);
}

static int on_patience(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	try_again(userdata);
	return 0;
}

/*
 * Those held with the cookie of LATER, which may be of a network that the client no longer has, are
 * refused at the next turn of the loop. A unit that is just taking over holds too many to look
 * through at each; there the latest comes first when it has.
 */
static void overtake(const struct connect *later)
{
	struct connect *connect = later->connects->first;

	if (!tunnels_are_active(later->connects->tunnels))
		return;
	for (; connect; connect = connect->next) {
		if (memcmp(connect->hash, later->hash, sizeof(later->hash)) != 0)
			continue;
		connect->is_overtaken = true;
		patience_set(connect, later->asked_at);
	}
}

static int hold(const struct connect *draft)
{
	struct connects *connects = draft->connects;
	struct connect *connect = malloc(sizeof(*connect));
	int r;

	if (!connect)
		return -ENOMEM;
	*connect = *draft;
	r = sd_event_add_time(tunnels_event(connects->tunnels), &connect->patience, CLOCK_MONOTONIC,
			      usec_after(connect->until), 0, on_patience, connect);
	if (r < 0) {
		free(connect);
		return r;
	}
	overtake(connect);
	connect->next = connects->first;
	if (connects->first)
		connects->first->previous = connect;
	connects->first = connect;
	connects->n_held++;
	session_place(connect->session)->connect = connect;
	return -EINPROGRESS;
}

int connects_ask(struct connects *connects, struct session *session, const struct http_head *head,
		 const char *hostname, struct buf *ret_bytes)
{
	struct connect connect = {.connects = connects,
				  .session = session,
				  .hostname = hostname,
				  .asked_at = monotime_now()};
	int r;

	cstp_request_read(head, &connect.request);
	connect.has_cookie = cookie_of_request(head, connect.hash) == 0;
	r = answer_append(&connect, true, ret_bytes);
	if (r != -EAGAIN)
		return r;
	/* Of a unit that is just taking over all are held: they are looked at once, when it has. */
	if (tunnels_are_active(connects->tunnels) && connects->n_held >= HELD_MAX)
		return answer_append(&connect, false, ret_bytes);
	return hold(&connect);
}

void connects_forget(struct connects *connects, struct session *session)
{
	(void)connects;
	if (session_place(session)->connect)
		connect_drop(session_place(session)->connect);
}

void connects_retry(struct connects *connects)
{
	struct connect *connect = connects->first;

	/*
	 * None can be decided yet, and the engine may have much to say until then. The latest is
	 * looked at first: is_overtaken() counts on it.
	 */
	if (!tunnels_are_active(connects->tunnels))
		return;
	while (connect) {
		struct connect *next = connect->next;

		try_again(connect);
		connect = next;
	}
}

int connects_new(struct tunnels *tunnels, struct connects **ret_connects)
{
	struct connects *connects = calloc(1, sizeof(*connects));

	if (!connects)
		return -ENOMEM;
	*connects = (struct connects){.tunnels = tunnels};
	*ret_connects = connects;
	return 0;
}

void connects_free(struct connects *connects)
{
	if (!connects)
		return;
	while (connects->first)
		connect_drop(connects->first);
	free(connects);
}
