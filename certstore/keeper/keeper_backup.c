/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the pair shares, and on demand what is this unit's own, sealed with a passphrase. The keys
 * inside the records are sealed anew under one that is made for this file: none of the pair's or
 * the unit's keys is in it, so that who can read it can read nothing else. One part a turn of the
 * loop, so that signatures go on meanwhile; a snapshot keeps the pair's records together.
 */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "certstore/keys/backup.h"
#include "certstore/keeper/keeper_verbs.h"

#define BATCH_BYTES (512u * 1024)
#define LEFT_OUT_MAX 64
#define ORPHAN_PREFIX "orphan/"
#define TRUSTPOINT_PREFIX "trustpoint/"
#define ISSUED_PREFIX "localca/issued/"

/* What of unit/ is this unit's own, and makes sense on another machine: neither keys nor terms. */
static const char *const unit_prefixes[] = {"generation/", "localca/", "trustpoint/"};

struct keeper_backup {
	struct keeper *keeper;
	struct keeper_ticket ticket;
	sd_event_source *turn;
	int output_fd;
	struct backup_writer *writer;
	struct replica_sender *sender; /* NULL: all that is shared is written */
	struct store_position position;
	struct secret key; /* of this file's records */
	uint8_t key_id[SEAL_ID_SIZE];
	size_t unit_prefix;
	char unit_after[STORE_KEY_MAX + 1];
	bool with_non_exportable, with_unit;
	char *left_out[LEFT_OUT_MAX];
	size_t n_left_out;
	uint64_t left_out_count, trustpoints, generations, unit_items, bytes;
};

static void backup_free(struct keeper_backup *backup)
{
	if (!backup)
		return;
	for (size_t i = 0; i < backup->n_left_out; i++)
		free(backup->left_out[i]);
	secret_done(&backup->key);
	replica_sender_free(backup->sender);
	backup_writer_free(backup->writer);
	sd_event_source_disable_unref(backup->turn);
	if (backup->output_fd >= 0)
		(void)close(backup->output_fd);
	free(backup);
}

void keeper_backup_drop(struct keeper *keeper)
{
	backup_free(TAKE_PTR(keeper->backup));
	/* What its snapshot kept from being done. */
	keeper_trim_later(keeper);
}

static int put_out(struct keeper_backup *backup, const struct buf *bytes, struct why *why)
{
	backup->bytes += bytes->size;
	if (backup->bytes > BACKUP_FILE_MAX)
		return why_set(why, ERR_TOO_LARGE, "the backup is larger than %llu MiB",
			       BACKUP_FILE_MAX / 1024 / 1024);
	return keeper_write_output(backup->keeper, backup->output_fd, bytes->data, bytes->size,
				   why);
}

/* ---- one record ---- */

static int leave_out(struct keeper_backup *backup, const char *name)
{
	backup->left_out_count++;
	if (backup->n_left_out == LEFT_OUT_MAX)
		return 0;
	backup->left_out[backup->n_left_out] = strdup(name);
	return backup->left_out[backup->n_left_out++] ? 0 : -ENOMEM;
}

/* The value of ITEM, its key sealed under this file's. */
static int seal_anew(struct keeper_backup *backup, Asafo__Record__Item *item,
		     const Asafo__Record__Record *record,
		     const Asafo__Record__TrustpointPublic *part)
{
	_cleanup_(secret_done) struct secret key = {0};
	struct buf sealed = {0};
	int r = keyring_open(backup->keeper->ring, record, &key);

	if (r == 0)
		r = seal_record(&backup->key, backup->key_id, part, &key, &sealed);
	if (r < 0) {
		buf_done(&sealed);
		return r;
	}
	/* The schema frees what stands there. */
	free(item->value.data);
	item->value = (ProtobufCBinaryData){sealed.size, sealed.data};
	return 1;
}

static void count(struct keeper_backup *backup, bool is_trustpoint, bool is_unit)
{
	if (is_unit)
		backup->unit_items++;
	else if (is_trustpoint)
		backup->trustpoints++;
	else
		backup->generations++;
}

/* Alone it would belong to nothing. */
static bool is_generation_of_one(struct keeper_backup *backup, const char *name, bool is_unit)
{
	_cleanup_(keeper_item_done) struct keeper_item item = {0};
	char key[KEEPER_NAME_KEY_SIZE];

	(void)snprintf(key, sizeof(key), TRUSTPOINT_PREFIX "%s", name);
	return keeper_item_get(backup->keeper, is_unit, key, &item) == 0 &&
	       (item.public_part->exportable || backup->with_non_exportable);
}

static int take_record(struct keeper_backup *backup, Asafo__Record__Item *item, bool is_unit,
		       const Asafo__Record__Record *record,
		       const Asafo__Record__TrustpointPublic *part)
{
	bool is_trustpoint = strncmp(item->key, TRUSTPOINT_PREFIX, strlen(TRUSTPOINT_PREFIX)) == 0;
	bool is_ca = part->is_ca || strncmp(item->key, "localca/", 8) == 0;
	int r;

	if (!part->exportable && !is_ca && !backup->with_non_exportable)
		return is_trustpoint ? leave_out(backup, part->name) : 0;
	if (!is_trustpoint && !is_ca && !is_generation_of_one(backup, part->name, is_unit))
		return 0;
	r = seal_anew(backup, item, record, part);
	if (r > 0)
		count(backup, is_trustpoint, is_unit);
	return r;
}

/* 1: it goes into the file. The fallback does not: each pair makes its own. */
static int choose(struct keeper_backup *backup, Asafo__Record__Item *item, bool is_unit)
{
	Asafo__Record__TrustpointPublic *part = NULL;
	Asafo__Record__Record *record;
	int r = ERR_STORE;

	if (strcmp(item->key, "fallback/") == 0)
		return 0;
	/* A certificate without a key. */
	if (is_unit && strncmp(item->key, ISSUED_PREFIX, strlen(ISSUED_PREFIX)) == 0) {
		backup->unit_items++;
		return 1;
	}
	record = asafo__record__record__unpack(NULL, item->value.len, item->value.data);
	if (record)
		part = asafo__record__trustpoint_public__unpack(NULL, record->public_part.len,
								record->public_part.data);
	if (part)
		r = take_record(backup, item, is_unit, record, part);
	if (part)
		asafo__record__trustpoint_public__free_unpacked(part, NULL);
	if (record)
		asafo__record__record__free_unpacked(record, NULL);
	return r;
}

/* ---- one batch ---- */

/* What is not chosen changes places with the last one; the schema owns all of them to the end. */
static int choose_all(struct keeper_backup *backup, Asafo__Record__ItemBatch *batch, bool is_unit,
		      size_t *ret_n_chosen)
{
	size_t n = 0;

	for (size_t i = 0; i < batch->n_items; i++) {
		Asafo__Record__Item *item = batch->items[i];
		int r = choose(backup, item, is_unit);

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		batch->items[i] = batch->items[n];
		batch->items[n++] = item;
	}
	*ret_n_chosen = n;
	return 0;
}

static int write_batch(struct keeper_backup *backup, Asafo__Record__ItemBatch *batch, bool is_unit,
		       struct why *why)
{
	_cleanup_(buf_done) struct buf bytes = {0};
	size_t n_items = batch->n_items, n_chosen = 0;
	int r = choose_all(backup, batch, is_unit, &n_chosen);

	if (r == 0 && n_chosen > 0) {
		batch->n_items = n_chosen;
		r = backup_writer_batch(backup->writer, batch, is_unit, &bytes);
		batch->n_items = n_items;
	}
	if (r < 0)
		return why_set(why, r, "the records cannot be put into the backup: %s",
			       err_text(r));
	return bytes.size > 0 ? put_out(backup, &bytes, why) : 0;
}

static int next_shared(struct keeper_backup *backup, struct why *why)
{
	_cleanup_(buf_done) struct buf packed = {0};
	Asafo__Record__ItemBatch *batch;
	bool is_last = true;
	size_t n_items;
	int r = replica_sender_next(backup->sender, BATCH_BYTES, &packed, &is_last, &n_items);

	if (r < 0)
		return why_set(why, r, "the certificate store cannot be read: %s", err_text(r));
	if (is_last) {
		replica_sender_free(backup->sender);
		backup->sender = NULL;
	}
	batch = asafo__record__item_batch__unpack(NULL, packed.size, packed.data);
	if (!batch)
		return why_set(why, -ENOMEM, "out of memory");
	r = write_batch(backup, batch, false, why);
	asafo__record__item_batch__free_unpacked(batch, NULL);
	return r;
}

/* ---- what is this unit's own ---- */

/* Grows to a page of unit/. Owned as the schema owns a batch. */
struct unit_page {
	Asafo__Record__ItemBatch *batch;
	size_t bytes, allocated;
};

static Asafo__Record__Item *item_new(const char *key, const uint8_t *value, size_t size)
{
	Asafo__Record__Item *item = malloc(sizeof(*item));

	if (!item)
		return NULL;
	*item = (Asafo__Record__Item)ASAFO__RECORD__ITEM__INIT;
	item->key = strdup(key);
	item->value.data = malloc(size ? size : 1);
	if (item->key && item->value.data) {
		memcpy(item->value.data, value, size);
		item->value.len = size;
		return item;
	}
	free(item->key);
	free(item->value.data);
	free(item);
	return NULL;
}

static int add_unit_item(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct unit_page *page = userdata;
	Asafo__Record__ItemBatch *batch = page->batch;

	if (batch->n_items > 0 && page->bytes + size > BATCH_BYTES)
		return -EAGAIN;
	if (batch->n_items == page->allocated) {
		size_t n = page->allocated ? 2 * page->allocated : 64;
		Asafo__Record__Item **items = realloc(batch->items, n * sizeof(*items));

		if (!items)
			return -ENOMEM;
		batch->items = items;
		page->allocated = n;
	}
	batch->items[batch->n_items] = item_new(key, value, size);
	if (!batch->items[batch->n_items])
		return -ENOMEM;
	batch->n_items++;
	page->bytes += size + STORE_KEY_MAX;
	return 0;
}

static int read_unit_page(struct keeper_backup *backup, struct unit_page *page)
{
	const char *prefix = unit_prefixes[backup->unit_prefix];
	const Asafo__Record__ItemBatch *batch = page->batch;
	int r = store_unit_each_after(backup->keeper->store, prefix, backup->unit_after,
				      add_unit_item, page);

	if (r == 0) {
		backup->unit_prefix++;
		backup->unit_after[0] = '\0';
		return 0;
	}
	/* choose_all() changes the order. */
	if (r == -EAGAIN)
		(void)snprintf(backup->unit_after, sizeof(backup->unit_after), "%s",
			       batch->items[batch->n_items - 1]->key);
	return r == -EAGAIN ? 0 : r;
}

static int next_of_unit(struct keeper_backup *backup, struct why *why)
{
	struct unit_page page = {.batch = calloc(1, sizeof(*page.batch))};
	int r;

	if (!page.batch)
		return why_set(why, -ENOMEM, "out of memory");
	*page.batch = (Asafo__Record__ItemBatch)ASAFO__RECORD__ITEM_BATCH__INIT;
	r = read_unit_page(backup, &page);
	r = r < 0 ? why_set(why, r, "the certificate store cannot be read: %s", err_text(r))
		  : write_batch(backup, page.batch, true, why);
	asafo__record__item_batch__free_unpacked(page.batch, NULL);
	return r;
}

/* ---- head and end ---- */

static int make_key(struct keeper_backup *backup)
{
	int r = secret_init(&backup->key, SEAL_KEY_SIZE);

	if (r == 0 && gnutls_rnd(GNUTLS_RND_KEY, backup->key.data, backup->key.size) < 0)
		r = ERR_CRYPTO;
	return r < 0 ? r : seal_kek_id(&backup->key, backup->key_id);
}

static int write_head(struct keeper_backup *backup, const Asafo__Ipc__Backup *request,
		      struct buf *bytes)
{
	Asafo__Record__BackupHead head = ASAFO__RECORD__BACKUP_HEAD__INIT;
	Asafo__Record__Position position;
	int r = make_key(backup);

	if (r < 0)
		return r;
	store_position_pack(&backup->position, &position);
	head.hostname = request->hostname;
	head.unit = request->unit;
	head.made_at = (int64_t)time(NULL);
	head.position = &position;
	head.key = (ProtobufCBinaryData){backup->key.size, backup->key.data};
	head.config = request->config;
	head.has_unit = request->with_unit;
	return backup_writer_head(backup->writer, &head, bytes);
}

static int write_end(struct keeper_backup *backup, struct why *why)
{
	_cleanup_(buf_done) struct buf bytes = {0};
	int r = backup_writer_end(backup->writer, &bytes);

	return r < 0 ? why_set(why, r, "the backup cannot be ended: %s", err_text(r))
		     : put_out(backup, &bytes, why);
}

static void reply(struct keeper_backup *backup)
{
	Asafo__Ipc__BackupReply message = ASAFO__IPC__BACKUP_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	struct store *store = backup->keeper->store;
	Asafo__Record__Position position;

	store_position_pack(&backup->position, &position);
	message.status = &status;
	message.position = &position;
	message.trustpoints = backup->trustpoints;
	message.generations = backup->generations;
	message.bytes = backup->bytes;
	message.left_out = backup->left_out;
	message.n_left_out = backup->n_left_out;
	message.left_out_count = backup->left_out_count;
	message.unit_items = backup->unit_items;
	if (!backup->with_unit)
		(void)store_unit_count(store, TRUSTPOINT_PREFIX, &message.stays_home);
	(void)store_unit_count(store, ORPHAN_PREFIX, &message.orphans);
	keeper_reply(backup->keeper, &backup->ticket, &message.base, false);
}

/* ---- turns ---- */

/* 1: that was the last part. */
static int next_part(struct keeper_backup *backup, struct why *why)
{
	int r;

	if (backup->sender)
		return next_shared(backup, why);
	if (backup->with_unit && backup->unit_prefix < ARRAY_SIZE(unit_prefixes))
		return next_of_unit(backup, why);
	r = write_end(backup, why);
	return r < 0 ? r : 1;
}

static int on_turn(sd_event_source *source, void *userdata)
{
	struct keeper_backup *backup = userdata;
	struct keeper *keeper = backup->keeper;
	struct why why = {0};
	int r = ERR_CLOSED;

	if (keeper_ticket_channel(keeper, &backup->ticket))
		r = next_part(backup, &why);
	if (r == 0)
		return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	if (r > 0)
		reply(backup);
	else
		keeper_reply_status(keeper, &backup->ticket, r, &why);
	keeper_backup_drop(keeper);
	return 0;
}

/* A mate that has nothing gets everything. */
static int open_sender(struct keeper_backup *backup)
{
	const struct store_position nothing = {0};
	enum replica_mode mode = REPLICA_EQUAL;
	int r = replica_sender_new(store_replica(backup->keeper->store), &nothing, &backup->sender,
				   &mode, &backup->position);

	if (r == 0 && mode == REPLICA_NEEDS_MANIFEST)
		r = replica_sender_manifest(backup->sender, NULL, 0, true);
	if (r == 0 && mode == REPLICA_EQUAL) {
		replica_sender_free(backup->sender);
		backup->sender = NULL;
	}
	return r;
}

struct sealing {
	const struct secret *passphrase;
	struct backup_writer **writer;
	struct buf *bytes;
};

static int run_sealing(void *userdata)
{
	const struct sealing *sealing = userdata;

	return backup_writer_new(sealing->passphrase, sealing->writer, sealing->bytes);
}

static int begin(struct keeper_backup *backup, const Asafo__Ipc__Backup *request, int passphrase_fd,
		 struct why *why)
{
	_cleanup_(secret_done) struct secret passphrase = {0};
	_cleanup_(buf_done) struct buf bytes = {0};
	struct sealing sealing;
	int r = keeper_read_passphrase(backup->keeper, passphrase_fd, &passphrase, why);

	if (r < 0)
		return r;
	if (request->config.len > BACKUP_CONFIG_MAX)
		return why_set(why, ERR_TOO_LARGE,
			       "the configuration has %zu bytes, a backup takes %u",
			       request->config.len, BACKUP_CONFIG_MAX);
	r = open_sender(backup);
	if (r < 0)
		return why_set(why, r, "the certificate store cannot be read: %s", err_text(r));
	sealing = (struct sealing){&passphrase, &backup->writer, &bytes};
	r = keeper_wait(backup->keeper, KEEPER_WAIT_OTHER, "the key of a backup", 0, run_sealing,
			&sealing);
	if (r == 0)
		r = write_head(backup, request, &bytes);
	if (r < 0)
		return why_set(why, r, "the backup cannot be begun: %s", err_text(r));
	r = put_out(backup, &bytes, why);
	if (r == 0)
		r = sd_event_add_defer(backup->keeper->event, &backup->turn, on_turn, backup);
	/* Whoever waits for a signature goes first. */
	return r < 0 ? r : sd_event_source_set_priority(backup->turn, SD_EVENT_PRIORITY_IDLE);
}

/* NULL: it is answered. One whose asker is gone makes room. */
static struct keeper_backup *backup_new(struct keeper *keeper, const struct keeper_ticket *ticket,
					const Asafo__Ipc__Backup *request, int *output_fd)
{
	struct keeper_backup *backup;

	if (keeper->backup && !keeper_ticket_channel(keeper, &keeper->backup->ticket))
		keeper_backup_drop(keeper);
	if (keeper->backup) {
		keeper_refuse(keeper, ticket, ERR_BUSY, "a backup is under way already: try again");
		return NULL;
	}
	if (*output_fd < 0) {
		keeper_refuse(keeper, ticket, ERR_MALFORMED,
			      "no file to write to came with the request");
		return NULL;
	}
	backup = calloc(1, sizeof(*backup));
	if (!backup) {
		keeper_refuse(keeper, ticket, -ENOMEM, "out of memory");
		return NULL;
	}
	*backup = (struct keeper_backup){
		.keeper = keeper,
		.ticket = *ticket,
		.output_fd = TAKE_FD(*output_fd),
		.with_non_exportable = request->with_non_exportable,
		.with_unit = request->with_unit,
	};
	return backup;
}

void keeper_on_backup(struct keeper *keeper, const struct keeper_ticket *ticket,
		      struct ipc_frame *frame, const ProtobufCMessage *body)
{
	const Asafo__Ipc__Backup *request = (const Asafo__Ipc__Backup *)body;
	_cleanup_close_ int output_fd = ipc_frame_take_fd(frame, 0);
	_cleanup_close_ int passphrase_fd = ipc_frame_take_fd(frame, 1);
	struct keeper_backup *backup = backup_new(keeper, ticket, request, &output_fd);
	struct why why = {0};
	int r;

	if (!backup)
		return;
	keeper->backup = backup;
	r = begin(backup, request, passphrase_fd, &why);
	if (r < 0) {
		keeper_backup_drop(keeper);
		keeper_reply_status(keeper, ticket, r, &why);
	}
}
