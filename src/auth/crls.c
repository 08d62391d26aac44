/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/crls.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utc.h"

#define ENTRIES_MAX 2000000u /* as many as the keeper has at most */
#define SKEW_S 300	     /* so far may a CA's clock be from this unit's */

struct list {
	uint8_t key_id[CRLS_KEY_ID_SIZE];
	int64_t this_update, next_update;
	uint64_t revoked;
	struct buf marks; /* ascending */
};

struct set {
	struct list lists[CRLS_MAX];
	size_t n;
	uint64_t revoked;
};

struct crls {
	struct set now, staged;
	bool is_known, is_broken; /* something of what is staged was not taken */
};

static void set_clear(struct set *set)
{
	while (set->n > 0)
		buf_done(&set->lists[--set->n].marks);
	set->revoked = 0;
}

int crls_new(struct crls **ret_crls)
{
	*ret_crls = calloc(1, sizeof(**ret_crls));
	return *ret_crls ? 0 : -ENOMEM;
}

void crls_free(struct crls *crls)
{
	if (!crls)
		return;
	set_clear(&crls->now);
	set_clear(&crls->staged);
	free(crls);
}

size_t crls_count(const struct crls *crls)
{
	return crls->now.n;
}

static bool is_full(const struct list *list)
{
	return list->marks.size == list->revoked * CRLMARK_SIZE;
}

static int list_begin(struct set *set, const Asafo__Record__Crl *crl)
{
	struct list *list = &set->lists[set->n];

	if (set->n > 0 && !is_full(list - 1))
		return ERR_MALFORMED;
	if (set->n == CRLS_MAX || crl->revoked > ENTRIES_MAX - set->revoked)
		return ERR_TOO_LARGE;
	*list = (struct list){
		.this_update = crl->this_update,
		.next_update = crl->next_update,
		.revoked = crl->revoked,
	};
	memcpy(list->key_id, crl->key_id.data, CRLS_KEY_ID_SIZE);
	set->revoked += crl->revoked;
	set->n++;
	return buf_reserve(&list->marks, crl->revoked * CRLMARK_SIZE);
}

static int part_take(struct set *set, const Asafo__Record__CrlPart *part)
{
	struct list *list;
	int r = 0;

	if (!part->crl || part->crl->key_id.len != CRLS_KEY_ID_SIZE)
		return ERR_MALFORMED;
	if (part->part == 0)
		r = list_begin(set, part->crl);
	if (r < 0)
		return r;
	if (set->n == 0)
		return ERR_MALFORMED;
	list = &set->lists[set->n - 1];
	if (part->marks.len > list->revoked * CRLMARK_SIZE - list->marks.size)
		return ERR_MALFORMED;
	return part->marks.len > 0 ? buf_append(&list->marks, part->marks.data, part->marks.len)
				   : 0;
}

int crls_take(struct crls *crls, const Asafo__Ipc__CrlTell *message)
{
	struct set *staged = &crls->staged;
	int r = 0;

	if (message->is_reset) {
		set_clear(staged);
		crls->is_broken = false;
	}
	if (message->part && !crls->is_broken)
		r = part_take(staged, message->part);
	if (r == 0 && message->is_last && staged->n > 0 && !is_full(&staged->lists[staged->n - 1]))
		r = ERR_MALFORMED;
	crls->is_broken |= r < 0;
	if (crls->is_broken || !message->is_last)
		return r;
	set_clear(&crls->now);
	crls->now = *staged;
	*staged = (struct set){.n = 0};
	crls->is_known = true;
	return 0;
}

static int compare_marks(const void *a, const void *b)
{
	return memcmp(a, b, CRLMARK_SIZE);
}

static bool names(const struct list *list, const uint8_t *mark)
{
	return list->revoked > 0 &&
	       bsearch(mark, list->marks.data, list->revoked, CRLMARK_SIZE, compare_marks);
}

/* A CA may have two: of a trustpoint that both units share, and of one that stays home. */
static const struct list *find_latest(const struct set *set, const uint8_t *key_id,
				      const uint8_t *mark, bool *ret_is_named)
{
	const struct list *latest = NULL;

	*ret_is_named = false;
	for (size_t i = 0; i < set->n; i++) {
		const struct list *list = &set->lists[i];

		if (memcmp(list->key_id, key_id, CRLS_KEY_ID_SIZE) != 0)
			continue;
		*ret_is_named |= names(list, mark);
		if (!latest || list->this_update > latest->this_update)
			latest = list;
	}
	return latest;
}

int crls_check(const struct crls *crls, const uint8_t key_id[static CRLS_KEY_ID_SIZE],
	       const uint8_t mark[static CRLMARK_SIZE], int64_t now, struct why *ret_why)
{
	bool is_named;
	const struct list *list = find_latest(&crls->now, key_id, mark, &is_named);
	char at[UTC_TEXT_MAX];

	if (!crls->is_known)
		return why_set(ret_why, ERR_NOT_READY,
			       "cannot be checked: what is revoked is not known here yet");
	if (!list)
		return why_set(ret_why, ERR_NOT_FOUND,
			       "cannot be checked: there is no CRL of its CA, or of one above it");
	if (is_named)
		return why_set(ret_why, ERR_REVOKED, "is revoked, or its CA's is");
	if (now >= list->next_update + SKEW_S)
		return why_set(ret_why, ERR_EXPIRED,
			       "cannot be checked: the CRL of its CA, or of one above it, ended "
			       "at %s",
			       utc_text(list->next_update, at));
	if (now < list->this_update - SKEW_S)
		return why_set(ret_why, ERR_EXPIRED,
			       "cannot be checked: the CRL of its CA, or of one above it, begins "
			       "at %s, by this unit's clock",
			       utc_text(list->this_update, at));
	return 0;
}
