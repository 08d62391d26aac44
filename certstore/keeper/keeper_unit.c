/* SPDX-License-Identifier: Apache-2.0 */
/* What is this unit's own: terms, the startup-config, and the answer to "how are you". */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "certstore/keeper/keeper_verbs.h"

/* ---- terms ---- */

void keeper_on_term_persist(struct keeper *keeper, const struct keeper_ticket *ticket,
			    struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__TermPersist *request = (const Asafo__Ipc__TermPersist *)body;
	struct why why = {0};
	int r = keeper_raise_terms(keeper, request->term,
				   request->is_activation ? request->term : 0, &why);

	(void)frame;
	keeper_reply_status(keeper, ticket, r, &why);
}

/* ---- status ---- */

static int count(struct keeper *keeper)
{
	struct keeper_counts *counts = &keeper->counts;
	uint64_t fallbacks = 0;
	int r;

	r = store_count(keeper->store, "fallback/", &fallbacks);
	counts->has_fallback = fallbacks > 0;
	if (r < 0 || counts->unit_changes == store_unit_changes(keeper->store))
		return r;
	if (r == 0)
		r = store_unit_count(keeper->store, "trustpoint/", &counts->unit_trustpoints);
	if (r == 0)
		r = store_unit_count(keeper->store, "orphan/", &counts->orphans);
	if (r == 0)
		counts->unit_changes = store_unit_changes(keeper->store);
	return r;
}

void keeper_on_status(struct keeper *keeper, const struct keeper_ticket *ticket,
		      struct ipc_frame *frame, const ProtobufCMessage *body)
{
	Asafo__Ipc__KeeperStatusReply message = ASAFO__IPC__KEEPER_STATUS_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	Asafo__Record__Position position;
	struct store_position now;
	int r = keeper_terms_get(keeper, &message.promised_term, &message.activated_term);

	(void)frame;
	(void)body;
	if (r == 0)
		r = count(keeper);
	if (r < 0) {
		keeper_refuse(keeper, ticket, r, "the certificate store cannot be read: %s",
			      err_text(r));
		return;
	}
	store_position(keeper->store, &now);
	store_position_pack(&now, &position);
	message.status = &status;
	message.position = &position;
	message.trustpoints = store_trustpoints(keeper->store);
	message.unit_trustpoints = keeper->counts.unit_trustpoints;
	message.orphans = keeper->counts.orphans;
	if (store_incomplete(keeper->store))
		message.incomplete = (char *)(uintptr_t)store_incomplete(keeper->store);
	message.has_fallback = keeper->counts.has_fallback;
	message.has_failover_key = keyring_has_failover_key(keeper->ring);
	keeper_reply(keeper, ticket, &message.base, false);
}

/* ---- a store that lost something ---- */

void keeper_on_store_accept(struct keeper *keeper, const struct keeper_ticket *ticket,
			    struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__StoreAccept *request = (const Asafo__Ipc__StoreAccept *)body;
	struct why why = {0};
	int r = store_accept(keeper->store, request->term, &why);

	(void)frame;
	keeper_reply_status(keeper, ticket, r, &why);
	if (r == 0)
		keeper_changed(keeper);
}

/* ---- the startup-config ---- */

struct file_work {
	const char *path;
	mode_t mode;
	const ProtobufCBinaryData *content;
};

static int run_file_write(void *userdata)
{
	const struct file_work *work = userdata;

	return io_replace_file(work->path, work->mode, work->content->data, work->content->len);
}

void keeper_on_file_write(struct keeper *keeper, const struct keeper_ticket *ticket,
			  struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__FileWrite *request = (const Asafo__Ipc__FileWrite *)body;
	struct file_work work = {keeper->config_path, 0640, &request->content};
	struct stat info;
	int r;

	(void)frame;
	if (!keeper->config_path) {
		keeper_refuse(keeper, ticket, ERR_NOT_READY,
			      "this unit was started without a startup-config");
		return;
	}
	if (stat(keeper->config_path, &info) == 0)
		work.mode = info.st_mode & 0666;
	r = keeper_wait(keeper, KEEPER_WAIT_DISK, "the startup-config", request->content.len,
			run_file_write, &work);
	if (r < 0)
		keeper_refuse(keeper, ticket, r,
			      "%s could not be written (%s): the old one is as it was",
			      keeper->config_path, err_text(r));
	else
		keeper_reply_status(keeper, ticket, 0, NULL);
}
