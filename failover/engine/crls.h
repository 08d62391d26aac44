/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/monotime.h"
#include "base/why.h"
#include "certstore/store/record.pb-c.h"
#include "config/config.h"
#include "failover/core/wire.pb-c.h"
#include "failover/engine/usecheck.h"
#include "src/ipc/ipc.pb-c.h"

/*
 * CRLs as the keeper has them, and that the mate has them, too: the active unit tells which ones
 * there are, the standby what it lacks, and gets it part by part; what the standby has newer the
 * active unit asks for. A mate of an older version does not answer, and looks at none.
 */
#define CRLS_KEY_ID_SIZE 32
#define CRLS_NAMES_MAX 8

struct engine;

struct engine_crl {
	uint8_t key_id[CRLS_KEY_ID_SIZE]; /* of the CA */
	uint8_t digest[32];
	int64_t this_update, next_update, taken_at; /* seconds since 1970 */
	uint64_t revoked;
	uint64_t term, change; /* in which it was taken or removed; 0: an older version's */
	char source[32], number[64], issuer[128];
	char names[CRLS_NAMES_MAX][CONFIG_NAME_MAX]; /* of trustpoints that have this CA */
	size_t n_names;				     /* 0: none has it any more */
	int64_t removed_at;			     /* not 0: it is none, but was removed */
	bool is_home;
	bool is_end_said;
};

struct engine_crls {
	sd_event_source *timer;
	struct engine_crl *list, *gone; /* and those that were removed */
	size_t n, n_gone;
	uint64_t id;	  /* of the list, but for what stays home; 0: it is not known yet */
	uint64_t mate_id; /* of what the mate has, as it said; 0: not known */
	bool was_active;  /* when the role was said last */
	bool is_asked, is_asked_again;
	bool is_told; /* the mate, of this set */
	uint8_t (*lacking)[CRLS_KEY_ID_SIZE];
	size_t n_lacking, i_lacking;
	uint32_t part; /* of that one, which is sent next */
	bool is_sending, is_comparing;
	size_t n_newer;	 /* that the standby has, and this active unit older or not at all */
	bool is_wanting; /* they were asked for */
	bool is_apart;
	struct monotime apart_since;
};

/* ---- crls.c ---- */
int engine_crls_start(struct engine *engine);
void engine_crls_stop(struct engine *engine);
/* The keeper may have others now. */
void engine_crls_kick(struct engine *engine);
/* This unit may have another role, or is only further in the same. */
void engine_crls_role(struct engine *engine);

/* The keeper has these. */
void engine_crls_listed(struct engine *engine, const Asafo__Ipc__CrlListReply *reply);
/* Does a trustpoint of this NAME have its CA? */
bool engine_crl_is_of(const struct engine_crl *crl, const char *name);

/* ---- crls_judge.c ---- */
/* Adds what keeps `revocation-check` from doing its work, or soon will. */
void engine_crls_judge(const struct engine *engine, struct usecheck_findings *findings);
/* In the log, once, that one has ended. */
void engine_crls_say(struct engine *engine);
/* The standby lacks some of what it is to have. */
bool engine_crls_are_apart(const struct engine *engine);
/* Remembers since when. */
void engine_crls_look_apart(struct engine *engine);
/* It has been so for too long. */
bool engine_crls_trouble(const struct engine *engine, struct why *ret_why);

/* ---- crls_link.c ---- */
void engine_crls_link_up(struct engine *engine);
/* Its queue is short again: goes on with what the mate lacks. */
void engine_crls_link_writable(struct engine *engine);
/* Tells the mate which ones there are, if it does not know. */
void engine_crls_tell(struct engine *engine);
/* Tells the active unit which ones this standby has. */
void engine_crls_report(struct engine *engine);
/* True: MESSAGE was of these. */
bool engine_crls_message(struct engine *engine, const Asafo__Wire__Link *message);
