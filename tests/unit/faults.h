/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Stands between the program (LMDB, too) and what it writes: the calls are counted, and one of them
 * ends the process, fails, or is cut short; or all of them are written down, so that a power cut
 * behind any of them can be played.
 */
enum faults_kind {
	FAULTS_NONE,
	FAULTS_KILL_BEFORE,
	FAULTS_KILL_HALF, /* half of it was written */
	FAULTS_KILL_AFTER,
	FAULTS_EIO,
	FAULTS_ENOSPC,
	FAULTS_SHORT, /* half of it, and no error */
	FAULTS_RECORD,
};

/* The call number AT (from 1) and, of errors, the COUNT - 1 behind it. */
void faults_begin(enum faults_kind kind, unsigned at, unsigned count);
/* How many calls there were. */
unsigned faults_end(void);

enum faults_type { FAULTS_WRITE, FAULTS_SYNC, FAULTS_SIZE, FAULTS_MARK };

/* What was written down. */
struct faults_entry {
	uint64_t inode;
	off_t offset;
	uint8_t *data;
	size_t size;
	enum faults_type type;
	int is_durable; /* a write that is on the disk when it returns */
	int mark;
};
/* The program acknowledged step MARK. */
void faults_mark(int mark);
const struct faults_entry *faults_entries(size_t *ret_n);
void faults_forget(void);
