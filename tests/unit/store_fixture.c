/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ftw.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "certstore/store/record.pb-c.h"

char *fixture_directory(void)
{
	const char *tmp = getenv("TMPDIR");
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/asafo-test-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(path));
	return strdup(path);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
	(void)info;
	(void)type;
	(void)ftw;
	return remove(path);
}

void fixture_remove(char *directory)
{
	(void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(directory);
}

uint64_t fixture_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

void fixture_record(const char *name, uint64_t generation, size_t size, uint64_t seed,
		    struct buf *ret_record)
{
	Asafo__Record__TrustpointPublic part = ASAFO__RECORD__TRUSTPOINT_PUBLIC__INIT;
	Asafo__Record__SealedKey key = ASAFO__RECORD__SEALED_KEY__INIT;
	Asafo__Record__Record record = ASAFO__RECORD__RECORD__INIT;
	_cleanup_free_ uint8_t *filler = malloc(size ? size : 1);
	_cleanup_free_ uint8_t *packed = NULL;
	uint64_t state = seed | 1;

	assert_non_null(filler);
	for (size_t i = 0; i < size; i++)
		filler[i] = (uint8_t)(fixture_random(&state) >> 11);
	part.name = (char *)(uintptr_t)name;
	part.generation = generation;
	record.public_part.len = asafo__record__trustpoint_public__get_packed_size(&part);
	packed = malloc(record.public_part.len);
	record.public_part.data = packed;
	(void)asafo__record__trustpoint_public__pack(&part, packed);
	key.ciphertext = (ProtobufCBinaryData){size, filler};
	record.key = &key;
	assert_int_equal(buf_reserve(ret_record, asafo__record__record__get_packed_size(&record)),
			 0);
	ret_record->size = asafo__record__record__pack(&record, ret_record->data);
}

static void change(struct store *store, uint64_t term, const char *name, const struct buf *value)
{
	char key[128];
	struct store_change one = {key, value ? value->data : NULL, value ? value->size : 0};

	(void)snprintf(key, sizeof(key), "trustpoint/%s", name);
	assert_int_equal(store_change(store, term, &one, 1, NULL), 0);
}

void fixture_put(struct store *store, uint64_t term, const char *name, size_t size, uint64_t seed)
{
	struct buf record = {0};

	fixture_record(name, 1, size, seed, &record);
	change(store, term, name, &record);
	buf_done(&record);
}

void fixture_delete(struct store *store, uint64_t term, const char *name)
{
	change(store, term, name, NULL);
}

int fixture_compare_item(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct fixture_comparison *comparison = userdata;
	struct buf other = {0};

	assert_int_equal(store_get(comparison->other, key, &other), 0);
	assert_int_equal(other.size, size);
	assert_memory_equal(other.data, value, size);
	buf_done(&other);
	comparison->n++;
	return 0;
}

void fixture_assert_at(const struct store_position *a, const struct store_position *b)
{
	assert_int_equal(a->term, b->term);
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->lineage, b->lineage);
	assert_int_equal(a->has_data, b->has_data);
	assert_memory_equal(a->digest, b->digest, sizeof(a->digest));
}

void fixture_assert_same(struct store *a, struct store *b, int is_exact)
{
	struct fixture_comparison comparison = {.other = b};
	struct store_position pa, pb;

	store_position(a, &pa);
	store_position(b, &pb);
	assert_memory_equal(pa.digest, pb.digest, sizeof(pa.digest));
	assert_int_equal(pa.count, pb.count);
	if (is_exact)
		fixture_assert_at(&pa, &pb);
	assert_int_equal(store_each(a, "", fixture_compare_item, &comparison), 0);
	assert_int_equal(comparison.n, pb.count);
}

int fixture_setup(void **state)
{
	struct fixture_stores *world = calloc(1, sizeof(*world));

	for (int i = 0; i < 2; i++)
		world->directories[i] = fixture_directory();
	assert_int_equal(store_open(world->directories[0], &world->a, NULL), 0);
	assert_int_equal(store_open(world->directories[1], &world->b, NULL), 0);
	*state = world;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture_stores *world = *state;

	store_close(world->a);
	store_close(world->b);
	for (int i = 0; i < 2; i++)
		fixture_remove(world->directories[i]);
	free(world);
	return 0;
}
