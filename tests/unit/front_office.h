/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "front_harness.h"
#include "ipc/loginproof.h"

/*
 * An engine that has VPN sessions and an auth helper, played by one thread beside the harness. The
 * password decides: "right" is, "locked", "busy" and "mute" are what they say (mute: there is no
 * answer), all others are wrong. A user "full" gets no address; the latest session of "undying" is
 * not ended. "more" leads to a code: "456" is the one, any other is asked for again, both for the
 * state "half/way+=="; any other state came too late. A session is made only for whom the helper
 * vouched.
 */
struct office {
	struct harness *harness;
	int auth; /* the helper's end */
	int stop[2];
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news;
	bool is_undying;
	struct loginproof_gate gate; /* of helper and engine */
	uint64_t n_proofs;
	unsigned n_sessions, n_ended, n_asked; /* so far */
	char asked[256];		       /* "user method", the last one */
	char opened[256];		       /* "user group policy client-size", the last one */
};

/* After harness_bind: the engine's end is the office's from here on. */
void office_start(struct office *office, struct harness *harness);
void office_stop(struct office *office);
/* Tells the front that it has all sessions that there are, or that it has not. */
void office_complete(struct office *office, bool is_complete);
void office_helper_leave(struct office *office);
unsigned office_ended(struct office *office);
unsigned office_asked(struct office *office);
/* Until the helper was asked so often. */
void office_wait_asked(struct office *office, unsigned n);
