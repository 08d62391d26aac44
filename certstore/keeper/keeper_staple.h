/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "certstore/keeper/keeper_state.h"

/* OCSP staples in the store: what keeper_staple.c and keeper_staple_sync.c share. */
#define KEEPER_STAPLES_SHARED "staple/"
#define KEEPER_STAPLES_HOME "home-staple/" /* those of trustpoints that stay on this unit */
#define KEEPER_STAPLES_MAX 500u		   /* of both kinds; a list of them fits into a message */
#define KEEPER_FINGERPRINT_SIZE 32
#define KEEPER_STAPLE_KEY_SIZE (sizeof(KEEPER_STAPLES_HOME) + 2 * KEEPER_FINGERPRINT_SIZE)

void keeper_staple_free(Asafo__Record__Staple *staple);
CLEANUP_DEFINE(Asafo__Record__Staple *, keeper_staple_free)

void keeper_staple_key(bool is_home, const uint8_t fingerprint[static KEEPER_FINGERPRINT_SIZE],
		       char ret_key[static KEEPER_STAPLE_KEY_SIZE]);
/* One that can be served, or that says revoked; NULL: it is none. */
Asafo__Record__Staple *keeper_staple_unpack(const uint8_t *value, size_t size);
/* What ended long ago makes room for one more. Errors: ERR_TOO_LARGE, those of the store. */
int keeper_staple_make_room(struct keeper *keeper, struct why *why);
/* Is there room? It drops nothing. Errors: as above. */
int keeper_staple_count(struct keeper *keeper, struct why *why);
/* Durable on return. */
int keeper_staple_keep(struct keeper *keeper, bool is_home, const Asafo__Record__Staple *staple,
		       struct why *why);
int keeper_staple_delete(struct keeper *keeper, const struct keeper_key_list *keys,
			 struct why *why);
/* All but the response; borrows from STAPLE and DIGEST. */
Asafo__Record__Staple keeper_staple_brief(const Asafo__Record__Staple *staple, bool is_home,
					  uint8_t digest[static 32]);
