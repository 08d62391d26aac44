/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/why.h"
#include "failover/link.h"

/* The sentences of the failover link. Internal to it. */

/* Whether the mate that said HELLO can be ours. Errors: ERR_VERSION, ERR_EXISTS (it claims to be
 * this unit). */
int link_why_hello(const struct link_config *config, const Asafo__Wire__LinkHello *hello,
		   struct why *ret_why);
/* The sentence for a connection on WAY that ended with CODE; the connection's own WHY where that
 * says it all. */
void link_why_closed(const struct link_config *config, size_t way, int code, const char *why,
		     struct why *ret_why);
/* A listener that nobody has connected to: ERR_NO_MATE, with the addresses that the mate may have.
 */
void link_why_waiting(const struct link_config *config, struct why *ret_why);
