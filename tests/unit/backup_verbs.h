/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tests/unit/keeper_fixture.h"

/* What an engine asks of a keeper for a backup and its restore. All of it asserts. */

struct backup {
	bool with_non_exportable, with_unit;
};

/* An open file with the backup; what it left out in RET_LEFT_OUT (may be NULL). */
int backup_make(struct unit *unit, struct backup how, uint64_t *ret_left_out);

struct restore {
	const char *passphrase, *hostname, *of;
	bool is_dry_run, is_forced, is_unit;
};

void restore_send(struct unit *unit, int file, struct restore how);
Asafo__Ipc__RestoreReply *restore_plan(struct unit *unit, int file, struct restore how);
/* The code; the sentence in RET_WHY (512 bytes, may be NULL). */
int restore_commit(struct unit *unit, uint64_t plan, char *ret_why);
/* As the engine does it where it can apply the lines: plan and commit. */
Asafo__Ipc__RestoreReply *restore_run(struct unit *unit, int file, struct restore how);
/* The code of that; the sentence in RET_WHY (512 bytes, may be NULL). */
int restore_code(struct unit *unit, int file, struct restore how, char *ret_why);

/*
 * A file as no asafo writes it: trustpoint NAME with generation HEAD, and N_OLDER before it from 1
 * on, whose certificates and keys are bytes that depend on SEED. Its passphrase is "passphrase".
 */
struct backup_forgery {
	const char *name;
	uint64_t head, n_older;
	uint8_t seed;
	bool is_unit;
};
int backup_forge(struct backup_forgery forgery);
