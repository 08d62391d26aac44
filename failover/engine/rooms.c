/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's ends of the channels to the keeper and the fronts; each may be replaced when that
 * process restarts. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "failover/engine/engine.h"
#include "failover/engine/health.h"
#include "failover/replication/replication.h"
#include "failover/vpn/hub.h"

#define STORE_RETRY_MS 2000

/* ---- keeper ---- */

void engine_store_moved(struct engine *engine, const Asafo__Record__Position *position)
{
	struct engine_position taken = engine_position_from(position);
	bool is_changed = !engine_position_equal(&taken, &engine->store.position) ||
			  taken.lineage != engine->store.position.lineage;

	engine->store.position = taken;
	vpnhub_store_moved(engine->vpnhub); /* also for what stays home */
	if (is_changed) {
		engine->upper->on_news(engine);
		usewatch_kick(engine);
		engine_fronts_role(engine);
		engine_feed(engine, (struct fo_event){.type = FO_EVENT_POSITION,
						      .position = engine_position_brief(&taken)});
	}
}

static void store_failed(struct engine *engine, const char *why)
{
	bool is_new = !engine->store.why[0];

	(void)snprintf(engine->store.why, sizeof(engine->store.why), "%s", why);
	if (is_new)
		log_line(LOG_CRIT, "certificate store: %s", why);
	engine_feed_type(engine, FO_EVENT_STORE_FAILED);
}

/* A store that was damaged lacks records until the mate has filled it. */
static void note_incomplete(struct engine *engine, const char *what)
{
	struct engine_store *store = &engine->store;
	bool was = store->incomplete[0] != 0;

	store->incomplete[0] = 0;
	if (what[0])
		(void)snprintf(store->incomplete, sizeof(store->incomplete),
			       "the certificate store was damaged: %s; this unit takes over only "
			       "when asked to (`failover active`) until the mate has filled it",
			       what);
	if (was == (what[0] != 0))
		return;
	if (what[0])
		log_line(LOG_CRIT, "%s", store->incomplete);
	else
		log_line(LOG_NOTICE, "the certificate store has everything again");
	if (!engine->is_started)
		return;
	engine_say_maintenance(engine);
	/* A standby that lacks records is not ready: it joins anew, and is given them. */
	if (what[0] && !engine_is_active(engine)) {
		engine_feed_type(engine, FO_EVENT_STORE_FAILED);
		engine_feed_type(engine, FO_EVENT_STORE_OK);
	}
}

static void on_status(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct engine *engine = userdata;
	const Asafo__Ipc__KeeperStatusReply *reply = (const Asafo__Ipc__KeeperStatusReply *)body;
	struct engine_store *store = &engine->store;

	(void)has_more;
	if (engine->is_exiting || code < 0)
		return; /* the channel is gone: the next one asks again */
	if (reply->status && reply->status->code < 0) {
		store_failed(engine, reply->status->why);
		return;
	}
	store->is_known = true;
	store->promised_term = reply->promised_term;
	store->activated_term = reply->activated_term;
	store->trustpoints = reply->trustpoints;
	store->unit_trustpoints = reply->unit_trustpoints;
	store->has_failover_key = reply->has_failover_key;
	store->has_fallback = reply->has_fallback;
	engine_store_moved(engine, reply->position);
	note_incomplete(engine, reply->incomplete);
	if (store->why[0]) {
		store->why[0] = 0;
		engine_feed_type(engine, FO_EVENT_STORE_OK);
	}
	history_load(engine);
	engine_try_start(engine);
	if (engine_is_active(engine))
		replication_on_active(engine->replication);
}

static void on_accepted(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;
	struct engine *engine = userdata;

	(void)has_more;
	if (engine->is_exiting || code < 0)
		return;
	if (reply->status && reply->status->code < 0)
		log_line(LOG_ERR, "the certificate store: %s", reply->status->why);
	engine_store_refresh(engine);
}

void engine_store_accept(struct engine *engine, uint64_t term)
{
	Asafo__Ipc__StoreAccept message = ASAFO__IPC__STORE_ACCEPT__INIT;

	if (!engine->store.incomplete[0] || !engine->config->failover.is_enabled)
		return;
	log_line(LOG_WARNING,
		 "active without what the damaged certificate store lost, as told: what the mate "
		 "has more is kept there as orphans");
	message.term = term;
	(void)engine_keeper_call(engine, IPC_STORE_ACCEPT, &message.base, NULL, 0, on_accepted,
				 engine);
}

void engine_store_retry(struct engine *engine)
{
	uint64_t passed_ns = monotime_since(monotime_now(), engine->store.asked_at);

	if (engine->store.why[0] && passed_ns >= STORE_RETRY_MS * MONOTIME_NS_PER_MS)
		engine_store_refresh(engine);
}

void engine_store_refresh(struct engine *engine)
{
	engine->store.asked_at = monotime_now();
	(void)engine_keeper_call(engine, IPC_KEEPER_STATUS, NULL, NULL, 0, on_status, engine);
}

enum key_news {
	KEY_NEWS_NONE,
	KEY_NEWS_STEP,	  /* of a rekey: the mate has one of them */
	KEY_NEWS_ANOTHER, /* everything between the units begins anew */
};

static bool is_key(const ProtobufCBinaryData *bytes, const uint8_t key[static 32])
{
	return bytes->len == 32 && memcmp(bytes->data, key, 32) == 0;
}

/* A keeper that has none, or cannot read them, takes nothing away: without its hellos an active
 * unit would be taken for dead. The same ones again are no reason to hang up. */
static enum key_news news_of(const struct engine_pair *pair, const Asafo__Ipc__LinkKeysReply *reply)
{
	bool has_other = reply->other_hello_key.len == HELLO_KEY_SIZE &&
			 reply->other_link_psk.len == LINK_PSK_SIZE;
	bool is_same;

	if ((reply->status && reply->status->code < 0) || reply->hello_key.len != HELLO_KEY_SIZE ||
	    reply->link_psk.len != LINK_PSK_SIZE)
		return KEY_NEWS_NONE;
	if (!pair->has_keys)
		return KEY_NEWS_ANOTHER;
	is_same = is_key(&reply->hello_key, pair->hello_key) &&
		  is_key(&reply->link_psk, pair->link_psk);
	if (is_same && has_other == pair->has_other &&
	    (!has_other || (is_key(&reply->other_hello_key, pair->other_hello_key) &&
			    is_key(&reply->other_link_psk, pair->other_link_psk))))
		return KEY_NEWS_NONE;
	if (is_same || (pair->has_other && is_key(&reply->hello_key, pair->other_hello_key) &&
			is_key(&reply->link_psk, pair->other_link_psk)))
		return KEY_NEWS_STEP;
	return KEY_NEWS_ANOTHER;
}

static void take_keys(struct engine_pair *pair, const Asafo__Ipc__LinkKeysReply *reply)
{
	pair->has_keys = true;
	memcpy(pair->hello_key, reply->hello_key.data, HELLO_KEY_SIZE);
	memcpy(pair->link_psk, reply->link_psk.data, LINK_PSK_SIZE);
	pair->has_other = reply->other_hello_key.len == HELLO_KEY_SIZE &&
			  reply->other_link_psk.len == LINK_PSK_SIZE;
	explicit_bzero(pair->other_hello_key, sizeof(pair->other_hello_key));
	explicit_bzero(pair->other_link_psk, sizeof(pair->other_link_psk));
	if (!pair->has_other)
		return;
	memcpy(pair->other_hello_key, reply->other_hello_key.data, HELLO_KEY_SIZE);
	memcpy(pair->other_link_psk, reply->other_link_psk.data, LINK_PSK_SIZE);
}

static void on_link_keys(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct engine *engine = userdata;
	const Asafo__Ipc__LinkKeysReply *reply = (const Asafo__Ipc__LinkKeysReply *)body;
	struct engine_pair *pair = &engine->pair;
	struct rekey_view before = engine->rekey.own;
	enum key_news news;
	int r = 0;

	(void)has_more;
	if (engine->is_exiting)
		return;
	engine_rekey_read(engine, code < 0 ? NULL : reply);
	if (code < 0)
		return;
	pair->is_answered = true;
	news = news_of(pair, reply);
	if (news != KEY_NEWS_NONE)
		take_keys(pair, reply);
	if (news == KEY_NEWS_STEP)
		r = engine_change_keys(engine);
	if (r < 0)
		log_line(LOG_ERR, "rekey: %s: the link to the mate begins anew", err_text(r));
	if (r < 0 || news == KEY_NEWS_ANOTHER || !pair->link || !pair->paths)
		engine_rebuild_pair(engine);
	engine_rekey_moved(engine, &before);
	engine_try_start(engine);
}

int engine_keys_refresh(struct engine *engine)
{
	return engine_keeper_call(engine, IPC_LINK_KEYS, NULL, NULL, 0, on_link_keys, engine);
}

static void on_key_set(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	struct engine *engine = userdata;
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;

	(void)has_more;
	if (engine->is_exiting)
		return;
	if (code < 0 || (reply->status && reply->status->code < 0))
		log_line(LOG_ERR, "failover key: %s",
			 code < 0 ? err_text(code) : reply->status->why);
	else
		explicit_bzero(engine->config->failover.new_key,
			       sizeof(engine->config->failover.new_key));
	engine_store_refresh(engine);
	(void)engine_keys_refresh(engine);
}

/* Hands a `failover key` that a line brought to the keeper. It is forgotten when the keeper has it:
 * one whose store is not usable just now is asked again by its successor. */
static bool give_key(struct engine *engine)
{
	char *key = engine->config->failover.new_key;
	Asafo__Ipc__FailoverKeySet message = ASAFO__IPC__FAILOVER_KEY_SET__INIT;
	int r;

	if (!key[0])
		return false;
	message.secret = (ProtobufCBinaryData){strlen(key), (uint8_t *)key};
	message.is_from_file = engine->pair.is_key_from_file;
	r = engine_keeper_call(engine, IPC_FAILOVER_KEY_SET, &message.base, NULL, 0, on_key_set,
			       engine);
	if (r == 0)
		engine->config->failover.has_key = true;
	return r == 0;
}

void engine_keys_settle(struct engine *engine)
{
	if (!engine->rooms.keeper)
		return;
	if (!give_key(engine))
		(void)engine_keys_refresh(engine);
}

/* It sends that while it does nothing else but sign. */
static void note_disk(struct engine_store *store, const Asafo__Ipc__Disk *notice)
{
	uint64_t ns = notice->waited_ms * MONOTIME_NS_PER_MS;

	(void)snprintf(store->waits_for, sizeof(store->waits_for), "%s", notice->waits_for);
	store->waits_since = monotime_now();
	store->waits_since.ns -= ns < store->waits_since.ns ? ns : store->waits_since.ns;
}

static void on_keeper_notice(struct ipc_channel *channel, struct ipc_frame *frame,
			     const ProtobufCMessage *body, void *userdata)
{
	struct engine *engine = userdata;

	(void)channel;
	if (frame->type == IPC_DISK)
		note_disk(&engine->store, (const Asafo__Ipc__Disk *)body);
	if (frame->type != IPC_CHANGED)
		return;
	engine_store_moved(engine, ((const Asafo__Ipc__Changed *)body)->position);
	engine_staples_kick(engine);
	engine_crls_kick(engine);
	if (engine_is_active(engine))
		replication_changed(engine->replication);
}

static void on_keeper_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct engine *engine = userdata;

	if (engine->rooms.keeper == channel)
		engine->rooms.keeper = NULL;
	engine->store.waits_for[0] = 0;
	ipc_channel_free(channel);
	if (!engine->is_exiting)
		log_line(LOG_ERR, "the keeper went away (%s); waiting for its successor",
			 err_text(code));
	if (!engine->is_exiting && !engine->rooms.keeper)
		replication_keeper_gone(engine->replication);
}

void engine_keeper_attach(struct engine *engine, int fd)
{
	static const bool permitted[IPC_TYPE__MAX] = {[IPC_CHANGED] = true, [IPC_DISK] = true};
	static const struct ipc_channel_ops ops = {permitted, on_keeper_notice, on_keeper_closed};
	int r;

	engine->store.waits_for[0] = 0;
	ipc_channel_free(TAKE_PTR(engine->rooms.keeper));
	r = ipc_channel_new(engine->event, fd, &ops, engine, &engine->rooms.keeper);
	if (r < 0) {
		log_line(LOG_ERR, "channel to the keeper: %s", err_text(r));
		return;
	}
	engine_store_refresh(engine);
	engine_keys_settle(engine);
	engine_resumption_kick(engine);
	engine_staples_kick(engine);
	engine_crls_kick(engine);
	usewatch_kick(engine);
	vpnhub_store_moved(engine->vpnhub);
}

/* ---- fronts ---- */

static unsigned front_instance(const struct engine *engine, const struct ipc_channel *channel)
{
	unsigned i = 0;

	while (i < ENGINE_FRONTS_MAX && engine->rooms.fronts[i] != channel)
		i++;
	return i;
}

/* What is shown of a front that is gone is another's, or nothing. */
static void forget_report(struct engine *engine, size_t instance)
{
	Asafo__Ipc__FrontReport *report = TAKE_PTR(engine->rooms.reports[instance]);

	if (!report)
		return;
	if (engine->rooms.report == report)
		engine->rooms.report = NULL;
	for (size_t i = 0; i < ENGINE_FRONTS_MAX && !engine->rooms.report; i++)
		engine->rooms.report = engine->rooms.reports[i];
	asafo__ipc__front_report__free_unpacked(report, NULL);
}

static void on_front_notice(struct ipc_channel *channel, struct ipc_frame *frame,
			    const ProtobufCMessage *body, void *userdata)
{
	struct engine *engine = userdata;
	unsigned instance = front_instance(engine, channel);
	size_t size = protobuf_c_message_get_packed_size(body);
	_cleanup_free_ uint8_t *packed = malloc(size ? size : 1);
	Asafo__Ipc__FrontReport *copy;

	if (vpnhub_is_message(frame->type))
		vpnhub_message(engine->vpnhub, instance, channel, frame, body);
	if (frame->type != IPC_FRONT_REPORT || !packed || instance == ENGINE_FRONTS_MAX)
		return;
	service_reported(engine_health_service(engine->health), instance,
			 (const Asafo__Ipc__FrontReport *)body);
	engine_health_check_service(engine->health);
	(void)protobuf_c_message_pack(body, packed);
	copy = asafo__ipc__front_report__unpack(NULL, size, packed);
	if (!copy)
		return;
	forget_report(engine, instance);
	engine->rooms.reports[instance] = copy;
	engine->rooms.report = copy;
	engine->upper->on_report(engine);
}

void engine_front_drop(struct engine *engine, size_t instance)
{
	struct ipc_channel *channel = TAKE_PTR(engine->rooms.fronts[instance]);

	if (channel)
		vpnhub_front_gone(engine->vpnhub, (unsigned)instance, channel);
	ipc_channel_free(channel);
	forget_report(engine, instance);
}

static void on_front_closed(struct ipc_channel *channel, int code, void *userdata)
{
	struct engine *engine = userdata;
	unsigned instance = front_instance(engine, channel);

	(void)code;
	if (instance < ENGINE_FRONTS_MAX) {
		engine->rooms.fronts[instance] = NULL;
		forget_report(engine, instance);
		service_gone(engine_health_service(engine->health), instance);
		vpnhub_front_gone(engine->vpnhub, instance, channel);
	}
	ipc_channel_free(channel);
}

static void to_fronts(struct engine *engine, enum ipc_type type, const ProtobufCMessage *message)
{
	for (size_t i = 0; i < ENGINE_FRONTS_MAX; i++) {
		if (engine->rooms.fronts[i] && ipc_channel_send(engine->rooms.fronts[i], type,
								message, NULL, 0) == ERR_TOO_LARGE)
			log_line(LOG_ERR,
				 "front %zu: its configuration is too large: give fewer or shorter "
				 "names, domains or addresses",
				 i);
	}
}

void engine_fronts_role(struct engine *engine)
{
	Asafo__Ipc__FrontRole message = ASAFO__IPC__FRONT_ROLE__INIT;
	char active[] = "active", standby[] = "standby";

	message.role = engine_is_active(engine) ? active : standby;
	message.state = (char *)(uintptr_t)fo_state_text(engine->fsm.state);
	message.unit = (char *)(uintptr_t)fo_unit_text(engine->config->failover.unit);
	message.term = engine->fsm.term;
	message.seq = engine->store.position.seq;
	message.digest = (ProtobufCBinaryData){ENGINE_DIGEST_SIZE, engine->store.position.digest};
	to_fronts(engine, IPC_FRONT_ROLE, &message.base);
}

static void ask_for_tests(struct engine *engine)
{
	Asafo__Ipc__FrontTest message = ASAFO__IPC__FRONT_TEST__INIT;

	message.round = engine->rooms.test_round;
	to_fronts(engine, IPC_FRONT_TEST, &message.base);
}

void engine_front_attach(struct engine *engine, unsigned instance, int fd)
{
	static const bool permitted[IPC_TYPE__MAX] = {
		[IPC_FRONT_REPORT] = true,	[IPC_VPN_SESSION_NEW] = true,
		[IPC_VPN_SESSION_TOUCH] = true, [IPC_VPN_SESSION_END] = true,
		[IPC_VPN_RESYNC] = true,	[IPC_VPN_DATAGRAM] = true};
	static const struct ipc_channel_ops ops = {permitted, on_front_notice, on_front_closed};
	int r;

	if (instance >= ENGINE_FRONTS_MAX) {
		(void)close(fd);
		return;
	}
	engine_front_drop(engine, instance);
	r = ipc_channel_new(engine->event, fd, &ops, engine, &engine->rooms.fronts[instance]);
	if (r < 0) {
		log_line(LOG_ERR, "channel to front %u: %s", instance, err_text(r));
		return;
	}
	service_attached(engine_health_service(engine->health), instance);
	engine_fronts_configure(engine);
	engine_fronts_role(engine);
	/* Whoever waits for a test waits for this one, too. */
	if (engine->rooms.test_round > 0)
		ask_for_tests(engine);
	vpnhub_front_attached(engine->vpnhub, instance);
}

uint64_t engine_fronts_test(struct engine *engine)
{
	engine->rooms.test_round++;
	ask_for_tests(engine);
	return engine->rooms.test_round;
}

/* ---- the fronts' configuration ---- */

#define LISTENS_MAX (CONFIG_INTERFACES_MAX * 4 + CONFIG_SECONDARIES_MAX)

struct front_message {
	Asafo__Ipc__FrontConfig message;
	Asafo__Ipc__FrontListen listens[LISTENS_MAX];
	Asafo__Ipc__FrontListen *listen_pointers[LISTENS_MAX];
	Asafo__Ipc__FrontBinding bindings[CONFIG_BINDINGS_MAX];
	Asafo__Ipc__FrontBinding *binding_pointers[CONFIG_BINDINGS_MAX];
	uint32_t suites[CONFIG_CIPHER_VERSION__MAX * CONFIG_CIPHERS_MAX];
};

static void add_listen(struct front_message *front, const struct config_interface *interface,
		       const struct config_address *address, uint16_t port, bool is_active)
{
	Asafo__Ipc__FrontListen *listen = &front->listens[front->message.n_listens];

	if (address->family == 0 || front->message.n_listens == LISTENS_MAX)
		return;
	asafo__ipc__front_listen__init(listen);
	listen->interface = (char *)(uintptr_t)interface->name;
	listen->device = (char *)(uintptr_t)interface->device;
	listen->address.data = (uint8_t *)(uintptr_t)address->bytes;
	listen->address.len = address->family == AF_INET ? 4 : 16;
	listen->port = port;
	listen->is_active_address = is_active;
	front->listen_pointers[front->message.n_listens++] = listen;
}

static void add_secondary_listens(struct front_message *front, const struct config *config,
				  const struct config_interface *interface)
{
	for (size_t i = 0; i < config->n_secondaries; i++)
		if (strcmp(config->secondaries[i].device, interface->device) == 0)
			add_listen(front, interface, &config->secondaries[i].address,
				   config->webvpn.port, true);
}

static void fill_listens(struct front_message *front, const struct config *config)
{
	for (size_t i = 0; i < config->webvpn.n_enabled; i++) {
		const struct config_interface *interface =
			config_interface_find(config, config->webvpn.enabled_on[i]);

		if (!interface)
			continue;
		add_listen(front, interface, &interface->active4, config->webvpn.port, true);
		add_listen(front, interface, &interface->active6, config->webvpn.port, true);
		add_listen(front, interface, &interface->standby4, config->webvpn.port, false);
		add_listen(front, interface, &interface->standby6, config->webvpn.port, false);
		add_secondary_listens(front, config, interface);
	}
}

/* Each unit has its own, or has none. */
static bool is_of_unit(const struct config *config, const char *trustpoint)
{
	const struct config_trustpoint *lines = config_trustpoint_find(config, trustpoint);

	return lines && lines->is_of_unit;
}

static void fill_suites(struct front_message *front, const struct config *config)
{
	for (int i = 0; i < CONFIG_CIPHER_VERSION__MAX; i++) {
		struct config_suite suites[CONFIG_CIPHERS_MAX];
		size_t n = config_cipher_suites(&config->ciphers[i], (enum config_cipher_version)i,
						suites);

		for (size_t j = 0; j < n; j++)
			front->suites[front->message.n_cipher_suites++] = suites[j].code;
	}
	front->message.cipher_suites = front->suites;
}

void engine_fronts_configure(struct engine *engine)
{
	const struct config *config = engine->config;
	_cleanup_free_ struct front_message *front = calloc(1, sizeof(*front));

	if (!front)
		return;
	asafo__ipc__front_config__init(&front->message);
	front->message.hostname = (char *)(uintptr_t)config->hostname;
	front->message.minimum_tls = (char *)(uintptr_t)config->minimum_tls;
	front->message.generation = engine->config_generation;
	front->message.listens = front->listen_pointers;
	front->message.bindings = front->binding_pointers;
	fill_listens(front, config);
	fill_suites(front, config);
	for (size_t i = 0; i < config->n_bindings; i++) {
		Asafo__Ipc__FrontBinding *binding = &front->bindings[i];

		asafo__ipc__front_binding__init(binding);
		binding->trustpoint = (char *)(uintptr_t)config->bindings[i].trustpoint;
		binding->interface = (char *)(uintptr_t)config->bindings[i].interface;
		binding->domain = (char *)(uintptr_t)config->bindings[i].domain;
		binding->is_optional = is_of_unit(config, config->bindings[i].trustpoint);
		front->binding_pointers[front->message.n_bindings++] = binding;
	}
	to_fronts(engine, IPC_FRONT_CONFIG, &front->message.base);
}
