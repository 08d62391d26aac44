/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for asafo's children in the supervisor's test. It says on stdout what it sees, one line
 * an event, begun by its name and instance. A startup-config that says "exit 78" makes the engine
 * refuse it. On SIGUSR1 it asks the supervisor to stop, which no child may.
 */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ipc/child.h"
#include "lifeline.h"
#include "src/ipc/ipc.pb-c.h"

#define LARGE_BODY (IPC_BODY_MAX - 64)

struct fake {
	sd_event *event;
	struct child *child;
	const char *name;
	unsigned instance;
	struct ipc_channel *peers[16];
	size_t n_peers;
};

static void say(const struct fake *fake, const char *what)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "%s %u %s\n", fake->name, fake->instance, what);

	/* One write a line: all children share the pipe. */
	if (n > 0 && write(STDOUT_FILENO, line, (size_t)n) < 0)
		exit(EXIT_FAILURE);
}

static void on_peer_request(struct ipc_channel *channel, struct ipc_frame *frame,
			    const ProtobufCMessage *body, void *userdata)
{
	const Asafo__Ipc__FileWrite *write_body = (const Asafo__Ipc__FileWrite *)body;
	char line[64];

	(void)channel;
	(void)frame;
	(void)snprintf(line, sizeof(line), "got %zu", write_body->content.len);
	say(userdata, line);
}

static void on_peer_closed(struct ipc_channel *channel, int code, void *userdata)
{
	(void)channel;
	(void)code;
	say(userdata, "peer gone");
}

static void large_frame_send(struct ipc_channel *channel)
{
	Asafo__Ipc__FileWrite body = ASAFO__IPC__FILE_WRITE__INIT;
	_cleanup_free_ uint8_t *content = calloc(1, LARGE_BODY);

	body.content.data = content;
	body.content.len = LARGE_BODY;
	(void)ipc_channel_send(channel, IPC_FILE_WRITE, &body.base, NULL, 0);
}

static void on_peer(enum ipc_peer peer, unsigned instance, int fd, void *userdata)
{
	static const bool permitted[IPC_TYPE__MAX] = {[IPC_FILE_WRITE] = true};
	static const struct ipc_channel_ops ops = {permitted, on_peer_request, on_peer_closed};
	struct fake *fake = userdata;
	struct ipc_channel **at = &fake->peers[fake->n_peers % ARRAY_SIZE(fake->peers)];
	char line[64];

	(void)snprintf(line, sizeof(line), "peer %s %u", ipc_peer_name(peer), instance);
	say(fake, line);
	ipc_channel_free(*at);
	*at = NULL;
	if (ipc_channel_new(fake->event, fd, &ops, fake, at) < 0)
		exit(EXIT_FAILURE);
	fake->n_peers++;
	if (strcmp(fake->name, "engine") == 0 && peer == IPC_PEER_KEEPER)
		large_frame_send(*at);
}

static void on_credential(const char *name, int fd, void *userdata)
{
	struct fake *fake = userdata;
	char line[96], content[32] = "";

	if (strcmp(name, "control") != 0 && read(fd, content, sizeof(content) - 1) < 0)
		(void)snprintf(content, sizeof(content), "unreadable");
	content[strcspn(content, "\n")] = '\0';
	(void)snprintf(line, sizeof(line), "credential %.32s [%s]", name, content);
	say(fake, line);
	(void)close(fd);
	if (strcmp(content, "exit 78") == 0)
		exit(78);
	if (strcmp(name, "startup-config") == 0) {
		child_notify(fake->child, "all is well\nREADY=0");
		child_ready(fake->child, "fake");
	}
}

static void on_shutdown(void *userdata)
{
	struct fake *fake = userdata;

	say(fake, "shutdown");
	(void)sd_event_exit(fake->event, 0);
}

static void descriptors_say(const struct fake *fake)
{
	DIR *directory = opendir("/proc/self/fd");
	int extra = 0;

	if (!directory)
		return;
	for (const struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
		int fd = (int)strtol(entry->d_name, NULL, 10);

		if (fd > CHILD_SUPERVISOR_FD && fd != LIFELINE_FD && fd != dirfd(directory))
			extra++;
	}
	(void)closedir(directory);
	say(fake, extra == 0 ? "clean" : "leak");
}

static void self_say(const struct fake *fake)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};
	char line[128];

	(void)syscall(SYS_capget, &header, data);
	(void)snprintf(line, sizeof(line), "start %d uid %d gid %d caps %08x%08x environment %d",
		       (int)getpid(), (int)getuid(), (int)getgid(), data[1].effective,
		       data[0].effective, getenv("NOTIFY_SOCKET") != NULL);
	say(fake, line);
	descriptors_say(fake);
}

static void on_usr1(int signal)
{
	static const uint8_t frame[IPC_HEADER_SIZE] = {IPC_SHUTDOWN};

	(void)signal;
	(void)send(CHILD_SUPERVISOR_FD, frame, sizeof(frame), MSG_NOSIGNAL);
}

int main(int argc, char **argv)
{
	static const struct child_ops ops = {on_peer, on_credential, on_shutdown};
	const char *dash = strchr(argv[0], '-');
	struct fake fake = {.name = dash ? dash + 1 : argv[0]};
	struct child_options options;
	int r;

	if (child_options_parse(argc, argv, &options) < 0)
		return EXIT_FAILURE;
	fake.instance = options.instance;
	(void)signal(SIGUSR1, on_usr1);
	self_say(&fake);
	if (options.is_without_pam)
		say(&fake, "without pam");
	if (sd_event_new(&fake.event) < 0 ||
	    child_new(fake.event, &options, &ops, &fake, &fake.child) < 0)
		return EXIT_FAILURE;
	if (strcmp(fake.name, "engine") != 0)
		child_ready(fake.child, "fake");
	r = sd_event_loop(fake.event);
	for (size_t i = 0; i < ARRAY_SIZE(fake.peers); i++)
		ipc_channel_free(fake.peers[i]);
	child_free(fake.child);
	sd_event_unref(fake.event);
	return r;
}
