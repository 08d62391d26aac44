/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/why.h"
#include "front/tunnel/vpn.h"

/* The checked conversion of VPN_CONFIG. Errors: ERR_MALFORMED with a sentence; -ENOMEM. */
int vpn_config_from(const Asafo__Ipc__VpnConfig *message, struct vpn_config **ret_config,
		    struct why *ret_why);
void vpn_config_free(struct vpn_config *config);
