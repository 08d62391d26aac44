/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <errno.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/account.h"
#include "base/cleanup.h"
#include "base/err.h"

static const int engine_capabilities[] = {
	CAP_NET_ADMIN,	      /* adds and removes addresses; SO_PRIORITY, SO_SNDBUFFORCE */
	CAP_NET_RAW,	      /* gratuitous ARP; SO_BINDTODEVICE for hellos */
	CAP_NET_BIND_SERVICE, /* the failover link's port may be below 1024 */
	CAP_IPC_LOCK,	      /* mlockall: a hello does not wait for the swap */
	CAP_SYS_NICE,	      /* SCHED_RR: a hello does not wait for a busy machine */
};

static const int front_capabilities[] = {
	CAP_NET_BIND_SERVICE, /* port 443 */
};

/*
 * What scripts of a failover pair do. Root, but without DAC_OVERRIDE: neither the store nor
 * anything else of another user can be opened by it.
 */
static const int runner_capabilities[] = {
	CAP_NET_ADMIN, /* routes, rules and addresses of the administrator's */
	CAP_NET_RAW,   /* ping */
	CAP_KILL,      /* a signal to a service that reads its configuration again */
};

static const struct table_row rows[] = {
	{IPC_PEER_KEEPER, "asafo-keeper", "asafo-keeper", NULL, 0, NULL, NULL},
	{IPC_PEER_ENGINE, "asafo-engine", "asafo-engine", engine_capabilities,
	 ARRAY_SIZE(engine_capabilities), NULL, NULL},
	{IPC_PEER_FRONT, "asafo-front", "asafo-front", front_capabilities,
	 ARRAY_SIZE(front_capabilities), NULL, NULL},
	{IPC_PEER_RUNNER, "asafo-runner", NULL, runner_capabilities,
	 ARRAY_SIZE(runner_capabilities), NULL, NULL},
	{IPC_PEER_AUTH, "asafo-auth", "asafo-auth", NULL, 0, NULL, NULL},
	{IPC_PEER_FETCH, "asafo-fetch", "asafo-fetch", NULL, 0, NULL, NULL},
	/* pam_unix asks its helper, which reads /etc/shadow as this group. */
	{IPC_PEER_PAM, "asafo-pam", "asafo-pam", NULL, 0, "shadow",
	 "no login by PAM is possible on this unit"},
};

static const int supervisor_capabilities[] = {
	CAP_NET_ADMIN,	      /* withdraws the addresses of a dead engine; large socket buffers; the
				 engine's and the runner's */
	CAP_SETUID,	      /* children have users of their own */
	CAP_SETGID,	      /* likewise */
	CAP_SETPCAP,	      /* children have smaller bounding sets */
	CAP_KILL,	      /* stops children of other users; the runner's */
	CAP_CHOWN,	      /* gives the store's folder to the keeper */
	CAP_FOWNER,	      /* sets the mode of folders that are the keeper's */
	CAP_DAC_OVERRIDE,     /* opens the startup-config that the keeper replaced */
	CAP_NET_RAW,	      /* the engine's and the runner's */
	CAP_NET_BIND_SERVICE, /* the engine's and the front's */
	CAP_IPC_LOCK,	      /* the engine's */
	CAP_SYS_NICE,	      /* the engine's */
};

const struct table_row *table_rows(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(rows);
	return rows;
}

const int *table_supervisor_capabilities(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(supervisor_capabilities);
	return supervisor_capabilities;
}

/* As ROW has it, with the group UID's own, OTHERWISE, where that says nothing else. */
static int user_make(const struct table_row *row, uid_t uid, gid_t otherwise,
		     struct table_user *ret_user, struct why *ret_why)
{
	gid_t gid = otherwise;
	int r = row->group ? account_group(row->group, &gid) : 0;

	if (r < 0 && r != ERR_NOT_FOUND)
		return why_set(ret_why, r,
			       "the group %s could not be looked up: %s; the start is to be tried "
			       "again",
			       row->group, err_text(r));
	*ret_user = (struct table_user){uid, gid};
	return 0;
}

int table_user(const struct table_row *row, uid_t uid_base, struct table_user *ret_user,
	       struct why *ret_why)
{
	const struct passwd *entry;

	if (geteuid() != 0 || !row->user) {
		*ret_user = (struct table_user){geteuid(), getegid()};
		return 0;
	}
	if (uid_base != 0) {
		uid_t uid = uid_base + (uid_t)(row - rows);

		return user_make(row, uid, uid, ret_user, ret_why);
	}
	errno = 0;
	entry = getpwnam(row->user);
	if (!entry && !account_is_absent(errno))
		return why_set(ret_why, -errno,
			       "the user %s could not be looked up: %s; the start is to be tried "
			       "again",
			       row->user, strerror(errno));
	if (!entry)
		return why_set(
			ret_why, ERR_NOT_FOUND,
			"there is no user %s: run systemd-sysusers (the package does), or give "
			"--uid-base",
			row->user);
	if (entry->pw_uid == 0)
		return why_set(ret_why, ERR_DENIED, "the user %s is root: it must not be",
			       row->user);
	return user_make(row, entry->pw_uid, entry->pw_gid, ret_user, ret_why);
}
