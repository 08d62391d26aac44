/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * How many connections of each source address are still in their handshake: one address must not
 * take the places of all others. An IPv6 client owns a /64, so that counts as one address.
 */
struct sources;
struct source_key {
	uint8_t bytes[16];
};

int sources_new(unsigned limit, struct sources **ret_sources);
void sources_free(struct sources *sources);
/* Nobody is counted any more. */
void sources_clear(struct sources *sources);
struct source_key sources_key(const struct sockaddr_storage *address);
/* Errors: ERR_BUSY (the limit is reached), -ENOMEM. */
int sources_add(struct sources *sources, const struct source_key *key);
/* Undoes one successful sources_add. */
void sources_remove(struct sources *sources, const struct source_key *key);
