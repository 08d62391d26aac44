/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A tree of files in memory that is there twice: as programs see it, and as it lies on the platter.
 * Bytes reach the platter when their file is synced, names when their folder is: POSIX promises no
 * more. What belongs to the name (owner, mode) goes with it. Nodes are numbered from DISK_ROOT, and
 * stay until the end of the program.
 */
#define DISK_ROOT 1
#define DISK_NAME_MAX 255

struct disk;

struct disk_attributes {
	mode_t mode; /* with the type */
	uid_t uid;
	gid_t gid;
	size_t size;
	int64_t changed; /* seconds since 1970 */
};

/* Takes the tree below FOLDER over: all of it lies on the platter. */
int disk_new(const char *folder, struct disk **ret_disk);
void disk_free(struct disk *disk);

bool disk_is_node(const struct disk *disk, uint64_t node);
void disk_stat(const struct disk *disk, uint64_t node, struct disk_attributes *ret_attributes);
void disk_own(struct disk *disk, uint64_t node, const mode_t *mode, const uid_t *uid,
	      const gid_t *gid);

/* -ENOENT. */
int disk_find(const struct disk *disk, uint64_t folder, const char *name, uint64_t *ret_node);
/* The name with the number INDEX, counted from 0; NULL: there are no more. */
const char *disk_name(const struct disk *disk, uint64_t folder, size_t index, uint64_t *ret_node);
/* -EEXIST, -ENAMETOOLONG. */
int disk_make(struct disk *disk, uint64_t folder, const char *name,
	      const struct disk_attributes *attributes, uint64_t *ret_node);
/* -ENOENT, -ENOTEMPTY. */
int disk_remove(struct disk *disk, uint64_t folder, const char *name);
int disk_rename(struct disk *disk, uint64_t from, const char *name, uint64_t to,
		const char *new_name);

int disk_write(struct disk *disk, uint64_t node, uint64_t offset, const void *data, size_t size);
int disk_truncate(struct disk *disk, uint64_t node, uint64_t size);
/* How much there is. */
size_t disk_read(const struct disk *disk, uint64_t node, uint64_t offset, size_t size,
		 const uint8_t **ret_data);

/* A file's bytes and its length, or a folder's names. */
int disk_sync(struct disk *disk, uint64_t node);

struct disk_loss {
	size_t sectors, kept_sectors, names;
};

/*
 * The power goes: FOLDER, which is made, becomes what lies on the platter. RANDOM 0: nothing that
 * was not synced is there; else a seed of which sectors, lengths and folders of it are.
 */
int disk_cut(struct disk *disk, const char *folder, uint64_t random, struct disk_loss *ret_loss);
