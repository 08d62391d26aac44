/* SPDX-License-Identifier: Apache-2.0 */
#include "front/net/listen_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"

static socklen_t address_fill(const struct snapshot_listen *where,
			      struct sockaddr_storage *ret_address)
{
	if (where->address_size == 4) {
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(where->port)};

		memcpy(&in.sin_addr, where->address, 4);
		memcpy(ret_address, &in, sizeof(in));
		return sizeof(in);
	}
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(where->port)};

	memcpy(&in6.sin6_addr, where->address, 16);
	memcpy(ret_address, &in6, sizeof(in6));
	return sizeof(in6);
}

static int socket_prepare(int fd, const struct snapshot_listen *where)
{
	bool is_v6 = where->address_size == 16;
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
		return -errno;
	if (is_v6 && (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0 ||
		      setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)) < 0))
		return -errno;
	if (!is_v6 && setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) < 0)
		return -errno;
	/* A link-local address is one only together with its device; an index would have to be
	 * asked for. */
	if (snapshot_listen_is_link_local(where) &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, where->device,
		       (socklen_t)strlen(where->device)) < 0)
		return -errno;
	return 0;
}

int listen_socket_open(const struct snapshot_listen *where, int type)
{
	struct sockaddr_storage address = {0};
	socklen_t size = address_fill(where, &address);
	_cleanup_close_ int fd = socket(address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = socket_prepare(fd, where);
	if (r < 0)
		return r;
	if (bind(fd, (struct sockaddr *)&address, size) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static bool is_at(int fd, const struct snapshot_listen *where)
{
	struct sockaddr_storage wanted = {0}, address = {0};
	socklen_t size = sizeof(address), wanted_size = address_fill(where, &wanted);

	return getsockname(fd, (struct sockaddr *)&address, &size) == 0 && size == wanted_size &&
	       memcmp(&address, &wanted, size) == 0;
}

static bool is_set(int fd, int option)
{
	int yes = 0;
	socklen_t size = sizeof(yes);

	return getsockopt(fd, SOL_SOCKET, option, &yes, &size) == 0 && yes;
}

static bool is_bound_to_device(int fd)
{
	char device[IFNAMSIZ] = "";
	socklen_t size = sizeof(device);

	return getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &size) < 0 || size > 0;
}

bool listen_socket_inherit(int fd, const struct snapshot_listen *where)
{
	int flags = fcntl(fd, F_GETFL);

	return !snapshot_listen_is_link_local(where) && is_at(fd, where) &&
	       is_set(fd, SO_ACCEPTCONN) && is_set(fd, SO_REUSEPORT) && !is_bound_to_device(fd) &&
	       flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}
