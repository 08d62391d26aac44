/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of a backup, opened, and what is to be stored of them, staged: for what is shared in
 * the stage of a bulk replication, with the sum that the store will have; for what is a unit's own
 * in a list. Either becomes one transaction.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "certstore/pkcs12/chain.h"
#include "certstore/store/digest.h"
#include "certstore/keeper/keeper_restore.h"

/* ---- one record ---- */

void restore_opened_done(struct restore_opened *opened)
{
	if (opened->part)
		asafo__record__trustpoint_public__free_unpacked(opened->part, NULL);
	if (opened->record)
		asafo__record__record__free_unpacked(opened->record, NULL);
	secret_done(&opened->key);
}

int restore_open(const struct restore_plan *plan, const Asafo__Record__Item *item,
		 struct restore_opened *ret_opened)
{
	Asafo__Record__Record *record =
		asafo__record__record__unpack(NULL, item->value.len, item->value.data);
	_cleanup_(secret_done) struct secret key = {0};
	int r;

	ret_opened->record = record;
	if (!record || !record->key || record->key->kek_id.len != SEAL_ID_SIZE)
		return ERR_MALFORMED;
	ret_opened->part = asafo__record__trustpoint_public__unpack(NULL, record->public_part.len,
								    record->public_part.data);
	if (!ret_opened->part || !identity_name_is_valid(ret_opened->part->name) ||
	    ret_opened->part->fingerprint.len != 32 ||
	    !store_generation_is_valid(ret_opened->part->generation))
		return ERR_MALFORMED;
	if (memcmp(plan->key_id, record->key->kek_id.data, SEAL_ID_SIZE) != 0)
		return ERR_INTEGRITY;
	r = secret_init_copy(&key, plan->head->key.data, plan->head->key.len);
	return r < 0 ? r
		     : seal_decrypt(&key, record->public_part.data, record->public_part.len,
				    &record->key->nonce, &record->key->ciphertext,
				    &ret_opened->key);
}

static int add_link(struct chain *chain, const ProtobufCBinaryData *der)
{
	X509 *link = x509_from_der(NULL, der->data, der->len);

	if (!link || chain->n_links == ARRAY_SIZE(chain->links)) {
		X509_free(link);
		return ERR_MALFORMED;
	}
	chain->links[chain->n_links++] = link;
	return 0;
}

int restore_is_local(const struct restore_plan *plan, const Asafo__Record__TrustpointPublic *part,
		     bool *ret_is_local)
{
	const struct keeper_cas *cas = &plan->cas;
	struct chain chain = {.n_links = 0};
	bool is_local = false;
	int r = 0;

	*ret_is_local = false;
	if (cas->own.size == 0 && cas->n_mates == 0 && plan->n_issued == 0)
		return 0;
	r = add_link(&chain, &part->leaf);
	for (size_t i = 0; r == 0 && i < part->n_chain; i++)
		r = add_link(&chain, &part->chain[i]);
	if (r == 0)
		r = chain_is_local(&chain, NULL, &cas->own, cas->own.size > 0, &is_local);
	if (r == 0)
		*ret_is_local = is_local || chain_is_marked(&chain, cas->mates, cas->n_mates);
	for (size_t i = 0; i < chain.n_links; i++) {
		enum keeper_issuer issuer = KEEPER_ISSUER_NONE;
		uint8_t id[IDENTITY_KEY_ID_SIZE];

		if (r == 0 && plan->n_issued > 0)
			r = x509_key_id(chain.links[i], id);
		if (r == 0 && plan->n_issued > 0)
			r = keeper_issued_by(plan->keeper, id, &issuer);
		*ret_is_local = *ret_is_local || issuer != KEEPER_ISSUER_NONE;
		X509_free(chain.links[i]);
	}
	return r;
}

/* ---- what is shared ---- */

/* What is there under KEY goes out of the sum. */
static int forget_present(struct restore_plan *plan, const char *key)
{
	_cleanup_(buf_done) struct buf value = {0};
	uint8_t digest[STORE_DIGEST_SIZE];
	int r = store_get(plan->keeper->store, key, &value);

	if (r == ERR_NOT_FOUND)
		return 0;
	if (r == 0)
		r = digest_item(key, strlen(key), value.data, value.size, digest);
	if (r < 0)
		return r;
	digest_subtract(plan->position.digest, digest);
	plan->position.count--;
	return 0;
}

/* Checks that the key names what the record says, and that it may be shared. */
static int stage_item(struct restore_plan *plan, Asafo__Record__Item *item, struct why *why)
{
	Asafo__Record__ItemBatch batch = ASAFO__RECORD__ITEM_BATCH__INIT;
	_cleanup_(buf_done) struct buf packed = {0};
	int r;

	batch.items = &item;
	batch.n_items = 1;
	r = buf_reserve(&packed, asafo__record__item_batch__get_packed_size(&batch));
	if (r < 0)
		return r;
	packed.size = asafo__record__item_batch__pack(&batch, packed.data);
	r = replica_stage_items(plan->stage, packed.data, packed.size, NULL);
	return r < 0 ? why_set(why, r, "the backup's record %s cannot be taken: %s", item->key,
			       err_text(r))
		     : 0;
}

/* VALUE NULL: it goes. */
static int stage_shared(struct restore_plan *plan, const char *key, const uint8_t *value,
			size_t size, struct why *why)
{
	Asafo__Record__Item item = ASAFO__RECORD__ITEM__INIT;
	uint8_t digest[STORE_DIGEST_SIZE];
	int r = forget_present(plan, key);

	if (r == 0 && value)
		r = digest_item(key, strlen(key), value, size, digest);
	if (r < 0)
		return r;
	item.key = (char *)(uintptr_t)key;
	item.value = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)value};
	item.deleted = !value;
	r = stage_item(plan, &item, why);
	if (r < 0 || !value)
		return r;
	digest_add(plan->position.digest, digest);
	plan->position.count++;
	return 0;
}

/* ---- what is this unit's own ---- */

static int stage_of_unit(struct restore_plan *plan, const char *key, const uint8_t *value,
			 size_t size)
{
	struct restore_unit *unit = &plan->unit;
	_cleanup_free_ char *owned_key = strdup(key);
	_cleanup_free_ uint8_t *owned_value = value ? malloc(size ? size : 1) : NULL;

	if (!owned_key || (value && !owned_value))
		return -ENOMEM;
	if (unit->n == unit->allocated) {
		size_t n = unit->allocated ? 2 * unit->allocated : 16;
		struct store_change *changes = realloc(unit->changes, n * sizeof(*changes));

		if (!changes)
			return -ENOMEM;
		unit->changes = changes;
		unit->allocated = n;
	}
	if (value)
		memcpy(owned_value, value, size);
	unit->changes[unit->n++] =
		(struct store_change){TAKE_PTR(owned_key), TAKE_PTR(owned_value), size};
	return 0;
}

/* ---- either ---- */

int restore_stage_value(struct restore_plan *plan, const char *key, const uint8_t *value,
			size_t size, struct why *ret_why)
{
	int r = plan->is_unit ? stage_of_unit(plan, key, value, size)
			      : stage_shared(plan, key, value, size, ret_why);

	if (r == 0)
		plan->staged++;
	return r;
}

int restore_stage_removal(struct restore_plan *plan, const char *key, struct why *ret_why)
{
	return restore_stage_value(plan, key, NULL, 0, ret_why);
}

int restore_seal(const struct restore_plan *plan, const struct restore_opened *opened,
		 struct buf *ret_sealed)
{
	return keyring_seal(plan->keeper->ring, plan->is_unit ? KEYRING_UNIT : KEYRING_PAIR,
			    opened->part, &opened->key, ret_sealed);
}

int restore_stage_opened(struct restore_plan *plan, const char *key,
			 const struct restore_opened *opened, struct why *ret_why)
{
	_cleanup_(buf_done) struct buf sealed = {0};
	int r = restore_seal(plan, opened, &sealed);

	return r < 0 ? r : restore_stage_value(plan, key, sealed.data, sealed.size, ret_why);
}

static int index_one(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	keeper_breathe(userdata);
	return value ? keeper_index_add(userdata, false, key, value, size) : 0;
}

static int index_unit(struct restore_plan *plan)
{
	const struct restore_unit *unit = &plan->unit;
	int r = 0;

	for (size_t i = 0; r == 0 && i < unit->n; i++) {
		const struct store_change *change = &unit->changes[i];

		keeper_breathe(plan->keeper);
		if (change->value && strncmp(change->key, "localca/", 8) != 0)
			r = keeper_index_add(plan->keeper, true, change->key, change->value,
					     change->value_size);
	}
	return r;
}

int restore_stage_commit(struct restore_plan *plan, struct why *ret_why)
{
	struct keeper *keeper = plan->keeper;
	struct why said = {0};
	int r = plan->is_unit
			? store_unit_change(keeper->store, plan->unit.changes, plan->unit.n, &said)
			: replica_stage_commit(plan->stage, &plan->position, NULL, &said);

	if (r < 0)
		return why_set(ret_why, r,
			       "the backup could not be stored (%s): nothing was changed",
			       r == -ENOSPC ? "no space left" : err_text(r));
	r = plan->is_unit ? index_unit(plan) : replica_stage_each(plan->stage, index_one, keeper);
	if (r < 0)
		log_line(LOG_ERR, "the index of keys is not complete: %s", err_text(r));
	return 0;
}
