/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

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

/* Whoever waits and does not breathe for longer than this was stopped. As long as a lease. */
#define RTNL_STOP_MS 1000u

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
/* Readable when what was begun is done, and nobody has looked yet; -1: there is no thread. */
int rtnl_fd(const struct rtnl *rtnl);
/* For how many ns, in all, one has waited and was not stopped: for what has a time, and is to stand
 * still meanwhile. RTNL may be NULL. */
uint64_t rtnl_waited_ns(const struct rtnl *rtnl);
/* For how many ns the thread has been at what it is at; 0: at nothing. RTNL may be NULL. */
uint64_t rtnl_busy_ns(struct rtnl *rtnl);
/*
 * Who gave work to the thread still runs: so it says by each breath, and by this where it does not
 * wait. After a silence of more than RTNL_STOP_MS it says so in vain: what was given before that
 * was given by one who was stopped since.
 */
void rtnl_say_alive(struct rtnl *rtnl);
/* For WORK, in the thread: it does, and what it wanted is still wanted. RTNL may be NULL: true. */
bool rtnl_is_wanted(const struct rtnl *rtnl);
