/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a build with AddressSanitizer needs beyond the profiles: to write its report it reads its
 * own memory map and binary. Landlock still keeps every other file away. No other build has any of
 * this.
 */
#include "config.h"

#include <sys/prctl.h>

#include "base/cleanup.h"
#include "sandbox/rule.h"

#ifdef ASAFO_SANITIZERS

static const struct sandbox_rule rules[] = {
	RULE(open, "report: /proc/self/maps"),
	RULE(openat, "report: /proc/self/maps"),
	RULE(newfstatat, "report: its own binary"),
	RULE(stat, "report: its own binary"),
	RULE(readlink, "report: /proc/self/exe"),
	RULE(readlinkat, "report: /proc/self/exe"),
	RULE(getrlimit, "report: size of the stack"),
	RULE_EQ(prlimit64, 0, 0, "report: size of the stack"),
	RULE(pipe2, "checks whether memory is readable"),
	RULE(pipe, "checks whether memory is readable"),
	RULE(sched_getaffinity, "size of its tables"),
	RULE(rt_sigtimedwait, "report"),
	RULE(getppid, "report"),
};

struct sandbox_rules sandbox_sanitizer_rules(void)
{
	return (struct sandbox_rules){rules, ARRAY_SIZE(rules)};
}

int __lsan_is_turned_off(void);

/* The leak check stops its own process by ptrace(2), which no profile allows. */
int __lsan_is_turned_off(void)
{
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) > 0;
}

#else

struct sandbox_rules sandbox_sanitizer_rules(void)
{
	return (struct sandbox_rules){NULL, 0};
}

#endif
