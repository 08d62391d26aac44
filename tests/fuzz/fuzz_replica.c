/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a mate sends about its store. The first byte chooses: 'b' a batch of items for the stage,
 * 'm' a manifest for the sender, 'k' a sealed key. Nothing of it is ever committed, so that one
 * input does not change the next.
 */
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "certstore/replica/replica.h"
#include "certstore/store/seal.h"
#include "certstore/store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[512];
static struct store *store;

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
	(void)info;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void clear_up(void)
{
	store_close(store);
	(void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void open_store(void)
{
	const char *tmp = getenv("TMPDIR");
	struct store_change changes[] = {{"trustpoint/b", (const uint8_t *)"x", 1},
					 {"trustpoint/d", (const uint8_t *)"y", 1}};

	(void)snprintf(directory, sizeof(directory), "%s/asafo-fuzz-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(directory) || store_open(directory, &store, NULL) < 0 ||
	    store_change(store, 2, changes, 2, NULL) < 0 || atexit(clear_up) != 0)
		abort();
}

static void take_batch(const uint8_t *data, size_t size)
{
	struct store_position impossible = {.count = UINT64_MAX};
	struct replica_stage *stage = NULL;

	if (replica_stage_new(store_replica(store), &stage) < 0)
		abort();
	if (replica_stage_items(stage, data, size, NULL) == 0 &&
	    replica_stage_commit(stage, &impossible, NULL, NULL) == 0)
		abort();
	replica_stage_free(stage);
}

static void take_manifest(const uint8_t *data, size_t size)
{
	struct store_position mate = {.term = 9, .seq = 9, .count = 1, .digest = {1}}, position;
	struct replica_sender *sender = NULL;
	enum replica_mode mode;
	bool is_last = false;

	if (replica_sender_new(store_replica(store), &mate, &sender, &mode, &position) < 0 ||
	    mode != REPLICA_NEEDS_MANIFEST)
		abort();
	if (replica_sender_manifest(sender, data, size, true) == 0) {
		while (!is_last) {
			struct buf batch = {0};
			size_t n_items;

			if (replica_sender_next(sender, 64, &batch, &is_last, &n_items) < 0)
				abort();
			buf_done(&batch);
		}
	}
	replica_sender_free(sender);
}

static void take_sealed(const uint8_t *data, size_t size)
{
	uint8_t bytes[SEAL_KEY_SIZE] = {0}, id[SEAL_ID_SIZE];
	struct secret key = {.data = bytes, .size = sizeof(bytes)}, plain = {0};

	if (seal_unwrap(&key, "fuzz", data, size, id, &plain) == 0)
		secret_done(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!store)
		open_store();
	if (size == 0)
		return 0;
	if (data[0] == 'b')
		take_batch(data + 1, size - 1);
	else if (data[0] == 'm')
		take_manifest(data + 1, size - 1);
	else if (data[0] == 'k')
		take_sealed(data + 1, size - 1);
	return 0;
}
