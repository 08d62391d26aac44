/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only this unit accepted, on its way aside and back. Aside it goes some at a time, from the
 * loop: there may be as much as a store holds, and signatures go on meanwhile. Back it goes as an
 * import does: sealed anew under the pair's key, with the next generation of its name.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "certstore/x509/identity.h"
#include "certstore/keeper/keeper_verbs.h"

#define BATCH 128
#define BATCH_BYTES (4u * 1024 * 1024)

/* ---- aside ---- */

struct keeper_orphans {
	struct keeper *keeper;
	struct keeper_ticket ticket;
	uint64_t term;
	sd_event_source *turn;
	struct buf names; /* keys that the journal has, NUL-terminated; or */
	size_t names_at;
	bool is_everything; /* all that lie behind */
	char after[STORE_KEY_MAX + 1];
	/* what is about to be written */
	char keys[BATCH][KEEPER_NAME_KEY_SIZE];
	struct buf values[BATCH];
	size_t n, bytes;
};

static void orphans_free(struct keeper_orphans *orphans)
{
	if (!orphans)
		return;
	for (size_t i = 0; i < BATCH; i++)
		buf_done(&orphans->values[i]);
	buf_done(&orphans->names);
	sd_event_source_disable_unref(orphans->turn);
	free(orphans);
}

void keeper_orphans_drop(struct keeper *keeper)
{
	orphans_free(TAKE_PTR(keeper->orphans));
}

static int note_name(const char *key, void *userdata)
{
	struct keeper_orphans *orphans = userdata;

	return strncmp(key, "trustpoint/", 11) == 0
		       ? buf_append(&orphans->names, key, strlen(key) + 1)
		       : 0;
}

static bool is_full(const struct keeper_orphans *orphans)
{
	return orphans->n == BATCH || orphans->bytes > BATCH_BYTES;
}

static int add(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct keeper_orphans *orphans = userdata;
	struct buf *copy = &orphans->values[orphans->n];
	int r;

	if (is_full(orphans))
		return ERR_BUSY;
	buf_clear(copy);
	r = buf_append(copy, value, size);
	if (r < 0)
		return r;
	(void)snprintf(orphans->keys[orphans->n], KEEPER_NAME_KEY_SIZE,
		       KEEPER_ORPHAN_PREFIX "%020" PRIu64 "/%s", orphans->term, key);
	(void)snprintf(orphans->after, sizeof(orphans->after), "%s", key);
	orphans->n++;
	orphans->bytes += size;
	return 0;
}

/* As it is now; what was removed again is no orphan. */
static int add_named(struct keeper_orphans *orphans)
{
	int r = 0;

	while (r == 0 && !is_full(orphans) && orphans->names_at < orphans->names.size) {
		const char *key = (const char *)orphans->names.data + orphans->names_at;
		_cleanup_(buf_done) struct buf value = {0};

		r = store_get(orphans->keeper->store, key, &value);
		if (r == 0)
			r = add(key, value.data, value.size, orphans);
		else if (r == ERR_NOT_FOUND)
			r = 0;
		orphans->names_at += strlen(key) + 1;
	}
	return r;
}

static int add_everything(struct keeper_orphans *orphans)
{
	int r = store_each_after(orphans->keeper->store, "trustpoint/", orphans->after, add,
				 orphans);

	return r == ERR_BUSY ? 0 : r;
}

static int write_batch(struct keeper_orphans *orphans, struct why *why)
{
	struct store_change changes[BATCH];

	for (size_t i = 0; i < orphans->n; i++)
		changes[i] = (struct store_change){orphans->keys[i], orphans->values[i].data,
						   orphans->values[i].size};
	return store_unit_change(orphans->keeper->store, changes, orphans->n, why);
}

/* 1: there is more. */
static int go_on(struct keeper_orphans *orphans, struct why *why)
{
	int r;

	orphans->n = 0;
	orphans->bytes = 0;
	r = orphans->is_everything ? add_everything(orphans) : add_named(orphans);
	if (r < 0 || orphans->n == 0)
		return r;
	r = write_batch(orphans, why);
	return r < 0 ? r : 1;
}

static int on_turn(sd_event_source *source, void *userdata)
{
	struct keeper_orphans *orphans = userdata;
	struct keeper *keeper = orphans->keeper;
	struct why why = {0};
	int r = go_on(orphans, &why);

	if (r > 0)
		return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	if (r < 0 && !why.text[0])
		(void)why_set(&why, r, "what only this unit accepted cannot be put aside: %s",
			      err_text(r));
	keeper_reply_status(keeper, &orphans->ticket, r, &why);
	keeper_orphans_drop(keeper);
	keeper->sweep.is_done = false;
	return 0;
}

static int begin(struct keeper_orphans *orphans, bool is_everything)
{
	bool is_whole = false;
	int r = 0;

	if (!is_everything)
		r = store_journal_each(orphans->keeper->store, orphans->term, note_name, orphans,
				       &is_whole);
	/* The journal does not know: better too much. */
	orphans->is_everything = !is_whole;
	if (r == 0)
		r = sd_event_add_defer(orphans->keeper->event, &orphans->turn, on_turn, orphans);
	/* Whoever waits for a signature goes first. */
	return r < 0 ? r : sd_event_source_set_priority(orphans->turn, SD_EVENT_PRIORITY_IDLE);
}

void keeper_on_orphan_keep(struct keeper *keeper, const struct keeper_ticket *ticket,
			   struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__OrphanKeep *request = (const Asafo__Ipc__OrphanKeep *)body;
	struct keeper_orphans *orphans = calloc(1, sizeof(*orphans));
	int r = -ENOMEM;

	(void)frame;
	keeper_orphans_drop(keeper);
	if (orphans) {
		keeper->orphans = orphans;
		orphans->keeper = keeper;
		orphans->ticket = *ticket;
		orphans->term = request->term;
		r = begin(orphans, request->is_everything);
	}
	if (r < 0) {
		keeper_orphans_drop(keeper);
		keeper_refuse(keeper, ticket, r,
			      "what only this unit accepted cannot be put aside: %s", err_text(r));
	}
}

/* ---- back, or away ---- */

/* All that were put aside under one name, the newest last. */
struct found {
	const char *name;
	char (*keys)[KEEPER_NAME_KEY_SIZE];
	size_t n, n_allocated;
};

static void found_done(struct found *found)
{
	free(found->keys);
}

static int find_one(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct found *found = userdata;
	const char *rest = key + strlen(KEEPER_ORPHAN_PREFIX) + KEEPER_ORPHAN_TERM_DIGITS;

	(void)value;
	(void)size;
	if (strlen(key) <= strlen(KEEPER_ORPHAN_PREFIX) + KEEPER_ORPHAN_TERM_DIGITS ||
	    strncmp(rest, "/trustpoint/", 12) != 0 || strcmp(rest + 12, found->name) != 0)
		return 0;
	if (found->n == found->n_allocated) {
		size_t wanted = found->n ? 2 * found->n : 8;
		void *keys = reallocarray(found->keys, wanted, sizeof(found->keys[0]));

		if (!keys)
			return -ENOMEM;
		found->keys = keys;
		found->n_allocated = wanted;
	}
	(void)snprintf(found->keys[found->n++], KEEPER_NAME_KEY_SIZE, "%s", key);
	return 0;
}

static int drop_all(struct keeper *keeper, const struct found *found, struct why *why)
{
	_cleanup_free_ struct store_change *changes = calloc(found->n, sizeof(*changes));

	if (!changes)
		return why_set(why, -ENOMEM, "out of memory");
	for (size_t i = 0; i < found->n; i++)
		changes[i] = (struct store_change){found->keys[i], NULL, 0};
	return store_unit_change(keeper->store, changes, found->n, why);
}

static int find(struct keeper *keeper, struct found *found, struct why *why)
{
	int r = store_unit_each(keeper->store, KEEPER_ORPHAN_PREFIX, find_one, found);

	if (r < 0)
		return why_set(why, r, "the certificate store cannot be read: %s", err_text(r));
	if (found->n == 0)
		return why_set(why, ERR_NOT_FOUND,
			       "there is no orphan named %s on this unit: see `asafo show orphans`",
			       found->name);
	return 0;
}

/* The identity that a record holds, its key open. */
static int open_identity(struct keeper *keeper, const char *key, struct identity *identity,
			 bool *ret_is_exportable, struct why *why)
{
	_cleanup_(keeper_item_done) struct keeper_item item = {0};
	int r = keeper_item_get(keeper, true, key, &item);

	if (r == 0)
		r = keyring_open(keeper->ring, item.record, &identity->key);
	if (r < 0)
		return why_set(why, r, "the orphan cannot be opened: %s", err_text(r));
	*ret_is_exportable = item.public_part->exportable;
	identity->public_part = TAKE_PTR(item.public_part);
	return 0;
}

static bool is_stored(struct keeper *keeper, const char *name, const uint8_t *fingerprint)
{
	_cleanup_(keeper_item_done) struct keeper_item item = {0};

	return keeper_trustpoint_get(keeper, name, &item) == 0 &&
	       item.public_part->fingerprint.len == 32 &&
	       memcmp(item.public_part->fingerprint.data, fingerprint, 32) == 0;
}

void keeper_on_orphan_restore(struct keeper *keeper, const struct keeper_ticket *ticket,
			      struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__OrphanRestore *request = (const Asafo__Ipc__OrphanRestore *)body;
	_cleanup_(identity_done) struct identity identity = {0};
	_cleanup_(found_done) struct found found = {.name = request->name};
	uint8_t fingerprint[32] = {0};
	bool is_exportable = false;
	struct why why = {0};
	int r = find(keeper, &found, &why);

	(void)frame;
	if (r == 0)
		r = open_identity(keeper, found.keys[found.n - 1], &identity, &is_exportable, &why);
	if (r < 0) {
		keeper_reply_status(keeper, ticket, r, &why);
		return;
	}
	if (identity.public_part->fingerprint.len == sizeof(fingerprint))
		memcpy(fingerprint, identity.public_part->fingerprint.data, sizeof(fingerprint));
	keeper_import_identity(keeper, ticket,
			       &(struct keeper_restored){request->name, request->term,
							 request->replace, is_exportable},
			       &identity);
	/* What is in the store again is no orphan any more. */
	if (is_stored(keeper, request->name, fingerprint) && drop_all(keeper, &found, &why) < 0)
		log_line(LOG_WARNING, "%s is still listed as an orphan: %s", request->name,
			 why.text);
}

void keeper_on_orphan_drop(struct keeper *keeper, const struct keeper_ticket *ticket,
			   struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__OrphanDrop *request = (const Asafo__Ipc__OrphanDrop *)body;
	_cleanup_(found_done) struct found found = {.name = request->name};
	struct why why = {0};
	int r = find(keeper, &found, &why);

	(void)frame;
	if (r == 0)
		r = drop_all(keeper, &found, &why);
	keeper_reply_status(keeper, ticket, r, &why);
}
