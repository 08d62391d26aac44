/* SPDX-License-Identifier: Apache-2.0 */
/* What a person is told about a mate that cannot be talked to. The address is in it, ports and
 * times are not: the same failure must read the same each second. */
#include "config.h"

#include "failover/link_why.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "failover/link_socket.h"

int link_why_hello(const struct link_config *config, const Asafo__Wire__LinkHello *hello,
		   struct why *ret_why)
{
	if (hello->version < LINK_VERSION_OLDEST || hello->oldest_version > LINK_VERSION)
		return why_set(ret_why, ERR_VERSION,
			       "the mate (asafo %.31s) speaks failover link versions %" PRIu32
			       " to %" PRIu32 ", this unit (asafo %s) %d to %d: "
			       "install the same release on both units",
			       hello->software, hello->oldest_version, hello->version,
			       PACKAGE_VERSION, LINK_VERSION_OLDEST, LINK_VERSION);
	if (hello->unit == config->unit)
		return why_set(ret_why, ERR_EXISTS,
			       "the mate says that it is this unit: `failover lan unit` must be "
			       "primary on one unit and secondary on the other");
	return 0;
}

void link_why_closed(const struct link_config *config, size_t way, int code, const char *why,
		     struct why *ret_why)
{
	char text[LINK_ADDRESS_TEXT];

	link_socket_text(&config->ways[way].remote, text);
	/* One machine that is off, in the order in which a kernel notices it. */
	if (code == -ETIMEDOUT || code == -EHOSTUNREACH || code == -ENETUNREACH)
		code = ERR_TIMEOUT;
	if (code == ERR_INTEGRITY && strncmp(config->psk_identity, "asafo-pair-", 11) == 0)
		(void)why_set(ret_why, code,
			      "the mate (%s) refuses the pairing code: it is wrong, or the offer "
			      "has ended",
			      text);
	else if (code == ERR_INTEGRITY)
		(void)why_set(ret_why, code,
			      "the mate refuses our failover key (or has another one): give both "
			      "units the same `failover key`, or run `asafo pair` again");
	else if (code == ERR_TIMEOUT)
		(void)why_set(ret_why, code, "the mate (%s) does not answer on the failover link",
			      text);
	else if (code == -ECONNREFUSED)
		(void)why_set(ret_why, code,
			      "the mate (%s) refuses the failover link's connection: asafo does "
			      "not run there, or `failover` is off",
			      text);
	else if (code > -1000)
		(void)why_set(ret_why, code, "the failover link to the mate (%s) failed: %s", text,
			      why);
	else
		(void)why_set(ret_why, code, "%s", why);
}

void link_why_waiting(const struct link_config *config, struct why *ret_why)
{
	char all[2 * LINK_ADDRESS_TEXT] = "", address[LINK_ADDRESS_TEXT];
	size_t used = 0;

	for (size_t i = 0; i < config->n_ways && used < sizeof(all); i++) {
		link_socket_text(&config->ways[i].remote, address);
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i ? " or " : "",
					 address);
	}
	(void)why_set(ret_why, ERR_NO_MATE, "waiting for the mate (%s) to connect", all);
}
