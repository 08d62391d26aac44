/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of revoked certificates, by the key of the CA that they are of, so that a CA whose
 * certificate was renewed has the same. As OCSP staples they cross under every mode of replication.
 * A new one is parsed in another process; what is revoked the auth helper is told, which looks at
 * each login.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hex.h"
#include "base/log.h"
#include "certstore/keeper/keeper_crl.h"
#include "certstore/keeper/keeper_verbs.h"
#include "certstore/pkcs12/parser.h"

#define RETELL_USEC 2000000u

struct keeper_crl_job {
	struct keeper_crl_job *next;
	struct keeper *keeper; /* NULL: it was freed */
	struct keeper_ticket ticket;
	char name[TRUSTPOINT_NAME_MAX + 1];
	uint8_t key_id[KEEPER_CRL_KEY_ID_SIZE];
	uint64_t term;
	bool is_dry_run, is_home, is_active;
};

/* ---- what the auth helper is told ---- */

struct telling {
	struct keeper *keeper;
	bool is_home, is_begun;
};

/* Errors: those of ipc_channel_send. */
static int tell(struct keeper *keeper, const Asafo__Ipc__CrlTell *message)
{
	int r = 0;

	for (const struct keeper_peer *to = keeper->peers; to && r == 0; to = to->next) {
		if (to->kind == IPC_PEER_AUTH)
			r = ipc_channel_send(to->channel, IPC_CRL_TELL, &message->base, NULL, 0);
	}
	return r;
}

static int tell_one(const Asafo__Record__Crl *crl, void *userdata)
{
	struct telling *telling = userdata;
	_cleanup_(buf_done) struct buf marks = {0};
	int r = keeper_crl_marks(telling->keeper, telling->is_home, crl, &marks);

	if (r == ERR_STORE)
		log_line(LOG_ERR,
			 "the CRL of %s is damaged in the store: import it again (asafo crl "
			 "import NAME FILE)",
			 crl->issuer);
	for (uint32_t i = 0; r == 0 && i < keeper_crl_parts(crl->revoked); i++) {
		Asafo__Ipc__CrlTell message = ASAFO__IPC__CRL_TELL__INIT;
		Asafo__Record__CrlPart part = ASAFO__RECORD__CRL_PART__INIT;
		size_t at = (size_t)i * CRL_PART_SIZE, left = marks.size - at;

		part.crl = (Asafo__Record__Crl *)(uintptr_t)crl;
		part.part = i;
		if (left > 0)
			part.marks = (ProtobufCBinaryData){
				left < CRL_PART_SIZE ? left : CRL_PART_SIZE, marks.data + at};
		message.is_reset = !telling->is_begun;
		message.part = &part;
		telling->is_begun = true;
		r = tell(telling->keeper, &message);
	}
	return r;
}

static bool has_listener(const struct keeper *keeper)
{
	for (const struct keeper_peer *peer = keeper->peers; peer; peer = peer->next) {
		if (peer->kind == IPC_PEER_AUTH)
			return true;
	}
	return false;
}

static int on_retell(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct keeper *keeper = userdata;

	(void)source;
	(void)usec;
	keeper->crls.retell = sd_event_source_disable_unref(keeper->crls.retell);
	keeper_crl_tell(keeper);
	return 0;
}

/* Where a list cannot be read, or told, those that were told before hold: half a set is none. */
void keeper_crl_tell(struct keeper *keeper)
{
	Asafo__Ipc__CrlTell end = ASAFO__IPC__CRL_TELL__INIT;
	struct telling telling = {.keeper = keeper};
	int r;

	if (keeper->failure < 0 || !keeper->store || !has_listener(keeper))
		return;
	r = keeper_crl_each(keeper, false, tell_one, &telling);
	telling.is_home = true;
	if (r == 0)
		r = keeper_crl_each(keeper, true, tell_one, &telling);
	end.is_reset = !telling.is_begun;
	end.is_last = true;
	if (r == 0)
		r = tell(keeper, &end);
	if (r == 0 || keeper->crls.retell)
		return;
	if (r == ERR_STORE)
		log_line(LOG_ERR, "not all CRLs can be read, what was known of revoked "
				  "certificates holds");
	else
		log_line(LOG_ERR,
			 "the auth helper could not be told all CRLs (%s): what it knew of revoked "
			 "certificates holds; it is told again in %u s",
			 r == ERR_BUSY ? "it does not read what it is sent" : err_text(r),
			 RETELL_USEC / 1000000);
	if (r != ERR_STORE)
		(void)sd_event_add_time_relative(keeper->event, &keeper->crls.retell,
						 CLOCK_MONOTONIC, RETELL_USEC, 0, on_retell,
						 keeper);
}

void keeper_crl_changed(struct keeper *keeper)
{
	keeper_crl_tell(keeper);
	keeper_tell_changed(keeper);
}

/* ---- import ---- */

static void reply(const struct keeper_crl_job *job, const Asafo__Record__Crl *crl,
		  bool is_unchanged)
{
	Asafo__Ipc__CrlReply message = ASAFO__IPC__CRL_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	Asafo__Record__Crl shown = *crl;

	shown.marks = (ProtobufCBinaryData){0, NULL};
	shown.is_home = job->is_home;
	message.status = &status;
	message.crl = &shown;
	message.unchanged = is_unchanged;
	keeper_reply(job->keeper, &job->ticket, &message.base, false);
}

/* Whatever the configuration says of the trustpoint: a standby that changed what it shares would
 * let in whom the active unit refuses. */
static int check_role(const struct keeper_item *item, const char *name, bool is_active,
		      struct why *why)
{
	if (item->is_unit || is_active)
		return 0;
	return why_set(why, ERR_NOT_ACTIVE,
		       "trustpoint %s is shared by both units: its CRL is changed on the active "
		       "unit",
		       name);
}

static void job_unlink(struct keeper_crl_job *job)
{
	struct keeper_crl_job **at = &job->keeper->crls.jobs;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
}

/* The parser still answers each; it finds nobody. */
void keeper_crls_drop(struct keeper *keeper)
{
	while (keeper->crls.jobs) {
		struct keeper_crl_job *job = keeper->crls.jobs;

		keeper->crls.jobs = job->next;
		job->keeper = NULL;
	}
	keeper_crl_stage_drop(keeper);
	keeper->crls.retell = sd_event_source_disable_unref(keeper->crls.retell);
}

/* The file was parsed in its own time: is it still that CA, and this unit's to change? */
static int check_still(const struct keeper_crl_job *job, struct why *why)
{
	_cleanup_(keeper_item_done) struct keeper_item item = {0};
	int r = keeper_trustpoint_get(job->keeper, job->name, &item);

	if (r < 0)
		return why_set(why, r, "trustpoint %s: %s", job->name, err_text(r));
	if (item.public_part->key_id.len != KEEPER_CRL_KEY_ID_SIZE ||
	    memcmp(item.public_part->key_id.data, job->key_id, KEEPER_CRL_KEY_ID_SIZE) != 0 ||
	    item.is_unit != job->is_home)
		return why_set(why, ERR_BUSY,
			       "trustpoint %s got another certificate meanwhile: try again",
			       job->name);
	r = check_role(&item, job->name, job->is_active, why);
	return r < 0 || job->is_home ? r : keeper_check_term(job->keeper, job->term, why);
}

/* With what is there of the CA's key, be it shared or at home: both are looked at. */
static int check_against(const Asafo__Record__Crl *present, const Asafo__Record__Crl *crl,
			 struct why *why)
{
	char hex[2 * KEEPER_CRL_KEY_ID_SIZE + 1];

	if (!present)
		return 0;
	hex_encode(present->key_id.data, KEEPER_CRL_KEY_ID_SIZE, hex);
	/* Two CAs with one key: whom the other one revoked would be forgotten. */
	if (strcmp(present->issuer, crl->issuer) != 0)
		return why_set(why, ERR_DIFFERS,
			       "the CRL that is there for this key is of %s, this one of %s: "
			       "remove that one first (asafo crl remove %s)",
			       present->issuer, crl->issuer, hex);
	if (crl_compare(present, crl) <= 0)
		return 0;
	return why_set(why, ERR_EXISTS,
		       present->this_update > crl->this_update
			       ? "the CRL that is there is newer than this one: nothing was changed"
			       : "the CRL that is there is of the same time and has a higher "
				 "number: nothing was changed");
}

/* Has that list already, whole. */
static bool is_there(struct keeper *keeper, bool is_home, const Asafo__Record__Crl *present,
		     const Asafo__Record__Crl *crl)
{
	return present && memcmp(present->digest.data, crl->digest.data, 32) == 0 &&
	       strcmp(present->issuer, crl->issuer) == 0 &&
	       keeper_crl_is_whole(keeper, is_home, present);
}

static uint64_t change_of(const Asafo__Record__Crl *crl)
{
	return crl ? crl->change : 0;
}

/* Later than that it was removed: by the term and the count and, for a mate of an older version, by
 * whatever clock. */
static void date_taking(struct keeper *keeper, uint64_t term, const Asafo__Record__Crl *present,
			Asafo__Record__Crl *crl)
{
	_cleanup_(keeper_crl_free_p) Asafo__Record__Crl *gone =
		keeper_crl_find_gone(keeper, &crl->key_id);
	int64_t now = (int64_t)time(NULL);

	crl->taken_at = gone && gone->removed_at >= now ? gone->removed_at + 1 : now;
	crl->term = term;
	crl->change = (gone ? change_of(gone) : change_of(present)) + 1;
}

static int check_place(struct keeper_crl_job *job, const Asafo__Record__Crl *crl,
		       const Asafo__Record__Crl *present, struct why *why)
{
	_cleanup_(keeper_crl_free_p) Asafo__Record__Crl *other =
		keeper_crl_find(job->keeper, !job->is_home, &crl->key_id);
	int r = check_against(present, crl, why);

	if (r == 0)
		r = check_against(other, crl, why);
	return r == 0 ? keeper_crl_check_room(job->keeper, job->is_home, crl, why) : r;
}

static void store_crl(struct keeper_crl_job *job, const Asafo__Record__Crl *parsed)
{
	char source[] = "file";
	Asafo__Record__Crl crl = *parsed;
	_cleanup_(keeper_crl_free_p) Asafo__Record__Crl *present = NULL;
	struct why why = {0};
	bool is_unchanged;
	int r = check_still(job, &why);

	crl.key_id = (ProtobufCBinaryData){KEEPER_CRL_KEY_ID_SIZE, job->key_id};
	crl.source = source;
	crl.trustpoint = job->name;
	present = keeper_crl_find(job->keeper, job->is_home, &crl.key_id);
	date_taking(job->keeper, job->term, present, &crl);
	is_unchanged = is_there(job->keeper, job->is_home, present, &crl);
	if (r == 0 && is_unchanged && (job->is_home || present->term >= job->term)) {
		reply(job, present, true);
		return;
	}
	/* What is there from an older term is taken anew: a removal of that term, which the mate
	 * could not tell, must not take away what was imported in this one. Nothing else changes by
	 * it, so that nothing stands against it. */
	if (r == 0 && !is_unchanged)
		r = check_place(job, &crl, present, &why);
	if (r == 0 && !job->is_dry_run)
		r = keeper_crl_keep(job->keeper, job->is_home, &crl, crl.marks.data, crl.marks.len,
				    &why);
	if (r < 0) {
		keeper_reply_status(job->keeper, &job->ticket, r, &why);
		return;
	}
	/* Who waits for the answer may go by it at once. */
	if (!job->is_dry_run)
		keeper_crl_changed(job->keeper);
	reply(job, &crl, is_unchanged);
}

static void on_parsed(int code, const Asafo__Record__Crl *crl, const struct why *why,
		      void *userdata)
{
	_cleanup_free_ struct keeper_crl_job *job = userdata;

	if (!job->keeper)
		return;
	job_unlink(job);
	if (!keeper_ticket_channel(job->keeper, &job->ticket))
		log_line(LOG_WARNING, "the CRL of %s is dropped: who asked for it is gone",
			 job->name);
	else if (code < 0)
		keeper_reply_status(job->keeper, &job->ticket, code, why);
	else
		store_crl(job, crl);
}

static int check_request(struct keeper *keeper, const char *name, int file_fd,
			 struct keeper_item *ret_item, struct why *why)
{
	int r;

	if (file_fd < 0)
		return why_set(why, ERR_MALFORMED, "no file came with the request");
	if (!keeper->parser)
		return why_set(why, ERR_NOT_READY, "the parser could not be started (see the log)");
	r = keeper_trustpoint_get(keeper, name, ret_item);
	if (r < 0)
		return why_set(why, r, "trustpoint %s: %s", name, err_text(r));
	if (!ret_item->public_part->is_ca ||
	    ret_item->public_part->key_id.len != KEEPER_CRL_KEY_ID_SIZE)
		return why_set(why, ERR_UNSUPPORTED,
			       "trustpoint %s does not hold a CA's certificate alone: a CRL is of "
			       "the CA that signed it (asafo authenticate NAME FILE keeps that)",
			       name);
	return 0;
}

static int start(struct keeper *keeper, const struct keeper_ticket *ticket,
		 const Asafo__Ipc__CrlImport *request, int file_fd, struct why *why)
{
	_cleanup_(keeper_item_done) struct keeper_item item = {0};
	struct crl_question question = {.now = (int64_t)time(NULL)};
	struct keeper_crl_job *job;
	int r = check_request(keeper, request->name, file_fd, &item, why);

	if (r == 0)
		r = check_role(&item, request->name, request->is_active, why);
	if (r < 0)
		return r;
	question.issuer = item.public_part->leaf.data;
	question.issuer_size = item.public_part->leaf.len;
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	*job = (struct keeper_crl_job){
		.keeper = keeper,
		.ticket = *ticket,
		.term = request->term,
		.is_dry_run = request->dry_run,
		.is_home = item.is_unit,
		.is_active = request->is_active,
	};
	memcpy(job->name, request->name, strlen(request->name) + 1);
	memcpy(job->key_id, item.public_part->key_id.data, KEEPER_CRL_KEY_ID_SIZE);
	r = parser_crl(keeper->parser, file_fd, &question, on_parsed, job);
	if (r < 0) {
		free(job);
		return why_set(why, r, "the file cannot be parsed now: %s", err_text(r));
	}
	job->next = keeper->crls.jobs;
	keeper->crls.jobs = job;
	return 0;
}

void keeper_on_crl_import(struct keeper *keeper, const struct keeper_ticket *ticket,
			  struct ipc_frame *frame, const ProtobufCMessage *body)
{
	_cleanup_close_ int file_fd = ipc_frame_take_fd(frame, 0);
	struct why why = {0};
	int r = start(keeper, ticket, (const Asafo__Ipc__CrlImport *)body, file_fd, &why);

	if (r < 0)
		keeper_reply_status(keeper, ticket, r, &why);
}

/* ---- removal ---- */

struct target {
	uint8_t key_id[KEEPER_CRL_KEY_ID_SIZE];
	bool is_home;
};

/* By the CA's key, whether a trustpoint has it still or not. Of two lists the pair's goes first. */
static int target_by_key(struct keeper *keeper, const Asafo__Ipc__CrlDrop *request,
			 struct target *target, struct why *why)
{
	bool is_shared = keeper_crl_exists(keeper, false, target->key_id);

	if (!is_shared && !keeper_crl_exists(keeper, true, target->key_id))
		return why_set(why, ERR_NOT_FOUND,
			       "there is no CRL of a CA with key %s (asafo show crls)",
			       request->name);
	if (is_shared && !request->is_active)
		return why_set(why, ERR_NOT_ACTIVE,
			       "both units share this CRL: it is changed on the active unit");
	target->is_home = !is_shared;
	return 0;
}

static int target_by_name(struct keeper *keeper, const Asafo__Ipc__CrlDrop *request,
			  struct target *target, struct why *why)
{
	_cleanup_(keeper_item_done) struct keeper_item item = {0};
	int r = keeper_trustpoint_get(keeper, request->name, &item);

	if (r < 0)
		return why_set(why, r, "trustpoint %s: %s", request->name, err_text(r));
	r = check_role(&item, request->name, request->is_active, why);
	if (r < 0)
		return r;
	target->is_home = item.is_unit;
	if (item.public_part->key_id.len != KEEPER_CRL_KEY_ID_SIZE ||
	    !keeper_crl_exists(keeper, item.is_unit, item.public_part->key_id.data))
		return why_set(why, ERR_NOT_FOUND, "trustpoint %s has no CRL", request->name);
	memcpy(target->key_id, item.public_part->key_id.data, KEEPER_CRL_KEY_ID_SIZE);
	return 0;
}

/* What is known of the list from then on. */
static int delete_target(struct keeper *keeper, uint64_t term, struct target *target,
			 struct why *why)
{
	Asafo__Record__Crl gone = ASAFO__RECORD__CRL__INIT;
	uint8_t digest[32];
	_cleanup_(keeper_crl_free_p) Asafo__Record__Crl *present = NULL;
	int r;

	gone.key_id = (ProtobufCBinaryData){KEEPER_CRL_KEY_ID_SIZE, target->key_id};
	gone.digest = (ProtobufCBinaryData){sizeof(digest), digest};
	gone.removed_at = (int64_t)time(NULL);
	gone.term = term;
	present = keeper_crl_find(keeper, target->is_home, &gone.key_id);
	gone.change = change_of(present) + 1;
	if (present) {
		gone.issuer = present->issuer;
		if (present->taken_at >= gone.removed_at)
			gone.removed_at = present->taken_at + 1;
	}
	r = crl_digest(&gone, NULL, 0, digest);
	return r < 0 ? r : keeper_crl_delete(keeper, target->is_home, &gone, why);
}

static int drop(struct keeper *keeper, const Asafo__Ipc__CrlDrop *request, struct why *why)
{
	struct target target = {.is_home = false};
	/* No trustpoint has so long a name. */
	bool is_key = hex_decode(request->name, sizeof(target.key_id), target.key_id) == 0;
	int r = is_key ? target_by_key(keeper, request, &target, why)
		       : target_by_name(keeper, request, &target, why);

	if (r == 0 && !target.is_home)
		r = keeper_check_term(keeper, request->term, why);
	return r < 0 ? r : delete_target(keeper, request->term, &target, why);
}

void keeper_on_crl_drop(struct keeper *keeper, const struct keeper_ticket *ticket,
			struct ipc_frame *frame, const ProtobufCMessage *body)
{
	struct why why = {0};
	int r = drop(keeper, (const Asafo__Ipc__CrlDrop *)body, &why);

	(void)frame;
	if (r == 0)
		keeper_crl_changed(keeper);
	keeper_reply_status(keeper, ticket, r, &why);
}
