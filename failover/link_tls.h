/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/why.h"
#include "failover/link.h"

/*
 * TLS of the failover link, and nothing of its protocol: the keys that it takes, and sessions over
 * a non-blocking socket. GnuTLS is seen in link_tls.c only. Internal to the link.
 */
struct link_keys;
struct link_session;

/* Which of our keys a session was made with. */
enum link_key {
	LINK_KEY_NONE, /* handshake not finished, or an identity that we do not know */
	LINK_KEY_LINK,
	LINK_KEY_PAIRING,
};

/* KEYS must outlive its sessions. Errors: -ENOMEM, ERR_CRYPTO. */
int link_keys_new(const char *identity, const uint8_t psk[LINK_PSK_SIZE],
		  struct link_keys **ret_keys);
/* Wipes; takes NULL. */
void link_keys_free(struct link_keys *keys);
/* Takes a second key under IDENTITY; NULL: takes it no more. Errors: -ENOMEM. */
int link_keys_offer(struct link_keys *keys, const char *identity, const uint8_t *psk);

/* As link_change_keys has it; sessions go on. Errors: -ENOMEM. */
int link_keys_change(struct link_keys *keys, const struct link_change *change);
/* The mate did not take the key that a client offered: true where the next one has another that
 * was not tried since the keys were changed, or since all of them were. */
bool link_keys_try_next(struct link_keys *keys);

/* FD stays the caller's and must outlive the session. Errors: -ENOMEM, ERR_CRYPTO. */
int link_session_new(const struct link_keys *keys, bool is_server, int fd,
		     struct link_session **ret_session);
void link_session_free(struct link_session *session);
/*
 * 0 when done, -EAGAIN when the socket has no more to give. Errors: ERR_INTEGRITY (another key),
 * ERR_MALFORMED (not our TLS), ERR_CLOSED, -errno of the socket, ERR_CRYPTO, -ENOMEM, with a
 * sentence in RET_WHY.
 */
int link_session_handshake(struct link_session *session, struct why *ret_why);
/* Reads up to SIZE bytes: > 0, -EAGAIN, or an error as above (an orderly end is ERR_CLOSED). */
ssize_t link_session_read(struct link_session *session, void *data, size_t size,
			  struct why *ret_why);
/*
 * Encrypts up to one record of DATA for link_session_flush. Returns how much was taken; -EAGAIN
 * when enough waits for the socket already; errors as above.
 */
ssize_t link_session_write(struct link_session *session, const void *data, size_t size,
			   struct why *ret_why);
/* Gives the socket what was encrypted. 0 when all is gone, -EAGAIN, -errno. */
int link_session_flush(struct link_session *session, struct why *ret_why);
/* Encrypted bytes that wait for the socket. */
size_t link_session_waiting(const struct link_session *session);
/* Queues the orderly end of our direction. */
void link_session_end(struct link_session *session);
/* What was negotiated; empty before that. */
const char *link_session_cipher(const struct link_session *session);
enum link_key link_session_key(const struct link_session *session);
/* Bytes on the socket, both directions. */
uint64_t link_session_sent(const struct link_session *session);
uint64_t link_session_received(const struct link_session *session);
