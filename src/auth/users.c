/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted by name once they hold, so that finding one takes no time that could tell whether he is
 * there: the hash that follows takes a hundred thousand times as long. */
#include "auth/users.h"

#include <crypt.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

struct set {
	struct user *users;
	size_t n, capacity;
};

struct users {
	struct set now, staged;
	char dummy[CRYPT_GENSALT_OUTPUT_SIZE]; /* nobody's: a salt without a hash behind it */
	void *crypt; /* crypt_ra's memory, kept from one password to the next */
	int crypt_size;
};

int users_new(struct users **ret_users)
{
	struct users *users = calloc(1, sizeof(*users));

	if (!users)
		return -ENOMEM;
	/* A password costs the same against it as against a hash, and is never the one. No hash is
	 * made for it: that would take a processor from the other processes, and from the
	 * replication, when they start. */
	if (!crypt_gensalt_rn("$y$", 0, NULL, 0, users->dummy, (int)sizeof(users->dummy))) {
		users_free(users);
		return ERR_CRYPTO;
	}
	*ret_users = users;
	return 0;
}

static void set_done(struct set *set)
{
	if (set->users)
		explicit_bzero(set->users, set->n * sizeof(*set->users));
	free(set->users);
	*set = (struct set){NULL, 0, 0};
}

void users_free(struct users *users)
{
	if (!users)
		return;
	set_done(&users->now);
	set_done(&users->staged);
	if (users->crypt)
		explicit_bzero(users->crypt, (size_t)users->crypt_size);
	free(users->crypt);
	free(users);
}

void users_stage_reset(struct users *users)
{
	set_done(&users->staged);
}

static int room_make(struct set *set)
{
	size_t capacity = set->capacity ? 2 * set->capacity : 16;
	struct user *grown;

	if (set->n < set->capacity)
		return 0;
	if (set->n >= USERS_MAX)
		return ERR_TOO_LARGE;
	grown = calloc(capacity, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	if (set->n > 0)
		memcpy(grown, set->users, set->n * sizeof(*grown));
	if (set->users)
		explicit_bzero(set->users, set->n * sizeof(*grown));
	free(set->users);
	set->users = grown;
	set->capacity = capacity;
	return 0;
}

int users_stage_add(struct users *users, const struct user *user)
{
	struct set *set = &users->staged;
	int r;

	if (!user->name[0])
		return ERR_MALFORMED;
	r = room_make(set);
	if (r == 0)
		set->users[set->n++] = *user;
	return r;
}

static int by_name(const void *a, const void *b)
{
	const struct user *user_a = a, *user_b = b;

	return strcmp(user_a->name, user_b->name);
}

void users_stage_commit(struct users *users)
{
	struct set *set = &users->staged;

	if (set->n > 1)
		qsort(set->users, set->n, sizeof(*set->users), by_name);
	set_done(&users->now);
	users->now = *set;
	*set = (struct set){NULL, 0, 0};
}

size_t users_count(const struct users *users)
{
	return users->now.n;
}

/* The one whose hash is tried for a name that is not there: always the same one, or repeated tries
 * would tell by their differing times. */
static const char *stand_in(const struct users *users, const char *name)
{
	uint32_t sum = 2166136261u;
	const char *hash;

	if (users->now.n == 0)
		return users->dummy;
	for (; *name; name++)
		sum = (sum ^ (unsigned char)*name) * 16777619u;
	hash = users->now.users[sum % users->now.n].hash;
	return hash[0] == '$' ? hash : users->dummy;
}

static bool is_equal(const char *a, const char *b)
{
	size_t size = strlen(a);
	unsigned char difference = 0;

	if (strlen(b) != size)
		return false;
	for (size_t i = 0; i < size; i++)
		difference |= (unsigned char)(a[i] ^ b[i]);
	return difference == 0;
}

const struct user *users_find(const struct users *users, const char *name)
{
	struct user wanted = {.name = ""};

	if (strlen(name) >= sizeof(wanted.name) || users->now.n == 0)
		return NULL;
	memcpy(wanted.name, name, strlen(name) + 1);
	return bsearch(&wanted, users->now.users, users->now.n, sizeof(wanted), by_name);
}

bool users_check(struct users *users, const char *name, const char *password,
		 const struct user **ret_user)
{
	const struct user *user = users_find(users, name);
	const char *hash, *made;

	/* What is no hash ("*", "!") would be refused at once, and show that the name is there. */
	hash = user && user->hash[0] == '$' ? user->hash : stand_in(users, name);
	made = crypt_ra(password, hash, &users->crypt, &users->crypt_size);
	*ret_user = user;
	return user && made && made[0] != '*' && is_equal(made, user->hash);
}
