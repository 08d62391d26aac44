/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/vpn/hub_internal.h"

/*
 * Two units' real hubs in one process, with their tables, and nothing else of an engine: the clock,
 * the roles and the failover link are the test's. What a unit posts waits until it is delivered.
 * All of it asserts.
 */
#define HUB_PAIR_LOGINS_MAX 4096

/* What became of a login. */
enum login_state {
	LOGIN_NONE,
	LOGIN_ASKED,	/* not answered yet */
	LOGIN_ANSWERED, /* the client has its cookie, and the mate has the session */
	LOGIN_ALONE,	/* ... but the mate was not waited for, or in vain */
	LOGIN_REFUSED,
};

struct hub_mail {
	struct hub_mail *next;
	Asafo__Wire__Link *message;
};

struct hub_unit {
	struct engine engine;
	struct vpnhub *hub;
	struct hub_mail *first, **last; /* for this unit */
	bool is_active;
};

struct hub_pair {
	struct hub_unit units[2];
	struct config *config;
	struct monotime now;
	uint64_t term, proofs;
	uint64_t alone; /* of the answers, as the hubs count them */
	bool is_link_up;
	enum login_state logins[HUB_PAIR_LOGINS_MAX]; /* by number */
	int code;				      /* of the latest answer */
	unsigned n_said;			      /* sessions that ended, in both units' logs */
};

extern struct hub_pair pair;

/* Both units are up, the first one is active, and each knows all of the other's. */
void hub_pair_start(const char *lines);
/* Fixture. */
int hub_pair_stop(void **state);
void hub_pair_pass(uint64_t ms);
/* Delivers what waits for the unit, at most N messages of it. */
void hub_pair_deliver(struct hub_unit *unit, unsigned n);
/* Delivers all, also what comes of it. */
void hub_pair_settle(void);
void hub_pair_link(bool is_up);
/* UNIT begins anew, as a standby that knows nothing; the link is down. */
void hub_pair_restart(struct hub_unit *unit);
/* UNIT becomes the active one, the other its standby. */
void hub_pair_take_over(struct hub_unit *unit);
/* Asks; the answer is in pair.logins and pair.code. */
void hub_pair_log_in(struct hub_unit *unit, unsigned number, const char *user);
void hub_pair_log_out(struct hub_unit *unit, unsigned number);
const struct session_record *hub_pair_find(const struct hub_unit *unit, unsigned number);
/* Live ones and tombstones are the same on both units, but for those that are past. */
void hub_pair_are_equal(void);
