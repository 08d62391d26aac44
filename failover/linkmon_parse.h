/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <libmnl/libmnl.h>

#include "failover/linkmon.h"

/* The kernel's messages about links and addresses (rtnetlink(7)), as far as the monitor knows them.
 * Total: a message that is cut, or of another family, is none. */

/* Of RTM_NEWLINK and RTM_DELLINK. False: it tells of no link. DEVICE may be empty. */
bool linkmon_parse_link(const struct nlmsghdr *header, struct linkmon_link *ret_link);
/* Of RTM_NEWADDR and RTM_DELADDR. False: it tells of no IP address. DEVICE is left empty. */
bool linkmon_parse_address(const struct nlmsghdr *header, struct linkmon_address *ret_address);
/* The error of an NLMSG_ERROR; 0: it is an acknowledgement. */
int linkmon_parse_error(const struct nlmsghdr *header);
/* How a dump ended, of NLMSG_DONE or NLMSG_ERROR: 1, or why there was none. */
int linkmon_parse_end(const struct nlmsghdr *header);
