/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The failover key: how it comes, how the pair comes to another one (core/rekey.h), and what is
 * sealed under it for the mate. All of the keys that there are at a time, and what is known of
 * them, change in one transaction.
 */
#include <errno.h>
#include <gnutls/crypto.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/hex.h"
#include "certstore/keys/keyring_private.h"
#include "certstore/keys/pair.h"

#define FAILOVER_TEXT_MAX 63
#define FAILOVER_TEXT_ITERATIONS 100000

#define PURPOSE_FAILOVER "asafo failover key at rest"
#define PURPOSE_KEK_MATE "asafo kek for the mate"
#define PURPOSE_PAIR "asafo failover key for a new mate"
#define PURPOSE_REKEY "asafo next failover key for the mate"

static const char *const items[KEYRING_FAILOVER__MAX] = {
	[KEYRING_FAILOVER_CURRENT] = "key/failover",
	[KEYRING_FAILOVER_NEXT] = "key/failover-next",
	[KEYRING_FAILOVER_PREVIOUS] = "key/failover-previous",
};

/* What is to be in the store. */
struct failover_set {
	struct failover_key keys[KEYRING_FAILOVER__MAX];
	struct keyring_times times;
	bool is_leading;
};

static void failover_set_done(struct failover_set *set)
{
	for (size_t i = 0; i < KEYRING_FAILOVER__MAX; i++)
		secret_done(&set->keys[i].key);
}

#define _cleanup_set_ _cleanup_(failover_set_done)

static bool has_key(const struct failover_key *key)
{
	return key->key.size > 0;
}

static bool same_id(const struct failover_key *key, const uint8_t id[static SEAL_ID_SIZE])
{
	return has_key(key) && memcmp(key->id, id, SEAL_ID_SIZE) == 0;
}

/* Takes KEY over and names it. */
static int failover_key_fill(struct failover_key *to, struct secret *key)
{
	uint8_t id[SEAL_ID_SIZE];
	int r = seal_derive(key->data, key->size, "asafo failover key id", id, sizeof(id));

	if (r < 0)
		return r;
	memcpy(to->id, id, sizeof(id));
	keyring_secret_move(&to->key, key);
	return 0;
}

static int failover_key_copy(struct failover_key *to, const struct failover_key *from)
{
	struct secret copy = {0};
	int r = secret_init_copy(&copy, from->key.data, from->key.size);

	if (r < 0)
		return r;
	memcpy(to->id, from->id, sizeof(to->id));
	keyring_secret_move(&to->key, &copy);
	return 0;
}

/* ---- in the store ---- */

int keyring_state_pack(const struct keyring_times *times, bool is_leading, struct buf *ret_bytes)
{
	Asafo__Record__KeyState state = ASAFO__RECORD__KEY_STATE__INIT;
	int r;

	state.is_leading = is_leading;
	state.failover_at = times->failover_at;
	state.master_at = times->master_at;
	state.given_id = (ProtobufCBinaryData){times->has_given ? SEAL_ID_SIZE : 0,
					       (uint8_t *)(uintptr_t)times->given_id};
	r = buf_reserve(ret_bytes, asafo__record__key_state__get_packed_size(&state) + 1);
	if (r == 0)
		ret_bytes->size +=
			asafo__record__key_state__pack(&state, ret_bytes->data + ret_bytes->size);
	return r;
}

static int state_load(struct keyring *ring)
{
	_cleanup_(buf_done) struct buf bytes = {0};
	Asafo__Record__KeyState *state;
	int r = store_unit_get(ring->store, KEYRING_STATE_ITEM, &bytes);

	if (r == ERR_NOT_FOUND)
		return 0;
	if (r < 0)
		return r;
	state = asafo__record__key_state__unpack(NULL, bytes.size, bytes.data);
	if (!state)
		return ERR_MALFORMED;
	ring->is_leading = state->is_leading;
	ring->times.failover_at = state->failover_at;
	ring->times.master_at = state->master_at;
	ring->times.has_given = state->given_id.len == SEAL_ID_SIZE;
	if (ring->times.has_given)
		memcpy(ring->times.given_id, state->given_id.data, SEAL_ID_SIZE);
	asafo__record__key_state__free_unpacked(state, NULL);
	return 0;
}

static int key_load(struct keyring *ring, enum keyring_failover which)
{
	_cleanup_(buf_done) struct buf sealed = {0};
	struct failover_key *key = &ring->failover[which];
	int r = store_unit_get(ring->store, items[which], &sealed);

	if (r == ERR_NOT_FOUND)
		return 0;
	if (r == 0)
		r = seal_unwrap(&ring->wrap_key, PURPOSE_FAILOVER, sealed.data, sealed.size,
				key->id, &key->key);
	return r == 0 && key->key.size != SEAL_KEY_SIZE ? ERR_MALFORMED : r;
}

int keyring_failover_load(struct keyring *ring)
{
	int r = state_load(ring);

	for (size_t i = 0; i < KEYRING_FAILOVER__MAX && r == 0; i++)
		r = key_load(ring, (enum keyring_failover)i);
	return r;
}

int keyring_failover_wrap(const struct secret *wrap_key, const struct failover_key *key,
			  struct buf *ret_sealed)
{
	return seal_wrap(wrap_key, PURPOSE_FAILOVER, key->id, &key->key, ret_sealed);
}

const char *keyring_failover_item(enum keyring_failover which)
{
	return items[which];
}

static int set_pack(const struct keyring *ring, const struct failover_set *set,
		    struct buf sealed[static KEYRING_FAILOVER__MAX + 1],
		    struct store_change changes[static KEYRING_FAILOVER__MAX + 1])
{
	struct buf *state = &sealed[KEYRING_FAILOVER__MAX];
	int r = keyring_state_pack(&set->times, set->is_leading, state);

	for (size_t i = 0; i < KEYRING_FAILOVER__MAX && r == 0; i++) {
		if (has_key(&set->keys[i]))
			r = keyring_failover_wrap(&ring->wrap_key, &set->keys[i], &sealed[i]);
		changes[i] = (struct store_change){items[i], sealed[i].data, sealed[i].size};
	}
	changes[KEYRING_FAILOVER__MAX] =
		(struct store_change){KEYRING_STATE_ITEM, state->data, state->size};
	return r;
}

/* All of SET, or nothing of it; in the ring when it is durable. */
static int set_commit(struct keyring *ring, struct failover_set *set, struct why *ret_why)
{
	struct buf sealed[KEYRING_FAILOVER__MAX + 1] = {0};
	struct store_change changes[KEYRING_FAILOVER__MAX + 1];
	int r = set_pack(ring, set, sealed, changes);

	if (r < 0)
		(void)why_set(ret_why, r, "cannot seal the failover key: %s", err_text(r));
	else
		r = store_unit_change(ring->store, changes, ARRAY_SIZE(changes), ret_why);
	for (size_t i = 0; i < ARRAY_SIZE(sealed); i++)
		buf_done(&sealed[i]);
	if (r < 0)
		return r;
	for (size_t i = 0; i < KEYRING_FAILOVER__MAX; i++) {
		keyring_secret_move(&ring->failover[i].key, &set->keys[i].key);
		memcpy(ring->failover[i].id, set->keys[i].id, SEAL_ID_SIZE);
	}
	ring->times = set->times;
	ring->is_leading = set->is_leading;
	return 0;
}

/* ---- one for the pair, from outside ---- */

static int64_t now_s(void)
{
	return (int64_t)time(NULL);
}

/* KEY instead of all that there is. */
static int take_only(struct keyring *ring, struct secret *key, const uint8_t *given_id,
		     struct why *ret_why)
{
	_cleanup_set_ struct failover_set set = {.times = ring->times};
	struct failover_key *current = &set.keys[KEYRING_FAILOVER_CURRENT];
	int r = failover_key_fill(current, key);

	if (r < 0)
		return why_set(ret_why, r, "cannot seal the failover key: %s", err_text(r));
	set.times.has_given = given_id != NULL;
	if (given_id)
		memcpy(set.times.given_id, given_id, SEAL_ID_SIZE);
	if (!same_id(&ring->failover[KEYRING_FAILOVER_CURRENT], current->id))
		set.times.failover_at = now_s();
	return set_commit(ring, &set, ret_why);
}

/* A line of the startup-config that says what it said before means no change, whatever the pair
 * came to since: the file is read at each start. */
static int take_given(struct keyring *ring, struct secret *key, bool is_from_file,
		      struct why *ret_why)
{
	uint8_t id[SEAL_ID_SIZE];
	int r = seal_derive(key->data, key->size, "asafo failover key id", id, sizeof(id));

	if (r < 0)
		return why_set(ret_why, r, "cannot derive the failover key: %s", err_text(r));
	if (is_from_file && keyring_has_failover_key(ring) && ring->times.has_given &&
	    memcmp(ring->times.given_id, id, sizeof(id)) == 0)
		return 0;
	return take_only(ring, key, id, ret_why);
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
		keyring_secret_move(ret_key, &key);
	return r;
}

int keyring_failover_key_set(struct keyring *ring, const uint8_t *text, size_t size,
			     bool is_from_file, struct why *ret_why)
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
	return take_given(ring, &key, is_from_file, ret_why);
}

int keyring_failover_key_make(struct keyring *ring, struct why *ret_why)
{
	_cleanup_secret_ struct secret key = {0};
	int r = keyring_secret_random(&key);

	if (r < 0)
		return why_set(ret_why, r, "cannot make a failover key: %s", err_text(r));
	return take_only(ring, &key, NULL, ret_why);
}

bool keyring_has_failover_key(const struct keyring *ring)
{
	return has_key(&ring->failover[KEYRING_FAILOVER_CURRENT]);
}

/* ---- another one for the pair ---- */

static enum keyring_failover other_of(const struct keyring *ring)
{
	return has_key(&ring->failover[KEYRING_FAILOVER_NEXT]) ? KEYRING_FAILOVER_NEXT
							       : KEYRING_FAILOVER_PREVIOUS;
}

void keyring_rekey_status(const struct keyring *ring, struct keyring_rekey *ret_status)
{
	const struct failover_key *other = &ring->failover[other_of(ring)];

	*ret_status = (struct keyring_rekey){.is_leading = ring->is_leading};
	memcpy(ret_status->current, ring->failover[KEYRING_FAILOVER_CURRENT].id, SEAL_ID_SIZE);
	if (!has_key(other))
		return;
	ret_status->phase = other_of(ring) == KEYRING_FAILOVER_NEXT ? KEYRING_REKEY_PREPARED
								    : KEYRING_REKEY_SWITCHED;
	memcpy(ret_status->other, other->id, SEAL_ID_SIZE);
}

static int prepare(struct keyring *ring, struct secret *key, bool is_leading, struct why *ret_why)
{
	_cleanup_set_ struct failover_set set = {.times = ring->times, .is_leading = is_leading};
	int r = failover_key_copy(&set.keys[KEYRING_FAILOVER_CURRENT],
				  &ring->failover[KEYRING_FAILOVER_CURRENT]);

	if (r == 0)
		r = failover_key_fill(&set.keys[KEYRING_FAILOVER_NEXT], key);
	if (r < 0)
		return why_set(ret_why, r, "cannot seal the new failover key: %s", err_text(r));
	return set_commit(ring, &set, ret_why);
}

int keyring_rekey_prepare(struct keyring *ring, struct why *ret_why)
{
	_cleanup_secret_ struct secret key = {0};
	int r;

	if (!keyring_has_failover_key(ring))
		return why_set(ret_why, ERR_NOT_READY, "this unit has no failover key");
	if (has_key(&ring->failover[other_of(ring)]))
		return why_set(ret_why, ERR_BUSY, "the pair is being rekeyed already");
	r = keyring_secret_random(&key);
	if (r < 0)
		return why_set(ret_why, r, "cannot make a failover key: %s", err_text(r));
	return prepare(ring, &key, true, ret_why);
}

static int rekey_wrap_key(const struct failover_key *under, struct secret *ret_key)
{
	return seal_derive_key(&under->key, "asafo rekey wrap", ret_key);
}

int keyring_rekey_offer(struct keyring *ring, struct buf *ret_sealed, struct why *ret_why)
{
	_cleanup_secret_ struct secret wrap = {0};
	bool is_next = other_of(ring) == KEYRING_FAILOVER_NEXT;
	const struct failover_key *other = &ring->failover[other_of(ring)];
	const struct failover_key *current = &ring->failover[KEYRING_FAILOVER_CURRENT];
	const struct failover_key *offered = is_next ? other : current;
	int r;

	if (!has_key(other))
		return why_set(ret_why, ERR_NOT_READY, "the pair is not being rekeyed");
	r = rekey_wrap_key(is_next ? current : other, &wrap);
	if (r == 0)
		r = seal_wrap(&wrap, PURPOSE_REKEY, offered->id, &offered->key, ret_sealed);
	return r < 0 ? why_set(ret_why, r, "cannot seal the new failover key: %s", err_text(r)) : 0;
}

int keyring_rekey_accept(struct keyring *ring, const uint8_t *sealed, size_t size,
			 struct why *ret_why)
{
	_cleanup_secret_ struct secret wrap = {0}, key = {0};
	uint8_t id[SEAL_ID_SIZE];
	int r;

	if (!keyring_has_failover_key(ring) || has_key(&ring->failover[KEYRING_FAILOVER_PREVIOUS]))
		return why_set(ret_why, ERR_NOT_READY, "this unit cannot take a new failover key");
	r = rekey_wrap_key(&ring->failover[KEYRING_FAILOVER_CURRENT], &wrap);
	if (r == 0)
		r = seal_unwrap(&wrap, PURPOSE_REKEY, sealed, size, id, &key);
	if (r == 0 && key.size != SEAL_KEY_SIZE)
		r = ERR_MALFORMED;
	if (r < 0)
		return why_set(ret_why, r, "the mate's new failover key cannot be opened: %s",
			       err_text(r));
	return prepare(ring, &key, false, ret_why);
}

int keyring_rekey_switch(struct keyring *ring, struct why *ret_why)
{
	_cleanup_set_ struct failover_set set = {.times = ring->times};
	int r;

	if (!has_key(&ring->failover[KEYRING_FAILOVER_NEXT]))
		return why_set(ret_why, ERR_NOT_READY, "there is no new failover key");
	r = failover_key_copy(&set.keys[KEYRING_FAILOVER_CURRENT],
			      &ring->failover[KEYRING_FAILOVER_NEXT]);
	if (r == 0)
		r = failover_key_copy(&set.keys[KEYRING_FAILOVER_PREVIOUS],
				      &ring->failover[KEYRING_FAILOVER_CURRENT]);
	if (r < 0)
		return why_set(ret_why, r, "cannot seal the failover key: %s", err_text(r));
	set.times.failover_at = now_s();
	return set_commit(ring, &set, ret_why);
}

/* The current one alone stays. */
static int keep_current(struct keyring *ring, struct why *ret_why)
{
	_cleanup_set_ struct failover_set set = {.times = ring->times};
	int r = failover_key_copy(&set.keys[KEYRING_FAILOVER_CURRENT],
				  &ring->failover[KEYRING_FAILOVER_CURRENT]);

	return r < 0 ? why_set(ret_why, r, "cannot seal the failover key: %s", err_text(r))
		     : set_commit(ring, &set, ret_why);
}

int keyring_rekey_settle(struct keyring *ring, struct why *ret_why)
{
	if (!has_key(&ring->failover[KEYRING_FAILOVER_PREVIOUS]))
		return why_set(ret_why, ERR_NOT_READY, "there is no old failover key");
	return keep_current(ring, ret_why);
}

int keyring_rekey_cancel(struct keyring *ring, struct why *ret_why)
{
	if (!has_key(&ring->failover[KEYRING_FAILOVER_NEXT]))
		return why_set(ret_why, ERR_NOT_READY,
			       "there is no new failover key to give up: either the pair is not "
			       "being rekeyed, or this unit uses the new key already");
	return keep_current(ring, ret_why);
}

/* ---- the link ---- */

static int derive_link(const struct failover_key *key, struct keyring_link_keys *ret_keys)
{
	int r = seal_derive(key->key.data, key->key.size, "asafo hello key", ret_keys->hello_key,
			    sizeof(ret_keys->hello_key));

	if (r == 0)
		r = seal_derive(key->key.data, key->key.size, "asafo link psk", ret_keys->link_psk,
				sizeof(ret_keys->link_psk));
	return r;
}

int keyring_link_keys(struct keyring *ring, struct keyring_link_keys *ret_keys)
{
	if (!keyring_has_failover_key(ring))
		return ERR_NOT_READY;
	return derive_link(&ring->failover[KEYRING_FAILOVER_CURRENT], ret_keys);
}

int keyring_other_link_keys(struct keyring *ring, struct keyring_link_keys *ret_keys)
{
	const struct failover_key *other = &ring->failover[other_of(ring)];

	return has_key(other) ? derive_link(other, ret_keys) : ERR_NOT_READY;
}

/* ---- the mate ---- */

static int mate_wrap_key(const struct failover_key *key, struct secret *ret_key)
{
	if (!has_key(key))
		return ERR_NOT_READY;
	return seal_derive_key(&key->key, "asafo kek wrap", ret_key);
}

int keyring_kek_export(struct keyring *ring, struct buf *ret_sealed)
{
	_cleanup_secret_ struct secret wrap = {0};
	const struct kek *kek = keyring_find_kek(ring, ring->current);
	int r = kek ? mate_wrap_key(&ring->failover[KEYRING_FAILOVER_CURRENT], &wrap) : ERR_STORE;

	return r < 0 ? r : seal_wrap(&wrap, PURPOSE_KEK_MATE, kek->id, &kek->key, ret_sealed);
}

/* In the middle of a change of the failover key the mate may have come further than this unit, or
 * less far. */
static int kek_open(struct keyring *ring, const uint8_t *sealed, size_t size,
		    uint8_t ret_id[static SEAL_ID_SIZE], struct secret *ret_key)
{
	const struct failover_key *keys[] = {&ring->failover[KEYRING_FAILOVER_CURRENT],
					     &ring->failover[other_of(ring)]};
	int r = ERR_NOT_READY;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_cleanup_secret_ struct secret wrap = {0};

		if (i > 0 && !has_key(keys[i]))
			break;
		r = mate_wrap_key(keys[i], &wrap);
		if (r == 0)
			r = seal_unwrap(&wrap, PURPOSE_KEK_MATE, sealed, size, ret_id, ret_key);
		if (r != ERR_INTEGRITY)
			break;
	}
	return r;
}

int keyring_kek_import(struct keyring *ring, const uint8_t *sealed, size_t size,
		       uint8_t ret_id[static SEAL_ID_SIZE], struct why *ret_why)
{
	_cleanup_secret_ struct secret key = {0};
	uint8_t id[SEAL_ID_SIZE], computed[SEAL_ID_SIZE];
	int r = kek_open(ring, sealed, size, id, &key);

	if (r == ERR_NOT_READY)
		return why_set(ret_why, r, "this unit has no failover key");
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
	r = keyring_add_kek(ring, &key, id, ret_why);
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
	return r < 0 ? r
		     : seal_wrap(&key, PURPOSE_PAIR, id,
				 &ring->failover[KEYRING_FAILOVER_CURRENT].key, ret_sealed);
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
	return take_only(ring, &failover, NULL, ret_why);
}
