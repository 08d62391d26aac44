/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/vpn/sessiondb.h"

/* Sessions, and tables of them, for tests. */

static const struct monotime start = {1000 * MONOTIME_NS_PER_SEC};

static inline struct vpn_session session_of(unsigned number, unsigned address)
{
	struct vpn_session session = {.v4 = {{10, 9, 0, (uint8_t)address}, 4, 24},
				      .created_at = start,
				      .ends_at = monotime_add_ms(start, 3600000),
				      .idle_ends_at = monotime_add_ms(start, 1800000)};

	(void)snprintf(session.user, sizeof(session.user), "user%u", number % 7);
	session.hash[0] = (uint8_t)number;
	session.hash[1] = (uint8_t)(number >> 8);
	session.hash[2] = (uint8_t)(number >> 16);
	return session;
}

static inline struct session_record *create(struct sessiondb *db, unsigned number, unsigned address,
					    uint64_t term)
{
	struct vpn_session session = session_of(number, address);
	struct session_record *record = NULL;

	assert_int_equal(sessiondb_create(db, &session, term, &record), 0);
	return record;
}

static inline struct sessiondb *make(unsigned unit)
{
	struct sessiondb *db = NULL;

	assert_int_equal(sessiondb_new(unit, &db), 0);
	return db;
}
