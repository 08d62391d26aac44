/* SPDX-License-Identifier: Apache-2.0 */
/*
 * master key -> wrap key -> key-encryption keys and failover key, each sealed for its purpose. A
 * key joins the ring on disk before anything is sealed under it, and never leaves it: an older
 * record always finds its key.
 */
#include "certstore/keyring.h"

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
#include "certstore/pair.h"

#define KEK_PREFIX "key/kek/"
#define FAILOVER_ITEM "key/failover"
#define FAILOVER_TEXT_MAX 63
#define FAILOVER_TEXT_ITERATIONS 100000

#define PURPOSE_KEK "asafo kek at rest"
#define PURPOSE_FAILOVER "asafo failover key at rest"
#define PURPOSE_KEK_MATE "asafo kek for the mate"
#define PURPOSE_PAIR "asafo failover key for a new mate"

struct kek {
	struct kek *next;
	uint8_t id[SEAL_ID_SIZE];
	struct secret key;
};

struct keyring {
	struct store *store;
	struct secret wrap_key; /* under the master key */
	struct kek unit;
	struct kek *keks;
	uint8_t current[SEAL_ID_SIZE];
	struct secret failover_key;
};

#define _cleanup_secret_ _cleanup_(secret_done)

static void secret_move(struct secret *to, struct secret *from)
{
	secret_done(to);
	*to = *from;
	*from = (struct secret){0};
}

static int secret_random(struct secret *ret_secret)
{
	_cleanup_secret_ struct secret secret = {0};
	int r = secret_init(&secret, SEAL_KEY_SIZE);

	if (r == 0 && gnutls_rnd(GNUTLS_RND_KEY, secret.data, secret.size) < 0)
		r = ERR_CRYPTO;
	if (r == 0)
		secret_move(ret_secret, &secret);
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
	int r = secret_random(&master);

	if (r == 0)
		r = io_replace_file(path, 0600, master.data, master.size);
	if (r < 0)
		return why_set(ret_why, r, "cannot make the master key %s: %s", path, err_text(r));
	secret_move(ret_master, &master);
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

static struct kek *find_kek(struct keyring *ring, const uint8_t *id)
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
	secret_move(&kek->key, key);
	kek->next = ring->keks;
	ring->keks = kek;
	return 0;
}

static int add_kek(struct keyring *ring, struct secret *key, const uint8_t *id, struct why *ret_why)
{
	_cleanup_(buf_done) struct buf sealed = {0};
	char name[sizeof(KEK_PREFIX) + 2 * SEAL_ID_SIZE] = KEK_PREFIX;
	struct store_change change = {.key = name};
	int r;

	if (find_kek(ring, id))
		return 0;
	hex_encode(id, SEAL_ID_SIZE, name + sizeof(KEK_PREFIX) - 1);
	r = seal_wrap(&ring->wrap_key, PURPOSE_KEK, id, key, &sealed);
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

static int load_failover_key(struct keyring *ring)
{
	_cleanup_(buf_done) struct buf sealed = {0};
	uint8_t id[SEAL_ID_SIZE];
	int r = store_unit_get(ring->store, FAILOVER_ITEM, &sealed);

	if (r == ERR_NOT_FOUND)
		return 0;
	if (r == 0)
		r = seal_unwrap(&ring->wrap_key, PURPOSE_FAILOVER, sealed.data, sealed.size, id,
				&ring->failover_key);
	return r;
}

static int make_first_kek(struct keyring *ring, struct why *ret_why)
{
	_cleanup_secret_ struct secret key = {0};
	uint8_t id[SEAL_ID_SIZE];
	int r = secret_random(&key);

	if (r == 0)
		r = seal_kek_id(&key, id);
	return r < 0 ? r : add_kek(ring, &key, id, ret_why);
}

int keyring_refresh(struct keyring *ring)
{
	uint8_t id[SEAL_ID_SIZE];
	int r = store_kek_id(ring->store, id);

	if (r == 0 && !find_kek(ring, id))
		return ERR_STORE;
	if (r == 0)
		memcpy(ring->current, id, sizeof(id));
	return r;
}

/* The first start, or one that ended between making the key and naming it. */
static int begin_ring(struct keyring *ring, struct why *ret_why)
{
	int r = ring->keks ? 0 : make_first_kek(ring, ret_why);

	if (r == 0)
		r = store_kek_id_set(ring->store, ring->keks->id);
	return r < 0 ? r : keyring_refresh(ring);
}

static int derive_own(struct keyring *ring, const struct secret *master)
{
	int r = seal_derive_key(master, "asafo master wrap", &ring->wrap_key);

	if (r == 0)
		r = seal_derive_key(master, "asafo unit kek", &ring->unit.key);
	return r < 0 ? r : seal_kek_id(&ring->unit.key, ring->unit.id);
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
	r = derive_own(ring, master);
	if (r == 0)
		r = store_unit_each(store, KEK_PREFIX, load_kek, ring);
	if (r == 0)
		r = load_failover_key(ring);
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
	secret_done(&ring->failover_key);
	free(ring);
}

int keyring_seal(struct keyring *ring, enum keyring_kek which,
		 const Asafo__Record__TrustpointPublic *public_part, const struct secret *pkcs8,
		 struct buf *ret_record)
{
	const struct kek *kek = which == KEYRING_UNIT ? &ring->unit : find_kek(ring, ring->current);

	return kek ? seal_record(&kek->key, kek->id, public_part, pkcs8, ret_record) : ERR_STORE;
}

int keyring_open(struct keyring *ring, const Asafo__Record__Record *record,
		 struct secret *ret_pkcs8)
{
	const struct kek *kek;

	if (!record->key || record->key->kek_id.len != SEAL_ID_SIZE)
		return ERR_MALFORMED;
	kek = find_kek(ring, record->key->kek_id.data);
	if (!kek)
		return ERR_INTEGRITY;
	return seal_decrypt(&kek->key, record->public_part.data, record->public_part.len,
			    &record->key->nonce, &record->key->ciphertext, ret_pkcs8);
}

/* ---- the failover key ---- */

static int store_failover_key(struct keyring *ring, struct secret *key, struct why *ret_why)
{
	_cleanup_(buf_done) struct buf sealed = {0};
	struct store_change change = {.key = FAILOVER_ITEM};
	uint8_t id[SEAL_ID_SIZE];
	int r;

	if (ring->failover_key.size == key->size &&
	    gnutls_memcmp(ring->failover_key.data, key->data, key->size) == 0)
		return 0;
	r = seal_derive(key->data, key->size, "asafo failover key id", id, sizeof(id));
	if (r == 0)
		r = seal_wrap(&ring->wrap_key, PURPOSE_FAILOVER, id, key, &sealed);
	if (r < 0)
		return why_set(ret_why, r, "cannot seal the failover key: %s", err_text(r));
	change.value = sealed.data;
	change.value_size = sealed.size;
	r = store_unit_change(ring->store, &change, 1, ret_why);
	if (r == 0)
		secret_move(&ring->failover_key, key);
	return r;
}

/* A text that a person chose is stretched (RFC 8018): who records a hello must not try a dictionary
 * at full speed. */
static int derive_from_text(const uint8_t *text, size_t size, struct secret *ret_key)
{
	static const uint8_t salt_bytes[] = "asafo failover key";
	gnutls_datum_t password = {(void *)(uintptr_t)text, (unsigned)size};
	gnutls_datum_t salt = {(void *)(uintptr_t)salt_bytes, sizeof(salt_bytes) - 1};
	_cleanup_secret_ struct secret stretched = {0};
	int r = secret_init(&stretched, SEAL_KEY_SIZE);

	if (r == 0 && gnutls_pbkdf2(GNUTLS_MAC_SHA256, &password, &salt, FAILOVER_TEXT_ITERATIONS,
				    stretched.data, stretched.size) < 0)
		r = ERR_CRYPTO;
	return r < 0 ? r : seal_derive_key(&stretched, "asafo failover key text", ret_key);
}

static int derive_from_hex(const uint8_t bytes[static 16], struct secret *ret_key)
{
	_cleanup_secret_ struct secret key = {0};
	int r = secret_init(&key, SEAL_KEY_SIZE);

	if (r == 0)
		r = seal_derive(bytes, 16, "asafo failover key hex", key.data, key.size);
	if (r == 0)
		secret_move(ret_key, &key);
	return r;
}

int keyring_failover_key_set(struct keyring *ring, const uint8_t *text, size_t size,
			     struct why *ret_why)
{
	_cleanup_secret_ struct secret key = {0};
	char copy[FAILOVER_TEXT_MAX + 1] = {0};
	uint8_t bytes[16];
	int r;

	if (size == 0 || size > FAILOVER_TEXT_MAX)
		return why_set(
			ret_why, ERR_MALFORMED,
			"a failover key has 1 to 63 characters, or is 32 hexadecimal digits");
	for (size_t i = 0; i < size; i++) {
		if (text[i] < 0x21 || text[i] == 0x7f)
			return why_set(ret_why, ERR_MALFORMED,
				       "a failover key has no spaces and no control characters");
	}
	memcpy(copy, text, size);
	r = hex_decode(copy, sizeof(bytes), bytes) == 0 ? derive_from_hex(bytes, &key)
							: derive_from_text(text, size, &key);
	explicit_bzero(copy, sizeof(copy));
	explicit_bzero(bytes, sizeof(bytes));
	if (r < 0)
		return why_set(ret_why, r, "cannot derive the failover key: %s", err_text(r));
	return store_failover_key(ring, &key, ret_why);
}

int keyring_failover_key_make(struct keyring *ring, struct why *ret_why)
{
	_cleanup_secret_ struct secret key = {0};
	int r = secret_random(&key);

	if (r < 0)
		return why_set(ret_why, r, "cannot make a failover key: %s", err_text(r));
	return store_failover_key(ring, &key, ret_why);
}

bool keyring_has_failover_key(const struct keyring *ring)
{
	return ring->failover_key.size > 0;
}

int keyring_link_keys(struct keyring *ring, uint8_t ret_hello_key[static 32],
		      uint8_t ret_link_psk[static 32])
{
	const struct secret *key = &ring->failover_key;
	int r;

	if (!keyring_has_failover_key(ring))
		return ERR_NOT_READY;
	r = seal_derive(key->data, key->size, "asafo hello key", ret_hello_key, 32);
	return r < 0 ? r : seal_derive(key->data, key->size, "asafo link psk", ret_link_psk, 32);
}

/* ---- the mate ---- */

static int mate_wrap_key(struct keyring *ring, struct secret *ret_key)
{
	if (!keyring_has_failover_key(ring))
		return ERR_NOT_READY;
	return seal_derive_key(&ring->failover_key, "asafo kek wrap", ret_key);
}

int keyring_kek_export(struct keyring *ring, struct buf *ret_sealed)
{
	_cleanup_secret_ struct secret wrap = {0};
	const struct kek *kek = find_kek(ring, ring->current);
	int r = kek ? mate_wrap_key(ring, &wrap) : ERR_STORE;

	return r < 0 ? r : seal_wrap(&wrap, PURPOSE_KEK_MATE, kek->id, &kek->key, ret_sealed);
}

int keyring_kek_import(struct keyring *ring, const uint8_t *sealed, size_t size,
		       uint8_t ret_id[static SEAL_ID_SIZE], struct why *ret_why)
{
	_cleanup_secret_ struct secret wrap = {0}, key = {0};
	uint8_t id[SEAL_ID_SIZE], computed[SEAL_ID_SIZE];
	int r = mate_wrap_key(ring, &wrap);

	if (r == ERR_NOT_READY)
		return why_set(ret_why, r, "this unit has no failover key");
	if (r == 0)
		r = seal_unwrap(&wrap, PURPOSE_KEK_MATE, sealed, size, id, &key);
	if (r == 0 && key.size != SEAL_KEY_SIZE)
		r = ERR_MALFORMED;
	if (r == 0)
		r = seal_kek_id(&key, computed);
	if (r == 0 && memcmp(id, computed, sizeof(id)) != 0)
		r = ERR_INTEGRITY;
	if (r < 0)
		return why_set(ret_why, r, "the mate's key-encryption key cannot be opened: %s",
			       r == ERR_INTEGRITY ? "the mate has another failover key"
						  : err_text(r));
	r = add_kek(ring, &key, id, ret_why);
	if (r == 0)
		memcpy(ret_id, id, sizeof(id));
	return r;
}

static int pair_key(const char *code, struct secret *ret_key, struct why *ret_why)
{
	struct pair_keys keys;
	int r = pair_keys_derive(code, &keys, ret_why);

	if (r == 0)
		r = secret_init_copy(ret_key, keys.seal_key, sizeof(keys.seal_key));
	explicit_bzero(&keys, sizeof(keys));
	return r;
}

int keyring_pair_seal(struct keyring *ring, const char *code, struct buf *ret_sealed,
		      struct why *ret_why)
{
	static const uint8_t id[SEAL_ID_SIZE];
	_cleanup_secret_ struct secret key = {0};
	int r;

	if (!keyring_has_failover_key(ring))
		return why_set(ret_why, ERR_NOT_READY, "this unit has no failover key");
	r = pair_key(code, &key, ret_why);
	return r < 0 ? r : seal_wrap(&key, PURPOSE_PAIR, id, &ring->failover_key, ret_sealed);
}

int keyring_pair_accept(struct keyring *ring, const char *code, const uint8_t *sealed, size_t size,
			struct why *ret_why)
{
	_cleanup_secret_ struct secret key = {0}, failover = {0};
	uint8_t id[SEAL_ID_SIZE];
	int r = pair_key(code, &key, ret_why);

	if (r < 0)
		return r;
	r = seal_unwrap(&key, PURPOSE_PAIR, sealed, size, id, &failover);
	if (r == 0 && failover.size != SEAL_KEY_SIZE)
		r = ERR_MALFORMED;
	if (r < 0)
		return why_set(ret_why, r,
			       "the failover key from the other unit cannot be opened: %s",
			       r == ERR_INTEGRITY ? "wrong pairing code" : err_text(r));
	return store_failover_key(ring, &failover, ret_why);
}
