/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/engine/engine.h"
#include "failover/vpn/hub.h"
#include "failover/vpn/hub_config.h"
#include "failover/vpn/sessiondb.h"
#include "failover/vpn/tun.h"
#include "ipc/loginproof.h"

/*
 * Shared by hub.c (configuration, fronts, life), hub_login.c (what fronts ask), hub_wait.c (who is
 * answered when the mate has it), hub_link.c (what the mate is told) and hub_table.c (what fronts
 * are told of the table).
 */
#define HUB_UPDATE_RECORDS 64
#define HUB_UPDATES_AHEAD 8 /* not acknowledged yet */
#define HUB_WAIT_MS 2000    /* for the mate, at a login */
#define HUB_TICK_MS 1000
#define HUB_TELL_MS 30000   /* figures and idle times are told no more often */
#define HUB_AGAIN_MS 30000  /* what the mate did not take is told again */
#define HUB_ALONE_MS 300000 /* a client gives up by then: who has not come has no session */
#define HUB_RESYNC_MS 30000 /* a front gets a whole table on request no more often */
#define HUB_STALE_MS 1000   /* without a link beside an active mate: it may have made sessions */

/* A login, or an end, that is not answered yet: the mate has not acknowledged it. */
struct hub_waiter {
	struct hub_waiter *next;
	struct ipc_channel *channel;
	uint32_t request; /* of the channel */
	bool is_end;
	uint8_t hash[VPN_HASH_SIZE];
	uint64_t seq; /* of the update that told the mate; 0: none yet */
	struct monotime deadline;
};

/* What goes over the link, on this connection. */
struct hub_sender {
	uint64_t told_seq, acked_seq;
	bool is_whole_due; /* the mate is to hear that it has everything */
	bool is_lagging;   /* it was waited for in vain: not again before it acknowledges */
	bool has_refused;  /* it did not take all: it is told again, */
	struct monotime tell_again_at; /* then */
};

/* A front's copy of the table. */
struct hub_copy {
	struct monotime again_at; /* a whole table is not sent again before */
	bool is_due;		  /* it has a hole */
};

struct hub_batch;
struct hub_tickle;
struct hub_trust;

struct vpnhub {
	struct engine *engine;
	struct ipc_channel *auth;
	struct loginproof_gate proofs; /* of the auth helper that is there, or was the last one */
	struct sessiondb *db;
	struct hub_batch *batch;
	struct hub_sender sender;
	struct hub_copy copies[ENGINE_FRONTS_MAX];
	struct hub_cookie_keys cookie_keys;
	struct hub_waiter *waiters;
	sd_event_source *tick, *wait_timeout;
	struct tun *tun;
	struct hub_tickle *tickle;
	struct hub_trust *trust;
	bool is_complete;
	bool was_active;
	bool has_tun;	    /* the VPN was enabled: fronts have devices */
	bool wants_guesses; /* of the auth helper: the mate is new, or was not told */
	struct monotime active_since, link_down_at;
	struct vpnhub_figures figures;
	struct {
		struct monotime say_at; /* a refusal is not said again before */
		unsigned unsaid;
	} unproved;
	struct {
		unsigned n_said, n_unsaid; /* since the last tick */
	} ended;
	/* A pool that had no address when the table had ended so many sessions has none until it
	 * ended more. */
	struct {
		char pool[CONFIG_VPN_NAME_MAX];
		uint64_t ended;
	} full;
};

/* ---- hub.c ---- */
/* Each HUB_TICK_MS: ends what is over, and does whatever was put off. */
void hub_tick(struct vpnhub *hub);

/* ---- hub_table.c ---- */
int hub_batch_new(struct hub_batch **ret_batch);
/* Collects what changed; a full batch is sent. */
void hub_put(struct vpnhub *hub, const struct session_record *record);
void hub_gone(struct vpnhub *hub, const struct session_record *record);
/* Puts a live one, says of a tombstone that it is gone. */
void hub_tell(struct vpnhub *hub, const struct session_record *record);
/* Sends what was collected; with nothing, only whether the table is complete. */
void hub_flush(struct vpnhub *hub);
/* A whole table for one front. */
void hub_send_table(struct vpnhub *hub, unsigned instance);
/* Sends a whole table to those whose copy has a hole, when it is time. Asked on each tick. */
void hub_resync(struct vpnhub *hub);
/* Says so to the fronts where it is news. */
void hub_set_complete(struct vpnhub *hub, bool is_complete);

/* ---- hub_ended.c ---- */
/* RECORD has just become a tombstone by this unit's doing; WHY: more of it than the reason says, or
 * "". */
void hub_ended_say(struct vpnhub *hub, const struct session_record *record, const char *why);
void hub_ended_tick(struct vpnhub *hub);

/* ---- hub_tickle.c ---- */
int hub_tickle_new(struct vpnhub *hub, struct hub_tickle **ret_tickle);
void hub_tickle_free(struct hub_tickle *tickle);
/* This unit became the active one; before it forgets who was connected. */
void hub_tickle_start(struct hub_tickle *tickle);
void hub_tickle_stop(struct hub_tickle *tickle);

/* ---- hub_trust.c ---- */
int hub_trust_new(struct vpnhub *hub, struct hub_trust **ret_trust);
void hub_trust_free(struct hub_trust *trust);
/* The configuration or the store changed: it looks again, soon, and tells who has to know. */
void hub_trust_kick(struct hub_trust *trust);
/* Nothing is said before it was looked. */
void hub_trust_to_front(const struct hub_trust *trust, unsigned instance);
/* With the groups, before the users: nobody gets in by less than his group wants. Errors: those of
 * ipc_channel_send, -ENOMEM. */
int hub_trust_to_auth(const struct hub_trust *trust);

/* ---- hub_datagram.c ---- */
/* From front INSTANCE, for another, or for itself with the socket FD (borrowed; -1: none). */
void hub_datagram(struct vpnhub *hub, unsigned instance, const Asafo__Ipc__VpnDatagram *message,
		  int fd);

/* ---- hub_guess.c ---- */
void hub_guesses_tell(struct vpnhub *hub, const Asafo__Ipc__AuthGuesses *guesses);
void hub_guesses_take(struct vpnhub *hub, const Asafo__Wire__LoginGuesses *guesses);
/* Asks the helper for all that it has, where the mate may have missed some. Asked on each tick. */
void hub_guesses_want(struct vpnhub *hub);

/* ---- hub_login.c ---- */
void hub_session_new(struct vpnhub *hub, unsigned instance, struct ipc_channel *channel,
		     uint32_t request, const Asafo__Ipc__VpnSessionNew *message);
void hub_session_touch(struct vpnhub *hub, unsigned instance,
		       const Asafo__Ipc__VpnSessionTouch *message);
void hub_session_end(struct vpnhub *hub, struct ipc_channel *channel, uint32_t request,
		     const Asafo__Ipc__VpnSessionEnd *message);
/* Ends it on both units, tells fronts and mate (after hub_flush and hub_pump). */
void hub_end(struct vpnhub *hub, struct session_record *record, enum vpn_end reason);
/* The same, with more words for the log: WHY. */
void hub_end_because(struct vpnhub *hub, struct session_record *record, enum vpn_end reason,
		     const char *why);

/* ---- hub_proof.c ---- */
/* Whether the auth helper vouches for the login that front INSTANCE asks a session for; the proof
 * is used up by it. Errors: ERR_DENIED, ERR_MALFORMED. */
int hub_login_check(struct vpnhub *hub, unsigned instance, const Asafo__Ipc__VpnSessionNew *message,
		    struct why *ret_why);
/* Another key, for the helper that just got its channel. */
void hub_proof_key_send(struct vpnhub *hub);

/* ---- hub_wait.c ---- */
/* Answers a login, or an end; RECORD: of a login that is well, else NULL. */
void hub_answer(struct ipc_channel *channel, uint32_t request, bool is_end, int code,
		const char *why, const struct session_record *record);
/* It is answered later; false: nobody is to be waited for. */
bool hub_wait_for_mate(struct vpnhub *hub, struct ipc_channel *channel, uint32_t request,
		       bool is_end, const struct session_record *record);
/* Answers who waits no longer, or need not. ALL: nobody can be waited for any more. */
void hub_answer_waiters(struct vpnhub *hub, bool is_all);
/* The mate did not take this session of update SEQ. */
void hub_refused(struct vpnhub *hub, const uint8_t hash[static VPN_HASH_SIZE], uint64_t seq);
/* The channel is gone: nobody got those cookies. */
void hub_drop_waiters(struct vpnhub *hub, const struct ipc_channel *channel);

/* ---- hub_link.c ---- */
/* The link is up, to a mate that knows sessions. */
bool hub_can_tell(const struct vpnhub *hub);
/* Tells the mate what it is to be told, as far as it keeps up. */
void hub_pump(struct vpnhub *hub);
/* Tells again what the mate did not take, when it is time. Asked on each tick. */
void hub_retell(struct vpnhub *hub);
/* Is the table complete? Asked on each tick. */
void hub_judge(struct vpnhub *hub);
