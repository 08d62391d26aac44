/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A filesystem that loses what was not synced: forgetful FROM TO MOUNTPOINT
 * It begins with what is in the folder FROM. On a line "after N SEED" on its standard input it
 * counts the calls that change something (writes, syncs, names), and at the Nth, before that one,
 * the power goes: TO, which is made, becomes what lies on the platter, all calls that are under way
 * fail, it says what was lost, and ends. N 0: now. SEED 0: nothing that was not synced is there;
 * else some of it, sector by sector. On "count" it says how many such calls there were. On "slow
 * MS" each MiB that was written makes the next sync of a file take MS longer. On "flip N PATH" a
 * bit of the file's byte N turns over, and nobody is told. It speaks the kernel's FUSE protocol
 * (linux/fuse.h) itself, so that a test needs no library for it; one call at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/net/forgetful_disk.h"

#define WRITE_MAX (128u * 1024)
#define FOREVER 1000000000u

struct server {
	int fd;
	struct disk *disk;
	unsigned long changes, cut_at;
	uint64_t random;
	uint64_t written, slow_ms; /* since the last sync; for a MiB of it */
	bool is_armed, is_cut;
};

struct call {
	struct fuse_in_header header;
	const uint8_t *body;
	size_t size;
};

static void reply(const struct server *server, const struct call *call, int error, const void *data,
		  size_t size)
{
	struct fuse_out_header header = {.unique = call->header.unique, .error = error};
	struct iovec parts[] = {{&header, sizeof(header)},
				{(void *)(uintptr_t)data, error ? 0 : size}};

	header.len = (uint32_t)(parts[0].iov_len + parts[1].iov_len);
	/* ENOENT: who asked has gone. */
	if (writev(server->fd, parts, 2) < 0 && errno != ENOENT)
		perror("forgetful: cannot answer");
}

static void reply_status(const struct server *server, const struct call *call, int r)
{
	reply(server, call, r, NULL, 0);
}

/* The fixed part of a call; what follows it is at the returned place. */
static const uint8_t *take(const struct call *call, void *ret_fixed, size_t size)
{
	memset(ret_fixed, 0, size);
	memcpy(ret_fixed, call->body, size < call->size ? size : call->size);
	return call->body + size;
}

static void fill_attributes(const struct disk *disk, uint64_t node, struct fuse_attr *ret)
{
	struct disk_attributes attributes;

	disk_stat(disk, node, &attributes);
	*ret = (struct fuse_attr){.ino = node,
				  .size = attributes.size,
				  .blocks = (attributes.size + 511) / 512,
				  .atime = (uint64_t)attributes.changed,
				  .mtime = (uint64_t)attributes.changed,
				  .ctime = (uint64_t)attributes.changed,
				  .mode = attributes.mode,
				  .nlink = 1,
				  .uid = attributes.uid,
				  .gid = attributes.gid,
				  .blksize = 4096};
}

static struct fuse_entry_out entry_of(const struct disk *disk, uint64_t node)
{
	struct fuse_entry_out out = {.nodeid = node, .entry_valid = FOREVER, .attr_valid = FOREVER};

	fill_attributes(disk, node, &out.attr);
	return out;
}

static void reply_entry(struct server *server, const struct call *call, int r, uint64_t node)
{
	struct fuse_entry_out out = {0};

	if (r == 0)
		out = entry_of(server->disk, node);
	reply(server, call, r, &out, sizeof(out));
}

static void reply_attributes(const struct server *server, const struct call *call)
{
	struct fuse_attr_out out = {.attr_valid = FOREVER};

	fill_attributes(server->disk, call->header.nodeid, &out.attr);
	reply(server, call, 0, &out, sizeof(out));
}

/* Only what goes through the kernel changes a file: what it has cached stays right. */
static struct fuse_open_out opened(void)
{
	return (struct fuse_open_out){.open_flags = FOPEN_KEEP_CACHE};
}

/* ---- calls ---- */

static void do_init(struct server *server, const struct call *call)
{
	struct fuse_init_in in;
	struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION,
				    .minor = FUSE_KERNEL_MINOR_VERSION,
				    .max_readahead = WRITE_MAX,
				    .max_write = WRITE_MAX,
				    .max_background = 16,
				    .congestion_threshold = 12,
				    .time_gran = 1};

	(void)take(call, &in, sizeof(in));
	if (in.minor < out.minor)
		out.minor = in.minor;
	out.flags = in.flags & FUSE_BIG_WRITES;
	reply(server, call, 0, &out, sizeof(out));
}

static void do_setattr(struct server *server, const struct call *call)
{
	struct fuse_setattr_in in;
	uint64_t node = call->header.nodeid;
	int r = 0;

	(void)take(call, &in, sizeof(in));
	disk_own(server->disk, node, in.valid & FATTR_MODE ? &in.mode : NULL,
		 in.valid & FATTR_UID ? &in.uid : NULL, in.valid & FATTR_GID ? &in.gid : NULL);
	if (in.valid & FATTR_SIZE)
		r = disk_truncate(server->disk, node, in.size);
	if (r < 0)
		reply_status(server, call, r);
	else
		reply_attributes(server, call);
}

static int make(struct server *server, const struct call *call, const uint8_t *name, mode_t mode,
		uint64_t *ret_node)
{
	struct disk_attributes attributes = {
		.mode = mode, .uid = call->header.uid, .gid = call->header.gid};

	return disk_make(server->disk, call->header.nodeid, (const char *)name, &attributes,
			 ret_node);
}

static void do_create(struct server *server, const struct call *call)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out = {.open = opened()};
	struct fuse_create_in in;
	const uint8_t *name = take(call, &in, sizeof(in));
	uint64_t node = 0;
	int r = make(server, call, name, S_IFREG | (in.mode & 07777), &node);

	if (r == 0)
		out.entry = entry_of(server->disk, node);
	reply(server, call, r, &out, sizeof(out));
}

static void do_mkdir(struct server *server, const struct call *call)
{
	struct fuse_mkdir_in in;
	const uint8_t *name = take(call, &in, sizeof(in));
	uint64_t node = 0;
	int r = make(server, call, name, S_IFDIR | (in.mode & 07777), &node);

	reply_entry(server, call, r, node);
}

static void do_rename(struct server *server, const struct call *call)
{
	struct fuse_rename2_in in = {0};
	struct fuse_rename_in old;
	const uint8_t *name = call->header.opcode == FUSE_RENAME2 ? take(call, &in, sizeof(in))
								  : take(call, &old, sizeof(old));
	const char *from = (const char *)name;

	if (call->header.opcode == FUSE_RENAME)
		in.newdir = old.newdir;
	reply_status(server, call,
		     in.flags ? -EINVAL
			      : disk_rename(server->disk, call->header.nodeid, from, in.newdir,
					    from + strlen(from) + 1));
}

static void do_read(struct server *server, const struct call *call)
{
	const uint8_t *data = NULL;
	struct fuse_read_in in;
	size_t n;

	(void)take(call, &in, sizeof(in));
	n = disk_read(server->disk, call->header.nodeid, in.offset, in.size, &data);
	reply(server, call, 0, data, n);
}

static void do_write(struct server *server, const struct call *call)
{
	struct fuse_write_out out = {0};
	struct fuse_write_in in;
	const uint8_t *data = take(call, &in, sizeof(in));
	int r;

	if (call->size < sizeof(in) || in.size > call->size - sizeof(in)) {
		reply_status(server, call, -EINVAL);
		return;
	}
	r = disk_write(server->disk, call->header.nodeid, in.offset, data, in.size);
	out.size = in.size;
	server->written += in.size;
	reply(server, call, r, &out, sizeof(out));
}

/* A disk that is slow and not fast once: nothing else is answered meanwhile. */
static void do_sync(struct server *server, const struct call *call)
{
	uint64_t ms = server->written * server->slow_ms >> 20;

	server->written = 0;
	if (ms > 0)
		(void)poll(NULL, 0, ms < INT_MAX ? (int)ms : INT_MAX);
	reply_status(server, call, disk_sync(server->disk, call->header.nodeid));
}

static void do_readdir(struct server *server, const struct call *call)
{
	uint8_t out[4096] = {0};
	struct fuse_read_in in;
	size_t n = 0;

	(void)take(call, &in, sizeof(in));
	for (uint64_t i = in.offset;; i++) {
		struct fuse_dirent entry = {.off = i + 1};
		const char *name =
			disk_name(server->disk, call->header.nodeid, (size_t)i, &entry.ino);
		size_t size;

		if (!name)
			break;
		entry.namelen = (uint32_t)strlen(name);
		size = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + entry.namelen);
		if (n + size > in.size || n + size > sizeof(out))
			break;
		memcpy(out + n, &entry, FUSE_NAME_OFFSET);
		memcpy(out + n + FUSE_NAME_OFFSET, name, entry.namelen);
		n += size;
	}
	reply(server, call, 0, out, n);
}

static void do_statfs(struct server *server, const struct call *call)
{
	struct fuse_statfs_out out = {.st = {.blocks = 1 << 20,
					     .bfree = 1 << 19,
					     .bavail = 1 << 19,
					     .files = 1 << 16,
					     .ffree = 1 << 15,
					     .bsize = 4096,
					     .frsize = 4096,
					     .namelen = DISK_NAME_MAX}};

	reply(server, call, 0, &out, sizeof(out));
}

static void do_lookup(struct server *server, const struct call *call)
{
	uint64_t node = 0;
	int r = disk_find(server->disk, call->header.nodeid, (const char *)call->body, &node);

	reply_entry(server, call, r, node);
}

static void do_open(struct server *server, const struct call *call)
{
	struct fuse_open_out out = opened();

	reply(server, call, 0, &out, sizeof(out));
}

static bool is_change(uint32_t opcode)
{
	static const uint32_t changes[] = {FUSE_WRITE,	 FUSE_FSYNC,  FUSE_FSYNCDIR, FUSE_CREATE,
					   FUSE_MKDIR,	 FUSE_UNLINK, FUSE_RMDIR,    FUSE_RENAME,
					   FUSE_RENAME2, FUSE_SETATTR};

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		if (opcode == changes[i])
			return true;
	}
	return false;
}

static void answer(struct server *server, const struct call *call)
{
	uint64_t node = call->header.nodeid;
	const char *name = (const char *)call->body;

	switch (call->header.opcode) {
	case FUSE_INIT:
		return do_init(server, call);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	case FUSE_LOOKUP:
		return do_lookup(server, call);
	case FUSE_GETATTR:
		return reply_attributes(server, call);
	case FUSE_SETATTR:
		return do_setattr(server, call);
	case FUSE_MKDIR:
		return do_mkdir(server, call);
	case FUSE_CREATE:
		return do_create(server, call);
	case FUSE_UNLINK:
	case FUSE_RMDIR:
		return reply_status(server, call, disk_remove(server->disk, node, name));
	case FUSE_RENAME:
	case FUSE_RENAME2:
		return do_rename(server, call);
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return do_open(server, call);
	case FUSE_READ:
		return do_read(server, call);
	case FUSE_WRITE:
		return do_write(server, call);
	case FUSE_READDIR:
		return do_readdir(server, call);
	case FUSE_FSYNC:
		return do_sync(server, call);
	case FUSE_FSYNCDIR:
		return reply_status(server, call, disk_sync(server->disk, node));
	case FUSE_STATFS:
		return do_statfs(server, call);
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return reply_status(server, call, 0);
	default:
		return reply_status(server, call, -ENOSYS);
	}
}

static int serve_one(struct server *server, uint8_t *buffer, size_t size)
{
	struct call call;
	ssize_t n = read(server->fd, buffer, size - 1);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN || errno == ENOENT ? 0 : -errno;
	if ((size_t)n < sizeof(call.header))
		return -EIO;
	buffer[n] = 0; /* so that each name has an end */
	memcpy(&call.header, buffer, sizeof(call.header));
	call.body = buffer + sizeof(call.header);
	call.size = (size_t)n - sizeof(call.header);
	if (call.header.opcode != FUSE_INIT && call.header.nodeid != 0 &&
	    !disk_is_node(server->disk, call.header.nodeid)) {
		reply_status(server, &call, -ESTALE);
		return 0;
	}
	if (server->is_armed && is_change(call.header.opcode) &&
	    ++server->changes >= server->cut_at) {
		server->is_cut = true;
		return 0;
	}
	answer(server, &call);
	return 0;
}

/* A line on the standard input, without what ends it. */
static int read_line(char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size) {
		if (read(STDIN_FILENO, line + n, 1) != 1)
			return -EPIPE;
		if (line[n] == '\n')
			break;
		n++;
	}
	line[n] = 0;
	return 0;
}

/* "N PATH" */
static int flip(struct server *server, char *text)
{
	uint64_t node = DISK_ROOT, offset = strtoull(text, &text, 10);
	const uint8_t *data;
	uint8_t byte;

	while (*text) {
		char *name = text + 1, *end = strchrnul(name, '/');
		bool is_last = *end == 0;
		int r;

		*end = 0;
		r = disk_find(server->disk, node, name, &node);
		if (r < 0)
			return r;
		text = end;
		if (!is_last)
			*text = '/';
	}
	if (disk_read(server->disk, node, offset, 1, &data) != 1)
		return -ENOENT;
	byte = *data ^ 4;
	return disk_write(server->disk, node, offset, &byte, 1);
}

/* "after N SEED", "count", "slow MS", "flip N PATH" */
static int hear(struct server *server)
{
	char line[64], *end;
	int r = read_line(line, sizeof(line));

	if (r < 0)
		return r;
	if (strcmp(line, "count") == 0) {
		(void)printf("%lu changes\n", server->changes);
		return fflush(stdout) == 0 ? 0 : -errno;
	}
	if (strncmp(line, "slow ", 5) == 0) {
		server->slow_ms = strtoul(line + 5, NULL, 10);
		server->written = 0;
		return 0;
	}
	if (strncmp(line, "flip ", 5) == 0)
		return flip(server, line + 5);
	if (strncmp(line, "after ", 6) != 0)
		return -EINVAL;
	server->cut_at = strtoul(line + 6, &end, 10);
	server->random = strtoull(end, NULL, 10);
	server->is_armed = true;
	server->is_cut = server->cut_at == 0;
	if (!server->is_cut)
		server->changes = 0;
	return 0;
}

static int serve(struct server *server)
{
	size_t size = WRITE_MAX + 8192;
	_cleanup_free_ uint8_t *buffer = malloc(size);
	int r = buffer ? 0 : -ENOMEM;

	while (r == 0 && !server->is_cut) {
		struct pollfd sources[] = {{server->fd, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};

		if (poll(sources, 2, -1) < 0)
			return errno == EINTR ? 0 : -errno;
		if (sources[1].revents)
			r = hear(server);
		else if (sources[0].revents)
			r = serve_one(server, buffer, size);
	}
	return r;
}

static int mount_at(struct server *server, const char *mountpoint)
{
	char options[128];

	server->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (server->fd < 0)
		return -errno;
	(void)snprintf(options, sizeof(options),
		       "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other,default_permissions",
		       server->fd);
	return mount("forgetful", mountpoint, "fuse", MS_NOSUID | MS_NODEV, options) < 0 ? -errno
											 : 0;
}

int main(int argc, char **argv)
{
	struct server server = {.fd = -1};
	struct disk_loss loss = {0};
	int r;

	if (argc != 4) {
		(void)fprintf(stderr, "usage: forgetful FROM TO MOUNTPOINT\n");
		return 2;
	}
	r = disk_new(argv[1], &server.disk);
	if (r == 0)
		r = mount_at(&server, argv[3]);
	if (r == 0)
		r = serve(&server);
	if (r == 0)
		r = disk_cut(server.disk, argv[2], server.random, &loss);
	if (server.fd >= 0)
		(void)close(server.fd);
	disk_free(server.disk);
	if (r < 0) {
		(void)fprintf(stderr, "forgetful: %s\n", strerror(-r));
		return 1;
	}
	(void)printf("behind %lu changes, %zu of %zu sectors and %zu names were lost\n",
		     server.changes, loss.sectors - loss.kept_sectors, loss.sectors, loss.names);
	return 0;
}
