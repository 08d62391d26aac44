/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items are checked and their digests computed as they arrive, so that the commit has little more
 * to do than to write. The spool is a file without a name: it goes away with its descriptor,
 * whatever happens to this process. It holds nothing that is not sealed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/io.h"
#include "certstore/store/digest.h"
#include "certstore/replica/replica.h"
#include "certstore/store/store_private.h"

#define SPOOL_CHUNK (1024u * 1024)

/* Before each item in the spool. */
struct spool_head {
	uint32_t key_size;
	uint32_t value_size;
	bool is_deleted;
	uint8_t digest[STORE_DIGEST_SIZE];
};

struct replica_stage {
	struct store_replica *replica;
	int spool_fd;
	struct buf unwritten;
	uint64_t bytes; /* of all that was staged */
};

static int open_spool(int directory_fd)
{
	int fd = openat(directory_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	/* Not every file system knows files without a name. */
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		(void)unlinkat(directory_fd, "stage.tmp", 0);
		fd = openat(directory_fd, "stage.tmp",
			    O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0)
			(void)unlinkat(directory_fd, "stage.tmp", 0);
	}
	return fd < 0 ? -errno : fd;
}

int replica_stage_new(struct store_replica *replica, struct replica_stage **ret_stage)
{
	struct replica_stage *stage = calloc(1, sizeof(*stage));
	int fd;

	if (!stage)
		return -ENOMEM;
	fd = open_spool(replica->directory_fd);
	if (fd < 0) {
		free(stage);
		return fd;
	}
	*stage = (struct replica_stage){.replica = replica, .spool_fd = fd};
	*ret_stage = stage;
	return 0;
}

void replica_stage_free(struct replica_stage *stage)
{
	if (!stage)
		return;
	(void)close(stage->spool_fd);
	buf_done(&stage->unwritten);
	free(stage);
}

static int spool_flush(struct replica_stage *stage)
{
	int r = io_write_full(stage->spool_fd, stage->unwritten.data, stage->unwritten.size);

	if (r == 0)
		buf_clear(&stage->unwritten);
	return r == -EDQUOT ? -ENOSPC : r;
}

/* Does the key name what the record says? "trustpoint/NAME", "generation/NAME/0000000001",
 * "fallback/". */
static bool key_fits(const char *key, const Asafo__Record__TrustpointPublic *public_part)
{
	char expected[STORE_KEY_MAX + 1];

	if (strcmp(key, "fallback/") == 0)
		return public_part->origin == ASAFO__RECORD__ORIGIN__ORIGIN_FALLBACK;
	if (public_part->origin != ASAFO__RECORD__ORIGIN__ORIGIN_IMPORTED || !*public_part->name ||
	    strchr(public_part->name, '/') || !store_generation_is_valid(public_part->generation))
		return false;
	if (key[0] == 't')
		(void)snprintf(expected, sizeof(expected), "trustpoint/%s", public_part->name);
	else
		(void)snprintf(expected, sizeof(expected), "generation/%s/%010llu",
			       public_part->name, (unsigned long long)public_part->generation);
	return strcmp(key, expected) == 0;
}

static int check_record(const char *key, const ProtobufCBinaryData *value)
{
	Asafo__Record__Record *record =
		asafo__record__record__unpack(NULL, value->len, value->data);
	Asafo__Record__TrustpointPublic *public_part = NULL;
	int r = ERR_MALFORMED;

	if (record && record->key)
		public_part = asafo__record__trustpoint_public__unpack(
			NULL, record->public_part.len, record->public_part.data);
	/* What a local CA issued stays home: a mate that sends such a thing is refused here, too.
	 */
	if (public_part && !*public_part->kept_home && key_fits(key, public_part))
		r = 0;
	if (public_part)
		asafo__record__trustpoint_public__free_unpacked(public_part, NULL);
	if (record)
		asafo__record__record__free_unpacked(record, NULL);
	return r;
}

static int check_item(const Asafo__Record__Item *item)
{
	if (!store_key_is_replicated(item->key))
		return ERR_MALFORMED;
	if (item->deleted)
		return item->value.len == 0 ? 0 : ERR_MALFORMED;
	if (item->value.len == 0 || item->value.len > STORE_VALUE_MAX)
		return ERR_MALFORMED;
	return check_record(item->key, &item->value);
}

static int spool_item(struct replica_stage *stage, const Asafo__Record__Item *item)
{
	struct spool_head head = {
		.key_size = (uint32_t)strlen(item->key),
		.value_size = (uint32_t)item->value.len,
		.is_deleted = item->deleted,
	};
	int r = 0;

	if (!item->deleted)
		r = digest_item(item->key, head.key_size, item->value.data, item->value.len,
				head.digest);
	if (r == 0)
		r = buf_append(&stage->unwritten, &head, sizeof(head));
	if (r == 0)
		r = buf_append(&stage->unwritten, item->key, head.key_size);
	if (r == 0)
		r = buf_append(&stage->unwritten, item->value.data, head.value_size);
	stage->bytes += head.key_size + head.value_size;
	if (r == 0 && stage->unwritten.size >= SPOOL_CHUNK)
		r = spool_flush(stage);
	return r;
}

int replica_stage_items(struct replica_stage *stage, const uint8_t *batch, size_t size,
			struct why *ret_why)
{
	Asafo__Record__ItemBatch *message = asafo__record__item_batch__unpack(NULL, size, batch);
	int r = 0;

	if (!message)
		return why_set(ret_why, ERR_MALFORMED,
			       "the mate sent a batch that does not follow its schema");
	for (size_t i = 0; r == 0 && i < message->n_items; i++) {
		r = check_item(message->items[i]);
		if (r < 0)
			(void)why_set(ret_why, r, "the mate sent a record that is not one: %s",
				      message->items[i]->key);
		else
			r = spool_item(stage, message->items[i]);
	}
	asafo__record__item_batch__free_unpacked(message, NULL);
	if (r < 0 && r != ERR_MALFORMED)
		(void)why_set(ret_why, r, "what the mate sent cannot be staged: %s", err_text(r));
	return r;
}

/* Reads the spool from its start through one buffer. */
struct spool_reader {
	int fd;
	off_t offset;
	struct buf buf;
	size_t at;
};

static void reader_done(struct spool_reader *reader)
{
	buf_done(&reader->buf);
}

/* Makes SIZE bytes available at the reader's place. ERR_NOT_FOUND: the end, exactly there. */
static int reader_want(struct spool_reader *reader, size_t size)
{
	int r;

	if (reader->buf.size - reader->at >= size)
		return 0;
	buf_consume(&reader->buf, reader->at);
	reader->at = 0;
	r = buf_reserve(&reader->buf, SPOOL_CHUNK + size);
	while (r == 0 && reader->buf.size < size) {
		ssize_t n = pread(reader->fd, reader->buf.data + reader->buf.size, SPOOL_CHUNK,
				  reader->offset);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return reader->buf.size == 0 ? ERR_NOT_FOUND : -EIO;
		if (n > 0) {
			reader->offset += n;
			reader->buf.size += (size_t)n;
		}
	}
	return r;
}

static int reader_next(struct spool_reader *reader, struct spool_head *ret_head,
		       const char **ret_key, const uint8_t **ret_value)
{
	int r = reader_want(reader, sizeof(*ret_head));
	size_t size;

	if (r < 0)
		return r;
	memcpy(ret_head, reader->buf.data + reader->at, sizeof(*ret_head));
	size = sizeof(*ret_head) + ret_head->key_size + ret_head->value_size;
	r = reader_want(reader, size);
	if (r < 0)
		return r == ERR_NOT_FOUND ? -EIO : r;
	*ret_key = (const char *)reader->buf.data + reader->at + sizeof(*ret_head);
	*ret_value = (const uint8_t *)*ret_key + ret_head->key_size;
	reader->at += size;
	return 0;
}

int replica_stage_each(struct replica_stage *stage,
		       int (*fn)(const char *key, const uint8_t *value, size_t size,
				 void *userdata),
		       void *userdata)
{
	_cleanup_(reader_done) struct spool_reader reader = {.fd = stage->spool_fd};
	int r = spool_flush(stage);

	while (r == 0) {
		char name[STORE_KEY_MAX + 1];
		struct spool_head head;
		const uint8_t *value;
		const char *key;

		r = reader_next(&reader, &head, &key, &value);
		if (r < 0)
			return r == ERR_NOT_FOUND ? 0 : r;
		memcpy(name, key, head.key_size);
		name[head.key_size] = 0;
		r = fn(name, head.is_deleted ? NULL : value, head.value_size, userdata);
	}
	return r;
}

static int apply_spool(struct replica_stage *stage, struct apply *apply)
{
	_cleanup_(reader_done) struct spool_reader reader = {.fd = stage->spool_fd};
	int r = spool_flush(stage);

	while (r == 0) {
		struct spool_head head;
		const uint8_t *value;
		const char *key;

		r = reader_next(&reader, &head, &key, &value);
		if (r < 0)
			return r == ERR_NOT_FOUND ? 0 : r;
		r = apply_item(apply, key, head.key_size, head.is_deleted ? NULL : value,
			       head.value_size, head.digest);
	}
	return r;
}

static bool is_same_contents(const struct store_position *a, const struct store_position *b)
{
	return a->count == b->count && memcmp(a->digest, b->digest, STORE_DIGEST_SIZE) == 0;
}

/* B may be that of a mate which does not know of lineages. */
static bool is_same_place(const struct store_position *a, const struct store_position *b)
{
	return a->term == b->term && a->seq == b->seq && is_same_contents(a, b) &&
	       (b->lineage == 0 || a->lineage == b->lineage);
}

/* A unit that is there already has no new entry in its journal, which would only make a barrier. */
static int commit_at(struct replica_stage *stage, struct apply *apply,
		     const struct store_position *position, bool is_kek_new)
{
	struct store_replica *replica = stage->replica;
	/* Whoever has what the active has lacks nothing any more. */
	int r = replica->incomplete[0] ? store_incomplete_write(replica, apply->txn, "") : 0;

	if (r < 0)
		return r;
	if (is_same_place(&replica->position, position)) {
		/* Nothing changed: the disk need not hear of it. */
		if (!is_kek_new && !replica->incomplete[0])
			return 0;
		apply->items = NULL;
		apply->digests = NULL;
		r = store_write_commit(replica, TAKE_PTR(apply->txn));
	} else {
		r = apply_commit(apply, position->term, position->seq, position->lineage);
	}
	if (r == 0)
		replica->incomplete[0] = 0;
	return r;
}

struct commit_work {
	struct replica_stage *stage;
	const struct store_position *position;
	const uint8_t *kek_id;
	struct why *why;
};

static int run_commit(void *userdata)
{
	const struct commit_work *work = userdata;
	const struct store_position *position = work->position;
	struct replica_stage *stage = work->stage;
	_cleanup_(apply_done) struct apply apply = {0};
	bool is_kek_new = false;
	int r = apply_begin(stage->replica, &apply);

	if (r == 0)
		r = apply_spool(stage, &apply);
	if (r == 0 && !is_same_contents(&apply.position, position))
		return why_set(work->why, ERR_DIFFERS,
			       "what the mate sent does not add up to its own digest (%llu records "
			       "instead of "
			       "%llu): nothing was changed",
			       (unsigned long long)apply.position.count,
			       (unsigned long long)position->count);
	if (r == 0 && work->kek_id && !store_meta_kek_is(stage->replica, apply.txn, work->kek_id)) {
		is_kek_new = true;
		r = store_meta_kek_write(stage->replica, apply.txn, work->kek_id);
	}
	return r < 0 ? r : commit_at(stage, &apply, position, is_kek_new);
}

int replica_stage_commit(struct replica_stage *stage, const struct store_position *position,
			 const uint8_t *kek_id, struct why *ret_why)
{
	struct why why = {0};
	struct commit_work work = {stage, position, kek_id, &why};
	int r = store_run(stage->replica, run_commit, &work, stage->bytes);

	if (r == 0 || why.text[0])
		return r == 0 ? 0 : why_set(ret_why, r, "%s", why.text);
	return why_set(ret_why, r,
		       "what the mate sent could not be stored: %s; nothing was changed",
		       r == -ENOSPC ? "no space left" : err_text(r));
}

static int manifest_pack(MDB_cursor *cursor, MDB_val *key, MDB_val *digest, size_t max_bytes,
			 char *after, struct buf *ret_manifest, bool *ret_is_last)
{
	size_t bytes = 0;
	int r = 0;

	while (r == 0) {
		Asafo__Record__ManifestEntry entry = ASAFO__RECORD__MANIFEST_ENTRY__INIT;
		Asafo__Record__ManifestEntry *entries[] = {&entry};
		Asafo__Record__Manifest one = ASAFO__RECORD__MANIFEST__INIT;
		char name[STORE_KEY_MAX + 1];
		size_t size;

		if (key->mv_size > STORE_KEY_MAX)
			return ERR_STORE;
		memcpy(name, key->mv_data, key->mv_size);
		name[key->mv_size] = 0;
		entry.key = name;
		entry.digest = (ProtobufCBinaryData){digest->mv_size, digest->mv_data};
		one.entries = entries;
		one.n_entries = 1;
		size = asafo__record__manifest__get_packed_size(&one);
		if (bytes > 0 && bytes + size > max_bytes)
			return 0;
		r = buf_reserve(ret_manifest, size);
		if (r < 0)
			return r;
		/* The concatenation of two messages is a message with both their repeated fields.
		 */
		ret_manifest->size += asafo__record__manifest__pack(
			&one, ret_manifest->data + ret_manifest->size);
		bytes += size;
		memcpy(after, name, key->mv_size + 1);
		r = store_code(mdb_cursor_get(cursor, key, digest, MDB_NEXT));
	}
	*ret_is_last = r == ERR_NOT_FOUND;
	return r == ERR_NOT_FOUND ? 0 : r;
}

int replica_manifest_next(struct store_replica *replica, size_t max_bytes,
			  char after[static STORE_KEY_MAX + 1], struct buf *ret_manifest,
			  bool *ret_is_last)
{
	_cleanup_txn_ MDB_txn *txn = NULL;
	_cleanup_cursor_ MDB_cursor *cursor = NULL;
	size_t after_size = strlen(after);
	MDB_val key = store_val(after, after_size), digest;
	int r = store_code(mdb_txn_begin(replica->env, NULL, MDB_RDONLY, &txn));

	*ret_is_last = false;
	if (r == 0)
		r = store_code(mdb_cursor_open(txn, replica->digests, &cursor));
	if (r < 0)
		return r;
	r = store_code(
		mdb_cursor_get(cursor, &key, &digest, after_size ? MDB_SET_RANGE : MDB_FIRST));
	if (r == 0 && after_size && key.mv_size == after_size &&
	    memcmp(key.mv_data, after, after_size) == 0)
		r = store_code(mdb_cursor_get(cursor, &key, &digest, MDB_NEXT));
	if (r == ERR_NOT_FOUND)
		*ret_is_last = true;
	if (r < 0)
		return r == ERR_NOT_FOUND ? 0 : r;
	return manifest_pack(cursor, &key, &digest, max_bytes, after, ret_manifest, ret_is_last);
}
