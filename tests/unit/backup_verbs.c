/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/backup_verbs.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "certstore/keys/backup.h"
#include "certstore/store/seal.h"
#include "certstore/store/store.h"

int backup_make(struct unit *unit, struct backup how, uint64_t *ret_left_out)
{
	Asafo__Ipc__Backup request = ASAFO__IPC__BACKUP__INIT;
	Asafo__Ipc__BackupReply *reply;
	char hostname[] = "pair", of[] = "primary", config[] = "hostname pair\n";
	int fds[2] = {text_fd(""), text_fd("passphrase\n")};
	struct stat info;

	request.hostname = hostname;
	request.unit = of;
	request.config = (ProtobufCBinaryData){strlen(config), (uint8_t *)config};
	request.with_non_exportable = how.with_non_exportable;
	request.with_unit = how.with_unit;
	reply = (Asafo__Ipc__BackupReply *)unit_call(unit->engine, IPC_BACKUP, &request.base, fds,
						     2);
	assert_int_equal(reply->status->code, 0);
	assert_int_equal(fstat(fds[0], &info), 0);
	assert_int_equal(reply->bytes, info.st_size);
	if (ret_left_out)
		*ret_left_out = reply->left_out_count;
	asafo__ipc__backup_reply__free_unpacked(reply, NULL);
	(void)close(fds[1]);
	return fds[0];
}

void restore_send(struct unit *unit, int file, struct restore how)
{
	Asafo__Ipc__Restore request = ASAFO__IPC__RESTORE__INIT;
	int fds[2] = {file, text_fd(how.passphrase ? how.passphrase : "passphrase\n")};

	request.term = 2;
	request.hostname = (char *)(uintptr_t)(how.hostname ? how.hostname : "pair");
	request.dry_run = how.is_dry_run;
	request.force = how.is_forced;
	request.is_unit = how.is_unit;
	request.unit = (char *)(uintptr_t)(how.of ? how.of : "primary");
	unit_send(unit->engine, IPC_RESTORE, 7, &request.base, fds, 2);
	(void)close(fds[1]);
}

Asafo__Ipc__RestoreReply *restore_plan(struct unit *unit, int file, struct restore how)
{
	restore_send(unit, file, how);
	return (Asafo__Ipc__RestoreReply *)unit_receive(unit->engine, NULL, NULL);
}

int restore_commit(struct unit *unit, uint64_t plan, char *ret_why)
{
	Asafo__Ipc__RestoreCommit request = ASAFO__IPC__RESTORE_COMMIT__INIT;

	request.plan = plan;
	return unit_call_status(unit->engine, IPC_RESTORE_COMMIT, &request.base, NULL, 0, ret_why);
}

Asafo__Ipc__RestoreReply *restore_run(struct unit *unit, int file, struct restore how)
{
	Asafo__Ipc__RestoreReply *reply = restore_plan(unit, file, how);

	if (reply->is_planned)
		assert_int_equal(restore_commit(unit, reply->plan, NULL), 0);
	return reply;
}

int restore_code(struct unit *unit, int file, struct restore how, char *ret_why)
{
	Asafo__Ipc__RestoreReply *reply = restore_run(unit, file, how);
	int code = reply->status->code;

	if (ret_why)
		(void)snprintf(ret_why, 512, "%s", reply->status->why);
	asafo__ipc__restore_reply__free_unpacked(reply, NULL);
	return code;
}

/* ---- forged ---- */

#define FORGED_MAX 64

struct forged {
	struct secret key;
	uint8_t key_id[SEAL_ID_SIZE];
};

static Asafo__Record__Item *forge_item(const struct forged *forged, struct backup_forgery how,
				       uint64_t generation, bool is_head)
{
	Asafo__Record__TrustpointPublic part = ASAFO__RECORD__TRUSTPOINT_PUBLIC__INIT;
	Asafo__Record__Item *item = calloc(1, sizeof(*item));
	uint8_t bytes[32] = {how.seed, (uint8_t)generation, 1};
	char key[STORE_KEY_MAX];
	struct secret pkcs8 = {0};
	struct buf record = {0};

	assert_non_null(item);
	asafo__record__item__init(item);
	(void)snprintf(key, sizeof(key), is_head ? "trustpoint/%s" : "generation/%s/%010" PRIu64,
		       how.name, generation);
	item->key = strdup(key);
	part.name = (char *)(uintptr_t)how.name;
	part.generation = generation;
	part.exportable = true;
	part.leaf = part.fingerprint = part.key_id = (ProtobufCBinaryData){sizeof(bytes), bytes};
	assert_int_equal(secret_init_copy(&pkcs8, bytes, sizeof(bytes)), 0);
	assert_int_equal(seal_record(&forged->key, forged->key_id, &part, &pkcs8, &record), 0);
	secret_done(&pkcs8);
	item->value = (ProtobufCBinaryData){record.size, record.data};
	return item;
}

static void forge_head(const struct forged *forged, struct backup_writer *writer,
		       struct buf *ret_bytes)
{
	Asafo__Record__BackupHead head = ASAFO__RECORD__BACKUP_HEAD__INIT;
	Asafo__Record__Position position;
	struct store_position nowhere = {.term = 1};
	char hostname[] = "pair", unit[] = "primary";

	store_position_pack(&nowhere, &position);
	head.hostname = hostname;
	head.unit = unit;
	head.position = &position;
	head.key = (ProtobufCBinaryData){forged->key.size, forged->key.data};
	head.has_unit = true;
	assert_int_equal(backup_writer_head(writer, &head, ret_bytes), 0);
}

static void forge_items(const struct forged *forged, struct backup_forgery how,
			struct backup_writer *writer, struct buf *ret_bytes)
{
	Asafo__Record__ItemBatch batch = ASAFO__RECORD__ITEM_BATCH__INIT;
	Asafo__Record__Item *items[FORGED_MAX];

	assert_true(how.n_older < FORGED_MAX);
	for (uint64_t i = 0; i < how.n_older; i++)
		items[batch.n_items++] = forge_item(forged, how, i + 1, false);
	items[batch.n_items++] = forge_item(forged, how, how.head, true);
	batch.items = items;
	assert_int_equal(backup_writer_batch(writer, &batch, how.is_unit, ret_bytes), 0);
	for (size_t i = 0; i < batch.n_items; i++)
		asafo__record__item__free_unpacked(items[i], NULL);
}

int backup_forge(struct backup_forgery how)
{
	struct secret passphrase = {0};
	struct backup_writer *writer;
	struct forged forged = {0};
	uint8_t key[SEAL_KEY_SIZE] = {how.seed, 7};
	struct buf bytes = {0};
	int fd = text_fd("");

	assert_int_equal(secret_init_copy(&passphrase, "passphrase", 10), 0);
	assert_int_equal(secret_init_copy(&forged.key, key, sizeof(key)), 0);
	assert_int_equal(seal_kek_id(&forged.key, forged.key_id), 0);
	assert_int_equal(backup_writer_new(&passphrase, &writer, &bytes), 0);
	forge_head(&forged, writer, &bytes);
	forge_items(&forged, how, writer, &bytes);
	assert_int_equal(backup_writer_end(writer, &bytes), 0);
	assert_int_equal(write(fd, bytes.data, bytes.size), (ssize_t)bytes.size);
	backup_writer_free(writer);
	secret_done(&passphrase);
	secret_done(&forged.key);
	buf_done(&bytes);
	return fd;
}
