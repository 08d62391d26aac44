/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/keeper_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "ipc/child.h"
#include "tests/unit/store_fixture.h"

#define PATIENCE_MS 20000

void unit_init(struct unit *unit)
{
	*unit = (struct unit){.supervisor = -1, .engine = -1, .front = -1};
	unit->directory = fixture_directory();
	(void)snprintf(unit->state_dir, sizeof(unit->state_dir), "%s/state", unit->directory);
	(void)snprintf(unit->config, sizeof(unit->config), "%s/etc/startup-config",
		       unit->directory);
	assert_true(run("mkdir %s/etc", unit->directory));
}

static void exec_keeper(const struct unit *unit, int supervisor)
{
	const char *program = getenv("ASAFO_KEEPER") ? getenv("ASAFO_KEEPER") : "./asafo-keeper";

	if (supervisor != CHILD_SUPERVISOR_FD && dup2(supervisor, CHILD_SUPERVISOR_FD) < 0)
		_exit(126);
	(void)fcntl(CHILD_SUPERVISOR_FD, F_SETFD, 0);
	(void)close_range(CHILD_SUPERVISOR_FD + 1, ~0U, 0);
	(void)execl(program, "asafo-keeper", "--state-dir", unit->state_dir, "--config",
		    unit->config, NULL);
	_exit(127);
}

static void wait_readable(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&pfd, 1, PATIENCE_MS), 1);
}

static void wait_ready(int supervisor)
{
	static uint8_t buffer[IPC_HEADER_SIZE + IPC_BODY_MAX];
	struct ipc_frame frame = {0};

	do {
		wait_readable(supervisor);
		assert_int_equal(ipc_frame_receive(supervisor, buffer, sizeof(buffer), &frame), 0);
	} while (frame.type != IPC_READY);
}

static int give_peer(struct unit *unit, enum ipc_peer kind)
{
	Asafo__Ipc__Peer peer = ASAFO__IPC__PEER__INIT;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	peer.kind = kind;
	unit_send(unit->supervisor, IPC_PEER, 0, &peer.base, &fds[1], 1);
	(void)close(fds[1]);
	return fds[0];
}

void unit_start(struct unit *unit)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	unit->pid = fork();
	assert_true(unit->pid >= 0);
	if (unit->pid == 0)
		exec_keeper(unit, fds[1]);
	(void)close(fds[1]);
	unit->supervisor = fds[0];
	wait_ready(unit->supervisor);
	unit->engine = give_peer(unit, IPC_PEER_ENGINE);
	unit->front = give_peer(unit, IPC_PEER_FRONT);
}

void unit_renew_engine(struct unit *unit)
{
	(void)close(unit->engine);
	unit->engine = give_peer(unit, IPC_PEER_ENGINE);
}

static void close_channels(struct unit *unit)
{
	int *const channels[] = {&unit->supervisor, &unit->engine, &unit->front};

	for (size_t i = 0; i < ARRAY_SIZE(channels); i++) {
		if (*channels[i] >= 0)
			(void)close(TAKE_FD(*channels[i]));
	}
}

void unit_kill(struct unit *unit)
{
	assert_int_equal(kill(unit->pid, SIGKILL), 0);
	assert_int_equal(waitpid(unit->pid, NULL, 0), unit->pid);
	unit->pid = 0;
	close_channels(unit);
}

void unit_stop(struct unit *unit)
{
	int status = 0;

	unit_send(unit->supervisor, IPC_SHUTDOWN, 0, NULL, NULL, 0);
	assert_int_equal(waitpid(unit->pid, &status, 0), unit->pid);
	assert_int_equal(status, 0);
	unit->pid = 0;
	close_channels(unit);
}

void unit_done(struct unit *unit)
{
	if (unit->pid > 0)
		unit_kill(unit);
	fixture_remove(unit->directory);
}

void unit_send(int channel, enum ipc_type type, uint32_t id, const ProtobufCMessage *body,
	       const int *fds, size_t n_fds)
{
	struct ipc_frame frame = {.type = type, .id = id, .n_fds = n_fds};

	for (size_t i = 0; i < n_fds; i++)
		frame.fds[i] = fds[i];
	assert_int_equal(ipc_frame_send(channel, &frame, body), 0);
}

ProtobufCMessage *unit_receive(int channel, uint32_t *ret_id, bool *ret_has_more)
{
	static uint8_t buffer[IPC_HEADER_SIZE + IPC_BODY_MAX];
	struct ipc_frame frame;
	ProtobufCMessage *body;
	int r;

	do {
		wait_readable(channel);
		r = ipc_frame_receive(channel, buffer, sizeof(buffer), &frame);
		if (r == ERR_CLOSED)
			return NULL;
		assert_int_equal(r, 0);
	} while (!frame.is_reply);
	body = ipc_frame_unpack(&frame);
	assert_non_null(body);
	if (ret_id)
		*ret_id = frame.id;
	if (ret_has_more)
		*ret_has_more = frame.has_more;
	return body;
}

ProtobufCMessage *unit_call(int channel, enum ipc_type type, const ProtobufCMessage *body,
			    const int *fds, size_t n_fds)
{
	ProtobufCMessage *reply;
	uint32_t id = 0;

	unit_send(channel, type, 77, body, fds, n_fds);
	reply = unit_receive(channel, &id, NULL);
	assert_true(!reply || id == 77);
	return reply;
}

int unit_call_status(int channel, enum ipc_type type, const ProtobufCMessage *body, const int *fds,
		     size_t n_fds, char *ret_why)
{
	ProtobufCMessage *reply = unit_call(channel, type, body, fds, n_fds);
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field(reply->descriptor, 1);
	Asafo__Ipc__Status *status;
	int code;

	memcpy(&status, (uint8_t *)reply + field->offset, sizeof(status));
	assert_non_null(status);
	code = status->code;
	/* A failure always says why. */
	assert_true(code == 0 || *status->why);
	if (ret_why)
		(void)snprintf(ret_why, 512, "%s", status->why);
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}

Asafo__Ipc__KeeperStatusReply *unit_status(struct unit *unit)
{
	return (Asafo__Ipc__KeeperStatusReply *)unit_call(unit->engine, IPC_KEEPER_STATUS, NULL,
							  NULL, 0);
}

bool run(const char *format, ...)
{
	char command[4096];
	va_list args;
	int n, status;
	pid_t pid;

	va_start(args, format);
	n = vsnprintf(command, sizeof(command) - 32, format, args);
	va_end(args);
	assert_true(n > 0 && n < (int)sizeof(command) - 32);
	memcpy(command + n, " >/dev/null 2>&1", 17);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void make_pkcs12(const char *directory, const char *name, const char *algorithm)
{
	assert_true(run(
		"cd %s && openssl req -x509 -newkey %s -nodes -keyout %s.key -out %s.crt -days 30 "
		"-subj /CN=%s -addext subjectAltName=DNS:%s.example",
		directory, algorithm, name, name, name, name));
	assert_true(run("cd %s && openssl pkcs12 -export -inkey %s.key -in %s.crt -out %s.p12 "
			"-passout pass:secret",
			directory, name, name, name));
}

int text_fd(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

int keepers_setup(void **state)
{
	struct unit *units = calloc(2, sizeof(*units));

	for (int i = 0; i < 2; i++) {
		unit_init(&units[i]);
		unit_start(&units[i]);
	}
	*state = units;
	return 0;
}

int keepers_teardown(void **state)
{
	struct unit *units = *state;

	for (int i = 0; i < 2; i++)
		unit_done(&units[i]);
	free(units);
	return 0;
}
