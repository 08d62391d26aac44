/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/secret.h"
#include "base/why.h"
#include "certstore/store/record.pb-c.h"
#include "certstore/store/seal.h"
#include "certstore/store/store.h"

/*
 * The unit's keys, opened. In the store's unit family, sealed under the unit's master key:
 * key-encryption keys (the pair's current one and those before it) and the failover key. From the
 * master key comes also a key-encryption key of the unit's own, for what never leaves it.
 */
struct keyring;

enum keyring_kek {
	KEYRING_PAIR, /* the pair's current key: for what is replicated */
	KEYRING_UNIT, /* never exported: for what stays home */
};

/*
 * The unit's master key: CREDENTIAL_FD's 32 bytes, or (-1) those of PATH, which is made (0600,
 * durable) when STORE holds nothing that an earlier one sealed. Errors: ERR_MALFORMED,
 * ERR_NOT_FOUND (lost), -errno; RET_WHY says what to do.
 */
int keyring_master_key(struct store *store, int credential_fd, const char *path,
		       struct secret *ret_master, struct why *ret_why);
/*
 * MASTER is copied. The first time, the pair's key-encryption key is made. Errors: ERR_INTEGRITY
 * (another master key), ERR_STORE, ERR_CRYPTO, -ENOMEM, those of the store.
 */
int keyring_new(struct store *store, const struct secret *master, struct keyring **ret_ring,
		struct why *ret_why);
/* Which master key opened the ring. */
struct keyring_master {
	bool is_credential;	  /* the systemd credential; else the file */
	bool is_credential_stale; /* there is a credential, and it is not this store's key */
	bool has_file;		  /* a master key lies on the disk */
	unsigned file_mode, file_owner;
};
/*
 * keyring_master_key and keyring_new in one: with the credential or, where it does not open what
 * the store holds, with the file. Errors as of both; RET_WHY names what was tried.
 */
int keyring_open_store(struct store *store, int credential_fd, const char *path,
		       struct keyring **ret_ring, struct keyring_master *ret_master,
		       struct why *ret_why);
/* Whether there is a file PATH, whose and for whom: into MASTER. */
void keyring_look_at_file(const char *path, struct keyring_master *master);
/*
 * Another master key instead of the one in PATH, which opened the ring. However it ends, PATH or
 * PATH.new opens the store; keyring_open_store ends what was begun. Errors: ERR_INTEGRITY (a
 * damaged record of this unit's own), those of the store, -errno; RET_WHY says which key it is
 * then.
 */
int keyring_master_rotate(struct keyring *ring, const char *path, struct why *ret_why);
/* The part in the store: all that the master key seals is sealed under MASTER, or nothing. Records
 * of this unit's own are read and written anew; the pair's are not. */
int keyring_rewrap(struct keyring *ring, const struct secret *master, struct why *ret_why);
/* The credential that opened the ring, as the file PATH. Errors: ERR_INTEGRITY (another), -errno.
 */
int keyring_master_to_file(struct keyring *ring, int credential_fd, const char *path,
			   struct why *ret_why);
/* Overwrites and removes a master key's file; there may be none. Errors: -errno. */
int keyring_master_wipe(const char *path);
/* Its keys are locked in memory. */
bool keyring_is_locked(const struct keyring *ring);
void keyring_free(struct keyring *ring);

/* Seals a Record. RET_RECORD is appended to. */
int keyring_seal(struct keyring *ring, enum keyring_kek which,
		 const Asafo__Record__TrustpointPublic *public_part, const struct secret *pkcs8,
		 struct buf *ret_record);
/* Unseals the key of a Record. Errors: ERR_INTEGRITY (changed, or no key of the ring opens it),
 * ERR_MALFORMED, -ENOMEM. */
int keyring_open(struct keyring *ring, const Asafo__Record__Record *record,
		 struct secret *ret_pkcs8);

/* A secret of the pair's for PURPOSE, sealed under its current key-encryption key. RET_SEALED is
 * appended to. */
int keyring_wrap(struct keyring *ring, const char *purpose, const struct secret *plain,
		 struct buf *ret_sealed);
/* Errors: ERR_NOT_READY (the ring has not the key that it names), ERR_INTEGRITY, ERR_MALFORMED,
 * -ENOMEM. */
int keyring_unwrap(struct keyring *ring, const char *purpose, const uint8_t *sealed, size_t size,
		   struct secret *ret_plain);

/* What the auth helper seals and opens with (ipc/loginbox.h), of the pair's current key. */
int keyring_login_key(struct keyring *ring, struct secret *ret_key);

/*
 * `failover key`: a text of 1 to 63 printable characters, or 32 hex digits; the same text is the
 * same key on every unit. Stored durably. IS_FROM_FILE: it stands in the startup-config, so that
 * the one that was given last means no change. Errors: ERR_MALFORMED.
 */
int keyring_failover_key_set(struct keyring *ring, const uint8_t *text, size_t size,
			     bool is_from_file, struct why *ret_why);
/* A random one. Errors: those of the store. */
int keyring_failover_key_make(struct keyring *ring, struct why *ret_why);
bool keyring_has_failover_key(const struct keyring *ring);
struct keyring_link_keys {
	uint8_t hello_key[32], link_psk[32];
};
/* Of the current failover key. Whoever holds them wipes them. Errors: ERR_NOT_READY (there is
 * none).
 */
int keyring_link_keys(struct keyring *ring, struct keyring_link_keys *ret_keys);

/*
 * The pair comes to another failover key (failover/core/rekey.h says when which of these). Each is
 * durable when it returns. Errors: ERR_NOT_READY (not in this phase), ERR_BUSY, ERR_INTEGRITY (not
 * sealed under this unit's current key), those of the store.
 */
enum keyring_rekey_phase {
	KEYRING_REKEY_SETTLED,
	KEYRING_REKEY_PREPARED,
	KEYRING_REKEY_SWITCHED,
};
struct keyring_rekey {
	enum keyring_rekey_phase phase;
	uint8_t current[SEAL_ID_SIZE], other[SEAL_ID_SIZE];
	bool is_leading;
};
void keyring_rekey_status(const struct keyring *ring, struct keyring_rekey *ret_status);
/* The same of the other failover key. ERR_NOT_READY: there is none. */
int keyring_other_link_keys(struct keyring *ring, struct keyring_link_keys *ret_keys);
int keyring_rekey_prepare(struct keyring *ring, struct why *ret_why);
/* The new key for a mate that has not got it, sealed under the old one. RET_SEALED is appended to.
 */
int keyring_rekey_offer(struct keyring *ring, struct buf *ret_sealed, struct why *ret_why);
int keyring_rekey_accept(struct keyring *ring, const uint8_t *sealed, size_t size,
			 struct why *ret_why);
int keyring_rekey_switch(struct keyring *ring, struct why *ret_why);
int keyring_rekey_settle(struct keyring *ring, struct why *ret_why);
int keyring_rekey_cancel(struct keyring *ring, struct why *ret_why);

/* Since when, in seconds since 1970; 0: not known. */
struct keyring_times {
	int64_t failover_at, master_at;
	bool has_given;
	uint8_t given_id[SEAL_ID_SIZE]; /* of the failover key that was given last */
};
const struct keyring_times *keyring_times(const struct keyring *ring);

/* The pair's current key-encryption key for the mate, sealed under the failover key. Errors:
 * ERR_NOT_READY. */
int keyring_kek_export(struct keyring *ring, struct buf *ret_sealed);
/*
 * The mate's: joins the ring, durably. It becomes the current one when the store says so
 * (store_kek_id), which the stage's commit does, and keyring_refresh was called. Errors:
 * ERR_INTEGRITY (another failover key), ERR_NOT_READY.
 */
int keyring_kek_import(struct keyring *ring, const uint8_t *sealed, size_t size,
		       uint8_t ret_id[static SEAL_ID_SIZE], struct why *ret_why);
/* Takes the store's word for which key is the current one. Errors: ERR_STORE (not in the ring). */
int keyring_refresh(struct keyring *ring);

/* `asafo pair`: the failover key sealed under a one-time code (pair.h), and taken from there. */
int keyring_pair_seal(struct keyring *ring, const char *code, struct buf *ret_sealed,
		      struct why *ret_why);
int keyring_pair_accept(struct keyring *ring, const char *code, const uint8_t *sealed, size_t size,
			struct why *ret_why);
