/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generations of a trustpoint. They only rise: a rollback is a new generation with the contents of
 * an older one, sealed anew, so that "generation 7" means one thing for ever and on both units.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "certstore/keeper/keeper_verbs.h"

void keeper_key_list_done(struct keeper_key_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->keys[i]);
	free(list->keys);
	*list = (struct keeper_key_list){0};
}

int keeper_key_list_add(struct keeper_key_list *list, const char *key)
{
	if (list->n == list->n_room) {
		size_t n_room = list->n_room ? 2 * list->n_room : 16;
		char **keys = reallocarray(list->keys, n_room, sizeof(*keys));

		if (!keys)
			return -ENOMEM;
		list->keys = keys;
		list->n_room = n_room;
	}
	list->keys[list->n] = strdup(key);
	if (!list->keys[list->n])
		return -ENOMEM;
	list->n++;
	return 0;
}

static int collect_key(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	(void)value;
	(void)size;
	return keeper_key_list_add(userdata, key);
}

int keeper_generations_get(struct keeper *keeper, const char *name, bool is_unit,
			   struct keeper_key_list *ret_list)
{
	char prefix[KEEPER_NAME_KEY_SIZE];

	(void)snprintf(prefix, sizeof(prefix), "generation/%s/", name);
	return keeper_each(keeper, is_unit, prefix, NULL, collect_key, ret_list);
}

/* What is not older than the newest is what another trustpoint of that name left behind. */
int keeper_generations_to_drop(struct keeper *keeper, const char *name, bool is_unit,
			       const char *newest, struct keeper_key_list *ret_list)
{
	_cleanup_(keeper_key_list_done) struct keeper_key_list all = {0};
	int r = keeper_generations_get(keeper, name, is_unit, &all);
	size_t n_older = 0;

	while (newest && n_older < all.n && strcmp(all.keys[n_older], newest) < 0)
		n_older++;
	for (size_t i = 0; r == 0 && i < all.n; i++) {
		bool is_kept = i < n_older && i + STORE_GENERATIONS_KEPT > n_older;

		/* The newest itself is written anew. */
		if (!is_kept && !(newest && strcmp(all.keys[i], newest) == 0))
			r = keeper_key_list_add(ret_list, all.keys[i]);
	}
	return r;
}

int keeper_generation_check_next(const Asafo__Record__TrustpointPublic *present,
				 struct why *ret_why)
{
	if (present->generation < STORE_GENERATION_MAX)
		return 0;
	return why_set(ret_why, ERR_TOO_LARGE,
		       "trustpoint %.63s has the last generation that there is (%u): remove it, "
		       "and import it anew",
		       present->name, STORE_GENERATION_MAX);
}

int keeper_replace(struct keeper *keeper, const char *name, bool is_unit, uint64_t term,
		   const struct keeper_item *old, const struct buf *record, struct why *why)
{
	_cleanup_(keeper_key_list_done) struct keeper_key_list dropped = {0};
	char key[KEEPER_NAME_KEY_SIZE], generation[KEEPER_NAME_KEY_SIZE];
	_cleanup_free_ struct store_change *changes = NULL;
	size_t n = 0;
	int r;

	(void)snprintf(key, sizeof(key), "trustpoint/%s", name);
	if (old->public_part)
		(void)snprintf(generation, sizeof(generation), KEEPER_GENERATION_KEY, name,
			       old->public_part->generation);
	r = keeper_generations_to_drop(keeper, name, is_unit, old->public_part ? generation : NULL,
				       &dropped);
	if (r < 0)
		return why_set(why, r, "the certificate store cannot be read: %s", err_text(r));
	changes = calloc(dropped.n + 2, sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	changes[n++] = (struct store_change){key, record->data, record->size};
	if (old->public_part)
		changes[n++] = (struct store_change){generation, old->bytes.data, old->bytes.size};
	for (size_t i = 0; i < dropped.n; i++)
		changes[n++] = (struct store_change){dropped.keys[i], NULL, 0};
	r = keeper_change(keeper, is_unit, term, changes, n, why);
	if (r == 0)
		r = keeper_index_add(keeper, is_unit, key, record->data, record->size);
	if (r == 0 && old->public_part)
		r = keeper_index_add(keeper, is_unit, generation, old->bytes.data, old->bytes.size);
	return r;
}

/* ---- history ---- */

#define HISTORY_MAX (2 * STORE_GENERATIONS_KEPT)

static int find_generations(struct keeper *keeper, const char *name, bool is_unit,
			    struct keeper_key_list *ret_kept, struct why *why)
{
	int r = keeper_generations_get(keeper, name, is_unit, ret_kept);

	return r < 0 ? why_set(why, r, "the certificate store cannot be read: %s", err_text(r)) : 0;
}

static void send_one(struct keeper *keeper, const struct keeper_ticket *ticket,
		     const struct keeper_item *item, bool has_more)
{
	Asafo__Ipc__ListReply message = ASAFO__IPC__LIST_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	protobuf_c_boolean is_replicated = !item->is_unit;
	uint64_t term = 0;

	message.status = &status;
	message.public_parts = &item->record->public_part;
	message.n_public_parts = message.n_is_replicated = message.n_terms = 1;
	message.is_replicated = &is_replicated;
	message.terms = &term;
	keeper_reply(keeper, ticket, &message.base, has_more);
}

static int no_trustpoint(const char *name, int code, struct why *why)
{
	return why_set(why, code,
		       code == ERR_NOT_FOUND
			       ? "there is no trustpoint %.63s: see asafo show trustpoints"
			       : "trustpoint %.63s cannot be read",
		       name);
}

void keeper_on_generations(struct keeper *keeper, const struct keeper_ticket *ticket,
			   struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__Generations *request = (const Asafo__Ipc__Generations *)body;
	_cleanup_(keeper_item_done) struct keeper_item item = {0};
	_cleanup_(keeper_key_list_done) struct keeper_key_list kept = {0};
	struct why why = {0};
	int r = keeper_trustpoint_get(keeper, request->name, &item);
	size_t first;

	(void)frame;
	if (r < 0)
		r = no_trustpoint(request->name, r, &why);
	else
		r = find_generations(keeper, request->name, item.is_unit, &kept, &why);
	if (r < 0) {
		keeper_reply_status(keeper, ticket, r, &why);
		return;
	}
	/* Each is a frame: of a store that has more than it keeps, the latest. */
	first = kept.n > HISTORY_MAX ? kept.n - HISTORY_MAX : 0;
	for (size_t i = kept.n;; i--) {
		_cleanup_(keeper_item_done) struct keeper_item older = {0};

		/* One that cannot be read is left out: the others are still of use. */
		while (i > first &&
		       keeper_item_get(keeper, item.is_unit, kept.keys[i - 1], &older) < 0)
			i--;
		send_one(keeper, ticket, &item, i > first);
		if (i == first)
			return;
		keeper_item_done(&item);
		item = older;
		older = (struct keeper_item){0};
	}
}

/* ---- rollback ---- */

/* GENERATION 0: the latest that is kept. */
static int find_target(struct keeper *keeper, const struct keeper_item *present,
		       uint64_t generation, struct keeper_item *ret_target, struct why *why)
{
	const char *name = present->public_part->name;
	_cleanup_(keeper_key_list_done) struct keeper_key_list kept = {0};
	char wanted[KEEPER_NAME_KEY_SIZE];
	int r = find_generations(keeper, name, present->is_unit, &kept, why);

	if (r < 0)
		return r;
	if (generation == present->public_part->generation)
		return why_set(why, ERR_EXISTS, "generation %" PRIu64 " of %s is the present one",
			       generation, name);
	if (kept.n == 0)
		return why_set(why, ERR_NOT_FOUND,
			       "trustpoint %s has no earlier generation: nothing was ever replaced",
			       name);
	(void)snprintf(wanted, sizeof(wanted), KEEPER_GENERATION_KEY, name, generation);
	r = keeper_item_get(keeper, present->is_unit,
			    generation > 0 ? wanted : kept.keys[kept.n - 1], ret_target);
	if (r == ERR_NOT_FOUND)
		return why_set(why, r,
			       "generation %" PRIu64 " of %s is not kept (the last %d are): see "
			       "asafo history %s",
			       generation, name, STORE_GENERATIONS_KEPT, name);
	return r < 0 ? why_set(why, r, "the earlier generation of %s cannot be read: %s", name,
			       err_text(r))
		     : 0;
}

/* TARGET's contents as the generation after PRESENT, sealed under the key of the present. */
static int seal_anew(struct keeper *keeper, const struct keeper_item *present,
		     struct keeper_item *target, struct buf *ret_record, struct why *why)
{
	_cleanup_(secret_done) struct secret key = {0};
	Asafo__Record__TrustpointPublic *part = target->public_part;
	int r = keeper_generation_check_next(present->public_part, why);

	if (r < 0)
		return r;
	r = keyring_open(keeper->ring, target->record, &key);
	if (r < 0)
		return why_set(why, r, "the key of generation %" PRIu64 " cannot be unsealed: %s",
			       part->generation, err_text(r));
	part->restored_from = part->generation;
	part->generation = present->public_part->generation + 1;
	part->imported_at = (int64_t)time(NULL);
	r = keyring_seal(keeper->ring, present->is_unit ? KEYRING_UNIT : KEYRING_PAIR, part, &key,
			 ret_record);
	return r < 0 ? why_set(why, r, "the key cannot be sealed: %s", err_text(r)) : 0;
}

static void reply_rollback(struct keeper *keeper, const struct keeper_ticket *ticket,
			   const Asafo__Record__TrustpointPublic *part)
{
	Asafo__Ipc__ImportReply message = ASAFO__IPC__IMPORT_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	Asafo__Record__Position position;
	char text[] = "the certificate of that generation has expired: clients will refuse it";
	char *warnings[] = {text};
	_cleanup_free_ uint8_t *packed =
		malloc(asafo__record__trustpoint_public__get_packed_size(part) + 1);
	struct store_position now;

	if (!packed) {
		keeper_reply_status(keeper, ticket, -ENOMEM, NULL);
		return;
	}
	store_position(keeper->store, &now);
	store_position_pack(&now, &position);
	message.status = &status;
	message.public_part.len = asafo__record__trustpoint_public__pack(part, packed);
	message.public_part.data = packed;
	message.position = &position;
	message.warnings = warnings;
	message.n_warnings = part->not_after < (int64_t)time(NULL);
	keeper_reply(keeper, ticket, &message.base, false);
}

void keeper_on_rollback(struct keeper *keeper, const struct keeper_ticket *ticket,
			struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__Rollback *request = (const Asafo__Ipc__Rollback *)body;
	_cleanup_(keeper_item_done) struct keeper_item present = {0}, target = {0};
	_cleanup_(buf_done) struct buf record = {0};
	struct why why = {0};
	int r = keeper_trustpoint_get(keeper, request->name, &present);

	(void)frame;
	r = r < 0 ? no_trustpoint(request->name, r, &why)
		  : find_target(keeper, &present, request->generation, &target, &why);
	if (r == 0)
		r = seal_anew(keeper, &present, &target, &record, &why);
	if (r == 0 && !request->dry_run)
		r = keeper_replace(keeper, request->name, present.is_unit, request->term, &present,
				   &record, &why);
	if (r < 0) {
		keeper_reply_status(keeper, ticket, r, &why);
		return;
	}
	reply_rollback(keeper, ticket, target.public_part);
	if (!request->dry_run)
		keeper_changed(keeper);
}
