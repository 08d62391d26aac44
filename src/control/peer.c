/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's word for who is calling. */
#include "control/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define GROUPS_MAX 65536u /* NGROUPS_MAX */

static int read_groups(int fd, gid_t **ret_groups, size_t *ret_n)
{
	_cleanup_free_ gid_t *groups = NULL;
	socklen_t length = 64 * sizeof(gid_t);

	for (;;) {
		gid_t *larger = realloc(groups, length ? length : sizeof(gid_t));

		if (!larger)
			return -ENOMEM;
		groups = larger;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) == 0)
			break;
		/* ERANGE: LENGTH is now what is needed. */
		if (errno != ERANGE || length > GROUPS_MAX * sizeof(gid_t))
			return -errno;
	}
	*ret_n = length / sizeof(gid_t);
	*ret_groups = TAKE_PTR(groups);
	return 0;
}

int control_peer_read(int fd, struct control_peer *ret_peer)
{
	struct ucred credentials = {0};
	socklen_t length = sizeof(credentials);
	struct control_peer peer = {0};
	int error;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
		return -errno;
	error = read_groups(fd, &peer.groups, &peer.n_groups);
	if (error)
		return error;
	peer.uid = credentials.uid;
	peer.gid = credentials.gid;
	peer.pid = credentials.pid;
	*ret_peer = peer;
	return 0;
}

void control_peer_done(struct control_peer *peer)
{
	if (!peer)
		return;
	free(peer->groups);
	*peer = (struct control_peer){0};
}

static bool is_in_group(const struct control_peer *peer, gid_t gid)
{
	if (gid == (gid_t)-1)
		return false;
	if (peer->gid == gid)
		return true;
	for (size_t i = 0; i < peer->n_groups; i++)
		if (peer->groups[i] == gid)
			return true;
	return false;
}

enum control_right control_peer_right(const struct control_peer *peer, gid_t look_gid,
				      gid_t change_gid)
{
	if (peer->uid == 0 || is_in_group(peer, change_gid))
		return CONTROL_RIGHT_CHANGE;
	return is_in_group(peer, look_gid) ? CONTROL_RIGHT_LOOK : CONTROL_RIGHT_NONE;
}
