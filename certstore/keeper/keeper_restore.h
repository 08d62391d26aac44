/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "certstore/keys/backup.h"
#include "certstore/keeper/keeper_state.h"

/* What keeper_restore*.c share. Nobody else includes it. */

#define RESTORE_CHANGES_MAX 64
#define RESTORE_WHY_MAX 96

struct restore_change {
	char name[TRUSTPOINT_NAME_MAX + 1];
	Asafo__Ipc__RestoreChange__What what;
	uint64_t generation, present_generation;
	uint8_t fingerprint[32], present_fingerprint[32];
	bool has_present;
	char why[RESTORE_WHY_MAX]; /* of what is not restored */
};

/* Of unit/: keys and values are owned. */
struct restore_unit {
	struct store_change *changes;
	size_t n, allocated;
};

/*
 * Of one name, the latest, sealed: a backup's generations come with the oldest first, and what it
 * has more of them than are kept is not stored.
 */
struct restore_held {
	char name[TRUSTPOINT_NAME_MAX + 1];
	struct {
		char key[KEEPER_NAME_KEY_SIZE];
		struct buf value;
	} items[STORE_GENERATIONS_KEPT];
	size_t n;
};

struct restore_plan {
	struct keeper *keeper;
	const Asafo__Record__BackupHead *head; /* of the backup; borrowed */
	bool is_unit;			       /* what is this unit's own; else what is shared */
	uint8_t key_id[SEAL_ID_SIZE];	       /* of the backup's key */
	struct keeper_cas cas;
	uint64_t n_issued; /* 0: no certificate need be looked at for them */
	struct replica_stage *stage;
	struct restore_unit unit;
	struct restore_held held;
	struct store_position position; /* of the store, with what is staged */
	char last_key[STORE_KEY_MAX + 1];
	struct restore_change changes[RESTORE_CHANGES_MAX];
	size_t n_changes;
	uint64_t added, replaced, same, newer, kept, issued, staged;
	bool takes_issued; /* the local CA is the backup's: so is what it issued */
};

/* Errors: those of the store, -ENOMEM. */
int restore_plan_init(struct restore_plan *plan, struct keeper *keeper, bool is_unit);
void restore_plan_done(struct restore_plan *plan);
/*
 * Decides on each item and stages what it makes of it; commits nothing. Errors: ERR_MALFORMED,
 * ERR_INTEGRITY, ERR_STORE, ERR_CRYPTO, -ENOSPC, -ENOMEM.
 */
int restore_plan_batch(struct restore_plan *plan, const Asafo__Record__ItemBatch *batch,
		       struct why *ret_why);
/* After the last batch. Errors: as restore_plan_batch. */
int restore_plan_end(struct restore_plan *plan, struct why *ret_why);
/* Why it is not done without --force; 0: it is. */
int restore_plan_refuse(const struct restore_plan *plan, struct why *ret_why);

/* ---- keeper_restore_stage.c ---- */

/* One record of a backup, its key open. */
struct restore_opened {
	Asafo__Record__Record *record;
	Asafo__Record__TrustpointPublic *part;
	struct secret key;
};
void restore_opened_done(struct restore_opened *opened);
/* Errors: ERR_MALFORMED, ERR_INTEGRITY, ERR_CRYPTO, -ENOMEM. */
int restore_open(const struct restore_plan *plan, const Asafo__Record__Item *item,
		 struct restore_opened *ret_opened);
/* VALUE under KEY; RET_WHY may be left alone. */
int restore_stage_value(struct restore_plan *plan, const char *key, const uint8_t *value,
			size_t size, struct why *ret_why);
/* OPENED under KEY, sealed under the key that the pair, or the unit, has now. */
int restore_stage_opened(struct restore_plan *plan, const char *key,
			 const struct restore_opened *opened, struct why *ret_why);
int restore_seal(const struct restore_plan *plan, const struct restore_opened *opened,
		 struct buf *ret_sealed);
/* What the store has under KEY goes. Not twice, nor after restore_stage_value of the same. */
int restore_stage_removal(struct restore_plan *plan, const char *key, struct why *ret_why);
/* What a local CA issued, this unit's or the mate's, must not be shared, whatever the backup's pair
 * made of it. Errors: ERR_MALFORMED. */
int restore_is_local(const struct restore_plan *plan, const Asafo__Record__TrustpointPublic *part,
		     bool *ret_is_local);
/* One transaction. Errors: those of the store. */
int restore_stage_commit(struct restore_plan *plan, struct why *ret_why);
