/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_front.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine_world.h"
#include "failover/vpn/hub.h"

struct played_front front;

static void on_notice(struct ipc_channel *channel, struct ipc_frame *frame,
		      const ProtobufCMessage *body, void *userdata)
{
	const Asafo__Ipc__VpnTable *table = (const Asafo__Ipc__VpnTable *)body;

	(void)channel;
	(void)userdata;
	front.configs += frame->type == IPC_VPN_CONFIG ? 1 : 0;
	if (frame->type != IPC_VPN_TABLE)
		return;
	front.resets += table->is_reset ? 1 : 0;
	front.puts += (unsigned)table->n_put;
	front.gone += (unsigned)table->n_gone;
	if (table->n_put)
		memcpy(front.tag, table->put[table->n_put - 1]->cookie_hash.data,
		       sizeof(front.tag));
	if (table->n_gone)
		front.gone_reason = table->gone[0]->reason;
	front.is_complete = table->is_complete;
}

static void on_closed(struct ipc_channel *channel, int code, void *userdata)
{
	(void)code;
	(void)userdata;
	ipc_channel_free(channel);
	front.channel = NULL;
}

/* ---- the auth helper ---- */

static struct {
	struct ipc_channel *channel;
	struct secret key;
	uint64_t n_proofs;
} helper;

static void on_helper_notice(struct ipc_channel *channel, struct ipc_frame *frame,
			     const ProtobufCMessage *body, void *userdata)
{
	const Asafo__Ipc__LoginProofKey *message = (const Asafo__Ipc__LoginProofKey *)body;

	(void)channel;
	(void)userdata;
	if (frame->type != IPC_LOGIN_PROOF_KEY)
		return;
	assert_int_equal(message->key.len, LOGINPROOF_KEY_SIZE);
	assert_int_equal(secret_init_copy(&helper.key, message->key.data, message->key.len), 0);
}

static void on_helper_closed(struct ipc_channel *channel, int code, void *userdata)
{
	(void)code;
	(void)userdata;
	ipc_channel_free(channel);
	helper.channel = NULL;
}

void played_helper_detach(void)
{
	ipc_channel_free(TAKE_PTR(helper.channel));
	secret_done(&helper.key);
	helper.n_proofs = 0;
}

void played_helper_attach(void)
{
	static const bool takes[IPC_TYPE__MAX] = {[IPC_AUTH_USERS] = true,
						  [IPC_VPN_TRUST] = true,
						  [IPC_AUTH_GUESSES] = true,
						  [IPC_LOGIN_PROOF_KEY] = true};
	static const struct ipc_channel_ops ops = {takes, on_helper_notice, on_helper_closed};
	int fds[2];

	played_helper_detach();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	assert_int_equal(ipc_channel_new(world.event, fds[0], &ops, NULL, &helper.channel), 0);
	vpnhub_auth_attach(world.engine->vpnhub, fds[1]);
	WAIT_FOR(helper.key.size > 0);
}

/* ---- the front ---- */

struct ipc_channel *played_front_attach_as(unsigned instance)
{
	static const bool takes[IPC_TYPE__MAX] = {
		[IPC_FRONT_CONFIG] = true, [IPC_FRONT_ROLE] = true, [IPC_FRONT_TEST] = true,
		[IPC_VPN_CONFIG] = true,   [IPC_VPN_TABLE] = true,  [IPC_VPN_TUN] = true,
		[IPC_VPN_TRUST] = true};
	static const struct ipc_channel_ops ops = {takes, on_notice, on_closed};
	struct ipc_channel *channel;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	assert_int_equal(ipc_channel_new(world.event, fds[0], &ops, NULL, &channel), 0);
	engine_front_attach(world.engine, instance, fds[1]);
	return channel;
}

void played_front_attach(void)
{
	front = (struct played_front){.code = 1};
	front.channel = played_front_attach_as(0);
	WAIT_FOR(front.resets > 0);
	played_helper_attach();
}

void played_front_detach(void)
{
	ipc_channel_free(TAKE_PTR(front.channel));
	played_helper_detach();
}

static void on_made(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__VpnSessionNewReply *reply = (const Asafo__Ipc__VpnSessionNewReply *)body;

	(void)has_more;
	(void)userdata;
	if (code < 0)
		return;
	front.replies++;
	front.code = reply->status->code;
	if (front.code < 0)
		return;
	assert_int_equal(reply->session->v4->address.len, 4);
	memcpy(front.v4, reply->session->v4->address.data, 4);
	front.prefix = reply->session->v4->prefix;
	front.has_v6 = reply->session->v6 != NULL;
	front.id = reply->session->id;
}

static void on_end_answered(int code, const ProtobufCMessage *body, bool has_more, void *userdata)
{
	const Asafo__Ipc__StatusReply *reply = (const Asafo__Ipc__StatusReply *)body;

	(void)has_more;
	(void)userdata;
	front.replies += code == 0 ? 1 : 0;
	front.code = code == 0 ? reply->status->code : code;
}

static void hash_of(unsigned number, uint8_t hash[static 32])
{
	memset(hash, 0, 32);
	hash[0] = (uint8_t)number;
}

struct loginproof played_helper_vouch(const struct asked *asked, struct monotime at)
{
	uint8_t hash[32], client[4] = {203, 0, 113, asked->client};
	struct loginproof_claim claim = {.user = asked->user,
					 .group = asked->group,
					 .policy = asked->policy,
					 .hash = hash,
					 .client = client,
					 .client_size = sizeof(client)};
	struct loginproof proof;

	hash_of(asked->number, hash);
	assert_int_equal(loginproof_make(&helper.key, &claim, ++helper.n_proofs, at, &proof), 0);
	return proof;
}

void played_front_ask(const struct asked *asked, const struct loginproof *proof)
{
	Asafo__Ipc__VpnSessionNew message = ASAFO__IPC__VPN_SESSION_NEW__INIT;
	uint8_t hash[32], client[4] = {203, 0, 113, asked->client};
	Asafo__Ipc__LoginProof carried;

	hash_of(asked->number, hash);
	message.cookie_hash = (ProtobufCBinaryData){sizeof(hash), hash};
	message.client = (ProtobufCBinaryData){sizeof(client), client};
	message.user = (char *)(uintptr_t)asked->user;
	message.group = (char *)(uintptr_t)asked->group;
	message.policy = (char *)(uintptr_t)asked->policy;
	if (proof->is_there) {
		loginproof_fill(proof, &carried);
		message.proof = &carried;
	}
	assert_int_equal(ipc_channel_call(front.channel, IPC_VPN_SESSION_NEW, &message.base, NULL,
					  0, on_made, NULL),
			 0);
}

int played_front_asked_code(const struct asked *asked, const struct loginproof *proof)
{
	unsigned n = front.replies;

	played_front_ask(asked, proof);
	WAIT_FOR(front.replies > n);
	return front.code;
}

void played_front_log_in(unsigned number, const char *user)
{
	struct asked asked = {
		.number = number, .user = user, .group = "staff", .policy = "", .client = 77};
	struct loginproof proof = played_helper_vouch(&asked, monotime_now());

	played_front_ask(&asked, &proof);
}

static void end_ask(const uint8_t hash[static 32])
{
	Asafo__Ipc__VpnSessionEnd message = ASAFO__IPC__VPN_SESSION_END__INIT;

	message.cookie_hash = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)hash};
	message.reason = VPN_END_LOGOUT;
	assert_int_equal(ipc_channel_call(front.channel, IPC_VPN_SESSION_END, &message.base, NULL,
					  0, on_end_answered, NULL),
			 0);
}

void played_front_log_out(unsigned number)
{
	uint8_t hash[32];

	hash_of(number, hash);
	end_ask(hash);
}

/* ... and hears the answer. */
int played_front_login_code(unsigned number, const char *user)
{
	unsigned n = front.replies;

	played_front_log_in(number, user);
	WAIT_FOR(front.replies > n);
	return front.code;
}

static void touch_send(struct ipc_channel *channel, const uint8_t hash[static 32],
		       bool is_connected, uint64_t received, uint64_t idle_ms, uint64_t age_ms)
{
	Asafo__Ipc__VpnSessionTouch message = ASAFO__IPC__VPN_SESSION_TOUCH__INIT;
	Asafo__Ipc__VpnTouched touched = ASAFO__IPC__VPN_TOUCHED__INIT, *pointers[1] = {&touched};

	touched.cookie_hash = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)hash};
	touched.is_connected = is_connected;
	touched.received = received;
	touched.idle_ms = idle_ms;
	touched.tunnel_at_ns = monotime_now().ns - age_ms * MONOTIME_NS_PER_MS;
	message.touched = pointers;
	message.n_touched = 1;
	assert_int_equal(ipc_channel_send(channel, IPC_VPN_SESSION_TOUCH, &message.base, NULL, 0),
			 0);
}

/* Of a tunnel whose CONNECT was taken AGE_MS ago. */
void played_front_touch_by(struct ipc_channel *channel, unsigned number, bool is_connected,
			   uint64_t received, uint64_t idle_ms, uint64_t age_ms)
{
	uint8_t hash[32];

	hash_of(number, hash);
	touch_send(channel, hash, is_connected, received, idle_ms, age_ms);
}

void played_front_claim(const uint8_t hash[static 32])
{
	touch_send(front.channel, hash, true, 1000, 0, 0);
	end_ask(hash);
}

void played_front_touch(unsigned number, bool is_connected, uint64_t received, uint64_t idle_ms)
{
	played_front_touch_by(front.channel, number, is_connected, received, idle_ms, 0);
}

const struct session_record *session_find(unsigned number)
{
	uint8_t hash[32];

	hash_of(number, hash);
	return sessiondb_find(vpnhub_sessions(world.engine->vpnhub), hash);
}

void mate_says(unsigned number, const struct told *told)
{
	static uint64_t seq;
	Asafo__Wire__SessionUpdate update = ASAFO__WIRE__SESSION_UPDATE__INIT;
	Asafo__Wire__SessionRecord record = ASAFO__WIRE__SESSION_RECORD__INIT;
	Asafo__Wire__SessionRecord *pointers[1] = {&record};
	Asafo__Wire__SessionLease v4 = ASAFO__WIRE__SESSION_LEASE__INIT;
	Asafo__Wire__SessionLease v6 = ASAFO__WIRE__SESSION_LEASE__INIT;
	uint8_t hash[32], address4[4] = {10, 9, 0, told->v4};
	uint8_t address6[16] = {0xfd, 0, 0, 9, [15] = told->v6};
	char user[] = "ada", group[] = "staff", policy[] = "GP";

	hash_of(number, hash);
	record.cookie_hash = (ProtobufCBinaryData){sizeof(hash), hash};
	record.id = 2;
	record.user = user;
	record.group = group;
	record.policy = policy;
	v4.address = (ProtobufCBinaryData){sizeof(address4), address4};
	v4.prefix = 24;
	record.v4 = told->v4 ? &v4 : NULL;
	v6.address = (ProtobufCBinaryData){sizeof(address6), address6};
	v6.prefix = 64;
	record.v6 = told->v6 ? &v6 : NULL;
	record.left_ms = told->left_ms;
	record.client_port = told->client_port;
	record.idle_left_ms = 50000;
	record.born_term = record.term = world.engine->fsm.term;
	record.revision = 7;
	record.end = told->end;
	update.seq = ++seq;
	update.records = pointers;
	update.n_records = number ? 1 : 0;
	update.is_whole = told->is_whole;
	world_mate_send(ASAFO__WIRE__LINK__BODY_SESSION_UPDATE, &update);
}

void mate_tells(unsigned number, uint32_t end, uint64_t left_ms, bool is_whole)
{
	mate_says(number,
		  &(struct told){.end = end, .left_ms = left_ms, .is_whole = is_whole, .v4 = 2});
}

const char *operator_asks(const char *request)
{
	int fd = world_ask(request, -1);
	const char *text = world_answer(fd);

	(void)close(fd);
	return text;
}
