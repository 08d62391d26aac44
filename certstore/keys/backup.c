/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both directions share one state: key, header, number of the part, running digest. A key is used
 * for one file only, since each has a salt of its own.
 */
#include "certstore/keys/backup.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "certstore/store/seal.h"
#include "certstore/store/store.h"

#define MAGIC "ASAFOBAK"
#define AT_VERSION 8
#define AT_COST 10
#define AT_ZERO 13
#define AT_SALT 16
#define SALT_SIZE 32
#define AT_CHECK 48
#define CHECK_SIZE 16
#define AT_SUM 64
#define SUM_SIZE 8
/* 64 MiB, and some tenths of a second. A file may ask for twice that. */
#define COST_LOG2_N 16
#define COST_R 8
#define COST_P 1
#define COST_LOG2_N_MIN 14
#define COST_LOG2_N_MAX 17
#define COST_BYTES_MAX (160ull * 1024 * 1024)

struct file {
	uint8_t header[BACKUP_HEADER_SIZE];
	struct secret key;
	gnutls_hash_hd_t hash;
	uint64_t n_parts, n_items;
	bool is_ended;
};

struct backup_writer {
	struct file file;
};
struct backup_reader {
	struct file file;
};

static void put_number(uint8_t *at, uint64_t number, size_t size)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)(number >> (8 * (size - 1 - i)));
}

static int hash_header(const uint8_t *header, uint8_t ret_digest[static 32])
{
	return gnutls_hash_fast(GNUTLS_DIG_SHA256, header, AT_SUM, ret_digest) < 0 ? ERR_CRYPTO : 0;
}

/* The key, and what stands as the check in the header. */
static int derive(const uint8_t *header, const struct secret *passphrase, struct secret *ret_key,
		  uint8_t ret_check[static CHECK_SIZE])
{
	_cleanup_(secret_done) struct secret both = {0};
	const uint8_t *cost = header + AT_COST;
	int r = secret_init(&both, 2 * SEAL_KEY_SIZE);

	if (r < 0)
		return r;
	if (EVP_PBE_scrypt((const char *)passphrase->data, passphrase->size, header + AT_SALT,
			   SALT_SIZE, 1ull << cost[0], cost[1], cost[2], COST_BYTES_MAX, both.data,
			   both.size) != 1)
		return ERR_CRYPTO;
	memcpy(ret_check, both.data + SEAL_KEY_SIZE, CHECK_SIZE);
	return secret_init_copy(ret_key, both.data, SEAL_KEY_SIZE);
}

static void file_done(struct file *file)
{
	secret_done(&file->key);
	if (file->hash)
		gnutls_hash_deinit(file->hash, NULL);
	file->hash = NULL;
}

static int file_hash(struct file *file, const void *data, size_t size)
{
	return gnutls_hash(file->hash, data, size) < 0 ? ERR_CRYPTO : 0;
}

static int file_begin(struct file *file)
{
	if (gnutls_hash_init(&file->hash, GNUTLS_DIG_SHA256) < 0) {
		file->hash = NULL;
		return ERR_CRYPTO;
	}
	return file_hash(file, file->header, sizeof(file->header));
}

#define ASSOCIATED_SIZE (BACKUP_HEADER_SIZE + 9)

static void associate(const struct file *file, bool is_last,
		      uint8_t ret_data[static ASSOCIATED_SIZE])
{
	memcpy(ret_data, file->header, BACKUP_HEADER_SIZE);
	put_number(ret_data + BACKUP_HEADER_SIZE, file->n_parts, 8);
	ret_data[ASSOCIATED_SIZE - 1] = is_last;
}

/* ---- writing ---- */

void backup_writer_free(struct backup_writer *writer)
{
	if (!writer)
		return;
	file_done(&writer->file);
	free(writer);
}

static inline void backup_writer_free_p(struct backup_writer **writer)
{
	backup_writer_free(*writer);
}

static int make_header(struct file *file, const struct secret *passphrase)
{
	uint8_t *header = file->header, digest[32];
	int r = 0;

	memcpy(header, MAGIC, AT_VERSION);
	put_number(header + AT_VERSION, BACKUP_VERSION, 2);
	header[AT_COST] = COST_LOG2_N;
	header[AT_COST + 1] = COST_R;
	header[AT_COST + 2] = COST_P;
	if (gnutls_rnd(GNUTLS_RND_KEY, header + AT_SALT, SALT_SIZE) < 0)
		r = ERR_CRYPTO;
	if (r == 0)
		r = derive(header, passphrase, &file->key, header + AT_CHECK);
	if (r == 0)
		r = hash_header(header, digest);
	if (r == 0)
		memcpy(header + AT_SUM, digest, SUM_SIZE);
	return r;
}

int backup_writer_new(const struct secret *passphrase, struct backup_writer **ret_writer,
		      struct buf *ret_bytes)
{
	_cleanup_(backup_writer_free_p) struct backup_writer *writer = calloc(1, sizeof(*writer));
	int r;

	if (!writer)
		return -ENOMEM;
	r = make_header(&writer->file, passphrase);
	if (r == 0)
		r = file_begin(&writer->file);
	if (r == 0)
		r = buf_append(ret_bytes, writer->file.header, BACKUP_HEADER_SIZE);
	if (r == 0)
		*ret_writer = TAKE_PTR(writer);
	return r;
}

static int write_part(struct file *file, const Asafo__Record__BackupPart *part,
		      struct buf *ret_bytes)
{
	_cleanup_(secret_done) struct secret plain = {0};
	_cleanup_(buf_done) struct buf sealed = {0};
	uint8_t associated[ASSOCIATED_SIZE], frame[BACKUP_SIZE_SIZE + SEAL_NONCE_SIZE];
	size_t size = asafo__record__backup_part__get_packed_size(part), begin = ret_bytes->size;
	int r;

	if (size > BACKUP_PART_MAX)
		return ERR_TOO_LARGE;
	r = secret_init(&plain, size);
	if (r < 0)
		return r;
	(void)asafo__record__backup_part__pack(part, plain.data);
	associate(file, part->end != NULL, associated);
	r = seal_encrypt(&file->key, associated, sizeof(associated), plain.data, size,
			 frame + BACKUP_SIZE_SIZE, &sealed);
	put_number(frame, SEAL_NONCE_SIZE + sealed.size, BACKUP_SIZE_SIZE);
	if (r == 0)
		r = buf_append(ret_bytes, frame, sizeof(frame));
	if (r == 0)
		r = buf_append(ret_bytes, sealed.data, sealed.size);
	file->n_parts++;
	return r < 0 ? r : file_hash(file, ret_bytes->data + begin, ret_bytes->size - begin);
}

int backup_writer_head(struct backup_writer *writer, const Asafo__Record__BackupHead *head,
		       struct buf *ret_bytes)
{
	Asafo__Record__BackupPart part = ASAFO__RECORD__BACKUP_PART__INIT;

	part.head = (Asafo__Record__BackupHead *)(uintptr_t)head;
	return write_part(&writer->file, &part, ret_bytes);
}

int backup_writer_batch(struct backup_writer *writer, Asafo__Record__ItemBatch *batch, bool is_unit,
			struct buf *ret_bytes)
{
	Asafo__Record__BackupPart part = ASAFO__RECORD__BACKUP_PART__INIT;

	part.batch = is_unit ? NULL : batch;
	part.unit_batch = is_unit ? batch : NULL;
	writer->file.n_items += batch->n_items;
	return write_part(&writer->file, &part, ret_bytes);
}

int backup_writer_end(struct backup_writer *writer, struct buf *ret_bytes)
{
	Asafo__Record__BackupPart part = ASAFO__RECORD__BACKUP_PART__INIT;
	Asafo__Record__BackupEnd end = ASAFO__RECORD__BACKUP_END__INIT;
	uint8_t digest[32];

	gnutls_hash_output(writer->file.hash, digest);
	end.items = writer->file.n_items;
	end.digest = (ProtobufCBinaryData){sizeof(digest), digest};
	part.end = &end;
	return write_part(&writer->file, &part, ret_bytes);
}

/* ---- reading ---- */

void backup_part_done(struct backup_part *part)
{
	Asafo__Record__BackupPart *message = part->message;

	if (!message)
		return;
	if (message->head && message->head->key.data)
		explicit_bzero(message->head->key.data, message->head->key.len);
	asafo__record__backup_part__free_unpacked(message, NULL);
	part->message = NULL;
}

static bool head_is_whole(const Asafo__Record__BackupHead *head)
{
	return head->position && head->position->digest.len == STORE_DIGEST_SIZE &&
	       head->key.len == SEAL_KEY_SIZE && head->config.len <= BACKUP_CONFIG_MAX;
}

static bool batch_is_whole(const Asafo__Record__ItemBatch *batch)
{
	for (size_t i = 0; i < batch->n_items; i++) {
		const Asafo__Record__Item *item = batch->items[i];

		if (item->deleted || item->value.len == 0 || item->value.len > STORE_VALUE_MAX ||
		    strnlen(item->key, STORE_KEY_MAX + 1) > STORE_KEY_MAX)
			return false;
	}
	return batch->n_items > 0;
}

/* One member, and that is as it should be. */
static bool is_whole(const Asafo__Record__BackupPart *part)
{
	if (!!part->head + !!part->batch + !!part->unit_batch + !!part->end != 1)
		return false;
	if (part->head)
		return head_is_whole(part->head);
	return part->end ? part->end->digest.len == 32
			 : batch_is_whole(part->batch ? part->batch : part->unit_batch);
}

int backup_part_parse(const uint8_t *data, size_t size, struct backup_part *ret_part)
{
	struct backup_part part = {.message = asafo__record__backup_part__unpack(NULL, size, data)};
	const Asafo__Record__BackupPart *message = part.message;

	if (!message)
		return ERR_MALFORMED;
	part.kind = message->head	  ? BACKUP_HEAD
		    : message->batch	  ? BACKUP_BATCH
		    : message->unit_batch ? BACKUP_UNIT_BATCH
					  : BACKUP_END;
	if (!is_whole(message)) {
		backup_part_done(&part);
		return ERR_MALFORMED;
	}
	*ret_part = part;
	return 0;
}

static bool cost_is_bearable(const uint8_t *cost)
{
	return cost[0] >= COST_LOG2_N_MIN && cost[0] <= COST_LOG2_N_MAX && cost[1] == COST_R &&
	       cost[2] == COST_P;
}

int backup_header_check(const uint8_t header[static BACKUP_HEADER_SIZE], struct why *ret_why)
{
	static const uint8_t zero[AT_SALT - AT_ZERO];
	uint8_t digest[32];
	unsigned version = (unsigned)header[AT_VERSION] << 8 | header[AT_VERSION + 1];

	if (memcmp(header, MAGIC, AT_VERSION) != 0)
		return why_set(
			ret_why, ERR_MALFORMED,
			"this is no backup of asafo's: name a file that `asafo backup` wrote");
	/* What follows may mean something else then. */
	if (version > BACKUP_VERSION)
		return why_set(ret_why, ERR_VERSION,
			       "this backup has version %u of the format, and this release reads "
			       "up to %d: restore it with the release that made it, or a later one",
			       version, BACKUP_VERSION);
	if (hash_header(header, digest) < 0)
		return ERR_CRYPTO;
	if (version == 0 || memcmp(header + AT_SUM, digest, SUM_SIZE) != 0 ||
	    memcmp(header + AT_ZERO, zero, sizeof(zero)) != 0)
		return why_set(ret_why, ERR_MALFORMED,
			       "the backup is damaged in its first %d bytes: take another copy",
			       BACKUP_HEADER_SIZE);
	if (!cost_is_bearable(header + AT_COST))
		return why_set(ret_why, ERR_UNSUPPORTED,
			       "the backup asks for scrypt with N=2^%u r=%u p=%u, which asafo "
			       "never writes: it was not made by it",
			       header[AT_COST], header[AT_COST + 1], header[AT_COST + 2]);
	return 0;
}

void backup_reader_free(struct backup_reader *reader)
{
	if (!reader)
		return;
	file_done(&reader->file);
	free(reader);
}

static inline void backup_reader_free_p(struct backup_reader **reader)
{
	backup_reader_free(*reader);
}

int backup_reader_new(const uint8_t header[static BACKUP_HEADER_SIZE],
		      const struct secret *passphrase, struct backup_reader **ret_reader,
		      struct why *ret_why)
{
	_cleanup_(backup_reader_free_p) struct backup_reader *reader = calloc(1, sizeof(*reader));
	uint8_t check[CHECK_SIZE];
	int r = reader ? backup_header_check(header, ret_why) : -ENOMEM;

	if (r < 0)
		return r;
	memcpy(reader->file.header, header, BACKUP_HEADER_SIZE);
	r = derive(header, passphrase, &reader->file.key, check);
	if (r == 0)
		r = file_begin(&reader->file);
	if (r < 0)
		return why_set(ret_why, r, "the backup's key cannot be derived: %s", err_text(r));
	if (gnutls_memcmp(check, header + AT_CHECK, CHECK_SIZE) != 0)
		return why_set(ret_why, ERR_BAD_PASSPHRASE,
			       "this is not the passphrase that the backup was sealed with");
	*ret_reader = TAKE_PTR(reader);
	return 0;
}

int backup_sealed_size(const uint8_t size[static BACKUP_SIZE_SIZE], size_t *ret_size)
{
	size_t n = (size_t)size[0] << 24 | (size_t)size[1] << 16 | (size_t)size[2] << 8 | size[3];

	if (n < BACKUP_SEALED_MIN || n > BACKUP_SEALED_MAX)
		return ERR_MALFORMED;
	*ret_size = n;
	return 0;
}

static int open_sealed(struct file *file, const uint8_t *sealed, size_t size, bool is_last,
		       struct secret *ret_plain)
{
	ProtobufCBinaryData nonce = {SEAL_NONCE_SIZE, (uint8_t *)(uintptr_t)sealed};
	ProtobufCBinaryData rest = {size - SEAL_NONCE_SIZE,
				    (uint8_t *)(uintptr_t)sealed + SEAL_NONCE_SIZE};
	uint8_t associated[ASSOCIATED_SIZE];

	associate(file, is_last, associated);
	return seal_decrypt(&file->key, associated, sizeof(associated), &nonce, &rest, ret_plain);
}

static bool end_fits(struct file *file, const Asafo__Record__BackupEnd *end)
{
	uint8_t digest[32];

	gnutls_hash_output(file->hash, digest);
	return end->items == file->n_items && memcmp(digest, end->digest.data, sizeof(digest)) == 0;
}

/* What was sealed as the last part is an end, and nothing else is. */
static int check_order(struct file *file, const struct backup_part *part, bool is_last)
{
	if ((part->kind == BACKUP_END) != is_last ||
	    (part->kind == BACKUP_HEAD) != (file->n_parts == 0))
		return ERR_MALFORMED;
	if (part->kind == BACKUP_BATCH)
		file->n_items += part->message->batch->n_items;
	if (part->kind == BACKUP_UNIT_BATCH)
		file->n_items += part->message->unit_batch->n_items;
	return part->kind == BACKUP_END && !end_fits(file, part->message->end) ? ERR_INTEGRITY : 0;
}

static int read_part(struct file *file, const uint8_t *sealed, size_t size,
		     struct backup_part *ret_part)
{
	_cleanup_(secret_done) struct secret plain = {0};
	_cleanup_(backup_part_done) struct backup_part part = {0};
	uint8_t length[BACKUP_SIZE_SIZE];
	bool is_last = false;
	int r;

	if (file->is_ended || size < BACKUP_SEALED_MIN || size > BACKUP_SEALED_MAX)
		return ERR_MALFORMED;
	r = open_sealed(file, sealed, size, false, &plain);
	if (r == ERR_INTEGRITY) {
		is_last = true;
		r = open_sealed(file, sealed, size, true, &plain);
	}
	if (r == 0)
		r = backup_part_parse(plain.data, plain.size, &part);
	if (r == 0)
		r = check_order(file, &part, is_last);
	put_number(length, size, sizeof(length));
	if (r == 0)
		r = file_hash(file, length, sizeof(length));
	if (r == 0)
		r = file_hash(file, sealed, size);
	if (r < 0)
		return r;
	file->n_parts++;
	file->is_ended = is_last;
	*ret_part = part;
	part.message = NULL;
	return 0;
}

int backup_reader_part(struct backup_reader *reader, const uint8_t *sealed, size_t size,
		       struct backup_part *ret_part, struct why *ret_why)
{
	int r = read_part(&reader->file, sealed, size, ret_part);

	if (r == ERR_INTEGRITY || r == ERR_MALFORMED)
		return why_set(ret_why, ERR_INTEGRITY,
			       "the backup is damaged in its part %llu: take another copy",
			       (unsigned long long)reader->file.n_parts + 1);
	return r < 0 ? why_set(ret_why, r, "the backup cannot be read: %s", err_text(r)) : 0;
}
