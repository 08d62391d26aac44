/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fsm.h"

/*
 * The hello datagram. Clear header, 32 bytes: "AFHO", version (1 byte), sender's unit (1 byte),
 * flags (1 byte; 1: the sender serves), a byte zero, the sender's boot id (8 bytes, random at each
 * start), counter (8 bytes, from 1), big endian, 8 bytes zero; then wire.Hello encrypted with
 * AES-256-GCM: key HKDF-SHA256(hello key, boot id | unit), nonce = 4 zero bytes and the counter,
 * the header as associated data (RFC 5116). A key is used by one boot of one unit, so a nonce never
 * repeats.
 *
 * Replays: within a boot the counter must be newer than any taken on that path (a 64-wide window,
 * RFC 4303 section 3.4.3). Another boot id of the mate is believed only when the datagram echoes
 * *our* boot id, which is random, so that nothing recorded before we started can be played; and it
 * must echo a newer counter of ours than every hello believed before, and than all that we had sent
 * when its predecessor was believed, so that boot ids that a later one replaced are never taken
 * again, whatever of them is still under way.
 *
 * The first 7 bytes mean the same in every version: a unit with another key or release can tell
 * from them that somebody is there, and whether it serves (hello_peek).
 */
#define HELLO_VERSION 1
#define HELLO_SIZE_MAX 512
#define HELLO_KEY_SIZE 32
#define HELLO_PATHS_MAX 136 /* two a monitored interface, one a link to the mate */
#define HELLO_INTERFACES_MAX 64

#define HELLO_REPORTS_MAX 4

/* What the sender heard of the receiver on one path. */
struct hello_report {
	uint32_t path;	   /* names the path on both units */
	uint64_t counter;  /* of the receiver's latest hello that came there; 0: none for a while */
	uint32_t delay_us; /* from its coming to the sending of this hello */
};

/* The contents, past the checked conversion. */
struct hello {
	enum fo_unit unit;
	struct fo_mate_view view;
	uint8_t digest[32];
	uint64_t sent_realtime_ns;
	uint64_t echo_boot;
	uint64_t echo_counter;
	uint64_t echo_held_us; /* since the echoed hello came in; 0: not told */
	char software[32];
	struct hello_report reports[HELLO_REPORTS_MAX];
	size_t n_reports;
	uint32_t interface_names; /* hash of the names below; both units' are equal where their
				   * configurations are */
	uint8_t interface_words[HELLO_INTERFACES_MAX]; /* health_view_pack */
	size_t n_interfaces;
	uint32_t gap_us;   /* so long nobody served before ... */
	uint64_t gap_term; /* ... the receiver's activation; 0: nothing was measured */
	uint64_t active_s; /* seconds as the active unit since it started, and 1; 0: not told */
	/* from the header */
	uint64_t boot;
	uint64_t counter;
	/* by hello_open: newer than every hello believed before, on all paths; only such a one is
	 * for the FSM */
	bool is_newest;
};

/* What a hello says in clear; nothing of it is proven. */
struct hello_outside {
	uint8_t version;
	enum fo_unit unit;
	bool is_serving;
};
/* Errors: ERR_MALFORMED, where it is no hello of any version. */
int hello_peek(const uint8_t *data, size_t size, struct hello_outside *ret_outside);

struct hello_codec; /* holds the derived keys; wiped when freed */

/* BOOT must be fresh random. Errors: -ENOMEM, ERR_CRYPTO. */
int hello_codec_new(const uint8_t key[static HELLO_KEY_SIZE], enum fo_unit unit, uint64_t boot,
		    struct hello_codec **ret_codec);
void hello_codec_free(struct hello_codec *codec);
/*
 * From now on hellos are sealed with KEY, and taken that were sealed with KEY or with OTHER (NULL:
 * with KEY only). Boot id and counter go on: a nonce never repeats under either, and the mate sees
 * no change. Errors: ERR_CRYPTO, -ENOMEM; then everything is as it was.
 */
int hello_codec_set_keys(struct hello_codec *codec, const uint8_t key[static HELLO_KEY_SIZE],
			 const uint8_t *other);
/* Seals HELLO under the next counter. Fills echo fields, boot and counter itself; echo_held_us
 * counts where the echo fields already name the hello that is echoed. Errors: ERR_CRYPTO. */
int hello_seal(struct hello_codec *codec, const struct hello *hello,
	       uint8_t ret_data[static HELLO_SIZE_MAX], size_t *ret_size);
/* The counter of the latest sealed hello; 0: none yet. */
uint64_t hello_codec_counter(const struct hello_codec *codec);
/*
 * True where hello_open would have to derive a key for DATA, which costs as much as opening a few
 * hellos: its boot is not known. Who reads from a network that others can write to bounds how
 * often.
 */
bool hello_is_stranger(const struct hello_codec *codec, const uint8_t *data, size_t size);
/*
 * Opens a datagram that came on PATH (< HELLO_PATHS_MAX). Errors: ERR_MALFORMED, ERR_VERSION
 * (RET_HELLO->unit and the version are not to be trusted), ERR_INTEGRITY (another key), ERR_EXISTS
 * (replayed or from this unit itself), ERR_IN_USE (authentic, but of another boot that says that it
 * is this unit: both have the same `failover lan unit`; RET_HELLO is what it says, which may be a
 * replay of what this unit said in an earlier boot). *RET_IS_CURRENT is false for an authentic
 * hello whose boot id is not proven yet: answer it, but do not believe its contents. The same hello
 * on a second path is current, but not the newest: it speaks for its path only.
 */
int hello_open(struct hello_codec *codec, unsigned path, const uint8_t *data, size_t size,
	       struct hello *ret_hello, bool *ret_is_current);
