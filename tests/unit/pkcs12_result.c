/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/pkcs12_result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

void result_done(struct result *result)
{
	identity_done(&result->identity);
}

struct result import_bytes(const struct buf *file, const char *passphrase,
			   const struct identity_policy *policy)
{
	_cleanup_(secret_done) struct secret secret = {0};
	struct result result = {0};

	if (passphrase)
		secret = world_secret(passphrase);
	result.code = identity_from_file(file->data, file->size, passphrase ? &secret : NULL,
					 policy, &result.identity, &result.why);
	return result;
}

struct result import_name(const struct world *world, const char *name, const char *passphrase,
			  const struct identity_policy *policy)
{
	_cleanup_(buf_done) struct buf file = {0};
	char path[80];

	(void)snprintf(path, sizeof(path), "%s.p12", name);
	world_read(world, path, &file);
	return import_bytes(&file, passphrase, policy);
}

struct result import_pack(const struct world *world, const struct world_pack *pack)
{
	_cleanup_(buf_done) struct buf file = {0};

	world_pack(world, pack, &file);
	return import_bytes(&file, pack->passphrase, &world->policy);
}

static void assert_says(const struct why *why, const char *words)
{
	if (!strstr(why->text, words))
		fail_msg("'%s' does not say '%s'", why->text, words);
}

void assert_refused(struct result result, int code, const char *words)
{
	if (result.code != code)
		fail_msg("%s instead of %s: %s", err_name(result.code), err_name(code),
			 result.why.text);
	assert_says(&result.why, words);
	assert_null(result.identity.public_part);
	result_done(&result);
}

void assert_same_as_file(const struct world *world, const char *name, const char *part,
			 const void *data, size_t size)
{
	_cleanup_(buf_done) struct buf expected = {0};
	char path[80];

	(void)snprintf(path, sizeof(path), "%s.%s.der", name, part);
	world_read(world, path, &expected);
	assert_int_equal(size, expected.size);
	assert_memory_equal(data, expected.data, size);
}
