/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/*
 * A thread that waits for the kernel in this one's place. Almost every change of addresses, links
 * and routes needs the RTNL lock, of which a kernel has one, for all its network namespaces:
 * whoever holds it (an `ip` that lists thousands of devices, a namespace that is torn down, a slow
 * network card that `ethtool` asks) has everybody else wait in the middle of a system call. So what
 * needs it is done by the thread, one thing after the other, while this one goes on, or at least
 * breathes. What was given to the thread is its own until it is done: who gives it touches it no
 * more.
 */
struct rtnl;

typedef int (*rtnl_work_fn)(void *userdata);

/*
 * No thread yet: what is to be done is done at once, by the caller. ON_BREATH is called once a
 * millisecond while one waits; it must come back soon, and not here. Errors: -ENOMEM.
 */
int rtnl_new(void (*on_breath)(void *userdata), void *userdata, struct rtnl **ret_rtnl);
/*
 * Makes the thread: behind the walls, which it has from who makes it. It has the scheduling of its
 * maker, a little less urgent. Errors: -errno.
 */
int rtnl_start(struct rtnl *rtnl);
/* Waits for what is under way. */
void rtnl_free(struct rtnl *rtnl);
/* Has WORK done, breathing, after what is under way; its result is returned. RTNL may be NULL: then
 * WORK is simply called. */
int rtnl_do(struct rtnl *rtnl, rtnl_work_fn work, void *userdata);
/* Has WORK done after what is under way (which is waited for), and does not wait for it. True: it
 * is done already, since there is no thread. */
bool rtnl_begin(struct rtnl *rtnl, rtnl_work_fn work, void *userdata);
/* What was begun is not done yet. Waits for nothing. */
bool rtnl_is_busy(struct rtnl *rtnl);
/* Waits, breathing, until nothing is under way. */
void rtnl_wait(struct rtnl *rtnl);
