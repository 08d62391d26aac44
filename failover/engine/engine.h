/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "config/config.h"
#include "control/control.h"
#include "core/fsm.h"
#include "core/hello.h"
#include "core/orphans.h"
#include "failover/announce.h"
#include "failover/engine/ca_marks.h"
#include "failover/engine/certwatch.h"
#include "failover/engine/changes.h"
#include "failover/engine/clockwatch.h"
#include "failover/engine/collision.h"
#include "failover/engine/fetch.h"
#include "failover/engine/history.h"
#include "failover/engine/lockwatch.h"
#include "failover/engine/rekey.h"
#include "failover/engine/resumption.h"
#include "failover/engine/crls.h"
#include "failover/engine/staples.h"
#include "failover/engine/traffic.h"
#include "failover/engine/usecheck.h"
#include "failover/link.h"
#include "failover/linkmon.h"
#include "failover/path.h"
#include "failover/rtnl.h"
#include "failover/vip.h"
#include "ipc/channel.h"
#include "ipc/child.h"
#include "src/ipc/ipc.pb-c.h"

/*
 * The engine: feeds the state machine with what the sockets, the kernel, the keeper and the
 * operator say, and does what it decides (act.c, the only place). Everything is one sd-event loop;
 * nothing here blocks.
 */
#define ENGINE_FRONTS_MAX 64
#define ENGINE_EVENTS_MAX 64
#define ENGINE_DIGEST_SIZE 32

struct replication;
struct pairing;
struct methods;
struct hooks;
struct engine_health;
struct exec;
struct proof;
struct reload;
struct vpnhub;

/* A place in the replicated store's history; two equal ones are equal contents. */
struct engine_position {
	uint64_t term, seq, count;
	uint8_t digest[ENGINE_DIGEST_SIZE];
	uint64_t lineage; /* 0: the mate's version does not know of it */
	bool has_data;
};

#define ENGINE_MATE_BOOTS 4

/* What is known of the mate, from its hellos. */
struct engine_mate {
	bool was_heard;
	uint64_t boot, counter;
	struct fo_mate_view view;
	struct engine_position position; /* count is not in a hello */
	struct monotime heard_at;
	char software[32];
	uint64_t active_s; /* as hello.h has it */
	int64_t lost_at;   /* seconds since 1970, when its hellos last stopped unannounced; 0: never
			    */
	int64_t failed_at; /* when its health last came to be a failure; 0: never */
	enum fo_cause failed_by;
	char reported[32]; /* the release that the log was told of */
	char refused[WHY_TEXT_MAX +
		     160]; /* what is wrong with its hellos; empty: nothing (stranger.h) */
	struct monotime refused_at;
	uint64_t boots[ENGINE_MATE_BOOTS]; /* before this one; a ring */
	unsigned n_boots;
	struct monotime doubled_at; /* two machines were it: when that was last seen; 0: never */
};

/* The ways to the mate. */
struct engine_pair {
	struct hello_codec *codec;
	struct path_set *paths;
	struct link *link;
	uint64_t boot;
	char link_why[200];		 /* why the link is down */
	char link_over[CONFIG_NAME_MAX]; /* the way that it runs, or last ran, over */
	bool was_up;			 /* it was, when it went down */
	bool is_loss_untold;		 /* ... and the log has not been told that yet */
	int link_code;			 /* ... of which kind that is: link.h */
	struct monotime apart_since; /* hellos pass where replication does not; 0: so it is not */
	bool is_apart_logged;
	/* Connections in a row that ended soon after they had begun: how many, when and why the
	 * last one did; and when the last of all began. */
	struct monotime up_since, short_at;
	unsigned n_short;
	char short_why[200];
	bool has_keys;
	bool is_answered;    /* the keeper has said whether it has keys */
	bool is_lack_logged; /* that it has none */
	uint8_t hello_key[HELLO_KEY_SIZE];
	uint8_t link_psk[LINK_PSK_SIZE];
	/* Of the other failover key, in a rekey: taken, not spoken with. */
	bool has_other;
	uint8_t other_hello_key[HELLO_KEY_SIZE];
	uint8_t other_link_psk[LINK_PSK_SIZE];
	bool is_key_from_file; /* a `failover key` that the keeper has not got is the file's */
	uint8_t told[HELLO_PATHS_MAX]; /* what was logged of strangers, a bit a reason */
	struct monotime answered_at;   /* the latest hello sent out of turn */
};

/* The other processes of this unit. */
struct engine_rooms {
	struct child *child;
	struct ipc_channel *keeper;
	struct ipc_channel *fronts[ENGINE_FRONTS_MAX];
	Asafo__Ipc__FrontReport *reports[ENGINE_FRONTS_MAX];
	const Asafo__Ipc__FrontReport *report; /* the latest of them, or NULL */
	struct control_server *control;
	int control_fd;	     /* until the server runs */
	uint64_t test_round; /* of the fronts' tests that somebody asked for */
};

/* switchover.h */
struct engine_switchover {
	struct monotime released_at;
	bool is_measuring;
	uint64_t term; /* of the activation that the gap came before */
	uint32_t gap_us;
	sd_event_source *repeat;
	uint32_t repeat_ms; /* until the word is said again */
	unsigned word;	    /* that this unit says, and its mate has not heard yet */
};

/* What the keeper said last. */
struct engine_store {
	bool is_known;
	struct engine_position position;
	uint64_t promised_term, activated_term;
	uint64_t trustpoints, unit_trustpoints;
	bool has_failover_key, has_fallback;
	char why[WHY_TEXT_MAX];	       /* why the store is not usable; empty: it is */
	char incomplete[WHY_TEXT_MAX]; /* what it lost and has not got back; empty: nothing */
	char waits_for[64];	       /* of its disk, which is slow; empty: for nothing */
	struct monotime waits_since;
	struct monotime asked_at;
	struct fo_orphans orphans;
};

/* Addresses that the kernel does not take, as the log knows it. */
struct engine_refusals {
	char logged[WHY_TEXT_MAX]; /* empty: that there are none */
	struct vip_address first;
	struct pace pace;
};

struct engine_addresses {
	struct rtnl *rtnl; /* whoever waits for the kernel does it there */
	struct vip *vip;
	struct announcer *announcer;
	struct linkmon *linkmon;
	sd_event_source *released_late; /* what the kernel would not take away runs out */
	bool is_claimed;		/* between CLAIM and RELEASE */
	sd_event_source *lower;		/* devices of the other role go down */
	bool may_have_macs;		/* devices of virtual MAC addresses may be there */
	char macs_why[WHY_TEXT_MAX];	/* a virtual MAC address could not be set; empty: all are */
	bool is_follow_due;		/* routes and the rest, once the addresses have moved */
	bool is_failure_logged;		/* linkmon_failure */
	struct engine_refusals refusals;
	struct lockwatch lockwatch;
};

/* Names of trustpoints that changed here since the mate had everything. */
#define ENGINE_LACKING_MAX 256
struct engine_lacking {
	char names[ENGINE_LACKING_MAX][CONFIG_NAME_MAX];
	size_t n;
	struct monotime since; /* the first of them changed then */
	bool is_complete;      /* the list is all that the mate lacks */
};

/* A transition as it is told, with what was so when it happened. */
struct engine_transition {
	struct fo_action action; /* its term is this unit's by then */
	bool is_active;		 /* engine_is_active */
	enum fo_state mate;	 /* Failed: not heard any more, Not Detected: never */
};

/* Transitions that happened and were told to nobody yet. */
#define ENGINE_UNTOLD_MAX 16
struct engine_untold {
	struct engine_transition transitions[ENGINE_UNTOLD_MAX];
	size_t n;
};

struct engine_queue {
	struct fo_event events[ENGINE_EVENTS_MAX];
	size_t head, n;
	bool is_running;
	void (*work_off)(struct engine *engine); /* loop.c: what follows stands above who tells */
	void (*poll)(struct engine *engine);	 /* ... where that is due already */
};

/*
 * What stands on the engine (methods/methods.c) hears of it by these, and the engine knows no more
 * of it. Between start and stop, but for on_transition, which may come until done.
 */
struct engine_upper {
	int (*start)(struct engine *engine); /* errors: -errno; stop and done follow */
	void (*stop)(struct engine *engine); /* what is under way ends; the mate's link is there */
	void (*done)(struct engine *engine);
	void (*on_transition)(struct engine *engine);
	void (*on_hello)(struct engine *engine);  /* the mate said something new */
	void (*on_news)(struct engine *engine);	  /* what is served or held may be another */
	void (*on_report)(struct engine *engine); /* a front tested itself */
	/* False: the message is none of theirs. */
	bool (*on_message)(struct engine *engine, const Asafo__Wire__Link *message);
	void (*on_link_down)(struct engine *engine, const char *why);
};

struct engine {
	sd_event *event;
	const struct engine_upper *upper;
	struct child_options options;
	struct config *config; /* running-config */
	struct fo_fsm fsm;
	bool is_started; /* START was fed */
	bool is_exiting;
	struct engine_queue queue;
	struct engine_untold untold;
	struct engine_pair pair;
	struct engine_mate mate;
	struct engine_rooms rooms;
	struct engine_store store;
	struct engine_addresses addresses;
	struct collisions collisions;
	struct replication *replication;
	struct pairing *pairing;
	struct methods *methods;
	struct hooks *hooks;
	struct engine_health *health;
	struct exec *exec;
	struct proof *proof; /* methods/proof.h */
	struct reload *reload;
	struct vpnhub *vpnhub; /* vpn/hub.h */
	struct engine_switchover switchover;
	struct engine_lacking lacking;
	struct history history;
	struct history_keep history_keep;
	struct history_asked *history_asked; /* methods/show_history.c: who waits for the mate's */
	uint32_t history_id;		     /* of the latest that was asked for */
	struct engine_rekey rekey;
	struct engine_resumption resumption;
	struct engine_staples staples;
	struct engine_crls crls;
	struct engine_ca_marks ca_marks;
	struct engine_fetch fetch;
	struct clockwatch clockwatch;
	struct certwatch certwatch;
	struct usewatch usewatch;
	struct traffic traffic;
	struct changes changes;
	sd_event_source *timer;
	struct monotime alive_at; /* the loop was seen turning */
	uint64_t heard_ns;	  /* rtnl_waited_ns() when the sockets were read last */
	struct monotime active_since, started_at; /* NEVER: does not serve */
	uint64_t active_ns;			  /* in this life, up to active_since */
	uint64_t config_generation;
	uint64_t config_hash;	 /* of the lines that the pair shares */
	bool is_role_due;	 /* fronts and supervisor are to be told of the state */
	bool is_restoring;	 /* a backup is committed, and its lines fit this configuration */
	bool has_config;	 /* the startup-config was applied */
	struct buf startup_text; /* the startup-config as last read or written, secrets masked */
};

/* ---- engine.c: its queue, and what every part asks of it ---- */
/* Steps the machine with EVENT (its time is filled in) and does what follows, before this returns
 * unless it is at it already. */
void engine_feed(struct engine *engine, struct fo_event event);
/* A bare event of this type. */
void engine_feed_type(struct engine *engine, enum fo_event_type type);
/* True where this unit serves as the active one. */
bool engine_is_active(const struct engine *engine);
/* So many seconds was it active in this life, all times together. */
uint64_t engine_active_s(const struct engine *engine);
/* The holdtime that the mate is judged by: the configured one, or a stretched one (struct fo_late).
 */
uint32_t engine_hold_ms(const struct engine *engine);
/* True while the mate was heard within its holdtime. */
bool engine_hears_mate(const struct engine *engine);
/* The sentence that refuses a change on a unit that is not active: says where to do it. */
int engine_refuse_standby(const struct engine *engine, struct why *ret_why);

/* The mate has everything: positions are equal, or a replication ended well. */
void engine_mate_is_complete(struct engine *engine);
/* The list is all that the mate lacks. Of one that is lost nothing is known: it may come back
 * empty.
 */
bool engine_knows_lacking(const struct engine *engine);
/* NAME changed here and the mate does not have it yet. */
void engine_mate_lacks(struct engine *engine, const char *name);
/* Calls the keeper; ERR_CLOSED where it is not there. */
int engine_keeper_call(struct engine *engine, enum ipc_type type, const ProtobufCMessage *message,
		       const int *fds, size_t n_fds, ipc_reply_fn on_reply, void *userdata);
struct engine_position engine_position_from(const Asafo__Record__Position *position);
/* What the machine knows of it. */
struct fo_position engine_position_brief(const struct engine_position *position);
bool engine_position_equal(const struct engine_position *a, const struct engine_position *b);

/* ---- loop.c ---- */
/* UPPER is borrowed. */
int engine_new(sd_event *event, const struct child_options *options,
	       const struct engine_upper *upper, struct engine **ret_engine);
void engine_free(struct engine *engine);

/* ---- hello_out.c ---- */
/* Sends a hello on every path. */
void engine_send_hello(struct engine *engine);

/* ---- act.c: does what the machine decided ---- */
void engine_act(struct engine *engine, const struct fo_action *action);
/* Tells the log, the replication, the fronts, hooks and the methods of the transitions that they
 * were not told of; what a change of role waits for goes before that. */
void engine_tell_transitions(struct engine *engine);
/* Asks the keeper to put aside what is owed, unless it is at it; then replication_orphans_kept. */
int engine_keep_orphans(struct engine *engine);

/* ---- addresses.c: what this unit has in its role ---- */
/* Does it and feeds CLAIMED, or CLAIM_FAILED where not one address could be set. */
void engine_claim(struct engine *engine, uint64_t term);
/* Does it and feeds RELEASED when the active addresses are gone. */
void engine_release(struct engine *engine);
void engine_announce(struct engine *engine);
/* Errors: -errno. */
int engine_addresses_start(struct engine *engine);
/* Has its thread wait for the kernel; without one the loop does. */
void engine_addresses_thread(struct engine *engine);
/* An address came, went or was changed, by us or by somebody: what is ours is put right, and an
 * active address that somebody configured on a standby goes. */
void engine_addresses_news(struct engine *engine, const struct linkmon_address *news);
/* A device of a virtual MAC address changed: it is put right. */
void engine_addresses_link(struct engine *engine, const struct linkmon_link *link);
/* The standby addresses come or go with the state. */
void engine_addresses_follow(struct engine *engine);
/*
 * Addresses of the pair that somebody configured elsewhere, or with another prefix: this unit
 * answers for them whatever its role. The first MAX of them, a sentence each; returns how many
 * there are.
 */
size_t engine_misplaced(const struct engine *engine, struct why *ret_whys, size_t max);
/* The leases ran out while the machine holds on to them: sets and announces them again. */
void engine_reclaim(struct engine *engine);
/* The timer behind a RELEASE that the kernel refused. */
int engine_release_timer(struct engine *engine);
/* An orderly end: what this unit set goes, the addresses of its links to the mate, too, unless they
 * were there before. */
void engine_leave_addresses(struct engine *engine);
/* Sets this unit's addresses to what its role wants. */
int engine_set_addresses(struct engine *engine, struct why *ret_why);
bool engine_holds_standby_addresses(const struct engine *engine);

/* What neither a release nor a takeover waits for: called when the queue of events is empty. */
void engine_settle(struct engine *engine);

/* ---- refused.c ---- */
/* An address of this unit that the kernel does not take: a sentence. False: there is none. */
bool engine_address_trouble(const struct engine *engine, struct why *ret_why);
/* Says it in the log, once. */
void engine_addresses_tick(struct engine *engine);

/* ---- setup.c: configuration into sockets ---- */
/* Takes CONFIG over and rebuilds what depends on it. */
void engine_apply_config(struct engine *engine, struct config *config);
/* Key material came or changed: rebuilds codec, paths and link. */
void engine_rebuild_pair(struct engine *engine);
/* Other keys, of which the mate has one: everything goes on. Errors: ERR_CRYPTO, -ENOMEM. */
int engine_change_keys(struct engine *engine);
/* Lets go of the link to the mate; what was under way on it has failed. */
void engine_drop_link(struct engine *engine, const char *why);
struct fo_params engine_params(const struct config *config);
/* SHA-256 of the replicated lines, and their text (may be NULL). */
int engine_config_digest(const struct engine *engine, struct buf *text,
			 uint8_t ret_digest[static ENGINE_DIGEST_SIZE]);
/* The mate is not known to have other ones. */
bool engine_shares_lines(const struct engine *engine);
/* Device, addresses and role of the failover link; the PSK is not filled. */
void engine_link_config(const struct engine *engine, struct link_config *ret_config);
/* ---- hellos.c: the paths to the mate ---- */
/* Opens the paths that the configuration asks for; what is known of the ones that stay is kept. */
int engine_rebuild_paths(struct engine *engine);
/* Tells the link on which of its ways anything works. Each polltime, and on news of a device. */
void engine_check_ways(struct engine *engine);
/* Replication has no connection, or none that lasts, though hellos pass on a link to the mate, and
 * have for so long that it is no start. */
#define ENGINE_APART_MS 10000u
bool engine_apart_trouble(const struct engine *engine, struct why *ret_why);
bool engine_same_paths(const struct config *a, const struct config *b);
/* This unit's address on LINK and the mate's, with PORT. */
void engine_link_addresses(const struct config_failover *failover, const struct config_link *link,
			   uint16_t port, struct sockaddr_storage *ret_own,
			   struct sockaddr_storage *ret_mate);

/*
 * Tells the machine whether this unit is in maintenance. One whose store lost records is, too: it
 * takes what the mate has, and is active only where an operator says so.
 */
void engine_say_maintenance(struct engine *engine);
/* START when everything that it needs is there. */
void engine_try_start(struct engine *engine);
#define ENGINE_NO_KEY                                                                              \
	"no failover key: run `asafo pair` on the primary, `asafo pair --join` on the secondary"

/* ---- rooms.c: keeper and fronts ---- */
void engine_keeper_attach(struct engine *engine, int fd);
void engine_front_attach(struct engine *engine, unsigned instance, int fd);
void engine_fronts_configure(struct engine *engine);
void engine_fronts_role(struct engine *engine);
/* Forgets front INSTANCE, its channel and what it said. */
void engine_front_drop(struct engine *engine, size_t instance);
/* Has them shake hands with themselves anew; their reports of that have the round that is returned,
 * or a later one. */
uint64_t engine_fronts_test(struct engine *engine);
/* Asks the keeper for its status again. */
void engine_store_refresh(struct engine *engine);
/* This unit is active in TERM all the same: from here on its store is a history of its own. */
void engine_store_accept(struct engine *engine, uint64_t term);
/* The same where the store was not usable a while ago. */
void engine_store_retry(struct engine *engine);
/* The store is at POSITION, says the keeper. */
void engine_store_moved(struct engine *engine, const Asafo__Record__Position *position);
/* Asks for the derived keys, then rebuilds the pair. */
int engine_keys_refresh(struct engine *engine);
/* Hands over a `failover key` that a line brought, or asks for the derived keys. */
void engine_keys_settle(struct engine *engine);

/* ---- monitor.c: the interfaces ---- */
int engine_monitor_start(struct engine *engine);
/* Steps the machines of the interfaces and feeds INTERFACES on a change. */
void engine_monitor_check(struct engine *engine);
/* Tells the log where what is known of interfaces is out of date, once; each polltime. */
void engine_monitor_tick(struct engine *engine);
bool engine_monitor_trouble(const struct engine *engine, struct why *ret_why);
/* Sets up the devices of the configuration that nobody has set up yet. */
void engine_raise_devices(const struct engine *engine);
