/* SPDX-License-Identifier: Apache-2.0 */
/* See forgetful_disk.h. A file has two images and a byte a sector that says where they may differ;
 * a folder has two lists of names. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "tests/net/forgetful_disk.h"

#define SECTOR 512u
#define FILE_MAX ((uint64_t)256 << 20)

struct image {
	uint8_t *data;
	size_t size, allocated;
};

struct name {
	char text[DISK_NAME_MAX + 1];
	uint64_t node;
};

struct names {
	struct name *list;
	size_t n;
};

struct node {
	struct disk_attributes attributes;
	struct image now, platter; /* of a file */
	uint8_t *is_dirty;	   /* a byte a sector of NOW, as many as are allocated */
	struct names names, platter_names;
};

struct disk {
	struct node *nodes;
	size_t n_nodes;
};

static int grow(struct image *image, size_t size)
{
	size_t allocated = image->allocated ? image->allocated : SECTOR;
	uint8_t *data;

	while (allocated < size)
		allocated *= 2;
	if (allocated == image->allocated)
		return 0;
	data = realloc(image->data, allocated);
	if (!data)
		return -ENOMEM;
	memset(data + image->allocated, 0, allocated - image->allocated);
	image->data = data;
	image->allocated = allocated;
	return 0;
}

static int resize(struct image *image, size_t size)
{
	int r = grow(image, size);

	if (r < 0)
		return r;
	if (size < image->size)
		memset(image->data + size, 0, image->size - size);
	image->size = size;
	return 0;
}

static struct node *at(const struct disk *disk, uint64_t node)
{
	return &disk->nodes[node - DISK_ROOT];
}

bool disk_is_node(const struct disk *disk, uint64_t node)
{
	return node >= DISK_ROOT && node - DISK_ROOT < disk->n_nodes;
}

void disk_stat(const struct disk *disk, uint64_t node, struct disk_attributes *ret_attributes)
{
	*ret_attributes = at(disk, node)->attributes;
	ret_attributes->size = at(disk, node)->now.size;
}

void disk_own(struct disk *disk, uint64_t node, const mode_t *mode, const uid_t *uid,
	      const gid_t *gid)
{
	struct disk_attributes *attributes = &at(disk, node)->attributes;

	if (mode)
		attributes->mode = (attributes->mode & S_IFMT) | (*mode & 07777);
	if (uid)
		attributes->uid = *uid;
	if (gid)
		attributes->gid = *gid;
}

/* ---- names ---- */

static struct name *find(const struct disk *disk, uint64_t folder, const char *name)
{
	struct names *names = &at(disk, folder)->names;

	for (size_t i = 0; i < names->n; i++) {
		if (strcmp(names->list[i].text, name) == 0)
			return &names->list[i];
	}
	return NULL;
}

int disk_find(const struct disk *disk, uint64_t folder, const char *name, uint64_t *ret_node)
{
	const struct name *found = find(disk, folder, name);

	if (!found)
		return -ENOENT;
	*ret_node = found->node;
	return 0;
}

const char *disk_name(const struct disk *disk, uint64_t folder, size_t index, uint64_t *ret_node)
{
	const struct names *names = &at(disk, folder)->names;

	if (index >= names->n)
		return NULL;
	*ret_node = names->list[index].node;
	return names->list[index].text;
}

static int add_name(struct disk *disk, uint64_t folder, const char *name, uint64_t node)
{
	struct names *names = &at(disk, folder)->names;
	struct name *list;

	if (strlen(name) > DISK_NAME_MAX)
		return -ENAMETOOLONG;
	list = realloc(names->list, (names->n + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	names->list = list;
	(void)snprintf(list[names->n].text, sizeof(list[0].text), "%s", name);
	list[names->n++].node = node;
	return 0;
}

int disk_make(struct disk *disk, uint64_t folder, const char *name,
	      const struct disk_attributes *attributes, uint64_t *ret_node)
{
	uint64_t made = disk->n_nodes + DISK_ROOT;
	struct node *nodes;
	int r;

	if (find(disk, folder, name))
		return -EEXIST;
	nodes = realloc(disk->nodes, (disk->n_nodes + 1) * sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	disk->nodes = nodes;
	nodes[disk->n_nodes] = (struct node){.attributes = *attributes};
	r = add_name(disk, folder, name, made);
	if (r < 0)
		return r;
	disk->n_nodes++;
	*ret_node = made;
	return 0;
}

int disk_remove(struct disk *disk, uint64_t folder, const char *name)
{
	struct names *names = &at(disk, folder)->names;
	struct name *found = find(disk, folder, name);

	if (!found)
		return -ENOENT;
	if (at(disk, found->node)->names.n > 0)
		return -ENOTEMPTY;
	*found = names->list[--names->n];
	return 0;
}

int disk_rename(struct disk *disk, uint64_t from, const char *name, uint64_t to,
		const char *new_name)
{
	uint64_t node;
	int r = disk_find(disk, from, name, &node);

	if (r == 0 && from == to && strcmp(name, new_name) == 0)
		return 0;
	if (r == 0)
		r = disk_remove(disk, to, new_name);
	if (r == 0 || r == -ENOENT)
		r = add_name(disk, to, new_name, node);
	if (r < 0)
		return r;
	/* What was moved may be a folder that is not empty. */
	*find(disk, from, name) = at(disk, from)->names.list[at(disk, from)->names.n - 1];
	at(disk, from)->names.n--;
	return 0;
}

/* ---- bytes ---- */

static void mark(struct node *file, size_t begin, size_t end)
{
	for (size_t sector = begin / SECTOR; sector * SECTOR < end; sector++)
		file->is_dirty[sector] = 1;
}

/* Room for SIZE bytes and for a mark of each of their sectors. */
static int make_room(struct node *file, size_t size)
{
	size_t before = file->now.allocated / SECTOR;
	uint8_t *is_dirty;
	int r;

	if (size > FILE_MAX)
		return -EFBIG;
	r = grow(&file->now, size);
	if (r < 0 || file->now.allocated / SECTOR == before)
		return r;
	is_dirty = realloc(file->is_dirty, file->now.allocated / SECTOR);
	if (!is_dirty)
		return -ENOMEM;
	memset(is_dirty + before, 0, file->now.allocated / SECTOR - before);
	file->is_dirty = is_dirty;
	return 0;
}

int disk_write(struct disk *disk, uint64_t node, uint64_t offset, const void *data, size_t size)
{
	struct node *file = at(disk, node);
	int r = offset > FILE_MAX ? -EFBIG : make_room(file, offset + size);

	if (r < 0)
		return r;
	memcpy(file->now.data + offset, data, size);
	mark(file, offset, offset + size);
	if (file->now.size < offset + size)
		file->now.size = offset + size;
	file->attributes.changed = time(NULL);
	return 0;
}

int disk_truncate(struct disk *disk, uint64_t node, uint64_t size)
{
	struct node *file = at(disk, node);
	size_t before = file->now.size;
	int r = size > FILE_MAX ? -EFBIG : make_room(file, size);

	if (r < 0)
		return r;
	r = resize(&file->now, size);
	if (r == 0 && before > size)
		mark(file, size, before);
	file->attributes.changed = time(NULL);
	return r;
}

size_t disk_read(const struct disk *disk, uint64_t node, uint64_t offset, size_t size,
		 const uint8_t **ret_data)
{
	const struct node *file = at(disk, node);

	if (offset >= file->now.size)
		return 0;
	*ret_data = file->now.data + offset;
	return size < file->now.size - offset ? size : file->now.size - offset;
}

/* ---- the platter ---- */

static bool is_kept(uint64_t *random)
{
	if (*random == 0)
		return false;
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (*random >> 32 & 1) != 0;
}

static int put_sector(struct node *file, size_t sector)
{
	size_t begin = sector * SECTOR;
	size_t size = begin >= file->now.size ? 0 : file->now.size - begin;
	int r;

	if (size == 0)
		return 0;
	size = size < SECTOR ? size : SECTOR;
	r = file->platter.size < begin + size ? resize(&file->platter, begin + size) : 0;
	if (r == 0)
		memcpy(file->platter.data + begin, file->now.data + begin, size);
	return r;
}

static int put_names(struct node *folder)
{
	struct name *list = calloc(folder->names.n + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	if (folder->names.n > 0)
		memcpy(list, folder->names.list, folder->names.n * sizeof(*list));
	free(folder->platter_names.list);
	folder->platter_names = (struct names){list, folder->names.n};
	return 0;
}

int disk_sync(struct disk *disk, uint64_t node)
{
	struct node *file = at(disk, node);
	int r = 0;

	if (S_ISDIR(file->attributes.mode))
		return put_names(file);
	for (size_t i = 0; r == 0 && i < file->now.allocated / SECTOR; i++) {
		if (file->is_dirty[i])
			r = put_sector(file, i);
		file->is_dirty[i] = 0;
	}
	return r < 0 ? r : resize(&file->platter, file->now.size);
}

static bool has_name(const struct names *names, const struct name *name)
{
	for (size_t i = 0; i < names->n; i++) {
		if (names->list[i].node == name->node &&
		    strcmp(names->list[i].text, name->text) == 0)
			return true;
	}
	return false;
}

/* Some of what was not synced is there, in no order. */
static int lose(struct node *file, uint64_t *random, struct disk_loss *loss)
{
	size_t n = loss->names;
	int r = 0;

	for (size_t i = 0; i < file->names.n; i++)
		loss->names += !has_name(&file->platter_names, &file->names.list[i]);
	for (size_t i = 0; i < file->platter_names.n; i++)
		loss->names += !has_name(&file->names, &file->platter_names.list[i]);
	if (loss->names > n && is_kept(random)) {
		loss->names = n;
		r = put_names(file);
	}
	for (size_t i = 0; r == 0 && i < file->now.allocated / SECTOR; i++) {
		if (!file->is_dirty[i])
			continue;
		loss->sectors++;
		if (is_kept(random)) {
			loss->kept_sectors++;
			r = put_sector(file, i);
		}
	}
	if (r == 0 && file->platter.size != file->now.size && is_kept(random))
		r = resize(&file->platter, file->now.size);
	return r;
}

static int write_folder(const struct disk *disk, int parent, const char *name, uint64_t node);

static int write_node(const struct disk *disk, int folder, const struct name *name)
{
	const struct node *file = at(disk, name->node);
	_cleanup_close_ int fd = -1;

	if (S_ISDIR(file->attributes.mode))
		return write_folder(disk, folder, name->text, name->node);
	fd = openat(folder, name->text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || fchown(fd, file->attributes.uid, file->attributes.gid) < 0 ||
	    fchmod(fd, file->attributes.mode & 07777) < 0)
		return -errno;
	return file->platter.size ? io_write_full(fd, file->platter.data, file->platter.size) : 0;
}

static int write_folder(const struct disk *disk, int parent, const char *name, uint64_t node)
{
	const struct node *folder = at(disk, node);
	_cleanup_close_ int fd = -1;
	int r = 0;

	if (mkdirat(parent, name, 0700) < 0)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fchown(fd, folder->attributes.uid, folder->attributes.gid) < 0 ||
	    fchmod(fd, folder->attributes.mode & 07777) < 0)
		return -errno;
	for (size_t i = 0; r == 0 && i < folder->platter_names.n; i++)
		r = write_node(disk, fd, &folder->platter_names.list[i]);
	return r;
}

int disk_cut(struct disk *disk, const char *folder, uint64_t random, struct disk_loss *ret_loss)
{
	int r = 0;

	*ret_loss = (struct disk_loss){0};
	for (size_t i = 0; r == 0 && i < disk->n_nodes; i++)
		r = lose(&disk->nodes[i], &random, ret_loss);
	return r < 0 ? r : write_folder(disk, AT_FDCWD, folder, DISK_ROOT);
}

/* ---- what is there at the beginning ---- */

static int take_file(struct disk *disk, int fd, uint64_t node)
{
	uint8_t data[65536];
	uint64_t offset = 0;
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = read(fd, data, sizeof(data))) != 0) {
		if (n < 0)
			return -errno;
		r = disk_write(disk, node, offset, data, (size_t)n);
		offset += (uint64_t)n;
	}
	return r;
}

static int take_folder(struct disk *disk, int fd, uint64_t node);

static int take(struct disk *disk, int folder, uint64_t parent, const char *name)
{
	_cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct disk_attributes attributes = {0};
	struct stat info;
	uint64_t node;
	int r;

	if (fd < 0 || fstat(fd, &info) < 0)
		return -errno;
	if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
		return -ENOTSUP;
	attributes.mode = info.st_mode;
	attributes.uid = info.st_uid;
	attributes.gid = info.st_gid;
	attributes.changed = info.st_mtime;
	r = disk_make(disk, parent, name, &attributes, &node);
	if (r == 0)
		r = S_ISDIR(info.st_mode) ? take_folder(disk, fd, node) : take_file(disk, fd, node);
	return r < 0 ? r : disk_sync(disk, node);
}

static int take_folder(struct disk *disk, int fd, uint64_t node)
{
	int copy = dup(fd), r = 0;
	DIR *list = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;

	if (!list)
		return -errno;
	while (r == 0 && (entry = readdir(list))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = take(disk, fd, node, entry->d_name);
	}
	(void)closedir(list);
	return r;
}

int disk_new(const char *folder, struct disk **ret_disk)
{
	_cleanup_close_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct disk *disk = calloc(1, sizeof(*disk));
	int r = fd < 0 ? -errno : 0;

	if (disk)
		disk->nodes = calloc(1, sizeof(*disk->nodes));
	if (r == 0 && (!disk || !disk->nodes))
		r = -ENOMEM;
	if (r == 0) {
		disk->n_nodes = 1;
		at(disk, DISK_ROOT)->attributes.mode = S_IFDIR | 0755;
		r = take_folder(disk, fd, DISK_ROOT);
	}
	if (r == 0)
		r = disk_sync(disk, DISK_ROOT);
	if (r < 0) {
		disk_free(disk);
		return r;
	}
	*ret_disk = disk;
	return 0;
}

void disk_free(struct disk *disk)
{
	if (!disk)
		return;
	for (size_t i = 0; i < disk->n_nodes; i++) {
		struct node *node = &disk->nodes[i];

		free(node->now.data);
		free(node->platter.data);
		free(node->is_dirty);
		free(node->names.list);
		free(node->platter_names.list);
	}
	free(disk->nodes);
	free(disk);
}
