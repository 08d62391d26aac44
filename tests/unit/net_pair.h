/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "netns.h"
#include "wait.h"

/* Two network namespaces with a veth pair between them, one loop for both ends. All of it asserts.
 */
extern sd_event *event;
extern int here, there; /* va is here, vb is there */

#define WAIT_FOR(condition) WAIT_ON(event, condition)

/* Once, in main; or the test is skipped. */
void net_pair_enter(void);
/* Fixture: a new veth pair, and a loop. */
int net_pair_setup(void **state);
int net_pair_teardown(void **state);
/* A new veth pair in place of the one that may be there. */
void make_pair(void);
/* What is opened from now on is of that namespace. */
void go(int namespace);
/* An IPv4 address. */
void set_address(struct sockaddr_storage *address, const char *text, uint16_t port);
