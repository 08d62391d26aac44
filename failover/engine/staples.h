/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/monotime.h"
#include "failover/core/wire.pb-c.h"
#include "failover/engine/usecheck.h"
#include "src/ipc/ipc.pb-c.h"

/*
 * OCSP staples as the keeper has them, and that the mate has them, too: the active unit tells which
 * there are, the standby asks for what it lacks and drops what is not among them. A mate of an
 * older version does not answer, and staples nothing.
 */
#define STAPLES_FINGERPRINT_SIZE 32
#define STAPLES_MISSING_SAID_MAX 32

struct engine;

struct engine_staple {
	uint8_t fingerprint[STAPLES_FINGERPRINT_SIZE]; /* of the leaf */
	uint8_t digest[32];
	int64_t this_update, next_update, taken_at;
	char source[128], trustpoint[64];
	int64_t revoked_at; /* 0: not known */
	bool is_revoked;    /* is none to send: that is all it says */
	bool is_home;	    /* stays on this unit */
	bool is_end_said;   /* in the log */
};

struct engine_staples {
	sd_event_source *timer;
	struct engine_staple *list;
	size_t n;
	uint64_t id, mate_id;	       /* of what the pair shares, here and there; 0: not known */
	bool is_asked, is_asked_again; /* the keeper, for the list */
	bool is_told;		       /* ID, not again before the timer */
	/* Active: what the mate lacks, one at a time. */
	uint8_t (*lacking)[STAPLES_FINGERPRINT_SIZE];
	size_t n_lacking, i_lacking;
	bool is_sending;
	bool is_comparing; /* standby: the active unit's set, with its own */
	uint8_t missing_said[STAPLES_MISSING_SAID_MAX][STAPLES_FINGERPRINT_SIZE]; /* must-staple */
	size_t n_missing_said;
	bool is_apart; /* active: the mate has other ones, since then */
	struct monotime apart_since;
};

/* ---- staples.c ---- */
/* Errors: -errno. */
int engine_staples_start(struct engine *engine);
void engine_staples_stop(struct engine *engine);
/* Something is different: the keeper, what it holds. */
void engine_staples_kick(struct engine *engine);
/* This unit has another role. */
void engine_staples_role(struct engine *engine);

/* ---- staples_judge.c ---- */
/* NULL: there is none for the leaf of PART. What stays home has its own, also of the same leaf. */
const struct engine_staple *engine_staple_find(const struct engine *engine,
					       const Asafo__Record__TrustpointPublic *part);
/* Instead: its issuer said that the leaf is revoked, and nothing newer. NULL: it did not. */
const struct engine_staple *engine_staple_find_revoked(const struct engine *engine,
						       const Asafo__Record__TrustpointPublic *part);
/* A client is sent it. */
bool engine_staple_is_good(const struct engine_staple *staple, int64_t now);
/* Less than a quarter of its time is left, or none. */
bool engine_staple_is_ending(const struct engine_staple *staple, int64_t now);
/* Adds what is wrong with the staple of PART, where it is bound. */
void engine_staples_judge(const struct engine *engine, const Asafo__Record__TrustpointPublic *part,
			  struct usecheck_findings *findings);
/* PART is bound: in the log, once, that its staple has ended, or that it wants one and has none. */
void engine_staples_say(struct engine *engine, const Asafo__Record__TrustpointPublic *part);
/* Active: the mate has other ones, or has not said yet that it has them. */
bool engine_staples_are_apart(const struct engine *engine);
/* Notes since when they are; now and then. */
void engine_staples_look_apart(struct engine *engine);
/* It has not, for some time. */
bool engine_staples_trouble(const struct engine *engine, struct why *ret_why);

/* ---- staples_link.c ---- */
void engine_staples_link_up(struct engine *engine);
/* Tells the mate, where it may have other ones than this active unit. */
void engine_staples_tell(struct engine *engine);
/* The standby says which set its keeper has. */
void engine_staples_report(struct engine *engine);
/* What the mate says of it. Returns false for other messages. */
bool engine_staples_message(struct engine *engine, const Asafo__Wire__Link *message);
