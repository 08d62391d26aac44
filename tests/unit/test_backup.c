/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a backup: what was written is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "certstore/keys/backup.h"
#include "certstore/store/store.h"

static struct secret passphrase_of(const char *text)
{
	struct secret passphrase;

	assert_int_equal(secret_init_copy(&passphrase, text, strlen(text)), 0);
	return passphrase;
}

static void write_head(struct backup_writer *writer, struct buf *file)
{
	Asafo__Record__BackupHead head = ASAFO__RECORD__BACKUP_HEAD__INIT;
	Asafo__Record__Position position = ASAFO__RECORD__POSITION__INIT;
	uint8_t key[32] = {2}, digest[STORE_DIGEST_SIZE] = {3};
	char hostname[] = "vpn";

	position.digest = (ProtobufCBinaryData){sizeof(digest), digest};
	head.key = (ProtobufCBinaryData){sizeof(key), key};
	head.hostname = hostname;
	head.position = &position;
	assert_int_equal(backup_writer_head(writer, &head, file), 0);
}

static void write_batch(struct backup_writer *writer, struct buf *file)
{
	Asafo__Record__Item item = ASAFO__RECORD__ITEM__INIT, *items[] = {&item};
	Asafo__Record__ItemBatch batch = ASAFO__RECORD__ITEM_BATCH__INIT;
	uint8_t value[] = "record";
	char key[] = "trustpoint/vpn";

	item.key = key;
	item.value = (ProtobufCBinaryData){sizeof(value), value};
	batch.items = items;
	batch.n_items = 1;
	assert_int_equal(backup_writer_batch(writer, &batch, false, file), 0);
}

/* Where each part begins, and the end of the file. */
struct whole {
	struct buf file;
	size_t at[4];
};

static struct whole make_file(void)
{
	struct secret passphrase = passphrase_of("correct horse");
	struct backup_writer *writer;
	struct whole whole = {0};

	assert_int_equal(backup_writer_new(&passphrase, &writer, &whole.file), 0);
	whole.at[0] = whole.file.size;
	write_head(writer, &whole.file);
	whole.at[1] = whole.file.size;
	write_batch(writer, &whole.file);
	whole.at[2] = whole.file.size;
	assert_int_equal(backup_writer_end(writer, &whole.file), 0);
	whole.at[3] = whole.file.size;
	backup_writer_free(writer);
	secret_done(&passphrase);
	return whole;
}

static int read_parts(struct backup_reader *reader, const uint8_t *data, size_t size)
{
	enum backup_kind kind = BACKUP_HEAD;

	for (size_t at = 0; at < size;) {
		struct backup_part part = {0};
		size_t sealed;
		int r = size - at < BACKUP_SIZE_SIZE ? ERR_MALFORMED
						     : backup_sealed_size(data + at, &sealed);

		at += BACKUP_SIZE_SIZE;
		if (r == 0 && size - at < sealed)
			r = ERR_MALFORMED;
		if (r == 0)
			r = backup_reader_part(reader, data + at, sealed, &part, NULL);
		if (r < 0)
			return r;
		at += sealed;
		kind = part.kind;
		backup_part_done(&part);
	}
	return kind == BACKUP_END ? 0 : ERR_MALFORMED;
}

static int read_file(const uint8_t *data, size_t size, const char *text, struct why *why)
{
	struct secret passphrase = passphrase_of(text);
	struct backup_reader *reader = NULL;
	int r = size < BACKUP_HEADER_SIZE ? ERR_MALFORMED
					  : backup_reader_new(data, &passphrase, &reader, why);

	if (r == 0)
		r = read_parts(reader, data + BACKUP_HEADER_SIZE, size - BACKUP_HEADER_SIZE);
	backup_reader_free(reader);
	secret_done(&passphrase);
	return r;
}

static void what_was_written_is_read(void **state)
{
	struct whole whole = make_file(), other = make_file();

	(void)state;
	assert_int_equal(read_file(whole.file.data, whole.file.size, "correct horse", NULL), 0);
	/* The same once more is another file: nobody sees from outside that nothing changed. */
	assert_memory_not_equal(whole.file.data + 16, other.file.data + 16, 32);
	buf_done(&whole.file);
	buf_done(&other.file);
}

static void another_passphrase_is_told_apart_from_damage(void **state)
{
	struct whole whole = make_file();
	struct why why = {0};

	(void)state;
	assert_int_equal(read_file(whole.file.data, whole.file.size, "correct horsf", &why),
			 ERR_BAD_PASSPHRASE);
	assert_non_null(strstr(why.text, "not the passphrase"));
	buf_done(&whole.file);
}

static void any_bit_of_the_header_that_is_turned_over_is_found(void **state)
{
	struct whole whole = make_file();

	(void)state;
	for (size_t bit = 0; bit < 8 * BACKUP_HEADER_SIZE; bit++) {
		whole.file.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(backup_header_check(whole.file.data, NULL) < 0);
		whole.file.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(backup_header_check(whole.file.data, NULL), 0);
	buf_done(&whole.file);
}

/* One scrypt for all of them: the reader is used until its first failure, and a copy of the parts
 * before the damage leads there. */
static void any_byte_of_the_parts_that_is_changed_is_found(void **state)
{
	struct whole whole = make_file();
	uint8_t *parts = whole.file.data + BACKUP_HEADER_SIZE;
	size_t size = whole.file.size - BACKUP_HEADER_SIZE;
	struct secret passphrase = passphrase_of("correct horse");

	(void)state;
	for (size_t i = 0; i < size; i += size / 24) {
		struct backup_reader *reader;

		parts[i] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(backup_reader_new(whole.file.data, &passphrase, &reader, NULL), 0);
		assert_true(read_parts(reader, parts, size) < 0);
		backup_reader_free(reader);
		parts[i] ^= (uint8_t)(1u << i % 8);
	}
	secret_done(&passphrase);
	buf_done(&whole.file);
}

static void a_file_that_was_cut_off_is_no_backup(void **state)
{
	struct whole whole = make_file();
	const size_t sizes[] = {
		0, 10, whole.at[0], whole.at[1], whole.at[2], whole.at[2] + 3, whole.at[3] - 1};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		assert_int_equal(read_file(whole.file.data, sizes[i], "correct horse", NULL),
				 ERR_MALFORMED);
	buf_done(&whole.file);
}

static void parts_that_are_left_out_doubled_or_added_are_found(void **state)
{
	struct whole whole = make_file(), other = make_file();
	struct buf file = {0};

	(void)state;
	assert_int_equal(buf_append(&file, whole.file.data, whole.at[1]), 0);
	assert_int_equal(
		buf_append(&file, whole.file.data + whole.at[2], whole.at[3] - whole.at[2]), 0);
	assert_true(read_file(file.data, file.size, "correct horse", NULL) < 0);
	file.size = whole.at[1];
	assert_int_equal(
		buf_append(&file, whole.file.data + whole.at[0], whole.at[3] - whole.at[0]), 0);
	assert_true(read_file(file.data, file.size, "correct horse", NULL) < 0);
	/* Of another file with the same passphrase. */
	file.size = whole.at[0];
	assert_int_equal(
		buf_append(&file, other.file.data + other.at[0], other.at[3] - other.at[0]), 0);
	assert_true(read_file(file.data, file.size, "correct horse", NULL) < 0);
	assert_int_equal(
		buf_append(&whole.file, whole.file.data + whole.at[1], whole.at[2] - whole.at[1]),
		0);
	assert_true(read_file(whole.file.data, whole.file.size, "correct horse", NULL) < 0);
	buf_done(&file);
	buf_done(&whole.file);
	buf_done(&other.file);
}

static void a_later_version_is_named(void **state)
{
	struct whole whole = make_file();
	struct why why = {0};

	(void)state;
	whole.file.data[9] = BACKUP_VERSION + 1;
	assert_int_equal(backup_header_check(whole.file.data, &why), ERR_VERSION);
	assert_non_null(strstr(why.text, "version 2"));
	buf_done(&whole.file);
}

static void something_else_is_no_backup(void **state)
{
	uint8_t header[BACKUP_HEADER_SIZE] = "-----BEGIN CERTIFICATE-----";
	struct why why = {0};

	(void)state;
	assert_int_equal(backup_header_check(header, &why), ERR_MALFORMED);
	assert_non_null(strstr(why.text, "no backup"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(another_passphrase_is_told_apart_from_damage),
		cmocka_unit_test(any_bit_of_the_header_that_is_turned_over_is_found),
		cmocka_unit_test(any_byte_of_the_parts_that_is_changed_is_found),
		cmocka_unit_test(a_file_that_was_cut_off_is_no_backup),
		cmocka_unit_test(parts_that_are_left_out_doubled_or_added_are_found),
		cmocka_unit_test(a_later_version_is_named),
		cmocka_unit_test(something_else_is_no_backup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
