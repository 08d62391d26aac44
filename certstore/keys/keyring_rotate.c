/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another master key. What it seals is sealed anew in one transaction of the store: the pair's
 * key-encryption keys, the failover keys, and this unit's own records. The records that the pair
 * shares stay as they are, so that it costs the same however many they are.
 *
 * The files around that transaction: the new key lies durably in PATH.new before it, and takes
 * PATH's place after it. Whenever it stops, PATH or PATH.new opens the store, and the next start
 * (keyring_master_tidy) ends what was begun. The old key's file is overwritten before it goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "certstore/keys/keyring_private.h"

#define WIPED_MAX 4096

/* ---- in the store ---- */

/* What is to be in the store; grows. */
struct rewrap {
	const struct keyring *ring;
	struct secret wrap_key;
	struct kek unit;
	struct item {
		char *key;
		struct buf value;
	} * items;
	size_t n_items, n_room;
	char damaged[STORE_KEY_MAX + 1];
};

static void rewrap_done(struct rewrap *rewrap)
{
	secret_done(&rewrap->wrap_key);
	secret_done(&rewrap->unit.key);
	for (size_t i = 0; i < rewrap->n_items; i++) {
		free(rewrap->items[i].key);
		buf_done(&rewrap->items[i].value);
	}
	free(rewrap->items);
}

#define _cleanup_rewrap_ _cleanup_(rewrap_done)

/* VALUE is moved from. */
static int add_item(struct rewrap *rewrap, const char *key, struct buf *value)
{
	struct item *item;

	if (rewrap->n_items == rewrap->n_room) {
		size_t n_room = rewrap->n_room ? 2 * rewrap->n_room : 16;
		struct item *items = reallocarray(rewrap->items, n_room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		rewrap->items = items;
		rewrap->n_room = n_room;
	}
	item = &rewrap->items[rewrap->n_items];
	*item = (struct item){.key = strdup(key)};
	if (!item->key)
		return -ENOMEM;
	item->value = *value;
	*value = (struct buf){0};
	rewrap->n_items++;
	return 0;
}

static int add_keks(struct rewrap *rewrap)
{
	for (const struct kek *kek = rewrap->ring->keks; kek; kek = kek->next) {
		_cleanup_(buf_done) struct buf sealed = {0};
		char name[KEYRING_KEK_ITEM_SIZE];
		int r = keyring_kek_wrap(&rewrap->wrap_key, kek, name, &sealed);

		if (r == 0)
			r = add_item(rewrap, name, &sealed);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_failover_keys(struct rewrap *rewrap, const struct keyring_times *times)
{
	_cleanup_(buf_done) struct buf state = {0};
	int r = keyring_state_pack(times, rewrap->ring->is_leading, &state);

	if (r == 0)
		r = add_item(rewrap, KEYRING_STATE_ITEM, &state);
	for (size_t i = 0; i < KEYRING_FAILOVER__MAX && r == 0; i++) {
		_cleanup_(buf_done) struct buf sealed = {0};

		if (rewrap->ring->failover[i].key.size == 0)
			continue;
		r = keyring_failover_wrap(&rewrap->wrap_key, &rewrap->ring->failover[i], &sealed);
		if (r == 0)
			r = add_item(rewrap, keyring_failover_item((enum keyring_failover)i),
				     &sealed);
	}
	return r;
}

static int seal_anew(const struct rewrap *rewrap, Asafo__Record__Record *record,
		     struct buf *ret_bytes)
{
	const struct kek *old = &rewrap->ring->unit, *new = &rewrap->unit;
	_cleanup_(buf_done) struct buf ciphertext = {0};
	_cleanup_secret_ struct secret plain = {0};
	uint8_t nonce[SEAL_NONCE_SIZE];
	Asafo__Record__SealedKey sealed = ASAFO__RECORD__SEALED_KEY__INIT;
	Asafo__Record__Record message = ASAFO__RECORD__RECORD__INIT;
	int r = seal_decrypt(&old->key, record->public_part.data, record->public_part.len,
			     &record->key->nonce, &record->key->ciphertext, &plain);

	if (r == 0)
		r = seal_encrypt(&new->key, record->public_part.data, record->public_part.len,
				 plain.data, plain.size, nonce, &ciphertext);
	if (r < 0)
		return r;
	sealed.kek_id = (ProtobufCBinaryData){SEAL_ID_SIZE, (uint8_t *)(uintptr_t) new->id};
	sealed.nonce = (ProtobufCBinaryData){sizeof(nonce), nonce};
	sealed.ciphertext = (ProtobufCBinaryData){ciphertext.size, ciphertext.data};
	message.public_part = record->public_part;
	message.key = &sealed;
	r = buf_reserve(ret_bytes, asafo__record__record__get_packed_size(&message));
	if (r == 0)
		ret_bytes->size +=
			asafo__record__record__pack(&message, ret_bytes->data + ret_bytes->size);
	return r;
}

/* What is no record, or is sealed under a key of the pair (an orphan), stays as it is. */
static int add_record(const char *key, const uint8_t *value, size_t size, void *userdata)
{
	struct rewrap *rewrap = userdata;
	_cleanup_(buf_done) struct buf bytes = {0};
	Asafo__Record__Record *record;
	int r = 0;

	if (strncmp(key, "key/", 4) == 0)
		return 0;
	record = asafo__record__record__unpack(NULL, size, value);
	if (!record)
		return 0;
	if (record->key && record->key->kek_id.len == SEAL_ID_SIZE &&
	    memcmp(record->key->kek_id.data, rewrap->ring->unit.id, SEAL_ID_SIZE) == 0) {
		r = seal_anew(rewrap, record, &bytes);
		if (r == ERR_INTEGRITY || r == ERR_MALFORMED)
			(void)snprintf(rewrap->damaged, sizeof(rewrap->damaged), "%s", key);
		if (r == 0)
			r = add_item(rewrap, key, &bytes);
	}
	asafo__record__record__free_unpacked(record, NULL);
	return r;
}

static int rewrap_commit(struct rewrap *rewrap, struct why *ret_why)
{
	_cleanup_free_ struct store_change *changes = calloc(rewrap->n_items, sizeof(*changes));

	if (!changes)
		return why_set(ret_why, -ENOMEM, "out of memory");
	for (size_t i = 0; i < rewrap->n_items; i++)
		changes[i] =
			(struct store_change){rewrap->items[i].key, rewrap->items[i].value.data,
					      rewrap->items[i].value.size};
	return store_unit_change(rewrap->ring->store, changes, rewrap->n_items, ret_why);
}

int keyring_rewrap(struct keyring *ring, const struct secret *master, struct why *ret_why)
{
	_cleanup_rewrap_ struct rewrap rewrap = {.ring = ring};
	struct keyring_times times = ring->times;
	int r = keyring_derive_own(master, &rewrap.wrap_key, &rewrap.unit);

	times.master_at = (int64_t)time(NULL);
	if (r == 0)
		r = add_keks(&rewrap);
	if (r == 0)
		r = add_failover_keys(&rewrap, &times);
	if (r == 0)
		r = store_unit_each(ring->store, "", add_record, &rewrap);
	if (rewrap.damaged[0])
		return why_set(ret_why, r,
			       "the master key stays: %.100s in the certificate store is damaged, "
			       "and would be lost with the old key (remove it, or restore it)",
			       rewrap.damaged);
	if (r < 0)
		return why_set(ret_why, r, "the master key stays: %s", err_text(r));
	r = rewrap_commit(&rewrap, ret_why);
	if (r < 0)
		return r;
	keyring_secret_move(&ring->wrap_key, &rewrap.wrap_key);
	keyring_secret_move(&ring->unit.key, &rewrap.unit.key);
	memcpy(ring->unit.id, rewrap.unit.id, SEAL_ID_SIZE);
	ring->times = times;
	return 0;
}

int keyring_note_master(struct keyring *ring, struct why *ret_why)
{
	_cleanup_(buf_done) struct buf bytes = {0};
	struct keyring_times times = ring->times;
	struct store_change change = {.key = KEYRING_STATE_ITEM};
	int r;

	times.master_at = (int64_t)time(NULL);
	r = keyring_state_pack(&times, ring->is_leading, &bytes);
	if (r < 0)
		return why_set(ret_why, r, "out of memory");
	change.value = bytes.data;
	change.value_size = bytes.size;
	r = store_unit_change(ring->store, &change, 1, ret_why);
	if (r == 0)
		ring->times = times;
	return r;
}

/* ---- the files ---- */

int keyring_master_beside(const char *path, const char *suffix, char ret_path[static PATH_MAX])
{
	return snprintf(ret_path, PATH_MAX, "%s%s", path, suffix) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int overwrite(int fd)
{
	static const uint8_t zeros[WIPED_MAX];
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	r = io_write_full(fd, zeros, st.st_size < WIPED_MAX ? (size_t)st.st_size : WIPED_MAX);
	return r == 0 && fsync(fd) < 0 ? -errno : r;
}

int keyring_master_wipe(const char *path)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int r;

	if (fd < 0 && errno == ENOENT)
		return 0;
	/* What cannot be overwritten goes all the same. */
	r = fd < 0 ? -errno : overwrite(fd);
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	return r < 0 ? r : io_sync_parent(path);
}

/* The old key's file keeps a name until it is overwritten: it must not become free blocks of a disk
 * with the key on them. */
static int take_place(const char *path, const char *next, const char *old)
{
	if (rename(path, old) < 0 && errno != ENOENT)
		return -errno;
	if (rename(next, path) < 0)
		return -errno;
	return io_sync_parent(path);
}

int keyring_master_tidy(const char *path, bool is_next)
{
	char next[PATH_MAX], old[PATH_MAX];
	int r = keyring_master_beside(path, KEYRING_MASTER_NEXT, next), again;

	if (r == 0)
		r = keyring_master_beside(path, KEYRING_MASTER_OLD, old);
	if (r == 0 && is_next)
		r = take_place(path, next, old);
	if (r < 0)
		return r;
	r = keyring_master_wipe(next);
	again = keyring_master_wipe(old);
	return r < 0 ? r : again;
}

/* After a change whose files were not put in order the key in use lies beside PATH alone, where the
 * next change would write over it. */
static int check_in_order(struct keyring *ring, const char *path, struct why *ret_why)
{
	_cleanup_secret_ struct secret master = {0}, wrap = {0};
	struct why why = {0};
	int r = keyring_master_key(ring->store, -1, path, &master, &why);

	if (r < 0)
		return why_set(ret_why, r, "the master key stays: %s", why.text);
	r = seal_derive_key(&master, KEYRING_WRAP_INFO, &wrap);
	if (r == 0 && (wrap.size != ring->wrap_key.size ||
		       gnutls_memcmp(wrap.data, ring->wrap_key.data, wrap.size) != 0))
		r = ERR_NOT_READY;
	return r < 0 ? why_set(ret_why, r,
			       "the master key stays: %s is not the one in use, which lies beside "
			       "it; restart the service, which puts the files in order",
			       path)
		     : 0;
}

struct master_file {
	const char *path;
	const struct secret *master;
};

static int run_write(void *userdata)
{
	const struct master_file *file = userdata;

	return io_replace_file(file->path, 0600, file->master->data, file->master->size);
}

static int run_wipe(void *userdata)
{
	return keyring_master_wipe(userdata);
}

static int run_tidy(void *userdata)
{
	return keyring_master_tidy(userdata, true);
}

static int write_file(struct keyring *ring, const char *path, const struct secret *master)
{
	struct master_file file = {path, master};

	return store_run_beside(ring->store, run_write, &file);
}

int keyring_master_rotate(struct keyring *ring, const char *path, struct why *ret_why)
{
	_cleanup_secret_ struct secret master = {0};
	char next[PATH_MAX];
	int r = check_in_order(ring, path, ret_why);

	if (r < 0)
		return r;
	r = keyring_master_beside(path, KEYRING_MASTER_NEXT, next);
	if (r == 0)
		r = keyring_secret_random(&master);
	if (r == 0)
		r = write_file(ring, next, &master);
	if (r < 0)
		return why_set(ret_why, r, "the master key stays: cannot make %s: %s", next,
			       err_text(r));
	r = keyring_rewrap(ring, &master, ret_why);
	if (r < 0) {
		/* Where it is not known what the disk has, the next start needs both. */
		if (!store_is_stuck(ring->store))
			(void)store_run_beside(ring->store, run_wipe, next);
		return r;
	}
	r = store_run_beside(ring->store, run_tidy, (char *)(uintptr_t)path);
	return r < 0 ? why_set(ret_why, r,
			       "the master key was changed, but the files %s* could not be put in "
			       "order (%s): leave them, the next start does it",
			       path, err_text(r))
		     : 0;
}

int keyring_master_to_file(struct keyring *ring, int credential_fd, const char *path,
			   struct why *ret_why)
{
	_cleanup_secret_ struct secret master = {0}, wrap = {0};
	int r = lseek(credential_fd, 0, SEEK_SET) < 0 ? -errno : 0;

	if (r < 0)
		return why_set(ret_why, r, "the credential asafo.master-key cannot be read: %s",
			       err_text(r));
	r = keyring_master_key(ring->store, credential_fd, path, &master, ret_why);
	if (r < 0)
		return r;
	r = seal_derive_key(&master, KEYRING_WRAP_INFO, &wrap);
	if (r == 0 && gnutls_memcmp(wrap.data, ring->wrap_key.data, wrap.size) != 0)
		return why_set(ret_why, ERR_INTEGRITY,
			       "the credential asafo.master-key is not the key that this unit's "
			       "keys are sealed under: nothing was written");
	if (r == 0)
		r = write_file(ring, path, &master);
	return r < 0 ? why_set(ret_why, r, "cannot write %s: %s", path, err_text(r)) : 0;
}
