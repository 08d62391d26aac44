/* SPDX-License-Identifier: Apache-2.0 */
#include "front_office.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "ipc/frame.h"
#include "ipc/vpn.h"

static void say(int fd, enum ipc_type type, bool is_reply, uint32_t id,
		const ProtobufCMessage *body)
{
	struct ipc_frame frame = {.type = type, .is_reply = is_reply, .id = id};

	(void)ipc_frame_send(fd, &frame, body);
}

/* ---- the helper ---- */

static char half_way[] = "half/way+==";

static void code_answer(Asafo__Ipc__AuthCheckReply *reply, const Asafo__Ipc__AuthCheck *check,
			const char *code)
{
	static char user[] = "anna", group[] = "Visitors", policy[] = "Staff-Policy";

	reply->is_late = strcmp(check->state, half_way) != 0;
	if (reply->is_late)
		return;
	reply->user = user;
	reply->group = group;
	if (strcmp(code, "456") == 0) {
		reply->verdict = AUTH_VERDICT_YES;
		reply->policy = policy;
	} else {
		reply->verdict = AUTH_VERDICT_MORE;
		reply->state = half_way;
		reply->is_again = true;
	}
}

/* The helper's word for what it answers. */
static void check_say(struct office *office, uint32_t id, const Asafo__Ipc__AuthCheck *check,
		      Asafo__Ipc__AuthCheckReply *reply)
{
	struct loginproof_claim claim = {.user = reply->user,
					 .group = reply->group,
					 .policy = reply->policy,
					 .hash = check->cookie_hash.data,
					 .client = check->client.data,
					 .client_size = check->client.len};
	struct loginproof proof;
	Asafo__Ipc__LoginProof message;

	if (reply->verdict == AUTH_VERDICT_YES && check->cookie_hash.len == VPN_HASH_SIZE &&
	    loginproof_make(&office->gate.key, &claim, ++office->n_proofs, monotime_now(),
			    &proof) == 0) {
		loginproof_fill(&proof, &message);
		reply->proof = &message;
	}
	say(office->auth, IPC_AUTH_CHECK, true, id, &reply->base);
}

static void check_answer(struct office *office, uint32_t id, const Asafo__Ipc__AuthCheck *check)
{
	Asafo__Ipc__AuthCheckReply reply = ASAFO__IPC__AUTH_CHECK_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	char password[64] = "", policy[] = "Staff-Policy";

	office->n_asked++;
	(void)pthread_cond_broadcast(&office->news);
	(void)snprintf(office->asked, sizeof(office->asked), "%s %s", check->user, check->method);
	if (check->password.len < sizeof(password))
		memcpy(password, check->password.data, check->password.len);
	reply.status = &status;
	if (check->state[0]) {
		code_answer(&reply, check, password);
		check_say(office, id, check, &reply);
		return;
	}
	if (strcmp(password, "more") == 0)
		reply.state = half_way;
	reply.verdict = reply.state == half_way		  ? AUTH_VERDICT_MORE
			: strcmp(password, "right") == 0  ? AUTH_VERDICT_YES
			: strcmp(password, "locked") == 0 ? AUTH_VERDICT_LOCKED
							  : AUTH_VERDICT_NO;
	if (reply.verdict == AUTH_VERDICT_YES) {
		reply.user = check->user;
		reply.group = check->group;
		reply.policy = policy;
	}
	if (reply.verdict == AUTH_VERDICT_LOCKED)
		reply.wait_ms = 90000;
	if (strcmp(password, "busy") == 0)
		status.code = ERR_BUSY;
	if (strcmp(password, "mute") != 0)
		check_say(office, id, check, &reply);
}

/* ---- the engine ---- */

static int refusal_of(struct office *office, const Asafo__Ipc__VpnSessionNew *wanted)
{
	struct loginproof_claim claim = {.user = wanted->user,
					 .group = wanted->group,
					 .policy = wanted->policy,
					 .hash = wanted->cookie_hash.data,
					 .client = wanted->client.data,
					 .client_size = wanted->client.len};
	struct loginproof proof;
	struct why why = {""};

	loginproof_from(wanted->proof, &proof);
	if (wanted->cookie_hash.len != VPN_HASH_SIZE ||
	    loginproof_gate_take(&office->gate, &claim, &proof, monotime_now(), &why) < 0)
		return ERR_DENIED;
	return strcmp(wanted->user, "full") == 0 ? ERR_TOO_LARGE : 0;
}

/* Of one that is none it stays as it was: the copy takes no session for it. */
static void tag_of(const ProtobufCBinaryData *cookie_hash, uint8_t tag[static VPN_HASH_SIZE])
{
	if (cookie_hash->len == VPN_HASH_SIZE)
		(void)vpn_tag(cookie_hash->data, tag);
}

static void session_open(struct office *office, uint32_t id,
			 const Asafo__Ipc__VpnSessionNew *wanted)
{
	Asafo__Ipc__VpnSessionNewReply reply = ASAFO__IPC__VPN_SESSION_NEW_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	Asafo__Ipc__VpnTable table = ASAFO__IPC__VPN_TABLE__INIT;
	Asafo__Ipc__VpnSession session = ASAFO__IPC__VPN_SESSION__INIT, *list[] = {&session};
	Asafo__Ipc__VpnAddress v4 = ASAFO__IPC__VPN_ADDRESS__INIT;
	uint8_t address[4] = {10, 9}, tag[VPN_HASH_SIZE] = {0};
	char policy[] = "DfltGrpPolicy";

	(void)snprintf(office->opened, sizeof(office->opened), "%s %s %s %zu", wanted->user,
		       wanted->group, wanted->policy, wanted->client.len);
	v4.address = (ProtobufCBinaryData){4, address};
	v4.prefix = 24;
	tag_of(&wanted->cookie_hash, tag);
	session.cookie_hash = (ProtobufCBinaryData){sizeof(tag), tag};
	session.id = ++office->n_sessions;
	/* No two have the same. */
	address[2] = (uint8_t)(session.id >> 8);
	address[3] = (uint8_t)session.id;
	session.user = wanted->user;
	session.group = wanted->group;
	session.policy = policy;
	session.v4 = &v4;
	session.client = wanted->client;
	session.age_ms = 61 * 60 * 1000;
	session.left_ms = 7 * 60 * 60 * 1000;
	table.put = list;
	table.n_put = 1;
	table.is_complete = true;
	reply.status = &status;
	status.code = refusal_of(office, wanted);
	office->is_undying = strcmp(wanted->user, "undying") == 0;
	if (status.code == 0) {
		say(office->harness->engine, IPC_VPN_TABLE, false, 0, &table.base);
		reply.session = &session;
	}
	say(office->harness->engine, IPC_VPN_SESSION_NEW, true, id, &reply.base);
}

static void session_close(struct office *office, uint32_t id,
			  const Asafo__Ipc__VpnSessionEnd *wanted)
{
	Asafo__Ipc__VpnTable table = ASAFO__IPC__VPN_TABLE__INIT;
	Asafo__Ipc__VpnGone gone = ASAFO__IPC__VPN_GONE__INIT, *list[] = {&gone};
	Asafo__Ipc__StatusReply reply = ASAFO__IPC__STATUS_REPLY__INIT;
	Asafo__Ipc__Status status = ASAFO__IPC__STATUS__INIT;
	uint8_t tag[VPN_HASH_SIZE] = {0};

	office->n_ended++;
	reply.status = &status;
	if (office->is_undying) {
		status.code = ERR_NOT_READY;
		say(office->harness->engine, IPC_VPN_SESSION_END, true, id, &reply.base);
		return;
	}
	tag_of(&wanted->cookie_hash, tag);
	gone.tag = (ProtobufCBinaryData){sizeof(tag), tag};
	gone.reason = wanted->reason;
	table.gone = list;
	table.n_gone = 1;
	table.is_complete = true;
	say(office->harness->engine, IPC_VPN_TABLE, false, 0, &table.base);
	if (id)
		say(office->harness->engine, IPC_VPN_SESSION_END, true, id, &reply.base);
}

static bool one_take(struct office *office, int fd)
{
	_cleanup_free_ uint8_t *buffer = malloc(IPC_HEADER_SIZE + IPC_BODY_MAX);
	struct ipc_frame frame;
	ProtobufCMessage *body;

	if (!buffer || ipc_frame_receive(fd, buffer, IPC_HEADER_SIZE + IPC_BODY_MAX, &frame) < 0)
		return false;
	body = ipc_frame_unpack(&frame);
	(void)pthread_mutex_lock(&office->lock);
	if (body && frame.type == IPC_AUTH_CHECK)
		check_answer(office, frame.id, (const Asafo__Ipc__AuthCheck *)body);
	else if (body && frame.type == IPC_VPN_SESSION_NEW)
		session_open(office, frame.id, (const Asafo__Ipc__VpnSessionNew *)body);
	else if (body && frame.type == IPC_VPN_SESSION_END)
		session_close(office, frame.id, (const Asafo__Ipc__VpnSessionEnd *)body);
	(void)pthread_mutex_unlock(&office->lock);
	if (body)
		protobuf_c_message_free_unpacked(body, NULL);
	ipc_frame_done(&frame);
	return true;
}

static void *office_run(void *userdata)
{
	struct office *office = userdata;
	struct pollfd fds[3] = {{office->stop[0], POLLIN, 0},
				{office->harness->engine, POLLIN, 0},
				{office->auth, POLLIN, 0}};

	while (poll(fds, 3, -1) > 0 && !fds[0].revents) {
		for (int i = 1; i < 3; i++) {
			if (fds[i].revents && !one_take(office, fds[i].fd))
				fds[i].fd = -1;
		}
	}
	return NULL;
}

static void config_send(struct office *office)
{
	static char name_staff[] = "Staff", name_guests[] = "Visitors", alias[] = "staff members";
	static char name_hidden[] = "Hidden";
	static char alias_guests[] = "Guests & friends", policy_name[] = "DfltGrpPolicy";
	static char local[] = "LOCAL", banner[] = "Be good <to> us";
	char *aliases[] = {alias}, *guest_aliases[] = {alias_guests};
	Asafo__Ipc__VpnConfig config = ASAFO__IPC__VPN_CONFIG__INIT;
	Asafo__Ipc__VpnGroup staff = ASAFO__IPC__VPN_GROUP__INIT;
	Asafo__Ipc__VpnGroup guests = ASAFO__IPC__VPN_GROUP__INIT;
	Asafo__Ipc__VpnGroup hidden = ASAFO__IPC__VPN_GROUP__INIT;
	Asafo__Ipc__VpnGroup *groups[] = {&staff, &guests, &hidden};
	Asafo__Ipc__VpnPolicy policy = ASAFO__IPC__VPN_POLICY__INIT, *policies[] = {&policy};

	staff.name = name_staff;
	staff.aliases = aliases;
	guests.name = name_guests;
	guests.aliases = guest_aliases;
	staff.n_aliases = guests.n_aliases = 1;
	hidden.name = name_hidden;
	staff.policy = guests.policy = hidden.policy = policy_name;
	staff.authentication = guests.authentication = hidden.authentication = local;
	policy.name = policy_name;
	policy.banner = banner;
	policy.simultaneous_logins = 3;
	config.is_enabled = true;
	config.groups = groups;
	config.n_groups = ARRAY_SIZE(groups);
	config.policies = policies;
	config.n_policies = 1;
	say(office->harness->engine, IPC_VPN_CONFIG, false, 0, &config.base);
}

void office_complete(struct office *office, bool is_complete)
{
	Asafo__Ipc__VpnTable table = ASAFO__IPC__VPN_TABLE__INIT;

	table.is_reset = true;
	table.is_complete = is_complete;
	say(office->harness->engine, IPC_VPN_TABLE, false, 0, &table.base);
}

void office_start(struct office *office, struct harness *harness)
{
	memset(office, 0, sizeof(*office));
	office->harness = harness;
	assert_int_equal(loginproof_gate_open(&office->gate), 0);
	(void)pthread_mutex_init(&office->lock, NULL);
	(void)pthread_cond_init(&office->news, NULL);
	harness_peer_give(harness, IPC_PEER_AUTH, &office->auth);
	config_send(office);
	office_complete(office, true);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, office->stop), 0);
	assert_int_equal(pthread_create(&office->thread, NULL, office_run, office), 0);
}

void office_stop(struct office *office)
{
	assert_int_equal(write(office->stop[1], "x", 1), 1);
	(void)pthread_join(office->thread, NULL);
	(void)close(office->stop[0]);
	(void)close(office->stop[1]);
	(void)close(office->auth);
	loginproof_gate_done(&office->gate);
	(void)pthread_cond_destroy(&office->news);
	(void)pthread_mutex_destroy(&office->lock);
}

void office_helper_leave(struct office *office)
{
	(void)shutdown(office->auth, SHUT_RDWR);
}

static unsigned number_read(struct office *office, const unsigned *number)
{
	unsigned value;

	(void)pthread_mutex_lock(&office->lock);
	value = *number;
	(void)pthread_mutex_unlock(&office->lock);
	return value;
}

unsigned office_ended(struct office *office)
{
	return number_read(office, &office->n_ended);
}

void office_wait_asked(struct office *office, unsigned n)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += HARNESS_WAIT_MS / 1000;
	(void)pthread_mutex_lock(&office->lock);
	while (office->n_asked < n)
		assert_int_equal(pthread_cond_timedwait(&office->news, &office->lock, &until), 0);
	(void)pthread_mutex_unlock(&office->lock);
}

unsigned office_asked(struct office *office)
{
	return number_read(office, &office->n_asked);
}
