/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/why.h"
#include "table.h"

/* Where this instance lives. Strings are borrowed. */
struct folders {
	const char *config;    /* the startup-config */
	const char *state_dir; /* made if missing; state_dir/keeper is the keeper's */
	const char *run_dir;   /* made if missing; run_dir/control */
	const char *hooks_dir; /* executables that run on a change of role */
	const char *track_dir; /* executables that `track` asks */
};

/*
 * Makes the folders, gives the keeper its own, and lets it replace the startup-config in the
 * config's folder. Errors: -errno with a sentence. A config folder that cannot be shared is a
 * warning in RET_WARNING (empty otherwise).
 */
int folders_prepare(const struct folders *folders, struct table_user keeper,
		    struct why *ret_warning, struct why *ret_why);
/* One asafod per run folder: takes the lock, kept as long as the descriptor. Errors: ERR_BUSY,
 * -errno. */
int folders_lock(const struct folders *folders, int *ret_fd, struct why *ret_why);
/* The listening control socket, for everybody: whoever connects is judged by SO_PEERCRED. Errors:
 * -errno. */
int folders_control_listen(const struct folders *folders, int *ret_fd, struct why *ret_why);
/* Removes the control socket's name. */
void folders_control_remove(const struct folders *folders);
/*
 * The startup-config, read-only. The keeper owns its folder, so what is opened here with root's
 * eyes must be a plain file with one name, root's or the KEEPER's. A missing one is an empty one,
 * with a warning in RET_WHY. Errors: -errno, ERR_DENIED with a sentence.
 */
int folders_config_open(const struct folders *folders, struct table_user keeper, int *ret_fd,
			struct why *ret_why);
/* The unit's master key from systemd's credentials; ERR_NOT_FOUND where there is none. */
int folders_master_key_open(int *ret_fd);
