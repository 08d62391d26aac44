/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fronts may listen, and not call connect(2). A socket that is connected to one DTLS client, so
 * that the kernel gives that client's datagrams to one front alone, is therefore bound and
 * connected here, and only at an address that the fronts listen at. It is made by the front:
 * sockets at one address are one group to the kernel (SO_REUSEPORT) where one user made them, and
 * kernels before Linux 6.13 look for a connected one in the first group that they find, and nowhere
 * else.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "failover/vpn/hub_internal.h"

#define QUEUED_MAX (256u * 1024)    /* bytes for a front that does not read */
#define QUEUED_OWN_MAX (16u * 1024) /* with sockets: each is a descriptor of the engine's, too */

union end {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool is_address(const struct config_address *address, const ProtobufCBinaryData *bytes)
{
	size_t size = address->family == AF_INET ? 4 : 16;

	return address->family != 0 && bytes->len == size &&
	       memcmp(address->bytes, bytes->data, size) == 0;
}

/* The interface that has the address, where fronts listen; NULL: none. */
static const struct config_interface *interface_of(const struct config *config,
						   const ProtobufCBinaryData *bytes)
{
	for (size_t i = 0; i < config->webvpn.n_enabled; i++) {
		const struct config_interface *interface =
			config_interface_find(config, config->webvpn.enabled_on[i]);

		if (!interface)
			continue;
		if (is_address(&interface->active4, bytes) ||
		    is_address(&interface->active6, bytes) ||
		    is_address(&interface->standby4, bytes) ||
		    is_address(&interface->standby6, bytes))
			return interface;
		for (size_t j = 0; j < config->n_secondaries; j++) {
			if (strcmp(config->secondaries[j].device, interface->device) == 0 &&
			    is_address(&config->secondaries[j].address, bytes))
				return interface;
		}
	}
	return NULL;
}

static socklen_t end_fill(const ProtobufCBinaryData *bytes, uint32_t port, union end *ret_end)
{
	memset(ret_end, 0, sizeof(*ret_end));
	if (bytes->len == 4) {
		ret_end->v4.sin_family = AF_INET;
		ret_end->v4.sin_port = htons((uint16_t)port);
		memcpy(&ret_end->v4.sin_addr, bytes->data, 4);
		return sizeof(ret_end->v4);
	}
	ret_end->v6.sin6_family = AF_INET6;
	ret_end->v6.sin6_port = htons((uint16_t)port);
	memcpy(&ret_end->v6.sin6_addr, bytes->data, 16);
	return sizeof(ret_end->v6);
}

/* As the fronts' own: shared, and whether or not the address is here. A datagram is never taken
 * apart on the way: one that is too large for it is found out where it is sent. */
static int socket_prepare(int fd, bool is_v6)
{
	int on = 1, always = is_v6 ? IPV6_PMTUDISC_DO : IP_PMTUDISC_DO;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
		return -errno;
	if (is_v6 && (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0 ||
		      setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)) < 0 ||
		      setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &always, sizeof(always)) < 0))
		return -errno;
	if (!is_v6 && (setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) < 0 ||
		       setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &always, sizeof(always)) < 0))
		return -errno;
	return 0;
}

/* What a front hands over may be anything; bind and connect of this do not wait. */
static bool is_udp_socket(int fd, int family)
{
	static const int names[] = {SO_DOMAIN, SO_TYPE, SO_PROTOCOL};
	const int wanted[] = {family, SOCK_DGRAM, IPPROTO_UDP};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int value = -1;
		socklen_t size = sizeof(value);

		if (getsockopt(fd, SOL_SOCKET, names[i], &value, &size) < 0 || value != wanted[i])
			return false;
	}
	return true;
}

static int socket_connect(const struct config *config, const Asafo__Ipc__VpnDatagram *message,
			  int fd)
{
	const struct config_interface *interface = interface_of(config, &message->local);
	bool is_v6 = message->local.len == 16;
	union end local, client;
	socklen_t size;
	int r;

	if (!interface || message->local_port != config->webvpn.port ||
	    message->client.len != message->local.len || message->client_port == 0 ||
	    message->client_port > UINT16_MAX || !is_udp_socket(fd, is_v6 ? AF_INET6 : AF_INET))
		return ERR_DENIED;
	size = end_fill(&message->local, message->local_port, &local);
	(void)end_fill(&message->client, message->client_port, &client);
	r = socket_prepare(fd, is_v6);
	if (r < 0)
		return r;
	if (is_v6 && IN6_IS_ADDR_LINKLOCAL(&local.v6.sin6_addr) &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface->device,
		       (socklen_t)strlen(interface->device)) < 0)
		return -errno;
	/* One that was bound before cannot be bound again. */
	if (bind(fd, &local.any, size) < 0 || connect(fd, &client.any, size) < 0)
		return -errno;
	return 0;
}

void hub_datagram(struct vpnhub *hub, unsigned instance, const Asafo__Ipc__VpnDatagram *message,
		  int fd)
{
	struct ipc_channel *front;
	bool is_own = message->owner == instance + 1;

	if (message->owner == 0 || message->owner > ENGINE_FRONTS_MAX ||
	    message->data.len > VPN_DATAGRAM_MAX)
		return;
	front = hub->engine->rooms.fronts[message->owner - 1];
	if (!front || ipc_channel_queued(front) > (is_own ? QUEUED_OWN_MAX : QUEUED_MAX))
		return;
	/* A client tries again; what it lacks until then is only the faster way. */
	if (is_own && socket_connect(hub->engine->config, message, fd) < 0)
		return;
	(void)ipc_channel_send(front, IPC_VPN_DATAGRAM, &message->base, &fd, is_own ? 1 : 0);
}
