/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fsm.h"

/*
 * What is known of a monitored interface, and how healthy the unit is: pure, as the state machine
 * is. The tests are the ASA's, in its order: link, network activity, ARP and neighbour
 * solicitation, broadcast ping. They begin when the mate's hellos are missing on the interface for
 * half the interface holdtime; each lasts a sixteenth of it; any packet that comes in during one
 * passes it. An interface has failed only where the mate's still hears traffic: silence on both is
 * a silent network, which says nothing (Unknown).
 */

/* On the wire as it stands here: append only. */
enum health_word {
	HEALTH_UNKNOWN, /* tested, and neither unit hears anything; or not known of the mate's */
	HEALTH_NORMAL,	/* hears the mate, or passed a test */
	HEALTH_WAITING, /* has link; the mate was not heard there yet, or no longer: it is down */
	HEALTH_TESTING,
	HEALTH_FAILED,	      /* hears nothing, while the mate's interface does */
	HEALTH_NO_LINK,	      /* no carrier, or no device */
	HEALTH_LINK_DOWN,     /* set down by somebody */
	HEALTH_NOT_MONITORED, /* neither tested nor counted */
	HEALTH__MAX,
};

/* "Normal", "No Link". Waiting is Normal: that the mate was not heard stands behind it, in
 * health_monitoring_text. */
const char *health_word_text(enum health_word word);
/* "Monitored", "Waiting", "Not-Monitored" */
const char *health_monitoring_text(enum health_word word, bool hears_mate);
/* Counts against the unit. */
bool health_word_is_failed(enum health_word word);

enum health_test {
	HEALTH_TEST_NONE,
	HEALTH_TEST_ACTIVITY,
	HEALTH_TEST_ARP,
	HEALTH_TEST_PING,
	HEALTH_TEST__MAX,
};

struct health_times {
	uint32_t poll_ms;      /* interface polltime: how often a test that failed is repeated */
	uint32_t hold_ms;      /* interface holdtime */
	uint32_t unit_poll_ms; /* how often hellos come */
};

/* One end's view of an interface, as a hello carries it. */
struct health_view {
	enum health_word word;
	bool hears_mate;
};
uint8_t health_view_pack(struct health_view view);
/* Total: what no version says is Unknown. */
struct health_view health_view_unpack(uint8_t byte);

struct health_interface {
	enum health_word word;
	enum health_test test;	    /* under way */
	bool hears_mate;	    /* on this interface, within the silence that is allowed */
	bool is_mate_up;	    /* heard on any path */
	struct health_view mate;    /* of the mate's end; Unknown while not told */
	struct monotime heard_at;   /* the silence began */
	struct monotime doubted_at; /* the tests began, or the mate's word is new */
	struct monotime deadline;
};

enum health_event_type {
	HEALTH_EVENT_LINK,	 /* has_link, is_admin_up */
	HEALTH_EVENT_MATE_HEARD, /* an authentic hello on this interface */
	HEALTH_EVENT_MATE,	 /* is_mate_up, mate: what the mate says of its end */
	HEALTH_EVENT_PACKET,	 /* somebody was heard while listening */
	HEALTH_EVENT_TICK,	 /* the deadline; whatever waited in the sockets was read before */
	HEALTH_EVENT_LATE, /* this unit was not scheduled: what it did not hear says nothing */
	HEALTH_EVENT__MAX,
};

struct health_event {
	enum health_event_type type;
	struct monotime at;
	bool has_link, is_admin_up;
	bool is_mate_up;
	struct health_view mate;
};

struct health_update {
	bool is_changed;   /* the word, or whether the mate is heard */
	bool is_listening; /* packets are wanted, from now on, until an update says otherwise */
	bool sends_arp, sends_ping;
};

/* A monitored interface whose link is not known yet: No Link until HEALTH_EVENT_LINK. */
void health_interface_init(struct health_interface *ret_interface);
/* Total. */
void health_interface_step(struct health_interface *interface, const struct health_times *times,
			   const struct health_event *event, struct health_update *ret_update);
/* After which silence the tests begin. */
uint32_t health_silence_ms(const struct health_times *times);

/* ---- track objects ---- */

enum health_track_state {
	HEALTH_TRACK_UNKNOWN, /* no result yet, or none is possible: not counted */
	HEALTH_TRACK_UP,
	HEALTH_TRACK_DOWN,
	HEALTH_TRACK__MAX,
};
const char *health_track_text(enum health_track_state state);

enum health_result {
	HEALTH_RESULT_NONE, /* it could not be asked from here */
	HEALTH_RESULT_GOOD,
	HEALTH_RESULT_BAD,
};

struct health_track {
	enum health_track_state state;
	uint32_t streak; /* results against the state in a row */
};
/* Hysteresis: so many bad results in a row (DOWN, at least 1) take it down, so many good ones (UP)
 * bring it back. The first good one is believed. True: the state changed. */
bool health_track_step(struct health_track *track, enum health_result result, uint32_t down,
		       uint32_t up);
/*
 * What both units see, such as a gateway that died and comes back, each sees in its own turn, which
 * may be as long as the time that an answer may take. Going down lowers the score at once, so that
 * nobody hands over to this unit; it is a reason to hand over (*TURNS_LEFT is 0) only after the
 * mate was the better one at so many bad answers in a row. To be called for each answer that left
 * the object down. True: whether it is a reason changed.
 */
#define HEALTH_TRACK_TURNS 2u
bool health_track_wait(enum health_result result, bool is_mate_better, unsigned *turns_left);

/* ---- the unit ---- */

struct health_policy {
	uint32_t count;	  /* `failover interface-policy N` */
	uint32_t percent; /* ... N%; 0: the count is meant */
};

struct health_sum {
	uint32_t monitored, failed; /* interfaces */
	uint32_t tracks_down;	    /* that count, and are a reason to hand over */
	uint32_t decrements;	    /* of all that count */
	bool is_service_failed;	    /* this unit's own listener could not serve a client */
};
/* What interfaces and track objects take never reaches what a service that failed takes: who can
 * serve badly stands before who cannot serve. */
struct fo_health health_sum_score(const struct health_sum *sum, const struct health_policy *policy);

/* ---- lines ---- */

/*
 * Lines may move the score of both units, and the active unit reads them first. What moves both is
 * no reason to change roles: so until the mate is known to have read them, and to have said what
 * became of its score, a unit says what it is only as far as neither of them would act on it. What
 * fails in truth meanwhile waits as long.
 */
struct health_lines {
	bool is_open;	      /* it is not known yet */
	struct monotime from; /* the first of those */
};
#define HEALTH_LINES_MAX_MS 1000u /* the mate may never read them */

/* Lines were read. */
void health_lines_read(struct health_lines *lines, struct monotime now);
/* IS_SHARED: the mate's latest word says that it has read the same ones, or there is no mate to
 * wait for. True: what is said from now on is what is so. */
bool health_lines_settle(struct health_lines *lines, bool is_shared, struct monotime now);
/*
 * What to say instead of IS while they are open, SAID being what was said last: nobody is failing
 * (but who has Failed already: IS_FAILED), and an active unit does not become better before its
 * mate, which would be Failed for it. It is marked as unsettled, so that a primary does not preempt
 * because of it.
 */
struct fo_health health_lines_say(const struct fo_health *is, const struct fo_health *said,
				  bool is_active, bool is_failed);
