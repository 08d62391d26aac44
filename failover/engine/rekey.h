/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/why.h"
#include "core/rekey.h"
#include "failover/core/wire.pb-c.h"
#include "failover/link.h"
#include "src/ipc/ipc.pb-c.h"

/*
 * The pair comes to another failover key (core/rekey.h decides): the keeper makes each step
 * durable, then this unit takes to it, then the mate is told over the link. What stopped in the
 * middle goes on by itself when the units meet again.
 */
struct engine;

#define REKEY_OVERLAP_MS 3000 /* the old key is taken for so long after both units left it */
#define REKEY_WAIT_MS 15000   /* `asafo rekey` waits for so long */
#define REKEY_OFFER_MAX 256

/* OTHER_ID is that of the new key. CODE < 0: it is not over, and WHY says how it goes on. */
typedef void (*rekey_done_fn)(int code, const char *why, void *userdata);

struct engine_rekey {
	struct rekey_view own; /* current 0: this unit has no key */
	int64_t changed_at;    /* seconds since 1970: the key is in use since; 0: not known */
	struct rekey_view mate;
	bool is_mate_known; /* on this connection */
	uint8_t offer[REKEY_OFFER_MAX];
	size_t offer_size; /* of the mate's latest word; 0: none came with it */
	bool is_busy;	   /* a step is with the keeper */
	bool is_unread;	   /* it was done, and the keys that came of it were not read yet */
	bool is_settling;  /* the overlap runs */
	sd_event_source *timer, *limit;
	char why[WHY_TEXT_MAX]; /* the latest step failed; empty: it did not */
	rekey_done_fn on_done;	/* who waits; NULL: nobody */
	void *userdata;
};

/* Errors: -errno. */
int engine_rekey_init(struct engine *engine);
/* Who waits is told. */
void engine_rekey_done(struct engine *engine);
/*
 * `asafo rekey`. Errors, with the sentence: ERR_NOT_READY (no key), ERR_NO_MATE, ERR_VERSION (the
 * mate does not know how), ERR_BUSY. Otherwise ON_DONE is called once.
 */
int engine_rekey_start(struct engine *engine, rekey_done_fn on_done, void *userdata,
		       struct why *ret_why);
/* Gives the new key up, while no unit uses it. Errors: ERR_NOT_READY, ERR_BUSY. */
int engine_rekey_cancel(struct engine *engine, rekey_done_fn on_done, void *userdata,
			struct why *ret_why);
/* Whoever started it is gone: it goes on all the same. */
void engine_rekey_forget(struct engine *engine, const void *userdata);
/* What the keeper says of its keys; NULL: it could not be asked. */
void engine_rekey_read(struct engine *engine, const Asafo__Ipc__LinkKeysReply *reply);
/* This unit has taken to the keys that it read, and was what BEFORE says: the mate is told, and it
 * goes on. */
void engine_rekey_moved(struct engine *engine, const struct rekey_view *before);
/* Both keys, for a link that is made, or goes on. */
void engine_rekey_fill(const struct engine *engine, struct link_change *ret_change);
void engine_rekey_link_up(struct engine *engine);
void engine_rekey_link_down(struct engine *engine);
/* False: the message is about something else. */
bool engine_rekey_message(struct engine *engine, const Asafo__Wire__Link *message);
/* What somebody should know of it; false: nothing. */
bool engine_rekey_trouble(const struct engine *engine, struct why *ret_why);
