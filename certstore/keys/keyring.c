/* SPDX-License-Identifier: Apache-2.0 */
/*
 * master key -> wrap key -> key-encryption keys and failover key, each sealed for its purpose. A
 * key joins the ring on disk before anything is sealed under it, and never leaves it: an older
 * record always finds its key.
 */
#include "certstore/keys/keyring_private.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/io.h"
#include "ipc/loginbox.h"

#define PURPOSE_KEK "asafo kek at rest"

int keyring_secret_random(struct secret *ret_secret)
{
	_cleanup_secret_ struct secret secret = {0};
	int r = secret_init(&secret, SEAL_KEY_SIZE);

	if (r == 0 && gnutls_rnd(GNUTLS_RND_KEY, secret.data, secret.size) < 0)
		r = ERR_CRYPTO;
	if (r == 0)
		keyring_secret_move(ret_secret, &secret);
	return r;
}

/* ---- the master key ---- */

static int read_master(int fd, const char *name, struct secret *ret_master, struct why *ret_why)
{
	_cleanup_(buf_wipe) struct buf bytes = {0};
	int r = io_read_all(fd, SEAL_KEY_SIZE, &bytes);

	if (r == ERR_TOO_LARGE || (r == 0 && bytes.size != SEAL_KEY_SIZE))
		return why_set(ret_why, ERR_MALFORMED,
			       "the master key in %s is not %d bytes long: restore it", name,
			       SEAL_KEY_SIZE);
	if (r < 0)
		return why_set(ret_why, r, "cannot read the master key in %s: %s", name,
			       err_text(r));
	return secret_init_copy(ret_master, bytes.data, bytes.size);
}

static int make_master(const char *path, struct secret *ret_master, struct why *ret_why)
{
	_cleanup_secret_ struct secret master = {0};
	int r = keyring_secret_random(&master);

	if (r == 0)
		r = io_replace_file(path, 0600, master.data, master.size);
	if (r < 0)
		return why_set(ret_why, r, "cannot make the master key %s: %s", path, err_text(r));
	keyring_secret_move(ret_master, &master);
	return 0;
}

int keyring_master_key(struct store *store, int credential_fd, const char *path,
		       struct secret *ret_master, struct why *ret_why)
{
	_cleanup_close_ int fd = -1;
	uint64_t n_sealed = 0;
	int r;

	if (credential_fd >= 0)
		return read_master(credential_fd, "the credential master-key", ret_master, ret_why);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		return read_master(fd, path, ret_master, ret_why);
	if (errno != ENOENT)
		return why_set(ret_why, -errno, "cannot open the master key %s: %s", path,
			       strerror(errno));
	r = store_unit_count(store, "key/", &n_sealed);
	if (r < 0)
		return why_set(ret_why, r, "the certificate store cannot be read: %s", err_text(r));
	if (n_sealed > 0)
		return why_set(ret_why, ERR_NOT_FOUND,
			       "the master key %s is gone, and this unit's keys are sealed under "
			       "it: restore it "
			       "from a backup, or move the unit's state folder away and pair the "
			       "unit again",
			       path);
	return make_master(path, ret_master, ret_why);
}

/* ---- the ring ---- */

struct kek *keyring_find_kek(struct keyring *ring, const uint8_t *id)
{
	if (memcmp(ring->unit.id, id, SEAL_ID_SIZE) == 0)
		return &ring->unit;
	for (struct kek *kek = ring->keks; kek; kek = kek->next) {
		if (memcmp(kek->id, id, SEAL_ID_SIZE) == 0)
			return kek;
	}
	return NULL;
}

/* Takes KEY over. */
static int add_to_memory(struct keyring *ring, struct secret *key, const uint8_t *id)
{
	struct kek *kek = calloc(1, sizeof(*kek));

	if (!kek)
		return -ENOMEM;
	memcpy(kek->id, id, SEAL_ID_SIZE);
	keyring_secret_move(&kek->key, key);
	kek->next = ring->keks;
	ring->keks = kek;
	return 0;
}

int keyring_kek_wrap(const struct secret *wrap_key, const struct kek *kek,
		     char ret_name[static KEYRING_KEK_ITEM_SIZE], struct buf *ret_sealed)
{
	memcpy(ret_name, KEYRING_KEK_PREFIX, sizeof(KEYRING_KEK_PREFIX));
	hex_encode(kek->id, SEAL_ID_SIZE, ret_name + sizeof(KEYRING_KEK_PREFIX) - 1);
	return seal_wrap(wrap_key, PURPOSE_KEK, kek->id, &kek->key, ret_sealed);
}

int keyring_add_kek(struct keyring *ring, struct secret *key, const uint8_t *id,
		    struct why *ret_why)
{
	_cleanup_(buf_done) struct buf sealed = {0};
	char name[KEYRING_KEK_ITEM_SIZE];
	struct store_change change = {.key = name};
	struct kek kek = {.key = *key}; /* a view */
	int r;

	if (keyring_find_kek(ring, id))
		return 0;
	memcpy(kek.id, id, SEAL_ID_SIZE);
	r = keyring_kek_wrap(&ring->wrap_key, &kek, name, &sealed);
	if (r < 0)
		return why_set(ret_why, r, "cannot seal a key: %s", err_text(r));
	change.value = sealed.data;
	change.value_size = sealed.size;
	r = store_unit_change(ring->store, &change, 1, ret_why);
	return r < 0 ? r : add_to_memory(ring, key, id);
}

static int load_kek(const char *name, const uint8_t *value, size_t size, void *userdata)
{
	_cleanup_secret_ struct secret key = {0};
	struct keyring *ring = userdata;
	uint8_t id[SEAL_ID_SIZE], computed[SEAL_ID_SIZE];
	int r = seal_unwrap(&ring->wrap_key, PURPOSE_KEK, value, size, id, &key);

	(void)name;
	if (r == 0)
		r = seal_kek_id(&key, computed);
	if (r == 0 && memcmp(id, computed, sizeof(id)) != 0)
		r = ERR_INTEGRITY;
	return r < 0 ? r : add_to_memory(ring, &key, id);
}

static int make_first_kek(struct keyring *ring, struct why *ret_why)
{
	_cleanup_secret_ struct secret key = {0};
	uint8_t id[SEAL_ID_SIZE];
	int r = keyring_secret_random(&key);

	if (r == 0)
		r = seal_kek_id(&key, id);
	return r < 0 ? r : keyring_add_kek(ring, &key, id, ret_why);
}

int keyring_refresh(struct keyring *ring)
{
	uint8_t id[SEAL_ID_SIZE];
	int r = store_kek_id(ring->store, id);

	if (r == 0 && !keyring_find_kek(ring, id))
		return ERR_STORE;
	if (r == 0)
		memcpy(ring->current, id, sizeof(id));
	return r;
}

/* The first start, or one that ended between making the key and naming it. */
static int begin_ring(struct keyring *ring, struct why *ret_why)
{
	int r = ring->keks ? 0 : keyring_note_master(ring, ret_why);

	if (r == 0 && !ring->keks)
		r = make_first_kek(ring, ret_why);

	if (r == 0)
		r = store_kek_id_set(ring->store, ring->keks->id);
	return r < 0 ? r : keyring_refresh(ring);
}

int keyring_derive_own(const struct secret *master, struct secret *ret_wrap_key,
		       struct kek *ret_unit)
{
	int r = seal_derive_key(master, KEYRING_WRAP_INFO, ret_wrap_key);

	if (r == 0)
		r = seal_derive_key(master, "asafo unit kek", &ret_unit->key);
	return r < 0 ? r : seal_kek_id(&ret_unit->key, ret_unit->id);
}

static inline void keyring_free_p(struct keyring **ring)
{
	keyring_free(*ring);
}

int keyring_new(struct store *store, const struct secret *master, struct keyring **ret_ring,
		struct why *ret_why)
{
	_cleanup_(keyring_free_p) struct keyring *ring = calloc(1, sizeof(*ring));
	int r;

	if (!ring)
		return why_set(ret_why, -ENOMEM, "out of memory");
	ring->store = store;
	r = keyring_derive_own(master, &ring->wrap_key, &ring->unit);
	if (r == 0)
		r = store_unit_each(store, KEYRING_KEK_PREFIX, load_kek, ring);
	if (r == 0)
		r = keyring_failover_load(ring);
	if (r == ERR_INTEGRITY)
		return why_set(ret_why, r,
			       "this unit's keys are sealed under another master key: restore that "
			       "one, or move the "
			       "unit's state folder away and pair the unit again");
	if (r == 0)
		r = keyring_refresh(ring);
	if (r == ERR_NOT_FOUND)
		r = begin_ring(ring, ret_why);
	if (r < 0)
		return why_set(ret_why, r, "this unit's keys cannot be opened: %s", err_text(r));
	*ret_ring = TAKE_PTR(ring);
	return 0;
}

void keyring_free(struct keyring *ring)
{
	if (!ring)
		return;
	while (ring->keks) {
		struct kek *kek = ring->keks;

		ring->keks = kek->next;
		secret_done(&kek->key);
		free(kek);
	}
	secret_done(&ring->unit.key);
	secret_done(&ring->wrap_key);
	for (size_t i = 0; i < KEYRING_FAILOVER__MAX; i++)
		secret_done(&ring->failover[i].key);
	free(ring);
}

int keyring_seal(struct keyring *ring, enum keyring_kek which,
		 const Asafo__Record__TrustpointPublic *public_part, const struct secret *pkcs8,
		 struct buf *ret_record)
{
	const struct kek *kek =
		which == KEYRING_UNIT ? &ring->unit : keyring_find_kek(ring, ring->current);

	return kek ? seal_record(&kek->key, kek->id, public_part, pkcs8, ret_record) : ERR_STORE;
}

int keyring_open(struct keyring *ring, const Asafo__Record__Record *record,
		 struct secret *ret_pkcs8)
{
	const struct kek *kek;

	if (!record->key || record->key->kek_id.len != SEAL_ID_SIZE)
		return ERR_MALFORMED;
	kek = keyring_find_kek(ring, record->key->kek_id.data);
	if (!kek)
		return ERR_INTEGRITY;
	return seal_decrypt(&kek->key, record->public_part.data, record->public_part.len,
			    &record->key->nonce, &record->key->ciphertext, ret_pkcs8);
}

int keyring_wrap(struct keyring *ring, const char *purpose, const struct secret *plain,
		 struct buf *ret_sealed)
{
	const struct kek *kek = keyring_find_kek(ring, ring->current);

	return kek ? seal_wrap(&kek->key, purpose, kek->id, plain, ret_sealed) : ERR_STORE;
}

int keyring_unwrap(struct keyring *ring, const char *purpose, const uint8_t *sealed, size_t size,
		   struct secret *ret_plain)
{
	Asafo__Record__SealedKey *message = asafo__record__sealed_key__unpack(NULL, size, sealed);
	const struct kek *kek = NULL;
	uint8_t id[SEAL_ID_SIZE];

	if (message && message->kek_id.len == SEAL_ID_SIZE)
		kek = keyring_find_kek(ring, message->kek_id.data);
	asafo__record__sealed_key__free_unpacked(message, NULL);
	if (!message)
		return ERR_MALFORMED;
	return kek ? seal_unwrap(&kek->key, purpose, sealed, size, id, ret_plain) : ERR_NOT_READY;
}

int keyring_login_key(struct keyring *ring, struct secret *ret_key)
{
	const struct kek *kek = keyring_find_kek(ring, ring->current);

	return kek ? seal_derive_key(&kek->key, LOGINBOX_PURPOSE, ret_key) : ERR_STORE;
}

const struct keyring_times *keyring_times(const struct keyring *ring)
{
	return &ring->times;
}
