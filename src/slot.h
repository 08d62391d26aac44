/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <signal.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/monotime.h"
#include "ipc/channel.h"
#include "kept.h"
#include "supervisor.h"
#include "table.h"

/* The place of one child, whether it runs or not. */
struct slot {
	struct supervisor *supervisor;
	const struct table_row *row;
	struct table_user user;
	unsigned instance;
	char name[32]; /* "keeper", "front 1": for the log */
	pid_t pid;     /* 0: does not run */
	struct ipc_channel *channel;
	sd_event_source *exit, *restart, *kill;
	sd_event_source *lifeline; /* of the engine */
	struct kept *kept;	   /* of a front, whether it runs or not */
	struct monotime started, last_beat;
	unsigned deaths; /* in a row */
	bool is_ready;
	bool has_beaten;
};

/* Finds the user and the program. SLOT is zeroed but for its supervisor. Errors with a sentence. */
int slot_init(struct slot *slot, const struct table_row *row, unsigned instance,
	      const struct supervisor_options *options, struct why *ret_why);
/* Starts the program; IS_WITHOUT_PAM is for the engine to tell, CHANNEL_FD and LIFELINE_FD (-1:
 * none) stay the caller's. Errors: -errno. */
int slot_launch(struct slot *slot, const struct supervisor_options *options, bool is_without_pam,
		int channel_fd, int lifeline_fd);
/* The whole group: the keeper has a parser below it. Nothing where it does not run. */
void slot_kill(const struct slot *slot);
/* How long it waits after its latest death. At once the first time; then ever slower, so that a
 * child that cannot live does not eat the machine. */
uint64_t slot_restart_ms(const struct slot *slot);
/*
 * Looks whether it has ended. The loop looks once, when it is told; of one that a debugger held
 * when it ended it is told before the debugger lets go, and then there is nothing to see yet.
 */
void slot_look(const struct slot *slot);
/* Says how it ended. */
void slot_log_death(const struct slot *slot, const siginfo_t *info, bool is_expected);
/* Forgets the process: channel, sources, signs of life. The count of deaths stays. */
void slot_reset(struct slot *slot);
/* Whether two processes get a channel to each other. */
bool slot_are_peers(const struct slot *a, const struct slot *b);
/* A pair of connected SOCK_SEQPACKET sockets through which the largest frame passes. Errors:
 * -errno. */
int slot_socketpair(int ret_fds[static 2]);
/* Sends FD, which stays the caller's, under NAME (child_ops.on_credential); logs a failure. */
void slot_give(struct slot *slot, const char *name, int fd);
