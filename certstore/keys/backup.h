/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/secret.h"
#include "base/why.h"
#include "certstore/store/record.pb-c.h"

/*
 * The file that `asafo backup` writes, version 1; numbers are big endian. A header of 72 bytes:
 *
 * - 8: "ASAFOBAK"
 * - 2: the version
 * - 3: the cost of scrypt (RFC 7914): N is 2 to the first, then r, then p
 * - 3: zero
 * - 32: salt
 * - 16: check, by which another passphrase is told apart from damage
 * - 8: the first bytes of the SHA-256 of the 64 bytes before
 *
 * Then parts, each of them the size of what follows in 4 bytes (at most BACKUP_SEALED_MAX), a nonce
 * of 12 bytes, and a record.BackupPart sealed with AES-256-GCM. scrypt of passphrase and salt gives
 * 64 bytes: the first 32 are that key, the next 16 the check.
 *
 * The associated data of a part are the header, the part's number (8 bytes) and whether it is the
 * last (1 byte): no part can be left out, moved, or put into another file. The last one has the
 * digest of all bytes before it. The keys inside the records are sealed under one that was made for
 * this file and lies in its first part: who can read the file has no key to anything else.
 */
#define BACKUP_VERSION 1
#define BACKUP_HEADER_SIZE 72
#define BACKUP_PART_MAX (1024u * 1024) /* a record.BackupPart, packed */
#define BACKUP_SIZE_SIZE 4
#define BACKUP_SEALED_MIN (12 + 16 + 1)
#define BACKUP_SEALED_MAX (12 + 16 + BACKUP_PART_MAX)
#define BACKUP_CONFIG_MAX (160u * 1024)
#define BACKUP_FILE_MAX (1024ull * 1024 * 1024)

/* Each appends to RET_BYTES what goes to the file next. Errors: ERR_CRYPTO, ERR_TOO_LARGE, -ENOMEM.
 */
struct backup_writer;
/* Blocks for the time of one scrypt: some tenths of a second. */
int backup_writer_new(const struct secret *passphrase, struct backup_writer **ret_writer,
		      struct buf *ret_bytes);
void backup_writer_free(struct backup_writer *writer);
int backup_writer_head(struct backup_writer *writer, const Asafo__Record__BackupHead *head,
		       struct buf *ret_bytes);
/* IS_UNIT: of unit/. */
int backup_writer_batch(struct backup_writer *writer, Asafo__Record__ItemBatch *batch, bool is_unit,
			struct buf *ret_bytes);
int backup_writer_end(struct backup_writer *writer, struct buf *ret_bytes);

enum backup_kind {
	BACKUP_HEAD,
	BACKUP_BATCH,
	BACKUP_UNIT_BATCH,
	BACKUP_END,
};

/* Checked: exactly the member that KIND says, and sizes of key, values and digests. */
struct backup_part {
	enum backup_kind kind;
	Asafo__Record__BackupPart *message;
};
/* Wipes the key. */
void backup_part_done(struct backup_part *part);
/* The inside of a part. Errors: ERR_MALFORMED. */
int backup_part_parse(const uint8_t *data, size_t size, struct backup_part *ret_part);

struct backup_reader;
/*
 * Errors: ERR_MALFORMED (no backup, or damaged), ERR_VERSION, ERR_UNSUPPORTED (costs more than is
 * paid), ERR_BAD_PASSPHRASE, ERR_CRYPTO, -ENOMEM; RET_WHY has the sentence. Blocks as the writer
 * does.
 */
int backup_reader_new(const uint8_t header[static BACKUP_HEADER_SIZE],
		      const struct secret *passphrase, struct backup_reader **ret_reader,
		      struct why *ret_why);
void backup_reader_free(struct backup_reader *reader);
/* The checks of a header that need no passphrase. */
int backup_header_check(const uint8_t header[static BACKUP_HEADER_SIZE], struct why *ret_why);
/* How many bytes follow these four. Errors: ERR_MALFORMED. */
int backup_sealed_size(const uint8_t size[static BACKUP_SIZE_SIZE], size_t *ret_size);
/*
 * The next part, SEALED being what follows its size: a head, then batches, then the end, whose
 * count and digest are checked; then ERR_MALFORMED. Errors: ERR_INTEGRITY, ERR_MALFORMED, -ENOMEM.
 */
int backup_reader_part(struct backup_reader *reader, const uint8_t *sealed, size_t size,
		       struct backup_part *ret_part, struct why *ret_why);
