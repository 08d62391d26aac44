/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copy of the session table: three chained hash tables over the same nodes (the tag of the
 * cookie's hash, the two addresses). A whole table does not empty the copy first: nodes are marked,
 * and what a complete table did not name is dropped at its end, so that open tunnels outlive the
 * engine.
 */
#include "front/tunnel/vpn.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "front/tunnel/vpn_config.h"

enum key {
	KEY_TAG,
	KEY_V4,
	KEY_V6,
	KEY__MAX,
};

#define BUCKETS_MIN 256

struct node {
	struct vpn_entry entry; /* first: an entry is its node */
	struct node *next[KEY__MAX];
	bool is_stale; /* a whole table is under way and has not named it yet */
};

struct hearer {
	const struct vpn_listener *listener;
	void *userdata;
};

struct vpn_call {
	struct vpn *vpn;
	uint8_t hash[VPN_HASH_SIZE];
	vpn_login_fn on_done; /* NULL: nobody waits any more */
	void *userdata;
};

struct vpn {
	struct node **buckets[KEY__MAX];
	size_t n_buckets; /* a power of two */
	size_t count;
	bool is_complete;
	bool has_hole;	/* something of the whole table that is the latest was not taken */
	bool has_asked; /* ... and the engine has been asked for another one */
	struct endings *endings;
	struct vpn_config *config;
	struct clientcas *clientcas;
	struct ipc_channel *engine; /* borrowed */
	int tun;
	uint32_t own_number;
	struct hearer hearers[VPN_LISTENERS_MAX];
	size_t n_hearers;
};

/* ---- the table ---- */

static const uint8_t *key_of(const struct vpn_session *session, enum key key, size_t *ret_size)
{
	switch (key) {
	case KEY_V4:
		*ret_size = session->v4.size;
		return session->v4.bytes;
	case KEY_V6:
		*ret_size = session->v6.size;
		return session->v6.bytes;
	case KEY_TAG:
	case KEY__MAX:
		break;
	}
	*ret_size = VPN_HASH_SIZE;
	return session->hash;
}

/* FNV-1a: what it is taken of, strangers do not choose. */
static size_t bucket_of(const struct vpn *vpn, const uint8_t *bytes, size_t size)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return (size_t)(sum ^ sum >> 32) & (vpn->n_buckets - 1);
}

static struct node *node_find(const struct vpn *vpn, enum key key, const uint8_t *bytes,
			      size_t size)
{
	struct node *node = vpn->buckets[key][bucket_of(vpn, bytes, size)];

	for (; node; node = node->next[key]) {
		size_t own_size;
		const uint8_t *own = key_of(&node->entry.session, key, &own_size);

		if (own_size == size && memcmp(own, bytes, size) == 0)
			return node;
	}
	return NULL;
}

static void node_link(struct vpn *vpn, struct node *node)
{
	for (enum key key = 0; key < KEY__MAX; key++) {
		size_t size;
		const uint8_t *bytes = key_of(&node->entry.session, key, &size);
		struct node **head = &vpn->buckets[key][bucket_of(vpn, bytes, size)];

		if (size == 0)
			continue;
		node->next[key] = *head;
		*head = node;
	}
}

static void node_unlink(struct vpn *vpn, const struct node *node)
{
	for (enum key key = 0; key < KEY__MAX; key++) {
		size_t size;
		const uint8_t *bytes = key_of(&node->entry.session, key, &size);
		struct node **at = &vpn->buckets[key][bucket_of(vpn, bytes, size)];

		while (size > 0 && *at && *at != node)
			at = &(*at)->next[key];
		if (size > 0 && *at)
			*at = node->next[key];
	}
}

/* Another set of empty buckets. Errors: -ENOMEM, the old ones stay. */
static int buckets_new(struct vpn *vpn, size_t n)
{
	struct node **fresh[KEY__MAX];
	bool is_all = true;

	for (enum key key = 0; key < KEY__MAX; key++) {
		fresh[key] = calloc(n, sizeof(struct node *));
		is_all &= fresh[key] != NULL;
	}
	for (enum key key = 0; key < KEY__MAX; key++) {
		free(is_all ? vpn->buckets[key] : fresh[key]);
		if (is_all)
			vpn->buckets[key] = fresh[key];
	}
	if (!is_all)
		return -ENOMEM;
	vpn->n_buckets = n;
	return 0;
}

/* Twice as many buckets; where there is no memory for them the chains get longer. */
static void grow(struct vpn *vpn)
{
	_cleanup_free_ struct node **nodes = calloc(vpn->count + 1, sizeof(struct node *));
	size_t n = 0;

	if (!nodes)
		return;
	for (size_t i = 0; i < vpn->n_buckets; i++) {
		for (struct node *node = vpn->buckets[KEY_TAG][i]; node; node = node->next[KEY_TAG])
			nodes[n++] = node;
	}
	if (buckets_new(vpn, vpn->n_buckets * 2) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		node_link(vpn, nodes[i]);
}

static void node_drop(struct vpn *vpn, struct node *node, enum vpn_end reason)
{
	node_unlink(vpn, node);
	vpn->count--;
	for (size_t i = 0; i < vpn->n_hearers; i++) {
		if (vpn->hearers[i].listener->on_gone)
			vpn->hearers[i].listener->on_gone(&node->entry, reason,
							  vpn->hearers[i].userdata);
	}
	free(node);
}

/* An engine that was started anew and does not know them yet may give their addresses to others:
 * packets go to whoever has them now, and only there. */
static void drop_holders(struct vpn *vpn, const struct vpn_session *session)
{
	for (enum key key = KEY_V4; key < KEY__MAX; key++) {
		size_t size;
		const uint8_t *bytes = key_of(session, key, &size);
		struct node *holder = size > 0 ? node_find(vpn, key, bytes, size) : NULL;

		if (holder)
			node_drop(vpn, holder, VPN_END_DROPPED);
	}
}

static int put(struct vpn *vpn, const struct vpn_session *session)
{
	struct node *node = node_find(vpn, KEY_TAG, session->hash, VPN_HASH_SIZE);

	if (node && !(vpn_address_is_equal(&node->entry.session.v4, &session->v4) &&
		      vpn_address_is_equal(&node->entry.session.v6, &session->v6))) {
		/* Never of the same engine's doing; a tunnel with the old addresses is no use. */
		node_drop(vpn, node, VPN_END_DROPPED);
		node = NULL;
	}
	if (!node) {
		drop_holders(vpn, session);
		if (vpn->count >= vpn->n_buckets)
			grow(vpn);
		node = calloc(1, sizeof(*node));
		if (!node)
			return -ENOMEM;
		node->entry.session = *session;
		node_link(vpn, node);
		vpn->count++;
		return 0;
	}
	node->is_stale = false;
	node->entry.session = *session;
	for (size_t i = 0; i < vpn->n_hearers; i++) {
		if (vpn->hearers[i].listener->on_changed)
			vpn->hearers[i].listener->on_changed(&node->entry,
							     vpn->hearers[i].userdata);
	}
	return 0;
}

static void mark_stale(struct vpn *vpn)
{
	for (size_t i = 0; i < vpn->n_buckets; i++) {
		for (struct node *node = vpn->buckets[KEY_TAG][i]; node; node = node->next[KEY_TAG])
			node->is_stale = true;
	}
}

static void drop_stale(struct vpn *vpn)
{
	for (size_t i = 0; i < vpn->n_buckets; i++) {
		struct node *node = vpn->buckets[KEY_TAG][i];

		while (node) {
			struct node *next = node->next[KEY_TAG];

			if (node->is_stale)
				node_drop(vpn, node, VPN_END_DROPPED);
			node = next;
		}
	}
}

/* ---- messages ---- */

/* Asks once for each whole table: it comes when the engine finds that it is time. Where it cannot
 * be asked now it is with the next table; without an engine the next one sends it. */
static void resync_ask(struct vpn *vpn)
{
	Asafo__Ipc__VpnResync message = ASAFO__IPC__VPN_RESYNC__INIT;

	if (vpn->has_hole && !vpn->has_asked && vpn->engine)
		vpn->has_asked =
			ipc_channel_send(vpn->engine, IPC_VPN_RESYNC, &message.base, NULL, 0) == 0;
}

static int table_take(struct vpn *vpn, const Asafo__Ipc__VpnTable *table, struct why *ret_why)
{
	struct monotime now = monotime_now();
	int r = 0;

	if (table->is_reset) {
		vpn->has_hole = vpn->has_asked = false;
		mark_stale(vpn);
	}
	for (size_t i = 0; i < table->n_gone; i++) {
		uint8_t tag[VPN_HASH_SIZE];
		struct node *node = NULL;

		if (vpn_hash_from(&table->gone[i]->tag, tag) == 0)
			node = node_find(vpn, KEY_TAG, tag, sizeof(tag));
		if (node)
			node_drop(vpn, node, vpn_end_from(table->gone[i]->reason));
	}
	for (size_t i = 0; i < table->n_put; i++) {
		struct vpn_session session;
		int code = vpn_session_from(table->put[i], now, &session);

		if (code == 0)
			code = put(vpn, &session);
		r = r < 0 ? r : code;
	}
	/* A table with a hole is not complete, whatever it says, until the engine sends it anew. */
	vpn->has_hole |= r < 0;
	resync_ask(vpn);
	vpn->is_complete = table->is_complete && !vpn->has_hole;
	if (vpn->is_complete)
		drop_stale(vpn);
	endings_retry(vpn->endings);
	return r < 0 ? why_set(ret_why, r, "a VPN session of the engine's is not taken: %s",
			       err_text(r))
		     : 0;
}

static int config_take(struct vpn *vpn, const Asafo__Ipc__VpnConfig *message, struct why *ret_why)
{
	struct vpn_config *config;
	struct vpn_config *old = vpn->config;
	int r = vpn_config_from(message, &config, ret_why);

	if (r < 0)
		return r;
	vpn->config = config;
	for (size_t i = 0; i < vpn->n_hearers; i++) {
		if (vpn->hearers[i].listener->on_config)
			vpn->hearers[i].listener->on_config(config, vpn->hearers[i].userdata);
	}
	vpn_config_free(old);
	return 0;
}

static int tun_take(struct vpn *vpn, const Asafo__Ipc__VpnTun *message, struct ipc_frame *frame,
		    struct why *ret_why)
{
	_cleanup_close_ int old = -1;
	int fd = ipc_frame_take_fd(frame, 0);

	if (fd < 0)
		return why_set(ret_why, ERR_MALFORMED, "a TUN device without a descriptor");
	old = vpn->tun;
	vpn->tun = fd;
	vpn->own_number = message->owner;
	for (size_t i = 0; i < vpn->n_hearers; i++) {
		if (vpn->hearers[i].listener->on_tun)
			vpn->hearers[i].listener->on_tun(fd, message->device, message->mtu,
							 vpn->hearers[i].userdata);
	}
	return 0;
}

static int datagram_take(struct vpn *vpn, const Asafo__Ipc__VpnDatagram *message,
			 struct ipc_frame *frame)
{
	_cleanup_close_ int fd = ipc_frame_take_fd(frame, 0);

	for (size_t i = 0; i < vpn->n_hearers; i++) {
		if (vpn->hearers[i].listener->on_datagram)
			vpn->hearers[i].listener->on_datagram(message, TAKE_FD(fd),
							      vpn->hearers[i].userdata);
	}
	return 0;
}

static int trust_take(struct vpn *vpn, const Asafo__Ipc__VpnTrust *message, struct why *ret_why)
{
	int r = clientcas_take(vpn->clientcas, message);

	return r < 0 ? why_set(ret_why, r, "the CAs of clients: %s", err_text(r)) : 0;
}

bool vpn_is_message(enum ipc_type type)
{
	return type == IPC_VPN_CONFIG || type == IPC_VPN_TABLE || type == IPC_VPN_TUN ||
	       type == IPC_VPN_DATAGRAM || type == IPC_VPN_TRUST;
}

int vpn_message(struct vpn *vpn, struct ipc_frame *frame, const ProtobufCMessage *body,
		struct why *ret_why)
{
	if (frame->type == IPC_VPN_CONFIG)
		return config_take(vpn, (const Asafo__Ipc__VpnConfig *)body, ret_why);
	if (frame->type == IPC_VPN_TABLE)
		return table_take(vpn, (const Asafo__Ipc__VpnTable *)body, ret_why);
	if (frame->type == IPC_VPN_TUN)
		return tun_take(vpn, (const Asafo__Ipc__VpnTun *)body, frame, ret_why);
	if (frame->type == IPC_VPN_DATAGRAM)
		return datagram_take(vpn, (const Asafo__Ipc__VpnDatagram *)body, frame);
	if (frame->type == IPC_VPN_TRUST)
		return trust_take(vpn, (const Asafo__Ipc__VpnTrust *)body, ret_why);
	return why_set(ret_why, ERR_MALFORMED, "%s is no message of the VPN's",
		       ipc_type_name(frame->type));
}

/* ---- questions ---- */

static void on_login_reply(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	_cleanup_free_ struct vpn_call *call = userdata;
	const Asafo__Ipc__VpnSessionNewReply *reply = (const Asafo__Ipc__VpnSessionNewReply *)body;
	struct vpn_entry *entry;
	const char *why = "";

	(void)has_more;
	if (code == 0 && reply->status) {
		code = reply->status->code;
		why = reply->status->why;
	}
	/* Without an engine the copy is not one any more: it may be freed. */
	entry = code == 0 ? vpn_find(call->vpn, call->hash) : NULL;
	if (code == 0 && !entry) {
		/* The engine has it, and this copy a hole: nobody gets that cookie. */
		(void)endings_add(call->vpn->endings, call->hash, VPN_END_LOGOUT, NULL, NULL, NULL);
		code = ERR_NOT_READY;
	}
	if (code < 0 && !why[0])
		why = err_text(code);
	if (call->on_done)
		call->on_done(code, why, entry, call->userdata);
	else if (entry)
		(void)vpn_end(call->vpn, call->hash, VPN_END_LOGOUT, NULL, NULL, NULL);
}

int vpn_login(struct vpn *vpn, const struct vpn_login *login, vpn_login_fn on_done, void *userdata,
	      struct vpn_call **ret_call)
{
	Asafo__Ipc__VpnSessionNew message = ASAFO__IPC__VPN_SESSION_NEW__INIT;
	Asafo__Ipc__LoginProof proof;
	struct vpn_call *call;
	int r;

	if (!vpn->engine)
		return ERR_CLOSED;
	call = calloc(1, sizeof(*call));
	if (!call)
		return -ENOMEM;
	*call = (struct vpn_call){.vpn = vpn, .on_done = on_done, .userdata = userdata};
	memcpy(call->hash, login->hash, VPN_HASH_SIZE);
	message.cookie_hash = (ProtobufCBinaryData){VPN_HASH_SIZE, call->hash};
	message.user = (char *)(uintptr_t)login->user;
	message.group = (char *)(uintptr_t)login->group;
	if (login->policy)
		message.policy = (char *)(uintptr_t)login->policy;
	message.client.data = (uint8_t *)(uintptr_t)login->client.bytes;
	message.client.len = login->client.size;
	if (login->proof.is_there) {
		loginproof_fill(&login->proof, &proof);
		message.proof = &proof;
	}
	r = ipc_channel_call(vpn->engine, IPC_VPN_SESSION_NEW, &message.base, NULL, 0,
			     on_login_reply, call);
	if (r < 0) {
		free(call);
		return r;
	}
	*ret_call = call;
	return 0;
}

void vpn_call_cancel(struct vpn_call *call)
{
	if (call)
		call->on_done = NULL;
}

int vpn_touch(struct vpn *vpn, const struct vpn_touch *touch)
{
	Asafo__Ipc__VpnSessionTouch message = ASAFO__IPC__VPN_SESSION_TOUCH__INIT;
	Asafo__Ipc__VpnTouched touched = ASAFO__IPC__VPN_TOUCHED__INIT;
	Asafo__Ipc__VpnTouched *pointers[1] = {&touched};

	if (!vpn->engine)
		return ERR_CLOSED;
	touched.cookie_hash.data = (uint8_t *)(uintptr_t)touch->hash;
	touched.cookie_hash.len = VPN_HASH_SIZE;
	touched.is_connected = touch->is_connected;
	touched.client.data = (uint8_t *)(uintptr_t)touch->client.bytes;
	touched.client.len = touch->client.size;
	touched.local.data = (uint8_t *)(uintptr_t)touch->local.bytes;
	touched.local.len = touch->local.size;
	touched.local_port = touch->local_port;
	touched.client_port = touch->client_port;
	touched.received = touch->received;
	touched.sent = touch->sent;
	touched.packets_received = touch->packets_received;
	touched.packets_sent = touch->packets_sent;
	touched.dropped = touch->dropped;
	touched.idle_ms = touch->idle_ms;
	touched.tunnel_at_ns = touch->tunnel_at.ns;
	if (touch->protocol)
		touched.protocol = (char *)(uintptr_t)touch->protocol;
	message.touched = pointers;
	message.n_touched = 1;
	return ipc_channel_send(vpn->engine, IPC_VPN_SESSION_TOUCH, &message.base, NULL, 0);
}

int vpn_datagram(struct vpn *vpn, const Asafo__Ipc__VpnDatagram *message, int fd)
{
	return vpn->engine ? ipc_channel_send(vpn->engine, IPC_VPN_DATAGRAM, &message->base, &fd,
					      fd < 0 ? 0 : 1)
			   : ERR_CLOSED;
}

int vpn_end(struct vpn *vpn, const uint8_t hash[static VPN_HASH_SIZE], enum vpn_end reason,
	    ending_fn on_done, void *userdata, struct ending **ret_ending)
{
	return endings_add(vpn->endings, hash, reason, on_done, userdata, ret_ending);
}

/* ---- life ---- */

const struct vpn_config *vpn_config(const struct vpn *vpn)
{
	static const struct vpn_config none = {.is_enabled = false};

	return vpn->config ? vpn->config : &none;
}

bool vpn_is_complete(const struct vpn *vpn)
{
	return vpn->is_complete && vpn->engine;
}

size_t vpn_count(const struct vpn *vpn)
{
	return vpn->count;
}

uint32_t vpn_own_number(const struct vpn *vpn)
{
	return vpn->own_number;
}

struct vpn_entry *vpn_find(const struct vpn *vpn, const uint8_t hash[static VPN_HASH_SIZE])
{
	struct node *node = NULL;
	uint8_t tag[VPN_HASH_SIZE];

	if (vpn_tag(hash, tag) == 0)
		node = node_find(vpn, KEY_TAG, tag, sizeof(tag));
	return node ? &node->entry : NULL;
}

struct vpn_entry *vpn_find_address(const struct vpn *vpn, const uint8_t *bytes, size_t size)
{
	struct node *node = NULL;

	if (size == 4)
		node = node_find(vpn, KEY_V4, bytes, size);
	else if (size == 16)
		node = node_find(vpn, KEY_V6, bytes, size);
	return node ? &node->entry : NULL;
}

const struct clientcas *vpn_clientcas(const struct vpn *vpn)
{
	return vpn->clientcas;
}

int vpn_tun(const struct vpn *vpn)
{
	return vpn->tun;
}

void vpn_attach(struct vpn *vpn, struct ipc_channel *engine)
{
	vpn->engine = engine;
	vpn->is_complete = vpn->has_asked = false;
	endings_attach(vpn->endings, engine);
}

int vpn_listen(struct vpn *vpn, const struct vpn_listener *listener, void *userdata)
{
	if (vpn->n_hearers == VPN_LISTENERS_MAX)
		return ERR_TOO_LARGE;
	vpn->hearers[vpn->n_hearers++] = (struct hearer){listener, userdata};
	return 0;
}

int vpn_new(struct vpn **ret_vpn)
{
	struct vpn *vpn = calloc(1, sizeof(*vpn));

	if (!vpn)
		return -ENOMEM;
	vpn->tun = -1;
	if (buckets_new(vpn, BUCKETS_MIN) < 0 || endings_new(vpn, &vpn->endings) < 0 ||
	    clientcas_new(&vpn->clientcas) < 0) {
		vpn_free(vpn);
		return -ENOMEM;
	}
	*ret_vpn = vpn;
	return 0;
}

void vpn_free(struct vpn *vpn)
{
	if (!vpn)
		return;
	vpn->n_hearers = 0;
	endings_free(vpn->endings);
	mark_stale(vpn);
	drop_stale(vpn);
	for (enum key key = 0; key < KEY__MAX; key++)
		free(vpn->buckets[key]);
	if (vpn->tun >= 0)
		(void)close(vpn->tun);
	vpn_config_free(vpn->config);
	clientcas_free(vpn->clientcas);
	free(vpn);
}
