/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

#include "front/tls/credential.h"
#include "front/tls/resumption.h"
#include "ipc/channel.h"

#define TRUSTCACHE_SIGN_MS 2000

/*
 * The trustpoints in use, as the keeper last told: it is asked when a name becomes wanted, when a
 * new channel comes and when it says that something changed. What was known stays while the keeper
 * is away or silent. The empty name is the fallback. The signatures go the same way.
 */
struct trustcache;

/* Something that trustcache_get answers is different now. */
typedef void (*trustcache_change_fn)(void *userdata);

int trustcache_new(trustcache_change_fn on_change, void *userdata, struct trustcache **ret_cache);
void trustcache_free(struct trustcache *cache);
/* Takes over FD: the channel to a new keeper replaces the one to the old. Errors: those of
 * ipc_channel_new. */
int trustcache_attach(struct trustcache *cache, sd_event *event, int fd);
bool trustcache_is_attached(const struct trustcache *cache);
/* Starts a new list of names: those not named with trustcache_want before trustcache_sweep are
 * forgotten. */
void trustcache_mark(struct trustcache *cache);
int trustcache_want(struct trustcache *cache, const char *name);
void trustcache_sweep(struct trustcache *cache);
/* Asks the keeper for a sign of life, unless that is under way; returns for how many milliseconds
 * it has not given one, or has been away. */
uint64_t trustcache_probe(struct trustcache *cache);
/* The keys of session tickets, which it tells unasked. Lives as long as the cache. */
const struct resumption *trustcache_resumption(const struct trustcache *cache);
/* A name is wanted, is not known, and the keeper has been asked. */
bool trustcache_is_loading(const struct trustcache *cache);
/* Borrowed; NULL, and RET_WHY (may be NULL) says why: "not in the store". */
struct credential *trustcache_get(const struct trustcache *cache, const char *name,
				  const char **ret_why);
