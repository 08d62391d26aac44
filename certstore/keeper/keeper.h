/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/why.h"
#include "certstore/pkcs12/parser.h"
#include "ipc/type.h"

/*
 * The keeper: everything that touches a private key or the store, behind the verbs of ipc.proto. It
 * serves one engine and some fronts; each kind has its own list of what it may ask. A store or key
 * ring that cannot be opened does not end it: it answers every request with the sentence that says
 * why.
 */
struct keeper;

struct keeper_config {
	const char *state_dir;	 /* holds store/ and master.key */
	const char *config_path; /* the startup-config that FILE_WRITE replaces; NULL: none */
	struct parser *parser;	 /* borrowed, attached to the loop; NULL: imports are refused */
	int failure; /* already known before the store is opened (store_probe); 0: none */
	const struct why *failure_why;
	/* A sign of life, while the loop stands still and waits for a disk; NULL: nobody looks for
	 * one. */
	void (*on_alive)(void *userdata);
	void *userdata;
};

/* Opens the store. Errors: -ENOMEM; a store that does not open is no error here, see
 * keeper_failure. */
int keeper_new(sd_event *event, const struct keeper_config *config, struct keeper **ret_keeper);
void keeper_free(struct keeper *keeper);
/* Why it cannot serve; NULL: it can. */
const char *keeper_failure(const struct keeper *keeper);
/* True where no import is possible until the keeper is started anew. */
bool keeper_parser_is_gone(const struct keeper *keeper);
/* True where an item of the store was read that is damaged: what else is, the next start finds out.
 */
bool keeper_store_is_damage_seen(const struct keeper *keeper);
/* True where the store has to be opened anew: a write to it failed half-way. */
bool keeper_store_is_stuck(const struct keeper *keeper);
/*
 * The credential "master-key": FD is the keeper's now. It counts until the first peer comes: then
 * the keys are opened with it, or with the file state_dir/master.key.
 */
void keeper_set_master_key(struct keeper *keeper, int fd);
/* A channel to the engine or a front; FD is the keeper's now. An older one of the same peer is
 * dropped. Errors: -ENOMEM, -errno. */
int keeper_add_peer(struct keeper *keeper, enum ipc_peer kind, unsigned instance, int fd);
