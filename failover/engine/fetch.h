/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/monotime.h"
#include "base/why.h"
#include "config/config.h"
#include "failover/engine/staples.h"

/*
 * `ocsp fetch`: the active unit has asafo-fetch ask the responders, one at a time, and hands what
 * it brings to the keeper, as a file of an import; from there it goes to the mate like any staple.
 * What a trustpoint of `scope unit` has each unit fetches for itself.
 */
struct engine;

/* A trustpoint with that line. */
struct fetched {
	char name[CONFIG_NAME_MAX];
	char wanted_url[CONFIG_URL_MAX];	       /* of the configuration; empty: the leaf's */
	char url[CONFIG_URL_MAX];		       /* that was asked; empty: none yet */
	uint8_t fingerprint[STAPLES_FINGERPRINT_SIZE]; /* of the leaf that it was asked about */
	struct monotime look_at; /* when it is seen whether it is to be asked for */
	struct monotime ask_at;	 /* not before, after a failure */
	int64_t asked_at;	 /* seconds since 1970; 0: never */
	unsigned failures;	 /* in a row */
	int code;		 /* of the latest one */
	struct why why;
};

struct engine_fetch {
	struct ipc_channel *helper;
	sd_event_source *timer;
	struct fetched *list;
	size_t n;
	uint32_t jitter;
	char running[CONFIG_NAME_MAX]; /* who is asked for; empty: nobody */
};

/* Errors: -errno. */
int engine_fetch_start(struct engine *engine);
void engine_fetch_stop(struct engine *engine);
/* A channel to asafo-fetch, taken over. */
void engine_fetch_attach(struct engine *engine, int fd);
/* Another configuration. */
void engine_fetch_configure(struct engine *engine);
/* Another role, certificate or staple: looks at all of them, soon. */
void engine_fetch_kick(struct engine *engine);
/* NULL: its staple is not fetched. */
const struct fetched *engine_fetch_find(const struct engine *engine, const char *name);
/* Whether it is this unit that fetches it. */
bool engine_fetch_is_here(const struct engine *engine, const char *name);
