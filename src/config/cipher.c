/* SPDX-License-Identifier: Apache-2.0 */
#include "config/cipher.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

/* In the order in which they are preferred. */
static const struct {
	const char *name;
	uint16_t code;
	enum config_cipher_version version;
	bool is_fips, is_high;
} suites[] = {
	{"ECDHE-ECDSA-AES128-GCM-SHA256", 0xc02b, CONFIG_CIPHER_TLS12, true, false},
	{"ECDHE-RSA-AES128-GCM-SHA256", 0xc02f, CONFIG_CIPHER_TLS12, true, false},
	{"ECDHE-ECDSA-AES256-GCM-SHA384", 0xc02c, CONFIG_CIPHER_TLS12, true, true},
	{"ECDHE-RSA-AES256-GCM-SHA384", 0xc030, CONFIG_CIPHER_TLS12, true, true},
	{"ECDHE-ECDSA-CHACHA20-POLY1305", 0xcca9, CONFIG_CIPHER_TLS12, false, false},
	{"ECDHE-RSA-CHACHA20-POLY1305", 0xcca8, CONFIG_CIPHER_TLS12, false, false},
	{"TLS_AES_128_GCM_SHA256", 0x1301, CONFIG_CIPHER_TLS13, true, false},
	{"TLS_AES_256_GCM_SHA384", 0x1302, CONFIG_CIPHER_TLS13, true, true},
	{"TLS_CHACHA20_POLY1305_SHA256", 0x1303, CONFIG_CIPHER_TLS13, false, false},
};
#define N_SUITES ARRAY_SIZE(suites)

static const char *const levels[CONFIG_CIPHER_LEVEL__MAX] = {
	[CONFIG_CIPHER_MEDIUM] = "medium",
	[CONFIG_CIPHER_FIPS] = "fips",
	[CONFIG_CIPHER_HIGH] = "high",
	[CONFIG_CIPHER_CUSTOM] = "custom",
};

const char *config_cipher_version_word(enum config_cipher_version version)
{
	return version == CONFIG_CIPHER_TLS13 ? "tlsv1.3" : "tlsv1.2";
}

const char *config_cipher_level_word(enum config_cipher_level level)
{
	return (unsigned)level < CONFIG_CIPHER_LEVEL__MAX ? levels[level] : "unknown";
}

bool config_cipher_level_find(const char *word, enum config_cipher_level *ret_level)
{
	for (int i = 0; i < CONFIG_CIPHER_LEVEL__MAX; i++) {
		if (strcmp(levels[i], word) == 0) {
			*ret_level = (enum config_cipher_level)i;
			return true;
		}
	}
	return false;
}

/* The suite with the first SIZE bytes of NAME; N_SUITES: there is none of this version. */
static size_t find_suite(const char *name, size_t size, enum config_cipher_version version)
{
	size_t i = 0;

	while (i < N_SUITES && (suites[i].version != version || strlen(suites[i].name) != size ||
				memcmp(suites[i].name, name, size) != 0))
		i++;
	return i;
}

static bool is_of_level(size_t suite, enum config_cipher_level level)
{
	if (level == CONFIG_CIPHER_FIPS)
		return suites[suite].is_fips;
	return level == CONFIG_CIPHER_MEDIUM || suites[suite].is_high;
}

static size_t custom_suites(const char *list, enum config_cipher_version version,
			    struct config_suite ret_suites[static CONFIG_CIPHERS_MAX])
{
	size_t n = 0;

	while (*list && n < CONFIG_CIPHERS_MAX) {
		size_t size = strcspn(list, ":"), suite = find_suite(list, size, version);

		if (suite < N_SUITES)
			ret_suites[n++] =
				(struct config_suite){suites[suite].name, suites[suite].code};
		list += size + (list[size] == ':');
	}
	return n;
}

size_t config_cipher_suites(const struct config_cipher *cipher, enum config_cipher_version version,
			    struct config_suite ret_suites[static CONFIG_CIPHERS_MAX])
{
	size_t n = 0;

	if (cipher->level == CONFIG_CIPHER_CUSTOM)
		return custom_suites(cipher->custom, version, ret_suites);
	for (size_t i = 0; i < N_SUITES && n < CONFIG_CIPHERS_MAX; i++) {
		if (suites[i].version == version && is_of_level(i, cipher->level))
			ret_suites[n++] = (struct config_suite){suites[i].name, suites[i].code};
	}
	return n;
}

static int refuse_suite(const char *name, size_t size, enum config_cipher_version version,
			struct why *ret_why)
{
	char known[CONFIG_CIPHERS_TEXT_MAX] = "";
	size_t used = 0;

	for (size_t i = 0; i < N_SUITES; i++) {
		if (suites[i].version == version)
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
						 used > 0 ? ":" : "", suites[i].name);
	}
	return why_set(ret_why, ERR_SYNTAX,
		       "\"%.*s\" is no cipher suite that is served under %s: those are %s",
		       (int)(size < 64 ? size : 64), name, config_cipher_version_word(version),
		       known);
}

int config_cipher_check(const char *list, enum config_cipher_version version, struct why *ret_why)
{
	bool is_seen[N_SUITES] = {false};

	if (strlen(list) >= CONFIG_CIPHERS_TEXT_MAX)
		return why_set(ret_why, ERR_SYNTAX, "a list of cipher suites has at most %d bytes",
			       CONFIG_CIPHERS_TEXT_MAX - 1);
	for (;;) {
		size_t size = strcspn(list, ":"), suite = find_suite(list, size, version);

		if (suite == N_SUITES)
			return refuse_suite(list, size, version, ret_why);
		if (is_seen[suite])
			return why_set(ret_why, ERR_SYNTAX, "%s is in the list twice",
				       suites[suite].name);
		is_seen[suite] = true;
		if (list[size] == '\0')
			return 0;
		list += size + 1;
	}
}
