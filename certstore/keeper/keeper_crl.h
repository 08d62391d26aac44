/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "certstore/keeper/keeper_state.h"
#include "certstore/x509/crl.h"

/*
 * CRLs in the store: what keeper_crl.c (verbs), keeper_crl_store.c and keeper_crl_sync.c (unit to
 * unit) share. A list is its head, and parts of its marks; both change in one transaction.
 */
#define KEEPER_CRL_ENTRIES_MAX 1000000u /* of all lists */
#define KEEPER_CRL_KEY_SIZE 96

void keeper_crl_free(Asafo__Record__Crl *crl);
CLEANUP_DEFINE(Asafo__Record__Crl *, keeper_crl_free)
/* NULL: out of memory. */
Asafo__Record__Crl *keeper_crl_copy(const Asafo__Record__Crl *crl);

/* How many parts a list of so many certificates has: one at least. */
uint32_t keeper_crl_parts(uint64_t revoked);
/* The list of the CA with this key; NULL: there is none that can be read. */
Asafo__Record__Crl *keeper_crl_find(struct keeper *keeper, bool is_home,
				    const ProtobufCBinaryData *key_id);
/* That the pair's was removed (removed_at); NULL: it is not known. */
Asafo__Record__Crl *keeper_crl_find_gone(struct keeper *keeper, const ProtobufCBinaryData *key_id);
/* There is one, be it readable or not. */
bool keeper_crl_exists(struct keeper *keeper, bool is_home,
		       const uint8_t key_id[static KEEPER_CRL_KEY_ID_SIZE]);
/* Appends a part. Errors: ERR_NOT_FOUND, ERR_STORE, -ENOMEM. */
int keeper_crl_part_get(struct keeper *keeper, bool is_home, const ProtobufCBinaryData *key_id,
			uint32_t part, struct buf *ret_marks);
/* All marks of CRL. Errors: ERR_STORE (a part is lost, or not what the head says), -ENOMEM. */
int keeper_crl_marks(struct keeper *keeper, bool is_home, const Asafo__Record__Crl *crl,
		     struct buf *ret_marks);
/* The same as a fact; each list is looked through once for each change of the unit's own. */
bool keeper_crl_is_whole(struct keeper *keeper, bool is_home, const Asafo__Record__Crl *crl);
/* With each of the lists, until FN fails. Errors: FN's; ERR_STORE, with a line in the log: one of
 * them cannot be read. */
int keeper_crl_each(struct keeper *keeper, bool is_home,
		    int (*fn)(const Asafo__Record__Crl *crl, void *userdata), void *userdata);
/* The same but for those that cannot be read. */
int keeper_crl_each_readable(struct keeper *keeper, bool is_home,
			     int (*fn)(const Asafo__Record__Crl *crl, void *userdata),
			     void *userdata);
/* With each that was removed (removed_at). */
int keeper_crl_each_gone(struct keeper *keeper,
			 int (*fn)(const Asafo__Record__Crl *crl, void *userdata), void *userdata);
/* Is there room for CRL instead of what is there of that CA? Errors: ERR_TOO_LARGE. */
int keeper_crl_check_room(struct keeper *keeper, bool is_home, const Asafo__Record__Crl *crl,
			  struct why *why);
/* CRL without its marks, and MARKS, instead of what is there. Durable on return. */
int keeper_crl_keep(struct keeper *keeper, bool is_home, const Asafo__Record__Crl *crl,
		    const uint8_t *marks, size_t size, struct why *why);
/* GONE (removed_at) instead of the list that is there, if there is one; of what stays home nothing
 * is kept. Of more than KEEPER_CRLS_MAX that were removed the eldest is forgotten. */
int keeper_crl_delete(struct keeper *keeper, bool is_home, const Asafo__Record__Crl *gone,
		      struct why *why);
/* That one was removed. */
int keeper_crl_forget(struct keeper *keeper, const ProtobufCBinaryData *key_id, struct why *why);
/* What is there has changed: tells the auth helper, then every peer. */
void keeper_crl_changed(struct keeper *keeper);
