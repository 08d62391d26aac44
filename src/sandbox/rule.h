/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "sandbox/sandbox.h"

/* One allowed word: a system call, the only reason why it is allowed, and what its argument must
 * be. */
struct sandbox_rule {
	int call;
	const char *reason;
	unsigned n_when;
	struct scmp_arg_cmp when[2];
};

struct sandbox_rules {
	const struct sandbox_rule *rules;
	size_t n_rules;
};

#define SANDBOX_TABLES_MAX 8

struct sandbox_profile_row {
	const char *name;
	bool is_filtered; /* has a system call filter and Landlock rules at all */
	bool is_open;	  /* all but the fatal calls is allowed, and those of its tables, too; the
			     others     get EPERM */
	bool is_signal_bound; /* Landlock ABI 6: may signal only processes below itself */
	struct sandbox_rules tables[SANDBOX_TABLES_MAX]; /* ends with a NULL table */
};

#define WHEN(index, mask, value)                                                                   \
	{                                                                                          \
		.arg = (index), .op = SCMP_CMP_MASKED_EQ, .datum_a = (mask), .datum_b = (value)    \
	}
#define RULE(name, why)                                                                            \
	{                                                                                          \
		.call = SCMP_SYS(name), .reason = (why)                                            \
	}
/* Allowed when (argument INDEX & MASK) == VALUE. */
#define RULE_MASKED(name, index, mask, value, why)                                                 \
	{                                                                                          \
		.call = SCMP_SYS(name), .reason = (why), .n_when = 1, .when = {                    \
			WHEN(index, mask, value)                                                   \
		}                                                                                  \
	}
/* Allowed when argument INDEX == VALUE; 32 bits, as the kernel reads an int. */
#define RULE_EQ(name, index, value, why) RULE_MASKED(name, index, UINT32_MAX, value, why)
/* Allowed when argument 0 == FIRST and (argument 1 & MASK) == SECOND. */
#define RULE_TWO(name, first, mask, second, why)                                                   \
	{                                                                                          \
		.call = SCMP_SYS(name), .reason = (why), .n_when = 2, .when = {                    \
			WHEN(0, UINT32_MAX, first),                                                \
			WHEN(1, mask, second)                                                      \
		}                                                                                  \
	}

/* setsockopt(2), of one option of one level: an option's number alone means something else at each.
 */
#define RULE_OPTION(level, option, why)                                                            \
	{                                                                                          \
		.call = SCMP_SYS(setsockopt), .reason = (why), .n_when = 2, .when = {              \
			WHEN(1, UINT32_MAX, level),                                                \
			WHEN(2, UINT32_MAX, option)                                                \
		}                                                                                  \
	}

/* What each profile may ask. PROFILE is valid. */
const struct sandbox_profile_row *sandbox_profile_row(enum sandbox_profile profile);
/* What no sandboxed process has any use for: asking kills it, since only hostile code does. */
const int *sandbox_fatal_calls(size_t *ret_n);
/* What AddressSanitizer needs beyond the profiles; empty in every other build. */
struct sandbox_rules sandbox_sanitizer_rules(void);

/*
 * Restricts the file system (and, with newer kernels, TCP and signals) to PATHS. Returns 0; a
 * kernel that lacks Landlock is reported in RET_WHY only. Errors: -errno with a sentence.
 */
int sandbox_landlock_enter(const struct sandbox_profile_row *row, const struct sandbox_paths *paths,
			   struct why *ret_why);
