/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * The users of the configuration, with what crypt(5) made of their passwords. New ones are staged,
 * and hold all at once.
 */
#define USERS_NAME_MAX 64
#define USERS_HASH_MAX 384 /* CRYPT_OUTPUT_SIZE */
#define USERS_TOTP_MAX 128
#define USERS_MAX 65536

struct user {
	char name[USERS_NAME_MAX];
	char hash[USERS_HASH_MAX];
	char policy[USERS_NAME_MAX]; /* "": his group's */
	char totp[USERS_TOTP_MAX];   /* sealed (ipc/loginbox.h); "": no second factor */
	bool has_lock;		     /* of his own, or of his own policy: */
	char lock[USERS_NAME_MAX];   /* the only group that he may choose; "": any */
};

struct users;

/* Errors: -ENOMEM, ERR_CRYPTO (there is no yescrypt). */
int users_new(struct users **ret_users);
void users_free(struct users *users);
/* Begins the next set. */
void users_stage_reset(struct users *users);
/* Errors: -ENOMEM, ERR_TOO_LARGE (users), ERR_MALFORMED (no name). Names are unique: the
 * configuration's. */
int users_stage_add(struct users *users, const struct user *user);
/* From here on the staged ones hold. */
void users_stage_commit(struct users *users);
size_t users_count(const struct users *users);

/* NULL: nobody. Borrowed until the next commit. */
const struct user *users_find(const struct users *users, const char *name);

/*
 * Whether PASSWORD (NUL-terminated) is NAME's; *RET_USER is who has that name, NULL for nobody,
 * borrowed until the next commit. As long as a password takes, whoever does not exist or has no
 * hash: another one's is tried in his place.
 */
bool users_check(struct users *users, const char *name, const char *password,
		 const struct user **ret_user);
