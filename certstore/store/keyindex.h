/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Which items hold the key with an id: candidates, since an entry of an item that changed or went
 * away stays until somebody looks. Whoever looks compares the item's own key id.
 */
#define KEYINDEX_ID_SIZE 32

struct keyindex;

struct keyindex_entry {
	struct keyindex_entry *next, *next_entry; /* in the chains of the two tables */
	uint8_t key_id[KEYINDEX_ID_SIZE];
	bool is_unit; /* the family */
	char key[];   /* the item's */
};

int keyindex_new(struct keyindex **ret_index);
void keyindex_free(struct keyindex *index);
void keyindex_clear(struct keyindex *index);
size_t keyindex_count(const struct keyindex *index);
/* Nothing, if the same entry is there. Errors: -ENOMEM. */
int keyindex_add(struct keyindex *index, const uint8_t key_id[static KEYINDEX_ID_SIZE],
		 bool is_unit, const char *key);
/* The first entry (PREVIOUS NULL) or the one after PREVIOUS; NULL: no more. */
const struct keyindex_entry *keyindex_find(const struct keyindex *index,
					   const uint8_t key_id[static KEYINDEX_ID_SIZE],
					   const struct keyindex_entry *previous);
