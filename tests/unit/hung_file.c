/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file system is one file: its root. A process in a mount namespace of its own mounts it,
 * another one opens it, and passes the descriptor to who asked.
 */
#include "tests/unit/hung_file.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void pass_fd(int socket, int fd)
{
	char space[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = space,
			     .msg_controllen = sizeof(space)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	(void)!sendmsg(socket, &msg, 0);
}

static int receive_fd(int socket)
{
	char space[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = space,
			     .msg_controllen = sizeof(space)};
	struct cmsghdr *c;
	int fd = -1;

	if (recvmsg(socket, &msg, 0) == 1 && (c = CMSG_FIRSTHDR(&msg)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static void answer(int device, uint64_t unique, const void *body, size_t size)
{
	uint8_t message[256];
	struct fuse_out_header head = {.len = (uint32_t)(sizeof(head) + size), .unique = unique};

	memcpy(message, &head, sizeof(head));
	memcpy(message + sizeof(head), body, size);
	(void)!write(device, message, sizeof(head) + size);
}

/* It lets itself be mounted and opened. All else waits for its end. */
static void serve(int device)
{
	static uint8_t request[1u << 17];
	struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION,
				     .minor = FUSE_KERNEL_MINOR_VERSION,
				     .max_write = 4096};
	/* Otherwise a file of no length is read without asking. */
	struct fuse_open_out opened = {.fh = 1, .open_flags = FOPEN_DIRECT_IO};
	struct fuse_in_header head;

	while (read(device, request, sizeof(request)) >= (ssize_t)sizeof(head)) {
		memcpy(&head, request, sizeof(head));
		if (head.opcode == FUSE_INIT)
			answer(device, head.unique, &init, sizeof(init));
		else if (head.opcode == FUSE_OPEN)
			answer(device, head.unique, &opened, sizeof(opened));
	}
}

static void open_and_pass(const char *path, int socket)
{
	int fd = open(path, O_RDWR);

	/* The end of this process closes it, and waits with the others. */
	if (fd >= 0)
		pass_fd(socket, fd);
	_exit(0);
}

static void run(const char *path, int socket)
{
	char options[128];
	int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	(void)alarm(HUNG_FILE_SECONDS);
	(void)snprintf(options, sizeof(options), "fd=%d,rootmode=100666,user_id=%u,group_id=%u",
		       device, (unsigned)getuid(), (unsigned)getgid());
	if (device < 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("hung", path, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
		_exit(1);
	if (fork() == 0) {
		(void)close(device);
		open_and_pass(path, socket);
	}
	(void)close(socket);
	serve(device);
	_exit(0);
}

bool hung_file_open(struct hung_file *ret_file)
{
	char path[] = "/tmp/asafo-hung-XXXXXX";
	int sockets[2], file = mkstemp(path);

	if (file < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return false;
	(void)close(file);
	ret_file->pid = fork();
	if (ret_file->pid == 0)
		run(path, sockets[1]);
	(void)close(sockets[1]);
	ret_file->fd = ret_file->pid > 0 ? receive_fd(sockets[0]) : -1;
	(void)close(sockets[0]);
	(void)unlink(path);
	if (ret_file->fd < 0 && ret_file->pid > 0)
		(void)waitpid(ret_file->pid, NULL, 0);
	return ret_file->fd >= 0;
}

void hung_file_close(struct hung_file *file)
{
	(void)kill(file->pid, SIGKILL);
	(void)waitpid(file->pid, NULL, 0);
	(void)close(file->fd);
}
