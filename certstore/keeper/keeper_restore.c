/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backup comes back: read to its end, checked and decided on, one part a turn of the loop. That
 * is the plan, which the engine is told; on its word all of it is committed in one transaction. To
 * the store it is a change like another, in the active's term, so that it replicates as an import
 * does and makes no older history win.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "certstore/keeper/keeper_restore.h"
#include "certstore/keeper/keeper_verbs.h"

struct keeper_restore {
	struct keeper *keeper;
	struct keeper_ticket ticket;
	sd_event_source *turn;
	int file_fd;
	uint64_t offset, file_size;
	struct backup_reader *reader;
	struct backup_part head;
	struct restore_plan plan;
	struct store_position begun_at;
	uint64_t unit_changes; /* ... and of unit/ */
	struct buf sealed;
	char *hostname, *unit;
	uint64_t term;
	uint64_t number; /* what the engine calls this plan */
	bool is_dry_run, is_forced;
	bool is_planned; /* waits for the engine's word */
};

static void restore_free(struct keeper_restore *restore)
{
	if (!restore)
		return;
	restore_plan_done(&restore->plan);
	backup_part_done(&restore->head);
	backup_reader_free(restore->reader);
	buf_done(&restore->sealed);
	sd_event_source_disable_unref(restore->turn);
	if (restore->file_fd >= 0)
		(void)close(restore->file_fd);
	free(restore->hostname);
	free(restore->unit);
	free(restore);
}

void keeper_restore_drop(struct keeper *keeper)
{
	if (!keeper->restore)
		return;
	restore_free(TAKE_PTR(keeper->restore));
	/* What was staged, for a dry run too, has left its memory. */
	keeper_trim_later(keeper);
}

/* ---- the file ---- */

static int read_exactly(struct keeper_restore *restore, uint8_t *data, size_t size, struct why *why)
{
	while (size > 0) {
		ssize_t n = pread(restore->file_fd, data, size, (off_t)restore->offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return why_set(why, -errno, "the backup cannot be read: %s",
				       strerror(errno));
		if (n == 0)
			return why_set(why, ERR_INTEGRITY,
				       "the backup ends after %" PRIu64
				       " bytes, in the middle of it: take another copy",
				       restore->offset);
		data += n;
		size -= (size_t)n;
		restore->offset += (uint64_t)n;
	}
	return 0;
}

static int next_part(struct keeper_restore *restore, struct backup_part *ret_part, struct why *why)
{
	uint8_t prefix[BACKUP_SIZE_SIZE];
	size_t size = 0;
	int r = read_exactly(restore, prefix, sizeof(prefix), why);

	if (r < 0)
		return r;
	if (backup_sealed_size(prefix, &size) < 0)
		return why_set(why, ERR_INTEGRITY,
			       "the backup is damaged before its byte %" PRIu64
			       ": take another copy",
			       restore->offset);
	buf_clear(&restore->sealed);
	r = buf_reserve(&restore->sealed, size);
	if (r == 0)
		r = read_exactly(restore, restore->sealed.data, size, why);
	return r < 0 ? r
		     : backup_reader_part(restore->reader, restore->sealed.data, size, ret_part,
					  why);
}

/* ---- the plan ---- */

static void fill_changes(const struct restore_plan *plan, Asafo__Ipc__RestoreChange *messages,
			 Asafo__Ipc__RestoreChange **pointers)
{
	for (size_t i = 0; i < plan->n_changes; i++) {
		const struct restore_change *change = &plan->changes[i];
		Asafo__Ipc__RestoreChange *message = &messages[i];

		*message = (Asafo__Ipc__RestoreChange)ASAFO__IPC__RESTORE_CHANGE__INIT;
		message->name = (char *)(uintptr_t)change->name;
		message->what = change->what;
		message->generation = change->generation;
		message->present_generation = change->present_generation;
		message->why = (char *)(uintptr_t)change->why;
		message->fingerprint =
			(ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)change->fingerprint};
		if (change->has_present)
			message->present_fingerprint = (ProtobufCBinaryData){
				32, (uint8_t *)(uintptr_t)change->present_fingerprint};
		pointers[i] = message;
	}
}

static void reply_plan(const struct keeper_restore *restore, const struct why *refusal)
{
	Asafo__Ipc__RestoreReply message = ASAFO__IPC__RESTORE_REPLY__INIT;
	Asafo__Ipc__RestoreChange changes[RESTORE_CHANGES_MAX], *pointers[RESTORE_CHANGES_MAX];
	const Asafo__Record__BackupHead *head = restore->plan.head;
	const struct restore_plan *plan = &restore->plan;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	Asafo__Record__Position position;

	store_position_pack(&restore->begun_at, &position);
	fill_changes(plan, changes, pointers);
	message.status = &status;
	message.position = &position;
	message.added = plan->added;
	message.replaced = plan->replaced;
	message.same = plan->same;
	message.newer = plan->newer;
	message.kept = plan->kept;
	message.issued = plan->issued;
	message.changes = pointers;
	message.n_changes = plan->n_changes;
	message.hostname = head->hostname;
	message.unit = head->unit;
	message.made_at = head->made_at;
	message.backup = head->position;
	message.config = head->config;
	message.has_unit = head->has_unit;
	message.refusal = (char *)(uintptr_t)refusal->text;
	message.is_planned = restore->is_planned;
	message.plan = restore->is_planned ? restore->number : 0;
	keeper_reply(restore->keeper, &restore->ticket, &message.base, false);
}

/* The whole file was read, and is what was written. Nothing is stored yet. */
static int finish(struct keeper_restore *restore, struct why *why)
{
	struct why refusal = {0};
	int r = restore_plan_end(&restore->plan, why);

	if (r < 0)
		return r;
	r = restore_plan_refuse(&restore->plan, &refusal);
	if (restore->offset != restore->file_size)
		return why_set(why, ERR_INTEGRITY,
			       "something follows the end of the backup: take another copy");
	if (restore->is_forced)
		refusal.text[0] = 0;
	if (r < 0 && !restore->is_forced && !restore->is_dry_run) {
		*why = refusal;
		return r;
	}
	restore->is_planned = !restore->is_dry_run;
	reply_plan(restore, &refusal);
	return 0;
}

/* ---- the commit ---- */

/* Lines alone, too, are of use only beside what was there when they were planned. */
static int check_commit(struct keeper_restore *restore, struct why *why)
{
	struct keeper *keeper = restore->keeper;
	struct store_position now, *wanted = &restore->plan.position;
	int r;

	store_position(keeper->store, &now);
	if (now.seq != restore->begun_at.seq || now.term != restore->begun_at.term ||
	    store_unit_changes(keeper->store) != restore->unit_changes)
		return why_set(why, ERR_BUSY,
			       "the store was changed while the backup was read, and nothing of it "
			       "was restored: try again");
	if (restore->plan.is_unit || restore->plan.staged == 0)
		return 0;
	r = keeper_check_term(keeper, restore->term, why);
	if (r < 0)
		return r;
	if (restore->term < now.term)
		return why_set(why, ERR_NOT_ACTIVE,
			       "the store was changed in term %" PRIu64
			       " already: do it on the other unit",
			       now.term);
	wanted->term = restore->term;
	wanted->seq = now.seq + 1;
	wanted->lineage = now.lineage;
	return 0;
}

static void reply_commit(struct keeper *keeper, const struct keeper_ticket *ticket)
{
	Asafo__Ipc__RestoreCommitReply message = ASAFO__IPC__RESTORE_COMMIT_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	Asafo__Record__Position position;
	struct store_position now;

	store_position(keeper->store, &now);
	store_position_pack(&now, &position);
	message.status = &status;
	message.position = &position;
	keeper_reply(keeper, ticket, &message.base, false);
}

/* Who planned it is who decides on it, and on what he was told of, not on what came after it. */
static bool is_plan_of(const struct keeper_restore *restore, const struct keeper_ticket *ticket,
		       uint64_t number)
{
	return restore && restore->is_planned && restore->ticket.serial == ticket->serial &&
	       restore->number == number;
}

/* Until then the plan has the store's write transaction, and memory for all that is in it. */
void keeper_on_restore_close(struct keeper *keeper, const struct keeper_ticket *ticket,
			     struct ipc_frame *frame, const ProtobufCMessage *body)
{
	(void)frame;
	if (is_plan_of(keeper->restore, ticket, ((const Asafo__Ipc__RestoreClose *)body)->plan))
		keeper_restore_drop(keeper);
	keeper_reply_status(keeper, ticket, 0, NULL);
}

/* Journal, digests and records in one: what is interrupted leaves the state before. */
void keeper_on_restore_commit(struct keeper *keeper, const struct keeper_ticket *ticket,
			      struct ipc_frame *frame, const ProtobufCMessage *body)
{
	struct keeper_restore *restore = keeper->restore;
	struct why why = {0};
	bool is_changed;
	int r;

	(void)frame;
	if (!is_plan_of(restore, ticket, ((const Asafo__Ipc__RestoreCommit *)body)->plan)) {
		keeper_refuse(keeper, ticket, ERR_NOT_READY,
			      "this restore is not planned any more, another one may have come "
			      "between: nothing of it was stored, try again");
		return;
	}
	is_changed = restore->plan.staged > 0;
	r = check_commit(restore, &why);
	if (r == 0 && is_changed)
		r = restore_stage_commit(&restore->plan, &why);
	keeper_issued_forget(keeper);
	keeper_restore_drop(keeper);
	if (r < 0) {
		keeper_reply_status(keeper, ticket, r, &why);
		return;
	}
	reply_commit(keeper, ticket);
	if (is_changed)
		keeper_changed(keeper);
}

/* ---- turns ---- */

static int check_origin(const struct keeper_restore *restore, struct why *why)
{
	const Asafo__Record__BackupHead *head = restore->plan.head;
	bool is_fresh = store_trustpoints(restore->keeper->store) == 0;

	if (restore->plan.is_unit && !head->has_unit)
		return why_set(why, ERR_NOT_FOUND,
			       "this backup was made without --unit: nothing of a unit's own is "
			       "in it");
	if (restore->is_forced || restore->is_dry_run)
		return 0;
	if (restore->plan.is_unit && strcmp(head->unit, restore->unit) != 0)
		return why_set(why, ERR_DIFFERS,
			       "this backup was made on the %.15s unit, and this is the %.15s: "
			       "--force restores what was its own all the same",
			       head->unit, restore->unit);
	if (!is_fresh && strcmp(head->hostname, restore->hostname) != 0)
		return why_set(why, ERR_DIFFERS,
			       "this is a backup of the pair %.63s, and this pair is %.63s: "
			       "--force restores it all the same",
			       head->hostname, restore->hostname);
	return 0;
}

static int take_head(struct keeper_restore *restore, struct backup_part *part, struct why *why)
{
	_cleanup_(secret_done) struct secret key = {0};
	int r;

	restore->head = *part;
	part->message = NULL;
	restore->plan.head = restore->head.message->head;
	r = secret_init_copy(&key, restore->plan.head->key.data, restore->plan.head->key.len);
	if (r == 0)
		r = seal_kek_id(&key, restore->plan.key_id);
	return r < 0 ? why_set(why, r, "the backup cannot be read: %s", err_text(r))
		     : check_origin(restore, why);
}

/* 1: that was all. */
static int take_part(struct keeper_restore *restore, struct why *why)
{
	_cleanup_(backup_part_done) struct backup_part part = {0};
	int r = next_part(restore, &part, why);

	if (r < 0)
		return r;
	switch (part.kind) {
	case BACKUP_HEAD:
		return take_head(restore, &part, why);
	case BACKUP_BATCH:
		return restore->plan.is_unit
			       ? 0
			       : restore_plan_batch(&restore->plan, part.message->batch, why);
	case BACKUP_UNIT_BATCH:
		return restore->plan.is_unit
			       ? restore_plan_batch(&restore->plan, part.message->unit_batch, why)
			       : 0;
	case BACKUP_END:
		r = finish(restore, why);
		return r < 0 ? r : 1;
	}
	return ERR_MALFORMED;
}

static int on_turn(sd_event_source *source, void *userdata)
{
	struct keeper_restore *restore = userdata;
	struct keeper *keeper = restore->keeper;
	struct why why = {0};
	int r = ERR_CLOSED;

	/* Nobody would know that it was done. */
	if (keeper_ticket_channel(keeper, &restore->ticket))
		r = take_part(restore, &why);
	if (r == 0)
		return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	if (r < 0)
		keeper_reply_status(keeper, &restore->ticket, r, &why);
	if (r < 0 || !restore->is_planned)
		keeper_restore_drop(keeper);
	return 0;
}

static int open_file(struct keeper_restore *restore, uint8_t header[static BACKUP_HEADER_SIZE],
		     struct why *why)
{
	struct stat info;

	if (restore->file_fd < 0 || fstat(restore->file_fd, &info) < 0 || !S_ISREG(info.st_mode))
		return why_set(why, ERR_MALFORMED, "no file came with the request");
	if ((uint64_t)info.st_size > BACKUP_FILE_MAX)
		return why_set(why, ERR_TOO_LARGE, "the backup is larger than %llu MiB",
			       BACKUP_FILE_MAX / 1024 / 1024);
	restore->file_size = (uint64_t)info.st_size;
	if (restore->file_size < BACKUP_HEADER_SIZE)
		return why_set(why, ERR_MALFORMED,
			       "this is no backup of asafo's: it has %" PRIu64 " bytes only",
			       restore->file_size);
	return read_exactly(restore, header, BACKUP_HEADER_SIZE, why);
}

struct opening {
	const uint8_t *header;
	const struct secret *passphrase;
	struct backup_reader **reader;
	struct why *why;
};

static int run_opening(void *userdata)
{
	const struct opening *opening = userdata;

	return backup_reader_new(opening->header, opening->passphrase, opening->reader,
				 opening->why);
}

static int open_reader(struct keeper_restore *restore, const uint8_t *header,
		       const struct secret *passphrase, struct why *why)
{
	struct opening opening = {header, passphrase, &restore->reader, why};

	return keeper_wait(restore->keeper, KEEPER_WAIT_OTHER, "the key of a backup", 0,
			   run_opening, &opening);
}

static int begin(struct keeper_restore *restore, int passphrase_fd, struct why *why)
{
	_cleanup_(secret_done) struct secret passphrase = {0};
	uint8_t header[BACKUP_HEADER_SIZE];
	struct keeper *keeper = restore->keeper;
	int r = open_file(restore, header, why);

	/* What needs no passphrase is said first. */
	if (r == 0)
		r = backup_header_check(header, why);
	if (r == 0)
		r = keeper_read_passphrase(keeper, passphrase_fd, &passphrase, why);
	if (r == 0)
		r = open_reader(restore, header, &passphrase, why);
	if (r == 0)
		r = restore_plan_init(&restore->plan, keeper, restore->plan.is_unit);
	if (r == 0)
		r = sd_event_add_defer(keeper->event, &restore->turn, on_turn, restore);
	if (r < 0)
		return r;
	restore->begun_at = restore->plan.position;
	restore->unit_changes = store_unit_changes(keeper->store);
	/* Whoever waits for a signature goes first. */
	return sd_event_source_set_priority(restore->turn, SD_EVENT_PRIORITY_IDLE);
}

static int restore_new(struct keeper *keeper, const struct keeper_ticket *ticket,
		       struct ipc_frame *frame, const Asafo__Ipc__Restore *request)
{
	struct keeper_restore *restore = calloc(1, sizeof(*restore));

	if (!restore)
		return -ENOMEM;
	keeper->restore = restore;
	restore->keeper = keeper;
	restore->ticket = *ticket;
	restore->file_fd = ipc_frame_take_fd(frame, 0);
	restore->term = request->term;
	restore->number = ++keeper->next_serial;
	restore->is_dry_run = request->dry_run;
	restore->is_forced = request->force;
	restore->plan.is_unit = request->is_unit;
	restore->hostname = strdup(request->hostname);
	restore->unit = strdup(request->unit);
	return restore->hostname && restore->unit ? 0 : -ENOMEM;
}

void keeper_on_restore(struct keeper *keeper, const struct keeper_ticket *ticket,
		       struct ipc_frame *frame, const ProtobufCMessage *body)
{
	_cleanup_close_ int passphrase_fd = ipc_frame_take_fd(frame, 1);
	struct keeper_restore *there = keeper->restore;
	struct why why = {0};
	int r;

	/* A plan that nobody committed, or whose asker is gone, makes room. */
	if (there && (there->is_planned || !keeper_ticket_channel(keeper, &there->ticket)))
		keeper_restore_drop(keeper);
	if (keeper->restore) {
		keeper_refuse(keeper, ticket, ERR_BUSY,
			      "a restore is under way already: wait for its end");
		return;
	}
	r = restore_new(keeper, ticket, frame, (const Asafo__Ipc__Restore *)body);
	if (r == 0)
		r = begin(keeper->restore, passphrase_fd, &why);
	if (r < 0) {
		keeper_restore_drop(keeper);
		keeper_reply_status(keeper, ticket, r, &why);
	}
}
