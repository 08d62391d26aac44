/* SPDX-License-Identifier: Apache-2.0 */
/* Which cipher suites the operator may set, and what is said of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "config/config.h"

static int apply(struct config *config, const char *text, struct config_error *ret_error)
{
	return config_apply_text(config, "test", text, strlen(text), ret_error);
}

static struct config *make(const char *text)
{
	struct config *config = NULL;
	struct config_error error = {0};

	assert_int_equal(config_new(&config), 0);
	if (apply(config, text, &error) != 0)
		fail_msg("%u:%u: %s", error.line, error.column, error.why.text);
	return config;
}

static void cipher_suites_are_set_by_level_or_by_name(void **state)
{
	static const char list[] = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305";
	struct config *config =
		make("ssl cipher tlsv1.3 high\nssl cipher tlsv1.2 custom "
		     "\"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305\"");
	const struct config_cipher *ciphers = config->ciphers;
	struct config_suite suites[CONFIG_CIPHERS_MAX];
	struct config_error error;

	(void)state;
	assert_string_equal(ciphers[CONFIG_CIPHER_TLS12].custom, list);
	assert_int_equal(
		config_cipher_suites(&ciphers[CONFIG_CIPHER_TLS12], CONFIG_CIPHER_TLS12, suites),
		2);
	assert_int_equal(suites[1].code, 0xcca9);
	assert_int_equal(
		config_cipher_suites(&ciphers[CONFIG_CIPHER_TLS13], CONFIG_CIPHER_TLS13, suites),
		1);
	assert_string_equal(suites[0].name, "TLS_AES_256_GCM_SHA384");
	assert_int_equal(apply(config, "ssl cipher tlsv1.2 custom AES128-SHA", &error), ERR_SYNTAX);
	assert_non_null(strstr(error.why.text,
			       "\"AES128-SHA\" is no cipher suite that is served under "
			       "tlsv1.2: those are ECDHE-ECDSA-AES128-GCM-SHA256:"));
	assert_int_equal(
		apply(config, "ssl cipher tlsv1.3 custom ECDHE-RSA-AES256-GCM-SHA384", &error),
		ERR_SYNTAX);
	assert_int_equal(apply(config, "ssl cipher tlsv1.3 custom \"\"", &error), ERR_SYNTAX);
	assert_int_equal(apply(config, "ssl cipher tlsv1.3 custom TLS_AES_128_GCM_SHA256:", &error),
			 ERR_SYNTAX);
	assert_int_equal(apply(config,
			       "ssl cipher tlsv1.3 custom "
			       "TLS_AES_128_GCM_SHA256:TLS_AES_128_GCM_SHA256",
			       &error),
			 ERR_SYNTAX);
	assert_int_equal(apply(config, "no ssl cipher tlsv1.2", NULL), 0);
	assert_int_equal(
		config_cipher_suites(&ciphers[CONFIG_CIPHER_TLS12], CONFIG_CIPHER_TLS12, suites),
		6);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cipher_suites_are_set_by_level_or_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
