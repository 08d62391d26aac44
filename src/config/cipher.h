/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"

/*
 * Cipher suites by OpenSSL's names, as `ssl cipher` has them. Those that are known are those of
 * Mozilla's "intermediate" with a key exchange on an elliptic curve; `medium`, the default, is all
 * of them.
 */
#define CONFIG_CIPHERS_MAX 6	    /* of one version */
#define CONFIG_CIPHERS_TEXT_MAX 256 /* of a custom list, NUL included */

enum config_cipher_version { CONFIG_CIPHER_TLS12, CONFIG_CIPHER_TLS13, CONFIG_CIPHER_VERSION__MAX };

enum config_cipher_level {
	CONFIG_CIPHER_MEDIUM, /* all */
	CONFIG_CIPHER_FIPS,   /* AES-GCM */
	CONFIG_CIPHER_HIGH,   /* AES-256-GCM */
	CONFIG_CIPHER_CUSTOM,
	CONFIG_CIPHER_LEVEL__MAX,
};

struct config_cipher {
	enum config_cipher_level level;
	char custom[CONFIG_CIPHERS_TEXT_MAX]; /* "A:B", checked; empty but for CUSTOM */
};

/* "tlsv1.2", "medium" */
const char *config_cipher_version_word(enum config_cipher_version version);
const char *config_cipher_level_word(enum config_cipher_level level);
/* False: it is none. */
bool config_cipher_level_find(const char *word, enum config_cipher_level *ret_level);
/*
 * The suites of a setting, the one that is preferred first: their names (static) and IANA's
 * numbers. Returns how many. What is not known in a custom list is left out: config_cipher_check
 * refuses it.
 */
struct config_suite {
	const char *name;
	uint16_t code;
};
size_t config_cipher_suites(const struct config_cipher *cipher, enum config_cipher_version version,
			    struct config_suite ret_suites[static CONFIG_CIPHERS_MAX]);
/* Whether each name of LIST ("A:B") is a suite of VERSION, once. Errors: ERR_SYNTAX, with a
 * sentence.
 */
int config_cipher_check(const char *list, enum config_cipher_version version, struct why *ret_why);
