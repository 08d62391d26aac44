/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order matters: what a library would look up later is looked up first, Landlock comes before
 * seccomp (which forbids the calls that set it up), and the system call filter is last.
 * libseccomp's errors are negated errnos already.
 */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sandbox/rule.h"

static void filter_release(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

static int filter_allow(scmp_filter_ctx filter, const struct sandbox_rules *table)
{
	for (size_t i = 0; i < table->n_rules; i++) {
		const struct sandbox_rule *rule = &table->rules[i];
		int r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->call, rule->n_when,
					       rule->when);

		if (r < 0)
			return r;
	}
	return 0;
}

static bool has_rule(const struct sandbox_profile_row *row, int call)
{
	for (const struct sandbox_rules *table = row->tables; table->rules; table++) {
		for (size_t i = 0; i < table->n_rules; i++) {
			if (table->rules[i].call == call)
				return true;
		}
	}
	return false;
}

/* Of an open profile: what it is not to have. A namespace of one's own would give capabilities. */
static int filter_deny(scmp_filter_ctx filter, const struct sandbox_profile_row *row)
{
	static const uint64_t namespaces[] = {CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,
					      CLONE_NEWIPC, CLONE_NEWUSER,   CLONE_NEWPID,
					      CLONE_NEWNET};
	size_t n_fatal;
	const int *fatal = sandbox_fatal_calls(&n_fatal);
	int r = 0;

	for (size_t i = 0; i < n_fatal && r == 0; i++) {
		if (!has_rule(row, fatal[i]))
			r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), fatal[i], 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(namespaces) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
	return r;
}

static int filter_permit(scmp_filter_ctx filter, const struct sandbox_profile_row *row)
{
	struct sandbox_rules sanitizer = sandbox_sanitizer_rules();
	const int *fatal;
	size_t n_fatal;
	int r;

	for (const struct sandbox_rules *table = row->tables; table->rules; table++) {
		r = filter_allow(filter, table);
		if (r < 0)
			return r;
	}
	r = filter_allow(filter, &sanitizer);
	if (r < 0)
		return r;
	fatal = sandbox_fatal_calls(&n_fatal);
	for (size_t i = 0; i < n_fatal; i++) {
		r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, fatal[i], 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static int filter_fill(scmp_filter_ctx filter, const struct sandbox_profile_row *row)
{
	int r = row->is_open ? filter_deny(filter, row) : filter_permit(filter, row);

	if (r < 0)
		return r;
	/* glibc falls back to clone(2), whose flags a filter can read, only when clone3 is not
	 * there. */
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int filter_enter(const struct sandbox_profile_row *row, struct why *ret_why)
{
	_cleanup_(filter_release) scmp_filter_ctx filter =
		seccomp_init(row->is_open ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!filter)
		return why_set(ret_why, -ENOMEM, "sandbox %s: no memory for the system call filter",
			       row->name);
	/* A binary tree: the filter runs at every system call. Where libseccomp cannot, a list does
	 * as well. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	r = filter_fill(filter, row);
	if (r == 0)
		r = seccomp_load(filter);
	if (r < 0)
		return why_set(
			ret_why, r,
			"sandbox %s: the kernel took no system call filter (seccomp): %s; a kernel "
			"with CONFIG_SECCOMP_FILTER is needed",
			row->name, strerror(-r));
	return 0;
}

static int privileges_drop(const char *name, struct why *ret_why)
{
	static const struct rlimit no_core = {0, 0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &no_core) < 0)
		return why_set(ret_why, -errno, "sandbox %s: cannot give up privileges: %s", name,
			       strerror(errno));
	return 0;
}

/*
 * Where somebody makes it dump a core all the same (a debugger, a changed limit), no page is in it:
 * libraries for large numbers leave pieces of keys on the heap. Inherited over fork and exec, so
 * that a process which may not write here any more has it from the supervisor.
 */
static void memory_withhold(void)
{
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, "0", 1);
	(void)close(fd);
}

int sandbox_enter(enum sandbox_profile profile, const struct sandbox_paths *paths,
		  struct why *ret_why)
{
	static const struct sandbox_paths no_paths;
	const struct sandbox_profile_row *row = sandbox_profile_row(profile);
	int r;

	if (ret_why)
		ret_why->text[0] = '\0';
	memory_withhold();
	if (!row->is_filtered)
		return privileges_drop(row->name, ret_why);
	/*
	 * localtime(3) looks at /etc/localtime again and again while TZ is unset, and would fall
	 * back to UTC behind the wall.
	 */
	if (setenv("TZ", ":/etc/localtime", 0) < 0)
		return why_set(ret_why, -ENOMEM, "sandbox %s: no memory", row->name);
	tzset();
	r = privileges_drop(row->name, ret_why);
	if (r == 0)
		r = sandbox_landlock_enter(row, paths ? paths : &no_paths, ret_why);
	if (r == 0)
		r = filter_enter(row, ret_why);
	return r;
}
