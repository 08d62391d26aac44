/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ipc/channel.h"
#include "ipc/vpn.h"

/*
 * Sessions that are to end, and whose end the engine has not confirmed: it is asked, and asked
 * again when the next engine is there, or when it knows the session, until the session is over. So
 * a logout in the moment of a failover is one all the same. Nothing blocks.
 */
struct endings;
struct ending;
struct vpn;

/* CODE 0: it is over, on both units where there are two that can speak. Below 0: not yet. */
typedef void (*ending_fn)(int code, void *userdata);

/* VPN, whose copy says what the engine may know, is borrowed. Errors: -ENOMEM. */
int endings_new(const struct vpn *vpn, struct endings **ret_endings);
/* ON_DONE of those that wait is not called. Takes NULL. */
void endings_free(struct endings *endings);
/* The engine's channel, borrowed until the next call; NULL: it is gone. */
void endings_attach(struct endings *endings, struct ipc_channel *engine);
/*
 * ON_DONE (may be NULL) is called once, never from inside this call, unless ending_forget() was;
 * the session is to end all the same. Errors: ERR_CLOSED (there is no engine: it is asked when
 * there is, ON_DONE is not called), -ENOMEM.
 */
int endings_add(struct endings *endings, const uint8_t hash[static VPN_HASH_SIZE],
		enum vpn_end reason, ending_fn on_done, void *userdata, struct ending **ret_ending);
/* Nobody wants to hear of it. Takes NULL. */
void ending_forget(struct ending *ending);
/* The engine told of its table. */
void endings_retry(struct endings *endings);
/* Of those that are not over. */
size_t endings_count(const struct endings *endings);
