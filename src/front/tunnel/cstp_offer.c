/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session's addresses and masks are always the same, whatever the client asks for: it gives up
 * when a reconnect brings others. What is no address may change with the configuration.
 */
#include "front/tunnel/cstp_offer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/hex.h"
#include "front/tunnel/cstp_frame.h"
#include "front/tunnel/dtls_side.h"
#include "front/http/http_response.h"

#define MTU_MIN_V4 576u
#define MTU_MIN_V6 1280u
#define IP_AND_TCP_V4 40u
#define IP_AND_TCP_V6 60u
/* Under TLS 1.3 the server renews the keys, and "ssl" is what clients take beside it; a year, since
 * `none` is refused by some, and larger numbers overflow in others. */
#define REKEY_TLS13_S 31536000u
#define REKEY_TLS12_S 86400u

static const char *header_value(const struct http_head *head, const char *name,
				char ret_text[static 128])
{
	const struct http_header *header = http_head_find(head, name);
	size_t size = header ? header->value.size : 0;

	if (size > 127)
		size = 127;
	if (size > 0)
		memcpy(ret_text, header->value.data, size);
	ret_text[size] = '\0';
	return ret_text;
}

/* A number of a plausible size; 0: none. */
static unsigned number_of(const struct http_head *head, const char *name)
{
	char text[128];
	unsigned number = 0;

	(void)header_value(head, name, text);
	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9' || number > 65535)
			return 0;
		number = number * 10 + (unsigned)(*c - '0');
	}
	return number > 65535 ? 0 : number;
}

/* A list, with colons between. */
static bool offers_psk(const struct http_head *head, const char *name)
{
	static const char wanted[] = "PSK-NEGOTIATE";
	const struct http_header *header = http_head_find(head, name);
	const char *at = header ? header->value.data : NULL;
	size_t left = header ? header->value.size : 0;

	while (left >= sizeof(wanted) - 1) {
		const char *end = memchr(at, ':', left);
		size_t size = end ? (size_t)(end - at) : left;

		if (size == sizeof(wanted) - 1 && memcmp(at, wanted, size) == 0)
			return true;
		if (!end)
			return false;
		at = end + 1;
		left -= size + 1;
	}
	return false;
}

void cstp_request_read(const struct http_head *head, struct cstp_request *ret_request)
{
	struct cstp_request request = {0};
	char text[128];

	/* Clients that know of IPv4 only do not say so. */
	(void)header_value(head, "X-CSTP-Address-Type", text);
	request.wants_v6 = strstr(text, "IPv6") != NULL;
	request.wants_v4 = strstr(text, "IPv4") != NULL || text[0] == '\0';
	(void)header_value(head, "X-AnyConnect-Identifier-Platform", text);
	request.is_apple_ios = strcmp(text, "apple-ios") == 0;
	request.is_mobile = request.is_apple_ios || strcmp(text, "android") == 0;
	(void)header_value(head, "User-Agent", text);
	request.takes_any_dns = strcasestr(text, "openconnect") != NULL ||
				strncmp(text, "Open AnyConnect", 15) == 0;
	request.takes_dtls =
		offers_psk(head, "X-DTLS-CipherSuite") || offers_psk(head, "X-DTLS12-CipherSuite");
	request.base_mtu = number_of(head, "X-CSTP-Base-MTU");
	request.mtu = number_of(head, "X-CSTP-MTU");
	*ret_request = request;
}

unsigned cstp_mtu(const struct cstp_way *way, unsigned most, bool has_v6,
		  const struct cstp_request *request)
{
	unsigned least = has_v6 ? MTU_MIN_V6 : MTU_MIN_V4;
	unsigned heads = way->is_v6 ? IP_AND_TCP_V6 : IP_AND_TCP_V4;
	unsigned added = (unsigned)way->overhead + CSTP_HEADER_SIZE;
	unsigned segment = way->mss;
	unsigned mtu;

	/* The client's own view of the path counts where it is narrower. */
	if (request->base_mtu > heads && request->base_mtu - heads < segment)
		segment = request->base_mtu - heads;
	mtu = segment > added ? segment - added : 0;
	if (request->mtu > 0 && request->mtu < mtu)
		mtu = request->mtu;
	if (mtu > most)
		mtu = most;
	return mtu < least ? least : mtu;
}

struct cstp_times cstp_times_of(const struct cstp_request *request)
{
	return request->is_mobile ? (struct cstp_times){60, 20, 60, 20}
				  : (struct cstp_times){10, 5, 5, 20};
}

static const char *address_text(const struct vpn_address *address,
				char ret_text[static INET6_ADDRSTRLEN])
{
	if (!inet_ntop(address->size == 4 ? AF_INET : AF_INET6, address->bytes, ret_text,
		       INET6_ADDRSTRLEN))
		ret_text[0] = '\0';
	return ret_text;
}

static const char *mask_text(unsigned prefix, char ret_text[static INET6_ADDRSTRLEN])
{
	uint32_t mask = prefix == 0 ? 0 : UINT32_MAX << (32 - (prefix > 32 ? 32 : prefix));

	(void)snprintf(ret_text, INET6_ADDRSTRLEN, "%u.%u.%u.%u", mask >> 24, mask >> 16 & 255,
		       mask >> 8 & 255, mask & 255);
	return ret_text;
}

static int addresses_append(const struct cstp_offer *offer, struct buf *bytes)
{
	const struct vpn_session *session = offer->session;
	bool has_v4 = session->v4.size == 4 && offer->request->wants_v4;
	bool has_v6 = session->v6.size == 16 && offer->request->wants_v6;
	char address[INET6_ADDRSTRLEN], mask[INET6_ADDRSTRLEN];
	int r = has_v4 || has_v6 ? 0 : ERR_UNSUPPORTED;

	if (r == 0 && has_v4)
		r = buf_append_format(bytes, "X-CSTP-Address: %s\r\nX-CSTP-Netmask: %s\r\n",
				      address_text(&session->v4, address),
				      mask_text(session->v4.prefix, mask));
	if (r == 0 && has_v6)
		r = buf_append_format(bytes, "X-CSTP-Address-IP6: %s/%u\r\n",
				      address_text(&session->v6, address), session->v6.prefix);
	return r;
}

static int network_append(const struct cstp_offer *offer, const struct vpn_address *network,
			  struct buf *bytes)
{
	const char *kind =
		offer->policy->split == VPN_SPLIT_EXCLUDE_SPECIFIED ? "Exclude" : "Include";
	char address[INET6_ADDRSTRLEN], mask[INET6_ADDRSTRLEN];

	(void)address_text(network, address);
	if (network->size == 4)
		return buf_append_format(bytes, "X-CSTP-Split-%s: %s/%s\r\n", kind, address,
					 mask_text(network->prefix, mask));
	return buf_append_format(bytes, "X-CSTP-Split-%s-IP6: %s/%u\r\n", kind, address,
				 network->prefix);
}

static bool has_network_of(const struct vpn_policy *policy, size_t size)
{
	for (size_t i = 0; i < policy->n_networks; i++) {
		if (policy->networks[i].size == size)
			return true;
	}
	return false;
}

/*
 * A client that is given an address of a family and no network of it sends all of that family into
 * the tunnel, which is the contrary of what a list says that names none of it. So that it has one:
 * its own address.
 */
static int own_append(const struct cstp_offer *offer, const struct vpn_address *own, bool is_wanted,
		      struct buf *bytes)
{
	struct vpn_address host = *own;

	if (!is_wanted || own->size == 0 || offer->policy->n_networks == 0 ||
	    offer->policy->split != VPN_SPLIT_TUNNEL_SPECIFIED ||
	    has_network_of(offer->policy, own->size))
		return 0;
	host.prefix = (uint8_t)(own->size * 8);
	return network_append(offer, &host, bytes);
}

static int routes_append(const struct cstp_offer *offer, struct buf *bytes)
{
	const struct vpn_policy *policy = offer->policy;
	bool is_all = policy->split == VPN_SPLIT_TUNNEL_ALL;
	int r = buf_append_format(bytes, "X-CSTP-Tunnel-All-DNS: %s\r\n",
				  is_all ? "true" : "false");

	if (r == 0 && is_all && offer->request->is_apple_ios && offer->session->v6.size == 16)
		r = buf_append_format(bytes, "X-CSTP-Split-Include-IP6: 2000::/3\r\n");
	for (size_t i = 0; i < policy->n_networks && r == 0 && !is_all; i++)
		r = network_append(offer, &policy->networks[i], bytes);
	if (r == 0)
		r = own_append(offer, &offer->session->v4, offer->request->wants_v4, bytes);
	return r == 0 ? own_append(offer, &offer->session->v6, offer->request->wants_v6, bytes) : r;
}

static int names_append(const struct cstp_offer *offer, struct buf *bytes)
{
	const struct vpn_policy *policy = offer->policy;
	char address[INET6_ADDRSTRLEN];
	int r = 0;

	for (size_t i = 0; i < policy->n_dns && r == 0; i++) {
		bool is_apart = policy->dns[i].size == 16 && !offer->request->takes_any_dns;

		r = buf_append_format(bytes, "X-CSTP-DNS%s: %s\r\n", is_apart ? "-IP6" : "",
				      address_text(&policy->dns[i], address));
	}
	if (r == 0 && policy->domain[0])
		r = buf_append_format(bytes, "X-CSTP-Default-Domain: %s\r\n", policy->domain);
	if (r == 0 && policy->banner[0])
		r = buf_append_format(bytes, "X-CSTP-Banner: %s\r\n", policy->banner);
	return r;
}

static int lifetime_append(const struct cstp_offer *offer, struct buf *bytes)
{
	const struct vpn_policy *policy = offer->policy;
	uint64_t left_s = monotime_since(offer->session->ends_at, offer->now) / MONOTIME_NS_PER_SEC;
	bool is_endless = offer->session->ends_at.ns == UINT64_MAX;
	int r = policy->idle_timeout_s ? buf_append_format(bytes, "X-CSTP-Idle-Timeout: %u\r\n",
							   policy->idle_timeout_s)
				       : buf_append_format(bytes, "X-CSTP-Idle-Timeout: none\r\n");

	/* The number of the configuration is of the whole session; a client that adds it to the
	 * present time would be wrong after a reconnect, hence what is left of it. */
	if (r == 0 && is_endless)
		r = buf_append_format(bytes, "X-CSTP-Session-Timeout: none\r\n"
					     "X-CSTP-Session-Timeout-Remaining: none\r\n");
	if (r == 0 && !is_endless)
		r = buf_append_format(bytes,
				      "X-CSTP-Session-Timeout: %llu\r\n"
				      "X-CSTP-Session-Timeout-Remaining: %llu\r\n",
				      (unsigned long long)left_s, (unsigned long long)left_s);
	return r;
}

static int life_append(const struct cstp_offer *offer, struct buf *bytes)
{
	struct cstp_times times = cstp_times_of(offer->request);

	return buf_append_format(bytes,
				 "X-CSTP-Disconnected-Timeout: none\r\n"
				 "X-CSTP-Keep: true\r\n"
				 "X-CSTP-TCP-Keepalive: true\r\n"
				 "X-CSTP-License: accept\r\n"
				 "X-CSTP-DPD: %u\r\n"
				 "X-CSTP-Keepalive: %u\r\n"
				 "X-CSTP-Rekey-Time: %u\r\n"
				 "X-CSTP-Rekey-Method: %s\r\n"
				 "X-CSTP-Smartcard-Removal-Disconnect: true\r\n",
				 times.dpd_s, times.keepalive_s,
				 offer->is_tls13 ? REKEY_TLS13_S : REKEY_TLS12_S,
				 offer->is_tls13 ? "ssl" : "new-tunnel");
}

/* No compression. The client is not asked to renew the keys: dtls_side.c has it do so when they are
 * old. */
static int datagrams_append(const struct cstp_offer *offer, struct buf *bytes)
{
	struct cstp_times times = cstp_times_of(offer->request);
	char app_id[2 * DTLS_APP_ID_SIZE + 1];

	hex_encode(offer->app_id, DTLS_APP_ID_SIZE, app_id);
	return buf_append_format(bytes,
				 "X-DTLS-App-ID: %s\r\n"
				 "X-DTLS-Port: %u\r\n"
				 "X-DTLS-CipherSuite: PSK-NEGOTIATE\r\n"
				 "X-DTLS-DPD: %u\r\n"
				 "X-DTLS-Keepalive: %u\r\n"
				 "X-DTLS-Rekey-Method: none\r\n"
				 "X-DTLS-MTU: %u\r\n",
				 app_id, offer->datagram_port, times.datagram_dpd_s,
				 times.datagram_keepalive_s, offer->mtu);
}

int cstp_offer_append(const struct cstp_offer *offer, struct buf *ret_bytes)
{
	size_t before = ret_bytes->size;
	int r = buf_append_format(ret_bytes, "HTTP/1.1 200 CONNECTED\r\nX-CSTP-Version: 1\r\n");

	if (r == 0 && offer->hostname[0])
		r = buf_append_format(ret_bytes, "X-CSTP-Server-Name: %s\r\n", offer->hostname);
	if (r == 0)
		r = addresses_append(offer, ret_bytes);
	if (r == 0)
		r = names_append(offer, ret_bytes);
	if (r == 0)
		r = routes_append(offer, ret_bytes);
	if (r == 0)
		r = lifetime_append(offer, ret_bytes);
	if (r == 0)
		r = life_append(offer, ret_bytes);
	if (r == 0 && offer->app_id)
		r = datagrams_append(offer, ret_bytes);
	if (r == 0 && offer->request->base_mtu)
		r = buf_append_format(ret_bytes, "X-CSTP-Base-MTU: %u\r\n",
				      offer->request->base_mtu);
	if (r == 0)
		r = buf_append_format(ret_bytes, "X-CSTP-MTU: %u\r\n\r\n", offer->mtu);
	if (r < 0)
		ret_bytes->size = before;
	return r;
}

int cstp_refusal_append(unsigned status, const char *why, time_t now, struct buf *ret_bytes)
{
	int r = buf_append_format(ret_bytes, "HTTP/1.1 %u %s\r\n", status,
				  http_status_text(status));

	if (r == 0)
		r = http_date_append(now, ret_bytes);
	return r < 0 ? r
		     : buf_append_format(ret_bytes,
					 "X-Reason: %s\r\n"
					 "%s"
					 "Content-Length: 0\r\n"
					 "Cache-Control: no-store\r\n"
					 "Connection: close\r\n\r\n",
					 why, status == 503 ? "Retry-After: 2\r\n" : "");
}
