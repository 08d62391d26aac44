/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/*
 * The real asafod ($ASAFOD) on a folder of fake children ($FAKE_CHILD, fake_child.c), and what they
 * say. Every wait is for a line, with a limit that only a failure reaches.
 */
#define PATIENCE_MS 20000
#define UID_BASE 61200
#define LOG_MAX 65536

struct daemon {
	char folder[64];
	pid_t pid;
	int out;
	int notify;
	bool is_by_name;   /* users are those of the folder's file "passwd"; for root only */
	char log[LOG_MAX]; /* all lines so far */
	size_t size;
	size_t seen; /* what the waits have used up */
};

/* As cmocka has setup and teardown. */
int daemon_make(void **state);
int daemon_remove(void **state);
void daemon_path(const struct daemon *daemon, const char *name, char ret_path[static PATH_MAX]);
void daemon_write(const struct daemon *daemon, const char *name, const char *content);
/* EXTRA: more arguments, NULL at the end; NULL: none. */
void daemon_start(struct daemon *daemon, char *const *extra);
/* Waits until TEXT is said after what was waited for before; returns what follows it. */
const char *daemon_expect(struct daemon *daemon, const char *text);
/* Waits for TEXT anywhere in the log, leaving the position. */
const char *daemon_expect_anywhere(struct daemon *daemon, const char *text);
/* Until its output ends. Returns its exit code; -1: a signal ended it. */
int daemon_wait(struct daemon *daemon);
