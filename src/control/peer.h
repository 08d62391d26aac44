/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Who is at the other end of a local socket, as the kernel says. */
struct control_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	gid_t *groups; /* supplementary */
	size_t n_groups;
};

/* What a peer may do at all; each level holds those below. */
enum control_right {
	CONTROL_RIGHT_NONE,
	CONTROL_RIGHT_LOOK,
	CONTROL_RIGHT_CHANGE,
};

/* SO_PEERCRED and SO_PEERGROUPS of FD, both as they were when it connected. Errors: -errno,
 * -ENOMEM. */
int control_peer_read(int fd, struct control_peer *ret_peer);
void control_peer_done(struct control_peer *peer);
/* root and CHANGE_GID may change, LOOK_GID may look. (gid_t)-1 is nobody's group. */
enum control_right control_peer_right(const struct control_peer *peer, gid_t look_gid,
				      gid_t change_gid);
