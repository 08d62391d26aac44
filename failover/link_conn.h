/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "failover/link_tls.h"

/*
 * One connection of the failover link: TLS, the framing of messages and the queue of what waits. It
 * knows nothing of units, versions or who may say what. Internal to the link.
 */
struct link_conn;

struct link_conn_ops {
	/* TLS is established. */
	void (*on_ready)(struct link_conn *conn, void *userdata);
	/* A frame without its length. DATA is valid during the call. */
	void (*on_frame)(struct link_conn *conn, const uint8_t *data, size_t size, void *userdata);
	/* The queue fell below LINK_QUEUE_LONG. */
	void (*on_drained)(struct link_conn *conn, void *userdata);
	/* Gone, once; never from inside a function that the user of this called. Free it here or
	 * later. */
	void (*on_closed)(struct link_conn *conn, int code, const char *why, void *userdata);
};

/* KEYS and OPS are borrowed for the life of it; takes over FD (closed on failure, too), which may
 * be connecting still. Errors: -ENOMEM, -errno, ERR_CRYPTO. */
int link_conn_new(sd_event *event, int fd, bool is_server, const struct link_keys *keys,
		  const struct link_conn_ops *ops, void *userdata, struct link_conn **ret_conn);
/* Sends what it can without waiting, then closes. Safe in its own callbacks. Takes NULL. */
void link_conn_free(struct link_conn *conn);
/* The time limit for everything up to link_conn_settle: then it is closed with ERR_TIMEOUT. Errors:
 * -errno. */
int link_conn_limit(struct link_conn *conn, uint64_t limit_ms);
void link_conn_settle(struct link_conn *conn);
/* Errors as link_send. */
int link_conn_send(struct link_conn *conn, const Asafo__Wire__Link *message);
/* Closes (on_closed with ERR_CLOSED) when what is queued is gone. */
void link_conn_finish(struct link_conn *conn);
/* Closes with CODE and WHY: from the loop, not from inside the call. */
void link_conn_fail(struct link_conn *conn, int code, const char *why);
/* While paused, reads only a message each half second. */
void link_conn_pause(struct link_conn *conn, bool is_paused);
enum link_key link_conn_key(const struct link_conn *conn);
const char *link_conn_cipher(const struct link_conn *conn);
size_t link_conn_queued(const struct link_conn *conn);
uint64_t link_conn_sent(const struct link_conn *conn);
uint64_t link_conn_received(const struct link_conn *conn);
