/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that `asafo restore` is given. The first byte chooses: 'h' its header and the size of a
 * part, 'p' the inside of a part, as who knows the passphrase may have written it. What a batch
 * holds is opened under a key of zeros.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "certstore/keeper/keeper_restore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_header(const uint8_t *data, size_t size)
{
	struct why why;
	size_t sealed = 0;

	if (size >= BACKUP_HEADER_SIZE)
		(void)backup_header_check(data, &why);
	if (size >= BACKUP_SIZE_SIZE && backup_sealed_size(data, &sealed) == 0 &&
	    (sealed < BACKUP_SEALED_MIN || sealed > BACKUP_SEALED_MAX))
		abort();
}

static void open_items(const Asafo__Record__ItemBatch *batch)
{
	static const uint8_t mark[32];
	uint8_t zeros[SEAL_KEY_SIZE] = {0};
	const struct secret key = {.data = zeros, .size = sizeof(zeros)};
	Asafo__Record__BackupHead head = ASAFO__RECORD__BACKUP_HEAD__INIT;
	struct restore_plan plan = {.head = &head};

	head.key = (ProtobufCBinaryData){sizeof(zeros), zeros};
	plan.cas.mates[plan.cas.n_mates++] =
		(struct identity_ca_mark){mark, sizeof(mark), mark, sizeof(mark)};
	if (seal_kek_id(&key, plan.key_id) < 0)
		abort();
	for (size_t i = 0; i < batch->n_items; i++) {
		struct restore_opened opened = {0};
		bool is_local;

		if (restore_open(&plan, batch->items[i], &opened) == 0)
			(void)restore_is_local(&plan, opened.part, &is_local);
		restore_opened_done(&opened);
	}
}

static void take_part(const uint8_t *data, size_t size)
{
	struct backup_part part = {0};

	if (backup_part_parse(data, size, &part) < 0)
		return;
	if (part.kind == BACKUP_BATCH)
		open_items(part.message->batch);
	if (part.kind == BACKUP_UNIT_BATCH)
		open_items(part.message->unit_batch);
	backup_part_done(&part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 'h')
		take_header(data + 1, size - 1);
	else if (data[0] == 'p')
		take_part(data + 1, size - 1);
	return 0;
}
