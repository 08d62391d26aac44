/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/why.h"
#include "certstore/record.pb-c.h"

/*
 * The store: one LMDB environment with two families of databases.
 *   replicated/items    key -> Record            replicated/digests  key -> SHA-256
 *   replicated/journal  (term, seq) -> JournalEntry   replicated/meta
 *   unit/items          what is this unit's own: local CA, what it issued, trustpoints kept home, orphans, terms, keys
 * struct store_replica is the replicator's handle: it can open replicated/* only. That, not an `if`, is how a local-CA
 * certificate stays home.
 *
 * The digest of an item is SHA-256(len32(key) | key | value); the root digest is the sum of all of them modulo 2^256,
 * so that it does not depend on order and a change costs O(1).
 * Every change is one LMDB transaction: items, digests, journal and meta together, durable on return.
 */
#define STORE_DIGEST_SIZE 32
#define STORE_KEY_MAX 480
#define STORE_VALUE_MAX (128u * 1024)
#define STORE_GENERATIONS_KEPT 5
#define STORE_JOURNAL_KEPT 100000

struct store_position {
	uint64_t term, seq, count;
	uint8_t digest[STORE_DIGEST_SIZE];
};

struct store_change {
	const char *key;
	const uint8_t *value; /* NULL: delete */
	size_t value_size;
};

struct store;
struct store_replica;

/* Opens or makes the environment in DIRECTORY (0700). Errors: ERR_STORE, -errno; RET_WHY says what to do. */
int store_open(const char *directory, struct store **ret_store, struct why *ret_why);
void store_close(struct store *store);

/* ---- replicated/*, by the keeper's own commands ---- */
void store_position(const struct store *store, struct store_position *ret_position);
/* One transaction under TERM; seq is the next. -ENOSPC leaves everything as it was. */
int store_change(struct store *store, uint64_t term, const struct store_change *changes, size_t n_changes,
		 struct why *ret_why);
/* Appends the value to RET_VALUE. Errors: ERR_NOT_FOUND, ERR_STORE. */
int store_get(struct store *store, const char *key, struct buf *ret_value);
/* In key order from the first key >= PREFIX, while the prefix matches; a negative return of FN ends it and is returned. */
int store_each(struct store *store, const char *prefix,
	       int (*fn)(const char *key, const uint8_t *value, size_t size, void *userdata), void *userdata);

/* ---- unit/* ---- */
int store_unit_change(struct store *store, const struct store_change *changes, size_t n_changes,
		      struct why *ret_why);
int store_unit_get(struct store *store, const char *key, struct buf *ret_value);
int store_unit_each(struct store *store, const char *prefix,
		    int (*fn)(const char *key, const uint8_t *value, size_t size, void *userdata), void *userdata);
