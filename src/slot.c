/* SPDX-License-Identifier: Apache-2.0 */
#include "slot.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "ipc/child.h"
#include "launch.h"
#include "src/ipc/ipc.pb-c.h"

/* Several of the largest frames, so that bulk replication is not a frame at a time. */
#define SOCKET_BUFFER (4 * (int)(IPC_HEADER_SIZE + IPC_BODY_MAX))
#define RESTART_FIRST_MS 100
#define RESTART_MAX_MS 5000

static int program_name(const struct slot *slot, const struct supervisor_options *options,
			char ret_name[static PATH_MAX])
{
	int n = snprintf(ret_name, PATH_MAX, "%s/%s", options->libexec_dir, slot->row->program);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int slot_init(struct slot *slot, const struct table_row *row, unsigned instance,
	      const struct supervisor_options *options, struct why *ret_why)
{
	char program[PATH_MAX];
	int r;

	slot->row = row;
	slot->instance = instance;
	if (row->kind == IPC_PEER_FRONT)
		(void)snprintf(slot->name, sizeof(slot->name), "%s %u", ipc_peer_name(row->kind),
			       instance);
	else
		(void)snprintf(slot->name, sizeof(slot->name), "%s", ipc_peer_name(row->kind));
	r = program_name(slot, options, program);
	if (r < 0)
		return why_set(ret_why, r, "--libexec-dir: the name is too long");
	if (access(program, X_OK) < 0)
		return why_set(
			ret_why, -errno,
			"cannot run \"%s\": %s; --libexec-dir says where asafo's programs are",
			program, strerror(errno));
	return table_user(row, options->uid_base, &slot->user, ret_why);
}

int slot_launch(struct slot *slot, const struct supervisor_options *options, bool is_without_pam,
		int channel_fd, int lifeline_fd)
{
	const struct folders *folders = &options->folders;
	char program[PATH_MAX], state_dir[PATH_MAX], instance[16];
	const char *argv[20];
	size_t n = 0;
	struct launch launch = {
		.program = program,
		.row = slot->row,
		.user = slot->user,
		.channel_fd = channel_fd,
		.lifeline_fd = lifeline_fd,
	};
	int r = program_name(slot, options, program);

	if (r < 0)
		return r;
	r = snprintf(state_dir, sizeof(state_dir), "%s%s", folders->state_dir,
		     slot->row->kind == IPC_PEER_KEEPER ? "/keeper" : "");
	if (r < 0 || (size_t)r >= sizeof(state_dir))
		return -ENAMETOOLONG;
	(void)snprintf(instance, sizeof(instance), "%u", slot->instance);
	argv[n++] = slot->row->program;
	argv[n++] = "--instance";
	argv[n++] = instance;
	argv[n++] = "--state-dir";
	argv[n++] = state_dir;
	argv[n++] = "--run-dir";
	argv[n++] = folders->run_dir;
	argv[n++] = "--config";
	argv[n++] = folders->config;
	if (slot->row->kind == IPC_PEER_RUNNER) {
		argv[n++] = "--hooks-dir";
		argv[n++] = folders->hooks_dir;
		argv[n++] = "--track-dir";
		argv[n++] = folders->track_dir;
	}
	if (is_without_pam && slot->row->kind == IPC_PEER_ENGINE)
		argv[n++] = "--without-pam";
	if (options->watchdog_ms > 0 && options->watchdog_ms < 3 * CHILD_BEAT_MS)
		argv[n++] = "--short-beat";
	if (options->is_verbose)
		argv[n++] = "--verbose";
	if (options->is_unsandboxed)
		argv[n++] = "--no-sandbox";
	argv[n] = NULL;
	launch.argv = argv;
	return launch_child(&launch, &slot->pid);
}

void slot_kill(const struct slot *slot)
{
	if (slot->pid <= 0)
		return;
	(void)kill(-slot->pid, SIGKILL);
	(void)kill(slot->pid, SIGKILL);
}

uint64_t slot_restart_ms(const struct slot *slot)
{
	uint64_t delay = RESTART_FIRST_MS;

	if (slot->deaths <= 1)
		return 0;
	for (unsigned i = 2; i < slot->deaths && delay < RESTART_MAX_MS; i++)
		delay *= 2;
	return delay < RESTART_MAX_MS ? delay : RESTART_MAX_MS;
}

static bool has_ended(const struct slot *slot)
{
	siginfo_t info = {0};

	return slot->pid > 0 &&
	       waitid(P_PID, (id_t)slot->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid != 0;
}

void slot_look(const struct slot *slot)
{
	if (slot->exit && has_ended(slot) &&
	    sd_event_source_set_enabled(slot->exit, SD_EVENT_OFF) >= 0)
		(void)sd_event_source_set_enabled(slot->exit, SD_EVENT_ONESHOT);
}

void slot_log_death(const struct slot *slot, const siginfo_t *info, bool is_expected)
{
	if (info->si_code == CLD_EXITED && info->si_status == 0 && is_expected)
		log_line(LOG_INFO, "%s ended", slot->name);
	else if (info->si_code == CLD_EXITED)
		log_line(LOG_ERR, "%s (process %d) ended with exit code %d", slot->name,
			 (int)slot->pid, info->si_status);
	else
		log_line(LOG_ERR, "%s (process %d) was killed by signal %d (%s)", slot->name,
			 (int)slot->pid, info->si_status, strsignal(info->si_status));
}

void slot_reset(struct slot *slot)
{
	slot->exit = sd_event_source_disable_unref(slot->exit);
	slot->restart = sd_event_source_disable_unref(slot->restart);
	slot->kill = sd_event_source_disable_unref(slot->kill);
	slot->lifeline = sd_event_source_disable_unref(slot->lifeline);
	ipc_channel_free(TAKE_PTR(slot->channel));
	slot->pid = 0;
	slot->is_ready = slot->has_beaten = false;
}

static bool is_pair(enum ipc_peer kind_a, enum ipc_peer kind_b, enum ipc_peer one,
		    enum ipc_peer other)
{
	return (kind_a == one && kind_b == other) || (kind_a == other && kind_b == one);
}

/*
 * Fronts have nothing to say to each other, only the engine has anything to be run or fetched, and
 * who compares passwords gets the users from the engine, the questions from the fronts and from the
 * keeper the key to the secrets of second factors. He alone asks PAM.
 */
bool slot_are_peers(const struct slot *a, const struct slot *b)
{
	enum ipc_peer kind_a = a->row->kind, kind_b = b->row->kind;

	if (kind_a == IPC_PEER_PAM || kind_b == IPC_PEER_PAM)
		return is_pair(kind_a, kind_b, IPC_PEER_PAM, IPC_PEER_AUTH);
	if (kind_a == IPC_PEER_AUTH || kind_b == IPC_PEER_AUTH)
		return is_pair(kind_a, kind_b, IPC_PEER_AUTH, IPC_PEER_ENGINE) ||
		       is_pair(kind_a, kind_b, IPC_PEER_AUTH, IPC_PEER_FRONT) ||
		       is_pair(kind_a, kind_b, IPC_PEER_AUTH, IPC_PEER_KEEPER);
	if (kind_a == IPC_PEER_RUNNER || kind_b == IPC_PEER_RUNNER)
		return kind_a == IPC_PEER_ENGINE || kind_b == IPC_PEER_ENGINE;
	if (kind_a == IPC_PEER_FETCH || kind_b == IPC_PEER_FETCH)
		return is_pair(kind_a, kind_b, IPC_PEER_FETCH, IPC_PEER_ENGINE);
	return kind_a != kind_b;
}

static void buffers_enlarge(int fd)
{
	int size = SOCKET_BUFFER;

	/* Beyond the system's limit with CAP_NET_ADMIN; without it, up to the limit, which Debian's
	 * is enough for. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

int slot_socketpair(int ret_fds[static 2])
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	buffers_enlarge(fds[0]);
	buffers_enlarge(fds[1]);
	ret_fds[0] = fds[0];
	ret_fds[1] = fds[1];
	return 0;
}

void slot_give(struct slot *slot, const char *name, int fd)
{
	Asafo__Ipc__Credential body = ASAFO__IPC__CREDENTIAL__INIT;
	_cleanup_free_ char *copy = strdup(name);
	int r = -ENOMEM;

	if (copy) {
		body.name = copy;
		r = ipc_channel_send(slot->channel, IPC_CREDENTIAL, &body.base, &fd, 1);
	}
	if (r < 0)
		log_line(LOG_ERR, "cannot give %s its %s: %s", slot->name, name, err_text(r));
}
