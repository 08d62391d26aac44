/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of each record of a backup. A restore adds and renews; it takes nothing away but
 * what an import would, the oldest generations, and generations only rise: what is there and is
 * another one becomes an earlier generation, to which a rollback leads. So no restore can make
 * anything that the pair has be lost.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "certstore/keeper/keeper_restore.h"

#define TRUSTPOINT_PREFIX "trustpoint/"
#define GENERATION_PREFIX "generation/"
#define LOCALCA_KEY "localca/ca"
#define ISSUED_PREFIX "localca/issued/"

static bool begins(const char *key, const char *prefix)
{
	return strncmp(key, prefix, strlen(prefix)) == 0;
}

static struct restore_change *note(struct restore_plan *plan, Asafo__Ipc__RestoreChange__What what,
				   const Asafo__Record__TrustpointPublic *part,
				   const Asafo__Record__TrustpointPublic *present)
{
	struct restore_change *change;

	if (plan->n_changes == RESTORE_CHANGES_MAX)
		return NULL;
	change = &plan->changes[plan->n_changes++];
	*change = (struct restore_change){.what = what, .generation = part->generation};
	(void)snprintf(change->name, sizeof(change->name), "%s", part->name);
	memcpy(change->fingerprint, part->fingerprint.data, sizeof(change->fingerprint));
	if (!present || present->fingerprint.len != 32)
		return change;
	change->has_present = true;
	change->present_generation = present->generation;
	memcpy(change->present_fingerprint, present->fingerprint.data, 32);
	return change;
}

static void keep_present(struct restore_plan *plan, const Asafo__Record__TrustpointPublic *part,
			 const Asafo__Record__TrustpointPublic *present, const char *why)
{
	struct restore_change *change =
		note(plan, ASAFO__IPC__RESTORE_CHANGE__WHAT__KEPT, part, present);

	plan->kept++;
	if (change)
		(void)snprintf(change->why, sizeof(change->why), "%s", why);
}

static bool same_bytes(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static bool is_same(const Asafo__Record__TrustpointPublic *a,
		    const Asafo__Record__TrustpointPublic *b)
{
	bool is_equal = same_bytes(&a->leaf, &b->leaf) && same_bytes(&a->key_id, &b->key_id) &&
			a->n_chain == b->n_chain && a->exportable == b->exportable;

	for (size_t i = 0; is_equal && i < a->n_chain; i++)
		is_equal = same_bytes(&a->chain[i], &b->chain[i]);
	return is_equal;
}

/* Either says so: generations of two stores do not compare, nor do the times of two clocks. */
static bool is_newer(const Asafo__Record__TrustpointPublic *present,
		     const Asafo__Record__TrustpointPublic *part)
{
	return present->generation > part->generation || present->imported_at > part->imported_at;
}

/* ---- trustpoints ---- */

/* As many stay as after an import: what lies beyond them would outlive a removal's look. */
static int stage_prune(struct restore_plan *plan, const char *name, const char *newest,
		       struct why *why)
{
	_cleanup_(keeper_key_list_done) struct keeper_key_list dropped = {0};
	int r = keeper_generations_to_drop(plan->keeper, name, plan->is_unit, newest, &dropped);

	for (size_t i = 0; r == 0 && i < dropped.n; i++)
		r = restore_stage_removal(plan, dropped.keys[i], why);
	return r;
}

/* The present one becomes a generation; the backup's comes behind both. */
static int stage_renewal(struct restore_plan *plan, struct restore_opened *opened,
			 const struct keeper_item *present, struct why *why)
{
	Asafo__Record__TrustpointPublic *part = opened->part;
	char key[KEEPER_NAME_KEY_SIZE];
	int r = 0;

	if (part->generation <= present->public_part->generation)
		r = keeper_generation_check_next(present->public_part, why);
	(void)snprintf(key, sizeof(key), KEEPER_GENERATION_KEY, part->name,
		       present->public_part->generation);
	if (r == 0)
		r = restore_stage_value(plan, key, present->bytes.data, present->bytes.size, why);
	if (r == 0)
		r = stage_prune(plan, part->name, key, why);
	if (r < 0)
		return r;
	if (part->generation <= present->public_part->generation) {
		part->restored_from = part->generation;
		part->generation = present->public_part->generation + 1;
		part->imported_at = (int64_t)time(NULL);
	}
	(void)snprintf(key, sizeof(key), TRUSTPOINT_PREFIX "%s", part->name);
	return restore_stage_opened(plan, key, opened, why);
}

static int plan_renewal(struct restore_plan *plan, struct restore_opened *opened,
			const struct keeper_item *present, struct why *why)
{
	bool is_behind = is_newer(present->public_part, opened->part);

	(void)note(plan,
		   is_behind ? ASAFO__IPC__RESTORE_CHANGE__WHAT__NEWER
			     : ASAFO__IPC__RESTORE_CHANGE__WHAT__REPLACE,
		   opened->part, present->public_part);
	if (is_behind)
		plan->newer++;
	else
		plan->replaced++;
	return stage_renewal(plan, opened, present, why);
}

static int plan_trustpoint(struct restore_plan *plan, const char *key,
			   struct restore_opened *opened, const struct keeper_item *present,
			   struct why *why)
{
	const Asafo__Record__TrustpointPublic *part = opened->part;

	if (!present->public_part) {
		plan->added++;
		(void)note(plan, ASAFO__IPC__RESTORE_CHANGE__WHAT__ADD, part, NULL);
		return restore_stage_opened(plan, key, opened, why);
	}
	if (present->is_unit != plan->is_unit) {
		keep_present(plan, part, present->public_part,
			     present->is_unit ? "its name belongs to one that stays on this unit"
					      : "its name belongs to one that the pair shares");
		return 0;
	}
	if (is_same(present->public_part, part)) {
		plan->same++;
		return 0;
	}
	if (present->public_part->is_ca != part->is_ca) {
		keep_present(plan, part, present->public_part,
			     part->is_ca ? "here it has a key, in the backup it is a CA's"
					 : "here it is a CA's, in the backup it has a key");
		return 0;
	}
	return plan_renewal(plan, opened, present, why);
}

/* The key is what the record says, and not another one's. */
static bool key_fits(const char *key, const Asafo__Record__TrustpointPublic *part)
{
	char expected[KEEPER_NAME_KEY_SIZE];

	if (begins(key, TRUSTPOINT_PREFIX))
		(void)snprintf(expected, sizeof(expected), TRUSTPOINT_PREFIX "%s", part->name);
	else
		(void)snprintf(expected, sizeof(expected), KEEPER_GENERATION_KEY, part->name,
			       part->generation);
	return strcmp(key, expected) == 0;
}

/* ---- generations ---- */

static int stage_held(struct restore_plan *plan, struct why *why)
{
	struct restore_held *held = &plan->held;
	int r = 0;

	for (size_t i = 0; r == 0 && i < held->n; i++)
		r = restore_stage_value(plan, held->items[i].key, held->items[i].value.data,
					held->items[i].value.size, why);
	held->n = 0;
	return r;
}

/* Those of one name come one after the other. */
static int hold(struct restore_plan *plan, const char *key, const struct restore_opened *opened,
		struct why *why)
{
	struct restore_held *held = &plan->held;
	struct buf oldest = held->items[0].value;
	int r = strcmp(held->name, opened->part->name) == 0 ? 0 : stage_held(plan, why);

	if (r < 0)
		return r;
	(void)snprintf(held->name, sizeof(held->name), "%s", opened->part->name);
	if (held->n == ARRAY_SIZE(held->items)) {
		memmove(&held->items[0], &held->items[1], --held->n * sizeof(held->items[0]));
		held->items[held->n].value = oldest;
	}
	buf_clear(&held->items[held->n].value);
	(void)snprintf(held->items[held->n].key, sizeof(held->items[0].key), "%s", key);
	r = restore_seal(plan, opened, &held->items[held->n].value);
	if (r == 0)
		held->n++;
	return r;
}

int restore_plan_end(struct restore_plan *plan, struct why *ret_why)
{
	struct why why = {0};
	int r = stage_held(plan, &why);

	if (r < 0 && why.text[0])
		*ret_why = why;
	else if (r < 0)
		(void)why_set(ret_why, r, "the backup cannot be taken: %s", err_text(r));
	return r;
}

/* ---- one record ---- */

/* The earlier generations of a name come with it; where the name is there, it has its own. */
static int plan_record(struct restore_plan *plan, const Asafo__Record__Item *item, struct why *why)
{
	_cleanup_(restore_opened_done) struct restore_opened opened = {0};
	_cleanup_(keeper_item_done) struct keeper_item present = {0};
	bool is_trustpoint = begins(item->key, TRUSTPOINT_PREFIX), is_local = false;
	int r = restore_open(plan, item, &opened);

	if (r == 0 && !key_fits(item->key, opened.part))
		r = ERR_MALFORMED;
	if (r == 0 && !plan->is_unit)
		r = restore_is_local(plan, opened.part, &is_local);
	if (r < 0)
		return r;
	r = keeper_trustpoint_get(plan->keeper, opened.part->name, &present);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	if (is_local && is_trustpoint)
		keep_present(plan, opened.part, present.public_part,
			     "a local CA of this pair issued it: it is never shared");
	if (is_local || (!is_trustpoint && present.public_part))
		return 0;
	return is_trustpoint ? plan_trustpoint(plan, item->key, &opened, &present, why)
			     : hold(plan, item->key, &opened, why);
}

/* ---- a unit's local CA ---- */

static int plan_local_ca(struct restore_plan *plan, const Asafo__Record__Item *item,
			 struct why *why)
{
	_cleanup_(restore_opened_done) struct restore_opened opened = {0};
	_cleanup_(keeper_item_done) struct keeper_item present = {0};
	int r = restore_open(plan, item, &opened);

	if (r == 0)
		r = keeper_item_get(plan->keeper, true, LOCALCA_KEY, &present);
	if (r == ERR_NOT_FOUND) {
		plan->added++;
		(void)note(plan, ASAFO__IPC__RESTORE_CHANGE__WHAT__ADD, opened.part, NULL);
		plan->takes_issued = true;
		return restore_stage_opened(plan, item->key, &opened, why);
	}
	if (r < 0)
		return r;
	plan->takes_issued = is_same(present.public_part, opened.part);
	if (plan->takes_issued)
		plan->same++;
	else
		keep_present(plan, opened.part, present.public_part,
			     "this unit has another local CA, which nothing replaces");
	return 0;
}

/* Certificates without keys: what the list of the backup's CA has more than this one's. */
static int plan_issued(struct restore_plan *plan, const Asafo__Record__Item *item, struct why *why)
{
	Asafo__Record__TrustpointPublic *part =
		asafo__record__trustpoint_public__unpack(NULL, item->value.len, item->value.data);
	_cleanup_(buf_done) struct buf present = {0};
	int r = part ? store_unit_get(plan->keeper->store, item->key, &present) : ERR_MALFORMED;

	if (part)
		asafo__record__trustpoint_public__free_unpacked(part, NULL);
	if (r != ERR_NOT_FOUND || !plan->takes_issued)
		return r == ERR_NOT_FOUND ? 0 : r;
	plan->issued++;
	return restore_stage_value(plan, item->key, item->value.data, item->value.len, why);
}

/* ---- all ---- */

static int plan_item(struct restore_plan *plan, const Asafo__Record__Item *item, struct why *why)
{
	if (strcmp(item->key, plan->last_key) <= 0)
		return ERR_MALFORMED;
	(void)snprintf(plan->last_key, sizeof(plan->last_key), "%s", item->key);
	if (begins(item->key, TRUSTPOINT_PREFIX) || begins(item->key, GENERATION_PREFIX))
		return plan_record(plan, item, why);
	if (plan->is_unit && strcmp(item->key, LOCALCA_KEY) == 0)
		return plan_local_ca(plan, item, why);
	if (plan->is_unit && begins(item->key, ISSUED_PREFIX))
		return plan_issued(plan, item, why);
	return ERR_MALFORMED;
}

int restore_plan_batch(struct restore_plan *plan, const Asafo__Record__ItemBatch *batch,
		       struct why *ret_why)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < batch->n_items; i++) {
		struct why why = {0};

		r = plan_item(plan, batch->items[i], &why);
		if (r < 0 && why.text[0])
			*ret_why = why;
		else if (r < 0)
			(void)why_set(ret_why, r, "the backup's record %s cannot be taken: %s",
				      batch->items[i]->key, err_text(r));
	}
	return r;
}

int restore_plan_refuse(const struct restore_plan *plan, struct why *ret_why)
{
	char names[256] = "";
	size_t size = 0;

	if (plan->newer + plan->kept == 0)
		return 0;
	for (size_t i = 0; i < plan->n_changes; i++) {
		const struct restore_change *change = &plan->changes[i];

		if (change->what != ASAFO__IPC__RESTORE_CHANGE__WHAT__NEWER &&
		    change->what != ASAFO__IPC__RESTORE_CHANGE__WHAT__KEPT)
			continue;
		/* As many as there is room for. */
		if (size + strlen(change->name) + 3 > sizeof(names))
			break;
		size += (size_t)snprintf(names + size, sizeof(names) - size, "%s%s",
					 size ? ", " : "", change->name);
	}
	return why_set(ret_why, ERR_EXISTS,
		       "here are newer ones than in the backup, or others of the same name: %s "
		       "(%" PRIu64 " in all). --dry-run lists them; with --force the backup's "
		       "become the present ones where they can, and what is here their earlier "
		       "generations",
		       names, plan->newer + plan->kept);
}

int restore_plan_init(struct restore_plan *plan, struct keeper *keeper, bool is_unit)
{
	int r = keeper_cas_get(keeper, &plan->cas);

	if (r == 0)
		r = keeper_issued_count(keeper, &plan->n_issued);
	if (r == 0 && !is_unit)
		r = replica_stage_new(store_replica(keeper->store), &plan->stage);
	plan->keeper = keeper;
	plan->is_unit = is_unit;
	store_position(keeper->store, &plan->position);
	return r;
}

void restore_plan_done(struct restore_plan *plan)
{
	for (size_t i = 0; i < plan->unit.n; i++) {
		free((char *)(uintptr_t)plan->unit.changes[i].key);
		free((uint8_t *)(uintptr_t)plan->unit.changes[i].value);
	}
	free(plan->unit.changes);
	for (size_t i = 0; i < ARRAY_SIZE(plan->held.items); i++)
		buf_done(&plan->held.items[i].value);
	replica_stage_free(plan->stage);
	keeper_cas_done(&plan->cas);
}
