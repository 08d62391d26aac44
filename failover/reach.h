/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <netinet/in.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/* One question to one address: does it answer a ping, does its port take a connection? */
struct reach;

enum reach_kind {
	REACH_PING,
	REACH_TCP,
};

struct reach_target {
	enum reach_kind kind;
	struct sockaddr_storage address; /* with the port: TCP */
	char device[16];		 /* asked there; empty: where the routes lead */
	uint32_t timeout_ms;
};

/* CODE 0: it answered, in RTT_US. -ETIMEDOUT: no answer; another -errno: what the kernel or the
 * other end said. Frees the question before. */
typedef void (*reach_fn)(int code, uint32_t rtt_us, void *userdata);

/* Never waits. Errors, which are an answer too, and no callback comes: -errno. */
int reach_ask(sd_event *event, const struct reach_target *target, reach_fn on_answer,
	      void *userdata, struct reach **ret_reach);
/* Forgets it; no callback comes. */
void reach_free(struct reach *reach);
