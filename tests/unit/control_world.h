/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/types.h>

#include "base/buf.h"
#include "control/control.h"
#include "control/peer.h"

/* What the tests of the control protocol share: a server with a few methods, and plain sockets to
 * talk to it with. */
#define LOOK_GID 70001u
#define CHANGE_GID 70002u

/* A server in this process. */
struct world {
	char directory[64], path[96];
	sd_event *event;
	struct control_server *server;
	struct control_call *waiting; /* the last t.Wait */
	int taken;		      /* what t.Fd took */
	unsigned n_gone;
};

/* Who every client is said to be. */
extern struct control_peer world_peer;
/* t.Echo, t.Wait, t.Progress, t.Fail (changes), t.Fd, t.Large; userdata is the struct world. */
extern const struct control_method world_methods[];

int world_read_peer(int fd, struct control_peer *ret_peer);
int world_listen(const char *path);
int world_setup(void **state);
int world_teardown(void **state);
int world_client(const struct world *w);
/* Turns the loop until there is nothing to do. */
void world_pump(struct world *w);
/* Sends SIZE bytes, letting the server take them. */
void world_feed(struct world *w, int fd, const char *data, size_t size);
#define WORLD_FEED(w, fd, text) world_feed(w, fd, text, sizeof(text))
void world_feed_fds(int fd, const char *data, size_t size, const int *fds, size_t n);
/* What came so far, NULs shown as '|'; "EOF" at the end when the server closed. */
const char *world_heard(struct world *w, int fd, struct buf *text);
