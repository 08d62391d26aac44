/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec keeps a few of the mate's boots: at most one is proven (it echoed our boot id), the
 * others are candidates that have to prove themselves yet. A candidate costs a slot, not memory;
 * what is believed is the proven one's only.
 */
#include "core/hello.h"

#include <endian.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "core/hello_body.h"

#define HEADER_SIZE 32
#define TAG_SIZE 16
#define NONCE_SIZE 12
#define BODY_MAX (HELLO_SIZE_MAX - HEADER_SIZE - TAG_SIZE)
#define PEERS_MAX 4
#define WINDOW_SIZE 64
#define FLAG_SERVING 1

static const char MAGIC[4] = {'A', 'F', 'H', 'O'};
static const char LABEL[] = "asafo hello 1";

/* RFC 4303 section 3.4.3: bit N is the counter NEWEST - N. */
struct window {
	uint64_t newest;
	uint64_t bits;
};

/* The pair's key first; while the pair comes to another one, a second. */
#define KEYS_MAX 2

/* One boot of one unit, under each of our keys. */
struct ciphers {
	gnutls_aead_cipher_hd_t by_key[KEYS_MAX];
};

/*
 * The latest that was opened, as it came and what it says. The same hello is sent on every path;
 * what is the same to the last bit is as authentic, and need not be decrypted again.
 */
struct opened {
	size_t size; /* 0: none */
	uint8_t data[HELLO_SIZE_MAX];
	struct hello hello;
};

/* One boot of the mate. */
struct peer {
	uint64_t boot;
	bool is_used; /* false: the slot is free */
	struct ciphers ciphers;
	struct window windows[HELLO_PATHS_MAX];
	uint64_t newest;  /* on all paths */
	uint64_t used_at; /* for eviction: the codec's clock of datagrams */
	bool is_fresh;	  /* heard since it was echoed last */
	struct opened opened;
};

struct hello_codec {
	uint8_t keys[KEYS_MAX][HELLO_KEY_SIZE];
	size_t n_keys;
	enum fo_unit unit;
	uint64_t boot;
	uint64_t counter;
	struct ciphers ciphers; /* its own; the first one seals */
	struct ciphers twin;	/* of the latest boot that said that it is this unit, in truth */
	uint64_t twin_boot;
	struct peer peers[PEERS_MAX];
	struct peer *proven;
	struct peer *heard;  /* latest that was authentic */
	uint64_t echo_floor; /* another boot is believed by an echo of a counter above this */
	uint64_t clock;
};

struct header {
	uint8_t version;
	uint8_t unit;
	uint8_t flags;
	uint64_t boot;
	uint64_t counter;
};

static int translate(int gnutls_code)
{
	if (gnutls_code == GNUTLS_E_MEMORY_ERROR)
		return -ENOMEM;
	return gnutls_code == GNUTLS_E_DECRYPTION_FAILED ? ERR_INTEGRITY : ERR_CRYPTO;
}

/* ---- keys ---- */

/* RFC 5869: the salt is the boot id and the unit. */
static int derive(const uint8_t key[static HELLO_KEY_SIZE], uint64_t boot, enum fo_unit unit,
		  uint8_t ret_key[static HELLO_KEY_SIZE])
{
	uint8_t salt[sizeof(uint64_t) + 1], prk[32];
	uint64_t big_boot = htobe64(boot);
	gnutls_datum_t key_datum = {(uint8_t *)(uintptr_t)key, HELLO_KEY_SIZE};
	gnutls_datum_t salt_datum = {salt, sizeof(salt)};
	gnutls_datum_t prk_datum = {prk, sizeof(prk)};
	gnutls_datum_t label_datum = {(uint8_t *)(uintptr_t)LABEL, sizeof(LABEL) - 1};
	int r;

	memcpy(salt, &big_boot, sizeof(big_boot));
	salt[sizeof(big_boot)] = (uint8_t)unit;
	r = gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &key_datum, &salt_datum, prk);
	if (r == 0)
		r = gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &prk_datum, &label_datum, ret_key,
				       HELLO_KEY_SIZE);
	gnutls_memset(prk, 0, sizeof(prk));
	return r == 0 ? 0 : translate(r);
}

static int open_cipher(const uint8_t key[static HELLO_KEY_SIZE], uint64_t boot, enum fo_unit unit,
		       gnutls_aead_cipher_hd_t *ret_cipher)
{
	uint8_t derived[HELLO_KEY_SIZE];
	gnutls_datum_t datum = {derived, sizeof(derived)};
	int r = derive(key, boot, unit, derived);

	if (r == 0) {
		r = gnutls_aead_cipher_init(ret_cipher, GNUTLS_CIPHER_AES_256_GCM, &datum);
		r = r == 0 ? 0 : translate(r);
	}
	gnutls_memset(derived, 0, sizeof(derived));
	return r;
}

static void ciphers_done(struct ciphers *ciphers)
{
	for (size_t i = 0; i < KEYS_MAX; i++) {
		if (ciphers->by_key[i])
			gnutls_aead_cipher_deinit(ciphers->by_key[i]);
	}
	*ciphers = (struct ciphers){0};
}

static int ciphers_open(const struct hello_codec *codec, uint64_t boot, enum fo_unit unit,
			struct ciphers *ret_ciphers)
{
	struct ciphers ciphers = {0};

	for (size_t i = 0; i < codec->n_keys; i++) {
		int r = open_cipher(codec->keys[i], boot, unit, &ciphers.by_key[i]);

		if (r < 0) {
			ciphers.by_key[i] = NULL;
			ciphers_done(&ciphers);
			return r;
		}
	}
	*ret_ciphers = ciphers;
	return 0;
}

static void peer_clear(struct peer *peer)
{
	ciphers_done(&peer->ciphers);
	*peer = (struct peer){0};
}

static enum fo_unit mate_of(enum fo_unit unit)
{
	return unit == FO_UNIT_PRIMARY ? FO_UNIT_SECONDARY : FO_UNIT_PRIMARY;
}

static void keys_put(struct hello_codec *codec, const uint8_t key[static HELLO_KEY_SIZE],
		     const uint8_t *other)
{
	explicit_bzero(codec->keys, sizeof(codec->keys));
	memcpy(codec->keys[0], key, HELLO_KEY_SIZE);
	codec->n_keys = 1;
	if (other)
		memcpy(codec->keys[codec->n_keys++], other, HELLO_KEY_SIZE);
}

int hello_codec_new(const uint8_t key[static HELLO_KEY_SIZE], enum fo_unit unit, uint64_t boot,
		    struct hello_codec **ret_codec)
{
	struct hello_codec *codec = calloc(1, sizeof(*codec));
	int r;

	if (!codec)
		return -ENOMEM;
	keys_put(codec, key, NULL);
	codec->unit = unit;
	codec->boot = boot;
	r = ciphers_open(codec, boot, unit, &codec->ciphers);
	if (r < 0) {
		hello_codec_free(codec);
		return r;
	}
	*ret_codec = codec;
	return 0;
}

/* What is known of the mate's boots stays; only how they are opened is made anew. */
int hello_codec_set_keys(struct hello_codec *codec, const uint8_t key[static HELLO_KEY_SIZE],
			 const uint8_t *other)
{
	struct hello_codec next = {.unit = codec->unit, .boot = codec->boot};
	struct ciphers ciphers[PEERS_MAX] = {0};
	int r;

	keys_put(&next, key, other);
	r = ciphers_open(&next, next.boot, next.unit, &next.ciphers);
	for (size_t i = 0; i < PEERS_MAX && r == 0; i++) {
		if (codec->peers[i].is_used)
			r = ciphers_open(&next, codec->peers[i].boot, mate_of(codec->unit),
					 &ciphers[i]);
	}
	for (size_t i = 0; i < PEERS_MAX; i++) {
		struct ciphers old = r == 0 ? codec->peers[i].ciphers : ciphers[i];

		if (r == 0)
			codec->peers[i].ciphers = ciphers[i];
		/* Nothing of a key that is gone. */
		codec->peers[i].opened.size = 0;
		ciphers_done(&old);
	}
	if (r == 0) {
		struct ciphers old = codec->ciphers;

		codec->ciphers = next.ciphers;
		next.ciphers = old;
		ciphers_done(&codec->twin);
		memcpy(codec->keys, next.keys, sizeof(codec->keys));
		codec->n_keys = next.n_keys;
	}
	ciphers_done(&next.ciphers);
	explicit_bzero(next.keys, sizeof(next.keys));
	return r;
}

void hello_codec_free(struct hello_codec *codec)
{
	if (!codec)
		return;
	for (size_t i = 0; i < PEERS_MAX; i++)
		peer_clear(&codec->peers[i]);
	ciphers_done(&codec->twin);
	ciphers_done(&codec->ciphers);
	gnutls_memset(codec, 0, sizeof(*codec));
	free(codec);
}

/* ---- frame ---- */

static void header_write(const struct header *header, uint8_t ret_data[static HEADER_SIZE])
{
	uint64_t boot = htobe64(header->boot), counter = htobe64(header->counter);

	memset(ret_data, 0, HEADER_SIZE);
	memcpy(ret_data, MAGIC, sizeof(MAGIC));
	ret_data[4] = header->version;
	ret_data[5] = header->unit;
	ret_data[6] = header->flags;
	memcpy(ret_data + 8, &boot, sizeof(boot));
	memcpy(ret_data + 16, &counter, sizeof(counter));
}

int hello_peek(const uint8_t *data, size_t size, struct hello_outside *ret_outside)
{
	if (size < HEADER_SIZE || memcmp(data, MAGIC, sizeof(MAGIC)) != 0 ||
	    data[5] >= FO_UNIT__MAX)
		return ERR_MALFORMED;
	*ret_outside = (struct hello_outside){.version = data[4],
					      .unit = (enum fo_unit)data[5],
					      .is_serving = (data[6] & FLAG_SERVING) != 0};
	return 0;
}

static int header_read(const uint8_t *data, size_t size, struct header *ret_header)
{
	uint64_t boot, counter;

	if (size < HEADER_SIZE + TAG_SIZE || size > HELLO_SIZE_MAX ||
	    memcmp(data, MAGIC, sizeof(MAGIC)) != 0)
		return ERR_MALFORMED;
	if (data[4] != HELLO_VERSION)
		return ERR_VERSION;
	memcpy(&boot, data + 8, sizeof(boot));
	memcpy(&counter, data + 16, sizeof(counter));
	*ret_header = (struct header){
		.version = data[4],
		.unit = data[5],
		.flags = data[6],
		.boot = be64toh(boot),
		.counter = be64toh(counter),
	};
	if (ret_header->unit >= FO_UNIT__MAX || ret_header->counter == 0)
		return ERR_MALFORMED;
	return 0;
}

static void nonce_write(uint64_t counter, uint8_t ret_nonce[static NONCE_SIZE])
{
	uint64_t big_counter = htobe64(counter);

	memset(ret_nonce, 0, NONCE_SIZE - sizeof(big_counter));
	memcpy(ret_nonce + NONCE_SIZE - sizeof(big_counter), &big_counter, sizeof(big_counter));
}

/* Which boot of the mate to echo: one that was heard since it was echoed, the latest first. */
static struct peer *choose_echo(struct hello_codec *codec)
{
	struct peer *chosen = codec->heard;

	for (size_t i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = &codec->peers[i];

		if (peer->is_used && peer->is_fresh &&
		    (!chosen || !chosen->is_fresh || peer->used_at > chosen->used_at))
			chosen = peer;
	}
	if (chosen)
		chosen->is_fresh = false;
	return chosen;
}

int hello_seal(struct hello_codec *codec, const struct hello *hello,
	       uint8_t ret_data[static HELLO_SIZE_MAX], size_t *ret_size)
{
	struct peer *echo = choose_echo(codec);
	struct header header = {.version = HELLO_VERSION,
				.unit = (uint8_t)codec->unit,
				.flags = hello->view.is_serving ? FLAG_SERVING : 0,
				.boot = codec->boot};
	struct hello filled = *hello;
	uint8_t body[BODY_MAX], nonce[NONCE_SIZE];
	size_t body_size, sealed_size = HELLO_SIZE_MAX - HEADER_SIZE;

	/* A nonce is never used twice, not even after a failure. */
	header.counter = ++codec->counter;
	filled.unit = codec->unit;
	filled.echo_boot = echo ? echo->boot : 0;
	filled.echo_counter = echo ? echo->newest : 0;
	if (hello->echo_boot != filled.echo_boot || hello->echo_counter != filled.echo_counter)
		filled.echo_held_us = 0;
	if (hello_body_pack(&filled, sizeof(body), body, &body_size) < 0)
		return ERR_CRYPTO;
	header_write(&header, ret_data);
	nonce_write(header.counter, nonce);
	if (gnutls_aead_cipher_encrypt(codec->ciphers.by_key[0], nonce, sizeof(nonce), ret_data,
				       HEADER_SIZE, TAG_SIZE, body, body_size,
				       ret_data + HEADER_SIZE, &sealed_size) < 0)
		return ERR_CRYPTO;
	*ret_size = HEADER_SIZE + sealed_size;
	return 0;
}

uint64_t hello_codec_counter(const struct hello_codec *codec)
{
	return codec->counter;
}

/* ---- replays ---- */

static bool window_is_new(const struct window *window, uint64_t counter)
{
	uint64_t behind = window->newest - counter;

	if (counter > window->newest)
		return true;
	return behind < WINDOW_SIZE && !(window->bits >> behind & 1);
}

static void window_take(struct window *window, uint64_t counter)
{
	uint64_t ahead = counter - window->newest;

	if (counter <= window->newest) {
		window->bits |= UINT64_C(1) << (window->newest - counter);
		return;
	}
	window->bits = ahead < WINDOW_SIZE ? window->bits << ahead | 1 : 1;
	window->newest = counter;
}

bool hello_is_stranger(const struct hello_codec *codec, const uint8_t *data, size_t size)
{
	struct header header;

	if (header_read(data, size, &header) < 0 || header.boot == codec->boot)
		return false;
	if (header.unit == codec->unit)
		return !codec->twin.by_key[0] || codec->twin_boot != header.boot;
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (codec->peers[i].is_used && codec->peers[i].boot == header.boot)
			return false;
	return true;
}

static struct peer *find_peer(struct hello_codec *codec, uint64_t boot)
{
	for (size_t i = 0; i < PEERS_MAX; i++) {
		if (codec->peers[i].is_used && codec->peers[i].boot == boot)
			return &codec->peers[i];
	}
	return NULL;
}

/* The slot for a new candidate: a free one, or the one that was not heard for longest; never the
 * proven one. */
static struct peer *oldest_peer(struct hello_codec *codec)
{
	struct peer *oldest = NULL;

	for (size_t i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = &codec->peers[i];

		if (!peer->is_used)
			return peer;
		if (peer != codec->proven && (!oldest || peer->used_at < oldest->used_at))
			oldest = peer;
	}
	return oldest;
}

static int decrypt_body(const struct ciphers *ciphers, const struct header *header,
			const uint8_t *data, size_t size, uint8_t body[static BODY_MAX],
			size_t *ret_size)
{
	uint8_t nonce[NONCE_SIZE];
	int r = ERR_INTEGRITY;

	nonce_write(header->counter, nonce);
	for (size_t i = 0; i < KEYS_MAX && ciphers->by_key[i] && r == ERR_INTEGRITY; i++) {
		*ret_size = BODY_MAX;
		r = gnutls_aead_cipher_decrypt(ciphers->by_key[i], nonce, sizeof(nonce), data,
					       HEADER_SIZE, TAG_SIZE, data + HEADER_SIZE,
					       size - HEADER_SIZE, body, ret_size);
		r = r < 0 ? translate(r) : 0;
	}
	return r;
}

static int decrypt(const struct ciphers *ciphers, const struct header *header, const uint8_t *data,
		   size_t size, struct hello *ret_hello)
{
	uint8_t body[BODY_MAX];
	size_t body_size;
	int r = decrypt_body(ciphers, header, data, size, body, &body_size);

	if (r < 0)
		return r;
	r = hello_body_unpack(body, body_size, ret_hello);
	if (r < 0)
		return r;
	if (ret_hello->unit != header->unit)
		return ERR_MALFORMED;
	ret_hello->boot = header->boot;
	ret_hello->counter = header->counter;
	return 0;
}

static int open_known(struct peer *peer, const struct header *header, const uint8_t *data,
		      size_t size, struct hello *ret_hello)
{
	struct opened *opened = &peer->opened;
	int r;

	if (opened->size == size && memcmp(opened->data, data, size) == 0) {
		*ret_hello = opened->hello;
		return 0;
	}
	r = decrypt(&peer->ciphers, header, data, size, ret_hello);
	if (r < 0 || size > sizeof(opened->data))
		return r;
	opened->size = size;
	memcpy(opened->data, data, size);
	opened->hello = *ret_hello;
	return 0;
}

/* An authentic hello of a boot that has no slot yet. Only now does it cost one. */
static int open_stranger(struct hello_codec *codec, const struct header *header,
			 const uint8_t *data, size_t size, struct hello *ret_hello,
			 struct peer **ret_peer)
{
	struct ciphers ciphers = {0};
	struct peer *peer;
	int r = ciphers_open(codec, header->boot, (enum fo_unit)header->unit, &ciphers);

	if (r < 0)
		return r;
	r = decrypt(&ciphers, header, data, size, ret_hello);
	if (r < 0) {
		ciphers_done(&ciphers);
		return r;
	}
	peer = oldest_peer(codec);
	if (codec->heard == peer)
		codec->heard = NULL;
	peer_clear(peer);
	peer->boot = header->boot;
	peer->is_used = true;
	peer->ciphers = ciphers;
	*ret_peer = peer;
	return 0;
}

/* From this unit itself, or from one that is configured as this one. */
static int open_twin(struct hello_codec *codec, const struct header *header, const uint8_t *data,
		     size_t size, struct hello *ret_hello)
{
	bool is_known = codec->twin.by_key[0] && codec->twin_boot == header->boot;
	struct ciphers ciphers = codec->twin;
	int r = 0;

	if (header->boot == codec->boot)
		return ERR_EXISTS;
	if (!is_known)
		r = ciphers_open(codec, header->boot, codec->unit, &ciphers);
	if (r < 0)
		return r;
	r = decrypt(&ciphers, header, data, size, ret_hello);
	if (!is_known) {
		ciphers_done(r < 0 ? &ciphers : &codec->twin);
		codec->twin = r < 0 ? codec->twin : ciphers;
		codec->twin_boot = r < 0 ? codec->twin_boot : header->boot;
	}
	return r < 0 ? r : ERR_IN_USE;
}

/* It echoes a counter of this boot of ours that no earlier boot of the mate can have heard. */
static bool is_proof(const struct hello_codec *codec, const struct hello *hello)
{
	return hello->echo_boot == codec->boot && hello->echo_counter > codec->echo_floor &&
	       hello->echo_counter <= codec->counter;
}

static void believe(struct hello_codec *codec, struct peer *peer, const struct hello *hello)
{
	bool is_another = codec->proven != peer;

	if (codec->proven && is_another) {
		if (codec->heard == codec->proven)
			codec->heard = NULL;
		peer_clear(codec->proven);
	}
	codec->proven = peer;
	/* What the boot before said last may still be under way, whether it was ever believed or
	 * not, and echo more than this one did so far; but nothing that is sent from now on. */
	if (is_another)
		codec->echo_floor = codec->counter;
	else if (is_proof(codec, hello))
		codec->echo_floor = hello->echo_counter;
}

int hello_open(struct hello_codec *codec, unsigned path, const uint8_t *data, size_t size,
	       struct hello *ret_hello, bool *ret_is_current)
{
	struct header header;
	struct hello hello = {0};
	struct peer *peer;
	bool is_newest;
	int r = header_read(data, size, &header);

	if (r < 0)
		return r;
	if (path >= HELLO_PATHS_MAX)
		return -EINVAL;
	if (header.unit == codec->unit)
		return open_twin(codec, &header, data, size, ret_hello);
	peer = find_peer(codec, header.boot);
	if (peer && !window_is_new(&peer->windows[path], header.counter))
		return ERR_EXISTS;
	r = peer ? open_known(peer, &header, data, size, &hello)
		 : open_stranger(codec, &header, data, size, &hello, &peer);
	if (r < 0)
		return r;
	window_take(&peer->windows[path], header.counter);
	is_newest = header.counter > peer->newest;
	if (is_newest)
		peer->newest = header.counter;
	peer->used_at = ++codec->clock;
	peer->is_fresh = true;
	codec->heard = peer;
	if (peer == codec->proven || is_proof(codec, &hello)) {
		believe(codec, peer, &hello);
		hello.is_newest = is_newest;
	}
	*ret_is_current = peer == codec->proven;
	*ret_hello = hello;
	return 0;
}
