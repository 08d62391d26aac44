/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "engine_world.h"
#include "failover/methods/methods.h"
#include "netns.h"

#define HELLO_MS 50

struct world world;

/* ---- the keeper ---- */

static void fill_position(Asafo__Record__Position *message)
{
	asafo__record__position__init(message);
	message->term = world.keeper.position.term;
	message->seq = world.keeper.position.seq;
	message->count = world.keeper.position.count;
	message->digest = (ProtobufCBinaryData){sizeof(world.keeper.position.digest),
						world.keeper.position.digest};
}

static void reply(const struct world_held *held, const ProtobufCMessage *message)
{
	assert_int_equal(
		ipc_channel_reply(world.keeper.channel, held->type, held->id, false, message), 0);
}

static void reply_status(const struct world_held *held, Asafo__Ipc__Status *status)
{
	Asafo__Ipc__KeeperStatusReply message = ASAFO__IPC__KEEPER_STATUS_REPLY__INIT;
	Asafo__Record__Position position;

	fill_position(&position);
	message.status = status;
	message.position = &position;
	message.has_failover_key = message.has_fallback = true;
	reply(held, &message.base);
}

static void reply_keys(const struct world_held *held, Asafo__Ipc__Status *status)
{
	Asafo__Ipc__LinkKeysReply message = ASAFO__IPC__LINK_KEYS_REPLY__INIT;
	uint8_t key[32];

	memset(key, world.keeper.keys, sizeof(key));
	message.status = status;
	if (status->code == 0)
		message.hello_key = message.link_psk = (ProtobufCBinaryData){sizeof(key), key};
	reply(held, &message.base);
}

static void reply_open(const struct world_held *held, Asafo__Ipc__Status *status)
{
	Asafo__Ipc__ReplicaOpenReply message = ASAFO__IPC__REPLICA_OPEN_REPLY__INIT;
	Asafo__Record__Position position;

	fill_position(&position);
	message.status = status;
	message.mode = ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__EQUAL;
	message.position = &position;
	reply(held, &message.base);
}

static void reply_commit(const struct world_held *held, Asafo__Ipc__Status *status)
{
	Asafo__Ipc__PositionReply message = ASAFO__IPC__POSITION_REPLY__INIT;
	Asafo__Record__Position position;

	fill_position(&position);
	message.status = status;
	message.position = &position;
	reply(held, &message.base);
}

static void reply_import(const struct world_held *held, Asafo__Ipc__Status *status)
{
	Asafo__Ipc__ImportReply message = ASAFO__IPC__IMPORT_REPLY__INIT;
	Asafo__Record__Position position;

	fill_position(&position);
	message.status = status;
	message.position = &position;
	reply(held, &message.base);
}

static void reply_plan(const struct world_held *held, Asafo__Ipc__Status *status)
{
	Asafo__Ipc__RestoreReply message = ASAFO__IPC__RESTORE_REPLY__INIT;
	Asafo__Record__Position position;
	const char *lines = world.keeper.backup_lines;

	fill_position(&position);
	message.status = status;
	message.position = message.backup = &position;
	message.added = !world.keeper.is_backup_same;
	message.is_planned = true;
	message.plan = WORLD_PLAN;
	message.config = (ProtobufCBinaryData){strlen(lines), (uint8_t *)(uintptr_t)lines};
	reply(held, &message.base);
}

static void reply_restored(const struct world_held *held, Asafo__Ipc__Status *status)
{
	Asafo__Ipc__RestoreCommitReply message = ASAFO__IPC__RESTORE_COMMIT_REPLY__INIT;
	Asafo__Record__Position position;

	fill_position(&position);
	message.status = status;
	message.position = &position;
	reply(held, &message.base);
}

static void reply_history(const struct world_held *held, Asafo__Ipc__Status *status)
{
	Asafo__Ipc__HistoryReply message = ASAFO__IPC__HISTORY_REPLY__INIT;

	message.status = status;
	message.history =
		(ProtobufCBinaryData){world.keeper.history.size, world.keeper.history.data};
	reply(held, &message.base);
}

/* The one trustpoint that the test put there, whatever is asked for. */
static void reply_list(const struct world_held *held, Asafo__Ipc__Status *status)
{
	Asafo__Ipc__ListReply message = ASAFO__IPC__LIST_REPLY__INIT;
	ProtobufCBinaryData part = {world.keeper.listed.size, world.keeper.listed.data};
	protobuf_c_boolean is_replicated = true;

	message.status = status;
	message.n_public_parts = message.n_is_replicated = part.len > 0;
	message.public_parts = &part;
	message.is_replicated = &is_replicated;
	reply(held, &message.base);
}

/* It holds nothing that could be proven. */
static void reply_prove(const struct world_held *held, Asafo__Ipc__Status *status)
{
	Asafo__Ipc__ProveReply message = ASAFO__IPC__PROVE_REPLY__INIT;
	Asafo__Ipc__Proof proof = ASAFO__IPC__PROOF__INIT, *proofs[] = {&proof};
	uint8_t digest[32] = {1};

	message.status = status;
	message.is_last = true;
	if (world.keeper.proven) {
		proof.name = (char *)(uintptr_t)world.keeper.proven;
		proof.digest = (ProtobufCBinaryData){sizeof(digest), digest};
		proof.is_replicated = true;
		message.proofs = proofs;
		message.n_proofs = 1;
	}
	reply(held, &message.base);
}

/* Of whatever schema: nothing but its status. */
static void reply_bare(const struct world_held *held, Asafo__Ipc__Status *status)
{
	const ProtobufCMessageDescriptor *schema = ipc_type_body(held->type, true);
	ProtobufCMessage *message = calloc(1, schema->sizeof_message);

	protobuf_c_message_init(schema, message);
	memcpy((uint8_t *)message + schema->fields[0].offset, &status, sizeof(status));
	reply(held, message);
	free(message);
}

static void answer(const struct world_held *held, int code)
{
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	char why[] = "the keeper says no";

	status.code = code;
	status.why = code < 0 ? why : status.why;
	if (held->type == IPC_KEEPER_STATUS)
		reply_status(held, &status);
	else if (held->type == IPC_LINK_KEYS)
		reply_keys(held, &status);
	else if (held->type == IPC_REPLICA_OPEN)
		reply_open(held, &status);
	else if (held->type == IPC_STAGE_COMMIT)
		reply_commit(held, &status);
	else if (held->type == IPC_HISTORY_GET)
		reply_history(held, &status);
	else if (held->type == IPC_LIST)
		reply_list(held, &status);
	else if (held->type == IPC_IMPORT)
		reply_import(held, &status);
	else if (held->type == IPC_RESTORE)
		reply_plan(held, &status);
	else if (held->type == IPC_RESTORE_COMMIT)
		reply_restored(held, &status);
	else if (held->type == IPC_PROVE)
		reply_prove(held, &status);
	else
		reply_bare(held, &status);
}

static void on_verb(struct ipc_channel *channel, struct ipc_frame *frame,
		    const ProtobufCMessage *body, void *userdata)
{
	struct world_held held = {frame->type, frame->id};
	struct world_keeper *keeper = &world.keeper;

	(void)channel;
	(void)userdata;
	if (frame->type == IPC_STAGE_COMMIT) {
		const Asafo__Record__Position *position =
			((const Asafo__Ipc__StageCommit *)body)->position;

		keeper->position = engine_position_from(position);
	}
	if (frame->type == IPC_RESTORE_CLOSE)
		keeper->closed_plan = ((const Asafo__Ipc__RestoreClose *)body)->plan;
	if (frame->type == IPC_HISTORY_KEEP) {
		const ProtobufCBinaryData *kept = &((const Asafo__Ipc__HistoryKeep *)body)->history;

		buf_clear(&keeper->history);
		assert_int_equal(buf_append(&keeper->history, kept->data, kept->len), 0);
	}
	keeper->asked[frame->type]++;
	if (!keeper->holds[frame->type]) {
		answer(&held, keeper->codes[frame->type]);
		return;
	}
	assert_true(keeper->n_held < WORLD_HELD_MAX);
	keeper->held[keeper->n_held++] = held;
}

static size_t find_held(enum ipc_type type)
{
	size_t at = 0;

	while (at < world.keeper.n_held && world.keeper.held[at].type != type)
		at++;
	return at;
}

bool world_keeper_has(enum ipc_type type)
{
	return find_held(type) < world.keeper.n_held;
}

void world_keeper_answer(enum ipc_type type, int code)
{
	struct world_keeper *keeper = &world.keeper;
	struct world_held held;
	size_t at;

	WAIT_FOR(world_keeper_has(type));
	at = find_held(type);
	held = keeper->held[at];
	keeper->n_held--;
	memmove(&keeper->held[at], &keeper->held[at + 1], (keeper->n_held - at) * sizeof(held));
	answer(&held, code);
}

static void on_engine_gone(struct ipc_channel *channel, int code, void *userdata)
{
	(void)channel;
	(void)code;
	(void)userdata;
}

void world_keeper_attach(void)
{
	static bool permitted[IPC_TYPE__MAX];
	static const struct ipc_channel_ops ops = {permitted, on_verb, on_engine_gone};
	int fds[2];

	memset(permitted, 1, sizeof(permitted));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	world.keeper.n_held = 0;
	assert_int_equal(ipc_channel_new(world.event, fds[1], &ops, NULL, &world.keeper.channel),
			 0);
	engine_keeper_attach(world.engine, fds[0]);
}

void world_keeper_die(void)
{
	ipc_channel_free(TAKE_PTR(world.keeper.channel));
	WAIT_FOR(!world.engine->rooms.keeper);
}

void world_keeper_moves(uint64_t term, uint64_t seq)
{
	Asafo__Ipc__Changed notice = ASAFO__IPC__CHANGED__INIT;
	Asafo__Record__Position position;

	world.keeper.position.term = term;
	world.keeper.position.seq = seq;
	world.keeper.position.digest[0] = (uint8_t)seq;
	fill_position(&position);
	notice.position = &position;
	assert_int_equal(ipc_channel_send(world.keeper.channel, IPC_CHANGED, &notice.base, NULL, 0),
			 0);
}

/* ---- the mate ---- */

static void set_address(struct sockaddr_storage *address, const char *text, uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)address;

	*address = (struct sockaddr_storage){0};
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	assert_int_equal(inet_pton(AF_INET, text, &in->sin_addr), 1);
}

static void on_mate_up(struct link *link, void *userdata)
{
	(void)link;
	(void)userdata;
	world.mate.n_ups++;
}

static void on_mate_down(struct link *link, int code, const char *why, void *userdata)
{
	(void)link;
	(void)code;
	(void)why;
	(void)userdata;
	world.mate.n_downs++;
}

static void on_mate_message(struct link *link, const Asafo__Wire__Link *message, void *userdata)
{
	(void)link;
	(void)userdata;
	world_mate_takes(message);
}

static void on_mate_writable(struct link *link, void *userdata)
{
	(void)link;
	(void)userdata;
}

static void on_mate_datagram(size_t index, const uint8_t *data, size_t size, void *userdata)
{
	bool is_current;

	(void)userdata;
	(void)hello_open(world.mate.codec, (unsigned)index, data, size, &world.mate.heard,
			 &is_current);
}

static int on_hello_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	uint8_t data[HELLO_SIZE_MAX];
	struct timespec ts;
	size_t size;

	(void)usec;
	(void)userdata;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	world.mate.says.sent_realtime_ns = (uint64_t)ts.tv_sec * MONOTIME_NS_PER_SEC +
					   (uint64_t)ts.tv_nsec + (uint64_t)world.mate.skew_ns;
	if (world.mate.codec && !world.mate.is_silent) {
		assert_int_equal(hello_seal(world.mate.codec, &world.mate.says, data, &size), 0);
		(void)path_set_send(world.mate.paths, hello_codec_counter(world.mate.codec), data,
				    size);
	}
	(void)sd_event_source_set_time_relative(source, HELLO_MS * 1000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void world_mate_connect(void)
{
	static const struct link_ops ops = {on_mate_up, on_mate_down, on_mate_message,
					    on_mate_writable};

	assert_int_equal(link_new(world.event, &world.mate.config, &ops, NULL, &world.mate.link),
			 0);
}

static void open_mate(void)
{
	struct path_config path = {
		.name = "fover", .device = "lo", .family = AF_INET, .is_failover_link = true};
	struct link_config config = {.unit = FO_UNIT_SECONDARY,
				     .boot = 99,
				     .psk_identity = "asafo-link",
				     .ways = {{.name = "fover", .device = "lo"}},
				     .n_ways = 1};
	uint8_t key[32];

	memset(key, world.keeper.keys, sizeof(key));
	memcpy(config.psk, key, sizeof(key));
	set_address(&config.ways[0].local, "203.0.113.2", LINK_PORT);
	set_address(&config.ways[0].remote, "203.0.113.1", LINK_PORT);
	set_address(&path.local, "203.0.113.2", HELLO_PORT);
	set_address(&path.remote, "203.0.113.1", HELLO_PORT);
	assert_int_equal(hello_codec_new(key, FO_UNIT_SECONDARY, 99, &world.mate.codec), 0);
	assert_int_equal(
		path_set_new(world.event, &path, 1, on_mate_datagram, NULL, &world.mate.paths), 0);
	world.mate.config = config;
	if (world.mate.version)
		world_older_connect();
	else
		world_mate_connect();
}

void world_mate_appears(enum fo_state state)
{
	struct hello *says = &world.mate.says;

	*says = (struct hello){.software = "mate"};
	says->view = (struct fo_mate_view){.state = state, .may_activate = true, .hold_ms = 500};
	says->view.is_serving = fo_state_is_active(state);
	says->view.term = says->view.is_serving ? 101 : 0;
	says->view.position.term = world.keeper.position.term;
	says->view.position.seq = world.keeper.position.seq;
	memcpy(says->digest, world.keeper.position.digest, sizeof(says->digest));
	open_mate();
}

void world_mate_send(Asafo__Wire__Link__BodyCase kind, void *body)
{
	Asafo__Wire__Link message = ASAFO__WIRE__LINK__INIT;

	message.body_case = kind;
	message.sync_start = body;
	assert_int_equal(world.mate.older ? link_conn_send(world.mate.older, &message)
					  : link_send(world.mate.link, &message),
			 0);
}

/* ---- the engine ---- */

static void on_child_peer(enum ipc_peer peer, unsigned instance, int fd, void *userdata)
{
	(void)peer;
	(void)instance;
	(void)userdata;
	(void)close(fd);
}

static void on_child_shutdown(void *userdata)
{
	(void)userdata;
}

/* A child's number for it, which nothing else may take meanwhile. */
static void reserve_supervisor_fd(void)
{
	assert_int_equal(dup2(STDERR_FILENO, CHILD_SUPERVISOR_FD), CHILD_SUPERVISOR_FD);
}

void world_enter(void)
{
	netns_enter_or_skip();
	if (netns_run("ip addr add 203.0.113.2/30 dev lo") != 0 ||
	    netns_run("ip link set va up") != 0 || netns_run("ip link set vb up") != 0)
		exit(NETNS_SKIP);
	reserve_supervisor_fd();
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

int world_setup(void **state)
{
	static const struct child_ops child_ops = {on_child_peer, NULL, on_child_shutdown};
	static const struct child_options options = {.config = "startup-config",
						     .beat_ms = CHILD_BEAT_MS};
	int fds[2];

	(void)state;
	world = (struct world){.keeper.keys = 7, .keeper.position = {.term = 1, .seq = 1}};
	world.keeper.position.digest[0] = 1;
	(void)snprintf(world.directory, sizeof(world.directory), "/tmp/asafo-engine.XXXXXX");
	assert_non_null(mkdtemp(world.directory));
	(void)snprintf(world.socket_path, sizeof(world.socket_path), "%s/control", world.directory);
	assert_true(sd_event_new(&world.event) >= 0);
	assert_true(sd_event_add_time_relative(world.event, &world.hello_timer, CLOCK_MONOTONIC,
					       HELLO_MS * 1000, 0, on_hello_time, NULL) >= 0);
	assert_int_equal(engine_new(world.event, &options, &methods_upper, &world.engine), 0);
	assert_true(engine_addresses_start(world.engine) >= 0);
	assert_int_equal(engine_monitor_start(world.engine), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_true(dup2(fds[0], CHILD_SUPERVISOR_FD) >= 0);
	(void)close(fds[0]);
	world.supervisor_fd = fds[1];
	assert_int_equal(
		child_new(world.event, &options, &child_ops, NULL, &world.engine->rooms.child), 0);
	assert_int_equal(methods_serve(world.engine, listen_on(world.socket_path)), 0);
	world_keeper_attach();
	return 0;
}

int world_teardown(void **state)
{
	(void)state;
	link_free(world.mate.link);
	world_older_go();
	path_set_free(world.mate.paths);
	hello_codec_free(world.mate.codec);
	engine_free(world.engine);
	reserve_supervisor_fd();
	ipc_channel_free(world.keeper.channel);
	sd_event_source_disable_unref(world.hello_timer);
	sd_event_unref(world.event);
	buf_done(&world.keeper.history);
	buf_done(&world.keeper.listed);
	(void)close(world.supervisor_fd);
	(void)unlink(world.socket_path);
	(void)rmdir(world.directory);
	return 0;
}

void world_start(const char *lines)
{
	static const char common[] =
		"failover lan unit primary\nfailover lan interface fover lo\n"
		"failover interface ip fover 203.0.113.1 255.255.255.252 standby 203.0.113.2\n"
		"failover\n";
	struct config_error error = {0};
	struct config *config;

	assert_int_equal(config_new(&config), 0);
	assert_int_equal(config_apply_text(config, "test", common, strlen(common), &error), 0);
	assert_int_equal(config_apply_text(config, "test", lines, strlen(lines), &error), 0);
	world.engine->has_config = true;
	engine_apply_config(world.engine, config);
	WAIT_FOR(world.engine->is_started);
}

void world_be_active(const char *lines)
{
	world_start(lines);
	WAIT_FOR(world.engine->fsm.state == FO_STATE_ACTIVE);
	world_keeper_moves(world.engine->fsm.term, 1);
	WAIT_FOR(world.engine->store.position.term == world.engine->fsm.term);
	world_mate_appears(FO_STATE_STANDBY_READY);
	WAIT_FOR(world.mate.n_ups == 1 && link_is_up(world.engine->pair.link));
	WAIT_FOR(engine_hears_mate(world.engine));
}

void world_be_staging(const char *lines)
{
	Asafo__Wire__SyncOffer offer = ASAFO__WIRE__SYNC_OFFER__INIT;
	Asafo__Wire__SyncConfig config = ASAFO__WIRE__SYNC_CONFIG__INIT;
	Asafo__Record__Position position;
	static char text[] = "hostname staged\n";

	world_start(lines);
	world_mate_appears(FO_STATE_ACTIVE);
	WAIT_FOR(WORLD_GOT(SYNC_REQUEST) > 0);
	world.keeper.position = (struct engine_position){.term = 101, .seq = 5, .digest = {5}};
	fill_position(&position);
	offer.id = config.id = WORLD_LAST_ID(SYNC_REQUEST);
	offer.position = &position;
	offer.mode = ASAFO__IPC__REPLICA_OPEN_REPLY__MODE__DELTA;
	world_mate_send(ASAFO__WIRE__LINK__BODY_SYNC_OFFER, &offer);
	config.text = (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
	world_mate_send(ASAFO__WIRE__LINK__BODY_SYNC_CONFIG, &config);
	WAIT_FOR(world.engine->fsm.state == FO_STATE_BULK_SYNC);
}
