/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "failover/core/wire.pb-c.h"
#include "failover/vpn/sessiondb.h"

/* A record on the link, both ways. */
struct hub_wire_record {
	Asafo__Wire__SessionRecord message;
	Asafo__Wire__SessionLease v4, v6;
};

/* Points into RECORD, which RET_MESSAGE does not outlive. */
void hub_wire_fill(const struct session_record *record, struct monotime now,
		   struct hub_wire_record *ret_message);
/* MESSAGE as of NOW. Errors: ERR_MALFORMED. */
int hub_wire_read(const Asafo__Wire__SessionRecord *message, struct monotime now,
		  struct session_record *ret_record);
