/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

#include "front/report.h"
#include "front/tls/tls.h"

/*
 * Could a client be served? Again and again, and after each change, a whole TLS handshake with the
 * certificate of each binding, the keeper's signature included; both ends are in this process, so
 * it needs no address. Between those the keeper is asked for a sign of life.
 */
struct selftest;

/* The result is another one. */
typedef void (*selftest_change_fn)(void *userdata);

/* INSTANCE: the fronts of a unit take turns, so that what all of them need is tried twice as often
 * as each of them tries it. */
int selftest_new(sd_event *event, unsigned instance, struct tls *tls, struct trustcache *cache,
		 selftest_change_fn on_change, void *userdata, struct selftest **ret_selftest);
void selftest_free(struct selftest *selftest);
/* SNAPSHOT (borrowed until the next call; NULL: none) or the certificates changed: all are tested
 * anew. */
void selftest_restart(struct selftest *selftest, const struct snapshot *snapshot);
/* The same of what is there, for somebody who wants to know now: reports have ROUND from here on.
 */
void selftest_again(struct selftest *selftest, uint64_t round);
/* Fills the report's fields. Errors: -ENOMEM. */
int selftest_report(const struct selftest *selftest, struct report *report);
