/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An app id is the front's number, the place of its tunnel in the table here, and random bytes,
 * which nobody can know who has not seen it. A datagram without a cookie costs one hash and one
 * shorter datagram, so many a second and no more; nothing is kept of it.
 */
#include "front/tunnel/dtls_gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/monotime.h"
#include "front/tunnel/dtls_hello.h"
#include "front/net/listen_socket.h"
#include "front/net/sources.h"

#define DATAGRAMS_PER_TURN 64
#define FRONTS_MAX 64 /* numbers from 1 */
#define COOKIES_PER_SECOND 20000
/* Verified ones, to the engine: for tunnels of this front, and for what anybody can say is one of
 * another front's. */
#define OWN_PER_SECOND 1000
#define FOREIGN_PER_SECOND 1000
#define FOREIGN_OF_ONE 100 /* of one client address, behind which there may be an office */
#define PLACES_MAX 65536

struct door {
	struct door *next;
	struct dtls_gate *gate;
	struct snapshot_listen where;
	int fd;
	sd_event_source *io;
	bool is_wanted, is_failure_noted;
};

/* So many in each second that has begun. */
struct allowance {
	struct monotime since;
	unsigned used;
};

struct dtls_gate {
	struct poller *poller;
	struct vpn *vpn;
	const struct dtls_gate_ops *ops;
	void *userdata;
	struct dtls *dtls;
	const struct snapshot *snapshot; /* borrowed; NULL: none */
	struct door *doors;
	struct place {
		struct dtls_side *side; /* NULL: free */
		uint8_t app_id[DTLS_APP_ID_SIZE];
	} * places;
	size_t n_places, n_used;
	struct allowance cookies, own, foreign;
	struct sources *sources; /* of what was forwarded in this second to other fronts */
	uint8_t datagram[DTLS_DATAGRAM_MAX];
	uint8_t record[DTLS_RECORD_MAX];
};

struct poller *dtls_gate_poller(const struct dtls_gate *gate)
{
	return gate->poller;
}

const struct dtls *dtls_gate_dtls(const struct dtls_gate *gate)
{
	return gate->dtls;
}

uint8_t *dtls_gate_record(struct dtls_gate *gate)
{
	return gate->record;
}

static bool allowance_take(struct allowance *allowance, unsigned per_second)
{
	struct monotime now = monotime_now();

	if (monotime_since(now, allowance->since) >= MONOTIME_NS_PER_SEC)
		*allowance = (struct allowance){now, 0};
	if (allowance->used >= per_second)
		return false;
	allowance->used++;
	return true;
}

/* For another front, from CLIENT. */
static bool foreign_take(struct dtls_gate *gate, const struct sockaddr_storage *client)
{
	struct source_key key = sources_key(client);

	if (!allowance_take(&gate->foreign, FOREIGN_PER_SECOND))
		return false;
	if (gate->foreign.used == 1)
		sources_clear(gate->sources);
	if (sources_add(gate->sources, &key) == 0)
		return true;
	/* Who has had his share takes nothing of the others'. */
	gate->foreign.used -= gate->foreign.used > 1;
	return false;
}

/* ---- app ids ------------------------------------------------------------------------------------
 */

static size_t place_index(const uint8_t app_id[static DTLS_APP_ID_SIZE])
{
	return (size_t)app_id[1] << 16 | (size_t)app_id[2] << 8 | app_id[3];
}

static int places_grow(struct dtls_gate *gate)
{
	size_t n = gate->n_places ? gate->n_places * 2 : 64;
	struct place *places;

	if (n > PLACES_MAX)
		return ERR_TOO_LARGE;
	places = reallocarray(gate->places, n, sizeof(*places));
	if (!places)
		return -ENOMEM;
	memset(places + gate->n_places, 0, (n - gate->n_places) * sizeof(*places));
	gate->places = places;
	gate->n_places = n;
	return 0;
}

int dtls_gate_add(struct dtls_gate *gate, struct dtls_side *side,
		  uint8_t ret_app_id[static DTLS_APP_ID_SIZE])
{
	uint8_t app_id[DTLS_APP_ID_SIZE];
	size_t index = 0;
	int r = gate->n_used == gate->n_places ? places_grow(gate) : 0;

	if (r == 0 && gnutls_rnd(GNUTLS_RND_NONCE, app_id, sizeof(app_id)) < 0)
		r = ERR_CRYPTO;
	if (r < 0)
		return r;
	/* From somewhere, so that a table that is nearly full is not gone through each time. */
	index = place_index(app_id) % gate->n_places;
	while (gate->places[index].side)
		index = (index + 1) % gate->n_places;
	app_id[0] = (uint8_t)vpn_own_number(gate->vpn);
	app_id[1] = (uint8_t)(index >> 16);
	app_id[2] = (uint8_t)(index >> 8);
	app_id[3] = (uint8_t)index;
	gate->places[index].side = side;
	memcpy(gate->places[index].app_id, app_id, sizeof(app_id));
	memcpy(ret_app_id, app_id, sizeof(app_id));
	gate->n_used++;
	return 0;
}

void dtls_gate_remove(struct dtls_gate *gate, const uint8_t app_id[static DTLS_APP_ID_SIZE])
{
	gate->places[place_index(app_id)] = (struct place){.side = NULL};
	gate->n_used--;
}

static struct dtls_side *side_find(const struct dtls_gate *gate, const uint8_t *app_id, size_t size)
{
	size_t index;

	if (size != DTLS_APP_ID_SIZE)
		return NULL;
	index = place_index(app_id);
	if (index >= gate->n_places || !gate->places[index].side ||
	    gnutls_memcmp(gate->places[index].app_id, app_id, size) != 0)
		return NULL;
	return gate->places[index].side;
}

/* ---- first messages -----------------------------------------------------------------------------
 */

/* To the front that has the tunnel; where that is this one, it comes back with a socket that is
 * connected to the client. */
static void forward(struct dtls_gate *gate, const struct dtls_opening *opening,
		    const struct snapshot_listen *where, uint32_t owner)
{
	Asafo__Ipc__VpnDatagram message = ASAFO__IPC__VPN_DATAGRAM__INIT;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&opening->client;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&opening->client;
	bool is_v4 = opening->client.ss_family == AF_INET;
	_cleanup_close_ int fd = -1;

	if (owner == vpn_own_number(gate->vpn)) {
		fd = socket(opening->client.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			    0);
		if (fd < 0)
			return; /* the client tries again */
	}
	message.owner = owner;
	message.local =
		(ProtobufCBinaryData){where->address_size, (uint8_t *)(uintptr_t)where->address};
	message.local_port = where->port;
	message.client =
		(ProtobufCBinaryData){is_v4 ? 4 : 16, is_v4 ? (uint8_t *)(uintptr_t)&v4->sin_addr
							    : (uint8_t *)(uintptr_t)&v6->sin6_addr};
	message.client_port = ntohs(is_v4 ? v4->sin_port : v6->sin6_port);
	message.record_seq = opening->begin.record_seq;
	message.read_seq = opening->begin.read_seq;
	message.write_seq = opening->begin.write_seq;
	message.data =
		(ProtobufCBinaryData){opening->size, (uint8_t *)(uintptr_t)opening->datagram_view};
	(void)vpn_datagram(gate->vpn, &message, fd);
}

static void hello_take(struct door *door, const struct sockaddr_storage *client, size_t size)
{
	struct dtls_gate *gate = door->gate;
	struct dtls_opening opening = {
		.client = *client,
		.datagram_view = gate->datagram,
		.size = size,
	};
	uint32_t own = vpn_own_number(gate->vpn), owner;
	struct dtls_hello hello;
	struct dtls_side *side;

	/* Nobody without an app id has any business here. */
	if (dtls_hello_read(gate->datagram, size, &hello) < 0 ||
	    hello.session_id_size != DTLS_APP_ID_SIZE)
		return;
	owner = hello.session_id_view[0];
	side = owner == own ? side_find(gate, hello.session_id_view, hello.session_id_size) : NULL;
	/* A tunnel that this front does not have, though it has the number, is gone. */
	if (owner == 0 || owner > FRONTS_MAX || (owner == own && !side))
		return;
	if (!hello.has_cookie ||
	    !dtls_cookie_is_valid(gate->dtls, client, gate->datagram, size, &opening.begin)) {
		if (allowance_take(&gate->cookies, COOKIES_PER_SECOND))
			dtls_cookie_send(gate->dtls, client, door->fd);
		return;
	}
	if (side ? !dtls_side_continue(side, &opening) && allowance_take(&gate->own, OWN_PER_SECOND)
		 : foreign_take(gate, client))
		forward(gate, &opening, &door->where, owner);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct door *door = userdata;
	struct dtls_gate *gate = door->gate;

	(void)source;
	(void)events;
	for (unsigned i = 0; i < DATAGRAMS_PER_TURN; i++) {
		struct sockaddr_storage client = {0};
		socklen_t client_size = sizeof(client);
		ssize_t n = recvfrom(fd, gate->datagram, sizeof(gate->datagram), MSG_DONTWAIT,
				     (struct sockaddr *)&client, &client_size);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n > 0)
			hello_take(door, &client, (size_t)n);
	}
	return 0;
}

static struct door *door_find(const struct dtls_gate *gate, const uint8_t *address, size_t size,
			      uint32_t port)
{
	struct door *door = gate->doors;

	while (door && (door->where.port != port || door->where.address_size != size ||
			memcmp(door->where.address, address, size) != 0))
		door = door->next;
	return door && door->fd >= 0 ? door : NULL;
}

bool dtls_gate_hears(const struct dtls_gate *gate, const struct vpn_address *local, uint16_t port)
{
	uint32_t own = vpn_own_number(gate->vpn);

	return own > 0 && own <= UINT8_MAX && door_find(gate, local->bytes, local->size, port);
}

void dtls_gate_take(struct dtls_gate *gate, const Asafo__Ipc__VpnDatagram *message, int fd)
{
	_cleanup_close_ int owned = fd;
	const struct door *door =
		door_find(gate, message->local.data, message->local.len, message->local_port);
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)message->client_port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = v4.sin_port};
	struct dtls_opening opening = {
		.begin = {message->record_seq, message->read_seq, message->write_seq},
		.datagram_view = message->data.data,
		.size = message->data.len,
	};
	struct dtls_side *side;
	struct dtls_hello hello;

	if (!door || message->client.len != door->where.address_size ||
	    message->client_port > UINT16_MAX || message->data.len > DTLS_DATAGRAM_MAX ||
	    dtls_hello_read(opening.datagram_view, opening.size, &hello) < 0)
		return;
	side = side_find(gate, hello.session_id_view, hello.session_id_size);
	if (!side)
		return;
	if (message->client.len == 4) {
		memcpy(&v4.sin_addr, message->client.data, 4);
		memcpy(&opening.client, &v4, sizeof(v4));
	} else {
		memcpy(&v6.sin6_addr, message->client.data, 16);
		memcpy(&opening.client, &v6, sizeof(v6));
	}
	if (fd >= 0)
		dtls_side_open(side, &opening, TAKE_FD(owned));
	else if (!dtls_side_continue(side, &opening) && allowance_take(&gate->own, OWN_PER_SECOND))
		forward(gate, &opening, &door->where, vpn_own_number(gate->vpn));
}

/* ---- doors --------------------------------------------------------------------------------------
 */

static void door_open(struct door *door)
{
	struct dtls_gate *gate = door->gate;
	int r = listen_socket_open(&door->where, SOCK_DGRAM);
	char endpoint[SNAPSHOT_ENDPOINT_MAX], text[256];

	door->fd = r;
	if (r >= 0)
		r = sd_event_add_io(poller_event(gate->poller), &door->io, door->fd, EPOLLIN, on_io,
				    door);
	if (r >= 0)
		return;
	if (door->fd >= 0)
		(void)close(TAKE_FD(door->fd));
	door->fd = -1;
	if (door->is_failure_noted)
		return;
	door->is_failure_noted = true;
	snapshot_endpoint(&door->where, endpoint);
	(void)snprintf(text, sizeof(text), "UDP %s cannot be opened: %s: tunnels are by TLS only",
		       endpoint, err_text(r));
	gate->ops->on_note(LOG_WARNING, text, gate->userdata);
}

static void door_free(struct door *door)
{
	door->io = sd_event_source_disable_unref(door->io);
	if (door->fd >= 0)
		(void)close(door->fd);
	free(door);
}

static void doors_sweep(struct dtls_gate *gate)
{
	struct door **at = &gate->doors;

	while (*at) {
		struct door *door = *at;

		if (door->is_wanted) {
			at = &door->next;
			continue;
		}
		*at = door->next;
		door_free(door);
	}
}

static void door_want(struct dtls_gate *gate, const struct snapshot_listen *where)
{
	struct door **at = &gate->doors;

	while (*at && !snapshot_listen_is_same(&(*at)->where, where))
		at = &(*at)->next;
	if (!*at) {
		*at = calloc(1, sizeof(**at));
		if (!*at)
			return; /* out of memory: the next apply tries again */
		(*at)->gate = gate;
		(*at)->fd = -1;
	}
	(*at)->is_wanted = true;
	(*at)->where = *where;
}

void dtls_gate_apply(struct dtls_gate *gate, const struct snapshot *snapshot)
{
	bool is_enabled = vpn_config(gate->vpn)->is_enabled;

	gate->snapshot = snapshot;
	for (struct door *door = gate->doors; door; door = door->next)
		door->is_wanted = false;
	for (size_t i = 0; is_enabled && snapshot && i < snapshot->n_listens; i++)
		door_want(gate, &snapshot->listens[i]);
	doors_sweep(gate);
	for (struct door *door = gate->doors; door; door = door->next) {
		if (door->fd < 0)
			door_open(door);
	}
}

/* ---- life ---------------------------------------------------------------------------------------
 */

static void datagram_take(const Asafo__Ipc__VpnDatagram *message, int fd, void *userdata)
{
	dtls_gate_take(userdata, message, fd);
}

/* Whether the VPN is enabled may have changed, and which cookies the other fronts send. */
static void config_take(const struct vpn_config *config, void *userdata)
{
	struct dtls_gate *gate = userdata;

	if (config->has_cookie_key)
		dtls_set_cookie_keys(gate->dtls, config->cookie_key,
				     config->has_cookie_key_before ? config->cookie_key_before
								   : NULL);
	dtls_gate_apply(gate, gate->snapshot);
}

int dtls_gate_new(struct poller *poller, struct vpn *vpn, const struct dtls_gate_ops *ops,
		  void *userdata, struct dtls_gate **ret_gate)
{
	static const struct vpn_listener listener = {.on_config = config_take,
						     .on_datagram = datagram_take};
	struct dtls_gate *gate = calloc(1, sizeof(*gate));
	int r;

	if (!gate)
		return -ENOMEM;
	gate->poller = poller;
	gate->vpn = vpn;
	gate->ops = ops;
	gate->userdata = userdata;
	r = sources_new(FOREIGN_OF_ONE, &gate->sources);
	if (r == 0)
		r = dtls_new(&gate->dtls);
	if (r == 0)
		r = vpn_listen(vpn, &listener, gate);
	if (r < 0) {
		dtls_gate_free(gate);
		return r;
	}
	*ret_gate = gate;
	return 0;
}

void dtls_gate_free(struct dtls_gate *gate)
{
	if (!gate)
		return;
	dtls_gate_apply(gate, NULL);
	free(gate->places);
	sources_free(gate->sources);
	dtls_free(gate->dtls);
	free(gate);
}
