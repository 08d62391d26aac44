/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/engine/traffic.h"

#include "failover/core/wire.pb-c.h"

static struct traffic_count *count_of(struct traffic *traffic, int kind)
{
	switch (kind) {
	case ASAFO__WIRE__LINK__BODY_SYNC_MANIFEST:
	case ASAFO__WIRE__LINK__BODY_SYNC_ITEMS:
	case ASAFO__WIRE__LINK__BODY_STAPLE:
	case ASAFO__WIRE__LINK__BODY_CRL_PART:
		return &traffic->counts[TRAFFIC_TRUSTPOINT];
	case ASAFO__WIRE__LINK__BODY_SYNC_CONFIG:
	case ASAFO__WIRE__LINK__BODY_COMMAND:
	case ASAFO__WIRE__LINK__BODY_COMMAND_RESULT:
		return &traffic->counts[TRAFFIC_CONFIG];
	case ASAFO__WIRE__LINK__BODY_SESSION_UPDATE:
	case ASAFO__WIRE__LINK__BODY_SESSION_ACK:
	case ASAFO__WIRE__LINK__BODY_LOGIN_GUESSES:
		return &traffic->counts[TRAFFIC_VPN];
	default:
		return &traffic->counts[TRAFFIC_SYSTEM];
	}
}

void traffic_sent(struct traffic *traffic, int kind, int code, size_t queued)
{
	struct traffic_count *count = count_of(traffic, kind);

	if (code < 0)
		count->send_errors++;
	else
		count->sent++;
	if (queued > traffic->queued_max)
		traffic->queued_max = queued;
}

void traffic_received(struct traffic *traffic, int kind, bool is_taken)
{
	struct traffic_count *count = count_of(traffic, kind);

	count->received++;
	count->receive_errors += !is_taken;
}

const char *traffic_text(enum traffic_kind kind)
{
	static const char *const texts[TRAFFIC__MAX] = {
		[TRAFFIC_SYSTEM] = "sys cmd",
		[TRAFFIC_TRUSTPOINT] = "Trustpoint",
		[TRAFFIC_CONFIG] = "Config cmd",
		[TRAFFIC_VPN] = "VPN SESS",
	};

	return (unsigned)kind < TRAFFIC__MAX ? texts[kind] : "Unknown";
}
