/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tests/unit/keeper_fixture.h"

/* What an engine and a front ask of a keeper, in one call each. All of it asserts. */

struct import {
	const char *name, *file;
	bool replace, dry_run, non_exportable;
	bool is_ca; /* FILE.crt alone */
	const char *passphrase;
};

void keeper_import_send(struct unit *unit, uint32_t id, struct import import);
Asafo__Ipc__ImportReply *keeper_import_reply(struct unit *unit, struct import import);
/* The code; the sentence in RET_WHY (512 bytes, may be NULL). */
int keeper_import(struct unit *unit, struct import import, char *ret_why);
/* The public part of NAME; NULL: there is none. */
Asafo__Record__TrustpointPublic *keeper_certificate(int channel, const char *name);
void keeper_part_free(Asafo__Record__TrustpointPublic *part);
/* The front's question, its answer checked with GnuTLS. */
int keeper_sign_and_verify(struct unit *unit, const Asafo__Record__TrustpointPublic *part,
			   unsigned algorithm);
void keeper_set_failover_key(struct unit *unit, const char *text);
/* The code; the sentence in RET_WHY (512 bytes, may be NULL). */
int keeper_rollback(struct unit *unit, const char *name, uint64_t generation, char *ret_why);
/* "4<2 3<0 ": the generations of NAME, the latest first, each with the one it is a copy of. */
void keeper_generations(struct unit *unit, const char *name, char *ret_text, size_t size);
int keeper_remove_trustpoint(struct unit *unit, const char *name);
/* "name generation r|u " of each entry. */
void keeper_list(struct unit *unit, bool with_generations, char *ret_text, size_t size);
/* As two engines do it: everything but the commit; all of it, with the mode that it took. */
Asafo__Ipc__ReplicaOpenReply *keeper_stage_over(struct unit *from, struct unit *to);
int keeper_replicate(struct unit *from, struct unit *to);
